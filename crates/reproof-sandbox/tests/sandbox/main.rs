//! Real sandboxes on the real kernel. This binary is, after the fashion of the real one, also the helper that
//! `run` starts again, and (bound into the sandbox) a program that looks around there.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::disallowed_methods)]
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::assigning_clones,
    clippy::zombie_processes
)]

mod common;
mod ends;
mod inside;
mod limits;
mod many;
mod probes;
mod programs;
mod refusals;
mod traced;
mod unconfined;

use std::process::{Command, ExitCode};

use libtest_mimic::{Arguments, Trial};

/// Set in the second round, which runs without root's rights.
const AGAIN: &str = "REPROOF_SANDBOX_WITHOUT_ROOT";

fn main() -> ExitCode {
    if reproof_sandbox::is_entry(std::env::args_os()) {
        return reproof_sandbox::enter();
    }
    if let Some(code) = probes::answer() {
        return code;
    }
    let arguments = Arguments::from_args();
    if let Err(unsupported) = reproof_sandbox::support() {
        // Not a pass: a machine without namespaces tests nothing here, and must say so.
        eprintln!("{unsupported}");
        return ExitCode::FAILURE;
    }
    let mut trials: Vec<Trial> = Vec::new();
    for (module, tests) in [
        ("inside", inside::TESTS),
        ("ends", ends::TESTS),
        ("limits", limits::TESTS),
        ("many", many::TESTS),
        ("programs", programs::TESTS),
        ("refusals", refusals::TESTS),
        ("traced", traced::TESTS),
        ("unconfined", unconfined::TESTS),
    ] {
        trials.extend(tests.iter().map(|&(name, test)| {
            Trial::test(format!("{module}::{name}"), move || {
                test();
                Ok(())
            })
        }));
    }
    let root = rustix::process::geteuid().is_root() && std::env::var_os(AGAIN).is_none();
    let listing = arguments.list;
    let conclusion = libtest_mimic::run(&arguments, trials);
    common::clean();
    if conclusion.has_failed() || listing || !root {
        return conclusion.exit_code();
    }
    without_root()
}

/// Everything once more as a user without rights.
fn without_root() -> ExitCode {
    let mut command = Command::new("setpriv");
    command.args(["--reuid=65534", "--regid=65534", "--clear-groups", "--"]);
    // The copy lies where that user may read it.
    let folder = tempfile::tempdir().expect("a folder");
    let copy = folder.path().join("sandbox");
    std::fs::copy("/proc/self/exe", &copy).expect("a copy");
    common::open_to_all(folder.path());
    command
        .arg(&copy)
        .args(std::env::args_os().skip(1))
        .env(AGAIN, "1")
        .env("TMPDIR", "/tmp");
    match command.status() {
        Ok(status) if status.success() => ExitCode::SUCCESS,
        Ok(status) => {
            eprintln!("without root: {status}");
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("without root: setpriv cannot be started: {error}");
            ExitCode::FAILURE
        }
    }
}
