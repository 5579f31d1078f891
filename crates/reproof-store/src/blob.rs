//! The file of one blob: a header of 8 bytes, one zstd frame, and a check sum of both.
//!
//! The header is the magic `RPBLOB1` and a zero byte. The check sum is the BLAKE3 of all bytes
//! before it: it finds the few bits of a frame that a decoder ignores, so that no byte of a stored
//! file can change unseen. The format is described in `docs/formats/store.md`.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use reproof_record::Digest;

use crate::error::StoreError;
use crate::fs::{Io, IoError, ReadFile, WriteFile};

const MAGIC: &[u8; 8] = b"RPBLOB1\0";
/// How hard zstd tries. Level 1 costs little more than hashing.
const LEVEL: i32 = 1;
/// How many bytes are verified and released at a time.
const BLOCK: usize = 1 << 20;
/// How many bytes of a file are read at a time.
const BUFFER: usize = 1 << 16;
/// The largest window that a frame may ask for: bounds the memory of a reader to 8 MiB.
const WINDOW_LOG: u32 = 23;

/// A blob by its digest and size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlobInfo {
    /// The digest of its bytes.
    pub digest: Digest,
    /// Its size in bytes, before compression.
    pub size: u64,
}

/// Passes bytes on and hashes them.
struct Summing<T> {
    inner: T,
    sum: blake3::Hasher,
}

