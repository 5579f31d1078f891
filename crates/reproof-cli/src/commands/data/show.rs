//! `reproof data show` and `stats`: what the columns of a version hold.

use std::path::PathBuf;

use clap::Args;
use reproof_engine::{EngineError, FoundData, Project, StoredFiles, find_data, statistics};
use reproof_record::LogicalType;
use reproof_store::fs::write_atomic;
use reproof_table::statistics::{ColumnStatistics, Histogram, Statistics};
use serde_json::json;

use super::{described, page, version_json};
use crate::arguments::Global;
use crate::exit::Exit;
use crate::printer::{Printer, Style};
use crate::{format, session};

/// How many files of a version are shown.
const SHOWN_FILES: usize = 40;

/// The options of `data show`.
#[derive(Debug, Args)]
pub struct Show {
    /// A version: NAME, NAME@TAG, NAME@~1, NAME@DIGITS, data:DIGITS, or the path or name of a file
    /// that a pipeline read.
    #[arg(value_name = "VERSION")]
    pub name: String,
}

/// The options of `data stats`.
#[derive(Debug, Args)]
pub struct Stats {
    /// A version, as `data show` takes it.
    #[arg(value_name = "VERSION")]
    pub name: String,
    /// Write a report for the browser to this file: one page that needs nothing else.
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// Replace the file if it is there.
    #[arg(long)]
    pub force: bool,
}

/// Runs `data show`.
pub fn show(show: &Show, global: &Global, printer: &Printer) -> Result<Exit, EngineError> {
    let project = session::project(global)?;
    let found = find_data(&project, &show.name)?;
    if let Some(files) = found.files(&project)? {
        return show_files(&project, &found, &files, printer);
    }
    let statistics = statistics(&project, &found, session::threads(None))?;
    if printer.json {
        printer.document(&json!({
            "data_id": found.content,
            "version": found.pinned.as_ref().map(described),
            "history": found.version.as_ref().map(|(id, entry)| version_json(id, entry)),
            "lineage": project.catalog.lineage(&found.content)?,
            "statistics": statistics,
        }));
        return Ok(Exit::Done);
    }
    print(&found, &statistics, printer);
    Ok(Exit::Done)
}

/// Runs `data stats`.
pub fn stats(options: &Stats, global: &Global, printer: &Printer) -> Result<Exit, EngineError> {
    let project = session::project(global)?;
    let found = find_data(&project, &options.name)?;
    let statistics = statistics(&project, &found, session::threads(None))?;
    let file = options.html.as_ref();
    let file = file.map(|file| session::new_file(&project, global, file, options.force));
    let file = file.transpose()?;
    if let Some(file) = &file {
        let text = page::page(&found, &statistics);
        write_atomic(project.io(), file, text.as_bytes())?;
    }
    if printer.json {
        printer.document(&json!({
            "data_id": found.content,
            "statistics": statistics,
            "html": file,
        }));
    } else if let Some(file) = &file {
        printer.line(&format!("{} in {}", found.label(), file.display()));
    } else {
        print(&found, &statistics, printer);
    }
    Ok(Exit::Done)
}

/// The query that a version was asked by, if it was.
fn print_query(found: &FoundData, printer: &Printer) {
    let entry = found.version.as_ref().map(|(_, entry)| entry);
    let query = entry.and_then(|entry| entry.source.options.get("query")?.as_str());
    for (index, line) in query.unwrap_or_default().lines().enumerate() {
        let head = if index == 0 { "query" } else { "" };
        let text = match line {
            "" => String::new(),
            line => format::visible(line),
        };
        printer.line(format!("{head:<10}{text}").trim_end());
    }
}

/// Shows a version that is files.
pub fn show_files(
    project: &Project,
    found: &FoundData,
    files: &StoredFiles,
    printer: &Printer,
) -> Result<Exit, EngineError> {
    if printer.json {
        printer.document(&json!({
            "data_id": found.content,
            "version": found.pinned.as_ref().map(described),
            "history": found.version.as_ref().map(|(id, entry)| version_json(id, entry)),
            "lineage": project.catalog.lineage(&found.content)?,
            "files": files,
        }));
        return Ok(Exit::Done);
    }
    print_origin(found, printer);
    let sizes: Option<Vec<u64>> = files.iter().map(|file| file.size).collect();
    let bytes = sizes.map(|sizes| sizes.into_iter().sum());
    let bytes = bytes.map_or_else(String::new, |bytes| {
        format!(", {}", format::counted(bytes, "byte"))
    });
    let count = format::count(files.len() as u64);
    printer.line(&format!("files     {count}{bytes}\n"));
    for file in files.iter().take(SHOWN_FILES) {
        let size = file.size.map(format::count).unwrap_or_default();
        let (digest, path) = (file.digest.short(), format::visible(file.path.as_str()));
        printer.line(&format!("  {digest}  {size:>14}  {path}"));
    }
    let more = files.len().saturating_sub(SHOWN_FILES);
    if more > 0 {
        printer.line(&format!(
            "  … {} more; --json lists all",
            format::count(more as u64)
        ));
    }
    Ok(Exit::Done)
}

fn print(found: &FoundData, statistics: &Statistics, printer: &Printer) {
    print_origin(found, printer);
    printer.line(&format!("rows      {}", format::count(statistics.rows)));
    printer.line(&format!("columns   {}\n", statistics.columns.len()));
    print_columns(statistics, printer);
}

