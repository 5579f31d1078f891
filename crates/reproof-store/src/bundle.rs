//! Bundles: one file with everything that a record needs. The format is described in
//! `docs/formats/bundle.md`.
//!
//! A bundle of one record has the same bytes whoever makes it: its entries are sorted by their
//! digests, each once, and encoded anew. The reader takes nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use reproof_record::{Digest, from_canonical, to_canonical};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::encode::Encoder;
use crate::fs::{Io, IoError, parent, unique};
use crate::pack::{
    ELSEWHERE as PACK_BEGIN, Encoding, Entry, HEADER, Kind, array, list_bytes, pack_trailer,
};
use crate::read::{Content, Pass, open_entry};
use crate::remote::Watch;
use crate::{ErrorClass, Store, StoreError};

/// The first bytes of a bundle.
const MAGIC: &[u8; 8] = b"RPBNDL1\0";
/// The longest header: 100,000 versions and more.
const MAX_HEADER: usize = 8 << 20;
/// The most entries, which bounds a reader's memory.
const MAX_ENTRIES: u64 = 1 << 24;
/// The most bytes that all lists of chunks together may have.
const MAX_LISTS: u64 = 1 << 30;

/// What a bundle says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BundleHeader {
    /// How many entries it has: blobs, and chunks of large ones.
    pub entries: u64,
    /// [`BundleHeader::FORMAT`] if it holds no versions, else [`BundleHeader::WITH_VERSIONS`].
    pub format: String,
    /// The record, whose document is one of the entries.
    pub record: Digest,
    /// The versions of named data that it holds the documents of, sorted, each once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub versions: Vec<Digest>,
}

impl BundleHeader {
    /// The format's name and version.
    pub const FORMAT: &str = "reproof.bundle/1";
    /// That of one that holds versions of named data, which earlier readers do not know.
    pub const WITH_VERSIONS: &str = "reproof.bundle/2";

    /// The header of a bundle of this record.
    fn new(entries: u64, record: &Digest, versions: &BTreeSet<Digest>) -> Self {
        let format = match versions.len() {
            0 => Self::FORMAT,
            _ => Self::WITH_VERSIONS,
        };
        Self {
            entries,
            format: format.to_owned(),
            record: *record,
            versions: versions.iter().copied().collect(),
        }
    }
}

/// Why a bundle cannot be read or written.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum BundleError {
    /// It is not what a bundle must be. Nothing of it was stored.
    #[error("the bundle {} is damaged: {what}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// It is no bundle at all.
    #[error("{} is not a bundle", path.display())]
    NoBundle {
        /// The file.
        path: PathBuf,
    },
    /// Made by a later version.
    #[error("the bundle {} has the format '{found}'; this version reads '{expected}'", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// The format that it names.
        found: String,
        /// The format that is wanted.
        expected: &'static str,
    },
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Stopping was asked for.
    #[error("interrupted")]
    Interrupted,
}

impl BundleError {
    /// The kind of trouble; none for an interruption.
    pub fn class(&self) -> Option<ErrorClass> {
        match self {
            Self::Damaged { .. } => Some(ErrorClass::Integrity),
            Self::NoBundle { .. } | Self::Format { .. } => Some(ErrorClass::Version),
            Self::Store(error) => Some(error.class()),
            Self::Interrupted => None,
        }
    }
}

impl From<IoError> for BundleError {
    fn from(error: IoError) -> Self {
        Self::Store(error.into())
    }
}

/// A bundle whose every bit was found right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bundle {
    /// What it says of itself.
    pub header: BundleHeader,
    /// Its length in bytes.
    pub bytes: u64,
    /// The digests of its entries.
    pub entries: BTreeSet<Digest>,
    /// The document of the record.
    pub record: Vec<u8>,
}

/// Where the bytes of an entry come from.
enum Part {
    Data,
    List(u64, Vec<(u32, Digest)>),
}

impl Store {
    /// The entries that these blobs are made of: the blobs, and the chunks of large ones.
    pub fn entries_of(&self, blobs: &BTreeSet<Digest>) -> Result<BTreeSet<Digest>, StoreError> {
        Ok(self.parts_of(blobs)?.into_keys().collect())
    }

