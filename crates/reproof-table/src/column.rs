//! Columns: values of one type, in row order.

use std::borrow::Cow;

use reproof_record::{DecimalType, LogicalType, canonical_number};

use crate::time::TimeType;

/// The bits of the one NaN that stands for a missing float.
const MISSING_BITS: u64 = 0x7ff8_0000_0000_0000;

/// A double as tables hold it: one NaN for missing, and no negative zero.
#[inline]
pub(crate) fn canonical_float(value: f64) -> f64 {
    if value.is_nan() {
        f64::from_bits(MISSING_BITS)
    } else {
        // -0 + 0 is +0; every other value stays.
        value + 0.0
    }
}

/// The canonical text of a double: ECMAScript's, which round-trips.
pub(crate) fn float_text(value: f64) -> String {
    canonical_number(value).unwrap_or_else(|_| {
        if value > 0.0 {
            "Infinity".to_owned()
        } else {
            "-Infinity".to_owned()
        }
    })
}

/// The values of one column, in row order.
#[derive(Clone, Debug)]
pub enum ColumnData {
    /// True or false.
    Boolean(Vec<Option<bool>>),
    /// Integers of 64 bits.
    Integer(Vec<Option<i64>>),
    /// Doubles; NaN is missing. A [`Table`](crate::Table) holds one NaN only, and no -0.
    Float(Vec<f64>),
    /// Exact decimals, each as the number of units of its type's last place.
    Decimal(DecimalType, Vec<Option<i128>>),
    /// Texts.
    String(StringColumn),
    /// Days since 1970-01-01, or microseconds since its beginning.
    Time(TimeType, Vec<Option<i64>>),
}

impl PartialEq for ColumnData {
    /// Floats are compared by their bits, so that missing equals missing.
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Boolean(a), Self::Boolean(b)) => a == b,
            (Self::Integer(a), Self::Integer(b)) => a == b,
            (Self::Float(a), Self::Float(b)) => {
                let bits = |values: &[f64]| values.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
                bits(a) == bits(b)
            }
            (Self::Decimal(one, a), Self::Decimal(other, b)) => one == other && a == b,
            (Self::String(a), Self::String(b)) => a == b,
            (Self::Time(one, a), Self::Time(other, b)) => one == other && a == b,
            _ => false,
        }
    }
}

impl ColumnData {
    /// The number of values.
    pub fn len(&self) -> usize {
        match self {
            Self::Boolean(values) => values.len(),
            Self::Integer(values) | Self::Time(_, values) => values.len(),
            Self::Float(values) => values.len(),
            Self::Decimal(_, values) => values.len(),
            Self::String(values) => values.len(),
        }
    }

    /// Whether there are no values.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The type of the values.
    pub fn logical_type(&self) -> LogicalType {
        match self {
            Self::Boolean(_) => LogicalType::Boolean,
            Self::Integer(_) => LogicalType::Integer,
            Self::Float(_) => LogicalType::Float,
            Self::Decimal(decimal, _) => LogicalType::Decimal(*decimal),
            Self::String(_) => LogicalType::String,
            Self::Time(time, _) => time.logical_type(),
        }
    }

    /// Whether the value of this row, counted from 0, is missing. One that is not there is.
    pub fn is_missing(&self, row: usize) -> bool {
        match self {
            Self::Boolean(values) => values.get(row).is_none_or(Option::is_none),
            Self::Integer(values) | Self::Time(_, values) => {
                values.get(row).is_none_or(Option::is_none)
            }
            Self::Float(values) => values.get(row).is_none_or(|value| value.is_nan()),
            Self::Decimal(_, values) => values.get(row).is_none_or(Option::is_none),
            Self::String(values) => values.get(row).is_none(),
        }
    }

    /// How many values are missing.
    pub fn missing(&self) -> u64 {
        (0..self.len()).filter(|&row| self.is_missing(row)).count() as u64
    }

