//! `reproof data`, and data sources of other formats.

use std::path::Path;
use std::sync::Arc;

use reproof_store::fs::RealIo;
use reproof_table::{CsvOptions, Table, read_table, write_parquet};

use crate::support::Project;

#[test]
fn the_columns_of_a_version_are_shown_by_path_name_and_id() {
    let project = Project::committed();
    let nothing = project.reproof(&["data", "show", "nothing"]).expect(2);
    assert!(nothing.err.contains("pima_diabetes.csv"), "{}", nothing.err);
    project.record(&[]);
    let list = project.reproof(&["data", "list"]).expect(0);
    assert!(
        list.out.contains("data/pima_diabetes.csv  532 rows x 8"),
        "{}",
        list.out
    );
    let by_path = project
        .reproof(&["data", "show", "data/pima_diabetes.csv"])
        .expect(0);
    for text in [
        "rows      532",
        "bmi",
        "18.2 … 67.1",
        "█",
        "No 66.7 %, Yes 33.3 %",
    ] {
        assert!(
            by_path.out.contains(text),
            "no '{text}' in:\n{}",
            by_path.out
        );
    }
    let document = project
        .reproof(&["data", "show", "pima_diabetes", "--json"])
        .json();
    let glucose = &document["statistics"]["columns"][1];
    assert_eq!(glucose["mean"].as_f64().unwrap().round(), 121.0);
    let id = document["data_id"].as_str().unwrap();
    let by_id = project
        .reproof(&["data", "show", &format!("data:{}", &id[..10])])
        .expect(0);
    assert_eq!(by_id.out, by_path.out);
    project
        .reproof(&["data", "show", "@latest"])
        .expect(2)
        .says(&["is not data"]);
}

/// The diabetes data as a table.
fn table(project: &Project) -> Table {
    let store = reproof_store::Store::open(&project.path("scratch"), Arc::new(RealIo)).unwrap();
    let mut batch = store.batch();
    let path = project.path("data/pima_diabetes.csv");
    let options = CsvOptions::default();
    let taken = reproof_table::snapshot_csv(&store, &mut batch, &path, &options, None).unwrap();
    batch.commit().unwrap();
    read_table(&store, &taken.stored.artifact.digest, None).unwrap()
}

fn write(path: &Path, table: &Table) {
    let mut bytes = Vec::new();
    write_parquet(&mut bytes, table).unwrap();
    std::fs::write(path, bytes).unwrap();
}

#[test]
fn the_same_data_in_parquet_comes_to_the_same_record() {
    let project = Project::diabetes();
    let from_csv = project.record(&[]);
    write(&project.path("data/pima.parquet"), &table(&project));
    let pipeline = project.read("pipelines/diabetes.yaml");
    let pipeline = pipeline.replace("csv: data/pima_diabetes.csv", "parquet: data/pima.parquet");
    assert!(pipeline.contains("parquet"));
    project.write("pipelines/diabetes.yaml", &pipeline);
    assert_eq!(project.record(&[]), from_csv);
    let again = project.reproof(&["run"]).expect(0);
    assert!(
        again.out.contains("4 cached") || again.err.contains("4 cached"),
        "{again:?}"
    );
}

#[test]
fn declared_types_hold() {
    let project = Project::diabetes();
    let pipeline = project.read("pipelines/diabetes.yaml");
    let source = "csv: data/pima_diabetes.csv";
    for (schema, code, says) in [
        ("{age: float}", 0, ""),
        ("{bmi: integer}", 2, "column 'bmi' is declared as integer"),
        (
            "{weight: float}",
            2,
            "the schema declares the column 'weight'",
        ),
        ("{age: number}", 2, "unknown type 'number'"),
    ] {
        let text = pipeline.replace(source, &format!("{source}, schema: {schema}"));
        assert_ne!(text, pipeline);
        project.write("pipelines/diabetes.yaml", &text);
        project.reproof(&["run"]).expect(code).says(&[says]);
    }
}

/// A file that changes while it is read is no version of anything: the run says so, and the next
/// one, when the file is at rest, works.
#[test]
fn a_file_that_changes_while_it_is_read_is_refused() {
    let project = Project::committed();
    let text = project.read("data/pima_diabetes.csv");
    let (header, rows) = text.split_once('\n').unwrap();
    project.write(
        "data/pima_diabetes.csv",
        &format!("{header}\n{}", rows.repeat(400)),
    );
    let mut run = project
        .command(&["run"])
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let row = rows.split_inclusive('\n').next().unwrap();
    let mut file = std::fs::OpenOptions::new()
        .append(true)
        .open(project.path("data/pima_diabetes.csv"))
        .unwrap();
    let status = loop {
        std::io::Write::write_all(&mut file, row.as_bytes()).unwrap();
        if let Some(status) = run.try_wait().unwrap() {
            break status;
        }
        std::thread::sleep(std::time::Duration::from_millis(1));
    };
    let mut said = String::new();
    std::io::Read::read_to_string(&mut run.stderr.take().unwrap(), &mut said).unwrap();
    assert_eq!(status.code(), Some(2), "{said}");
    assert!(said.contains("changed while it was read"), "{said}");
    assert!(said.contains("pima_diabetes.csv"), "{said}");
    project.reproof(&["plan"]).expect(0);
}

/// The same values are the same record, whatever file they come from.
#[test]
fn json_lines_of_the_same_values_give_the_same_record() {
    let project = Project::diabetes();
    let expect = project.record(&[]);
    let csv = project.read("data/pima_diabetes.csv");
    let mut lines = csv.lines();
    let names: Vec<_> = lines.next().unwrap().split(',').collect();
    let rows = lines.map(|line| {
        let fields = names.iter().zip(line.split(',')).map(|(name, field)| {
            let is_number = field.parse::<f64>().is_ok();
            let value = if is_number {
                field.to_owned()
            } else {
                format!("\"{field}\"")
            };
            format!("\"{name}\": {value}")
        });
        format!("{{{}}}\n", fields.collect::<Vec<_>>().join(", "))
    });
    let text: String = rows.collect();
    project.write("data/pima_diabetes.jsonl", &text);
    let file = "pipelines/diabetes.yaml";
    project.edit(
        file,
        "csv: data/pima_diabetes.csv",
        "jsonl: data/pima_diabetes.jsonl",
    );
    assert_eq!(project.record(&[]), expect);
    let first = text.lines().next().unwrap();
    let broken = text.replacen(first, "{\"bmi\": [1]}", 1);
    project.write("data/pima_diabetes.jsonl", &broken);
    project
        .reproof(&["run"])
        .expect(2)
        .says(&["data/pima_diabetes.jsonl:1: column 'bmi' holds a list"]);
}
