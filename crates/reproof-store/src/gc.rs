//! Deleting what nobody needs any more, beside processes that store more.
//!
//! In two phases. The first condemns every entry that nothing needs, and begins a generation (see
//! `open.rs`). The second comes when everybody who had opened the store before has ended: what is
//! condemned and still not needed is deleted. No clock is asked, and no lock outlives a process.

use std::collections::{BTreeMap, BTreeSet};

use reproof_record::Digest;

use crate::Store;
use crate::encode::Encoder;
use crate::error::StoreError;
use crate::fs::unique;
use crate::index::Place;
use crate::open::Condemned;
use crate::pack::{Encoding, Entry, HEADER, Kind, PackIndex, PackWriter, parse_list};
use crate::packer::{PACK_LENGTH, lock};
use crate::read::{Pass, base_of};

/// A pack that is shorter may be joined with others.
const SMALL_PACK: u64 = 4 << 20;
/// So many small packs are worth joining.
const MANY_SMALL: usize = 16;

/// What is needed.
type Live = BTreeSet<Digest>;

/// What a collection found and did. Sizes are those of packs' entries, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Collected {
    /// How many entries are needed: blobs, and chunks of large ones.
    pub live: u64,
    /// Their size.
    pub live_bytes: u64,
    /// How many entries are not needed.
    pub dead: u64,
    /// Their size.
    pub dead_bytes: u64,
    /// By how much the packs became smaller.
    pub freed_bytes: u64,
    /// Whether a process that had opened the store before still runs: what is condemned is deleted
    /// by a later collection.
    pub waiting: bool,
    /// Whether another collection runs, so that this one did nothing.
    pub busy: bool,
}

/// An entry's place, header and pack.
type Pack = (Digest, PackIndex);

impl Store {
    /// Deletes what is not needed, as far as that is safe now; `dry_run` only counts.
    ///
    /// `needed` names all blobs that are needed; it may be asked more than once. What those are
    /// made of need not be named.
    ///
    /// # Errors
    /// Those of `needed`, and of the store. Nothing that is needed is gone then.
    pub fn collect<E: From<StoreError>>(
        &self,
        dry_run: bool,
        needed: impl FnMut() -> Result<Live, E>,
    ) -> Result<Collected, E> {
        self.collect_with(dry_run, false, needed)
    }

    /// As [`Store::collect`]. With `bases` what is only kept as the base of deltas is deleted, too:
    /// they are encoded anew before, so that no byte is left of what is not needed.
    ///
    /// # Errors
    /// As [`Store::collect`].
    pub fn collect_with<E: From<StoreError>>(
        &self,
        dry_run: bool,
        bases: bool,
        mut needed: impl FnMut() -> Result<Live, E>,
    ) -> Result<Collected, E> {
        if dry_run {
            let live = self.close_over(needed()?)?;
            return Ok(self.count(&live)?);
        }
        let path = self.gc_dir().join("lock");
        let held = self.lock_alone(&path).map_err(StoreError::from)?;
        let Some(_held) = held else {
            return Ok(Collected {
                busy: true,
                ..Collected::default()
            });
        };
        // This process relies on nothing while it collects.
        self.leave();
        let freed = if bases {
            needed().and_then(|live| Ok(self.free_bases(live)?))
        } else {
            Ok(())
        };
        let collected = freed.and_then(|()| self.collect_alone(&mut needed));
        let entered = self.enter();
        let collected = collected?;
        entered?;
        Ok(collected)
    }

    fn collect_alone<E: From<StoreError>>(
        &self,
        needed: &mut impl FnMut() -> Result<Live, E>,
    ) -> Result<Collected, E> {
        let mut freed = 0;
        if let Some(condemned) = self.read_condemned()? {
            // An earlier collection got no further.
            if !self.others_have_ended(&condemned)? {
                let live = self.close_over(needed()?)?;
                return Ok(Collected {
                    waiting: true,
                    ..self.count(&live)?
                });
            }
            let live = self.close_over(needed()?)?;
            freed += self.delete(&condemned, &live)?;
        }
        let live = self.close_over(needed()?)?;
        let mut collected = self.count(&live)?;
        let condemned = self.condemn(&live)?;
        if condemned.len() > 0 {
            self.write_condemned(&condemned)?;
            if self.others_have_ended(&condemned)? {
                // Whoever ended meanwhile may have come to need what was condemned.
                let live = self.close_over(needed()?)?;
                freed += self.delete(&condemned, &live)?;
            } else {
                collected.waiting = true;
            }
        }
        freed += self.join_small(&live)?;
        collected.freed_bytes = freed;
        Ok(collected)
    }

