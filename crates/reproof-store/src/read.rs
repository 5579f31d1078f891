//! Reading: every byte is verified before it is given.

use std::collections::{BTreeMap, VecDeque};
use std::io::{self, Read};
use std::path::PathBuf;

use reproof_record::Digest;

use crate::Store;
use crate::encode::{Decoder, Encoder, decompress_delta};
use crate::error::StoreError;
use crate::facts::BlobFacts;
use crate::fs::{Facts, IoError, ReadFile};
use crate::index::Place;
use crate::pack::{Encoding, Entry, HEADER, Kind, array, parse_list};

/// How many packs one reader keeps open.
const OPEN_PACKS: usize = 16;

/// The bytes of an entry as it is stored, with the check right.
pub(crate) struct StoredEntry {
    pub entry: Entry,
    pub payload: Vec<u8>,
}

/// What is wrong with one copy of an entry.
enum Fault {
    /// Its bytes are wrong.
    Damaged(String),
    /// Something else failed; nothing is said of the bytes.
    Other(StoreError),
}

impl From<&'static str> for Fault {
    fn from(what: &'static str) -> Self {
        Self::Damaged(what.to_owned())
    }
}

/// A blob: its bytes, or the chunks that it is made of.
pub(crate) enum Content {
    Bytes(Vec<u8>),
    Chunks(u64, Vec<(u32, Digest)>),
}

/// Reads of one caller: packs stay open, and their facts are taken before anything is read.
#[derive(Debug)]
pub(crate) struct Pass {
    store: Store,
    files: VecDeque<(Digest, Box<dyn ReadFile>)>,
    facts: BTreeMap<Digest, Facts>,
    /// Whether copies are left out that `gc` has condemned.
    lasting: bool,
    decoder: Decoder,
}

impl Pass {
    pub fn new(store: &Store) -> Self {
        Self {
            store: store.clone(),
            files: VecDeque::new(),
            facts: BTreeMap::new(),
            lasting: false,
            decoder: Decoder::default(),
        }
    }

    /// Reads only what something new may refer to.
    pub fn of_what_lasts(store: &Store) -> Self {
        Self {
            lasting: true,
            ..Self::new(store)
        }
    }

    /// The facts of the packs that were read so far, as they were before.
    pub fn facts(&self) -> BlobFacts {
        BlobFacts::new(&self.facts)
    }

    /// The blob of this digest, or its chunks.
    pub fn content(&mut self, digest: &Digest) -> Result<Content, StoreError> {
        self.any_copy(digest, &mut |pass, place| pass.content_at(digest, place))
    }

    /// The bytes of a blob or chunk that is one entry.
    pub fn data(&mut self, digest: &Digest) -> Result<Vec<u8>, StoreError> {
        self.any_copy(
            digest,
            &mut |pass, place| match pass.content_at(digest, place)? {
                Content::Bytes(bytes) => Ok(bytes),
                Content::Chunks(..) => Err("it is a list of chunks, not a chunk".into()),
            },
        )
    }

    /// This very copy of an entry, or what is wrong with it.
    pub fn copy_at(
        &mut self,
        digest: &Digest,
        place: &Place,
    ) -> Result<Result<Content, String>, StoreError> {
        match self.content_at(digest, place) {
            Ok(content) => Ok(Ok(content)),
            Err(Fault::Damaged(what)) => Ok(Err(what)),
            Err(Fault::Other(error)) => Err(error),
        }
    }

    /// The payload of this very copy of an entry, with its check right; none if it is damaged.
    pub fn payload(&mut self, place: &Place) -> Result<Option<Vec<u8>>, StoreError> {
        match self.stored_at(None, place) {
            Ok(stored) => Ok(Some(stored.payload)),
            Err(Fault::Damaged(_)) => Ok(None),
            Err(Fault::Other(error)) => Err(error),
        }
    }

    /// The first right copy of an entry. Before it is called missing or damaged, the packs are
    /// asked what the index did not know.
    fn any_copy<T>(
        &mut self,
        digest: &Digest,
        read: &mut dyn FnMut(&mut Self, &Place) -> Result<T, Fault>,
    ) -> Result<T, StoreError> {
        let mut tried: Vec<Place> = Vec::new();
        let mut damage: Option<(Place, String)> = None;
        for sure in [false, true] {
            let places = if self.lasting {
                self.store.lasting_places(digest, sure)?
            } else {
                self.store.places(digest, sure)?
            };
            for place in places {
                if tried.contains(&place) {
                    continue;
                }
                match read(self, &place) {
                    Ok(found) => return Ok(found),
                    Err(Fault::Other(StoreError::Io(error))) if error.is_not_found() => {}
                    Err(Fault::Other(error)) => return Err(error),
                    Err(Fault::Damaged(what)) => {
                        damage.get_or_insert((place, what));
                    }
                }
                tried.push(place);
            }
        }
        Err(match damage {
            Some((place, what)) => StoreError::Damaged {
                digest: *digest,
                path: self.store.pack_path(&place.pack),
                what,
            },
            None => self.store.missing(digest),
        })
    }

