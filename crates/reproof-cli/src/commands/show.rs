//! `reproof show`: shows a record, recipe, data version or execution.

use clap::Args;
use reproof_catalog::{ExecutionFilter, Named};
use reproof_engine::{
    EngineError, Project, Repeatability, erasure_of, erasure_text, evaluation, find_data,
    lock_is_committed, models, read_record, repeatability, resolve, seed_spreads, verdict,
};
use reproof_learn::Metrics;
use reproof_record::{
    Digest, Execution, ExecutionId, ExecutionKind, Level, Program, Recipe, RecipeId, Record,
    RecordId, StepName, to_canonical,
};
use serde_json::{Value, json};

use super::log::ending;
use crate::arguments::Global;
use crate::commands::data::show_files;
use crate::exit::Exit;
use crate::printer::{Printer, Style};
use crate::{contributions, format, seeds, session, summary};

/// The options of the command.
#[derive(Debug, Args)]
pub struct Arguments {
    /// What to show: an ID or a prefix of it, PIPELINE@latest or @latest, or a version of named data
    /// such as NAME@TAG.
    #[arg(value_name = "ID", default_value = "@latest")]
    pub id: String,
    /// Print what the program of this step wrote to its standard output and error, and nothing else.
    /// Of a record, in the newest of its executions that ran the step.
    #[arg(long, value_name = "STEP")]
    pub log: Option<StepName>,
}

/// The largest log that is printed.
const MAX_LOG: u64 = 64 << 20;

/// Runs the command.
pub fn execute(
    arguments: &Arguments,
    global: &Global,
    printer: &Printer,
) -> Result<Exit, EngineError> {
    let project = session::project(global)?;
    let named = match resolve(&project, &arguments.id) {
        // What is no ID may be the name of data.
        Err(unknown @ EngineError::Usage { .. }) => match find_data(&project, &arguments.id) {
            Ok(found) => Named::Data(found.content),
            Err(_) => return Err(unknown),
        },
        found => found?,
    };
    if let Some(step) = &arguments.log {
        return print_log(&project, &named, step, printer).map(|()| Exit::Done);
    }
    match named {
        Named::Record(id) => show_record(&project, &id, printer),
        Named::Recipe(id) => show_recipe(&project, &id, printer),
        Named::Data(digest) => show_data(&project, &digest, printer),
        Named::Execution(id) => show_execution(&project, &id, printer),
    }?;
    Ok(Exit::Done)
}

/// Prints the log of a step.
fn print_log(
    project: &Project,
    named: &Named,
    step: &StepName,
    printer: &Printer,
) -> Result<(), EngineError> {
    let executions = match named {
        Named::Execution(id) => project.catalog.execution(id)?.into_iter().collect(),
        Named::Record(id) => project.catalog.executions(&ExecutionFilter {
            record: Some(*id),
            ..Default::default()
        })?,
        _ => Vec::new(),
    };
    let log = executions
        .iter()
        .find_map(|execution| execution.steps.get(step)?.log);
    let Some(log) = log else {
        return Err(EngineError::Usage {
            message: format!("there is no log of a step '{step}' here"),
            hint: Some(
                "only steps that run a program have one, in the execution in which they ran and \
                 wrote something"
                    .to_owned(),
            ),
        });
    };
    let bytes = project.store.read(&log, MAX_LOG)?;
    let text = String::from_utf8_lossy(&bytes);
    if printer.json {
        printer.document(&json!({ "step": step, "log": text }));
    } else {
        // Control sequences of a program are not for whoever reads its log later.
        for line in text.lines() {
            printer.line(&format::visible(line));
        }
    }
    Ok(())
}

