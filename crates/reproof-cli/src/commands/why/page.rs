//! `reproof why --html`: the explanation as one page for the browser, with its pictures.

use std::collections::{BTreeMap, BTreeSet};

use reproof_engine::{
    AgainstSeeds, Aspect, DataDifference, Experiments, Explanation, FileState, MetricMoved,
    MetricsComparison, Project, moved_metrics,
};
use reproof_learn::{Estimate, SliceMetrics};
use reproof_record::{Recipe, RecipeStep, Source, StepName};
use reproof_table::statistics::ColumnStatistics;
use reproof_table::{column_drift, column_statistics};

use super::moved;
use crate::commands::compare::data_lines;
use crate::page::{bars, escaped};
use crate::{format, page, seeds};

/// How many slices are drawn.
const SLICES: usize = 12;
/// How many columns of data are drawn.
const COLUMNS: usize = 6;
const STYLE: &str = "
.cause { font-size: 1.1rem; } section { margin: 1.5rem 0; } section > h2 { margin-bottom: .4rem; }
table { border-collapse: collapse; width: 100%; } td, th { padding: .15rem .8rem .15rem 0; text-align: left;
  vertical-align: top; overflow-wrap: anywhere; font-variant-numeric: tabular-nums; } th { color: var(--dim);
  font-weight: normal; }
pre { background: var(--card); border-radius: .4rem; padding: .6rem; overflow-x: auto; margin: .3rem 0; }
.graph { overflow-x: auto; } .graph svg { width: auto; max-width: 100%; }
.box rect { fill: var(--card); stroke: var(--dim); } .box.moved rect { stroke: var(--moved); stroke-width: 2; }
.box.first rect { stroke: var(--bad); stroke-width: 3; } .box text { font-size: 13px; }
.box .small { font-size: 11px; fill: var(--dim); } .link { stroke: var(--dim); fill: none; }
.before { stroke: var(--dim); fill: var(--dim); } .after { stroke: var(--bar); fill: var(--bar); }
.interval line { stroke-width: 2; } .pair { display: grid; grid-template-columns: 1fr 1fr; gap: 1rem; }
.interval svg { max-width: 22rem; }
";

/// What is said of it beside.
pub(super) struct Said<'a> {
    /// What is compared.
    pub title: &'a str,
    /// In a sentence what happened.
    pub cause: &'a str,
    /// The experiments that were made.
    pub experiments: Option<&'a Experiments>,
}

/// The page.
pub(super) fn page(project: &Project, found: &Explanation, said: &Said<'_>) -> String {
    let mut body = format!("<p class=\"cause\">{}</p>\n", escaped(said.cause));
    if let Some(made) = said.experiments {
        let explained = made.explained.iter().map(|one| {
            let texts = [one.factor.name(), &one.evidence, one.remedy].map(escaped);
            format!("<p><b>{}</b>: {}<br>{}</p>", texts[0], texts[1], texts[2])
        });
        let explained: String = explained.collect();
        if !explained.is_empty() {
            body += &section("Experiments", &explained);
        }
    }
    body += &section("Steps", &graph(found));
    if let (Some(metrics), Some(against)) = (&found.metrics, &found.seeds) {
        body += &section("Metrics", &self::metrics(metrics, against));
    }
    if !found.code.is_empty() {
        body += &section("Code", &code(found));
    }
    if !found.configuration.is_empty() {
        body += &section("Configuration", &changes(&found.configuration));
    }
    if !found.environments.is_empty() {
        body += &section("Environment", &environments(found));
    }
    if !found.data.is_empty() {
        body += &section("Data", &data(project, found));
    }
    if !found.platform.is_empty() {
        body += &section("Machine", &changes(&found.platform));
    }
    let outputs = found
        .steps
        .iter()
        .flat_map(|step| moved::lines(step, found.metrics.is_some()));
    let reported = found.seeds.iter().flat_map(moved::reported);
    let outputs = outputs.chain(reported);
    let outputs: Vec<_> = outputs.map(|line| escaped(line.trim())).collect();
    if !outputs.is_empty() {
        let lines = outputs.join("<br>\n");
        body += &section("How far the results moved", &format!("<p>{lines}</p>"));
    }
    page::page(said.title, STYLE, &body)
}

