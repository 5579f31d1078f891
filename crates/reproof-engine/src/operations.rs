//! The built-in operations: from a recipe's step and its inputs to stored outputs.
//!
//! Each parses its parameters from the very bytes that are hashed, reads its inputs verified from
//! the store, and commits all its outputs at once.

use std::collections::BTreeMap;

use reproof_catalog::StepOutput;
use reproof_learn::{
    BoostingParameters, EvaluateParameters, EvaluatePredictionsParameters, LinearParameters,
    LogisticParameters, Matrix, Metrics, Model, Predictions, Target, baseline,
};
use reproof_record::{Artifact, ArtifactKind, RecipeStep, Seed, StepName, to_canonical};
use reproof_store::{Batch, Store, StoredArtifact};
use reproof_table::preprocess::{Chains, fit};
use reproof_table::{
    ColumnData, SplitIndexed, SplitRandom, SplitStratified, SplitTime, Table, TableError, Threads,
    image_table, read_table, write_table,
};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Map;

use crate::OperationError;

/// The largest JSON document of an artifact that is read whole.
pub(crate) const MAX_DOCUMENT: u64 = 256 << 20;

type Outputs = BTreeMap<StepName, StepOutput>;
/// The parts of a split by name.
type Parts = BTreeMap<String, Table>;

/// One step with its inputs, about to be performed.
pub(crate) struct Job<'a> {
    /// Where inputs lie and outputs go.
    pub store: &'a Store,
    /// The step.
    pub step: &'a RecipeStep,
    /// Its inputs by content.
    pub inputs: &'a BTreeMap<StepName, Artifact>,
    /// How many threads it may use; changes no bit.
    pub threads: Threads,
}

