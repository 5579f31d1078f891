//! Why an environment could not be built, checked or laid out.

use std::fmt;
use std::io;
use std::path::PathBuf;

use reproof_record::{CanonicalError, Digest, NameError};
use reproof_store::StoreError;
use reproof_store::fs::IoError;
use thiserror::Error;

/// What is wrong in one line of a requirements file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequirementProblem {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong there, and what to do.
    pub what: String,
}

impl fmt::Display for RequirementProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.what)
    }
}

fn lines<T: fmt::Display>(items: &[T]) -> String {
    let items: Vec<_> = items.iter().map(ToString::to_string).collect();
    items.join("\n  ")
}

/// Why an environment could not be built, checked or laid out.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum EnvironmentError {
    /// Lines of a requirements file that cannot stand in a specification.
    #[error("the requirements cannot be used:\n  {}", lines(.0))]
    Requirements(Vec<RequirementProblem>),
    /// A version of Python that is not written as one.
    #[error("'{0}' is not a version of Python: write it like 3.11 or 3.11.7")]
    PythonVersion(String),
    /// There is no uv.
    #[error("there is no uv, which builds environments of Python: pip install uv")]
    NoUv,
    /// No interpreter of the wanted version is installed.
    #[error("there is no Python {wanted} here; found: {}", found_list(.found))]
    NoPython {
        /// The version that is wanted.
        wanted: String,
        /// The versions that are there.
        found: Vec<String>,
    },
    /// The interpreter is for another platform than the specification.
    #[error("the environment is for {wanted}; this Python is for {found}")]
    Platform {
        /// The platform of the specification.
        wanted: String,
        /// That of the interpreter.
        found: String,
    },
    /// A program could not be started.
    #[error("failed to start {program}: {source}")]
    Start {
        /// The program.
        program: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The package registry cannot be reached.
    #[error("the package registry cannot be reached: {0}")]
    Network(String),
    /// A package's bytes are not those that were pinned.
    #[error("a package is not the one that was pinned: {0}")]
    HashMismatch(String),
    /// No wheel fits this platform and version of Python.
    #[error(
        "a package has no wheel for this platform and Python (a build from source needs \
         `allow_builds`, because its bits are the builder's): {0}"
    )]
    NoWheel(String),
    /// The disk is full.
    #[error("no room is left on the disk: {0}")]
    DiskFull(String),
    /// Requirements that no set of packages meets.
    #[error("the requirements cannot be met: {0}")]
    Unsatisfiable(String),
    /// uv failed for another reason.
    #[error("uv {command} failed: {message}")]
    Uv {
        /// The command, such as `pip install`.
        command: &'static str,
        /// What uv said.
        message: String,
    },
    /// A program wrote something that this version does not understand.
    #[error("{program} wrote something unexpected: {what}")]
    Output {
        /// The program.
        program: String,
        /// What was not understood.
        what: String,
    },
    /// A program of a `system` environment is not installed.
    #[error("the program '{0}' is not installed here")]
    NoProgram(String),
    /// A path of a `system` environment that may not be part of one.
    #[error("'{}' cannot be part of an environment: {why}", path.display())]
    Extra {
        /// The path.
        path: PathBuf,
        /// Why.
        why: &'static str,
    },
    /// A library without which a program of the closure cannot start.
    #[error("{needed_by} needs the library {library}, which is not installed here")]
    NoLibrary {
        /// The library.
        library: String,
        /// What needs it, as seen inside.
        needed_by: String,
    },
    /// A file that looks like a program or library, and cannot be read as one.
    #[error("{} is not a valid ELF file: {what}", path.display())]
    Elf {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// A path that is not UTF-8, and so can stand in no tree.
    #[error("the path {} is not valid UTF-8", .0.display())]
    NotUtf8(PathBuf),
    /// A file that the tree could not tell from a link.
    #[error("the file {0} begins as a stored link does and cannot be part of a closure")]
    LikeALink(String),
    /// A closure that is not in the cache.
    #[error("closure {} is not in the cache", .0.short())]
    NotCached(Digest),
    /// What the cache says of a closure is damaged.
    #[error("the cache of closure {} is damaged ({what}): it has to be laid out again", digest.short())]
    DamagedCache {
        /// The closure.
        digest: Digest,
        /// What is wrong.
        what: String,
    },
    /// A document that a later version wrote.
    #[error(
        "the description of a closure has the format '{found}'; this version reads '{expected}'"
    )]
    Format {
        /// The format that it names.
        found: String,
        /// The format that is wanted.
        expected: &'static str,
    },
    /// A path of a tree that cannot be laid out.
    #[error(transparent)]
    Name(#[from] NameError),
    /// A call to the file system.
    #[error(transparent)]
    Io(#[from] IoError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A document that cannot be written or read.
    #[error(transparent)]
    Canonical(#[from] CanonicalError),
}

fn found_list(found: &[String]) -> String {
    if found.is_empty() {
        "none".to_owned()
    } else {
        found.join(", ")
    }
}
