//! Gates: bounds on metrics that a run must meet.

/// On which side of its threshold a metric must lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// At the threshold or above it, `>=`.
    AtLeast,
    /// At the threshold or below it, `<=`.
    AtMost,
    /// Above the threshold, `>`.
    Above,
    /// Below the threshold, `<`.
    Below,
}

impl Bound {
    /// The sign that stands for it.
    pub const fn sign(self) -> &'static str {
        match self {
            Self::AtLeast => ">=",
            Self::AtMost => "<=",
            Self::Above => ">",
            Self::Below => "<",
        }
    }

    /// Whether a value lies on the right side of a threshold.
    pub fn holds(self, value: f64, threshold: f64) -> bool {
        match self {
            Self::AtLeast => value >= threshold,
            Self::AtMost => value <= threshold,
            Self::Above => value > threshold,
            Self::Below => value < threshold,
        }
    }
}

/// A bound on a metric that a run must meet, on everything or on every slice by some columns.
#[derive(Clone, Debug, PartialEq)]
pub struct Gate {
    /// The metric.
    pub metric: String,
    /// On which side of the threshold it must lie.
    pub bound: Bound,
    /// The threshold; finite.
    pub threshold: f64,
    /// The sorted columns whose every slice is judged; none for all rows together.
    pub slice: Option<Vec<String>>,
    /// With fewer rows there is no judgement.
    pub min_rows: u64,
    /// With fewer rows of a class there is no judgement. Not for regressions.
    pub min_per_class: u64,
    /// The gate in one line, such as `roc_auc >= 0.8 in contract`.
    pub text: String,
}

impl Gate {
    /// What [`Gate::min_rows`] is unless it is given.
    pub const MIN_ROWS: u64 = 30;
    /// What [`Gate::min_per_class`] is unless it is given.
    pub const MIN_PER_CLASS: u64 = 5;
}
