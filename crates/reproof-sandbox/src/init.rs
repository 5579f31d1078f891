//! Process 1 of the sandbox (or, without one, the parent of the process): sets everything up, starts the
//! process, watches it, and tells the caller how it ended.
use std::io::{self, BufReader};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitCode, Stdio};

use nix::sys::personality::{self, Persona};
use rustix::process::{
    DumpableBehavior, Resource, Rlimit, Signal, getrlimit, set_child_subreaper,
    set_dumpable_behavior, set_parent_process_death_signal, setpriority_process, setrlimit, setsid,
    umask,
};
use rustix::thread::set_no_new_privs;

use crate::error::{ProgramFault, SetupFailure, Step};
use crate::spec::{Limits, Sandbox};
use crate::support::Support;
use crate::trace::{self, Trace};
use crate::watch::Watch;
use crate::wire::{GO, Order, Report, STOP, receive, receive_byte, send};
use crate::{filter, network, privileges, processors, program, root, rules};

/// The host's name inside.
const HOSTNAME: &[u8] = b"reproof";
/// Descriptors that a process may have.
const DESCRIPTORS: u64 = 1024;
/// Bytes of a stack.
const STACK: u64 = 8 << 20;
/// The outer process and process 1, which the kernel counts, too.
const OURS: u64 = 2;
/// The threads that start a watched process and watch it.
const WATCHERS: u64 = 2;

/// Serves the caller at the other end of standard input. The process gets `priority`.
pub(crate) fn serve(confined: bool, priority: i32) -> ExitCode {
    match converse(confined, priority) {
        Ok(()) => ExitCode::SUCCESS,
        // The caller is gone.
        Err(_) => ExitCode::FAILURE,
    }
}

fn converse(confined: bool, priority: i32) -> io::Result<()> {
    let mut socket = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
    if confined {
        set_parent_process_death_signal(Some(Signal::KILL))?;
    }
    let mut reader = BufReader::new(socket.try_clone()?);
    let (sandbox, place) = match receive(&mut reader)? {
        Order::Run { sandbox, place } => (sandbox, place),
        Order::Probe => (probe(), 0),
    };
    let made = if confined {
        confine(&sandbox, place)
    } else {
        prepare(&sandbox, place)
    };
    match made {
        Ok(support) => send(&mut socket, &Report::Ready(support))?,
        Err(failure) => return send(&mut socket, &Report::Failed(failure)),
    }
    // From here on this process dies with its parent. Should that have died before, the caller, who
    // waits for it, does not say this.
    if receive_byte(&mut reader)? != Some(GO) {
        return Ok(());
    }
    let start = std::time::Instant::now();
    let (child, trace) = match start_program(&sandbox, confined) {
        Ok(started) => started,
        Err(fault) => return send(&mut socket, &Report::Refused(fault)),
    };
    // Lowering it is always allowed. It may have ended already.
    let _ = setpriority_process(rustix::process::Pid::from_raw(child.id() as i32), priority);
    let mut watch = Watch::new(&child, &sandbox.limits, start, confined, socket, trace)?;
    if reader.buffer().contains(&STOP) {
        watch.cancel();
    }
    watch.until_the_end()
}

/// A sandbox that holds nothing.
fn probe() -> Sandbox {
    Sandbox {
        mounts: Vec::new(),
        argv: Vec::new(),
        variables: std::collections::BTreeMap::new(),
        folder: "/".to_owned(),
        threads: 1,
        network: false,
        limits: Limits::default(),
        watched: Vec::new(),
    }
}

