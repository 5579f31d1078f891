//! Notebooks as steps, in a real kernel: run from top to bottom, with parameters, kept with what came
//! out, and run again only when their source changed.

use serde_json::Value;

use crate::notebook::notebook;
use crate::support::{Project, statuses};

/// A kernel of IPython, and nothing else.
const REQUIREMENTS: &str = include_str!("notebook_steps/requirements.txt");

const STEP: &str = "  fit:\n    notebook: work/fit.ipynb\n    parameters: {rounds: 3, name: \"it's\"}\n    \
                    inputs: {rows: data}\n    outputs: {o: o.txt}\n";

const CELLS: [&str; 4] = [
    "rounds = 1\nname, other = 'a', None\n",
    "import json, os\nfrom helpers import double\nfrom shared.io import save\n\n\
     step = json.load(open('/reproof/step.json'))\n%time total = double(rounds)\n",
    "with open(step['metrics'], 'a') as file:\n    file.write(json.dumps({'name': 'total', 'value': total}))\n\
     print('total', total, os.path.basename(os.getcwd()))\n",
    "save(step['outputs']['o']['path'], f'{total} {name} {other} {sorted(step[\"inputs\"])}')\ntotal",
];

/// A project whose step runs a notebook of these cells, the first of them tagged `parameters`.
fn project(cells: &[&str], step: &str) -> Project {
    let project = Project::python(REQUIREMENTS, step);
    project.write("work/fit.ipynb", &tagged(cells, false));
    project.write("work/helpers.py", "def double(n):\n    return 2 * n\n");
    project.write(
        "shared/io.py",
        "def save(path, text):\n    open(path, 'w').write(text)\n",
    );
    project
}

fn tagged(cells: &[&str], run: bool) -> String {
    let text = notebook(cells, run);
    text.replacen(
        "\"metadata\": {}",
        "\"metadata\": {\"tags\": [\"parameters\"]}",
        1,
    )
}

fn status(run: &Value) -> String {
    statuses(run)[0].1.clone()
}

#[test]
fn a_notebook_is_run_from_top_to_bottom_and_again_when_its_source_changed() {
    let project = project(&CELLS, STEP);
    let first = project.run(&[]);
    assert_eq!(project.output(&first, "fit", "o"), "6 it's None ['rows']");
    let executed: Value = serde_json::from_str(&project.output(&first, "fit", "executed")).unwrap();
    let cells = executed["cells"].as_array().unwrap();
    assert_eq!(cells.len(), 5);
    assert_eq!(
        cells[1]["source"],
        "# Parameters\nname = \"it's\"\nrounds = 3"
    );
    assert_eq!(cells[3]["outputs"][0]["text"], "total 6 work\n");
    assert_eq!(cells[4]["outputs"][0]["data"]["text/plain"], "6");
    assert_eq!(cells[4]["execution_count"], 5);
    let log = project
        .reproof(&["show", "@latest", "--log", "fit"])
        .expect(0);
    assert!(log.out.contains("total 6 work"), "{}", log.out);
    let shown = project.reproof(&["show", "@latest"]).expect(0);
    assert!(
        shown.out.contains("notebook work/fit.ipynb"),
        "{}",
        shown.out
    );

    // Running it in Jupyter and saving, formatting and other tags change nothing.
    let cached = |what: &str| {
        let run = project.run(&[]);
        assert_eq!(status(&run), "cached", "{what}");
        assert_eq!(run["record"], first["record"], "{what}");
    };
    project.write("work/fit.ipynb", &tagged(&CELLS, true));
    cached("it was run in Jupyter");
    let compact: Value = serde_json::from_str(&tagged(&CELLS, true)).unwrap();
    project.write("work/fit.ipynb", &compact.to_string());
    cached("it is written in another way");
    project.write("work/unused.py", "x = 1\n");
    cached("a module that it does not import");

    project.write("work/helpers.py", "def double(n):\n    return 20 * n\n");
    let changed = project.run(&[]);
    assert_eq!(
        project.output(&changed, "fit", "o"),
        "60 it's None ['rows']"
    );
    let set = project.run(&["--set", "steps.fit.parameters.rounds=4"]);
    assert_eq!(project.output(&set, "fit", "o"), "80 it's None ['rows']");
    // The executed copy has times in it, and is not compared.
    let verified = project
        .reproof(&["verify", first["record"].as_str().unwrap()])
        .expect(0);
    assert!(verified.out.starts_with("identical"), "{}", verified.out);

    let id = first["record"].as_str().unwrap();
    let copy = project.reproof(&["notebook", "executed", id]).expect(0);
    assert!(copy.out.contains("total 6 work"), "{}", copy.out);
    let copy = [
        "notebook",
        "executed",
        id,
        "--step",
        "fit",
        "-o",
        "copy.ipynb",
    ];
    project.reproof(&copy).expect(0);
    assert!(project.read("copy.ipynb").contains("total 6 work"));
    project
        .reproof(&["notebook", "executed", id, "--step", "other"])
        .expect(2)
        .says(&["no notebook was run in"]);

    // What `plan` prints is the same pipeline.
    let plan = project.reproof(&["plan"]).expect(0);
    let yaml = plan.out.split_once("pipeline:").unwrap().1;
    assert!(
        yaml.contains("notebook: work/fit.ipynb") || yaml.contains("notebook: \"work/fit.ipynb\""),
        "{yaml}"
    );
    assert!(!yaml.contains("executed"), "{yaml}");
}

