//! Makes up labels and predictions, evaluates them and compares them with others, and prints all as
//! JSON, for `benches/metrics` to compare with scikit-learn's metrics.
//!
//! `cargo run -p reproof-learn --example metrics`
#![allow(clippy::print_stdout)]

use std::error::Error;

use reproof_learn::{
    BinaryLabel, ClassLabel, ClassProbabilities, ClassValue, EvaluateParameters, Predictions,
    Target, compare, evaluate,
};
use reproof_record::{Column, LogicalType, Schema};
use reproof_table::random::unit_at;
use reproof_table::{ColumnData, Table, Threads};
use serde_json::{Value, json};

const SEED: u64 = 20_261_125;

fn main() -> Result<(), Box<dyn Error>> {
    let mut cases = Vec::new();
    for (index, rows) in [20_usize, 300, 5_000].into_iter().enumerate() {
        let stream = index as u64 * 100;
        cases.push(binary(rows, stream)?);
        for classes in [3, 7] {
            cases.push(multiclass(rows, classes, stream + 10 * classes as u64)?);
        }
        cases.push(regression(rows, stream + 90)?);
    }
    println!("{}", Value::Array(cases));
    Ok(())
}

/// Uniform numbers, one for each row.
fn uniform(rows: usize, stream: u64) -> Vec<f64> {
    (0..rows)
        .map(|row| unit_at(SEED, stream, row as u64))
        .collect()
}

fn binary(rows: usize, stream: u64) -> Result<Value, Box<dyn Error>> {
    let truth = uniform(rows, stream);
    let labels: Vec<bool> = uniform(rows, stream + 1)
        .iter()
        .zip(&truth)
        .map(|(draw, p)| draw < p)
        .collect();
    // Rounded, so that there are ties.
    let noisy = |stream: u64, share: f64| -> Vec<f64> {
        let noise = uniform(rows, stream);
        let mixed = truth.iter().zip(noise);
        mixed
            .map(|(p, noise)| ((p * (1.0 - share) + noise * share) * 50.0).round() / 50.0)
            .collect()
    };
    let sides = [noisy(stream + 2, 0.3), noisy(stream + 3, 0.6)];
    let target = Target::Binary(BinaryLabel {
        column: "y".to_owned(),
        negative: ClassValue::Boolean(false),
        positive: ClassValue::Boolean(true),
    });
    let column = ColumnData::Boolean(labels.iter().copied().map(Some).collect());
    let predictions = sides.clone().map(Predictions::Probabilities);
    case(
        &target,
        LogicalType::Boolean,
        column,
        &predictions,
        &json!(labels),
        &json!(sides),
    )
}

fn multiclass(rows: usize, classes: usize, stream: u64) -> Result<Value, Box<dyn Error>> {
    let raw: Vec<Vec<f64>> = (0..classes)
        .map(|class| uniform(rows, stream + class as u64))
        .collect();
    let draws = uniform(rows, stream + 8);
    // A class is drawn by the first scoring's own probabilities.
    let normalised = |power: i32| -> Vec<Vec<f64>> {
        let weigh = |value: f64| (0..power).fold(1.0, |product, _| product * value);
        let sums: Vec<f64> = (0..rows)
            .map(|row| raw.iter().map(|column| weigh(column[row])).sum())
            .collect();
        raw.iter()
            .map(|column| {
                column
                    .iter()
                    .zip(&sums)
                    .map(|(v, sum)| weigh(*v) / sum)
                    .collect()
            })
            .collect()
    };
    let sides = [normalised(2), normalised(1)];
    let labels: Vec<usize> = (0..rows)
        .map(|row| {
            let mut left = draws[row];
            let found = sides[0].iter().position(|column| {
                left -= column[row];
                left < 0.0
            });
            found.unwrap_or(classes - 1)
        })
        .collect();
    let names: Vec<ClassValue> = (0..classes as i64).map(ClassValue::Integer).collect();
    let target = Target::Classes(ClassLabel {
        column: "y".to_owned(),
        classes: names.clone(),
    });
    let column = ColumnData::Integer(labels.iter().map(|&label| Some(label as i64)).collect());
    let [first, second] = sides.clone();
    let predictions = [
        Predictions::Classes(ClassProbabilities::new(names.clone(), first)?),
        Predictions::Classes(ClassProbabilities::new(names, second)?),
    ];
    case(
        &target,
        LogicalType::Integer,
        column,
        &predictions,
        &json!(labels),
        &json!(sides),
    )
}

fn regression(rows: usize, stream: u64) -> Result<Value, Box<dyn Error>> {
    let labels: Vec<f64> = uniform(rows, stream)
        .iter()
        .map(|v| 10.0 + 90.0 * v)
        .collect();
    let noisy = |stream: u64, size: f64| -> Vec<f64> {
        let noise = uniform(rows, stream);
        let pairs = labels.iter().zip(noise);
        pairs
            .map(|(label, noise)| label + size * (noise - 0.4))
            .collect()
    };
    let sides = [noisy(stream + 1, 20.0), noisy(stream + 2, 30.0)];
    let target = Target::Number {
        column: "y".to_owned(),
    };
    let predictions = sides.clone().map(Predictions::Values);
    let column = ColumnData::Float(labels.clone());
    case(
        &target,
        LogicalType::Float,
        column,
        &predictions,
        &json!(labels),
        &json!(sides),
    )
}

fn case(
    target: &Target,
    logical_type: LogicalType,
    column: ColumnData,
    predictions: &[Predictions; 2],
    labels: &Value,
    sides: &Value,
) -> Result<Value, Box<dyn Error>> {
    let described = Column {
        name: "y".to_owned(),
        logical_type,
    };
    let table = Table::new(Schema::new(vec![described])?, vec![column])?;
    let metrics = target.task().all_metrics();
    let parameters = EvaluateParameters {
        metrics: metrics.iter().map(|&name| name.to_owned()).collect(),
        confusion_matrix: true,
        ..EvaluateParameters::default()
    };
    let threads = Threads::available();
    let [first, second] = predictions;
    let measured = [
        evaluate(target, first, &table, &parameters, SEED, threads)?,
        evaluate(target, second, &table, &parameters, SEED, threads)?,
    ];
    let compared = compare(target, &table, [first, second], &parameters, SEED, threads)?;
    Ok(json!({
        "task": target.task(),
        "labels": labels,
        "predictions": sides,
        "measured": measured,
        "compared": compared,
    }))
}
