//! Counts of numbers: of each value, or of ranges of values once there are too many.
//!
//! A number is counted under its key, an integer of 64 bits (of a decimal: 128) without a sign that
//! sorts as the numbers do. A range is all keys that share their high bits; how many low bits are dropped
//! depends on the set of values only: as few as leave at most [`MAX_RANGES`] ranges. So the counts
//! are the same for any order and any partition of the values.

use super::hash::{hash_key, hash_text};

/// The most values of which each is counted.
pub(super) const MAX_VALUES: usize = 65_536;
/// The most ranges that are counted, once there are more values than that: so few that the counts
/// of many columns fit a processor's cache.
pub(super) const MAX_RANGES: usize = 4096;

/// The key of an integer.
#[inline]
pub(super) fn integer_key(value: i64) -> u64 {
    value as u64 ^ 1 << 63
}

/// The integer of a key.
pub(super) fn key_integer(key: u64) -> i64 {
    (key ^ 1 << 63) as i64
}

/// The key of a double that is no NaN and not -0.
#[inline]
pub(super) fn float_key(value: f64) -> u64 {
    let bits = value.to_bits();
    // All bits of a negative number are turned, of another one only the sign.
    bits ^ ((bits as i64 >> 63) as u64 | 1 << 63)
}

/// The double of a key.
pub(super) fn key_float(key: u64) -> f64 {
    let sign = ((key as i64 >> 63) as u64) ^ u64::MAX;
    // -0 is no value of a table, but may be the middle of a range.
    f64::from_bits(key ^ (sign | 1 << 63)) + 0.0
}

/// The key of a decimal, of its units of the last place.
#[inline]
pub(super) fn decimal_key(units: i128) -> u128 {
    units as u128 ^ 1 << 127
}

/// The units of a decimal's key.
pub(super) fn key_decimal(key: u128) -> i128 {
    (key ^ 1 << 127) as i128
}

/// What numbers are counted under.
pub(super) trait Key: Copy + Default + Eq + Into<u128> {
    /// Without so many low bits.
    fn without(self, bits: u32) -> Self;

    /// The hash of a value's key.
    fn hash(self) -> u64;

    /// Where the search for a range begins: its key spread by the golden ratio (Knuth, *The Art of
    /// Computer Programming*, 6.4).
    fn place(self) -> u64;
}

impl Key for u64 {
    #[inline]
    fn without(self, bits: u32) -> Self {
        self >> bits
    }

    #[inline]
    fn hash(self) -> u64 {
        hash_key(self)
    }

    #[inline]
    fn place(self) -> u64 {
        self.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32
    }
}

impl Key for u128 {
    #[inline]
    fn without(self, bits: u32) -> Self {
        self >> bits
    }

    #[inline]
    fn hash(self) -> u64 {
        hash_text(&self.to_be_bytes())
    }

    #[inline]
    fn place(self) -> u64 {
        (self as u64 ^ (self >> 64) as u64).place()
    }
}

/// Counts by key.
#[derive(Clone, Debug)]
pub(super) struct Bins<K = u64> {
    /// Keys, less their low bits, with their counts, in open addressing; a count of 0 is a free
    /// place.
    slots: Vec<(K, u64)>,
    used: usize,
    /// How many low bits are dropped; 0 while every value is counted.
    shift: u32,
}

/// Numbers that are counted together, from the lowest key to the highest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bin {
    pub low: u128,
    pub high: u128,
    pub count: u64,
}

impl<K: Key> Bins<K> {
    pub fn new() -> Self {
        Self {
            slots: vec![(K::default(), 0); 64],
            used: 0,
            shift: 0,
        }
    }

    /// Whether every value is counted.
    pub fn is_exact(&self) -> bool {
        self.shift == 0
    }

    /// Whether one more value would be too many to count each.
    #[inline]
    pub fn is_full(&self) -> bool {
        self.shift == 0 && self.used >= MAX_VALUES
    }

    /// Counts a value. Its hash is that of its key.
    #[inline]
    pub fn add(&mut self, key: K, hash: u64) {
        if self.shift == 0 {
            self.add_many(key, hash, 1);
        } else {
            let key = key.without(self.shift);
            self.add_many(key, key.place(), 1);
        }
    }

    /// Brings the places of some values near, all at once, before each is counted.
    #[inline]
    pub fn touch(&self, keys: impl Iterator<Item = K>) {
        let mask = self.slots.len() - 1;
        let mut seen = 0;
        for key in keys {
            let at = self.hash(key.without(self.shift)) as usize & mask;
            seen |= self.slots[at].1;
        }
        std::hint::black_box(seen);
    }

    /// Where the search for a key begins.
    #[inline]
    fn hash(&self, key: K) -> u64 {
        if self.shift == 0 {
            key.hash()
        } else {
            key.place()
        }
    }

    #[inline]
    fn add_many(&mut self, key: K, hash: u64, count: u64) {
        self.insert(key, hash, count);
        if self.used * 2 > self.slots.len() {
            self.make_room();
        }
    }

