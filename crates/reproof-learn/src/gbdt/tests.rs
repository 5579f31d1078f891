//! Same bits for any number of threads, any order of rows and any memory; and that trees learn what
//! they should.

use std::num::NonZeroUsize;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::predictions::Predictions;

pub(super) fn matrix(columns: &[(&str, Vec<f64>)]) -> Matrix {
    let rows = columns.first().map_or(0, |(_, values)| values.len());
    let named = columns
        .iter()
        .map(|(name, values)| ((*name).to_owned(), values.clone()));
    Matrix::new(rows, named.collect()).unwrap()
}

/// Parameters with some changed.
#[allow(clippy::needless_pass_by_value)]
pub(super) fn parameters(task: &str, changes: Value) -> BoostingParameters {
    let mut parameters = json!({
        "task": task,
        "label": {"column": "y"},
        "rounds": 10,
        "learning_rate": 0.3,
        "max_depth": 4,
        "max_leaves": null,
        "min_rows": 1,
        "l2": 1.0,
        "min_gain": 0.0,
        "bins": 16,
        "row_fraction": 1.0,
        "column_fraction": 1.0,
        "early_stopping_rounds": null,
        "class_weights": null,
    });
    for (key, value) in changes.as_object().unwrap() {
        parameters[key] = value.clone();
    }
    serde_json::from_value(parameters).unwrap()
}

pub(super) fn fitted(
    x: &Matrix,
    label: &ColumnData,
    parameters: &BoostingParameters,
) -> BoostedModel {
    train(x, label, None, parameters, 1, Threads::ONE, None).unwrap()
}

pub(super) fn threads(count: usize) -> Threads {
    Threads::new(NonZeroUsize::new(count).unwrap())
}

pub(super) fn values(model: &BoostedModel, x: &Matrix) -> Vec<f64> {
    let predictions = model.predict(x, Threads::ONE).unwrap();
    predictions.single().unwrap().to_vec()
}

/// Rows of three features, one of them often missing, and labels for every task.
#[derive(Clone, Debug)]
struct Rows {
    columns: [Vec<f64>; 3],
    numbers: Vec<f64>,
    booleans: Vec<Option<bool>>,
    texts: Vec<&'static str>,
}

impl Rows {
    fn matrix(&self) -> Matrix {
        let [a, b, c] = self.columns.clone();
        matrix(&[("a", a), ("b", b), ("c", c)])
    }

    fn label(&self, task: &str) -> ColumnData {
        match task {
            "regression" => ColumnData::Float(self.numbers.clone()),
            "binary_classification" => ColumnData::Boolean(self.booleans.clone()),
            _ => ColumnData::String(self.texts.iter().map(|text| Some(*text)).collect()),
        }
    }

    fn permuted(&self, order: &[usize]) -> Self {
        fn take<T: Clone>(values: &[T], order: &[usize]) -> Vec<T> {
            order.iter().map(|&row| values[row].clone()).collect()
        }
        Self {
            columns: [0, 1, 2].map(|column| take(&self.columns[column], order)),
            numbers: take(&self.numbers, order),
            booleans: take(&self.booleans, order),
            texts: take(&self.texts, order),
        }
    }
}

fn rows() -> impl Strategy<Value = (Rows, Vec<usize>)> {
    let row = (
        -3.0_f64..3.0,
        prop_oneof![Just(f64::NAN), -1.0_f64..1.0, Just(0.0)],
        0..4_u8,
        -1.0_f64..1.0,
    );
    prop::collection::vec(row, 8..150).prop_flat_map(|rows| {
        let columns = [
            rows.iter().map(|row| row.0).collect(),
            rows.iter().map(|row| row.1).collect(),
            rows.iter().map(|row| f64::from(row.2)).collect(),
        ];
        let score = |row: &(f64, f64, u8, f64)| {
            row.0 + if row.1.is_nan() { 2.0 } else { row.1 } * f64::from(row.2) + row.3
        };
        let numbers: Vec<f64> = rows.iter().map(score).collect();
        // Both classes, and all three, are there whatever was drawn.
        let class = |place: usize, number: &f64| {
            if place < 3 {
                place
            } else {
                usize::from(*number > 0.5) + usize::from(*number > 1.5)
            }
        };
        let classes: Vec<usize> = numbers
            .iter()
            .enumerate()
            .map(|(place, number)| class(place, number))
            .collect();
        let order: Vec<usize> = (0..rows.len()).collect();
        let rows = Rows {
            columns,
            booleans: classes.iter().map(|class| Some(*class > 0)).collect(),
            texts: classes
                .iter()
                .map(|class| ["x", "y", "z"][*class])
                .collect(),
            numbers,
        };
        (Just(rows), Just(order).prop_shuffle())
    })
}

