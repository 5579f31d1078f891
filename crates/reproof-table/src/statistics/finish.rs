//! From what was gathered of a column to its statistics.

use reproof_record::LogicalType;

use super::bins::{Bin, Bins, key_float, key_integer};
use super::collect::{Collector, Counts, Values};
use super::document::{ColumnStatistics, Distinct, Histogram, Quantile, Quantiles, Top, TopValue};
use super::hash::HyperLogLog;
use super::sample::MAX_TEXT;
use crate::column::float_text;
use crate::preprocess::Exact;
use crate::time::TimeType;

/// How many frequent values are told.
const TOP: usize = 10;
/// How many parts a histogram has at most.
const PARTS: u64 = 20;
const PERCENTS: [u64; 7] = [1, 5, 25, 50, 75, 95, 99];

impl Collector {
    /// The statistics of the column of this name.
    pub fn finish(self, name: &str) -> ColumnStatistics {
        let count = self.rows - self.missing;
        let mut column = ColumnStatistics {
            name: name.to_owned(),
            logical_type: self.logical_type,
            count,
            missing: self.missing,
            min: None,
            max: None,
            mean: None,
            standard_deviation: None,
            shortest: None,
            longest: None,
            distinct: None,
            top: None,
            quantiles: None,
            histogram: None,
        };
        if self.logical_type == LogicalType::Boolean {
            column.mean = (count > 0).then(|| Exact(self.trues as f64 / count as f64));
            return column;
        }
        if let Some((low, high)) = self.range {
            if self.logical_type == LogicalType::String {
                (column.shortest, column.longest) = (Some(low), Some(high));
            } else {
                column.min = Some(text(self.logical_type, low));
                column.max = Some(text(self.logical_type, high));
            }
        }
        if let Some(moments) = self.moments.as_ref().filter(|_| count > 0) {
            column.mean = moments.mean(count).map(Exact);
            column.standard_deviation = moments.deviation(count).map(Exact);
        }
        if let Some(values) = &self.values {
            self.finish_values(values, &mut column);
        }
        column
    }

    fn finish_values(&self, values: &Values, column: &mut ColumnStatistics) {
        match &values.counts {
            Counts::Texts(Some(counts)) => {
                column.distinct = Some(exactly(counts.len()));
                let all = counts.iter().map(|(text, count)| (text.to_vec(), count));
                column.top = Some(exact_top(all.collect(), shown_text));
            }
            Counts::Texts(None) => {
                column.distinct = values.distinct.as_ref().map(estimated);
                column.top = Some(self.estimated_top(values, shown_text));
            }
            Counts::Numbers(bins) => {
                let sorted = bins.sorted();
                let shown = |key: &[u8]| (self.key_text(key), false);
                if bins.is_exact() {
                    column.distinct = Some(exactly(bins.len()));
                    let all = sorted.iter().map(|bin| (key_bytes(bin.low), bin.count));
                    column.top = Some(exact_top(all.collect(), shown));
                } else {
                    column.distinct = values.distinct.as_ref().map(estimated);
                    column.top = Some(self.estimated_top(values, shown));
                }
                if let Some(range) = self.range {
                    column.quantiles = Some(self.quantiles(bins, &sorted, range, column.count));
                    column.histogram = histogram(self.logical_type, bins, &sorted, range);
                }
            }
        }
    }

    /// The text of a key that was kept as bytes.
    fn key_text(&self, bytes: &[u8]) -> String {
        let key = bytes.first_chunk().copied().map_or(0, u64::from_be_bytes);
        text(self.logical_type, key)
    }

    /// The values that are most frequent among the sampled rows. One that was met once tells
    /// nothing.
    fn estimated_top(&self, values: &Values, shown: impl Fn(&[u8]) -> (String, bool)) -> Top {
        let (sampled, counts) = values.sample.counts();
        let frequent = counts.into_iter().filter(|(_, count)| *count > 1);
        let frequent = frequent.map(|(value, count)| (value.to_vec(), count));
        let (rows, sample) = (self.rows as f64, sampled as f64);
        let mut top = exact_top(frequent.collect(), shown);
        for value in &mut top.values {
            let share = value.count as f64 / sample;
            let error = 1.96 * (share * (1.0 - share) / sample).sqrt();
            value.count = (share * rows).round() as u64;
            value.error = Some((error * rows).ceil() as u64);
        }
        top.exact = false;
        top.sampled_rows = Some(sampled);
        top
    }

