//! Bytes on their way into the store: small blobs as they are, large ones in chunks.

use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

use fastcdc::v2020::{MASKS, cut};
use reproof_record::Digest;

use crate::error::StoreError;
use crate::fs::{IoError, ReadFile};
use crate::packer::{Chunks, Packer};
use crate::previous::Previous;

/// A chunk has at least so many bytes, unless it is the last one.
const MIN_CHUNK: usize = 16 << 10;
/// A chunk has about so many bytes.
const MEAN_CHUNK: usize = 64 << 10;
/// A chunk, and a blob that is not cut, has at most so many bytes.
pub(crate) const MAX_CHUNK: usize = 256 << 10;
/// Before the mean and behind it: one bit harder and one bit easier than the mean asks for.
const MASK_BEFORE: u64 = MASKS[17];
const MASK_BEHIND: u64 = MASKS[15];
/// How many bytes are gathered before they are cut.
const GATHERED: usize = 1 << 20;
/// How many bytes of a file are read at a time: what the processor's cache holds until they are hashed.
const READ: usize = 256 << 10;
/// The largest blob: as many chunks of the smallest length as a list may have.
pub(crate) const LARGEST_BLOB: u64 =
    (crate::pack::MAX_LIST as u64 / crate::pack::LIST_ITEM as u64) * MIN_CHUNK as u64;

/// A blob by its digest and size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlobInfo {
    /// The digest of its bytes.
    pub digest: Digest,
    /// Its size in bytes, before compression.
    pub size: u64,
}

/// The length of the chunk that these bytes begin with. Where more bytes may follow, there must be
/// at least [`MAX_CHUNK`].
fn chunk_length(bytes: &[u8]) -> usize {
    let (_, length) = cut(
        bytes,
        MIN_CHUNK,
        MEAN_CHUNK,
        MAX_CHUNK,
        MASK_BEFORE,
        MASK_BEHIND,
        MASK_BEFORE << 1,
        MASK_BEHIND << 1,
    );
    length
}

/// Bytes on their way into the store.
///
/// After an error no more bytes are taken, by this writer or any other of its batch. Dropped
/// without [`Batch::add`](crate::Batch::add) it is no blob; chunks of it may stay until `gc`.
#[derive(Debug)]
pub struct BlobWriter {
    packer: Arc<Packer>,
    buffer: Vec<u8>,
    /// Where in the buffer the bytes begin that are not cut yet, and where they end.
    from: usize,
    to: usize,
    hasher: blake3::Hasher,
    size: u64,
    /// The chunks, once there is one.
    chunks: Option<Arc<Chunks>>,
    /// The blob that this one replaces.
    previous: Option<Previous>,
}

impl BlobWriter {
    pub(crate) fn new(packer: Arc<Packer>, previous: Option<Previous>) -> Self {
        Self {
            packer,
            buffer: Vec::new(),
            from: 0,
            to: 0,
            hasher: blake3::Hasher::new(),
            size: 0,
            chunks: None,
            previous,
        }
    }

    /// Takes bytes.
    pub(crate) fn push(&mut self, mut bytes: &[u8]) -> Result<(), StoreError> {
        while !bytes.is_empty() {
            let room = self.room(bytes.len())?;
            let (now, rest) = bytes.split_at(room.len());
            room.copy_from_slice(now);
            self.took(now.len());
            bytes = rest;
        }
        Ok(())
    }

    /// Takes what the next reading of a file gives, and says how much that is: nothing at its end.
    pub(crate) fn push_from(
        &mut self,
        file: &mut dyn ReadFile,
        path: &Path,
    ) -> Result<usize, StoreError> {
        let room = self.room(READ)?;
        let count = loop {
            match file.read(room) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => break read.map_err(|source| IoError::new("read", path, source))?,
            }
        };
        self.took(count);
        Ok(count)
    }

    /// Room for at most so many bytes.
    fn room(&mut self, wanted: usize) -> Result<&mut [u8], StoreError> {
        self.packer.check()?;
        if self.to >= GATHERED {
            self.cut()?;
        }
        let end = GATHERED.min(self.to + wanted);
        if self.buffer.len() < end {
            self.buffer.resize(end, 0);
        }
        Ok(&mut self.buffer[self.to..end])
    }

    /// Counts so many bytes of the room as taken.
    fn took(&mut self, count: usize) {
        self.hasher.update(&self.buffer[self.to..self.to + count]);
        self.to += count;
        self.size += count as u64;
    }

    /// Cuts all chunks whose end is sure, and moves the rest to the front.
    fn cut(&mut self) -> Result<(), StoreError> {
        while self.to - self.from >= MAX_CHUNK {
            self.cut_one()?;
        }
        self.buffer.copy_within(self.from..self.to, 0);
        self.to -= self.from;
        self.from = 0;
        Ok(())
    }

    fn cut_one(&mut self) -> Result<(), StoreError> {
        let rest = &self.buffer[self.from..self.to];
        let bytes = self.packer.copy_of(&rest[..chunk_length(rest)]);
        self.from += bytes.len();
        let chunks = self.chunks.get_or_insert_with(Arc::default);
        let (digest, base) = match &mut self.previous {
            None => (None, None),
            Some(previous) => {
                let digest = Digest::of(&bytes);
                let base = previous.resembling(&digest, bytes.len() as u64);
                (Some(digest), base)
            }
        };
        self.packer.chunk(chunks, bytes, digest, base)
    }

    /// Ends the blob. It is not durable yet.
    pub(crate) fn finish(mut self) -> Result<BlobInfo, StoreError> {
        let info = BlobInfo {
            digest: self.hasher.finalize().into(),
            size: self.size,
        };
        if self.chunks.is_none() && self.to <= MAX_CHUNK {
            self.buffer.truncate(self.to);
            self.packer.blob(info.digest, self.buffer)?;
            return Ok(info);
        }
        while self.from < self.to {
            self.cut_one()?;
        }
        let chunks = self.chunks.take().unwrap_or_default();
        let chunks = self.packer.wait_for(&chunks);
        self.packer.list(info.digest, info.size, chunks)?;
        Ok(info)
    }
}

impl Write for BlobWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.push(bytes) {
            Ok(()) => Ok(bytes.len()),
            Err(StoreError::Io(IoError { source, .. })) => {
                // Whoever adds the writer gets the same error again.
                Err(source)
            }
            Err(error) => Err(error.into_io()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
