//! `reproof notebook executed`: the executed copy of a notebook that a step ran.

use std::collections::BTreeSet;
use std::path::PathBuf;

use clap::Args;
use reproof_catalog::{ExecutionFilter, Named};
use reproof_engine::{EngineError, MAX_NOTEBOOK, Project, resolve};
use reproof_record::{Artifact, Digest, Execution, Program, StepName};
use reproof_store::fs::write_atomic;
use serde_json::json;

use crate::arguments::Global;
use crate::exit::Exit;
use crate::printer::Printer;
use crate::session;

/// The options of the command.
#[derive(Debug, Args)]
pub struct Arguments {
    /// A record or an execution: an ID or a prefix of it, PIPELINE@latest or @latest.
    #[arg(value_name = "ID", default_value = "@latest")]
    pub id: String,
    /// The step that ran the notebook, where several did.
    #[arg(long, value_name = "STEP")]
    pub step: Option<StepName>,
    /// Write it to this file instead of printing it.
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

/// Runs the command.
pub fn execute(
    arguments: &Arguments,
    global: &Global,
    printer: &Printer,
) -> Result<Exit, EngineError> {
    let project = session::project(global)?;
    let executions = executions(&project, &arguments.id)?;
    let (step, copy) = find(&executions, arguments)?;
    let blob = match copy {
        Copy::Failed(blob) => blob,
        Copy::Output(artifact) => {
            let tree = project.store.tree(&artifact.digest)?;
            let file = tree.files.first().ok_or_else(|| EngineError::Damaged {
                what: format!("the executed notebook of step '{step}'"),
                reason: "it has no file".to_owned(),
            })?;
            file.digest
        }
    };
    let bytes = project.store.read(&blob, MAX_NOTEBOOK)?;
    match &arguments.output {
        Some(output) => {
            write_atomic(project.io(), &session::folder(global)?.join(output), &bytes)?;
            if printer.json {
                printer.document(&json!({ "step": step, "file": output.display().to_string() }));
            } else {
                printer.line(&format!("{}  what step '{step}' ran", output.display()));
            }
        }
        // A notebook is a JSON document itself.
        None => printer.text(&String::from_utf8_lossy(&bytes)),
    }
    Ok(Exit::Done)
}

fn executions(project: &Project, id: &str) -> Result<Vec<Execution>, EngineError> {
    Ok(match resolve(project, id)? {
        Named::Execution(id) => project.catalog.execution(&id)?.into_iter().collect(),
        Named::Record(id) => project.catalog.executions(&ExecutionFilter {
            record: Some(id),
            ..ExecutionFilter::default()
        })?,
        _ => Vec::new(),
    })
}

/// What is kept of a notebook that was run.
#[derive(Clone, Copy)]
enum Copy {
    /// The output of a step that ran it to its end.
    Output(Artifact),
    /// The blob of one that failed.
    Failed(Digest),
}

/// The newest executed notebook of the step that is meant.
fn find<'e>(
    executions: &'e [Execution],
    arguments: &Arguments,
) -> Result<(&'e StepName, Copy), EngineError> {
    let all = executions.iter().flat_map(|execution| &execution.steps);
    let executed = all.filter_map(|(name, step)| {
        let mut outputs = step.outputs.iter();
        let output = outputs.find(|(name, _)| name.as_str() == Program::EXECUTED);
        let output = output.map(|(_, artifact)| Copy::Output(*artifact));
        Some((name, output.or(step.executed.map(Copy::Failed))?))
    });
    let asked = |name: &StepName| arguments.step.as_ref().is_none_or(|step| step == name);
    let found: Vec<_> = executed.filter(|(name, _)| asked(name)).collect();
    let steps: BTreeSet<&str> = found.iter().map(|(name, _)| name.as_str()).collect();
    match found.first() {
        Some(first) if steps.len() == 1 => Ok(*first),
        Some(_) => {
            let steps: Vec<_> = steps.into_iter().collect();
            Err(EngineError::Usage {
                message: "several steps ran a notebook: say which".to_owned(),
                hint: Some(format!("--step, one of {}", steps.join(", "))),
            })
        }
        None => Err(EngineError::Usage {
            message: format!("no notebook was run in '{}'", arguments.id),
            hint: Some("a step with 'notebook:' keeps what it ran".to_owned()),
        }),
    }
}
