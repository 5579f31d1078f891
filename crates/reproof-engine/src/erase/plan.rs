//! What an erasure would delete, what stays, and what cannot be done any more afterwards.

use std::collections::{BTreeMap, BTreeSet};

use reproof_catalog::{BundleRow, ExecutionFilter};
use reproof_record::{
    Artifact, ArtifactKind, Digest, Operation, RecordId, StepExecution, StepKey, StepName,
    VersionEntry, VersionId,
};

use super::erased::erasure_of;
use crate::needs::{self, Object, Objects, mentions, of_version, reachable};
use crate::versions::{FoundData, read_version};
use crate::{EngineError, Project, collect, record_of};

/// Something that was made from the data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MadeFrom {
    /// What it is.
    pub artifact: Artifact,
    /// What made it.
    pub operation: Operation,
    /// As which output.
    pub output: StepName,
}

/// A version that stays, and shares bytes with what is erased.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shared {
    /// The version: `churn@8c1f20b94d7e`.
    pub version: String,
    /// How many blobs and chunks of what is erased are also its own, and stay.
    pub entries: u64,
}

/// What an erasure does.
#[derive(Clone, Debug)]
pub struct ErasePlan {
    /// The version, for a person.
    pub label: String,
    /// What it holds.
    pub content: Artifact,
    /// All versions of named data that hold the same.
    pub versions: Vec<(VersionId, VersionEntry)>,
    /// What was made from it and goes, too; sorted.
    pub derived: Vec<MadeFrom>,
    /// Models that were made from it and stay; sorted.
    pub kept: Vec<MadeFrom>,
    /// How many logs of steps go.
    pub logs: u64,
    /// Records that need it, and cannot be run again afterwards.
    pub records: Vec<RecordId>,
    /// Bundles that were given out with such a record in them, as far as is known here.
    pub bundles: Vec<BundleRow>,
    /// Versions that share bytes with it.
    pub shared: Vec<Shared>,
    /// All blobs that go; sorted.
    pub blobs: BTreeSet<Digest>,
    /// Whether the event is written already, and only deleting is left to do.
    pub again: bool,
}

/// What is found by going from the data along all steps that used it.
#[derive(Default)]
struct Derived {
    artifacts: BTreeMap<Digest, MadeFrom>,
    models: BTreeMap<Digest, MadeFrom>,
    manifests: BTreeSet<Digest>,
    keys: BTreeSet<StepKey>,
}

pub(super) fn plan(
    project: &Project,
    found: &FoundData,
    models: bool,
) -> Result<ErasePlan, EngineError> {
    let content = Artifact {
        kind: ArtifactKind::Table,
        digest: found.content,
    };
    let mut versions = Vec::new();
    for row in project.catalog.versions_holding(&content.digest)? {
        versions.push((row.id, read_version(project, &row.id)?));
    }
    versions.sort_by_key(|(id, _)| *id);
    let runs = project.catalog.executions(&ExecutionFilter {
        data: Some(content.digest),
        ..ExecutionFilter::default()
    })?;
    let mut derived = derived(project, content)?;
    if models {
        let models = std::mem::take(&mut derived.models);
        for made in models.values() {
            derived
                .manifests
                .extend(manifests_of(project, &derived.keys, &made.artifact)?);
        }
        derived.artifacts.extend(models);
    }
    let mut objects = Objects::from([(content.digest, Object::of(&content))]);
    for (_, entry) in &versions {
        objects.extend(of_version(entry));
    }
    for used in runs.iter().flat_map(|run| run.data.values()) {
        if let Some(manifest) = used.manifest.filter(|_| used.version == content) {
            objects.insert(manifest, Object::Manifest);
        }
    }
    for made in derived.artifacts.values() {
        objects.insert(made.artifact.digest, Object::of(&made.artifact));
    }
    let manifests = derived.manifests.iter();
    objects.extend(manifests.map(|manifest| (*manifest, Object::Manifest)));
    let steps = runs.iter().flat_map(|run| run.steps.values());
    let logs: BTreeSet<Digest> = steps
        .filter(|step| step.key.is_some_and(|key| derived.keys.contains(&key)))
        .flat_map(StepExecution::kept)
        .collect();
    objects.extend(logs.iter().map(|log| (*log, Object::Blob)));
    let records: BTreeSet<RecordId> = runs.iter().filter_map(record_of).collect();
    let mut bundles = project.catalog.bundles()?;
    bundles.retain(|bundle| records.contains(&bundle.record));
    let (blobs, shared) = blobs(project, &objects, &content)?;
    Ok(ErasePlan {
        label: found.label(),
        content,
        versions,
        derived: derived.artifacts.into_values().collect(),
        kept: derived.models.into_values().collect(),
        logs: logs.len() as u64,
        records: records.into_iter().collect(),
        bundles,
        shared,
        blobs,
        again: project.catalog.erased()?.contains_key(&content.digest),
    })
}

