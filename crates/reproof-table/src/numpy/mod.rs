//! Arrays of NumPy as immutable tables: a `.npy` file, or all arrays of a `.npz` archive.
//!
//! An array of one dimension is a column, one of two dimensions a column for each position of the
//! second: `x0`, `x1`, … Arrays of an archive give their columns their names, and must have equally
//! many rows. The fields of a structured array are columns. Objects are pickles, which are never
//! read.

mod header;
mod layout;
mod value;

pub use layout::{NumpyArray, NumpyElement};

use std::io::{BufReader, Read};
use std::ops::Range;
use std::path::Path;

use reproof_record::{Column, Digest, Schema};
use reproof_store::Batch;
use reproof_store::fs::{Io, IoError};
use zip::ZipArchive;

use crate::chunks::{Chunks, ReadFrom};
use crate::csv::{COLUMNS_AT_ONCE, MAX_FIELDS};
use crate::snapshot::FinishedColumn;
use crate::sources::{Sources, Taken};
use crate::storage::ColumnWriter;
use crate::{NumpyProblem, SnapshotOptions, TableError};
use header::{Elements, Header};
use value::Kind;

/// What columns of an array without a name are called.
const UNNAMED: &str = "x";
/// How many bytes are read at a time. Changes no digest.
const BUFFER: usize = 256 << 10;

