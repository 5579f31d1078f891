//! What the page on determinism promises of the profile `portable`: programs of common libraries
//! make the same bytes in every run, and on another processor. `benches/determinism` measures more
//! programs in more settings.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::examples_programs::reproof;
use crate::support::{Project, call, example};

const PROGRAMS: [&str; 3] = ["logistic_regression", "hist_gradient_boosting", "xgboost"];

fn bench(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../benches/determinism")
        .join(file)
}

/// The numbers of about a thousand diamonds.
fn diamonds() -> String {
    let all = std::fs::read_to_string(example("diamonds").join("data/diamonds.csv")).unwrap();
    let (header, rows) = all.split_once('\n').unwrap();
    std::iter::once(header)
        .chain(rows.lines().step_by(53))
        .map(|row| {
            let fields: Vec<_> = row.split(',').collect();
            [0, 4, 5, 6, 7, 8, 9].map(|field| fields[field]).join(",") + "\n"
        })
        .collect()
}

fn project() -> Project {
    let project = Project::empty();
    for file in ["programs.py", "reproof.toml", "requirements.txt"] {
        std::fs::copy(bench(file), project.path(file)).unwrap();
    }
    project.write("data/diamonds.csv", &diamonds());
    let steps: String = PROGRAMS
        .iter()
        .map(|name| {
            format!(
                "  {name}:\n    run: [python, programs.py, {name}]\n    inputs: {{table: data}}\n    \
                 outputs: {{model: model, predictions: predictions}}\n"
            )
        })
        .collect();
    project.write(
        "pipelines/programs.yaml",
        &format!("pipeline: programs\ndata: {{csv: data/diamonds.csv}}\nsteps:\n{steps}"),
    );
    project
}

/// What a program says that it made, and saw as variables, in short hashes.
fn hashes(said: &Value) -> BTreeMap<&'static str, u64> {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let hash = |name| (name, said[name].as_f64().unwrap() as u64);
    ["model", "predictions", "variables"].map(hash).into()
}

#[test]
fn programs_make_the_same_in_every_run_and_on_another_processor() {
    let project = project();
    let run = || reproof(&project, &["run", "--no-cache", "--json"]).json();
    let first = run();
    let outputs = |run: &Value, name: &str| run["execution"]["steps"][name]["outputs"].clone();
    for again in [run(), run()] {
        for name in PROGRAMS {
            assert_eq!(outputs(&again, name), outputs(&first, name), "{name}");
        }
        assert_eq!(again["record"], first["record"]);
    }

    if Command::new("qemu-x86_64")
        .arg("--version")
        .output()
        .is_err()
    {
        eprintln!("no qemu-x86_64: other processors were not tried");
        return;
    }
    let environment = reproof(&project, &["env", "show", "--json"]).json();
    let environment = environment["folder"].as_str().unwrap();
    for name in PROGRAMS {
        let mut elsewhere = Command::new("python3");
        elsewhere.arg(bench("measure.py")).arg("elsewhere");
        elsewhere.arg(project.root()).arg(environment);
        let found = call(elsewhere.args(["portable", "Haswell", name])).json();
        let expect = &first["execution"]["steps"][name]["observations"];
        assert_eq!(hashes(&found), hashes(expect), "{name}");
    }
}
