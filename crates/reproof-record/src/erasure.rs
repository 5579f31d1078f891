//! Events of erasure: what had to be deleted, who did it and why.

use serde::{Deserialize, Serialize};

use crate::{
    Artifact, Author, CanonicalError, Digest, Timestamp, VersionId, from_canonical, to_canonical,
};

/// What an event of erasure did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErasureAction {
    /// The blobs went, and may not come back.
    Erase,
    /// They may be there again.
    Allow,
}

/// That what a data version holds was erased, or was allowed to come back. It names digests, and
/// holds no value of the data. It is never deleted itself.
///
/// Described, with a test vector, in `docs/formats/erasure.md`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Erasure {
    /// [`Erasure::FORMAT`].
    pub format: String,
    /// What was done.
    pub action: ErasureAction,
    /// What the version holds.
    pub content: Artifact,
    /// The versions of named data that hold it, sorted.
    pub versions: Vec<VersionId>,
    /// What was made from it and went, too; sorted.
    pub derived: Vec<Artifact>,
    /// Models that were made from it and stayed, sorted.
    pub kept: Vec<Artifact>,
    /// Every blob that is meant, sorted.
    pub blobs: Vec<Digest>,
    /// The events that no longer count, sorted: what they erased may be there again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lifts: Vec<Digest>,
    /// Why.
    pub reason: String,
    /// Who did it.
    pub author: Author,
    /// On which machine.
    pub host: String,
    /// When.
    pub time: Timestamp,
}

impl Erasure {
    /// The format's name and version.
    pub const FORMAT: &str = "reproof.erasure/1";

    /// The canonical bytes, as they are stored. Their digest names the event.
    pub fn to_bytes(&self) -> Result<Vec<u8>, CanonicalError> {
        to_canonical(self)
    }

    /// Reads an event from exactly its canonical bytes.
    ///
    /// # Errors
    /// Other bytes, and events of another format.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, CanonicalError> {
        let event: Self = from_canonical(bytes)?;
        if event.format == Self::FORMAT {
            Ok(event)
        } else {
            Err(CanonicalError::NotCanonical)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ArtifactKind;

    /// The vector of `docs/formats/erasure.md`.
    #[test]
    fn an_event_has_the_bytes_of_the_docs() {
        const PAGE: &str = include_str!("../../../docs/formats/erasure.md");
        let event = Erasure {
            format: Erasure::FORMAT.to_owned(),
            action: ErasureAction::Erase,
            content: Artifact {
                kind: ArtifactKind::Table,
                digest: Digest::of(b"table"),
            },
            versions: vec![VersionId::from_digest(Digest::of(b"version"))],
            derived: Vec::new(),
            kept: Vec::new(),
            blobs: vec![Digest::of(b"table")],
            lifts: Vec::new(),
            reason: "asked for by the customer".to_owned(),
            author: Author {
                user: "ada".to_owned(),
                ..Author::default()
            },
            host: "engine".to_owned(),
            time: Timestamp(1_767_225_600_000_000),
        };
        let bytes = event.to_bytes().unwrap();
        let text = String::from_utf8(bytes.clone()).unwrap();
        assert!(PAGE.contains(&text), "{text}");
        assert_eq!(Erasure::from_bytes(&bytes).unwrap(), event);
        for bad in [
            text.replace("erasure/1", "erasure/2"),
            text.replace("\"host\"", "\"hosts\""),
            format!("{text} "),
        ] {
            assert!(Erasure::from_bytes(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
