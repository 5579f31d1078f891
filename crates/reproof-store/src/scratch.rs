//! Stores for what is needed only for a while, such as a file whose rows are predicted.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::fs::{Io, remove_tree};
use crate::{Store, StoreError};

/// A store that is gone when it is dropped.
#[derive(Debug)]
pub struct Scratch {
    store: Store,
    folder: PathBuf,
}

impl Scratch {
    pub(crate) fn new(folder: &Path, io: &Arc<dyn Io>) -> Result<Self, StoreError> {
        let store = Store::make_scratch(folder, Arc::clone(io)).inspect_err(|_| {
            let _ = remove_tree(io.as_ref(), folder);
        })?;
        Ok(Self {
            store,
            folder: folder.to_owned(),
        })
    }
}

impl std::ops::Deref for Scratch {
    type Target = Store;

    fn deref(&self) -> &Store {
        &self.store
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What is left is swept later.
        let _ = remove_tree(self.store.io().as_ref(), &self.folder);
    }
}

/// A folder for work in progress, that is gone when it is dropped.
#[derive(Debug)]
pub struct WorkFolder {
    io: Arc<dyn Io>,
    path: PathBuf,
}

impl WorkFolder {
    pub(crate) fn new(path: PathBuf, io: &Arc<dyn Io>) -> Result<Self, StoreError> {
        io.create_dir_all(&path)?;
        Ok(Self {
            io: Arc::clone(io),
            path,
        })
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Marks it as in use: what was not marked for a day is swept when a store is opened.
    pub fn mark(&self) {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let now = now.map_or(0, |elapsed| i64::try_from(elapsed.as_secs()).unwrap_or(0));
        // If this fails for a day, what then fails says so.
        let _ = self.io.set_mtime(&self.path, now);
    }
}

impl Drop for WorkFolder {
    fn drop(&mut self) {
        // What is left is swept later.
        let _ = remove_tree(self.io.as_ref(), &self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fs::RealIo;

    #[test]
    fn nothing_of_a_scratch_store_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path(), Arc::new(RealIo)).unwrap();
        let scratch = store.scratch().unwrap();
        let mut batch = scratch.batch();
        let blob = batch.put(b"for a while").unwrap();
        batch.commit().unwrap();
        assert_eq!(scratch.read(&blob.digest, 100).unwrap(), b"for a while");
        assert!(!store.contains(&blob.digest).unwrap());
        drop(scratch);
        assert!(RealIo.read_dir(&store.temp_dir()).unwrap().is_empty());
    }
}
