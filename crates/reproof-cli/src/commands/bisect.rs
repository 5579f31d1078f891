//! `reproof bisect`: finds the first commit, or version of data, at which a metric went bad.

use std::num::NonZeroUsize;

use clap::Args;
use reproof_engine::{
    BisectOptions, Bisection, EngineError, JudgedBy, WantedMetric, bisect, resolve_record,
};
use reproof_record::{Isolation, StepName};

use crate::arguments::Global;
use crate::exit::Exit;
use crate::printer::{Printer, Style};
use crate::progress::Progress;
use crate::{format, session};

/// The options of the command.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The metric, such as roc_auc: one of the evaluation, or one that a program reported.
    #[arg(value_name = "METRIC")]
    pub metric: String,
    /// A record whose value is good: its ID or a prefix, PIPELINE@latest or @latest.
    #[arg(long, value_name = "ID")]
    pub good: String,
    /// A later record whose value is bad.
    #[arg(long, value_name = "ID")]
    pub bad: String,
    /// Look at this slice instead of all rows, written as 'reproof show' does: \"contract=One year\".
    #[arg(long = "in", value_name = "SLICE")]
    pub slice: Option<String>,
    /// The last value that is good. Left out, it is the end of the interval of the good one, or what
    /// another seed may give where that is known and further away.
    #[arg(long, value_name = "VALUE", allow_hyphen_values = true)]
    pub threshold: Option<f64>,
    /// How many threads to use; they change no result.
    #[arg(long, value_name = "N")]
    pub threads: Option<NonZeroUsize>,
    /// How far programs are kept from this machine: `full` or `none`.
    #[arg(long, value_name = "LEVEL", default_value_t)]
    pub isolation: Isolation,
}

/// Runs the command.
pub fn execute(
    arguments: &Arguments,
    global: &Global,
    printer: &Printer,
) -> Result<Exit, EngineError> {
    if arguments.threshold.is_some_and(f64::is_nan) {
        return Err(EngineError::usage("the threshold is not a number"));
    }
    let project = session::project(global)?;
    let options = BisectOptions {
        metric: WantedMetric {
            name: arguments.metric.clone(),
            slice: arguments.slice.clone(),
        },
        good: resolve_record(&project, &arguments.good)?,
        bad: resolve_record(&project, &arguments.bad)?,
        threshold: arguments.threshold,
        threads: session::threads(arguments.threads),
        isolation: arguments.isolation,
    };
    let cancel = session::stop_on_signals()?;
    let progress = Progress::new(printer);
    let found = bisect(&project, &options, &progress, &cancel);
    progress.clear();
    let found = found?;
    if printer.json {
        printer.found(&found)?;
    } else {
        print(&found, printer);
    }
    Ok(Exit::Done)
}

const fn judged_by(by: JudgedBy) -> &'static str {
    match by {
        JudgedBy::Threshold => "",
        JudgedBy::Interval => ", the end of its interval",
        JudgedBy::Seeds => ", what another seed may give",
        JudgedBy::Middle => ", the middle",
    }
}

fn print(found: &Bisection, printer: &Printer) {
    let of = match &found.slice {
        Some(slice) => format!("{} in {slice}", found.metric),
        None => found.metric.clone(),
    };
    let [good, bad] = &found.ends;
    printer.line(&format!(
        "{of} {} in {}, {} in {}: bad beyond {}{}",
        format::metric(good.value),
        good.record.short(),
        format::metric(bad.value),
        bad.record.short(),
        format::metric(found.threshold),
        judged_by(found.judged_by),
    ));
    let ran = found.tried.iter().filter(|tried| tried.ran).count() as u64;
    if let Some(commit) = &found.commit {
        let looked = format!(
            "of {}, {} looked at, {ran} of them run",
            format::counted(commit.of as u64, "commit"),
            found
                .tried
                .iter()
                .filter(|tried| tried.commit.is_some())
                .count()
        );
        let title = match commit.candidates.as_slice() {
            [_] => "first bad commit",
            _ => "the first bad commit is one of these: those before the last cannot be judged",
        };
        printer.line(&format!(
            "{}   {looked}",
            printer.paint(Style::Strong, title)
        ));
        for commit in &commit.candidates {
            let id = commit.id.get(..9).unwrap_or(&commit.id);
            let line = format!(
                "  {id}  {}  {}  {}",
                commit.day, commit.author, commit.subject
            );
            printer.line(&line);
        }
    } else {
        printer.line("both are of one commit");
    }
    let names: Vec<_> = found.data.iter().map(StepName::as_str).collect();
    match (names.as_slice(), found.more_than_data) {
        ([], _) => {}
        (names, true) => printer.line(&format!(
            "code or configuration changed with it, and the data {}",
            names.join(", ")
        )),
        (names, false) => {
            printer.line(&format!(
                "nothing changed with it but the data {}",
                names.join(", ")
            ));
        }
    }
    if let Some(version) = &found.version {
        let title = match version.candidates.as_slice() {
            [_] => "first bad version",
            _ => "the first bad version is one of these",
        };
        let title = printer.paint(Style::Strong, title);
        printer.line(&format!(
            "{title}   of {}",
            format::counted(version.of as u64, "version")
        ));
        for id in &version.candidates {
            let line = format!("  {}@{}  {}", version.name, id.short(), version.message);
            printer.line(line.trim_end());
        }
    }
    let [before, after] = &found.sides;
    printer.line(&format!(
        "\n'reproof why {} {}' says what differs",
        before.short(),
        after.short()
    ));
}
