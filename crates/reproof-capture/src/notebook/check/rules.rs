//! The rules, and what they find.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// A rule that a notebook is held against.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rule {
    /// A cell was run before one that stands above it.
    OutOfOrder,
    /// Runs are missing: cells were run again, changed or deleted.
    ExecutionGap,
    /// A cell was not run though others were.
    NotRun,
    /// An output is an error.
    ErrorOutput,
    /// The code of a cell cannot be parsed.
    SyntaxError,
    /// A name is used that is defined nowhere, or was deleted.
    UndefinedName,
    /// A name is used above the cell that defines it.
    UsedBeforeDefinition,
    /// A path that only one machine has.
    AbsolutePath,
    /// A package that no requirement declares.
    UndeclaredImport,
    /// Random numbers that are others each time.
    UnseededRandom,
    /// A package is installed by a cell.
    Install,
    /// Something is downloaded by a cell.
    Download,
    /// A cell runs a command of the machine.
    ShellCommand,
}

impl Rule {
    /// All of them, in the order of the documentation.
    pub const ALL: [Self; 13] = [
        Self::OutOfOrder,
        Self::ExecutionGap,
        Self::NotRun,
        Self::ErrorOutput,
        Self::SyntaxError,
        Self::UndefinedName,
        Self::UsedBeforeDefinition,
        Self::AbsolutePath,
        Self::UndeclaredImport,
        Self::UnseededRandom,
        Self::Install,
        Self::Download,
        Self::ShellCommand,
    ];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::OutOfOrder => "out-of-order",
            Self::ExecutionGap => "execution-gap",
            Self::NotRun => "not-run",
            Self::ErrorOutput => "error-output",
            Self::SyntaxError => "syntax-error",
            Self::UndefinedName => "undefined-name",
            Self::UsedBeforeDefinition => "used-before-definition",
            Self::AbsolutePath => "absolute-path",
            Self::UndeclaredImport => "undeclared-import",
            Self::UnseededRandom => "unseeded-random",
            Self::Install => "install",
            Self::Download => "download",
            Self::ShellCommand => "shell-command",
        }
    }

    /// Why what it finds keeps a notebook from running, or from giving the same results.
    pub const fn why(self) -> &'static str {
        match self {
            Self::OutOfOrder => {
                "the results that are shown come from another order than the one of the cells, so a \
                 run from top to bottom may give others"
            }
            Self::ExecutionGap => {
                "something was run in between that is not in the notebook any more, and the results \
                 that are shown may depend on it"
            }
            Self::NotRun => {
                "the results that are shown were made without this cell; a run from top to bottom \
                 runs it"
            }
            Self::ErrorOutput => "a run from top to bottom stops here",
            Self::SyntaxError => "the cell cannot be run at all",
            Self::UndefinedName | Self::UsedBeforeDefinition => {
                "in a new kernel this is a NameError: only a kernel in which other cells were run \
                 before knows the name"
            }
            Self::AbsolutePath => "the path is there on one machine only",
            Self::UndeclaredImport => {
                "whoever installs the declared environment has no such package"
            }
            Self::UnseededRandom => "each run draws other numbers",
            Self::Install => {
                "what is installed depends on the day, and no lock file knows of it; a step has no \
                 network"
            }
            Self::Download => {
                "what comes depends on the day and on a server; a step has no network"
            }
            Self::ShellCommand => {
                "commands of the machine are no part of the environment, and other machines have \
                 others"
            }
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A name that is no rule's.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("there is no rule '{name}': the rules are {}", Rule::ALL.map(Rule::name).join(", "))]
pub struct UnknownRule {
    name: String,
}

impl FromStr for Rule {
    type Err = UnknownRule;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut all = Self::ALL.into_iter();
        all.find(|rule| rule.name() == text)
            .ok_or_else(|| UnknownRule {
                name: text.to_owned(),
            })
    }
}

/// What a rule finds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The rule.
    pub rule: Rule,
    /// The cell, from 1, counted over all cells.
    pub cell: usize,
    /// The line in the cell, from 1.
    pub line: u32,
    /// What is wrong.
    pub what: String,
    /// What to do.
    pub advice: String,
}
