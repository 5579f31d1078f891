//! What a remote is made of: objects under names, and a folder that holds them as files.

use std::fmt::Debug;
use std::io;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use thiserror::Error;

use crate::fs::{FileKind, Io, IoError, create_dir_durable, parent, write_atomic};

/// A request to a remote that failed, after all retries.
#[derive(Clone, Debug, Error)]
#[error("{message}")]
pub struct ObjectError {
    /// What happened, with the object's name.
    pub message: String,
    /// What to check.
    pub hint: String,
}

/// Objects under names such as `records/7f3a…`, in a bucket or a folder. An object that is written
/// under a name that is there replaces it. All calls wait; they may come from several threads.
pub trait Objects: Send + Sync + Debug {
    /// Its address, as a person writes it.
    fn address(&self) -> &str;
    /// The bytes of an object of at most `limit` bytes; none where there is no object.
    fn get(&self, name: &str, limit: u64) -> Result<Option<Vec<u8>>, ObjectError>;
    /// A part of an object; what lies behind its end is left out. None where there is no object.
    fn get_range(&self, name: &str, range: Range<u64>) -> Result<Option<Vec<u8>>, ObjectError>;
    /// Writes an object; it is durable and complete once this returns, or not there at all.
    fn put(&self, name: &str, bytes: Vec<u8>) -> Result<(), ObjectError>;
    /// Deletes an object; one that is not there is gone already.
    fn delete(&self, name: &str) -> Result<(), ObjectError>;
    /// The names of the objects in a folder, without the folder's, sorted.
    fn list(&self, folder: &str) -> Result<Vec<String>, ObjectError>;
}

/// Objects as files in a folder.
#[derive(Debug)]
pub struct FolderObjects {
    root: PathBuf,
    io: Arc<dyn Io>,
    address: String,
}

impl FolderObjects {
    /// The objects in this folder, which is made when the first one is written.
    pub fn new(root: PathBuf, io: Arc<dyn Io>) -> Self {
        let address = format!("file://{}", root.display());
        Self { root, io, address }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }
}

fn failed(error: &IoError) -> ObjectError {
    ObjectError {
        message: error.to_string(),
        hint: "look whether the folder of the remote is mounted, has room, and may be written"
            .to_owned(),
    }
}

/// Nothing, where it failed because nothing is there.
fn if_there<T>(result: Result<T, IoError>) -> Result<Option<T>, ObjectError> {
    match result {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(failed(&error)),
    }
}

impl Objects for FolderObjects {
    fn address(&self) -> &str {
        &self.address
    }

    fn get(&self, name: &str, limit: u64) -> Result<Option<Vec<u8>>, ObjectError> {
        if_there(self.io.read(&self.path(name), limit))
    }

    fn get_range(&self, name: &str, range: Range<u64>) -> Result<Option<Vec<u8>>, ObjectError> {
        let path = self.path(name);
        let Some(file) = if_there(self.io.open_read(&path))? else {
            return Ok(None);
        };
        let mut bytes = vec![0; range.end.saturating_sub(range.start) as usize];
        let mut filled = 0;
        while filled < bytes.len() {
            match file.read_at(&mut bytes[filled..], range.start + filled as u64) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(failed(&IoError::new("read", &path, error))),
            }
        }
        bytes.truncate(filled);
        Ok(Some(bytes))
    }

    fn put(&self, name: &str, bytes: Vec<u8>) -> Result<(), ObjectError> {
        let path = self.path(name);
        create_dir_durable(self.io.as_ref(), parent(&path)).map_err(|error| failed(&error))?;
        write_atomic(self.io.as_ref(), &path, &bytes).map_err(|error| failed(&error))
    }

    fn delete(&self, name: &str) -> Result<(), ObjectError> {
        let path = self.path(name);
        if if_there(self.io.remove_file(&path))?.is_none() {
            return Ok(());
        }
        let synced = self.io.sync_dir(parent(&path));
        synced.map_err(|error| failed(&error))
    }

    fn list(&self, folder: &str) -> Result<Vec<String>, ObjectError> {
        let entries = if_there(self.io.read_dir(&self.path(folder)))?.unwrap_or_default();
        let names = entries.into_iter().filter_map(|entry| {
            let name = entry.name.into_string().ok()?;
            // What begins with a dot is being written, or was when its writer died.
            (entry.kind == FileKind::File && !name.starts_with('.')).then_some(name)
        });
        Ok(names.collect())
    }
}
