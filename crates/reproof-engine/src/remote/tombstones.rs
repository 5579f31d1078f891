//! What was erased, told to remotes and by them.

use std::collections::{BTreeMap, BTreeSet};

use reproof_record::{Digest, Erasure, Record};
use reproof_store::Remote;

use super::Moving;
use crate::erase::{MAX_EVENT, erasure_text, replay};
use crate::needs;
use crate::observer::Event;
use crate::{EngineError, Project};

/// The folder of events of erasure.
const ERASED: &str = "erased";

/// What is erased on a remote, with the event about each blob.
pub(super) type Gone = BTreeMap<Digest, Erasure>;

/// What is erased on a remote.
pub(super) fn read(remote: &Remote, watch: &Moving<'_>) -> Result<Gone, EngineError> {
    let names = remote.documents(ERASED)?;
    let ids: Vec<Digest> = names.iter().filter_map(|name| name.parse().ok()).collect();
    let objects: Vec<String> = ids.iter().map(|id| format!("{ERASED}/{id}")).collect();
    let texts = remote.read_documents(&objects, watch)?;
    let mut events = BTreeMap::new();
    for ((id, object), text) in ids.iter().zip(&objects).zip(texts) {
        let Some(text) = text else { continue };
        if Digest::of(&text) != *id {
            return Err(remote
                .damaged(object, "it is another event than its name says")
                .into());
        }
        let event = Erasure::from_bytes(&text);
        let event = event.map_err(|error| remote.damaged(object, error.to_string()))?;
        events.insert(*id, event);
    }
    Ok(replay(&events))
}

/// Tells a remote what was erased here, and removes from it whatever is erased by anybody, also what
/// somebody who did not know of it sent meanwhile.
pub(super) fn exchange(
    project: &Project,
    remote: &mut Remote,
    watch: &Moving<'_>,
) -> Result<Gone, EngineError> {
    let there: BTreeSet<String> = remote.documents(ERASED)?.into_iter().collect();
    for row in project.catalog.erasures()? {
        if !there.contains(&row.id.to_string()) {
            let bytes = project.store.read(&row.id, MAX_EVENT)?;
            remote.put_document(&format!("{ERASED}/{}", row.id), &bytes)?;
        }
    }
    let gone = read(remote, watch)?;
    let blobs: BTreeSet<Digest> = gone.keys().copied().collect();
    let packs = remote.erase(&blobs, watch)?;
    if packs > 0 {
        let note = format!(
            "what was erased is gone from '{}': {packs} of its packs were written anew",
            remote.name()
        );
        watch.observer.event(&Event::Note(&note));
    }
    Ok(gone)
}

/// Why a record cannot be had whole any more, if something that it needs was erased.
pub(super) fn of_record(gone: &Gone, record: &Record) -> Option<String> {
    let objects = needs::of_record(record);
    let event = objects.keys().find_map(|digest| gone.get(digest))?;
    Some(format!(
        "data:{} {}",
        event.content.digest.short(),
        erasure_text(event)
    ))
}
