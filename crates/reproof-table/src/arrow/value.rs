//! From the values of an Arrow array to an encoded column.

use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, Date32Type, Date64Type, Decimal32Type, Decimal64Type, Decimal128Type,
    Float16Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
    TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType,
    TimestampSecondType, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{Array, PrimitiveArray};
use arrow_schema::{DataType, TimeUnit};

use super::kind::Kind;
use crate::TimeType;
use crate::encoding::{put_boolean, put_float, put_integer, put_text};
use crate::parquet::{half, units};
use crate::storage::{Misfit, ValueWriter};
use crate::time::whole_micros;

/// Milliseconds of a day.
const DAY: i64 = 86_400_000;

/// Which value of an array belongs to each row: its own, or that of a dictionary.
enum Rows<'a> {
    Plain(&'a dyn Array),
    Dictionary {
        keys: &'a dyn Array,
        places: Vec<usize>,
        values: &'a dyn Array,
    },
}

impl<'a> Rows<'a> {
    fn values(&self) -> &'a dyn Array {
        match self {
            Self::Plain(array) => *array,
            Self::Dictionary { values, .. } => *values,
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::Plain(array) => array.len(),
            Self::Dictionary { places, .. } => places.len(),
        }
    }

    /// The place of a row's value; none if it is missing.
    fn place(&self, row: usize) -> Option<usize> {
        match self {
            Self::Plain(array) => (!array.is_null(row)).then_some(row),
            Self::Dictionary {
                keys,
                places,
                values,
            } => {
                let place = places[row];
                (!keys.is_null(row) && !values.is_null(place)).then_some(place)
            }
        }
    }
}

/// Writes all values of an array.
pub(super) fn put_all(
    writer: &mut ValueWriter,
    array: &dyn Array,
    kind: Kind,
) -> Result<(), Misfit> {
    let rows = match array.as_any_dictionary_opt() {
        // Nothing but missing values needs no dictionary.
        Some(dictionary) if dictionary.values().is_empty() => {
            for _ in 0..array.len() {
                writer.put(None, |_, (): ()| Ok(()))?;
            }
            return Ok(());
        }
        Some(dictionary) => Rows::Dictionary {
            keys: dictionary.keys(),
            places: dictionary.normalized_keys(),
            values: dictionary.values().as_ref(),
        },
        None => Rows::Plain(array),
    };
    let values = rows.values();
    match values.data_type() {
        DataType::Boolean => {
            let values = values.as_boolean();
            each(writer, &rows, |out, place| {
                put_boolean(out, Some(values.value(place)));
                Ok(())
            })
        }
        DataType::Utf8 => {
            let values = values.as_string::<i32>();
            each(writer, &rows, |out, place| text(out, values.value(place)))
        }
        DataType::LargeUtf8 => {
            let values = values.as_string::<i64>();
            each(writer, &rows, |out, place| text(out, values.value(place)))
        }
        DataType::Utf8View => {
            let values = values.as_string_view();
            each(writer, &rows, |out, place| text(out, values.value(place)))
        }
        _ => numbers(writer, &rows, kind),
    }
}

