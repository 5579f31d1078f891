//! The area under the ROC curve, with DeLong's interval.

use crate::interval::{Z, wilson};
use crate::metrics::{Estimate, Method, Reason};

/// Above this many rows the integers of the variance might overflow.
const MAX_ROWS: usize = 1 << 32;

/// The area under the ROC curve of scores: the share of pairs of a positive and a negative row in
/// which the positive one scores higher, ties counting half.
///
/// Everything up to the last division is in integers, so neither the order of the rows nor ties
/// matter. The interval is by E. R. DeLong, D. M. DeLong and D. L. Clarke-Pearson, *Comparing the
/// areas under two or more correlated receiver operating characteristic curves* (1988), on the
/// logit scale.
pub(crate) fn roc_auc(scores: &[f64], positives: &[bool]) -> Estimate {
    let counts = match Counts::of(scores, positives) {
        Ok(counts) => counts,
        Err(reason) => return Estimate::undefined(reason),
    };
    let pairs = counts.positives.size * counts.negatives.size;
    // A pair won counts 2, a tie 1.
    let won = counts.positives.sum;
    let lost = 2 * pairs - won;
    let (area, complement) = (
        won as f64 / (2 * pairs) as f64,
        lost as f64 / (2 * pairs) as f64,
    );
    let variance = counts
        .positives
        .variance_of_mean(counts.negatives.size)
        .zip(counts.negatives.variance_of_mean(counts.positives.size))
        .map_or(0.0, |(positives, negatives)| positives + negatives);
    if variance == 0.0 || won == 0 || lost == 0 {
        let smaller = counts.positives.size.min(counts.negatives.size) as f64;
        let interval = wilson(area, complement, smaller);
        return Estimate::new(area, interval, Method::WilsonSmallerClass);
    }
    let logit = libm::log(area / complement);
    let half = Z * variance.sqrt() / (area * complement);
    let interval = (
        crate::logistic::sigmoid(logit - half),
        crate::logistic::sigmoid(logit + half),
    );
    Estimate::new(area, interval, Method::DelongLogit)
}

/// The difference of the areas of two scorings of the same rows, the second less the first, with
/// DeLong's paired interval: the variance of the mean difference of the placements in each class.
pub(crate) fn area_difference(first: &[f64], second: &[f64], positives: &[bool]) -> Estimate {
    let sizes = match sizes(first, positives) {
        Ok(sizes) => sizes,
        Err(reason) => return Estimate::undefined(reason),
    };
    let (before, after) = (placements(first, positives), placements(second, positives));
    // Of the positive rows and of the negative ones: the sum of the differences and of their squares. A pair
    // won counts 2, so a difference is at most twice the rows of the other class, and the products below at
    // most n⁴ / 4, which fits for the rows that are allowed.
    let (mut sums, mut squares) = ([0_i128; 2], [0_i128; 2]);
    for (row, &positive) in positives.iter().enumerate() {
        let class = usize::from(!positive);
        let difference = i128::from(after[row] - before[row]);
        sums[class] += difference;
        squares[class] += difference * difference;
    }
    let pairs = (sizes[0] as u128 * sizes[1] as u128) as f64;
    let value = sums[0] as f64 / (2.0 * pairs);
    if sizes.iter().any(|&size| size < 2) {
        return Estimate::bare(value, Reason::TooFewRows);
    }
    let variance = |class: usize| {
        let (size, other) = (sizes[class] as i128, sizes[1 - class] as f64);
        let deviations = size * squares[class] - sums[class] * sums[class];
        let size = size as f64;
        deviations as f64 / (size * (size - 1.0)) / (4.0 * other * other) / size
    };
    let half = Z * (variance(0) + variance(1)).sqrt();
    Estimate::new(value, (value - half, value + half), Method::PairedDelong)
}

