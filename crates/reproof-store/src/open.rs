//! Who has the store open: how `gc` knows that nobody relies any more on what it will delete.
//!
//! Each process that opens a store holds a shared lock on the file of the generation that it found.
//! The kernel gives it back when the process ends, however it ends. `gc` writes what it condemns,
//! begins a generation, and deletes only once nobody holds a file of an earlier one: whoever came
//! later has read what is condemned, and stores it anew instead of relying on it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use reproof_record::Digest;

use crate::Store;
use crate::error::StoreError;
use crate::fs::{FileLock, IoError, LockKind, write_atomic};
use crate::pack::array;
use crate::packer::lock;

/// How often a lock is tried, and how long is waited in between.
const ATTEMPTS: u32 = 10;
const PAUSE: Duration = Duration::from_millis(10);
const MAGIC: &[u8; 8] = b"RPGONE2\0";
/// The most bytes that the list of what is condemned may have: some ten million entries.
const MAX_CONDEMNED: u64 = 512 << 20;

/// What is condemned: entries by the pack that holds them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Condemned {
    /// The generation that begins with it: whoever belongs to an earlier one may rely on what it
    /// names.
    pub generation: u64,
    packs: BTreeMap<Digest, BTreeSet<Digest>>,
}

impl Condemned {
    pub fn insert(&mut self, pack: Digest, entry: Digest) {
        self.packs.entry(pack).or_default().insert(entry);
    }

    pub fn contains(&self, pack: &Digest, entry: &Digest) -> bool {
        let entries = self.packs.get(pack);
        entries.is_some_and(|entries| entries.contains(entry))
    }

    /// Whether any copy of an entry is condemned.
    pub fn names(&self, entry: &Digest) -> bool {
        self.packs.values().any(|entries| entries.contains(entry))
    }

    pub fn len(&self) -> u64 {
        self.packs
            .values()
            .map(|entries| entries.len() as u64)
            .sum()
    }

    fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend_from_slice(&self.generation.to_le_bytes());
        for (pack, entries) in &self.packs {
            bytes.extend_from_slice(pack.as_bytes());
            bytes.extend_from_slice(&(entries.len() as u64).to_le_bytes());
            for entry in entries {
                bytes.extend_from_slice(entry.as_bytes());
            }
        }
        let sum = blake3::hash(&bytes);
        bytes.extend_from_slice(sum.as_bytes());
        bytes
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let (covered, sum) = bytes.split_at_checked(bytes.len().checked_sub(32)?)?;
        if blake3::hash(covered).as_bytes() != sum {
            return None;
        }
        let (generation, mut rest) = covered.strip_prefix(MAGIC)?.split_at_checked(8)?;
        let mut condemned = Self {
            generation: u64::from_le_bytes(array(generation)),
            ..Self::default()
        };
        while !rest.is_empty() {
            let (head, more) = rest.split_at_checked(40)?;
            let count = usize::try_from(u64::from_le_bytes(array(&head[32..]))).ok()?;
            let (entries, more) = more.split_at_checked(count.checked_mul(32)?)?;
            let entries = entries.chunks_exact(32);
            let entries = entries.map(|entry| Digest::from_bytes(array(entry)));
            condemned
                .packs
                .insert(Digest::from_bytes(array(head)), entries.collect());
            rest = more;
        }
        Some(condemned)
    }
}

/// That this process has the store open.
#[derive(Debug, Default)]
pub(crate) struct Opened {
    lock: Option<FileLock>,
    generation: u64,
    condemned: Condemned,
}

impl Store {
    pub(crate) fn gc_dir(&self) -> PathBuf {
        self.root.join("gc")
    }

    fn generation_path(&self) -> PathBuf {
        self.gc_dir().join("generation")
    }

    pub(crate) fn condemned_path(&self) -> PathBuf {
        self.gc_dir().join("condemned")
    }

    pub(crate) fn open_path(&self, generation: u64) -> PathBuf {
        self.gc_dir().join(format!("open-{generation}"))
    }

    /// The generation that whoever opens the store now belongs to.
    pub(crate) fn generation(&self) -> Result<u64, StoreError> {
        let text = match self.io.read(&self.generation_path(), 64) {
            Err(error) if error.is_not_found() => return Ok(0),
            text => text?,
        };
        let number = std::str::from_utf8(&text).ok();
        let number = number.and_then(|text| text.trim_end().parse().ok());
        number.ok_or_else(|| StoreError::DamagedFormat {
            path: self.generation_path(),
            expected: "a number",
        })
    }

