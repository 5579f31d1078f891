//! CSV files that are read one after the other, as often as it takes.

use std::collections::BTreeMap;
use std::io::{Seek, SeekFrom};

use reproof_record::Digest;
use reproof_store::Batch;
use reproof_store::fs::{Io, IoError};

use super::encode::NullTokens;
use super::reader::{Row, RowError, RowReader, Rows};
use super::{
    Compression, CsvOptions, Encoded, Evidence, FIRST_ROWS, Job, Pin, Place, Survey, Target,
    Unpacked, misfit, named, unpacking_problem,
};
use crate::sources::Sources;
use crate::{CsvProblem, TableError};

/// CSV files that may be read several times.
pub(super) struct CsvSource<'a> {
    io: &'a dyn Io,
    pub sources: &'a Sources<'a>,
    delimiter: u8,
    nulls: NullTokens,
    buffer_size: usize,
}

/// Rows, whose fields are named by the columns of the first file.
#[derive(Clone, Copy)]
pub(super) struct Ordered<'a> {
    rows: Rows<'a>,
    /// Which field of a row each column has, where they do not lie alike.
    order: Option<&'a [usize]>,
}

impl<'a> Ordered<'a> {
    fn place(self, column: usize) -> usize {
        self.order.map_or(column, |order| order[column])
    }

    /// The fields of a column.
    #[inline]
    pub fn column(self, column: usize) -> impl Iterator<Item = &'a [u8]> {
        self.rows.column(self.place(column))
    }

    /// The line on which the first row begins.
    fn line(self) -> u64 {
        self.rows.iter().next().map_or(0, |row| row.line)
    }

    /// How many fields each row has.
    fn width(self) -> usize {
        self.rows.iter().next().map_or(0, |row| row.len())
    }
}

impl<'a> CsvSource<'a> {
    pub fn new(
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
    pub fn first_names(&self) -> Result<Vec<String>, TableError> {
        let (names, _) = self.read(0, &[], |_, _| Ok(false))?;
        self.sources
            .order(0, &names.iter().map(String::as_str), &[])?;
        Ok(names)
    }

    /// Reads a file from its start. Gives the header, and the digest if it was read to its end.
    /// Every row has as many fields as the header, whose columns are those of the first file in any
    /// order. The reading ends early if `take` says false.
    pub fn read(
        &self,
        file: usize,
        first: &[String],
        mut take: impl FnMut(&NullTokens, Ordered<'_>) -> Result<bool, Stop>,
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
            let header = rows.next(1).map_err(failed)?;
            let header = header.and_then(|rows| rows.iter().next());
            let header = header.ok_or(Stop::Csv(1, CsvProblem::Empty))?;
            let names = names(&header)?;
            let found = names.iter().map(String::as_str);
            let order = if file == 0 {
                None
            } else {
                self.sources.order(file, &found, first)?
            };
            while let Some(found) = rows.next(usize::MAX).map_err(failed)? {
                let other = found.iter().position(|row| row.len() != names.len());
                let fitting = found.until(other.unwrap_or(found.len()));
                let ordered = Ordered {
                    rows: fitting,
                    order: order.as_deref(),
                };
                if fitting.len() > 0 && !take(nulls, ordered)? {
                    break;
                }
                if let Some(row) = found.iter().nth(fitting.len()) {
                    let problem = CsvProblem::Ragged {
                        wanted: names.len(),
                        found: row.len(),
                    };
                    return Err(Stop::Csv(row.line, problem));
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

    /// The types that are pinned, and those that the first rows tell of other columns; none if there is
    /// a column of which they tell nothing. A column whose values all fit the type that the first of
    /// them tell is of that type by all of them, too: see [`Evidence::decide`].
    pub fn guess(
        &self,
        names: &[String],
        pins: &[Option<Pin>],
    ) -> Result<Option<Vec<Option<Pin>>>, TableError> {
        if pins.iter().all(Option::is_some) {
            return Ok(Some(pins.to_vec()));
        }
        let mut evidence: Vec<Option<Evidence>> = vec![None; names.len()];
        let mut seen = 0;
        let read = self.read(0, names, |nulls, rows| {
            if rows.width() != pins.len() {
                return Ok(false);
            }
            for (column, evidence) in evidence.iter_mut().enumerate() {
                for field in rows.column(column) {
                    seen += field.len() + 1;
                    if !nulls.matches(field) {
                        let evidence = evidence.get_or_insert_default();
                        evidence.observe(field, Place::default());
                    }
                }
            }
            Ok(seen < FIRST_ROWS)
        });
        match read {
            // What is wrong is told by whoever reads all of it.
            Err(TableError::Csv { .. }) => return Ok(None),
            read => _ = read?,
        }
        let guess = |((name, pin), evidence): ((&String, &Option<Pin>), &Option<Evidence>)| {
            let guessed = || {
                let logical_type = evidence.as_ref()?.decide(name).ok()?;
                Some(Pin {
                    logical_type,
                    declared: false,
                })
            };
            pin.or_else(guessed).map(Some)
        };
        Ok(names.iter().zip(pins).zip(&evidence).map(guess).collect())
    }

    /// Decides the types that are not pinned.
    pub fn survey(&self, names: &[String], pins: &[Option<Pin>]) -> Result<Survey, TableError> {
        let mut evidence = vec![Evidence::default(); names.len()];
        let mut digests = Vec::with_capacity(self.sources.len());
        for file in 0..self.sources.len() {
            let (_, digest) = self.read(file, names, |nulls, rows| {
                if rows.width() != pins.len() {
                    return Err(Stop::Csv(rows.line(), CsvProblem::Changed));
                }
                for ((column, evidence), pin) in evidence.iter_mut().enumerate().zip(pins) {
                    if pin.is_some() {
                        continue;
                    }
                    for (field, row) in rows.column(column).zip(rows.rows.iter()) {
                        if !nulls.matches(field) {
                            let line = row.line;
                            evidence.observe(field, Place { file, line });
                        }
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
    pub fn encode(
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
        let read = self.read(file, job.names, |nulls, block| {
            if block.width() != job.names.len() {
                return Err(Stop::Csv(block.line(), CsvProblem::Changed));
            }
            rows += block.rows.len() as u64;
            // The first row, and of it the first column, that does not fit.
            let (mut end, mut misfits) = (block.rows.len(), None);
            for (index, target) in job.range.clone().zip(targets.iter_mut()) {
                if let Some(row) = target.put(nulls, block.column(index).take(end))? {
                    (end, misfits) = (row, Some(index));
                }
            }
            let row = block.rows.iter().nth(end);
            let (Some(index), Some(row)) = (misfits, row) else {
                return Ok(true);
            };
            let problem = job.pins[index].map(|pin| {
                let field = row.field(block.place(index));
                misfit(&job.columns[index].name, pin, field)
            });
            Err(Stop::Csv(row.line, problem.unwrap_or(CsvProblem::Changed)))
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
pub(super) enum Stop {
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
fn names(header: &Row<'_>) -> Result<Vec<String>, Stop> {
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
