//! Trainers: against scikit-learn, for any order of rows and number of threads, and in the cases
//! that have no answer.
#![allow(clippy::unwrap_used)]

mod common;

use common::{
    booleans, linear, logistic, logistic_parameters, matrix, permuted, sample, strings, threads,
};
use proptest::prelude::*;
use reproof_learn::{LearnError, Matrix, Model, train_linear, train_logistic};
use reproof_table::{ColumnData, Threads};
use serde_json::json;

fn check(model: &Model, coefficients: &[f64], intercept: f64) {
    let function = model.function().unwrap();
    let expected = coefficients.iter().chain([&intercept]);
    let found = function
        .coefficients()
        .iter()
        .chain([function.intercept()].iter())
        .copied()
        .collect::<Vec<_>>();
    for (found, expected) in found.iter().zip(expected) {
        assert!(
            (found - expected).abs() < 1e-9,
            "{found} where {expected} is expected"
        );
    }
}

/// `LogisticRegression(C=1/l2, solver="newton-cholesky", tol=1e-12)` of scikit-learn 1.9.1.
#[test]
fn logistic_regression_agrees_with_scikit_learn() {
    let (x, y, _) = sample();
    check(
        &logistic(&x, &y, 0.0).unwrap(),
        &[
            -0.005_730_589_950_706_397,
            -0.259_023_126_907_693_9,
            -0.017_750_464_095_491_365,
        ],
        1.007_951_897_958_209_8,
    );
    check(
        &logistic(&x, &y, 0.5).unwrap(),
        &[
            -0.005_779_625_869_778_706,
            -0.255_492_409_904_549_2,
            -0.017_589_600_872_531_263,
        ],
        0.998_521_118_850_977_5,
    );
    check(
        &logistic(&x, &y, 30.0).unwrap(),
        &[
            -0.004_499_724_707_951_972,
            -0.143_466_557_126_755_55,
            -0.011_961_496_072_424_981,
        ],
        0.702_599_153_951_014_6,
    );
}

/// `Ridge(alpha=l2, solver="svd")` of scikit-learn 1.9.1.
#[test]
fn linear_regression_agrees_with_scikit_learn() {
    let (x, _, y) = sample();
    check(
        &linear(&x, &y, 0.0).unwrap(),
        &[
            -0.937_099_014_665_696_9,
            -0.090_280_715_908_345_74,
            -0.090_104_695_212_616_76,
        ],
        8.962_388_346_939_505,
    );
    check(
        &linear(&x, &y, 0.5).unwrap(),
        &[
            -0.928_106_367_167_819,
            -0.090_301_303_927_735_71,
            -0.089_637_725_230_809_94,
        ],
        8.963_216_497_899_237,
    );
    check(
        &linear(&x, &y, 30.0).unwrap(),
        &[
            -0.592_732_306_342_924,
            -0.085_776_372_847_112_44,
            -0.071_262_531_865_253_9,
        ],
        8.981_287_120_532_759,
    );
}

/// Raised only together with the operation's version.
#[test]
fn the_bits_of_version_1_are_kept() {
    let (x, classes, numbers) = sample();
    let model = logistic(&x, &classes, 0.5).unwrap();
    check_golden(&model, include_str!("golden/logistic.json"));
    check_golden(
        &linear(&x, &numbers, 0.5).unwrap(),
        include_str!("golden/linear.json"),
    );
}

fn check_golden(model: &Model, golden: &str) {
    let json = String::from_utf8(model.to_json().unwrap()).unwrap();
    assert_eq!(json, golden.trim_end());
}

#[test]
fn features_far_from_zero_lose_no_digits() {
    let (_, y, numbers) = sample();
    let near: Vec<f64> = (0..60).map(|i| f64::from(i * 7 % 13)).collect();
    let far: Vec<f64> = near.iter().map(|value| value + 1e9).collect();
    let (near, far) = (matrix(&[("a", &near)]), matrix(&[("a", &far)]));
    for (one, other) in [
        (logistic(&near, &y, 0.0), logistic(&far, &y, 0.0)),
        (linear(&near, &numbers, 0.0), linear(&far, &numbers, 0.0)),
    ] {
        let (one, other) = (one.unwrap(), other.unwrap());
        let (one, other) = (
            one.function().unwrap().coefficients()[0],
            other.function().unwrap().coefficients()[0],
        );
        assert!((one - other).abs() < 1e-12 * one.abs(), "{one} {other}");
    }
}

