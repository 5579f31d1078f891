//! Tables: where they come from, what they are, how they are split and prepared for learning.
//!
//! A table's identity is its content: the schema and the values in row order, whatever file,
//! quoting or buffer size they came from. Everything computed here has the same bits for any
//! number of threads: sums over rows are exact ([`exact`]), random numbers are addressed by what
//! they are for ([`random`]), and no order but that of the rows and of sorted names is used.
//!
//! This crate does not know what a pipeline or a model is, and reaches files only through the
//! store's `fs` module.

mod arrow;
mod chunks;
mod codes;
mod column;
mod columnar;
mod convert;
mod csv;
pub mod diff;
mod drift;
mod encoding;
mod error;
pub mod exact;
mod expect;
mod export;
mod images;
mod json;
mod moved;
mod numpy;
mod parallel;
mod parquet;
pub mod preprocess;
pub mod random;
mod rows;
mod snapshot;
mod sources;
mod split;
pub mod statistics;
mod storage;
mod stream;
mod table;
mod time;

pub use crate::parquet::write_parquet;
pub use codes::Codes;
pub use column::{ColumnData, StringColumn};
pub use convert::Unfit;
pub use csv::{CsvOptions, csv_schema, csv_values, snapshot_csv};
pub use drift::{Drift, column_drift};
pub use error::{ColumnarProblem, CsvProblem, JsonProblem, NumpyProblem, TableError};
pub use expect::{Judged, judge_data};
pub use export::{write_csv, write_json_lines};
pub use images::{ImageTable, image_table};
pub use moved::{ColumnMoved, TableMoved, labels_flipped, table_distance, table_moved};
pub use numpy::{NumpyArray, NumpyElement};
pub use parallel::{Threads, both, map_ranges};
pub use rows::{COLUMNS_AT_ONCE, Cell, CellEvidence, TableBuilder, finish_table};
pub use snapshot::{
    FileFormat, FinishedColumn, Snapshot, SnapshotOptions, file_schema, snapshot_file,
    snapshot_files,
};
pub use sources::{SourceFile, partition_names};
pub use split::{SplitIndexed, SplitRandom, SplitStratified, SplitTime, split_random};
pub use statistics::{StatisticsLevel, column_statistics, table_statistics};
pub use storage::{read_statistics, read_table, write_table};
pub use table::Table;
pub use time::{TimeType, date_text};

#[cfg(test)]
mod decimals;
#[cfg(test)]
mod vectors;
