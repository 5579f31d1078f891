//! Other types of values.

use reproof_record::{DecimalType, LogicalType};

use super::chain::{Cast, Invalid};
use super::step::shown;
use crate::ColumnData;
use crate::column::float_text;

/// The integers that a double holds lie below this.
const INTEGER_END: f64 = 9_223_372_036_854_775_808.0;

/// The column with values of another type. What is missing stays missing.
pub(super) fn cast(data: &ColumnData, cast: Cast) -> Result<ColumnData, String> {
    let rows = 0..data.len();
    Ok(match cast.to {
        LogicalType::Boolean => ColumnData::Boolean(each(data, cast, rows, boolean)?),
        LogicalType::Integer => ColumnData::Integer(each(data, cast, rows, integer)?),
        LogicalType::Float => {
            let values = each(data, cast, rows, float)?;
            let values = values.into_iter().map(|value| value.unwrap_or(f64::NAN));
            ColumnData::Float(values.collect())
        }
        LogicalType::Decimal(decimal) => {
            let value = |data: &ColumnData, row| units(data, row, decimal);
            ColumnData::Decimal(decimal, each(data, cast, rows, value)?)
        }
        LogicalType::String => {
            let text = |row| data.text(row).map(std::borrow::Cow::into_owned);
            ColumnData::String(rows.map(text).collect())
        }
        other => return Err(format!("values are not cast to {other}")),
    })
}

fn each<T>(
    data: &ColumnData,
    cast: Cast,
    rows: std::ops::Range<usize>,
    value: impl Fn(&ColumnData, usize) -> Option<T>,
) -> Result<Vec<Option<T>>, String> {
    rows.map(|row| {
        if data.is_missing(row) {
            return Ok(None);
        }
        match (value(data, row), cast.invalid) {
            (None, Invalid::Error) => {
                let text = data.text(row).unwrap_or_default();
                Err(format!(
                    "the value '{}' in row {} is no {}: `invalid: missing` makes such values missing",
                    shown(&text),
                    row + 1,
                    cast.to
                ))
            }
            (value, _) => Ok(value),
        }
    })
    .collect()
}

/// 0 and 1, and the texts that are booleans in a CSV file.
fn boolean(data: &ColumnData, row: usize) -> Option<bool> {
    match data {
        ColumnData::Boolean(values) => *values.get(row)?,
        ColumnData::String(values) => match values.get(row)? {
            "true" | "True" | "TRUE" => Some(true),
            "false" | "False" | "FALSE" => Some(false),
            _ => None,
        },
        _ => match integer(data, row)? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        },
    }
}

/// Whole numbers; a float of 64-bit size, or a decimal, without what stands after its point.
fn integer(data: &ColumnData, row: usize) -> Option<i64> {
    match data {
        ColumnData::Integer(values) | ColumnData::Time(_, values) => *values.get(row)?,
        ColumnData::Boolean(values) => Some(i64::from((*values.get(row)?)?)),
        ColumnData::String(values) => values.get(row)?.trim_ascii().parse().ok(),
        ColumnData::Decimal(decimal, values) => {
            i64::try_from(decimal.truncated((*values.get(row)?)?)).ok()
        }
        ColumnData::Float(values) => {
            let value = values.get(row)?.trunc();
            (-INTEGER_END..INTEGER_END)
                .contains(&value)
                .then_some(value as i64)
        }
    }
}

fn float(data: &ColumnData, row: usize) -> Option<f64> {
    match data {
        ColumnData::Float(values) => values.get(row).copied(),
        ColumnData::Integer(values) | ColumnData::Time(_, values) => {
            Some((*values.get(row)?)? as f64)
        }
        ColumnData::Boolean(values) => Some(f64::from(u8::from((*values.get(row)?)?))),
        ColumnData::Decimal(decimal, values) => Some(decimal.nearest_double((*values.get(row)?)?)),
        ColumnData::String(values) => number(values.get(row)?),
    }
}

/// Units of a decimal's last place: a number rounded to it, ties to even, a float by its shortest
/// text.
fn units(data: &ColumnData, row: usize, decimal: DecimalType) -> Option<i128> {
    let text = match data {
        ColumnData::Float(values) => float_text(*values.get(row)?),
        ColumnData::String(values) => unpadded(values.get(row)?)?,
        ColumnData::Decimal(from, values) => from.text((*values.get(row)?)?),
        _ => integer(data, row)?.to_string(),
    };
    decimal.parse_rounded(text.as_bytes()).ok()
}

/// A text that a float could be read from as a decimal is read: without blanks around it, a `+`
/// and leading zeros.
fn unpadded(text: &str) -> Option<String> {
    let text = text.trim_ascii();
    number(text)?;
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", text.strip_prefix('+').unwrap_or(text)),
    };
    let rest = digits.trim_start_matches('0');
    let zero = if rest.len() < digits.len() && !rest.starts_with(|c: char| c.is_ascii_digit()) {
        "0"
    } else {
        ""
    };
    Some(format!("{sign}{zero}{rest}"))
}

/// A finite decimal number.
fn number(text: &str) -> Option<f64> {
    let text = text.trim_ascii();
    let decimal = |c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '.' | 'e' | 'E');
    let value: f64 = text.chars().all(decimal).then(|| text.parse().ok())??;
    value.is_finite().then_some(value)
}
