//! Artifacts: immutable outputs, and the objects that describe their content.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::canonical::write_string;
use crate::{CanonicalError, Digest, RelativePath, to_canonical};

/// What an artifact is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ArtifactKind {
    /// A table; its content digest is that of a [`TableObject`](crate::TableObject).
    Table,
    /// A trained model, or the fitted state of a preprocessing.
    Model,
    /// Metrics, overall and on slices.
    Metrics,
    /// Statistics of a table.
    Statistics,
    /// Something for a person to read.
    Report,
    /// Any other files.
    Files,
}

impl ArtifactKind {
    /// Its name, as recipes and records write it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Table => "table",
            Self::Model => "model",
            Self::Metrics => "metrics",
            Self::Statistics => "statistics",
            Self::Report => "report",
            Self::Files => "files",
        }
    }
}

impl fmt::Display for ArtifactKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// An artifact by its content: what a record says of each output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Artifact {
    /// What it is.
    pub kind: ArtifactKind,
    /// Its content digest: that of its [`TableObject`](crate::TableObject) or [`Tree`].
    pub digest: Digest,
}

/// What the bytes begin with that stand for a symbolic link in a [`Tree`]; its target follows.
pub const LINK_PREFIX: &[u8] = b"reproof.link/1\n";

/// One file of a [`Tree`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TreeEntry {
    /// Where it lies, inside the tree.
    pub path: RelativePath,
    /// Whether it may be executed; no other mode bit counts.
    pub executable: bool,
    /// The digest of its bytes.
    pub digest: Digest,
}

/// The content of an artifact that is files: sorted by the bytes of their paths.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tree {
    /// [`Tree::FORMAT`].
    pub format: String,
    /// The files.
    pub files: Vec<TreeEntry>,
}

impl Tree {
    /// The format's name and version.
    pub const FORMAT: &str = "reproof.tree/1";

    /// A tree of these files, whatever order they come in. Of two with one path the last counts.
    pub fn new(files: impl IntoIterator<Item = TreeEntry>) -> Self {
        let sorted: std::collections::BTreeMap<_, _> = files
            .into_iter()
            .map(|entry| (entry.path.clone(), entry))
            .collect();
        Self {
            format: Self::FORMAT.to_owned(),
            files: sorted.into_values().collect(),
        }
    }

    /// The canonical bytes, as they are stored.
    ///
    /// A tree of code has as many entries as a project has files, and is written on every run: so
    /// it is written directly, not through a JSON value.
    pub fn to_bytes(&self) -> Result<Vec<u8>, CanonicalError> {
        let mut out = String::with_capacity(64 + 160 * self.files.len());
        out.push_str("{\"files\":[");
        for (index, entry) in self.files.iter().enumerate() {
            if index > 0 {
                out.push(',');
            }
            out.push_str("{\"digest\":\"");
            out.push_str(&entry.digest.to_hex());
            out.push_str("\",\"executable\":");
            out.push_str(if entry.executable { "true" } else { "false" });
            out.push_str(",\"path\":");
            write_string(&mut out, entry.path.as_str());
            out.push('}');
        }
        out.push_str("],\"format\":");
        write_string(&mut out, &self.format);
        out.push('}');
        Ok(out.into_bytes())
    }

    /// The content digest of the tree.
    pub fn digest(&self) -> Result<Digest, CanonicalError> {
        Ok(Digest::of(&self.to_bytes()?))
    }
}

/// One stored file of an artifact.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileEntry {
    /// Where it lies, inside the artifact.
    pub path: RelativePath,
    /// Its size in bytes, before compression.
    pub size: u64,
    /// The digest of its bytes.
    pub digest: Digest,
}

/// What is stored beside an artifact's content: all its files, and facts about it that are not
/// its identity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// [`Manifest::FORMAT`].
    pub format: String,
    /// What it is.
    pub kind: ArtifactKind,
    /// The media type, such as `application/json`.
    pub media_type: String,
    /// The content digest; an object of this digest is stored.
    pub content: Digest,
    /// The files, sorted by path. For a table, its encoded columns.
    pub files: Vec<FileEntry>,
    /// Other facts, such as a table's rows.
    pub metadata: Map<String, Value>,
}

impl Manifest {
    /// The format's name and version.
    pub const FORMAT: &str = "reproof.manifest/1";

    /// The artifact by its content.
    pub fn artifact(&self) -> Artifact {
        Artifact {
            kind: self.kind,
            digest: self.content,
        }
    }

    /// The canonical bytes, as they are stored.
    pub fn to_bytes(&self) -> Result<Vec<u8>, CanonicalError> {
        to_canonical(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn a_tree_is_written_in_its_canonical_form(
            files in proptest::collection::btree_map("[^/\\\\\\pC]{1,8}", proptest::bool::ANY, 0..6),
        ) {
            let entry = |(path, executable): (String, bool)| Some(TreeEntry {
                digest: Digest::of(path.as_bytes()),
                path: path.parse().ok()?,
                executable,
            });
            let tree = Tree::new(files.into_iter().filter_map(entry));
            proptest::prop_assert_eq!(tree.to_bytes().unwrap(), to_canonical(&tree).unwrap());
        }
    }

    #[test]
    fn a_trees_digest_does_not_depend_on_the_order_of_its_files() {
        let entry = |path: &str| TreeEntry {
            path: path.parse().unwrap(),
            executable: false,
            digest: Digest::of(path.as_bytes()),
        };
        let one = Tree::new([entry("b"), entry("a/c"), entry("a-c")]);
        let other = Tree::new([entry("a-c"), entry("b"), entry("a/c")]);
        assert_eq!(one.digest().unwrap(), other.digest().unwrap());
        let paths: Vec<_> = one.files.iter().map(|entry| entry.path.as_str()).collect();
        assert_eq!(paths, ["a-c", "a/c", "b"]);
    }
}
