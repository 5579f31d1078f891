//! Digests that an earlier capture computed.

use std::collections::BTreeMap;

use reproof_record::Digest;
use reproof_store::fs::Facts;
use serde::{Deserialize, Serialize};

/// The digest of a file, and what the file was like when it was hashed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CachedDigest {
    /// What the file system said of the file.
    pub facts: Facts,
    /// When the hashing began, in nanoseconds since 1970.
    pub hashed_at_ns: i64,
    /// The digest of its bytes.
    pub digest: Digest,
}

impl CachedDigest {
    /// Whether a file with these facts still has the bytes that were hashed: the facts are equal,
    /// and the file had been at rest for 2 s by then, so that no later change can hide behind the
    /// same time stamp.
    pub fn holds(&self, facts: &Facts) -> bool {
        self.facts == *facts && self.facts.settled(self.hashed_at_ns)
    }
}

/// Remembers digests between captures, by the path inside the project.
///
/// Only what a capture has set may come back: a digest in the cache also says that the file was
/// scanned and holds no private key. Failing to remember costs time and nothing else, so there are
/// no errors here.
pub trait DigestCache {
    /// What is known of these paths.
    fn get(&self, paths: &[&str]) -> BTreeMap<String, CachedDigest>;
    /// Remembers digests, over older ones.
    fn set(&self, digests: &[(String, CachedDigest)]);
}

/// Remembers nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoCache;

impl DigestCache for NoCache {
    fn get(&self, _paths: &[&str]) -> BTreeMap<String, CachedDigest> {
        BTreeMap::new()
    }

    fn set(&self, _digests: &[(String, CachedDigest)]) {}
}
