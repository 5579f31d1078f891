//! Appends versions to the history of named data.

use reproof_capture::{Identity, identity};
use reproof_catalog::SourceSnapshot;
use reproof_config::NamedData;
use reproof_record::{
    Artifact, Author, DataOrigin, Digest, ExecutionId, Schema, StepName, Timestamp, VersionEntry,
    VersionId,
};

use super::names::head;
use crate::data::named;
use crate::observer::{Event, Observer};
use crate::prepare::{Prepared, read_lock};
use crate::project::{PROJECT_FILE, read_text};
use crate::sources::{keep_bytes, snapshot};
use crate::{Cancel, EngineError, Project, queries};

/// How often a version is appended anew because another process appended one meanwhile.
const ATTEMPTS: usize = 16;

/// What came of an attempt to append a version.
#[derive(Clone, Debug)]
pub struct Committed {
    /// The head as it is now.
    pub id: VersionId,
    /// Its document.
    pub entry: VersionEntry,
    /// The head before it.
    pub before: Option<(VersionId, VersionEntry)>,
    /// Whether a version was appended: otherwise the head holds what was read.
    pub appended: bool,
}

/// How named data is to be read by `data commit`.
#[derive(Clone, Debug, Default)]
pub struct DataChoice {
    /// Why the version is appended, in words of the author.
    pub message: String,
    /// Whether the types of columns are decided anew, instead of being those of the lock file and
    /// the head.
    pub retype: bool,
}

/// Declares named data in `reproof.toml` and reads its first version.
///
/// # Errors
/// A name that is there already, a source that cannot be read, and trouble of the storage.
pub fn add_data(
    project: &Project,
    name: &StepName,
    data: &NamedData,
    choice: &DataChoice,
    observer: &dyn Observer,
    cancel: &Cancel,
) -> Result<Committed, EngineError> {
    let text = read_text(project.io(), &project.root.join(PROJECT_FILE))?;
    let text = reproof_config::add_data(PROJECT_FILE, &text, name, data)?;
    let data = resolved(project, name, data)?;
    let read = read(project, name, &data, choice, observer, cancel)?;
    project.write_text(PROJECT_FILE, &text)?;
    append(project, &read.draft(project, name, &data, choice, cancel)?)
}

/// Named data with the text of its query, where that stands in a file.
fn resolved(
    project: &Project,
    name: &StepName,
    data: &NamedData,
) -> Result<NamedData, EngineError> {
    Ok(NamedData {
        source: queries::resolved(project, name, &data.source)?,
        keep: data.keep,
    })
}

/// Reads named data now, and appends a version if its content differs from that of the head.
///
/// # Errors
/// A name that is not declared, a source that cannot be read, and trouble of the storage.
pub fn commit_data(
    project: &Project,
    name: &StepName,
    choice: &DataChoice,
    observer: &dyn Observer,
    cancel: &Cancel,
) -> Result<Committed, EngineError> {
    let data = resolved(project, name, named(project, name)?)?;
    let read = read(project, name, &data, choice, observer, cancel)?;
    append(project, &read.draft(project, name, &data, choice, cancel)?)
}

/// Appends what a run read of named data, where it is not the head.
pub(crate) fn append_read(
    project: &Project,
    prepared: &Prepared,
    run: &ExecutionId,
    observer: &dyn Observer,
    cancel: &Cancel,
) -> Result<(), EngineError> {
    for pinned in prepared.pinned.values() {
        let Some(name) = &pinned.named else {
            continue;
        };
        let content = pinned.used.version;
        if head(project, name)?.is_some_and(|(_, head)| head.content == content) {
            continue;
        }
        let data = resolved(project, name, named(project, name)?)?;
        let read = Read {
            content,
            manifest: pinned.used.manifest.unwrap_or(content.digest),
            rows: pinned.used.rows,
            schema: pinned.schema.clone(),
            digest: pinned.source_digest,
            files: pinned.files,
        };
        let mut draft = read.draft(project, name, &data, &DataChoice::default(), cancel)?;
        draft.commit.clone_from(&prepared.code.state.commit);
        draft.read_by = Some(*run);
        let appended = append(project, &draft)?;
        let (id, rows) = (appended.id.short(), draft.rows);
        let what = match &appended.before {
            Some(_) => format!("changed: {rows} rows are its new"),
            None => format!("is read for the first time: {rows} rows are its first"),
        };
        observer.event(&Event::Note(&format!(
            "data '{name}' {what} version, {name}@{id}"
        )));
    }
    Ok(())
}

