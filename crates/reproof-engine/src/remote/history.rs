//! The history of named data on remotes: the documents of versions, and heads and tags.

use std::collections::{BTreeMap, BTreeSet};

use reproof_catalog::{DataTag, ForeignVersion, VersionRow};
use reproof_record::{Digest, Record, RecordId, StepName, VersionEntry, VersionId};
use reproof_store::Remote;

use super::Moving;
use super::refs::Refs;
use super::tombstones::Gone;
use crate::needs::{self, Objects};
use crate::versions::read_version;
use crate::{EngineError, Project};

/// The folder of the names that have a history.
const NAMES: &str = "names";
/// The folder of the documents of versions, one folder inside for each name.
const VERSIONS: &str = "versions";
/// The folder of the names that records use, one folder inside for each record.
const USES: &str = "uses";

/// What was moved of the history of named data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MovedHistory {
    /// The name.
    pub name: StepName,
    /// How many versions the other side did not know.
    pub versions: u64,
    /// Where both sides went different ways, one line for each: nothing was moved of it.
    pub conflicts: Vec<String>,
}

impl MovedHistory {
    /// Refuses what went different ways.
    pub(super) fn settled(self, remote: &Remote) -> Result<Self, EngineError> {
        if self.conflicts.is_empty() {
            return Ok(self);
        }
        let (name, remote) = (&self.name, remote.name());
        Err(EngineError::Refused {
            message: self.conflicts.join("\n"),
            hint: Some(format!(
                "'reproof pull {remote} data:{name}' fetches what is there; then 'reproof data head \
                 {name}@DIGITS' takes its head (or 'data tag --move' its tag) and 'reproof data \
                 commit {name}' goes on from it, or 'reproof push {remote} data:{name} --replace' \
                 makes yours count there. No version is lost: 'data log --all' lists them"
            )),
        })
    }
}

/// Versions by their identifiers.
type Versions = BTreeMap<VersionId, VersionEntry>;

/// All versions of a name that are known here.
fn known(project: &Project, name: &StepName) -> Result<Versions, EngineError> {
    let rows = project.catalog.versions_of(name)?.into_iter();
    rows.map(|row| Ok((row.id, read_version(project, &row.id)?)))
        .collect()
}

/// These versions and all before them, each after the one before it.
fn chain(versions: &Versions, from: impl IntoIterator<Item = VersionId>) -> Vec<VersionId> {
    let mut order = Vec::new();
    let mut seen = BTreeSet::new();
    for id in from {
        let mut chain = Vec::new();
        let mut next = Some(id);
        while let Some(id) = next {
            let Some(entry) = versions.get(&id) else {
                break;
            };
            if !seen.insert(id) {
                break;
            }
            chain.push(id);
            next = entry.parent;
        }
        order.extend(chain.into_iter().rev());
    }
    order
}

/// Those of these versions that come before no other one of them.
fn newest(versions: &Versions, mut ids: BTreeSet<VersionId>) -> BTreeSet<VersionId> {
    for id in ids.clone() {
        let before: BTreeSet<_> = chain(versions, [id]).into_iter().collect();
        ids.retain(|other| *other == id || !before.contains(other));
    }
    ids
}

/// What is sent of a history.
pub(super) struct Scope<'a> {
    /// Whether the bytes of all its versions go along. Those of heads, tags and `contents` do in
    /// any case.
    pub whole: bool,
    /// What versions hold that records use.
    pub contents: &'a BTreeSet<Digest>,
    /// What is erased on the remote: nothing of it is sent.
    pub gone: &'a Gone,
    /// Whether head and tags of the remote become those that are here, whatever they were.
    pub replace: bool,
}

/// The names of the data that a record uses, as far as they are known here.
pub(super) fn names_used(
    project: &Project,
    record: &Record,
) -> Result<BTreeSet<StepName>, EngineError> {
    let mut names = BTreeSet::new();
    for content in record.recipe.data.values() {
        let rows = project.catalog.versions_holding(&content.digest)?;
        names.extend(rows.into_iter().map(|row| row.name));
    }
    Ok(names)
}

