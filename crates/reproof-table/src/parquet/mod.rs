//! Parquet files as immutable tables, and tables as Parquet files.
//!
//! Columns are read one after the other, some thousand values at a time, so memory is bounded by
//! the pages of one column. The file is hashed before and after, so one that changes while it is
//! read is found. Narrower integers and floats are widened; what a table cannot hold without
//! change is an error that names the column.

mod kind;
mod read;
mod write;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use parquet::errors::ParquetError;
use parquet::file::reader::{FileReader, SerializedFileReader};
use reproof_record::{Column, Digest, Schema};
use reproof_store::fs::{Io, IoError};
use reproof_store::{Batch, Store};

use crate::chunks::Chunks;
use crate::snapshot::put_snapshot;
use crate::{ColumnarProblem, Snapshot, SnapshotOptions, TableError};
use kind::Kind;
pub(crate) use read::{half, units};
pub use write::write_parquet;

/// As messages name it.
const FORMAT: &str = "Parquet";

/// Reads a Parquet file into a batch.
pub(crate) fn snapshot(
    store: &Store,
    batch: &mut Batch,
    path: &Path,
    options: &SnapshotOptions,
) -> Result<Snapshot, TableError> {
    let source = Source::open(store.io().as_ref(), path)?;
    let before = source.digest()?;
    let taken = guarded(&source, || {
        let (schema, kinds) = source.schema()?;
        source.check_declared(&schema, options)?;
        let mut columns = Vec::with_capacity(kinds.len());
        for (index, (column, kind)) in schema.columns().iter().zip(&kinds).enumerate() {
            columns.push(read::column(&source, batch, index, column, *kind, options)?);
        }
        put_snapshot(batch, schema, before, source.rows(), columns)
    });
    // A change is the better explanation of whatever else went wrong.
    if source.digest()? != before {
        return Err(source.problem(ColumnarProblem::Changed));
    }
    taken
}

/// The columns that a Parquet file would have as a table.
pub(crate) fn schema(io: &dyn Io, path: &Path) -> Result<Schema, TableError> {
    let source = Source::open(io, path)?;
    guarded(&source, || Ok(source.schema()?.0))
}

/// Turns a panic of the Parquet library, which trusts some of what files say, into an error.
fn guarded<T>(
    source: &Source<'_>,
    read: impl FnOnce() -> Result<T, TableError>,
) -> Result<T, TableError> {
    catch_unwind(AssertUnwindSafe(read)).unwrap_or_else(|_| {
        let what = "the Parquet library gave up on it".to_owned();
        Err(source.damaged(what))
    })
}

/// A Parquet file that is open.
struct Source<'a> {
    path: &'a Path,
    chunks: Chunks,
    reader: SerializedFileReader<Chunks>,
}

impl<'a> Source<'a> {
    fn open(io: &dyn Io, path: &'a Path) -> Result<Self, TableError> {
        let chunks = Chunks::open(io, path)?;
        let opened = catch_unwind(AssertUnwindSafe(|| {
            SerializedFileReader::new(chunks.clone())
        }));
        let opened = opened
            .unwrap_or_else(|_| Err(ParquetError::General("its footer is damaged".to_owned())));
        match opened {
            Ok(reader) => Ok(Self {
                path,
                chunks,
                reader,
            }),
            Err(error) => Err(failed(path, &chunks, &error)),
        }
    }

    /// The digest of the file's bytes as they are now.
    fn digest(&self) -> Result<Digest, TableError> {
        let digest = self.chunks.digest();
        Ok(digest.map_err(|source| IoError::new("read", self.path, source))?)
    }

    fn problem(&self, problem: ColumnarProblem) -> TableError {
        TableError::Columnar {
            path: self.path.to_owned(),
            problem,
        }
    }

    fn damaged(&self, what: String) -> TableError {
        self.problem(ColumnarProblem::Format {
            format: FORMAT,
            what,
        })
    }

    fn failed(&self, error: &ParquetError) -> TableError {
        failed(self.path, &self.chunks, error)
    }

    /// The number of rows that the file says it has.
    fn rows(&self) -> u64 {
        u64::try_from(self.reader.metadata().file_metadata().num_rows()).unwrap_or(0)
    }

    /// The columns as those of a table, and how each is read.
    fn schema(&self) -> Result<(Schema, Vec<Kind>), TableError> {
        let descriptor = self.reader.metadata().file_metadata().schema_descr();
        let mut columns = Vec::new();
        let mut kinds = Vec::new();
        for field in descriptor.root_schema().get_fields() {
            let kind = Kind::of(field).map_err(|problem| self.problem(problem))?;
            kinds.push(kind);
            columns.push(Column {
                name: field.name().to_owned(),
                logical_type: kind.logical_type(),
            });
        }
        Ok((Schema::new(columns)?, kinds))
    }

    fn check_declared(&self, schema: &Schema, options: &SnapshotOptions) -> Result<(), TableError> {
        options.check_types(self.path, schema, |column, declared, found| {
            self.problem(ColumnarProblem::Declared {
                column,
                declared,
                found,
            })
        })
    }
}

/// What went wrong: the file could not be read, or is not what it should be.
fn failed(path: &Path, chunks: &Chunks, error: &ParquetError) -> TableError {
    if let Some(source) = chunks.take_failure() {
        return IoError::new("read", path, source).into();
    }
    TableError::Columnar {
        path: path.to_owned(),
        problem: ColumnarProblem::Format {
            format: FORMAT,
            what: error.to_string(),
        },
    }
}

#[cfg(test)]
mod tests;
