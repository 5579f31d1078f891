//! The Python package that the binary carries: programs that use it, inside Reproof and by hand.

use std::process::Command;

use reproof_record::Digest;
use serde_json::Value;

use crate::support::{Project, SIX_16, call, statuses};

/// A step that runs `train.py`.
const TRAIN: &str = concat!(
    "  train:\n",
    "    run: [python, train.py]\n",
    "    inputs: {rows: data}\n",
    "    parameters: {c: 1.0, names: [a, b], items: 3}\n",
    "    outputs: {model: model/, curve: plots/curve.json}\n",
);

const PROGRAM: &str = r#"
import json
import pathlib
import random
import reproof

step = reproof.step(parameters={"c": 0.5, "extra": "default"})
assert reproof.step() is step
assert step.inputs == ("rows",) and step.outputs == ("curve", "model")
rows = step.input("rows")
assert rows.read_bytes()[:4] == b"PAR1" and isinstance(rows, pathlib.Path)
c = step.parameters.c
assert (c, type(c)) == (1.0, float), c
assert step.parameters["items"] == 3 and step.parameters.get("none", 4) == 4
assert dict(**step.parameters)["extra"] == "default"
assert step.threads == 1 and 0 <= step.seed < 2**32
step.seed_everything()
first = random.random()
step.seed_everything()
assert random.random() == first
for epoch in range(2):
    step.metric("loss", 1 / (1 + epoch), step=epoch)
step.metric("not_finite", float("nan"))
step.observe("fit_seconds", 2)
step.observe("fit_seconds", 2.5)
(step.output("model") / "parts" / "weights.json").write_json({"b": [first], "a": {"y", "x"}})
step.output("curve").write_json([c])
"#;

fn train(program: &str) -> Project {
    let project = Project::python(SIX_16, TRAIN);
    project.write("train.py", program);
    project
}

/// The paths of the code that a step of a run saw.
fn code(project: &Project, run: &Value, step: &str) -> Vec<String> {
    let record = project.reproof(&["show", "--json", run["record"].as_str().unwrap()]);
    let record = record.json();
    let digest = &record["record"]["recipe"]["steps"][step]["program"]["code"];
    let digest: Digest = digest.as_str().unwrap().parse().unwrap();
    let files = project.store().tree(&digest).unwrap().files.into_iter();
    files.map(|entry| entry.path.to_string()).collect()
}

#[test]
fn a_program_uses_what_the_binary_carries() {
    let project = train(PROGRAM);
    let run = project.run(&[]);
    assert_eq!(project.output(&run, "train", "curve"), "[\n  1.0\n]\n");
    let model = project.output(&run, "train", "model");
    assert!(
        model.starts_with("{\n  \"a\": [\n    \"x\",\n    \"y\"\n  ],\n  \"b\""),
        "{model}"
    );
    let reported: Value = serde_json::from_str(&project.output(&run, "train", "reported")).unwrap();
    assert_eq!(
        reported["metrics"],
        serde_json::json!([
            {"name": "loss", "step": 0, "value": 1},
            {"name": "loss", "step": 1, "value": 0.5},
            {"name": "not_finite", "value": null},
        ])
    );
    let observed = &run["execution"]["steps"]["train"]["observations"];
    assert_eq!(observed["fit_seconds"], 2.5, "{observed}");
    let files = code(&project, &run, "train");
    assert!(
        files.contains(&".reproof/sdk/reproof/_step.py".to_owned()),
        "{files:?}"
    );
    assert!(files.contains(&"train.py".to_owned()), "{files:?}");

    let again = project.run(&[]);
    assert_eq!(
        statuses(&again),
        [("train".to_owned(), "cached".to_owned())]
    );
    assert_eq!(again["record"], run["record"]);
    let verified = project.reproof(&["verify", "--json", "@latest"]).json();
    assert_eq!(verified["verdict"], "identical");
    project.run(&["--isolation", "none", "--no-cache"]);
}

#[test]
fn a_program_that_does_not_import_it_has_its_own_code_alone() {
    let project = train(
        "import json, os\nstep = json.load(open('/reproof/step.json'))['outputs']\n\
         os.mkdir(step['model']['path'])\nopen(step['model']['path'] + '/m', 'w').write('m')\n\
         open(step['curve']['path'], 'w').write('c')\n",
    );
    let run = project.run(&[]);
    assert_eq!(code(&project, &run, "train"), ["train.py"]);
}

#[test]
fn a_module_of_the_project_stands_instead() {
    let project = train(
        "import reproof\nimport pathlib\npathlib.Path('/reproof/out/model').mkdir()\n\
         pathlib.Path('/reproof/out/model/m').write_text(reproof.WHOSE)\n\
         pathlib.Path('/reproof/out/plots/curve.json').write_text('')\n",
    );
    project.write("reproof.py", "WHOSE = 'mine'\n");
    let run = project.run(&[]);
    assert_eq!(project.output(&run, "train", "model"), "mine");
    assert_eq!(code(&project, &run, "train"), ["reproof.py", "train.py"]);
}

