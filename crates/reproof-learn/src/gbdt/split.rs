//! The best split of a node.

use super::categories::CategorySet;
use super::histogram::{Entry, Scale, Sums};

/// The least sum of second derivatives of a child: below, Newton's step means nothing.
const MIN_HESSIAN: f64 = 1e-3;

/// Which share of the two children's scores a gain must be to count: below, it is rounding.
pub(super) const NOISE: f64 = 1e-12;

/// What a split must fulfil.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rule {
    pub min_rows: i64,
    pub l2: f64,
    pub min_gain: f64,
    /// What is added to the second derivatives of a category before categories are sorted.
    pub cat_smooth: f64,
    /// What is added to `l2` where the children of a split by categories are scored.
    pub cat_l2: f64,
}

impl Rule {
    /// The value that lowers the loss of these rows most, by Newton's method.
    pub fn value(&self, sums: Sums, scale: &Scale) -> f64 {
        let hessian = sums.hessian as f64 * scale.hessian + self.l2;
        if hessian > 0.0 {
            -(sums.gradient as f64 * scale.gradient) / hessian
        } else {
            0.0
        }
    }

    /// By how much that value lowers the loss, times two.
    #[inline]
    pub fn score(&self, sums: Sums, scale: &Scale) -> f64 {
        let gradient = sums.gradient as f64 * scale.gradient;
        let hessian = sums.hessian as f64 * scale.hessian + self.l2;
        if hessian > 0.0 {
            gradient * gradient / hessian
        } else {
            0.0
        }
    }

    #[inline]
    pub fn allows(&self, sums: Sums, scale: &Scale) -> bool {
        sums.rows >= self.min_rows && sums.hessian as f64 * scale.hessian >= MIN_HESSIAN
    }

    /// Whether so many rows may be split.
    pub fn may_split(&self, rows: i64) -> bool {
        rows >= 2 * self.min_rows
    }
}

/// What goes left of values that are there.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Cut {
    /// The bins up to this one. If it is the last of all values, only missing ones go right.
    Last(u8),
    /// These categories.
    Categories(CategorySet),
}

/// A split of a node in two.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Split {
    pub feature: usize,
    pub cut: Cut,
    /// Where missing values go. Without any in the node, to the child with more rows.
    pub missing_left: bool,
    /// By how much it lowers the loss, in its quadratic approximation.
    pub gain: f64,
    pub left: Sums,
    pub right: Sums,
}

/// The best split of a node by a feature in an order. Of equal ones it is that with the lower bin, and that
/// which sends missing values right.
///
/// The histogram's last entry is that of missing values; the others are the bins in their order.
pub(super) fn best(
    feature: usize,
    histogram: &[Entry],
    node: Sums,
    rule: &Rule,
    scale: &Scale,
) -> Option<Split> {
    let (&missing, values) = histogram.split_last()?;
    let missing = scale.sums(missing);
    let parent = rule.score(node, scale);
    let mut best: Option<Split> = None;
    let mut sweep = |missing_left: bool, bins: &[Entry]| {
        let mut left = if missing_left {
            missing
        } else {
            Sums::default()
        };
        for (bin, &entry) in bins.iter().enumerate() {
            let sums = scale.sums(entry);
            left = plus(left, sums);
            if left.rows < rule.min_rows || sums.rows == 0 {
                continue;
            }
            let right = minus(node, left);
            if right.rows < rule.min_rows {
                break;
            }
            if !(rule.allows(left, scale) && rule.allows(right, scale)) {
                continue;
            }
            let children = rule.score(left, scale) + rule.score(right, scale);
            let gain = 0.5 * (children - parent);
            let least = best.map_or(rule.min_gain, |best| best.gain);
            if gain > least && gain > NOISE * children {
                best = Some(Split {
                    feature,
                    cut: Cut::Last(bin as u8),
                    missing_left,
                    gain,
                    left,
                    right,
                });
            }
        }
    };
    let (_, all_but_last) = values.split_last()?;
    if missing.rows == 0 {
        sweep(false, all_but_last);
        return best.map(|split| Split {
            missing_left: split.left.rows >= split.right.rows,
            ..split
        });
    }
    sweep(false, values);
    sweep(true, all_but_last);
    best
}

