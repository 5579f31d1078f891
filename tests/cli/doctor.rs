//! `reproof doctor`.

use crate::notebook::notebook;
use crate::support::Project;

#[test]
fn a_sound_project_is_good() {
    let project = Project::committed();
    project.record(&[]);
    let call = project.reproof(&["doctor"]).expect(0);
    for text in [
        "clean at commit",
        "1 data source pinned",
        "GB free",
        "every byte right",
    ] {
        assert!(call.out.contains(text), "no '{text}' in:\n{}", call.out);
    }
    assert!(!call.out.contains("bad"), "{}", call.out);
}

#[test]
fn what_is_doubtful_or_bad_is_named() {
    let project = Project::diabetes();
    let call = project.reproof(&["doctor"]).expect(0);
    assert!(call.out.contains("not in a git repository"), "{}", call.out);

    let project = Project::committed();
    project.write("notes.txt", "more\n");
    project.edit("reproof.lock", "\"rows\":532", "\"rows\":533");
    let call = project.reproof(&["doctor"]).expect(0);
    assert!(call.out.contains("notes.txt"), "{}", call.out);
    assert!(
        call.out.contains("reproof.lock is not committed"),
        "{}",
        call.out
    );

    project.write("reproof.lock", "# reproof.lock/1\n<<<<<<< ours\n");
    project.reproof(&["doctor"]).expect(2);
}

#[test]
fn a_damaged_blob_is_30() {
    let project = Project::committed();
    let record = project.record(&[]);
    project.damage_blob(&record.parse().unwrap());
    let call = project.reproof(&["doctor"]).expect(30);
    assert!(call.out.contains(&record[..12]), "{}", call.out);
}

/// A step of Python with this script, in a repository of its own. Nothing is run, so the environment is
/// not built.
fn scripted(script: &str) -> Project {
    let project = Project::empty();
    project.write(".gitignore", "/.reproof/\n");
    project.write("data/rows.csv", "a,b\n1,2\n");
    project.write(
        "reproof.toml",
        "[environments.default]\nsystem = [\"python3\"]\n",
    );
    project.write(
        "pipelines/scores.yaml",
        "pipeline: scores\ndata: {csv: data/rows.csv}\nsteps:\n  train:\n    run: [python, train.py]\n    \
         inputs: {table: data}\n    outputs: {model: model/}\n",
    );
    project.write("train.py", script);
    project.git(&["init", "--quiet", "--initial-branch=main"]);
    project.commit("first");
    project
}

/// What `doctor scores` found, as `PATH:LINE RULE`, leaving out that nothing was built yet.
#[track_caller]
fn found_by(project: &Project, code: i32, arguments: &[&str]) -> Vec<String> {
    let arguments = [&["doctor", "scores", "--json"], arguments].concat();
    let call = project.reproof(&arguments).expect(code);
    let document: serde_json::Value = serde_json::from_str(&call.out).unwrap();
    let findings = document["code"][0]["findings"].as_array().unwrap().iter();
    findings
        .filter(|finding| finding["rule"] != "unpinned-environment")
        .map(|finding| {
            let path = finding["path"].as_str().unwrap_or("-");
            let line = finding["line"].as_u64().unwrap_or(0);
            format!("{path}:{line} {}", finding["rule"].as_str().unwrap())
        })
        .collect()
}

#[test]
fn the_code_of_a_pipeline_is_read_before_it_runs() {
    let project = scripted(
        "import os\nimport features\nfor name in os.listdir('.'):\n    print(name)\nfeatures.draw()\n",
    );
    project.write(
        "features.py",
        "import random\n\ndef draw():\n    return random.random()\n",
    );
    project.write("unused.py", "import time\nprint(time.time())\n");
    assert_eq!(
        found_by(&project, 10, &[]),
        [
            "features.py:0 uncommitted",
            "features.py:4 unseeded-random",
            "train.py:3 unsorted-files"
        ]
    );
    project.commit("second");

    // A seed in another module of the closure counts.
    project.edit(
        "train.py",
        "import os\n",
        "import os, random\nrandom.seed(1)\n",
    );
    let call = project.reproof(&["doctor", "scores"]).expect(10);
    for text in [
        "train.py:4:13: error unsorted-files: os.listdir() gives names",
        "put sorted(…) around it (--fix does it)",
        "train.py: warning uncommitted",
        "pipelines/scores.yaml:4:3: warning unpinned-environment",
        "pipelines/scores.yaml: 1 error, 2 warnings in 2 files of Python",
    ] {
        assert!(call.out.contains(text), "no '{text}' in:\n{}", call.out);
    }

    // Without a pipeline, all of them are looked at, beside git and the store.
    let call = project.reproof(&["doctor"]).expect(10);
    assert!(call.out.contains("every byte right"), "{}", call.out);
    assert!(
        call.out.contains("code   pipelines/scores.yaml: 1 error"),
        "{}",
        call.out
    );
}

