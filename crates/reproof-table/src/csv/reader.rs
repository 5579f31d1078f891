//! Rows of a CSV file (RFC 4180), as bytes.
//!
//! Fields are parts of the reader's own buffer: nothing is copied or allocated for each. A row
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
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Why there is no next row.
#[derive(Debug)]
pub(super) enum RowError {
    Io(io::Error),
    Csv { line: u64, problem: CsvProblem },
}

/// One field, by its place in the buffer.
#[derive(Clone, Copy, Debug)]
struct Field {
    begin: usize,
    end: usize,
    /// Whether doubled quotes stand in it.
    doubled: bool,
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
        self.fields
            .iter()
            .map(|field| &buffer[field.begin..field.end])
    }

    /// The field of this number, counted from 0.
    #[inline]
    pub fn field(&self, index: usize) -> &'a [u8] {
        let field = self.fields[index];
        &self.buffer[field.begin..field.end]
    }
}

/// What a look at the bytes from the start of a row found.
enum Scan {
    /// A row that ends before this place.
    Row(usize),
    /// The row goes on beyond the bytes that are there.
    Unfinished,
    Problem(CsvProblem),
}

/// How many bytes stand before the first delimiter, LF or CR; none if there is none.
///
/// Eight bytes at a time: of `x - 0x01…` and not `x`, the lowest high bit that is set marks the
/// lowest byte of `x` that is zero.
#[inline]
fn plain_length(bytes: &[u8], delimiter: u8) -> Option<usize> {
    const ONES: u64 = u64::MAX / 255;
    const HIGH_BITS: u64 = ONES << 7;
    let zeros = |word: u64| word.wrapping_sub(ONES) & !word & HIGH_BITS;
    let (words, rest) = bytes.as_chunks::<8>();
    for (index, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        let found = zeros(word ^ (ONES * u64::from(delimiter)))
            | zeros(word ^ (ONES * u64::from(b'\n')))
            | zeros(word ^ (ONES * u64::from(b'\r')));
        if found != 0 {
            return Some(index * 8 + found.trailing_zeros() as usize / 8);
        }
    }
    let ends = |byte: u8| byte == delimiter || byte == b'\n' || byte == b'\r';
    let length = rest.iter().position(|&byte| ends(byte))?;
    Some(words.len() * 8 + length)
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
    fields: Vec<Field>,
    /// Whether a field of the row is in quotes.
    has_quotes: bool,
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
            has_quotes: false,
        }
    }

    /// The source of the bytes.
    pub fn into_source(self) -> R {
        self.source
    }

    /// The next row, or none at the end.
    pub fn next(&mut self) -> Result<Option<Row<'_>>, RowError> {
        if !self.started {
            self.started = true;
            self.skip_byte_order_mark()?;
        }
        if !self.skip_blank_lines()? {
            return Ok(None);
        }
        let (begin, next) = loop {
            match self.scan() {
                Scan::Row(next) => break (self.begin, next),
                Scan::Unfinished => self.refill()?,
                Scan::Problem(problem) => return Err(self.problem(problem)),
            }
        };
        let line = self.line;
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
        Ok(Some(Row {
            buffer: &self.buffer,
            fields: &self.fields,
            line,
        }))
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

    /// Goes to the next byte that is no line break; false if there is none.
    fn skip_blank_lines(&mut self) -> Result<bool, RowError> {
        loop {
            while self.begin < self.end {
                if !matches!(self.buffer[self.begin], b'\n' | b'\r') {
                    return Ok(true);
                }
                self.count_lines(self.begin..self.begin + 1);
                self.begin += 1;
            }
            if self.source_ended {
                return Ok(false);
            }
            self.refill()?;
        }
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

    /// Finds the fields of the row that begins at `begin`.
    fn scan(&mut self) -> Scan {
        self.fields.clear();
        self.has_quotes = false;
        let mut at = self.begin;
        loop {
            if self.fields.len() == MAX_FIELDS {
                return Scan::Problem(CsvProblem::TooManyFields { limit: MAX_FIELDS });
            }
            let found = if at < self.end && self.buffer[at] == b'"' {
                self.has_quotes = true;
                self.quoted(at + 1)
            } else {
                self.plain(at)
            };
            let (field, after) = match found {
                Ok(found) => found,
                Err(other) => return other,
            };
            self.fields.push(field);
            if after == self.end {
                return Scan::Row(after);
            }
            at = after + 1;
            if self.buffer[after] != self.delimiter {
                return Scan::Row(at);
            }
        }
    }

    /// A field without quotes, and where the delimiter or line break after it lies.
    #[inline]
    fn plain(&self, begin: usize) -> Result<(Field, usize), Scan> {
        let end = match plain_length(&self.buffer[begin..self.end], self.delimiter) {
            Some(length) => begin + length,
            None if self.source_ended => self.end,
            None => return Err(Scan::Unfinished),
        };
        let field = Field {
            begin,
            end,
            doubled: false,
        };
        Ok((field, end))
    }

    /// A field in quotes, whose first byte after the quote this is.
    fn quoted(&self, begin: usize) -> Result<(Field, usize), Scan> {
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
                let field = Field {
                    begin,
                    end,
                    doubled,
                };
                return Ok((field, after));
            }
            return Err(Scan::Problem(CsvProblem::AfterQuote {
                field: self.fields.len() + 1,
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
        for field in self.fields.iter_mut().filter(|field| field.doubled) {
            let (mut from, mut to) = (field.begin, field.begin);
            while from < field.end {
                let byte = self.buffer[from];
                self.buffer[to] = byte;
                to += 1;
                from += 1 + usize::from(byte == b'"');
            }
            field.end = to;
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
            match reader.next() {
                Ok(Some(row)) => {
                    let fields = row.fields().map(|field| String::from_utf8(field.to_vec()));
                    rows.push((row.line, fields.collect::<Result<_, _>>().unwrap()));
                }
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
        let Err(RowError::Csv { line: 1, problem }) = reader.next() else {
            panic!("the row is larger than the limit");
        };
        assert_eq!(problem, CsvProblem::RowTooLarge { limit: MAX_ROW });
        assert_eq!(reader.buffer.len(), MAX_ROW);
    }

    proptest! {
        #[test]
        fn the_length_of_a_plain_field(
            bytes in prop::collection::vec(
                prop::sample::select(b"aaaaaaaa,-+\x00\x0b\x0c\n\r\x80\x8a\x8d\xac\xff".to_vec()), 0..40),
        ) {
            let expect = bytes.iter().position(|byte| b",\n\r".contains(byte));
            prop_assert_eq!(plain_length(&bytes, b','), expect);
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
