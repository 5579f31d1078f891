//! Splits decided for each row by its content: adding rows never moves old ones, and equal rows
//! share a part. The rules are described, with test vectors, in `docs/formats/splits.md`.

mod exact;
mod indexed;
mod stratified;
mod time;

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::encoding::put_value;
use crate::{Table, TableError, Threads, map_ranges};
pub use indexed::SplitIndexed;
pub use stratified::SplitStratified;
pub use time::SplitTime;

/// The parts in the order of time and of people's talk.
const PARTS: [&str; 3] = ["train", "eval", "test"];

/// What the key of the row hashes is derived for.
const CONTEXT: &str = "reproof.split_random/1 row hash";
/// How far ratios may sum from 1.
const TOLERANCE: f64 = 1e-9;
/// Ratios are weighed as whole numbers of 2^-62, so that weights times hashes fit 128 bits.
const WEIGHT_ONE: f64 = (1_u64 << 62) as f64;

/// Divides the rows of a table into parts, each of them by a hash of the seed and its content.
///
/// The hash is BLAKE3, under a key derived from the seed, of the row's values in the table's
/// encoding, in the schema's order; its first 8 bytes are a little-endian number. The parts, in
/// the order of their names, share the range of that number by their ratios, computed in whole
/// numbers. So the ratios hold in expectation, not exactly. Rows keep their order within a part;
/// a part may be empty.
///
/// Ratios must lie in (0, 1] and sum to 1 within 1e-9.
pub fn split_random(
    table: &Table,
    ratios: &BTreeMap<String, f64>,
    seed: u64,
    threads: Threads,
) -> Result<BTreeMap<String, Table>, TableError> {
    let bounds = Bounds::new(ratios)?;
    let hashes = RowHasher::new(CONTEXT, seed).all(table, threads)?;
    let names: Vec<&str> = ratios.keys().map(String::as_str).collect();
    take_parts(
        table,
        &names,
        hashes.into_iter().map(|hash| bounds.part(hash)),
    )
}

/// The parameters of `split_random@1`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SplitRandom {
    /// The share of each part.
    pub ratios: BTreeMap<String, f64>,
    /// The columns that are hashed; all if there are none. Rows that are equal in them share a
    /// part.
    #[serde(default)]
    pub key: Vec<String>,
    /// Whether the shares hold exactly, as far as equal rows allow: the rows are ranked by their
    /// hashes. Then a new row may move others.
    #[serde(default)]
    pub exact: bool,
}

impl SplitRandom {
    /// Divides the rows of a table.
    ///
    /// # Errors
    /// Ratios that do not divide, a column that is not there, and a part without rows.
    pub fn split(
        &self,
        table: &Table,
        seed: u64,
        threads: Threads,
    ) -> Result<BTreeMap<String, Table>, TableError> {
        let bounds = Bounds::new(&self.ratios)?;
        let keyed;
        let hashed = if self.key.is_empty() {
            table
        } else {
            let names: Vec<&str> = self.key.iter().map(String::as_str).collect();
            keyed = table.select(&names)?;
            &keyed
        };
        let hashes = RowHasher::new(CONTEXT, seed).all(hashed, threads)?;
        let parts = if self.exact {
            exact::divide(&hashes, &bounds)
        } else {
            hashes.iter().map(|&hash| bounds.part(hash)).collect()
        };
        let names: Vec<&str> = self.ratios.keys().map(String::as_str).collect();
        filled_parts(table, &names, parts)
    }
}

/// The rows of each part, in their order; `parts` are places among the names.
fn take_parts(
    table: &Table,
    names: &[&str],
    parts: impl Iterator<Item = usize>,
) -> Result<BTreeMap<String, Table>, TableError> {
    let mut rows = vec![Vec::new(); names.len()];
    for (row, part) in parts.enumerate() {
        if let Some(rows) = rows.get_mut(part) {
            rows.push(row);
        }
    }
    let parts = names.iter().zip(rows);
    parts
        .map(|(name, rows)| Ok(((*name).to_owned(), table.take(&rows)?)))
        .collect()
}

/// As [`take_parts`], and a part without rows is an error.
fn filled_parts(
    table: &Table,
    names: &[&str],
    parts: Vec<usize>,
) -> Result<BTreeMap<String, Table>, TableError> {
    let parts = take_parts(table, names, parts.into_iter())?;
    // The training part first: without it nothing else matters.
    let empty = PARTS
        .iter()
        .find(|name| parts.get(**name).is_some_and(|part| part.rows() == 0));
    match empty {
        Some(part) => Err(TableError::EmptyPart {
            part: (*part).to_owned(),
            rows: table.rows(),
        }),
        None => Ok(parts),
    }
}

