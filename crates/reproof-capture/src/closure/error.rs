//! Why the code of a step cannot be told.

use thiserror::Error;

use crate::CaptureError;

/// Why the code of a step cannot be told.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ClosureError {
    /// The script that the step runs is not in the tree.
    #[error(
        "the script '{path}' is not part of the captured code: it must lie in the project, and \
         neither git nor .reproofignore may ignore it"
    )]
    NoScript {
        /// The path as it was given.
        path: String,
    },
    /// Nothing of the captured code fits an entry of `code:`.
    #[error(
        "nothing of the captured code fits 'code: {glob}': what git or .reproofignore ignores, \
         files that look like secrets and files over 10 MB are not captured"
    )]
    NoMatch {
        /// The entry.
        glob: String,
    },
    /// An entry of `code:` is no pattern.
    #[error("'code: {glob}' is not a pattern for paths inside the project: {reason}")]
    Glob {
        /// The entry.
        glob: String,
        /// Why not.
        reason: String,
    },
    /// A folder that modules are to be searched in is not one.
    #[error("'{root}' is not a folder of the captured code that modules could be searched in")]
    NoRoot {
        /// The folder as it was given.
        root: String,
    },
    /// A file of the tree could not be read.
    #[error(transparent)]
    Read(#[from] CaptureError),
}
