//! `data erase`: what a data version holds is deleted for good, and with it what was made from it.
//!
//! First the event is written down; from then on nothing here needs what it names, so that `gc`
//! deletes it, whoever calls that. So a process that is killed leaves nothing half-done: the same
//! command, or `gc`, goes on.

mod erased;
mod plan;

pub(crate) use erased::{MAX_EVENT, admit, append, read_erasure, replay, why_gone};
pub use erased::{erasure_of, erasure_text};
pub use plan::{ErasePlan, MadeFrom, Shared};

use reproof_capture::identity;
use reproof_catalog::ExecutionFilter;
use reproof_record::{Author, Erasure, ErasureAction};

use crate::collect::needed_elsewhere;
use crate::versions::{FoundData, need_content};
use crate::{EngineError, Project, collect, sources};

/// What came of an erasure.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Erased {
    /// By how many bytes the packs became smaller, together with what else nobody needed.
    pub freed_bytes: u64,
    /// Whether the event was there before: this call finished what another one began.
    pub again: bool,
}

/// Who works here.
pub(crate) fn author(project: &Project) -> Result<Author, EngineError> {
    let services = &project.services;
    let found = identity(&project.root, services.runner.as_ref())?;
    Ok(Author {
        user: services.user.clone(),
        name: found.name,
        email: found.email,
    })
}

/// What erasing this version would do. Nothing is changed, but that what a remote alone has of it is
/// fetched: it must be known what goes.
///
/// # Errors
/// Trouble of the storage.
pub fn plan_erasure(
    project: &Project,
    found: &FoundData,
    models: bool,
) -> Result<ErasePlan, EngineError> {
    match need_content(project, found) {
        // What nobody has any more is erased by its name alone.
        Ok(()) | Err(EngineError::Impossible(_)) => plan::plan(project, found, models),
        Err(error) => Err(error),
    }
}

/// What stands in place of an error that may have named values.
const REDACTED: &str = "erased";

/// Takes the rows that did not meet an expectation, and errors of steps, out of the executions that
/// read the data.
fn redact(project: &Project, plan: &ErasePlan) -> Result<(), EngineError> {
    let filter = ExecutionFilter {
        data: Some(plan.content.digest),
        ..ExecutionFilter::default()
    };
    for mut execution in project.catalog.executions(&filter)? {
        let mut found = false;
        for outcome in &mut execution.expectations {
            found |= !outcome.examples.is_empty();
            outcome.examples.clear();
        }
        for step in execution.steps.values_mut() {
            let told = step.error.as_deref().is_some_and(|error| error != REDACTED);
            if told {
                step.error = Some(REDACTED.to_owned());
                found = true;
            }
        }
        if found {
            project.catalog.redact(&execution)?;
        }
    }
    Ok(())
}

/// Erases what a plan names: the event is written, and then every byte of it deleted from the packs.
///
/// # Errors
/// If a process that had opened the store before still runs, which may rely on what is erased: then
/// the same command finishes it later. Trouble of the storage.
pub fn erase(project: &Project, plan: &ErasePlan, reason: &str) -> Result<Erased, EngineError> {
    let known = project.catalog.erased()?;
    // Also where a run that began before made more of it meanwhile.
    if plan.blobs.iter().any(|blob| !known.contains_key(blob)) {
        let event = Erasure {
            format: Erasure::FORMAT.to_owned(),
            action: ErasureAction::Erase,
            content: plan.content,
            versions: plan.versions.iter().map(|(id, _)| *id).collect(),
            derived: plan.derived.iter().map(|made| made.artifact).collect(),
            kept: plan.kept.iter().map(|made| made.artifact).collect(),
            blobs: plan.blobs.iter().copied().collect(),
            lifts: Vec::new(),
            reason: reason.to_owned(),
            author: author(project)?,
            host: project.services.host.name.clone(),
            time: project.services.clock.now(),
        };
        append(project, &event, &event.blobs, &[])?;
    }
    redact(project, plan)?;
    sources::forget_fetched(project)?;
    let collected = collect(project, false, &[])?;
    let left = plan::left(project, &plan.blobs)?;
    if left > 0
        && let Some(root) = needed_elsewhere(project, &plan.blobs)?
    {
        return Err(EngineError::Refused {
            message: format!(
                "{} is noted as erased, and {left} of its blobs are in the store still: the \
                 project {} uses the same store and needs them",
                plan.label,
                root.display()
            ),
            hint: Some("call 'reproof data erase' in that project, too".to_owned()),
        });
    }
    if collected.busy || collected.waiting || left > 0 {
        return Err(EngineError::Refused {
            message: format!(
                "{} is noted as erased, and {left} of its blobs are in the store still: another \
                 process that opened the store before may rely on them",
                plan.label
            ),
            hint: Some("run the same command again once the others have ended".to_owned()),
        });
    }
    Ok(Erased {
        freed_bytes: collected.freed_bytes,
        again: plan.again,
    })
}
