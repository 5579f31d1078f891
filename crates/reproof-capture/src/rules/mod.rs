//! Rules: what in the code of a step would keep its results from being repeated.
//!
//! Files are parsed, never executed, and each is looked at by itself: [`check`] takes one module, so
//! that whoever has code in another shape, such as the cells of a notebook, can have it checked, too.
//! What one module alone cannot decide, whether another one sets a seed or the project has a file, is
//! settled by [`Checked::findings`].
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
mod rule;
mod suppress;
#[cfg(test)]
mod tests;
mod visit;

use std::collections::BTreeSet;

pub use rule::{Rule, Severity};
pub use suppress::suppressed_in;

use crate::closure::parse::with_module;

/// What is known of the step whose code is looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Context {
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
    /// The line, from 1.
    pub line: u32,
    /// The column in characters, from 1.
    pub column: u32,
    /// What was found there.
    pub text: String,
    /// What to do.
    pub advice: String,
    /// What `--fix` puts in; nothing where a person has to decide.
    pub fix: Vec<Insertion>,
    /// The generator that, seeded anywhere in the step's code, makes it right.
    unless_seeded: Option<Generator>,
    /// The file that it is about, relative to the project: it holds only if there is one that the step
    /// does not see.
    file: Option<String>,
}

/// What was found in one module.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Checked {
    found: Vec<Finding>,
    /// The generators that it seeds.
    pub seeds: BTreeSet<Generator>,
}

impl Checked {
    /// The findings, in the order of the file, given which generators the code of the step seeds, in
    /// this module or another one, and which paths the project has and the step does not see.
    pub fn findings(
        &self,
        seeds: &BTreeSet<Generator>,
        unseen: impl Fn(&str) -> bool,
    ) -> impl Iterator<Item = &Finding> {
        self.found.iter().filter(move |finding| {
            let by = finding.unless_seeded;
            by.is_none_or(|generator| !seeds.contains(&generator))
                && finding.file.as_deref().is_none_or(&unseen)
        })
    }
}

/// Checks one module of a step. None if it is no Python that can be parsed: Python will say so.
pub fn check(bytes: &[u8], context: &Context) -> Option<Checked> {
    with_module(bytes, |text, parsed| {
        let mut checked = visit::check(text, parsed.suite(), context);
        suppress::apply(text, parsed.tokens(), &mut checked.found);
        checked
            .found
            .sort_by_key(|found| (found.line, found.column, found.rule));
        checked
            .found
            .dedup_by_key(|found| (found.line, found.column, found.rule));
        checked
    })
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
