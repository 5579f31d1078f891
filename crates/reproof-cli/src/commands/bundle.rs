//! `reproof bundle`: a record with all that it needs in one file.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use reproof_engine::{EngineError, bundle_create, bundle_open, bundle_read, resolve_record};
use reproof_record::{Record, RecordId};
use serde_json::json;

use crate::arguments::Global;
use crate::exit::Exit;
use crate::printer::{Printer, Style};
use crate::progress::Progress;
use crate::{format, session};

/// The options of the command.
#[derive(Debug, Args)]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub action: Action,
}

/// What can be done with bundles.
#[derive(Debug, Subcommand)]
pub enum Action {
    /// Write everything that a record needs into one file. The same record gives the same bytes on
    /// every machine.
    Create(Create),
    /// Take a bundle into this project. 'reproof verify' then needs nothing else.
    Open(Open),
    /// Verify every bit of a bundle, and show what it holds. No project is needed.
    Show(File),
}

/// A new bundle.
#[derive(Debug, Args)]
pub struct Create {
    /// The record: its ID or a prefix of it, an execution of it, PIPELINE@latest or @latest.
    #[arg(value_name = "RECORD")]
    pub record: String,
    /// The file, which is replaced if it is there.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
}

/// A bundle that is taken in.
#[derive(Debug, Args)]
pub struct Open {
    /// The file.
    #[command(flatten)]
    pub file: File,
    /// Take in what was erased with 'reproof data erase', too. The history notes it.
    #[arg(long)]
    pub allow_erased: bool,
}

/// A bundle.
#[derive(Debug, Args)]
pub struct File {
    /// The file.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
}

/// Runs the command.
pub fn execute(
    arguments: &Arguments,
    global: &Global,
    printer: &Printer,
) -> Result<Exit, EngineError> {
    let cancel = session::stop_on_signals()?;
    let at = |file: &Path| session::folder(global).map(|folder| folder.join(file));
    match &arguments.action {
        Action::Create(create) => {
            let project = session::project(global)?;
            let record = resolve_record(&project, &create.record)?;
            let progress = Progress::new(printer);
            let path = at(&create.file)?;
            let written = bundle_create(&project, &record, &path, &progress, &cancel);
            progress.clear();
            let written = written?;
            if printer.json {
                printer.document(&json!({
                    "record": record,
                    "file": path.display().to_string(),
                    "blobs": written.blobs,
                    "bytes": written.bytes,
                }));
            } else {
                printer.line(&format!(
                    "record {} in {}: {}, {}",
                    record.short(),
                    create.file.display(),
                    format::counted(written.blobs, "blob"),
                    format::bytes(written.bytes),
                ));
            }
        }
        Action::Open(Open { file, allow_erased }) => {
            let mut project = session::project(global)?;
            project.allow_erased = *allow_erased;
            let progress = Progress::new(printer);
            let opened = bundle_open(&project, &at(&file.file)?, &progress, &cancel);
            progress.clear();
            let (id, record) = opened?;
            print(&id, &record, None, printer)?;
        }
        Action::Show(file) => {
            let services = session::services();
            let progress = Progress::new(printer);
            let io = services.io.as_ref();
            let read = bundle_read(io, &at(&file.file)?, &progress, &cancel);
            progress.clear();
            let (bundle, record) = read?;
            let id = RecordId::from_digest(bundle.header.record);
            print(
                &id,
                &record,
                Some((bundle.header.entries, bundle.bytes)),
                printer,
            )?;
        }
    }
    Ok(Exit::Done)
}

fn print(
    id: &RecordId,
    record: &Record,
    size: Option<(u64, u64)>,
    printer: &Printer,
) -> Result<(), EngineError> {
    let recipe = record.recipe.id()?;
    if printer.json {
        printer.document(&json!({
            "record_id": id,
            "recipe_id": recipe,
            "entries": size.map(|(entries, _)| entries),
            "bytes": size.map(|(_, bytes)| bytes),
            "record": record,
        }));
        return Ok(());
    }
    printer.line(&format!(
        "record  {}",
        printer.paint(Style::Strong, &id.to_string())
    ));
    printer.line(&format!("recipe  {}", recipe.short()));
    let steps: Vec<_> = record
        .recipe
        .steps
        .keys()
        .map(ToString::to_string)
        .collect();
    printer.line(&format!("steps   {}", steps.join(", ")));
    if let Some((entries, bytes)) = size {
        printer.line(&format!(
            "size    {}, {}",
            format::counted(entries, "chunk"),
            format::bytes(bytes)
        ));
    }
    Ok(())
}
