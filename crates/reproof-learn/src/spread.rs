//! How far the values of a metric are apart that differ in nothing but seeds, and whether a difference
//! goes beyond that.
//!
//! The difference of two single runs is judged by Student's t with Welch's approximation of the degrees of
//! freedom. The runs that are compared are mostly among those that the spread is taken from; then fewer
//! than 5 of 100 differences that seeds alone make are called more than that (1 to 4, by simulation), never
//! more.

use serde::Serialize;
use statrs::distribution::{ContinuousCDF, StudentsT};

/// The share of the differences of two seeds that lie within the limit, cut on both sides.
const QUANTILE: f64 = 0.975;

/// How far the values of a metric are apart under several seeds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Spread {
    /// How many seeds there are.
    pub seeds: usize,
    /// The mean of their values.
    pub mean: f64,
    /// The sample standard deviation.
    pub deviation: f64,
    /// The least value.
    pub least: f64,
    /// The largest value.
    pub most: f64,
}

impl Spread {
    /// From how many seeds on a spread is told.
    pub const FEWEST: usize = 3;

    /// The spread of these values, one for each seed; none where they are too few. Their order changes
    /// nothing.
    pub fn of(values: &[f64]) -> Option<Self> {
        let mut values = values.to_vec();
        values.sort_by(f64::total_cmp);
        let (least, most) = (*values.first()?, *values.last()?);
        if values.len() < Self::FEWEST || !least.is_finite() || !most.is_finite() {
            return None;
        }
        let count = values.len() as f64;
        // The mean of equal values may be off by a bit, and they would have a deviation.
        let (mean, deviation) = if least < most {
            let mean = values.iter().sum::<f64>() / count;
            let squares: f64 = values
                .iter()
                .map(|value| (value - mean) * (value - mean))
                .sum();
            (mean, (squares / (count - 1.0)).sqrt())
        } else {
            (least, 0.0)
        };
        Some(Self {
            seeds: values.len(),
            mean,
            deviation,
            least,
            most,
        })
    }

    /// How far from a value that of another seed is in 95 of 100 cases, at most.
    pub fn limit(&self) -> f64 {
        SeedDistance::judged(0.0, 2.0 * self.deviation * self.deviation, self.freedom()).limit
    }

    fn freedom(&self) -> f64 {
        self.seeds as f64 - 1.0
    }
}

/// A difference against the spread over seeds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct SeedDistance {
    /// The difference: the second value less the first.
    pub by: f64,
    /// The standard deviation of the difference of two runs that differ in their seeds alone.
    pub deviation: f64,
    /// How many of these standard deviations the difference is; none where seeds change nothing.
    pub deviations: Option<f64>,
    /// What the difference of two seeds is within in 95 of 100 cases: from minus this to this.
    pub limit: f64,
    /// Whether it goes beyond.
    pub beyond: bool,
}

impl SeedDistance {
    /// Judges a difference by the spreads of what the first and the second value are of, as far as they
    /// are known; where only one is, the other is taken for the same. None where neither is.
    pub fn of(by: f64, spreads: [Option<&Spread>; 2]) -> Option<Self> {
        let [first, second] = match spreads {
            [Some(one), None] | [None, Some(one)] => {
                let variance = one.deviation * one.deviation;
                return Some(Self::judged(by, 2.0 * variance, one.freedom()));
            }
            [first, second] => [first?, second?],
        };
        let variances = [first, second].map(|spread| spread.deviation * spread.deviation);
        let total = variances[0] + variances[1];
        let part = |side: usize, spread: &Spread| {
            let share = variances[side] / total;
            share * share / spread.freedom()
        };
        let freedom = if total > 0.0 {
            1.0 / (part(0, first) + part(1, second))
        } else {
            1.0
        };
        Some(Self::judged(by, total, freedom))
    }

    fn judged(by: f64, variance: f64, freedom: f64) -> Self {
        let deviation = variance.sqrt();
        let quantile = StudentsT::new(0.0, 1.0, freedom)
            .map_or(f64::INFINITY, |student| student.inverse_cdf(QUANTILE));
        let limit = if deviation > 0.0 {
            quantile * deviation
        } else {
            0.0
        };
        Self {
            by,
            deviation,
            deviations: (deviation > 0.0).then(|| by.abs() / deviation),
            limit,
            beyond: by.abs() > limit,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn few_values_have_no_spread_and_equal_ones_none_to_speak_of() {
        assert_eq!(Spread::of(&[]), None);
        assert_eq!(Spread::of(&[1.0, 2.0]), None);
        assert_eq!(Spread::of(&[1.0, f64::NAN, 2.0]), None);
        let spread = Spread::of(&[0.1, 0.1, 0.1]).unwrap();
        assert_eq!((spread.mean, spread.deviation), (0.1, 0.0));
        let same = SeedDistance::of(0.0, [Some(&spread), None]).unwrap();
        assert!(!same.beyond && same.deviations.is_none());
        assert!(
            SeedDistance::of(1e-300, [Some(&spread), None])
                .unwrap()
                .beyond
        );
    }

    #[test]
    fn the_limits_are_those_of_the_tables() {
        // Mean 2, standard deviation 1; t of 2 degrees of freedom is 4.303, of 4 it is 2.776.
        let spread = Spread::of(&[3.0, 1.0, 2.0]).unwrap();
        assert_eq!((spread.mean, spread.deviation), (2.0, 1.0));
        assert_eq!((spread.least, spread.most, spread.seeds), (1.0, 3.0, 3));
        let one = SeedDistance::of(3.0, [None, Some(&spread)]).unwrap();
        assert!((one.limit - 4.302_652_73 * 2.0_f64.sqrt()).abs() < 1e-6);
        assert!((spread.limit() - one.limit).abs() < 1e-12);
        assert!(!one.beyond);
        assert!((one.deviations.unwrap() - 3.0 / 2.0_f64.sqrt()).abs() < 1e-12);
        // Two equal spreads have twice the degrees of freedom.
        let two = SeedDistance::of(-6.0, [Some(&spread), Some(&spread)]).unwrap();
        assert!(
            (two.limit - 2.776_445_1 * 2.0_f64.sqrt()).abs() < 1e-6,
            "{two:?}"
        );
        assert!(two.beyond);
        assert_eq!(SeedDistance::of(1.0, [None, None]), None);
    }

    proptest! {
        #[test]
        fn the_order_of_the_seeds_changes_no_bit(
            mut values in proptest::collection::vec(-1e3..1e3f64, 3..20),
        ) {
            let spread = Spread::of(&values);
            values.reverse();
            prop_assert_eq!(Spread::of(&values), spread);
        }

        #[test]
        fn a_larger_difference_is_never_less_beyond(
            values in proptest::collection::vec(-1e3..1e3f64, 3..20),
            by in 0.0..1e4f64,
        ) {
            let spread = Spread::of(&values).unwrap();
            let judged = |by| SeedDistance::of(by, [Some(&spread), None]).unwrap();
            prop_assert!(!judged(by).beyond || judged(by * 1.5).beyond);
        }
    }
}
