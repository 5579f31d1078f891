//! The Poisson bootstrap: replicates in which every row counts as often as a Poisson variable of
//! mean 1 says that is addressed by the seed, the replicate and the row.

use reproof_table::random::poisson1_at;
use reproof_table::{Threads, map_ranges};

/// Replicates of the bootstrap.
pub(crate) const REPLICATES: usize = 200;

/// The share of the replicates below and above the interval.
const TAIL: f64 = 0.025;

/// How often each row counts.
#[derive(Clone, Copy)]
pub(crate) enum Weights<'a> {
    /// Every row once.
    Once,
    /// As often as was drawn.
    Drawn(&'a [u32]),
}

impl Weights<'_> {
    /// How often a row counts.
    pub fn of(self, row: usize) -> u64 {
        match self {
            Self::Once => 1,
            Self::Drawn(counts) => u64::from(counts[row]),
        }
    }
}

/// A metric as a function of how often each row counts; none where it is not defined.
pub(crate) type Statistic<'a> = Box<dyn Fn(Weights<'_>) -> Option<f64> + Sync + 'a>;

/// For each statistic the interval from the 2.5th to the 97.5th percentile of the replicates in
/// which it is defined; none if they are fewer than half.
///
/// `rows` says where the rows stand in the table: their addresses. All statistics share the draws,
/// so that the difference of two of them is a paired one.
pub(crate) fn intervals(
    rows: &[usize],
    statistics: &[&Statistic<'_>],
    seed: u64,
    threads: Threads,
) -> Vec<Option<(f64, f64)>> {
    if statistics.is_empty() {
        return Vec::new();
    }
    let parts = map_ranges(threads, REPLICATES, |range| {
        let mut counts = vec![0; rows.len()];
        range
            .map(|replicate| {
                for (count, &row) in counts.iter_mut().zip(rows) {
                    *count = poisson1_at(seed, replicate as u64, row as u64);
                }
                let weights = Weights::Drawn(&counts);
                statistics
                    .iter()
                    .map(|statistic| statistic(weights))
                    .collect()
            })
            .collect::<Vec<Vec<Option<f64>>>>()
    });
    let replicates = parts.concat();
    (0..statistics.len())
        .map(|index| {
            let found = replicates.iter().filter_map(|replicate| replicate[index]);
            interval(found.collect())
        })
        .collect()
}

fn interval(mut replicates: Vec<f64>) -> Option<(f64, f64)> {
    if replicates.len() * 2 < REPLICATES {
        return None;
    }
    replicates.sort_unstable_by(f64::total_cmp);
    Some((
        percentile(&replicates, TAIL),
        percentile(&replicates, 1.0 - TAIL),
    ))
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
