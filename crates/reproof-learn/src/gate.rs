//! Judges gates on metrics: on everything, or on every slice by some columns.

use reproof_record::{Gate, GateOutcome, GateVerdict};

use crate::metrics::{Estimate, Metrics, SliceMetrics};

/// Rows that a gate is judged on.
struct Judged<'a> {
    slice: Option<String>,
    rows: u64,
    positives: Option<u64>,
    class_rows: Option<&'a [u64]>,
    estimate: Option<&'a Estimate>,
}

impl Judged<'_> {
    /// Why these are too few rows for a judgement, if they are.
    fn too_small(&self, min_rows: u64, min_per_class: u64) -> Option<String> {
        if self.rows < min_rows {
            return Some(format!("{} rows, fewer than {min_rows}", self.rows));
        }
        let (count, class) = match self.class_rows.and_then(|counts| counts.iter().min()) {
            Some(count) => (*count, "rows of the smallest class"),
            None => {
                let positives = self.positives?;
                let negatives = self.rows.saturating_sub(positives);
                if positives <= negatives {
                    (positives, "positive rows")
                } else {
                    (negatives, "negative rows")
                }
            }
        };
        (count < min_per_class).then(|| format!("{count} {class}, fewer than {min_per_class}"))
    }
}

impl SliceMetrics {
    fn judged(&self, metric: &str) -> Judged<'_> {
        Judged {
            slice: Some(self.name()),
            rows: self.rows,
            positives: self.positives,
            class_rows: self.class_rows.as_deref(),
            estimate: self.metrics.get(metric),
        }
    }

    /// Whether a gate that names no minimum of its own would judge this slice by this metric: it
    /// has enough rows, enough of each class, and the metric is defined.
    pub fn is_judged(&self, metric: &str) -> bool {
        let judged = self.judged(metric);
        let value = judged.estimate.and_then(|estimate| estimate.value);
        let small = judged.too_small(Gate::MIN_ROWS, Gate::MIN_PER_CLASS);
        value.is_some() && small.is_none()
    }
}

/// Judges a gate: one outcome for everything, or one for each slice by its columns.
///
/// Nothing is judged on fewer rows than the gate's minimum, nor where the metric is not
/// defined; if there is no slice by these columns, the one outcome says so.
pub fn judge(metrics: &Metrics, gate: &Gate) -> Vec<GateOutcome> {
    let Some(columns) = &gate.slice else {
        let everything = Judged {
            slice: None,
            rows: metrics.rows,
            positives: metrics.positives,
            class_rows: metrics.class_rows.as_deref(),
            estimate: metrics.overall.get(&gate.metric),
        };
        return vec![judge_one(gate, everything)];
    };
    let wanted = sorted(columns);
    let slices = metrics
        .slices
        .iter()
        .filter(|slice| sorted(&slice.columns) == wanted);
    let outcomes: Vec<GateOutcome> = slices
        .map(|slice| judge_one(gate, slice.judged(&gate.metric)))
        .collect();
    if outcomes.is_empty() {
        let reason = format!("there is no slice by {}", columns.join(", "));
        return vec![not_judged(gate, None, None, reason)];
    }
    outcomes
}

fn sorted(columns: &[String]) -> Vec<&String> {
    let mut columns: Vec<&String> = columns.iter().collect();
    columns.sort();
    columns
}

fn judge_one(gate: &Gate, judged: Judged<'_>) -> GateOutcome {
    let value = judged.estimate.and_then(|estimate| estimate.value);
    if let Some(reason) = judged.too_small(gate.min_rows, gate.min_per_class) {
        return not_judged(gate, judged.slice, value, reason);
    }
    let (Some(estimate), Some(value)) = (judged.estimate, value) else {
        let reason = match judged.estimate.and_then(|estimate| estimate.reason) {
            Some(reason) => reason.to_string(),
            None => format!("the metric '{}' was not evaluated", gate.metric),
        };
        return not_judged(gate, judged.slice, value, reason);
    };
    let kept = gate.bound.holds(value, gate.threshold);
    GateOutcome {
        requirement: gate.text.clone(),
        slice: judged.slice,
        value: estimate.value,
        verdict: if kept {
            GateVerdict::Passed
        } else {
            GateVerdict::Failed
        },
        reason: (!kept).then(|| missed_by((value - gate.threshold).abs())),
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

fn not_judged(
    gate: &Gate,
    slice: Option<String>,
    value: Option<f64>,
    reason: String,
) -> GateOutcome {
    GateOutcome {
        requirement: gate.text.clone(),
        slice,
        value,
        verdict: GateVerdict::NotJudged,
        reason: Some(reason),
    }
}
