//! The free graph under `steps:`.

use reproof_record::{Source, StepName};

use super::draft::{Draft, Drafts, Parameters};
use super::{parameters, programs, splits};
use crate::check::{runs_program, step_operation};
use crate::diagnostic::{Report, Span, Spanned};
use crate::names::shown;
use crate::registry::{Action, OperationSpec, PROGRAM};
use crate::tables::PROGRAM_STEP;
use crate::tree::{Entry, Node};

/// The most steps of a graph.
const MAX_STEPS: usize = 1000;

/// Reads the steps.
pub(super) fn read(node: &Node, report: &mut Report<'_>) -> Drafts {
    let mut drafts = Drafts::default();
    for (index, entry) in node.entries().iter().enumerate() {
        if index == MAX_STEPS {
            let message = format!("more than {MAX_STEPS} steps");
            report.error(entry.key.span, message);
            break;
        }
        let Ok(name) = StepName::new(entry.key.value.as_str()) else {
            continue;
        };
        drafts.declared.insert(name.clone());
        if let Some(draft) = read_step(entry, report) {
            drafts.steps.insert(name, draft);
        }
    }
    if node.entries().is_empty() && !node.is_invalid() {
        report.error(node.span, "there are no steps");
    }
    drafts
}

fn read_step(entry: &Entry, report: &mut Report<'_>) -> Option<Draft> {
    let node = &entry.value;
    let spec = match (runs_program(node), node.get("operation")) {
        (true, None) => &PROGRAM,
        // It was reported that there are both.
        (true, Some(_)) => return None,
        (false, _) => step_operation(node)?,
    };
    let mut inputs = std::collections::BTreeMap::new();
    for input in node.get("inputs").map(Node::entries).unwrap_or_default() {
        let (Ok(name), Some(text)) = (StepName::new(input.key.value.as_str()), input.value.text())
        else {
            continue;
        };
        if spec.action != Action::Program && spec.input(name.as_str()).is_none() {
            continue;
        }
        if let Some(source) = read_source(text, input.value.span, report) {
            inputs.insert(name, Spanned::new(source, input.value.span));
        }
    }
    let parameters = read_parameters(spec, node, entry.key.span, report)?;
    Some(Draft {
        span: entry.key.span,
        spec,
        inputs,
        parameters,
    })
}

/// `data` or `split.train`.
fn read_source(text: &str, span: Span, report: &mut Report<'_>) -> Option<Source> {
    let source = match text.split_once('.') {
        None => StepName::new(text).map(|data| Source::Data { data }),
        Some((step, output)) => StepName::new(step).and_then(|step| {
            Ok(Source::Output {
                step,
                output: StepName::new(output)?,
            })
        }),
    };
    if let Ok(source) = source {
        Some(source)
    } else {
        report.hinted(
            span,
            format!("'{}' names no data and no output", shown(text)),
            "write the name of a data source, or STEP.OUTPUT such as split.train",
        );
        None
    }
}

fn read_parameters(
    spec: &'static OperationSpec,
    step: &Node,
    at: Span,
    report: &mut Report<'_>,
) -> Option<Parameters> {
    let node = step.get("parameters");
    let get = |name: &str| node.and_then(|node| node.entry(name));
    Some(match spec.action {
        Action::Images => Parameters::Images(parameters::images(node)),
        Action::Split => {
            let ratios = get("ratios");
            let options = splits::Options {
                node,
                shares: ratios.map(|entry| &entry.value),
                at: ratios.map_or(at, |entry| entry.key.span),
            };
            Parameters::Split(splits::read(spec, options, report)?)
        }
        Action::Preprocess => {
            let features = get("features");
            if let Some(entry) = features
                && entry.value.entries().is_empty()
                && !entry.value.is_invalid()
            {
                report.error(entry.key.span, "there are no features");
            }
            let features = features.map(|entry| &entry.value);
            Parameters::Preprocess(parameters::preprocess(features, report))
        }
        Action::Train(task) => {
            let label = parameters::label(&get("label")?.value)?;
            let object = spec.parameters;
            Parameters::Train(parameters::train(task, label, object, node, report))
        }
        Action::Evaluate => {
            let mut evaluate = parameters::evaluate(node, step.get("require"), report);
            if spec.parameters.field("label").is_some() {
                let label = parameters::label(&get("label")?.value)?;
                evaluate.target = Some(parameters::target(label, node, report));
                evaluate.baseline = parameters::set_flag(node, "baseline");
            }
            Parameters::Evaluate(evaluate)
        }
        Action::Program => Parameters::Program(programs::read(&PROGRAM_STEP, step, at, report)?),
    })
}