    /// Whether everybody has ended who opened the store before the generation that begins with this
    /// list. It begins here, if whoever wrote the list did not come to it.
    fn others_have_ended(&self, condemned: &Condemned) -> Result<bool, StoreError> {
        let begun = condemned.generation;
        if self.generation()? < begun {
            self.begin_generation(begun)?;
        }
        let mut ended = true;
        for entry in self.io.read_dir(&self.gc_dir())? {
            let name = entry.name.to_string_lossy();
            let number = name
                .strip_prefix("open-")
                .and_then(|text| text.parse().ok());
            if let Some(number) = number
                && number < begun
            {
                ended &= self.nobody_is_in(number)?;
            }
        }
        Ok(ended)
    }

    /// All packs with their entries, as their own indexes say. A pack that is damaged is not among
    /// them: nothing of it is deleted.
    fn all_packs(&self) -> Result<Vec<Pack>, StoreError> {
        let ids: Vec<Digest> = {
            let mut index = lock(&self.index);
            index.forget();
            self.refresh(&mut index, true)?;
            index.packs().copied().collect()
        };
        let mut packs = Vec::new();
        for id in ids {
            if let Some(entries) = self.pack_index(&id)? {
                packs.push((id, entries));
            }
        }
        Ok(packs)
    }

    /// Adds what the needed blobs are made of: chunks, and what deltas are based on, unless there is
    /// a right copy that is no delta.
    fn close_over(&self, live: Live) -> Result<Live, StoreError> {
        let packs = self.all_packs()?;
        let mut pass = Pass::new(self);
        let mut live = with_chunks(&packs, &mut pass, live)?;
        let deltas = deltas(&packs, &mut pass, &live)?;
        let whole = whole(&packs, &mut pass, &deltas)?;
        let bases = deltas
            .into_iter()
            .filter(|(digest, _)| !whole.contains(digest));
        live.extend(bases.flat_map(|(_, bases)| bases));
        Ok(live)
    }

    /// Encodes needed deltas anew whose base is needed for nothing else, so that it can go.
    fn free_bases(&self, live: Live) -> Result<(), StoreError> {
        let packs = self.all_packs()?;
        let mut pass = Pass::new(self);
        let live = with_chunks(&packs, &mut pass, live)?;
        let mut deltas = deltas(&packs, &mut pass, &live)?;
        deltas.retain(|_, bases| !bases.is_subset(&live));
        let whole = whole(&packs, &mut pass, &deltas)?;
        deltas.retain(|digest, _| !whole.contains(digest));
        let generation = self.generation()?;
        let mut encoder = Encoder::new();
        let mut written = Vec::new();
        let mut current: Option<PackWriter> = None;
        for digest in deltas.keys() {
            let (entry, payload) = pass.whole(digest, &mut encoder)?;
            let writer = match &mut current {
                Some(writer) => writer,
                empty => empty.insert(PackWriter::new(
                    &self.io,
                    self.temp_dir().join(unique()),
                    generation,
                )?),
            };
            writer.append(entry, &payload)?;
            if writer.length() >= PACK_LENGTH
                && let Some(full) = current.take()
            {
                written.push(full.finish()?);
            }
        }
        if let Some(last) = current {
            written.push(last.finish()?);
        }
        if !written.is_empty() {
            self.replace(&[], written)?;
        }
        Ok(())
    }

    fn count(&self, live: &Live) -> Result<Collected, StoreError> {
        let mut counted = Collected::default();
        for (_, entries) in self.all_packs()? {
            for (entry, _) in entries {
                if live.contains(&entry.digest) {
                    counted.live += 1;
                    counted.live_bytes += length(&entry);
                } else {
                    counted.dead += 1;
                    counted.dead_bytes += length(&entry);
                }
            }
        }
        Ok(counted)
    }

    /// All that is not needed, and copies of what is needed beside one that is right. All of it:
    /// where something stays, such as a tree, whoever comes later takes what it names to be there.
    fn condemn(&self, live: &Live) -> Result<Condemned, StoreError> {
        let packs = self.all_packs()?;
        let mut condemned = self.surplus(&packs, live)?;
        condemned.generation = self.generation()? + 1;
        for (pack, entries) in packs {
            for (entry, _) in entries {
                if !live.contains(&entry.digest) {
                    condemned.insert(pack, entry.digest);
                }
            }
        }
        Ok(condemned)
    }