/// Makes this process one that sees only what it is given. The order matters: each step takes
/// something that an earlier one needs.
fn confine(sandbox: &Sandbox, place: u32) -> Result<Support, SetupFailure> {
    umask(rustix::fs::Mode::from_raw_mode(0o022));
    rustix::system::sethostname(HOSTNAME).step("set the host's name")?;
    if !sandbox.network {
        network::loopback_up()?;
    }
    // Every file that is mounted is open for a moment.
    let descriptors = getrlimit(Resource::Nofile).maximum;
    limit(Resource::Nofile, descriptors.unwrap_or(u64::MAX))?;
    root::enter(sandbox)?;
    fix_addresses()?;
    calm(sandbox, place)?;
    if let Some(processes) = sandbox.limits.processes.filter(|_| counts_by_namespace()) {
        let watchers = if sandbox.watched.is_empty() {
            0
        } else {
            WATCHERS
        };
        limit(Resource::Nproc, processes.saturating_add(OURS + watchers))?;
    }
    let hidden = set_dumpable_behavior(DumpableBehavior::NotDumpable);
    hidden.step("hide process 1 from the others")?;
    let landlock = rules::apply(sandbox, true)?;
    privileges::drop_all()?;
    let seccomp = filter::apply()?;
    Ok(Support { landlock, seccomp })
}

/// Without namespaces: what can be the same as with them.
fn prepare(sandbox: &Sandbox, place: u32) -> Result<Support, SetupFailure> {
    umask(rustix::fs::Mode::from_raw_mode(0o022));
    // Orphans become children of this process, so that none is missed at the end.
    let reaper = set_child_subreaper(Some(rustix::process::getpid()));
    reaper.step("adopt orphans")?;
    // Containers forbid it that forbid namespaces.
    let _ = fix_addresses();
    calm(sandbox, place)?;
    set_no_new_privs(true).step("refuse new privileges")?;
    let landlock = rules::apply(sandbox, false)?;
    let seccomp = false;
    Ok(Support { landlock, seccomp })
}

/// No random addresses.
fn fix_addresses() -> Result<(), SetupFailure> {
    let persona = personality::get().step("read the personality")?;
    let persona = personality::set(persona | Persona::ADDR_NO_RANDOMIZE);
    persona.step("turn off random addresses").map(|_| ())
}

/// What makes runs alike: fixed limits, a session of its own, as many processors.
fn calm(sandbox: &Sandbox, place: u32) -> Result<(), SetupFailure> {
    setsid().step("start a session")?;
    limit(Resource::Core, 0)?;
    limit(Resource::Nofile, DESCRIPTORS)?;
    let stack = getrlimit(Resource::Stack).maximum.unwrap_or(u64::MAX);
    let stack = Rlimit {
        current: Some(STACK.min(stack)),
        maximum: getrlimit(Resource::Stack).maximum,
    };
    setrlimit(Resource::Stack, stack).step("limit the stack")?;
    processors::bind(sandbox.threads, place).step("bind to processors")
}

/// Sets both the limit and how far it can be raised, or as much of it as is left.
fn limit(resource: Resource, value: u64) -> Result<(), SetupFailure> {
    let most = getrlimit(resource).maximum.unwrap_or(u64::MAX);
    let value = Some(value.min(most)).filter(|&value| value != u64::MAX);
    let limit = Rlimit {
        current: value,
        maximum: value,
    };
    setrlimit(resource, limit).step("limit resources")
}

/// Whether the kernel counts a user's processes in each user namespace apart: from 5.14 on. Before, those of the
/// whole machine would count.
fn counts_by_namespace() -> bool {
    crate::support::kernel() >= (5, 14)
}

fn start_program(sandbox: &Sandbox, confined: bool) -> Result<(Child, Trace), ProgramFault> {
    let folder = &sandbox.folder;
    rustix::process::chdir(folder.as_str())
        .map_err(|_| ProgramFault::MissingFolder(folder.clone()))?;
    let (name, arguments) = sandbox.argv.split_first().unwrap_or((folder, &[]));
    let file = program::find(name, sandbox.variables.get("PATH").map(String::as_str))?;
    program::check(&file)?;
    let mut command = Command::new(&file);
    command
        .arg0(name)
        .args(arguments)
        .env_clear()
        .envs(&sandbox.variables);
    command.stdin(Stdio::null()).process_group(0);
    let (child, trace) = trace::spawn(&mut command, sandbox, confined);
    match child {
        Ok(child) => Ok((child, trace)),
        Err(error) => Err(program::explain(&file, error.raw_os_error().unwrap_or(0))),
    }
}
