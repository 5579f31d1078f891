//! Histograms of gradients in integers, whose sums are exact and so the same in any order.
//!
//! Gradients and second derivatives are scaled by a power of two taken from their exact maximum
//! and rounded once. An [`Entry`] sums, over the rows of a bin, the gradients in its first word,
//! and in its second both the second derivatives and the number of rows: the derivatives shifted
//! left by [`Scale::count_bits`], plus the rows.
//!
//! **No sum overflows.** Let `N < 2^c` be the rows of the training, with `c` the count bits, and
//! `N <= 2^26`, so `c <= 27`. A gradient has at most 30 bits: their sum is at most `2^26 · 2^30`,
//! below `2^63`. A second derivative is from 0 to `2^b`, `b = min(30, 63 - 2c)`: the second word is
//! at most `N (2^b 2^c + 1) <= (2^c - 1)(2^(b+c) + 1) < 2^(b+2c) <= 2^63` (the cross terms are
//! `2^c - 2^(b+c) - 1 < 0`, since `b >= 1` and `c >= 1`). The number of rows never reaches the
//! bits of the derivatives, for it is at most `N < 2^c`. All terms of the second word are at least
//! 0, so a part of them lies between 0 and the whole, and a difference of a histogram and that of
//! a part of its rows is the histogram of the others, in every field.

use super::bins::{Binned, QUAD};

/// The most rows that a training takes.
pub(super) const MAX_ROWS: usize = 1 << 26;

/// The bits of a rounded gradient, without its sign.
const GRADIENT_BITS: u32 = 30;

/// How many rows are brought together before they are added to histograms: their bins, gradients
/// and the four histograms of a group then lie in the fastest cache.
const BATCH: usize = 512;

/// Sums over the rows of a bin.
pub(super) type Entry = [i64; 2];

/// The histograms of four features: an entry for every number of a byte.
pub(super) type Quad = [[Entry; 256]; QUAD];

/// A row's gradient and second derivative as integers.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Pair {
    gradient: i32,
    hessian: i32,
}

/// What integers of a tree stand for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scale {
    count_bits: u32,
    to_gradient: f64,
    to_hessian: f64,
    /// The gradient that the integer 1 stands for.
    pub gradient: f64,
    /// The second derivative that the integer 1 stands for.
    pub hessian: f64,
}

impl Scale {
    /// The scale for so many rows, the largest absolute gradient and the largest second derivative.
    pub fn new(rows: usize, gradient: f64, hessian: f64) -> Self {
        let count_bits = (usize::BITS - rows.leading_zeros()).max(1);
        let hessian_bits = (63 - 2 * count_bits).min(30);
        let (to_gradient, gradient) = powers(gradient, GRADIENT_BITS);
        let (to_hessian, hessian) = powers(hessian, hessian_bits);
        Self {
            count_bits,
            to_gradient,
            to_hessian,
            gradient,
            hessian,
        }
    }

    /// The integers of a row.
    pub fn round(&self, gradient: f64, hessian: f64) -> Pair {
        Pair {
            gradient: rounded(gradient * self.to_gradient),
            hessian: rounded(hessian * self.to_hessian),
        }
    }

    /// A sum of second derivatives in integers, rounded down; what is beyond 2^62 is that.
    pub fn hessian_units(&self, hessian: f64) -> i64 {
        const MOST: f64 = (1_u64 << 62) as f64;
        (hessian * self.to_hessian).clamp(0.0, MOST) as i64
    }

    /// What a row adds to an entry.
    #[inline]
    pub fn entry(&self, pair: Pair) -> Entry {
        let hessian = i64::from(pair.hessian) << self.count_bits;
        [i64::from(pair.gradient), hessian + 1]
    }

    /// The fields of an entry.
    #[inline]
    pub fn sums(&self, entry: Entry) -> Sums {
        Sums {
            gradient: entry[0],
            hessian: entry[1] >> self.count_bits,
            rows: entry[1] & ((1 << self.count_bits) - 1),
        }
    }
}

/// The sums of some rows.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Sums {
    /// The sum of the gradients, in units of [`Scale::gradient`].
    pub gradient: i64,
    /// The sum of the second derivatives, in units of [`Scale::hessian`].
    pub hessian: i64,
    /// The number of rows.
    pub rows: i64,
}

/// The power of two that brings numbers up to this one below `2^bits`, and its reciprocal.
fn powers(largest: f64, bits: u32) -> (f64, f64) {
    // The exponent e of the double, so that 2^(e-1) <= largest < 2^e; what is below 2^-900 is as
    // good as 0.
    let exponent = ((largest.to_bits() >> 52) & 0x7ff) as i64 - 1022;
    let power = i64::from(bits) - exponent.max(-900);
    let of_two = |power: i64| f64::from_bits(((1023 + power) as u64) << 52);
    (of_two(power), of_two(-power))
}