/// Scores as integers in the same order, each with something of its row, sorted. Sorting integers takes
/// half as long.
fn sorted<T>(scores: &[f64], rows: impl Iterator<Item = T>) -> Vec<(u64, T)> {
    let place = |score: &f64| {
        // -0 + 0 is +0, with which it ties.
        let bits = (score + 0.0).to_bits();
        let is_negative = bits >> 63 == 1;
        if is_negative { !bits } else { bits | 1 << 63 }
    };
    let mut sorted: Vec<(u64, T)> = scores.iter().map(place).zip(rows).collect();
    sorted.sort_unstable_by_key(|(score, _)| *score);
    sorted
}

/// For each row, how many rows of the other class it beats, twice, plus how many it ties with. There are
/// at most [`MAX_ROWS`].
fn placements(scores: &[f64], positives: &[bool]) -> Vec<i64> {
    let rows = sorted(scores, 0_u32..=u32::MAX);
    let total = positives.iter().filter(|&&positive| positive).count() as i64;
    let (mut positives_below, mut negatives_below) = (0_i64, 0_i64);
    let mut placements = vec![0; scores.len()];
    for tied in rows.chunk_by(|a, b| a.0 == b.0) {
        let is_positive = |row: u32| positives[row as usize];
        let tied_positives = tied.iter().filter(|(_, row)| is_positive(*row)).count() as i64;
        let tied_negatives = tied.len() as i64 - tied_positives;
        let positives_above = total - positives_below - tied_positives;
        for &(_, row) in tied {
            placements[row as usize] = if is_positive(row) {
                2 * negatives_below + tied_negatives
            } else {
                2 * positives_above + tied_positives
            };
        }
        positives_below += tied_positives;
        negatives_below += tied_negatives;
    }
    placements
}

/// How many rows are positive and how many negative, unless there is no area.
fn sizes(scores: &[f64], positives: &[bool]) -> Result<[usize; 2], Reason> {
    let total = positives.iter().filter(|&&positive| positive).count();
    let negative_total = positives.len() - total;
    if scores.is_empty() {
        return Err(Reason::NoRows);
    }
    if total == 0 || negative_total == 0 {
        return Err(Reason::OneClass);
    }
    if scores.len() > MAX_ROWS {
        return Err(Reason::OutOfRange);
    }
    Ok([total, negative_total])
}

/// For the rows of one class: over each row, how many rows of the other class it beats, twice,
/// plus how many it ties with; their sum and the sum of their squares.
#[derive(Default)]
struct Placements {
    size: u128,
    sum: u128,
    squares: u128,
}

impl Placements {
    fn add(&mut self, rows: u128, placement: u128) {
        self.size += rows;
        self.sum += rows * placement;
        self.squares += rows * placement * placement;
    }

    /// The variance of the mean placement, each placement divided by twice the other class's
    /// size; none for a class of a single row.
    fn variance_of_mean(&self, other: u128) -> Option<f64> {
        if self.size < 2 {
            return None;
        }
        let deviations = self.size * self.squares - self.sum * self.sum;
        let (size, other) = (self.size as f64, other as f64);
        let sample_variance = deviations as f64 / (size * (size - 1.0));
        Some(sample_variance / (4.0 * other * other) / size)
    }
}

struct Counts {
    positives: Placements,
    negatives: Placements,
}

impl Counts {
    fn of(scores: &[f64], positives: &[bool]) -> Result<Self, Reason> {
        let total = sizes(scores, positives)?[0] as u128;
        let rows = sorted(scores, positives.iter().copied());
        let mut counts = Self {
            positives: Placements::default(),
            negatives: Placements::default(),
        };
        for tied in rows.chunk_by(|a, b| a.0 == b.0) {
            let tied_positives = tied.iter().filter(|row| row.1).count() as u128;
            let tied_negatives = tied.len() as u128 - tied_positives;
            let negatives_below = counts.negatives.size;
            let positives_above = total - counts.positives.size - tied_positives;
            counts
                .positives
                .add(tied_positives, 2 * negatives_below + tied_negatives);
            counts
                .negatives
                .add(tied_negatives, 2 * positives_above + tied_positives);
        }
        Ok(counts)
    }
}
