//! Trees with categorical features: the same bits for any number of threads and order of rows, what
//! they learn, and how they are stored.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::tests::{fitted, matrix, parameters, threads, values};
use super::*;

/// Parameters with the categorical feature `c`.
fn of_categories(task: &str, mut changes: Value) -> BoostingParameters {
    let defaults = [
        ("categorical", json!(["c"])),
        ("cat_smooth", json!(2.5)),
        ("cat_l2", json!(1.0)),
    ];
    for (key, value) in defaults {
        if changes.get(key).is_none() {
            changes[key] = value;
        }
    }
    parameters(task, changes)
}

#[derive(Clone, Debug)]
struct Row {
    code: f64,
    number: f64,
    noise: f64,
}

impl Row {
    fn label(&self) -> f64 {
        // What a category is worth has nothing to do with its code.
        let worth = if self.code.is_nan() {
            0.3
        } else {
            (self.code * 7.0) % 5.0 - 2.0
        };
        worth + self.number * 0.5 + self.noise
    }
}

fn part(rows: &[Row], task: &str) -> (Matrix, ColumnData) {
    let x = matrix(&[
        ("a", rows.iter().map(|row| row.number).collect()),
        ("c", rows.iter().map(|row| row.code).collect()),
    ]);
    let numbers = rows.iter().map(Row::label);
    let label = match task {
        "regression" => ColumnData::Float(numbers.collect()),
        "binary_classification" => {
            ColumnData::Boolean(numbers.map(|number| Some(number > 0.0)).collect())
        }
        _ => {
            let class = |number: f64| usize::from(number > -0.5) + usize::from(number > 0.5);
            let text = |number| Some(["x", "y", "z"][class(number)]);
            ColumnData::String(numbers.map(text).collect())
        }
    };
    (x, label)
}

