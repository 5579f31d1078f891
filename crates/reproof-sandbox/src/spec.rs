//! What to run, with what in sight, and how it ended.
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::SandboxError;

/// The home folder of every step, on a `tmpfs`: what a caller gives as `HOME`.
pub const HOME: &str = "/tmp/home";

/// What the sandbox makes itself and no mount may touch.
pub(crate) const RESERVED: [&str; 4] = ["/dev", "/proc", "/sys", "/tmp"];

/// More processors than any machine has: a bound on what is written for them.
const MOST_THREADS: u32 = 4096;

/// One process, and everything that it is given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sandbox {
    /// The files that it sees. Everything else is missing.
    pub mounts: Vec<Mount>,
    /// Program and arguments. A program without `/` is looked for in the `PATH` of `variables`, inside.
    pub argv: Vec<String>,
    /// All environment variables.
    pub variables: BTreeMap<String, String>,
    /// The working folder, absolute and inside.
    pub folder: String,
    /// How many processors it sees and may use.
    pub threads: u32,
    /// Whether it may use the host's network; without, there is only `lo`.
    pub network: bool,
    /// When it is ended.
    pub limits: Limits,
    /// Absolute paths without `.`, `..` and links: what the process asks for at or below them and was not given
    /// is told in [`Finished::traced`]. That takes time for each call that names a path, so give none where
    /// nobody wants to know.
    #[serde(default)]
    pub watched: Vec<String>,
}

/// A file or folder of the host, and where it is seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mount {
    /// An absolute path of the host. Links in it are followed.
    pub from: PathBuf,
    /// An absolute path inside. `/` makes the entries of the folder `from` the root's.
    pub to: String,
    /// Whether the process may write there.
    pub writable: bool,
}

/// When a process and its descendants are ended. What is looked at (memory, CPU time, processes) is looked at
/// every 50 ms, so it can be exceeded for that long.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Bytes of memory of all processes together, shared memory counted once, `/tmp` and `/dev/shm` included.
    /// Exceeded, all are killed at once.
    pub memory: Option<u64>,
    /// Seconds of CPU time of all processes together. The children of a process that ignores `SIGCHLD`
    /// count only while they live. The kernel ends any single process that uses a second more.
    pub cpu_seconds: Option<u64>,
    /// Time since the start.
    pub wall: Option<Duration>,
    /// Processes and threads at one time. The kernel refuses more (from 5.14 on, and not to root);
    /// where it does not, they are counted every 10 ms, and all are killed.
    pub processes: Option<u64>,
}

/// Which output a piece of bytes belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Out,
    /// Standard error.
    Err,
}

/// What a process and all its descendants used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// CPU time outside the kernel.
    pub user: Duration,
    /// CPU time inside the kernel.
    pub system: Duration,
    /// Time from start to end.
    pub wall: Duration,
    /// The most bytes of memory seen at one time, looked at every 50 ms; at least what the largest single
    /// process had.
    pub peak_memory: u64,
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum End {
    /// By itself, with this code.
    Exited(i32),
    /// By this signal, from itself, a descendant or the kernel.
    Signalled(i32),
    /// It was ended: it had more memory than it may.
    Memory {
        /// Bytes it may have.
        limit: u64,
        /// Bytes it had.
        used: u64,
    },
    /// It was ended: it had used its CPU time.
    Cpu {
        /// Seconds it may use.
        limit: u64,
    },
    /// It was ended: its time was over.
    Wall {
        /// The time it may take.
        limit: Duration,
    },
    /// It was ended: it had more processes and threads than it may.
    Processes {
        /// How many it may have.
        limit: u64,
    },
    /// It was ended because the caller asked for it.
    Cancelled,
}

/// What is known of a process once nothing of it is left.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finished {
    /// How it ended.
    pub end: End,
    /// What it used.
    pub usage: Usage,
    /// What it asked for of [`Sandbox::watched`].
    pub traced: Traced,
}

/// What was seen of the paths that a process asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Traced {
    /// Nothing was watched.
    #[default]
    No,
    /// It could not be watched, and why.
    Unavailable(String),
    /// What it asked for and was not given.
    Missed(Missed),
}

/// Paths that a process or a descendant asked for, by opening, listing, executing or just looking, and that
/// were not given to it: in a sandbox they are not there, without one they may be. A path that was to be made
/// is none.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Missed {
    /// The paths, without `.`, `..` and empty parts.
    pub paths: BTreeSet<String>,
    /// Whether there were more than are kept: 4,096, and 1 MiB of text.
    pub more: bool,
}

impl Sandbox {
    /// Refuses what could not be run as it says, whatever the machine.
    pub(crate) fn check(&self, confined: bool) -> Result<(), SandboxError> {
        self.check_program()?;
        if !self.folder.starts_with('/') || self.folder.contains('\0') {
            return invalid(format!(
                "the working folder '{}' is not absolute",
                self.folder
            ));
        }
        if self.threads == 0 || self.threads > MOST_THREADS {
            let threads = self.threads;
            return invalid(format!("{threads} threads: give 1 to {MOST_THREADS}"));
        }
        if let Some(path) = self.watched.iter().find(|path| !is_plain(path)) {
            return invalid(format!(
                "the watched path '{path}' is not a plain absolute path"
            ));
        }
        if confined {
            self.check_mounts()
        } else {
            Ok(())
        }
    }