fn section(title: &str, content: &str) -> String {
    format!("<section>\n<h2>{title}</h2>\n{content}\n</section>\n")
}

fn names<'a>(steps: impl IntoIterator<Item = &'a StepName>) -> String {
    let names: Vec<_> = steps.into_iter().map(StepName::as_str).collect();
    escaped(&names.join(", "))
}

fn code(found: &Explanation) -> String {
    let file = |file: &reproof_engine::FileChange| {
        let state = match file.state {
            FileState::Added => "added",
            FileState::Removed => "removed",
            FileState::Changed => "changed",
        };
        let definitions = file.definitions.as_deref().unwrap_or_default();
        let definitions = match definitions {
            [] => String::new(),
            names => format!(": {}", escaped(&names.join(", "))),
        };
        let lines: Vec<_> = file.lines.iter().map(|line| escaped(line)).collect();
        let lines = match lines.as_slice() {
            [] => String::new(),
            lines => format!("<pre>{}</pre>", lines.join("\n")),
        };
        format!(
            "<p><code>{}</code> {state}{definitions} <span class=\"dim\">seen by {}</span></p>{lines}",
            escaped(&file.path),
            names(&file.steps),
        )
    };
    found.code.iter().map(file).collect()
}

fn changes(changes: &[reproof_engine::Change]) -> String {
    let shown = |value: &Option<serde_json::Value>| match value {
        None => "(none)".to_owned(),
        Some(serde_json::Value::String(text)) => escaped(text),
        Some(value) => escaped(&value.to_string()),
    };
    let row = |change: &reproof_engine::Change| {
        let path = escaped(&change.path);
        let (before, after) = (shown(&change.before), shown(&change.after));
        format!("<tr><td><code>{path}</code></td><td>{before}</td><td>{after}</td></tr>\n")
    };
    let rows: String = changes.iter().map(row).collect();
    format!("<table>\n<tr><th></th><th>before</th><th>after</th></tr>\n{rows}</table>")
}

fn environments(found: &Explanation) -> String {
    let change = |change: &reproof_engine::EnvironmentChange| {
        let lines = match &change.diff {
            Some(diff) => crate::summary::environment(diff),
            None => vec!["one of them is not here".to_owned()],
        };
        let lines: Vec<_> = lines.iter().map(|line| escaped(line)).collect();
        format!(
            "<p>of {}</p><pre>{}</pre>",
            names(&change.steps),
            lines.join("\n")
        )
    };
    found.environments.iter().map(change).collect()
}

/// The data that differs, and the columns that moved most, before and after.
fn data(project: &Project, found: &Explanation) -> String {
    let one = |difference: &DataDifference| {
        let lines = data_lines(difference);
        let lines: Vec<_> = lines.iter().map(|line| escaped(line.trim())).collect();
        let columns = moved_columns(project, difference).unwrap_or_default();
        let columns = columns.iter().map(|(name, index, [before, after])| {
            let pair = [before, after].map(|column| {
                let picture = column
                    .histogram
                    .as_ref()
                    .map(|histogram| bars(name, histogram));
                let range = column.mean.map_or_else(String::new, |mean| {
                    format!("<span class=\"dim\">mean {}</span>", format::short(mean.0))
                });
                format!("<div>{}{range}</div>", picture.unwrap_or_default())
            });
            format!(
                "<p>{} <span class=\"dim\">population stability index {}</span></p>\
                 <div class=\"pair\">{}</div>",
                escaped(name),
                format::short(*index),
                pair.concat()
            )
        });
        format!(
            "<p>{}</p>\n{}",
            lines.join("<br>"),
            columns.collect::<String>()
        )
    };
    found.data.iter().map(one).collect()
}

type Moved = (String, f64, [ColumnStatistics; 2]);

