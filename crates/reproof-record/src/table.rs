//! The schema of a table, and the object that is a table's content identity.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use thiserror::Error;

use crate::{CanonicalError, DecimalType, Digest, to_canonical};

/// What the values of a column are, whatever file they came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum LogicalType {
    /// True or false.
    Boolean,
    /// A signed integer of 64 bits.
    Integer,
    /// An IEEE 754 double; NaN is missing.
    Float,
    /// An exact decimal number.
    Decimal(DecimalType),
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
    /// Every type but decimals, of which there are many, in the order of the documentation.
    pub const SIMPLE: [Self; 7] = [
        Self::Boolean,
        Self::Integer,
        Self::Float,
        Self::String,
        Self::Date,
        Self::TimestampNaive,
        Self::TimestampUtc,
    ];

    /// Its name, without the digits of a decimal. In schemas and in the lock file the type stands
    /// as it is displayed: `decimal(10, 2)`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Boolean => "boolean",
            Self::Integer => "integer",
            Self::Float => "float",
            Self::Decimal(_) => "decimal",
            Self::String => "string",
            Self::Date => "date",
            Self::TimestampNaive => "timestamp_naive",
            Self::TimestampUtc => "timestamp_utc",
        }
    }

    /// Whether its values are numbers.
    pub const fn is_numeric(self) -> bool {
        matches!(self, Self::Integer | Self::Float | Self::Decimal(_))
    }

    /// Whether its values are days or moments.
    pub const fn is_time(self) -> bool {
        matches!(self, Self::Date | Self::TimestampNaive | Self::TimestampUtc)
    }

    /// The type of this name, that of a decimal with or without blanks inside.
    pub fn named(name: &str) -> Option<Self> {
        let mut simple = Self::SIMPLE.into_iter();
        simple
            .find(|known| known.name() == name)
            .or_else(|| DecimalType::named(name).map(Self::Decimal))
    }
}

impl fmt::Display for LogicalType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Decimal(decimal) => decimal.fmt(f),
            simple => f.pad(simple.name()),
        }
    }
}

impl Serialize for LogicalType {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for LogicalType {
    /// Takes a type only as it is displayed, so that it has one form in what is hashed.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::named(&text)
            .filter(|found| found.to_string() == text)
            .ok_or_else(|| de::Error::custom(format_args!("unknown type `{text}`")))
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
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
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
        for logical_type in LogicalType::SIMPLE {
            let json = serde_json::to_value(logical_type).unwrap();
            assert_eq!(json, logical_type.name());
            assert_eq!(LogicalType::named(logical_type.name()), Some(logical_type));
        }
        let decimal = LogicalType::Decimal(DecimalType::new(10, 2).unwrap());
        let json = serde_json::to_value(decimal).unwrap();
        assert_eq!(json, "decimal(10, 2)");
        assert_eq!(
            serde_json::from_value::<LogicalType>(json).unwrap(),
            decimal
        );
        assert_eq!(LogicalType::named("decimal(10,2)"), Some(decimal));
        for text in ["\"decimal(10,2)\"", "\"decimal\"", "\"number\"", "1"] {
            assert!(serde_json::from_str::<LogicalType>(text).is_err(), "{text}");
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
