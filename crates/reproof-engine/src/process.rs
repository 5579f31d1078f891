//! Starts programs of the host, such as git, and waits for them.

use std::io;
use std::path::Path;
use std::process::{Command, Stdio};

use reproof_capture::{Output, Runner};

/// Starts programs of the host.
#[derive(Debug, Default)]
pub struct HostRunner;

impl Runner for HostRunner {
    fn run(
        &self,
        program: &str,
        arguments: &[&str],
        folder: &Path,
        environment: &[(&str, &str)],
        removed: &[&str],
    ) -> io::Result<Output> {
        let mut command = Command::new(program);
        command
            .args(arguments)
            .current_dir(folder)
            .stdin(Stdio::null());
        for name in removed {
            command.env_remove(name);
        }
        command.envs(environment.iter().copied());
        let output = command.output()?;
        Ok(Output {
            success: output.status.success(),
            code: output.status.code(),
            stdout: output.stdout,
            stderr: output.stderr,
        })
    }
}
