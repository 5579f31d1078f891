//! Sums of doubles that are exact, hence the same for any order and any partition of the values.
//!
//! The method is the "small superaccumulator" of Radford M. Neal, *Fast exact summation using
//! small and large superaccumulators* (2015, arXiv:1505.05571): a fixed-point number as wide as
//! the range of a double, kept in overlapping chunks so that an addition touches two of them and
//! carries wait.

/// Chunks of the fixed-point number.
///
/// The bits of a double end below bit 2100 (see [`ExactSum`]); the last chunk begins at bit 2112
/// and holds what grows beyond, with the sign.
const CHUNKS: usize = 67;

/// Bits from one chunk to the next.
const CHUNK_BITS: u32 = 32;

/// The lower half of a chunk: what stays when its carry is passed on.
const LOW_MASK: i64 = 0xffff_ffff;

/// How many additions may wait before carries are passed on.
///
/// After that, a chunk but the last lies in `0..2^32`. An addition changes a chunk by less than
/// 2^52 (the upper part of 53 bits shifted by up to 31, less the 32 bits that go below), so after
/// 1024 of them every chunk lies within 2^62 + 2^33 (2^33 where [`ExactSum::merge`] added two
/// chunks): far from overflow.
const MAX_PENDING: u32 = 1024;

/// The bits of a double that hold the fraction.
const FRACTION_BITS: u32 = 52;

/// The bits of an infinity, without its sign.
const INFINITY_BITS: u64 = 0x7ff << FRACTION_BITS;

/// An exact sum of doubles.
///
/// [`value`](Self::value) is the sum of everything added, as if computed without any rounding or
/// overflow and then rounded once, to the nearest double, ties to even. A sum that rounds beyond
/// the largest double is an infinity. Values that are not finite follow IEEE 754, in any order:
/// with a NaN, or with infinities of both signs, the sum is NaN (the canonical one); with
/// infinities of one sign it is that infinity. A sum of zero is `+0`, also of negative zeros and
/// of nothing.
///
/// Up to 2^60 values may be added, counting those of merged sums.
///
/// Bit `k` of the fixed-point number weighs 2^(k - 1075), so that a double whose biased exponent
/// is `e` is its 53-bit significand shifted left by `e`, and subnormals are like `e` = 1.
#[derive(Clone, Debug)]
pub struct ExactSum {
    chunks: [i64; CHUNKS],
    /// Additions since carries were passed on.
    pending: u32,
    special: Special,
}

/// What was seen of values that are not finite.
#[derive(Clone, Copy, Debug, Default)]
struct Special {
    nan: bool,
    positive_infinity: bool,
    negative_infinity: bool,
}

impl Default for ExactSum {
    fn default() -> Self {
        Self::new()
    }
}

impl ExactSum {
    /// The sum of nothing: zero.
    pub const fn new() -> Self {
        Self {
            chunks: [0; CHUNKS],
            pending: 0,
            special: Special {
                nan: false,
                positive_infinity: false,
                negative_infinity: false,
            },
        }
    }

    /// Adds one value.
    #[inline]
    pub fn add(&mut self, value: f64) {
        let bits = value.to_bits();
        let exponent = (bits >> FRACTION_BITS) as u32 & 0x7ff;
        let fraction = (bits & ((1 << FRACTION_BITS) - 1)) as i64;
        if exponent.wrapping_sub(1) < 0x7fe {
            self.add_parts(bits, exponent, fraction | (1 << FRACTION_BITS));
        } else if exponent == 0 {
            self.add_parts(bits, 1, fraction);
        } else {
            self.add_special(value);
        }
    }

    /// Adds a significand shifted left by `exponent`, which lies in `1..=2046`.
    #[inline]
    fn add_parts(&mut self, bits: u64, exponent: u32, significand: i64) {
        if self.pending >= MAX_PENDING {
            self.pass_carries();
        }
        self.pending += 1;
        // All ones for a negative value, zero otherwise: two's complement without a branch.
        let sign = bits as i64 >> 63;
        let (index, shift) = ((exponent >> 5) as usize & 63, exponent & 31);
        let low = (significand << shift) & LOW_MASK;
        let high = significand >> (CHUNK_BITS - shift);
        self.chunks[index] += (low ^ sign) - sign;
        self.chunks[index + 1] += (high ^ sign) - sign;
    }

    #[cold]
    fn add_special(&mut self, value: f64) {
        if value.is_nan() {
            self.special.nan = true;
        } else if value > 0.0 {
            self.special.positive_infinity = true;
        } else {
            self.special.negative_infinity = true;
        }
    }

