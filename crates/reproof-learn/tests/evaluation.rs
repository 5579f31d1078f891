//! Metrics and their intervals: against values computed elsewhere, where they are not defined,
//! and for any order of rows and number of threads.
#![allow(clippy::unwrap_used)]

mod common;

use common::{booleans, permuted, strings, table, threads};
use proptest::prelude::*;
use reproof_learn::{
    Estimate, EvaluateParameters, LearnError, Method, Metrics, Model, Predictions, Reason, Task,
    evaluate,
};
use reproof_table::{ColumnData, Table, Threads};
use serde_json::json;

fn classifier() -> Model {
    serde_json::from_value(json!({
        "format": "reproof.model/1", "task": "binary_classification",
        "operation": "train_logistic_regression@1",
        "label": {"column": "y", "negative": false, "positive": true},
        "features": [], "coefficients": [], "intercept": 0, "l2": 1,
        "iterations": 1, "converged": true,
    }))
    .unwrap()
}

fn regressor() -> Model {
    serde_json::from_value(json!({
        "format": "reproof.model/1", "task": "regression",
        "operation": "train_linear_regression@1", "label": {"column": "y"},
        "features": [], "coefficients": [], "intercept": 0, "l2": 1,
    }))
    .unwrap()
}

fn predicted(model: &Model, predictions: &[f64]) -> Predictions {
    match model.task() {
        Task::Regression => Predictions::Values(predictions.to_vec()),
        _ => Predictions::Probabilities(predictions.to_vec()),
    }
}

fn measure(model: &Model, predictions: &[f64], table: &Table, slices: &[&[&str]]) -> Metrics {
    evaluate(
        &model.target(),
        &predicted(model, predictions),
        table,
        &parameters(model, slices),
        7,
        Threads::ONE,
    )
    .unwrap()
}

fn parameters(model: &Model, slices: &[&[&str]]) -> EvaluateParameters {
    EvaluateParameters {
        metrics: model
            .task()
            .metrics()
            .iter()
            .map(|&name| name.to_owned())
            .collect(),
        slices: slices
            .iter()
            .map(|columns| columns.iter().map(|&name| name.to_owned()).collect())
            .collect(),
        ..EvaluateParameters::default()
    }
}

fn classes(probabilities: &[f64], positives: &[bool]) -> Metrics {
    measure(
        &classifier(),
        probabilities,
        &table(vec![("y", booleans(positives))]),
        &[],
    )
}

fn numbers(predictions: &[f64], labels: &[f64]) -> Metrics {
    let table = table(vec![("y", ColumnData::Float(labels.to_vec()))]);
    measure(&regressor(), predictions, &table, &[])
}

fn check(metrics: &Metrics, metric: &str, expect: [f64; 3], method: Method) {
    let estimate = metrics.overall[metric];
    assert_eq!(
        (estimate.method, estimate.reason),
        (Some(method), None),
        "{metric}"
    );
    let found = [estimate.value, estimate.low, estimate.high].map(Option::unwrap);
    for (found, expect) in found.iter().zip(expect) {
        assert!(
            (found - expect).abs() < 1e-12,
            "{metric}: {found} where {expect} is expected"
        );
    }
}

fn check_undefined(metrics: &Metrics, metric: &str, reason: Reason) {
    let estimate = metrics.overall[metric];
    assert_eq!(
        (estimate.value, estimate.reason),
        (None, Some(reason)),
        "{metric}"
    );
    let json = serde_json::to_value(estimate).unwrap();
    assert_eq!(json, json!({"value": null, "reason": reason.name()}));
}

/// Values by numpy, from the definitions (DeLong's variance from the matrix of all pairs).
#[test]
fn metrics_of_a_classification_agree_with_numpy() {
    let probabilities = [
        0.05, 0.1, 0.2, 0.2, 0.3, 0.35, 0.4, 0.5, 0.5, 0.6, 0.7, 0.7, 0.8, 0.9, 0.95, 1.0,
    ];
    let positives = [0, 0, 0, 1, 0, 0, 1, 0, 1, 1, 0, 1, 1, 1, 1, 0].map(|one| one == 1);
    let metrics = classes(&probabilities, &positives);
    assert_eq!((metrics.rows, metrics.positives), (16, Some(8)));
    check(
        &metrics,
        "roc_auc",
        [
            0.726_562_5,
            0.398_746_809_143_887_6,
            0.914_134_244_300_152_8,
        ],
        Method::DelongLogit,
    );
    check(
        &metrics,
        "accuracy",
        [0.6875, 0.444_043_558_347_406_66, 0.858_353_561_452_179_6],
        Method::Wilson,
    );
    // The last row gives its class the probability 0, which counts as 2^-52.
    let loss = [2.723_387_646_832_894_6, 0.0, 7.082_460_647_025_247];
    check(&metrics, "log_loss", loss, Method::Delta);
}

