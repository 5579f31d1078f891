//! Pipeline files from text to recipe: what is taken, what is refused and where, and what changes
//! a recipe's ID.

mod early;
mod images;
mod programs;
mod tolerance;

use std::collections::BTreeMap;

use proptest::prelude::*;
use reproof_record::{
    Artifact, ArtifactKind, Column, DecimalType, Digest, Isolation, LogicalType, Program, Recipe,
    RecipeId, Schema, Source, StepName,
};

use serde_json::json;

use super::*;
use crate::tables::DATA_SOURCE;

fn name(text: &str) -> StepName {
    text.parse().unwrap()
}

/// The columns of a small churn table.
fn schema() -> Schema {
    let column = |name: &str, logical_type| Column {
        name: name.to_owned(),
        logical_type,
    };
    Schema::new(vec![
        column("churn", LogicalType::String),
        column("tenure", LogicalType::Integer),
        column("monthly_charges", LogicalType::Float),
        column("contract", LogicalType::String),
        column("senior", LogicalType::Boolean),
    ])
    .unwrap()
}

/// The programs of a pipeline with some digests of code and environment.
fn resolved(pipeline: &Pipeline) -> BTreeMap<StepName, Program> {
    let programs = pipeline.programs().into_iter().map(|(name, spec)| {
        let variables = spec.variables.iter().map(|(name, value)| {
            let value = value.clone().unwrap_or_else(|| "the caller's".to_owned());
            (name.clone(), value)
        });
        let [code, environment] = ["code", spec.environment.as_str()];
        let program = spec.resolve(
            Digest::of(code.as_bytes()),
            Digest::of(environment.as_bytes()),
            Isolation::Full,
            variables.collect(),
        );
        (name, program)
    });
    programs.collect()
}

fn expand_with(text: &str, options: ExpandOptions) -> Result<(Pipeline, Graph), Diagnostics> {
    let pipeline = parse_pipeline("p.yaml", text, &[])?;
    let schemas = pipeline.data.iter().map(|(name, from)| {
        let files = matches!(from, DataFrom::Source(source) if source.format == DataFormat::Files);
        let schema = if files { Schema::default() } else { schema() };
        (Source::Data { data: name.clone() }, schema)
    });
    let mut schemas: BTreeMap<_, _> = schemas.collect();
    let programs = resolved(&pipeline);
    if let Some(early) = pipeline.early(&schemas, &programs, &options)? {
        schemas.extend(early.tables.into_iter().map(|table| (table, schema())));
    }
    let graph = pipeline.expand(&schemas, &programs, &options)?;
    Ok((pipeline, graph))
}

/// Data of this name.
fn named(data: &str) -> Source {
    Source::Data { data: name(data) }
}

/// The data of a pipeline with one source.
fn data() -> Source {
    named("data")
}

/// The only source of a pipeline.
fn source(pipeline: &Pipeline) -> &DataSource {
    match &pipeline.data["data"] {
        DataFrom::Source(source) => source,
        other => panic!("{other:?} is no source"),
    }
}

fn expand(text: &str) -> Result<(Pipeline, Graph), Diagnostics> {
    expand_with(text, ExpandOptions::default())
}

fn recipe(pipeline: &Pipeline, graph: &Graph) -> Recipe {
    let data = pipeline.data.keys().map(|name| {
        let version = Artifact {
            kind: ArtifactKind::Table,
            digest: Digest::of(name.as_str().as_bytes()),
        };
        (name.clone(), version)
    });
    graph.recipe(&data.collect()).unwrap()
}

fn id(text: &str) -> RecipeId {
    let (pipeline, graph) = expand(text).unwrap_or_else(|errors| panic!("{errors}"));
    recipe(&pipeline, &graph).id().unwrap()
}

