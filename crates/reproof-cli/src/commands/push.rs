//! `reproof push`: sends records to a remote.

use clap::Args;
use reproof_engine::{EngineError, Project, pick_remote, push, resolve_record};
use reproof_record::StepName;
use serde_json::json;

use crate::arguments::Global;
use crate::exit::Exit;
use crate::printer::Printer;
use crate::progress::Progress;
use crate::{format, session};

/// The options of the command.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The remote, if it is not the only one or origin; then the records: IDs or prefixes of them,
    /// executions, PIPELINE@latest. The latest record if none is given.
    #[arg(value_name = "REMOTE_OR_RECORD")]
    pub names: Vec<String>,
    /// Push all records that are here.
    #[arg(long)]
    pub all: bool,
}

/// Runs the command.
pub fn execute(
    arguments: &Arguments,
    global: &Global,
    printer: &Printer,
) -> Result<Exit, EngineError> {
    let project = session::project(global)?;
    let (remote, records) = split(&project, &arguments.names)?;
    if arguments.all && !records.is_empty() {
        return Err(EngineError::usage("name records, or say --all, not both"));
    }
    let mut ids = Vec::new();
    for name in records {
        ids.push(resolve_record(&project, name)?);
    }
    if ids.is_empty() && !arguments.all {
        ids.push(resolve_record(&project, "@latest")?);
    }
    let cancel = session::stop_on_signals()?;
    let progress = Progress::new(printer);
    let ids = (!arguments.all).then_some(ids);
    let pushed = push(&project, &remote, ids.as_deref(), &progress, &cancel);
    progress.clear();
    let pushed = pushed?;
    if printer.json {
        printer.document(&json!({
            "remote": remote,
            "records": pushed.records,
            "new": pushed.new,
            "entries": pushed.entries,
            "bytes": pushed.bytes,
            "executions": pushed.executions,
        }));
        return Ok(Exit::Done);
    }
    for record in &pushed.records {
        printer.line(&format!("record {record}"));
    }
    printer.line(&format!(
        "{} on {remote}, {} of them new; {} and {} sent, {}",
        format::counted(pushed.records.len() as u64, "record"),
        format::count(pushed.new),
        format::counted(pushed.entries, "chunk"),
        format::counted(pushed.executions, "execution"),
        format::bytes(pushed.bytes),
    ));
    Ok(Exit::Done)
}

/// The remote and the rest: the first name is a remote's if there is one of that name.
pub fn split<'a>(
    project: &Project,
    names: &'a [String],
) -> Result<(StepName, &'a [String]), EngineError> {
    match names.split_first() {
        Some((first, rest))
            if project
                .settings
                .remotes
                .keys()
                .any(|name| name.as_str() == first) =>
        {
            Ok((pick_remote(project, Some(first))?, rest))
        }
        _ => Ok((pick_remote(project, None)?, names)),
    }
}
