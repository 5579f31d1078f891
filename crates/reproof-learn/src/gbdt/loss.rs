//! What is minimised: losses, their derivatives, and where the search begins.

use std::collections::BTreeMap;

use reproof_table::ColumnData;
use reproof_table::exact::ExactSum;
use serde::{Deserialize, Serialize};

use super::BoostingParameters;
use crate::LearnError;
use crate::label::{ClassValue, numbers};
use crate::logistic::sigmoid;
use crate::model::Target;

/// The largest label of a regression: squares of larger ones leave the range of a double.
const LARGEST_LABEL: f64 = 1e100;

/// The parameter `class_weights`, as the recipe holds it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ClassWeights {
    /// Weights in a known way.
    Named(NamedWeights),
    /// A weight by the text of the class; 1 for those that are not named.
    Given(BTreeMap<String, f64>),
}

/// Known ways to weigh classes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NamedWeights {
    /// Each class weighs the same as a whole: rows / (classes · rows of the class).
    Balanced,
}

/// The labels of some rows.
#[derive(Clone, Debug)]
pub(super) enum Truth {
    Numbers(Vec<f64>),
    /// The index of the class; of a binary label 1 is the positive one.
    Classes(Vec<u32>),
}

impl Truth {
    /// The labels of a column for a known target.
    pub fn of(target: &Target, data: &ColumnData) -> Result<Self, LearnError> {
        Ok(match target {
            Target::Number { column } => {
                let numbers = numbers(column, data)?;
                if numbers.iter().any(|number| number.abs() > LARGEST_LABEL) {
                    return Err(LearnError::Overflow {
                        what: format!("label '{column}'"),
                        sum: "a sum of squares",
                    });
                }
                Self::Numbers(numbers)
            }
            Target::Binary(label) => {
                let positives = label.positives(data)?;
                Self::Classes(positives.into_iter().map(u32::from).collect())
            }
            Target::Classes(label) => {
                let indices = label.indices(data)?;
                Self::Classes(indices.into_iter().map(|index| index as u32).collect())
            }
        })
    }

    pub fn len(&self) -> usize {
        match self {
            Self::Numbers(numbers) => numbers.len(),
            Self::Classes(classes) => classes.len(),
        }
    }
}

/// What is minimised.
#[derive(Debug)]
pub(super) struct Loss {
    pub target: Target,
    /// For each class its weight; empty for a regression.
    weights: Vec<f64>,
    /// For each tree of a round the score that rows begin with.
    pub base: Vec<f64>,
}

impl Loss {
    /// The loss for a training part, and the part's labels.
    pub fn new(
        label: &ColumnData,
        parameters: &BoostingParameters,
    ) -> Result<(Self, Truth), LearnError> {
        let given = &parameters.label;
        let target = Target::resolve(parameters.task, given, label).map_err(several_classes)?;
        let truth = Truth::of(&target, label)?;
        let (weights, base) = match &truth {
            Truth::Numbers(numbers) => (Vec::new(), vec![mean(numbers, &given.column)?]),
            Truth::Classes(classes) => {
                let mut counts = vec![0_u64; class_values(&target).len()];
                for &class in classes {
                    counts[class as usize] += 1;
                }
                let weights = class_weights(&target, &counts, parameters.class_weights.as_ref())?;
                let base = priors(&target, &counts, &weights);
                (weights, base)
            }
        };
        let loss = Self {
            target,
            weights,
            base,
        };
        Ok((loss, truth))
    }

    /// How many trees a round adds, and how many scores a row has.
    pub fn outputs(&self) -> usize {
        self.base.len()
    }

    /// For each row the scores that it begins with.
    pub fn begin(&self, rows: usize) -> Vec<f64> {
        self.base.repeat(rows)
    }

    /// What the derivatives of all trees of a round are made of: for several classes, the
    /// probabilities that belong to the scores.
    pub fn prepare(&self, scores: &[f64], probabilities: &mut Vec<f64>) {
        if self.outputs() > 1 {
            probabilities.clear();
            probabilities.extend_from_slice(scores);
            for row in probabilities.chunks_exact_mut(self.outputs()) {
                softmax(row);
            }
        }
    }