fn show_record(project: &Project, id: &RecordId, printer: &Printer) -> Result<(), EngineError> {
    let record = read_record(project, id)?;
    let recipe = record.recipe.id()?;
    let metrics = evaluation(project, &record)?.map(|(_, metrics)| metrics);
    let models = models(project, &record)?;
    let spreads = seed_spreads(project, &record)?;
    let filter = ExecutionFilter {
        record: Some(*id),
        ..Default::default()
    };
    let executions = project.catalog.executions(&filter)?;
    if printer.json {
        printer.document(&json!({
            "record_id": id,
            "recipe_id": recipe,
            "results_id": record.results_id()?,
            "record": record,
            "erased": erased(project, &record)?,
            "metrics": metrics,
            "seed_spreads": spreads,
            "features": contributions::json(&models),
            "executions": executions,
        }));
        return Ok(());
    }
    printer.line(&format!(
        "record    {}",
        printer.paint(Style::Strong, &id.to_string())
    ));
    printer.line(&format!(
        "recipe    recipe:{}{}",
        recipe.short(),
        repeats(project, &recipe)?
    ));
    printer.line(&format!("results   {}", record.results_id()?.short()));
    printer.line(&format!("status    {}", standing(project, id)?));
    print_lock(project, &executions, printer)?;
    print_recipe(project, &record.recipe, Some(&record), printer)?;
    if let Some(metrics) = metrics {
        print_metrics(&metrics, printer);
    }
    for spread in &spreads {
        printer.line(&format!("\nspread    {}", seeds::line(spread)));
    }
    for line in contributions::lines(&models) {
        printer.line(&line);
    }
    printer.line("\nexecutions");
    for execution in &executions {
        let (style, what) = ending(execution);
        printer.line(&format!(
            "  {}  {}  {}  {}  {}",
            execution.id.short(),
            format::local(execution.started),
            printer.paint(style, &format!("{what:<11}")),
            execution.user,
            if execution.kind == ExecutionKind::Verify {
                "verification".to_owned()
            } else {
                format!(
                    "{} · {}",
                    execution.pipeline,
                    summary::code(&execution.code)
                )
            },
        ));
    }
    Ok(())
}

fn repeats(project: &Project, recipe: &RecipeId) -> Result<&'static str, EngineError> {
    Ok(match repeatability(project, recipe)? {
        Repeatability::OneRecord => "",
        Repeatability::NotReproducible => "   not reproducible: it gave other records too",
        Repeatability::DependsOnPlatform => "   depends on the platform: it gave other records too",
    })
}

/// What was observed of a record, and no more than that.
fn standing(project: &Project, id: &RecordId) -> Result<String, EngineError> {
    Ok(match verdict(project, id)? {
        None => "recorded, not verified yet".to_owned(),
        Some((found, execution)) => format!(
            "{}: every step run again{} on {} at {}",
            found.verdict,
            match found.level {
                Level::Rerun => "",
                Level::Fresh => ", in environments that were built again,",
            },
            execution.host.name,
            format::local(execution.started)
        ),
    })
}

fn print_lock(
    project: &Project,
    executions: &[Execution],
    printer: &Printer,
) -> Result<(), EngineError> {
    let used = executions.iter().find_map(|execution| execution.lock);
    if let Some(lock) = used {
        let note = match lock_is_committed(project)? {
            Some(false) => "   reproof.lock is not committed yet",
            _ => "",
        };
        printer.line(&format!("lock      {}{note}", lock.short()));
    }
    Ok(())
}

/// The data of a record that was erased, by name, as JSON.
fn erased(project: &Project, record: &Record) -> Result<Value, EngineError> {
    let mut all = serde_json::Map::new();
    for (name, version) in &record.recipe.data {
        if let Some(event) = erasure_of(project, &version.digest)? {
            let event = json!({
                "time": event.time, "author": event.author, "reason": event.reason,
            });
            all.insert(name.to_string(), event);
        }
    }
    Ok(Value::Object(all))
}

