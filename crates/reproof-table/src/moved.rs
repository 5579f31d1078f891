//! How far the values of one table are from those of another, row by row.

use reproof_record::{Column, Digest, Distance, LogicalType, Tolerance, ulps_apart};
use reproof_store::Store;
use serde::Serialize;

use crate::TableError;
use crate::diff::SchemaDiff;
use crate::stream::{Values, is_missing, number, text};

/// How far two tables of equally many rows are apart, by place: row by row, column by column.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TableMoved {
    /// How their columns differ.
    pub schema: SchemaDiff,
    /// The rows of both.
    pub rows: [u64; 2],
    /// The columns that both have with one type and in which a value differs, in the order of the
    /// first table. Empty where the tables have not equally many rows: then places tell nothing.
    pub columns: Vec<ColumnMoved>,
}

/// How far the values of a column moved.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ColumnMoved {
    /// The column.
    pub name: String,
    /// In how many rows its values differ.
    pub rows: u64,
    /// Of those, in how many one of them is missing.
    pub missing: u64,
    /// The largest difference of two numbers, of times in days or microseconds; none for other types.
    pub largest: Option<f64>,
    /// The largest difference of two floats in units of the last place: how many doubles lie between
    /// them. None for other types.
    pub ulps: Option<u64>,
    /// The first row that differs, counted from 1.
    pub first: u64,
    /// Its values as texts; none is missing.
    pub values: [Option<String>; 2],
}

/// Compares two stored tables by place.
///
/// # Errors
/// A table that is not there, or damaged.
pub fn table_moved(store: &Store, tables: [&Digest; 2]) -> Result<TableMoved, TableError> {
    let objects = [
        store.table_object(tables[0])?,
        store.table_object(tables[1])?,
    ];
    let [before, after] = &objects;
    let mut columns = Vec::new();
    if before.rows == after.rows {
        for (place, column) in before.schema.columns().iter().enumerate() {
            let Some(other) = after.schema.position(&column.name) else {
                continue;
            };
            let digests = [&before.columns[place], &after.columns[other]];
            if after.schema.columns()[other] == *column && digests[0] != digests[1] {
                columns.extend(column_moved(store, column, digests, before.rows)?);
            }
        }
    }
    Ok(TableMoved {
        schema: SchemaDiff::of(&before.schema, &after.schema),
        rows: [before.rows, after.rows],
        columns,
    })
}

fn column_moved(
    store: &Store,
    column: &Column,
    digests: [&Digest; 2],
    rows: u64,
) -> Result<Option<ColumnMoved>, TableError> {
    let of = column.logical_type;
    let mut sides = [
        Values::open(store, digests[0], of)?,
        Values::open(store, digests[1], of)?,
    ];
    let mut moved: Option<ColumnMoved> = None;
    for row in 1..=rows {
        let [before, after] = &mut sides;
        let (before, after) = (before.next()?, after.next()?);
        if is_same(before, after) {
            continue;
        }
        let values = [number(of, before), number(of, after)];
        let found = match &mut moved {
            Some(found) => found,
            None => moved.insert(ColumnMoved {
                name: column.name.clone(),
                rows: 0,
                missing: 0,
                largest: None,
                ulps: None,
                first: row,
                values: [text(of, before)?, text(of, after)?],
            }),
        };
        found.rows += 1;
        found.missing += u64::from(is_missing(of, before) != is_missing(of, after));
        if let [Some(before), Some(after)] = values {
            let apart = (before - after).abs();
            found.largest = Some(found.largest.map_or(apart, |largest| largest.max(apart)));
            if of == LogicalType::Float {
                let apart = ulps_apart(before, after);
                found.ulps = Some(found.ulps.map_or(apart, |largest| largest.max(apart)));
            }
        }
    }
    for side in &mut sides {
        side.end(rows)?;
    }
    Ok(moved)
}

/// Whether two encoded values are one, fast for those of eight bytes, which are most.
#[inline]
fn is_same(before: &[u8], after: &[u8]) -> bool {
    match (<&[u8; 8]>::try_from(before), <&[u8; 8]>::try_from(after)) {
        (Ok(before), Ok(after)) => before == after,
        _ => before == after,
    }
}

