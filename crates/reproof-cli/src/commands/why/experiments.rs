//! `reproof why --experiment`: a step is run again, with one thing held or changed at a time.

use reproof_engine::{EngineError, Experiments, Project, experiments};
use reproof_record::{Record, StepName};

use crate::printer::{Printer, Style};
use crate::progress::Progress;
use crate::{format, session};

/// Makes them.
pub(super) fn make(
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

/// Prints what came of them.
pub(super) fn print(made: &Experiments, printer: &Printer) {
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
