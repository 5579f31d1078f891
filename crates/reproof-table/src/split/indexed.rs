//! A split by a column that names the part of each row.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::filled_parts;
use crate::column::float_text;
use crate::preprocess::Constant;
use crate::{ColumnData, Table, TableError};

/// The parameters of `split_indexed@1`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SplitIndexed {
    /// The column that names the part.
    pub by: String,
    /// For each part, the values that stand for it.
    pub values: BTreeMap<String, Vec<Constant>>,
}

impl SplitIndexed {
    /// Divides the rows of a table.
    ///
    /// # Errors
    /// A column that is not there, a value that stands for no part or for two, a missing value,
    /// and a part without rows.
    pub fn split(&self, table: &Table) -> Result<BTreeMap<String, Table>, TableError> {
        let data = table
            .column(&self.by)
            .ok_or_else(|| TableError::NoSuchColumn {
                column: self.by.clone(),
            })?;
        let mut places: BTreeMap<String, usize> = BTreeMap::new();
        for (place, (part, values)) in self.values.iter().enumerate() {
            for value in values {
                let text = self.text(value, data)?;
                if places.insert(text.clone(), place).is_some() {
                    return Err(TableError::Split(format!(
                        "'{text}' stands for the part '{part}' and once more"
                    )));
                }
            }
        }
        let part = |row: usize| {
            let text = data.text(row);
            let place = text.as_deref().and_then(|text| places.get(text));
            place.copied().ok_or_else(|| {
                let value = match &text {
                    Some(text) => format!("'{}'", text.chars().take(80).collect::<String>()),
                    None => "a missing value".to_owned(),
                };
                let known: Vec<_> = places.keys().map(|text| format!("'{text}'")).collect();
                TableError::Split(format!(
                    "column '{}' holds {value} in row {}, which names no part; {} do",
                    self.by,
                    row + 1,
                    known.join(", ")
                ))
            })
        };
        let parts = (0..table.rows()).map(part);
        let parts: Vec<usize> = parts.collect::<Result<_, _>>()?;
        let names: Vec<&str> = self.values.keys().map(String::as_str).collect();
        filled_parts(table, &names, parts)
    }

    /// The text of a value, written as those of the column are.
    fn text(&self, value: &Constant, data: &ColumnData) -> Result<String, TableError> {
        if let ColumnData::Decimal(decimal, _) = data {
            let units = value.decimal(*decimal);
            return units.map(|units| decimal.text(units)).ok_or_else(|| {
                TableError::Split(format!(
                    "column '{}' is of type {decimal}, which does not hold a value that names a part",
                    self.by
                ))
            });
        }
        Ok(match value {
            Constant::Boolean(value) => value.to_string(),
            Constant::Number(value) => float_text(*value + 0.0),
            Constant::Text(text) => text.clone(),
        })
    }
}
