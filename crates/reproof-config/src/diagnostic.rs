//! Errors of a file: where, what, and what to do.

use std::fmt;

use crate::names::{nearest, shown};
use crate::postgres::masked;

/// The most errors of one reading that are kept; the rest are counted.
const MAX_DIAGNOSTICS: usize = 100;

/// The most characters of a line that are printed.
const MAX_SHOWN_LINE: usize = 120;

/// One error of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// The file as the caller named it; `--set` for a value set on the command line.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
    /// What is wrong: a lower-case fragment.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// The line; tabs and control characters in it are replaced by spaces, passwords by stars.
    pub source_line: Option<String>,
    /// How many characters of the line are meant, at least 1.
    pub length: usize,
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = shown(&self.file);
        write!(f, "{file}:{}:{}: {}", self.line, self.column, self.message)?;
        if let Some(line) = &self.source_line {
            let (text, skipped) = window(line, self.column);
            let lead = self.column.saturating_sub(1 + skipped);
            let room = text.chars().count().saturating_sub(lead).max(1);
            let marks = "^".repeat(self.length.clamp(1, room));
            write!(
                f,
                "\n{:>5} | {text}\n{:>5} | {:lead$}{marks}",
                self.line, "", ""
            )?;
        }
        if let Some(hint) = &self.hint {
            write!(f, "\nhint: {hint}")?;
        }
        Ok(())
    }
}

/// The part of a line that is printed, and how many characters before it are left out.
fn window(line: &str, column: usize) -> (String, usize) {
    let skipped = if column > MAX_SHOWN_LINE * 3 / 4 {
        column - MAX_SHOWN_LINE / 2
    } else {
        0
    };
    let text: String = line.chars().skip(skipped).take(MAX_SHOWN_LINE).collect();
    (text.trim_end().to_owned(), skipped)
}

/// All errors of a file, in the order of their places; never empty.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.text())]
pub struct Diagnostics(Vec<Diagnostic>);

impl Diagnostics {
    /// The errors in the order of their places.
    pub fn iter(&self) -> std::slice::Iter<'_, Diagnostic> {
        self.0.iter()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none; there always is one.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn text(&self) -> String {
        let texts: Vec<_> = self.0.iter().map(ToString::to_string).collect();
        texts.join("\n")
    }
}

impl<'a> IntoIterator for &'a Diagnostics {
    type Item = &'a Diagnostic;
    type IntoIter = std::slice::Iter<'a, Diagnostic>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// A range of bytes in one of the texts of a reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct Span {
    /// Which of the [`Sources`].
    pub source: usize,
    /// The first byte.
    pub start: usize,
    /// The byte after the last.
    pub end: usize,
}

/// A value and where it stands.
#[derive(Clone, Debug)]
pub(crate) struct Spanned<T> {
    pub value: T,
    pub span: Span,
}

impl<T> Spanned<T> {
    pub fn new(value: T, span: Span) -> Self {
        Self { value, span }
    }
}

/// A line of another file, for a line of a text that a program wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineOrigin {
    /// The file, as the caller names it.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// What stands in it.
    pub text: String,
}

/// A text of a reading.
#[derive(Clone, Debug)]
struct Source {
    file: String,
    text: String,
    /// Where each line of it comes from; empty where a person wrote the text itself.
    origins: Vec<LineOrigin>,
}

/// The texts that a reading is made of: the file, then each override.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sources(Vec<Source>);

impl Sources {
    /// Adds a text and says which it is.
    pub fn add(&mut self, file: &str, text: &str) -> usize {
        self.add_written(file, text, Vec::new())
    }

    /// Adds a text that a program wrote. Errors in it are told of the lines that it comes from.
    pub fn add_written(&mut self, file: &str, text: &str, origins: Vec<LineOrigin>) -> usize {
        self.0.push(Source {
            file: file.to_owned(),
            text: text.to_owned(),
            origins,
        });
        self.0.len() - 1
    }

    /// The line, from 1, in which a span begins.
    pub fn line(&self, span: Span) -> usize {
        self.0.get(span.source).map_or(1, |source| {
            let line = position(&source.text, span.start).0;
            source.origin(line).map_or(line, |origin| origin.line)
        })
    }

    /// The line and the column, in characters, in which a span begins, both from 1.
    pub fn place(&self, span: Span) -> (usize, usize) {
        self.0.get(span.source).map_or((1, 1), |source| {
            let (line, column, _) = position(&source.text, span.start);
            let origin = source.origin(line);
            origin.map_or((line, column), |origin| (origin.line, 1))
        })
    }

