//! From a notebook to a pipeline: a module for each of its stages, and the file that runs them.
//!
//! A stage gets what it uses of the stages before it: imports and definitions as copies of their text,
//! parameters from the pipeline file, and values as files that the stage before it wrote. Whatever is
//! not certain is said; nothing is run.

#[cfg(test)]
mod tests;
mod write;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use ruff_python_ast::visitor::{Visitor, walk_expr};
use ruff_python_ast::{Expr, Number, Stmt, UnaryOp};
use ruff_text_size::Ranged;
use thiserror::Error;

use super::check::{Surroundings, check, names_of};
use super::document::{Cell, Notebook};
use super::magic::{Effect, effect, of_cell};
use crate::closure::{ParsedCell, normalise, with_cells};
use crate::python::literal;
use crate::rules::Context;
use crate::script::{Access, calls::file_uses};

/// How a tag of a cell begins at which a stage does.
const STAGE_TAG: &str = "step:";

/// Why a notebook cannot be converted.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{0}")]
pub struct ConvertError(pub String);

/// What a notebook becomes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Converted {
    /// The modules: their paths in the project, and their text.
    pub modules: BTreeMap<String, String>,
    /// The text of the pipeline file.
    pub pipeline: String,
    /// What a person must decide.
    pub undecided: Vec<String>,
}

/// What a statement at the top of a cell is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Import,
    Definition,
    Parameter,
    Value,
}

/// A statement at the top of a cell.
struct Item {
    stage: usize,
    kind: Kind,
    text: String,
    uses: BTreeSet<String>,
    binds: BTreeSet<String>,
}

/// A stage: its name, and the text of its cells.
struct Stage {
    name: String,
    cells: Vec<String>,
}

/// What stands in the code, in order.
#[derive(Default)]
struct Parts {
    stages: Vec<Stage>,
    items: Vec<Item>,
    /// Parameters with their values as JSON.
    parameters: BTreeMap<String, String>,
    /// Files that are read: the name of the data, by the path from the project's folder.
    data: BTreeMap<String, String>,
    undecided: Vec<String>,
}

/// Proposes a pipeline `name` for a notebook that lies in `folder` of the project, whose files are
/// these.
pub fn convert(
    notebook: &Notebook,
    name: &str,
    folder: &str,
    files: &BTreeSet<String>,
) -> Result<Converted, ConvertError> {
    if !notebook.is_python() {
        return Err(ConvertError("its code is not Python".to_owned()));
    }
    let around = Surroundings {
        declared: None,
        own: &BTreeSet::new(),
        given: &BTreeSet::new(),
        context: &Context::default(),
    };
    if let Some(note) = check(notebook, around).notes.first() {
        return Err(ConvertError(format!(
            "what it defines is not certain: {note}"
        )));
    }
    let cells: Vec<&Cell> = notebook.code().collect();
    let texts: Vec<String> = cells
        .iter()
        .map(|cell| of_cell(&cell.source).text)
        .collect();
    let borrowed: Vec<&str> = texts.iter().map(String::as_str).collect();
    let parts = with_cells(&borrowed, |parsed| {
        collect(&cells, &borrowed, parsed, folder, files)
    });
    let parts = parts.map_err(ConvertError)??;
    Ok(parts.write(name, folder))
}

