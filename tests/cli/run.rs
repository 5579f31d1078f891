//! `reproof run`.

use crate::support::Project;

#[test]
fn a_second_run_comes_from_the_cache() {
    let project = Project::committed();
    let first = project.reproof(&["run"]).expect(0);
    assert!(first.out.contains("4 steps run, 0 cached"), "{}", first.out);
    let second = project.reproof(&["run"]).expect(0);
    assert!(
        second.out.contains("0 steps run, 4 cached"),
        "{}",
        second.out
    );
    assert_eq!(second.out.lines().count(), 1, "{}", second.out);
}

#[test]
fn only_what_a_change_touches_runs_again() {
    let project = Project::diabetes();
    project.record(&[]);
    let document = project
        .reproof(&["run", "--json", "--set", "train.logistic_regression.l2=3"])
        .json();
    let status = |step: &str| document["execution"]["steps"][step]["status"].clone();
    assert_eq!(status("split"), "cached");
    assert_eq!(status("preprocess"), "cached");
    assert_eq!(status("train"), "ran");
    assert_eq!(status("evaluate"), "ran");
}

#[test]
fn without_the_cache_every_step_runs() {
    let project = Project::diabetes();
    let first = project.record(&[]);
    let again = project.reproof(&["run", "--json", "--no-cache"]).json();
    assert_eq!(again["record"], first);
    let steps = again["execution"]["steps"].as_object().unwrap();
    assert!(
        steps.values().all(|step| step["status"] == "ran"),
        "{steps:?}"
    );
}

#[test]
fn a_gate_that_fails_keeps_the_record() {
    let project = Project::diabetes();
    let call = project
        .reproof(&["run", "--set", "evaluate.require=[roc_auc >= 0.999]"])
        .expect(10);
    assert!(call.out.contains("roc_auc >= 0.999"), "{}", call.out);
    assert!(call.out.contains("1 failed"), "{}", call.out);
    assert!(call.out.contains("record "), "{}", call.out);
}

#[test]
fn small_slices_are_not_judged() {
    let project = Project::diabetes();
    let require =
        "evaluate.require=[{metric: accuracy, at_least: 0.99, in: pregnancies, min_rows: 500}]";
    let document = project.reproof(&["run", "--json", "--set", require]).json();
    let gates = document["execution"]["gates"].as_array().unwrap();
    assert!(!gates.is_empty());
    assert!(
        gates.iter().all(|gate| gate["verdict"] == "not_judged"),
        "{gates:?}"
    );
}

#[test]
fn the_final_look_scores_the_test_part_and_is_counted() {
    let project = Project::diabetes();
    let usual = project.reproof(&["run", "--json"]).json();
    let last = project.reproof(&["run", "--json", "--final"]).json();
    assert_ne!(usual["record"], last["record"]);
    assert_eq!(last["execution"]["final_look"], true);
    let split = &last["execution"]["steps"]["split"]["outputs"];
    assert!(split["test"].is_object());
    let again = project.reproof(&["run", "--final", "--no-cache"]).expect(0);
    assert!(
        again
            .out
            .contains("look 2 of this pipeline at the test part"),
        "{}",
        again.out
    );
    let log = project.reproof(&["log", "-n", "2"]).expect(0);
    assert_eq!(
        log.out
            .lines()
            .filter(|line| line.contains("  final"))
            .count(),
        2,
        "{}",
        log.out
    );
}

#[test]
fn the_lock_file_pins_data_and_says_what_changed() {
    let project = Project::diabetes();
    project.record(&["--locked"]);
    let lock = project.read("reproof.lock");
    let mut data = project.read("data/pima_diabetes.csv");
    data.push_str("1,100,70,30,28.1,0.3,31,No\n");
    project.write("data/pima_diabetes.csv", &data);
    project
        .reproof(&["run", "--locked"])
        .expect(40)
        .says(&["data 'data'", "lock file", "hint:"]);
    assert_eq!(project.read("reproof.lock"), lock);
    project.reproof(&["run", "--set", "seed=1"]).expect(0);
    assert_eq!(
        project.read("reproof.lock"),
        lock,
        "a run with --set must not write the lock file"
    );
    let call = project.reproof(&["run"]).expect(0);
    assert!(call.out.contains("changed, was 532 rows"), "{}", call.out);
    assert_ne!(project.read("reproof.lock"), lock);
    project.reproof(&["run", "--locked"]).expect(0);
}

