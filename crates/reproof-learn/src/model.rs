//! Trained models: prediction, and the document they are stored as.

use std::collections::BTreeSet;

use reproof_record::{MAX_SAFE_INTEGER, from_canonical, to_canonical};
use reproof_table::{ColumnData, Threads};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Value, from_value};

use crate::gbdt::{self, BoostedModel};
use crate::label::{BinaryLabel, ClassLabel, ClassValue, LabelParameters};
use crate::logistic::sigmoid;
use crate::metrics::Task;
use crate::predictions::Predictions;
use crate::{LearnError, Matrix};

/// What a model predicts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// A number.
    Number {
        /// The label's column.
        column: String,
    },
    /// The probability of the positive one of two classes.
    Binary(BinaryLabel),
    /// The probability of each of several classes.
    Classes(ClassLabel),
}

impl Target {
    /// The target of a task: its classes are those of the labels of a training part.
    ///
    /// # Errors
    /// If the labels are not of the task: missing, of another type, or of too few or too many
    /// classes; or if it is not plain which of two classes is the positive one.
    pub fn resolve(
        task: Task,
        label: &LabelParameters,
        training: &ColumnData,
    ) -> Result<Self, LearnError> {
        Ok(match task {
            Task::Regression => Self::Number {
                column: label.column.clone(),
            },
            Task::BinaryClassification => Self::Binary(BinaryLabel::resolve(training, label)?),
            Task::MulticlassClassification => {
                Self::Classes(ClassLabel::resolve(&label.column, training)?)
            }
        })
    }

    /// The label's column.
    pub fn column(&self) -> &str {
        match self {
            Self::Number { column } => column,
            Self::Binary(label) => &label.column,
            Self::Classes(label) => &label.column,
        }
    }

    /// The task.
    pub fn task(&self) -> Task {
        match self {
            Self::Number { .. } => Task::Regression,
            Self::Binary(_) => Task::BinaryClassification,
            Self::Classes(_) => Task::MulticlassClassification,
        }
    }
}

/// The operation that trains [`Model::Logistic`].
const LOGISTIC: &str = "train_logistic_regression@1";

/// The operation that trains [`Model::Linear`].
const LINEAR: &str = "train_linear_regression@1";

/// A trained model. Its JSON is described in `docs/formats/model.md`; reading it checks it.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Model {
    /// Predicts the probability of the positive class.
    Logistic(LogisticModel),
    /// Predicts a number.
    Linear(LinearModel),
    /// Predicts what its target is: a number, or probabilities of classes.
    Boosted(BoostedModel),
}

/// A logistic regression that has converged.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct LogisticModel {
    /// The label and its classes.
    pub label: BinaryLabel,
    /// A row's log-odds of the positive class.
    pub function: LinearFunction,
    /// The weight of the penalty it was trained with.
    pub l2: f64,
    /// How many Newton steps it took.
    pub iterations: u32,
}

/// A linear regression.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct LinearModel {
    /// The label's column.
    pub label: String,
    /// A row's value.
    pub function: LinearFunction,
    /// The weight of the penalty it was trained with.
    pub l2: f64,
}

/// A linear function of named features.
#[derive(Clone, Debug, PartialEq)]
pub struct LinearFunction {
    features: Vec<String>,
    coefficients: Vec<f64>,
    intercept: f64,
}

impl LinearFunction {
    /// A function whose every number can be written in canonical JSON.
    pub(crate) fn new(
        features: Vec<String>,
        coefficients: Vec<f64>,
        intercept: f64,
    ) -> Result<Self, LearnError> {
        let named = features.iter().zip(&coefficients);
        let unwritable = named
            .clone()
            .find(|(_, coefficient)| !writable(**coefficient));
        let unwritable = unwritable
            .map(|(name, value)| (format!("the coefficient of '{name}'"), *value))
            .or_else(|| (!writable(intercept)).then(|| ("the intercept".to_owned(), intercept)));
        if let Some((what, value)) = unwritable {
            return Err(LearnError::Unwritable {
                what,
                value: value.to_string(),
            });
        }
        Ok(Self {
            // -0 would be written as 0.
            coefficients: coefficients.into_iter().map(|c| c + 0.0).collect(),
            intercept: intercept + 0.0,
            features,
        })
    }

    /// The names of the features, in the order of the coefficients.
    pub fn features(&self) -> &[String] {
        &self.features
    }