    fn diagnostic(&self, span: Span, message: String, hint: Option<String>) -> Diagnostic {
        let Some(source) = self.0.get(span.source) else {
            return Diagnostic {
                file: String::new(),
                line: 1,
                column: 1,
                message,
                hint,
                source_line: None,
                length: 1,
            };
        };
        let text = source.text.as_str();
        let (line, column, rest) = position(text, span.start);
        let meant = text.get(rest.start + rest.offset..span.end.min(rest.end));
        let length = |meant: &str| meant.trim_end().chars().count().max(1);
        if let Some(origin) = source.origin(line) {
            let (column, length) = origin.place(meant.unwrap_or_default());
            return Diagnostic {
                file: origin.file.clone(),
                line: origin.line,
                column,
                message,
                hint,
                source_line: Some(printable(&origin.text)),
                length,
            };
        }
        Diagnostic {
            file: source.file.clone(),
            line,
            column,
            message,
            hint,
            source_line: text.get(rest.start..rest.end).map(printable),
            length: meant.map_or(1, length),
        }
    }
}

impl Source {
    fn origin(&self, line: usize) -> Option<&LineOrigin> {
        self.origins
            .get(line.saturating_sub(1))
            .or(self.origins.last())
    }
}

impl LineOrigin {
    /// The column, from 1, and the length of what is meant: where it stands in the line, or else all
    /// of the line.
    fn place(&self, meant: &str) -> (usize, usize) {
        let meant = meant.trim_end().trim_matches('"');
        let found = Some(meant).filter(|meant| !meant.is_empty() && !"{}[]".contains(*meant));
        let line = self.text.trim_end();
        let (at, shown) = match found.and_then(|meant| Some((line.find(meant)?, meant))) {
            Some(found) => found,
            None => (line.len() - line.trim_start().len(), line.trim_start()),
        };
        let column = line.get(..at).unwrap_or_default().chars().count() + 1;
        (column, shown.chars().count().max(1))
    }
}

/// The line that a byte stands in.
struct LineRange {
    start: usize,
    end: usize,
    /// From the line's start to the byte.
    offset: usize,
}

/// Line and column (in characters), both from 1, of a byte of a text; breaks are LF, CRLF and CR.
fn position(text: &str, at: usize) -> (usize, usize, LineRange) {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    let bytes = text.as_bytes();
    let is_break = |index: usize| match bytes[index] {
        b'\n' => true,
        b'\r' => bytes.get(index + 1) != Some(&b'\n'),
        _ => false,
    };
    let breaks = (0..at).filter(|&index| is_break(index));
    let (count, start) = breaks.fold((0, 0), |(count, _), index| (count + 1, index + 1));
    let end = text[at..]
        .find(['\n', '\r'])
        .map_or(text.len(), |index| at + index);
    let column = text[start..at].chars().count() + 1;
    let range = LineRange {
        start,
        end,
        offset: at - start,
    };
    (count + 1, column, range)
}

fn printable(line: &str) -> String {
    masked(line)
        .chars()
        .map(|c| if crate::names::is_visible(c) { c } else { ' ' })
        .collect()
}

/// Collects the errors of one reading.
pub(crate) struct Report<'a> {
    sources: &'a Sources,
    found: Vec<(Span, Diagnostic)>,
    omitted: usize,
}

impl<'a> Report<'a> {
    pub fn new(sources: &'a Sources) -> Self {
        Self {
            sources,
            found: Vec::new(),
            omitted: 0,
        }
    }

