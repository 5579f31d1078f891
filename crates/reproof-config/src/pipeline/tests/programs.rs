//! Programs in pipeline files: steps, blocks, and what scores their predictions.

use super::*;

/// A free graph of programs and built-in operations.
pub(super) const PROGRAMS: &str = "\
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
pub(super) const BLOCKS: &str = "\
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
        "15:5: a program has one of 'run', 'shell' and 'notebook'",
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

#[test]
fn outputs_are_told_apart() {
    let model = "model: model/";
    let out = "a program writes its outputs below /reproof/out; write the path from there";
    for (path, hint) in [
        ("/tmp/model", out),
        ("../model", out),
        ("a/../../b", out),
        ("/reproof/out/m", "leave out /reproof/out: write m"),
        ("./model/", "write model"),
        ("a//b", "write a/b"),
        ("/", out),
    ] {
        programs_with(
            model,
            &format!("model: {path}"),
            &format!("18:14: '{path}' is not a path below /reproof/out ({hint})"),
        );
    }
    programs_with(
        model,
        "model: notes.txt/inside",
        "18:14: 'notes.txt/inside' lies inside the output 'notes' (give each output a file or folder \
         of its own)",
    );
    programs_with(
        "path: notes.txt",
        "path: model",
        "19:21: the output 'model' lies at 'model', too",
    );
    programs_with(
        model,
        "model: {path: m, kind: table}",
        "18:21: 'm' is not the file of a table (its name must end in .parquet or .csv; several \
         files are of the kind 'files')",
    );
    programs_with(
        "kind: files",
        "kind: file",
        "20:36: unknown kind 'file' (did you mean 'files'?)",
    );
    programs_with(
        "compare: ignore",
        "compare: ignored",
        "19:41: unknown comparison 'ignored' (did you mean 'ignore'?)",
    );
    programs_with("{path: notes.txt, ", "{", "19:7: the key 'path' is missing");
    programs_with(
        "outputs: {predictions: predictions.parquet}",
        "outputs: {}",
        "33:5: a program has at least one output",
    );
    programs_with(
        "    outputs: {predictions: predictions.parquet}\n",
        "",
        "29:3: the key 'outputs' is missing",
    );
    // What is not below another one only looks like it.
    let beside = PROGRAMS.replace("log/a.csv", "model-log/a.csv");
    assert!(expand(&beside).is_ok());
}

#[test]
fn kinds_follow_paths_and_names() {
    let text = BLOCKS.replace(
        "predict.py]}",
        "predict.py], outputs: {predictions: p/x.csv, metrics: m.json, report: r/, data: d.json, \
         model: .csv}}",
    );
    let (_, graph) = expand(&text).unwrap_or_else(|errors| panic!("{errors}"));
    let kinds: Vec<_> = graph.programs["predict"]
        .outputs
        .values()
        .map(|output| output.kind.name())
        .collect();
    assert_eq!(kinds, ["files", "metrics", "model", "table", "report"]);
}

