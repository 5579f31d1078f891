//! The short form: the blocks `label`, `features`, `split`, `preprocess`, `train` and `evaluate`
//! stand for the steps `split`, `preprocess`, `train` and `evaluate` on the data named `data`.

use std::collections::{BTreeMap, BTreeSet};

use reproof_record::{Source, StepName};

use super::draft::{Draft, Drafts, Label, Parameters, Preprocess, Split};
use super::parameters;
use crate::check::is_named;
use crate::diagnostic::{Report, Span, Spanned};
use crate::names::shown;
use crate::registry::{Action, operation};
use crate::tables::{DATA_SOURCE, trainer_operation};
use crate::tree::{Entry, Node};

/// The name of a data source that has none of its own.
pub(super) fn data_name() -> Option<StepName> {
    StepName::new("data").ok()
}

/// Reads the blocks. `at` is blamed for a block that is not there.
pub(super) fn read(root: &Node, at: Span, report: &mut Report<'_>) -> Drafts {
    let mut drafts = Drafts {
        steps: BTreeMap::new(),
        declared: ["split", "preprocess", "train", "evaluate"]
            .into_iter()
            .filter_map(|name| StepName::new(name).ok())
            .collect::<BTreeSet<_>>(),
    };
    for block in ["label", "train"] {
        if root.get(block).is_none() {
            report.hinted(
                at,
                format!("the key '{block}' is missing"),
                "a pipeline has the blocks 'label' and 'train', or a free graph under 'steps'",
            );
        }
    }
    if let Some(entry) = root.entry("data")
        && is_named(&DATA_SOURCE, &entry.value)
    {
        report.hinted(
            entry.key.span,
            "named data sources are for a free graph under 'steps'",
            "write 'data: {csv: PATH}' here",
        );
    }
    let mut reader = Blocks {
        root,
        at,
        drafts: &mut drafts,
    };
    let split = reader.split(report);
    let label = root.get("label").and_then(parameters::label);
    reader.preprocess(split.as_ref(), label.as_ref(), report);
    reader.train(label, report);
    reader.evaluate(split.as_ref(), report);
    drafts
}

struct Blocks<'a> {
    root: &'a Node,
    at: Span,
    drafts: &'a mut Drafts,
}

