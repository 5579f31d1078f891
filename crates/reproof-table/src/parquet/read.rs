//! From the values of a Parquet column to an encoded one.

use parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use parquet::data_type::{DataType, FixedLenByteArray};
use parquet::file::reader::FileReader;
use reproof_record::DecimalType;

use super::Parquet;
use super::kind::{Kind, Unit};
use crate::columnar::Columnar;
use crate::encoding::{put_boolean, put_decimal, put_float, put_integer, put_text};
use crate::storage::ValueWriter;
use crate::time::whole_micros;
use crate::{TableError, TimeType};

/// How many values are read at a time. Changes no digest.
const AT_ONCE: usize = 4096;

/// Encodes the column of this number.
pub(super) fn column(
    source: &Parquet<'_>,
    index: usize,
    kind: Kind,
    values: &mut ValueWriter,
) -> Result<(), TableError> {
    let mut target = Target {
        source,
        kind,
        values,
    };
    let mut wanted = 0;
    for group in 0..source.reader.num_row_groups() {
        let group = source.reader.get_row_group(group);
        let group = group.map_err(|error| source.failed(&error))?;
        wanted += u64::try_from(group.metadata().num_rows()).unwrap_or(0);
        let reader = group.get_column_reader(index);
        target.group(reader.map_err(|error| source.failed(&error))?)?;
    }
    if target.values.rows() != wanted || wanted != source.rows() {
        let name = target.values.name();
        let what = format!("column '{name}' does not have a value for each row");
        return Err(source.damaged(what));
    }
    Ok(())
}

/// What a file has of a column.
struct Target<'a> {
    source: &'a Parquet<'a>,
    kind: Kind,
    values: &'a mut ValueWriter,
}

impl Target<'_> {
    fn group(&mut self, reader: ColumnReader) -> Result<(), TableError> {
        let kind = self.kind;
        match reader {
            ColumnReader::BoolColumnReader(reader) => self.values(reader, |out, value| {
                put_boolean(out, Some(*value));
                Ok(())
            }),
            ColumnReader::Int32ColumnReader(reader) => self.values(reader, |out, &value| {
                if let Kind::Decimal(decimal) = kind {
                    return units(out, decimal, i128::from(value));
                }
                put_integer(out, Some(narrow_integer(kind, value)?));
                Ok(())
            }),
            ColumnReader::Int64ColumnReader(reader) => self.values(reader, |out, &value| {
                if let Kind::Decimal(decimal) = kind {
                    return units(out, decimal, i128::from(value));
                }
                put_integer(out, Some(wide_integer(kind, value)?));
                Ok(())
            }),
            ColumnReader::FloatColumnReader(reader) => self.values(reader, |out, &value| {
                put_float(out, f64::from(value));
                Ok(())
            }),
            ColumnReader::DoubleColumnReader(reader) => self.values(reader, |out, &value| {
                put_float(out, value);
                Ok(())
            }),
            ColumnReader::ByteArrayColumnReader(reader) => self.values(reader, |out, value| {
                let bytes = value.data();
                if let Kind::Decimal(decimal) = kind {
                    return bytes_of_decimal(out, decimal, bytes);
                }
                if std::str::from_utf8(bytes).is_err() {
                    return Err("the text is not UTF-8".to_owned());
                }
                if put_text(out, Some(bytes)) {
                    Ok(())
                } else {
                    Err("the text is longer than 4294967295 bytes".to_owned())
                }
            }),
            ColumnReader::FixedLenByteArrayColumnReader(reader) => {
                self.values(reader, |out, value| fixed(out, kind, value))
            }
            ColumnReader::Int96ColumnReader(_) => {
                Err(self.source.damaged("INT96 is not read".to_owned()))
            }
        }
    }

    fn values<T: DataType>(
        &mut self,
        mut reader: ColumnReaderImpl<T>,
        put: impl Fn(&mut Vec<u8>, &T::T) -> Result<(), String>,
    ) -> Result<(), TableError> {
        let (mut values, mut levels) = (Vec::new(), Vec::new());
        loop {
            values.clear();
            levels.clear();
            let read = reader.read_records(AT_ONCE, Some(&mut levels), None, &mut values);
            let (records, _, _) = read.map_err(|error| self.source.failed(&error))?;
            if records == 0 {
                return Ok(());
            }
            let mut rest = values.iter();
            for record in 0..records {
                // A column that cannot be missing has no levels.
                let present = levels.get(record).is_none_or(|level| *level > 0);
                let value = if present { rest.next() } else { None };
                let put = self.values.put(value, &put);
                put.map_err(|misfit| misfit.at(|problem| self.source.problem(problem)))?;
            }
        }
    }
}