    /// The texts that spans point into.
    pub fn sources(&self) -> &'a Sources {
        self.sources
    }

    /// How many errors were found so far.
    pub fn count(&self) -> usize {
        self.found.len() + self.omitted
    }

    /// Whether further errors are only counted: what they say need not be worked out.
    pub fn is_full(&self) -> bool {
        self.found.len() >= MAX_DIAGNOSTICS
    }

    /// An error without a hint.
    pub fn error(&mut self, span: Span, message: impl Into<String>) {
        self.add(span, message.into(), None);
    }

    /// An error with a hint.
    pub fn hinted(&mut self, span: Span, message: impl Into<String>, hint: impl Into<String>) {
        self.add(span, message.into(), Some(hint.into()));
    }

    /// An error, with a hint or without.
    pub fn add(&mut self, span: Span, message: String, hint: Option<String>) {
        if self.is_full() {
            self.omitted += 1;
        } else {
            let diagnostic = self.sources.diagnostic(span, message, hint);
            self.found.push((span, diagnostic));
        }
    }

    /// A name that is none of those known here.
    pub fn unknown<'b>(
        &mut self,
        span: Span,
        noun: &str,
        name: &str,
        known: impl Iterator<Item = &'b str> + Clone,
    ) {
        if self.is_full() {
            self.omitted += 1;
            return;
        }
        let hint = match nearest(name, known.clone()) {
            Some(near) => Some(format!("did you mean '{}'?", shown(near))),
            None => listed(known),
        };
        self.add(span, format!("unknown {noun} '{}'", shown(name)), hint);
    }

    /// Done: an error if anything was reported.
    pub fn finish(mut self) -> Result<(), Diagnostics> {
        if self.found.is_empty() {
            return Ok(());
        }
        self.found.sort_by_key(|(span, _)| *span);
        let mut all: Vec<_> = self.found.into_iter().map(|(_, found)| found).collect();
        all.dedup();
        if self.omitted > 0
            && let Some(mut more) = all.last().cloned()
        {
            more.message = format!("{} more errors are not shown", self.omitted);
            (more.hint, more.source_line) = (None, None);
            all.push(more);
        }
        Err(Diagnostics(all))
    }
}

/// A hint that lists what there is, unless it is too much.
fn listed<'b>(known: impl Iterator<Item = &'b str>) -> Option<String> {
    const MOST: usize = 10;
    let names: Vec<_> = known.take(MOST + 1).map(shown).collect();
    (1..=MOST)
        .contains(&names.len())
        .then(|| format!("known here: {}", names.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_shown_with_its_line_and_marks() {
        let mut sources = Sources::default();
        let text = "a: 1\r\nbé:\tcde # x\n";
        sources.add("p.yaml", text);
        let mut report = Report::new(&sources);
        let start = text.find("cde").unwrap();
        let span = Span {
            source: 0,
            start,
            end: start + 3,
        };
        report.unknown(span, "word", "cde", ["cdf", "xyz"].into_iter());
        let found = report.finish().unwrap_err();
        assert_eq!(
            found.to_string(),
            "p.yaml:2:5: unknown word 'cde'\n    2 | bé: cde # x\n      |     ^^^\n\
             hint: did you mean 'cdf'?"
        );
    }

    #[test]
    fn an_error_in_what_a_program_wrote_is_told_of_its_origin() {
        let mut sources = Sources::default();
        let origin = |line: usize, text: &str| LineOrigin {
            file: "p.py".to_owned(),
            line,
            text: text.to_owned(),
        };
        let text = "{\n \"split\": {\n  \"randm\": 1\n }\n}\n";
        let origins = vec![
            origin(3, "@pipeline"),
            origin(5, "    split=dict(randm=1),"),
            origin(5, "    split=dict(randm=1),"),
        ];
        sources.add_written("p.py", text, origins);
        let mut report = Report::new(&sources);
        let span = |meant: &str| {
            let start = text.find(meant).unwrap();
            Span {
                source: 0,
                start,
                end: start + meant.len(),
            }
        };
        report.error(span("{"), "no data");
        report.error(span("\"randm\""), "no such split");
        assert_eq!(sources.line(span("}")), 5);
        assert_eq!(
            report.finish().unwrap_err().to_string(),
            "p.py:3:1: no data\n    3 | @pipeline\n      | ^^^^^^^^^\n\
             p.py:5:16: no such split\n    5 |     split=dict(randm=1),\n      |                ^^^^^"
        );
    }

    #[test]
    fn long_lines_are_cut_and_many_errors_counted() {
        let mut sources = Sources::default();
        let text = format!("{}bad{}", "x".repeat(500), "y".repeat(500));
        sources.add("f", &text);
        let mut report = Report::new(&sources);
        for index in 0..150 {
            let start = 500 + index;
            let span = Span {
                source: 0,
                start,
                end: start + 3,
            };
            report.error(span, "bad");
        }
        let found = report.finish().unwrap_err();
        assert_eq!(found.len(), MAX_DIAGNOSTICS + 1);
        let first = found.iter().next().unwrap();
        assert_eq!((first.column, first.length), (501, 3));
        let text = first.to_string();
        let lines: Vec<_> = text.lines().collect();
        let mark = lines[2].find('^').unwrap();
        assert_eq!(&lines[1][mark..mark + 3], "bad");
        let last = found.iter().last().unwrap();
        assert_eq!(last.message, "50 more errors are not shown");
    }
}
