#![allow(clippy::disallowed_methods)] // The files that tests read are written plainly.

//! Tests: decimals from files, in statistics, in splits and in preprocessing.

use proptest::prelude::*;
use reproof_record::{DecimalType, LogicalType};
use serde_json::{Value, json};

use crate::preprocess::{Exact, Fitted, fit};
use crate::statistics::{Collector, ColumnStatistics};
use crate::storage::tests::scratch;
use crate::table::tests::{decimal, table};
use crate::{
    ColumnData, CsvOptions, FileFormat, Snapshot, SnapshotOptions, SplitIndexed, SplitStratified,
    SplitTime, StatisticsLevel, Table, TableError, Threads, read_statistics, read_table,
    snapshot_file, table_statistics, write_parquet,
};

const PRICE: (u8, u8) = (6, 2);

fn price() -> DecimalType {
    decimal(PRICE.0, PRICE.1)
}

fn prices(values: &[i128]) -> ColumnData {
    ColumnData::Decimal(price(), values.iter().copied().map(Some).collect())
}

/// Reads a file with a declared column `price` into a store of its own.
fn read(
    content: &[u8],
    format: &FileFormat,
    declared: DecimalType,
) -> Result<(Snapshot, Table), TableError> {
    let (folder, store) = scratch();
    let path = folder.path().join("prices");
    std::fs::write(&path, content).unwrap();
    let mut options = SnapshotOptions::default();
    options
        .declared
        .insert("price".to_owned(), LogicalType::Decimal(declared));
    let mut batch = store.batch();
    let taken = snapshot_file(&store, &mut batch, &path, format, &options)?;
    batch.commit()?;
    let read = read_table(&store, &taken.stored.artifact.digest, None)?;
    let statistics = read_statistics(&store, &taken.stored.manifest)?.unwrap();
    let digest = &taken.stored.artifact.digest;
    let again = table_statistics(&store, digest, StatisticsLevel::Full, Threads::ONE)?;
    assert_eq!(statistics, again);
    Ok((taken, read))
}

fn from_csv(text: &str, declared: DecimalType) -> Result<(Snapshot, Table), TableError> {
    read(
        text.as_bytes(),
        &FileFormat::Csv(CsvOptions::default()),
        declared,
    )
}

fn from_parquet(whole: &Table, declared: DecimalType) -> Result<(Snapshot, Table), TableError> {
    let mut bytes = Vec::new();
    write_parquet(&mut bytes, whole).unwrap();
    read(&bytes, &FileFormat::Parquet, declared)
}

#[test]
fn a_csv_file_is_read_exactly() {
    let (_, read) = from_csv("id,price\n1,12.5\n2,NA\n3,-0.050\n4,1e3\n5,7\n", price()).unwrap();
    let expect = vec![Some(1250), None, Some(-5), Some(100_000), Some(700)];
    assert_eq!(
        read.column("price"),
        Some(&ColumnData::Decimal(price(), expect))
    );
    assert_eq!(
        read.column("price").unwrap().text(2).as_deref(),
        Some("-0.05")
    );
}

#[test]
fn a_value_that_does_not_fit_is_refused_by_its_line() {
    for (value, expect) in [
        (
            "0.005",
            ":3: column 'price' is decimal(6, 2), and 0.005 does not fit: it has more than 2 digits \
                   after the point; declare a wider decimal, or round the file",
        ),
        (
            "10000",
            ":3: column 'price' is decimal(6, 2), and 10000 does not fit: it has more than 4 digits \
                   before the point",
        ),
        (
            "cheap",
            ":3: column 'price' is declared as decimal(6, 2), and 'cheap' is of type string",
        ),
        (
            "007",
            ":3: column 'price' is declared as decimal(6, 2), and '007' is of type string",
        ),
    ] {
        let error = from_csv(&format!("price\n1.5\n{value}\n"), price()).unwrap_err();
        assert!(error.to_string().contains(expect), "{error}");
    }
}

