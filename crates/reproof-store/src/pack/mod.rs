//! Packs: immutable files that hold many entries. The format is described in
//! `docs/formats/store.md`.
//!
//! A pack is a magic, the generation that it was written in, entries one after another, and an
//! index: all headers once more, their count and a check sum, which is the pack's name. Each entry is a header and a payload. Every bit of
//! the file is covered: a payload by the entry's digest or check, a header by its check, all
//! headers by the sum.

mod footer;
mod memory;
mod write;

use reproof_record::Digest;

pub(crate) use footer::{
    IndexFault, PackIndex, parse_index, read_index, salvage, trailer as pack_trailer,
};
pub(crate) use memory::{PackBytes, PackInMemory};
pub(crate) use write::{FinishedPack, PackWriter};

/// The first bytes of a pack.
pub(crate) const MAGIC: &[u8; 8] = b"RPPACK2\0";
/// Where the first entry begins: behind the magic and the generation.
pub(crate) const BEGIN: usize = 16;
/// The beginning of a pack outside of stores, where there are no generations.
pub(crate) const ELSEWHERE: &[u8; BEGIN] = b"RPPACK2\0\0\0\0\0\0\0\0\0";
/// The last bytes of a pack.
const END: &[u8; 8] = b"RPPEND2\0";
/// The first bytes of an entry.
const ENTRY: &[u8; 4] = b"RPE2";
/// The length of an entry's header.
pub(crate) const HEADER: usize = 72;
/// Where the check begins in a header.
const CHECK: usize = 56;
/// The most bytes that an entry of data may have before it was encoded: bounds a reader's memory.
pub(crate) const MAX_DATA: u64 = 1 << 20;
/// The most bytes that the list of a blob's chunks may have: about 30 million chunks.
pub(crate) const MAX_LIST: u32 = 1 << 30;
/// The length of one chunk in a list: its size and its digest.
pub(crate) const LIST_ITEM: usize = 36;

/// What an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The bytes of a blob or of a chunk of one.
    Data,
    /// The chunks that a blob is made of.
    List,
}

/// How the bytes of an entry are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encoding {
    /// As they are.
    Raw,
    /// As one zstd frame.
    Zstd,
    /// The digest of another entry, its base, and a zstd frame whose prefix is that entry's bytes.
    Delta,
}

/// The header of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub kind: Kind,
    pub encoding: Encoding,
    /// The length of the payload.
    pub stored: u32,
    /// The size of the blob.
    pub size: u64,
    /// The digest of the blob.
    pub digest: Digest,
    /// Covers the header, and the payload where the digest does not.
    check: [u8; 16],
}

impl Entry {
    /// The header for this payload.
    pub fn new(kind: Kind, encoding: Encoding, size: u64, digest: Digest, payload: &[u8]) -> Self {
        let mut entry = Self {
            kind,
            encoding,
            // Whoever makes a payload bounds it: see the limits above.
            stored: payload.len() as u32,
            size,
            digest,
            check: [0; 16],
        };
        entry.check = entry.check_of(payload);
        entry
    }

    /// Whether the payload is covered by the digest alone.
    fn is_plain(&self) -> bool {
        self.kind == Kind::Data && self.encoding == Encoding::Raw
    }

