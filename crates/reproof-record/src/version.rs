//! The history of named data: who read which version from where, and what stood before it.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    Artifact, CanonicalError, Digest, ExecutionId, Schema, StepName, Timestamp, VersionId,
    from_canonical, to_canonical,
};

/// Who appended a version.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Author {
    /// The name of the account.
    pub user: String,
    /// The name that git is told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The address that git is told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
}

/// Where a version was read from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataOrigin {
    /// What kind of source it is, such as `csv`.
    pub kind: String,
    /// Where it lies, such as a path inside the project.
    pub location: String,
    /// How it is read, where that differs from the defaults.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub options: Map<String, Value>,
    /// The digest of its bytes; of several files that of their [`Tree`](crate::Tree).
    pub digest: Digest,
    /// Whether those bytes were stored, as a blob of that digest; of several files as their blobs
    /// and that of their tree.
    pub kept: bool,
    /// How many files there were, of a source that is a folder or a pattern.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub files: Option<u64>,
}

/// One version in the history of named data: what it holds, where it came from, who appended it,
/// and which version stood before it.
///
/// Described, with a test vector, in `docs/formats/data-version.md`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VersionEntry {
    /// [`VersionEntry::FORMAT`].
    pub format: String,
    /// The name of the data.
    pub name: StepName,
    /// What it holds.
    pub content: Artifact,
    /// The manifest of its stored files.
    pub manifest: Digest,
    /// The version before it; none of the first one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<VersionId>,
    /// Why it was appended, in words of the author; empty where nobody said it.
    pub message: String,
    /// Who appended it.
    pub author: Author,
    /// When.
    pub time: Timestamp,
    /// The name of the machine.
    pub host: String,
    /// Where it was read from.
    pub source: DataOrigin,
    /// Its columns.
    pub schema: Schema,
    /// Its rows.
    pub rows: u64,
    /// The commit that was checked out, if there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// The run that read it; none if it was appended by hand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read_by: Option<ExecutionId>,
}

impl VersionEntry {
    /// The format's name and version.
    pub const FORMAT: &str = "reproof.data_version/1";

    /// The canonical bytes, as they are stored.
    pub fn to_bytes(&self) -> Result<Vec<u8>, CanonicalError> {
        to_canonical(self)
    }

    /// The identifier: the BLAKE3 of the canonical bytes.
    pub fn id(&self) -> Result<VersionId, CanonicalError> {
        Ok(VersionId::from_digest(Digest::of(&self.to_bytes()?)))
    }

    /// Reads an entry from exactly its canonical bytes.
    ///
    /// # Errors
    /// Other bytes, and entries of another format.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, CanonicalError> {
        let entry: Self = from_canonical(bytes)?;
        if entry.format == Self::FORMAT {
            Ok(entry)
        } else {
            Err(CanonicalError::NotCanonical)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ArtifactKind, Column, LogicalType};

    fn sample() -> VersionEntry {
        let column = Column {
            name: "id".to_owned(),
            logical_type: LogicalType::Integer,
        };
        VersionEntry {
            format: VersionEntry::FORMAT.to_owned(),
            name: "churn".parse().unwrap(),
            content: Artifact {
                kind: ArtifactKind::Table,
                digest: Digest::of(b"table"),
            },
            manifest: Digest::of(b"manifest"),
            parent: None,
            message: "first".to_owned(),
            author: Author {
                user: "ada".to_owned(),
                name: Some("Ada".to_owned()),
                email: Some("ada@example.org".to_owned()),
            },
            time: Timestamp(1_767_225_600_000_000),
            host: "engine".to_owned(),
            source: DataOrigin {
                kind: "csv".to_owned(),
                location: "data/churn.csv".to_owned(),
                options: Map::new(),
                digest: Digest::of(b"id\n1\n"),
                kept: true,
                files: None,
            },
            schema: Schema::new(vec![column]).unwrap(),
            rows: 1,
            commit: None,
            read_by: None,
        }
    }

    /// The vector of `docs/formats/data-version.md`.
    #[test]
    fn an_entry_has_the_bytes_and_the_id_of_the_docs() {
        const PAGE: &str = include_str!("../../../docs/formats/data-version.md");
        let entry = sample();
        let bytes = entry.to_bytes().unwrap();
        let text = String::from_utf8(bytes.clone()).unwrap();
        assert!(PAGE.contains(&text), "{text}");
        let id = entry.id().unwrap().to_string();
        assert!(PAGE.contains(&id), "{id}");
        assert_eq!(VersionEntry::from_bytes(&bytes).unwrap(), entry);
    }

    #[test]
    fn other_formats_and_other_bytes_are_refused() {
        let text = String::from_utf8(sample().to_bytes().unwrap()).unwrap();
        for bad in [
            text.replace("data_version/1", "data_version/2"),
            text.replace("\"rows\":1", "\"rows\":1,\"size\":2"),
            text.replace("\"rows\":1", "\"rows\": 1"),
        ] {
            assert_ne!(bad, text);
            assert!(VersionEntry::from_bytes(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
