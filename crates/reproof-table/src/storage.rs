//! Tables in the store: each column is a blob, and the table object names them.

use std::io::Write;
use std::path::Path;

use reproof_record::{
    Column, Digest, LogicalType, RelativePath, Schema, TableObject, to_canonical,
};
use reproof_store::fs::IoError;
use reproof_store::{Batch, BlobInfo, BlobWriter, Store, StoreError, StoredArtifact};
use serde_json::{Map, Value};

use crate::encoding::{decode, put_missing, put_value};
use crate::snapshot::FinishedColumn;
use crate::statistics::{Collector, Statistics};
use crate::{ColumnData, ColumnarProblem, SnapshotOptions, StatisticsLevel, Table, TableError};

/// How many encoded bytes are handed to the store at a time. Changes no digest.
const BUFFER: usize = 64 << 10;
/// The largest column that is read, in encoded bytes: 64 GiB.
pub(crate) const MAX_COLUMN: u64 = 64 << 30;
/// The path of the statistics beside a table's columns.
const STATISTICS: &str = "statistics.json";
/// The largest statistics that are read, in bytes.
const MAX_STATISTICS: u64 = 256 << 20;

/// A column on its way into the store.
pub(crate) struct ColumnWriter {
    /// What is encoded and not yet handed on.
    pub buffer: Vec<u8>,
    writer: BlobWriter,
    /// What was seen of the values that were handed on, if that is wanted.
    collector: Option<Collector>,
}

impl ColumnWriter {
    pub fn new(batch: &mut Batch) -> Result<Self, TableError> {
        Ok(Self {
            buffer: Vec::with_capacity(BUFFER + 1024),
            writer: batch.writer()?,
            collector: None,
        })
    }

    /// A column of a file, which may replace one that was read before, and whose statistics are
    /// computed on the way.
    pub fn observed(
        batch: &mut Batch,
        column: &Column,
        options: &SnapshotOptions,
    ) -> Result<Self, TableError> {
        let mut writer = Self::new(batch)?;
        if let Some(replaced) = options.replaced.get(&column.name) {
            writer.writer = batch.writer_replacing(replaced)?;
        }
        if options.statistics > StatisticsLevel::None {
            let collector = Collector::new(column.logical_type, options.statistics, 0);
            writer.collector = Some(collector);
        }
        Ok(writer)
    }

    /// Hands on what is encoded, once it is enough.
    #[inline]
    pub fn spill(&mut self) -> Result<(), TableError> {
        if self.buffer.len() >= BUFFER {
            self.flush()?;
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), TableError> {
        if let Some(collector) = &mut self.collector {
            collector.observe(&self.buffer);
        }
        let written = self.writer.write_all(&self.buffer);
        // The writer does not tell the path of its temporary file.
        let place = Path::new("the store");
        written.map_err(|source| IoError::new("write a column to", place, source))?;
        self.buffer.clear();
        Ok(())
    }

    pub fn finish(mut self, batch: &mut Batch) -> Result<EncodedColumn, TableError> {
        self.flush()?;
        Ok(EncodedColumn {
            blob: batch.add(self.writer)?,
            collector: self.collector,
        })
    }
}

/// A column in a batch.
pub(crate) struct EncodedColumn {
    pub blob: BlobInfo,
    pub collector: Option<Collector>,
}

/// A column on its way into the store, whose values come one by one with types of their own.
pub(crate) struct ValueWriter {
    column: Column,
    writer: ColumnWriter,
    rows: u64,
    missing: u64,
}

/// Why a value is not written.
pub(crate) enum Misfit {
    /// Its type in a table cannot hold it.
    Value(ColumnarProblem),
    /// The store.
    Store(TableError),
}

impl Misfit {
    /// The error, given how the file's format tells a problem.
    pub fn at(self, problem: impl FnOnce(ColumnarProblem) -> TableError) -> TableError {
        match self {
            Self::Value(value) => problem(value),
            Self::Store(error) => error,
        }
    }
}

impl ValueWriter {
    pub fn new(
        batch: &mut Batch,
        column: &Column,
        options: &SnapshotOptions,
    ) -> Result<Self, TableError> {
        Ok(Self {
            column: column.clone(),
            writer: ColumnWriter::observed(batch, column, options)?,
            rows: 0,
            missing: 0,
        })
    }

    /// The column's name.
    pub fn name(&self) -> &str {
        &self.column.name
    }

    /// Counts the rows of the next file from 1 again.
    pub fn begin_file(&mut self) {
        self.rows = 0;
    }

