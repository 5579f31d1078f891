//! The examples whose models a user's own programs train: they run, are cached and verify.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use serde_json::Value;

use crate::support::{Call, Project, call};

/// The user's cache, which the tests share, so that each environment is built once.
fn cache() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("cache")
}

/// The uv that `REPROOF_UV` names, or else the one that `scripts/uv` finds or installs.
fn uv() -> &'static Path {
    static UV: OnceLock<PathBuf> = OnceLock::new();
    UV.get_or_init(|| {
        if let Some(named) = std::env::var_os("REPROOF_UV") {
            return PathBuf::from(named);
        }
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/uv");
        let said = Command::new(script)
            .stderr(Stdio::inherit())
            .output()
            .unwrap();
        assert!(said.status.success(), "scripts/uv failed");
        PathBuf::from(String::from_utf8(said.stdout).unwrap().trim())
    })
}

/// Calls the binary where environments of Python can be built.
pub fn reproof(project: &Project, arguments: &[&str]) -> Call {
    let mut command = project.command(arguments);
    command.env("XDG_CACHE_HOME", cache());
    call(command.env("REPROOF_UV", uv()))
}

/// How often each status stands among the steps of an execution.
fn count(document: &Value, status: &str) -> usize {
    let steps = document["execution"]["steps"].as_object().unwrap();
    steps
        .values()
        .filter(|step| step["status"] == status)
        .count()
}

/// Runs an example twice and verifies its record.
fn check(name: &str, steps: usize) {
    let project = Project::example(name);
    let first = reproof(&project, &["run", "--json"]).json();
    assert_eq!(count(&first, "ran"), steps);
    let gates = first["execution"]["gates"].as_array().unwrap();
    let verdicts = gates.iter().map(|gate| gate["verdict"].as_str().unwrap());
    let passed = verdicts.clone().filter(|verdict| *verdict == "passed");
    assert!(passed.count() >= 2, "{gates:?}");
    assert!(
        verdicts
            .into_iter()
            .all(|verdict| ["passed", "not_judged"].contains(&verdict)),
        "{gates:?}"
    );

    let second = reproof(&project, &["run", "--json"]).json();
    assert_eq!(
        (count(&second, "ran"), count(&second, "cached")),
        (0, steps)
    );
    assert_eq!(second["record"], first["record"]);

    let verified = reproof(&project, &["verify", "--json", "@latest"]).json();
    assert_eq!(verified["verdict"], "identical");
    assert_eq!(count(&verified, "ran"), steps);
}

#[test]
fn scikit_learn_on_preprocessed_features() {
    check("churn-sklearn", 5);
}

#[test]
fn xgboost_on_the_table_as_it_is() {
    check("diamonds-xgboost", 4);
}

#[test]
fn a_pipeline_and_programs_in_python() {
    check("diabetes-python", 5);
}

#[test]
fn scikit_learn_in_a_notebook() {
    check("penguins-notebook", 5);
}

/// Of a metric that is reported in every round, the summary shows the last value.
#[test]
fn metrics_of_rounds_are_shown_by_their_last() {
    let project = Project::example("diamonds-xgboost");
    project.edit("pipelines/diamonds.yaml", "rounds: 200", "rounds: 60");
    let run = reproof(&project, &["run"]).expect(0);
    let train = run.err.lines().chain(run.out.lines());
    let train = train.filter(|line| line.trim_start().starts_with("train "));
    let words: Vec<_> = train.flat_map(str::split_whitespace).collect();
    for name in ["train_log_rmse", "eval_log_rmse"] {
        assert_eq!(
            words.iter().filter(|word| **word == name).count(),
            1,
            "{words:?}"
        );
    }
}

/// What the features are made of decides the training and the predictions, and nothing before.
#[test]
fn a_changed_module_runs_the_steps_that_import_it() {
    let project = Project::example("diamonds-xgboost");
    // Few rounds are quick; the gate is judged on what they give.
    project.edit("pipelines/diamonds.yaml", "rounds: 200", "rounds: 60");
    reproof(&project, &["run", "--json"]).json();
    project.edit(
        "README.md",
        "What a diamond costs",
        "The price of a diamond",
    );
    let same = reproof(&project, &["run", "--json"]).json();
    assert_eq!(count(&same, "ran"), 0);
    project.edit(
        "features.py",
        "\"x\", \"y\", \"z\"]].astype",
        "\"x\", \"y\"]].astype",
    );
    project.edit(
        "features.py",
        "x[[\"x\", \"y\", \"z\"]] = x[[\"x\", \"y\", \"z\"]].where(x[[\"x\", \"y\", \"z\"]] > 0)",
        "x[[\"x\", \"y\"]] = x[[\"x\", \"y\"]].where(x[[\"x\", \"y\"]] > 0)",
    );
    let changed = reproof(&project, &["run", "--json"]).json();
    let steps = &changed["execution"]["steps"];
    let status = |step: &str| steps[step]["status"].as_str().unwrap();
    assert_eq!(
        ["split", "train", "predict", "evaluate"].map(status),
        ["cached", "ran", "ran", "ran"]
    );
}
