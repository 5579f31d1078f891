//! What data must meet, and data that a pipeline names.

use serde_json::Value;

use crate::support::Project;

/// The diabetes example with these lines in its source.
fn expecting(expect: &str) -> Project {
    let project = Project::committed();
    let to = format!("{{csv: data/pima_diabetes.csv, expect: {expect}}}");
    project.edit(
        "pipelines/diabetes.yaml",
        "{csv: data/pima_diabetes.csv}",
        &to,
    );
    std::fs::remove_file(project.path("reproof.lock")).unwrap();
    project
}

fn executions(project: &Project) -> Vec<Value> {
    let log = project.reproof(&["log", "--json"]).json();
    log["executions"].as_array().unwrap().clone()
}

#[test]
fn data_that_meets_what_is_expected_is_used() {
    let project = expecting(
        "{rows: {min: 500}, types: {bmi: float}, not_null: [age], range: {age: {min: 18, max: 100}}, \
         allowed: {has_diabetes: [\"Yes\", \"No\"]}, drift: {bmi: 0.2}}",
    );
    let plain = Project::committed();
    let run = project.run(&[]);
    // It is no part of the recipe.
    assert_eq!(run["record"].as_str().unwrap(), plain.record(&[]));
    let outcomes = run["execution"]["expectations"].as_array().unwrap();
    let verdicts: Vec<_> = outcomes
        .iter()
        .map(|one| one["verdict"].as_str().unwrap())
        .collect();
    assert_eq!(
        verdicts,
        [
            "passed",
            "passed",
            "passed",
            "passed",
            "passed",
            "not_judged"
        ]
    );
    assert_eq!(outcomes[5]["reason"], "reproof.lock pins no version yet");
    // The second time there is a version to compare with.
    let run = project.run(&[]);
    assert_eq!(run["execution"]["expectations"][5]["value"], 0.0);
    // The plan, read again, says the same.
    let plan = project.reproof(&["plan"]).expect(0).out;
    assert!(
        plan.contains("expect") && plan.contains("#  expected    6 met"),
        "{plan}"
    );
    project.write("pipelines/diabetes.yaml", &plan);
    // In the order of the names of the checks.
    let sorted = |run: &Value| {
        let all = run["execution"]["expectations"].as_array().unwrap().iter();
        let mut all: Vec<_> = all.map(ToString::to_string).collect();
        all.sort();
        all
    };
    assert_eq!(sorted(&project.run(&[])), sorted(&run));
}

#[test]
fn data_that_does_not_is_refused_with_its_rows() {
    let project = expecting("{range: {age: {max: 64}}, unique: [age]}");
    let call = project.reproof(&["run"]).expect(10);
    for line in [
        "expected    0 met, 2 not met",
        "data: age up to 64: violated by 3 rows",
        "age=81",
        "the data does not meet what is expected of it",
    ] {
        assert!(call.out.contains(line), "no '{line}' in:\n{}", call.out);
    }
    // Nothing was made from it, and nothing pinned.
    assert!(!project.path("reproof.lock").exists());
    let all = executions(&project);
    let execution = &all[0]["execution"];
    assert_eq!(execution["status"], "data_refused");
    assert_eq!(execution["record"], Value::Null);
    let steps = execution["steps"].as_object().unwrap();
    assert!(!steps.is_empty());
    assert!(steps.values().all(|step| step["status"] == "skipped"));
    let rows = execution["expectations"][0]["examples"].as_array().unwrap();
    assert_eq!(rows.len(), 3);
    let id = execution["id"].as_str().unwrap();
    let shown = project.reproof(&["show", id]).expect(0).out;
    assert!(
        shown.contains("data refused") && shown.contains("age up to 64"),
        "{shown}"
    );
    let document = project.reproof(&["run", "--json"]);
    assert_eq!(document.code, 10);
    let document: Value = serde_json::from_str(&document.out).unwrap();
    assert_eq!(document["status"], "data_refused");
    let list = project.reproof(&["log"]).expect(0).out;
    assert!(list.contains("data refused"), "{list}");
}

#[test]
fn drift_is_judged_against_what_the_lock_pins() {
    let project = expecting("{drift: {bmi: 0.2}}");
    project.run(&[]);
    let lock = project.read("reproof.lock");
    let text = project.read("data/pima_diabetes.csv");
    // Everybody has gained a lot of weight.
    let header = text.lines().next().unwrap();
    let at = header.split(',').position(|name| name == "bmi").unwrap();
    let rows = text.lines().skip(1).map(|row| {
        let mut fields: Vec<String> = row.split(',').map(str::to_owned).collect();
        fields[at] = (fields[at].parse::<f64>().unwrap() + 15.0).to_string();
        fields.join(",") + "\n"
    });
    let rows: String = rows.collect();
    project.write("data/pima_diabetes.csv", &format!("{header}\n{rows}"));
    for _ in 0..2 {
        let call = project.reproof(&["run"]).expect(10);
        assert!(
            call.out.contains("bmi moved by at most 0.2: it moved by "),
            "{}",
            call.out
        );
        // What is pinned stays, so that the next run is judged alike.
        assert_eq!(project.read("reproof.lock"), lock);
    }
}

