//! Fetching: what the store lacks, by parts of packs, each entry verified before it is stored.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use reproof_record::Digest;

use super::known::Found;
use super::{Pulled, Remote, RemoteError, Watch, pack_object, parallel};
use crate::pack::{Entry, HEADER, Kind};
use crate::packer::lock;
use crate::read::{Content, Pass, open_entry};
use crate::{Batch, Store};

/// Entries that lie this near are fetched together: what lies between them costs less than a
/// request.
const NEAR: u64 = 128 << 10;
/// About how many bytes one request asks for.
const REQUEST: u64 = 4 << 20;
/// About how many bytes are fetched before they are made durable.
const ROUND: u64 = 64 << 20;

/// A part of a pack, and the entries wanted in it.
struct Part {
    pack: Digest,
    range: Range<u64>,
    wanted: Vec<(Entry, u64)>,
}

/// The chunks of a blob, as its list says.
type List = (Digest, u64, Vec<(u32, Digest)>);

impl Remote {
    /// Fetches blobs, as far as the store lacks them or chunks of them. What was fetched is
    /// durable in steps, so whoever is killed here goes on with what is left the next time. A blob
    /// that was cut can be seen once the whole of it was hashed.
    ///
    /// # Errors
    /// If the remote lacks one of them, has it damaged, or cannot be reached.
    pub fn pull(
        &mut self,
        store: &Store,
        blobs: &BTreeSet<Digest>,
        watch: &dyn Watch,
    ) -> Result<Pulled, RemoteError> {
        let mut state = Pull {
            remote: self,
            store,
            watch,
            pulled: Pulled::default(),
            lists: BTreeMap::new(),
            moved: AtomicU64::new(0),
            total: 0,
        };
        let missing = state.missing(blobs)?;
        // Lists of chunks come first, for what they say is wanted then.
        let is_list = |digest: &Digest| {
            let found = state.remote.known.find(digest);
            found.is_some_and(|found| found.entry.kind == Kind::List)
        };
        let (lists, data): (Vec<_>, Vec<_>) = missing.into_iter().partition(is_list);
        state.fetch(&lists)?;
        let mut wanted: BTreeSet<Digest> = data.into_iter().collect();
        for (_, chunks) in state.lists.values() {
            wanted.extend(chunks.iter().map(|(_, chunk)| *chunk));
        }
        wanted.extend(state.chunks_missing_here(blobs)?);
        let mut lacking = Vec::new();
        for digest in wanted {
            if !state.store.keeps(&digest)? {
                lacking.push(digest);
            }
        }
        state.fetch(&lacking)?;
        state.put_lists()?;
        Ok(state.pulled)
    }
}

/// A pull that is under way.
struct Pull<'a> {
    remote: &'a Remote,
    store: &'a Store,
    watch: &'a dyn Watch,
    pulled: Pulled,
    lists: BTreeMap<Digest, (u64, Vec<(u32, Digest)>)>,
    moved: AtomicU64,
    total: u64,
}

