//! Damaged copies of what has a right one elsewhere are removed, so that nothing is left of damage
//! that was mended.

use std::collections::BTreeSet;

use reproof_record::Digest;

use crate::Store;
use crate::error::StoreError;
use crate::fs::{IoError, unique};
use crate::index::Place;
use crate::pack::{IndexFault, PackIndex, PackWriter, read_index, salvage};
use crate::packer::{PACK_LENGTH, lock};
use crate::read::Pass;

/// A pack with something wrong in it.
struct Wrong {
    pack: Digest,
    /// Its entries that are right.
    right: PackIndex,
}

impl Store {
    /// Writes packs with damage anew, without what is damaged, once all of that has a right copy in
    /// another pack. Gives how many packs that were. Nothing is done while `gc` is at work.
    ///
    /// # Errors
    /// Trouble of the storage. Nothing that can be read is gone then.
    pub fn drop_damaged(&self) -> Result<u64, StoreError> {
        let Some(_held) = self.lock_alone(&self.gc_dir().join("lock"))? else {
            return Ok(0);
        };
        let packs: Vec<Digest> = {
            let mut index = lock(&self.index);
            index.forget();
            self.refresh(&mut index, true)?;
            index.packs().copied().collect()
        };
        let mut pass = Pass::new(self);
        let mut wrong = Vec::new();
        for pack in packs {
            wrong.extend(self.wrong_pack(&mut pass, pack)?);
        }
        let generation = self.generation()?;
        let mut written = Vec::new();
        let mut current: Option<PackWriter> = None;
        for (entry, offset, pack) in wrong.iter().flat_map(|wrong| {
            let right = wrong.right.iter();
            right.map(|(entry, offset)| (entry, offset, wrong.pack))
        }) {
            let place = Place {
                pack,
                offset: *offset,
                stored: entry.stored,
            };
            let Some(payload) = pass.payload(&place)? else {
                // It was right a moment ago: the pack stays, and so does everything else.
                return Ok(0);
            };
            let writer = match &mut current {
                Some(writer) => writer,
                empty => empty.insert(PackWriter::new(
                    &self.io,
                    self.temp_dir().join(unique()),
                    generation,
                )?),
            };
            writer.append(*entry, &payload)?;
            if writer.length() >= PACK_LENGTH
                && let Some(full) = current.take()
            {
                written.push(full.finish()?);
            }
        }
        if let Some(last) = current {
            written.push(last.finish()?);
        }
        let old: Vec<Digest> = wrong.iter().map(|wrong| wrong.pack).collect();
        self.replace(&old, written)?;
        Ok(old.len() as u64)
    }

    /// A pack that has damage, if all that is damaged in it is right elsewhere.
    fn wrong_pack(&self, pass: &mut Pass, pack: Digest) -> Result<Option<Wrong>, StoreError> {
        let path = self.pack_path(&pack);
        let file = match self.io.open_read(&path) {
            Err(error) if error.is_not_found() => return Ok(None),
            file => file?,
        };
        let length = file.facts()?.size;
        let (entries, mut has_damage) = match read_index(file.as_ref(), length, &pack) {
            Ok(entries) => (entries, false),
            Err(IndexFault::Damaged(_)) => (salvage(file.as_ref(), length), true),
            Err(IndexFault::Io(source)) => return Err(IoError::new("read", &path, source).into()),
        };
        let mut right = PackIndex::new();
        let mut seen = BTreeSet::new();
        let mut wrong = BTreeSet::new();
        for (entry, offset) in entries {
            let fault = self.entry_fault(pass, &pack, file.as_ref(), &entry, offset)?;
            if fault.is_none() {
                if seen.insert(entry.digest) {
                    right.push((entry, offset));
                }
                continue;
            }
            has_damage = true;
            wrong.insert(entry.digest);
        }
        for digest in wrong.difference(&seen) {
            let mut elsewhere = false;
            for place in self.places(digest, false)? {
                elsewhere |= place.pack != pack && pass.copy_at(digest, &place)?.is_ok();
            }
            if !elsewhere {
                return Ok(None);
            }
        }
        Ok(has_damage.then_some(Wrong { pack, right }))
    }
}
