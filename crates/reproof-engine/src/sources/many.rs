//! Sources of several files: their digests, and the tree that stands for the bytes of all.

use std::path::Path;

use reproof_capture::{CachedDigest, DigestCache};
use reproof_config::DataSource;
use reproof_record::{ArtifactKind, Digest, Schema, StepName, Tree, TreeEntry};
use reproof_store::fs::IoError;
use reproof_store::{Batch, BlobInfo};
use serde_json::Map;

use super::find::{Files, Found, FoundFile, find};
use super::{Taken, changed_meanwhile, hash};
use crate::digests::CatalogDigests;
use crate::{Cancel, EngineError, Project, cache};

/// The tree of files with these digests, in their order.
pub(super) fn tree(files: &Files, digests: &[Digest]) -> Tree {
    Tree::new(
        files
            .all
            .iter()
            .zip(digests)
            .map(|(file, digest)| TreeEntry {
                path: file.inside.clone(),
                executable: file.facts.executable,
                digest: *digest,
            }),
    )
}

/// The name of a file among the remembered digests: no path of code begins so, whose digests also say
/// that a file holds no secret.
fn remembered_as(files: &Files, file: &FoundFile) -> String {
    format!("/{}", files.shown(file))
}

/// The digest of every file: the one that is remembered where its facts are unchanged, else its bytes
/// are hashed.
pub(super) fn digests(
    project: &Project,
    name: &StepName,
    files: &Files,
    cancel: &Cancel,
) -> Result<Vec<Digest>, EngineError> {
    let cache = CatalogDigests::new(project);
    let names: Vec<String> = files
        .all
        .iter()
        .map(|file| remembered_as(files, file))
        .collect();
    let known = cache.get(&names.iter().map(String::as_str).collect::<Vec<_>>());
    let mut fresh = Vec::new();
    let mut all = Vec::with_capacity(names.len());
    for (file, remembered) in files.all.iter().zip(names) {
        let known = known.get(&remembered);
        if let Some(known) = known.filter(|known| known.holds(&file.facts)) {
            all.push(known.digest);
            continue;
        }
        if cancel.is_cancelled() {
            return Err(EngineError::Interrupted);
        }
        let path = files.path(file);
        let hashed_at_ns = project.services.clock.now().0.saturating_mul(1000);
        let (found, facts) = hash(project, &path)?;
        if facts != file.facts {
            return Err(changed_meanwhile(name, &path));
        }
        all.push(found);
        let cached = CachedDigest {
            facts: file.facts,
            hashed_at_ns,
            digest: found,
        };
        if cached.holds(&file.facts) {
            fresh.push((remembered, cached));
        }
    }
    cache.set(&fresh);
    cache.finish()?;
    Ok(all)
}

/// Remembers what was read of files at rest.
pub(super) fn remember(
    project: &Project,
    files: &Files,
    digests: &[Digest],
    hashed_at_ns: i64,
) -> Result<(), EngineError> {
    let cache = CatalogDigests::new(project);
    let read = files.all.iter().zip(digests).map(|(file, digest)| {
        let cached = CachedDigest {
            facts: file.facts,
            hashed_at_ns,
            digest: *digest,
        };
        (remembered_as(files, file), cached)
    });
    let read: Vec<_> = read
        .filter(|(_, cached)| cached.holds(&cached.facts))
        .collect();
    cache.set(&read);
    cache.finish()
}

/// Refuses files of which one appeared, vanished or changed while they were read: what was read may
/// never have been there at once. Facts tell, unless they are so new that a later change may hide
/// behind them: then the bytes do.
pub(super) fn check_at_rest(
    project: &Project,
    name: &StepName,
    source: &DataSource,
    (before, digests): (&Files, &[Digest]),
    hashed_at_ns: i64,
    cancel: &Cancel,
) -> Result<(), EngineError> {
    let Found::Files(now) = find(project, name, source, cancel)? else {
        return Err(changed_meanwhile(name, &before.base));
    };
    if now != *before {
        return Err(changed_meanwhile(name, &first_difference(before, &now)));
    }
    for (file, read) in before.all.iter().zip(digests) {
        let path = before.path(file);
        if !file.facts.settled(hashed_at_ns) && hash(project, &path)?.0 != *read {
            return Err(changed_meanwhile(name, &path));
        }
    }
    Ok(())
}