const TASKS: [&str; 3] = [
    "regression",
    "binary_classification",
    "multiclass_classification",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn threads_order_and_memory_change_no_bit(
        (rows, order) in rows(),
        task in prop::sample::select(&TASKS[..]),
        count in 2_usize..5,
        leaves in prop::option::of(2_u32..9),
        depth in 1_u32..6,
        balanced in any::<bool>(),
    ) {
        let weights = (balanced && task != "regression").then_some("balanced");
        let parameters = parameters(task, json!({
            "rounds": 4, "max_leaves": leaves, "max_depth": depth, "class_weights": weights,
            "column_fraction": 0.7,
        }));
        let (x, label) = (rows.matrix(), rows.label(task));
        let one = train(&x, &label, None, &parameters, 7, Threads::ONE, None).unwrap();
        let many = train(&x, &label, None, &parameters, 7, threads(count), Some((count, false)));
        prop_assert_eq!(&many.unwrap(), &one);
        let spare = train(&x, &label, None, &parameters, 7, threads(count), Some((count, true)));
        prop_assert_eq!(&spare.unwrap(), &one);
        let permuted = rows.permuted(&order);
        let (x, label) = (permuted.matrix(), permuted.label(task));
        let other = train(&x, &label, None, &parameters, 7, Threads::ONE, None).unwrap();
        prop_assert_eq!(other, one);
    }

    #[test]
    fn sampling_and_stopping_do_not_depend_on_threads(
        (rows, _) in rows(),
        task in prop::sample::select(&TASKS[..]),
        count in 2_usize..5,
    ) {
        let parameters = parameters(task, json!({
            "rounds": 12, "row_fraction": 0.6, "early_stopping_rounds": 2,
        }));
        let (x, label) = (rows.matrix(), rows.label(task));
        let eval = Some((&x, &label));
        let one = train(&x, &label, eval, &parameters, 7, Threads::ONE, None).unwrap();
        let many = train(&x, &label, eval, &parameters, 7, threads(count), Some((count, false)));
        prop_assert_eq!(many.unwrap(), one);
    }

    #[test]
    fn a_document_gives_the_model_back((rows, _) in rows(), task in prop::sample::select(&TASKS[..])) {
        let model = fitted(&rows.matrix(), &rows.label(task), &parameters(task, json!({"rounds": 3})));
        let model = Model::Boosted(model);
        let json = model.to_json().unwrap();
        prop_assert_eq!(Model::from_json(&json).unwrap(), model);
    }
}

#[test]
fn a_tree_learns_what_no_line_can() {
    let a: Vec<f64> = (0..40).map(|row| f64::from(row % 2)).collect();
    let b: Vec<f64> = (0..40).map(|row| f64::from(row / 2 % 2)).collect();
    // Not quite balanced, so that the first split has a gain.
    let label = (0..40)
        .map(|row| Some(row == 3 || (row % 2 == 0) != (row / 2 % 2 == 0)))
        .collect();
    let x = matrix(&[("a", a.clone()), ("b", b.clone())]);
    let label = ColumnData::Boolean(label);
    let model = fitted(
        &x,
        &label,
        &parameters(
            "binary_classification",
            json!({"max_depth": 2, "rounds": 30}),
        ),
    );
    let probabilities = values(&model, &x);
    for row in 0..40 {
        assert_eq!(probabilities[row] > 0.5, a[row] != b[row], "{row}");
    }
}

