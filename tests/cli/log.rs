//! `reproof log`.

use crate::support::Project;

#[test]
fn it_lists_executions_newest_first() {
    let project = Project::committed();
    let first = project.record(&[]);
    let second = project.record(&["--set", "seed=1"]);
    let call = project.reproof(&["log"]).expect(0);
    let lines: Vec<_> = call.out.lines().collect();
    assert_eq!(lines.len(), 2, "{}", call.out);
    assert!(
        lines[0].contains(&second[..12]) && lines[1].contains(&first[..12]),
        "{}",
        call.out
    );
    assert!(lines[0].contains("on main, clean"), "{}", call.out);
    assert_eq!(
        project
            .reproof(&["log", "-n", "1"])
            .expect(0)
            .out
            .lines()
            .count(),
        1
    );
    assert!(
        project
            .reproof(&["log", "other"])
            .expect(0)
            .out
            .contains("no execution passes the filters")
    );
}

#[test]
fn filters_by_commit_time_metric_and_verdict() {
    let project = Project::committed();
    let first = project.record(&[]);
    project.write("notes.txt", "more\n");
    project.commit("second");
    let second = project.record(&[
        "--set",
        "train.logistic_regression.l2=100000",
        "--set",
        "evaluate.require=[]",
    ]);
    project.reproof(&["verify", &first]).expect(0);
    let head = project.git(&["rev-parse", "HEAD~1"]);
    let first_commit = String::from_utf8(head.stdout).unwrap();
    let lists = |arguments: &[&str], wanted: &[&str]| {
        let mut all = vec!["log"];
        all.extend(arguments);
        let call = project.reproof(&all).expect(0);
        let found: Vec<_> = call.out.lines().collect();
        assert_eq!(found.len(), wanted.len(), "{arguments:?}: {}", call.out);
        for (line, record) in found.iter().zip(wanted) {
            assert!(line.contains(&record[..12]), "{arguments:?}: {}", call.out);
        }
    };
    lists(&["--commit", &first_commit[..7]], &[&first]);
    lists(&["--verdict", "identical"], &[&first, &first]);
    lists(
        &["--where", "roc_auc >= 0.5", "--where", "log_loss > 0.6"],
        &[&second],
    );
    lists(&["--since", "1h"], &[&first, &second, &first]);
    let call = project.reproof(&["log", "--since", "2100-01-01"]).expect(0);
    assert!(
        call.out.contains("no execution passes the filters"),
        "{}",
        call.out
    );
}

#[test]
fn mistakes_in_filters_are_named() {
    let project = Project::diabetes();
    project
        .reproof(&["log", "--since", "yesterday"])
        .expect(2)
        .says(&["2026-11-01"]);
    project
        .reproof(&["log", "--verdict", "fine"])
        .expect(2)
        .says(&["identical"]);
    project
        .reproof(&["log", "--where", "roc_auk >= 1"])
        .expect(2)
        .says(&["--where:1:1", "roc_auc"]);
}
