//! Evaluation: every metric on all rows and on every slice.

use std::collections::{BTreeMap, BTreeSet};

use reproof_table::{Table, Threads};
use serde::{Deserialize, Serialize};

use crate::LearnError;
use crate::auc::roc_auc;
use crate::bootstrap::{Fit, r2};
use crate::interval::{Mean, wilson};
use crate::label::numbers;
use crate::metrics::{Estimate, Method, Metrics, Reason, SliceMetrics, Task};
use crate::model::Model;
use crate::predictions::{Predictions, THRESHOLD};
use crate::slices::{column, group};

/// The smallest probability that the logarithmic loss gives to the true class: 2^-52.
const LEAST_PROBABILITY: f64 = f64::EPSILON;

/// The parameters of `evaluate`, as the recipe holds them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EvaluateParameters {
    /// The metrics.
    pub metrics: Vec<String>,
    /// The lists of columns to slice by.
    pub slices: Vec<Vec<String>>,
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
    model: &Model,
    predictions: &Predictions,
    table: &Table,
    parameters: &EvaluateParameters,
    seed: u64,
    threads: Threads,
) -> Result<Metrics, LearnError> {
    let predictions = predictions.single().unwrap_or_default();
    let evaluation = Evaluation {
        truth: Truth::of(model, table)?,
        predictions,
        metrics: known_metrics(model.task(), &parameters.metrics)?,
        seed,
        threads,
    };
    check_predictions(model.task(), predictions, table.rows())?;
    let all: Vec<usize> = (0..table.rows()).collect();
    let mut slices = Vec::new();
    let lists: BTreeSet<&Vec<String>> = parameters.slices.iter().collect();
    for columns in lists {
        for (values, rows) in group(table, columns)? {
            slices.push(SliceMetrics {
                columns: columns.clone(),
                values,
                rows: rows.len() as u64,
                positives: evaluation.truth.positives(&rows),
                metrics: evaluation.measure(&rows),
            });
        }
    }
    Ok(Metrics {
        format: Metrics::FORMAT.to_owned(),
        task: model.task(),
        rows: all.len() as u64,
        positives: evaluation.truth.positives(&all),
        overall: evaluation.measure(&all),
        slices,
    })
}

fn known_metrics(task: Task, metrics: &[String]) -> Result<BTreeSet<String>, LearnError> {
    match metrics
        .iter()
        .find(|metric| !task.metrics().contains(&metric.as_str()))
    {
        Some(metric) => Err(LearnError::UnknownMetric {
            metric: metric.clone(),
            task: task.name(),
            known: task.metrics().join(", "),
        }),
        None => Ok(metrics.iter().cloned().collect()),
    }
}

fn check_predictions(task: Task, predictions: &[f64], rows: usize) -> Result<(), LearnError> {
    if predictions.len() != rows {
        return Err(LearnError::Rows {
            what: "the list of predictions".to_owned(),
            found: predictions.len(),
            expected: rows,
        });
    }
    let (sound, wanted): (fn(f64) -> bool, _) = match task {
        Task::BinaryClassification => (
            |p| (0.0..=1.0).contains(&p),
            "a probability is a number from 0 to 1",
        ),
        Task::Regression | Task::MulticlassClassification => {
            (f64::is_finite, "a finite number is needed")
        }
    };
    match predictions
        .iter()
        .position(|&prediction| !sound(prediction))
    {
        Some(row) => Err(LearnError::Prediction {
            row: row + 1,
            value: predictions[row],
            wanted,
        }),
        None => Ok(()),
    }
}

/// The labels of the evaluated rows.
enum Truth {
    Classes(Vec<bool>),
    Numbers(Vec<f64>),
}

impl Truth {
    fn of(model: &Model, table: &Table) -> Result<Self, LearnError> {
        let data = column(table, model.label())?;
        Ok(match model {
            Model::Logistic(model) => Self::Classes(model.label.positives(data)?),
            Model::Linear(model) => Self::Numbers(numbers(&model.label, data)?),
        })
    }