    fn check_program(&self) -> Result<(), SandboxError> {
        if self.argv.first().is_none_or(String::is_empty) {
            return invalid("no program is given".to_owned());
        }
        if self.argv.iter().any(|argument| argument.contains('\0')) {
            return invalid("an argument holds a zero byte".to_owned());
        }
        let bad = |(name, value): &(&String, &String)| {
            name.is_empty() || name.contains(['=', '\0']) || value.contains('\0')
        };
        match self.variables.iter().find(bad) {
            Some((name, _)) => invalid(format!("the environment variable '{name}' cannot be set")),
            None => Ok(()),
        }
    }

    fn check_mounts(&self) -> Result<(), SandboxError> {
        let mut seen = BTreeSet::new();
        for mount in &self.mounts {
            let to = &mount.to;
            if !is_plain(to) {
                return invalid(format!(
                    "the mount point '{to}' is not a plain absolute path"
                ));
            }
            if RESERVED
                .iter()
                .any(|reserved| to == reserved || is_beneath(to, reserved))
            {
                return invalid(format!(
                    "the mount point '{to}' belongs to the sandbox itself"
                ));
            }
            if !mount.from.is_absolute()
                || mount.from.to_str().is_none_or(|from| from.contains('\0'))
            {
                let from = mount.from.display();
                return invalid(format!(
                    "the source '{from}' of '{to}' is not an absolute path in UTF-8"
                ));
            }
            if !seen.insert(to) {
                return invalid(format!("two mounts have the mount point '{to}'"));
            }
        }
        self.check_writable()
    }

    fn check_writable(&self) -> Result<(), SandboxError> {
        for outer in self.mounts.iter().filter(|mount| mount.writable) {
            let inner = self
                .mounts
                .iter()
                .find(|inner| is_beneath(&inner.to, &outer.to));
            if outer.to == "/" {
                return invalid("the root cannot be writable".to_owned());
            }
            if let Some(inner) = inner {
                return invalid(format!(
                    "'{}' is writable, so no mount point can lie in it, as '{}' does",
                    outer.to, inner.to
                ));
            }
        }
        Ok(())
    }
}

fn invalid<T>(what: String) -> Result<T, SandboxError> {
    Err(SandboxError::Invalid(what))
}

/// Whether a path is absolute and has no empty part, `.` or `..`.
fn is_plain(path: &str) -> bool {
    let Some(rest) = path.strip_prefix('/') else {
        return false;
    };
    let plain = |part: &str| !matches!(part, "" | "." | "..") && !part.contains('\0');
    rest.is_empty() || rest.split('/').all(plain)
}

/// Whether `path` lies in the folder `folder`, and is not the folder itself.
pub(crate) fn is_beneath(path: &str, folder: &str) -> bool {
    let folder = folder.trim_end_matches('/');
    let rest = path.strip_prefix(folder);
    rest.is_some_and(|rest| rest.len() > 1 && rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sandbox(mounts: &[(&str, &str, bool)]) -> Sandbox {
        let mount = |(from, to, writable): &(&str, &str, bool)| Mount {
            from: from.into(),
            to: (*to).to_owned(),
            writable: *writable,
        };
        Sandbox {
            mounts: mounts.iter().map(mount).collect(),
            argv: vec!["true".to_owned()],
            variables: BTreeMap::new(),
            folder: "/".to_owned(),
            threads: 1,
            network: false,
            limits: Limits::default(),
            watched: Vec::new(),
        }
    }

    fn refused(sandbox: &Sandbox) -> String {
        sandbox
            .check(true)
            .expect_err("must be refused")
            .to_string()
    }

    #[test]
    fn mounts_that_cannot_be_are_refused() {
        let good = [
            ("/a", "/", false),
            ("/b", "/reproof/out", true),
            ("/c", "/reproof/in", false),
        ];
        sandbox(&good).check(true).expect("is fine");
        for to in ["", "code", "/a/../b", "/a//b", "/a/", "/./a"] {
            assert!(
                refused(&sandbox(&[("/a", to, false)])).contains("plain absolute"),
                "{to}"
            );
        }
        for to in ["/proc", "/dev/shm", "/sys", "/tmp/home"] {
            assert!(
                refused(&sandbox(&[("/a", to, false)])).contains("itself"),
                "{to}"
            );
        }
        assert!(refused(&sandbox(&[("a", "/x", false)])).contains("absolute path"));
        assert!(refused(&sandbox(&[("/a", "/x", false), ("/b", "/x", false)])).contains("two"));
        assert!(refused(&sandbox(&[("/a", "/", true)])).contains("root"));
        assert!(refused(&sandbox(&[("/a", "/x", true), ("/b", "/x/y", false)])).contains("lie in"));
    }

    #[test]
    fn programs_that_cannot_be_are_refused() {
        let change = |change: &dyn Fn(&mut Sandbox)| {
            let mut sandbox = sandbox(&[]);
            change(&mut sandbox);
            refused(&sandbox)
        };
        assert!(change(&|s| s.argv.clear()).contains("no program"));
        assert!(change(&|s| s.argv.push("a\0b".to_owned())).contains("zero byte"));
        for name in ["", "A=B", "A\0"] {
            let message = change(&|s| drop(s.variables.insert(name.to_owned(), String::new())));
            assert!(message.contains("cannot be set"), "{name}");
        }
        assert!(change(&|s| s.folder = "work".to_owned()).contains("not absolute"));
        assert!(change(&|s| s.threads = 0).contains("threads"));
    }

    #[test]
    fn beneath_is_by_parts() {
        assert!(is_beneath("/a/b", "/a"));
        assert!(is_beneath("/a", "/"));
        assert!(!is_beneath("/ab", "/a"));
        assert!(!is_beneath("/a", "/a"));
        assert!(!is_beneath("/", "/"));
    }
}
