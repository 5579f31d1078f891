//! Parquet files as immutable tables, and tables as Parquet files.
//!
//! The columns of a file are read one after the other, some thousand values at a time, so memory is
//! bounded by the pages of one column and the number of columns. Narrower integers and floats are
//! widened; what a table cannot hold without change is an error that names the column.

mod kind;
mod read;
mod write;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use parquet::errors::ParquetError;
use parquet::file::reader::{FileReader, SerializedFileReader};
use reproof_record::{Column, Schema};
use reproof_store::fs::Io;

use crate::TableError;
use crate::chunks::Chunks;
use crate::columnar::{Columnar, damaged};
use crate::storage::ValueWriter;
use kind::Kind;
pub(crate) use read::{half, units};
pub use write::write_parquet;

/// A Parquet file that is open.
pub(crate) struct Parquet<'a> {
    path: &'a Path,
    chunks: Chunks,
    reader: SerializedFileReader<Chunks>,
}

impl<'a> Columnar<'a> for Parquet<'a> {
    type Kind = Kind;
    const FORMAT: &'static str = "Parquet";

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
            Err(error) => Err(damaged::<Self>(path, &chunks, error.to_string())),
        }
    }

    fn path(&self) -> &'a Path {
        self.path
    }

    fn chunks(&self) -> &Chunks {
        &self.chunks
    }

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

    fn encode(
        &self,
        places: &[(usize, Kind)],
        writers: &mut [ValueWriter],
    ) -> Result<u64, TableError> {
        for ((index, kind), writer) in places.iter().zip(writers) {
            read::column(self, *index, *kind, writer)?;
        }
        Ok(self.rows())
    }
}

impl Parquet<'_> {
    fn failed(&self, error: &ParquetError) -> TableError {
        self.damaged(error.to_string())
    }

    /// The number of rows that the file says it has.
    fn rows(&self) -> u64 {
        u64::try_from(self.reader.metadata().file_metadata().num_rows()).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests;