#[test]
fn variables_and_secrets_are_checked() {
    let variables = "{TOKENIZERS_PARALLELISM: \"false\", FROM_CALLER: null}";
    let fixed = "it is the same for every program, whatever the machine; set it inside the program \
                 if it must differ";
    let profile = "the 'profile' decides it; set it inside the program if it must differ";
    for (name, hint) in [
        ("PATH", fixed),
        ("OMP_NUM_THREADS", "write 'threads: N' beside 'run'"),
        ("PYTHON_CPU_COUNT", "write 'threads: N' beside 'run'"),
        ("PYTHONHASHSEED", fixed),
        ("LD_PRELOAD", fixed),
        ("REPROOF_SEED", fixed),
        ("GLIBC_TUNABLES", profile),
        ("OPENBLAS_CORETYPE", profile),
    ] {
        for written in [format!("{{{name}: \"1\"}}"), format!("[{name}]")] {
            let expect = format!("24:17: '{name}' is set by Reproof itself ({hint})");
            programs_with(variables, &written, &expect);
        }
    }
    programs_with(
        variables,
        "{A-B: x, C: 1}",
        "24:17: 'A-B' is not the name of a variable (letters, digits and '_' may stand in it; a digit \
         may not come first)\n24:28: text, or null is wanted, found the number 1 (put it in quotes \
         if text is meant)",
    );
    programs_with(variables, "[A, A]", "24:20: the variable 'A' stands twice");
    programs_with(
        "[API_TOKEN]",
        "[API_TOKEN, API_TOKEN, FROM_CALLER, TZ]",
        "25:26: the secret 'API_TOKEN' stands twice\n25:37: 'FROM_CALLER' is among 'variables', too \
         (the value of a variable is written into the recipe, that of a secret nowhere)\n25:50: 'TZ' \
         is set by Reproof itself (it is the same for every program, whatever the machine; set it \
         inside the program if it must differ)",
    );
    programs_with(
        "\"false\"",
        "\"a\\0\"",
        "24:41: a program cannot be given the character U+0000",
    );
    let listed = PROGRAMS.replace(variables, "[B, A]");
    let (_, graph) = expand(&listed).unwrap();
    let spec = &graph.programs["train"];
    assert_eq!(json!(spec.variables), json!({"A": null, "B": null}));
    let program = graph.steps["train"].program.as_ref().unwrap();
    assert_eq!(program.variables["A"], "the caller's");
}

#[test]
fn limits_have_units() {
    let memory = |text: &str| {
        let text = PROGRAMS.replace("memory: 4 GB", &format!("memory: {text}"));
        expand(&text).map(|(_, graph)| graph.programs["train"].resources.memory.unwrap())
    };
    for (text, bytes) in [
        ("5000000", 5_000_000),
        ("1.5 GiB", 3 << 29),
        ("2000KB", 2_000_000),
        ("0.1 GB", 100_000_000),
        ("512 MiB", 512 << 20),
    ] {
        assert_eq!(memory(text).unwrap(), bytes, "{text}");
    }
    for (text, expect) in [
        ("4 Gb", "unknown unit 'Gb' (did you mean 'GB'?)"),
        (
            "\"4\"",
            "the size '4' has no unit (write one, such as 4 GB, or bytes without quotes)",
        ),
        (
            "much",
            "'much' is not a size (write a number and a unit, such as 4 GB)",
        ),
        (
            "-1 GB",
            "'-1 GB' is not a size (write a number and a unit, such as 4 GB)",
        ),
        (
            "1 KB",
            "'1 KB' is less than 1 MB, or more than there can be",
        ),
        (
            "99999999999 GB",
            "'99999999999 GB' is less than 1 MB, or more than there can be",
        ),
    ] {
        assert_eq!(
            lines(&memory(text).unwrap_err()),
            format!("28:25: {expect}")
        );
    }
    assert!(memory("4").is_err() && memory("true").is_err());
}

#[test]
fn the_other_keys_of_programs_are_checked() {
    programs_with(
        "threads: 4",
        "threads: 1025",
        "22:14: an integer from 1 to 1024 is wanted, found the number 1025",
    );
    programs_with(
        "portable_any",
        "portable-any",
        "23:14: unknown profile 'portable-any' (did you mean 'portable_any'?)",
    );
    programs_with(
        "[configs/, \"sql/**/*.sql\"]",
        "[/etc, ../x, \"a\\\\b\", configs/, \"\"]",
        "21:12: '/etc' is not a path inside the project (only files of the project can be seen; write \
         the path from its folder)\n21:18: '../x' is not a path inside the project (only files of the \
         project can be seen; write the path from its folder)\n21:24: 'a\\b' is not a path inside the \
         project (write / between folders)\n21:42: '' is not a path inside the project (it is empty)",
    );
    programs_with(
        "    secrets: [API_TOKEN]\n    network: true\n",
        "",
        "25:5: 'cache' has a use only beside 'network' or 'secrets' (leave it out: any other program \
         is served from the cache)",
    );
    programs_with(
        "wall_seconds",
        "wall_second",
        "28:49: unknown limit 'wall_second' (did you mean 'wall_seconds'?)",
    );
    programs_with(
        "environment: other",
        "environment: Other",
        "31:18: 'Other' is not a name: it must begin with a letter from a to z",
    );
    let deep = format!("deep: {}{}", "[".repeat(40), "]".repeat(40));
    let errors = expand(&PROGRAMS.replace("deep: {a: [1, x, null, {b: 1.5}], empty: {}}", &deep));
    let errors = lines(&errors.unwrap_err());
    assert!(
        errors.contains("nested more than 32 levels deep"),
        "{errors}"
    );
}

