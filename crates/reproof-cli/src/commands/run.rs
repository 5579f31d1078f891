//! `reproof run`: runs a pipeline and prints its record's ID.

use std::num::NonZeroUsize;

use clap::Args;
use reproof_config::Override;
use reproof_engine::{
    EngineError, MAX_SEEDS, Outcome, Project, Request, RunOptions, SeedRuns, SeedScope,
    SeedsOptions, run, run_seeds,
};
use reproof_record::{ExecutionStatus, Isolation, StepStatus};
use serde_json::{Value, json};

use crate::arguments::Global;
use crate::exit::Exit;
use crate::printer::{Printer, Style};
use crate::progress::Progress;
use crate::{format, seeds, session, summary};

/// Which pipeline, and how strictly.
#[derive(Debug, Args)]
pub struct PipelineOptions {
    /// The pipeline: its file, or its name in pipelines/. Not needed where there is only one.
    #[arg(value_name = "PIPELINE")]
    pub pipeline: Option<String>,
    /// Set a value of the pipeline file, such as train.logistic_regression.l2=10. The lock file is
    /// then left as it is.
    #[arg(long = "set", value_name = "PATH=VALUE")]
    pub set: Vec<Override>,
    /// Refuse data that is not the version which reproof.lock pins.
    #[arg(long)]
    pub locked: bool,
    /// Refuse to run if files differ from the git commit.
    #[arg(long)]
    pub require_clean: bool,
    /// Hash every byte of data, code and stored results again, whatever sizes and times say.
    #[arg(long)]
    pub paranoid: bool,
    /// Score the test part instead of the eval part. Each such look is counted in the history.
    #[arg(long = "final")]
    pub final_look: bool,
    /// How far programs are kept from this machine: `full` or `none`. With `none` they see all of
    /// it, which is for machines without user namespaces; their records say so and are verified
    /// only in the same way.
    #[arg(long, value_name = "LEVEL", default_value_t)]
    pub isolation: Isolation,
}

/// The options of the command.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Which pipeline, and how strictly.
    #[command(flatten)]
    pub pipeline: PipelineOptions,
    /// Run every step, even if its results are there.
    #[arg(long)]
    pub no_cache: bool,
    /// Take in what was erased with 'reproof data erase', too. The history notes it.
    #[arg(long)]
    pub allow_erased: bool,
    /// Run it under this many seeds, from 3 on: its own, and others that follow from that. It then says how
    /// far the metrics are apart by the seed alone. '@latest' stays the run under its own.
    #[arg(
        long,
        value_name = "N",
        conflicts_with = "final_look",
        value_parser = clap::value_parser!(u32).range(3..=i64::from(MAX_SEEDS))
    )]
    pub seeds: Option<u32>,
    /// With --seeds: divide the rows anew under each seed, so that each judges other rows.
    #[arg(long, requires = "seeds")]
    pub splits: bool,
    /// Use at most this many threads; changes no result.
    #[arg(long, value_name = "N")]
    pub threads: Option<NonZeroUsize>,
    /// Watch every program that runs, and name each file of the project that it asked for and did
    /// not see, whether or not it failed. Slower; changes no result. Without this a program is
    /// watched until its code, environment and command have had a result.
    #[arg(long)]
    pub trace: bool,
}

impl PipelineOptions {
    /// What the engine is asked for.
    pub fn request(&self, project: &Project, global: &Global) -> Result<Request, EngineError> {
        Ok(Request {
            pipeline_file: session::pipeline_file(project, global, self.pipeline.as_deref())?,
            overrides: self.set.clone(),
            further_seed: false,
            locked: self.locked,
            require_clean: self.require_clean,
            data_of_lock: false,
            final_look: self.final_look,
            isolation: self.isolation,
        })
    }
}

/// Runs the command.
pub fn execute(
    arguments: &Arguments,
    global: &Global,
    printer: &Printer,
) -> Result<Exit, EngineError> {
    let mut project = session::project(global)?;
    project.allow_erased = arguments.allow_erased;
    project.paranoid = arguments.pipeline.paranoid;
    let options = RunOptions {
        request: arguments.pipeline.request(&project, global)?,
        use_cache: !arguments.no_cache,
        threads: session::threads(arguments.threads),
        trace: arguments.trace,
    };
    let cancel = session::stop_on_signals()?;
    let progress = Progress::new(printer);
    if let Some(seeds) = arguments.seeds {
        let options = SeedsOptions {
            run: options,
            seeds,
            scope: if arguments.splits {
                SeedScope::OtherRows
            } else {
                SeedScope::SameRows
            },
        };
        let runs = run_seeds(&project, &options, &progress, &cancel);
        progress.clear();
        return seeds_ended(&project, &runs?, &progress, printer);
    }
    let outcome = run(&project, &options, &progress, &cancel);
    progress.clear();
    let outcome = outcome?;
    if printer.json {
        printer.document(&document(&project, &outcome)?);
    } else {
        print(&project, &outcome, &progress, printer)?;
    }
    report_failures(&outcome, printer);
    Ok(outcome.trouble().map_or(Exit::Done, Exit::from))
}

