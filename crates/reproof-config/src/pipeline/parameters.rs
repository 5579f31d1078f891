//! Reads the parameters of steps from the tree. What is malformed was reported by the validation
//! and is skipped here; what the validation cannot see is reported.

use std::collections::{BTreeMap, BTreeSet};

use reproof_record::MAX_SAFE_INTEGER;
use serde_json::{Map, Value, json};

use super::chains;
use super::draft::{Evaluate, Images, Label, Preprocess, Target, Train};
use super::gates;
use crate::diagnostic::{Report, Span, Spanned};
use crate::names::shown;
use crate::registry::{METRICS, Needs, Task};
use crate::shape::{Field, Object, Shape};
use crate::tree::{Node, Value as Tree};

/// A number as recipes hold it: an integer where it is one, as canonical JSON writes it.
pub(crate) fn number(value: f64) -> Value {
    if value == value.trunc() && value.abs() <= MAX_SAFE_INTEGER as f64 {
        Value::from(value as i64)
    } else {
        Value::from(value)
    }
}

/// A value of a column.
pub(super) fn scalar(node: &Node) -> Option<Value> {
    match &node.value {
        Tree::Boolean(value) => Some(Value::from(*value)),
        Tree::Integer(value) => Some(Value::from(*value)),
        Tree::Float(value) => Some(number(*value)),
        Tree::Text(text) => Some(Value::from(text.as_str())),
        _ => None,
    }
}

/// A label: `label: churn` or `label: {column: churn, positive: "Yes"}`.
pub(super) fn label(node: &Node) -> Option<Label> {
    if let Some(column) = node.text() {
        return Some(Label {
            column: Spanned::new(column.to_owned(), node.span),
            positive: None,
        });
    }
    let column = node.get("column")?;
    let positive = node.get("positive");
    Some(Label {
        column: Spanned::new(column.text()?.to_owned(), column.span),
        positive: positive.and_then(|node| Some(Spanned::new(scalar(node)?, node.span))),
    })
}

/// The settings of a trainer that only categories have a use for.
pub(super) const FOR_CATEGORIES: [&str; 2] = ["cat_smooth", "cat_l2"];

/// The training of a model; `settings` holds its parameters, with or without the label.
pub(super) fn train(
    task: Option<Task>,
    label: Label,
    object: &'static Object,
    settings: Option<&Node>,
    report: &mut Report<'_>,
) -> Train {
    let task = task.or_else(|| given_task(settings, &label));
    check_positive(task, &label, report);
    let mut train = Train {
        task,
        label,
        settings: Map::new(),
        defaulted: Vec::new(),
        categorical: settings.and_then(|node| categorical(node.get("categorical")?)),
        for_categories: Vec::new(),
    };
    let others = |field: &&Field| !["label", "task", "categorical"].contains(&field.name);
    for field in object.fields.iter().filter(others) {
        let value = if let Some(node) = settings.and_then(|node| node.get(field.name)) {
            if FOR_CATEGORIES.contains(&field.name) {
                let given = Spanned::new(field.name, node.span);
                train.for_categories.push(given);
            }
            setting(node)
        } else {
            train.defaulted.push(field.name);
            match field.shape {
                Shape::Number(_) => field.default_value().as_f64().map(number),
                _ => Some(field.default_value()),
            }
            .unwrap_or_default()
        };
        train.settings.insert(field.name.to_owned(), value);
    }
    train
}

/// The task, as far as the parameter `task` or a positive class tells it.
fn given_task(parameters: Option<&Node>, label: &Label) -> Option<Task> {
    let given = parameters.and_then(|node| Task::of_parameter(node.get("task")?.text()?));
    given.or_else(|| label.positive.as_ref().map(|_| Task::Classification))
}

/// Only a classification of two classes has a positive one.
fn check_positive(task: Option<Task>, label: &Label, report: &mut Report<'_>) {
    let message = match task {
        Some(Task::Regression) => "a regression predicts a number: there is no positive class",
        Some(Task::Multiclass) => "there is no positive class among several",
        _ => return,
    };
    if let Some(positive) = &label.positive {
        report.error(positive.span, message);
    }
}

/// What is predicted, where no trainer of ours says it.
pub(super) fn target(label: Label, node: Option<&Node>, report: &mut Report<'_>) -> Target {
    let task = given_task(node, &label);
    check_positive(task, &label, report);
    Target { task, label }
}

/// Where the images of labels are.
pub(super) fn images(node: Option<&Node>) -> Images {
    let path = node.and_then(|node| node.get("path"));
    let suffix = node.and_then(|node| node.get("suffix")?.text());
    Images {
        path: path.and_then(|node| Some(Spanned::new(node.text()?.to_owned(), node.span))),
        suffix: suffix.unwrap_or_default().to_owned(),
    }
}

/// Where a flag is set.
pub(super) fn set_flag(node: Option<&Node>, key: &str) -> Option<Span> {
    let entry = node.and_then(|node| node.entry(key))?;
    (entry.value.boolean() == Some(true)).then_some(entry.key.span)
}

