//! `reproof why`: says why two results differ.

mod attribution;
mod experiments;
mod moved;
mod page;

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::Args;
use reproof_engine::{
    Aspect, Cause, ContentMoved, EngineError, Explanation, FileChange, FileState, Moved, Side,
    experiment_step, read_record, resolve_record, sides, why,
};
use reproof_record::{Isolation, StepName};
use reproof_store::fs::write_atomic;
use serde::Serialize;
use serde_json::{Value, json};

use super::compare::{data_lines, print_changes, print_metrics};
use crate::arguments::Global;
use crate::exit::Exit;
use crate::printer::{Printer, Style};
use crate::{format, seeds, session, summary};

/// How many files, changes and outputs are printed of each kind, so that all of it is about a screen.
const SHOWN: usize = 8;

/// The options of the command.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Two results: records or executions, by IDs or prefixes of them, PIPELINE@latest or @latest. One
    /// record alone is compared with what its newest verification found.
    #[arg(value_name = "ID", required = true, num_args = 1..=2)]
    pub ids: Vec<String>,
    /// Show all files of code that differ, with their lines.
    #[arg(long)]
    pub lines: bool,
    /// Show at most this many slices; --json has all.
    #[arg(long, value_name = "N", default_value_t = 3)]
    pub slices: usize,
    /// Write it as one page for the browser into this file, with pictures.
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// Replace the file if it is there.
    #[arg(long, requires = "html")]
    pub force: bool,
    /// Run the step again, with one thing held or changed at a time, to find what explains the
    /// difference.
    #[arg(long)]
    pub experiment: bool,
    /// With --experiment: the step, where it is not the one at which results part.
    #[arg(long, value_name = "STEP", requires = "experiment")]
    pub step: Option<StepName>,
    /// Say how much of the difference of this metric code, configuration, environment and data make:
    /// the steps run again with some of them of one record and the rest of the other.
    #[arg(long, value_name = "METRIC")]
    pub attribute: Option<String>,
    /// With --attribute: of this slice, such as \"contract=One year\".
    #[arg(long = "in", value_name = "SLICE", requires = "attribute")]
    pub slice: Option<String>,
    /// With --attribute: how far programs are kept from this machine, `full` or `none`.
    #[arg(long, value_name = "LEVEL", default_value_t)]
    pub isolation: Isolation,
    /// How many threads to use; they change no result.
    #[arg(long, value_name = "N")]
    pub threads: Option<NonZeroUsize>,
}

/// Runs the command.
pub fn execute(
    arguments: &Arguments,
    global: &Global,
    printer: &Printer,
) -> Result<Exit, EngineError> {
    let project = session::project(global)?;
    if let Some(metric) = &arguments.attribute {
        return attribution::execute(arguments, metric, &project, printer);
    }
    if let (Some(step), [id]) = (&arguments.step, &arguments.ids[..]) {
        // Nothing has to differ to ask what a step depends on.
        let record = read_record(&project, &resolve_record(&project, id)?)?;
        let made = experiments::make(&project, &record, step, printer)?;
        if printer.json {
            printer.document(&document(&json!({ "experiments": made }))?);
        } else {
            experiments::print(&made, printer);
        }
        return Ok(Exit::Done);
    }
    let file = arguments.html.as_ref();
    let file = file.map(|file| session::new_file(&project, global, file, arguments.force));
    let file = file.transpose()?;
    let sides = sides(&project, &arguments.ids)?;
    let threads = session::threads(arguments.threads);
    let found = why(&project, sides, threads)?;
    let made = if arguments.experiment {
        let step = experiment_step(arguments.step.as_ref(), &found.cause)?;
        let record = read_record(&project, &found.sides[0].record)?;
        Some(experiments::make(&project, &record, &step, printer)?)
    } else {
        None
    };
    if let Some(file) = &file {
        let title = format!("{} → {}", named(&found.sides[0]), named(&found.sides[1]));
        let said = page::Said {
            title: &title,
            cause: &cause(&found),
            experiments: made.as_ref(),
        };
        let page = page::page(&project, &found, &said);
        write_atomic(project.io(), file, page.as_bytes())?;
    }
    if printer.json {
        let mut document = document(&found)?;
        if let (Some(made), Value::Object(fields)) = (&made, &mut document) {
            fields.insert("experiments".to_owned(), self::document(made)?);
        }
        printer.document(&document);
    } else if let Some(file) = &file {
        printer.line(&cause(&found));
        printer.line(&format!("the page is {}", file.display()));
    } else {
        print(&found, arguments, printer);
        if let Some(made) = &made {
            printer.line("");
            experiments::print(made, printer);
        }
    }
    Ok(Exit::Done)
}

