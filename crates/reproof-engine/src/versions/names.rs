//! Named data: its versions, heads and tags.

use std::collections::{BTreeMap, BTreeSet};

use reproof_catalog::{DataTag, VersionRow};
use reproof_config::{VersionAt, VersionSpec, check_tag, nearest};
use reproof_record::{Erasure, StepName, VersionEntry, VersionId};

use crate::erase::read_erasure;
use crate::{EngineError, Project};

/// The largest document of a version that is read.
pub(crate) const MAX_ENTRY: u64 = 64 << 20;

/// Named data and the version that its name alone means.
#[derive(Clone, Debug)]
pub struct NamedHead {
    /// The name.
    pub name: StepName,
    /// Its head; none if it was declared and not read yet.
    pub head: Option<(VersionId, VersionEntry)>,
    /// Whether `reproof.toml` declares it still.
    pub declared: bool,
}

/// A version as a history lists it.
#[derive(Clone, Debug)]
pub struct LoggedVersion {
    /// Its identifier.
    pub id: VersionId,
    /// The version.
    pub entry: VersionEntry,
    /// Its tags, sorted.
    pub tags: Vec<String>,
    /// Whether it is the head.
    pub head: bool,
    /// The event that erased what it holds, if that is erased.
    pub erased: Option<Erasure>,
}

/// All named data: what `reproof.toml` declares and what has a history, sorted by name.
///
/// # Errors
/// Trouble of the storage.
pub fn data_names(project: &Project) -> Result<Vec<NamedHead>, EngineError> {
    let heads: BTreeMap<_, _> = project.catalog.data_heads(None)?.into_iter().collect();
    let names = known_names(project)?;
    let named = names.into_iter().map(|name| {
        let head = heads
            .get(&name)
            .map(|id| Ok::<_, EngineError>((*id, read_version(project, id)?)));
        Ok(NamedHead {
            head: head.transpose()?,
            declared: project.settings.data.contains_key(&name),
            name,
        })
    });
    named.collect()
}

/// The names of data that are declared or have a history.
pub(super) fn known_names(project: &Project) -> Result<BTreeSet<StepName>, EngineError> {
    let heads = project.catalog.data_heads(None)?.into_iter();
    let declared = project.settings.data.keys().cloned();
    Ok(heads.map(|(name, _)| name).chain(declared).collect())
}

/// Whether data of this name is declared or has a history.
pub(super) fn is_known(project: &Project, name: &StepName) -> Result<bool, EngineError> {
    Ok(project.settings.data.contains_key(name)
        || !project.catalog.data_heads(Some(name))?.is_empty())
}

/// The head of named data; none if it has no history yet.
pub(crate) fn head(
    project: &Project,
    name: &StepName,
) -> Result<Option<(VersionId, VersionEntry)>, EngineError> {
    let Some((_, id)) = project.catalog.data_heads(Some(name))?.pop() else {
        return Ok(None);
    };
    Ok(Some((id, read_version(project, &id)?)))
}

/// Reads the document of a version from the store.
pub(crate) fn read_version(project: &Project, id: &VersionId) -> Result<VersionEntry, EngineError> {
    let bytes = project.store.read(id.digest(), MAX_ENTRY)?;
    VersionEntry::from_bytes(&bytes).map_err(|error| EngineError::Damaged {
        what: format!("data version {}", id.short()),
        reason: error.to_string(),
    })
}

/// The version that a text names.
pub(crate) fn resolve_version(
    project: &Project,
    spec: &VersionSpec,
) -> Result<(VersionId, VersionEntry), EngineError> {
    let name = &spec.name;
    let Some(head) = head(project, name)? else {
        return Err(no_history(project, name)?);
    };
    match &spec.at {
        VersionAt::Head => Ok(head),
        VersionAt::Back(count) => back(project, head, *count),
        VersionAt::Named(text) => {
            let tags = project.catalog.data_tags(name)?;
            let id = match tags.iter().find(|tag| tag.tag == *text) {
                Some(tag) => tag.entry,
                None => by_digits(project, name, text, &tags)?,
            };
            Ok((id, read_version(project, &id)?))
        }
    }
}

pub(crate) fn no_history(project: &Project, name: &StepName) -> Result<EngineError, EngineError> {
    if project.settings.data.contains_key(name) {
        return Ok(EngineError::Usage {
            message: format!("data '{name}' has no version yet"),
            hint: Some(format!(
                "'reproof data commit {name} -m MESSAGE' reads the first one"
            )),
        });
    }
    let names = known_names(project)?;
    let near = nearest(name.as_str(), names.iter().map(StepName::as_str));
    Ok(EngineError::Usage {
        message: format!("there is no data '{name}' here"),
        hint: Some(match near {
            Some(near) => format!("did you mean '{near}'?"),
            None => "'reproof data list' lists what there is".to_owned(),
        }),
    })
}

/// So many versions before this one.
fn back(
    project: &Project,
    (mut id, mut entry): (VersionId, VersionEntry),
    count: u32,
) -> Result<(VersionId, VersionEntry), EngineError> {
    for done in 0..count {
        let Some(parent) = entry.parent else {
            return Err(EngineError::Usage {
                message: format!(
                    "data '{}' has {done} versions before its head, not {count}",
                    entry.name
                ),
                hint: Some(format!("'reproof data log {}' lists them", entry.name)),
            });
        };
        id = parent;
        entry = read_version(project, &id)?;
    }
    Ok((id, entry))
}