/// A program takes anything; what it makes goes only where nobody needs its columns beforehand.
#[test]
fn what_programs_make_goes_only_where_it_can() {
    let unknown = |at: &str, from: &str| {
        format!(
            "{at}: the columns of '{from}' are not known before the program ran (such a table may be \
             divided, trained on and scored if it is made of data and of what other programs make of \
             data alone; else it may go to another program, or as 'predictions' to \
             evaluate_predictions)"
        )
    };
    programs_with(
        "table: parts.eval, ",
        "table: predict.predictions, ",
        &unknown("36:55", "predict.predictions"),
    );
    programs_with(
        "{train: parts.train, eval",
        "{train: predict.predictions, eval",
        &unknown("11:21", "predict.predictions"),
    );
    programs_with(
        "{predictions: predict.predictions,",
        "{predictions: train.model,",
        "36:27: the input 'predictions' takes predictions; 'train.model' is a model that a program \
         makes (predictions are a table: a file that ends in .parquet or .csv)",
    );
    programs_with(
        "rows: features.eval",
        "rows: train.mdel",
        "32:40: unknown output of 'train' 'mdel' (did you mean 'model'?)",
    );
    programs_with(
        "{predictions: predict.predictions,",
        "{predictions: parts.eval,",
        "36:27: the input 'predictions' takes predictions; 'parts.eval' is a table of data or of a \
         part of it",
    );
    programs_with(
        "rows: features.eval",
        "rows: score.metrics",
        "29:3: steps wait for each other: predict, score",
    );
    programs_with(
        ", training: parts.train",
        "",
        "37:79: a baseline is learnt from the training part, which is no input (give the input \
         'training')",
    );
    programs_with(
        "rows: features.eval",
        "rows: features.test",
        "36:55: 'table' must be what is predicted: 'predict' is given parts.test, not parts.eval",
    );
    // It may be given more, and through another program nobody knows what.
    for more in [
        "features.eval, all: parts.train, x: data",
        "features.test, y: train.log",
    ] {
        let text = PROGRAMS.replace("rows: features.eval", &format!("rows: {more}"));
        assert!(expand(&text).is_ok(), "{more}");
    }
    let evaluate = PROGRAMS.replace(
        "operation: evaluate_predictions\n    inputs: {predictions: predict.predictions, table",
        "operation: evaluate\n    inputs: {model: train.model, features: features.eval, table",
    );
    let evaluate = evaluate.replace("label: {column: churn, positive: \"Yes\"}, ", "");
    let evaluate = evaluate.replace(", baseline: true", "");
    refused(
        &evaluate,
        "36:21: the input 'model' takes a trained model; 'train.model' is a model that a program \
         makes (let a program predict with it, and score the predictions with evaluate_predictions)",
    );
}

