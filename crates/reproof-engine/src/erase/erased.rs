//! What was erased: why something is not there, and that it does not come back by itself.

use std::collections::{BTreeMap, BTreeSet};

use reproof_catalog::ErasureRow;
use reproof_record::{Digest, Erasure, ErasureAction};

use crate::{EngineError, Project};

/// The largest document of an event that is read.
pub(crate) const MAX_EVENT: u64 = 256 << 20;

/// Reads an event of erasure.
pub(crate) fn read_erasure(project: &Project, id: &Digest) -> Result<Erasure, EngineError> {
    let bytes = project.store.read(id, MAX_EVENT)?;
    Erasure::from_bytes(&bytes).map_err(|error| EngineError::Damaged {
        what: format!("the event of erasure {}", id.short()),
        reason: error.to_string(),
    })
}

/// The event that erased something; none if it is not erased.
///
/// # Errors
/// Trouble of the storage.
pub fn erasure_of(project: &Project, digest: &Digest) -> Result<Option<Erasure>, EngineError> {
    let erased = project.catalog.erased()?;
    let event = erased.get(digest).map(|id| read_erasure(project, id));
    event.transpose()
}

/// What happened, in words: `was erased on 2026-11-30 by ada: reason`.
pub fn erasure_text(event: &Erasure) -> String {
    let author = event.author.name.as_ref().unwrap_or(&event.author.user);
    format!(
        "was erased on {} by {author}: {}",
        day(event.time),
        event.reason
    )
}

/// The day of a time, in UTC.
fn day(time: reproof_record::Timestamp) -> String {
    let day = time.0.div_euclid(86_400_000_000);
    reproof_table::date_text(day)
}

/// Why something is not there, if it was erased.
pub(crate) fn why_gone(project: &Project, digest: &Digest) -> Result<Option<String>, EngineError> {
    Ok(erasure_of(project, digest)?.map(|event| erasure_text(&event)))
}

/// Refuses what was erased to come back; where the person allows it, that is noted, and it may.
///
/// # Errors
/// If one of these was erased, and may not come back.
pub(crate) fn admit<'a>(
    project: &Project,
    what: &str,
    digests: impl IntoIterator<Item = &'a Digest>,
) -> Result<(), EngineError> {
    let erased = project.catalog.erased()?;
    if erased.is_empty() {
        return Ok(());
    }
    let digests = digests.into_iter();
    let events: BTreeSet<Digest> = digests
        .filter_map(|digest| erased.get(digest))
        .copied()
        .collect();
    for id in events {
        let event = read_erasure(project, &id)?;
        if !project.allow_erased {
            return Err(EngineError::Refused {
                message: format!("{what} {}", erasure_text(&event)),
                hint: Some(
                    "if it may be here again, say --allow-erased: the history notes that, too"
                        .to_owned(),
                ),
            });
        }
        allow(project, event)?;
    }
    Ok(())
}

/// Notes that what an event erased may be there again.
fn allow(project: &Project, event: Erasure) -> Result<(), EngineError> {
    let back = event.blobs.clone();
    let event = Erasure {
        action: ErasureAction::Allow,
        author: super::author(project)?,
        host: project.services.host.name.clone(),
        time: project.services.clock.now(),
        reason: "--allow-erased".to_owned(),
        ..event
    };
    append(project, &event, &[], &back)
}

/// Appends an event.
pub(crate) fn append(
    project: &Project,
    event: &Erasure,
    gone: &[Digest],
    back: &[Digest],
) -> Result<(), EngineError> {
    let bytes = event.to_bytes()?;
    let mut batch = project.store.batch();
    let id = batch.put(&bytes)?.digest;
    batch.commit()?;
    let row = ErasureRow {
        id,
        created: event.time,
    };
    Ok(project.catalog.add_erasure(&row, gone, back)?)
}

/// What events say is erased in the end, with the last event about each.
pub(crate) fn replay(events: impl IntoIterator<Item = Erasure>) -> BTreeMap<Digest, Erasure> {
    let mut events: Vec<Erasure> = events.into_iter().collect();
    events.sort_by_key(|event| event.time);
    let mut erased = BTreeMap::new();
    for event in events {
        for blob in &event.blobs {
            match event.action {
                ErasureAction::Erase => erased.insert(*blob, event.clone()),
                ErasureAction::Allow => erased.remove(blob),
            };
        }
    }
    erased
}