/// Rows of up to so many categories, among them some of every class, and an order.
fn rows() -> impl Strategy<Value = (Vec<Row>, Vec<usize>)> {
    let rows = |count: u8| {
        let row = (
            prop_oneof![6 => (0..count).prop_map(f64::from), 1 => Just(f64::NAN)],
            -1.0_f64..1.0,
            -0.5_f64..0.5,
        );
        prop::collection::vec(row, 10..200)
    };
    prop_oneof![2_u8..5, 5_u8..40, Just(255_u8)]
        .prop_flat_map(rows)
        .prop_flat_map(|drawn| {
            let rows = drawn.into_iter().map(|(code, number, noise)| Row {
                code,
                number,
                noise,
            });
            let fixed = [-9.0, 0.0, 9.0].map(|noise| Row {
                code: 0.0,
                number: 0.0,
                noise: noise + 2.0,
            });
            let rows: Vec<Row> = fixed.into_iter().chain(rows).collect();
            let order: Vec<usize> = (0..rows.len()).collect();
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
        leaves in prop::option::of(2_u32..9),
        smooth in prop::sample::select(&[0.0, 0.1, 10.0, 1e300][..]),
        cat_l2 in prop::sample::select(&[0.0, 10.0][..]),
    ) {
        let parameters = of_categories(task, json!({
            "rounds": 3, "max_leaves": leaves, "cat_smooth": smooth, "cat_l2": cat_l2,
        }));
        let (x, label) = part(&rows, task);
        let one = train(&x, &label, None, &parameters, 7, Threads::ONE, None).unwrap();
        for (count, spare) in [(2, false), (7, false), (7, true)] {
            let many = train(&x, &label, None, &parameters, 7, threads(count), Some((count, spare)));
            prop_assert_eq!(&many.unwrap(), &one);
        }
        let permuted: Vec<Row> = order.iter().map(|&row| rows[row].clone()).collect();
        let (x, label) = part(&permuted, task);
        let other = train(&x, &label, None, &parameters, 7, Threads::ONE, None).unwrap();
        prop_assert_eq!(other, one);
    }

    /// A prediction sends rows where the training sent them, and the document says it all.
    #[test]
    fn a_document_predicts_as_the_training_did(
        (rows, _) in rows(),
        task in prop::sample::select(&TASKS[..]),
    ) {
        let (x, label) = part(&rows, task);
        let changes = json!({"rounds": 4, "early_stopping_rounds": 4, "learning_rate": 0.5});
        let parameters = of_categories(task, changes);
        let eval = Some((&x, &label));
        let model = train(&x, &label, eval, &parameters, 7, Threads::ONE, None).unwrap();
        for tree in model.trees() {
            for node in reached(tree, &x) {
                prop_assert_eq!(node.0, node.1);
            }
        }
        let model = Model::Boosted(model);
        let json = model.to_json().unwrap();
        let document: Value = serde_json::from_slice(&json).unwrap();
        prop_assert_eq!(&document["format"], Model::FORMAT_2);
        prop_assert_eq!(&document["categorical"], &json!([1]));
        let read = Model::from_json(&json).unwrap();
        prop_assert_eq!(&read, &model);
        prop_assert_eq!(read.predict(&x, threads(3)).unwrap(), model.predict(&x, Threads::ONE).unwrap());
    }
}

/// For each node the rows it was made from, and how many come to it by its conditions.
fn reached(tree: &Tree, x: &Matrix) -> Vec<(u64, u64)> {
    let mut counts = vec![0; tree.nodes.len()];
    for row in 0..x.rows() {
        let mut place = 0;
        loop {
            counts[place] += 1;
            let TreeNode::Split {
                feature,
                condition,
                missing_left,
                right,
                ..
            } = tree.nodes[place]
            else {
                break;
            };
            let value = x.columns()[feature][row];
            let left = match condition {
                _ if value.is_nan() => missing_left,
                Condition::Threshold(threshold) => value <= threshold,
                Condition::Categories(set) => set.contains(value as u8),
            };
            place = if left { place + 1 } else { right };
        }
    }
    let made = tree.nodes.iter().map(|node| match node {
        TreeNode::Split { rows, .. } | TreeNode::Leaf { rows, .. } => *rows,
    });
    made.zip(counts).collect()
}

#[test]
fn one_split_parts_what_no_threshold_does() {
    let codes: Vec<f64> = (0..600).map(|row| f64::from(row % 30)).collect();
    let high = |code: f64| [2.0, 3.0, 11.0, 17.0, 29.0].contains(&code);
    let label = codes
        .iter()
        .map(|&code| if high(code) { 5.0 } else { 1.0 })
        .collect();
    let x = matrix(&[("c", codes.clone())]);
    let changes = json!({"rounds": 1, "learning_rate": 1.0, "max_leaves": 2, "l2": 0.0});
    let model = fitted(
        &x,
        &ColumnData::Float(label),
        &of_categories("regression", changes),
    );
    let TreeNode::Split {
        condition: Condition::Categories(set),
        missing_left: false,
        ..
    } = model.trees()[0].nodes[0]
    else {
        panic!("a split by categories is wanted");
    };
    assert_eq!(set.codes().collect::<Vec<_>>(), [2, 3, 11, 17, 29]);
    for (code, value) in codes.iter().zip(values(&model, &x)) {
        let expect = if high(*code) { 5.0 } else { 1.0 };
        assert!((value - expect).abs() < 1e-6, "{code} {value}");
    }
    assert_eq!(model.importance().count, [1]);
    // What training has not seen, and what is missing, goes where most rows went.
    let unseen = matrix(&[("c", vec![200.0, f64::NAN])]);
    let found = values(&model, &unseen);
    assert!(found.iter().all(|value| (value - 1.0).abs() < 1e-6));
}

#[test]
fn a_part_that_stops_may_have_categories_that_training_has_not() {
    let part = |codes: Vec<f64>| {
        let label = codes.iter().map(|code| code % 3.0).collect();
        (matrix(&[("c", codes)]), ColumnData::Float(label))
    };
    let (x, label) = part((0..90).map(|row| f64::from(row % 9)).collect());
    let (eval_x, eval_label) = part(vec![0.0, 8.0, 254.0, 40.0]);
    let parameters = of_categories("regression", json!({"early_stopping_rounds": 2}));
    let eval = Some((&eval_x, &eval_label));
    let model = train(&x, &label, eval, &parameters, 1, Threads::ONE, None).unwrap();
    assert!(model.rounds() > 0);
    let (wrong, label_of_wrong) = part(vec![0.0, 255.0]);
    let eval = Some((&wrong, &label_of_wrong));
    let error = train(&x, &label, eval, &parameters, 1, Threads::ONE, None).unwrap_err();
    assert!(
        matches!(error, LearnError::Category { row: 2, .. }),
        "{error}"
    );
}

#[test]
fn what_is_no_category_is_refused_by_name() {
    let label = ColumnData::Float(vec![1.0, 2.0]);
    let check = |codes: [f64; 2], changes: Value, expect: &str| {
        let x = matrix(&[("c", codes.to_vec())]);
        let parameters = of_categories("regression", changes);
        let error = train(&x, &label, None, &parameters, 1, Threads::ONE, None).unwrap_err();
        assert_eq!(error.to_string(), expect);
    };
    check(
        [1.0, 0.5],
        json!({}),
        "feature 'c' is categorical, and 0.5 in row 2 is no category: these are whole numbers, fewer \
         than 255, as `category` makes them",
    );
    check(
        [1.0, 0.0],
        json!({"categorical": ["d"]}),
        "there is no column 'd'; the columns are c",
    );
    check(
        [1.0, 0.0],
        json!({"categorical": ["c", "c"]}),
        "`categorical` is 'c' twice: each feature stands in it once",
    );
    check(
        [1.0, 0.0],
        json!({"cat_l2": null}),
        "`cat_l2` is missing: it is needed where features are categorical",
    );
    check(
        [1.0, 0.0],
        json!({"cat_smooth": -1.0}),
        "`cat_smooth` is -1: a number from 0 is needed",
    );
    check(
        [1.0, 0.0],
        json!({"categorical": [], "cat_l2": null}),
        "`cat_smooth` is 2.5: no feature is categorical",
    );
}

#[test]
fn damaged_documents_are_refused() {
    let x = matrix(&[
        ("a", (0..90).map(|row| f64::from(row / 9)).collect()),
        ("c", (0..90).map(|row| f64::from(row % 9)).collect()),
    ]);
    let label = ColumnData::Float((0..90).map(|row| f64::from(row % 9 % 4)).collect());
    let changes = json!({"rounds": 1});
    let model = Model::Boosted(fitted(&x, &label, &of_categories("regression", changes)));
    let sound: Value = serde_json::from_slice(&model.to_json().unwrap()).unwrap();
    assert!(sound["trees"][0][0]["categories"].is_array());
    let refused = |change: &dyn Fn(&mut Value)| {
        let mut document = sound.clone();
        change(&mut document);
        assert!(serde_json::from_value::<Model>(document).is_err());
    };
    refused(&|document| document["format"] = json!(Model::FORMAT));
    refused(&|document| document["format"] = json!("reproof.model/3"));
    refused(&|document| document["categorical"] = json!([]));
    refused(&|document| document["categorical"] = json!([0]));
    refused(&|document| document["categorical"] = json!([1, 1]));
    refused(&|document| document["categorical"] = json!([1, 2]));
    refused(&|document| document["trees"][0][0]["categories"] = json!([2, 1]));
    refused(&|document| document["trees"][0][0]["categories"] = json!([1, 1]));
    refused(&|document| document["trees"][0][0]["categories"] = json!([255]));
    refused(&|document| document["trees"][0][0]["categories"] = json!([-1]));
    refused(&|document| document["trees"][0][0]["threshold"] = json!(1.0));
}