/// How far a stored table is from another one, as judged by a tolerance.
///
/// Numbers are judged one by one. Values that are none must be the same; where the tolerance gives
/// `flips`, a row with another value in a column that is not of floats is a flip instead. So is a row
/// whose `prediction`, a probability, lies on the other side of one half, or whose largest
/// `probability=CLASS` is that of another class.
///
/// # Errors
/// A table that is not there, or damaged.
pub fn table_distance(
    store: &Store,
    tables: [&Digest; 2],
    tolerance: &Tolerance,
) -> Result<Distance, TableError> {
    let objects = [
        store.table_object(tables[0])?,
        store.table_object(tables[1])?,
    ];
    let [before, after] = &objects;
    let mut distance = Distance::default();
    if !SchemaDiff::of(&before.schema, &after.schema).is_empty() {
        distance.refuse("the columns are not the same");
        return Ok(distance);
    }
    if before.rows != after.rows {
        distance.refuse(format!("{} rows instead of {}", after.rows, before.rows));
        return Ok(distance);
    }
    let mut labels = Vec::new();
    let columns = before.schema.columns().iter();
    for (column, digests) in columns.zip(before.columns.iter().zip(&after.columns)) {
        let of = column.logical_type;
        let role = Role::of(column);
        let decides = role.is_some_and(|role| role != Role::Value || tolerance.flips.is_some());
        if decides {
            labels.push((role.unwrap_or(Role::Value), of, [digests.0, digests.1]));
        }
        if digests.0 == digests.1 || decides && role == Some(Role::Value) {
            continue;
        }
        each_difference(
            store,
            of,
            [digests.0, digests.1],
            before.rows,
            |values| match values {
                [Some(before), Some(after)] => distance.number(before, after, tolerance),
                _ => distance.other(),
            },
        )?;
    }
    if !labels.is_empty() {
        let flips = label_flips(store, &labels, before.rows)?;
        distance.flipped(flips);
        if flips > 0 && distance.values == 0 {
            distance.values = flips;
        }
    }
    Ok(distance)
}

/// In how many rows of two stored tables of predictions the label is another one: see [`table_distance`].
/// None where they have no labels, not the same columns, or not equally many rows.
///
/// # Errors
/// A table that is not there, or damaged.
pub fn labels_flipped(store: &Store, tables: [&Digest; 2]) -> Result<Option<u64>, TableError> {
    let objects = [
        store.table_object(tables[0])?,
        store.table_object(tables[1])?,
    ];
    let [before, after] = &objects;
    let same = SchemaDiff::of(&before.schema, &after.schema).is_empty();
    if !same || before.rows != after.rows {
        return Ok(None);
    }
    let columns = before.schema.columns().iter();
    let digests = before.columns.iter().zip(&after.columns);
    let labels = columns.zip(digests).filter_map(|(column, digests)| {
        let role = Role::of(column)?;
        Some((role, column.logical_type, [digests.0, digests.1]))
    });
    let labels: Vec<_> = labels.collect();
    if labels.is_empty() {
        return Ok(None);
    }
    // What is the same everywhere flips nothing, and need not be read.
    if labels.iter().all(|(.., [before, after])| before == after) {
        return Ok(Some(0));
    }
    label_flips(store, &labels, before.rows).map(Some)
}

/// What a column says of the label of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    /// Any value that is no float.
    Value,
    /// The probability of the positive class.
    Positive,
    /// The probability of one of several classes.
    OfClass,
}

impl Role {
    /// None if the column says nothing of it.
    fn of(column: &Column) -> Option<Self> {
        if column.logical_type != LogicalType::Float {
            return Some(Self::Value);
        }
        match column.name.as_str() {
            "prediction" => Some(Self::Positive),
            name if name.starts_with("probability=") => Some(Self::OfClass),
            _ => None,
        }
    }
}

/// Shows each pair of values that differ, as numbers where they are such.
fn each_difference(
    store: &Store,
    of: LogicalType,
    digests: [&Digest; 2],
    rows: u64,
    mut show: impl FnMut([Option<f64>; 2]),
) -> Result<(), TableError> {
    let [mut before, mut after] = [
        Values::open(store, digests[0], of)?,
        Values::open(store, digests[1], of)?,
    ];
    for _ in 0..rows {
        let values = [before.next()?, after.next()?];
        if !is_same(values[0], values[1]) {
            show(values.map(|value| number(of, value)));
        }
    }
    before.end(rows)?;
    after.end(rows)
}

