//! Data sources: each is read into an immutable version, and compared with the lock file.

mod find;
mod many;

use std::collections::BTreeMap;
use std::path::Path;

use reproof_catalog::{SourceSnapshot, StepOutput};
use reproof_config::{
    DataFormat, DataFrom, DataSource, Lock, LockEntry, NamedData, Pipeline, StatisticsOption,
    VersionSpec, nearest,
};
use reproof_record::{Artifact, DataUse, Digest, Schema, StepName};
use reproof_store::fs::{Facts, IoError};
use reproof_table::{
    CsvOptions, FileFormat, Snapshot, SnapshotOptions, SourceFile, StatisticsLevel, TableError,
    partition_names, snapshot_files,
};

use crate::observer::{DataChange, Event, Observer};
use crate::{Cancel, EngineError, Project, cache, versions};
use find::{Found, find};

/// A data source with the version that this run uses.
pub(crate) struct Pinned {
    /// What names the source in the lock file.
    pub key: String,
    /// What was read.
    pub used: DataUse,
    /// Its columns.
    pub schema: Schema,
    /// The digest of the source's bytes.
    pub source_digest: Digest,
    /// How many files those are, if the source is a folder or a pattern.
    pub files: Option<u64>,
    /// The named data that was read, if it has a name.
    pub named: Option<StepName>,
}

impl Pinned {
    /// The lock file's entry for it.
    pub fn entry(&self) -> LockEntry {
        LockEntry {
            source: self.key.clone(),
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
    for (name, from) in &pipeline.data {
        if cancel.is_cancelled() {
            return Err(EngineError::Interrupted);
        }
        let (pinned, read) = match from {
            DataFrom::Source(source) => {
                // Whoever writes the file means the same source as whoever writes its name.
                let data = &project.settings.data;
                let mut same = data
                    .iter()
                    .filter(|(_, data)| data.source.key() == source.key());
                let data = same.next().map(|(data, _)| data);
                read_pinned(project, name, source, data, lock, locked, observer, cancel)?
            }
            DataFrom::Named(data) => {
                let named = named(project, data)?;
                let source = &named.source;
                read_pinned(
                    project,
                    name,
                    source,
                    Some(data),
                    lock,
                    locked,
                    observer,
                    cancel,
                )?
            }
            DataFrom::Version(spec) => (stored(project, spec, lock)?, false),
        };
        let entry = lock.get(&pinned.key);
        let change = change(entry, &pinned);
        observer.event(&Event::Data {
            name,
            used: &pinned.used,
            change: &change,
            read,
        });
        if locked && change != DataChange::Unchanged {
            return Err(not_the_pinned(project, name, entry, &pinned));
        }
        all.insert(name.clone(), pinned);
    }
    Ok(all)
}

/// The data that `reproof.toml` declares under this name.
pub(crate) fn named<'a>(
    project: &'a Project,
    name: &StepName,
) -> Result<&'a NamedData, EngineError> {
    let all = &project.settings.data;
    all.get(name).ok_or_else(|| {
        let names = all.keys().map(StepName::as_str);
        EngineError::Usage {
            message: format!("reproof.toml declares no data '{name}'"),
            hint: Some(match nearest(name.as_str(), names.clone()) {
                Some(near) => format!("did you mean '{near}'?"),
                None if all.is_empty() => format!("'reproof data add {name} FILE' declares it"),
                None => format!("it declares {}", names.collect::<Vec<_>>().join(", ")),
            }),
        }
    })
}

/// A source with the version that its bytes are now. Says whether they were read.
#[allow(clippy::too_many_arguments)] // Each is one word of what `pin_all` knows.
fn read_pinned(
    project: &Project,
    name: &StepName,
    source: &DataSource,
    named: Option<&StepName>,
    lock: &Lock,
    locked: bool,
    observer: &dyn Observer,
    cancel: &Cancel,
) -> Result<(Pinned, bool), EngineError> {
    let key = source.key();
    let entry = lock.get(&key);
    if locked && entry.is_none() {
        return Err(refuse(format!(
            "data '{name}' ({}) is not in the lock file",
            source.path
        )));
    }
    let head = match (entry, named) {
        (None, Some(named)) => versions::head(project, named)?,
        _ => None,
    };
    let types = entry.map(|entry| &entry.schema);
    let types = types.or(head.as_ref().map(|(_, head)| &head.schema));
    let (snapshot, read) = snapshot(project, name, source, types, observer, cancel)?;
    let used = DataUse {
        source: source.path.to_string(),
        version: snapshot.version.artifact,
        manifest: Some(snapshot.version.manifest),
        rows: snapshot.rows,
        columns: snapshot.schema.columns().len() as u64,
    };
    let pinned = Pinned {
        key,
        used,
        schema: snapshot.schema,
        source_digest: snapshot.source_digest,
        files: snapshot.files,
        named: named.cloned(),
    };
    Ok((pinned, read))
}

