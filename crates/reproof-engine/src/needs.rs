//! What a record, a data version or the whole catalogue needs: the one walk over objects that name
//! others. `push`, `pull`, bundles, `fsck`, `repair`, `gc` and `data erase` all go by it.

use std::collections::{BTreeMap, BTreeSet};

use reproof_catalog::{Catalog, Mention, StepResult};
use reproof_record::{
    Artifact, ArtifactKind, DataOrigin, Digest, Execution, Record, StepExecution, StepName,
    VersionEntry, digests_in,
};
use reproof_store::{Store, StoreError};
use serde::Deserialize;

use crate::erase::why_gone;
use crate::{EngineError, Project};

/// The largest document that is followed: as large as any that can be read.
const MAX_DOCUMENT: u64 = 256 << 20;

/// How the blobs are found that a blob names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Object {
    /// It names none.
    Blob,
    /// A tree of files.
    Tree,
    /// A table.
    Table,
    /// A manifest.
    Manifest,
    /// Whatever it is, which its own bytes say. Of a document whatever looks like a digest counts:
    /// nothing is forgotten because a document got a new field, at worst something stays that
    /// nobody needs.
    Any,
}

impl Object {
    /// What the content of an artifact is.
    pub fn of(artifact: &Artifact) -> Self {
        match artifact.kind {
            ArtifactKind::Table => Self::Table,
            _ => Self::Tree,
        }
    }
}

/// What a blob names.
#[derive(Clone, Debug, Default)]
pub(crate) struct Named {
    /// Blobs that are part of it, and name nothing themselves.
    pub files: BTreeSet<Digest>,
    /// What may name others in turn, or may be no blobs at all.
    pub others: BTreeSet<Digest>,
}

impl Named {
    fn all(self) -> BTreeSet<Digest> {
        let Self { mut files, others } = self;
        files.extend(others);
        files
    }
}

/// The part that every document has, and the one document that a manifest names.
#[derive(Deserialize)]
struct Format {
    format: String,
    content: Option<Digest>,
}

/// Objects by their digests.
pub(crate) type Objects = BTreeMap<Digest, Object>;

/// What is needed to show a record and to run it again: all but the record itself and its recipe,
/// which is in it.
pub(crate) fn of_record(record: &Record) -> Objects {
    let mut objects = Objects::new();
    let outputs = record.results.values().flat_map(BTreeMap::values);
    for artifact in record.recipe.data.values().chain(outputs) {
        objects.insert(artifact.digest, Object::of(artifact));
    }
    for step in record.recipe.steps.values() {
        if let Some(program) = &step.program {
            objects.insert(program.code, Object::Tree);
            objects.insert(program.environment, Object::Tree);
        }
    }
    objects
}

/// What belongs to the history of a record, and whose lack keeps nothing from being repeated: the
/// code of its runs, their patches, lock files, logs and failed notebooks, and manifests.
pub(crate) fn of_history(
    executions: &[Execution],
    manifests: impl Iterator<Item = Digest>,
) -> Objects {
    let mut objects: Objects = manifests
        .map(|manifest| (manifest, Object::Manifest))
        .collect();
    for execution in executions {
        let code = &execution.code;
        objects.extend(code.tree.map(|tree| (tree, Object::Tree)));
        let kept = execution.steps.values().flat_map(StepExecution::kept);
        let blobs = kept.chain(code.patch).chain(execution.lock);
        objects.extend(blobs.map(|blob| (blob, Object::Blob)));
        let manifests = execution.data.values().filter_map(|used| used.manifest);
        objects.extend(manifests.map(|manifest| (manifest, Object::Manifest)));
    }
    objects
}

/// What the kept bytes of a source are.
pub(crate) fn source_object(source: &DataOrigin) -> Object {
    match source.files {
        Some(_) => Object::Tree,
        None => Object::Blob,
    }
}

/// What a version of named data holds: its table and its manifest, and the bytes of its source where
/// they were kept.
pub(crate) fn of_version(entry: &VersionEntry) -> Objects {
    let mut objects = Objects::from([
        (entry.content.digest, Object::of(&entry.content)),
        (entry.manifest, Object::Manifest),
    ]);
    if entry.source.kept {
        objects.insert(entry.source.digest, source_object(&entry.source));
    }
    objects
}

/// What an object of this store names.
///
/// # Errors
/// If it is missing, damaged, or not what it is said to be. Of [`Object::Any`] nothing is expected:
/// a blob that is no document, or is not there, names nothing.
pub(crate) fn named_by(
    store: &Store,
    digest: &Digest,
    object: Object,
) -> Result<Named, StoreError> {
    let files = |files: BTreeSet<Digest>| Named {
        files,
        ..Named::default()
    };
    Ok(match object {
        Object::Blob => Named::default(),
        Object::Tree => {
            let tree = store.tree(digest)?;
            files(tree.files.iter().map(|file| file.digest).collect())
        }
        Object::Table => files(store.table_object(digest)?.columns.into_iter().collect()),
        Object::Manifest => {
            let manifest = store.manifest(digest)?;
            Named {
                files: manifest.files.iter().map(|file| file.digest).collect(),
                others: BTreeSet::from([manifest.content]),
            }
        }
        Object::Any => named_by_any(store, digest)?,
    })
}

