//! Rules: what in code would keep its results from being repeated.
//!
//! Code is parsed, never executed, and each module is looked at by itself: [`check`] takes one, and
//! [`notebook::check`](crate::notebook::check) asks the same of the cells of a notebook, which are one
//! module in parts. What one module alone cannot decide, whether another one sets a seed or the project
//! has a file, is settled by [`Checked::findings`].
//!
//! A rule fires only on what is known: a call whose name leads to an import, a literal, a name of the
//! same function. What it cannot tell it leaves alone, because a list that is wrong is not read.
//! A comment on the line, `# reproof: ignore[RULE]`, silences a rule there.

mod calls;
mod facts;
mod names;
mod order;
mod parallel;
mod paths;
mod random;
mod rule;
mod suppress;
#[cfg(test)]
mod tests;
mod visit;

use std::collections::{BTreeMap, BTreeSet};

use ruff_python_ast::token::Tokens;
use ruff_python_ast::{IpyEscapeKind, Stmt};

pub use rule::{Rule, Severity, Subject, UnknownRule};
pub(crate) use suppress::Comments;
pub use suppress::suppressed_in;

use crate::closure::parse::with_module;
use crate::notebook::magic::{Effect, effect};

/// What is known of how the code is run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Context {
    /// Whether it runs as a step, with what a step has; otherwise however a person runs it.
    pub is_step: bool,
    /// The environment variables that the step has: its own, and those that Reproof sets.
    pub variables: BTreeSet<String>,
    /// How many threads it is told that there are.
    pub threads: u32,
    /// Whether it may use the network.
    pub network: bool,
}

/// A source of random numbers that a module may seed for others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Generator {
    /// That of `random`.
    Python,
    /// The global one of NumPy, from which SciPy and scikit-learn draw, too.
    NumPy,
    /// That of PyTorch.
    Torch,
    /// That of TensorFlow and Keras.
    TensorFlow,
}

impl Generator {
    /// All of them.
    const ALL: [Self; 4] = [Self::Python, Self::NumPy, Self::Torch, Self::TensorFlow];
}

/// A text to be put into a file: at this byte of it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Insertion {
    /// Before which byte of the text, without a byte order mark.
    pub at: usize,
    /// What.
    pub text: &'static str,
}

/// Something that a rule found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The rule.
    pub rule: Rule,
    /// How grave it is.
    pub severity: Severity,
    /// The cell of a notebook, from 1, counted over all cells; none in a module.
    pub cell: Option<usize>,
    /// The line, from 1: of the cell, or of the module.
    pub line: u32,
    /// The column in characters, from 1; 1 for what is about the line.
    pub column: u32,
    /// What was found there.
    pub text: String,
    /// What to do.
    pub advice: String,
    /// What `--fix` puts in; nothing where a person has to decide.
    pub fix: Vec<Insertion>,
    /// The generator that, seeded anywhere else in the step's code, makes it right.
    unless_seeded: Option<Generator>,
    /// Whether one seed mends all such findings, so that the first one is enough.
    is_one_of_many: bool,
    /// The file that it is about, relative to the project: it holds only if there is one that the step
    /// does not see.
    file: Option<String>,
}

impl Finding {
    /// What a rule finds in a line, and what to do.
    pub(crate) fn new(
        rule: Rule,
        cell: Option<usize>,
        line: u32,
        text: impl Into<String>,
        advice: impl Into<String>,
    ) -> Self {
        Self {
            rule,
            severity: rule.severity(),
            cell,
            line,
            column: 1,
            text: text.into(),
            advice: advice.into(),
            fix: Vec::new(),
            unless_seeded: None,
            is_one_of_many: false,
            file: None,
        }
    }

    fn place(&self) -> (Option<usize>, u32, u32, Rule) {
        (self.cell, self.line, self.column, self.rule)
    }
}

/// What was found in one module or notebook.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Checked {
    found: Vec<Finding>,
    /// The generators that it seeds.
    pub seeds: BTreeSet<Generator>,
}