#[test]
fn fresh_data_is_counted_from_a_day_or_from_now() {
    let project = Project::committed();
    let text = project.read("data/pima_diabetes.csv");
    let mut lines = text.lines();
    let header = lines.next().unwrap();
    let rows: String = lines.map(|row| format!("{row},2026-01-10\n")).collect();
    project.write("data/pima_diabetes.csv", &format!("{header},seen\n{rows}"));
    let original = project.read("pipelines/diabetes.yaml");
    for (fresh, code) in [
        ("{column: seen, within: 2d, at: 2026-01-12}", 0),
        ("{column: seen, within: 47h, at: 2026-01-12}", 10),
        ("{column: seen, within: 1h}", 10),
    ] {
        let to = format!("{{csv: data/pima_diabetes.csv, expect: {{fresh: {fresh}}}}}");
        let pipeline = original.replace("{csv: data/pima_diabetes.csv}", &to);
        assert_ne!(pipeline, original);
        project.write("pipelines/diabetes.yaml", &pipeline);
        project.reproof(&["run"]).expect(code);
    }
}

#[test]
fn mistakes_in_expectations_have_their_places() {
    let project = Project::committed();
    let original = project.read("pipelines/diabetes.yaml");
    for (expect, says) in [
        (
            "{not_nul: [age]}",
            "unknown expectation 'not_nul' (did you mean 'not_null'?)",
        ),
        ("{not_null: [agee]}", "did you mean 'age'?"),
        ("{range: {age: {}}}", "a bound is missing"),
        (
            "{range: {has_diabetes: {min: 1}}}",
            "numbers, days or moments are wanted",
        ),
        (
            "{range: {age: {min: young}}}",
            "is of type integer and never holds young",
        ),
        (
            "{fresh: {column: age, within: 2d}}",
            "days or moments are wanted",
        ),
        (
            "{fresh: {column: age, within: soon}}",
            "'soon' is no duration",
        ),
        ("{rows: {min: 3, max: 2}}", "no number lies from 3 to 2"),
        ("{drift: {bmi: -1}}", "a number from 0 is wanted"),
        ("{allowed: {has_diabetes: []}}", "the list is empty"),
    ] {
        let to = format!("{{csv: data/pima_diabetes.csv, expect: {expect}}}");
        let pipeline = original.replace("{csv: data/pima_diabetes.csv}", &to);
        project.write("pipelines/diabetes.yaml", &pipeline);
        let call = project.reproof(&["run"]).expect(2);
        let said = call.err.replace("\nhint: ", " (").replace('\n', " ");
        let key = says.split(" (").next().unwrap();
        assert!(said.contains(key), "{expect}: no '{says}' in {}", call.err);
        assert!(
            call.err.contains("pipelines/diabetes.yaml:"),
            "{}",
            call.err
        );
    }
}

/// The diabetes example, whose data has a name.
fn named() -> Project {
    let project = Project::committed();
    project.write(
        "reproof.toml",
        "[data.pima]\ncsv = \"data/pima_diabetes.csv\"\n",
    );
    project.edit(
        "pipelines/diabetes.yaml",
        "{csv: data/pima_diabetes.csv}",
        "pima",
    );
    project
}

/// Leaves the last row out.
fn shorten(project: &Project) {
    let text = project.read("data/pima_diabetes.csv");
    let (rest, _) = text.trim_end().rsplit_once('\n').unwrap();
    project.write("data/pima_diabetes.csv", &format!("{rest}\n"));
}

