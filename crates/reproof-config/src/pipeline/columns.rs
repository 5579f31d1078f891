//! Checks what steps say of columns against the schemas of their tables.

use std::collections::BTreeMap;

use reproof_record::{Column, LogicalType, Schema};
use serde_json::{Map, Value};

use super::chains;
use super::draft::{Evaluate, Label, Preprocess};
use crate::diagnostic::{Report, Span, Spanned};
use crate::names::shown;
use crate::registry::{Task, default_chain};

/// The columns by name: a search in the schema itself takes a step for every column.
type Index<'s> = BTreeMap<&'s str, &'s Column>;

fn index(schema: &Schema) -> Index<'_> {
    let columns = schema.columns().iter();
    columns
        .map(|column| (column.name.as_str(), column))
        .collect()
}

/// The column of this name; reported if there is none.
fn find<'s>(
    index: &Index<'s>,
    name: &str,
    span: Span,
    report: &mut Report<'_>,
) -> Option<&'s Column> {
    let column = index.get(name).copied();
    if column.is_none() {
        report.unknown(span, "column", name, index.keys().copied());
    }
    column
}

/// The column of this name, which must be there.
pub(super) fn check_column<'s>(
    schema: &'s Schema,
    name: &Spanned<String>,
    report: &mut Report<'_>,
) -> Option<&'s Column> {
    find(&index(schema), &name.value, name.span, report)
}

/// The features with their chains, as the recipe holds them, and which of them got a default.
pub(super) fn features(
    preprocess: &Preprocess,
    schema: &Schema,
    at: Span,
    report: &mut Report<'_>,
) -> (Map<String, Value>, Vec<Column>) {
    let index = index(schema);
    let label = preprocess.label.as_ref().map(|label| &label.value);
    // A misspelt label would be a feature; a program that trains does not look for it.
    if let Some(label) = &preprocess.label {
        find(&index, &label.value, label.span, report);
    }
    let columns: Vec<&Column> = if let Some(features) = &preprocess.features {
        features
            .iter()
            .filter_map(|feature| find(&index, &feature.value, feature.span, report))
            .collect()
    } else {
        for (name, chain) in &preprocess.chains {
            find(&index, name, chain.column, report);
        }
        schema
            .columns()
            .iter()
            .filter(|column| label != Some(&column.name))
            .collect()
    };
    if columns.is_empty() && preprocess.features.is_none() {
        report.error(at, "there is no column but the label to predict from");
    }
    let mut features = Map::new();
    let mut defaulted = Vec::new();
    for column in columns {
        let chain = if let Some(chain) = preprocess.chains.get(&column.name) {
            chains::checked(column, chain, report)
        } else {
            defaulted.push(column.clone());
            serde_json::from_str(default_chain(preprocess.needs, column.logical_type))
                .unwrap_or_default()
        };
        features.insert(column.name.clone(), chain);
    }
    (features, defaulted)
}

/// What would be wanted of a value of a column of this type, if this is none.
pub(super) fn misfit(logical_type: LogicalType, value: &Value) -> Option<&'static str> {
    let (fits, wanted) = match logical_type {
        LogicalType::Boolean => (value.is_boolean(), "true or false"),
        LogicalType::Integer | LogicalType::Float | LogicalType::Decimal(_) => {
            (value.is_number(), "a number")
        }
        time if time.is_time() => (
            value.is_number(),
            "a number, of days or microseconds since 1970",
        ),
        _ => (
            value.is_string(),
            "text, in quotes if it looks like a number",
        ),
    };
    (!fits).then_some(wanted)
}

/// As [`misfit`], where the value is compared with those of the data: days, moments and decimals may
/// be the texts that they have there.
pub(super) fn misfit_in_data(logical_type: LogicalType, value: &Value) -> Option<String> {
    match logical_type {
        time if time.is_time() => {
            let wanted = "text such as \"2024-02-29\"";
            (!value.is_string()).then(|| wanted.to_owned())
        }
        LogicalType::Decimal(decimal) => {
            let text = match value {
                Value::Number(number) => number.to_string(),
                Value::String(text) => text.clone(),
                _ => String::new(),
            };
            let wanted = || format!("a number that a {decimal} holds");
            decimal.parse(text.as_bytes()).is_err().then(wanted)
        }
        other => misfit(other, value).map(str::to_owned),
    }
}

