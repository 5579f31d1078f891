//! Linear regression with an L2 penalty (ridge), by the normal equations.
//!
//! What is minimised is `Σ (y - z)² + l2 Σ w²`, where `z` is a row's value and `w` are the
//! coefficients without the intercept: scikit-learn's `Ridge(alpha=l2)`. The equations are those
//! of centred features and labels; their elements are exact sums over the rows.

use reproof_table::{ColumnData, Threads};
use serde::{Deserialize, Serialize};

use crate::design::{Design, mean};
use crate::label::numbers;
use crate::linalg::NotDefinite;
use crate::logistic::check_l2;
use crate::model::{LinearFunction, LinearModel, Model};
use crate::{LearnError, Matrix};

/// How often the solution is refined by its residuals. The normal equations square the condition
/// number of the features; this wins back what the factor lost.
const REFINEMENTS: usize = 2;

/// The parameters of `train_linear_regression`, as the recipe holds them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LinearParameters {
    /// The label.
    pub label: LinearLabelParameters,
    /// The weight of the penalty, from 0.
    pub l2: f64,
}

/// The parameter `label` of a regression.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LinearLabelParameters {
    /// The column.
    pub column: String,
}

/// Trains a linear regression.
///
/// # Errors
/// Among others: a label that is not a number or is missing, and features that do not determine
/// the coefficients when `l2` is 0.
pub fn train_linear(
    x: &Matrix,
    label: &ColumnData,
    parameters: &LinearParameters,
    threads: Threads,
) -> Result<Model, LearnError> {
    check_l2(parameters.l2)?;
    x.complete()?;
    let column = &parameters.label.column;
    let labels = numbers(column, label)?;
    if labels.len() != x.rows() {
        return Err(LearnError::Rows {
            what: format!("label '{column}'"),
            found: labels.len(),
            expected: x.rows(),
        });
    }
    if labels.is_empty() {
        return Err(LearnError::NoRows);
    }
    let overflow = || LearnError::Overflow {
        what: format!("label '{column}'"),
        sum: "their sum",
    };
    let label_mean = mean(&labels).ok_or_else(overflow)?;
    let centred: Vec<f64> = labels.iter().map(|label| label - label_mean).collect();
    let design = Design::new(x, threads)?;
    let coefficients = solve(&design, &centred, parameters.l2, threads)?;
    let intercept = design.uncentred_intercept(&coefficients, label_mean);
    Ok(Model::Linear(LinearModel {
        label: column.clone(),
        function: LinearFunction::new(x.names().to_vec(), coefficients, intercept)?,
        l2: parameters.l2,
    }))
}

fn solve(
    design: &Design<'_>,
    labels: &[f64],
    l2: f64,
    threads: Threads,
) -> Result<Vec<f64>, LearnError> {
    let mut matrix = design.cross(None, threads);
    for feature in 0..design.features() {
        matrix.add_to_diagonal(feature, l2);
    }
    let factor = matrix.cholesky().map_err(|error| match error {
        NotDefinite::NotFinite => LearnError::Overflow {
            what: "the features".to_owned(),
            sum: "the sum of their squares",
        },
        NotDefinite::Row(_) if l2 > 0.0 => LearnError::PenaltyTooSmall { l2 },
        NotDefinite::Row(row) => LearnError::Collinear {
            column: design.name(row).to_owned(),
        },
    })?;
    let mut coefficients = vec![0.0; design.features()];
    for _ in 0..=REFINEMENTS {
        let fitted = design.linear(&coefficients, 0.0, threads);
        let residuals: Vec<f64> = labels.iter().zip(fitted).map(|(y, z)| y - z).collect();
        let mut right = design.sums(&residuals, threads);
        for (element, coefficient) in right.iter_mut().zip(&coefficients) {
            *element -= l2 * coefficient;
        }
        for (coefficient, change) in coefficients.iter_mut().zip(factor.solve(&right)) {
            *coefficient += change;
        }
    }
    Ok(coefficients)
}
