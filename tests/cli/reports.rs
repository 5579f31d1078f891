//! What a program reports beside its outputs: metrics, which are results, and observations, which
//! are not.

use serde_json::{Value, json};

use crate::support::{Project, statuses};

/// A project whose program reports these lines.
fn reports(file: &str, lines: &[&str]) -> Project {
    let project = Project::shell(&format!(
        "  s:\n    run: [sh, -c, \"echo 1 > /reproof/out/o; cat lines > /reproof/report/{file}\"]\n    \
         code: [lines]\n    outputs: {{o: o}}\n"
    ));
    project.write("lines", &lines.join("\n"));
    project
}

fn reported(project: &Project, run: &Value) -> Value {
    serde_json::from_str(&project.output(run, "s", "reported")).unwrap()
}

#[test]
fn metrics_are_a_sorted_result() {
    let lines = [
        r#"{"name": "loss", "step": 10, "value": 0.25}"#,
        r#"{"name": "loss", "step": 9, "value": 0.5}"#,
        "",
        r#"{"value": 3, "name": "accuracy"}"#,
        r#"{"name": "accuracy", "value": 3}"#,
        r#"{"name": "gap", "value": null}"#,
    ];
    let project = reports("metrics.jsonl", &lines);
    let run = project.run(&[]);
    let expect = json!([
        {"name": "accuracy", "value": 3},
        {"name": "gap", "value": null},
        {"name": "loss", "step": 9, "value": 0.5},
        {"name": "loss", "step": 10, "value": 0.25},
    ]);
    assert_eq!(reported(&project, &run)["metrics"], expect);
    let shown = project.reproof(&["run", "--no-cache"]).expect(0);
    assert!(shown.out.contains("loss 0.25"), "{}", shown.out);

    // The order in which they were written is no part of the result.
    let mut turned = lines;
    turned.reverse();
    let other = reports("metrics.jsonl", &turned);
    let turned = other.run(&[]);
    let results = |run: &Value| run["execution"]["steps"]["s"]["outputs"]["reported"].clone();
    assert_eq!(results(&turned), results(&run));
}

#[test]
fn lines_that_are_no_metrics_are_named() {
    let good = r#"{"name": "a", "value": 1}"#;
    for (line, says) in [
        (
            r#"{"name": "a", "value": NaN}"#,
            "line 2 of metrics.jsonl is not",
        ),
        (
            r#"{"name": "b", "value": Infinity}"#,
            "line 2 of metrics.jsonl is not",
        ),
        (
            r#"{"name": "b", "value": 1e999}"#,
            "line 2 of metrics.jsonl is not",
        ),
        (
            r#"{"name": "b", "value": "1"}"#,
            "line 2 of metrics.jsonl is not",
        ),
        (
            r#"{"name": "b", "step": -1, "value": 1}"#,
            "line 2 of metrics.jsonl is not",
        ),
        ("accuracy = 1", "line 2 of metrics.jsonl is not"),
        (
            r#"{"name": "a", "value": 2}"#,
            "line 2 of metrics.jsonl gives 'a' another value",
        ),
    ] {
        let project = reports("metrics.jsonl", &[good, line]);
        let failed = project.reproof(&["run"]).expect(11);
        assert!(failed.err.contains(says), "{line}: {}", failed.err);
    }
}

#[test]
fn observations_are_kept_with_the_execution_and_are_no_result() {
    let project = Project::shell(concat!(
        "  s:\n    shell: 'echo 1 > /reproof/out/o; read up rest < /proc/uptime;",
        " echo \"{\\\"name\\\":\\\"up\\\",\\\"value\\\":$up}\" > /reproof/report/observations.jsonl'\n",
        "    outputs: {o: o}\n",
    ));
    let first = project.run(&[]);
    let second = project.run(&["--no-cache"]);
    let observed = |run: &Value| run["execution"]["steps"]["s"]["observations"].clone();
    let up = |run: &Value| observed(run)["up"].as_f64().unwrap();
    assert!(up(&second) > up(&first));
    assert!(observed(&first)["cpu_seconds"].is_number());
    assert!(observed(&first)["peak_memory_bytes"].as_f64().unwrap() > 0.0);
    assert_eq!(second["record"], first["record"]);
    let record = project.reproof(&["show", "@latest", "--json"]).json();
    assert!(!record["record"].to_string().contains("\"up\""), "{record}");

    // What is wrong with them fails nothing.
    let wrong = reports("observations.jsonl", &["up = 3"]);
    let call = wrong.reproof(&["run", "--json"]);
    let call = call.says(&["note: step 's': line 1 of observations.jsonl is not"]);
    assert_eq!(statuses(&call.json())[0].1, "ran");
    let pipe = Project::shell(
        "  s:\n    shell: mkfifo /reproof/report/observations.jsonl; echo 1 > /reproof/out/o\n    \
         outputs: {o: o}\n",
    );
    let call = pipe.reproof(&["run"]).expect(0);
    call.says(&["note: step 's': observations.jsonl is not a file"]);
}

#[test]
fn the_log_is_kept_with_the_execution() {
    let project = Project::shell(
        "  s:\n    shell: 'echo to out; echo to err >&2; echo 1 > /reproof/out/o'\n    \
         outputs: {o: o}\n",
    );
    let run = project.run(&[]);
    let log = run["execution"]["steps"]["s"]["log"].as_str().unwrap();
    let log = project.blob(&log.parse().unwrap());
    assert!(
        log.contains("to out\n") && log.contains("to err\n"),
        "{log}"
    );
}
