//! Preparing a part by the fitted state.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::cast::cast;
use super::chain::{UnknownCategory, UnknownPlace};
use super::step::{Bounds, Categories, Coding, Filling, Places, Range, Step, ZScore, shown};
use super::{Exact, Feature, Fitted};
use crate::{ColumnData, Table, TableError, Threads, map_ranges};

impl Fitted {
    /// Prepares the features of a table: the columns of [`Fitted::schema`], row by row. Other
    /// columns of the table do not matter.
    ///
    /// # Errors
    /// A column that is not there or of another type, and values that a chain calls an error.
    pub fn apply(&self, table: &Table, threads: Threads) -> Result<Table, TableError> {
        let mut columns = Vec::new();
        for (name, feature) in &self.features {
            let data = table.column(name).ok_or_else(|| TableError::NoSuchColumn {
                column: name.clone(),
            })?;
            if data.logical_type() != feature.logical_type {
                return Err(TableError::feature(
                    name,
                    format!(
                        "it was fitted on the type {} and the column is of type {}",
                        feature.logical_type,
                        data.logical_type()
                    ),
                ));
            }
            feature
                .apply(data, threads, &mut columns)
                .map_err(|reason| TableError::feature(name, reason))?;
        }
        Table::with_rows(self.schema()?, columns, table.rows())
    }
}

impl Feature {
    fn apply(
        &self,
        data: &ColumnData,
        threads: Threads,
        columns: &mut Vec<ColumnData>,
    ) -> Result<(), String> {
        let mut current = Current::new(data);
        for step in &self.steps {
            if let Step::OneHot(coding) = step {
                // It is the last.
                let coded = one_hot(&current, coding, threads)?;
                columns.extend(coded.into_iter().map(ColumnData::Float));
                return Ok(());
            }
            current = current.after(step, threads)?;
        }
        columns.push(ColumnData::Float(current.numbers()));
        Ok(())
    }
}

/// A column on its way through a chain.
pub(super) struct Current<'a> {
    pub data: Cow<'a, ColumnData>,
    /// What stands for a missing value.
    pub fill: Option<Filling>,
}

impl<'a> Current<'a> {
    pub fn new(data: &'a ColumnData) -> Self {
        Self {
            data: Cow::Borrowed(data),
            fill: None,
        }
    }

    /// The values as doubles: an integer or a decimal as the nearest one, a boolean as 0 or 1, a day as the
    /// number of days and a moment as that of microseconds since 1970; what is missing, and not
    /// filled, as NaN. A text is missing.
    pub fn numbers(&self) -> Vec<f64> {
        let fill = self.fill.as_ref().map_or(f64::NAN, Filling::number);
        match &*self.data {
            ColumnData::Boolean(values) => {
                let number =
                    |value: &Option<bool>| value.map_or(fill, |value| f64::from(u8::from(value)));
                values.iter().map(number).collect()
            }
            ColumnData::Integer(values) | ColumnData::Time(_, values) => values
                .iter()
                .map(|value| value.map_or(fill, |value| value as f64))
                .collect(),
            ColumnData::Float(values) => {
                let number = |&value: &f64| if value.is_nan() { fill } else { value };
                values.iter().map(number).collect()
            }
            ColumnData::Decimal(decimal, values) => values
                .iter()
                .map(|value| value.map_or(fill, |value| decimal.nearest_double(value)))
                .collect(),
            ColumnData::String(values) => vec![f64::NAN; values.len()],
        }
    }

    /// The value of a row as a category; a missing one is what it is filled with, if it is. `fill`
    /// is the text of the filling.
    pub fn category<'s>(&'s self, fill: Option<&'s str>, row: usize) -> Option<Cow<'s, str>> {
        self.data.text(row).or(fill.map(Cow::Borrowed))
    }

    /// The text of the filling, written as the column's values are.
    pub fn fill_text(&self) -> Option<String> {
        let text = self.fill.as_ref().map(Filling::text)?;
        Some(match &*self.data {
            ColumnData::Decimal(decimal, _) => match decimal.parse(text.as_bytes()) {
                Ok(value) => decimal.text(value),
                // A mean may have more digits than the values.
                Err(_) => text,
            },
            _ => text,
        })
    }

    /// The column after a step that keeps it one column.
    pub fn after(self, step: &Step, threads: Threads) -> Result<Self, String> {
        let numbers = match step {
            Step::Cast(to) => {
                return Ok(Self {
                    data: Cow::Owned(cast(&self.data, *to)?),
                    fill: self.fill,
                });
            }
            Step::Fill(filling) => {
                return Ok(Self {
                    fill: Some(filling.clone()),
                    ..self
                });
            }
            Step::Ordinal(places) => ordinal(&self, places, threads)?,
            Step::Category(categories) => codes(&self, categories, threads)?,
            numeric => {
                let mut values = self.numbers();
                transform(numeric, &mut values);
                values
            }
        };
        Ok(Self {
            data: Cow::Owned(ColumnData::Float(numbers)),
            fill: None,
        })
    }
}

