//! `run --seeds`, and what the spread over seeds says in `show`, `why`, `compare` and `bisect`.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::support::Project;

const FILE: &str = "pipelines/diabetes.yaml";

/// The diabetes example with trees that see a part of the rows and columns each, so that the seed matters.
fn trees() -> Project {
    let project = Project::committed();
    project.edit(
        FILE,
        "logistic_regression: {l2: 1.0}",
        "gradient_boosting: {rounds: 15, max_depth: 3, row_fraction: 0.6, column_fraction: 0.6}",
    );
    project.edit(
        FILE,
        "\n  require:\n    - roc_auc >= 0.75\n    - {metric: accuracy, at_least: 0.6, in: pregnancies, min_rows: 10}",
        "",
    );
    project.commit("trees");
    project
}

fn near(found: &Value, wanted: f64) {
    let found = found.as_f64().unwrap();
    assert!((found - wanted).abs() < 1e-12, "{found} is not {wanted}");
}

/// The values of a metric in these records.
fn values(project: &Project, records: &[String], metric: &str) -> Vec<f64> {
    let value = |record: &String| {
        let shown = project.reproof(&["show", record, "--json"]).json();
        shown["metrics"]["overall"][metric]["value"]
            .as_f64()
            .unwrap()
    };
    records.iter().map(value).collect()
}

/// The records of a run under several seeds, its own first.
fn records(run: &Value) -> Vec<String> {
    let further = run["seeds"]["runs"].as_array().unwrap().iter();
    let all = further.map(|run| &run["record"]).chain([&run["record"]]);
    let mut all: Vec<_> = all.map(|id| id.as_str().unwrap().to_owned()).collect();
    all.rotate_right(1);
    all
}

#[test]
fn a_pipeline_is_run_under_further_seeds_on_the_same_rows() {
    let project = trees();
    let own = project.record(&[]);
    let lock = project.read("reproof.lock");
    let run = project.run(&["--seeds", "5"]);
    let all = records(&run);
    assert_eq!((all.len(), &all[0]), (5, &own));
    assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), 5);
    // The textbook's figures of these values.
    let found = &run["seeds"]["spread"];
    assert_eq!(found["scope"], "same_rows");
    let values = values(&project, &all, "log_loss");
    let mean = values.iter().sum::<f64>() / 5.0;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    let spread = &found["metrics"]["log_loss"];
    near(&spread["mean"], mean);
    near(&spread["deviation"], (squares / 4.0).sqrt());
    near(
        &spread["least"],
        values.iter().copied().fold(f64::MAX, f64::min),
    );
    near(&spread["most"], values.iter().copied().fold(0.0, f64::max));
    assert_eq!(spread["seeds"], 5);
    assert!(spread["deviation"].as_f64().unwrap() > 0.0);
    assert!(found["slices"].as_object().unwrap().len() > 1, "{found}");
    // Every record was judged on the rows of the first.
    let split = |record: &String| {
        let shown = project.reproof(&["show", record, "--json"]).json();
        shown["record"]["results"]["split"].clone()
    };
    assert!(all.iter().all(|record| split(record) == split(&own)));
    // Neither the lock file nor what '@latest' means moved, and the history says what was run for what.
    assert_eq!(project.read("reproof.lock"), lock);
    let latest = project.reproof(&["show", "@latest", "--json"]).json();
    assert_eq!(latest["record_id"], json!(own));
    let log = project.reproof(&["log"]).expect(0).out;
    assert_eq!(log.matches("  seed ").count(), 4, "{log}");
    // Again, and with more of them: all is there, and the first seeds are the same.
    let again = project.run(&["--seeds", "5"]);
    assert_eq!(records(&again), all);
    let more = project.run(&["--seeds", "6"]);
    assert_eq!(records(&more)[..5], all[..]);
    // By hand the same record comes out.
    let seed = run["seeds"]["runs"][0]["seed"].as_str().unwrap();
    let by_hand = project.record(&["--set", &format!("seed={seed}"), "--set", "split_seed=42"]);
    assert_eq!(by_hand, all[1]);
}

#[test]
fn text_says_mean_deviation_least_and_most() {
    let project = trees();
    let said = project.reproof(&["run", "--seeds", "3"]).expect(0);
    for text in [
        "over 3 seeds on the same rows",
        "mean",
        "standard deviation",
        "least",
        "most",
        "log_loss",
    ] {
        assert!(said.out.contains(text), "no '{text}' in:\n{}", said.out);
    }
    said.says(&["seed 2 of 3: ", "seed 3 of 3: "]);
    let shown = project.reproof(&["show"]).expect(0).out;
    assert!(
        shown.contains("spread    over 3 seeds on the same rows: "),
        "{shown}"
    );
    // Where only the split draws, the rows say it all.
    let plain = Project::committed();
    let said = plain.reproof(&["run", "--seeds", "3"]).expect(0).out;
    assert!(
        said.contains("no seed changes anything on these rows"),
        "{said}"
    );
}

