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
    #[error("catalogue {}: {}", path.display(), reason(error))]
    Database {
        /// The database.
        path: PathBuf,
        /// Why.
        error: rusqlite::Error,
    },
    /// What is stored is not what this version writes.
    #[error(
        "catalogue {} is damaged: {what}; put a copy in its place, or move it and the files \
         beside it that begin with its name away to start an empty one (the store keeps its blobs)",
        path.display()
    )]
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

/// SQLite's error as a person reads it: it names what it tried, not why that failed.
fn reason(error: &rusqlite::Error) -> String {
    let why = match error.sqlite_error_code() {
        Some(ErrorCode::CannotOpen) => "it cannot be opened for writing: is the disk read-only?",
        Some(ErrorCode::ReadOnly) => "it is read-only",
        Some(ErrorCode::DiskFull) => "the disk is full",
        Some(ErrorCode::SystemIoFailure) => "the disk is full or fails",
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            "another process has been writing to it for 30 s"
        }
        _ => return error.to_string(),
    };
    format!("{why} ({error})")
}

impl CatalogError {
    /// What SQLite, or the reading of a row, says of this database.
    pub(crate) fn database(path: &Path, source: rusqlite::Error) -> Self {
        let path = path.to_owned();
        match source.sqlite_error_code() {
            // Every statement and every type is fixed: where SQLite does not understand one, or
            // finds another, the tables are not what they were.
            Some(
                ErrorCode::DatabaseCorrupt
                | ErrorCode::NotADatabase
                | ErrorCode::Unknown
                | ErrorCode::TypeMismatch,
            )
            | None => {
                let what = source.to_string();
                Self::Damaged { path, what }
            }
            Some(_) => Self::Database {
                path,
                error: source,
            },
        }
    }

    /// The kind of trouble.
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Damaged { .. } => ErrorClass::Integrity,
            Self::Newer { .. } => ErrorClass::Version,
            Self::Database { error, .. } => match error.sqlite_error_code() {
                Some(
                    ErrorCode::ConstraintViolation
                    | ErrorCode::ApiMisuse
                    | ErrorCode::ParameterOutOfRange,
                ) => ErrorClass::Bug,
                _ => ErrorClass::Storage,
            },
        }
    }
}
