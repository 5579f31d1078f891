//! `reproof init`.

use crate::support::{Project, example};

fn with_data() -> Project {
    let project = Project::empty();
    let data = std::fs::read_to_string(example("diabetes").join("data/pima_diabetes.csv")).unwrap();
    project.write("data/pima.csv", &data);
    project
}

#[test]
fn a_first_pipeline_runs() {
    let project = with_data();
    project
        .reproof(&["init", "--data", "data/pima.csv", "--label", "has_diabetes"])
        .expect(0);
    let pipeline = project.read("pipelines/pima.yaml");
    assert!(
        pipeline.starts_with("# yaml-language-server: $schema=../.reproof/pipeline.schema.json")
    );
    assert!(project.path(".reproof/pipeline.schema.json").exists());
    assert!(project.read(".gitignore").contains("/.reproof/"));
    let record = project.record(&[]);
    project.reproof(&["verify", &record]).expect(0);
}

#[test]
fn a_first_pipeline_for_a_number_is_a_regression() {
    let project = with_data();
    project
        .reproof(&[
            "init",
            "--data",
            "data/pima.csv",
            "--label",
            "bmi",
            "--name",
            "weight",
        ])
        .expect(0);
    assert!(
        project
            .read("pipelines/weight.yaml")
            .contains("linear_regression")
    );
    project.record(&["weight"]);
}

#[test]
fn a_label_of_two_numbers_is_a_class() {
    let project = Project::empty();
    let rows: String = (0..60)
        .map(|row| format!("{row},{}\n", row % 7 % 2))
        .collect();
    project.write("data/sold.csv", &format!("x,sold\n{rows}"));
    project
        .reproof(&["init", "--data", "data/sold.csv", "--label", "sold"])
        .expect(0);
    assert!(
        project
            .read("pipelines/sold.yaml")
            .contains("logistic_regression: {")
    );
}

#[test]
fn nothing_that_is_there_is_overwritten() {
    let project = with_data();
    project.write("reproof.toml", "# mine\n");
    project.write(".gitignore", "*.tmp");
    project.reproof(&["init"]).expect(0);
    assert_eq!(project.read("reproof.toml"), "# mine\n");
    assert!(project.read(".gitignore").starts_with("*.tmp\n"));
    assert!(
        project
            .reproof(&["init"])
            .expect(0)
            .out
            .contains("nothing to do")
    );
    let arguments = ["init", "--data", "data/pima.csv", "--label", "has_diabetes"];
    project.reproof(&arguments).expect(0);
    project.write("pipelines/pima.yaml", "# mine\n");
    project
        .reproof(&arguments)
        .expect(2)
        .says(&["pipelines/pima.yaml", "--name"]);
    assert_eq!(project.read("pipelines/pima.yaml"), "# mine\n");
}

#[test]
fn mistakes_write_nothing() {
    let project = with_data();
    project
        .reproof(&["init", "--data", "data/pima.csv"])
        .expect(2)
        .says(&["--label", "has_diabetes"]);
    project
        .reproof(&["init", "--data", "data/pima.csv", "--label", "nope"])
        .expect(2)
        .says(&["nope"]);
    project
        .reproof(&["init", "--data", "missing.csv", "--label", "x"])
        .expect(2)
        .says(&["missing.csv"]);
    assert!(!project.path("reproof.toml").exists());
}
