//! From what was gathered of a column to its statistics.

use reproof_record::LogicalType;

use super::bins::{Bin, key_decimal, key_float, key_integer};
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
        if let Some((low, high)) = self.range() {
            if self.logical_type == LogicalType::String {
                // Lengths were counted in 64 bits.
                (column.shortest, column.longest) = (Some(low as u64), Some(high as u64));
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
                self.finish_numbers(values, bins.is_exact(), &bins.sorted(), column);
            }
            Counts::Decimals(bins) => {
                self.finish_numbers(values, bins.is_exact(), &bins.sorted(), column);
            }
        }
    }

    fn finish_numbers(
        &self,
        values: &Values,
        exact: bool,
        sorted: &[Bin],
        column: &mut ColumnStatistics,
    ) {
        let shown = |key: &[u8]| (self.key_text(key), false);
        if exact {
            column.distinct = Some(exactly(sorted.len()));
            let all = sorted.iter().map(|bin| (key_bytes(bin.low), bin.count));
            column.top = Some(exact_top(all.collect(), shown));
        } else {
            column.distinct = values.distinct.as_ref().map(estimated);
            column.top = Some(self.estimated_top(values, shown));
        }
        if let Some(range) = self.range() {
            column.quantiles = Some(self.quantiles(exact, sorted, range, column.count));
            column.histogram = histogram(self.logical_type, exact, sorted, range);
        }
    }

    /// The text of a key that was kept as bytes.
    fn key_text(&self, bytes: &[u8]) -> String {
        let key = match bytes.first_chunk() {
            Some(wide) => u128::from_be_bytes(*wide),
            None => bytes
                .first_chunk()
                .map_or(0, |key| u64::from_be_bytes(*key).into()),
        };
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

    fn quantiles(&self, exact: bool, sorted: &[Bin], range: (u128, u128), count: u64) -> Quantiles {
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
            quantiles.push(Quantile {
                percent,
                value: text(low + (high - low) / 2),
                low: (!exact).then(|| text(low)),
                high: (!exact).then(|| text(high)),
            });
        }
        Quantiles {
            exact,
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
fn key_bytes(key: u128) -> Vec<u8> {
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
fn text(logical_type: LogicalType, key: u128) -> String {
    // All keys but those of decimals have 64 bits.
    let narrow = key as u64;
    match logical_type {
        LogicalType::Float => float_text(key_float(narrow)),
        LogicalType::Decimal(decimal) => decimal.text(key_decimal(key)),
        other => match TimeType::of(other) {
            Some(time) => time.text(key_integer(narrow)),
            None => key_integer(narrow).to_string(),
        },
    }
}

/// Counts over parts of equal width; none if the range is not finite.
fn histogram(
    logical_type: LogicalType,
    exact: bool,
    sorted: &[Bin],
    range: (u128, u128),
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
        exact,
        uncertain: (!exact).then_some(uncertain),
        counts,
    })
}

/// Where a value lies between the least and the greatest.
struct Scale {
    kind: ScaleKind,
    parts: usize,
}

enum ScaleKind {
    /// From this key on, over this many: integers, or units of a decimal.
    Integers(u128, u128),
    /// Between these doubles.
    Floats(f64, f64),
}

impl Scale {
    fn new(logical_type: LogicalType, (low, high): (u128, u128)) -> Option<Self> {
        if logical_type == LogicalType::Float {
            let (low, high) = (key_float(low as u64), key_float(high as u64));
            return (high - low).is_finite().then_some(Self {
                kind: ScaleKind::Floats(low, high),
                parts: if low < high { PARTS as usize } else { 1 },
            });
        }
        let width = high - low + 1;
        Some(Self {
            kind: ScaleKind::Integers(low, width),
            parts: width.min(u128::from(PARTS)) as usize,
        })
    }

    fn part(&self, key: u128) -> usize {
        let part = match self.kind {
            ScaleKind::Integers(low, width) => share(key - low, width, self.parts),
            ScaleKind::Floats(low, high) => {
                ((key_float(key as u64) - low) / (high - low) * self.parts as f64) as usize
            }
        };
        part.min(self.parts - 1)
    }
}

/// `offset * parts / width` without what stands after the point; the offset is less than the width.
fn share(offset: u128, width: u128, parts: usize) -> usize {
    if let Some(product) = offset.checked_mul(parts as u128) {
        return (product / width) as usize;
    }
    // Added up, less the width each time that is passed.
    let (mut rest, mut passed) = (0, 0);
    for _ in 0..parts {
        if rest >= width - offset {
            rest -= width - offset;
            passed += 1;
        } else {
            rest += offset;
        }
    }
    passed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_of_the_widest_range_are_exact() {
        let width = 2 * 10_u128.pow(38) - 1;
        for (offset, part) in [
            (0, 0),
            (width / 20, 0),
            (width / 20 + 1, 1),
            (width - 1, 19),
        ] {
            assert_eq!(share(offset, width, 20), part, "{offset}");
        }
        assert_eq!(share(width / 2 + 1, width, 20), 10);
        assert_eq!((share(4, 100, 20), share(5, 100, 20)), (0, 1));
    }
}
