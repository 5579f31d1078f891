//! Bundles: a record with all that it needs in one file.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use reproof_catalog::{BundleRow, RecordEntry};
use reproof_record::{Digest, Record, RecordId, StepName, VersionEntry, VersionId};
use reproof_store::{Bundle, BundleError, Store, StoreError, read_bundle};

use crate::copying::take;
use crate::erase::admit;
use crate::needs::{Objects, all_here, blobs_of, of_record};
use crate::observer::Observer;
use crate::remote::{Moving, add_versions, version_row};
use crate::versions::{MAX_ENTRY, read_version};
use crate::{Cancel, EngineError, Project, read_record};

/// A bundle that was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrittenBundle {
    /// How many blobs it holds.
    pub blobs: u64,
    /// Its length in bytes.
    pub bytes: u64,
}

/// Writes everything that a record needs into a file: what anybody makes of the same record has the
/// same bytes.
///
/// # Errors
/// If something that the record needs is not here, or the file cannot be written.
pub fn bundle_create(
    project: &Project,
    id: &RecordId,
    path: &Path,
    observer: &dyn Observer,
    cancel: &Cancel,
) -> Result<WrittenBundle, EngineError> {
    let record = read_record(project, id)?;
    crate::remote::complete(project, id, &record, observer, cancel)?;
    let mut blobs = all_here(project, &record, &Objects::new())?;
    let versions = versions_used(project, &record)?;
    blobs.extend(&versions);
    let watch = Moving {
        text: "writing",
        observer,
        cancel,
    };
    let bytes = project
        .store
        .write_bundle(path, id.digest(), &versions, &blobs, &watch)?;
    project.catalog.add_bundle(&BundleRow {
        record: *id,
        file: path.display().to_string(),
        user: project.services.user.clone(),
        created: project.services.clock.now(),
    })?;
    Ok(WrittenBundle {
        blobs: blobs.len() as u64,
        bytes,
    })
}

/// The versions of named data that a record uses, and all before them.
fn versions_used(project: &Project, record: &Record) -> Result<BTreeSet<Digest>, EngineError> {
    let mut versions = BTreeSet::new();
    for content in record.recipe.data.values() {
        for row in project.catalog.versions_holding(&content.digest)? {
            let mut next = Some(row.id);
            while let Some(id) = next
                && versions.insert(*id.digest())
            {
                next = read_version(project, &id)?.parent;
            }
        }
    }
    Ok(versions)
}

/// The versions of a bundle, each after the one before it. Those that no other one comes after hold
/// what the record uses.
fn versions_of_bundle(
    path: &Path,
    scratch: &Store,
    bundle: &Bundle,
    record: &Record,
) -> Result<Vec<(VersionId, VersionEntry)>, EngineError> {
    let mut waiting = BTreeMap::new();
    for digest in &bundle.header.versions {
        let bytes = scratch.read(digest, MAX_ENTRY);
        let bytes = bytes.map_err(|error| lacking(path, error))?;
        let entry = VersionEntry::from_bytes(&bytes)
            .map_err(|error| damaged(path, format!("version {}: {error}", digest.short())))?;
        waiting.insert(VersionId::from_digest(*digest), entry);
    }
    let parents: BTreeSet<VersionId> = waiting.values().filter_map(|entry| entry.parent).collect();
    let is_used = |content| {
        record
            .recipe
            .data
            .values()
            .any(|version| version == content)
    };
    let mut last = waiting.iter().filter(|(id, _)| !parents.contains(id));
    if !last.all(|(_, entry)| is_used(&entry.content)) {
        return Err(damaged(
            path,
            "it holds versions that its record does not use",
        ));
    }
    let mut order = Vec::with_capacity(waiting.len());
    let mut done: BTreeSet<VersionId> = BTreeSet::new();
    while !waiting.is_empty() {
        let ready = |entry: &VersionEntry| entry.parent.is_none_or(|id| done.contains(&id));
        let next: Vec<_> = waiting.extract_if(.., |_, entry| ready(entry)).collect();
        if next.is_empty() {
            return Err(damaged(path, "it lacks a version that others follow"));
        }
        done.extend(next.iter().map(|(id, _)| *id));
        order.extend(next);
    }
    Ok(order)
}

