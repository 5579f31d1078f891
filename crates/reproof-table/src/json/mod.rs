//! Files of one JSON object a line as immutable tables.
//!
//! The names of an object are columns; one that an object lacks, and `null`, are missing values. As
//! with CSV the types are decided over all values, in a first reading, and the columns encoded in a
//! second; but texts stay texts, whatever they look like. Numbers are read from their digits.

mod row;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::Path;

use reproof_record::{Column, Digest, LogicalType, Schema};
use reproof_store::fs::{Io, IoError, ReadFile};
use reproof_store::{Batch, Store};

use crate::csv::{
    COLUMNS_AT_ONCE, Compression, Evidence, MAX_FIELDS, Pin, Unpacked, put_field, unpacking_problem,
};
use crate::encoding::put_missing;
use crate::encoding::put_text;
use crate::snapshot::{FinishedColumn, put_snapshot};
use crate::storage::ColumnWriter;
use crate::{JsonProblem, Snapshot, SnapshotOptions, TableError};
use row::{Item, Row};

/// How many bytes of a file are read at a time. Changes no digest.
const BUFFER: usize = 256 << 10;
/// The longest line, in bytes.
const MAX_LINE: usize = 64 << 20;

/// Reads a file of JSON lines into a batch.
pub(crate) fn snapshot(
    store: &Store,
    batch: &mut Batch,
    path: &Path,
    plan: &SnapshotOptions,
) -> Result<Snapshot, TableError> {
    let mut source = JsonSource::open(store.io().as_ref(), path)?;
    let survey = source.survey(Some(plan))?;
    let mut finished = Vec::with_capacity(survey.columns.len());
    for group in 0..survey.columns.len().div_ceil(COLUMNS_AT_ONCE) {
        let begin = group * COLUMNS_AT_ONCE;
        let range = begin..survey.columns.len().min(begin + COLUMNS_AT_ONCE);
        finished.extend(source.encode(batch, &survey, range, plan)?);
    }
    let schema = Schema::new(survey.columns)?;
    put_snapshot(batch, schema, survey.digest, survey.rows, finished)
}

/// The columns that a file of JSON lines would have as a table.
pub(crate) fn schema(io: &dyn Io, path: &Path) -> Result<Schema, TableError> {
    let survey = JsonSource::open(io, path)?.survey(None)?;
    Ok(Schema::new(survey.columns)?)
}

/// What the first reading found.
struct Survey {
    columns: Vec<Column>,
    /// The type that a column must have, if it must have one.
    pins: Vec<Option<Pin>>,
    positions: BTreeMap<String, usize>,
    rows: u64,
    digest: Digest,
}

/// A column while its type is being decided.
#[derive(Default)]
struct Seen {
    evidence: Evidence,
    /// The row in which it was seen last, counted from 1.
    row: u64,
}

/// Why a reading ends.
enum Stop {
    Json(JsonProblem),
    Table(TableError),
}

impl From<JsonProblem> for Stop {
    fn from(problem: JsonProblem) -> Self {
        Self::Json(problem)
    }
}

impl From<TableError> for Stop {
    fn from(error: TableError) -> Self {
        Self::Table(error)
    }
}

/// A file of JSON lines that may be read several times.
struct JsonSource<'a> {
    path: &'a Path,
    file: Box<dyn ReadFile>,
    compression: Compression,
}

impl<'a> JsonSource<'a> {
    fn open(io: &dyn Io, path: &'a Path) -> Result<Self, TableError> {
        let mut file = io.open_read(path)?;
        let compression = Compression::of_file(path, file.as_mut())?;
        let compression = compression.map_err(|problem| problem_in(path, None, problem.into()))?;
        Ok(Self {
            path,
            file,
            compression,
        })
    }

    fn changed(&self) -> TableError {
        problem_in(self.path, None, JsonProblem::Changed)
    }

