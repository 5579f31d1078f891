//! `reproof env`: shows, pins and compares the environments that programs run in.

use clap::{Args, Subcommand};
use reproof_engine::{
    ClosureDescription, EngineError, Environments, Project, closure_named, env_gc,
    environment_diff, environments_list,
};
use reproof_record::{Digest, StepName};
use serde_json::json;

use crate::arguments::Global;
use crate::exit::Exit;
use crate::printer::{Printer, Style};
use crate::progress::Progress;
use crate::{format, session, summary};

/// The options of the command.
#[derive(Debug, Args)]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub action: Action,
}

/// What can be done with environments.
#[derive(Debug, Subcommand)]
pub enum Action {
    /// Build an environment if need be, and show what is in it.
    Show(Named),
    /// Pin what a requirements file asks for, with hashes: FILE.in, or the file itself.
    Lock(Named),
    /// Show what differs between two environments.
    Diff(Diff),
    /// List the environments of the project and the closures that are here.
    List,
    /// Remove closures from the user's cache that were not used for a while and that this project's
    /// lock file does not name. They are laid out again from the store when they are needed.
    Gc(Gc),
}

/// One environment.
#[derive(Debug, Args)]
pub struct Named {
    /// Its name in reproof.toml.
    #[arg(value_name = "NAME", default_value = "default")]
    pub name: StepName,
}

/// The options of `env gc`.
#[derive(Debug, Args)]
pub struct Gc {
    /// Keep what was used in the last so many days, by whatever project.
    #[arg(long, value_name = "DAYS", default_value_t = 30)]
    pub unused_for: u32,
}

/// Two environments.
#[derive(Debug, Args)]
pub struct Diff {
    /// The first: a name in reproof.toml, or a closure's ID or a prefix of it.
    #[arg(value_name = "A")]
    pub first: String,
    /// The second.
    #[arg(value_name = "B")]
    pub second: String,
}

/// Runs the command.
pub fn execute(
    arguments: &Arguments,
    global: &Global,
    printer: &Printer,
) -> Result<Exit, EngineError> {
    let project = session::project(global)?;
    let progress = Progress::new(printer);
    let environments = Environments::new(&project, &progress)?;
    let done = match &arguments.action {
        Action::Show(named) => show(&environments, &named.name, &progress, printer),
        Action::Lock(named) => lock(&project, &environments, &named.name, &progress, printer),
        Action::Diff(diff) => differ(&environments, diff, &progress, printer),
        Action::List => list(&environments, printer),
        Action::Gc(options) => gc(&environments, options.unused_for, printer),
    };
    progress.clear();
    done.map(|()| Exit::Done)
}

fn show(
    environments: &Environments<'_>,
    name: &StepName,
    progress: &Progress,
    printer: &Printer,
) -> Result<(), EngineError> {
    let ready = environments.ready_as_locked(name)?;
    progress.clear();
    let described = environments.description(&ready.closure)?;
    if printer.json {
        printer.document(&json!({
            "name": name,
            "specification": ready.specification,
            "closure": ready.closure,
            "folder": ready.root.display().to_string(),
            "description": described,
        }));
        return Ok(());
    }
    printer.line(&format!(
        "closure        {}",
        printer.paint(Style::Strong, &ready.closure.to_string())
    ));
    printer.line(&format!("specification  {}", ready.specification.short()));
    print_description(&described, printer);
    printer.line(&format!("folder         {}", ready.root.display()));
    Ok(())
}

fn print_description(described: &ClosureDescription, printer: &Printer) {
    if let Some(python) = &described.python {
        printer.line(&format!("python         {python}"));
    }
    printer.line(&format!(
        "size           {}, {} MB",
        format::counted(described.files, "file"),
        format::count(described.bytes / 1_000_000)
    ));
    printer.line(&format!(
        "libraries      {}",
        format::count(described.libraries.len() as u64)
    ));
    for note in &described.notes {
        printer.line(&format!("note           {note}"));
    }
    let width = described.packages.keys().map(String::len).max();
    for (name, package) in &described.packages {
        printer.line(&format!(
            "  {name:<width$}  {}",
            package.version,
            width = width.unwrap_or(0)
        ));
    }
}

fn lock(
    project: &Project,
    environments: &Environments<'_>,
    name: &StepName,
    progress: &Progress,
    printer: &Printer,
) -> Result<(), EngineError> {
    let (file, pinned) = environments.lock(name)?;
    progress.clear();
    let text = pinned.requirements.to_string();
    project.write_text(&file, &text)?;
    for (line, option) in &pinned.dropped {
        printer.note(&format!("line {line}: {option} is not kept"));
    }
    let count = pinned.requirements.pins().len() as u64;
    if printer.json {
        printer.document(&json!({ "file": file, "pins": count }));
    } else {
        printer.line(&format!(
            "{} in {file}, with hashes: commit it",
            format::counted(count, "pinned package")
        ));
    }
    Ok(())
}

fn differ(
    environments: &Environments<'_>,
    diff: &Diff,
    progress: &Progress,
    printer: &Printer,
) -> Result<(), EngineError> {
    let first = closure_named(environments, &diff.first)?;
    let second = closure_named(environments, &diff.second)?;
    progress.clear();
    let one = environments.description(&first)?;
    let other = environments.description(&second)?;
    let found = environment_diff(&one, &other);
    if printer.json {
        printer.document(&json!({ "first": first, "second": second, "difference": found }));
        return Ok(());
    }
    if first == second {
        printer.line("identical");
        return Ok(());
    }
    for line in summary::environment(&found) {
        printer.line(&line);
    }
    Ok(())
}

fn list(environments: &Environments<'_>, printer: &Printer) -> Result<(), EngineError> {
    let found = environments_list(environments)?;
    if printer.json {
        printer
            .document(&json!({ "environments": found.environments, "closures": found.closures }));
        return Ok(());
    }
    if found.environments.is_empty() {
        printer.line(
            "no environment: write requirements.txt, or [environments.default] in reproof.toml",
        );
    }
    for environment in &found.environments {
        let closures: Vec<String> = environment.closures.iter().map(Digest::short).collect();
        let closures = if closures.is_empty() {
            "not built yet".to_owned()
        } else {
            closures.join(", ")
        };
        printer.line(&format!(
            "{:<12}{:<28}{closures}",
            environment.name.as_str(),
            environment.made_of
        ));
    }
    let here: Vec<&Digest> = found.closures.iter().collect();
    printer.line(&format!(
        "{} in the user's cache",
        format::counted(here.len() as u64, "closure")
    ));
    Ok(())
}

fn gc(environments: &Environments<'_>, days: u32, printer: &Printer) -> Result<(), EngineError> {
    let removed = env_gc(environments, days)?;
    if printer.json {
        printer.document(&json!({ "removed": removed }));
        return Ok(());
    }
    for digest in &removed {
        printer.line(&format!("removed {}", digest.short()));
    }
    printer.line(&format!(
        "{} removed from the user's cache",
        format::counted(removed.len() as u64, "closure")
    ));
    Ok(())
}