#[test]
fn one_full_step_without_penalty_gives_the_means_of_the_leaves() {
    let x = matrix(&[("a", vec![1.0, 2.0, 3.0, 4.0, f64::NAN, f64::NAN])]);
    let label = ColumnData::Float(vec![1.0, 1.0, 5.0, 7.0, 20.0, 22.0]);
    let changes =
        json!({"learning_rate": 1.0, "rounds": 1, "l2": 0.0, "max_depth": 2, "max_leaves": 3});
    let model = fitted(&x, &label, &parameters("regression", changes));
    let found = values(&model, &x);
    for (found, expect) in found.iter().zip([1.0, 1.0, 6.0, 6.0, 21.0, 21.0]) {
        assert!((found - expect).abs() < 1e-6, "{found} {expect}");
    }
    let importance = model.importance();
    assert_eq!(importance.count, [2]);
    // Half the squared error before, less that after.
    let before = [1.0, 1.0, 5.0, 7.0, 20.0, 22.0].map(|y: f64| (y - 56.0 / 6.0) * (y - 56.0 / 6.0));
    let gain = (before.iter().sum::<f64>() - 4.0) / 2.0;
    assert!((importance.gain[0] / gain - 1.0).abs() < 1e-6);
}

#[test]
fn without_splits_the_base_is_predicted() {
    let x = matrix(&[("a", vec![1.0; 4])]);
    let label = ColumnData::Float(vec![1.0, 2.0, 3.0, 6.0]);
    let model = fitted(&x, &label, &parameters("regression", json!({})));
    assert!(
        values(&model, &x)
            .iter()
            .all(|value| (value - 3.0).abs() < 1e-8)
    );
    let none = Matrix::new(4, vec![]).unwrap();
    let label = ColumnData::Boolean(vec![Some(true), Some(true), Some(true), Some(false)]);
    let model = fitted(
        &none,
        &label,
        &parameters("binary_classification", json!({})),
    );
    assert!(
        values(&model, &none)
            .iter()
            .all(|p| (p - 0.75).abs() < 1e-8)
    );
}

#[test]
fn probabilities_of_several_classes_sum_to_one() {
    let a: Vec<f64> = (0..60).map(|row| f64::from(row % 3)).collect();
    let label = (0..60).map(|row| Some(["x", "y", "z"][row % 3])).collect();
    let x = matrix(&[("a", a)]);
    let task = "multiclass_classification";
    let model = fitted(&x, &ColumnData::String(label), &parameters(task, json!({})));
    let Predictions::Classes(classes) = model.predict(&x, threads(2)).unwrap() else {
        panic!("classes are wanted");
    };
    for row in 0..60 {
        let sum: f64 = classes.columns().iter().map(|column| column[row]).sum();
        assert!((sum - 1.0).abs() < 1e-12);
        assert!(classes.columns()[row % 3][row] > 0.9);
    }
}

#[test]
fn training_stops_when_the_eval_part_gets_no_better() {
    // The label is noise in both parts.
    let noise = |stream, row| reproof_table::random::unit_at(3, stream, row);
    let part = |stream| {
        let a = (0..200).map(|row| noise(stream, row)).collect();
        let label = (0..200).map(|row| noise(stream + 1, row)).collect();
        (matrix(&[("a", a)]), ColumnData::Float(label))
    };
    let ((x, label), (eval_x, eval_label)) = (part(0), part(2));
    let changes = json!({"rounds": 200, "early_stopping_rounds": 3});
    let parameters = parameters("regression", changes);
    let eval = Some((&eval_x, &eval_label));
    let model = train(&x, &label, eval, &parameters, 1, Threads::ONE, None).unwrap();
    assert!(model.rounds() < 20, "{}", model.rounds());
    let error = train(&x, &label, None, &parameters, 1, Threads::ONE, None).unwrap_err();
    assert!(matches!(error, LearnError::NoStoppingPart));
}

#[test]
fn weights_move_probabilities_and_unknown_classes_are_refused() {
    let x = matrix(&[("a", (0..100).map(f64::from).collect())]);
    let label = ColumnData::Boolean((0..100).map(|row| Some(row % 10 == 0)).collect());
    let weighed = |weights: Value| {
        let changes = json!({"class_weights": weights, "min_rows": 50, "rounds": 1});
        let parameters = parameters("binary_classification", changes);
        train(&x, &label, None, &parameters, 1, Threads::ONE, None)
    };
    let mean = |model: &BoostedModel| values(model, &x).iter().sum::<f64>() / 100.0;
    assert!((mean(&weighed(json!(null)).unwrap()) - 0.1).abs() < 0.01);
    assert!((mean(&weighed(json!("balanced")).unwrap()) - 0.5).abs() < 0.01);
    assert!((mean(&weighed(json!({"true": 9.0})).unwrap()) - 0.5).abs() < 0.01);
    let error = weighed(json!({"yes": 2.0})).unwrap_err();
    assert!(matches!(error, LearnError::UnknownWeight { .. }), "{error}");
}

