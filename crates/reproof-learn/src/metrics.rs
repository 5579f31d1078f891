//! The document of an evaluation: metrics with intervals, overall and on slices.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, de};

use crate::label::ClassValue;
use crate::model::writable;

/// What a model is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Task {
    /// The probability of one of two classes.
    BinaryClassification,
    /// The probabilities of several classes.
    MulticlassClassification,
    /// A number.
    Regression,
}

impl Task {
    /// Its name, as documents write it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::BinaryClassification => "binary_classification",
            Self::MulticlassClassification => "multiclass_classification",
            Self::Regression => "regression",
        }
    }

    /// The metrics that are computed where none are asked for.
    pub const fn metrics(self) -> &'static [&'static str] {
        match self {
            Self::BinaryClassification => &["accuracy", "log_loss", "roc_auc"],
            Self::MulticlassClassification => &["accuracy", "f1_macro", "log_loss"],
            Self::Regression => &["mae", "r2", "rmse"],
        }
    }

    /// All the metrics that exist for it.
    pub const fn all_metrics(self) -> &'static [&'static str] {
        match self {
            Self::BinaryClassification => &[
                "accuracy",
                "balanced_accuracy",
                "brier",
                "f1",
                "log_loss",
                "pr_auc",
                "precision",
                "recall",
                "roc_auc",
            ],
            Self::MulticlassClassification => &[
                "accuracy",
                "balanced_accuracy",
                "brier",
                "f1_macro",
                "f1_micro",
                "f1_weighted",
                "log_loss",
                "pr_auc_macro",
                "precision_macro",
                "precision_micro",
                "precision_weighted",
                "recall_macro",
                "recall_micro",
                "recall_weighted",
                "roc_auc_macro",
            ],
            Self::Regression => &["mae", "mape", "r2", "rmse"],
        }
    }
}

impl fmt::Display for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// How a 95 % interval was found. Described in the page on metrics of the user's book.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Method {
    /// Wilson's score interval for a proportion.
    Wilson,
    /// DeLong's variance of the area under the curve, on the logit scale.
    DelongLogit,
    /// Wilson's interval with the size of the smaller class, where DeLong's variance is zero or
    /// cannot be told.
    WilsonSmallerClass,
    /// A mean, or a smooth function of one, and the variance over the rows.
    Delta,
    /// The 2.5th and 97.5th percentile over 200 Poisson bootstrap replicates.
    PoissonBootstrap,
    /// Of a difference: the variance of the rows' differences.
    PairedDelta,
    /// Of a difference of areas under the curve: DeLong's variance of the placements' differences.
    PairedDelong,
    /// Of a difference of proportions of the same trials: Bonett and Price's interval.
    BonettPrice,
    /// Of a difference: percentiles over 200 Poisson bootstrap replicates, the same for both.
    PairedBootstrap,
}

impl Method {
    /// Its name, as documents write it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Wilson => "wilson",
            Self::DelongLogit => "delong_logit",
            Self::WilsonSmallerClass => "wilson_smaller_class",
            Self::Delta => "delta",
            Self::PoissonBootstrap => "poisson_bootstrap",
            Self::PairedDelta => "paired_delta",
            Self::PairedDelong => "paired_delong",
            Self::BonettPrice => "bonett_price",
            Self::PairedBootstrap => "paired_bootstrap",
        }
    }
}

/// Why there is no value, or a value without an interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Reason {
    /// There are no rows.
    NoRows,
    /// All rows are of one class.
    OneClass,
    /// All rows have the same label.
    ConstantLabel,
    /// No row is of the positive class.
    NoPositives,
    /// No row is predicted to be positive.
    NoPredictedPositives,
    /// A class has no rows.
    MissingClass,
    /// The label of a row is zero.
    ZeroLabel,
    /// Too few rows for an interval.
    TooFewRows,
    /// The value, or a bound of its interval, is beyond what can be computed or written exactly.
    OutOfRange,
}

impl Reason {
    /// Its name, as documents write it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::NoRows => "no_rows",
            Self::OneClass => "one_class",
            Self::ConstantLabel => "constant_label",
            Self::NoPositives => "no_positives",
            Self::NoPredictedPositives => "no_predicted_positives",
            Self::MissingClass => "missing_class",
            Self::ZeroLabel => "zero_label",
            Self::TooFewRows => "too_few_rows",
            Self::OutOfRange => "out_of_range",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoRows => "there are no rows",
            Self::OneClass => "all rows are of one class",
            Self::ConstantLabel => "all rows have the same label",
            Self::NoPositives => "no row is positive",
            Self::NoPredictedPositives => "no row is predicted to be positive",
            Self::MissingClass => "a class has no rows",
            Self::ZeroLabel => "the label of a row is zero",
            Self::TooFewRows => "there are too few rows",
            Self::OutOfRange => "the numbers are out of range",
        })
    }
}

