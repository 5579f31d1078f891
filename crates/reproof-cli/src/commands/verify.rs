//! `reproof verify`: runs records again from nothing and compares every output.

use std::num::NonZeroUsize;

use clap::Args;
use reproof_engine::{
    Cancel, Class, EngineError, OutputSpread, Project, Share, Verified, VerifyOptions, choose,
    resolve_record, spread, verify,
};
use reproof_record::{
    Distance, ExecutionStatus, Isolation, Level, OutputVerdict, RecordId, StepStatus, Timestamp,
    Verdict,
};
use serde_json::{Value, json};

use super::log::moment;
use crate::arguments::Global;
use crate::exit::Exit;
use crate::printer::{Printer, Style};
use crate::progress::Progress;
use crate::{format, session};

/// The options of the command.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The record: its ID or a prefix of it, an execution of it, PIPELINE@latest or @latest.
    #[arg(value_name = "RECORD", required_unless_present = "all")]
    pub record: Option<String>,
    /// How much is made anew: `rerun` runs every step again; `fresh` also builds the environments again
    /// from their specifications and lays files out in another order.
    #[arg(long, value_name = "LEVEL", default_value = "rerun", value_parser = level_named)]
    pub level: Level,
    /// Run it again so many times, and say how far the results are apart.
    #[arg(long, value_name = "N", default_value = "1", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub times: u32,
    /// Verify every record that was run here.
    #[arg(long, conflicts_with_all = ["record", "against"])]
    pub all: bool,
    /// With --all: only those run since then: 30d, 12h, 2026-11-01 or a time with its zone.
    #[arg(long, value_name = "WHEN", requires = "all", conflicts_with = "record", value_parser = moment)]
    pub since: Option<Timestamp>,
    /// With --all: only this share of them, such as 5%; another one each day, the same for everyone.
    #[arg(
        long,
        value_name = "SHARE",
        requires = "all",
        conflicts_with = "record"
    )]
    pub sample: Option<Share>,
    /// Compare with the results of this record instead of its own.
    #[arg(long, value_name = "RECORD")]
    pub against: Option<String>,
    /// End with 13 if results are only equivalent: within a tolerance, not the same.
    #[arg(long)]
    pub strict: bool,
    /// What runs the steps: `sandbox`, which is the only one in this version.
    #[arg(long, value_name = "RUNNER", default_value = "sandbox")]
    pub runner: String,
    /// Use at most this many threads; changes no result.
    #[arg(long, value_name = "N")]
    pub threads: Option<NonZeroUsize>,
    /// The least isolation that is granted: `full` or `none`. A record whose programs ran without
    /// needs `none`: they see this machine again. Others are isolated in any case.
    #[arg(long, value_name = "LEVEL", default_value_t)]
    pub isolation: Isolation,
}

fn level_named(text: &str) -> Result<Level, String> {
    let mut all = Level::ALL.into_iter();
    all.find(|level| level.name() == text)
        .ok_or_else(|| "wanted is rerun or fresh".to_owned())
}

/// Runs the command.
pub fn execute(
    arguments: &Arguments,
    global: &Global,
    printer: &Printer,
) -> Result<Exit, EngineError> {
    if arguments.runner != "sandbox" {
        return Err(EngineError::Usage {
            message: format!(
                "there is no runner '{}'",
                format::visible(&arguments.runner)
            ),
            hint: Some(
                "this version runs steps in its own sandbox alone: containers are not supported"
                    .to_owned(),
            ),
        });
    }
    let project = session::project(global)?;
    let against = arguments.against.as_deref();
    let job = Job {
        project: &project,
        arguments,
        against: against.map(|id| resolve_record(&project, id)).transpose()?,
        cancel: session::stop_on_signals()?,
        printer,
    };
    match &arguments.record {
        Some(record) => job.one(&resolve_record(&project, record)?),
        None => job.all(&choose(&project, arguments.since, arguments.sample)?),
    }
}

/// What is verified, and how.
struct Job<'a> {
    project: &'a Project,
    arguments: &'a Arguments,
    against: Option<RecordId>,
    cancel: Cancel,
    printer: &'a Printer,
}

