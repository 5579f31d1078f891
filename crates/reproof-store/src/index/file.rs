//! The derived file `index`: all entries of many packs, sorted by digest.
//!
//! Magic, the packs' names, records of 48 bytes, a table of pages, a trailer. A page holds the
//! records whose digests begin alike: the table says with which record each page begins, so that
//! one short read finds a digest.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

use reproof_record::Digest;

use crate::fs::{Io, IoError, ReadFile, WriteFile};
use crate::pack::array;

/// The file's name.
pub(super) const NAME: &str = "index";
const MAGIC: &[u8; 8] = b"RPINDEX2";
/// Packs, pages, records, the sum.
const TRAILER: usize = 48;
const RECORD: usize = 48;
/// How many records a page has on average.
const PER_PAGE: u64 = 64;
/// How many bytes are read or written at a time.
const BUFFER: usize = 1 << 20;

/// The pack's number, where the entry begins, the length of its payload.
type Found = (u32, u64, u32);

/// The file, open for reading.
#[derive(Debug)]
pub(super) struct Merged {
    file: Box<dyn ReadFile>,
    length: u64,
    packs: usize,
    records: u64,
    /// With which record each page begins, and their number at the end.
    starts: Vec<u64>,
    /// Where the records begin.
    begin: u64,
    sum: [u8; 32],
    /// Whether the sum was found right.
    checked: bool,
}

fn page_of(digest: &Digest, pages: u64) -> u64 {
    (u64::from(u32::from_be_bytes(array(digest.as_bytes()))) * pages) >> 32
}

impl Merged {
    /// Opens the file, and gives the names of the packs that it lists; none if it cannot be used.
    pub fn open(io: &dyn Io, path: &Path) -> Option<(Self, Vec<Digest>)> {
        let file = io.open_read(path).ok()?;
        let length = file.facts().ok()?.size;
        let rest = length.checked_sub((MAGIC.len() + TRAILER) as u64)?;
        let mut magic = [0; MAGIC.len()];
        file.read_exact_at(&mut magic, 0).ok()?;
        let mut trailer = [0; TRAILER];
        file.read_exact_at(&mut trailer, length - TRAILER as u64)
            .ok()?;
        let packs = u64::from(u32::from_le_bytes(array(&trailer)));
        let pages = u64::from(u32::from_le_bytes(array(&trailer[4..])));
        let records = u64::from_le_bytes(array(&trailer[8..]));
        let table = (pages + 1) * 8;
        let expected = (packs * 32).checked_add(records.checked_mul(RECORD as u64)?)?;
        if &magic != MAGIC || expected.checked_add(table)? != rest || pages == 0 {
            return None;
        }
        let mut names = vec![0; (packs * 32) as usize];
        file.read_exact_at(&mut names, MAGIC.len() as u64).ok()?;
        let mut starts = vec![0; table as usize];
        file.read_exact_at(&mut starts, length - TRAILER as u64 - table)
            .ok()?;
        let starts: Vec<u64> = starts
            .chunks_exact(8)
            .map(|start| u64::from_le_bytes(array(start)))
            .collect();
        let ordered = starts.is_sorted() && starts.last() == Some(&records);
        let ids = names.chunks_exact(32);
        let ids: Vec<_> = ids.map(|id| Digest::from_bytes(array(id))).collect();
        ordered.then_some((
            Self {
                file,
                length,
                packs: ids.len(),
                records,
                starts,
                begin: MAGIC.len() as u64 + packs * 32,
                sum: array(&trailer[16..]),
                checked: false,
            },
            ids,
        ))
    }

    /// How many packs it lists.
    pub fn packs(&self) -> usize {
        self.packs
    }

    /// Finds all records of a digest. Says whether the file could be read.
    pub fn find(&self, digest: &Digest, found: &mut Vec<Found>) -> bool {
        let page = page_of(digest, self.starts.len() as u64 - 1) as usize;
        let (from, to) = (self.starts[page], self.starts[page + 1]);
        let mut records = vec![0; (to - from) as usize * RECORD];
        let at = self.begin + from * RECORD as u64;
        if self.file.read_exact_at(&mut records, at).is_err() {
            return false;
        }
        for record in records.chunks_exact(RECORD) {
            if &record[..32] == digest.as_bytes() {
                found.push(parse(record));
            }
        }
        true
    }

    /// Whether the sum over all of it is right.
    pub fn is_right(&mut self) -> bool {
        if self.checked {
            return true;
        }
        let mut hasher = blake3::Hasher::new();
        let covered = self.length - 32;
        let mut buffer = vec![0; BUFFER];
        let mut at = 0;
        while at < covered {
            let count = (covered - at).min(BUFFER as u64) as usize;
            if self.file.read_exact_at(&mut buffer[..count], at).is_err() {
                return false;
            }
            hasher.update(&buffer[..count]);
            at += count as u64;
        }
        self.checked = hasher.finalize() == blake3::Hash::from_bytes(self.sum);
        self.checked
    }

