//! `reproof why`: says why two results differ.

use std::num::NonZeroUsize;

use clap::Args;
use reproof_engine::{
    ArrayMoved, Aspect, Cause, ContentMoved, EngineError, Experiments, Explanation, FileChange,
    FileState, Moved, OutputDifference, Project, Side, StepDifference, experiment_step,
    experiments, read_record, resolve_record, sides, why,
};
use reproof_record::{Isolation, Record, StepName};
use reproof_table::{ColumnMoved, TableMoved};
use serde::Serialize;
use serde_json::{Value, json};

use super::attribution;
use super::compare::{data_line, print_changes, print_metrics};
use crate::arguments::Global;
use crate::exit::Exit;
use crate::printer::{Printer, Style};
use crate::progress::Progress;
use crate::{format, session, summary};

/// How many files of an output, and columns of a table, are shown.
const SHOWN: usize = 4;
/// How wide a value is shown.
const WIDTH: usize = 40;

/// The options of the command.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Two results: records or executions, by IDs or prefixes of them, PIPELINE@latest or @latest. One
    /// record alone is compared with what its newest verification found.
    #[arg(value_name = "ID", required = true, num_args = 1..=2)]
    pub ids: Vec<String>,
    /// Show the lines of code that differ.
    #[arg(long)]
    pub lines: bool,
    /// Show at most this many slices; --json has all.
    #[arg(long, value_name = "N", default_value_t = 5)]
    pub slices: usize,
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
        let made = make_experiments(&project, &record, step, printer)?;
        if printer.json {
            printer.document(&document(&json!({ "experiments": made }))?);
        } else {
            print_experiments(&made, printer);
        }
        return Ok(Exit::Done);
    }
    let sides = sides(&project, &arguments.ids)?;
    let found = why(&project, sides, session::threads(arguments.threads))?;
    let made = if arguments.experiment {
        let step = experiment_step(arguments.step.as_ref(), &found.cause)?;
        let record = read_record(&project, &found.sides[0].record)?;
        Some(make_experiments(&project, &record, &step, printer)?)
    } else {
        None
    };
    if printer.json {
        let mut document = document(&found)?;
        if let (Some(made), Value::Object(fields)) = (&made, &mut document) {
            fields.insert("experiments".to_owned(), self::document(made)?);
        }
        printer.document(&document);
    } else {
        print(&found, arguments, printer);
        if let Some(made) = &made {
            printer.line("");
            print_experiments(made, printer);
        }
    }
    Ok(Exit::Done)
}

fn document(found: &impl Serialize) -> Result<Value, EngineError> {
    serde_json::to_value(found).map_err(|error| EngineError::Bug(error.to_string()))
}

fn make_experiments(
    project: &Project,
    record: &Record,
    step: &StepName,
    printer: &Printer,
) -> Result<Experiments, EngineError> {
    let cancel = session::stop_on_signals()?;
    let progress = Progress::new(printer);
    let made = experiments(project, record, step, &progress, &cancel);
    progress.clear();
    made
}

fn print_experiments(made: &Experiments, printer: &Printer) {
    printer.line(&format!("experiments on step '{}'", made.step));
    for tried in &made.tried {
        let came = match &tried.failed {
            Some(error) => format!("failed: {}", format::visible(error)),
            None if tried.differing.is_empty() => "the same".to_owned(),
            None => {
                let names: Vec<_> = tried.differing.iter().map(StepName::as_str).collect();
                let far = tried.distance.as_ref().and_then(|distance| distance.abs);
                let far = far.map(|abs| format!(", by at most {}", format::short(abs)));
                format!("differs in {}{}", names.join(", "), far.unwrap_or_default())
            }
        };
        printer.line(&format!("  {}: {came}", tried.what));
    }
    for note in &made.notes {
        printer.line(&format!("  {note}"));
    }
    for one in &made.explained {
        let verb = if made.repeats {
            "matters"
        } else {
            "explains it"
        };
        let name = printer.paint(Style::Strong, one.factor.name());
        printer.line(&format!("{name} {verb}: {}", one.evidence));
        printer.line(&format!("    {}", one.remedy));
    }
    if made.explained.is_empty() {
        printer.line(if made.repeats {
            "two runs are the same, and nothing that was changed matters"
        } else {
            "nothing that was held explains it"
        });
    }
}

