//! The versions of a pipeline's data, compared with what the lock file pins.

use std::collections::BTreeMap;

use reproof_config::{
    DataFrom, DataSource, Lock, LockEntry, NamedData, Pipeline, VersionSpec, nearest,
};
use reproof_record::{Artifact, DataUse, Digest, Schema, StepName};

use super::snapshot;
use crate::observer::{DataChange, Event, Observer};
use crate::{Cancel, EngineError, Project, versions};

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
