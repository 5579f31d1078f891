//! Data that a program makes: it runs before the columns are known.

use crate::support::{Project, call, statuses};

/// The data is what a program makes of files.
const PIPELINE: &str = "\
pipeline: made
seed: 7
data:
  shell: cat /reproof/in/raw/* > /reproof/out/table.csv
  inputs: {raw: {files: \"raw/*.csv\"}}
  outputs: {table: table.csv}
label: y
split: {random: {train: 0.7, eval: 0.3}}
train: linear_regression
evaluate: {metrics: [rmse]}
";

fn project(pipeline: &str) -> Project {
    let project = Project::shell("  unused:\n    shell: echo\n    outputs: {o: o}\n");
    project.write("pipelines/steps.yaml", pipeline);
    project.write("raw/0.csv", "x,y\n");
    let line = |row: u32| format!("{row},{}\n", 2 * row + row % 3);
    project.write("raw/1.csv", &(1..60).map(line).collect::<String>());
    project
}

fn all(run: &serde_json::Value, status: &str) -> bool {
    statuses(run).iter().all(|(_, found)| found == status)
}

#[test]
fn data_that_a_program_makes_is_divided_and_trained_on() {
    let project = project(PIPELINE);
    // Nothing is known yet of what comes after the program.
    let planned = project.reproof(&["plan"]).expect(0);
    assert!(planned.out.contains("  data:\n"), "{}", planned.out);
    assert!(!planned.out.contains("split"), "{}", planned.out);
    let rest = "# 'data' must run before the rest can be planned";
    assert!(planned.out.contains(rest), "{}", planned.out);
    assert_eq!(project.reproof(&["plan", "--json"]).json()["partial"], true);

    let first = project.run(&[]);
    let names: Vec<_> = statuses(&first).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["data", "evaluate", "preprocess", "split", "train"]);
    assert!(all(&first, "ran"), "{first}");
    assert!(all(&project.run(&[]), "cached"));
    let planned = project.reproof(&["plan"]).expect(0);
    for step in ["data:", "split:", "x: [{fill: mean}"] {
        assert!(planned.out.contains(step), "{}", planned.out);
    }
    let locked = project.reproof(&["run", "--locked", "--json"]).json();
    assert_eq!(locked["record"], first["record"]);
    let verified = project.reproof(&["verify", "@latest"]).expect(0);
    let all_steps = "identical   5 of 5 steps";
    assert!(verified.out.contains(all_steps), "{}", verified.out);

    // The graph that is printed is the same pipeline.
    project.write("pipelines/steps.yaml", &planned.out);
    assert_eq!(project.run(&[])["record"], first["record"]);
    project.write("pipelines/steps.yaml", PIPELINE);

    // Other files, other data; and without the cache every step runs once.
    project.write("raw/2.csv", "100,1\n");
    let second = project.run(&["--no-cache"]);
    assert!(all(&second, "ran"), "{second}");
    assert_ne!(second["record"], first["record"]);
}

#[test]
fn a_program_that_makes_no_data_ends_the_run() {
    let project = project(&PIPELINE.replace("cat /", "echo broken >&2; false; exit 3; cat /"));
    let failed = project.reproof(&["run"]).expect(11);
    let failed = failed.says(&["step 'data'", "3", "broken"]);
    assert!(!failed.out.contains("split"), "{}", failed.out);
    let log = project.reproof(&["log"]).expect(0).out;
    assert!(log.contains("failed"), "{log}");
    project.write("pipelines/steps.yaml", PIPELINE);
    assert!(all(&project.run(&[]), "ran"));
}

#[test]
fn columns_of_made_data_are_checked_where_they_are_named() {
    let project = project(&PIPELINE.replace("label: y", "label: yy"));
    project.reproof(&["run"]).expect(2).says(&[
        "unknown column 'yy'",
        "did you mean 'y'",
        "steps.yaml:7:8",
    ]);
    // The program is not run again for it.
    project.write("pipelines/steps.yaml", PIPELINE);
    let run = project.run(&[]);
    assert_eq!(statuses(&run)[0], ("data".to_owned(), "cached".to_owned()));
}

#[test]
fn no_program_runs_on_data_that_is_refused() {
    let project = project(&PIPELINE.replace(
        "{raw: {files: \"raw/*.csv\"}}",
        "{raw: {csv: rows.csv, expect: {range: {x: {max: 10}}}}}",
    ));
    project.write("rows.csv", "x,y\n1,2\n11,3\n");
    let refused = project.reproof(&["run", "--json"]).expect(10).out;
    let refused = serde_json::from_str(&refused).unwrap();
    assert!(all(&refused, "skipped"), "{refused}");
    assert_eq!(refused["execution"]["status"], "data_refused");
}

#[test]
fn nothing_is_made_of_made_data_that_is_not_as_expected() {
    let expecting = |least: u32| {
        let expect = format!("  expect: {{range: {{x: {{min: {least}}}}}}}\nlabel:");
        PIPELINE.replace("label:", &expect)
    };
    let project = project(&expecting(3));
    let refused = project.reproof(&["run"]).expect(10).out;
    let told = [
        "not in reproof.lock",
        "0 met, 1 not met",
        "data.table: x from 3",
        "row 1: x=1",
    ];
    for text in told {
        assert!(refused.contains(text), "{refused}");
    }
    assert!(!refused.contains("record "), "{refused}");
    assert!(!project.path("reproof.lock").exists());
    // The program is not run again for another bound.
    project.write("pipelines/steps.yaml", &expecting(2));
    let refused = project.reproof(&["run", "--json"]).expect(10).out;
    let refused: serde_json::Value = serde_json::from_str(&refused).unwrap();
    let statuses = statuses(&refused);
    let (made, rest) = statuses.split_first().unwrap();
    assert_eq!(*made, ("data".to_owned(), "cached".to_owned()));
    assert!(rest.iter().all(|(_, status)| status == "skipped"));
    let execution = &refused["execution"];
    assert_eq!(execution["status"], "data_refused");
    assert_eq!(execution["expectations"][0]["output"], "table");
    let planned = project.reproof(&["plan"]).expect(0);
    assert!(planned.out.contains("1 not met"), "{}", planned.out);

    project.write("pipelines/steps.yaml", &expecting(1));
    let met = project.reproof(&["run", "--json"]).json();
    assert_eq!(met["execution"]["expectations"][0]["verdict"], "passed");
    project.write("pipelines/steps.yaml", PIPELINE);
    assert_eq!(project.run(&[])["record"], met["record"]);
}

#[test]
fn made_data_that_cannot_be_made_again_is_pinned() {
    let secret = PIPELINE
        .replace("cat /", "test -n \"$TOKEN\"; cat /")
        .replace("label:", "  secrets: [TOKEN]\nlabel:");
    let project = project(&secret);
    let mut command = project.command(&["run", "--json"]);
    let first = call(command.env("TOKEN", "x")).expect(0).json();
    let lock = project.read("reproof.lock");
    assert!(lock.contains("\"step\":\"data\""), "{lock}");
    // No secret, no run of the program, the same record.
    let locked = project.reproof(&["run", "--locked", "--json"]).json();
    assert_eq!(locked["record"], first["record"]);
    assert_eq!(
        statuses(&locked)[0],
        ("data".to_owned(), "pinned".to_owned())
    );
    project.reproof(&["verify", "@latest"]).expect(0);
}
