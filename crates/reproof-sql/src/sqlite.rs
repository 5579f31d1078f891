//! Queries to a SQLite file.
//!
//! The file is opened for reading only, and all readings of the result happen in one transaction:
//! while another process writes, it shows the state before or after, never a part. A file that is at
//! rest is read without locks: SQLite would leave files beside one with a write-ahead log. Values have types
//! of their own, so those of the columns are decided over all of them, as with JSON lines; what a
//! column is declared as helps where every value agrees.

use std::path::Path;
use std::time::Duration;

use reproof_record::{Column, LogicalType};
use reproof_store::Batch;
use reproof_table::{Cell, CellEvidence, Snapshot, SnapshotOptions, finish_table};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, ErrorCode, OpenFlags, Row, Statement};

use crate::reading::{self, Encoder};
use crate::{Question, SqlError, place, quoted};

/// How long is waited for another process that writes.
const BUSY: Duration = Duration::from_secs(30);

/// Reads the result of a query to a SQLite file into a batch. One that is `still` is read without
/// locks: the caller looks afterwards whether it stayed so, and else reads it again.
///
/// # Errors
/// A file that is no database or is locked, a query that it refuses or that writes, rows that are
/// alike in the key, and values that no column of a table holds.
pub fn snapshot_sqlite(
    batch: &mut Batch,
    path: &Path,
    question: Question<'_>,
    options: &SnapshotOptions,
    still: bool,
) -> Result<Snapshot, SqlError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = if still {
        let flags = flags | OpenFlags::SQLITE_OPEN_URI;
        Connection::open_with_flags(still_uri(path), flags)
    } else {
        Connection::open_with_flags(path, flags)
    };
    let mut connection = connection.map_err(|error| explained(&error, ""))?;
    let failed = |error: rusqlite::Error| explained(&error, "");
    connection.busy_timeout(BUSY).map_err(failed)?;
    // Nothing is written, and nothing that the file itself defines may do more than compute.
    for (pragma, value) in [("query_only", true), ("trusted_schema", false)] {
        connection
            .pragma_update(None, pragma, value)
            .map_err(failed)?;
    }
    let transaction = connection.transaction().map_err(failed)?;
    let plan = Plan::new(&transaction, question)?;
    reading::check_declared(options, &plan.names)?;
    let columns = plan.columns(&transaction, options)?;
    let mut read = None;
    for range in reading::groups(columns.len()) {
        let mut encoder = Encoder::new(batch, &columns, range, &plan.key, options)?;
        plan.read(&transaction, |_, cells| encoder.row(cells))?;
        reading::join(&mut read, encoder.finish(batch)?)?;
    }
    let read = read.ok_or_else(|| SqlError::query("the query gives no columns"))?;
    Ok(finish_table(batch, columns, read.rows, read.columns)?)
}

/// The address of a file that nobody writes to.
fn still_uri(path: &Path) -> String {
    let mut uri = "file:".to_owned();
    for byte in path.as_os_str().as_encoded_bytes() {
        match byte {
            b'/' | b'.' | b'-' | b'_' => uri.push(char::from(*byte)),
            byte if byte.is_ascii_alphanumeric() => uri.push(char::from(*byte)),
            byte => uri.push_str(&format!("%{byte:02X}")),
        }
    }
    uri + "?immutable=1"
}

/// A query whose columns are known.
struct Plan {
    names: Vec<String>,
    /// What the columns are declared as.
    declared: Vec<Option<String>>,
    key: Vec<usize>,
    /// The query that sorts the rows.
    sorted: String,
}

impl Plan {
    fn new(connection: &Connection, question: Question<'_>) -> Result<Self, SqlError> {
        let Question { text, order_by } = question;
        let prepared = connection.prepare(text);
        let statement = prepared.map_err(|error| explained(&error, text))?;
        if !statement.readonly() {
            return Err(SqlError::hinted(
                "the query writes",
                "one SELECT is wanted: the data is only read",
            ));
        }
        let (mut names, mut declared) = (Vec::new(), Vec::new());
        for column in statement.columns() {
            names.push(column.name().to_owned());
            declared.push(column.decl_type().map(str::to_owned));
        }
        let key = reading::key_columns(&names, order_by)?;
        if statement.parameter_count() > 0 {
            return Err(SqlError::query("the query has parameters: write values"));
        }
        // By position: names of columns do not tell capitals from small letters here.
        let by = key.iter().map(|index| {
            let position = index + 1;
            format!("{position} COLLATE BINARY ASC NULLS FIRST")
        });
        let by: Vec<_> = by.collect();
        // A comment at the end of the query must not swallow what follows.
        let sorted = format!("SELECT * FROM (\n{text}\n) ORDER BY {}", by.join(", "));
        Ok(Self {
            names,
            declared,
            key,
            sorted,
        })
    }