    /// Reads the file from its start to its end, and gives the digest of its bytes. Blank lines are
    /// no rows.
    fn read(
        &mut self,
        mut each: impl FnMut(u64, &Row<'_>) -> Result<(), Stop>,
    ) -> Result<Digest, TableError> {
        let path = self.path;
        let rewound = self.file.seek(SeekFrom::Start(0));
        rewound.map_err(|source| IoError::new("seek in", path, source))?;
        let unpacked = Unpacked::new(self.file.as_mut(), self.compression)
            .map_err(|source| IoError::new("read", path, source))?;
        let mut lines = BufReader::with_capacity(BUFFER, unpacked);
        let mut bytes = Vec::new();
        let mut line = 0;
        loop {
            line += 1;
            bytes.clear();
            let most = MAX_LINE as u64 + 1;
            let read = lines.by_ref().take(most).read_until(b'\n', &mut bytes);
            let count = read.map_err(|source| match unpacking_problem(&source) {
                // Compressed bytes have no lines.
                Some(problem) => problem_in(path, None, problem.into()),
                None => IoError::new("read", path, source).into(),
            })?;
            if count == 0 {
                return Ok(lines.into_inner().digest());
            }
            let fail = |problem| problem_in(path, Some(line), problem);
            if count > MAX_LINE {
                return Err(fail(JsonProblem::LineTooLong { limit: MAX_LINE }));
            }
            let text = bytes.trim_ascii();
            // Some programs begin a file with a mark of its byte order.
            let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
            if text.is_empty() {
                continue;
            }
            match Row::parse(text).and_then(|row| each(line, &row)) {
                Ok(()) => {}
                Err(Stop::Json(problem)) => return Err(fail(problem)),
                Err(Stop::Table(error)) => return Err(error),
            }
        }
    }

    /// Finds the columns, in the order in which they first occur, and decides their types.
    fn survey(&mut self, plan: Option<&SnapshotOptions>) -> Result<Survey, TableError> {
        let path = self.path;
        let mut names: Vec<String> = Vec::new();
        let mut positions: BTreeMap<String, usize> = BTreeMap::new();
        let mut seen: Vec<Seen> = Vec::new();
        let mut rows = 0;
        let digest = self.read(|line, row| {
            rows += 1;
            for (name, item) in row.items() {
                let position = match positions.get(name) {
                    Some(position) => *position,
                    None if names.len() == MAX_FIELDS => {
                        return Err(JsonProblem::TooManyNames { limit: MAX_FIELDS }.into());
                    }
                    None => {
                        names.push(name.to_owned());
                        positions.insert(name.to_owned(), seen.len());
                        seen.push(Seen::default());
                        seen.len() - 1
                    }
                };
                let seen = &mut seen[position];
                if seen.row == rows {
                    return Err(JsonProblem::DuplicateName(name.to_owned()).into());
                }
                seen.row = rows;
                match item {
                    Item::Missing => {}
                    Item::Bare(bytes) => seen.evidence.observe(bytes, line),
                    Item::Text(_) => seen.evidence.observe_text(),
                }
            }
            Ok(())
        })?;
        if names.is_empty() {
            return Err(problem_in(path, None, JsonProblem::Empty));
        }
        let pins = match plan {
            Some(plan) => crate::csv::pins(&names, path, plan)?,
            None => vec![None; names.len()],
        };
        let mut columns = Vec::with_capacity(names.len());
        for ((name, pin), seen) in names.into_iter().zip(&pins).zip(&seen) {
            let pinned = pin.map(|pin| pin.logical_type);
            let decided = pinned.map_or_else(|| seen.evidence.decide(&name), Ok);
            let logical_type =
                decided.map_err(|(line, problem)| problem_in(path, Some(line), problem.into()))?;
            columns.push(Column { name, logical_type });
        }
        Ok(Survey {
            columns,
            pins,
            positions,
            rows,
            digest,
        })
    }

    /// Encodes a range of the columns, and checks that the bytes are those of the first reading.
    fn encode(
        &mut self,
        batch: &mut Batch,
        survey: &Survey,
        range: Range<usize>,
        plan: &SnapshotOptions,
    ) -> Result<Vec<FinishedColumn>, TableError> {
        let mut targets = Vec::with_capacity(range.len());
        for (column, pin) in survey.columns[range.clone()]
            .iter()
            .zip(&survey.pins[range.clone()])
        {
            targets.push(Target {
                column,
                pin: *pin,
                writer: ColumnWriter::observed(batch, column, plan)?,
                missing: 0,
            });
        }
        // Which item of a row each column has.
        let mut places: Vec<Option<usize>> = vec![None; range.len()];
        let read = self.read(|_, row| {
            places.fill(None);
            for (index, (name, _)) in row.items().enumerate() {
                let Some(position) = survey.positions.get(name) else {
                    return Err(JsonProblem::Changed.into());
                };
                if range.contains(position) {
                    places[position - range.start] = Some(index);
                }
            }
            for (target, place) in targets.iter_mut().zip(&places) {
                let item = place.map_or(&Item::Missing, |index| row.item(index));
                target.put(item)?;
            }
            Ok(())
        });
        match read {
            Ok(digest) if digest == survey.digest => {}
            Ok(_) => return Err(self.changed()),
            Err(error) => return Err(error),
        }
        let finish = |target: Target<'_>| {
            let finished = target.writer.finish(batch)?;
            Ok(finished.finish(&target.column.name, target.missing))
        };
        targets.into_iter().map(finish).collect()
    }
}

/// One column that is being encoded.
struct Target<'a> {
    column: &'a Column,
    pin: Option<Pin>,
    writer: ColumnWriter,
    missing: u64,
}

impl Target<'_> {
    fn put(&mut self, item: &Item<'_>) -> Result<(), Stop> {
        let out = &mut self.writer.buffer;
        let logical_type = self.column.logical_type;
        let fits = match item {
            Item::Missing => {
                put_missing(out, logical_type);
                self.missing += 1;
                true
            }
            Item::Bare(bytes) => put_field(out, logical_type, bytes),
            Item::Text(text) => match logical_type {
                LogicalType::String => put_text(out, Some(text.as_bytes())),
                // A text is no number, even if it is made of digits.
                LogicalType::Boolean | LogicalType::Integer | LogicalType::Float => false,
                _ => put_field(out, logical_type, text.as_bytes()),
            },
        };
        if !fits {
            // Types that were decided fit, unless the file is another one now.
            let problem = match self.pin {
                None => JsonProblem::Changed,
                Some(pin) => item.misfit(&self.column.name, pin),
            };
            return Err(problem.into());
        }
        self.writer.spill()?;
        Ok(())
    }
}

fn problem_in(path: &Path, line: Option<u64>, problem: JsonProblem) -> TableError {
    TableError::Json {
        path: path.to_owned(),
        line,
        problem,
    }
}

#[cfg(test)]
mod tests;
