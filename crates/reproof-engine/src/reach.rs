//! What is needed: everything that the catalogue and the lock file name, and what that names in
//! turn.
//!
//! Whatever looks like a digest counts. So nothing is forgotten because a document got a new field;
//! at worst something stays that nobody needs.

use std::collections::BTreeSet;

use reproof_catalog::{Catalog, Mention};
use reproof_record::{Digest, digests_in};
use reproof_store::{Store, StoreError};
use serde::Deserialize;

use crate::EngineError;

/// The largest document that is followed: as large as any that can be read.
const MAX_DOCUMENT: u64 = 256 << 20;

/// The part that every document has, and the one document that a manifest names.
#[derive(Deserialize)]
struct Format {
    format: String,
    content: Option<Digest>,
}

/// What a blob names.
#[derive(Clone, Debug, Default)]
pub(crate) struct Named {
    /// Blobs that are part of it, and hold no names themselves.
    pub files: BTreeSet<Digest>,
    /// What may be documents, or no blobs at all.
    pub others: BTreeSet<Digest>,
}

/// What a blob names, if it is one of Reproof's documents; nothing if it is another blob or none.
pub(crate) fn named(store: &Store, digest: &Digest) -> Result<Named, StoreError> {
    if !store.contains(digest)? || !begins_like_a_document(store, digest)? {
        return Ok(Named::default());
    }
    let bytes = match store.read(digest, MAX_DOCUMENT) {
        Err(StoreError::TooLarge { .. }) => return Ok(Named::default()),
        bytes => bytes?,
    };
    let Ok(text) = std::str::from_utf8(&bytes) else {
        return Ok(Named::default());
    };
    let Ok(Format { format, content }) = serde_json::from_str::<Format>(text) else {
        return Ok(Named::default());
    };
    let mut found: BTreeSet<Digest> = digests_in(text).collect();
    found.remove(digest);
    let leaves = ["reproof.tree/", "reproof.table/"];
    if leaves.iter().any(|leaf| format.starts_with(leaf)) {
        return Ok(Named {
            files: found,
            ..Named::default()
        });
    }
    if !format.starts_with("reproof.") {
        return Ok(Named::default());
    }
    if format.starts_with("reproof.manifest/")
        && let Some(content) = content
    {
        found.remove(&content);
        return Ok(Named {
            files: found,
            others: BTreeSet::from([content]),
        });
    }
    Ok(Named {
        others: found,
        ..Named::default()
    })
}

fn begins_like_a_document(store: &Store, digest: &Digest) -> Result<bool, StoreError> {
    let mut first = [0; 1];
    let mut reader = store.reader(digest)?;
    match std::io::Read::read(&mut reader, &mut first) {
        Ok(count) => Ok(count == 1 && first[0] == b'{'),
        Err(error) => Err(StoreError::from_io(error).unwrap_or_else(|source| {
            reproof_store::fs::IoError::new("read", store.root(), source).into()
        })),
    }
}

/// Everything that these name, directly or not, and they themselves.
pub(crate) fn reachable(
    store: &Store,
    roots: impl IntoIterator<Item = Digest>,
) -> Result<BTreeSet<Digest>, EngineError> {
    let mut reached = BTreeSet::new();
    let mut leaves = BTreeSet::new();
    let mut waiting: Vec<Digest> = roots.into_iter().collect();
    while let Some(digest) = waiting.pop() {
        if !reached.insert(digest) {
            continue;
        }
        let named = named(store, &digest)?;
        leaves.extend(named.files);
        waiting.extend(named.others);
    }
    reached.extend(leaves);
    Ok(reached)
}

/// Who names what: each row of the catalogue that names a blob, and the lock file.
pub(crate) fn mentions(
    catalog: &dyn Catalog,
    lock: Option<&str>,
) -> Result<Vec<Mention>, EngineError> {
    let mut mentions = catalog.mentions()?;
    mentions.extend(lock.map(|text| Mention {
        by: "the lock file".to_owned(),
        digests: digests_in(text).collect(),
        blobs: Vec::new(),
    }));
    Ok(mentions)
}