/// Says on a remote which named data a record uses.
pub(super) fn put_uses(
    remote: &Remote,
    record: &RecordId,
    names: &BTreeSet<StepName>,
) -> Result<(), EngineError> {
    if names.is_empty() {
        return Ok(());
    }
    let folder = format!("{USES}/{record}");
    let there: BTreeSet<String> = remote.documents(&folder)?.into_iter().collect();
    for name in names.iter().filter(|name| !there.contains(name.as_str())) {
        remote.put_document(&format!("{folder}/{name}"), name.as_str().as_bytes())?;
    }
    Ok(())
}

/// The named data that a record uses, as a remote says.
pub(super) fn uses(remote: &Remote, record: &RecordId) -> Result<Vec<StepName>, EngineError> {
    let names = remote.documents(&format!("{USES}/{record}"))?;
    Ok(names.iter().filter_map(|name| name.parse().ok()).collect())
}

/// The names that have a history on a remote.
pub(super) fn names(remote: &Remote) -> Result<Vec<StepName>, EngineError> {
    let names = remote.documents(NAMES)?;
    Ok(names.iter().filter_map(|name| name.parse().ok()).collect())
}

/// What was sent, and the entries and bytes of packs that it took.
pub(super) struct Sent {
    pub history: MovedHistory,
    pub entries: u64,
    pub bytes: u64,
}

/// Sends the history of a name: bytes, then documents, then head and tags.
pub(super) fn push_history(
    project: &Project,
    remote: &mut Remote,
    name: &StepName,
    scope: &Scope<'_>,
    watch: &Moving<'_>,
) -> Result<Sent, EngineError> {
    let versions = known(project, name)?;
    let head = project.catalog.data_heads(Some(name))?.pop();
    let head = head.map(|(_, head)| head);
    let tags = project.catalog.data_tags(name)?;
    let used = versions
        .iter()
        .filter(|(_, entry)| scope.contents.contains(&entry.content.digest));
    let named: BTreeSet<VersionId> = head
        .into_iter()
        .chain(tags.iter().map(|tag| tag.entry))
        .chain(used.map(|(id, _)| *id))
        .collect();
    let order = chain(&versions, named.iter().copied());
    let mut objects = Objects::new();
    for id in order.iter().filter(|id| scope.whole || named.contains(id)) {
        objects.extend(needs::of_version(&versions[id]));
    }
    let mut blobs = needs::whole_here(&project.store, &objects)?;
    blobs.retain(|blob| !scope.gone.contains_key(blob));
    let sent = remote.push(&project.store, &blobs, watch)?;
    let folder = format!("{VERSIONS}/{name}");
    let there: BTreeSet<String> = remote.documents(&folder)?.into_iter().collect();
    let mut count = 0;
    for id in order {
        if !there.contains(&id.to_string()) {
            remote.put_document(&format!("{folder}/{id}"), &versions[&id].to_bytes()?)?;
            count += 1;
        }
    }
    let listed = format!("{NAMES}/{name}");
    if there.is_empty() && remote.document(&listed)?.is_none() {
        remote.put_document(&listed, name.as_str().as_bytes())?;
    }
    let mut refs = Refs::read(remote, name, watch)?;
    let mut conflicts = Vec::new();
    if let Some(head) = head {
        conflicts.extend(push_head(
            project, remote, &mut refs, &versions, head, scope,
        )?);
    }
    for tag in tags {
        conflicts.extend(push_tag(project, remote, &mut refs, &tag, scope)?);
    }
    if conflicts.is_empty() && head.is_some() {
        // Somebody else may have moved it in the same moment: then there are two, and both know.
        let refs = Refs::read(remote, name, watch)?;
        let now = refs.versions(None);
        conflicts.extend(went_apart(remote, name, &versions, head, &now));
    }
    Ok(Sent {
        history: MovedHistory {
            name: name.clone(),
            versions: count,
            conflicts,
        },
        entries: sent.entries,
        bytes: sent.bytes,
    })
}

