//! Every exit code that the docs list is one that the binary gives; here those of mistakes, the
//! others beside what they belong to.

use crate::support::Project;

#[test]
fn help_and_version_are_no_mistake() {
    let project = Project::empty();
    assert!(
        project
            .reproof(&["--version"])
            .expect(0)
            .out
            .starts_with("reproof 0.")
    );
    assert!(
        project
            .reproof(&["--help"])
            .expect(0)
            .out
            .contains("Exit codes")
    );
    project.reproof(&["run", "--help"]).expect(0);
}

#[test]
fn mistakes_on_the_command_line_are_2() {
    let project = Project::empty();
    project.reproof(&[]).expect(2);
    project.reproof(&["rum"]).expect(2).says(&["rum", "run"]);
    project
        .reproof(&["run", "--thread", "2"])
        .expect(2)
        .says(&["--threads"]);
    project.reproof(&["run", "--threads", "0"]).expect(2);
    project
        .reproof(&["run"])
        .expect(2)
        .says(&["reproof.toml", "reproof init"]);
    project.reproof(&["-C", "missing", "run"]).expect(2);
}

#[test]
fn mistakes_in_a_pipeline_file_are_all_told_at_once() {
    let project = Project::diabetes();
    project.write(
        "pipelines/diabetes.yaml",
        "pipeline: diabetes\nseeed: 42\ndata: {csv: data/pima_diabetes.csv}\nlabel: has_diabetes\n\
         split: {randm: {train: 0.7, eval: 0.3}}\ntrain: {logistic_regression: {l2: strong}}\n",
    );
    project.reproof(&["run"]).expect(2).says(&[
        "pipelines/diabetes.yaml:2:1",
        "seeed",
        "did you mean 'seed'?",
        "pipelines/diabetes.yaml:5:9",
        "did you mean 'random'?",
        "pipelines/diabetes.yaml:6:",
        "strong",
    ]);
}

#[test]
fn a_column_that_is_not_there_is_named_with_the_nearest_one() {
    let project = Project::diabetes();
    project.edit(
        "pipelines/diabetes.yaml",
        "column: has_diabetes",
        "column: has_diabetis",
    );
    project
        .reproof(&["run"])
        .expect(2)
        .says(&["has_diabetis", "did you mean 'has_diabetes'?"]);
}

#[test]
fn data_that_is_no_table_is_named_by_line() {
    let project = Project::diabetes();
    project.edit(
        "data/pima_diabetes.csv",
        "7,195,70,33,25.1,0.163,55,Yes",
        "7,195,70,33,25.1,0.163,55",
    );
    project
        .reproof(&["run"])
        .expect(2)
        .says(&["pima_diabetes.csv:3:", "7", "8"]);
    std::fs::remove_file(project.path("data/pima_diabetes.csv")).unwrap();
    project
        .reproof(&["run"])
        .expect(2)
        .says(&["data/pima_diabetes.csv"]);
}

#[test]
fn an_unknown_value_on_the_command_line_is_named() {
    let project = Project::diabetes();
    project
        .reproof(&["run", "--set", "train.logistic_regression.l3=1"])
        .expect(2)
        .says(&["l3"]);
    project
        .reproof(&["run", "--set", "nonsense"])
        .expect(2)
        .says(&["nonsense"]);
}

#[test]
fn a_program_that_predicts_nothing_is_refused_plainly() {
    let project = Project::diabetes();
    project.edit(
        "pipelines/diabetes.yaml",
        "train: {logistic_regression: {l2: 1.0}}",
        "train: {run: [python, train.py]}",
    );
    project
        .reproof(&["run"])
        .expect(2)
        .says(&["nothing predicts the part 'eval'", "add a block 'predict'"]);
}

#[test]
fn errors_are_a_document_too() {
    let project = Project::empty();
    let call = project.reproof(&["run", "--json"]).expect(2);
    let document: serde_json::Value = serde_json::from_str(&call.out).unwrap();
    assert_eq!(document["error"]["exit_code"], 2);
    assert!(
        document["error"]["message"]
            .as_str()
            .unwrap()
            .contains("reproof.toml")
    );
}

#[test]
fn a_repository_that_git_cannot_read_is_20() {
    let project = Project::committed();
    project.write(".git/config", "[nonsense");
    project.reproof(&["run"]).expect(20).says(&["git"]);
}
