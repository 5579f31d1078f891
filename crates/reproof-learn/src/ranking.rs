//! Metrics of how rows are ranked by their scores, with rows that count more than once.

use crate::bootstrap::Weights;

/// Rows in the order of falling scores, for metrics that are computed again and again with other
/// weights.
pub(crate) struct Ranking {
    /// The rows, tied ones together.
    rows: Vec<(usize, bool)>,
    /// Where each group of ties ends.
    ends: Vec<usize>,
}

impl Ranking {
    /// Ranks rows; scores are numbers.
    pub fn new(scores: &[f64], positives: impl Iterator<Item = bool>) -> Self {
        let mut ranked: Vec<(f64, usize, bool)> = scores
            .iter()
            .zip(positives)
            .enumerate()
            .map(|(row, (&score, positive))| (score, row, positive))
            .collect();
        ranked.sort_unstable_by(|a, b| b.0.total_cmp(&a.0));
        let mut ends = Vec::new();
        for tied in ranked.chunk_by(|a, b| a.0 == b.0) {
            ends.push(ends.last().unwrap_or(&0) + tied.len());
        }
        let rows = ranked.into_iter();
        Self {
            rows: rows.map(|(_, row, positive)| (row, positive)).collect(),
            ends,
        }
    }

    /// For each group of ties, from the highest score on, how many positive and negative rows.
    fn groups(&self, weights: Weights<'_>) -> impl Iterator<Item = (u64, u64)> {
        let mut from = 0;
        self.ends.iter().map(move |&end| {
            let (mut positives, mut negatives) = (0, 0);
            for &(row, positive) in &self.rows[from..end] {
                let count = weights.of(row);
                if positive {
                    positives += count;
                } else {
                    negatives += count;
                }
            }
            from = end;
            (positives, negatives)
        })
    }

    /// The area under the curve of precision over recall, as the sum of the precisions at each
    /// group of ties, weighted with what the group adds to the recall (average precision). None
    /// without rows of both classes.
    pub fn average_precision(&self, weights: Weights<'_>) -> Option<f64> {
        let (mut positives, mut negatives, mut sum) = (0_u64, 0_u64, 0.0);
        for (more_positives, more_negatives) in self.groups(weights) {
            positives += more_positives;
            negatives += more_negatives;
            if more_positives > 0 {
                let precision = positives as f64 / (positives + negatives) as f64;
                sum += more_positives as f64 * precision;
            }
        }
        (positives > 0 && negatives > 0).then(|| sum / positives as f64)
    }

    /// The share of pairs of a positive and a negative row in which the positive one scores higher,
    /// ties counting half. None without rows of both classes.
    pub fn area(&self, weights: Weights<'_>) -> Option<f64> {
        let (mut positives, mut negatives, mut won) = (0_u64, 0_u64, 0_u128);
        for (more_positives, more_negatives) in self.groups(weights) {
            // A pair won counts 2, a tie 1.
            let pairs = 2 * positives + more_positives;
            won += u128::from(pairs) * u128::from(more_negatives);
            positives += more_positives;
            negatives += more_negatives;
        }
        let pairs = 2 * u128::from(positives) * u128::from(negatives);
        (pairs > 0).then(|| won as f64 / pairs as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn areas_are_those_of_the_definition() {
        let scores = [0.9, 0.8, 0.8, 0.5, 0.5, 0.1];
        let positives = [true, false, true, false, true, false];
        let ranking = Ranking::new(&scores, positives.into_iter());
        // Pairs won: 0.9 beats 3; 0.8 ties 1, beats 2; 0.5 ties 1, beats 1.
        assert_eq!(ranking.area(Weights::Once), Some(7.0 / 9.0));
        // Precisions 1, 2/3, 3/5.
        let expect = (1.0 + 2.0 / 3.0 + 3.0 / 5.0) / 3.0;
        let found = ranking.average_precision(Weights::Once).unwrap();
        assert!((found - expect).abs() < 1e-15);
        let twice = Weights::Drawn(&[2; 6]);
        assert_eq!(ranking.area(twice), Some(7.0 / 9.0));
        let without = Weights::Drawn(&[0, 1, 0, 1, 0, 1]);
        assert_eq!(ranking.area(without), None);
        assert_eq!(ranking.average_precision(without), None);
    }
}
