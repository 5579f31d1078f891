//! What differs between two data versions.

use std::collections::{BTreeMap, BTreeSet};

use reproof_config::{LockEntry, nearest};
use reproof_record::{ArtifactKind, RelativePath};
use reproof_table::diff::{SchemaDiff, TableDiff, diff_tables};
use reproof_table::statistics::{ColumnStatistics, Statistics};
use reproof_table::{Drift, Threads, column_drift};
use serde::Serialize;

use super::{FoundData, statistics};
use crate::data::Pinned;
use crate::{EngineError, Project};

/// Up to how many rows tables are compared unasked: more would take longer than one likes to wait.
pub(crate) const CHEAP_ROWS: u64 = 200_000;
/// How many rows are then shown.
pub(crate) const SHOWN: usize = 3;

/// What differs between two data versions.
#[derive(Clone, Debug, Serialize)]
pub struct VersionDiff {
    /// Columns and rows.
    #[serde(flatten)]
    pub table: TableDiff,
    /// The columns that both have, each with its statistics.
    pub columns: Vec<ColumnChange>,
}

/// How a column changed.
#[derive(Clone, Debug, Serialize)]
pub struct ColumnChange {
    /// The column.
    pub name: String,
    /// Its statistics in the first version and in the second.
    pub statistics: [ColumnStatistics; 2],
    /// How far its values moved; none if its type changed, or a version has no rows.
    pub drift: Option<Drift>,
}

/// What differs between two versions that are files: paths, sorted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct FilesDiff {
    /// How many files each version has.
    pub files: [u64; 2],
    /// The files that only the second has.
    pub added: Vec<RelativePath>,
    /// The files that only the first has.
    pub removed: Vec<RelativePath>,
    /// The files whose bytes, or whether they may be executed, differ.
    pub changed: Vec<RelativePath>,
}

impl FilesDiff {
    /// Whether nothing differs.
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.removed.is_empty() && self.changed.is_empty()
    }
}

/// Compares two versions file by file; none if they are tables.
///
/// # Errors
/// A table and files, and a version that is not in the store.
pub fn diff_files(
    project: &Project,
    versions: [&FoundData; 2],
) -> Result<Option<FilesDiff>, EngineError> {
    let [before, after] = versions.map(|version| version.files(project));
    let (before, after) = match (before?, after?) {
        (None, None) => return Ok(None),
        (Some(before), Some(after)) => (before, after),
        _ => {
            let [a, b] = versions.map(FoundData::label);
            let message = format!("of {a} and {b} one is a table, the other files");
            return Err(EngineError::usage(message));
        }
    };
    let mut diff = FilesDiff {
        files: [before.len() as u64, after.len() as u64],
        ..FilesDiff::default()
    };
    let mut old: BTreeMap<_, _> = before
        .into_iter()
        .map(|file| (file.path.clone(), file))
        .collect();
    for file in after {
        match old.remove(&file.path) {
            None => diff.added.push(file.path),
            Some(was) if (was.digest, was.executable) != (file.digest, file.executable) => {
                diff.changed.push(file.path);
            }
            Some(_) => {}
        }
    }
    diff.removed = old.into_keys().collect();
    Ok(Some(diff))
}

/// Compares two versions: their columns, their rows by the values of `key` (by content if it is
/// empty), and the statistics of every column. At most `limit` rows of each kind are given.
///
/// # Errors
/// A version that is not in the store, and a key that not both have.
pub fn diff_versions(
    project: &Project,
    versions: [&FoundData; 2],
    key: &[String],
    limit: usize,
    threads: Threads,
) -> Result<VersionDiff, EngineError> {
    for version in versions {
        super::need_content(project, version)?;
    }
    check_key(project, versions, key)?;
    let digests = [&versions[0].content, &versions[1].content];
    let failed = |error| super::of_table(versions[1], error);
    let table = diff_tables(&project.store, digests, key, limit).map_err(failed)?;
    let [before, after] = [
        statistics(project, versions[0], threads)?,
        statistics(project, versions[1], threads)?,
    ];
    let mut columns = Vec::new();
    for (mine, theirs) in both(before, after) {
        let drift = if mine.logical_type == theirs.logical_type {
            column_drift(&project.store, digests, &mine.name).map_err(failed)?
        } else {
            None
        };
        columns.push(ColumnChange {
            name: mine.name.clone(),
            statistics: [mine, theirs],
            drift,
        });
    }
    Ok(VersionDiff { table, columns })
}

