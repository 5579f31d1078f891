//! The comparison of two scorings of the same rows: each metric's difference, with an interval that
//! knows that the rows are the same.

use std::collections::{BTreeMap, BTreeSet};

use reproof_table::{Table, Threads};
use serde::{Deserialize, Serialize};

use crate::LearnError;
use crate::auc::area_difference;
use crate::bootstrap::{Statistic, Weights, intervals};
use crate::evaluate::{EvaluateParameters, class_rows, known_metrics};
use crate::form::Form;
use crate::interval::{Mean, Z};
use crate::metrics::{Estimate, Method, Reason, slice_name};
use crate::model::Target;
use crate::predictions::Predictions;
use crate::sample::Sample;
use crate::slices::group;

/// How much each metric differs between two scorings of the same rows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// On all rows, the second scoring's metrics less the first's.
    pub overall: BTreeMap<String, Estimate>,
    /// The same on each slice, in the order of an evaluation's slices.
    pub slices: Vec<SliceComparison>,
}

/// How much each metric differs on a slice.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SliceComparison {
    /// The columns it is by.
    pub columns: Vec<String>,
    /// For each of them the text of its value or bucket; null where it is missing.
    pub values: Vec<Option<String>>,
    /// Its rows.
    pub rows: u64,
    /// How many of them are positive; null unless there are two classes.
    pub positives: Option<u64>,
    /// How many of them are of each class, where there are more than two.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class_rows: Option<Vec<u64>>,
    /// The differences.
    pub metrics: BTreeMap<String, Estimate>,
}

impl SliceComparison {
    /// As a person reads it: `contract=One year`.
    pub fn name(&self) -> String {
        slice_name(&self.columns, &self.values)
    }
}

/// Compares two predictions for the rows of a table, overall and on slices: the second less the
/// first.
///
/// The seed is that of the bootstrap, whose draws are the same for both.
///
/// # Errors
/// As for [`crate::evaluate`].
pub fn compare(
    target: &Target,
    table: &Table,
    predictions: [&Predictions; 2],
    parameters: &EvaluateParameters,
    seed: u64,
    threads: Threads,
) -> Result<Comparison, LearnError> {
    let metrics = known_metrics(target.task(), &parameters.metrics)?;
    let [first, second] = predictions;
    let samples = [
        Sample::new(target, first, table)?,
        Sample::new(target, second, table)?,
    ];
    let mut slices = Vec::new();
    for columns in parameters.slice_lists() {
        for group in group(table, columns, &parameters.buckets)? {
            let parts = [
                samples[0].select(&group.rows),
                samples[1].select(&group.rows),
            ];
            slices.push(SliceComparison {
                columns: columns.clone(),
                values: group.values,
                rows: group.rows.len() as u64,
                positives: parts[0].positives(),
                class_rows: class_rows(&parts[0]),
                metrics: differences(&parts, &group.rows, &metrics, seed, threads),
            });
        }
    }
    let all: Vec<usize> = (0..table.rows()).collect();
    Ok(Comparison {
        overall: differences(&samples, &all, &metrics, seed, threads),
        slices,
    })
}

