//! Compares records: what differs in their recipes, data and code, and how far their metrics moved.

use std::collections::{BTreeMap, BTreeSet};

use reproof_catalog::ExecutionFilter;
use reproof_learn::{
    Comparison, EvaluateParameters, EvaluatePredictionsParameters, Metrics, Model, Predictions,
    Target, compare as paired,
};
use reproof_record::{
    Artifact, ArtifactKind, CodeState, Digest, ExecutionKind, Recipe, RecipeStep, Record, RecordId,
    StepName, to_canonical,
};
use reproof_store::Store;
use reproof_table::diff::{TableDiff, diff_tables};
use reproof_table::{Threads, read_table};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::operations::{read_document, read_metrics};
use crate::predict::{artifact, unusable};
use crate::seeds::{AgainstSeeds, SliceSides, against_seeds, side_by_side};
use crate::versions::{CHEAP_ROWS, SHOWN};
use crate::{EngineError, OperationError, Project, read_record};

/// The seed of the bootstrap of comparisons: fixed, so that everyone sees the same intervals.
const SEED: u64 = 0;

/// How a record differs from another one.
#[derive(Debug, Serialize)]
pub struct RecordComparison {
    /// The first record and the second.
    pub records: [RecordId; 2],
    /// What differs in the steps, by path.
    pub configuration: Vec<Change>,
    /// The data versions that differ.
    pub data: Vec<DataDifference>,
    /// The code that the newest runs of the records had; none if it is the same or not known.
    pub code: Option<[CodeState; 2]>,
    /// The metrics of both; none if one of the records has none.
    pub metrics: Option<MetricsComparison>,
    /// Their differences against the spread over seeds.
    pub seeds: AgainstSeeds,
}

/// Something that differs in the steps of two recipes.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Change {
    /// Where, such as `train.parameters.l2`.
    pub path: String,
    /// What stands there in the first recipe; none if nothing does.
    pub before: Option<Value>,
    /// What stands there in the second.
    pub after: Option<Value>,
}

/// A data version that differs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DataDifference {
    /// The name of the data.
    pub name: StepName,
    /// The version of the first record; none if it has no such data.
    pub before: Option<DataVersion>,
    /// That of the second.
    pub after: Option<DataVersion>,
    /// How the rows of tables differ, with the first that do; none of large tables, and where one is not
    /// here.
    pub table: Option<TableDiff>,
}

/// A data version.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DataVersion {
    /// Its digest.
    pub digest: Digest,
    /// What it is: a table, or files.
    pub kind: ArtifactKind,
    /// Its rows, or how many files it is; none if it is not in the store.
    pub rows: Option<u64>,
}

/// The metrics of two records.
#[derive(Debug, Serialize)]
pub struct MetricsComparison {
    /// The steps that evaluated.
    pub steps: [StepName; 2],
    /// What they found.
    pub found: [Metrics; 2],
    /// How far each metric moved on the same rows; none if they are not the same.
    pub paired: Option<Comparison>,
    /// The slices of both, what matters most first.
    pub slices: Vec<SliceSides>,
    /// Why there are no paired intervals.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_paired: Option<String>,
}

/// Compares a record with another one.
///
/// # Errors
/// If a record or something of it that is needed cannot be read.
pub fn compare(
    project: &Project,
    records: [RecordId; 2],
    threads: Threads,
) -> Result<RecordComparison, EngineError> {
    let [first, second] = [
        read_record(project, &records[0])?,
        read_record(project, &records[1])?,
    ];
    let code = [code(project, &records[0])?, code(project, &records[1])?];
    let metrics = metrics(project, [&first, &second], threads)?;
    let (metrics, seeds) = judged(project, [&first, &second], metrics)?;
    Ok(RecordComparison {
        records,
        configuration: configuration(&first.recipe, &second.recipe)?,
        data: data(project, &first.recipe, &second.recipe),
        code: match code {
            [Some(before), Some(after)] if differ(&before, &after) => Some([before, after]),
            _ => None,
        },
        metrics,
        seeds,
    })
}

/// Holds the metrics of two records against the spread over seeds, and orders their slices by that.
pub(crate) fn judged(
    project: &Project,
    records: [&Record; 2],
    mut metrics: Option<MetricsComparison>,
) -> Result<(Option<MetricsComparison>, AgainstSeeds), EngineError> {
    let seeds = against_seeds(project, records, metrics.as_ref())?;
    if let Some(metrics) = &mut metrics {
        metrics.slices = side_by_side(metrics, &seeds);
    }
    Ok((metrics, seeds))
}

fn code(project: &Project, record: &RecordId) -> Result<Option<CodeState>, EngineError> {
    let filter = ExecutionFilter {
        record: Some(*record),
        kind: Some(ExecutionKind::Run),
        limit: Some(1),
        ..Default::default()
    };
    let newest = project.catalog.executions(&filter)?.into_iter().next();
    Ok(newest.map(|execution| execution.code))
}

fn differ(before: &CodeState, after: &CodeState) -> bool {
    before.commit != after.commit || before.tree != after.tree || before.dirty != after.dirty
}

