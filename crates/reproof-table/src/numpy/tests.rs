//! Files that NumPy wrote, as tables.

use std::io::{Cursor, Write};
use std::path::PathBuf;

use proptest::prelude::*;
use reproof_store::Store;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::*;
use crate::storage::tests::scratch;
use crate::{ColumnData, CsvOptions, FileFormat, Snapshot, read_table, snapshot_file};

/// An array as NumPy writes it.
fn npy(descr: &str, fortran: bool, shape: &str, data: &[u8]) -> Vec<u8> {
    let fortran = if fortran { "True" } else { "False" };
    let mut header =
        format!("{{'descr': {descr}, 'fortran_order': {fortran}, 'shape': {shape}, }}");
    while (10 + header.len() + 1) % 64 != 0 {
        header.push(' ');
    }
    header.push('\n');
    let mut bytes = b"\x93NUMPY\x01\0".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend(data);
    bytes
}

fn npz(arrays: &[(&str, Vec<u8>)], method: CompressionMethod) -> Vec<u8> {
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in arrays {
        let options = SimpleFileOptions::default().compression_method(method);
        archive.start_file(*name, options).unwrap();
        archive.write_all(bytes).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

struct Given {
    _folder: tempfile::TempDir,
    store: Store,
    path: PathBuf,
}

#[allow(clippy::disallowed_methods)]
fn given(bytes: &[u8]) -> Given {
    let (folder, store) = scratch();
    let path = folder.path().join("a.npy");
    std::fs::write(&path, bytes).unwrap();
    Given {
        _folder: folder,
        store,
        path,
    }
}

fn read_as(given: &Given, format: &FileFormat) -> Result<Snapshot, TableError> {
    let mut batch = given.store.batch();
    let plan = SnapshotOptions::default();
    let snapshot = snapshot_file(&given.store, &mut batch, &given.path, format, &plan)?;
    batch.commit().unwrap();
    Ok(snapshot)
}

fn read(bytes: &[u8]) -> Result<(Vec<(String, ColumnData)>, Snapshot), String> {
    let given = given(bytes);
    let snapshot = read_as(&given, &FileFormat::Numpy).map_err(|error| error.to_string())?;
    let table = read_table(&given.store, &snapshot.stored.artifact.digest, None).unwrap();
    let names = snapshot
        .schema
        .columns()
        .iter()
        .map(|column| column.name.clone());
    Ok((names.zip(table.columns().to_vec()).collect(), snapshot))
}

fn bytes_of<const N: usize, T: Copy>(values: &[T], bytes: fn(T) -> [u8; N]) -> Vec<u8> {
    values.iter().flat_map(|value| bytes(*value)).collect()
}

#[test]
fn both_orders_and_both_ends_are_the_same_table() {
    let rows = bytes_of(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], f64::to_le_bytes);
    let columns = bytes_of(&[1.0, 3.0, 5.0, 2.0, 4.0, 6.0], f64::to_be_bytes);
    let narrow = bytes_of(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], f32::to_le_bytes);
    let (table, one) = read(&npy("'<f8'", false, "(3, 2)", &rows)).unwrap();
    let expect = [
        ("x0".to_owned(), ColumnData::Float(vec![1.0, 3.0, 5.0])),
        ("x1".to_owned(), ColumnData::Float(vec![2.0, 4.0, 6.0])),
    ];
    assert_eq!(table, expect);
    for other in [
        npy("'>f8'", true, "(3, 2)", &columns),
        npy("'<f4'", false, "(3, 2)", &narrow),
    ] {
        let (_, other) = read(&other).unwrap();
        assert_eq!(other.stored.artifact, one.stored.artifact);
        assert_ne!(other.digests, one.digests);
    }
    let csv = given(b"x0,x1\n1.0,2.0\n3.0,4.0\n5.0,6.0\n");
    let csv = read_as(&csv, &FileFormat::Csv(CsvOptions::default())).unwrap();
    assert_eq!(csv.stored.artifact, one.stored.artifact);
}

