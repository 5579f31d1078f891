//! How far outputs moved, in lines.

use reproof_engine::{
    AgainstSeeds, ArrayMoved, ContentMoved, Moved, OutputDifference, StepDifference,
};
use reproof_table::{ColumnMoved, TableMoved};

use crate::{format, seeds};

/// How many files of an output, and columns of a table, are shown.
const SHOWN: usize = 4;
/// How wide a value is shown.
const WIDTH: usize = 40;

/// How far the outputs of a step moved. Where metrics are shown by themselves, `metrics` of a built-in
/// step says nothing more.
pub(super) fn lines(step: &StepDifference, metrics: bool) -> Vec<String> {
    let mut lines = Vec::new();
    let outputs = step.outputs.iter();
    for output in outputs.filter(|output| !metrics || output.output.as_str() != "metrics") {
        let place = format!("  {}.{}", step.step, output.output);
        match &output.moved {
            Moved::Table(moved) => lines.extend(table(&place, moved)),
            Moved::Files(files) => {
                for file in files.iter().take(SHOWN) {
                    let path = format::visible(&file.path);
                    lines.push(format!("{place}   {path}: {}", content(&file.content)));
                }
                if files.len() > SHOWN {
                    let more = format::counted((files.len() - SHOWN) as u64, "file");
                    lines.push(format!("{place}   and {more} more"));
                }
            }
            Moved::Unknown(reason) => {
                lines.push(format!("{place}   {}: {reason}", digests(output)));
            }
        }
    }
    lines
}

/// The metrics that programs reported and that moved.
pub(super) fn reported(against: &AgainstSeeds) -> Vec<String> {
    let mut lines: Vec<_> = against.reported_values.iter().collect();
    let far = |name: &String| {
        let found = against.reported.get(name);
        found.map_or((false, 0.0), |found| {
            let deviations = found.deviations.unwrap_or(f64::INFINITY);
            (found.beyond, deviations)
        })
    };
    // The sort is stable: what moved alike stays in its order.
    lines.sort_by(|(a, _), (b, _)| {
        let (a, b) = (far(a), far(b));
        b.0.cmp(&a.0).then(b.1.total_cmp(&a.1))
    });
    let line = |(name, [before, after]): (&String, &[f64; 2])| {
        let mut line = format!(
            "  {:<18} {} -> {}   {}",
            format::visible(name),
            format::metric(*before),
            format::metric(*after),
            format::signed(after - before)
        );
        if let Some(found) = against.reported.get(name) {
            line += &format!("   {}", seeds::distance(found));
        }
        line
    };
    lines.into_iter().map(line).collect()
}

fn digests(output: &OutputDifference) -> String {
    let [before, after] = output.artifacts.map(|artifact| match artifact {
        Some(artifact) => artifact.digest.short(),
        None => "(none)".to_owned(),
    });
    format!("{before} -> {after}")
}

fn table(place: &str, moved: &TableMoved) -> Vec<String> {
    let mut lines = Vec::new();
    if moved.rows[0] != moved.rows[1] {
        let [before, after] = moved.rows.map(format::count);
        lines.push(format!("{place}   {before} -> {after} rows"));
    }
    let names = |columns: &[reproof_record::Column]| {
        let names: Vec<_> = columns.iter().map(|column| column.name.as_str()).collect();
        format::visible(&names.join(", "))
    };
    for (what, columns) in [
        ("new columns", &moved.schema.added),
        ("lost columns", &moved.schema.removed),
    ] {
        if !columns.is_empty() {
            lines.push(format!("{place}   {what}: {}", names(columns)));
        }
    }
    for column in &moved.schema.retyped {
        let (name, before, after) = (&column.name, column.before, column.after);
        lines.push(format!("{place}   {name} is {after}, was {before}"));
    }
    if moved.schema.reordered {
        lines.push(format!("{place}   the columns are in another order"));
    }
    for column in moved.columns.iter().take(SHOWN) {
        lines.push(format!("{place}   {}", column_line(column, moved.rows[0])));
    }
    if moved.columns.len() > SHOWN {
        let more = format::counted((moved.columns.len() - SHOWN) as u64, "column");
        lines.push(format!("{place}   and {more} more"));
    }
    lines
}

