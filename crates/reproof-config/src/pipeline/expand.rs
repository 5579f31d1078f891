//! Expansion: from checked steps and the schemas of the data to the graph.

use std::collections::{BTreeMap, BTreeSet};

use reproof_record::{Column, Operation, Program, RecipeStep, Schema, Seed, Source, StepName};
use serde_json::{Map, Value, json};

use super::columns::Predictor;
use super::draft::{Draft, Drafts, Evaluate, Parameters, Target};
use super::graph::{Graph, Note};
use super::parameters::FOR_CATEGORIES;
use super::schemas::Schemas;
use super::{Pipeline, columns, expect, final_look, links, splits, tasks, tolerance};
use crate::diagnostic::{Diagnostics, Report, Spanned};
use crate::program::ProgramSpec;
use crate::project::EnvironmentSource;
use crate::registry::{Action, Needs, Task};

/// How a pipeline is expanded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExpandOptions {
    /// Score the part `test` where the pipeline scores `eval`.
    pub final_look: bool,
}

impl Pipeline {
    /// The programs that the pipeline runs, by their steps.
    pub fn programs(&self) -> BTreeMap<StepName, &ProgramSpec> {
        let drafts = self.drafts.steps.iter();
        drafts
            .filter_map(|(name, draft)| Some((name.clone(), &draft.program()?.spec)))
            .collect()
    }

    /// The line and column, from 1, of a key of a program in the pipeline file; of the step where the
    /// key is not written. None if the step is no program.
    pub fn program_place(&self, step: &StepName, key: &str) -> Option<(usize, usize)> {
        let program = self.drafts.steps.get(step)?.program()?;
        let span = program.keys.get(key).unwrap_or(&program.begin);
        Some(self.sources.place(*span))
    }

    /// The names of the parameters of a program; none if the step is no program.
    pub fn program_parameters(&self, step: &StepName) -> BTreeSet<String> {
        let draft = self.drafts.steps.get(step).and_then(Draft::program);
        let parameters = draft.into_iter().flat_map(|program| &program.parameters);
        parameters.map(|(name, _)| name.clone()).collect()
    }

    /// Checks that every program's environment is among those of `reproof.toml`.
    ///
    /// # Errors
    /// Every program that names one which is not there.
    pub fn check_environments(
        &self,
        environments: &BTreeMap<StepName, EnvironmentSource>,
    ) -> Result<(), Diagnostics> {
        let mut report = Report::new(&self.sources);
        for program in self.drafts.steps.values().filter_map(Draft::program) {
            let name = &program.spec.environment;
            if environments.is_empty() {
                report.hinted(
                    program.environment,
                    format!("there is no environment '{name}' to run the program in"),
                    format!(
                        "write one in reproof.toml: [environments.{name}] with requirements = \
                         \"requirements.txt\""
                    ),
                );
            } else if !environments.contains_key(name) {
                let known = environments.keys().map(StepName::as_str);
                report.unknown(program.environment, "environment", name.as_str(), known);
            }
        }
        report.finish()
    }

    /// Expands the pipeline to its graph. `columns` holds the schema of every data source, one without
    /// columns where it is files, and of the tables of [`Pipeline::early`]; `programs` what each of
    /// [`Pipeline::programs`] is in the recipe.
    ///
    /// # Errors
    /// Columns that are not there or do not suit what is done with them; programs that are not
    /// among `programs`.
    pub fn expand(
        &self,
        columns: &BTreeMap<Source, Schema>,
        programs: &BTreeMap<StepName, Program>,
        options: &ExpandOptions,
    ) -> Result<Graph, Diagnostics> {
        let mut report = Report::new(&self.sources);
        let mut drafts = self.turned(*options, &mut report);
        self.check_data(&drafts, columns, &mut report);
        if report.count() > 0 {
            report.finish()?;
            report = Report::new(&self.sources);
        }
        let schemas = Schemas::new(&drafts, columns, &mut report);
        tasks::decide(&mut drafts, &schemas, &mut report);
        let mut expander = Expander::new(self, &drafts, &schemas, programs);
        let mut steps = expander.steps(&mut report);
        expander.compare_tables(&mut report);
        let notes = expander.notes;
        if report.count() == 0 {
            tolerance::apply(&self.tolerance, &mut steps, &mut report);
        }
        report.finish()?;
        let evaluate = shown_step(&drafts);
        let (mut gates, mut metrics) = (Vec::new(), Vec::new());
        if let Some((_, draft, evaluate)) = &evaluate {
            let written = evaluate.gates.iter();
            gates = written.map(|written| written.gate.clone()).collect();
            metrics = computed(&drafts, draft, evaluate);
        }
        Ok(Graph {
            programs: self.specs(&steps),
            steps,
            gates,
            evaluate: evaluate.map(|(name, ..)| name.clone()),
            metrics,
            notes,
        })
    }

