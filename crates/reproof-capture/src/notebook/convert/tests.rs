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
