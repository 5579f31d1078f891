//! Numbers of one type as the same numbers of another.

use reproof_record::{DecimalType, LogicalType};

use crate::ColumnData;
use crate::column::float_text;

/// The integers that a double holds lie below this.
const INTEGER_END: f64 = 9_223_372_036_854_775_808.0;

/// Why a column cannot be of another type without change.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unfit {
    /// One of the types is not of numbers.
    Type,
    /// A value that the other type does not hold.
    Value {
        /// The row, counted from 0.
        row: usize,
        /// The value's canonical text.
        value: String,
    },
}

impl ColumnData {
    /// The same values as numbers of another type; missing ones stay missing. A double stands for
    /// the decimal that its shortest text is. A decimal that is not whole becomes the nearest
    /// double, as such a text in a CSV file does; everything else is exact.
    ///
    /// # Errors
    /// If values are no numbers or are to be none, and the first value that the type does not hold.
    pub fn converted(&self, to: LogicalType) -> Result<Self, Unfit> {
        if !self.logical_type().is_numeric() || !to.is_numeric() {
            return Err(Unfit::Type);
        }
        Ok(match to {
            LogicalType::Integer => Self::Integer(self.each(|row| self.whole_at(row))?),
            LogicalType::Decimal(decimal) => {
                Self::Decimal(decimal, self.each(|row| self.units_at(row, decimal))?)
            }
            _ => {
                let values = self.each(|row| self.double_at(row))?;
                let values = values.into_iter().map(|value| value.unwrap_or(f64::NAN));
                Self::Float(values.collect())
            }
        })
    }

    fn each<T>(&self, value: impl Fn(usize) -> Option<T>) -> Result<Vec<Option<T>>, Unfit> {
        let converted = |row| {
            if self.is_missing(row) {
                return Ok(None);
            }
            value(row).map(Some).ok_or_else(|| Unfit::Value {
                row,
                value: self.text(row).unwrap_or_default().into_owned(),
            })
        };
        (0..self.len()).map(converted).collect()
    }

    fn whole_at(&self, row: usize) -> Option<i64> {
        match self {
            Self::Integer(values) => *values.get(row)?,
            Self::Decimal(decimal, values) => {
                i64::try_from(decimal.whole((*values.get(row)?)?)?).ok()
            }
            Self::Float(values) => {
                let value = *values.get(row)?;
                let whole = value.trunc() == value && (-INTEGER_END..INTEGER_END).contains(&value);
                whole.then_some(value as i64)
            }
            _ => None,
        }
    }

    fn double_at(&self, row: usize) -> Option<f64> {
        let whole = |value: i128| {
            let double = value as f64;
            (double as i128 == value).then_some(double)
        };
        match self {
            Self::Float(values) => values.get(row).copied(),
            Self::Integer(values) => whole((*values.get(row)?)?.into()),
            Self::Decimal(decimal, values) => {
                let units = (*values.get(row)?)?;
                match decimal.whole(units) {
                    Some(value) => whole(value),
                    None => Some(decimal.nearest_double(units)),
                }
            }
            _ => None,
        }
    }

    fn units_at(&self, row: usize, decimal: DecimalType) -> Option<i128> {
        let text = match self {
            Self::Float(values) => float_text(*values.get(row)?),
            _ => self.text(row)?.into_owned(),
        };
        decimal.parse(text.as_bytes()).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::tests::decimal;

    const INTEGER: LogicalType = LogicalType::Integer;
    const FLOAT: LogicalType = LogicalType::Float;

    fn value(row: usize, value: &str) -> Unfit {
        let value = value.to_owned();
        Unfit::Value { row, value }
    }

    #[test]
    fn numbers_stay_what_they_are() {
        let price = LogicalType::Decimal(decimal(6, 2));
        let integers = ColumnData::Integer(vec![Some(3), None, Some(-7)]);
        let floats = ColumnData::Float(vec![3.0, f64::NAN, -7.0]);
        let decimals = ColumnData::Decimal(decimal(6, 2), vec![Some(300), None, Some(-700)]);
        for from in [&integers, &floats, &decimals] {
            assert_eq!(from.converted(INTEGER).as_ref(), Ok(&integers));
            assert_eq!(from.converted(FLOAT).as_ref(), Ok(&floats));
            assert_eq!(from.converted(price).as_ref(), Ok(&decimals));
        }
        let floats = ColumnData::Float(vec![0.1]);
        let decimals = ColumnData::Decimal(decimal(6, 2), vec![Some(10)]);
        assert_eq!(floats.converted(price).as_ref(), Ok(&decimals));
        assert_eq!(decimals.converted(FLOAT).as_ref(), Ok(&floats));
    }

    #[test]
    fn what_another_type_does_not_hold_is_told_by_its_row() {
        let large = ColumnData::Integer(vec![Some(1 << 53), Some((1 << 53) + 1)]);
        assert_eq!(large.converted(FLOAT), Err(value(1, "9007199254740993")));
        let most = ColumnData::Integer(vec![Some(i64::MAX)]);
        assert_eq!(most.converted(FLOAT), Err(value(0, "9223372036854775807")));
        let halves = ColumnData::Float(vec![f64::NAN, 0.5]);
        assert_eq!(halves.converted(INTEGER), Err(value(1, "0.5")));
        let beyond = ColumnData::Float(vec![9_223_372_036_854_775_808.0]);
        assert_eq!(
            beyond.converted(INTEGER),
            Err(value(0, "9223372036854776000"))
        );
        let infinite = ColumnData::Float(vec![f64::INFINITY]);
        assert_eq!(infinite.converted(INTEGER), Err(value(0, "Infinity")));
        let narrow = LogicalType::Decimal(decimal(2, 1));
        assert_eq!(infinite.converted(narrow), Err(value(0, "Infinity")));
        let fine = ColumnData::Decimal(decimal(9, 3), vec![Some(9_900), Some(1_250)]);
        assert_eq!(fine.converted(narrow), Err(value(1, "1.250")));
        assert_eq!(fine.converted(INTEGER), Err(value(0, "9.900")));
        let large = ColumnData::Decimal(decimal(38, 0), vec![Some((1 << 60) + 1)]);
        assert_eq!(large.converted(FLOAT), Err(value(0, "1152921504606846977")));
    }

    #[test]
    fn texts_and_days_are_no_numbers() {
        let texts = ColumnData::String(["1"].map(Some).into_iter().collect());
        assert_eq!(texts.converted(INTEGER), Err(Unfit::Type));
        let integers = ColumnData::Integer(vec![Some(1)]);
        assert_eq!(integers.converted(LogicalType::Date), Err(Unfit::Type));
        assert_eq!(
            ColumnData::Boolean(vec![]).converted(FLOAT),
            Err(Unfit::Type)
        );
    }
}