#[test]
fn without_features_the_intercept_is_the_log_odds_or_the_mean() {
    let none = Matrix::new(4, vec![]).unwrap();
    let model = logistic(&none, &[true, false, false, false], 1.0).unwrap();
    assert!((model.function().unwrap().intercept() + libm::log(3.0)).abs() < 1e-12);
    let model = linear(&none, &[1.0, 2.0, 3.0, 6.0], 1.0).unwrap();
    assert_eq!(model.function().unwrap().intercept(), 3.0);
}

#[test]
fn collinear_and_constant_features_need_a_penalty() {
    let (x, y, numbers) = sample();
    let [a, b, _] = [0, 1, 2].map(|index| x.columns()[index].clone());
    let both: Vec<f64> = a.iter().zip(&b).map(|(a, b)| a + 2.0 * b + 1.0).collect();
    let constant = vec![0.1; a.len()];
    let cases = [
        (matrix(&[("a", &a), ("b", &b), ("both", &both)]), "both"),
        (matrix(&[("a", &a), ("constant", &constant)]), "constant"),
    ];
    for (x, name) in cases {
        for error in [
            logistic(&x, &y, 0.0).unwrap_err(),
            linear(&x, &numbers, 0.0).unwrap_err(),
        ] {
            assert_eq!(
                error.to_string(),
                format!(
                    "feature '{name}' is constant, or a linear combination of the features before \
                     it, so its coefficient is not determined without a penalty: give `l2` more \
                     than 0, or leave the feature out"
                )
            );
        }
        logistic(&x, &y, 1e-6).unwrap();
        linear(&x, &numbers, 1e-6).unwrap();
    }
    let constant = matrix(&[("constant", &constant)]);
    assert_eq!(
        logistic(&constant, &y, 1.0)
            .unwrap()
            .function()
            .unwrap()
            .coefficients(),
        [0.0]
    );
    let few = matrix(&[("a", &[1.0, 2.0]), ("b", &[1.0, 5.0])]);
    assert!(
        matches!(linear(&few, &[1.0, 2.0], 0.0), Err(LearnError::Collinear { column }) if column == "b")
    );
}

#[test]
fn separated_classes_need_a_penalty() {
    let whole = matrix(&[("a", &[1.0, 2.0, 3.0, 4.0])]);
    let y = [false, false, true, true];
    assert!(matches!(
        logistic(&whole, &y, 0.0),
        Err(LearnError::Separated)
    ));
    // Both classes share a value, but a coefficient without end still fits best.
    let partly = matrix(&[("a", &[1.0, 2.0, 2.0, 3.0, 1.0, 3.0])]);
    let y = [false, false, true, true, false, true];
    assert!(matches!(
        logistic(&partly, &y, 0.0),
        Err(LearnError::Separated | LearnError::NotConverged { .. })
    ));
    for l2 in [1e-8, 1e-3, 1.0, 1e6] {
        logistic(&whole, &[false, false, true, true], l2).unwrap();
        logistic(&partly, &y, l2).unwrap();
    }
}

#[test]
fn a_model_that_has_not_converged_is_an_error() {
    let (x, y, _) = sample();
    let mut parameters = logistic_parameters(1.0);
    parameters.max_iterations = 1;
    let error = train_logistic(&x, &booleans(&y), &parameters, Threads::ONE).unwrap_err();
    let text = error.to_string();
    assert!(
        text.starts_with("training has not converged after 1 iterations"),
        "{text}"
    );
    assert!(text.contains("raise `max_iterations`"), "{text}");
}

#[test]
fn wild_scales_still_converge() {
    let (x, y, _) = sample();
    let scaled: Vec<(String, Vec<f64>)> = x
        .names()
        .iter()
        .zip(x.columns())
        .zip([1e-6, 1.0, 1e7])
        .map(|((name, column), scale)| (name.clone(), column.iter().map(|v| v * scale).collect()))
        .collect();
    let scaled = Matrix::new(x.rows(), scaled).unwrap();
    let (one, other) = (
        logistic(&x, &y, 0.0).unwrap(),
        logistic(&scaled, &y, 0.0).unwrap(),
    );
    for ((one, other), scale) in one
        .function()
        .unwrap()
        .coefficients()
        .iter()
        .zip(other.function().unwrap().coefficients())
        .zip([1e-6, 1.0, 1e7])
    {
        assert!((one - other * scale).abs() < 1e-10, "{one} {other}");
    }
    let huge = matrix(&[("a", &[1e200, -1e200, 1.0]), ("b", &[1.0, 2.0, 5.0])]);
    let error = logistic(&huge, &[true, false, true], 1.0).unwrap_err();
    assert!(matches!(error, LearnError::Overflow { .. }), "{error}");
}

