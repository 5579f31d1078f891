//! What pages for the browser have in common: no script, no other file, light or dark as the reader
//! has it. The same content gives the same page.

use reproof_table::statistics::Histogram;

use crate::format;

/// The size of a histogram.
const SIZE: [f64; 2] = [360.0, 90.0];

const STYLE: &str = "
:root { color-scheme: light dark; --ink: #1c1e21; --dim: #667; --page: #fff; --card: #f5f6f8; --bar: #3b6fb6;
  --bad: #c0392b; --moved: #b9770e; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6e7ea; --dim: #9aa; --page: #15171a; --card: #1f2226; --bar: #7fb0ff; --bad: #ff7f72;
    --moved: #f0b45a; }
}
body { margin: 2rem auto; max-width: 64rem; padding: 0 1rem; background: var(--page); color: var(--ink);
  font: 15px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.4rem; overflow-wrap: anywhere; } h2 { font-size: 1.05rem; margin: 0; overflow-wrap: anywhere; }
.dim { color: var(--dim); } code, pre { font-size: .9em; overflow-wrap: anywhere; }
dl { display: grid; grid-template-columns: auto 1fr; gap: 0 1rem; margin: .5rem 0 0; }
dt { color: var(--dim); } dd { margin: 0; font-variant-numeric: tabular-nums; overflow-wrap: anywhere; }
svg { width: 100%; height: auto; } svg rect { fill: var(--bar); } svg text { fill: var(--ink); font-size: 11px; }
";

/// A page of this title and body, with more style than all pages have.
pub fn page(title: &str, style: &str, body: &str) -> String {
    let title = escaped(title);
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{title}</title>\n<style>{STYLE}{style}</style>\n</head>\n<body>\n<h1>{title}</h1>\n{body}\
         </body>\n</html>\n"
    )
}

/// A histogram, a bar for each part of the range.
pub fn bars(name: &str, histogram: &Histogram) -> String {
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

/// A text as HTML, with nothing in it that a browser would take for more.
pub fn escaped(text: &str) -> String {
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
