//! The short form: the blocks `label`, `features`, `split`, `preprocess`, `train`, `predict` and
//! `evaluate` stand for the steps `split`, `preprocess`, `train`, `predict` and `evaluate` on the
//! data named `data`.

mod programs;

use std::collections::{BTreeMap, BTreeSet};

use reproof_record::{IMAGE_DIGEST, Source, StepName};

use super::draft::{Draft, Drafts, Label, Parameters, Preprocess};
use super::{chains, parameters, splits};
use crate::check::{is_named, runs_program};
use crate::diagnostic::{Report, Span, Spanned};
use crate::names::shown;
use crate::registry::{Action, Needs, OperationSpec, SPLIT, operation};
use crate::tables::{DATA_SOURCE, trainer_operation};
use crate::tree::{Entry, Node};

/// The name of a data source that has none of its own.
pub(super) fn data_name() -> Option<StepName> {
    StepName::new(DATA).ok()
}

/// That name, also of the step that makes it.
pub(super) const DATA: &str = "data";
/// The output of that step.
pub(super) const MADE: &str = "table";

/// The name of the files that images are, where `data` is their labels.
const IMAGE_FILES: &str = "image_files";

/// That name.
pub(super) fn image_files() -> Option<StepName> {
    StepName::new(IMAGE_FILES).ok()
}

/// Reads the blocks. `at` is blamed for a block that is not there.
pub(super) fn read(root: &Node, at: Span, report: &mut Report<'_>) -> Drafts {
    let mut drafts = Drafts {
        steps: BTreeMap::new(),
        declared: [
            "images",
            "split",
            "preprocess",
            "train",
            "predict",
            "evaluate",
        ]
        .into_iter()
        .filter_map(|name| StepName::new(name).ok())
        .collect::<BTreeSet<_>>(),
    };
    for block in ["data", "label", "train"] {
        if root.get(block).is_none() {
            report.hinted(
                at,
                format!("the key '{block}' is missing"),
                "a pipeline has the blocks 'data', 'label' and 'train', or a free graph under 'steps'",
            );
        }
    }
    if root.get("data").is_some_and(runs_program) {
        drafts.declared.extend(data_name());
    }
    let mut reader = Blocks {
        root,
        at,
        images: root.entry("images"),
        drafts: &mut drafts,
    };
    reader.data(report);
    reader.images(report);
    let parts = reader.split(report);
    let label = root.get("label").and_then(parameters::label);
    if reader.takes_tables() {
        reader.check_no_preprocessing(report);
    } else {
        reader.preprocess(parts.as_ref(), label.as_ref(), report);
    }
    reader.train(parts.as_ref(), label.clone(), report);
    reader.predict(parts.as_ref(), report);
    reader.evaluate(parts.as_ref(), label.as_ref(), report);
    drafts
}

/// The parts of the data, each with the output or the data source that it is.
struct Parts {
    /// What makes them, for a message.
    made_by: &'static str,
    from: BTreeMap<String, String>,
}

impl Parts {
    /// Says that there is no such part.
    fn report_missing(&self, part: &str, purpose: &str, span: Span, report: &mut Report<'_>) {
        let made: Vec<_> = self.from.keys().map(String::as_str).collect();
        report.hinted(
            span,
            format!("{} makes no part '{part}' {purpose}", self.made_by),
            format!("it makes {}; add '{part}' to it", made.join(", ")),
        );
    }
}

/// Sources that are the parts themselves: `data: {train: {csv: ...}, test: {csv: ...}}`.
fn sources_as_parts(
    sources: &Entry,
    split: Option<&Entry>,
    report: &mut Report<'_>,
) -> Option<Parts> {
    let names = sources.value.entries().iter().map(|entry| &entry.key);
    let strange = names
        .clone()
        .find(|name| !splits::PARTS.contains(&name.value.as_str()));
    if let Some(name) = strange {
        report.hinted(
            name.span,
            "named data sources are for a free graph under 'steps', unless they are the parts \
             'train', 'eval' and 'test'",
            "write 'data: {csv: PATH}' here",
        );
        return None;
    }
    let from: BTreeMap<_, _> = names
        .map(|name| (name.value.clone(), name.value.clone()))
        .collect();
    if !from.contains_key("train") {
        report.error(sources.key.span, "the data source 'train' is missing");
        return None;
    }
    if let Some(split) = split
        && splits::tag(&split.value, &SPLIT).is_some_and(|(tag, ..)| tag != "none")
    {
        report.hinted(
            split.key.span,
            "the data comes in parts already",
            "leave 'split' out, or write 'split: none'",
        );
        return None;
    }
    Some(Parts {
        made_by: "the data",
        from,
    })
}

