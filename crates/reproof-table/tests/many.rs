//! Several files as one table.

#![allow(clippy::disallowed_methods, clippy::unwrap_used)]

use std::sync::Arc;

use reproof_record::{Column, Digest, LogicalType, Schema};
use reproof_store::Store;
use reproof_store::fs::RealIo;
use reproof_table::{
    ColumnData, CsvOptions, FileFormat, Snapshot, SnapshotOptions, SourceFile, StatisticsLevel,
    Table, TableError, read_statistics, read_table, snapshot_files, write_parquet,
};

struct Scene {
    folder: tempfile::TempDir,
    store: Store,
}

impl Scene {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("store"), Arc::new(RealIo)).unwrap();
        Self { folder, store }
    }

    fn read(
        &self,
        files: &[(&str, &[u8])],
        format: &FileFormat,
        options: &SnapshotOptions,
    ) -> Result<Snapshot, TableError> {
        let data = self.folder.path().join("data");
        let mut sources = Vec::new();
        for (inside, bytes) in files {
            let path = data.join(inside);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, bytes).unwrap();
            sources.push(SourceFile {
                path,
                inside: (*inside).to_owned(),
            });
        }
        let mut batch = self.store.batch();
        let read = snapshot_files(&self.store, &mut batch, &sources, format, options)?;
        batch.commit().unwrap();
        Ok(read)
    }

    fn csv(&self, files: &[(&str, &str)]) -> Result<Snapshot, String> {
        self.csv_with(files, &SnapshotOptions::default())
    }

    fn csv_with(&self, files: &[(&str, &str)], with: &SnapshotOptions) -> Result<Snapshot, String> {
        let files: Vec<_> = files
            .iter()
            .map(|(name, text)| (*name, text.as_bytes()))
            .collect();
        let read = self.read(&files, &FileFormat::Csv(CsvOptions::default()), with);
        let folder = format!("{}/data/", self.folder.path().display());
        read.map_err(|error| error.to_string().replace(&folder, ""))
    }

    fn table(&self, read: &Snapshot) -> Table {
        read_table(&self.store, &read.stored.artifact.digest, None).unwrap()
    }
}

fn types(read: &Snapshot) -> Vec<(&str, LogicalType)> {
    let columns = read.schema.columns().iter();
    columns
        .map(|column| (column.name.as_str(), column.logical_type))
        .collect()
}

#[test]
fn the_same_rows_in_one_file_are_the_same_table() {
    let scene = Scene::new();
    let one = scene.csv(&[("one.csv", "a,b\n1,x\n2,y\n3.5,\n")]).unwrap();
    // Columns may stand in another order, and the types are decided over all files.
    let many = [
        ("1.csv", "a,b\n1,x\n"),
        ("2.csv", "b,a\ny,2\n"),
        ("3.csv", "a,b\n"),
        ("4.csv", "a,b\n3.5,\n"),
    ];
    let read = scene.csv(&many).unwrap();
    assert_eq!(read.stored, one.stored);
    assert_eq!(
        types(&read),
        [("a", LogicalType::Float), ("b", LogicalType::String)]
    );
    let digests: Vec<_> = many
        .iter()
        .map(|(_, text)| Digest::of(text.as_bytes()))
        .collect();
    assert_eq!((read.rows, read.digests), (3, digests));
    let lines: [(&str, &[u8]); 2] = [
        (
            "1.jsonl",
            b"{\"a\": 1, \"b\": \"x\"}\n{\"a\": 2, \"b\": \"y\"}\n",
        ),
        ("2.jsonl", b"{\"b\": null, \"a\": 3.5}\n"),
    ];
    let options = SnapshotOptions::default();
    let read = scene
        .read(&lines, &FileFormat::JsonLines, &options)
        .unwrap();
    assert_eq!(read.stored, one.stored);
    let more: [(&str, &[u8]); 2] = [
        ("1.jsonl", b"{\"a\": 1}\n"),
        ("2.jsonl", b"{\"c\": true}\n"),
    ];
    let read = scene.read(&more, &FileFormat::JsonLines, &options).unwrap();
    assert_eq!(
        types(&read),
        [("a", LogicalType::Integer), ("c", LogicalType::Boolean)]
    );
}

#[test]
fn statistics_and_wide_tables_are_those_of_one_file() {
    let scene = Scene::new();
    let full = SnapshotOptions {
        statistics: StatisticsLevel::Full,
        ..SnapshotOptions::default()
    };
    let header = (0..300)
        .map(|index| format!("c{index}"))
        .collect::<Vec<_>>()
        .join(",");
    let row = |first: usize| {
        (0..300)
            .map(|c| (first + c).to_string())
            .collect::<Vec<_>>()
            .join(",")
    };
    let one = format!("{header}\n{}\n{}\n", row(1), row(7));
    let one = scene.csv_with(&[("one.csv", &one)], &full).unwrap();
    let (first, second) = (
        format!("{header}\n{}\n", row(1)),
        format!("{header}\n{}\n", row(7)),
    );
    let many = scene
        .csv_with(&[("a.csv", &first), ("b.csv", &second)], &full)
        .unwrap();
    assert_eq!(many.stored, one.stored);
    let statistics = read_statistics(&scene.store, &many.stored.manifest)
        .unwrap()
        .unwrap();
    assert_eq!((statistics.rows, statistics.columns.len()), (2, 300));
}

