//! CSV files as immutable tables.
//!
//! A file may be compressed with gzip or zstd, which its first bytes tell. The files of a source are
//! read twice in bounded memory: once to decide the types over all values, once to encode the
//! columns; columns whose types are pinned need no first reading. Each reading hashes the bytes, so a
//! file that changes in between is found.

mod encode;
mod infer;
mod number;
mod reader;
mod source;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Seek, SeekFrom};
use std::ops::Range;
use std::path::Path;

use reproof_record::{Column, Digest, LogicalType, Schema};
use reproof_store::fs::{Io, IoError};
use reproof_store::{Batch, Store};

use crate::encoding::put_missing;
use crate::snapshot::{FileFormat, FinishedColumn};
use crate::sources::{Sources, Taken};
use crate::storage::ColumnWriter;
use crate::{
    CsvProblem, Snapshot, SnapshotOptions, SourceFile, StatisticsLevel, TableError, snapshot_file,
};
use encode::NullTokens;
use reader::{RowError, RowReader};

pub(crate) use encode::{misfit, put_field};
pub(crate) use infer::{Evidence, Place, shown};
pub(crate) use reader::MAX_FIELDS;
pub(crate) use source::{Compression, Unpacked, unpacking_problem};

/// How many bytes of a file are read at a time. Changes no digest.
const BUFFER: usize = 256 << 10;
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
        source.read(0, &names, |nulls, row| {
            let field = row.field(position);
            if !nulls.matches(field) {
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
    let survey = if pins.iter().all(Option::is_some) {
        None
    } else {
        Some(source.survey(&names, &pins)?)
    };
    let pinned = || pins.iter().flatten().map(|pin| pin.logical_type);
    let columns: Vec<Column> = match &survey {
        Some(survey) => survey.columns.clone(),
        None => named(&names, pinned()),
    };
    let mut encoded = Encoded {
        digests: survey.map_or(Vec::new(), |survey| survey.digests),
        ..Encoded::default()
    };
    let groups = columns.len().div_ceil(COLUMNS_AT_ONCE);
    for group in 0..groups {
        let begin = group * COLUMNS_AT_ONCE;
        let range = begin..columns.len().min(begin + COLUMNS_AT_ONCE);
        let job = Job {
            names: &names,
            columns: &columns,
            pins: &pins,
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

/// CSV files that may be read several times.
struct CsvSource<'a> {
    io: &'a dyn Io,
    sources: &'a Sources<'a>,
    delimiter: u8,
    nulls: NullTokens,
    buffer_size: usize,
}

/// A row, whose fields are named by the columns of the first file.
struct Ordered<'a> {
    row: reader::Row<'a>,
    /// Which field of the row each column has, where they do not lie alike.
    order: Option<&'a [usize]>,
}

impl<'a> Ordered<'a> {
    #[inline]
    fn field(&self, column: usize) -> &'a [u8] {
        self.row
            .field(self.order.map_or(column, |order| order[column]))
    }
}

impl<'a> CsvSource<'a> {
    fn new(
        io: &'a dyn Io,
        sources: &'a Sources<'a>,
        options: &CsvOptions,
        buffer_size: usize,
    ) -> Result<Self, TableError> {
        let delimiter = options.delimiter;
        let source = Self {
            io,
            sources,
            delimiter,
            nulls: NullTokens::new(&options.null_tokens),
            buffer_size,
        };
        if !delimiter.is_ascii() || matches!(delimiter, b'"' | b'\n' | b'\r') {
            let problem = CsvProblem::Delimiter(char::from(delimiter));
            return Err(source.problem(0, None, problem));
        }
        Ok(source)
    }

    fn problem(&self, file: usize, line: Option<u64>, problem: CsvProblem) -> TableError {
        TableError::Csv {
            path: self.sources.path(file).to_owned(),
            line,
            problem,
        }
    }

    fn changed(&self, file: usize) -> TableError {
        self.problem(file, None, CsvProblem::Changed)
    }

    /// The columns of the first file.
    fn first_names(&self) -> Result<Vec<String>, TableError> {
        let (names, _) = self.read(0, &[], |_, _| Ok(false))?;
        self.sources
            .order(0, names.iter().map(String::as_str), &[])?;
        Ok(names)
    }

    /// Reads a file from its start. Gives the header, and the digest if it was read to its end.
    /// Every row has as many fields as the header, whose columns are those of the first file in any
    /// order. The reading ends early if `row` says false.
    fn read(
        &self,
        file: usize,
        first: &[String],
        mut row: impl FnMut(&NullTokens, &Ordered<'_>) -> Result<bool, Stop>,
    ) -> Result<(Vec<String>, Digest), TableError> {
        let path = self.sources.path(file);
        let failed = |error: RowError| match error {
            RowError::Io(source) => match unpacking_problem(&source) {
                Some(problem) => Stop::Unpacking(problem),
                None => IoError::new("read", path, source).into(),
            },
            RowError::Csv { line, problem } => Stop::Csv(line, problem),
        };
        let mut opened = self.io.open_read(path)?;
        let compression = Compression::of_file(path, opened.as_mut())?;
        let compression = compression.map_err(|problem| self.problem(file, None, problem))?;
        let rewound = opened.seek(SeekFrom::Start(0));
        rewound.map_err(|source| IoError::new("seek in", path, source))?;
        let unpacked = Unpacked::new(opened.as_mut(), compression)
            .map_err(|source| IoError::new("read", path, source))?;
        let mut rows = RowReader::new(unpacked, self.delimiter, self.buffer_size);
        let nulls = &self.nulls;
        let mut all = || -> Result<Vec<String>, Stop> {
            let header = rows.next().map_err(failed)?;
            let header = header.ok_or(Stop::Csv(1, CsvProblem::Empty))?;
            let names = names(&header)?;
            let found = names.iter().map(String::as_str);
            let order = if file == 0 {
                None
            } else {
                self.sources.order(file, found, first)?
            };
            while let Some(next) = rows.next().map_err(failed)? {
                if next.len() != names.len() {
                    let problem = CsvProblem::Ragged {
                        wanted: names.len(),
                        found: next.len(),
                    };
                    return Err(Stop::Csv(next.line, problem));
                }
                let next = Ordered {
                    row: next,
                    order: order.as_deref(),
                };
                if !row(nulls, &next)? {
                    break;
                }
            }
            Ok(names)
        };
        let names = all();
        let digest = rows.into_source().digest();
        match names {
            // The rows of a first file with other columns were read as what they are not.
            Ok(names) if file == 0 && !first.is_empty() && names != first => {
                Err(self.changed(file))
            }
            Ok(names) => Ok((names, digest)),
            Err(Stop::Table(error)) => Err(error),
            Err(Stop::Csv(line, problem)) => Err(self.problem(file, Some(line), problem)),
            Err(Stop::Unpacking(problem)) => Err(self.problem(file, None, problem)),
        }
    }

    /// Decides the types that are not pinned.
    fn survey(&self, names: &[String], pins: &[Option<Pin>]) -> Result<Survey, TableError> {
        let mut evidence = vec![Evidence::default(); names.len()];
        let mut digests = Vec::with_capacity(self.sources.len());
        for file in 0..self.sources.len() {
            let (_, digest) = self.read(file, names, |nulls, row| {
                if row.row.len() != pins.len() {
                    return Err(Stop::Csv(row.row.line, CsvProblem::Changed));
                }
                let place = Place {
                    file,
                    line: row.row.line,
                };
                for ((column, evidence), pin) in evidence.iter_mut().enumerate().zip(pins) {
                    let field = row.field(column);
                    if pin.is_none() && !nulls.matches(field) {
                        evidence.observe(field, place);
                    }
                }
                Ok(true)
            })?;
            digests.push(digest);
        }
        let mut types = Vec::with_capacity(names.len());
        for ((name, pin), evidence) in names.iter().zip(pins).zip(&evidence) {
            let pinned = pin.map(|pin| pin.logical_type);
            let decided = pinned.map_or_else(|| evidence.decide(name), Ok);
            types.push(
                decided.map_err(|(place, problem)| {
                    self.problem(place.file, Some(place.line), problem)
                })?,
            );
        }
        Ok(Survey {
            columns: named(names, types.into_iter()),
            digests,
        })
    }

    /// Encodes a range of the columns, and checks that the bytes are those of earlier readings.
    fn encode(
        &self,
        batch: &mut Batch,
        job: &Job<'_>,
        encoded: &mut Encoded,
    ) -> Result<(), TableError> {
        let range = job.range.clone();
        let mut targets = Vec::with_capacity(range.len());
        for column in &job.columns[range.clone()] {
            targets.push(Target::new(batch, column, job.options)?);
        }
        let mut rows = Vec::with_capacity(self.sources.len());
        let mut digests = Vec::with_capacity(self.sources.len());
        for file in 0..self.sources.len() {
            let before = encoded.digests.get(file).copied();
            let (count, digest) = self.encode_file(file, job, &mut targets, before)?;
            rows.push(count);
            digests.push(digest);
        }
        encoded.digests = digests;
        encoded.rows = rows;
        for (target, column) in targets.into_iter().zip(&job.columns[range]) {
            let missing = target.missing;
            let finished = target.writer.finish(batch)?.finish(&column.name, missing);
            encoded.columns.push(finished);
        }
        Ok(())
    }

    /// Encodes a range of the columns of one file, whose bytes an earlier reading found to be of the
    /// digest `before`. Gives its rows and its digest.
    fn encode_file(
        &self,
        file: usize,
        job: &Job<'_>,
        targets: &mut [Target],
        before: Option<Digest>,
    ) -> Result<(u64, Digest), TableError> {
        let mut rows = 0;
        let read = self.read(file, job.names, |nulls, row| {
            rows += 1;
            if row.row.len() != job.names.len() {
                return Err(Stop::Csv(row.row.line, CsvProblem::Changed));
            }
            for (index, target) in job.range.clone().zip(targets.iter_mut()) {
                let field = row.field(index);
                if !target.put(nulls, field)? {
                    let Some(pin) = job.pins[index] else {
                        return Err(Stop::Csv(row.row.line, CsvProblem::Changed));
                    };
                    let problem = misfit(&job.columns[index].name, pin, field);
                    return Err(Stop::Csv(row.row.line, problem));
                }
            }
            Ok(true)
        });
        match (read, before) {
            (Ok((_, digest)), Some(before)) if digest != before => Err(self.changed(file)),
            (Ok((_, digest)), _) => Ok((rows, digest)),
            // An earlier reading went through these bytes.
            (Err(TableError::Csv { problem, .. }), Some(_)) if !about_a_pin(&problem) => {
                Err(self.changed(file))
            }
            (Err(TableError::Differ { .. }), Some(_)) => Err(self.changed(file)),
            (Err(error), _) => Err(error),
        }
    }
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

    /// Encodes a field; false if it does not fit the type.
    #[inline]
    fn put(&mut self, nulls: &NullTokens, field: &[u8]) -> Result<bool, TableError> {
        let out = &mut self.writer.buffer;
        let fits = if nulls.matches(field) {
            put_missing(out, self.logical_type);
            self.missing += 1;
            true
        } else {
            put_field(out, self.logical_type, field)
        };
        self.writer.spill()?;
        Ok(fits)
    }
}

/// Whether a problem is that a value does not fit a pinned type, which only encoding finds.
fn about_a_pin(problem: &CsvProblem) -> bool {
    matches!(
        problem,
        CsvProblem::Pinned { .. }
            | CsvProblem::Declared { .. }
            | CsvProblem::IntegerTooLarge { .. }
            | CsvProblem::InexactInteger { .. }
            | CsvProblem::FloatTooLarge { .. }
            | CsvProblem::Decimal { .. }
    )
}

/// Why a reading ends.
enum Stop {
    Csv(u64, CsvProblem),
    /// Compressed bytes have no lines.
    Unpacking(CsvProblem),
    Table(TableError),
}

impl From<TableError> for Stop {
    fn from(error: TableError) -> Self {
        Self::Table(error)
    }
}

impl From<IoError> for Stop {
    fn from(error: IoError) -> Self {
        Self::Table(error.into())
    }
}

/// The names of the columns.
fn names(header: &reader::Row<'_>) -> Result<Vec<String>, Stop> {
    let mut names = Vec::with_capacity(header.len());
    let mut positions = BTreeMap::new();
    for (field, position) in header.fields().zip(1..) {
        // The reader gives UTF-8 only.
        let name = String::from_utf8_lossy(field).into_owned();
        let problem = if name.is_empty() {
            CsvProblem::EmptyName { position }
        } else if let Some(first) = positions.insert(name.clone(), position) {
            CsvProblem::DuplicateName {
                name,
                first,
                second: position,
            }
        } else {
            names.push(name);
            continue;
        };
        return Err(Stop::Csv(header.line, problem));
    }
    Ok(names)
}

#[cfg(test)]
mod tests;