    fn positives(&self, rows: &[usize]) -> Option<u64> {
        match self {
            Self::Classes(positives) => {
                Some(rows.iter().filter(|&&row| positives[row]).count() as u64)
            }
            Self::Numbers(_) => None,
        }
    }
}

struct Evaluation<'a> {
    truth: Truth,
    predictions: &'a [f64],
    metrics: BTreeSet<String>,
    seed: u64,
    threads: Threads,
}

impl Evaluation<'_> {
    /// Every metric on these rows.
    fn measure(&self, rows: &[usize]) -> BTreeMap<String, Estimate> {
        let predictions: Vec<f64> = rows.iter().map(|&row| self.predictions[row]).collect();
        let metric: Box<dyn Fn(&str) -> Estimate> = match &self.truth {
            Truth::Classes(positives) => {
                let positives: Vec<bool> = rows.iter().map(|&row| positives[row]).collect();
                Box::new(move |metric| of_classes(metric, &predictions, &positives))
            }
            Truth::Numbers(labels) => {
                let labels: Vec<f64> = rows.iter().map(|&row| labels[row]).collect();
                Box::new(move |metric| {
                    let fit = Fit {
                        rows,
                        labels: &labels,
                        predictions: &predictions,
                    };
                    self.of_numbers(metric, &fit)
                })
            }
        };
        let metrics = self.metrics.iter();
        metrics.map(|name| (name.clone(), metric(name))).collect()
    }

    fn of_numbers(&self, metric: &str, fit: &Fit<'_>) -> Estimate {
        let errors = fit
            .labels
            .iter()
            .zip(fit.predictions)
            .map(|(y, p)| (y - p).abs());
        match metric {
            "mae" => of_mean(&errors.collect::<Vec<_>>(), |mean| (mean, 1.0)),
            "rmse" => of_mean(
                &errors.map(|error| error * error).collect::<Vec<_>>(),
                |mean| {
                    // The root's derivative; at zero all errors are zero, and so is their variance.
                    let root = mean.sqrt();
                    (root, if root > 0.0 { 0.5 / root } else { 0.0 })
                },
            ),
            _ => r2(fit, self.seed, self.threads),
        }
    }
}

fn of_classes(metric: &str, probabilities: &[f64], positives: &[bool]) -> Estimate {
    match metric {
        "accuracy" => accuracy(probabilities, positives),
        "log_loss" => {
            let rows = probabilities.iter().zip(positives);
            let losses = rows.map(|(&p, &positive)| log_loss(p, positive));
            of_mean(&losses.collect::<Vec<_>>(), |mean| (mean, 1.0))
        }
        _ => roc_auc(probabilities, positives),
    }
}

/// A metric that is a function of a mean over the rows; the function gives value and derivative.
fn of_mean(values: &[f64], function: impl Fn(f64) -> (f64, f64)) -> Estimate {
    match Mean::of(values) {
        None => Estimate::undefined(Reason::NoRows),
        Some(mean) => {
            let (value, slope) = function(mean.value);
            mean.estimate(value, slope)
        }
    }
}

fn accuracy(probabilities: &[f64], positives: &[bool]) -> Estimate {
    if probabilities.is_empty() {
        return Estimate::undefined(Reason::NoRows);
    }
    let rows = probabilities.iter().zip(positives);
    let right = rows
        .filter(|&(&p, &positive)| (p >= THRESHOLD) == positive)
        .count();
    let size = positives.len();
    let share = right as f64 / size as f64;
    let complement = (size - right) as f64 / size as f64;
    Estimate::new(
        share,
        wilson(share, complement, size as f64),
        Method::Wilson,
    )
}

/// The negative logarithm of the probability given to the true class.
fn log_loss(probability: f64, positive: bool) -> f64 {
    let given = if positive {
        probability
    } else {
        1.0 - probability
    };
    -libm::log(given.max(LEAST_PROBABILITY))
}
