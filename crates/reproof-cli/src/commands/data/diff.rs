//! `reproof data diff`: what differs between two data versions.

use std::collections::BTreeMap;

use clap::Args;
use reproof_engine::{
    ColumnChange, EngineError, FilesDiff, FoundData, VersionDiff, diff_files, diff_versions,
    find_data,
};
use reproof_record::RelativePath;
use reproof_table::diff::{ChangedRow, SampleRow, SchemaDiff};
use serde_json::json;

use crate::arguments::Global;
use crate::exit::Exit;
use crate::printer::{Printer, Style};
use crate::{format, session};

/// The widest that the values of a row are shown.
const WIDTH: usize = 120;
/// The drift from which on it stands out.
const MUCH: f64 = 0.25;

/// The options of `data diff`.
#[derive(Debug, Args)]
pub struct Diff {
    /// The first version, as `data show` takes it.
    #[arg(value_name = "A")]
    pub before: String,
    /// The second version.
    #[arg(value_name = "B")]
    pub after: String,
    /// The columns that tell which row is which. Left out, rows are compared by their content.
    #[arg(long, value_name = "COLUMN", value_delimiter = ',')]
    pub key: Vec<String>,
    /// Show at most this many rows or files of each kind.
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub limit: usize,
}

/// Runs the command.
pub fn execute(options: &Diff, global: &Global, printer: &Printer) -> Result<Exit, EngineError> {
    let project = session::project(global)?;
    let before = find_data(&project, &options.before)?;
    let after = find_data(&project, &options.after)?;
    if let Some(diff) = diff_files(&project, [&before, &after])? {
        print_files([&before, &after], &diff, options, printer)?;
        return Ok(Exit::Done);
    }
    let threads = session::threads(None);
    let diff = diff_versions(
        &project,
        [&before, &after],
        &options.key,
        options.limit,
        threads,
    )?;
    if printer.json {
        printer.document(&json!({
            "versions": [of(&before), of(&after)],
            "diff": diff,
        }));
        return Ok(Exit::Done);
    }
    printer.line(&format!("{} → {}", before.label(), after.label()));
    if diff.table.is_empty() {
        printer.line("nothing differs");
        return Ok(Exit::Done);
    }
    print_schema(&diff.table.schema, printer);
    print_rows(&diff, printer);
    print_columns(&diff.columns, printer);
    Ok(Exit::Done)
}

/// What differs between files.
fn print_files(
    versions: [&FoundData; 2],
    diff: &FilesDiff,
    options: &Diff,
    printer: &Printer,
) -> Result<(), EngineError> {
    if !options.key.is_empty() {
        return Err(EngineError::usage(
            "--key is for tables: files have no columns",
        ));
    }
    let [before, after] = versions;
    if printer.json {
        printer.document(&json!({ "versions": [of(before), of(after)], "diff": diff }));
        return Ok(());
    }
    printer.line(&format!("{} → {}", before.label(), after.label()));
    if diff.is_empty() {
        printer.line("nothing differs");
        return Ok(());
    }
    let count = |paths: &[RelativePath]| format::count(paths.len() as u64);
    printer.line(&format!(
        "files {} → {}: {} added, {} removed, {} changed",
        format::count(diff.files[0]),
        format::count(diff.files[1]),
        count(&diff.added),
        count(&diff.removed),
        count(&diff.changed)
    ));
    for (sign, style, paths) in [
        ('-', Style::Bad, &diff.removed),
        ('+', Style::Good, &diff.added),
        ('~', Style::Warning, &diff.changed),
    ] {
        for path in paths.iter().take(options.limit) {
            let text = format!("{sign} {}", format::visible(path.as_str()));
            printer.line(&printer.paint(style, &text));
        }
        let more = paths.len().saturating_sub(options.limit);
        if more > 0 {
            printer.line(&format!("{sign} … {} more", format::count(more as u64)));
        }
    }
    Ok(())
}

fn of(found: &FoundData) -> serde_json::Value {
    json!({ "version": found.label(), "data_id": found.content })
}

fn print_schema(schema: &SchemaDiff, printer: &Printer) {
    for column in &schema.added {
        let text = format!("+ column {} ({})", column.name, column.logical_type);
        printer.line(&printer.paint(Style::Good, &format::visible(&text)));
    }
    for column in &schema.removed {
        let text = format!("- column {} ({})", column.name, column.logical_type);
        printer.line(&printer.paint(Style::Bad, &format::visible(&text)));
    }
    for column in &schema.retyped {
        let text = format!(
            "~ column {}: {} → {}",
            column.name, column.before, column.after
        );
        printer.line(&printer.paint(Style::Warning, &format::visible(&text)));
    }
    if schema.reordered {
        printer.line("~ columns stand in another order");
    }
}

