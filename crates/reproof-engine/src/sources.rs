//! Reads data sources into versions, where they changed since they were last read.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use reproof_catalog::{SourceSnapshot, StepOutput};
use reproof_config::{DataFormat, DataSource, StatisticsOption};
use reproof_record::{Digest, Schema, StepName, Timestamp};
use reproof_store::fs::{Facts, FileKind, IoError};
use reproof_table::{
    CsvOptions, FileFormat, Snapshot, SnapshotOptions, StatisticsLevel, TableError, snapshot_file,
};

use crate::observer::{Event, Observer};
use crate::queries::Opened;
use crate::{Cancel, EngineError, Project, cache, queries};

/// The version of a source: the known one if the file's facts are unchanged and every byte of the
/// version is there, else the source is read. Columns that `types` names have the types given there.
/// Says whether it was read.
pub(crate) fn snapshot(
    project: &Project,
    name: &StepName,
    source: &DataSource,
    types: Option<&Schema>,
    observer: &dyn Observer,
    cancel: &Cancel,
) -> Result<(SourceSnapshot, bool), EngineError> {
    let file = File::find(project, name, source)?;
    let key = source.key();
    if let Some(file) = file.as_ref().filter(|file| file.whole)
        && let Some(known) = project.catalog.source(&key)?
        && known.holds_for(&file.facts)
        && fits(source, types, &known)
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
        source: &source.location(),
    });
    let hashed_at = project.services.clock.now();
    let read = read(project, name, source, file.as_ref(), types, cancel)
        .inspect_err(|_| project.store.discard_own())?;
    let mut snapshot = SourceSnapshot {
        facts: file.as_ref().map_or(queries::NO_FACTS, |file| file.facts),
        hashed_at,
        source_digest: read.source_digest,
        version: StepOutput {
            artifact: read.stored.artifact,
            manifest: read.stored.manifest,
        },
        rows: read.rows,
        schema: read.schema,
    };
    match &file {
        Some(file) if source.query().is_none() => {
            check_at_rest(project, name, &file.path, &snapshot)?;
        }
        // A transaction saw one state, but the file's facts tell it only if nothing moved.
        Some(file) if File::find(project, name, source)?.as_ref() == Some(file) && file.whole => {}
        _ => snapshot.hashed_at = Timestamp(0),
    }
    project.catalog.set_source(&key, &snapshot)?;
    Ok((snapshot, true))
}

/// Stores the bytes of a source as a blob of their digest.
///
/// # Errors
/// Bytes that are not those of the digest any more, and trouble of the storage.
pub(crate) fn keep_bytes(
    project: &Project,
    name: &StepName,
    source: &DataSource,
    digest: &Digest,
) -> Result<(), EngineError> {
    if cache::check_blobs(project, &[*digest])?.is_none() {
        return Ok(());
    }
    let Some(File { path, .. }) = File::find(project, name, source)? else {
        return Ok(());
    };
    let mut file = project.io().open_read(&path)?;
    let mut batch = project.store.batch();
    let mut writer = batch.writer()?;
    std::io::copy(&mut file, &mut writer)
        .map_err(|source| IoError::new("copy into the store", &path, source))?;
    if batch.add(writer)?.digest != *digest {
        return Err(changed_meanwhile(name, &path));
    }
    Ok(batch.commit()?)
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
    Err(changed_meanwhile(name, path))
}

fn changed_meanwhile(name: &StepName, path: &Path) -> EngineError {
    EngineError::Usage {
        message: format!(
            "data '{name}': {} changed while it was read",
            path.display()
        ),
        hint: Some("run again once it is at rest, or name a copy that nobody writes to".to_owned()),
    }
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

/// The file of a source.
#[derive(PartialEq, Eq)]
struct File {
    /// Where it is, without links: a link's own facts would not tell that what it points to has
    /// changed.
    path: PathBuf,
    facts: Facts,
    /// Whether the facts tell of all that the source holds.
    whole: bool,
}

impl File {
    /// Finds the file of a source; none if it has none.
    fn find(
        project: &Project,
        name: &StepName,
        source: &DataSource,
    ) -> Result<Option<Self>, EngineError> {
        let Some(inside) = source.file() else {
            return Ok(None);
        };
        let usage = |message: String, hint: String| EngineError::Usage {
            message: format!("data '{name}': {message}"),
            hint: Some(hint),
        };
        let path = project.root.join(inside.as_str());
        let found = project.io().canonicalize(&path);
        let path = found.map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => usage(
                format!("there is no file {inside}"),
                format!("paths are inside the project, {}", project.root.display()),
            ),
            _ => error.into(),
        })?;
        let facts = project.io().metadata(&path)?;
        match facts.kind {
            FileKind::File => Ok(Some(Self {
                whole: queries::is_whole(project, source, &path)?,
                path,
                facts,
            })),
            // A pipe would make the run wait for ever, a device might never end.
            FileKind::Folder | FileKind::Link | FileKind::Other => Err(usage(
                format!("{inside} is not a regular file"),
                "name a file whose bytes are at rest".to_owned(),
            )),
        }
    }
}

