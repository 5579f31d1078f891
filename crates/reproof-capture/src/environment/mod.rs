//! Environments of programs: from a specification to a closure that runs anywhere.
//!
//! A *specification* is what a person asks for. A *closure* is a root folder that holds everything
//! the programs need, as seen at fixed paths inside, and nothing of the machine that built it: its
//! digest is its identity.

mod base;
mod build;
mod cache;
mod check;
mod describe;
mod elf;
mod error;
mod facts;
mod hash;
mod interpreter;
mod libraries;
mod loader_cache;
mod machine;
mod plan;
mod python;
mod requirements;
mod spec;
mod stored;
mod suites;
mod system;
mod uv;

pub use build::build;
pub use cache::{Closure, ClosureCache, OpenClosure};
pub use check::{Full, Quick};
pub use describe::{ClosureDescription, ClosureDiff, Difference, LeftOut, Package, diff};
pub use error::{EnvironmentError, RequirementProblem};
pub use machine::{Machine, Stage};
pub use requirements::{Parsed, Pin, Requirements};
pub use spec::{EnvironmentSpec, PythonRequest, PythonSpec, SystemSpec, host_platform};
pub use stored::{StoredClosure, materialise};
pub use uv::{LockSource, export, lock};
