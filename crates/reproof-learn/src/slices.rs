//! Slices: the rows of a table grouped by the values of one or more columns.

use std::collections::BTreeMap;

use reproof_table::Table;

use crate::LearnError;

/// The most slices by one list of columns.
const MAX_SLICES: usize = 10_000;

/// How many columns an error lists.
const LISTED: usize = 20;

/// The rows of each slice, sorted by the canonical texts of the values, a missing one first.
pub(crate) type Groups = BTreeMap<Vec<Option<String>>, Vec<usize>>;

/// Groups the rows of a table by these columns.
pub(crate) fn group(table: &Table, columns: &[String]) -> Result<Groups, LearnError> {
    let data: Result<Vec<_>, _> = columns.iter().map(|name| column(table, name)).collect();
    let data = data?;
    let mut groups = Groups::new();
    for row in 0..table.rows() {
        let key = data
            .iter()
            .map(|column| column.text(row).map(std::borrow::Cow::into_owned))
            .collect();
        groups.entry(key).or_default().push(row);
        if groups.len() > MAX_SLICES {
            return Err(LearnError::TooManySlices {
                columns: columns.join(", "),
                limit: MAX_SLICES,
            });
        }
    }
    Ok(groups)
}

/// The column of this name.
pub(crate) fn column<'a>(
    table: &'a Table,
    name: &str,
) -> Result<&'a reproof_table::ColumnData, LearnError> {
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
