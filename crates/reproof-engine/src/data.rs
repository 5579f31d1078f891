//! Data sources: each is read into an immutable version, and compared with the lock file.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use reproof_catalog::{Named, SourceSnapshot, StepOutput};
use reproof_config::{
    DataFormat, DataFrom, DataSource, Lock, LockEntry, NamedData, Pipeline, StatisticsOption,
    VersionRef, nearest,
};
use reproof_record::{Artifact, ArtifactKind, DataUse, Digest, Schema, StepName, VersionEntry};
use reproof_store::fs::{Facts, FileKind, IoError};
use reproof_table::{
    CsvOptions, FileFormat, Snapshot, SnapshotOptions, StatisticsLevel, TableError, snapshot_file,
};

use crate::erase::admit;
use crate::needs::{Object, Objects};
use crate::observer::{DataChange, Event, Observer};
use crate::{Cancel, EngineError, Project, cache, remote, versions};

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
        named: named.cloned(),
    };
    Ok((pinned, read))
}

/// A stored version. Where it is not known here, what the lock file pins. Its bytes are here then.
fn stored(project: &Project, version: &VersionRef, lock: &Lock) -> Result<Pinned, EngineError> {
    let key = format!("version:{version}");
    let entry = match stored_entry(project, version, &key, lock) {
        Err(error @ EngineError::Usage { .. }) => match lock.get(&key) {
            Some(entry) => (entry.clone(), None),
            None => return Err(error),
        },
        entry => entry?,
    };
    let (entry, manifest) = entry;
    let beside = manifest.map(|manifest| (manifest, Object::Manifest));
    let wanted = Objects::from([(entry.version.digest, Object::of(&entry.version))]);
    let what = format!("the version {version}");
    remote::fetch_content(project, &what, &wanted, &beside.into_iter().collect())?;
    let table = project.store.table_object(&entry.version.digest)?;
    Ok(Pinned {
        key,
        used: DataUse {
            source: version.to_string(),
            version: entry.version,
            manifest,
            rows: table.rows,
            columns: table.columns.len() as u64,
        },
        schema: table.schema,
        source_digest: entry.source_digest,
        named: None,
    })
}

/// What the lock file will say of a stored version, and its manifest, as far as that is known here.
fn stored_entry(
    project: &Project,
    version: &VersionRef,
    key: &str,
    lock: &Lock,
) -> Result<(LockEntry, Option<Digest>), EngineError> {
    let of_entry = |entry: VersionEntry| {
        let pinned = LockEntry {
            source: key.to_owned(),
            version: entry.content,
            source_digest: entry.source.digest,
            rows: entry.rows,
            schema: entry.schema,
        };
        (pinned, Some(entry.manifest))
    };
    let digits = match version {
        VersionRef::Named(spec) => {
            return Ok(of_entry(versions::resolve_version(project, spec)?.1));
        }
        VersionRef::Content(digits) => digits,
    };
    let content = match crate::resolve(project, &format!("data:{digits}"))? {
        Named::Data(content) => content,
        other => {
            let what = crate::describe(&other);
            return Err(EngineError::usage(format!("{what} is not data")));
        }
    };
    if let Some(row) = project.catalog.versions_holding(&content)?.pop() {
        return Ok(of_entry(versions::read_version(project, &row.id)?));
    }
    // It has no name: another line of the lock file may know its source.
    if let Some(entry) = lock.entries().find(|entry| entry.version.digest == content) {
        return Ok((entry.clone(), None));
    }
    let version = Artifact {
        kind: ArtifactKind::Table,
        digest: content,
    };
    let pinned = LockEntry {
        source: key.to_owned(),
        version,
        source_digest: content,
        rows: 0,
        schema: Schema::new(Vec::new()).map_err(|error| EngineError::Bug(error.to_string()))?,
    };
    Ok((pinned, None))
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

/// The version of a source: the known one if the file's facts are unchanged and every byte of the
/// version is there, else the file is read. Columns that `types` names have the types given there.
/// Says whether it was read.
pub(crate) fn snapshot(
    project: &Project,
    name: &StepName,
    source: &DataSource,
    types: Option<&Schema>,
    observer: &dyn Observer,
    cancel: &Cancel,
) -> Result<(SourceSnapshot, bool), EngineError> {
    let (path, facts) = find(project, name, source)?;
    let key = source.key();
    if let Some(known) = project.catalog.source(&key)?
        && known.holds_for(&facts)
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
        source: source.path.as_str(),
    });
    let hashed_at = project.services.clock.now();
    let read = read(project, path.clone(), source, types, cancel)
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
    let (path, _) = find(project, name, source)?;
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
    types: Option<&Schema>,
    cancel: &Cancel,
) -> Result<Result<Snapshot, TableError>, EngineError> {
    let format = match &source.format {
        DataFormat::Parquet => FileFormat::Parquet,
        DataFormat::JsonLines => FileFormat::JsonLines,
        DataFormat::Numpy => FileFormat::Numpy,
        DataFormat::Csv(options) => FileFormat::Csv(CsvOptions {
            delimiter: options.delimiter,
            null_tokens: options.null_tokens.clone(),
        }),
    };
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
    let store = project.store.clone();
    let at = path.clone();
    let read = cancel.wait_for(move || {
        let mut batch = store.batch();
        let read = snapshot_file(&store, &mut batch, &path, &format, &options)?;
        Ok((read, batch))
    })?;
    let (read, batch) = match read {
        Ok(read) => read,
        Err(error) => return Ok(Err(error)),
    };
    // Before it is stored: of what is refused nothing is.
    let digests = [read.stored.artifact.digest, read.source_digest];
    admit(project, &format!("what {} holds", at.display()), &digests)?;
    batch.commit()?;
    Ok(Ok(read))
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