    fn statement<'a>(&self, connection: &'a Connection) -> Result<Statement<'a>, SqlError> {
        // By itself it was right.
        let refused = || {
            SqlError::hinted(
                "the query cannot stand inside another one",
                "one SELECT, WITH … SELECT or VALUES is wanted",
            )
        };
        let prepared = connection.prepare(&self.sorted);
        let statement = prepared.map_err(|error| match error {
            rusqlite::Error::SqlInputError { .. } => refused(),
            other => explained(&other, ""),
        })?;
        if statement.column_count() == self.names.len() && statement.readonly() {
            Ok(statement)
        } else {
            Err(refused())
        }
    }

    /// Reads all rows, each with its number, counted from 1.
    fn read(
        &self,
        connection: &Connection,
        mut each: impl FnMut(u64, &[Cell<'_>]) -> Result<(), SqlError>,
    ) -> Result<(), SqlError> {
        let mut statement = self.statement(connection)?;
        let failed = |error: rusqlite::Error| explained(&error, "");
        let mut rows = statement.query([]).map_err(failed)?;
        let mut number = 0;
        while let Some(row) = rows.next().map_err(failed)? {
            number += 1;
            each(number, &self.cells(row, number)?)?;
        }
        Ok(())
    }

    fn cells<'a>(&self, row: &'a Row<'_>, number: u64) -> Result<Vec<Cell<'a>>, SqlError> {
        let mut cells = Vec::with_capacity(self.names.len());
        for (index, name) in self.names.iter().enumerate() {
            let value = row.get_ref(index);
            let value = value.map_err(|error| explained(&error, ""))?;
            let refuse = |what: &str, hint: String| {
                let message = format!("column '{name}', row {number}: {what}");
                Err(SqlError::hinted(message, hint))
            };
            cells.push(match value {
                ValueRef::Null => Cell::Missing,
                ValueRef::Integer(value) => Cell::Integer(value),
                ValueRef::Real(value) => Cell::Float(value),
                ValueRef::Text(bytes) => match std::str::from_utf8(bytes) {
                    Ok(text) => Cell::Text(text),
                    Err(_) => {
                        let hint = format!("mend it, or select hex({})", quoted(name));
                        return refuse("the text is not UTF-8", hint);
                    }
                },
                ValueRef::Blob(_) => {
                    let hint = format!(
                        "leave the column out of the query, or select hex({})",
                        quoted(name)
                    );
                    return refuse("a blob is no value of a table", hint);
                }
            });
        }
        Ok(cells)
    }

    /// The columns with their types; those that are not pinned are decided over all values.
    fn columns(
        &self,
        connection: &Connection,
        options: &SnapshotOptions,
    ) -> Result<Vec<Column>, SqlError> {
        let pins = self.names.iter().map(|name| reading::pin(options, name));
        let pins: Vec<_> = pins.collect();
        let mut evidence = vec![CellEvidence::default(); self.names.len()];
        if pins.iter().any(Option::is_none) {
            self.read(connection, |row, cells| {
                for (evidence, cell) in evidence.iter_mut().zip(cells) {
                    evidence.observe(cell, row);
                }
                Ok(())
            })?;
        }
        let mut columns = Vec::with_capacity(self.names.len());
        for (index, name) in self.names.iter().enumerate() {
            let hint = self.declared[index].as_deref().and_then(hint);
            let decided = pins[index].map_or_else(|| evidence[index].decide(name, hint), Ok);
            let logical_type = decided.map_err(|(row, why)| {
                SqlError::hinted(
                    format!("row {row}: {why}"),
                    "declare the column under 'schema', or cast it in the query",
                )
            })?;
            columns.push(Column {
                name: name.clone(),
                logical_type,
            });
        }
        Ok(columns)
    }
}

/// The type that a declaration suggests; SQLite itself takes any word for one.
fn hint(declared: &str) -> Option<LogicalType> {
    let upper = declared.trim().to_ascii_uppercase();
    let word = upper.split(['(', ' ']).next().unwrap_or_default();
    match word {
        "BOOL" | "BOOLEAN" => Some(LogicalType::Boolean),
        "DATE" => Some(LogicalType::Date),
        "DATETIME" | "TIMESTAMP" | "TIMESTAMPTZ" => Some(LogicalType::TimestampNaive),
        "REAL" | "DOUBLE" | "FLOAT" => Some(LogicalType::Float),
        _ if word.contains("INT") => Some(LogicalType::Integer),
        _ => None,
    }
}

/// An error of SQLite about this query.
fn explained(error: &rusqlite::Error, query: &str) -> SqlError {
    if let rusqlite::Error::SqlInputError { msg, offset, .. } = error {
        let before = usize::try_from(*offset).ok();
        let before = before.and_then(|offset| query.get(..offset));
        let at = before.map_or_else(String::new, |before| {
            format!(", {}", place(query, before.chars().count() + 1))
        });
        return SqlError::query(format!("SQLite: {msg}{at}"));
    }
    let text = match error {
        rusqlite::Error::MultipleStatement => {
            return SqlError::hinted(
                "the query is more than one statement",
                "one SELECT is wanted",
            );
        }
        rusqlite::Error::SqliteFailure(_, Some(text)) => text.clone(),
        other => other.to_string(),
    };
    let message = format!("SQLite: {text}");
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => SqlError::unreachable(
            format!("{message}: another process has been writing for more than 30 s"),
            Some("wait until it is done, then run the same command again"),
        ),
        Some(ErrorCode::CannotOpen) => SqlError::hinted(
            message,
            "changes stand in its write-ahead log, which is read only where its folder can be written: make \
             it so, or close the programs that write",
        ),
        Some(ErrorCode::ReadOnly) => SqlError::hinted(
            message,
            "a program that wrote to it died, or changes stand in its write-ahead log and its folder cannot \
             be written: opening it once with sqlite3, where that may write, puts it right",
        ),
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => {
            SqlError::hinted(message, "name a SQLite database that is whole")
        }
        Some(ErrorCode::SystemIoFailure) => SqlError::unreachable(message, None),
        _ => SqlError::query(message),
    }
}