fn document(found: &impl Serialize) -> Result<Value, EngineError> {
    serde_json::to_value(found).map_err(|error| EngineError::Bug(error.to_string()))
}

fn print(found: &Explanation, arguments: &Arguments, printer: &Printer) {
    let [first, second] = &found.sides;
    let title = format!("{} -> {}", named(first), named(second));
    printer.line(&printer.paint(Style::Strong, &title));
    printer.line(&cause(found));
    if !found.code.is_empty() {
        printer.line("\ncode");
        let shown = if arguments.lines {
            found.code.len()
        } else {
            SHOWN
        };
        for file in found.code.iter().take(shown) {
            print_file(file, arguments.lines, printer);
        }
        print_more("  ", found.code.len(), shown, "file", printer);
    }
    if !found.configuration.is_empty() {
        printer.line("\nconfiguration");
        let all = &found.configuration;
        print_changes(&all[..all.len().min(SHOWN)], printer);
        print_more("  ", all.len(), SHOWN, "change", printer);
    }
    if !found.environments.is_empty() {
        printer.line("\nenvironment");
        for change in &found.environments {
            let steps: Vec<_> = change.steps.iter().map(StepName::as_str).collect();
            printer.line(&format!("  of {}", steps.join(", ")));
            let lines = match &change.diff {
                Some(diff) => summary::environment(diff),
                None => vec!["one of them is not here: 'reproof pull' may fetch it".to_owned()],
            };
            for line in lines.iter().take(SHOWN) {
                printer.line(&format!("    {line}"));
            }
            print_more("    ", lines.len(), SHOWN, "difference", printer);
        }
    }
    if !found.data.is_empty() {
        printer.line("\ndata");
        for line in found.data.iter().flat_map(data_lines) {
            printer.line(&line);
        }
    }
    if !found.platform.is_empty() {
        printer.line("\nmachine");
        print_changes(&found.platform, printer);
    }
    let steps = found.steps.iter();
    let moved: Vec<_> = steps.filter(|step| !step.outputs.is_empty()).collect();
    if !moved.is_empty() {
        printer.line("\nhow far the results moved, in the order of the steps");
        let lines = moved
            .into_iter()
            .flat_map(|step| moved::lines(step, found.metrics.is_some()));
        let lines: Vec<_> = lines.collect();
        for line in lines.iter().take(SHOWN) {
            printer.line(line);
        }
        print_more("  ", lines.len(), SHOWN, "line", printer);
    }
    let Some(against) = &found.seeds else { return };
    if !against.reported_values.is_empty() {
        printer.line("\nmetrics that programs reported");
        let lines = moved::reported(against);
        for line in lines.iter().take(SHOWN) {
            printer.line(line);
        }
        print_more("  ", lines.len(), SHOWN, "metric", printer);
    }
    match &found.metrics {
        Some(metrics) => print_metrics(metrics, against, arguments.slices, printer),
        None if against.reported_values.is_empty() => {}
        None => printer.line(&printer.paint(Style::Dim, &format!("  {}", seeds::known(against)))),
    }
}