fn lines(errors: &Diagnostics) -> String {
    let lines = errors.iter().map(|found| {
        let hint = found.hint.as_deref().map(|hint| format!(" ({hint})"));
        let (line, column) = (found.line, found.column);
        format!(
            "{line}:{column}: {}{}",
            found.message,
            hint.unwrap_or_default()
        )
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// The errors of a file, line by line.
fn refused(text: &str, expect: &str) {
    match expand(text) {
        Ok(_) => panic!("taken:\n{text}"),
        Err(errors) => assert_eq!(lines(&errors), expect, "{text}"),
    }
}

/// The errors of the churn pipeline with one piece of it replaced.
fn refused_with(from: &str, to: &str, expect: &str) {
    assert!(CHURN.contains(from), "{from}");
    refused(&CHURN.replacen(from, to, 1), expect);
}

const CHURN: &str = "\
pipeline: churn
seed: 42
data: {csv: data/churn.csv}
label: {column: churn, positive: \"Yes\"}
features: [tenure, contract, monthly_charges, senior]
split: {random: {train: 0.7, eval: 0.15, test: 0.15}}
preprocess:
  monthly_charges: [{fill: mean}, {scale: z_score}]
  contract: [one_hot]
train: {logistic_regression: {l2: 0.5}}
evaluate:
  on: eval
  metrics: [roc_auc, accuracy, log_loss]
  slices: [senior, contract, [senior, contract]]
  require:
    - roc_auc >= 0.80
    - {metric: roc_auc, at_least: 0.65, in: contract, min_rows: 100, min_per_class: 30}
";

const MINIMAL: &str = "\
pipeline: small
data: {csv: a.csv}
label: churn
train: logistic_regression
";

const STEPS: &str = "\
pipeline: free
seed: 7
data: {csv: data/churn.csv}
steps:
  parts:
    operation: split_random
    inputs: {table: data}
    parameters: {ratios: {train: 0.8, test: 0.2}}
  features:
    operation: preprocess@1
    inputs: {train: parts.train, test: parts.test}
    parameters:
      features: {tenure: [{fill: {constant: 0}}], contract: [one_hot]}
  model:
    operation: train_logistic_regression
    inputs: {features: features.train, table: parts.train}
    parameters: {label: {column: churn, positive: \"Yes\"}}
  score:
    operation: evaluate
    inputs: {model: model.model, features: features.test, table: parts.test}
    parameters: {metrics: [log_loss, accuracy], slices: [contract]}
    require: [accuracy > 0.7]
";

#[test]
fn the_blocks_stand_for_steps() {
    let (pipeline, graph) = expand(CHURN).unwrap();
    assert_eq!((pipeline.name.as_str(), pipeline.seed), ("churn", 42));
    insta::assert_snapshot!(graph.to_steps_yaml(&pipeline), @r#"
    pipeline: churn
    seed: 42
    data: {csv: data/churn.csv}
    steps:
      split:
        operation: split_random@1
        inputs: {table: data}
        parameters:
          ratios:
            eval: 0.15
            test: 0.15
            train: 0.7
      preprocess:
        operation: preprocess@1
        inputs: {eval: split.eval, test: split.test, train: split.train}
        parameters:
          features:
            contract: [one_hot]
            monthly_charges: [{fill: mean}, {scale: z_score}]
            senior: [one_hot]
            tenure: [{fill: mean}, {scale: z_score}]
      train:
        operation: train_logistic_regression@1
        inputs: {features: preprocess.train, table: split.train}
        parameters:
          l2: 0.5
          label:
            column: churn
            positive: "Yes"
          max_iterations: 100
          tolerance: 1e-10
      evaluate:
        operation: evaluate@1
        inputs: {features: preprocess.eval, model: train.model, table: split.eval}
        parameters:
          metrics: [accuracy, log_loss, roc_auc]
          slices: [[contract], [contract, senior], [senior]]
        require:
          - "roc_auc >= 0.8"
          - {metric: roc_auc, at_least: 0.65, in: [contract], min_rows: 100, min_per_class: 30}
    "#);
    assert_eq!(graph.evaluate, Some(name("evaluate")));
    assert_eq!(graph.metrics, ["roc_auc", "accuracy", "log_loss"]);
    assert_eq!(graph.gates[0].text, "roc_auc >= 0.8");
    assert_eq!(
        (graph.gates[0].min_rows, graph.gates[0].min_per_class),
        (30, 5)
    );
    assert_eq!(graph.gates[1].text, "roc_auc >= 0.65 in contract");
    assert_eq!(graph.gates[1].slice, Some(vec!["contract".to_owned()]));
    assert_eq!(
        (graph.gates[1].min_rows, graph.gates[1].min_per_class),
        (100, 30)
    );
}

#[test]
fn defaults_are_filled_in_and_noted() {
    let (_, graph) = expand(MINIMAL).unwrap();
    assert_eq!(graph.evaluate, None);
    let notes: Vec<_> = graph
        .notes
        .iter()
        .map(|note| {
            format!(
                "{} {}: {} ({})",
                note.step, note.what, note.value, note.reason
            )
        })
        .collect();
    insta::assert_snapshot!(notes.join("\n"), @r#"
    preprocess tenure: [{"fill":"mean"},{"scale":"z_score"}] (the default for integer)
    preprocess monthly_charges: [{"fill":"mean"},{"scale":"z_score"}] (the default for float)
    preprocess contract: ["one_hot"] (the default for string)
    preprocess senior: ["one_hot"] (the default for boolean)
    split ratios: {"eval":0.15,"test":0.15,"train":0.7} (the default)
    train l2: 1 (the default)
    train max_iterations: 100 (the default)
    train tolerance: 1e-10 (the default)
    "#);
}

/// The chains of `contract` and `monthly_charges`, as the recipe holds them.
#[track_caller]
fn chains(written: &str) -> String {
    let text = CHURN.replacen(
        "  monthly_charges: [{fill: mean}, {scale: z_score}]\n  contract: [one_hot]\n",
        written,
        1,
    );
    let (pipeline, graph) = expand(&text).unwrap_or_else(|error| panic!("{error}"));
    // Printed and read again it is the same.
    let printed = graph.to_steps_yaml(&pipeline);
    assert_eq!(expand(&printed).unwrap().1.steps, graph.steps, "{printed}");
    let features = &graph.steps["preprocess"].parameters["features"];
    format!("{} {}", features["monthly_charges"], features["contract"])
}

#[test]
fn chains_of_every_item() {
    let written = "  monthly_charges: [{cast: integer}, {clip: {max: 9.5, min: 1.0}}, {fill: median}, \
                   {bucketize: {edges: [1, 2.5]}}, {scale: min_max}]\n  \
                   contract: [{fill: mode}, {one_hot: {min_count: 5, unknown: other}}]\n";
    assert_eq!(
        chains(written),
        r#"[{"cast":"integer"},{"clip":{"max":9.5,"min":1}},{"fill":"median"},{"bucketize":{"edges":[1,2.5]}},{"scale":"min_max"}] [{"fill":"mode"},{"one_hot":{"min_count":5,"unknown":"other"}}]"#
    );
    let written = "  monthly_charges: [none]\n  contract: [{one_hot: {unknown: zeros}}]\n";
    assert_eq!(chains(written), r#"[] ["one_hot"]"#);
    let written = "  monthly_charges: [{clip: {quantiles: [0.01, 0.99]}}, {bucketize: {quantiles: 4}}, \
                   one_hot]\n  contract: [{ordinal: {order: [a, b]}}, {scale: zero_one}]\n";
    assert_eq!(
        chains(written),
        r#"[{"clip":{"quantiles":[0.01,0.99]}},{"bucketize":{"quantiles":4}},"one_hot"] [{"ordinal":{"order":["a","b"]}},{"scale":"zero_one"}]"#
    );
    let written = "  monthly_charges: [{cast: {to: string, invalid: missing}}, ordinal]\n  \
                   contract: [{cast: float}, {fill: max}]\n";
    assert_eq!(
        chains(written),
        r#"[{"cast":{"invalid":"missing","to":"string"}},"ordinal"] [{"cast":"float"},{"fill":"max"}]"#
    );
}

#[test]
fn wrong_chains_are_explained() {
    let check = |chain: &str, expect: &str| {
        refused_with("[{fill: mean}, {scale: z_score}]", chain, expect);
    };
    check("[clip]", "8:21: a clip has 'min', 'max' or 'quantiles'");
    check("[{clip: {min: 2, max: 1}}]", "8:21: 'min' lies above 'max'");
    check(
        "[{clip: {quantiles: [0.9, 0.1]}}]",
        "8:21: two quantiles are wanted, the lower first",
    );
    check(
        "[{bucketize: {edges: [2, 2]}}]",
        "8:41: the edges of buckets rise",
    );
    check(
        "[{bucketize: {count: 1}}]",
        "8:41: an integer from 2 to 1000 is wanted, found the number 1",
    );
    check(
        "[{fill: mean}, none]",
        "8:35: 'none' stands alone in its chain",
    );
    check(
        "[{scale: z_score}, {cast: float}]",
        "8:39: 'cast' comes before 'scale'",
    );
    check(
        "[{cast: string}, {fill: median}]",
        "8:20: the column 'monthly_charges' becomes string; its chain must end in numbers (end it with one_hot or ordinal)\n8:37: the column 'monthly_charges' becomes string; it has no median: fill with a constant",
    );
    check(
        "[{one_hot: {unknown: ignore}}]",
        "8:41: unknown policy 'ignore' (known here: zeros, error, other)",
    );
    check(
        "[{ordinal: {order: [1, x, 1]}}]",
        "8:43: the column 'monthly_charges' is float; a value of its order must be a number\n8:46: the value stands twice in the order",
    );
}

/// The operation and parameters that a split stands for.
#[track_caller]
fn split(written: &str) -> String {
    let text = CHURN.replacen("{random: {train: 0.7, eval: 0.15, test: 0.15}}", written, 1);
    let (pipeline, graph) = expand(&text).unwrap_or_else(|error| panic!("{error}"));
    let printed = graph.to_steps_yaml(&pipeline);
    assert_eq!(expand(&printed).unwrap().1.steps, graph.steps, "{printed}");
    let step = &graph.steps["split"];
    let parameters = serde_json::Value::Object(step.parameters.clone());
    let outputs: Vec<_> = step.outputs.keys().map(StepName::as_str).collect();
    format!(
        "{} {parameters} {}{}",
        step.operation,
        outputs.join(" "),
        if step.seed.is_some() { " seeded" } else { "" }
    )
}

#[test]
fn every_way_to_split() {
    let ratios = r#""ratios":{"eval":0.15,"test":0.15,"train":0.7}"#;
    let usual = format!("split_random@1 {{{ratios}}} eval test train seeded");
    assert_eq!(split("random"), usual);
    assert_eq!(split("{random: {exact: false}}"), usual);
    let keyed = format!(
        r#"split_random@1 {{"key":["contract","tenure"],{ratios}}} eval test train seeded"#
    );
    assert_eq!(split("{random: {key: [tenure, contract]}}"), keyed);
    assert_eq!(split("{group: {by: [tenure, contract]}}"), keyed);
    assert_eq!(
        split("{random: {train: 0.5, eval: 0.5, key: tenure, exact: true}}"),
        r#"split_random@1 {"exact":true,"key":["tenure"],"ratios":{"eval":0.5,"train":0.5}} eval train seeded"#
    );
    assert_eq!(
        split("{stratified: {by: churn}}"),
        format!(r#"split_stratified@1 {{"by":"churn",{ratios}}} eval test train seeded"#)
    );
    assert_eq!(
        split("{time: {by: tenure, train: 0.8, eval: 0.2}}"),
        r#"split_time@1 {"by":"tenure","ratios":{"eval":0.2,"train":0.8}} eval train"#
    );
    assert_eq!(
        split("{time: {by: tenure, boundaries: {eval: 30, test: 60}}}"),
        r#"split_time@1 {"boundaries":{"eval":30,"test":60},"by":"tenure"} eval test train"#
    );
    assert_eq!(
        split("{indexed: {by: contract}}"),
        r#"split_indexed@1 {"by":"contract","values":{"eval":["eval"],"test":["test"],"train":["train"]}} eval test train"#
    );
    assert_eq!(
        split("{indexed: {by: contract, values: {train: [b, a], eval: c}}}"),
        r#"split_indexed@1 {"by":"contract","values":{"eval":["c"],"train":["a","b"]}} eval train"#
    );
}

#[test]
fn wrong_splits_are_explained() {
    let check = |written: &str, expect: &str| {
        refused_with(
            "{random: {train: 0.7, eval: 0.15, test: 0.15}}",
            written,
            expect,
        );
    };
    check(
        "{random: {key: tenur}}",
        "6:23: unknown column 'tenur' (did you mean 'tenure'?)",
    );
    check("{stratified: {}}", "6:9: the key 'by' is missing");
    check(
        "{stratified: {by: monthly_charges}}",
        "6:26: the column 'monthly_charges' is float; strata need values that stand often",
    );
    check(
        "{time: {by: senior}}",
        "6:20: the column 'senior' is boolean; dates, timestamps, numbers or ISO 8601 texts are in an order",
    );
    check(
        "{time: {by: tenure, boundaries: {eval: x}}}",
        "6:47: the column 'tenure' is integer; its value must be a number",
    );
    check(
        "{time: {by: tenure, train: 1, boundaries: {eval: 3}}}",
        "6:9: a split has either shares or boundaries",
    );
    check(
        "{time: {by: tenure, boundaries: {}}}",
        "6:40: there is no boundary: name where 'test' begins",
    );
    check(
        "{indexed: {by: contract, values: {train: a, test: [b, a]}}}",
        "6:62: \"a\" stands for a part already",
    );
    check(
        "none",
        "12:7: 'split: none' makes no part 'eval' to score (it makes train; add 'eval' to it)",
    );
    check("{key: tenure}", "6:9: 'key': write 'random: {key: COLUMN}'");
}

/// Days are written as they stand in the data.
#[test]
fn boundaries_in_time_are_days() {
    let text = "pipeline: p\ndata: {csv: a.csv}\nlabel: y\ntrain: logistic_regression\n\
                split: {time: {by: day, boundaries: {test: VALUE}}}\n";
    let expand = |value: &str| {
        let column = |name: &str, logical_type| Column {
            name: name.to_owned(),
            logical_type,
        };
        let columns = vec![
            column("day", LogicalType::Date),
            column("y", LogicalType::String),
        ];
        let schemas = BTreeMap::from([(data(), Schema::new(columns).unwrap())]);
        let pipeline = parse_pipeline("p.yaml", &text.replace("VALUE", value), &[]).unwrap();
        pipeline.expand(&schemas, &BTreeMap::new(), &ExpandOptions::default())
    };
    let graph = expand("\"2024-05-01\"").unwrap();
    let boundary = &graph.steps["split"].parameters["boundaries"]["test"];
    assert_eq!(boundary, "2024-05-01");
    let error = expand("5").unwrap_err().to_string();
    assert!(
        error.contains("the column 'day' is date; its value must be text such as"),
        "{error}"
    );
}

/// A split may be left out where the data comes in parts.
#[test]
fn data_may_come_in_parts() {
    let parts =
        "data: {train: {csv: data/churn.csv}, eval: {csv: data/b.csv}, test: {csv: data/c.csv}}";
    let text = CHURN.replacen("data: {csv: data/churn.csv}", parts, 1);
    let text = text.replacen(
        "split: {random: {train: 0.7, eval: 0.15, test: 0.15}}",
        "split: none",
        1,
    );
    let table = |final_look| {
        let (_, graph) = expand_with(&text, ExpandOptions { final_look }).unwrap();
        assert!(!graph.steps.contains_key("split"));
        assert_eq!(graph.steps["preprocess"].inputs["eval"].to_string(), "eval");
        let inputs = &graph.steps["evaluate"].inputs;
        format!("{} {}", inputs["table"], inputs["features"])
    };
    assert_eq!(table(false), "eval preprocess.eval");
    assert_eq!(table(true), "test preprocess.test");
    refused(
        &CHURN.replacen("data: {csv: data/churn.csv}", parts, 1),
        "6:1: the data comes in parts already (leave 'split' out, or write 'split: none')",
    );
    refused(
        &text.replacen("train: {csv", "trian: {csv", 1),
        "3:8: named data sources are for a free graph under 'steps', unless they are the parts \
         'train', 'eval' and 'test' (write 'data: {csv: PATH}' here)",
    );
}

/// Every example in the book's page is a pipeline file, or a block of one.
#[test]
fn the_examples_of_the_book_are_read() {
    let page = include_str!("../../../../docs/src/pipeline.md");
    let examples = page.split("```yaml\n").skip(1);
    let examples: Vec<_> = examples
        .filter_map(|rest| rest.split("```").next())
        .collect();
    assert!(examples.len() > 8);
    for example in examples {
        let whole = if example.starts_with("pipeline:") {
            example.to_owned()
        } else {
            format!("{MINIMAL}{example}")
        };
        parse_pipeline("p.yaml", &whole, &[]).unwrap_or_else(|error| panic!("{error}"));
    }
}

/// What `plan` prints is the same pipeline.
#[test]
fn the_printed_graph_expands_to_the_same_recipe() {
    for text in [CHURN, MINIMAL, STEPS, TWO_SOURCES] {
        for final_look in [false, true] {
            let options = ExpandOptions { final_look };
            let Ok((pipeline, graph)) = expand_with(text, options) else {
                assert_eq!((text, final_look), (MINIMAL, true));
                continue;
            };
            let printed = graph.to_steps_yaml(&pipeline);
            let (again, graph_again) =
                expand(&printed).unwrap_or_else(|e| panic!("{e}\n{printed}"));
            assert_eq!(
                recipe(&again, &graph_again),
                recipe(&pipeline, &graph),
                "{printed}"
            );
            assert_eq!(graph_again.gates, graph.gates);
            assert_eq!(graph_again.evaluate, graph.evaluate);
            assert_eq!(again.data, pipeline.data);
            assert_eq!(graph_again.to_steps_yaml(&again).len(), printed.len());
        }
    }
}

const TWO_SOURCES: &str = "\
pipeline: two
data:
  old: {csv: old.csv, delimiter: \";\", schema: {a: float}, statistics: none}
  new: {csv: new.csv, null_tokens: [\"\", NA]}
steps:
  prepare:
    operation: preprocess
    inputs: {train: old, test: new}
    parameters: {features: {tenure: [{scale: z_score}]}}
  model:
    operation: train_linear_regression
    inputs: {features: prepare.train, table: old}
    parameters: {label: monthly_charges}
  score:
    operation: evaluate
    inputs: {model: model.model, features: prepare.test, table: new}
";

#[test]
fn what_is_no_part_of_the_result_changes_no_id() {
    let same = id(CHURN);
    assert_eq!(
        id(&CHURN.replace("pipeline: churn", "pipeline: other")),
        same
    );
    assert_eq!(id(&CHURN.replace("data/churn.csv", "elsewhere.csv")), same);
    assert_eq!(
        id(&format!(
            "# a comment\n\n{}",
            CHURN.replace('\n', "  # x\n")
        )),
        same
    );
    let other = "features: [senior, monthly_charges, contract, tenure]";
    assert_eq!(
        id(&CHURN.replace(
            "features: [tenure, contract, monthly_charges, senior]",
            other
        )),
        same
    );
    assert_eq!(
        id(&CHURN.replace(
            "train: 0.7, eval: 0.15, test: 0.15",
            "test: 0.15, eval: 0.15, train: 7e-1"
        )),
        same
    );
    assert_eq!(
        id(&CHURN.replace(
            "slices: [senior, contract, [senior, contract]]",
            "slices: [[contract, senior], [contract], senior]"
        )),
        same
    );
    assert_eq!(
        id(&CHURN.replace(
            "[roc_auc, accuracy, log_loss]",
            "[log_loss, roc_auc, accuracy]"
        )),
        same
    );
    assert_eq!(
        id(&CHURN.replace("  metrics: [roc_auc, accuracy, log_loss]\n", "")),
        same
    );
    assert_eq!(id(&CHURN.replace("0.80", "0.99")), same);
    assert_eq!(id(&CHURN.replace("  on: eval\n", "")), same);
    assert_eq!(id(&CHURN.replace("  contract: [one_hot]\n", "")), same);
    assert_eq!(
        id(&CHURN.replace(
            "features: [tenure, contract, monthly_charges, senior]\n",
            ""
        )),
        same
    );
    assert_eq!(
        id(&CHURN.replace(
            "split: {random: {train: 0.7, eval: 0.15, test: 0.15}}",
            "split: random"
        )),
        same
    );
    let (first, rest) = CHURN.split_once("label:").unwrap();
    let (label, rest) = rest.split_once('\n').unwrap();
    assert_eq!(id(&format!("label:{label}\n{rest}{first}")), same);
}

#[test]
fn what_can_change_a_result_changes_the_id() {
    let mut seen = std::collections::BTreeSet::from([id(CHURN)]);
    for (from, to) in [
        ("seed: 42", "seed: 43"),
        ("seed: 42\n", ""),
        ("\"Yes\"", "\"No\""),
        (", positive: \"Yes\"", ""),
        ("l2: 0.5", "l2: 0.25"),
        ("{l2: 0.5}", "{l2: 0.5, tolerance: 1e-9}"),
        ("{l2: 0.5}", "{l2: 0.5, max_iterations: 99}"),
        ("train: 0.7, eval: 0.15", "train: 0.6, eval: 0.25"),
        ("{fill: mean}, ", "{fill: {constant: 0}}, "),
        ("{fill: mean}, ", ""),
        (", senior]\nsplit", "]\nsplit"),
        ("on: eval", "on: test"),
        ("accuracy, log_loss", "accuracy"),
        ("[senior, contract]]", "[senior, tenure]]"),
    ] {
        assert!(CHURN.contains(from), "{from}");
        assert!(seen.insert(id(&CHURN.replace(from, to))), "{from} -> {to}");
    }
}

/// Stored recipes of this version must stay what they are.
#[test]
fn the_ids_of_these_pipelines_are_fixed() {
    insta::assert_snapshot!(id(CHURN).to_string(), @"e81327dc1182efda97b93c04c318faed97abc9df03ac71f3a7d1d07d36280e44");
    insta::assert_snapshot!(id(MINIMAL).to_string(), @"b1ca9a09772d3763677bce8d20affd9a44a5fa941694d377e3d34319c2894a00");
    insta::assert_snapshot!(id(STEPS).to_string(), @"e0303143e0b2df7c6fd3733dc54fb0e4f4b5c56df4ae9b3480eea1572a2d19aa");
}

#[test]
fn a_final_look_scores_the_test_part() {
    let options = ExpandOptions { final_look: true };
    let (pipeline, graph) = expand_with(CHURN, options).unwrap();
    assert_eq!(
        recipe(&pipeline, &graph).id().unwrap(),
        id(&CHURN.replace("on: eval", "on: test"))
    );
    let (pipeline, graph) = expand_with(STEPS, options).unwrap();
    assert_eq!(recipe(&pipeline, &graph).id().unwrap(), id(STEPS));
    let errors = expand_with(MINIMAL, options).unwrap_err();
    assert!(lines(&errors).contains("no step scores a part"), "{errors}");
    let text = CHURN.replace("eval: 0.15, test: 0.15", "eval: 0.3");
    let errors = expand_with(&text, options).unwrap_err();
    assert_eq!(
        lines(&errors),
        "12:7: a final look scores the part 'test', which 'split' does not make \
         (add 'test' to the split)"
    );
}

#[test]
fn only_steps_that_draw_at_random_have_a_seed() {
    let (_, graph) = expand(CHURN).unwrap();
    for (step, seeded) in [
        ("split", true),
        ("preprocess", false),
        ("train", false),
        ("evaluate", true),
    ] {
        let seed = graph.steps[step].seed;
        assert_eq!(seed.is_some(), seeded, "{step}");
        if seeded {
            assert_eq!(seed, Some(reproof_record::Seed(42).derive(&name(step))));
        }
    }
}

#[test]
fn a_seed_of_the_split_alone_keeps_the_rows_where_another_seed_is_tried() {
    let recipe_of = |text: &str| {
        let (pipeline, graph) = expand(text).unwrap();
        (recipe(&pipeline, &graph), graph.to_steps_yaml(&pipeline))
    };
    let (plain, _) = recipe_of(CHURN);
    let same = CHURN.replace("seed: 42", "seed: 42\nsplit_seed: 42");
    assert_eq!(recipe_of(&same).0.id().unwrap(), plain.id().unwrap());
    let other = CHURN.replace("seed: 42", "seed: 7\nsplit_seed: 42");
    let (other, printed) = recipe_of(&other);
    assert_eq!(other.steps["split"].seed, plain.steps["split"].seed);
    let evaluate = reproof_record::Seed(7).derive(&name("evaluate"));
    assert_eq!(other.steps["evaluate"].seed, Some(evaluate));
    assert_eq!(other.family().unwrap(), plain.family().unwrap());
    // What is printed is the same pipeline.
    assert!(printed.contains("seed: 7\nsplit_seed: 42\n"), "{printed}");
    assert_eq!(recipe_of(&printed).0.id().unwrap(), other.id().unwrap());
}

#[test]
fn sources_have_one_key_each() {
    let key = |data: &str| {
        let text = MINIMAL.replace("{csv: a.csv}", data);
        let pipeline = parse_pipeline("f", &text, &[]).unwrap();
        source(&pipeline).key()
    };
    assert_eq!(key("{csv: a.csv}"), "csv:a.csv");
    assert_eq!(
        key(
            "{csv: a.csv, delimiter: \",\", null_tokens: [NA, \"\", N/A, \"NULL\", NaN, nan, \"null\"]}"
        ),
        "csv:a.csv"
    );
    assert_eq!(
        key("{csv: a.csv, delimiter: \"\\t\", null_tokens: [NA, \"\"]}"),
        r#"csv{"delimiter":"\t","null_tokens":["","NA"]}:a.csv"#
    );
}

#[test]
fn data_may_be_named_or_a_version() {
    let read = |data: &str| {
        let text = MINIMAL.replace("{csv: a.csv}", data);
        parse_pipeline("f", &text, &[]).unwrap().data["data"].clone()
    };
    let churn = DataFrom::Named(name("churn"));
    assert_eq!(read("churn"), churn);
    assert_eq!(read("{name: churn}"), churn);
    let version = DataFrom::Version("churn@v1".parse().unwrap());
    assert_eq!(read("{version: churn@v1}"), version);
    for from in ["churn", "{version: \"churn@~2\"}"] {
        let text = MINIMAL.replace("{csv: a.csv}", from);
        let (pipeline, graph) = expand(&text).unwrap();
        let printed = graph.to_steps_yaml(&pipeline);
        let again = parse_pipeline("f", &printed, &[]).unwrap();
        assert_eq!(again.data, pipeline.data, "{printed}");
        // Where data comes from is no part of the recipe.
        assert_eq!(id(&text), id(MINIMAL));
    }
    let errors = |data: &str| {
        lines(&parse_pipeline("f", &MINIMAL.replace("{csv: a.csv}", data), &[]).unwrap_err())
    };
    for (data, says) in [
        (
            "data/a.csv",
            "'data/a.csv' is not the name of data (a file is written {csv: data/a.csv})",
        ),
        ("a.parquet", "(a file is written {parquet: a.parquet})"),
        ("churn@v1", "(a version is written {version: churn@v1})"),
        (
            "{version: a b}",
            "'a b' is not a stored version of data (write NAME,",
        ),
        (
            "{name: churn, schema: {a: float}}",
            "'schema' has no use beside 'name' (how named data",
        ),
        (
            "{name: churn, csv: a.csv}",
            "a data source is one file, folder or query",
        ),
        ("{nam: churn}", "unknown key 'nam' (did you mean 'name'?)"),
        ("{keep: true}", "unknown key 'keep'"),
        ("3", "the name of data, or a mapping with csv"),
    ] {
        let found = errors(data);
        assert!(found.contains(says), "{data}: {found}");
    }
}

#[test]
fn expectations_are_no_part_of_the_recipe_and_are_printed() {
    let text = MINIMAL.replace(
        "{csv: a.csv}",
        "{csv: a.csv, expect: {rows: {min: 1}, unique: [tenure, [contract, tenure]], \
         range: {monthly_charges: {min: -0.5}}, allowed: {contract: [One, Two]}, \
         drift: {tenure: 0.2}}}",
    );
    let Ok((pipeline, graph)) = expand(&text) else {
        panic!("{}", lines(&expand(&text).unwrap_err()));
    };
    assert_eq!(id(&text), id(MINIMAL));
    let said = |pipeline: &Pipeline| -> Vec<String> {
        let all = pipeline.expectations().flat_map(|(_, all)| all);
        all.map(|one| one.text.clone()).collect()
    };
    assert_eq!(
        said(&pipeline),
        [
            "rows from 1",
            "tenure is unique",
            "contract, tenure are unique together",
            "monthly_charges from -0.5",
            "contract is one of One, Two",
            "tenure moved by at most 0.2",
        ]
    );
    let printed = graph.to_steps_yaml(&pipeline);
    let mut again = said(&parse_pipeline("f", &printed, &[]).unwrap());
    let mut before = said(&pipeline);
    again.sort();
    before.sort();
    assert_eq!(again, before, "{printed}");
}

#[test]
fn all_errors_are_reported_at_once() {
    refused(
        "\
pipeline: Churn
sed: 42
data: {cvs: a.csv}
label: {colum: churn}
features: [tenure, tenure, 5]
split: {randm: {train: 0.7}}
preprocess: {contract: one_hot}
train: {logistic_regresion: {}}
evaluate: {metrics: [roc_acu], slices: contract, require: [roc_auc = 0.8]}
",
        "\
1:11: 'Churn' is not a name: it must begin with a letter from a to z
2:1: unknown key 'sed' (did you mean 'seed'?)
3:8: unknown key 'cvs' (did you mean 'csv'?)
4:9: unknown key 'colum' (did you mean 'column'?)
5:20: the column 'tenure' stands twice
5:28: a column's name is wanted, found the number 5 (put it in quotes if text is meant)
6:9: unknown split 'randm' (did you mean 'random'?)
7:14: unknown feature 'contract' (known here: tenure)
7:24: a list is wanted, found the text 'one_hot' (write [one_hot])
8:9: unknown trainer 'logistic_regresion' (did you mean 'logistic_regression'?)
9:22: unknown metric 'roc_acu' (did you mean 'roc_auc'?)
9:40: a list is wanted, found the text 'contract' (write [contract])
9:60: 'roc_auc = 0.8' is not a gate (write a metric, one of >=, <=, >, < and a number: roc_auc >= 0.80)",
    );
}

#[test]
fn missing_blocks_are_named() {
    refused(
        "seed: 1\n",
        "\
1:1: the key 'pipeline' is missing
1:1: the key 'data' is missing (a pipeline has the blocks 'data', 'label' and 'train', or a free graph under 'steps')
1:1: the key 'label' is missing (a pipeline has the blocks 'data', 'label' and 'train', or a free graph under 'steps')
1:1: the key 'train' is missing (a pipeline has the blocks 'data', 'label' and 'train', or a free graph under 'steps')",
    );
    let start = "begin with 'pipeline: NAME'; 'reproof init' writes one to start from";
    refused(
        "",
        &format!("1:1: a pipeline file is a mapping, found nothing (null) ({start})"),
    );
    refused(
        "[1]\n",
        &format!("1:1: a pipeline file is a mapping, found a list ({start})"),
    );
}

#[test]
fn values_out_of_bounds_are_refused_at_their_place() {
    refused_with(
        "seed: 42",
        "seed: -1",
        "2:7: an integer from 0 to 9007199254740991 is wanted, found the number -1",
    );
    refused_with(
        "seed: 42",
        "seed: 1.5",
        "2:7: an integer from 0 to 9007199254740991 is wanted, found the number 1.5",
    );
    refused_with(
        "seed: 42",
        "seed: \"42\"",
        "2:7: an integer from 0 to 9007199254740991 is wanted, found the text '42' (write it without quotes)",
    );
    refused_with(
        "l2: 0.5",
        "l2: -0.5",
        "10:35: a number from 0 is wanted, found the number -0.5",
    );
    refused_with(
        "train: 0.7,",
        "train: 0.6,",
        "6:9: the shares of the parts sum to 0.9, not to 1",
    );
    refused_with(
        "train: 0.7, eval: 0.15",
        "train: 0.85, eval: 0",
        "6:37: a number above 0 to 1 is wanted, found the number 0",
    );
    refused_with("train: 0.7, ", "", "6:9: the part 'train' is missing");
    refused_with(
        "train: 0.7, eval",
        "train: 0.7, evl",
        "6:30: unknown key 'evl' (did you mean 'eval'?)",
    );
    refused_with(
        "train: 0.7, eval: 0.15",
        "train: 0.85",
        "12:7: the split makes no part 'eval' to score (it makes test, train; add 'eval' to it)",
    );
    refused_with(
        "on: eval",
        "on: train",
        "12:7: unknown part 'train' (known here: eval, test)",
    );
}

#[test]
fn paths_stay_inside_the_project() {
    let inside = "only files inside the project can be read";
    for (path, hint) in [
        (
            "/etc/passwd",
            format!("{inside}; write the path from the project's folder"),
        ),
        (
            "~/a.csv",
            format!("{inside}; write the path from the project's folder"),
        ),
        (
            "../a.csv",
            format!("{inside}; copy or link the file into it"),
        ),
        (
            "a/../../b",
            format!("{inside}; copy or link the file into it"),
        ),
        ("./a.csv", "write a.csv".to_owned()),
        ("a//b.csv", "write a/b.csv".to_owned()),
        ("a\\b.csv", "write / between folders: a/b.csv".to_owned()),
    ] {
        let text = MINIMAL.replace("a.csv", path);
        let expect = format!("2:13: '{path}' is not a path inside the project ({hint})");
        refused(&text, &expect);
    }
}

#[test]
fn columns_are_checked_with_hints() {
    refused_with(
        "column: churn",
        "column: chrun",
        "4:17: unknown column 'chrun' (did you mean 'churn'?)",
    );
    refused_with(
        "[tenure, contract,",
        "[tenur, contract,",
        "5:12: unknown column 'tenur' (did you mean 'tenure'?)",
    );
    refused_with(
        "[senior, contract]]",
        "[senior, contrct]]",
        "14:39: unknown column 'contrct' (did you mean 'contract'?)",
    );
    refused_with(
        "[tenure, ",
        "[tenure, churn, ",
        "5:20: 'churn' is the label: it cannot be a feature",
    );
    refused_with(
        "  contract: [",
        "  churn: [",
        "9:3: 'churn' is the label: it is not preprocessed",
    );
    refused_with(
        "  contract: [",
        "  contrat: [",
        "9:3: unknown feature 'contrat' (did you mean 'contract'?)",
    );
    refused_with(
        "[one_hot]",
        "[{scale: z_score}]",
        "9:14: the column 'contract' is string; only numbers can be scaled: use one_hot",
    );
    refused_with(
        "[one_hot]",
        "[{fill: mean}, one_hot]",
        "9:14: the column 'contract' is string; it has no mean: fill with a constant",
    );
    refused_with(
        "[one_hot]",
        "[{fill: {constant: 1}}]",
        "9:13: the column 'contract' is string; its chain must end in numbers (end it with one_hot or ordinal)\n9:14: the column 'contract' is string; the constant must be text, in quotes if it looks like a number",
    );
    refused_with(
        "[one_hot]",
        "[one_hot, {fill: mean}]",
        "9:23: 'fill' comes before 'one_hot'",
    );
    refused_with(
        "{scale: z_score}]",
        "{scale: z_score}, one_hot]",
        "8:53: a column is either scaled or made one-hot, not both",
    );
    refused_with(
        "{fill: mean}, ",
        "{fill: mean}, {fill: mean}, ",
        "8:35: 'fill' stands twice in the chain",
    );
    refused_with(
        "{fill: mean}, ",
        "{fill: meen}, ",
        "8:28: unknown filling 'meen' (did you mean 'mean'?)",
    );
    refused_with(
        "positive: \"Yes\"",
        "positive: 1",
        "4:34: the label 'churn' is string; its positive value must be text, in quotes if it looks like a number",
    );
    refused(
        &MINIMAL.replace("logistic", "linear"),
        "3:8: the label 'churn' is string; a regression predicts a number (train logistic_regression for a label of two classes)",
    );
    refused_with(
        "logistic_regression: {l2: 0.5}",
        "linear_regression",
        "4:34: a regression predicts a number: there is no positive class\n13:13: 'roc_auc' is no metric of a regression (there are rmse, mae, mape, r2)\n13:22: 'accuracy' is no metric of a regression (there are rmse, mae, mape, r2)\n13:32: 'log_loss' is no metric of a regression (there are rmse, mae, mape, r2)\n16:7: 'roc_auc' is no metric of a regression (there are rmse, mae, mape, r2)\n17:16: 'roc_auc' is no metric of a regression (there are rmse, mae, mape, r2)\n17:70: a regression has no classes",
    );
}

#[test]
fn labels_and_chains_suit_their_columns() {
    refused(
        &MINIMAL.replace("churn", "monthly_charges"),
        "3:8: the label 'monthly_charges' is float; a classification has two classes \
         (use a boolean, integer or string column, or train linear_regression)",
    );
    refused(
        &format!("{MINIMAL}preprocess: {{senior: [{{fill: mean}}, one_hot]}}\n"),
        "5:23: the column 'senior' is boolean; its mean is no category: fill with a constant",
    );
    for chain in [
        "[]",
        "[{fill: mean}, {scale: z_score}]",
        "[{fill: {constant: true}}, one_hot]",
    ] {
        id(&format!("{MINIMAL}preprocess: {{senior: {chain}}}\n"));
    }
}

#[test]
fn gates_are_checked() {
    let gate = "roc_auc >= 0.80";
    refused_with(
        gate,
        "roc_acu >= 0.80",
        "16:7: unknown metric 'roc_acu' (did you mean 'roc_auc'?)",
    );
    refused_with(
        gate,
        "roc_auc >= 80",
        "16:7: roc_auc lies between 0 and 1, not at 80",
    );
    refused_with(
        gate,
        "roc_auc >= 0.8 in contract",
        "16:7: '0.8 in contract' is not a number (a gate on a slice is a mapping: {metric: roc_auc, at_least: 0.65, in: COLUMN})",
    );
    refused_with(
        gate,
        "rmse <= 3",
        "16:7: 'rmse' is no metric of a classification of two classes (there are roc_auc, pr_auc, accuracy, \
         balanced_accuracy, precision, recall, f1, log_loss, brier)",
    );
    refused_with(
        "[roc_auc, accuracy, log_loss]",
        "[accuracy]",
        "16:7: the gate is on 'roc_auc', which is not computed (add roc_auc to 'metrics')\n17:16: the gate is on 'roc_auc', which is not computed (add roc_auc to 'metrics')",
    );
    refused_with(
        "in: contract",
        "in: tenure",
        "17:45: the gate is on the slice tenure, which is not declared (add tenure to 'slices')",
    );
    refused_with(
        "in: contract",
        "in: [contract, tenure]",
        "17:45: the gate is on the slice contract, tenure, which is not declared (add [contract, tenure] to 'slices')",
    );
    refused_with(
        "in: contract, ",
        "",
        "17:41: 'min_rows' has a use only beside 'in'\n17:56: 'min_per_class' has a use only beside 'in'",
    );
    refused_with(
        "at_least: 0.65, ",
        "",
        "17:16: the gate has no bound: one of at_least, at_most, above, below",
    );
    refused_with(
        "at_least: 0.65, ",
        "at_least: 0.65, below: 0.9, ",
        "17:41: a gate has one bound; write two gates",
    );
    refused_with(
        "[roc_auc, accuracy, log_loss]",
        "[roc_auc, rmse]",
        "13:22: 'rmse' is no metric of a classification of two classes (there are roc_auc, pr_auc, accuracy, \
         balanced_accuracy, precision, recall, f1, log_loss, brier)",
    );
    let (_, graph) = expand(&CHURN.replace("in: contract", "in: [senior, contract]")).unwrap();
    assert_eq!(graph.gates[1].text, "roc_auc >= 0.65 in contract, senior");
}

/// The step that trains, and what goes into it.
#[track_caller]
fn boosted(settings: &str, label: &str) -> String {
    let text = MINIMAL.replacen("churn", label, 1).replacen(
        "logistic_regression",
        &format!("{{gradient_boosting: {settings}}}"),
        1,
    );
    let (pipeline, graph) = expand(&text).unwrap_or_else(|error| panic!("{error}"));
    let printed = graph.to_steps_yaml(&pipeline);
    let again = expand(&printed).unwrap_or_else(|error| panic!("{error}\n{printed}"));
    assert_eq!(again.1.steps, graph.steps, "{printed}");
    let step = &graph.steps["train"];
    let inputs: Vec<_> = step.inputs.keys().map(StepName::as_str).collect();
    assert!(step.seed.is_some());
    let parameters = serde_json::Value::Object(step.parameters.clone());
    format!("{} {parameters}", inputs.join(" "))
}

#[test]
fn gradient_boosting_has_a_task_by_its_label() {
    assert_eq!(
        boosted("{rounds: 20}", "churn"),
        r#"features table {"bins":255,"class_weights":null,"column_fraction":1,"early_stopping_rounds":null,"l2":1,"label":{"column":"churn","positive":null},"learning_rate":0.1,"max_depth":6,"max_leaves":null,"min_gain":0,"min_rows":20,"rounds":20,"row_fraction":1,"task":"binary_classification"}"#
    );
    assert!(boosted("{}", "monthly_charges").contains(r#""task":"regression""#));
    let several = boosted(
        "{task: multiclass_classification, class_weights: {a: 2.5}, early_stopping_rounds: 5}",
        "contract",
    );
    assert!(several.starts_with("eval_features eval_table features table "));
    assert!(
        several.contains(r#""class_weights":{"a":2.5}"#),
        "{several}"
    );
    assert!(boosted("{task: regression}", "tenure").contains(r#""label":{"column":"tenure"}"#));
    assert!(
        boosted("{class_weights: balanced, max_leaves: 31}", "churn").contains(r#""balanced""#)
    );
}

/// The short form with trees and a chain for `contract`.
fn of_categories(settings: &str, chain: &str) -> String {
    let trees = format!("gradient_boosting: {settings}\npreprocess: {{contract: {chain}}}");
    MINIMAL.replacen("logistic_regression", &trees, 1).replacen(
        "train: gradient_boosting:",
        "train:\n  gradient_boosting:",
        1,
    )
}

#[test]
fn categories_are_told_to_the_trainer() {
    let check = |settings: &str, chain: &str, of_chain: serde_json::Value| {
        let text = of_categories(settings, chain);
        let (pipeline, graph) = expand(&text).unwrap_or_else(|error| panic!("{text}\n{error}"));
        let printed = graph.to_steps_yaml(&pipeline);
        let again = expand(&printed).unwrap_or_else(|error| panic!("{error}\n{printed}"));
        assert_eq!(again.1.steps, graph.steps, "{printed}");
        let features = &graph.steps["preprocess"].parameters["features"];
        assert_eq!(features["contract"], of_chain);
        let parameters = graph.steps["train"].parameters.clone();
        let names = ["categorical", "cat_smooth", "cat_l2"];
        names.map(|name| parameters.get(name).cloned())
    };
    let given = |smooth: f64, l2: i64| {
        [
            Some(json!(["contract"])),
            Some(json!(smooth)),
            Some(json!(l2)),
        ]
    };
    let found = check("{}", "[category]", json!(["category"]));
    assert_eq!(
        found,
        [Some(json!(["contract"])), Some(json!(10)), Some(json!(10))]
    );
    let found = check(
        "{cat_smooth: 2.5, cat_l2: 0}",
        "[{fill: mode}, {category: {max: 20, unknown: other}}]",
        json!([{"fill": "mode"}, {"category": {"max": 20, "unknown": "other"}}]),
    );
    assert_eq!(found, given(2.5, 0));
    check(
        "{}",
        "[{category: {max: 255, unknown: missing}}]",
        json!(["category"]),
    );
    assert_eq!(
        check("{}", "[ordinal]", json!(["ordinal"])),
        [None, None, None]
    );
}

#[test]
fn categories_are_refused_where_they_mean_nothing() {
    let check = |text: &str, expect: &str| {
        let error = expand(text).unwrap_err().to_string();
        assert!(error.contains(expect), "{error}");
    };
    let linear = MINIMAL.to_owned() + "preprocess: {contract: [category]}\n";
    check(
        &linear,
        "'category' makes codes, which 'train_logistic_regression' would take for amounts",
    );
    check(
        &of_categories("{cat_l2: 1}", "[ordinal]"),
        "'cat_l2' is for categories, and there are none",
    );
    check(
        &of_categories("{}", "[category, {scale: z_score}]"),
        "neither scaled nor made one-hot",
    );
    check(
        &of_categories("{}", "[{category: {max: 256}}]"),
        "an integer from 2 to 255",
    );
    let (pipeline, graph) = expand(&of_categories("{}", "[category]")).unwrap();
    let printed = graph.to_steps_yaml(&pipeline);
    let other = printed.replacen("categorical: [contract]", "categorical: [tenure]", 1);
    assert_ne!(other, printed);
    check(
        &other,
        "the features whose chains end in 'category' are contract",
    );
}

#[test]
fn gradient_boosting_is_refused_where_it_cannot_be() {
    let check = |from: &str, to: &str, expect: &str| {
        let text = CHURN.replacen("logistic_regression: {l2: 0.5}", "gradient_boosting", 1);
        assert!(text.contains(from), "{from}");
        refused(&text.replacen(from, to, 1), expect);
    };
    check(
        "{column: churn, positive: \"Yes\"}\nfeatures: [tenure, ",
        "tenure\nfeatures: [",
        "4:8: the label 'tenure' is integer: whether it is a class or a number is not plain (write \
         its 'positive' class, or 'task: regression' or 'task: multiclass_classification' under the \
         trainer)",
    );
    check(
        "{gradient_boosting}",
        "{gradient_boosting: {bins: 256}}",
        "10:35: an integer from 2 to 255 is wanted, found the number 256",
    );
    refused(
        "pipeline: p\ndata: {csv: a.csv}\nlabel: {column: tenure, positive: 1}\n\
         train: {gradient_boosting: {task: regression}}\n",
        "3:35: a regression predicts a number: there is no positive class",
    );
    let text = CHURN.replacen(
        "logistic_regression: {l2: 0.5}",
        "gradient_boosting: {early_stopping_rounds: 5}",
        1,
    );
    refused(
        &text
            .replacen(
                "{train: 0.7, eval: 0.15, test: 0.15}",
                "{train: 0.8, test: 0.2}",
                1,
            )
            .replacen("on: eval", "on: test", 1),
        "10:29: early stopping decides by the part 'eval', which is not there (add 'eval' to the \
         split)",
    );
    let (_, graph) = expand(&text).unwrap();
    assert_eq!(
        graph.steps["preprocess"].parameters["features"]["tenure"],
        json!([])
    );
}

#[test]
fn a_source_is_one_file_and_may_declare_types() {
    let read = |data: &str| {
        let text = MINIMAL.replace("{csv: a.csv}", data);
        source(&parse_pipeline("f", &text, &[]).unwrap()).clone()
    };
    let declared = read("{csv: a.csv, schema: {day: date, id: string}, statistics: basic}");
    assert_eq!(declared.schema["day"], LogicalType::Date);
    assert_eq!(declared.statistics, StatisticsOption::Basic);
    assert_eq!(
        declared.key(),
        r#"csv{"schema":{"day":"date","id":"string"}}:a.csv"#
    );
    let parquet = read("{parquet: a.parquet}");
    assert_eq!(parquet.format, DataFormat::Parquet);
    assert_eq!(parquet.key(), "parquet:a.parquet");
    let errors = |data: &str| {
        let text = MINIMAL.replace("{csv: a.csv}", data);
        let errors = parse_pipeline("f", &text, &[]).unwrap_err();
        errors
            .iter()
            .map(|found| found.message.clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(
        errors("{statistics: full}"),
        [
            "a key that names the source is missing: 'csv', 'parquet', 'jsonl', 'arrow', 'numpy', 'files', 'sqlite', 'postgres'"
        ]
    );
    assert_eq!(
        errors("{csv: a.csv, parquet: b}"),
        ["a data source is one file, folder or query"]
    );
    assert_eq!(
        errors("{parquet: b, delimiter: \";\"}"),
        ["'delimiter' is for CSV files"]
    );
    assert_eq!(
        errors("{csv: a.csv, schema: {day: dates}}"),
        ["unknown type 'dates'"]
    );
}

#[test]
fn decimals_are_declared_by_their_digits() {
    let read = |schema: &str| {
        let text = MINIMAL.replace(
            "{csv: a.csv}",
            &format!("\n  csv: a.csv\n  schema: {schema}"),
        );
        parse_pipeline("f", &text, &[])
    };
    let price = LogicalType::Decimal(DecimalType::new(10, 2).unwrap());
    for schema in ["\n    price: decimal(10, 2)", "{price: \"decimal(10,2)\"}"] {
        let declared = source(&read(schema).unwrap()).clone();
        assert_eq!(declared.schema["price"], price);
        assert_eq!(
            declared.key(),
            r#"csv{"schema":{"price":"decimal(10, 2)"}}:a.csv"#
        );
    }
    for schema in [
        "\n    price: decimal",
        "\n    price: decimal(39, 2)",
        "\n    price: decimal(2, 3)",
        "{price: decimal(10, 2)}",
    ] {
        let errors = read(schema).unwrap_err();
        let found = errors.iter().next().unwrap();
        assert!(
            found.message.starts_with("unknown type 'decimal"),
            "{}",
            found.message
        );
        let hint = found.hint.as_ref().unwrap();
        assert!(
            hint.contains("inside braces in quotes: \"decimal(10, 2)\""),
            "{hint}"
        );
    }
}

#[test]
fn decimals_are_numbers_and_no_classes() {
    let column = |name: &str, logical_type| Column {
        name: name.to_owned(),
        logical_type,
    };
    let price = LogicalType::Decimal(DecimalType::new(10, 2).unwrap());
    let check = |rest: &str, expect: &str| {
        let text = format!("pipeline: p\ndata: {{csv: a.csv}}\n{rest}");
        let schema = Schema::new(vec![
            column("price", price),
            column("x", LogicalType::Integer),
        ]);
        let schemas = BTreeMap::from([(data(), schema.unwrap())]);
        let pipeline = parse_pipeline("f", &text, &[]).unwrap();
        match pipeline.expand(&schemas, &BTreeMap::new(), &ExpandOptions::default()) {
            Ok(graph) => assert!(format!("{graph:?}").contains(expect), "{graph:?}"),
            Err(errors) => assert!(errors.to_string().contains(expect), "{errors}"),
        }
    };
    let train = "train: {linear_regression: {}}\nsplit: {random: {train: 0.5, eval: 0.5}}\n";
    check(
        &format!("label: price\n{train}evaluate: {{}}\n"),
        "train_linear",
    );
    check(
        "label: price\ntrain: {logistic_regression: {}}\nsplit: {random: {train: 0.5, eval: 0.5}}\n",
        "the label 'price' is decimal(10, 2); a classification has two classes",
    );
    check(
        &format!("label: x\npreprocess: {{price: [{{cast: \"decimal(5,1)\"}}]}}\n{train}"),
        "decimal(5, 1)",
    );
    check(
        &format!("label: x\npreprocess: {{price: [{{fill: {{constant: cheap}}}}]}}\n{train}"),
        "the column 'price' is decimal(10, 2); the constant must be a number",
    );
    check(
        "label: x\ntrain: {linear_regression: {}}\n\
         split: {indexed: {by: price, values: {train: [1.5], eval: [\"2.50\", 0.001]}}}\n",
        "its value must be a number that a decimal(10, 2) holds",
    );
}

#[test]
fn what_a_later_version_may_support_is_said_plainly() {
    refused_with(
        "{logistic_regression: {l2: 0.5}}",
        "{neural_network: {layers: 2}}",
        "10:9: 'neural_network': this trainer is not supported by this version",
    );
    refused_with(
        "{csv: data/churn.csv}",
        "{images: a}",
        "3:8: 'images': a folder of images is written 'files', beside the block 'images: folders'",
    );
    refused_with(
        "{random: {train: 0.7, eval: 0.15, test: 0.15}}",
        "{domain: {by: churn}}",
        "6:9: 'domain': this way to split is not supported by this version",
    );
    refused_with(
        "{csv: data/churn.csv}",
        "{train: {run: [python, make.py]}}",
        "3:16: 'run': a program makes the data of a pipeline alone: write 'data: {run: …}' there, or a \
         step for each under 'steps'\n\
         6:1: the data comes in parts already (leave 'split' out, or write 'split: none')",
    );
}

/// Asserts what is wrong in the free graph with this replaced.
#[track_caller]
fn steps_with(from: &str, to: &str, expect: &str) {
    assert!(STEPS.contains(from), "{from}");
    refused(&STEPS.replacen(from, to, 1), expect);
}

#[test]
fn the_links_of_a_free_graph_are_checked() {
    steps_with(
        "operation: split_random",
        "operation: split_randm",
        "6:16: unknown operation 'split_randm' (did you mean 'split_random'?)",
    );
    steps_with(
        "preprocess@1",
        "preprocess@2",
        "10:16: this version has preprocess@1, not 'preprocess@2'",
    );
    steps_with(
        "{table: data}",
        "{tabel: data}",
        "7:5: the input 'table' of split_random is missing\n7:14: unknown input of split_random 'tabel' (did you mean 'table'?)",
    );
    steps_with(
        "{table: data}",
        "{table: dta}",
        "7:21: unknown data source 'dta' (did you mean 'data'?)",
    );
    steps_with(
        "{table: data}",
        "{table: features}",
        "7:21: 'features' is a step (name one of its outputs: features.OUTPUT)",
    );
    steps_with(
        "train: parts.train",
        "train: part.train",
        "11:21: unknown step 'part' (did you mean 'parts'?)",
    );
    steps_with(
        "train: parts.train",
        "train: parts.trian",
        "11:21: unknown output of 'parts' 'trian' (did you mean 'train'?)",
    );
    steps_with(
        "model: model.model",
        "model: features.state",
        "20:21: the input 'model' takes a trained model; 'features.state' is the state of a preprocessing",
    );
    steps_with(
        "{table: data}",
        "{table: parts.train}",
        "5:3: the step 'parts' waits for itself",
    );
    steps_with(
        "table: parts.test}",
        "table: parts.train}",
        "20:66: 'table' must be what the features are made of: features.test is made of parts.test, not of parts.train",
    );
}

#[test]
fn the_parameters_of_a_free_graph_are_checked() {
    steps_with(
        "tenure: [",
        "churn: [one_hot], tenure: [",
        "13:18: 'churn' is the label: it cannot be a feature",
    );
    steps_with(
        "constant: 0",
        "constant: x",
        "13:27: the column 'tenure' is integer; the constant must be a number",
    );
    steps_with(
        "{label: {",
        "{l3: 1, label: {",
        "17:18: unknown parameter 'l3' (did you mean 'l2'?)",
    );
    steps_with(
        "label: {column: churn, positive: \"Yes\"}",
        "l2: 2",
        "17:5: the parameter 'label' is missing",
    );
    steps_with(
        "steps:\n",
        "label: x\nsteps:\n",
        "4:1: 'label' cannot stand beside 'steps' (write either the blocks or a free graph; 'reproof plan' prints the graph that the blocks stand for)",
    );
    steps_with(
        "    parameters: {ratios: {train: 0.8, test: 0.2}}\n",
        "    parameters: {ratios: {train: 0.8, test: 0.2}}\n    require: []\n",
        "9:5: gates stand only at a step that evaluates",
    );
    let empty = "pipeline: x\ndata: {csv: a}\nsteps: {}\n";
    refused(empty, "3:8: there are no steps");
}

#[test]
fn a_model_is_scored_on_the_features_it_was_trained_on() {
    let text = STEPS.replace(
        "  model:\n",
        "  other:\n    operation: preprocess\n    inputs: {train: parts.train, test: parts.test}\n    \
         parameters: {features: {senior: [one_hot]}}\n  model:\n",
    );
    let text = text.replace("features: features.test", "features: other.test");
    refused(
        &text,
        "24:44: the model is trained on features of 'features', these are of 'other'",
    );
}

#[test]
fn tables_of_two_sources_must_agree() {
    let pipeline = parse_pipeline("f", TWO_SOURCES, &[]).unwrap();
    let columns = schema().columns().to_vec();
    let mut other = columns.clone();
    other[1].logical_type = LogicalType::String;
    other.remove(2);
    let schemas = BTreeMap::from([
        (named("old"), Schema::new(columns).unwrap()),
        (named("new"), Schema::new(other).unwrap()),
    ]);
    let errors = pipeline
        .expand(&schemas, &BTreeMap::new(), &ExpandOptions::default())
        .unwrap_err();
    assert_eq!(
        lines(&errors),
        "8:32: the column 'tenure' is string here, integer in the part that is fitted on\n\
         16:65: the table has no column 'monthly_charges'"
    );
    let errors = pipeline
        .expand(
            &BTreeMap::new(),
            &BTreeMap::new(),
            &ExpandOptions::default(),
        )
        .unwrap_err();
    assert!(lines(&errors).contains("the columns of the data 'old' are not known"));
}

#[test]
fn overrides_are_validated_like_the_file() {
    let parse = |sets: &[&str]| {
        let sets: Vec<Override> = sets.iter().map(|set| set.parse().unwrap()).collect();
        parse_pipeline("p.yaml", CHURN, &sets)
    };
    let id_with = |sets: &[&str]| {
        let pipeline = parse(sets).unwrap();
        let schemas = BTreeMap::from([(data(), schema())]);
        let graph = pipeline
            .expand(&schemas, &BTreeMap::new(), &ExpandOptions::default())
            .unwrap();
        recipe(&pipeline, &graph).id().unwrap()
    };
    assert_eq!(
        id_with(&["seed=43"]),
        id(&CHURN.replace("seed: 42", "seed: 43"))
    );
    assert_eq!(id_with(&["seed=1", "seed=42"]), id(CHURN));
    assert_eq!(
        id_with(&["train.logistic_regression.l2=0.25", "label.positive=No"]),
        id(&CHURN
            .replace("l2: 0.5", "l2: 0.25")
            .replace("\"Yes\"", "\"No\""))
    );
    assert_eq!(
        id_with(&["evaluate.on=test"]),
        id(&CHURN.replace("on: eval", "on: test"))
    );
    let refused = |set: &str, expect: &str| {
        assert_eq!(parse(&[set]).unwrap_err().to_string(), expect);
    };
    refused(
        "train.logistic_regression.l3=1",
        "--set:1:27: unknown parameter 'l3'\n    1 | train.logistic_regression.l3=1\n      |                           ^^\nhint: did you mean 'l2'?",
    );
    refused(
        "sed=1",
        "--set:1:1: unknown key 'sed'\n    1 | sed=1\n      | ^^^\nhint: did you mean 'seed'?",
    );
    assert!(
        parse(&["seed=x"])
            .unwrap_err()
            .to_string()
            .starts_with("--set:1:6: an integer")
    );
    assert!(
        parse(&["seed=[1"])
            .unwrap_err()
            .to_string()
            .starts_with("--set:1:")
    );
}

#[test]
fn errors_are_shown_with_their_line() {
    let errors = expand(&CHURN.replace("random:", "randm:")).unwrap_err();
    assert_eq!(
        errors.to_string(),
        "p.yaml:6:9: unknown split 'randm'\n    6 | split: {randm: {train: 0.7, eval: 0.15, test: 0.15}}\n      |         ^^^^^\nhint: did you mean 'random'?"
    );
}

#[test]
fn the_default_options_are_those_of_the_table() {
    let field = |name: &str| DATA_SOURCE.field(name).unwrap().default_value();
    let default = CsvOptions::default();
    assert_eq!(
        field("delimiter"),
        char::from(default.delimiter).to_string()
    );
    assert_eq!(field("null_tokens"), serde_json::json!(default.null_tokens));
}

/// Pieces of pipeline files, so that random texts get past the parser.
fn piece() -> impl Strategy<Value = String> {
    let pieces = "pipeline: a\n|data: {csv: a}\n|label: churn\n|train: logistic_regression\n|steps:\n|\
        evaluate: {on: test}\n|train: {run: [a]}\n|predict: {shell: a}\n|    run: [a]\n|\
        preprocess: none\n|    outputs: {a: b/}\n|split: {random: {train: 1}}\n|  x:\n|    operation: evaluate\n|\
        preprocess: {tenure: [{fill: mean}]}\n|features: [tenure]\n|  metrics: [r2]\n|null|~|-1|\"|'";
    let words: Vec<_> = pieces.split('|').map(str::to_owned).collect();
    prop_oneof![
        prop::sample::select(words),
        "[-a-z0-9:{}\\[\\], \\n]{0,6}".prop_map(String::from)
    ]
}

proptest! {
    #[test]
    fn any_text_is_taken_or_refused(
        pieces in prop::collection::vec(piece(), 0..12),
        path in "[a-z.\"]{1,12}",
        value in "[-a-z0-9:{}\\[\\], ]{0,8}",
    ) {
        let text = pieces.concat();
        let _ = expand(&text);
        let _ = parse_pipeline("f", &text, &[Override { path, value }]);
    }

    /// A file that is valid but for one change is taken or refused, with a place inside it.
    #[test]
    fn any_change_of_a_valid_file_is_taken_or_refused(at in 0usize..1300, to in "[-a-z0-9:{}\\[\\], \"\\n#]{0,3}", of in 0usize..4) {
        let text = [STEPS, CHURN, programs::PROGRAMS, programs::BLOCKS][of];
        let at = at.min(text.len() - 1);
        let changed = format!("{}{to}{}", &text[..at], &text[at + 1..]);
        if let Err(errors) = expand(&changed) {
            prop_assert!(!errors.is_empty());
            for found in &errors {
                let line = changed.lines().nth(found.line - 1).unwrap_or_default();
                prop_assert!(found.column <= line.chars().count() + 1, "{found}");
            }
        }
    }

    /// Column names and values of any text survive the printed graph.
    #[test]
    fn any_names_survive_the_printed_graph(
        names in prop::collection::btree_set("\\PC{1,20}|[\\t\\n\\r\\x00-\\x1f\\x7f\u{85}\u{2028}\u{feff}'\"#:, -]{1,4}|no|yes|1|~|null|<<|a{1100}", 2..6),
        positive in any::<String>(),
        share in 0.001f64..0.999,
        l2 in prop::num::f64::POSITIVE,
    ) {
        prop_assume!(reproof_record::canonical_json(&l2.into()).is_ok());
        let columns: Vec<_> = names
            .iter()
            .map(|name| Column { name: name.clone(), logical_type: LogicalType::String })
            .collect();
        let label = columns[0].name.clone();
        let slice = columns[1].name.clone();
        let schemas = BTreeMap::from([(data(), Schema::new(columns).unwrap())]);
        let quoted = print::quoted;
        let text = format!(
            "pipeline: x\ndata: {{csv: a.csv}}\nlabel: {{column: {}, positive: {}}}\n\
             split: {{random: {{train: {share:?}, eval: {:?}}}}}\n\
             train: {{logistic_regression: {{l2: {l2:e}}}}}\n\
             evaluate:\n  slices: [{}]\n  require: [{{metric: roc_auc, above: 0.5, in: {}}}]\n",
            quoted(&label), quoted(&positive), 1.0 - share, quoted(&slice), quoted(&slice),
        );
        let run = |text: &str| {
            let pipeline = parse_pipeline("f", text, &[]).map_err(|e| e.to_string())?;
            let graph = pipeline.expand(&schemas, &BTreeMap::new(), &ExpandOptions::default()).map_err(|e| e.to_string())?;
            Ok::<_, String>((pipeline, graph))
        };
        let (pipeline, graph) = run(&text).map_err(|error| TestCaseError::fail(format!("{error}\n{text}")))?;
        let printed = graph.to_steps_yaml(&pipeline);
        let (again, graph_again) = run(&printed).map_err(|error| TestCaseError::fail(format!("{error}\n{printed}")))?;
        prop_assert_eq!(&graph_again.steps, &graph.steps, "{}", printed);
        prop_assert_eq!(graph_again.gates, graph.gates.clone());
        prop_assert_eq!(
            recipe(&again, &Graph { gates: Vec::new(), ..graph.clone() }).id().unwrap(),
            recipe(&pipeline, &graph).id().unwrap()
        );
    }
}

/// The churn pipeline with one piece of it replaced.
fn churn_with(from: &str, to: &str) -> String {
    assert!(CHURN.contains(from), "{from}");
    CHURN.replacen(from, to, 1)
}

#[test]
fn what_evaluate_learnt_later_is_written_only_where_it_is_used() {
    let text = churn_with(
        "  slices: [senior, contract, [senior, contract]]\n",
        "  slices: [senior, contract, [tenure, contract]]\n  buckets: {tenure: {edges: [12, 24.5]}}\n  \
         confusion_matrix: true\n  baseline: true\n",
    );
    let (pipeline, graph) = expand(&text).unwrap_or_else(|errors| panic!("{errors}"));
    let step = &graph.steps[&name("evaluate")];
    assert_eq!(
        step.parameters["buckets"],
        json!({"tenure": {"edges": [12, 24.5]}})
    );
    assert_eq!(step.parameters["confusion_matrix"], json!(true));
    assert_eq!(step.inputs[&name("training")].to_string(), "split.train");
    let printed = graph.to_steps_yaml(&pipeline);
    let (again, graph_again) = expand(&printed).unwrap_or_else(|e| panic!("{e}\n{printed}"));
    assert_eq!(recipe(&again, &graph_again), recipe(&pipeline, &graph));
    let off = churn_with(
        "  on: eval\n",
        "  on: eval\n  buckets: {}\n  confusion_matrix: false\n  baseline: false\n",
    );
    assert_eq!(id(&off), id(CHURN));
    let quantiles = churn_with(
        "slices: [senior,",
        "buckets: {monthly_charges: {quantiles: 4}}\n  slices: [monthly_charges, senior,",
    );
    let (_, graph) = expand(&quantiles).unwrap_or_else(|errors| panic!("{errors}"));
    assert_eq!(
        graph.steps[&name("evaluate")].parameters["buckets"],
        json!({"monthly_charges": {"quantiles": 4}})
    );
}

#[test]
fn buckets_are_checked() {
    let on = "  on: eval\n";
    refused_with(
        on,
        "  on: eval\n  buckets: {tenure: {edges: [3, 3]}, contract: {quantiles: 2}, senior: {edges: [1]}}\n",
        "13:29: the edges do not rise",
    );
    refused_with(
        on,
        "  on: eval\n  buckets: {tenure: {edges: [3]}, contract: {quantiles: 2}}\n",
        "13:13: no slice is by 'tenure', which has buckets (add it to 'slices')\n\
         13:35: the column 'contract' is string: only numbers can be put into buckets",
    );
    refused_with(
        on,
        "  on: eval\n  buckets: {senior: {quantiles: 1}, contract: {edges: []}}\n",
        "13:33: an integer from 2 to 1000 is wanted, found the number 1\n13:55: the list is empty",
    );
    refused_with(
        on,
        "  on: eval\n  buckets: {senior: {width: 1}}\n",
        "13:22: unknown way to make buckets 'width' (known here: edges, quantiles)",
    );
}
