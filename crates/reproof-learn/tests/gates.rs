//! Gates: passed, failed, not judged.
#![allow(clippy::unwrap_used)]

use reproof_learn::{Metrics, judge};
use reproof_record::GateVerdict::{Failed, NotJudged, Passed};
use reproof_record::{Bound, Gate};
use serde_json::json;

fn metrics() -> Metrics {
    let area = |value: f64| json!({"roc_auc": {"value": value}});
    serde_json::from_value(json!({
        "format": "reproof.metrics/1", "task": "binary_classification",
        "rows": 100, "positives": 40, "overall": area(0.8),
        "slices": [
            {"columns": ["c"], "values": [null], "rows": 29, "positives": 20, "metrics": area(0.1)},
            {"columns": ["c"], "values": ["a"], "rows": 50, "positives": 46, "metrics": area(0.1)},
            {"columns": ["c"], "values": ["b"], "rows": 50, "positives": 20, "metrics": area(0.6)},
            {"columns": ["c"], "values": ["d"], "rows": 50, "positives": 20, "metrics": area(0.9)},
            {"columns": ["c"], "values": ["e"], "rows": 50, "positives": 20,
             "metrics": {"roc_auc": {"value": null, "reason": "out_of_range"}}},
            {"columns": ["c", "d"], "values": ["a", "b"], "rows": 50, "positives": 20,
             "metrics": area(0.9)},
        ],
    }))
    .unwrap()
}

fn gate(bound: Bound, threshold: f64, slice: Option<&[&str]>) -> Gate {
    Gate {
        metric: "roc_auc".to_owned(),
        bound,
        threshold,
        slice: slice.map(|columns| columns.iter().map(|&column| column.to_owned()).collect()),
        min_rows: 30,
        min_per_class: 5,
        text: "the requirement".to_owned(),
    }
}

#[test]
fn bounds_include_their_threshold_or_not() {
    for (bound, below, at, above) in [
        (Bound::AtLeast, Passed, Passed, Failed),
        (Bound::AtMost, Failed, Passed, Passed),
        (Bound::Above, Passed, Failed, Failed),
        (Bound::Below, Failed, Failed, Passed),
    ] {
        for (threshold, expect) in [(0.7, below), (0.8, at), (0.9, above)] {
            let outcomes = judge(&metrics(), &gate(bound, threshold, None));
            assert_eq!(outcomes.len(), 1);
            assert_eq!(
                (outcomes[0].verdict, outcomes[0].value),
                (expect, Some(0.8)),
                "{bound:?}"
            );
            assert_eq!(outcomes[0].requirement, "the requirement");
            assert_eq!(outcomes[0].slice, None);
        }
    }
    let reason = |bound, threshold| {
        judge(&metrics(), &gate(bound, threshold, None))[0]
            .reason
            .clone()
            .unwrap()
    };
    assert_eq!(reason(Bound::AtLeast, 0.85), "missed by 0.0500");
    assert_eq!(reason(Bound::AtLeast, 0.8 + 1e-9), "missed by 1.0e-9");
    assert_eq!(reason(Bound::Above, 0.8), "the bound itself is not allowed");
}

#[test]
fn every_slice_is_judged_unless_it_is_too_small() {
    let outcomes = judge(&metrics(), &gate(Bound::AtLeast, 0.65, Some(&["c"])));
    let found: Vec<_> = outcomes
        .iter()
        .map(|outcome| {
            (
                outcome.slice.as_deref().unwrap(),
                outcome.verdict,
                outcome.reason.as_deref(),
            )
        })
        .collect();
    assert_eq!(
        found,
        [
            ("c=(missing)", NotJudged, Some("29 rows, fewer than 30")),
            ("c=a", NotJudged, Some("4 negative rows, fewer than 5")),
            ("c=b", Failed, Some("missed by 0.0500")),
            ("c=d", Passed, None),
            ("c=e", NotJudged, Some("the numbers are out of range")),
        ]
    );
    let outcomes = judge(&metrics(), &gate(Bound::AtLeast, 0.65, Some(&["d", "c"])));
    assert_eq!((outcomes.len(), outcomes[0].verdict), (1, Passed));
}

#[test]
fn what_was_not_evaluated_is_not_judged() {
    let outcomes = judge(&metrics(), &gate(Bound::AtLeast, 0.65, Some(&["x", "z"])));
    assert_eq!(outcomes[0].verdict, NotJudged);
    assert_eq!(
        outcomes[0].reason.as_deref(),
        Some("there is no slice by x, z")
    );
    let mut other = gate(Bound::AtLeast, 0.65, None);
    other.metric = "accuracy".to_owned();
    let outcomes = judge(&metrics(), &other);
    assert_eq!(outcomes[0].verdict, NotJudged);
    assert_eq!(
        outcomes[0].reason.as_deref(),
        Some("the metric 'accuracy' was not evaluated")
    );
}

#[test]
fn classes_do_not_count_in_a_regression() {
    let metrics: Metrics = serde_json::from_value(json!({
        "format": "reproof.metrics/1", "task": "regression", "rows": 100, "positives": null,
        "overall": {"rmse": {"value": 3.0}}, "slices": [],
    }))
    .unwrap();
    let mut gate = gate(Bound::AtMost, 3.0, None);
    gate.metric = "rmse".to_owned();
    gate.min_per_class = 1000;
    assert_eq!(judge(&metrics, &gate)[0].verdict, Passed);
}
