//! The content-addressed store, and the one module that touches the file system.
//!
//! A blob is found by the BLAKE3 of its bytes, compressed on disk, and verified on every read:
//! wrong bytes never leave the store. Writing is by [`Batch`]: data is made durable before
//! anything can refer to it, so a process that is killed leaves garbage at worst, never a lie and
//! never a lock. Any number of processes may read and write at once.
//!
//! The store does not know what a pipeline, a step or a table's values are.

mod batch;
mod bundle;
mod check;
mod encode;
mod error;
mod facts;
mod fault;
mod folder;
pub mod fs;
mod gc;
mod index;
mod layout;
mod link;
mod mend;
mod object;
mod open;
mod pack;
mod packer;
mod parallel;
mod previous;
mod read;
mod remote;
mod scratch;
mod v1;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use reproof_record::{Artifact, Digest, Manifest, TableObject, Tree};

pub use batch::Batch;
pub use bundle::{Bundle, BundleError, BundleHeader, read_bundle};
pub use check::{Checked, Damage, Whereabouts};
pub use error::{ErrorClass, StoreError};
pub use facts::BlobFacts;
pub use fault::{Fault, FaultIo};
pub use folder::{TakeError, Taken};
pub use gc::Collected;
pub use layout::{LayOut, SOURCE_DATE_EPOCH, lay_out};
pub use link::{leaves_tree, link_blob, link_digest, link_target};
pub use parallel::each_at_once;
pub use remote::{FolderObjects, ObjectError, Objects, Pulled, Pushed, Remote, RemoteError, Watch};
pub use scratch::{Scratch, WorkFolder};
pub use writer::{BlobInfo, BlobWriter};

use crate::fs::{FileKind, Io, create_dir_durable, write_atomic};
use crate::index::{Index, Place};
use crate::open::Opened;
use crate::pack::FinishedPack;
use crate::packer::lock;

/// The file that says which format a store has.
const FORMAT_FILE: &str = "FORMAT";
/// What it says.
const FORMAT: &str = "reproof.store/2\n";
/// What a store says that is brought to this format when it is opened.
const FORMAT_1: &str = "reproof.store/1\n";
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
    index: Arc<Mutex<Index>>,
    /// Whether what is committed must outlive the machine's next crash.
    durable: bool,
    /// That this process has it open, and what it may not rely on.
    opened: Arc<Mutex<Opened>>,
}

impl Store {
    /// Opens the store in this folder, and makes it if there is none.
    pub fn open(root: &Path, io: Arc<dyn Io>) -> Result<Self, StoreError> {
        let store = Self::at(root, io, true);
        match store.io.read(&store.format_path(), 1024) {
            Ok(found) if found == FORMAT_1.as_bytes() => store.migrate()?,
            Ok(found) => {
                store.check_format(&found)?;
                store.remove_version_1();
            }
            Err(error) if error.is_not_found() => store.create()?,
            Err(error) => return Err(error.into()),
        }
        store.enter()?;
        store.sweep();
        Ok(store)
    }

    fn at(root: &Path, io: Arc<dyn Io>, durable: bool) -> Self {
        Self {
            root: root.to_owned(),
            io,
            index: Arc::default(),
            durable,
            opened: Arc::default(),
        }
    }

