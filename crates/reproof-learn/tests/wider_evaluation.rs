//! The metrics that version 1 computes on request, several classes, buckets, baselines and paired
//! comparisons. Their values are checked against scikit-learn in `benches/metrics`.
#![allow(clippy::unwrap_used)]

mod common;

use std::collections::BTreeMap;

use common::{booleans, permuted, strings, table, threads};
use proptest::prelude::*;
use reproof_learn::{
    BinaryLabel, Buckets, ClassLabel, ClassProbabilities, ClassValue, Estimate, EvaluateParameters,
    LearnError, Method, Metrics, Predictions, Reason, Target, baseline, compare, evaluate, judge,
};
use reproof_record::{Bound, Gate, GateVerdict, to_canonical};
use reproof_table::{ColumnData, Table, Threads};

fn binary() -> Target {
    Target::Binary(BinaryLabel {
        column: "y".to_owned(),
        negative: ClassValue::Boolean(false),
        positive: ClassValue::Boolean(true),
    })
}

fn number() -> Target {
    Target::Number {
        column: "y".to_owned(),
    }
}

fn classes() -> ClassLabel {
    ClassLabel {
        column: "y".to_owned(),
        classes: ["a", "b", "c"]
            .map(|name| ClassValue::Text(name.to_owned()))
            .to_vec(),
    }
}

fn probabilities(rows: &[[f64; 3]]) -> Predictions {
    let columns = (0..3).map(|class| rows.iter().map(|row| row[class]).collect());
    Predictions::Classes(ClassProbabilities::new(classes().classes, columns.collect()).unwrap())
}

fn all(target: &Target) -> EvaluateParameters {
    let metrics = target.task().all_metrics();
    EvaluateParameters {
        metrics: metrics.iter().map(|&name| name.to_owned()).collect(),
        confusion_matrix: true,
        ..EvaluateParameters::default()
    }
}

fn measure(target: &Target, predictions: &Predictions, table: &Table) -> Metrics {
    evaluate(target, predictions, table, &all(target), 7, Threads::ONE).unwrap()
}

fn value(metrics: &Metrics, name: &str) -> f64 {
    metrics.overall[name].value.unwrap()
}

fn near(found: f64, expect: f64) {
    assert!((found - expect).abs() < 1e-14, "{found} {expect}");
}

#[test]
fn two_classes_are_counted() {
    let table = table(vec![("y", booleans(&[true, true, true, false, false]))]);
    let p = Predictions::Probabilities(vec![0.9, 0.5, 0.2, 0.7, 0.1]);
    let metrics = measure(&binary(), &p, &table);
    assert_eq!(metrics.confusion_matrix, Some(vec![vec![1, 1], vec![1, 2]]));
    near(value(&metrics, "precision"), 2.0 / 3.0);
    near(value(&metrics, "recall"), 2.0 / 3.0);
    near(value(&metrics, "f1"), 2.0 / 3.0);
    near(value(&metrics, "balanced_accuracy"), 7.0 / 12.0);
    near(
        value(&metrics, "brier"),
        (0.01 + 0.25 + 0.64 + 0.49 + 0.01) / 5.0,
    );
    near(
        value(&metrics, "pr_auc"),
        (1.0 + 2.0 / 3.0 + 3.0 / 4.0) / 3.0,
    );
    assert_eq!(metrics.overall["recall"].method, Some(Method::Wilson));
    assert_eq!(metrics.overall["f1"].method, Some(Method::PoissonBootstrap));
}

#[test]
fn what_is_not_defined_has_a_reason() {
    let reason = |metrics: &Metrics, name: &str| metrics.overall[name].reason;
    let negative = table(vec![("y", booleans(&[false, false]))]);
    let low = Predictions::Probabilities(vec![0.1, 0.2]);
    let metrics = measure(&binary(), &low, &negative);
    assert_eq!(
        reason(&metrics, "precision"),
        Some(Reason::NoPredictedPositives)
    );
    assert_eq!(reason(&metrics, "recall"), Some(Reason::NoPositives));
    assert_eq!(reason(&metrics, "f1"), Some(Reason::NoPositives));
    assert_eq!(
        reason(&metrics, "balanced_accuracy"),
        Some(Reason::OneClass)
    );
    assert_eq!(reason(&metrics, "pr_auc"), Some(Reason::OneClass));
    let empty = table(vec![("y", booleans(&[]))]);
    let metrics = measure(&binary(), &Predictions::Probabilities(vec![]), &empty);
    let mut reasons = metrics.overall.values().map(|estimate| estimate.reason);
    assert!(
        reasons.all(|reason| reason == Some(Reason::NoRows)),
        "{metrics:?}"
    );
    let zero = table(vec![("y", ColumnData::Float(vec![0.0, 1.0]))]);
    let metrics = measure(&number(), &Predictions::Values(vec![1.0, 1.0]), &zero);
    assert_eq!(reason(&metrics, "mape"), Some(Reason::ZeroLabel));
    let two = table(vec![("y", strings(&[Some("a"), Some("b")]))]);
    let p = probabilities(&[[0.5, 0.3, 0.2], [0.1, 0.8, 0.1]]);
    let metrics = measure(&Target::Classes(classes()), &p, &two);
    assert_eq!(
        reason(&metrics, "roc_auc_macro"),
        Some(Reason::MissingClass)
    );
    assert_eq!(value(&metrics, "accuracy"), 1.0);
}

