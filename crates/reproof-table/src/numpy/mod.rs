//! Arrays of NumPy as immutable tables: a `.npy` file, or all arrays of a `.npz` archive.
//!
//! An array of one dimension is a column, one of two dimensions a column for each position of the
//! second: `x0`, `x1`, … Arrays of an archive give their columns their names, and must have equally
//! many rows. The fields of a structured array are columns. Objects are pickles, which are never
//! read.

mod header;
mod value;

use std::io::{BufReader, Read};
use std::ops::Range;
use std::path::Path;

use reproof_record::{Column, Digest, Schema};
use reproof_store::fs::{Io, IoError};
use reproof_store::{Batch, Store};
use zip::ZipArchive;

use crate::chunks::{Chunks, ReadFrom};
use crate::csv::{COLUMNS_AT_ONCE, MAX_FIELDS};
use crate::snapshot::{FinishedColumn, put_snapshot};
use crate::storage::ColumnWriter;
use crate::{NumpyProblem, Snapshot, SnapshotOptions, TableError};
use header::{Elements, Header};
use value::Kind;

/// What columns of an array without a name are called.
const UNNAMED: &str = "x";
/// How many bytes are read at a time. Changes no digest.
const BUFFER: usize = 256 << 10;

/// Reads a file of arrays into a batch.
pub(crate) fn snapshot(
    store: &Store,
    batch: &mut Batch,
    path: &Path,
    options: &SnapshotOptions,
) -> Result<Snapshot, TableError> {
    let source = Source::open(store.io().as_ref(), path)?;
    let before = source.digest()?;
    let taken = source.tables().and_then(|arrays| {
        let (schema, rows) = source.schema(&arrays)?;
        source.check_declared(&schema, options)?;
        let mut columns = Vec::with_capacity(schema.columns().len());
        for array in &arrays {
            columns.extend(array.encode(&source, batch, options)?);
        }
        put_snapshot(batch, schema, before, rows, columns)
    });
    // A change is the better explanation of whatever else went wrong.
    if source.digest()? != before {
        return Err(source.problem(NumpyProblem::Changed));
    }
    taken
}

/// The columns that a file of arrays would have as a table.
pub(crate) fn schema(io: &dyn Io, path: &Path) -> Result<Schema, TableError> {
    let source = Source::open(io, path)?;
    Ok(source.schema(&source.tables()?)?.0)
}

/// A file that is open.
struct Source<'a> {
    path: &'a Path,
    chunks: Chunks,
    /// Whether it is an archive of arrays.
    is_archive: bool,
}

/// An array as columns of a table.
struct Array {
    /// Its place in the archive, if it is in one.
    member: Option<usize>,
    rows: u64,
    fortran: bool,
    /// Name and type of each column, in the order in which a row has them.
    columns: Vec<(String, Kind)>,
}

impl<'a> Source<'a> {
    fn open(io: &dyn Io, path: &'a Path) -> Result<Self, TableError> {
        let chunks = Chunks::open(io, path)?;
        let mut begin = Vec::new();
        let read = chunks.from(0).take(4).read_to_end(&mut begin);
        read.map_err(|source| IoError::new("read", path, source))?;
        // An archive without members begins with the end of its directory.
        let is_archive = begin.starts_with(b"PK\x03\x04") || begin.starts_with(b"PK\x05\x06");
        Ok(Self {
            path,
            chunks,
            is_archive,
        })
    }

    fn digest(&self) -> Result<Digest, TableError> {
        let digest = self.chunks.digest();
        Ok(digest.map_err(|source| IoError::new("read", self.path, source))?)
    }

    fn problem(&self, problem: NumpyProblem) -> TableError {
        if let Some(source) = self.chunks.take_failure() {
            return IoError::new("read", self.path, source).into();
        }
        TableError::Numpy {
            path: self.path.to_owned(),
            problem,
        }
    }

    fn archive(&self) -> Result<ZipArchive<BufReader<ReadFrom>>, TableError> {
        let opened = ZipArchive::new(BufReader::new(self.chunks.from(0)));
        opened.map_err(|error| self.problem(NumpyProblem::Archive(error.to_string())))
    }

