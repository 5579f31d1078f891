//! What differs between two stored tables: columns, and rows by their content or by a key.
//!
//! Rows are compared by hashes of 128 bits over the columns that both tables have with one type,
//! whatever their order. Memory is bounded by the number of rows: 20 bytes for each row of both
//! tables, with a key 28, and 8 for each changed row.

mod rows;

use std::collections::{BTreeMap, BTreeSet};

use reproof_record::{Column, Digest, LogicalType, Schema, TableObject};
use reproof_store::Store;
use serde::Serialize;

use crate::TableError;
use crate::stream::{each_value, text};
use rows::{Found, by_content, by_key, column_hashes};
pub(crate) use rows::{sorted_rows, value_hash};

/// How two tables differ.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TableDiff {
    /// How their columns differ.
    pub schema: SchemaDiff,
    /// The rows of both.
    pub rows: [u64; 2],
    /// The columns by which rows are compared, besides the key.
    pub compared: Vec<String>,
    /// The columns that tell which row is which; none if only content does.
    pub key: Vec<String>,
    /// Rows that only the second table has.
    pub added: u64,
    /// Rows that only the first table has.
    pub removed: u64,
    /// Rows of one key whose content differs; none without a key.
    pub changed: Option<u64>,
    /// Rows that both have.
    pub unchanged: u64,
    /// Of the removed rows and of the added ones, how many are copies of a row that the other table has, too;
    /// zero with a key.
    pub copies: [u64; 2],
    /// Whether both have the same rows, in another order.
    pub reordered: bool,
    /// Of each table, how many rows have a key that a row before them has, too.
    pub repeated_keys: [u64; 2],
    /// In how many of the changed rows each column differs; those that differ in none are left out.
    pub changed_columns: BTreeMap<String, u64>,
    /// Some of the rows.
    pub samples: Samples,
}

impl TableDiff {
    /// Whether nothing differs.
    pub fn is_empty(&self) -> bool {
        self.schema.is_empty()
            && !self.reordered
            && self.added + self.removed + self.changed.unwrap_or(0) == 0
    }
}

/// How the columns of two tables differ.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct SchemaDiff {
    /// Columns that only the second has.
    pub added: Vec<Column>,
    /// Columns that only the first has.
    pub removed: Vec<Column>,
    /// Columns whose type differs.
    pub retyped: Vec<Retyped>,
    /// Whether those that both have stand in another order.
    pub reordered: bool,
}

/// A column whose type differs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Retyped {
    /// The column.
    pub name: String,
    /// Its type in the first table.
    pub before: LogicalType,
    /// Its type in the second.
    pub after: LogicalType,
}

impl SchemaDiff {
    /// How the second schema differs from the first.
    pub fn of(before: &Schema, after: &Schema) -> Self {
        let missing = |of: &Schema, from: &Schema| {
            let columns = of.columns().iter();
            let missing = columns.filter(|column| from.column(&column.name).is_none());
            missing.cloned().collect()
        };
        let common = |of: &Schema, from: &Schema| -> Vec<String> {
            let columns = of.columns().iter();
            let common = columns.filter(|column| from.column(&column.name).is_some());
            common.map(|column| column.name.clone()).collect()
        };
        let retyped = before.columns().iter().filter_map(|column| {
            let now = after.column(&column.name)?;
            (now.logical_type != column.logical_type).then(|| Retyped {
                name: column.name.clone(),
                before: column.logical_type,
                after: now.logical_type,
            })
        });
        Self {
            added: missing(after, before),
            removed: missing(before, after),
            retyped: retyped.collect(),
            reordered: common(before, after) != common(after, before),
        }
    }

    /// Whether nothing differs.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Some of the rows that differ: the first ones.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Samples {
    /// Rows that only the second table has.
    pub added: Vec<SampleRow>,
    /// Rows that only the first table has.
    pub removed: Vec<SampleRow>,
    /// Rows of one key whose content differs.
    pub changed: Vec<ChangedRow>,
}

/// A row.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SampleRow {
    /// Its number, counted from 1.
    pub row: u64,
    /// Its values by column, as their canonical texts; none is missing.
    pub values: BTreeMap<String, Option<String>>,
}

/// A row whose content differs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ChangedRow {
    /// Its numbers in both tables, counted from 1.
    pub rows: [u64; 2],
    /// Its key.
    pub key: BTreeMap<String, Option<String>>,
    /// The values that differ, by column: before and after.
    pub values: BTreeMap<String, [Option<String>; 2]>,
}

/// Compares two stored tables: their rows by the values of `key`, or by their content if it is
/// empty. At most `limit` rows of each kind are given as samples.
///
/// # Errors
/// A table that is not there or damaged, and a key that not both tables have with one type.
pub fn diff_tables(
    store: &Store,
    tables: [&Digest; 2],
    key: &[String],
    limit: usize,
) -> Result<TableDiff, TableError> {
    let objects = [
        store.table_object(tables[0])?,
        store.table_object(tables[1])?,
    ];
    let common = common(&objects);
    for name in key {
        if !common.contains(name.as_str()) {
            return Err(TableError::NoSuchColumn {
                column: name.clone(),
            });
        }
    }
    let compared: Vec<&str> = common
        .iter()
        .copied()
        .filter(|name| !key.iter().any(|column| column == name))
        .collect();
    let keys: Vec<&str> = key.iter().map(String::as_str).collect();
    let found = match (tables[0] == tables[1], key.is_empty()) {
        (true, _) => Found::nothing(objects[0].rows),
        (false, true) => by_content(store, &objects, &compared)?,
        (false, false) => by_key(store, &objects, &keys, &compared)?,
    };
    let differ = Differ {
        store,
        objects: &objects,
        keys: &keys,
        compared: &compared,
        limit,
    };
    Ok(TableDiff {
        schema: SchemaDiff::of(&objects[0].schema, &objects[1].schema),
        rows: [objects[0].rows, objects[1].rows],
        added: found.added.len() as u64,
        removed: found.removed.len() as u64,
        changed: (!key.is_empty()).then_some(found.changed.len() as u64),
        unchanged: found.unchanged,
        copies: found.copies,
        reordered: found.moved
            && found.added.is_empty()
            && found.removed.is_empty()
            && found.changed.is_empty(),
        repeated_keys: found.repeated,
        changed_columns: differ.changed_columns(&found)?,
        samples: differ.samples(&found)?,
        compared: compared.iter().map(ToString::to_string).collect(),
        key: key.to_vec(),
    })
}

