//! Environments of programs: from a specification to a closure that runs anywhere.
//!
//! A *specification* ([`EnvironmentSpec`]) is what a person asks for. A *closure* is a root folder
//! that holds everything the programs need, as seen at fixed paths inside: interpreter, packages,
//! loader, system libraries, locale, time zones, a shell. The digest of its tree is its identity.
//! Bytecode in `__pycache__` is no part of it: it is compiled inside, from what is.
//!
//! [`build`] asks uv to install the pins into a virtual environment, plans from that what the
//! closure holds, and writes it once, into a folder of the [`ClosureCache`]. The caller compiles
//! the bytecode inside and seals it. [`Closure::check`] says whether one in the cache is still
//! right; [`Closure::put`] and [`materialise`] take it through the store.
//!
//! Nothing here starts a process: uv and the interpreters are asked through a
//! [`Runner`](crate::Runner). Nothing reads the search path or another variable: see [`Machine`].

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
pub use elf::loader_of;
pub use error::{EnvironmentError, RequirementProblem};
pub use machine::{Machine, Stage};
pub use requirements::{Parsed, Pin, Requirements};
pub use spec::{EnvironmentSpec, PythonRequest, PythonSpec, SystemSpec, host_platform};
pub use stored::{StoredClosure, materialise};
pub use uv::{LockSource, export, lock};