fn print_recipe(
    project: &Project,
    recipe: &Recipe,
    record: Option<&Record>,
    printer: &Printer,
) -> Result<(), EngineError> {
    printer.line("\ndata");
    for (name, version) in &recipe.data {
        printer.line(&format!(
            "  {}data:{}",
            format::padded(name.as_str(), 12),
            version.digest.short()
        ));
        if let Some(event) = erasure_of(project, &version.digest)? {
            let erased = format::visible(&erasure_text(&event));
            printer.line(&format!("    {}", printer.paint(Style::Bad, &erased)));
        }
    }
    printer.line("\nsteps");
    let names = recipe.order().unwrap_or_default();
    for name in names {
        let step = &recipe.steps[name];
        printer.line(&format!(
            "  {}{}",
            format::padded(name.as_str(), 12),
            step.operation
        ));
        if let Some(program) = &step.program {
            print_program(program, printer);
        }
        let parameters = to_canonical(&step.parameters).unwrap_or_default();
        printer.line(&format!(
            "    parameters  {}",
            String::from_utf8_lossy(&parameters)
        ));
        for (input, source) in &step.inputs {
            printer.line(&format!(
                "    {}<- {source}",
                format::padded(input.as_str(), 12)
            ));
        }
        for (output, kind) in &step.outputs {
            let digest = record.and_then(|record| record.results.get(name)?.get(output));
            let digest = digest
                .map(|artifact| artifact.digest.short())
                .unwrap_or_default();
            let pinned = if step.pinned.contains_key(output) {
                "  pinned"
            } else {
                ""
            };
            printer.line(&format!(
                "    {}-> {kind:<8} {digest}{pinned}",
                format::padded(output.as_str(), 12)
            ));
        }
        for (output, tolerance) in &step.tolerance {
            let bounds = to_canonical(tolerance).unwrap_or_default();
            printer.line(&format!(
                "    tolerance   {output} {}",
                String::from_utf8_lossy(&bounds)
            ));
        }
    }
    Ok(())
}

fn print_program(program: &Program, printer: &Printer) {
    let line = |what: &str, value: &str| printer.line(&format!("    {what:<12}{value}"));
    line("run", &program.command_line());
    line("code", &program.code.short());
    line("environment", &program.environment.short());
    let unpinned = if program.is_unpinned() {
        ", unpinned"
    } else {
        ""
    };
    line(
        "profile",
        &format!(
            "{}, isolation {}, {}{unpinned}",
            program.profile,
            program.isolation,
            format::counted(u64::from(program.threads), "thread")
        ),
    );
    for (name, value) in &program.variables {
        line("variable", &format!("{name}={value}"));
    }
    for name in &program.secrets {
        line("secret", name);
    }
    for name in &program.not_compared {
        line("not compared", name.as_str());
    }
}

fn print_metrics(metrics: &Metrics, printer: &Printer) {
    let rows = format::counted(metrics.rows, "row");
    printer.line(&format!("\nmetrics   {rows}"));
    for (name, estimate) in &metrics.overall {
        printer.line(&format!("  {}", summary::estimate(name, estimate)));
    }
    let names: Vec<&String> = metrics.overall.keys().collect();
    if let Some(baseline) = summary::baseline(metrics, &names) {
        printer.line(&format!("  {baseline}"));
    }
    let confusion = summary::confusion(metrics);
    if !confusion.is_empty() {
        printer.line("\nconfusion matrix   a line for each class, a column for each predicted one");
        for line in confusion {
            printer.line(&format!("  {line}"));
        }
        if !metrics.slices.is_empty() {
            printer.line("\nslices");
        }
    }
    for slice in &metrics.slices {
        let all: Vec<_> = slice
            .metrics
            .iter()
            .map(|(name, value)| summary::estimate(name, value))
            .collect();
        printer.line(&format!(
            "  {}   {}   {}",
            slice.name(),
            format::counted(slice.rows, "row"),
            all.join("   ")
        ));
    }
}

