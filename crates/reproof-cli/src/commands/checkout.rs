//! `reproof checkout`: lays out the code of a record again.

use std::path::PathBuf;

use clap::Args;
use reproof_engine::{EngineError, checkout, resolve_record};
use serde_json::json;

use crate::arguments::Global;
use crate::exit::Exit;
use crate::printer::Printer;
use crate::{format, session, summary};

/// The options of the command.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The record: its ID or a prefix of it, an execution of it, PIPELINE@latest or @latest.
    #[arg(value_name = "RECORD")]
    pub record: String,
    /// A new folder for the code, the pipeline files and reproof.lock, as the record's first run saw
    /// them. Data is not in it.
    #[arg(value_name = "DIR")]
    pub folder: PathBuf,
}

/// Runs the command.
pub fn execute(
    arguments: &Arguments,
    global: &Global,
    printer: &Printer,
) -> Result<Exit, EngineError> {
    let project = session::project(global)?;
    let record = resolve_record(&project, &arguments.record)?;
    let folder = match &global.directory {
        Some(directory) => directory.join(&arguments.folder),
        None => arguments.folder.clone(),
    };
    let found = checkout(&project, &record, &folder)?;
    if printer.json {
        printer.document(&json!({
            "record": record,
            "folder": folder.display().to_string(),
            "files": found.files,
            "lock": found.lock,
            "execution": found.execution.id,
        }));
    } else {
        printer.line(&format!(
            "{} of record {} ({}) in {}{}",
            format::counted(found.files, "file"),
            record.short(),
            summary::code(&found.execution.code),
            folder.display(),
            if found.lock {
                ""
            } else {
                ", without a lock file"
            },
        ));
    }
    Ok(Exit::Done)
}
