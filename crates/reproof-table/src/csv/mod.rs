//! CSV files as immutable tables.
//!
//! A file may be compressed with gzip or zstd, which its first bytes tell. Types are decided over all
//! values, in bounded memory: the first rows tell types, with which the columns are encoded; if any
//! value does not fit, so that they are not those that all values would tell, the files are read once
//! to decide and once more to encode. Each reading hashes the bytes, so a file that changes in between is
//! found. Columns whose types are pinned are only encoded.

mod encode;
mod files;
mod infer;
mod number;
mod reader;
mod source;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::Path;

use reproof_record::{Column, Digest, LogicalType, Schema};
use reproof_store::fs::Io;
use reproof_store::{Batch, Store};

use crate::snapshot::{FileFormat, FinishedColumn};
use crate::sources::{Sources, Taken};
use crate::storage::ColumnWriter;
use crate::{Snapshot, SnapshotOptions, SourceFile, StatisticsLevel, TableError, snapshot_file};
use encode::{NullTokens, put_fields};
use files::CsvSource;

pub(crate) use encode::{misfit, put_field};
pub(crate) use infer::{Evidence, Place, shown};
pub(crate) use reader::MAX_FIELDS;
pub(crate) use source::{Compression, Unpacked, unpacking_problem};

/// How many bytes of a file are read at a time. Changes no digest.
const BUFFER: usize = 256 << 10;
/// How many bytes of fields the first rows have, from which types are guessed. Changes no digest.
const FIRST_ROWS: usize = if cfg!(test) { 48 } else { 1 << 20 };
/// How many columns are encoded in one reading of the file: bounds the memory and the open files
/// of a table with very many columns, which is read several times.
pub(crate) const COLUMNS_AT_ONCE: usize = 128;

/// How a CSV file is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CsvOptions {
    /// What separates fields: an ASCII character, but no quote, CR or LF.
    pub delimiter: u8,
    /// The fields that stand for a missing value, in quotes or not.
    pub null_tokens: Vec<String>,
}

impl Default for CsvOptions {
    /// A comma, and the empty field, `NA`, `N/A`, `NaN`, `nan`, `null` and `NULL`.
    fn default() -> Self {
        let tokens = ["", "NA", "N/A", "NaN", "nan", "null", "NULL"];
        Self {
            delimiter: b',',
            null_tokens: tokens.map(str::to_owned).to_vec(),
        }
    }
}

/// Reads a CSV file into a batch.
///
/// The first row names the columns. The type of a column is decided by all of its values: boolean,
/// integer or float if all are, float for a mixture of integers and floats, else string. A column
/// that `pinned` names has the type given there, whatever its values; one that does not fit is an
/// error. Columns that are not pinned, and pinned ones that the file lacks, are no error.
///
/// The table's digest depends on the values only, not on quotes, line breaks or the delimiter.
/// Memory is bounded: by the number of columns and the longest row, not by the size of the file.
pub fn snapshot_csv(
    store: &Store,
    batch: &mut Batch,
    path: &Path,
    options: &CsvOptions,
    pinned: Option<&Schema>,
) -> Result<Snapshot, TableError> {
    let plan = SnapshotOptions {
        pinned: pinned.cloned(),
        statistics: StatisticsLevel::None,
        ..SnapshotOptions::default()
    };
    let format = FileFormat::Csv(options.clone());
    snapshot_file(store, batch, path, &format, &plan)
}

/// Reads CSV files into a batch.
pub(crate) fn take(
    io: &dyn Io,
    batch: &mut Batch,
    sources: &Sources<'_>,
    options: &CsvOptions,
    plan: &SnapshotOptions,
) -> Result<Taken, TableError> {
    let source = CsvSource::new(io, sources, options, BUFFER)?;
    take_from(&source, batch, plan)
}

/// The columns that a CSV file would have as a table. Nothing is stored.
pub fn csv_schema(io: &dyn Io, path: &Path, options: &CsvOptions) -> Result<Schema, TableError> {
    alone(io, path, options, |source| {
        let names = source.first_names()?;
        let survey = source.survey(&names, &vec![None; names.len()])?;
        Ok(Schema::new(survey.columns)?)
    })
}

