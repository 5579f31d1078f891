//! `reproof verify`: runs a record again from nothing and compares every output.

use std::num::NonZeroUsize;

use clap::Args;
use reproof_engine::{EngineError, Verified, resolve_record, verify};
use reproof_record::{ExecutionStatus, Isolation, StepStatus, Verdict};
use serde_json::json;

use crate::arguments::Global;
use crate::exit::Exit;
use crate::printer::{Printer, Style};
use crate::progress::Progress;
use crate::{format, session};

/// The options of the command.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The record: its ID or a prefix of it, an execution of it, PIPELINE@latest or @latest.
    #[arg(value_name = "RECORD")]
    pub record: String,
    /// Use at most this many threads; changes no result.
    #[arg(long, value_name = "N")]
    pub threads: Option<NonZeroUsize>,
    /// The least isolation that is granted: `full` or `none`. A record whose programs ran without
    /// needs `none`: they see this machine again. Others are isolated in any case.
    #[arg(long, value_name = "LEVEL", default_value_t)]
    pub isolation: Isolation,
}

/// Runs the command.
pub fn execute(
    arguments: &Arguments,
    global: &Global,
    printer: &Printer,
) -> Result<Exit, EngineError> {
    let project = session::project(global)?;
    let record = resolve_record(&project, &arguments.record)?;
    let cancel = session::stop_on_signals()?;
    let progress = Progress::new(printer);
    let threads = session::threads(arguments.threads);
    let verified = verify(
        &project,
        &record,
        threads,
        arguments.isolation,
        &progress,
        &cancel,
    );
    progress.clear();
    let verified = verified?;
    if printer.json {
        printer.document(&json!({
            "record": record,
            "verdict": verified.verification.verdict,
            "verification": verified.verification,
            "damage": verified.damage,
            "execution": verified.execution,
        }));
    } else {
        print(&verified, printer);
    }
    for damage in &verified.damage {
        printer.error_text(damage, None);
    }
    for (step, error) in &verified.failures {
        printer.error_text(&format!("step '{step}' failed: {error}"), None);
    }
    Ok(verified.trouble().map_or(Exit::Done, Exit::from))
}

fn print(verified: &Verified, printer: &Printer) {
    let execution = &verified.execution;
    let took = format::seconds(format::between(execution.started, execution.ended));
    if execution.status == ExecutionStatus::Interrupted {
        printer.line(&format!(
            "{} after {took}",
            printer.paint(Style::Warning, "interrupted")
        ));
        return;
    }
    let found = &verified.verification;
    let same = found
        .outputs
        .iter()
        .filter(|output| output.verdict == Verdict::Identical)
        .count();
    let style = if found.verdict == Verdict::Identical {
        Style::Good
    } else {
        Style::Bad
    };
    if found.verdict == Verdict::Impossible && execution.steps.is_empty() {
        let reason = found
            .reason
            .as_deref()
            .unwrap_or("something that is needed is gone");
        printer.line(&format!(
            "{}   {reason}",
            printer.paint(style, found.verdict.name())
        ));
        return;
    }
    printer.line(&format!(
        "{}   {} of {} steps, {same} of {} outputs, run again from nothing in {took}",
        printer.paint(style, found.verdict.name()),
        execution.count(StepStatus::Ran),
        execution.steps.len(),
        found.outputs.len(),
    ));
    for (name, step) in &execution.steps {
        if step.status == StepStatus::Pinned {
            printer.line(&format!(
                "  {name}   unpinned: not run again, its outputs were taken as recorded"
            ));
        }
    }
    for output in found
        .outputs
        .iter()
        .filter(|output| output.verdict != Verdict::Identical)
    {
        let came = output
            .found
            .map_or_else(|| "nothing".to_owned(), |found| found.digest.short());
        printer.line(&format!(
            "  {}.{}   {}: {came} instead of {}",
            output.step,
            output.output,
            output.verdict,
            output.expected.digest.short(),
        ));
    }
}