#[test]
fn limits_of_a_tree_hold() {
    let x = matrix(&[("a", (0..256).map(f64::from).collect())]);
    let label = ColumnData::Float((0..256).map(|row| f64::from(row * row)).collect());
    let changes =
        json!({"bins": 255, "max_depth": 6, "max_leaves": 11, "min_rows": 7, "rounds": 5});
    let model = fitted(&x, &label, &parameters("regression", changes));
    for tree in model.trees() {
        let leaves = tree.nodes.iter().filter_map(|node| match node {
            TreeNode::Leaf { rows, .. } => Some(*rows),
            TreeNode::Split { .. } => None,
        });
        let leaves: Vec<u64> = leaves.collect();
        assert_eq!(leaves.len(), 11);
        assert_eq!(leaves.iter().sum::<u64>(), 256);
        assert!(leaves.iter().all(|rows| *rows >= 7));
    }
}

#[test]
fn out_of_range_is_refused_by_name() {
    let x = matrix(&[("a", vec![1.0, 2.0])]);
    let label = ColumnData::Float(vec![1.0, 2.0]);
    let check = |changes: Value, expect: &str| {
        let parameters = parameters("regression", changes);
        let error = train(&x, &label, None, &parameters, 1, Threads::ONE, None).unwrap_err();
        assert_eq!(error.to_string(), expect);
    };
    check(
        json!({"rounds": 0}),
        "`rounds` is 0: 1 to 100000 are possible",
    );
    check(
        json!({"learning_rate": 0.0}),
        "`learning_rate` is 0: a number above 0 and up to 1 is needed",
    );
    check(json!({"bins": 256}), "`bins` is 256: 2 to 255 are possible");
    check(
        json!({"max_depth": 31}),
        "`max_depth` is 31: 1 to 30 are possible",
    );
    check(
        json!({"class_weights": "balanced"}),
        "`class_weights` is given: a regression has no classes",
    );
    let huge = ColumnData::Float(vec![1e200, 0.0]);
    let error = train(
        &x,
        &huge,
        None,
        &parameters("regression", json!({})),
        1,
        Threads::ONE,
        None,
    );
    assert!(matches!(error.unwrap_err(), LearnError::Overflow { .. }));
}

#[test]
fn damaged_documents_are_refused() {
    let x = matrix(&[("a", (0..50).map(f64::from).collect())]);
    let label = ColumnData::Float((0..50).map(|row| f64::from(row % 7)).collect());
    let model = Model::Boosted(fitted(
        &x,
        &label,
        &parameters("regression", json!({"rounds": 2})),
    ));
    let sound: Value = serde_json::from_slice(&model.to_json().unwrap()).unwrap();
    let refused = |change: &dyn Fn(&mut Value)| {
        let mut document = sound.clone();
        change(&mut document);
        let error = serde_json::from_value::<Model>(document).unwrap_err();
        assert!(!error.to_string().is_empty());
    };
    refused(&|document| document["format"] = json!("reproof.model/2"));
    refused(&|document| document["task"] = json!("binary_classification"));
    refused(&|document| document["base"] = json!([]));
    refused(&|document| document["trees"][0] = json!([]));
    refused(&|document| document["trees"][0][0]["right"] = json!(0));
    refused(&|document| document["trees"][0][0]["right"] = json!(1_000_000));
    refused(&|document| document["trees"][0][0]["feature"] = json!(1));
    refused(&|document| document["trees"][0][0]["more"] = json!(1));
    refused(&|document| document["importance"]["count"] = json!([0]));
    refused(&|document| document["features"] = json!(["a", "a"]));
    refused(&|document| {
        document["trees"][0].as_array_mut().unwrap().pop();
    });
}
