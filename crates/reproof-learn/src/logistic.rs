//! Logistic regression with an L2 penalty, by Newton's method.
//!
//! What is minimised is `Σ log(1 + exp(-s z)) + l2/2 Σ w²`, summed (not averaged) over the rows,
//! where `z` is a row's log-odds, `s` is 1 for the positive class and -1 for the other, and `w`
//! are the coefficients without the intercept. In scikit-learn's terms `l2` is `1/C`.
//!
//! The row order and the number of threads change nothing: every sum over rows (of the objective,
//! of each element of the gradient and of the Hessian) is exact.

use reproof_table::exact::ExactSum;
use reproof_table::{ColumnData, Threads, map_ranges};
use serde::{Deserialize, Serialize};

use crate::design::Design;
use crate::label::{BinaryLabel, LabelParameters};
use crate::linalg::{NotDefinite, Symmetric};
use crate::model::{LinearFunction, LogisticModel, Model};
use crate::{LearnError, Matrix};

/// The share of the decrease promised by the gradient that a step must bring (Armijo's rule).
const SUFFICIENT: f64 = 1e-4;

/// A promised decrease below this share of the objective is lost in its rounding, and the step is
/// then so short that Newton's method converges without help.
const BELOW_ROUNDING: f64 = 1e-11;

/// How often a step may be halved: after that it is too short to change anything.
const MAX_HALVINGS: u32 = 50;

/// The parameters of `train_logistic_regression`, as the recipe holds them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogisticParameters {
    /// The label.
    pub label: LabelParameters,
    /// The weight of the penalty, from 0.
    pub l2: f64,
    /// After how many Newton steps to give up.
    pub max_iterations: u32,
    /// Training ends when the next step would change no training row's log-odds by more than
    /// this (relative to the log-odds where they are beyond 1).
    pub tolerance: f64,
}

impl LogisticParameters {
    fn check(&self) -> Result<(), LearnError> {
        check_l2(self.l2)?;
        if self.max_iterations == 0 {
            return Err(LearnError::Parameter {
                parameter: "max_iterations",
                value: "0".to_owned(),
                wanted: "at least 1 is needed",
            });
        }
        if !(self.tolerance.is_finite() && self.tolerance > 0.0) {
            return Err(LearnError::Parameter {
                parameter: "tolerance",
                value: self.tolerance.to_string(),
                wanted: "a number above 0 is needed",
            });
        }
        Ok(())
    }
}

pub(crate) fn check_l2(l2: f64) -> Result<(), LearnError> {
    if l2.is_finite() && l2 >= 0.0 {
        return Ok(());
    }
    Err(LearnError::Parameter {
        parameter: "l2",
        value: l2.to_string(),
        wanted: "a number from 0 is needed",
    })
}

/// Trains a logistic regression.
///
/// # Errors
/// Among others: a label that has not two classes, features that do not determine the
/// coefficients, and an iteration that did not converge. A model that is returned has converged.
pub fn train_logistic(
    x: &Matrix,
    label: &ColumnData,
    parameters: &LogisticParameters,
    threads: Threads,
) -> Result<Model, LearnError> {
    parameters.check()?;
    x.complete()?;
    let classes = BinaryLabel::resolve(label, &parameters.label)?;
    let positives = classes.positives(label)?;
    if positives.len() != x.rows() {
        return Err(LearnError::Rows {
            what: format!("label '{}'", classes.column),
            found: positives.len(),
            expected: x.rows(),
        });
    }
    let newton = Newton {
        design: Design::new(x, threads)?,
        positives: &positives,
        l2: parameters.l2,
        threads,
    };
    let (point, iterations) = newton.minimise(parameters.max_iterations, parameters.tolerance)?;
    let intercept = newton
        .design
        .uncentred_intercept(&point.coefficients, point.intercept);
    let function = LinearFunction::new(x.names().to_vec(), point.coefficients, intercept)?;
    Ok(Model::Logistic(LogisticModel {
        label: classes,
        function,
        l2: parameters.l2,
        iterations,
    }))
}

/// The probability of log-odds.
pub(crate) fn sigmoid(z: f64) -> f64 {
    if z >= 0.0 {
        1.0 / (1.0 + libm::exp(-z))
    } else {
        let odds = libm::exp(z);
        odds / (1.0 + odds)
    }
}

/// `log(1 + exp(m))`.
fn softplus(m: f64) -> f64 {
    if m > 0.0 {
        m + libm::log1p(libm::exp(-m))
    } else {
        libm::log1p(libm::exp(m))
    }
}

/// A point of the search, with what the rows say of it.
struct Point {
    coefficients: Vec<f64>,
    /// For centred features.
    intercept: f64,
    log_odds: Vec<f64>,
    objective: f64,
}

/// A Newton step.
struct Step {
    coefficients: Vec<f64>,
    intercept: f64,
    /// The change of each row's log-odds.
    log_odds: Vec<f64>,
    /// The gradient times the step, negated: what a short step would save per unit.
    promised: f64,
}

struct Newton<'a> {
    design: Design<'a>,
    positives: &'a [bool],
    l2: f64,
    threads: Threads,
}