pub(super) fn plus(one: Sums, other: Sums) -> Sums {
    Sums {
        gradient: one.gradient + other.gradient,
        hessian: one.hessian + other.hessian,
        rows: one.rows + other.rows,
    }
}

pub(super) fn minus(one: Sums, other: Sums) -> Sums {
    Sums {
        gradient: one.gradient - other.gradient,
        hessian: one.hessian - other.hessian,
        rows: one.rows - other.rows,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scale() -> Scale {
        Scale::new(1000, 1.0, 1.0)
    }

    /// A histogram of rows `(bin, gradient)` with second derivative 1.
    fn histogram(bins: usize, rows: &[(usize, f64)]) -> (Vec<Entry>, Sums) {
        let scale = scale();
        let (mut histogram, mut all) = (vec![[0; 2]; bins], [0; 2]);
        for &(bin, gradient) in rows {
            let entry = scale.entry(scale.round(gradient, 1.0));
            for word in 0..2 {
                histogram[bin][word] += entry[word];
                all[word] += entry[word];
            }
        }
        (histogram, scale.sums(all))
    }

    const RULE: Rule = Rule {
        min_rows: 1,
        l2: 0.0,
        min_gain: 0.0,
        cat_smooth: 0.0,
        cat_l2: 0.0,
    };

    #[test]
    fn the_gain_is_what_the_loss_loses() {
        let (histogram, node) = histogram(4, &[(0, -1.0), (0, -1.0), (1, 1.0), (2, 1.0)]);
        let split = best(5, &histogram, node, &RULE, &scale()).unwrap();
        assert_eq!(
            (split.feature, split.cut, split.left.rows),
            (5, Cut::Last(0), 2)
        );
        // ½ (2²/2 + 2²/2 - 0)
        assert!((split.gain - 2.0).abs() < 1e-8);
        assert!((RULE.value(split.left, &scale()) - 1.0).abs() < 1e-8);
        // Nothing missing was seen: with the larger child, of equal ones the left.
        assert!(split.missing_left);
    }

    #[test]
    fn missing_values_go_where_they_help() {
        let (left, node) = histogram(3, &[(2, -1.0), (0, -1.0), (1, 1.0), (1, 1.0)]);
        let split = best(0, &left, node, &RULE, &scale()).unwrap();
        assert!(split.missing_left && split.left.rows == 2);
        let (right, node) = histogram(3, &[(2, 1.0), (0, -1.0), (1, 1.0), (0, -1.0)]);
        let split = best(0, &right, node, &RULE, &scale()).unwrap();
        assert!(!split.missing_left && split.right.rows == 2);
        // Only missing values differ.
        let (alone, node) = histogram(2, &[(1, 1.0), (0, -1.0), (0, -1.0)]);
        let split = best(0, &alone, node, &RULE, &scale()).unwrap();
        assert_eq!(
            (split.cut, split.missing_left, split.right.rows),
            (Cut::Last(0), false, 1)
        );
    }

    #[test]
    fn what_does_not_help_is_not_split() {
        let (same, node) = histogram(3, &[(0, 0.7), (1, 0.7)]);
        assert_eq!(best(0, &same, node, &RULE, &scale()), None);
        let (few, node) = histogram(3, &[(0, -1.0), (1, 1.0), (1, 1.0)]);
        let rule = Rule {
            min_rows: 2,
            ..RULE
        };
        assert_eq!(best(0, &few, node, &rule, &scale()), None);
        let rule = Rule {
            min_gain: 10.0,
            ..RULE
        };
        assert_eq!(best(0, &few, node, &rule, &scale()), None);
    }
}
