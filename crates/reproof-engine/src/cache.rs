//! What was made before: looked up by step key, and believed only after its bytes were checked.

use std::collections::{BTreeMap, BTreeSet};

use reproof_catalog::{KnownBlob, StepOutput, StepResult};
use reproof_record::{Artifact, Digest, Program, RecipeStep, StepKey, StepName};
use reproof_store::StoreError;

use crate::observer::{Event, Observer};
use crate::{EngineError, Project};

type Outputs = BTreeMap<StepName, StepOutput>;

/// The outputs recorded for a step's key, if they do not contradict one another and every byte of
/// them is there and right. Of several that differ in what is not compared it is the newest.
pub(crate) fn lookup(
    project: &Project,
    (name, step): (&StepName, &RecipeStep),
    key: &StepKey,
    observer: &dyn Observer,
) -> Result<Option<Outputs>, EngineError> {
    let mut results = project.catalog.step_results(key)?;
    let different = count_different(step, &results);
    if different > 1 {
        let note = format!(
            "step '{name}' has {different} different recorded results: none of them is used"
        );
        observer.event(&Event::Note(&note));
        return Ok(None);
    }
    while let Some(result) = results.pop() {
        let Some(trouble) = sound(project, &result.outputs)? else {
            return Ok(Some(result.outputs));
        };
        if results.is_empty() {
            let note = format!("a stored output of step '{name}' {trouble}: it is made again");
            observer.event(&Event::Note(&note));
        }
    }
    Ok(None)
}

/// How many different results of a step these are: in what is compared, and for a step that is
/// pinned at all. Of one that is not, nobody expects the same twice.
pub(crate) fn count_different(step: &RecipeStep, results: &[StepResult]) -> usize {
    if step.program.as_ref().is_some_and(Program::is_unpinned) {
        return results.len().min(1);
    }
    let compared = |result: &StepResult| -> Vec<Option<Artifact>> {
        let names = step.results().map(|(name, _)| name);
        let outputs = names.map(|name| result.outputs.get(name));
        outputs.map(|output| Some(output?.artifact)).collect()
    };
    results.iter().map(compared).collect::<BTreeSet<_>>().len()
}

/// Whether every blob of these outputs is there and right. Says what is wrong otherwise.
pub(crate) fn sound(project: &Project, outputs: &Outputs) -> Result<Option<String>, EngineError> {
    let mut digests = Vec::new();
    for output in outputs.values() {
        let manifest = match project.store.manifest(&output.manifest) {
            Ok(manifest) => manifest,
            Err(error) => return trouble(error).map(Some),
        };
        if manifest.artifact() != output.artifact {
            return Ok(Some("does not match its manifest".to_owned()));
        }
        digests.push(manifest.content);
        digests.extend(manifest.files.iter().map(|file| file.digest));
    }
    check_blobs(project, &digests)
}

/// Whether these blobs are there and right: by their packs' facts where those are known and
/// unchanged since they were hashed, by hashing them otherwise.
pub(crate) fn check_blobs(
    project: &Project,
    digests: &[Digest],
) -> Result<Option<String>, EngineError> {
    let believed = believed(project, digests)?;
    let mut learnt = Vec::new();
    let mut found = None;
    for digest in digests {
        if believed.contains(digest) {
            continue;
        }
        if let Some(error) = check_blob(project, digest, &mut learnt)? {
            found = Some(trouble(error)?);
            break;
        }
    }
    project.catalog.set_facts(&learnt)?;
    Ok(found)
}

/// Those of these blobs that are not there or not right.
pub(crate) fn unsound(project: &Project, digests: &[Digest]) -> Result<Vec<Digest>, EngineError> {
    let believed = believed(project, digests)?;
    let mut learnt = Vec::new();
    let mut found = Vec::new();
    for digest in digests {
        if !believed.contains(digest) && check_blob(project, digest, &mut learnt)?.is_some() {
            found.push(*digest);
        }
    }
    project.catalog.set_facts(&learnt)?;
    Ok(found)
}

/// Those of these blobs whose packs' facts say that they are as they were when they were hashed; none
/// where facts are not believed.
pub(crate) fn believed(
    project: &Project,
    digests: &[Digest],
) -> Result<BTreeSet<Digest>, EngineError> {
    if project.paranoid {
        return Ok(BTreeSet::new());
    }
    let mut known = project.catalog.facts(digests)?;
    known.retain(|_, known| known.is_settled());
    let facts: Vec<_> = known
        .iter()
        .map(|(digest, known)| (*digest, &known.facts))
        .collect();
    let unchanged = project.store.unchanged(&facts)?;
    let believed = known.keys().zip(unchanged);
    Ok(believed
        .filter_map(|(digest, unchanged)| unchanged.then_some(*digest))
        .collect())
}

/// Hashes a blob. Gives what is wrong with it, or notes the facts.
fn check_blob(
    project: &Project,
    digest: &Digest,
    learnt: &mut Vec<(Digest, KnownBlob)>,
) -> Result<Option<StoreError>, EngineError> {
    if !project.store.may_rely_on(digest) {
        return Ok(Some(StoreError::Missing {
            digest: *digest,
            root: project.store.root().to_owned(),
        }));
    }
    let hashed_at = project.services.clock.now();
    match project.store.verify_blob(digest) {
        Ok(facts) => {
            learnt.push((*digest, KnownBlob { facts, hashed_at }));
            Ok(None)
        }
        Err(error @ (StoreError::Missing { .. } | StoreError::Damaged { .. })) => Ok(Some(error)),
        Err(error) => Err(error.into()),
    }
}

/// What a person reads about a blob that cannot be used; other errors stay errors.
fn trouble(error: StoreError) -> Result<String, EngineError> {
    match error {
        StoreError::Missing { digest, .. } => Ok(format!("is missing (blob {})", digest.short())),
        StoreError::Damaged { digest, .. } => Ok(format!("is damaged (blob {})", digest.short())),
        other => Err(other.into()),
    }
}