#[test]
fn metrics_of_a_regression_agree_with_numpy() {
    let metrics = numbers(
        &[1.5, 1.5, 3.5, 3.0, 5.0, 9.0],
        &[1.0, 2.0, 3.0, 4.0, 5.0, 7.0],
    );
    assert_eq!((metrics.rows, metrics.positives), (6, None));
    check(
        &metrics,
        "rmse",
        [
            0.978_945_010_372_560_9,
            0.354_396_235_719_916_96,
            1.603_493_785_025_204_7,
        ],
        Method::Delta,
    );
    check(
        &metrics,
        "mae",
        [0.75, 0.198_533_328_321_993_44, 1.301_466_671_678_006_6],
        Method::Delta,
    );
    let r2 = metrics.overall["r2"];
    assert!((r2.value.unwrap() - 0.753_571_428_571_428_6).abs() < 1e-15);
    assert_eq!(r2.method, Some(Method::PoissonBootstrap));
    assert!(r2.low.unwrap() < r2.value.unwrap() && r2.value.unwrap() < r2.high.unwrap());
}

/// The bootstrap interval of a large sample against the delta method's.
#[test]
fn the_bootstrap_interval_is_about_right() {
    let noise = |row: u64| {
        (0..12)
            .map(|draw| reproof_table::random::unit_at(3, draw, row))
            .sum::<f64>()
            - 6.0
    };
    let x: Vec<f64> = (0..4000).map(noise).collect();
    let y: Vec<f64> = x
        .iter()
        .zip(10_000..)
        .map(|(x, row)| x + noise(row))
        .collect();
    let r2 = numbers(&x, &y).overall["r2"];
    // Of bivariate normal variables with R² = 1/2: standard error 2 R (1 - R²) / sqrt(n).
    let half = 1.96 * 2.0 * 0.5_f64.sqrt() * 0.5 / 4000_f64.sqrt();
    let width = (r2.high.unwrap() - r2.low.unwrap()) / 2.0;
    assert!((r2.value.unwrap() - 0.5).abs() < 2.0 * half, "{r2:?}");
    assert!((width / half - 1.0).abs() < 0.25, "{width} {half}");
}

#[test]
fn an_area_of_zero_or_one_has_an_interval() {
    let positives = [true, true, false, false, false];
    let metrics = classes(&[0.9, 0.8, 0.1, 0.2, 0.3], &positives);
    // Wilson for 2 of 2.
    let z2 = 1.959_963_984_540_054_f64 * 1.959_963_984_540_054;
    let low = 2.0 / (2.0 + z2);
    check(
        &metrics,
        "roc_auc",
        [1.0, low, 1.0],
        Method::WilsonSmallerClass,
    );
    let metrics = classes(&[0.1, 0.2, 0.9, 0.8, 0.7], &positives);
    check(
        &metrics,
        "roc_auc",
        [0.0, 0.0, 1.0 - low],
        Method::WilsonSmallerClass,
    );
    // All scores tied; and a class of one row, whose variance nobody knows.
    for (probabilities, positives) in [
        ([0.5; 5], positives),
        (
            [0.5, 0.1, 0.9, 0.4, 0.6],
            [true, false, false, false, false],
        ),
    ] {
        let estimate = classes(&probabilities, &positives).overall["roc_auc"];
        assert_eq!(
            (estimate.value, estimate.method),
            (Some(0.5), Some(Method::WilsonSmallerClass))
        );
        assert!(estimate.low.unwrap() < 0.5 && estimate.high.unwrap() > 0.5);
    }
}

#[test]
fn accuracy_counts_from_one_half_on() {
    let metrics = classes(&[0.5, 0.5 - f64::EPSILON], &[true, false]);
    let z2 = 1.959_963_984_540_054_f64 * 1.959_963_984_540_054;
    check(
        &metrics,
        "accuracy",
        [1.0, 2.0 / (2.0 + z2), 1.0],
        Method::Wilson,
    );
}

