//! PostgreSQL's types as those of a table, and the values of its binary protocol.

use std::fmt::Write;

use reproof_record::{DecimalType, LogicalType};
use reproof_table::{Cell, TimeType};
use tokio_postgres::Column;
use tokio_postgres::types::{Kind as TypeKind, Type};

use crate::{SqlError, quoted};

/// From 1970-01-01, where our days begin, to 2000-01-01, where those of the server do.
const EPOCH_DAYS: i64 = 10_957;
const DAY: i64 = 86_400_000_000;

/// How the values of a column are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Boolean,
    Int16,
    Int32,
    Int64,
    /// An object's number, without a sign.
    Oid,
    Float32,
    Float64,
    /// An exact number: of this type, or of no certain one.
    Numeric(Option<DecimalType>),
    Text,
    /// A text that the server sorts as something else.
    Enum,
    Json,
    /// JSON after a byte that is its version.
    Jsonb,
    Uuid,
    Date,
    Time,
    Timestamp(TimeType),
}

/// Room for the text of a value that is none by itself.
pub(super) type Scratch = String;

/// Why a value cannot be in a table, and what to do.
#[derive(Debug)]
pub(super) struct Problem {
    pub what: String,
    pub advice: &'static str,
}

fn problem(what: impl Into<String>, advice: &'static str) -> Problem {
    Problem {
        what: what.into(),
        advice,
    }
}

/// The refusal of a column of exact numbers without a limit.
pub(super) fn undeclared(name: &str) -> SqlError {
    let quoted = quoted(name);
    SqlError::hinted(
        format!("column '{name}' is numeric without a number of digits"),
        format!(
            "declare it, schema: {{{name}: \"decimal(18, 2)\"}} or float, or cast it in the query: \
             {quoted}::numeric(18, 2)"
        ),
    )
}

impl Kind {
    /// How a column is read.
    pub fn of(column: &Column) -> Result<Self, SqlError> {
        Self::of_type(column.type_(), column.type_modifier()).map_err(|what| {
            let name = column.name();
            SqlError::hinted(
                format!("column '{name}' is of the type {what}, which a table does not have"),
                format!(
                    "cast it in the query, {}::text, or leave it out",
                    quoted(name)
                ),
            )
        })
    }

    fn of_type(found: &Type, modifier: i32) -> Result<Self, String> {
        Ok(match *found {
            Type::BOOL => Self::Boolean,
            Type::INT2 => Self::Int16,
            Type::INT4 => Self::Int32,
            Type::INT8 => Self::Int64,
            Type::OID => Self::Oid,
            Type::FLOAT4 => Self::Float32,
            Type::FLOAT8 => Self::Float64,
            Type::NUMERIC => Self::Numeric(numeric_type(modifier)?),
            Type::TEXT | Type::VARCHAR | Type::BPCHAR | Type::NAME | Type::UNKNOWN => Self::Text,
            Type::JSON => Self::Json,
            Type::JSONB => Self::Jsonb,
            Type::UUID => Self::Uuid,
            Type::DATE => Self::Date,
            Type::TIME => Self::Time,
            Type::TIMESTAMP => Self::Timestamp(TimeType::Naive),
            Type::TIMESTAMPTZ => Self::Timestamp(TimeType::Utc),
            _ => match found.kind() {
                TypeKind::Enum(_) => Self::Enum,
                TypeKind::Domain(inner) => Self::of_type(inner, modifier)?,
                TypeKind::Array(of) => return Err(format!("{}[]", of.name())),
                _ => return Err(found.name().to_owned()),
            },
        })
    }

    /// The type that the column has in a table, if that is certain.
    pub fn logical_type(self) -> Option<LogicalType> {
        Some(match self {
            Self::Boolean => LogicalType::Boolean,
            Self::Int16 | Self::Int32 | Self::Int64 | Self::Oid => LogicalType::Integer,
            Self::Float32 | Self::Float64 => LogicalType::Float,
            Self::Numeric(decimal) => LogicalType::Decimal(decimal?),
            Self::Text | Self::Enum | Self::Json | Self::Jsonb | Self::Uuid | Self::Time => {
                LogicalType::String
            }
            Self::Date => LogicalType::Date,
            Self::Timestamp(time) => time.logical_type(),
        })
    }

    /// How the server sorts by a column of this name: texts by their bytes. None if it cannot.
    pub fn sorted(self, name: &str) -> Option<String> {
        match self {
            Self::Text => Some(format!("{name} COLLATE \"C\"")),
            Self::Enum => Some(format!("{name}::text COLLATE \"C\"")),
            Self::Json | Self::Jsonb => None,
            _ => Some(name.to_owned()),
        }
    }

