//! `reproof push`: sends records and the history of named data to a remote.

use clap::Args;
use reproof_engine::{
    EngineError, MovedHistory, Offered, Project, pick_remote, push, resolve_record,
};
use reproof_record::StepName;
use serde_json::{Value, json};

use crate::arguments::Global;
use crate::exit::Exit;
use crate::printer::Printer;
use crate::progress::Progress;
use crate::{format, session};

/// The options of the command.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The remote, if it is not the only one or origin; then the records: IDs or prefixes of them,
    /// executions, PIPELINE@latest; and data:NAME for the whole history of named data. The latest
    /// record if nothing is given.
    #[arg(value_name = "REMOTE_OR_RECORD")]
    pub names: Vec<String>,
    /// Push all records and all named data that are here.
    #[arg(long)]
    pub all: bool,
    /// Make head and tags of the named data on the remote those that are here, also where they went
    /// another way. The versions that are there stay.
    #[arg(long)]
    pub replace: bool,
}

/// Runs the command.
pub fn execute(
    arguments: &Arguments,
    global: &Global,
    printer: &Printer,
) -> Result<Exit, EngineError> {
    let project = session::project(global)?;
    let (remote, names) = split(&project, &arguments.names)?;
    if arguments.all && !names.is_empty() {
        return Err(EngineError::usage("name records, or say --all, not both"));
    }
    let (records, data) = data_names(names)?;
    if arguments.replace && data.is_empty() {
        return Err(EngineError::Usage {
            message: "--replace is for named data".to_owned(),
            hint: Some("name it: 'reproof push data:NAME --replace'".to_owned()),
        });
    }
    let mut offered = Offered {
        data,
        all: arguments.all,
        replace: arguments.replace,
        ..Offered::default()
    };
    for name in records {
        offered.records.push(resolve_record(&project, name)?);
    }
    if names.is_empty() && !arguments.all {
        offered.records.push(resolve_record(&project, "@latest")?);
    }
    let cancel = session::stop_on_signals()?;
    let progress = Progress::new(printer);
    let pushed = push(&project, &remote, &offered, &progress, &cancel);
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
            "data": histories(&pushed.histories),
        }));
        return Ok(Exit::Done);
    }
    for record in &pushed.records {
        printer.line(&format!("record {record}"));
    }
    show_histories(&pushed.histories, "sent", printer);
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

/// Those of these names that begin with `data:`, as names of data, and the others.
pub fn data_names(names: &[String]) -> Result<(Vec<&String>, Vec<StepName>), EngineError> {
    let (mut others, mut data) = (Vec::new(), Vec::new());
    for name in names {
        match name.strip_prefix("data:") {
            Some(text) => data.push(text.parse().map_err(|error| EngineError::Usage {
                message: format!("'{name}' names no data: {error}"),
                hint: Some("write data:NAME, as reproof.toml names it".to_owned()),
            })?),
            None => others.push(name),
        }
    }
    Ok((others, data))
}

/// What was moved of histories, as JSON.
pub fn histories(histories: &[MovedHistory]) -> Vec<Value> {
    let histories = histories.iter().map(|history| {
        json!({
            "name": history.name,
            "versions": history.versions,
            "conflicts": history.conflicts,
        })
    });
    histories.collect()
}

/// Tells what was moved of histories.
pub fn show_histories(histories: &[MovedHistory], moved: &str, printer: &Printer) {
    for history in histories {
        printer.line(&format!(
            "data {}: {} {moved}",
            history.name,
            format::counted(history.versions, "version"),
        ));
        for conflict in &history.conflicts {
            printer.line(&format!("  not {moved}: {conflict}"));
        }
    }
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
