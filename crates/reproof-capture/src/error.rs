//! Why code could not be captured.

use std::io;

use reproof_record::CanonicalError;
use reproof_store::fs::IoError;
use thiserror::Error;

/// Why code could not be captured.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CaptureError {
    /// A call to the file system.
    #[error(transparent)]
    Io(#[from] IoError),
    /// A program is there but could not be started.
    #[error("failed to start {program}: {source}")]
    Start {
        /// The program.
        program: &'static str,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// There is a repository, and git refuses to say what is in it.
    #[error("git {command} failed: {message}")]
    Git {
        /// The command, such as `status`.
        command: &'static str,
        /// What git said.
        message: String,
    },
    /// Git wrote something that this version does not understand.
    #[error("git {command} wrote something unexpected: {what}")]
    Output {
        /// The command, such as `status`.
        command: &'static str,
        /// What was not understood.
        what: String,
    },
    /// A file was different each time it was looked at.
    #[error(
        "'{path}' keeps changing while the code is captured: wait until nothing writes to it, \
             or name it in .reproofignore"
    )]
    Changing {
        /// The file, inside the project.
        path: String,
    },
    /// A file is no longer what was captured.
    #[error("'{path}' has changed since the code was captured: start again")]
    Changed {
        /// The file, inside the project.
        path: String,
    },
    /// The tree cannot be written down.
    #[error(transparent)]
    Canonical(#[from] CanonicalError),
}
