//! Splits beyond the one by content alone.

use proptest::prelude::*;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::tests::threads;
use super::*;
use crate::table::tests::{table, tables};
use crate::{ColumnData, TimeType};

type Parts = Result<BTreeMap<String, Table>, TableError>;
type Split<'a> = &'a dyn Fn(&Table, Threads) -> Parts;

fn parameters<T: DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).unwrap()
}

fn random(value: Value) -> SplitRandom {
    parameters(value)
}

fn usual() -> Value {
    json!({"train": 0.7, "eval": 0.15, "test": 0.15})
}

fn counts(parts: &BTreeMap<String, Table>) -> Vec<(&str, usize)> {
    let parts = parts.iter();
    parts
        .map(|(name, part)| (name.as_str(), part.rows()))
        .collect()
}

/// The texts of a column, by part.
fn texts(parts: &BTreeMap<String, Table>, column: &str) -> String {
    let part = |(name, part): (&String, &Table)| {
        let data = part.column(column).unwrap();
        let texts = (0..part.rows()).map(|row| data.text(row).unwrap_or("-".into()));
        format!("{name}: {}", texts.collect::<Vec<_>>().join(" "))
    };
    parts.iter().map(part).collect::<Vec<_>>().join("; ")
}

fn strings(values: &[&str]) -> ColumnData {
    ColumnData::String(values.iter().map(|value| Some(*value)).collect())
}

fn integers(values: impl IntoIterator<Item = i64>) -> ColumnData {
    ColumnData::Integer(values.into_iter().map(Some).collect())
}

#[test]
fn without_options_it_is_the_split_of_old() {
    let table = table(vec![("id", integers(0..500))]);
    let parts = random(json!({"ratios": usual()})).split(&table, 42, Threads::ONE);
    let ratios = parameters(usual());
    assert_eq!(
        parts.unwrap(),
        split_random(&table, &ratios, 42, Threads::ONE).unwrap()
    );
}

#[test]
fn a_key_keeps_rows_together() {
    let table = table(vec![
        ("person", integers((0..400).map(|row| row % 50))),
        ("row", integers(0..400)),
    ]);
    for exact in [false, true] {
        let split = random(json!({"ratios": usual(), "key": ["person"], "exact": exact}));
        let parts = split.split(&table, 1, threads(2)).unwrap();
        for (name, part) in &parts {
            let ColumnData::Integer(people) = part.column("person").unwrap() else {
                panic!()
            };
            for other in parts.iter().filter(|(other, _)| *other != name) {
                let ColumnData::Integer(others) = other.1.column("person").unwrap() else {
                    panic!()
                };
                assert!(people.iter().all(|person| !others.contains(person)));
            }
        }
    }
    let split = random(json!({"ratios": usual(), "key": ["gone"]}));
    let error = split.split(&table, 1, Threads::ONE).unwrap_err();
    assert_eq!(error.to_string(), "the table has no column 'gone'");
}

#[test]
fn exact_shares_are_exact() {
    let split = random(json!({"ratios": usual(), "exact": true}));
    for rows in [20, 99, 1000] {
        let table = table(vec![("id", integers(0..rows))]);
        let parts = split.split(&table, 7, Threads::ONE).unwrap();
        for (name, count) in counts(&parts) {
            let share = split.ratios[name] * rows as f64;
            assert!(
                (count as f64 - share).abs() <= 1.0,
                "{name} {count} of {rows}"
            );
        }
    }
}

#[test]
fn strata_have_their_shares() {
    let plans: Vec<&str> = (0..300)
        .map(|row| ["a", "a", "a", "b", "b", "c"][row % 6])
        .collect();
    let table = table(vec![("plan", strings(&plans)), ("id", integers(0..300))]);
    let split: SplitStratified = parameters(json!({"by": "plan", "ratios": usual()}));
    let parts = split.split(&table, 42, threads(3)).unwrap();
    assert_eq!(counts(&parts), [("eval", 45), ("test", 45), ("train", 210)]);
    for (name, part) in &parts {
        let data = part.column("plan").unwrap();
        for (plan, of) in [("a", 150.0), ("b", 100.0), ("c", 50.0)] {
            let count = (0..part.rows())
                .filter(|&row| data.text(row).unwrap() == plan)
                .count();
            let share = split.ratios[name] * of;
            assert!((count as f64 - share).abs() <= 1.0, "{name} {plan} {count}");
        }
    }
    let split: SplitStratified = parameters(json!({"by": "id", "ratios": usual()}));
    let parts = split.split(&table, 42, Threads::ONE).unwrap();
    assert_eq!(counts(&parts), [("eval", 45), ("test", 45), ("train", 210)]);
}

