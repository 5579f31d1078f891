//! How often rows of each class are predicted to be of each class, and the metrics that follow.

use crate::bootstrap::Weights;

/// Counts of rows by their class and the class that is predicted for them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Confusion {
    classes: usize,
    /// Row by row: the class of the label, then the predicted one.
    counts: Vec<u64>,
}

/// A metric that each class has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Score {
    Precision,
    Recall,
    F1,
}

/// How the scores of the classes become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Average {
    /// Every class counts the same.
    Macro,
    /// A class counts as often as it has rows.
    Weighted,
}

impl Confusion {
    /// Counts rows, each as often as its weight says.
    pub fn of(classes: usize, labels: &[usize], predicted: &[usize], weights: Weights<'_>) -> Self {
        let mut counts = vec![0_u64; classes * classes];
        for (row, (&label, &predicted)) in labels.iter().zip(predicted).enumerate() {
            counts[label * classes + predicted] += weights.of(row);
        }
        Self { classes, counts }
    }

    /// For each class of the labels a row of counts by predicted class.
    pub fn rows(&self) -> Vec<Vec<u64>> {
        let rows = self.counts.chunks(self.classes.max(1));
        rows.map(<[u64]>::to_vec).collect()
    }

    fn right(&self, class: usize) -> u64 {
        self.counts[class * self.classes + class]
    }

    /// How many rows are of the class.
    fn labelled(&self, class: usize) -> u64 {
        let from = class * self.classes;
        self.counts[from..from + self.classes].iter().sum()
    }

    /// How many rows are predicted to be of the class.
    fn predicted(&self, class: usize) -> u64 {
        (0..self.classes)
            .map(|label| self.counts[label * self.classes + class])
            .sum()
    }

    /// The score of one class; none where it would divide by zero.
    pub fn score(&self, class: usize, score: Score) -> Option<f64> {
        let (labelled, predicted) = (self.labelled(class), self.predicted(class));
        let (times, of) = match score {
            Score::Precision => (1, predicted),
            Score::Recall => (1, labelled),
            Score::F1 => (2, labelled + predicted),
        };
        (of > 0).then(|| (times * self.right(class)) as f64 / of as f64)
    }

    /// The mean recall of the classes that have rows; none if they are fewer than two.
    pub fn balanced_accuracy(&self) -> Option<f64> {
        let recalls: Vec<f64> = (0..self.classes)
            .filter_map(|class| self.score(class, Score::Recall))
            .collect();
        (recalls.len() > 1).then(|| recalls.iter().sum::<f64>() / recalls.len() as f64)
    }

    /// A score averaged over the classes that have rows or are predicted; where a class's own score
    /// would divide by zero it counts as 0. None if there are no rows.
    pub fn average(&self, score: Score, average: Average) -> Option<f64> {
        let (mut sum, mut weights) = (0.0, 0_u64);
        for class in 0..self.classes {
            let labelled = self.labelled(class);
            if labelled + self.predicted(class) == 0 {
                continue;
            }
            let weight = match average {
                Average::Macro => 1,
                Average::Weighted => labelled,
            };
            sum += self.score(class, score).unwrap_or(0.0) * weight as f64;
            weights += weight;
        }
        (weights > 0).then(|| sum / weights as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The averages of `precision_recall_fscore_support`, which ignores classes that do not occur.
    #[test]
    fn averages_are_those_of_scikit_learn() {
        let labels = [0, 0, 0, 1, 1, 2, 2, 2, 2, 0];
        let predicted = [0, 1, 0, 1, 2, 2, 2, 0, 2, 0];
        let confusion = Confusion::of(4, &labels, &predicted, Weights::Once);
        let check = |score, average, expect: f64| {
            let found = confusion.average(score, average).unwrap();
            assert!((found - expect).abs() < 1e-15, "{found} {expect}");
        };
        check(Score::Precision, Average::Macro, 2.0 / 3.0);
        check(Score::Recall, Average::Macro, 2.0 / 3.0);
        check(Score::F1, Average::Weighted, 0.7);
        assert_eq!(confusion.rows()[0], [3, 1, 0, 0]);
        let drawn = Confusion::of(4, &labels, &predicted, Weights::Drawn(&[2; 10]));
        assert_eq!(
            drawn.average(Score::F1, Average::Macro),
            confusion.average(Score::F1, Average::Macro)
        );
    }

    #[test]
    fn what_would_divide_by_zero_is_none_or_counts_as_zero() {
        let confusion = Confusion::of(2, &[0, 0], &[0, 0], Weights::Once);
        assert_eq!(confusion.score(1, Score::F1), None);
        assert_eq!(confusion.balanced_accuracy(), None);
        assert_eq!(confusion.average(Score::F1, Average::Macro), Some(1.0));
        let confusion = Confusion::of(2, &[0, 1], &[0, 0], Weights::Once);
        let precision = confusion.average(Score::Precision, Average::Macro);
        assert_eq!(precision, Some(0.25));
        let none = Confusion::of(2, &[], &[], Weights::Once);
        assert_eq!(none.average(Score::F1, Average::Weighted), None);
    }
}