impl Newton<'_> {
    /// From zero to the optimum, and the number of steps taken.
    fn minimise(&self, limit: u32, tolerance: f64) -> Result<(Point, u32), LearnError> {
        let mut point = self.point(vec![0.0; self.design.features()], 0.0);
        let mut iterations = 0;
        loop {
            if self.l2 == 0.0 && self.separates(&point) {
                return Err(LearnError::Separated);
            }
            let step = self.step(&point, iterations == 0)?;
            let movement = movement(&point, &step);
            if movement <= tolerance {
                return Ok((point, iterations));
            }
            let stuck = LearnError::NotConverged {
                iterations,
                movement,
            };
            if iterations == limit {
                return Err(stuck);
            }
            point = self.search(&point, &step).ok_or(stuck)?;
            iterations += 1;
        }
    }

    fn point(&self, coefficients: Vec<f64>, intercept: f64) -> Point {
        let log_odds = self.design.linear(&coefficients, intercept, self.threads);
        let losses = map_ranges(self.threads, log_odds.len(), |range| {
            let rows = log_odds[range.clone()].iter().zip(&self.positives[range]);
            rows.map(|(&z, &positive)| softplus(if positive { -z } else { z }))
                .collect::<ExactSum>()
        });
        let mut objective = ExactSum::new();
        for part in &losses {
            objective.merge(part);
        }
        objective.extend(coefficients.iter().map(|c| self.l2 / 2.0 * c * c));
        Point {
            coefficients,
            intercept,
            log_odds,
            objective: objective.value(),
        }
    }

    /// The Newton step: the gradient through the inverse of the Hessian.
    fn step(&self, point: &Point, first: bool) -> Result<Step, LearnError> {
        let (residuals, weights) = self.residuals_and_weights(&point.log_odds);
        let features = self.design.features();
        // The intercept comes first, so that a collinear feature is named, not the intercept.
        let mut gradient = vec![sum(&residuals)];
        let sums = self.design.sums(&residuals, self.threads);
        let penalties = point.coefficients.iter().map(|c| self.l2 * c);
        gradient.extend(
            sums.iter()
                .zip(penalties)
                .map(|(sum, penalty)| sum + penalty),
        );
        let hessian = self.hessian(&weights);
        let factor = hessian
            .cholesky()
            .map_err(|error| self.not_definite(error, first))?;
        let down: Vec<f64> = gradient.iter().map(|g| -g).collect();
        let solution = factor.solve(&down);
        let promised = gradient
            .iter()
            .zip(&solution)
            .fold(0.0, |sum, (g, s)| sum - g * s);
        let (intercept, coefficients) = (solution[0], solution[1..=features].to_vec());
        let log_odds = self.design.linear(&coefficients, intercept, self.threads);
        Ok(Step {
            coefficients,
            intercept,
            log_odds,
            promised,
        })
    }

    /// For each row: probability less label, and probability times its complement.
    fn residuals_and_weights(&self, log_odds: &[f64]) -> (Vec<f64>, Vec<f64>) {
        let parts = map_ranges(self.threads, log_odds.len(), |range| {
            let rows = log_odds[range.clone()].iter().zip(&self.positives[range]);
            rows.map(|(&z, &positive)| {
                let (p, q) = (sigmoid(z), sigmoid(-z));
                (if positive { -q } else { p }, p * q)
            })
            .collect::<Vec<_>>()
        });
        parts.into_iter().flatten().unzip()
    }

    fn hessian(&self, weights: &[f64]) -> Symmetric {
        let features = self.design.features();
        let first = self.design.sums(weights, self.threads);
        let cross = self.design.cross(Some(weights), self.threads);
        let mut hessian = cross.bordered(sum(weights), &first);
        for feature in 1..=features {
            hessian.add_to_diagonal(feature, self.l2);
        }
        hessian
    }

    /// At the first step all weights are equal, so only the features can be to blame; later the
    /// weights of separated rows may have vanished.
    fn not_definite(&self, error: NotDefinite, first: bool) -> LearnError {
        match error {
            NotDefinite::NotFinite => LearnError::Overflow {
                what: "the features".to_owned(),
                sum: "the sum of their squares",
            },
            NotDefinite::Row(_) if self.l2 > 0.0 => LearnError::PenaltyTooSmall { l2: self.l2 },
            NotDefinite::Row(row) if first && row > 0 => LearnError::Collinear {
                column: self.design.name(row - 1).to_owned(),
            },
            NotDefinite::Row(_) => LearnError::Separated,
        }
    }

    /// The first of the whole step, its half, its quarter, ... that lowers the objective enough.
    fn search(&self, from: &Point, step: &Step) -> Option<Point> {
        let unchecked = step.promised <= BELOW_ROUNDING * from.objective;
        let mut share = 1.0;
        for _ in 0..MAX_HALVINGS {
            let coefficients = from.coefficients.iter().zip(&step.coefficients);
            let coefficients = coefficients.map(|(c, s)| c + share * s).collect();
            let point = self.point(coefficients, from.intercept + share * step.intercept);
            let wanted = from.objective - SUFFICIENT * share * step.promised;
            if unchecked || point.objective <= wanted {
                return Some(point);
            }
            share /= 2.0;
        }
        None
    }

    /// Whether every row lies on its own side.
    fn separates(&self, point: &Point) -> bool {
        let mut rows = point.log_odds.iter().zip(self.positives);
        rows.all(|(&z, &positive)| if positive { z > 0.0 } else { z < 0.0 })
    }
}

/// The largest change of a row's log-odds, relative to them where they are beyond 1.
fn movement(point: &Point, step: &Step) -> f64 {
    let rows = point.log_odds.iter().zip(&step.log_odds);
    rows.map(|(z, change)| change.abs() / z.abs().max(1.0))
        .fold(0.0, |largest, change| {
            if change > largest || change.is_nan() {
                change
            } else {
                largest
            }
        })
}

fn sum(values: &[f64]) -> f64 {
    values.iter().copied().collect::<ExactSum>().value()
}
