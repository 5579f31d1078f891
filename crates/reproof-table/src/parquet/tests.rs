#![allow(clippy::disallowed_methods)] // The files that tests read are written plainly.

use std::path::PathBuf;
use std::sync::Arc;

use parquet::basic::{Compression, Encoding};
use parquet::data_type::{
    BoolType, ByteArray, ByteArrayType, DataType, FixedLenByteArray, FixedLenByteArrayType,
    FloatType, Int32Type, Int64Type, Int96, Int96Type,
};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use proptest::prelude::*;
use reproof_record::{DecimalType, LogicalType};
use reproof_store::Store;

use super::*;
use crate::storage::tests::scratch;
use crate::table::tests::{table, tables};
use crate::{
    ColumnData, FileFormat, Snapshot, SnapshotOptions, StatisticsLevel, Table, TimeType,
    read_statistics, read_table, snapshot_file, write_table,
};

struct Scene {
    _folder: tempfile::TempDir,
    store: Store,
    path: PathBuf,
}

impl Scene {
    fn new(content: &[u8]) -> Self {
        let (folder, store) = scratch();
        let path = folder.path().join("data.parquet");
        std::fs::write(&path, content).unwrap();
        Self {
            _folder: folder,
            store,
            path,
        }
    }

    fn snapshot(&self, options: &SnapshotOptions) -> Result<Snapshot, TableError> {
        let mut batch = self.store.batch();
        let taken = snapshot_file(
            &self.store,
            &mut batch,
            &self.path,
            &FileFormat::Parquet,
            options,
        )?;
        batch.commit()?;
        Ok(taken)
    }

    fn table(&self) -> Table {
        let taken = self.snapshot(&SnapshotOptions::default()).unwrap();
        read_table(&self.store, &taken.stored.artifact.digest, None).unwrap()
    }

    /// The error, without the path.
    fn error(&self) -> String {
        let error = self
            .snapshot(&SnapshotOptions::default())
            .unwrap_err()
            .to_string();
        error.replace(self.path.to_str().unwrap(), "")
    }
}

fn file(table: &Table) -> Vec<u8> {
    let mut bytes = Vec::new();
    write_parquet(&mut bytes, table).unwrap();
    bytes
}

/// A file of one column; values that are not there are missing.
fn column<T: DataType>(field: &str, values: &[T::T], levels: Option<&[i16]>) -> Vec<u8> {
    column_with::<T>(field, values, levels, WriterProperties::builder().build())
}

fn column_with<T: DataType>(
    field: &str,
    values: &[T::T],
    levels: Option<&[i16]>,
    properties: WriterProperties,
) -> Vec<u8> {
    let schema = parse_message_type(&format!("message m {{ {field} }}")).unwrap();
    let mut bytes = Vec::new();
    let mut writer =
        SerializedFileWriter::new(&mut bytes, Arc::new(schema), Arc::new(properties)).unwrap();
    let mut group = writer.next_row_group().unwrap();
    let mut column = group.next_column().unwrap().unwrap();
    let repetitions = levels.filter(|_| field.contains("repeated") || field.contains("group"));
    let zeros = repetitions.map(|levels| vec![0; levels.len()]);
    column
        .typed::<T>()
        .write_batch(values, levels, zeros.as_deref())
        .unwrap();
    column.close().unwrap();
    group.close().unwrap();
    writer.close().unwrap();
    bytes
}

fn read(bytes: &[u8]) -> ColumnData {
    Scene::new(bytes).table().columns()[0].clone()
}

fn error(bytes: &[u8]) -> String {
    Scene::new(bytes).error()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// From Parquet as from memory, and so as from CSV, whose tests compare with the same.
    #[test]
    fn a_table_keeps_its_identity_through_parquet(whole in tables()) {
        let scene = Scene::new(&file(&whole));
        let options = SnapshotOptions::default();
        let taken = scene.snapshot(&options).unwrap();
        prop_assert_eq!(&scene.table(), &whole);
        let mut batch = scene.store.batch();
        let written = write_table(&mut batch, &whole).unwrap();
        prop_assert_eq!(written.artifact, taken.stored.artifact);
        let missing: Vec<_> = whole.columns().iter().map(ColumnData::missing).collect();
        prop_assert_eq!(&taken.missing, &missing);
        let statistics = read_statistics(&scene.store, &taken.stored.manifest).unwrap().unwrap();
        let again = crate::table_statistics(
            &scene.store, &taken.stored.artifact.digest, options.statistics, crate::Threads::ONE,
        ).unwrap();
        prop_assert_eq!(statistics, again);
    }

    /// Damaged files are refused, and never a panic that leaves the library.
    #[test]
    fn damaged_files_are_refused_or_read(place in 0.0..1.0_f64, mask in 1_u8..) {
        let whole = table(vec![
            ("a", ColumnData::Integer((0..50).map(Some).collect())),
            ("b", ColumnData::String((0..50).map(|row| Some(format!("x{}", row % 7))).collect())),
        ]);
        let mut bytes = file(&whole);
        let index = (bytes.len() as f64 * place) as usize;
        bytes[index] ^= mask;
        let _ = Scene::new(&bytes).snapshot(&SnapshotOptions::default());
        let _ = Scene::new(&bytes[..index]).snapshot(&SnapshotOptions::default());
    }
}