fn sample() -> (Table, Predictions) {
    let labels = ["a", "a", "b", "c", "c", "b"].map(Some);
    let table = table(vec![
        ("y", strings(&labels)),
        (
            "age",
            ColumnData::Integer([20, 35, 30, 61, 50, 49].map(Some).to_vec()),
        ),
    ]);
    let p = probabilities(&[
        [0.6, 0.3, 0.1],
        [0.4, 0.4, 0.2],
        [0.2, 0.3, 0.5],
        [0.1, 0.1, 0.8],
        [0.25, 0.25, 0.5],
        [0.0, 1.0, 0.0],
    ]);
    (table, p)
}

#[test]
fn several_classes_are_told_apart() {
    let (table, p) = sample();
    let target = Target::Classes(classes());
    let metrics = measure(&target, &p, &table);
    // Of equal probabilities the first class is predicted.
    let matrix = vec![vec![2, 0, 0], vec![0, 1, 1], vec![0, 0, 2]];
    assert_eq!(metrics.confusion_matrix, Some(matrix));
    assert_eq!(metrics.class_rows, Some(vec![2, 2, 2]));
    near(value(&metrics, "accuracy"), 5.0 / 6.0);
    near(value(&metrics, "f1_micro"), 5.0 / 6.0);
    near(value(&metrics, "recall_macro"), 2.5 / 3.0);
    near(value(&metrics, "f1_macro"), (1.0 + 2.0 / 3.0 + 0.8) / 3.0);
    let json = to_canonical(&metrics).unwrap();
    assert_eq!(serde_json::from_slice::<Metrics>(&json).unwrap(), metrics);
    assert_eq!(metrics.positives, None);
    let predictions = p.to_table().unwrap();
    assert_eq!(predictions.schema().columns()[1].name, "probability=b");
    assert_eq!(Predictions::from_table(&target, &predictions).unwrap(), p);
    assert_eq!(p.classes(&target).unwrap()[1], "a");
    assert!(Predictions::from_table(&binary(), &predictions).is_err());
    let error = evaluate(&binary(), &p, &table, &all(&binary()), 7, Threads::ONE);
    assert!(error.is_err());
}

/// A gate counts the rows of the smallest class.
#[test]
fn gates_know_several_classes() {
    let (table, p) = sample();
    let metrics = measure(&Target::Classes(classes()), &p, &table);
    let mut gate = Gate {
        metric: "accuracy".to_owned(),
        bound: Bound::AtLeast,
        threshold: 0.8,
        slice: None,
        min_rows: 1,
        min_per_class: 3,
        text: "accuracy >= 0.8".to_owned(),
    };
    let outcome = &judge(&metrics, &gate)[0];
    assert_eq!(outcome.verdict, GateVerdict::NotJudged);
    gate.min_per_class = 2;
    let outcome = &judge(&metrics, &gate)[0];
    assert_eq!(outcome.verdict, GateVerdict::Passed);
}

#[test]
fn buckets_make_slices_in_the_order_of_numbers() {
    let (table, p) = sample();
    let target = Target::Classes(classes());
    let slices = |buckets: Buckets| {
        let parameters = EvaluateParameters {
            slices: vec![vec!["age".to_owned()]],
            buckets: BTreeMap::from([("age".to_owned(), buckets)]),
            ..all(&target)
        };
        let json = serde_json::to_string(&parameters).unwrap();
        assert_eq!(
            serde_json::from_str::<EvaluateParameters>(&json).unwrap(),
            parameters
        );
        let metrics = evaluate(&target, &p, &table, &parameters, 7, Threads::ONE).unwrap();
        let slices = metrics
            .slices
            .iter()
            .map(|slice| (slice.name(), slice.rows));
        slices.collect::<Vec<_>>()
    };
    let named = |names: &[(&str, u64)]| -> Vec<(String, u64)> {
        names
            .iter()
            .map(|(name, rows)| ((*name).to_owned(), *rows))
            .collect()
    };
    assert_eq!(
        slices(Buckets::Edges(vec![30.0, 50.0, 100.0])),
        named(&[
            ("age=below 30", 1),
            ("age=30 to below 50", 3),
            ("age=50 to below 100", 2),
        ])
    );
    assert_eq!(
        slices(Buckets::Quantiles(2)),
        named(&[("age=below 49", 3), ("age=49 or more", 3)])
    );
    let plain = EvaluateParameters {
        metrics: vec![],
        ..EvaluateParameters::default()
    };
    // As version 1 wrote it, and writes it still.
    assert_eq!(
        serde_json::to_string(&plain).unwrap(),
        r#"{"metrics":[],"slices":[]}"#
    );
}

