//! Features as bins: small integers in the order of the values, found once for a training.

use reproof_table::{Threads, map_ranges};

use crate::Matrix;

/// The bin of a missing value.
pub(super) const MISSING: u8 = u8::MAX;

/// The most bins of values: all numbers of a byte but [`MISSING`].
pub(super) const MAX_BINS: usize = MISSING as usize;

/// How many features stand together in a row of [`Binned::quads`].
pub(super) const QUAD: usize = 4;

/// What the bins of a feature stand for.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Bins {
    /// The thresholds between the bins: bin `b` holds the values that are more than `b` of them.
    Ordered(Vec<f64>),
    /// So many categories, each of which is a bin by its code.
    Categories(usize),
}

impl Bins {
    /// At most so many bins of a feature, but for the categories of one that is `categorical`, whose
    /// values are codes.
    fn new(values: &[f64], bins: usize, categorical: bool) -> Self {
        if categorical {
            // The largest is none where all are missing.
            let most = values.iter().copied().fold(-1.0, f64::max);
            Self::Categories((most + 1.0) as usize)
        } else {
            Self::Ordered(thresholds(values, bins))
        }
    }

    /// How many hold values.
    pub fn count(&self) -> usize {
        match self {
            Self::Ordered(thresholds) => thresholds.len() + 1,
            Self::Categories(count) => *count,
        }
    }

    /// The bins of values. A category that no row of the training has, has the bin of its code, too.
    pub fn of(&self, values: &[f64]) -> Vec<u8> {
        match self {
            Self::Ordered(thresholds) => binned(values, thresholds),
            Self::Categories(_) => {
                let bin = |&value: &f64| {
                    if value.is_nan() { MISSING } else { value as u8 }
                };
                values.iter().map(bin).collect()
            }
        }
    }
}

/// The features of a training in bins.
#[derive(Debug)]
pub(super) struct Binned {
    /// The number of rows.
    pub rows: usize,
    /// What the bins of each feature stand for.
    pub bins: Vec<Bins>,
    /// The bins, feature by feature: rows are divided by these.
    pub columns: Vec<Vec<u8>>,
    /// The bins, row by row, in [`Binned::groups`] groups of four features: histograms are made
    /// of these, with few accesses to memory for each row. What fills the last group is 0.
    pub quads: Vec<[u8; QUAD]>,
    /// How many groups a row has.
    pub groups: usize,
}

impl Binned {
    /// Puts the features into at most so many bins each, those that are categorical into one for
    /// each code. The bins depend on how often each value occurs, not on the order of the rows.
    pub fn new(x: &Matrix, bins: usize, categorical: &[bool], threads: Threads) -> Self {
        let parts = map_ranges(threads, x.columns().len(), |range| {
            let columns = x.columns()[range.clone()].iter().zip(&categorical[range]);
            columns
                .map(|(values, &categorical)| {
                    let bins = Bins::new(values, bins, categorical);
                    let column = bins.of(values);
                    (bins, column)
                })
                .collect::<Vec<_>>()
        });
        let (bins, columns): (Vec<_>, Vec<_>) = parts.into_iter().flatten().unzip();
        let groups = columns.len().div_ceil(QUAD);
        Self {
            rows: x.rows(),
            quads: quads(&columns, x.rows(), groups, threads),
            groups,
            bins,
            columns,
        }
    }

    /// How many bins of a feature may hold values.
    pub fn bins(&self, feature: usize) -> usize {
        self.bins[feature].count()
    }
}

/// The bins of a feature's values.
fn binned(values: &[f64], thresholds: &[f64]) -> Vec<u8> {
    let bin = |&value: &f64| {
        if value.is_nan() {
            MISSING
        } else {
            thresholds.partition_point(|&threshold| threshold < value) as u8
        }
    };
    values.iter().map(bin).collect()
}

