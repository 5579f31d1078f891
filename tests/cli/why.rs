//! `reproof why`.

use serde_json::json;

use crate::support::{Project, SIX_16};

#[test]
fn a_changed_parameter_is_named_with_the_step_and_how_far_it_moved() {
    let project = Project::committed();
    let first = project.record(&[]);
    let second = project.record(&["--set", "train.logistic_regression.l2=5"]);
    let ids = [&first[..12], &second[..12]];
    let found = project.reproof(&["why", ids[0], ids[1], "--json"]).json();
    assert_eq!(
        found["cause"],
        json!({"kind": "aspects", "step": "train", "aspects": ["configuration"]})
    );
    assert_eq!(
        found["configuration"],
        json!([{"path": "train.parameters.l2", "before": 1, "after": 5}])
    );
    for nothing in ["code", "environments", "data", "platform"] {
        assert_eq!(found[nothing], json!([]), "{nothing}");
    }
    let steps: Vec<_> = found["steps"].as_array().unwrap().iter().collect();
    assert_eq!((steps.len(), &steps[0]["step"]), (2, &json!("train")));
    assert_eq!(steps[1]["inputs"], json!(["model"]));
    let model = &steps[0]["outputs"][0]["moved"]["files"][0]["content"];
    assert_eq!(model["kind"], "json");
    assert!(model["largest"].as_f64().unwrap() > 0.0, "{model}");
    let text = project.reproof(&["why", ids[0], ids[1]]).expect(0).out;
    for wanted in [
        "The results part at step 'train', whose configuration differs.",
        "train.parameters.l2  1 -> 5",
        "train.model   model.json:",
        "prediction in 83 of 83 rows, by at most",
        "metrics on the same 83 rows",
    ] {
        assert!(text.contains(wanted), "no '{wanted}' in:\n{text}");
    }
}

#[test]
fn a_changed_cell_is_data_and_later_steps_are_not_blamed() {
    let project = Project::committed();
    let first = project.record(&[]);
    let data = project.read("data/pima_diabetes.csv");
    let row = data.lines().nth(5).unwrap();
    let (head, label) = row.rsplit_once(',').unwrap();
    let other = if label == "No" { "Yes" } else { "No" };
    project.edit("data/pima_diabetes.csv", row, &format!("{head},{other}"));
    let second = project.record(&[]);
    let found = project.reproof(&["why", &first, &second, "--json"]).json();
    assert_eq!(found["cause"]["kind"], "aspects");
    assert_eq!(found["cause"]["step"], "split");
    assert_eq!(found["cause"]["aspects"], json!(["data"]));
    assert_eq!(found["configuration"], json!([]));
    assert_eq!(found["data"].as_array().unwrap().len(), 1);
    let blamed = found["steps"].as_array().unwrap().iter();
    let blamed: Vec<_> = blamed.filter(|step| step["aspects"] != json!([])).collect();
    assert_eq!(blamed.len(), 1, "{blamed:?}");
}

