//! The data of a pipeline: each source is an immutable version, which is compared with the lock file.

use std::collections::BTreeMap;

use reproof_catalog::Named;
use reproof_config::{
    DataFrom, DataSource, Lock, LockEntry, NamedData, Pipeline, VersionRef, nearest,
};
use reproof_record::{Artifact, ArtifactKind, DataUse, Digest, Schema, StepName, VersionEntry};

use crate::needs::{Object, Objects};
use crate::observer::{DataChange, Event, Observer};
use crate::sources::{self, snapshot};
use crate::{Cancel, EngineError, Project, queries, remote, versions};

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

/// How far the lock file says what the data is.
#[derive(Clone, Copy)]
pub(crate) struct Reading {
    /// Whether data that is another version is refused.
    pub locked: bool,
    /// Whether sources are not read whose version is pinned and here.
    pub of_lock: bool,
}

/// Reads every data source of a pipeline into its version.
pub(crate) fn pin_all(
    project: &Project,
    pipeline: &Pipeline,
    lock: &Lock,
    Reading { locked, of_lock }: Reading,
    observer: &dyn Observer,
    cancel: &Cancel,
) -> Result<BTreeMap<StepName, Pinned>, EngineError> {
    let mut all = BTreeMap::new();
    for (name, from) in &pipeline.data {
        if cancel.is_cancelled() {
            return Err(EngineError::Interrupted);
        }
        let (source, data) = match from {
            DataFrom::Source(source) => {
                let source = queries::resolved(project, name, source)?;
                let data = same_source(project, &source);
                (Some(source), data)
            }
            DataFrom::Named(data) => {
                let source = &named(project, data)?.source;
                (Some(queries::resolved(project, name, source)?), Some(data))
            }
            DataFrom::Version(_) => (None, None),
        };
        let data = data.filter(|_| !of_lock);
        let (pinned, read) = match (from, &source) {
            (DataFrom::Version(spec), _) => (stored(project, spec, lock)?, false),
            (_, Some(source)) => match of_lock.then(|| lock.get(&source.key())).flatten() {
                Some(entry) if project.store.knows(&entry.version.digest)? => (
                    of_entry(project, entry.clone(), None, source.location())?,
                    false,
                ),
                _ => read_pinned(project, name, source, data, lock, locked, observer, cancel)?,
            },
            (_, None) => continue,
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

/// The named data that is read from this source: whoever writes it means the same as whoever writes
/// the name.
fn same_source<'a>(project: &'a Project, source: &DataSource) -> Option<&'a StepName> {
    let key = source.key();
    let is_same = |name: &StepName, other: &DataSource| {
        // A query that cannot be read is another one.
        let other =
            (other.kind() == source.kind()).then(|| queries::resolved(project, name, other));
        matches!(other, Some(Ok(other)) if other.key() == key)
    };
    let mut all = project.settings.data.iter();
    all.find(|(name, data)| is_same(name, &data.source))
        .map(|(name, _)| name)
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
            source.location()
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
        source: source.location(),
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
    let entry = LockEntry {
        source: key,
        ..entry
    };
    of_entry(project, entry, manifest, version.to_string())
}

/// What the lock file pins, whose bytes are here. `source` is where it is from, for a person.
fn of_entry(
    project: &Project,
    entry: LockEntry,
    manifest: Option<Digest>,
    source: String,
) -> Result<Pinned, EngineError> {
    let (rows, columns) = sources::size(&project.store, &entry.version)?;
    let schema = match entry.version.kind {
        ArtifactKind::Table => project.store.table_object(&entry.version.digest)?.schema,
        _ => Schema::default(),
    };
    Ok(Pinned {
        key: entry.source,
        used: DataUse {
            source,
            version: entry.version,
            manifest,
            rows,
            columns,
        },
        schema,
        source_digest: entry.source_digest,
        files: None,
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
