//! Bad input through the real binary: it ends in an error that says what to do, or just works.

use std::process::Stdio;

use crate::support::{Call, Project};

const PIPELINE: &str = "pipeline: p\ndata: {csv: data/a.csv}\nlabel: y\n\
                        train: logistic_regression\nevaluate: {}\n";

/// A wrong file or a wrong set of values.
const USAGE: i32 = 2;
/// A step that cannot do what it should with these values.
const STEP: i32 = 11;

/// A project of one data file and one pipeline, with more lines for the latter.
fn project(csv: &[u8], more: &str) -> Project {
    let project = Project::empty();
    project.write("reproof.toml", "");
    project.write("pipelines/p.yaml", &format!("{PIPELINE}{more}"));
    std::fs::create_dir_all(project.path("data")).unwrap();
    std::fs::write(project.path("data/a.csv"), csv).unwrap();
    project
}

/// Runs it; whatever comes out, it is no bug, and the store is whole.
#[track_caller]
fn run(project: &Project) -> Call {
    let call = project.reproof(&["run"]);
    assert!(!call.err.contains("panicked"), "{}", call.err);
    assert!(!call.err.contains("a bug in reproof"), "{}", call.err);
    // A store that a run left behind is one that another run can use.
    let again = project.reproof(&["run"]);
    assert_eq!(again.code, call.code, "{}", again.err);
    call
}

#[track_caller]
fn check(csv: impl AsRef<[u8]>, more: &str, code: i32, says: &[&str]) {
    run(&project(csv.as_ref(), more)).expect(code).says(says);
}

/// A table of the columns `x` and `y`.
fn table(rows: usize, x: impl Fn(usize) -> String, y: impl Fn(usize) -> String) -> String {
    let rows = (0..rows).map(|row| format!("{},{}\n", x(row), y(row)));
    std::iter::once("x,y\n".to_owned()).chain(rows).collect()
}

fn yes_no(row: usize) -> String {
    ["No", "Yes"][row % 2].to_owned()
}

fn numbers(rows: usize) -> String {
    table(rows, |row| row.to_string(), yes_no)
}

#[test]
fn files_that_are_no_tables() {
    let empty = "the file is empty: a header line";
    check("", "", USAGE, &["data/a.csv:1: ", empty]);
    check("\u{feff}\n\n", "", USAGE, &[empty]);
    check(b"x,y\n1,\xff\n", "", USAGE, &["a.csv:2", "not UTF-8"]);
    check(
        "x,x,y\n1,2,3\n",
        "",
        USAGE,
        &["columns 1 and 2 are both named 'x'"],
    );
    check("x,,y\n1,2,3\n", "", USAGE, &["column 2 has no name"]);
    check(
        "x,y\n1,2,3\n",
        "",
        USAGE,
        &["a.csv:2", "3 fields where the header has 2"],
    );
    check("x,y\n1,\"open\n", "", USAGE, &["a.csv:2", "never ends"]);
    let noise: Vec<u8> = (0..100_000_u32)
        .map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect();
    run(&project(&noise, "")).expect(USAGE);
    let wide: String = (0..20_000).map(|column| format!("c{column},")).collect();
    check(format!("{wide}y\n"), "", USAGE, &["more than 10000 fields"]);
}

#[test]
fn a_line_of_a_gigabyte() {
    let project = project(b"x,y\n1,", "");
    // A hole in the file: it costs no disk.
    let file = std::fs::OpenOptions::new()
        .write(true)
        .open(project.path("data/a.csv"))
        .unwrap();
    file.set_len(1 << 30).unwrap();
    run(&project)
        .expect(USAGE)
        .says(&["a.csv:2", "a row is larger than"]);
}

#[test]
fn places_that_hold_no_file() {
    let project = project(b"", "");
    std::fs::remove_file(project.path("data/a.csv")).unwrap();
    run(&project).expect(USAGE).says(&[
        "there is no file data/a.csv",
        "paths are inside the project",
    ]);
    std::fs::create_dir(project.path("data/a.csv")).unwrap();
    run(&project)
        .expect(USAGE)
        .says(&["the folder data/a.csv holds no file that ends in .csv or .tsv"]);
    std::fs::remove_dir(project.path("data/a.csv")).unwrap();
    // A pipe that nobody writes to.
    let made = std::process::Command::new("mkfifo")
        .arg(project.path("data/a.csv"))
        .status();
    assert!(made.unwrap().success());
    run(&project).expect(USAGE).says(&["not a regular file"]);
    std::fs::remove_file(project.path("data/a.csv")).unwrap();
    std::os::unix::fs::symlink("/dev/zero", project.path("data/a.csv")).unwrap();
    run(&project).expect(USAGE).says(&["not a regular file"]);
}