#[test]
fn predictions_of_a_program_have_a_label_and_a_task() {
    let task = |label: &str, more: &str| {
        let text = BLOCKS
            .replace("{column: churn, positive: \"Yes\"}", label)
            .replace("metrics: [roc_auc], ", more)
            .replace(", require: [roc_auc > 0.5]", "");
        let (pipeline, graph) = expand(&text)?;
        let printed = graph.to_steps_yaml(&pipeline);
        assert_eq!(expand(&printed)?.1.steps, graph.steps, "{printed}");
        let parameters = &graph.steps["evaluate"].parameters;
        Ok::<_, Diagnostics>(format!("{} {}", parameters["task"], parameters["label"]))
    };
    let two = r#""binary_classification" {"column":"churn","positive":null}"#;
    assert_eq!(task("churn", "").unwrap(), two);
    assert_eq!(
        task("monthly_charges", "").unwrap(),
        r#""regression" {"column":"monthly_charges"}"#
    );
    assert_eq!(
        task("contract", "task: multiclass_classification, ").unwrap(),
        r#""multiclass_classification" {"column":"contract"}"#
    );
    let refused = |label: &str, more: &str, expect: &str| {
        assert_eq!(lines(&task(label, more).unwrap_err()), expect);
    };
    refused(
        "tenure",
        "",
        "4:8: the label 'tenure' is integer: whether it is a class or a number is not plain (write \
         its 'positive' class, or 'task: regression' or 'task: multiclass_classification' under \
         evaluate)",
    );
    refused(
        "churn",
        "task: regression, ",
        "4:8: the label 'churn' is string; a regression predicts a number (leave 'task' out, or \
         write a classification)",
    );
    refused(
        "monthly_charges",
        "task: binary_classification, ",
        "4:8: the label 'monthly_charges' is float; a classification has two classes (use a boolean, \
         integer or string column, or write 'task: regression')",
    );
    refused(
        "monthly_charges",
        "metrics: [roc_auc], ",
        "8:22: 'roc_auc' is no metric of a regression (there are rmse, mae, mape, r2)",
    );
    refused(
        "churn",
        "task: regresion, ",
        "8:18: unknown task 'regresion' (did you mean 'regression'?)",
    );
    refused(
        "{column: churn, positive: \"Yes\"}",
        "task: regression, ",
        "4:34: a regression predicts a number: there is no positive class",
    );
    refused(
        "chrun",
        "",
        "4:8: unknown column 'chrun' (did you mean 'churn'?)",
    );
    // Also where nothing is scored: a misspelt label would be a feature.
    let unscored = BLOCKS.lines().filter(|line| !line.starts_with("evaluate"));
    let unscored = unscored.collect::<Vec<_>>().join("\n");
    assert!(expand(&unscored).is_ok());
    super::refused(
        &unscored.replace("column: churn", "column: chrun"),
        "4:17: unknown column 'chrun' (did you mean 'churn'?)",
    );
    refused_with(
        "  on: eval\n",
        "  task: regression\n",
        "12:3: 'task' is for predictions that a program makes: a trainer knows its own (write it \
         under the trainer, if it trains for several tasks)",
    );
}

#[test]
fn a_program_may_train_and_predict_at_once() {
    let both = BLOCKS
        .replace("predict: {run: [python, predict.py]}\n", "")
        .replace(
            "parameters: {trees: 10}}",
            "outputs: {model: m/, predictions: p.parquet}}",
        );
    let (_, graph) = expand(&both).unwrap_or_else(|errors| panic!("{errors}"));
    let inputs = &graph.steps["evaluate"].inputs;
    assert_eq!(inputs["predictions"].to_string(), "train.predictions");
    assert_eq!(inputs["table"].to_string(), "split.eval");
    let errors = expand_with(&both, ExpandOptions { final_look: true }).unwrap_err();
    let own = "predict with a program of its own: the block 'predict', or a step whose inputs are the \
               model and the part that is scored";
    assert_eq!(
        lines(&errors),
        format!(
            "6:1: a final look scores the part 'test', but 'train' predicts the part 'eval' while it \
             trains ({own})"
        )
    );
    refused(
        &both.replace("evaluate: {", "evaluate: {on: test, "),
        "7:16: the part 'test' is to be scored, but 'train' predicts 'eval' (predict it with a \
         program of its own: add a block 'predict')",
    );
    refused(
        &both.replace("predictions: p.parquet", "predictions: p/"),
        "7:1: nothing predicts the part 'eval' that is scored (add a block 'predict' with a program \
         that does, or let the program in 'train' make the output 'predictions: \
         predictions.parquet' of the part 'eval')",
    );
    blocks_with(
        "predict: {run: [python, predict.py]}",
        "predict: {run: [python, predict.py], outputs: {scores: s.csv}}",
        "7:1: 'predict' makes no table 'predictions' to score (add it to its outputs: predictions: \
         predictions.parquet)",
    );
    let weights = BLOCKS.replace("parameters: {trees: 10}}", "outputs: {weights: w/}}");
    let errors = lines(&expand(&weights).unwrap_err());
    assert!(
        errors.starts_with("7:1: unknown output of 'train' 'model'"),
        "{errors}"
    );
}

