//! `reproof plan`.

use crate::support::Project;

#[test]
fn it_shows_the_steps_and_what_is_cached() {
    let project = Project::diabetes();
    let before = project.reproof(&["plan"]).expect(0).out;
    for text in [
        "split_random",
        "preprocess",
        "train_logistic_regression",
        "evaluate",
        "to be run",
    ] {
        assert!(before.contains(text), "no '{text}' in:\n{before}");
    }
    project.record(&[]);
    let after = project.reproof(&["plan"]).expect(0).out;
    assert!(
        after.contains("cached") && !after.contains("to be run"),
        "{after}"
    );
}

#[test]
fn it_runs_nothing_and_names_the_recipe_of_the_run() {
    let project = Project::diabetes();
    let plan = project.reproof(&["plan", "--json"]).json();
    assert!(
        project
            .reproof(&["log"])
            .expect(0)
            .out
            .contains("nothing has been run yet")
    );
    let run = project.reproof(&["run", "--json"]).json();
    assert_eq!(plan["recipe_id"], run["recipe"]);
}
