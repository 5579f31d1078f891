//! Statistics of a column, gathered from its encoded values.

use reproof_record::LogicalType;

use super::bins::{Bins, Key, decimal_key, float_key, integer_key};
use super::hash::{HyperLogLog, hash_text};
use super::moments::{DecimalMoments, FloatMoments, IntegerMoments, Moments};
use super::sample::Sample;
use super::texts::TextCounts;
use crate::StatisticsLevel;

/// What was seen of the values of some rows of a column. That of several ranges of rows can be
/// merged, in any order, and comes to the same.
#[derive(Clone, Debug)]
pub struct Collector {
    pub(super) logical_type: LogicalType,
    /// The number of the next row.
    row: u64,
    pub(super) rows: u64,
    pub(super) missing: u64,
    /// The least and the greatest key; of a text, length in bytes.
    range: Option<(u64, u64)>,
    /// The same of a decimal.
    wide_range: Option<(u128, u128)>,
    pub(super) moments: Option<Moments>,
    /// True values of a boolean column.
    pub(super) trues: u64,
    pub(super) values: Option<Values>,
}

/// Values that are counted together: looking each up alone would wait for memory each time.
struct Batch<T> {
    values: [T; BATCH],
    used: usize,
}

/// How many values are counted together.
const BATCH: usize = 32;

impl<T: Copy + Default> Batch<T> {
    fn new() -> Self {
        Self {
            values: [T::default(); BATCH],
            used: 0,
        }
    }

    /// Adds a value; all of them once they are enough.
    #[inline]
    fn push(&mut self, value: T) -> Option<&[T]> {
        self.values[self.used] = value;
        self.used += 1;
        if self.used < BATCH {
            return None;
        }
        self.used = 0;
        Some(&self.values)
    }

    /// Those that were not given yet.
    fn rest(&self) -> &[T] {
        &self.values[..self.used]
    }
}

/// Counts of values.
#[derive(Clone, Debug)]
pub(super) struct Values {
    pub counts: Counts,
    /// Different values, once they are, or are about to be, too many to count each.
    pub distinct: Option<HyperLogLog>,
    pub sample: Sample,
}

#[derive(Clone, Debug)]
pub(super) enum Counts {
    Numbers(Bins),
    Decimals(Bins<u128>),
    /// None once there are too many.
    Texts(Option<TextCounts>),
}

impl Values {
    fn new(logical_type: LogicalType) -> Self {
        Self {
            counts: match logical_type {
                LogicalType::String => Counts::Texts(Some(TextCounts::new())),
                LogicalType::Decimal(_) => Counts::Decimals(Bins::new()),
                _ => Counts::Numbers(Bins::new()),
            },
            distinct: None,
            sample: Sample::new(),
        }
    }

    /// Counts numbers of these rows.
    fn numbers(&mut self, numbers: &[(u64, u64)]) {
        let Counts::Numbers(bins) = &mut self.counts else {
            return;
        };
        bins.touch(numbers.iter().map(|(_, key)| *key));
        for (row, key) in numbers {
            count(bins, &mut self.distinct, *key);
            self.sample.add(*row, Some(&key.to_be_bytes()));
        }
    }

    fn decimal(&mut self, row: u64, key: u128) {
        let Counts::Decimals(bins) = &mut self.counts else {
            return;
        };
        count(bins, &mut self.distinct, key);
        self.sample.add(row, Some(&key.to_be_bytes()));
    }

    /// Counts texts of these rows, with their hashes.
    fn texts(&mut self, texts: &[(u64, &[u8], u64)]) {
        if let Counts::Texts(Some(counts)) = &self.counts {
            counts.touch(texts.iter().map(|(.., hash)| *hash));
        }
        for (row, text, hash) in texts {
            self.text(*row, text, *hash);
        }
    }

    #[inline]
    fn text(&mut self, row: u64, text: &[u8], hash: u64) {
        let Counts::Texts(counts) = &mut self.counts else {
            return;
        };
        match (counts.as_mut(), &mut self.distinct) {
            (Some(known), _) => {
                if !known.add(text, hash, 1) {
                    let mut distinct = sketch_texts(known);
                    distinct.add(hash);
                    self.distinct = Some(distinct);
                    *counts = None;
                }
            }
            (None, Some(distinct)) => distinct.add(hash),
            (None, None) => {}
        }
        self.sample.add(row, Some(text));
    }