/// The version whose ID, or whose content's digest, begins so.
fn by_digits(
    project: &Project,
    name: &StepName,
    text: &str,
    tags: &[DataTag],
) -> Result<VersionId, EngineError> {
    let rows = project.catalog.versions_of(name)?;
    let begins = |row: &&VersionRow| {
        row.id.to_string().starts_with(text) || row.content.to_hex().starts_with(text)
    };
    let found: Vec<&VersionRow> = rows.iter().filter(begins).collect();
    let contents: BTreeSet<_> = found.iter().map(|row| row.content).collect();
    match (found.last(), contents.len()) {
        (None, _) => {
            let near = nearest(text, tags.iter().map(|tag| tag.tag.as_str()));
            Err(EngineError::Usage {
                message: format!("data '{name}' has no version '{text}'"),
                hint: Some(match near {
                    Some(near) => format!("did you mean '{name}@{near}'?"),
                    None => format!("'reproof data log {name}' lists tags and IDs"),
                }),
            })
        }
        // Of versions with one content the newest stands for all.
        (Some(newest), 1) => Ok(newest.id),
        _ => {
            let list: Vec<_> = found
                .iter()
                .take(8)
                .map(|row| format!("{name}@{} (data:{})", row.id.short(), row.content.short()))
                .collect();
            Err(EngineError::Usage {
                message: format!("'{name}@{text}' is ambiguous: {}", list.join(", ")),
                hint: Some("give more digits".to_owned()),
            })
        }
    }
}

/// The versions of named data from the head back to the first; with `all` then those that do not
/// lead to the head any more, the newest first.
///
/// # Errors
/// A name without a history.
pub fn data_history(
    project: &Project,
    name: &StepName,
    all: bool,
) -> Result<Vec<LoggedVersion>, EngineError> {
    let spec = VersionSpec {
        name: name.clone(),
        at: VersionAt::Head,
    };
    let (head, entry) = resolve_version(project, &spec)?;
    let tags = project.catalog.data_tags(name)?;
    let erased = project.catalog.erased()?;
    let logged = |id: VersionId, entry: VersionEntry| {
        Ok::<_, EngineError>(LoggedVersion {
            tags: tags
                .iter()
                .filter(|tag| tag.entry == id)
                .map(|tag| tag.tag.clone())
                .collect(),
            head: id == head,
            erased: erased
                .get(&entry.content.digest)
                .map(|event| read_erasure(project, event))
                .transpose()?,
            id,
            entry,
        })
    };
    let mut seen = BTreeSet::from([head]);
    let mut history = vec![logged(head, entry)?];
    while let Some(parent) = history.last().and_then(|last| last.entry.parent) {
        if !seen.insert(parent) {
            break;
        }
        history.push(logged(parent, read_version(project, &parent)?)?);
    }
    if all {
        for row in project.catalog.versions_of(name)?.into_iter().rev() {
            if seen.insert(row.id) {
                history.push(logged(row.id, read_version(project, &row.id)?)?);
            }
        }
    }
    Ok(history)
}

/// Makes a version the head of its name: what is appended next comes after it.
///
/// # Errors
/// A text that names no version.
pub fn move_head(
    project: &Project,
    spec: &VersionSpec,
) -> Result<(VersionId, VersionEntry), EngineError> {
    let (id, entry) = resolve_version(project, spec)?;
    project.catalog.set_head(&spec.name, &id)?;
    Ok((id, entry))
}

/// Gives a tag to a version. One that another version has is moved only if `moved` says so.
///
/// # Errors
/// A text that is no tag or names no version, and a tag of another version.
pub fn tag_version(
    project: &Project,
    spec: &VersionSpec,
    tag: &str,
    moved: bool,
) -> Result<(VersionId, VersionEntry), EngineError> {
    check_tag(tag).map_err(|why| EngineError::Usage {
        message: format!("'{tag}' cannot be a tag"),
        hint: Some(why.to_owned()),
    })?;
    let (id, entry) = resolve_version(project, spec)?;
    let tags = project.catalog.data_tags(&spec.name)?;
    if let Some(other) = tags.iter().find(|other| other.tag == tag)
        && other.entry != id
        && !moved
    {
        return Err(EngineError::Usage {
            message: format!(
                "'{}@{tag}' is the version {} already",
                spec.name,
                other.entry.short()
            ),
            hint: Some("--move gives the tag to this version instead".to_owned()),
        });
    }
    project.catalog.set_data_tag(&DataTag {
        name: spec.name.clone(),
        tag: tag.to_owned(),
        entry: id,
        created: project.services.clock.now(),
    })?;
    Ok((id, entry))
}

/// Takes a tag away; the version stays.
///
/// # Errors
/// A tag that is not there.
pub fn untag(project: &Project, name: &StepName, tag: &str) -> Result<(), EngineError> {
    if project.catalog.remove_data_tag(name, tag)? {
        return Ok(());
    }
    let tags = project.catalog.data_tags(name)?;
    let near = nearest(tag, tags.iter().map(|tag| tag.tag.as_str()));
    Err(EngineError::Usage {
        message: format!("data '{name}' has no tag '{tag}'"),
        hint: near.map(|near| format!("did you mean '{near}'?")),
    })
}
