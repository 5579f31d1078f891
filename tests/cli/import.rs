//! `reproof import`: a pipeline from a plain script, which runs and verifies.

use serde_json::{Value, json};

use crate::support::{Project, SIX_16, need_uv, statuses};

/// Constants at the top, one data file, two outputs.
const CONSTANTS: &str = r#""""Fits a line to what was sold."""
import csv
import json
import random

DATA = "data/sales.csv"
RATE = 0.5
ROUNDS = 20
random.seed(7)

with open(DATA) as file:
    rows = [(float(row["x"]), float(row["y"])) for row in csv.DictReader(file)]
slope = 0.0
for _ in range(ROUNDS):
    random.shuffle(rows)
    error = sum((slope * x - y) * x for x, y in sorted(rows)) / len(rows)
    slope -= RATE * error / 10
with open("model.json", "w") as file:
    json.dump({"slope": slope, "rate": RATE}, file)
json.dump({"rounds": ROUNDS}, open("made/scores.json", "w"))
print("slope", slope)
"#;

/// Arguments, two data files, a module beside it, and an exit code.
const ARGUMENTS: &str = r#"import argparse
import os
import pickle
import sys
from pathlib import Path

from helpers import total


class Model:
    def __init__(self, names, total):
        self.names, self.total = names, total


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", default="data/sales.csv", help="what was sold")
    parser.add_argument("--scale", type=float, default=1.5)
    parser.add_argument("--top-n", type=int, default=2)
    parser.add_argument("--verbose", action="store_true")
    parser.add_argument("--out", default="out")
    args = parser.parse_args()
    names = Path(__file__).parent / "names.txt"
    model = Model(names.read_text().split()[: args.top_n], args.scale * total(args.rows))
    os.makedirs(args.out, exist_ok=True)
    with open(os.path.join(args.out, "model.pkl"), "wb") as file:
        pickle.dump(model, file)
    with open(f"{args.out}/summary.txt", "w") as file:
        file.write(f"{model.names} {model.total} {args.verbose}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
"#;
const HELPERS: &str = "def total(path):\n    with open(path) as file:\n        \
                       return sum(float(line.split(',')[1]) for line in list(file)[1:])\n";

fn project() -> Project {
    need_uv();
    let project = Project::empty();
    project.write("requirements.txt", SIX_16);
    project.write("data/sales.csv", "x,y\n1,2\n2,4\n3,6\n");
    project.write("results/old.txt", "old\n");
    project.write("train.py", CONSTANTS);
    project.write("scripts/summarise.py", ARGUMENTS);
    project.write("scripts/helpers.py", HELPERS);
    project.write("scripts/names.txt", "ada grace kurt");
    project
}

#[test]
fn a_script_with_constants_runs_and_verifies() {
    let project = project();
    let call = project.reproof(&["import", "train.py"]).expect(0);
    for line in [
        "wrote reproof.toml",
        "wrote pipelines/train.yaml",
        "wrote steps/train.py",
        "left requirements.txt as it is",
        "data sales: data/sales.csv",
        "output scores: made/scores.json",
        "parameter RATE: 0.5",
        "seed, line 9: random.seed(7)",
        "then: reproof run train",
    ] {
        assert!(
            call.out.lines().any(|found| found == line),
            "no '{line}' in:\n{}",
            call.out
        );
    }
    assert_eq!(project.read("train.py"), CONSTANTS);
    let run = project.run(&["train"]);
    let model: Value = serde_json::from_str(&project.output(&run, "train", "model")).unwrap();
    assert_eq!(model["rate"], 0.5);
    let scores = project.output(&run, "train", "scores");
    assert_eq!(scores, "{\"rounds\": 20}");
    let record = run["record"].as_str().unwrap();
    project.reproof(&["verify", record]).expect(0);
    // Nothing of it lies in the project; what it prints is in the log.
    assert!(!project.path("model.json").exists());
    let log = project
        .reproof(&["show", record, "--log", "train"])
        .expect(0);
    assert!(log.out.contains("slope"), "{}", log.out);
    // A parameter stands in for the constant, as a number with a fraction.
    let other = project.run(&["train", "--set", "steps.train.parameters.RATE=1"]);
    let model: Value = serde_json::from_str(&project.output(&other, "train", "model")).unwrap();
    assert_eq!(model["rate"].to_string(), "1.0");
    // The data and the script are what the step depends on.
    assert_eq!(statuses(&project.run(&["train"]))[0].1, "cached");
    project.write("data/sales.csv", "x,y\n1,3\n");
    assert_eq!(statuses(&project.run(&["train"]))[0].1, "ran");
    project.edit("train.py", "ROUNDS = 20", "ROUNDS = 21");
    let edited = project.run(&["train"]);
    assert_eq!(
        project.output(&edited, "train", "scores"),
        "{\"rounds\": 20}"
    );
}

#[test]
fn a_script_with_arguments_and_modules_runs_and_verifies() {
    let project = project();
    let call = project.reproof(&["import", "scripts/summarise.py", "--json"]);
    let found = call.json();
    assert_eq!(
        found["data"],
        json!({"names": "scripts/names.txt", "sales": "data/sales.csv"})
    );
    assert_eq!(
        found["parameters"],
        json!({"scale": 1.5, "top_n": 2, "verbose": false})
    );
    assert_eq!(
        found["outputs"],
        json!({"model": "out/model.pkl", "summary": "out/summary.txt"})
    );
    let run = project.run(&["summarise"]);
    let summary = |run: &Value| project.output(run, "summarise", "summary");
    assert_eq!(summary(&run), "['ada', 'grace'] 18.0 False\n");
    project
        .reproof(&["verify", run["record"].as_str().unwrap()])
        .expect(0);
    let set = |text: &str| project.run(&["summarise", "--set", text]);
    let other = set("steps.summarise.parameters.scale=-2");
    assert_eq!(summary(&other), "['ada', 'grace'] -24.0 False\n");
    let other = set("steps.summarise.parameters.verbose=true");
    assert_eq!(summary(&other), "['ada', 'grace'] 18.0 True\n");
}

#[test]
fn what_a_script_prints_is_the_output_where_it_writes_nothing() {
    let project = project();
    let count = "import glob\nfor path in sorted(glob.glob('data/*.csv')):\n    \
                 print(path, len(open(path).readlines()))\n";
    project.write("Count-Rows.py", count);
    project.reproof(&["import", "Count-Rows.py"]).expect(0);
    let run = project.run(&["count-rows"]);
    assert_eq!(
        project.output(&run, "count-rows", "printed"),
        "data/sales.csv 4\n"
    );
    // One without data has what every project has.
    project.write("plain.py", "open('a.txt', 'w').write('a')\n");
    project.reproof(&["import", "plain.py"]).expect(0);
    let run = project.run(&["plain"]);
    assert_eq!(project.output(&run, "plain", "a"), "a");
    // A script that fails, or does not write what it was said to, fails as a step.
    project.write(
        "bad.py",
        "import sys\nif len(sys.argv) > 5:\n    open('o.txt', 'w')\n",
    );
    project.reproof(&["import", "bad.py"]).expect(0);
    let call = project.reproof(&["run", "bad"]).expect(11);
    call.says(&["bad.py wrote no 'o.txt'", "take the output 'o' out"]);
    project.write(
        "bad.py",
        "import sys\nopen('o.txt', 'w')\nsys.exit('no luck')\n",
    );
    project
        .reproof(&["run", "bad"])
        .expect(11)
        .says(&["no luck"]);
}

#[test]
fn what_modules_read_and_write_is_found() {
    let project = project();
    project.write(
        "loader.py",
        "LEAST = 2\n\ndef rows():\n    return open('data/sales.csv').read().split()\n\n\
         def save(text):\n    open('made/total.txt', 'w').write(text)\n",
    );
    project.write(
        "sum.py",
        "import os\nimport loader\nSTEP = .5\nos.makedirs('made', exist_ok=True)\n\
         loader.save(str(STEP * len(loader.rows())))\n",
    );
    let call = project.reproof(&["import", "sum.py"]).expect(0);
    for line in [
        "data sales: data/sales.csv",
        "output total: made/total.txt",
        "parameter STEP: 0.5",
    ] {
        let mut lines = call.out.lines();
        assert!(lines.any(|found| found == line), "{}", call.out);
    }
    assert!(!call.out.contains("LEAST"), "{}", call.out);
    let run = project.run(&["sum"]);
    assert_eq!(project.output(&run, "sum", "total"), "2.0");
}

#[test]
fn nothing_is_overwritten_and_a_dry_run_writes_nothing() {
    let project = project();
    std::fs::remove_file(project.path("requirements.txt")).unwrap();
    let call = project
        .reproof(&["import", "train.py", "--dry-run"])
        .expect(0);
    for file in [
        "pipelines/train.yaml",
        "steps/train.py",
        "requirements.in",
        "reproof.toml",
    ] {
        assert!(call.out.contains(&format!("--- {file}\n")), "{}", call.out);
        assert!(!project.path(file).exists());
    }
    let call = project
        .reproof(&["import", "train.py", "--dry-run", "--json"])
        .json();
    assert!(
        call["files"]["pipelines/train.yaml"]
            .as_str()
            .unwrap()
            .contains("pipeline: train\n")
    );
    assert_eq!(call["written"], json!([]));
    assert!(!project.path(".gitignore").exists());
    project.write("reproof.toml", "# mine\n");
    project.write("requirements.in", "# mine\n");
    let call = project.reproof(&["import", "train.py"]).expect(0);
    assert!(
        call.out
            .contains("then: reproof env lock, and reproof run train"),
        "{}",
        call.out
    );
    for file in ["reproof.toml", "requirements.in"] {
        assert_eq!(project.read(file), "# mine\n");
        assert!(call.out.contains(&format!("left {file} as it is")));
    }
    let pipeline = project.read("pipelines/train.yaml");
    project
        .reproof(&["import", "train.py"])
        .expect(2)
        .says(&["there is a file 'pipelines/train.yaml' already", "--name"]);
    assert_eq!(project.read("pipelines/train.yaml"), pipeline);
    project
        .reproof(&["import", "train.py", "--name", "other"])
        .expect(0);
    assert!(project.path("steps/other.py").exists());
}

#[test]
fn what_cannot_be_imported_is_said() {
    let project = project();
    project.write("broken.py", "x = 1\nif x\n");
    project.write("flow.ipynb", "{}");
    project.write("1.py", "");
    let says = |arguments: &[&str], texts: &[&str]| {
        let all = [&["import"], arguments].concat();
        project.reproof(&all).expect(2).says(texts);
    };
    says(&["broken.py"], &["broken.py:2:5: it is no Python"]);
    says(
        &["flow.ipynb"],
        &["is a notebook", "reproof notebook convert flow.ipynb"],
    );
    says(&["1.py"], &["--name NAME"]);
    says(&["data"], &["is no file"]);
    says(&["none.py"], &["none.py"]);
    project.write("inner/reproof.toml", "");
    let mut command = project.command(&["-C", "inner", "import", "../train.py"]);
    crate::support::call(&mut command)
        .expect(2)
        .says(&["outside of the project"]);
    assert!(!project.path("pipelines").exists());
}