/// Prints what came of the runs under several seeds.
fn seeds_ended(
    project: &Project,
    runs: &SeedRuns,
    progress: &Progress,
    printer: &Printer,
) -> Result<Exit, EngineError> {
    if printer.json {
        let mut document = document(project, &runs.own)?;
        if let Value::Object(fields) = &mut document {
            let seeds = json!({
                "runs": runs.further, "gates_failed": runs.gates_failed(), "spread": runs.spread,
            });
            fields.insert("seeds".to_owned(), seeds);
        }
        printer.document(&document);
    } else {
        print(project, &runs.own, progress, printer)?;
        if !runs.further.is_empty() {
            printer.line("");
            for line in seeds::table(&runs.spread, printer) {
                printer.line(&line);
            }
        }
        let failed = runs.gates_failed() as u64;
        if failed > 0 && !runs.further.is_empty() {
            let seeds = format::counted(failed, "seed");
            let of = runs.further.len() + 1;
            printer.line(&format!("  a gate failed under {seeds} of {of}"));
        }
    }
    report_failures(&runs.own, printer);
    for run in &runs.further {
        if let Some(problem) = &run.problem {
            printer.error_text(&format!("seed {}: {problem}", run.seed), None);
        }
    }
    Ok(runs.trouble().map_or(Exit::Done, Exit::from))
}

/// The text for a person. A run in which nothing happened is one line.
fn print(
    project: &Project,
    outcome: &Outcome,
    progress: &Progress,
    printer: &Printer,
) -> Result<(), EngineError> {
    let execution = &outcome.execution;
    let there = execution.count(StepStatus::Cached) + execution.count(StepStatus::Pinned);
    let eventful = there < execution.steps.len()
        || progress.data_changed()
        || matches!(
            execution.status,
            ExecutionStatus::GateFailed | ExecutionStatus::DataRefused
        );
    if eventful && !printer.quiet {
        for line in summary::lines(project, outcome, progress, printer)? {
            printer.line(&line);
        }
    }
    printer.line(&closing_line(outcome, printer));
    Ok(())
}

fn closing_line(outcome: &Outcome, printer: &Printer) -> String {
    let execution = &outcome.execution;
    let took = format::seconds(format::between(execution.started, execution.ended));
    let ran = execution.count(StepStatus::Ran) as u64;
    let mut text = match (&execution.record, execution.status) {
        (Some(record), _) => format!("record {}", printer.paint(Style::Strong, &record.short())),
        (None, ExecutionStatus::Interrupted) => {
            format!(
                "{} {}",
                printer.paint(Style::Warning, "interrupted"),
                execution.id.short()
            )
        }
        (None, _) => format!(
            "{} {}",
            printer.paint(Style::Bad, "failed"),
            execution.id.short()
        ),
    };
    text += &format!(
        "   {took}, {} run, {} cached",
        format::counted(ran, "step"),
        execution.count(StepStatus::Cached)
    );
    for (status, word) in [
        (StepStatus::Pinned, "pinned"),
        (StepStatus::Failed, "failed"),
        (StepStatus::Skipped, "not run"),
    ] {
        let count = execution.count(status);
        if count > 0 {
            text += &format!(", {count} {word}");
        }
    }
    if execution.status == ExecutionStatus::DataRefused {
        text += &format!(
            ", {}",
            printer.paint(Style::Bad, "the data does not meet what is expected of it")
        );
    }
    if execution.status == ExecutionStatus::GateFailed {
        text += &format!(", {}", printer.paint(Style::Bad, "gate failed"));
    }
    text
}

fn report_failures(outcome: &Outcome, printer: &Printer) {
    for (step, error) in &outcome.failures {
        // What was shown as it came need not be shown again.
        if !error.log().is_empty() && !printer.shows_output() {
            printer.error_lines(step.as_str(), error.log());
        }
        printer.error_text(&format!("step '{step}' failed: {error}"), error.hint());
    }
}

fn document(project: &Project, outcome: &Outcome) -> Result<Value, EngineError> {
    let metrics = summary::metrics(project, outcome)?;
    let execution = serde_json::to_value(&outcome.execution)
        .map_err(|error| EngineError::Bug(error.to_string()))?;
    Ok(json!({
        "record": outcome.execution.record,
        "recipe": outcome.execution.recipe,
        "results": outcome.execution.results,
        "status": outcome.execution.status,
        "metrics": metrics,
        "execution": execution,
        "undeclared": outcome.undeclared.iter().flat_map(|(step, paths)| {
            paths.iter().map(move |(path, declare)| json!({
                "step": step, "path": path, "declare": declare.name(),
            }))
        }).collect::<Vec<_>>(),
        "errors": outcome.failures.iter().map(|(step, error)| json!({
            "step": step, "message": error.to_string(), "hint": error.hint(), "log": error.log(),
        })).collect::<Vec<_>>(),
    }))
}