    fn open(&mut self, pack: &Digest) -> Result<&dyn ReadFile, IoError> {
        if let Some(at) = self.files.iter().position(|(id, _)| id == pack) {
            return Ok(self.files[at].1.as_ref());
        }
        let file = self.store.io.open_read(&self.store.pack_path(pack))?;
        let facts = file.facts()?;
        self.facts.entry(*pack).or_insert(facts);
        if self.files.len() >= OPEN_PACKS {
            self.files.pop_front();
        }
        self.files.push_back((*pack, file));
        Ok(self.files[self.files.len() - 1].1.as_ref())
    }

    /// Fills the buffer with the bytes of a pack.
    fn read_at(&mut self, pack: &Digest, buffer: &mut [u8], offset: u64) -> Result<(), Fault> {
        let path = self.store.pack_path(pack);
        let file = self
            .open(pack)
            .map_err(|error| Fault::Other(error.into()))?;
        file.read_exact_at(buffer, offset)
            .map_err(|source| match source.kind() {
                io::ErrorKind::UnexpectedEof => "the pack is cut short".into(),
                _ => Fault::Other(IoError::new("read", &path, source).into()),
            })
    }

    fn header_at(&mut self, digest: Option<&Digest>, place: &Place) -> Result<Entry, Fault> {
        let mut header = [0; HEADER];
        self.read_at(&place.pack, &mut header, place.offset)?;
        let entry = Entry::parse(&header)?;
        let is_other = digest.is_some_and(|digest| entry.digest != *digest);
        if is_other || entry.stored != place.stored {
            return Err("its header is another entry's".into());
        }
        Ok(entry)
    }

    fn stored_at(&mut self, digest: Option<&Digest>, place: &Place) -> Result<StoredEntry, Fault> {
        let entry = self.header_at(digest, place)?;
        let mut payload = vec![0; entry.stored as usize];
        self.read_at(&place.pack, &mut payload, place.offset + HEADER as u64)?;
        if !entry.fits(&payload) {
            return Err("its check sum is wrong".into());
        }
        Ok(StoredEntry { entry, payload })
    }

    fn content_at(&mut self, digest: &Digest, place: &Place) -> Result<Content, Fault> {
        let StoredEntry { entry, payload } = self.stored_at(Some(digest), place)?;
        match entry.kind {
            Kind::List => Ok(Content::Chunks(
                entry.size,
                parse_list(&payload, entry.size)?,
            )),
            Kind::Data => self.plain(digest, entry, payload).map(Content::Bytes),
        }
    }

    /// The bytes that a payload stands for, verified.
    fn plain(&mut self, digest: &Digest, entry: Entry, payload: Vec<u8>) -> Result<Vec<u8>, Fault> {
        let size = entry.size as usize;
        let bytes = match entry.encoding {
            Encoding::Raw => payload,
            Encoding::Zstd => self.decoder.decompress(&payload, size)?,
            Encoding::Delta => {
                let base = self.base(&base_of(&payload))?;
                decompress_delta(&payload[32..], size, &base)?
            }
        };
        if Digest::of(&bytes) != *digest {
            return Err("its bytes have another digest".into());
        }
        Ok(bytes)
    }

    /// The bytes of an entry that a delta is based on: one that is no delta itself.
    fn base(&mut self, digest: &Digest) -> Result<Vec<u8>, Fault> {
        let base = self.any_copy(digest, &mut |pass, place| {
            let StoredEntry { entry, payload } = pass.stored_at(Some(digest), place)?;
            if entry.kind != Kind::Data || entry.encoding == Encoding::Delta {
                return Err("what a delta is based on is not whole".into());
            }
            pass.plain(digest, entry, payload)
        });
        base.map_err(|error| match error {
            StoreError::Damaged { what, .. } => {
                Fault::Damaged(format!("it is a delta of {}: {what}", digest.short()))
            }
            StoreError::Missing { .. } => Fault::Damaged(format!(
                "it is a delta of {}, which is missing",
                digest.short()
            )),
            error => Fault::Other(error),
        })
    }