/// Reads files of arrays into a batch.
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
            targets.push(Target {
                name: &column.name,
                writer: ColumnWriter::observed(batch, column, options)?,
                missing: 0,
            });
        }
        for (file, before) in all.digests.iter().enumerate() {
            let source = Source::open(io, sources.path(file))?;
            let read = all.encode(file, &source, columns.clone(), &mut targets);
            source.unchanged(before)?;
            read?;
        }
        for target in targets {
            let encoded = target.writer.finish(batch)?;
            finished.push(encoded.finish(target.name, target.missing));
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
    /// Looks at the arrays of every file.
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
            let looked = source.tables().and_then(|arrays| {
                let (schema, rows) = source.schema(&arrays)?;
                if file == 0 {
                    source.check_declared(&schema, options)?;
                    all.columns = schema.columns().to_vec();
                    let names = all.columns.iter().map(|column| column.name.clone());
                    all.names = names.collect();
                }
                all.places(file, &schema)?;
                Ok(rows)
            });
            if looked.is_err() {
                source.unchanged(&digest)?;
            }
            all.rows.push(looked?);
            all.digests.push(digest);
        }
        Ok(all)
    }

    /// Which column of a file each column is; none if they lie alike.
    fn places(&self, file: usize, schema: &Schema) -> Result<Option<Vec<usize>>, TableError> {
        let found = schema.columns();
        let names = found.iter().map(|column| column.name.as_str());
        let order = self.sources.order(file, &names, &self.names)?;
        for (index, column) in self.columns.iter().enumerate() {
            let theirs = found.get(order.as_ref().map_or(index, |order| order[index]));
            let theirs = theirs.map(|column| column.logical_type);
            if let Some(theirs) = theirs.filter(|theirs| *theirs != column.logical_type) {
                let (name, wanted) = (&column.name, column.logical_type);
                let problem = format!("its column '{name}' is {theirs}, not {wanted}");
                return Err(self.sources.differ(file, problem));
            }
        }
        Ok(order)
    }

    /// Encodes the columns of this range of a file.
    fn encode(
        &self,
        file: usize,
        source: &Source<'_>,
        range: Range<usize>,
        targets: &mut [Target<'_>],
    ) -> Result<(), TableError> {
        let arrays = source.tables()?;
        let (schema, _) = source.schema(&arrays)?;
        let order = self.places(file, &schema)?;
        // Which of the targets each column of the file goes to.
        let mut wanted: Vec<Option<usize>> = vec![None; schema.columns().len()];
        for index in range.clone() {
            let at = order.as_ref().map_or(index, |order| order[index]);
            if let Some(place) = wanted.get_mut(at) {
                *place = Some(index - range.start);
            }
        }
        let mut rest = wanted.as_slice();
        for array in &arrays {
            let (own, more) = rest.split_at(array.columns.len().min(rest.len()));
            rest = more;
            if array.fortran {
                for (at, target) in own
                    .iter()
                    .enumerate()
                    .filter_map(|(at, t)| Some((at, (*t)?)))
                {
                    array.encode_column(source, at, &mut targets[target])?;
                }
            } else if own.iter().any(Option::is_some) {
                array.encode_rows(source, own, targets)?;
            }
        }
        Ok(())
    }
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

    /// Refuses a file whose bytes are not of this digest any more: that is a better explanation of
    /// whatever else went wrong.
    fn unchanged(&self, before: &Digest) -> Result<(), TableError> {
        if self.digest()? == *before {
            Ok(())
        } else {
            Err(self.problem(NumpyProblem::Changed))
        }
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
    writer: ColumnWriter,
    missing: u64,
}

impl Array {
    /// Encodes one column of an array whose columns lie one after the other.
    fn encode_column(
        &self,
        source: &Source<'_>,
        at: usize,
        target: &mut Target<'_>,
    ) -> Result<(), TableError> {
        source.with_bytes(self.member, |bytes| {
            Header::read(bytes).map_err(|problem| source.problem(problem))?;
            let sizes = self.columns.iter().map(|(_, kind)| kind.size as u64);
            let before = sizes.take(at).sum::<u64>().saturating_mul(self.rows);
            skip(bytes, before).map_err(|error| source.short(&error))?;
            let kind = self.columns[at].1;
            let mut element = Vec::new();
            for number in 1..=self.rows {
                source.element(bytes, kind, &mut element)?;
                target.put(source, kind, number, &element)?;
            }
            Ok(())
        })
    }

    /// Encodes those columns of an array whose rows lie one after the other that go to a target.
    fn encode_rows(
        &self,
        source: &Source<'_>,
        wanted: &[Option<usize>],
        targets: &mut [Target<'_>],
    ) -> Result<(), TableError> {
        source.with_bytes(self.member, |bytes| {
            Header::read(bytes).map_err(|problem| source.problem(problem))?;
            let mut element = Vec::new();
            for number in 1..=self.rows {
                let mut unread = 0;
                for ((_, kind), target) in self.columns.iter().zip(wanted) {
                    let Some(target) = target.and_then(|target| targets.get_mut(target)) else {
                        unread += kind.size as u64;
                        continue;
                    };
                    skip(bytes, unread).map_err(|error| source.short(&error))?;
                    unread = 0;
                    source.element(bytes, *kind, &mut element)?;
                    target.put(source, *kind, number, &element)?;
                }
                skip(bytes, unread).map_err(|error| source.short(&error))?;
            }
            Ok(())
        })
    }
}

impl Source<'_> {
    /// Reads one element. It is never larger than the longest text, but what a damaged header says
    /// must not become memory before it was read.
    fn element(
        &self,
        bytes: &mut dyn Read,
        kind: Kind,
        element: &mut Vec<u8>,
    ) -> Result<(), TableError> {
        element.clear();
        let size = kind.size as u64;
        let read = bytes.take(size).read_to_end(element);
        let read = read.map_err(|error| self.short(&error))?;
        if read as u64 == size {
            return Ok(());
        }
        let what = "it ends before its last row".to_owned();
        Err(self.problem(NumpyProblem::Format(what)))
    }

    /// Bytes that cannot be read: too few, or packed wrongly.
    fn short(&self, error: &std::io::Error) -> TableError {
        self.problem(NumpyProblem::Format(format!(
            "its data cannot be read: {error}"
        )))
    }
}

impl Target<'_> {
    fn put(
        &mut self,
        source: &Source<'_>,
        kind: Kind,
        row: u64,
        element: &[u8],
    ) -> Result<(), TableError> {
        let put = kind.put(&mut self.writer.buffer, element);
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
