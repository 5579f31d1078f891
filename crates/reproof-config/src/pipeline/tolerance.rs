//! Reads `tolerance:`, and finds the outputs that it names once the steps are known.

use std::collections::{BTreeMap, BTreeSet};

use reproof_record::{RecipeStep, StepName, Tolerance};

use crate::diagnostic::{Report, Span};
use crate::names::shown;
use crate::tree::Node;

/// A tolerance as it is written.
#[derive(Clone, Debug)]
pub(super) struct Written {
    /// `STEP.OUTPUT` or `OUTPUT`.
    name: String,
    span: Span,
    tolerance: Tolerance,
}

/// Reads the tolerances. What is malformed was reported by the validation and is skipped here.
pub(super) fn read(node: Option<&Node>, report: &mut Report<'_>) -> Vec<Written> {
    let entries = node.map(Node::entries).unwrap_or_default();
    let read = entries.iter().filter_map(|entry| {
        let number = |key: &str| entry.value.get(key).and_then(Node::number);
        let count = |key: &str| u64::try_from(entry.value.get(key)?.integer()?).ok();
        let tolerance = Tolerance {
            abs: number("abs"),
            rel: number("rel"),
            ulp: count("ulp"),
            flips: count("flips"),
        };
        if !tolerance.is_sound() {
            if [tolerance.abs, tolerance.rel].contains(&Some(f64::INFINITY)) {
                report.error(entry.key.span, "a bound of a tolerance is a finite number");
            } else if !entry.value.is_invalid() && entry.value.entries().is_empty() {
                report.hinted(
                    entry.key.span,
                    "the tolerance says nothing",
                    "give it 'abs', 'rel', 'ulp' or 'flips', such as {abs: 1e-9}",
                );
            }
            return None;
        }
        Some(Written {
            name: entry.key.value.clone(),
            span: entry.key.span,
            tolerance,
        })
    });
    read.collect()
}

/// Puts the tolerances into the steps that they are of.
pub(super) fn apply(
    written: &[Written],
    steps: &mut BTreeMap<StepName, RecipeStep>,
    report: &mut Report<'_>,
) {
    for one in written {
        let outputs = compared(steps);
        let wanted = one.name.split_once('.');
        let found: Vec<_> = outputs
            .into_iter()
            .filter(|(step, output)| match wanted {
                Some((wanted_step, wanted)) => {
                    step.as_str() == wanted_step && output.as_str() == wanted
                }
                None => output.as_str() == one.name,
            })
            .collect();
        match &found[..] {
            [(step, output)] => {
                let place = steps.get_mut(step).map(|step| &mut step.tolerance);
                let before = place.and_then(|place| place.insert(output.clone(), one.tolerance));
                if before.is_some() {
                    let message = format!("'{step}.{output}' has a tolerance already");
                    report.error(one.span, message);
                }
            }
            [] => unknown(one, steps, report),
            several => {
                let names: Vec<_> = several
                    .iter()
                    .map(|(step, output)| format!("{step}.{output}"))
                    .collect();
                report.hinted(
                    one.span,
                    format!("several steps have an output '{}'", shown(&one.name)),
                    format!("write which: {}", names.join(", ")),
                );
            }
        }
    }
}

/// Every output that is compared, with its step.
fn compared(steps: &BTreeMap<StepName, RecipeStep>) -> Vec<(StepName, StepName)> {
    let outputs = steps.iter().flat_map(|(name, step)| {
        step.results()
            .map(move |(output, _)| (name.clone(), output.clone()))
    });
    outputs.collect()
}

fn unknown(written: &Written, steps: &BTreeMap<StepName, RecipeStep>, report: &mut Report<'_>) {
    let by_step = written.name.contains('.');
    let known: BTreeSet<_> = compared(steps)
        .into_iter()
        .map(|(step, output)| {
            if by_step {
                format!("{step}.{output}")
            } else {
                output.to_string()
            }
        })
        .collect();
    let known = known.iter().map(String::as_str);
    report.unknown(written.span, "output", &written.name, known);
}
