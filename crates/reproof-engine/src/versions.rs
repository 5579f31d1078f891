//! Data versions: which ones the lock file pins, how they are found, and their statistics.

mod append;
mod changes;
mod files;
mod names;
mod uses;

pub(crate) use append::append_read;
pub use append::{Committed, DataChoice, add_data, commit_data};
pub(crate) use changes::{CHEAP_ROWS, SHOWN, how_it_changed};
pub use changes::{ColumnChange, FilesDiff, VersionDiff, diff_files, diff_versions};
pub use files::{ExportFormat, Restored, export_files, export_version, restore_version};
pub use names::{
    LoggedVersion, NamedHead, data_history, data_names, move_head, tag_version, untag,
};
pub(crate) use names::{MAX_ENTRY, head, no_history, read_version, resolve_version};
pub use uses::{LineageNode, Uses, lineage_of, uses_of};

use std::collections::BTreeMap;

use names::{is_known, known_names};
use reproof_catalog::Named;
use reproof_config::{LockEntry, VersionAt, VersionSpec, nearest};
use reproof_record::{
    Artifact, ArtifactKind, Digest, RelativePath, StepName, Tree, VersionEntry, VersionId,
};
use reproof_table::statistics::Statistics;
use reproof_table::{StatisticsLevel, TableError, Threads, read_statistics, table_statistics};
use serde::Serialize;

use crate::needs::{Object, Objects};
use crate::prepare::read_lock;
use crate::remote::fetch_content;
use crate::{EngineError, Project, resolve};

/// A data version that the lock file pins.
#[derive(Clone, Debug)]
pub struct PinnedData {
    /// The file, inside the project.
    pub path: String,
    /// What the lock file says.
    pub entry: LockEntry,
    /// Whether its table is in the store.
    pub stored: bool,
}

/// The data versions that the lock file pins, sorted by source.
///
/// # Errors
/// A lock file that cannot be read, and trouble of the storage.
pub fn data_versions(project: &Project) -> Result<Vec<PinnedData>, EngineError> {
    let lock = read_lock(project)?;
    let mut versions = Vec::new();
    for entry in lock.entries() {
        versions.push(PinnedData {
            path: path(&entry.source).to_owned(),
            stored: project.store.contains(&entry.version.digest)?,
            entry: entry.clone(),
        });
    }
    Ok(versions)
}

/// The path in the key of a source, which may hold options in braces before it.
fn path(source: &str) -> &str {
    let begin = source.rfind("}:").map_or_else(
        || source.find(':').map_or(0, |colon| colon + 1),
        |brace| brace + 2,
    );
    &source[begin..]
}

/// A file of a data version that is files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StoredFile {
    /// Its path in the source's folder.
    pub path: RelativePath,
    /// Its size in bytes, if it is known.
    pub size: Option<u64>,
    /// Whether its owner may execute it.
    pub executable: bool,
    /// The digest of its bytes.
    pub digest: Digest,
}

/// The files of a data version, sorted by path.
pub type StoredFiles = Vec<StoredFile>;

/// What a text names: data that is pinned, or a version in a history, or both.
#[derive(Clone, Debug)]
pub struct FoundData {
    /// The digest of what the version holds.
    pub content: Digest,
    /// The newest version of named data that holds it, or the one that was named.
    pub version: Option<(VersionId, VersionEntry)>,
    /// What the lock file says of it, if it pins it.
    pub pinned: Option<PinnedData>,
}

impl FoundData {
    /// How a person reads it: `churn@8c1f20b94d7e`, or `data:` and the digest.
    pub fn label(&self) -> String {
        match &self.version {
            Some((id, entry)) => format!("{}@{}", entry.name, id.short()),
            None => format!("data:{}", self.content.short()),
        }
    }

