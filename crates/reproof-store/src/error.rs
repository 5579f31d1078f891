//! What can go wrong in the store.

use std::path::PathBuf;

use reproof_record::{CanonicalError, Digest};
use thiserror::Error;

use crate::fs::IoError;

/// The kind of trouble.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorClass {
    /// Stored bytes are wrong or gone.
    Integrity,
    /// The storage is full, read-only or cannot be reached.
    Storage,
    /// This version cannot read what a later one wrote.
    Version,
}

/// Why the store could not do what it was asked to.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StoreError {
    /// There is no such blob.
    #[error("blob {} is not in the store {}", digest.short(), root.display())]
    Missing {
        /// Its digest.
        digest: Digest,
        /// The store.
        root: PathBuf,
    },
    /// The stored bytes are not those that the digest promises.
    #[error("blob {} is damaged ({what}): {}", digest.short(), path.display())]
    Damaged {
        /// Its digest.
        digest: Digest,
        /// The stored file.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// Larger than what the caller is ready to take.
    #[error("blob {} has {size} bytes, more than the limit of {limit}", digest.short())]
    TooLarge {
        /// Its digest.
        digest: Digest,
        /// Its size.
        size: u64,
        /// The limit.
        limit: u64,
    },
    /// Made by a later version, or no store at all.
    #[error("the store {} has the format '{found}'; this version reads '{expected}'", root.display())]
    Format {
        /// The store.
        root: PathBuf,
        /// The format that it names.
        found: String,
        /// The format that is wanted.
        expected: &'static str,
    },
    /// A document that cannot be written.
    #[error(transparent)]
    Canonical(#[from] CanonicalError),
    /// A call to the file system.
    #[error(transparent)]
    Io(#[from] IoError),
}

impl StoreError {
    /// The kind of trouble.
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Missing { .. } | Self::Damaged { .. } | Self::TooLarge { .. } => {
                ErrorClass::Integrity
            }
            Self::Format { .. } => ErrorClass::Version,
            Self::Canonical(_) | Self::Io(_) => ErrorClass::Storage,
        }
    }
}
