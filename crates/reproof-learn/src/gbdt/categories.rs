//! Features whose values are categories: sets of them, and the best split by one.
//!
//! A category is a whole number, its code, and codes have no order that means anything. A split
//! sends some categories left and the others right. For a convex loss the best of all such divisions
//! is among those that part the categories sorted by their mean: Fisher, *On grouping for maximum
//! homogeneity* (1958). Here the mean is the sum of the gradients over that of the second
//! derivatives, smoothed as in Ke et al., *LightGBM* (2017), so that what is known of few rows
//! stands in the middle. It is compared as a fraction of integers, so the order has no rounding.

use std::cmp::Ordering;

use super::bins::MISSING;
use super::histogram::{Entry, Scale, Sums};
use super::split::{Cut, NOISE, Rule, Split, minus, plus};
use crate::{LearnError, Matrix};

/// The most categories of a feature: as many as there are bins for values.
pub(super) const MAX_CATEGORIES: usize = MISSING as usize;

/// Up to so many categories need no smoothing and no penalty of their own: there are hardly more
/// ways to part them than to cut a number. It is LightGBM's and XGBoost's `max_cat_to_onehot`.
const FEW: usize = 4;

/// A set of categories, by their codes from 0 to 254.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CategorySet([u64; 4]);

impl CategorySet {
    /// Whether a code is in it.
    #[inline]
    pub fn contains(self, code: u8) -> bool {
        self.0[usize::from(code >> 6)] >> (code & 63) & 1 == 1
    }

    /// Whether a value is the code of one that is in it.
    pub(super) fn contains_value(self, value: f64) -> bool {
        code(value).is_some_and(|code| self.contains(code))
    }

    /// Its codes, rising.
    pub fn codes(self) -> impl Iterator<Item = u8> {
        (0..MISSING).filter(move |&code| self.contains(code))
    }

    /// The set of codes that rise and are below 255; none if they do not.
    pub(super) fn from_codes(codes: &[u8]) -> Option<Self> {
        let sound = codes.is_sorted_by(|one, other| one < other) && !codes.contains(&MISSING);
        sound.then(|| {
            let mut set = Self::default();
            for &code in codes {
                set.insert(code);
            }
            set
        })
    }

    fn insert(&mut self, code: u8) {
        self.0[usize::from(code >> 6)] |= 1 << (code & 63);
    }
}

/// The code that a value is, if it is one.
fn code(value: f64) -> Option<u8> {
    // The cast saturates, and NaN becomes 0.
    let code = value as u8;
    (f64::from(code) == value && code != MISSING).then_some(code)
}

/// For each feature whether it is categorical. Refuses columns that are not there or stand twice,
/// and values that are no codes.
pub(super) fn categorical(x: &Matrix, columns: &[String]) -> Result<Vec<bool>, LearnError> {
    let mut categorical = vec![false; x.names().len()];
    for column in columns {
        let place = x.names().iter().position(|name| name == column);
        match place.and_then(|place| categorical.get_mut(place)) {
            Some(mark) if !*mark => *mark = true,
            Some(_) => {
                return Err(LearnError::Parameter {
                    parameter: "categorical",
                    value: format!("'{column}' twice"),
                    wanted: "each feature stands in it once",
                });
            }
            None => {
                return Err(LearnError::UnknownColumn {
                    column: column.clone(),
                    known: x.names().join(", "),
                });
            }
        }
    }
    check_codes(x, &categorical)?;
    Ok(categorical)
}

/// Refuses values of categorical features that are no codes.
pub(super) fn check_codes(x: &Matrix, categorical: &[bool]) -> Result<(), LearnError> {
    for ((name, values), categorical) in x.names().iter().zip(x.columns()).zip(categorical) {
        let wrong = |value: &f64| *categorical && !value.is_nan() && code(*value).is_none();
        if let Some(row) = values.iter().position(wrong) {
            return Err(LearnError::Category {
                column: name.clone(),
                row: row + 1,
                value: values[row].to_string(),
                limit: MAX_CATEGORIES,
            });
        }
    }
    Ok(())
}