/// In how many rows these columns give another label.
fn label_flips(
    store: &Store,
    columns: &[(Role, LogicalType, [&Digest; 2])],
    rows: u64,
) -> Result<u64, TableError> {
    let mut sides = Vec::with_capacity(columns.len());
    for (role, of, digests) in columns {
        let opened = [
            Values::open(store, digests[0], *of)?,
            Values::open(store, digests[1], *of)?,
        ];
        sides.push((*role, *of, opened));
    }
    let mut flips = 0;
    for _ in 0..rows {
        let mut flipped = false;
        // The class of the largest probability so far, on both sides; the first of several wins.
        let mut largest = [None::<(f64, usize)>; 2];
        for (place, (role, of, [before, after])) in sides.iter_mut().enumerate() {
            let values = [before.next()?, after.next()?];
            match role {
                Role::Value => flipped |= values[0] != values[1],
                Role::Positive => {
                    let is_share = |value: &f64| (0.0..=1.0).contains(value);
                    let shares = values.map(|value| number(*of, value).filter(is_share));
                    if let [Some(before), Some(after)] = shares {
                        flipped |= (before >= 0.5) != (after >= 0.5);
                    }
                }
                Role::OfClass => {
                    for (side, value) in values.into_iter().enumerate() {
                        let value = number(*of, value).unwrap_or(f64::NEG_INFINITY);
                        if largest[side].is_none_or(|(most, _)| value > most) {
                            largest[side] = Some((value, place));
                        }
                    }
                }
            }
        }
        let classes = largest.map(|found| found.map(|(_, place)| place));
        flips += u64::from(flipped || classes[0] != classes[1]);
    }
    for (.., [before, after]) in &mut sides {
        before.end(rows)?;
        after.end(rows)?;
    }
    Ok(flips)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::tests::scratch;
    use crate::table::tests::table;
    use crate::{ColumnData, write_table};

    #[test]
    fn values_are_compared_by_place() {
        let (_folder, store) = scratch();
        let write = |floats: Vec<f64>, texts: [Option<&str>; 3]| {
            let mut batch = store.batch();
            let texts = ColumnData::String(texts.into_iter().collect());
            let whole = ColumnData::Integer(vec![Some(1), None, Some(3)]);
            let columns = vec![("x", ColumnData::Float(floats)), ("t", texts), ("n", whole)];
            let stored = write_table(&mut batch, &table(columns)).unwrap();
            batch.commit().unwrap();
            stored.artifact.digest
        };
        let before = write(vec![1.0, 2.0, f64::NAN], [Some("a"), None, Some("c")]);
        let after = write(vec![1.0, 2.5, 7.0], [Some("a"), Some("b"), Some("d")]);
        let moved = table_moved(&store, [&before, &after]).unwrap();
        assert!(moved.schema.is_empty());
        let [x, t] = &moved.columns[..] else {
            panic!("{:?}", moved.columns)
        };
        assert_eq!(
            (x.name.as_str(), x.rows, x.missing, x.first),
            ("x", 2, 1, 2)
        );
        assert_eq!(x.largest, Some(0.5));
        assert_eq!(x.ulps, Some(ulps_apart(2.0, 2.5)));
        assert_eq!((t.rows, t.missing, t.largest, t.ulps), (2, 1, None, None));
        assert_eq!(t.values, [None, Some("b".to_owned())]);
        assert_eq!(table_moved(&store, [&before, &before]).unwrap().columns, []);
    }

    #[test]
    fn tables_are_judged_by_a_tolerance() {
        let (_folder, store) = scratch();
        let write = |floats: Vec<f64>, labels: [&str; 3]| {
            let mut batch = store.batch();
            let labels = ColumnData::String(labels.into_iter().map(Some).collect());
            let columns = vec![("prediction", ColumnData::Float(floats)), ("class", labels)];
            let stored = write_table(&mut batch, &table(columns)).unwrap();
            batch.commit().unwrap();
            stored.artifact.digest
        };
        let judged = |after: &Digest, tolerance: Tolerance| {
            let before = write(vec![0.1, 0.49, 0.9], ["a", "b", "c"]);
            let distance = table_distance(&store, [&before, after], &tolerance).unwrap();
            let within = distance.is_within(&tolerance);
            (distance.values, distance.beyond, distance.flips, within)
        };
        let near = Tolerance {
            abs: Some(0.1),
            ..Tolerance::default()
        };
        let strict = Tolerance {
            flips: Some(0),
            ..near
        };
        let after = write(vec![0.1, 0.51, 0.9], ["a", "b", "c"]);
        assert_eq!(judged(&after, near), (1, 0, Some(1), true));
        assert_eq!(judged(&after, strict), (1, 0, Some(1), false));
        let after = write(vec![0.2, 0.49, f64::NAN], ["a", "b", "c"]);
        assert_eq!(judged(&after, near), (2, 1, Some(0), false));
        // Without a word on flips, what is no number must be the same.
        let after = write(vec![0.1, 0.49, 0.9], ["a", "b", "x"]);
        assert_eq!(judged(&after, near), (1, 1, Some(0), false));
        assert_eq!(judged(&after, strict), (1, 0, Some(1), false));
        let one = Tolerance {
            flips: Some(1),
            ..near
        };
        assert_eq!(judged(&after, one), (1, 0, Some(1), true));

        let classes = |a: f64, b: f64| {
            let mut batch = store.batch();
            let columns = vec![
                ("probability=a", ColumnData::Float(vec![a])),
                ("probability=b", ColumnData::Float(vec![b])),
            ];
            let stored = write_table(&mut batch, &table(columns)).unwrap();
            batch.commit().unwrap();
            stored.artifact.digest
        };
        let (before, after) = (classes(0.5, 0.5), classes(0.49, 0.51));
        let distance = table_distance(&store, [&before, &after], &near).unwrap();
        assert_eq!((distance.values, distance.flips), (2, Some(1)));
    }
}
