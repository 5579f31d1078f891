//! Slices: the rows of a table grouped by the values of one or more columns.

use std::collections::BTreeMap;

use reproof_table::{Codes, ColumnData, Table};

use crate::LearnError;
use crate::buckets::{Buckets, Ranges};

/// The most slices by one list of columns.
const MAX_SLICES: usize = 10_000;

/// How many columns an error lists.
const LISTED: usize = 20;

/// Rows that share the values of some columns.
pub(crate) struct Group {
    /// The canonical texts of the values, or the texts of their buckets; none where one is missing.
    pub values: Vec<Option<String>>,
    /// The rows.
    pub rows: Vec<usize>,
}

/// The value of a column by which rows are grouped; a missing one comes first.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    Missing,
    Text(String),
    Bucket(usize),
}

enum Slicer<'a> {
    Values(&'a ColumnData),
    Buckets(Ranges),
}

impl<'a> Slicer<'a> {
    fn new(
        table: &'a Table,
        name: &str,
        buckets: &BTreeMap<String, Buckets>,
    ) -> Result<Self, LearnError> {
        let data = column(table, name)?;
        Ok(match buckets.get(name) {
            Some(buckets) => Self::Buckets(Ranges::new(name, data, buckets)?),
            None => Self::Values(data),
        })
    }

    /// Which of the values or buckets each row has; none if they are more than this.
    fn codes(&self, rows: usize, limit: usize) -> Option<Codes> {
        match self {
            Self::Values(data) => Codes::of(data, limit),
            Self::Buckets(ranges) => Codes::of_values((0..rows).map(|row| ranges.of(row)), limit),
        }
    }

    fn key(&self, row: usize) -> Key {
        let key = match self {
            Self::Values(data) => data.text(row).map(|text| Key::Text(text.into_owned())),
            Self::Buckets(ranges) => ranges.of(row).map(Key::Bucket),
        };
        key.unwrap_or(Key::Missing)
    }

    fn text(&self, key: Key) -> Option<String> {
        match (key, self) {
            (Key::Text(text), _) => Some(text),
            (Key::Bucket(bucket), Self::Buckets(ranges)) => Some(ranges.text(bucket)),
            _ => None,
        }
    }
}

/// Groups the rows of a table by these columns, sorted by the canonical texts of the values, or by
/// the order of the buckets; a missing value comes first.
pub(crate) fn group(
    table: &Table,
    columns: &[String],
    buckets: &BTreeMap<String, Buckets>,
) -> Result<Vec<Group>, LearnError> {
    let slicers = columns
        .iter()
        .map(|name| Slicer::new(table, name, buckets))
        .collect::<Result<Vec<_>, _>>()?;
    let too_many = || LearnError::TooManySlices {
        columns: columns.join(", "),
        limit: MAX_SLICES,
    };
    let mut codes: Option<Codes> = None;
    for slicer in &slicers {
        let more = slicer
            .codes(table.rows(), MAX_SLICES)
            .ok_or_else(too_many)?;
        codes = Some(match codes {
            None => more,
            Some(codes) => {
                let pairs = codes.rows.into_iter().zip(more.rows);
                Codes::of_values(pairs, MAX_SLICES).ok_or_else(too_many)?
            }
        });
    }
    // Without columns all rows are one group.
    let alike = || Codes::of_values(std::iter::repeat_n((), table.rows()), MAX_SLICES);
    let codes = codes.or_else(alike).ok_or_else(too_many)?;
    let mut sizes = vec![0; codes.firsts.len()];
    for code in &codes.rows {
        sizes[*code as usize] += 1;
    }
    let mut rows: Vec<Vec<usize>> = sizes.into_iter().map(Vec::with_capacity).collect();
    for (row, code) in codes.rows.into_iter().enumerate() {
        rows[code as usize].push(row);
    }
    let keys = codes.firsts.into_iter().map(|row| {
        let keys = slicers.iter().map(|slicer| slicer.key(row));
        keys.collect::<Vec<Key>>()
    });
    let groups: BTreeMap<Vec<Key>, Vec<usize>> = keys.zip(rows).collect();
    let groups = groups.into_iter().map(|(keys, rows)| Group {
        values: slicers
            .iter()
            .zip(keys)
            .map(|(slicer, key)| slicer.text(key))
            .collect(),
        rows,
    });
    Ok(groups.collect())
}

/// The column of this name.
pub(crate) fn column<'a>(table: &'a Table, name: &str) -> Result<&'a ColumnData, LearnError> {
    table.column(name).ok_or_else(|| {
        let columns = table.schema().columns();
        let names = columns.iter().take(LISTED);
        let mut names: Vec<String> = names.map(|column| format!("'{}'", column.name)).collect();
        if columns.len() > LISTED {
            names.push("...".to_owned());
        }
        LearnError::UnknownColumn {
            column: name.to_owned(),
            known: names.join(", "),
        }
    })
}
