//! `reproof why --attribute`: what each aspect makes of the difference of a metric.

use reproof_engine::{
    Aspect, Attribution, EngineError, Mixture, Project, Trial, WantedMetric, attribute,
    resolve_record,
};

use super::Arguments;
use crate::exit::Exit;
use crate::printer::{Printer, Style};
use crate::progress::Progress;
use crate::{format, session};

/// Carries it out.
pub(super) fn execute(
    arguments: &Arguments,
    metric: &str,
    project: &Project,
    printer: &Printer,
) -> Result<Exit, EngineError> {
    let [first, second] = arguments.ids.as_slice() else {
        return Err(EngineError::usage("'--attribute' needs two records"));
    };
    let records = [
        resolve_record(project, first)?,
        resolve_record(project, second)?,
    ];
    let wanted = WantedMetric {
        name: metric.to_owned(),
        slice: arguments.slice.clone(),
    };
    let cancel = session::stop_on_signals()?;
    let progress = Progress::new(printer);
    let trial = Trial {
        project,
        wanted: &wanted,
        threads: session::threads(arguments.threads),
        isolation: arguments.isolation,
        observer: &progress,
        cancel: &cancel,
    };
    let found = attribute(&trial, records);
    progress.clear();
    let found = found?;
    if printer.json {
        printer.found(&found)?;
    } else {
        print(&found, printer);
    }
    Ok(Exit::Done)
}

fn print(found: &Attribution, printer: &Printer) {
    let of = match &found.slice {
        Some(slice) => format!("{} in {slice}", found.metric),
        None => found.metric.clone(),
    };
    let [before, after] = found.values;
    let title = format!(
        "{of} {} -> {}   {}",
        format::metric(before),
        format::metric(after),
        format::signed(after - before)
    );
    printer.line(&printer.paint(Style::Strong, &title));
    let value = |value: Option<f64>| value.map_or_else(|| "?".to_owned(), format::metric);
    for part in &found.parts {
        let share = part.share.map_or_else(|| "?".to_owned(), format::signed);
        let more = match found.parts.len() {
            1 => String::new(),
            _ => format!(
                "   alone {}, all but it {}",
                value(part.alone),
                value(part.without)
            ),
        };
        printer.line(&format!("  {:<14} {share}{more}", part.aspect.name()));
    }
    for mixture in &found.mixtures {
        if let Some(problem) = &mixture.problem {
            let line = format!("{}: {problem}", named(mixture));
            printer.line(&format!("  no value with {line}"));
        }
    }
    if found.parts.iter().all(|part| part.share.is_none()) {
        printer.line("  without those values the difference cannot be shared out");
    }
}

fn named(mixture: &Mixture) -> String {
    let names: Vec<_> = mixture
        .second
        .iter()
        .map(|aspect: &Aspect| aspect.name())
        .collect();
    format!("{} of the second", names.join(" and "))
}
