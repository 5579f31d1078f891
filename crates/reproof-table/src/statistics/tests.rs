use proptest::prelude::*;
use reproof_record::{LogicalType, to_canonical};

use super::*;
use crate::encoding::put_value;
use crate::preprocess::Exact;
use crate::random::u64_at;
use crate::storage::tests::scratch;
use crate::table::tests::{table, tables};
use crate::{ColumnData, StringColumn, Table, TimeType, write_table};

fn collect(data: &ColumnData, rows: std::ops::Range<usize>, level: StatisticsLevel) -> Collector {
    let mut collector = Collector::new(data.logical_type(), level, rows.start as u64);
    let mut bytes = Vec::new();
    for row in rows {
        put_value(&mut bytes, data, row).unwrap();
    }
    collector.observe(&bytes);
    collector
}

fn full(data: &ColumnData) -> ColumnStatistics {
    collect(data, 0..data.len(), StatisticsLevel::Full).finish("a")
}

fn texts(values: impl Iterator<Item = String>) -> ColumnData {
    ColumnData::String(values.map(Some).collect::<StringColumn>())
}

fn top(column: &ColumnStatistics) -> Vec<(&str, u64)> {
    let values = column.top.as_ref().unwrap().values.iter();
    values.map(|top| (top.value.as_str(), top.count)).collect()
}

fn quantiles(column: &ColumnStatistics) -> Vec<&str> {
    let quantiles = column.quantiles.as_ref().unwrap().values.iter();
    quantiles.map(|quantile| quantile.value.as_str()).collect()
}

#[test]
fn a_small_column_is_described_exactly() {
    let values = [
        Some(3),
        None,
        Some(1),
        Some(3),
        Some(2),
        Some(9),
        None,
        Some(3),
    ];
    let column = full(&ColumnData::Integer(values.to_vec()));
    assert_eq!((column.count, column.missing), (6, 2));
    assert_eq!(column.min.as_deref(), Some("1"));
    assert_eq!(column.max.as_deref(), Some("9"));
    assert_eq!(column.mean, Some(Exact(3.5)));
    assert_eq!(column.standard_deviation, Some(Exact(7.9_f64.sqrt())));
    let distinct = column.distinct.as_ref().unwrap();
    assert_eq!((distinct.count, distinct.exact), (4, true));
    assert_eq!(top(&column), [("3", 3), ("1", 1), ("2", 1), ("9", 1)]);
    assert_eq!(quantiles(&column), ["1", "1", "2", "3", "3", "9", "9"]);
    let histogram = column.histogram.as_ref().unwrap();
    assert_eq!(histogram.counts, [1, 1, 3, 0, 0, 0, 0, 0, 1]);
}

#[test]
fn texts_booleans_days_and_floats() {
    let names = ["b", "a", "", "b"].map(str::to_owned);
    let column = full(&texts(names.into_iter()));
    assert_eq!((column.shortest, column.longest), (Some(0), Some(1)));
    assert_eq!(top(&column), [("b", 2), ("", 1), ("a", 1)]);
    assert_eq!(
        (column.min, column.mean, column.quantiles),
        (None, None, None)
    );

    let flags = vec![Some(true), None, Some(false), Some(true)];
    let column = full(&ColumnData::Boolean(flags));
    assert_eq!((column.count, column.missing), (3, 1));
    assert_eq!(column.mean, Some(Exact(2.0 / 3.0)));

    let days = vec![Some(0), Some(31), Some(365)];
    let column = full(&ColumnData::Time(TimeType::Date, days));
    assert_eq!(column.min.as_deref(), Some("1970-01-01"));
    assert_eq!(column.max.as_deref(), Some("1971-01-01"));
    assert_eq!(quantiles(&column)[3], "1970-02-01");
    assert_eq!(column.mean, None);

    let floats = vec![-1.5, f64::NAN, 0.0, 2.5];
    let column = full(&ColumnData::Float(floats));
    assert_eq!(column.min.as_deref(), Some("-1.5"));
    assert_eq!(quantiles(&column)[3], "0");
    let histogram = column.histogram.unwrap();
    assert_eq!(histogram.counts.len(), 20);
    assert_eq!(
        (
            histogram.counts[0],
            histogram.counts[7],
            histogram.counts[19]
        ),
        (1, 1, 1)
    );
}

#[test]
fn nothing_infinities_and_one_value() {
    for data in [
        ColumnData::Float(vec![]),
        ColumnData::Float(vec![f64::NAN; 3]),
        ColumnData::Integer(vec![None]),
        ColumnData::String([None::<&str>].into_iter().collect()),
        ColumnData::Boolean(vec![None]),
    ] {
        let column = full(&data);
        assert_eq!(column.count, 0);
        assert_eq!(
            (&column.min, column.mean, &column.quantiles),
            (&None, None, &None)
        );
        assert!(to_canonical(&column).is_ok());
    }
    let column = full(&ColumnData::Float(vec![
        f64::INFINITY,
        1.0,
        f64::NEG_INFINITY,
    ]));
    assert_eq!(column.max.as_deref(), Some("Infinity"));
    assert_eq!((column.mean, &column.histogram), (None, &None));
    assert!(to_canonical(&column).is_ok());
    let column = full(&ColumnData::Float(vec![2.0]));
    assert_eq!(column.histogram.unwrap().counts, [1]);
    let column = full(&ColumnData::Integer(vec![Some(i64::MIN), Some(i64::MAX)]));
    assert_eq!(column.histogram.unwrap().counts.iter().sum::<u64>(), 2);
}

#[test]
fn long_texts_are_cut() {
    let column = full(&texts(std::iter::once("é".repeat(200))));
    let top = &column.top.unwrap().values[0];
    assert!(top.cut && top.value.len() == 256);
    assert_eq!(column.longest, Some(400));
}

