//! Tables from rows of values that are no texts of a file: what databases give.
//!
//! The types of columns whose values have none of their own are decided over all values
//! ([`CellEvidence`]); then the rows are encoded, columns of one row side by side ([`TableBuilder`]).

use reproof_record::{Column, LogicalType};
use reproof_store::Batch;

use crate::column::float_text;
use crate::csv::{Evidence, Place, put_field, shown};
use crate::encoding::{put_boolean, put_float, put_integer, put_missing, put_text};
use crate::snapshot::{FinishedColumn, Snapshot, put_snapshot};
use crate::sources::Taken;
use crate::storage::ColumnWriter;
use crate::time::{self, TimeType};
use crate::{SnapshotOptions, TableError};

/// The most columns that one [`TableBuilder`] should encode: bounds its memory.
pub const COLUMNS_AT_ONCE: usize = crate::csv::COLUMNS_AT_ONCE;

/// A value of a row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Cell<'a> {
    /// No value.
    Missing,
    /// True or false.
    Boolean(bool),
    /// An integer.
    Integer(i64),
    /// A double; NaN is missing.
    Float(f64),
    /// An exact number, written in decimal digits.
    Number(&'a str),
    /// A text.
    Text(&'a str),
    /// A day or a moment, in the units of its type.
    Time(TimeType, i64),
}

impl Cell<'_> {
    /// Whether it is missing.
    pub fn is_missing(&self) -> bool {
        matches!(self, Self::Missing) || matches!(self, Self::Float(value) if value.is_nan())
    }

    /// The value as an error shows it, cut to 80 characters.
    pub fn shown(&self) -> String {
        match self {
            Self::Missing => "a missing value".to_owned(),
            Self::Number(text) => (*text).to_owned(),
            Self::Text(text) => format!("'{}'", shown(text.as_bytes())),
            other => other.text(),
        }
    }

    /// The value as a text.
    fn text(&self) -> String {
        match self {
            Self::Missing => String::new(),
            Self::Boolean(value) => value.to_string(),
            Self::Integer(value) => value.to_string(),
            Self::Float(value) => float_text(*value),
            Self::Number(text) | Self::Text(text) => (*text).to_owned(),
            Self::Time(time, value) => time.text(*value),
        }
    }

    /// Encodes it as a value of this type; false if it is none without change. What is encoded then
    /// is of no use.
    fn put(&self, out: &mut Vec<u8>, logical_type: LogicalType) -> bool {
        if self.is_missing() {
            put_missing(out, logical_type);
            return true;
        }
        match (logical_type, self) {
            (LogicalType::Boolean, Self::Boolean(value)) => put_boolean(out, Some(*value)),
            // Some databases have no booleans.
            (LogicalType::Boolean, Self::Integer(value @ (0 | 1))) => {
                put_boolean(out, Some(*value == 1));
            }
            (LogicalType::Integer, Self::Integer(value)) => put_integer(out, Some(*value)),
            (LogicalType::Float, Self::Float(value)) => put_float(out, *value),
            (LogicalType::Float, Self::Integer(value)) if is_exact(*value) => {
                put_float(out, *value as f64);
            }
            (LogicalType::String, Self::Text(text)) => return put_text(out, Some(text.as_bytes())),
            (LogicalType::String, other) => return put_text(out, Some(other.text().as_bytes())),
            (LogicalType::Integer | LogicalType::Float, Self::Number(text))
            | (LogicalType::Decimal(_), Self::Number(text) | Self::Text(text)) => {
                return put_field(out, logical_type, text.as_bytes());
            }
            // A double stands for the decimal that its shortest text is.
            (LogicalType::Decimal(_), Self::Integer(_) | Self::Float(_)) => {
                return put_field(out, logical_type, self.text().as_bytes());
            }
            (wanted, Self::Time(time, value)) if wanted == time.logical_type() => {
                put_integer(out, Some(*value));
                return time.holds(*value);
            }
            (wanted, Self::Text(text)) if wanted.is_time() => {
                return put_field(out, wanted, text.as_bytes());
            }
            _ => return false,
        }
        true
    }
}

/// Whether a double holds an integer exactly.
fn is_exact(value: i64) -> bool {
    value as f64 as i128 == i128::from(value)
}

/// What was seen of the values of a column of no certain type.
#[derive(Clone, Debug)]
pub struct CellEvidence {
    seen: Evidence,
    /// Whether there was a value at all.
    any: bool,
    /// Whether every value was 0 or 1.
    bits: bool,
    /// What all values were, if they were texts of days or moments of one type.
    time: Option<TimeType>,
    /// Whether they were not.
    other: bool,
}

impl Default for CellEvidence {
    fn default() -> Self {
        Self {
            seen: Evidence::default(),
            any: false,
            bits: true,
            time: None,
            other: false,
        }
    }
}

