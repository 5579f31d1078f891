//! Which Arrow types become which types of a table.

use arrow_schema::{DataType, Field, TimeUnit};
use reproof_record::{DecimalType, LogicalType};

use crate::columnar::Columnar;
use crate::{ColumnarProblem, TimeType};

/// How the values of a column are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Boolean,
    Integer,
    Float,
    /// Units of the last place.
    Decimal(DecimalType),
    Text,
    /// Days since 1970.
    Date,
    /// Milliseconds since 1970 that are whole days.
    DateMillis,
    Timestamp(TimeType, TimeUnit),
}

impl Kind {
    /// How a column is read, or why it cannot be.
    pub fn of(field: &Field) -> Result<Self, ColumnarProblem> {
        let values = match field.data_type() {
            DataType::Dictionary(_, values) => values.as_ref(),
            plain => plain,
        };
        if let Some(what) = nested(values) {
            return Err(ColumnarProblem::Nested {
                column: field.name().to_owned(),
                what: what.to_owned(),
            });
        }
        Self::plain(values).map_err(|advice| ColumnarProblem::Type {
            format: <super::Arrow<'_> as Columnar>::FORMAT,
            column: field.name().to_owned(),
            found: field.data_type().to_string(),
            advice,
        })
    }

    fn plain(data_type: &DataType) -> Result<Self, &'static str> {
        use DataType as T;
        match data_type {
            T::Boolean => Ok(Self::Boolean),
            T::Int8
            | T::Int16
            | T::Int32
            | T::Int64
            | T::UInt8
            | T::UInt16
            | T::UInt32
            | T::UInt64 => Ok(Self::Integer),
            T::Float16 | T::Float32 | T::Float64 => Ok(Self::Float),
            T::Utf8 | T::LargeUtf8 | T::Utf8View => Ok(Self::Text),
            T::Date32 => Ok(Self::Date),
            T::Date64 => Ok(Self::DateMillis),
            T::Timestamp(unit, None) => Ok(Self::Timestamp(TimeType::Naive, *unit)),
            // Whatever the zone, the values count from 1970 in UTC.
            T::Timestamp(unit, Some(_)) => Ok(Self::Timestamp(TimeType::Utc, *unit)),
            T::Decimal32(precision, scale)
            | T::Decimal64(precision, scale)
            | T::Decimal128(precision, scale) => {
                let scale = u8::try_from(*scale).ok();
                let decimal = scale.and_then(|scale| DecimalType::new(*precision, scale).ok());
                decimal.map(Self::Decimal).ok_or(
                    "a decimal has at most 38 digits, and places after the point: write the column \
                     as a double or as text",
                )
            }
            T::Decimal256(_, _) => {
                Err("a decimal has at most 38 digits: write the column as a double or as text")
            }
            T::Time32(_) | T::Time64(_) => {
                Err("a time of day: write the column as an integer or as text")
            }
            T::Duration(_) | T::Interval(_) => {
                Err("a length of time: write the column as an integer")
            }
            T::Null => Err("a column without a type: leave it out of the file"),
            T::Binary | T::LargeBinary | T::BinaryView | T::FixedSizeBinary(_) => {
                Err("bytes that are not marked as text: write the column as text (UTF8)")
            }
            _ => Err("write the column as text or as a number"),
        }
    }

    /// The type that the column has in a table.
    pub const fn logical_type(self) -> LogicalType {
        match self {
            Self::Boolean => LogicalType::Boolean,
            Self::Integer => LogicalType::Integer,
            Self::Float => LogicalType::Float,
            Self::Decimal(decimal) => LogicalType::Decimal(decimal),
            Self::Text => LogicalType::String,
            Self::Date | Self::DateMillis => LogicalType::Date,
            Self::Timestamp(time, _) => time.logical_type(),
        }
    }
}

fn nested(data_type: &DataType) -> Option<&'static str> {
    match data_type {
        DataType::List(_)
        | DataType::ListView(_)
        | DataType::LargeList(_)
        | DataType::LargeListView(_)
        | DataType::FixedSizeList(_, _) => Some("a list"),
        DataType::Struct(_) => Some("a structure"),
        DataType::Map(_, _) => Some("a map"),
        DataType::Union(_, _) => Some("values of several types"),
        DataType::Dictionary(_, _) => Some("a dictionary of dictionaries"),
        _ => None,
    }
}
