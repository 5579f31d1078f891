//! Files of JSON lines as tables.

use std::collections::BTreeMap;
use std::path::PathBuf;

use reproof_store::Store;
use reproof_store::fs::{Io, RealIo};

use super::*;
use crate::storage::tests::scratch;
use crate::{ColumnData, CsvOptions, FileFormat, Snapshot, read_table, snapshot_file};

struct Given {
    _folder: tempfile::TempDir,
    store: Store,
    path: PathBuf,
}

#[allow(clippy::disallowed_methods)]
fn given(name: &str, bytes: &[u8]) -> Given {
    let (folder, store) = scratch();
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    Given {
        _folder: folder,
        store,
        path,
    }
}

impl Given {
    fn read_as(&self, format: &FileFormat, plan: &SnapshotOptions) -> Result<Snapshot, TableError> {
        let mut batch = self.store.batch();
        let snapshot = snapshot_file(&self.store, &mut batch, &self.path, format, plan)?;
        batch.commit().unwrap();
        Ok(snapshot)
    }

    fn read(&self, plan: &SnapshotOptions) -> Result<Snapshot, TableError> {
        self.read_as(&FileFormat::JsonLines, plan)
    }
}

fn read(text: &str) -> Result<(Vec<(String, LogicalType)>, Snapshot), String> {
    let given = given("a.jsonl", text.as_bytes());
    let plan = SnapshotOptions::default();
    let snapshot = given.read(&plan).map_err(|error| error.to_string())?;
    let columns = snapshot.schema.columns().iter();
    let columns = columns.map(|column| (column.name.clone(), column.logical_type));
    let expect = file_schema(&RealIo, &given.path).unwrap();
    assert_eq!(expect, snapshot.schema);
    Ok((columns.collect(), snapshot))
}

fn file_schema(io: &dyn Io, path: &Path) -> Result<Schema, TableError> {
    crate::file_schema(io, path, &FileFormat::JsonLines)
}

#[test]
fn types_are_decided_over_all_lines() {
    let text = "{\"a\":1,\"b\":\"7\",\"c\":true}\n\n{\"b\":null,\"a\":2.5,\"d\":\"2024-01-01\"}\r\n\
                {\"c\":false,\"e\":\"\\u00e9\\n\",\"f\":1}\n{\"f\":\"x\"}";
    let (columns, snapshot) = read(text).unwrap();
    let columns: Vec<_> = columns
        .iter()
        .map(|(name, of)| (name.as_str(), *of))
        .collect();
    assert_eq!(
        columns,
        [
            ("a", LogicalType::Float),
            ("b", LogicalType::String),
            ("c", LogicalType::Boolean),
            ("d", LogicalType::String),
            ("e", LogicalType::String),
            ("f", LogicalType::String),
        ]
    );
    assert_eq!(snapshot.rows, 4);
    assert_eq!(snapshot.missing, [2, 3, 2, 3, 3, 2]);
}

#[test]
fn the_same_values_are_the_same_table_whatever_the_file() {
    let json = given(
        "a.jsonl",
        "{\"n\":1,\"t\":\"a\\\"b\"}\n{\"t\":\"\\u00e9\",\"n\":9007199254740993}\n".as_bytes(),
    );
    let csv = given(
        "a.csv",
        "n,t\n1,\"a\"\"b\"\n9007199254740993,é\n".as_bytes(),
    );
    let plan = SnapshotOptions::default();
    let one = json.read(&plan).unwrap();
    let other = csv
        .read_as(&FileFormat::Csv(CsvOptions::default()), &plan)
        .unwrap();
    assert_eq!(one.stored.artifact, other.stored.artifact);
    assert_ne!(one.digests, other.digests);
    let table = read_table(&json.store, &one.stored.artifact.digest, None).unwrap();
    let ColumnData::Integer(values) = &table.columns()[0] else {
        panic!("{table:?}");
    };
    assert_eq!(values, &[Some(1), Some(9_007_199_254_740_993)]);
}

