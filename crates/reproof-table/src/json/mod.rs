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
use reproof_store::Batch;
use reproof_store::fs::{Io, IoError};

use crate::csv::{
    COLUMNS_AT_ONCE, Compression, Evidence, MAX_FIELDS, Pin, Place, Unpacked, put_field,
    unpacking_problem,
};
use crate::encoding::put_missing;
use crate::encoding::put_text;
use crate::snapshot::FinishedColumn;
use crate::sources::{Sources, Taken};
use crate::storage::ColumnWriter;
use crate::{JsonProblem, SnapshotOptions, SourceFile, TableError};
use row::{Item, Row};

/// How many bytes of a file are read at a time. Changes no digest.
const BUFFER: usize = 256 << 10;
/// The longest line, in bytes.
const MAX_LINE: usize = 64 << 20;

/// Reads files of JSON lines into a batch.
pub(crate) fn take(
    io: &dyn Io,
    batch: &mut Batch,
    sources: &Sources<'_>,
    plan: &SnapshotOptions,
) -> Result<Taken, TableError> {
    let source = JsonSource { io, sources };
    let survey = source.survey(Some(plan))?;
    let mut finished = Vec::with_capacity(survey.columns.len());
    for group in 0..survey.columns.len().div_ceil(COLUMNS_AT_ONCE) {
        let begin = group * COLUMNS_AT_ONCE;
        let range = begin..survey.columns.len().min(begin + COLUMNS_AT_ONCE);
        finished.extend(source.encode(batch, &survey, range, plan)?);
    }
    Ok(Taken {
        columns: survey.columns,
        finished,
        rows: survey.rows,
        digests: survey.digests,
    })
}

/// The columns that a file of JSON lines would have as a table.
pub(crate) fn schema(io: &dyn Io, path: &Path) -> Result<Schema, TableError> {
    let files = [SourceFile {
        path: path.to_owned(),
        inside: String::new(),
    }];
    let sources = Sources::new(&files)?;
    let sources = &sources;
    let survey = JsonSource { io, sources }.survey(None)?;
    Ok(Schema::new(survey.columns)?)
}

/// What the first reading found.
struct Survey {
    columns: Vec<Column>,
    /// The type that a column must have, if it must have one.
    pins: Vec<Option<Pin>>,
    positions: BTreeMap<String, usize>,
    /// The rows of each file.
    rows: Vec<u64>,
    /// The digest of each file.
    digests: Vec<Digest>,
}

/// A column while its type is being decided.
#[derive(Default)]
struct Seen {
    evidence: Evidence,
    /// The row in which it was seen last, of all files, counted from 1.
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

/// Files of JSON lines that may be read several times.
struct JsonSource<'a> {
    io: &'a dyn Io,
    sources: &'a Sources<'a>,
}

impl JsonSource<'_> {
    /// Reads a file from its start to its end, and gives the digest of its bytes. Blank lines are
    /// no rows.
    fn read(
        &self,
        file: usize,
        mut each: impl FnMut(u64, &Row<'_>) -> Result<(), Stop>,
    ) -> Result<Digest, TableError> {
        let path = self.sources.path(file);
        let mut opened = self.io.open_read(path)?;
        let compression = Compression::of_file(path, opened.as_mut())?;
        let compression = compression.map_err(|problem| problem_in(path, None, problem.into()))?;
        let rewound = opened.seek(SeekFrom::Start(0));
        rewound.map_err(|source| IoError::new("seek in", path, source))?;
        let unpacked = Unpacked::new(opened.as_mut(), compression)
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
    fn survey(&self, plan: Option<&SnapshotOptions>) -> Result<Survey, TableError> {
        let mut names: Vec<String> = Vec::new();
        let mut positions: BTreeMap<String, usize> = BTreeMap::new();
        let mut seen: Vec<Seen> = Vec::new();
        let mut row_number = 0;
        let (mut rows, mut digests) = (Vec::new(), Vec::new());
        for file in 0..self.sources.len() {
            let before = row_number;
            let known = names.len();
            let digest = self.read(file, |line, row| {
                row_number += 1;
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
                    if seen.row == row_number {
                        return Err(JsonProblem::DuplicateName(name.to_owned()).into());
                    }
                    seen.row = row_number;
                    match item {
                        Item::Missing => {}
                        Item::Bare(bytes) => seen.evidence.observe(bytes, Place { file, line }),
                        Item::Text(_) => seen.evidence.observe_text(),
                    }
                }
                Ok(())
            })?;
            self.sources
                .no_partition(file, names[known..].iter().map(String::as_str))?;
            rows.push(row_number - before);
            digests.push(digest);
        }
        let path = self.sources.path(0);
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
            let logical_type = decided.map_err(|(place, problem)| {
                let path = self.sources.path(place.file);
                problem_in(path, Some(place.line), problem.into())
            })?;
            columns.push(Column { name, logical_type });
        }
        Ok(Survey {
            columns,
            pins,
            positions,
            rows,
            digests,
        })
    }

    /// Encodes a range of the columns, and checks that the bytes are those of the first reading.
    fn encode(
        &self,
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
        for (file, before) in survey.digests.iter().enumerate() {
            let digest = self.read(file, |_, row| {
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
            })?;
            if digest != *before {
                let path = self.sources.path(file);
                return Err(problem_in(path, None, JsonProblem::Changed));
            }
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
