//! The machine's file system: the one place that calls `std::fs`.
#![allow(clippy::disallowed_methods)]

use std::ffi::OsString;
use std::fs::{File, Metadata, OpenOptions, Permissions};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{
    AtFlags, CWD, FileType, FlockOperation, Mode, OFlags, Stat, Timespec, Timestamps, utimensat,
};
use rustix::io::Errno;

use super::{
    DirEntry, Facts, FileKind, FileLock, Io, IoError, LockKind, ReadFile, RealIo, WriteFile,
};

#[derive(Debug)]
struct RealFile {
    file: File,
    path: PathBuf,
}

impl Read for RealFile {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.file.read(buffer)
    }
}

impl Seek for RealFile {
    fn seek(&mut self, position: io::SeekFrom) -> io::Result<u64> {
        self.file.seek(position)
    }
}

impl Write for RealFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl ReadFile for RealFile {
    fn facts(&self) -> Result<Facts, IoError> {
        let metadata = self.file.metadata();
        metadata
            .map(|metadata| facts(&metadata))
            .map_err(|source| IoError::new("stat", &self.path, source))
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.file.read_at(buffer, offset)
    }
}

impl WriteFile for RealFile {
    fn sync(&mut self) -> Result<(), IoError> {
        self.file
            .sync_all()
            .map_err(|source| IoError::new("sync", &self.path, source))
    }
}

fn facts(metadata: &Metadata) -> Facts {
    let nanoseconds =
        |seconds: i64, rest: i64| seconds.saturating_mul(1_000_000_000).saturating_add(rest);
    Facts {
        kind: kind(metadata.file_type()),
        size: metadata.size(),
        mtime_ns: nanoseconds(metadata.mtime(), metadata.mtime_nsec()),
        ctime_ns: nanoseconds(metadata.ctime(), metadata.ctime_nsec()),
        inode: metadata.ino(),
        executable: metadata.mode() & 0o100 != 0,
    }
}

/// The same facts, from the system's own structure, whose fields have other types elsewhere.
#[allow(clippy::unnecessary_cast)]
fn facts_of_stat(stat: &Stat) -> Facts {
    let nanoseconds =
        |seconds: i64, rest: i64| seconds.saturating_mul(1_000_000_000).saturating_add(rest);
    Facts {
        kind: match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => FileKind::File,
            FileType::Directory => FileKind::Folder,
            FileType::Symlink => FileKind::Link,
            _ => FileKind::Other,
        },
        size: stat.st_size as u64,
        mtime_ns: nanoseconds(stat.st_mtime as i64, stat.st_mtime_nsec as i64),
        ctime_ns: nanoseconds(stat.st_ctime as i64, stat.st_ctime_nsec as i64),
        inode: stat.st_ino as u64,
        executable: stat.st_mode & 0o100 != 0,
    }
}

fn kind(file_type: std::fs::FileType) -> FileKind {
    if file_type.is_file() {
        FileKind::File
    } else if file_type.is_dir() {
        FileKind::Folder
    } else if file_type.is_symlink() {
        FileKind::Link
    } else {
        FileKind::Other
    }
}

impl Io for RealIo {
    fn open_read(&self, path: &Path) -> Result<Box<dyn ReadFile>, IoError> {
        let file = File::open(path).map_err(|source| IoError::new("open", path, source))?;
        Ok(Box::new(RealFile {
            file,
            path: path.to_owned(),
        }))
    }

