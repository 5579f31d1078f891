//! Parquet files as immutable tables, and tables as Parquet files.
//!
//! The columns of a file are read one after the other, some thousand values at a time, so memory is
//! bounded by the pages of one column and the number of columns. Files are hashed before and after,
//! so one that changes while it is read is found. Narrower integers and floats are widened; what a table cannot hold without
//! change is an error that names the column.

mod kind;
mod read;
mod write;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use parquet::errors::ParquetError;
use parquet::file::reader::{FileReader, SerializedFileReader};
use reproof_record::{Column, Digest, Schema};
use reproof_store::Batch;
use reproof_store::fs::{Io, IoError};

use crate::chunks::Chunks;
use crate::csv::COLUMNS_AT_ONCE;
use crate::snapshot::FinishedColumn;
use crate::sources::{Sources, Taken};
use crate::{ParquetProblem, SnapshotOptions, TableError};
use kind::Kind;
pub(crate) use read::half;
pub use write::write_parquet;

/// Reads Parquet files into a batch.
pub(crate) fn take(
    io: &dyn Io,
    batch: &mut Batch,
    sources: &Sources<'_>,
    options: &SnapshotOptions,
) -> Result<Taken, TableError> {
    let all = All::survey(io, sources, options)?;
    let mut finished: Vec<FinishedColumn> = Vec::with_capacity(all.columns.len());
    for begin in (0..all.columns.len()).step_by(COLUMNS_AT_ONCE) {
        let columns = begin..all.columns.len().min(begin + COLUMNS_AT_ONCE);
        let mut targets = Vec::with_capacity(columns.len());
        for column in &all.columns[columns.clone()] {
            targets.push(read::Target::new(batch, column, options)?);
        }
        for (file, before) in all.digests.iter().enumerate() {
            let source = Source::open(io, sources.path(file))?;
            let read = guarded(&source, || {
                let places = all.places(file, &source)?;
                for ((at, kind), target) in places[columns.clone()].iter().zip(&mut targets) {
                    target.file(&source, *at, *kind)?;
                }
                Ok(())
            });
            source.unchanged(before)?;
            read?;
        }
        for target in targets {
            finished.push(target.finish(batch)?);
        }
    }
    Ok(Taken {
        columns: all.columns,
        finished,
        rows: all.rows,
        digests: all.digests,
    })
}

/// What all files have in common, and what was found of each.
struct All<'a> {
    sources: &'a Sources<'a>,
    columns: Vec<Column>,
    names: Vec<String>,
    rows: Vec<u64>,
    digests: Vec<Digest>,
}

impl<'a> All<'a> {
    /// Looks at the schema of every file.
    fn survey(
        io: &dyn Io,
        sources: &'a Sources<'a>,
        options: &SnapshotOptions,
    ) -> Result<Self, TableError> {
        let mut all = Self {
            sources,
            columns: Vec::new(),
            names: Vec::new(),
            rows: Vec::with_capacity(sources.len()),
            digests: Vec::with_capacity(sources.len()),
        };
        for file in 0..sources.len() {
            let source = Source::open(io, sources.path(file))?;
            let digest = source.digest()?;
            let looked = guarded(&source, || {
                if file == 0 {
                    let (schema, _) = source.schema()?;
                    source.check_declared(&schema, options)?;
                    all.columns = schema.columns().to_vec();
                    let names = all.columns.iter().map(|column| column.name.clone());
                    all.names = names.collect();
                }
                all.places(file, &source)
            });
            if looked.is_err() {
                source.unchanged(&digest)?;
            }
            looked?;
            all.rows.push(source.rows());
            all.digests.push(digest);
        }
        Ok(all)
    }

    /// Where in a file each column lies, and how it is read.
    fn places(&self, file: usize, source: &Source<'_>) -> Result<Vec<(usize, Kind)>, TableError> {
        let (schema, kinds) = source.schema()?;
        let found = schema.columns().iter().map(|column| column.name.as_str());
        let order = self.sources.order(file, &found, &self.names)?;
        let mut places = Vec::with_capacity(self.columns.len());
        for (index, column) in self.columns.iter().enumerate() {
            let at = order.as_ref().map_or(index, |order| order[index]);
            // A file that is another one by now may have fewer.
            let (Some(theirs), Some(kind)) = (schema.columns().get(at), kinds.get(at)) else {
                return Err(source.problem(ParquetProblem::Changed));
            };
            if theirs.logical_type != column.logical_type {
                let (name, found, wanted) =
                    (&column.name, theirs.logical_type, column.logical_type);
                let problem = format!("its column '{name}' is {found}, not {wanted}");
                return Err(self.sources.differ(file, problem));
            }
            places.push((at, *kind));
        }
        Ok(places)
    }
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
        Err(source.problem(ParquetProblem::Format(what)))
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

    /// Refuses a file whose bytes are not of this digest any more: that is a better explanation of
    /// whatever else went wrong.
    fn unchanged(&self, before: &Digest) -> Result<(), TableError> {
        if self.digest()? == *before {
            Ok(())
        } else {
            Err(self.problem(ParquetProblem::Changed))
        }
    }

    fn problem(&self, problem: ParquetProblem) -> TableError {
        TableError::Parquet {
            path: self.path.to_owned(),
            problem,
        }
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
            self.problem(ParquetProblem::Declared {
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
    TableError::Parquet {
        path: path.to_owned(),
        problem: ParquetProblem::Format(error.to_string()),
    }
}

#[cfg(test)]
mod tests;
