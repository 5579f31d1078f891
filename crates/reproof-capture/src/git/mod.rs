//! Asks git, in as few calls as possible, and believes nothing of the environment.

mod history;
mod identity;
mod parse;
mod remote;

use std::io;
use std::path::Path;

use crate::capture::{LOCK_FILE, OWN_FOLDER};
use crate::error::CaptureError;
use crate::runner::{Output, Runner};

pub use history::{Commit, check_out, clone_repository, commits_between, file_at};
pub use identity::{Identity, identity};
pub(crate) use parse::{IndexEntry, Status, parse_index, parse_status};
pub(crate) use remote::remote_url;

/// Variables that would make git look at another repository, index or configuration, read paths
/// another way, or run another program. `GIT_CEILING_DIRECTORIES`, `GIT_CONFIG_GLOBAL` and
/// `GIT_CONFIG_COUNT` (how containers set `safe.directory`) stay: they are the user's own choice.
const REMOVED: &[&str] = &[
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_COMMON_DIR",
    "GIT_PREFIX",
    "GIT_NAMESPACE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_GRAFT_FILE",
    "GIT_SHALLOW_FILE",
    "GIT_REPLACE_REF_BASE",
    "GIT_NO_REPLACE_OBJECTS",
    "GIT_IMPLICIT_WORK_TREE",
    "GIT_INTERNAL_SUPER_PREFIX",
    "GIT_CONFIG",
    "GIT_CONFIG_PARAMETERS",
    "GIT_ATTR_SOURCE",
    "GIT_LITERAL_PATHSPECS",
    "GIT_GLOB_PATHSPECS",
    "GIT_NOGLOB_PATHSPECS",
    "GIT_ICASE_PATHSPECS",
    "GIT_EXTERNAL_DIFF",
    "GIT_DIFF_OPTS",
    "GIT_PAGER",
    "GIT_TRACE",
    "GIT_TRACE_SETUP",
];

const ENVIRONMENT: &[(&str, &str)] = &[("LC_ALL", "C"), ("GIT_OPTIONAL_LOCKS", "0")];

/// What stands before every command: no lock is taken, nothing of the repository's configuration
/// is run, and paths come as they are.
const GLOBAL: &[&str] = &[
    "--no-optional-locks",
    "--no-pager",
    "-c",
    "core.fsmonitor=false",
    "-c",
    "core.quotepath=false",
    "-c",
    "core.hooksPath=/dev/null",
];

/// The most bytes of paths that are taken out of a patch by name. Linux allows 2 MiB of arguments.
const MAX_ARGUMENT_BYTES: usize = 256 << 10;

/// How many files are hashed by one call of git.
const FILES_A_CALL: usize = 500;

/// Whether there is a repository.
pub(crate) enum Discovery {
    /// There is one, and this is the way from its root to the project: empty, or ending in `/`.
    Repository(Vec<u8>),
    /// There is none.
    None,
    /// There is no git.
    NoGit,
}

/// Git in one project.
pub(crate) struct Git<'a> {
    project: &'a Path,
    runner: &'a dyn Runner,
}

impl<'a> Git<'a> {
    pub(crate) fn new(project: &'a Path, runner: &'a dyn Runner) -> Self {
        Self { project, runner }
    }

    /// Whether the project lies in a repository.
    pub(crate) fn discover(&self) -> Result<Discovery, CaptureError> {
        let Some(output) = self.call(&["rev-parse", "--show-prefix"])? else {
            return Ok(Discovery::NoGit);
        };
        if !output.success && no_repository(&output) {
            return Ok(Discovery::None);
        }
        let mut prefix = checked("rev-parse", output)?;
        prefix.pop_if(|last| *last == b'\n');
        Ok(Discovery::Repository(prefix))
    }

    /// What differs from the commit, for [`parse_status`].
    ///
    /// Submodules are compared by their commit only: looking into them would run git with their
    /// configuration.
    pub(crate) fn status(&self) -> Result<Vec<u8>, CaptureError> {
        let own = format!(":(exclude,literal){OWN_FOLDER}");
        self.must(&[
            "status",
            "--porcelain=v2",
            "--branch",
            "--no-ahead-behind",
            "-z",
            "--untracked-files=all",
            "--ignored=no",
            "--ignore-submodules=dirty",
            "--no-renames",
            "--",
            ".",
            &own,
        ])
    }

    /// The files that git tracks inside the project, for [`parse_index`].
    pub(crate) fn index(&self) -> Result<Vec<u8>, CaptureError> {
        self.must(&["ls-files", "-z", "-s", "-v"])
    }

