//! Rows of a CSV file (RFC 4180), as bytes.
//!
//! Fields are parts of the reader's own buffer: nothing is copied or allocated for each. Rows are given
//! in blocks, so that a column of many rows can be worked on at once. A row
//! ends with LF, CR or CR LF outside quotes; blank lines are no rows. A field that begins with a
//! quote ends with the next one that is not doubled; elsewhere a quote is a character like any
//! other. What other readers guess at (text after a closing quote, a quote that never ends) is an
//! error. What is read depends on the bytes alone, never on the size of the buffer.

use std::io::{self, Read};
use std::ops::Range;

use memchr::memchr;

use crate::CsvProblem;

/// The largest row in bytes: 64 MiB.
const MAX_ROW: usize = 64 << 20;
/// The most fields of a row.
pub(crate) const MAX_FIELDS: usize = 10_000;
/// How many fields are given out at a time, and those of one row more: as many as stay near a processor.
const FIELDS_AT_ONCE: usize = if cfg!(test) { 5 } else { 2048 };
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Why there is no next row.
#[derive(Debug)]
pub(super) enum RowError {
    Io(io::Error),
    Csv { line: u64, problem: CsvProblem },
}

/// One field, by its place in the buffer, which is never larger than [`MAX_ROW`].
#[derive(Clone, Copy, Debug)]
struct Field {
    begin: u32,
    end: u32,
}

impl Field {
    fn of(self, buffer: &[u8]) -> &[u8] {
        &buffer[self.begin as usize..self.end as usize]
    }
}

/// Where a row lies.
#[derive(Clone, Copy, Debug)]
struct Place {
    /// Its first field among those of all rows.
    first: usize,
    fields: usize,
    line: u64,
}

/// Rows that follow one another.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rows<'a> {
    buffer: &'a [u8],
    fields: &'a [Field],
    places: &'a [Place],
}

impl<'a> Rows<'a> {
    pub fn len(&self) -> usize {
        self.places.len()
    }

    pub fn iter(self) -> impl Iterator<Item = Row<'a>> {
        self.places.iter().map(move |place| Row {
            buffer: self.buffer,
            fields: &self.fields[place.first..place.first + place.fields],
            line: place.line,
        })
    }

    /// The first of them.
    pub fn until(self, end: usize) -> Self {
        Self {
            places: &self.places[..end],
            ..self
        }
    }

    /// A field of each row, counted from 0. All rows have as many fields as the first.
    #[inline]
    pub fn column(self, index: usize) -> impl Iterator<Item = &'a [u8]> {
        let (first, width) = self
            .places
            .first()
            .map_or((0, 1), |place| (place.first, place.fields));
        let fields = self.fields[first..].iter().skip(index).step_by(width);
        let fields = fields.take(self.places.len());
        fields.map(move |field| field.of(self.buffer))
    }
}

/// A row: the fields and the line where it begins, counted from 1.
#[derive(Debug)]
pub(super) struct Row<'a> {
    buffer: &'a [u8],
    fields: &'a [Field],
    pub line: u64,
}

impl<'a> Row<'a> {
    pub fn len(&self) -> usize {
        self.fields.len()
    }

    pub fn fields(&self) -> impl Iterator<Item = &'a [u8]> {
        let buffer = self.buffer;
        self.fields.iter().map(|field| field.of(buffer))
    }

    /// The field of this number, counted from 0.
    pub fn field(&self, index: usize) -> &'a [u8] {
        self.fields[index].of(self.buffer)
    }
}

/// Why a look at the bytes from the start of a row found none.
enum Scan {
    /// The row goes on beyond the bytes that are there.
    Unfinished,
    Problem(CsvProblem),
}

/// What comes after a field.
enum After {
    /// A field without quotes, which begins here.
    Plain(usize),
    /// A field in quotes, whose quote this is.
    Quoted(usize),
    /// The end of the row; here the next one begins.
    Row(usize),
}