impl CellEvidence {
    /// Takes a value into account, of the row of this number, counted from 1.
    pub fn observe(&mut self, cell: &Cell<'_>, row: u64) {
        if cell.is_missing() {
            return;
        }
        self.any = true;
        self.bits &= matches!(cell, Cell::Integer(0 | 1));
        let time = match cell {
            Cell::Text(text) if !self.other => time::parse(text.as_bytes()).map(|(time, _)| time),
            _ => None,
        };
        self.other |= time.is_none() || self.time.is_some() && self.time != time;
        self.time = time;
        match cell {
            Cell::Integer(value) => self
                .seen
                .observe_integer(*value, Place { file: 0, line: row }),
            Cell::Float(_) => self.seen.observe_float(),
            _ => self.seen.observe_text(),
        }
    }

    /// The type of the column: integer, or float if there are doubles among the numbers, else
    /// string. What it is declared as decides only where every value allows it: 0 and 1 are booleans
    /// then, texts of days and moments are those, and a column without values has that type.
    ///
    /// # Errors
    /// The row of a value that the type cannot hold, and why.
    pub fn decide(
        &self,
        column: &str,
        hint: Option<LogicalType>,
    ) -> Result<LogicalType, (u64, String)> {
        match (hint, self.time) {
            (hint, _) if !self.any => Ok(hint.unwrap_or(LogicalType::String)),
            (Some(LogicalType::Boolean), _) if self.bits => Ok(LogicalType::Boolean),
            (Some(hint), Some(time)) if hint.is_time() && !self.other => Ok(time.logical_type()),
            _ => {
                let decided = self.seen.decide(column);
                decided.map_err(|(place, problem)| (place.line, problem.to_string()))
            }
        }
    }
}

/// Columns of a table that are encoded row by row.
pub struct TableBuilder {
    columns: Vec<(Column, ColumnWriter, u64)>,
}

impl TableBuilder {
    /// Begins these columns; at most [`COLUMNS_AT_ONCE`] should be encoded together.
    ///
    /// # Errors
    /// Trouble of the storage.
    pub fn new(
        batch: &mut Batch,
        columns: &[Column],
        options: &SnapshotOptions,
    ) -> Result<Self, TableError> {
        let begin = |column: &Column| -> Result<_, TableError> {
            let writer = ColumnWriter::observed(batch, column, options)?;
            Ok((column.clone(), writer, 0))
        };
        Ok(Self {
            columns: columns.iter().map(begin).collect::<Result<_, _>>()?,
        })
    }

    /// Adds the value that the next row has in the column of this number; false if the column's type
    /// does not hold it without change, and the table is of no use then.
    ///
    /// # Errors
    /// Trouble of the storage.
    pub fn put(&mut self, column: usize, cell: &Cell<'_>) -> Result<bool, TableError> {
        let Some((column, writer, missing)) = self.columns.get_mut(column) else {
            return Ok(false);
        };
        let fits = cell.put(&mut writer.buffer, column.logical_type);
        *missing += u64::from(cell.is_missing());
        writer.spill()?;
        Ok(fits)
    }

    /// The columns, read whole.
    ///
    /// # Errors
    /// Trouble of the storage.
    pub fn finish(self, batch: &mut Batch) -> Result<Vec<FinishedColumn>, TableError> {
        let finish = |(column, writer, missing): (Column, ColumnWriter, u64)| {
            Ok(writer.finish(batch)?.finish(&column.name, missing))
        };
        self.columns.into_iter().map(finish).collect()
    }
}

/// Takes columns that were built as a table. It has no source of bytes: the digest of its source is
/// its own.
///
/// # Errors
/// Names that cannot be a schema, and trouble of the storage.
pub fn finish_table(
    batch: &mut Batch,
    columns: Vec<Column>,
    rows: u64,
    finished: Vec<FinishedColumn>,
) -> Result<Snapshot, TableError> {
    let mut snapshot = put_snapshot(
        batch,
        Taken {
            columns,
            finished,
            rows: vec![rows],
            digests: Vec::new(),
        },
    )?;
    snapshot.digests = vec![snapshot.stored.artifact.digest];
    Ok(snapshot)
}

#[cfg(test)]
mod tests {
    use reproof_record::DecimalType;

    use super::*;
    use crate::storage::tests::scratch;
    use crate::{CsvOptions, read_table, snapshot_csv};

