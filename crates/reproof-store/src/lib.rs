//! The content-addressed store, and the one module that touches the file system.
//!
//! A blob is found by the BLAKE3 of its bytes, compressed on disk, and verified on every read:
//! wrong bytes never leave the store. Writing is by [`Batch`]: data is made durable before
//! anything can refer to it, so a process that is killed leaves garbage at worst, never a lie and
//! never a lock. Any number of processes may read and write at once.
//!
//! The store does not know what a pipeline, a step or a table's values are.

mod batch;
mod blob;
mod error;
mod fault;
pub mod fs;
mod layout;
mod object;
mod scratch;

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use reproof_record::{Artifact, Digest, Manifest, TableObject, Tree};

pub use batch::Batch;
pub use blob::{BlobInfo, BlobWriter};
pub use error::{ErrorClass, StoreError};
pub use fault::{Fault, FaultIo};
pub use scratch::Scratch;

use crate::fs::{Facts, FileKind, Io, create_dir_durable, write_atomic};

/// The file that says which format a store has.
const FORMAT_FILE: &str = "FORMAT";
/// What it says.
const FORMAT: &str = "reproof.store/1\n";
/// How long a temporary file must have been at rest before it is swept: a day.
const SWEEP_NS: i64 = 86_400_000_000_000;

/// An artifact that is stored: what it is, and the manifest that lists its files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoredArtifact {
    /// The artifact by its content.
    pub artifact: Artifact,
    /// The digest of its manifest.
    pub manifest: Digest,
}

/// A content-addressed store in a folder.
#[derive(Clone, Debug)]
pub struct Store {
    root: PathBuf,
    pub(crate) io: Arc<dyn Io>,
}

impl Store {
    /// Opens the store in this folder, and makes it if there is none.
    pub fn open(root: &Path, io: Arc<dyn Io>) -> Result<Self, StoreError> {
        let store = Self {
            root: root.to_owned(),
            io,
        };
        match store.io.read(&store.format_path(), 1024) {
            Ok(found) => store.check_format(&found)?,
            Err(error) if error.is_not_found() => store.create()?,
            Err(error) => return Err(error.into()),
        }
        store.sweep();
        Ok(store)
    }

    /// Opens the store in this folder; it is an error if there is none.
    pub fn open_existing(root: &Path, io: Arc<dyn Io>) -> Result<Self, StoreError> {
        match io.metadata(&root.join(FORMAT_FILE)) {
            Ok(_) => Self::open(root, io),
            Err(error) if error.is_not_found() => Err(StoreError::NoStore {
                root: root.to_owned(),
            }),
            Err(error) => Err(error.into()),
        }
    }

    fn create(&self) -> Result<(), StoreError> {
        let io = self.io.as_ref();
        create_dir_durable(io, &self.root)?;
        create_dir_durable(io, &self.objects())?;
        create_dir_durable(io, &self.temp_dir())?;
        // Last, so that a store without this file is one that was never used.
        Ok(write_atomic(io, &self.format_path(), FORMAT.as_bytes())?)
    }

    fn check_format(&self, found: &[u8]) -> Result<(), StoreError> {
        if found == FORMAT.as_bytes() {
            return Ok(());
        }
        if !is_format(found) {
            return Err(StoreError::DamagedFormat {
                path: self.format_path(),
                expected: FORMAT.trim_end(),
            });
        }
        Err(StoreError::Format {
            root: self.root.clone(),
            found: String::from_utf8_lossy(found).trim_end().to_owned(),
            expected: FORMAT.trim_end(),
        })
    }

    /// Removes what killed processes left, once it has been at rest for a day. Whatever goes
    /// wrong here harms nobody.
    fn sweep(&self) {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let now = now.map_or(0, |elapsed| {
            i64::try_from(elapsed.as_nanos()).unwrap_or(i64::MAX)
        });
        for entry in self.io.read_dir(&self.temp_dir()).unwrap_or_default() {
            let path = self.temp_dir().join(entry.name);
            let Ok(facts) = self.io.metadata(&path) else {
                continue;
            };
            if facts.mtime_ns.saturating_add(SWEEP_NS) >= now {
                continue;
            }
            match facts.kind {
                FileKind::File => {
                    let _ = self.io.remove_file(&path);
                }
                FileKind::Folder => scratch::remove(self.io.as_ref(), &path),
                _ => {}
            }
        }
    }

    /// A store of its own inside this one, for what is needed only for a while: it is gone when it
    /// is dropped.
    pub fn scratch(&self) -> Result<Scratch, StoreError> {
        Scratch::new(&self.temp_dir().join(fs::unique()), &self.io)
    }

