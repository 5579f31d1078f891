//! What both databases have in common: the columns of a result, the key of its rows, and how rows
//! become columns.

use std::ops::Range;

use reproof_record::{Column, Digest, LogicalType};
use reproof_store::Batch;
use reproof_table::{COLUMNS_AT_ONCE, Cell, FinishedColumn, SnapshotOptions, TableBuilder};

use crate::SqlError;

/// The most columns that a result may have.
const MAX_COLUMNS: usize = 10_000;

/// The positions of the columns that sort a result, each of whose names stands once.
pub(crate) fn key_columns(names: &[String], order_by: &[String]) -> Result<Vec<usize>, SqlError> {
    if names.is_empty() {
        return Err(SqlError::hinted(
            "the query gives no columns",
            "one SELECT is wanted: the data is only read",
        ));
    }
    if names.len() > MAX_COLUMNS {
        return Err(SqlError::query(format!(
            "the query gives more than {MAX_COLUMNS} columns"
        )));
    }
    for (index, name) in names.iter().enumerate() {
        if name.is_empty() {
            return Err(SqlError::hinted(
                format!("column {} of the query has no name", index + 1),
                "give it one with AS",
            ));
        }
        if let Some(first) = names[..index].iter().position(|before| before == name) {
            return Err(SqlError::hinted(
                format!(
                    "columns {} and {} of the query are both named '{name}'",
                    first + 1,
                    index + 1
                ),
                "give them other names with AS",
            ));
        }
    }
    let find = |wanted: &String| {
        let found = names.iter().position(|name| name == wanted);
        found.ok_or_else(|| {
            SqlError::hinted(
                format!("order_by names '{wanted}', which is no column of the query's result"),
                format!("it has {}", names.join(", ")),
            )
        })
    };
    order_by.iter().map(find).collect()
}

/// The type that a column must have: what is declared, or else what it had before.
pub(crate) fn pin(options: &SnapshotOptions, name: &str) -> Option<LogicalType> {
    let pinned = || options.pinned.as_ref()?.column(name);
    let declared = options.declared.get(name).copied();
    declared.or_else(|| pinned().map(|column| column.logical_type))
}

/// Finds a column that is declared and not there.
pub(crate) fn check_declared(options: &SnapshotOptions, names: &[String]) -> Result<(), SqlError> {
    match options.declared.keys().find(|name| !names.contains(name)) {
        Some(name) => Err(SqlError::query(format!(
            "the schema declares the column '{name}', which the query does not give"
        ))),
        None => Ok(()),
    }
}

/// The ranges of columns that are encoded together.
pub(crate) fn groups(columns: usize) -> impl Iterator<Item = Range<usize>> {
    let begins = (0..columns).step_by(COLUMNS_AT_ONCE);
    begins.map(move |begin| begin..columns.min(begin + COLUMNS_AT_ONCE))
}

/// A value of a key that is kept.
#[derive(Clone, Debug)]
enum KeyValue {
    Missing,
    Boolean(bool),
    Integer(i64),
    Float(f64),
    Text(String),
}

impl KeyValue {
    fn of(cell: &Cell<'_>) -> Self {
        match cell {
            cell if cell.is_missing() => Self::Missing,
            Cell::Missing => Self::Missing,
            Cell::Boolean(value) => Self::Boolean(*value),
            Cell::Integer(value) => Self::Integer(*value),
            Cell::Float(value) => Self::Float(*value),
            Cell::Number(text) => Self::Text(shortest(text).to_owned()),
            Cell::Text(text) => Self::Text((*text).to_owned()),
            Cell::Time(time, value) => Self::Text(time.text(*value)),
        }
    }

    /// Whether a database that sorts takes them for equal.
    fn equals(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Missing, Self::Missing) => true,
            (Self::Boolean(a), Self::Boolean(b)) => a == b,
            (Self::Integer(a), Self::Integer(b)) => a == b,
            (Self::Float(a), Self::Float(b)) => a == b,
            (Self::Integer(a), Self::Float(b)) | (Self::Float(b), Self::Integer(a)) => {
                i128::from(*a) == *b as i128 && b.fract() == 0.0
            }
            (Self::Text(a), Self::Text(b)) => a == b,
            _ => false,
        }
    }
}

/// The digits of an exact number without zeros at the end: 1.0 and 1.00 sort alike.
fn shortest(digits: &str) -> &str {
    if digits.contains('.') {
        digits.trim_end_matches('0').trim_end_matches('.')
    } else {
        digits
    }
}

/// Rows on their way into columns.
pub(crate) struct Encoder<'a> {
    builder: TableBuilder,
    columns: &'a [Column],
    range: Range<usize>,
    key: &'a [usize],
    before: Vec<KeyValue>,
    /// Over all values, where they are read more than once.
    hasher: Option<blake3::Hasher>,
    rows: u64,
}

/// What one reading gave.
pub(crate) struct Read {
    pub columns: Vec<FinishedColumn>,
    pub rows: u64,
    digest: Option<Digest>,
}

