//! What data must meet before anything is made from it.

use std::collections::BTreeMap;

use reproof_config::{Lock, Pipeline};
use reproof_record::{
    Artifact, ArtifactKind, Digest, Expectation, ExpectationOutcome, GateVerdict, Source, StepName,
    Timestamp,
};
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
    for (source, expectations) in pipeline.expectations() {
        let Source::Data { data: name } = source else {
            continue;
        };
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
        let judge = Judge {
            project,
            before,
            now,
            cancel,
        };
        outcomes.extend(judge.table(source, data.used.version.digest, &expectations)?);
    }
    Ok(outcomes)
}

/// Judges every expectation of a pipeline on tables that programs made before all else.
pub(crate) fn judge_made(
    project: &Project,
    pipeline: &Pipeline,
    made: &BTreeMap<Source, Digest>,
    now: Timestamp,
    cancel: &Cancel,
) -> Result<Vec<ExpectationOutcome>, EngineError> {
    let judge = Judge {
        project,
        before: None,
        now,
        cancel,
    };
    let mut outcomes = Vec::new();
    for (source, expectations) in pipeline.expectations() {
        if let Some(table) = made.get(source) {
            outcomes.extend(judge.table(source, *table, &expectations)?);
        }
    }
    Ok(outcomes)
}

struct Judge<'a> {
    project: &'a Project,
    /// The version that was pinned before.
    before: Option<Artifact>,
    now: Timestamp,
    cancel: &'a Cancel,
}

impl Judge<'_> {
    fn table(
        &self,
        source: &Source,
        table: Digest,
        expectations: &[&Expectation],
    ) -> Result<Vec<ExpectationOutcome>, EngineError> {
        let mut outcomes = Vec::new();
        let (data, output) = match source {
            Source::Data { data } => (data, None),
            Source::Output { step, output } => (step, Some(output)),
        };
        for expectation in expectations {
            if self.cancel.is_cancelled() {
                return Err(EngineError::Interrupted);
            }
            let (store, check) = (self.project.store.clone(), expectation.check.clone());
            let (before, now) = (self.before, self.now);
            let judge = move || judge_data(&store, &table, &check, before.as_ref(), now);
            let judged = self.cancel.wait_for(judge)?;
            let judged = judged.map_err(|error| match error {
                TableError::Store(error) => error.into(),
                error => EngineError::usage(format!(
                    "data '{source}', expectation '{}': {error}",
                    expectation.text
                )),
            })?;
            outcomes.push(ExpectationOutcome {
                data: data.clone(),
                output: output.cloned(),
                expectation: expectation.text.clone(),
                verdict: judged.verdict,
                violations: judged.violations,
                value: judged.value,
                reason: judged.reason,
                examples: judged.examples,
            });
        }
        Ok(outcomes)
    }
}

/// Whether the data must not be used.
pub(crate) fn refuses(outcomes: &[ExpectationOutcome]) -> bool {
    outcomes
        .iter()
        .any(|outcome| outcome.verdict == GateVerdict::Failed)
}
