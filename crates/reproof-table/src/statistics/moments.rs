//! Sums for mean and standard deviation, exact until they are rounded once.

use reproof_record::DecimalType;

use crate::exact::ExactSum;

const TWO_64: f64 = 18_446_744_073_709_551_616.0;

/// A sum of values and of their squares, exact for any order and any partition.
#[derive(Clone, Debug)]
pub(super) enum Moments {
    Integers(IntegerMoments),
    Floats(Box<FloatMoments>),
    Decimals(Box<DecimalMoments>),
}

#[derive(Clone, Debug, Default)]
pub(super) struct IntegerMoments {
    sum: i128,
    /// The sum of squares is `carries` times 2^128 more than this.
    squares: u128,
    carries: u64,
}

#[derive(Clone, Debug, Default)]
pub(super) struct FloatMoments {
    sum: ExactSum,
    squares: ExactSum,
}

/// Of decimals, in units of the last place.
#[derive(Clone, Debug)]
pub(super) struct DecimalMoments {
    /// How many units are 1.
    one: f64,
    /// Of those that an integer of 64 bits holds.
    small: IntegerMoments,
    large: FloatMoments,
}

impl DecimalMoments {
    pub fn new(decimal: DecimalType) -> Self {
        Self {
            one: 10_u128.pow(decimal.scale().into()) as f64,
            small: IntegerMoments::default(),
            large: FloatMoments::default(),
        }
    }

    #[inline]
    pub fn add(&mut self, units: i128) {
        match i64::try_from(units) {
            Ok(units) => self.small.add(units),
            Err(_) => self.add_large(units),
        }
    }

    #[cold]
    fn add_large(&mut self, units: i128) {
        let parts = parts(units.unsigned_abs(), units < 0);
        self.large.sum.extend(parts);
        for one in parts {
            for other in parts {
                let (product, rest) = two_product(one, other);
                self.large.squares.extend([product, rest]);
            }
        }
    }

    fn merge(&mut self, other: &Self) {
        self.small.merge(&other.small);
        self.large.merge(&other.large);
    }
}

impl IntegerMoments {
    /// Doubles whose sums are exactly the sum and the sum of squares.
    fn expansions(&self) -> (Vec<f64>, Vec<f64>) {
        let mut squares = parts(self.squares, false).to_vec();
        // Far fewer than 2^53 of them.
        squares.push(self.carries as f64 * TWO_64 * TWO_64);
        (
            parts(self.sum.unsigned_abs(), self.sum < 0).to_vec(),
            squares,
        )
    }

    #[inline]
    pub fn add(&mut self, value: i64) {
        let value = i128::from(value);
        self.sum += value;
        self.add_square(value.unsigned_abs() * value.unsigned_abs());
    }

    #[inline]
    fn add_square(&mut self, square: u128) {
        let (sum, over) = self.squares.overflowing_add(square);
        self.squares = sum;
        self.carries += u64::from(over);
    }

    fn merge(&mut self, other: &Self) {
        self.sum += other.sum;
        self.add_square(other.squares);
        self.carries += other.carries;
    }
}

impl FloatMoments {
    fn merge(&mut self, other: &Self) {
        self.sum.merge(&other.sum);
        self.squares.merge(&other.squares);
    }

    /// Doubles whose sums are exactly the sum and the sum of squares; none if one is not finite.
    fn expansions(&self) -> Option<(Vec<f64>, Vec<f64>)> {
        Some((expansion(&self.sum)?, expansion(&self.squares)?))
    }

    #[inline]
    pub fn add(&mut self, value: f64) {
        self.sum.add(value);
        let (product, rest) = two_product(value, value);
        self.squares.add(product);
        self.squares.add(rest);
    }
}

impl Moments {
    pub fn merge(&mut self, other: &Self) {
        match (self, other) {
            (Self::Integers(one), Self::Integers(other)) => one.merge(other),
            (Self::Floats(one), Self::Floats(other)) => one.merge(other),
            (Self::Decimals(one), Self::Decimals(other)) => one.merge(other),
            // Parts of one column are of one type.
            _ => {}
        }
    }

    /// The mean of this many values; none if it is not finite.
    pub fn mean(&self, count: u64) -> Option<f64> {
        let sum = match self {
            Self::Floats(moments) => moments.sum.value(),
            _ => self
                .expansions()?
                .0
                .into_iter()
                .collect::<ExactSum>()
                .value(),
        };
        finite(sum / count as f64 / self.one() + 0.0)
    }

    /// What the number 1 is in what was added up.
    fn one(&self) -> f64 {
        match self {
            Self::Decimals(moments) => moments.one,
            _ => 1.0,
        }
    }

    fn expansions(&self) -> Option<(Vec<f64>, Vec<f64>)> {
        match self {
            Self::Integers(moments) => Some(moments.expansions()),
            Self::Floats(moments) => moments.expansions(),
            Self::Decimals(moments) => {
                let (mut sum, mut squares) = moments.small.expansions();
                let (large, large_squares) = moments.large.expansions()?;
                sum.extend(large);
                squares.extend(large_squares);
                Some((sum, squares))
            }
        }
    }

