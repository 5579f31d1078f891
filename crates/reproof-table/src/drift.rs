//! How far the values of a column moved between two tables.
//!
//! Shares of the rows are compared over bins: of numbers the tenths of the first table and, of texts
//! and booleans, its most frequent values and all others; missing values are a bin of their own.
//! The population stability index is that of Siddiqi, *Credit Risk Scorecards* (2006), with half a
//! row more in each bin, so that an empty one has a share; the divergence is that of Lin, *Divergence
//! measures based on the Shannon entropy* (1991), in bits; the distance between the distributions of
//! numbers is Smirnov's (1939), exact.

use std::collections::BTreeMap;

use reproof_record::{Digest, LogicalType, TableObject};
use reproof_store::Store;
use serde::Serialize;

use crate::TableError;
use crate::diff::column;
use crate::stream::{each_value, is_missing, number};

/// Into how many parts the numbers of the first table are cut.
const TENTHS: usize = 10;
/// How many of the most frequent values have a bin of their own.
const FREQUENT: usize = 50;

/// How far the values of a column moved.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Drift {
    /// The column.
    pub column: String,
    /// The population stability index: 0 where no share moved. Without an upper bound; under 0.1
    /// little moved, over 0.25 much did.
    pub psi: f64,
    /// The Jensen-Shannon divergence in bits, from 0 to 1.
    pub jensen_shannon: f64,
    /// The greatest distance between the distribution functions of numbers, days and moments, from
    /// 0 to 1; missing values do not count.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kolmogorov_smirnov: Option<f64>,
}

/// How far the values of a column moved, which both tables must have with one type; none if one of
/// them has no rows. Takes 8 bytes of memory for each row of both.
///
/// # Errors
/// A table that is not there or damaged, and a column that not both have.
pub fn column_drift(
    store: &Store,
    tables: [&Digest; 2],
    name: &str,
) -> Result<Option<Drift>, TableError> {
    let objects = [
        store.table_object(tables[0])?,
        store.table_object(tables[1])?,
    ];
    let (_, logical_type) = column(&objects[0], name)?;
    if column(&objects[1], name)?.1 != logical_type {
        return Err(TableError::Shape(format!(
            "column '{name}' has another type"
        )));
    }
    let [before, after] = &objects;
    if before.rows == 0 || after.rows == 0 {
        return Ok(None);
    }
    let is_number = logical_type.is_numeric() || logical_type.is_time();
    let (bins, distance) = if is_number {
        let (before, after) = (
            Numbers::read(store, before, name)?,
            Numbers::read(store, after, name)?,
        );
        (
            tenths(&before, &after),
            distance(&before.values, &after.values),
        )
    } else {
        let (before, after) = (
            Values::read(store, before, name)?,
            Values::read(store, after, name)?,
        );
        (frequent(&before, &after), None)
    };
    Ok(Some(Drift {
        column: name.to_owned(),
        psi: stability_index(&bins),
        jensen_shannon: divergence(&bins),
        kolmogorov_smirnov: distance,
    }))
}

/// How many rows of both tables each bin holds.
type Bins = Vec<[u64; 2]>;

/// The numbers of a column, sorted.
struct Numbers {
    values: Vec<f64>,
    missing: u64,
}

impl Numbers {
    fn read(store: &Store, object: &TableObject, name: &str) -> Result<Self, TableError> {
        let mut numbers = Self {
            values: Vec::new(),
            missing: 0,
        };
        let (digest, logical_type) = column(object, name)?;
        each_value(store, digest, logical_type, object.rows, |_, value| {
            match number(logical_type, value) {
                Some(value) => numbers.values.push(value),
                None => numbers.missing += 1,
            }
            Ok(())
        })?;
        numbers.values.sort_unstable_by(f64::total_cmp);
        Ok(numbers)
    }

    /// How many values are at most this.
    fn up_to(&self, bound: f64) -> u64 {
        self.values.partition_point(|value| *value <= bound) as u64
    }
}

