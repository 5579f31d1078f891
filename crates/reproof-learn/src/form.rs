//! What kind of number each metric is: it decides how the intervals are found.

use crate::bootstrap::{Statistic, Weights};
use crate::confusion::{Average, Confusion, Score};
use crate::determination::determination;
use crate::metrics::Reason;
use crate::ranking::Ranking;
use crate::sample::Sample;

/// The smallest probability that the logarithmic loss gives to the true class: 2^-52.
const LEAST_PROBABILITY: f64 = f64::EPSILON;

/// A metric of a sample.
pub(crate) enum Form<'a> {
    /// The mean of one value a row, or its root.
    Mean { values: Vec<f64>, root: bool },
    /// The share of the trials that succeed; no trial in rows without an outcome. There is one.
    Share(Vec<Option<bool>>),
    /// The area under the ROC curve.
    Area {
        scores: &'a [f64],
        positives: &'a [bool],
    },
    /// Any function of how often each row counts; defined where each counts once.
    Statistic(Statistic<'a>),
}

impl<'a> Form<'a> {
    /// The metric of this name, which exists for the sample's task; or why it is not defined.
    pub fn of(metric: &str, sample: &'a Sample<'_>) -> Result<Self, Reason> {
        match sample {
            Sample::Numbers {
                labels,
                predictions,
            } => of_numbers(metric, labels, predictions),
            Sample::Binary {
                positives,
                probabilities,
            } => of_two_classes(metric, sample, positives, probabilities),
            Sample::Classes { labels, columns } => of_classes(metric, sample, labels, columns),
        }
    }

    /// The metric as a function of how often each row counts.
    pub fn into_statistic(self) -> Statistic<'a> {
        match self {
            Self::Statistic(statistic) => statistic,
            Self::Share(trials) => Box::new(move |weights| {
                let (mut right, mut all) = (0, 0);
                for (row, trial) in trials.iter().enumerate() {
                    if let Some(success) = trial {
                        let count = weights.of(row);
                        all += count;
                        right += if *success { count } else { 0 };
                    }
                }
                (all > 0).then(|| right as f64 / all as f64)
            }),
            Self::Area { scores, positives } => {
                let ranking = Ranking::new(scores, positives.iter().copied());
                Box::new(move |weights| ranking.area(weights))
            }
            Self::Mean { values, root } => Box::new(move |weights| {
                let rows = values.iter().enumerate();
                let weighted = rows.map(|(row, value)| weights.of(row) as f64 * value);
                let sum = weighted.collect::<reproof_table::exact::ExactSum>().value();
                let count: u64 = (0..values.len()).map(|row| weights.of(row)).sum();
                let mean = sum / count as f64;
                (count > 0).then(|| if root { mean.sqrt() } else { mean })
            }),
        }
    }
}

fn mean(values: impl Iterator<Item = f64>) -> Result<Form<'static>, Reason> {
    let values: Vec<f64> = values.collect();
    if values.is_empty() {
        return Err(Reason::NoRows);
    }
    Ok(Form::Mean {
        values,
        root: false,
    })
}

fn of_numbers<'a>(
    metric: &str,
    labels: &'a [f64],
    predictions: &'a [f64],
) -> Result<Form<'a>, Reason> {
    let rows = labels.iter().zip(predictions);
    let errors = rows.clone().map(|(y, p)| (y - p).abs());
    match metric {
        "mae" => mean(errors),
        "mape" if labels.contains(&0.0) => Err(Reason::ZeroLabel),
        "mape" => mean(rows.map(|(y, p)| ((y - p) / y).abs())),
        "rmse" if labels.is_empty() => Err(Reason::NoRows),
        "rmse" => Ok(Form::Mean {
            values: errors.map(|error| error * error).collect(),
            root: true,
        }),
        _ => Ok(Form::Statistic(determination(labels, predictions)?)),
    }
}

fn of_two_classes<'a>(
    metric: &str,
    sample: &'a Sample<'_>,
    positives: &'a [bool],
    probabilities: &'a [f64],
) -> Result<Form<'a>, Reason> {
    let rows = || probabilities.iter().zip(positives);
    let predicted = |p: f64| p >= crate::predictions::THRESHOLD;
    if positives.is_empty() {
        return Err(Reason::NoRows);
    }
    match metric {
        "accuracy" => Ok(right(sample)),
        "log_loss" => mean(rows().map(|(&p, &positive)| {
            let given = if positive { p } else { 1.0 - p };
            loss(given)
        })),
        "brier" => mean(rows().map(|(&p, &positive)| {
            let error = p - if positive { 1.0 } else { 0.0 };
            error * error
        })),
        "precision" => share(
            rows().map(|(&p, &positive)| predicted(p).then_some(positive)),
            Reason::NoPredictedPositives,
        ),
        "recall" => share(
            rows().map(|(&p, &positive)| positive.then_some(predicted(p))),
            Reason::NoPositives,
        ),
        "f1" => statistic(
            of_confusion(sample, |confusion| confusion.score(1, Score::F1)),
            Reason::NoPositives,
        ),
        "balanced_accuracy" => statistic(
            of_confusion(sample, Confusion::balanced_accuracy),
            Reason::OneClass,
        ),
        "pr_auc" => {
            let ranking = Ranking::new(probabilities, positives.iter().copied());
            statistic(
                Box::new(move |weights| ranking.average_precision(weights)),
                Reason::OneClass,
            )
        }
        _ => Ok(Form::Area {
            scores: probabilities,
            positives,
        }),
    }
}