    /// The bytes that a new delta may be based on: those of this chunk, or of what it is a delta of.
    pub fn whole_base(&mut self, digest: &Digest) -> Result<(Digest, Vec<u8>), StoreError> {
        let digest = self.any_copy(digest, &mut |pass, place| {
            let StoredEntry { entry, payload } = pass.stored_at(Some(digest), place)?;
            match entry.encoding {
                Encoding::Delta => Ok(base_of(&payload)),
                _ => Ok(*digest),
            }
        })?;
        Ok((digest, self.data(&digest)?))
    }

    /// The header of an entry, whose payload is not looked at.
    pub fn entry(&mut self, digest: &Digest) -> Result<Entry, StoreError> {
        self.any_copy(digest, &mut |pass, place| {
            pass.header_at(Some(digest), place)
        })
    }

    /// An entry that needs no other one to be read, verified: as it is stored, or a delta encoded
    /// anew.
    pub fn whole(
        &mut self,
        digest: &Digest,
        encoder: &mut Encoder,
    ) -> Result<(Entry, Vec<u8>), StoreError> {
        self.any_copy(digest, &mut |pass, place| {
            let StoredEntry { entry, payload } = pass.stored_at(Some(digest), place)?;
            if entry.kind == Kind::List {
                parse_list(&payload, entry.size)?;
                return Ok((entry, payload));
            }
            let is_delta = entry.encoding == Encoding::Delta;
            let kept = if is_delta {
                Vec::new()
            } else {
                payload.clone()
            };
            let bytes = pass.plain(digest, entry, payload)?;
            if !is_delta {
                return Ok((entry, kept));
            }
            let encoded = encoder.encode(*digest, bytes, None);
            Ok((encoded.entry, encoded.payload))
        })
    }

    /// Whether these chunks, which are there, make the blob of this digest.
    pub fn is_whole(
        &mut self,
        digest: &Digest,
        chunks: &[(u32, Digest)],
    ) -> Result<bool, StoreError> {
        let mut hasher = blake3::Hasher::new();
        for (size, chunk) in chunks {
            let bytes = self.data(chunk)?;
            if bytes.len() != *size as usize {
                return Ok(false);
            }
            hasher.update(&bytes);
        }
        Ok(Digest::from(hasher.finalize()) == *digest)
    }

    /// Gives the bytes of a blob, piece by piece, each verified, and verifies the whole at the end.
    pub fn copy(
        &mut self,
        digest: &Digest,
        take: &mut dyn FnMut(&[u8]) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let chunks = match self.content(digest)? {
            Content::Bytes(bytes) => return take(&bytes),
            Content::Chunks(_, chunks) => chunks,
        };
        let mut whole = Whole::new(*digest, chunks);
        while let Some(bytes) = whole.next(self)? {
            take(&bytes)?;
        }
        Ok(())
    }
}

/// What an entry holds, by its bytes as they came; what the index says of it must be true.
pub(crate) fn open_entry(expected: &Entry, stored: &[u8]) -> Result<Content, &'static str> {
    let entry = Entry::parse(&array(stored))?;
    let payload = &stored[HEADER..];
    if entry != *expected {
        return Err("its header is another than the index says");
    }
    if !entry.fits(payload) {
        return Err("its check sum is wrong");
    }
    let bytes = match (entry.kind, entry.encoding) {
        (Kind::List, _) => {
            return Ok(Content::Chunks(
                entry.size,
                parse_list(payload, entry.size)?,
            ));
        }
        (Kind::Data, Encoding::Raw) => payload.to_vec(),
        (Kind::Data, Encoding::Zstd) => {
            Decoder::default().decompress(payload, entry.size as usize)?
        }
        (Kind::Data, Encoding::Delta) => return Err("it is a delta, which cannot stand here"),
    };
    if Digest::of(&bytes) != entry.digest {
        return Err("its bytes have another digest");
    }
    Ok(Content::Bytes(bytes))
}

/// The digest of what the payload of a delta is based on.
pub(crate) fn base_of(payload: &[u8]) -> Digest {
    Digest::from_bytes(array(payload))
}

/// A blob that is being put together from its chunks.
#[derive(Debug)]
struct Whole {
    digest: Digest,
    chunks: std::vec::IntoIter<(u32, Digest)>,
    hasher: blake3::Hasher,
}

impl Whole {
    fn new(digest: Digest, chunks: Vec<(u32, Digest)>) -> Self {
        Self {
            digest,
            chunks: chunks.into_iter(),
            hasher: blake3::Hasher::new(),
        }
    }