struct Blocks<'a> {
    root: &'a Node,
    at: Span,
    /// The block `images`.
    images: Option<&'a Entry>,
    drafts: &'a mut Drafts,
}

impl Blocks<'_> {
    /// The place of a block, or of the file if it is not there.
    fn span(&self, block: &str) -> Span {
        self.root
            .entry(block)
            .map_or(self.at, |entry| entry.key.span)
    }

    fn add_named(
        &mut self,
        step: &str,
        operation_name: &str,
        inputs: &[(&str, &str)],
        span: Span,
        parameters: Parameters,
    ) {
        if let Some(spec) = operation(operation_name) {
            self.add(step, spec, inputs, span, parameters);
        }
    }

    fn add(
        &mut self,
        step: &str,
        spec: &'static OperationSpec,
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
                None => Source::Data {
                    data: StepName::new(*from).ok()?,
                },
            };
            Some((StepName::new(*input).ok()?, Spanned::new(source, span)))
        });
        if let Ok(name) = StepName::new(step) {
            let draft = Draft {
                span,
                spec,
                inputs: sources.collect(),
                parameters,
            };
            self.drafts.steps.insert(name, draft);
        }
    }

    /// Makes a table of images, where the rows are about such.
    fn images(&mut self, report: &mut Report<'_>) {
        let (Some(entry), Some(files)) = (self.images, self.images_from()) else {
            return;
        };
        if let Some(data) = self.root.get("data")
            && (is_named(&DATA_SOURCE, data) || runs_program(data))
        {
            report.hinted(
                entry.key.span,
                "images are of data that is one source",
                "for others, write the graph under 'steps', with a step 'image_table' for each",
            );
            self.images = None;
            return;
        }
        if self.root.entry("features").is_none() && !self.takes_tables() {
            report.hinted(
                entry.key.span,
                "nothing reads the images: a built-in trainer takes columns",
                "let a program in 'train' read them, or name columns in 'features'",
            );
        }
        let mut inputs = vec![("files", files)];
        if files != "data" {
            inputs.push(("labels", "data"));
        }
        let node = (files != "data").then_some(&entry.value);
        let parameters = Parameters::Images(parameters::images(node));
        self.add_named("images", "image_table", &inputs, entry.key.span, parameters);
    }

    /// The data that is the files of the images.
    fn images_from(&self) -> Option<&'static str> {
        let entry = self.images?;
        let labelled = !entry.value.entries().is_empty();
        Some(if labelled { IMAGE_FILES } else { "data" })
    }

    /// The table that is divided.
    fn table(&self) -> &'static str {
        let data = self.root.get("data");
        match self.images {
            Some(_) => "images.table",
            None if data.is_some_and(runs_program) => "data.table",
            None => "data",
        }
    }

    /// The parts and where they come from; none if that is wrong.
    fn split(&mut self, report: &mut Report<'_>) -> Option<Parts> {
        let entry = self.root.entry("split");
        if let Some(sources) = self.root.entry("data")
            && is_named(&DATA_SOURCE, &sources.value)
        {
            return sources_as_parts(sources, entry, report);
        }
        let (tag, options, at) = match entry {
            Some(entry) => splits::tag(&entry.value, &SPLIT)?,
            None => ("random", None, self.at),
        };
        if tag == "none" {
            return Some(Parts {
                made_by: "'split: none'",
                from: BTreeMap::from([("train".to_owned(), self.table().to_owned())]),
            });
        }
        let (spec, mut split) = splits::block(tag, options, at, report)?;
        if self.images.is_some() && spec.name == "split_random" {
            // Equal images share a part, whatever their paths.
            let key = split.parameters.entry("key");
            key.or_insert_with(|| vec![IMAGE_DIGEST].into());
        }
        let parts = split.parts.iter();
        let from = parts.map(|part| (part.clone(), format!("split.{part}")));
        let from = from.collect();
        let span = self.span("split");
        let parameters = Parameters::Split(split);
        self.add("split", spec, &[("table", self.table())], span, parameters);
        Some(Parts {
            made_by: "the split",
            from,
        })
    }

    /// What the trainer needs of features.
    fn needs(&self) -> Needs {
        let train = self.root.get("train");
        let trainer = train.and_then(|node| match node.entries() {
            [only] => Some(only.key.value.as_str()),
            _ => node.text(),
        });
        trainer.map(Needs::of).unwrap_or_default()
    }

    fn preprocess(
        &mut self,
        parts: Option<&Parts>,
        label: Option<&Label>,
        report: &mut Report<'_>,
    ) {
        let features = self.root.get("features");
        let features = features.map(|node| parameters::columns(node, report));
        let chains = chains::read(self.root.get("preprocess"), report);
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
        let Some(parts) = parts else { return };
        let inputs: Vec<_> = parts
            .from
            .iter()
            .map(|(part, from)| (part.as_str(), from.as_str()))
            .collect();
        let parameters = Parameters::Preprocess(Preprocess {
            features,
            chains,
            label: label.map(|label| label.column.clone()),
            needs: self.needs(),
        });
        let span = self.span("preprocess");
        self.add_named("preprocess", "preprocess", &inputs, span, parameters);
    }

    fn train(
        &mut self,
        parts: Option<&Parts>,
        label: Option<Label>,
        report: &mut Report<'_>,
    ) -> Option<()> {
        let entry = self.root.entry("train")?;
        if self.program_trains() {
            return self.train_program(entry, parts, report);
        }
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
        let table = parts?.from.get("train")?;
        let mut inputs = vec![("features", "preprocess.train"), ("table", table.as_str())];
        let span = entry.key.span;
        let stopping = settings.and_then(|settings| settings.entry("early_stopping_rounds"));
        if let Some(stopping) = stopping.filter(|entry| !entry.value.is_null()) {
            let Some(eval) = parts.and_then(|parts| parts.from.get("eval")) else {
                report.hinted(
                    stopping.key.span,
                    "early stopping decides by the part 'eval', which is not there",
                    "add 'eval' to the split",
                );
                return None;
            };
            inputs.push(("eval_features", "preprocess.eval"));
            inputs.push(("eval_table", eval));
        }
        self.add("train", spec, &inputs, span, Parameters::Train(train));
        Some(())
    }

    fn evaluate(
        &mut self,
        parts: Option<&Parts>,
        label: Option<&Label>,
        report: &mut Report<'_>,
    ) -> Option<()> {
        let entry = self.root.entry("evaluate")?;
        let node = &entry.value;
        let (Some(parts), Some(part)) = (parts, self.scored_part()) else {
            // What is wrong with it is reported all the same.
            parameters::evaluate(Some(node), node.get("require"), report);
            return None;
        };
        let span = node.get("on").map_or(entry.key.span, |on| on.span);
        let Some(table) = parts.from.get(part) else {
            parameters::evaluate(Some(node), node.get("require"), report);
            parts.report_missing(part, "to score", span, report);
            return None;
        };
        if self.evaluate_program(entry, label, (parts, part), span, report) {
            return None;
        }
        let evaluate = parameters::evaluate(Some(node), node.get("require"), report);
        if let Some(task) = node.entry("task") {
            report.hinted(
                task.key.span,
                "'task' is for predictions that a program makes: a trainer knows its own",
                "write it under the trainer, if it trains for several tasks",
            );
        }
        let features = format!("preprocess.{part}");
        let inputs = [
            ("model", "train.model"),
            ("features", features.as_str()),
            ("table", table.as_str()),
        ];
        let parameters = Parameters::Evaluate(evaluate);
        let mut inputs = inputs.to_vec();
        if node.get("baseline").and_then(Node::boolean) == Some(true)
            && let Some(train) = parts.from.get("train")
        {
            inputs.push(("training", train.as_str()));
        }
        self.add_named("evaluate", "evaluate", &inputs, span, parameters);
        Some(())
    }
}