/// A metric's value with its 95 % interval, or why there is none.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Estimate {
    /// The value.
    pub value: Option<f64>,
    /// The lower bound of the interval.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub low: Option<f64>,
    /// The upper bound of the interval.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub high: Option<f64>,
    /// How the interval was found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<Method>,
    /// Why there is no value or no interval.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
}

impl Estimate {
    /// A value without an interval.
    pub const fn exact(value: f64) -> Self {
        Self {
            value: Some(value),
            low: None,
            high: None,
            method: None,
            reason: None,
        }
    }

    /// No value.
    pub(crate) const fn undefined(reason: Reason) -> Self {
        Self {
            value: None,
            low: None,
            high: None,
            method: None,
            reason: Some(reason),
        }
    }

    /// A value without an interval.
    pub(crate) fn bare(value: f64, reason: Reason) -> Self {
        if !writable(value) {
            return Self::undefined(Reason::OutOfRange);
        }
        Self {
            // -0 would be written as 0.
            value: Some(value + 0.0),
            ..Self::undefined(reason)
        }
    }

    /// A value with an interval.
    pub(crate) fn new(value: f64, (low, high): (f64, f64), method: Method) -> Self {
        if !(writable(low) && writable(high)) {
            return Self::bare(value, Reason::OutOfRange);
        }
        match Self::bare(value, Reason::OutOfRange) {
            Self { value: None, .. } => Self::undefined(Reason::OutOfRange),
            bare => Self {
                low: Some(low + 0.0),
                high: Some(high + 0.0),
                method: Some(method),
                reason: None,
                ..bare
            },
        }
    }
}

/// The metrics of one slice.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SliceMetrics {
    /// The columns it is by.
    pub columns: Vec<String>,
    /// For each of them the canonical text of its value; null where it is missing.
    pub values: Vec<Option<String>>,
    /// Its rows.
    pub rows: u64,
    /// How many of them are positive; null unless there are two classes.
    pub positives: Option<u64>,
    /// How many of them are of each class, where there are more than two.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class_rows: Option<Vec<u64>>,
    /// The metrics.
    pub metrics: BTreeMap<String, Estimate>,
    /// If asked for: for each class its rows by predicted class.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confusion_matrix: Option<Vec<Vec<u64>>>,
}

impl SliceMetrics {
    /// As a person reads it: `contract=One year`; several columns are joined by commas.
    pub fn name(&self) -> String {
        slice_name(&self.columns, &self.values)
    }
}

/// A slice as a person reads it.
pub(crate) fn slice_name(columns: &[String], values: &[Option<String>]) -> String {
    let columns = columns.iter().zip(values);
    let parts: Vec<String> = columns
        .map(|(column, value)| {
            let value = value.as_deref().unwrap_or("(missing)");
            format!("{column}={value}")
        })
        .collect();
    parts.join(", ")
}

/// The metrics of an evaluation. The JSON is described in `docs/formats/model.md`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Metrics {
    /// [`Metrics::FORMAT`]; nothing else is read.
    #[serde(deserialize_with = "read_format")]
    pub format: String,
    /// What the model is for.
    pub task: Task,
    /// How many rows were evaluated.
    pub rows: u64,
    /// How many of them are positive; null unless there are two classes.
    pub positives: Option<u64>,
    /// The classes, where there are more than two or a confusion matrix is there. Of two the second
    /// is the positive one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub classes: Option<Vec<ClassValue>>,
    /// How many rows are of each class, where there are more than two.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class_rows: Option<Vec<u64>>,
    /// The metrics on all rows.
    pub overall: BTreeMap<String, Estimate>,
    /// If asked for: the metrics on all rows of a prediction that knows only the labels of the
    /// training part: their shares, or their mean.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub baseline: Option<BTreeMap<String, Estimate>>,
    /// If asked for: for each class its rows by predicted class.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confusion_matrix: Option<Vec<Vec<u64>>>,
    /// The metrics on each slice, sorted by columns and values, a missing value first.
    pub slices: Vec<SliceMetrics>,
}

impl Metrics {
    /// The format's name and version.
    pub const FORMAT: &str = "reproof.metrics/1";
}

fn read_format<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let format = String::deserialize(deserializer)?;
    if format == Metrics::FORMAT {
        Ok(format)
    } else {
        Err(de::Error::custom(format!(
            "metrics of format '{}' are wanted, not '{format}'",
            Metrics::FORMAT
        )))
    }
}
