//! Gates: requirements on metrics, judged on everything or on every slice by some columns.

use reproof_record::{GateOutcome, GateVerdict};
use serde::{Deserialize, Serialize};

use crate::metrics::{Estimate, Metrics};

/// On which side of its threshold a metric must lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Bound {
    /// At the threshold or above.
    AtLeast,
    /// At the threshold or below.
    AtMost,
    /// Above the threshold.
    Above,
    /// Below the threshold.
    Below,
}

impl Bound {
    fn keeps(self, value: f64, threshold: f64) -> bool {
        match self {
            Self::AtLeast => value >= threshold,
            Self::AtMost => value <= threshold,
            Self::Above => value > threshold,
            Self::Below => value < threshold,
        }
    }
}

/// A requirement on a metric.
#[derive(Clone, Debug, PartialEq)]
pub struct Requirement {
    /// The metric.
    pub metric: String,
    /// On which side of the threshold it must lie.
    pub bound: Bound,
    /// The threshold.
    pub threshold: f64,
    /// The columns whose every slice is judged; none for all rows together.
    pub slice: Option<Vec<String>>,
    /// With fewer rows there is no judgement.
    pub min_rows: u64,
    /// With fewer rows of either class there is no judgement. Not for regressions.
    pub min_per_class: u64,
    /// The requirement as a person reads it.
    pub text: String,
}

/// Rows that a requirement is judged on.
struct Judged<'a> {
    slice: Option<String>,
    rows: u64,
    positives: Option<u64>,
    class_rows: Option<&'a [u64]>,
    estimate: Option<&'a Estimate>,
}

/// Judges a requirement: one outcome for everything, or one for each slice by its columns.
///
/// Nothing is judged on fewer rows than the requirement's minimum, nor where the metric is not
/// defined; if there is no slice by these columns, the one outcome says so.
pub fn judge(metrics: &Metrics, requirement: &Requirement) -> Vec<GateOutcome> {
    let Some(columns) = &requirement.slice else {
        let everything = Judged {
            slice: None,
            rows: metrics.rows,
            positives: metrics.positives,
            class_rows: metrics.class_rows.as_deref(),
            estimate: metrics.overall.get(&requirement.metric),
        };
        return vec![judge_one(requirement, everything)];
    };
    let wanted = sorted(columns);
    let slices = metrics
        .slices
        .iter()
        .filter(|slice| sorted(&slice.columns) == wanted);
    let outcomes: Vec<GateOutcome> = slices
        .map(|slice| {
            let judged = Judged {
                slice: Some(slice.name()),
                rows: slice.rows,
                positives: slice.positives,
                class_rows: slice.class_rows.as_deref(),
                estimate: slice.metrics.get(&requirement.metric),
            };
            judge_one(requirement, judged)
        })
        .collect();
    if outcomes.is_empty() {
        let reason = format!("there is no slice by {}", columns.join(", "));
        return vec![not_judged(requirement, None, None, reason)];
    }
    outcomes
}

fn sorted(columns: &[String]) -> Vec<&String> {
    let mut columns: Vec<&String> = columns.iter().collect();
    columns.sort();
    columns
}

fn judge_one(requirement: &Requirement, judged: Judged<'_>) -> GateOutcome {
    let value = judged.estimate.and_then(|estimate| estimate.value);
    if let Some(reason) = too_small(requirement, &judged) {
        return not_judged(requirement, judged.slice, value, reason);
    }
    let (Some(estimate), Some(value)) = (judged.estimate, value) else {
        let reason = match judged.estimate.and_then(|estimate| estimate.reason) {
            Some(reason) => reason.to_string(),
            None => format!("the metric '{}' was not evaluated", requirement.metric),
        };
        return not_judged(requirement, judged.slice, value, reason);
    };
    let kept = requirement.bound.keeps(value, requirement.threshold);
    GateOutcome {
        requirement: requirement.text.clone(),
        slice: judged.slice,
        value: estimate.value,
        verdict: if kept {
            GateVerdict::Passed
        } else {
            GateVerdict::Failed
        },
        reason: (!kept).then(|| missed_by((value - requirement.threshold).abs())),
    }
}

fn missed_by(distance: f64) -> String {
    if distance == 0.0 {
        "the bound itself is not allowed".to_owned()
    } else if (1e-4..1e6).contains(&distance) {
        format!("missed by {distance:.4}")
    } else {
        format!("missed by {distance:.1e}")
    }
}

fn too_small(requirement: &Requirement, judged: &Judged<'_>) -> Option<String> {
    if judged.rows < requirement.min_rows {
        return Some(format!(
            "{} rows, fewer than {}",
            judged.rows, requirement.min_rows
        ));
    }
    if let Some(count) = judged.class_rows.and_then(|counts| counts.iter().min()) {
        return (*count < requirement.min_per_class).then(|| {
            format!(
                "{count} rows of the smallest class, fewer than {}",
                requirement.min_per_class
            )
        });
    }
    let positives = judged.positives?;
    let negatives = judged.rows.saturating_sub(positives);
    let (count, class) = if positives <= negatives {
        (positives, "positive")
    } else {
        (negatives, "negative")
    };
    (count < requirement.min_per_class).then(|| {
        format!(
            "{count} {class} rows, fewer than {}",
            requirement.min_per_class
        )
    })
}

fn not_judged(
    requirement: &Requirement,
    slice: Option<String>,
    value: Option<f64>,
    reason: String,
) -> GateOutcome {
    GateOutcome {
        requirement: requirement.text.clone(),
        slice,
        value,
        verdict: GateVerdict::NotJudged,
        reason: Some(reason),
    }
}