    /// The coefficients.
    pub fn coefficients(&self) -> &[f64] {
        &self.coefficients
    }

    /// The intercept.
    pub fn intercept(&self) -> f64 {
        self.intercept
    }

    /// The function's value for each row: the products added in the order of the features, then
    /// the intercept.
    fn values(&self, x: &Matrix, threads: Threads) -> Result<Vec<f64>, LearnError> {
        same_features(&self.features, x.names())?;
        x.complete()?;
        let values = x.linear(&self.coefficients, self.intercept, threads);
        match values.iter().position(|value| !value.is_finite()) {
            Some(row) => Err(LearnError::Prediction {
                row: row + 1,
                value: values[row],
                wanted: "the features are too large for this model",
            }),
            None => Ok(values),
        }
    }
}

/// Whether canonical JSON gives a number back as it is.
pub(crate) fn writable(number: f64) -> bool {
    // From 1e21 on, numbers are written with an exponent.
    number.is_finite() && (number.abs() <= MAX_SAFE_INTEGER as f64 || number.abs() >= 1e21)
}

/// Refuses features that are not the model's, in its order.
pub(crate) fn same_features(model: &[String], given: &[String]) -> Result<(), LearnError> {
    if model == given {
        return Ok(());
    }
    Err(LearnError::OtherFeatures {
        difference: difference(model, given),
    })
}

fn difference(model: &[String], given: &[String]) -> String {
    let (wanted, found): (BTreeSet<_>, BTreeSet<_>) =
        (model.iter().collect(), given.iter().collect());
    let list = |names: Vec<&&String>| {
        let names: Vec<String> = names
            .iter()
            .take(5)
            .map(|name| format!("'{name}'"))
            .collect();
        names.join(", ")
    };
    let missing = list(wanted.difference(&found).collect());
    let more = list(found.difference(&wanted).collect());
    match (missing.is_empty(), more.is_empty()) {
        (true, true) => "they come in another order".to_owned(),
        (true, false) => format!("the model does not know {more}"),
        (false, true) => format!("{missing} is missing"),
        (false, false) => format!("{missing} is missing, and the model does not know {more}"),
    }
}

impl Model {
    /// The format's name and version.
    pub const FORMAT: &str = "reproof.model/1";

    /// The name and version of the format of trees with categorical features; all other models are
    /// written in [`Model::FORMAT`].
    pub const FORMAT_2: &str = "reproof.model/2";

    /// What it predicts.
    pub fn target(&self) -> Target {
        match self {
            Self::Logistic(model) => Target::Binary(model.label.clone()),
            Self::Linear(model) => Target::Number {
                column: model.label.clone(),
            },
            Self::Boosted(model) => model.target().clone(),
        }
    }

    /// What the model is for.
    pub fn task(&self) -> Task {
        match self {
            Self::Logistic(_) => Task::BinaryClassification,
            Self::Linear(_) => Task::Regression,
            Self::Boosted(model) => model.target().task(),
        }
    }

    /// The column it predicts.
    pub fn label(&self) -> &str {
        match self {
            Self::Logistic(model) => &model.label.column,
            Self::Linear(model) => &model.label,
            Self::Boosted(model) => model.target().column(),
        }
    }

    /// The linear function at its heart, if it has one.
    pub fn function(&self) -> Option<&LinearFunction> {
        match self {
            Self::Logistic(model) => Some(&model.function),
            Self::Linear(model) => Some(&model.function),
            Self::Boosted(_) => None,
        }
    }

    /// For each row the value, the probability of the positive class, or that of every class.
    ///
    /// # Errors
    /// If the features are not the model's, in its order, a value overflows, or one is missing that
    /// the model needs.
    pub fn predict(&self, x: &Matrix, threads: Threads) -> Result<Predictions, LearnError> {
        match self {
            Self::Logistic(model) => {
                let values = model.function.values(x, threads)?;
                let parts = reproof_table::map_ranges(threads, values.len(), |range| {
                    values[range]
                        .iter()
                        .map(|&z| sigmoid(z))
                        .collect::<Vec<_>>()
                });
                Ok(Predictions::Probabilities(parts.concat()))
            }
            Self::Linear(model) => Ok(Predictions::Values(model.function.values(x, threads)?)),
            Self::Boosted(model) => model.predict(x, threads),
        }
    }