/// A notebook of these cells, each with a tag.
fn tagged_each(cells: &[(&str, &str)]) -> String {
    let sources: Vec<&str> = cells.iter().map(|(_, source)| *source).collect();
    let mut document: Value = serde_json::from_str(&notebook(&sources, false)).unwrap();
    for (cell, (tag, _)) in document["cells"]
        .as_array_mut()
        .unwrap()
        .iter_mut()
        .zip(cells)
    {
        cell["metadata"] = serde_json::json!({"tags": [tag]});
    }
    document.to_string()
}

#[test]
fn a_notebook_is_converted_to_a_pipeline_that_runs() {
    let project = Project::python(
        crate::support::SIX_17,
        "  none:\n    shell: a\n    outputs: {o: o}\n",
    );
    project.write("data/points.csv", "a\n1\n2\n");
    project.write("work/helpers.py", "def double(n):\n    return 2 * n\n");
    let cells = [
        ("", "import csv\nfrom helpers import double"),
        ("parameters", "rounds = 2\nname = \"it's\""),
        (
            "",
            "def total(rows):\n    return SCALE * sum(int(row[\"a\"]) for row in rows)\n\nSCALE = 10",
        ),
        (
            "step:load",
            "rows = list(csv.DictReader(open('../data/points.csv')))",
        ),
        (
            "step:fit",
            "grand = total(rows)\nrows.append({\"a\": \"1\"})",
        ),
        (
            "step:report",
            "%matplotlib inline\ncount = len(rows)\ntext = f\"{grand} {double(rounds)} {name}\"\nprint(text)",
        ),
    ];
    project.write("work/flow.ipynb", &tagged_each(&cells));
    let convert = project
        .reproof(&["notebook", "convert", "work/flow.ipynb"])
        .expect(0);
    for text in [
        "wrote pipelines/flow.yaml\n",
        "wrote work/flow_fit.py\n",
        "to decide: cell 6: '%matplotlib inline' is no Python, and was taken out",
        "then: reproof run flow",
    ] {
        assert!(
            convert.out.contains(text),
            "no '{text}' in:\n{}",
            convert.out
        );
    }
    let run = project.run(&["flow"]);
    let values = |step: &str| -> Value {
        serde_json::from_str(&project.output(&run, step, "values")).unwrap()
    };
    assert_eq!(values("fit"), serde_json::json!({"grand": 30}));
    assert_eq!(
        values("report"),
        serde_json::json!({"count": 3, "text": "30 4 it's"})
    );
    let run = project.run(&["flow", "--set", "steps.report.parameters.rounds=5"]);
    let report = project.output(&run, "report", "values");
    assert!(report.contains("30 10 it's"), "{report}");
    let cached = statuses(&run)
        .into_iter()
        .filter(|(_, status)| status == "cached")
        .count();
    assert_eq!(cached, 3, "only the last step ran again");
    project.reproof(&["verify", "flow@latest"]).expect(0);

    project
        .reproof(&["notebook", "convert", "work/flow.ipynb"])
        .expect(2)
        .says(&["there is a file 'pipelines/flow.yaml' already", "--force"]);
    project.write("work/star.ipynb", &notebook(&["from os import *"], false));
    project
        .reproof(&["notebook", "convert", "work/star.ipynb"])
        .expect(2)
        .says(&[
            "what it defines is not certain: from cell 1 on",
            "'from os import *'",
        ]);
}

#[test]
fn a_notebook_is_run_without_isolation_where_that_is_granted() {
    let project = project(&CELLS, STEP);
    let cells =
        CELLS.map(|cell| cell.replace("'/reproof/step.json'", "os.environ['REPROOF_STEP']"));
    let cells: Vec<&str> = cells.iter().map(String::as_str).collect();
    project.write("work/fit.ipynb", &tagged(&cells, false));
    let run = project.run(&["--isolation", "none"]);
    assert_eq!(project.output(&run, "fit", "o"), "6 it's None ['rows']");
}

