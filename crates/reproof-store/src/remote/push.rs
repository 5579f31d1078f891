//! Sending: what the remote lacks, packed anew.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use reproof_record::Digest;

use super::known::Found;
use super::{Remote, RemoteError, Watch, index_object, pack_object};
use crate::Store;
use crate::encode::Encoder;
use crate::pack::{Kind, PackBytes, PackInMemory, PackIndex};
use crate::packer::lock;
use crate::read::{Content, Pass};

/// Roughly how long a pack gets before the next one is begun. They are sent from memory.
const PACK_LENGTH: usize = 8 << 20;
/// How many packs are under way at once.
const UPLOADS: usize = 4;

/// What was sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pushed {
    /// Blobs and chunks that the remote lacked.
    pub entries: u64,
    /// How many bytes of packs were sent.
    pub bytes: u64,
    /// The remote's packs in which what was asked for lies.
    pub packs: BTreeSet<Digest>,
}

/// What blobs are made of.
#[derive(Default)]
struct Parts {
    /// Blobs that are one entry, and chunks, with the length of the entry's payload.
    data: BTreeMap<Digest, u64>,
    lists: BTreeMap<Digest, u64>,
    /// All that must be there in the end.
    all: BTreeSet<Digest>,
}

/// A pack that was sent.
pub(super) type Sent = (Digest, PackIndex);

impl Remote {
    /// Sends blobs of the store, as far as the remote does not have them. Each pack can be seen
    /// once it is complete, lists of chunks after all chunks: whoever is killed here, or loses the
    /// network, goes on with what is left the next time.
    ///
    /// # Errors
    /// If the store lacks one of them or has it damaged, or the remote does not take them.
    pub fn push(
        &mut self,
        store: &Store,
        blobs: &BTreeSet<Digest>,
        watch: &dyn Watch,
    ) -> Result<Pushed, RemoteError> {
        let parts = self.parts(store, blobs, watch)?;
        let total = parts.data.values().chain(parts.lists.values()).sum();
        let mut pushed = Pushed::default();
        let moved = AtomicU64::new(0);
        for wanted in [&parts.data, &parts.lists] {
            let count = |bytes: u64| {
                let done = moved.fetch_add(bytes, Ordering::Relaxed) + bytes;
                watch.moved(done.min(total), total);
            };
            for (id, index) in self.send(store, wanted.keys(), watch, &count)? {
                pushed.entries += index.len() as u64;
                self.known.enter(&id, &index);
            }
        }
        pushed.bytes = moved.into_inner();
        let found = parts.all.iter().filter_map(|part| self.known.find(part));
        pushed.packs = found.map(|found| found.pack).collect();
        Ok(pushed)
    }

    /// What these blobs are made of, and what of it the remote lacks.
    fn parts(
        &self,
        store: &Store,
        blobs: &BTreeSet<Digest>,
        watch: &dyn Watch,
    ) -> Result<Parts, RemoteError> {
        let mut pass = Pass::new(store);
        let mut parts = Parts::default();
        for blob in blobs {
            if watch.is_cancelled() {
                return Err(RemoteError::Interrupted);
            }
            parts.all.insert(*blob);
            let known = self.known.find(blob);
            if is_data(known.as_ref()) {
                continue;
            }
            let entry = pass.entry(blob)?;
            if entry.kind == Kind::Data {
                parts.data.insert(*blob, u64::from(entry.stored));
                continue;
            }
            // Its chunks are looked at also where the list is there: they come before it, but a
            // listing may be behind.
            if known.is_none() {
                parts.lists.insert(*blob, u64::from(entry.stored));
            }
            if let Content::Chunks(_, chunks) = pass.content(blob)? {
                for (size, chunk) in chunks {
                    parts.all.insert(chunk);
                    if !is_data(self.known.find(&chunk).as_ref()) {
                        parts.data.insert(chunk, u64::from(size));
                    }
                }
            }
        }
        Ok(parts)
    }

    /// Packs these entries and sends the packs, several at a time.
    fn send<'a>(
        &self,
        store: &Store,
        entries: impl Iterator<Item = &'a Digest>,
        watch: &dyn Watch,
        count: &(dyn Fn(u64) + Sync),
    ) -> Result<Vec<Sent>, RemoteError> {
        let (sender, receiver) = sync_channel::<PackBytes>(1);
        let receiver = Mutex::new(receiver);
        let sent: Mutex<Vec<Sent>> = Mutex::default();
        let failed: Mutex<Option<RemoteError>> = Mutex::default();
        let packed = std::thread::scope(|scope| {
            for _ in 0..UPLOADS {
                scope.spawn(|| self.upload(&receiver, &sent, &failed, count));
            }
            let go_on = || lock(&failed).is_none() && !watch.is_cancelled();
            let packed = pack(store, entries, &go_on, &sender);
            // No more come: the threads end.
            drop(sender);
            packed
        });
        if let Some(error) = lock(&failed).take() {
            return Err(error);
        }
        packed?;
        let sent = std::mem::take(&mut *lock(&sent));
        Ok(sent)
    }

    /// Writes a pack, then its index.
    pub(super) fn put_pack(&self, pack: PackBytes) -> Result<Sent, RemoteError> {
        let index = pack.bytes[pack.end..].to_vec();
        self.put(&pack_object(&pack.id), pack.bytes)?;
        self.put(&index_object(&pack.id), index)?;
        Ok((pack.id, pack.index))
    }

    /// Sends packs until no more come. After an error they are only taken.
    fn upload(
        &self,
        packs: &Mutex<Receiver<PackBytes>>,
        sent: &Mutex<Vec<Sent>>,
        failed: &Mutex<Option<RemoteError>>,
        count: &(dyn Fn(u64) + Sync),
    ) {
        loop {
            let next = lock(packs).recv();
            let Ok(pack) = next else { return };
            if lock(failed).is_some() {
                continue;
            }
            let length = pack.bytes.len() as u64;
            match self.put_pack(pack) {
                Ok(sent_pack) => {
                    count(length);
                    lock(sent).push(sent_pack);
                }
                Err(error) => {
                    lock(failed).get_or_insert(error);
                }
            }
        }
    }
}

fn is_data(found: Option<&Found>) -> bool {
    found.is_some_and(|found| found.entry.kind == Kind::Data)
}

/// Puts entries of the store into packs. Every byte is verified on the way.
fn pack<'a>(
    store: &Store,
    entries: impl Iterator<Item = &'a Digest>,
    go_on: &dyn Fn() -> bool,
    packs: &SyncSender<PackBytes>,
) -> Result<(), RemoteError> {
    let mut pass = Pass::new(store);
    let mut encoder = Encoder::new();
    let mut pack = PackInMemory::new();
    for digest in entries {
        if !go_on() {
            return Err(RemoteError::Interrupted);
        }
        let (entry, payload) = pass.whole(digest, &mut encoder)?;
        pack.append(entry, &payload);
        if pack.length() >= PACK_LENGTH {
            let full = std::mem::replace(&mut pack, PackInMemory::new());
            if packs.send(full.finish()).is_err() {
                return Err(RemoteError::Interrupted);
            }
        }
    }
    if !pack.is_empty() && packs.send(pack.finish()).is_err() {
        return Err(RemoteError::Interrupted);
    }
    Ok(())
}