    /// Copies of needed entries beside one that is right.
    fn surplus(&self, packs: &[Pack], live: &Live) -> Result<Condemned, StoreError> {
        let mut copies: BTreeMap<Digest, Vec<(bool, Digest, Place)>> = BTreeMap::new();
        for (pack, entries) in packs {
            for (entry, offset) in entries {
                if live.contains(&entry.digest) {
                    let place = place(pack, entry, *offset);
                    let is_delta = entry.encoding == Encoding::Delta;
                    let copies = copies.entry(entry.digest).or_default();
                    copies.push((is_delta, *pack, place));
                }
            }
        }
        copies.retain(|_, places| places.len() > 1);
        let mut pass = Pass::new(self);
        let mut surplus = Condemned::default();
        for (digest, mut places) in copies {
            // One that needs no base is the one that stays: the base may go.
            places.sort_by_key(|(is_delta, ..)| *is_delta);
            let mut right = None;
            for (number, (_, _, place)) in places.iter().enumerate() {
                if right.is_none() && pass.copy_at(&digest, place)?.is_ok() {
                    right = Some(number);
                }
            }
            let Some(right) = right else { continue };
            for (number, (_, pack, _)) in places.iter().enumerate() {
                if number != right {
                    surplus.insert(*pack, digest);
                }
            }
        }
        Ok(surplus)
    }

    /// Deletes what is condemned and still not needed, and copies of what is needed that has a
    /// right one elsewhere. Gives by how much the packs became smaller.
    fn delete(&self, condemned: &Condemned, live: &Live) -> Result<u64, StoreError> {
        let mut packs = self.all_packs()?;
        let elsewhere = self.right_elsewhere(&packs, condemned, live)?;
        let is_dead = |pack: &Digest, entry: &Entry| {
            condemned.contains(pack, &entry.digest)
                && (!live.contains(&entry.digest) || elsewhere.contains(&entry.digest))
        };
        packs.retain(|(pack, entries)| entries.iter().any(|(entry, _)| is_dead(pack, entry)));
        let freed = self.rewrite(&packs, &is_dead)?;
        match self.io.remove_file(&self.condemned_path()) {
            Err(error) if !error.is_not_found() => Err(error.into()),
            _ => Ok(freed),
        }
    }

    /// Of the needed entries of which a copy is condemned, those with a right copy that is not.
    fn right_elsewhere(
        &self,
        packs: &[Pack],
        condemned: &Condemned,
        live: &Live,
    ) -> Result<Live, StoreError> {
        let mut pass = Pass::new(self);
        let mut elsewhere = Live::new();
        for (pack, entries) in packs {
            for (entry, offset) in entries {
                let digest = &entry.digest;
                if live.contains(digest)
                    && condemned.names(digest)
                    && !condemned.contains(pack, digest)
                    && pass.copy_at(digest, &place(pack, entry, *offset))?.is_ok()
                {
                    elsewhere.insert(*digest);
                }
            }
        }
        Ok(elsewhere)
    }

    /// Joins small packs, if there are many: each costs every process that opens the store.
    fn join_small(&self, live: &Live) -> Result<u64, StoreError> {
        let mut packs = self.all_packs()?;
        packs.retain(|(_, entries)| {
            let bytes: u64 = entries.iter().map(|(entry, _)| length(entry)).sum();
            bytes < SMALL_PACK
                && entries
                    .iter()
                    .all(|(entry, _)| live.contains(&entry.digest))
        });
        if packs.len() < MANY_SMALL {
            return Ok(0);
        }
        self.rewrite(&packs, &|_, _| false)
    }

