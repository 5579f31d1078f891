//! Environments built with the real uv, from the real registry, and run.
//!
//! uv is the one that `REPROOF_UV` names, or the one that `scripts/uv` finds or installs.

#![allow(clippy::disallowed_methods, clippy::print_stdout, clippy::unwrap_used)]

mod cached;
mod format;
mod python;
mod scene;
mod specification;
mod speed;
mod system;
