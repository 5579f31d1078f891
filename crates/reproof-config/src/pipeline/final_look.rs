//! A final look: what is scored on the part `eval` is scored on the part `test` instead.

use std::collections::{BTreeMap, BTreeSet};

use reproof_record::{Source, StepName};

use super::DataFrom;
use super::draft::{Draft, Drafts};
use crate::diagnostic::{Report, Span};
use crate::registry::Action;

/// Turns every scoring of the part `eval` to the part `test`, and with it the programs that make
/// the predictions which are scored.
pub(super) fn score_test(
    drafts: &mut Drafts,
    data: &BTreeMap<StepName, DataFrom>,
    report: &mut Report<'_>,
) {
    let predictors = predictors(drafts, report);
    let mut look = FinalLook {
        outputs: drafts
            .steps
            .iter()
            .map(|(name, draft)| (name.clone(), draft.outputs().into_keys().collect()))
            .collect(),
        test: data.keys().find(|name| name.as_str() == "test"),
        scored: false,
        missing: None,
    };
    for (name, draft) in &mut drafts.steps {
        if draft.spec.action == Action::Evaluate || predictors.contains(name) {
            look.turn(draft);
        }
    }
    if let Some((span, step)) = look.missing {
        let message = format!("a final look scores the part 'test', which {step} does not make");
        report.hinted(span, message, "add 'test' to the split");
    } else if !look.scored {
        let at = drafts.steps.values().map(|draft| draft.span).min();
        report.error(
            at.unwrap_or_default(),
            "a final look scores the part 'test', but no step scores a part",
        );
    }
}

/// Whether an input is this part: an output of this name, or data that comes in parts.
fn is_part(from: &Source, part: &str) -> bool {
    match from {
        Source::Output { output, .. } => output.as_str() == part,
        Source::Data { data } => data.as_str() == part,
    }
}

/// The programs whose predictions of the part `eval` are scored. One that is also given the
/// training part is refused: turned to the part `test`, it would learn from what it is judged by.
fn predictors(drafts: &Drafts, report: &mut Report<'_>) -> BTreeSet<StepName> {
    let mut predictors = BTreeSet::new();
    for draft in drafts.steps.values() {
        let of_eval = draft
            .inputs
            .get("table")
            .is_some_and(|from| is_part(&from.value, "eval"));
        let Some(from) = draft.inputs.get("predictions").filter(|_| of_eval) else {
            continue;
        };
        let Source::Output { step, .. } = &from.value else {
            continue;
        };
        let Some(program) = drafts.steps.get(step) else {
            continue;
        };
        if draft.spec.action != Action::Evaluate || program.spec.action != Action::Program {
            continue;
        }
        let given = |part| {
            let mut inputs = program.inputs.values();
            inputs.any(|from| is_part(&from.value, part))
        };
        let wrong = match (given("train"), given("eval")) {
            (true, _) => "predicts the part 'eval' while it trains",
            (false, false) => "is not given the part that it predicts",
            (false, true) => {
                predictors.insert(step.clone());
                continue;
            }
        };
        report.hinted(
            program.span,
            format!("a final look scores the part 'test', but '{step}' {wrong}"),
            "predict with a program of its own: the block 'predict', or a step whose inputs are the \
             model and the part that is scored",
        );
    }
    predictors
}

struct FinalLook<'a> {
    /// The outputs of every step.
    outputs: BTreeMap<StepName, Vec<StepName>>,
    /// The data source that is the part `test`.
    test: Option<&'a StepName>,
    scored: bool,
    /// The place of an input that has no part `test`, and what does not make it.
    missing: Option<(Span, String)>,
}

impl FinalLook<'_> {
    fn turn(&mut self, draft: &mut Draft) {
        for from in draft.inputs.values_mut() {
            let (step, output) = match &mut from.value {
                Source::Output { step, output } => (step, output),
                // Data that comes in parts.
                Source::Data { data: name } if name.as_str() == "eval" => {
                    match self.test {
                        Some(test) => *name = test.clone(),
                        None => self.missing = Some((from.span, "the data".to_owned())),
                    }
                    continue;
                }
                Source::Data { .. } => continue,
            };
            self.scored |= output.as_str() == "test";
            if output.as_str() != "eval" {
                continue;
            }
            let outputs = self.outputs.get(step);
            let test =
                outputs.and_then(|outputs| outputs.iter().find(|name| name.as_str() == "test"));
            match test {
                Some(test) => *output = test.clone(),
                None => self.missing = Some((from.span, format!("'{step}'"))),
            }
            self.scored = true;
        }
    }
}
