//! `reproof notebook`: what is found in notebooks, what is stripped from them, and the filter of git.

use std::io::Write;
use std::process::Stdio;

use serde_json::{Value, json};

use crate::support::{Call, Project};

/// A notebook of these code cells, as Jupyter writes it; with counts if they were run.
pub fn notebook(cells: &[&str], run: bool) -> String {
    let cells: Vec<Value> = cells
        .iter()
        .zip(1..)
        .map(|(source, number)| {
            let outputs = json!([{"name": "stdout", "output_type": "stream", "text": ["Größe\n"]}]);
            json!({
                "cell_type": "code",
                "execution_count": run.then_some(number),
                "id": format!("c{number}"),
                "metadata": {},
                "outputs": if run { outputs } else { json!([]) },
                "source": source.split_inclusive('\n').collect::<Vec<_>>(),
            })
        })
        .collect();
    let document = json!({
        "cells": cells,
        "metadata": {"kernelspec": {"display_name": "P", "language": "python", "name": "python3"}},
        "nbformat": 4,
        "nbformat_minor": 5,
    });
    let mut out = Vec::new();
    let indent = serde_json::ser::PrettyFormatter::with_indent(b" ");
    let mut serializer = serde_json::Serializer::with_formatter(&mut out, indent);
    serde::Serialize::serialize(&document, &mut serializer).unwrap();
    out.push(b'\n');
    String::from_utf8(out).unwrap()
}

fn project() -> Project {
    let project = Project::empty();
    project.write("reproof.toml", "");
    project.write(".gitignore", "/.reproof/\n/scratch/\n");
    project.write("requirements.txt", "pandas==2.2.0\n");
    project.write("helpers/clean.py", "");
    project
}

/// What is found, a line each: `PATH CELL:LINE RULE`.
fn found(call: &Call) -> Vec<String> {
    let document: Value = serde_json::from_str(&call.out).unwrap();
    let notebooks = document["notebooks"].as_array().unwrap().iter();
    notebooks
        .flat_map(|notebook| {
            let path = notebook["path"].as_str().unwrap();
            let findings = notebook["findings"].as_array().into_iter().flatten();
            findings.map(move |finding| {
                assert!(
                    ["what", "why", "advice"]
                        .iter()
                        .all(|key| finding[*key].is_string())
                );
                let rule = finding["rule"].as_str().unwrap();
                format!("{path} {}:{} {rule}", finding["cell"], finding["line"])
            })
        })
        .collect()
}

#[test]
fn all_notebooks_of_the_project_are_checked_but_those_that_git_ignores() {
    let project = project();
    project.git(&["init", "--quiet"]);
    let bad = notebook(&["print(df)"], false);
    project.write(
        "good.ipynb",
        &notebook(&["import helpers.clean, pandas"], true),
    );
    project.write(
        "more/bad.ipynb",
        &notebook(&["import pandas as pd\nimport torch", "df"], true),
    );
    project.write("scratch/ignored.ipynb", &bad);
    project.write(".ipynb_checkpoints/bad-checkpoint.ipynb", &bad);
    let call = project.reproof(&["notebook", "check", "--json"]).expect(10);
    assert_eq!(
        found(&call),
        [
            "more/bad.ipynb 1:2 undeclared-import",
            "more/bad.ipynb 2:1 undefined-name"
        ]
    );
    let call = project.reproof(&["notebook", "check"]).expect(10);
    for text in [
        "more/bad.ipynb\n",
        "cell 2, line 1    undefined-name: 'df' is defined nowhere in the notebook",
        "why: in a new kernel this is a NameError",
        "do:  define it in a cell before this use",
        "2 notebooks, 2 findings",
    ] {
        assert!(call.out.contains(text), "no '{text}' in:\n{}", call.out);
    }
    // Without git the folder is walked.
    std::fs::remove_dir_all(project.path(".git")).unwrap();
    let call = project
        .reproof(&["notebook", "check", "--json", "good.ipynb"])
        .expect(0);
    assert_eq!(found(&call), [] as [&str; 0]);
    let clean = project
        .reproof(&["notebook", "check", "good.ipynb"])
        .expect(0);
    assert_eq!(clean.out, "1 notebook, nothing found\n");
}