#[test]
fn a_baseline_knows_only_the_training_labels() {
    let training = booleans(&[true, false, false, false]);
    assert_eq!(
        baseline(&binary(), &training, 2).unwrap(),
        Predictions::Probabilities(vec![0.25; 2])
    );
    let numbers = ColumnData::Float(vec![1.0, 2.0, 6.0]);
    assert_eq!(
        baseline(&number(), &numbers, 1).unwrap(),
        Predictions::Values(vec![3.0])
    );
    let several = strings(&[Some("a"), Some("a"), Some("c"), Some("b")]);
    assert_eq!(
        baseline(&Target::Classes(classes()), &several, 1).unwrap(),
        probabilities(&[[0.5, 0.25, 0.25]])
    );
    let none = baseline(&binary(), &booleans(&[]), 2);
    assert!(matches!(none, Err(LearnError::NoRows)));
}

/// Raised only together with the operation's version.
#[test]
fn the_bits_are_kept() {
    let (table, p) = sample();
    let mut metrics = measure(&Target::Classes(classes()), &p, &table);
    metrics.overall.retain(|name, _| {
        ["f1_macro", "brier", "roc_auc_macro", "balanced_accuracy"].contains(&name.as_str())
    });
    let found = String::from_utf8(to_canonical(&metrics).unwrap()).unwrap();
    assert_eq!(
        found,
        include_str!("golden/multiclass_metrics.json").trim_end()
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Neither threads nor, but for the bootstrap's intervals, the order of the rows changes a bit.
    #[test]
    fn threads_and_row_order_change_no_bit(
        rows in prop::collection::vec((0_u8..11, 0_u8..11, 0_usize..3, 1.0_f64..9.0), 3..40),
        count in 2_usize..9,
        seed in any::<u64>(),
    ) {
        let run = |rows: &[(u8, u8, usize, f64)], count: usize| {
            let share = |tenths: u8| f64::from(tenths) / 20.0;
            let names = ["a", "b", "c"];
            let labels: Vec<_> = rows.iter().map(|row| Some(names[row.2])).collect();
            let flags: Vec<bool> = rows.iter().map(|row| row.2 == 1).collect();
            let numbers = rows.iter().map(|row| row.3).collect();
            let side = |swap: bool| {
                let one = |row: &(u8, u8, usize, f64)| if swap { row.1 } else { row.0 };
                let other = |row: &(u8, u8, usize, f64)| if swap { row.0 } else { row.1 };
                let three: Vec<_> = rows
                    .iter()
                    .map(|row| {
                        let (a, b) = (share(one(row)), share(other(row)) / 2.0);
                        [a, b, 1.0 - a - b]
                    })
                    .collect();
                [
                    probabilities(&three),
                    Predictions::Probabilities(rows.iter().map(|row| share(one(row))).collect()),
                    Predictions::Values(rows.iter().map(|row| f64::from(one(row))).collect()),
                ]
            };
            let targets = [Target::Classes(classes()), binary(), number()];
            let tables = [
                table(vec![("y", strings(&labels))]),
                table(vec![("y", booleans(&flags))]),
                table(vec![("y", ColumnData::Float(numbers))]),
            ];
            let mut found = Vec::new();
            for ((target, table), (one, other)) in targets.iter().zip(&tables).zip(
                side(false).iter().zip(side(true).iter())
            ) {
                let parameters = all(target);
                let metrics =
                    evaluate(target, one, table, &parameters, seed, threads(count)).unwrap();
                let compared =
                    compare(target, table, [one, other], &parameters, seed, threads(count)).unwrap();
                let same =
                    compare(target, table, [one, one], &parameters, seed, threads(count)).unwrap();
                for estimate in same.overall.values() {
                    assert!(estimate.value.is_none_or(|value| value == 0.0));
                }
                for (name, moved) in &compared.overall {
                    if let (Some(low), Some(high)) = (moved.low, moved.high) {
                        assert!(low <= high, "{name}");
                    }
                }
                found.push((metrics.overall, compared.overall));
            }
            found
        };
        let one = run(&rows, 1);
        prop_assert_eq!(&run(&rows, count), &one);
        let mut order: Vec<usize> = (0..rows.len()).collect();
        order.sort_by_key(|&row| reproof_table::random::u64_at(seed, 1, row as u64));
        let without_bootstrap = |found: Vec<(BTreeMap<String, Estimate>, BTreeMap<String, Estimate>)>| {
            let mut all = Vec::new();
            for (name, estimate) in found.into_iter().flat_map(|(one, two)| one.into_iter().chain(two)) {
                let drawn = matches!(
                    estimate.method,
                    Some(Method::PoissonBootstrap | Method::PairedBootstrap)
                ) || estimate.reason == Some(Reason::TooFewRows);
                let bare = Estimate { low: None, high: None, method: None, reason: None, ..estimate };
                all.push((name, if drawn { bare } else { estimate }));
            }
            all
        };
        // A metric may have an interval in one order and too few replicates in the other.
        let other = without_bootstrap(run(&permuted(&rows, &order), count));
        for ((name, one), (_, other)) in without_bootstrap(one).into_iter().zip(other) {
            prop_assert_eq!(one, other, "{}", name);
        }
    }
}