fn print_rows(diff: &VersionDiff, printer: &Printer) {
    let table = &diff.table;
    let mut counts = format!(
        "rows {} → {}: {} added, {} removed",
        format::count(table.rows[0]),
        format::count(table.rows[1]),
        format::count(table.added),
        format::count(table.removed)
    );
    if let Some(changed) = table.changed {
        counts += &format!(", {} changed", format::count(changed));
    }
    counts += &format!(", {} unchanged", format::count(table.unchanged));
    printer.line(&counts);
    if table.reordered {
        printer.line("the same rows, in another order");
    }
    let copies = table.copies[0] + table.copies[1];
    if copies > 0 {
        printer.line(&format!(
            "{} of them {} of a row that both have",
            format::count(copies),
            if copies == 1 {
                "is a copy"
            } else {
                "are copies"
            }
        ));
    }
    if !table.schema.is_empty() {
        printer.line(&format!(
            "rows are compared by {}",
            format::visible(&[table.key.as_slice(), &table.compared].concat().join(", "))
        ));
    }
    if table.repeated_keys != [0, 0] {
        printer.line(&format!(
            "the key does not tell all rows apart: {} and {} rows repeat one",
            format::count(table.repeated_keys[0]),
            format::count(table.repeated_keys[1])
        ));
    }
    for (name, rows) in &table.changed_columns {
        printer.line(&format!(
            "  {} changed in {}",
            format::visible(name),
            format::counted(*rows, "row")
        ));
    }
    let samples = &table.samples;
    for row in &samples.removed {
        printer.line(&printer.paint(Style::Bad, &sample('-', row)));
    }
    for row in &samples.added {
        printer.line(&printer.paint(Style::Good, &sample('+', row)));
    }
    for row in &samples.changed {
        printer.line(&printer.paint(Style::Warning, &changed(row)));
    }
}

fn sample(sign: char, row: &SampleRow) -> String {
    format!(
        "{sign} row {}  {}",
        format::count(row.row),
        values(&row.values)
    )
}

fn values(values: &BTreeMap<String, Option<String>>) -> String {
    let shown: Vec<_> = values
        .iter()
        .map(|(name, value)| format!("{name}={}", text(value.as_deref())))
        .collect();
    format::cut(&format::visible(&shown.join(" ")), WIDTH)
}

fn text(value: Option<&str>) -> String {
    value.map_or("(missing)".to_owned(), str::to_owned)
}

fn changed(row: &ChangedRow) -> String {
    let moved: Vec<_> = row
        .values
        .iter()
        .map(|(name, [before, after])| {
            format!(
                "{name}: {} → {}",
                text(before.as_deref()),
                text(after.as_deref())
            )
        })
        .collect();
    let moved = format::cut(&format::visible(&moved.join(", ")), WIDTH);
    format!("~ {}  {moved}", values(&row.key))
}

/// The columns whose values moved.
fn print_columns(columns: &[ColumnChange], printer: &Printer) {
    let moved: Vec<_> = columns
        .iter()
        .filter(|column| column.statistics[0] != column.statistics[1])
        .collect();
    if moved.is_empty() {
        return;
    }
    printer.line("\ncolumns");
    let width = moved.iter().map(|column| column.name.chars().count()).max();
    let width = width.unwrap_or(0).clamp(8, 28);
    for column in moved {
        let name = format::cut(&format::visible(&column.name), width);
        let mut parts = Vec::new();
        if let Some(drift) = &column.drift {
            let psi = format!("PSI {:.3}", drift.psi);
            let style = if drift.psi > MUCH {
                Style::Warning
            } else {
                Style::Dim
            };
            parts.push(printer.paint(style, &psi));
            parts.push(format!("JS {:.3}", drift.jensen_shannon));
            if let Some(distance) = drift.kolmogorov_smirnov {
                parts.push(format!("KS {distance:.3}"));
            }
        }
        let [before, after] = &column.statistics;
        if before.missing != after.missing {
            parts.push(format!(
                "missing {} → {}",
                format::count(before.missing),
                format::count(after.missing)
            ));
        }
        if let (Some(mine), Some(theirs)) = (before.mean, after.mean)
            && mine.0 != theirs.0
        {
            parts.push(format!(
                "mean {} → {}",
                format::short(mine.0),
                format::short(theirs.0)
            ));
        }
        for (what, mine, theirs) in [
            ("min", &before.min, &after.min),
            ("max", &before.max, &after.max),
        ] {
            if let (Some(mine), Some(theirs)) = (mine, theirs)
                && mine != theirs
            {
                parts.push(format!("{what} {mine} → {theirs}"));
            }
        }
        printer.line(&format!("  {name:<width$}  {}", parts.join("  ")));
    }
}
