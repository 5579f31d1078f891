//! Reads rows strictly: what is not as this version writes it is damage, named by its column.

use std::path::Path;
use std::str::FromStr;

use reproof_record::Timestamp;
use rusqlite::Row;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{CatalogError, KnownBlob, KnownFacts, RecordEntry, StepResult, VersionRow};

/// Reads rows of the database in this file.
#[derive(Clone, Copy)]
pub(super) struct Reader<'a> {
    pub path: &'a Path,
}

impl Reader<'_> {
    fn damaged(self, row: &Row<'_>, column: usize, what: &dyn std::fmt::Display) -> CatalogError {
        let name = row.as_ref().column_name(column).unwrap_or("?").to_owned();
        CatalogError::Damaged {
            path: self.path.to_owned(),
            what: format!("column {name}: {what}"),
        }
    }

    pub fn text(self, row: &Row<'_>, column: usize) -> Result<String, CatalogError> {
        row.get(column)
            .map_err(|source| CatalogError::database(self.path, source))
    }

    pub fn timestamp(self, row: &Row<'_>, column: usize) -> Result<Timestamp, CatalogError> {
        let value = row
            .get(column)
            .map_err(|source| CatalogError::database(self.path, source))?;
        Ok(Timestamp(value))
    }

    pub fn parse<T: FromStr>(self, row: &Row<'_>, column: usize) -> Result<T, CatalogError>
    where
        T::Err: std::fmt::Display,
    {
        let text = self.text(row, column)?;
        text.parse()
            .map_err(|error: T::Err| self.damaged(row, column, &error))
    }

    pub fn json<T: DeserializeOwned>(
        self,
        row: &Row<'_>,
        column: usize,
    ) -> Result<T, CatalogError> {
        let text = self.text(row, column)?;
        serde_json::from_str(&text).map_err(|error| self.damaged(row, column, &error))
    }

    /// An enumeration by its name.
    pub fn named<T: DeserializeOwned>(
        self,
        row: &Row<'_>,
        column: usize,
    ) -> Result<T, CatalogError> {
        let value = serde_json::Value::String(self.text(row, column)?);
        serde_json::from_value(value).map_err(|error| self.damaged(row, column, &error))
    }

    /// Facts and the time of hashing, from this column and the next.
    pub fn known_facts(self, row: &Row<'_>, column: usize) -> Result<KnownFacts, CatalogError> {
        let facts = self.json(row, column)?;
        Ok(KnownFacts {
            facts,
            hashed_at: self.timestamp(row, column + 1)?,
        })
    }

    /// The facts of a blob and the time of hashing, from this column and the next.
    pub fn known_blob(self, row: &Row<'_>, column: usize) -> Result<KnownBlob, CatalogError> {
        let facts = self.json(row, column)?;
        Ok(KnownBlob {
            facts,
            hashed_at: self.timestamp(row, column + 1)?,
        })
    }

    pub fn record(self, row: &Row<'_>) -> Result<RecordEntry, CatalogError> {
        Ok(RecordEntry {
            id: self.parse(row, 0)?,
            recipe: self.parse(row, 1)?,
            results: self.parse(row, 2)?,
            created: self.timestamp(row, 3)?,
        })
    }

    pub fn version_row(self, row: &Row<'_>) -> Result<VersionRow, CatalogError> {
        let parent: Option<String> = row
            .get(3)
            .map_err(|source| CatalogError::database(self.path, source))?;
        Ok(VersionRow {
            id: self.parse(row, 0)?,
            name: self.parse(row, 1)?,
            content: self.parse(row, 2)?,
            parent: parent.map(|_| self.parse(row, 3)).transpose()?,
            created: self.timestamp(row, 4)?,
        })
    }

    pub fn step_result(self, row: &Row<'_>) -> Result<StepResult, CatalogError> {
        Ok(StepResult {
            key: self.parse(row, 0)?,
            operation: self.parse(row, 1)?,
            inputs: self.json(row, 2)?,
            outputs: self.json(row, 3)?,
            created: self.timestamp(row, 4)?,
        })
    }
}

/// The name of an enumeration's value.
pub(super) fn text_of<T: Serialize>(value: &T) -> Result<String, String> {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(text)) => Ok(text),
        _ => Err("an enumeration without a name".to_owned()),
    }
}
