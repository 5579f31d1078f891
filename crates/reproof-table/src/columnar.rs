//! Files of columns that have types of their own, Parquet and Arrow, as one table.
//!
//! Some columns of every file are read at a time, file after file, so memory is bounded. Files are
//! hashed before and after, so one that changes while it is read is found.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use reproof_record::{Column, Digest, Schema};
use reproof_store::Batch;
use reproof_store::fs::{Io, IoError};

use crate::chunks::Chunks;
use crate::csv::COLUMNS_AT_ONCE;
use crate::snapshot::FinishedColumn;
use crate::sources::{Sources, Taken};
use crate::storage::ValueWriter;
use crate::{ColumnarProblem, SnapshotOptions, TableError};

/// A file of such a format that is open.
pub(crate) trait Columnar<'a>: Sized {
    /// How the values of a column are read.
    type Kind: Copy;
    /// As messages name the format.
    const FORMAT: &'static str;

    fn open(io: &dyn Io, path: &'a Path) -> Result<Self, TableError>;

    fn path(&self) -> &'a Path;

    fn chunks(&self) -> &Chunks;

    /// The columns as those of a table, and how each is read.
    fn schema(&self) -> Result<(Schema, Vec<Self::Kind>), TableError>;

    /// Writes all values of the columns at these places of the file, each to its writer. Gives the
    /// number of rows.
    fn encode(
        &self,
        places: &[(usize, Self::Kind)],
        writers: &mut [ValueWriter],
    ) -> Result<u64, TableError>;

    /// The digest of the file's bytes as they are now.
    fn digest(&self) -> Result<Digest, TableError> {
        let digest = self.chunks().digest();
        Ok(digest.map_err(|source| IoError::new("read", self.path(), source))?)
    }

    /// Refuses a file whose bytes are not of this digest any more: that is a better explanation of
    /// whatever else went wrong.
    fn unchanged(&self, before: &Digest) -> Result<(), TableError> {
        if self.digest()? == *before {
            Ok(())
        } else {
            Err(self.problem(ColumnarProblem::Changed))
        }
    }

    fn problem(&self, problem: ColumnarProblem) -> TableError {
        TableError::Columnar {
            path: self.path().to_owned(),
            problem: Box::new(problem),
        }
    }

    /// The error of a file that could not be read, or is not what it should be.
    fn damaged(&self, what: String) -> TableError {
        damaged::<Self>(self.path(), self.chunks(), what)
    }

    /// Turns a panic of a library, which trusts some of what files say, into an error.
    fn guarded<T>(&self, read: impl FnOnce() -> Result<T, TableError>) -> Result<T, TableError> {
        catch_unwind(AssertUnwindSafe(read)).unwrap_or_else(|_| {
            let what = format!("the library of {} gave up on it", Self::FORMAT);
            Err(self.damaged(what))
        })
    }

    fn check_declared(&self, schema: &Schema, options: &SnapshotOptions) -> Result<(), TableError> {
        options.check_types(self.path(), schema, |column, declared, found| {
            self.problem(ColumnarProblem::Declared {
                column,
                declared,
                found,
            })
        })
    }
}

/// The error of a file that could not be read, or is not of the format.
pub(crate) fn damaged<'a, F: Columnar<'a>>(
    path: &Path,
    chunks: &Chunks,
    what: String,
) -> TableError {
    if let Some(source) = chunks.take_failure() {
        return IoError::new("read", path, source).into();
    }
    TableError::Columnar {
        path: path.to_owned(),
        problem: Box::new(ColumnarProblem::Format {
            format: F::FORMAT,
            what,
        }),
    }
}

/// The columns that a file would have as a table.
pub(crate) fn schema<'a, F: Columnar<'a>>(
    io: &dyn Io,
    path: &'a Path,
) -> Result<Schema, TableError> {
    let source = F::open(io, path)?;
    source.guarded(|| Ok(source.schema()?.0))
}

/// Reads files into a batch.
pub(crate) fn take<'a, F: Columnar<'a>>(
    io: &dyn Io,
    batch: &mut Batch,
    sources: &Sources<'a>,
    options: &SnapshotOptions,
) -> Result<Taken, TableError> {
    let all = All::survey::<F>(io, sources, options)?;
    let mut finished: Vec<FinishedColumn> = Vec::with_capacity(all.columns.len());
    let mut rows = vec![0; sources.len()];
    // Also files without columns may have rows.
    for begin in (0..all.columns.len().max(1)).step_by(COLUMNS_AT_ONCE) {
        let columns = begin..all.columns.len().min(begin + COLUMNS_AT_ONCE);
        let mut writers = Vec::with_capacity(columns.len());
        for column in &all.columns[columns.clone()] {
            writers.push(ValueWriter::new(batch, column, options)?);
        }
        for (file, before) in all.digests.iter().enumerate() {
            let source = F::open(io, sources.path(file))?;
            let read = source.guarded(|| {
                let places = all.places(file, &source)?;
                for writer in &mut writers {
                    writer.begin_file();
                }
                source.encode(&places[columns.clone()], &mut writers)
            });
            source.unchanged(before)?;
            rows[file] = read?;
        }
        for writer in writers {
            finished.push(writer.finish(batch)?);
        }
    }
    Ok(Taken {
        columns: all.columns,
        finished,
        rows,
        digests: all.digests,
    })
}

/// What all files have in common, and what was found of each.
struct All<'s, 'a> {
    sources: &'s Sources<'a>,
    columns: Vec<Column>,
    names: Vec<String>,
    digests: Vec<Digest>,
}

impl<'s, 'a> All<'s, 'a> {
    /// Looks at the schema of every file.
    fn survey<F: Columnar<'a>>(
        io: &dyn Io,
        sources: &'s Sources<'a>,
        options: &SnapshotOptions,
    ) -> Result<Self, TableError> {
        let mut all = Self {
            sources,
            columns: Vec::new(),
            names: Vec::new(),
            digests: Vec::with_capacity(sources.len()),
        };
        for file in 0..sources.len() {
            let source = F::open(io, sources.path(file))?;
            let digest = source.digest()?;
            let looked = source.guarded(|| {
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
            all.digests.push(digest);
        }
        Ok(all)
    }

    /// Where in a file each column lies, and how it is read.
    fn places<F: Columnar<'a>>(
        &self,
        file: usize,
        source: &F,
    ) -> Result<Vec<(usize, F::Kind)>, TableError> {
        let (schema, kinds) = source.schema()?;
        let found = schema.columns().iter().map(|column| column.name.as_str());
        let order = self.sources.order(file, &found, &self.names)?;
        let mut places = Vec::with_capacity(self.columns.len());
        for (index, column) in self.columns.iter().enumerate() {
            let at = order.as_ref().map_or(index, |order| order[index]);
            // A file that is another one by now may have fewer.
            let (Some(theirs), Some(kind)) = (schema.columns().get(at), kinds.get(at)) else {
                return Err(source.problem(ColumnarProblem::Changed));
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
