//! What a person, a pipe and a program see.

use crate::support::{Project, call};

#[test]
fn a_run_tells_what_it_did() {
    let project = Project::committed();
    let call = project.reproof(&["run"]).expect(0);
    for text in [
        "diabetes · ",
        "on main, clean",
        "pima_diabetes.csv",
        "532 rows x 8",
        "unchanged",
        "random",
        "train 3",
        "7 features",
        "logistic_regression",
        "roc_auc 0.",
        "accuracy 0.",
        "gates",
        "record ",
    ] {
        assert!(call.out.contains(text), "no '{text}' in:\n{}", call.out);
    }
    assert_eq!(call.err, "");
}

#[test]
fn pipes_get_no_colours_and_no_progress() {
    let project = Project::diabetes();
    let call = project.reproof(&["run"]).expect(0);
    assert!(!call.out.contains('\u{1b}') && !call.err.contains('\u{1b}'));
    assert_eq!(call.err, "");
}

#[test]
fn quiet_prints_the_answer_only() {
    let project = Project::diabetes();
    let call = project.reproof(&["run", "--quiet"]).expect(0);
    assert_eq!(call.out.lines().count(), 1, "{}", call.out);
    assert!(call.out.starts_with("record "));
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let project = Project::diabetes();
    project.record(&[]);
    let mut command = std::process::Command::new("sh");
    let binary = env!("CARGO_BIN_EXE_reproof");
    command.args([
        "-c",
        &format!("'{binary}' show | head -n 1; '{binary}' log | true"),
    ]);
    command.current_dir(project.root());
    let call = call(&mut command).expect(0);
    assert!(!call.err.contains("panicked"), "{}", call.err);
}
