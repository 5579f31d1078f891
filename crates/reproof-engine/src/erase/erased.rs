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
        "was erased on {} by {}: {}",
        day(event.time),
        plain(author),
        plain(&event.reason)
    )
}

/// A text without what could change how a terminal shows it: events also come from others.
fn plain(text: &str) -> String {
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    text.chars().map(plain).collect()
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

/// Notes that what an event erased may be there again: it and all others about the same content no
/// longer count.
fn allow(project: &Project, event: Erasure) -> Result<(), EngineError> {
    let mut lifts = BTreeSet::new();
    let mut back = BTreeSet::new();
    for row in project.catalog.erasures()? {
        let other = read_erasure(project, &row.id)?;
        if other.action == ErasureAction::Erase && other.content == event.content {
            lifts.insert(row.id);
            back.extend(other.blobs);
        }
    }
    let back: Vec<Digest> = back.into_iter().collect();
    let event = Erasure {
        action: ErasureAction::Allow,
        blobs: back.clone(),
        lifts: lifts.into_iter().collect(),
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

/// What events say is erased in the end, with an event about each. No clock is asked: an event counts
/// until another one lifts it.
pub(crate) fn replay(events: &BTreeMap<Digest, Erasure>) -> BTreeMap<Digest, Erasure> {
    let lifted: BTreeSet<&Digest> = events.values().flat_map(|event| &event.lifts).collect();
    let mut erased = BTreeMap::new();
    for (id, event) in events {
        if event.action == ErasureAction::Erase && !lifted.contains(id) {
            erased.extend(event.blobs.iter().map(|blob| (*blob, event.clone())));
        }
    }
    erased
}

#[cfg(test)]
mod tests {
    use super::*;
    use reproof_record::{Artifact, ArtifactKind, Author, Timestamp};

    fn event(action: ErasureAction, time: i64, blobs: &[&str], lifts: &[Digest]) -> Erasure {
        let digest = |text: &&str| Digest::of(text.as_bytes());
        Erasure {
            format: Erasure::FORMAT.to_owned(),
            action,
            content: Artifact {
                kind: ArtifactKind::Table,
                digest: Digest::of(b"t"),
            },
            versions: Vec::new(),
            derived: Vec::new(),
            kept: Vec::new(),
            blobs: blobs.iter().map(digest).collect(),
            lifts: lifts.to_vec(),
            reason: String::new(),
            author: Author::default(),
            host: String::new(),
            time: Timestamp(time),
        }
    }

    #[test]
    fn what_is_lifted_is_not_erased_whatever_the_clocks_say() {
        let of = |events: &[Erasure]| {
            let id = |event: &Erasure| Digest::of(&event.to_bytes().unwrap());
            let events = events.iter().map(|event| (id(event), event.clone()));
            let erased = replay(&events.collect());
            erased.into_keys().collect::<BTreeSet<_>>()
        };
        let first = event(ErasureAction::Erase, 50, &["a", "b"], &[]);
        let id = Digest::of(&first.to_bytes().unwrap());
        // The clock of whoever allowed it is behind.
        let allowed = event(ErasureAction::Allow, 10, &["a", "b"], &[id]);
        let again = event(ErasureAction::Erase, 5, &["b"], &[]);
        let (a, b) = (Digest::of(b"a"), Digest::of(b"b"));
        assert_eq!(of(std::slice::from_ref(&first)), [a, b].into());
        assert_eq!(of(&[first.clone(), allowed.clone()]), [].into());
        assert_eq!(of(&[first, allowed, again]), [b].into());
    }
}
