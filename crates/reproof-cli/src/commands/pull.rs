//! `reproof pull`: fetches records from a remote.

use clap::Args;
use reproof_engine::{EngineError, pull};
use serde_json::json;

use super::push::split;
use crate::arguments::Global;
use crate::exit::Exit;
use crate::printer::Printer;
use crate::progress::Progress;
use crate::{format, session};

/// The options of the command.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The remote, if it is not the only one or origin; then the records: IDs or prefixes of them.
    #[arg(value_name = "REMOTE_OR_RECORD")]
    pub names: Vec<String>,
    /// Pull all records that the remote has.
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
    if arguments.all != records.is_empty() {
        return Err(EngineError::Usage {
            message: "name records, or say --all".to_owned(),
            hint: Some("'reproof log' where they were made lists their IDs".to_owned()),
        });
    }
    let cancel = session::stop_on_signals()?;
    let progress = Progress::new(printer);
    let records = (!arguments.all).then_some(records);
    let pulled = pull(&project, &remote, records, &progress, &cancel);
    progress.clear();
    let pulled = pulled?;
    if printer.json {
        printer.document(&json!({
            "remote": remote,
            "records": pulled.records,
            "entries": pulled.entries,
            "bytes": pulled.bytes,
            "executions": pulled.executions,
        }));
        return Ok(Exit::Done);
    }
    for record in &pulled.records {
        printer.line(&format!("record {record}"));
    }
    printer.line(&format!(
        "{} from {remote}; {} and {} fetched, {}",
        format::counted(pulled.records.len() as u64, "record"),
        format::counted(pulled.entries, "chunk"),
        format::counted(pulled.executions, "execution"),
        format::bytes(pulled.bytes),
    ));
    Ok(Exit::Done)
}
