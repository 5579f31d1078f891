//! Files of any format as immutable tables.

use std::collections::BTreeMap;
use std::path::Path;

use reproof_record::{Digest, LogicalType, Schema};
use reproof_store::fs::Io;
use reproof_store::{Batch, BlobInfo, Store, StoredArtifact};

use crate::arrow::Arrow;
use crate::csv::{CsvOptions, csv_schema};
use crate::parquet::Parquet;
use crate::sources::{Sources, Taken};
use crate::statistics::{ColumnStatistics, statistics};
use crate::storage::{EncodedColumn, put_columns};
use crate::{SourceFile, StatisticsLevel, TableError, columnar, csv, json, numpy};

/// What the names of compressed files end with.
const PACKED: [&str; 4] = [".gz", ".gzip", ".zst", ".zstd"];

/// What a file is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileFormat {
    /// Values separated by a character, perhaps compressed.
    Csv(CsvOptions),
    /// Parquet.
    Parquet,
    /// One JSON object a line, perhaps compressed.
    JsonLines,
    /// Arrow IPC: a file (also called Feather) or a stream.
    Arrow,
    /// An array of NumPy (`.npy`), or an archive of arrays (`.npz`).
    Numpy,
}

impl FileFormat {
    /// The format that a file's name tells; none where it tells none, as that of a CSV file may.
    pub fn of_name(path: &Path) -> Option<Self> {
        let name = path.file_name()?.to_str()?.to_ascii_lowercase();
        let plain = PACKED.iter().find_map(|end| name.strip_suffix(end));
        match plain.unwrap_or(&name).rsplit_once('.')?.1 {
            "jsonl" | "ndjson" => Some(Self::JsonLines),
            "parquet" if plain.is_none() => Some(Self::Parquet),
            "arrow" | "arrows" | "feather" | "ipc" if plain.is_none() => Some(Self::Arrow),
            "npy" | "npz" if plain.is_none() => Some(Self::Numpy),
            _ => None,
        }
    }

    /// How the names of such files end, before what a compression adds.
    pub const fn endings(&self) -> &'static [&'static str] {
        match self {
            Self::Csv(_) => &["csv", "tsv"],
            Self::Parquet => &["parquet", "pq"],
            Self::JsonLines => &["jsonl", "ndjson", "json"],
            Self::Arrow => &["arrow", "arrows", "feather", "ipc"],
            Self::Numpy => &["npy", "npz"],
        }
    }

    /// Whether a file of this name in a folder is one of the format.
    pub fn owns(&self, name: &str) -> bool {
        let name = name.to_ascii_lowercase();
        let plain = match self {
            Self::Csv(_) | Self::JsonLines => PACKED.iter().find_map(|end| name.strip_suffix(end)),
            Self::Parquet | Self::Arrow | Self::Numpy => None,
        };
        let ending = plain.unwrap_or(&name).rsplit_once('.');
        ending.is_some_and(|(_, ending)| self.endings().contains(&ending))
    }
}

/// What is wanted of a snapshot besides the values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SnapshotOptions {
    /// The types that columns must have because the pipeline says so. The file must have them all.
    pub declared: BTreeMap<String, LogicalType>,
    /// The types that the columns of a CSV or JSON file must have because they had them before.
    /// Columns that the file lacks are no error. Another format has types of its own.
    pub pinned: Option<Schema>,
    /// How much is computed of each column, and stored beside the table.
    pub statistics: StatisticsLevel,
    /// The stored columns that those of the same names replace: what changed only here and there
    /// is stored as what changed. No result depends on it.
    pub replaced: BTreeMap<String, Digest>,
}

impl SnapshotOptions {
    /// Finds a declared column that a file lacks.
    pub(crate) fn check_declared<'a>(
        &self,
        path: &Path,
        names: impl Iterator<Item = &'a str>,
    ) -> Result<(), TableError> {
        if self.declared.is_empty() {
            return Ok(());
        }
        let names: std::collections::BTreeSet<&str> = names.collect();
        match self
            .declared
            .keys()
            .find(|name| !names.contains(name.as_str()))
        {
            Some(column) => Err(TableError::DeclaredColumn {
                path: path.to_owned(),
                column: column.clone(),
            }),
            None => Ok(()),
        }
    }
}

impl SnapshotOptions {
    /// Finds what a file that has types of its own does not have as it is declared: a column, or its
    /// type. `other_type` is the error of a column that is declared as one type and found as another.
    pub(crate) fn check_types(
        &self,
        path: &Path,
        schema: &Schema,
        other_type: impl Fn(String, LogicalType, LogicalType) -> TableError,
    ) -> Result<(), TableError> {
        let names = schema.columns().iter().map(|column| column.name.as_str());
        self.check_declared(path, names)?;
        for column in schema.columns() {
            let declared = self.declared.get(&column.name);
            if let Some(&declared) = declared.filter(|&&other| other != column.logical_type) {
                return Err(other_type(
                    column.name.clone(),
                    declared,
                    column.logical_type,
                ));
            }
        }
        Ok(())
    }
}