fn column_line(column: &ColumnMoved, rows: u64) -> String {
    let name = format::visible(&column.name);
    let mut line = format!("{name} in {} of {} rows", column.rows, format::count(rows));
    if let Some(largest) = column.largest.filter(|largest| *largest > 0.0) {
        line += &format!(", by at most {}", format::short(largest));
    }
    if let Some(ulps) = column.ulps {
        let ulps = if ulps > 1 << 20 {
            "many units of the last place".to_owned()
        } else {
            format::counted(ulps, "unit of the last place").replace("places", "place")
        };
        line += &format!(" ({ulps})");
    }
    let shown = |value: &Option<String>| match value {
        None => "(missing)".to_owned(),
        Some(text) => format::cut(&format::visible(text), WIDTH),
    };
    let [before, after] = &column.values;
    line + &format!(
        "; row {}: {} -> {}",
        column.first,
        shown(before),
        shown(after)
    )
}

/// How an array differs.
fn array(array: &ArrayMoved) -> String {
    let name = match array.name.as_str() {
        "" => String::new(),
        name => format!("{}: ", format::visible(name)),
    };
    if let Some([before, after]) = &array.shape {
        let shown = |shape: &Option<String>| shape.clone().unwrap_or_else(|| "(none)".to_owned());
        return format!("{name}{} -> {}", shown(before), shown(after));
    }
    let mut text = format!(
        "{name}{} of {} elements",
        array.values,
        format::count(array.of)
    );
    if let Some(largest) = array.largest {
        text += &format!(", by at most {}", format::short(largest));
    }
    if let Some(ulps) = array.ulps {
        text += &format!(" ({ulps} ulp)");
    }
    text
}

fn content(content: &ContentMoved) -> String {
    let shown = |value: &Option<String>| match value {
        None => "(none)".to_owned(),
        Some(text) => format::cut(&format::visible(text), WIDTH),
    };
    match content {
        ContentMoved::Added => "added".to_owned(),
        ContentMoved::Removed => "removed".to_owned(),
        ContentMoved::Executable => "may be executed in one of them only".to_owned(),
        ContentMoved::Json {
            values,
            examples,
            largest,
            ..
        } => {
            let mut text = format::counted(*values, "value");
            text.push_str(if *values == 1 { " differs" } else { " differ" });
            if let Some(largest) = largest {
                text += &format!(", by at most {}", format::short(*largest));
            }
            if let Some(first) = examples.first() {
                let [before, after] = &first.values;
                let path = format::visible(&first.path);
                text += &format!("; {path}: {} -> {}", shown(before), shown(after));
            }
            text
        }
        ContentMoved::Arrays { arrays, .. } => {
            let more = arrays.len().saturating_sub(SHOWN);
            let mut all: Vec<_> = arrays.iter().take(SHOWN).map(array).collect();
            all.extend((more > 0).then(|| format!("and {more} more arrays")));
            all.join("; ")
        }
        ContentMoved::Picture { dots, of, largest } => format!(
            "{dots} of {} dots, by at most {largest}",
            format::count(*of)
        ),
        ContentMoved::JsonForm => "the same values, written in another way".to_owned(),
        ContentMoved::Text { line, lines } => {
            let [before, after] = lines;
            format!("line {line}: {} -> {}", shown(before), shown(after))
        }
        ContentMoved::Packing { format } => {
            format!("{format} of the same content, with other times or in another order")
        }
        ContentMoved::Members { names } => {
            let more = names.len().saturating_sub(SHOWN);
            let mut text = names
                .iter()
                .take(SHOWN)
                .cloned()
                .collect::<Vec<_>>()
                .join(", ");
            if more > 0 {
                text += &format!(" and {more} more");
            }
            format!("in it differ {}", format::visible(&text))
        }
        ContentMoved::Pickle { first } => format!(
            "pickles that differ from byte {first} on; what is in them cannot be compared: write an open \
             format instead (JSON, ONNX, safetensors, npy)"
        ),
        ContentMoved::Bytes { first, sizes } => {
            let [before, after] = sizes.map(format::bytes);
            let sizes = if before == after {
                before
            } else {
                format!("{before} and {after}")
            };
            format!("{sizes}, different from byte {first} on")
        }
    }
}
