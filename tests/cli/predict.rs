//! `reproof predict`.

use std::sync::Arc;

use reproof_record::Digest;
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
    parquet(&other)
        .expect(2)
        .says(&["column 'age' is float, and integer for the model"]);
    // What was read leaves nothing in the store.
    let left = std::fs::read_dir(project.path(".reproof/store/tmp")).unwrap();
    assert_eq!(left.count(), 0);
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
