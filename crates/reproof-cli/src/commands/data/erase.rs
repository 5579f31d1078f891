//! `reproof data erase`: what a version holds is deleted for good.

use std::io::{BufRead, IsTerminal};

use clap::Args;
use reproof_engine::{
    EngineError, ErasePlan, Erased, MadeFrom, Project, erase, find_data, plan_erasure,
};
use serde_json::{Value, json};

use crate::arguments::Global;
use crate::exit::Exit;
use crate::printer::{Printer, Style};
use crate::{format, session};

/// How many things of a kind are shown.
const SHOWN: usize = 12;

/// The options of `data erase`.
#[derive(Debug, Args)]
pub struct Erase {
    /// A version, as `data show` takes it.
    #[arg(value_name = "VERSION")]
    pub version: String,
    /// Why, for the history: it is kept for ever, so it should name nobody.
    #[arg(long, value_name = "TEXT")]
    pub reason: String,
    /// Also erase the models that were made from it.
    #[arg(long)]
    pub models: bool,
    /// Only show what would be erased.
    #[arg(long)]
    pub dry_run: bool,
    /// Do not ask.
    #[arg(long)]
    pub yes: bool,
}

/// Runs `data erase`.
pub fn execute(options: &Erase, global: &Global, printer: &Printer) -> Result<Exit, EngineError> {
    if options.reason.trim().is_empty() {
        return Err(EngineError::usage("the reason is empty"));
    }
    let project = session::project(global)?;
    let found = find_data(&project, &options.version)?;
    let plan = plan_erasure(&project, &found, options.models)?;
    if !printer.json {
        show(&project, &plan, printer);
    }
    if options.dry_run {
        if printer.json {
            printer.document(&document(&project, &plan, None));
        }
        return Ok(Exit::Done);
    }
    if !options.yes && !confirmed(printer)? {
        return Err(EngineError::Refused {
            message: "nothing was erased".to_owned(),
            hint: Some("say --yes to erase without being asked".to_owned()),
        });
    }
    let erased = erase(&project, &plan, &options.reason)?;
    if printer.json {
        printer.document(&document(&project, &plan, Some(&erased)));
        return Ok(Exit::Done);
    }
    printer.line(&format!(
        "{}  {}; the packs are {} smaller",
        printer.paint(Style::Strong, "erased"),
        format::counted(plan.blobs.len() as u64, "blob"),
        format::bytes(erased.freed_bytes),
    ));
    Ok(Exit::Done)
}

/// Asks the person, if there is one.
fn confirmed(printer: &Printer) -> Result<bool, EngineError> {
    let input = std::io::stdin();
    if printer.json || !input.is_terminal() {
        return Ok(false);
    }
    printer.line("This cannot be undone. Type 'erase' to go on:");
    let mut answer = String::new();
    let read = input.lock().read_line(&mut answer);
    read.map_err(|error| EngineError::usage(format!("no answer can be read: {error}")))?;
    Ok(answer.trim() == "erase")
}

fn show(project: &Project, plan: &ErasePlan, printer: &Printer) {
    printer.line(&format!(
        "version   {}  data:{}",
        printer.paint(Style::Strong, &plan.label),
        plan.content.digest.short()
    ));
    for (id, entry) in &plan.versions {
        printer.line(&format!(
            "          {}@{}, {}, from {}",
            entry.name,
            id.short(),
            format::amount(entry.content.kind, entry.rows),
            entry.source.location
        ));
    }
    list("goes too", plan.derived.iter().map(made), printer);
    list("stays", plan.kept.iter().map(made), printer);
    if !plan.kept.is_empty() {
        printer.line("          models may have learnt from it: --models erases them, too");
    }
    if plan.logs > 0 {
        let logs = format::counted(plan.logs, "log");
        printer.line(&format!("logs      {logs} of steps that read it"));
    }
    let records = plan
        .records
        .iter()
        .map(|id| format!("record {}", id.short()));
    list("for good", records, printer);
    if !plan.records.is_empty() {
        printer.line("          they stay, and cannot be run again");
    }
    for shared in &plan.shared {
        printer.line(&format!(
            "shared    {} with {}, which stays; 'reproof data erase {} --reason TEXT' erases \
             those, too",
            format::counted(shared.entries, "chunk"),
            shared.version,
            shared.version
        ));
    }
    if plan.bundles.is_empty() {
        printer.line("bundles   none with it was written here, as far as is known");
    }
    for bundle in &plan.bundles {
        printer.line(&format!(
            "bundles   {} with record {}, written on {} by {}: it is not touched",
            bundle.file,
            bundle.record.short(),
            format::local(bundle.created),
            bundle.user
        ));
    }
    for remote in project.settings.remotes.keys() {
        printer.line(&format!(
            "remote    {remote}: with the next 'reproof push {remote}'"
        ));
    }
    printer.line(
        "files     what lies outside of the store, such as the source itself, is not touched",
    );
    if plan.again {
        printer.line("again     it is noted as erased: what is left of it is deleted");
    }
}

fn made(made: &MadeFrom) -> String {
    format!(
        "{} {} of {}",
        made.artifact.kind,
        made.artifact.digest.short(),
        made.operation
    )
}

/// Lists some of these, the first behind a word.
fn list(word: &str, mut texts: impl ExactSizeIterator<Item = String>, printer: &Printer) {
    let more = texts.len().saturating_sub(SHOWN);
    for (number, text) in texts.by_ref().take(SHOWN).enumerate() {
        let word = if number == 0 { word } else { "" };
        printer.line(&format!("{word:<10}{text}"));
    }
    if more > 0 {
        printer.line(&format!(
            "          and {} more",
            format::count(more as u64)
        ));
    }
}

fn document(project: &Project, plan: &ErasePlan, erased: Option<&Erased>) -> Value {
    let all = |made: &[MadeFrom]| -> Vec<Value> {
        let made = made.iter().map(|made| {
            json!({
                "artifact": made.artifact,
                "operation": made.operation.to_string(),
                "output": made.output,
            })
        });
        made.collect()
    };
    let shared = plan
        .shared
        .iter()
        .map(|shared| json!({ "version": shared.version, "entries": shared.entries }));
    let bundles = plan.bundles.iter().map(|bundle| {
        json!({
            "file": bundle.file,
            "record": bundle.record,
            "user": bundle.user,
            "created": bundle.created,
        })
    });
    json!({
        "content": plan.content,
        "versions": plan.versions.iter().map(|(id, _)| id).collect::<Vec<_>>(),
        "derived": all(&plan.derived),
        "kept_models": all(&plan.kept),
        "logs": plan.logs,
        "records": plan.records,
        "blobs": plan.blobs,
        "shared": shared.collect::<Vec<_>>(),
        "bundles": bundles.collect::<Vec<_>>(),
        "remotes": project.settings.remotes.keys().collect::<Vec<_>>(),
        "erased": erased.is_some(),
        "freed_bytes": erased.map(|erased| erased.freed_bytes),
    })
}
