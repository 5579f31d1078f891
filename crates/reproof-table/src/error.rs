//! What can go wrong with tables.

use std::path::PathBuf;

use reproof_record::{CanonicalError, DecimalError, DecimalType, LogicalType, SchemaError};
use reproof_store::StoreError;
use reproof_store::fs::IoError;
use thiserror::Error;

/// Why a table could not be read, written, split or prepared.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TableError {
    /// The store, or a file that is read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A CSV file that is not a table.
    #[error("{}{}: {problem}", path.display(), at_line(*line))]
    Csv {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1, where the problem begins; none if it is not in one place.
        line: Option<u64>,
        /// What is wrong.
        problem: CsvProblem,
    },
    /// A file of JSON lines that is not a table.
    #[error("{}{}: {problem}", path.display(), at_line(*line))]
    Json {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: Option<u64>,
        /// What is wrong.
        problem: JsonProblem,
    },
    /// A file of arrays that is not a table.
    #[error("{}: {problem}", path.display())]
    Numpy {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: NumpyProblem,
    },
    /// A file of Parquet or Arrow that is not a table.
    #[error("{}: {problem}", path.display())]
    Columnar {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: Box<ColumnarProblem>,
    },
    /// A table that cannot be written as Parquet.
    #[error("the table cannot be written as Parquet: {0}")]
    WriteParquet(String),
    /// A file of a source that does not have the columns of the first one.
    #[error("{}: {problem}, unlike {}: all files of a source have the same columns", path.display(), first.display())]
    Differ {
        /// The file.
        path: PathBuf,
        /// The first file of the source.
        first: PathBuf,
        /// How it differs.
        problem: String,
    },
    /// The path of a file whose partitions are no columns.
    #[error("the partitions of the path {}: {problem}", path.display())]
    Partition {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// A declared column that a file does not have.
    #[error("{}: the schema declares the column '{column}', which the file does not have", path.display())]
    DeclaredColumn {
        /// The file.
        path: PathBuf,
        /// The column.
        column: String,
    },
    /// Columns that cannot be a schema.
    #[error(transparent)]
    Schema(#[from] SchemaError),
    /// A document that cannot be written.
    #[error(transparent)]
    Canonical(#[from] CanonicalError),
    /// Columns that do not fit a schema or one another.
    #[error("the columns are not a table: {0}")]
    Shape(String),
    /// A row that is not there. Rows are counted from 0.
    #[error("there is no row {row} in a table of {rows} rows")]
    NoSuchRow {
        /// The row.
        row: usize,
        /// How many rows there are.
        rows: usize,
    },
    /// A column that is not there.
    #[error("the table has no column '{column}'")]
    NoSuchColumn {
        /// Its name.
        column: String,
    },
    /// A text that is too long for the encoding.
    #[error("column '{column}' has a text of {bytes} bytes; at most 4294967295 can be stored")]
    TextTooLong {
        /// The column.
        column: String,
        /// The size of the text.
        bytes: usize,
    },
    /// Ratios that do not divide a table.
    #[error("the ratios of a split: {0}")]
    Ratios(String),
    /// A split that cannot divide this table.
    #[error("the split: {0}")]
    Split(String),
    /// A part that got no row.
    #[error(
        "the part '{part}' of the split is empty, of {rows} rows: use more data or another split, or \
         leave the part out"
    )]
    EmptyPart {
        /// The part.
        part: String,
        /// How many rows the whole table has.
        rows: usize,
    },
    /// A feature that cannot be prepared as it is asked to be.
    #[error("feature '{column}': {reason}")]
    Feature {
        /// The column.
        column: String,
        /// Why not.
        reason: String,
    },
    /// Files that cannot be a table of images.
    #[error("images: {0}")]
    Images(String),
    /// A fitted state that does not fit together.
    #[error("the state of the preprocessing: {0}")]
    State(String),
}

impl TableError {
    pub(crate) fn feature(column: &str, reason: impl Into<String>) -> Self {
        Self::Feature {
            column: column.to_owned(),
            reason: reason.into(),
        }
    }
}

impl From<IoError> for TableError {
    fn from(error: IoError) -> Self {
        Self::Store(error.into())
    }
}

fn at_line(line: Option<u64>) -> String {
    line.map_or_else(String::new, |line| format!(":{line}"))
}