/// The best split of a node by a categorical feature. Of equal ones it is that which sends fewer of
/// the sorted categories left; missing values are a category like others, the last in the order of
/// codes.
///
/// The child with fewer rows, of equal ones that of the first categories, is the left one, whose
/// categories are named: so a category that the node has no rows of goes where most rows go.
pub(super) fn best_of_categories(
    feature: usize,
    histogram: &[Entry],
    node: Sums,
    rule: &Rule,
    scale: &Scale,
) -> Option<Split> {
    let last = histogram.len().checked_sub(1)?;
    let sums = histogram.iter().map(|&entry| scale.sums(entry));
    let mut sorted: Vec<(u8, Sums)> = sums
        .enumerate()
        .filter(|(_, sums)| sums.rows > 0)
        .map(|(place, sums)| (if place == last { MISSING } else { place as u8 }, sums))
        .collect();
    let few = last <= FEW;
    let smooth = if few {
        0
    } else {
        scale.hessian_units(rule.cat_smooth)
    };
    sorted.sort_by(|one, other| by_mean(*one, *other, smooth));
    let children = Rule {
        l2: if few { rule.l2 } else { rule.l2 + rule.cat_l2 },
        ..*rule
    };
    let parent = rule.score(node, scale);
    let mut best: Option<(f64, usize, Sums)> = None;
    let mut left = Sums::default();
    for (count, (_, sums)) in (1..sorted.len()).zip(&sorted) {
        left = plus(left, *sums);
        let right = minus(node, left);
        if !(rule.allows(left, scale) && rule.allows(right, scale)) {
            continue;
        }
        let scores = children.score(left, scale) + children.score(right, scale);
        let gain = 0.5 * (scores - parent);
        let least = best.map_or(rule.min_gain, |best| best.0);
        if gain > least && gain > NOISE * scores {
            best = Some((gain, count, left));
        }
    }
    let (gain, count, first) = best?;
    let (named, others) = sorted.split_at(count);
    let second = minus(node, first);
    let (named, left, right) = if first.rows <= second.rows {
        (named, first, second)
    } else {
        (others, second, first)
    };
    let mut set = CategorySet::default();
    let mut missing_left = false;
    for &(code, _) in named {
        if code == MISSING {
            missing_left = true;
        } else {
            set.insert(code);
        }
    }
    Some(Split {
        feature,
        cut: Cut::Categories(set),
        missing_left,
        gain,
        left,
        right,
    })
}