/// Hashes the content of rows.
struct RowHasher {
    keyed: blake3::Hasher,
}

impl RowHasher {
    fn new(context: &str, seed: u64) -> Self {
        let key = blake3::derive_key(context, &seed.to_le_bytes());
        Self {
            keyed: blake3::Hasher::new_keyed(&key),
        }
    }

    /// The hashes of all rows, in their order.
    fn all(&self, table: &Table, threads: Threads) -> Result<Vec<u64>, TableError> {
        let parts = map_ranges(threads, table.rows(), |range| {
            let mut encoded = Vec::new();
            range
                .map(|row| self.hash(table, row, &mut encoded))
                .collect::<Result<Vec<u64>, TableError>>()
        });
        let parts: Vec<_> = parts.into_iter().collect::<Result<_, _>>()?;
        Ok(parts.concat())
    }

    /// The hash of a row; `encoded` is room to work in.
    fn hash(&self, table: &Table, row: usize, encoded: &mut Vec<u8>) -> Result<u64, TableError> {
        encoded.clear();
        for (column, data) in table.schema().columns().iter().zip(table.columns()) {
            put_value(encoded, data, row).map_err(|bytes| TableError::TextTooLong {
                column: column.name.clone(),
                bytes,
            })?;
        }
        let mut hasher = self.keyed.clone();
        hasher.update(encoded);
        let mut first = [0; 8];
        hasher.finalize_xof().fill(&mut first);
        Ok(u64::from_le_bytes(first))
    }
}

/// Where the parts begin and end in the range of the hashes.
struct Bounds {
    /// For each part, the weights of it and of those before it.
    cumulative: Vec<u128>,
    total: u128,
}

impl Bounds {
    /// In the order of the names.
    fn new(ratios: &BTreeMap<String, f64>) -> Result<Self, TableError> {
        let ratios = ratios.iter();
        Self::in_order(ratios.map(|(name, ratio)| (name.as_str(), *ratio)))
    }

    fn in_order<'a>(ratios: impl Iterator<Item = (&'a str, f64)>) -> Result<Self, TableError> {
        let mut cumulative = Vec::new();
        let (mut total, mut sum) = (0, 0.0);
        for (name, ratio) in ratios {
            // Scaling by a power of two is exact, and so is dropping the digits after the point.
            let weight = (ratio * WEIGHT_ONE) as u128;
            if !(ratio <= 1.0 && weight > 0) {
                return Err(TableError::Ratios(format!(
                    "that of '{name}' is {ratio}, not in (0, 1]"
                )));
            }
            total += weight;
            sum += ratio;
            cumulative.push(total);
        }
        if (sum - 1.0).abs() > TOLERANCE {
            return Err(TableError::Ratios(format!("they sum to {sum}, not to 1")));
        }
        Ok(Self { cumulative, total })
    }

    /// For each part, where it ends among so many rows: the nearest number to its share of them.
    fn ends(&self, rows: usize) -> Vec<usize> {
        // At most little more than 2^63 times 2^64.
        let nearest = |&bound: &u128| (2 * bound * rows as u128 + self.total) / (2 * self.total);
        let ends = self.cumulative.iter().map(nearest);
        ends.map(|end| usize::try_from(end).unwrap_or(rows).min(rows))
            .collect()
    }

    /// The part of a hash: the first whose upper bound lies above it.
    fn part(&self, hash: u64) -> usize {
        // Less than 2^64 times little more than 2^62 on the left, at most 2^64 times that on the
        // right. The last bound is the total, above any hash.
        let scaled = u128::from(hash) * self.total;
        self.cumulative
            .partition_point(|&bound| bound << 64 <= scaled)
    }
}

#[cfg(test)]
mod tests_more;

#[cfg(test)]
pub(crate) mod tests {
    use std::num::NonZeroUsize;

    use proptest::prelude::*;

    use super::*;
    use crate::ColumnData;
    use crate::table::tests::{table, tables};

    pub(crate) fn hash(table: &Table, row: usize, seed: u64) -> u64 {
        RowHasher::new(CONTEXT, seed)
            .hash(table, row, &mut Vec::new())
            .unwrap()
    }

    pub(crate) fn threads(count: usize) -> Threads {
        Threads::new(NonZeroUsize::new(count).unwrap())
    }