/// What is wrong with a CSV file. Values are cut to 80 characters.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CsvProblem {
    /// Nothing but blank lines.
    #[error("the file is empty: a header line with the names of the columns is wanted")]
    Empty,
    /// Two columns of one name.
    #[error("columns {first} and {second} are both named '{name}'")]
    DuplicateName {
        /// The name.
        name: String,
        /// The first column, counted from 1.
        first: usize,
        /// The second column, counted from 1.
        second: usize,
    },
    /// A column without a name.
    #[error("column {position} has no name in the header")]
    EmptyName {
        /// The column, counted from 1.
        position: usize,
    },
    /// More columns than a table may have.
    #[error("there are more than {limit} fields")]
    TooManyFields {
        /// The limit.
        limit: usize,
    },
    /// A row with more or fewer fields than the header.
    #[error("{found} fields where the header has {wanted}")]
    Ragged {
        /// How many the header has.
        wanted: usize,
        /// How many the row has.
        found: usize,
    },
    /// Bytes that are not UTF-8.
    #[error("the text is not UTF-8: convert the file")]
    NotUtf8,
    /// A quoted field that does not end.
    #[error("a quoted field begins in this row and never ends")]
    OpenQuote,
    /// A quoted field that goes on after its closing quote.
    #[error(
        "field {field} goes on after its closing quote: a quote inside a quoted field is doubled"
    )]
    AfterQuote {
        /// The field, counted from 1.
        field: usize,
    },
    /// A row that is larger than the limit.
    #[error("a row is larger than {limit} bytes: is a quote not closed?")]
    RowTooLarge {
        /// The limit in bytes.
        limit: usize,
    },
    /// An integer that does not fit 64 bits, in a column of integers.
    #[error(
        "column '{column}' holds integers, and {value} does not fit 64 bits: as an identifier it \
         needs a letter, as a number a decimal point"
    )]
    IntegerTooLarge {
        /// The column.
        column: String,
        /// The value.
        value: String,
    },
    /// An integer in a column of floats that a double would round.
    #[error("column '{column}' holds floats, and a double cannot hold the integer {value} exactly")]
    InexactInteger {
        /// The column.
        column: String,
        /// The value.
        value: String,
    },
    /// A number beyond the largest double.
    #[error("column '{column}' holds floats, and {value} lies beyond the largest double")]
    FloatTooLarge {
        /// The column.
        column: String,
        /// The value.
        value: String,
    },
    /// A number that a column of decimals cannot hold without change.
    #[error(
        "column '{column}' is {decimal}, and {value} does not fit: {reason}; declare a wider decimal, \
         or round the file"
    )]
    Decimal {
        /// The column.
        column: String,
        /// The value.
        value: String,
        /// The type of the column.
        decimal: DecimalType,
        /// Why it does not fit.
        reason: DecimalError,
    },
    /// A value that is not of the type that the column is pinned to.
    #[error("column '{column}' is pinned to the type {pinned}, and '{value}' is of type {found}")]
    Pinned {
        /// The column.
        column: String,
        /// The value.
        value: String,
        /// The type that the column has.
        pinned: LogicalType,
        /// The type of the value alone.
        found: LogicalType,
    },
    /// A value that is not of the type that the pipeline declares.
    #[error("column '{column}' is declared as {declared}, and '{value}' is of type {found}")]
    Declared {
        /// The column.
        column: String,
        /// The value.
        value: String,
        /// The declared type.
        declared: LogicalType,
        /// The type of the value alone.
        found: LogicalType,
    },
    /// A name that promises compressed bytes that are not there.
    #[error("the file's name says that it is compressed with {promised}, and it is not")]
    NotCompressed {
        /// The compression.
        promised: &'static str,
    },
    /// Compressed bytes that cannot be unpacked.
    #[error("the file is compressed with {compression} and cannot be unpacked: {reason}")]
    Compressed {
        /// The compression.
        compression: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// The file is another one than a moment ago.
    #[error("the file changed while it was read: run again once it is at rest")]
    Changed,
    /// A delimiter that cannot be one.
    #[error("the delimiter {0:?} cannot be used: one ASCII character but a quote, CR or LF")]
    Delimiter(char),
}

