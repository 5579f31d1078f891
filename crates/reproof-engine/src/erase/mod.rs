//! `data erase`: what a data version holds is deleted for good, and with it what was made from it.
//!
//! First the event is written down; from then on nothing here needs what it names, so that `gc`
//! deletes it, whoever calls that. So a process that is killed leaves nothing half-done: the same
//! command, or `gc`, goes on.

mod erased;
mod plan;

pub(crate) use erased::{MAX_EVENT, admit, append, replay, why_gone};
pub use erased::{erasure_of, erasure_text};
pub use plan::{ErasePlan, MadeFrom, Shared};

use reproof_capture::identity;
use reproof_record::{Author, Erasure, ErasureAction};

use crate::versions::FoundData;
use crate::{EngineError, Project, collect};

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

/// What erasing this version would do. Nothing is changed.
///
/// # Errors
/// Trouble of the storage.
pub fn plan_erasure(
    project: &Project,
    found: &FoundData,
    models: bool,
) -> Result<ErasePlan, EngineError> {
    plan::plan(project, found, models)
}

/// Erases what a plan names: the event is written, and then every byte of it deleted from the packs.
///
/// # Errors
/// If a process that had opened the store before still runs, which may rely on what is erased: then
/// the same command finishes it later. Trouble of the storage.
pub fn erase(project: &Project, plan: &ErasePlan, reason: &str) -> Result<Erased, EngineError> {
    if !plan.again {
        let event = Erasure {
            format: Erasure::FORMAT.to_owned(),
            action: ErasureAction::Erase,
            content: plan.content,
            versions: plan.versions.iter().map(|(id, _)| *id).collect(),
            derived: plan.derived.iter().map(|made| made.artifact).collect(),
            kept: plan.kept.iter().map(|made| made.artifact).collect(),
            blobs: plan.blobs.iter().copied().collect(),
            reason: reason.to_owned(),
            author: author(project)?,
            host: project.services.host.name.clone(),
            time: project.services.clock.now(),
        };
        append(project, &event, &event.blobs, &[])?;
    }
    let collected = collect(project, false, &[])?;
    let left = plan::left(project, &plan.blobs)?;
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