    fn check_of(&self, payload: &[u8]) -> [u8; 16] {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&self.to_bytes()[..CHECK]);
        if !self.is_plain() {
            hasher.update(payload);
        }
        let mut check = [0; 16];
        check.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
        check
    }

    /// Whether header and payload are those that were written. Where the payload is the blob
    /// itself, its digest is still to be checked.
    pub fn fits(&self, payload: &[u8]) -> bool {
        payload.len() == self.stored as usize && self.check_of(payload) == self.check
    }

    /// The header's bytes.
    pub fn to_bytes(self) -> [u8; HEADER] {
        let mut bytes = [0; HEADER];
        bytes[..4].copy_from_slice(ENTRY);
        bytes[4] = match self.kind {
            Kind::Data => 1,
            Kind::List => 2,
        };
        bytes[5] = match self.encoding {
            Encoding::Raw => 0,
            Encoding::Zstd => 1,
            Encoding::Delta => 2,
        };
        bytes[8..12].copy_from_slice(&self.stored.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.size.to_le_bytes());
        bytes[24..CHECK].copy_from_slice(self.digest.as_bytes());
        bytes[CHECK..].copy_from_slice(&self.check);
        bytes
    }

    /// The header that these bytes are, within the bounds of the format.
    pub fn parse(bytes: &[u8; HEADER]) -> Result<Self, &'static str> {
        if &bytes[..4] != ENTRY {
            return Err("its header is not an entry's");
        }
        let kind = match bytes[4] {
            1 => Kind::Data,
            2 => Kind::List,
            _ => return Err("its kind is not known"),
        };
        let encoding = match bytes[5] {
            0 => Encoding::Raw,
            1 => Encoding::Zstd,
            2 => Encoding::Delta,
            _ => return Err("its encoding is not known"),
        };
        if bytes[6..8] != [0; 2] || bytes[12..16] != [0; 4] {
            return Err("its header has bits that mean nothing");
        }
        let mut digest = [0; 32];
        digest.copy_from_slice(&bytes[24..CHECK]);
        let mut check = [0; 16];
        check.copy_from_slice(&bytes[CHECK..]);
        let entry = Self {
            kind,
            encoding,
            stored: u32::from_le_bytes(array(&bytes[8..12])),
            size: u64::from_le_bytes(array(&bytes[16..24])),
            digest: Digest::from_bytes(digest),
            check,
        };
        entry.check_bounds()?;
        Ok(entry)
    }

    fn check_bounds(&self) -> Result<(), &'static str> {
        let stored = u64::from(self.stored);
        let within = match (self.kind, self.encoding) {
            (Kind::Data, Encoding::Raw) => self.size <= MAX_DATA && stored == self.size,
            (Kind::Data, Encoding::Zstd) => self.size <= MAX_DATA && stored < self.size,
            (Kind::Data, Encoding::Delta) => {
                self.size <= MAX_DATA && stored > 32 && stored < self.size
            }
            (Kind::List, Encoding::Raw) => {
                self.stored <= MAX_LIST && stored > 0 && stored.is_multiple_of(LIST_ITEM as u64)
            }
            (Kind::List, _) => false,
        };
        within
            .then_some(())
            .ok_or("its lengths are out of the format's bounds")
    }
}

/// The first `N` bytes.
pub(crate) fn array<const N: usize>(bytes: &[u8]) -> [u8; N] {
    let mut array = [0; N];
    array.copy_from_slice(&bytes[..N]);
    array
}

/// The payload of a list.
pub(crate) fn list_bytes(chunks: &[(u32, Digest)]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(chunks.len() * LIST_ITEM);
    for (size, digest) in chunks {
        bytes.extend_from_slice(&size.to_le_bytes());
        bytes.extend_from_slice(digest.as_bytes());
    }
    bytes
}

/// The chunks of a blob of this size, from the payload of its list.
pub(crate) fn parse_list(payload: &[u8], size: u64) -> Result<Vec<(u32, Digest)>, &'static str> {
    let mut total = 0u64;
    let mut chunks = Vec::with_capacity(payload.len() / LIST_ITEM);
    for item in payload.chunks_exact(LIST_ITEM) {
        let length = u32::from_le_bytes(array(item));
        if length == 0 || u64::from(length) > MAX_DATA {
            return Err("a chunk of it has a length out of the format's bounds");
        }
        total += u64::from(length);
        chunks.push((length, Digest::from_bytes(array(&item[4..]))));
    }
    if total != size {
        return Err("its chunks do not add up to its size");
    }
    Ok(chunks)
}
