//! What lists and pages say of records: verdicts, repeatability, metrics.

use reproof_capture::lock_committed;
use reproof_catalog::ExecutionFilter;
use reproof_learn::Metrics;
use reproof_record::{
    ArtifactKind, Execution, ExecutionKind, RecipeId, Record, RecordId, StepName, Verification,
};

use crate::operations::read_metrics;
use crate::run::unreadable;
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
    Ok(newest.find_map(|execution| Some((execution.verification.clone()?, execution))))
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

/// The metrics of a record: of its first output that is metrics.
pub fn evaluation(
    project: &Project,
    record: &Record,
) -> Result<Option<(StepName, Metrics)>, EngineError> {
    for (step, outputs) in &record.results {
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

/// Whether the lock file, as it is now, is part of the commit that is checked out. None without a
/// repository or lock file.
pub fn lock_is_committed(project: &Project) -> Result<Option<bool>, EngineError> {
    Ok(lock_committed(
        &project.root,
        project.io(),
        project.services.runner.as_ref(),
    )?)
}