fn print(found: &Explanation, arguments: &Arguments, printer: &Printer) {
    let [first, second] = &found.sides;
    let title = format!("{} -> {}", named(first), named(second));
    printer.line(&printer.paint(Style::Strong, &title));
    printer.line(&cause(found));
    if !found.code.is_empty() {
        printer.line("\ncode");
        for file in &found.code {
            print_file(file, arguments.lines, printer);
        }
    }
    if !found.configuration.is_empty() {
        printer.line("\nconfiguration");
        print_changes(&found.configuration, printer);
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
            for line in lines {
                printer.line(&format!("    {line}"));
            }
        }
    }
    if !found.data.is_empty() {
        printer.line("\ndata");
        for difference in &found.data {
            printer.line(&data_line(difference));
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
        for step in moved {
            print_step(step, found.metrics.is_some(), printer);
        }
    }
    if let Some(metrics) = &found.metrics {
        print_metrics(metrics, arguments.slices, printer);
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

/// Where metrics are printed by themselves, `metrics` of a built-in step says nothing more.
fn print_step(step: &StepDifference, metrics: bool, printer: &Printer) {
    let outputs = step.outputs.iter();
    for output in outputs.filter(|output| !metrics || output.output.as_str() != "metrics") {
        let place = format!("  {}.{}", step.step, output.output);
        match &output.moved {
            Moved::Table(moved) => print_table(&place, moved, printer),
            Moved::Files(files) => {
                for file in files.iter().take(SHOWN) {
                    let path = format::visible(&file.path);
                    printer.line(&format!("{place}   {path}: {}", content(&file.content)));
                }
                if files.len() > SHOWN {
                    let more = format::counted((files.len() - SHOWN) as u64, "file");
                    printer.line(&format!("{place}   and {more} more"));
                }
            }
            Moved::Unknown(reason) => {
                printer.line(&format!("{place}   {}: {reason}", digests(output)));
            }
        }
    }
}

fn digests(output: &OutputDifference) -> String {
    let [before, after] = output.artifacts.map(|artifact| match artifact {
        Some(artifact) => artifact.digest.short(),
        None => "(none)".to_owned(),
    });
    format!("{before} -> {after}")
}

fn print_table(place: &str, moved: &TableMoved, printer: &Printer) {
    if moved.rows[0] != moved.rows[1] {
        let [before, after] = moved.rows.map(format::count);
        printer.line(&format!("{place}   {before} -> {after} rows"));
    }
    let names = |columns: &[reproof_record::Column]| {
        let names: Vec<_> = columns.iter().map(|column| column.name.as_str()).collect();
        format::visible(&names.join(", "))
    };
    for (what, columns) in [
        ("new columns", &moved.schema.added),
        ("lost columns", &moved.schema.removed),
    ] {
        if !columns.is_empty() {
            printer.line(&format!("{place}   {what}: {}", names(columns)));
        }
    }
    for column in &moved.schema.retyped {
        let (name, before, after) = (&column.name, column.before, column.after);
        printer.line(&format!("{place}   {name} is {after}, was {before}"));
    }
    if moved.schema.reordered {
        printer.line(&format!("{place}   the columns are in another order"));
    }
    for column in moved.columns.iter().take(SHOWN) {
        printer.line(&format!("{place}   {}", column_line(column, moved.rows[0])));
    }
    if moved.columns.len() > SHOWN {
        let more = format::counted((moved.columns.len() - SHOWN) as u64, "column");
        printer.line(&format!("{place}   and {more} more"));
    }
}

fn column_line(column: &ColumnMoved, rows: u64) -> String {
    let name = format::visible(&column.name);
    let mut line = format!("{name} in {} of {} rows", column.rows, format::count(rows));
    if let Some(largest) = column.largest.filter(|largest| *largest > 0.0) {
        line += &format!(", by at most {}", format::short(largest));
    }
    if let Some(ulps) = column.ulps {
        let ulps = if ulps > 1 << 20 {
            "many units of the last place".to_owned()
        } else {
            format::counted(ulps, "unit of the last place").replace("places", "place")
        };
        line += &format!(" ({ulps})");
    }
    let shown = |value: &Option<String>| match value {
        None => "(missing)".to_owned(),
        Some(text) => format::cut(&format::visible(text), WIDTH),
    };
    let [before, after] = &column.values;
    line + &format!(
        "; row {}: {} -> {}",
        column.first,
        shown(before),
        shown(after)
    )
}

/// How an array differs.
fn array(array: &ArrayMoved) -> String {
    let name = match array.name.as_str() {
        "" => String::new(),
        name => format!("{}: ", format::visible(name)),
    };
    if let Some([before, after]) = &array.shape {
        let shown = |shape: &Option<String>| shape.clone().unwrap_or_else(|| "(none)".to_owned());
        return format!("{name}{} -> {}", shown(before), shown(after));
    }
    let mut text = format!(
        "{name}{} of {} elements",
        array.values,
        format::count(array.of)
    );
    if let Some(largest) = array.largest {
        text += &format!(", by at most {}", format::short(largest));
    }
    if let Some(ulps) = array.ulps {
        text += &format!(" ({ulps} ulp)");
    }
    text
}

fn content(content: &ContentMoved) -> String {
    let shown = |value: &Option<String>| match value {
        None => "(none)".to_owned(),
        Some(text) => format::cut(&format::visible(text), WIDTH),
    };
    match content {
        ContentMoved::Added => "added".to_owned(),
        ContentMoved::Removed => "removed".to_owned(),
        ContentMoved::Executable => "may be executed in one of them only".to_owned(),
        ContentMoved::Json {
            values,
            examples,
            largest,
            ..
        } => {
            let mut text = format::counted(*values, "value");
            text.push_str(if *values == 1 { " differs" } else { " differ" });
            if let Some(largest) = largest {
                text += &format!(", by at most {}", format::short(*largest));
            }
            if let Some(first) = examples.first() {
                let [before, after] = &first.values;
                let path = format::visible(&first.path);
                text += &format!("; {path}: {} -> {}", shown(before), shown(after));
            }
            text
        }
        ContentMoved::Arrays { arrays, .. } => {
            let more = arrays.len().saturating_sub(SHOWN);
            let mut all: Vec<_> = arrays.iter().take(SHOWN).map(array).collect();
            all.extend((more > 0).then(|| format!("and {more} more arrays")));
            all.join("; ")
        }
        ContentMoved::Picture { dots, of, largest } => format!(
            "{dots} of {} dots, by at most {largest}",
            format::count(*of)
        ),
        ContentMoved::JsonForm => "the same values, written in another way".to_owned(),
        ContentMoved::Text { line, lines } => {
            let [before, after] = lines;
            format!("line {line}: {} -> {}", shown(before), shown(after))
        }
        ContentMoved::Packing { format } => {
            format!("{format} of the same content, with other times or in another order")
        }
        ContentMoved::Members { names } => {
            let more = names.len().saturating_sub(SHOWN);
            let mut text = names
                .iter()
                .take(SHOWN)
                .cloned()
                .collect::<Vec<_>>()
                .join(", ");
            if more > 0 {
                text += &format!(" and {more} more");
            }
            format!("in it differ {}", format::visible(&text))
        }
        ContentMoved::Pickle { first } => format!(
            "pickles that differ from byte {first} on; what is in them cannot be compared: write an open \
             format instead (JSON, ONNX, safetensors, npy)"
        ),
        ContentMoved::Bytes { first, sizes } => {
            let [before, after] = sizes.map(format::bytes);
            let sizes = if before == after {
                before
            } else {
                format!("{before} and {after}")
            };
            format!("{sizes}, different from byte {first} on")
        }
    }
}