#[test]
fn a_step_that_is_not_deterministic_is_found_by_its_verification() {
    let project = Project::shell(concat!(
        "  steady:\n",
        "    shell: echo same > /reproof/out/o.txt\n",
        "    outputs: {o: o.txt}\n",
        "  draw:\n",
        "    shell: cat /proc/sys/kernel/random/uuid > /reproof/out/u.txt\n",
        "    inputs: {o: steady.o}\n",
        "    outputs: {u: u.txt}\n",
        "  use:\n",
        "    shell: cat /reproof/in/u/u.txt > /reproof/out/v.txt\n",
        "    inputs: {u: draw.u}\n",
        "    outputs: {v: v.txt}\n",
    ));
    let record = project.record(&[]);
    project
        .reproof(&["why", &record])
        .expect(2)
        .says(&["was not verified yet", "reproof verify"]);
    project.reproof(&["verify", &record]).expect(12);
    let found = project.reproof(&["why", &record, "--json"]).json();
    assert_eq!(
        found["cause"],
        json!({"kind": "nondeterminism", "step": "draw"})
    );
    assert_eq!(found["same_recipe"], true);
    assert_eq!(found["sides"][1]["is_verification"], true);
    let steps = found["steps"].as_array().unwrap();
    let names: Vec<_> = steps
        .iter()
        .map(|step| step["step"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["draw", "use"]);
    let content = &steps[0]["outputs"][0]["moved"]["files"][0]["content"];
    assert_eq!(
        (&content["kind"], &content["line"]),
        (&json!("text"), &json!(1))
    );
    let text = project.reproof(&["why", &record]).expect(0).out;
    assert!(
        text.contains("Step 'draw' is not deterministic: the same recipe and the same inputs"),
        "{text}"
    );
    // The execution alone names both sides.
    let execution = found["sides"][1]["execution"].as_str().unwrap();
    let again = project.reproof(&["why", execution, "--json"]).json();
    assert_eq!(again["cause"], found["cause"]);
}

#[test]
fn a_changed_file_of_code_is_shown_with_its_lines() {
    let project = Project::shell(concat!(
        "  one:\n",
        "    shell: cat /reproof/code/a.txt > /reproof/out/o.txt\n",
        "    code: [a.txt]\n",
        "    outputs: {o: o.txt}\n",
        "  two:\n",
        "    shell: test -e /reproof/code/a.txt && echo there > /reproof/out/p.txt\n",
        "    code: [a.txt]\n",
        "    outputs: {p: p.txt}\n",
    ));
    project.write("a.txt", "first\nsecond\n");
    let first = project.record(&[]);
    project.write("a.txt", "first\nother\n");
    let second = project.record(&[]);
    let found = project.reproof(&["why", &first, &second, "--json"]).json();
    assert_eq!(
        found["cause"],
        json!({"kind": "aspects", "step": "one", "aspects": ["code"]})
    );
    assert_eq!(found["configuration"], json!([]));
    let code = found["code"].as_array().unwrap();
    assert_eq!(code.len(), 1, "{code:?}");
    assert_eq!(code[0]["path"], "a.txt");
    assert_eq!(code[0]["steps"], json!(["one", "two"]));
    let text = project
        .reproof(&["why", &first, &second, "--lines"])
        .expect(0)
        .out;
    for wanted in [
        "a.txt   changed   seen by one, two",
        "-second",
        "+other",
        "Of other steps differ: 'two' (code, with the same results).",
        "line 2: second -> other",
    ] {
        assert!(text.contains(wanted), "no '{wanted}' in:\n{text}");
    }
}

#[test]
fn what_has_nothing_to_explain_says_so() {
    let project = Project::diabetes();
    let run = project.reproof(&["run", "--json"]).json();
    let record = run["record"].as_str().unwrap();
    let execution = run["execution"]["id"].as_str().unwrap();
    project
        .reproof(&["why", execution])
        .expect(2)
        .says(&["is a run", "name two"]);
    project.reproof(&["verify", record]).expect(0);
    project
        .reproof(&["why", record])
        .expect(2)
        .says(&["found it identical"]);
    let same = project.reproof(&["why", record, record]).expect(0).out;
    assert!(
        same.contains("The same recipe gave the same results."),
        "{same}"
    );
    project
        .reproof(&["why", record, "0000"])
        .expect(2)
        .says(&["nothing here is named"]);
}

#[test]
fn damage_is_no_difference() {
    let project = Project::committed();
    let first = project.record(&[]);
    let run = project.run(&["--set", "train.logistic_regression.l2=5"]);
    let model = project.output_file(&run, "train", "model");
    project.damage_blob(&model);
    let second = run["record"].as_str().unwrap();
    project
        .reproof(&["why", &first, second])
        .expect(30)
        .says(&["damaged"]);
}

#[test]
fn the_difference_of_a_metric_is_shared_out_among_what_differs() {
    let project = Project::diabetes();
    let first = project.record(&[]);
    let pipeline = project.read("pipelines/diabetes.yaml");
    project.write(
        "pipelines/diabetes.yaml",
        &pipeline.replacen("l2: 1.0", "l2: 1e7", 1),
    );
    let rows = project.read("data/pima_diabetes.csv");
    let third: Vec<_> = rows
        .lines()
        .enumerate()
        .filter(|(index, _)| index % 3 != 1)
        .collect();
    let third: String = third
        .into_iter()
        .map(|(_, line)| format!("{line}\n"))
        .collect();
    project.write("data/pima_diabetes.csv", &third);
    // Whether the gates pass does not matter here.
    let record = || -> String {
        let call = project.reproof(&["run", "--json"]);
        let run: serde_json::Value = serde_json::from_str(&call.out).unwrap();
        run["record"].as_str().unwrap().to_owned()
    };
    let second = record();
    let command = ["why", &first, &second, "--attribute", "log_loss"];
    let found = project
        .reproof(&[&command[..], &["--json"]].concat())
        .json();
    let parts = found["parts"].as_array().unwrap();
    let names: Vec<_> = parts
        .iter()
        .map(|part| part["aspect"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["configuration", "data"]);
    let value = |value: &serde_json::Value| value.as_f64().unwrap();
    let moved = value(&found["values"][1]) - value(&found["values"][0]);
    let shares = value(&parts[0]["share"]) + value(&parts[1]["share"]);
    assert!((moved - shares).abs() < 1e-12, "{found}");
    // The penalty alone, which a run of its own tells as well.
    project.write("data/pima_diabetes.csv", &rows);
    let shown = project.reproof(&["show", &record(), "--json"]).json();
    let text = shown.to_string();
    assert!(
        text.contains(&parts[0]["alone"].to_string()),
        "{found}\n{text}"
    );
    let said = project.reproof(&command).expect(0).out;
    assert!(
        said.starts_with("log_loss 0.377 -> ") && said.contains("  configuration  +0."),
        "{said}"
    );
    project
        .reproof(&["why", &first, &first, "--attribute", "log_loss"])
        .expect(2)
        .says(&["the recipes are the same"]);
}

/// A step of Python in an environment of one small package, with this script.
fn scripted(script: &str) -> Project {
    let project = Project::python(
        SIX_16,
        "  draw:\n    run: [python, draw.py]\n    outputs: {model: model.json}\n",
    );
    let script = format!(
        "import json\n{script}\nwith open('/reproof/out/model.json', 'w') as file:\n    json.dump(value, file)\n"
    );
    project.write("draw.py", &script);
    project
}

#[test]
fn experiments_name_what_makes_a_step_differ() {
    // After a verification that did not hold, the step is the one where results part.
    let project = scripted("import random\nvalue = random.random()");
    let record = project.record(&[]);
    project.reproof(&["verify", &record]).expect(12);
    let text = project
        .reproof(&["why", &record, "--experiment"])
        .expect(0)
        .out;
    for wanted in [
        "Step 'draw' is not deterministic",
        "experiments on step 'draw'",
        "nothing changed, two runs: differs in model",
        "held together: clock, randomness, scheduling, three runs: the same",
        "the clock let go, the rest held, three runs: the same",
        "the system's randomness let go, the rest held, two runs: differs in model",
        "the system's randomness explains it",
        "rules 'unseeded-random'",
    ] {
        assert!(text.contains(wanted), "no '{wanted}' in:\n{text}");
    }
}

#[test]
fn experiments_are_for_programs_that_can_be_held() {
    let project = Project::diabetes();
    let record = project.record(&[]);
    project
        .reproof(&["why", &record, "--experiment", "--step", "train"])
        .expect(2)
        .says(&["no experiments can be made on step 'train': it is built in"]);
    project
        .reproof(&["why", &record, "--experiment", "--step", "trian"])
        .expect(2)
        .says(&["no step 'trian'"]);
    project
        .reproof(&["why", &record, "--step", "train"])
        .expect(2);
}

#[test]
fn the_page_shows_the_graph_and_the_intervals() {
    let project = Project::diabetes();
    let first = project.record(&[]);
    let pipeline = project.read("pipelines/diabetes.yaml");
    project.write(
        "pipelines/diabetes.yaml",
        &pipeline.replacen("l2: 1.0", "l2: 10.0", 1),
    );
    let rows = project.read("data/pima_diabetes.csv");
    let fewer: String = rows
        .lines()
        .take(400)
        .map(|line| format!("{line}\n"))
        .collect();
    project.write("data/pima_diabetes.csv", &fewer);
    let second = project.record(&[]);
    let command = ["why", &first, &second, "--html", "why.html"];
    let said = project.reproof(&command).expect(0).out;
    assert!(
        said.contains("why.html") && said.contains("The results part"),
        "{said}"
    );
    let page = project.read("why.html");
    for text in [
        "<title>record ",
        "class=\"box first\"",
        "class=\"box moved\"",
        "train.parameters.l2",
        "population stability index",
        "class=\"interval\"",
        "roc_auc",
        "pregnancies=",
    ] {
        assert!(page.contains(text), "{text} in {page}");
    }
    assert!(
        !page.contains("<script") && !page.contains("http"),
        "{page}"
    );
    project
        .reproof(&command)
        .expect(2)
        .says(&["is there already", "--force"]);
    project
        .reproof(&[&command[..], &["--force"]].concat())
        .expect(0);
    assert_eq!(project.read("why.html"), page);
}
