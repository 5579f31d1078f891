//! Trains gradient-boosted trees on what standard input holds, for `benches/gradient_boosting`.
//!
//! A line of JSON (`rows`, `others`, `columns`, `parameters`), then little-endian doubles: the
//! training rows column by column, their label (a number, or that of a class), and the other rows
//! column by column. Standard output gets the predictions for the other rows: values, or the
//! probability of the class 1, or of each class.
#![allow(
    clippy::unwrap_used,
    reason = "an example may stop on anything unexpected"
)]

use std::io::{self, Read, Write};

use reproof_learn::{BoostingParameters, Matrix, Predictions, Task, train_boosting};
use reproof_table::{ColumnData, Threads};
use serde::Deserialize;

#[derive(Deserialize)]
struct Head {
    rows: usize,
    others: usize,
    columns: usize,
    parameters: BoostingParameters,
}

fn main() {
    let mut input = Vec::new();
    io::stdin().lock().read_to_end(&mut input).unwrap();
    let line = input.iter().position(|&byte| byte == b'\n').unwrap();
    let head: Head = serde_json::from_slice(&input[..line]).unwrap();
    let values = input[line + 1..].as_chunks().0.iter();
    let mut values = values.map(|bytes| f64::from_le_bytes(*bytes));
    let mut column = |rows: usize| values.by_ref().take(rows).collect::<Vec<f64>>();
    let names = (0..head.columns).map(|index| format!("x{index:03}"));
    let named = names.clone().map(|name| (name, column(head.rows)));
    let x = Matrix::new(head.rows, named.collect()).unwrap();
    let label = column(head.rows);
    let named = names.map(|name| (name, column(head.others)));
    let others = Matrix::new(head.others, named.collect()).unwrap();
    let label = match head.parameters.task {
        Task::Regression => ColumnData::Float(label),
        _ => ColumnData::Integer(label.iter().map(|&class| Some(class as i64)).collect()),
    };
    let threads = Threads::available();
    let model = train_boosting(&x, &label, None, &head.parameters, 1, threads).unwrap();
    let columns = match model.predict(&others, threads).unwrap() {
        Predictions::Values(values) | Predictions::Probabilities(values) => vec![values],
        Predictions::Classes(classes) => classes.columns().to_vec(),
    };
    let mut output = io::stdout().lock();
    for column in columns {
        let bytes: Vec<u8> = column
            .iter()
            .flat_map(|value| value.to_le_bytes())
            .collect();
        output.write_all(&bytes).unwrap();
    }
}
