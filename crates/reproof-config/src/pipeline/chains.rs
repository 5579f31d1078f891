//! The chains of preprocessing: read from the tree, and checked against the types of columns.

use std::collections::BTreeMap;

use reproof_record::{Column, LogicalType};
use serde_json::{Map, Value, json};

use super::columns::{misfit, misfit_in_data};
use super::draft::{Chain, ChainItem, What};
use super::parameters::{number, scalar};
use crate::diagnostic::{Report, Spanned};
use crate::names::shown;
use crate::tree::Node;

/// The chains of columns.
pub(super) fn read(node: Option<&Node>, report: &mut Report<'_>) -> BTreeMap<String, Chain> {
    let mut chains = BTreeMap::new();
    for entry in node.map(Node::entries).unwrap_or_default() {
        let items = entry.value.items().iter();
        let items: Vec<_> = items
            .filter_map(|item| Some(Spanned::new(read_item(item, report)?, item.span)))
            .collect();
        check_order(&items, report);
        let chain = Chain {
            column: entry.key.span,
            span: entry.value.span,
            items,
        };
        chains.insert(entry.key.value.clone(), chain);
    }
    chains
}

fn read_item(node: &Node, report: &mut Report<'_>) -> Option<ChainItem> {
    let (name, options) = match node.text() {
        Some(name) => (name, None),
        None => match node.entries() {
            [only] => (
                only.key.value.as_str(),
                Some(&only.value).filter(|node| !node.is_null()),
            ),
            _ => return None,
        },
    };
    Some(match name {
        "cast" => cast(options?)?,
        "fill" => fill(options?)?,
        "clip" => clip(node, options, report)?,
        "bucketize" => bucketize(options?, report)?,
        "ordinal" => ordinal(options),
        "scale" => ChainItem::new("scale", What::Numbers, json!({"scale": options?.text()?})),
        "one_hot" => one_hot(options),
        "category" => category(options),
        "none" => ChainItem::new("none", What::Nothing, Value::Null),
        _ => return None,
    })
}

/// An item with the options that differ from the defaults, or its name alone.
fn with_options(name: &str, options: &Map<String, Value>) -> Value {
    if options.is_empty() {
        Value::from(name)
    } else {
        json!({ name: options })
    }
}

/// The text of an option, if it is not the default.
fn differing(options: Option<&Node>, key: &str, default: &str) -> Option<(String, Value)> {
    let text = options?.get(key)?.text()?;
    (text != default).then(|| (key.to_owned(), Value::from(text)))
}

fn cast(node: &Node) -> Option<ChainItem> {
    let to = node.text().or_else(|| node.get("to")?.text())?;
    let logical_type = LogicalType::named(to)?;
    let to = logical_type.to_string();
    let json = match differing(Some(node), "invalid", "error") {
        None => json!({ "cast": to }),
        Some((_, invalid)) => json!({"cast": {"to": to, "invalid": invalid}}),
    };
    Some(ChainItem::new("cast", What::Cast(logical_type), json))
}

fn fill(node: &Node) -> Option<ChainItem> {
    let Some(of) = node.text() else {
        let value = scalar(node.get("constant")?)?;
        let json = json!({"fill": {"constant": &value}});
        return Some(ChainItem::new("fill", What::FillConstant(value), json));
    };
    let what = match of {
        "mean" | "median" => What::FillAverage(if of == "mean" { "mean" } else { "median" }),
        "min" | "max" => What::FillNumber(if of == "min" { "min" } else { "max" }),
        "mode" => What::FillMode,
        _ => return None,
    };
    Some(ChainItem::new("fill", what, json!({ "fill": of })))
}

/// The numbers of a list; none if one of them is no number.
fn numbers(node: &Node) -> Option<Vec<f64>> {
    node.items().iter().map(Node::number).collect()
}