    /// Gives the bytes of an array from its start.
    fn with_bytes<T>(
        &self,
        member: Option<usize>,
        work: impl FnOnce(&mut dyn Read) -> Result<T, TableError>,
    ) -> Result<T, TableError> {
        match member {
            None => work(&mut BufReader::with_capacity(BUFFER, self.chunks.from(0))),
            Some(index) => {
                let mut archive = self.archive()?;
                let file = archive.by_index(index);
                let file =
                    file.map_err(|error| self.problem(NumpyProblem::Archive(error.to_string())))?;
                work(&mut BufReader::with_capacity(BUFFER, file))
            }
        }
    }

    /// All arrays: the one of the file, or those of the archive in its order.
    fn tables(&self) -> Result<Vec<Array>, TableError> {
        if !self.is_archive {
            return Ok(vec![self.array(None, UNNAMED)?]);
        }
        let archive = self.archive()?;
        let mut arrays = Vec::new();
        for index in 0..archive.len() {
            let member = archive.name_for_index(index);
            let member = member.and_then(Result::ok).unwrap_or_default();
            let Some(name) = member.strip_suffix(".npy") else {
                let what = format!("'{member}' is no array");
                return Err(self.problem(NumpyProblem::Archive(what)));
            };
            arrays.push(self.array(Some(index), name)?);
        }
        Ok(arrays)
    }

    fn array(&self, member: Option<usize>, name: &str) -> Result<Array, TableError> {
        let header = self.with_bytes(member, |bytes| {
            Header::read(bytes).map_err(|problem| self.problem(problem))
        })?;
        let shape = |problem: &str| {
            self.problem(NumpyProblem::Shape {
                array: name.to_owned(),
                problem: format!("{:?}: {problem}", header.shape),
            })
        };
        let columns = match (&header.of, &header.shape[..]) {
            (Elements::Plain(kind), [_]) => vec![(name.to_owned(), *kind)],
            (Elements::Plain(kind), [_, width]) => {
                if *width > MAX_FIELDS as u64 {
                    return Err(shape("it has more columns than a table may have"));
                }
                let named = |index| (format!("{name}{index}"), *kind);
                (0..*width).map(named).collect()
            }
            (Elements::Fields(fields), [_]) => {
                let prefix = if member.is_some() {
                    format!("{name}.")
                } else {
                    String::new()
                };
                let named = |(field, kind): &(String, Kind)| (format!("{prefix}{field}"), *kind);
                fields.iter().map(named).collect()
            }
            (_, []) => return Err(shape("it is a single value")),
            _ => {
                return Err(shape(
                    "a table has rows and columns: flatten it, or name it as files",
                ));
            }
        };
        Ok(Array {
            member,
            rows: header.shape[0],
            // The fields of one element lie together in either order.
            fortran: header.fortran && header.shape.len() == 2,
            columns,
        })
    }

    /// The columns of all arrays, and how many rows they have.
    fn schema(&self, arrays: &[Array]) -> Result<(Schema, u64), TableError> {
        let rows = arrays.first().map_or(0, |array| array.rows);
        let columns: Vec<_> = arrays.iter().flat_map(|array| &array.columns).collect();
        if columns.is_empty() || columns.len() > MAX_FIELDS {
            let columns = columns.len();
            return Err(self.problem(NumpyProblem::Columns { columns }));
        }
        if let Some(other) = arrays.iter().find(|array| array.rows != rows) {
            let name = |array: &Array| array.columns.first().map(|(name, _)| name.clone());
            let count = |array: &Array| {
                let name = name(array).unwrap_or_default();
                format!("'{name}' has {} rows", array.rows)
            };
            let first = arrays.first().map(count).unwrap_or_default();
            let what = format!("{first}, {}", count(other));
            return Err(self.problem(NumpyProblem::Rows(what)));
        }
        let columns = columns.into_iter().map(|(name, kind)| Column {
            name: name.clone(),
            logical_type: kind.logical_type(),
        });
        Ok((Schema::new(columns.collect())?, rows))
    }

    fn check_declared(&self, schema: &Schema, options: &SnapshotOptions) -> Result<(), TableError> {
        options.check_types(self.path, schema, |column, declared, found| {
            self.problem(NumpyProblem::Declared {
                column,
                declared,
                found,
            })
        })
    }
}

/// A column on its way.
struct Target<'a> {
    name: &'a str,
    kind: Kind,
    writer: ColumnWriter,
    missing: u64,
}

