//! From bytes to packs: entries are hashed, looked up, compressed and written, on several threads
//! once there is enough to do. They lie in the pack in the order in which they were given, so the
//! same bytes make the same pack on any machine.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use reproof_record::Digest;

use crate::Store;
use crate::encode::{Encoded, Encoder};
use crate::error::StoreError;
use crate::fs::{IoError, unique};
use crate::pack::{Encoding, Entry, FinishedPack, Kind, PackWriter, list_bytes};
use crate::read::{Content, Pass};

/// Roughly how long a pack gets before the next one is begun.
pub(crate) const PACK_LENGTH: u64 = 64 << 20;
/// So many bytes are worth threads.
const WORTH_THREADS: u64 = 1 << 20;
/// The most threads.
const MAX_THREADS: usize = 8;
/// How many buffers are kept for later: asking the system for memory again and again costs more
/// than hashing what is in it.
const MAX_SPARE: usize = 64;
/// How many bytes are handed to a thread at once: waking one costs more than hashing a small file.
const GROUP: usize = 512 << 10;
/// How many bytes may be on their way: bounds the memory.
const MAX_UNDERWAY: usize = 16 << 20;

/// The chunks of a blob that is being written.
#[derive(Debug, Default)]
pub(crate) struct Chunks {
    found: Mutex<Vec<Option<(u32, Digest)>>>,
    changed: Condvar,
}

impl Chunks {
    /// Makes room for one more.
    fn reserve(&self) -> usize {
        let mut found = lock(&self.found);
        found.push(None);
        found.len() - 1
    }

    fn set(&self, index: usize, chunk: (u32, Digest)) {
        lock(&self.found)[index] = Some(chunk);
        self.changed.notify_all();
    }

    /// All of them, once they are known.
    fn wait(&self) -> Vec<(u32, Digest)> {
        let mut found = lock(&self.found);
        while found.iter().any(Option::is_none) {
            found = self
                .changed
                .wait(found)
                .unwrap_or_else(PoisonError::into_inner);
        }
        found.iter().flatten().copied().collect()
    }
}

/// Something to be stored.
enum Job {
    /// The bytes of a blob, whose digest is known.
    Blob { digest: Digest, bytes: Vec<u8> },
    /// A chunk of a blob: where its digest goes, and what it may be a delta of.
    Chunk {
        bytes: Vec<u8>,
        digest: Option<Digest>,
        base: Option<Digest>,
        chunks: Arc<Chunks>,
        index: usize,
    },
    /// The chunks of a blob.
    List {
        digest: Digest,
        size: u64,
        chunks: Vec<(u32, Digest)>,
    },
}

impl Job {
    fn weight(&self) -> usize {
        match self {
            Self::Blob { bytes, .. } | Self::Chunk { bytes, .. } => bytes.len() + 256,
            Self::List { chunks, .. } => chunks.len() * 36 + 256,
        }
    }
}

/// Jobs that a thread takes at once, and their weight.
#[derive(Default)]
struct Group {
    jobs: Vec<Job>,
    weight: usize,
}

/// What waits for a thread.
#[derive(Default)]
struct Queue {
    groups: VecDeque<(u64, Group)>,
    /// What is not handed over yet.
    gathered: Group,
    /// The number of the next group.
    next: u64,
    /// How many bytes are on their way.
    underway: usize,
    /// How many bytes ever came.
    total: u64,
    threads: usize,
    closed: bool,
}

impl Queue {
    /// What was gathered, with its number.
    fn next_group(&mut self) -> (u64, Group) {
        self.next += 1;
        (self.next - 1, std::mem::take(&mut self.gathered))
    }
}

/// What was written.
#[derive(Default)]
struct Output {
    /// The number of the group whose entries come next.
    next: u64,
    /// Entries that came before their turn. `None` stands for one that is there already.
    early: BTreeMap<u64, Vec<Option<Encoded>>>,
    pack: Option<PackWriter>,
    finished: Vec<FinishedPack>,
}

/// Why nothing more can be stored. The first one to ask gets the error itself.
struct Failure {
    first: Option<StoreError>,
    path: PathBuf,
    kind: io::ErrorKind,
}