#[test]
fn a_run_appends_what_it_read_of_named_data() {
    let project = named();
    let run = project.run(&[]);
    assert_eq!(
        run["record"].as_str().unwrap(),
        Project::committed().record(&[])
    );
    let log = || project.reproof(&["data", "log", "pima", "--json"]).json()["versions"].clone();
    let versions = log();
    assert_eq!(versions.as_array().unwrap().len(), 1);
    assert_eq!(versions[0]["entry"]["read_by"], run["execution"]["id"]);
    assert_eq!(versions[0]["entry"]["message"], "");
    assert_eq!(versions[0]["entry"]["source"]["kept"], true);
    // The same data again is no version.
    project.run(&[]);
    assert_eq!(log(), versions);
    shorten(&project);
    project
        .reproof(&["run"])
        .expect(0)
        .says(&["data 'pima' changed: 531 rows"]);
    assert_eq!(log().as_array().unwrap().len(), 2);
    let text = project.reproof(&["data", "log", "pima"]).expect(0).out;
    assert!(text.contains("read by run x:"), "{text}");
    // The file is pinned as it would be without a name.
    assert!(
        project
            .read("reproof.lock")
            .contains("\"csv:data/pima_diabetes.csv\"")
    );
    // Whoever writes the file means the same source.
    let file = "data: {csv: data/pima_diabetes.csv}";
    project.edit("pipelines/diabetes.yaml", "data: pima", file);
    shorten(&project);
    project.record(&[]);
    assert_eq!(log().as_array().unwrap().len(), 3);
    project.edit("pipelines/diabetes.yaml", file, "data: pime");
    project
        .reproof(&["run"])
        .expect(2)
        .says(&["declares no data 'pime'", "did you mean 'pima'?"]);
}

#[test]
fn a_stored_version_is_used_without_its_file() {
    let project = named();
    let first = project.record(&[]);
    project.reproof(&["data", "tag", "pima", "v1"]).expect(0);
    shorten(&project);
    let second = project.record(&[]);
    assert_ne!(first, second);
    project.edit(
        "pipelines/diabetes.yaml",
        "data: pima",
        "data: {version: pima@v1}",
    );
    std::fs::remove_file(project.path("data/pima_diabetes.csv")).unwrap();
    assert_eq!(project.record(&[]), first);
    assert!(project.read("reproof.lock").contains("\"version:pima@v1\""));
    assert_eq!(project.record(&["--locked"]), first);
    // A tag that was moved is seen.
    project
        .reproof(&["data", "tag", "pima", "v1", "--move"])
        .expect(0);
    project.reproof(&["run", "--locked"]).expect(40).says(&[
        "is not the version that the lock file pins",
        "531 rows, were 532",
    ]);
    project.edit("pipelines/diabetes.yaml", "pima@v1", "pima@v2");
    project
        .reproof(&["run"])
        .expect(2)
        .says(&["did you mean 'pima@v1'?"]);
}

#[test]
fn a_refusal_says_how_the_data_changed() {
    let project = named();
    project.record(&[]);
    shorten(&project);
    let text = project.read("data/pima_diabetes.csv");
    let mut lines = text.lines();
    let header = lines.next().unwrap();
    let rows: String = lines.map(|row| format!("{row},1\n")).collect();
    project.write("data/pima_diabetes.csv", &format!("{header},more\n{rows}"));
    project.reproof(&["run", "--locked"]).expect(40).says(&[
        "new column more (integer)",
        "531 rows, were 532",
        "0 rows added, 1 rows removed",
        "- row 532: ",
    ]);
}

#[test]
fn what_came_from_data_and_what_a_record_came_from() {
    let project = named();
    let record = project.record(&[]);
    let uses = project
        .reproof(&["data", "used-by", "pima", "--json"])
        .json();
    assert_eq!(uses["runs"].as_array().unwrap().len(), 1);
    assert_eq!(uses["uses"]["records"][&record][0], "diabetes");
    assert_eq!(uses["uses"]["models"][0]["step"], "preprocess");
    let text = project.reproof(&["data", "used-by", "pima"]).expect(0).out;
    assert!(
        text.contains("pipeline  diabetes") && text.contains("train.model"),
        "{text}"
    );
    shorten(&project);
    project
        .reproof(&["data", "commit", "pima", "-m", "shorter"])
        .expect(0);
    let unused = project.reproof(&["data", "used-by", "pima"]).expect(0).out;
    assert!(unused.contains("no run used it"), "{unused}");

    let tree = project
        .reproof(&["data", "lineage", &record[..12]])
        .expect(0)
        .out;
    let lines: Vec<_> = tree.lines().collect();
    assert_eq!(lines[0], format!("record {}", &record[..12]));
    for part in [
        "─ evaluate.metrics",
        "─ train.model",
        "─ split: split_random@",
        "(see above)",
    ] {
        assert!(tree.contains(part), "no '{part}' in:\n{tree}");
    }
    assert!(tree.contains("from data/pima_diabetes.csv"), "{tree}");
    let dot = project
        .reproof(&["data", "lineage", &record[..12], "--dot"])
        .expect(0)
        .out;
    assert!(
        dot.starts_with("digraph lineage {") && dot.ends_with("}\n"),
        "{dot}"
    );
    assert!(dot.contains("\"step:train\" -> \"train.model\";"), "{dot}");
    let nodes = project
        .reproof(&["data", "lineage", &record[..12], "--json"])
        .json();
    assert_eq!(nodes["nodes"][0]["kind"], "record");
}
