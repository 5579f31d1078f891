//! `reproof predict`.

use std::sync::Arc;

use reproof_record::{Column, DecimalType, Digest, Schema};
use reproof_store::Store;
use reproof_store::fs::RealIo;
use reproof_table::{ColumnData, Table, read_table, write_parquet};
use serde_json::Value;

use crate::support::Project;

/// A table of a record.
fn table(project: &Project, record: &Value, step: &str, output: &str) -> Table {
    let digest = record["record"]["results"][step][output]["digest"].as_str();
    let digest: Digest = digest.unwrap().parse().unwrap();
    let store = Store::open(&project.path(".reproof/store"), Arc::new(RealIo)).unwrap();
    read_table(&store, &digest, None).unwrap()
}

fn csv(table: &Table, without: &str) -> String {
    let columns = table.schema().columns().iter().zip(table.columns());
    // In another order than the model was trained with.
    let columns: Vec<_> = columns
        .rev()
        .filter(|(column, _)| column.name != without)
        .collect();
    let names: Vec<_> = columns
        .iter()
        .map(|(column, _)| column.name.as_str())
        .collect();
    let mut text = names.join(";") + "\n";
    for row in 0..table.rows() {
        let fields = columns
            .iter()
            .map(|(_, data)| data.text(row).unwrap_or_default());
        text += &(fields.collect::<Vec<_>>().join(";") + "\n");
    }
    text
}

#[test]
fn predictions_are_those_of_the_evaluation_bit_for_bit() {
    let project = Project::diabetes();
    let id = project.record(&[]);
    let shown = project.reproof(&["show", &id, "--json"]).json();
    let part = table(&project, &shown, "split", "eval");
    let expect = table(&project, &shown, "evaluate", "predictions");
    let Some(ColumnData::Float(expect)) = expect.column("prediction") else {
        panic!("{:?}", expect.schema());
    };
    project.write("rows.csv", &csv(&part, "has_diabetes"));
    let document = project
        .reproof(&[
            "predict",
            &id,
            "rows.csv",
            "--delimiter",
            ";",
            "-o",
            "out.csv",
            "--json",
            "--keep",
            "age",
        ])
        .json();
    assert_eq!(document["rows"], part.rows());
    let out = project.read("out.csv");
    let mut lines = out.lines();
    assert_eq!(lines.next(), Some("age,class,prediction"));
    let mut rows = 0;
    for (line, expect) in lines.zip(expect) {
        let fields: Vec<&str> = line.split(',').collect();
        assert_eq!(
            fields[2].parse::<f64>().unwrap().to_bits(),
            expect.to_bits()
        );
        assert_eq!(fields[1], if *expect >= 0.5 { "Yes" } else { "No" });
        rows += 1;
    }
    assert_eq!(rows, part.rows());
    let printed = project
        .reproof(&[
            "predict",
            "@latest",
            "rows.csv",
            "--delimiter",
            ";",
            "--threads",
            "3",
            "--keep",
            "age",
        ])
        .expect(0);
    assert_eq!(printed.out, out);
    let parquet = |table: &Table| {
        let mut bytes = Vec::new();
        write_parquet(&mut bytes, table).unwrap();
        std::fs::write(project.path("rows.parquet"), bytes).unwrap();
        project.reproof(&[
            "predict",
            &id,
            "rows.parquet",
            "--keep",
            "age",
            "-o",
            "out.parquet",
        ])
    };
    parquet(&part).expect(0);
    let from_parquet = project.reproof(&["predict", &id, "rows.parquet", "--keep", "age"]);
    assert_eq!(from_parquet.expect(0).out, out);
    assert_eq!(
        &std::fs::read(project.path("out.parquet")).unwrap()[..4],
        b"PAR1"
    );
    let mut columns = part.columns().to_vec();
    let place = part
        .schema()
        .columns()
        .iter()
        .position(|column| column.name == "age")
        .unwrap();
    columns[place] = ColumnData::Float(vec![30.5; part.rows()]);
    let mut described = part.schema().columns().to_vec();
    described[place].logical_type = reproof_record::LogicalType::Float;
    let other = Table::new(reproof_record::Schema::new(described).unwrap(), columns).unwrap();
    parquet(&other).expect(2).says(&[
        "column 'age' is float, and integer for the model, which does not hold 30.5 of row 1",
    ]);
    // What was read leaves nothing in the store.
    let left = std::fs::read_dir(project.path(".reproof/store/tmp")).unwrap();
    assert_eq!(left.count(), 0);
}

/// A pipeline on a column of floats and one of integers, both filled.
const NUMBERS: &str = "pipeline: numbers\n\
    data: {csv: data/numbers.csv, null_tokens: [\"?\"]}\n\
    label: y\n\
    split: {random: {train: 0.8, eval: 0.2}}\n\
    train: {linear_regression: {}}\n\
    evaluate: {}\n";

