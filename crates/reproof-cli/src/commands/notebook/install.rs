//! `reproof notebook install`: the filter of git.

use clap::Args;
use reproof_engine::{EngineError, notebook_filter};
use serde_json::json;

use crate::arguments::Global;
use crate::exit::Exit;
use crate::printer::Printer;
use crate::session;

/// The options of the command.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Undo it: git sees notebooks as they are again.
    #[arg(long)]
    pub remove: bool,
}

/// Runs the command.
pub fn execute(
    arguments: &Arguments,
    global: &Global,
    printer: &Printer,
) -> Result<Exit, EngineError> {
    let folder = session::folder(global)?;
    let program = std::env::current_exe()
        .map_err(|error| EngineError::Bug(format!("where this program lies: {error}")))?;
    let change = notebook_filter(&session::services(), &folder, &program, arguments.remove)?;
    if printer.json {
        printer.document(&json!({
            "repository": change.repository.display().to_string(),
            "done": change.done,
        }));
        return Ok(Exit::Done);
    }
    for line in &change.done {
        printer.line(line);
    }
    if change.done.is_empty() {
        printer.line(if arguments.remove {
            "there is no such filter in this repository"
        } else {
            "the filter is set already"
        });
    } else {
        printer
            .note("'git add --renormalize .' has git look at notebooks that are committed already");
    }
    Ok(Exit::Done)
}