    fn ratios(ratios: &[(&str, f64)]) -> BTreeMap<String, f64> {
        ratios
            .iter()
            .map(|(name, ratio)| ((*name).to_owned(), *ratio))
            .collect()
    }

    fn usual() -> BTreeMap<String, f64> {
        ratios(&[("train", 0.7), ("eval", 0.15), ("test", 0.15)])
    }

    #[test]
    fn ratios_must_divide_the_rows() {
        let check = |wrong: &[(&str, f64)], expect: &str| {
            let table = table(vec![]);
            let error = split_random(&table, &ratios(wrong), 1, Threads::ONE).unwrap_err();
            assert!(error.to_string().contains(expect), "{error}");
        };
        check(&[], "sum to 0");
        check(&[("a", 0.5), ("b", 0.4)], "sum to 0.9");
        check(&[("a", 0.0), ("b", 1.0)], "that of 'a' is 0");
        check(&[("a", -1.0), ("b", 2.0)], "that of 'a' is -1");
        check(&[("a", f64::NAN)], "that of 'a' is NaN");
        check(&[("a", f64::INFINITY)], "that of 'a' is inf");
        check(&[("a", 1e-30), ("b", 1.0)], "that of 'a' is");
    }

    #[test]
    fn the_bounds_are_exact() {
        let bounds = Bounds::new(&ratios(&[("a", 0.25), ("b", 0.5), ("c", 0.25)])).unwrap();
        for (hash, part) in [
            (0, 0),
            ((1 << 62) - 1, 0),
            (1 << 62, 1),
            (3 << 62, 2),
            ((3 << 62) - 1, 1),
            (u64::MAX, 2),
        ] {
            assert_eq!(bounds.part(hash), part, "{hash:#x}");
        }
        for sum in [1.0 + 0.9e-9, 1.0 - 0.9e-9] {
            let bounds = Bounds::new(&ratios(&[("a", 0.5), ("b", sum - 0.5)])).unwrap();
            assert_eq!((bounds.part(0), bounds.part(u64::MAX)), (0, 1));
        }
        let one = Bounds::new(&ratios(&[("a", 1.0)])).unwrap();
        assert_eq!((one.part(0), one.part(u64::MAX)), (0, 0));
    }

    #[test]
    fn ratios_hold_in_expectation() {
        let rows = 20_000_i64;
        let table = table(vec![(
            "id",
            ColumnData::Integer((0..rows).map(Some).collect()),
        )]);
        let parts = split_random(&table, &usual(), 42, threads(2)).unwrap();
        assert_eq!(parts.values().map(Table::rows).sum::<usize>(), 20_000);
        for (name, ratio) in usual() {
            let share = parts[&name].rows() as f64 / rows as f64;
            // Five standard errors.
            let error = 5.0 * (ratio * (1.0 - ratio) / rows as f64).sqrt();
            assert!((share - ratio).abs() < error, "{name}: {share}");
        }
        let other = split_random(&table, &usual(), 43, Threads::ONE).unwrap();
        assert_ne!(parts["eval"], other["eval"]);
    }

    proptest! {
        #[test]
        fn any_number_of_threads_gives_the_same(whole in tables(), seed in any::<u64>()) {
            let one = split_random(&whole, &usual(), seed, Threads::ONE).unwrap();
            for count in [2, 3, 7] {
                let many = split_random(&whole, &usual(), seed, threads(count)).unwrap();
                prop_assert_eq!(&many, &one);
            }
        }

        /// The part of a row depends on its content and the seed alone.
        #[test]
        fn rows_stay_where_they_are(
            whole in tables(),
            seed in any::<u64>(),
            extra in prop::collection::vec(any::<prop::sample::Index>(), 0..40),
        ) {
            prop_assume!(whole.rows() > 0);
            // The rows twice, then any of them again.
            let mut order: Vec<usize> = (0..whole.rows()).chain(0..whole.rows()).collect();
            order.extend(extra.iter().map(|index| index.index(whole.rows())));
            let more = whole.take(&order).unwrap();
            let before = split_random(&whole, &usual(), seed, Threads::ONE).unwrap();
            let after = split_random(&more, &usual(), seed, Threads::ONE).unwrap();
            for (name, part) in before {
                let same: Vec<usize> = (0..part.rows()).collect();
                prop_assert_eq!(after[&name].take(&same).unwrap(), part.clone());
                let again: Vec<usize> = (part.rows()..2 * part.rows()).collect();
                prop_assert_eq!(after[&name].take(&again).unwrap(), part);
            }
        }
    }
}