#[test]
fn a_compressed_file_is_the_same_table() {
    use std::io::Write;
    let text = b"{\"a\":1}\n{\"a\":2}\n";
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(text).unwrap();
    let packed = given("a.jsonl.gz", &gzip.finish().unwrap());
    let plain = given("a.jsonl", text);
    let plan = SnapshotOptions::default();
    assert_eq!(
        packed.read(&plan).unwrap().stored.artifact,
        plain.read(&plan).unwrap().stored.artifact
    );
    let wrong = given("a.jsonl.gz", text)
        .read(&plan)
        .unwrap_err()
        .to_string();
    assert!(wrong.contains("compressed with gzip"), "{wrong}");
}

#[test]
fn declared_and_pinned_types_hold() {
    let file = given(
        "a.jsonl",
        b"{\"d\":\"2024-02-29\",\"p\":12.30,\"i\":1}\n{\"p\":\"4.5\"}\n",
    );
    let declare = |of: &[(&str, LogicalType)]| SnapshotOptions {
        declared: of
            .iter()
            .map(|(name, of)| ((*name).to_owned(), *of))
            .collect(),
        ..SnapshotOptions::default()
    };
    let decimal = LogicalType::Decimal(reproof_record::DecimalType::new(6, 2).unwrap());
    let plan = declare(&[
        ("d", LogicalType::Date),
        ("p", decimal),
        ("i", LogicalType::Float),
    ]);
    let read = file.read(&plan).unwrap();
    let types: BTreeMap<_, _> = read
        .schema
        .columns()
        .iter()
        .map(|column| (column.name.as_str(), column.logical_type))
        .collect();
    assert_eq!(types["d"], LogicalType::Date);
    assert_eq!(types["p"], decimal);
    assert_eq!(types["i"], LogicalType::Float);
    for (plan, expect) in [
        (
            declare(&[("d", LogicalType::Integer)]),
            "a.jsonl:1: column 'd' is declared as integer",
        ),
        (
            declare(&[("p", LogicalType::Float)]),
            "a.jsonl:2: column 'p' is declared as float",
        ),
        (
            declare(&[("none", LogicalType::Float)]),
            "which the file does not have",
        ),
    ] {
        let error = file.read(&plan).unwrap_err().to_string();
        assert!(error.contains(expect), "{error}");
    }
    let pinned = SnapshotOptions {
        pinned: Some(read.schema),
        ..SnapshotOptions::default()
    };
    assert_eq!(file.read(&pinned).unwrap().stored, read.stored);
}

#[test]
fn what_is_no_row_is_named_by_line_and_column() {
    for (text, expect) in [
        ("", "holds no object"),
        ("{}\n{}\n", "holds no object"),
        ("[{\"a\":1}]", "a.jsonl:1: the file is one JSON list"),
        ("{\"a\":1}\n7\n", "a.jsonl:2: an object is wanted"),
        ("{\"a\":1}\n{\"a\":}\n", "a.jsonl:2: not JSON at byte 6"),
        ("{\"a\":NaN}", "a.jsonl:1: not JSON at byte 6"),
        ("{\"a\":1} {\"a\":2}", "trailing characters"),
        ("{\"a\":1,\"a\":2}", "a.jsonl:1: the name 'a' occurs twice"),
        ("{\"a\":[1]}", "column 'a' holds a list"),
        (
            "{\"a\":1}\n{\"a\":{\"b\":1}}",
            "a.jsonl:2: column 'a' holds an object",
        ),
        ("{\"a\":99999999999999999999}", "does not fit 64 bits"),
        ("{\"a\":\"\\ud800\"}", "a.jsonl:1: not JSON"),
        ("{\"a\":\"\u{1}\"}", "a.jsonl:1: not JSON"),
    ] {
        let error = read(text).unwrap_err();
        assert!(error.contains(expect), "{text}: {error}");
    }
    let given = given("a.jsonl", b"{\"a\":\"\xff\"}\n");
    let error = given.read(&SnapshotOptions::default()).unwrap_err();
    assert!(error.to_string().contains("a.jsonl:1: not JSON"), "{error}");
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(64))]

    /// Any bytes are a table or an error, never a panic.
    #[test]
    fn any_bytes_are_read_or_refused(text in "(\\{\"a\":[0-9\\[\\]{}\",.eE+-]{0,6}\\}\n?|\\PC{0,8}\n){0,4}") {
        let given = given("a.jsonl", text.as_bytes());
        let _ = given.read(&SnapshotOptions::default());
    }
}
