//! What can go wrong before, or instead of, running a process.
use std::fmt;
use std::io;

use serde::{Deserialize, Serialize};

/// Why a process was not run, or why nothing is known of how it ended.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// The caller asked for what cannot be.
    #[error("the sandbox cannot be as asked for: {0}")]
    Invalid(String),
    /// The helper process could not be started, or the machine refused to watch it.
    #[error("cannot start the process that makes the sandbox: {0}")]
    Start(#[source] io::Error),
    /// A step of making the sandbox failed.
    #[error("cannot make the sandbox: {0}")]
    Setup(SetupFailure),
    /// The program could not be started inside.
    #[error("cannot run '{program}': {fault}")]
    Program {
        /// The program, as it was asked for.
        program: String,
        /// Why not.
        fault: ProgramFault,
    },
    /// The helper process ended without a word.
    #[error(
        "the process that makes the sandbox ended without a word ({0}): it was killed, or the program's `main` does not call `reproof_sandbox::enter`"
    )]
    Lost(String),
}

/// The step of making a sandbox that failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetupFailure {
    /// What was tried, as in "mount a tmpfs".
    pub step: String,
    /// On what, if it was on a file.
    pub path: Option<String>,
    /// The kernel's error number; 0 if it was not the kernel who refused.
    pub errno: i32,
}

impl fmt::Display for SetupFailure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}", self.step)?;
        if let Some(path) = &self.path {
            write!(out, " '{path}'")?;
        }
        match self.errno {
            0 => Ok(()),
            errno => write!(out, ": {}", io::Error::from_raw_os_error(errno)),
        }
    }
}

/// Why a program cannot be started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum ProgramFault {
    /// It is not there.
    #[error("not found inside{}", looked(.path.as_ref()))]
    NotFound {
        /// The `PATH` it was looked for in, if it was.
        path: Option<String>,
    },
    /// It is a folder, or its permissions do not let it run.
    #[error("'{0}' is not an executable file")]
    NotExecutable(String),
    /// It is for another kind of processor.
    #[error("'{0}' is for another kind of processor")]
    WrongArchitecture(String),
    /// It is neither a binary nor a script with `#!`.
    #[error("'{0}' is neither a binary nor a script that starts with '#!'")]
    UnknownFormat(String),
    /// The loader of the binary, or the interpreter of the script, is not there.
    #[error("it needs '{0}', which is not there inside")]
    MissingLoader(String),
    /// The working folder is not there.
    #[error("the working folder '{0}' is not a folder inside")]
    MissingFolder(String),
    /// The kernel refused otherwise.
    #[error("{}", io::Error::from_raw_os_error(*.0))]
    Other(i32),
}

fn looked(path: Option<&String>) -> String {
    match path {
        Some(path) => format!(" in PATH={path}"),
        None => String::new(),
    }
}

/// Why this machine cannot make sandboxes, and what to do; at most three lines.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .lines.join("\n"))]
pub struct Unsupported {
    /// The lines.
    pub lines: Vec<String>,
}

/// The number of an error of the system, whichever crate it comes from.
pub(crate) trait Errno {
    fn number(&self) -> i32;
}

impl Errno for rustix::io::Errno {
    fn number(&self) -> i32 {
        self.raw_os_error()
    }
}

impl Errno for nix::errno::Errno {
    fn number(&self) -> i32 {
        *self as i32
    }
}

impl Errno for io::Error {
    fn number(&self) -> i32 {
        self.raw_os_error().unwrap_or(0)
    }
}

/// Names the step, and the file, that an error belongs to.
pub(crate) trait Step<T> {
    fn step(self, step: &str) -> Result<T, SetupFailure>;
    fn at(self, step: &str, path: &str) -> Result<T, SetupFailure>;
}

impl<T, E: Errno> Step<T> for Result<T, E> {
    fn step(self, step: &str) -> Result<T, SetupFailure> {
        self.map_err(|error| SetupFailure {
            step: step.to_owned(),
            path: None,
            errno: error.number(),
        })
    }

    fn at(self, step: &str, path: &str) -> Result<T, SetupFailure> {
        self.map_err(|error| SetupFailure {
            step: step.to_owned(),
            path: Some(path.to_owned()),
            errno: error.number(),
        })
    }
}
