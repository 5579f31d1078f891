//! Reads data sources into versions, where they changed since they were last read.

mod find;
mod many;

use std::collections::BTreeMap;
use std::path::Path;

use reproof_catalog::{SourceSnapshot, StepOutput};
use reproof_config::{DataFormat, DataSource, StatisticsOption};
use reproof_record::{Digest, Schema, StepName, Timestamp};
use reproof_store::Batch;
use reproof_store::fs::{Facts, IoError};
use reproof_table::{
    CsvOptions, FileFormat, Snapshot, SnapshotOptions, SourceFile, StatisticsLevel, TableError,
    partition_names, snapshot_files,
};

use crate::erase::admit;
use crate::observer::{Event, Observer};
use crate::queries::Opened;
use crate::{Cancel, EngineError, Project, cache, queries};
use find::{Found, find};

/// The version of a source: the known one if the facts of its files are unchanged and every byte of
/// the version is there, else the source is read. Columns that `types` names have the types given
/// there. Says whether it was read.
pub(crate) fn snapshot(
    project: &Project,
    name: &StepName,
    source: &DataSource,
    types: Option<&Schema>,
    observer: &dyn Observer,
    cancel: &Cancel,
) -> Result<(SourceSnapshot, bool), EngineError> {
    let found = find(project, name, source, cancel)?;
    let key = source.key();
    if let Some(known) = project.catalog.source(&key)?
        && fits(source, &found, types, &known)
        && is_unchanged(project, name, &found, &known, cancel)?
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
    let read = read(project, name, source, &found, types, cancel)
        .inspect_err(|_| project.store.discard_own())?;
    let source_digest = source_digest(&found, &read)?;
    let (facts, files) = match &found {
        Found::File { facts, .. } => (*facts, None),
        Found::Files(files) => {
            let facts = project.io().metadata(&files.base)?;
            (facts, Some(files.files.len() as u64))
        }
        Found::Server => (queries::NO_FACTS, None),
    };
    let mut snapshot = SourceSnapshot {
        facts,
        hashed_at,
        source_digest,
        files,
        version: StepOutput {
            artifact: read.stored.artifact,
            manifest: read.stored.manifest,
        },
        rows: read.rows,
        schema: read.schema,
    };
    match &found {
        Found::File { path, .. } if source.query().is_none() => {
            check_at_rest(project, name, path, &snapshot)?;
        }
        Found::Files(files) => {
            let hashed_at_ns = hashed_at.0.saturating_mul(1000);
            let read = (files, read.digests.as_slice());
            many::check_at_rest(project, name, source, read, hashed_at_ns, cancel)?;
            many::remember(project, files, read.1, hashed_at_ns)?;
        }
        // A transaction saw one state, but the file's facts tell it only if nothing moved.
        Found::File { whole: true, .. } if find(project, name, source, cancel)? == found => {}
        Found::File { .. } | Found::Server => snapshot.hashed_at = Timestamp(0),
    }
    project.catalog.set_source(&key, &snapshot)?;
    Ok((snapshot, true))
}

/// Whether a source still has the bytes that a known version was read from.
fn is_unchanged(
    project: &Project,
    name: &StepName,
    found: &Found,
    known: &SourceSnapshot,
    cancel: &Cancel,
) -> Result<bool, EngineError> {
    match found {
        Found::File { facts, whole, .. } => Ok(*whole && known.holds_for(facts)),
        Found::Files(_) if known.files.is_none() => Ok(false),
        Found::Files(files) => {
            let digests = many::digests(project, name, files, cancel)?;
            Ok(many::tree(files, &digests).digest()? == known.source_digest)
        }
        Found::Server => Ok(false),
    }
}

/// The digest of the bytes that were read: of several files that of their tree.
fn source_digest(found: &Found, read: &Snapshot) -> Result<Digest, EngineError> {
    if let Found::Files(files) = found {
        return Ok(many::tree(files, &read.digests).digest()?);
    }
    let first = read.digests.first().copied();
    first.ok_or_else(|| EngineError::Bug("a source without a digest".to_owned()))
}

