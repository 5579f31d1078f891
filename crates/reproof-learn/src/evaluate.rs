//! Evaluation: every metric on all rows and on every slice.

use std::collections::{BTreeMap, BTreeSet};

use reproof_table::{ColumnData, Table, Threads};
use serde::{Deserialize, Serialize};

use crate::LearnError;
use crate::auc::roc_auc;
use crate::bootstrap::{Statistic, Weights, intervals};
use crate::buckets::Buckets;
use crate::confusion::Confusion;
use crate::form::Form;
use crate::interval::{Mean, wilson};
use crate::label::{LabelParameters, numbers};
use crate::metrics::{Estimate, Method, Metrics, Reason, SliceMetrics, Task};
use crate::model::Target;
use crate::predictions::{ClassProbabilities, Predictions};
use crate::sample::Sample;
use crate::slices::group;

/// The parameters of `evaluate`, as the recipe holds them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EvaluateParameters {
    /// The metrics.
    pub metrics: Vec<String>,
    /// The lists of columns to slice by.
    pub slices: Vec<Vec<String>>,
    /// The numeric columns that are sliced by buckets; others are by value.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub buckets: BTreeMap<String, Buckets>,
    /// Whether rows are counted by class and predicted class.
    #[serde(default, skip_serializing_if = "is_false")]
    pub confusion_matrix: bool,
}

/// The parameters of `evaluate_predictions`, as the recipe holds them: those of `evaluate`, and what
/// a model of ours would say of itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EvaluatePredictionsParameters {
    /// What is predicted.
    pub task: Task,
    /// The label.
    pub label: LabelParameters,
    /// Whether what a prediction would score that knows only the training part's labels is said,
    /// too.
    #[serde(default, skip_serializing_if = "is_false")]
    pub baseline: bool,
    /// The metrics.
    pub metrics: Vec<String>,
    /// The lists of columns to slice by.
    pub slices: Vec<Vec<String>>,
    /// The numeric columns that are sliced by buckets; others are by value.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub buckets: BTreeMap<String, Buckets>,
    /// Whether rows are counted by class and predicted class.
    #[serde(default, skip_serializing_if = "is_false")]
    pub confusion_matrix: bool,
}

impl EvaluatePredictionsParameters {
    /// What is to be computed.
    pub fn evaluate(&self) -> EvaluateParameters {
        EvaluateParameters {
            metrics: self.metrics.clone(),
            slices: self.slices.clone(),
            buckets: self.buckets.clone(),
            confusion_matrix: self.confusion_matrix,
        }
    }
}

#[allow(clippy::trivially_copy_pass_by_ref)]
fn is_false(value: &bool) -> bool {
    !value
}

impl EvaluateParameters {
    /// The columns of a table that are looked at: the label, and what the rows are sliced by.
    pub fn columns<'a>(&'a self, target: &'a Target) -> Vec<&'a str> {
        let sliced = self.slices.iter().flatten().map(String::as_str);
        let columns: BTreeSet<&str> = sliced.chain([target.column()]).collect();
        columns.into_iter().collect()
    }

    /// The lists of columns, each once, sorted.
    pub(crate) fn slice_lists(&self) -> BTreeSet<&Vec<String>> {
        self.slices.iter().collect()
    }
}

/// Evaluates predictions against the labels of a table, overall and on slices.
///
/// The seed is that of the bootstrap. Neither the number of threads nor, but for bootstrap
/// intervals, the order of the rows changes a bit.
///
/// # Errors
/// If a metric or column is unknown, a label is missing or of an unknown class, or a prediction
/// is not a probability or a finite number.
pub fn evaluate(
    target: &Target,
    predictions: &Predictions,
    table: &Table,
    parameters: &EvaluateParameters,
    seed: u64,
    threads: Threads,
) -> Result<Metrics, LearnError> {
    let metrics = known_metrics(target.task(), &parameters.metrics)?;
    let sample = Sample::new(target, predictions, table)?;
    let matrix = parameters.confusion_matrix && sample.classes() > 0;
    let mut slices = Vec::new();
    for columns in parameters.slice_lists() {
        for group in group(table, columns, &parameters.buckets)? {
            let part = sample.select(&group.rows);
            slices.push(SliceMetrics {
                columns: columns.clone(),
                values: group.values,
                rows: group.rows.len() as u64,
                positives: part.positives(),
                class_rows: class_rows(&part),
                metrics: measure(&part, &group.rows, &metrics, seed, threads),
                confusion_matrix: matrix.then(|| confusion_matrix(&part)),
            });
        }
    }
    let all: Vec<usize> = (0..table.rows()).collect();
    Ok(Metrics {
        format: Metrics::FORMAT.to_owned(),
        task: target.task(),
        rows: all.len() as u64,
        positives: sample.positives(),
        classes: match target {
            Target::Binary(label) if matrix => {
                Some(vec![label.negative.clone(), label.positive.clone()])
            }
            Target::Classes(label) => Some(label.classes.clone()),
            _ => None,
        },
        class_rows: class_rows(&sample),
        overall: measure(&sample, &all, &metrics, seed, threads),
        baseline: None,
        confusion_matrix: matrix.then(|| confusion_matrix(&sample)),
        slices,
    })
}