#[test]
fn the_past_is_learned_from() {
    let days = [
        "2024-03-01",
        "2024-01-01",
        "2024-02-01",
        "2024-02-01",
        "2024-04-01",
    ];
    let whole = table(vec![
        ("day", strings(&days)),
        ("at", integers([3, 1, 2, 2, 4])),
    ]);
    let split = |value: Value| {
        let split: SplitTime = parameters(value);
        split.split(&whole)
    };
    let parts = split(json!({"by": "day", "ratios": {"train": 0.6, "eval": 0.2, "test": 0.2}}));
    assert_eq!(
        texts(&parts.unwrap(), "at"),
        "eval: 3; test: 4; train: 1 2 2"
    );
    // Rows of one time share a part.
    let parts = split(json!({"by": "at", "ratios": {"train": 0.5, "test": 0.5}}));
    assert_eq!(texts(&parts.unwrap(), "at"), "test: 3 4; train: 1 2 2");
    let parts = split(json!({
        "by": "day",
        "boundaries": {"test": "2024-04-01", "eval": "2024-02-01"},
    }));
    assert_eq!(
        texts(&parts.unwrap(), "at"),
        "eval: 3 2 2; test: 4; train: 1"
    );
    let parts = split(json!({"by": "at", "boundaries": {"test": 4}}));
    assert_eq!(texts(&parts.unwrap(), "at"), "test: 4; train: 3 1 2 2");
    for (value, expect) in [
        (
            json!({"by": "gone", "boundaries": {"test": 4}}),
            "no column 'gone'",
        ),
        (
            json!({"by": "at", "boundaries": {"test": "x"}}),
            "a boundary must be a whole number",
        ),
        (
            json!({"by": "at", "boundaries": {"test": 1.5}}),
            "a whole number",
        ),
        (
            json!({"by": "day", "boundaries": {"test": "2024"}}),
            "'2024-03-01'",
        ),
        (
            json!({"by": "at", "boundaries": {"eval": 4, "test": 3}}),
            "do not rise",
        ),
        (
            json!({"by": "at", "boundaries": {"test": 1}}),
            "the part 'train' of the split is empty",
        ),
        (
            json!({"by": "at", "boundaries": {"test": 9}}),
            "the part 'test' of the split is empty",
        ),
        (json!({"by": "at"}), "either ratios or boundaries"),
    ] {
        let error = split(value).unwrap_err().to_string();
        assert!(error.contains(expect), "{error}");
    }
}

#[test]
fn times_are_in_an_order() {
    let check = |data: ColumnData, expect: &str| {
        let split: SplitTime =
            parameters(json!({"by": "at", "ratios": {"train": 0.5, "test": 0.5}}));
        let error = split.split(&table(vec![("at", data)])).unwrap_err();
        assert!(error.to_string().contains(expect), "{error}");
    };
    check(strings(&["2024-01-01", "2024-1-2"]), "'2024-1-2' in row 2");
    check(strings(&["today", "today"]), "'today' in row 1");
    check(strings(&["2024-01-01T00:00+01:00"]), "row 1");
    check(ColumnData::Integer(vec![Some(1), None]), "misses 1 of 2");
    check(ColumnData::Boolean(vec![Some(true)]), "is boolean");
    let floats = ColumnData::Float(vec![-1.5, 2.0, -3.0, 0.0]);
    let split: SplitTime = parameters(json!({"by": "at", "ratios": {"train": 0.5, "test": 0.5}}));
    let parts = split.split(&table(vec![("at", floats)])).unwrap();
    assert_eq!(texts(&parts, "at"), "test: 2 0; train: -1.5 -3");
    let days = TimeType::Date;
    let values = ["2024-05-01", "2024-01-01"].map(|day| days.parse(day.as_bytes()));
    let dates = ColumnData::Time(days, values.to_vec());
    let split: SplitTime = parameters(json!({"by": "at", "boundaries": {"test": "2024-02-01"}}));
    let parts = split.split(&table(vec![("at", dates)])).unwrap();
    assert_eq!(texts(&parts, "at"), "test: 2024-05-01; train: 2024-01-01");
}