    /// Writes the entries of these packs that are not dead into new packs, and removes the old
    /// ones. A pack with a damaged entry that is needed stays as it is.
    fn rewrite(
        &self,
        packs: &[Pack],
        is_dead: &dyn Fn(&Digest, &Entry) -> bool,
    ) -> Result<u64, StoreError> {
        let mut pass = Pass::new(self);
        let generation = self.generation()?;
        let mut written = Vec::new();
        let mut current: Option<PackWriter> = None;
        let mut old = Vec::new();
        // One copy of each is enough.
        let mut taken = BTreeSet::new();
        for (pack, entries) in packs {
            let mut kept = Vec::new();
            for (entry, offset) in entries {
                if is_dead(pack, entry) || taken.contains(&entry.digest) {
                    continue;
                }
                let place = place(pack, entry, *offset);
                if pass.copy_at(&entry.digest, &place)?.is_err() {
                    break;
                }
                let Some(payload) = pass.payload(&place)? else {
                    break;
                };
                kept.push((entry, payload));
            }
            let wanted = entries
                .iter()
                .filter(|(entry, _)| !is_dead(pack, entry) && !taken.contains(&entry.digest));
            if kept.len() != wanted.count() {
                continue;
            }
            for (entry, payload) in kept {
                taken.insert(entry.digest);
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
            old.push(*pack);
        }
        if let Some(last) = current {
            written.push(last.finish()?);
        }
        self.replace(&old, written)
    }

    /// Gives new packs their names, and removes old ones once that is durable.
    pub(crate) fn replace(
        &self,
        old: &[Digest],
        mut written: Vec<crate::pack::FinishedPack>,
    ) -> Result<u64, StoreError> {
        let mut after = 0;
        for pack in &mut written {
            pack.sync()?;
            pack.publish(&self.pack_path(&pack.id))?;
            after += self.io.metadata(&self.pack_path(&pack.id))?.size;
        }
        self.io.sync_dir(&self.packs_dir())?;
        let new: BTreeSet<Digest> = written.iter().map(|pack| pack.id).collect();
        let mut before = 0;
        for pack in old {
            let path = self.pack_path(pack);
            before += self.io.metadata(&path)?.size;
            if !new.contains(pack) {
                self.io.remove_file(&path)?;
            }
        }
        self.io.sync_dir(&self.packs_dir())?;
        // The index lists packs that are gone: it is written anew, or left to be so.
        let temporary = self.temp_dir().join(unique());
        let mut index = lock(&self.index);
        index.forget();
        self.refresh(&mut index, true)?;
        index.save(self.io.as_ref(), &self.root, &temporary);
        Ok(before.saturating_sub(after))
    }
}

/// Adds the chunks of needed blobs.
fn with_chunks(packs: &[Pack], pass: &mut Pass, mut live: Live) -> Result<Live, StoreError> {
    for (pack, entries) in packs {
        for (entry, offset) in entries {
            if entry.kind == Kind::List && live.contains(&entry.digest) {
                let payload = pass.payload(&place(pack, entry, *offset))?;
                let chunks = payload.and_then(|bytes| parse_list(&bytes, entry.size).ok());
                live.extend(chunks.unwrap_or_default().into_iter().map(|chunk| chunk.1));
            }
        }
    }
    Ok(live)
}

/// Needed entries that are stored as deltas, with what those are based on.
fn deltas(
    packs: &[Pack],
    pass: &mut Pass,
    live: &Live,
) -> Result<BTreeMap<Digest, Live>, StoreError> {
    let mut deltas: BTreeMap<Digest, Live> = BTreeMap::new();
    for (pack, entries) in packs {
        for (entry, offset) in entries {
            if entry.encoding == Encoding::Delta
                && live.contains(&entry.digest)
                && let Some(payload) = pass.payload(&place(pack, entry, *offset))?
            {
                let bases = deltas.entry(entry.digest).or_default();
                bases.insert(base_of(&payload));
            }
        }
    }
    Ok(deltas)
}

/// Those of these deltas that also have a right copy which is none.
fn whole(
    packs: &[Pack],
    pass: &mut Pass,
    deltas: &BTreeMap<Digest, Live>,
) -> Result<Live, StoreError> {
    let mut whole = Live::new();
    for (pack, entries) in packs {
        for (entry, offset) in entries {
            if entry.encoding != Encoding::Delta
                && deltas.contains_key(&entry.digest)
                && pass
                    .copy_at(&entry.digest, &place(pack, entry, *offset))?
                    .is_ok()
            {
                whole.insert(entry.digest);
            }
        }
    }
    Ok(whole)
}

fn length(entry: &Entry) -> u64 {
    HEADER as u64 + u64::from(entry.stored)
}

fn place(pack: &Digest, entry: &Entry, offset: u64) -> Place {
    Place {
        pack: *pack,
        offset,
        stored: entry.stored,
    }
}