/// What is wrong with a file of JSON lines.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum JsonProblem {
    /// No object with a name.
    #[error("the file holds no object with a name: one object a line is wanted")]
    Empty,
    /// One document instead of lines.
    #[error(
        "the file is one JSON list: one object a line is wanted (pandas writes it with \
         `orient=\"records\", lines=True`)"
    )]
    Array,
    /// A line that is something else.
    #[error("an object is wanted, found {0}")]
    NoObject(String),
    /// A line that is not JSON.
    #[error("not JSON at byte {column}: {reason}")]
    Syntax {
        /// The byte of the line, counted from 1.
        column: usize,
        /// What is wrong.
        reason: String,
    },
    /// A name twice in one object.
    #[error("the name '{0}' occurs twice in one object")]
    DuplicateName(String),
    /// A value that is a list or an object.
    #[error("column '{column}' holds {what}: a table has plain values only; flatten it before")]
    Nested {
        /// The column.
        column: String,
        /// What it holds.
        what: &'static str,
    },
    /// More columns than a table may have.
    #[error("there are more than {limit} names in the objects")]
    TooManyNames {
        /// The limit.
        limit: usize,
    },
    /// A line that is longer than the limit.
    #[error("a line is longer than {limit} bytes")]
    LineTooLong {
        /// The limit in bytes.
        limit: usize,
    },
    /// The file is another one than a moment ago.
    #[error("the file changed while it was read: run again once it is at rest")]
    Changed,
    /// A value that is wrong in a CSV file, too.
    #[error(transparent)]
    Value(Box<CsvProblem>),
}

impl From<CsvProblem> for JsonProblem {
    fn from(problem: CsvProblem) -> Self {
        Self::Value(Box::new(problem))
    }
}

/// What is wrong with a file of NumPy's arrays.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum NumpyProblem {
    /// Bytes that are no array, or a damaged one.
    #[error("the file cannot be read as a NumPy array: {0}")]
    Format(String),
    /// Bytes that are no archive of arrays, or a damaged one.
    #[error("the file cannot be read as an archive of NumPy arrays: {0}")]
    Archive(String),
    /// Elements that tables do not have.
    #[error("the array holds {found}: a table has booleans, numbers, texts, days and moments")]
    Type {
        /// What it holds.
        found: String,
    },
    /// An array that has no rows and columns.
    #[error("the array '{array}' has the shape {problem}")]
    Shape {
        /// Its name.
        array: String,
        /// Its shape, and what is wrong with it.
        problem: String,
    },
    /// No column, or more than a table may have.
    #[error("the arrays have {columns} columns; a table has 1 to 10000")]
    Columns {
        /// How many.
        columns: usize,
    },
    /// Arrays with more and fewer rows: two of them, as a person reads it.
    #[error("the arrays differ in length: {0}")]
    Rows(String),
    /// A value that its type in a table cannot hold.
    #[error("column '{column}', row {row}: {reason}")]
    Value {
        /// The column.
        column: String,
        /// The row, counted from 1.
        row: u64,
        /// Why not.
        reason: String,
    },
    /// A column of another type than is declared.
    #[error("column '{column}' is declared as {declared}, and the file holds {found}")]
    Declared {
        /// The column.
        column: String,
        /// The declared type.
        declared: LogicalType,
        /// The type in the file.
        found: LogicalType,
    },
    /// The file is another one than a moment ago.
    #[error("the file changed while it was read: run again once it is at rest")]
    Changed,
}

/// What is wrong with a file of columns that have types: Parquet or Arrow.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ColumnarProblem {
    /// Bytes that are no file of this format, or a damaged one.
    #[error("the file cannot be read as {format}: {what}")]
    Format {
        /// The format.
        format: &'static str,
        /// What is wrong.
        what: String,
    },
    /// A column that holds lists, maps or structures.
    #[error(
        "column '{column}' is nested ({what}): a table has plain columns only; flatten it before, or \
         leave it out of the file"
    )]
    Nested {
        /// The column.
        column: String,
        /// What it holds.
        what: String,
    },
    /// A column of a type that tables do not have.
    #[error("column '{column}' is of the {format} type {found}, which is not supported: {advice}")]
    Type {
        /// The format.
        format: &'static str,
        /// The column.
        column: String,
        /// The type.
        found: String,
        /// What to do.
        advice: &'static str,
    },
    /// A value that its type in a table cannot hold.
    #[error("column '{column}', row {row}: {reason}")]
    Value {
        /// The column.
        column: String,
        /// The row, counted from 1.
        row: u64,
        /// Why not.
        reason: String,
    },
    /// A column of another type than is declared.
    #[error("column '{column}' is declared as {declared}, and the file holds {found}")]
    Declared {
        /// The column.
        column: String,
        /// The declared type.
        declared: LogicalType,
        /// The type in the file.
        found: LogicalType,
    },
    /// The file is another one than a moment ago.
    #[error("the file changed while it was read: run again once it is at rest")]
    Changed,
}
