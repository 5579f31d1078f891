//! `fsck`: the store, its index and what the catalogue names, looked at; and who depends on what is
//! wrong.

use std::collections::{BTreeMap, BTreeSet};

use reproof_catalog::Mention;
use reproof_record::{Digest, Tree};
use reproof_store::{Damage, Store, StoreError};

use crate::needs::{Object, mentions, named_by};
use crate::project::LOCK_FILE;
use crate::{EngineError, Project, read_text};

/// How much is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// That packs are whole, and that everything is there. Only documents are hashed.
    Quick,
    /// Every bit.
    Full,
}

/// Something that cannot be had from the store any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lost {
    /// The blob.
    pub digest: Digest,
    /// What is wrong.
    pub what: String,
    /// The paths that it has in trees.
    pub paths: BTreeSet<String>,
    /// What names it, directly or not: records, executions, data versions.
    pub needed_by: BTreeSet<String>,
}

/// What a check found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Checkup {
    /// How many packs there are.
    pub packs: u64,
    /// How many blobs and chunks they hold.
    pub entries: u64,
    /// How many bytes they have.
    pub bytes: u64,
    /// Whether the index says where everything lies. It is derived: a wrong one is written anew.
    pub index_right: bool,
    /// How many records, executions, results and data versions name something.
    pub mentions: u64,
    /// What is wrong with packs and their entries.
    pub damage: Vec<Damage>,
    /// What cannot be had because of that, or because it is not there.
    pub lost: Vec<Lost>,
    /// What is wrong with the catalogue.
    pub catalog: Option<String>,
}

impl Checkup {
    /// Whether all is well.
    pub fn is_well(&self) -> bool {
        self.damage.is_empty() && self.lost.is_empty() && self.catalog.is_none()
    }
}

/// Looks at the store and the catalogue of a project.
///
/// # Errors
/// What cannot be read at all. What is wrong is found, and no error.
pub fn fsck(project: &Project, depth: Depth, rebuild_index: bool) -> Result<Checkup, EngineError> {
    let store = &project.store;
    let index_right = store.check_index()?;
    if rebuild_index || !index_right {
        store.rebuild_index()?;
    }
    let checked = match depth {
        Depth::Full => store.check()?,
        Depth::Quick => store.check_packs()?,
    };
    let mut checkup = Checkup {
        packs: checked.packs,
        entries: checked.entries,
        bytes: checked.bytes,
        index_right,
        damage: checked.damage,
        ..Checkup::default()
    };
    let lock = project.root.join(LOCK_FILE);
    let lock = match project.io().metadata(&lock) {
        Ok(_) => Some(read_text(project.io(), &lock)?),
        Err(_) => None,
    };
    let mentions = match project
        .catalog
        .check()
        .and_then(|()| project.catalog.mentions())
    {
        Ok(_) => mentions(project.catalog.as_ref(), lock.as_deref())?,
        Err(error) => {
            checkup.catalog = Some(error.to_string());
            Vec::new()
        }
    };
    checkup.mentions = mentions.len() as u64;
    let broken = broken(store, &checkup.damage)?;
    let mut search = Search {
        store,
        broken,
        known: BTreeMap::new(),
        paths: BTreeMap::new(),
    };
    checkup.lost = search.all(&mentions)?;
    Ok(checkup)
}

/// What cannot be had because of damage, and why: what has no right copy, and what is made of it.
fn broken(store: &Store, damage: &[Damage]) -> Result<BTreeMap<Digest, String>, EngineError> {
    let mut broken = BTreeMap::new();
    let mut parts = BTreeSet::new();
    for damage in damage {
        let Some(digest) = damage.digest else {
            continue;
        };
        if let Some(what) = fault(store, &digest)? {
            broken.insert(digest, what);
            parts.insert(digest);
        }
    }
    if parts.is_empty() {
        return Ok(broken);
    }
    for digest in store.made_of(&parts)? {
        if let Some(what) = fault(store, &digest)? {
            broken.insert(digest, what);
        }
    }
    Ok(broken)
}

fn fault(store: &Store, digest: &Digest) -> Result<Option<String>, EngineError> {
    match store.verify_blob(digest) {
        Ok(_) => Ok(None),
        Err(StoreError::Damaged { what, .. }) => Ok(Some(what)),
        Err(StoreError::Missing { .. }) => Ok(Some("it is missing".to_owned())),
        Err(error) => Err(error.into()),
    }
}

/// Looks for what leads to broken blobs.
struct Search<'a> {
    store: &'a Store,
    broken: BTreeMap<Digest, String>,
    /// What each document leads to.
    known: BTreeMap<Digest, BTreeSet<Digest>>,
    /// The paths of broken blobs in trees.
    paths: BTreeMap<Digest, BTreeSet<String>>,
}

impl Search<'_> {
    fn all(&mut self, mentions: &[Mention]) -> Result<Vec<Lost>, EngineError> {
        let mut needed_by: BTreeMap<Digest, BTreeSet<String>> = BTreeMap::new();
        // First what must be there, so that whoever else names it is told of, too.
        for mention in mentions {
            for blob in &mention.blobs {
                self.is_broken(blob)?;
            }
        }
        for mention in mentions {
            for digest in &mention.digests {
                for lost in self.leads_to(digest)? {
                    let names = needed_by.entry(lost).or_default();
                    names.insert(mention.by.clone());
                }
            }
        }
        let broken = std::mem::take(&mut self.broken);
        let lost = broken.into_iter().map(|(digest, what)| Lost {
            digest,
            what,
            paths: self.paths.remove(&digest).unwrap_or_default(),
            needed_by: needed_by.remove(&digest).unwrap_or_default(),
        });
        Ok(lost.collect())
    }

    /// The broken blobs that this one leads to.
    fn leads_to(&mut self, digest: &Digest) -> Result<BTreeSet<Digest>, EngineError> {
        if let Some(known) = self.known.get(digest) {
            return Ok(known.clone());
        }
        // Until it is known, and for good should documents name one another in a circle.
        self.known.insert(*digest, BTreeSet::new());
        let mut found = BTreeSet::new();
        if self.broken.contains_key(digest) {
            found.insert(*digest);
        } else {
            match named_by(self.store, digest, Object::Any) {
                Ok(named) => {
                    for file in &named.files {
                        if self.is_broken(file)? {
                            found.insert(*file);
                        }
                    }
                    self.note_paths(digest, &found);
                    for other in &named.others {
                        found.extend(self.leads_to(other)?);
                    }
                }
                Err(StoreError::Damaged { what, .. }) => {
                    self.broken.insert(*digest, what);
                    found.insert(*digest);
                }
                Err(error) => return Err(error.into()),
            }
        }
        self.known.insert(*digest, found.clone());
        Ok(found)
    }

    /// Whether a blob that must be there is not there or broken.
    fn is_broken(&mut self, file: &Digest) -> Result<bool, EngineError> {
        if self.broken.contains_key(file) {
            return Ok(true);
        }
        if self.store.contains(file)? {
            return Ok(false);
        }
        self.broken.insert(*file, "it is missing".to_owned());
        Ok(true)
    }

    fn note_paths(&mut self, tree: &Digest, found: &BTreeSet<Digest>) {
        if found.is_empty() {
            return;
        }
        let files = self.store.tree(tree).map(|tree: Tree| tree.files);
        for entry in files.unwrap_or_default() {
            if found.contains(&entry.digest) {
                let paths = self.paths.entry(entry.digest).or_default();
                paths.insert(entry.path.to_string());
            }
        }
    }
}