fn of_classes<'a>(
    metric: &str,
    sample: &'a Sample<'_>,
    labels: &'a [usize],
    columns: &'a [Vec<f64>],
) -> Result<Form<'a>, Reason> {
    if labels.is_empty() {
        return Err(Reason::NoRows);
    }
    let average = |score, average| {
        statistic(
            of_confusion(sample, move |confusion| confusion.average(score, average)),
            Reason::NoRows,
        )
    };
    match metric {
        // With one label and one prediction a row, all three are the share of right ones.
        "accuracy" | "precision_micro" | "recall_micro" | "f1_micro" => Ok(right(sample)),
        "log_loss" => mean(
            labels
                .iter()
                .enumerate()
                .map(|(row, &label)| loss(columns[label][row])),
        ),
        "brier" => mean(labels.iter().enumerate().map(|(row, &label)| {
            let classes = columns.iter().enumerate();
            let squares = classes.map(|(class, column)| {
                let error = column[row] - if class == label { 1.0 } else { 0.0 };
                error * error
            });
            squares.sum()
        })),
        "balanced_accuracy" => statistic(
            of_confusion(sample, Confusion::balanced_accuracy),
            Reason::OneClass,
        ),
        "precision_macro" => average(Score::Precision, Average::Macro),
        "precision_weighted" => average(Score::Precision, Average::Weighted),
        "recall_macro" => average(Score::Recall, Average::Macro),
        "recall_weighted" => average(Score::Recall, Average::Weighted),
        "f1_macro" => average(Score::F1, Average::Macro),
        "f1_weighted" => average(Score::F1, Average::Weighted),
        "pr_auc_macro" => one_against_rest(labels, columns, Ranking::average_precision),
        _ => one_against_rest(labels, columns, Ranking::area),
    }
}

/// The negative logarithm of the probability given to the true class.
fn loss(given: f64) -> f64 {
    -libm::log(given.max(LEAST_PROBABILITY))
}

/// Whether each row's predicted class is its own.
fn right(sample: &Sample<'_>) -> Form<'static> {
    let (labels, predicted) = sample.labels_and_predicted();
    let rows = labels.iter().zip(&predicted);
    Form::Share(
        rows.map(|(label, predicted)| Some(label == predicted))
            .collect(),
    )
}

fn share(
    trials: impl Iterator<Item = Option<bool>>,
    without: Reason,
) -> Result<Form<'static>, Reason> {
    let trials: Vec<_> = trials.collect();
    if trials.iter().all(Option::is_none) {
        return Err(without);
    }
    Ok(Form::Share(trials))
}

fn statistic(statistic: Statistic<'_>, undefined: Reason) -> Result<Form<'_>, Reason> {
    match statistic(Weights::Once) {
        Some(_) => Ok(Form::Statistic(statistic)),
        None => Err(undefined),
    }
}

/// A function of the counts of rows by class and predicted class.
fn of_confusion<'a>(
    sample: &Sample<'_>,
    metric: impl Fn(&Confusion) -> Option<f64> + Sync + 'a,
) -> Statistic<'a> {
    let classes = sample.classes();
    let (labels, predicted) = sample.labels_and_predicted();
    Box::new(move |weights| metric(&Confusion::of(classes, &labels, &predicted, weights)))
}

/// The mean over the classes of a metric of how the class is told from all others; not defined
/// where a class has no rows.
fn one_against_rest<'a>(
    labels: &'a [usize],
    columns: &'a [Vec<f64>],
    metric: impl Fn(&Ranking, Weights<'_>) -> Option<f64> + Sync + 'a,
) -> Result<Form<'a>, Reason> {
    let rankings: Vec<Ranking> = columns
        .iter()
        .enumerate()
        .map(|(class, column)| Ranking::new(column, labels.iter().map(|&label| label == class)))
        .collect();
    let count = rankings.len() as f64;
    statistic(
        Box::new(move |weights| {
            let scores = rankings.iter().map(|ranking| metric(ranking, weights));
            let scores: Option<Vec<f64>> = scores.collect();
            scores.map(|scores| scores.iter().sum::<f64>() / count)
        }),
        Reason::MissingClass,
    )
}
