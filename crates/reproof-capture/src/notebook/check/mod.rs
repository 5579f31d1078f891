//! What keeps a notebook from running from top to bottom, or from giving the same results.
//!
//! Nothing is run. What is so of any Python, the [rules](crate::rules) find in the cells as in a module;
//! here stand those that know what a notebook is. A rule finds only what is certain: what it is not sure
//! of it passes over, and what switches it off is said in a note.

mod bindings;
mod declared;
mod facts;
mod names;
mod order;
mod shell;
#[cfg(test)]
mod tests;
mod walk;

use std::collections::BTreeSet;

use ruff_python_ast::Stmt;
use ruff_python_ast::visitor::Visitor;

pub use declared::Declared;
pub(crate) use declared::distribution;

use super::document::{Cell, Notebook};
use super::magic::{CellCode, of_cell};
use crate::closure::{FileImports, ParsedCell, imports_of, with_cells};
use crate::rules::{Checked, Comments, Context, Finding, Part, Rule, look as look_at_code};
use names::Place;
use walk::{Walker, What};

/// What is known around a notebook.
#[derive(Clone, Copy, Debug)]
pub struct Surroundings<'a> {
    /// The packages of its environment; none if they are not known.
    pub declared: Option<&'a Declared>,
    /// The names of the folders and modules of its project.
    pub own: &'a BTreeSet<String>,
    /// The names that whoever runs it sets before its first cell.
    pub given: &'a BTreeSet<String>,
    /// How it is run.
    pub context: &'a Context,
}

/// What was found in a notebook.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// What the rules found, by cell and line.
    pub checked: Checked,
    /// What was not looked at, and why.
    pub notes: Vec<String>,
}

/// The names that a statement uses and that it binds, of those that are not Python's own.
pub(in crate::notebook) fn names_of(statement: &Stmt) -> (BTreeSet<String>, BTreeSet<String>) {
    let mut walker = Walker::default();
    walker.begin(1);
    walker.visit_stmt(statement);
    let (mut uses, mut binds) = (BTreeSet::new(), BTreeSet::new());
    for event in walker.events {
        match event.what {
            What::Bind(name) | What::Define { name, .. } => {
                binds.insert(name);
            }
            What::Load { name, .. } | What::Later { name, .. } if !names::is_known(&name) => {
                uses.insert(name);
            }
            _ => {}
        }
    }
    (uses, binds)
}

/// Holds a notebook against all rules.
pub fn check(notebook: &Notebook, around: Surroundings<'_>) -> Report {
    let mut report = Report::default();
    let mut found = order::check(notebook);
    let mut comments = Comments::default();
    if notebook.is_python() {
        let cells: Vec<(&Cell, CellCode)> = notebook
            .code()
            .map(|cell| (cell, of_cell(&cell.source)))
            .collect();
        let texts: Vec<&str> = cells.iter().map(|(_, code)| code.text.as_str()).collect();
        match with_cells(&texts, |parsed| look(&cells, parsed, around)) {
            Ok(looked) => {
                report.checked = looked.checked;
                report.notes.extend(looked.note);
                found.extend(looked.findings);
                comments = looked.comments;
            }
            Err(why) => report.notes.push(format!("its code is not checked: {why}")),
        }
    } else {
        let language = notebook.language.as_deref().unwrap_or_default();
        report.notes.push(format!(
            "its code is not checked: it is {language}, not Python"
        ));
    }
    report.checked.settle(found, comments);
    report
}

/// What the code of a notebook gave.
struct Looked {
    checked: Checked,
    findings: Vec<Finding>,
    comments: Comments,
    note: Option<String>,
}

fn look(
    cells: &[(&Cell, CellCode)],
    parsed: &[ParsedCell<'_>],
    around: Surroundings<'_>,
) -> Looked {
    let mut findings = Vec::new();
    let mut comments = Comments::default();
    let mut parts: Vec<Part<'_>> = Vec::new();
    let mut imports: Vec<(usize, FileImports)> = Vec::new();
    for ((cell, code), parsed) in cells.iter().zip(parsed) {
        match parsed {
            Ok(module) if !code.text.is_empty() => {
                let part = Part {
                    cell: Some(cell.number),
                    text: &code.text,
                    body: module.suite(),
                    tokens: module.tokens(),
                };
                comments.read(&part);
                imports.push((cell.number, imports_of(&code.text, part.body)));
                parts.push(part);
            }
            Ok(_) => comments.read_lines(cell.number, &cell.source),
            Err((line, message)) => {
                comments.read_lines(cell.number, &cell.source);
                findings.push(syntax(cell.number, *line, message));
            }
        }
    }
    let places = cells.iter().zip(parsed).map(|((cell, code), parsed)| {
        let place = Place {
            number: cell.number,
            code,
        };
        let body = parsed.as_ref().ok().map(|module| module.suite().as_slice());
        (place, body.map(|body| (code.text.as_str(), body)))
    });
    let (found, note) = names::check(&names::events_of(around.given, places));
    findings.extend(found);
    findings.extend(shell::check(&parts, cells));
    if let Some(declared) = around.declared {
        findings.extend(declared::check(&imports, declared, around.own));
    }
    Looked {
        checked: look_at_code(&parts, around.context),
        findings,
        comments,
        note,
    }
}

fn syntax(cell: usize, line: u32, message: &str) -> Finding {
    let text = format!("this is no Python: {message}");
    let advice = "mend the cell, or make it one of text if it is not to be run";
    Finding::new(Rule::SyntaxError, Some(cell), line, text, advice)
}
