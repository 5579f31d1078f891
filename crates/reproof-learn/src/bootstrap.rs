//! The coefficient of determination, with a Poisson bootstrap interval.

use reproof_table::exact::ExactSum;
use reproof_table::random::poisson1_at;
use reproof_table::{Threads, map_ranges};

use crate::design::mean;
use crate::metrics::{Estimate, Method, Reason};

/// Replicates of the bootstrap.
const REPLICATES: usize = 200;

/// The share of the replicates below and above the interval.
const TAIL: f64 = 0.025;

/// The labels and predictions of some rows of a table.
pub(crate) struct Fit<'a> {
    /// Where the rows stand in the table: their addresses in the bootstrap.
    pub rows: &'a [usize],
    /// The labels of these rows.
    pub labels: &'a [f64],
    /// The predictions for these rows.
    pub predictions: &'a [f64],
}

/// One less the sum of squared errors over the sum of squared deviations from the labels' mean.
///
/// In each of the replicates a row counts as often as a Poisson variable of mean 1 says that is
/// addressed by the seed, the replicate and the row. The interval reaches from the 2.5th to the
/// 97.5th percentile of the replicates in which the metric is defined; there is none if they are
/// fewer than half.
pub(crate) fn r2(fit: &Fit<'_>, seed: u64, threads: Threads) -> Estimate {
    if fit.rows.is_empty() {
        return Estimate::undefined(Reason::NoRows);
    }
    if fit.labels.iter().all(|&label| label == fit.labels[0]) {
        return Estimate::undefined(Reason::ConstantLabel);
    }
    let Some(mean) = mean(fit.labels) else {
        return Estimate::undefined(Reason::OutOfRange);
    };
    let squares = Squares::of(fit, mean);
    let errors = squares
        .rows
        .iter()
        .map(|row| row.error)
        .collect::<ExactSum>();
    let deviations = squares
        .rows
        .iter()
        .map(|row| row.square)
        .collect::<ExactSum>();
    let value = 1.0 - errors.value() / deviations.value();
    let parts = map_ranges(threads, REPLICATES, |range| {
        range
            .filter_map(|replicate| squares.replicate(fit.rows, seed, replicate as u64))
            .collect::<Vec<f64>>()
    });
    let mut replicates = parts.concat();
    if replicates.len() * 2 < REPLICATES {
        return Estimate::bare(value, Reason::TooFewRows);
    }
    replicates.sort_unstable_by(f64::total_cmp);
    let interval = (
        percentile(&replicates, TAIL),
        percentile(&replicates, 1.0 - TAIL),
    );
    Estimate::new(value, interval, Method::PoissonBootstrap)
}

/// What a row adds to the sums.
struct Row {
    error: f64,
    deviation: f64,
    square: f64,
}

struct Squares {
    rows: Vec<Row>,
}

impl Squares {
    fn of(fit: &Fit<'_>, mean: f64) -> Self {
        let rows = fit.labels.iter().zip(fit.predictions);
        Self {
            rows: rows
                .map(|(label, prediction)| {
                    let (error, deviation) = (label - prediction, label - mean);
                    Row {
                        error: error * error,
                        deviation,
                        square: deviation * deviation,
                    }
                })
                .collect(),
        }
    }

    /// The metric in a replicate; none if all the rows drawn have the same label.
    fn replicate(&self, addresses: &[usize], seed: u64, replicate: u64) -> Option<f64> {
        let mut drawn = 0_u64;
        let (mut errors, mut deviations, mut squares) =
            (ExactSum::new(), ExactSum::new(), ExactSum::new());
        let (mut least, mut most) = (f64::INFINITY, f64::NEG_INFINITY);
        for (row, &address) in self.rows.iter().zip(addresses) {
            let count = poisson1_at(seed, replicate, address as u64);
            if count == 0 {
                continue;
            }
            drawn += u64::from(count);
            let count = f64::from(count);
            errors.add(count * row.error);
            deviations.add(count * row.deviation);
            squares.add(count * row.square);
            least = least.min(row.deviation);
            most = most.max(row.deviation);
        }
        if least >= most {
            return None;
        }
        let sum = deviations.value();
        let total = squares.value() - sum * (sum / drawn as f64);
        Some(1.0 - errors.value() / total)
    }
}

/// The percentile of sorted values, interpolated linearly between neighbours.
fn percentile(sorted: &[f64], share: f64) -> f64 {
    let place = (sorted.len() - 1) as f64 * share;
    let below = place as usize;
    let above = (below + 1).min(sorted.len() - 1);
    sorted[below] + (place - below as f64) * (sorted[above] - sorted[below])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_interpolated() {
        let values: Vec<f64> = (0..=200).map(f64::from).collect();
        assert_eq!(percentile(&values, 0.025), 5.0);
        assert_eq!(percentile(&values, 0.0), 0.0);
        assert_eq!(percentile(&values, 1.0), 200.0);
        assert_eq!(percentile(&[1.0, 2.0], 0.25), 1.25);
        assert_eq!(percentile(&[1.0], 0.5), 1.0);
    }
}
