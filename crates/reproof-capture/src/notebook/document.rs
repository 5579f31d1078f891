//! A notebook as it lies in its file: formats 4.0 to 4.5.

use std::ops::Range;

use serde::de::IgnoredAny;
use thiserror::Error;

use super::json::{Member, get, items, member, members, root, slice, string};

/// The largest notebook that is read: outputs may hold pictures and tables.
pub const MAX_NOTEBOOK: u64 = 512 << 20;
/// The last minor version of format 4 that is known.
const KNOWN_MINOR: u64 = 5;

/// Why a file is not a notebook that can be read.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum NotebookError {
    /// It is not JSON in UTF-8.
    #[error("line {line}, column {column}: not a notebook: {message}")]
    Json {
        /// The line, from 1.
        line: usize,
        /// The column, from 1.
        column: usize,
        /// What is wrong.
        message: String,
    },
    /// It is JSON, and no notebook.
    #[error("not a notebook: {0}")]
    Shape(String),
    /// It is of a format that was replaced in 2015, or of one that is not known.
    #[error("it is of notebook format {0}; formats 4.0 to 4.5 are read")]
    Format(String),
    /// Its code is of a language that is not run.
    #[error("its code is {0}; only Python is run")]
    Language(String),
}

impl NotebookError {
    /// What to do, if there is something.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Format(version) if version.starts_with(['1', '2', '3']) => Some(
                "open it in Jupyter and save it, or 'jupyter nbconvert --to notebook --inplace FILE', \
                 which writes format 4",
            ),
            Self::Json { message, .. } if message.contains("merge conflict") => {
                Some("settle the conflict: 'git checkout --ours FILE' or '--theirs' takes one side")
            }
            _ => None,
        }
    }
}

/// What a cell holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CellKind {
    /// Code.
    Code,
    /// Text in Markdown.
    Markdown,
    /// Anything else, which is not run.
    Raw,
}

/// One cell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cell {
    /// Its number, from 1, counted over all cells.
    pub number: usize,
    /// What it holds.
    pub kind: CellKind,
    /// Its text.
    pub source: String,
    /// As how many-th it was run; none if it was not, or the counts were stripped.
    pub count: Option<u64>,
    /// Its tags.
    pub tags: Vec<String>,
    /// The errors that its outputs hold: name and message.
    pub errors: Vec<(String, String)>,
    /// What is attached to it: the JSON of it.
    pub(super) attachments: Option<String>,
    /// Where it stands in the text.
    pub(super) place: Range<usize>,
}

impl Cell {
    /// Whether it has this tag.
    pub fn is_tagged(&self, tag: &str) -> bool {
        self.tags.iter().any(|own| own == tag)
    }
}

/// A notebook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notebook {
    /// The minor version of format 4.
    pub minor: u64,
    /// The language of its code, in lower case; none if it does not say.
    pub language: Option<String>,
    /// Its cells in order.
    pub cells: Vec<Cell>,
}

impl Notebook {
    /// Reads a notebook from the bytes of its file.
    pub fn parse(bytes: &[u8]) -> Result<Self, NotebookError> {
        let text = checked(bytes)?;
        let whole = root(text);
        let parts = members(text, &whole);
        let minor = version(text, &whole, &parts)?;
        let cells = get(&parts, "cells")
            .filter(|cells| slice(text, cells).starts_with('['))
            .ok_or_else(|| NotebookError::Shape("it has no list 'cells'".to_owned()))?;
        let cells = items(text, &cells).into_iter().zip(1..);
        let cells: Result<_, _> = cells
            .map(|(place, number)| cell(text, place, number))
            .collect();
        Ok(Self {
            minor,
            language: language(text, &parts),
            cells: cells?,
        })
    }

    /// Whether its code is Python: what a notebook that does not say holds.
    pub fn is_python(&self) -> bool {
        let language = self.language.as_deref().unwrap_or("python");
        matches!(language, "python" | "ipython" | "python3" | "python2")
    }

    /// The cells of code.
    pub fn code(&self) -> impl Iterator<Item = &Cell> {
        self.cells.iter().filter(|cell| cell.kind == CellKind::Code)
    }
}

/// The text of a file, which is JSON.
pub(super) fn checked(bytes: &[u8]) -> Result<&str, NotebookError> {
    let fault = |line, column, message: &str| NotebookError::Json {
        line,
        column,
        message: message.to_owned(),
    };
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let before = bytes.get(..error.valid_up_to()).unwrap_or_default();
        let line = 1 + memchr::memchr_iter(b'\n', before).count();
        fault(line, 1, "not UTF-8")
    })?;
    let parsed = serde_json::from_str::<IgnoredAny>(text);
    parsed.map_err(|error| {
        let conflict = text
            .lines()
            .zip(1..)
            .find(|(line, _)| line.starts_with("<<<<<<< "));
        match conflict {
            Some((_, line)) => fault(line, 1, "a merge conflict stands in it"),
            None => {
                let message = error.to_string();
                let message = message.split(" at line ").next().unwrap_or_default();
                fault(error.line(), error.column(), message)
            }
        }
    })?;
    Ok(text)
}