/// What differs in the steps of two recipes, by path.
pub(crate) fn configuration(first: &Recipe, second: &Recipe) -> Result<Vec<Change>, EngineError> {
    let names: BTreeSet<&StepName> = first.steps.keys().chain(second.steps.keys()).collect();
    let mut changes = Vec::new();
    for name in names {
        let sides = [first.steps.get(name), second.steps.get(name)];
        let [before, after] = match sides {
            [Some(before), Some(after)] => [leaves(name, before)?, leaves(name, after)?],
            // Of a step that only one has, its operation says enough.
            sides => sides.map(|step| {
                let operation = step.map(|step| Value::from(step.operation.to_string()));
                let named = operation.map(|operation| (name.to_string(), operation));
                named.into_iter().collect::<BTreeMap<_, _>>()
            }),
        };
        let paths: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
        for path in paths {
            let (before, after) = (before.get(path), after.get(path));
            if before != after {
                changes.push(Change {
                    path: path.clone(),
                    before: before.cloned(),
                    after: after.cloned(),
                });
            }
        }
    }
    Ok(changes)
}

/// Everything that a step says, by path. Lists are values.
fn leaves(name: &StepName, step: &RecipeStep) -> Result<BTreeMap<String, Value>, EngineError> {
    let bytes = to_canonical(step)?;
    let document: Map<String, Value> =
        serde_json::from_slice(&bytes).map_err(|error| EngineError::Bug(error.to_string()))?;
    let mut found = BTreeMap::new();
    collect(name.as_str(), Value::Object(document), &mut found);
    Ok(found)
}

fn collect(path: &str, value: Value, found: &mut BTreeMap<String, Value>) {
    match value {
        // Where something comes from is said as the pipeline file says it.
        Value::Object(map) if is_source(&map) => {
            let text = |key: &str| map.get(key).and_then(Value::as_str);
            let source = match (text("step"), text("output"), text("data")) {
                (Some(step), Some(output), _) => format!("{step}.{output}"),
                (.., Some(data)) => data.to_owned(),
                _ => String::new(),
            };
            found.insert(path.to_owned(), Value::from(source));
        }
        Value::Object(map) if !map.is_empty() => {
            for (key, value) in map {
                collect(&format!("{path}.{key}"), value, found);
            }
        }
        other => {
            found.insert(path.to_owned(), other);
        }
    }
}

fn is_source(map: &Map<String, Value>) -> bool {
    let keys: Vec<&str> = map.keys().map(String::as_str).collect();
    map.values().all(Value::is_string) && (keys == ["data"] || keys == ["output", "step"])
}

pub(crate) fn data(project: &Project, first: &Recipe, second: &Recipe) -> Vec<DataDifference> {
    let names: BTreeSet<&StepName> = first.data.keys().chain(second.data.keys()).collect();
    let version = |recipe: &Recipe, name: &StepName| {
        let version = recipe.data.get(name)?;
        let size = crate::sources::size(&project.store, version);
        Some(DataVersion {
            digest: version.digest,
            kind: version.kind,
            rows: size.ok().map(|(rows, _)| rows),
        })
    };
    let differing = names
        .into_iter()
        .filter(|name| first.data.get(*name) != second.data.get(*name));
    differing
        .map(|name| {
            let [before, after] = [version(first, name), version(second, name)];
            DataDifference {
                name: name.clone(),
                table: rows(project, before.as_ref(), after.as_ref()),
                before,
                after,
            }
        })
        .collect()
}

/// How the rows of two versions differ, where they are small tables that are here.
fn rows(
    project: &Project,
    before: Option<&DataVersion>,
    after: Option<&DataVersion>,
) -> Option<TableDiff> {
    let (before, after) = (before?, after?);
    let cheap = |version: &DataVersion| {
        version.kind == ArtifactKind::Table && version.rows.is_some_and(|rows| rows <= CHEAP_ROWS)
    };
    if !cheap(before) || !cheap(after) {
        return None;
    }
    // What differs was found without it.
    diff_tables(&project.store, [&before.digest, &after.digest], &[], SHOWN).ok()
}

/// An evaluation of a record and what it was made of.
struct Evaluated<'a> {
    step: &'a StepName,
    recipe: &'a RecipeStep,
    metrics: Metrics,
    outputs: &'a BTreeMap<StepName, Artifact>,
}

impl<'a> Evaluated<'a> {
    /// The first step that gave metrics.
    fn of(project: &Project, record: &'a Record) -> Result<Option<Self>, EngineError> {
        for (step, outputs) in &record.results {
            let (Some(artifact), Some(recipe)) =
                (outputs.get("metrics"), record.recipe.steps.get(step))
            else {
                continue;
            };
            let operation = recipe.operation.name.as_str();
            if matches!(operation, "evaluate" | "evaluate_predictions") {
                return Ok(Some(Self {
                    step,
                    recipe,
                    metrics: read_metrics(&project.store, artifact).map_err(unusable)?,
                    outputs,
                }));
            }
        }
        Ok(None)
    }

