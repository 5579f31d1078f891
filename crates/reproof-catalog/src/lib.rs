//! Executions, records, steps, artifacts and lineage in SQL.
//!
//! The catalogue says what happened and where to look; it is never believed about bytes. Records
//! and recipes themselves are blobs of the store under the digests that are their IDs. All access
//! goes through the trait [`Catalog`], which SQLite implements here.

mod error;
mod sqlite;
mod types;

pub use error::CatalogError;
pub use sqlite::SqliteCatalog;
pub use types::{
    BundleRow, DataTag, ErasureRow, ExecutionFilter, FileDigest, ForeignVersion, KnownBlob,
    KnownFacts, Lineage, Mention, Named, Producer, RecordEntry, SourceSnapshot, StepOutput,
    StepResult, Use, VersionRow,
};

use std::collections::BTreeMap;

use reproof_record::{
    Digest, Execution, ExecutionId, RecipeId, RecordId, StepKey, StepName, VersionId,
};

/// What the catalogue does. Any number of processes may use one at once.
pub trait Catalog: Send + Sync {
    /// Remembers what a step produced. The same result of the same key is remembered once.
    fn add_step_result(&self, result: &StepResult) -> Result<(), CatalogError>;
    /// The different results that were recorded for a key, oldest first.
    fn step_results(&self, key: &StepKey) -> Result<Vec<StepResult>, CatalogError>;
    /// Remembers a record that was made elsewhere.
    fn add_record(&self, record: &RecordEntry) -> Result<(), CatalogError>;
    /// A record, if it is known here.
    fn record(&self, id: &RecordId) -> Result<Option<RecordEntry>, CatalogError>;
    /// The different records of a recipe, oldest first.
    fn records_of(&self, recipe: &RecipeId) -> Result<Vec<RecordEntry>, CatalogError>;
    /// The recipes of records whose family is not known yet: see [`Catalog::set_families`].
    fn recipes_without_family(&self) -> Result<Vec<RecipeId>, CatalogError>;
    /// Remembers what recipes have in common with those that differ from them in nothing but seeds.
    fn set_families(&self, families: &[(RecipeId, Digest)]) -> Result<(), CatalogError>;
    /// The recipes of a family that are known here, sorted.
    fn recipes_of_family(&self, family: &Digest) -> Result<Vec<RecipeId>, CatalogError>;
    /// Stores an execution and the record it came to, all or nothing.
    fn finish(
        &self,
        execution: &Execution,
        record: Option<&RecordEntry>,
    ) -> Result<(), CatalogError>;
    /// Puts an execution in place of what is stored of it, so that nothing of the old document stays
    /// in the file. Only for what had to be erased from it: its ID and what is looked for stay.
    fn redact(&self, execution: &Execution) -> Result<(), CatalogError>;
    /// An execution, if it is known here.
    fn execution(&self, id: &ExecutionId) -> Result<Option<Execution>, CatalogError>;
    /// The executions that pass a filter, newest first.
    fn executions(&self, filter: &ExecutionFilter) -> Result<Vec<Execution>, CatalogError>;
    /// Everything whose ID begins with `prefix`: hexadecimal digits, with `recipe:`, `data:` or
    /// `x:` before them or nothing; or the full ID of an execution. At most 50.
    fn resolve(&self, prefix: &str) -> Result<Vec<Named>, CatalogError>;
    /// What is known of the packs of these blobs.
    fn facts(&self, blobs: &[Digest]) -> Result<BTreeMap<Digest, KnownBlob>, CatalogError>;
    /// Remembers what was seen of the packs of these blobs when they were hashed.
    fn set_facts(&self, facts: &[(Digest, KnownBlob)]) -> Result<(), CatalogError>;
    /// What produced an artifact and what used it.
    fn lineage(&self, artifact: &Digest) -> Result<Lineage, CatalogError>;
    /// What is known of the digests of these files of the project.
    fn file_digests(&self, paths: &[&str]) -> Result<BTreeMap<String, FileDigest>, CatalogError>;
    /// Remembers the digests of files of the project.
    fn set_file_digests(&self, digests: &[(String, FileDigest)]) -> Result<(), CatalogError>;
    /// Looks at every row; the first thing that is wrong is the error. Takes as long as reading all
    /// of it.
    fn check(&self) -> Result<(), CatalogError>;
    /// Everything that names a blob: records, executions, results, data versions, sources.
    fn mentions(&self) -> Result<Vec<Mention>, CatalogError>;
    /// The version that a data source was last read into.
    fn source(&self, key: &str) -> Result<Option<SourceSnapshot>, CatalogError>;
    /// Remembers the version that a data source was read into.
    fn set_source(&self, key: &str, snapshot: &SourceSnapshot) -> Result<(), CatalogError>;
    /// Appends a version to the history of named data and makes it the head, if the head is still
    /// `head`: says whether it was. `source` is where the version was read from.
    fn append_version(
        &self,
        row: &VersionRow,
        source: &str,
        head: Option<&VersionId>,
    ) -> Result<bool, CatalogError>;
    /// Remembers versions of named data that came from elsewhere. No head moves.
    fn add_versions(&self, versions: &[ForeignVersion]) -> Result<(), CatalogError>;
    /// Remembers that the bytes of this content are here, and must be from now on.
    fn set_here(&self, content: &Digest) -> Result<(), CatalogError>;
    /// Appends an event of erasure, all or nothing: what is `gone` from now on, and what may be
    /// there again.
    fn add_erasure(
        &self,
        row: &ErasureRow,
        gone: &[Digest],
        back: &[Digest],
    ) -> Result<(), CatalogError>;
    /// The events of erasure, oldest first.
    fn erasures(&self) -> Result<Vec<ErasureRow>, CatalogError>;
    /// Everything that is erased, with the event.
    fn erased(&self) -> Result<BTreeMap<Digest, Digest>, CatalogError>;
    /// Remembers that a bundle was written.
    fn add_bundle(&self, bundle: &BundleRow) -> Result<(), CatalogError>;
    /// The bundles that were written, oldest first.
    fn bundles(&self) -> Result<Vec<BundleRow>, CatalogError>;
    /// The heads of all named data, sorted by name, or that of one name.
    fn data_heads(
        &self,
        name: Option<&StepName>,
    ) -> Result<Vec<(StepName, VersionId)>, CatalogError>;
    /// The versions of named data, oldest first, whether or not they lead to the head.
    fn versions_of(&self, name: &StepName) -> Result<Vec<VersionRow>, CatalogError>;
    /// The versions of all named data that hold this content, oldest first.
    fn versions_holding(&self, content: &Digest) -> Result<Vec<VersionRow>, CatalogError>;
    /// Makes a version the head of its name.
    fn set_head(&self, name: &StepName, to: &VersionId) -> Result<(), CatalogError>;
    /// The tags of named data, sorted.
    fn data_tags(&self, name: &StepName) -> Result<Vec<DataTag>, CatalogError>;
    /// Gives a tag to a version, in place of the one that had it.
    fn set_data_tag(&self, tag: &DataTag) -> Result<(), CatalogError>;
    /// Takes a tag away. Says whether it was there.
    fn remove_data_tag(&self, name: &StepName, tag: &str) -> Result<bool, CatalogError>;
}