#[test]
fn types_are_pinned() {
    let project = Project::diabetes();
    project.record(&[]);
    project.edit("data/pima_diabetes.csv", "5,86,68,28", "five,86,68,28");
    project.reproof(&["run"]).expect(2).says(&[
        "pima_diabetes.csv:2:",
        "pregnancies",
        "five",
        "integer",
        "hint: ",
    ]);
}

#[test]
fn a_dirty_tree_is_refused_where_that_is_asked_for() {
    let project = Project::committed();
    project.reproof(&["run", "--require-clean"]).expect(0);
    project.write("notes.txt", "not committed\n");
    project
        .reproof(&["run", "--require-clean"])
        .expect(40)
        .says(&["notes.txt"]);
    project.write("reproof.toml", "[policy]\nrequire_clean = true\n");
    project
        .reproof(&["run"])
        .expect(40)
        .says(&["reproof.toml", "notes.txt"]);
}

#[test]
fn without_git_a_run_says_that_no_commit_ties_to_it() {
    let project = Project::diabetes();
    let call = project.reproof(&["run"]).expect(0);
    assert!(call.out.contains("not in a git repository"), "{}", call.out);
    project
        .reproof(&["run", "--require-clean"])
        .expect(40)
        .says(&["git"]);
}

#[test]
fn the_execution_names_commit_branch_and_changes() {
    let project = Project::committed();
    project.edit("pipelines/diabetes.yaml", "seed: 42", "seed: 7");
    let document = project.reproof(&["run", "--json"]).json();
    let code = &document["execution"]["code"];
    assert_eq!(code["branch"], "main");
    assert_eq!(code["dirty"], true);
    assert_eq!(code["changed"][0], "pipelines/diabetes.yaml");
    assert_eq!(code["commit"].as_str().unwrap().len(), 40);
    assert!(code["patch"].is_string());
}

#[test]
fn a_step_that_fails_keeps_the_results_of_others() {
    let project = Project::diabetes();
    let call = project
        .reproof(&["run", "--set", "train.logistic_regression.max_iterations=1"])
        .expect(11)
        .says(&["step 'train' failed"]);
    assert!(call.out.contains("failed"), "{}", call.out);
    let log = project.reproof(&["log", "--json"]).json();
    let steps = &log["executions"][0]["execution"]["steps"];
    assert_eq!(steps["preprocess"]["status"], "ran");
    assert_eq!(steps["evaluate"]["status"], "skipped");
    let again = project.reproof(&["run", "--json"]).json();
    assert_eq!(
        again["execution"]["steps"]["preprocess"]["status"],
        "cached"
    );
}

#[test]
fn linear_regression_runs_too() {
    let project = Project::empty();
    project.write("reproof.toml", "");
    let mut data = String::from("x,kind,y\n");
    for row in 0..200 {
        let kind = ["a", "b", "c"][row % 3];
        data += &format!("{row},{kind},{}\n", 3.0 * row as f64 + (row % 3) as f64);
    }
    project.write("data/line.csv", &data);
    project.write(
        "pipelines/line.yaml",
        "pipeline: line\ndata: {csv: data/line.csv}\nlabel: y\ntrain: {linear_regression: {l2: 0.001}}\n\
         evaluate: {slices: [kind], require: [r2 >= 0.99]}\n",
    );
    let document = project.reproof(&["run", "--json"]).json();
    assert!(
        document["metrics"]["overall"]["rmse"]["value"]
            .as_f64()
            .unwrap()
            < 1.0
    );
    assert_eq!(document["metrics"]["slices"].as_array().unwrap().len(), 3);
    let record = document["record"].as_str().unwrap();
    assert_eq!(
        project.reproof(&["verify", record, "--json"]).json()["verdict"],
        "identical"
    );
}

#[test]
fn independent_steps_form_a_free_graph() {
    let project = Project::diabetes();
    let plan = project.reproof(&["plan"]).expect(0).out;
    project.write("pipelines/free.yaml", &plan);
    assert_eq!(project.record(&["diabetes"]), project.record(&["free"]));
}
