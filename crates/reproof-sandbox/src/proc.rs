//! Reading `/proc`, whose files have no size and no facts worth keeping.
use std::ffi::CString;

use rustix::fs::{CWD, Dir, Mode, OFlags, openat};
use rustix::io::Errno;
use rustix::path::Arg;

/// The whole of a small file.
pub(crate) fn read(path: impl Arg) -> Result<Vec<u8>, Errno> {
    let file = openat(CWD, path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
    let mut bytes = Vec::with_capacity(4096);
    let mut buffer = [0; 4096];
    loop {
        match rustix::io::read(&file, &mut buffer) {
            Ok(0) => return Ok(bytes),
            Ok(length) => bytes.extend_from_slice(buffer.get(..length).unwrap_or_default()),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error),
        }
    }
}

/// The first bytes of a file, at most as many as the buffer holds.
pub(crate) fn read_start(path: impl Arg, buffer: &mut [u8]) -> Result<usize, Errno> {
    let file = openat(CWD, path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
    rustix::io::read(&file, buffer)
}

/// Writes to a file that is there.
pub(crate) fn write(path: &str, text: &str) -> Result<(), Errno> {
    let file = openat(CWD, path, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())?;
    rustix::io::write(&file, text.as_bytes()).map(|_| ())
}

/// The entries of a folder but `.` and `..`, with their kinds.
pub(crate) fn list(path: impl Arg) -> Result<Vec<(CString, rustix::fs::FileType)>, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let folder = openat(CWD, path, flags, Mode::empty())?;
    let mut entries = Vec::new();
    for entry in Dir::read_from(&folder)? {
        let entry = entry?;
        if !matches!(entry.file_name().to_bytes(), b"." | b"..") {
            entries.push((entry.file_name().to_owned(), entry.file_type()));
        }
    }
    Ok(entries)
}

/// The entries of a folder whose names are numbers: processes, threads, descriptors.
pub(crate) fn numbers(path: impl Arg) -> Result<Vec<i32>, Errno> {
    let entries = list(path)?;
    let number = |(name, _): &(CString, _)| name.to_str().ok()?.parse().ok();
    Ok(entries.iter().filter_map(number).collect())
}
