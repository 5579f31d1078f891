//! Which Parquet types become which types of a table.

use parquet::basic::Type as Physical;
use parquet::basic::{ConvertedType, LogicalType as Annotation, Repetition, TimeUnit};
use parquet::schema::types::Type;
use reproof_record::{DecimalType, LogicalType};

use crate::columnar::Columnar;
use crate::{ColumnarProblem, TimeType};

/// How the values of a column are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Boolean,
    /// Signed integers of 32 bits or fewer.
    Int32,
    Uint32,
    Int64,
    Uint64,
    Float16,
    Float32,
    Float64,
    /// Units of the last place: an integer, or bytes of one in two's complement, the highest first.
    Decimal(DecimalType),
    Text,
    Uuid,
    Date,
    Timestamp(TimeType, Unit),
}

/// The unit of a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    Millis,
    Micros,
    Nanos,
}

impl Kind {
    /// How a column is read, or why it cannot be.
    pub fn of(field: &Type) -> Result<Self, ColumnarProblem> {
        let nested = |what: &str| ColumnarProblem::Nested {
            column: field.name().to_owned(),
            what: what.to_owned(),
        };
        let info = field.get_basic_info();
        if field.is_group() {
            return Err(nested(match info.converted_type() {
                ConvertedType::LIST => "a list",
                ConvertedType::MAP | ConvertedType::MAP_KEY_VALUE => "a map",
                _ => "a structure",
            }));
        }
        if info.has_repetition() && info.repetition() == Repetition::REPEATED {
            return Err(nested("a repeated value"));
        }
        Self::plain(field).map_err(|advice| ColumnarProblem::Type {
            format: <super::Parquet<'_> as Columnar>::FORMAT,
            column: field.name().to_owned(),
            found: described(field),
            advice,
        })
    }

    fn plain(field: &Type) -> Result<Self, &'static str> {
        let info = field.get_basic_info();
        let (converted, annotation) = (info.converted_type(), info.logical_type_ref());
        if matches!(annotation, Some(Annotation::Decimal(_)))
            || annotation.is_none() && converted == ConvertedType::DECIMAL
        {
            return decimal(field.get_precision(), field.get_scale()).map(Self::Decimal);
        }
        match field.get_physical_type() {
            Physical::BOOLEAN => Ok(Self::Boolean),
            Physical::FLOAT => Ok(Self::Float32),
            Physical::DOUBLE => Ok(Self::Float64),
            Physical::INT32 => match (annotation, converted) {
                (Some(Annotation::Date), _) | (None, ConvertedType::DATE) => Ok(Self::Date),
                _ => integer(annotation, converted, Self::Int32, Self::Uint32),
            },
            Physical::INT64 => match moment(annotation, converted) {
                Some(kind) => Ok(kind),
                None => integer(annotation, converted, Self::Int64, Self::Uint64),
            },
            Physical::INT96 => Err(
                "a moment in INT96 does not say whether it is in UTC: write it as TIMESTAMP_MICROS",
            ),
            Physical::BYTE_ARRAY => match (annotation, converted) {
                (Some(Annotation::String | Annotation::Enum | Annotation::Json), _)
                | (None, ConvertedType::UTF8 | ConvertedType::ENUM | ConvertedType::JSON) => {
                    Ok(Self::Text)
                }
                _ => Err("bytes that are not marked as text: write the column as text (UTF8)"),
            },
            Physical::FIXED_LEN_BYTE_ARRAY => match annotation {
                Some(Annotation::Float16) => Ok(Self::Float16),
                Some(Annotation::Uuid) => Ok(Self::Uuid),
                _ => Err("write the column as text or as a number"),
            },
        }
    }

    /// The type that the column has in a table.
    pub const fn logical_type(self) -> LogicalType {
        match self {
            Self::Boolean => LogicalType::Boolean,
            Self::Int32 | Self::Uint32 | Self::Int64 | Self::Uint64 => LogicalType::Integer,
            Self::Float16 | Self::Float32 | Self::Float64 => LogicalType::Float,
            Self::Decimal(decimal) => LogicalType::Decimal(decimal),
            Self::Text | Self::Uuid => LogicalType::String,
            Self::Date => LogicalType::Date,
            Self::Timestamp(time, _) => time.logical_type(),
        }
    }
}

fn decimal(precision: i32, scale: i32) -> Result<DecimalType, &'static str> {
    let digits = u8::try_from(precision).ok().zip(u8::try_from(scale).ok());
    digits
        .and_then(|(precision, scale)| DecimalType::new(precision, scale).ok())
        .ok_or("a decimal has at most 38 digits: write the column as a double or as text")
}

fn integer(
    annotation: Option<&Annotation>,
    converted: ConvertedType,
    signed: Kind,
    unsigned: Kind,
) -> Result<Kind, &'static str> {
    match (annotation, converted) {
        (Some(Annotation::Integer(integer)), _) if integer.is_signed => Ok(signed),
        (Some(Annotation::Integer(_)), _)
        | (
            None,
            ConvertedType::UINT_8
            | ConvertedType::UINT_16
            | ConvertedType::UINT_32
            | ConvertedType::UINT_64,
        ) => Ok(unsigned),
        (
            None,
            ConvertedType::NONE
            | ConvertedType::INT_8
            | ConvertedType::INT_16
            | ConvertedType::INT_32
            | ConvertedType::INT_64,
        ) => Ok(signed),
        (Some(Annotation::Time(_)), _)
        | (_, ConvertedType::TIME_MILLIS | ConvertedType::TIME_MICROS) => {
            Err("a time of day: write the column as an integer or as text")
        }
        (Some(Annotation::Unknown), _) => Err("a column without a type: leave it out of the file"),
        _ => Err("write the column as a plain integer"),
    }
}

fn moment(annotation: Option<&Annotation>, converted: ConvertedType) -> Option<Kind> {
    match (annotation, converted) {
        (Some(Annotation::Timestamp(timestamp)), _) => {
            let time = if timestamp.is_adjusted_to_u_t_c {
                TimeType::Utc
            } else {
                TimeType::Naive
            };
            let unit = match timestamp.unit {
                TimeUnit::MILLIS => Unit::Millis,
                TimeUnit::MICROS => Unit::Micros,
                TimeUnit::NANOS => Unit::Nanos,
            };
            Some(Kind::Timestamp(time, unit))
        }
        (None, ConvertedType::TIMESTAMP_MILLIS) => {
            Some(Kind::Timestamp(TimeType::Utc, Unit::Millis))
        }
        (None, ConvertedType::TIMESTAMP_MICROS) => {
            Some(Kind::Timestamp(TimeType::Utc, Unit::Micros))
        }
        _ => None,
    }
}

fn described(field: &Type) -> String {
    let physical = field.get_physical_type();
    match field.get_basic_info().converted_type() {
        ConvertedType::NONE => physical.to_string(),
        converted => format!("{physical} ({converted})"),
    }
}