    fn merge(&mut self, other: &Self) {
        self.sample.merge(&other.sample);
        match (&mut self.counts, &other.counts) {
            (Counts::Numbers(bins), Counts::Numbers(more)) => {
                merge_counts((bins, &mut self.distinct), (more, &other.distinct));
            }
            (Counts::Decimals(bins), Counts::Decimals(more)) => {
                merge_counts((bins, &mut self.distinct), (more, &other.distinct));
            }
            (Counts::Texts(counts), Counts::Texts(more)) => {
                let sketches = [(&*counts, &self.distinct), (more, &other.distinct)];
                let [mine, others] = sketches.map(|(counts, distinct)| {
                    let known = counts.as_ref().map(sketch_texts);
                    distinct.clone().or(known).unwrap_or_else(HyperLogLog::new)
                });
                let fits = match (counts.as_mut(), more) {
                    (Some(counts), Some(more)) => counts.merge(more),
                    _ => false,
                };
                if !fits {
                    *counts = None;
                    self.distinct = Some(union(mine, &others));
                }
            }
            // Parts of one column are of one type.
            _ => {}
        }
    }
}

/// Counts a number.
#[inline]
fn count<K: Key>(bins: &mut Bins<K>, distinct: &mut Option<HyperLogLog>, key: K) {
    let hash = key.hash();
    bins.add(key, hash);
    match distinct {
        Some(distinct) => distinct.add(hash),
        // The next value may be one too many, and then the others are forgotten.
        None if bins.is_full() => *distinct = Some(sketch(bins)),
        None => {}
    }
}

/// Adds the counts of other numbers.
fn merge_counts<K: Key>(
    (bins, distinct): (&mut Bins<K>, &mut Option<HyperLogLog>),
    (more, others): (&Bins<K>, &Option<HyperLogLog>),
) {
    let of =
        |bins: &Bins<K>, known: &Option<HyperLogLog>| known.clone().unwrap_or_else(|| sketch(bins));
    let (mine, others) = (of(bins, distinct), of(more, others));
    bins.merge(more);
    let more_than_known = !bins.is_exact() || bins.is_full();
    *distinct = more_than_known.then(|| union(mine, &others));
}

fn sketch<K: Key>(bins: &Bins<K>) -> HyperLogLog {
    let mut distinct = HyperLogLog::new();
    bins.keys().for_each(|key| distinct.add(key.hash()));
    distinct
}

fn sketch_texts(counts: &TextCounts) -> HyperLogLog {
    let mut distinct = HyperLogLog::new();
    counts
        .iter()
        .for_each(|(text, _)| distinct.add(hash_text(text)));
    distinct
}

fn union(mut one: HyperLogLog, other: &HyperLogLog) -> HyperLogLog {
    one.merge(other);
    one
}

impl Collector {
    /// Of the rows from this one on, counted from 0.
    pub fn new(logical_type: LogicalType, level: StatisticsLevel, first_row: u64) -> Self {
        let counted = level == StatisticsLevel::Full && logical_type != LogicalType::Boolean;
        Self {
            logical_type,
            row: first_row,
            rows: 0,
            missing: 0,
            range: None,
            wide_range: None,
            moments: match logical_type {
                LogicalType::Integer => Some(Moments::Integers(IntegerMoments::default())),
                LogicalType::Float => Some(Moments::Floats(Box::<FloatMoments>::default())),
                LogicalType::Decimal(decimal) => {
                    Some(Moments::Decimals(Box::new(DecimalMoments::new(decimal))))
                }
                _ => None,
            },
            trues: 0,
            values: counted.then(|| Values::new(logical_type)),
        }
    }

    /// Takes the next encoded values into account, whole ones, as `docs/formats/table.md` describes
    /// them.
    pub fn observe(&mut self, encoded: &[u8]) {
        match self.logical_type {
            LogicalType::Boolean => self.booleans(encoded),
            LogicalType::Float => self.floats(encoded),
            LogicalType::String => self.texts(encoded),
            LogicalType::Decimal(_) => self.decimals(encoded),
            _ => self.integers(encoded),
        }
    }

    fn booleans(&mut self, encoded: &[u8]) {
        for byte in encoded {
            self.missing += u64::from(*byte == 0);
            self.trues += u64::from(*byte == 2);
        }
        self.advance(encoded.len() as u64);
    }

    fn advance(&mut self, rows: u64) {
        self.rows += rows;
        self.row += rows;
    }

    #[inline]
    fn missed(&mut self) {
        if let Some(values) = &mut self.values {
            values.sample.add(self.row, None);
        }
        self.missing += 1;
        self.advance(1);
    }