#[test]
fn null_tokens_are_those_that_are_named() {
    let project = Project::empty();
    let mut text = "x,n,y\n".to_owned();
    for row in 0..40 {
        text += &format!("{}.5,{},{}.25\n", row % 7, row % 5, row % 11);
    }
    project.write("data/numbers.csv", &(text + "?,?,1.5\n"));
    project.write("pipelines/numbers.yaml", NUMBERS);
    project.write("reproof.toml", "");
    let id = project.record(&[]);
    project.write("rows.csv", "x,n\n1.5,?\nNA,2\n");
    let predict = |options: &[&str]| {
        let mut all = vec!["predict", &id, "rows.csv"];
        all.extend(options);
        project.reproof(&all)
    };
    predict(&[]).expect(2).says(&[
        "line 2: column 'n' is integer for the model, and '?' is string",
        "if '?' stands for a missing value, say so with --null",
    ]);
    // Named ones stand instead of the usual ones.
    predict(&["--null", "?"])
        .expect(2)
        .says(&["line 3: column 'x'", "'NA' is string"]);
    let both = predict(&["--null", "?", "--null", "NA"]).expect(0);
    project.write("rows.csv", "x,n\n1.5,\n,2\n");
    assert_eq!(predict(&[]).expect(0).out, both.out);
    assert_eq!(predict(&["--null", ""]).expect(0).out, both.out);
    project.write("rows.parquet", "");
    project
        .reproof(&["predict", &id, "rows.parquet", "--null", "?"])
        .expect(2)
        .says(&["--null is for CSV files"]);
}

#[test]
fn numbers_of_a_parquet_file_are_converted_where_that_changes_none() {
    let project = Project::empty();
    let mut text = "x,n,y\n".to_owned();
    for row in 0..40 {
        text += &format!("{}.5,{},{}.25\n", row % 7, row % 5, row % 11);
    }
    project.write("data/numbers.csv", &text);
    project.write("pipelines/numbers.yaml", NUMBERS);
    project.write("reproof.toml", "");
    let id = project.record(&[]);
    project.write("rows.csv", "x,n\n3,1\n,2\n-4,\n");
    let expect = project.reproof(&["predict", &id, "rows.csv"]).expect(0).out;
    let predict = |x: ColumnData, n: ColumnData| {
        let column = |name: &str, data: &ColumnData| Column {
            name: name.to_owned(),
            logical_type: data.logical_type(),
        };
        let schema = Schema::new(vec![column("x", &x), column("n", &n)]).unwrap();
        let mut bytes = Vec::new();
        write_parquet(&mut bytes, &Table::new(schema, vec![x, n]).unwrap()).unwrap();
        std::fs::write(project.path("rows.parquet"), bytes).unwrap();
        project.reproof(&["predict", &id, "rows.parquet", "--keep", "x"])
    };
    let integers = |values: &[Option<i64>]| ColumnData::Integer(values.to_vec());
    let floats = |values: &[f64]| ColumnData::Float(values.to_vec());
    let price = DecimalType::new(6, 2).unwrap();
    let decimals = |values: &[Option<i128>]| ColumnData::Decimal(price, values.to_vec());
    let xs = [
        (integers(&[Some(3), None, Some(-4)]), "3"),
        (floats(&[3.0, f64::NAN, -4.0]), "3"),
        (decimals(&[Some(300), None, Some(-400)]), "3.00"),
    ];
    let ns = [
        integers(&[Some(1), Some(2), None]),
        floats(&[1.0, 2.0, f64::NAN]),
        decimals(&[Some(100), Some(200), None]),
    ];
    for (x, kept) in &xs {
        for n in &ns {
            let out = predict(x.clone(), n.clone()).expect(0).out;
            // What is kept is as it is in the file.
            assert!(out.starts_with(&format!("x,prediction\n{kept},")), "{out}");
            let fields = out.lines().map(|line| line.split(',').nth(1).unwrap());
            assert_eq!(
                fields.collect::<Vec<_>>(),
                expect.lines().collect::<Vec<_>>()
            );
        }
    }
    predict(integers(&[Some((1 << 53) + 1), None, None]), ns[0].clone()).expect(2).says(&[
        "column 'x' is integer, and float for the model, which does not hold 9007199254740993 of row 1",
        "numbers are converted where that changes none of them",
    ]);
    predict(xs[0].0.clone(), decimals(&[Some(100), Some(250), None])).expect(2).says(&[
        "column 'n' is decimal(6, 2), and integer for the model, which does not hold 2.50 of row 2",
    ]);
    let texts = ColumnData::String(["3", "4", "5"].map(Some).into_iter().collect());
    predict(texts, ns[0].clone())
        .expect(2)
        .says(&["column 'x' is string, and float for the model"]);
}