fn tenths(before: &Numbers, after: &Numbers) -> Bins {
    let count = before.values.len();
    let at = |tenth: usize| {
        before
            .values
            .get((count * tenth).div_ceil(TENTHS).max(1) - 1)
    };
    let mut bounds: Vec<f64> = (1..TENTHS).filter_map(at).copied().collect();
    bounds.dedup();
    let mut bins = Vec::new();
    let mut below = [0, 0];
    for bound in bounds {
        let up_to = [before.up_to(bound), after.up_to(bound)];
        bins.push([up_to[0] - below[0], up_to[1] - below[1]]);
        below = up_to;
    }
    let all = [before.values.len() as u64, after.values.len() as u64];
    bins.push([all[0] - below[0], all[1] - below[1]]);
    bins.push([before.missing, after.missing]);
    bins
}

/// The greatest distance between two distribution functions.
fn distance(before: &[f64], after: &[f64]) -> Option<f64> {
    if before.is_empty() || after.is_empty() {
        return None;
    }
    let (mut a, mut b, mut most) = (0, 0, 0.0_f64);
    while a < before.len() && b < after.len() {
        let value = before[a].min(after[b]);
        a += before[a..]
            .iter()
            .take_while(|other| **other <= value)
            .count();
        b += after[b..]
            .iter()
            .take_while(|other| **other <= value)
            .count();
        let apart = a as f64 / before.len() as f64 - b as f64 / after.len() as f64;
        most = most.max(apart.abs());
    }
    Some(most)
}

/// The hashes of a column's values, sorted.
struct Values {
    hashes: Vec<u64>,
    missing: u64,
}

impl Values {
    fn read(store: &Store, object: &TableObject, name: &str) -> Result<Self, TableError> {
        let mut values = Self {
            hashes: Vec::new(),
            missing: 0,
        };
        let (digest, logical_type): (_, LogicalType) = column(object, name)?;
        each_value(store, digest, logical_type, object.rows, |_, value| {
            if is_missing(logical_type, value) {
                values.missing += 1;
            } else {
                values.hashes.push(crate::diff::value_hash(value));
            }
            Ok(())
        })?;
        values.hashes.sort_unstable();
        Ok(values)
    }

    fn count(&self, hash: u64) -> u64 {
        let begin = self.hashes.partition_point(|other| *other < hash);
        let end = self.hashes.partition_point(|other| *other <= hash);
        (end - begin) as u64
    }

    /// The hashes of the most frequent values.
    fn most_frequent(&self) -> BTreeMap<u64, u64> {
        let runs = self.hashes.chunk_by(|one, other| one == other);
        let mut counts: Vec<(u64, u64)> = runs.map(|run| (run.len() as u64, run[0])).collect();
        counts.sort_unstable_by(|one, other| other.cmp(one));
        counts.truncate(FREQUENT);
        counts
            .into_iter()
            .map(|(count, hash)| (hash, count))
            .collect()
    }
}

fn frequent(before: &Values, after: &Values) -> Bins {
    let mut rest = [before.hashes.len() as u64, after.hashes.len() as u64];
    let mut bins = Vec::new();
    for (hash, count) in before.most_frequent() {
        let now = after.count(hash);
        rest = [rest[0] - count, rest[1] - now];
        bins.push([count, now]);
    }
    bins.push(rest);
    bins.push([before.missing, after.missing]);
    bins
}

/// Of each bin the shares of both tables, with so much more in each; bins with nothing in them are
/// left out.
fn shares(bins: &Bins, more: f64) -> Vec<[f64; 2]> {
    let used: Vec<_> = bins.iter().filter(|bin| bin[0] + bin[1] > 0).collect();
    let total = |side: usize| -> f64 {
        let rows: u64 = used.iter().map(|bin| bin[side]).sum();
        rows as f64 + more * used.len() as f64
    };
    let totals = [total(0), total(1)];
    let share = |bin: &[u64; 2], side: usize| (bin[side] as f64 + more) / totals[side];
    used.iter()
        .map(|bin| [share(bin, 0), share(bin, 1)])
        .collect()
}

