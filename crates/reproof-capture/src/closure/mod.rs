//! The code that a step needs: what it starts with, what that imports, and what the pipeline adds.
//!
//! Python files are parsed, never executed. First-party modules are followed wherever an import
//! stands, also in functions, in `try` and for type checkers: one file too many costs a run that
//! could have come from the cache, one too few is a step that fails. What cannot be followed is
//! said in [`Closure::notes`].
//!
//! Nothing outside the closure may change what a step does, so nothing outside it changes the
//! closure's digest: neither a file that is edited there, nor the order in which files come. (New
//! files may: a new module can hide another one. So may `pyproject.toml`, which tells where
//! modules are searched.)

mod advice;
mod decorators;
mod definitions;
mod entry;
mod error;
mod follow;
mod globs;
mod hints;
mod imports;
mod locate;
pub(crate) mod parse;
mod roots;
mod search;
mod stdlib;
#[cfg(test)]
mod testing;
pub(crate) mod visit;

use std::collections::{BTreeMap, BTreeSet};

use reproof_record::{RelativePath, Tree, TreeEntry};

pub use decorators::{Argument, decorator_argument};
pub use definitions::changed_definitions;
pub use entry::{Entry, Start};
pub use error::ClosureError;
pub use hints::{has_path, undeclared_paths};
pub use imports::{Dynamic, FileImports, Import, ImportCache, Literal, ParseFault};

pub(crate) use parse::{Lines, ParsedCell, imports_of, with_cells, with_python};
pub(crate) use search::{ending, normalise};

use crate::CaptureError;
use follow::Follower;
use locate::Roots;
use search::Search;

/// Whether a top-level module may be part of Python's standard library.
pub(crate) fn is_standard(module: &str) -> bool {
    stdlib::standard(module) != stdlib::Standard::No
}

/// Gives the bytes of captured files.
pub trait CodeReader {
    /// The links in the tree, and where they point.
    fn links(&self) -> &BTreeMap<RelativePath, String>;
    /// The bytes of a file of the tree, which is not a link.
    fn read(&self, entry: &TreeEntry) -> Result<Vec<u8>, CaptureError>;
}

/// What is added to what a step's code says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClosureOptions {
    /// The pipeline's `code:`: files, folders and patterns such as `sql/**/*.sql`.
    pub globs: Vec<String>,
    /// Folders that modules are searched in, before the project's root and after the script's
    /// folder, like those of `PYTHONPATH`.
    pub roots: Vec<String>,
}

/// A place in the code.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Site {
    /// The file; none for the command line.
    pub path: Option<RelativePath>,
    /// The line, from 1.
    pub line: u32,
}

/// How a file came into a closure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The command line names it.
    Entry,
    /// An import, or a package around an import.
    Import(Site),
    /// This entry of `code:`.
    Glob(String),
    /// A link on the way to another file of the closure.
    Link,
}

/// A module that is not first-party.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct External {
    /// Where it is imported first.
    pub site: Site,
    /// Whether it may be missing everywhere it is imported.
    pub optional: bool,
}

/// Something that a person should know of a closure.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Note {
    /// Where.
    pub site: Site,
    /// What.
    pub text: String,
    /// What to add to `code:` if the step needs it.
    pub suggestion: Option<String>,
}

/// The code that a step needs, and nothing else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Closure {
    /// Its files, as they stand in the captured tree.
    pub tree: Tree,
    /// The top-level modules that the environment must have. The standard library's are not in it.
    pub external: BTreeMap<String, External>,
    /// What could not be followed, and other things to know, sorted by place.
    pub notes: Vec<Note>,
    /// How each file came in.
    pub followed: BTreeMap<RelativePath, Origin>,
    /// The folders, besides the script's own, that modules were found in, in the order in which
    /// they were searched: what `PYTHONPATH` must name when the step runs. The project's root is
    /// the empty text.
    pub roots: Vec<String>,
}

/// The closure of a step whose command line starts with `entry`, see [`Entry::of_command`].
///
/// Modules are searched in the script's folder (with `-m` and `-c` the project's root), the roots
/// of the options, the project's root, `src`, what `pyproject.toml` names, and what the code adds
/// to `sys.path` by a literal. A module of the standard library is hidden only by the first two,
/// as in Python.
///
/// With every file in the cache, nothing is read but `pyproject.toml`.
pub fn closure(
    tree: &Tree,
    reader: &dyn CodeReader,
    cache: &dyn ImportCache,
    entry: &Entry,
    options: &ClosureOptions,
) -> Result<Closure, ClosureError> {
    let search = Search::new(tree, reader.links());
    let mut roots = starting_roots(search, reader, entry, options)?;
    loop {
        let mut follower = Follower::new(search, reader, cache, roots.clone());
        follower.start(entry, options)?;
        follower.run()?;
        // A folder that the code adds to `sys.path` may change where modules were to be found.
        let before = roots.clone();
        for root in &follower.added_roots {
            roots.add(root.clone());
        }
        if roots == before {
            return Ok(follower.finish(&own_roots(search, entry)));
        }
    }
}

impl Entry {
    /// The entry of a command line, program first, that is run in the root of this captured tree,
    /// in which these links stand.
    ///
    /// A word that is Python's name, with or without a folder and version, is taken for Python
    /// wherever it stands, so that `env X=1 python train.py` and `sh -c "python train.py"` are
    /// understood. Of every program, arguments that are paths of captured files are entry files,
    /// also after a `=`.
    ///
    /// It is an error if Python itself is the program and its script is not captured.
    pub fn of_command(
        argv: &[String],
        tree: &Tree,
        links: &BTreeMap<RelativePath, String>,
    ) -> Result<Self, ClosureError> {
        Self::of(argv, Search::new(tree, links))
    }
}

/// The folders that modules are searched in before any code is looked at.
fn starting_roots(
    search: Search<'_>,
    reader: &dyn CodeReader,
    entry: &Entry,
    options: &ClosureOptions,
) -> Result<Roots, ClosureError> {
    let mut roots = Roots::default();
    for root in own_roots(search, entry) {
        roots.lead(root);
    }
    for root in &options.roots {
        let folder = search::normalise("", root).filter(|root| {
            let place = search.resolve(root);
            place.is_some_and(|place| search.is_folder(&place.path))
        });
        let no_root = || ClosureError::NoRoot { root: root.clone() };
        roots.lead(folder.ok_or_else(no_root)?);
    }
    let pyproject = search.file("pyproject.toml");
    let pyproject = pyproject.map(|(entry, _)| reader.read(entry)).transpose()?;
    for root in roots::of_project(search, pyproject.as_deref()) {
        roots.add(root);
    }
    Ok(roots)
}

/// The folders that Python searches first by itself, in order.
fn own_roots(search: Search<'_>, entry: &Entry) -> Vec<String> {
    let folder = |path: &RelativePath| {
        // Python takes the folder of what a link points to.
        let place = search.resolve(path.as_str()).unwrap_or_default();
        search::parent(&place.path).to_owned()
    };
    let starts = entry.starts.iter().map(|start| match start {
        Start::Script(path) => folder(path),
        Start::Module(_) | Start::Code(_) => String::new(),
    });
    let sources = entry
        .files
        .iter()
        .filter(|path| entry::is_source(path.as_str()));
    let mut seen = BTreeSet::new();
    let all = starts.chain(sources.map(folder));
    all.filter(|root| seen.insert(root.clone())).collect()
}