/// Every metric's difference; `rows` says where the rows stand in the table.
fn differences(
    samples: &[Sample<'_>; 2],
    rows: &[usize],
    metrics: &BTreeSet<String>,
    seed: u64,
    threads: Threads,
) -> BTreeMap<String, Estimate> {
    let mut found = BTreeMap::new();
    let mut statistics: Vec<(&String, Statistic<'_>)> = Vec::new();
    for metric in metrics {
        let forms = (Form::of(metric, &samples[0]), Form::of(metric, &samples[1]));
        match forms {
            (Err(reason), _) | (_, Err(reason)) => {
                found.insert(metric.clone(), Estimate::undefined(reason));
            }
            (Ok(first), Ok(second)) => match difference(first, second) {
                Difference::Found(estimate) => {
                    found.insert(metric.clone(), estimate);
                }
                Difference::Drawn(statistic) => statistics.push((metric, statistic)),
            },
        }
    }
    let functions: Vec<&Statistic<'_>> = statistics.iter().map(|(_, function)| function).collect();
    let intervals = intervals(rows, &functions, seed, threads);
    for ((metric, statistic), interval) in statistics.iter().zip(intervals) {
        let estimate = match (statistic(Weights::Once), interval) {
            (None, _) => Estimate::undefined(Reason::OutOfRange),
            (Some(value), None) => Estimate::bare(value, Reason::TooFewRows),
            (Some(value), Some(interval)) => {
                Estimate::new(value, interval, Method::PairedBootstrap)
            }
        };
        found.insert((*metric).clone(), estimate);
    }
    found
}

enum Difference<'a> {
    Found(Estimate),
    /// To be bootstrapped.
    Drawn(Statistic<'a>),
}

fn difference<'a>(first: Form<'a>, second: Form<'a>) -> Difference<'a> {
    match (first, second) {
        (Form::Mean { values, root }, Form::Mean { values: others, .. }) => {
            Difference::Found(of_means(&values, &others, root))
        }
        (Form::Share(trials), Form::Share(others)) if same_trials(&trials, &others) => {
            Difference::Found(of_shares(&trials, &others))
        }
        (Form::Area { scores, positives }, Form::Area { scores: others, .. }) => {
            Difference::Found(area_difference(scores, others, positives))
        }
        (first, second) => {
            let (first, second) = (first.into_statistic(), second.into_statistic());
            Difference::Drawn(Box::new(move |weights| {
                Some(second(weights)? - first(weights)?)
            }))
        }
    }
}

/// The difference of two means or of their roots, by the delta method on the rows' differences.
fn of_means(first: &[f64], second: &[f64], root: bool) -> Estimate {
    let (Some(before), Some(after)) = (Mean::of(first), Mean::of(second)) else {
        return Estimate::undefined(Reason::NoRows);
    };
    let link = |mean: Mean| {
        if !root {
            return (mean.value, 1.0);
        }
        let value = mean.value.sqrt();
        (value, if value > 0.0 { 0.5 / value } else { 0.0 })
    };
    let ((before, slope_before), (after, slope_after)) = (link(before), link(after));
    let value = after - before;
    let rows = first.iter().zip(second);
    let moved: Vec<f64> = rows
        .map(|(before, after)| after * slope_after - before * slope_before)
        .collect();
    match Mean::of(&moved).and_then(|mean| mean.standard_error) {
        None => Estimate::bare(value, Reason::TooFewRows),
        Some(error) => {
            let half = Z * error;
            Estimate::new(value, (value - half, value + half), Method::PairedDelta)
        }
    }
}

fn same_trials(first: &[Option<bool>], second: &[Option<bool>]) -> bool {
    let mut rows = first.iter().zip(second);
    rows.all(|(first, second)| first.is_some() == second.is_some())
}

/// The difference of two proportions of the same trials.
///
/// D. G. Bonett and R. M. Price, *Adjusted Wald confidence interval for a difference of binomial
/// proportions based on paired data* (2012): one is added to either kind of trials in which the two
/// differ, so that the interval has a width where they never do.
fn of_shares(first: &[Option<bool>], second: &[Option<bool>]) -> Estimate {
    let count = |wanted: (bool, bool)| {
        let trials = first.iter().zip(second);
        let equal = trials.filter(|&(&a, &b)| (a, b) == (Some(wanted.0), Some(wanted.1)));
        equal.count() as f64
    };
    let size = first.iter().flatten().count() as f64;
    let (lost, won) = (count((true, false)), count((false, true)));
    let (less, more) = ((lost + 1.0) / (size + 2.0), (won + 1.0) / (size + 2.0));
    let centre = more - less;
    let half = Z * ((less + more - centre * centre) / (size + 2.0)).sqrt();
    let interval = ((centre - half).max(-1.0), (centre + half).min(1.0));
    Estimate::new((won - lost) / size, interval, Method::BonettPrice)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The worked example of Bonett and Price's formula, by hand.
    #[test]
    fn paired_proportions_have_a_width_where_nothing_differs() {
        let same = vec![Some(true); 8];
        let estimate = of_shares(&same, &same);
        // (0 ± 1.96 sqrt(0.2 / 10)).
        let half = Z * (0.2_f64 / 10.0).sqrt();
        assert_eq!(estimate.value, Some(0.0));
        assert_eq!((estimate.low, estimate.high), (Some(-half), Some(half)));
        let mut better = vec![Some(false); 8];
        better[0] = Some(true);
        let estimate = of_shares(&[Some(false); 8], &better);
        assert_eq!(estimate.value, Some(0.125));
        let (less, more) = (0.1_f64, 0.2_f64);
        let half = Z * ((less + more - (more - less) * (more - less)) / 10.0).sqrt();
        assert!((estimate.high.unwrap() - (0.1 + half)).abs() < 1e-15);
    }

    #[test]
    fn a_difference_of_means_is_that_of_the_rows() {
        let estimate = of_means(&[1.0, 2.0, 3.0], &[2.0, 2.0, 5.0], false);
        assert_eq!(estimate.value, Some(1.0));
        // The rows differ by 1, 0, 2: standard deviation 1.
        let half = Z * (1.0_f64 / 3.0).sqrt();
        assert!((estimate.high.unwrap() - 1.0 - half).abs() < 1e-15);
        let root = of_means(&[4.0, 4.0], &[9.0, 9.0], true);
        assert_eq!((root.value, root.low), (Some(1.0), Some(1.0)));
    }
}