#[test]
fn the_same_table_from_csv_and_parquet_is_the_same_version() {
    let csv = "flag,count,size,name,day,moment,clock\n\
               true,1,0.5,\"a, b\",2024-02-29,2024-02-29T10:00:00+02:00,2024-02-29 10:00:00\n\
               false,-7,1e3,é,1970-01-01,1969-12-31T23:59:59.999999Z,2024-02-29T10:00:00.25\n\
               ,,,,,,\n";
    let scene = Scene::new(csv.as_bytes());
    let mut batch = scene.store.batch();
    let options = crate::CsvOptions::default();
    let from_csv =
        crate::snapshot_csv(&scene.store, &mut batch, &scene.path, &options, None).unwrap();
    batch.commit().unwrap();
    let whole = read_table(&scene.store, &from_csv.stored.artifact.digest, None).unwrap();
    let from_parquet = Scene::new(&file(&whole))
        .snapshot(&SnapshotOptions::default())
        .unwrap();
    assert_eq!(from_parquet.stored.artifact, from_csv.stored.artifact);
    assert_eq!(from_parquet.schema, from_csv.schema);
    assert_ne!(from_parquet.digests, from_csv.digests);
}

#[test]
fn narrower_types_are_widened() {
    let integers = ColumnData::Integer(vec![Some(-5), Some(100)]);
    for field in [
        "required int32 a (INT_8);",
        "required int32 a (INTEGER(16,true));",
        "required int32 a;",
    ] {
        assert_eq!(
            read(&column::<Int32Type>(field, &[-5, 100], None)),
            integers
        );
    }
    let unsigned = column::<Int32Type>("required int32 a (UINT_32);", &[-1], None);
    assert_eq!(
        read(&unsigned),
        ColumnData::Integer(vec![Some(4_294_967_295)])
    );
    let unsigned = column::<Int64Type>("required int64 a (UINT_64);", &[7], None);
    assert_eq!(read(&unsigned), ColumnData::Integer(vec![Some(7)]));
    let floats = column::<FloatType>(
        "optional float a;",
        &[0.1, f32::NAN, -0.0],
        Some(&[1, 0, 1, 1]),
    );
    let expect = vec![f64::from(0.1_f32), f64::NAN, f64::NAN, 0.0];
    assert_eq!(
        read(&floats),
        table(vec![("a", ColumnData::Float(expect))]).columns()[0]
    );
    let flags = column::<BoolType>("optional boolean a;", &[true], Some(&[0, 1]));
    assert_eq!(read(&flags), ColumnData::Boolean(vec![None, Some(true)]));
    let half = FixedLenByteArray::from(vec![0x00, 0x3c]);
    let halves = column::<FixedLenByteArrayType>(
        "required fixed_len_byte_array(2) a (FLOAT16);",
        &[half],
        None,
    );
    assert_eq!(read(&halves), ColumnData::Float(vec![1.0]));
}

#[test]
fn days_and_moments_of_any_unit() {
    let day = column::<Int32Type>("required int32 a (DATE);", &[19_782], None);
    assert_eq!(read(&day).text(0).unwrap(), "2024-02-29");
    let millis = column::<Int64Type>("required int64 a (TIMESTAMP_MILLIS);", &[1500], None);
    assert_eq!(
        read(&millis),
        ColumnData::Time(TimeType::Utc, vec![Some(1_500_000)])
    );
    let nanos =
        |value| column::<Int64Type>("required int64 a (TIMESTAMP(NANOS,false));", &[value], None);
    assert_eq!(
        read(&nanos(-2000)),
        ColumnData::Time(TimeType::Naive, vec![Some(-2)])
    );
    assert!(error(&nanos(1)).contains("column 'a', row 1: 1 ns since 1970 is no whole number"));
    let late = column::<Int32Type>("required int32 a (DATE);", &[0, 3_000_000], None);
    assert!(error(&late).contains("column 'a', row 2: 3000000 lies outside the years 1 to 9999"));
}