/// A link is followed, and what it points to is what counts.
#[test]
fn a_link_to_data_that_changes() {
    let project = project(b"", "");
    std::fs::remove_file(project.path("data/a.csv")).unwrap();
    project.write("data/real.csv", &numbers(100));
    std::os::unix::fs::symlink("real.csv", project.path("data/a.csv")).unwrap();
    let first = project.record(&[]);
    project.write("data/real.csv", &numbers(101));
    assert_ne!(project.record(&[]), first);
}

#[test]
fn values_that_cannot_be_learned_from() {
    check(
        "x,y\n",
        "",
        STEP,
        &["the part 'train' of the split is empty, of 0 rows"],
    );
    check(
        "x,y\n1,No\n2,Yes\n",
        "",
        STEP,
        &["the part", "of the split is empty, of 2 rows"],
    );
    check(
        table(100, |row| row.to_string(), |_| "Yes".to_owned()),
        "",
        STEP,
        &["label 'y'", "two classes are needed"],
    );
    let three = table(100, |row| row.to_string(), |row| (row % 3).to_string());
    check(three, "", STEP, &["label 'y' has 3 classes"]);
    let missing = |row: usize| {
        if row == 50 {
            String::new()
        } else {
            yes_no(row)
        }
    };
    check(
        table(100, |row| row.to_string(), missing),
        "split: {random: {train: 0.9, eval: 0.1}}\n",
        STEP,
        &["label 'y' is missing in 1 of"],
    );
    check(
        table(
            100,
            |row| {
                if row == 3 {
                    "1e999".to_owned()
                } else {
                    row.to_string()
                }
            },
            yes_no,
        ),
        "",
        USAGE,
        &["a.csv:5", "beyond the largest double"],
    );
    let large = |row: usize| {
        format!(
            "{}1.0{row}e308",
            if row.is_multiple_of(2) { "-" } else { "" }
        )
    };
    check(
        table(100, large, yes_no),
        "",
        STEP,
        &["feature 'x': its values are infinite, or too large"],
    );
    check(
        "x,y\n99999999999999999999,1\n1,0\n",
        "",
        USAGE,
        &["a.csv:2", "does not fit 64 bits"],
    );
}

#[test]
fn a_column_without_values() {
    let rows: String = (0..100)
        .map(|row| format!("{row},,{}\n", yes_no(row)))
        .collect();
    let csv = format!("x,m,y\n{rows}");
    check(
        &csv,
        "preprocess: {m: [{cast: float}, {fill: mean}]}\n",
        STEP,
        &["feature 'm': all its values are missing"],
    );
    // Without values it is a text of no category, and no feature comes of it.
    run(&project(csv.as_bytes(), "")).expect(0);
}

#[test]
fn one_category_per_row() {
    let csv = table(3000, |row| format!("id{row}"), yes_no);
    check(
        &csv,
        "",
        STEP,
        &["feature 'x': `one_hot` would make", "`min_count`"],
    );
    for chain in [
        "[{ordinal: {unknown: other}}]",
        "[{one_hot: {min_count: 2}}]",
    ] {
        run(&project(
            csv.as_bytes(),
            &format!("preprocess: {{x: {chain}}}\n"),
        ))
        .expect(0);
    }
}

#[test]
fn ten_thousand_columns() {
    let names: String = (1..10_000).map(|column| format!("c{column},")).collect();
    let row = |row: usize| {
        let values: String = (1..10_000)
            .map(|column| format!("{},", row * column % 97))
            .collect();
        format!("{values}{}\n", yes_no(row))
    };
    let csv: String = std::iter::once(format!("{names}y\n"))
        .chain((0..60).map(row))
        .collect();
    run(&project(csv.as_bytes(), "features: [c1, c9999]\n")).expect(0);
}

#[test]
fn splits_that_do_not_fit() {
    let csv = numbers(100);
    let check = |split: &str, code: i32, says: &[&str]| {
        check(&csv, &format!("split: {split}\n"), code, says);
    };
    check(
        "{time: {by: x, boundaries: {eval: 200}}}",
        STEP,
        &["the part 'eval' of the split is empty, of 100 rows"],
    );
    check(
        "{indexed: {by: y}}",
        STEP,
        &["column 'y' holds 'No' in row 1, which names no part"],
    );
    check(
        "{stratified: {by: z}}",
        USAGE,
        &["p.yaml:6:26", "unknown column 'z'"],
    );
    check(
        "{time: {by: y}}",
        STEP,
        &["column 'y' holds 'No' in row 1: texts are in order if"],
    );
    check(
        "none",
        USAGE,
        &["'split: none' makes no part 'eval' to score"],
    );
}

