//! From a plain script to a pipeline of one step that runs it as it is: what it reads and writes, its
//! settings, its arguments, its seeds, and what of that a person must look at.
//!
//! The script is parsed, never executed. A path is known where it is a text, or is put together of texts
//! that stand in the script; everything else is said to be unknown.

mod arguments;
pub(crate) mod calls;
mod click;
mod modules;
mod page;
mod paths;
mod propose;
mod read;
mod requirements;
#[cfg(test)]
mod tests;
mod wrapper;

pub use modules::read;
pub use propose::{Imported, Place, propose};

use std::collections::BTreeSet;
use std::fmt;

use thiserror::Error;

use crate::closure::Import;
use crate::rules::Checked;

/// Why a file is no script that can be read.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum ScriptError {
    /// It is no Python.
    #[error("{line}:{column}: it is no Python: {message}")]
    Syntax {
        /// The line, from 1.
        line: u32,
        /// The column in characters, from 1.
        column: u32,
        /// What is wrong.
        message: String,
    },
    /// It is larger than what is parsed.
    #[error("it is larger than 1 MiB, or cannot be parsed")]
    TooLarge,
}

/// What a script says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Script {
    /// The files that it names, in order.
    uses: Vec<Use>,
    /// What its command line takes.
    arguments: Vec<Argument>,
    /// Plain values that are set at the top: name, value as JSON, and line.
    settings: Vec<Setting>,
    /// Settings that are defaults of arguments.
    defaults: BTreeSet<String>,
    /// Where it sets seeds.
    seeds: Vec<Note>,
    /// The modules that it imports.
    imports: Vec<Module>,
    /// The top-level modules of the project that were read, too.
    modules: BTreeSet<String>,
    /// What would keep it, and the modules of these files, from being repeated.
    checked: Vec<(Option<String>, Checked)>,
    /// What a person must look at.
    notes: Vec<Note>,
}

/// A module that is imported.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Module {
    import: Import,
    at: At,
}

impl Module {
    /// The name of its top-level package; empty in `from . import x`.
    fn top(&self) -> &str {
        let mut parts = self.import.module.split('.');
        parts.next().unwrap_or_default()
    }
}

/// A place in the script, or in a module that it imports.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct At {
    /// The module's file; none in the script itself.
    pub file: Option<String>,
    /// The line, from 1; 0 where it is about the whole script.
    pub line: u32,
}

impl At {
    const fn line(line: u32) -> Self {
        Self { file: None, line }
    }
}

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(file) = &self.file {
            write!(f, "{file}, ")?;
        }
        write!(f, "line {}", self.line)
    }
}

/// Something that a script says, or that a person must look at.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Note {
    /// Where.
    pub at: At,
    /// What.
    pub text: String,
}

/// What is done with a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Access {
    /// It is read.
    Read,
    /// It is written.
    Write,
    /// It is read and written.
    Both,
    /// A text that may be a path.
    Mention,
}

/// A path as far as the script says it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Known {
    /// The text, or what it begins with.
    text: String,
    /// Whether that is all.
    whole: bool,
    /// Whether it is seen from the script's own file (`Path(__file__).parent`), and so from the
    /// project's folder; otherwise from where the script is run.
    fixed: bool,
}

/// A file that the script names.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Use {
    access: Access,
    /// The path; none where it is not known.
    path: Option<Known>,
    /// The call, such as `pd.read_csv`; empty for a text.
    call: String,
    at: At,
    /// Whether it may be passed over: it stands in an `if`, a loop or a handler.
    maybe: bool,
}

/// A plain value that is set at the top.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Setting {
    name: String,
    json: String,
    /// The value where it is a text.
    text: Option<String>,
    line: u32,
}

/// How an argument is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// With its value.
    Value,
    /// By its flag alone, which stands for true.
    True,
    /// By its flag alone, which stands for false.
    False,
    /// As `--flag` or `--no-flag`.
    Either,
    /// In a way that was not understood.
    Unknown,
}

/// An argument of the command line.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Argument {
    /// What the script calls it.
    name: String,
    /// The flag; none for one that is given by its place.
    flag: Option<String>,
    form: Form,
    /// What it is unless it is given, as JSON; none if that is not known.
    default: Option<String>,
    /// The default where it is a text.
    text: Option<String>,
    /// Whether it must be given.
    required: bool,
    at: At,
}