#[test]
fn with_splits_each_seed_judges_other_rows_and_is_another_spread() {
    let project = Project::committed();
    // A gate that fails under another seed alone is told, and is no failure.
    project.edit(
        FILE,
        "    - {metric: accuracy, at_least: 0.6, in: pregnancies, min_rows: 10}\n",
        "",
    );
    let values_of = |run: &Value| values(&project, &records(run), "roc_auc");
    let probe = project.run(&["--seeds", "4", "--splits"]);
    let mut found = values_of(&probe);
    let own = found[0];
    found.sort_by(f64::total_cmp);
    assert!(found[0] < found[3]);
    let below = found.iter().filter(|value| **value < own).count();
    assert!(below > 0, "another example is needed: {found:?}");
    project.edit(FILE, "roc_auc >= 0.75", &format!("roc_auc >= {own}"));
    let run = project.run(&["--seeds", "4", "--splits"]);
    assert_eq!(run["seeds"]["spread"]["scope"], "other_rows");
    assert_eq!(run["seeds"]["gates_failed"], below);
    assert_eq!(values_of(&run).len(), 4);
    let text = project
        .reproof(&["run", "--seeds", "4", "--splits"])
        .expect(0)
        .out;
    assert!(text.contains("each on rows of its own"), "{text}");
    assert!(
        text.contains(&format!("a gate failed under {below} seed")),
        "{text}"
    );
    // On the same rows nothing is known: there is one seed for each.
    let shown = project.reproof(&["show", "--json"]).json();
    let scopes = shown["seed_spreads"].as_array().unwrap().iter();
    let scopes: Vec<_> = scopes.map(|spread| &spread["scope"]).collect();
    assert_eq!(scopes, ["other_rows"]);
}

#[test]
fn mistakes_are_refused() {
    let project = Project::committed();
    project
        .reproof(&["run", "--seeds", "2"])
        .expect(2)
        .says(&["3..=200"]);
    project
        .reproof(&["run", "--splits"])
        .expect(2)
        .says(&["--seeds"]);
    project
        .reproof(&["run", "--seeds", "3", "--final"])
        .expect(2)
        .says(&["--final"]);
    project
        .reproof(&["run", "--set", "split_seed=-1"])
        .expect(2)
        .says(&["--set:1:12: an integer from 0 to"]);
}

#[test]
fn a_difference_is_told_from_what_seeds_make() {
    let project = trees();
    let run = project.run(&["--seeds", "6"]);
    let all = records(&run);
    let bad = project.record(&["--set", "train.gradient_boosting.rounds=1"]);
    // Two seeds of one pipeline.
    let found = project.reproof(&["why", &all[0], &all[3], "--json"]).json();
    let configuration = found["configuration"].as_array().unwrap().iter();
    let paths: Vec<_> = configuration.map(|change| &change["path"]).collect();
    assert_eq!(paths, ["evaluate.seed", "train.seed"]);
    let seeds = &found["seeds"];
    assert_eq!(
        (&seeds["scope"], &seeds["seeds"]),
        (&json!("same_rows"), &json!([6, 6]))
    );
    let spread = &run["seeds"]["spread"]["metrics"]["log_loss"];
    let deviation = spread["deviation"].as_f64().unwrap();
    let moved = &seeds["metrics"]["log_loss"];
    near(&moved["deviation"], deviation * 2.0_f64.sqrt());
    // t of 5 degrees of freedom.
    let limit = 2.570_581_835_636_314 * deviation * 2.0_f64.sqrt();
    assert!((moved["limit"].as_f64().unwrap() - limit).abs() < 1e-9);
    assert_eq!(moved["beyond"], moved["by"].as_f64().unwrap().abs() > limit);
    assert!(seeds["labels"]["between_seeds"].is_array(), "{seeds}");
    // One with a change that matters: log loss leads, since trees of one round hardly learn.
    let found = project.reproof(&["why", &all[0], &bad, "--json"]).json();
    assert_eq!(found["seeds"]["seeds"], json!([6, 1]));
    assert_eq!(found["seeds"]["metrics"]["log_loss"]["beyond"], true);
    let text = project.reproof(&["why", &all[0], &bad]).expect(0).out;
    let metrics = text.split("metrics on the same 83 rows").nth(1).unwrap();
    let first = metrics.lines().nth(1).unwrap();
    assert!(first.contains(" sd), beyond"), "{text}");
    let weight = |line: &str| {
        let at = line.find(" sd)")?;
        line[..at].rsplit('(').next()?.parse::<f64>().ok()
    };
    let overall: Vec<_> = metrics.lines().skip(1).take(3).filter_map(weight).collect();
    assert_eq!(overall.len(), 3, "{text}");
    assert!(
        text.contains("labels flipped") && text.contains("between seeds"),
        "{text}"
    );
    assert!(
        text.contains("what two of 6 seeds differ by in 95 of 100 cases"),
        "{text}"
    );
    let compared = project.reproof(&["compare", &all[0], &bad]).expect(0).out;
    assert!(compared.contains(" sd), beyond"), "{compared}");
    project
        .reproof(&["why", &all[0], &bad, "--html", "why.html"])
        .expect(0);
    assert!(project.read("why.html").contains(" sd), beyond"));
}