/// All rules are asked of a notebook that is a step, by cell and line.
#[test]
fn the_notebook_of_a_step_is_read_as_code_and_as_a_notebook() {
    let project = scripted("");
    let cells = [
        "import random, features\nx = [random.random() for _ in range(rounds)]",
        "import os\nnames = os.listdir('.')\nlevel = os.environ['LEVEL']",
        "!ls  # reproof: ignore[shell-command]\ntable.head()",
    ];
    project.write("train.ipynb", &notebook(&cells, true));
    project.write("features.py", "hidden = open('/home/me/x')\n");
    project.edit(
        "pipelines/scores.yaml",
        "    run: [python, train.py]\n",
        "    notebook: train.ipynb\n    parameters: {rounds: 3}\n    variables: {LEVEL: high}\n",
    );
    project.commit("second");
    let arguments = ["doctor", "scores", "--json"];
    let places = |code| {
        let call = project.reproof(&arguments).expect(code);
        let document: serde_json::Value = serde_json::from_str(&call.out).unwrap();
        let findings = document["code"][0]["findings"].as_array().unwrap().iter();
        findings
            .filter(|finding| finding["rule"] != "unpinned-environment")
            .map(|finding| {
                let [path, rule] = ["path", "rule"].map(|key| finding[key].as_str().unwrap());
                format!("{path} {}:{} {rule}", finding["cell"], finding["line"])
            })
            .collect::<Vec<_>>()
    };
    assert_eq!(
        places(10),
        [
            "features.py null:1 absolute-path",
            "train.ipynb 1:2 unseeded-random",
            "train.ipynb 2:2 unsorted-files",
            "train.ipynb 3:2 undefined-name"
        ]
    );
    let call = project.reproof(&["doctor", "scores"]).expect(10);
    for text in [
        "train.ipynb:cell 1:2:6: error unseeded-random: random.random draws",
        "train.ipynb:cell 2:2:9: error unsorted-files",
        "in 2 files of Python",
    ] {
        assert!(call.out.contains(text), "no '{text}' in:\n{}", call.out);
    }
    // Nothing in a notebook's file is changed, and a seed in a module that it imports counts.
    project.write("features.py", "import random\nrandom.seed(1)\n");
    project.edit("train.ipynb", "os.listdir('.')", "sorted(os.listdir('.'))");
    project.edit("train.ipynb", "table.head()", "names");
    project.commit("third");
    assert_eq!(places(0), [] as [&str; 0]);
}

#[test]
fn what_is_safe_is_fixed() {
    let project = scripted("import os\n# Ä\nnames = os.listdir('.')  # all\n");
    project.write("note.txt", "not committed, and none of the step's\n");
    assert_eq!(found_by(&project, 10, &[]), ["train.py:3 unsorted-files"]);

    project.edit("train.py", "# all", "# all of them");
    let call = project.reproof(&["doctor", "scores", "--fix"]).expect(40);
    assert!(
        call.err.contains("train.py: differ from the commit"),
        "{}",
        call.err
    );
    assert!(call.err.contains("--allow-dirty"), "{}", call.err);
    assert!(project.read("train.py").contains("= os.listdir('.')  #"));

    project.commit("second");
    let call = project.reproof(&["doctor", "scores", "--fix"]).expect(0);
    assert!(call.out.contains("fixed train.py"), "{}", call.out);
    assert_eq!(
        project.read("train.py"),
        "import os\n# Ä\nnames = sorted(os.listdir('.'))  # all of them\n"
    );
    // What is right already is left as it is.
    let call = project
        .reproof(&["doctor", "scores", "--fix", "--allow-dirty"])
        .expect(0);
    assert!(!call.out.contains("fixed"), "{}", call.out);
}

#[test]
fn warnings_count_if_they_shall_and_comments_silence() {
    let project = scripted("import joblib\njoblib.dump({}, 'x')\n");
    assert_eq!(found_by(&project, 0, &[]), ["train.py:2 pickle-output"]);
    assert_eq!(found_by(&project, 10, &["--strict"]).len(), 1);

    project.write(
        "train.py",
        "import joblib\njoblib.dump({}, 'x')  # reproof: ignore[pickle-output]\n",
    );
    project.edit(
        "pipelines/scores.yaml",
        "    inputs:",
        "    threads: 2  # reproof: ignore[threads]\n    profile: native\n    network: true\n    inputs:",
    );
    project.commit("second");
    assert_eq!(
        found_by(&project, 0, &[]),
        [
            "pipelines/scores.yaml:7 native-profile",
            "pipelines/scores.yaml:8 network-step"
        ]
    );
}

#[test]
fn clean_code_gives_nothing() {
    // Every example of ours, with all its code.
    for name in ["diabetes", "churn", "diamonds-xgboost", "penguins-notebook"] {
        let project = Project::example(name);
        project.reproof(&["notebook", "check", "--all"]).expect(0);
        let call = project
            .reproof(&["doctor", "--json", &pipeline_of(&project)])
            .expect(0);
        let document: serde_json::Value = serde_json::from_str(&call.out).unwrap();
        let findings = document["code"][0]["findings"].as_array().unwrap().clone();
        let left: Vec<_> = findings
            .iter()
            .filter(|finding| {
                !matches!(
                    finding["rule"].as_str(),
                    Some("uncommitted" | "unpinned-environment")
                )
            })
            .collect();
        assert!(left.is_empty(), "{name}: {left:?}");
    }
}

/// The one pipeline of an example.
fn pipeline_of(project: &Project) -> String {
    let mut all = std::fs::read_dir(project.path("pipelines")).unwrap();
    let name = all.next().unwrap().unwrap().file_name();
    format!("pipelines/{}", name.to_str().unwrap())
}

#[test]
fn looking_writes_nothing() {
    let project = scripted("import os\nprint(os.listdir('.'))\n");
    let files = || {
        let call = std::process::Command::new("find")
            .args([
                ".", "-newer", "train.py", "-type", "f", "-not", "-path", "./.git/*",
            ])
            .current_dir(project.root())
            .output()
            .unwrap();
        String::from_utf8(call.stdout).unwrap()
    };
    found_by(&project, 10, &[]);
    assert_eq!(
        project.read("train.py"),
        "import os\nprint(os.listdir('.'))\n"
    );
    assert!(!files().contains("reproof.lock"), "{}", files());
}

#[test]
fn every_rule_is_listed() {
    let project = Project::empty();
    let call = project.reproof(&["doctor", "--rules"]).expect(0);
    for rule in ["unsorted-files", "clock", "unknown-rule"] {
        assert!(call.out.contains(rule), "{}", call.out);
    }
}
