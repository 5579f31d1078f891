//! Fetches what is missing here when it is needed: the one place that decides whether remotes are
//! asked.

use reproof_catalog::Named;
use reproof_record::{Digest, Record, RecordId};
use reproof_store::{Remote, RemoteError};

use super::pull::{Fetch, PulledRecords, pull_one, with_prefix};
use super::{Moving, held, open};
use crate::erase::why_gone;
use crate::needs::{self, Object, Objects};
use crate::observer::{Event, Observer};
use crate::{Cancel, EngineError, Project};

/// Asks one remote after another until one gives something. One that cannot be reached is told of
/// and passed over; one that gives wrong bytes is an error.
fn ask<T>(
    project: &Project,
    observer: &dyn Observer,
    mut question: impl FnMut(&mut Remote) -> Result<Option<T>, EngineError>,
) -> Result<Option<T>, EngineError> {
    for name in project.settings.remotes.keys() {
        let answer = open(project, name).and_then(|mut remote| {
            if remote.is_made()? {
                question(&mut remote)
            } else {
                Ok(None)
            }
        });
        match answer {
            Ok(Some(found)) => return Ok(Some(found)),
            Ok(None) => {}
            Err(
                error @ (EngineError::Remote(
                    RemoteError::Failed { .. } | RemoteError::Lacks { .. },
                )
                | EngineError::Usage { .. }),
            ) => {
                observer.event(&Event::Note(&format!("not asked further: {error}")));
            }
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}

/// Looks on the remotes for the record that a text names by its ID or a prefix of it, and fetches
/// it.
pub(crate) fn find_record(project: &Project, text: &str) -> Result<Option<Named>, EngineError> {
    /// A shorter prefix names too many records.
    const SHORTEST: usize = 4;
    let is_prefix = (SHORTEST..=64).contains(&text.len())
        && text.bytes().all(|c| matches!(c, b'0'..=b'9' | b'a'..=b'f'));
    if !is_prefix {
        return Ok(None);
    }
    let observer = project.observer.as_ref();
    ask(project, observer, |remote| {
        let found = with_prefix(remote, text)?;
        let [id] = found[..] else { return Ok(None) };
        fetch_record(project, remote, &id, observer, &Cancel::default())?;
        Ok(Some(Named::Record(id)))
    })
}

fn fetch_record(
    project: &Project,
    remote: &mut Remote,
    id: &RecordId,
    observer: &dyn Observer,
    cancel: &Cancel,
) -> Result<(), EngineError> {
    let watch = Moving {
        text: "fetching",
        observer,
        cancel,
    };
    let mut pulled = PulledRecords::default();
    pull_one(project, remote, id, &watch, &mut pulled)?;
    for conflict in pulled
        .histories
        .iter()
        .flat_map(|history| &history.conflicts)
    {
        observer.event(&Event::Note(conflict));
    }
    let note = format!("record {} was fetched from '{}'", id.short(), remote.name());
    observer.event(&Event::Note(&note));
    Ok(())
}

/// Fetches what is missing here of a record, if a remote has it.
pub(crate) fn complete(
    project: &Project,
    id: &RecordId,
    record: &Record,
    observer: &dyn Observer,
    cancel: &Cancel,
) -> Result<(), EngineError> {
    if project.settings.remotes.is_empty() || needs::is_whole(project, record)? {
        return Ok(());
    }
    let erased = project.catalog.erased()?;
    if needs::of_record(record)
        .keys()
        .any(|digest| erased.contains_key(digest))
    {
        // Nobody is asked for what must not come back.
        return Ok(());
    }
    ask(project, observer, |remote| {
        if held(remote, id)?.is_none() {
            return Ok(None);
        }
        fetch_record(project, remote, id, observer, cancel).map(Some)
    })?;
    Ok(())
}

/// Fetches a tree and all its files, if a remote has it. Says whether it did.
pub(crate) fn fetch_tree(
    project: &Project,
    digest: &Digest,
    what: &str,
    observer: &dyn Observer,
) -> Result<bool, EngineError> {
    let found = ask(project, observer, |remote| {
        let cancel = Cancel::default();
        let watch = Moving {
            text: "fetching",
            observer,
            cancel: &cancel,
        };
        remote.learn_all(&watch)?;
        if !remote.has(digest) {
            return Ok(None);
        }
        let mut fetch = Fetch::new(project, remote, &watch)?;
        fetch.all(&Objects::from([(*digest, Object::Tree)]), &Objects::new())?;
        fetch.keep(&[])?;
        let note = format!("{what} was fetched from '{}'", remote.name());
        observer.event(&Event::Note(&note));
        Ok(Some(()))
    })?;
    Ok(found.is_some())
}

/// Fetches what a data version holds, if it is not here whole and a remote has it; `beside` are
/// objects that may stay away.
///
/// # Errors
/// If it is not here and no remote has it, and trouble of the storage.
pub(crate) fn fetch_content(
    project: &Project,
    what: &str,
    wanted: &Objects,
    beside: &Objects,
) -> Result<(), EngineError> {
    let mut missing = false;
    for (digest, object) in wanted {
        if let Some(why) = why_gone(project, digest)? {
            return Err(EngineError::Impossible(format!("{what} {why}")));
        }
        missing |= needs::whole(&project.store, digest, *object)?.is_none();
    }
    if !missing {
        return Ok(());
    }
    let observer = project.observer.as_ref();
    let found = ask(project, observer, |remote| {
        let cancel = Cancel::default();
        let watch = Moving {
            text: "fetching",
            observer,
            cancel: &cancel,
        };
        remote.learn_all(&watch)?;
        for digest in wanted.keys() {
            if !remote.has(digest) && !project.store.keeps(digest)? {
                return Ok(None);
            }
        }
        let mut fetch = Fetch::new(project, remote, &watch)?;
        fetch.all(wanted, beside)?;
        fetch.keep(&[])?;
        let note = format!("{what} was fetched from '{}'", remote.name());
        observer.event(&Event::Note(&note));
        Ok(Some(()))
    })?;
    if found.is_none() {
        return Err(EngineError::Impossible(
            match project.settings.remotes.len() {
                0 => format!("the bytes of {what} are not here, and the project has no remote"),
                _ => format!("the bytes of {what} are not here, and no remote has them"),
            },
        ));
    }
    for (digest, object) in wanted {
        if *object != Object::Blob {
            project.catalog.set_here(digest)?;
        }
    }
    Ok(())
}
