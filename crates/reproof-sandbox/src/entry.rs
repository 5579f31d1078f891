//! The hidden command by which the program starts itself again.
//!
//! The caller has threads, and a process with threads cannot enter a user namespace. So the program is started
//! anew, with one thread (the *outer* process): it enters the namespaces and starts the program once more, which
//! is then process 1 of the new ones (`init`).
use std::ffi::{OsStr, OsString};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitCode, Stdio};

use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::SigSet;
use rustix::process::{
    Signal, getegid, geteuid, getppid, getpriority_process, set_parent_process_death_signal,
    setpriority_process,
};

use crate::error::{SetupFailure, Step};
use crate::init;
use crate::wire::{Report, send};

/// The program itself, whatever its name on disk is now.
pub(crate) const SELF: &str = "/proc/self/exe";

/// Starts the outer process: followed by the caller's number and by `net` or `lo`. One word, so that a program
/// that does not know it cannot take its parts for something else.
const OUTER: &str = "__sandbox:";
/// Starts the process without namespaces: followed by the caller's number.
const PLAIN: &str = "__sandbox-plain:";
/// Starts process 1: followed by the priority that the process is to have.
const INIT: &str = "__sandbox-init:";
/// The highest priority there is.
const HIGHEST: i32 = -20;

/// Everyone is this user and this group inside.
const INSIDE: u32 = 1000;

/// The hidden command for the outer process.
pub(crate) fn outer_command(network: bool) -> String {
    let network = if network { "net" } else { "lo" };
    format!("{OUTER}{}:{network}", std::process::id())
}

/// The hidden command for the process without namespaces.
pub(crate) fn plain_command() -> String {
    format!("{PLAIN}{}", std::process::id())
}

/// Whether these arguments, the program's name first, ask for [`enter`].
pub fn is_entry(arguments: impl IntoIterator<Item = OsString>) -> bool {
    let mut arguments = arguments.into_iter().skip(1);
    let starts = |word: &OsStr| {
        word.to_str()
            .is_some_and(|word| word.starts_with("__sandbox"))
    };
    match (arguments.next(), arguments.next()) {
        (Some(word), None) => starts(&word),
        _ => false,
    }
}

/// Does what the hidden command asks for. To be called first of all in `main`, before there are threads, if
/// [`is_entry`] says so.
pub fn enter() -> ExitCode {
    let word = std::env::args().nth(1).unwrap_or_default();
    // A mask of the caller's is no business of the process.
    let _ = SigSet::empty().thread_set_mask();
    if let Some(priority) = word.strip_prefix(INIT) {
        return init::serve(true, priority.parse().unwrap_or(0));
    }
    if let Some(caller) = word.strip_prefix(PLAIN) {
        close_others();
        return if is_parent(caller) {
            init::serve(false, raise_priority())
        } else {
            ExitCode::FAILURE
        };
    }
    match word
        .strip_prefix(OUTER)
        .and_then(|rest| rest.split_once(':'))
    {
        Some((caller, network)) => outer(caller, network == "net"),
        None => ExitCode::FAILURE,
    }
}

/// Closes every descriptor but 0, 1 and 2: what the caller left open is not for the process.
fn close_others() {
    for number in crate::proc::numbers("/proc/self/fd").unwrap_or_default() {
        if number > 2 {
            // The one that listed them is closed already.
            let _ = nix::unistd::close(number);
        }
    }
}

/// Gives this process the highest priority if it may have it, and returns the one it had, for the process.
///
/// Root's processes are not refused by the kernel however many they are, so what watches them must not wait
/// for its turn among them.
fn raise_priority() -> i32 {
    let before = getpriority_process(None).unwrap_or(0);
    if geteuid().is_root() {
        // In a container root may be forbidden to; then it watches as well as it can.
        let _ = setpriority_process(None, HIGHEST);
    }
    before
}

fn is_parent(caller: &str) -> bool {
    let parent = getppid().map_or(0, |parent| parent.as_raw_nonzero().get());
    parent.to_string() == caller
}

fn outer(caller: &str, network: bool) -> ExitCode {
    close_others();
    // Should the caller have ended before this, there is nobody to work for.
    let dies = set_parent_process_death_signal(Some(Signal::KILL));
    if dies.is_err() || !is_parent(caller) {
        return ExitCode::FAILURE;
    }
    let priority = raise_priority();
    match isolate(network).and_then(|()| start_init(priority)) {
        Ok(code) => code,
        Err(failure) => {
            report(failure);
            ExitCode::FAILURE
        }
    }
}

fn report(failure: SetupFailure) {
    if let Ok(socket) = std::io::stdin().as_fd().try_clone_to_owned() {
        // If nobody listens, nobody waits for it either.
        let _ = send(&mut UnixStream::from(socket), &Report::Failed(failure));
    }
}

fn isolate(network: bool) -> Result<(), SetupFailure> {
    // The keys of a terminal are for the caller to act on.
    rustix::process::setsid().step("start a session")?;
    let (user, group) = (geteuid().as_raw(), getegid().as_raw());
    if user == 0 {
        // Groups of root's that would let it read what belongs to them. Others cannot give theirs up.
        let _ = rustix::thread::set_thread_groups(&[]);
    }
    let mut flags = CloneFlags::CLONE_NEWUSER
        | CloneFlags::CLONE_NEWNS
        | CloneFlags::CLONE_NEWPID
        | CloneFlags::CLONE_NEWIPC
        | CloneFlags::CLONE_NEWUTS
        | CloneFlags::CLONE_NEWCGROUP;
    if !network {
        flags |= CloneFlags::CLONE_NEWNET;
    }
    unshare(flags).step("make namespaces")?;
    for (file, text) in [
        ("setgroups", "deny".to_owned()),
        ("uid_map", format!("{INSIDE} {user} 1")),
        ("gid_map", format!("{INSIDE} {group} 1")),
    ] {
        let file = format!("/proc/self/{file}");
        crate::proc::write(&file, &text).at("write", &file)?;
    }
    // A change of credentials may have cleared it.
    let dies = set_parent_process_death_signal(Some(Signal::KILL));
    dies.step("set the signal of the caller's death")?;
    crate::privileges::pass_on()
}

/// Starts process 1 and waits until nothing is left of its namespace: the kernel ends all of it with process 1,
/// and reports the end of process 1 last.
fn start_init(priority: i32) -> Result<ExitCode, SetupFailure> {
    let mut command = Command::new(SELF);
    command
        .arg(format!("{INIT}{priority}"))
        .env_clear()
        .stdin(Stdio::inherit());
    let mut child = command.spawn().step("start process 1")?;
    let status = child.wait().step("wait for process 1")?;
    Ok(match (status.code(), status.signal()) {
        (Some(0), _) => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(words: &[&str]) -> bool {
        is_entry(words.iter().map(OsString::from))
    }

    #[test]
    fn only_the_hidden_commands_are_entries() {
        assert!(entry(&["reproof", &outer_command(true)]));
        assert!(entry(&["reproof", &plain_command()]));
        assert!(entry(&["reproof", INIT]));
        assert!(!entry(&["reproof"]));
        assert!(!entry(&["__sandbox-init"]));
        assert!(!entry(&["reproof", "run", INIT]));
        assert!(!entry(&["reproof", INIT, "more"]));
    }
}