/// Trees for three classes, through training, evaluation, comparison and prediction.
#[test]
fn several_classes_go_all_the_way() {
    let project = Project::diabetes();
    let data = project.read("data/pima_diabetes.csv");
    let mut lines = data.lines();
    let mut text = lines.next().unwrap().to_owned() + ",weight\n";
    for line in lines {
        let bmi: f64 = line.split(',').nth(4).unwrap().parse().unwrap();
        let class = match bmi {
            bmi if bmi < 27.0 => "light",
            bmi if bmi < 35.0 => "medium",
            _ => "heavy",
        };
        text += &format!("{line},{class}\n");
    }
    project.write("data/weights.csv", &text);
    project.write(
        "pipelines/weights.yaml",
        "pipeline: weights\n\
         data: {csv: data/weights.csv}\n\
         label: weight\n\
         features: [skin_thickness, age, glucose, pregnancies]\n\
         split: {random: {train: 0.7, eval: 0.3}}\n\
         train: {gradient_boosting: {task: multiclass_classification, rounds: 10}}\n\
         evaluate:\n\
         \u{20} metrics: [accuracy, f1_macro, log_loss, roc_auc_macro, brier]\n\
         \u{20} slices: [age]\n\
         \u{20} buckets: {age: {quantiles: 3}}\n\
         \u{20} baseline: true\n\
         \u{20} confusion_matrix: true\n\
         \u{20} require: [accuracy >= 0.4]\n",
    );
    let id = project.record(&["pipelines/weights.yaml"]);
    let shown = project.reproof(&["show", &id, "--json"]).json();
    let metrics = &shown["metrics"];
    assert_eq!(
        metrics["classes"],
        serde_json::json!(["heavy", "light", "medium"])
    );
    assert_eq!(metrics["baseline"]["roc_auc_macro"]["value"], 0.5);
    let part = table(&project, &shown, "split", "eval");
    let expect = table(&project, &shown, "evaluate", "predictions");
    project.write("rows.csv", &csv(&part, "weight"));
    let printed = project
        .reproof(&["predict", &id, "rows.csv", "--delimiter", ";"])
        .expect(0);
    let mut lines = printed.out.lines();
    let header = "class,probability=heavy,probability=light,probability=medium";
    assert_eq!(lines.next(), Some(header));
    for (row, line) in lines.enumerate() {
        let given: Vec<_> = line.split(',').skip(1).collect();
        let columns = expect.columns().iter();
        let wanted: Vec<_> = columns.map(|column| column.text(row).unwrap()).collect();
        assert_eq!(given, wanted);
    }
    let other = project.record(&[
        "pipelines/weights.yaml",
        "--set",
        "train.gradient_boosting.rounds=3",
    ]);
    let compared = project.reproof(&["compare", &id, &other, "--json"]).json();
    let paired = &compared["comparisons"][0]["metrics"]["paired"];
    assert_eq!(paired["overall"]["f1_macro"]["method"], "paired_bootstrap");
    assert_eq!(paired["slices"].as_array().unwrap().len(), 3);
    project.reproof(&["verify", &id]).expect(0);
}

#[test]
fn a_file_that_does_not_fit_is_refused_by_column() {
    let project = Project::diabetes();
    let id = project.record(&[]);
    let predict = |text: &str| {
        project.write("rows.csv", text);
        project.reproof(&["predict", &id, "rows.csv"])
    };
    predict("age,bmi\n31,28.1\n").expect(2).says(&[
        "has no columns",
        "'glucose' (integer)",
        "'pregnancies' (integer)",
    ]);
    let header = project.read("data/pima_diabetes.csv");
    let header = header.lines().next().unwrap().to_owned();
    let good = "1,100,70,30,28.1,0.3,31,No";
    predict(&format!("{header}\n{good}\n")).expect(0);
    predict(&format!(
        "{header}\n{good}\n{}\n",
        good.replacen("100", "high", 1)
    ))
    .expect(2)
    .says(&["glucose", "high", "line 3"]);
    predict(&format!("{header}\n")).expect(0);
    predict("").expect(2);
    project
        .reproof(&["predict", &id, "none.csv"])
        .expect(2)
        .says(&["there is no file"]);
    project
        .reproof(&["predict", &id, "rows.csv", "--json"])
        .expect(2);
    project
        .reproof(&["predict", &id, "rows.csv", "--delimiter", "ab"])
        .expect(2);
    predict(&format!("{header}\n{good}\n"));
    project
        .reproof(&["predict", &id, "rows.csv", "--keep", "names"])
        .expect(2)
        .says(&["no column 'names'"]);
}

#[test]
fn a_model_that_a_program_made_is_not_ours_to_predict() {
    let project = Project::diabetes();
    project.write("reproof.toml", "[environments.tools]\nsystem = [\"sh\"]\n");
    let pipeline = "pipeline: own\ndata: {csv: data/pima_diabetes.csv}\nsteps:\n  fit:\n    \
                    shell: echo 1 > /reproof/out/model\n    environment: tools\n    \
                    inputs: {table: data}\n    outputs: {model: model}\n";
    project.write("pipelines/own.yaml", pipeline);
    let id = project.record(&["own"]);
    project
        .reproof(&["predict", &id, "data/pima_diabetes.csv"])
        .expect(2)
        .says(&["no built-in model", "only a program can predict"]);
}
