//! Trains logistic and linear regressions on the Pima data and prints the models as JSON, for
//! `benches/logistic_regression` to compare with scikit-learn's.
//!
//! `cargo run -p reproof-learn --example coefficients -- examples/diabetes/data/pima_diabetes.csv`
#![allow(clippy::disallowed_methods, clippy::print_stdout)]

use std::error::Error;

use reproof_learn::{
    LinearParameters, LogisticParameters, Matrix, Model, train_linear, train_logistic,
};
use reproof_record::{Column, LogicalType, Schema};
use reproof_table::preprocess::{Chains, fit};
use reproof_table::{ColumnData, Table, Threads};
use serde_json::{Value, json};

const CLASS: &str = "has_diabetes";
const NUMBER: &str = "bmi";
const PENALTIES: [f64; 7] = [0.0, 1e-6, 0.01, 1.0, 10.0, 100.0, 10_000.0];

type Columns = Vec<(String, Vec<String>)>;

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args()
        .nth(1)
        .ok_or("the path of the data is wanted")?;
    let columns = read(&std::fs::read_to_string(path)?)?;
    let mut cases = Vec::new();
    for standardised in [true, false] {
        for l2 in PENALTIES {
            for model in [
                logistic(&columns, l2, standardised)?,
                linear(&columns, l2, standardised)?,
            ] {
                cases.push(json!({"model": model, "standardised": standardised}));
            }
        }
    }
    println!("{}", Value::Array(cases));
    Ok(())
}

/// The columns of a table without quotes.
fn read(text: &str) -> Result<Columns, Box<dyn Error>> {
    let mut lines = text.lines();
    let header = lines.next().ok_or("the file is empty")?;
    let mut columns: Columns = header
        .split(',')
        .map(|name| (name.to_owned(), vec![]))
        .collect();
    for line in lines {
        for ((_, column), value) in columns.iter_mut().zip(line.split(',')) {
            column.push(value.to_owned());
        }
    }
    Ok(columns)
}

fn logistic(columns: &Columns, l2: f64, standardised: bool) -> Result<Model, Box<dyn Error>> {
    let label = columns
        .iter()
        .find(|(name, _)| name == CLASS)
        .ok_or("no class")?;
    let label = label.1.iter().map(|value| Some(value.as_str()));
    let parameters: LogisticParameters = serde_json::from_value(json!({
        "label": {"column": CLASS, "positive": null},
        "l2": l2,
        "max_iterations": 100,
        "tolerance": 1e-10,
    }))?;
    let features = features(columns, &[CLASS], standardised)?;
    let label = ColumnData::String(label.collect());
    Ok(train_logistic(
        &features,
        &label,
        &parameters,
        Threads::ONE,
    )?)
}

fn linear(columns: &Columns, l2: f64, standardised: bool) -> Result<Model, Box<dyn Error>> {
    let label = columns
        .iter()
        .find(|(name, _)| name == NUMBER)
        .ok_or("no label")?;
    let label: Vec<f64> = label
        .1
        .iter()
        .map(|value| value.parse())
        .collect::<Result<_, _>>()?;
    let parameters: LinearParameters =
        serde_json::from_value(json!({"label": {"column": NUMBER}, "l2": l2}))?;
    let features = features(columns, &[CLASS, NUMBER], standardised)?;
    Ok(train_linear(
        &features,
        &ColumnData::Float(label),
        &parameters,
        Threads::ONE,
    )?)
}

fn features(
    columns: &Columns,
    without: &[&str],
    standardised: bool,
) -> Result<Matrix, Box<dyn Error>> {
    let mut described = Vec::new();
    let mut data = Vec::new();
    for (name, values) in columns {
        if !without.contains(&name.as_str()) {
            described.push(Column {
                name: name.clone(),
                logical_type: LogicalType::Float,
            });
            let values = values.iter().map(|value| value.parse());
            data.push(ColumnData::Float(values.collect::<Result<_, _>>()?));
        }
    }
    let chain = if standardised {
        json!([{"scale": "z_score"}])
    } else {
        json!([])
    };
    let chains = described
        .iter()
        .map(|column| (column.name.clone(), chain.clone()));
    let chains: Chains = serde_json::from_value(Value::Object(chains.collect()))?;
    let table = Table::new(Schema::new(described)?, data)?;
    let prepared = fit(&table, &chains, Threads::ONE)?.apply(&table, Threads::ONE)?;
    Ok(Matrix::from_table(&prepared)?)
}