/// Reads a source into the store.
fn read(
    project: &Project,
    name: &StepName,
    source: &DataSource,
    file: Option<&File>,
    types: Option<&Schema>,
    cancel: &Cancel,
) -> Result<Snapshot, EngineError> {
    let options = SnapshotOptions {
        declared: source.schema.clone(),
        pinned: types.cloned(),
        statistics: match source.statistics {
            StatisticsOption::None => StatisticsLevel::None,
            StatisticsOption::Basic => StatisticsLevel::Basic,
            StatisticsOption::Full => StatisticsLevel::Full,
        },
        replaced: replaced(project, source)?,
    };
    let (format, path) = match (file_format(source), file) {
        (Some(format), Some(file)) => (format, file.path.clone()),
        (_, file) => return ask(project, name, source, file, &options, cancel),
    };
    let store = project.store.clone();
    let read = cancel.wait_for(move || {
        let mut batch = store.batch();
        let read = snapshot_file(&store, &mut batch, &path, &format, &options)?;
        batch.commit()?;
        Ok(read)
    })?;
    read.map_err(|error: TableError| EngineError::Data {
        name: name.to_string(),
        error,
    })
}

/// Asks a database. A file of one that is at rest needs no locks, if it stayed so.
fn ask(
    project: &Project,
    name: &StepName,
    source: &DataSource,
    file: Option<&File>,
    options: &SnapshotOptions,
    cancel: &Cancel,
) -> Result<Snapshot, EngineError> {
    let read = |still: bool| {
        let opened = file.map(|file| Opened {
            path: &file.path,
            still,
        });
        queries::read(project, name, source, opened, options.clone(), cancel)
    };
    let now = project.services.clock.now().0.saturating_mul(1000);
    if file.is_some_and(|file| file.whole && file.facts.settled(now)) {
        let read = read(true);
        if File::find(project, name, source)?.as_ref() == file {
            return read;
        }
    }
    read(false)
}

/// How the file of a source is read; none of a database.
fn file_format(source: &DataSource) -> Option<FileFormat> {
    Some(match &source.format {
        DataFormat::Parquet => FileFormat::Parquet,
        DataFormat::JsonLines => FileFormat::JsonLines,
        DataFormat::Numpy => FileFormat::Numpy,
        DataFormat::Csv(options) => FileFormat::Csv(CsvOptions {
            delimiter: options.delimiter,
            null_tokens: options.null_tokens.clone(),
        }),
        DataFormat::Sql(_) => return None,
    })
}

/// The stored columns of the version that a source was last read into here.
fn replaced(
    project: &Project,
    source: &DataSource,
) -> Result<BTreeMap<String, Digest>, EngineError> {
    let Some(last) = project.catalog.source(&source.key())? else {
        return Ok(BTreeMap::new());
    };
    match project.store.table_object(&last.version.artifact.digest) {
        Ok(table) => {
            let names = table.schema.columns().iter();
            let names = names.map(|column| column.name.clone());
            Ok(names.zip(table.columns).collect())
        }
        // It only saves room, so what cannot be read is not missed.
        Err(_) => Ok(BTreeMap::new()),
    }
}

/// Whether a known version has these column types, for the columns it has. Some files have types of
/// their own.
fn fits(source: &DataSource, types: Option<&Schema>, known: &SourceSnapshot) -> bool {
    source.has_types()
        || types.is_none_or(|types| {
            types.columns().iter().all(|pinned| {
                known
                    .schema
                    .column(&pinned.name)
                    .is_none_or(|column| column.logical_type == pinned.logical_type)
            })
        })
}
