//! `expect:`, what data must meet before anything is made from it.

use reproof_record::{DataCheck, Expectation, LogicalType, Schema, Source};
use serde_json::Value as Json;

use super::draft::Drafts;
use super::early;
use crate::diagnostic::{Report, Span, Spanned};
use crate::names::shown;
use crate::tree::{Entry, Node, Value};

/// How many values of a list are named in one line.
const NAMED: usize = 4;

/// An expectation and the places of its parts.
#[derive(Clone, Debug)]
pub(crate) struct Written {
    pub expectation: Expectation,
    pub columns: Vec<Spanned<String>>,
    /// Values that must be of the type of the column.
    pub values: Vec<Spanned<Json>>,
}

/// What a table must meet.
#[derive(Clone, Debug, Default)]
pub(crate) struct Expected {
    /// Where that is written first.
    pub span: Span,
    pub all: Vec<Written>,
}

impl Expected {
    /// Adds what is written elsewhere.
    pub fn extend(&mut self, other: Self) {
        if self.all.is_empty() {
            self.span = other.span;
        }
        self.all.extend(other.all);
    }
}

/// Reads the expectations of a source or an output whose keys were checked; none if it has none.
pub(super) fn read(node: &Node, report: &mut Report<'_>) -> Option<Expected> {
    let expect = node.entry("expect")?;
    let mut all = Vec::new();
    for entry in expect.value.entries() {
        match entry.key.value.as_str() {
            "rows" => all.extend(rows(entry, report)),
            "types" => all.extend(entry.value.entries().iter().filter_map(types)),
            "not_null" => {
                let columns = entry.value.items().iter().filter_map(column);
                all.extend(columns.map(|name| {
                    let text = format!("{} is not missing", shown(&name.value));
                    let check = DataCheck::NotNull {
                        column: name.value.clone(),
                    };
                    written(check, text, vec![name])
                }));
            }
            "unique" => all.extend(entry.value.items().iter().filter_map(unique)),
            "range" => all.extend(each(entry, report, range)),
            "allowed" => all.extend(entry.value.entries().iter().map(allowed)),
            "fresh" => all.extend(fresh(entry, report)),
            "drift" => all.extend(entry.value.entries().iter().filter_map(drift)),
            _ => {}
        }
    }
    (!all.is_empty()).then_some(Expected {
        span: expect.key.span,
        all,
    })
}

fn written(check: DataCheck, text: String, columns: Vec<Spanned<String>>) -> Written {
    Written {
        expectation: Expectation { check, text },
        columns,
        values: Vec::new(),
    }
}