#[test]
fn a_parquet_file_must_have_the_declared_digits() {
    let whole = table(vec![("price", prices(&[1, 2]))]);
    assert!(from_parquet(&whole, price()).is_ok());
    let error = from_parquet(&whole, decimal(6, 3)).unwrap_err().to_string();
    let expect = "column 'price' is declared as decimal(6, 3), and the file holds decimal(6, 2)";
    assert!(error.contains(expect), "{error}");
}

/// A type, and values of it.
fn any_prices() -> impl Strategy<Value = (DecimalType, Vec<Option<i128>>)> {
    (1_u8..=38, 0_u8..=38).prop_flat_map(|(precision, scale)| {
        let declared = decimal(precision, scale.min(precision));
        let end = 10_i128.pow(precision.into());
        let value = prop_oneof![any::<i128>(), any::<i32>().prop_map(i128::from)];
        let values =
            prop::collection::vec(prop::option::of(value.prop_map(move |v| v % end)), 0..30);
        (Just(declared), values)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn csv_and_parquet_come_to_one_version((declared, values) in any_prices()) {
        let whole = table(vec![("price", ColumnData::Decimal(declared, values))]);
        let data = &whole.columns()[0];
        let mut text = "price\n".to_owned();
        for row in 0..whole.rows() {
            text += &format!("{}\n", data.text(row).unwrap_or("NA".into()));
        }
        let (csv, read) = from_csv(&text, declared).unwrap();
        let (parquet, again) = from_parquet(&whole, declared).unwrap();
        prop_assert_eq!(&read, &whole);
        prop_assert_eq!(&again, &whole);
        prop_assert_eq!(csv.stored, parquet.stored);
        prop_assert_eq!(csv.schema, parquet.schema);
    }

    /// Statistics are exact, and the same for any partition of the rows.
    #[test]
    fn statistics_are_those_of_the_values(
        (declared, values) in any_prices(),
        cut in 0_usize..30,
    ) {
        let data = ColumnData::Decimal(declared, values.clone());
        let cut = cut.min(data.len());
        let mut merged = collect(&data, cut..data.len());
        merged.merge(&collect(&data, 0..cut));
        let column = merged.finish("price");
        prop_assert_eq!(&column, &describe(&data));
        let mut present: Vec<i128> = values.into_iter().flatten().collect();
        present.sort_unstable();
        let text = |value: Option<&i128>| value.map(|value| declared.text(*value));
        prop_assert_eq!(column.min, text(present.first()));
        prop_assert_eq!(column.max, text(present.last()));
        if let (Some(quantiles), Some(histogram)) = (column.quantiles, column.histogram) {
            let median = present[present.len().div_ceil(2) - 1];
            prop_assert_eq!(&quantiles.values[3].value, &declared.text(median));
            prop_assert_eq!(histogram.counts.iter().sum::<u64>(), column.count);
        }
        present.dedup();
        prop_assert_eq!(column.distinct.unwrap().count, present.len() as u64);
    }
}

fn collect(data: &ColumnData, rows: std::ops::Range<usize>) -> Collector {
    let level = StatisticsLevel::Full;
    let mut collector = Collector::new(data.logical_type(), level, rows.start as u64);
    let mut bytes = Vec::new();
    for row in rows {
        crate::encoding::put_value(&mut bytes, data, row).unwrap();
    }
    collector.observe(&bytes);
    collector
}

fn describe(data: &ColumnData) -> ColumnStatistics {
    collect(data, 0..data.len()).finish("price")
}

#[test]
fn known_statistics() {
    let column = describe(&prices(&[100, 200, 300, 400]));
    assert_eq!(column.mean, Some(Exact(2.5)));
    assert_eq!(
        column.standard_deviation,
        Some(Exact((50_000.0_f64 / 3.0).sqrt() / 100.0))
    );
    assert_eq!(column.min.as_deref(), Some("1.00"));
    assert_eq!(column.quantiles.unwrap().values[3].value, "2.00");
    // Beyond 64 bits, where the squares have 254.
    let most = 10_i128.pow(38) - 1;
    let widest = decimal(38, 0);
    let column = describe(&ColumnData::Decimal(
        widest,
        vec![Some(most), Some(-most), None],
    ));
    assert_eq!((column.mean, column.missing), (Some(Exact(0.0)), 1));
    let deviation = column.standard_deviation.unwrap().0;
    assert!(
        (deviation / (2.0_f64.sqrt() * 1e38) - 1.0).abs() < 1e-15,
        "{deviation}"
    );
    let mut parts = vec![0; 20];
    (parts[0], parts[19]) = (1, 1);
    assert_eq!(column.histogram.unwrap().counts, parts);
    let near = ColumnData::Decimal(widest, vec![Some(most), Some(most - 2)]);
    assert_eq!(
        describe(&near).standard_deviation,
        Some(Exact(2.0_f64.sqrt()))
    );
}

#[test]
fn many_values_are_estimated_with_their_error() {
    let values: Vec<i128> = (0..100_000).map(|row| row * 10_i128.pow(20)).collect();
    let data = ColumnData::Decimal(decimal(38, 2), values.into_iter().map(Some).collect());
    let column = describe(&data);
    let distinct = column.distinct.unwrap();
    assert!(!distinct.exact);
    assert!((distinct.count as f64 / 100_000.0 - 1.0).abs() < 0.03);
    let median = &column.quantiles.unwrap().values[3];
    let number = |text: &Option<String>| text.as_ref().unwrap().parse::<f64>().unwrap();
    let expect = 49_999.0 * 1e18;
    assert!(
        number(&median.low) <= expect && expect <= number(&median.high),
        "{median:?}"
    );
    assert_eq!(
        column.histogram.unwrap().counts.iter().sum::<u64>(),
        100_000
    );
}

fn parameters<T: serde::de::DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).unwrap()
}