/// The bytes of a word that are a delimiter, LF or CR, by their highest bits.
///
/// A byte `x` is zero if neither it nor the sum of its lower seven bits and 127 has a high bit.
#[inline]
fn marks(word: u64, delimiter: u8) -> u64 {
    const ONES: u64 = u64::MAX / 255;
    const LOW_BITS: u64 = ONES * 127;
    let others = |byte: u8| {
        let x = word ^ (ONES * u64::from(byte));
        ((x & LOW_BITS) + LOW_BITS) | x | LOW_BITS
    };
    !(others(delimiter) & others(b'\n') & others(b'\r'))
}

/// Reads rows.
pub(super) struct RowReader<R> {
    source: R,
    delimiter: u8,
    buffer: Vec<u8>,
    /// What of the buffer is not yet given out.
    begin: usize,
    end: usize,
    source_ended: bool,
    started: bool,
    /// The line on which `begin` lies, counted from 1.
    line: u64,
    /// Whether the byte before `begin` was a CR, so that an LF belongs to it.
    after_cr: bool,
    /// The fields of the rows that are given out.
    fields: Vec<Field>,
    places: Vec<Place>,
    /// Whether a field of the row is in quotes.
    has_quotes: bool,
    /// The fields of the row in which doubled quotes stand.
    doubled: Vec<usize>,
    /// What is wrong after the rows that were given out.
    problem: Option<RowError>,
}

impl<R: Read> RowReader<R> {
    /// A reader with a buffer of this size, which grows if a row is larger.
    pub fn new(source: R, delimiter: u8, buffer_size: usize) -> Self {
        Self {
            source,
            delimiter,
            buffer: vec![0; buffer_size.max(1)],
            begin: 0,
            end: 0,
            source_ended: false,
            started: false,
            line: 1,
            after_cr: false,
            fields: Vec::new(),
            places: Vec::new(),
            has_quotes: false,
            doubled: Vec::new(),
            problem: None,
        }
    }

    /// The source of the bytes.
    pub fn into_source(self) -> R {
        self.source
    }