    /// Removes what this process has not committed, for one that is about to end in the middle of
    /// its work. What other threads still write is then lost, as it would be anyway.
    pub fn discard_own(&self) {
        for entry in self.io.read_dir(&self.temp_dir()).unwrap_or_default() {
            if entry.name.to_string_lossy().starts_with(fs::own_prefix()) {
                // What stays is garbage that a later opening of the store sweeps.
                let path = self.temp_dir().join(entry.name);
                if entry.kind == FileKind::Folder {
                    scratch::remove(self.io.as_ref(), &path);
                } else {
                    let _ = self.io.remove_file(&path);
                }
            }
        }
    }

    /// The file system that the store lies in.
    pub fn io(&self) -> &Arc<dyn Io> {
        &self.io
    }

    /// The store's folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The folder for files that are being written.
    pub fn temp_dir(&self) -> PathBuf {
        self.root.join("tmp")
    }

    pub(crate) fn objects(&self) -> PathBuf {
        self.root.join("objects")
    }

    fn format_path(&self) -> PathBuf {
        self.root.join(FORMAT_FILE)
    }

    pub(crate) fn object_path(&self, digest: &Digest) -> PathBuf {
        self.objects().join(digest.to_hex())
    }

    fn missing(&self, digest: &Digest) -> StoreError {
        StoreError::Missing {
            digest: *digest,
            root: self.root.clone(),
        }
    }

    /// A new batch of blobs.
    pub fn batch(&self) -> Batch {
        Batch::new(self.clone())
    }

    /// Whether a blob of this digest is there. Its bytes are not looked at.
    pub fn contains(&self, digest: &Digest) -> Result<bool, StoreError> {
        Ok(self.facts(digest)?.is_some())
    }

    /// What the file system says of a blob's file; none if there is no such blob.
    pub fn facts(&self, digest: &Digest) -> Result<Option<Facts>, StoreError> {
        match self.io.metadata(&self.object_path(digest)) {
            Ok(facts) => Ok(Some(facts)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn open_blob(&self, digest: &Digest) -> Result<Box<dyn fs::ReadFile>, StoreError> {
        match self.io.open_read(&self.object_path(digest)) {
            Ok(file) => Ok(file),
            Err(error) if error.is_not_found() => Err(self.missing(digest)),
            Err(error) => Err(error.into()),
        }
    }

    /// The bytes of a blob of at most `limit` bytes, verified.
    pub fn read(&self, digest: &Digest, limit: u64) -> Result<Vec<u8>, StoreError> {
        let path = self.object_path(digest);
        blob::read_whole(self.open_blob(digest)?, *digest, &path, limit)
    }

    /// A reader of a blob of any size, in bounded memory. The whole blob is verified before the
    /// first byte is given, and each block again as it is given.
    pub fn reader(&self, digest: &Digest) -> Result<Box<dyn Read + Send>, StoreError> {
        let path = self.object_path(digest);
        let (first, second) = (self.open_blob(digest)?, self.open_blob(digest)?);
        Ok(Box::new(blob::VerifiedReader::open(
            first, second, *digest, &path,
        )?))
    }

    /// Hashes a blob. Gives its file's facts as they were before.
    pub fn verify_blob(&self, digest: &Digest) -> Result<Facts, StoreError> {
        let file = self.open_blob(digest)?;
        let facts = file.facts()?;
        blob::verify(file, *digest, &self.object_path(digest))?;
        Ok(facts)
    }

    /// The manifest of this digest.
    pub fn manifest(&self, digest: &Digest) -> Result<Manifest, StoreError> {
        object::read(self, digest)
    }

    /// The tree of this digest.
    pub fn tree(&self, digest: &Digest) -> Result<Tree, StoreError> {
        object::read(self, digest)
    }

    /// The table object of this digest.
    pub fn table_object(&self, digest: &Digest) -> Result<TableObject, StoreError> {
        object::read(self, digest)
    }

    /// The digests of all blobs, sorted.
    pub fn blobs(&self) -> Result<Vec<Digest>, StoreError> {
        let entries = self.io.read_dir(&self.objects())?;
        let names = entries.iter().filter_map(|entry| entry.name.to_str());
        Ok(names.filter_map(|name| name.parse().ok()).collect())
    }
}

/// Whether these are the bytes of a format file, of whatever version.
fn is_format(bytes: &[u8]) -> bool {
    let version = std::str::from_utf8(bytes).ok();
    let version = version.and_then(|text| text.strip_prefix("reproof.store/")?.strip_suffix('\n'));
    version.is_some_and(|version| version.parse::<u32>().is_ok())
}