#[test]
fn parameters_and_labels_are_checked() {
    let (x, y, _) = sample();
    for bad in [
        json!({"l2": -1.0}),
        json!({"tolerance": 0.0}),
        json!({"max_iterations": 0}),
    ] {
        let mut parameters = serde_json::to_value(logistic_parameters(1.0)).unwrap();
        parameters
            .as_object_mut()
            .unwrap()
            .extend(bad.as_object().unwrap().clone());
        let parameters = serde_json::from_value(parameters).unwrap();
        let error = train_logistic(&x, &booleans(&y), &parameters, Threads::ONE).unwrap_err();
        assert!(matches!(error, LearnError::Parameter { .. }), "{error}");
    }
    let error = train_logistic(
        &x,
        &booleans(&y[1..]),
        &logistic_parameters(1.0),
        Threads::ONE,
    );
    assert!(matches!(error, Err(LearnError::Rows { .. })));
    let error = linear(&Matrix::new(0, vec![]).unwrap(), &[], 1.0);
    assert!(matches!(error, Err(LearnError::NoRows)));
    let parameters = serde_json::from_value(json!({"label": {"column": "y"}, "l2": 1})).unwrap();
    let error = train_linear(&x, &strings(&[Some("a"); 60]), &parameters, Threads::ONE);
    assert!(matches!(error, Err(LearnError::LabelType { .. })));
    let unknown = json!({"label": {"column": "y"}, "l2": 1, "alpha": 1});
    assert!(serde_json::from_value::<reproof_learn::LinearParameters>(unknown).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// The heart: neither the number of threads nor the order of the rows changes a bit.
    #[test]
    fn threads_and_row_order_change_no_bit(
        rows in prop::collection::vec((-3.0_f64..3.0, -1e4_f64..1e4, any::<bool>()), 8..60),
        count in 2_usize..9,
        l2 in prop_oneof![Just(0.01), Just(1.0), Just(50.0)],
        seed in any::<u64>(),
    ) {
        let mut order: Vec<usize> = (0..rows.len()).collect();
        order.sort_by_key(|&row| reproof_table::random::u64_at(seed, 0, row as u64));
        let train = |rows: &[(f64, f64, bool)], count| {
            let a: Vec<f64> = rows.iter().map(|row| row.0).collect();
            let b: Vec<f64> = rows.iter().map(|row| row.1).collect();
            let x = matrix(&[("a", &a), ("b", &b)]);
            let mut y: Vec<bool> = rows.iter().map(|row| row.2).collect();
            let numbers = ColumnData::Float(rows.iter().map(|row| row.0 * 2.0 - row.1).collect());
            if y.iter().all(|&one| one == y[0]) {
                // Two classes are needed; this choice does not depend on the order.
                y = a.iter().map(|&one| one > a.iter().copied().fold(f64::INFINITY, f64::min)).collect();
            }
            let linear = serde_json::from_value(json!({"label": {"column": "y"}, "l2": l2})).unwrap();
            let logistic = logistic_parameters(l2);
            let models = [
                train_logistic(&x, &booleans(&y), &logistic, threads(count)).unwrap(),
                train_linear(&x, &numbers, &linear, threads(count)).unwrap(),
            ];
            models.map(|model| model.to_json().unwrap())
        };
        let one = train(&rows, 1);
        prop_assert_eq!(&train(&rows, count), &one);
        prop_assert_eq!(&train(&permuted(&rows, &order), count), &one);
    }
}

/// Beyond a bound the equations of a regression would need hours and gigabytes: that is refused
/// before it begins, with what to do instead.
#[test]
fn a_regression_on_too_many_features_is_refused() {
    let features = |count: usize| {
        let named = (0..count).map(|index| (format!("f{index}"), vec![0.0, 1.0]));
        Matrix::new(2, named.collect()).unwrap()
    };
    let labels = booleans(&[false, true]);
    let refused = train_logistic(
        &features(4097),
        &labels,
        &logistic_parameters(1.0),
        Threads::ONE,
    );
    assert!(matches!(
        refused,
        Err(LearnError::TooManyFeatures { found: 4097, .. })
    ));
}
