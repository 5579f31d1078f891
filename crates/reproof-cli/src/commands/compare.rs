//! `reproof compare`: shows what differs between records, and only that, then their metrics.

use std::num::NonZeroUsize;

use clap::Args;
use reproof_engine::{
    AgainstSeeds, Change, DataDifference, DataVersion, EngineError, MetricMoved, MetricsComparison,
    RecordComparison, compare, moved_metrics, resolve_record,
};
use reproof_table::diff::{SampleRow, TableDiff};
use serde_json::{Value, json};

use crate::arguments::Global;
use crate::exit::Exit;
use crate::printer::{Printer, Style};
use crate::{format, seeds, session, summary};

/// The widest that a row is shown.
const WIDTH: usize = 120;

/// The options of the command.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The records: IDs or prefixes of them, PIPELINE@latest or @latest. Each is compared with the
    /// first.
    #[arg(value_name = "ID", required = true, num_args = 2..)]
    pub ids: Vec<String>,
    /// Show at most this many slices; --json has all.
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub slices: usize,
    /// How many threads to use; they change no result.
    #[arg(long, value_name = "N")]
    pub threads: Option<NonZeroUsize>,
}

/// Runs the command.
pub fn execute(
    arguments: &Arguments,
    global: &Global,
    printer: &Printer,
) -> Result<Exit, EngineError> {
    let project = session::project(global)?;
    let ids = arguments
        .ids
        .iter()
        .map(|id| resolve_record(&project, id))
        .collect::<Result<Vec<_>, _>>()?;
    let threads = session::threads(arguments.threads);
    let mut comparisons = Vec::new();
    for id in &ids[1..] {
        comparisons.push(compare(&project, [ids[0], *id], threads)?);
    }
    if printer.json {
        printer.document(&json!({ "comparisons": comparisons }));
        return Ok(Exit::Done);
    }
    for (index, comparison) in comparisons.iter().enumerate() {
        if index > 0 {
            printer.line("");
        }
        print(comparison, arguments.slices, printer);
    }
    Ok(Exit::Done)
}

fn print(comparison: &RecordComparison, slices: usize, printer: &Printer) {
    let [first, second] = &comparison.records;
    let title = format!("record {} -> {}", first.short(), second.short());
    if first == second {
        printer.line(&format!("{title}   the same record"));
        return;
    }
    printer.line(&printer.paint(Style::Strong, &title));
    if !comparison.configuration.is_empty() {
        printer.line("\nconfiguration");
        print_changes(&comparison.configuration, printer);
    }
    if !comparison.data.is_empty() {
        printer.line("\ndata");
        for line in comparison.data.iter().flat_map(data_lines) {
            printer.line(&line);
        }
    }
    if let Some([before, after]) = &comparison.code {
        let (before, after) = (summary::code(before), summary::code(after));
        let after = if before == after {
            "other files".to_owned()
        } else {
            after
        };
        printer.line(&format!("\ncode\n  {before} -> {after}"));
    }
    if comparison.configuration.is_empty() && comparison.data.is_empty() {
        printer.line("\nthe recipes are the same: the results are not reproducible");
    }
    match &comparison.metrics {
        Some(metrics) => print_metrics(metrics, &comparison.seeds, slices, printer),
        None => printer.line("\nno metrics to compare"),
    }
}

pub(super) fn print_changes(changes: &[Change], printer: &Printer) {
    let width = changes.iter().map(|change| change.path.chars().count());
    let width = width.max().unwrap_or(0).min(40);
    let shown = |value: &Option<Value>| match value {
        None => "(none)".to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(value) => value.to_string(),
    };
    for change in changes {
        printer.line(&format!(
            "  {:<width$}  {} -> {}",
            change.path,
            shown(&change.before),
            shown(&change.after)
        ));
    }
}

/// How data differs: the versions, then what is known of their rows.
pub(super) fn data_lines(difference: &DataDifference) -> Vec<String> {
    let rows = difference.table.as_ref().map(row_lines).unwrap_or_default();
    let rows = rows.into_iter().map(|line| format!("    {line}"));
    std::iter::once(version_line(difference))
        .chain(rows)
        .collect()
}

fn version_line(difference: &DataDifference) -> String {
    let shown = |version: &Option<DataVersion>| match version {
        None => "(none)".to_owned(),
        Some(version) => {
            let rows = version.rows.map(|rows| format::amount(version.kind, rows));
            let rows = rows.unwrap_or_else(|| "not in the store".to_owned());
            format!("data:{} ({rows})", version.digest.short())
        }
    };
    format!(
        "  {:<12}{} -> {}",
        difference.name.as_str(),
        shown(&difference.before),
        shown(&difference.after)
    )
}

fn row_lines(diff: &TableDiff) -> Vec<String> {
    let mut lines = Vec::new();
    let names = |columns: &[reproof_record::Column]| {
        let names: Vec<_> = columns.iter().map(|column| column.name.as_str()).collect();
        format::visible(&names.join(", "))
    };
    let schema = &diff.schema;
    for (what, columns) in [
        ("new columns", &schema.added),
        ("lost columns", &schema.removed),
    ] {
        if !columns.is_empty() {
            lines.push(format!("{what}: {}", names(columns)));
        }
    }
    for column in &schema.retyped {
        let (name, before, after) = (format::visible(&column.name), column.before, column.after);
        lines.push(format!("column {name} is {after}, was {before}"));
    }
    if schema.reordered {
        lines.push("the columns are in another order".to_owned());
    }
    if diff.reordered {
        lines.push("the same rows, in another order".to_owned());
    }
    let edited = edited(diff);
    if edited.is_empty() {
        lines.extend(counts(diff));
    } else {
        lines.push(format!(
            "{} changed in place",
            format::counted(diff.added, "row")
        ));
        lines.extend(edited);
    }
    lines
}