fn clip(item: &Node, options: Option<&Node>, report: &mut Report<'_>) -> Option<ChainItem> {
    let get = |key| options.and_then(|node| node.get(key));
    let mut json = Map::new();
    let wrong = match (get("min"), get("max"), get("quantiles")) {
        (None, None, None) => Some("a clip has 'min', 'max' or 'quantiles'"),
        (None, None, Some(node)) => {
            let shares = numbers(node)?;
            json.insert(
                "quantiles".to_owned(),
                shares.iter().copied().map(number).collect(),
            );
            (shares.len() != 2 || shares[0] >= shares[1])
                .then_some("two quantiles are wanted, the lower first")
        }
        (.., Some(_)) => Some("a clip has either 'quantiles' or bounds"),
        (min, max, None) => {
            for (key, node) in [("min", min), ("max", max)] {
                if let Some(node) = node {
                    json.insert(key.to_owned(), number(node.number()?));
                }
            }
            let bounds = min.and_then(Node::number).zip(max.and_then(Node::number));
            bounds
                .is_some_and(|(min, max)| min > max)
                .then_some("'min' lies above 'max'")
        }
    };
    if let Some(wrong) = wrong {
        report.error(item.span, wrong);
        return None;
    }
    Some(ChainItem::new(
        "clip",
        What::Numbers,
        json!({ "clip": json }),
    ))
}

fn bucketize(node: &Node, report: &mut Report<'_>) -> Option<ChainItem> {
    let [only] = node.entries() else { return None };
    let value = if let Some(count) = only.value.integer() {
        Value::from(count)
    } else {
        let edges = numbers(&only.value)?;
        if !edges.is_sorted_by(|a, b| a < b) {
            report.error(only.value.span, "the edges of buckets rise");
            return None;
        }
        edges.into_iter().map(number).collect()
    };
    let json = json!({"bucketize": {only.key.value.as_str(): value}});
    Some(ChainItem::new("bucketize", What::Numbers, json))
}

fn ordinal(options: Option<&Node>) -> ChainItem {
    let order = options.and_then(|node| node.get("order"));
    let order: Vec<_> = order
        .map(Node::items)
        .unwrap_or_default()
        .iter()
        .filter_map(|node| Some(Spanned::new(scalar(node)?, node.span)))
        .collect();
    let mut json: Map<_, _> = differing(options, "unknown", "missing")
        .into_iter()
        .collect();
    if !order.is_empty() {
        let values = order.iter().map(|value| value.value.clone());
        json.insert("order".to_owned(), values.collect());
    }
    let json = with_options("ordinal", &json);
    ChainItem::new("ordinal", What::Ordinal(order), json)
}

fn one_hot(options: Option<&Node>) -> ChainItem {
    let mut json: Map<_, _> = differing(options, "unknown", "zeros").into_iter().collect();
    let count = options.and_then(|node| node.get("min_count")?.integer());
    if let Some(count) = count {
        json.insert("min_count".to_owned(), count.into());
    }
    ChainItem::new("one_hot", What::OneHot, with_options("one_hot", &json))
}

fn category(options: Option<&Node>) -> ChainItem {
    let mut json: Map<_, _> = differing(options, "unknown", "missing")
        .into_iter()
        .collect();
    let max = options.and_then(|node| node.get("max")?.integer());
    if let Some(max) = max.filter(|max| *max != 255) {
        json.insert("max".to_owned(), max.into());
    }
    ChainItem::new("category", What::Category, with_options("category", &json))
}

/// Where an item stands in a chain.
fn rank(name: &str) -> u8 {
    match name {
        "cast" => 0,
        "fill" | "clip" => 1,
        "bucketize" | "ordinal" => 2,
        _ => 3,
    }
}

