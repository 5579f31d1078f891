//! Whether what the store holds of a record is right: every byte is hashed, no fact is believed.

use std::collections::BTreeSet;

use reproof_catalog::ExecutionFilter;
use reproof_record::{Artifact, Digest, Record, RecordId};
use reproof_store::{Store, StoreError};

use crate::needs::{Object, blobs_of};
use crate::{EngineError, Project};

/// Why something that is stored cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// It is not there.
    Missing(String),
    /// Its bytes are wrong.
    Damaged(String),
}

/// Checks every byte of a stored artifact: its content object and all its files.
pub(crate) fn check_artifact(
    store: &Store,
    what: &str,
    artifact: &Artifact,
) -> Result<Option<Trouble>, EngineError> {
    let checked = verify_whole(store, &artifact.digest, Object::of(artifact));
    trouble(what, checked)
}

/// What is wrong with the stored outputs of a record, all manifests, its recipe, its code and what
/// its programs run in: one line for each. What is not there is not wrong.
pub(crate) fn damage(
    project: &Project,
    id: &RecordId,
    record: &Record,
) -> Result<Vec<String>, EngineError> {
    let store = &project.store;
    let mut found = BTreeSet::new();
    let mut note = |trouble: Option<Trouble>| {
        if let Some(Trouble::Damaged(text)) = trouble {
            found.insert(text);
        }
    };
    let recipe = record.recipe.id()?;
    let checked = store.verify_blob(recipe.digest()).map(|_| ());
    note(trouble(&format!("recipe {}", recipe.short()), checked)?);
    for (step, outputs) in &record.results {
        for (output, artifact) in outputs {
            let what = format!("the stored {} {step}.{output}", artifact.kind);
            note(check_artifact(store, &what, artifact)?);
        }
    }
    for manifest in manifests(project, id, record)? {
        let checked = store.manifest(&manifest).and_then(|manifest| {
            manifest
                .files
                .iter()
                .try_for_each(|file| store.verify_blob(&file.digest).map(|_| ()))
        });
        note(trouble("a manifest or a file that it lists", checked)?);
    }
    let kept = kept(project, id, record)?;
    for (what, tree) in &kept.trees {
        note(trouble(what, verify_whole(store, tree, Object::Tree))?);
    }
    for (what, blob) in &kept.blobs {
        note(trouble(what, store.verify_blob(blob).map(|_| ()))?);
    }
    Ok(found.into_iter().collect())
}

/// What is kept beside results.
#[derive(Default)]
struct Kept {
    trees: BTreeSet<(String, Digest)>,
    blobs: BTreeSet<(String, Digest)>,
}

/// The code, lock files and logs of the runs of a record, and what its programs ran in.
fn kept(project: &Project, id: &RecordId, record: &Record) -> Result<Kept, EngineError> {
    let filter = ExecutionFilter {
        record: Some(*id),
        ..Default::default()
    };
    let mut kept = Kept::default();
    for execution in project.catalog.executions(&filter)? {
        let code = execution.code.tree;
        kept.trees
            .extend(code.map(|tree| ("the code of a run".to_owned(), tree)));
        let patch = execution.code.patch;
        kept.blobs
            .extend(patch.map(|patch| ("the changes of a run".to_owned(), patch)));
        let lock = execution.lock;
        kept.blobs
            .extend(lock.map(|lock| ("the lock file of a run".to_owned(), lock)));
        for (step, ran) in &execution.steps {
            let blobs = ran.kept();
            kept.blobs
                .extend(blobs.map(|blob| (format!("a log of step '{step}'"), blob)));
        }
    }
    for (step, recipe) in &record.recipe.steps {
        if let Some(program) = &recipe.program {
            kept.trees
                .insert((format!("the code of step '{step}'"), program.code));
            let environment = format!("the environment {}", program.environment.short());
            kept.trees.insert((environment, program.environment));
        }
    }
    Ok(kept)
}

/// Hashes all that an object names.
fn verify_whole(store: &Store, digest: &Digest, object: Object) -> Result<(), StoreError> {
    let mut named = blobs_of(store, digest, object)?.into_iter();
    named.try_for_each(|blob| store.verify_blob(&blob).map(|_| ()))
}

/// The manifests that the catalogue knows of a record's data versions and outputs.
fn manifests(
    project: &Project,
    id: &RecordId,
    record: &Record,
) -> Result<BTreeSet<Digest>, EngineError> {
    let filter = ExecutionFilter {
        record: Some(*id),
        ..Default::default()
    };
    let executions = project.catalog.executions(&filter)?;
    let data = executions
        .iter()
        .flat_map(|execution| execution.data.values());
    let mut manifests: BTreeSet<Digest> = data.filter_map(|used| used.manifest).collect();
    for (name, step) in &record.recipe.steps {
        let mut inputs = std::collections::BTreeMap::new();
        for (input, source) in &step.inputs {
            if let Some(artifact) = record.artifact(source) {
                inputs.insert(input.clone(), artifact);
            }
        }
        for result in project.catalog.step_results(&step.key(&inputs)?)? {
            let same = record.results.get(name).is_some_and(|outputs| {
                result.outputs.iter().all(|(output, stored)| {
                    outputs
                        .get(output)
                        .is_some_and(|artifact| *artifact == stored.artifact)
                })
            });
            if same {
                manifests.extend(result.outputs.values().map(|output| output.manifest));
            }
        }
    }
    Ok(manifests)
}

/// What a failed check means; errors that say nothing of the bytes stay errors.
fn trouble(what: &str, checked: Result<(), StoreError>) -> Result<Option<Trouble>, EngineError> {
    match checked {
        Ok(()) => Ok(None),
        Err(StoreError::Missing { .. }) => Ok(Some(Trouble::Missing(format!(
            "{what} is not in the store"
        )))),
        Err(error @ StoreError::Damaged { .. }) => {
            Ok(Some(Trouble::Damaged(format!("{what}: {error}"))))
        }
        Err(error) => Err(error.into()),
    }
}
