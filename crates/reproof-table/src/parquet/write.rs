//! Tables as Parquet files.

use std::io::Write;
use std::sync::Arc;

use parquet::basic::{Compression, ConvertedType, LogicalType as Annotation, Repetition, TimeUnit};
use parquet::basic::{Type as Physical, ZstdLevel};
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, DataType, DoubleType};
use parquet::data_type::{FixedLenByteArray, FixedLenByteArrayType, Int32Type, Int64Type};
use parquet::errors::{ParquetError, Result};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedColumnWriter, SerializedFileWriter};
use parquet::schema::types::Type;
use reproof_record::{Column, DecimalType, LogicalType};

use crate::{ColumnData, Table, TableError, TimeType};

/// How many rows a group has.
const GROUP: usize = 1 << 18;

/// Writes a table as a Parquet file: integers of 64 bits, doubles, decimals, texts in UTF-8, days,
/// and moments in microseconds; what is missing is null. Pages are compressed with zstd.
///
/// # Errors
/// Whatever `out` fails with.
pub fn write_parquet(
    out: &mut (dyn Write + Send),
    table: &Table,
) -> std::result::Result<(), TableError> {
    write(out, table).map_err(|error| TableError::WriteParquet(error.to_string()))
}

fn write(out: &mut (dyn Write + Send), table: &Table) -> Result<()> {
    let fields = table.schema().columns().iter().map(field);
    let schema = Type::group_type_builder("table")
        .with_fields(fields.collect::<Result<_>>()?)
        .build()?;
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(1)?))
        .set_created_by("reproof".to_owned())
        .build();
    let mut writer = SerializedFileWriter::new(out, Arc::new(schema), Arc::new(properties))?;
    let mut begin = 0;
    while begin < table.rows() {
        let rows = begin..table.rows().min(begin + GROUP);
        begin = rows.end;
        let mut group = writer.next_row_group()?;
        for data in table.columns() {
            let missing = || ParquetError::General("a column is missing".to_owned());
            let mut column = group.next_column()?.ok_or_else(missing)?;
            put(&mut column, data, rows.clone())?;
            column.close()?;
        }
        group.close()?;
    }
    writer.close()?;
    Ok(())
}

fn field(column: &Column) -> Result<Arc<Type>> {
    let (physical, annotation) = match column.logical_type {
        LogicalType::Boolean => (Physical::BOOLEAN, None),
        LogicalType::Integer => (Physical::INT64, None),
        LogicalType::Float => (Physical::DOUBLE, None),
        LogicalType::String => (Physical::BYTE_ARRAY, Some(Annotation::String)),
        LogicalType::Date => (Physical::INT32, Some(Annotation::Date)),
        LogicalType::TimestampNaive => (Physical::INT64, Some(moment(false))),
        LogicalType::TimestampUtc => (Physical::INT64, Some(moment(true))),
        LogicalType::Decimal(decimal) => return decimal_field(&column.name, decimal),
        other => return Err(ParquetError::General(format!("no type for {other}"))),
    };
    let builder = Type::primitive_type_builder(&column.name, physical)
        .with_repetition(Repetition::OPTIONAL)
        .with_converted_type(ConvertedType::NONE)
        .with_logical_type(annotation);
    Ok(Arc::new(builder.build()?))
}

/// In as few bytes as the format has for so many digits: an integer of 32 bits holds 9, one of 64
/// bits 18.
fn decimal_field(name: &str, decimal: DecimalType) -> Result<Arc<Type>> {
    let (precision, scale) = (i32::from(decimal.precision()), i32::from(decimal.scale()));
    let builder = match decimal.precision() {
        ..=9 => Type::primitive_type_builder(name, Physical::INT32),
        10..=18 => Type::primitive_type_builder(name, Physical::INT64),
        _ => Type::primitive_type_builder(name, Physical::FIXED_LEN_BYTE_ARRAY).with_length(16),
    };
    let builder = builder
        .with_repetition(Repetition::OPTIONAL)
        .with_converted_type(ConvertedType::NONE)
        .with_logical_type(Some(Annotation::decimal(scale, precision)))
        .with_precision(precision)
        .with_scale(scale);
    Ok(Arc::new(builder.build()?))
}

fn moment(utc: bool) -> Annotation {
    Annotation::timestamp(utc, TimeUnit::MICROS)
}

fn put(
    column: &mut SerializedColumnWriter<'_>,
    data: &ColumnData,
    rows: std::ops::Range<usize>,
) -> Result<()> {
    match data {
        ColumnData::Boolean(values) => put_values::<BoolType>(column, values[rows].iter().copied()),
        ColumnData::Float(values) => {
            let values = values[rows].iter();
            let present = values.map(|value| (!value.is_nan()).then_some(*value));
            put_values::<DoubleType>(column, present)
        }
        ColumnData::Decimal(decimal, values) => {
            put_decimals(column, *decimal, values[rows].iter().copied())
        }
        ColumnData::String(values) => {
            let texts = rows.map(|row| values.get(row).map(ByteArray::from));
            put_values::<ByteArrayType>(column, texts)
        }
        ColumnData::Time(TimeType::Date, values) => {
            let days = values[rows].iter();
            // A table holds days of the years 1 to 9999 only.
            let days = days.map(|day| day.map(|day| i32::try_from(day).unwrap_or(i32::MAX)));
            put_values::<Int32Type>(column, days)
        }
        ColumnData::Integer(values) | ColumnData::Time(_, values) => {
            put_values::<Int64Type>(column, values[rows].iter().copied())
        }
    }
}

/// A table holds values of its type's digits only, which the integers have room for.
fn put_decimals(
    column: &mut SerializedColumnWriter<'_>,
    decimal: DecimalType,
    values: impl Iterator<Item = Option<i128>>,
) -> Result<()> {
    match decimal.precision() {
        ..=9 => {
            put_values::<Int32Type>(column, values.map(|value| value.map(|value| value as i32)))
        }
        10..=18 => {
            put_values::<Int64Type>(column, values.map(|value| value.map(|value| value as i64)))
        }
        _ => put_values::<FixedLenByteArrayType>(
            column,
            values.map(|value| {
                value.map(|value| FixedLenByteArray::from(value.to_be_bytes().to_vec()))
            }),
        ),
    }
}

fn put_values<T: DataType>(
    column: &mut SerializedColumnWriter<'_>,
    values: impl Iterator<Item = Option<T::T>>,
) -> Result<()> {
    let (mut present, mut levels) = (Vec::new(), Vec::new());
    for value in values {
        levels.push(i16::from(value.is_some()));
        present.extend(value);
    }
    column
        .typed::<T>()
        .write_batch(&present, Some(&levels), None)?;
    Ok(())
}
