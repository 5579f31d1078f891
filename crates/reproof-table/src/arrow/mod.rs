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

use std::path::Path;

use arrow_array::RecordBatch;
use arrow_ipc::MessageHeader;
use arrow_ipc::reader::StreamDecoder;
use arrow_schema::{ArrowError, SchemaRef};
use reproof_record::{Column, Schema};
use reproof_store::fs::Io;

use crate::TableError;
use crate::chunks::Chunks;
use crate::columnar::Columnar;
use crate::storage::ValueWriter;
use kind::Kind;
use message::{END, MAGIC, Message};

/// A file or stream that is open.
pub(crate) struct Arrow<'a> {
    path: &'a Path,
    chunks: Chunks,
    /// Whether it has a directory at its end.
    is_file: bool,
    /// The place of the first message.
    begin: u64,
}

impl<'a> Columnar<'a> for Arrow<'a> {
    type Kind = Kind;
    const FORMAT: &'static str = "Arrow";

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

    fn path(&self) -> &'a Path {
        self.path
    }

    fn chunks(&self) -> &Chunks {
        &self.chunks
    }

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

    fn encode(
        &self,
        places: &[(usize, Kind)],
        writers: &mut [ValueWriter],
    ) -> Result<u64, TableError> {
        let mut rows = 0;
        self.batches(&mut |read: &RecordBatch| {
            rows += read.num_rows() as u64;
            for ((at, kind), writer) in places.iter().zip(writers.iter_mut()) {
                let array = read.columns().get(*at);
                let array =
                    array.ok_or_else(|| self.damaged("a batch lacks a column".to_owned()))?;
                value::put_all(writer, array.as_ref(), *kind)
                    .map_err(|misfit| misfit.at(|problem| self.problem(problem)))?;
            }
            Ok(())
        })?;
        if writers.iter().any(|writer| writer.rows() != rows) {
            return Err(self.damaged("a column does not have a value for each row".to_owned()));
        }
        Ok(rows)
    }
}

impl Arrow<'_> {
    /// So many bytes from this place on; fewer are an error.
    fn bytes(&self, place: u64, length: usize) -> Result<Vec<u8>, TableError> {
        let read = self.chunks.exactly(place, length);
        read.map_err(|error| self.damaged(error.to_string()))
    }

    fn failed(&self, error: &ArrowError) -> TableError {
        self.damaged(error.to_string())
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