/// The columns that both versions have and that moved, the most first; none where one is not here.
fn moved_columns(project: &Project, difference: &DataDifference) -> Option<Vec<Moved>> {
    let [before, after] = [difference.before.as_ref()?, difference.after.as_ref()?];
    let digests = [&before.digest, &after.digest];
    let tables = digests.map(|digest| project.store.table_object(digest).ok());
    let [Some(former), Some(latter)] = &tables else {
        return None;
    };
    let mut moved = Vec::new();
    for (column, values) in former.schema.columns().iter().zip(&former.columns) {
        let other = latter.schema.position(&column.name);
        // A column that is the same in both did not drift, and need not be read.
        if other.is_none_or(|other| latter.columns[other] == *values) {
            continue;
        }
        // What has no drift is not drawn: another type, no rows.
        if let Ok(Some(drift)) = column_drift(&project.store, digests, &column.name)
            && drift.psi > 0.0
        {
            moved.push((&column.name, drift.psi));
        }
    }
    moved.sort_by(|a, b| b.1.total_cmp(&a.1));
    moved.truncate(COLUMNS);
    let described = moved.into_iter().filter_map(|(name, index)| {
        let columns = digests.map(|digest| column_statistics(&project.store, digest, name).ok());
        let [Some(before), Some(after)] = columns else {
            return None;
        };
        Some((name.clone(), index, [before, after]))
    });
    Some(described.collect())
}

/// All metrics, and the slices that moved most, each with its intervals before and after: what matters most
/// first.
fn metrics(metrics: &MetricsComparison, against: &AgainstSeeds) -> String {
    let mut html = format!(
        "<p><span class=\"dim\">grey: before; coloured: after; lines are 95 % intervals; {}</span></p>\n<table>\n",
        escaped(&seeds::known(against))
    );
    let (overall, slices) = moved_metrics(metrics, against);
    for moved in &overall {
        html += &metric_row(moved);
    }
    if let Some(labels) = &against.labels {
        html += &format!(
            "<tr><td>labels flipped</td><td>all rows</td><td colspan=\"4\">{}</td></tr>\n",
            escaped(&seeds::labels(labels, metrics.found[0].rows))
        );
    }
    // Of each slice the metric that matters most.
    for moved in slices.iter().filter_map(|slice| slice.first()).take(SLICES) {
        html += &metric_row(moved);
    }
    html + "</table>"
}

fn metric_row(moved: &MetricMoved<'_>) -> String {
    let value = |estimate: &Estimate| {
        let value = estimate.value.map(format::metric);
        value.unwrap_or_else(|| "not defined".to_owned())
    };
    let of = moved
        .slice
        .map_or("all rows".to_owned(), SliceMetrics::name);
    let seeds = moved.seeds.map_or_else(String::new, seeds::distance);
    format!(
        "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td class=\"interval\">{}</td></tr>\n",
        escaped(moved.metric),
        escaped(&of),
        value(moved.values[0]),
        value(moved.values[1]),
        escaped(&seeds),
        intervals(moved.values)
    )
}

/// Two intervals above one another, on one scale.
fn intervals(pair: [&Estimate; 2]) -> String {
    let ends = pair
        .iter()
        .flat_map(|found| [found.value, found.low, found.high])
        .flatten();
    let (least, most) = ends.fold((f64::INFINITY, f64::NEG_INFINITY), |(least, most), end| {
        (least.min(end), most.max(end))
    });
    if !least.is_finite() {
        return String::new();
    }
    let room = (most - least).max(1e-12);
    let place = |value: f64| 10.0 + (value - least) / room * 300.0;
    let line = |(found, class, y): (&Estimate, &str, f64)| {
        let (Some(value), low, high) = (found.value, found.low, found.high) else {
            return String::new();
        };
        let (low, high) = (place(low.unwrap_or(value)), place(high.unwrap_or(value)));
        format!(
            "<g class=\"{class}\"><line x1=\"{low:.1}\" y1=\"{y}\" x2=\"{high:.1}\" y2=\"{y}\"/>\
             <circle cx=\"{:.1}\" cy=\"{y}\" r=\"3.5\"/></g>",
            place(value)
        )
    };
    let lines = [(pair[0], "before", 7.0), (pair[1], "after", 17.0)].map(line);
    format!("<svg viewBox=\"0 0 320 24\">{}</svg>", lines.concat())
}

