//! Arrow IPC files (Feather V2) and streams as immutable tables.
//!
//! A file is a stream between two magic words, with a directory at its end; both are read from
//! message to message, one batch of rows at a time, so memory is bounded by the batches. Columns are
//! encoded some at a time. Dictionaries are texts that are written once: their columns are texts.
//! Types become those of a table as with Parquet.
//!
//! The format: <https://arrow.apache.org/docs/format/Columnar.html#serialization-and-interprocess-communication-ipc>.

mod kind;
mod message;
mod value;

use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use arrow_array::RecordBatch;
use arrow_ipc::MessageHeader;
use arrow_ipc::reader::StreamDecoder;
use arrow_schema::{ArrowError, SchemaRef};
use reproof_record::{Column, Digest, Schema};
use reproof_store::fs::{Io, IoError};
use reproof_store::{Batch, Store};

use crate::chunks::Chunks;
use crate::csv::COLUMNS_AT_ONCE;
use crate::snapshot::{FinishedColumn, put_snapshot};
use crate::storage::ValueWriter;
use crate::{ColumnarProblem, Snapshot, SnapshotOptions, TableError};
use kind::Kind;
use message::{END, MAGIC, Message};

/// As messages name it.
const FORMAT: &str = "Arrow";

/// Reads a file or stream of Arrow into a batch.
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
        let mut rows = 0;
        for begin in (0..kinds.len().max(1)).step_by(COLUMNS_AT_ONCE) {
            let range = begin..kinds.len().min(begin + COLUMNS_AT_ONCE);
            rows = source.encode(batch, &schema, &kinds, range, options, &mut columns)?;
        }
        put_snapshot(batch, schema, before, rows, columns)
    });
    // A change is the better explanation of whatever else went wrong.
    if source.digest()? != before {
        return Err(source.problem(ColumnarProblem::Changed));
    }
    taken
}

/// The columns that a file or stream of Arrow would have as a table.
pub(crate) fn schema(io: &dyn Io, path: &Path) -> Result<Schema, TableError> {
    let source = Source::open(io, path)?;
    guarded(&source, || Ok(source.schema()?.0))
}

/// Turns a panic of the Arrow library, which trusts some of what files say, into an error.
fn guarded<T>(
    source: &Source<'_>,
    read: impl FnOnce() -> Result<T, TableError>,
) -> Result<T, TableError> {
    catch_unwind(AssertUnwindSafe(read)).unwrap_or_else(|_| {
        let what = "the Arrow library gave up on it".to_owned();
        Err(source.damaged(what))
    })
}

/// A file or stream that is open.
struct Source<'a> {
    path: &'a Path,
    chunks: Chunks,
    /// Whether it has a directory at its end.
    is_file: bool,
    /// The place of the first message.
    begin: u64,
}

impl<'a> Source<'a> {
    fn open(io: &dyn Io, path: &'a Path) -> Result<Self, TableError> {
        let chunks = Chunks::open(io, path)?;
        let mut source = Self {
            path,
            chunks,
            is_file: false,
            begin: 0,
        };
        source.is_file = source.chunks.size() >= MAGIC.len() as u64
            && source.bytes(0, MAGIC.len())? == MAGIC.as_slice();
        if source.is_file {
            // The magic word is filled up to a multiple of eight, by some writers of 64.
            source.begin = 8;
            while source.begin < 64 && source.bytes(source.begin, 8)? == [0; 8] {
                source.begin += 8;
            }
        }
        Ok(source)
    }

    /// The digest of the file's bytes as they are now.
    fn digest(&self) -> Result<Digest, TableError> {
        let digest = self.chunks.digest();
        Ok(digest.map_err(|source| IoError::new("read", self.path, source))?)
    }

    /// So many bytes from this place on; fewer are an error.
    fn bytes(&self, place: u64, length: usize) -> Result<Vec<u8>, TableError> {
        let read = self.chunks.exactly(place, length);
        read.map_err(|error| match self.chunks.take_failure() {
            Some(source) => IoError::new("read", self.path, source).into(),
            None => self.damaged(error.to_string()),
        })
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

    fn failed(&self, error: &ArrowError) -> TableError {
        self.damaged(error.to_string())
    }

    /// The columns as those of a table, and how each is read.
    fn schema(&self) -> Result<(Schema, Vec<Kind>), TableError> {
        let first = Message::read(self, self.begin)?;
        let Some(first) = first.filter(|message| message.kind == MessageHeader::Schema) else {
            return Err(self.damaged("it does not begin with a schema".to_owned()));
        };
        let mut decoder = StreamDecoder::new();
        self.feed(&mut decoder, first.bytes(self)?, &mut |_| Ok(()))?;
        self.feed(&mut decoder, END.to_vec(), &mut |_| Ok(()))?;
        let schema = decoder.schema();
        self.columns(&schema.ok_or_else(|| self.damaged("it has no schema".to_owned()))?)
    }

    fn columns(&self, schema: &SchemaRef) -> Result<(Schema, Vec<Kind>), TableError> {
        let mut columns = Vec::with_capacity(schema.fields().len());
        let mut kinds = Vec::with_capacity(schema.fields().len());
        for field in schema.fields() {
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

    /// Encodes some of the columns. Gives the number of rows.
    fn encode(
        &self,
        batch: &mut Batch,
        schema: &Schema,
        kinds: &[Kind],
        range: Range<usize>,
        options: &SnapshotOptions,
        finished: &mut Vec<FinishedColumn>,
    ) -> Result<u64, TableError> {
        let mut columns = Vec::with_capacity(range.len());
        for column in &schema.columns()[range.clone()] {
            columns.push(ValueWriter::new(batch, column, options)?);
        }
        let mut rows = 0;
        self.batches(&mut |read: &RecordBatch| {
            rows += read.num_rows() as u64;
            let all = read.columns().get(range.clone()).unwrap_or_default();
            for ((writer, array), kind) in columns.iter_mut().zip(all).zip(&kinds[range.clone()]) {
                value::put_all(writer, array.as_ref(), *kind)
                    .map_err(|misfit| misfit.at(|problem| self.problem(problem)))?;
            }
            Ok(())
        })?;
        for column in columns {
            if column.rows() != rows {
                return Err(self.damaged("a column does not have a value for each row".to_owned()));
            }
            finished.push(column.finish(batch)?);
        }
        Ok(rows)
    }

    /// Hands on every batch of rows, in order.
    fn batches(
        &self,
        take: &mut dyn FnMut(&RecordBatch) -> Result<(), TableError>,
    ) -> Result<(), TableError> {
        let mut decoder = StreamDecoder::new();
        let mut place = self.begin;
        let mut seen = Vec::new();
        while let Some(message) = Message::read(self, place)? {
            if message.kind == MessageHeader::RecordBatch {
                seen.push(place);
            }
            self.feed(&mut decoder, message.bytes(self)?, take)?;
            place = message.end();
        }
        self.feed(&mut decoder, END.to_vec(), take)?;
        if self.is_file && message::directory(self)? != seen {
            let what = "its directory names other batches than those that it holds";
            return Err(self.damaged(what.to_owned()));
        }
        Ok(())
    }

    /// Decodes what a message, or what was kept of the one before, gives.
    fn feed(
        &self,
        decoder: &mut StreamDecoder,
        bytes: Vec<u8>,
        take: &mut dyn FnMut(&RecordBatch) -> Result<(), TableError>,
    ) -> Result<(), TableError> {
        let mut bytes = bytes.into();
        while let Some(batch) = decoder.decode(&mut bytes).map_err(|e| self.failed(&e))? {
            take(&batch)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
