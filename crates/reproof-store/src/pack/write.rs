//! A pack that is being written.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use reproof_record::Digest;

use super::footer::trailer;
use super::{BEGIN, Entry, HEADER, MAGIC, PackIndex};
use crate::fs::{Io, IoError, WriteFile};

/// How many bytes are handed to the system at a time.
const BUFFER: usize = 256 << 10;

/// A pack in the folder for files that are being written. Dropped, it leaves nothing behind.
#[derive(Debug)]
pub(crate) struct PackWriter {
    file: TempFile,
    begin: [u8; BEGIN],
    buffer: Vec<u8>,
    headers: Vec<u8>,
    index: PackIndex,
    length: u64,
}

/// A complete pack that has not got its name yet. Dropped, it leaves nothing behind.
#[derive(Debug)]
pub(crate) struct FinishedPack {
    file: TempFile,
    /// Its name.
    pub id: Digest,
    /// Its entries.
    pub index: PackIndex,
}

#[derive(Debug)]
struct TempFile {
    io: Arc<dyn Io>,
    path: PathBuf,
    file: Option<Box<dyn WriteFile>>,
    /// Whether it has got its name.
    named: bool,
}

impl Drop for TempFile {
    fn drop(&mut self) {
        if !self.named {
            // What cannot be removed is garbage that a later opening of the store sweeps.
            let _ = self.io.remove_file(&self.path);
        }
    }
}

impl TempFile {
    fn write(&mut self, bytes: &[u8]) -> Result<(), IoError> {
        match &mut self.file {
            Some(file) => file
                .write_all(bytes)
                .map_err(|source| IoError::new("write", &self.path, source)),
            None => Ok(()),
        }
    }
}

impl PackWriter {
    /// Makes the file, in this generation of the store: so a pack that holds again what `gc`
    /// condemned is never the very pack that `gc` is about to delete.
    pub fn new(io: &Arc<dyn Io>, path: PathBuf, generation: u64) -> Result<Self, IoError> {
        let file = io.create_new(&path)?;
        let mut begin = [0; BEGIN];
        begin[..MAGIC.len()].copy_from_slice(MAGIC);
        begin[MAGIC.len()..].copy_from_slice(&generation.to_le_bytes());
        Ok(Self {
            file: TempFile {
                io: Arc::clone(io),
                path,
                file: Some(file),
                named: false,
            },
            buffer: begin.to_vec(),
            begin,
            headers: Vec::new(),
            index: Vec::new(),
            length: BEGIN as u64,
        })
    }

    /// How long the file is by now.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Adds an entry.
    pub fn append(&mut self, entry: Entry, payload: &[u8]) -> Result<(), IoError> {
        let header = entry.to_bytes();
        self.index.push((entry, self.length));
        self.headers.extend_from_slice(&header);
        self.length += (HEADER + payload.len()) as u64;
        if self.buffer.len() + HEADER + payload.len() > BUFFER {
            self.flush()?;
        }
        self.buffer.extend_from_slice(&header);
        if payload.len() >= BUFFER / 4 {
            self.flush()?;
            return self.file.write(payload);
        }
        self.buffer.extend_from_slice(payload);
        Ok(())
    }

    fn flush(&mut self) -> Result<(), IoError> {
        self.file.write(&self.buffer)?;
        self.buffer.clear();
        Ok(())
    }

    /// Ends the file. It is complete, but not durable yet.
    pub fn finish(mut self) -> Result<FinishedPack, IoError> {
        let (end, id) = trailer(&self.begin, &self.headers, self.index.len() as u64);
        self.buffer.extend_from_slice(&self.headers);
        self.buffer.extend_from_slice(&end);
        self.flush()?;
        Ok(FinishedPack {
            file: self.file,
            id,
            index: self.index,
        })
    }
}

impl FinishedPack {
    /// Makes the file durable.
    pub fn sync(&mut self) -> Result<(), IoError> {
        match &mut self.file.file {
            Some(file) => file.sync(),
            None => Ok(()),
        }
    }

    /// Gives the file its name. The folder is to be synced then.
    pub fn publish(&mut self, path: &Path) -> Result<(), IoError> {
        self.file.file = None;
        self.file.io.rename(&self.file.path, path)?;
        self.file.named = true;
        Ok(())
    }
}