/// The steps of the first result as a graph; what moved is marked, and where the results part.
fn graph(found: &Explanation) -> String {
    let recipe = found.sides[0].recipe();
    let moved: BTreeMap<&StepName, _> = found.steps.iter().map(|step| (&step.step, step)).collect();
    let first = found
        .steps
        .iter()
        .find(|step| !step.outputs.is_empty())
        .map(|step| &step.step);
    let places = places(recipe);
    let wide = places.values().map(|(x, _)| *x).max().unwrap_or(0) + 1;
    let high = places.values().map(|(_, y)| *y).max().unwrap_or(0) + 1;
    let at = |(x, y): (usize, usize)| (x as f64 * 190.0 + 10.0, y as f64 * 60.0 + 10.0);
    let mut links = String::new();
    let mut boxes = String::new();
    for (name, place) in &places {
        let (x, y) = at(*place);
        let step = &recipe.steps[*name];
        for from in needs(step) {
            if let Some(place) = places.get(from) {
                let (a, b) = at(*place);
                let (a, b, y) = (a + 150.0, b + 20.0, y + 20.0);
                let middle = f64::midpoint(a, x);
                links += &format!(
                    "<path class=\"link\" d=\"M{a} {b} C{middle} {b} {middle} {y} {x} {y}\"/>"
                );
            }
        }
        let difference = moved.get(name);
        let class = match difference {
            _ if first == Some(name) => "box first",
            Some(step) if !step.outputs.is_empty() => "box moved",
            _ => "box",
        };
        let aspects: BTreeSet<Aspect> = difference
            .map(|step| step.aspects.clone())
            .unwrap_or_default();
        let aspects: Vec<_> = aspects.iter().map(|aspect| aspect.name()).collect();
        let said = match (class, aspects.as_slice()) {
            ("box", []) => "the same".to_owned(),
            ("box", names) => format!("{} differs, same results", names.join(", ")),
            (_, []) => "other results".to_owned(),
            (_, names) => format!("{} differs", names.join(", ")),
        };
        boxes += &format!(
            "<g class=\"{class}\"><title>{said}</title><rect x=\"{x}\" y=\"{y}\" width=\"150\" height=\"40\" rx=\"5\"/>\
             <text x=\"{}\" y=\"{}\">{}</text><text class=\"small\" x=\"{}\" y=\"{}\">{}</text></g>",
            x + 8.0,
            y + 17.0,
            escaped(&format::cut(name.as_str(), 18)),
            x + 8.0,
            y + 32.0,
            escaped(&format::cut(&said, 24)),
        );
    }
    let (width, height) = (wide * 190 - 20, high * 60);
    format!(
        "<div class=\"graph\"><svg width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" \
         role=\"img\" aria-label=\"the graph of steps\">{links}{boxes}</svg></div>\n\
         <p class=\"dim\">red: where the results part; amber: what follows from it</p>"
    )
}

fn needs(step: &RecipeStep) -> BTreeSet<&StepName> {
    let from = step.inputs.values().filter_map(|source| match source {
        Source::Output { step, .. } => Some(step),
        Source::Data { .. } => None,
    });
    from.collect()
}

/// A column and a row for each step: behind all that it needs.
fn places(recipe: &Recipe) -> BTreeMap<&StepName, (usize, usize)> {
    let mut places: BTreeMap<&StepName, (usize, usize)> = BTreeMap::new();
    let mut filled: Vec<usize> = Vec::new();
    // A recipe that was read has an order.
    for name in recipe.order().unwrap_or_default() {
        let before = needs(&recipe.steps[name])
            .into_iter()
            .filter_map(|need| places.get(need));
        let column = before.map(|(column, _)| column + 1).max().unwrap_or(0);
        if filled.len() <= column {
            filled.resize(column + 1, 0);
        }
        places.insert(name, (column, filled[column]));
        filled[column] += 1;
    }
    places
}