#[test]
fn every_type_is_read() {
    let text = |of: &str| {
        of.chars()
            .flat_map(|c| (c as u32).to_le_bytes())
            .collect::<Vec<_>>()
    };
    let integer =
        |values: &[i64]| ColumnData::Integer(values.iter().map(|value| Some(*value)).collect());
    let moment = |value: i64| value.to_le_bytes().to_vec();
    for (descr, data, expect) in [
        ("'|i1'", vec![0xff], integer(&[-1])),
        ("'|u1'", vec![0xff], integer(&[255])),
        ("'>i2'", vec![0xff, 0xfe], integer(&[-2])),
        ("'<u4'", vec![0xff; 4], integer(&[4_294_967_295])),
        ("'<f2'", vec![0, 0x3c], ColumnData::Float(vec![1.0])),
        ("'|b1'", vec![1], ColumnData::Boolean(vec![Some(true)])),
    ] {
        let (table, _) = read(&npy(descr, false, "(1,)", &data)).unwrap();
        assert_eq!(table, [("x".to_owned(), expect)], "{descr}");
    }
    for (descr, data, expect) in [
        (
            "'<U3'",
            [text("é"), vec![0; 8]].concat(),
            "string, 0 missing",
        ),
        ("'|S3'", b"ab\0".to_vec(), "string, 0 missing"),
        ("'<M8[D]'", moment(19_782), "date, 0 missing"),
        ("'<M8[ns]'", moment(1_000_000), "timestamp_naive, 0 missing"),
        ("'<M8[us]'", moment(i64::MIN), "timestamp_naive, 1 missing"),
        ("'<f8'", f64::NAN.to_le_bytes().to_vec(), "float, 1 missing"),
    ] {
        let (_, snapshot) = read(&npy(descr, false, "(1,)", &data)).unwrap();
        let of = snapshot.schema.columns()[0].logical_type;
        assert_eq!(
            format!("{of}, {} missing", snapshot.missing[0]),
            expect,
            "{descr}"
        );
    }
    let fields = "[('id', '<i4'), ('w', '<f4')]";
    let (table, _) = read(&npy(fields, false, "(1,)", &[7, 0, 0, 0, 0, 0, 0, 0x40])).unwrap();
    let expect = [
        ("id".to_owned(), integer(&[7])),
        ("w".to_owned(), ColumnData::Float(vec![2.0])),
    ];
    assert_eq!(table, expect);
}

#[test]
fn the_arrays_of_an_archive_are_one_table() {
    let x = npy(
        "'<f8'",
        false,
        "(2, 2)",
        &bytes_of(&[1.0, 2.0, 3.0, 4.0], f64::to_le_bytes),
    );
    let y = npy("'<i8'", false, "(2,)", &bytes_of(&[0, 1], i64::to_le_bytes));
    let arrays = [("X.npy", x), ("y.npy", y.clone())];
    let (stored, one) = read(&npz(&arrays, CompressionMethod::Stored)).unwrap();
    let (packed, other) = read(&npz(&arrays, CompressionMethod::Deflated)).unwrap();
    assert_eq!(stored, packed);
    assert_eq!(one.stored.artifact, other.stored.artifact);
    let names: Vec<_> = stored.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["X0", "X1", "y"]);
    let short = npy("'<i8'", false, "(1,)", &[0; 8]);
    for (arrays, expect) in [
        (
            vec![("a.npy", y.clone()), ("b.npy", short)],
            "'a' has 2 rows, 'b' has 1",
        ),
        (
            vec![("a.npy", y.clone()), ("b.txt", vec![])],
            "'b.txt' is no array",
        ),
        (vec![], "have 0 columns"),
    ] {
        let error = read(&npz(&arrays, CompressionMethod::Stored)).unwrap_err();
        assert!(error.contains(expect), "{error}");
    }
}

#[test]
fn a_wide_array_is_read_in_parts() {
    let width = COLUMNS_AT_ONCE + 3;
    let values: Vec<i64> = (0..2 * width as i64).collect();
    let data = bytes_of(&values, i64::to_le_bytes);
    let (table, _) = read(&npy("'<i8'", false, &format!("(2, {width})"), &data)).unwrap();
    assert_eq!(table.len(), width);
    for (index, (_, column)) in table.iter().enumerate() {
        let expect = [index, index + width].map(|value| Some(value as i64));
        assert_eq!(*column, ColumnData::Integer(expect.to_vec()));
    }
}

#[test]
fn what_is_no_table_is_refused_by_name() {
    for (bytes, expect) in [
        (
            npy("'<f8'", false, "(1, 2, 3)", &[0; 48]),
            "the shape [1, 2, 3]: a table has rows",
        ),
        (npy("'<f8'", false, "()", &[0; 8]), "it is a single value"),
        (
            npy("'<f8'", false, "(2,)", &[0; 8]),
            "it ends before its last row",
        ),
        (
            npy("'<f8'", false, "(99999999999999, 2)", &[0; 8]),
            "it ends before its last row",
        ),
        (
            npy("'<f8'", true, "(99999999999999, 2)", &[0; 8]),
            "it ends before its last row",
        ),
        (
            npy("'<f8'", false, "(1, 99999999)", &[0; 8]),
            "more columns than",
        ),
        (
            npy("'|O'", false, "(1,)", &[0; 8]),
            "pickled objects, which are never read",
        ),
        (
            npy("'<u8'", false, "(1,)", &[0xff; 8]),
            "column 'x', row 1: 18446744073709551615",
        ),
        (npy("'|S1'", false, "(1,)", &[0xff]), "not UTF-8"),
        (b"a,b\n1,2\n".to_vec(), "does not begin like one"),
        (b"PK\x03\x04nonsense".to_vec(), "archive of NumPy arrays"),
    ] {
        let error = read(&bytes).unwrap_err();
        assert!(error.contains(expect), "{expect}: {error}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Any change of a byte is read or refused.
    #[test]
    fn damaged_files_are_read_or_refused(place in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let array = npy("'<f8'", false, "(2, 2)", &[0; 32]);
        let archive = npz(&[("a.npy", array.clone())], CompressionMethod::Deflated);
        for mut bytes in [array, archive] {
            let place = place.index(bytes.len());
            bytes[place] = byte;
            let _ = read(&bytes);
        }
    }
}