#[test]
fn what_is_wrong_names_its_file_and_line() {
    let scene = Scene::new();
    for (second, says) in [
        ("a,b\n1,2,3\n", "2.csv:2: 3 fields where the header has 2"),
        ("", "2.csv:1: the file is empty"),
        (
            "a,c\n",
            "2.csv: it lacks the column 'b', unlike 1.csv: all files",
        ),
        (
            "a,b,c\n",
            "2.csv: it has a column 'c', unlike 1.csv: all files",
        ),
        (
            "a,b\n\n9223372036854775808,1\n",
            "2.csv:3: column 'a' holds integers, and 9223372036854775808",
        ),
    ] {
        let error = scene
            .csv(&[("1.csv", "a,b\n1,2\n"), ("2.csv", second)])
            .unwrap_err();
        assert!(error.starts_with(says), "{error}");
    }
    let pinned = SnapshotOptions {
        pinned: Some(schema(&[("a", LogicalType::Integer)])),
        ..SnapshotOptions::default()
    };
    let files = [("1.csv", "b,a\n1,2\n"), ("2.csv", "a,b\n7,2\nx,2\n")];
    let error = scene.csv_with(&files, &pinned).unwrap_err();
    assert!(
        error.starts_with("2.csv:3: column 'a' is pinned to the type integer"),
        "{error}"
    );
}

fn schema(columns: &[(&str, LogicalType)]) -> Schema {
    let columns = columns.iter().map(|(name, logical_type)| Column {
        name: (*name).to_owned(),
        logical_type: *logical_type,
    });
    Schema::new(columns.collect()).unwrap()
}

fn parquet(columns: &[(&str, ColumnData)]) -> Vec<u8> {
    let types: Vec<_> = columns
        .iter()
        .map(|(name, data)| (*name, data.logical_type()))
        .collect();
    let data = columns.iter().map(|(_, data)| data.clone()).collect();
    let mut bytes = Vec::new();
    write_parquet(&mut bytes, &Table::new(schema(&types), data).unwrap()).unwrap();
    bytes
}

#[test]
fn parquet_files_have_one_schema() {
    let scene = Scene::new();
    let integers = |values: &[i64]| ColumnData::Integer(values.iter().copied().map(Some).collect());
    let floats = |values: &[f64]| ColumnData::Float(values.to_vec());
    let first = parquet(&[("a", integers(&[1, 2])), ("b", floats(&[0.5, 1.5]))]);
    let second = parquet(&[("b", floats(&[2.5])), ("a", integers(&[3]))]);
    let whole = parquet(&[("a", integers(&[1, 2, 3])), ("b", floats(&[0.5, 1.5, 2.5]))]);
    let options = SnapshotOptions::default();
    let one = scene
        .read(&[("one.parquet", &whole)], &FileFormat::Parquet, &options)
        .unwrap();
    let files: [(&str, &[u8]); 2] = [("1.parquet", &first), ("2.parquet", &second)];
    let many = scene.read(&files, &FileFormat::Parquet, &options).unwrap();
    assert_eq!(many.stored, one.stored);
    assert_eq!(many.digests, [Digest::of(&first), Digest::of(&second)]);
    let other = parquet(&[("a", floats(&[3.0])), ("b", floats(&[2.5]))]);
    let files: [(&str, &[u8]); 2] = [("1.parquet", &first), ("2.parquet", &other)];
    let error = scene
        .read(&files, &FileFormat::Parquet, &options)
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("2.parquet: its column 'a' is float, not integer, unlike "),
        "{error}"
    );
    assert!(error.contains("1.parquet"), "{error}");
    let files: [(&str, &[u8]); 2] = [("1.parquet", &first), ("2.parquet", &second[..40])];
    let error = scene
        .read(&files, &FileFormat::Parquet, &options)
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("2.parquet: the file cannot be read as Parquet"),
        "{error}"
    );
}