/// The nearest integer, a half to the even one, of a number within `2^30` of 0.
///
/// In the sum with `1.5 · 2^52` the last bit counts ones, so the addition itself rounds, and the
/// low bits are the integer.
fn rounded(value: f64) -> i32 {
    const SHIFT: f64 = 6_755_399_441_055_744.0;
    (value + SHIFT).to_bits() as u32 as i32
}

/// Room for a batch of rows.
#[derive(Debug)]
pub(super) struct Gatherer {
    quads: Vec<[[u8; QUAD]; BATCH]>,
    entries: Vec<Entry>,
}

impl Gatherer {
    /// Room for rows of so many groups.
    pub fn new(groups: usize) -> Self {
        Self {
            quads: vec![[[0; QUAD]; BATCH]; groups],
            entries: Vec::with_capacity(BATCH),
        }
    }

    /// Adds rows, counted from `first`, to the histograms of all groups that are wanted.
    pub fn add(
        &mut self,
        (data, first): (&Binned, usize),
        rows: &[u32],
        pairs: &[Pair],
        scale: &Scale,
        (histograms, wanted): (&mut [Quad], &[bool]),
    ) {
        let groups = data.groups;
        if groups == 0 {
            return;
        }
        let bins = &data.quads[first * groups..];
        for batch in rows.chunks(BATCH) {
            self.entries.clear();
            self.entries
                .extend(batch.iter().map(|&row| scale.entry(pairs[row as usize])));
            for (place, &row) in batch.iter().enumerate() {
                let begin = row as usize * groups;
                let row = &bins[begin..begin + groups];
                for (quads, &quad) in self.quads.iter_mut().zip(row) {
                    quads[place % BATCH] = quad;
                }
            }
            let last = data.columns.len() - (groups - 1) * QUAD;
            for (group, (quads, histogram)) in self.quads.iter().zip(&mut *histograms).enumerate() {
                if !wanted[group] {
                    continue;
                }
                let features = if group + 1 == groups { last } else { QUAD };
                let quads = &quads[..batch.len()];
                match features {
                    1 => add::<1>(histogram, quads, &self.entries),
                    2 => add::<2>(histogram, quads, &self.entries),
                    3 => add::<3>(histogram, quads, &self.entries),
                    _ => add::<QUAD>(histogram, quads, &self.entries),
                }
            }
        }
    }
}

/// Adds a batch to the histograms of a group's first `N` features.
#[inline]
fn add<const N: usize>(histograms: &mut Quad, quads: &[[u8; QUAD]], entries: &[Entry]) {
    for (quad, entry) in quads.iter().zip(entries) {
        for (histogram, &bin) in histograms.iter_mut().zip(quad).take(N) {
            let sum = &mut histogram[usize::from(bin)];
            *sum = [sum[0] + entry[0], sum[1] + entry[1]];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_rounded_to_the_nearest_integer() {
        for (value, expect) in [
            (0.0, 0),
            (0.5, 0),
            (1.5, 2),
            (-1.5, -2),
            (-0.49, 0),
            (1_073_741_824.0, 1 << 30),
            (-1_073_741_824.0, -(1 << 30)),
        ] {
            assert_eq!(rounded(value), expect, "{value}");
        }
    }

    /// The bounds of the proof at the top, at its edges.
    #[test]
    fn the_largest_sums_fit() {
        for rows in [1, 2, 3, 1000, (1 << 20) - 1, 1 << 20, MAX_ROWS] {
            let scale = Scale::new(rows, 1.0, 0.25);
            let largest = 1.0 - f64::EPSILON / 2.0;
            let entry = scale.entry(scale.round(-largest, 0.25));
            let sum = [0, 1].map(|word| i128::from(entry[word]) * rows as i128);
            let fits = sum.map(|word| i64::try_from(word).unwrap());
            let sums = scale.sums(fits);
            assert_eq!(sums.rows, rows as i64);
            assert_eq!(sums.hessian as f64 * scale.hessian, 0.25 * rows as f64);
            let gradient = sums.gradient as f64 * scale.gradient;
            assert!((gradient / rows as f64 + 1.0).abs() < 1e-9);
        }
    }

    #[test]
    fn extreme_maxima_have_a_scale() {
        for largest in [0.0, f64::MIN_POSITIVE, 1e-300, 1e300] {
            let scale = Scale::new(10, largest, largest);
            let pair = scale.round(-largest, largest);
            assert!(pair.gradient.unsigned_abs() <= 1 << 30, "{largest}");
            assert_eq!(pair.gradient, -pair.hessian);
            if largest > 1e-200 {
                let back = f64::from(pair.gradient) * scale.gradient;
                assert!((back / largest + 1.0).abs() < 1e-8, "{largest} {back}");
            }
        }
    }
}
