//! What can go wrong in the catalogue.

use std::path::{Path, PathBuf};

use reproof_store::ErrorClass;
use rusqlite::ErrorCode;
use thiserror::Error;

/// Why the catalogue could not do what it was asked to.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CatalogError {
    /// The database could not be read or written.
    #[error("catalogue {}: {source}", path.display())]
    Database {
        /// The database.
        path: PathBuf,
        /// Why.
        #[source]
        source: rusqlite::Error,
    },
    /// What is stored is not what this version writes.
    #[error("catalogue {} is damaged: {what}", path.display())]
    Damaged {
        /// The database.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// Made by a later version.
    #[error("catalogue {} has version {found}; this version of reproof reads up to {known}: use a newer reproof", path.display())]
    Newer {
        /// The database.
        path: PathBuf,
        /// The version it has.
        found: i64,
        /// The newest version that is known.
        known: i64,
    },
}

impl CatalogError {
    pub(crate) fn database(path: &Path, source: rusqlite::Error) -> Self {
        Self::Database {
            path: path.to_owned(),
            source,
        }
    }

    /// The kind of trouble.
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Damaged { .. } => ErrorClass::Integrity,
            Self::Newer { .. } => ErrorClass::Version,
            Self::Database { source, .. } => match source.sqlite_error_code() {
                Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => ErrorClass::Integrity,
                _ => ErrorClass::Storage,
            },
        }
    }
}
