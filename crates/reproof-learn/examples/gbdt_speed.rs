//! Trains gradient-boosted trees on made-up rows, for `benches/gradient_boosting`.
//!
//! `gbdt_speed [ROWS] [COLUMNS] [ROUNDS] [THREADS]` prints the time; the same rows are made by
//! `benches/gradient_boosting/speed.py`.
#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "an example prints, and may stop on anything unexpected"
)]

use std::num::NonZeroUsize;
use std::time::Instant;

use reproof_learn::{BoostingParameters, Matrix, train_boosting};
use reproof_table::random::unit_at;
use reproof_table::{ColumnData, Threads};

fn main() {
    let mut arguments = std::env::args().skip(1);
    let mut next = |default: usize| {
        arguments
            .next()
            .map_or(default, |text| text.parse().unwrap())
    };
    let (rows, columns, rounds, threads) = (next(1_000_000), next(20), next(100), next(1));
    let threads = Threads::new(NonZeroUsize::new(threads).unwrap());
    let features: Vec<Vec<f64>> = (0..columns)
        .map(|column| {
            (0..rows)
                .map(|row| unit_at(1, column as u64, row as u64))
                .collect()
        })
        .collect();
    let label = (0..rows)
        .map(|row| {
            let x = |column: usize| features[column % columns][row] - 0.5;
            let z = 4.0 * x(0) - 3.0 * x(1) + 8.0 * x(2) * x(3) + 6.0 * x(4) * x(5) * x(6) - x(7)
                + 4.0 * x(8) * x(8);
            let noise = unit_at(1, columns as u64, row as u64);
            Some(1.0 / (1.0 + libm::exp(-z)) > noise)
        })
        .collect();
    let named = features
        .into_iter()
        .enumerate()
        .map(|(column, values)| (format!("x{column:02}"), values));
    let matrix = Matrix::new(rows, named.collect()).unwrap();
    let parameters: BoostingParameters = serde_json::from_value(serde_json::json!({
        "task": "binary_classification",
        "label": {"column": "y"},
        "rounds": rounds,
        "learning_rate": 0.1,
        "max_depth": 6,
        "max_leaves": null,
        "min_rows": 20,
        "l2": 1.0,
        "min_gain": 0.0,
        "bins": 255,
        "row_fraction": 1.0,
        "column_fraction": 1.0,
        "early_stopping_rounds": null,
        "class_weights": null,
    }))
    .unwrap();
    let label = ColumnData::Boolean(label);
    let begin = Instant::now();
    let model = train_boosting(&matrix, &label, None, &parameters, 1, threads).unwrap();
    let wall = begin.elapsed().as_secs_f64();
    let json = model.to_json().unwrap();
    println!(
        "rows {rows} columns {columns} rounds {rounds} threads {} wall {wall:.2} s, model {} bytes",
        threads.get(),
        json.len()
    );
}
