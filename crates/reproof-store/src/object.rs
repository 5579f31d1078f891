//! Trees, tables and manifests: the objects that describe what is stored.

use reproof_record::{Digest, Manifest, TableObject, Tree, from_canonical};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::{Store, StoreError};

/// The largest object that is read, in bytes: a tree of about a million files.
const MAX_OBJECT: u64 = 256 << 20;

/// An object of one of the formats of `docs/formats/store.md`.
pub(crate) trait Object: DeserializeOwned + Serialize {
    /// The format's name and version.
    const FORMAT: &'static str;

    /// What is wrong with it, if anything is.
    fn fault(&self) -> Option<&'static str>;
}

impl Object for Tree {
    const FORMAT: &'static str = Self::FORMAT;

    fn fault(&self) -> Option<&'static str> {
        let sorted = self.files.is_sorted_by(|a, b| a.path < b.path);
        (!sorted).then_some("its files are not sorted, each path once")
    }
}

impl Object for Manifest {
    const FORMAT: &'static str = Self::FORMAT;

    fn fault(&self) -> Option<&'static str> {
        let sorted = self.files.is_sorted_by(|a, b| a.path < b.path);
        (!sorted).then_some("its files are not sorted, each path once")
    }
}

impl Object for TableObject {
    const FORMAT: &'static str = Self::FORMAT;

    fn fault(&self) -> Option<&'static str> {
        let equal = self.columns.len() == self.schema.columns().len();
        (!equal).then_some("it does not have one digest for each column")
    }
}

/// The part that every object of every version has.
#[derive(Deserialize)]
struct Format {
    format: String,
}

/// Reads an object, and checks that it is what it must be.
pub(crate) fn read<T: Object>(store: &Store, digest: &Digest) -> Result<T, StoreError> {
    let bytes = store.read(digest, MAX_OBJECT)?;
    let damaged = |what: String| StoreError::Damaged {
        digest: *digest,
        path: store.path_of(digest),
        what,
    };
    // First, so that what a later version wrote is not called damaged.
    let format = serde_json::from_slice::<Format>(&bytes);
    let found = format.map_err(|error| damaged(error.to_string()))?.format;
    if found != T::FORMAT {
        return Err(StoreError::Object {
            digest: *digest,
            found,
            expected: T::FORMAT,
        });
    }
    let object: T = from_canonical(&bytes).map_err(|error| damaged(error.to_string()))?;
    match object.fault() {
        Some(what) => Err(damaged(what.to_owned())),
        None => Ok(object),
    }
}