fn show_recipe(project: &Project, id: &RecipeId, printer: &Printer) -> Result<(), EngineError> {
    let bytes = project.store.read(id.digest(), 64 << 20)?;
    let recipe = Recipe::from_bytes(&bytes)?;
    let records = project.catalog.records_of(id)?;
    if printer.json {
        let records: Vec<_> = records.iter().map(|entry| entry.id).collect();
        printer.document(&json!({ "recipe_id": id, "recipe": recipe, "records": records }));
        return Ok(());
    }
    printer.line(&format!("recipe    {id}{}", repeats(project, id)?));
    for entry in &records {
        printer.line(&format!("record    {}", entry.id.short()));
    }
    print_recipe(project, &recipe, None, printer)
}

fn show_data(project: &Project, digest: &Digest, printer: &Printer) -> Result<(), EngineError> {
    if let Some(event) = erasure_of(project, digest)? {
        let erased = erasure_text(&event);
        return Err(EngineError::Impossible(format!(
            "data:{} {erased}",
            digest.short()
        )));
    }
    let found = find_data(project, &format!("data:{digest}"))?;
    if let Some(files) = found.files(project)? {
        show_files(project, &found, &files, printer)?;
        return Ok(());
    }
    let table = project.store.table_object(digest)?;
    let uses = project.catalog.lineage(digest)?;
    if printer.json {
        printer.document(&json!({ "data_id": digest, "table": table, "lineage": uses }));
        return Ok(());
    }
    printer.line(&format!("data      {digest}"));
    printer.line(&format!("rows      {}", format::count(table.rows)));
    printer.line("\ncolumns");
    for (column, digest) in table.schema.columns().iter().zip(&table.columns) {
        printer.line(&format!(
            "  {:<24}{:<10}{}",
            column.name,
            column.logical_type,
            digest.short()
        ));
    }
    Ok(())
}

fn show_execution(
    project: &Project,
    id: &ExecutionId,
    printer: &Printer,
) -> Result<(), EngineError> {
    let execution = project
        .catalog
        .execution(id)?
        .ok_or_else(|| EngineError::usage(format!("there is no execution {}", id.short())))?;
    if printer.json {
        let document = serde_json::to_value(&execution).unwrap_or(Value::Null);
        printer.document(&document);
        return Ok(());
    }
    let (style, what) = ending(&execution);
    let line = |label: &str, text: &str| printer.line(&format!("{label:<10}{text}"));
    line("execution", &execution.id.to_string());
    line("ended", &printer.paint(style, what));
    line("pipeline", &execution.pipeline);
    if let Some(record) = reproof_engine::record_of(&execution) {
        line("record", &record.short());
    }
    line("started", &format::local(execution.started));
    line(
        "took",
        &format::seconds(format::between(execution.started, execution.ended)),
    );
    line("user", &execution.user);
    let host = &execution.host;
    line(
        "host",
        &format!(
            "{} · {} {} · {}",
            host.name, host.os, host.architecture, host.cpu
        ),
    );
    if execution.kind == ExecutionKind::Run {
        line("code", &summary::code(&execution.code));
        for (path, reason) in &execution.code.left_out {
            line("", &format!("not captured: {path} ({reason})"));
        }
    }
    for set in &execution.overrides {
        line("set", set);
    }
    if let Some(seed) = execution.further_seed {
        line("seed", &format!("{seed}, for the spread over seeds"));
    }
    printer.line("");
    for (name, used) in &execution.data {
        printer.line(&summary::data_line(name, used, ""));
    }
    for (name, step) in &execution.steps {
        let status = serde_json::to_value(step.status).unwrap_or(Value::Null);
        let status = status.as_str().unwrap_or_default().to_owned();
        let error = step.error.as_deref().unwrap_or_default();
        let took = format::seconds(step.micros);
        printer.line(
            format!(
                "  {}{status:<10}{took:<12}{error}",
                format::padded(name.as_str(), 12)
            )
            .trim_end(),
        );
        for (what, value) in &step.observations {
            printer.line(&format!("    {what:<22}{}", format::short(*value)));
        }
    }
    for line in summary::expectation_lines(&execution.expectations, printer) {
        printer.line(&line);
    }
    for gate in &execution.gates {
        printer.line(&format!("  {:<12}{}", "gate", summary::gate_text(gate)));
    }
    Ok(())
}
