//! The bytes of a column, as they are hashed and stored. Described, with test vectors, in
//! `docs/formats/table.md`.

use reproof_record::{DecimalType, LogicalType};

use crate::column::canonical_float;
use crate::time::TimeType;
use crate::{ColumnData, StringColumn};

const MISSING: u8 = 0;
const PRESENT: u8 = 1;
const TRUE: u8 = 2;

#[inline]
pub(crate) fn put_boolean(out: &mut Vec<u8>, value: Option<bool>) {
    out.push(match value {
        None => MISSING,
        Some(false) => PRESENT,
        Some(true) => TRUE,
    });
}

#[inline]
pub(crate) fn put_integer(out: &mut Vec<u8>, value: Option<i64>) {
    match value {
        None => out.push(MISSING),
        Some(value) => {
            let mut bytes = [PRESENT; 9];
            bytes[1..].copy_from_slice(&value.to_le_bytes());
            out.extend_from_slice(&bytes);
        }
    }
}

#[inline]
pub(crate) fn put_decimal(out: &mut Vec<u8>, value: Option<i128>) {
    match value {
        None => out.push(MISSING),
        Some(value) => {
            let mut bytes = [PRESENT; 17];
            bytes[1..].copy_from_slice(&value.to_le_bytes());
            out.extend_from_slice(&bytes);
        }
    }
}

#[inline]
pub(crate) fn put_float(out: &mut Vec<u8>, value: f64) {
    out.extend_from_slice(&canonical_float(value).to_bits().to_le_bytes());
}

/// Writes a text; false if it is too long.
#[inline]
pub(crate) fn put_text(out: &mut Vec<u8>, value: Option<&[u8]>) -> bool {
    let Some(value) = value else {
        out.push(MISSING);
        return true;
    };
    let Ok(length) = u32::try_from(value.len()) else {
        return false;
    };
    let mut head = [PRESENT; 5];
    head[1..].copy_from_slice(&length.to_le_bytes());
    out.extend_from_slice(&head);
    out.extend_from_slice(value);
    true
}

/// Encodes a missing value of this type.
#[inline]
pub(crate) fn put_missing(out: &mut Vec<u8>, logical_type: LogicalType) {
    match logical_type {
        LogicalType::Boolean => put_boolean(out, None),
        LogicalType::Integer
        | LogicalType::Date
        | LogicalType::TimestampNaive
        | LogicalType::TimestampUtc => put_integer(out, None),
        LogicalType::Float => put_float(out, f64::NAN),
        LogicalType::Decimal(_) => put_decimal(out, None),
        _ => {
            put_text(out, None);
        }
    }
}

/// Writes the value of a row, which must be there. Gives the size of a text that is too long.
pub(crate) fn put_value(out: &mut Vec<u8>, data: &ColumnData, row: usize) -> Result<(), usize> {
    match data {
        ColumnData::Boolean(values) => put_boolean(out, values[row]),
        ColumnData::Integer(values) | ColumnData::Time(_, values) => {
            put_integer(out, values[row]);
        }
        ColumnData::Float(values) => put_float(out, values[row]),
        ColumnData::Decimal(_, values) => put_decimal(out, values[row]),
        ColumnData::String(values) => {
            let value = values.get(row).map(str::as_bytes);
            if !put_text(out, value) {
                return Err(value.map_or(0, <[u8]>::len));
            }
        }
    }
    Ok(())
}

/// Reads the bytes of a column of this many rows. Anything but exactly its encoding is an error
/// that says what is wrong.
pub(crate) fn decode(
    logical_type: LogicalType,
    bytes: &[u8],
    rows: usize,
) -> Result<ColumnData, String> {
    let mut input = Input { bytes };
    // Every value takes a byte at least, which bounds the memory by the bytes that are there.
    let capacity = rows.min(bytes.len());
    let data = match logical_type {
        LogicalType::Boolean => {
            ColumnData::Boolean(input.values(rows, capacity, Input::boolean)?)
        }
        LogicalType::Integer => {
            ColumnData::Integer(input.values(rows, capacity, Input::integer)?)
        }
        LogicalType::Float => ColumnData::Float(input.values(rows, capacity, Input::float)?),
        LogicalType::Decimal(decimal) => {
            let read = |input: &mut Input<'_>| input.decimal(decimal);
            ColumnData::Decimal(decimal, input.values(rows, capacity, read)?)
        }
        LogicalType::String => {
            let mut column = StringColumn::new();
            for _ in 0..rows {
                column.push(input.text()?);
            }
            ColumnData::String(column)
        }
        other => match TimeType::of(other) {
            Some(time) => {
                let read = |input: &mut Input<'_>| input.time(time);
                ColumnData::Time(time, input.values(rows, capacity, read)?)
            }
            None => return Err(format!("this version does not read the type {other}")),
        },
    };
    if input.bytes.is_empty() {
        Ok(data)
    } else {
        Err(format!("there are more bytes than {rows} values take"))
    }
}

struct Input<'a> {
    bytes: &'a [u8],
}

