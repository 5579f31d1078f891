//! A sample of rows, for the most frequent values of a column that has too many to count each.
//!
//! A row is in the sample if the hash of its number begins with enough zero bits, as few as leave
//! at most [`MAX_ROWS`] rows. So the sample depends on how many rows there are, and on nothing
//! else.

use std::collections::BTreeMap;

use super::hash::hash_row;

/// The most rows of a sample.
pub(super) const MAX_ROWS: usize = 16_384;
/// The longest text, in bytes, that is kept.
pub(super) const MAX_TEXT: usize = 256;

/// The sampled rows of a column.
#[derive(Clone, Debug)]
pub(super) struct Sample {
    /// Hashes up to this are in the sample: some zero bits, then ones.
    limit: u64,
    /// The hash of a row, and its value unless that is missing or a long text.
    rows: Vec<(u64, Option<Kept>)>,
}

/// The bytes of a value: in place if they are few, as most are.
#[derive(Clone, Debug)]
enum Kept {
    Few(u8, [u8; 22]),
    Many(Box<[u8]>),
}

impl Kept {
    fn new(value: &[u8]) -> Self {
        let mut bytes = [0; 22];
        match bytes.get_mut(..value.len()) {
            Some(place) => {
                place.copy_from_slice(value);
                Self::Few(value.len() as u8, bytes)
            }
            None => Self::Many(value.into()),
        }
    }

    fn bytes(&self) -> &[u8] {
        match self {
            Self::Few(length, bytes) => &bytes[..usize::from(*length)],
            Self::Many(bytes) => bytes,
        }
    }
}

impl Sample {
    pub fn new() -> Self {
        Self {
            limit: u64::MAX,
            rows: Vec::new(),
        }
    }

    /// Takes a row, counted from 0, into account.
    #[inline]
    pub fn add(&mut self, row: u64, value: Option<&[u8]>) {
        let hash = hash_row(row);
        if hash <= self.limit {
            self.keep(hash, value);
        }
    }

    #[cold]
    fn keep(&mut self, hash: u64, value: Option<&[u8]>) {
        let value = value.filter(|value| value.len() <= MAX_TEXT);
        self.rows.push((hash, value.map(Kept::new)));
        self.shrink();
    }

    fn shrink(&mut self) {
        while self.rows.len() > MAX_ROWS {
            self.limit >>= 1;
            self.rows.retain(|(hash, _)| *hash <= self.limit);
        }
    }

    /// Adds the sample of other rows.
    pub fn merge(&mut self, other: &Self) {
        self.limit = self.limit.min(other.limit);
        self.rows.retain(|(hash, _)| *hash <= self.limit);
        let more = other.rows.iter().filter(|(hash, _)| *hash <= self.limit);
        self.rows.extend(more.cloned());
        self.shrink();
    }

    /// How many rows are in the sample, and how many of them have each value.
    pub fn counts(&self) -> (u64, BTreeMap<&[u8], u64>) {
        let mut counts = BTreeMap::new();
        for value in self.rows.iter().filter_map(|(_, value)| value.as_ref()) {
            *counts.entry(value.bytes()).or_insert(0) += 1;
        }
        (self.rows.len() as u64, counts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sample_depends_on_the_number_of_rows_only() {
        let sample = |rows: std::ops::Range<u64>| {
            let mut sample = Sample::new();
            rows.for_each(|row| sample.add(row, Some(&[(row % 3) as u8])));
            sample
        };
        let whole = sample(0..100_000);
        let mut merged = sample(40_000..100_000);
        merged.merge(&sample(0..40_000));
        assert_eq!(whole.limit, merged.limit);
        assert_eq!(whole.counts(), merged.counts());
        let (rows, counts) = whole.counts();
        assert!(rows as usize <= MAX_ROWS && rows as usize > MAX_ROWS / 3);
        for count in counts.values() {
            assert!((*count as f64 / rows as f64 - 1.0 / 3.0).abs() < 0.02);
        }
    }
}
