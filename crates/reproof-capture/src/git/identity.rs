//! Who is at work, and on which commit.

use std::path::Path;

use crate::error::CaptureError;
use crate::git::Git;
use crate::runner::Runner;

/// What git knows of whoever is at work.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// `user.name`.
    pub name: Option<String>,
    /// `user.email`.
    pub email: Option<String>,
    /// The commit that is checked out.
    pub commit: Option<String>,
}

/// What git says of whoever is at work in this project; nothing where there is no git.
///
/// # Errors
/// If git cannot be started for another reason than that there is none.
pub fn identity(project: &Path, runner: &dyn Runner) -> Result<Identity, CaptureError> {
    let git = Git::new(project, runner);
    let line = |arguments: &[&str]| -> Result<Option<String>, CaptureError> {
        let output = git.call(arguments)?.filter(|output| output.success);
        let text = output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
        Ok(text.filter(|text| !text.is_empty()))
    };
    Ok(Identity {
        name: line(&["config", "--get", "user.name"])?,
        email: line(&["config", "--get", "user.email"])?,
        commit: line(&["rev-parse", "--verify", "--quiet", "HEAD"])?,
    })
}