/// Takes blobs and chunks, and writes packs in the folder for files that are being written.
pub(crate) struct Packer {
    store: Store,
    queue: Mutex<Queue>,
    /// Jobs came, or no more will.
    work: Condvar,
    /// Bytes are no longer on their way.
    room: Condvar,
    output: Mutex<Output>,
    taken: Mutex<BTreeSet<Digest>>,
    /// Buffers that are free.
    spare: Mutex<Vec<Vec<u8>>>,
    failure: Mutex<Option<Failure>>,
    /// Of whoever stores something while there are no threads.
    own: Mutex<Worker>,
    handles: Mutex<Vec<JoinHandle<()>>>,
}

impl std::fmt::Debug for Packer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Packer")
            .field("store", &self.store.root())
            .finish_non_exhaustive()
    }
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Packer {
    pub fn new(store: &Store) -> Arc<Self> {
        Arc::new(Self {
            store: store.clone(),
            queue: Mutex::default(),
            work: Condvar::new(),
            room: Condvar::new(),
            output: Mutex::default(),
            taken: Mutex::default(),
            spare: Mutex::default(),
            failure: Mutex::default(),
            own: Mutex::new(Worker::new(store)),
            handles: Mutex::default(),
        })
    }

    pub fn store(&self) -> &Store {
        &self.store
    }

    /// A copy of these bytes, where there is a buffer for it.
    pub fn copy_of(&self, bytes: &[u8]) -> Vec<u8> {
        let mut buffer = lock(&self.spare).pop().unwrap_or_default();
        buffer.clear();
        buffer.extend_from_slice(bytes);
        buffer
    }

    /// Keeps a buffer for later, if it is worth it.
    fn recycle(&self, buffer: Vec<u8>) {
        if buffer.capacity() >= 64 << 10 {
            let mut spare = lock(&self.spare);
            if spare.len() < MAX_SPARE {
                spare.push(buffer);
            }
        }
    }

    /// Takes a blob that is one entry.
    pub fn blob(self: &Arc<Self>, digest: Digest, bytes: Vec<u8>) -> Result<(), StoreError> {
        self.submit(Job::Blob { digest, bytes })
    }

    /// Takes a chunk of a blob.
    pub fn chunk(
        self: &Arc<Self>,
        chunks: &Arc<Chunks>,
        bytes: Vec<u8>,
        digest: Option<Digest>,
        base: Option<Digest>,
    ) -> Result<(), StoreError> {
        self.submit(Job::Chunk {
            bytes,
            digest,
            base,
            index: chunks.reserve(),
            chunks: Arc::clone(chunks),
        })
    }

    /// Takes the chunks of a blob.
    pub fn list(
        self: &Arc<Self>,
        digest: Digest,
        size: u64,
        chunks: Vec<(u32, Digest)>,
    ) -> Result<(), StoreError> {
        self.submit(Job::List {
            digest,
            size,
            chunks,
        })
    }

    fn submit(self: &Arc<Self>, job: Job) -> Result<(), StoreError> {
        let weight = job.weight();
        let mut queue = lock(&self.queue);
        while queue.underway >= MAX_UNDERWAY {
            self.hand_over(&mut queue);
            queue = self
                .room
                .wait(queue)
                .unwrap_or_else(PoisonError::into_inner);
        }
        queue.underway += weight;
        queue.total += weight as u64;
        if queue.threads == 0 && queue.total > WORTH_THREADS {
            self.start_threads(&mut queue);
        }
        queue.gathered.jobs.push(job);
        queue.gathered.weight += weight;
        if queue.threads == 0 {
            let (number, group) = queue.next_group();
            drop(queue);
            let mut worker = lock(&self.own);
            self.perform(&mut worker, number, group);
        } else if queue.gathered.weight >= GROUP {
            self.hand_over(&mut queue);
        }
        self.check()
    }

    /// Hands what was gathered to a thread.
    fn hand_over(&self, queue: &mut Queue) {
        if !queue.gathered.jobs.is_empty() {
            let group = queue.next_group();
            queue.groups.push_back(group);
            self.work.notify_one();
        }
    }

    /// All chunks of a blob, once they are known.
    pub fn wait_for(&self, chunks: &Chunks) -> Vec<(u32, Digest)> {
        self.hand_over(&mut lock(&self.queue));
        chunks.wait()
    }

    fn start_threads(self: &Arc<Self>, queue: &mut Queue) {
        let wanted = std::thread::available_parallelism().map_or(1, usize::from);
        for _ in 0..wanted.min(MAX_THREADS) {
            let packer = Arc::clone(self);
            let started = std::thread::Builder::new().spawn(move || packer.serve());
            // Where there are no threads to be had, the caller does the work.
            if let Ok(handle) = started {
                queue.threads += 1;
                lock(&self.handles).push(handle);
            }
        }
    }

    /// What a thread does until no more jobs come.
    fn serve(&self) {
        let mut worker = Worker::new(&self.store);
        loop {
            let mut queue = lock(&self.queue);
            let (number, group) = loop {
                if let Some(group) = queue.groups.pop_front() {
                    break group;
                }
                if queue.closed {
                    return;
                }
                queue = self
                    .work
                    .wait(queue)
                    .unwrap_or_else(PoisonError::into_inner);
            };
            drop(queue);
            self.perform(&mut worker, number, group);
        }
    }

    /// Encodes what is in a group, and writes it once it is its turn.
    fn perform(&self, worker: &mut Worker, number: u64, group: Group) {
        let jobs = group.jobs.into_iter();
        let encoded = jobs.map(|job| {
            worker.perform(self, job).unwrap_or_else(|error| {
                self.fail(error);
                None
            })
        });
        self.append(number, encoded.collect());
        lock(&self.queue).underway -= group.weight;
        self.room.notify_all();
    }

    /// Writes entries once it is their turn.
    fn append(&self, number: u64, encoded: Vec<Option<Encoded>>) {
        let mut output = lock(&self.output);
        output.early.insert(number, encoded);
        loop {
            let next = output.next;
            let Some(encoded) = output.early.remove(&next) else {
                break;
            };
            output.next += 1;
            for encoded in encoded.into_iter().flatten() {
                if !self.has_failed()
                    && let Err(error) = self.write(&mut output, &encoded)
                {
                    self.fail(error.into());
                }
                self.recycle(encoded.payload);
                self.recycle(encoded.spare);
            }
        }
    }

    fn write(&self, output: &mut Output, encoded: &Encoded) -> Result<(), IoError> {
        let pack = match &mut output.pack {
            Some(pack) => pack,
            empty => empty.insert(PackWriter::new(
                &self.store.io,
                self.store.temp_dir().join(unique()),
                self.store.own_generation(),
            )?),
        };
        pack.append(encoded.entry, &encoded.payload)?;
        if pack.length() >= PACK_LENGTH
            && let Some(pack) = output.pack.take()
        {
            output.finished.push(pack.finish()?);
        }
        Ok(())
    }

    fn has_failed(&self) -> bool {
        lock(&self.failure).is_some()
    }

    /// Notes why nothing more can be stored.
    pub fn fail(&self, error: StoreError) {
        let (path, kind) = match &error {
            StoreError::Io(error) => (error.path.clone(), error.kind()),
            _ => (self.store.temp_dir(), io::ErrorKind::Other),
        };
        lock(&self.failure).get_or_insert(Failure {
            first: Some(error),
            path,
            kind,
        });
    }

    /// An error if an earlier job failed: what the pack holds then is not what was given.
    pub fn check(&self) -> Result<(), StoreError> {
        let mut failure = lock(&self.failure);
        let Some(failure) = failure.as_mut() else {
            return Ok(());
        };
        Err(failure.first.take().unwrap_or_else(|| {
            let source = io::Error::new(failure.kind, "an earlier write failed");
            IoError::new("write", &failure.path, source).into()
        }))
    }

    /// Waits for all jobs, and gives the packs, the last of them complete too.
    pub fn finish(&self) -> Result<Vec<FinishedPack>, StoreError> {
        self.stop();
        self.check()?;
        let mut output = lock(&self.output);
        if let Some(pack) = output.pack.take() {
            let pack = pack.finish()?;
            output.finished.push(pack);
        }
        Ok(std::mem::take(&mut output.finished))
    }

    /// Lets the threads come to their end.
    pub fn stop(&self) {
        let mut queue = lock(&self.queue);
        self.hand_over(&mut queue);
        queue.closed = true;
        drop(queue);
        self.work.notify_all();
        for handle in std::mem::take(&mut *lock(&self.handles)) {
            if handle.join().is_err() {
                self.fail(StoreError::Inconsistent {
                    what: "a thread that compresses panicked".to_owned(),
                });
            }
        }
    }

    /// Forgets what was written, for a batch that is not committed.
    pub fn abandon(&self) {
        let mut queue = lock(&self.queue);
        queue.groups.clear();
        queue.gathered = Group::default();
        drop(queue);
        self.stop();
        let mut output = lock(&self.output);
        output.pack = None;
        output.finished.clear();
    }

    /// Whether an entry is the first of its digest in this batch.
    fn is_first(&self, digest: &Digest) -> bool {
        lock(&self.taken).insert(*digest)
    }
}

