//! Pipelines that are written in Python: the same records as of YAML, and errors by their lines.

use serde_json::Value;

use crate::support::{Project, SIX_16, statuses};

/// Two programs and the pipeline of them.
const GRAPH: &str = r#"import reproof


@reproof.program(outputs={"rows": "rows.csv", "note": {"path": "note.txt", "compare": "ignore"}})
def clean(raw, *, least=1.0, words=("a", "b")):
    step = reproof.step()
    assert raw.read_bytes()[:4] == b"PAR1"
    assert isinstance(least, float), least
    step.output("rows").write_text(f"least,words\n{least},{'-'.join(words)}\n")
    step.output("note").write_text("noted")


@reproof.program(outputs={"total": "total.json"})
def count(rows, other=None, **more):
    step = reproof.step()
    step.metric("more", len(more))
    step.output("total").write_json([rows.name, other is None, more, step.seed])


@reproof.pipeline(seed=7)
def graph():
    data = reproof.data(csv="data/rows.csv")
    cleaned = clean(data, least=2)
    count(cleaned.rows, depth=3)
    count.options(name="both", threads=2)(rows=cleaned.rows, other=data)
"#;

/// The same as YAML.
const YAML: &str = r"pipeline: another_name
seed: 7
data: {csv: data/rows.csv}
steps:
  clean:
    run: [python, -m, reproof.call, pipelines/graph.py, clean]
    inputs: {raw: data}
    parameters: {least: 2, words: [a, b]}
    outputs: {rows: rows.csv, note: {path: note.txt, compare: ignore}}
  count:
    run: [python, -m, reproof.call, pipelines/graph.py, count]
    inputs: {rows: clean.rows}
    parameters: {depth: 3}
    outputs: {total: total.json}
  both:
    run: [python, -m, reproof.call, pipelines/graph.py, count]
    inputs: {rows: clean.rows, other: data}
    threads: 2
    outputs: {total: total.json}
";

/// A project whose pipelines are these files.
fn project(files: &[(&str, &str)]) -> Project {
    let project = Project::python(SIX_16, "");
    std::fs::remove_file(project.path("pipelines/steps.yaml")).unwrap();
    for (file, text) in files {
        project.write(file, text);
    }
    project
}

#[test]
fn written_both_ways_it_is_one_record() {
    let project = project(&[("pipelines/graph.py", GRAPH), ("pipelines/yaml.yaml", YAML)]);
    let python = project.run(&["graph"]);
    assert_eq!(python["execution"]["pipeline"], "graph");
    assert_eq!(python["execution"]["pipeline_file"], "pipelines/graph.py");
    let total: Value = serde_json::from_str(&project.output(&python, "both", "total")).unwrap();
    assert_eq!(total[0], "rows.parquet");
    assert_eq!(
        (&total[1], &total[2]),
        (&Value::Bool(false), &serde_json::json!({}))
    );
    let yaml = project.run(&["yaml"]);
    assert_eq!(yaml["record"], python["record"]);
    assert!(statuses(&yaml).iter().all(|(_, status)| status == "cached"));

    // What stands beside the pipeline is no pipeline; by its path it is one all the same.
    project.write("pipelines/helpers.py", "def pipeline():\n    pass\n");
    std::fs::remove_file(project.path("pipelines/yaml.yaml")).unwrap();
    assert_eq!(project.record(&[]), python["record"]);
    assert_eq!(
        project.record(&["pipelines/graph.py", "--locked"]),
        python["record"]
    );
    let verified = project.reproof(&["verify", "--json", "@latest"]).json();
    assert_eq!(verified["verdict"], "identical");

    let other = project.run(&["--set", "steps.count.parameters.depth=4"]);
    assert_ne!(other["record"], python["record"]);
    let plan = project.reproof(&["plan"]).expect(0);
    assert!(plan.out.contains("reproof.call"), "{}", plan.out);
}