/// A stored version of named data. Where its history is not known here, what the lock file pins.
fn stored(project: &Project, spec: &VersionSpec, lock: &Lock) -> Result<Pinned, EngineError> {
    let key = format!("version:{spec}");
    let pinned = |content: Artifact, manifest, rows, schema: Schema, source_digest| Pinned {
        key: key.clone(),
        used: DataUse {
            source: spec.to_string(),
            version: content,
            manifest,
            rows,
            columns: schema.columns().len() as u64,
        },
        schema,
        source_digest,
        files: None,
        named: None,
    };
    match versions::resolve_version(project, spec) {
        Ok((_, entry)) => {
            let (content, rows) = (entry.content, entry.rows);
            Ok(pinned(
                content,
                Some(entry.manifest),
                rows,
                entry.schema,
                entry.source.digest,
            ))
        }
        Err(EngineError::Usage { message, hint }) => match lock.get(&key) {
            Some(entry) if project.store.contains(&entry.version.digest)? => {
                let (content, rows) = (entry.version, entry.rows);
                Ok(pinned(
                    content,
                    None,
                    rows,
                    entry.schema.clone(),
                    entry.source_digest,
                ))
            }
            _ => Err(EngineError::Usage { message, hint }),
        },
        Err(other) => Err(other),
    }
}

/// The refusal of a version that is not the pinned one. Says how it differs, where that is cheap.
fn not_the_pinned(
    project: &Project,
    name: &StepName,
    entry: Option<&LockEntry>,
    now: &Pinned,
) -> EngineError {
    let source = &now.used.source;
    let Some(entry) = entry else {
        return refuse(format!("data '{name}' ({source}) is not in the lock file"));
    };
    let mut message = format!(
        "data '{name}' ({source}) is not the version that the lock file pins: {} instead of {}",
        now.used.version.digest.short(),
        entry.version.digest.short(),
    );
    for line in versions::how_it_changed(project, entry, now) {
        message.push_str("\n  ");
        message.push_str(&line);
    }
    refuse(message)
}

fn refuse(message: String) -> EngineError {
    EngineError::Refused {
        message,
        hint: Some("run without --locked (policy.locked) to pin what is there now, and commit reproof.lock".to_owned()),
    }
}

/// The version of a source: the known one if the facts of its files are unchanged and every byte of
/// the version is there, else the files are read. Columns that `types` names have the types given
/// there. Says whether they were read.
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
        source: source.path.as_str(),
    });
    let hashed_at = project.services.clock.now();
    let read = read(project, &found, source, types, cancel)
        .inspect_err(|_| project.store.discard_own())?
        .map_err(|error| EngineError::Data {
            name: name.to_string(),
            error,
        })?;
    let (facts, source_digest, files) = match &found {
        Found::File(_, facts) => (*facts, first_digest(&read)?, None),
        Found::Files(files) => (
            project.io().metadata(&files.base)?,
            many::tree(files, &read.digests).digest()?,
            Some(files.files.len() as u64),
        ),
    };
    let snapshot = SourceSnapshot {
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
        Found::File(path, _) => check_at_rest(project, name, path, &snapshot)?,
        Found::Files(files) => {
            let hashed_at_ns = hashed_at.0.saturating_mul(1000);
            let read = (files, read.digests.as_slice());
            many::check_at_rest(project, name, source, read, hashed_at_ns, cancel)?;
            many::remember(project, files, read.1, hashed_at_ns)?;
        }
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
        Found::File(_, facts) => Ok(known.holds_for(facts)),
        Found::Files(_) if known.files.is_none() => Ok(false),
        Found::Files(files) => {
            let digests = many::digests(project, name, files, cancel)?;
            Ok(many::tree(files, &digests).digest()? == known.source_digest)
        }
    }
}

fn first_digest(read: &Snapshot) -> Result<Digest, EngineError> {
    let first = read.digests.first().copied();
    first.ok_or_else(|| EngineError::Bug("a file without a digest".to_owned()))
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
    let path = match find(project, name, source, cancel)? {
        Found::File(path, _) => path,
        Found::Files(files) => return many::keep(project, name, &files, digest, cancel),
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

/// The format of the files of a source.
fn format_of(source: &DataSource) -> FileFormat {
    match &source.format {
        DataFormat::Parquet => FileFormat::Parquet,
        DataFormat::JsonLines => FileFormat::JsonLines,
        DataFormat::Numpy => FileFormat::Numpy,
        DataFormat::Csv(options) => FileFormat::Csv(CsvOptions {
            delimiter: options.delimiter,
            null_tokens: options.null_tokens.clone(),
        }),
    }
}

/// Reads a source into the store.
fn read(
    project: &Project,
    found: &Found,
    source: &DataSource,
    types: Option<&Schema>,
    cancel: &Cancel,
) -> Result<Result<Snapshot, TableError>, EngineError> {
    let format = format_of(source);
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
        Found::File(path, _) => vec![SourceFile {
            path: path.clone(),
            inside: String::new(),
        }],
        Found::Files(files) => files.source_files(),
    };
    let store = project.store.clone();
    cancel.wait_for(move || {
        let mut batch = store.batch();
        let read = snapshot_files(&store, &mut batch, &files, &format, &options)?;
        batch.commit()?;
        Ok(read)
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

fn change(entry: Option<&LockEntry>, now: &Pinned) -> DataChange {
    let Some(before) = entry else {
        return DataChange::New;
    };
    if before.version == now.used.version {
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
