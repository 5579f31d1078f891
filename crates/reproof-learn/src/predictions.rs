//! What a model predicts: numbers, probabilities of the positive class, or of every class.

use reproof_record::{Column, LogicalType, MAX_SAFE_INTEGER, Schema};
use reproof_table::{ColumnData, Table};

use crate::LearnError;
use crate::label::ClassValue;
use crate::model::Target;

/// The column of a table of predictions that holds numbers or probabilities of the positive class.
const PREDICTION: &str = "prediction";

/// What the columns of class probabilities begin with; the class follows.
const PROBABILITY: &str = "probability=";

/// From which probability on a row is predicted to be positive.
pub(crate) const THRESHOLD: f64 = 0.5;

/// The predictions for the rows of a table.
#[derive(Clone, Debug, PartialEq)]
pub enum Predictions {
    /// A number for each row.
    Values(Vec<f64>),
    /// The probability of the positive class for each row.
    Probabilities(Vec<f64>),
    /// The probability of each class for each row.
    Classes(ClassProbabilities),
}

/// For each row the probability of each of several classes.
#[derive(Clone, Debug, PartialEq)]
pub struct ClassProbabilities {
    classes: Vec<ClassValue>,
    columns: Vec<Vec<f64>>,
}

impl ClassProbabilities {
    /// One column of probabilities for each class, all of one length.
    ///
    /// # Errors
    /// If there is not one column for each class, or their lengths differ.
    pub fn new(classes: Vec<ClassValue>, columns: Vec<Vec<f64>>) -> Result<Self, LearnError> {
        let rows = columns.first().map_or(0, Vec::len);
        let other = columns.iter().map(Vec::len).find(|&found| found != rows);
        if let Some(found) = other {
            return Err(LearnError::Rows {
                what: "a class of the predictions".to_owned(),
                found,
                expected: rows,
            });
        }
        if classes.len() != columns.len() {
            return Err(LearnError::OtherPredictions {
                found: format!("{} columns of probabilities", columns.len()),
                wanted: format!("one for each of {} classes", classes.len()),
            });
        }
        Ok(Self { classes, columns })
    }

    /// The classes.
    pub fn classes(&self) -> &[ClassValue] {
        &self.classes
    }

    /// For each class its probability in each row.
    pub fn columns(&self) -> &[Vec<f64>] {
        &self.columns
    }

    /// The number of rows.
    pub fn rows(&self) -> usize {
        self.columns.first().map_or(0, Vec::len)
    }
}

/// For each row the class with the largest probability; of equal ones the first.
pub(crate) fn most_likely(columns: &[Vec<f64>]) -> Vec<usize> {
    let rows = columns.first().map_or(0, Vec::len);
    let best = |row: usize| {
        let mut best = 0;
        for (class, column) in columns.iter().enumerate() {
            if column[row] > columns[best][row] {
                best = class;
            }
        }
        best
    };
    (0..rows).map(best).collect()
}

impl Predictions {
    /// The number of rows.
    pub fn rows(&self) -> usize {
        match self {
            Self::Values(values) | Self::Probabilities(values) => values.len(),
            Self::Classes(classes) => classes.rows(),
        }
    }

    /// The one number for each row, where there is one: the value, or the probability of the
    /// positive class.
    pub fn single(&self) -> Option<&[f64]> {
        match self {
            Self::Values(values) | Self::Probabilities(values) => Some(values),
            Self::Classes(_) => None,
        }
    }

    /// As a table: a column `prediction`, or for each class a column `probability=CLASS`.
    ///
    /// # Errors
    /// If two classes have the same text.
    pub fn to_table(&self) -> Result<Table, LearnError> {
        let (names, columns): (Vec<String>, Vec<&Vec<f64>>) = match self {
            Self::Values(values) | Self::Probabilities(values) => {
                (vec![PREDICTION.to_owned()], vec![values])
            }
            Self::Classes(classes) => (
                classes.classes.iter().map(class_column).collect(),
                classes.columns.iter().collect(),
            ),
        };
        let described = names.into_iter().map(|name| Column {
            name,
            logical_type: LogicalType::Float,
        });
        let columns = columns.into_iter().cloned().map(ColumnData::Float);
        Schema::new(described.collect())
            .map_err(|error| error.to_string())
            .and_then(|schema| {
                Table::new(schema, columns.collect()).map_err(|error| error.to_string())
            })
            .map_err(|found| LearnError::OtherPredictions {
                found,
                wanted: "a table of predictions".to_owned(),
            })
    }

    /// The predictions for a target from a table like the one that [`Predictions::to_table`] gives.
    /// It may have other columns, too, and integers where they are exact.
    ///
    /// # Errors
    /// If the table has not the columns that predictions of the target have, or values are missing.
    pub fn from_table(target: &Target, table: &Table) -> Result<Self, LearnError> {
        let column = |name: &str| numbers_of(table, name);
        Ok(match target {
            Target::Number { .. } => Self::Values(column(PREDICTION)?),
            Target::Binary(_) => Self::Probabilities(column(PREDICTION)?),
            Target::Classes(label) => {
                let columns = label
                    .classes
                    .iter()
                    .map(|class| column(&class_column(class)));
                Self::Classes(ClassProbabilities::new(
                    label.classes.clone(),
                    columns.collect::<Result<_, _>>()?,
                )?)
            }
        })
    }

    /// For each row the text of the class that is predicted; none for numbers.
    pub fn classes(&self, target: &Target) -> Option<Vec<String>> {
        match (self, target) {
            (Self::Probabilities(values), Target::Binary(label)) => {
                let of = |&p: &f64| {
                    if p >= THRESHOLD {
                        &label.positive
                    } else {
                        &label.negative
                    }
                };
                Some(values.iter().map(|p| of(p).to_string()).collect())
            }
            (Self::Classes(classes), _) => {
                let likely = most_likely(&classes.columns).into_iter();
                Some(
                    likely
                        .map(|class| classes.classes[class].to_string())
                        .collect(),
                )
            }
            _ => None,
        }
    }
}

/// A column of predictions as doubles.
fn numbers_of(table: &Table, name: &str) -> Result<Vec<f64>, LearnError> {
    let refused = |found: String| LearnError::OtherPredictions {
        found,
        wanted: format!("a column '{name}' of numbers"),
    };
    let values: Vec<f64> = match table.column(name) {
        Some(ColumnData::Float(values)) => values.clone(),
        Some(ColumnData::Integer(values)) => {
            let exact = |value: &Option<i64>| {
                value.filter(|value| value.unsigned_abs() <= MAX_SAFE_INTEGER)
            };
            let numbers = values.iter().map(exact);
            numbers
                .map(|value| value.map_or(f64::NAN, |value| value as f64))
                .collect()
        }
        Some(other) => {
            return Err(refused(format!("one of type {}", other.logical_type())));
        }
        None => {
            let names = table.schema().columns().iter();
            let names: Vec<_> = names.map(|column| column.name.as_str()).take(20).collect();
            return Err(refused(format!("the columns {}", names.join(", "))));
        }
    };
    match values.iter().position(|value| value.is_nan()) {
        Some(row) => Err(refused(format!("none in row {}", row + 1))),
        None => Ok(values),
    }
}

fn class_column(class: &ClassValue) -> String {
    format!("{PROBABILITY}{class}")
}