/// The file runs again only where something of it changed.
#[test]
fn an_unchanged_file_is_not_run_again() {
    let text = GRAPH.replace(
        "    data = reproof",
        "    import time\n    time.sleep(5)\n    data = reproof",
    );
    let project = project(&[("pipelines/graph.py", &text)]);
    project.run(&[]);
    let started = std::time::Instant::now();
    let again = project.run(&[]);
    assert!(started.elapsed().as_secs_f64() < 4.5);
    assert!(
        statuses(&again)
            .iter()
            .all(|(_, status)| status == "cached")
    );
}

/// Blocks, with a program from a module of the project.
#[test]
fn blocks_stand_as_they_do_in_yaml() {
    let project = Project::python(SIX_16, "");
    std::fs::remove_file(project.path("pipelines/steps.yaml")).unwrap();
    let rows: String = (0..200).map(|row| format!("{row},{}\n", row % 2)).collect();
    project.write("data/rows.csv", &format!("x,y\n{rows}"));
    project.write(
        "steps.py",
        "import reproof\n\n@reproof.program\ndef train(features, table, *, value=0.5):\n    \
         step = reproof.step()\n    (step.output('model') / 'm.json').write_json(value)\n\n\
         @reproof.program(outputs={'predictions': 'predictions.csv'})\ndef predict(features, model):\n    \
         step = reproof.step()\n    value = (model / 'm.json').read_text().strip()\n    \
         rows = step.parameters.get('rows', ROWS)\n    \
         step.output('predictions').write_text('prediction\\n' + (value + '\\n') * rows)\n\n\
         ROWS = 100\n",
    );
    let blocks = r#"
import reproof
from steps import predict, train

@reproof.pipeline
def blocks():
    return {
        "data": {"csv": "data/rows.csv"},
        "label": "y",
        "split": {"random": {"train": 0.5, "eval": 0.5, "exact": True}},
        "train": train(value=0.25),
        "predict": predict(),
        "evaluate": {"task": "regression", "metrics": ["rmse"]},
    }
"#;
    project.write("pipelines/blocks.py", blocks);
    let yaml = concat!(
        "pipeline: blocks\ndata: {csv: data/rows.csv}\nlabel: y\n",
        "split: {random: {train: 0.5, eval: 0.5, exact: true}}\n",
        "train: {run: [python, -m, reproof.call, steps.py, train], parameters: {value: 0.25}}\n",
        "predict:\n  run: [python, -m, reproof.call, steps.py, predict]\n",
        "  outputs: {predictions: predictions.csv}\n",
        "evaluate: {task: regression, metrics: [rmse]}\n",
    );
    project.write("other.yaml", yaml);
    let python = project.record(&[]);
    assert_eq!(project.record(&["other.yaml"]), python);
    // Another pipeline file runs no program again whose file is the same.
    project.edit("pipelines/blocks.py", "[\"rmse\"]", "[\"rmse\", \"mae\"]");
    let again = project.run(&[]);
    let ran: Vec<_> = statuses(&again)
        .into_iter()
        .filter(|(_, status)| status == "ran")
        .collect();
    assert_eq!(ran, [("evaluate".to_owned(), "ran".to_owned())]);
}