/// 200,000 rows: every third value is 7, the others are all different.
fn many() -> Vec<i64> {
    let value = |row: u64| match row % 3 {
        0 => 7,
        _ => (u64_at(5, 1, row) >> 20) as i64 - (1 << 42),
    };
    (0..200_000).map(value).collect()
}

#[test]
fn estimates_are_as_near_as_they_say() {
    let mut values = many();
    let column = full(&ColumnData::Integer(
        values.iter().copied().map(Some).collect(),
    ));
    let text = full(&texts(values.iter().map(|value| format!("{value:x}"))));
    for column in [&column, &text] {
        let distinct = column.distinct.as_ref().unwrap();
        let error = distinct.relative_error.unwrap();
        assert!(!distinct.exact);
        assert!((distinct.count as f64 / 133_334.0 - 1.0).abs() < 3.0 * error);
        let top = &column.top.as_ref().unwrap();
        assert!(!top.exact);
        assert_eq!(top.values.len(), 1);
        assert_eq!(top.values[0].value, "7");
        assert!(top.values[0].count.abs_diff(66_667) <= 2 * top.values[0].error.unwrap());
    }
    values.sort_unstable();
    let quantiles = column.quantiles.unwrap();
    assert!(!quantiles.exact);
    for quantile in &quantiles.values {
        let expect = values[(values.len() as u64 * quantile.percent / 100) as usize - 1];
        let number = |text: &Option<String>| text.as_ref().unwrap().parse::<i64>().unwrap();
        let (low, high) = (number(&quantile.low), number(&quantile.high));
        assert!(low <= expect && expect <= high);
        // A two-thousandth of the range or less.
        assert!(high - low < 1 << 33);
    }
    let histogram = column.histogram.unwrap();
    assert_eq!(histogram.counts.iter().sum::<u64>(), 200_000);
    let exact = |part: usize| {
        let width = i128::from(values[199_999] - values[0]) + 1;
        let parts = values
            .iter()
            .map(|value| i128::from(value - values[0]) * 20 / width);
        parts.filter(|found| *found == part as i128).count() as u64
    };
    let off: u64 = (0..20)
        .map(|part| histogram.counts[part].abs_diff(exact(part)))
        .sum();
    assert!(off <= 2 * histogram.uncertain.unwrap());
}

#[test]
fn the_partition_of_a_large_column_changes_nothing() {
    let numbers = many();
    let float = |value: &i64| {
        if value % 50 == 0 {
            f64::NAN
        } else {
            *value as f64 / 3.0
        }
    };
    for data in [
        ColumnData::Integer(numbers.iter().copied().map(Some).collect()),
        ColumnData::Float(numbers.iter().map(float).collect()),
        texts(numbers.iter().map(|value| format!("{value:x}"))),
        // Few texts, but too long ones to keep all.
        texts((0..3000).map(|row| "x".repeat(2000 + row % 2500))),
    ] {
        let whole = full(&data);
        let cuts = [
            0,
            data.len() / 3,
            data.len() / 2,
            data.len() * 9 / 10,
            data.len(),
        ];
        let mut parts: Vec<_> = cuts
            .windows(2)
            .map(|cut| collect(&data, cut[0]..cut[1], StatisticsLevel::Full))
            .collect();
        parts.rotate_left(2);
        let mut merged = parts.remove(0);
        for part in &parts {
            merged.merge(part);
        }
        assert_eq!(merged.finish("a"), whole);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn the_partition_changes_nothing(
        whole in tables(),
        cut in 0_usize..40,
        level in prop::sample::select(vec![StatisticsLevel::Basic, StatisticsLevel::Full]),
    ) {
        let cut = cut.min(whole.rows());
        for data in whole.columns() {
            let mut merged = collect(data, cut..whole.rows(), level);
            merged.merge(&collect(data, 0..cut, level));
            let all = collect(data, 0..whole.rows(), level);
            prop_assert_eq!(merged.finish("a"), all.finish("a"));
        }
    }

    #[test]
    fn every_table_has_statistics_that_can_be_stored(whole in tables(), threads in 1_usize..4) {
        let (_folder, store) = scratch();
        let mut batch = store.batch();
        let stored = write_table(&mut batch, &whole).unwrap();
        batch.commit().unwrap();
        let threads = Threads::new(threads.try_into().unwrap());
        let digest = stored.artifact.digest;
        let statistics =
            table_statistics(&store, &digest, StatisticsLevel::Full, threads).unwrap();
        let bytes = to_canonical(&statistics).unwrap();
        let read: Statistics = serde_json::from_slice(&bytes).unwrap();
        prop_assert_eq!(&read, &statistics);
        prop_assert_eq!(statistics.columns.len(), whole.columns().len());
        for (column, data) in statistics.columns.iter().zip(whole.columns()) {
            prop_assert_eq!(column.missing, data.missing());
            prop_assert_eq!(column.count + column.missing, whole.rows() as u64);
        }
    }
}

fn sample() -> Table {
    table(vec![
        (
            "flag",
            ColumnData::Boolean(vec![Some(false), Some(true), None]),
        ),
        ("size", ColumnData::Float(vec![0.5, 1.5, f64::NAN])),
    ])
}

#[test]
fn basic_statistics_have_no_counts_of_values() {
    let column = collect(&sample().columns()[1], 0..3, StatisticsLevel::Basic).finish("size");
    assert_eq!(column.mean, Some(Exact(1.0)));
    assert_eq!(
        (column.distinct, column.top, column.quantiles),
        (None, None, None)
    );
    assert_eq!(column.logical_type, LogicalType::Float);
}