    /// Gives all records in their order. Says whether the file could be read.
    pub fn each(&self, mut take: impl FnMut(Digest, Found) -> bool) -> bool {
        let mut buffer = vec![0; BUFFER / RECORD * RECORD];
        let (mut at, end) = (self.begin, self.begin + self.records * RECORD as u64);
        while at < end {
            let count = (end - at).min(buffer.len() as u64) as usize;
            if self.file.read_exact_at(&mut buffer[..count], at).is_err() {
                return false;
            }
            for record in buffer[..count].chunks_exact(RECORD) {
                if !take(Digest::from_bytes(array(record)), parse(record)) {
                    return false;
                }
            }
            at += count as u64;
        }
        true
    }
}

fn parse(record: &[u8]) -> Found {
    (
        u32::from_le_bytes(array(&record[32..])),
        u64::from_le_bytes(array(&record[40..])),
        u32::from_le_bytes(array(&record[36..])),
    )
}

/// Writes all records that fit, hashing them.
struct Writer {
    file: Box<dyn WriteFile>,
    buffer: Vec<u8>,
    hasher: blake3::Hasher,
    pages: u64,
    starts: Vec<u64>,
    records: u64,
    failed: bool,
}

impl Writer {
    fn put(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= BUFFER {
            self.flush();
        }
    }

    fn flush(&mut self) {
        self.hasher.update(&self.buffer);
        self.failed |= self.file.write_all(&self.buffer).is_err();
        self.buffer.clear();
    }

    fn record(&mut self, digest: &Digest, (pack, offset, stored): Found) {
        let page = page_of(digest, self.pages);
        while self.starts.len() as u64 <= page {
            self.starts.push(self.records);
        }
        let mut record = [0; RECORD];
        record[..32].copy_from_slice(digest.as_bytes());
        record[32..36].copy_from_slice(&pack.to_le_bytes());
        record[36..40].copy_from_slice(&stored.to_le_bytes());
        record[40..].copy_from_slice(&offset.to_le_bytes());
        self.put(&record);
        self.records += 1;
    }

    fn finish(mut self, packs: u32) -> Option<Box<dyn WriteFile>> {
        while self.starts.len() as u64 <= self.pages {
            self.starts.push(self.records);
        }
        for start in std::mem::take(&mut self.starts) {
            self.put(&start.to_le_bytes());
        }
        self.put(&packs.to_le_bytes());
        self.put(&(self.pages as u32).to_le_bytes());
        self.put(&self.records.to_le_bytes());
        self.flush();
        let sum = self.hasher.finalize();
        self.failed |= self.file.write_all(sum.as_bytes()).is_err();
        (!self.failed).then_some(self.file)
    }
}

/// Writes the file of these packs, from the file that is there and what it does not list. Says
/// whether that went well.
pub(super) fn write(
    io: &dyn Io,
    (path, temporary): (&Path, &Path),
    packs: &[Digest],
    numbers: &BTreeMap<u32, u32>,
    merged: Option<&mut Merged>,
    fresh: &BTreeMap<(Digest, u32), (u64, u32)>,
) -> bool {
    let merged = match merged {
        Some(merged) => {
            if !merged.is_right() {
                // What is wrong must not be copied on.
                return false;
            }
            Some(merged)
        }
        None => None,
    };
    let records = merged.as_ref().map_or(0, |merged| merged.records) + fresh.len() as u64;
    let Ok(file) = io.create_new(temporary) else {
        return false;
    };
    let mut writer = Writer {
        file,
        buffer: Vec::with_capacity(BUFFER + RECORD),
        hasher: blake3::Hasher::new(),
        pages: (records / PER_PAGE).clamp(1, u64::from(u32::MAX)),
        starts: Vec::new(),
        records: 0,
        failed: false,
    };
    writer.put(MAGIC);
    for pack in packs {
        writer.put(pack.as_bytes());
    }
    let mut fresh = fresh.iter().peekable();
    let put = |writer: &mut Writer, digest: &Digest, pack: u32, offset, stored| {
        if let Some(number) = numbers.get(&pack) {
            writer.record(digest, (*number, offset, stored));
        }
    };
    let read = merged.is_none_or(|merged| {
        merged.each(|digest, (pack, offset, stored)| {
            while let Some(((other, number), place)) =
                fresh.next_if(|((other, _), _)| *other <= digest)
            {
                put(&mut writer, other, *number, place.0, place.1);
            }
            put(&mut writer, &digest, pack, offset, stored);
            !writer.failed
        })
    });
    for ((digest, number), place) in fresh {
        put(&mut writer, digest, *number, place.0, place.1);
    }
    let finish = |file: Option<Box<dyn WriteFile>>| -> Option<Result<(), IoError>> {
        let mut file = file?;
        Some(file.sync().and_then(|()| io.rename(temporary, path)))
    };
    read && matches!(finish(writer.finish(packs.len() as u32)), Some(Ok(())))
}