    /// The gradients and second derivatives of some rows in the score of one output, by way of
    /// `write`, and the largest of each.
    pub fn derivatives(
        &self,
        truth: &Truth,
        first: usize,
        (scores, probabilities, output): (&[f64], &[f64], usize),
        derivatives: &mut [[f64; 2]],
    ) -> [f64; 2] {
        let outputs = self.outputs();
        let mut largest = [0.0_f64; 2];
        let mut write = |place: &mut [f64; 2], gradient: f64, hessian: f64| {
            *place = [gradient, hessian];
            largest = [largest[0].max(gradient.abs()), largest[1].max(hessian)];
        };
        match truth {
            Truth::Numbers(numbers) => {
                let rows = scores.iter().zip(&numbers[first..]);
                for (place, (score, number)) in derivatives.iter_mut().zip(rows) {
                    write(place, score - number, 1.0);
                }
            }
            Truth::Classes(classes) if outputs == 1 => {
                let rows = scores.iter().zip(&classes[first..]);
                for (place, (&score, &class)) in derivatives.iter_mut().zip(rows) {
                    let (p, weight) = (sigmoid(score), self.weights[class as usize]);
                    let error = p - f64::from(class);
                    write(place, weight * error, weight * (p * (1.0 - p)));
                }
            }
            Truth::Classes(classes) => {
                let rows = probabilities.chunks_exact(outputs).zip(&classes[first..]);
                for (place, (row, &class)) in derivatives.iter_mut().zip(rows) {
                    let (p, weight) = (row[output], self.weights[class as usize]);
                    let truth = if class as usize == output { 1.0 } else { 0.0 };
                    write(place, weight * (p - truth), weight * (p * (1.0 - p)));
                }
            }
        }
        largest
    }

    /// The exact sum of the losses of some rows.
    pub fn sum(&self, truth: &Truth, first: usize, scores: &[f64]) -> ExactSum {
        let mut sum = ExactSum::default();
        for (row, scores) in scores.chunks_exact(self.outputs()).enumerate() {
            sum.add(match truth {
                Truth::Numbers(numbers) => {
                    let error = scores[0] - numbers[first + row];
                    error * error
                }
                Truth::Classes(classes) => {
                    let class = classes[first + row] as usize;
                    self.weights[class] * log_loss(scores, class)
                }
            });
        }
        sum
    }
}

/// Here several classes are possible, too.
fn several_classes(error: LearnError) -> LearnError {
    match error {
        LearnError::TooManyClasses {
            column,
            count,
            examples,
        } => LearnError::SeveralClasses {
            column,
            count,
            examples,
        },
        other => other,
    }
}

fn log_loss(scores: &[f64], class: usize) -> f64 {
    if let [score] = *scores {
        // log(1 + exp(-s)) of the log-odds of the true class, without overflow.
        let wrong = if class == 1 { -score } else { score };
        return wrong.max(0.0) + libm::log1p(libm::exp(-wrong.abs()));
    }
    let largest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let sum = scores
        .iter()
        .fold(0.0, |sum, score| sum + libm::exp(score - largest));
    libm::log(sum) + (largest - scores[class])
}

/// Scores of classes to probabilities: sums in the order of the classes.
pub(super) fn softmax(scores: &mut [f64]) {
    let largest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let mut sum = 0.0;
    for score in &mut *scores {
        *score = libm::exp(*score - largest);
        sum += *score;
    }
    for score in scores {
        *score /= sum;
    }
}

fn class_values(target: &Target) -> Vec<&ClassValue> {
    match target {
        Target::Number { .. } => Vec::new(),
        Target::Binary(label) => vec![&label.negative, &label.positive],
        Target::Classes(label) => label.classes.iter().collect(),
    }
}

fn class_weights(
    target: &Target,
    counts: &[u64],
    weights: Option<&ClassWeights>,
) -> Result<Vec<f64>, LearnError> {
    let rows: u64 = counts.iter().sum();
    match weights {
        None => Ok(vec![1.0; counts.len()]),
        Some(ClassWeights::Named(NamedWeights::Balanced)) => Ok(counts
            .iter()
            .map(|&count| rows as f64 / (counts.len() as u64 * count) as f64)
            .collect()),
        Some(ClassWeights::Given(given)) => {
            let names: Vec<String> = class_values(target)
                .iter()
                .map(ToString::to_string)
                .collect();
            if let Some(unknown) = given.keys().find(|name| !names.contains(name)) {
                return Err(LearnError::UnknownWeight {
                    column: target.column().to_owned(),
                    class: unknown.clone(),
                    classes: names.join(", "),
                });
            }
            let weight = |name: &String| given.get(name).copied().unwrap_or(1.0);
            Ok(names.iter().map(weight).collect())
        }
    }
}

/// The scores that give every row the weighted shares of the classes.
fn priors(target: &Target, counts: &[u64], weights: &[f64]) -> Vec<f64> {
    let weighed: Vec<f64> = counts
        .iter()
        .zip(weights)
        .map(|(&count, weight)| count as f64 * weight)
        .collect();
    if let (Target::Binary(_), [negative, positive]) = (target, weighed.as_slice()) {
        return vec![libm::log(positive / negative) + 0.0];
    }
    let sum = weighed.iter().fold(0.0, |sum, weight| sum + weight);
    let share = |weight: &f64| libm::log(weight / sum) + 0.0;
    weighed.iter().map(share).collect()
}

fn mean(numbers: &[f64], column: &str) -> Result<f64, LearnError> {
    if numbers.is_empty() {
        return Err(LearnError::NoRows);
    }
    crate::design::mean(numbers).ok_or_else(|| LearnError::Overflow {
        what: format!("label '{column}'"),
        sum: "their sum",
    })
}
