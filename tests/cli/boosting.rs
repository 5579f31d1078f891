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
