//! What of a notebook is source: its cells, without what running them left behind. It is what a step
//! that runs the notebook depends on, however the file is written and whatever was run in it.

use ruff_python_ast::{IpyEscapeKind, Stmt};
use ruff_text_size::Ranged;
use serde_json::{Map, Value, json};

use super::document::{Cell, CellKind, Notebook, NotebookError};
use super::json::member;
use super::magic::{CellCode, of_cell, split};
use crate::closure::{
    FileImports, Import, Lines, Literal, ParseFault, ParsedCell, imports_of, with_cells,
};

/// The program that runs a notebook in a new kernel.
pub const RUNNER: &str = include_str!("runner.py");

/// Tags that change how a cell is run.
const TAGS: [&str; 4] = [
    "injected-parameters",
    "parameters",
    "raises-exception",
    "skip-execution",
];

/// A notebook of the cells alone, in one way of writing: kind, source, attachments, and the tags that
/// change how a cell is run.
///
/// # Errors
/// If it is no notebook, or one whose code is not Python.
pub fn source(bytes: &[u8]) -> Result<Vec<u8>, NotebookError> {
    let notebook = Notebook::parse(bytes)?;
    if !notebook.is_python() {
        return Err(NotebookError::Language(
            notebook.language.unwrap_or_default(),
        ));
    }
    let cells: Vec<Value> = notebook.cells.iter().map(bare).collect();
    let document = json!({
        "cells": cells,
        "metadata": {"kernelspec": {
            "display_name": "Python 3",
            "language": "python",
            "name": "python3",
        }},
        "nbformat": 4,
        "nbformat_minor": 5,
    });
    let mut out = Vec::new();
    let indent = serde_json::ser::PrettyFormatter::with_indent(b" ");
    let mut serializer = serde_json::Serializer::with_formatter(&mut out, indent);
    let written = serde::Serialize::serialize(&document, &mut serializer);
    written.map_err(|error| NotebookError::Shape(error.to_string()))?;
    out.push(b'\n');
    Ok(out)
}

fn bare(cell: &Cell) -> Value {
    let mut metadata = Map::new();
    let mut tags: Vec<&str> = TAGS.into_iter().filter(|tag| cell.is_tagged(tag)).collect();
    tags.sort_unstable();
    if !tags.is_empty() {
        metadata.insert("tags".to_owned(), json!(tags));
    }
    let lines: Vec<&str> = cell.source.split_inclusive('\n').collect();
    let kind = match cell.kind {
        CellKind::Code => "code",
        CellKind::Markdown => "markdown",
        CellKind::Raw => "raw",
    };
    let mut bare = json!({
        "cell_type": kind,
        "id": format!("cell-{}", cell.number),
        "metadata": metadata,
        "source": lines,
    });
    if cell.kind == CellKind::Code {
        bare["execution_count"] = Value::Null;
        bare["outputs"] = json!([]);
    }
    let attached = cell.attachments.as_deref();
    if let Some(attached) = attached.and_then(|text| serde_json::from_str(text).ok()) {
        bare["attachments"] = attached;
    }
    bare
}

/// What the code of a notebook imports. The lines are those of its file, where that is written as
/// Jupyter does.
pub(crate) fn imports(bytes: &[u8]) -> FileImports {
    let notebook = match Notebook::parse(bytes) {
        Ok(notebook) => notebook,
        Err(error) => return FileImports::failed(1, error.to_string()),
    };
    if !notebook.is_python() {
        let language = notebook.language.unwrap_or_default();
        return FileImports::failed(1, format!("its code is {language}"));
    }
    let text = String::from_utf8_lossy(bytes);
    let lines = Lines::new(&text);
    let first = |cell: &Cell| {
        let source = member(&text, &cell.place, "source");
        let at = source.map_or(cell.place.start, |source| source.start);
        // In a list of lines the first one stands below the bracket; a text stands in one line.
        let listed = text.get(at..).is_some_and(|rest| rest.starts_with("[\n"));
        (lines.line(at) + u32::from(listed), listed)
    };
    let cells: Vec<(Place, CellCode)> = notebook
        .code()
        .map(|cell| (first(cell), of_cell(&cell.source)))
        .collect();
    let texts: Vec<&str> = cells.iter().map(|(_, code)| code.text.as_str()).collect();
    let found = with_cells(&texts, |parsed| collect(&cells, parsed));
    found.unwrap_or_else(|why| FileImports::failed(1, why))
}

/// The line of a file that a cell begins in, and whether each of its lines has one of its own.
type Place = (u32, bool);

