//! Data sources: each is read into an immutable version, and compared with the lock file.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use reproof_catalog::{SourceSnapshot, StepOutput};
use reproof_config::{DataFormat, DataSource, Lock, LockEntry, Pipeline, StatisticsOption};
use reproof_record::{DataUse, Digest, Schema, StepName};
use reproof_store::fs::{Facts, FileKind, IoError};
use reproof_table::{
    CsvOptions, FileFormat, Snapshot, SnapshotOptions, StatisticsLevel, TableError, snapshot_file,
};

use crate::observer::{DataChange, Event, Observer};
use crate::{Cancel, EngineError, Project, cache};

/// A data source with the version that this run uses.
pub(crate) struct Pinned {
    /// What was read.
    pub used: DataUse,
    /// Its columns.
    pub schema: Schema,
    /// The digest of the source's bytes.
    pub source_digest: Digest,
}

impl Pinned {
    /// The lock file's entry for it.
    pub fn entry(&self, source: &DataSource) -> LockEntry {
        LockEntry {
            source: source.key(),
            version: self.used.version,
            source_digest: self.source_digest,
            rows: self.used.rows,
            schema: self.schema.clone(),
        }
    }
}

/// Reads every data source of a pipeline into its version.
pub(crate) fn pin_all(
    project: &Project,
    pipeline: &Pipeline,
    lock: &Lock,
    locked: bool,
    observer: &dyn Observer,
    cancel: &Cancel,
) -> Result<BTreeMap<StepName, Pinned>, EngineError> {
    let mut all = BTreeMap::new();
    for (name, source) in &pipeline.data {
        if cancel.is_cancelled() {
            return Err(EngineError::Interrupted);
        }
        let entry = lock.get(source);
        if locked && entry.is_none() {
            return Err(refuse(format!(
                "data '{name}' ({}) is not in the lock file",
                source.path
            )));
        }
        let (snapshot, read) = snapshot(project, name, source, entry, observer, cancel)?;
        let change = change(entry, &snapshot);
        let used = DataUse {
            source: source.path.to_string(),
            version: snapshot.version.artifact,
            manifest: Some(snapshot.version.manifest),
            rows: snapshot.rows,
            columns: snapshot.schema.columns().len() as u64,
        };
        observer.event(&Event::Data {
            name,
            used: &used,
            change: &change,
            read,
        });
        if locked && change != DataChange::Unchanged {
            return Err(refuse(format!(
                "data '{name}' ({}) is not the version that the lock file pins: {} instead of {}",
                source.path,
                used.version.digest.short(),
                entry
                    .map(|entry| entry.version.digest.short())
                    .unwrap_or_default(),
            )));
        }
        let SourceSnapshot {
            schema,
            source_digest,
            ..
        } = snapshot;
        all.insert(
            name.clone(),
            Pinned {
                used,
                schema,
                source_digest,
            },
        );
    }
    Ok(all)
}

fn refuse(message: String) -> EngineError {
    EngineError::Refused {
        message,
        hint: Some("run without --locked (policy.locked) to pin what is there now, and commit reproof.lock".to_owned()),
    }
}

/// The version of a source: the known one if the file's facts are unchanged and every byte of the
/// version is there, else the file is read. Says whether it was read.
fn snapshot(
    project: &Project,
    name: &StepName,
    source: &DataSource,
    entry: Option<&LockEntry>,
    observer: &dyn Observer,
    cancel: &Cancel,
) -> Result<(SourceSnapshot, bool), EngineError> {
    let (path, facts) = find(project, name, source)?;
    let key = source.key();
    if let Some(known) = project.catalog.source(&key)?
        && known.holds_for(&facts)
        && fits(source, entry, &known)
    {
        let outputs = BTreeMap::from([(name.clone(), known.version.clone())]);
        match cache::sound(project, &outputs)? {
            None => return Ok((known, false)),
            Some(trouble) => observer.event(&Event::Note(&format!(
                "the stored version of data '{name}' {trouble}: it is read again"
            ))),
        }
    }
    observer.event(&Event::DataStarted {
        name,
        source: source.path.as_str(),
    });
    let hashed_at = project.services.clock.now();
    let read = read(project, path.clone(), source, entry, cancel)
        .inspect_err(|_| project.store.discard_own())?
        .map_err(|error| EngineError::Data {
            name: name.to_string(),
            error,
        })?;
    let snapshot = SourceSnapshot {
        facts,
        hashed_at,
        source_digest: read.source_digest,
        version: StepOutput {
            artifact: read.stored.artifact,
            manifest: read.stored.manifest,
        },
        rows: read.rows,
        schema: read.schema,
    };
    check_at_rest(project, name, &path, &snapshot)?;
    project.catalog.set_source(&key, &snapshot)?;
    Ok((snapshot, true))
}

