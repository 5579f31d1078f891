//! The schema of a table, and the object that is a table's content identity.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{CanonicalError, Digest, to_canonical};

/// What the values of a column are, whatever file they came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum LogicalType {
    /// True or false.
    Boolean,
    /// A signed integer of 64 bits.
    Integer,
    /// An IEEE 754 double; NaN is missing.
    Float,
    /// UTF-8 text, not normalised.
    String,
    /// A day of the Gregorian calendar, of the years 1 to 9999.
    Date,
    /// A date and a time of day in no particular time zone, to the microsecond.
    TimestampNaive,
    /// A moment, to the microsecond.
    TimestampUtc,
}

impl LogicalType {
    /// Every type, in the order of the documentation.
    pub const ALL: [Self; 7] = [
        Self::Boolean,
        Self::Integer,
        Self::Float,
        Self::String,
        Self::Date,
        Self::TimestampNaive,
        Self::TimestampUtc,
    ];

    /// Its name, as it stands in schemas and in the lock file.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Boolean => "boolean",
            Self::Integer => "integer",
            Self::Float => "float",
            Self::String => "string",
            Self::Date => "date",
            Self::TimestampNaive => "timestamp_naive",
            Self::TimestampUtc => "timestamp_utc",
        }
    }

    /// Whether its values are numbers.
    pub const fn is_numeric(self) -> bool {
        matches!(self, Self::Integer | Self::Float)
    }

    /// Whether its values are days or moments.
    pub const fn is_time(self) -> bool {
        matches!(self, Self::Date | Self::TimestampNaive | Self::TimestampUtc)
    }

    /// The type of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.name() == name)
    }
}

impl fmt::Display for LogicalType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A column's name and type.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Column {
    /// Its name, as the source gives it.
    pub name: String,
    /// What its values are.
    #[serde(rename = "type")]
    pub logical_type: LogicalType,
}

/// A list of columns that cannot be a schema.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SchemaError {
    /// Two columns have one name.
    #[error("two columns are named '{0}'")]
    DuplicateColumn(String),
    /// A column without a name.
    #[error("column {0} has no name")]
    EmptyName(usize),
}

/// The columns of a table, in their order, each name once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<Column>", into = "Vec<Column>")]
pub struct Schema(Vec<Column>);

impl Schema {
    /// A schema of these columns; names must be there and differ. Columns are counted from 1.
    pub fn new(columns: Vec<Column>) -> Result<Self, SchemaError> {
        let mut names = BTreeSet::new();
        for (index, column) in columns.iter().enumerate() {
            if column.name.is_empty() {
                return Err(SchemaError::EmptyName(index + 1));
            }
            if !names.insert(column.name.as_str()) {
                return Err(SchemaError::DuplicateColumn(column.name.clone()));
            }
        }
        Ok(Self(columns))
    }

    /// The columns in their order.
    pub fn columns(&self) -> &[Column] {
        &self.0
    }

    /// Where the column of this name stands.
    pub fn position(&self, name: &str) -> Option<usize> {
        self.0.iter().position(|column| column.name == name)
    }

    /// The column of this name.
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.0.iter().find(|column| column.name == name)
    }
}

impl TryFrom<Vec<Column>> for Schema {
    type Error = SchemaError;

    fn try_from(columns: Vec<Column>) -> Result<Self, Self::Error> {
        Self::new(columns)
    }
}

impl From<Schema> for Vec<Column> {
    fn from(schema: Schema) -> Self {
        schema.0
    }
}

/// The object whose digest is a table's content identity: its schema, its number of rows and,
/// for each column, the digest of its encoded values in row order.
///
/// The encoding is described, with test vectors, in `docs/formats/table.md`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TableObject {
    /// [`TableObject::FORMAT`].
    pub format: String,
    /// The columns in their order.
    pub schema: Schema,
    /// The number of rows.
    pub rows: u64,
    /// For each column of the schema, the digest of its encoded values.
    pub columns: Vec<Digest>,
}

impl TableObject {
    /// The format's name and version.
    pub const FORMAT: &str = "reproof.table/1";

    /// The canonical bytes, as they are stored.
    pub fn to_bytes(&self) -> Result<Vec<u8>, CanonicalError> {
        to_canonical(self)
    }

    /// The content digest of the table.
    pub fn digest(&self) -> Result<Digest, CanonicalError> {
        Ok(Digest::of(&self.to_bytes()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(name: &str) -> Column {
        Column {
            name: name.to_owned(),
            logical_type: LogicalType::Integer,
        }
    }

    #[test]
    fn types_are_written_by_their_names() {
        for logical_type in LogicalType::ALL {
            let json = serde_json::to_value(logical_type).unwrap();
            assert_eq!(json, logical_type.name());
            assert_eq!(LogicalType::named(logical_type.name()), Some(logical_type));
        }
        assert_eq!(LogicalType::named("timestamp"), None);
    }

    #[test]
    fn names_differ_and_are_there() {
        assert!(Schema::new(vec![column("a"), column("b")]).is_ok());
        assert_eq!(
            Schema::new(vec![column("a"), column("a")]),
            Err(SchemaError::DuplicateColumn("a".to_owned()))
        );
        assert_eq!(
            Schema::new(vec![column("")]),
            Err(SchemaError::EmptyName(1))
        );
        let twice = r#"[{"name":"a","type":"float"},{"name":"a","type":"float"}]"#;
        assert!(serde_json::from_str::<Schema>(twice).is_err());
    }
}