    /// Begins a generation.
    pub(crate) fn begin_generation(&self, number: u64) -> Result<(), StoreError> {
        let text = format!("{number}\n");
        Ok(write_atomic(
            self.io.as_ref(),
            &self.generation_path(),
            text.as_bytes(),
        )?)
    }

    /// What is condemned. A list that is damaged condemns nothing: `gc` does not follow it either.
    pub(crate) fn read_condemned(&self) -> Result<Option<Condemned>, StoreError> {
        match self.io.read(&self.condemned_path(), MAX_CONDEMNED) {
            Err(error) if error.is_not_found() => Ok(None),
            bytes => Ok(Condemned::parse(&bytes?)),
        }
    }

    pub(crate) fn write_condemned(&self, condemned: &Condemned) -> Result<(), StoreError> {
        let (io, bytes) = (self.io.as_ref(), condemned.to_bytes());
        Ok(write_atomic(io, &self.condemned_path(), &bytes)?)
    }

    /// Tells `gc` that this process has the store open. On a disk that cannot be written to
    /// nothing can be told, and nothing stored; that is said when something is.
    pub(crate) fn enter(&self) -> Result<(), StoreError> {
        match self.try_enter() {
            Err(StoreError::Io(error)) if error.is_read_only() || error.is_storage_full() => Ok(()),
            other => other,
        }
    }

    /// As [`Store::enter`], if that did not succeed before.
    pub(crate) fn ensure_entered(&self) -> Result<(), StoreError> {
        if self.durable && lock(&self.opened).lock.is_none() {
            self.try_enter()?;
        }
        Ok(())
    }

    fn try_enter(&self) -> Result<(), StoreError> {
        loop {
            let generation = self.generation()?;
            let path = self.open_path(generation);
            let held = match self.io.lock(&path, LockKind::Shared) {
                Err(error) if error.is_not_found() => {
                    self.io.create_dir_all(&self.gc_dir())?;
                    self.io.lock(&path, LockKind::Shared)?
                }
                held => held?,
            };
            let condemned = self.read_condemned()?.unwrap_or_default();
            if self.generation()? == generation && held.is_some() {
                *lock(&self.opened) = Opened {
                    lock: held,
                    generation,
                    condemned,
                };
                return Ok(());
            }
        }
    }

    /// The generation that this process belongs to.
    pub(crate) fn own_generation(&self) -> u64 {
        lock(&self.opened).generation
    }

    /// Gives the store back, for `gc`: it relies on nothing, and sees all that there is.
    pub(crate) fn leave(&self) {
        *lock(&self.opened) = Opened::default();
    }

    /// Whether nobody has the store open who opened it in this generation. If so, its file is gone.
    pub(crate) fn nobody_is_in(&self, generation: u64) -> Result<bool, IoError> {
        let path = self.open_path(generation);
        if let Err(error) = self.io.metadata(&path) {
            return if error.is_not_found() {
                Ok(true)
            } else {
                Err(error)
            };
        }
        let Some(_held) = self.lock_alone(&path)? else {
            return Ok(false);
        };
        self.io.remove_file(&path)?;
        Ok(true)
    }

    /// Locks a file for this process alone; none if another one holds it. A process that is just
    /// being started holds the files of the one that starts it for a moment, so it is asked a few
    /// times.
    pub(crate) fn lock_alone(&self, path: &Path) -> Result<Option<FileLock>, IoError> {
        for _ in 0..ATTEMPTS {
            if let Some(held) = self.io.lock(path, LockKind::Exclusive)? {
                return Ok(Some(held));
            }
            std::thread::sleep(PAUSE);
        }
        Ok(None)
    }

    /// Whether this copy of an entry is condemned, so that it may not be relied on.
    pub(crate) fn is_condemned(&self, pack: &Digest, entry: &Digest) -> bool {
        lock(&self.opened).condemned.contains(pack, entry)
    }

    /// Whether any copy of an entry is condemned.
    pub(crate) fn has_condemned(&self, entry: &Digest) -> bool {
        lock(&self.opened).condemned.names(entry)
    }
}
