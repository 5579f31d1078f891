//! A split in the order of time: the model learns from the past and is scored on what came after.

use std::collections::BTreeMap;

use reproof_record::LogicalType;
use serde::Deserialize;

use super::exact::part_of;
use super::{Bounds, PARTS, filled_parts};
use crate::preprocess::Constant;
use crate::{ColumnData, Table, TableError, TimeType};

/// The parameters of `split_time@1`: ratios or boundaries.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SplitTime {
    /// The column in whose order the rows are: of numbers, days or moments, or of ISO 8601 texts.
    pub by: String,
    /// The share of each part; `train` is the earliest, `test` the latest.
    #[serde(default)]
    pub ratios: Option<BTreeMap<String, f64>>,
    /// The first value of each part but `train`.
    #[serde(default)]
    pub boundaries: Option<BTreeMap<String, Constant>>,
}

/// The times of all rows, so that their order is that of time.
enum Times<'a> {
    Numbers(Vec<i64>),
    Decimals(Vec<i128>),
    Texts(Vec<&'a str>),
}

impl SplitTime {
    /// Divides the rows of a table. Rows of one time share a part. With ratios these hold exactly,
    /// as far as that allows.
    ///
    /// # Errors
    /// A column that is not there, misses values or has none that are in an order, boundaries that
    /// are none of its values or do not rise, and a part without rows.
    pub fn split(&self, table: &Table) -> Result<BTreeMap<String, Table>, TableError> {
        let data = table
            .column(&self.by)
            .ok_or_else(|| TableError::NoSuchColumn {
                column: self.by.clone(),
            })?;
        let wrong = |reason: String| TableError::Split(format!("column '{}' {reason}", self.by));
        let times = times(data).map_err(wrong)?;
        match (&self.ratios, &self.boundaries) {
            (Some(ratios), None) => self.by_ratios(table, &times, ratios),
            (None, Some(boundaries)) => {
                let names = in_order(boundaries);
                let bounds = names.iter().filter_map(|name| boundaries.get(*name));
                let parts = match &times {
                    Times::Numbers(numbers) => {
                        let bounds = bounds.map(|value| number(data, value));
                        let bounds: Vec<i64> = bounds.collect::<Result<_, _>>().map_err(wrong)?;
                        after(numbers, &bounds)
                    }
                    Times::Decimals(values) => {
                        let bounds = bounds.map(|value| units(data, value));
                        let bounds: Vec<i128> = bounds.collect::<Result<_, _>>().map_err(wrong)?;
                        after(values, &bounds)
                    }
                    Times::Texts(texts) => {
                        let bounds = bounds.map(|value| text(texts, value));
                        let bounds: Vec<&str> = bounds.collect::<Result<_, _>>().map_err(wrong)?;
                        after(texts, &bounds)
                    }
                };
                let parts = parts.map_err(wrong)?;
                let names: Vec<&str> = std::iter::once("train").chain(names).collect();
                filled_parts(table, &names, parts)
            }
            _ => Err(TableError::Split(
                "it has either ratios or boundaries".to_owned(),
            )),
        }
    }

    fn by_ratios(
        &self,
        table: &Table,
        times: &Times<'_>,
        ratios: &BTreeMap<String, f64>,
    ) -> Result<BTreeMap<String, Table>, TableError> {
        let names = in_order(ratios);
        // In the order of time, not of names.
        let ordered = names.iter().filter_map(|name| {
            let ratio = ratios.get(*name)?;
            Some((*name, *ratio))
        });
        let bounds = Bounds::in_order(ordered)?;
        let ends = bounds.ends(table.rows());
        let mut rows: Vec<usize> = (0..table.rows()).collect();
        rows.sort_by(|&a, &b| times.compare(a, b));
        let mut parts = vec![0; table.rows()];
        let mut before = 0;
        for group in rows.chunk_by(|&a, &b| times.compare(a, b).is_eq()) {
            let part = part_of(before, group.len(), &ends);
            for &row in group {
                parts[row] = part;
            }
            before += group.len();
        }
        filled_parts(table, &names, parts)
    }
}

impl Times<'_> {
    fn compare(&self, a: usize, b: usize) -> std::cmp::Ordering {
        match self {
            Self::Numbers(numbers) => numbers[a].cmp(&numbers[b]),
            Self::Decimals(values) => values[a].cmp(&values[b]),
            Self::Texts(texts) => texts[a].cmp(texts[b]),
        }
    }
}

/// The names that are parts, in the order of time.
fn in_order<V>(of: &BTreeMap<String, V>) -> Vec<&str> {
    let known = |part: &&str| Some(of.get_key_value(*part)?.0.as_str());
    PARTS.iter().filter_map(known).collect()
}

/// The part of each row: how many of the rising bounds are not above its time.
fn after<T: PartialOrd + std::fmt::Display>(
    times: &[T],
    bounds: &[T],
) -> Result<Vec<usize>, String> {
    if bounds.is_empty() || !bounds.is_sorted_by(|a, b| a < b) {
        return Err("is divided at values that do not rise from eval to test".to_owned());
    }
    let part = |time: &T| bounds.partition_point(|bound| bound <= time);
    Ok(times.iter().map(part).collect())
}