/// What is wrong if a head of a remote does not come before the one that is here.
fn went_apart(
    remote: &Remote,
    name: &StepName,
    versions: &Versions,
    here: Option<VersionId>,
    there: &BTreeSet<VersionId>,
) -> Option<String> {
    let here = here?;
    let before: BTreeSet<_> = chain(versions, [here]).into_iter().collect();
    let mut others = there.iter().filter(|id| !before.contains(id)).peekable();
    others.peek()?;
    let others: Vec<String> = others.map(|id| format!("{name}@{}", id.short())).collect();
    Some(format!(
        "data '{name}' went different ways: its head is {name}@{} here and {} on '{}'",
        here.short(),
        others.join(" and "),
        remote.name()
    ))
}

fn push_head(
    project: &Project,
    remote: &Remote,
    refs: &mut Refs,
    versions: &Versions,
    head: VersionId,
    scope: &Scope<'_>,
) -> Result<Option<String>, EngineError> {
    let there = refs.versions(None);
    if there == BTreeSet::from([head]) {
        return Ok(None);
    }
    let name = &versions[&head].name;
    if !scope.replace {
        // Whoever has pulled what is there and did not go on from it is only behind.
        let ahead = newest(versions, there.iter().copied().chain([head]).collect());
        let known = there.iter().all(|id| versions.contains_key(id));
        if known && there.len() == 1 && ahead == there {
            return Ok(None);
        }
        if let Some(conflict) = went_apart(remote, name, versions, Some(head), &there) {
            return Ok(Some(conflict));
        }
    }
    refs.set(project, remote, None, head)?;
    Ok(None)
}

fn push_tag(
    project: &Project,
    remote: &Remote,
    refs: &mut Refs,
    tag: &DataTag,
    scope: &Scope<'_>,
) -> Result<Option<String>, EngineError> {
    let there = refs.versions(Some(&tag.tag));
    if there == BTreeSet::from([tag.entry]) {
        return Ok(None);
    }
    if there.is_empty() || scope.replace {
        refs.set(project, remote, Some(&tag.tag), tag.entry)?;
        return Ok(None);
    }
    Ok(Some(other_tag(remote, tag, &there)))
}

fn other_tag(remote: &Remote, tag: &DataTag, there: &BTreeSet<VersionId>) -> String {
    let others: Vec<String> = there.iter().map(VersionId::short).collect();
    format!(
        "the tag {}@{} means {} here and {} on '{}'",
        tag.name,
        tag.tag,
        tag.entry.short(),
        others.join(" and "),
        remote.name()
    )
}

/// Fetches the history of a name: the documents of all its versions, then head and tags, as far as
/// nothing here is lost by it. The bytes of versions are fetched when they are needed.
pub(super) fn pull_history(
    project: &Project,
    remote: &Remote,
    name: &StepName,
    watch: &Moving<'_>,
) -> Result<MovedHistory, EngineError> {
    let mut versions = known(project, name)?;
    let refs = Refs::read(remote, name, watch)?;
    let count = pull_documents(project, remote, name, &mut versions, watch)?;
    let mut conflicts = Vec::new();
    conflicts.extend(take_head(
        project,
        remote,
        name,
        &versions,
        refs.versions(None),
    )?);
    for (tag, there) in refs.tags() {
        conflicts.extend(take_tag(project, remote, name, &versions, &tag, there)?);
    }
    Ok(MovedHistory {
        name: name.clone(),
        versions: count,
        conflicts,
    })
}

/// Moves the head to that of a remote, if it comes after the one that is here.
fn take_head(
    project: &Project,
    remote: &Remote,
    name: &StepName,
    versions: &Versions,
    mut there: BTreeSet<VersionId>,
) -> Result<Option<String>, EngineError> {
    there.retain(|id| versions.contains_key(id));
    let there = newest(versions, there);
    let head = project.catalog.data_heads(Some(name))?.pop();
    let head = head.map(|(_, head)| head);
    let ahead = newest(versions, there.iter().copied().chain(head).collect());
    if head.is_some_and(|head| ahead == BTreeSet::from([head])) {
        return Ok(None);
    }
    // Of several the last one, where there is none here: 'data log' must begin somewhere.
    let last = there.iter().max_by_key(|id| (versions[*id].time, **id));
    let Some(last) = last.filter(|_| head.is_none() || ahead == there && there.len() == 1) else {
        return Ok(went_apart(remote, name, versions, head, &there));
    };
    let entry = &versions[last];
    let (row, location) = (row(*last, entry), &entry.source.location);
    if !project
        .catalog
        .append_version(&row, location, head.as_ref())?
    {
        return Ok(Some(format!(
            "the head of data '{name}' was moved by another process meanwhile: it stays"
        )));
    }
    Ok((there.len() > 1).then(|| {
        let heads: Vec<String> = there.iter().map(VersionId::short).collect();
        let (heads, remote) = (heads.join(" and "), remote.name());
        format!("data '{name}' has several heads on '{remote}': {heads}")
    }))
}