/// Notes the versions of a bundle. Where a name has no head here, its last version is it.
fn remember_versions(
    project: &Project,
    versions: &[(VersionId, VersionEntry)],
) -> Result<(), EngineError> {
    add_versions(project, versions.iter().map(|(id, entry)| (*id, entry)))?;
    let mut last: BTreeMap<&StepName, &(VersionId, VersionEntry)> = BTreeMap::new();
    for version in versions {
        last.insert(&version.1.name, version);
    }
    for (name, (id, entry)) in last {
        if project.catalog.data_heads(Some(name))?.is_empty() {
            let (row, location) = (version_row(*id, entry), &entry.source.location);
            project.catalog.append_version(&row, location, None)?;
        }
    }
    Ok(())
}

/// Verifies every bit of a bundle, and gives what it holds and its record. Nothing is stored.
///
/// # Errors
/// If it is no bundle, or anything about it is wrong.
pub fn bundle_read(
    io: &dyn reproof_store::fs::Io,
    path: &Path,
    observer: &dyn Observer,
    cancel: &Cancel,
) -> Result<(Bundle, Record), EngineError> {
    let watch = Moving {
        text: "reading",
        observer,
        cancel,
    };
    let bundle = read_bundle(io, path, None, &watch)?;
    let record = record_of_bundle(path, &bundle)?;
    Ok((bundle, record))
}

/// Takes a bundle into the project: its blobs into the store, its record into the catalogue.
///
/// # Errors
/// If it is no bundle, anything about it is wrong, or it holds other blobs than its record needs.
pub fn bundle_open(
    project: &Project,
    path: &Path,
    observer: &dyn Observer,
    cancel: &Cancel,
) -> Result<(RecordId, Record), EngineError> {
    let watch = Moving {
        text: "reading",
        observer,
        cancel,
    };
    let scratch = project.store.scratch()?;
    let bundle = read_bundle(project.io(), path, Some(&scratch), &watch)?;
    let record = record_of_bundle(path, &bundle)?;
    let id = RecordId::from_digest(bundle.header.record);
    let objects = of_record(&record);
    let mut files = BTreeSet::new();
    for (digest, object) in &objects {
        let named = blobs_of(&scratch, digest, *object);
        files.extend(named.map_err(|error| lacking(path, error))?);
    }
    let versions = versions_of_bundle(path, &scratch, &bundle, &record)?;
    let documents = [*record.recipe.id()?.digest(), bundle.header.record];
    let documents: Vec<Digest> = documents
        .into_iter()
        .chain(bundle.header.versions.clone())
        .collect();
    let all = files.iter().chain(objects.keys()).chain(&documents);
    let all: BTreeSet<Digest> = all.copied().collect();
    let entries = scratch.entries_of(&all);
    if entries.map_err(|error| lacking(path, error))? != bundle.entries {
        return Err(damaged(
            path,
            "it holds blobs that its record does not need",
        ));
    }
    admit(project, "what the record needs", &all)?;
    // An object that is here stands for what it names, so that comes first.
    take(&project.store, &scratch, files.iter(), cancel)?;
    take(&project.store, &scratch, objects.keys(), cancel)?;
    take(&project.store, &scratch, documents.iter(), cancel)?;
    project.catalog.add_record(&RecordEntry {
        id,
        recipe: record.recipe.id()?,
        results: record.results_id()?,
        created: project.services.clock.now(),
    })?;
    remember_versions(project, &versions)?;
    for version in record.recipe.data.values() {
        project.catalog.set_here(&version.digest)?;
    }
    Ok((id, record))
}

fn damaged(path: &Path, what: impl Into<String>) -> EngineError {
    BundleError::Damaged {
        path: path.to_owned(),
        what: what.into(),
    }
    .into()
}

fn lacking(path: &Path, error: StoreError) -> EngineError {
    match error {
        StoreError::Missing { digest, .. } => damaged(
            path,
            format!("it lacks blob {digest}, which its record needs"),
        ),
        error => error.into(),
    }
}

fn record_of_bundle(path: &Path, bundle: &Bundle) -> Result<Record, EngineError> {
    if bundle.record.is_empty() {
        return Err(damaged(path, "it does not hold its record"));
    }
    Record::from_bytes(&bundle.record)
        .map_err(|error| damaged(path, format!("its record: {error}")))
}