impl Array {
    /// Encodes the columns, some at a time.
    fn encode(
        &self,
        source: &Source<'_>,
        batch: &mut Batch,
        options: &SnapshotOptions,
    ) -> Result<Vec<FinishedColumn>, TableError> {
        let mut finished = Vec::with_capacity(self.columns.len());
        let at_once = if self.fortran { 1 } else { COLUMNS_AT_ONCE };
        for begin in (0..self.columns.len()).step_by(at_once) {
            let range = begin..self.columns.len().min(begin + at_once);
            finished.extend(self.encode_range(source, batch, range, options)?);
        }
        Ok(finished)
    }

    fn encode_range(
        &self,
        source: &Source<'_>,
        batch: &mut Batch,
        range: Range<usize>,
        options: &SnapshotOptions,
    ) -> Result<Vec<FinishedColumn>, TableError> {
        let mut targets = Vec::with_capacity(range.len());
        for (name, kind) in &self.columns[range.clone()] {
            let column = Column {
                name: name.clone(),
                logical_type: kind.logical_type(),
            };
            targets.push(Target {
                name,
                kind: *kind,
                writer: ColumnWriter::observed(batch, &column, options)?,
                missing: 0,
            });
        }
        source.with_bytes(self.member, |bytes| {
            Header::read(bytes).map_err(|problem| source.problem(problem))?;
            let sizes = self.columns.iter().map(|(_, kind)| kind.size as u64);
            let (before, row): (u64, u64) = if self.fortran {
                // All columns have one type: whole columns lie before this one.
                let before = sizes.take(range.start).sum::<u64>();
                (
                    before.saturating_mul(self.rows),
                    targets[0].kind.size as u64,
                )
            } else {
                (0, sizes.sum())
            };
            skip(bytes, before).map_err(|error| source.short(&error))?;
            // A row is never larger than the number of columns times the longest text, but what a
            // damaged header says must not become memory before it was read.
            let skipped: u64 = if self.fortran {
                0
            } else {
                let before = &self.columns[..range.start];
                before.iter().map(|(_, kind)| kind.size as u64).sum()
            };
            let wanted: u64 = targets.iter().map(|target| target.kind.size as u64).sum();
            let mut element = Vec::new();
            for number in 1..=self.rows {
                skip(bytes, skipped).map_err(|error| source.short(&error))?;
                for target in &mut targets {
                    element.clear();
                    let size = target.kind.size as u64;
                    let read = bytes.take(size).read_to_end(&mut element);
                    let read = read.map_err(|error| source.short(&error))?;
                    if read as u64 != size {
                        let what = "it ends before its last row".to_owned();
                        return Err(source.problem(NumpyProblem::Format(what)));
                    }
                    target.put(source, number, &element)?;
                }
                let rest = row.saturating_sub(skipped + wanted);
                skip(bytes, rest).map_err(|error| source.short(&error))?;
            }
            Ok(())
        })?;
        let finish = |target: Target<'_>| {
            let encoded = target.writer.finish(batch)?;
            Ok(encoded.finish(target.name, target.missing))
        };
        targets.into_iter().map(finish).collect()
    }
}

impl Source<'_> {
    /// Bytes that cannot be read: too few, or packed wrongly.
    fn short(&self, error: &std::io::Error) -> TableError {
        self.problem(NumpyProblem::Format(format!(
            "its data cannot be read: {error}"
        )))
    }
}

impl Target<'_> {
    fn put(&mut self, source: &Source<'_>, row: u64, element: &[u8]) -> Result<(), TableError> {
        let put = self.kind.put(&mut self.writer.buffer, element);
        let missing = put.map_err(|reason| {
            source.problem(NumpyProblem::Value {
                column: self.name.to_owned(),
                row,
                reason,
            })
        })?;
        self.missing += u64::from(missing);
        self.writer.spill()
    }
}

/// Reads so many bytes and forgets them.
fn skip(bytes: &mut dyn Read, count: u64) -> std::io::Result<()> {
    if count == 0 {
        return Ok(());
    }
    let skipped = std::io::copy(&mut bytes.take(count), &mut std::io::sink())?;
    if skipped == count {
        Ok(())
    } else {
        Err(std::io::ErrorKind::UnexpectedEof.into())
    }
}

#[cfg(test)]
mod tests;