fn rows(parts: &std::collections::BTreeMap<String, Table>, part: &str) -> String {
    let data = parts[part].column("price").unwrap();
    let texts: Vec<_> = (0..data.len()).map(|row| data.text(row).unwrap()).collect();
    texts.join(" ")
}

#[test]
fn splits_by_decimals() {
    let whole = table(vec![("price", prices(&[300, 100, 205, -50]))]);
    for boundary in [json!(2.05), json!("2.05")] {
        let split: SplitTime = parameters(json!({"by": "price", "boundaries": {"eval": boundary}}));
        let parts = split.split(&whole).unwrap();
        assert_eq!(
            [rows(&parts, "train"), rows(&parts, "eval")],
            ["1.00 -0.50", "3.00 2.05"]
        );
    }
    let split: SplitTime =
        parameters(json!({"by": "price", "ratios": {"train": 0.5, "eval": 0.5}}));
    assert_eq!(rows(&split.split(&whole).unwrap(), "eval"), "3.00 2.05");
    let split: SplitTime = parameters(json!({"by": "price", "boundaries": {"eval": 2.055}}));
    let error = split.split(&whole).unwrap_err().to_string();
    assert!(
        error.contains("is of type decimal(6, 2): a boundary must be one of its values"),
        "{error}"
    );
    let values = json!({"train": [3, "1.00"], "eval": [2.05, -0.5]});
    let split: SplitIndexed = parameters(json!({"by": "price", "values": values}));
    assert_eq!(rows(&split.split(&whole).unwrap(), "train"), "3.00 1.00");
    let split: SplitIndexed = parameters(json!({"by": "price", "values": {"train": [0.001]}}));
    let error = split.split(&whole).unwrap_err().to_string();
    assert!(
        error.contains("which does not hold a value that names a part"),
        "{error}"
    );
    let strata: Vec<i128> = (0..40).map(|row| row % 2 * 100).collect();
    let ids = ColumnData::Integer((0..40).map(Some).collect());
    let whole = table(vec![("price", prices(&strata)), ("id", ids)]);
    let ratios = json!({"train": 0.5, "eval": 0.5});
    let split: SplitStratified = parameters(json!({"by": "price", "ratios": ratios}));
    let parts = split.split(&whole, 42, Threads::ONE).unwrap();
    assert_eq!(rows(&parts, "train").matches("1.00").count(), 10);
}