#[test]
fn a_final_look_turns_the_program_that_predicts() {
    let inputs = |text: &str, predict: &str, evaluate: &str| {
        let options = ExpandOptions { final_look: true };
        let (_, graph) = expand_with(text, options).unwrap_or_else(|errors| panic!("{errors}"));
        let text = |step: &str, input: &str| graph.steps[step].inputs[input].to_string();
        (text("predict", predict), text(evaluate, "table"))
    };
    let of_test = ("preprocess.test".to_owned(), "split.test".to_owned());
    assert_eq!(inputs(BLOCKS, "features", "evaluate"), of_test);
    let on_test = BLOCKS.replace("evaluate: {", "evaluate: {on: test, ");
    assert_eq!(inputs(&on_test, "features", "evaluate"), of_test);
    let tables = BLOCKS.replace("split:", "preprocess: none\nsplit:");
    let of_test = ("split.test".to_owned(), "split.test".to_owned());
    assert_eq!(inputs(&tables, "table", "evaluate"), of_test);
    let of_test = ("features.test".to_owned(), "parts.test".to_owned());
    assert_eq!(inputs(PROGRAMS, "rows", "score"), of_test);
    // What trains keeps its part `eval`.
    let options = ExpandOptions { final_look: true };
    let (_, graph) = expand_with(BLOCKS, options).unwrap();
    let eval = &graph.steps["train"].inputs["eval_features"];
    assert_eq!(eval.to_string(), "preprocess.eval");
    let other = PROGRAMS.replace("rows: features.eval", "rows: train.log");
    let errors = expand_with(&other, options).unwrap_err();
    assert!(
        lines(&errors).contains("'predict' is not given the part that it predicts"),
        "{errors}"
    );
}

#[test]
fn there_may_be_no_preprocessing() {
    let tables = BLOCKS.replace("split:", "preprocess: none\nsplit:");
    let (_, graph) = expand(&tables).unwrap_or_else(|errors| panic!("{errors}"));
    assert!(!graph.steps.contains_key("preprocess"));
    let inputs = |step: &str| {
        let inputs = graph.steps[step].inputs.iter();
        inputs
            .map(|(name, from)| format!("{name}={from}"))
            .collect::<Vec<_>>()
            .join(" ")
    };
    assert_eq!(inputs("train"), "eval_table=split.eval table=split.train");
    assert_eq!(inputs("predict"), "model=train.model table=split.eval");
    refused(
        &tables.replace(
            "{run: [python, train.py], parameters: {trees: 10}}",
            "logistic_regression",
        ),
        "5:13: a built-in trainer needs features: 'none' is for a program in 'train' (leave \
         'preprocess' out for the defaults)",
    );
    refused(
        &tables.replace("split:", "features: [tenure]\nsplit:"),
        "6:1: 'features' has no use beside 'preprocess: none': the program gets the whole table \
         (leave one of the two out)",
    );
    refused(
        &tables.replace("preprocess: none", "preprocess: nane"),
        "5:13: unknown preprocessing 'nane' (did you mean 'none'?)",
    );
    // Without a part `eval` there is less to train on.
    let parts = BLOCKS.replace("eval: 0.15, test: 0.15", "test: 0.3");
    let parts = parts.replace("evaluate: {", "evaluate: {on: test, ");
    let (_, graph) = expand(&parts).unwrap_or_else(|errors| panic!("{errors}"));
    let names: Vec<_> = graph.steps["train"]
        .inputs
        .keys()
        .map(StepName::as_str)
        .collect();
    assert_eq!(names, ["features", "table"]);
    let unscored = parts.lines().filter(|line| !line.starts_with("evaluate"));
    refused(
        &unscored.collect::<Vec<_>>().join("\n"),
        "7:1: the split makes no part 'eval' to predict (it makes test, train; add 'eval' to it)",
    );
}