/// In a chain every item stands once, in the order of the ranks.
fn check_order(items: &[Spanned<ChainItem>], report: &mut Report<'_>) {
    for (index, item) in items.iter().enumerate() {
        let this = item.value.name;
        let before = &items[..index];
        let Some(last) = before.last() else { continue };
        let last = last.value.name;
        if before.iter().any(|other| other.value.name == this) {
            report.error(item.span, format!("'{this}' stands twice in the chain"));
        } else if this == "none" || before.iter().any(|other| other.value.name == "none") {
            report.error(item.span, "'none' stands alone in its chain");
        } else if rank(this) < rank(last) {
            report.error(item.span, format!("'{this}' comes before '{last}'"));
        } else if rank(this) == 3 && rank(last) == 3 {
            report.error(
                item.span,
                if [this, last].contains(&"category") {
                    "the codes of a category are neither scaled nor made one-hot"
                } else {
                    "a column is either scaled or made one-hot, not both"
                },
            );
        } else if rank(this) == 2 && rank(last) == 2 {
            report.error(
                item.span,
                "a column is either put into buckets or into an order, not both",
            );
        }
    }
}

/// A chain as JSON, after a check that it suits the column and ends in numbers. A boolean counts as
/// the number 0 or 1, days and moments as what they are since 1970.
pub(super) fn checked(column: &Column, chain: &Chain, report: &mut Report<'_>) -> Value {
    let mut logical_type = column.logical_type;
    let mut named = format!("the column '{}' is {logical_type}", shown(&column.name));
    let categories = chain
        .items
        .iter()
        .any(|item| matches!(item.value.what, What::OneHot | What::Category));
    for item in &chain.items {
        let text = logical_type == LogicalType::String;
        if let Some(trouble) = trouble(&item.value, logical_type, categories) {
            report.error(item.span, format!("{named}; {trouble}"));
        }
        match &item.value.what {
            What::Cast(to) => {
                logical_type = *to;
                named = format!("the column '{}' becomes {to}", shown(&column.name));
            }
            What::Ordinal(order) => {
                check_values(logical_type, &named, order, report);
                logical_type = LogicalType::Float;
            }
            What::OneHot | What::Category => logical_type = LogicalType::Float,
            // Said of this item; that the chain does not end in numbers would be a second error.
            What::Numbers if text => logical_type = LogicalType::Float,
            _ => {}
        }
    }
    if logical_type == LogicalType::String {
        report.hinted(
            chain.span,
            format!("{named}; its chain must end in numbers"),
            "end it with one_hot or ordinal",
        );
    }
    let items = chain.items.iter().map(|item| item.value.json.clone());
    items.filter(|json| !json.is_null()).collect()
}

/// What is wrong with an item for values of a type, if anything is.
fn trouble(item: &ChainItem, logical_type: LogicalType, categories: bool) -> Option<String> {
    let text = logical_type == LogicalType::String;
    match &item.what {
        What::FillAverage(of) if text => Some(format!("it has no {of}: fill with a constant")),
        What::FillAverage(of) if categories => {
            Some(format!("its {of} is no category: fill with a constant"))
        }
        What::FillNumber(of) if text => {
            Some(format!("it has no {of}: fill with 'mode' or a constant"))
        }
        What::Numbers if text => Some(
            match item.name {
                "scale" => "only numbers can be scaled: use one_hot",
                "clip" => "only numbers can be clipped",
                _ => "only numbers have buckets: use one_hot or ordinal",
            }
            .to_owned(),
        ),
        What::FillConstant(value) => {
            misfit(logical_type, value).map(|wanted| format!("the constant must be {wanted}"))
        }
        _ => None,
    }
}

fn check_values(
    logical_type: LogicalType,
    named: &str,
    order: &[Spanned<Value>],
    report: &mut Report<'_>,
) {
    for (index, value) in order.iter().enumerate() {
        let wanted = match logical_type {
            LogicalType::Decimal(_) => misfit_in_data(logical_type, &value.value),
            other => misfit(other, &value.value).map(str::to_owned),
        };
        if let Some(wanted) = wanted {
            report.error(
                value.span,
                format!("{named}; a value of its order must be {wanted}"),
            );
        } else if order[..index]
            .iter()
            .any(|other| other.value == value.value)
        {
            report.error(value.span, "the value stands twice in the order");
        }
    }
}
