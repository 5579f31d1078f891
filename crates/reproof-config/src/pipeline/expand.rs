//! Expansion: from checked steps and the schemas of the data to the graph.

use std::collections::BTreeMap;

use reproof_record::{Column, Operation, RecipeStep, Schema, Seed, Source, StepName};
use serde_json::{Map, Value, json};

use super::draft::{Draft, Drafts, Evaluate, Parameters};
use super::graph::{Graph, Note};
use super::parameters::FOR_CATEGORIES;
use super::{DataSource, Pipeline, columns, links, splits, tasks};
use crate::diagnostic::{Diagnostics, Report, Span};
use crate::registry::{Action, Needs, Task};

/// How a pipeline is expanded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExpandOptions {
    /// Score the part `test` where the pipeline scores `eval`.
    pub final_look: bool,
}

impl Pipeline {
    /// Expands the pipeline to its graph. `schemas` holds the schema of every data source.
    ///
    /// # Errors
    /// Columns that are not there or do not suit what is done with them.
    pub fn expand(
        &self,
        schemas: &BTreeMap<StepName, Schema>,
        options: &ExpandOptions,
    ) -> Result<Graph, Diagnostics> {
        let mut report = Report::new(&self.sources);
        let mut drafts = self.drafts.clone();
        if options.final_look {
            score_test(&mut drafts, &self.data, &mut report);
        }
        tasks::decide(&mut drafts, schemas, &mut report);
        let mut expander = Expander {
            seed: Seed(self.seed),
            drafts: &drafts,
            schemas,
            notes: Vec::new(),
            features: BTreeMap::new(),
        };
        let mut steps = BTreeMap::new();
        for (name, draft) in &drafts.steps {
            if let Some(step) = expander.step(name, draft, &mut report) {
                steps.insert(name.clone(), step);
            }
        }
        expander.compare_tables(&mut report);
        let notes = expander.notes;
        report.finish()?;
        let evaluate = shown_step(&drafts);
        let (mut gates, mut metrics) = (Vec::new(), Vec::new());
        if let Some((_, draft, evaluate)) = &evaluate {
            let written = evaluate.gates.iter();
            gates = written.map(|written| written.gate.clone()).collect();
            metrics = computed(&drafts, draft, evaluate);
        }
        Ok(Graph {
            steps,
            gates,
            evaluate: evaluate.map(|(name, ..)| name.clone()),
            metrics,
            notes,
        })
    }
}

/// Turns every scoring of the part `eval` to the part `test`.
fn score_test(drafts: &mut Drafts, data: &BTreeMap<StepName, DataSource>, report: &mut Report<'_>) {
    let outputs: BTreeMap<StepName, Vec<StepName>> = drafts
        .steps
        .iter()
        .map(|(name, draft)| (name.clone(), draft.outputs().into_keys().collect()))
        .collect();
    let mut scored = false;
    let mut missing: Option<(Span, String)> = None;
    for draft in drafts.steps.values_mut() {
        if draft.spec.action != Action::Evaluate {
            continue;
        }
        for from in draft.inputs.values_mut() {
            let (step, output) = match &mut from.value {
                Source::Output { step, output } => (step, output),
                // Data that comes in parts.
                Source::Data { data: name } if name.as_str() == "eval" => {
                    match data.keys().find(|name| name.as_str() == "test") {
                        Some(test) => *name = test.clone(),
                        None => missing = Some((from.span, "the data".to_owned())),
                    }
                    continue;
                }
                Source::Data { .. } => continue,
            };
            scored |= output.as_str() == "test";
            if output.as_str() != "eval" {
                continue;
            }
            let test = outputs
                .get(step)
                .and_then(|outputs| outputs.iter().find(|output| output.as_str() == "test"));
            match test {
                Some(test) => *output = test.clone(),
                None => missing = Some((from.span, format!("'{step}'"))),
            }
            scored = true;
        }
    }
    if let Some((span, step)) = missing {
        let message = format!("a final look scores the part 'test', which {step} does not make");
        report.hinted(span, message, "add 'test' to the split");
    } else if !scored {
        let at = drafts.steps.values().map(|draft| draft.span).min();
        report.error(
            at.unwrap_or_default(),
            "a final look scores the part 'test', but no step scores a part",
        );
    }
}