    fn parts_of(&self, blobs: &BTreeSet<Digest>) -> Result<BTreeMap<Digest, Part>, StoreError> {
        let mut pass = Pass::new(self);
        let mut parts = BTreeMap::new();
        for blob in blobs {
            if pass.entry(blob)?.kind == Kind::Data {
                parts.insert(*blob, Part::Data);
            } else if let Content::Chunks(size, chunks) = pass.content(blob)? {
                for (_, chunk) in &chunks {
                    parts.entry(*chunk).or_insert(Part::Data);
                }
                parts.insert(*blob, Part::List(size, chunks));
            }
        }
        Ok(parts)
    }

    /// Writes a bundle of these blobs, one of which is the record, and some the documents of
    /// `versions`. The file has its name once it is
    /// complete and durable. Gives its length.
    ///
    /// # Errors
    /// If a blob is missing or damaged, or the file cannot be written.
    pub fn write_bundle(
        &self,
        path: &Path,
        record: &Digest,
        versions: &BTreeSet<Digest>,
        blobs: &BTreeSet<Digest>,
        watch: &dyn Watch,
    ) -> Result<u64, BundleError> {
        let parts = self.parts_of(blobs)?;
        let temporary = parent(path).join(format!(".bundle.{}", unique()));
        let io = self.io.as_ref();
        let written = self
            .write_parts(&temporary, record, versions, &parts, watch)
            .and_then(|length| {
                io.rename(&temporary, path)?;
                io.sync_dir(parent(path))?;
                Ok(length)
            });
        written.inspect_err(|_| {
            // The error before is the one to report.
            let _ = io.remove_file(&temporary);
        })
    }

    fn write_parts(
        &self,
        path: &Path,
        record: &Digest,
        versions: &BTreeSet<Digest>,
        parts: &BTreeMap<Digest, Part>,
        watch: &dyn Watch,
    ) -> Result<u64, BundleError> {
        let failed = |source| IoError::new("write", path, source);
        let mut file = BufWriter::with_capacity(1 << 18, self.io.create_new(path)?);
        let header = BundleHeader::new(parts.len() as u64, record, versions);
        let begin = beginning(&header)?;
        file.write_all(&begin).map_err(failed)?;
        file.write_all(PACK_BEGIN).map_err(failed)?;
        let mut length = (begin.len() + PACK_BEGIN.len()) as u64;
        let mut headers = Vec::with_capacity(parts.len() * HEADER);
        let mut pass = Pass::new(self);
        let mut encoder = Encoder::new();
        for (done, (digest, part)) in parts.iter().enumerate() {
            if watch.is_cancelled() {
                return Err(BundleError::Interrupted);
            }
            let (entry, payload) = match part {
                Part::Data => {
                    let encoded = encoder.encode(*digest, pass.data(digest)?, None);
                    (encoded.entry, encoded.payload)
                }
                Part::List(size, chunks) => {
                    let payload = list_bytes(chunks);
                    let entry = Entry::new(Kind::List, Encoding::Raw, *size, *digest, &payload);
                    (entry, payload)
                }
            };
            headers.extend_from_slice(&entry.to_bytes());
            file.write_all(&entry.to_bytes()).map_err(failed)?;
            file.write_all(&payload).map_err(failed)?;
            length += (HEADER + payload.len()) as u64;
            watch.moved(done as u64 + 1, parts.len() as u64);
        }
        let (trailer, _) = pack_trailer(PACK_BEGIN, &headers, parts.len() as u64);
        file.write_all(&headers).map_err(failed)?;
        file.write_all(&trailer).map_err(failed)?;
        let mut file = file
            .into_inner()
            .map_err(|error| failed(error.into_error()))?;
        file.sync()?;
        Ok(length + (headers.len() + trailer.len()) as u64)
    }
}

/// What comes before the pack: magic, length, header, sum.
fn beginning(header: &BundleHeader) -> Result<Vec<u8>, StoreError> {
    let text = to_canonical(header)?;
    let mut bytes = MAGIC.to_vec();
    bytes.extend_from_slice(&(text.len() as u32).to_le_bytes());
    bytes.extend_from_slice(&text);
    let sum = Digest::of(&bytes);
    bytes.extend_from_slice(sum.as_bytes());
    Ok(bytes)
}

