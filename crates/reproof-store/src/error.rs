//! What can go wrong in the store.

use std::io;
use std::path::PathBuf;

use reproof_record::{CanonicalError, Digest, RelativePath};
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
    /// What was to be stored cannot be: a fault of the program.
    Bug,
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
    #[error("blob {digest} is damaged ({what}): {}", path.display())]
    Damaged {
        /// Its digest.
        digest: Digest,
        /// The pack that it lies in.
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
    /// The file that names the store's format is damaged.
    #[error("{} is damaged: it should say '{expected}'", path.display())]
    DamagedFormat {
        /// The file.
        path: PathBuf,
        /// What it should say.
        expected: &'static str,
    },
    /// Made by a later version.
    #[error("the store {} has the format '{found}'; this version reads '{expected}'", root.display())]
    Format {
        /// The store.
        root: PathBuf,
        /// The format that it names.
        found: String,
        /// The format that is wanted.
        expected: &'static str,
    },
    /// An object written by a later version.
    #[error("blob {} has the format '{found}'; this version reads '{expected}'", digest.short())]
    Object {
        /// Its digest.
        digest: Digest,
        /// The format that it names.
        found: String,
        /// The format that is wanted.
        expected: &'static str,
    },
    /// There is no store.
    #[error("there is no store in {}", root.display())]
    NoStore {
        /// Where it was looked for.
        root: PathBuf,
    },
    /// An artifact whose parts do not fit one another.
    #[error("an artifact cannot be stored: {what}")]
    Inconsistent {
        /// What does not fit.
        what: String,
    },
    /// A tree that no folder can be, or that would reach out of it.
    #[error("'{path}' cannot be laid out: {what}")]
    Unlayable {
        /// The file or link, inside the tree.
        path: RelativePath,
        /// Why.
        what: &'static str,
    },
    /// A tree was to be laid out where something is.
    #[error("{} is there and not an empty folder: name a new or empty one", path.display())]
    Occupied {
        /// Where.
        path: PathBuf,
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
            Self::Missing { .. }
            | Self::Damaged { .. }
            | Self::DamagedFormat { .. }
            | Self::Unlayable { .. }
            | Self::TooLarge { .. } => ErrorClass::Integrity,
            Self::Format { .. } | Self::Object { .. } => ErrorClass::Version,
            Self::NoStore { .. } | Self::Occupied { .. } | Self::Io(_) => ErrorClass::Storage,
            Self::Inconsistent { .. } | Self::Canonical(_) => ErrorClass::Bug,
        }
    }

    /// The error as a reader gives it; [`StoreError::from_io`] finds it there again.
    pub fn into_io(self) -> io::Error {
        let kind = match &self {
            Self::Io(error) => error.kind(),
            Self::Missing { .. } => io::ErrorKind::NotFound,
            _ => io::ErrorKind::InvalidData,
        };
        io::Error::new(kind, self)
    }

    /// The store's error that a reader of a blob gave, or the error as it is.
    pub fn from_io(error: io::Error) -> Result<Self, io::Error> {
        error.downcast()
    }
}