#[test]
fn decimals_of_any_physical_type() {
    let price = DecimalType::new(9, 2).unwrap();
    let expect = ColumnData::Decimal(price, vec![Some(-1250), Some(7)]);
    let narrow = column::<Int32Type>("required int32 a (DECIMAL(9,2));", &[-1250, 7], None);
    assert_eq!(read(&narrow), expect);
    let wide = column::<Int64Type>("required int64 a (DECIMAL(9,2));", &[-1250, 7], None);
    assert_eq!(read(&wide), expect);
    let fixed = [vec![0xff, 0xff, 0xfb, 0x1e], vec![0, 0, 0, 7]].map(FixedLenByteArray::from);
    let field = "required fixed_len_byte_array(4) a (DECIMAL(9,2));";
    assert_eq!(
        read(&column::<FixedLenByteArrayType>(field, &fixed, None)),
        expect
    );
    // As few bytes as a value takes, and more than 16.
    let mut long = vec![0xff; 18];
    long.extend([0xfb, 0x1e]);
    for bytes in [vec![0xfb, 0x1e], long] {
        let values = [ByteArray::from(bytes), ByteArray::from(vec![7])];
        let bytes = column::<ByteArrayType>("required binary a (DECIMAL(9,2));", &values, None);
        assert_eq!(read(&bytes), expect);
    }
    let nothing = column::<ByteArrayType>(
        "optional binary a (DECIMAL(9,2));",
        &[ByteArray::from(Vec::new())],
        Some(&[0, 1]),
    );
    assert_eq!(
        read(&nothing),
        ColumnData::Decimal(price, vec![None, Some(0)])
    );
    for bytes in [
        [vec![1], vec![0; 16]].concat(),
        [vec![0], vec![0x80; 16]].concat(),
    ] {
        let value = [ByteArray::from(bytes)];
        let large = column::<ByteArrayType>("required binary a (DECIMAL(9,2));", &value, None);
        assert!(error(&large).contains("column 'a', row 1: a value has more digits than the type"));
    }
}

#[test]
fn what_a_table_cannot_hold_is_refused_by_name() {
    let large = column::<Int64Type>("required int64 a (UINT_64);", &[0, -1], None);
    assert!(error(&large).contains("column 'a', row 2: 18446744073709551615 does not fit"));
    let bytes = column::<ByteArrayType>("required binary a;", &[ByteArray::from("x")], None);
    assert!(error(&bytes).contains("column 'a' is of the Parquet type BYTE_ARRAY"));
    let text = ByteArray::from(vec![255]);
    let text = column::<ByteArrayType>("required binary a (STRING);", &[text], None);
    assert!(error(&text).contains("column 'a', row 1: the text is not UTF-8"));
    let digits = column::<Int64Type>(
        "required int64 a (DECIMAL(9,2));",
        &[0, 1_000_000_000],
        None,
    );
    assert!(error(&digits).contains("column 'a', row 2: 1000000000 units of the last place have"));
    let wide = ByteArray::from(vec![1]);
    let wide = column::<ByteArrayType>("required binary a (DECIMAL(39,2));", &[wide], None);
    assert!(error(&wide).contains("column 'a' is of the Parquet type BYTE_ARRAY (DECIMAL)"));
    assert!(error(&wide).contains("a decimal has at most 38 digits"));
    let moment = column::<Int96Type>("required int96 a;", &[Int96::new()], None);
    assert!(error(&moment).contains("column 'a' is of the Parquet type INT96"));
    let list = column::<Int32Type>("repeated int32 a;", &[1], Some(&[1]));
    assert!(error(&list).contains("column 'a' is nested (a repeated value)"));
    let group = column::<Int32Type>("optional group a { optional int32 b; }", &[1], Some(&[2]));
    assert!(error(&group).contains("column 'a' is nested (a structure)"));
    assert!(error(b"a,b\n1,2\n").contains("the file cannot be read as Parquet"));
    assert!(error(b"").contains("the file cannot be read as Parquet"));
}

#[test]
fn compression_dictionaries_and_groups_do_not_matter() {
    let values: Vec<i64> = (0..30_000).map(|row| row * row % 97).collect();
    let expect = ColumnData::Integer(values.iter().copied().map(Some).collect());
    for compression in [
        Compression::UNCOMPRESSED,
        Compression::SNAPPY,
        Compression::GZIP(parquet::basic::GzipLevel::default()),
        Compression::ZSTD(parquet::basic::ZstdLevel::default()),
    ] {
        for dictionary in [true, false] {
            let properties = WriterProperties::builder()
                .set_compression(compression)
                .set_dictionary_enabled(dictionary)
                .set_data_page_row_count_limit(1000)
                .set_encoding(if dictionary {
                    Encoding::PLAIN
                } else {
                    Encoding::DELTA_BINARY_PACKED
                })
                .build();
            let bytes = column_with::<Int64Type>("required int64 a;", &values, None, properties);
            assert_eq!(read(&bytes), expect);
        }
    }
}

#[test]
fn declared_types_must_be_those_of_the_file() {
    let scene = Scene::new(&column::<Int32Type>("required int32 a;", &[1], None));
    let mut options = SnapshotOptions {
        statistics: StatisticsLevel::None,
        ..SnapshotOptions::default()
    };
    options
        .declared
        .insert("a".to_owned(), LogicalType::Integer);
    let taken = scene.snapshot(&options).unwrap();
    assert_eq!(
        read_statistics(&scene.store, &taken.stored.manifest).unwrap(),
        None
    );
    options.declared.insert("a".to_owned(), LogicalType::Float);
    let error = scene.snapshot(&options).unwrap_err().to_string();
    assert!(error.contains("column 'a' is declared as float, and the file holds integer"));
    options.declared.insert("b".to_owned(), LogicalType::Float);
    let error = scene.snapshot(&options).unwrap_err().to_string();
    assert!(error.contains("the schema declares the column 'b'"));
}