    #[inline]
    fn insert(&mut self, key: K, hash: u64, count: u64) {
        let mask = self.slots.len() - 1;
        let mut at = hash as usize & mask;
        loop {
            let slot = &mut self.slots[at];
            if slot.1 == 0 {
                *slot = (key, count);
                self.used += 1;
                return;
            }
            if slot.0 == key {
                slot.1 += count;
                return;
            }
            at = (at + 1) & mask;
        }
    }

    #[cold]
    fn make_room(&mut self) {
        let limit = if self.shift == 0 {
            MAX_VALUES
        } else {
            MAX_RANGES
        };
        // A table of twice the limit is more than half full exactly when the limit is passed.
        if self.slots.len() < limit * 2 {
            self.rebuild(self.slots.len() * 2, 0);
        } else {
            self.coarsen(1);
        }
    }

    /// Drops this many more low bits, and then as many more as it takes.
    fn coarsen(&mut self, more: u32) {
        self.rebuild(self.slots.len().max(MAX_RANGES * 2), more);
        while self.used > MAX_RANGES {
            self.rebuild(self.slots.len(), 1);
        }
        if self.slots.len() > MAX_RANGES * 2 {
            self.rebuild(MAX_RANGES * 2, 0);
        }
    }

    /// Moves the counts to a table of another size that has places to spare.
    fn rebuild(&mut self, size: usize, more: u32) {
        let old = std::mem::replace(&mut self.slots, vec![(K::default(), 0); size]);
        self.used = 0;
        self.shift += more;
        for (key, count) in old.into_iter().filter(|slot| slot.1 > 0) {
            let key = key.without(more);
            let hash = self.hash(key);
            self.insert(key, hash, count);
        }
    }

    /// Adds the counts of other values.
    pub fn merge(&mut self, other: &Self) {
        if self.shift < other.shift {
            self.coarsen(other.shift - self.shift);
        }
        for &(key, count) in other.slots.iter().filter(|slot| slot.1 > 0) {
            // This may grow on the way.
            let more = self.shift - other.shift;
            let key = key.without(more);
            let hash = self.hash(key);
            self.add_many(key, hash, count);
        }
    }

    /// The keys of all values, while every value is counted.
    pub fn keys(&self) -> impl Iterator<Item = K> {
        let used = self.slots.iter().filter(|slot| slot.1 > 0);
        used.map(|slot| slot.0)
    }

    /// The ranges in order.
    pub fn sorted(&self) -> Vec<Bin> {
        let used = self.slots.iter().filter(|slot| slot.1 > 0);
        let mut bins: Vec<Bin> = used
            .map(|&(key, count)| {
                let low = key.into() << self.shift;
                Bin {
                    low,
                    high: low | ((1 << self.shift) - 1),
                    count,
                }
            })
            .collect();
        bins.sort_unstable_by_key(|bin| bin.low);
        bins
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn bins(keys: impl IntoIterator<Item = u64>) -> Bins {
        let mut bins = Bins::new();
        for key in keys {
            bins.add(key, hash_key(key));
        }
        bins
    }

    #[test]
    fn every_value_is_counted_up_to_the_limit_and_ranges_beyond() {
        let limit = MAX_VALUES as u64;
        let exact = bins((0..limit).chain(0..limit));
        assert!(exact.is_exact());
        assert_eq!(exact.used, MAX_VALUES);
        assert!(
            exact
                .sorted()
                .iter()
                .all(|bin| bin.count == 2 && bin.low == bin.high)
        );
        let more = bins((0..=limit).chain(0..limit));
        assert!(!more.is_exact());
        // 65,537 values in a row: of 32 each there are 2,049, of 16 one range too many.
        assert_eq!((more.shift, more.used), (5, 2049));
        assert_eq!(
            more.sorted()[1],
            Bin {
                low: 32,
                high: 63,
                count: 64
            }
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(12))]

        #[test]
        fn the_order_and_the_partition_change_nothing(
            count in 60_000_u64..90_000,
            spread in 0_u32..40,
            cuts in prop::collection::vec(0_usize..60_000, 0..4),
        ) {
            let keys: Vec<u64> = (0..count)
                .map(|row| crate::random::u64_at(1, 2, row % 80_000) >> spread)
                .collect();
            let whole = bins(keys.iter().copied());
            let reversed = bins(keys.iter().rev().copied());
            prop_assert_eq!(whole.sorted(), reversed.sorted());
            let mut cuts = cuts;
            cuts.sort_unstable();
            cuts.push(keys.len());
            let mut merged = Bins::new();
            let mut begin = 0;
            for cut in cuts {
                merged.merge(&bins(keys[begin..cut].iter().copied()));
                begin = cut;
            }
            prop_assert_eq!(whole.shift, merged.shift);
            prop_assert_eq!(whole.sorted(), merged.sorted());
        }

        #[test]
        fn keys_sort_as_numbers_do(a in any::<f64>(), b in any::<f64>(), c: i64, d: i64) {
            prop_assume!(!a.is_nan() && !b.is_nan());
            let (a, b) = (a + 0.0, b + 0.0);
            prop_assert_eq!(a < b, float_key(a) < float_key(b));
            prop_assert_eq!(key_float(float_key(a)).to_bits(), a.to_bits());
            prop_assert_eq!(c < d, integer_key(c) < integer_key(d));
            prop_assert_eq!(key_integer(integer_key(c)), c);
        }
    }
}