/// What numeric steps do to each value; a missing one stays missing.
fn transform(step: &Step, values: &mut [f64]) {
    match step {
        Step::ZScore(ZScore { mean, scale }) => each(values, |v| (v - mean.0) / scale.0),
        Step::MinMax(Range { min, scale }) => each(values, |v| (v - min.0) / scale.0),
        Step::ZeroOne(Range { min, scale }) => {
            each(values, |v| ((v - min.0) / scale.0).clamp(0.0, 1.0));
        }
        Step::Clip(Bounds { min, max }) => each(values, |v| {
            let low = min.map_or(f64::NEG_INFINITY, |Exact(min)| min);
            let high = max.map_or(f64::INFINITY, |Exact(max)| max);
            v.clamp(low, high)
        }),
        Step::Bucketize(edges) => each(values, |v| {
            if v.is_nan() {
                v
            } else {
                edges.partition_point(|edge| edge.0 <= v) as f64
            }
        }),
        Step::Cast(_) | Step::Fill(_) | Step::Ordinal(_) | Step::OneHot(_) | Step::Category(_) => {}
    }
}

fn each(values: &mut [f64], f: impl Fn(f64) -> f64) {
    for value in values {
        *value = f(*value);
    }
}

/// The place of each value in the order.
fn ordinal(current: &Current<'_>, places: &Places, threads: Threads) -> Result<Vec<f64>, String> {
    let index: BTreeMap<&str, usize> = (0..)
        .zip(&places.values)
        .map(|(place, value)| (value.as_str(), place))
        .collect();
    let fill = current.fill_text();
    let parts = map_ranges(threads, current.data.len(), |range| {
        let place = |row| {
            let Some(text) = current.category(fill.as_deref(), row) else {
                return Ok(f64::NAN);
            };
            match (index.get(&*text), places.unknown) {
                (Some(place), _) => Ok(*place as f64),
                (None, UnknownPlace::Missing) => Ok(f64::NAN),
                (None, UnknownPlace::Other) => Ok(places.values.len() as f64),
                (None, UnknownPlace::Error) => Err(unknown(&text, row, "the order")),
            }
        };
        range.map(place).collect::<Result<Vec<f64>, String>>()
    });
    let parts: Vec<_> = parts.into_iter().collect::<Result<_, _>>()?;
    Ok(parts.concat())
}

/// The code of each value.
fn codes(
    current: &Current<'_>,
    categories: &Categories,
    threads: Threads,
) -> Result<Vec<f64>, String> {
    let fill = current.fill_text();
    let rare = categories.rare.as_deref().unwrap_or_default();
    let find = |of: &[String], text: &str| of.binary_search_by(|known| known.as_str().cmp(text));
    let shared = categories.values.len() as f64;
    let parts = map_ranges(threads, current.data.len(), |range| {
        let code = |row| {
            let Some(text) = current.category(fill.as_deref(), row) else {
                return Ok(f64::NAN);
            };
            if let Ok(code) = find(&categories.values, &text) {
                return Ok(code as f64);
            }
            match categories.unknown {
                _ if find(rare, &text).is_ok() => Ok(shared),
                UnknownPlace::Other => Ok(shared),
                UnknownPlace::Missing => Ok(f64::NAN),
                UnknownPlace::Error => Err(unknown(&text, row, "the training part")),
            }
        };
        range.map(code).collect::<Result<Vec<f64>, String>>()
    });
    let parts: Vec<_> = parts.into_iter().collect::<Result<_, _>>()?;
    Ok(parts.concat())
}

fn unknown(text: &str, row: usize, what: &str) -> String {
    format!(
        "the value '{}' in row {} is not in {what}, and `unknown: error` stands in its chain",
        shown(text),
        row + 1
    )
}

/// A column of 0 and 1 for each category, and one for the others if the coding has it.
fn one_hot(
    current: &Current<'_>,
    coding: &Coding,
    threads: Threads,
) -> Result<Vec<Vec<f64>>, String> {
    let rows = current.data.len();
    let fill = current.fill_text();
    let rare = coding.rare.as_deref().unwrap_or_default();
    let find = |of: &[String], text: &str| of.binary_search_by(|known| known.as_str().cmp(text));
    let parts = map_ranges(threads, rows, |range| {
        let place = |row| {
            let Some(text) = current.category(fill.as_deref(), row) else {
                return Ok(None);
            };
            if let Ok(place) = find(&coding.categories, &text) {
                return Ok(Some(place));
            }
            let other = Some(coding.categories.len());
            match coding.unknown {
                _ if find(rare, &text).is_ok() => Ok(other),
                UnknownCategory::Other => Ok(other),
                UnknownCategory::Zeros => Ok(None),
                UnknownCategory::Error => Err(unknown(&text, row, "the training part")),
            }
        };
        range.map(place).collect::<Result<Vec<Option<usize>>, _>>()
    });
    let width = coding.categories.len() + usize::from(coding.has_other());
    let mut columns = vec![vec![0.0; rows]; width];
    let mut row = 0;
    for part in parts {
        for place in part? {
            if let Some(column) = place.and_then(|place| columns.get_mut(place)) {
                column[row] = 1.0;
            }
            row += 1;
        }
    }
    Ok(columns)
}
