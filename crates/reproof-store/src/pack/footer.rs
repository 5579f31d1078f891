//! The index at the end of a pack, and what can be learnt of a pack that lost it.

use std::io;

use reproof_record::Digest;

use super::{BEGIN, ELSEWHERE, END, Entry, HEADER, MAGIC, array};
use crate::fs::ReadFile;

/// The bytes after the headers: their count, the sum, the end.
const TRAILER: usize = 48;
/// The most bytes of headers that a pack may have, which bounds a reader's memory.
const MAX_HEADERS: u64 = 512 << 20;

/// The entries of a pack, each with the place of its header.
pub(crate) type PackIndex = Vec<(Entry, u64)>;

/// The end of a pack with these headers: what follows them, and the sum.
pub(crate) fn trailer(begin: &[u8; BEGIN], headers: &[u8], count: u64) -> ([u8; TRAILER], Digest) {
    let sum = sum(begin, headers, count);
    let mut bytes = [0; TRAILER];
    bytes[..8].copy_from_slice(&count.to_le_bytes());
    bytes[8..40].copy_from_slice(sum.as_bytes());
    bytes[40..].copy_from_slice(END);
    (bytes, sum)
}

fn sum(begin: &[u8; BEGIN], headers: &[u8], count: u64) -> Digest {
    let mut hasher = blake3::Hasher::new();
    hasher.update(begin);
    hasher.update(headers);
    hasher.update(&count.to_le_bytes());
    hasher.finalize().into()
}

/// Why a pack's index cannot be used.
#[derive(Debug)]
pub(crate) enum IndexFault {
    /// It is damaged.
    Damaged(&'static str),
    /// It cannot be read.
    Io(io::Error),
}

impl From<io::Error> for IndexFault {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => Self::Damaged("it is cut short"),
            _ => Self::Io(error),
        }
    }
}

/// Reads the index of the pack of this name: the headers, where the entries lie, and that they
/// fill the file. Payloads are not looked at.
pub(crate) fn read_index(
    file: &dyn ReadFile,
    length: u64,
    name: &Digest,
) -> Result<PackIndex, IndexFault> {
    let fault = |what| Err(IndexFault::Damaged(what));
    let smallest = (BEGIN + TRAILER) as u64;
    if length < smallest {
        return fault("it is cut short");
    }
    let mut trailer = [0; TRAILER];
    file.read_exact_at(&mut trailer, length - TRAILER as u64)?;
    if &trailer[40..] != END {
        return fault("its end is not a pack's");
    }
    let count = u64::from_le_bytes(array(&trailer));
    let headers = count.saturating_mul(HEADER as u64);
    if headers > (length - smallest).min(MAX_HEADERS) {
        return fault("it has more entries than bytes");
    }
    let begin = length - TRAILER as u64 - headers;
    let mut bytes = vec![0; headers as usize];
    file.read_exact_at(&mut bytes, begin)?;
    let mut first = [0; BEGIN];
    file.read_exact_at(&mut first, 0)?;
    if &first[..MAGIC.len()] != MAGIC {
        return fault("its beginning is not a pack's");
    }
    let sum = sum(&first, &bytes, count);
    if sum.as_bytes() != &trailer[8..40] {
        return fault("the check sum of its index is wrong");
    }
    if sum != *name {
        return fault("it is another pack than its name says");
    }
    let (index, end) = entries_of(&bytes).map_err(IndexFault::Damaged)?;
    if end != begin {
        return fault("its entries do not fill it");
    }
    Ok(index)
}

/// The entries that these headers are of, and where the last one ends.
fn entries_of(headers: &[u8]) -> Result<(PackIndex, u64), &'static str> {
    let mut index = Vec::with_capacity(headers.len() / HEADER);
    let mut offset = BEGIN as u64;
    for header in headers.chunks_exact(HEADER) {
        let entry = Entry::parse(&array(header))?;
        index.push((entry, offset));
        offset += HEADER as u64 + u64::from(entry.stored);
    }
    Ok((index, offset))
}

/// The entries of the pack of this name outside of stores, by the bytes that follow its last entry.
pub(crate) fn parse_index(bytes: &[u8], name: &Digest) -> Result<PackIndex, &'static str> {
    let headers = bytes.len().checked_sub(TRAILER);
    let headers = headers.filter(|headers| headers.is_multiple_of(HEADER));
    let (headers, end) = bytes.split_at(headers.ok_or("it is cut short")?);
    let (expected, sum) = trailer(ELSEWHERE, headers, (headers.len() / HEADER) as u64);
    if end != expected {
        return Err("its check sum is wrong");
    }
    if sum != *name {
        return Err("it is another pack's than its name says");
    }
    Ok(entries_of(headers)?.0)
}

/// The entries at the beginning of a pack whose index is damaged, as far as their headers go.
/// Payloads are not looked at.
pub(crate) fn salvage(file: &dyn ReadFile, length: u64) -> PackIndex {
    let mut index = Vec::new();
    let mut offset = BEGIN as u64;
    let mut header = [0; HEADER];
    while offset + HEADER as u64 <= length && file.read_exact_at(&mut header, offset).is_ok() {
        let Ok(entry) = Entry::parse(&header) else {
            break;
        };
        let next = offset + HEADER as u64 + u64::from(entry.stored);
        if next > length {
            break;
        }
        // The headers of the index follow the last entry and look like entries: their payloads
        // would be the next headers, which no check fits.
        index.push((entry, offset));
        offset = next;
    }
    index
}