/// By the smoothed mean, then the code: `g / (h + smooth)` of one against that of the other, both
/// multiplied by both denominators, which are above 0.
///
/// A sum of gradients is below 2^57 and a denominator at most 2^63, so the products fit.
fn by_mean((code, one): (u8, Sums), (other_code, other): (u8, Sums), smooth: i64) -> Ordering {
    let below = |sums: Sums| (i128::from(sums.hessian) + i128::from(smooth)).max(1);
    let one_by_other = i128::from(one.gradient) * below(other);
    let other_by_one = i128::from(other.gradient) * below(one);
    let by_mean = one_by_other.cmp(&other_by_one);
    by_mean.then_with(|| code.cmp(&other_code))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const RULE: Rule = Rule {
        min_rows: 1,
        l2: 0.0,
        min_gain: 0.0,
        cat_smooth: 0.0,
        cat_l2: 0.0,
    };

    /// The histogram of groups `(gradient, second derivative, rows)`, the last that of missing
    /// values; each row has its share.
    fn histogram(groups: &[(f64, f64, u8)], scale: &Scale) -> (Vec<Entry>, Sums) {
        let mut all = [0; 2];
        let mut histogram = Vec::new();
        for &(gradient, hessian, rows) in groups {
            let entry = scale.entry(scale.round(gradient, hessian));
            let sum = entry.map(|word| word * i64::from(rows));
            all = [all[0] + sum[0], all[1] + sum[1]];
            histogram.push(sum);
        }
        (histogram, scale.sums(all))
    }

    fn set(split: &Split) -> Vec<u8> {
        match split.cut {
            Cut::Categories(set) => set.codes().collect(),
            Cut::Last(_) => panic!("categories are wanted"),
        }
    }

    #[test]
    fn the_smaller_child_is_the_named_one() {
        let scale = Scale::new(1000, 1.0, 1.0);
        // Codes 1 and 3 lie low, with fewer rows; 4 has none; nothing is missing.
        let groups = [
            (0.5, 1.0, 9),
            (-0.5, 1.0, 2),
            (0.4, 1.0, 9),
            (-0.6, 1.0, 3),
            (0.0, 1.0, 0),
            (0.0, 1.0, 0),
        ];
        let (low, node) = histogram(&groups, &scale);
        let split = best_of_categories(2, &low, node, &RULE, &scale).unwrap();
        assert_eq!(set(&split), [1, 3]);
        assert_eq!(
            (split.feature, split.left.rows, split.right.rows),
            (2, 5, 18)
        );
        assert!(!split.missing_left);
        // The same turned around: still those two are named.
        let turned: Vec<_> = groups.iter().map(|&(g, h, rows)| (-g, h, rows)).collect();
        let (high, node) = histogram(&turned, &scale);
        let other = best_of_categories(2, &high, node, &RULE, &scale).unwrap();
        assert_eq!(set(&other), [1, 3]);
        assert_eq!(other.gain.to_bits(), split.gain.to_bits());
    }

    #[test]
    fn missing_values_are_a_category() {
        let scale = Scale::new(1000, 1.0, 1.0);
        let (alone, node) = histogram(&[(0.5, 1.0, 9), (0.5, 1.0, 9), (-0.5, 1.0, 5)], &scale);
        let split = best_of_categories(0, &alone, node, &RULE, &scale).unwrap();
        assert!(split.missing_left && set(&split).is_empty());
        let (one, node) = histogram(&[(0.5, 1.0, 9), (0.0, 1.0, 0), (0.5, 1.0, 9)], &scale);
        assert_eq!(best_of_categories(0, &one, node, &RULE, &scale), None);
        assert_eq!(best_of_categories(0, &[], node, &RULE, &scale), None);
    }

    #[test]
    fn what_is_known_of_few_rows_is_smoothed_and_penalised() {
        let scale = Scale::new(1000, 1.0, 1.0);
        // One row of code 0 is extreme; code 1 lies a little lower than the others with many.
        let mut groups = vec![(-0.9, 1.0, 1), (-0.5, 1.0, 90)];
        groups.extend([(0.1, 1.0, 90); 4]);
        groups.push((0.0, 1.0, 0));
        let (histogram, node) = histogram(&groups, &scale);
        let named = |rule: &Rule| {
            let split = best_of_categories(0, &histogram, node, rule, &scale).unwrap();
            (set(&split), split.gain)
        };
        let (both, gain) = named(&RULE);
        assert_eq!(both, [0, 1]);
        let smooth = Rule {
            cat_smooth: 10.0,
            ..RULE
        };
        // By -0.9 / 11 after -45 / 100, and still before the others.
        assert_eq!(named(&smooth).0, [0, 1]);
        let penalised = Rule {
            cat_l2: 10.0,
            ..smooth
        };
        assert!(named(&penalised).1 < gain);
    }

    #[test]
    fn codes_are_whole_numbers_below_255() {
        for (value, expect) in [
            (0.0, Some(0)),
            (254.0, Some(254)),
            (255.0, None),
            (1e9, None),
            (-1.0, None),
            (0.5, None),
            (f64::NAN, None),
        ] {
            assert_eq!(code(value), expect, "{value}");
        }
        assert_eq!(CategorySet::from_codes(&[1, 1]), None);
        assert_eq!(CategorySet::from_codes(&[2, 1]), None);
        assert_eq!(CategorySet::from_codes(&[0, 255]), None);
        let set = CategorySet::from_codes(&[0, 63, 64, 254]).unwrap();
        assert_eq!(set.codes().collect::<Vec<_>>(), [0, 63, 64, 254]);
    }

    proptest! {
        /// Against every division in two that there is: no other lowers the loss more.
        #[test]
        fn the_best_prefix_is_the_best_division(
            groups in prop::collection::vec((-1.0_f64..1.0, 0.1_f64..1.0, 0_u8..40), 2..9),
        ) {
            let scale = Scale::new(1000, 1.0, 1.0);
            let (histogram, node) = histogram(&groups, &scale);
            let found = best_of_categories(0, &histogram, node, &RULE, &scale);
            let mut best = 0.0_f64;
            for subset in 1..(1_u32 << groups.len()) - 1 {
                let mut left = Sums::default();
                for (place, &entry) in histogram.iter().enumerate() {
                    if subset >> place & 1 == 1 {
                        left = plus(left, scale.sums(entry));
                    }
                }
                let right = minus(node, left);
                if RULE.allows(left, &scale) && RULE.allows(right, &scale) {
                    let scores = RULE.score(left, &scale) + RULE.score(right, &scale);
                    best = best.max(0.5 * (scores - RULE.score(node, &scale)));
                }
            }
            let gain = found.map_or(0.0, |split| split.gain);
            prop_assert!((gain - best).abs() <= 1e-9 * (1.0 + best), "{gain} {best}");
        }

        /// The order is one, whatever the sums, and smoothing brings no overflow.
        #[test]
        fn means_have_one_order(
            drawn in prop::collection::vec((-(1_i64 << 56)..1 << 56, 0_i64..1 << 57), 3),
            smooth in prop_oneof![Just(0_i64), 0..1_i64 << 62],
        ) {
            let sums = |place: usize| {
                let (gradient, hessian) = drawn[place];
                (place as u8, Sums { gradient, hessian, rows: 1 })
            };
            let compare = |a: usize, b: usize| by_mean(sums(a), sums(b), smooth);
            for (a, b, c) in [(0, 1, 2), (1, 2, 0), (2, 0, 1), (0, 2, 1)] {
                prop_assert_eq!(compare(a, b), compare(b, a).reverse());
                if compare(a, b) == Ordering::Less && compare(b, c) == Ordering::Less {
                    prop_assert_eq!(compare(a, c), Ordering::Less);
                }
            }
        }
    }
}
