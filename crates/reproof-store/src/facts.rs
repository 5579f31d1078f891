//! What the file system says of the packs that a blob lies in.

use std::collections::BTreeMap;
use std::path::PathBuf;

use reproof_record::Digest;
use serde::{Deserialize, Serialize};

use crate::fs::Facts;
use crate::index::pack_name;
use crate::{Store, StoreError};

/// The packs that a blob was read from, and what the file system said of them before. Packs never
/// change: while their facts are the same, the blob's bytes are, once the packs had been at rest
/// for a while when it was hashed (see [`BlobFacts::settled`]).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BlobFacts {
    packs: Vec<PackFacts>,
}

/// A pack by its name, and its file's facts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PackFacts {
    pack: Digest,
    facts: Facts,
}

impl BlobFacts {
    pub(crate) fn new(packs: &BTreeMap<Digest, Facts>) -> Self {
        let packs = packs.iter().map(|(pack, facts)| PackFacts {
            pack: *pack,
            facts: *facts,
        });
        Self {
            packs: packs.collect(),
        }
    }

    /// Whether all packs had been at rest for 2 s at this time, in nanoseconds since 1970.
    pub fn settled(&self, hashed_at_ns: i64) -> bool {
        self.packs
            .iter()
            .all(|pack| pack.facts.settled(hashed_at_ns))
    }
}

impl Store {
    /// For each of these blobs, whether all its packs are there with the same facts, and it may be
    /// relied on. Each pack is looked at once, however many blobs lie in it.
    pub fn unchanged(&self, known: &[(Digest, &BlobFacts)]) -> Result<Vec<bool>, StoreError> {
        let packs = known.iter().flat_map(|(_, facts)| &facts.packs);
        let wanted: BTreeMap<Digest, String> = packs
            .map(|pack| (pack.pack, pack_name(&pack.pack)))
            .collect();
        let names: Vec<&str> = wanted.values().map(String::as_str).collect();
        let found = self.io.facts_in(&self.packs_dir(), &names)?;
        let now: BTreeMap<&Digest, Option<Facts>> = wanted.keys().zip(found).collect();
        let holds = |pack: &PackFacts| now.get(&pack.pack) == Some(&Some(pack.facts));
        let holding = known.iter().map(|(digest, facts)| {
            !facts.packs.is_empty() && facts.packs.iter().all(holds) && !self.has_condemned(digest)
        });
        Ok(holding.collect())
    }

    pub(crate) fn pack_path(&self, pack: &Digest) -> PathBuf {
        self.packs_dir().join(pack_name(pack))
    }
}