/// Reads a bundle from its first byte to its last, and verifies every bit of it. What it holds goes
/// to the store `into`, if one is given; that must be one that is thrown away if this fails.
///
/// # Errors
/// Whatever is not as it must be: an entry out of its order or there twice, wrong bytes, bytes
/// behind the end.
pub fn read_bundle(
    io: &dyn Io,
    path: &Path,
    into: Option<&Store>,
    watch: &dyn Watch,
) -> Result<Bundle, BundleError> {
    let file = io.open_read(path)?;
    let length = file.facts()?.size;
    let mut reader = Reader {
        file: io::BufReader::with_capacity(1 << 18, file),
        path,
        read: 0,
    };
    let header = reader.header()?;
    let mut magic = [0; PACK_BEGIN.len()];
    reader.fill(&mut magic)?;
    if &magic != PACK_BEGIN {
        return Err(reader.damaged("its entries do not begin where they should"));
    }
    let mut bundle = Bundle {
        record: Vec::new(),
        entries: BTreeSet::new(),
        bytes: length,
        header,
    };
    let (headers, lists) = reader.entries(&mut bundle, length, into, watch)?;
    reader.end(&headers, bundle.header.entries)?;
    if let Some(store) = into {
        put_lists(store, lists, &reader, watch)?;
    }
    Ok(bundle)
}

type Lists = Vec<(Digest, u64, Vec<(u32, Digest)>)>;

struct Reader<'a> {
    file: io::BufReader<Box<dyn crate::fs::ReadFile>>,
    path: &'a Path,
    read: u64,
}