/// A version that was read.
struct Read {
    content: Artifact,
    manifest: Digest,
    rows: u64,
    schema: Schema,
    /// The digest of the source's bytes.
    digest: Digest,
    /// How many files those are, if the source is a folder or a pattern.
    files: Option<u64>,
}

impl From<SourceSnapshot> for Read {
    fn from(read: SourceSnapshot) -> Self {
        Self {
            content: read.version.artifact,
            manifest: read.version.manifest,
            rows: read.rows,
            schema: read.schema,
            digest: read.source_digest,
            files: read.files,
        }
    }
}

fn read(
    project: &Project,
    name: &StepName,
    data: &NamedData,
    choice: &DataChoice,
    observer: &dyn Observer,
    cancel: &Cancel,
) -> Result<Read, EngineError> {
    let types = if choice.retype {
        None
    } else {
        let lock = read_lock(project)?;
        let pinned = lock
            .get(&data.source.key())
            .map(|entry| entry.schema.clone());
        match pinned {
            Some(schema) => Some(schema),
            None => head(project, name)?.map(|(_, head)| head.schema),
        }
    };
    let (read, _) = snapshot(
        project,
        name,
        &data.source,
        types.as_ref(),
        observer,
        cancel,
    )?;
    Ok(read.into())
}

impl Read {
    /// The version that would be appended; its bytes are kept by then.
    fn draft(
        self,
        project: &Project,
        name: &StepName,
        data: &NamedData,
        choice: &DataChoice,
        cancel: &Cancel,
    ) -> Result<VersionEntry, EngineError> {
        if data.keep {
            keep_bytes(project, name, &data.source, &self.digest, cancel)?;
        }
        let services = &project.services;
        let Identity {
            name: author,
            email,
            commit,
        } = identity(&project.root, services.runner.as_ref())?;
        Ok(VersionEntry {
            format: VersionEntry::FORMAT.to_owned(),
            name: name.clone(),
            content: self.content,
            manifest: self.manifest,
            parent: None,
            message: choice.message.clone(),
            author: Author {
                user: services.user.clone(),
                name: author,
                email,
            },
            time: Timestamp::default(),
            host: services.host.name.clone(),
            source: DataOrigin {
                kind: data.source.kind().to_owned(),
                location: data.source.location(),
                options: data.source.options(),
                digest: self.digest,
                kept: data.keep,
                files: self.files,
            },
            schema: self.schema,
            rows: self.rows,
            commit,
            read_by: None,
        })
    }
}

/// Appends a version after the head, whatever that is by then; one that holds what the head holds
/// is not appended.
fn append(project: &Project, draft: &VersionEntry) -> Result<Committed, EngineError> {
    for _ in 0..ATTEMPTS {
        let before = head(project, &draft.name)?;
        if let Some((id, entry)) = &before
            && entry.content == draft.content
        {
            return Ok(Committed {
                id: *id,
                entry: entry.clone(),
                before,
                appended: false,
            });
        }
        let entry = VersionEntry {
            parent: before.as_ref().map(|(id, _)| *id),
            time: project.services.clock.now(),
            ..draft.clone()
        };
        let id = entry.id()?;
        let mut batch = project.store.batch();
        batch.put(&entry.to_bytes()?)?;
        batch.commit()?;
        let row = crate::remote::version_row(id, &entry);
        let location = &entry.source.location;
        if project
            .catalog
            .append_version(&row, location, entry.parent.as_ref())?
        {
            project.catalog.set_here(&entry.content.digest)?;
            return Ok(Committed {
                id,
                entry,
                before,
                appended: true,
            });
        }
    }
    Err(EngineError::Usage {
        message: format!("data '{}' is being changed by other processes", draft.name),
        hint: Some("try again once they are done".to_owned()),
    })
}
