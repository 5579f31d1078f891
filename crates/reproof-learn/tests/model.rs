//! Models: prediction, and reading and writing them.
#![allow(clippy::unwrap_used)]

mod common;

use common::{linear, logistic, matrix, sample, threads};
use proptest::prelude::*;
use reproof_learn::{LearnError, Metrics, Model, Predictions, Task};
use reproof_table::Threads;
use serde_json::{Value, json};

#[test]
fn models_are_read_back_as_they_were() {
    let (x, classes, numbers) = sample();
    for model in [
        logistic(&x, &classes, 1.0).unwrap(),
        linear(&x, &numbers, 1.0).unwrap(),
    ] {
        let json = model.to_json().unwrap();
        assert_eq!(Model::from_json(&json).unwrap(), model);
        // As the engine reads it.
        assert_eq!(serde_json::from_slice::<Model>(&json).unwrap(), model);
    }
}

fn refused(change: impl Fn(&mut Value)) -> String {
    let (x, classes, _) = sample();
    let model = logistic(&x, &classes, 1.0).unwrap();
    let mut document = serde_json::to_value(model).unwrap();
    change(&mut document);
    let bytes = reproof_record::canonical_json(&document).unwrap();
    Model::from_json(&bytes).unwrap_err().to_string()
}

#[test]
fn documents_that_are_no_model_are_refused() {
    let newer = refused(|document| document["format"] = json!("reproof.model/2"));
    assert!(newer.contains("its format is 'reproof.model/2'"), "{newer}");
    refused(|document| document["task"] = json!("regression"));
    refused(|document| document["converged"] = json!(false));
    refused(|document| document["operation"] = json!("train_logistic_regression@2"));
    refused(|document| document["coefficients"] = json!([1.0]));
    refused(|document| document["coefficients"][0] = json!(null));
    refused(|document| document["features"][0] = json!("b"));
    refused(|document| document["label"]["negative"] = document["label"]["positive"].clone());
    refused(|document| document["more"] = json!(1));
    assert!(Model::from_json(b"{}").is_err());
    let (x, classes, _) = sample();
    let mut spaced = logistic(&x, &classes, 1.0).unwrap().to_json().unwrap();
    spaced.push(b'\n');
    assert!(Model::from_json(&spaced).is_err());
}

fn fixed(task: Task, coefficients: &[f64], intercept: f64) -> Model {
    let names: Vec<String> = (0..coefficients.len()).map(|i| format!("f{i}")).collect();
    let mut document = json!({
        "format": "reproof.model/1",
        "task": task,
        "operation": "train_linear_regression@1",
        "label": {"column": "y"},
        "features": names,
        "coefficients": coefficients,
        "intercept": intercept,
        "l2": 1.0,
    });
    if task == Task::BinaryClassification {
        document["operation"] = json!("train_logistic_regression@1");
        document["label"] = json!({"column": "y", "negative": false, "positive": true});
        document["iterations"] = json!(5);
        document["converged"] = json!(true);
    }
    serde_json::from_value(document).unwrap()
}

#[test]
fn predictions_are_values_or_probabilities() {
    let x = matrix(&[("f0", &[1.0, -1.0, 0.0]), ("f1", &[2.0, 0.5, -0.0])]);
    let model = fixed(Task::Regression, &[3.0, -2.0], 0.5);
    assert_eq!(
        model.predict(&x, Threads::ONE).unwrap(),
        Predictions::Values(vec![-0.5, -3.5, 0.5])
    );
    let model = fixed(Task::BinaryClassification, &[1000.0, 0.0], 0.0);
    assert_eq!(
        model.predict(&x, Threads::ONE).unwrap(),
        Predictions::Probabilities(vec![1.0, 0.0, 0.5])
    );
    let model = fixed(Task::Regression, &[0.0, -0.0], -0.0);
    let zeros = model.predict(&x, Threads::ONE).unwrap();
    let zeros = zeros.single().unwrap();
    assert!(zeros.iter().all(|zero| zero.to_bits() == 0));
}

#[test]
fn other_features_are_refused_by_name() {
    let model = fixed(Task::Regression, &[3.0, -2.0], 0.5);
    let check = |columns: &[(&str, &[f64])], expect: &str| {
        let error = model.predict(&matrix(columns), Threads::ONE).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("the features are not the model's: {expect}")
        );
    };
    check(&[("f0", &[1.0])], "'f1' is missing");
    check(
        &[("f0", &[1.0]), ("f1", &[1.0]), ("g", &[1.0])],
        "the model does not know 'g'",
    );
    check(
        &[("f1", &[1.0]), ("f0", &[1.0])],
        "they come in another order",
    );
    check(
        &[("f0", &[1.0]), ("h", &[1.0])],
        "'f1' is missing, and the model does not know 'h'",
    );
    let far = matrix(&[("f0", &[1.0, f64::MAX]), ("f1", &[1.0, 1.0])]);
    let error = model.predict(&far, Threads::ONE).unwrap_err();
    assert!(matches!(error, LearnError::Prediction { row: 2, .. }));
}

proptest! {
    #[test]
    fn threads_change_no_prediction(
        rows in prop::collection::vec((-9.0_f64..9.0, -9.0_f64..9.0), 1..50),
        count in 2_usize..9,
    ) {
        let a: Vec<f64> = rows.iter().map(|row| row.0).collect();
        let b: Vec<f64> = rows.iter().map(|row| row.1).collect();
        let x = matrix(&[("f0", &a), ("f1", &b)]);
        let model = fixed(Task::BinaryClassification, &[0.7, -1.3], 0.1);
        let one = model.predict(&x, Threads::ONE).unwrap();
        prop_assert_eq!(model.predict(&x, threads(count)).unwrap(), one);
    }
}

/// The documents in the page on the formats are what it says they are.
#[test]
fn the_documents_of_the_format_page_are_sound() {
    let page = include_str!("../../../docs/formats/model.md");
    let blocks = page.split("```json\n").skip(1);
    let documents = blocks.map(|block| block.split("```").next().unwrap());
    let mut formats = Vec::new();
    for document in documents {
        let value: Value = serde_json::from_str(document).unwrap();
        let bytes = reproof_record::canonical_json(&value).unwrap();
        let format = value["format"].as_str().unwrap().to_owned();
        match format.as_str() {
            Model::FORMAT | Model::FORMAT_2 => {
                assert_eq!(Model::from_json(&bytes).unwrap().to_json().unwrap(), bytes);
            }
            Metrics::FORMAT => {
                let metrics: Metrics = serde_json::from_slice(&bytes).unwrap();
                assert_eq!(reproof_record::to_canonical(&metrics).unwrap(), bytes);
            }
            other => panic!("{other}"),
        }
        formats.push(format);
    }
    assert_eq!(
        formats,
        [
            Model::FORMAT,
            Model::FORMAT,
            Model::FORMAT,
            Model::FORMAT_2,
            Metrics::FORMAT
        ]
    );
}