/// How many rows were added and removed.
fn counts(diff: &TableDiff) -> impl Iterator<Item = String> {
    let [removed, added] = diff.copies;
    let both = [
        ("added", diff.added, added, "copies of rows that were there"),
        (
            "removed",
            diff.removed,
            removed,
            "copies of rows that are still there",
        ),
    ];
    both.into_iter()
        .filter(|(_, count, ..)| *count > 0)
        .map(|(what, count, copies, of)| {
            let rows = format::counted(count, "row");
            match copies {
                0 => format!("{rows} {what}"),
                all if all == count => format!("{rows} {what}, all {of}"),
                some => format!("{rows} {what}, {} of them {of}", format::count(some)),
            }
        })
}

/// The first rows that were edited where they stand: what differs of each. Nothing if rows came or went.
fn edited(diff: &TableDiff) -> Vec<String> {
    let shown = |value: &Option<String>| match value {
        None => "(missing)".to_owned(),
        Some(text) => format::visible(text),
    };
    let (removed, added) = (&diff.samples.removed, &diff.samples.added);
    let numbers = |rows: &[SampleRow]| rows.iter().map(|row| row.row).collect::<Vec<_>>();
    if diff.added != diff.removed
        || diff.rows[0] != diff.rows[1]
        || numbers(removed) != numbers(added)
    {
        return Vec::new();
    }
    let lines = removed.iter().zip(added).map(|(before, after)| {
        let values = before.values.iter().filter_map(|(name, value)| {
            let now = after.values.get(name).filter(|now| *now != value)?;
            Some(format!(
                "{} {} -> {}",
                format::visible(name),
                shown(value),
                shown(now)
            ))
        });
        let values: Vec<_> = values.collect();
        format::cut(&format!("row {}: {}", before.row, values.join(", ")), WIDTH)
    });
    lines.collect()
}

pub(super) fn print_metrics(
    metrics: &MetricsComparison,
    seeds: &AgainstSeeds,
    limit: usize,
    printer: &Printer,
) {
    let [before, after] = &metrics.found;
    printer.line(&match &metrics.not_paired {
        None => {
            let rows = format::counted(before.rows, "row");
            format!("\nmetrics on the same {rows}, with the difference and its 95 % interval")
        }
        Some(reason) => format!("\nmetrics, side by side only: {reason}"),
    });
    let (overall, slices) = moved_metrics(metrics, seeds);
    for moved in &overall {
        printer.line(&metric_line(moved, printer));
    }
    for (metrics, of, side) in [(before, after, "first"), (after, before, "second")] {
        let only = metrics.overall.keys();
        for name in only.filter(|name| !of.overall.contains_key(*name)) {
            let estimate = summary::estimate(name, &metrics.overall[name]);
            printer.line(&format!("  {estimate}   only of the {side}"));
        }
    }
    if let Some(labels) = &seeds.labels {
        let flipped = seeds::labels(labels, before.rows);
        printer.line(&format!("  {:<18} {flipped}", "labels flipped"));
    }
    if !slices.is_empty() && limit > 0 {
        printer.line("\nslices, what matters most first");
        for slice in slices.iter().take(limit) {
            print_slice(slice, printer);
        }
        if slices.len() > limit {
            let more = format::counted((slices.len() - limit) as u64, "slice");
            printer.line(&format!("  and {more} more"));
        }
    }
    printer.line(&printer.paint(Style::Dim, &format!("  {}", seeds::known(seeds))));
}

fn print_slice(slice: &[MetricMoved<'_>], printer: &Printer) {
    let sides = slice.first().and_then(|moved| moved.slice.zip(moved.rows));
    let Some((found, after)) = sides else {
        return;
    };
    let rows = if found.rows == after {
        format::counted(after, "row")
    } else {
        format!(
            "{} -> {} rows",
            format::count(found.rows),
            format::count(after)
        )
    };
    printer.line(&format!("  {}   {rows}", found.name()));
    for moved in slice {
        if moved.values.iter().all(|estimate| estimate.value.is_some()) {
            printer.line(&format!("  {}", metric_line(moved, printer)));
        }
    }
}

/// One metric of both: `roc_auc   0.842 -> 0.850   +0.008 [-0.002, +0.018]   seeds ±0.012 (0.7 sd), within`.
fn metric_line(moved: &MetricMoved<'_>, printer: &Printer) -> String {
    let [before, after] = moved.values.map(|estimate| {
        let value = estimate.value.map(format::metric);
        value.unwrap_or_else(|| "not defined".to_owned())
    });
    let mut line = format!("  {:<18} {before} -> {after}", moved.metric);
    let by = moved.difference.and_then(|difference| difference.value);
    if let Some(by) = by.or_else(|| moved.seeds.map(|seeds| seeds.by)) {
        line += &format!("   {}", format::signed(by));
    }
    let difference = moved.difference;
    if let Some((low, high)) = difference.and_then(|found| found.low.zip(found.high)) {
        let interval = format!(" [{}, {}]", format::signed(low), format::signed(high));
        // An interval without zero: the difference is more than chance among these rows explains.
        line += &if moved.is_clear() == Some(true) {
            printer.paint(Style::Strong, &interval)
        } else {
            interval
        };
    }
    if let Some(found) = moved.seeds {
        let text = seeds::distance(found);
        let text = if found.beyond {
            printer.paint(Style::Strong, &text)
        } else {
            text
        };
        line += &format!("   {text}");
    }
    line
}