#[test]
fn what_is_not_defined_has_a_reason() {
    let none = classes(&[], &[]);
    for metric in ["accuracy", "log_loss", "roc_auc"] {
        check_undefined(&none, metric, Reason::NoRows);
    }
    let none = numbers(&[], &[]);
    for metric in ["mae", "r2", "rmse"] {
        check_undefined(&none, metric, Reason::NoRows);
    }
    check_undefined(
        &classes(&[0.5, 0.2], &[true, true]),
        "roc_auc",
        Reason::OneClass,
    );
    check_undefined(
        &numbers(&[1.0, 2.0], &[3.0, 3.0]),
        "r2",
        Reason::ConstantLabel,
    );
    check_undefined(
        &numbers(&[1e200, 0.0], &[-1e200, 3.0]),
        "rmse",
        Reason::OutOfRange,
    );
    // Its square root is an integer that canonical JSON would round.
    check_undefined(
        &numbers(&[1e17, 0.0], &[-1e17, 2e17]),
        "mae",
        Reason::OutOfRange,
    );
    let one = numbers(&[1.0], &[3.0]).overall["mae"];
    let bare = Estimate {
        value: Some(2.0),
        reason: Some(Reason::TooFewRows),
        ..one
    };
    assert_eq!((one, one.low, one.method), (bare, None, None));
    // In most replicates of two rows only one of them is drawn.
    let two = numbers(&[1.0, 2.5], &[1.0, 3.0]).overall["r2"];
    assert_eq!((two.reason, two.low), (Some(Reason::TooFewRows), None));
    let perfect = numbers(&[1.0, 2.0, 4.0], &[1.0, 2.0, 4.0]);
    check(&perfect, "rmse", [0.0, 0.0, 0.0], Method::Delta);
}

#[test]
fn slices_group_by_canonical_text_and_are_sorted() {
    let table = table(vec![
        ("y", booleans(&[true, false, true, false, true])),
        (
            "contract",
            strings(&[Some("b"), None, Some("a"), Some("b"), Some("a")]),
        ),
        (
            "senior",
            ColumnData::Integer(vec![Some(1), Some(0), Some(10), None, Some(10)]),
        ),
    ]);
    let lists: &[&[&str]] = &[&["senior"], &["contract"], &["contract", "senior"]];
    let metrics = measure(&classifier(), &[0.9, 0.2, 0.3, 0.4, 0.8], &table, lists);
    let found: Vec<_> = metrics
        .slices
        .iter()
        .map(|slice| (slice.name(), slice.rows, slice.positives.unwrap()))
        .collect();
    let expect = [
        ("contract=(missing)", 1, 0),
        ("contract=a", 2, 2),
        ("contract=b", 2, 1),
        ("contract=(missing), senior=0", 1, 0),
        ("contract=a, senior=10", 2, 2),
        ("contract=b, senior=(missing)", 1, 0),
        ("contract=b, senior=1", 1, 1),
        ("senior=(missing)", 1, 0),
        ("senior=0", 1, 0),
        ("senior=1", 1, 1),
        ("senior=10", 2, 2),
    ];
    let expect: Vec<_> = expect
        .map(|(name, rows, positives)| (name.to_owned(), rows, positives))
        .into();
    assert_eq!(found, expect);
    assert_eq!(metrics.slices[1].metrics["accuracy"].value, Some(0.5));
    assert_eq!(
        metrics.slices[1].metrics["roc_auc"].reason,
        Some(Reason::OneClass)
    );
    assert_eq!(metrics.slices[2].metrics["roc_auc"].value, Some(1.0));
}

#[test]
fn a_slice_of_everything_equals_the_whole() {
    let labels: Vec<f64> = (0..50).map(|i| f64::from(i * 7 % 11)).collect();
    let predictions: Vec<f64> = (0..50).map(|i| f64::from(i * 5 % 13)).collect();
    let table = table(vec![
        ("y", ColumnData::Float(labels)),
        ("k", strings(&[Some("k"); 50])),
    ]);
    let metrics = measure(&regressor(), &predictions, &table, &[&["k"]]);
    assert_eq!(metrics.slices[0].metrics, metrics.overall);
}

