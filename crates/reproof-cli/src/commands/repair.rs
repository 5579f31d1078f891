//! `reproof repair`: what is damaged or missing is fetched again from remotes.

use clap::Args;
use reproof_engine::{EngineError, Project, pick_remote, repair};
use reproof_record::StepName;
use serde_json::json;

use super::fsck;
use crate::arguments::Global;
use crate::exit::Exit;
use crate::printer::{Printer, Style};
use crate::progress::Progress;
use crate::{format, session};

/// The options of the command.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The remote to fetch from. All of them, one after the other, if none is named.
    #[arg(long, value_name = "REMOTE")]
    pub from: Vec<String>,
}

/// Runs the command.
pub fn execute(
    arguments: &Arguments,
    global: &Global,
    printer: &Printer,
) -> Result<Exit, EngineError> {
    let project = session::project(global)?;
    let from = remotes(&project, &arguments.from)?;
    let cancel = session::stop_on_signals()?;
    let progress = Progress::new(printer);
    let repaired = repair(&project, &from, &progress, &cancel);
    progress.clear();
    let repaired = repaired?;
    let well = repaired.after.is_well();
    if printer.json {
        printer.document(&json!({
            "mended": repaired.mended,
            "packs": repaired.packs,
            "well": well,
            "after": fsck::document(&repaired.after),
        }));
    } else {
        for (digest, remote) in &repaired.mended {
            let mended = printer.paint(Style::Good, "mended");
            printer.line(&format!("{mended}     blob {digest}, from {remote}"));
        }
        fsck::show_wrong(&repaired.after, printer);
        printer.line(
            &match (repaired.mended.len() as u64, repaired.packs, well) {
                (0, 0, true) => "nothing is damaged or missing".to_owned(),
                (mended, packs, _) => format!(
                    "{} mended, {} written anew without damage",
                    format::counted(mended, "blob"),
                    format::counted(packs, "pack"),
                ),
            },
        );
    }
    if well {
        return Ok(Exit::Done);
    }
    printer.error_text(
        "no remote has all that is damaged or missing",
        Some(
            "name another remote with 'reproof remote add', or push from a project that has it; \
             'reproof run' and 'reproof verify RECORD' store again what can be made again",
        ),
    );
    Ok(Exit::Integrity)
}

/// The remotes that are meant, each once.
fn remotes(project: &Project, named: &[String]) -> Result<Vec<StepName>, EngineError> {
    if named.is_empty() {
        let all: Vec<StepName> = project.settings.remotes.keys().cloned().collect();
        if all.is_empty() {
            // Says that there is none, and how to add one.
            pick_remote(project, None)?;
        }
        return Ok(all);
    }
    let mut from = Vec::new();
    for name in named {
        let remote = pick_remote(project, Some(name))?;
        if !from.contains(&remote) {
            from.push(remote);
        }
    }
    Ok(from)
}
