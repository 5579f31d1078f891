//! The ways to divide rows: read from the tree, and checked against the types of columns.

use std::collections::{BTreeMap, BTreeSet};

use reproof_record::{LogicalType, Schema};
use serde_json::{Map, Value, json};

use super::columns::misfit_in_data;
use super::draft::Split;
use super::parameters::{number, scalar};
use crate::diagnostic::{Report, Span, Spanned};
use crate::names::shown;
use crate::registry::{DEFAULT_RATIOS, OperationSpec, operation};
use crate::shape::Object;
use crate::tree::Node;

/// The parts in the order in which they are named to people.
pub(super) const PARTS: [&str; 3] = ["train", "eval", "test"];

/// Where the options of a split stand: all in one mapping in the short form, the shares under
/// `ratios` in a step.
#[derive(Clone, Copy)]
pub(super) struct Options<'a> {
    pub node: Option<&'a Node>,
    /// What holds the shares.
    pub shares: Option<&'a Node>,
    /// What to blame for the shares.
    pub at: Span,
}

impl<'a> Options<'a> {
    fn get(&self, key: &str) -> Option<&'a Node> {
        self.node?.get(key).filter(|node| !node.is_null())
    }
}

/// The split that a block of the short form stands for, and its operation.
pub(super) fn block(
    tag: &str,
    node: Option<&Node>,
    at: Span,
    report: &mut Report<'_>,
) -> Option<(&'static OperationSpec, Split)> {
    let name = match tag {
        "random" | "group" => "split_random",
        "stratified" => "split_stratified",
        "time" => "split_time",
        "indexed" => "split_indexed",
        _ => return None,
    };
    let spec = operation(name)?;
    let options = Options {
        node,
        shares: node,
        at,
    };
    Some((spec, read(spec, options, report)?))
}

/// The split of an operation.
pub(super) fn read(
    spec: &OperationSpec,
    options: Options<'_>,
    report: &mut Report<'_>,
) -> Option<Split> {
    match spec.name {
        "split_random" => random(options, report),
        "split_stratified" => {
            let mut split = by_ratios(options, report)?;
            split.by(options.get("by")?)?;
            Some(split)
        }
        "split_time" => time(options, report),
        "split_indexed" => indexed(options, report),
        _ => None,
    }
}

impl Split {
    fn by(&mut self, node: &Node) -> Option<()> {
        let column = node.text()?;
        self.parameters.insert("by".to_owned(), column.into());
        self.columns
            .push(Spanned::new(column.to_owned(), node.span));
        Some(())
    }
}

fn random(options: Options<'_>, report: &mut Report<'_>) -> Option<Split> {
    let mut split = by_ratios(options, report)?;
    // A group is a key; at most one of them can stand.
    if let Some(node) = options.get("key").or_else(|| options.get("by")) {
        split.columns = super::parameters::slice_columns(node, report);
        // Their order does not matter.
        let names: BTreeSet<_> = split.columns.iter().map(|name| &name.value).collect();
        let names: Value = names.into_iter().map(String::as_str).collect();
        split.parameters.insert("key".to_owned(), names);
    }
    if options.get("exact").and_then(Node::boolean) == Some(true) {
        split.parameters.insert("exact".to_owned(), true.into());
    }
    Some(split)
}

/// A split by the shares of its parts.
fn by_ratios(options: Options<'_>, report: &mut Report<'_>) -> Option<Split> {
    let mut ratios = given_ratios(options, report)?;
    let defaulted = ratios.is_empty();
    if defaulted {
        ratios = default_ratios();
    }
    let shares = ratios.iter();
    let shares: Map<_, _> = shares
        .map(|(part, share)| (part.clone(), number(*share)))
        .collect();
    let mut split = Split::new(ratios.into_keys());
    split.defaulted = defaulted;
    split.parameters.insert("ratios".to_owned(), shares.into());
    Some(split)
}

fn default_ratios() -> BTreeMap<String, f64> {
    serde_json::from_str(DEFAULT_RATIOS).unwrap_or_default()
}

/// Keys that stand beside shares.
const OTHERS: [&str; 4] = ["by", "key", "exact", "boundaries"];

