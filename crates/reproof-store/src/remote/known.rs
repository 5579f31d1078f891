//! What is known of a remote's packs, learnt from their indexes.

use std::collections::BTreeMap;

use reproof_record::Digest;

use super::{Remote, RemoteError, index_object};
use crate::fs::write_atomic;
use crate::pack::{Entry, PackIndex, parse_index};

/// The largest index that is read.
const MAX_INDEX: u64 = 512 << 20;

/// An entry of a remote's pack.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found {
    /// The pack's name.
    pub pack: Digest,
    /// Its header.
    pub entry: Entry,
    /// Where in the pack that begins.
    pub offset: u64,
}

/// The entries of all packs that are known, one of each digest.
#[derive(Debug, Default)]
pub(super) struct Known {
    packs: BTreeMap<Digest, u32>,
    names: Vec<Digest>,
    entries: BTreeMap<Digest, (u32, Entry, u64)>,
}

impl Known {
    pub fn has_pack(&self, id: &Digest) -> bool {
        self.packs.contains_key(id)
    }

    /// Learns of a pack. Of several entries of a digest the first one counts.
    pub fn enter(&mut self, id: &Digest, index: &PackIndex) {
        let number = self.names.len() as u32;
        self.packs.insert(*id, number);
        self.names.push(*id);
        for (entry, offset) in index {
            self.entries
                .entry(entry.digest)
                .or_insert((number, *entry, *offset));
        }
    }

    pub fn find(&self, digest: &Digest) -> Option<Found> {
        let (pack, entry, offset) = self.entries.get(digest)?;
        Some(Found {
            pack: *self.names.get(*pack as usize)?,
            entry: *entry,
            offset: *offset,
        })
    }
}

impl Remote {
    /// The index of a pack, from the cache or the remote; none if the pack has none.
    pub(super) fn index_of(&self, id: &Digest) -> Result<Option<PackIndex>, RemoteError> {
        let cached = self.cache.as_ref().map(|(folder, io)| {
            let path = folder.join(id.to_hex().as_str());
            (path, io)
        });
        if let Some((path, io)) = &cached
            && let Ok(bytes) = io.read(path, MAX_INDEX)
            && let Ok(index) = parse_index(&bytes, id)
        {
            return Ok(Some(index));
        }
        let name = index_object(id);
        let Some(bytes) = self.get(&name, MAX_INDEX)? else {
            return Ok(None);
        };
        let index = parse_index(&bytes, id).map_err(|what| self.who.damaged(&name, what))?;
        if let Some((path, io)) = cached {
            // It only spares the next process a request.
            let folder = path.parent().map(|folder| io.create_dir_all(folder));
            if matches!(folder, Some(Ok(()))) {
                let _ = write_atomic(io.as_ref(), &path, &bytes);
            }
        }
        Ok(Some(index))
    }
}
