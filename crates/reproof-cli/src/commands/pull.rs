//! `reproof pull`: fetches records and the history of named data from a remote.

use clap::Args;
use reproof_engine::{EngineError, Wanted, pull};
use serde_json::json;

use super::push::{data_names, histories, show_histories, split};
use crate::arguments::Global;
use crate::exit::Exit;
use crate::printer::Printer;
use crate::progress::Progress;
use crate::{format, session};

/// The options of the command.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The remote, if it is not the only one or origin; then the records: IDs or prefixes of them;
    /// and data:NAME for the history of named data.
    #[arg(value_name = "REMOTE_OR_RECORD")]
    pub names: Vec<String>,
    /// Pull all records and the history of all named data that the remote has.
    #[arg(long)]
    pub all: bool,
    /// Take in what was erased with 'reproof data erase', too. The history notes it.
    #[arg(long)]
    pub allow_erased: bool,
}

/// Runs the command.
pub fn execute(
    arguments: &Arguments,
    global: &Global,
    printer: &Printer,
) -> Result<Exit, EngineError> {
    let mut project = session::project(global)?;
    project.allow_erased = arguments.allow_erased;
    let (remote, names) = split(&project, &arguments.names)?;
    if arguments.all != names.is_empty() {
        return Err(EngineError::Usage {
            message: "name records or data:NAME, or say --all".to_owned(),
            hint: Some("'reproof log' where they were made lists their IDs".to_owned()),
        });
    }
    let (records, data) = data_names(names)?;
    let cancel = session::stop_on_signals()?;
    let progress = Progress::new(printer);
    let wanted = Wanted {
        records: records.into_iter().cloned().collect(),
        data,
        all: arguments.all,
    };
    let pulled = pull(&project, &remote, &wanted, &progress, &cancel);
    progress.clear();
    let pulled = pulled?;
    if printer.json {
        printer.document(&json!({
            "remote": remote,
            "records": pulled.records,
            "entries": pulled.entries,
            "bytes": pulled.bytes,
            "executions": pulled.executions,
            "data": histories(&pulled.histories),
        }));
        return Ok(Exit::Done);
    }
    for record in &pulled.records {
        printer.line(&format!("record {record}"));
    }
    show_histories(&pulled.histories, "fetched", printer);
    printer.line(&format!(
        "{} from {remote}; {} and {} fetched, {}",
        format::counted(pulled.records.len() as u64, "record"),
        format::counted(pulled.entries, "chunk"),
        format::counted(pulled.executions, "execution"),
        format::bytes(pulled.bytes),
    ));
    Ok(Exit::Done)
}