    fn input(&self, record: &Record, name: &str) -> Option<Artifact> {
        artifact(record, self.recipe.inputs.get(name)?)
    }

    /// What was computed.
    fn parameters(&self) -> Option<EvaluateParameters> {
        match self.of_predictions() {
            Some(parameters) => Some(parameters.evaluate()),
            None => self.read(),
        }
    }

    /// What was computed of the predictions of a program; none where a model of ours made them.
    fn of_predictions(&self) -> Option<EvaluatePredictionsParameters> {
        let of_program = self.recipe.operation.name.as_str() == "evaluate_predictions";
        of_program.then(|| self.read()).flatten()
    }

    fn read<T: DeserializeOwned>(&self) -> Option<T> {
        let bytes = to_canonical(&self.recipe.parameters).ok()?;
        serde_json::from_slice(&bytes).ok()
    }

    /// What is predicted; none where that is not here.
    fn target(&self, store: &Store, record: &Record) -> Result<Option<Target>, OperationError> {
        if let Some(model) = self.input(record, "model") {
            let model: Model = read_document(store, &model, "model.json")?;
            return Ok(Some(model.target()));
        }
        let labels = self.input(record, "training");
        let labels = labels.or_else(|| self.input(record, "table"));
        let (Some(labels), Some(parameters)) = (labels, self.of_predictions()) else {
            return Ok(None);
        };
        let column = [parameters.label.column.as_str()];
        let table = read_table(store, &labels.digest, Some(&column))?;
        let Some(data) = table.columns().first() else {
            return Ok(None);
        };
        let target = Target::resolve(parameters.task, &parameters.label, data)?;
        Ok(Some(target))
    }
}

/// The metrics of two records; none if one of them has none. Their slices are not ordered yet: see
/// [`judged`].
pub(crate) fn metrics(
    project: &Project,
    records: [&Record; 2],
    threads: Threads,
) -> Result<Option<MetricsComparison>, EngineError> {
    let (Some(first), Some(second)) = (
        Evaluated::of(project, records[0])?,
        Evaluated::of(project, records[1])?,
    ) else {
        return Ok(None);
    };
    let (paired, not_paired) = match pair(project, records, [&first, &second], threads)? {
        Ok(comparison) => (Some(comparison), None),
        Err(reason) => (None, Some(reason.to_owned())),
    };
    Ok(Some(MetricsComparison {
        steps: [first.step.clone(), second.step.clone()],
        slices: Vec::new(),
        found: [first.metrics, second.metrics],
        paired,
        not_paired,
    }))
}

/// The paired comparison, or why there is none.
fn pair(
    project: &Project,
    records: [&Record; 2],
    evaluated: [&Evaluated<'_>; 2],
    threads: Threads,
) -> Result<Result<Comparison, &'static str>, EngineError> {
    let [before, after] = [0, 1].map(|side| {
        let (record, evaluated) = (records[side], evaluated[side]);
        Some((
            evaluated.input(record, "table")?,
            *evaluated.outputs.get("predictions")?,
            evaluated.parameters()?,
        ))
    });
    let (Some(before), Some(after)) = (before, after) else {
        return Ok(Err("the evaluations hold no predictions for rows"));
    };
    if before.0 != after.0 {
        return Ok(Err("the evaluations are of other rows"));
    }
    let store = &project.store;
    let targets = [0, 1].map(|side| evaluated[side].target(store, records[side]));
    let [first, second] = targets;
    let (Some(target), Some(other)) = (first.map_err(unusable)?, second.map_err(unusable)?) else {
        return Ok(Err("it is not known what they predict"));
    };
    if target != other {
        return Ok(Err("the models predict other things"));
    }
    let parameters = common(&before.2, &after.2);
    let read = |artifact: &Artifact, columns: Option<&[&str]>| {
        read_table(store, &artifact.digest, columns).map_err(|error| unusable(error.into()))
    };
    let predictions = |artifact: &Artifact| -> Result<Predictions, EngineError> {
        Predictions::from_table(&target, &read(artifact, None)?)
            .map_err(|error| unusable(error.into()))
    };
    let columns = parameters.columns(&target);
    let compared = paired(
        &target,
        &read(&before.0, Some(&columns))?,
        [&predictions(&before.1)?, &predictions(&after.1)?],
        &parameters,
        SEED,
        threads,
    );
    compared.map(Ok).map_err(|error| unusable(error.into()))
}

/// The metrics and slices that both evaluations have.
fn common(first: &EvaluateParameters, second: &EvaluateParameters) -> EvaluateParameters {
    let same_buckets = |column: &String| first.buckets.get(column) == second.buckets.get(column);
    let metrics = first.metrics.iter();
    let slices = first.slices.iter();
    EvaluateParameters {
        metrics: metrics
            .filter(|metric| second.metrics.contains(metric))
            .cloned()
            .collect(),
        slices: slices
            .filter(|slice| second.slices.contains(slice) && slice.iter().all(same_buckets))
            .cloned()
            .collect(),
        buckets: first.buckets.clone(),
        confusion_matrix: false,
    }
}
