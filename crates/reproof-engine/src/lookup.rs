//! From what a person types to what it names: a prefix, `@latest`, `churn@latest`.

use reproof_catalog::{ExecutionFilter, Named};
use reproof_record::{Execution, ExecutionKind, RecordId};

use crate::{EngineError, Project, remote};

/// Finds the one thing that this text names. A record that is not here is fetched from the remotes.
pub fn resolve(project: &Project, text: &str) -> Result<Named, EngineError> {
    if let Some(pipeline) = text.strip_suffix("@latest") {
        return latest(project, pipeline).map(Named::Record);
    }
    let mut found = project.catalog.resolve(text)?;
    match found.len() {
        1 => Ok(found.remove(0)),
        0 => remote::find_record(project, text)?.ok_or_else(|| EngineError::Usage {
            message: format!("nothing here is named '{text}'"),
            hint: Some("'reproof log' lists records; a prefix of an ID is enough".to_owned()),
        }),
        _ => {
            let list: Vec<_> = found.iter().take(8).map(describe).collect();
            Err(EngineError::Usage {
                message: format!("'{text}' is ambiguous: {}", list.join(", ")),
                hint: Some("give more digits".to_owned()),
            })
        }
    }
}

/// Finds the record that this text names: its own ID, that of an execution of it, `@latest`.
pub fn resolve_record(project: &Project, text: &str) -> Result<RecordId, EngineError> {
    match resolve(project, text)? {
        Named::Record(id) => Ok(id),
        Named::Execution(id) => {
            let execution = project.catalog.execution(&id)?;
            let record = execution.as_ref().and_then(record_of);
            record.ok_or_else(|| {
                EngineError::usage(format!("execution {} has no record", id.short()))
            })
        }
        other => Err(EngineError::Usage {
            message: format!("{} is not a record", describe(&other)),
            hint: Some("'reproof show' says which records belong to it".to_owned()),
        }),
    }
}

/// The record an execution produced or verified.
pub fn record_of(execution: &Execution) -> Option<RecordId> {
    execution
        .record
        .or_else(|| execution.verification.as_ref().map(|found| found.record))
}

fn latest(project: &Project, pipeline: &str) -> Result<RecordId, EngineError> {
    let filter = ExecutionFilter {
        pipeline: (!pipeline.is_empty()).then(|| pipeline.to_owned()),
        kind: Some(ExecutionKind::Run),
        with_record: true,
        own_seed: true,
        limit: Some(1),
        ..Default::default()
    };
    let newest = project.catalog.executions(&filter)?.into_iter().next();
    newest
        .and_then(|execution| execution.record)
        .ok_or_else(|| EngineError::Usage {
            message: match pipeline {
                "" => "no record yet".to_owned(),
                name => format!("no record of a pipeline '{name}' yet"),
            },
            hint: Some("'reproof run' makes one".to_owned()),
        })
}

/// How a person reads a name.
pub fn describe(named: &Named) -> String {
    match named {
        Named::Record(id) => format!("record {}", id.short()),
        Named::Recipe(id) => format!("recipe:{}", id.short()),
        Named::Data(digest) => format!("data:{}", digest.short()),
        Named::Execution(id) => id.short(),
    }
}