impl<'a> Input<'a> {
    fn values<T>(
        &mut self,
        rows: usize,
        capacity: usize,
        read: impl Fn(&mut Self) -> Result<T, String>,
    ) -> Result<Vec<T>, String> {
        let mut values = Vec::with_capacity(capacity);
        for _ in 0..rows {
            values.push(read(self)?);
        }
        Ok(values)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], String> {
        let (first, rest) = self
            .bytes
            .split_first_chunk()
            .ok_or("there are fewer bytes than the rows take")?;
        self.bytes = rest;
        Ok(*first)
    }

    fn present(&mut self) -> Result<bool, String> {
        match self.array()? {
            [MISSING] => Ok(false),
            [PRESENT] => Ok(true),
            [other] => Err(format!("{other} is not the tag of a value")),
        }
    }

    fn boolean(&mut self) -> Result<Option<bool>, String> {
        match self.array()? {
            [MISSING] => Ok(None),
            [PRESENT] => Ok(Some(false)),
            [TRUE] => Ok(Some(true)),
            [other] => Err(format!("{other} is not a boolean")),
        }
    }

    fn integer(&mut self) -> Result<Option<i64>, String> {
        Ok(if self.present()? {
            Some(i64::from_le_bytes(self.array()?))
        } else {
            None
        })
    }

    fn time(&mut self, time: TimeType) -> Result<Option<i64>, String> {
        match self.integer()? {
            Some(value) if !time.holds(value) => Err(format!(
                "{value} lies outside the years 1 to 9999 of the type {}",
                time.logical_type()
            )),
            value => Ok(value),
        }
    }

    fn decimal(&mut self, decimal: DecimalType) -> Result<Option<i128>, String> {
        if !self.present()? {
            return Ok(None);
        }
        let value = i128::from_le_bytes(self.array()?);
        if decimal.holds(value) {
            Ok(Some(value))
        } else {
            Err(format!("{value} has more digits than the type {decimal}"))
        }
    }

    fn float(&mut self) -> Result<f64, String> {
        let value = f64::from_le_bytes(self.array()?);
        if canonical_float(value).to_bits() == value.to_bits() {
            Ok(value)
        } else {
            Err(format!(
                "{:#018x} is not a canonical float",
                value.to_bits()
            ))
        }
    }

    fn text(&mut self) -> Result<Option<&'a str>, String> {
        if !self.present()? {
            return Ok(None);
        }
        let length = u32::from_le_bytes(self.array()?) as usize;
        let (text, rest) = self
            .bytes
            .split_at_checked(length)
            .ok_or("there are fewer bytes than the rows take")?;
        self.bytes = rest;
        let text = std::str::from_utf8(text).map_err(|_| "a text is not UTF-8")?;
        Ok(Some(text))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::table::tests::tables;

    pub(crate) fn encode(data: &ColumnData) -> Vec<u8> {
        let mut bytes = Vec::new();
        for row in 0..data.len() {
            put_value(&mut bytes, data, row).unwrap();
        }
        bytes
    }

    #[test]
    fn what_is_not_an_encoding_is_refused() {
        let check = |logical_type, bytes: &[u8], rows, expect: &str| {
            let error = decode(logical_type, bytes, rows).unwrap_err();
            assert!(error.contains(expect), "{error}");
        };
        check(LogicalType::Boolean, &[3], 1, "not a boolean");
        check(LogicalType::Boolean, &[1, 1], 1, "more bytes");
        check(LogicalType::Boolean, &[1], usize::MAX, "fewer bytes");
        check(LogicalType::Integer, &[2, 0], 1, "tag");
        check(LogicalType::Integer, &[1, 0], 1, "fewer bytes");
        check(
            LogicalType::Float,
            &(-0.0_f64).to_le_bytes(),
            1,
            "canonical",
        );
        check(LogicalType::Float, &[255; 8], 1, "canonical");
        check(
            LogicalType::String,
            &[1, 255, 255, 255, 255, 0],
            1,
            "fewer bytes",
        );
        check(LogicalType::String, &[1, 1, 0, 0, 0, 255], 1, "UTF-8");
        let year_10000 = [&[1][..], &2_932_897_i64.to_le_bytes()].concat();
        check(LogicalType::Date, &year_10000, 1, "years 1 to 9999");
        let decimal = LogicalType::Decimal(DecimalType::new(2, 1).unwrap());
        let hundred = [&[1][..], &100_i128.to_le_bytes()].concat();
        check(
            decimal,
            &hundred,
            1,
            "more digits than the type decimal(2, 1)",
        );
        check(decimal, &hundred[..9], 1, "fewer bytes");
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(table in tables()) {
            for data in table.columns() {
                let bytes = encode(data);
                prop_assert_eq!(&decode(data.logical_type(), &bytes, data.len()).unwrap(), data);
            }
        }

        #[test]
        fn any_bytes_are_refused_or_are_the_encoding(
            bytes in prop::collection::vec(prop_oneof![0_u8..3, any::<u8>()], 0..40),
            rows in 0_usize..6,
        ) {
            let decimal = LogicalType::Decimal(DecimalType::new(38, 2).unwrap());
            for logical_type in LogicalType::SIMPLE.into_iter().chain([decimal]) {
                if let Ok(data) = decode(logical_type, &bytes, rows) {
                    prop_assert_eq!(encode(&data), bytes.clone());
                }
            }
        }
    }
}
