//! `reproof show`.

use crate::support::Project;

#[test]
fn every_kind_of_id_is_shown() {
    let project = Project::committed();
    let run = project.reproof(&["run", "--json"]).json();
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    let (record, recipe) = (text(&run["record"]), text(&run["recipe"]));
    let version = text(&run["execution"]["data"]["data"]["version"]["digest"]);
    let execution = text(&run["execution"]["id"]);
    for (id, wanted) in [
        (record[..12].to_owned(), "recorded, not verified yet"),
        (
            format!("recipe:{}", &recipe[..8]),
            "train_logistic_regression@1",
        ),
        (format!("data:{}", &version[..8]), "has_diabetes"),
        (format!("x:{}", &execution[24..]), "on main, clean"),
        ("@latest".to_owned(), "roc_auc"),
    ] {
        let call = project.reproof(&["show", &id]).expect(0);
        assert!(call.out.contains(wanted), "no '{wanted}' in:\n{}", call.out);
        project.reproof(&["show", &id, "--json"]).json();
    }
}

#[test]
fn an_ambiguous_prefix_lists_what_it_may_mean() {
    let project = Project::diabetes();
    for seed in 0..17 {
        project.record(&["--set", &format!("seed={seed}")]);
    }
    // Of 17 records two must share their first digit.
    let log = project.reproof(&["log", "--json"]).json();
    let mut firsts: Vec<_> = log["executions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["execution"]["record"].as_str().unwrap()[..1].to_owned())
        .collect();
    firsts.sort();
    let twice = firsts.windows(2).find(|pair| pair[0] == pair[1]).unwrap()[0].clone();
    project
        .reproof(&["show", &twice])
        .expect(2)
        .says(&["ambiguous", "record "]);
}

#[test]
fn a_lock_file_that_is_not_committed_is_named() {
    let project = Project::committed();
    project.record(&[]);
    let shown = project.reproof(&["show"]).expect(0);
    assert!(!shown.out.contains("not committed"), "{}", shown.out);
    let data = project.read("data/pima_diabetes.csv") + "1,100,70,30,28.1,0.3,31,No\n";
    project.write("data/pima_diabetes.csv", &data);
    project.record(&[]);
    let shown = project.reproof(&["show"]).expect(0);
    assert!(
        shown.out.contains("reproof.lock is not committed yet"),
        "{}",
        shown.out
    );
}

#[test]
fn what_evaluate_computes_on_request_is_shown() {
    let project = Project::diabetes();
    project.edit(
        "pipelines/diabetes.yaml",
        "metrics: [roc_auc, accuracy, log_loss]",
        "metrics: [roc_auc, accuracy, f1, pr_auc, brier]\n  baseline: true\n  confusion_matrix: true",
    );
    let run = project.reproof(&["run"]).expect(0);
    assert!(run.out.contains("baseline roc_auc 0.500"), "{}", run.out);
    let shown = project.reproof(&["show"]).expect(0);
    for wanted in [
        "f1 0.",
        "baseline accuracy 0.",
        "confusion matrix",
        "      No  Yes",
    ] {
        assert!(
            shown.out.contains(wanted),
            "no '{wanted}' in:\n{}",
            shown.out
        );
    }
    let document = project.reproof(&["show", "--json"]).json();
    let metrics = &document["metrics"];
    assert_eq!(metrics["classes"], serde_json::json!(["No", "Yes"]));
    let all = metrics["confusion_matrix"].as_array().unwrap().iter();
    let sum: u64 = all
        .flat_map(|row| row.as_array().unwrap())
        .map(|count| count.as_u64().unwrap())
        .sum();
    assert_eq!(metrics["rows"], sum);
    project.reproof(&["verify", "@latest"]).expect(0);
}

#[test]
fn the_features_that_contribute_most_are_listed() {
    let project = Project::diabetes();
    project.record(&[]);
    let shown = project.reproof(&["show"]).expect(0);
    for text in ["features of 'train'   coefficients by size", "\n  glucose "] {
        assert!(shown.out.contains(text), "no '{text}' in:\n{}", shown.out);
    }
    let listed = project.reproof(&["show", "--json"]).json();
    let features = listed["features"]["train"].as_array().unwrap();
    let sizes: Vec<f64> = features
        .iter()
        .map(|feature| feature["coefficient"].as_f64().unwrap().abs())
        .collect();
    assert_eq!(features.len(), 7);
    assert!(sizes.is_sorted_by(|one, other| one >= other), "{sizes:?}");

    let project = Project::example("churn");
    project.write(
        "pipelines/trees.yaml",
        "pipeline: trees\ndata: {csv: data/telco_churn.csv}\nlabel: churn\n\
         train:\n  gradient_boosting: {rounds: 20, max_depth: 3}\n",
    );
    project.reproof(&["run", "trees"]).expect(0);
    let shown = project.reproof(&["show"]).expect(0);
    for text in [
        "share of the gain",
        " %   ",
        " splits",
        "and 9 more: --json lists all",
    ] {
        assert!(shown.out.contains(text), "no '{text}' in:\n{}", shown.out);
    }
    let listed = project.reproof(&["show", "--json"]).json();
    assert_eq!(listed["features"]["train"].as_array().unwrap().len(), 19);
}
