//! What came out of steps that no recipe can pin: the recipe and the lock file hold it instead, so
//! that what follows stays reproducible.

use std::collections::BTreeMap;

use reproof_config::{Lock, StepPin};
use reproof_record::{Artifact, ArtifactKind, Recipe, RecipeStep, StepKey, StepName};
use reproof_store::fs::write_atomic;

use crate::integrity::{self, Trouble};
use crate::observer::{Event, Observer};
use crate::prepare::read_lock;
use crate::project::LOCK_FILE;
use crate::schedule::Ran;
use crate::{EngineError, Project};

/// Gives every step that cannot be run again the outputs that the lock file pins. Says under which
/// keys it made them.
///
/// # Errors
/// A step of that kind which the lock file does not name.
pub(crate) fn fill(
    recipe: &mut Recipe,
    lock: &Lock,
    pipeline: &str,
) -> Result<BTreeMap<StepName, StepKey>, EngineError> {
    let mut keys = BTreeMap::new();
    for (name, step) in &mut recipe.steps {
        if !step.is_unpinned() {
            continue;
        }
        let pin = lock.pin(pipeline, name).ok_or_else(|| {
            refuse(format!(
                "step '{name}' is unpinned, and the lock file does not say what came out of it"
            ))
        })?;
        keys.insert(name.clone(), pin.key);
        step.pinned.clone_from(&pin.outputs);
    }
    Recipe::new(recipe.data.clone(), recipe.steps.clone())
        .map_err(|error| refuse(format!("the lock file does not fit the pipeline: {error}")))?;
    Ok(keys)
}

/// The refusal of a step that is not what the lock file pins.
pub(crate) fn refuse(message: String) -> EngineError {
    EngineError::Refused {
        message,
        hint: Some(
            "run without --locked (policy.locked) to run it and pin what comes out, and commit \
             reproof.lock"
                .to_owned(),
        ),
    }
}

/// Checks that a step is the one whose outputs the lock file pins, and that they are here and right.
///
/// # Errors
/// What is not so.
pub(crate) fn check(
    project: &Project,
    name: &StepName,
    step: &RecipeStep,
    key: &StepKey,
    expected: &StepKey,
) -> Result<(), EngineError> {
    if key != expected {
        return Err(refuse(format!(
            "step '{name}' is unpinned, and is not the one whose outputs the lock file pins: its \
             code, environment, parameters or inputs are others"
        )));
    }
    match trouble(project, name, step)? {
        None => Ok(()),
        Some(Trouble::Missing(what)) => Err(EngineError::Impossible(what)),
        Some(Trouble::Damaged(reason)) => Err(EngineError::Damaged {
            what: format!("what the lock file pins of step '{name}'"),
            reason,
        }),
    }
}

/// Why the pinned outputs of a step cannot be used, every byte of them hashed.
pub(crate) fn trouble(
    project: &Project,
    name: &StepName,
    step: &RecipeStep,
) -> Result<Option<Trouble>, EngineError> {
    for (output, artifact) in &step.pinned {
        let what = format!("the pinned output {name}.{output}");
        let found = integrity::check_artifact(&project.store, &what, artifact)?;
        if found.is_some() {
            return Ok(found);
        }
    }
    Ok(None)
}

/// Writes into the recipe what came out of the steps that cannot be run again: what is compared,
/// and what another step gets.
pub(crate) fn pin(recipe: &mut Recipe, ran: &Ran) {
    let mut all = BTreeMap::new();
    for (name, step) in &recipe.steps {
        let Some(outputs) = ran.outputs.get(name).filter(|_| step.is_unpinned()) else {
            continue;
        };
        let compared = |output: &StepName| step.results().any(|(name, _)| name == output);
        let pinned: BTreeMap<_, _> = outputs
            .iter()
            .filter(|(output, _)| compared(output) || recipe.is_used(name, output))
            .map(|(output, found)| (output.clone(), found.artifact))
            .collect();
        all.insert(name.clone(), pinned);
    }
    for (name, pinned) in all {
        if let Some(step) = recipe.steps.get_mut(&name) {
            step.pinned = pinned;
        }
    }
}

/// Writes into the lock file what the recipe pins, and tells what is another than before. Gives the
/// file's new text; none if it stays as it is.
pub(crate) fn update_lock(
    project: &Project,
    pipeline: &str,
    recipe: &Recipe,
    ran: &Ran,
    observer: &dyn Observer,
) -> Result<Option<String>, EngineError> {
    let mut lock = None;
    for (name, step) in &recipe.steps {
        let key = ran.steps.get(name).and_then(|step| step.key);
        let (Some(key), false) = (key, step.pinned.is_empty()) else {
            continue;
        };
        let lock = match &mut lock {
            Some(lock) => lock,
            None => lock.insert(read_lock(project)?),
        };
        if let Some(before) = lock.pin(pipeline, name) {
            for (output, now) in &step.pinned {
                tell_change(
                    project,
                    (name, output),
                    before.outputs.get(output),
                    now,
                    observer,
                )?;
            }
        }
        lock.set_pin(StepPin {
            pipeline: pipeline.to_owned(),
            step: name.clone(),
            key,
            outputs: step.pinned.clone(),
        });
    }
    let Some(lock) = lock else { return Ok(None) };
    if lock == read_lock(project)? {
        return Ok(None);
    }
    let text = lock.to_text();
    let path = project.root.join(LOCK_FILE);
    write_atomic(project.io(), &path, text.as_bytes())?;
    Ok(Some(text))
}

fn tell_change(
    project: &Project,
    (step, output): (&StepName, &StepName),
    before: Option<&Artifact>,
    now: &Artifact,
    observer: &dyn Observer,
) -> Result<(), EngineError> {
    let Some(before) = before.filter(|before| *before != now) else {
        return Ok(());
    };
    let rows = |artifact: &Artifact| -> Result<Option<u64>, EngineError> {
        let is_here =
            artifact.kind == ArtifactKind::Table && project.store.contains(&artifact.digest)?;
        let table = is_here.then(|| project.store.table_object(&artifact.digest));
        Ok(table.transpose()?.map(|table| table.rows))
    };
    let size = match (rows(before)?, rows(now)?) {
        (Some(before), Some(now)) => format!(", {now} rows instead of {before}"),
        _ => String::new(),
    };
    let note = format!(
        "step '{step}' is unpinned, and its output '{output}' is another than reproof.lock pinned: \
         {} instead of {}{size}",
        now.digest.short(),
        before.digest.short(),
    );
    observer.event(&Event::Note(&note));
    Ok(())
}
