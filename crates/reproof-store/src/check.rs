//! Every bit of every pack, looked at.

use std::collections::BTreeSet;
use std::io;
use std::ops::Range;
use std::path::PathBuf;

use reproof_record::Digest;

use crate::error::StoreError;
use crate::fs::IoError;
use crate::index::{Index, Place};
use crate::pack::{
    Encoding, Entry, HEADER, IndexFault, Kind, PackIndex, parse_list, read_index, salvage,
};
use crate::packer::lock;
use crate::read::{Content, Pass, base_of};
use crate::{Store, fs};

/// Something that is wrong in the store.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Damage {
    /// The entry: a blob, or a chunk of one. None where it is the pack itself.
    pub digest: Option<Digest>,
    /// The pack.
    pub path: PathBuf,
    /// What is wrong.
    pub what: String,
}

impl std::fmt::Display for Damage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.digest {
            Some(digest) => write!(f, "blob {digest} is damaged ")?,
            None => f.write_str("a pack is damaged ")?,
        }
        write!(f, "({}): {}", self.what, self.path.display())
    }
}

/// What a look at the whole store found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Checked {
    /// How many packs there are.
    pub packs: u64,
    /// How many entries they hold: blobs, and chunks of large ones.
    pub entries: u64,
    /// How many bytes they have.
    pub bytes: u64,
    /// What is wrong, sorted.
    pub damage: Vec<Damage>,
}

/// A part of a file that holds a blob, or the list of its chunks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Whereabouts {
    /// The pack.
    pub path: PathBuf,
    /// Its bytes in the file.
    pub range: Range<u64>,
}

impl Store {
    /// Where the copies of a blob lie, or the lists of its chunks.
    pub fn whereabouts(&self, digest: &Digest) -> Result<Vec<Whereabouts>, StoreError> {
        let places = self.places(digest, true)?.into_iter();
        let places = places.map(|place| Whereabouts {
            path: self.pack_path(&place.pack),
            range: place.offset..place.offset + HEADER as u64 + u64::from(place.stored),
        });
        Ok(places.collect())
    }

    /// Reads every pack and verifies every bit of it. The index is not believed.
    pub fn check(&self) -> Result<Checked, StoreError> {
        self.check_with(true)
    }

    /// Looks whether every pack is whole by its own index. Of its entries nothing is read.
    pub fn check_packs(&self) -> Result<Checked, StoreError> {
        self.check_with(false)
    }

    /// Whether the index says where everything lies that the packs hold. None is right, too.
    pub fn check_index(&self) -> Result<bool, StoreError> {
        let mut index = lock(&self.index);
        *index = Index::default();
        self.refresh(&mut index, true)?;
        let (right, stated) = (index.is_trusted(), index.stated());
        let Some(mut stated) = stated.filter(|_| right) else {
            return Ok(right);
        };
        drop(index);
        let packs: BTreeSet<Digest> = stated.iter().map(|(_, place)| place.pack).collect();
        for pack in packs {
            for (entry, offset) in self.pack_index(&pack)?.unwrap_or_default() {
                let place = Place {
                    pack,
                    offset,
                    stored: entry.stored,
                };
                if !stated.remove(&(entry.digest, place)) {
                    return Ok(false);
                }
            }
        }
        Ok(stated.is_empty())
    }

    /// Writes the index anew from the packs.
    pub fn rebuild_index(&self) -> Result<(), StoreError> {
        let mut index = lock(&self.index);
        index.forget();
        self.refresh(&mut index, true)?;
        index.save(
            self.io.as_ref(),
            &self.root,
            &self.temp_dir().join(fs::unique()),
        );
        Ok(())
    }

    /// The blobs that are made of these: by a list of chunks, or as a delta of them, also in turn.
    pub fn made_of(&self, parts: &BTreeSet<Digest>) -> Result<BTreeSet<Digest>, StoreError> {
        let mut wanted = parts.clone();
        let mut pass = Pass::new(self);
        let packs: Vec<Digest> = lock(&self.index).packs().copied().collect();
        // Deltas first: chunks that are deltas may be part of a list.
        for kind in [Kind::Data, Kind::List] {
            for pack in &packs {
                for (entry, offset) in self.pack_index(pack)?.unwrap_or_default() {
                    let is_whole = entry.kind == Kind::Data && entry.encoding != Encoding::Delta;
                    if entry.kind != kind || is_whole {
                        continue;
                    }
                    let place = Place {
                        pack: *pack,
                        offset,
                        stored: entry.stored,
                    };
                    let Some(payload) = pass.payload(&place)? else {
                        continue;
                    };
                    let found = match kind {
                        Kind::Data => wanted.contains(&base_of(&payload)),
                        Kind::List => {
                            let chunks = parse_list(&payload, entry.size).unwrap_or_default();
                            chunks.iter().any(|(_, chunk)| wanted.contains(chunk))
                        }
                    };
                    if found {
                        wanted.insert(entry.digest);
                    }
                }
            }
        }
        Ok(wanted)
    }