impl Pull<'_> {
    /// Those of these blobs of which the store has no entry.
    fn missing(&self, blobs: &BTreeSet<Digest>) -> Result<Vec<Digest>, RemoteError> {
        let mut missing = Vec::new();
        for blob in blobs {
            if !self.store.keeps(blob)? {
                missing.push(*blob);
            }
        }
        Ok(missing)
    }

    /// The chunks of blobs whose lists are here.
    fn chunks_missing_here(&self, blobs: &BTreeSet<Digest>) -> Result<Vec<Digest>, RemoteError> {
        let mut pass = Pass::new(self.store);
        let mut chunks = Vec::new();
        for blob in blobs {
            if self.store.knows(blob)?
                && pass.entry(blob)?.kind == Kind::List
                && let Content::Chunks(_, found) = pass.content(blob)?
            {
                chunks.extend(found.into_iter().map(|(_, chunk)| chunk));
            }
        }
        Ok(chunks)
    }

    /// Fetches entries and stores those that are data; lists wait until their chunks are there.
    fn fetch(&mut self, wanted: &[Digest]) -> Result<(), RemoteError> {
        let parts = self.parts(wanted)?;
        let length = |part: &Part| part.range.end - part.range.start;
        self.total += parts.iter().map(length).sum::<u64>();
        let mut rest = parts.as_slice();
        while !rest.is_empty() {
            let mut bytes = 0;
            let fits = |part: &&Part| {
                bytes += length(part);
                bytes <= ROUND
            };
            let count = rest.iter().take_while(fits).count().max(1);
            let (now, later) = rest.split_at(count);
            self.fetch_round(now)?;
            rest = later;
        }
        Ok(())
    }

    fn fetch_round(&mut self, parts: &[Part]) -> Result<(), RemoteError> {
        let batch = Mutex::new(self.store.batch());
        let found: Vec<Vec<List>> =
            parallel::each(parts, self.watch, |part| self.fetch_part(part, &batch))?;
        let batch = batch
            .into_inner()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        batch.commit()?;
        for (digest, size, chunks) in found.into_iter().flatten() {
            self.lists.insert(digest, (size, chunks));
        }
        for part in parts {
            self.pulled.entries += part.wanted.len() as u64;
            self.pulled.bytes += part.range.end - part.range.start;
        }
        Ok(())
    }

    /// Which parts of packs hold these entries.
    fn parts(&self, wanted: &[Digest]) -> Result<Vec<Part>, RemoteError> {
        let mut places: Vec<Found> = Vec::with_capacity(wanted.len());
        for digest in wanted {
            let found = self.remote.known.find(digest);
            places.push(found.ok_or_else(|| self.remote.who.lacks_blob(digest))?);
        }
        places.sort_by_key(|found| (found.pack, found.offset));
        let mut parts: Vec<Part> = Vec::new();
        for Found {
            pack,
            entry,
            offset,
        } in places
        {
            let end = offset + HEADER as u64 + u64::from(entry.stored);
            match parts.last_mut() {
                Some(part)
                    if part.pack == pack
                        && offset <= part.range.end + NEAR
                        && end - part.range.start <= REQUEST =>
                {
                    part.range.end = end;
                    part.wanted.push((entry, offset));
                }
                _ => parts.push(Part {
                    pack,
                    range: offset..end,
                    wanted: vec![(entry, offset)],
                }),
            }
        }
        Ok(parts)
    }

    /// Fetches a part of a pack, verifies every entry wanted of it, and gives them to the batch.
    fn fetch_part(&self, part: &Part, batch: &Mutex<Batch>) -> Result<Vec<List>, RemoteError> {
        let name = pack_object(&part.pack);
        let who = &self.remote.who;
        let got = self.remote.objects.get_range(&name, part.range.clone());
        let bytes = got
            .map_err(|error| who.failed(error))?
            .ok_or_else(|| who.lacks(format!("{name}, whose index is there")))?;
        let mut lists = Vec::new();
        for (entry, offset) in &part.wanted {
            let begin = (offset - part.range.start) as usize;
            let end = begin + HEADER + entry.stored as usize;
            let stored = bytes
                .get(begin..end)
                .ok_or_else(|| who.damaged(&name, "it is cut short"))?;
            let wrong = |what: &str| {
                let digest = entry.digest;
                who.damaged(&name, format!("blob {digest}, at byte {offset}: {what}"))
            };
            match open_entry(entry, stored).map_err(wrong)? {
                Content::Bytes(bytes) => lock(batch).put_known(entry.digest, bytes)?,
                Content::Chunks(size, chunks) => lists.push((entry.digest, size, chunks)),
            }
        }
        let length = part.range.end - part.range.start;
        let moved = self.moved.fetch_add(length, Ordering::Relaxed) + length;
        self.watch.moved(moved, self.total);
        Ok(lists)
    }

    /// Stores the lists of the blobs that were cut, each after the whole blob was hashed.
    fn put_lists(&mut self) -> Result<(), RemoteError> {
        let mut batch = self.store.batch();
        let mut pass = Pass::new(self.store);
        for (digest, (size, chunks)) in std::mem::take(&mut self.lists) {
            if self.watch.is_cancelled() {
                return Err(RemoteError::Interrupted);
            }
            let whole = pass.is_whole(&digest, &chunks);
            match whole {
                Ok(true) => batch.put_list(digest, size, chunks)?,
                Ok(false) => {
                    let found = self.remote.known.find(&digest);
                    let object = found.map_or(String::new(), |found| pack_object(&found.pack));
                    let what = format!("blob {digest}: its chunks make another blob");
                    return Err(self.remote.who.damaged(&object, what));
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(batch.commit()?)
    }
}
