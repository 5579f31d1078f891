//! `reproof doctor`: what would keep the project from being run, recorded or repeated.

use clap::Args;
use reproof_engine::{EngineError, Health, doctor};
use serde_json::json;

use crate::arguments::Global;
use crate::exit::Exit;
use crate::printer::{Printer, Style};
use crate::session;

/// The options of the command.
#[derive(Debug, Args)]
pub struct Arguments {}

/// Runs the command.
pub fn execute(
    _arguments: &Arguments,
    global: &Global,
    printer: &Printer,
) -> Result<Exit, EngineError> {
    let project = session::project(global)?;
    let findings = doctor(&project)?;
    let damaged = |area: &str| {
        findings
            .iter()
            .any(|found| found.health == Health::Bad && found.area == area)
    };
    let exit = match () {
        () if damaged("store") => Exit::Integrity,
        () if damaged("disk") => Exit::Storage,
        () if damaged("git") => Exit::Environment,
        () if damaged("lock") => Exit::Usage,
        () => Exit::Done,
    };
    if printer.json {
        let list: Vec<_> = findings
            .iter()
            .map(|found| {
                json!({
                    "area": found.area,
                    "health": word(found.health),
                    "text": found.text,
                    "advice": found.advice,
                })
            })
            .collect();
        printer.document(&json!({ "findings": list }));
        return Ok(exit);
    }
    for found in &findings {
        let style = match found.health {
            Health::Good => Style::Good,
            Health::Doubtful => Style::Warning,
            Health::Bad => Style::Bad,
        };
        let state = printer.paint(style, &format!("{:<9}", word(found.health)));
        printer.line(&format!("{:<6} {state} {}", found.area, found.text));
        if let Some(advice) = found.advice {
            printer.line(&format!("{:<16} {advice}", ""));
        }
    }
    Ok(exit)
}

const fn word(health: Health) -> &'static str {
    match health {
        Health::Good => "good",
        Health::Doubtful => "doubtful",
        Health::Bad => "bad",
    }
}