    /// The steps as they are written, but for a final look if that is asked for.
    pub(super) fn turned(&self, options: ExpandOptions, report: &mut Report<'_>) -> Drafts {
        let mut drafts = self.drafts.clone();
        if options.final_look {
            final_look::score_test(&mut drafts, &self.data, report);
        }
        drafts
    }

    /// Reports what is wrong with the data by its columns alone.
    pub(super) fn check_data(
        &self,
        drafts: &Drafts,
        columns: &BTreeMap<Source, Schema>,
        report: &mut Report<'_>,
    ) {
        let schema = |name: &StepName| columns.get(&Source::Data { data: name.clone() });
        let is_files = |name: &StepName| Some(schema(name)?.columns().is_empty());
        links::check_files(drafts, is_files, report);
        if report.count() > 0 {
            return;
        }
        for (source, expected) in &self.expect {
            expect::check_made(drafts, source, expected, report);
            if let Some(schema) = columns.get(source) {
                expect::check(&expected.all, schema, report);
            }
        }
    }

    /// The programs among these steps, as they are written.
    pub(super) fn specs(
        &self,
        steps: &BTreeMap<StepName, RecipeStep>,
    ) -> BTreeMap<StepName, ProgramSpec> {
        let specs = self.programs().into_iter();
        specs
            .filter(|(name, _)| steps.contains_key(name))
            .map(|(name, spec)| (name, spec.clone()))
            .collect()
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

/// What is computed, as the recipe holds it.
fn evaluate_parameters(evaluate: &Evaluate, mut metrics: Vec<String>) -> Map<String, Value> {
    metrics.sort_unstable();
    let mut parameters = Map::from_iter([
        ("metrics".to_owned(), Value::from(metrics)),
        ("slices".to_owned(), json!(evaluate.sorted_slices())),
    ]);
    // Later than version 1, so written only where they are not the old behaviour.
    if !evaluate.buckets.is_empty() {
        let buckets = evaluate.buckets.iter();
        let buckets = buckets.map(|(name, found)| (name.clone(), found.value.clone()));
        parameters.insert("buckets".to_owned(), Value::Object(buckets.collect()));
    }
    for (key, set) in [
        ("confusion_matrix", evaluate.confusion_matrix),
        ("baseline", evaluate.baseline),
    ] {
        if set.is_some() {
            parameters.insert(key.to_owned(), Value::Bool(true));
        }
    }
    parameters
}

/// What the predictions of a program are of, as the recipe holds it.
fn target_parameters(
    target: &Target,
    schema: &Schema,
    parameters: &mut Map<String, Value>,
    report: &mut Report<'_>,
) -> Option<()> {
    // Without a task, that was reported.
    let task = target.task.unwrap_or(Task::Classification);
    let label = columns::label(task, &target.label, Predictor::Program, schema, report)?;
    parameters.insert("task".to_owned(), Value::from(task.parameter()));
    parameters.insert("label".to_owned(), label);
    Some(())
}

pub(super) struct Expander<'a> {
    /// That of steps, and that of those that divide rows.
    seeds: [Seed; 2],
    drafts: &'a Drafts,
    schemas: &'a Schemas<'a>,
    programs: &'a BTreeMap<StepName, Program>,
    notes: Vec<Note>,
    /// The features of each preprocessing.
    features: BTreeMap<StepName, Map<String, Value>>,
}

impl<'a> Expander<'a> {
    pub fn new(
        pipeline: &Pipeline,
        drafts: &'a Drafts,
        schemas: &'a Schemas<'a>,
        programs: &'a BTreeMap<StepName, Program>,
    ) -> Self {
        Self {
            seeds: [pipeline.seed, pipeline.split_seed.unwrap_or(pipeline.seed)].map(Seed),
            drafts,
            schemas,
            programs,
            notes: Vec::new(),
            features: BTreeMap::new(),
        }
    }

