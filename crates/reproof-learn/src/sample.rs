//! Labels and predictions of rows, checked to be of one kind.

use std::borrow::Cow;

use reproof_table::Table;

use crate::LearnError;
use crate::label::numbers;
use crate::model::Target;
use crate::predictions::{Predictions, THRESHOLD, most_likely};
use crate::slices::column;

/// Labels and predictions of some rows.
#[derive(Clone, Debug)]
pub(crate) enum Sample<'a> {
    Numbers {
        labels: Vec<f64>,
        predictions: Cow<'a, [f64]>,
    },
    Binary {
        positives: Vec<bool>,
        probabilities: Cow<'a, [f64]>,
    },
    Classes {
        labels: Vec<usize>,
        columns: Cow<'a, [Vec<f64>]>,
    },
}

impl<'a> Sample<'a> {
    /// The labels of a table beside predictions for its rows.
    pub fn new(
        target: &Target,
        predictions: &'a Predictions,
        table: &Table,
    ) -> Result<Self, LearnError> {
        let data = column(table, target.column())?;
        let sample = match (target, predictions) {
            (Target::Number { column }, Predictions::Values(values)) => Self::Numbers {
                labels: numbers(column, data)?,
                predictions: Cow::Borrowed(values),
            },
            (Target::Binary(label), Predictions::Probabilities(probabilities)) => Self::Binary {
                positives: label.positives(data)?,
                probabilities: Cow::Borrowed(probabilities),
            },
            (Target::Classes(label), Predictions::Classes(classes))
                if classes.classes() == label.classes =>
            {
                Self::Classes {
                    labels: label.indices(data)?,
                    columns: Cow::Borrowed(classes.columns()),
                }
            }
            _ => {
                return Err(LearnError::OtherPredictions {
                    found: "those of another".to_owned(),
                    wanted: format!("the predictions of a {}", target.task()),
                });
            }
        };
        if predictions.rows() != table.rows() {
            return Err(LearnError::Rows {
                what: "the list of predictions".to_owned(),
                found: predictions.rows(),
                expected: table.rows(),
            });
        }
        sample.check_predictions()?;
        Ok(sample)
    }

    fn check_predictions(&self) -> Result<(), LearnError> {
        let probability = |p: &f64| (0.0..=1.0).contains(p);
        let wanted = "a probability is a number from 0 to 1";
        match self {
            Self::Numbers { predictions, .. } => {
                check(predictions, |p| p.is_finite(), "a finite number is needed")
            }
            Self::Binary { probabilities, .. } => check(probabilities, probability, wanted),
            Self::Classes { columns, .. } => columns
                .iter()
                .try_for_each(|column| check(column, probability, wanted)),
        }
    }

    /// Those of some of the rows.
    pub fn select(&self, rows: &[usize]) -> Sample<'static> {
        fn pick<T: Copy>(values: &[T], rows: &[usize]) -> Vec<T> {
            rows.iter().map(|&row| values[row]).collect()
        }
        match self {
            Self::Numbers {
                labels,
                predictions,
            } => Sample::Numbers {
                labels: pick(labels, rows),
                predictions: pick(predictions, rows).into(),
            },
            Self::Binary {
                positives,
                probabilities,
            } => Sample::Binary {
                positives: pick(positives, rows),
                probabilities: pick(probabilities, rows).into(),
            },
            Self::Classes { labels, columns } => Sample::Classes {
                labels: pick(labels, rows),
                columns: columns.iter().map(|column| pick(column, rows)).collect(),
            },
        }
    }

    /// How many rows are positive, where one class is.
    pub fn positives(&self) -> Option<u64> {
        match self {
            Self::Binary { positives, .. } => {
                Some(positives.iter().filter(|&&positive| positive).count() as u64)
            }
            _ => None,
        }
    }

    /// How many classes there are; none for numbers.
    pub fn classes(&self) -> usize {
        match self {
            Self::Numbers { .. } => 0,
            Self::Binary { .. } => 2,
            Self::Classes { columns, .. } => columns.len(),
        }
    }

    /// For each row its class and the predicted one; the positive class of two is the second.
    pub fn labels_and_predicted(&self) -> (Vec<usize>, Vec<usize>) {
        match self {
            Self::Numbers { .. } => (Vec::new(), Vec::new()),
            Self::Binary {
                positives,
                probabilities,
            } => (
                positives
                    .iter()
                    .map(|&positive| usize::from(positive))
                    .collect(),
                probabilities
                    .iter()
                    .map(|&p| usize::from(p >= THRESHOLD))
                    .collect(),
            ),
            Self::Classes { labels, columns } => (labels.clone(), most_likely(columns)),
        }
    }
}

fn check(
    predictions: &[f64],
    sound: impl Fn(&f64) -> bool,
    wanted: &'static str,
) -> Result<(), LearnError> {
    match predictions.iter().position(|prediction| !sound(prediction)) {
        Some(row) => Err(LearnError::Prediction {
            row: row + 1,
            value: predictions[row],
            wanted,
        }),
        None => Ok(()),
    }
}