/// Says how many more there are than were shown, and where.
fn print_more(indent: &str, count: usize, shown: usize, noun: &str, printer: &Printer) {
    if count > shown {
        let more = format::counted((count - shown) as u64, noun);
        printer.line(&format!(
            "{indent}and {more} more: --json and --html have all"
        ));
    }
}

fn named(side: &Side) -> String {
    let record = side.record.short();
    match (&side.execution, side.is_verification) {
        (Some(execution), true) => {
            format!("its verification {}", execution.short())
        }
        _ => format!("record {record}"),
    }
}

/// What happened, in plain words.
fn cause(found: &Explanation) -> String {
    match &found.cause {
        Cause::Same if found.same_recipe => "The same recipe gave the same results.".to_owned(),
        Cause::Same => "The recipes differ, and all results are the same.".to_owned(),
        Cause::Nondeterminism { step } => {
            let mut text = format!(
                "Step '{step}' is not deterministic: the same recipe and the same inputs gave something \
                 else."
            );
            if !found.platform.is_empty() {
                text.push_str(" It ran on different machines.");
            }
            if let Some(reason) = packing_only(found, step.as_str()) {
                text.push(' ');
                text.push_str(reason);
            }
            text
        }
        Cause::Aspects { step, aspects } => {
            let names: Vec<_> = aspects.iter().map(|aspect| aspect.name()).collect();
            let others = others(found, step.as_str());
            format!(
                "The results part at step '{step}', whose {} {}.{others}",
                names.join(" and "),
                if names.len() == 1 {
                    "differs"
                } else {
                    "differ"
                },
            )
        }
        Cause::Unpinned { step } => format!(
            "The results part at step '{step}', which may use the network or secrets: what it gets from \
             there is in no recipe."
        ),
        Cause::OneSided { step } => {
            format!("The results part at step '{step}', which only one of them has.")
        }
    }
}

/// Why a step whose outputs only pack the same content in another way differs.
fn packing_only(found: &Explanation, step: &str) -> Option<&'static str> {
    let first = found.steps.iter().find(|one| one.step.as_str() == step)?;
    let packing = first.outputs.iter().all(|output| match &output.moved {
        Moved::Files(files) => files.iter().all(|file| {
            matches!(
                file.content,
                ContentMoved::Packing { .. } | ContentMoved::JsonForm
            )
        }),
        _ => false,
    });
    packing.then_some("What it holds is the same: only how it is packed differs.")
}

/// Which other steps differ in themselves, too.
fn others(found: &Explanation, first: &str) -> String {
    let others: Vec<_> = found
        .steps
        .iter()
        .filter(|step| step.step.as_str() != first && !step.aspects.is_empty())
        .map(|step| {
            let names: Vec<_> = step
                .aspects
                .iter()
                .map(|aspect: &Aspect| aspect.name())
                .collect();
            let effect = if step.outputs.is_empty() {
                ", with the same results"
            } else {
                ""
            };
            format!("'{}' ({}{effect})", step.step, names.join(", "))
        })
        .collect();
    if others.is_empty() {
        String::new()
    } else {
        format!(" Of other steps differ: {}.", others.join(", "))
    }
}

fn print_file(file: &FileChange, lines: bool, printer: &Printer) {
    let state = match file.state {
        FileState::Added => "added",
        FileState::Removed => "removed",
        FileState::Changed => "changed",
    };
    let steps: Vec<_> = file.steps.iter().map(StepName::as_str).collect();
    let mut line = format!("  {}   {state}", format::visible(&file.path));
    if let Some(definitions) = file.definitions.as_ref().filter(|names| !names.is_empty()) {
        line += &format!(": {}", definitions.join(", "));
    }
    line += &format!("   seen by {}", steps.join(", "));
    printer.line(&line);
    if !lines {
        return;
    }
    for text in &file.lines {
        printer.line(&format!("    {}", format::visible(text)));
    }
    if file.more > 0 {
        printer.line(&format!(
            "    and {} more",
            format::counted(file.more as u64, "line")
        ));
    }
}
