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
            .contains("nothing")
    );
}