fn take_tag(
    project: &Project,
    remote: &Remote,
    name: &StepName,
    versions: &Versions,
    tag: &str,
    mut there: BTreeSet<VersionId>,
) -> Result<Option<String>, EngineError> {
    there.retain(|id| versions.contains_key(id));
    let tags = project.catalog.data_tags(name)?;
    let here = tags.into_iter().find(|known| known.tag == tag);
    match (here, there.last()) {
        (_, None) => Ok(None),
        (Some(here), Some(_)) if there == BTreeSet::from([here.entry]) => Ok(None),
        (Some(here), Some(_)) => Ok(Some(other_tag(remote, &here, &there))),
        (None, Some(entry)) => {
            project.catalog.set_data_tag(&DataTag {
                name: name.clone(),
                tag: tag.to_owned(),
                entry: *entry,
                created: project.services.clock.now(),
            })?;
            Ok(None)
        }
    }
}

/// Fetches the documents that are not known here, and gives their number.
fn pull_documents(
    project: &Project,
    remote: &Remote,
    name: &StepName,
    versions: &mut Versions,
    watch: &Moving<'_>,
) -> Result<u64, EngineError> {
    let folder = format!("{VERSIONS}/{name}");
    let listed = remote.documents(&folder)?;
    let ids = listed.iter().filter_map(|id| id.parse().ok());
    let new: Vec<VersionId> = ids.filter(|id| !versions.contains_key(id)).collect();
    let objects: Vec<String> = new.iter().map(|id| format!("{folder}/{id}")).collect();
    let texts = remote.read_documents(&objects, watch)?;
    let mut batch = project.store.batch();
    let mut fetched = BTreeSet::new();
    for ((id, object), text) in new.into_iter().zip(objects).zip(texts) {
        let Some(text) = text else { continue };
        let wrong = |what: String| remote.damaged(&object, what);
        let entry = VersionEntry::from_bytes(&text).map_err(|error| wrong(error.to_string()))?;
        if Digest::of(&text) != *id.digest() || entry.name != *name {
            return Err(wrong(format!("it is not this version of data '{name}'")).into());
        }
        batch.put(&text)?;
        fetched.insert(id);
        versions.insert(id, entry);
    }
    for id in &fetched {
        let parent = versions[id].parent;
        if let Some(parent) = parent.filter(|parent| !versions.contains_key(parent)) {
            let what = format!("the version {name}@{}, which others follow", parent.short());
            return Err(remote.lacks(what).into());
        }
    }
    batch.commit()?;
    let order = chain(versions, fetched.iter().copied());
    let new: Vec<_> = order.iter().filter(|id| fetched.contains(id)).collect();
    add(project, new.into_iter().map(|id| (*id, &versions[id])))?;
    Ok(fetched.len() as u64)
}

/// Notes versions that came from elsewhere, each after the one before it. Their documents are here.
pub(crate) fn add<'a>(
    project: &Project,
    versions: impl Iterator<Item = (VersionId, &'a VersionEntry)>,
) -> Result<(), EngineError> {
    let mut rows = Vec::new();
    for (id, entry) in versions {
        rows.push(ForeignVersion {
            row: row(id, entry),
            source: entry.source.location.clone(),
            here: project.store.keeps(&entry.content.digest)?,
        });
    }
    Ok(project.catalog.add_versions(&rows)?)
}

/// The catalogue's row of a version.
pub(crate) fn row(id: VersionId, entry: &VersionEntry) -> VersionRow {
    VersionRow {
        id,
        name: entry.name.clone(),
        content: entry.content.digest,
        parent: entry.parent,
        created: entry.time,
    }
}
