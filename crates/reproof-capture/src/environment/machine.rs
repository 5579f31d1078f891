//! What an environment is built with: the machine as the caller shows it.

use std::path::{Path, PathBuf};

use reproof_store::fs::{FileKind, Io};

use super::error::EnvironmentError;
use crate::runner::{Output, Runner};

/// What a build is at, for a progress display.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Stage {
    /// Looking for uv and the interpreter.
    Find,
    /// uv resolves versions.
    Resolve,
    /// uv fetches and installs the packages.
    Install,
    /// Files and the libraries that they need are collected.
    Collect,
    /// The closure is written and hashed.
    Write,
}

/// The machine on which an environment is built.
pub struct Machine<'m> {
    /// The file system.
    pub io: &'m dyn Io,
    /// Starts programs.
    pub runner: &'m dyn Runner,
    /// The folders of the search path.
    pub path: &'m [PathBuf],
    /// Where uv may lie, besides the search path and before it: a file each.
    pub uv: &'m [PathBuf],
    /// The folder of the project, in which uv finds its settings.
    pub project: &'m Path,
    /// Told what the build is at.
    pub observe: &'m dyn Fn(Stage),
}

/// Variables that would change what Python or uv do, by whoever set them.
pub(crate) const REMOVED: [&str; 22] = [
    "CONDA_PREFIX",
    "PYTHONHOME",
    "PYTHONPATH",
    "PYTHONSTARTUP",
    "UV_COMPILE_BYTECODE",
    "UV_CONSTRAINT",
    "UV_BUILD_CONSTRAINT",
    "UV_EXCLUDE_NEWER",
    "UV_NO_BINARY",
    "UV_NO_BUILD",
    "UV_NO_CACHE",
    "UV_OVERRIDE",
    "UV_PRERELEASE",
    "UV_PROJECT",
    "UV_PROJECT_ENVIRONMENT",
    "UV_PYTHON",
    "UV_PYTHON_PREFERENCE",
    "UV_RESOLUTION",
    "UV_SYSTEM_PYTHON",
    "UV_WORKING_DIR",
    "VIRTUAL_ENV",
    "__PYVENV_LAUNCHER__",
];

impl Machine<'_> {
    /// Runs a program in a folder.
    pub(crate) fn run(
        &self,
        program: &str,
        arguments: &[&str],
        folder: &Path,
        environment: &[(&str, &str)],
    ) -> Result<Output, EnvironmentError> {
        let run = self
            .runner
            .run(program, arguments, folder, environment, &REMOVED);
        run.map_err(|source| EnvironmentError::Start {
            program: program.to_owned(),
            source,
        })
    }

    /// Whether this is a file that may be executed; a link is followed.
    pub(crate) fn is_program(&self, path: &Path) -> bool {
        let facts = self
            .io
            .canonicalize(path)
            .and_then(|real| self.io.metadata(&real));
        facts.is_ok_and(|facts| facts.kind == FileKind::File && facts.executable)
    }

    /// The first program of this name in the search path.
    pub(crate) fn find(&self, name: &str) -> Option<PathBuf> {
        let candidates = self.path.iter().map(|folder| folder.join(name));
        candidates.into_iter().find(|path| self.is_program(path))
    }
}

/// The path as a text.
pub(crate) fn text(path: &Path) -> Result<&str, EnvironmentError> {
    path.to_str()
        .ok_or_else(|| EnvironmentError::NotUtf8(path.to_owned()))
}
