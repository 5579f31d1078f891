//! The one module that touches the file system.
//!
//! Every error names the call and the path. Everything goes through the trait [`Io`], so that a
//! test can make any call fail ([`FaultIo`](crate::FaultIo)).

use std::ffi::OsString;
use std::fmt::Debug;
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// A call to the file system that failed.
#[derive(Debug, Error)]
#[error("failed to {op} {path}: {source}", path = path.display())]
pub struct IoError {
    /// What was tried, such as `open`.
    pub op: &'static str,
    /// Where.
    pub path: PathBuf,
    /// Why it failed.
    #[source]
    pub source: io::Error,
}

impl IoError {
    /// An error of this call.
    pub fn new(op: &'static str, path: &Path, source: io::Error) -> Self {
        Self {
            op,
            path: path.to_owned(),
            source,
        }
    }

    /// The kind of the cause.
    pub fn kind(&self) -> io::ErrorKind {
        self.source.kind()
    }

    /// Whether no room is left, on the disk or in a quota.
    pub fn is_storage_full(&self) -> bool {
        let kind = self.kind();
        kind == io::ErrorKind::StorageFull || kind == io::ErrorKind::QuotaExceeded
    }

    /// Whether the file system is read-only, or this user may not write there.
    pub fn is_read_only(&self) -> bool {
        let kind = self.kind();
        kind == io::ErrorKind::ReadOnlyFilesystem || kind == io::ErrorKind::PermissionDenied
    }

    /// Whether nothing is there.
    pub fn is_not_found(&self) -> bool {
        self.kind() == io::ErrorKind::NotFound
    }
}

/// What something on disk is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FileKind {
    /// A regular file.
    File,
    /// A folder.
    Folder,
    /// A symbolic link.
    Link,
    /// A device, socket or pipe.
    Other,
}

/// What the file system says of a file without reading it. Equal facts are a reason to believe
/// that the bytes are equal, once the file has been at rest for a while: see [`Facts::settled`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Facts {
    /// What it is.
    pub kind: FileKind,
    /// Its size in bytes.
    pub size: u64,
    /// When its bytes last changed, in nanoseconds since 1970.
    pub mtime_ns: i64,
    /// When its inode last changed, in nanoseconds since 1970.
    pub ctime_ns: i64,
    /// Its inode.
    pub inode: u64,
    /// Whether its owner may execute it.
    pub executable: bool,
}

/// How long a file must have been at rest before it was hashed, so that a later change cannot
/// hide behind the same time stamp: 2 s.
const REST_NS: i64 = 2_000_000_000;

impl Facts {
    /// Whether the file had been at rest for 2 s when it was hashed at this time, in nanoseconds
    /// since 1970. Only then do equal facts later mean equal bytes.
    pub fn settled(&self, hashed_at_ns: i64) -> bool {
        self.mtime_ns.max(self.ctime_ns).saturating_add(REST_NS) <= hashed_at_ns
    }
}

/// One name in a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirEntry {
    /// The name.
    pub name: OsString,
    /// What it is; a link is not followed.
    pub kind: FileKind,
}