    /// Makes a store that only this process uses, and that need not outlive it.
    pub(crate) fn make_scratch(root: &Path, io: Arc<dyn Io>) -> Result<Self, StoreError> {
        let store = Self::at(root, io, false);
        store.io.create_dir_all(&store.packs_dir())?;
        store.io.create_dir_all(&store.temp_dir())?;
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
        create_dir_durable(io, &self.packs_dir())?;
        create_dir_durable(io, &self.temp_dir())?;
        create_dir_durable(io, &self.gc_dir())?;
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
        let now = now_ns();
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
                FileKind::Folder => {
                    let _ = fs::remove_tree(self.io.as_ref(), &path);
                }
                _ => {}
            }
        }
    }

    /// A store of its own inside this one, for what is needed only for a while: it is gone when it
    /// is dropped.
    pub fn scratch(&self) -> Result<Scratch, StoreError> {
        Scratch::new(&self.temp_dir().join(fs::unique()), &self.io)
    }

    /// A folder for work in progress, gone when it is dropped.
    pub fn work_folder(&self) -> Result<WorkFolder, StoreError> {
        WorkFolder::new(self.temp_dir().join(fs::unique()), &self.io)
    }

    /// Removes what this process has not committed, for one that is about to end in the middle of
    /// its work. What other threads still write is then lost, as it would be anyway.
    pub fn discard_own(&self) {
        for entry in self.io.read_dir(&self.temp_dir()).unwrap_or_default() {
            if entry.name.to_string_lossy().starts_with(fs::own_prefix()) {
                // What stays is garbage that a later opening of the store sweeps.
                let path = self.temp_dir().join(entry.name);
                if entry.kind == FileKind::Folder {
                    {
                        let _ = fs::remove_tree(self.io.as_ref(), &path);
                    };
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

    pub(crate) fn packs_dir(&self) -> PathBuf {
        self.root.join("packs")
    }

    pub(crate) fn is_durable(&self) -> bool {
        self.durable
    }

    pub(crate) fn format_path(&self) -> PathBuf {
        self.root.join(FORMAT_FILE)
    }

    pub(crate) fn missing(&self, digest: &Digest) -> StoreError {
        StoreError::Missing {
            digest: *digest,
            root: self.root.clone(),
        }
    }

    /// A new batch of blobs.
    pub fn batch(&self) -> Batch {
        Batch::new(self)
    }

    /// Whether a blob of this digest is there. Its bytes are not looked at.
    pub fn contains(&self, digest: &Digest) -> Result<bool, StoreError> {
        for sure in [false, true] {
            for place in self.places(digest, sure)? {
                match self.io.metadata(&self.pack_path(&place.pack)) {
                    Ok(_) => return Ok(true),
                    Err(error) if error.is_not_found() => {}
                    Err(error) => return Err(error.into()),
                }
            }
        }
        Ok(false)
    }

    /// Where the copies of an entry lie; to be `sure`, the folder of packs and the index's own
    /// check sum are looked at before.
    pub(crate) fn places(&self, digest: &Digest, sure: bool) -> Result<Vec<Place>, StoreError> {
        let mut index = lock(&self.index);
        self.refresh(&mut index, sure)?;
        if sure && !index.is_trusted() {
            self.refresh(&mut index, true)?;
        }
        Ok(index.places(digest))
    }

    fn refresh(&self, index: &mut Index, again: bool) -> Result<(), StoreError> {
        if again || !index.is_loaded() {
            index.refresh(self.io.as_ref(), &self.root, &self.packs_dir())?;
        }
        Ok(())
    }

    /// Whether an entry of this digest is likely to be there: only the index is asked.
    pub fn knows(&self, digest: &Digest) -> Result<bool, StoreError> {
        Ok(!self.places(digest, false)?.is_empty())
    }

    /// As [`Store::knows`], but not of an entry that `gc` has condemned: something new may refer to
    /// it.
    pub fn keeps(&self, digest: &Digest) -> Result<bool, StoreError> {
        Ok(!self.lasting_places(digest, false)?.is_empty())
    }

    /// As [`Store::places`], without copies that `gc` may delete although they are needed from now
    /// on.
    pub(crate) fn lasting_places(
        &self,
        digest: &Digest,
        sure: bool,
    ) -> Result<Vec<Place>, StoreError> {
        let mut places = self.places(digest, sure)?;
        places.retain(|place| !self.is_condemned(&place.pack, digest));
        Ok(places)
    }

    /// Whether something new may refer to a blob that is there. It may not if `gc` has condemned
    /// it: then it is stored again. What the catalogue names already may always be read.
    pub fn may_rely_on(&self, digest: &Digest) -> bool {
        !self.has_condemned(digest)
    }

    /// Learns of packs that this process made visible.
    fn learn(&self, packs: &[FinishedPack]) {
        let mut index = lock(&self.index);
        for pack in packs {
            index.add(&pack.id, &pack.index);
        }
        if self.durable {
            let temporary = self.temp_dir().join(fs::unique());
            index.save_if_worth_it(self.io.as_ref(), &self.root, &temporary);
        }
    }

    /// The pack that an entry lies in, as far as is known; the store's folder otherwise.
    pub(crate) fn path_of(&self, digest: &Digest) -> PathBuf {
        let places = self.places(digest, false).unwrap_or_default();
        let path = places.first().map(|place| self.pack_path(&place.pack));
        path.unwrap_or_else(|| self.root.clone())
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

    /// The digests of everything that is stored: all blobs, and the chunks of large ones. Sorted.
    pub fn blobs(&self) -> Result<Vec<Digest>, StoreError> {
        let mut index = lock(&self.index);
        self.refresh(&mut index, true)?;
        if !index.is_trusted() {
            self.refresh(&mut index, true)?;
        }
        Ok(index.digests())
    }
}

/// Now, in nanoseconds since 1970.
pub(crate) fn now_ns() -> i64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.map_or(0, |elapsed| {
        i64::try_from(elapsed.as_nanos()).unwrap_or(i64::MAX)
    })
}

/// Whether these are the bytes of a format file, of whatever version.
fn is_format(bytes: &[u8]) -> bool {
    is_format_of("reproof.store/", bytes)
}

/// Whether these bytes are this name, a version and a line feed.
pub(crate) fn is_format_of(name: &str, bytes: &[u8]) -> bool {
    let version = std::str::from_utf8(bytes).ok();
    let version = version.and_then(|text| text.strip_prefix(name)?.strip_suffix('\n'));
    version.is_some_and(|version| version.parse::<u32>().is_ok())
}
