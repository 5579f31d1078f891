//! Tables that programs make and built-in steps take.

use super::*;

/// The data is made by a program, of other data.
const MADE: &str = "\
pipeline: made
seed: 42
data:
  run: [python, prepare.py]
  inputs: {raw: {csv: data/churn.csv, expect: {unique: [tenure]}}, old: {csv: data/old.csv}}
  parameters: {since: 2020}
label: {column: churn, positive: \"Yes\"}
split: {random: {train: 0.7, eval: 0.15, test: 0.15}}
train: {logistic_regression: {l2: 1}}
evaluate: {metrics: [roc_auc]}
";

#[track_caller]
fn made_with(from: &str, to: &str, expect: &str) {
    assert!(MADE.contains(from), "{from}");
    refused(&MADE.replacen(from, to, 1), expect);
}

fn early(text: &str) -> Option<Early> {
    let pipeline = parse_pipeline("p.yaml", text, &[]).unwrap_or_else(|errors| panic!("{errors}"));
    let names = pipeline.data.keys();
    let columns = names.map(|data| (named(data.as_str()), schema())).collect();
    let options = ExpandOptions::default();
    let early = pipeline.early(&columns, &resolved(&pipeline), &options);
    early.unwrap_or_else(|errors| panic!("{errors}"))
}

#[test]
fn the_data_may_be_made_by_a_program() {
    let (pipeline, graph) = expand(MADE).unwrap_or_else(|errors| panic!("{errors}"));
    let printed = graph.to_steps_yaml(&pipeline);
    insta::assert_snapshot!(printed.split("  preprocess:").next().unwrap(), @r"
    pipeline: made
    seed: 42
    data:
      old: {csv: data/old.csv}
      raw: {csv: data/churn.csv, expect: {unique: [[tenure]]}}
    steps:
      data:
        run: [python, prepare.py]
        environment: default
        inputs: {old: old, raw: raw}
        parameters:
          since: 2020
        outputs:
          table: table.parquet
        threads: 1
        profile: portable
      split:
        operation: split_random@1
        inputs: {table: data.table}
        parameters:
          ratios:
            eval: 0.15
            test: 0.15
            train: 0.7
    ");
    assert_eq!(id(&printed), id(MADE), "{printed}");
    let early = early(MADE).unwrap();
    let steps: Vec<_> = early.graph.steps.keys().map(StepName::as_str).collect();
    assert_eq!(steps, ["data"]);
    // What runs first is the very step of the whole.
    assert_eq!(early.graph.steps["data"], graph.steps["data"]);
    assert_eq!(early.graph.programs["data"], graph.programs["data"]);
    let tables: Vec<_> = early.tables.iter().map(ToString::to_string).collect();
    assert_eq!(tables, ["data.table"]);
    // What is expected of its table is no part of the recipe, and is written to its output.
    let expecting = MADE.replace("  parameters:", "  expect: {rows: {min: 3}}\n  parameters:");
    let (pipeline, graph) = expand(&expecting).unwrap_or_else(|errors| panic!("{errors}"));
    let printed = graph.to_steps_yaml(&pipeline);
    let output = "table: {path: table.parquet, expect: {rows: {min: 3}}}";
    assert!(printed.contains(output), "{printed}");
    assert_eq!([id(&printed), id(&expecting)], [id(MADE), id(MADE)]);
    let alone = MADE.replace(
        "  inputs: {raw: {csv: data/churn.csv, expect: {unique: [tenure]}}, old: {csv: data/old.csv}}\n",
        "",
    );
    let (pipeline, graph) = expand(&alone).unwrap_or_else(|errors| panic!("{errors}"));
    let printed = graph.to_steps_yaml(&pipeline);
    assert!(!printed.contains("\ndata:"), "{printed}");
    assert_eq!(id(&printed), id(&alone), "{printed}");
}

#[test]
fn what_is_wrong_with_made_data_is_said() {
    made_with(
        "  parameters: {since: 2020}",
        "  outputs: {tables: t.parquet}",
        "6:12: the program in 'data' makes no table 'table', which the data would be (add it to its \
         outputs: table: table.parquet)",
    );
    made_with(
        "  parameters: {since: 2020}",
        "  outputs: {table: t/}",
        "6:12: the program in 'data' makes no table 'table', which the data would be (add it to its \
         outputs: table: table.parquet)",
    );
    made_with(
        "old: {csv: data/old.csv}",
        "old: {csv: data/old.csv, query: q}",
        "5:93: 'query' is for databases",
    );
    made_with(
        "unique: [tenure]",
        "unique: [tenur]",
        "5:57: unknown column 'tenur' (did you mean 'tenure'?)",
    );
    made_with(
        "  parameters: {since: 2020}",
        "  expects: {}",
        "6:3: unknown key 'expects' (did you mean 'expect'?)",
    );
    made_with(
        "  run: [python, prepare.py]",
        "  run: []",
        "4:8: the list is empty",
    );
    made_with(
        "label:",
        "images: folders\nlabel:",
        "7:1: images are of data that is one source (for others, write the graph under 'steps', with a \
         step 'image_table' for each)",
    );
}

#[test]
fn programs_may_stand_before_built_in_steps() {
    let steps = |merge: &str| {
        format!(
            "pipeline: p\ndata: {{csv: d.csv}}\nsteps:\n  clean:\n    run: [a]\n    inputs: {{rows: data}}\n    \
             outputs: {{rows: rows.csv, log: log.txt}}\n  merge:\n    run: [b]\n    inputs: {{{merge}}}\n    \
             outputs: {{table: t.parquet}}\n  other:\n    run: [c]\n    outputs: {{x: x}}\n  parts:\n    \
             operation: split_random\n    inputs: {{table: merge.table}}\n    parameters: {{ratios: {{train: \
             0.8, eval: 0.2}}}}\n"
        )
    };
    let text = steps("rows: clean.rows, notes: clean.log");
    let early = early(&text).unwrap();
    let names: Vec<_> = early.graph.steps.keys().map(StepName::as_str).collect();
    assert_eq!(names, ["clean", "merge"]);
    assert!(expand(&text).is_ok());
    // Not of what built-in steps make: their columns would be wanted first.
    refused(
        &steps("rows: parts.train"),
        "17:21: the columns of 'merge.table' are not known before the program ran (such a table may be \
         divided, trained on and scored if it is made of data and of what other programs make of data \
         alone; else it may go to another program, or as 'predictions' to evaluate_predictions)",
    );
    refused(
        &steps("rows: merge.table"),
        "8:3: the step 'merge' waits for itself",
    );
}

#[test]
fn most_pipelines_need_nothing_first() {
    assert_eq!(early(super::programs::PROGRAMS), None);
    assert_eq!(early(super::programs::BLOCKS), None);
}

#[test]
fn expectations_of_made_tables_are_checked() {
    let made = |expect: &str, message: &str| {
        let to = format!("  expect: {expect}\n  parameters:");
        made_with("  parameters:", &to, message);
    };
    made(
        "{not_null: [tenur]}",
        "6:23: unknown column 'tenur' (did you mean 'tenure'?)",
    );
    made(
        "{drift: {tenure: 0.2}}",
        "6:20: drift is told from the version that reproof.lock pins, and what a program makes is not pinned \
         there (expect it of the data that the program reads)",
    );
    // What is made later is none of its business.
    let later = "train: {run: [python, t.py], outputs: {log: {path: log.csv, expect: {rows: {min: 1}}}, model: m}}\n\
                 predict: {run: [python, p.py]}";
    made_with(
        "train: {logistic_regression: {l2: 1}}",
        later,
        "9:61: nothing can be expected of train.log (only of a table that a program makes from data alone, since that \
         runs before all else; let the program itself fail, or write a gate)",
    );
}
