//! Gradient-boosted trees: the bits of version 1, and predictions for any number of threads.
#![allow(clippy::unwrap_used)]

mod common;

use common::{booleans, matrix, sample, threads};
use proptest::prelude::*;
use reproof_learn::{BoostingParameters, LearnError, Matrix, Model, Predictions, train_boosting};
use reproof_table::{ColumnData, Threads};
use serde_json::{Value, json};

fn parameters(changes: &Value) -> BoostingParameters {
    let mut parameters = json!({
        "task": "binary_classification",
        "label": {"column": "y"},
        "rounds": 2,
        "learning_rate": 0.3,
        "max_depth": 3,
        "max_leaves": 4,
        "min_rows": 5,
        "l2": 1.0,
        "min_gain": 0.0,
        "bins": 8,
        "row_fraction": 0.9,
        "column_fraction": 0.7,
        "early_stopping_rounds": null,
        "class_weights": null,
    });
    for (key, value) in changes.as_object().unwrap() {
        parameters[key] = value.clone();
    }
    serde_json::from_value(parameters).unwrap()
}

fn train(x: &Matrix, label: &ColumnData, changes: &Value) -> Result<Model, LearnError> {
    train_boosting(x, label, None, &parameters(changes), 42, Threads::ONE)
}

/// The sample's features, with every seventh value of one of them missing.
fn features() -> Matrix {
    let (x, _, _) = sample();
    let mut a = x.columns()[0].clone();
    for value in a.iter_mut().step_by(7) {
        *value = f64::NAN;
    }
    matrix(&[("a", &a), ("b", &x.columns()[1]), ("c", &x.columns()[2])])
}

/// The same and a feature of eleven categories, some of them missing, that say something of the
/// third.
fn with_categories() -> Matrix {
    let x = features();
    let codes: Vec<f64> = (0..x.rows())
        .map(
            |row| match (x.columns()[2][row] * 3.0).abs().floor() % 10.0 {
                _ if row % 9 == 4 => f64::NAN,
                code if row % 5 == 2 => 10.0 - code,
                code => (code * 7.0) % 11.0,
            },
        )
        .collect();
    let columns = x.columns();
    matrix(&[("a", &columns[0]), ("b", &columns[1]), ("d", &codes)])
}

fn texts() -> ColumnData {
    let (_, _, numbers) = sample();
    let class = |number: &f64| match *number {
        number if number < 6.0 => "low",
        number if number < 12.0 => "middle",
        _ => "high",
    };
    ColumnData::String(numbers.iter().map(|number| Some(class(number))).collect())
}

/// Raised only together with the operation's version.
#[test]
fn the_bits_of_version_1_are_kept() {
    let (_, classes, numbers) = sample();
    let check_on = |x: &Matrix, label: &ColumnData, changes: Value, golden: &str| {
        let model = train(x, label, &changes).unwrap();
        let json = String::from_utf8(model.to_json().unwrap()).unwrap();
        assert_eq!(json, golden.trim_end());
        assert_eq!(Model::from_json(json.as_bytes()).unwrap(), model);
    };
    let check = |label: &ColumnData, changes: Value, golden: &str| {
        check_on(&features(), label, changes, golden);
    };
    check(
        &booleans(&classes),
        json!({"class_weights": "balanced"}),
        include_str!("golden/boosted_binary.json"),
    );
    check(
        &texts(),
        json!({"task": "multiclass_classification", "rounds": 1}),
        include_str!("golden/boosted_multiclass.json"),
    );
    check(
        &ColumnData::Float(numbers.clone()),
        json!({"task": "regression", "row_fraction": 1.0}),
        include_str!("golden/boosted_regression.json"),
    );
    check_on(
        &with_categories(),
        &ColumnData::Float(numbers),
        json!({
            "task": "regression", "rounds": 3, "column_fraction": 1.0,
            "categorical": ["d"], "cat_smooth": 10.0, "cat_l2": 0.5,
        }),
        include_str!("golden/boosted_categories.json"),
    );
}

/// What the models of the golden files predict, by hand from their documents.
#[test]
fn a_prediction_is_what_the_format_page_says() {
    let golden = include_str!("golden/boosted_regression.json");
    check_predictions(&features(), golden.trim_end());
    let golden = include_str!("golden/boosted_categories.json");
    assert!(golden.contains("\"categories\":["));
    check_predictions(&with_categories(), golden.trim_end());
}

fn check_predictions(x: &Matrix, golden: &str) {
    let (model, document): (_, Value) = (
        Model::from_json(golden.as_bytes()).unwrap(),
        serde_json::from_str(golden).unwrap(),
    );
    let Predictions::Values(found) = model.predict(x, threads(3)).unwrap() else {
        panic!("values are wanted");
    };
    for (row, found) in found.iter().enumerate() {
        let mut score = document["base"][0].as_f64().unwrap();
        for tree in document["trees"].as_array().unwrap() {
            let mut place = 0;
            score += loop {
                let node = &tree[place];
                if let Some(value) = node["value"].as_f64() {
                    break value;
                }
                let value = x.columns()[node["feature"].as_u64().unwrap() as usize][row];
                let left = if value.is_nan() {
                    node["missing"] == "left"
                } else if let Some(categories) = node["categories"].as_array() {
                    categories.iter().any(|code| code.as_f64() == Some(value))
                } else {
                    value <= node["threshold"].as_f64().unwrap()
                };
                place = if left {
                    place + 1
                } else {
                    node["right"].as_u64().unwrap() as usize
                };
            };
        }
        assert_eq!(*found, score);
    }
}

#[test]
fn several_classes_where_two_are_wanted_are_explained() {
    let error = train(&features(), &texts(), &json!({})).unwrap_err();
    assert_eq!(
        error.to_string(),
        "label 'y' has 3 classes (\"high\", \"low\", \"middle\"): for more than two write `task: \
         multiclass_classification`"
    );
}

proptest! {
    #[test]
    fn threads_change_no_prediction(
        rows in prop::collection::vec((-9.0_f64..9.0, prop::option::of(-9.0_f64..9.0)), 1..50),
        count in 2_usize..9,
    ) {
        let model = train(&features(), &texts(), &json!({"task": "multiclass_classification"}));
        let model = model.unwrap();
        let a: Vec<f64> = rows.iter().map(|row| row.1.unwrap_or(f64::NAN)).collect();
        let b: Vec<f64> = rows.iter().map(|row| row.0).collect();
        let x = matrix(&[("a", &a), ("b", &b), ("c", &b)]);
        let one = model.predict(&x, Threads::ONE).unwrap();
        prop_assert_eq!(model.predict(&x, threads(count)).unwrap(), one);
    }
}
