//! `reproof data`: shows data versions and what their columns hold.

use clap::{Args, Subcommand};
use reproof_engine::{EngineError, PinnedData, data_versions, find_data, statistics};
use reproof_record::{Digest, LogicalType};
use reproof_table::statistics::{ColumnStatistics, Histogram, Statistics};
use serde_json::json;

use crate::arguments::Global;
use crate::exit::Exit;
use crate::printer::{Printer, Style};
use crate::{format, session};

/// The options of the command.
#[derive(Debug, Args)]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub action: Action,
}

/// What can be done with data.
#[derive(Debug, Subcommand)]
pub enum Action {
    /// Show the columns of a data version: types, missing values, ranges, histograms.
    Show(Show),
    /// List the data versions that reproof.lock pins.
    List,
}

/// The options of `data show`.
#[derive(Debug, Args)]
pub struct Show {
    /// The path or name of a data file that a pipeline read, or an ID.
    #[arg(value_name = "NAME_OR_ID")]
    pub name: String,
}

/// Runs the command.
pub fn execute(
    arguments: &Arguments,
    global: &Global,
    printer: &Printer,
) -> Result<Exit, EngineError> {
    match &arguments.action {
        Action::Show(show) => execute_show(show, global, printer),
        Action::List => execute_list(global, printer),
    }
}

fn execute_list(global: &Global, printer: &Printer) -> Result<Exit, EngineError> {
    let project = session::project(global)?;
    let versions = data_versions(&project)?;
    if printer.json {
        let list: Vec<_> = versions.iter().map(described).collect();
        printer.document(&json!({ "data": list }));
        return Ok(Exit::Done);
    }
    if versions.is_empty() {
        printer.line("no data was read yet: 'reproof run' reads what a pipeline names");
    }
    let width = versions.iter().map(|one| one.path.chars().count()).max();
    for version in &versions {
        let entry = &version.entry;
        let columns = entry.schema.columns().len();
        let size = format!("{} x {columns}", format::counted(entry.rows, "row"));
        let gone = if version.stored {
            ""
        } else {
            "  not in the store"
        };
        printer.line(&format!(
            "data:{}  {:<width$}  {size}{gone}",
            entry.version.digest.short(),
            version.path,
            width = width.unwrap_or(0),
        ));
    }
    Ok(Exit::Done)
}

fn described(version: &PinnedData) -> serde_json::Value {
    let entry = &version.entry;
    json!({
        "data_id": entry.version.digest,
        "path": version.path,
        "source": entry.source,
        "source_digest": entry.source_digest,
        "rows": entry.rows,
        "columns": entry.schema,
        "stored": version.stored,
    })
}

fn execute_show(show: &Show, global: &Global, printer: &Printer) -> Result<Exit, EngineError> {
    let project = session::project(global)?;
    let (digest, version) = find_data(&project, &show.name)?;
    let statistics = statistics(&project, &digest, version.as_ref(), session::threads(None))?;
    if printer.json {
        printer.document(&json!({
            "data_id": digest,
            "version": version.as_ref().map(described),
            "lineage": project.catalog.lineage(&digest)?,
            "statistics": statistics,
        }));
        return Ok(Exit::Done);
    }
    print(&digest, version.as_ref(), &statistics, printer);
    Ok(Exit::Done)
}

fn print(
    digest: &Digest,
    version: Option<&PinnedData>,
    statistics: &Statistics,
    printer: &Printer,
) {
    let id = printer.paint(Style::Strong, &digest.to_string());
    printer.line(&format!("data      {id}"));
    if let Some(version) = version {
        printer.line(&format!("source    {}", version.path));
    }
    printer.line(&format!("rows      {}", format::count(statistics.rows)));
    printer.line(&format!("columns   {}\n", statistics.columns.len()));
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
fn missing(column: &ColumnStatistics, rows: u64) -> String {
    match column.missing {
        0 => String::new(),
        missing => format!("{} missing", share(missing, rows)),
    }
}

/// The least and the greatest value of a column.
fn range(column: &ColumnStatistics) -> String {
    match (&column.min, &column.max) {
        (Some(min), Some(max)) => {
            let value = |text| format::value(text, column.logical_type);
            format!("{} … {}", value(min), value(max))
        }
        _ => String::new(),
    }
}

/// A type in few letters.
fn short_type(logical_type: LogicalType) -> String {
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
fn share(part: u64, whole: u64) -> String {
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
