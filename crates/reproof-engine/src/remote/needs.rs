//! What a record needs to be whole somewhere else: blobs, and the objects that name them.

use std::collections::{BTreeMap, BTreeSet};

use reproof_catalog::StepResult;
use reproof_record::{ArtifactKind, Digest, Execution, Record, StepName};
use reproof_store::{Store, StoreError};

use crate::{EngineError, Project};

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
}

/// Objects by their digests.
pub(crate) type Objects = BTreeMap<Digest, Object>;

/// What is needed to show a record and to run it again: all but the record itself and its recipe,
/// which is in it.
pub(crate) fn of_record(record: &Record) -> Objects {
    let mut objects = Objects::new();
    let outputs = record.results.values().flat_map(BTreeMap::values);
    for artifact in record.recipe.data.values().chain(outputs) {
        let object = match artifact.kind {
            ArtifactKind::Table => Object::Table,
            _ => Object::Tree,
        };
        objects.insert(artifact.digest, object);
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
/// code of its runs, their patches, lock files and logs, and manifests.
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
        let logs = execution.steps.values().map(|step| step.log);
        let blobs = logs.chain([code.patch, execution.lock]).flatten();
        objects.extend(blobs.map(|blob| (blob, Object::Blob)));
        let manifests = execution.data.values().filter_map(|used| used.manifest);
        objects.extend(manifests.map(|manifest| (manifest, Object::Manifest)));
    }
    objects
}

/// The blobs that an object of this store names.
pub(crate) fn named_by(
    store: &Store,
    digest: &Digest,
    object: Object,
) -> Result<Vec<Digest>, StoreError> {
    Ok(match object {
        Object::Blob => Vec::new(),
        Object::Tree => {
            let tree = store.tree(digest)?;
            tree.files.iter().map(|file| file.digest).collect()
        }
        Object::Table => store.table_object(digest)?.columns,
        Object::Manifest => {
            let manifest = store.manifest(digest)?;
            let files = manifest.files.iter().map(|file| file.digest);
            files.chain([manifest.content]).collect()
        }
    })
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
        let named = named_by(store, &digest, object);
        let named = named.map_err(|error| incomplete(&id.short(), error))?;
        all.insert(digest);
        all.extend(named);
    }
    for blob in &all {
        if !store.knows(blob)? {
            return Err(incomplete(
                &id.short(),
                StoreError::Missing {
                    digest: *blob,
                    root: store.root().to_owned(),
                },
            ));
        }
    }
    for (digest, object) in history {
        if let Some(named) = whole(store, digest, *object)? {
            all.insert(*digest);
            all.extend(named);
        }
    }
    Ok(all)
}

/// What an object names, if it and all of that is here.
fn whole(
    store: &Store,
    digest: &Digest,
    object: Object,
) -> Result<Option<Vec<Digest>>, EngineError> {
    if !store.knows(digest)? {
        return Ok(None);
    }
    let named = match named_by(store, digest, object) {
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

fn incomplete(record: &str, error: StoreError) -> EngineError {
    match error {
        StoreError::Missing { digest, .. } => EngineError::Impossible(format!(
            "record {record} is not whole here: blob {} is not in the store",
            digest.short()
        )),
        error => error.into(),
    }
}

/// Whether all that a record needs is here, as far as the store's index says.
pub(crate) fn is_whole(project: &Project, record: &Record) -> Result<bool, EngineError> {
    match all_here(project, record, &Objects::new()) {
        Ok(_) => Ok(true),
        Err(EngineError::Impossible(_)) => Ok(false),
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