    /// How many values of this file were put.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Writes the next value, which `put` encodes, or a missing one.
    pub fn put<T>(
        &mut self,
        value: Option<T>,
        put: impl FnOnce(&mut Vec<u8>, T) -> Result<(), String>,
    ) -> Result<(), Misfit> {
        self.rows += 1;
        let out = &mut self.writer.buffer;
        let begin = out.len();
        match value {
            Some(value) => put(out, value).map_err(|reason| {
                Misfit::Value(ColumnarProblem::Value {
                    column: self.column.name.clone(),
                    row: self.rows,
                    reason,
                })
            })?,
            None => put_missing(out, self.column.logical_type),
        }
        // A NaN is missing, too.
        let written = &out[begin..];
        self.missing += u64::from(if self.column.logical_type == LogicalType::Float {
            let bytes = written.first_chunk().copied();
            bytes.is_some_and(|bytes| f64::from_le_bytes(bytes).is_nan())
        } else {
            written.first() == Some(&0)
        });
        self.writer.spill().map_err(Misfit::Store)
    }

    /// The column with its missing values and statistics.
    pub fn finish(self, batch: &mut Batch) -> Result<FinishedColumn, TableError> {
        let encoded = self.writer.finish(batch)?;
        Ok(encoded.finish(&self.column.name, self.missing))
    }
}

/// Takes encoded columns as a table. Its manifest tells the rows and the missing values, and lists
/// the statistics beside the columns.
pub(crate) fn put_columns(
    batch: &mut Batch,
    schema: &Schema,
    rows: u64,
    columns: &[BlobInfo],
    missing: &[u64],
    statistics: Option<&Statistics>,
) -> Result<StoredArtifact, TableError> {
    let object = TableObject {
        format: TableObject::FORMAT.to_owned(),
        schema: schema.clone(),
        rows,
        columns: columns.iter().map(|blob| blob.digest).collect(),
    };
    let metadata = Map::from_iter([
        ("rows".to_owned(), Value::from(rows)),
        ("missing".to_owned(), Value::from(missing)),
    ]);
    let mut beside = Vec::new();
    if let Some(statistics) = statistics
        && let Ok(path) = RelativePath::new(STATISTICS)
    {
        beside.push((path, batch.put(&to_canonical(statistics)?)?));
    }
    Ok(batch.put_table_with(&object, columns, beside, metadata)?)
}

/// The statistics that were stored beside a table, if they were.
///
/// # Errors
/// A manifest or statistics that are damaged, or of a later format.
pub fn read_statistics(store: &Store, manifest: &Digest) -> Result<Option<Statistics>, TableError> {
    let manifest = store.manifest(manifest)?;
    let mut files = manifest.files.iter();
    let Some(file) = files.find(|file| file.path.as_str() == STATISTICS) else {
        return Ok(None);
    };
    let bytes = store.read(&file.digest, MAX_STATISTICS)?;
    let read: Result<Statistics, _> = serde_json::from_slice(&bytes);
    match read {
        Ok(statistics) if statistics.format == Statistics::FORMAT => Ok(Some(statistics)),
        // Another version wrote them: they can be computed again.
        _ => Ok(None),
    }
}

/// Writes a table into a batch. It can be read once the batch is committed.
pub fn write_table(batch: &mut Batch, table: &Table) -> Result<StoredArtifact, TableError> {
    let mut blobs = Vec::with_capacity(table.columns().len());
    for (column, data) in table.schema().columns().iter().zip(table.columns()) {
        let mut writer = ColumnWriter::new(batch)?;
        for row in 0..table.rows() {
            put_value(&mut writer.buffer, data, row).map_err(|bytes| TableError::TextTooLong {
                column: column.name.clone(),
                bytes,
            })?;
            writer.spill()?;
        }
        blobs.push(writer.finish(batch)?.blob);
    }
    let missing: Vec<u64> = table.columns().iter().map(ColumnData::missing).collect();
    let rows = table.rows() as u64;
    put_columns(batch, table.schema(), rows, &blobs, &missing, None)
}

fn damaged(store: &Store, digest: &Digest, what: String) -> StoreError {
    StoreError::Damaged {
        digest: *digest,
        path: store.root().to_owned(),
        what,
    }
}

fn check(store: &Store, digest: &Digest, object: &TableObject) -> Result<(), TableError> {
    if object.format != TableObject::FORMAT {
        let what = format!("its format is '{}'", object.format);
        return Err(damaged(store, digest, what).into());
    }
    if object.schema.columns().len() != object.columns.len() {
        let what = "it has not one digest for each column".to_owned();
        return Err(damaged(store, digest, what).into());
    }
    Ok(())
}

/// Reads a table from the store, verified: all its columns, or those of these names in this order.
pub fn read_table(
    store: &Store,
    digest: &Digest,
    columns: Option<&[&str]>,
) -> Result<Table, TableError> {
    let object = store.table_object(digest)?;
    check(store, digest, &object)?;
    let all = object.schema.columns();
    let rows = usize::try_from(object.rows)
        .map_err(|_| damaged(store, digest, format!("it has {} rows", object.rows)))?;
    let read = |column: &Column, blob: &Digest| -> Result<ColumnData, TableError> {
        let bytes = store.read(blob, MAX_COLUMN)?;
        let data = decode(column.logical_type, &bytes, rows);
        Ok(data.map_err(|what| damaged(store, blob, what))?)
    };
    let Some(names) = columns else {
        let data = all
            .iter()
            .zip(&object.columns)
            .map(|(column, blob)| read(column, blob));
        let data = data.collect::<Result<_, _>>()?;
        return Table::with_rows(object.schema.clone(), data, rows);
    };
    let (mut schema, mut data) = (Vec::new(), Vec::new());
    for name in names {
        let position = object.schema.position(name);
        let position = position.ok_or_else(|| TableError::NoSuchColumn {
            column: (*name).to_owned(),
        })?;
        data.push(read(&all[position], &object.columns[position])?);
        schema.push(all[position].clone());
    }
    Table::with_rows(Schema::new(schema)?, data, rows)
}

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;
    use reproof_store::fs::RealIo;