/// Refuses a file that changed while it was read: what was read may never have been in it at once.
/// Facts tell, unless they are so new that a later change may hide behind them: then the bytes do.
fn check_at_rest(
    project: &Project,
    name: &StepName,
    path: &Path,
    read: &SourceSnapshot,
) -> Result<(), EngineError> {
    let now = project.io().metadata(path)?;
    if read.holds_for(&now) || now == read.facts && digest(project, path)? == read.source_digest {
        return Ok(());
    }
    Err(EngineError::Usage {
        message: format!(
            "data '{name}': {} changed while it was read",
            path.display()
        ),
        hint: Some("run again once it is at rest, or name a copy that nobody writes to".to_owned()),
    })
}

/// The digest of a file's bytes.
fn digest(project: &Project, path: &Path) -> Result<Digest, EngineError> {
    let mut file = project.io().open_read(path)?;
    let mut hasher = blake3::Hasher::new();
    hasher
        .update_reader(&mut file)
        .map_err(|source| IoError::new("read", path, source))?;
    Ok(hasher.finalize().into())
}

/// The file of a source, without links, and its facts: a link's own would not tell that what it
/// points to has changed.
fn find(
    project: &Project,
    name: &StepName,
    source: &DataSource,
) -> Result<(PathBuf, Facts), EngineError> {
    let usage = |message: String, hint: String| EngineError::Usage {
        message: format!("data '{name}': {message}"),
        hint: Some(hint),
    };
    let path = project.root.join(source.path.as_str());
    let found = project.io().canonicalize(&path);
    let path = found.map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => usage(
            format!("there is no file {}", source.path),
            format!("paths are inside the project, {}", project.root.display()),
        ),
        _ => error.into(),
    })?;
    let facts = project.io().metadata(&path)?;
    match facts.kind {
        FileKind::File => Ok((path, facts)),
        // A pipe would make the run wait for ever, a device might never end.
        FileKind::Folder | FileKind::Link | FileKind::Other => Err(usage(
            format!("{} is not a regular file", source.path),
            "name a file whose bytes are at rest".to_owned(),
        )),
    }
}

/// Reads a source into the store.
fn read(
    project: &Project,
    path: PathBuf,
    source: &DataSource,
    entry: Option<&LockEntry>,
    cancel: &Cancel,
) -> Result<Result<Snapshot, TableError>, EngineError> {
    let format = match &source.format {
        DataFormat::Parquet => FileFormat::Parquet,
        DataFormat::Csv(options) => FileFormat::Csv(CsvOptions {
            delimiter: options.delimiter,
            null_tokens: options.null_tokens.clone(),
        }),
    };
    let options = SnapshotOptions {
        declared: source.schema.clone(),
        pinned: entry.map(|entry| entry.schema.clone()),
        statistics: match source.statistics {
            StatisticsOption::None => StatisticsLevel::None,
            StatisticsOption::Basic => StatisticsLevel::Basic,
            StatisticsOption::Full => StatisticsLevel::Full,
        },
        replaced: replaced(project, source, entry)?,
    };
    let store = project.store.clone();
    cancel.wait_for(move || {
        let mut batch = store.batch();
        let read = snapshot_file(&store, &mut batch, &path, &format, &options)?;
        batch.commit()?;
        Ok(read)
    })
}

/// The stored columns of the version that a source was read into before: the last one here, else
/// the one that the lock file pins.
fn replaced(
    project: &Project,
    source: &DataSource,
    entry: Option<&LockEntry>,
) -> Result<BTreeMap<String, Digest>, EngineError> {
    let last = project.catalog.source(&source.key())?;
    let last = last.map(|known| known.version.artifact.digest);
    let Some(version) = last.or(entry.map(|entry| entry.version.digest)) else {
        return Ok(BTreeMap::new());
    };
    match project.store.table_object(&version) {
        Ok(table) => {
            let names = table.schema.columns().iter();
            let names = names.map(|column| column.name.clone());
            Ok(names.zip(table.columns).collect())
        }
        // It only saves room, so what cannot be read is not missed.
        Err(_) => Ok(BTreeMap::new()),
    }
}

/// Whether a known version has the column types that the lock file pins for the columns it has.
/// Parquet has types of its own.
fn fits(source: &DataSource, entry: Option<&LockEntry>, known: &SourceSnapshot) -> bool {
    source.format == DataFormat::Parquet
        || entry.is_none_or(|entry| {
            entry.schema.columns().iter().all(|pinned| {
                known
                    .schema
                    .column(&pinned.name)
                    .is_none_or(|column| column.logical_type == pinned.logical_type)
            })
        })
}

fn change(entry: Option<&LockEntry>, now: &SourceSnapshot) -> DataChange {
    let Some(before) = entry else {
        return DataChange::New;
    };
    if before.version == now.version.artifact {
        return DataChange::Unchanged;
    }
    let missing = |from: &Schema, of: &Schema| {
        let columns = of
            .columns()
            .iter()
            .filter(|column| from.column(&column.name).is_none());
        columns.map(|column| column.name.clone()).collect()
    };
    DataChange::Changed {
        rows_before: before.rows,
        added: missing(&before.schema, &now.schema),
        removed: missing(&now.schema, &before.schema),
    }
}