    fn schema(&self, draft: &'a Draft, input: &str, report: &mut Report<'_>) -> Option<&'a Schema> {
        let from = draft.inputs.get(input)?;
        let schema = self.schemas.of(self.drafts, &from.value);
        if schema.is_none()
            && let Some(Source::Data { data }) = links::columns_of(self.drafts, &from.value)
        {
            report.error(
                from.span,
                format!("the columns of the data '{data}' are not known"),
            );
        }
        schema.map(|(_, schema)| schema)
    }

    /// Every step that can be expanded; what cannot be is reported.
    pub fn steps(&mut self, report: &mut Report<'_>) -> BTreeMap<StepName, RecipeStep> {
        let drafts = self.drafts.steps.iter();
        drafts
            .filter_map(|(name, draft)| Some((name.clone(), self.step(name, draft, report)?)))
            .collect()
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
        let program = self.programs.get(name);
        if draft.spec.action == Action::Program && program.is_none() {
            report.error(
                draft.span,
                format!("the code and the environment of the program '{name}' are not known"),
            );
        }
        Some(RecipeStep {
            operation: Operation {
                name: StepName::new(draft.spec.name).ok()?,
                version: draft.spec.version,
            },
            program: program.cloned(),
            inputs: inputs
                .map(|(input, from)| (input.clone(), from.value.clone()))
                .collect(),
            parameters: self.parameters(name, draft, report)?,
            seed: draft.spec.seeded.then(|| {
                let divides = draft.spec.action == Action::Split;
                self.seeds[usize::from(divides)].derive(name)
            }),
            outputs: draft
                .outputs()
                .into_iter()
                .map(|(output, role)| (output, role.kind()))
                .collect(),
            pinned: BTreeMap::new(),
            tolerance: BTreeMap::new(),
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
            Parameters::Images(images) => {
                let path = images.path.as_ref().map(|path| path.value.clone());
                parameters.insert("path".to_owned(), Value::from(path));
                parameters.insert("suffix".to_owned(), Value::from(images.suffix.clone()));
            }
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
                let label = columns::label(task, &train.label, Predictor::Trainer, schema, report)?;
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
                let metrics = computed(self.drafts, draft, evaluate);
                parameters = evaluate_parameters(evaluate, metrics);
                if evaluate.metrics.is_none() {
                    self.note(name, "metrics", &parameters["metrics"], "all of the task");
                }
                if let Some(target) = &evaluate.target {
                    target_parameters(target, schema, &mut parameters, report)?;
                }
            }
            Parameters::Program(program) => parameters.clone_from(&program.parameters),
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
                Parameters::Evaluate(evaluate) => match self.label_of(draft, evaluate) {
                    Some((table, label)) => (Some(table), vec![label]),
                    None => continue,
                },
                // The part that early stopping decides by has the label, too.
                Parameters::Train(train) => {
                    let label = train.label.column.value.as_str();
                    (draft.inputs.get("table"), vec![label])
                }
                Parameters::Images(_) | Parameters::Split(_) | Parameters::Program(_) => continue,
            };
            let fitted = fitted.and_then(|from| self.schemas.of(self.drafts, &from.value));
            let Some((fitted, of)) = fitted else {
                continue;
            };
            for (input, from) in &draft.inputs {
                let input = draft.spec.input(input.as_str());
                let table = input.is_some_and(|input| input.role == crate::registry::Role::Table);
                let found = self.schemas.of(self.drafts, &from.value);
                if let Some((first, schema)) = found.filter(|_| table)
                    && first != fitted
                {
                    columns::same(names.iter().copied(), of, schema, from.span, report);
                }
            }
        }
    }

    /// The training table and the label of what a step scores.
    fn label_of(
        &self,
        draft: &'a Draft,
        evaluate: &'a Evaluate,
    ) -> Option<(&'a Spanned<Source>, &'a str)> {
        if let Some(target) = &evaluate.target {
            return Some((draft.inputs.get("training")?, &target.label.column.value));
        }
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