    use super::*;
    use crate::table::tests::{table, tables};

    /// A store in a folder that goes away with it.
    pub(crate) fn scratch() -> (tempfile::TempDir, Store) {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("store"), Arc::new(RealIo)).unwrap();
        (folder, store)
    }

    fn stored(store: &Store, table: &Table) -> StoredArtifact {
        let mut batch = store.batch();
        let stored = write_table(&mut batch, table).unwrap();
        batch.commit().unwrap();
        stored
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn what_is_written_is_read_back(table in tables()) {
            let (_folder, store) = scratch();
            let stored = stored(&store, &table);
            let digest = stored.artifact.digest;
            prop_assert_eq!(&read_table(&store, &digest, None).unwrap(), &table);
            let names = ["name", "flag"];
            let part = read_table(&store, &digest, Some(&names)).unwrap();
            prop_assert_eq!(part, table.select(&names).unwrap());
            let object = store.table_object(&digest).unwrap();
            prop_assert_eq!(object.digest().unwrap(), digest);
        }
    }

    #[test]
    fn a_table_without_columns_keeps_its_rows() {
        let (_folder, store) = scratch();
        let whole = table(vec![("a", ColumnData::Float(vec![1.0, 2.0]))]);
        let empty = whole.select(&[]).unwrap();
        let digest = stored(&store, &empty).artifact.digest;
        assert_eq!(read_table(&store, &digest, None).unwrap(), empty);
        assert_eq!(empty.rows(), 2);
    }

    #[test]
    fn a_column_longer_than_the_buffer_is_read_back() {
        let (_folder, store) = scratch();
        let values = (0..30_000_i64)
            .map(|row| (row % 7 != 0).then_some(row * row))
            .collect();
        let table = table(vec![("a", ColumnData::Integer(values))]);
        let stored = stored(&store, &table);
        assert_eq!(
            read_table(&store, &stored.artifact.digest, None).unwrap(),
            table
        );
        let manifest = store.manifest(&stored.manifest).unwrap();
        assert_eq!(manifest.metadata["rows"], 30_000);
        assert_eq!(manifest.metadata["missing"], serde_json::json!([4286]));
    }

    #[test]
    fn what_does_not_fit_the_object_is_damage() {
        let (_folder, store) = scratch();
        let whole = table(vec![("a", ColumnData::Integer(vec![Some(1), None]))]);
        let object = store
            .table_object(&stored(&store, &whole).artifact.digest)
            .unwrap();
        let check = |change: &dyn Fn(&mut TableObject), expect: &str| {
            let mut object = object.clone();
            change(&mut object);
            let mut batch = store.batch();
            let digest = batch.put(&object.to_bytes().unwrap()).unwrap().digest;
            batch.commit().unwrap();
            let error = read_table(&store, &digest, None).unwrap_err();
            assert!(error.to_string().contains(expect), "{error}");
        };
        check(&|object| object.rows = 3, "fewer bytes");
        check(&|object| object.rows = 1, "more bytes");
        check(
            &|object| object.columns.clear(),
            "one digest for each column",
        );
        check(
            &|object| object.format = "reproof.table/9".to_owned(),
            "reproof.table/9",
        );
        check(
            &|object| object.columns[0] = Digest::of(b"gone"),
            "is not in the store",
        );
        let digest = stored(&store, &whole).artifact.digest;
        let error = read_table(&store, &digest, Some(&["b"])).unwrap_err();
        assert_eq!(error.to_string(), "the table has no column 'b'");
    }
}
