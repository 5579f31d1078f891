//! Bundles: a record with all that it needs in one file.

use std::collections::BTreeSet;
use std::io::copy;
use std::path::Path;

use reproof_catalog::RecordEntry;
use reproof_record::{Digest, Record, RecordId};
use reproof_store::{Bundle, BundleError, Store, StoreError, read_bundle};

use crate::needs::{Objects, all_here, blobs_of, of_record};
use crate::observer::Observer;
use crate::remote::Moving;
use crate::{Cancel, EngineError, Project, read_record};

/// How many bytes are put into the store before they are made durable.
const ROUND: u64 = 256 << 20;

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
    let blobs = all_here(project, &record, &Objects::new())?;
    let watch = Moving {
        text: "writing",
        observer,
        cancel,
    };
    let bytes = project
        .store
        .write_bundle(path, id.digest(), &blobs, &watch)?;
    Ok(WrittenBundle {
        blobs: blobs.len() as u64,
        bytes,
    })
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
    let documents = [*record.recipe.id()?.digest(), bundle.header.record];
    let all = files.iter().chain(objects.keys()).chain(&documents);
    let all: BTreeSet<Digest> = all.copied().collect();
    let entries = scratch.entries_of(&all);
    if entries.map_err(|error| lacking(path, error))? != bundle.entries {
        return Err(damaged(
            path,
            "it holds blobs that its record does not need",
        ));
    }
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

/// Copies blobs from one store to another, and makes them durable in steps.
fn take<'a>(
    to: &Store,
    from: &Store,
    blobs: impl Iterator<Item = &'a Digest>,
    cancel: &Cancel,
) -> Result<(), EngineError> {
    let mut batch = to.batch();
    let mut size = 0;
    for blob in blobs {
        if cancel.is_cancelled() {
            return Err(EngineError::Interrupted);
        }
        let mut writer = batch.writer()?;
        let copied = copy(&mut from.reader(blob)?, &mut writer);
        size += copied.map_err(|error| {
            StoreError::from_io(error).unwrap_or_else(|error| {
                reproof_store::fs::IoError::new("copy", from.root(), error).into()
            })
        })?;
        batch.add(writer)?;
        if size > ROUND {
            std::mem::replace(&mut batch, to.batch()).commit()?;
            size = 0;
        }
    }
    Ok(batch.commit()?)
}