    fn create_new(&self, path: &Path) -> Result<Box<dyn WriteFile>, IoError> {
        let file = OpenOptions::new().write(true).create_new(true).open(path);
        let file = file.map_err(|source| IoError::new("create", path, source))?;
        Ok(Box::new(RealFile {
            file,
            path: path.to_owned(),
        }))
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<(), IoError> {
        std::fs::rename(from, to).map_err(|source| IoError::new("rename to", to, source))
    }

    fn remove_file(&self, path: &Path) -> Result<(), IoError> {
        std::fs::remove_file(path).map_err(|source| IoError::new("remove", path, source))
    }

    fn remove_dir(&self, path: &Path) -> Result<(), IoError> {
        std::fs::remove_dir(path).map_err(|source| IoError::new("remove", path, source))
    }

    fn create_dir_all(&self, path: &Path) -> Result<(), IoError> {
        let made = std::fs::create_dir_all(path);
        made.map_err(|source| IoError::new("make the folder", path, source))
    }

    fn sync_dir(&self, path: &Path) -> Result<(), IoError> {
        match File::open(path).and_then(|folder| folder.sync_all()) {
            // Some network file systems have nothing to do here and say so.
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => Ok(()),
            synced => synced.map_err(|source| IoError::new("sync", path, source)),
        }
    }

    fn metadata(&self, path: &Path) -> Result<Facts, IoError> {
        let metadata = std::fs::symlink_metadata(path);
        metadata
            .map(|metadata| facts(&metadata))
            .map_err(|source| IoError::new("stat", path, source))
    }

    fn read_dir(&self, path: &Path) -> Result<Vec<DirEntry>, IoError> {
        let fail = |source| IoError::new("list", path, source);
        let mut entries = Vec::new();
        for entry in std::fs::read_dir(path).map_err(fail)? {
            let entry = entry.map_err(fail)?;
            let kind = kind(entry.file_type().map_err(fail)?);
            entries.push(DirEntry {
                name: entry.file_name(),
                kind,
            });
        }
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(entries)
    }

    fn read_link(&self, path: &Path) -> Result<PathBuf, IoError> {
        std::fs::read_link(path).map_err(|source| IoError::new("read the link", path, source))
    }

    fn read_dir_facts(&self, path: &Path) -> Result<Vec<(OsString, Facts)>, IoError> {
        let fail = |source| IoError::new("list", path, source);
        let mut entries = Vec::new();
        for entry in std::fs::read_dir(path).map_err(fail)? {
            let entry = entry.map_err(fail)?;
            // Asks relative to the open folder, so the path is not walked again.
            let metadata = entry.metadata().map_err(fail)?;
            entries.push((entry.file_name(), facts(&metadata)));
        }
        entries.sort_by(|a, b| a.0.cmp(&b.0));
        Ok(entries)
    }

    fn facts_in(&self, folder: &Path, names: &[&str]) -> Result<Vec<Option<Facts>>, IoError> {
        let open = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC;
        let opened = rustix::fs::open(folder, open, Mode::empty());
        let opened = opened.map_err(|error| IoError::new("open", folder, error.into()))?;
        let facts = names.iter().map(|name| {
            match rustix::fs::statat(&opened, *name, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(stat) => Ok(Some(facts_of_stat(&stat))),
                Err(Errno::NOENT) => Ok(None),
                Err(error) => Err(IoError::new("stat", &folder.join(name), error.into())),
            }
        });
        facts.collect()
    }

    fn canonicalize(&self, path: &Path) -> Result<PathBuf, IoError> {
        std::fs::canonicalize(path).map_err(|source| IoError::new("resolve", path, source))
    }

    fn symlink(&self, target: &Path, link: &Path) -> Result<(), IoError> {
        let made = std::os::unix::fs::symlink(target, link);
        made.map_err(|source| IoError::new("make the link", link, source))
    }

    fn set_mode(&self, path: &Path, mode: u32) -> Result<(), IoError> {
        let set = std::fs::set_permissions(path, Permissions::from_mode(mode));
        set.map_err(|source| IoError::new("set the mode of", path, source))
    }

    fn is_shared(&self, path: &Path) -> Result<bool, IoError> {
        let facts = std::fs::metadata(path);
        let facts = facts.map_err(|source| IoError::new("stat", path, source))?;
        Ok(facts.permissions().mode() & 0o077 != 0)
    }

    fn lock(&self, path: &Path, kind: LockKind) -> Result<Option<FileLock>, IoError> {
        let open = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path);
        let file = open.map_err(|source| IoError::new("open", path, source))?;
        let operation = match kind {
            LockKind::Shared => FlockOperation::NonBlockingLockShared,
            LockKind::Exclusive => FlockOperation::NonBlockingLockExclusive,
        };
        match rustix::fs::flock(&file, operation) {
            Ok(()) => Ok(Some(FileLock::new(file))),
            Err(Errno::WOULDBLOCK) => Ok(None),
            Err(error) => Err(IoError::new("lock", path, error.into())),
        }
    }

    fn set_mtime(&self, path: &Path, seconds: i64) -> Result<(), IoError> {
        let time = Timespec {
            tv_sec: seconds,
            tv_nsec: 0,
        };
        let times = Timestamps {
            last_access: time,
            last_modification: time,
        };
        let set = utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW);
        set.map_err(|source| IoError::new("set the time of", path, source.into()))
    }
}