    #[inline]
    fn widen(&mut self, key: u64) {
        let (low, high) = self.range.unwrap_or((key, key));
        self.range = Some((low.min(key), high.max(key)));
    }

    fn widen_decimal(&mut self, key: u128) {
        let (low, high) = self.wide_range.unwrap_or((key, key));
        self.wide_range = Some((low.min(key), high.max(key)));
    }

    /// The least and the greatest key; of a text, length in bytes.
    pub(super) fn range(&self) -> Option<(u128, u128)> {
        let narrow = self.range.map(|(low, high)| (low.into(), high.into()));
        narrow.or(self.wide_range)
    }

    #[inline]
    fn number(&mut self, key: u64, batch: &mut Batch<(u64, u64)>) {
        self.widen(key);
        if let Some(values) = &mut self.values
            && let Some(all) = batch.push((self.row, key))
        {
            values.numbers(all);
        }
        self.advance(1);
    }

    fn end_numbers(&mut self, batch: &Batch<(u64, u64)>) {
        if let Some(values) = &mut self.values {
            values.numbers(batch.rest());
        }
    }

    fn integers(&mut self, mut encoded: &[u8]) {
        let mut batch = Batch::new();
        while let Some((tag, rest)) = encoded.split_first() {
            let bytes = rest.first_chunk::<8>().filter(|_| *tag != 0);
            let Some(bytes) = bytes else {
                encoded = rest;
                self.missed();
                continue;
            };
            encoded = &rest[8..];
            let value = i64::from_le_bytes(*bytes);
            if let Some(Moments::Integers(moments)) = &mut self.moments {
                moments.add(value);
            }
            self.number(integer_key(value), &mut batch);
        }
        self.end_numbers(&batch);
    }

    fn decimals(&mut self, mut encoded: &[u8]) {
        while let Some((tag, rest)) = encoded.split_first() {
            let value = rest.split_first_chunk::<16>().filter(|_| *tag != 0);
            let Some((bytes, rest)) = value else {
                encoded = rest;
                self.missed();
                continue;
            };
            encoded = rest;
            let units = i128::from_le_bytes(*bytes);
            if let Some(Moments::Decimals(moments)) = &mut self.moments {
                moments.add(units);
            }
            let key = decimal_key(units);
            self.widen_decimal(key);
            if let Some(values) = &mut self.values {
                values.decimal(self.row, key);
            }
            self.advance(1);
        }
    }

    fn floats(&mut self, encoded: &[u8]) {
        let mut batch = Batch::new();
        for bytes in encoded.as_chunks::<8>().0 {
            let value = f64::from_le_bytes(*bytes);
            if value.is_nan() {
                self.missed();
                continue;
            }
            if let Some(Moments::Floats(moments)) = &mut self.moments {
                moments.add(value);
            }
            self.number(float_key(value), &mut batch);
        }
        self.end_numbers(&batch);
    }

    fn texts(&mut self, mut encoded: &[u8]) {
        let mut batch = Batch::new();
        while let Some((tag, rest)) = encoded.split_first() {
            let text = rest.split_first_chunk::<4>().filter(|_| *tag != 0);
            let text = text.and_then(|(length, rest)| {
                rest.split_at_checked(u32::from_le_bytes(*length) as usize)
            });
            let Some((text, rest)) = text else {
                encoded = rest;
                self.missed();
                continue;
            };
            encoded = rest;
            self.widen(text.len() as u64);
            if let Some(values) = &mut self.values
                && let Some(all) = batch.push((self.row, text, hash_text(text)))
            {
                values.texts(all);
            }
            self.advance(1);
        }
        if let Some(values) = &mut self.values {
            values.texts(batch.rest());
        }
    }

    /// Adds what was seen of other rows of the same column.
    pub fn merge(&mut self, other: &Self) {
        self.rows += other.rows;
        self.missing += other.missing;
        self.trues += other.trues;
        for key in other.range.iter().flat_map(|&(low, high)| [low, high]) {
            self.widen(key);
        }
        for key in other.wide_range.iter().flat_map(|&(low, high)| [low, high]) {
            self.widen_decimal(key);
        }
        if let (Some(moments), Some(more)) = (&mut self.moments, &other.moments) {
            moments.merge(more);
        }
        if let (Some(values), Some(more)) = (&mut self.values, &other.values) {
            values.merge(more);
        }
    }
}
