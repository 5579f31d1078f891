//! Reads data sources into versions, where they changed since they were last read.

mod fetched;
mod find;
mod many;

use std::collections::BTreeMap;
use std::path::Path;

use reproof_catalog::{SourceSnapshot, StepOutput};
use reproof_config::{DataFormat, DataSource, StatisticsOption};
use reproof_record::{Artifact, ArtifactKind, Digest, Schema, StepName, Timestamp};
use reproof_store::fs::{Facts, IoError};
use reproof_store::{Batch, Store, StoreError, StoredArtifact};
use reproof_table::{
    CsvOptions, FileFormat, Snapshot, SnapshotOptions, SourceFile, StatisticsLevel, TableError,
    partition_names, snapshot_files,
};

use crate::erase::admit;
use crate::observer::{Event, Observer};
use crate::queries::Opened;
use crate::{Cancel, EngineError, Project, cache, queries};
pub(crate) use fetched::forget_fetched;
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
    if let Some(mut known) = project.catalog.source(&key)?
        && fits(source, &found, types, &known)
        && is_unchanged(project, name, (&found, &key), &mut known, cancel)?
    {
        match trouble(project, name, &known.version)? {
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
    let source_digest = source_digest(&found, &read.digests)?;
    let hashed_at_ns = hashed_at.0.saturating_mul(1000);
    let (facts, files, listing) = match &found {
        Found::File { facts, .. } => (*facts, None, None),
        Found::Files(files) => (
            project.io().metadata(&files.base)?,
            Some(files.all.len() as u64),
            files.listing(hashed_at_ns),
        ),
        Found::Server => (queries::NO_FACTS, None, None),
    };
    let mut snapshot = SourceSnapshot {
        facts,
        hashed_at,
        source_digest,
        files,
        listing,
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
    (found, key): (&Found, &str),
    known: &mut SourceSnapshot,
    cancel: &Cancel,
) -> Result<bool, EngineError> {
    match found {
        Found::File { path, whole, .. } if project.paranoid => {
            Ok(*whole && known.files.is_none() && hash(project, path)?.0 == known.source_digest)
        }
        Found::File { facts, whole, .. } => Ok(*whole && known.holds_for(facts)),
        Found::Files(_) if known.files.is_none() => Ok(false),
        Found::Files(files) => {
            let hashed_at = project.services.clock.now();
            let listing = files.listing(hashed_at.0.saturating_mul(1000));
            if listing.is_some() && listing == known.listing && !project.paranoid {
                return Ok(true);
            }
            let digests = many::digests(project, name, files, cancel)?;
            if many::tree(files, &digests).digest()? != known.source_digest {
                return Ok(false);
            }
            if listing.is_some() {
                (known.listing, known.hashed_at) = (listing, hashed_at);
                project.catalog.set_source(key, known)?;
            }
            Ok(true)
        }
        Found::Server => Ok(false),
    }
}

/// What is wrong with a stored version, if anything is. The tree of files stands for them: it comes
/// behind them in its batch, so where it is, they are; damage is for whoever reads them to find.
fn trouble(
    project: &Project,
    name: &StepName,
    version: &StepOutput,
) -> Result<Option<String>, EngineError> {
    let content = version.artifact.digest;
    if version.artifact.kind != ArtifactKind::Table
        && cache::believed(project, &[content])?.contains(&content)
    {
        return Ok(None);
    }
    cache::sound(project, &BTreeMap::from([(name.clone(), version.clone())]))
}

/// How many rows and columns a stored version has; of files how many there are, and no columns.
pub(crate) fn size(store: &Store, version: &Artifact) -> Result<(u64, u64), StoreError> {
    if version.kind == ArtifactKind::Table {
        let table = store.table_object(&version.digest)?;
        return Ok((table.rows, table.columns.len() as u64));
    }
    Ok((store.tree(&version.digest)?.files.len() as u64, 0))
}

/// What was read of a source.
struct Taken {
    stored: StoredArtifact,
    /// The columns; none of files that are no table.
    schema: Schema,
    /// The rows, or the files.
    rows: u64,
    /// The digest of each file; of a query that of its table.
    digests: Vec<Digest>,
}

impl From<Snapshot> for Taken {
    fn from(read: Snapshot) -> Self {
        Self {
            stored: read.stored,
            schema: read.schema,
            rows: read.rows,
            digests: read.digests,
        }
    }
}

/// The digest of the bytes that were read: of several files that of their tree.
fn source_digest(found: &Found, digests: &[Digest]) -> Result<Digest, EngineError> {
    if let Found::Files(files) = found {
        return Ok(many::tree(files, digests).digest()?);
    }
    let first = digests.first().copied();
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
    // A query has no bytes. The tree of several files comes behind them in its batch, so where it is,
    // they are.
    if source.query().is_some() || cache::believed(project, &[*digest])?.contains(digest) {
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
) -> Result<Taken, EngineError> {
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
    let (read, batch): (Taken, Batch) = match (found, file_format(source)) {
        (Found::Files(files), None) => many::take(project, name, files, cancel)?,
        (_, None) => {
            let (read, batch) = ask(project, name, source, found, &options, cancel)?;
            (read.into(), batch)
        }
        (_, Some(format)) => {
            let files = match found {
                Found::File { path, .. } => vec![SourceFile {
                    path: path.clone(),
                    inside: String::new(),
                }],
                Found::Files(files) => files.source_files(),
                Found::Server => Vec::new(),
            };
            let store = project.store.clone();
            let read = cancel.wait_for(move || -> Result<_, TableError> {
                let mut batch = store.batch();
                let read = snapshot_files(&store, &mut batch, &files, &format, &options)?;
                Ok((read.into(), batch))
            })?;
            read.map_err(|error| EngineError::Data {
                name: name.to_string(),
                error,
            })?
        }
    };
    // Before it is stored: of what is refused nothing is.
    let digests = [
        read.stored.artifact.digest,
        source_digest(found, &read.digests)?,
    ];
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

/// How the files of a source are read; none of files that are no table, and of a database.
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
        DataFormat::Files | DataFormat::Sql(_) => return None,
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
            let first = files.all.first();
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
