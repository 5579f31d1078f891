//! A pack that is put together in memory, to be sent somewhere.

use reproof_record::Digest;

use super::footer::trailer;
use super::{ELSEWHERE, Entry, PackIndex};

/// A pack that grows in memory.
#[derive(Debug)]
pub(crate) struct PackInMemory {
    bytes: Vec<u8>,
    headers: Vec<u8>,
    index: PackIndex,
}

/// A complete pack.
#[derive(Debug)]
pub(crate) struct PackBytes {
    /// Its name.
    pub id: Digest,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Where in them its own index begins, which follows the last entry.
    pub end: usize,
    /// Its entries.
    pub index: PackIndex,
}

impl PackInMemory {
    pub fn new() -> Self {
        Self {
            bytes: ELSEWHERE.to_vec(),
            headers: Vec::new(),
            index: Vec::new(),
        }
    }

    /// How long it is by now.
    pub fn length(&self) -> usize {
        self.bytes.len()
    }

    /// Whether it has no entry.
    pub fn is_empty(&self) -> bool {
        self.index.is_empty()
    }

    /// Adds an entry.
    pub fn append(&mut self, entry: Entry, payload: &[u8]) {
        let header = entry.to_bytes();
        self.index.push((entry, self.bytes.len() as u64));
        self.headers.extend_from_slice(&header);
        self.bytes.extend_from_slice(&header);
        self.bytes.extend_from_slice(payload);
    }

    /// Ends it.
    pub fn finish(mut self) -> PackBytes {
        let (trailer, id) = trailer(ELSEWHERE, &self.headers, self.index.len() as u64);
        let end = self.bytes.len();
        self.bytes.extend_from_slice(&self.headers);
        self.bytes.extend_from_slice(&trailer);
        PackBytes {
            id,
            bytes: self.bytes,
            end,
            index: self.index,
        }
    }
}
