//! Blobs of `reproof.store/1`: one file each, which are brought into packs when such a store is
//! opened.
//!
//! A file is the magic `RPBLOB1` and a zero byte, one zstd frame, and the BLAKE3 of all bytes
//! before it. Its name is the digest of the blob.

use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use reproof_record::Digest;

use crate::error::StoreError;
use crate::fs::{IoError, ReadFile, remove_tree, write_atomic};
use crate::{FORMAT, Store};

const MAGIC: &[u8; 8] = b"RPBLOB1\0";
/// How many bytes of a file are read at a time.
const BUFFER: usize = 1 << 16;
/// The largest window that a frame may ask for: bounds the memory of a reader to 8 MiB.
const WINDOW_LOG: u32 = 23;

/// Passes bytes on and hashes them.
struct Summing<T> {
    inner: T,
    sum: blake3::Hasher,
}

type Source = Summing<BufReader<Box<dyn ReadFile>>>;

impl Read for Source {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.sum.update(&buffer[..count]);
        Ok(count)
    }
}

impl BufRead for Source {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.inner.fill_buf()
    }

    fn consume(&mut self, count: usize) {
        self.sum.update(&self.inner.buffer()[..count]);
        self.inner.consume(count);
    }
}

/// A stored file that is being read. What it gives is not verified.
struct Stored {
    frame: Option<zstd::stream::read::Decoder<'static, Source>>,
    digest: Digest,
    path: PathBuf,
}

impl std::fmt::Debug for Stored {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stored")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

impl Stored {
    fn open(file: Box<dyn ReadFile>, digest: Digest, path: &Path) -> Result<Self, StoreError> {
        let mut stored = Self {
            frame: None,
            digest,
            path: path.to_owned(),
        };
        let mut source = Summing {
            inner: BufReader::with_capacity(BUFFER, file),
            sum: blake3::Hasher::new(),
        };
        let mut magic = [0u8; MAGIC.len()];
        source
            .read_exact(&mut magic)
            .map_err(|error| stored.failed(error))?;
        if &magic != MAGIC {
            return Err(stored.damaged("its header is not a blob's"));
        }
        let frame = zstd::stream::read::Decoder::with_buffer(source).and_then(|mut frame| {
            frame.window_log_max(WINDOW_LOG)?;
            Ok(frame.single_frame())
        });
        stored.frame = Some(frame.map_err(|error| stored.failed(error))?);
        Ok(stored)
    }

    fn damaged(&self, what: impl Into<String>) -> StoreError {
        StoreError::Damaged {
            digest: self.digest,
            path: self.path.clone(),
            what: what.into(),
        }
    }

    /// An error of the disk carries the system's number or is not about what was read; anything
    /// else is the decoder's view of wrong bytes.
    fn failed(&self, error: io::Error) -> StoreError {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => self.damaged("it is cut short"),
            io::ErrorKind::Other | io::ErrorKind::InvalidData if error.raw_os_error().is_none() => {
                self.damaged(error.to_string())
            }
            _ => IoError::new("read", &self.path, error).into(),
        }
    }

    /// Fills the buffer as far as bytes go, and checks the sum at the end.
    fn fill(&mut self, buffer: &mut [u8]) -> Result<usize, StoreError> {
        let mut filled = 0;
        while filled < buffer.len() {
            let Some(frame) = &mut self.frame else { break };
            match frame.read(&mut buffer[filled..]) {
                Ok(0) => self.end()?,
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.failed(error)),
            }
        }
        Ok(filled)
    }

    fn end(&mut self) -> Result<(), StoreError> {
        let Some(frame) = self.frame.take() else {
            return Ok(());
        };
        let Summing {
            inner: mut rest,
            sum,
        } = frame.finish();
        let mut told = [0u8; blake3::OUT_LEN];
        rest.read_exact(&mut told)
            .map_err(|error| self.failed(error))?;
        if sum.finalize() != blake3::Hash::from_bytes(told) {
            return Err(self.damaged("its check sum is wrong"));
        }
        match rest.read(&mut [0u8; 1]) {
            Ok(0) => Ok(()),
            Ok(_) => Err(self.damaged("bytes follow its end")),
            Err(error) => Err(self.failed(error)),
        }
    }
}

/// Gives the bytes of a blob, and verifies it at the end.
fn copy(
    file: Box<dyn ReadFile>,
    digest: Digest,
    path: &Path,
    take: &mut dyn FnMut(&[u8]) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let mut stored = Stored::open(file, digest, path)?;
    let mut hasher = blake3::Hasher::new();
    let mut block = vec![0u8; BUFFER];
    loop {
        let count = stored.fill(&mut block)?;
        hasher.update(&block[..count]);
        take(&block[..count])?;
        if count < block.len() {
            break;
        }
    }
    if Digest::from(hasher.finalize()) != digest {
        return Err(stored.damaged("its bytes have another digest"));
    }
    Ok(())
}

impl Store {
    /// The folder of the blobs of version 1.
    fn objects(&self) -> PathBuf {
        self.root.join("objects")
    }

    /// Brings a store of version 1 to this one. Until the format file says so, it is a store of
    /// version 1 with all its blobs; killed at any point, it is begun again. Damaged blobs, which
    /// no reader could have used, are not taken along.
    pub(crate) fn migrate(&self) -> Result<(), StoreError> {
        crate::fs::create_dir_durable(self.io.as_ref(), &self.packs_dir())?;
        let mut batch = self.batch();
        let objects = match self.io.read_dir(&self.objects()) {
            // Another process has brought all of them over meanwhile.
            Err(error) if error.is_not_found() => return Ok(()),
            objects => objects?,
        };
        for entry in objects {
            let Some(digest) = entry.name.to_str().and_then(|name| name.parse().ok()) else {
                continue;
            };
            let path = self.objects().join(&entry.name);
            let file = match self.io.open_read(&path) {
                Err(error) if error.is_not_found() => return Ok(()),
                file => file?,
            };
            let mut writer = batch.writer()?;
            match copy(file, digest, &path, &mut |bytes| writer.push(bytes)) {
                Ok(()) => {
                    batch.add(writer)?;
                }
                Err(StoreError::Damaged { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        batch.commit()?;
        write_atomic(self.io.as_ref(), &self.format_path(), FORMAT.as_bytes())?;
        self.remove_version_1();
        Ok(())
    }

    /// Removes the blobs of version 1, which are in packs by now. What is left over is removed
    /// when the store is opened again.
    pub(crate) fn remove_version_1(&self) {
        if self.io.metadata(&self.objects()).is_ok() {
            let _ = remove_tree(self.io.as_ref(), &self.objects());
        }
    }
}