impl Reader<'_> {
    fn damaged(&self, what: impl Into<String>) -> BundleError {
        BundleError::Damaged {
            path: self.path.to_owned(),
            what: what.into(),
        }
    }

    fn failed(&self, error: io::Error) -> BundleError {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => self.damaged("it is cut short"),
            _ => IoError::new("read", self.path, error).into(),
        }
    }

    fn fill(&mut self, buffer: &mut [u8]) -> Result<(), BundleError> {
        let done = self.file.read_exact(buffer);
        done.map_err(|error| self.failed(error))?;
        self.read += buffer.len() as u64;
        Ok(())
    }

    fn header(&mut self) -> Result<BundleHeader, BundleError> {
        let mut begin = [0; 12];
        let no_bundle = || BundleError::NoBundle {
            path: self.path.to_owned(),
        };
        match self.file.read_exact(&mut begin) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Err(no_bundle()),
            done => done.map_err(|error| self.failed(error))?,
        }
        if &begin[..8] != MAGIC {
            return Err(no_bundle());
        }
        self.read += 12;
        let length = u32::from_le_bytes(array(&begin[8..])) as usize;
        if length > MAX_HEADER {
            return Err(self.damaged("its header is too long"));
        }
        let mut rest = vec![0; length + 32];
        self.fill(&mut rest)?;
        let (text, sum) = rest.split_at(length);
        let mut hasher = blake3::Hasher::new();
        hasher.update(&begin).update(text);
        if hasher.finalize().as_bytes() != sum {
            return Err(self.damaged("the check sum of its header is wrong"));
        }
        self.parse_header(text)
    }

    fn parse_header(&self, text: &[u8]) -> Result<BundleHeader, BundleError> {
        #[derive(Deserialize)]
        struct Format {
            format: String,
        }
        let format = serde_json::from_slice::<Format>(text);
        let found = format
            .map_err(|error| self.damaged(error.to_string()))?
            .format;
        if ![BundleHeader::FORMAT, BundleHeader::WITH_VERSIONS].contains(&found.as_str()) {
            return Err(BundleError::Format {
                path: self.path.to_owned(),
                found,
                expected: BundleHeader::WITH_VERSIONS,
            });
        }
        let header: BundleHeader =
            from_canonical(text).map_err(|error| self.damaged(error.to_string()))?;
        let versions: BTreeSet<Digest> = header.versions.iter().copied().collect();
        if header != BundleHeader::new(header.entries, &header.record, &versions) {
            return Err(self.damaged("its versions are not sorted, each once"));
        }
        if header.entries > MAX_ENTRIES {
            return Err(self.damaged("it claims too many entries"));
        }
        Ok(header)
    }

    /// Reads all entries, verifies them and stores those that are data.
    fn entries(
        &mut self,
        bundle: &mut Bundle,
        length: u64,
        into: Option<&Store>,
        watch: &dyn Watch,
    ) -> Result<(Vec<u8>, Lists), BundleError> {
        let mut batch = into.map(Store::batch);
        let mut headers = Vec::new();
        let mut lists = Lists::new();
        let mut listed = 0;
        for _ in 0..bundle.header.entries {
            if watch.is_cancelled() {
                return Err(BundleError::Interrupted);
            }
            let (entry, content) = self.entry(length)?;
            if bundle
                .entries
                .last()
                .is_some_and(|last| *last >= entry.digest)
            {
                return Err(self.damaged("its entries are not sorted, each once"));
            }
            bundle.entries.insert(entry.digest);
            headers.extend_from_slice(&entry.to_bytes());
            match content {
                Content::Bytes(bytes) => {
                    if entry.digest == bundle.header.record {
                        bundle.record.clone_from(&bytes);
                    }
                    if let Some(batch) = &mut batch {
                        batch.put_known(entry.digest, bytes)?;
                    }
                }
                Content::Chunks(size, chunks) => {
                    listed += u64::from(entry.stored);
                    if listed > MAX_LISTS {
                        return Err(self.damaged("its lists of chunks are too long"));
                    }
                    lists.push((entry.digest, size, chunks));
                }
            }
            watch.moved(self.read, length);
        }
        let chunks = lists.iter().flat_map(|(_, _, chunks)| chunks);
        if !chunks
            .clone()
            .all(|(_, chunk)| bundle.entries.contains(chunk))
        {
            return Err(self.damaged("it lacks a chunk of a blob"));
        }
        if let Some(batch) = batch {
            batch.commit()?;
        }
        Ok((headers, lists))
    }

    fn entry(&mut self, length: u64) -> Result<(Entry, Content), BundleError> {
        let mut stored = vec![0; HEADER];
        self.fill(&mut stored)?;
        let entry = Entry::parse(&array(&stored)).map_err(|what| self.damaged(what))?;
        // Before room is made for it.
        if u64::from(entry.stored) > length.saturating_sub(self.read) {
            return Err(self.damaged("it is cut short"));
        }
        stored.resize(HEADER + entry.stored as usize, 0);
        self.fill(&mut stored[HEADER..])?;
        let content = open_entry(&entry, &stored);
        let content =
            content.map_err(|what| self.damaged(format!("blob {}: {what}", entry.digest)));
        Ok((entry, content?))
    }

    /// What follows the last entry, up to the end of the file.
    fn end(&mut self, headers: &[u8], count: u64) -> Result<(), BundleError> {
        let (trailer, _) = pack_trailer(PACK_BEGIN, headers, count);
        let mut end = vec![0; headers.len() + trailer.len()];
        self.fill(&mut end)?;
        if &end[..headers.len()] != headers || end[headers.len()..] != trailer {
            return Err(self.damaged("its index is not that of its entries"));
        }
        let mut more = [0; 1];
        match self.file.read(&mut more) {
            Ok(0) => Ok(()),
            Ok(_) => Err(self.damaged("there are bytes behind its end")),
            Err(error) => Err(self.failed(error)),
        }
    }
}

/// Stores the lists of chunks, each after the whole blob was hashed.
fn put_lists(
    store: &Store,
    lists: Lists,
    reader: &Reader<'_>,
    watch: &dyn Watch,
) -> Result<(), BundleError> {
    let mut pass = Pass::new(store);
    let mut batch = store.batch();
    for (digest, size, chunks) in lists {
        if watch.is_cancelled() {
            return Err(BundleError::Interrupted);
        }
        if !pass.is_whole(&digest, &chunks)? {
            let what = format!("blob {digest}: its chunks make another blob");
            return Err(reader.damaged(what));
        }
        batch.put_list(digest, size, chunks)?;
    }
    Ok(batch.commit()?)
}
