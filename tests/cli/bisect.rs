//! The first commit, or version of data, at which a metric went bad.

use serde_json::Value;

use crate::support::Project;

const FILE: &str = "pipelines/diabetes.yaml";

/// The record of a run whose gates do not pass.
fn bad_record(project: &Project) -> String {
    let call = project.reproof(&["run", "--json"]).expect(10);
    let document: Value = serde_json::from_str(&call.out).unwrap();
    document["record"].as_str().unwrap().to_owned()
}

/// A good run, and then commits of which the fourth spoils the model. Gives both records.
fn spoilt(project: &Project) -> [String; 2] {
    let good = project.record(&[]);
    project.write("README.md", "one\n");
    project.commit("first note");
    project.write("README.md", "two\n");
    project.commit("second note");
    let text = project.read(FILE);
    let spoilt = text.replacen(
        "logistic_regression: {l2: 1.0}",
        "logistic_regression: {l2: 1e7}",
        1,
    );
    assert_ne!(text, spoilt);
    project.write(FILE, &spoilt);
    project.commit("more of a penalty");
    for number in 3..7 {
        project.write("README.md", &format!("{number}\n"));
        project.commit(&format!("note {number}"));
    }
    [good, bad_record(project)]
}

fn bisect(project: &Project, records: &[String; 2], more: &[&str]) -> Value {
    let ends = [
        "bisect",
        "log_loss",
        "--json",
        "--good",
        &records[0],
        "--bad",
        &records[1],
    ];
    project.reproof(&[&ends, more].concat()).expect(0).json()
}

fn subjects(found: &Value) -> Vec<&str> {
    let candidates = found["commit"]["candidates"].as_array().unwrap();
    candidates
        .iter()
        .map(|commit| commit["subject"].as_str().unwrap())
        .collect()
}

#[test]
fn the_commit_that_spoilt_a_metric_is_found_and_what_was_run_once_is_not_run_again() {
    let project = Project::committed();
    let records = spoilt(&project);
    let before = project.git(&["status", "--porcelain"]);
    let found = bisect(&project, &records, &[]);
    assert_eq!(subjects(&found), ["more of a penalty"]);
    assert_eq!(found["commit"]["of"], 7);
    assert_eq!(found["sides"], serde_json::json!(records));
    let tried = found["tried"].as_array().unwrap();
    assert!((2..=3).contains(&tried.len()), "{found}");
    assert!(tried.iter().any(|tried| tried["ran"] == true), "{found}");
    let after = project.git(&["status", "--porcelain"]);
    assert_eq!(before.stdout, after.stdout);
    let again = bisect(&project, &records, &[]);
    let tried = again["tried"].as_array().unwrap();
    assert!(tried.iter().all(|tried| tried["ran"] == false), "{again}");
    let said = project
        .reproof(&[
            "bisect",
            "log_loss",
            "--good",
            &records[0],
            "--bad",
            &records[1],
        ])
        .expect(0);
    for text in ["first bad commit", "more of a penalty", "reproof why"] {
        assert!(said.out.contains(text), "{}", said.out);
    }
}

#[test]
fn a_commit_that_cannot_be_run_is_left_out() {
    let project = Project::committed();
    let good = project.record(&[]);
    let text = project.read(FILE);
    project.write(FILE, "pipeline: [\n");
    project.commit("broken");
    project.write(FILE, &text.replacen("l2: 1.0", "l2: 1e7", 1));
    project.commit("mended and spoilt");
    let records = [good, bad_record(&project)];
    let found = bisect(&project, &records, &[]);
    assert_eq!(subjects(&found), ["broken", "mended and spoilt"]);
    let broken = found["tried"].as_array().unwrap();
    assert!(
        broken
            .iter()
            .any(|tried| tried["bad"].is_null() && !tried["problem"].is_null())
    );
}

#[test]
fn the_version_of_data_that_spoilt_a_metric_is_found() {
    let project = Project::committed();
    project.write(".gitignore", "/.reproof/\n/data/\n");
    project.git(&["rm", "-r", "--cached", "--quiet", "data"]);
    project
        .reproof(&[
            "data",
            "add",
            "people",
            "data/pima_diabetes.csv",
            "-m",
            "first",
        ])
        .expect(0);
    project.edit(FILE, "{csv: data/pima_diabetes.csv}", "people");
    project.commit("data has a name");
    let good = project.record(&[]);
    let rows = project.read("data/pima_diabetes.csv");
    let mut versions = vec![rows.clone()];
    let more = |text: &str| format!("{text}{}\n", rows.lines().nth(1).unwrap());
    versions.push(more(&versions[0]));
    // The labels of every other row are turned.
    let turned: String = versions[1]
        .lines()
        .enumerate()
        .map(|(index, line)| match index % 2 {
            1 => {
                line.replace("Yes", "yes")
                    .replace("No", "Yes")
                    .replace("yes", "No")
                    + "\n"
            }
            _ => format!("{line}\n"),
        })
        .collect();
    versions.push(turned.clone());
    versions.push(more(&turned));
    versions.push(more(&more(&turned)));
    for (index, text) in versions.iter().enumerate().skip(1) {
        project.write("data/pima_diabetes.csv", text);
        let message = format!("version {index}");
        project
            .reproof(&["data", "commit", "people", "-m", &message])
            .expect(0);
    }
    let records = [good, bad_record(&project)];
    let found = bisect(&project, &records, &[]);
    assert!(found["commit"].is_null(), "{found}");
    assert_eq!(found["data"], serde_json::json!(["data"]));
    assert_eq!(found["version"]["message"], "version 2", "{found}");
    assert_eq!(found["version"]["candidates"].as_array().unwrap().len(), 1);
    // Looking leaves the history as it was.
    let head = project
        .reproof(&["data", "log", "people", "--json"])
        .expect(0)
        .json();
    assert_eq!(
        head["versions"][0]["entry"]["message"], "version 4",
        "{head}"
    );
}

#[test]
fn what_cannot_be_searched_is_said() {
    let project = Project::committed();
    let records = spoilt(&project);
    let fails = |arguments: &[&str], expect: &[&str]| {
        project
            .reproof(&[&["bisect"], arguments].concat())
            .expect(2)
            .says(expect);
    };
    let [good, bad] = [records[0].as_str(), records[1].as_str()];
    fails(
        &["log_los", "--good", good, "--bad", bad],
        &["there is no metric 'log_los'"],
    );
    fails(
        &["log_loss", "--good", good, "--bad", good],
        &["within the interval", "--threshold"],
    );
    fails(
        &["log_loss", "--good", good, "--bad", bad, "--threshold", "9"],
        &["the threshold does not lie between them"],
    );
    fails(
        &["log_loss", "--good", bad, "--bad", good],
        &["does not lead to"],
    );
    fails(
        &[
            "log_loss",
            "--good",
            good,
            "--bad",
            bad,
            "--in",
            "pregnancies=77",
        ],
        &["there is no slice 'pregnancies=77'"],
    );
    project.write(FILE, &project.read(FILE).replacen("1e7", "1e8", 1));
    let dirty = &bad_record(&project);
    fails(
        &["log_loss", "--good", good, "--bad", dirty],
        &["was run with changes that were not committed"],
    );
}
