//! How this crate has a program run.

use std::io;
use std::path::Path;

/// What a program did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Output {
    /// Whether it ended with the code 0.
    pub success: bool,
    /// The code it ended with; none if a signal ended it.
    pub code: Option<i32>,
    /// What it wrote to its standard output.
    pub stdout: Vec<u8>,
    /// What it wrote to its standard error.
    pub stderr: Vec<u8>,
}

/// Runs a program to its end. The engine implements it; capture itself starts no process.
pub trait Runner {
    /// Runs `program` in `folder` with the caller's environment less the `removed` variables and
    /// then plus those of `environment`, and with nothing on its standard input.
    ///
    /// An error of the kind [`NotFound`](io::ErrorKind::NotFound) means that there is no such
    /// program.
    fn run(
        &self,
        program: &str,
        arguments: &[&str],
        folder: &Path,
        environment: &[(&str, &str)],
        removed: &[&str],
    ) -> io::Result<Output>;
}