impl<'a> Encoder<'a> {
    /// Encodes a range of the columns, of rows that this key sorts.
    pub fn new(
        batch: &mut Batch,
        columns: &'a [Column],
        range: Range<usize>,
        key: &'a [usize],
        options: &SnapshotOptions,
    ) -> Result<Self, SqlError> {
        Ok(Self {
            builder: TableBuilder::new(batch, &columns[range.clone()], options)?,
            hasher: (range.len() < columns.len()).then(blake3::Hasher::new),
            columns,
            range,
            key,
            before: Vec::new(),
            rows: 0,
        })
    }

    /// How many rows there were.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Takes a row, of which these are the values of all columns.
    pub fn row(&mut self, cells: &[Cell<'_>]) -> Result<(), SqlError> {
        self.rows += 1;
        self.check_key(cells)?;
        if let Some(hasher) = &mut self.hasher {
            for cell in cells {
                let text = format!("{cell:?}");
                hasher.update(&(text.len() as u64).to_le_bytes());
                hasher.update(text.as_bytes());
            }
        }
        for (place, index) in self.range.clone().enumerate() {
            if !self.builder.put(place, &cells[index])? {
                return Err(self.misfit(index, &cells[index]));
            }
        }
        Ok(())
    }

    fn check_key(&mut self, cells: &[Cell<'_>]) -> Result<(), SqlError> {
        let now = self.key.iter().map(|index| KeyValue::of(&cells[*index]));
        let now: Vec<_> = now.collect();
        let mut pairs = now.iter().zip(&self.before);
        if self.rows > 1 && pairs.all(|(now, before)| now.equals(before)) {
            let parts: Vec<_> = self
                .key
                .iter()
                .map(|index| format!("{}={}", self.columns[*index].name, cells[*index].shown()))
                .collect();
            return Err(SqlError::hinted(
                format!(
                    "rows {} and {} of the sorted result are alike in order_by: {}",
                    self.rows - 1,
                    self.rows,
                    parts.join(" ")
                ),
                "the order of such rows is the database's whim: add columns to order_by until no two \
                 rows are alike in all of them, or take double rows away with SELECT DISTINCT",
            ));
        }
        self.before = now;
        Ok(())
    }

    fn misfit(&self, index: usize, cell: &Cell<'_>) -> SqlError {
        let column = &self.columns[index];
        SqlError::hinted(
            format!(
                "column '{}', row {}: {} is not of the type {} that the column has",
                column.name,
                self.rows,
                cell.shown(),
                column.logical_type
            ),
            "mend the value, cast it in the query, or declare another type under 'schema'; types are \
             pinned in reproof.lock, and 'reproof data commit --retype' decides those of named data anew",
        )
    }

    pub fn finish(self, batch: &mut Batch) -> Result<Read, SqlError> {
        Ok(Read {
            columns: self.builder.finish(batch)?,
            rows: self.rows,
            digest: self.hasher.map(|hasher| hasher.finalize().into()),
        })
    }
}

/// Adds what a further reading gave to what was read before; both must have seen the same rows.
pub(crate) fn join(before: &mut Option<Read>, now: Read) -> Result<(), SqlError> {
    match before {
        None => *before = Some(now),
        Some(before) if before.rows == now.rows && before.digest == now.digest => {
            before.columns.extend(now.columns);
        }
        Some(_) => {
            return Err(SqlError::hinted(
                "the query gives other rows each time it is asked",
                "leave random() and the like out of it",
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_that_sort_alike_are_equal() {
        let of = |cell: Cell<'_>| KeyValue::of(&cell);
        assert!(of(Cell::Missing).equals(&of(Cell::Float(f64::NAN))));
        assert!(of(Cell::Integer(1)).equals(&of(Cell::Float(1.0))));
        assert!(of(Cell::Float(-0.0)).equals(&of(Cell::Float(0.0))));
        assert!(!of(Cell::Integer(1)).equals(&of(Cell::Float(1.5))));
        let large = 9_007_199_254_740_993;
        assert!(!of(Cell::Integer(large)).equals(&of(Cell::Float(9_007_199_254_740_992.0))));
        assert!(!of(Cell::Text("a")).equals(&of(Cell::Text("A"))));
        assert!(of(Cell::Number("1.0")).equals(&of(Cell::Number("1.00"))));
        assert!(!of(Cell::Number("10")).equals(&of(Cell::Number("1"))));
        assert!(!of(Cell::Text("1.0")).equals(&of(Cell::Text("1.00"))));
    }

    #[test]
    fn names_are_there_once_and_sort() {
        let names = |names: &[&str]| {
            names
                .iter()
                .map(|&name| name.to_owned())
                .collect::<Vec<_>>()
        };
        let all = names(&["a", "b"]);
        assert_eq!(key_columns(&all, &names(&["b"])).unwrap(), [1]);
        for (columns, by, says) in [
            (&[][..], "a", "no columns"),
            (
                &["a", "a"],
                "a",
                "columns 1 and 2 of the query are both named 'a'",
            ),
            (&["a", ""], "a", "column 2 of the query has no name"),
            (&["a"], "A", "order_by names 'A', which is no column"),
        ] {
            let error = key_columns(&names(columns), &names(&[by])).unwrap_err();
            assert!(error.to_string().contains(says), "{error}");
        }
    }
}