#[test]
fn rules_are_chosen() {
    let project = project();
    project.write("a.ipynb", &notebook(&["!ls", "print(df)"], false));
    let check = |arguments: &[&str], code| {
        let call = project.reproof(&[&["notebook", "check", "--json"], arguments].concat());
        found(&call.expect(code))
    };
    assert_eq!(check(&[], 10).len(), 2);
    let only = check(&["--rule", "shell-command"], 10);
    assert_eq!(only, ["a.ipynb 1:1 shell-command"]);
    let without = check(
        &["--ignore", "shell-command", "--ignore", "undefined-name"],
        0,
    );
    assert_eq!(without, [] as [&str; 0]);
    for (rule, says) in [
        (
            "undefined-nam",
            "there is no rule 'undefined-nam': did you mean 'undefined-name'?",
        ),
        ("wolf", "'reproof doctor --rules' lists them"),
        (
            "threads",
            "'threads' is about pipelines, not about notebooks",
        ),
    ] {
        let arguments = ["notebook", "check", "--rule", rule];
        project.reproof(&arguments).expect(2).says(&[says]);
    }
    // What is about steps is asked where a person wants it.
    let cells = [
        "import time\nprint(time.time())",
        "hash('a')  # reproof: ignore[string-hash]",
    ];
    project.write("a.ipynb", &notebook(&cells, false));
    assert_eq!(check(&[], 0), [] as [&str; 0]);
    assert_eq!(check(&["--all"], 10), ["a.ipynb 1:2 clock"]);
    assert_eq!(check(&["--rule", "clock"], 10).len(), 1);
    assert_eq!(check(&["--rule", "string-hash"], 0), [] as [&str; 0]);
    check(&["--all", "--ignore", "clock"], 0);
}

#[test]
fn what_is_no_notebook_is_said_and_the_others_are_checked() {
    let project = project();
    project.write(
        "old.ipynb",
        "{\"nbformat\": 3, \"nbformat_minor\": 0, \"worksheets\": []}",
    );
    project.write("torn.ipynb", "{\n\"cells\": [");
    project.write("bad.ipynb", &notebook(&["df"], false));
    let call = project.reproof(&["notebook", "check"]).expect(2);
    assert!(call.out.contains("bad.ipynb\n"), "{}", call.out);
    call.says(&[
        "old.ipynb: it is of notebook format 3.0",
        "jupyter nbconvert --to notebook --inplace",
        "torn.ipynb: line 2, column 10: not a notebook",
    ]);
    project
        .reproof(&["notebook", "check", "none.ipynb"])
        .expect(2)
        .says(&["there is no file or folder 'none.ipynb'"]);
}

#[test]
fn notebooks_outside_of_a_project_are_checked_when_they_are_named() {
    let project = Project::empty();
    project.write("a/b.ipynb", &notebook(&["df", "import mine"], false));
    project.write("a/mine.py", "");
    let call = project
        .reproof(&["notebook", "check", "a", "--json"])
        .expect(10);
    assert_eq!(found(&call), ["a/b.ipynb 1:1 undefined-name"]);
    project
        .reproof(&["notebook", "check"])
        .expect(2)
        .says(&["in no project", "reproof notebook check ."]);
}

