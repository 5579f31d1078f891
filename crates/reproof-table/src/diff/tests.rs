//! Differences against a slow comparison of texts.

use proptest::prelude::*;
use reproof_store::Store;

use super::*;
use crate::storage::tests::scratch;
use crate::table::tests::table;
use crate::{ColumnData, Table, write_table};

fn stored(store: &Store, table: &Table) -> Digest {
    let mut batch = store.batch();
    let stored = write_table(&mut batch, table).unwrap();
    batch.commit().unwrap();
    stored.artifact.digest
}

type Row = (i64, Option<String>, f64);

fn of_rows(rows: &[Row]) -> Table {
    table(vec![
        (
            "id",
            ColumnData::Integer(rows.iter().map(|row| Some(row.0)).collect()),
        ),
        (
            "name",
            ColumnData::String(rows.iter().map(|row| row.1.as_deref()).collect()),
        ),
        (
            "size",
            ColumnData::Float(rows.iter().map(|row| row.2).collect()),
        ),
    ])
}

fn diff(before: &Table, after: &Table, key: &[&str], limit: usize) -> TableDiff {
    let (_folder, store) = scratch();
    let tables = [stored(&store, before), stored(&store, after)];
    let key: Vec<_> = key.iter().map(ToString::to_string).collect();
    diff_tables(&store, [&tables[0], &tables[1]], &key, limit).unwrap()
}

fn row(id: i64, name: &str, size: f64) -> Row {
    (id, Some(name.to_owned()), size)
}

#[test]
fn another_order_and_copies_are_told() {
    let rows = [row(1, "a", 1.0), row(2, "b", 2.0), row(2, "b", 2.0)];
    let before = of_rows(&rows);
    let with = |rows: &[&Row]| of_rows(&rows.iter().map(|row| (*row).clone()).collect::<Vec<_>>());
    let [a, b, c] = &rows;
    let other = row(9, "z", 9.0);
    // What is compared, its copies of removed and of added rows, and whether it is only another order.
    for (after, copies, reordered) in [
        (with(&[a, b, c]), [0, 0], false),
        (with(&[b, a, c]), [0, 0], true),
        (with(&[a, b, c, a, b]), [0, 2], false),
        (with(&[a, b]), [1, 0], false),
        (with(&[b, &other, c]), [0, 0], false),
        (with(&[&other, b, b, b]), [0, 1], false),
    ] {
        let found = diff(&before, &after, &[], 10);
        assert_eq!((found.copies, found.reordered), (copies, reordered));
        assert_eq!(found.is_empty(), after == before);
    }
    let by_key = diff(&before, &with(&[b, a, c]), &["id"], 10);
    assert!(by_key.reordered && !by_key.is_empty());
}

#[test]
fn rows_are_found_by_key() {
    let before = of_rows(&[row(1, "a", 1.0), row(2, "b", 2.0), row(3, "c", 3.0)]);
    let after = of_rows(&[
        row(3, "c", 3.5),
        row(1, "a", 1.0),
        row(4, "d", 4.0),
        row(5, "e", 5.0),
    ]);
    let found = diff(&before, &after, &["id"], 10);
    assert_eq!(
        (found.added, found.removed, found.changed, found.unchanged),
        (2, 1, Some(1), 1)
    );
    assert_eq!(
        found.changed_columns,
        BTreeMap::from([("size".to_owned(), 1)])
    );
    let changed = &found.samples.changed[0];
    assert_eq!(changed.rows, [3, 1]);
    assert_eq!(changed.key["id"].as_deref(), Some("3"));
    let sizes = ["3", "3.5"].map(|text| Some(text.to_owned()));
    assert_eq!(changed.values, BTreeMap::from([("size".to_owned(), sizes)]));
    let added: Vec<_> = found.samples.added.iter().map(|row| row.row).collect();
    assert_eq!(added, [3, 4]);
    assert_eq!(
        found.samples.removed[0].values["name"].as_deref(),
        Some("b")
    );
    // By content a changed row is one that is gone and one that is new.
    let found = diff(&before, &after, &[], 1);
    assert_eq!(
        (found.added, found.removed, found.changed, found.unchanged),
        (3, 2, None, 1)
    );
    assert_eq!(
        (found.samples.added.len(), found.samples.added[0].row),
        (1, 1)
    );
}

