//! What a step asked for of the project and did not see is named, whether or not it failed.

use serde_json::json;

use crate::support::{Call, Project, SIX_16, statuses};

/// A step whose shell line asks for something and swallows that it is not there.
fn asking(line: &str) -> Project {
    let project = Project::shell(&format!(
        "  ask:\n    shell: '({line}) 2>/dev/null; echo done > /reproof/out/o.txt'\n    \
         outputs: {{o: o.txt}}\n",
    ));
    project.write("settings/a.txt", "a\n");
    project.write("sql/one.sql", "select 1\n");
    project.write("sql/two.sql", "select 2\n");
    project
}

/// The notes that name what a step asked for.
fn asked(call: &Call) -> Vec<&str> {
    let lines = call.err.lines();
    lines.filter(|line| line.contains("asked for")).collect()
}

#[test]
fn what_a_program_swallows_is_named_when_its_code_is_new() {
    let project = asking("f=settings; cat $f/a.txt; cat $f/none.txt");
    let first = project.reproof(&["run", "--json"]).expect(0);
    assert_eq!(
        asked(&first),
        [
            "note: step 'ask': it asked for files of the project that are not in its code closure: \
          settings/a.txt (add 'code: [settings/a.txt]' if it needs them)"
        ]
    );
    let first = first.json();
    assert_eq!(
        first["undeclared"],
        json!([{"step": "ask", "path": "settings/a.txt", "declare": "code"}])
    );
    // Nothing runs, so nothing is said; and what had a result is not watched unasked.
    for (arguments, ran, notes) in [
        (vec!["run", "--json"], "cached", 0),
        (vec!["run", "--json", "--trace"], "cached", 0),
        (vec!["run", "--json", "--no-cache"], "ran", 0),
        (vec!["run", "--json", "--no-cache", "--trace"], "ran", 1),
    ] {
        let call = project.reproof(&arguments);
        assert_eq!(asked(&call).len(), notes, "{arguments:?}: {}", call.err);
        let run = call.json();
        assert_eq!(statuses(&run), [("ask".to_owned(), ran.to_owned())]);
        assert_eq!(run["record"], first["record"]);
        assert_eq!(run["undeclared"].as_array().unwrap().len(), notes);
    }
    // The advice is right.
    project.edit(
        "pipelines/steps.yaml",
        "    outputs",
        "    code: [settings/a.txt]\n    outputs",
    );
    let declared = project.reproof(&["run", "--trace"]).expect(0);
    assert_eq!(asked(&declared), [""; 0]);
}

#[test]
fn folders_and_paths_of_this_machine_are_named() {
    let listing = asking("d=sql; bash -c \"cat /reproof/code/$d/*.sql; cd $d\"");
    let call = listing.reproof(&["run"]).expect(0);
    assert_eq!(asked(&call).len(), 1, "{}", call.err);
    let call = call.says(&["code closure: sql (add 'code: [sql]'"]);
    drop(call);

    let absolute = asking("cat $WHERE/settings/a.txt $WHERE/none.txt");
    let root = absolute.root().display().to_string();
    absolute.edit(
        "pipelines/steps.yaml",
        "    outputs",
        &format!("    variables: {{WHERE: {root}}}\n    outputs"),
    );
    let call = absolute.reproof(&["run"]).expect(0);
    assert_eq!(asked(&call).len(), 1, "{}", call.err);
    call.says(&[
        "by their paths on this machine, which no isolated step sees: settings/a.txt (use paths relative",
        "'code: [settings/a.txt]'",
    ]);
}

#[test]
fn data_is_named_as_an_input_and_what_is_no_business_of_a_step_not_at_all() {
    let project = asking(
        "cat data/rows.csv; d=ignored; cat $d/large.bin .git/HEAD .reproof/catalog.db .env; \
         cat __pycache__/a.pyc /etc/passwd ../x",
    );
    project.write(".gitignore", "/.reproof/\n/ignored/\n");
    project.write("ignored/large.bin", "1");
    project.write("__pycache__/a.pyc", "1");
    project.git(&["init", "--quiet"]);
    let call = project.reproof(&["run", "--json"]);
    assert_eq!(asked(&call).len(), 1, "{}", call.err);
    let call = call.says(&["no code, or too large for it: data/rows.csv, ignored/large.bin (name"]);
    assert_eq!(
        call.json()["undeclared"],
        json!([
            {"step": "ask", "path": "data/rows.csv", "declare": "input"},
            {"step": "ask", "path": "ignored/large.bin", "declare": "input"},
        ])
    );
}

#[test]
fn a_failure_names_what_its_output_does_not() {
    let project = asking("f=settings; cat $f/a.txt");
    project.edit("pipelines/steps.yaml", "echo done", "false; echo done");
    project.edit("pipelines/steps.yaml", "; echo done", " && echo done");
    for _ in 0..2 {
        // A failure is no result: the next run is watched again.
        let call = project.reproof(&["run"]).expect(11);
        assert_eq!(asked(&call), [""; 0]);
        call.says(&[
            "hint: the step sees only its code closure: add 'code: [settings/a.txt]' to it",
        ]);
    }
}

/// Python with a package of its own and modules of the user's: nothing of that is undeclared.
#[test]
fn a_program_that_declares_everything_is_told_nothing() {
    let project = Project::python(
        SIX_16,
        "  p:\n    run: [python, main.py]\n    code: [conf/]\n    outputs: {o: o.txt}\n",
    );
    project.write(
        "main.py",
        "import json, sqlite3, six, pkg.inner\nfrom pathlib import Path\n\
         assert Path('conf/x.json').resolve().exists()\nassert not Path('nowhere').exists()\n\
         try:\n    import absent\nexcept ImportError:\n    pass\n\
         open('/reproof/out/o.txt', 'w').write(six.__version__)\n",
    );
    project.write("pkg/__init__.py", "");
    project.write("pkg/inner.py", "");
    project.write("conf/x.json", "{}");
    project.write("other/unused.py", "");
    let call = project.reproof(&["run", "--trace"]).expect(0);
    assert!(!call.err.contains("step 'p'"), "{}", call.err);
    // The same program that looks for a file and goes on without.
    let main = project.read("main.py");
    project.write(
        "main.py",
        &format!("{main}name = 'unused'\ntry:\n    open(f'other/{{name}}.py')\nexcept OSError:\n    pass\n"),
    );
    let call = project.reproof(&["run"]).expect(0);
    assert_eq!(asked(&call).len(), 1, "{}", call.err);
    call.says(&["add 'code: [other/unused.py]'"]);
}
