//! A split in which every value of a column has its share of each part.

use std::borrow::Cow;
use std::collections::BTreeMap;

use reproof_record::LogicalType;
use serde::Deserialize;

use super::exact::part_of;
use super::{Bounds, RowHasher, filled_parts};
use crate::{Table, TableError, Threads};

/// What the key of the row hashes is derived for.
const CONTEXT: &str = "reproof.split_stratified/1 row hash";

/// The parameters of `split_stratified@1`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SplitStratified {
    /// The column whose values are strata; a missing one is a stratum, too.
    pub by: String,
    /// The share of each part.
    pub ratios: BTreeMap<String, f64>,
}

impl SplitStratified {
    /// Divides the rows of a table. Within each stratum the rows are ranked by a hash of the seed
    /// and their content, and divided by the ratios; what rounding leaves over is made good in the
    /// strata that follow, in the order of their texts, so that the shares hold over all, too.
    /// Equal rows share a part.
    ///
    /// # Errors
    /// Ratios that do not divide, a column that is not there or has floats, a part without rows.
    pub fn split(
        &self,
        table: &Table,
        seed: u64,
        threads: Threads,
    ) -> Result<BTreeMap<String, Table>, TableError> {
        let bounds = Bounds::new(&self.ratios)?;
        let data = table
            .column(&self.by)
            .ok_or_else(|| TableError::NoSuchColumn {
                column: self.by.clone(),
            })?;
        if data.logical_type() == LogicalType::Float {
            return Err(TableError::Split(format!(
                "it is stratified by '{}', whose values are floats: strata need values that stand \
                 often",
                self.by
            )));
        }
        let hashes = RowHasher::new(CONTEXT, seed).all(table, threads)?;
        let mut strata: BTreeMap<Option<Cow<'_, str>>, Vec<usize>> = BTreeMap::new();
        for row in 0..table.rows() {
            strata.entry(data.text(row)).or_default().push(row);
        }
        let names: Vec<&str> = self.ratios.keys().map(String::as_str).collect();
        let mut parts = vec![0; table.rows()];
        // For each part, how many rows it and those before it have.
        let mut filled = vec![0_usize; names.len()];
        let mut seen = 0;
        for rows in strata.values_mut() {
            rows.sort_unstable_by_key(|&row| (hashes[row], row));
            seen += rows.len();
            let ends = stratum_ends(&bounds.ends(seen), &filled, rows.len());
            let mut before = 0;
            for group in rows.chunk_by(|&a, &b| hashes[a] == hashes[b]) {
                let part = part_of(before, group.len(), &ends);
                for &row in group {
                    parts[row] = part;
                }
                before += group.len();
                for filled in filled.iter_mut().skip(part) {
                    *filled += group.len();
                }
            }
        }
        filled_parts(table, &names, parts)
    }
}

/// Where the parts end in a stratum, so that with those before it they end at `wanted`.
fn stratum_ends(wanted: &[usize], filled: &[usize], rows: usize) -> Vec<usize> {
    let mut last = 0;
    let mut ends = Vec::with_capacity(wanted.len());
    for (wanted, filled) in wanted.iter().zip(filled) {
        last = wanted.saturating_sub(*filled).clamp(last, rows);
        ends.push(last);
    }
    ends
}
