//! What keeps a notebook from running from top to bottom, or from giving the same results.
//!
//! Nothing is run. A rule finds only what is certain: what it is not sure of it passes over, and what
//! switches it off is said in a note.

mod bindings;
mod declared;
mod facts;
mod names;
mod order;
mod paths;
mod random;
mod rules;
mod scan;
mod shell;
#[cfg(test)]
mod tests;
mod walk;

use std::collections::BTreeSet;

use ruff_python_ast::Stmt;
use ruff_python_ast::visitor::Visitor;

pub use declared::Declared;
pub(crate) use declared::distribution;
pub use rules::{Finding, Rule, UnknownRule};

use super::document::{Cell, Notebook};
use super::magic::{CellCode, of_cell};
use crate::closure::{FileImports, ParsedCell, imports_of, with_cells};
use names::Place;
use scan::Scan;
use walk::{Walker, What};

/// What is known around a notebook.
#[derive(Clone, Copy, Debug)]
pub struct Surroundings<'a> {
    /// The packages of its environment; none if they are not known.
    pub declared: Option<&'a Declared>,
    /// The names of the folders and modules of its project.
    pub own: &'a BTreeSet<String>,
}

/// What was found in a notebook.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// What the rules found, by cell and line.
    pub findings: Vec<Finding>,
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
    let mut report = Report {
        findings: order::check(notebook),
        notes: Vec::new(),
    };
    if notebook.is_python() {
        let cells: Vec<(&Cell, CellCode)> = notebook
            .code()
            .map(|cell| (cell, of_cell(&cell.source)))
            .collect();
        let texts: Vec<&str> = cells.iter().map(|(_, code)| code.text.as_str()).collect();
        let found = with_cells(&texts, |parsed| look(&cells, parsed, around));
        match found {
            Ok((findings, notes)) => {
                report.findings.extend(findings);
                report.notes.extend(notes);
            }
            Err(why) => report.notes.push(format!("its code is not checked: {why}")),
        }
    } else {
        let language = notebook.language.as_deref().unwrap_or_default();
        report.notes.push(format!(
            "its code is not checked: it is {language}, not Python"
        ));
    }
    report
        .findings
        .sort_by_key(|finding| (finding.cell, finding.line, finding.rule));
    report
}

fn look(
    cells: &[(&Cell, CellCode)],
    parsed: &[ParsedCell<'_>],
    around: Surroundings<'_>,
) -> (Vec<Finding>, Vec<String>) {
    let mut findings = Vec::new();
    let mut scan = Scan::default();
    let mut imports: Vec<(usize, FileImports)> = Vec::new();
    for ((cell, code), parsed) in cells.iter().zip(parsed) {
        match parsed {
            Ok(body) => {
                scan.cell(cell.number, &code.text, body);
                imports.push((cell.number, imports_of(&code.text, body)));
            }
            Err((line, message)) => findings.push(syntax(cell.number, *line, message)),
        }
    }
    let places = cells.iter().zip(parsed).map(|((cell, code), parsed)| {
        let place = Place {
            number: cell.number,
            code,
        };
        let body = parsed.as_ref().ok().copied();
        (place, body.map(|body| (code.text.as_str(), body)))
    });
    let (found, note) = names::check(&names::events_of(places));
    findings.extend(found);
    findings.extend(paths::check(&scan));
    findings.extend(random::check(&scan));
    let commands: Vec<(usize, u32, String)> = cells
        .iter()
        .flat_map(|(cell, code)| {
            let number = cell.number;
            let commands = code.shell.iter();
            commands.map(move |(line, command)| (number, *line, command.clone()))
        })
        .collect();
    findings.extend(shell::check(&scan, &commands));
    if let Some(declared) = around.declared {
        findings.extend(declared::check(&imports, declared, around.own));
    }
    (findings, note.into_iter().collect())
}

fn syntax(cell: usize, line: u32, message: &str) -> Finding {
    Finding {
        rule: Rule::SyntaxError,
        cell,
        line,
        what: format!("this is no Python: {message}"),
        advice: "mend the cell, or make it one of text if it is not to be run".to_owned(),
    }
}
