//! Hashes of values and rows, and the number of different values estimated from hashes.
//!
//! They are part of the format of statistics: the same on every machine, for ever.

/// Keeps hashes of values and of rows apart.
const VALUE_SEED: u64 = 0x9e37_79b9_7f4a_7c15;
const ROW_SEED: u64 = 0xd1b5_4a32_d192_ed03;
const MULTIPLIER: u64 = 0xa076_1d64_78bd_642f;

/// The finaliser of SplitMix64 (Steele, Lea and Flood 2014): a permutation of 64 bits.
#[inline]
fn mix(mut bits: u64) -> u64 {
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

/// The hash of a number, by its key.
#[inline]
pub(super) fn hash_key(key: u64) -> u64 {
    mix(key ^ VALUE_SEED)
}

/// The hash of a row, counted from 0.
#[inline]
pub(super) fn hash_row(row: u64) -> u64 {
    mix(row ^ ROW_SEED)
}

/// The hash of a text: eight bytes at a time, each folded in by a product of 128 bits.
#[inline]
pub(super) fn hash_text(text: &[u8]) -> u64 {
    let fold = |state: u64, word: u64| {
        let product = u128::from(state ^ word) * u128::from(MULTIPLIER);
        (product as u64) ^ ((product >> 64) as u64)
    };
    let mut state = VALUE_SEED ^ text.len() as u64;
    let (words, rest) = text.as_chunks::<8>();
    for word in words {
        state = fold(state, u64::from_le_bytes(*word));
    }
    if !rest.is_empty() {
        let mut last = [0; 8];
        last[..rest.len()].copy_from_slice(rest);
        state = fold(state, u64::from_le_bytes(last));
    }
    mix(state)
}

/// Bits of a hash that choose a register.
const INDEX_BITS: u32 = 14;
const REGISTERS: usize = 1 << INDEX_BITS;
/// The largest value of a register.
const MAX_RANK: usize = 64 - INDEX_BITS as usize + 1;

/// Estimates the number of different values: HyperLogLog (Flajolet and others 2007) with the
/// estimator of Ertl, *New cardinality estimation algorithms for HyperLogLog sketches* (2017),
/// algorithm 6. Its standard error is [`HyperLogLog::ERROR`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct HyperLogLog(Box<[u8]>);

impl HyperLogLog {
    /// The relative standard error: 1.04 over the root of the number of registers.
    pub const ERROR: f64 = 0.008_125;

    pub fn new() -> Self {
        Self(vec![0; REGISTERS].into_boxed_slice())
    }

    #[inline]
    pub fn add(&mut self, hash: u64) {
        let register = &mut self.0[(hash >> (64 - INDEX_BITS)) as usize];
        // The bit below the remaining ones bounds the rank.
        let rest = hash << INDEX_BITS | 1 << (INDEX_BITS - 1);
        *register = (*register).max(rest.leading_zeros() as u8 + 1);
    }

    pub fn merge(&mut self, other: &Self) {
        for (register, more) in self.0.iter_mut().zip(&other.0) {
            *register = (*register).max(*more);
        }
    }

    /// The estimated number of different values.
    pub fn estimate(&self) -> u64 {
        let mut counts = [0.0_f64; MAX_RANK + 1];
        for &register in &self.0 {
            counts[usize::from(register).min(MAX_RANK)] += 1.0;
        }
        let size = REGISTERS as f64;
        let mut z = size * tau(1.0 - counts[MAX_RANK] / size);
        for count in counts[1..MAX_RANK].iter().rev() {
            z = 0.5 * (z + count);
        }
        z += size * sigma(counts[0] / size);
        // 1 / (2 ln 2).
        let estimate = std::f64::consts::LOG2_E / 2.0 * size * size / z;
        estimate.round() as u64
    }
}

fn sigma(mut x: f64) -> f64 {
    if x == 1.0 {
        return f64::INFINITY;
    }
    let (mut y, mut z) = (1.0, x);
    loop {
        x *= x;
        let before = z;
        z += x * y;
        y += y;
        if z == before {
            return z;
        }
    }
}

fn tau(mut x: f64) -> f64 {
    if x == 0.0 || x == 1.0 {
        return 0.0;
    }
    let (mut y, mut z) = (1.0, 1.0 - x);
    loop {
        x = x.sqrt();
        let before = z;
        y *= 0.5;
        z -= (1.0 - x) * (1.0 - x) * y;
        if z == before {
            return z / 3.0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_what_they_always_were() {
        assert_eq!(hash_key(0), mix(VALUE_SEED));
        let text = |text: &str| format!("{:016x}", hash_text(text.as_bytes()));
        assert_eq!(
            [text(""), text("a"), text("statistics")],
            ["e220a8397b1dcdaf", "b53a88e62e5f3b38", "3a93e881e0d6dd90"]
        );
    }

    #[test]
    fn estimates_are_as_near_as_they_say() {
        for count in [0_u64, 1, 10, 1000, 20_000, 100_000, 1_000_000] {
            let mut sketch = HyperLogLog::new();
            for value in 0..count {
                sketch.add(hash_key(value));
                sketch.add(hash_key(value));
            }
            let error = (sketch.estimate() as f64 - count as f64).abs();
            assert!(
                error <= 3.0 * HyperLogLog::ERROR * count as f64,
                "{count}: {error}"
            );
        }
    }

    #[test]
    fn texts_spread_like_numbers() {
        let mut sketch = HyperLogLog::new();
        for value in 0..200_000 {
            sketch.add(hash_text(format!("value {value}").as_bytes()));
        }
        let error = (sketch.estimate() as f64 / 200_000.0 - 1.0).abs();
        assert!(error <= 3.0 * HyperLogLog::ERROR, "{error}");
    }
}
