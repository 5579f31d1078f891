//! `reproof data`: named data and its history, and what data versions hold.

mod diff;
mod erase;
mod files;
mod history;
mod page;
mod show;
mod uses;

pub use show::show_files;

use clap::{Args, Subcommand};
use reproof_engine::{EngineError, PinnedData, data_names, data_versions};
use reproof_record::{VersionEntry, VersionId};
use serde_json::{Value, json};

use crate::arguments::Global;
use crate::exit::Exit;
use crate::printer::Printer;
use crate::{format, session};

/// The options of the command.
#[derive(Debug, Args)]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub action: Action,
}

/// What can be done with data.
#[derive(Debug, Subcommand)]
pub enum Action {
    /// Give a name to a file or a query and read its first version; the name goes into reproof.toml.
    Add(history::Add),
    /// Read named data now and append a version if it changed.
    Commit(history::Commit),
    /// List the versions of named data, newest first.
    Log(history::Log),
    /// Give a tag to a version of named data.
    Tag(history::Tag),
    /// Show the head of named data, or make another version the head.
    Head(history::Head),
    /// Show the columns of a data version: types, missing values, ranges, histograms.
    Show(show::Show),
    /// Show the statistics of a data version, or write them as a page for the browser.
    Stats(show::Stats),
    /// Show what differs between two data versions: columns, rows, values.
    Diff(diff::Diff),
    /// Show what used a data version: records, pipelines, models.
    UsedBy(uses::UsedBy),
    /// Show what a record came from.
    Lineage(uses::Lineage),
    /// Write the bytes of the source of a version to a file.
    Restore(files::Restore),
    /// Write the values of a version to a file.
    Export(files::Export),
    /// Delete what a version holds for good, with what was made from it. The history says that it was
    /// there, who erased it and why.
    Erase(erase::Erase),
    /// List named data and the data versions that reproof.lock pins.
    List,
}

/// Runs the command.
pub fn execute(
    arguments: &Arguments,
    global: &Global,
    printer: &Printer,
) -> Result<Exit, EngineError> {
    match &arguments.action {
        Action::Add(options) => history::add(options, global, printer),
        Action::Commit(options) => history::commit(options, global, printer),
        Action::Log(options) => history::log(options, global, printer),
        Action::Tag(options) => history::tag(options, global, printer),
        Action::Head(options) => history::head(options, global, printer),
        Action::Show(options) => show::show(options, global, printer),
        Action::Stats(options) => show::stats(options, global, printer),
        Action::Diff(options) => diff::execute(options, global, printer),
        Action::UsedBy(options) => uses::used_by(options, global, printer),
        Action::Lineage(options) => uses::lineage(options, global, printer),
        Action::Restore(options) => files::restore(options, global, printer),
        Action::Export(options) => files::export(options, global, printer),
        Action::Erase(options) => erase::execute(options, global, printer),
        Action::List => list(global, printer),
    }
}

fn list(global: &Global, printer: &Printer) -> Result<Exit, EngineError> {
    let project = session::project(global)?;
    let versions = data_versions(&project)?;
    let names = data_names(&project)?;
    if printer.json {
        let list: Vec<_> = versions.iter().map(described).collect();
        let named: Vec<_> = names
            .iter()
            .map(|named| {
                json!({
                    "name": named.name,
                    "declared": named.declared,
                    "head": named.head.as_ref().map(|(id, entry)| version_json(id, entry)),
                })
            })
            .collect();
        printer.document(&json!({ "data": list, "named": named }));
        return Ok(Exit::Done);
    }
    if versions.is_empty() && names.is_empty() {
        printer.line("no data was read yet: 'reproof run' reads what a pipeline names");
    }
    for named in &names {
        printer.line(&match &named.head {
            Some((id, entry)) => {
                let columns = entry.schema.columns().len() as u64;
                format!(
                    "{}@{}  {}  {}",
                    named.name,
                    id.short(),
                    entry.source.location,
                    format::size(entry.content.kind, entry.rows, columns),
                )
            }
            None => format!("{}  not read yet", named.name),
        });
    }
    let width = versions.iter().map(|one| one.path.chars().count()).max();
    for version in &versions {
        let entry = &version.entry;
        let columns = entry.schema.columns().len() as u64;
        let size = format::size(entry.version.kind, entry.rows, columns);
        let gone = if version.stored {
            ""
        } else {
            "  not in the store"
        };
        printer.line(&format!(
            "data:{}  {:<width$}  {size}{gone}",
            entry.version.digest.short(),
            version.path,
            width = width.unwrap_or(0),
        ));
    }
    Ok(Exit::Done)
}

/// What the lock file pins, as JSON.
fn described(version: &PinnedData) -> Value {
    let entry = &version.entry;
    json!({
        "data_id": entry.version.digest,
        "path": version.path,
        "source": entry.source,
        "source_digest": entry.source_digest,
        "rows": entry.rows,
        "columns": entry.schema,
        "stored": version.stored,
    })
}

/// A version of named data, as JSON.
fn version_json(id: &VersionId, entry: &VersionEntry) -> Value {
    json!({ "id": id, "entry": entry })
}