    /// The address of the remote that this branch follows, without credentials.
    pub(crate) fn remote(&self, branch: Option<&str>) -> Result<Option<String>, CaptureError> {
        let pattern = r"^(remote\..*\.url|branch\..*\.remote)$";
        let output = self.call(&["config", "-z", "--get-regexp", pattern])?;
        match output {
            Some(output) if output.code == Some(1) => Ok(None),
            Some(output) => Ok(remote_url(&checked("config", output)?, branch)),
            None => Err(vanished()),
        }
    }

    /// The names that git would give the bytes of these files, which must be regular files.
    pub(crate) fn hashes(&self, paths: &[&str]) -> Result<Vec<String>, CaptureError> {
        let mut hashes = Vec::with_capacity(paths.len());
        for paths in paths.chunks(FILES_A_CALL) {
            let output = self.must(&[&["hash-object", "--"], paths].concat())?;
            hashes.extend(String::from_utf8_lossy(&output).lines().map(str::to_owned));
        }
        if hashes.len() == paths.len() {
            Ok(hashes)
        } else {
            let what = format!("{} hashes of {} files", hashes.len(), paths.len());
            Err(CaptureError::Output {
                command: "hash-object",
                what,
            })
        }
    }

    /// The changes of tracked files against the commit as a patch for `git apply` in the
    /// repository's root, less those of some files. `base` is the commit or empty tree.
    pub(crate) fn patch(&self, base: &str, less: &[&str]) -> Result<Vec<u8>, CaptureError> {
        let exclude = |path: &&str| format!(":(exclude,literal){path}");
        let excluded: Vec<String> = less.iter().map(exclude).collect();
        if excluded.iter().map(String::len).sum::<usize>() > MAX_ARGUMENT_BYTES {
            // A patch of what must not be in it would be worse than none.
            return Ok(Vec::new());
        }
        let mut arguments = vec![
            "-c",
            "diff.suppressBlankEmpty=false",
            "diff",
            "--binary",
            "--full-index",
            "--no-color",
            "--no-ext-diff",
            "--no-textconv",
            "--no-renames",
            "--no-relative",
            "--src-prefix=a/",
            "--dst-prefix=b/",
            "--unified=3",
            "--inter-hunk-context=0",
            "--diff-algorithm=myers",
            "--indent-heuristic",
            "--submodule=short",
            "--ignore-submodules=dirty",
            "-O/dev/null",
            base,
            "--",
            ".",
        ];
        arguments.extend(excluded.iter().map(String::as_str));
        self.must(&arguments)
    }

    /// What git says of the lock file: nothing if it is in the commit as it is. None without a
    /// repository or git.
    pub(crate) fn lock_status(&self) -> Result<Option<Vec<u8>>, CaptureError> {
        let lock = format!(":(literal){LOCK_FILE}");
        let output = self.call(&[
            "status",
            "--porcelain=v2",
            "-z",
            "--untracked-files=all",
            "--ignored=matching",
            "--no-renames",
            "--",
            &lock,
        ])?;
        match output {
            None => Ok(None),
            Some(output) if !output.success && no_repository(&output) => Ok(None),
            Some(output) => checked("status", output).map(Some),
        }
    }

    /// Runs git; none if there is no such program.
    fn call(&self, arguments: &[&str]) -> Result<Option<Output>, CaptureError> {
        let arguments = [GLOBAL, arguments].concat();
        match self
            .runner
            .run("git", &arguments, self.project, ENVIRONMENT, REMOVED)
        {
            Ok(output) => Ok(Some(output)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(CaptureError::Start {
                program: "git",
                source,
            }),
        }
    }

    /// Runs git, which must succeed.
    fn must(&self, arguments: &[&str]) -> Result<Vec<u8>, CaptureError> {
        let known = [
            "status",
            "ls-files",
            "hash-object",
            "diff",
            "log",
            "clone",
            "checkout",
            "clean",
        ];
        let named = known.into_iter().find(|known| arguments.contains(known));
        checked(
            named.unwrap_or("call"),
            self.call(arguments)?.ok_or_else(vanished)?,
        )
    }
}

fn vanished() -> CaptureError {
    CaptureError::Start {
        program: "git",
        source: io::ErrorKind::NotFound.into(),
    }
}

/// What a call wrote, if it succeeded.
fn checked(command: &'static str, output: Output) -> Result<Vec<u8>, CaptureError> {
    if output.success {
        return Ok(output.stdout);
    }
    let mut message = complaint(&output);
    if message.is_empty() {
        message = match output.code {
            Some(code) => format!("it ended with the code {code}"),
            None => "a signal ended it".to_owned(),
        };
    }
    Err(CaptureError::Git { command, message })
}

/// What git complains of, on one line.
fn complaint(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stderr);
    let start = text.find("fatal: ").map_or(0, |at| at + "fatal: ".len());
    text[start..]
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
}

/// Whether git says that there is no repository, and not that one is broken.
fn no_repository(output: &Output) -> bool {
    complaint(output).starts_with("not a git repository (or any")
}