fn narrow_integer(kind: Kind, value: i32) -> Result<i64, String> {
    match kind {
        Kind::Uint32 => Ok(i64::from(value as u32)),
        Kind::Date => TimeType::Date.held(i64::from(value)),
        _ => Ok(i64::from(value)),
    }
}

fn wide_integer(kind: Kind, value: i64) -> Result<i64, String> {
    match kind {
        Kind::Uint64 if value < 0 => Err(format!(
            "{} does not fit a signed integer of 64 bits: as an identifier write it as text",
            value as u64
        )),
        Kind::Timestamp(time, Unit::Micros) => time.held(value),
        Kind::Timestamp(time, Unit::Millis) => time.held(value.saturating_mul(1000)),
        Kind::Timestamp(time, Unit::Nanos) => time.held(whole_micros(value)?),
        _ => Ok(value),
    }
}

/// Encodes a decimal, given in units of its last place.
pub(crate) fn units(out: &mut Vec<u8>, decimal: DecimalType, units: i128) -> Result<(), String> {
    if !decimal.holds(units) {
        return Err(format!(
            "{units} units of the last place have more digits than the type {decimal}"
        ));
    }
    put_decimal(out, Some(units));
    Ok(())
}

/// Two's complement, the highest byte first.
fn bytes_of_decimal(out: &mut Vec<u8>, decimal: DecimalType, bytes: &[u8]) -> Result<(), String> {
    let negative = bytes.first().is_some_and(|byte| byte >> 7 == 1);
    let sign = if negative { 0xff } else { 0 };
    let (head, tail) = bytes.split_at(bytes.len().saturating_sub(16));
    let mut all = [sign; 16];
    if let Some(place) = all.get_mut(16 - tail.len()..) {
        place.copy_from_slice(tail);
    }
    let value = i128::from_be_bytes(all);
    // Bytes that only repeat the sign tell nothing.
    if head.iter().any(|&byte| byte != sign) || (value < 0) != negative {
        return Err(format!("a value has more digits than the type {decimal}"));
    }
    units(out, decimal, value)
}

fn fixed(out: &mut Vec<u8>, kind: Kind, value: &FixedLenByteArray) -> Result<(), String> {
    let bytes = value.data();
    match kind {
        Kind::Decimal(decimal) => bytes_of_decimal(out, decimal, bytes)?,
        Kind::Float16 => {
            let bytes = bytes.first_chunk().ok_or("a value is too short")?;
            put_float(out, half(u16::from_le_bytes(*bytes)));
        }
        _ => {
            let bytes: &[u8; 16] = bytes.try_into().map_err(|_| "a UUID has 16 bytes")?;
            put_text(out, Some(uuid(bytes).as_bytes()));
        }
    }
    Ok(())
}

/// The canonical text of a UUID.
fn uuid(bytes: &[u8; 16]) -> String {
    let mut text = String::with_capacity(36);
    for (index, byte) in bytes.iter().enumerate() {
        if matches!(index, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        text.push_str(&format!("{byte:02x}"));
    }
    text
}

/// A float of 16 bits as a double, exactly.
pub(crate) fn half(bits: u16) -> f64 {
    let (exponent, fraction) = (bits >> 10 & 31, f64::from(bits & 1023));
    // Powers of two as bits: 2^(k - 1023) is k shifted to the exponent.
    let power = |biased: u16| f64::from_bits(u64::from(biased) << 52);
    let magnitude = match exponent {
        0 => fraction * power(1023 - 24),
        31 if fraction == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        // (1024 + fraction) · 2^(exponent - 25).
        _ => (1024.0 + fraction) * power(1023 - 25 + exponent),
    };
    if bits >> 15 == 1 {
        -magnitude
    } else {
        magnitude
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_of_16_bits() {
        for (bits, value) in [
            (0x3c00, 1.0),
            (0xc000, -2.0),
            (0x7bff, 65504.0),
            (0x0001, 5.960_464_477_539_063e-8),
            (0x0400, 6.103_515_625e-5),
            (0x3555, 0.333_251_953_125),
            (0x7c00, f64::INFINITY),
        ] {
            assert_eq!(half(bits), value);
        }
        assert!(half(0x7e00).is_nan());
    }

    #[test]
    fn the_text_of_a_uuid() {
        let bytes = std::array::from_fn(|index| index as u8 * 17);
        assert_eq!(uuid(&bytes), "00112233-4455-6677-8899-aabbccddeeff");
    }
}