/// What a version is, and where it comes from.
fn print_origin(found: &FoundData, printer: &Printer) {
    let id = printer.paint(Style::Strong, &found.content.to_string());
    printer.line(&format!("data      {id}"));
    if let Some((id, entry)) = &found.version {
        printer.line(&format!("version   {}@{}", entry.name, id.short()));
        let message = super::history::message(entry);
        printer.line(&format!(
            "read      {} by {}{}",
            format::local(entry.time),
            super::history::author(entry),
            if message.is_empty() {
                String::new()
            } else {
                format!(": {message}")
            }
        ));
    }
    if let Some(source) = found.source() {
        printer.line(&format!("source    {source}"));
    }
    print_query(found, printer);
}

fn print_columns(statistics: &Statistics, printer: &Printer) {
    let widest = |texts: &mut dyn Iterator<Item = String>| {
        texts.map(|text| text.chars().count()).max().unwrap_or(0)
    };
    let columns = &statistics.columns;
    let name = widest(&mut columns.iter().map(|column| column.name.clone())).clamp(8, 28);
    let gone = widest(
        &mut columns
            .iter()
            .map(|column| missing(column, statistics.rows)),
    );
    let ranges = widest(&mut columns.iter().map(range));
    let types = widest(&mut columns.iter().map(|column| short_type(column.logical_type))).max(9);
    for column in columns {
        let head = format!(
            "  {:<name$}  {:<types$}  {:<gone$}{}",
            format::cut(&format::visible(&column.name), name),
            short_type(column.logical_type),
            missing(column, statistics.rows),
            if gone > 0 { "  " } else { "" },
        );
        let text = format!("{head}{}", content(column, ranges, printer));
        printer.line(text.trim_end());
    }
}

/// How much of a column is missing; nothing if none is.
pub fn missing(column: &ColumnStatistics, rows: u64) -> String {
    match column.missing {
        0 => String::new(),
        missing => format!("{} missing", share(missing, rows)),
    }
}

/// The least and the greatest value of a column.
pub fn range(column: &ColumnStatistics) -> String {
    match (&column.min, &column.max) {
        (Some(min), Some(max)) => {
            let value = |text| format::value(text, column.logical_type);
            format!("{} … {}", value(min), value(max))
        }
        _ => String::new(),
    }
}

/// A type in few letters.
pub fn short_type(logical_type: LogicalType) -> String {
    match logical_type {
        LogicalType::TimestampNaive => "time".to_owned(),
        LogicalType::TimestampUtc => "time UTC".to_owned(),
        other => other.to_string(),
    }
}

/// What a column holds, on one line.
fn content(column: &ColumnStatistics, ranges: usize, printer: &Printer) -> String {
    if column.count == 0 {
        return printer.paint(Style::Dim, "no values");
    }
    match column.logical_type {
        LogicalType::Boolean => {
            let trues = column.mean.map_or(0.0, |mean| mean.0);
            format!("true {:.1} %", trues * 100.0)
        }
        LogicalType::String => texts(column),
        _ => numbers(column, ranges, printer),
    }
}

fn numbers(column: &ColumnStatistics, ranges: usize, printer: &Printer) -> String {
    let value = |text| format::value(text, column.logical_type);
    let bars = column.histogram.as_ref().map_or_else(String::new, bars);
    // Padded before it is painted: colours take room, too.
    let bars = printer.paint(Style::Good, &format!("{bars:<20}"));
    let mut text = format!("{bars}  {:<ranges$}", range(column));
    let median = column.quantiles.iter().filter_map(|quantiles| {
        let sign = if quantiles.exact { "" } else { "~" };
        let half = quantiles
            .values
            .iter()
            .find(|quantile| quantile.percent == 50);
        half.map(|half| format!("{sign}{}", value(&half.value)))
    });
    for median in median {
        text += &format!("  median {median}");
    }
    if let Some(mean) = column.mean {
        text += &format!("  mean {}", format::short(mean.0));
    }
    if let Some(deviation) = column.standard_deviation {
        text += &format!("  sd {}", format::short(deviation.0));
    }
    text
}

fn texts(column: &ColumnStatistics) -> String {
    let mut text = String::new();
    if let Some(distinct) = &column.distinct {
        let sign = if distinct.exact { "" } else { "~" };
        text += &format!("{sign}{}", format::counted(distinct.count, "value"));
    }
    let Some(top) = &column.top else {
        return text;
    };
    let sign = if top.exact { "" } else { "~" };
    let often = top.values.iter().filter(|value| value.count > 1);
    let shown: Vec<_> = often
        .take(3)
        .map(|value| {
            let name = format::cut(&value.value, 24);
            format!(
                "{} {sign}{}",
                format::visible(&name),
                share(value.count, column.count)
            )
        })
        .collect();
    if !shown.is_empty() {
        text += &format!(": {}", shown.join(", "));
    }
    text
}

/// A share of rows in percent.
pub fn share(part: u64, whole: u64) -> String {
    let percent = part as f64 / whole as f64 * 100.0;
    if percent < 0.1 {
        format!("{} of {}", format::count(part), format::count(whole))
    } else {
        format!("{percent:.1} %")
    }
}

/// A histogram in one line: an eighth of a letter's height for each eighth of the highest count,
/// and nothing for none.
fn bars(histogram: &Histogram) -> String {
    const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let highest = histogram.counts.iter().copied().max().unwrap_or(0).max(1);
    let bar = |&count: &u64| match (u128::from(count) * 8).div_ceil(u128::from(highest)) {
        0 => ' ',
        eighths => BARS[eighths as usize - 1],
    };
    histogram.counts.iter().map(bar).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_as_high_as_counts() {
        let histogram = Histogram {
            exact: true,
            uncertain: None,
            counts: vec![0, 1, 4, 8, 100, 50],
        };
        assert_eq!(bars(&histogram), " ▁▁▁█▄");
    }
}
