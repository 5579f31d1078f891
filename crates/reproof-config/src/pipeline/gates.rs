//! Gates: bounds on metrics that a run must meet.

use std::collections::BTreeSet;

use reproof_record::{Bound, Gate, canonical_number};

use super::parameters::slice_columns;
use crate::diagnostic::{Diagnostics, Report, Sources, Span};
use crate::names::shown;
use crate::registry::{METRICS, Task};
use crate::tables::GATE;
use crate::tree::{Node, Value, parse_plain};

/// The key that stands for a bound in the long form.
pub(super) const fn key(bound: Bound) -> &'static str {
    match bound {
        Bound::AtLeast => "at_least",
        Bound::AtMost => "at_most",
        Bound::Above => "above",
        Bound::Below => "below",
    }
}

/// Two-character signs first: `>` begins `>=`, too.
const BOUNDS: [Bound; 4] = [Bound::AtLeast, Bound::AtMost, Bound::Above, Bound::Below];

/// The least rows of a class of a gate, where its metric has classes.
pub(super) fn per_class_to_print(gate: &Gate) -> Option<u64> {
    let of_numbers = Task::Regression.all_metrics();
    (!of_numbers.contains(&gate.metric.as_str())).then_some(gate.min_per_class)
}

/// A gate and the places of its parts.
#[derive(Clone, Debug)]
pub(crate) struct WrittenGate {
    pub gate: Gate,
    pub metric: Span,
    pub slice: Span,
    /// Where `min_per_class` is given.
    pub per_class: Option<Span>,
}

/// Reads a gate in either form.
pub(super) fn read(node: &Node, report: &mut Report<'_>) -> Option<WrittenGate> {
    let (metric, metric_span, bound, threshold) = match node.text() {
        Some(text) => {
            let (metric, bound, threshold) = read_text(text, node.span, report)?;
            (metric, node.span, bound, threshold)
        }
        None => read_mapping(node, report)?,
    };
    check_threshold(metric, threshold, metric_span, report);
    let slice = node.entry("in");
    let columns = slice.map(|entry| {
        let columns = slice_columns(&entry.value, report);
        let names: BTreeSet<_> = columns.into_iter().map(|column| column.value).collect();
        names.into_iter().collect::<Vec<_>>()
    });
    for key in ["min_rows", "min_per_class"] {
        if let Some(entry) = node.entry(key)
            && slice.is_none()
        {
            let message = format!("'{key}' has a use only beside 'in'");
            report.error(entry.key.span, message);
        }
    }
    let count = |key: &str| {
        let given = node.get(key).and_then(Node::integer);
        let default = || GATE.field(key)?.default_value().as_u64();
        given
            .and_then(|count| u64::try_from(count).ok())
            .or_else(default)
            .unwrap_or_default()
    };
    Some(WrittenGate {
        metric: metric_span,
        slice: slice.map_or(node.span, |entry| entry.value.span),
        per_class: node.entry("min_per_class").map(|entry| entry.key.span),
        gate: Gate {
            metric: metric.to_owned(),
            bound,
            threshold,
            min_rows: count("min_rows"),
            min_per_class: count("min_per_class"),
            text: text(metric, bound, threshold, columns.as_deref()),
            slice: columns,
        },
    })
}

fn text(metric: &str, bound: Bound, threshold: f64, slice: Option<&[String]>) -> String {
    // A threshold is finite, so it can be written.
    let threshold = canonical_number(threshold).unwrap_or_default();
    let mut text = format!("{metric} {} {threshold}", bound.sign());
    if let Some(columns) = slice {
        let columns: Vec<_> = columns.iter().map(|column| shown(column)).collect();
        text.push_str(" in ");
        text.push_str(&columns.join(", "));
    }
    text
}

type Read = (&'static str, Bound, f64);

/// Reads a bound on a metric that stands alone, such as `roc_auc >= 0.80`: the metric, the side and
/// the threshold. `place` says for messages where it stands.
pub fn parse_bound(place: &str, text: &str) -> Result<(&'static str, Bound, f64), Diagnostics> {
    let mut sources = Sources::default();
    let source = sources.add(place, text);
    let mut report = Report::new(&sources);
    let span = Span {
        source,
        start: 0,
        end: text.len(),
    };
    let read = read_text(text, span, &mut report);
    // Where nothing was read, that was reported, and this stand-in is not given.
    let read = read.unwrap_or((METRICS[0], Bound::AtLeast, 0.0));
    report.finish().map(|()| read)
}

/// `roc_auc >= 0.80`
fn read_text(text: &str, span: Span, report: &mut Report<'_>) -> Option<Read> {
    let parts = BOUNDS
        .iter()
        .find_map(|bound| Some((bound, text.split_once(bound.sign())?)));
    let Some((bound, (metric, threshold))) = parts else {
        report.hinted(
            span,
            format!("'{}' is not a gate", shown(text)),
            "write a metric, one of >=, <=, >, < and a number: roc_auc >= 0.80",
        );
        return None;
    };
    let (metric, threshold) = (metric.trim(), threshold.trim());
    let Some(metric) = METRICS.iter().find(|known| **known == metric) else {
        report.unknown(span, "metric", metric, METRICS.iter().copied());
        return None;
    };
    let value = match parse_plain(threshold) {
        Ok(Value::Integer(value)) => value as f64,
        Ok(Value::Float(value)) => value,
        Ok(_) => {
            let message = format!("'{}' is not a number", shown(threshold));
            report.hinted(
                span,
                message,
                "a gate on a slice is a mapping: {metric: roc_auc, at_least: 0.65, in: COLUMN}",
            );
            return None;
        }
        Err(refused) => {
            report.hinted(span, refused.message, refused.hint);
            return None;
        }
    };
    Some((metric, *bound, value))
}

/// `{metric: roc_auc, at_least: 0.65, in: contract}`
fn read_mapping(node: &Node, report: &mut Report<'_>) -> Option<(&'static str, Span, Bound, f64)> {
    let metric = node.get("metric")?;
    let name = METRICS.iter().find(|known| metric.text() == Some(known))?;
    let given: Vec<_> = BOUNDS
        .iter()
        .filter_map(|bound| Some((*bound, node.entry(key(*bound))?)))
        .collect();
    match given.as_slice() {
        [(bound, entry)] => Some((name, metric.span, *bound, entry.value.number()?)),
        [] => {
            let message = "the gate has no bound: one of at_least, at_most, above, below";
            report.error(metric.span, message);
            None
        }
        [_, (_, second), ..] => {
            report.error(second.key.span, "a gate has one bound; write two gates");
            None
        }
    }
}

fn check_threshold(metric: &str, threshold: f64, span: Span, report: &mut Report<'_>) {
    let (possible, range) = match metric {
        "r2" => (threshold <= 1.0, "at most at 1"),
        "log_loss" | "rmse" | "mae" | "mape" => (threshold >= 0.0, "at 0 or above"),
        // Of several classes it is up to 2.
        "brier" => ((0.0..=2.0).contains(&threshold), "between 0 and 2"),
        _ => ((0.0..=1.0).contains(&threshold), "between 0 and 1"),
    };
    if !possible {
        report.error(span, format!("{metric} lies {range}, not at {threshold}"));
    }
}