    /// What it is: a table, or files.
    ///
    /// # Errors
    /// Trouble of the storage.
    pub fn kind(&self, project: &Project) -> Result<ArtifactKind, EngineError> {
        let version = self.version.as_ref().map(|(_, entry)| entry.content.kind);
        let pinned = self.pinned.as_ref().map(|one| one.entry.version.kind);
        if let Some(kind) = version.or(pinned) {
            return Ok(kind);
        }
        // What is neither is for whoever reads it as a table to say.
        Ok(match project.store.tree(&self.content) {
            Ok(tree) if tree.format == Tree::FORMAT => ArtifactKind::Files,
            _ => ArtifactKind::Table,
        })
    }

    /// The files of a version that is no table; none of a table.
    ///
    /// # Errors
    /// A version that is not in the store, or damaged.
    pub fn files(&self, project: &Project) -> Result<Option<StoredFiles>, EngineError> {
        if self.kind(project)? == ArtifactKind::Table {
            return Ok(None);
        }
        let mut sizes = BTreeMap::new();
        if let Some(manifest) = self.manifest(project)? {
            let manifest = project.store.manifest(&manifest)?;
            let files = manifest.files.into_iter();
            sizes = files.map(|file| (file.path, file.size)).collect();
        }
        let tree = project.store.tree(&self.content)?;
        let files = tree.files.into_iter().map(|file| StoredFile {
            size: sizes.get(&file.path).copied(),
            path: file.path,
            executable: file.executable,
            digest: file.digest,
        });
        Ok(Some(files.collect()))
    }

    /// Where it was read from, if that is known.
    pub fn source(&self) -> Option<&str> {
        let entry = self.version.as_ref().map(|(_, entry)| entry);
        let location = entry.map(|entry| entry.source.location.as_str());
        location.or(self.pinned.as_ref().map(|pinned| pinned.path.as_str()))
    }

    /// The manifest of its stored files, if it is known.
    fn manifest(&self, project: &Project) -> Result<Option<Digest>, EngineError> {
        if let Some((_, entry)) = &self.version {
            return Ok(Some(entry.manifest));
        }
        let Some(pinned) = &self.pinned else {
            return Ok(None);
        };
        let known = project.catalog.source(&pinned.entry.source)?;
        let known = known.filter(|known| known.version.artifact == pinned.entry.version);
        Ok(known.map(|known| known.version.manifest))
    }
}

/// Fetches what a version holds, if it is not here and a remote has it.
///
/// # Errors
/// If it cannot be had.
pub(crate) fn need_content(project: &Project, found: &FoundData) -> Result<(), EngineError> {
    let content = Artifact {
        kind: found.kind(project)?,
        digest: found.content,
    };
    let wanted = Objects::from([(found.content, Object::of(&content))]);
    let manifest = found.version.as_ref().map(|(_, entry)| entry.manifest);
    let beside = manifest.map(|manifest| (manifest, Object::Manifest));
    fetch_content(
        project,
        &found.label(),
        &wanted,
        &beside.into_iter().collect(),
    )
}

/// The data that a text names: a version of named data (`churn`, `churn@v1`, `churn@~1`), the path
/// of a source, its file's name with or without the extension, or an ID.
///
/// # Errors
/// A text that names nothing, several things, or something else than data.
pub fn find_data(project: &Project, named: &str) -> Result<FoundData, EngineError> {
    let versions = data_versions(project)?;
    if let Ok(spec) = named.parse::<VersionSpec>()
        && is_known(project, &spec.name)?
        && spec.at != VersionAt::Named("latest".to_owned())
    {
        let (id, entry) = resolve_version(project, &spec)?;
        let content = entry.content.digest;
        return Ok(FoundData {
            content,
            version: Some((id, entry)),
            pinned: versions
                .into_iter()
                .find(|one| one.entry.version.digest == content),
        });
    }
    let mut found: Vec<_> = versions
        .iter()
        .filter(|one| is_named(&one.path, named))
        .collect();
    found.dedup_by_key(|one| one.entry.version);
    let content = match found[..] {
        [] => content_named(project, named, &versions)?,
        [one] => one.entry.version.digest,
        _ => {
            let all: Vec<_> = found
                .iter()
                .map(|one| format!("{} (data:{})", one.path, one.entry.version.digest.short()))
                .collect();
            return Err(EngineError::Usage {
                message: format!("'{named}' names several data versions"),
                hint: Some(format!("write the path or the ID: {}", all.join(", "))),
            });
        }
    };
    let newest = project.catalog.versions_holding(&content)?.pop();
    Ok(FoundData {
        content,
        version: newest
            .map(|row| Ok::<_, EngineError>((row.id, read_version(project, &row.id)?)))
            .transpose()?,
        pinned: versions
            .into_iter()
            .find(|one| one.entry.version.digest == content),
    })
}

