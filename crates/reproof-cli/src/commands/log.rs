//! `reproof log`: lists executions, newest first.

use clap::Args;
use reproof_catalog::ExecutionFilter;
use reproof_engine::{EngineError, Project, Repeatability, record_of, repeatability};
use reproof_record::{Execution, ExecutionKind, ExecutionStatus, RecordId};
use serde_json::json;

use crate::arguments::Global;
use crate::exit::Exit;
use crate::printer::{Printer, Style};
use crate::{format, session, summary};

/// The options of the command.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Only executions of this pipeline.
    #[arg(value_name = "PIPELINE")]
    pub pipeline: Option<String>,
    /// Show at most this many.
    #[arg(short = 'n', long, value_name = "N", default_value_t = 20)]
    pub limit: u32,
}

/// Runs the command.
pub fn execute(
    arguments: &Arguments,
    global: &Global,
    printer: &Printer,
) -> Result<Exit, EngineError> {
    let project = session::project(global)?;
    let filter = ExecutionFilter {
        pipeline: arguments.pipeline.clone(),
        limit: Some(arguments.limit),
        ..Default::default()
    };
    let executions = project.catalog.executions(&filter)?;
    if printer.json {
        let mut list = Vec::new();
        for execution in &executions {
            list.push(json!({
                "execution": execution,
                "not_reproducible": mark(&project, execution)?,
            }));
        }
        printer.document(&json!({ "executions": list }));
        return Ok(Exit::Done);
    }
    if executions.is_empty() {
        printer.line("nothing has been run yet");
    }
    for execution in &executions {
        printer.line(&line(&project, execution, printer)?);
    }
    Ok(Exit::Done)
}

fn line(
    project: &Project,
    execution: &Execution,
    printer: &Printer,
) -> Result<String, EngineError> {
    let record = record_of(execution)
        .as_ref()
        .map_or_else(|| "-".to_owned(), RecordId::short);
    let (style, what) = ending(execution);
    let mut text = format!(
        "{}  {}  {:<14} {:<12}  {}  {}",
        execution.id.short(),
        format::local(execution.started),
        execution.pipeline,
        record,
        printer.paint(style, &format!("{what:<11}")),
        summary::code(&execution.code),
    );
    if execution.kind == ExecutionKind::Verify {
        text.truncate(text.len() - summary::code(&execution.code).len());
        text.push_str("verification");
    }
    if execution.final_look {
        text.push_str("  final");
    }
    if let Some(mark) = mark(project, execution)? {
        text += &format!("  {}", printer.paint(Style::Bad, mark));
    }
    Ok(text)
}

/// How an execution ended, in a word.
pub fn ending(execution: &Execution) -> (Style, &'static str) {
    if let Some(found) = &execution.verification {
        let good = found.verdict == reproof_record::Verdict::Identical;
        return (
            if good { Style::Good } else { Style::Bad },
            found.verdict.name(),
        );
    }
    match execution.status {
        ExecutionStatus::Succeeded => (Style::Good, "done"),
        ExecutionStatus::GateFailed => (Style::Bad, "gate failed"),
        ExecutionStatus::Failed => (Style::Bad, "failed"),
        ExecutionStatus::Interrupted => (Style::Warning, "interrupted"),
    }
}

/// What is to be said of a recipe that gave more than one record.
fn mark(project: &Project, execution: &Execution) -> Result<Option<&'static str>, EngineError> {
    let Some(recipe) = &execution.recipe else {
        return Ok(None);
    };
    Ok(match repeatability(project, recipe)? {
        Repeatability::OneRecord => None,
        Repeatability::NotReproducible => Some("not reproducible"),
        Repeatability::DependsOnPlatform => Some("depends on the platform"),
    })
}
