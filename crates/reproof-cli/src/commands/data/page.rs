//! The statistics of a data version as one page for the browser: no script, no other file, light or
//! dark as the reader has it. The same version gives the same page.

use reproof_engine::FoundData;
use reproof_record::LogicalType;
use reproof_table::statistics::{ColumnStatistics, Histogram, Statistics};

use super::history::{author, message};
use super::show::{missing, range, share, short_type};
use crate::format;

/// How many of the most frequent values are shown.
const FREQUENT: usize = 10;
/// The size of a histogram.
const SIZE: [f64; 2] = [360.0, 90.0];

const STYLE: &str = "
:root { color-scheme: light dark; --ink: #1c1e21; --dim: #667; --page: #fff; --card: #f5f6f8; --bar: #3b6fb6; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6e7ea; --dim: #9aa; --page: #15171a; --card: #1f2226; --bar: #7fb0ff; }
}
body { margin: 2rem auto; max-width: 64rem; padding: 0 1rem; background: var(--page); color: var(--ink);
  font: 15px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.4rem; overflow-wrap: anywhere; } h2 { font-size: 1.05rem; margin: 0; overflow-wrap: anywhere; }
.dim { color: var(--dim); } code { font-size: .9em; overflow-wrap: anywhere; }
section { background: var(--card); border-radius: .5rem; padding: 1rem; margin: 1rem 0; display: grid;
  grid-template-columns: minmax(14rem, 1fr) minmax(0, 24rem); gap: .5rem 2rem; }
@media (max-width: 44rem) { section { grid-template-columns: 1fr; } }
dl { display: grid; grid-template-columns: auto 1fr; gap: 0 1rem; margin: .5rem 0 0; }
dt { color: var(--dim); } dd { margin: 0; font-variant-numeric: tabular-nums; overflow-wrap: anywhere; }
svg { width: 100%; height: auto; } svg rect { fill: var(--bar); } svg text { fill: var(--ink); font-size: 11px; }
";

/// The page.
pub fn page(found: &FoundData, statistics: &Statistics) -> String {
    let title = escaped(&found.label());
    let mut page = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<h1>{title}</h1>\n"
    );
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
    page.push_str("</body>\n</html>\n");
    page
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

/// A histogram, a bar for each part of the range.
fn bars(name: &str, histogram: &Histogram) -> String {
    let [width, height] = SIZE;
    let most = histogram.counts.iter().copied().max().unwrap_or(0).max(1);
    let step = width / histogram.counts.len().max(1) as f64;
    let bar = |(index, count): (usize, &u64)| {
        let tall = *count as f64 / most as f64 * height;
        format!(
            "<rect x=\"{:.2}\" y=\"{:.2}\" width=\"{:.2}\" height=\"{tall:.2}\"><title>{}</title></rect>",
            index as f64 * step,
            height - tall,
            step * 0.9,
            format::counted(*count, "row"),
        )
    };
    let bars: String = histogram.counts.iter().enumerate().map(bar).collect();
    format!(
        "<svg viewBox=\"0 0 {width} {height}\" role=\"img\" aria-label=\"histogram of {}\">{bars}</svg>",
        escaped(name)
    )
}

/// The most frequent values, a bar for each.
fn frequent(column: &ColumnStatistics) -> String {
    let values = column.top.iter().flat_map(|top| &top.values);
    let values: Vec<_> = values.take(FREQUENT).collect();
    let Some(most) = values.first().map(|value| value.count.max(1)) else {
        return String::new();
    };
    let [width, _] = SIZE;
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

/// A text as HTML, with nothing in it that a browser would take for more.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c if c.is_control() => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_the_data_becomes_markup() {
        assert_eq!(
            escaped("<script>\"a\" & 'b'\u{1b}"),
            "&lt;script&gt;&quot;a&quot; &amp; &#39;b&#39;\u{fffd}"
        );
    }

    #[test]
    fn the_highest_bar_fills_the_picture() {
        let histogram = Histogram {
            exact: true,
            uncertain: None,
            counts: vec![1, 4],
        };
        let svg = bars("a<b", &histogram);
        assert!(
            svg.contains("height=\"90.00\"") && svg.contains("height=\"22.50\""),
            "{svg}"
        );
        assert!(
            svg.contains("a&lt;b") && svg.contains("<title>1 row</title>"),
            "{svg}"
        );
    }
}
