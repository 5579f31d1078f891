//! What changes an ID and what does not.

use crate::support::{Project, call};

/// The record of the example, as everyone sees it. A change that alters it changes what built-in
/// operations produce: it needs a new version of the operation and a line in the changelog.
const DIABETES: &str = "e7293bbf1890d170f34e92bd72d27d43160c2748c486ad41e68422c07e03b474";
const CHURN: &str = "44ec62c60c5b656dbbfe64038426d5409250bd655371c2256b7b475838eaa43c";
const CHURN_LINEAR: &str = "5795236e46ddf9b386f6f976af540f0fde3f3e02c1cd4befcb79160f03d24ed7";
const DIAMONDS: &str = "9e4429650d07d96e03e7a0b55fd9c975ad79317adddcec009d69db5fd3f32da4";

#[test]
fn the_example_gives_the_same_record_everywhere() {
    let project = Project::diabetes();
    assert_eq!(project.record(&["--threads", "1"]), DIABETES);
    for threads in ["2", "7"] {
        assert_eq!(
            project.record(&["--no-cache", "--threads", threads]),
            DIABETES
        );
    }
    assert_eq!(Project::committed().record(&[]), DIABETES);
}

/// Mixed types and missing values, trees, every part of a chain, strata and keys; and the committed lock
/// files are those that a run writes.
#[test]
fn the_larger_examples_give_the_same_records_everywhere() {
    for (name, pipeline, expect) in [
        ("churn", "churn", CHURN),
        ("churn", "linear", CHURN_LINEAR),
        ("diamonds", "diamonds", DIAMONDS),
    ] {
        let project = Project::example(name);
        let lock = project.read("reproof.lock");
        let file = format!("pipelines/{pipeline}.yaml");
        assert_eq!(
            project.record(&["--locked", "--threads", "1", &file]),
            expect
        );
        assert_eq!(
            project.record(&["--no-cache", "--threads", "3", &file]),
            expect
        );
        assert_eq!(project.read("reproof.lock"), lock);
    }
}

#[test]
fn the_c_librarys_choice_of_code_changes_nothing() {
    let project = Project::diabetes();
    let mut command = project.command(&["run", "--json"]);
    command.env("GLIBC_TUNABLES", "glibc.cpu.hwcaps=-AVX2,-FMA,-AVX512F");
    let document = call(&mut command).json();
    assert_eq!(document["record"], DIABETES);
}

#[test]
fn names_layout_and_comments_change_nothing() {
    let project = Project::committed();
    project.edit(
        "pipelines/diabetes.yaml",
        "pipeline: diabetes",
        "# renamed\npipeline: sugar",
    );
    project.edit(
        "pipelines/diabetes.yaml",
        "train: {logistic_regression: {l2: 1.0}}",
        "train:\n  logistic_regression:\n    l2: 1",
    );
    std::fs::rename(
        project.path("pipelines/diabetes.yaml"),
        project.path("pipelines/sugar.yaml"),
    )
    .unwrap();
    project.write("README.md", "A README.\n");
    project.commit("another name");
    let mut command = project.command(&["run", "--json"]);
    command.env("USER", "somebody-else");
    assert_eq!(call(&mut command).json()["record"], DIABETES);
}

#[test]
fn a_seed_a_parameter_and_a_label_value_do() {
    let project = Project::diabetes();
    let mut records = vec![
        project.record(&[]),
        project.record(&["--set", "seed=43"]),
        project.record(&["--set", "train.logistic_regression.l2=2"]),
        project.record(&[
            "--set",
            "label.positive=\"No\"",
            "--set",
            "evaluate.require=[]",
        ]),
        project.record(&[
            "--set",
            "evaluate.slices=[]",
            "--set",
            "evaluate.require=[]",
        ]),
    ];
    records.sort();
    records.dedup();
    assert_eq!(records.len(), 5);
}

#[test]
fn gates_are_no_part_of_it() {
    let project = Project::diabetes();
    assert_eq!(project.record(&["--set", "evaluate.require=[]"]), DIABETES);
}

#[test]
fn the_way_a_csv_file_is_written_changes_nothing() {
    let project = Project::diabetes();
    let text = project.read("data/pima_diabetes.csv");
    let quoted: String = text
        .lines()
        .map(|line| {
            let fields: Vec<_> = line
                .split(',')
                .map(|field| format!("\"{field}\""))
                .collect();
            fields.join(",") + "\r\n"
        })
        .collect();
    project.write("data/pima_diabetes.csv", &format!("\u{feff}{quoted}"));
    assert_eq!(project.record(&[]), DIABETES);
}

#[test]
fn a_value_of_the_data_does() {
    let project = Project::diabetes();
    project.edit(
        "data/pima_diabetes.csv",
        "5,86,68,28,30.2,0.364,24,No",
        "5,87,68,28,30.2,0.364,24,No",
    );
    assert_ne!(project.record(&[]), DIABETES);
}
