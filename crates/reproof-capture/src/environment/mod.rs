//! Environments of programs: from a specification to a closure that runs anywhere.
//!
//! A *specification* is what a person asks for. A *closure* is a root folder that holds everything
//! the programs need, as seen at fixed paths inside, and nothing of the machine that built it: its
//! digest is its identity.

mod error;
mod requirements;
mod spec;

pub use error::{EnvironmentError, RequirementProblem};
pub use requirements::{Parsed, Pin, Requirements};
pub use spec::{EnvironmentSpec, PythonRequest, PythonSpec, SystemSpec, host_platform};