    /// Adds everything that was added to `other`.
    pub fn merge(&mut self, other: &Self) {
        self.pass_carries();
        let mut other = other.clone();
        other.pass_carries();
        for (chunk, more) in self.chunks.iter_mut().zip(other.chunks) {
            *chunk += more;
        }
        self.pending = 1;
        self.special.nan |= other.special.nan;
        self.special.positive_infinity |= other.special.positive_infinity;
        self.special.negative_infinity |= other.special.negative_infinity;
    }

    /// The sum, rounded to the nearest double, ties to even.
    pub fn value(&self) -> f64 {
        match self.special {
            Special { nan: true, .. }
            | Special {
                positive_infinity: true,
                negative_infinity: true,
                ..
            } => f64::NAN,
            Special {
                positive_infinity: true,
                ..
            } => f64::INFINITY,
            Special {
                negative_infinity: true,
                ..
            } => f64::NEG_INFINITY,
            _ => self.finite_value(),
        }
    }

    fn finite_value(&self) -> f64 {
        let mut magnitude = self.clone();
        magnitude.pass_carries();
        let negative = magnitude.chunks[CHUNKS - 1] < 0;
        if negative {
            for chunk in &mut magnitude.chunks {
                *chunk = -*chunk;
            }
            magnitude.pass_carries();
        }
        let rounded = magnitude.rounded_magnitude();
        if negative { -rounded } else { rounded }
    }

    /// The nearest double; all chunks are in their range and the last is not negative.
    fn rounded_magnitude(&self) -> f64 {
        let Some(top) = self.chunks.iter().rposition(|&chunk| chunk != 0) else {
            return 0.0;
        };
        if top == CHUNKS - 1 {
            return f64::INFINITY;
        }
        let below = |distance: usize| -> u128 {
            top.checked_sub(distance)
                .map_or(0, |index| self.chunks[index] as u128)
        };
        // The highest three chunks, and the place of their lowest bit, in a number whose leading
        // bit is one of the highest 32.
        let window = below(0) << 64 | below(1) << 32 | below(2);
        let window_bits = u128::BITS - window.leading_zeros();
        let highest_bit = top as u32 * CHUNK_BITS + window_bits - 65;
        if highest_bit <= FRACTION_BITS + 1 {
            // At most 53 bits above bit 0, which is always zero: exact, and the number itself is
            // the encoding of a subnormal double or of one of the lowest exponent.
            let number = self.chunks[1] << 32 | self.chunks[0];
            return f64::from_bits(number as u64 >> 1);
        }
        let exponent = u64::from(highest_bit - FRACTION_BITS);
        let dropped = window_bits - (FRACTION_BITS + 1);
        let significand = (window >> dropped) as u64;
        let remainder = window & ((1 << dropped) - 1);
        let half = 1_u128 << (dropped - 1);
        let lower_bits = self.chunks[..top.saturating_sub(2)]
            .iter()
            .any(|&chunk| chunk != 0);
        let up = remainder > half || remainder == half && (lower_bits || significand & 1 == 1);
        // The leading one of the significand adds one to the exponent; so does a carry.
        let bits = ((exponent - 1) << FRACTION_BITS) + significand + u64::from(up);
        f64::from_bits(bits.min(INFINITY_BITS))
    }

    /// Passes on the carry of every chunk, which then lies in `0..2^32`; the last keeps the sign.
    fn pass_carries(&mut self) {
        let mut carry = 0;
        for chunk in &mut self.chunks[..CHUNKS - 1] {
            let sum = *chunk + carry;
            *chunk = sum & LOW_MASK;
            carry = sum >> CHUNK_BITS;
        }
        self.chunks[CHUNKS - 1] += carry;
        self.pending = 0;
    }
}

impl Extend<f64> for ExactSum {
    fn extend<I: IntoIterator<Item = f64>>(&mut self, values: I) {
        for value in values {
            self.add(value);
        }
    }
}

