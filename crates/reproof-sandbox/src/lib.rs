//! Runs one process that sees only what it is given: the files that are mounted for it, a clean machine
//! around them, and nothing of the host. Linux only, without root and without a helper program.
//!
//! [`run`] starts the calling program again (`/proc/self/exe` with a hidden argument), which makes the sandbox:
//! namespaces of its own, a root of bound files, no capabilities, a filter of system calls, Landlock. So the
//! `main` of every program that uses this begins with
//!
//! ```no_run
//! # fn main() -> std::process::ExitCode {
//! if reproof_sandbox::is_entry(std::env::args_os()) {
//!     return reproof_sandbox::enter();
//! }
//! # std::process::ExitCode::SUCCESS
//! # }
//! ```
//!
//! Three processes: the *outer* one enters the namespaces; *process 1* of them sets all up, watches and reaps;
//! its child is the program. Each dies with its parent, and the kernel ends a namespace with its process 1, so
//! nothing outlives the caller.
//!
//! This crate talks to the kernel through `rustix`, `nix`, `seccompiler` and `landlock`, relative to
//! folders that exist only for one process; it reads and writes no file of the user's. The one thing that
//! no crate does safely, watching system calls, is in `listener`, the only module with `unsafe` code.
//!
//! What it does not hide: the kernel's version, the host's memory and uptime in `/proc`, the processor itself
//! (its features by `cpuid`), the caller's further groups where the caller is not root.

mod calls;
mod entry;
mod error;
mod filter;
mod init;
mod listener;
mod mounts;
mod network;
mod plan;
mod privileges;
mod proc;
mod processors;
mod program;
mod root;
mod rules;
mod spec;
mod supervise;
mod support;
mod trace;
mod tree;
mod watch;
mod wire;

pub use entry::{enter, is_entry};
pub use error::{ProgramFault, SandboxError, SetupFailure, Unsupported};
pub use spec::{End, Finished, HOME, Limits, Missed, Mount, Sandbox, Stream, Traced, Usage};
pub use supervise::support;
pub use supervise::{run, run_unconfined};
pub use support::Support;
