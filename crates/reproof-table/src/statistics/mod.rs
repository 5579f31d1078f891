//! Statistics of a table: exact counts, sums and ranges; values, quantiles and histograms exact
//! as long as a column has up to 65,536 different values, and then estimates that state their
//! error.
//!
//! Nothing here depends on the order in which parts of a table are looked at, nor on the parts.
//! Statistics lie beside a table and are no part of its identity.

mod bins;
mod collect;
mod document;
mod finish;
mod hash;
mod moments;
mod sample;
mod texts;

pub use collect::Collector;
pub use document::{
    ColumnStatistics, Distinct, Histogram, Quantile, Quantiles, Statistics, Top, TopValue,
};

use reproof_record::{Digest, TableObject};
use reproof_store::Store;

use crate::storage::MAX_COLUMN;
use crate::{TableError, Threads, map_ranges};

/// How much is computed of each column.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum StatisticsLevel {
    /// Nothing.
    None,
    /// Counts, ranges, means and standard deviations.
    Basic,
    /// Also different and frequent values, quantiles and histograms.
    #[default]
    Full,
}

/// The statistics of a table from those of its columns, in the schema's order.
pub(crate) fn statistics(rows: u64, columns: Vec<ColumnStatistics>) -> Statistics {
    Statistics {
        format: Statistics::FORMAT.to_owned(),
        rows,
        columns,
    }
}

/// Computes the full statistics of one column of a stored table.
///
/// # Errors
/// A table that is not there or damaged, and a column that it does not have.
pub fn column_statistics(
    store: &Store,
    digest: &Digest,
    name: &str,
) -> Result<ColumnStatistics, TableError> {
    let object = store.table_object(digest)?;
    let index = object.schema.position(name);
    let index = index.ok_or_else(|| TableError::NoSuchColumn {
        column: name.to_owned(),
    })?;
    gather(store, &object, index, StatisticsLevel::Full)
}

fn gather(
    store: &Store,
    object: &TableObject,
    index: usize,
    level: StatisticsLevel,
) -> Result<ColumnStatistics, TableError> {
    let column = &object.schema.columns()[index];
    let bytes = store.read(&object.columns[index], MAX_COLUMN)?;
    let mut collector = Collector::new(column.logical_type, level, 0);
    collector.observe(&bytes);
    Ok(collector.finish(&column.name))
}

/// Computes the statistics of a stored table, a column at a time.
///
/// # Errors
/// A table that is not there or damaged.
pub fn table_statistics(
    store: &Store,
    digest: &Digest,
    level: StatisticsLevel,
    threads: Threads,
) -> Result<Statistics, TableError> {
    let object = store.table_object(digest)?;
    let parts = map_ranges(threads, object.columns.len(), |range| {
        range
            .map(|index| gather(store, &object, index, level))
            .collect::<Result<Vec<_>, _>>()
    });
    let parts = parts.into_iter().collect::<Result<Vec<_>, _>>()?;
    let all = parts.into_iter().flatten().collect();
    Ok(statistics(object.rows, all))
}

#[cfg(test)]
mod tests;
