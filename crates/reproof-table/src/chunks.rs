//! A file of which parts are read, anywhere, by several readers.

use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use parquet::errors::Result;
use parquet::file::reader::{ChunkReader, Length};
use reproof_record::Digest;
use reproof_store::fs::{Io, IoError, ReadFile};

const BUFFER: usize = 64 << 10;

/// An open file that several readers share, each with a place of its own.
#[derive(Clone)]
pub(crate) struct Chunks {
    shared: Arc<Mutex<Shared>>,
    size: u64,
}

struct Shared {
    file: Box<dyn ReadFile>,
    /// Why the file could not be read, if it could not.
    failure: Option<io::Error>,
}

impl Chunks {
    pub fn open(io: &dyn Io, path: &Path) -> std::result::Result<Self, IoError> {
        let file = io.open_read(path)?;
        let size = file.facts()?.size;
        let failure = None;
        Ok(Self {
            shared: Arc::new(Mutex::new(Shared { file, failure })),
            size,
        })
    }

    /// Why the file could not be read, if it could not.
    pub fn take_failure(&self) -> Option<io::Error> {
        let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        shared.failure.take()
    }

    /// How many bytes there are.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// So many bytes from a place on. What a damaged file claims does not become memory.
    pub fn exactly(&self, place: u64, length: usize) -> io::Result<Vec<u8>> {
        let end = place.checked_add(length as u64);
        if end.is_none_or(|end| end > self.size) {
            let what = format!("{length} bytes at {place} lie beyond its end");
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, what));
        }
        let mut bytes = vec![0; length];
        self.from(place).read_exact(&mut bytes)?;
        Ok(bytes)
    }

    /// A reader from this byte on.
    pub fn from(&self, place: u64) -> ReadFrom {
        ReadFrom {
            chunks: self.clone(),
            place,
        }
    }

    /// The digest of all bytes.
    pub fn digest(&self) -> io::Result<Digest> {
        let mut hasher = blake3::Hasher::new();
        let mut buffer = vec![0; BUFFER];
        let mut place = 0;
        loop {
            match self.read_at(place, &mut buffer)? {
                0 => return Ok(hasher.finalize().into()),
                count => {
                    hasher.update(&buffer[..count]);
                    place += count as u64;
                }
            }
        }
    }

    fn read_at(&self, place: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        let file = &mut shared.file;
        let read = file.seek(SeekFrom::Start(place)).and_then(|_| {
            loop {
                match file.read(buffer) {
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    read => return read,
                }
            }
        });
        read.map_err(|error| {
            let kind = error.kind();
            shared.failure = Some(error);
            kind.into()
        })
    }
}

/// A reader from some place on.
pub(crate) struct ReadFrom {
    chunks: Chunks,
    place: u64,
}

impl Read for ReadFrom {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.chunks.read_at(self.place, buffer)?;
        self.place += count as u64;
        Ok(count)
    }
}

impl Seek for ReadFrom {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let place = match to {
            SeekFrom::Start(place) => Some(place),
            SeekFrom::End(offset) => self.chunks.size.checked_add_signed(offset),
            SeekFrom::Current(offset) => self.place.checked_add_signed(offset),
        };
        self.place = place.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.place)
    }
}

impl Length for Chunks {
    fn len(&self) -> u64 {
        self.size
    }
}

impl ChunkReader for Chunks {
    type T = BufReader<ReadFrom>;

    fn get_read(&self, start: u64) -> Result<Self::T> {
        let reader = self.from(start);
        Ok(BufReader::with_capacity(BUFFER, reader))
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes> {
        Ok(self.exactly(start, length)?.into())
    }
}
