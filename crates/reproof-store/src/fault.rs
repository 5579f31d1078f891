//! A file system that fails on purpose, so that tests of every crate can ask what happens when
//! any one call does not succeed.

use std::ffi::OsString;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::fs::{DirEntry, Facts, FileLock, Io, IoError, LockKind, ReadFile, WriteFile};

/// Which calls fail, and how.
#[derive(Clone, Copy, Debug)]
pub struct Fault {
    /// The number of the first call that fails, from 1.
    pub at: u64,
    /// Whether every later call fails too, as after a crash.
    pub dead: bool,
    /// The kind of the error.
    pub kind: io::ErrorKind,
    /// Whether only calls that change something are counted and fail, as on a full disk.
    pub writes_only: bool,
}

/// Wraps a file system, counts its calls and makes some fail.
///
/// A write that fails writes half of its bytes first, as a full disk does.
#[derive(Clone, Debug)]
pub struct FaultIo {
    inner: Arc<dyn Io>,
    fault: Option<Fault>,
    calls: Arc<AtomicU64>,
}

impl FaultIo {
    /// Wraps a file system; with no fault it only counts.
    pub fn new(inner: Arc<dyn Io>, fault: Option<Fault>) -> Self {
        Self {
            inner,
            fault,
            calls: Arc::default(),
        }
    }

    /// How many calls were counted.
    pub fn calls(&self) -> u64 {
        self.calls.load(Ordering::SeqCst)
    }

    fn check(&self, changes: bool) -> io::Result<()> {
        let Some(fault) = self.fault else {
            self.calls.fetch_add(1, Ordering::SeqCst);
            return Ok(());
        };
        if fault.writes_only && !changes {
            return Ok(());
        }
        let call = self.calls.fetch_add(1, Ordering::SeqCst) + 1;
        if call == fault.at || (fault.dead && call > fault.at) {
            return Err(io::Error::new(fault.kind, "made to fail by a test"));
        }
        Ok(())
    }

    fn at(&self, changes: bool, op: &'static str, path: &Path) -> Result<(), IoError> {
        self.check(changes)
            .map_err(|source| IoError::new(op, path, source))
    }
}

#[derive(Debug)]
struct FaultRead {
    inner: Box<dyn ReadFile>,
    io: FaultIo,
    path: PathBuf,
}

impl Read for FaultRead {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.io.check(false)?;
        self.inner.read(buffer)
    }
}

impl Seek for FaultRead {
    fn seek(&mut self, position: SeekFrom) -> io::Result<u64> {
        self.io.check(false)?;
        self.inner.seek(position)
    }
}

impl ReadFile for FaultRead {
    fn facts(&self) -> Result<Facts, IoError> {
        self.io.at(false, "stat", &self.path)?;
        self.inner.facts()
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.io.check(false)?;
        self.inner.read_at(buffer, offset)
    }
}

#[derive(Debug)]
struct FaultWrite {
    inner: Box<dyn WriteFile>,
    io: FaultIo,
    path: PathBuf,
}

impl Write for FaultWrite {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Err(error) = self.io.check(true) {
            // What a full disk does to a file; whether this succeeds does not matter.
            let _ = self.inner.write(&bytes[..bytes.len() / 2]);
            return Err(error);
        }
        self.inner.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl WriteFile for FaultWrite {
    fn sync(&mut self) -> Result<(), IoError> {
        self.io.at(true, "sync", &self.path)?;
        self.inner.sync()
    }
}

impl Io for FaultIo {
    fn open_read(&self, path: &Path) -> Result<Box<dyn ReadFile>, IoError> {
        self.at(false, "open", path)?;
        let inner = self.inner.open_read(path)?;
        Ok(Box::new(FaultRead {
            inner,
            io: self.clone(),
            path: path.to_owned(),
        }))
    }

    fn create_new(&self, path: &Path) -> Result<Box<dyn WriteFile>, IoError> {
        self.at(true, "create", path)?;
        let inner = self.inner.create_new(path)?;
        Ok(Box::new(FaultWrite {
            inner,
            io: self.clone(),
            path: path.to_owned(),
        }))
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<(), IoError> {
        self.at(true, "rename to", to)?;
        self.inner.rename(from, to)
    }

    fn remove_file(&self, path: &Path) -> Result<(), IoError> {
        self.at(true, "remove", path)?;
        self.inner.remove_file(path)
    }

    fn remove_dir(&self, path: &Path) -> Result<(), IoError> {
        self.at(true, "remove", path)?;
        self.inner.remove_dir(path)
    }

    fn create_dir_all(&self, path: &Path) -> Result<(), IoError> {
        self.at(true, "make the folder", path)?;
        self.inner.create_dir_all(path)
    }

    fn sync_dir(&self, path: &Path) -> Result<(), IoError> {
        self.at(true, "sync", path)?;
        self.inner.sync_dir(path)
    }

    fn metadata(&self, path: &Path) -> Result<Facts, IoError> {
        self.at(false, "stat", path)?;
        self.inner.metadata(path)
    }

    fn read_dir(&self, path: &Path) -> Result<Vec<DirEntry>, IoError> {
        self.at(false, "list", path)?;
        self.inner.read_dir(path)
    }

    fn read_link(&self, path: &Path) -> Result<PathBuf, IoError> {
        self.at(false, "read the link", path)?;
        self.inner.read_link(path)
    }

    fn canonicalize(&self, path: &Path) -> Result<PathBuf, IoError> {
        self.at(false, "resolve", path)?;
        self.inner.canonicalize(path)
    }

    fn read_dir_facts(&self, path: &Path) -> Result<Vec<(OsString, Facts)>, IoError> {
        self.at(false, "list", path)?;
        self.inner.read_dir_facts(path)
    }

    fn facts_in(&self, folder: &Path, names: &[&str]) -> Result<Vec<Option<Facts>>, IoError> {
        self.at(false, "stat", folder)?;
        self.inner.facts_in(folder, names)
    }

    fn symlink(&self, target: &Path, link: &Path) -> Result<(), IoError> {
        self.at(true, "make the link", link)?;
        self.inner.symlink(target, link)
    }

    fn set_mode(&self, path: &Path, mode: u32) -> Result<(), IoError> {
        self.at(true, "set the mode of", path)?;
        self.inner.set_mode(path, mode)
    }

    fn is_shared(&self, path: &Path) -> Result<bool, IoError> {
        self.at(false, "stat", path)?;
        self.inner.is_shared(path)
    }

    fn lock(&self, path: &Path, kind: LockKind) -> Result<Option<FileLock>, IoError> {
        self.at(true, "lock", path)?;
        self.inner.lock(path, kind)
    }

    fn set_mtime(&self, path: &Path, seconds: i64) -> Result<(), IoError> {
        self.at(true, "set the time of", path)?;
        self.inner.set_mtime(path, seconds)
    }
}
