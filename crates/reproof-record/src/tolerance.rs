//! How far an output may be from what the record says and still be equivalent, and how far it is.

use serde::{Deserialize, Serialize};

/// How far an output may be off, declared before anything was run. A number is within the tolerance
/// if it keeps one of the bounds that are given. What is no number must be the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tolerance {
    /// The largest difference.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub abs: Option<f64>,
    /// The largest difference as a share of the larger of the two.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rel: Option<f64>,
    /// The largest difference in units of the last place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ulp: Option<u64>,
    /// In how many rows the predicted label may be another one; any number if it is not given and the
    /// labels follow from probabilities that are within the other bounds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flips: Option<u64>,
}

impl Tolerance {
    /// Whether it says anything, and nothing that cannot be meant.
    pub fn is_sound(&self) -> bool {
        let given = [self.abs, self.rel].into_iter().flatten();
        let bound = |value: f64| value.is_finite() && value >= 0.0;
        given.clone().all(bound)
            && (given.count() > 0 || self.ulp.is_some() || self.flips.is_some())
    }

    /// Whether two numbers are as near as it asks for.
    pub fn holds(&self, before: f64, after: f64) -> bool {
        before == after
            || before.is_nan() && after.is_nan()
            || self.admits(&Apart::of(before, after))
    }

    /// Whether it admits this difference.
    pub fn admits(&self, apart: &Apart) -> bool {
        apart.abs.is_finite()
            && (self.abs.is_some_and(|bound| apart.abs <= bound)
                || self.rel.is_some_and(|bound| apart.rel <= bound)
                || self.ulp.is_some_and(|bound| apart.ulp <= bound))
    }
}

/// How far two numbers are apart.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Apart {
    /// Their difference.
    pub abs: f64,
    /// It as a share of the larger of the two.
    pub rel: f64,
    /// How many numbers of their type lie between them, the second counted.
    pub ulp: u64,
}

impl Apart {
    /// Of two doubles.
    pub fn of(before: f64, after: f64) -> Self {
        Self::with_ulp(before, after, ulps_apart(before, after))
    }

    /// Of two numbers of a type of which so many lie between them.
    pub fn with_ulp(before: f64, after: f64, ulp: u64) -> Self {
        let abs = (before - after).abs();
        let size = before.abs().max(after.abs());
        Self {
            abs,
            rel: if size > 0.0 { abs / size } else { 0.0 },
            ulp,
        }
    }
}

/// How many doubles lie between two, the second counted.
pub fn ulps_apart(a: f64, b: f64) -> u64 {
    // The bits of doubles, made to grow with their values.
    let ordered = |value: f64| {
        let bits = value.to_bits() as i64;
        if bits < 0 { i64::MIN - bits } else { bits }
    };
    ordered(a).abs_diff(ordered(b))
}