impl Write for Summing<Box<dyn WriteFile>> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.inner.write(bytes)?;
        self.sum.update(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
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

type Encoder = zstd::stream::write::Encoder<'static, Summing<Box<dyn WriteFile>>>;

/// Bytes on their way into the store.
///
/// After an error no more bytes are taken: what the file holds then is not what was hashed.
/// Dropped without [`Batch::add`](crate::Batch::add) it leaves nothing behind.
pub struct BlobWriter {
    io: Arc<dyn Io>,
    path: PathBuf,
    /// The file, or why it cannot be written any more.
    encoder: Result<Encoder, io::ErrorKind>,
    hasher: blake3::Hasher,
    size: u64,
    /// Whether the file belongs to a batch now.
    kept: bool,
}

impl std::fmt::Debug for BlobWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BlobWriter")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

impl BlobWriter {
    /// Makes the file. Where the size is known beforehand, zstd takes less memory for a small one.
    pub(crate) fn new(
        io: Arc<dyn Io>,
        path: PathBuf,
        size: Option<u64>,
    ) -> Result<Self, StoreError> {
        let mut file = Summing {
            inner: io.create_new(&path)?,
            sum: blake3::Hasher::new(),
        };
        let mut writer = Self {
            io,
            path,
            encoder: Err(io::ErrorKind::Other),
            hasher: blake3::Hasher::new(),
            size: 0,
            kept: false,
        };
        let encoder = file.write_all(MAGIC).and_then(|()| {
            let mut encoder = Encoder::new(file, LEVEL)?;
            encoder.set_pledged_src_size(size)?;
            Ok(encoder)
        });
        writer.encoder = Ok(encoder.map_err(|source| writer.failed(source))?);
        Ok(writer)
    }

    /// A failed write of this file.
    pub(crate) fn failed(&self, source: io::Error) -> IoError {
        IoError::new("write", &self.path, source)
    }

    /// Ends the file. It is complete, but not durable yet.
    pub(crate) fn finish(mut self) -> Result<(BlobInfo, PathBuf, Box<dyn WriteFile>), StoreError> {
        let end = |encoder: Result<Encoder, io::ErrorKind>| {
            let encoder = encoder.map_err(broken)?;
            let Summing {
                inner: mut file,
                sum,
            } = encoder.finish()?;
            file.write_all(sum.finalize().as_bytes())?;
            Ok(file)
        };
        let encoder = std::mem::replace(&mut self.encoder, Err(io::ErrorKind::Other));
        let file = end(encoder).map_err(|source| self.failed(source))?;
        self.kept = true;
        let info = BlobInfo {
            digest: self.hasher.finalize().into(),
            size: self.size,
        };
        Ok((info, self.path.clone(), file))
    }
}

fn broken(kind: io::ErrorKind) -> io::Error {
    io::Error::new(kind, "an earlier write failed")
}

impl Write for BlobWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let encoder = self.encoder.as_mut().map_err(|kind| broken(*kind))?;
        if let Err(error) = encoder.write_all(bytes) {
            self.encoder = Err(error.kind());
            return Err(error);
        }
        self.hasher.update(bytes);
        self.size += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for BlobWriter {
    fn drop(&mut self) {
        if !self.kept {
            // What cannot be removed is garbage that a later opening of the store sweeps.
            let _ = self.io.remove_file(&self.path);
        }
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

/// Reads a whole blob of at most `limit` bytes and verifies it.
pub(crate) fn read_whole(
    file: Box<dyn ReadFile>,
    digest: Digest,
    path: &Path,
    limit: u64,
) -> Result<Vec<u8>, StoreError> {
    let mut stored = Stored::open(file, digest, path)?;
    let mut bytes = Vec::new();
    let mut block = vec![0u8; 1 << 16];
    loop {
        let count = stored.fill(&mut block)?;
        let size = bytes.len() as u64 + count as u64;
        if size > limit {
            return Err(StoreError::TooLarge {
                digest,
                size,
                limit,
            });
        }
        bytes.extend_from_slice(&block[..count]);
        if count < block.len() {
            break;
        }
        if block.len() < BLOCK {
            block.resize(BLOCK, 0);
        }
    }
    if Digest::of(&bytes) != digest {
        return Err(stored.damaged("its bytes have another digest"));
    }
    Ok(bytes)
}

/// Hashes a whole blob in bounded memory.
pub(crate) fn verify(
    file: Box<dyn ReadFile>,
    digest: Digest,
    path: &Path,
) -> Result<(), StoreError> {
    copy(file, digest, path, &mut |_| Ok(()))
}

/// Gives the blocks of a whole blob, and verifies it at the end.
pub(crate) fn copy(
    file: Box<dyn ReadFile>,
    digest: Digest,
    path: &Path,
    take: &mut dyn FnMut(&[u8]) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    // Most blobs are small, and a smaller buffer is sooner there.
    verify_blocks(file, digest, path, BUFFER, take)
}

/// Hashes a whole blob, and shows each block of this size and the rest.
fn verify_blocks(
    file: Box<dyn ReadFile>,
    digest: Digest,
    path: &Path,
    size: usize,
    mut each: impl FnMut(&[u8]) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let mut stored = Stored::open(file, digest, path)?;
    let mut hasher = blake3::Hasher::new();
    let mut block = vec![0u8; size];
    loop {
        let count = stored.fill(&mut block)?;
        hasher.update(&block[..count]);
        each(&block[..count])?;
        if count < block.len() {
            break;
        }
    }
    if Digest::from(hasher.finalize()) != digest {
        return Err(stored.damaged("its bytes have another digest"));
    }
    Ok(())
}

/// Gives the bytes of a blob that was verified, each block only after it was seen to be the one
/// that was verified.
#[derive(Debug)]
pub(crate) struct VerifiedReader {
    stored: Stored,
    blocks: std::vec::IntoIter<blake3::Hash>,
    block: Vec<u8>,
    position: usize,
    length: usize,
    failed: bool,
}

impl VerifiedReader {
    /// Reads the file twice: now, to verify it, and then to give its bytes.
    pub fn open(
        first: Box<dyn ReadFile>,
        second: Box<dyn ReadFile>,
        digest: Digest,
        path: &Path,
    ) -> Result<Self, StoreError> {
        let mut blocks = Vec::new();
        verify_blocks(first, digest, path, BLOCK, |block| {
            blocks.push(blake3::hash(block));
            Ok(())
        })?;
        let stored = Stored::open(second, digest, path)?;
        Ok(Self {
            stored,
            blocks: blocks.into_iter(),
            block: vec![0; BLOCK],
            position: 0,
            length: 0,
            failed: false,
        })
    }

    /// The next block, if there is one and it is the one that was verified.
    fn next_block(&mut self) -> Result<(), StoreError> {
        let changed = |stored: &Stored| stored.damaged("it changed while it was read");
        (self.position, self.length) = (0, 0);
        if self.failed {
            return Err(changed(&self.stored));
        }
        let Some(expected) = self.blocks.next() else {
            return Ok(());
        };
        // Until this block is seen to be right, no later one may be given in its place.
        self.failed = true;
        let count = self.stored.fill(&mut self.block)?;
        if blake3::hash(&self.block[..count]) != expected {
            return Err(changed(&self.stored));
        }
        self.failed = false;
        self.length = count;
        Ok(())
    }
}

impl Read for VerifiedReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.position == self.length {
            self.next_block().map_err(StoreError::into_io)?;
        }
        let count = buffer.len().min(self.length - self.position);
        buffer[..count].copy_from_slice(&self.block[self.position..self.position + count]);
        self.position += count;
        Ok(count)
    }
}
