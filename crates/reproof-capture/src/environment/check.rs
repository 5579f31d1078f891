//! Whether a closure in the cache is still what its digest says.

use std::collections::BTreeMap;

use reproof_record::{Digest, Tree, TreeEntry, from_canonical};

use super::cache::{Closure, DOCUMENT_LIMIT, Noted, is_bytecode, note};
use super::error::EnvironmentError;
use super::facts::Listing;
use super::hash;
use crate::read::now_ns;

/// How long all files must have been at rest before they were hashed: 2 s, so that no later change
/// can hide behind the same time stamp.
const REST_NS: i64 = 2_000_000_000;

/// What a look at the facts of all files says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Quick {
    /// All are as they were when they were hashed.
    Unchanged,
    /// The facts of these are not what they were, or they are new or gone.
    Changed(Vec<String>),
    /// Facts say nothing: the closure was not hashed since it was laid out, or too soon after.
    Unknown,
}

/// What hashing all files says. Each list is sorted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Full {
    /// Files with other bytes, or other rights to be executed.
    pub differing: Vec<String>,
    /// Files that are gone.
    pub missing: Vec<String>,
    /// Files that do not belong there.
    pub additional: Vec<String>,
}

impl Full {
    /// Whether everything is right.
    pub fn is_right(&self) -> bool {
        self.differing.is_empty() && self.missing.is_empty() && self.additional.is_empty()
    }
}

impl Closure {
    /// Whether the closure is right, with as little work as that takes: the facts of all files if
    /// they can be believed, otherwise their bytes.
    pub fn check(&self) -> Result<Full, EnvironmentError> {
        match self.check_quick()? {
            Quick::Unchanged => Ok(Full::default()),
            Quick::Changed(_) | Quick::Unknown => self.check_full(),
        }
    }

    /// Looks at the facts of all files, bytecode included, and reads none of them.
    pub fn check_quick(&self) -> Result<Quick, EnvironmentError> {
        let Some(noted) = self.noted() else {
            return Ok(Quick::Unknown);
        };
        let number =
            |text: &Option<String>| text.as_ref().and_then(|text| text.parse::<i64>().ok());
        let (Some(hashed), Some(latest)) = (
            number(&noted.hashed_at_ns),
            number(&Some(noted.latest_ns.clone())),
        ) else {
            return Ok(Quick::Unknown);
        };
        if latest.saturating_add(REST_NS) > hashed {
            return Ok(Quick::Unknown);
        }
        let io = self.io.as_ref();
        let list = io.read(&self.folder.join("facts.list"), DOCUMENT_LIMIT);
        let Some(list) = list.ok().filter(|list| Digest::of(list) == noted.listing) else {
            return Ok(Quick::Unknown);
        };
        if Listing::holds(io, &self.root(), &list) {
            return Ok(Quick::Unchanged);
        }
        let now = Listing::look(io, &self.root())?;
        Ok(match now.changed(&list) {
            Some(changed) if !changed.is_empty() => Quick::Changed(changed),
            _ => Quick::Unknown,
        })
    }

    fn noted(&self) -> Option<Noted> {
        let bytes = self
            .io
            .read(&self.folder.join("facts.json"), 1 << 16)
            .ok()?;
        let noted: Noted = from_canonical(&bytes).ok()?;
        (noted.format == Noted::FORMAT).then_some(noted)
    }

    /// Hashes all files, bytecode included. If all are right, their facts are noted for
    /// [`Closure::check_quick`].
    pub fn check_full(&self) -> Result<Full, EnvironmentError> {
        let io = self.io.as_ref();
        let (tree, bytecode) = (self.tree()?, self.bytecode()?);
        let begun = now_ns();
        let before = Listing::look(io, &self.root())?;
        let found = hash::tree(io, &self.root(), &before.files())?;
        let full = compare(&[&tree, &bytecode], &found);
        let after = Listing::look(io, &self.root())?;
        if full.is_right() && after.digest() == before.digest() {
            let noted = Noted {
                format: Noted::FORMAT.to_owned(),
                hashed_at_ns: Some(begun.to_string()),
                latest_ns: before.latest_ns.to_string(),
                listing: before.digest(),
            };
            // Where it cannot be noted (a read-only cache), the next check hashes again.
            let _ = note(io, &self.folder, &before, &noted);
        }
        Ok(full)
    }
}

fn compare(expected: &[&Tree], found: &Tree) -> Full {
    let by_path = |entry: &TreeEntry| (entry.path.clone(), (entry.digest, entry.executable));
    let entries = expected.iter().flat_map(|tree| &tree.files);
    let expected: BTreeMap<_, _> = entries.map(by_path).collect();
    let found: BTreeMap<_, _> = found.files.iter().map(by_path).collect();
    let mut full = Full::default();
    for (path, identity) in &expected {
        match found.get(path) {
            None => full.missing.push(path.to_string()),
            // The digest of bytecode covers its bytes; its rights are whatever Python gave it.
            Some(other)
                if other.0 != identity.0
                    || other.1 != identity.1 && !is_bytecode(path.as_str()) =>
            {
                full.differing.push(path.to_string());
            }
            Some(_) => {}
        }
    }
    let additional = found.keys().filter(|path| !expected.contains_key(*path));
    full.additional = additional.map(ToString::to_string).collect();
    full
}