/// Why a chain is the default, by the one table of defaults.
fn default_reason(needs: Needs, column: &Column) -> String {
    let reason = format!("the default for {}", column.logical_type);
    match needs {
        Needs::Scaled => reason,
        Needs::Ordered => format!("{reason} and trees"),
    }
}

/// The step whose metrics are shown.
fn shown_step(drafts: &Drafts) -> Option<(&StepName, &Draft, &Evaluate)> {
    let all = drafts.steps.iter().filter_map(|(name, draft)| {
        let Parameters::Evaluate(evaluate) = &draft.parameters else {
            return None;
        };
        Some((name, draft, evaluate))
    });
    all.min_by_key(|(name, _, evaluate)| (evaluate.gates.is_empty(), name.as_str() != "evaluate"))
}

/// The metrics of a step in the order of the file.
fn computed(drafts: &Drafts, draft: &Draft, evaluate: &Evaluate) -> Vec<String> {
    let names: Vec<_> = match &evaluate.metrics {
        Some(metrics) => metrics.iter().map(|metric| metric.value).collect(),
        None => links::task(drafts, draft).map_or(Vec::new(), |task: Task| task.metrics().to_vec()),
    };
    names.into_iter().map(str::to_owned).collect()
}

struct Expander<'a> {
    seed: Seed,
    drafts: &'a Drafts,
    schemas: &'a BTreeMap<StepName, Schema>,
    notes: Vec<Note>,
    /// The features of each preprocessing.
    features: BTreeMap<StepName, Map<String, Value>>,
}