type ReadOne = fn(&Entry, &mut Report<'_>) -> Option<Written>;

fn each(entry: &Entry, report: &mut Report<'_>, read: ReadOne) -> Vec<Written> {
    let entries = entry.value.entries().iter();
    entries.filter_map(|entry| read(entry, report)).collect()
}

/// A column that is named by a text.
fn column(node: &Node) -> Option<Spanned<String>> {
    Some(Spanned::new(node.text()?.to_owned(), node.span))
}

/// A number or text as JSON.
fn scalar(node: &Node) -> Option<Json> {
    match &node.value {
        Value::Boolean(value) => Some((*value).into()),
        Value::Integer(value) => Some((*value).into()),
        Value::Float(value) => Some((*value).into()),
        Value::Text(text) => Some(text.as_str().into()),
        _ => None,
    }
}

fn said(value: &Json) -> String {
    match value {
        Json::String(text) => shown(text),
        other => other.to_string(),
    }
}

fn between(min: Option<&str>, max: Option<&str>) -> String {
    match (min, max) {
        (Some(min), Some(max)) => format!("from {min} to {max}"),
        (Some(min), None) => format!("from {min}"),
        (None, Some(max)) => format!("up to {max}"),
        (None, None) => String::new(),
    }
}

fn rows(entry: &Entry, report: &mut Report<'_>) -> Option<Written> {
    let bound = |key: &str| {
        let number = entry.value.get(key).and_then(Node::integer);
        number.and_then(|number| u64::try_from(number).ok())
    };
    let (min, max) = (bound("min"), bound("max"));
    check_bounds(entry, min.is_some() || max.is_some(), report)?;
    if let (Some(least), Some(most)) = (min, max)
        && least > most
    {
        report.error(
            entry.value.span,
            format!("no number lies from {least} to {most}"),
        );
    }
    let texts = [min, max].map(|bound| bound.map(|bound| bound.to_string()));
    let text = format!("rows {}", between(texts[0].as_deref(), texts[1].as_deref()));
    Some(written(DataCheck::Rows { min, max }, text, Vec::new()))
}

/// Reports bounds that are none.
fn check_bounds(entry: &Entry, any: bool, report: &mut Report<'_>) -> Option<()> {
    if !any && !entry.value.is_invalid() {
        let message = "a bound is missing: 'min', 'max' or both";
        report.error(entry.key.span, message);
        return None;
    }
    Some(())
}

fn types(entry: &Entry) -> Option<Written> {
    let logical_type = LogicalType::named(entry.value.text()?)?;
    let check = DataCheck::Type {
        column: entry.key.value.clone(),
        logical_type,
    };
    let text = format!("{} is {logical_type}", shown(&entry.key.value));
    Some(written(check, text, vec![entry.key.clone()]))
}

/// One column, or a list of columns that are unique together.
fn unique(item: &Node) -> Option<Written> {
    let columns: Vec<_> = match item.text() {
        Some(_) => column(item).into_iter().collect(),
        None => item.items().iter().filter_map(column).collect(),
    };
    let names: Vec<String> = columns.iter().map(|column| column.value.clone()).collect();
    let texts: Vec<_> = names.iter().map(|name| shown(name)).collect();
    let text = match texts.len() {
        0 => return None,
        1 => format!("{} is unique", texts[0]),
        _ => format!("{} are unique together", texts.join(", ")),
    };
    Some(written(DataCheck::Unique { columns: names }, text, columns))
}

fn range(entry: &Entry, report: &mut Report<'_>) -> Option<Written> {
    let bound = |key: &str| entry.value.get(key);
    let (min, max) = (bound("min").and_then(scalar), bound("max").and_then(scalar));
    check_bounds(entry, min.is_some() || max.is_some(), report)?;
    let texts = [&min, &max].map(|bound| bound.as_ref().map(said));
    let range = between(texts[0].as_deref(), texts[1].as_deref());
    let values = ["min", "max"].into_iter().filter_map(|key| {
        let node = bound(key)?;
        Some(Spanned::new(scalar(node)?, node.span))
    });
    let values = values.collect();
    let check = DataCheck::Range {
        column: entry.key.value.clone(),
        min,
        max,
    };
    let text = format!("{} {range}", shown(&entry.key.value));
    Some(Written {
        values,
        ..written(check, text, vec![entry.key.clone()])
    })
}

fn allowed(entry: &Entry) -> Written {
    let items = entry.value.items().iter();
    let values: Vec<_> = items
        .filter_map(|item| Some(Spanned::new(scalar(item)?, item.span)))
        .collect();
    let named: Vec<_> = values
        .iter()
        .take(NAMED)
        .map(|value| said(&value.value))
        .collect();
    let more = values.len().saturating_sub(NAMED);
    let more = if more > 0 {
        format!(" and {more} more")
    } else {
        String::new()
    };
    let text = format!(
        "{} is one of {}{more}",
        shown(&entry.key.value),
        named.join(", ")
    );
    let check = DataCheck::Allowed {
        column: entry.key.value.clone(),
        values: values.iter().map(|value| value.value.clone()).collect(),
    };
    Written {
        values,
        ..written(check, text, vec![entry.key.clone()])
    }
}

fn fresh(entry: &Entry, report: &mut Report<'_>) -> Option<Written> {
    let name = column(entry.value.get("column")?)?;
    let within = entry.value.get("within")?;
    let duration = within.text()?;
    let Some(seconds) = seconds(duration) else {
        report.hinted(
            within.span,
            format!("'{}' is no duration", shown(duration)),
            "write a number and one of s, m, h, d, w: 36h, 2d",
        );
        return None;
    };
    let at = entry
        .value
        .get("at")
        .and_then(Node::text)
        .map(str::to_owned);
    let text = format!(
        "{} is not older than {duration}{}",
        shown(&name.value),
        at.as_ref()
            .map_or(String::new(), |at| format!(" on {}", shown(at)))
    );
    let check = DataCheck::Fresh {
        column: name.value.clone(),
        within: seconds,
        at,
    };
    Some(written(check, text, vec![name]))
}

/// The seconds of a duration such as `36h`.
fn seconds(text: &str) -> Option<u64> {
    let unit = match text.chars().last()? {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        'd' => 86_400,
        'w' => 604_800,
        _ => return None,
    };
    let digits = &text[..text.len() - 1];
    if digits.is_empty() || digits.len() > 9 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    digits.parse::<u64>().ok()?.checked_mul(unit)
}

fn drift(entry: &Entry) -> Option<Written> {
    let most = entry.value.number()?;
    let check = DataCheck::Drift {
        column: entry.key.value.clone(),
        most,
    };
    let text = format!("{} moved by at most {most}", shown(&entry.key.value));
    Some(written(check, text, vec![entry.key.clone()]))
}

/// Reports what cannot be expected of what a program makes.
pub(super) fn check_made(
    drafts: &Drafts,
    source: &Source,
    expected: &Expected,
    report: &mut Report<'_>,
) {
    if matches!(source, Source::Data { .. }) {
        return;
    }
    if !early::is_table(drafts, source) {
        report.hinted(
            expected.span,
            format!("nothing can be expected of {source}"),
            "only of a table that a program makes from data alone, since that runs before all else; let the program \
             itself fail, or write a gate",
        );
    }
    for written in &expected.all {
        if let (DataCheck::Drift { .. }, [column]) =
            (&written.expectation.check, &written.columns[..])
        {
            report.hinted(
                column.span,
                "drift is told from the version that reproof.lock pins, and what a program makes is not pinned there",
                "expect it of the data that the program reads",
            );
        }
    }
}

/// Checks expectations against the columns of the data.
pub(super) fn check(all: &[Written], schema: &Schema, report: &mut Report<'_>) {
    for written in all {
        for column in &written.columns {
            if schema.column(&column.value).is_none() {
                let known = schema.columns().iter().map(|column| column.name.as_str());
                report.unknown(column.span, "column", &column.value, known);
            }
        }
        let [column] = &written.columns[..] else {
            continue;
        };
        let Some(found) = schema.column(&column.value) else {
            continue;
        };
        check_use(written, found.logical_type, column, report);
        for value in &written.values {
            if !may_hold(found.logical_type, &value.value) {
                report.error(
                    value.span,
                    format!(
                        "column '{}' is of type {} and never holds {}",
                        shown(&column.value),
                        found.logical_type,
                        said(&value.value)
                    ),
                );
            }
        }
    }
}

/// Reports a check that columns of this type do not have.
fn check_use(
    written: &Written,
    logical_type: LogicalType,
    column: &Spanned<String>,
    report: &mut Report<'_>,
) {
    let time = logical_type.is_time();
    let (fits, wanted) = match &written.expectation.check {
        DataCheck::Range { .. } => (
            time || logical_type.is_numeric(),
            "numbers, days or moments",
        ),
        DataCheck::Fresh { .. } => (time, "days or moments"),
        _ => (true, ""),
    };
    if !fits {
        let message = format!(
            "column '{}' is of type {logical_type}; {wanted} are wanted",
            shown(&column.value)
        );
        report.error(column.span, message);
    }
}

fn may_hold(logical_type: LogicalType, value: &Json) -> bool {
    match logical_type {
        LogicalType::Boolean => value.is_boolean(),
        LogicalType::Integer | LogicalType::Float => value.is_number(),
        LogicalType::Decimal(_) => value.is_number() || value.is_string(),
        _ => value.is_string(),
    }
}