impl Job<'_> {
    /// Runs a record again, as often as was asked for.
    fn verify(&self, record: &RecordId) -> Result<Vec<Verified>, EngineError> {
        let times = self.arguments.times;
        let mut all = Vec::new();
        for time in 1..=times {
            let progress = Progress::new(self.printer);
            let options = VerifyOptions {
                threads: session::threads(self.arguments.threads),
                isolation: self.arguments.isolation,
                level: self.arguments.level,
                time: (times > 1).then_some([time, times]),
                against: self.against,
            };
            let verified = verify(self.project, record, &options, &progress, &self.cancel);
            progress.clear();
            let verified = verified?;
            let stopped = verified.execution.status == ExecutionStatus::Interrupted;
            all.push(verified);
            if stopped {
                break;
            }
        }
        Ok(all)
    }

    fn one(&self, record: &RecordId) -> Result<Exit, EngineError> {
        let all = self.verify(record)?;
        let spreads = if self.arguments.times > 1 {
            spread(self.project, &all)?
        } else {
            Vec::new()
        };
        if self.printer.json {
            self.printer
                .document(&self.document(record, &all, &spreads));
        } else {
            for verified in &all {
                print(verified, self.printer);
            }
            print_spreads(&spreads, all.len(), self.printer);
        }
        for verified in &all {
            tell(verified, self.printer);
        }
        Ok(self.exit(&all))
    }

    fn document(&self, record: &RecordId, all: &[Verified], spreads: &[OutputSpread]) -> Value {
        let one = |verified: &Verified| {
            json!({
                "record": record,
                "verdict": verified.verification.verdict,
                "verification": verified.verification,
                "damage": verified.damage,
                "execution": verified.execution,
            })
        };
        match all {
            [verified] if self.arguments.times == 1 => one(verified),
            _ => json!({
                "record": record,
                "verdict": worst(all),
                "times": all.len(),
                "spread": spreads,
                "verifications": all.iter().map(one).collect::<Vec<_>>(),
            }),
        }
    }

    /// Verifies several records, a line for each.
    fn all(&self, records: &[RecordId]) -> Result<Exit, EngineError> {
        let mut found = Vec::new();
        let mut refused = None;
        for record in records {
            match self.verify(record) {
                Ok(all) => {
                    let stopped = all
                        .iter()
                        .any(|one| one.execution.status == ExecutionStatus::Interrupted);
                    if !self.printer.json {
                        self.line(record, &all);
                    }
                    found.push((*record, Ok(all)));
                    if stopped {
                        break;
                    }
                }
                // One that must not or cannot be run again keeps no other from being verified.
                Err(error) if may_be_one(&error) => {
                    if !self.printer.json {
                        let what = self.printer.paint(Style::Bad, "not verified");
                        self.printer
                            .line(&format!("{}  {what}  {error}", record.short()));
                    }
                    refused = refused.min(Some(error.class())).or(Some(error.class()));
                    found.push((*record, Err(error.to_string())));
                }
                Err(error) => return Err(error),
            }
        }
        self.summary(&found);
        for (_, all) in &found {
            for verified in all.iter().flatten() {
                tell(verified, self.printer);
            }
        }
        let all: Vec<&Verified> = found
            .iter()
            .filter_map(|(_, all)| all.as_ref().ok())
            .flatten()
            .collect();
        let trouble = all.iter().filter_map(|verified| verified.trouble());
        let exit = trouble.chain(refused).min().map(Exit::from);
        let equivalent = all
            .iter()
            .any(|verified| verified.verification.verdict == Verdict::Equivalent);
        Ok(exit.unwrap_or_else(|| self.without_trouble(equivalent)))
    }

    fn line(&self, record: &RecordId, all: &[Verified]) {
        let verdict = worst(all);
        let again = if all.len() > 1 {
            format!(", {} times", all.len())
        } else {
            String::new()
        };
        self.printer.line(&format!(
            "{}  {}  {}{again}",
            record.short(),
            self.printer
                .paint(style(verdict), &format!("{:<10}", verdict.name())),
            all.first()
                .map_or("", |one| one.execution.pipeline.as_str()),
        ));
    }

    fn summary(&self, found: &[(RecordId, Result<Vec<Verified>, String>)]) {
        let count = |wanted: Verdict| {
            let all = found.iter().filter_map(|(_, all)| all.as_ref().ok());
            all.filter(|all| worst(all) == wanted).count()
        };
        if !self.printer.json {
            let verdicts = [
                Verdict::Identical,
                Verdict::Equivalent,
                Verdict::Diverged,
                Verdict::Failed,
                Verdict::Impossible,
            ];
            let counts: Vec<_> = verdicts
                .into_iter()
                .filter(|verdict| count(*verdict) > 0)
                .map(|verdict| format!("{} {verdict}", count(verdict)))
                .collect();
            let records = format::counted(found.len() as u64, "record");
            let list = if counts.is_empty() {
                String::new()
            } else {
                format!(": {}", counts.join(", "))
            };
            self.printer.line(&format!("{records} verified{list}"));
            return;
        }
        let records = found.iter().map(|(record, all)| match all {
            Ok(all) => self.document(record, all, &[]),
            Err(error) => json!({ "record": record, "verdict": null, "error": error }),
        });
        let records: Vec<_> = records.collect();
        self.printer.document(&json!({ "records": records }));
    }

    fn exit(&self, all: &[Verified]) -> Exit {
        let trouble = all.iter().filter_map(Verified::trouble).min();
        let equivalent = worst(all) == Verdict::Equivalent;
        trouble.map_or_else(|| self.without_trouble(equivalent), Exit::from)
    }

    fn without_trouble(&self, equivalent: bool) -> Exit {
        if equivalent && self.arguments.strict {
            Exit::Equivalent
        } else {
            Exit::Done
        }
    }
}