#[test]
fn every_split_works() {
    for split in [
        "random",
        "{random: {key: x, exact: true}}",
        "{group: {by: [x, y]}}",
        "{stratified: {by: y}}",
        "{time: {by: x}}",
        "{time: {by: x, boundaries: {eval: 60, test: 80}}}",
        "{indexed: {by: x, values: {train: [0, 1, 2, 3, 4, 5], eval: [6, 7, 8, 9]}}}",
    ] {
        let rows = if split.starts_with("{indexed") {
            10
        } else {
            100
        };
        let project = project(numbers(rows).as_bytes(), &format!("split: {split}\n"));
        let call = run(&project).expect(0);
        let shown = project.reproof(&["run", "--no-cache"]).expect(0);
        assert!(shown.out.contains("train "), "{}{}", call.out, shown.out);
        project.reproof(&["plan"]).expect(0);
    }
    let days = |row: usize| format!("2024-{:02}-{:02}", 1 + row / 20, 1 + row % 20);
    let boundaries = "split: {time: {by: x, boundaries: {eval: \"2024-04-01\"}}}\n";
    let call = run(&project(
        table(100, days, yes_no).as_bytes(),
        &format!("{boundaries}preprocess: {{x: [{{scale: z_score}}]}}\n"),
    ));
    assert!(call.expect(0).out.contains("train 60 · eval 40"));
    let project = project(numbers(100).as_bytes(), "split: none\n");
    project.edit("pipelines/p.yaml", "evaluate: {}\n", "");
    run(&project).expect(0);
    project.write("data/b.csv", &numbers(40));
    project.edit(
        "pipelines/p.yaml",
        "{csv: data/a.csv}",
        "{train: {csv: data/a.csv}, eval: {csv: data/b.csv}}",
    );
    project.edit("pipelines/p.yaml", "split: none\n", "evaluate: {}\n");
    run(&project).expect(0);
}

#[test]
fn pipeline_files_that_are_none() {
    let write = |bytes: &[u8]| {
        let project = project(b"x,y\n1,2\n", "");
        std::fs::write(project.path("pipelines/p.yaml"), bytes).unwrap();
        run(&project).expect(USAGE)
    };
    write(b"").says(&["p.yaml:1:1", "a pipeline file is a mapping"]);
    write(b"\xff\xfe").says(&["not UTF-8"]);
    write("[".repeat(1_000_000).as_bytes()).says(&["nested deeper than"]);
    write(&[b'a'; 1 << 20]).says(&["p.yaml"]);
    write(b"pipeline: p\ndata: &a {csv: data/a.csv}\nlabel: *a\n").says(&["p.yaml:2:"]);
    let csv = numbers(50);
    check(&csv, "seed: -1\n", USAGE, &["p.yaml:6:7"]);
    check(&csv, "features: [x, z]\n", USAGE, &["unknown column 'z'"]);
    check(&csv, "features: [y]\n", USAGE, &["'y' is the label"]);
    let gate = project(csv.as_bytes(), "");
    gate.edit(
        "pipelines/p.yaml",
        "evaluate: {}",
        "evaluate: {require: [auc >= 0.5]}",
    );
    run(&gate)
        .expect(USAGE)
        .says(&["p.yaml:5:22", "unknown metric 'auc'"]);
}

#[test]
fn a_lock_file_that_is_none() {
    for lock in [
        "",
        "nonsense",
        "# reproof.lock/1: \n{",
        "# reproof.lock/99\n",
    ] {
        let project = project(numbers(100).as_bytes(), "");
        project.write("reproof.lock", lock);
        let call = run(&project);
        if call.code != 0 {
            call.expect(USAGE).says(&["reproof.lock"]);
        }
    }
}

#[test]
fn two_runs_at_once() {
    let project = Project::diabetes();
    let runs: Vec<_> = (0..4)
        .map(|_| {
            let mut command = project.command(&["run", "--json"]);
            command.stdout(Stdio::piped()).stderr(Stdio::piped());
            command.spawn().unwrap()
        })
        .collect();
    let mut records = Vec::new();
    for run in runs {
        let output = run.wait_with_output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{text}");
        let document: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        records.push(document["record"].as_str().unwrap().to_owned());
    }
    records.dedup();
    assert_eq!(records.len(), 1, "{records:?}");
    project.reproof(&["verify", &records[0][..12]]).expect(0);
}