#[test]
fn without_enough_seeds_it_is_said_how_to_know() {
    let project = trees();
    let first = project.record(&[]);
    let second = project.record(&["--set", "seed=1", "--set", "split_seed=42"]);
    let text = project.reproof(&["why", &first, &second]).expect(0).out;
    assert!(
        text.contains("'reproof run --seeds 10' on the code"),
        "{text}"
    );
    assert!(!text.contains(" sd)"), "{text}");
    let other_rows = project.record(&["--set", "seed=1"]);
    let text = project.reproof(&["why", &first, &other_rows]).expect(0).out;
    assert!(text.contains("'reproof run --seeds 10 --splits'"), "{text}");
}

#[test]
fn the_spread_is_known_after_pull() {
    let project = trees();
    project.reproof(&["run", "--seeds", "4"]).expect(0);
    let folder = tempfile::tempdir().unwrap();
    let url = format!("file://{}", folder.path().display());
    project
        .reproof(&["remote", "add", "origin", &url])
        .expect(0);
    project.reproof(&["push", "--all"]).expect(0);
    let other = Project::empty();
    other.write("reproof.toml", &project.read("reproof.toml"));
    other.reproof(&["pull", "--all"]).expect(0);
    let latest = project.reproof(&["show", "--json"]).json();
    let id = latest["record_id"].as_str().unwrap();
    let pulled = other.reproof(&["show", id, "--json"]).json();
    assert_eq!(pulled["seed_spreads"], latest["seed_spreads"]);
    assert_eq!(
        latest["seed_spreads"][0]["records"]
            .as_array()
            .unwrap()
            .len(),
        4
    );
}

#[test]
fn bad_is_what_lies_beyond_the_spread_too() {
    let project = trees();
    let good = project.record(&[]);
    project.edit(FILE, "rounds: 15", "rounds: 1");
    project.commit("hardly any tree");
    let bad = project.record(&[]);
    let ends = [
        "bisect", "log_loss", "--good", &good, "--bad", &bad, "--json",
    ];
    let found = project.reproof(&ends).json();
    assert_eq!(found["judged_by"], "interval");
    // What another seed gives goes further than the interval once a metric jumps with it.
    let project = Project::shell(concat!(
        "  draw:\n",
        "    run: [bash, draw.sh]\n",
        "    outputs: {x: x.txt}\n",
        "    variables: {SHIFT: \"0\"}\n",
    ));
    project.write(
        "draw.sh",
        concat!(
            "while read -r -d , part; do\n",
            "  case $part in *'\"seed\"'*) seed=${part//[!0-9]/} ;; esac\n",
            "done < /reproof/step.json\n",
            "value=$(( ${seed: -3:1} * 100 + ${seed: -2:1} * 10 + SHIFT ))\n",
            "echo '{\"name\":\"m\",\"value\":'$value'}' > /reproof/report/metrics.jsonl\n",
            "echo x > /reproof/out/x.txt\n",
        ),
    );
    project.git(&["init", "--quiet", "--initial-branch=main"]);
    project.commit("first");
    let good = project.record(&[]);
    let run = project.run(&["--seeds", "5"]);
    assert_eq!(records(&run)[0], good);
    let spread = &run["seeds"]["spread"]["reported"]["m"];
    assert!(spread["deviation"].as_f64().unwrap() > 1.0, "{run}");
    project.edit("pipelines/steps.yaml", "SHIFT: \"0\"", "SHIFT: \"10\"");
    project.commit("a little more");
    let bad = project.record(&[]);
    let text = project.reproof(&["why", &good, &bad]).expect(0).out;
    assert!(text.contains("metrics that programs reported"), "{text}");
    assert!(text.contains("within"), "{text}");
    project
        .reproof(&["bisect", "m", "--good", &good, "--bad", &bad])
        .expect(2)
        .says(&["within what another seed may give"]);
    project.edit("pipelines/steps.yaml", "SHIFT: \"10\"", "SHIFT: \"100000\"");
    project.commit("much more");
    let bad = project.record(&[]);
    let ends = ["bisect", "m", "--good", &good, "--bad", &bad, "--json"];
    let found = project.reproof(&ends).json();
    assert_eq!(found["judged_by"], "seeds");
    assert_eq!(found["commit"]["candidates"][0]["subject"], "much more");
}
