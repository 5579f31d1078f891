//! Files that NumPy 2 and Arrow (pyarrow 22) wrote.

#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use reproof_record::{DecimalType, LogicalType};
use reproof_store::Store;
use reproof_store::fs::RealIo;
use reproof_table::{CsvOptions, FileFormat, Snapshot, SnapshotOptions, snapshot_file};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(name)
}

fn read(path: &Path, format: &FileFormat, options: &SnapshotOptions) -> Snapshot {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), Arc::new(RealIo)).unwrap();
    let mut batch = store.batch();
    snapshot_file(&store, &mut batch, path, format, options).unwrap()
}

/// The file is the table that this text is as CSV, with these types.
fn same(name: &str, csv: &str, types: &[(&str, LogicalType)]) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.csv");
    std::fs::write(&path, csv).unwrap();
    let null_tokens = vec![if types.is_empty() { "" } else { "NULL" }.to_owned()];
    let format = FileFormat::Csv(CsvOptions {
        null_tokens,
        ..CsvOptions::default()
    });
    let types = types.iter().map(|(name, of)| ((*name).to_owned(), *of));
    let options = SnapshotOptions {
        declared: types.collect(),
        ..SnapshotOptions::default()
    };
    let expect = read(&path, &format, &options);
    let format = FileFormat::of_name(Path::new(name)).unwrap();
    let found = read(&fixture(name), &format, &options);
    assert_eq!(found.schema, expect.schema, "{name}");
    assert_eq!(found.missing, expect.missing, "{name}");
    assert_eq!(found.stored.artifact, expect.stored.artifact, "{name}");
}

#[test]
fn arrays_are_tables() {
    same("fortran.npy", "x0,x1\n0.0,1.0\n2.0,3.0\n4.0,5.0\n", &[]);
    same(
        "arrays.npz",
        "X0,X1,y\n0.0,1.0,true\n2.0,3.0,false\n4.0,5.0,true\n",
        &[],
    );
    same(
        "structured.npy",
        "id,w,name,day\n1,2.5,é,2024-02-29\n-2,,ab,\n",
        &[],
    );
}

#[test]
fn every_type_of_arrow_is_the_one_of_a_table() {
    let csv = "id,n,w,ok,name,kind,price,day,at,seen\n\
        1,1,1.5,true,é,b,1.50,2024-02-29,1970-01-01T00:00:00,1970-01-01T00:00:00Z\n\
        2,NULL,NULL,NULL,,a,-2.25,NULL,NULL,NULL\n\
        3,3,0.0,false,NULL,b,NULL,1969-12-31,1970-01-01T00:00:01.5,1970-01-01T00:00:01.5Z\n\
        4,4,NULL,true,\"a,b\",NULL,0.00,0001-01-01,1969-12-31T23:59:59,1969-12-31T23:59:59Z\n\
        5,1099511627776,2.25,false,x,a,99.99,9999-12-31,1970-01-02T00:00:00,1970-01-02T00:00:00Z\n";
    let types = [
        ("id", LogicalType::Integer),
        ("n", LogicalType::Integer),
        ("w", LogicalType::Float),
        ("ok", LogicalType::Boolean),
        ("name", LogicalType::String),
        ("kind", LogicalType::String),
        (
            "price",
            LogicalType::Decimal(DecimalType::new(4, 2).unwrap()),
        ),
        ("day", LogicalType::Date),
        ("at", LogicalType::TimestampNaive),
        ("seen", LogicalType::TimestampUtc),
    ];
    for name in ["lz4.feather", "zstd.feather", "plain.arrows"] {
        same(name, csv, &types);
    }
}