fn named_by_any(store: &Store, digest: &Digest) -> Result<Named, StoreError> {
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
    let is = |kind: &str| format.starts_with(kind);
    let (files, others) = if is("reproof.tree/") || is("reproof.table/") {
        (found, BTreeSet::new())
    } else if is("reproof.manifest/")
        && let Some(content) = content
    {
        found.remove(&content);
        (found, BTreeSet::from([content]))
    } else if is("reproof.") {
        (BTreeSet::new(), found)
    } else {
        (BTreeSet::new(), BTreeSet::new())
    };
    Ok(Named { files, others })
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

/// All blobs that an object names.
pub(crate) fn blobs_of(
    store: &Store,
    digest: &Digest,
    object: Object,
) -> Result<BTreeSet<Digest>, StoreError> {
    Ok(named_by(store, digest, object)?.all())
}

/// Everything that these name, directly or not, and they themselves. What `gone` says is neither
/// followed nor counted, unless something else has it as a part.
pub(crate) fn reachable(
    store: &Store,
    roots: impl IntoIterator<Item = Digest>,
    gone: &BTreeSet<Digest>,
) -> Result<BTreeSet<Digest>, EngineError> {
    let mut reached = BTreeSet::new();
    let mut leaves = BTreeSet::new();
    let mut waiting: Vec<Digest> = roots.into_iter().collect();
    while let Some(digest) = waiting.pop() {
        if gone.contains(&digest) || !reached.insert(digest) {
            continue;
        }
        let named = named_by(store, &digest, Object::Any)?;
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

/// All blobs of a record that is here, with those of its history that are here whole.
///
/// # Errors
/// If something is missing without which the record cannot be repeated.
pub(crate) fn all_here(
    project: &Project,
    record: &Record,
    history: &Objects,
) -> Result<BTreeSet<Digest>, EngineError> {
    let store = &project.store;
    let id = record.id()?;
    let mut all = BTreeSet::from([*id.digest(), *record.recipe.id()?.digest()]);
    for (digest, object) in of_record(record) {
        let named = blobs_of(store, &digest, object);
        let named = named.map_err(|error| incomplete(project, &id.short(), error))?;
        all.insert(digest);
        all.extend(named);
    }
    for blob in &all {
        if !store.knows(blob)? {
            return Err(incomplete(
                project,
                &id.short(),
                StoreError::Missing {
                    digest: *blob,
                    root: store.root().to_owned(),
                },
            ));
        }
    }
    all.extend(whole_here(store, history)?);
    Ok(all)
}

/// Those of these objects that are here whole, with what they name.
pub(crate) fn whole_here(
    store: &Store,
    objects: &Objects,
) -> Result<BTreeSet<Digest>, EngineError> {
    let mut all = BTreeSet::new();
    for (digest, object) in objects {
        if let Some(named) = whole(store, digest, *object)? {
            all.insert(*digest);
            all.extend(named);
        }
    }
    Ok(all)
}

/// What an object names, if it and all of that is here.
pub(crate) fn whole(
    store: &Store,
    digest: &Digest,
    object: Object,
) -> Result<Option<BTreeSet<Digest>>, EngineError> {
    if !store.knows(digest)? {
        return Ok(None);
    }
    let named = match blobs_of(store, digest, object) {
        Err(StoreError::Missing { .. }) => return Ok(None),
        named => named?,
    };
    for blob in &named {
        if !store.knows(blob)? {
            return Ok(None);
        }
    }
    Ok(Some(named))
}

fn incomplete(project: &Project, record: &str, error: StoreError) -> EngineError {
    let StoreError::Missing { digest, .. } = error else {
        return error.into();
    };
    match why_gone(project, &digest) {
        Err(error) => error,
        Ok(why) => EngineError::Impossible(format!(
            "record {record} is not whole here: blob {} {}",
            digest.short(),
            why.unwrap_or_else(|| "is not in the store".to_owned())
        )),
    }
}

/// Whether all that a record needs is here, as far as the store's index says.
pub(crate) fn is_whole(project: &Project, record: &Record) -> Result<bool, EngineError> {
    match all_here(project, record, &Objects::new()) {
        Err(EngineError::Impossible(_)) => Ok(false),
        // What is damaged is there: whoever reads it says so, and makes it again or mends it.
        Ok(_) | Err(EngineError::Store(StoreError::Damaged { .. })) => Ok(true),
        Err(error) => Err(error),
    }
}

/// The recorded results of a record's steps: of several that come to the same, the newest.
pub(crate) fn step_results(
    project: &Project,
    record: &Record,
) -> Result<BTreeMap<StepName, StepResult>, EngineError> {
    let mut found = BTreeMap::new();
    for (name, step) in &record.recipe.steps {
        let mut inputs = BTreeMap::new();
        for (input, source) in &step.inputs {
            if let Some(artifact) = record.artifact(source) {
                inputs.insert(input.clone(), artifact);
            }
        }
        if inputs.len() < step.inputs.len() {
            continue;
        }
        let mut results = project.catalog.step_results(&step.key(&inputs)?)?;
        results.retain(|result| is_of(record, name, result));
        if let Some(result) = results.pop() {
            found.insert(name.clone(), result);
        }
    }
    Ok(found)
}

/// Whether a step's result is the one that a record has.
pub(crate) fn is_of(record: &Record, step: &StepName, result: &StepResult) -> bool {
    let Some(outputs) = record.results.get(step) else {
        return false;
    };
    outputs.iter().all(|(output, artifact)| {
        let found = result.outputs.get(output);
        found.is_some_and(|found| found.artifact == *artifact)
    })
}