impl<'a> Expander<'a> {
    fn schema(&self, draft: &'a Draft, input: &str, report: &mut Report<'_>) -> Option<&'a Schema> {
        let from = draft.inputs.get(input)?;
        let data = links::data_of(self.drafts, &from.value)?;
        let schema = self.schemas.get(data);
        if schema.is_none() {
            report.error(
                from.span,
                format!("the columns of the data '{data}' are not known"),
            );
        }
        schema
    }

    fn note(&mut self, step: &StepName, what: &str, value: &Value, reason: impl Into<String>) {
        self.notes.push(Note {
            step: step.clone(),
            what: what.to_owned(),
            value: value.to_string(),
            reason: reason.into(),
        });
    }

    fn step(
        &mut self,
        name: &StepName,
        draft: &'a Draft,
        report: &mut Report<'_>,
    ) -> Option<RecipeStep> {
        let inputs = draft.inputs.iter();
        Some(RecipeStep {
            operation: Operation {
                name: StepName::new(draft.spec.name).ok()?,
                version: draft.spec.version,
            },
            inputs: inputs
                .map(|(input, from)| (input.clone(), from.value.clone()))
                .collect(),
            parameters: self.parameters(name, draft, report)?,
            seed: draft.spec.seeded.then(|| self.seed.derive(name)),
            outputs: draft
                .outputs()
                .into_iter()
                .map(|(output, role)| (output, role.kind()))
                .collect(),
        })
    }

    fn parameters(
        &mut self,
        name: &StepName,
        draft: &'a Draft,
        report: &mut Report<'_>,
    ) -> Option<Map<String, Value>> {
        let mut parameters = Map::new();
        match &draft.parameters {
            Parameters::Split(split) => {
                let schema = self.schema(draft, "table", report)?;
                splits::check(draft.spec, split, schema, report);
                parameters.clone_from(&split.parameters);
                if split.defaulted {
                    self.note(name, "ratios", &parameters["ratios"], "the default");
                }
            }
            Parameters::Preprocess(preprocess) => {
                let schema = self.schema(draft, "train", report)?;
                let (features, defaulted) =
                    columns::features(preprocess, schema, draft.span, report);
                for column in defaulted {
                    let reason = default_reason(preprocess.needs, &column);
                    self.note(name, &column.name, &features[&column.name], reason);
                }
                self.features.insert(name.clone(), features.clone());
                parameters.insert("features".to_owned(), Value::Object(features));
            }
            Parameters::Train(train) => {
                let schema = self.schema(draft, "table", report)?;
                // Without one, that was reported.
                let task = match draft.spec.action {
                    Action::Train(Some(task)) => task,
                    _ => train.task.unwrap_or(Task::Classification),
                };
                let label = columns::label(task, &train.label, schema, report)?;
                parameters.clone_from(&train.settings);
                if draft.spec.parameters.field("task").is_some() {
                    parameters.insert("task".to_owned(), Value::from(task.parameter()));
                }
                let categories = links::categories(self.drafts, draft);
                // Later than version 1, so written only where there are such.
                if categories.is_empty() {
                    parameters.retain(|name, _| !FOR_CATEGORIES.contains(&name.as_str()));
                } else {
                    let names: Vec<&str> = categories.into_keys().collect();
                    parameters.insert("categorical".to_owned(), Value::from(names));
                }
                let written = train.defaulted.iter();
                for setting in written.filter(|setting| parameters.contains_key(**setting)) {
                    self.note(name, setting, &parameters[*setting], "the default");
                }
                parameters.insert("label".to_owned(), label);
            }
            Parameters::Evaluate(evaluate) => {
                let schema = self.schema(draft, "table", report)?;
                columns::slices(evaluate, schema, report);
                let mut metrics = computed(self.drafts, draft, evaluate);
                metrics.sort_unstable();
                let metrics = Value::from(metrics);
                if evaluate.metrics.is_none() {
                    self.note(name, "metrics", &metrics, "all of the task");
                }
                parameters.insert("metrics".to_owned(), metrics);
                parameters.insert("slices".to_owned(), json!(evaluate.sorted_slices()));
                // Later than version 1, so written only where they are not the old behaviour.
                if !evaluate.buckets.is_empty() {
                    let buckets = evaluate.buckets.iter();
                    let buckets = buckets.map(|(name, found)| (name.clone(), found.value.clone()));
                    parameters.insert("buckets".to_owned(), Value::Object(buckets.collect()));
                }
                if evaluate.confusion_matrix.is_some() {
                    parameters.insert("confusion_matrix".to_owned(), Value::Bool(true));
                }
            }
        }
        Some(parameters)
    }

    /// Tables of another source than the one that was fitted on must have its columns.
    fn compare_tables(&self, report: &mut Report<'_>) {
        for (name, draft) in &self.drafts.steps {
            let (fitted, names): (_, Vec<&str>) = match &draft.parameters {
                Parameters::Preprocess(_) => {
                    let features = self.features.get(name);
                    let names = features
                        .into_iter()
                        .flatten()
                        .map(|(name, _)| name.as_str());
                    (draft.inputs.get("train"), names.collect())
                }
                Parameters::Evaluate(_) => match self.label_of(draft) {
                    Some((table, label)) => (Some(table), vec![label]),
                    None => continue,
                },
                // The part that early stopping decides by has the label, too.
                Parameters::Train(train) => {
                    let label = train.label.column.value.as_str();
                    (draft.inputs.get("table"), vec![label])
                }
                Parameters::Split(_) => continue,
            };
            let Some(fitted) = fitted.and_then(|from| links::data_of(self.drafts, &from.value))
            else {
                continue;
            };
            for (input, from) in &draft.inputs {
                let table = draft
                    .spec
                    .input(input.as_str())
                    .is_some_and(|input| input.role == crate::registry::Role::Table);
                let Some(data) = links::data_of(self.drafts, &from.value).filter(|_| table) else {
                    continue;
                };
                if data != fitted
                    && let (Some(of), Some(schema)) =
                        (self.schemas.get(fitted), self.schemas.get(data))
                {
                    columns::same(names.iter().copied(), of, schema, from.span, report);
                }
            }
        }
    }

    /// The training table and the label of the model that a step scores.
    fn label_of(
        &self,
        draft: &'a Draft,
    ) -> Option<(&'a crate::diagnostic::Spanned<Source>, &'a str)> {
        let Source::Output { step, .. } = &draft.inputs.get("model")?.value else {
            return None;
        };
        let trained = self.drafts.steps.get(step)?;
        let Parameters::Train(train) = &trained.parameters else {
            return None;
        };
        Some((trained.inputs.get("table")?, &train.label.column.value))
    }
}
