//! `reproof fsck`: whether everything that is stored is there and right.

use clap::Args;
use reproof_engine::{Checkup, Depth, EngineError, Lost, fsck};
use serde_json::json;

use crate::arguments::Global;
use crate::exit::Exit;
use crate::printer::{Printer, Style};
use crate::{format, session};

/// How many names are shown of each kind.
const SHOWN: usize = 6;

/// The options of the command.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Look whether everything is there, and hash only the documents that name it.
    #[arg(long, conflicts_with = "full")]
    pub quick: bool,
    /// Hash everything; that is what is done if nothing is said.
    #[arg(long)]
    pub full: bool,
    /// Write the index of the store anew from its packs.
    #[arg(long)]
    pub rebuild_index: bool,
}

/// Runs the command.
pub fn execute(
    arguments: &Arguments,
    global: &Global,
    printer: &Printer,
) -> Result<Exit, EngineError> {
    let project = session::project(global)?;
    let depth = if arguments.quick {
        Depth::Quick
    } else {
        Depth::Full
    };
    let found = fsck(&project, depth, arguments.rebuild_index)?;
    if printer.json {
        printer.document(&document(&found));
    } else {
        show(&found, depth, arguments.rebuild_index, printer);
    }
    if found.is_well() {
        return Ok(Exit::Done);
    }
    let wrong = if found.lost.is_empty() {
        "a part of the store is damaged; another copy of it is right"
    } else {
        "something that was stored is lost"
    };
    let wrong = found.catalog.as_deref().unwrap_or(wrong);
    printer.error_text(
        wrong,
        Some(
            "'reproof repair' fetches it again from a remote; 'reproof run' and 'reproof verify \
             RECORD' store again what can be made again; a data version needs the file that it was \
             read from, anything else a copy of the store",
        ),
    );
    Ok(Exit::Integrity)
}

/// What was found, as JSON.
pub fn document(found: &Checkup) -> serde_json::Value {
    let damage = found.damage.iter().map(|damage| {
        json!({
            "digest": damage.digest,
            "pack": damage.path.display().to_string(),
            "what": damage.what,
        })
    });
    let lost = found.lost.iter().map(|lost| {
        json!({
            "digest": lost.digest,
            "what": lost.what,
            "paths": lost.paths,
            "needed_by": lost.needed_by,
        })
    });
    json!({
        "packs": found.packs,
        "entries": found.entries,
        "bytes": found.bytes,
        "index_right": found.index_right,
        "mentions": found.mentions,
        "damage": damage.collect::<Vec<_>>(),
        "lost": lost.collect::<Vec<_>>(),
        "catalog": found.catalog,
    })
}

fn show(found: &Checkup, depth: Depth, rebuilt: bool, printer: &Printer) {
    let state = |well: bool| {
        if well {
            printer.paint(Style::Good, "good")
        } else {
            printer.paint(Style::Bad, "bad ")
        }
    };
    let looked = match depth {
        Depth::Quick => "only documents hashed",
        Depth::Full => "every bit looked at",
    };
    printer.line(&format!(
        "packs      {} {}, {} blobs and chunks, {}, {looked}",
        state(found.damage.is_empty()),
        format::count(found.packs),
        format::count(found.entries),
        format::bytes(found.bytes),
    ));
    let index = match (found.index_right, rebuilt) {
        (false, _) => "was wrong, and is written anew",
        (true, true) => "written anew",
        (true, false) => "says where everything lies",
    };
    printer.line(&format!("index      {} {index}", state(true)));
    let catalog = found.catalog.clone();
    printer.line(&format!(
        "catalogue  {} {}",
        state(found.catalog.is_none()),
        catalog.unwrap_or_else(|| format!(
            "{} records, runs, results and data versions",
            format::count(found.mentions)
        )),
    ));
    let all_there = found.lost.is_empty() && found.catalog.is_none();
    printer.line(&format!(
        "needed     {} {}",
        state(all_there),
        if all_there {
            "all of it is there".to_owned()
        } else {
            format!("{} lost", format::counted(found.lost.len() as u64, "blob"))
        }
    ));
    show_wrong(found, printer);
}

/// Lists what is damaged and what is lost.
pub fn show_wrong(found: &Checkup, printer: &Printer) {
    for damage in &found.damage {
        printer.line(&format!("damaged    {damage}"));
    }
    for lost in &found.lost {
        show_lost(lost, printer);
    }
}

fn show_lost(lost: &Lost, printer: &Printer) {
    printer.line(&format!("lost       blob {}: {}", lost.digest, lost.what));
    let list = |names: &std::collections::BTreeSet<String>| {
        let mut shown: Vec<_> = names.iter().take(SHOWN).map(String::as_str).collect();
        let more = names.len().saturating_sub(SHOWN);
        let rest = format!("and {more} more");
        if more > 0 {
            shown.push(&rest);
        }
        shown.join(", ")
    };
    if !lost.paths.is_empty() {
        printer.line(&format!("           it is {}", list(&lost.paths)));
    }
    if lost.needed_by.is_empty() {
        printer.line("           nothing needs it: 'reproof gc' removes it");
    } else {
        printer.line(&format!("           needed by {}", list(&lost.needed_by)));
    }
}