impl FromIterator<f64> for ExactSum {
    fn from_iter<I: IntoIterator<Item = f64>>(values: I) -> Self {
        let mut sum = Self::new();
        sum.extend(values);
        sum
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A slow exact sum: a sign-magnitude fixed-point number in units of 2^-1074, one bit a cell
    /// at heart, rounded by comparing with the midpoint of two neighbouring doubles.
    mod reference {
        use std::cmp::Ordering;

        const WORDS: usize = 36;
        type Magnitude = [u64; WORDS];

        /// The magnitude of a finite double in units of 2^-1075 (one bit more than needed, for
        /// midpoints).
        fn magnitude(value: f64) -> Magnitude {
            let bits = value.abs().to_bits();
            let exponent = (bits >> 52).max(1);
            let mut significand = bits & ((1 << 52) - 1);
            if bits >> 52 > 0 {
                significand |= 1 << 52;
            }
            let mut result = [0; WORDS];
            for bit in 0..53 {
                if significand >> bit & 1 == 1 {
                    let place = bit + exponent as usize;
                    result[place / 64] |= 1 << (place % 64);
                }
            }
            result
        }

        fn compare(a: &Magnitude, b: &Magnitude) -> Ordering {
            a.iter().rev().cmp(b.iter().rev())
        }

        fn plus(a: &Magnitude, b: &Magnitude) -> Magnitude {
            let mut carry = 0_u128;
            std::array::from_fn(|word| {
                carry += u128::from(a[word]) + u128::from(b[word]);
                let result = carry as u64;
                carry >>= 64;
                result
            })
        }

        fn minus(a: &Magnitude, b: &Magnitude) -> Magnitude {
            let mut borrow = 0_i128;
            std::array::from_fn(|word| {
                borrow += i128::from(a[word]) - i128::from(b[word]);
                let result = borrow as u64;
                borrow >>= 64;
                result
            })
        }

        fn half(a: &Magnitude) -> Magnitude {
            std::array::from_fn(|word| {
                let above = a.get(word + 1).copied().unwrap_or(0);
                a[word] >> 1 | above << 63
            })
        }

        /// The nearest double by bisection over all doubles that are not negative.
        fn round(number: &Magnitude) -> f64 {
            let (mut low, mut high) = (0, f64::MAX.to_bits());
            while low < high {
                let middle = low + (high - low).div_ceil(2);
                if compare(&magnitude(f64::from_bits(middle)), number).is_gt() {
                    high = middle - 1;
                } else {
                    low = middle;
                }
            }
            // `low` is the largest double not above the number. The next one up, in bits, is the
            // infinity at the end, which rounding treats as 2^1024.
            let below = magnitude(f64::from_bits(low));
            let above = if low == f64::MAX.to_bits() {
                let mut power = [0; WORDS];
                power[2099 / 64] = 1 << (2099 % 64);
                power
            } else {
                magnitude(f64::from_bits(low + 1))
            };
            let midpoint = half(&plus(&below, &above));
            let up = match compare(number, &midpoint) {
                Ordering::Less => false,
                Ordering::Equal => low & 1 == 1,
                Ordering::Greater => true,
            };
            f64::from_bits(low + u64::from(up))
        }

        pub fn sum(values: &[f64]) -> f64 {
            let (mut positive, mut negative) = ([0; WORDS], [0; WORDS]);
            for &value in values {
                let side = if value < 0.0 {
                    &mut negative
                } else {
                    &mut positive
                };
                *side = plus(side, &magnitude(value));
            }
            match compare(&positive, &negative) {
                Ordering::Less => -round(&minus(&negative, &positive)),
                Ordering::Equal => 0.0,
                Ordering::Greater => round(&minus(&positive, &negative)),
            }
        }
    }

    fn check(values: &[f64]) {
        let expect = reference::sum(values);
        let sum: ExactSum = values.iter().copied().collect();
        assert_eq!(sum.value().to_bits(), expect.to_bits(), "{values:?}");
    }

    const TINY: f64 = f64::from_bits(1);
    const MIN_NORMAL: f64 = f64::MIN_POSITIVE;

    #[test]
    fn sums_that_plain_addition_gets_wrong() {
        check(&[]);
        check(&[-0.0, -0.0]);
        check(&[0.1; 10]);
        check(&[1e308, 1.0, -1e308]);
        check(&[1e16, 1.0, 1e-16]);
        check(&[1.0, f64::EPSILON / 2.0]);
        check(&[1.0, f64::EPSILON / 2.0, TINY]);
        check(&[1.0, f64::EPSILON / 2.0, -TINY]);
        check(&[1.0 + f64::EPSILON, f64::EPSILON / 2.0]);
        check(&[-1.0 - f64::EPSILON, -f64::EPSILON / 2.0]);
        check(&[1.0, -TINY]);
        check(&[2.0, -f64::EPSILON / 2.0]);
    }

    #[test]
    fn subnormal_sums_are_exact() {
        check(&[TINY]);
        check(&[TINY, TINY, TINY]);
        check(&[MIN_NORMAL, -TINY]);
        check(&[-MIN_NORMAL, TINY]);
        check(&[MIN_NORMAL - TINY, TINY]);
        check(&[MIN_NORMAL * 2.0, -TINY]);
        check(&[MIN_NORMAL * 2.0, TINY]);
        check(&[MIN_NORMAL * 4.0, TINY]);
        check(&[MIN_NORMAL * 4.0, TINY, TINY, TINY]);
    }

    #[test]
    fn overflow_counts_at_the_end_only() {
        let half_step = f64::MAX
            - (f64::MAX.to_bits() - 1..f64::MAX.to_bits())
                .map(f64::from_bits)
                .next()
                .unwrap();
        check(&[f64::MAX, half_step / 2.0]);
        check(&[f64::MAX, half_step / 2.0, -TINY]);
        check(&[f64::MAX, half_step / 4.0]);
        check(&[f64::MAX, f64::MAX]);
        check(&[f64::MAX, f64::MAX, f64::MAX, -f64::MAX, -f64::MAX]);
        check(&[-f64::MAX, -f64::MAX]);
        let mut many = vec![f64::MAX; 3000];
        many.extend(vec![-f64::MAX; 2999]);
        many.push(-1.0);
        check(&many);
    }

    #[test]
    fn carries_wait_no_longer_than_they_may() {
        // The largest change of a chunk: a full significand shifted by 31.
        let widest = f64::from_bits(1054 << 52 | ((1 << 52) - 1));
        for count in [1023, 1024, 1025, 2048, 5000] {
            check(&vec![widest; count]);
            check(&vec![-widest; count]);
        }
    }

    #[test]
    fn values_that_are_not_finite_follow_ieee_754() {
        let sum = |values: &[f64]| values.iter().copied().collect::<ExactSum>().value();
        assert_eq!(sum(&[1.0, f64::INFINITY]), f64::INFINITY);
        assert_eq!(sum(&[f64::NEG_INFINITY, f64::MAX]), f64::NEG_INFINITY);
        for values in [[f64::INFINITY, f64::NEG_INFINITY], [f64::NAN, 1.0]] {
            assert_eq!(sum(&values).to_bits(), f64::NAN.to_bits());
        }
        let mut merged = ExactSum::from_iter([f64::INFINITY]);
        merged.merge(&ExactSum::from_iter([f64::NEG_INFINITY]));
        assert!(merged.value().is_nan());
    }

    /// Doubles of every kind: any bits, near one another, near the ends of the range.
    fn finite() -> impl Strategy<Value = f64> {
        let any_bits = any::<u64>().prop_map(|bits| {
            let value = f64::from_bits(bits);
            if value.is_finite() { value } else { 1.0 }
        });
        let close = (-1.0_f64..1.0).prop_map(|value| value * 1e3);
        let powers = (1_u64..2047, any::<bool>()).prop_map(|(exponent, negative)| {
            f64::from_bits(exponent << 52 | u64::from(negative) << 63)
        });
        let subnormal = (0_u64..1 << 54, any::<bool>())
            .prop_map(|(bits, negative)| f64::from_bits(bits | u64::from(negative) << 63));
        let huge = (0_u64..64, any::<bool>()).prop_map(|(steps, negative)| {
            f64::from_bits((f64::MAX.to_bits() - steps) | (u64::from(negative) << 63))
        });
        prop_oneof![any_bits, close, powers, subnormal, huge]
    }

    /// Values that mostly cancel.
    fn cancelling() -> impl Strategy<Value = Vec<f64>> {
        (
            prop::collection::vec(finite(), 0..40),
            prop::collection::vec(finite(), 0..4),
        )
            .prop_map(|(values, rest)| {
                let mut all = values.clone();
                all.extend(values.iter().map(|value| -value));
                all.extend(rest);
                all
            })
    }

    proptest! {
        #[test]
        fn equals_the_slow_reference(values in prop::collection::vec(finite(), 0..60)) {
            check(&values);
        }

        #[test]
        fn equals_the_slow_reference_when_values_cancel(values in cancelling()) {
            check(&values);
        }

        #[test]
        fn is_the_same_for_any_order_and_partition(
            (values, shuffled) in prop::collection::vec(finite(), 1..80)
                .prop_flat_map(|values| (Just(values.clone()), Just(values).prop_shuffle())),
            cuts in prop::collection::vec(0_usize..80, 0..6),
        ) {
            let whole: ExactSum = values.iter().copied().collect();
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut % shuffled.len()).collect();
            cuts.extend([0, shuffled.len()]);
            cuts.sort_unstable();
            let mut joined = ExactSum::new();
            for pair in cuts.windows(2) {
                joined.merge(&shuffled[pair[0]..pair[1]].iter().copied().collect());
            }
            prop_assert_eq!(joined.value().to_bits(), whole.value().to_bits());
            joined.add(1.5);
            let mut after = values.clone();
            after.push(1.5);
            prop_assert_eq!(joined.value().to_bits(), reference::sum(&after).to_bits());
        }
    }
}
