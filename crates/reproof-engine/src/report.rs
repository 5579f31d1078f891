//! What lists and pages say of records: verdicts, repeatability, metrics.

use std::collections::BTreeMap;

use reproof_capture::lock_committed;
use reproof_catalog::ExecutionFilter;
use reproof_learn::{Metrics, Model};
use reproof_record::{
    ArtifactKind, Bound, Execution, ExecutionKind, RecipeId, Record, RecordId, StepName, Timestamp,
    Verdict, Verification,
};

use crate::lookup::record_of;
use crate::operations::{read_document, read_metrics};
use crate::run::unreadable;
use crate::verify::read_record;
use crate::{EngineError, Project};

/// What is known of a recipe's results.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repeatability {
    /// Every execution gave one record.
    OneRecord,
    /// Different records on equal platforms.
    NotReproducible,
    /// Different records, each on platforms of its own.
    DependsOnPlatform,
}

/// What the executions of a recipe say of its repeatability.
pub fn repeatability(project: &Project, recipe: &RecipeId) -> Result<Repeatability, EngineError> {
    let records = project.catalog.records_of(recipe)?;
    if records.len() < 2 {
        return Ok(Repeatability::OneRecord);
    }
    let mut runs: Vec<(RecordId, Execution)> = Vec::new();
    for entry in &records {
        let filter = ExecutionFilter {
            record: Some(entry.id),
            kind: Some(ExecutionKind::Run),
            ..Default::default()
        };
        let executions = project.catalog.executions(&filter)?;
        runs.extend(
            executions
                .into_iter()
                .map(|execution| (entry.id, execution)),
        );
    }
    let clash = runs.iter().enumerate().any(|(index, (id, execution))| {
        runs[index + 1..]
            .iter()
            .any(|(other, later)| id != other && execution.host.same_platform(&later.host))
    });
    Ok(if clash {
        Repeatability::NotReproducible
    } else {
        Repeatability::DependsOnPlatform
    })
}

/// Which executions a history is to hold, beyond what the catalogue filters by.
#[derive(Clone, Debug, Default)]
pub struct HistoryFilter {
    /// Only of this pipeline.
    pub pipeline: Option<String>,
    /// Only with a commit checked out whose ID begins so.
    pub commit: Option<String>,
    /// Only those that began at this time or later.
    pub since: Option<Timestamp>,
    /// Only verifications that came to this verdict, and runs whose record's newest one did.
    pub verdict: Option<Verdict>,
    /// Only those of a record whose metrics, over all rows, keep all these bounds.
    pub bounds: Vec<(String, Bound, f64)>,
    /// At most this many.
    pub limit: usize,
}

/// The executions that pass a filter, newest first.
pub fn history(project: &Project, filter: &HistoryFilter) -> Result<Vec<Execution>, EngineError> {
    let wide = ExecutionFilter {
        pipeline: filter.pipeline.clone(),
        ..Default::default()
    };
    let mut judged = BTreeMap::new();
    let mut found = Vec::new();
    for execution in project.catalog.executions(&wide)? {
        if found.len() == filter.limit
            || filter.since.is_some_and(|since| execution.started < since)
        {
            break;
        }
        let commit = execution.code.commit.as_deref().unwrap_or_default();
        if filter
            .commit
            .as_ref()
            .is_some_and(|wanted| !commit.starts_with(wanted.as_str()))
        {
            continue;
        }
        let keeps = match record_of(&execution) {
            _ if filter.verdict.is_none() && filter.bounds.is_empty() => true,
            None => false,
            Some(record) => match judged.get(&record) {
                Some(keeps) => *keeps,
                None => {
                    let keeps = keeps(project, &record, filter)?;
                    judged.insert(record, keeps);
                    keeps
                }
            },
        };
        if keeps {
            found.push(execution);
        }
    }
    Ok(found)
}

/// Whether a record has the verdict and keeps the bounds that a filter wants.
fn keeps(project: &Project, id: &RecordId, filter: &HistoryFilter) -> Result<bool, EngineError> {
    if let Some(wanted) = filter.verdict {
        let newest = verdict(project, id)?.map(|(found, _)| found.verdict);
        if newest != Some(wanted) {
            return Ok(false);
        }
    }
    if filter.bounds.is_empty() {
        return Ok(true);
    }
    let Some((_, metrics)) = evaluation(project, &read_record(project, id)?)? else {
        return Ok(false);
    };
    Ok(filter.bounds.iter().all(|(metric, bound, threshold)| {
        let value = metrics
            .overall
            .get(metric)
            .and_then(|estimate| estimate.value);
        value.is_some_and(|value| bound.holds(value, *threshold))
    }))
}

/// The newest verification of a record, and when it ended.
pub fn verdict(
    project: &Project,
    record: &RecordId,
) -> Result<Option<(Verification, Execution)>, EngineError> {
    let filter = ExecutionFilter {
        record: Some(*record),
        kind: Some(ExecutionKind::Verify),
        ..Default::default()
    };
    let mut newest = project.catalog.executions(&filter)?.into_iter();
    Ok(newest.find_map(|execution| {
        let found = execution.verification.clone()?;
        // A comparison with another record says nothing of this one.
        found.against.is_none().then_some((found, execution))
    }))
}

/// How often the test part was scored by this pipeline.
pub fn final_looks(project: &Project, pipeline: &str) -> Result<usize, EngineError> {
    let filter = ExecutionFilter {
        pipeline: Some(pipeline.to_owned()),
        kind: Some(ExecutionKind::Run),
        ..Default::default()
    };
    let executions = project.catalog.executions(&filter)?;
    Ok(executions
        .iter()
        .filter(|execution| execution.final_look)
        .count())
}

/// The metrics of a record: of its first built-in step that evaluates.
pub fn evaluation(
    project: &Project,
    record: &Record,
) -> Result<Option<(StepName, Metrics)>, EngineError> {
    for (step, outputs) in &record.results {
        // A program's metrics are what it likes them to be.
        let recipe = record.recipe.steps.get(step);
        if recipe.is_none_or(|recipe| recipe.program.is_some()) {
            continue;
        }
        let metrics = outputs
            .values()
            .find(|artifact| artifact.kind == ArtifactKind::Metrics);
        if let Some(artifact) = metrics {
            let metrics = read_metrics(&project.store, artifact).map_err(unreadable)?;
            return Ok(Some((step.clone(), metrics)));
        }
    }
    Ok(None)
}

/// The models of a record that built-in trainers made, by their steps.
///
/// # Errors
/// A model that is not in the store, or is none.
pub fn models(project: &Project, record: &Record) -> Result<Vec<(StepName, Model)>, EngineError> {
    let mut models = Vec::new();
    for (step, outputs) in &record.results {
        let trains = record
            .recipe
            .steps
            .get(step)
            .is_some_and(|step| step.operation.name.as_str().starts_with("train_"));
        let model = outputs
            .values()
            .find(|artifact| trains && artifact.kind == ArtifactKind::Model);
        if let Some(artifact) = model {
            let model = read_document(&project.store, artifact, "model.json");
            models.push((step.clone(), model.map_err(unreadable)?));
        }
    }
    Ok(models)
}

/// Whether the lock file, as it is now, is part of the commit that is checked out. None without a
/// repository or lock file.
pub fn lock_is_committed(project: &Project) -> Result<Option<bool>, EngineError> {
    Ok(lock_committed(
        &project.root,
        project.io(),
        project.services.runner.as_ref(),
    )?)
}