    fn quantiles(&self, bins: &Bins, sorted: &[Bin], range: (u64, u64), count: u64) -> Quantiles {
        let text = |key| text(self.logical_type, key);
        let mut quantiles = Vec::with_capacity(PERCENTS.len());
        let (mut seen, mut rest) = (0, sorted.iter());
        let mut current: Option<&Bin> = None;
        for percent in PERCENTS {
            let rank = (u128::from(count) * u128::from(percent)).div_ceil(100) as u64;
            while seen < rank.max(1)
                && let Some(bin) = rest.next()
            {
                seen += bin.count;
                current = Some(bin);
            }
            let Some(bin) = current else { break };
            let (low, high) = (bin.low.max(range.0), bin.high.min(range.1));
            let inexact = !bins.is_exact();
            quantiles.push(Quantile {
                percent,
                value: text(low + (high - low) / 2),
                low: inexact.then(|| text(low)),
                high: inexact.then(|| text(high)),
            });
        }
        Quantiles {
            exact: bins.is_exact(),
            values: quantiles,
        }
    }
}

fn exactly(count: usize) -> Distinct {
    Distinct {
        count: count as u64,
        exact: true,
        relative_error: None,
    }
}

fn estimated(sketch: &HyperLogLog) -> Distinct {
    Distinct {
        count: sketch.estimate(),
        exact: false,
        relative_error: Some(HyperLogLog::ERROR),
    }
}

/// The bytes of a key, which sort as keys do.
fn key_bytes(key: u64) -> Vec<u8> {
    key.to_be_bytes().to_vec()
}

fn exact_top(mut values: Vec<(Vec<u8>, u64)>, shown: impl Fn(&[u8]) -> (String, bool)) -> Top {
    let order = |a: &(Vec<u8>, u64), b: &(Vec<u8>, u64)| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0));
    if values.len() > TOP {
        values.select_nth_unstable_by(TOP, order);
        values.truncate(TOP);
    }
    values.sort_unstable_by(order);
    let value = |(bytes, count): (Vec<u8>, u64)| {
        let (value, cut) = shown(&bytes);
        TopValue {
            value,
            cut,
            count,
            error: None,
        }
    };
    Top {
        exact: true,
        sampled_rows: None,
        values: values.into_iter().map(value).collect(),
    }
}

/// A text, or its beginning.
fn shown_text(bytes: &[u8]) -> (String, bool) {
    let text = String::from_utf8_lossy(bytes);
    if text.len() <= MAX_TEXT {
        return (text.into_owned(), false);
    }
    (text[..text.floor_char_boundary(MAX_TEXT)].to_owned(), true)
}

/// The canonical text of a key.
fn text(logical_type: LogicalType, key: u64) -> String {
    if logical_type == LogicalType::Float {
        return float_text(key_float(key));
    }
    let value = key_integer(key);
    match TimeType::of(logical_type) {
        Some(time) => time.text(value),
        None => value.to_string(),
    }
}

/// Counts over parts of equal width; none if the range is not finite.
fn histogram(
    logical_type: LogicalType,
    bins: &Bins,
    sorted: &[Bin],
    range: (u64, u64),
) -> Option<Histogram> {
    let scale = Scale::new(logical_type, range)?;
    let mut counts = vec![0; scale.parts];
    let mut uncertain = 0;
    for bin in sorted {
        let (low, high) = (bin.low.max(range.0), bin.high.min(range.1));
        counts[scale.part(low + (high - low) / 2)] += bin.count;
        if scale.part(low) != scale.part(high) {
            uncertain += bin.count;
        }
    }
    Some(Histogram {
        exact: bins.is_exact(),
        uncertain: (!bins.is_exact()).then_some(uncertain),
        counts,
    })
}

/// Where a value lies between the least and the greatest.
struct Scale {
    kind: ScaleKind,
    parts: usize,
}

enum ScaleKind {
    /// From this integer on, over this many integers.
    Integers(i128, i128),
    /// Between these doubles.
    Floats(f64, f64),
}

impl Scale {
    fn new(logical_type: LogicalType, (low, high): (u64, u64)) -> Option<Self> {
        if logical_type == LogicalType::Float {
            let (low, high) = (key_float(low), key_float(high));
            return (high - low).is_finite().then_some(Self {
                kind: ScaleKind::Floats(low, high),
                parts: if low < high { PARTS as usize } else { 1 },
            });
        }
        let low = i128::from(key_integer(low));
        let width = i128::from(key_integer(high)) - low + 1;
        Some(Self {
            kind: ScaleKind::Integers(low, width),
            parts: width.min(i128::from(PARTS)) as usize,
        })
    }

    fn part(&self, key: u64) -> usize {
        let part = match self.kind {
            ScaleKind::Integers(low, width) => {
                ((i128::from(key_integer(key)) - low) * self.parts as i128 / width) as usize
            }
            ScaleKind::Floats(low, high) => {
                ((key_float(key) - low) / (high - low) * self.parts as f64) as usize
            }
        };
        part.min(self.parts - 1)
    }
}
