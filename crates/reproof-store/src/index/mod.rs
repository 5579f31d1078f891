//! Where each entry lies: learnt from the packs, and kept in one derived file.
//!
//! Packs are the truth. The file `index` spares a process from reading the index of every pack; it
//! may be deleted at any time. What it does not know, or knows wrongly, is read from the packs: a
//! pack that it does not list is read when the store is first used, an entry that does not lie
//! where it says makes it be thrown away, and so does a wrong check sum, which is looked at before
//! anything is called missing.

mod file;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use reproof_record::Digest;

use self::file::Merged;
use crate::fs::{Facts, Io, IoError};
use crate::pack::{IndexFault, PackIndex, read_index, salvage};

/// With this many packs that the file does not list, and an eighth of all, it is written anew.
const MANY_PACKS: usize = 48;

/// Where an entry lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    /// The pack's name.
    pub pack: Digest,
    /// Where its header begins.
    pub offset: u64,
    /// The length of its payload.
    pub stored: u32,
}

/// A pack as the folder shows it.
#[derive(Debug)]
struct Known {
    id: Digest,
    /// Whether the folder still has it.
    present: bool,
}

/// What is known of the packs of a store.
#[derive(Debug, Default)]
pub(crate) struct Index {
    packs: Vec<Known>,
    numbers: BTreeMap<Digest, u32>,
    /// What the file does not list: by digest and the number of the pack.
    fresh: BTreeMap<(Digest, u32), (u64, u32)>,
    merged: Option<Merged>,
    /// Whether the file was read, or found unusable.
    loaded: bool,
    /// Packs whose own index is damaged.
    damaged: BTreeSet<Digest>,
    /// The folder's facts when it was listed, and when that was, in nanoseconds since 1970.
    listed: Option<(Facts, i64)>,
}

/// The name of a pack's file.
pub(crate) fn pack_name(id: &Digest) -> String {
    format!("{id}.pack")
}

fn pack_id(name: &str) -> Option<Digest> {
    name.strip_suffix(".pack")?.parse().ok()
}

impl Index {
    /// All places of an entry that the packs known so far have.
    pub fn places(&mut self, digest: &Digest) -> Vec<Place> {
        let mut places = Vec::new();
        for ((_, pack), (offset, stored)) in self.fresh.range((*digest, 0)..=(*digest, u32::MAX)) {
            places.extend(self.place(*pack, *offset, *stored));
        }
        let mut merged = Vec::new();
        if let Some(file) = &mut self.merged
            && !file.find(digest, &mut merged)
        {
            self.merged = None;
            self.forget();
        }
        for (pack, offset, stored) in merged {
            places.extend(self.place(pack, offset, stored));
        }
        places
    }

    fn place(&self, pack: u32, offset: u64, stored: u32) -> Option<Place> {
        let known = self.packs.get(pack as usize)?;
        known.present.then_some(Place {
            pack: known.id,
            offset,
            stored,
        })
    }

    /// Whether the folder of packs was ever looked at.
    pub fn is_loaded(&self) -> bool {
        self.listed.is_some()
    }

    /// The digests of all entries in packs that are there, sorted.
    pub fn digests(&self) -> Vec<Digest> {
        let is_there = |pack: u32| {
            let known = self.packs.get(pack as usize);
            known.is_some_and(|known| known.present)
        };
        let fresh = self.fresh.keys().filter(|(_, pack)| is_there(*pack));
        let mut digests: Vec<Digest> = fresh.map(|(digest, _)| *digest).collect();
        if let Some(file) = &self.merged {
            file.each(|digest, (pack, ..)| {
                if is_there(pack) {
                    digests.push(digest);
                }
                true
            });
        }
        digests.sort_unstable();
        digests.dedup();
        digests
    }

    /// Forgets all that came from the file, so that the packs are read again.
    pub fn forget(&mut self) {
        *self = Self {
            loaded: true,
            ..Self::default()
        };
    }

    /// Whether the file is what was written. If it is not, it is forgotten.
    pub fn is_trusted(&mut self) -> bool {
        let right = self.merged.as_mut().is_none_or(Merged::is_right);
        if !right {
            self.forget();
        }
        right
    }

    /// What the file states of packs that are there; none if there is no file.
    pub fn stated(&self) -> Option<BTreeSet<(Digest, Place)>> {
        let file = self.merged.as_ref()?;
        let mut stated = BTreeSet::new();
        file.each(|digest, (pack, offset, stored)| {
            let place = self.place(pack, offset, stored);
            stated.extend(place.map(|place| (digest, place)));
            true
        });
        Some(stated)
    }