#[test]
fn programs_stand_where_they_can() {
    blocks_with(
        "{run: [python, predict.py]}",
        "{run: [python, predict.py], inputs: {x: split.test}}",
        "7:38: 'inputs': the inputs of a block follow from the other blocks; write the graph under \
         'steps' for others ('reproof plan' prints it)",
    );
    blocks_with(
        "evaluate: {",
        "evaluate: {run: [x], ",
        "8:12: 'run': Reproof computes the metrics; a program may make the predictions, in the \
         block 'predict'",
    );
    blocks_with(
        "seed: 42\n",
        "seed: 42\nrun: [x]\nenvironment: default\n",
        "3:1: 'run': a program stands in 'train', in 'predict' or in a step under 'steps'\n\
         4:1: 'environment': a program names its environment: write it beside 'run'",
    );
    blocks_with(
        "{run: [python, train.py], parameters",
        "{rn: [python, train.py], parameters",
        "6:9: unknown key 'rn' (did you mean 'run'?)",
    );
    programs_with(
        "steps:\n",
        "predict: {run: [x]}\nsteps:\n",
        "4:1: 'predict' cannot stand beside 'steps' (write either the blocks or a free graph; \
         'reproof plan' prints the graph that the blocks stand for)",
    );
    // A trainer of ours may be predicted with by a program, too.
    let text = BLOCKS.replace(
        "{run: [python, train.py], parameters: {trees: 10}}",
        "gradient_boosting",
    );
    let (_, graph) = expand(&text).unwrap_or_else(|errors| panic!("{errors}"));
    let evaluate = &graph.steps["evaluate"];
    assert_eq!(evaluate.operation.to_string(), "evaluate_predictions@1");
}

#[test]
fn programs_need_their_code_and_environment() {
    let pipeline = parse_pipeline("p.yaml", BLOCKS, &[]).unwrap();
    let schemas = BTreeMap::from([(data(), schema())]);
    let errors = pipeline
        .expand(&schemas, &BTreeMap::new(), &ExpandOptions::default())
        .unwrap_err();
    assert_eq!(
        lines(&errors),
        "6:1: the code and the environment of the program 'train' are not known\n\
         7:1: the code and the environment of the program 'predict' are not known"
    );
    let toml = "[environments.default]\nsystem = [\"sh\"]\n";
    let known = crate::parse_project("f", toml).unwrap().environments;
    pipeline.check_environments(&known).unwrap();
    let errors = pipeline.check_environments(&BTreeMap::new()).unwrap_err();
    assert_eq!(
        lines(&errors).lines().next().unwrap(),
        "6:1: there is no environment 'default' to run the program in (write one in reproof.toml: \
         [environments.default] with requirements = \"requirements.txt\")"
    );
    let text = BLOCKS.replace("predict.py]}", "predict.py], environment: defualt}");
    let pipeline = parse_pipeline("p.yaml", &text, &[]).unwrap();
    assert_eq!(
        lines(&pipeline.check_environments(&known).unwrap_err()),
        "7:51: unknown environment 'defualt' (did you mean 'default'?)"
    );
}

#[test]
fn what_can_change_the_result_of_a_program_changes_the_id() {
    let mut seen = std::collections::BTreeSet::from([id(PROGRAMS)]);
    for (from, to) in [
        ("seed: 7", "seed: 8"),
        ("--fast", "--slow"),
        ("n_estimators: 300", "n_estimators: 301"),
        ("b: 1.5", "b: 1.25"),
        ("compare: ignore", "compare: bytes"),
        ("path: notes.txt", "path: notes.md"),
        ("kind: files", "kind: table"),
        ("threads: 4", "threads: 5"),
        ("portable_any", "native"),
        ("\"false\"", "\"true\""),
        ("[API_TOKEN]", "[OTHER_TOKEN]"),
        ("network: true", "network: false"),
        ("environment: other", "environment: default"),
        ("tee log", "tee -a log"),
    ] {
        assert!(PROGRAMS.contains(from), "{from}");
        assert!(
            seen.insert(id(&PROGRAMS.replace(from, to))),
            "{from} -> {to}"
        );
    }
    for (from, to) in [
        ("memory: 4 GB, ", ""),
        ("cache: true", "cache: false"),
        ("code: [configs/, ", "code: ["), // The engine puts the files themselves into the recipe.
        ("portable_any", "portable_any # any processor"),
        (
            "shell: \"python predict.py | tee log\"",
            "run: [/bin/sh, -c, python predict.py | tee log]",
        ),
        ("model: model/", "model: model"),
    ] {
        assert!(PROGRAMS.contains(from), "{from}");
        assert!(
            !seen.insert(id(&PROGRAMS.replace(from, to))),
            "{from} -> {to}"
        );
    }
}