#[test]
fn columns_that_only_one_has_are_not_compared() {
    let (_folder, store) = scratch();
    let before = of_rows(&[row(1, "a", 1.0), row(2, "b", 2.0)]);
    let after = table(vec![
        (
            "name",
            ColumnData::String(["a", "x"].map(Some).into_iter().collect()),
        ),
        ("size", ColumnData::Integer(vec![Some(1), Some(2)])),
        ("new", ColumnData::Boolean(vec![None, None])),
        ("id", ColumnData::Integer(vec![Some(1), Some(2)])),
    ]);
    let tables = [stored(&store, &before), stored(&store, &after)];
    let found = diff_tables(&store, [&tables[0], &tables[1]], &[], 5).unwrap();
    assert_eq!(found.compared, ["id", "name"]);
    assert_eq!((found.added, found.removed, found.unchanged), (1, 1, 1));
    assert_eq!(found.schema.added[0].name, "new");
    assert!(found.schema.removed.is_empty() && found.schema.reordered);
    assert_eq!(found.schema.retyped[0].after, LogicalType::Integer);
    let key = ["size".to_owned()];
    let refused = diff_tables(&store, [&tables[0], &tables[1]], &key, 5).unwrap_err();
    assert_eq!(refused.to_string(), "the table has no column 'size'");
    assert!(
        diff_tables(&store, [&tables[0], &tables[0]], &[], 5)
            .unwrap()
            .is_empty()
    );
}

#[test]
fn a_table_that_says_to_have_more_rows_than_it_has_is_damaged() {
    let (_folder, store) = scratch();
    let whole = stored(&store, &of_rows(&[row(1, "a", 1.0)]));
    let mut object = store.table_object(&whole).unwrap();
    object.rows = u64::from(u32::MAX);
    let mut batch = store.batch();
    let forged = batch.put(&object.to_bytes().unwrap()).unwrap().digest;
    batch.commit().unwrap();
    for key in [vec![], vec!["id".to_owned()]] {
        let error = diff_tables(&store, [&whole, &forged], &key, 5).unwrap_err();
        assert!(error.to_string().contains("fewer bytes"), "{error}");
    }
    object.rows = u64::from(u32::MAX) + 1;
    let mut batch = store.batch();
    let forged = batch.put(&object.to_bytes().unwrap()).unwrap().digest;
    batch.commit().unwrap();
    let error = diff_tables(&store, [&whole, &forged], &[], 5).unwrap_err();
    assert!(error.to_string().contains("too many to compare"), "{error}");
}

#[test]
fn without_a_common_column_rows_are_only_counted() {
    let (_folder, store) = scratch();
    let other = table(vec![("x", ColumnData::Boolean(vec![Some(true); 3]))]);
    let tables = [
        stored(&store, &of_rows(&[row(1, "a", 1.0)])),
        stored(&store, &other),
    ];
    let found = diff_tables(&store, [&tables[0], &tables[1]], &[], 5).unwrap();
    assert_eq!((found.added, found.removed, found.unchanged), (2, 0, 1));
}

/// Rows of few values, so that many are alike.
fn rows() -> impl Strategy<Value = Vec<Row>> {
    let row = (
        0_i64..4,
        prop::option::of("[ab]{0,2}"),
        prop_oneof![Just(f64::NAN), Just(1.5)],
    );
    prop::collection::vec(row, 0..24)
}

fn texts(rows: &[Row]) -> Vec<(String, String)> {
    let mut texts: Vec<_> = rows
        .iter()
        .map(|row| (row.0.to_string(), format!("{:?} {}", row.1, row.2)))
        .collect();
    texts.sort();
    texts
}

/// How many of the first stand in the second, each once.
fn matched<T: PartialEq>(these: &[T], those: &[T]) -> usize {
    let mut rest: Vec<_> = those.iter().collect();
    let found = these.iter().filter(|one| {
        let at = rest.iter().position(|other| other == one);
        at.map(|at| rest.remove(at)).is_some()
    });
    found.count()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn counts_are_those_of_a_slow_comparison(before in rows(), after in rows()) {
        let tables = [of_rows(&before), of_rows(&after)];
        let (these, those) = (texts(&before), texts(&after));
        let same = matched(&these, &those);
        let found = diff(&tables[0], &tables[1], &[], 3);
        prop_assert_eq!(found.unchanged as usize, same);
        prop_assert_eq!(found.removed as usize, these.len() - same);
        prop_assert_eq!(found.added as usize, those.len() - same);
        prop_assert_eq!(found.samples.added.len(), 3.min(those.len() - same));

        let found = diff(&tables[0], &tables[1], &["id"], 3);
        let (mut changed, mut unchanged) = (0, 0);
        for id in 0..4 {
            let of = |all: &[(String, String)]| -> Vec<String> {
                let id = id.to_string();
                all.iter().filter(|row| row.0 == id).map(|row| row.1.clone()).collect()
            };
            let (mine, theirs) = (of(&these), of(&those));
            let same = matched(&mine, &theirs);
            unchanged += same;
            changed += (mine.len() - same).min(theirs.len() - same);
        }
        prop_assert_eq!(found.unchanged as usize, unchanged);
        prop_assert_eq!(found.changed, Some(changed as u64));
        prop_assert_eq!(found.removed as usize, these.len() - unchanged - changed);
        prop_assert_eq!(found.added as usize, those.len() - unchanged - changed);
        for row in &found.samples.changed {
            prop_assert!(!row.values.is_empty());
        }
    }
}
