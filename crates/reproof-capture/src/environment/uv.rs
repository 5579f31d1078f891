//! uv, as a program.

use std::path::Path;

use super::error::EnvironmentError;
use super::machine::{Machine, Stage, text};
use super::requirements::{Parsed, Requirements};
use super::spec::PythonRequest;

/// How much of what uv said is passed on.
const MESSAGE: usize = 4000;

/// A uv that works.
pub(crate) struct Uv {
    program: String,
}

impl Uv {
    /// The first uv that says its version. One that cannot (a shim of another Python) is passed
    /// over.
    pub fn find(machine: &Machine<'_>) -> Result<Self, EnvironmentError> {
        (machine.observe)(Stage::Find);
        let named = machine.uv.iter().cloned();
        let path = machine.path.iter().map(|folder| folder.join("uv"));
        for candidate in named.chain(path) {
            if !machine.is_program(&candidate) {
                continue;
            }
            let program = text(&candidate)?.to_owned();
            let said = machine.run(&program, &["--version"], machine.project, &[]);
            if said.is_ok_and(|said| said.success && said.stdout.starts_with(b"uv ")) {
                return Ok(Self { program });
            }
        }
        Err(EnvironmentError::NoUv)
    }

    /// Runs a command, and gives what it wrote.
    pub fn run(
        &self,
        machine: &Machine<'_>,
        command: &'static str,
        arguments: &[&str],
    ) -> Result<String, EnvironmentError> {
        let mut all: Vec<&str> = command.split(' ').collect();
        all.extend(arguments);
        let environment = [
            // Everything is copied into the closure afterwards, so links to uv's cache do.
            ("UV_LINK_MODE", "hardlink"),
            ("UV_PYTHON_DOWNLOADS", "never"),
            ("UV_NO_PROGRESS", "1"),
            ("NO_COLOR", "1"),
        ];
        let output = machine.run(&self.program, &all, machine.project, &environment)?;
        if output.success {
            return String::from_utf8(output.stdout).map_err(|_| EnvironmentError::Output {
                program: "uv".to_owned(),
                what: "its output is not UTF-8".to_owned(),
            });
        }
        Err(failure(command, &String::from_utf8_lossy(&output.stderr)))
    }
}

/// The error that uv's own words stand for. What it says of a network comes before what it
/// concludes from it.
fn failure(command: &'static str, stderr: &str) -> EnvironmentError {
    let message = masked(stderr);
    let says = |parts: &[&str]| parts.iter().any(|part| stderr.contains(part));
    if says(&["No space left on device", "Disk quota exceeded"]) {
        EnvironmentError::DiskFull(message)
    } else if says(&["Hash mismatch"]) {
        EnvironmentError::HashMismatch(message)
    } else if says(&[
        "error sending request",
        "Failed to fetch",
        "dns error",
        "tcp connect error",
        "network was disabled",
        "Network connectivity is disabled",
    ]) {
        EnvironmentError::Network(message)
    } else if says(&[
        "has no usable wheels",
        "have no usable wheels",
        "no wheels with a matching",
        "Building source distributions",
        "building from source is disabled",
        "doesn't have a source distribution or wheel",
    ]) {
        EnvironmentError::NoWheel(message)
    } else if says(&["No solution found"]) {
        EnvironmentError::Unsatisfiable(message)
    } else {
        EnvironmentError::Uv { command, message }
    }
}

/// What uv said, trimmed, and without anything that an address may carry before an `@`.
fn masked(stderr: &str) -> String {
    let lines = stderr.lines().filter(|line| {
        // Lines that only say what it is doing.
        let begins = |word: &str| line.starts_with(word);
        !(begins("Using Python") || begins("Resolved ") || begins("Using CPython"))
    });
    let mut out = String::new();
    for line in lines {
        let words: Vec<String> = line.split(' ').map(masked_word).collect();
        out.push_str(&words.join(" "));
        out.push('\n');
    }
    let trimmed = out.trim();
    let trimmed = trimmed.strip_prefix("error: ").unwrap_or(trimmed);
    trimmed.chars().take(MESSAGE).collect()
}