/// What predicts a label, for hints.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Predictor {
    /// A built-in trainer.
    Trainer,
    /// A program of the user's.
    Program,
}

/// The label as the recipe holds it.
pub(super) fn label(
    task: Task,
    label: &Label,
    predictor: Predictor,
    schema: &Schema,
    report: &mut Report<'_>,
) -> Option<Value> {
    let column = find(
        &index(schema),
        &label.column.value,
        label.column.span,
        report,
    )?;
    let name = shown(&column.name);
    let mut json = Map::from_iter([("column".to_owned(), Value::from(column.name.as_str()))]);
    if task == Task::Regression {
        if !column.logical_type.is_numeric() {
            report.hinted(
                label.column.span,
                format!(
                    "the label '{name}' is {}; a regression predicts a number",
                    column.logical_type
                ),
                match predictor {
                    Predictor::Trainer => "train logistic_regression for a label of two classes",
                    Predictor::Program => "leave 'task' out, or write a classification",
                },
            );
        }
        return Some(Value::Object(json));
    }
    if matches!(
        column.logical_type,
        LogicalType::Float | LogicalType::Decimal(_)
    ) {
        let logical_type = column.logical_type;
        report.hinted(
            label.column.span,
            format!("the label '{name}' is {logical_type}; a classification has two classes"),
            match predictor {
                Predictor::Trainer => {
                    "use a boolean, integer or string column, or train linear_regression"
                }
                Predictor::Program => {
                    "use a boolean, integer or string column, or write 'task: regression'"
                }
            },
        );
        return None;
    }
    if task == Task::Multiclass {
        return Some(Value::Object(json));
    }
    let positive = match &label.positive {
        Some(positive) => {
            check_positive(column, positive, report);
            positive.value.clone()
        }
        None => Value::Null,
    };
    json.insert("positive".to_owned(), positive);
    Some(Value::Object(json))
}

fn check_positive(column: &Column, positive: &Spanned<Value>, report: &mut Report<'_>) {
    let wanted = match column.logical_type {
        LogicalType::Integer if positive.value.as_i64().is_none() => Some("an integer"),
        other => misfit(other, &positive.value),
    };
    if let Some(wanted) = wanted {
        let message = format!(
            "the label '{}' is {}; its positive value must be {wanted}",
            shown(&column.name),
            column.logical_type
        );
        report.error(positive.span, message);
    }
}

/// Checks that every slice is of columns of the table, and that buckets are of numeric ones.
pub(super) fn slices(evaluate: &Evaluate, schema: &Schema, report: &mut Report<'_>) {
    let index = index(schema);
    let columns = || evaluate.slices.iter().flat_map(|slice| &slice.value);
    for column in columns() {
        find(&index, &column.value, column.span, report);
    }
    for (name, buckets) in &evaluate.buckets {
        if !columns().any(|column| column.value == *name) {
            report.hinted(
                buckets.span,
                format!("no slice is by '{}', which has buckets", shown(name)),
                "add it to 'slices'",
            );
        } else if let Some(column) = index.get(name.as_str())
            && !column.logical_type.is_numeric()
        {
            let message = format!(
                "the column '{}' is {}: only numbers can be put into buckets",
                shown(name),
                column.logical_type
            );
            report.error(buckets.span, message);
        }
    }
}

/// Checks that a table has these columns of another one, with the same types.
pub(super) fn same<'a>(
    names: impl Iterator<Item = &'a str>,
    of: &Schema,
    schema: &Schema,
    at: Span,
    report: &mut Report<'_>,
) {
    let (of, index) = (index(of), index(schema));
    for name in names {
        let Some(wanted) = of.get(name) else {
            continue;
        };
        let message = match index.get(name) {
            None => format!("the table has no column '{}'", shown(name)),
            Some(column) if column.logical_type != wanted.logical_type => format!(
                "the column '{}' is {} here, {} in the part that is fitted on",
                shown(name),
                column.logical_type,
                wanted.logical_type
            ),
            Some(_) => continue,
        };
        report.error(at, message);
    }
}
