//! `repair`: what is damaged or missing is fetched again from remotes.

use std::collections::{BTreeMap, BTreeSet};

use reproof_record::{Digest, StepName};
use reproof_store::{Remote, RemoteError, StoreError};

use crate::copying::take;
use crate::fsck::{Checkup, Depth, fsck};
use crate::observer::{Event, Observer};
use crate::remote::{Moving, open};
use crate::{Cancel, EngineError, Project};

/// How often it is looked whether what was mended leads to more that is missing: from a record to a
/// tree to its files.
const ROUNDS: usize = 8;

/// What was mended.
#[derive(Clone, Debug, Default)]
pub struct Repaired {
    /// Blobs and chunks that are right again, with the remote that had them.
    pub mended: BTreeMap<Digest, StepName>,
    /// How many packs were written anew without damage.
    pub packs: u64,
    /// What is wrong still.
    pub after: Checkup,
}

/// Fetches everything that `fsck --full` finds damaged or missing from these remotes, one after the
/// other, verifies it, and stores it in place of what is damaged.
///
/// # Errors
/// Trouble of the storage; a remote that was named and cannot be reached. What is wrong still is no
/// error, but stands in [`Repaired::after`].
pub fn repair(
    project: &Project,
    from: &[StepName],
    observer: &dyn Observer,
    cancel: &Cancel,
) -> Result<Repaired, EngineError> {
    let mut repaired = Repaired::default();
    let mut remotes = open_all(project, from, observer, cancel)?;
    for _ in 0..ROUNDS {
        repaired.after = fsck(project, Depth::Full, false)?;
        let mut wanted = wanted(project, &repaired.after)?;
        let before = repaired.mended.len();
        for (name, remote) in &mut remotes {
            let had: BTreeSet<Digest> = wanted
                .iter()
                .filter(|digest| remote.has(digest))
                .copied()
                .collect();
            for digest in fetch(project, remote, &had, observer, cancel)? {
                wanted.remove(&digest);
                repaired.mended.insert(digest, name.clone());
            }
        }
        if repaired.mended.len() == before {
            break;
        }
    }
    if !repaired.after.damage.is_empty() || !repaired.mended.is_empty() {
        repaired.packs = project.store.drop_damaged()?;
        repaired.after = fsck(project, Depth::Full, false)?;
    }
    Ok(repaired)
}

/// The remotes that can be asked, with what they have.
fn open_all(
    project: &Project,
    from: &[StepName],
    observer: &dyn Observer,
    cancel: &Cancel,
) -> Result<Vec<(StepName, Remote)>, EngineError> {
    let watch = Moving {
        text: "looking",
        observer,
        cancel,
    };
    let mut remotes = Vec::new();
    for name in from {
        let opened = open(project, name).and_then(|mut remote| {
            if remote.is_made()? {
                remote.learn_all(&watch)?;
            }
            Ok(remote)
        });
        match opened {
            Ok(remote) => remotes.push((name.clone(), remote)),
            // Of several another one may do.
            Err(error @ EngineError::Remote(RemoteError::Failed { .. })) if from.len() > 1 => {
                observer.event(&Event::Note(&format!("not asked: {error}")));
            }
            Err(error) => return Err(error),
        }
    }
    Ok(remotes)
}

/// What cannot be read and is wanted.
fn wanted(project: &Project, checkup: &Checkup) -> Result<BTreeSet<Digest>, EngineError> {
    let damaged = checkup.damage.iter().filter_map(|damage| damage.digest);
    let lost = checkup.lost.iter().map(|lost| lost.digest);
    let erased = project.catalog.erased()?;
    let mut wanted = BTreeSet::new();
    for digest in damaged.chain(lost) {
        if !erased.contains_key(&digest) && !is_right(project, &digest)? {
            wanted.insert(digest);
        }
    }
    Ok(wanted)
}

fn is_right(project: &Project, digest: &Digest) -> Result<bool, EngineError> {
    match project.store.verify_blob(digest) {
        Ok(_) => Ok(true),
        Err(StoreError::Missing { .. } | StoreError::Damaged { .. }) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Fetches these blobs and chunks, and gives those that are right here then.
fn fetch(
    project: &Project,
    remote: &mut Remote,
    wanted: &BTreeSet<Digest>,
    observer: &dyn Observer,
    cancel: &Cancel,
) -> Result<Vec<Digest>, EngineError> {
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    let watch = Moving {
        text: "mending",
        observer,
        cancel,
    };
    // A store of its own: in the project's one what is damaged counts as there.
    let scratch = project.store.scratch()?;
    let mut fetched = wanted.clone();
    match remote.pull(&scratch, wanted, &watch) {
        Ok(_) => {}
        Err(RemoteError::Damaged { .. } | RemoteError::Lacks { .. }) => {
            // One by one, so that what is wrong there keeps nothing else away.
            fetched.clear();
            for digest in wanted {
                match remote.pull(&scratch, &BTreeSet::from([*digest]), &watch) {
                    Ok(_) => {
                        fetched.insert(*digest);
                    }
                    Err(error @ (RemoteError::Damaged { .. } | RemoteError::Lacks { .. })) => {
                        observer.event(&Event::Note(&error.to_string()));
                    }
                    Err(error) => return Err(error.into()),
                }
            }
        }
        Err(error) => return Err(error.into()),
    }
    take(&project.store, &scratch, fetched.iter(), cancel)?;
    let mut right = Vec::new();
    for digest in fetched {
        if is_right(project, &digest)? {
            right.push(digest);
        }
    }
    Ok(right)
}