/// The minor version, if the format is one that is read.
fn version(text: &str, whole: &Range<usize>, parts: &[Member]) -> Result<u64, NotebookError> {
    let number = |key: &str| {
        let value = get(parts, key)?;
        slice(text, &value).parse::<u64>().ok()
    };
    if !slice(text, whole).starts_with('{') {
        return Err(NotebookError::Shape("it is no JSON object".to_owned()));
    }
    let major = number("nbformat")
        .ok_or_else(|| NotebookError::Shape("it does not say its 'nbformat'".to_owned()))?;
    let minor = number("nbformat_minor").unwrap_or(0);
    // A later minor version only adds fields, as the format's own rules say.
    if major == 4 && minor <= KNOWN_MINOR + 10 {
        Ok(minor)
    } else {
        Err(NotebookError::Format(format!("{major}.{minor}")))
    }
}

fn language(text: &str, parts: &[Member]) -> Option<String> {
    let metadata = get(parts, "metadata")?;
    let named = |object: &str, key: &str| {
        let object = member(text, &metadata, object)?;
        string(text, &member(text, &object, key)?)
    };
    let found = named("kernelspec", "language").or_else(|| named("language_info", "name"));
    Some(found?.to_lowercase()).filter(|language| !language.is_empty())
}

fn cell(text: &str, place: Range<usize>, number: usize) -> Result<Cell, NotebookError> {
    let parts = members(text, &place);
    let part = |key: &str| get(&parts, key);
    let kind = part("cell_type").and_then(|kind| string(text, &kind));
    let kind = match kind.as_deref() {
        Some("code") => CellKind::Code,
        Some("markdown") => CellKind::Markdown,
        Some(_) => CellKind::Raw,
        None => {
            let message = format!("cell {number} does not say its 'cell_type'");
            return Err(NotebookError::Shape(message));
        }
    };
    let source = part("source").and_then(|source| joined(text, &source));
    let source = source
        .ok_or_else(|| NotebookError::Shape(format!("cell {number} has no text under 'source'")))?;
    let tags = part("metadata").and_then(|metadata| member(text, &metadata, "tags"));
    let tags = tags.map(|tags| items(text, &tags)).unwrap_or_default();
    let count = part("execution_count").and_then(|count| slice(text, &count).parse().ok());
    let outputs = part("outputs").filter(|_| kind == CellKind::Code);
    let outputs = outputs.map(|all| items(text, &all)).unwrap_or_default();
    let error = |output: &Range<usize>| {
        let parts = members(text, output);
        let named = |key| string(text, &get(&parts, key)?);
        (named("output_type")? == "error").then(|| {
            (
                named("ename").unwrap_or_default(),
                named("evalue").unwrap_or_default(),
            )
        })
    };
    Ok(Cell {
        number,
        kind,
        source,
        count: count.filter(|_| kind == CellKind::Code),
        tags: tags.iter().filter_map(|tag| string(text, tag)).collect(),
        errors: outputs.iter().filter_map(error).collect(),
        attachments: part("attachments")
            .filter(|attached| !members(text, attached).is_empty())
            .map(|attached| slice(text, &attached).to_owned()),
        place,
    })
}

/// A text that may be written as a list of its lines.
fn joined(text: &str, value: &Range<usize>) -> Option<String> {
    if let Some(text) = string(text, value) {
        return Some(text);
    }
    if !slice(text, value).starts_with('[') {
        return None;
    }
    let lines = items(text, value);
    lines.iter().map(|line| string(text, line)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_minor_version_of_format_4() {
        for minor in 0..=5 {
            let text = format!(
                "{{\"cells\": [{{\"cell_type\": \"markdown\", \"metadata\": {{}}, \"source\": \"# T\"}},\
                 {{\"cell_type\": \"code\", \"id\": \"a1\", \"execution_count\": 3, \
                 \"metadata\": {{\"tags\": [\"parameters\"]}}, \"source\": [\"a = 1\\n\", \"b\"], \
                 \"outputs\": [{{\"output_type\": \"error\", \"ename\": \"E\", \"evalue\": \"v\", \
                 \"traceback\": []}}]}}], \"metadata\": {{\"kernelspec\": {{\"language\": \"Python\"}}}}, \
                 \"nbformat\": 4, \"nbformat_minor\": {minor}}}"
            );
            let notebook = Notebook::parse(text.as_bytes()).unwrap();
            assert!(notebook.is_python());
            assert_eq!(notebook.minor, minor);
            let cell = &notebook.cells[1];
            assert_eq!((cell.number, cell.count), (2, Some(3)));
            assert_eq!(cell.source, "a = 1\nb");
            assert!(cell.is_tagged("parameters"));
            assert_eq!(cell.errors, [("E".to_owned(), "v".to_owned())]);
        }
    }

    #[test]
    fn what_is_no_notebook_is_named() {
        let error = |text: &[u8]| Notebook::parse(text).unwrap_err();
        let old = error(b"{\"nbformat\": 3, \"nbformat_minor\": 0, \"worksheets\": []}");
        assert!(old.to_string().contains("format 3.0"), "{old}");
        assert!(old.hint().unwrap().contains("nbconvert"));
        for (text, expected) in [
            (&b""[..], "line 1"),
            (b"{\n\"cells\": [", "line 2"),
            (b"\xff", "not UTF-8"),
            (b"[]", "no JSON object"),
            (b"{\"cells\": []}", "nbformat"),
            (b"{\"nbformat\": 5}", "format 5.0"),
            (b"{\"nbformat\": 4}", "no list 'cells'"),
            (b"{\"nbformat\": 4, \"cells\": [{}]}", "cell 1"),
            (
                b"{\"nbformat\": 4, \"cells\": [{\"cell_type\": \"code\"}]}",
                "no text",
            ),
            (
                b"{\n<<<<<<< HEAD\n\"nbformat\": 4\n=======\n}",
                "merge conflict",
            ),
        ] {
            let error = error(text).to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
