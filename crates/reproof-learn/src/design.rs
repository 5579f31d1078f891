//! The features as a trainer sees them: centred, with exact sums over their rows.

use reproof_table::exact::ExactSum;
use reproof_table::{Threads, map_ranges};

use crate::linalg::Symmetric;
use crate::{LearnError, Matrix};

/// The most features of a regression. Its equations have as many elements as the square of that,
/// each an exact sum over the rows; beyond, a fit would take hours and gigabytes.
const MAX_FEATURES: usize = 4096;

/// Features less their means. Centring changes no optimum, since the intercept has no penalty,
/// but keeps columns far from zero from looking alike.
pub(crate) struct Design<'a> {
    matrix: &'a Matrix,
    means: Vec<f64>,
    columns: Vec<Vec<f64>>,
}

impl<'a> Design<'a> {
    /// Centres every column.
    pub fn new(matrix: &'a Matrix, threads: Threads) -> Result<Self, LearnError> {
        if matrix.columns().len() > MAX_FEATURES {
            return Err(LearnError::TooManyFeatures {
                found: matrix.columns().len(),
                limit: MAX_FEATURES,
            });
        }
        let parts = map_ranges(threads, matrix.columns().len(), |range| {
            range
                .map(|index| centred(&matrix.columns()[index], &matrix.names()[index]))
                .collect::<Vec<_>>()
        });
        let centred: Result<Vec<_>, _> = parts.into_iter().flatten().collect();
        let (means, columns) = centred?.into_iter().unzip();
        Ok(Self {
            matrix,
            means,
            columns,
        })
    }

    /// The number of rows.
    pub fn rows(&self) -> usize {
        self.matrix.rows()
    }

    /// The number of features.
    pub fn features(&self) -> usize {
        self.columns.len()
    }

    /// The name of a feature.
    pub fn name(&self, feature: usize) -> &str {
        &self.matrix.names()[feature]
    }

    /// For each row, the coefficients times the centred features, plus a constant.
    pub fn linear(&self, coefficients: &[f64], constant: f64, threads: Threads) -> Vec<f64> {
        crate::matrix::linear(&self.columns, self.rows(), coefficients, constant, threads)
    }

    /// The intercept for features as they are, from that for centred ones.
    pub fn uncentred_intercept(&self, coefficients: &[f64], intercept: f64) -> f64 {
        let shifts = coefficients.iter().zip(&self.means).map(|(c, m)| -c * m);
        std::iter::once(intercept)
            .chain(shifts)
            .collect::<ExactSum>()
            .value()
    }

    /// For each feature, the exact sum over the rows of its centred value times the row's factor.
    pub fn sums(&self, factors: &[f64], threads: Threads) -> Vec<f64> {
        let parts = map_ranges(threads, self.features(), |range| {
            let columns = self.columns[range].iter();
            columns
                .map(|column| products(column, factors))
                .collect::<Vec<f64>>()
        });
        parts.concat()
    }

    /// For each pair of features, the exact sum over the rows of the product of their centred
    /// values, times the row's weight if there are weights.
    pub fn cross(&self, weights: Option<&[f64]>, threads: Threads) -> Symmetric {
        let size = self.features();
        let pairs: Vec<(usize, usize)> = (0..size)
            .flat_map(|row| (0..=row).map(move |column| (row, column)))
            .collect();
        let parts = map_ranges(threads, pairs.len(), |range| {
            let pairs = pairs[range].iter();
            pairs
                .map(|&(row, column)| {
                    let (a, b) = (&self.columns[row], &self.columns[column]);
                    match weights {
                        Some(weights) => weighted_products(weights, a, b),
                        None => products(a, b),
                    }
                })
                .collect::<Vec<f64>>()
        });
        Symmetric::from_lower(size, parts.concat())
    }
}

/// The mean of a column, and the column less it.
fn centred(column: &[f64], name: &str) -> Result<(f64, Vec<f64>), LearnError> {
    let overflow = || LearnError::Overflow {
        what: format!("feature '{name}'"),
        sum: "their sum",
    };
    let mean = mean(column).ok_or_else(overflow)?;
    // A constant column is exactly zero then, whatever the rounding of its mean.
    let constant = column.windows(2).all(|pair| pair[0] == pair[1]);
    let centred = column
        .iter()
        .map(|value| if constant { 0.0 } else { value - mean });
    let centred: Vec<f64> = centred.collect();
    if centred.iter().all(|value| value.is_finite()) {
        Ok((mean, centred))
    } else {
        Err(overflow())
    }
}

/// The mean, from the exact sum; zero of nothing, none if the sum overflows.
pub(crate) fn mean(values: &[f64]) -> Option<f64> {
    if values.is_empty() {
        return Some(0.0);
    }
    let sum = values.iter().copied().collect::<ExactSum>().value();
    sum.is_finite().then(|| sum / values.len() as f64)
}

/// The exact sum of the products of two columns, each product rounded.
fn products(a: &[f64], b: &[f64]) -> f64 {
    a.iter()
        .zip(b)
        .map(|(a, b)| a * b)
        .collect::<ExactSum>()
        .value()
}

fn weighted_products(weights: &[f64], a: &[f64], b: &[f64]) -> f64 {
    let rows = weights.iter().zip(a).zip(b);
    rows.map(|((w, a), b)| w * a * b)
        .collect::<ExactSum>()
        .value()
}