#[test]
fn the_cell_that_failed_is_shown() {
    let cells = [
        "rounds = 1",
        "def inverse(x):\n    return 1 / x\n",
        "\n",
        "print('so far')\ninverse(0)\n",
    ];
    let project = project(
        &cells,
        "  fit:\n    notebook: work/fit.ipynb\n    outputs: {}\n",
    );
    project.reproof(&["run"]).expect(11).says(&[
        "fit | so far",
        "fit | --- cell 4 ---",
        "fit | 2 | inverse(0)",
        "return 1 / x",
        "step 'fit' failed: work/fit.ipynb: cell 4 failed: ZeroDivisionError: division by zero",
    ]);
    // What was run so far is kept, with the error; also from gc.
    project.reproof(&["gc"]).expect(0);
    let log = project.reproof(&["log", "--json"]).json();
    let id = log["executions"][0]["execution"]["id"].as_str().unwrap();
    let copy = project.reproof(&["notebook", "executed", id]).expect(0);
    let copy: Value = serde_json::from_str(&copy.out).unwrap();
    let outputs = |cell: usize| copy["cells"][cell]["outputs"].as_array().unwrap();
    assert_eq!(outputs(3)[0]["text"], "so far\n");
    assert_eq!(outputs(3)[1]["ename"], "ZeroDivisionError");
    assert_eq!(copy["cells"][3]["execution_count"], 3);
    // An error that is meant lets it go on; a kernel that is killed does not.
    let text = notebook(&["1 / 0", "print('after')"], false);
    let meant = text.replacen(
        "\"metadata\": {}",
        "\"metadata\": {\"tags\": [\"raises-exception\"]}",
        1,
    );
    project.write("work/fit.ipynb", &meant);
    let run = project.run(&[]);
    let executed = project.output(&run, "fit", "executed");
    assert!(executed.contains("ZeroDivisionError") && executed.contains("after"));
    project.write(
        "work/fit.ipynb",
        &notebook(&["1", "import os\nos.kill(os.getpid(), 9)"], false),
    );
    project
        .reproof(&["run"])
        .expect(11)
        .says(&["cell 2 failed: the kernel ended with signal 9"]);
}

#[test]
fn parameters_are_those_that_the_notebook_sets() {
    let project = project(&CELLS, &STEP.replace("rounds: 3", "round: 3"));
    project.reproof(&["run"]).expect(11).says(&[
        "the parameter 'round' is none of the notebook: cell 1, which is tagged 'parameters', sets \
         name, other, rounds",
    ]);
}

#[test]
fn what_is_wrong_with_a_step_is_said_before_it_runs() {
    let project = Project::python(REQUIREMENTS, STEP);
    project.reproof(&["run"]).expect(2).says(&[
        "the notebook 'work/fit.ipynb' is not part of the captured code",
        "reproof notebook strip",
    ]);
    project.write("work/fit.ipynb", "{\"nbformat\": 3, \"worksheets\": []}");
    project
        .reproof(&["run"])
        .expect(2)
        .says(&["work/fit.ipynb: it is of notebook format 3.0", "nbconvert"]);
    let other = tagged(&CELLS, false).replace("\"python\"", "\"R\"");
    project.write("work/fit.ipynb", &other);
    project
        .reproof(&["run"])
        .expect(2)
        .says(&["work/fit.ipynb: its code is r; only Python is run"]);
    project.write("work/fit.ipynb", &tagged(&CELLS, false));
    project.write("requirements.txt", crate::support::SIX_17);
    project.reproof(&["run"]).expect(2).says(&[
        "the environment 'default' lacks ipykernel",
        "add the line 'ipykernel' to requirements.in, then 'reproof env lock'",
    ]);
    for (from, to, expected) in [
        (
            "work/fit.ipynb",
            "work/fit.py",
            "'work/fit.py' is not a notebook of the project",
        ),
        (
            "work/fit.ipynb",
            "../fit.ipynb",
            "'../fit.ipynb' is not a notebook of the project",
        ),
        (
            "rounds: 3",
            "learning-rate: 3",
            "'learning-rate' is not the name of a parameter",
        ),
        (
            "o: o.txt",
            "executed: o.txt",
            "the output 'executed' is every notebook's own",
        ),
        (
            "o: o.txt",
            "o: executed.ipynb",
            "is where the executed notebook lies",
        ),
        (
            "    notebook:",
            "    run: [a]\n    notebook:",
            "a program has one of 'run', 'shell' and 'notebook'",
        ),
    ] {
        let step = STEP.replace(from, to);
        let pipeline = format!("pipeline: steps\ndata: {{csv: data/rows.csv}}\nsteps:\n{step}");
        project.write("pipelines/steps.yaml", &pipeline);
        project
            .reproof(&["plan"])
            .expect(2)
            .says(&[expected, "pipelines/steps.yaml:"]);
    }
}