#[test]
fn a_column_names_the_part() {
    let table = table(vec![
        ("part", strings(&["train", "dev", "test", "train"])),
        ("id", integers(0..4)),
    ]);
    let split = |values: Value| {
        let split: SplitIndexed = parameters(json!({"by": "part", "values": values}));
        split.split(&table)
    };
    let parts = split(json!({"train": ["train"], "eval": ["dev", "val"], "test": ["test"]}));
    assert_eq!(texts(&parts.unwrap(), "id"), "eval: 1; test: 2; train: 0 3");
    for (values, expect) in [
        (
            json!({"train": ["train"], "test": ["test"]}),
            "'dev' in row 2, which names no part; 'test', 'train' do",
        ),
        (
            json!({"train": ["train", "dev"], "test": ["train"]}),
            "once more",
        ),
        (
            json!({"train": ["train", "dev", "test"], "eval": ["x"]}),
            "the part 'eval' of the split is empty, of 4 rows",
        ),
    ] {
        let error = split(values).unwrap_err().to_string();
        assert!(error.contains(expect), "{error}");
    }
}

#[test]
fn an_empty_table_has_no_training_part() {
    let empty = table(vec![("id", integers([]))]);
    let split = random(json!({"ratios": usual(), "exact": true}));
    let error = split
        .split(&empty, 1, Threads::ONE)
        .unwrap_err()
        .to_string();
    assert!(
        error.starts_with("the part 'train' of the split is empty, of 0 rows"),
        "{error}"
    );
}

/// The parts of the document: they never change under these versions of the operations.
#[test]
fn the_vectors_of_the_document() {
    let plans: Vec<&str> = (0..12).map(|row| ["a", "a", "b"][row % 3]).collect();
    let whole = table(vec![("id", integers(0..12)), ("plan", strings(&plans))]);
    let halves = json!({"train": 0.5, "test": 0.5});
    let at_random = |value: Value| random(value).split(&whole, 42, Threads::ONE);
    let strata: SplitStratified = parameters(json!({"by": "plan", "ratios": halves}));
    let time: SplitTime = parameters(json!({"by": "id", "ratios": halves}));
    let rows = [
        ("`split_random@1`", at_random(json!({"ratios": halves}))),
        (
            "`split_random@1`, `exact`",
            at_random(json!({"ratios": halves, "exact": true})),
        ),
        (
            "`split_random@1`, `key: [id]`",
            at_random(json!({"ratios": halves, "key": ["id"]})),
        ),
        (
            "`split_stratified@1`, `by: plan`",
            strata.split(&whole, 42, Threads::ONE),
        ),
        ("`split_time@1`, `by: id`", time.split(&whole)),
    ];
    let document = include_str!("../../../../docs/formats/splits.md");
    for (what, parts) in rows {
        let parts = parts.unwrap();
        let ids = |part: &str| {
            let data = parts[part].column("id").unwrap();
            let ids = (0..data.len()).filter_map(|row| data.text(row));
            ids.collect::<Vec<_>>().join(" ")
        };
        let row = format!("| {what} | {} | {} |\n", ids("train"), ids("test"));
        assert!(document.contains(&row), "the document lacks\n{row}");
    }
}

proptest! {
    /// Threads and the order of the rows decide nothing: every row has the part of its content.
    #[test]
    fn threads_and_order_change_nothing(
        (whole, order) in tables().prop_flat_map(|whole| {
            let rows: Vec<usize> = (0..whole.rows()).collect();
            (Just(whole), Just(rows).prop_shuffle())
        }),
        seed in any::<u64>(),
    ) {
        let shuffled = whole.take(&order).unwrap();
        let halves = json!({"train": 0.5, "test": 0.5});
        let exact = random(json!({"ratios": halves, "exact": true}));
        let keyed = random(json!({"ratios": halves, "key": ["flag", "name"], "exact": true}));
        let strata: SplitStratified = parameters(json!({"by": "flag", "ratios": halves}));
        let splits: [Split<'_>; 3] = [
            &|table, threads| exact.split(table, seed, threads),
            &|table, threads| keyed.split(table, seed, threads),
            &|table, threads| strata.split(table, seed, threads),
        ];
        for split in splits {
            let one = split(&whole, Threads::ONE);
            for count in [1, 2, 7] {
                let other = split(&shuffled, threads(count));
                match (&one, &other) {
                    (Ok(one), Ok(other)) => for (name, part) in one {
                        prop_assert_eq!(rows(part), rows(&other[name]));
                    },
                    (one, other) => prop_assert_eq!(one.is_err(), other.is_err()),
                }
            }
        }
    }
}

/// The rows as texts, sorted.
fn rows(table: &Table) -> Vec<String> {
    let mut rows: Vec<String> = (0..table.rows())
        .map(|row| {
            format!(
                "{:?}",
                table
                    .columns()
                    .iter()
                    .map(|data| data.text(row))
                    .collect::<Vec<_>>()
            )
        })
        .collect();
    rows.sort();
    rows
}