fn masked_word(word: &str) -> String {
    if let Some((scheme, rest)) = word.split_once("://") {
        let host = rest.find('/').unwrap_or(rest.len());
        let (authority, path) = rest.split_at(host);
        if let Some((_, host)) = authority.rsplit_once('@') {
            return format!("{scheme}://***@{host}{path}");
        }
    }
    word.to_owned()
}

/// What is locked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LockSource<'l> {
    /// A file that names packages, such as `requirements.in`.
    Requirements(&'l Path),
    /// A `pyproject.toml`, with these extras.
    Pyproject {
        /// The file.
        file: &'l Path,
        /// Its optional groups of dependencies.
        extras: &'l [&'l str],
    },
}

/// Pins what a file asks for, with the hashes of all files of each package, for every platform.
///
/// Only packages with wheels are considered unless `allow_builds` says otherwise.
pub fn lock(
    machine: &Machine<'_>,
    source: &LockSource<'_>,
    python: Option<PythonRequest>,
    allow_builds: bool,
) -> Result<Parsed, EnvironmentError> {
    let uv = Uv::find(machine)?;
    let interpreter = super::interpreter::find(machine, &uv, python)?;
    (machine.observe)(Stage::Resolve);
    let version = interpreter.version.to_string();
    let mut arguments = vec![
        "--quiet",
        "--universal",
        "--generate-hashes",
        "--no-header",
        "--no-annotate",
        "--no-emit-index-url",
        "--no-emit-find-links",
        "--python",
        text(&interpreter.executable)?,
        "--python-version",
        &version,
    ];
    if !allow_builds {
        arguments.extend(["--only-binary", ":all:"]);
    }
    match source {
        LockSource::Requirements(file) => arguments.push(text(file)?),
        LockSource::Pyproject { file, extras } => {
            arguments.extend(extras.iter().flat_map(|extra| ["--extra", *extra]));
            arguments.push(text(file)?);
        }
    }
    Requirements::parse(&uv.run(machine, "pip compile", &arguments)?)
}

/// The pins of a project's `uv.lock`, with these extras and dependency groups and without the
/// project itself, whose code is captured apart.
pub fn export(
    machine: &Machine<'_>,
    folder: &Path,
    extras: &[&str],
    groups: &[&str],
) -> Result<Parsed, EnvironmentError> {
    let uv = Uv::find(machine)?;
    let mut arguments = vec![
        "--quiet",
        "--frozen",
        "--format",
        "requirements-txt",
        "--no-emit-project",
        "--no-header",
        "--no-annotate",
        "--no-default-groups",
        "--project",
        text(folder)?,
    ];
    arguments.extend(extras.iter().flat_map(|extra| ["--extra", *extra]));
    arguments.extend(groups.iter().flat_map(|group| ["--group", *group]));
    Requirements::parse(&uv.run(machine, "export", &arguments)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(stderr: &str, expect: &str) {
        let found = format!("{:?}", failure("pip install", stderr));
        let kind = found.split(['(', ' ']).next().unwrap();
        assert_eq!(kind, expect, "{found}");
    }

    #[test]
    fn uvs_words_have_a_type() {
        check(
            "error: Failed to download `six==1`\n  cause: Hash mismatch for `six==1`",
            "HashMismatch",
        );
        check(
            "error: No solution found when resolving dependencies\n  cause: Because x==1 has no \
             usable wheels and you require x==1",
            "NoWheel",
        );
        check(
            "error: Request failed after 3 retries\n  cause: error sending request for url (x)",
            "Network",
        );
        check(
            "error: No solution found\nhint: unavailable because the network was disabled.",
            "Network",
        );
        check("error: No solution found: x was not found", "Unsatisfiable");
        check("x: No space left on device (os error 28)", "DiskFull");
        check("error: something else", "Uv");
    }

    #[test]
    fn passwords_in_addresses_are_masked() {
        let said =
            masked("Using Python 3\nerror: Failed to fetch https://me:pw@example.org/a@b/ now");
        assert_eq!(said, "Failed to fetch https://***@example.org/a@b/ now");
    }
}