fn stability_index(bins: &Bins) -> f64 {
    let parts = shares(bins, 0.5).into_iter();
    parts
        .map(|[before, after]| (after - before) * libm::log(after / before))
        .sum()
}

fn divergence(bins: &Bins) -> f64 {
    let part = |share: f64, middle: f64| {
        if share > 0.0 {
            share * libm::log2(share / middle) / 2.0
        } else {
            0.0
        }
    };
    let sum: f64 = shares(bins, 0.0)
        .into_iter()
        .map(|[before, after]| {
            let middle = f64::midpoint(before, after);
            part(before, middle) + part(after, middle)
        })
        .sum();
    sum.clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::tests::scratch;
    use crate::table::tests::table;
    use crate::{ColumnData, write_table};

    fn drift(before: ColumnData, after: ColumnData) -> Option<Drift> {
        let (_folder, store) = scratch();
        let mut digests = Vec::new();
        for data in [before, after] {
            let mut batch = store.batch();
            let stored = write_table(&mut batch, &table(vec![("a", data)])).unwrap();
            batch.commit().unwrap();
            digests.push(stored.artifact.digest);
        }
        column_drift(&store, [&digests[0], &digests[1]], "a").unwrap()
    }

    fn close(found: f64, expect: f64) {
        assert!((found - expect).abs() < 1e-12, "{found} is not {expect}");
    }

    fn integers(values: impl Iterator<Item = i64>) -> ColumnData {
        ColumnData::Integer(values.map(Some).collect())
    }

    #[test]
    fn equal_shares_do_not_drift() {
        let found = drift(integers(0..1000), integers((0..1000).rev())).unwrap();
        assert_eq!((found.psi, found.jensen_shannon), (0.0, 0.0));
        assert_eq!(found.kolmogorov_smirnov, Some(0.0));
        assert_eq!(drift(integers(0..0), integers(0..3)), None);
    }

    #[test]
    fn numbers_that_moved_away() {
        let found = drift(integers(0..100), integers(1000..1100)).unwrap();
        assert_eq!(found.kolmogorov_smirnov, Some(1.0));
        assert!(found.psi > 2.0, "{}", found.psi);
        // Half of the second table lies above the first: Smirnov's distance is 1/2.
        let found = drift(integers(0..100), integers(50..150)).unwrap();
        close(found.kolmogorov_smirnov.unwrap(), 0.5);
    }

    /// By hand: shares (3, 1) of 4 became (1, 3) of 4, with half a row more in each bin.
    #[test]
    fn the_measures_are_those_of_their_definitions() {
        let texts = |values: [&str; 4]| ColumnData::String(values.map(Some).into_iter().collect());
        let found = drift(texts(["x", "x", "x", "y"]), texts(["x", "y", "y", "y"])).unwrap();
        let (most, least): (f64, f64) = (3.5 / 5.0, 1.5 / 5.0);
        close(found.psi, 2.0 * (most - least) * libm::log(most / least));
        // 0.75 log2(0.75 / 0.5) + 0.25 log2(0.25 / 0.5)
        close(found.jensen_shannon, 0.75 * libm::log2(1.5) - 0.25);
        assert_eq!(found.kolmogorov_smirnov, None);
    }

    #[test]
    fn missing_values_are_a_bin() {
        let some = ColumnData::Float(vec![1.0, 2.0, 3.0, 4.0]);
        let none = ColumnData::Float(vec![f64::NAN; 4]);
        let found = drift(some.clone(), none).unwrap();
        close(found.jensen_shannon, 1.0);
        assert_eq!(found.kolmogorov_smirnov, None);
        assert_eq!(drift(some.clone(), some).unwrap().psi, 0.0);
    }
}