fn collect(
    cells: &[&Cell],
    texts: &[&str],
    parsed: &[ParsedCell<'_>],
    folder: &str,
    files: &BTreeSet<String>,
) -> Result<Parts, ConvertError> {
    let mut parts = Parts::default();
    let bodies: Result<Vec<&[Stmt]>, _> = cells
        .iter()
        .zip(parsed)
        .map(|(cell, parsed)| match parsed {
            Ok(parsed) => Ok(parsed.suite().as_slice()),
            Err((line, message)) => Err(ConvertError(format!(
                "cell {}, line {line} is no Python: {message}",
                cell.number
            ))),
        })
        .collect();
    let bodies = bodies?;
    let starts = starts(cells, texts);
    for (at, (cell, body)) in cells.iter().zip(&bodies).enumerate() {
        if let Some(name) = starts.get(&at) {
            parts.stages.push(Stage {
                name: name.clone(),
                cells: Vec::new(),
            });
        }
        parts.cell(cell, texts[at], body, folder, files);
    }
    Ok(parts)
}

/// The cells at which stages begin, with their names: those that tags name, or else what reads, what
/// fits, and the rest.
fn starts(cells: &[&Cell], texts: &[&str]) -> BTreeMap<usize, String> {
    let tagged = cells.iter().enumerate().filter_map(|(at, cell)| {
        let name = cell
            .tags
            .iter()
            .find_map(|tag| tag.strip_prefix(STAGE_TAG))?;
        let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        let good = name.starts_with(|c: char| c.is_ascii_lowercase()) && name.chars().all(fits);
        good.then(|| (at, name.to_owned()))
    });
    let mut starts: BTreeMap<usize, String> = tagged.collect();
    let mut seen = BTreeSet::new();
    starts.retain(|_, name| seen.insert(name.clone()));
    if let Some((first, name)) = starts.pop_first() {
        if first > 0 {
            starts.insert(first, name);
            starts.insert(0, "start".to_owned());
        } else {
            starts.insert(0, name);
        }
        return starts;
    }
    let last = |word: &str| {
        texts
            .iter()
            .rposition(|text| text.contains(word))
            .map(|at| at + 1)
    };
    let mut cut = 0;
    for (name, end) in [("load", last("read_")), ("train", last(".fit("))] {
        if let Some(end) = end.filter(|end| *end > cut) {
            starts.insert(cut, name.to_owned());
            cut = end;
        }
    }
    if cut < cells.len() {
        starts.insert(cut, "evaluate".to_owned());
    }
    starts
}

impl Parts {
    fn cell(
        &mut self,
        cell: &Cell,
        text: &str,
        body: &[Stmt],
        folder: &str,
        files: &BTreeSet<String>,
    ) {
        let mut edits: Vec<(Range<usize>, String)> = Vec::new();
        let mut literals = Literals::default();
        literals.visit_body(body);
        for (range, path) in literals.found {
            let inside = normalise(folder, &path).unwrap_or_default();
            let is_code = inside.rsplit_once('.').is_some_and(|(_, end)| end == "py");
            if files.contains(&inside) && !is_code {
                let count = self.data.len() + 1;
                let known = self.data.entry(inside.clone());
                known.or_insert_with(|| format!("data_{count}"));
                edits.push((range, format!("_DATA[{}]", literal(&inside))));
            } else if literals.writes.contains(&path) {
                self.undecided.push(format!(
                    "cell {} writes '{path}': write it below _step[\"outputs\"] of its step instead, \
                     and name it under 'outputs'",
                    cell.number
                ));
            }
        }
        let stage = self.stages.len().saturating_sub(1);
        for statement in body {
            let range = range_of(statement);
            if let Stmt::IpyEscapeCommand(command) = statement {
                let (instead, said) = match effect(&command.value) {
                    Effect::Runs(code) => (code.to_owned(), None),
                    _ => {
                        let line = text.get(range.clone()).unwrap_or_default();
                        let line = line.replace(['\n', '\r'], " ");
                        (format!("pass  # {line}"), Some(line))
                    }
                };
                edits.push((range, instead));
                if let Some(line) = said {
                    self.undecided.push(format!(
                        "cell {}: '{line}' is no Python, and was taken out",
                        cell.number
                    ));
                }
                continue;
            }
            let parameter = cell
                .is_tagged("parameters")
                .then(|| literal_assigned(statement))
                .flatten();
            let names = names_of(statement);
            let kind = match (statement, &parameter) {
                (_, Some(_)) => Kind::Parameter,
                (Stmt::Import(_) | Stmt::ImportFrom(_), None) => Kind::Import,
                (Stmt::FunctionDef(_) | Stmt::ClassDef(_), None) => Kind::Definition,
                (Stmt::Assign(assign), None) if matches!(&*assign.value, Expr::Lambda(_)) => {
                    Kind::Definition
                }
                _ => Kind::Value,
            };
            if let Some((name, value)) = parameter {
                let instead = format!("{name} = _step[\"parameters\"][{}]", literal(&name));
                edits.push((range.clone(), instead));
                self.parameters.insert(name, value);
            }
            self.items.push(Item {
                stage,
                kind,
                text: edited(text, range, &edits),
                uses: names.0,
                binds: names.1,
            });
        }
        let whole = edited(text, 0..text.len(), &edits);
        if let Some(stage) = self
            .stages
            .get_mut(stage)
            .filter(|_| !whole.trim().is_empty())
        {
            stage
                .cells
                .push(format!("# Cell {}\n{}", cell.number, whole.trim_end()));
        }
    }
}

/// Texts that are given to calls as paths.
#[derive(Default)]
struct Literals {
    found: Vec<(Range<usize>, String)>,
    writes: BTreeSet<String>,
}

impl<'a> Visitor<'a> for Literals {
    fn visit_expr(&mut self, expression: &'a Expr) {
        if let Expr::Call(call) = expression {
            let uses = file_uses(call);
            let used = uses.iter().map(|used| (used.path, used.access));
            let first = call.arguments.args.first();
            let first = first.map(|path| (path, Access::Mention));
            let mut seen = BTreeSet::new();
            for (path, access) in used.chain(first) {
                let Expr::StringLiteral(literal) = path else {
                    continue;
                };
                let path = literal.value.to_str().to_owned();
                if access == Access::Write {
                    self.writes.insert(path.clone());
                }
                let range = literal.range();
                let range = range.start().to_usize()..range.end().to_usize();
                if seen.insert(range.start) {
                    self.found.push((range, path));
                }
            }
        }
        walk_expr(self, expression);
    }
}

fn range_of(statement: &Stmt) -> Range<usize> {
    let range = statement.range();
    range.start().to_usize()..range.end().to_usize()
}

/// A part of a text with what of it is replaced.
fn edited(text: &str, range: Range<usize>, edits: &[(Range<usize>, String)]) -> String {
    let mut inside: Vec<_> = edits
        .iter()
        .filter(|(place, _)| range.start <= place.start && place.end <= range.end)
        .collect();
    inside.sort_by_key(|(place, _)| (place.start, std::cmp::Reverse(place.end)));
    let mut out = String::new();
    let mut at = range.start;
    for (place, instead) in inside {
        // What lies in something that is replaced already is gone.
        if place.start < at {
            continue;
        }
        out += text.get(at..place.start).unwrap_or_default();
        out += instead;
        at = place.end;
    }
    out + text.get(at..range.end).unwrap_or_default()
}

/// The name and the JSON of `name = literal`.
pub(crate) fn literal_assigned(statement: &Stmt) -> Option<(String, String)> {
    let (target, value) = match statement {
        Stmt::Assign(assign) => match assign.targets.as_slice() {
            [target] => (target, &*assign.value),
            _ => return None,
        },
        Stmt::AnnAssign(assign) => (&*assign.target, assign.value.as_deref()?),
        _ => return None,
    };
    let Expr::Name(name) = target else {
        return None;
    };
    Some((name.id.to_string(), literal_json(value)?))
}

/// The JSON of a plain value; none of what is not plain.
pub(crate) fn literal_json(value: &Expr) -> Option<String> {
    Some(match value {
        Expr::StringLiteral(literal) => quoted(literal.value.to_str()),
        Expr::BooleanLiteral(literal) => literal.value.to_string(),
        Expr::NoneLiteral(_) => "null".to_owned(),
        _ => number(value)?.to_string(),
    })
}

/// A number that JSON can hold, with its sign.
fn number(value: &Expr) -> Option<serde_json::Number> {
    match value {
        Expr::NumberLiteral(literal) => match &literal.value {
            Number::Int(whole) => whole.as_i64().map(Into::into),
            Number::Float(number) => serde_json::Number::from_f64(*number),
            Number::Complex { .. } => None,
        },
        Expr::UnaryOp(signed) if matches!(&*signed.operand, Expr::NumberLiteral(_)) => {
            let positive = number(&signed.operand)?;
            match signed.op {
                UnaryOp::UAdd => Some(positive),
                UnaryOp::USub => match positive.as_i64() {
                    Some(whole) => Some((-whole).into()),
                    None => serde_json::Number::from_f64(-positive.as_f64()?),
                },
                UnaryOp::Invert | UnaryOp::Not => None,
            }
        }
        _ => None,
    }
}

/// A text as YAML and JSON write it.
pub(crate) fn quoted(text: &str) -> String {
    let fits = |c: char| c.is_ascii_alphanumeric() || "/._-".contains(c);
    let plain = text.contains('/') && text.chars().all(fits);
    if plain {
        text.to_owned()
    } else {
        serde_json::Value::from(text).to_string()
    }
}
