//! Expectations: what data must meet before anything is made from it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{GateVerdict, LogicalType, StepName};

/// Something that data must meet. It is no part of a recipe, as gates are none.
#[derive(Clone, Debug, PartialEq)]
pub struct Expectation {
    /// What is looked at.
    pub check: DataCheck,
    /// The expectation in one line, such as `price: from 0`.
    pub text: String,
}

/// What is looked at.
#[derive(Clone, Debug, PartialEq)]
pub enum DataCheck {
    /// There are so many rows.
    Rows {
        /// At least.
        min: Option<u64>,
        /// At most.
        max: Option<u64>,
    },
    /// A column has this type.
    Type {
        /// The column.
        column: String,
        /// Its type.
        logical_type: LogicalType,
    },
    /// No value of a column is missing.
    NotNull {
        /// The column.
        column: String,
    },
    /// No two rows have the same values in these columns; missing ones are the same.
    Unique {
        /// The columns.
        columns: Vec<String>,
    },
    /// The values of a column lie between these, which are allowed themselves; missing ones do.
    Range {
        /// The column, of numbers, days or moments.
        column: String,
        /// The least: a number, or the text of a day, moment or decimal.
        min: Option<Value>,
        /// The greatest.
        max: Option<Value>,
    },
    /// The values of a column are among these; missing ones are.
    Allowed {
        /// The column.
        column: String,
        /// The values: booleans, numbers or texts.
        values: Vec<Value>,
    },
    /// The greatest value of a column is not older than this.
    Fresh {
        /// The column, of days or moments.
        column: String,
        /// How old it may be, in seconds.
        within: u64,
        /// Counted back from this day or moment; from the start of the run if there is none.
        at: Option<String>,
    },
    /// The values of a column did not move further from the pinned version than this.
    Drift {
        /// The column.
        column: String,
        /// The greatest population stability index.
        most: f64,
    },
}

impl DataCheck {
    /// The columns that are looked at.
    pub fn columns(&self) -> Vec<&str> {
        match self {
            Self::Rows { .. } => Vec::new(),
            Self::Unique { columns } => columns.iter().map(String::as_str).collect(),
            Self::Type { column, .. }
            | Self::NotNull { column }
            | Self::Range { column, .. }
            | Self::Allowed { column, .. }
            | Self::Fresh { column, .. }
            | Self::Drift { column, .. } => vec![column],
        }
    }

    /// The expectations as a pipeline file writes them.
    pub fn to_json<'a>(checks: impl Iterator<Item = &'a Self>) -> Map<String, Value> {
        let mut all = Map::new();
        for check in checks {
            check.add_to(&mut all);
        }
        all
    }

    fn add_to(&self, all: &mut Map<String, Value>) {
        let mut put = |key: &str, column: &str, value: Value| {
            let entry = all.entry(key).or_insert_with(|| Value::Object(Map::new()));
            if let Value::Object(map) = entry {
                map.insert(column.to_owned(), value);
            }
        };
        let bounds = |min: Option<Value>, max: Option<Value>| {
            let pairs = [("min", min), ("max", max)].into_iter();
            let pairs = pairs.filter_map(|(key, bound)| Some((key.to_owned(), bound?)));
            Value::Object(pairs.collect())
        };
        match self {
            Self::Rows { min, max } => {
                let bounds = bounds(min.map(Value::from), max.map(Value::from));
                all.insert("rows".to_owned(), bounds);
            }
            Self::Type {
                column,
                logical_type,
            } => put("types", column, logical_type.to_string().into()),
            Self::Range { column, min, max } => {
                put("range", column, bounds(min.clone(), max.clone()));
            }
            Self::Allowed { column, values } => put("allowed", column, values.clone().into()),
            Self::Drift { column, most } => put("drift", column, (*most).into()),
            Self::NotNull { column } => push(all, "not_null", column.as_str().into()),
            Self::Unique { columns } => push(all, "unique", columns.clone().into()),
            Self::Fresh { column, within, at } => {
                let mut fresh = Map::new();
                fresh.insert("column".to_owned(), column.as_str().into());
                fresh.insert("within".to_owned(), format!("{within}s").into());
                if let Some(at) = at {
                    fresh.insert("at".to_owned(), at.as_str().into());
                }
                all.insert("fresh".to_owned(), Value::Object(fresh));
            }
        }
    }
}

fn push(all: &mut Map<String, Value>, key: &str, value: Value) {
    let entry = all.entry(key).or_insert_with(|| Value::Array(Vec::new()));
    if let Value::Array(items) = entry {
        items.push(value);
    }
}

/// What became of an expectation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExpectationOutcome {
    /// The data, by its name in the pipeline, or the step whose output it is.
    pub data: StepName,
    /// The output, where a program made the table.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<StepName>,
    /// The expectation as a person reads it, such as `price: from 0`.
    pub expectation: String,
    /// What became of it.
    pub verdict: GateVerdict,
    /// How many rows violate it, where it is about rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub violations: Option<u64>,
    /// How far the values moved, where it is about that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<f64>,
    /// Why it was not judged, or what was found instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The first rows that violate it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub examples: Vec<ExampleRow>,
}

/// A row that violates an expectation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExampleRow {
    /// Its number, counted from 1 without the header.
    pub row: u64,
    /// Its values in the columns that were looked at, as their canonical texts; none is missing.
    pub values: BTreeMap<String, Option<String>>,
}
