//! CSV files as immutable tables.
//!
//! A file may be compressed with gzip or zstd, which its first bytes tell. The file is read twice in bounded memory: once to decide the types over all values, once to
//! encode the columns; columns whose types are pinned need no first reading. Each reading hashes
//! the bytes, so a file that changes in between is found.

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
use reproof_store::fs::{Io, IoError, ReadFile};
use reproof_store::{Batch, Store};

use crate::encoding::put_missing;
use crate::snapshot::{FinishedColumn, put_snapshot};
use crate::storage::ColumnWriter;
use crate::{CsvProblem, Snapshot, SnapshotOptions, StatisticsLevel, TableError};
use encode::NullTokens;
use reader::{RowError, RowReader};

pub(crate) use encode::{misfit, put_field};
pub(crate) use infer::{Evidence, shown};
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
    snapshot_with(store, batch, path, options, &plan)
}

/// As [`snapshot_csv`], with declared types and statistics.
pub(crate) fn snapshot_with(
    store: &Store,
    batch: &mut Batch,
    path: &Path,
    options: &CsvOptions,
    plan: &SnapshotOptions,
) -> Result<Snapshot, TableError> {
    let source = CsvSource::open(store.io().as_ref(), path, options, BUFFER)?;
    snapshot(source, batch, plan)
}

/// The columns that a CSV file would have as a table. Nothing is stored.
pub fn csv_schema(io: &dyn Io, path: &Path, options: &CsvOptions) -> Result<Schema, TableError> {
    let mut source = CsvSource::open(io, path, options, BUFFER)?;
    let (names, _) = source.read(|_, _| Ok(false))?;
    let survey = source.survey(&names, &vec![None; names.len()])?;
    Ok(Schema::new(survey.columns)?)
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
    let mut source = CsvSource::open(io, path, options, BUFFER)?;
    let (names, _) = source.read(|_, _| Ok(false))?;
    let Some(position) = names.iter().position(|name| name == column) else {
        return Ok(None);
    };
    let mut values = BTreeSet::new();
    source.read(|nulls, row| {
        if let Some(field) = row.fields().nth(position)
            && !nulls.matches(field)
        {
            values.insert(String::from_utf8_lossy(field).into_owned());
        }
        Ok(values.len() <= limit)
    })?;
    Ok((values.len() <= limit).then_some(values))
}

fn snapshot(
    mut source: CsvSource<'_>,
    batch: &mut Batch,
    plan: &SnapshotOptions,
) -> Result<Snapshot, TableError> {
    let (names, _) = source.read(|_, _| Ok(false))?;
    let pins = pins(&names, source.path, plan)?;
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
        digest: survey.map(|survey| survey.digest),
        ..Encoded::default()
    };
    let groups = columns.len().div_ceil(COLUMNS_AT_ONCE);
    for group in 0..groups {
        let begin = group * COLUMNS_AT_ONCE;
        let range = begin..columns.len().min(begin + COLUMNS_AT_ONCE);
        let job = Job {
            columns: &columns,
            pins: &pins,
            range,
            options: plan,
        };
        source.encode(batch, &job, &mut encoded)?;
    }
    let source_digest = encoded.digest.ok_or_else(|| source.changed())?;
    put_snapshot(
        batch,
        Schema::new(columns)?,
        source_digest,
        encoded.rows,
        encoded.columns,
    )
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
    digest: Digest,
}

/// What was encoded so far.
#[derive(Default)]
struct Encoded {
    rows: u64,
    columns: Vec<FinishedColumn>,
    /// The digest of the bytes, once they were read whole.
    digest: Option<Digest>,
}

/// Which columns to encode, and how.
struct Job<'a> {
    /// All columns of the file.
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

/// A CSV file that may be read several times.
struct CsvSource<'a> {
    path: &'a Path,
    file: Box<dyn ReadFile>,
    compression: Compression,
    delimiter: u8,
    nulls: NullTokens,
    buffer_size: usize,
}

impl<'a> CsvSource<'a> {
    fn open(
        io: &dyn Io,
        path: &'a Path,
        options: &CsvOptions,
        buffer_size: usize,
    ) -> Result<Self, TableError> {
        let delimiter = options.delimiter;
        let failed = |problem| TableError::Csv {
            path: path.to_owned(),
            line: None,
            problem,
        };
        if !delimiter.is_ascii() || matches!(delimiter, b'"' | b'\n' | b'\r') {
            return Err(failed(CsvProblem::Delimiter(char::from(delimiter))));
        }
        let mut file = io.open_read(path)?;
        let compression = Compression::of_file(path, file.as_mut())?;
        Ok(Self {
            path,
            file,
            compression: compression.map_err(failed)?,
            delimiter,
            nulls: NullTokens::new(&options.null_tokens),
            buffer_size,
        })
    }

    fn problem(&self, line: u64, problem: CsvProblem) -> TableError {
        TableError::Csv {
            path: self.path.to_owned(),
            line: Some(line),
            problem,
        }
    }

    fn changed(&self) -> TableError {
        TableError::Csv {
            path: self.path.to_owned(),
            line: None,
            problem: CsvProblem::Changed,
        }
    }