    fn check_with(&self, full: bool) -> Result<Checked, StoreError> {
        let mut checked = Checked::default();
        let packs: Vec<Digest> = {
            let mut index = lock(&self.index);
            index.forget();
            self.refresh(&mut index, true)?;
            index.packs().copied().collect()
        };
        for pack in &packs {
            self.check_pack(pack, full, &mut checked)?;
        }
        checked.damage.sort();
        Ok(checked)
    }

    fn check_pack(
        &self,
        pack: &Digest,
        full: bool,
        checked: &mut Checked,
    ) -> Result<(), StoreError> {
        let path = self.pack_path(pack);
        let file = match self.io.open_read(&path) {
            // Another process removed it.
            Err(error) if error.is_not_found() => return Ok(()),
            file => file?,
        };
        let length = file.facts()?.size;
        checked.packs += 1;
        checked.bytes += length;
        let entries = match read_index(file.as_ref(), length, pack) {
            Ok(entries) => entries,
            Err(IndexFault::Damaged(what)) => {
                checked.damage.push(Damage {
                    digest: None,
                    path: path.clone(),
                    what: what.to_owned(),
                });
                salvage(file.as_ref(), length)
            }
            Err(IndexFault::Io(source)) => return Err(IoError::new("read", &path, source).into()),
        };
        if full {
            return self.check_entries(pack, file.as_ref(), &entries, checked);
        }
        checked.entries += entries.len() as u64;
        Ok(())
    }

    fn check_entries(
        &self,
        pack: &Digest,
        file: &dyn fs::ReadFile,
        entries: &PackIndex,
        checked: &mut Checked,
    ) -> Result<(), StoreError> {
        let mut pass = Pass::new(self);
        for (entry, offset) in entries {
            checked.entries += 1;
            let what = self.entry_fault(&mut pass, pack, file, entry, *offset)?;
            checked.damage.extend(what.map(|what| Damage {
                digest: Some(entry.digest),
                path: self.pack_path(pack),
                what,
            }));
        }
        Ok(())
    }

    /// The entries of a pack, as its own index says; none if that is damaged or the pack gone.
    pub(crate) fn pack_index(&self, pack: &Digest) -> Result<Option<PackIndex>, StoreError> {
        let path = self.pack_path(pack);
        let file = match self.io.open_read(&path) {
            Err(error) if error.is_not_found() => return Ok(None),
            file => file?,
        };
        match read_index(file.as_ref(), file.facts()?.size, pack) {
            Ok(entries) => Ok(Some(entries)),
            Err(IndexFault::Damaged(_)) => Ok(None),
            Err(IndexFault::Io(source)) => Err(IoError::new("read", &path, source).into()),
        }
    }

    /// What is wrong with this very copy of an entry, its header included.
    pub(crate) fn entry_fault(
        &self,
        pass: &mut Pass,
        pack: &Digest,
        file: &dyn fs::ReadFile,
        entry: &Entry,
        offset: u64,
    ) -> Result<Option<String>, StoreError> {
        match header_at(file, offset) {
            Ok(header) if header != entry.to_bytes() => Ok(Some(
                "its header is not the one in the pack's index".to_owned(),
            )),
            Ok(_) => self.fault_of(pass, pack, entry, offset),
            Err(source) => Err(IoError::new("read", &self.pack_path(pack), source).into()),
        }
    }

    /// What is wrong with the payload of this copy of an entry.
    fn fault_of(
        &self,
        pass: &mut Pass,
        pack: &Digest,
        entry: &Entry,
        offset: u64,
    ) -> Result<Option<String>, StoreError> {
        let place = Place {
            pack: *pack,
            offset,
            stored: entry.stored,
        };
        match pass.copy_at(&entry.digest, &place)? {
            Err(what) => Ok(Some(what)),
            Ok(Content::Bytes(_)) => Ok(None),
            Ok(Content::Chunks(_, chunks)) => {
                for (_, chunk) in &chunks {
                    if !self.knows(chunk)? {
                        return Ok(Some(format!("a chunk of it is missing: {chunk}")));
                    }
                }
                Ok(None)
            }
        }
    }
}

fn header_at(file: &dyn fs::ReadFile, offset: u64) -> io::Result<[u8; HEADER]> {
    let mut header = [0; HEADER];
    file.read_exact_at(&mut header, offset)?;
    Ok(header)
}