/// What would be predicted for each of some rows by one who knows only the labels of the training
/// part: the share of each class, or their mean.
///
/// # Errors
/// If the labels are not the target's, there are none, or their sum overflows.
pub fn baseline(
    target: &Target,
    training: &ColumnData,
    rows: usize,
) -> Result<Predictions, LearnError> {
    let share = |count: usize, of: usize| vec![count as f64 / of as f64; rows];
    if training.is_empty() {
        return Err(LearnError::NoRows);
    }
    Ok(match target {
        Target::Number { column } => {
            let labels = numbers(column, training)?;
            let mean = crate::design::mean(&labels).ok_or_else(|| LearnError::Overflow {
                what: format!("label '{column}'"),
                sum: "their sum",
            })?;
            Predictions::Values(vec![mean; rows])
        }
        Target::Binary(label) => {
            let positives = label.positives(training)?;
            let count = positives.iter().filter(|&&positive| positive).count();
            Predictions::Probabilities(share(count, positives.len()))
        }
        Target::Classes(label) => {
            let mut counts = vec![0; label.classes.len()];
            for class in label.indices(training)? {
                counts[class] += 1;
            }
            let columns = counts.into_iter().map(|count| share(count, training.len()));
            Predictions::Classes(ClassProbabilities::new(
                label.classes.clone(),
                columns.collect(),
            )?)
        }
    })
}

/// The metrics, which must all exist for the task.
pub(crate) fn known_metrics(
    task: Task,
    metrics: &[String],
) -> Result<BTreeSet<String>, LearnError> {
    let known = task.all_metrics();
    match metrics
        .iter()
        .find(|metric| !known.contains(&metric.as_str()))
    {
        Some(metric) => Err(LearnError::UnknownMetric {
            metric: metric.clone(),
            task: task.name(),
            known: known.join(", "),
        }),
        None => Ok(metrics.iter().cloned().collect()),
    }
}

/// How many rows are of each class, where there are more than two.
pub(crate) fn class_rows(sample: &Sample<'_>) -> Option<Vec<u64>> {
    let Sample::Classes { labels, columns } = sample else {
        return None;
    };
    let mut counts = vec![0; columns.len()];
    for &label in labels {
        counts[label] += 1;
    }
    Some(counts)
}

fn confusion_matrix(sample: &Sample<'_>) -> Vec<Vec<u64>> {
    let (labels, predicted) = sample.labels_and_predicted();
    Confusion::of(sample.classes(), &labels, &predicted, Weights::Once).rows()
}

/// Every metric on a sample; `rows` says where its rows stand in the table.
fn measure(
    sample: &Sample<'_>,
    rows: &[usize],
    metrics: &BTreeSet<String>,
    seed: u64,
    threads: Threads,
) -> BTreeMap<String, Estimate> {
    let mut measured = BTreeMap::new();
    let mut statistics: Vec<(&String, Statistic<'_>)> = Vec::new();
    for metric in metrics {
        let estimate = match Form::of(metric, sample) {
            Err(reason) => Estimate::undefined(reason),
            Ok(Form::Mean { values, root }) => of_mean(&values, root),
            Ok(Form::Share(trials)) => of_share(&trials),
            Ok(Form::Area { scores, positives }) => roc_auc(scores, positives),
            Ok(Form::Statistic(statistic)) => {
                statistics.push((metric, statistic));
                continue;
            }
        };
        measured.insert(metric.clone(), estimate);
    }
    let functions: Vec<&Statistic<'_>> = statistics.iter().map(|(_, function)| function).collect();
    let intervals = intervals(rows, &functions, seed, threads);
    for ((metric, statistic), interval) in statistics.iter().zip(intervals) {
        let estimate = match (statistic(Weights::Once), interval) {
            (None, _) => Estimate::undefined(Reason::OutOfRange),
            (Some(value), None) => Estimate::bare(value, Reason::TooFewRows),
            (Some(value), Some(interval)) => {
                Estimate::new(value, interval, Method::PoissonBootstrap)
            }
        };
        measured.insert((*metric).clone(), estimate);
    }
    measured
}

/// A mean over the rows or its root, with the derivative that its interval needs.
fn of_mean(values: &[f64], root: bool) -> Estimate {
    let Some(mean) = Mean::of(values) else {
        return Estimate::undefined(Reason::NoRows);
    };
    if !root {
        return mean.estimate(mean.value, 1.0);
    }
    // The root's derivative; at zero all errors are zero, and so is their variance.
    let value = mean.value.sqrt();
    mean.estimate(value, if value > 0.0 { 0.5 / value } else { 0.0 })
}

fn of_share(trials: &[Option<bool>]) -> Estimate {
    let size = trials.iter().flatten().count();
    let right = trials.iter().flatten().filter(|&&success| success).count();
    let share = right as f64 / size as f64;
    let complement = (size - right) as f64 / size as f64;
    Estimate::new(
        share,
        wilson(share, complement, size as f64),
        Method::Wilson,
    )
}
