//! Files that NumPy 2 wrote.

#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use reproof_store::Store;
use reproof_store::fs::RealIo;
use reproof_table::{CsvOptions, FileFormat, Snapshot, SnapshotOptions, snapshot_file};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(name)
}

fn read(path: &Path, format: &FileFormat) -> Snapshot {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), Arc::new(RealIo)).unwrap();
    let mut batch = store.batch();
    snapshot_file(
        &store,
        &mut batch,
        path,
        format,
        &SnapshotOptions::default(),
    )
    .unwrap()
}

/// The file of NumPy is the table that this text is as CSV.
fn same(name: &str, csv: &str) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.csv");
    std::fs::write(&path, csv).unwrap();
    let expect = read(&path, &FileFormat::Csv(CsvOptions::default()));
    let found = read(&fixture(name), &FileFormat::Numpy);
    assert_eq!(found.schema, expect.schema, "{name}");
    assert_eq!(found.missing, expect.missing, "{name}");
    assert_eq!(found.stored.artifact, expect.stored.artifact, "{name}");
}

#[test]
fn arrays_are_tables() {
    same("fortran.npy", "x0,x1\n0.0,1.0\n2.0,3.0\n4.0,5.0\n");
    same(
        "arrays.npz",
        "X0,X1,y\n0.0,1.0,true\n2.0,3.0,false\n4.0,5.0,true\n",
    );
    same(
        "structured.npy",
        "id,w,name,day\n1,2.5,é,2024-02-29\n-2,,ab,\n",
    );
}