    /// The next rows, at most so many, or none at the end. A problem is told once all rows before it
    /// were given.
    pub fn next(&mut self, most: usize) -> Result<Option<Rows<'_>>, RowError> {
        if let Some(problem) = self.problem.take() {
            return Err(problem);
        }
        if !self.started {
            self.started = true;
            self.skip_byte_order_mark()?;
        }
        self.fields.clear();
        self.places.clear();
        while self.places.len() < most && self.fields.len() < FIELDS_AT_ONCE {
            match self.next_row() {
                Ok(true) => {}
                // More bytes would move those of the rows that are there.
                Ok(false) if self.source_ended || !self.places.is_empty() => break,
                Ok(false) => self.refill()?,
                Err(problem) if self.places.is_empty() => return Err(problem),
                Err(problem) => {
                    self.problem = Some(problem);
                    break;
                }
            }
        }
        Ok((!self.places.is_empty()).then_some(Rows {
            buffer: &self.buffer,
            fields: &self.fields,
            places: &self.places,
        }))
    }

    /// Finds the next row; false if there is none in the bytes that are there.
    fn next_row(&mut self) -> Result<bool, RowError> {
        if !self.skip_blank_lines() {
            return Ok(false);
        }
        let first = self.fields.len();
        let next = match self.scan(first) {
            Ok(next) => next,
            Err(Scan::Unfinished) => {
                self.fields.truncate(first);
                return Ok(false);
            }
            Err(Scan::Problem(problem)) => return Err(self.problem(problem)),
        };
        let (begin, line) = (self.begin, self.line);
        self.check_text(begin..next)?;
        self.begin = next;
        if self.has_quotes {
            self.count_lines(begin..next);
            self.join_doubled_quotes();
        } else {
            // Only the last byte can be a line break.
            self.after_cr = false;
            self.count_lines(next - 1..next);
        }
        self.places.push(Place {
            first,
            fields: self.fields.len() - first,
            line,
        });
        Ok(true)
    }

    fn problem(&self, problem: CsvProblem) -> RowError {
        RowError::Csv {
            line: self.line,
            problem,
        }
    }

    fn skip_byte_order_mark(&mut self) -> Result<(), RowError> {
        while self.end < BYTE_ORDER_MARK.len() && !self.source_ended {
            self.refill()?;
        }
        if self.buffer[..self.end].starts_with(BYTE_ORDER_MARK) {
            self.begin = BYTE_ORDER_MARK.len();
        }
        Ok(())
    }

    /// Goes to the next byte that is no line break; false if none is there.
    fn skip_blank_lines(&mut self) -> bool {
        while self.begin < self.end {
            if !matches!(self.buffer[self.begin], b'\n' | b'\r') {
                return true;
            }
            self.count_lines(self.begin..self.begin + 1);
            self.begin += 1;
        }
        false
    }

    /// Counts the line breaks of bytes that are given out. CR LF is one.
    fn count_lines(&mut self, range: Range<usize>) {
        for &byte in &self.buffer[range] {
            match byte {
                b'\n' => self.line += u64::from(!self.after_cr),
                b'\r' => self.line += 1,
                _ => {}
            }
            self.after_cr = byte == b'\r';
        }
    }

    fn check_text(&mut self, range: Range<usize>) -> Result<(), RowError> {
        let Err(error) = std::str::from_utf8(&self.buffer[range.clone()]) else {
            return Ok(());
        };
        self.count_lines(range.start..range.start + error.valid_up_to());
        Err(self.problem(CsvProblem::NotUtf8))
    }

    /// Gets more bytes after those that are there, or notes that there are none.
    fn refill(&mut self) -> Result<(), RowError> {
        self.buffer.copy_within(self.begin..self.end, 0);
        self.end -= self.begin;
        self.begin = 0;
        if self.end == self.buffer.len() {
            if self.end >= MAX_ROW {
                return Err(self.problem(CsvProblem::RowTooLarge { limit: MAX_ROW }));
            }
            self.buffer.resize((self.end * 2).min(MAX_ROW), 0);
        }
        loop {
            match self.source.read(&mut self.buffer[self.end..]) {
                Ok(count) => {
                    self.end += count;
                    self.source_ended = count == 0;
                    return Ok(());
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(RowError::Io(error)),
            }
        }
    }

    /// Finds the fields of the row that begins at `begin`, the first of which has this number, and where
    /// the next row begins.
    fn scan(&mut self, first: usize) -> Result<usize, Scan> {
        self.has_quotes = false;
        self.doubled.clear();
        let mut at = self.begin;
        let mut is_quoted = self.buffer[at] == b'"';
        loop {
            let after = if is_quoted {
                self.has_quotes = true;
                self.quoted(at + 1, first)?
            } else {
                self.plain(at, first)?
            };
            (at, is_quoted) = match after {
                After::Plain(next) => (next, false),
                After::Quoted(next) => (next, true),
                After::Row(next) => return Ok(next),
            };
        }
    }

    /// Takes a field that ends before a delimiter, a line break or the end of all bytes.
    #[inline]
    fn take(&mut self, begin: usize, end: usize, first: usize) -> Result<After, Scan> {
        if self.fields.len() - first == MAX_FIELDS {
            return Err(Scan::Problem(CsvProblem::TooManyFields {
                limit: MAX_FIELDS,
            }));
        }
        self.fields.push(Field {
            begin: begin as u32,
            end: end as u32,
        });
        Ok(self.after(end))
    }

    /// What comes after a field that ends here.
    #[inline]
    fn after(&self, end: usize) -> After {
        let there = &self.buffer[..self.end];
        let next = end + 1;
        match there.get(end) {
            Some(byte) if *byte != self.delimiter => After::Row(next),
            Some(_) if there.get(next) == Some(&b'"') => After::Quoted(next),
            Some(_) => After::Plain(next),
            None => After::Row(end),
        }
    }

    /// Finds fields without quotes, from one that begins here to the end of the row or a quoted one.
    #[inline]
    fn plain(&mut self, begin: usize, first: usize) -> Result<After, Scan> {
        let (mut begin, mut at) = (begin, begin);
        while let Some(word) = self.buffer[at..self.end].first_chunk::<8>() {
            let mut found = marks(u64::from_le_bytes(*word), self.delimiter);
            while found != 0 {
                let end = at + found.trailing_zeros() as usize / 8;
                match self.take(begin, end, first)? {
                    After::Plain(next) => begin = next,
                    other => return Ok(other),
                }
                found &= found - 1;
            }
            at += 8;
        }
        if !self.source_ended {
            return Err(Scan::Unfinished);
        }
        while at < self.end {
            let byte = self.buffer[at];
            if byte == self.delimiter || byte == b'\n' || byte == b'\r' {
                match self.take(begin, at, first)? {
                    After::Plain(next) => begin = next,
                    other => return Ok(other),
                }
            }
            at += 1;
        }
        self.take(begin, self.end, first)
    }

    /// Finds a field in quotes, whose first byte after the quote this is.
    fn quoted(&mut self, begin: usize, first: usize) -> Result<After, Scan> {
        let mut doubled = false;
        let mut from = begin;
        loop {
            let Some(length) = memchr(b'"', &self.buffer[from..self.end]) else {
                return Err(self.unfinished_or(CsvProblem::OpenQuote));
            };
            let (end, after) = (from + length, from + length + 1);
            if after == self.end && !self.source_ended {
                return Err(Scan::Unfinished);
            }
            let next = (after < self.end).then(|| self.buffer[after]);
            if next == Some(b'"') {
                doubled = true;
                from = after + 1;
                continue;
            }
            if next.is_none_or(|byte| byte == self.delimiter || byte == b'\n' || byte == b'\r') {
                if doubled {
                    self.doubled.push(self.fields.len());
                }
                self.take(begin, end, first)?;
                return Ok(self.after(after));
            }
            return Err(Scan::Problem(CsvProblem::AfterQuote {
                field: self.fields.len() - first + 1,
            }));
        }
    }

    fn unfinished_or(&self, problem: CsvProblem) -> Scan {
        if self.source_ended {
            Scan::Problem(problem)
        } else {
            Scan::Unfinished
        }
    }

    /// Makes one quote of two, in place.
    fn join_doubled_quotes(&mut self) {
        for index in self.doubled.drain(..) {
            let field = &mut self.fields[index];
            let (mut from, mut to) = (field.begin as usize, field.begin as usize);
            while from < field.end as usize {
                let byte = self.buffer[from];
                self.buffer[to] = byte;
                to += 1;
                from += 1 + usize::from(byte == b'"');
            }
            field.end = to as u32;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    type Rows = Vec<(u64, Vec<String>)>;

    fn read(text: &[u8], buffer_size: usize) -> Result<Rows, (u64, CsvProblem)> {
        let mut reader = RowReader::new(text, b',', buffer_size);
        let mut rows = Vec::new();
        loop {
            match reader.next(usize::MAX) {
                Ok(Some(found)) => rows.extend(found.iter().map(|row| {
                    let fields = row.fields().map(|field| String::from_utf8(field.to_vec()));
                    (row.line, fields.collect::<Result<_, _>>().unwrap())
                })),
                Ok(None) => return Ok(rows),
                Err(RowError::Csv { line, problem }) => return Err((line, problem)),
                Err(RowError::Io(error)) => panic!("{error}"),
            }
        }
    }

    fn check(text: &str, expect: &[(u64, &[&str])]) {
        for buffer_size in [1, 2, 3, 7, 1000] {
            let rows = read(text.as_bytes(), buffer_size).unwrap();
            let rows: Vec<(u64, Vec<&str>)> = rows
                .iter()
                .map(|(line, row)| (*line, row.iter().map(String::as_str).collect()))
                .collect();
            let expect: Vec<_> = expect
                .iter()
                .map(|(line, row)| (*line, row.to_vec()))
                .collect();
            assert_eq!(rows, expect, "{text:?}");
        }
    }

    fn check_error(text: &[u8], line: u64, problem: &CsvProblem) {
        for buffer_size in [1, 2, 3, 7, 1000] {
            let error = read(text, buffer_size).unwrap_err();
            assert_eq!(error, (line, problem.clone()), "{text:?}");
        }
    }

    #[test]
    fn rows_fields_and_lines() {
        check("", &[]);
        check("\r\n\n\r", &[]);
        check("a", &[(1, &["a"])]);
        check("a,b\nc,\n", &[(1, &["a", "b"]), (2, &["c", ""])]);
        check("a,b\r\n\r\nc,d", &[(1, &["a", "b"]), (3, &["c", "d"])]);
        check("a\rb\n\nc", &[(1, &["a"]), (2, &["b"]), (4, &["c"])]);
        check(",\n,", &[(1, &["", ""]), (2, &["", ""])]);
        check("\u{feff}a\n1", &[(1, &["a"]), (2, &["1"])]);
        check("\u{feff}", &[]);
        check("x\u{feff}", &[(1, &["x\u{feff}"])]);
    }

    #[test]
    fn quotes() {
        check("\"a\",\"\"\n", &[(1, &["a", ""])]);
        check("\"\"", &[(1, &[""])]);
        check(
            "\"a,\"\"b\"\"\r\nc\"\nd",
            &[(1, &["a,\"b\"\r\nc"]), (3, &["d"])],
        );
        check("\"\"\"\"\"\",x", &[(1, &["\"\"", "x"])]);
        check("5\" disk,a\"\"b", &[(1, &["5\" disk", "a\"\"b"])]);
        check("\"\n\r\r\n\"\nx", &[(1, &["\n\r\r\n"]), (5, &["x"])]);
        check("\u{feff}\"a\"", &[(1, &["a"])]);
    }

    #[test]
    fn what_is_not_csv_is_named_by_its_line() {
        check_error(b"a\n\"b\n\nc", 2, &CsvProblem::OpenQuote);
        check_error(b"\"\"\"", 1, &CsvProblem::OpenQuote);
        check_error(
            b"a\n\nb,\"c\" ,d\n",
            3,
            &CsvProblem::AfterQuote { field: 2 },
        );
        check_error(b"a\r\n\"\r\n\xff\"", 3, &CsvProblem::NotUtf8);
        check_error(b"\xff\xfea", 1, &CsvProblem::NotUtf8);
        let wide = ",".repeat(MAX_FIELDS);
        let problem = CsvProblem::TooManyFields { limit: MAX_FIELDS };
        check_error(wide.as_bytes(), 1, &problem);
    }

    #[test]
    fn a_row_without_end_does_not_fill_the_memory() {
        let endless = io::repeat(b'a').take(1 << 40);
        let mut reader = RowReader::new(endless, b',', 1 << 16);
        let Err(RowError::Csv { line: 1, problem }) = reader.next(1) else {
            panic!("the row is larger than the limit");
        };
        assert_eq!(problem, CsvProblem::RowTooLarge { limit: MAX_ROW });
        assert_eq!(reader.buffer.len(), MAX_ROW);
    }

    proptest! {
        #[test]
        fn each_end_of_a_field_is_marked(
            bytes in prop::collection::vec(
                prop::sample::select(b"aaa,-+\x00\x0b\x0c\n\r\x80\x8a\x8d\xac\xff".to_vec()), 8),
        ) {
            let word = u64::from_le_bytes(*bytes.first_chunk().unwrap());
            let found = marks(word, b',').to_le_bytes().map(|byte| byte != 0);
            let expect: Vec<bool> = bytes.iter().map(|byte| b",\n\r".contains(byte)).collect();
            prop_assert_eq!(found.to_vec(), expect);
        }

        /// Where neither reader sees an error, ours and the `csv` crate's see the same fields.
        #[test]
        fn agrees_with_another_reader(
            text in "[ab,\"\n\r]{0,40}|(\"([a,\n\r]|\"\"){0,5}\"[,\n\r]|[ab\"]{0,3}[,\n\r]){0,12}",
            buffer_size in 1_usize..50,
        ) {
            let Ok(rows) = read(text.as_bytes(), buffer_size) else { return Ok(()) };
            let mut other = ::csv::ReaderBuilder::new();
            let mut other = other.has_headers(false).flexible(true).from_reader(text.as_bytes());
            let other: Vec<Vec<String>> = other
                .records()
                .map(|record| record.unwrap().iter().map(str::to_owned).collect())
                .collect();
            let rows: Vec<_> = rows.into_iter().map(|(_, row)| row).collect();
            prop_assert_eq!(rows, other);
        }

        #[test]
        fn any_bytes_read_alike_with_any_buffer(
            bytes in prop::collection::vec(
                prop::sample::select(b"ab,\"\n\r\xc3\xa9\xff".to_vec()), 0..60),
            sizes in (1_usize..20, 20_usize..200),
        ) {
            prop_assert_eq!(read(&bytes, sizes.0), read(&bytes, sizes.1));
        }
    }
}
