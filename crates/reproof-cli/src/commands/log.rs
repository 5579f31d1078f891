//! `reproof log`: lists executions, newest first.

use clap::Args;
use reproof_config::parse_bound;
use reproof_engine::{
    EngineError, HistoryFilter, Project, Repeatability, history, record_of, repeatability, verdict,
};
use reproof_record::{
    Execution, ExecutionKind, ExecutionStatus, Level, RecordId, Timestamp, Verdict, Verification,
};
use serde_json::json;

use crate::arguments::Global;
use crate::exit::Exit;
use crate::printer::{Printer, Style};
use crate::{format, session, summary};

/// The options of the command.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Only executions of this pipeline.
    #[arg(value_name = "PIPELINE")]
    pub pipeline: Option<String>,
    /// Only with this commit checked out: its ID, or how it begins.
    #[arg(long, value_name = "SHA")]
    pub commit: Option<String>,
    /// Only those that began since then: 30d, 12h, 2026-11-01 or a time with its zone.
    #[arg(long, value_name = "WHEN", value_parser = moment)]
    pub since: Option<Timestamp>,
    /// Only records whose metric keeps a bound, such as 'roc_auc >= 0.8'. May be given again.
    #[arg(long = "where", value_name = "BOUND")]
    pub bounds: Vec<String>,
    /// Only records whose newest verification came to this.
    #[arg(long, value_name = "VERDICT", value_parser = verdict_named)]
    pub verdict: Option<Verdict>,
    /// Show at most this many.
    #[arg(short = 'n', long, value_name = "N", default_value_t = 20)]
    pub limit: usize,
}

impl Arguments {
    fn is_filtered(&self) -> bool {
        self.pipeline.is_some()
            || self.commit.is_some()
            || self.since.is_some()
            || self.verdict.is_some()
            || !self.bounds.is_empty()
    }
}

/// Reads a moment: an absolute one, or how long ago.
pub fn moment(text: &str) -> Result<Timestamp, String> {
    let of = |at: jiff::Timestamp| Timestamp(at.as_microsecond());
    if let Ok(at) = text.parse::<jiff::Timestamp>() {
        return Ok(of(at));
    }
    let zone = jiff::tz::TimeZone::system();
    if let Ok(at) = text.parse::<jiff::civil::DateTime>() {
        return at
            .to_zoned(zone)
            .map(|at| of(at.timestamp()))
            .map_err(|error| error.to_string());
    }
    let wanted = "wanted is 30d, 12h, 2026-11-01 or 2026-11-01T08:00:00Z";
    let span: jiff::Span = text.parse().map_err(|_| wanted.to_owned())?;
    let now = jiff::Timestamp::now().to_zoned(zone);
    let then = now
        .checked_sub(span.abs())
        .map_err(|error| error.to_string())?;
    Ok(of(then.timestamp()))
}

fn verdict_named(text: &str) -> Result<Verdict, String> {
    let all = [
        Verdict::Identical,
        Verdict::Equivalent,
        Verdict::Diverged,
        Verdict::Failed,
        Verdict::Impossible,
    ];
    all.into_iter()
        .find(|verdict| verdict.name() == text)
        .ok_or_else(|| format!("wanted is one of {}", all.map(Verdict::name).join(", ")))
}

/// Runs the command.
pub fn execute(
    arguments: &Arguments,
    global: &Global,
    printer: &Printer,
) -> Result<Exit, EngineError> {
    let project = session::project(global)?;
    let mut bounds = Vec::new();
    for text in &arguments.bounds {
        let (metric, bound, threshold) = parse_bound("--where", text)?;
        bounds.push((metric.to_owned(), bound, threshold));
    }
    let filter = HistoryFilter {
        pipeline: arguments.pipeline.clone(),
        commit: arguments.commit.clone(),
        since: arguments.since,
        verdict: arguments.verdict,
        bounds,
        limit: arguments.limit,
    };
    let executions = history(&project, &filter)?;
    if printer.json {
        let mut list = Vec::new();
        for execution in &executions {
            list.push(json!({
                "execution": execution,
                "not_reproducible": mark(&project, execution)?,
                "newest_verification": newest(&project, execution)?.map(|found| {
                    json!({ "verdict": found.verdict, "level": found.level })
                }),
            }));
        }
        printer.document(&json!({ "executions": list }));
        return Ok(Exit::Done);
    }
    if executions.is_empty() {
        printer.line(if arguments.is_filtered() {
            "no execution passes the filters"
        } else {
            "nothing has been run yet"
        });
    }
    for execution in &executions {
        printer.line(&line(&project, execution, printer)?);
    }
    Ok(Exit::Done)
}

fn line(
    project: &Project,
    execution: &Execution,
    printer: &Printer,
) -> Result<String, EngineError> {
    let record = record_of(execution)
        .as_ref()
        .map_or_else(|| "-".to_owned(), RecordId::short);
    let (style, what) = ending(execution);
    let mut text = format!(
        "{}  {}  {:<14} {:<12}  {}  {}",
        execution.id.short(),
        format::local(execution.started),
        execution.pipeline,
        record,
        printer.paint(style, &format!("{what:<11}")),
        summary::code(&execution.code),
    );
    if execution.kind == ExecutionKind::Verify {
        text.truncate(text.len() - summary::code(&execution.code).len());
        text.push_str("verification");
        let found = execution.verification.as_ref();
        if found.is_some_and(|found| found.level == Level::Fresh) {
            text.push_str(" (fresh)");
        }
        if let Some(other) = found.and_then(|found| found.against) {
            text += &format!(" against {}", other.short());
        }
    } else if let Some(found) = newest(project, execution)? {
        let said = format!("{} ({})", found.verdict, found.level.name());
        text += &format!("  {}", printer.paint(Style::Dim, &said));
    }
    if execution.final_look {
        text.push_str("  final");
    }
    if let Some(seed) = execution.further_seed {
        text += &format!("  seed {seed}");
    }
    if let Some(mark) = mark(project, execution)? {
        text += &format!("  {}", printer.paint(Style::Bad, mark));
    }
    Ok(text)
}

/// The newest verification of a run's record.
fn newest(project: &Project, execution: &Execution) -> Result<Option<Verification>, EngineError> {
    let Some(record) = execution.record else {
        return Ok(None);
    };
    Ok(verdict(project, &record)?.map(|(found, _)| found))
}

/// How an execution ended, in a word.
pub fn ending(execution: &Execution) -> (Style, &'static str) {
    if let Some(found) = &execution.verification {
        let style = match found.verdict {
            Verdict::Identical => Style::Good,
            Verdict::Equivalent => Style::Warning,
            _ => Style::Bad,
        };
        return (style, found.verdict.name());
    }
    match execution.status {
        ExecutionStatus::Succeeded => (Style::Good, "done"),
        ExecutionStatus::GateFailed => (Style::Bad, "gate failed"),
        ExecutionStatus::DataRefused => (Style::Bad, "data refused"),
        ExecutionStatus::Failed => (Style::Bad, "failed"),
        ExecutionStatus::Interrupted => (Style::Warning, "interrupted"),
    }
}

/// What is to be said of a recipe that gave more than one record.
fn mark(project: &Project, execution: &Execution) -> Result<Option<&'static str>, EngineError> {
    let Some(recipe) = &execution.recipe else {
        return Ok(None);
    };
    Ok(match repeatability(project, recipe)? {
        Repeatability::OneRecord => None,
        Repeatability::NotReproducible => Some("not reproducible"),
        Repeatability::DependsOnPlatform => Some("depends on the platform"),
    })
}