impl Checked {
    /// The findings, in the order of the code, given which generators other modules of the step seed, and
    /// which paths the project has and the step does not see.
    pub fn findings(
        &self,
        others: &BTreeSet<Generator>,
        unseen: impl Fn(&str) -> bool,
    ) -> impl Iterator<Item = &Finding> {
        self.found.iter().filter(move |finding| {
            let by = finding.unless_seeded;
            by.is_none_or(|generator| !others.contains(&generator))
                && finding.file.as_deref().is_none_or(&unseen)
        })
    }

    /// Adds what else was found, takes out what comments silence, and puts all into order.
    pub(crate) fn settle(&mut self, more: Vec<Finding>, comments: Comments) {
        self.found.extend(more);
        comments.apply(&mut self.found);
        self.found.sort_by_key(Finding::place);
        let mut many: BTreeMap<Option<Generator>, usize> = BTreeMap::new();
        for finding in self.found.iter().filter(|finding| finding.is_one_of_many) {
            *many.entry(finding.unless_seeded).or_default() += 1;
        }
        self.found.retain_mut(|finding| {
            if !finding.is_one_of_many {
                return true;
            }
            let Some(count) = many.remove(&finding.unless_seeded) else {
                return false;
            };
            if count > 1 {
                finding.text += &format!(", and {} more", count - 1);
            }
            true
        });
    }
}

/// A piece of code: a module, or a cell of a notebook.
#[derive(Clone, Copy)]
pub(crate) struct Part<'p> {
    /// The number of the cell; none for a module.
    pub cell: Option<usize>,
    /// Its text.
    pub text: &'p str,
    /// Its statements.
    pub body: &'p [Stmt],
    /// Its tokens.
    pub tokens: &'p Tokens,
}

/// Looks at code in parts that are run one after another, whose names are in one namespace. What is
/// found is to be [settled](Checked::settle).
pub(crate) fn look(parts: &[Part<'_>], context: &Context) -> Checked {
    let mut checked = visit::check(parts, context);
    checked.found.sort_by_key(Finding::place);
    checked.found.dedup_by_key(|found| found.place());
    checked
}

/// Checks one module of a step. None if it is no Python that can be parsed: Python will say so.
pub fn check(bytes: &[u8], context: &Context) -> Option<Checked> {
    with_module(bytes, |text, parsed| {
        let part = Part {
            cell: None,
            text,
            body: parsed.suite(),
            tokens: parsed.tokens(),
        };
        let mut checked = look(&[part], context);
        let mut comments = Comments::default();
        comments.read(&part);
        checked.settle(Vec::new(), comments);
        checked
    })
}

/// The Python that a line magic of a cell runs: `f()` of `%time f()`.
fn magic_code(statement: &Stmt) -> Option<&str> {
    match statement {
        Stmt::IpyEscapeCommand(command) if command.kind == IpyEscapeKind::Magic => {
            match effect(&command.value) {
                Effect::Runs(code) => Some(code),
                _ => None,
            }
        }
        _ => None,
    }
}

/// The file with what [`Finding::fix`] puts into it; none where there is nothing to put in or the file
/// is not UTF-8.
pub fn fixed<'a>(bytes: &[u8], findings: impl Iterator<Item = &'a Finding>) -> Option<Vec<u8>> {
    const MARK: &[u8] = b"\xef\xbb\xbf";
    let text = bytes.strip_prefix(MARK).unwrap_or(bytes);
    let mark = bytes.len() - text.len();
    std::str::from_utf8(text).ok()?;
    let mut insertions: Vec<_> = findings.flat_map(|finding| &finding.fix).collect();
    if insertions.is_empty() {
        return None;
    }
    insertions.sort();
    let mut out = Vec::with_capacity(bytes.len() + 16 * insertions.len());
    let mut done = 0;
    for insertion in insertions {
        let at = mark + insertion.at;
        out.extend_from_slice(bytes.get(done..at)?);
        out.extend_from_slice(insertion.text.as_bytes());
        done = at;
    }
    out.extend_from_slice(bytes.get(done..)?);
    Some(out)
}