/// A value of parameters, written as JSON, which YAML reads.
fn value() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(json!(null)),
        any::<bool>().prop_map(|value| json!(value)),
        (-9_007_199_254_740_991i64..=9_007_199_254_740_991).prop_map(|value| json!(value)),
        (-1e6..1e6).prop_map(|value: f64| parameters::number(value)),
        any::<String>().prop_map(|value| json!(value)),
    ];
    leaf.prop_recursive(4, 20, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(|items| json!(items)),
            prop::collection::btree_map(any::<String>(), inner, 0..4).prop_map(|map| json!(map)),
        ]
    })
}

proptest! {
    /// Arguments, values and parameters of any text survive the printed graph.
    #[test]
    fn any_program_survives_the_printed_graph(
        run in prop::collection::vec("[^\\x00]{1,12}|--[a-z]{1,4}|no|1|~|null|[,\\[{#&*!|>%@`]{1,3}", 1..4),
        parameters in prop::collection::btree_map("\\PC{0,12}|<<|~|a b|[\\n\\t\"':]{1,3}", value(), 0..4),
        variable in prop::option::of("[^\\x00]{0,12}"),
        threads in 1u32..=1024,
        profile in 0usize..3,
    ) {
        let flow = |value: serde_json::Value| print::flow(&value);
        let profile = ["portable", "portable_any", "native"][profile];
        let text = format!(
            "pipeline: x\ndata: {{csv: a.csv}}\nsteps:\n  a:\n    run: {}\n    parameters: {}\n    \
             outputs: {{out: out/}}\n    variables: {}\n    threads: {threads}\n    profile: {profile}\n",
            flow(json!(run)), flow(json!(parameters)), flow(json!({"V": variable})),
        );
        let run_it = |text: &str| {
            expand(text).map_err(|error| TestCaseError::fail(format!("{error}\n{text}")))
        };
        let (pipeline, graph) = run_it(&text)?;
        let spec = &graph.programs["a"];
        prop_assert_eq!(&spec.run, &run);
        prop_assert_eq!(&spec.variables["V"], &variable);
        prop_assert_eq!(json!(graph.steps["a"].parameters), json!(parameters));
        let printed = graph.to_steps_yaml(&pipeline);
        let (again, graph_again) = run_it(&printed)?;
        prop_assert_eq!(&graph_again, &graph, "{}", &printed);
        prop_assert_eq!(recipe(&again, &graph_again).id().unwrap(), recipe(&pipeline, &graph).id().unwrap());
    }
}

#[test]
fn a_notebook_is_a_program_with_its_executed_copy() {
    let text = "pipeline: p\ndata: {csv: data/churn.csv}\nsteps:\n  fit:\n    \
                notebook: work/fit.ipynb\n    inputs: {rows: data}\n    parameters: {rounds: 3}\n    \
                outputs: {}\n";
    let (pipeline, graph) = expand(text).unwrap();
    let program = graph.programs.values().next().unwrap();
    assert_eq!(
        program.run,
        ["python", ".reproof/notebook.py", "work/fit.ipynb"]
    );
    let outputs: Vec<_> = program.outputs.iter().collect();
    assert_eq!(outputs.len(), 1);
    let (name, output) = outputs[0];
    assert_eq!(
        (name.as_str(), output.path.as_str()),
        ("executed", "executed.ipynb")
    );
    assert!(!output.compared);
    let printed = graph.to_steps_yaml(&pipeline);
    assert!(printed.contains("outputs: {}"), "{printed}");
    let (again, graph_again) =
        expand(&printed).unwrap_or_else(|errors| panic!("{errors}\n{printed}"));
    assert_eq!(graph_again.programs, graph.programs);
    assert_eq!(graph_again.to_steps_yaml(&again), printed);
}