fn times(data: &ColumnData) -> Result<Times<'_>, String> {
    let missing = data.missing();
    if missing > 0 {
        return Err(format!(
            "misses {missing} of {} values, and such a row has no time",
            data.len()
        ));
    }
    Ok(match data {
        ColumnData::Integer(values) | ColumnData::Time(_, values) => {
            Times::Numbers(values.iter().copied().flatten().collect())
        }
        ColumnData::Float(values) => Times::Numbers(values.iter().copied().map(rank).collect()),
        ColumnData::Decimal(_, values) => {
            Times::Decimals(values.iter().copied().flatten().collect())
        }
        ColumnData::String(values) => {
            let texts: Vec<&str> = values.iter().flatten().collect();
            check_texts(&texts)?;
            Times::Texts(texts)
        }
        ColumnData::Boolean(_) => {
            return Err("is boolean; numbers, days, moments or ISO 8601 texts are in order".into());
        }
    })
}

/// An integer in the order of doubles.
fn rank(value: f64) -> i64 {
    let bits = value.to_bits() as i64;
    bits ^ ((bits >> 63) as u64 >> 1) as i64
}

/// ISO 8601 texts are in the order of their bytes if they have one shape and no offset but `Z`.
fn check_texts(texts: &[&str]) -> Result<(), String> {
    let Some(first) = texts.first() else {
        return Ok(());
    };
    for (row, text) in texts.iter().enumerate() {
        if !is_iso(text) || !same_shape(first, text) {
            return Err(format!(
                "holds '{}' in row {}: texts are in order if all are ISO 8601 of one form, such as \
                 2024-02-29",
                text.chars().take(80).collect::<String>(),
                row + 1
            ));
        }
    }
    Ok(())
}

/// `YYYY`, `YYYY-MM`, `YYYY-MM-DD`, `YYYY-Www`, or a date followed by `T` or a blank and a time.
fn is_iso(text: &str) -> bool {
    const FORMS: [&str; 5] = ["9999", "9999-99", "9999-99-99", "9999-W99", "9999-Q9"];
    let (date, time) = match text.split_once(['T', ' ']) {
        Some((date, time)) => (date, Some(time)),
        None => (text, None),
    };
    let known = FORMS.iter().any(|form| same_shape(form, date));
    let digits = |c: char| c.is_ascii_digit() || matches!(c, ':' | '.');
    known && time.is_none_or(|time| time.trim_end_matches('Z').chars().all(digits))
}

/// Whether two texts have digits at the same places, and the same between them.
fn same_shape(a: &str, b: &str) -> bool {
    let same = |(a, b): (u8, u8)| a == b || a.is_ascii_digit() && b.is_ascii_digit();
    a.len() == b.len() && a.bytes().zip(b.bytes()).all(same)
}

/// A boundary as the number that stands for it.
fn number(data: &ColumnData, value: &Constant) -> Result<i64, String> {
    let logical_type = data.logical_type();
    let number = match (data, value) {
        (ColumnData::Float(_), Constant::Number(value)) => Some(rank(*value + 0.0)),
        (ColumnData::Integer(_), Constant::Number(value)) => {
            let whole = value.trunc() == *value && value.abs() < 9e18;
            whole.then_some(*value as i64)
        }
        (ColumnData::Time(time, _), Constant::Text(text)) => moment(*time, text),
        _ => None,
    };
    number.ok_or_else(|| {
        let wanted = match logical_type {
            LogicalType::Float => "a number",
            LogicalType::Integer => "a whole number",
            _ => "a text such as \"2024-02-29\"",
        };
        format!("is of type {logical_type}: a boundary must be {wanted}")
    })
}

/// A boundary in units of a decimal's last place.
fn units(data: &ColumnData, value: &Constant) -> Result<i128, String> {
    let logical_type = data.logical_type();
    match data {
        ColumnData::Decimal(decimal, _) => value.decimal(*decimal),
        _ => None,
    }
    .ok_or_else(|| format!("is of type {logical_type}: a boundary must be one of its values"))
}

/// A day stands for its beginning.
fn moment(time: TimeType, text: &str) -> Option<i64> {
    let beginning = match time {
        TimeType::Date => String::new(),
        TimeType::Naive => format!("{text}T00:00:00"),
        TimeType::Utc => format!("{text}T00:00:00Z"),
    };
    time.parse(text.as_bytes())
        .or_else(|| time.parse(beginning.as_bytes()))
}

fn text<'a>(texts: &[&str], value: &'a Constant) -> Result<&'a str, String> {
    match value {
        Constant::Text(text) if texts.first().is_none_or(|first| same_shape(first, text)) => {
            Ok(text)
        }
        _ => Err(format!(
            "holds texts such as '{}': a boundary must be one of that form",
            texts.first().copied().unwrap_or_default()
        )),
    }
}