    /// Reads the file from its start. Gives the header, and the digest if it was read to its end.
    /// Every row has as many fields as the header. The reading ends early if `row` says false.
    fn read(
        &mut self,
        mut row: impl FnMut(&NullTokens, &reader::Row<'_>) -> Result<bool, Stop>,
    ) -> Result<(Vec<String>, Digest), TableError> {
        let path = self.path;
        let failed = |error: RowError| match error {
            RowError::Io(source) => match unpacking_problem(&source) {
                Some(problem) => Stop::Unpacking(problem),
                None => IoError::new("read", path, source).into(),
            },
            RowError::Csv { line, problem } => Stop::Csv(line, problem),
        };
        let rewound = self.file.seek(SeekFrom::Start(0));
        rewound.map_err(|source| IoError::new("seek in", path, source))?;
        let unpacked = Unpacked::new(self.file.as_mut(), self.compression)
            .map_err(|source| IoError::new("read", path, source))?;
        let mut rows = RowReader::new(unpacked, self.delimiter, self.buffer_size);
        let nulls = &self.nulls;
        let mut all = || -> Result<Vec<String>, Stop> {
            let header = rows.next().map_err(failed)?;
            let header = header.ok_or(Stop::Csv(1, CsvProblem::Empty))?;
            let names = names(&header)?;
            while let Some(next) = rows.next().map_err(failed)? {
                if next.len() != names.len() {
                    let problem = CsvProblem::Ragged {
                        wanted: names.len(),
                        found: next.len(),
                    };
                    return Err(Stop::Csv(next.line, problem));
                }
                if !row(nulls, &next)? {
                    break;
                }
            }
            Ok(names)
        };
        let names = all();
        let digest = rows.into_source().digest();
        match names {
            Ok(names) => Ok((names, digest)),
            Err(Stop::Table(error)) => Err(error),
            Err(Stop::Csv(line, problem)) => Err(self.problem(line, problem)),
            Err(Stop::Unpacking(problem)) => Err(TableError::Csv {
                path: path.to_owned(),
                line: None,
                problem,
            }),
        }
    }

    /// Decides the types that are not pinned.
    fn survey(&mut self, names: &[String], pins: &[Option<Pin>]) -> Result<Survey, TableError> {
        let mut evidence = vec![Evidence::default(); names.len()];
        let (found, digest) = self.read(|nulls, row| {
            let targets = evidence.iter_mut().zip(pins);
            for ((evidence, pin), field) in targets.zip(row.fields()) {
                if pin.is_none() && !nulls.matches(field) {
                    evidence.observe(field, row.line);
                }
            }
            Ok(true)
        })?;
        if found != names {
            return Err(self.changed());
        }
        let mut types = Vec::with_capacity(names.len());
        for ((name, pin), evidence) in names.iter().zip(pins).zip(&evidence) {
            let pinned = pin.map(|pin| pin.logical_type);
            let decided = pinned.map_or_else(|| evidence.decide(name), Ok);
            types.push(decided.map_err(|(line, problem)| self.problem(line, problem))?);
        }
        Ok(Survey {
            columns: named(names, types.into_iter()),
            digest,
        })
    }

    /// Encodes a range of the columns, and checks that the bytes are those of earlier readings.
    fn encode(
        &mut self,
        batch: &mut Batch,
        job: &Job<'_>,
        encoded: &mut Encoded,
    ) -> Result<(), TableError> {
        let Job { columns, pins, .. } = *job;
        let range = job.range.clone();
        let mut targets = Vec::with_capacity(range.len());
        for column in &columns[range.clone()] {
            targets.push(Target::new(batch, column, job.options)?);
        }
        let mut rows = 0;
        let read = self.read(|nulls, row| {
            rows += 1;
            let fields = row.part(range.clone());
            for ((index, target), field) in range.clone().zip(&mut targets).zip(fields) {
                if !target.put(nulls, field)? {
                    let Some(pin) = pins[index] else {
                        return Err(Stop::Csv(row.line, CsvProblem::Changed));
                    };
                    let problem = misfit(&columns[index].name, pin, field);
                    return Err(Stop::Csv(row.line, problem));
                }
            }
            Ok(true)
        });
        let (names, digest) = match (read, encoded.digest) {
            (Ok(read), _) => read,
            // An earlier reading went through these bytes.
            (Err(TableError::Csv { problem, .. }), Some(_)) if !about_a_pin(&problem) => {
                return Err(self.changed());
            }
            (Err(error), _) => return Err(error),
        };
        let same_names = names.iter().eq(columns.iter().map(|column| &column.name));
        if !same_names || encoded.digest.is_some_and(|before| before != digest) {
            return Err(self.changed());
        }
        encoded.digest = Some(digest);
        encoded.rows = rows;
        for (target, column) in targets.into_iter().zip(&columns[range]) {
            let missing = target.missing;
            let finished = target.writer.finish(batch)?.finish(&column.name, missing);
            encoded.columns.push(finished);
        }
        Ok(())
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