fn quads(columns: &[Vec<u8>], rows: usize, groups: usize, threads: Threads) -> Vec<[u8; QUAD]> {
    let parts = map_ranges(threads, rows, |range| {
        let mut quads = vec![[0; QUAD]; range.len() * groups];
        for (feature, column) in columns.iter().enumerate() {
            let (group, place) = (feature / QUAD, feature % QUAD);
            let column = &column[range.clone()];
            for (quads, &bin) in quads.chunks_exact_mut(groups).zip(column) {
                quads[group][place] = bin;
            }
        }
        quads
    });
    parts.concat()
}

/// The thresholds that divide values into at most so many bins of about as many rows.
///
/// With no more distinct values than bins there is one between any two neighbours. Else a bin is
/// closed when it holds its share of the rows that are left, or when the next value alone does,
/// so that a frequent value has a bin of its own.
fn thresholds(values: &[f64], bins: usize) -> Vec<f64> {
    // Adding 0 turns -0 into +0.
    let present = values.iter().filter(|value| !value.is_nan());
    let mut sorted: Vec<f64> = present.map(|value| value + 0.0).collect();
    sorted.sort_unstable_by(f64::total_cmp);
    let runs: Vec<(f64, usize)> = sorted
        .chunk_by(|one, other| one == other)
        .map(|run| (run[0], run.len()))
        .collect();
    let every = runs.len() <= bins;
    let mut thresholds = Vec::with_capacity(bins);
    let (mut left, mut open, mut filled) = (sorted.len(), bins, 0);
    for pair in runs.windows(2) {
        let [(value, count), (next, next_count)] = [pair[0], pair[1]];
        filled += count;
        let full = filled * open >= left || next_count * open >= left;
        if every || (full && open > 1) {
            thresholds.push(between(value, next));
            left -= filled;
            open -= 1;
            filled = 0;
        }
    }
    thresholds
}

/// A number from `low` on and below `high`: their middle, or `low` if rounding moves that up.
fn between(low: f64, high: f64) -> f64 {
    let middle = low / 2.0 + high / 2.0;
    if low <= middle && middle < high {
        middle + 0.0
    } else {
        low
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn few_values_have_a_bin_each() {
        assert_eq!(thresholds(&[3.0, f64::NAN, 1.0, 2.0, 1.0], 255), [1.5, 2.5]);
        assert!(thresholds(&[f64::NAN, f64::NAN], 255).is_empty());
        assert!(thresholds(&[7.0, 7.0], 2).is_empty());
        assert!(thresholds(&[-0.0, 0.0], 2).is_empty());
        let (low, high) = (1.0, 1.0 + f64::EPSILON);
        assert_eq!(thresholds(&[low, high], 2), [low]);
        assert_eq!(thresholds(&[f64::MIN, f64::MAX], 2), [0.0]);
    }

    #[test]
    fn many_values_share_bins_of_about_one_size() {
        let values: Vec<f64> = (0..1000).map(f64::from).collect();
        assert_eq!(thresholds(&values, 4), [249.5, 499.5, 749.5]);
        // A frequent value is alone.
        let mut values: Vec<f64> = (0..1000).map(f64::from).collect();
        values.extend(vec![500.0; 3000]);
        let thresholds = thresholds(&values, 8);
        assert!(thresholds.contains(&499.5) && thresholds.contains(&500.5));
        assert!(thresholds.len() < 8);
    }

    proptest! {
        #[test]
        fn bins_follow_the_values_and_not_their_order(
            values in prop::collection::vec(prop_oneof![4 => -9.0_f64..9.0, 1 => Just(f64::NAN), 2 => Just(1.0)], 0..300),
            bins in 2_usize..20,
        ) {
            let edges = thresholds(&values, bins);
            prop_assert!(edges.len() < bins);
            prop_assert!(edges.is_sorted_by(|one, other| one < other));
            let column = binned(&values, &edges);
            for (value, &bin) in values.iter().zip(&column) {
                if value.is_nan() {
                    prop_assert_eq!(bin, MISSING);
                } else {
                    for (index, edge) in edges.iter().enumerate() {
                        prop_assert_eq!(*value <= *edge, usize::from(bin) <= index);
                    }
                }
            }
            let mut reversed = values.clone();
            reversed.reverse();
            prop_assert_eq!(thresholds(&reversed, bins), edges);
        }
    }
}
