//! Erasing: packs of a remote are written anew without what must not be on it.

use std::collections::BTreeSet;

use reproof_record::Digest;

use super::known::Known;
use super::{Remote, RemoteError, Watch, index_object, pack_object, parallel};
use crate::pack::{Entry, HEADER, Kind, PackInMemory, PackIndex, array};
use crate::read::{Content, open_entry};

/// The longest pack that is fetched whole.
const MAX_PACK: u64 = 1 << 30;

impl Remote {
    /// Removes these blobs from all packs, and the chunks that they alone are made of. A pack that
    /// held some of it is written anew, and the old one deleted once that is complete. Whoever is
    /// killed here goes on the next time. Gives how many packs that were.
    ///
    /// # Errors
    /// If the remote cannot be reached, refuses to delete, or a pack that is concerned is damaged.
    pub fn erase(
        &mut self,
        blobs: &BTreeSet<Digest>,
        watch: &dyn Watch,
    ) -> Result<u64, RemoteError> {
        if blobs.is_empty() {
            return Ok(0);
        }
        let names = self.documents("index")?;
        let ids: Vec<Digest> = names.iter().filter_map(|name| name.parse().ok()).collect();
        let indexes = parallel::each(&ids, watch, |id| self.index_of(id))?;
        let packs: Vec<(Digest, PackIndex)> = ids
            .into_iter()
            .zip(indexes)
            .filter_map(|(id, index)| Some((id, index?)))
            .collect();
        let mut entries = packs.iter().flat_map(|(_, index)| index);
        if !entries.any(|(entry, _)| blobs.contains(&entry.digest)) {
            return Ok(0);
        }
        let gone = self.gone(&packs, blobs, watch)?;
        let holds = |index: &PackIndex, kind: Kind| {
            let mut entries = index.iter();
            entries.any(|(entry, _)| entry.kind == kind && gone.contains(&entry.digest))
        };
        // Lists of chunks go last: without them nobody could tell any more which chunks are meant.
        let (last, first): (Vec<_>, Vec<_>) = packs
            .iter()
            .filter(|(_, index)| holds(index, Kind::Data) || holds(index, Kind::List))
            .partition(|(_, index)| holds(index, Kind::List));
        let mut count = 0;
        for (id, index) in first.into_iter().chain(last) {
            if watch.is_cancelled() {
                return Err(RemoteError::Interrupted);
            }
            self.write_without(id, index, &gone)?;
            count += 1;
        }
        self.known = Known::default();
        self.learn_all(watch)?;
        Ok(count)
    }

    /// The entries that go: the blobs, and the chunks of those that were cut, unless another blob
    /// is made of them, too.
    fn gone(
        &self,
        packs: &[(Digest, PackIndex)],
        blobs: &BTreeSet<Digest>,
        watch: &dyn Watch,
    ) -> Result<BTreeSet<Digest>, RemoteError> {
        let lists: Vec<(&Digest, &Entry, u64)> = packs
            .iter()
            .flat_map(|(id, index)| {
                let lists = index.iter().filter(|(entry, _)| entry.kind == Kind::List);
                lists.map(move |(entry, offset)| (id, entry, *offset))
            })
            .collect();
        let chunks = parallel::each(&lists, watch, |(id, entry, offset)| {
            self.chunks_at(id, entry, *offset)
        })?;
        let mut gone = blobs.clone();
        let mut kept = BTreeSet::new();
        for ((_, entry, _), chunks) in lists.into_iter().zip(chunks) {
            if blobs.contains(&entry.digest) {
                gone.extend(chunks);
            } else {
                kept.extend(chunks);
            }
        }
        gone.retain(|digest| !kept.contains(digest));
        Ok(gone)
    }

    /// The chunks of a list; none if its pack is gone.
    fn chunks_at(
        &self,
        pack: &Digest,
        entry: &Entry,
        offset: u64,
    ) -> Result<Vec<Digest>, RemoteError> {
        let name = pack_object(pack);
        let end = offset + HEADER as u64 + u64::from(entry.stored);
        let got = self.objects.get_range(&name, offset..end);
        let Some(bytes) = got.map_err(|error| self.who.failed(error))? else {
            return Ok(Vec::new());
        };
        if bytes.len() as u64 != end - offset {
            return Err(self.who.damaged(&name, "it is cut short"));
        }
        match open_entry(entry, &bytes).map_err(|what| self.who.damaged(&name, what))? {
            Content::Chunks(_, chunks) => Ok(chunks.into_iter().map(|(_, chunk)| chunk).collect()),
            Content::Bytes(_) => Ok(Vec::new()),
        }
    }

    /// Writes a pack anew without some of its entries, and deletes it.
    fn write_without(
        &self,
        id: &Digest,
        index: &PackIndex,
        gone: &BTreeSet<Digest>,
    ) -> Result<(), RemoteError> {
        let name = pack_object(id);
        // Where it is gone, an earlier attempt got so far.
        if let Some(bytes) = self.get(&name, MAX_PACK)? {
            let mut pack = PackInMemory::new();
            for (entry, offset) in index
                .iter()
                .filter(|(entry, _)| !gone.contains(&entry.digest))
            {
                let begin = *offset as usize;
                let stored = bytes.get(begin..begin + HEADER + entry.stored as usize);
                let stored = stored.ok_or_else(|| self.who.damaged(&name, "it is cut short"))?;
                let (header, payload) = stored.split_at(HEADER);
                let is_right = Entry::parse(&array(header)).is_ok_and(|found| found == *entry);
                if !is_right || !entry.fits(payload) {
                    let what = format!("blob {}: its check sum is wrong", entry.digest);
                    return Err(self.who.damaged(&name, what));
                }
                pack.append(*entry, payload);
            }
            if !pack.is_empty() {
                self.put_pack(pack.finish())?;
            }
            self.delete(&name)?;
        }
        self.delete(&index_object(id))
    }

    fn delete(&self, name: &str) -> Result<(), RemoteError> {
        let deleted = self.objects.delete(name);
        deleted.map_err(|error| self.who.failed(error))
    }

    /// Forgets what is known of its packs: somebody wrote some of them anew.
    pub fn forget(&mut self) {
        self.known = Known::default();
    }
}