/// The statistics of the columns that both have.
fn both(before: Statistics, after: Statistics) -> Vec<(ColumnStatistics, ColumnStatistics)> {
    let mut after = after.columns;
    let pairs = before.columns.into_iter().filter_map(|mine| {
        let at = after.iter().position(|theirs| theirs.name == mine.name)?;
        Some((mine, after.swap_remove(at)))
    });
    pairs.collect()
}

/// Refuses a key of columns that not both versions have with one type.
fn check_key(
    project: &Project,
    versions: [&FoundData; 2],
    key: &[String],
) -> Result<(), EngineError> {
    let mut schemas = Vec::new();
    for version in versions {
        schemas.push(project.store.table_object(&version.content)?.schema);
    }
    let common: BTreeSet<&str> = schemas[0]
        .columns()
        .iter()
        .filter(|column| schemas[1].column(&column.name) == Some(column))
        .map(|column| column.name.as_str())
        .collect();
    for (at, name) in key.iter().enumerate() {
        if key[..at].contains(name) {
            return Err(EngineError::usage(format!("the key names '{name}' twice")));
        }
        if !common.contains(name.as_str()) {
            return Err(EngineError::Usage {
                message: format!("not both versions have a column '{name}' of one type"),
                hint: Some(match nearest(name, common.iter().copied()) {
                    Some(near) => format!("did you mean '{near}'?"),
                    None => format!(
                        "they have {}",
                        common.iter().copied().collect::<Vec<_>>().join(", ")
                    ),
                }),
            });
        }
    }
    Ok(())
}

/// How a source differs from what the lock file pins, as lines for a person: columns, rows, and the
/// first rows that differ where the tables are small. What cannot be read is left out.
pub(crate) fn how_it_changed(project: &Project, before: &LockEntry, now: &Pinned) -> Vec<String> {
    if now.used.version.kind != ArtifactKind::Table {
        return vec![format!("{} files, were {}", now.used.rows, before.rows)];
    }
    let mut lines = columns_changed(&SchemaDiff::of(&before.schema, &now.schema));
    lines.push(format!("{} rows, were {}", now.used.rows, before.rows));
    let cheap = before.rows.max(now.used.rows) <= CHEAP_ROWS;
    let digests = [&before.version.digest, &now.used.version.digest];
    let there = digests
        .iter()
        .all(|digest| project.store.contains(digest).unwrap_or(false));
    if cheap && there {
        // The refusal stands without it.
        if let Ok(diff) = diff_tables(&project.store, digests, &[], SHOWN) {
            lines.extend(rows_changed(&diff));
        }
    }
    lines
}

fn columns_changed(schema: &SchemaDiff) -> Vec<String> {
    let added = schema.added.iter();
    let added = added.map(|column| format!("new column {} ({})", column.name, column.logical_type));
    let removed = schema.removed.iter();
    let removed = removed.map(|column| format!("lost column {}", column.name));
    let retyped = schema.retyped.iter();
    let retyped = retyped.map(|column| {
        format!(
            "column {} is {}, was {}",
            column.name, column.after, column.before
        )
    });
    added.chain(removed).chain(retyped).collect()
}

fn rows_changed(diff: &TableDiff) -> Vec<String> {
    let mut lines = vec![format!(
        "{} rows added, {} rows removed",
        diff.added, diff.removed
    )];
    for (sign, rows) in [('-', &diff.samples.removed), ('+', &diff.samples.added)] {
        for row in rows {
            let values: Vec<_> = row
                .values
                .iter()
                .map(|(name, value)| format!("{name}={}", value.as_deref().unwrap_or_default()))
                .collect();
            let values = values.join(" ");
            let shown: String = values
                .chars()
                .filter(|c| !c.is_control())
                .take(100)
                .collect();
            lines.push(format!("{sign} row {}: {shown}", row.row));
        }
    }
    lines
}
