//! What the tests share.
#![allow(dead_code, clippy::unwrap_used)]

use std::num::NonZeroUsize;

use reproof_learn::{
    LearnError, LinearParameters, LogisticParameters, Matrix, Model, train_linear, train_logistic,
};
use reproof_record::{Column, Schema};
use reproof_table::{ColumnData, Table, Threads};
use serde_json::json;

pub fn threads(count: usize) -> Threads {
    Threads::new(NonZeroUsize::new(count).unwrap())
}

pub fn matrix(columns: &[(&str, &[f64])]) -> Matrix {
    let rows = columns.first().map_or(0, |(_, values)| values.len());
    let named = columns
        .iter()
        .map(|(name, values)| ((*name).to_owned(), values.to_vec()));
    Matrix::new(rows, named.collect()).unwrap()
}

pub fn booleans(values: &[bool]) -> ColumnData {
    ColumnData::Boolean(values.iter().copied().map(Some).collect())
}

pub fn strings(values: &[Option<&str>]) -> ColumnData {
    ColumnData::String(values.iter().copied().collect())
}

pub fn table(columns: Vec<(&str, ColumnData)>) -> Table {
    let described = columns.iter().map(|(name, data)| Column {
        name: (*name).to_owned(),
        logical_type: data.logical_type(),
    });
    let schema = Schema::new(described.collect()).unwrap();
    Table::new(schema, columns.into_iter().map(|(_, data)| data).collect()).unwrap()
}

pub fn logistic_parameters(l2: f64) -> LogisticParameters {
    serde_json::from_value(json!({
        "label": {"column": "y", "positive": null},
        "l2": l2,
        "max_iterations": 100,
        "tolerance": 1e-10,
    }))
    .unwrap()
}

pub fn logistic(x: &Matrix, y: &[bool], l2: f64) -> Result<Model, LearnError> {
    train_logistic(x, &booleans(y), &logistic_parameters(l2), Threads::ONE)
}

pub fn linear(x: &Matrix, y: &[f64], l2: f64) -> Result<Model, LearnError> {
    let parameters: LinearParameters =
        serde_json::from_value(json!({"label": {"column": "y"}, "l2": l2})).unwrap();
    train_linear(x, &ColumnData::Float(y.to_vec()), &parameters, Threads::ONE)
}

/// The features and labels whose coefficients scikit-learn gave for the tests.
pub fn sample() -> (Matrix, Vec<bool>, Vec<f64>) {
    let rows = 0..60_i32;
    let a: Vec<f64> = rows
        .clone()
        .map(|i| f64::from(i * 7 % 13) / 4.0 - 1.5)
        .collect();
    let b: Vec<f64> = rows.clone().map(|i| f64::from(i * 5 % 17) / 3.0).collect();
    let c: Vec<f64> = rows.clone().map(|i| f64::from(i * i % 11) - 5.0).collect();
    let classes = rows.clone().map(|i| (i * i * 3 + i) % 7 < 3).collect();
    let numbers = rows
        .zip(&a)
        .map(|(i, a)| f64::from(i * 11 % 19) - a * 2.0)
        .collect();
    (matrix(&[("a", &a), ("b", &b), ("c", &c)]), classes, numbers)
}

pub fn permuted<T: Clone>(values: &[T], order: &[usize]) -> Vec<T> {
    order.iter().map(|&row| values[row].clone()).collect()
}
