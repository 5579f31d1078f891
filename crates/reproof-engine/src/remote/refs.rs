//! Heads and tags of named data on a remote: events, which are only ever added.
//!
//! No object is written twice, so nobody overwrites what somebody else wrote at the same time: two
//! who move a head at once leave two events, which everybody sees, and neither's versions are lost.

use std::collections::{BTreeMap, BTreeSet};

use reproof_record::{Digest, StepName, Timestamp, VersionId, to_canonical};
use reproof_store::Remote;
use serde::{Deserialize, Serialize};

use super::{Moving, parse};
use crate::{EngineError, Project};

/// The folder of events, one folder inside for each name.
const REFS: &str = "refs";

/// That a head or a tag was moved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Moved {
    /// [`Moved::FORMAT`].
    format: String,
    /// The named data.
    name: StepName,
    /// The tag; none of the head.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tag: Option<String>,
    /// The version that it means from then on.
    version: VersionId,
    /// The events that no longer count.
    replaces: BTreeSet<Digest>,
    /// The account that moved it.
    user: String,
    /// When.
    time: Timestamp,
}

impl Moved {
    const FORMAT: &'static str = "reproof.ref/1";
}

/// The events of one name.
pub(super) struct Refs {
    name: StepName,
    events: BTreeMap<Digest, Moved>,
}

impl Refs {
    /// Reads all events of a name.
    pub fn read(remote: &Remote, name: &StepName, watch: &Moving<'_>) -> Result<Self, EngineError> {
        let folder = format!("{REFS}/{name}");
        let ids: Vec<Digest> = remote
            .documents(&folder)?
            .iter()
            .filter_map(|name| name.parse().ok())
            .collect();
        let objects: Vec<String> = ids.iter().map(|id| format!("{folder}/{id}")).collect();
        let mut events = BTreeMap::new();
        let texts = remote.read_documents(&objects, watch)?;
        for ((id, object), text) in ids.into_iter().zip(objects).zip(texts) {
            let Some(text) = text else { continue };
            let event: Moved = parse(remote, &object, &text)?;
            if event.format != Moved::FORMAT || event.name != *name || Digest::of(&text) != id {
                let what = format!("it is not an event of data '{name}'");
                return Err(remote.damaged(&object, what).into());
            }
            events.insert(id, event);
        }
        Ok(Self {
            name: name.clone(),
            events,
        })
    }

    /// The events of the head or a tag that no other one replaces.
    fn current<'a>(
        &'a self,
        tag: Option<&'a str>,
    ) -> impl Iterator<Item = (&'a Digest, &'a Moved)> {
        let replaced: BTreeSet<&Digest> = self
            .events
            .values()
            .flat_map(|event| &event.replaces)
            .collect();
        self.events
            .iter()
            .filter(move |(id, event)| event.tag.as_deref() == tag && !replaced.contains(id))
    }

    /// What the head or a tag means: several versions if it was moved by several at once, none if
    /// it was never set.
    pub fn versions(&self, tag: Option<&str>) -> BTreeSet<VersionId> {
        self.current(tag).map(|(_, event)| event.version).collect()
    }

    /// All tags, with what each means.
    pub fn tags(&self) -> BTreeMap<String, BTreeSet<VersionId>> {
        let names = self.events.values().filter_map(|event| event.tag.clone());
        let names: BTreeSet<String> = names.collect();
        names
            .into_iter()
            .map(|tag| {
                let versions = self.versions(Some(&tag));
                (tag, versions)
            })
            .collect()
    }

    /// Moves the head or a tag, in place of all that it means now.
    pub fn set(
        &mut self,
        project: &Project,
        remote: &Remote,
        tag: Option<&str>,
        version: VersionId,
    ) -> Result<(), EngineError> {
        let event = Moved {
            format: Moved::FORMAT.to_owned(),
            name: self.name.clone(),
            tag: tag.map(str::to_owned),
            version,
            replaces: self.current(tag).map(|(id, _)| *id).collect(),
            user: project.services.user.clone(),
            time: project.services.clock.now(),
        };
        let bytes = to_canonical(&event)?;
        let id = Digest::of(&bytes);
        remote.put_document(&format!("{REFS}/{}/{id}", self.name), &bytes)?;
        self.events.insert(id, event);
        Ok(())
    }
}
