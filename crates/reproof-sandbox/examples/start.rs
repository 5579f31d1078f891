//! What it costs to start a process in a sandbox: `true`, 200 times, beside it without one, and as plainly as can be.
#![allow(clippy::print_stdout)]

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};
use reproof_sandbox::{Limits, Mount, Sandbox, SandboxError, enter, is_entry, run, run_unconfined};

const STARTS: u32 = 200;

fn main() -> ExitCode {
    if is_entry(std::env::args_os()) {
        return enter();
    }
    let sandbox = sandbox();
    let confined = || run(&sandbox, &mut |_, _| {}, &|| false).map(|_| ());
    let unconfined = || run_unconfined(&sandbox, &mut |_, _| {}, &|| false).map(|_| ());
    let plain = || {
        Command::new("true")
            .status()
            .map(|_| ())
            .map_err(SandboxError::Start)
    };
    let measured = measure("sandbox", confined)
        .and_then(|()| measure("without", unconfined))
        .and_then(|()| measure("plain", plain));
    match measured {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// The host's programs and libraries, read-only.
fn sandbox() -> Sandbox {
    let folders = ["/bin", "/usr", "/lib", "/lib64"].into_iter();
    let mount = |folder: &str| Mount {
        from: folder.into(),
        to: folder.to_owned(),
        writable: false,
    };
    Sandbox {
        mounts: folders
            .filter(|folder| Path::new(folder).exists())
            .map(mount)
            .collect(),
        argv: vec!["true".to_owned()],
        variables: BTreeMap::from([("PATH".to_owned(), "/bin".to_owned())]),
        folder: "/".to_owned(),
        threads: 1,
        network: false,
        limits: Limits::default(),
        watched: Vec::new(),
    }
}

fn measure(name: &str, start: impl Fn() -> Result<(), SandboxError>) -> Result<(), SandboxError> {
    let (clock, before) = (Instant::now(), used());
    for _ in 0..STARTS {
        start()?;
    }
    let (wall, cpu) = (
        clock.elapsed() / STARTS,
        used().saturating_sub(before) / STARTS,
    );
    println!("{name}: {cpu:.2?} CPU and {wall:.2?} a start");
    Ok(())
}

/// CPU time of this process and of those that it has waited for.
fn used() -> Duration {
    let time = |who| {
        let usage = getrusage(who).ok()?;
        let micros = |time: nix::sys::time::TimeVal| time.tv_sec() * 1_000_000 + time.tv_usec();
        Some(micros(usage.user_time()) + micros(usage.system_time()))
    };
    let all = [UsageWho::RUSAGE_SELF, UsageWho::RUSAGE_CHILDREN]
        .into_iter()
        .filter_map(time);
    Duration::from_micros(all.sum::<i64>().max(0) as u64)
}
