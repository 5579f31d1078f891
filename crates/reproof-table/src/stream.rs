//! The values of a stored column, one after the other, in bounded memory.

use std::io::Read;

use reproof_record::{Digest, LogicalType};
use reproof_store::fs::IoError;
use reproof_store::{Store, StoreError};

use crate::encoding::decode;
use crate::{ColumnData, TableError};

/// How many bytes are read at a time.
const BUFFER: usize = 256 << 10;

/// Shows each value of a stored column, in row order: the row, counted from 0, and the value as it
/// is encoded. Missing values are shown, too.
///
/// # Errors
/// A column that is not there, damaged, or not of so many rows; and what `show` fails with.
pub(crate) fn each_value(
    store: &Store,
    column: &Digest,
    logical_type: LogicalType,
    rows: u64,
    mut show: impl FnMut(u64, &[u8]) -> Result<(), TableError>,
) -> Result<(), TableError> {
    let mut values = Values::open(store, column, logical_type)?;
    for row in 0..rows {
        show(row, values.next()?)?;
    }
    values.end(rows)
}

/// The text of an encoded value; none if it is missing.
///
/// # Errors
/// Bytes that are no such value.
pub(crate) fn text(logical_type: LogicalType, value: &[u8]) -> Result<Option<String>, TableError> {
    let data = one(logical_type, value)?;
    Ok(data.text(0).map(std::borrow::Cow::into_owned))
}

/// An encoded value as a column of one row.
fn one(logical_type: LogicalType, value: &[u8]) -> Result<ColumnData, TableError> {
    decode(logical_type, value, 1).map_err(TableError::Shape)
}

/// Whether an encoded value is missing.
pub(crate) fn is_missing(logical_type: LogicalType, value: &[u8]) -> bool {
    match logical_type {
        LogicalType::Float => number(logical_type, value).is_none(),
        _ => value.first() == Some(&0),
    }
}

/// An encoded value as a double: numbers, and days and moments as counts of their unit. None if it
/// is missing or neither.
pub(crate) fn number(logical_type: LogicalType, value: &[u8]) -> Option<f64> {
    let integer = |value: &[u8]| Some(i64::from_le_bytes(*value.get(1..)?.first_chunk()?));
    match logical_type {
        LogicalType::Float => {
            let value = f64::from_bits(u64::from_le_bytes(*value.first_chunk()?));
            (!value.is_nan()).then_some(value)
        }
        LogicalType::Integer
        | LogicalType::Date
        | LogicalType::TimestampNaive
        | LogicalType::TimestampUtc => integer(value).map(|value| value as f64),
        LogicalType::Decimal(decimal) => {
            let units = i128::from_le_bytes(*value.get(1..)?.first_chunk()?);
            Some(decimal.nearest_double(units))
        }
        _ => None,
    }
}

/// The values of a stored column, one after the other.
pub(crate) struct Values<'a> {
    logical_type: LogicalType,
    /// How many bytes every value takes; none where that differs.
    fixed: Option<usize>,
    reader: Box<dyn Read + Send>,
    buffer: Vec<u8>,
    /// What was read and not yet shown.
    begin: usize,
    end: usize,
    store: &'a Store,
    column: Digest,
}

impl<'a> Values<'a> {
    pub fn open(
        store: &'a Store,
        column: &Digest,
        logical_type: LogicalType,
    ) -> Result<Self, TableError> {
        Ok(Self {
            logical_type,
            fixed: match logical_type {
                LogicalType::Boolean => Some(1),
                LogicalType::Float => Some(8),
                _ => None,
            },
            reader: store.reader(column)?,
            buffer: vec![0; BUFFER],
            begin: 0,
            end: 0,
            store,
            column: *column,
        })
    }

    /// The next value, as it is encoded.
    ///
    /// # Errors
    /// If there is none, or the column is damaged.
    #[inline]
    pub fn next(&mut self) -> Result<&[u8], TableError> {
        let size = match self.fixed {
            Some(size) if size <= self.end - self.begin => size,
            _ => self.size(self.logical_type)?,
        };
        let begin = self.begin;
        self.begin += size;
        Ok(&self.buffer[begin..begin + size])
    }

    /// Makes sure that these were all values.
    pub fn end(&mut self, rows: u64) -> Result<(), TableError> {
        if self.have(1)? {
            return Err(self.damaged(format!("there are more bytes than {rows} values take")));
        }
        Ok(())
    }

