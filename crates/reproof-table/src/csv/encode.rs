//! From fields to encoded columns.

use reproof_record::{DecimalError, LogicalType};

use super::Pin;
use super::infer::{boolean, shown, type_of};
use super::number::Number;
use crate::CsvProblem;
use crate::encoding::{put_boolean, put_decimal, put_float, put_integer, put_missing, put_text};
use crate::time::TimeType;

/// The texts that stand for a missing value.
#[derive(Clone, Debug)]
pub(super) struct NullTokens {
    empty: bool,
    tokens: Vec<Vec<u8>>,
    /// For each byte, whether a token begins with it: most fields need no closer look.
    first: [bool; 256],
}

impl NullTokens {
    pub fn new(tokens: &[String]) -> Self {
        let mut first = [false; 256];
        let mut others = Vec::new();
        for token in tokens.iter().map(String::as_bytes) {
            if let Some(&byte) = token.first() {
                first[usize::from(byte)] = true;
                others.push(token.to_vec());
            }
        }
        Self {
            empty: tokens.iter().any(String::is_empty),
            tokens: others,
            first,
        }
    }

    /// Whether a field is missing.
    #[inline]
    pub fn matches(&self, field: &[u8]) -> bool {
        match field.first() {
            None => self.empty,
            Some(&byte) => {
                self.first[usize::from(byte)] && self.tokens.iter().any(|token| token == field)
            }
        }
    }
}

/// Encodes fields of a column of this type, and counts those that are missing; gives the number of the
/// first, if any, that does not fit the type.
pub(super) fn put_fields<'f>(
    out: &mut Vec<u8>,
    logical_type: LogicalType,
    nulls: &NullTokens,
    missing: &mut u64,
    fields: impl Iterator<Item = &'f [u8]>,
) -> Option<usize> {
    for (index, field) in fields.enumerate() {
        if nulls.matches(field) {
            put_missing(out, logical_type);
            *missing += 1;
        } else if !put_field(out, logical_type, field) {
            return Some(index);
        }
    }
    None
}

/// Encodes a field of a column of this type; false if it does not fit the type.
#[inline]
pub(crate) fn put_field(out: &mut Vec<u8>, logical_type: LogicalType, field: &[u8]) -> bool {
    match logical_type {
        LogicalType::Boolean => {
            let value = boolean(field);
            put_boolean(out, value);
            value.is_some()
        }
        LogicalType::Integer => {
            let value = Number::scan(field).and_then(|number| number.integer());
            put_integer(out, value);
            value.is_some()
        }
        LogicalType::Float => {
            let value = Number::scan(field).and_then(|number| fitting_float(&number));
            put_float(out, value.unwrap_or(f64::NAN));
            value.is_some()
        }
        LogicalType::Decimal(decimal) => {
            let value = decimal.parse(field).ok();
            put_decimal(out, value);
            value.is_some()
        }
        other => match TimeType::of(other) {
            Some(time) => {
                let value = time.parse(field);
                put_integer(out, value);
                value.is_some()
            }
            // A row is never as large as a text may be.
            None => put_text(out, Some(field)),
        },
    }
}

fn fitting_float(number: &Number<'_>) -> Option<f64> {
    let value = number.float();
    (value.is_finite() && (!number.is_integer() || number.is_exact())).then_some(value)
}

/// Why a field does not fit the type that its column must have.
pub(crate) fn misfit(column: &str, pin: Pin, field: &[u8]) -> CsvProblem {
    let (column, value, found) = (column.to_owned(), shown(field), type_of(field));
    let pinned = pin.logical_type;
    match (pinned, found) {
        (LogicalType::Integer, LogicalType::Integer) => {
            CsvProblem::IntegerTooLarge { column, value }
        }
        (LogicalType::Float, LogicalType::Integer) => CsvProblem::InexactInteger { column, value },
        (LogicalType::Float, LogicalType::Float) => CsvProblem::FloatTooLarge { column, value },
        (LogicalType::Decimal(decimal), LogicalType::Integer | LogicalType::Float) => {
            let reason = decimal.parse(field).err();
            CsvProblem::Decimal {
                column,
                value,
                decimal,
                reason: reason.unwrap_or(DecimalError::NotANumber),
            }
        }
        _ if pin.declared => CsvProblem::Declared {
            column,
            value,
            declared: pinned,
            found,
        },
        _ => CsvProblem::Pinned {
            column,
            value,
            pinned,
            found,
        },
    }
}