/// Whether an error is about one record, not about the project.
fn may_be_one(error: &EngineError) -> bool {
    matches!(
        error.class(),
        Class::Refused | Class::Impossible | Class::Usage | Class::Environment
    )
}

/// The gravest verdict.
fn worst(all: &[Verified]) -> Verdict {
    let verdicts = all.iter().map(|verified| verified.verification.verdict);
    verdicts.max().unwrap_or(Verdict::Identical)
}

const fn style(verdict: Verdict) -> Style {
    match verdict {
        Verdict::Identical => Style::Good,
        Verdict::Equivalent => Style::Warning,
        _ => Style::Bad,
    }
}

/// Says what was damaged and what failed.
fn tell(verified: &Verified, printer: &Printer) {
    for damage in &verified.damage {
        printer.error_text(damage, None);
    }
    for (step, error) in &verified.failures {
        printer.error_text(&format!("step '{step}' failed: {error}"), None);
    }
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
    let verdict = printer.paint(style(found.verdict), found.verdict.name());
    if execution.steps.is_empty() {
        let reason = found
            .reason
            .as_deref()
            .unwrap_or("something that is needed is gone");
        printer.line(&format!("{verdict}   {reason}"));
        return;
    }
    let same = found
        .outputs
        .iter()
        .filter(|output| output.verdict == Verdict::Identical)
        .count();
    let from = match found.level {
        Level::Rerun => "run again from nothing",
        Level::Fresh => "run again in environments that were built again",
    };
    let against = found
        .against
        .map(|other| format!(" as in record {}", other.short()))
        .unwrap_or_default();
    printer.line(&format!(
        "{verdict}   {} of {} steps, {same} of {} outputs{against}, {from} in {took}",
        execution.count(StepStatus::Ran),
        execution.steps.len(),
        found.outputs.len(),
    ));
    for changed in &found.changed {
        printer.line(&format!("  {changed}"));
    }
    for (name, step) in &execution.steps {
        if step.status == StepStatus::Pinned {
            printer.line(&format!(
                "  {name}   unpinned: not run again, its outputs were taken as recorded"
            ));
        }
    }
    let others = found.outputs.iter();
    for output in others.filter(|output| output.verdict != Verdict::Identical) {
        print_output(output, printer);
    }
}

fn print_output(output: &OutputVerdict, printer: &Printer) {
    let came = output
        .found
        .map_or_else(|| "nothing".to_owned(), |found| found.digest.short());
    let far = output
        .distance
        .as_ref()
        .map(|distance| format!(", {}", far(distance)))
        .unwrap_or_default();
    printer.line(&format!(
        "  {}.{}   {}: {came} instead of {}{far}",
        output.step,
        output.output,
        output.verdict,
        output.expected.digest.short(),
    ));
}

/// How far an output is off, in words.
fn far(distance: &Distance) -> String {
    let mut parts = vec![format!("{} off", format::counted(distance.values, "value"))];
    let number =
        |label: &str, value: Option<f64>| value.map(|value| format!("{label} {value:.3e}"));
    parts.extend(number("by at most", distance.abs));
    parts.extend(number("a share of", distance.rel));
    parts.extend(distance.ulp.map(|ulp| format!("{ulp} ulp")));
    parts.extend(distance.flips.map(|flips| format::counted(flips, "flip")));
    if distance.beyond > 0 {
        parts.push(format!("{} beyond the tolerance", distance.beyond));
    }
    parts.extend(distance.reason.as_deref().map(format::visible));
    parts.join(", ")
}

fn print_spreads(spreads: &[OutputSpread], times: usize, printer: &Printer) {
    if spreads.is_empty() {
        return;
    }
    let moved: Vec<_> = spreads.iter().filter(|one| one.distinct > 1).collect();
    let natural = if moved.is_empty() {
        format!("in {times} runs every output came out the same")
    } else {
        format!(
            "in {times} runs {} of {} outputs came out in several ways",
            moved.len(),
            spreads.len()
        )
    };
    printer.line(&natural);
    for one in moved {
        let distance = one.distance.as_ref().map(|distance| {
            // There is no tolerance here to be beyond of.
            let distance = Distance {
                beyond: 0,
                ..distance.clone()
            };
            format!(": {}", far(&distance))
        });
        printer.line(&format!(
            "  {}.{}   {} results, that of the record among them{}",
            one.step,
            one.output,
            one.distinct,
            distance.unwrap_or_default()
        ));
        for (name, [least, most]) in &one.metrics {
            printer.line(&format!(
                "    {}   {} to {}, {:.3e} apart",
                format::visible(name),
                format::short(*least),
                format::short(*most),
                most - least
            ));
        }
    }
}