    fn decide(cells: &[Cell<'_>], hint: Option<LogicalType>) -> LogicalType {
        let mut evidence = CellEvidence::default();
        for (cell, row) in cells.iter().zip(1..) {
            evidence.observe(cell, row);
        }
        evidence.decide("a", hint).unwrap()
    }

    #[test]
    fn all_values_decide_and_a_declaration_helps() {
        use Cell::{Float, Integer, Missing, Text};
        let (boolean, date) = (Some(LogicalType::Boolean), Some(LogicalType::Date));
        for (cells, hint, expect) in [
            (&[][..], None, LogicalType::String),
            (&[Missing], Some(LogicalType::Integer), LogicalType::Integer),
            (&[Integer(1), Missing], None, LogicalType::Integer),
            (&[Integer(1), Float(0.5)], None, LogicalType::Float),
            (&[Integer(1), Text("1")], None, LogicalType::String),
            (&[Text("1")], None, LogicalType::String),
            (&[Integer(1), Integer(0)], boolean, LogicalType::Boolean),
            (&[Integer(1), Integer(2)], boolean, LogicalType::Integer),
            (&[Integer(1), Text("0")], boolean, LogicalType::String),
            (&[Text("2024-02-29")], date, LogicalType::Date),
            (&[Text("2024-02-29")], None, LogicalType::String),
            (
                &[Text("2024-02-29 10:00:00"), Missing],
                date,
                LogicalType::TimestampNaive,
            ),
            (
                &[Text("2024-02-29"), Text("2024-02-29T10:00:00")],
                date,
                LogicalType::String,
            ),
            (&[Text("2024-02-29"), Text("x")], date, LogicalType::String),
            (&[Text("x"), Text("2024-02-29")], date, LogicalType::String),
            (
                &[Integer(20), Text("2024-02-29")],
                date,
                LogicalType::String,
            ),
        ] {
            assert_eq!(decide(cells, hint), expect, "{cells:?} {hint:?}");
        }
        let mut evidence = CellEvidence::default();
        evidence.observe(&Integer(9_007_199_254_740_993), 1);
        evidence.observe(&Float(0.5), 2);
        let (row, why) = evidence.decide("a", None).unwrap_err();
        assert!(
            row == 1 && why.contains("9007199254740993 exactly"),
            "{why}"
        );
    }

    #[test]
    fn values_are_taken_without_change_or_refused() {
        use Cell::{Boolean, Float, Integer, Number, Text};
        let decimal = LogicalType::Decimal(DecimalType::new(5, 2).unwrap());
        let utc = LogicalType::TimestampUtc;
        for (cell, logical_type, fits) in [
            (Integer(1), LogicalType::Boolean, true),
            (Integer(2), LogicalType::Boolean, false),
            (Integer(i64::MIN), LogicalType::Float, true),
            (Integer(i64::MAX), LogicalType::Float, false),
            (Float(1.0), LogicalType::Integer, false),
            (Float(12.1), decimal, true),
            (Float(0.1 + 0.2), decimal, false),
            (Number("12.340"), decimal, true),
            (Number("12.345"), decimal, false),
            (Number("12"), LogicalType::Integer, true),
            (Number("12.5"), LogicalType::Integer, false),
            (Number("12.5"), LogicalType::Float, true),
            (Text("12.5"), LogicalType::Float, false),
            (Text("12.5"), decimal, true),
            (Text("2024-02-29"), LogicalType::Date, true),
            (Text("2024-02-29"), utc, false),
            (Cell::Time(TimeType::Utc, 0), utc, true),
            (Cell::Time(TimeType::Naive, 0), utc, false),
            (Cell::Time(TimeType::Utc, i64::MAX), utc, false),
            (Boolean(true), LogicalType::Integer, false),
            (Boolean(true), LogicalType::String, true),
        ] {
            let fit = cell.put(&mut Vec::new(), logical_type);
            assert_eq!(fit, fits, "{cell:?} as {logical_type}");
        }
    }

    #[test]
    #[allow(clippy::disallowed_methods)]
    fn the_same_values_are_the_table_that_a_file_holds() {
        let (folder, store) = scratch();
        let path = folder.path().join("a.csv");
        std::fs::write(&path, "id,x,t\n1,0.5,a\n2,,\"\"\n3,nan,é\n").unwrap();
        let mut batch = store.batch();
        let options = CsvOptions {
            null_tokens: vec!["nan".to_owned(), String::new()],
            ..CsvOptions::default()
        };
        let file = snapshot_csv(&store, &mut batch, &path, &options, None).unwrap();
        let columns = file.schema.columns();
        let plan = SnapshotOptions::default();
        let mut builder = TableBuilder::new(&mut batch, columns, &plan).unwrap();
        for row in [
            [Cell::Integer(1), Cell::Float(0.5), Cell::Text("a")],
            [Cell::Integer(2), Cell::Missing, Cell::Missing],
            [Cell::Integer(3), Cell::Float(f64::NAN), Cell::Text("é")],
        ] {
            for (index, cell) in row.iter().enumerate() {
                assert!(builder.put(index, cell).unwrap());
            }
        }
        let finished = builder.finish(&mut batch).unwrap();
        let built = finish_table(&mut batch, columns.to_vec(), 3, finished).unwrap();
        batch.commit().unwrap();
        assert_eq!(built.stored.artifact, file.stored.artifact);
        assert_eq!(built.missing, file.missing);
        assert_eq!(built.digests, [built.stored.artifact.digest]);
        let table = read_table(&store, &built.digests[0], None).unwrap();
        assert_eq!(table.rows(), 3);
    }
}