    /// A value that is there.
    pub fn cell<'a>(self, bytes: &'a [u8], room: &'a mut Scratch) -> Result<Cell<'a>, Problem> {
        Ok(match self {
            Self::Boolean => Cell::Boolean(array::<1>(bytes)? != [0]),
            Self::Int16 => Cell::Integer(i16::from_be_bytes(array(bytes)?).into()),
            Self::Int32 => Cell::Integer(i32::from_be_bytes(array(bytes)?).into()),
            Self::Int64 => Cell::Integer(i64::from_be_bytes(array(bytes)?)),
            Self::Oid => Cell::Integer(u32::from_be_bytes(array(bytes)?).into()),
            Self::Float32 => Cell::Float(f32::from_be_bytes(array(bytes)?).into()),
            Self::Float64 => Cell::Float(f64::from_be_bytes(array(bytes)?)),
            Self::Numeric(_) => {
                numeric(bytes, room)?;
                Cell::Number(room)
            }
            Self::Text | Self::Enum | Self::Json => text(bytes)?,
            Self::Jsonb => text(bytes.get(1..).unwrap_or_default())?,
            Self::Uuid => {
                uuid(array(bytes)?, room);
                Cell::Text(room)
            }
            Self::Date => {
                let days = i32::from_be_bytes(array(bytes)?);
                if days == i32::MAX || days == i32::MIN {
                    return Err(infinite("date", days > 0));
                }
                held(TimeType::Date, i64::from(days) + EPOCH_DAYS)?
            }
            Self::Time => {
                clock(i64::from_be_bytes(array(bytes)?), room);
                Cell::Text(room)
            }
            Self::Timestamp(time) => {
                let micros = i64::from_be_bytes(array(bytes)?);
                if micros == i64::MAX || micros == i64::MIN {
                    return Err(infinite("timestamp", micros > 0));
                }
                held(time, micros.saturating_add(EPOCH_DAYS * DAY))?
            }
        })
    }
}

/// The type of exact numbers that a modifier says; none if it says none.
fn numeric_type(modifier: i32) -> Result<Option<DecimalType>, String> {
    if modifier < 4 {
        return Ok(None);
    }
    let packed = modifier - 4;
    let precision = packed >> 16 & 0xffff;
    // Eleven bits with a sign.
    let scale = ((packed & 0x7ff) ^ 0x400) - 0x400;
    let small = u8::try_from(precision).ok().zip(u8::try_from(scale).ok());
    let decimal = small.and_then(|(precision, scale)| DecimalType::new(precision, scale).ok());
    decimal
        .map(Some)
        .ok_or_else(|| format!("numeric({precision}, {scale})"))
}

fn array<const N: usize>(bytes: &[u8]) -> Result<[u8; N], Problem> {
    bytes.try_into().map_err(|_| {
        problem(
            format!("{} bytes where the type has {N}", bytes.len()),
            "the server does not speak as PostgreSQL does: cast the column to text",
        )
    })
}

fn text(bytes: &[u8]) -> Result<Cell<'_>, Problem> {
    std::str::from_utf8(bytes).map(Cell::Text).map_err(|_| {
        problem(
            "the text is not UTF-8",
            "the database says that it does not know the encoding of its texts (SQL_ASCII): convert \
             the column in the query",
        )
    })
}

fn infinite(what: &str, after: bool) -> Problem {
    let sign = if after { "" } else { "-" };
    problem(
        format!("the {what} is {sign}infinity"),
        "leave such rows out, or replace it in the query with NULLIF",
    )
}

fn held<'a>(time: TimeType, value: i64) -> Result<Cell<'a>, Problem> {
    if time.holds(value) {
        return Ok(Cell::Time(time, value));
    }
    Err(problem(
        format!(
            "it lies outside the years 1 to 9999 of the type {}",
            time.logical_type()
        ),
        "leave such rows out, or cast the column to text in the query",
    ))
}

/// Writes an exact number in decimal digits: four for each of the server's own.
fn numeric(bytes: &[u8], out: &mut String) -> Result<(), Problem> {
    out.clear();
    let broken = || problem("a number is cut off", "cast the column to text");
    let (head, digits) = bytes.split_first_chunk::<8>().ok_or_else(broken)?;
    let word = |at: usize| u16::from_be_bytes([head[at], head[at + 1]]);
    let (count, weight, sign, places) = (word(0), word(2) as i16, word(4), word(6));
    match sign {
        0x0000 => {}
        0x4000 => out.push('-'),
        _ => {
            let name = match sign {
                0xd000 => "Infinity",
                0xf000 => "-Infinity",
                _ => "NaN",
            };
            return Err(problem(
                format!("the numeric value is {name}"),
                "leave such rows out, or replace it in the query with NULLIF",
            ));
        }
    }
    if digits.len() != usize::from(count) * 2 {
        return Err(broken());
    }
    let digit = |index: i32| {
        let at = usize::try_from(index).ok().map(|index| index * 2);
        let pair = at.and_then(|at| digits.get(at..at + 2));
        pair.map_or(0, |pair| u16::from_be_bytes([pair[0], pair[1]]))
    };
    // A text that is written to cannot fail.
    let weight = i32::from(weight);
    let _ = write!(out, "{}", if weight < 0 { 0 } else { digit(0) });
    for index in 1..=weight {
        let _ = write!(out, "{:04}", digit(index));
    }
    let places = usize::from(places);
    if places > 0 {
        out.push('.');
        let end = out.len() + places;
        let mut index = weight + 1;
        while out.len() < end {
            let _ = write!(out, "{:04}", digit(index));
            index += 1;
        }
        out.truncate(end);
    }
    Ok(())
}