/// Everything that was made from this and may hold values of it: not metrics, and models apart. What
/// was made with a model from other data is not followed.
fn derived(project: &Project, content: Artifact) -> Result<Derived, EngineError> {
    let mut derived = Derived::default();
    let mut waiting = vec![content.digest];
    let mut seen = BTreeSet::from([content.digest]);
    while let Some(digest) = waiting.pop() {
        for used in project.catalog.lineage(&digest)?.used_by {
            derived.keys.insert(used.key);
            for result in project.catalog.step_results(&used.key)? {
                for (output, stored) in result.outputs {
                    let made = MadeFrom {
                        artifact: stored.artifact,
                        operation: result.operation.clone(),
                        output,
                    };
                    match stored.artifact.kind {
                        ArtifactKind::Metrics => {}
                        ArtifactKind::Model => {
                            derived.models.insert(stored.artifact.digest, made);
                        }
                        _ => {
                            derived.manifests.insert(stored.manifest);
                            derived.artifacts.insert(stored.artifact.digest, made);
                            if seen.insert(stored.artifact.digest) {
                                waiting.push(stored.artifact.digest);
                            }
                        }
                    }
                }
            }
        }
    }
    // What also comes out of steps that never saw the data tells nothing of it.
    let mut elsewhere = Vec::new();
    for digest in derived.artifacts.keys() {
        let produced = project.catalog.lineage(digest)?.produced_by;
        if produced.iter().any(|one| !derived.keys.contains(&one.key)) {
            elsewhere.push(*digest);
        }
    }
    derived
        .artifacts
        .retain(|digest, _| !elsewhere.contains(digest));
    Ok(derived)
}

/// The manifests of an artifact among the results of these steps.
fn manifests_of(
    project: &Project,
    keys: &BTreeSet<StepKey>,
    artifact: &Artifact,
) -> Result<BTreeSet<Digest>, EngineError> {
    let mut manifests = BTreeSet::new();
    for key in keys {
        for result in project.catalog.step_results(key)? {
            let outputs = result.outputs.values();
            let same = outputs.filter(|output| output.artifact == *artifact);
            manifests.extend(same.map(|output| output.manifest));
        }
    }
    Ok(manifests)
}

/// Which blobs go: those objects and what they name, but for what something else needs. And which
/// versions share bytes with them.
fn blobs(
    project: &Project,
    objects: &Objects,
    content: &Artifact,
) -> Result<(BTreeSet<Digest>, Vec<Shared>), EngineError> {
    let store = &project.store;
    let mut all: BTreeSet<Digest> = objects.keys().copied().collect();
    for (digest, object) in objects {
        // Of a manifest only its own files: its content is an object itself, or stays.
        if store.contains(digest)? {
            all.extend(needs::named_by(store, digest, *object)?.files);
        }
    }
    let roots: BTreeSet<Digest> = objects.keys().copied().collect();
    let gone: BTreeSet<Digest> = project.catalog.erased()?.into_keys().chain(roots).collect();
    let lock = collect::lock_text(project, &project.root)?;
    let named = mentions(project.catalog.as_ref(), lock.as_deref())?;
    let named = named.into_iter().flat_map(|mention| mention.digests);
    let kept = reachable(store, named, &gone)?;
    let mut here = BTreeSet::new();
    for blob in &all {
        if store.contains(blob)? {
            here.insert(*blob);
        }
    }
    let entries = store.entries_of(&here)?;
    let mut shared = Vec::new();
    let heads = project.catalog.data_heads(None)?;
    for (name, _) in heads {
        for row in project.catalog.versions_of(&name)? {
            if row.content == content.digest {
                continue;
            }
            let entry = read_version(project, &row.id)?;
            let blobs = needs::whole_here(store, &of_version(&entry))?;
            let own = store.entries_of(&blobs)?;
            let count = own.intersection(&entries).count() as u64;
            if count > 0 {
                shared.push(Shared {
                    version: format!("{name}@{}", row.id.short()),
                    entries: count,
                });
            }
        }
    }
    if let Some(event) = erasure_of(project, &content.digest)? {
        // What was named before and is gone by now, as far as nothing new is made of it.
        all.extend(event.blobs);
    }
    all.retain(|blob| !kept.contains(blob));
    Ok((all, shared))
}

/// How many of these blobs are in the store.
pub(super) fn left(project: &Project, blobs: &BTreeSet<Digest>) -> Result<u64, EngineError> {
    let stored: BTreeSet<Digest> = project.store.blobs()?.into_iter().collect();
    Ok(blobs.intersection(&stored).count() as u64)
}