/// A file that is open for reading.
pub trait ReadFile: Read + Seek + Send + Debug {
    /// What the file system says of the open file.
    fn facts(&self) -> Result<Facts, IoError>;
    /// Reads bytes that begin at this offset, and gives how many were read. The place that the
    /// next `read` begins at stays what it is.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;
    /// Fills the buffer with the bytes from this offset on; it is an error if they are fewer.
    fn read_exact_at(&self, mut buffer: &mut [u8], mut offset: u64) -> io::Result<()> {
        while !buffer.is_empty() {
            if i64::try_from(offset).is_err() {
                // No file is so long, and the system calls it a wrong argument.
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            match self.read_at(buffer, offset) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(count) => {
                    buffer = &mut buffer[count..];
                    offset += count as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// A file that is open for writing.
pub trait WriteFile: Write + Send + Debug {
    /// Makes what was written durable.
    fn sync(&mut self) -> Result<(), IoError>;
}

/// How a file is locked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LockKind {
    /// Together with others that do so.
    Shared,
    /// Alone.
    Exclusive,
}

/// A lock on a file. It ends when this is dropped, and with the process.
#[derive(Debug)]
pub struct FileLock {
    _file: Box<dyn LockedFile>,
}

impl FileLock {
    /// A lock that lasts as long as this open file.
    pub fn new(file: impl LockedFile + 'static) -> Self {
        Self {
            _file: Box::new(file),
        }
    }
}

/// An open file that holds a lock.
pub trait LockedFile: Send + Sync + Debug {}

impl LockedFile for std::fs::File {}

/// Every call that Reproof makes to the file system.
pub trait Io: Send + Sync + Debug {
    /// Opens a file for reading.
    fn open_read(&self, path: &Path) -> Result<Box<dyn ReadFile>, IoError>;
    /// Makes a new file and opens it for writing; one that is there already is an error.
    fn create_new(&self, path: &Path) -> Result<Box<dyn WriteFile>, IoError>;
    /// Renames a file, over one that is there.
    fn rename(&self, from: &Path, to: &Path) -> Result<(), IoError>;
    /// Removes a file.
    fn remove_file(&self, path: &Path) -> Result<(), IoError>;
    /// Removes an empty folder.
    fn remove_dir(&self, path: &Path) -> Result<(), IoError>;
    /// Makes a folder and those above it; those that are there are left.
    fn create_dir_all(&self, path: &Path) -> Result<(), IoError>;
    /// Makes the names in a folder durable.
    fn sync_dir(&self, path: &Path) -> Result<(), IoError>;
    /// What the file system says of a path; a link is not followed.
    fn metadata(&self, path: &Path) -> Result<Facts, IoError>;
    /// The names in a folder, sorted by their bytes.
    fn read_dir(&self, path: &Path) -> Result<Vec<DirEntry>, IoError>;
    /// Where a link points.
    fn read_link(&self, path: &Path) -> Result<PathBuf, IoError>;
    /// What is in a folder, with its facts, sorted by the bytes of the names; links are not
    /// followed. One call for a whole folder is several times cheaper than one per path.
    fn read_dir_facts(&self, path: &Path) -> Result<Vec<(OsString, Facts)>, IoError>;
    /// What the file system says of these names in a folder, none where nothing is there; links
    /// are not followed. The folder is looked up once.
    fn facts_in(&self, folder: &Path, names: &[&str]) -> Result<Vec<Option<Facts>>, IoError> {
        let facts = names
            .iter()
            .map(|name| match self.metadata(&folder.join(name)) {
                Ok(facts) => Ok(Some(facts)),
                Err(error) if error.is_not_found() => Ok(None),
                Err(error) => Err(error),
            });
        facts.collect()
    }
    /// The absolute path without links.
    fn canonicalize(&self, path: &Path) -> Result<PathBuf, IoError>;
    /// Makes a symbolic link that holds this target.
    fn symlink(&self, target: &Path, link: &Path) -> Result<(), IoError>;
    /// Sets the permission bits of a file or folder.
    fn set_mode(&self, path: &Path, mode: u32) -> Result<(), IoError>;
    /// Whether anybody but its owner may read or change a file.
    fn is_shared(&self, path: &Path) -> Result<bool, IoError>;

    /// Locks a file, which is made if there is none; none if somebody else holds it in a way that
    /// excludes this one. Nothing waits.
    fn lock(&self, path: &Path, kind: LockKind) -> Result<Option<FileLock>, IoError>;

    /// Sets when something was last changed and read, in seconds since 1970; a link is not
    /// followed.
    fn set_mtime(&self, path: &Path, seconds: i64) -> Result<(), IoError>;

    /// The bytes of a file of at most `limit` bytes.
    fn read(&self, path: &Path, limit: u64) -> Result<Vec<u8>, IoError> {
        let fail = |source| IoError::new("read", path, source);
        let mut bytes = Vec::new();
        let mut file = self.open_read(path)?;
        (&mut file)
            .take(limit.saturating_add(1))
            .read_to_end(&mut bytes)
            .map_err(fail)?;
        if bytes.len() as u64 > limit {
            let message = format!("it is larger than {limit} bytes");
            return Err(fail(io::Error::new(io::ErrorKind::FileTooLarge, message)));
        }
        Ok(bytes)
    }
}

/// Makes a folder and those above it that are missing, so that their names are durable too. The
/// folder's own name is made durable even if it is there: whoever made it may not have come to
/// that yet.
pub fn create_dir_durable(io: &dyn Io, path: &Path) -> Result<(), IoError> {
    let mut above = vec![parent(path)];
    for folder in path
        .ancestors()
        .filter(|folder| !folder.as_os_str().is_empty())
    {
        match io.metadata(folder) {
            Ok(_) => break,
            Err(error) if error.is_not_found() => above.push(parent(folder)),
            Err(error) => return Err(error),
        }
    }
    above.dedup();
    io.create_dir_all(path)?;
    above.into_iter().try_for_each(|folder| io.sync_dir(folder))
}

/// The folder that a path lies in.
pub(crate) fn parent(path: &Path) -> &Path {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    folder.unwrap_or(Path::new("."))
}

/// Writes a file so that at any moment the path holds either what was there or all of `bytes`,
/// durably once this returns.
pub fn write_atomic(io: &dyn Io, path: &Path, bytes: &[u8]) -> Result<(), IoError> {
    let folder = parent(path);
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let temporary = folder.join(format!(".{name}.{}", unique()));
    let write = || {
        let mut file = io.create_new(&temporary)?;
        file.write_all(bytes)
            .map_err(|source| IoError::new("write", &temporary, source))?;
        file.sync()?;
        io.rename(&temporary, path)
    };
    write().inspect_err(|_| {
        // The write's own error is the one to report; what is left over harms nobody.
        let _ = io.remove_file(&temporary);
    })?;
    io.sync_dir(folder)
}

/// Removes a folder and all that is in it, also where folders are read-only.
///
/// What another process removes meanwhile is no error.
pub fn remove_tree(io: &dyn Io, folder: &Path) -> Result<(), IoError> {
    let gone = |result: Result<(), IoError>| match result {
        Err(error) if error.is_not_found() => Ok(()),
        other => other,
    };
    gone(io.set_mode(folder, 0o755))?;
    let entries = match io.read_dir(folder) {
        Err(error) if error.is_not_found() => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let path = folder.join(entry.name);
        if entry.kind == FileKind::Folder {
            remove_tree(io, &path)?;
        } else {
            gone(io.remove_file(&path))?;
        }
    }
    gone(io.remove_dir(folder))
}

/// A name that no other process or call uses at this time.
pub fn unique() -> String {
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    let count = COUNTER.fetch_add(1, Ordering::Relaxed);
    format!("{}{count}", own_prefix())
}

/// What the names that [`unique`] gives in this process begin with. The time tells processes
/// apart that have one number, in containers that share a folder.
pub(crate) fn own_prefix() -> &'static str {
    static PREFIX: OnceLock<String> = OnceLock::new();
    PREFIX.get_or_init(|| {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let nanos = now.map_or(0, |elapsed| elapsed.as_nanos());
        format!("{}-{nanos:x}-", std::process::id())
    })
}

/// The machine's file system.
#[derive(Clone, Copy, Debug, Default)]
pub struct RealIo;

mod real;

#[cfg(test)]
#[allow(clippy::disallowed_methods)]
mod tests {
    use super::*;

    /// Whichever way it is asked, the file system says the same.
    #[test]
    fn facts_of_a_folder_and_of_a_path_are_equal() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::write(at("file"), "text").unwrap();
        RealIo.set_mode(&at("file"), 0o755).unwrap();
        RealIo.create_dir_all(&at("folder")).unwrap();
        RealIo.symlink(Path::new("nothing"), &at("link")).unwrap();
        let names = ["file", "folder", "link", "none"];
        let found = RealIo.facts_in(folder.path(), &names).unwrap();
        let listed = RealIo.read_dir_facts(folder.path()).unwrap();
        assert_eq!(listed.len(), 3);
        for ((name, facts), found) in listed.iter().zip(&found) {
            let alone = RealIo.metadata(&folder.path().join(name)).unwrap();
            assert_eq!((*facts, *found), (alone, Some(alone)));
        }
        assert_eq!(found[3], None);
        assert!(RealIo.facts_in(&at("none"), &[]).is_err());
    }

    #[test]
    fn a_read_only_tree_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let top = folder.path().join("top");
        RealIo.create_dir_all(&top.join("a/b")).unwrap();
        std::fs::write(top.join("a/b/file"), "").unwrap();
        for path in ["a/b/file", "a/b", "a"] {
            RealIo.set_mode(&top.join(path), 0o444 | 0o111).unwrap();
        }
        remove_tree(&RealIo, &top).unwrap();
        remove_tree(&RealIo, &top).unwrap();
        assert!(RealIo.metadata(&top).unwrap_err().is_not_found());
    }
}