impl Blocks<'_> {
    /// The place of a block, or of the file if it is not there.
    fn span(&self, block: &str) -> Span {
        self.root
            .entry(block)
            .map_or(self.at, |entry| entry.key.span)
    }

    fn add(
        &mut self,
        step: &str,
        operation_name: &str,
        inputs: &[(&str, &str)],
        span: Span,
        parameters: Parameters,
    ) {
        let sources = inputs.iter().filter_map(|(input, from)| {
            let source = match from.split_once('.') {
                Some((step, output)) => Source::Output {
                    step: StepName::new(step).ok()?,
                    output: StepName::new(output).ok()?,
                },
                None => Source::Data { data: data_name()? },
            };
            Some((StepName::new(*input).ok()?, Spanned::new(source, span)))
        });
        if let (Ok(name), Some(spec)) = (StepName::new(step), operation(operation_name)) {
            let draft = Draft {
                span,
                spec,
                inputs: sources.collect(),
                parameters,
            };
            self.drafts.steps.insert(name, draft);
        }
    }

    fn split(&mut self, report: &mut Report<'_>) -> Option<Split> {
        let spec = operation("split_random")?;
        let entry = self.root.entry("split");
        let named = |entry: &Entry| {
            entry.value.text() == Some("random") || entry.value.get("random").is_some()
        };
        if !entry.is_none_or(named) {
            return None;
        }
        let ratios = entry.and_then(|entry| entry.value.entry("random"));
        let at = ratios.map_or_else(|| self.span("split"), |entry| entry.key.span);
        let split = parameters::split(ratios.map(|entry| &entry.value), at, spec, report)?;
        let span = self.span("split");
        let parameters = Parameters::Split(split.clone());
        self.add("split", spec.name, &[("table", "data")], span, parameters);
        Some(split)
    }

    fn preprocess(
        &mut self,
        split: Option<&Split>,
        label: Option<&Label>,
        report: &mut Report<'_>,
    ) {
        let features = self.root.get("features");
        let features = features.map(|node| parameters::columns(node, report));
        let chains = parameters::chains(self.root.get("preprocess"), report);
        let column = label.map(|label| label.column.value.as_str());
        for feature in features.iter().flatten() {
            if Some(feature.value.as_str()) == column {
                report.error(
                    feature.span,
                    format!(
                        "'{}' is the label: it cannot be a feature",
                        shown(&feature.value)
                    ),
                );
            }
        }
        let names: Option<BTreeSet<&str>> = features.as_ref().map(|features| {
            features
                .iter()
                .map(|feature| feature.value.as_str())
                .collect()
        });
        for (name, chain) in &chains {
            if Some(name.as_str()) == column {
                let message = format!("'{}' is the label: it is not preprocessed", shown(name));
                report.error(chain.column, message);
            } else if let Some(names) = &names
                && !names.contains(name.as_str())
            {
                let known = names.iter().copied();
                report.unknown(chain.column, "feature", name, known);
            }
        }
        let Some(split) = split else { return };
        let parts: Vec<_> = split
            .ratios
            .keys()
            .map(|part| (part.as_str(), format!("split.{part}")))
            .collect();
        let inputs: Vec<_> = parts
            .iter()
            .map(|(part, from)| (*part, from.as_str()))
            .collect();
        let parameters = Parameters::Preprocess(Preprocess {
            features,
            chains,
            label: column.map(str::to_owned),
        });
        let span = self.span("preprocess");
        self.add("preprocess", "preprocess", &inputs, span, parameters);
    }

    fn train(&mut self, label: Option<Label>, report: &mut Report<'_>) -> Option<()> {
        let entry = self.root.entry("train")?;
        let (trainer, settings) = match entry.value.text() {
            Some(trainer) => (trainer, None),
            None => match entry.value.entries() {
                [only] => (only.key.value.as_str(), Some(&only.value)),
                _ => return None,
            },
        };
        let spec = operation(&trainer_operation(trainer))?;
        let Action::Train(task) = spec.action else {
            return None;
        };
        let train = parameters::train(task, label?, spec.parameters, settings, report);
        let inputs = [("features", "preprocess.train"), ("table", "split.train")];
        let span = entry.key.span;
        self.add("train", spec.name, &inputs, span, Parameters::Train(train));
        Some(())
    }

    fn evaluate(&mut self, split: Option<&Split>, report: &mut Report<'_>) -> Option<()> {
        let entry = self.root.entry("evaluate")?;
        let node = &entry.value;
        let evaluate = parameters::evaluate(Some(node), node.get("require"), report);
        let split = split?;
        let on = node.get("on");
        let part = match on {
            None => "eval",
            Some(on) => on.text().filter(|part| ["eval", "test"].contains(part))?,
        };
        let span = on.map_or(entry.key.span, |on| on.span);
        if !split.ratios.contains_key(part) {
            let parts: Vec<_> = split.ratios.keys().map(String::as_str).collect();
            report.hinted(
                span,
                format!("the split makes no part '{part}' to score"),
                format!("it makes {}; add '{part}' to it", parts.join(", ")),
            );
            return None;
        }
        let (features, table) = (format!("preprocess.{part}"), format!("split.{part}"));
        let inputs = [
            ("model", "train.model"),
            ("features", features.as_str()),
            ("table", table.as_str()),
        ];
        let parameters = Parameters::Evaluate(evaluate);
        let mut inputs = inputs.to_vec();
        if node.get("baseline").and_then(Node::boolean) == Some(true) {
            inputs.push(("training", "split.train"));
        }
        self.add("evaluate", "evaluate", &inputs, span, parameters);
        Some(())
    }
}