fn collect(cells: &[(Place, CellCode)], parsed: &[ParsedCell<'_>]) -> FileImports {
    let mut all = FileImports {
        version: FileImports::VERSION,
        ..FileImports::default()
    };
    for (((first, listed), code), parsed) in cells.iter().zip(parsed) {
        let moved = |line: u32| first + if *listed { line - 1 } else { 0 };
        let body = match parsed {
            Ok(parsed) => parsed.suite(),
            Err((line, message)) => {
                let fault = ParseFault {
                    line: moved(*line),
                    message: message.clone(),
                };
                all.fault.get_or_insert(fault);
                continue;
            }
        };
        let mut own = imports_of(&code.text, body);
        own.imports.extend(extensions(&code.text, body));
        own.imports.sort_by_key(|one| one.line);
        own.imports
            .iter_mut()
            .for_each(|one| one.line = moved(one.line));
        own.dynamic
            .iter_mut()
            .for_each(|one| one.line = moved(one.line));
        own.roots
            .iter_mut()
            .for_each(|one| one.line = moved(one.line));
        own.files.extend(runs(&code.text, body));
        own.files
            .iter_mut()
            .for_each(|one| one.line = moved(one.line));
        all.imports.extend(own.imports);
        all.all.extend(own.all);
        all.dynamic.extend(own.dynamic);
        all.roots.extend(own.roots);
        all.files.extend(own.files);
        all.fault = all.fault.or(own.fault);
    }
    all
}

/// The arguments of each line magic of this name, with its line.
fn magics<'b>(name: &str, text: &str, body: &'b [Stmt]) -> Vec<(&'b str, u32)> {
    let lines = Lines::new(text);
    let arguments = |statement: &'b Stmt| {
        let Stmt::IpyEscapeCommand(command) = statement else {
            return None;
        };
        let (found, arguments) = split(&command.value);
        let wanted = command.kind == IpyEscapeKind::Magic && found == name;
        wanted.then(|| (arguments, lines.line(statement.start().to_usize())))
    };
    body.iter().filter_map(arguments).collect()
}

/// The modules that `%load_ext` imports. Those of IPython itself have no such names as modules.
fn extensions(text: &str, body: &[Stmt]) -> Vec<Import> {
    let import = |(module, line): (&str, u32)| Import {
        level: 0,
        module: module.to_owned(),
        names: Vec::new(),
        line,
        optional: true,
    };
    magics("load_ext", text, body)
        .into_iter()
        .filter(|(module, _)| !module.is_empty() && !module.contains(char::is_whitespace))
        .map(import)
        .collect()
}

/// The files that `%run` runs.
fn runs(text: &str, body: &[Stmt]) -> Vec<Literal> {
    let file = |(arguments, line): (&str, u32)| {
        let mut words = arguments.split_whitespace();
        let file = words.find(|word| !word.starts_with('-'))?;
        let file = file.trim_matches(['"', '\'']);
        let ending = file.rsplit_once('.').map(|(_, ending)| ending);
        let known = matches!(ending, Some("py" | "ipynb"));
        Some(Literal {
            text: if known {
                file.to_owned()
            } else {
                format!("{file}.py")
            },
            line,
        })
    };
    magics("run", text, body)
        .into_iter()
        .filter_map(file)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const RUN: &str = "{\"nbformat\":4,\"nbformat_minor\":2,\"metadata\":{},\"cells\":[\
        {\"cell_type\":\"code\",\"execution_count\":3,\"metadata\":{\"collapsed\":true,\
        \"tags\":[\"mine\",\"parameters\"]},\"outputs\":[{\"output_type\":\"stream\"}],\
        \"source\":\"a = 1\\nb\"}]}";

    #[test]
    fn the_source_is_the_same_whatever_was_run() {
        let one = source(RUN.as_bytes()).unwrap();
        let other = RUN
            .replace("\"execution_count\":3", "\"execution_count\": 9 ")
            .replace("[{\"output_type\":\"stream\"}]", "[]")
            .replace("\"collapsed\":true,", "")
            .replace("\"a = 1\\nb\"", "[\"a = 1\\n\", \"b\"]")
            .replace("\"mine\",", "");
        assert_eq!(source(other.as_bytes()).unwrap(), one);
        assert_eq!(source(&one).unwrap(), one);
        let cells = String::from_utf8(one.clone()).unwrap();
        assert!(
            cells.contains("\"parameters\"") && !cells.contains("mine"),
            "{cells}"
        );
        for (from, to) in [("b\"", "c\""), ("\"parameters\"", "\"other\"")] {
            let changed = RUN.replace(from, to);
            assert_ne!(source(changed.as_bytes()).unwrap(), one, "{from}");
        }
    }

    #[test]
    fn imports_stand_in_the_lines_of_the_file() {
        let text = "{\n \"nbformat\": 4,\n \"cells\": [\n  {\n   \"cell_type\": \"code\",\n   \"source\": [\n    \
                    \"%load_ext reproof\\n\",\n    \"import helper\\n\",\n    \"%run -i tools/run\\n\"\n   ]\n  },\n  \
                    {\"cell_type\": \"code\", \"source\": \"def (\"},\n  \
                    {\"cell_type\": \"code\", \"source\": \"%%time\\nfrom pkg import x\"}]}";
        let found = imports(text.as_bytes());
        let shown: Vec<_> = found
            .imports
            .iter()
            .map(|import| (import.module.as_str(), import.line))
            .collect();
        assert_eq!(shown, [("reproof", 7), ("helper", 8), ("pkg", 13)]);
        assert_eq!(found.files[0].text, "tools/run.py");
        assert_eq!(found.files[0].line, 9);
        assert_eq!(found.fault.unwrap().line, 12);
        assert!(imports(b"{}").fault.is_some());
    }
}