/// What a chain makes of prices.
fn prepared(data: &ColumnData, chain: &Value) -> Result<String, TableError> {
    let whole = table(vec![("price", data.clone())]);
    let chains = parameters(json!({"price": chain}));
    let fitted: Fitted = fit(&whole, &chains, Threads::ONE)?;
    let stored = serde_json::to_string(&fitted).unwrap();
    let fitted: Fitted = serde_json::from_str(&stored).unwrap();
    let part = fitted.apply(&whole, Threads::ONE)?;
    let columns = part.schema().columns().iter().zip(part.columns());
    let texts = columns.map(|(column, data)| {
        let values = (0..data.len()).map(|row| data.text(row).unwrap_or("-".into()));
        format!("{}: {}", column.name, values.collect::<Vec<_>>().join(" "))
    });
    Ok(texts.collect::<Vec<_>>().join("; "))
}

#[test]
fn chains_take_decimals_as_numbers() {
    let data = ColumnData::Decimal(price(), vec![Some(10), None, Some(-1250), Some(100)]);
    for (chain, expect) in [
        (json!([]), "price: 0.1 - -12.5 1"),
        (json!([{"fill": "min"}]), "price: 0.1 -12.5 -12.5 1"),
        (
            json!([{"fill": {"constant": 0.3}}, {"clip": {"min": 0}}]),
            "price: 0.1 0.3 0 1",
        ),
        (
            json!([{"bucketize": {"edges": [0, 0.1]}}]),
            "price: 2 - 0 2",
        ),
        (json!([{"cast": "integer"}]), "price: 0 - -12 1"),
        (json!([{"cast": "float"}]), "price: 0.1 - -12.5 1"),
        (json!([{"cast": "decimal(4, 1)"}]), "price: 0.1 - -12.5 1"),
        (json!([{"cast": "decimal(4, 0)"}]), "price: 0 - -12 1"),
        (
            json!([{"cast": {"to": "boolean", "invalid": "missing"}}]),
            "price: 0 - - 1",
        ),
        (json!(["ordinal"]), "price: 1 - 0 2"),
        (
            json!([{"ordinal": {"order": [1, "0.10", -12.5]}}]),
            "price: 1 - 2 0",
        ),
        (
            json!([{"fill": {"constant": 1}}, "one_hot"]),
            "price=-12.50: 0 0 1 0; price=0.10: 1 0 0 0; price=1.00: 0 1 0 1",
        ),
        (
            json!([{"cast": "string"}, "one_hot"]),
            "price=-12.50: 0 0 1 0; price=0.10: 1 0 0 0; price=1.00: 0 0 0 1",
        ),
    ] {
        assert_eq!(prepared(&data, &chain).unwrap(), expect, "{chain}");
    }
    let order = json!([{"ordinal": {"order": [0.001]}}]);
    let error = prepared(&data, &order).unwrap_err().to_string();
    assert!(
        error.contains("does not hold a value of the given order"),
        "{error}"
    );
}

#[test]
fn other_types_are_cast_to_decimals() {
    let cast = json!([{"cast": {"to": "decimal(4, 2)", "invalid": "missing"}}]);
    let texts = [
        "1.005", " +007.5 ", "000", "-0e3", "100", "x", ".", "", "1.015",
    ];
    let texts = ColumnData::String(texts.map(Some).into_iter().collect());
    assert_eq!(
        prepared(&texts, &cast).unwrap(),
        "price: 1 7.5 0 0 - - - - 1.02"
    );
    let floats = ColumnData::Float(vec![0.1, 0.125, f64::INFINITY, 99.994, 99.995]);
    assert_eq!(
        prepared(&floats, &cast).unwrap(),
        "price: 0.1 0.12 - 99.99 -"
    );
    let integers = ColumnData::Integer(vec![Some(-99), Some(100), None]);
    assert_eq!(prepared(&integers, &cast).unwrap(), "price: -99 - -");
    let strict = json!([{"cast": "decimal(4, 2)"}]);
    let error = prepared(&integers, &strict).unwrap_err().to_string();
    assert!(
        error.contains("the value '100' in row 2 is no decimal(4, 2)"),
        "{error}"
    );
}
