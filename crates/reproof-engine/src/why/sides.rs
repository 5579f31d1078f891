//! From what a person names to the two results that are compared.

use std::collections::BTreeMap;

use reproof_catalog::{ExecutionFilter, Named};
use reproof_record::{Execution, ExecutionId, ExecutionKind, Host, Record, RecordId, Verdict};

use super::Side;
use crate::{EngineError, Project, describe, read_record, verdict};

/// The sides of one or two names.
///
/// # Errors
/// A name that is no result; of one name alone, a record that no verification questions.
pub fn named_sides(project: &Project, named: &[Named]) -> Result<[Side; 2], EngineError> {
    match named {
        [first, second] => Ok([side(project, first)?, side(project, second)?]),
        [Named::Execution(id)] => {
            let found = side(project, &named[0])?;
            if !found.is_verification {
                return Err(EngineError::Usage {
                    message: format!(
                        "{} is a run: there is nothing to compare it with",
                        id.short()
                    ),
                    hint: Some("name two of them, or an execution of 'reproof verify'".to_owned()),
                });
            }
            Ok([of_record(project, &found.record)?, found])
        }
        [Named::Record(id)] => Ok([of_record(project, id)?, questioned(project, id)?]),
        [other] => Err(no_result(other)),
        _ => Err(EngineError::usage("name one result or two")),
    }
}

fn no_result(named: &Named) -> EngineError {
    EngineError::Usage {
        message: format!("{} is no result", describe(named)),
        hint: Some("name records or executions; 'reproof log' lists them".to_owned()),
    }
}

fn side(project: &Project, named: &Named) -> Result<Side, EngineError> {
    match named {
        Named::Record(id) => of_record(project, id),
        Named::Execution(id) => {
            let execution = project.catalog.execution(id)?;
            of_execution(project, execution.ok_or_else(|| no_result(named))?)
        }
        other => Err(no_result(other)),
    }
}

/// A record, on the machine of its first run here.
fn of_record(project: &Project, id: &RecordId) -> Result<Side, EngineError> {
    let filter = ExecutionFilter {
        record: Some(*id),
        kind: Some(ExecutionKind::Run),
        ..ExecutionFilter::default()
    };
    let runs = project.catalog.executions(&filter)?;
    let first = runs.into_iter().min_by_key(|run| run.id);
    let content = read_record(project, id)?;
    let execution = first.as_ref().map(|run| run.id);
    Ok(new(
        *id,
        execution,
        false,
        content,
        first.map(|run| run.host),
    ))
}

fn of_execution(project: &Project, execution: Execution) -> Result<Side, EngineError> {
    let id = execution.id;
    if let Some(record) = execution.record {
        let content = read_record(project, &record)?;
        return Ok(new(record, Some(id), false, content, Some(execution.host)));
    }
    let Some(found) = execution.verification else {
        return Err(EngineError::Usage {
            message: format!("{} ended without results", id.short()),
            hint: Some(format!("'reproof show {}' says how it ended", id.short())),
        });
    };
    let mut content = read_record(project, &found.record)?;
    if let Some(reason) = found
        .reason
        .filter(|_| matches!(found.verdict, Verdict::Impossible))
    {
        return Err(EngineError::Impossible(format!(
            "{} could not run: {reason}",
            id.short()
        )));
    }
    for output in found.outputs {
        let outputs = content.results.entry(output.step).or_default();
        match output.found {
            Some(artifact) => outputs.insert(output.output, artifact),
            None => outputs.remove(&output.output),
        };
    }
    Ok(new(
        found.record,
        Some(id),
        true,
        content,
        Some(execution.host),
    ))
}

/// What the newest verification of a record found that did not hold.
fn questioned(project: &Project, id: &RecordId) -> Result<Side, EngineError> {
    let newest = verdict(project, id)?;
    let Some((verification, execution)) = newest else {
        return Err(EngineError::Usage {
            message: format!("record {} was not verified yet", id.short()),
            hint: Some(format!(
                "'reproof verify {}' runs it again; or name a second record",
                id.short()
            )),
        });
    };
    if verification.outputs.is_empty() {
        return Err(EngineError::Impossible(format!(
            "the newest verification of record {} ran no step: {}",
            id.short(),
            verification.reason.unwrap_or_default()
        )));
    }
    if verification.verdict == Verdict::Identical {
        return Err(EngineError::Usage {
            message: format!(
                "the newest verification of record {} found it identical: there is nothing to explain",
                id.short()
            ),
            hint: Some("name a second record or execution to compare it with".to_owned()),
        });
    }
    of_execution(project, execution)
}

fn new(
    record: RecordId,
    execution: Option<ExecutionId>,
    is_verification: bool,
    content: Record,
    host: Option<Host>,
) -> Side {
    Side {
        record,
        execution,
        is_verification,
        content,
        platform: host.map(properties).unwrap_or_default(),
    }
}

/// What of a machine may change bits, and its name, which tells which one it was.
fn properties(host: Host) -> BTreeMap<&'static str, String> {
    BTreeMap::from([
        ("architecture", host.architecture),
        ("cpu", host.cpu),
        ("cpu_features", host.cpu_features.join(" ")),
        ("kernel", host.kernel),
        ("name", host.name),
        ("os", host.os),
    ])
}