/// Whether there are copies to compare with.
fn has_copies(store: &Store, digest: &Digest) -> Result<bool, StoreError> {
    store.keeps(digest)
}

/// What one thread needs.
struct Worker {
    encoder: Encoder,
    pass: Pass,
}

impl Worker {
    fn new(store: &Store) -> Self {
        Self {
            encoder: Encoder::new(),
            pass: Pass::of_what_lasts(store),
        }
    }

    /// Hashes, looks up and encodes. Gives nothing for what is there already and right.
    fn perform(&mut self, packer: &Packer, job: Job) -> Result<Option<Encoded>, StoreError> {
        match job {
            Job::Blob { digest, bytes } => self.data(packer, digest, bytes, None),
            Job::Chunk {
                bytes,
                digest,
                base,
                chunks,
                index,
            } => {
                let digest = digest.unwrap_or_else(|| Digest::of(&bytes));
                chunks.set(index, (bytes.len() as u32, digest));
                self.data(packer, digest, bytes, base)
            }
            Job::List {
                digest,
                size,
                chunks,
            } => self.list(packer, digest, size, &chunks),
        }
    }

    fn data(
        &mut self,
        packer: &Packer,
        digest: Digest,
        bytes: Vec<u8>,
        base: Option<Digest>,
    ) -> Result<Option<Encoded>, StoreError> {
        if !packer.is_first(&digest)
            || has_copies(&packer.store, &digest)? && self.has_data(&digest, &bytes)?
        {
            packer.recycle(bytes);
            return Ok(None);
        }
        let base = match base {
            Some(base) => self.base(&base)?,
            None => None,
        };
        Ok(Some(self.encoder.encode(digest, bytes, base)))
    }

