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
    Right::default().check_artifact(store, what, artifact)
}

/// The blobs that were hashed and found right, so that none is read twice.
#[derive(Default)]
struct Right(BTreeSet<Digest>);

impl Right {
    fn check(&mut self, store: &Store, blob: &Digest) -> Result<(), StoreError> {
        if !self.0.contains(blob) {
            store.verify_blob(blob)?;
            self.0.insert(*blob);
        }
        Ok(())
    }

    /// Hashes all that an object names.
    fn check_whole(
        &mut self,
        store: &Store,
        digest: &Digest,
        object: Object,
    ) -> Result<(), StoreError> {
        let mut named = blobs_of(store, digest, object)?.into_iter();
        named.try_for_each(|blob| self.check(store, &blob))
    }

    fn check_artifact(
        &mut self,
        store: &Store,
        what: &str,
        artifact: &Artifact,
    ) -> Result<Option<Trouble>, EngineError> {
        let checked = self.check_whole(store, &artifact.digest, Object::of(artifact));
        trouble(what, checked)
    }
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
    let mut right = Right::default();
    let checked = right.check(store, recipe.digest());
    note(trouble(&format!("recipe {}", recipe.short()), checked)?);
    for (step, outputs) in &record.results {
        for (output, artifact) in outputs {
            let what = format!("the stored {} {step}.{output}", artifact.kind);
            note(right.check_artifact(store, &what, artifact)?);
        }
    }
    for manifest in manifests(project, id, record)? {
        let checked = store.manifest(&manifest).and_then(|manifest| {
            manifest
                .files
                .iter()
                .try_for_each(|file| right.check(store, &file.digest))
        });
        note(trouble("a manifest or a file that it lists", checked)?);
    }
    let kept = kept(project, id, record)?;
    for (what, tree) in &kept.trees {
        note(trouble(what, right.check_whole(store, tree, Object::Tree))?);
    }
    for (what, blob) in &kept.blobs {
        note(trouble(what, right.check(store, blob))?);
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
