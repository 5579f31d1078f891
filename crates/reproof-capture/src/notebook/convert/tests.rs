use super::*;

fn notebook(cells: &[(&str, &str)]) -> Notebook {
    let cells: Vec<_> = cells
        .iter()
        .map(|(tag, source)| {
            serde_json::json!({"cell_type": "code", "source": source, "outputs": [],
                "metadata": {"tags": [tag]}, "execution_count": null})
        })
        .collect();
    let text =
        serde_json::json!({"nbformat": 4, "nbformat_minor": 4, "metadata": {}, "cells": cells});
    Notebook::parse(text.to_string().as_bytes()).unwrap()
}

#[test]
fn stages_are_cut_by_what_is_read_and_fitted() {
    let cells = [
        ("", "import pandas as pd\nframe = pd.read_csv('x.csv')"),
        ("parameters", "depth = 3"),
        ("", "%matplotlib inline\nmodel = Model(depth).fit(frame)"),
        ("", "class Model: pass"),
        ("", "score = model.score(frame)\nframe.to_csv('out.csv')"),
    ];
    let files = BTreeSet::from(["x.csv".to_owned()]);
    let found = convert(&notebook(&cells), "flow", "", &files).unwrap();
    let names: Vec<_> = found.modules.keys().map(String::as_str).collect();
    assert_eq!(names, ["flow_evaluate.py", "flow_load.py", "flow_train.py"]);
    for line in [
        "data: {data_1: {files: \"x.csv\"}}",
        "    inputs: {data_1: data_1}",
        "    inputs: {load: load.state}",
        "    parameters: {depth: 3}",
        // It had the frame last, and may have changed it.
        "    inputs: {train: train.state}",
    ] {
        assert!(
            found.pipeline.contains(line),
            "no '{line}' in:\n{}",
            found.pipeline
        );
    }
    assert!(found.modules["flow_load.py"].contains("pd.read_csv(_DATA[\"x.csv\"])"));
    let said = found.undecided.join("\n");
    assert!(
        said.contains("%matplotlib inline") && said.contains("writes 'out.csv'"),
        "{said}"
    );
}

#[test]
fn what_is_written_is_python_whatever_paths_hold() {
    let cells = [
        ("parameters", "ra\u{301}te = -.5\n"),
        ("", "import pandas as pd\nx = pd.read_csv('a\\x7f\\'{.csv')"),
        ("", "!ls \\\n  -l\nx.fit(ra\u{301}te)"),
    ];
    let files = BTreeSet::from(["b\u{202e}\"/a\u{7f}'{.csv".to_owned()]);
    let found = convert(&notebook(&cells), "flow", "b\u{202e}\"", &files).unwrap();
    let load = &found.modules["b\u{202e}\"/flow_load.py"];
    for line in [
        "_os.chdir(\"b\\u202e\\\"\")\n",
        "pd.read_csv(_DATA[\"b\\u202e\\\"/a\\x7f'{.csv\"])",
        "[\"data_1\"][\"path\"] + \"/a\\x7f'{.csv\",\n",
    ] {
        assert!(load.contains(line), "no {line} in:\n{load}");
    }
    let train = &found.modules["b\u{202e}\"/flow_train.py"];
    for line in [
        // Python takes the name for this one.
        "r\u{e1}te = _step[\"parameters\"][\"r\u{e1}te\"]\n",
        "pass  # !ls",
    ] {
        assert!(train.contains(line), "no {line} in:\n{train}");
    }
    let all = found.modules.values();
    assert!(
        all.flat_map(|text| text.lines())
            .all(|line| !line.trim().starts_with("-l"))
    );
}

#[test]
fn what_is_not_certain_is_refused() {
    let files = BTreeSet::new();
    for (cell, expected) in [
        ("from x import *", "is not certain"),
        ("def (", "is not certain"),
    ] {
        let refused = convert(&notebook(&[("", cell)]), "p", "", &files).unwrap_err();
        assert!(refused.to_string().contains(expected), "{refused}");
    }
}