#[test]
fn what_is_wrong_is_told_by_the_lines_of_the_file() {
    for (from, to, code, expect) in [
        (
            "clean(data, least=2)",
            "clean(data, lest=2)",
            2,
            &[
                "pipelines/graph.py\", line 23, in graph",
                "there is no input or parameter of clean() 'lest': did you mean 'least'?",
            ][..],
        ),
        (
            "data = reproof",
            "1 / 0\n    data = reproof",
            2,
            &[
                "pipelines/graph.py\", line 22, in graph",
                "ZeroDivisionError",
                "gives no pipeline",
            ],
        ),
        (
            "cleaned.rows, depth",
            "cleaned.row, depth",
            2,
            &[
                "line 24",
                "there is no output of step 'clean' 'row': did you mean 'rows'?",
            ],
        ),
        (
            "count(cleaned.rows, depth=3)",
            "count(depth=3)",
            2,
            &["the step 'count' lacks rows", "pipelines/graph.py:24"],
        ),
        (
            "\"rows\": \"rows.csv\"",
            "\"rows\": \"../rows.csv\"",
            2,
            &["pipelines/graph.py:4:", "../rows.csv", "^"],
        ),
        (
            "threads=2",
            "threads=0",
            2,
            &["pipelines/graph.py:25:", "threads"],
        ),
        (
            "threads=2",
            "treads=2",
            2,
            &["there is no setting of a program 'treads': did you mean 'threads'?"],
        ),
        (
            "csv=\"data/rows.csv\"",
            "cvs=\"data/rows.csv\"",
            2,
            &["pipelines/graph.py:22:", "'cvs'", "did you mean 'csv'?"],
        ),
        (
            "import reproof\n",
            "import reproof\nopen('data/rows.csv')\n",
            2,
            &[
                "No such file",
                "a pipeline file sees the modules that it imports",
            ],
        ),
        (
            "@reproof.pipeline(seed=7)\n",
            "",
            2,
            &["no function in pipelines/graph.py is decorated with @reproof.pipeline"],
        ),
        (
            "@reproof.pipeline(seed=7)\n",
            "@reproof.pipeline\ndef first():\n    pass\n\n\n@reproof.pipeline(seed=7)\n",
            2,
            &["has several pipelines: first (line 20), graph (line 25)"],
        ),
        (
            "assert isinstance(least, float), least",
            "raise ValueError(least)",
            11,
            &[
                "step 'clean' failed",
                "pipelines/graph.py\", line 8, in clean",
                "ValueError: 2.0",
            ],
        ),
    ] {
        assert!(GRAPH.contains(from), "{from}");
        let project = project(&[("pipelines/graph.py", &GRAPH.replacen(from, to, 1))]);
        let failed = project.reproof(&["run", "pipelines/graph.py"]).expect(code);
        assert!(!failed.err.contains("reproof/_"), "{}", failed.err);
        failed.says(expect);
    }
}

#[test]
fn a_file_says_in_which_environment_it_runs() {
    let with = |environment: &str| {
        GRAPH.replace(
            "@reproof.pipeline(seed=7)",
            &format!("@reproof.pipeline(seed=7, environment={environment})"),
        )
    };
    let project = project(&[("pipelines/graph.py", &with("\"other\""))]);
    std::fs::rename(project.path("requirements.txt"), project.path("other.txt")).unwrap();
    project.write(
        "reproof.toml",
        "[environments.other]\nrequirements = \"other.txt\"\n",
    );
    let first = project.reproof(&["run"]).expect(0);
    let shown = first.out + &first.err;
    assert!(shown.contains("clean() in pipelines/gr…"), "{shown}");
    project.run(&["--locked"]);
    project.write("pipelines/graph.py", &with("str(1)"));
    project.reproof(&["run"]).expect(2).says(&[
        "pipelines/graph.py:20: the environment of a pipeline is computed",
        "it is read before the file is run",
    ]);
    project.write("pipelines/graph.py", &with("\"othr\""));
    project
        .reproof(&["run"])
        .expect(2)
        .says(&["there is no environment 'othr'", "there are other"]);
    project.write(".reproofignore", "graph.py\n");
    project
        .reproof(&["run"])
        .expect(2)
        .says(&["pipelines/graph.py is not part of the captured code"]);
}

#[test]
fn without_an_environment_it_says_how_to_make_one() {
    let project = project(&[("pipelines/graph.py", GRAPH)]);
    std::fs::remove_file(project.path("requirements.txt")).unwrap();
    project
        .reproof(&["run"])
        .expect(2)
        .says(&["there is no environment 'default'", "reproof env lock"]);
}
