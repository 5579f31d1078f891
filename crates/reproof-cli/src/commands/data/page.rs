//! The statistics of a data version as one page for the browser. The same version gives the same page.

use reproof_engine::FoundData;
use reproof_record::LogicalType;
use reproof_table::statistics::{ColumnStatistics, Statistics};

use super::history::{author, message};
use super::show::{missing, range, share, short_type};
use crate::page::{bars, escaped};
use crate::{format, page};

/// How many of the most frequent values are shown.
const FREQUENT: usize = 10;
const STYLE: &str = "
section { background: var(--card); border-radius: .5rem; padding: 1rem; margin: 1rem 0; display: grid;
  grid-template-columns: minmax(14rem, 1fr) minmax(0, 24rem); gap: .5rem 2rem; }
@media (max-width: 44rem) { section { grid-template-columns: 1fr; } }
";

/// The page.
pub fn page(found: &FoundData, statistics: &Statistics) -> String {
    let mut page = String::new();
    page += &format!(
        "<p>{} × {}{}<br><code>data:{}</code></p>\n",
        format::counted(statistics.rows, "row"),
        format::counted(statistics.columns.len() as u64, "column"),
        found.source().map_or(String::new(), |source| format!(
            ", from {}",
            escaped(source)
        )),
        found.content,
    );
    if let Some((_, entry)) = &found.version {
        let said = message(entry);
        let said = if said.is_empty() {
            said
        } else {
            format!(": {said}")
        };
        page += &format!(
            "<p class=\"dim\">{}{}</p>\n",
            escaped(&author(entry)),
            escaped(&said)
        );
    }
    for column in &statistics.columns {
        page += &section(column, statistics.rows);
    }
    page::page(&found.label(), STYLE, &page)
}

fn section(column: &ColumnStatistics, rows: u64) -> String {
    let mut facts = Vec::new();
    let mut fact = |name: &str, value: String| {
        if !value.is_empty() {
            facts.push(format!("<dt>{name}</dt><dd>{}</dd>", escaped(&value)));
        }
    };
    fact("values", format::count(column.count));
    fact("missing", missing(column, rows).replace(" missing", ""));
    fact("range", range(column));
    let short = |value: Option<f64>| value.map(format::short).unwrap_or_default();
    fact("mean", short(column.mean.map(|mean| mean.0)));
    fact(
        "deviation",
        short(column.standard_deviation.map(|found| found.0)),
    );
    if let Some(distinct) = &column.distinct {
        let sign = if distinct.exact { "" } else { "~" };
        fact(
            "distinct",
            format!("{sign}{}", format::count(distinct.count)),
        );
    }
    for quantile in column
        .quantiles
        .iter()
        .flat_map(|quantiles| &quantiles.values)
    {
        if [25, 50, 75].contains(&quantile.percent) {
            let value = format::value(&quantile.value, column.logical_type);
            fact(&format!("{} %", quantile.percent), value);
        }
    }
    format!(
        "<section>\n<div><h2>{}</h2><span class=\"dim\">{}</span>\n<dl>{}</dl></div>\n<div>{}</div>\n</section>\n",
        escaped(&column.name),
        short_type(column.logical_type),
        facts.join(""),
        picture(column)
    )
}

fn picture(column: &ColumnStatistics) -> String {
    match &column.histogram {
        Some(histogram) if column.logical_type != LogicalType::String => {
            bars(&column.name, histogram)
        }
        _ => frequent(column),
    }
}

/// The most frequent values, a bar for each.
fn frequent(column: &ColumnStatistics) -> String {
    let values = column.top.iter().flat_map(|top| &top.values);
    let values: Vec<_> = values.take(FREQUENT).collect();
    let Some(most) = values.first().map(|value| value.count.max(1)) else {
        return String::new();
    };
    let width = 360.0;
    let row = |(index, value): (usize, &&reproof_table::statistics::TopValue)| {
        let y = index as f64 * 18.0;
        let wide = value.count as f64 / most as f64 * width * 0.4;
        let sign = value.error.map_or("", |_| "~");
        format!(
            "<rect x=\"{:.2}\" y=\"{:.2}\" width=\"{wide:.2}\" height=\"13\"/>\
             <text x=\"0\" y=\"{:.2}\">{}</text><text x=\"{:.2}\" y=\"{:.2}\">{sign}{}</text>",
            width * 0.42,
            y + 2.0,
            y + 12.0,
            escaped(&format::cut(&format::visible(&value.value), 24)),
            width * 0.84,
            y + 12.0,
            share(value.count, column.count),
        )
    };
    let rows: String = values.iter().enumerate().map(row).collect();
    format!(
        "<svg viewBox=\"0 0 {width} {}\" role=\"img\" aria-label=\"most frequent values of {}\">{rows}</svg>",
        values.len() * 18,
        escaped(&column.name)
    )
}