    /// The canonical text of the value of this row; none if it is missing. Floats are written as
    /// the shortest text that gives them back, the way ECMAScript does; decimals with all digits
    /// of their scale; days and moments as ISO 8601 does.
    pub fn text(&self, row: usize) -> Option<Cow<'_, str>> {
        match self {
            Self::Boolean(values) => {
                let value = values.get(row).copied().flatten()?;
                Some(Cow::Borrowed(if value { "true" } else { "false" }))
            }
            Self::Integer(values) => {
                let value = values.get(row).copied().flatten()?;
                Some(Cow::Owned(value.to_string()))
            }
            Self::Float(values) => {
                let value = values.get(row).copied().filter(|value| !value.is_nan())?;
                Some(Cow::Owned(float_text(value)))
            }
            Self::Decimal(decimal, values) => {
                let value = values.get(row).copied().flatten()?;
                Some(Cow::Owned(decimal.text(value)))
            }
            Self::String(values) => values.get(row).map(Cow::Borrowed),
            Self::Time(time, values) => {
                let value = values.get(row).copied().flatten()?;
                Some(Cow::Owned(time.text(value)))
            }
        }
    }

    /// Numbers as doubles: an integer or a decimal as the nearest one, a missing value as NaN; none
    /// if the values are no numbers.
    pub fn doubles(&self) -> Option<Vec<f64>> {
        match self {
            Self::Float(values) => Some(values.clone()),
            Self::Integer(values) => {
                let double = |value: &Option<i64>| value.map_or(f64::NAN, |value| value as f64);
                Some(values.iter().map(double).collect())
            }
            Self::Decimal(decimal, values) => {
                let double = |value: i128| decimal.nearest_double(value);
                Some(
                    values
                        .iter()
                        .map(|value| value.map_or(f64::NAN, double))
                        .collect(),
                )
            }
            Self::Boolean(_) | Self::String(_) | Self::Time(..) => None,
        }
    }

    /// The values of these rows, in this order; rows that are not there are missing.
    pub(crate) fn take(&self, rows: &[usize]) -> Self {
        match self {
            Self::Boolean(values) => Self::Boolean(pick(rows, |row| values.get(row).copied()?)),
            Self::Integer(values) => Self::Integer(pick(rows, |row| values.get(row).copied()?)),
            Self::Float(values) => Self::Float(pick(rows, |row| {
                let value = values.get(row).copied();
                value.unwrap_or(f64::from_bits(MISSING_BITS))
            })),
            Self::Decimal(decimal, values) => {
                Self::Decimal(*decimal, pick(rows, |row| values.get(row).copied()?))
            }
            Self::String(values) => Self::String(rows.iter().map(|&row| values.get(row)).collect()),
            Self::Time(time, values) => {
                Self::Time(*time, pick(rows, |row| values.get(row).copied()?))
            }
        }
    }

    /// Makes floats canonical.
    pub(crate) fn canonicalise(&mut self) {
        if let Self::Float(values) = self {
            for value in values {
                *value = canonical_float(*value);
            }
        }
    }
}

fn pick<T>(rows: &[usize], value: impl Fn(usize) -> T) -> Vec<T> {
    rows.iter().map(|&row| value(row)).collect()
}

/// Texts in one buffer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StringColumn {
    text: String,
    /// Where each value ends in `text`; it begins where the one before ends.
    ends: Vec<usize>,
    missing: Vec<bool>,
}

impl StringColumn {
    /// A column without values.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a value; none is missing.
    pub fn push(&mut self, value: Option<&str>) {
        self.text.push_str(value.unwrap_or_default());
        self.ends.push(self.text.len());
        self.missing.push(value.is_none());
    }

    /// The value of this row; none if it is missing or not there.
    pub fn get(&self, row: usize) -> Option<&str> {
        if *self.missing.get(row)? {
            return None;
        }
        let begin = match row.checked_sub(1) {
            Some(before) => *self.ends.get(before)?,
            None => 0,
        };
        self.text.get(begin..*self.ends.get(row)?)
    }

    /// The number of values.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there are no values.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The values in row order.
    pub fn iter(&self) -> impl Iterator<Item = Option<&str>> {
        (0..self.len()).map(|row| self.get(row))
    }
}

impl<T: AsRef<str>> FromIterator<Option<T>> for StringColumn {
    fn from_iter<I: IntoIterator<Item = Option<T>>>(values: I) -> Self {
        let mut column = Self::new();
        for value in values {
            column.push(value.as_ref().map(AsRef::as_ref));
        }
        column
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_canonical() {
        let check = |column: ColumnData, expect: &[Option<&str>]| {
            let texts: Vec<_> = (0..column.len()).map(|row| column.text(row)).collect();
            let texts: Vec<_> = texts.iter().map(Option::as_deref).collect();
            assert_eq!(texts, expect);
            assert_eq!(column.text(column.len()), None);
            assert!(column.is_missing(column.len()));
        };
        check(
            ColumnData::Boolean(vec![Some(true), None, Some(false)]),
            &[Some("true"), None, Some("false")],
        );
        check(
            ColumnData::Integer(vec![Some(i64::MIN), None]),
            &[Some("-9223372036854775808"), None],
        );
        check(
            ColumnData::Float(vec![0.1, f64::NAN, 3.0, 1e21, f64::NEG_INFINITY]),
            &[
                Some("0.1"),
                None,
                Some("3"),
                Some("1e+21"),
                Some("-Infinity"),
            ],
        );
        let decimal = DecimalType::new(5, 2).unwrap();
        check(
            ColumnData::Decimal(decimal, vec![Some(-5), None, Some(1250)]),
            &[Some("-0.05"), None, Some("12.50")],
        );
        check(
            ColumnData::String([Some("é"), None, Some("")].into_iter().collect()),
            &[Some("é"), None, Some("")],
        );
    }

    #[test]
    fn missing_equals_missing() {
        let column = ColumnData::Float(vec![f64::NAN, 1.0]);
        assert_eq!(column, column.clone());
        assert_eq!(column.missing(), 1);
        assert_ne!(ColumnData::Float(vec![]), ColumnData::Integer(vec![]));
    }
}