/// The features that are said to be categories.
fn categorical(node: &Node) -> Option<Spanned<Vec<String>>> {
    let names: Option<Vec<String>> = node
        .items()
        .iter()
        .map(|item| Some(item.text()?.to_owned()))
        .collect();
    Some(Spanned::new(names?, node.span))
}

/// A setting of a trainer: a value, or a mapping of such.
fn setting(node: &Node) -> Value {
    let entries = node.entries();
    if entries.is_empty() {
        return scalar(node).unwrap_or_default();
    }
    let entries = entries.iter();
    let map = entries.map(|entry| (entry.key.value.clone(), setting(&entry.value)));
    Value::Object(map.collect())
}

/// A list of columns, each once.
pub(super) fn columns(node: &Node, report: &mut Report<'_>) -> Vec<Spanned<String>> {
    let mut seen = BTreeSet::new();
    let mut columns = Vec::new();
    for item in node.items() {
        let Some(name) = item.text().filter(|name| !name.is_empty()) else {
            continue;
        };
        if seen.insert(name) {
            columns.push(Spanned::new(name.to_owned(), item.span));
        } else {
            let message = format!("the column '{}' stands twice", shown(name));
            report.error(item.span, message);
        }
    }
    columns
}

/// A preprocessing of the columns that the chains name, and only of those.
pub(super) fn preprocess(features: Option<&Node>, report: &mut Report<'_>) -> Preprocess {
    let entries = features.map(Node::entries).unwrap_or_default().iter();
    Preprocess {
        features: Some(entries.map(|entry| entry.key.clone()).collect()),
        chains: chains::read(features, report),
        label: None,
        needs: Needs::default(),
    }
}

/// An evaluation; gates stand under `require` of `gates`.
pub(super) fn evaluate(
    node: Option<&Node>,
    require: Option<&Node>,
    report: &mut Report<'_>,
) -> Evaluate {
    let metrics = node.and_then(|node| node.get("metrics"));
    let slices = node.and_then(|node| node.get("slices"));
    let require = require.map(Node::items).unwrap_or_default();
    Evaluate {
        target: None,
        baseline: None,
        metrics: metrics.map(|node| read_metrics(node, report)),
        slices: slices.map_or_else(Vec::new, |node| read_slices(node, report)),
        buckets: read_buckets(node.and_then(|node| node.get("buckets")), report),
        confusion_matrix: set_flag(node, "confusion_matrix"),
        gates: require
            .iter()
            .filter_map(|gate| gates::read(gate, report))
            .collect(),
    }
}

/// The buckets of columns, as the recipe holds them.
fn read_buckets(node: Option<&Node>, report: &mut Report<'_>) -> BTreeMap<String, Spanned<Value>> {
    let mut buckets = BTreeMap::new();
    for entry in node.map(Node::entries).unwrap_or_default() {
        let value = if let Some(edges) = entry.value.get("edges") {
            let numbers = edges.items().iter().filter_map(Node::number);
            let numbers: Vec<f64> = numbers.collect();
            if numbers.windows(2).any(|pair| pair[0] >= pair[1]) {
                report.error(edges.span, "the edges do not rise");
            }
            json!({ "edges": numbers.into_iter().map(number).collect::<Vec<_>>() })
        } else if let Some(count) = entry.value.get("quantiles").and_then(Node::integer) {
            json!({ "quantiles": count })
        } else {
            continue;
        };
        buckets.insert(entry.key.value.clone(), Spanned::new(value, entry.key.span));
    }
    buckets
}

fn read_metrics(node: &Node, report: &mut Report<'_>) -> Vec<Spanned<&'static str>> {
    let mut metrics: Vec<Spanned<&'static str>> = Vec::new();
    for item in node.items() {
        let Some(name) = METRICS.iter().find(|name| item.text() == Some(name)) else {
            continue;
        };
        if metrics.iter().any(|metric| metric.value == *name) {
            report.error(item.span, format!("the metric '{name}' stands twice"));
        } else {
            metrics.push(Spanned::new(name, item.span));
        }
    }
    metrics
}

/// The columns of a slice: one, or a list.
pub(super) fn slice_columns(node: &Node, report: &mut Report<'_>) -> Vec<Spanned<String>> {
    match node.text() {
        Some(column) if !column.is_empty() => vec![Spanned::new(column.to_owned(), node.span)],
        _ => columns(node, report),
    }
}

fn read_slices(node: &Node, report: &mut Report<'_>) -> Vec<Spanned<Vec<Spanned<String>>>> {
    let mut seen = BTreeSet::new();
    let mut slices = Vec::new();
    for item in node.items() {
        let columns = slice_columns(item, report);
        let names: BTreeSet<_> = columns.iter().map(|column| column.value.clone()).collect();
        if names.is_empty() {
            continue;
        }
        if seen.insert(names) {
            slices.push(Spanned::new(columns, item.span));
        } else {
            report.error(item.span, "the slice stands twice");
        }
    }
    slices
}