/// The shares that are given; empty if none is. None at all if they are wrong, which is reported.
fn given_ratios(options: Options<'_>, report: &mut Report<'_>) -> Option<BTreeMap<String, f64>> {
    let Some(node) = options.shares.filter(|node| !node.is_null()) else {
        return Some(BTreeMap::new());
    };
    // A misspelt key was reported; without it shares cannot be told.
    let known = |key: &str| PARTS.contains(&key) || OTHERS.contains(&key);
    if !node.entries().iter().all(|entry| known(&entry.key.value)) {
        return None;
    }
    let mut ratios = BTreeMap::new();
    for part in PARTS {
        if let Some(node) = node.get(part) {
            let share = node.number().filter(|share| *share > 0.0)?;
            ratios.insert(part.to_owned(), share);
        }
    }
    if ratios.is_empty() {
        return Some(ratios);
    }
    if !ratios.contains_key("train") {
        report.error(options.at, "the part 'train' is missing");
        return None;
    }
    let sum: f64 = ratios.values().sum();
    if (sum - 1.0).abs() > 1e-9 && ratios.values().all(|share| *share <= 1.0) {
        // Rounded, so that 0.1 + 0.2 does not look like a slip of the person's.
        let sum = (sum * 1e9).round() / 1e9;
        report.error(
            options.at,
            format!("the shares of the parts sum to {sum}, not to 1"),
        );
        return None;
    }
    Some(ratios)
}

fn time(options: Options<'_>, report: &mut Report<'_>) -> Option<Split> {
    let by = options.get("by");
    let Some(boundaries) = options.get("boundaries") else {
        let mut split = by_ratios(options, report)?;
        split.by(by?)?;
        return Some(split);
    };
    if !given_ratios(options, report)?.is_empty() {
        report.error(options.at, "a split has either shares or boundaries");
        return None;
    }
    let mut parts = vec!["train".to_owned()];
    let mut values = Map::new();
    let mut spanned = Vec::new();
    for part in ["eval", "test"] {
        if let Some(node) = boundaries.get(part) {
            let value = scalar(node)?;
            values.insert(part.to_owned(), value.clone());
            spanned.push(Spanned::new(value, node.span));
            parts.push(part.to_owned());
        }
    }
    if values.is_empty() {
        report.error(
            boundaries.span,
            "there is no boundary: name where 'test' begins",
        );
        return None;
    }
    let mut split = Split::new(parts.into_iter());
    split.values = spanned;
    split
        .parameters
        .insert("boundaries".to_owned(), values.into());
    split.by(by?)?;
    Some(split)
}

fn indexed(options: Options<'_>, report: &mut Report<'_>) -> Option<Split> {
    let mut values = Map::new();
    let mut spanned: Vec<Spanned<Value>> = Vec::new();
    if let Some(node) = options.get("values") {
        for part in PARTS {
            let Some(node) = node.get(part) else { continue };
            let mut of_part = BTreeMap::new();
            let one = std::slice::from_ref(node);
            let nodes = if scalar(node).is_some() {
                one
            } else {
                node.items()
            };
            for node in nodes {
                let value = scalar(node)?;
                if spanned.iter().any(|other| other.value == value) {
                    let message = format!("{value} stands for a part already");
                    report.error(node.span, message);
                    return None;
                }
                // Their order does not matter.
                of_part.insert(value.to_string(), value.clone());
                spanned.push(Spanned::new(value, node.span));
            }
            values.insert(part.to_owned(), of_part.into_values().collect());
        }
        values.get("train")?;
    } else {
        for part in PARTS {
            values.insert(part.to_owned(), json!([part]));
            spanned.push(Spanned::new(part.into(), options.at));
        }
    }
    let mut split = Split::new(values.keys().cloned());
    split.values = spanned;
    split.parameters.insert("values".to_owned(), values.into());
    split.by(options.get("by")?)?;
    Some(split)
}

/// Checks a split against the columns of the table that it divides.
pub(super) fn check(spec: &OperationSpec, split: &Split, schema: &Schema, report: &mut Report<'_>) {
    for column in &split.columns {
        let Some(found) = schema.column(&column.value) else {
            let known = schema.columns().iter().map(|column| column.name.as_str());
            report.unknown(column.span, "column", &column.value, known);
            continue;
        };
        let logical_type = found.logical_type;
        let named = format!("the column '{}' is {logical_type}", shown(&column.value));
        match (spec.name, logical_type) {
            ("split_stratified", LogicalType::Float) => report.error(
                column.span,
                format!("{named}; strata need values that stand often"),
            ),
            ("split_time", LogicalType::Boolean) => report.error(
                column.span,
                format!("{named}; dates, timestamps, numbers or ISO 8601 texts are in an order"),
            ),
            _ => {}
        }
        for value in &split.values {
            if let Some(wanted) = misfit_in_data(logical_type, &value.value) {
                report.error(value.span, format!("{named}; its value must be {wanted}"));
            }
        }
    }
}

/// The way to split that is written in the block, its options, and what to blame for them.
pub(super) fn tag<'a>(
    node: &'a Node,
    object: &Object,
) -> Option<(&'a str, Option<&'a Node>, Span)> {
    let (name, options, span) = match node.text() {
        Some(name) => (name, None, node.span),
        None => match node.entries() {
            [only] => (only.key.value.as_str(), Some(&only.value), only.key.span),
            _ => return None,
        },
    };
    object.field(name)?;
    Some((name, options.filter(|node| !node.is_null()), span))
}
