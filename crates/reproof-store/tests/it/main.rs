//! The store as its users see it: what comes back, what is found, what survives.

// Tests damage files on purpose, so they go around the module that guards them.
#![allow(clippy::disallowed_methods)]
// Clippy knows a test by its attribute; what tests share has none.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod bundle;
mod damage;
mod faults;
mod flips;
mod format;
mod gc;
mod index;
mod large;
mod layout;
mod migration;
mod model;
mod processes;
mod remote;
mod roundtrip;

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use reproof_record::Digest;
use reproof_store::fs::RealIo;
use reproof_store::{BlobInfo, ErrorClass, Store, StoreError};

/// The largest blob that a test reads whole.
const LIMIT: u64 = 64 << 20;

fn open(root: &Path) -> Store {
    Store::open(root, Arc::new(RealIo)).unwrap()
}

/// A store in a folder of its own, which is removed with the first of the two.
fn fresh() -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder.path().join("store"));
    (folder, store)
}

/// Stores blobs of these bytes in one batch.
fn put(store: &Store, blobs: &[&[u8]]) -> Vec<BlobInfo> {
    let mut batch = store.batch();
    let infos = blobs.iter().map(|bytes| batch.put(bytes).unwrap());
    let infos = infos.collect();
    batch.commit().unwrap();
    infos
}

/// The pack that holds a blob, or the list of its chunks, and where in it.
fn place_of(store: &Store, digest: &Digest) -> (PathBuf, Range<usize>) {
    let place = store.whereabouts(digest).unwrap().remove(0);
    let range = place.range.start as usize..place.range.end as usize;
    (place.path, range)
}

/// Changes the bytes of a file in place.
fn damage(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = std::fs::read(path).unwrap();
    change(&mut bytes);
    std::fs::write(path, bytes).unwrap();
}

/// All packs of a store.
fn packs(store: &Store) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(store.root().join("packs")).unwrap();
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

/// The names in the store's folder for files that are being written.
fn leftovers(store: &Store) -> Vec<String> {
    let entries = std::fs::read_dir(store.temp_dir()).unwrap();
    entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}

/// Bytes that zstd cannot make smaller, always the same.
fn noise(length: usize, seed: u64) -> Vec<u8> {
    let mut bytes = vec![0; length];
    let mut hasher = blake3::Hasher::new();
    hasher.update(&seed.to_le_bytes());
    hasher.finalize_xof().fill(&mut bytes);
    bytes
}

/// The bytes of a blob by the streaming reader.
fn stream(store: &Store, digest: &Digest) -> Result<Vec<u8>, StoreError> {
    let mut bytes = Vec::new();
    let read = std::io::copy(&mut store.reader(digest)?, &mut bytes);
    match read {
        Ok(_) => Ok(bytes),
        Err(error) => Err(StoreError::from_io(error).unwrap()),
    }
}

/// Every way of reading this blob finds that its file is damaged.
fn check_found(store: &Store, digest: &Digest, what: &str) {
    let found = |result: Result<(), StoreError>| {
        let error = result.expect_err(what);
        assert_eq!(error.class(), ErrorClass::Integrity, "{what}: {error}");
        assert!(
            matches!(error, StoreError::Damaged { .. }),
            "{what}: {error}"
        );
        assert!(
            error.to_string().contains(&digest.to_hex()),
            "{what}: {error}"
        );
    };
    found(store.read(digest, LIMIT).map(|_| ()));
    found(store.verify_blob(digest).map(|_| ()));
    found(stream(store, digest).map(|_| ()));
}