    /// The next chunk, verified. The last one is given only if the whole is right.
    fn next(&mut self, pass: &mut Pass) -> Result<Option<Vec<u8>>, StoreError> {
        let Some((length, chunk)) = self.chunks.next() else {
            return Ok(None);
        };
        let damaged = |path: PathBuf, what: String| StoreError::Damaged {
            digest: self.digest,
            path,
            what,
        };
        let bytes = match pass.data(&chunk) {
            Ok(bytes) => bytes,
            Err(StoreError::Damaged { path, what, .. }) => {
                return Err(damaged(path, format!("chunk {}: {what}", chunk.short())));
            }
            Err(StoreError::Missing { root, .. }) => {
                return Err(damaged(root, format!("chunk {} is missing", chunk.short())));
            }
            Err(error) => return Err(error),
        };
        let path = || pass.store.path_of(&chunk);
        if bytes.len() != length as usize {
            let what = format!("chunk {} has another length", chunk.short());
            return Err(damaged(path(), what));
        }
        self.hasher.update(&bytes);
        if self.chunks.len() == 0 && Digest::from(self.hasher.finalize()) != self.digest {
            return Err(damaged(path(), "its chunks make another blob".to_owned()));
        }
        Ok(Some(bytes))
    }
}

impl Store {
    /// The bytes of a blob of at most `limit` bytes, verified.
    pub fn read(&self, digest: &Digest, limit: u64) -> Result<Vec<u8>, StoreError> {
        let mut pass = Pass::new(self);
        let too_large = |size| StoreError::TooLarge {
            digest: *digest,
            size,
            limit,
        };
        let (size, chunks) = match pass.content(digest)? {
            Content::Bytes(bytes) if bytes.len() as u64 > limit => {
                return Err(too_large(bytes.len() as u64));
            }
            Content::Bytes(bytes) => return Ok(bytes),
            Content::Chunks(size, _) if size > limit => return Err(too_large(size)),
            Content::Chunks(size, chunks) => (size, chunks),
        };
        let mut whole = Whole::new(*digest, chunks);
        // Grown as verified bytes come: a list may claim any size.
        let mut bytes = Vec::with_capacity(size.min(64 << 20) as usize);
        while let Some(chunk) = whole.next(&mut pass)? {
            bytes.extend_from_slice(&chunk);
        }
        Ok(bytes)
    }

    /// A reader of a blob of any size, in bounded memory. Each piece is verified before it is
    /// given, and the last one is given only if the whole blob has its digest.
    pub fn reader(&self, digest: &Digest) -> Result<Box<dyn Read + Send>, StoreError> {
        let mut pass = Pass::new(self);
        let chunks = match pass.content(digest)? {
            Content::Bytes(bytes) => return Ok(Box::new(io::Cursor::new(bytes))),
            Content::Chunks(_, chunks) => chunks,
        };
        Ok(Box::new(VerifiedReader {
            whole: Whole::new(*digest, chunks),
            pass,
            piece: io::Cursor::default(),
            path: self.path_of(digest),
            failed: false,
        }))
    }

    /// Hashes a blob. Gives the facts of the packs that it lies in as they were before.
    pub fn verify_blob(&self, digest: &Digest) -> Result<BlobFacts, StoreError> {
        let mut pass = Pass::new(self);
        pass.copy(digest, &mut |_| Ok(()))?;
        Ok(pass.facts())
    }
}

/// Gives the bytes of a blob, each chunk once it is verified.
#[derive(Debug)]
struct VerifiedReader {
    whole: Whole,
    pass: Pass,
    piece: io::Cursor<Vec<u8>>,
    path: PathBuf,
    failed: bool,
}

impl VerifiedReader {
    fn refill(&mut self) -> Result<(), StoreError> {
        if self.failed {
            // No later chunk may be given in the place of one that is wrong.
            return Err(StoreError::Damaged {
                digest: self.whole.digest,
                path: self.path.clone(),
                what: "a part of it could not be read before".to_owned(),
            });
        }
        self.failed = true;
        let piece = self.whole.next(&mut self.pass)?.unwrap_or_default();
        self.failed = false;
        self.piece = io::Cursor::new(piece);
        Ok(())
    }
}

impl Read for VerifiedReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        if self.piece.position() == self.piece.get_ref().len() as u64 {
            self.refill().map_err(StoreError::into_io)?;
        }
        self.piece.read(buffer)
    }
}