/// Stores the bytes of a source: as a blob of their digest, or those of several files as blobs that
/// the tree of that digest names.
///
/// # Errors
/// Bytes that are not those of the digest any more, and trouble of the storage.
pub(crate) fn keep_bytes(
    project: &Project,
    name: &StepName,
    source: &DataSource,
    digest: &Digest,
    cancel: &Cancel,
) -> Result<(), EngineError> {
    // A query has no bytes.
    if source.query().is_some() {
        return Ok(());
    }
    let path = match find(project, name, source, cancel)? {
        Found::File { path, .. } => path,
        Found::Files(files) => return many::keep(project, name, &files, digest, cancel),
        Found::Server => return Ok(()),
    };
    if cache::check_blobs(project, &[*digest])?.is_none() {
        return Ok(());
    }
    let mut batch = project.store.batch();
    if many::copy(project, &mut batch, &path)? != *digest {
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
    if read.holds_for(&now) || now == read.facts && hash(project, path)?.0 == read.source_digest {
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

/// The digest of a file's bytes, and its facts after they were read.
fn hash(project: &Project, path: &Path) -> Result<(Digest, Facts), EngineError> {
    let mut file = project.io().open_read(path)?;
    let mut hasher = blake3::Hasher::new();
    hasher
        .update_reader(&mut file)
        .map_err(|source| IoError::new("read", path, source))?;
    Ok((hasher.finalize().into(), file.facts()?))
}

/// Reads a source into the store.
fn read(
    project: &Project,
    name: &StepName,
    source: &DataSource,
    found: &Found,
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
    let files = match found {
        Found::File { path, .. } => vec![SourceFile {
            path: path.clone(),
            inside: String::new(),
        }],
        Found::Files(files) => files.source_files(),
        Found::Server => Vec::new(),
    };
    let (read, batch) = match file_format(source) {
        Some(format) => {
            let store = project.store.clone();
            let read = cancel.wait_for(move || {
                let mut batch = store.batch();
                let read = snapshot_files(&store, &mut batch, &files, &format, &options)?;
                Ok((read, batch))
            })?;
            read.map_err(|error: TableError| EngineError::Data {
                name: name.to_string(),
                error,
            })?
        }
        None => ask(project, name, source, found, &options, cancel)?,
    };
    // Before it is stored: of what is refused nothing is.
    let digests = [read.stored.artifact.digest, source_digest(found, &read)?];
    admit(
        project,
        &format!("what {} holds", source.location()),
        &digests,
    )?;
    batch.commit()?;
    Ok(read)
}

/// Asks a database. A file of one that is at rest needs no locks, if it stayed so.
fn ask(
    project: &Project,
    name: &StepName,
    source: &DataSource,
    found: &Found,
    options: &SnapshotOptions,
    cancel: &Cancel,
) -> Result<(Snapshot, Batch), EngineError> {
    let read = |still: bool| {
        let opened = match found {
            Found::File { path, .. } => Some(Opened { path, still }),
            Found::Files(_) | Found::Server => None,
        };
        queries::read(project, name, source, opened, options.clone(), cancel)
    };
    let now = project.services.clock.now().0.saturating_mul(1000);
    if let Found::File { facts, whole, .. } = found
        && *whole
        && facts.settled(now)
    {
        let read = read(true);
        if find(project, name, source, cancel)? == *found {
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
        DataFormat::Arrow => FileFormat::Arrow,
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
/// their own, but for what their paths say.
fn fits(
    source: &DataSource,
    found: &Found,
    types: Option<&Schema>,
    known: &SourceSnapshot,
) -> bool {
    let Some(types) = types else {
        return true;
    };
    let partitions = match found {
        Found::Files(files) if source.has_types() => {
            let first = files.files.first();
            first.map_or(Vec::new(), |file| partition_names(file.inside.as_str()))
        }
        _ => Vec::new(),
    };
    let mut pinned = types.columns().iter();
    pinned.all(|pinned| {
        source.has_types() && !partitions.contains(&pinned.name)
            || known
                .schema
                .column(&pinned.name)
                .is_none_or(|column| column.logical_type == pinned.logical_type)
    })
}
