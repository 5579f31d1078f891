//! Programs in pipeline files: steps, blocks, and what scores their predictions.

use super::*;

/// A free graph of programs and built-in operations.
const PROGRAMS: &str = "\
pipeline: mixed
seed: 7
data: {csv: data/churn.csv}
steps:
  parts:
    operation: split_random
    inputs: {table: data}
    parameters: {ratios: {train: 0.8, eval: 0.1, test: 0.1}}
  features:
    operation: preprocess
    inputs: {train: parts.train, eval: parts.eval, test: parts.test}
    parameters: {features: {tenure: [{fill: {constant: 0}}]}}
  train:
    run: [python, train.py, --fast]
    inputs: {features: features.train, table: parts.train}
    parameters: {n_estimators: 300, deep: {a: [1, x, null, {b: 1.5}], empty: {}}}
    outputs:
      model: model/
      notes: {path: notes.txt, compare: ignore}
      log: {path: log/a.csv, kind: files}
    code: [configs/, \"sql/**/*.sql\"]
    threads: 4
    profile: portable_any
    variables: {TOKENIZERS_PARALLELISM: \"false\", FROM_CALLER: null}
    secrets: [API_TOKEN]
    network: true
    cache: true
    resources: {memory: 4 GB, cpu_seconds: 600, wall_seconds: 900}
  predict:
    shell: \"python predict.py | tee log\"
    environment: other
    inputs: {model: train.model, rows: features.eval}
    outputs: {predictions: predictions.parquet}
  score:
    operation: evaluate_predictions
    inputs: {predictions: predict.predictions, table: parts.eval, training: parts.train}
    parameters: {label: {column: churn, positive: \"Yes\"}, slices: [contract], baseline: true}
    require: [accuracy > 0.7]
";

/// Programs in the blocks.
const BLOCKS: &str = "\
pipeline: own
seed: 42
data: {csv: data/churn.csv}
label: {column: churn, positive: \"Yes\"}
split: {random: {train: 0.7, eval: 0.15, test: 0.15}}
train: {run: [python, train.py], parameters: {trees: 10}}
predict: {run: [python, predict.py]}
evaluate: {metrics: [roc_auc], slices: [contract], require: [roc_auc > 0.5]}
";

#[track_caller]
fn programs_with(from: &str, to: &str, expect: &str) {
    assert!(PROGRAMS.contains(from), "{from}");
    refused(&PROGRAMS.replacen(from, to, 1), expect);
}

#[track_caller]
fn blocks_with(from: &str, to: &str, expect: &str) {
    assert!(BLOCKS.contains(from), "{from}");
    refused(&BLOCKS.replacen(from, to, 1), expect);
}

#[test]
fn a_step_may_be_a_program() {
    let (pipeline, graph) = expand(PROGRAMS).unwrap_or_else(|errors| panic!("{errors}"));
    let programs = pipeline.programs();
    let names: Vec<_> = programs.keys().map(StepName::as_str).collect();
    assert_eq!(names, ["predict", "train"]);
    let train = programs["train"];
    assert_eq!(train.resources.memory, Some(4_000_000_000));
    assert_eq!(train.outputs["model"].kind, ArtifactKind::Model);
    assert_eq!(train.outputs["model"].path.as_str(), "model");
    assert_eq!(train.outputs["log"].kind, ArtifactKind::Files);
    assert!(!train.outputs["notes"].compared);
    assert_eq!(train.variables["FROM_CALLER"], None);
    let predict = programs["predict"];
    assert_eq!(
        predict.run,
        ["/bin/sh", "-c", "python predict.py | tee log"]
    );
    assert_eq!(
        (predict.threads, predict.environment.as_str()),
        (1, "other")
    );
    let step = &graph.steps["train"];
    assert_eq!(step.operation.to_string(), "program@1");
    assert_eq!(
        step.seed,
        Some(reproof_record::Seed(7).derive(&name("train")))
    );
    assert_eq!(step.program.as_ref(), resolved(&pipeline).get("train"));
    assert_eq!(graph.evaluate, Some(name("score")));
    assert_eq!(
        json!(graph.steps["score"].parameters),
        json!({
            "baseline": true,
            "label": {"column": "churn", "positive": "Yes"},
            "metrics": ["accuracy", "log_loss", "roc_auc"],
            "slices": [["contract"]],
            "task": "binary_classification",
        })
    );
}

#[test]
fn programs_are_printed_with_everything_that_is_said_of_them() {
    let (pipeline, graph) = expand(PROGRAMS).unwrap_or_else(|errors| panic!("{errors}"));
    insta::assert_snapshot!(graph.to_steps_yaml(&pipeline), @r#"
    pipeline: mixed
    seed: 7
    data: {csv: data/churn.csv}
    steps:
      parts:
        operation: split_random@1
        inputs: {table: data}
        parameters:
          ratios:
            eval: 0.1
            test: 0.1
            train: 0.8
      features:
        operation: preprocess@1
        inputs: {eval: parts.eval, test: parts.test, train: parts.train}
        parameters:
          features:
            tenure: [{fill: {constant: 0}}]
      train:
        run: [python, train.py, "--fast"]
        environment: default
        inputs: {features: features.train, table: parts.train}
        parameters:
          deep:
            a: [1, x, null, {b: 1.5}]
            empty: {}
          n_estimators: 300
        outputs:
          log: {path: log/a.csv, kind: files}
          model: model
          notes: {path: notes.txt, compare: ignore}
        code: [configs/, "sql/**/*.sql"]
        threads: 4
        profile: portable_any
        variables: {FROM_CALLER: null, TOKENIZERS_PARALLELISM: "false"}
        secrets: [API_TOKEN]
        network: true
        cache: true
        resources: {cpu_seconds: 600, memory: 4000000000, wall_seconds: 900}
      predict:
        run: ["/bin/sh", "-c", "python predict.py | tee log"]
        environment: other
        inputs: {model: train.model, rows: features.eval}
        parameters: {}
        outputs:
          predictions: predictions.parquet
        threads: 1
        profile: portable
      score:
        operation: evaluate_predictions@1
        inputs: {predictions: predict.predictions, table: parts.eval, training: parts.train}
        parameters:
          baseline: true
          label:
            column: churn
            positive: "Yes"
          metrics: [accuracy, log_loss, roc_auc]
          slices: [[contract]]
          task: binary_classification
        require:
          - "accuracy > 0.7"
    "#);
}

#[test]
fn blocks_may_be_programs() {
    let (pipeline, graph) = expand(BLOCKS).unwrap_or_else(|errors| panic!("{errors}"));
    insta::assert_snapshot!(graph.to_steps_yaml(&pipeline), @r#"
    pipeline: own
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
        run: [python, train.py]
        environment: default
        inputs: {eval_features: preprocess.eval, eval_table: split.eval, features: preprocess.train, table: split.train}
        parameters:
          trees: 10
        outputs:
          model: model
        threads: 1
        profile: portable
      predict:
        run: [python, predict.py]
        environment: default
        inputs: {features: preprocess.eval, model: train.model}
        parameters: {}
        outputs:
          predictions: predictions.parquet
        threads: 1
        profile: portable
      evaluate:
        operation: evaluate_predictions@1
        inputs: {predictions: predict.predictions, table: split.eval, training: split.train}
        parameters:
          label:
            column: churn
            positive: "Yes"
          metrics: [roc_auc]
          slices: [[contract]]
          task: binary_classification
        require:
          - "roc_auc > 0.5"
    "#);
}

/// What `plan` prints is the same pipeline.
#[test]
fn printed_programs_expand_to_the_same_recipe() {
    let tables = BLOCKS.replace("split:", "preprocess: none\nsplit:");
    for text in [PROGRAMS, BLOCKS, &tables] {
        for final_look in [false, true] {
            let (pipeline, graph) = expand_with(text, ExpandOptions { final_look })
                .unwrap_or_else(|errors| panic!("{errors}\n{text}"));
            let printed = graph.to_steps_yaml(&pipeline);
            let (again, graph_again) =
                expand(&printed).unwrap_or_else(|errors| panic!("{errors}\n{printed}"));
            assert_eq!(
                recipe(&again, &graph_again),
                recipe(&pipeline, &graph),
                "{printed}"
            );
            assert_eq!(graph_again.programs, graph.programs);
            assert_eq!(graph_again.gates, graph.gates);
            assert_eq!(graph_again.to_steps_yaml(&again), printed);
        }
    }
}

#[test]
fn a_program_is_run_by_one_command() {
    let run = "run: [python, train.py, --fast]";
    programs_with(
        run,
        "run: [python]\n    shell: python",
        "15:5: a program has either 'run' or 'shell'",
    );
    programs_with(
        run,
        "run: [python]\n    operation: evaluate",
        "14:5: a step has either 'operation' or 'run'",
    );
    programs_with(
        &format!("    {run}\n"),
        "",
        "13:3: the key 'run' is missing (it is a list, such as run: [python, train.py])",
    );
    programs_with(
        "run: [python, train",
        "rum: [python, train",
        "14:5: unknown key 'rum' (did you mean 'run'?)",
    );
    programs_with(run, "run: []", "14:10: the list is empty");
    programs_with(run, "run: [\"\"]", "14:11: the program has no name");
    programs_with(
        run,
        "run: python train.py",
        "14:10: a list is wanted, found the text 'python train.py' (write [python train.py])",
    );
    programs_with(
        "shell: \"python predict.py | tee log\"",
        "shell: \" \"",
        "30:12: there is nothing to run",
    );
    blocks_with(
        "predict: {run: [python, predict.py]}",
        "predict: {environment: x}",
        "7:1: the key 'run' is missing (it is a list, such as run: [python, train.py])",
    );
}
