//! What can go wrong between a store and a remote.

use reproof_record::Digest;
use thiserror::Error;

use super::ObjectError;
use crate::{ErrorClass, StoreError};

/// Why something could not be sent to a remote or fetched from it.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RemoteError {
    /// It cannot be reached, or refuses.
    #[error("remote '{remote}' ({address}): {error}")]
    Failed {
        /// Its name.
        remote: String,
        /// Its address.
        address: String,
        /// What happened.
        error: ObjectError,
    },
    /// An object of it is not what it must be. Nothing of it was stored.
    #[error("remote '{remote}' ({address}): the object {object} is wrong: {what}")]
    Damaged {
        /// Its name.
        remote: String,
        /// Its address.
        address: String,
        /// The object.
        object: String,
        /// What is wrong with it.
        what: String,
    },
    /// Made by a later version.
    #[error(
        "remote '{remote}' ({address}) has the format '{found}'; this version reads '{expected}'"
    )]
    Format {
        /// Its name.
        remote: String,
        /// Its address.
        address: String,
        /// The format that it names.
        found: String,
        /// The format that is wanted.
        expected: &'static str,
    },
    /// It lacks something that it should have.
    #[error("remote '{remote}' ({address}) lacks {what}")]
    Lacks {
        /// Its name.
        remote: String,
        /// Its address.
        address: String,
        /// What it lacks.
        what: String,
    },
    /// The store here.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Stopping was asked for.
    #[error("interrupted")]
    Interrupted,
}

impl RemoteError {
    /// The kind of trouble; none for an interruption.
    pub fn class(&self) -> Option<ErrorClass> {
        match self {
            Self::Failed { .. } | Self::Lacks { .. } => Some(ErrorClass::Storage),
            Self::Damaged { .. } => Some(ErrorClass::Integrity),
            Self::Format { .. } => Some(ErrorClass::Version),
            Self::Store(error) => Some(error.class()),
            Self::Interrupted => None,
        }
    }

    /// What to do about it, where that can be said.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Failed { error, .. } => Some(error.hint.clone()),
            Self::Damaged { object, .. } => Some(format!(
                "nothing of it was stored. Remove {object} from the remote and push again from \
                 where the record is"
            )),
            Self::Lacks { .. } => Some(
                "a push may be under way, or its listing is behind: try again; else push the \
                 record again from where it is"
                    .to_owned(),
            ),
            _ => None,
        }
    }
}

/// Which remote it is, for its errors.
#[derive(Clone, Debug)]
pub(super) struct Who {
    pub name: String,
    pub address: String,
}

impl Who {
    pub fn failed(&self, error: ObjectError) -> RemoteError {
        RemoteError::Failed {
            remote: self.name.clone(),
            address: self.address.clone(),
            error,
        }
    }

    pub fn damaged(&self, object: &str, what: impl Into<String>) -> RemoteError {
        RemoteError::Damaged {
            remote: self.name.clone(),
            address: self.address.clone(),
            object: object.to_owned(),
            what: what.into(),
        }
    }

    pub fn lacks(&self, what: String) -> RemoteError {
        RemoteError::Lacks {
            remote: self.name.clone(),
            address: self.address.clone(),
            what,
        }
    }

    pub fn lacks_blob(&self, digest: &Digest) -> RemoteError {
        self.lacks(format!("blob {}", digest.short()))
    }
}