    /// The sample standard deviation (the divisor is one less than the number of values); none for
    /// fewer than two values, or if it or a square is not finite.
    ///
    /// The root of (n Σx² - (Σx)²) / (n (n - 1)), whose numerator is computed exactly from the
    /// exact sums and rounded once: nothing cancels.
    pub fn deviation(&self, count: u64) -> Option<f64> {
        if count < 2 {
            return None;
        }
        let (sum, squares) = self.expansions()?;
        let n = count as f64;
        let mut numerator = ExactSum::new();
        for square in squares {
            let (product, rest) = two_product(n, square);
            numerator.extend([product, rest]);
        }
        for one in &sum {
            for other in &sum {
                let (product, rest) = two_product(*one, *other);
                numerator.extend([-product, -rest]);
            }
        }
        let variance = numerator.value() / n / (n - 1.0);
        // Products below the smallest double may leave a little less than nothing.
        finite(variance.max(0.0).sqrt() / self.one())
    }
}

fn finite(value: f64) -> Option<f64> {
    value.is_finite().then_some(value)
}

/// An integer as three doubles whose sum it is.
fn parts(magnitude: u128, negative: bool) -> [f64; 3] {
    const MASK: u128 = (1 << 48) - 1;
    let sign = if negative { -1.0 } else { 1.0 };
    let scale = (1_u64 << 48) as f64;
    let part = |shift: u32| sign * ((magnitude >> shift & MASK) as u64) as f64;
    [part(0), part(48) * scale, part(96) * scale * scale]
}

/// Doubles whose sum is exactly that of an exact sum; none if it is not finite.
fn expansion(sum: &ExactSum) -> Option<Vec<f64>> {
    let mut rest = sum.clone();
    let mut parts = Vec::new();
    loop {
        let part = finite(rest.value())?;
        if part == 0.0 {
            return Some(parts);
        }
        parts.push(part);
        rest.add(-part);
    }
}

/// A product as the nearest double and what is left, exactly unless it is near the ends of the
/// range of doubles (Dekker 1971, *A floating-point technique for extending the available
/// precision*).
#[inline]
fn two_product(a: f64, b: f64) -> (f64, f64) {
    let split = |value: f64| {
        // 2^27 + 1.
        let scaled = 134_217_729.0 * value;
        let high = scaled - (scaled - value);
        (high, value - high)
    };
    let product = a * b;
    let ((a1, a2), (b1, b2)) = (split(a), split(b));
    let rest = ((a1 * b1 - product) + a1 * b2 + a2 * b1) + a2 * b2;
    (product, rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn floats(values: &[f64]) -> (Option<f64>, Option<f64>) {
        let mut moments = FloatMoments::default();
        for &value in values {
            moments.add(value);
        }
        let moments = Moments::Floats(Box::new(moments));
        let count = values.len() as u64;
        (moments.mean(count), moments.deviation(count))
    }

    fn integers(values: &[i64]) -> (Option<f64>, Option<f64>) {
        let mut moments = IntegerMoments::default();
        for &value in values {
            moments.add(value);
        }
        let moments = Moments::Integers(moments);
        let count = values.len() as u64;
        (moments.mean(count), moments.deviation(count))
    }

    #[test]
    fn known_moments() {
        assert_eq!(
            floats(&[1.0, 2.0, 3.0, 4.0]),
            (Some(2.5), Some((5.0_f64 / 3.0).sqrt()))
        );
        assert_eq!(integers(&[1, 2, 3, 4]), floats(&[1.0, 2.0, 3.0, 4.0]));
        assert_eq!(floats(&[7.25]), (Some(7.25), None));
        assert_eq!(floats(&[0.1; 3]).1, Some(0.0));
        // Σx² has 16 digits more than the variance.
        assert_eq!(
            floats(&[1e9 + 4.0, 1e9 + 7.0, 1e9 + 13.0, 1e9 + 16.0]).1,
            Some(30_f64.sqrt())
        );
        assert_eq!(
            floats(&[1e17, 1e17, 1e17 + 16.0]).1,
            Some((256.0_f64 / 3.0).sqrt())
        );
    }

    #[test]
    fn the_largest_integers_do_not_overflow() {
        let (mean, deviation) = integers(&[i64::MIN; 9]);
        assert_eq!(mean, Some(i64::MIN as f64));
        assert_eq!(deviation, Some(0.0));
        let (mean, deviation) = integers(&[i64::MAX, i64::MIN, i64::MAX, i64::MIN]);
        assert_eq!(mean, Some(-0.5));
        assert_eq!(deviation, Some((4.0_f64 / 3.0).sqrt() * (TWO_64 / 2.0)));
    }

    #[test]
    fn what_is_not_finite_is_none() {
        assert_eq!(floats(&[f64::INFINITY, 1.0]), (None, None));
        assert_eq!(floats(&[1e200, -1e200]), (Some(0.0), None));
    }
}