/// The content that a text names by its ID.
fn content_named(
    project: &Project,
    named: &str,
    versions: &[PinnedData],
) -> Result<Digest, EngineError> {
    match resolve(project, named) {
        Ok(Named::Data(digest)) => Ok(digest),
        Ok(_) => Err(EngineError::Usage {
            message: format!("'{named}' is not data"),
            hint: Some("'reproof show' shows records, recipes and executions".to_owned()),
        }),
        Err(EngineError::Usage { message, .. }) => {
            let names = known_names(project)?;
            let paths = versions.iter().map(|one| one.path.as_str());
            let known = names.iter().map(StepName::as_str).chain(paths);
            let wanted = named.split('@').next().unwrap_or(named);
            Err(EngineError::Usage {
                message,
                hint: Some(match nearest(wanted, known.clone()) {
                    Some(near) => format!("did you mean '{near}'?"),
                    None if known.clone().next().is_none() => {
                        "no data was read yet: 'reproof run' reads what a pipeline names, 'reproof \
                         data add NAME FILE' begins a history"
                            .to_owned()
                    }
                    None => format!("known here: {}", known.collect::<Vec<_>>().join(", ")),
                }),
            })
        }
        Err(other) => Err(other),
    }
}

fn is_named(path: &str, named: &str) -> bool {
    let file = path.rsplit('/').next().unwrap_or(path);
    // `churn` for data/churn.csv.gz.
    let stem = file.split('.').next().unwrap_or(file);
    !named.is_empty() && [path, file, stem].contains(&named)
}

/// The full statistics of a data version: those that were stored when it was read, or computed now.
///
/// # Errors
/// A version that is not in the store, or damaged.
pub fn statistics(
    project: &Project,
    found: &FoundData,
    threads: Threads,
) -> Result<Statistics, EngineError> {
    refuse_files(project, found, "statistics are")?;
    need_content(project, found)?;
    if let Some(manifest) = found.manifest(project)?
        && let Ok(Some(stored)) = read_statistics(&project.store, &manifest)
    {
        return Ok(stored);
    }
    let level = StatisticsLevel::Full;
    let computed = table_statistics(&project.store, &found.content, level, threads);
    computed.map_err(|error| of_table(found, error))
}

/// Refuses a version that is files, for what only tables have.
fn refuse_files(project: &Project, found: &FoundData, what: &str) -> Result<(), EngineError> {
    if found.kind(project)? == ArtifactKind::Table {
        return Ok(());
    }
    Err(EngineError::Usage {
        message: format!("{} is files: {what} for tables", found.label()),
        hint: Some("'reproof data show' lists the files".to_owned()),
    })
}

/// An error of a stored table.
fn of_table(found: &FoundData, error: TableError) -> EngineError {
    match error {
        TableError::Store(error) => error.into(),
        error => EngineError::Data {
            name: found.label(),
            error,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_of_a_source() {
        assert_eq!(path("csv:data/a:b.csv"), "data/a:b.csv");
        assert_eq!(path(r#"csv{"delimiter":":"}:data/a.csv"#), "data/a.csv");
    }

    #[test]
    fn names_of_a_source() {
        let of = |named| is_named("data/churn.csv.gz", named);
        assert!(of("data/churn.csv.gz") && of("churn.csv.gz") && of("churn"));
        assert!(!of("") && !of("churn.csv") && !of("data"));
    }
}