#[test]
fn paths_give_columns() {
    let scene = Scene::new();
    let read = scene
        .csv(&[
            (
                "year=2023/month=03/day=2023-03-01/at=S%C3%A3o%20Paulo/x.csv",
                "a\n1\n2\n",
            ),
            (
                "year=2024/month=12/day=2024-12-31/at=__HIVE_DEFAULT_PARTITION__/x.csv",
                "a\n3\n",
            ),
        ])
        .unwrap();
    let table = scene.table(&read);
    let strings = |values: &[Option<&str>]| ColumnData::String(values.iter().copied().collect());
    let place = Some("São Paulo");
    let one = scene
        .csv(&[(
            "one.csv",
            "a,year,month,day,at\n1,2023,3,2023-03-01,São Paulo\n2,2023,3,2023-03-01,São Paulo\n\
             3,2024,12,2024-12-31,\n",
        )])
        .unwrap();
    assert_eq!(read.stored, one.stored);
    assert_eq!(table.columns()[4], strings(&[place, place, None]));
    assert_eq!(read.missing, [0, 0, 0, 0, 1]);
    // What is declared or pinned holds for them, too.
    let declared = SnapshotOptions {
        declared: [("m".to_owned(), LogicalType::String)].into(),
        pinned: Some(schema(&[("y", LogicalType::Float)])),
        ..SnapshotOptions::default()
    };
    let files = [("y=1/m=03/a.csv", "a\n1\n"), ("y=2/m=4/a.csv", "a\n1\n")];
    let read = scene.csv_with(&files, &declared).unwrap();
    assert_eq!(
        types(&read)[1..],
        [("y", LogicalType::Float), ("m", LogicalType::String)]
    );
    assert_eq!(
        scene.table(&read).columns()[2],
        strings(&[Some("03"), Some("4")])
    );
    let error = scene
        .csv_with(&[("y=x/m=1/a.csv", "a\n1\n")], &declared)
        .unwrap_err();
    assert!(
        error.contains("y=x/m=1/a.csv: column 'y' is pinned to the type float"),
        "{error}"
    );
}

#[test]
fn paths_that_do_not_agree_are_refused() {
    let scene = Scene::new();
    for (files, says) in [
        (
            ["y=1/a.csv", "z=1/a.csv"],
            "z=1/a.csv: its partitions are z, and those of y=1/a.csv y",
        ),
        (["y=1/a.csv", "y/a.csv"], "y/a.csv: its partitions are none"),
        (
            ["y=1/y=2/a.csv", "y=1/y=3/a.csv"],
            "y=1/y=2/a.csv: it names 'y' twice",
        ),
        (
            ["a=1/a.csv", "a=2/a.csv"],
            "a=1/a.csv: the file has a column 'a', too",
        ),
        (["y=%ff/a.csv", "y=1/a.csv"], "'%ff' is not UTF-8"),
    ] {
        let error = scene.csv(&files.map(|name| (name, "a\n1\n"))).unwrap_err();
        assert!(error.contains(says), "{error}");
    }
    let types: &[(&[&str], LogicalType)] = &[
        (&["1", "-7", "00"], LogicalType::Integer),
        (&["1", "x"], LogicalType::String),
        (&["2024-02-30"], LogicalType::String),
        (&["99999999999999999999"], LogicalType::String),
        (&["__HIVE_DEFAULT_PARTITION__"], LogicalType::String),
        (&["+1"], LogicalType::String),
    ];
    for (values, expect) in types {
        let names: Vec<_> = values
            .iter()
            .map(|value| format!("p={value}/a.csv"))
            .collect();
        let files: Vec<_> = names.iter().map(|name| (name.as_str(), "a\n1\n")).collect();
        let read = scene.csv(&files).unwrap();
        assert_eq!(read.schema.columns()[1].logical_type, *expect, "{values:?}");
    }
}

#[test]
fn arrays_follow_one_another() {
    let npy = |shape: &str, values: &[f64]| {
        let mut header = format!("{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}");
        while (10 + header.len() + 1) % 64 != 0 {
            header.push(' ');
        }
        header.push('\n');
        let mut bytes = b"\x93NUMPY\x01\0".to_vec();
        bytes.extend((header.len() as u16).to_le_bytes());
        bytes.extend(header.as_bytes());
        bytes.extend(values.iter().flat_map(|value| value.to_le_bytes()));
        bytes
    };
    let scene = Scene::new();
    let options = SnapshotOptions::default();
    let (first, second) = (npy("(2, 2)", &[1., 2., 3., 4.]), npy("(1, 2)", &[5., 6.]));
    let whole = npy("(3, 2)", &[1., 2., 3., 4., 5., 6.]);
    let one = scene
        .read(&[("x.npy", &whole)], &FileFormat::Numpy, &options)
        .unwrap();
    let files: [(&str, &[u8]); 2] = [("1.npy", &first), ("2.npy", &second)];
    let many = scene.read(&files, &FileFormat::Numpy, &options).unwrap();
    assert_eq!(many.stored, one.stored);
    let other = npy("(2,)", &[1., 2.]);
    let files: [(&str, &[u8]); 2] = [("1.npy", &first), ("2.npy", &other)];
    let error = scene
        .read(&files, &FileFormat::Numpy, &options)
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("2.npy: it lacks the column 'x0', unlike "),
        "{error}"
    );
}

#[test]
fn there_is_a_file() {
    let scene = Scene::new();
    assert!(scene.csv(&[]).is_err());
}