/// The columns that both tables have with one type, sorted.
fn common(objects: &[TableObject; 2]) -> BTreeSet<&str> {
    let [before, after] = objects;
    let columns = before.schema.columns().iter();
    let both = columns.filter(|column| after.schema.column(&column.name) == Some(column));
    both.map(|column| column.name.as_str()).collect()
}

struct Differ<'a> {
    store: &'a Store,
    objects: &'a [TableObject; 2],
    keys: &'a [&'a str],
    compared: &'a [&'a str],
    limit: usize,
}

impl Differ<'_> {
    fn changed_columns(&self, found: &Found) -> Result<BTreeMap<String, u64>, TableError> {
        let mut counts = BTreeMap::new();
        if found.changed.is_empty() {
            return Ok(counts);
        }
        for name in self.compared {
            let before = column_hashes(self.store, &self.objects[0], name)?;
            let after = column_hashes(self.store, &self.objects[1], name)?;
            let differs = |pair: &&[u32; 2]| before[pair[0] as usize] != after[pair[1] as usize];
            let count = found.changed.iter().filter(differs).count() as u64;
            if count > 0 {
                counts.insert((*name).to_owned(), count);
            }
        }
        Ok(counts)
    }

    fn samples(&self, found: &Found) -> Result<Samples, TableError> {
        let first = |rows: &[u32]| -> Vec<u32> {
            let mut rows = rows.to_vec();
            rows.sort_unstable();
            rows.truncate(self.limit);
            rows
        };
        let all = |table: usize, rows: &[u32]| -> Result<Vec<SampleRow>, TableError> {
            let object = &self.objects[table];
            let columns = object.schema.columns().iter();
            let names: Vec<&str> = columns.map(|column| column.name.as_str()).collect();
            let values = values(self.store, object, &names, rows)?;
            let rows = rows.iter().zip(values);
            Ok(rows
                .map(|(row, values)| SampleRow {
                    row: u64::from(*row) + 1,
                    values,
                })
                .collect())
        };
        let mut changed = found.changed.clone();
        changed.sort_unstable_by_key(|pair| pair[1]);
        changed.truncate(self.limit);
        Ok(Samples {
            added: all(1, &first(&found.added))?,
            removed: all(0, &first(&found.removed))?,
            changed: self.changed_rows(&changed)?,
        })
    }

    fn changed_rows(&self, pairs: &[[u32; 2]]) -> Result<Vec<ChangedRow>, TableError> {
        let side = |table: usize, names: &[&str]| {
            let rows: Vec<u32> = pairs.iter().map(|pair| pair[table]).collect();
            values(self.store, &self.objects[table], names, &rows)
        };
        let keys = side(1, self.keys)?;
        let (before, after) = (side(0, self.compared)?, side(1, self.compared)?);
        let rows = pairs.iter().zip(keys).zip(before.into_iter().zip(after));
        Ok(rows
            .map(|((pair, key), (before, mut after))| {
                let values = before.into_iter().filter_map(|(name, before)| {
                    let after = after.remove(&name)?;
                    (before != after).then_some((name, [before, after]))
                });
                ChangedRow {
                    rows: [u64::from(pair[0]) + 1, u64::from(pair[1]) + 1],
                    key,
                    values: values.collect(),
                }
            })
            .collect())
    }
}

/// The values of some rows, in the order of the rows.
pub(crate) fn values(
    store: &Store,
    object: &TableObject,
    names: &[&str],
    rows: &[u32],
) -> Result<Vec<BTreeMap<String, Option<String>>>, TableError> {
    let mut found = vec![BTreeMap::new(); rows.len()];
    if rows.is_empty() {
        return Ok(found);
    }
    // Where each wanted row stands among the rows; one may be wanted twice.
    let mut wanted: BTreeMap<u64, Vec<usize>> = BTreeMap::new();
    for (at, row) in rows.iter().enumerate() {
        wanted.entry(u64::from(*row)).or_default().push(at);
    }
    for name in names {
        let (digest, logical_type) = column(object, name)?;
        each_value(store, digest, logical_type, object.rows, |row, value| {
            if let Some(places) = wanted.get(&row) {
                let text = text(logical_type, value)?;
                for at in places {
                    found[*at].insert((*name).to_owned(), text.clone());
                }
            }
            Ok(())
        })?;
    }
    Ok(found)
}

/// The stored values and the type of a column.
pub(crate) fn column<'a>(
    object: &'a TableObject,
    name: &str,
) -> Result<(&'a Digest, LogicalType), TableError> {
    let missing = || TableError::NoSuchColumn {
        column: name.to_owned(),
    };
    let at = object.schema.position(name).ok_or_else(missing)?;
    let digest = object.columns.get(at).ok_or_else(missing)?;
    Ok((digest, object.schema.columns()[at].logical_type))
}

#[cfg(test)]
mod tests;