    fn damaged(&self, what: String) -> TableError {
        let path = self.store.root().to_owned();
        let digest = self.column;
        StoreError::Damaged { digest, path, what }.into()
    }

    /// Whether so many bytes are there, once as many as can be were read.
    fn have(&mut self, count: usize) -> Result<bool, TableError> {
        while self.end - self.begin < count {
            if self.begin > 0 {
                self.buffer.copy_within(self.begin..self.end, 0);
                self.end -= self.begin;
                self.begin = 0;
            }
            if self.buffer.len() < count {
                self.buffer.resize(count.next_power_of_two(), 0);
            }
            let read = self.reader.read(&mut self.buffer[self.end..]);
            match read {
                Ok(0) => return Ok(false),
                Ok(read) => self.end += read,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(source) => return Err(IoError::new("read", self.store.root(), source).into()),
            }
        }
        Ok(true)
    }

    /// The size of the next value, whose bytes are then there.
    fn size(&mut self, logical_type: LogicalType) -> Result<usize, TableError> {
        let fewer = || "there are fewer bytes than the rows take".to_owned();
        let present = match logical_type {
            LogicalType::Boolean => 1,
            LogicalType::Float => 8,
            LogicalType::Decimal(_) => 17,
            LogicalType::String => 5,
            _ => 9,
        };
        let tagged = !matches!(logical_type, LogicalType::Boolean | LogicalType::Float);
        if tagged {
            if !self.have(1)? {
                return Err(self.damaged(fewer()));
            }
            match self.buffer[self.begin] {
                0 => return Ok(1),
                1 => {}
                other => return Err(self.damaged(format!("{other} is not the tag of a value"))),
            }
        }
        let mut size = present;
        if !self.have(size)? {
            return Err(self.damaged(fewer()));
        }
        if logical_type == LogicalType::String {
            let head = &self.buffer[self.begin + 1..self.begin + 5];
            let length = head
                .first_chunk()
                .map_or(0, |bytes| u32::from_le_bytes(*bytes));
            size += length as usize;
            if !self.have(size)? {
                return Err(self.damaged(fewer()));
            }
        }
        Ok(size)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::storage::tests::scratch;
    use crate::table::tests::tables;
    use crate::write_table;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn a_stream_shows_what_the_table_holds(table in tables()) {
            let (_folder, store) = scratch();
            let mut batch = store.batch();
            let stored = write_table(&mut batch, &table).unwrap();
            batch.commit().unwrap();
            let object = store.table_object(&stored.artifact.digest).unwrap();
            for (index, column) in object.schema.columns().iter().enumerate() {
                let logical_type = column.logical_type;
                let data = &table.columns()[index];
                let mut next = 0;
                each_value(&store, &object.columns[index], logical_type, object.rows, |row, value| {
                    let row = row as usize;
                    assert_eq!(row, next);
                    next += 1;
                    assert_eq!(text(logical_type, value)?.as_deref(), data.text(row).as_deref());
                    assert_eq!(is_missing(logical_type, value), data.is_missing(row));
                    if let Some(doubles) = data.doubles() {
                        let expect = (!data.is_missing(row)).then_some(doubles[row]);
                        assert_eq!(number(logical_type, value), expect);
                    }
                    Ok(())
                }).unwrap();
                prop_assert_eq!(next, table.rows());
                let more = object.rows + 1;
                let failed = each_value(&store, &object.columns[index], logical_type, more, |_, _| Ok(()));
                prop_assert!(failed.is_err());
            }
        }
    }

    #[test]
    fn a_text_larger_than_the_buffer_is_shown_whole() {
        let long = "x".repeat(BUFFER * 3);
        let data = ColumnData::String([Some("a"), Some(long.as_str()), None].into_iter().collect());
        let table = crate::table::tests::table(vec![("t", data)]);
        let (_folder, store) = scratch();
        let mut batch = store.batch();
        let digest = write_table(&mut batch, &table).unwrap().artifact.digest;
        batch.commit().unwrap();
        let column = store.table_object(&digest).unwrap().columns[0];
        let mut sizes = Vec::new();
        each_value(&store, &column, LogicalType::String, 3, |_, value| {
            sizes.push(value.len());
            Ok(())
        })
        .unwrap();
        assert_eq!(sizes, [6, long.len() + 5, 1]);
    }
}