/// Raised only together with the operation's version.
#[test]
fn the_bits_of_version_1_are_kept() {
    let labels: Vec<f64> = (0..40).map(|i| f64::from(i * 7 % 11)).collect();
    let predictions: Vec<f64> = (0..40).map(|i| f64::from(i * 7 % 11 + i * 5 % 3)).collect();
    let positives: Vec<bool> = labels.iter().map(|&label| label > 5.0).collect();
    let probabilities: Vec<f64> = predictions.iter().map(|value| value / 13.0).collect();
    let found = [
        numbers(&predictions, &labels),
        classes(&probabilities, &positives),
    ]
    .map(|metrics| String::from_utf8(reproof_record::to_canonical(&metrics).unwrap()).unwrap());
    assert_eq!(
        found[0],
        include_str!("golden/regression_metrics.json").trim_end()
    );
    assert_eq!(
        found[1],
        include_str!("golden/classification_metrics.json").trim_end()
    );
}

#[test]
fn metrics_are_read_back_and_newer_ones_refused() {
    let metrics = classes(&[0.5, 0.2, 0.3], &[true, false, true]);
    let json = reproof_record::to_canonical(&metrics).unwrap();
    assert_eq!(serde_json::from_slice::<Metrics>(&json).unwrap(), metrics);
    let newer = String::from_utf8(json)
        .unwrap()
        .replace("metrics/1", "metrics/2");
    let error = serde_json::from_str::<Metrics>(&newer)
        .unwrap_err()
        .to_string();
    assert!(error.contains("not 'reproof.metrics/2'"), "{error}");
}

#[test]
fn a_slice_by_no_column_is_all_rows() {
    let model = classifier();
    let labels = table(vec![("y", booleans(&[true, false, true]))]);
    let found = evaluate(
        &model.target(),
        &predicted(&model, &[0.9, 0.6, 0.3]),
        &labels,
        &parameters(&model, &[&[]]),
        7,
        Threads::ONE,
    );
    let found = found.unwrap();
    assert_eq!(found.slices.len(), 1);
    assert_eq!(found.slices[0].rows, 3);
    assert_eq!(found.slices[0].metrics, found.overall);
}

#[test]
fn what_cannot_be_evaluated_is_an_error() {
    let model = classifier();
    let sound = table(vec![("y", booleans(&[true, false]))]);
    let run = |predictions: &[f64], table: &Table, parameters: &EvaluateParameters| {
        evaluate(
            &model.target(),
            &predicted(&model, predictions),
            table,
            parameters,
            7,
            Threads::ONE,
        )
        .unwrap_err()
    };
    let plain = parameters(&model, &[]);
    assert!(matches!(
        run(&[0.5], &sound, &plain),
        LearnError::Rows { .. }
    ));
    for bad in [f64::NAN, 1.5, -0.1] {
        let error = run(&[0.5, bad], &sound, &plain);
        assert!(matches!(error, LearnError::Prediction { row: 2, .. }));
    }
    let error = run(&[0.5, 0.5], &sound, &parameters(&model, &[&["z"]]));
    assert_eq!(
        error.to_string(),
        "there is no column 'z'; the columns are 'y'"
    );
    let error = run(&[0.5], &table(vec![("x", booleans(&[true]))]), &plain);
    assert!(matches!(error, LearnError::UnknownColumn { .. }));
    let error = run(
        &[0.5],
        &table(vec![("y", strings(&[Some("maybe")]))]),
        &plain,
    );
    assert!(matches!(error, LearnError::UnknownClass { row: 1, .. }));
    let error = run(&[0.5], &table(vec![("y", strings(&[None]))]), &plain);
    assert!(matches!(error, LearnError::MissingLabels { .. }));
    let mut unknown = plain;
    unknown.metrics.push("rmse".to_owned());
    assert_eq!(
        run(&[0.5, 0.5], &sound, &unknown).to_string(),
        "there is no metric 'rmse' for binary_classification; the metrics are accuracy, \
         balanced_accuracy, brier, f1, log_loss, pr_auc, precision, recall, roc_auc"
    );
    let many = ColumnData::Integer((0..10_001).map(Some).collect());
    let wide = table(vec![("y", booleans(&[true; 10_001])), ("id", many)]);
    let error = run(&vec![0.5; 10_001], &wide, &parameters(&model, &[&["id"]]));
    assert!(matches!(error, LearnError::TooManySlices { .. }));
}

