//! `reproof compare`.

use serde_json::json;

use crate::support::Project;

#[test]
fn only_what_differs_is_shown_and_metrics_are_paired() {
    let project = Project::committed();
    project.edit(
        "pipelines/diabetes.yaml",
        "slices: [pregnancies]",
        "slices: [pregnancies, age]\n  buckets: {age: {edges: [30]}, pregnancies: {quantiles: 3}}",
    );
    let first = project.record(&[]);
    let second = project.record(&["--set", "train.logistic_regression.l2=5"]);
    let compared = project
        .reproof(&["compare", &first[..12], &second[..12], "--json"])
        .json();
    let comparison = &compared["comparisons"][0];
    assert_eq!(
        comparison["configuration"],
        json!([{"path": "train.parameters.l2", "before": 1, "after": 5}])
    );
    assert_eq!(
        (&comparison["data"], &comparison["code"]),
        (&json!([]), &json!(null))
    );
    let paired = &comparison["metrics"]["paired"];
    let values = |side: usize| {
        comparison["metrics"]["found"][side]["overall"]["log_loss"]["value"]
            .as_f64()
            .unwrap()
    };
    let difference = &paired["overall"]["log_loss"];
    let moved = difference["value"].as_f64().unwrap();
    assert!((moved - (values(1) - values(0))).abs() < 1e-12);
    assert_eq!(difference["method"], "paired_delta");
    assert_eq!(paired["overall"]["roc_auc"]["method"], "paired_delong");
    let names: Vec<_> = paired["slices"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|slice| slice["columns"][0] == "age")
        .map(|slice| slice["values"][0].as_str().unwrap())
        .collect();
    assert_eq!(names, ["below 30", "30 or more"]);
    let text = project
        .reproof(&["compare", &first[..12], &second[..12]])
        .expect(0)
        .out;
    for wanted in [
        "train.parameters.l2  1 -> 5",
        "metrics on the same",
        "age=30 or more",
    ] {
        assert!(text.contains(wanted), "no '{wanted}' in:\n{text}");
    }
    assert!(!text.contains("split"), "{text}");
}

#[test]
fn other_rows_stand_side_by_side_only() {
    let project = Project::committed();
    let first = project.record(&[]);
    let second = project.record(&["--set", "seed=7"]);
    let text = project.reproof(&["compare", &first, &second]).expect(0).out;
    for wanted in [
        "split.seed",
        "side by side only: the evaluations are of other rows",
    ] {
        assert!(text.contains(wanted), "no '{wanted}' in:\n{text}");
    }
    let data = project.read("data/pima_diabetes.csv") + "1,100,70,30,28.1,0.3,31,No\n";
    project.write("data/pima_diabetes.csv", &data);
    project.commit("more data");
    let third = project.record(&[]);
    let text = project
        .reproof(&["compare", &first, &second, &third])
        .expect(0)
        .out;
    assert!(text.contains("(532 rows) -> data:"), "{text}");
    assert!(text.contains("code\n"), "{text}");
}

#[test]
fn a_record_is_the_same_as_itself() {
    let project = Project::diabetes();
    let record = project.record(&[]);
    let text = project
        .reproof(&["compare", &record, "@latest"])
        .expect(0)
        .out;
    assert!(text.contains("the same record"), "{text}");
    project.reproof(&["compare", &record]).expect(2);
    project
        .reproof(&["compare", &record, "@nothing@latest"])
        .expect(2);
}