    /// The canonical JSON.
    pub fn to_json(&self) -> Result<Vec<u8>, LearnError> {
        to_canonical(self).map_err(|error| malformed(error.to_string()))
    }

    /// Reads a model from its canonical JSON and checks it.
    pub fn from_json(bytes: &[u8]) -> Result<Self, LearnError> {
        from_canonical(bytes).map_err(|error| malformed(error.to_string()))
    }
}

pub(crate) fn malformed(reason: impl Into<String>) -> LearnError {
    LearnError::Document {
        expected: Model::FORMAT,
        reason: reason.into(),
    }
}

impl Serialize for Model {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.clone() {
            Self::Logistic(model) => Document::from(model).serialize(serializer),
            Self::Linear(model) => Document::from(model).serialize(serializer),
            Self::Boosted(model) => gbdt::Document::from(model).serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Model {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // Which fields it has, its operation tells.
        let value = Value::deserialize(deserializer)?;
        if value.get("operation").and_then(Value::as_str) == Some(gbdt::OPERATION) {
            let document: gbdt::Document = from_value(value).map_err(D::Error::custom)?;
            let model = BoostedModel::try_from(document);
            return model.map(Self::Boosted).map_err(D::Error::custom);
        }
        let document: Document = from_value(value).map_err(D::Error::custom)?;
        Self::try_from(document).map_err(D::Error::custom)
    }
}

/// A linear model as it is written.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    format: String,
    task: Task,
    operation: String,
    label: DocumentLabel,
    features: Vec<String>,
    coefficients: Vec<f64>,
    intercept: f64,
    l2: f64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    iterations: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    converged: Option<bool>,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct DocumentLabel {
    column: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    negative: Option<ClassValue>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    positive: Option<ClassValue>,
}

impl From<LogisticModel> for Document {
    fn from(model: LogisticModel) -> Self {
        let label = DocumentLabel {
            column: model.label.column,
            negative: Some(model.label.negative),
            positive: Some(model.label.positive),
        };
        Self {
            iterations: Some(model.iterations),
            converged: Some(true),
            ..Self::new(
                (Task::BinaryClassification, LOGISTIC),
                label,
                model.function,
                model.l2,
            )
        }
    }
}

impl From<LinearModel> for Document {
    fn from(model: LinearModel) -> Self {
        let label = DocumentLabel {
            column: model.label,
            negative: None,
            positive: None,
        };
        Self::new((Task::Regression, LINEAR), label, model.function, model.l2)
    }
}

impl Document {
    fn new(
        (task, operation): (Task, &str),
        label: DocumentLabel,
        function: LinearFunction,
        l2: f64,
    ) -> Self {
        Self {
            format: Model::FORMAT.to_owned(),
            task,
            operation: operation.to_owned(),
            label,
            features: function.features,
            coefficients: function.coefficients,
            intercept: function.intercept,
            l2,
            iterations: None,
            converged: None,
        }
    }
}

impl TryFrom<Document> for Model {
    type Error = LearnError;

    fn try_from(document: Document) -> Result<Self, LearnError> {
        if document.format != Self::FORMAT {
            return Err(malformed(format!("its format is '{}'", document.format)));
        }
        let names: BTreeSet<_> = document.features.iter().collect();
        if names.len() != document.features.len() {
            return Err(malformed("a feature stands in it twice"));
        }
        if document.coefficients.len() != document.features.len() {
            return Err(malformed("it has not one coefficient for each feature"));
        }
        let function =
            LinearFunction::new(document.features, document.coefficients, document.intercept)?;
        let DocumentLabel {
            column,
            negative,
            positive,
        } = document.label;
        let trained = (
            document.operation.as_str(),
            document.iterations,
            document.converged,
        );
        match (document.task, trained, negative, positive) {
            (
                Task::BinaryClassification,
                (LOGISTIC, Some(iterations), Some(true)),
                Some(negative),
                Some(positive),
            ) if negative != positive => Ok(Self::Logistic(LogisticModel {
                label: BinaryLabel {
                    column,
                    negative,
                    positive,
                },
                function,
                l2: document.l2,
                iterations,
            })),
            (Task::Regression, (LINEAR, None, None), None, None) => Ok(Self::Linear(LinearModel {
                label: column,
                function,
                l2: document.l2,
            })),
            (task, (operation, ..), ..) => Err(malformed(format!(
                "its fields are not those of a {} by '{operation}'",
                task.name()
            ))),
        }
    }
}