/// The first file that only one has, or that changed.
fn first_difference(before: &Files, now: &Files) -> std::path::PathBuf {
    let (mut mine, mut theirs) = (before.all.iter().peekable(), now.all.iter().peekable());
    loop {
        match (mine.peek(), theirs.peek()) {
            (Some(a), Some(b)) if a == b => {
                mine.next();
                theirs.next();
            }
            (Some(a), Some(b)) if b.inside < a.inside => return now.path(b),
            (Some(a), _) => return before.path(a),
            (None, Some(b)) => return now.path(b),
            (None, None) => return before.base.clone(),
        }
    }
}

/// Stores the bytes of all files, and the tree of this digest that names them.
///
/// # Errors
/// Files that are not those of the tree any more, and trouble of the storage.
pub(super) fn keep(
    project: &Project,
    name: &StepName,
    files: &Files,
    wanted: &Digest,
    cancel: &Cancel,
) -> Result<(), EngineError> {
    let digests = digests(project, name, files, cancel)?;
    let tree = tree(files, &digests);
    if tree.digest()? != *wanted {
        return Err(changed_meanwhile(name, &files.base));
    }
    let mut batch = project.store.batch();
    put_missing(project, name, (files, &digests), &mut batch, cancel)?;
    if cache::check_blobs(project, &[*wanted])?.is_some() {
        batch.put(&tree.to_bytes()?)?;
    }
    Ok(batch.commit()?)
}

/// Takes files as they are. What they hold is in the batch, and not stored yet.
///
/// # Errors
/// Files that change meanwhile, and trouble of the storage.
pub(super) fn take(
    project: &Project,
    name: &StepName,
    files: &Files,
    cancel: &Cancel,
) -> Result<(Taken, Batch), EngineError> {
    let digests = digests(project, name, files, cancel)?;
    let mut batch = project.store.batch();
    put_missing(project, name, (files, &digests), &mut batch, cancel)?;
    let entries = files.all.iter().zip(&digests).map(|(file, digest)| {
        let blob = BlobInfo {
            digest: *digest,
            size: file.facts.size,
        };
        (file.inside.clone(), file.facts.executable, blob)
    });
    let (kind, entries) = (ArtifactKind::Files, entries.collect());
    let stored = batch.put_tree(kind, "application/octet-stream", entries, Map::new())?;
    let read = Taken {
        stored,
        schema: Schema::default(),
        rows: digests.len() as u64,
        digests,
    };
    Ok((read, batch))
}

/// Copies those files into a batch that the store does not have, or not right.
fn put_missing(
    project: &Project,
    name: &StepName,
    (files, digests): (&Files, &[Digest]),
    batch: &mut Batch,
    cancel: &Cancel,
) -> Result<(), EngineError> {
    let mut unsound = cache::unsound(project, digests)?;
    unsound.sort_unstable();
    for (file, digest) in files.all.iter().zip(digests) {
        if unsound.binary_search(digest).is_err() {
            continue;
        }
        if cancel.is_cancelled() {
            return Err(EngineError::Interrupted);
        }
        let path = files.path(file);
        if copy(project, batch, &path)? != *digest {
            return Err(changed_meanwhile(name, &path));
        }
    }
    Ok(())
}

/// Copies the bytes of a file into a batch. Gives their digest.
pub(super) fn copy(
    project: &Project,
    batch: &mut Batch,
    path: &Path,
) -> Result<Digest, EngineError> {
    let mut file = project.io().open_read(path)?;
    let mut writer = batch.writer()?;
    std::io::copy(&mut file, &mut writer)
        .map_err(|source| IoError::new("copy into the store", path, source))?;
    Ok(batch.add(writer)?.digest)
}