fn uuid(bytes: [u8; 16], out: &mut String) {
    out.clear();
    for (index, byte) in bytes.iter().enumerate() {
        if matches!(index, 4 | 6 | 8 | 10) {
            out.push('-');
        }
        let _ = write!(out, "{byte:02x}");
    }
}

/// A time of day, as the server writes it.
fn clock(micros: i64, out: &mut String) {
    out.clear();
    let (seconds, fraction) = (micros / 1_000_000, micros % 1_000_000);
    let _ = write!(
        out,
        "{:02}:{:02}:{:02}",
        seconds / 3600,
        seconds / 60 % 60,
        seconds % 60
    );
    if fraction > 0 {
        let _ = write!(out, ".{fraction:06}");
        out.truncate(out.trim_end_matches('0').len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(weight: i16, sign: u16, places: u16, digits: &[u16]) -> Result<String, String> {
        let mut bytes = Vec::new();
        for word in [digits.len() as u16, weight as u16, sign, places] {
            bytes.extend(word.to_be_bytes());
        }
        bytes.extend(digits.iter().flat_map(|digit| digit.to_be_bytes()));
        let mut out = String::new();
        match numeric(&bytes, &mut out) {
            Ok(()) => Ok(out),
            Err(problem) => Err(problem.what),
        }
    }

    #[test]
    fn exact_numbers_are_written_in_digits() {
        for (weight, sign, places, digits, expect) in [
            (0, 0, 0, &[][..], "0"),
            (0, 0, 2, &[], "0.00"),
            (0, 0, 2, &[12, 5000], "12.50"),
            (0, 0x4000, 1, &[7, 5000], "-7.5"),
            (1, 0, 0, &[1, 2], "10002"),
            (1, 0, 0, &[3], "30000"),
            (2, 0, 6, &[12, 3456, 7890, 1234, 5600], "1234567890.123456"),
            (-1, 0, 4, &[12], "0.0012"),
            (-2, 0, 8, &[12], "0.00000012"),
        ] {
            assert_eq!(number(weight, sign, places, digits).unwrap(), expect);
        }
        for (sign, name) in [(0xc000, "NaN"), (0xd000, "Infinity"), (0xf000, "-Infinity")] {
            let what = number(0, sign, 0, &[]).unwrap_err();
            assert_eq!(what, format!("the numeric value is {name}"));
        }
        assert!(numeric(&[0; 7], &mut String::new()).is_err());
        assert!(numeric(&[0, 2, 0, 0, 0, 0, 0, 0, 1], &mut String::new()).is_err());
    }

    #[test]
    fn modifiers_say_how_many_digits_there_are() {
        let of = |precision: i32, scale: i32| (precision << 16 | scale & 0x7ff) + 4;
        let decimal = DecimalType::new(10, 2).unwrap();
        assert_eq!(numeric_type(of(10, 2)), Ok(Some(decimal)));
        assert_eq!(numeric_type(-1), Ok(None));
        for (precision, scale) in [(39, 2), (3, 5), (3, -2), (1000, 1000)] {
            let name = format!("numeric({precision}, {scale})");
            assert_eq!(numeric_type(of(precision, scale)), Err(name));
        }
    }

    #[test]
    fn times_of_day_and_uuids() {
        let mut out = String::new();
        for (micros, expect) in [
            (0, "00:00:00"),
            (86_400_000_000, "24:00:00"),
            (45_296_500_000, "12:34:56.5"),
            (1, "00:00:00.000001"),
        ] {
            clock(micros, &mut out);
            assert_eq!(out, expect);
        }
        uuid(std::array::from_fn(|index| index as u8 * 17), &mut out);
        assert_eq!(out, "00112233-4455-6677-8899-aabbccddeeff");
    }

    #[test]
    fn moments_are_those_of_the_server() {
        let mut room = String::new();
        let bytes = 0_i32.to_be_bytes();
        let cell = Kind::Date.cell(&bytes, &mut room).unwrap();
        assert_eq!(cell, Cell::Time(TimeType::Date, EPOCH_DAYS));
        for bytes in [i64::MAX, i64::MIN, i64::MAX - 1].map(i64::to_be_bytes) {
            let mut room = String::new();
            let read = Kind::Timestamp(TimeType::Utc).cell(&bytes, &mut room);
            assert!(read.is_err());
        }
        let mut room = String::new();
        assert!(Kind::Int32.cell(&[1, 2, 3], &mut room).is_err());
        assert!(Kind::Text.cell(&[0xff], &mut room).is_err());
    }
}