    /// Whether the store has a right copy: its bytes are read.
    fn has_data(&mut self, digest: &Digest, bytes: &[u8]) -> Result<bool, StoreError> {
        match self.pass.data(digest) {
            Ok(found) => Ok(found == bytes),
            Err(StoreError::Missing { .. } | StoreError::Damaged { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn list(
        &mut self,
        packer: &Packer,
        digest: Digest,
        size: u64,
        chunks: &[(u32, Digest)],
    ) -> Result<Option<Encoded>, StoreError> {
        if !packer.is_first(&digest) {
            return Ok(None);
        }
        if has_copies(&packer.store, &digest)? {
            match self.pass.content(&digest) {
                Ok(Content::Chunks(_, found)) if found == chunks => return Ok(None),
                Ok(_) | Err(StoreError::Missing { .. } | StoreError::Damaged { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        let payload = list_bytes(chunks);
        if payload.len() > crate::pack::MAX_LIST as usize {
            return Err(StoreError::TooLarge {
                digest,
                size,
                limit: crate::writer::LARGEST_BLOB,
            });
        }
        Ok(Some(Encoded {
            entry: Entry::new(Kind::List, Encoding::Raw, size, digest, &payload),
            payload,
            spare: Vec::new(),
        }))
    }

    /// What a delta may be based on: this chunk, or what it is a delta of itself.
    fn base(&mut self, digest: &Digest) -> Result<Option<(Digest, Vec<u8>)>, StoreError> {
        match self.pass.whole_base(digest) {
            Ok(base) => Ok(Some(base)),
            // Without it the chunk is stored as it is.
            Err(StoreError::Missing { .. } | StoreError::Damaged { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }
}