/// The area by its definition, over all pairs, and DeLong's variance with it.
fn slow_area(scores: &[f64], positives: &[bool]) -> (f64, f64) {
    let of = |wanted: bool| -> Vec<f64> {
        let rows = scores.iter().zip(positives);
        rows.filter(|row| *row.1 == wanted)
            .map(|row| *row.0)
            .collect()
    };
    let (winners, losers) = (of(true), of(false));
    let wins = |a: f64, b: f64| f64::from(u8::from(a > b)) + 0.5 * f64::from(u8::from(a == b));
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let spread = |values: &[f64]| {
        let mean = mean(values);
        let squares = values.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>();
        squares / (values.len() as f64 - 1.0) / values.len() as f64
    };
    let over_losers = |&a: &f64| mean(&losers.iter().map(|&b| wins(a, b)).collect::<Vec<_>>());
    let over_winners = |&b: &f64| mean(&winners.iter().map(|&a| wins(a, b)).collect::<Vec<_>>());
    let v10: Vec<f64> = winners.iter().map(over_losers).collect();
    let v01: Vec<f64> = losers.iter().map(over_winners).collect();
    (mean(&v10), spread(&v10) + spread(&v01))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn the_area_equals_its_definition(
        rows in prop::collection::vec((0_u8..8, any::<bool>()), 4..40),
    ) {
        let mut rows = rows;
        for (row, positive) in rows.iter_mut().zip([true, true, false, false]) {
            row.1 = positive;
        }
        let scores: Vec<f64> = rows.iter().map(|row| f64::from(row.0) / 8.0).collect();
        let positives: Vec<bool> = rows.iter().map(|row| row.1).collect();
        let (area, variance) = slow_area(&scores, &positives);
        let estimate = classes(&scores, &positives).overall["roc_auc"];
        prop_assert!((estimate.value.unwrap() - area).abs() < 1e-14);
        if estimate.method == Some(Method::DelongLogit) {
            let logit = |p: f64| libm::log(p / (1.0 - p));
            let half = (logit(estimate.high.unwrap()) - logit(estimate.low.unwrap())) / 2.0;
            let expect = 1.959_963_984_540_054 * variance.sqrt() / (area * (1.0 - area));
            prop_assert!((half / expect - 1.0).abs() < 1e-9, "{} {}", half, expect);
        }
    }

    /// The heart: neither the number of threads nor the order of the rows changes a bit; the
    /// bootstrap's intervals are addressed by row, so they may move with the order alone.
    #[test]
    fn threads_and_row_order_change_no_bit(
        rows in prop::collection::vec((0.0_f64..1.0, any::<bool>(), -9.0_f64..9.0, 0_i64..3), 1..60),
        count in 2_usize..9,
        seed in any::<u64>(),
    ) {
        let run = |rows: &[(f64, bool, f64, i64)], count: usize| {
            let group = || ("g", ColumnData::Integer(rows.iter().map(|row| Some(row.3)).collect()));
            let probabilities: Vec<f64> = rows.iter().map(|row| row.0).collect();
            let flags: Vec<bool> = rows.iter().map(|row| row.1).collect();
            let labels = ColumnData::Float(rows.iter().map(|row| row.2).collect());
            let classes = table(vec![("y", booleans(&flags)), group()]);
            let numbers = table(vec![("y", labels), group()]);
            [(classifier(), classes), (regressor(), numbers)].map(|(model, table)| {
                let parameters = parameters(&model, &[&["g"]]);
                evaluate(&model.target(), &predicted(&model, &probabilities), &table, &parameters, seed, threads(count)).unwrap()
            })
        };
        let one = run(&rows, 1);
        prop_assert_eq!(&run(&rows, count), &one);
        let mut order: Vec<usize> = (0..rows.len()).collect();
        order.sort_by_key(|&row| reproof_table::random::u64_at(seed, 1, row as u64));
        let without_bootstrap = |metrics: [Metrics; 2]| {
            metrics.map(|mut metrics| {
                let slices = metrics.slices.iter_mut().map(|slice| &mut slice.metrics);
                for all in slices.chain([&mut metrics.overall]) {
                    if let Some(r2) = all.get_mut("r2") {
                        *r2 = Estimate { low: None, high: None, method: None, reason: None, ..*r2 };
                    }
                }
                metrics
            })
        };
        let other = run(&permuted(&rows, &order), count);
        prop_assert_eq!(without_bootstrap(other), without_bootstrap(one));
    }
}
