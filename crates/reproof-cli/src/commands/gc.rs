//! `reproof gc`: deletes what is stored and not needed.

use std::path::PathBuf;

use clap::Args;
use reproof_engine::{EngineError, collect};
use serde_json::json;

use crate::arguments::Global;
use crate::exit::Exit;
use crate::printer::Printer;
use crate::{format, session};

/// The options of the command.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Only tell what is not needed.
    #[arg(long)]
    pub dry_run: bool,
    /// A project that used the store and is gone for good: what it needed is not needed any more.
    #[arg(long, value_name = "FOLDER")]
    pub forget: Vec<PathBuf>,
}

/// Runs the command.
pub fn execute(
    arguments: &Arguments,
    global: &Global,
    printer: &Printer,
) -> Result<Exit, EngineError> {
    let project = session::project(global)?;
    let found = collect(&project, arguments.dry_run, &arguments.forget)?;
    if found.busy {
        return Err(EngineError::Refused {
            message: "another 'reproof gc' is at work on this store".to_owned(),
            hint: Some("wait until it has ended".to_owned()),
        });
    }
    if printer.json {
        printer.document(&json!({
            "live": found.live,
            "live_bytes": found.live_bytes,
            "dead": found.dead,
            "dead_bytes": found.dead_bytes,
            "freed_bytes": found.freed_bytes,
            "waiting": found.waiting,
        }));
        return Ok(Exit::Done);
    }
    let part = |count: u64, bytes: u64| {
        let count = format::count(count);
        format!("{count} blobs and chunks, {}", format::bytes(bytes))
    };
    printer.line(&format!(
        "needed      {}",
        part(found.live, found.live_bytes)
    ));
    printer.line(&format!(
        "not needed  {}",
        part(found.dead, found.dead_bytes)
    ));
    if !arguments.dry_run {
        printer.line(&format!("freed       {}", format::bytes(found.freed_bytes)));
    }
    if found.waiting {
        printer.line(
            "waiting     for processes that had opened the store before: 'reproof gc' deletes it \
             once they have ended",
        );
    }
    Ok(Exit::Done)
}
