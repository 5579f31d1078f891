//! What the catalogue stores and finds.

use std::collections::BTreeMap;

use reproof_record::{
    Artifact, ArtifactKind, Digest, ExecutionId, ExecutionKind, Operation, RecipeId, RecordId,
    ResultsId, Schema, StepKey, StepName, Timestamp, VersionId,
};
use reproof_store::BlobFacts;
use reproof_store::fs::Facts;
use serde::{Deserialize, Serialize};

/// An output of a step: its content, and the manifest that lists its files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StepOutput {
    /// The artifact by its content.
    pub artifact: Artifact,
    /// The digest of its manifest.
    pub manifest: Digest,
}

/// What a step produced from its inputs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepResult {
    /// Everything that could change it.
    pub key: StepKey,
    /// The operation.
    pub operation: Operation,
    /// Its inputs.
    pub inputs: BTreeMap<StepName, Artifact>,
    /// Its outputs.
    pub outputs: BTreeMap<StepName, StepOutput>,
    /// When it was first recorded.
    pub created: Timestamp,
}

/// A record by its identifiers; the document itself is a blob of the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordEntry {
    /// Its identifier.
    pub id: RecordId,
    /// Its recipe.
    pub recipe: RecipeId,
    /// Its results.
    pub results: ResultsId,
    /// When it was first recorded here.
    pub created: Timestamp,
}

/// Which executions are wanted.
#[derive(Clone, Debug, Default)]
pub struct ExecutionFilter {
    /// Only of this pipeline.
    pub pipeline: Option<String>,
    /// Only those that produced or verified this record.
    pub record: Option<RecordId>,
    /// Only those that produced or verified any record.
    pub with_record: bool,
    /// Only those with the pipeline's own seed: none that was run for the spread over seeds.
    pub own_seed: bool,
    /// Only those of this recipe.
    pub recipe: Option<RecipeId>,
    /// Only those with this commit checked out.
    pub commit: Option<String>,
    /// Only those that left a lock file of this digest.
    pub lock: Option<Digest>,
    /// Only those with a step of this key.
    pub step: Option<StepKey>,
    /// Only those that read this data version.
    pub data: Option<Digest>,
    /// Only of this kind.
    pub kind: Option<ExecutionKind>,
    /// At most this many.
    pub limit: Option<u32>,
}

/// Something that an identifier names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Named {
    /// A record.
    Record(RecordId),
    /// A recipe.
    Recipe(RecipeId),
    /// A data version.
    Data(Digest),
    /// An execution.
    Execution(ExecutionId),
}

/// The facts of a file when it was hashed and found right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KnownFacts {
    /// The facts.
    pub facts: Facts,
    /// When the hashing began.
    pub hashed_at: Timestamp,
}

impl KnownFacts {
    /// Whether a file with these facts now still has the bytes that were hashed: nothing changed,
    /// and it had been at rest for 2 s when it was hashed.
    pub fn holds_for(&self, now: &Facts) -> bool {
        self.facts == *now && now.settled(self.hashed_at.0.saturating_mul(1000))
    }
}

/// A row that names blobs, or what may be blobs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mention {
    /// What names them, in words, such as `record 7f3a9c1e02bd`.
    pub by: String,
    /// All digests that stand in the row.
    pub digests: Vec<Digest>,
    /// Those of them that are blobs for certain.
    pub blobs: Vec<Digest>,
}

/// The facts of the packs that a blob lies in, when it was hashed and found right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownBlob {
    /// The facts.
    pub facts: BlobFacts,
    /// When the hashing began.
    pub hashed_at: Timestamp,
}

impl KnownBlob {
    /// Whether equal facts now mean equal bytes: the packs had been at rest for 2 s when the blob
    /// was hashed.
    pub fn is_settled(&self) -> bool {
        self.facts.settled(self.hashed_at.0.saturating_mul(1000))
    }
}

/// The digest of a file of the project, and its facts when it was hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileDigest {
    /// The facts.
    pub known: KnownFacts,
    /// The digest.
    pub digest: Digest,
}

/// The version that a data source was read into, and the source's facts at that time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SourceSnapshot {
    /// The facts of the source's file, or of the folder that its files lie in.
    pub facts: Facts,
    /// When reading began.
    pub hashed_at: Timestamp,
    /// The digest of the source's bytes; of several files that of their tree.
    pub source_digest: Digest,
    /// How many files there are, if the source is a folder or a pattern.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub files: Option<u64>,
    /// The digest of the names and facts of those files, if all had been at rest for 2 s when they were
    /// hashed: while it is the same, so are their bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub listing: Option<Digest>,
    /// The version.
    pub version: StepOutput,
    /// Its rows.
    pub rows: u64,
    /// Its columns.
    pub schema: Schema,
}

impl SourceSnapshot {
    /// Whether a source that is one file with these facts now still has the bytes that were read.
    pub fn holds_for(&self, now: &Facts) -> bool {
        self.files.is_none()
            && KnownFacts {
                facts: self.facts,
                hashed_at: self.hashed_at,
            }
            .holds_for(now)
    }
}

/// A step that produced an artifact.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Producer {
    /// The step's key.
    pub key: StepKey,
    /// Its operation.
    pub operation: Operation,
    /// The output's name.
    pub output: StepName,
    /// What the artifact is.
    pub kind: ArtifactKind,
}

/// A step that used an artifact.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Use {
    /// The step's key.
    pub key: StepKey,
    /// Its operation.
    pub operation: Operation,
    /// The input's name.
    pub input: StepName,
}

/// Where an artifact came from and where it went.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Lineage {
    /// What produced it.
    pub produced_by: Vec<Producer>,
    /// What used it.
    pub used_by: Vec<Use>,
}

/// A version in the history of named data, by its identifiers; the document itself is a blob of the
/// store under the digest that is its ID.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VersionRow {
    /// Its identifier.
    pub id: VersionId,
    /// The name of the data.
    pub name: StepName,
    /// The digest of what it holds.
    pub content: Digest,
    /// The version before it.
    pub parent: Option<VersionId>,
    /// When it was appended.
    pub created: Timestamp,
}

/// A name that somebody gave to a version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataTag {
    /// The name of the data.
    pub name: StepName,
    /// The tag.
    pub tag: String,
    /// The version.
    pub entry: VersionId,
    /// When it was given.
    pub created: Timestamp,
}

/// A version of named data that came from elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForeignVersion {
    /// The version.
    pub row: VersionRow,
    /// Where it was read from, there.
    pub source: String,
    /// Whether the bytes of its content are here: if not, nobody misses them.
    pub here: bool,
}

/// An event of erasure; the document itself is a blob of the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErasureRow {
    /// The digest of its document.
    pub id: Digest,
    /// When it was made.
    pub created: Timestamp,
}

/// A bundle that was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BundleRow {
    /// The record in it.
    pub record: RecordId,
    /// The file, as it was named.
    pub file: String,
    /// The account that wrote it.
    pub user: String,
    /// When.
    pub created: Timestamp,
}
