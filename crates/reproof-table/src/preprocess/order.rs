//! Order statistics of the training part: exact, for they are values of the sorted column, or lie
//! between two of them by a fixed rule. Sorting has one result, so the order of the rows does not
//! matter.

/// The values that are not missing, sorted.
pub(super) fn sorted(values: &[f64]) -> Vec<f64> {
    let mut sorted: Vec<f64> = values.iter().copied().filter(|v| !v.is_nan()).collect();
    sorted.sort_unstable_by(f64::total_cmp);
    sorted
}

/// The middle one of sorted values, or half the sum of the two in the middle.
pub(super) fn median(sorted: &[f64]) -> Option<f64> {
    let (low, high) = (sorted.len().checked_sub(1)? / 2, sorted.len() / 2);
    let (low, high) = (*sorted.get(low)?, *sorted.get(high)?);
    if low.to_bits() == high.to_bits() {
        return Some(low);
    }
    let sum = low + high;
    Some(if sum.is_finite() {
        sum / 2.0
    } else {
        low / 2.0 + high / 2.0
    })
}

/// The quantile of sorted values at a share from 0 to 1: with n values, that at the place
/// `share * (n - 1)` counted from 0, or between its two neighbours in proportion. This is
/// definition 7 of R. J. Hyndman and Y. Fan, *Sample quantiles in statistical packages* (The
/// American Statistician 50, 1996), the default of R and NumPy.
pub(super) fn quantile(sorted: &[f64], share: f64) -> Option<f64> {
    let last = sorted.len().checked_sub(1)?;
    let place = share * last as f64;
    let below = place.floor();
    let low = *sorted.get((below as usize).min(last))?;
    let high = *sorted.get((below as usize + 1).min(last))?;
    let between = place - below;
    if between <= 0.0 || low.to_bits() == high.to_bits() {
        return Some(low);
    }
    let width = high - low;
    let value = if width.is_finite() {
        low + width * between
    } else {
        low * (1.0 - between) + high * between
    };
    // Rounding must not carry it past a neighbour.
    Some(value.clamp(low, high))
}

/// The most frequent of sorted values; of several the smallest.
pub(super) fn mode(sorted: &[f64]) -> Option<f64> {
    let mut best: Option<(usize, f64)> = None;
    for run in sorted.chunk_by(|a, b| a.to_bits() == b.to_bits()) {
        if best.is_none_or(|(count, _)| run.len() > count) {
            best = run.first().map(|&value| (run.len(), value));
        }
    }
    best.map(|(_, value)| value)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn known_statistics() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[3.0]), Some(3.0));
        assert_eq!(median(&[1.0, 2.0]), Some(1.5));
        assert_eq!(median(&[f64::MAX, f64::MAX]), Some(f64::MAX));
        assert_eq!(median(&[1.0, 2.0, 9.0]), Some(2.0));
        let values = [1.0, 2.0, 4.0, 8.0, 16.0];
        // As `numpy.quantile` and R's `quantile(type = 7)` give them.
        for (share, expect) in [
            (0.0, 1.0),
            (0.1, 1.4),
            (0.25, 2.0),
            (0.9, 12.8),
            (1.0, 16.0),
        ] {
            let value = quantile(&values, share).unwrap();
            assert!((value - expect).abs() < 1e-12, "{share}: {value}");
        }
        assert_eq!(quantile(&[], 0.5), None);
        assert_eq!(quantile(&[-f64::MAX, f64::MAX], 0.5), Some(0.0));
        assert_eq!(mode(&[1.0, 2.0, 2.0, 3.0, 3.0]), Some(2.0));
        assert_eq!(mode(&[]), None);
    }

    proptest! {
        #[test]
        fn quantiles_lie_between_their_neighbours_and_rise(
            values in prop::collection::vec(any::<f64>().prop_filter("finite", |v| v.is_finite()), 1..40),
            shares in prop::collection::vec(0.0_f64..=1.0, 2),
        ) {
            let sorted = sorted(&values);
            let (a, b) = (shares[0].min(shares[1]), shares[0].max(shares[1]));
            let (low, high) = (quantile(&sorted, a).unwrap(), quantile(&sorted, b).unwrap());
            prop_assert!(low <= high);
            prop_assert!(sorted[0] <= low && high <= sorted[sorted.len() - 1]);
            let middle = median(&sorted).unwrap();
            prop_assert!(sorted.iter().filter(|v| **v < middle).count() * 2 <= sorted.len());
            prop_assert!(sorted.iter().filter(|v| **v > middle).count() * 2 <= sorted.len());
        }
    }
}
