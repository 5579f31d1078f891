#![allow(clippy::disallowed_methods)] // The files that tests read are written plainly.

use std::sync::Arc;

use arrow_array::types::Int8Type;
use arrow_array::{
    ArrayRef, DictionaryArray, Float64Array, Int64Array, ListArray, NullArray, StringArray,
    Time32SecondArray, TimestampNanosecondArray, UInt64Array,
};
use arrow_ipc::CompressionType;
use arrow_ipc::writer::{FileWriter, IpcWriteOptions, StreamWriter};
use proptest::prelude::*;
use reproof_record::{Digest, LogicalType};

use super::*;
use crate::csv::COLUMNS_AT_ONCE;
use crate::storage::tests::scratch;
use crate::{ColumnData, FileFormat, SnapshotOptions, file_schema, read_table, snapshot_file};

fn batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    RecordBatch::try_from_iter(columns).unwrap()
}

fn file(batches: &[RecordBatch], compression: Option<CompressionType>) -> Vec<u8> {
    let options = IpcWriteOptions::default();
    let options = options.try_with_compression(compression).unwrap();
    let schema = batches[0].schema();
    let mut out = Vec::new();
    let mut writer = FileWriter::try_new_with_options(&mut out, &schema, options).unwrap();
    for batch in batches {
        writer.write(batch).unwrap();
    }
    writer.finish().unwrap();
    drop(writer);
    out
}

fn stream(batches: &[RecordBatch]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut writer = StreamWriter::try_new(&mut out, &batches[0].schema()).unwrap();
    for batch in batches {
        writer.write(batch).unwrap();
    }
    writer.finish().unwrap();
    drop(writer);
    out
}

/// The table and its identity, or the error without the path.
fn read(
    bytes: &[u8],
    options: &SnapshotOptions,
) -> Result<(Vec<(String, ColumnData)>, Digest), String> {
    let (folder, store) = scratch();
    let path = folder.path().join("data.arrow");
    std::fs::write(&path, bytes).unwrap();
    let mut batch = store.batch();
    let taken = snapshot_file(&store, &mut batch, &path, &FileFormat::Arrow, options)
        .map_err(|error| error.to_string().replace(path.to_str().unwrap(), ""))?;
    assert_eq!(
        file_schema(store.io().as_ref(), &path, &FileFormat::Arrow).unwrap(),
        taken.schema
    );
    batch.commit().unwrap();
    let digest = taken.stored.artifact.digest;
    let table = read_table(&store, &digest, None).unwrap();
    let columns = table.schema().columns().iter().zip(table.columns());
    let columns = columns.map(|(column, data)| (column.name.clone(), data.clone()));
    Ok((columns.collect(), digest))
}

fn plain(bytes: &[u8]) -> Result<(Vec<(String, ColumnData)>, Digest), String> {
    read(bytes, &SnapshotOptions::default())
}

fn two() -> [RecordBatch; 2] {
    [(0_i64, 3), (3, 5)].map(|(begin, end)| {
        let numbers = (begin..end).map(|n| (n != 1).then_some(n));
        let numbers: Int64Array = numbers.collect();
        let keys = (begin..end).map(|n| (n != 2).then_some(["a", "b"][n as usize % 2]));
        let kinds: DictionaryArray<Int8Type> = keys.collect();
        batch(vec![
            ("n", Arc::new(numbers) as ArrayRef),
            ("kind", Arc::new(kinds)),
        ])
    })
}

#[test]
fn files_streams_and_compressions_are_the_same_table() {
    let batches = two();
    let (table, digest) = plain(&stream(&batches)).unwrap();
    assert_eq!(
        table[0].1,
        ColumnData::Integer(vec![Some(0), None, Some(2), Some(3), Some(4)])
    );
    let ColumnData::String(kinds) = &table[1].1 else {
        panic!("{:?}", table[1].1)
    };
    let kinds: Vec<_> = (0..5).map(|row| kinds.get(row)).collect();
    assert_eq!(kinds, [Some("a"), Some("b"), None, Some("b"), Some("a")]);
    // A file has one dictionary for all batches.
    let one = one_batch();
    for bytes in [
        file(&one, None),
        file(&one, Some(CompressionType::LZ4_FRAME)),
        file(&one, Some(CompressionType::ZSTD)),
        stream(&one),
    ] {
        assert_eq!(plain(&bytes).unwrap().1, digest);
    }
    // A stream that just ends is whole.
    let mut open = stream(&batches);
    open.truncate(open.len() - END.len());
    assert_eq!(plain(&open).unwrap().1, digest);
}

