//! The code of a project as it is now: the state of git and a tree of content digests.
//!
//! What is captured are the tracked files as they lie on disk, plus the untracked files that git
//! does not ignore, within the project's folder only. Without a git repository the folder is
//! walked instead (see [`capture`]). Whatever is left out that a person might miss is named with
//! the reason in [`CodeState::left_out`](reproof_record::CodeState::left_out).
//!
//! From a captured tree follow the [`closure`] of a step, which is all of the code that the step
//! sees, and the bytes of its files ([`ProjectFiles`]). What of it would keep a step from repeating is
//! found by [`rules`]. The environments that steps run in are built, checked and stored by
//! [`environment`]. What is in notebooks, and what of them is source, says [`notebook`]; what a plain
//! script reads and writes, and the pipeline that follows, [`script`].
//!
//! This crate starts no process (it asks a [`Runner`]). Capturing code keeps nothing between calls
//! (it asks a [`DigestCache`]), writes nothing, and executes nothing of the project: no hook, no
//! diff driver, no file-system monitor.

mod cache;
mod capture;
pub mod closure;
mod contents;
pub mod environment;
mod error;
mod git;
mod ignore;
pub mod notebook;
mod pattern;
mod python;
mod read;
pub mod rules;
mod runner;
mod scope;
pub mod script;
mod secrets;
mod select;
mod walk;

pub use cache::{CachedDigest, DigestCache, NoCache};
pub use capture::{Capture, CaptureOptions, LOCK_FILE, OWN_FOLDER, capture, lock_committed};
pub use contents::ProjectFiles;
pub use error::CaptureError;
pub use git::{Commit, Identity, check_out, clone_repository, commits_between, file_at, identity};
pub use ignore::IgnoreRules;
pub use pattern::Pattern;
pub use read::LARGE;
pub use reproof_store::link_digest;
pub use runner::{Output, Runner};
