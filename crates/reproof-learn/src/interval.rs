//! 95 % intervals.

use reproof_table::exact::ExactSum;

use crate::metrics::{Estimate, Method, Reason};

/// The 97.5th percentile of the standard normal distribution.
pub(crate) const Z: f64 = 1.959_963_984_540_054;

/// Wilson's score interval for a proportion observed in `size` trials.
///
/// E. B. Wilson, *Probable inference, the law of succession, and statistical inference* (1927).
pub(crate) fn wilson(proportion: f64, complement: f64, size: f64) -> (f64, f64) {
    let z2 = Z * Z;
    let centre = 2.0 * size * proportion + z2;
    let spread = Z * (z2 + 4.0 * size * proportion * complement).sqrt();
    let scale = 2.0 * (size + z2);
    // At the ends the bound is exactly 0 or 1; rounding may miss it.
    let low = if proportion == 0.0 {
        0.0
    } else {
        ((centre - spread) / scale).max(0.0)
    };
    let high = if complement == 0.0 {
        1.0
    } else {
        ((centre + spread) / scale).min(1.0)
    };
    (low, high)
}

/// A mean over rows, and the standard error of that mean if there are two rows or more.
#[derive(Clone, Copy)]
pub(crate) struct Mean {
    /// The mean.
    pub value: f64,
    /// Its standard error.
    pub standard_error: Option<f64>,
}

impl Mean {
    /// The mean of one value a row; none if there are no rows.
    ///
    /// The sums of the values and of their squared deviations are exact, so the order of the rows
    /// does not matter.
    pub fn of(values: &[f64]) -> Option<Self> {
        let rows = values.len() as f64;
        if values.is_empty() {
            return None;
        }
        let value = values.iter().copied().collect::<ExactSum>().value() / rows;
        let standard_error = (values.len() > 1).then(|| {
            let squares = values.iter().map(|v| (v - value) * (v - value));
            let variance = squares.collect::<ExactSum>().value() / (rows - 1.0);
            (variance / rows).sqrt()
        });
        Some(Self {
            value,
            standard_error,
        })
    }

    /// The estimate of a metric that cannot be negative and whose derivative by the mean is
    /// `slope` (the delta method).
    pub fn estimate(self, value: f64, slope: f64) -> Estimate {
        match self.standard_error {
            None => Estimate::bare(value, Reason::TooFewRows),
            Some(error) => {
                let half = Z * error * slope;
                Estimate::new(
                    value,
                    ((value - half).max(0.0), value + half),
                    Method::Delta,
                )
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of R. G. Newcombe, *Two-sided confidence intervals for the single proportion*
    /// (1998), table I, method 3.
    #[test]
    fn wilsons_interval_agrees_with_newcombe() {
        for (right, size, low, high) in [
            (81, 263, 0.2553, 0.3662),
            (15, 148, 0.0624, 0.1605),
            (0, 20, 0.0, 0.1611),
            (1, 29, 0.0061, 0.1718),
        ] {
            let (right, size) = (f64::from(right), f64::from(size));
            let found = wilson(right / size, (size - right) / size, size);
            assert!(
                (found.0 - low).abs() < 5e-5 && (found.1 - high).abs() < 5e-5,
                "{found:?}"
            );
            let (low, high) = wilson((size - right) / size, right / size, size);
            assert!((1.0 - high - found.0).abs() < 1e-15 && (1.0 - low - found.1).abs() < 1e-15);
        }
    }
}