/// A package of the environment with the same name is what the step sees.
#[test]
fn a_package_of_the_environment_stands_instead() {
    let project = train(
        "import reproof\nimport pathlib\npathlib.Path('/reproof/out/model').mkdir()\n\
         pathlib.Path('/reproof/out/model/m').write_text(reproof.WHOSE)\n\
         pathlib.Path('/reproof/out/plots/curve.json').write_text('')\n",
    );
    // A wheel of its own, in a folder beside the project.
    let made = Command::new("python3")
        .args(["-c", WHEEL])
        .current_dir(project.root())
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
    let hash = String::from_utf8(made.stdout).unwrap();
    let pinned = format!("reproof==9.0 --hash=sha256:{}\n", hash.trim());
    project.write("requirements.txt", &pinned);
    let mut command = project.command(&["run", "--json"]);
    let run = call(command.env("UV_FIND_LINKS", project.path(".reproof/wheels"))).json();
    assert_eq!(project.output(&run, "train", "model"), "environment");
    assert_eq!(code(&project, &run, "train"), ["train.py"]);
}

/// Writes a wheel and prints its digest.
const WHEEL: &str = r#"
import hashlib, os, zipfile
os.makedirs(".reproof/wheels")
path = ".reproof/wheels/reproof-9.0-py3-none-any.whl"
files = {
    "reproof/__init__.py": "WHOSE = 'environment'\n",
    "reproof-9.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: reproof\nVersion: 9.0\n",
    "reproof-9.0.dist-info/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    "reproof-9.0.dist-info/RECORD": "reproof/__init__.py,,\n",
}
with zipfile.ZipFile(path, "w") as wheel:
    for name, text in files.items():
        wheel.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), text)
print(hashlib.sha256(open(path, "rb").read()).hexdigest())
"#;

/// Scripts in folders and modules that they import find it, too.
#[test]
fn it_is_found_from_every_folder() {
    let project = Project::python(
        SIX_16,
        concat!(
            "  deep:\n",
            "    run: [python, steps/deep/fit.py]\n",
            "    outputs: {o: o.txt}\n",
            "  module:\n",
            "    run: [python, -m, steps.deep.fit]\n",
            "    outputs: {o: o.txt}\n",
        ),
    );
    project.write("steps/deep/fit.py", "import common\n");
    project.write(
        "src/common.py",
        "def write():\n    import reproof\n    reproof.step().output('o').write_text('made')\n\nwrite()\n",
    );
    let run = project.run(&[]);
    for step in ["deep", "module"] {
        assert_eq!(project.output(&run, step, "o"), "made", "{step}");
    }
}

#[test]
fn mistakes_are_told_with_what_is_declared() {
    for (line, expect) in [
        (
            "step.input('row')",
            "there is no input 'row': did you mean 'rows'? (declared: rows)",
        ),
        (
            "step.output('curv')",
            "did you mean 'curve'? (declared: curve, model)",
        ),
        (
            "step.parameters.nams",
            "there is no parameter 'nams': did you mean 'names'?",
        ),
        (
            "step.metric('a', 1); step.metric('a', 2)",
            "the metric 'a' is 1 already",
        ),
        ("step.metric('a', 'b')", "'a' is to be a number, not 'b'"),
        (
            "step.input('rows').pandas()",
            "the package 'pandas', which is not in this environment: add 'pandas' and 'pyarrow' to \
             requirements.in",
        ),
        (
            "step.output('model').write_json(1)",
            "the output 'model' is a folder",
        ),
    ] {
        let project = train(&format!("import reproof\nstep = reproof.step()\n{line}\n"));
        project
            .reproof(&["run"])
            .expect(11)
            .says(&["train.py\", line 3", expect]);
    }
}

#[test]
fn a_metric_that_sounds_like_a_time_is_warned_of() {
    let project = train(PROGRAM);
    project.edit(
        "train.py",
        "step.observe(\"fit_seconds\", 2)",
        "step.metric(\"fit_seconds\", 2)",
    );
    let run = project.run(&[]);
    let record = run["record"].as_str().unwrap();
    let log = project
        .reproof(&["show", record, "--log", "train"])
        .expect(0);
    assert!(
        log.out.contains("step.observe('fit_seconds', …)"),
        "{}",
        log.out
    );
}

/// The same script runs by hand, with what its call says.
#[test]
fn outside_reproof_it_is_a_plain_script() {
    let project = Project::empty();
    project.write("data/rows.csv", "a,b\n1,2\n");
    project.write(
        "train.py",
        "import reproof\nstep = reproof.step(parameters={'c': 1.5})\n\
         text = step.input('rows').read_text()\n\
         (step.output('model') / 'model.json').write_json([len(text), step.parameters.c])\n\
         step.metric('size', len(text))\nstep.input('none')\n",
    );
    let package = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../python/src");
    let mut command = Command::new("python3");
    command.arg("train.py").current_dir(project.root());
    command
        .env_remove("REPROOF_STEP")
        .env("PYTHONPATH", package);
    let ran = call(&mut command).expect(1);
    let ran = ran.says(&["there is no input 'none'", "data/none.csv"]);
    assert_eq!(ran.out, "metric size = 8\n");
    assert_eq!(
        project.read(".reproof/local/model/model.json"),
        "[\n  8,\n  1.5\n]\n"
    );
}
