//! What data must meet before anything is made from it.

use std::collections::BTreeMap;

use reproof_config::{Lock, Pipeline};
use reproof_record::{ArtifactKind, ExpectationOutcome, GateVerdict, StepName, Timestamp};
use reproof_table::{TableError, judge_data};

use crate::data::Pinned;
use crate::{Cancel, EngineError, Project};

/// Judges every expectation of a pipeline on the data that was pinned. `lock` is the lock file as it
/// was before, `now` the start of the run.
pub(crate) fn judge_all(
    project: &Project,
    pipeline: &Pipeline,
    pinned: &BTreeMap<StepName, Pinned>,
    lock: &Lock,
    now: Timestamp,
    cancel: &Cancel,
) -> Result<Vec<ExpectationOutcome>, EngineError> {
    let mut outcomes = Vec::new();
    for (name, expectations) in pipeline.expectations() {
        let Some(data) = pinned.get(name) else {
            continue;
        };
        if data.used.version.kind != ArtifactKind::Table && !expectations.is_empty() {
            return Err(EngineError::Usage {
                message: format!("data '{name}' is files, of which nothing can be expected"),
                hint: Some("leave 'expect' out, or let a program look at the files".to_owned()),
            });
        }
        let before = lock.get(&data.key).map(|entry| entry.version);
        for expectation in expectations {
            if cancel.is_cancelled() {
                return Err(EngineError::Interrupted);
            }
            let (store, check) = (project.store.clone(), expectation.check.clone());
            let version = data.used.version.digest;
            let judged = cancel
                .wait_for(move || judge_data(&store, &version, &check, before.as_ref(), now))?;
            let judged = judged.map_err(|error| match error {
                TableError::Store(error) => error.into(),
                error => EngineError::usage(format!(
                    "data '{name}', expectation '{}': {error}",
                    expectation.text
                )),
            })?;
            outcomes.push(ExpectationOutcome {
                data: name.clone(),
                expectation: expectation.text.clone(),
                verdict: judged.verdict,
                violations: judged.violations,
                value: judged.value,
                reason: judged.reason,
                examples: judged.examples,
            });
        }
    }
    Ok(outcomes)
}

/// Whether the data must not be used.
pub(crate) fn refuses(outcomes: &[ExpectationOutcome]) -> bool {
    outcomes
        .iter()
        .any(|outcome| outcome.verdict == GateVerdict::Failed)
}