/// Works on one file.
fn alone<T>(
    io: &dyn Io,
    path: &Path,
    options: &CsvOptions,
    work: impl FnOnce(&CsvSource<'_>) -> Result<T, TableError>,
) -> Result<T, TableError> {
    let files = [SourceFile {
        path: path.to_owned(),
        inside: String::new(),
    }];
    let sources = Sources::new(&files)?;
    work(&CsvSource::new(io, &sources, options, BUFFER)?)
}

/// A field as a value of this type, encoded; none if it is no such value.
pub(crate) fn encode_field(logical_type: LogicalType, field: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    put_field(&mut out, logical_type, field).then_some(out)
}

/// The different values of one column of a CSV file, as texts; none if there are more than
/// `limit`, or no such column. Missing values are no values.
pub fn csv_values(
    io: &dyn Io,
    path: &Path,
    options: &CsvOptions,
    column: &str,
    limit: usize,
) -> Result<Option<BTreeSet<String>>, TableError> {
    alone(io, path, options, |source| {
        let names = source.first_names()?;
        let Some(position) = names.iter().position(|name| name == column) else {
            return Ok(None);
        };
        let mut values = BTreeSet::new();
        source.read(0, &names, |nulls, rows| {
            for field in rows.column(position).filter(|field| !nulls.matches(field)) {
                values.insert(String::from_utf8_lossy(field).into_owned());
            }
            Ok(values.len() <= limit)
        })?;
        Ok((values.len() <= limit).then_some(values))
    })
}

fn take_from(
    source: &CsvSource<'_>,
    batch: &mut Batch,
    plan: &SnapshotOptions,
) -> Result<Taken, TableError> {
    let names = source.first_names()?;
    let pins = pins(&names, source.sources.path(0), plan)?;
    let is_pinned = pins.iter().all(Option::is_some);
    if let Some(pins) = source.guess(&names, &pins)? {
        let types = pins.iter().flatten().map(|pin| pin.logical_type);
        let guessed = Survey {
            columns: named(&names, types),
            digests: Vec::new(),
        };
        match encode(source, batch, plan, (&names, &pins), guessed) {
            // What the first rows told does not hold. What was written of it is no blob.
            Err(TableError::Csv { .. }) if !is_pinned => {}
            taken => return taken,
        }
    }
    let survey = source.survey(&names, &pins)?;
    encode(source, batch, plan, (&names, &pins), survey)
}

/// Encodes all columns with the types that were found.
fn encode(
    source: &CsvSource<'_>,
    batch: &mut Batch,
    plan: &SnapshotOptions,
    (names, pins): (&[String], &[Option<Pin>]),
    Survey { columns, digests }: Survey,
) -> Result<Taken, TableError> {
    let mut encoded = Encoded {
        digests,
        ..Encoded::default()
    };
    let groups = columns.len().div_ceil(COLUMNS_AT_ONCE);
    for group in 0..groups {
        let begin = group * COLUMNS_AT_ONCE;
        let range = begin..columns.len().min(begin + COLUMNS_AT_ONCE);
        let job = Job {
            names,
            columns: &columns,
            pins,
            range,
            options: plan,
        };
        source.encode(batch, &job, &mut encoded)?;
    }
    Ok(Taken {
        columns,
        finished: encoded.columns,
        rows: encoded.rows,
        digests: encoded.digests,
    })
}

/// A type that a column must have.
#[derive(Clone, Copy)]
pub(crate) struct Pin {
    pub logical_type: LogicalType,
    /// Whether the pipeline says so, rather than the lock file.
    pub declared: bool,
}

/// For each column the type that it must have, if it must have one.
pub(crate) fn pins(
    names: &[String],
    path: &Path,
    plan: &SnapshotOptions,
) -> Result<Vec<Option<Pin>>, TableError> {
    plan.check_declared(path, names.iter().map(String::as_str))?;
    let mut pins = BTreeMap::new();
    for column in plan.pinned.iter().flat_map(Schema::columns) {
        let pin = Pin {
            logical_type: column.logical_type,
            declared: false,
        };
        pins.insert(column.name.as_str(), pin);
    }
    for (name, logical_type) in &plan.declared {
        let pin = Pin {
            logical_type: *logical_type,
            declared: true,
        };
        pins.insert(name, pin);
    }
    Ok(names
        .iter()
        .map(|name| pins.get(name.as_str()).copied())
        .collect())
}

fn named(names: &[String], types: impl Iterator<Item = LogicalType>) -> Vec<Column> {
    let column = |(name, logical_type): (&String, LogicalType)| Column {
        name: name.clone(),
        logical_type,
    };
    names.iter().zip(types).map(column).collect()
}

/// What the first reading found.
struct Survey {
    columns: Vec<Column>,
    digests: Vec<Digest>,
}

/// What was encoded so far.
#[derive(Default)]
struct Encoded {
    /// The rows of each file.
    rows: Vec<u64>,
    columns: Vec<FinishedColumn>,
    /// The digest of each file's bytes, once all were read whole.
    digests: Vec<Digest>,
}

/// Which columns to encode, and how.
struct Job<'a> {
    /// All columns, by name.
    names: &'a [String],
    columns: &'a [Column],
    pins: &'a [Option<Pin>],
    range: Range<usize>,
    options: &'a SnapshotOptions,
}

/// One column that is being encoded.
struct Target {
    logical_type: LogicalType,
    writer: ColumnWriter,
    missing: u64,
}

impl Target {
    fn new(
        batch: &mut Batch,
        column: &Column,
        options: &SnapshotOptions,
    ) -> Result<Self, TableError> {
        Ok(Self {
            logical_type: column.logical_type,
            writer: ColumnWriter::observed(batch, column, options)?,
            missing: 0,
        })
    }

    /// Encodes fields; gives the number of the first, if any, that does not fit the type.
    fn put<'f>(
        &mut self,
        nulls: &NullTokens,
        fields: impl Iterator<Item = &'f [u8]>,
    ) -> Result<Option<usize>, TableError> {
        let out = &mut self.writer.buffer;
        let misfit = put_fields(out, self.logical_type, nulls, &mut self.missing, fields);
        self.writer.spill()?;
        Ok(misfit)
    }
}

#[cfg(test)]
mod tests;
