//! How far the values of one table are from those of another, row by row.

use reproof_record::{Column, Digest, LogicalType};
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
        if before == after {
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

/// How many doubles lie between two, the second counted.
pub fn ulps_apart(a: f64, b: f64) -> u64 {
    // The bits of doubles, made to grow with their values.
    let ordered = |value: f64| {
        let bits = value.to_bits() as i64;
        if bits < 0 { i64::MIN - bits } else { bits }
    };
    ordered(a).abs_diff(ordered(b))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::tests::scratch;
    use crate::table::tests::table;
    use crate::{ColumnData, write_table};

    #[test]
    fn doubles_are_counted() {
        assert_eq!(ulps_apart(1.0, 1.0), 0);
        assert_eq!(ulps_apart(1.0, 1.0 + f64::EPSILON), 1);
        assert_eq!(ulps_apart(1.0 + f64::EPSILON, 1.0), 1);
        let least = f64::from_bits(1);
        assert_eq!(ulps_apart(-least, least), 2);
        assert_eq!(ulps_apart(0.0, -0.0), 0);
        assert_eq!(
            ulps_apart(f64::NEG_INFINITY, f64::INFINITY),
            2 * 0x7ff0_0000_0000_0000
        );
    }

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
}
