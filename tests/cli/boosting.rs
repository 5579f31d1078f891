//! Gradient-boosted trees from the pipeline file to the verification.

use crate::support::Project;

const TREES: &str = "\
pipeline: trees
seed: 42
data: {csv: data/telco_churn.csv}
label: {column: churn, positive: \"Yes\"}
split: {random: {train: 0.7, eval: 0.15, test: 0.15}}
train:
  gradient_boosting: {rounds: 60, max_depth: 3, early_stopping_rounds: 10, row_fraction: 0.8}
evaluate: {}
";

fn trees() -> Project {
    let project = Project::example("churn");
    project.write("pipelines/trees.yaml", TREES);
    project
}

#[test]
fn missing_values_and_texts_need_no_preprocessing() {
    let project = trees();
    let run = ["run", "--json", "pipelines/trees.yaml"];
    let first = project.reproof(&run).json();
    let verified = project.reproof(&["verify", "--json", "@latest"]).json();
    assert_eq!(verified["verdict"], "identical", "{verified}");
    // Another copy of the project gives the same record.
    assert_eq!(trees().reproof(&run).json()["record"], first["record"]);
}

#[test]
fn a_label_that_fits_no_task_is_explained() {
    let project = trees();
    project.edit(
        "pipelines/trees.yaml",
        "{column: churn, positive: \"Yes\"}",
        "payment_method",
    );
    project
        .reproof(&["run", "pipelines/trees.yaml"])
        .expect(11)
        .says(&["4 classes", "task: multiclass_classification"]);
    project.edit("pipelines/trees.yaml", "payment_method", "tenure");
    project
        .reproof(&["run", "pipelines/trees.yaml"])
        .expect(2)
        .says(&["whether it is a class or a number is not plain"]);
}

const CATEGORIES: &str = "\
pipeline: categories
seed: 42
data: {csv: data/telco_churn.csv}
label: {column: churn, positive: \"Yes\"}
split: {random: {train: 0.7, eval: 0.15, test: 0.15}}
preprocess:
  contract: [category]
  payment_method: [{category: {max: 4, unknown: other}}]
  tenure: [category]
train:
  gradient_boosting: {rounds: 30, max_depth: 4, early_stopping_rounds: 10}
evaluate: {slices: [contract]}
";

/// The example with trees that split by sets of categories.
fn categories() -> Project {
    let project = Project::example("churn");
    project.write("pipelines/categories.yaml", CATEGORIES);
    project
}

#[test]
fn categories_go_from_the_file_to_predictions() {
    let project = categories();
    let run = ["run", "--json", "pipelines/categories.yaml"];
    let one = project
        .reproof(&[&run[..], &["--threads", "1"]].concat())
        .json();
    let verified = project.reproof(&["verify", "--json", "@latest"]).json();
    assert_eq!(verified["verdict"], "identical", "{verified}");
    let many = categories()
        .reproof(&[&run[..], &["--threads", "7"]].concat())
        .json();
    assert_eq!(many["record"], one["record"]);
    let shown = project.reproof(&["show", "--json"]).json();
    let parameters = &shown["record"]["recipe"]["steps"]["train"]["parameters"];
    assert_eq!(
        parameters["categorical"],
        serde_json::json!(["contract", "payment_method", "tenure"])
    );
    let features = shown["features"]["train"].as_array().unwrap();
    assert_eq!(features[0]["feature"], "contract");
    let shares = features
        .iter()
        .map(|feature| feature["gain_share"].as_f64().unwrap());
    assert!((shares.sum::<f64>() - 1.0).abs() < 1e-9);
    let rows = project.read("data/telco_churn.csv");
    let head: Vec<&str> = rows.lines().take(4).collect();
    // A value that the training part does not have.
    let new = head[3].replace("Month-to-month", "Week-to-week");
    assert_ne!(new, head[3]);
    project.write("new.csv", &format!("{}\n{}\n{new}\n", head[0], head[1]));
    let call = project.reproof(&["predict", "@latest", "new.csv", "--output", "out.csv"]);
    call.expect(0);
    let predicted = project.read("out.csv");
    assert_eq!(predicted.lines().count(), 3, "{predicted}");
}

#[test]
fn codes_are_not_for_trainers_that_add() {
    let project = categories();
    project.edit(
        "pipelines/categories.yaml",
        "gradient_boosting: {rounds: 30, max_depth: 4, early_stopping_rounds: 10}",
        "logistic_regression: {}",
    );
    project
        .reproof(&["run", "pipelines/categories.yaml"])
        .expect(2)
        .says(&["would take for amounts", "use one_hot"]);
}