    /// The packs that are there.
    pub fn packs(&self) -> impl Iterator<Item = &Digest> {
        let present = self.packs.iter().filter(|known| known.present);
        present.map(|known| &known.id)
    }

    /// Learns of a pack that this process wrote.
    pub fn add(&mut self, id: &Digest, entries: &PackIndex) {
        if self.loaded {
            let number = self.number(id);
            self.enter(number, entries);
        }
    }

    fn number(&mut self, id: &Digest) -> u32 {
        if let Some(number) = self.numbers.get(id) {
            self.packs[*number as usize].present = true;
            return *number;
        }
        let number = self.packs.len() as u32;
        self.numbers.insert(*id, number);
        self.packs.push(Known {
            id: *id,
            present: true,
        });
        number
    }

    fn enter(&mut self, number: u32, entries: &PackIndex) {
        for (entry, offset) in entries {
            // The first one counts: what was salvaged may have wrong ones behind it.
            self.fresh
                .entry((entry.digest, number))
                .or_insert((*offset, entry.stored));
        }
    }

    /// Looks at the folder of packs, if it may have changed. Says whether it looked.
    pub fn refresh(&mut self, io: &dyn Io, root: &Path, packs: &Path) -> Result<bool, IoError> {
        let facts = io.metadata(packs)?;
        if let Some((before, at)) = self.listed
            && before == facts
            && facts.settled(at)
        {
            return Ok(false);
        }
        let now = crate::now_ns();
        let entries = io.read_dir(packs)?;
        if !self.loaded {
            self.loaded = true;
            self.load(io, root);
        }
        for known in &mut self.packs {
            known.present = false;
        }
        let names = entries.iter().filter_map(|entry| entry.name.to_str());
        for id in names.filter_map(pack_id) {
            if let Some(number) = self.numbers.get(&id) {
                self.packs[*number as usize].present = true;
            } else {
                self.read_pack(io, packs, &id)?;
            }
        }
        self.listed = Some((facts, now));
        Ok(true)
    }

    fn load(&mut self, io: &dyn Io, root: &Path) {
        // A file that cannot be used is as good as none.
        let Some((merged, ids)) = Merged::open(io, &root.join(file::NAME)) else {
            return;
        };
        for id in ids {
            self.number(&id);
        }
        self.merged = Some(merged);
    }

    fn read_pack(&mut self, io: &dyn Io, packs: &Path, id: &Digest) -> Result<(), IoError> {
        let path = packs.join(pack_name(id));
        let file = match io.open_read(&path) {
            Err(error) if error.is_not_found() => return Ok(()),
            file => file?,
        };
        let length = file.facts()?.size;
        let entries = match read_index(file.as_ref(), length, id) {
            Ok(entries) => entries,
            Err(IndexFault::Io(source)) => {
                return Err(IoError::new("read", &path, source));
            }
            Err(IndexFault::Damaged(_)) => {
                self.damaged.insert(*id);
                salvage(file.as_ref(), length)
            }
        };
        let number = self.number(id);
        self.enter(number, &entries);
        Ok(())
    }

    /// Writes the file anew if too much is not in it. What goes wrong here harms nobody.
    pub fn save_if_worth_it(&mut self, io: &dyn Io, root: &Path, temporary: &Path) {
        let in_file = self.merged.as_ref().map_or(0, Merged::packs);
        let outside = self.packs.len().saturating_sub(in_file);
        if outside >= MANY_PACKS.max(self.packs.len() / 8) {
            self.save(io, root, temporary);
        }
    }

    /// Writes the file anew.
    pub fn save(&mut self, io: &dyn Io, root: &Path, temporary: &Path) {
        // A damaged pack must be looked at by whoever opens the store.
        let numbers: BTreeMap<u32, u32> = self
            .packs
            .iter()
            .enumerate()
            .filter(|(_, known)| known.present && !self.damaged.contains(&known.id))
            .zip(0..)
            .map(|((old, _), new)| (old as u32, new))
            .collect();
        let kept = numbers.keys().map(|old| self.packs[*old as usize].id);
        let kept: Vec<Digest> = kept.collect();
        let written = file::write(
            io,
            (&root.join(file::NAME), temporary),
            &kept,
            &numbers,
            self.merged.as_mut(),
            &self.fresh,
        );
        if written {
            // What is known now is what the file says; the next look at the folder reads the rest.
            *self = Self::default();
        } else {
            let _ = io.remove_file(temporary);
        }
    }
}
