//! Preparing a part by the fitted state.

use std::borrow::Cow;

use super::{Exact, Feature, Filling, Fitted};
use crate::{ColumnData, Table, TableError, Threads, map_ranges};

impl Fitted {
    /// Prepares the features of a table: the columns of [`Fitted::schema`], row by row. Other
    /// columns of the table do not matter. A text that was not there in training is no category:
    /// its row has 0 in all of them.
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
            feature.apply(data, threads, &mut columns);
        }
        Table::with_rows(self.schema()?, columns, table.rows())
    }
}

impl Feature {
    fn apply(&self, data: &ColumnData, threads: Threads, columns: &mut Vec<ColumnData>) {
        if let Some(categories) = &self.one_hot {
            let fill = self.fill.as_ref().map(Filling::text);
            let places = one_hot(data, fill.as_deref(), categories, threads);
            columns.extend(places.into_iter().map(ColumnData::Float));
            return;
        }
        let mut values = numbers(data, self.fill.as_ref());
        if let Some(z_score) = self.z_score {
            let (Exact(mean), Exact(scale)) = (z_score.mean, z_score.scale);
            for value in &mut values {
                *value = (*value - mean) / scale;
            }
        }
        columns.push(ColumnData::Float(values));
    }
}

/// A column of 0 and 1 for each category.
fn one_hot(
    data: &ColumnData,
    fill: Option<&str>,
    categories: &[String],
    threads: Threads,
) -> Vec<Vec<f64>> {
    let places = map_ranges(threads, data.len(), |range| {
        let place = |row| {
            let text = category(data, fill, row)?;
            categories
                .binary_search_by(|category| category.as_str().cmp(&text))
                .ok()
        };
        range.map(place).collect::<Vec<Option<usize>>>()
    });
    let mut columns = vec![vec![0.0; data.len()]; categories.len()];
    for (row, place) in places.into_iter().flatten().enumerate() {
        if let Some(place) = place {
            columns[place][row] = 1.0;
        }
    }
    columns
}

/// The value of a row as a category; a missing one is what it is filled with, if it is.
pub(super) fn category<'a>(
    data: &'a ColumnData,
    fill: Option<&'a str>,
    row: usize,
) -> Option<Cow<'a, str>> {
    data.text(row).or(fill.map(Cow::Borrowed))
}

/// The values as doubles: an integer as the nearest one, a boolean as 0 or 1, a day as the number
/// of days and a moment as that of microseconds since 1970; what is missing, and not filled, as
/// NaN. A text is missing.
pub(super) fn numbers(data: &ColumnData, fill: Option<&Filling>) -> Vec<f64> {
    let fill = fill.map_or(f64::NAN, Filling::number);
    match data {
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
        ColumnData::String(values) => vec![f64::NAN; values.len()],
    }
}