/// All rows in one batch.
fn one_batch() -> [RecordBatch; 1] {
    let numbers = (0..5).map(|n| (n != 1).then_some(n));
    let numbers: Int64Array = numbers.collect();
    let keys = (0..5).map(|n| (n != 2).then_some(["a", "b"][n as usize % 2]));
    let kinds: DictionaryArray<Int8Type> = keys.collect();
    [batch(vec![
        ("n", Arc::new(numbers) as ArrayRef),
        ("kind", Arc::new(kinds)),
    ])]
}

#[test]
fn a_dictionary_may_be_empty_and_a_file_without_rows() {
    let none: DictionaryArray<Int8Type> = [None::<&str>, None].into_iter().collect();
    let (table, _) = plain(&file(&[batch(vec![("k", Arc::new(none))])], None)).unwrap();
    let ColumnData::String(values) = &table[0].1 else {
        panic!("{:?}", table[0].1)
    };
    assert_eq!((values.get(0), values.get(1)), (None, None));
    let rows = batch(vec![("x", Arc::new(Float64Array::from(Vec::<f64>::new())))]);
    let (table, _) = plain(&file(&[rows], None)).unwrap();
    assert_eq!(table[0].1, ColumnData::Float(vec![]));
}

#[test]
fn a_wide_file_is_read_in_parts() {
    let width = COLUMNS_AT_ONCE + 3;
    let names: Vec<_> = (0..width).map(|index| format!("c{index}")).collect();
    let columns = names.iter().enumerate().map(|(index, name)| {
        let values = Int64Array::from(vec![index as i64]);
        (name.as_str(), Arc::new(values) as ArrayRef)
    });
    let (table, _) = plain(&file(&[batch(columns.collect())], None)).unwrap();
    assert_eq!(table.len(), width);
    for (index, (_, column)) in table.iter().enumerate() {
        assert_eq!(*column, ColumnData::Integer(vec![Some(index as i64)]));
    }
}

#[test]
fn what_a_table_cannot_hold_is_refused_by_name() {
    let lists =
        ListArray::from_iter_primitive::<arrow_array::types::Int32Type, _, _>([Some([Some(1)])]);
    let cases: Vec<(ArrayRef, &str)> = vec![
        (Arc::new(lists), "column 'c' is nested (a list)"),
        (
            Arc::new(NullArray::new(1)),
            "column 'c' is of the Arrow type Null, which is not supported: a column without a type",
        ),
        (
            Arc::new(Time32SecondArray::from(vec![1])),
            "a time of day: write the column as an integer or as text",
        ),
        (
            Arc::new(UInt64Array::from(vec![1, u64::MAX])),
            "column 'c', row 2: 18446744073709551615 does not fit a signed integer",
        ),
        (
            Arc::new(TimestampNanosecondArray::from(vec![1001])),
            "column 'c', row 1: 1001 ns since 1970 is no whole number of microseconds",
        ),
    ];
    for (array, expect) in cases {
        let error = plain(&file(&[batch(vec![("c", array)])], None)).unwrap_err();
        assert!(error.contains(expect), "{error}");
    }
}

#[test]
fn declared_types_must_be_those_of_the_file() {
    let texts = StringArray::from(vec!["a"]);
    let bytes = file(&[batch(vec![("c", Arc::new(texts))])], None);
    let declared = |name: &str, of| SnapshotOptions {
        declared: [(name.to_owned(), of)].into(),
        ..SnapshotOptions::default()
    };
    let error = read(&bytes, &declared("c", LogicalType::Integer)).unwrap_err();
    assert!(
        error.contains("declared as integer, and the file holds string"),
        "{error}"
    );
    let error = read(&bytes, &declared("d", LogicalType::String)).unwrap_err();
    assert!(error.contains("does not have"), "{error}");
    read(&bytes, &declared("c", LogicalType::String)).unwrap();
}

#[test]
fn what_is_no_arrow_file_says_so() {
    let whole = file(&one_batch(), None);
    for bytes in [
        &b""[..],
        b"ARROW1",
        b"a,b\n1,2\n",
        &whole[..whole.len() / 2],
        &whole[..whole.len() - 1],
    ] {
        let error = plain(bytes).unwrap_err();
        assert!(error.contains("cannot be read as Arrow"), "{error}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn damaged_files_are_refused_or_read(place in 0.0..1.0_f64, mask in 1_u8.., kind in 0..3) {
        let batches = one_batch();
        let mut bytes = match kind {
            0 => file(&batches, None),
            1 => file(&batches, Some(CompressionType::LZ4_FRAME)),
            _ => stream(&two()),
        };
        let place = (place * bytes.len() as f64) as usize;
        bytes[place] ^= mask;
        let _ = plain(&bytes);
    }
}