/// How far an output is from what the record says.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Distance {
    /// How many values differ.
    pub values: u64,
    /// How many of them are further off than the tolerance allows.
    pub beyond: u64,
    /// In how many rows the predicted label is another one; none where there are no labels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flips: Option<u64>,
    /// The largest difference of two numbers; none if none differ.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub abs: Option<f64>,
    /// The largest difference as a share of the larger of the two.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rel: Option<f64>,
    /// The largest difference in units of the last place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ulp: Option<u64>,
    /// Why it cannot be within any tolerance, such as that a pickle has no values to compare.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl Distance {
    /// Takes in two doubles that differ, as judged by a tolerance.
    pub fn number(&mut self, before: f64, after: f64, tolerance: &Tolerance) {
        self.apart(&Apart::of(before, after), tolerance);
    }

    /// Takes in two numbers that are so far apart.
    pub fn apart(&mut self, apart: &Apart, tolerance: &Tolerance) {
        self.values += 1;
        if apart.abs.is_finite() {
            self.abs = Some(self.abs.map_or(apart.abs, |abs| abs.max(apart.abs)));
            self.rel = Some(self.rel.map_or(apart.rel, |rel| rel.max(apart.rel)));
            self.ulp = Some(self.ulp.map_or(apart.ulp, |ulp| ulp.max(apart.ulp)));
        }
        self.beyond += u64::from(!tolerance.admits(apart));
    }

    /// Takes in something that differs and is no number.
    pub fn other(&mut self) {
        self.values += 1;
        self.beyond += 1;
    }

    /// Takes in that something cannot be compared by value.
    pub fn refuse(&mut self, reason: impl Into<String>) {
        self.other();
        self.reason.get_or_insert_with(|| reason.into());
    }

    /// Takes in how many labels flipped.
    pub fn flipped(&mut self, flips: u64) {
        *self.flips.get_or_insert(0) += flips;
    }

    /// Whether all of it is within the tolerance by which it was judged.
    pub fn is_within(&self, tolerance: &Tolerance) -> bool {
        let flips = self.flips.unwrap_or(0);
        self.beyond == 0 && tolerance.flips.is_none_or(|most| flips <= most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_bound_that_holds_is_enough() {
        let next = 1.0 + f64::EPSILON;
        let ulp = Tolerance {
            ulp: Some(1),
            ..Tolerance::default()
        };
        assert!(ulp.holds(1.0, next) && !ulp.holds(1.0, next + f64::EPSILON));
        let abs = Tolerance {
            abs: Some(1e-9),
            ..Tolerance::default()
        };
        assert!(abs.holds(0.0, 1e-9) && !abs.holds(0.0, 2e-9));
        assert!(!ulp.holds(0.0, 1e-9));
        let both = Tolerance {
            ulp: Some(1),
            ..abs
        };
        assert!(both.holds(0.0, 1e-9) && both.holds(1e20, 1e20 + 16384.0));
        let rel = Tolerance {
            rel: Some(0.01),
            ..Tolerance::default()
        };
        assert!(rel.holds(-100.0, -99.0) && !rel.holds(-100.0, 99.0));
        assert!(abs.holds(f64::NAN, f64::NAN) && !abs.holds(f64::NAN, 1.0));
        let loose = Tolerance {
            abs: Some(f64::MAX),
            ..Tolerance::default()
        };
        assert!(!loose.holds(f64::INFINITY, 1.0));
    }

    #[test]
    fn what_says_nothing_is_no_tolerance() {
        assert!(!Tolerance::default().is_sound());
        assert!(
            !Tolerance {
                abs: Some(-1.0),
                ..Tolerance::default()
            }
            .is_sound()
        );
        assert!(
            !Tolerance {
                rel: Some(f64::NAN),
                ..Tolerance::default()
            }
            .is_sound()
        );
        assert!(
            Tolerance {
                flips: Some(0),
                ..Tolerance::default()
            }
            .is_sound()
        );
    }

    #[test]
    fn the_largest_difference_counts() {
        let tolerance = Tolerance {
            abs: Some(0.5),
            flips: Some(1),
            ..Tolerance::default()
        };
        let mut distance = Distance::default();
        distance.number(1.0, 1.25, &tolerance);
        distance.number(8.0, 8.5, &tolerance);
        distance.flipped(1);
        assert_eq!(
            (distance.values, distance.abs, distance.rel),
            (2, Some(0.5), Some(0.2))
        );
        assert!(distance.is_within(&tolerance));
        distance.flipped(1);
        assert!(!distance.is_within(&tolerance));
        let mut distance = Distance::default();
        distance.refuse("a pickle");
        distance.refuse("another");
        assert!(!distance.is_within(&tolerance));
        assert_eq!(distance.reason.as_deref(), Some("a pickle"));
    }

    #[test]
    fn doubles_are_counted() {
        assert_eq!(ulps_apart(1.0, 1.0), 0);
        assert_eq!(ulps_apart(1.0, 1.0 + f64::EPSILON), 1);
        assert_eq!(ulps_apart(1.0 + f64::EPSILON, 1.0), 1);
        let least = f64::from_bits(1);
        assert_eq!(ulps_apart(-least, least), 2);
        assert_eq!(ulps_apart(0.0, -0.0), 0);
        assert_eq!(
            ulps_apart(f64::NEG_INFINITY, f64::INFINITY),
            2 * 0x7ff0_0000_0000_0000
        );
    }
}