/// Performs a step and stores its outputs.
pub(crate) fn perform(job: &Job<'_>) -> Result<Outputs, OperationError> {
    let operation = &job.step.operation;
    let outputs = match (operation.name.as_str(), operation.version) {
        ("image_table", 1) => job.image_table(),
        ("split_random", 1) => job.split_at_random(SplitRandom::split),
        ("split_stratified", 1) => job.split_at_random(SplitStratified::split),
        ("split_time", 1) => job.split(SplitTime::split),
        ("split_indexed", 1) => job.split(SplitIndexed::split),
        ("preprocess", 1) => job.preprocess(),
        ("train_logistic_regression", 1) => job.train_logistic_regression(),
        ("train_linear_regression", 1) => job.train_linear_regression(),
        ("train_gradient_boosting", 1) => job.train_gradient_boosting(),
        ("evaluate", 1) => job.evaluate(),
        ("evaluate_predictions", 1) => job.evaluate_predictions(),
        _ => Err(OperationError::Unknown(operation.to_string())),
    }?;
    let produced = outputs
        .iter()
        .map(|(name, output)| (name, output.artifact.kind));
    if produced.eq(job.step.outputs.iter().map(|(name, kind)| (name, *kind))) {
        Ok(outputs)
    } else {
        Err(OperationError::Contract(format!(
            "'{operation}' does not have the outputs that the recipe asks for"
        )))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PreprocessParameters {
    features: Chains,
}

impl Job<'_> {
    fn image_table(&self) -> Result<Outputs, OperationError> {
        let files = self.input("files")?;
        if files.kind != ArtifactKind::Files {
            let reason = "the input 'files' is a table".to_owned();
            return Err(OperationError::Contract(reason));
        }
        let files = self.store.tree(&files.digest)?;
        let labels = if self.inputs.contains_key("labels") {
            Some(self.table("labels", None)?)
        } else {
            None
        };
        let table = image_table(
            self.store,
            &files,
            labels.as_ref(),
            &self.parameters()?,
            self.threads,
        )?;
        let mut batch = self.store.batch();
        let table = stored(write_table(&mut batch, &table)?);
        batch.commit()?;
        Ok(BTreeMap::from([(name("table")?, table)]))
    }

    fn split_at_random<T: DeserializeOwned>(
        &self,
        divide: impl FnOnce(&T, &Table, u64, Threads) -> Result<Parts, TableError>,
    ) -> Result<Outputs, OperationError> {
        let seed = self.seed()?.0;
        self.split(|parameters: &T, table| divide(parameters, table, seed, self.threads))
    }

    fn split<T: DeserializeOwned>(
        &self,
        divide: impl FnOnce(&T, &Table) -> Result<Parts, TableError>,
    ) -> Result<Outputs, OperationError> {
        let parts = divide(&self.parameters()?, &self.table("table", None)?)?;
        let mut batch = self.store.batch();
        let mut outputs = Outputs::new();
        for (part, table) in parts {
            outputs.insert(name(&part)?, stored(write_table(&mut batch, &table)?));
        }
        batch.commit()?;
        Ok(outputs)
    }

    fn preprocess(&self) -> Result<Outputs, OperationError> {
        let parameters: PreprocessParameters = self.parameters()?;
        let train = self.table("train", None)?;
        let fitted = fit(&train, &parameters.features, self.threads)?;
        let mut batch = self.store.batch();
        let mut outputs = Outputs::new();
        let state = put_document(&mut batch, ArtifactKind::Model, "state.json", &fitted)?;
        outputs.insert(name("state")?, state);
        for part in self.inputs.keys() {
            let table = match part.as_str() {
                "train" => fitted.apply(&train, self.threads)?,
                other => fitted.apply(&self.table(other, None)?, self.threads)?,
            };
            outputs.insert(part.clone(), stored(write_table(&mut batch, &table)?));
        }
        batch.commit()?;
        Ok(outputs)
    }

    fn train_logistic_regression(&self) -> Result<Outputs, OperationError> {
        let parameters: LogisticParameters = self.parameters()?;
        let features = Matrix::from_table(&self.table("features", None)?)?;
        let label = self.column("table", &parameters.label.column)?;
        self.put_model(&reproof_learn::train_logistic(
            &features,
            &label,
            &parameters,
            self.threads,
        )?)
    }

    fn train_linear_regression(&self) -> Result<Outputs, OperationError> {
        let parameters: LinearParameters = self.parameters()?;
        let features = Matrix::from_table(&self.table("features", None)?)?;
        let label = self.column("table", &parameters.label.column)?;
        self.put_model(&reproof_learn::train_linear(
            &features,
            &label,
            &parameters,
            self.threads,
        )?)
    }

    fn train_gradient_boosting(&self) -> Result<Outputs, OperationError> {
        let parameters: BoostingParameters = self.parameters()?;
        let column = &parameters.label.column;
        let features = Matrix::from_table(&self.table("features", None)?)?;
        let label = self.column("table", column)?;
        let stopping = if self.inputs.contains_key("eval_features") {
            let features = Matrix::from_table(&self.table("eval_features", None)?)?;
            Some((features, self.column("eval_table", column)?))
        } else {
            None
        };
        self.put_model(&reproof_learn::train_boosting(
            &features,
            &label,
            stopping.as_ref().map(|(features, label)| (features, label)),
            &parameters,
            self.seed()?.0,
            self.threads,
        )?)
    }

    fn put_model(&self, model: &Model) -> Result<Outputs, OperationError> {
        let mut batch = self.store.batch();
        let output = put_document(&mut batch, ArtifactKind::Model, "model.json", model)?;
        batch.commit()?;
        Ok(BTreeMap::from([(name("model")?, output)]))
    }

    fn evaluate(&self) -> Result<Outputs, OperationError> {
        let parameters: EvaluateParameters = self.parameters()?;
        let model: Model = read_document(self.store, &self.input("model")?, "model.json")?;
        let features = Matrix::from_table(&self.table("features", None)?)?;
        let target = model.target();
        let table = self.table("table", Some(&parameters.columns(&target)))?;
        let predictions = model.predict(&features, self.threads)?;
        let seed = self.seed()?.0;
        let measure = |predictions: &Predictions, parameters: &EvaluateParameters| {
            reproof_learn::evaluate(&target, predictions, &table, parameters, seed, self.threads)
        };
        let mut metrics = measure(&predictions, &parameters)?;
        if self.inputs.contains_key("training") {
            let labels = self.column("training", target.column())?;
            let known = baseline(&target, &labels, table.rows())?;
            let overall = EvaluateParameters {
                metrics: parameters.metrics,
                ..EvaluateParameters::default()
            };
            metrics.baseline = Some(measure(&known, &overall)?.overall);
        }
        self.put_evaluation(&metrics, &predictions)
    }

    /// Scores predictions that a program made.
    fn evaluate_predictions(&self) -> Result<Outputs, OperationError> {
        let parameters: EvaluatePredictionsParameters = self.parameters()?;
        let known = if self.inputs.contains_key("training") {
            "training"
        } else {
            "table"
        };
        let labels = self.column(known, &parameters.label.column)?;
        let target = Target::resolve(parameters.task, &parameters.label, &labels)?;
        let wanted = parameters.evaluate();
        let table = self.table("table", Some(&wanted.columns(&target)))?;
        let predictions = Predictions::from_table(&target, &self.table("predictions", None)?)?;
        let seed = self.seed()?.0;
        let measure = |predictions: &Predictions, wanted: &EvaluateParameters| {
            reproof_learn::evaluate(&target, predictions, &table, wanted, seed, self.threads)
        };
        let mut metrics = measure(&predictions, &wanted)?;
        if parameters.baseline {
            let known = baseline(&target, &labels, table.rows())?;
            let overall = EvaluateParameters {
                metrics: wanted.metrics,
                ..EvaluateParameters::default()
            };
            metrics.baseline = Some(measure(&known, &overall)?.overall);
        }
        // What was scored, without whatever else the program's table may hold.
        self.put_evaluation(&metrics, &predictions)
    }

    fn put_evaluation(
        &self,
        metrics: &Metrics,
        predictions: &Predictions,
    ) -> Result<Outputs, OperationError> {
        let mut batch = self.store.batch();
        let document = put_document(&mut batch, ArtifactKind::Metrics, "metrics.json", metrics)?;
        let predictions = write_table(&mut batch, &predictions.to_table()?)?;
        batch.commit()?;
        Ok(BTreeMap::from([
            (name("metrics")?, document),
            (name("predictions")?, stored(predictions)),
        ]))
    }

    /// The parameters, parsed from the bytes that are hashed.
    fn parameters<T: DeserializeOwned>(&self) -> Result<T, OperationError> {
        let bytes = to_canonical(&self.step.parameters)?;
        serde_json::from_slice(&bytes).map_err(|error| {
            OperationError::Contract(format!("parameters of '{}': {error}", self.step.operation))
        })
    }

    fn seed(&self) -> Result<Seed, OperationError> {
        self.step.seed.ok_or_else(|| {
            OperationError::Contract(format!("'{}' needs a seed", self.step.operation))
        })
    }

    fn input(&self, input: &str) -> Result<Artifact, OperationError> {
        self.inputs.get(input).copied().ok_or_else(|| {
            OperationError::Contract(format!(
                "'{}' needs the input '{input}'",
                self.step.operation
            ))
        })
    }

    fn table(&self, input: &str, columns: Option<&[&str]>) -> Result<Table, OperationError> {
        let artifact = self.input(input)?;
        if artifact.kind != ArtifactKind::Table {
            return Err(OperationError::Contract(format!(
                "the input '{input}' is not a table"
            )));
        }
        Ok(read_table(self.store, &artifact.digest, columns)?)
    }

    fn column(&self, input: &str, column: &str) -> Result<ColumnData, OperationError> {
        let table = self.table(input, Some(&[column]))?;
        table
            .columns()
            .first()
            .cloned()
            .ok_or_else(|| OperationError::Contract(format!("the table has no column '{column}'")))
    }
}

fn name(text: &str) -> Result<StepName, OperationError> {
    text.parse()
        .map_err(|error| OperationError::Contract(format!("{error}")))
}

fn stored(artifact: StoredArtifact) -> StepOutput {
    StepOutput {
        artifact: artifact.artifact,
        manifest: artifact.manifest,
    }
}

/// Stores a document as an artifact of one JSON file in canonical form.
fn put_document<T: serde::Serialize>(
    batch: &mut Batch,
    kind: ArtifactKind,
    file: &str,
    document: &T,
) -> Result<StepOutput, OperationError> {
    let blob = batch.put(&to_canonical(document)?)?;
    let path = file
        .parse()
        .map_err(|error| OperationError::Contract(format!("{error}")))?;
    let files = vec![(path, false, blob)];
    Ok(stored(batch.put_tree(
        kind,
        "application/json",
        files,
        Map::new(),
    )?))
}

/// Reads the one JSON file of an artifact.
pub(crate) fn read_document<T: DeserializeOwned>(
    store: &Store,
    artifact: &Artifact,
    file: &str,
) -> Result<T, OperationError> {
    let tree = store.tree(&artifact.digest)?;
    let entry = tree
        .files
        .iter()
        .find(|entry| entry.path.as_str() == file)
        .ok_or_else(|| {
            OperationError::Contract(format!("the {} holds no file '{file}'", artifact.kind))
        })?;
    let bytes = store.read(&entry.digest, MAX_DOCUMENT)?;
    serde_json::from_slice(&bytes)
        .map_err(|error| OperationError::Contract(format!("{file}: {error}")))
}

/// Reads the metrics of an evaluation.
pub(crate) fn read_metrics(store: &Store, artifact: &Artifact) -> Result<Metrics, OperationError> {
    read_document(store, artifact, "metrics.json")
}