fn numbers(writer: &mut ValueWriter, rows: &Rows<'_>, kind: Kind) -> Result<(), Misfit> {
    use DataType as T;
    match rows.values().data_type() {
        T::Int8 => integers::<Int8Type>(writer, rows, kind),
        T::Int16 => integers::<Int16Type>(writer, rows, kind),
        T::Int32 => integers::<Int32Type>(writer, rows, kind),
        T::Int64 => integers::<Int64Type>(writer, rows, kind),
        T::UInt8 => integers::<UInt8Type>(writer, rows, kind),
        T::UInt16 => integers::<UInt16Type>(writer, rows, kind),
        T::UInt32 => integers::<UInt32Type>(writer, rows, kind),
        T::UInt64 => integers::<UInt64Type>(writer, rows, kind),
        T::Date32 => integers::<Date32Type>(writer, rows, kind),
        T::Date64 => integers::<Date64Type>(writer, rows, kind),
        T::Decimal32(_, _) => integers::<Decimal32Type>(writer, rows, kind),
        T::Decimal64(_, _) => integers::<Decimal64Type>(writer, rows, kind),
        T::Decimal128(_, _) => integers::<Decimal128Type>(writer, rows, kind),
        T::Timestamp(TimeUnit::Second, _) => integers::<TimestampSecondType>(writer, rows, kind),
        T::Timestamp(TimeUnit::Millisecond, _) => {
            integers::<TimestampMillisecondType>(writer, rows, kind)
        }
        T::Timestamp(TimeUnit::Microsecond, _) => {
            integers::<TimestampMicrosecondType>(writer, rows, kind)
        }
        T::Timestamp(TimeUnit::Nanosecond, _) => {
            integers::<TimestampNanosecondType>(writer, rows, kind)
        }
        T::Float16 => floats::<Float16Type>(writer, rows, |value| half(value.to_bits())),
        T::Float32 => floats::<Float32Type>(writer, rows, f64::from),
        _ => floats::<Float64Type>(writer, rows, |value| value),
    }
}

fn floats<T: ArrowPrimitiveType>(
    writer: &mut ValueWriter,
    rows: &Rows<'_>,
    widened: impl Fn(T::Native) -> f64,
) -> Result<(), Misfit> {
    let values: Option<&PrimitiveArray<T>> = rows.values().as_primitive_opt();
    each(writer, rows, |out, place| {
        let values = values.ok_or("its type is not that of the schema")?;
        put_float(out, widened(values.value(place)));
        Ok(())
    })
}

fn integers<T: ArrowPrimitiveType<Native: Into<i128>>>(
    writer: &mut ValueWriter,
    rows: &Rows<'_>,
    kind: Kind,
) -> Result<(), Misfit> {
    let values: Option<&PrimitiveArray<T>> = rows.values().as_primitive_opt();
    each(writer, rows, |out, place| {
        let values = values.ok_or("its type is not that of the schema")?;
        let value: i128 = values.value(place).into();
        if let Kind::Decimal(decimal) = kind {
            return units(out, decimal, value);
        }
        let wide = i64::try_from(value).map_err(|_| {
            format!(
                "{value} does not fit a signed integer of 64 bits: as an identifier write it as text"
            )
        })?;
        put_integer(out, Some(number(kind, wide)?));
        Ok(())
    })
}

/// A number as its type in a table counts it.
fn number(kind: Kind, value: i64) -> Result<i64, String> {
    match kind {
        Kind::Date => TimeType::Date.held(value),
        Kind::DateMillis if value % DAY == 0 => TimeType::Date.held(value / DAY),
        Kind::DateMillis => Err(format!(
            "{value} ms since 1970 is no whole number of days: write the column as a timestamp"
        )),
        Kind::Timestamp(time, TimeUnit::Second) => time.held(value.saturating_mul(1_000_000)),
        Kind::Timestamp(time, TimeUnit::Millisecond) => time.held(value.saturating_mul(1000)),
        Kind::Timestamp(time, TimeUnit::Microsecond) => time.held(value),
        Kind::Timestamp(time, TimeUnit::Nanosecond) => time.held(whole_micros(value)?),
        _ => Ok(value),
    }
}

fn text(out: &mut Vec<u8>, value: &str) -> Result<(), String> {
    if put_text(out, Some(value.as_bytes())) {
        Ok(())
    } else {
        Err("the text is longer than 4294967295 bytes".to_owned())
    }
}

fn each(
    writer: &mut ValueWriter,
    rows: &Rows<'_>,
    put: impl Fn(&mut Vec<u8>, usize) -> Result<(), String>,
) -> Result<(), Misfit> {
    for row in 0..rows.len() {
        writer.put(rows.place(row), &put)?;
    }
    Ok(())
}