/// A file, or several one after the other, as a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// The table; it can be read once the batch is committed.
    pub stored: StoredArtifact,
    /// Its columns.
    pub schema: Schema,
    /// Its rows, without a header.
    pub rows: u64,
    /// The digest of each file's bytes, in their order.
    pub digests: Vec<Digest>,
    /// For each column, how many values are missing.
    pub missing: Vec<u64>,
}

/// Reads a file into a batch. The same schema and values give the same table, whatever the format.
///
/// # Errors
/// A file that cannot be read, is no table, or does not have the types that it must have.
pub fn snapshot_file(
    store: &Store,
    batch: &mut Batch,
    path: &Path,
    format: &FileFormat,
    options: &SnapshotOptions,
) -> Result<Snapshot, TableError> {
    let file = SourceFile {
        path: path.to_owned(),
        inside: String::new(),
    };
    snapshot_files(store, batch, &[file], format, options)
}

/// Reads files into a batch, as one table: the rows of each after those of the one before. The same
/// rows in one file give the same table.
///
/// Files of JSON lines have the columns that any of them has; others must have the same ones, in any
/// order, of which the first file's counts. The partitions of the paths are columns after them.
///
/// # Errors
/// No file at all; a file that cannot be read, is no table, does not have the types that it must
/// have, or not the columns of the first one; and paths whose partitions differ.
pub fn snapshot_files(
    store: &Store,
    batch: &mut Batch,
    files: &[SourceFile],
    format: &FileFormat,
    options: &SnapshotOptions,
) -> Result<Snapshot, TableError> {
    if files.is_empty() {
        return Err(TableError::Shape("there is no file".to_owned()));
    }
    let sources = Sources::new(files)?;
    let own = sources.without_partitions(options);
    let io = store.io().as_ref();
    let mut taken = match format {
        FileFormat::Csv(csv) => csv::take(io, batch, &sources, csv, &own),
        FileFormat::Parquet => columnar::take::<Parquet<'_>>(io, batch, &sources, &own),
        FileFormat::Arrow => columnar::take::<Arrow<'_>>(io, batch, &sources, &own),
        FileFormat::JsonLines => json::take(io, batch, &sources, &own),
        FileFormat::Numpy => numpy::take(io, batch, &sources, &own),
    }?;
    sources.add_partitions(batch, options, &mut taken)?;
    put_snapshot(batch, taken)
}

/// The columns that a file would have as a table. Nothing is stored.
///
/// # Errors
/// A file that cannot be read or is no table.
pub fn file_schema(io: &dyn Io, path: &Path, format: &FileFormat) -> Result<Schema, TableError> {
    match format {
        FileFormat::Csv(csv) => csv_schema(io, path, csv),
        FileFormat::Parquet => columnar::schema::<Parquet<'_>>(io, path),
        FileFormat::JsonLines => json::schema(io, path),
        FileFormat::Arrow => columnar::schema::<Arrow<'_>>(io, path),
        FileFormat::Numpy => numpy::schema(io, path),
    }
}

/// A column that was read whole.
pub struct FinishedColumn {
    blob: BlobInfo,
    missing: u64,
    statistics: Option<ColumnStatistics>,
}

impl EncodedColumn {
    /// The column of this name, of which so many values are missing.
    pub(crate) fn finish(self, name: &str, missing: u64) -> FinishedColumn {
        FinishedColumn {
            blob: self.blob,
            missing,
            statistics: self.collector.map(|collector| collector.finish(name)),
        }
    }
}

/// Takes columns as a table, with their statistics if they were computed.
pub(crate) fn put_snapshot(batch: &mut Batch, taken: Taken) -> Result<Snapshot, TableError> {
    let schema = Schema::new(taken.columns)?;
    let rows = taken.rows.iter().sum();
    let blobs: Vec<_> = taken.finished.iter().map(|column| column.blob).collect();
    let missing: Vec<_> = taken.finished.iter().map(|column| column.missing).collect();
    let described: Vec<_> = taken
        .finished
        .into_iter()
        .filter_map(|column| column.statistics)
        .collect();
    // All columns are observed, or none is.
    let statistics = (!described.is_empty()).then(|| statistics(rows, described));
    let stored = put_columns(batch, &schema, rows, &blobs, &missing, statistics.as_ref())?;
    Ok(Snapshot {
        stored,
        schema,
        rows,
        digests: taken.digests,
        missing,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_formats() {
        let of = |name: &str| FileFormat::of_name(Path::new(name));
        assert_eq!(of("a/b.parquet"), Some(FileFormat::Parquet));
        assert_eq!(of("b.JSONL.gz"), Some(FileFormat::JsonLines));
        assert_eq!(of("b.ndjson"), Some(FileFormat::JsonLines));
        assert_eq!(of("b.npz"), Some(FileFormat::Numpy));
        assert_eq!(of("b.feather"), Some(FileFormat::Arrow));
        for name in ["b.csv", "b.csv.gz", "b.parquet.gz", "parquet", "b.json"] {
            assert_eq!(of(name), None, "{name}");
        }
    }
}