#[test]
fn files_are_stripped_in_place_and_once() {
    let project = Project::empty();
    let (run, bare) = (
        notebook(&["1\n", "2"], true),
        notebook(&["1\n", "2"], false),
    );
    project.write("a.ipynb", &run);
    project.write("b.ipynb", &bare);
    let files = ["a.ipynb", "b.ipynb"];
    let check = [&["notebook", "strip", "--check"], &files[..]].concat();
    let call = project.reproof(&check).expect(10);
    assert_eq!(call.out, "a.ipynb  would be stripped\n");
    assert_eq!(project.read("a.ipynb"), run);
    let strip = [&["notebook", "strip"], &files[..]].concat();
    assert_eq!(project.reproof(&strip).expect(0).out, "a.ipynb  stripped\n");
    assert_eq!(project.read("a.ipynb"), bare);
    assert_eq!(project.reproof(&strip).expect(0).out, "");
    project.reproof(&check).expect(0);
    // What cannot be read keeps all files as they are.
    project.write("a.ipynb", &run);
    project.write("c.ipynb", "[]");
    project
        .reproof(&["notebook", "strip", "a.ipynb", "c.ipynb"])
        .expect(2)
        .says(&["c.ipynb: not a notebook"]);
    assert_eq!(project.read("a.ipynb"), run);
}

/// Strips a text from standard input to standard output.
fn filter(project: &Project, text: &str) -> (i32, String) {
    let mut command = project.command(&["notebook", "strip"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(text.as_bytes()).unwrap();
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    let code = output.status.code().unwrap();
    (code, String::from_utf8(output.stdout).unwrap())
}

#[test]
fn standard_input_is_stripped_to_standard_output() {
    let project = Project::empty();
    let (run, bare) = (notebook(&["1"], true), notebook(&["1"], false));
    assert_eq!(filter(&project, &run), (0, bare.clone()));
    assert_eq!(filter(&project, &bare), (0, bare));
    assert_eq!(filter(&project, ""), (0, String::new()));
    assert_eq!(filter(&project, "no JSON"), (2, String::new()));
}

#[test]
fn git_sees_notebooks_without_outputs_once_the_filter_is_set() {
    let project = project();
    project.git(&["init", "--quiet", "--initial-branch=main"]);
    project.write(".gitattributes", "*.png binary");
    project.write("a.ipynb", &notebook(&["1"], false));
    project.commit("first");
    let install = project.reproof(&["notebook", "install"]).expect(0);
    assert!(
        install.out.contains("set filter.reproof-notebook.clean"),
        "{}",
        install.out
    );
    assert!(
        install.out.contains("to .gitattributes: commit it"),
        "{}",
        install.out
    );
    let attributes = "*.png binary\n*.ipynb filter=reproof-notebook\n";
    assert_eq!(project.read(".gitattributes"), attributes);
    let again = project.reproof(&["notebook", "install"]).expect(0);
    assert_eq!(again.out, "the filter is set already\n");
    project.commit("second");

    // A run in Jupyter changes nothing for git, and stays in the working tree.
    let run = notebook(&["1"], true);
    project.write("a.ipynb", &run);
    let status = project.git(&["status", "--porcelain"]);
    // Git compares once it looks at the bytes.
    project.git(&["add", "a.ipynb"]);
    let after = project.git(&["status", "--porcelain"]);
    assert_eq!(String::from_utf8_lossy(&after.stdout), "", "{status:?}");
    assert_eq!(project.read("a.ipynb"), run);

    let remove = project
        .reproof(&["notebook", "install", "--remove"])
        .expect(0);
    assert!(
        remove
            .out
            .contains("took '*.ipynb filter=reproof-notebook' out"),
        "{}",
        remove.out
    );
    assert_eq!(project.read(".gitattributes"), "*.png binary\n");
    let again = project
        .reproof(&["notebook", "install", "--remove"])
        .expect(0);
    assert_eq!(again.out, "there is no such filter in this repository\n");
    let settings = project.read(".git/config");
    assert!(!settings.contains("notebook strip"), "{settings}");
    Project::empty()
        .reproof(&["notebook", "install"])
        .expect(2)
        .says(&["in no git repository", "git init"]);
}
