//! Made-up rows, and a timed training of gradient-boosted trees, for `benches/gradient_boosting`.
//!
//! `gbdt_speed rows ROWS COLUMNS` writes rows to standard output: column by column, then the label,
//! as little-endian doubles. `gbdt_speed train FILE ROWS COLUMNS ROUNDS THREADS` trains on the first
//! rows of such a file and scores the model on the others; it prints seconds of CPU and of wall
//! time, and the area under the curve.
#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "an example prints, reads what it is given, and may stop on anything unexpected"
)]

use std::fs;
use std::io::{self, Write};
use std::num::NonZeroUsize;
use std::time::Instant;

use reproof_learn::{BoostingParameters, Matrix, train_boosting};
use reproof_table::random::unit_at;
use reproof_table::{ColumnData, Threads};

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let number = |place: usize| arguments[place].parse::<usize>().unwrap();
    match arguments[1].as_str() {
        "rows" => rows(number(2), number(3)),
        "train" => train(&arguments[2], number(3), number(4), (number(5), number(6))),
        other => panic!("'{other}' is neither 'rows' nor 'train'"),
    }
}

fn rows(rows: usize, columns: usize) {
    let mut features: Vec<Vec<f64>> = (0..columns)
        .map(|column| {
            (0..rows)
                .map(|row| unit_at(1, column as u64, row as u64))
                .collect()
        })
        .collect();
    let label = |row: usize| {
        let x = |column: usize| features[column % columns][row] - 0.5;
        let z = 4.0 * x(0) - 3.0 * x(1) + 8.0 * x(2) * x(3) + 24.0 * x(4) * x(5) * x(6) - x(7)
            + 8.0 * x(8) * x(8);
        let noise = unit_at(1, columns as u64, row as u64);
        f64::from(u8::from(1.0 / (1.0 + libm::exp(-z)) > noise))
    };
    let label = (0..rows).map(label).collect();
    features.push(label);
    let mut output = io::stdout().lock();
    for column in features {
        let bytes: Vec<u8> = column
            .iter()
            .flat_map(|value| value.to_le_bytes())
            .collect();
        output.write_all(&bytes).unwrap();
    }
}

fn train(file: &str, rows: usize, columns: usize, (rounds, threads): (usize, usize)) {
    let bytes = fs::read(file).unwrap();
    let all = bytes.len() / 8 / (columns + 1);
    let values: Vec<f64> = bytes
        .as_chunks()
        .0
        .iter()
        .map(|bytes| f64::from_le_bytes(*bytes))
        .collect();
    let part = |from: usize, to: usize| {
        let column = |index: usize| values[index * all + from..index * all + to].to_vec();
        let named = (0..columns).map(|index| (format!("x{index:02}"), column(index)));
        let label = column(columns).iter().map(|&y| y > 0.0).collect::<Vec<_>>();
        (Matrix::new(to - from, named.collect()).unwrap(), label)
    };
    let ((x, y), (test_x, test_y)) = (part(0, rows), part(rows, all));
    let label = ColumnData::Boolean(y.into_iter().map(Some).collect());
    let threads = Threads::new(NonZeroUsize::new(threads).unwrap());
    let parameters = parameters(rounds);
    let (cpu, wall) = (cpu(), Instant::now());
    let model = train_boosting(&x, &label, None, &parameters, 1, threads).unwrap();
    let (cpu, wall) = (self::cpu() - cpu, wall.elapsed().as_secs_f64());
    let predictions = model.predict(&test_x, threads).unwrap();
    let area = area(predictions.single().unwrap(), &test_y);
    println!("{{\"cpu\": {cpu:.2}, \"wall\": {wall:.3}, \"auc\": {area:.6}}}");
}

fn parameters(rounds: usize) -> BoostingParameters {
    serde_json::from_value(serde_json::json!({
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
    .unwrap()
}

/// The seconds of CPU time that this process has used, to a hundredth.
fn cpu() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split(' ').collect();
    let ticks = |place: usize| fields[place].parse::<f64>().unwrap();
    (ticks(12) + ticks(13)) / 100.0
}

fn area(scores: &[f64], labels: &[bool]) -> f64 {
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|&one, &other| scores[one].total_cmp(&scores[other]));
    let ranked = order.iter().zip(1_u64..);
    let ranks: u64 = ranked
        .filter(|(row, _)| labels[**row])
        .map(|(_, rank)| rank)
        .sum();
    let positives = labels.iter().filter(|&&label| label).count() as f64;
    let pairs = positives * (labels.len() as f64 - positives);
    (ranks as f64 - positives * (positives + 1.0) / 2.0) / pairs
}
