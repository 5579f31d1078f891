//! The code of a run: kept in the store, and laid out again.

use std::path::Path;

use reproof_capture::{Capture, ProjectFiles};
use reproof_catalog::ExecutionFilter;
use reproof_record::{Digest, Execution, ExecutionKind, RecordId, Timestamp};
use reproof_store::fs::write_atomic;
use reproof_store::{LayOut, StoreError, lay_out};

use crate::project::LOCK_FILE;
use crate::{EngineError, Project, cache};

/// The largest lock file that is laid out again.
const MAX_LOCK: u64 = 64 << 20;

/// Keeps the bytes of all captured files, so that the exact code can be laid out again, whatever
/// git has become since. What is damaged in the store is put there again.
///
/// # Errors
/// If a file is not what was captured any more.
pub(crate) fn keep(project: &Project, code: &Capture) -> Result<(), EngineError> {
    let bytes = code.tree.to_bytes()?;
    let digests = code.tree.files.iter().map(|entry| entry.digest);
    let digests: Vec<_> = digests.chain([Digest::of(&bytes)]).collect();
    if cache::check_blobs(project, &digests)?.is_none() {
        return Ok(());
    }
    let files = ProjectFiles::new(&project.root, project.io(), &code.links);
    let mut batch = project.store.batch();
    for entry in &code.tree.files {
        if cache::check_blobs(project, &[entry.digest])?.is_some() {
            batch.put(&files.blob(entry)?)?;
        }
    }
    // The tree comes last: where it is, its files are.
    batch.commit()?;
    let mut batch = project.store.batch();
    batch.put(&bytes)?;
    Ok(batch.commit()?)
}

/// What was laid out.
#[derive(Debug)]
pub struct CheckedOut {
    /// The run whose code it is.
    pub execution: Execution,
    /// How many files.
    pub files: u64,
    /// Whether the lock file is there, too.
    pub lock: bool,
}

/// Lays out the code of a record as it was when the record was first made, with the lock file:
/// all that the run saw of the project beside its data.
///
/// # Errors
/// If the folder is there and not empty, or the code was not kept.
pub fn checkout(
    project: &Project,
    record: &RecordId,
    folder: &Path,
) -> Result<CheckedOut, EngineError> {
    let execution = first_run(project, record)?;
    let digest = execution.code.tree.ok_or_else(|| not_kept(record))?;
    let tree = match project.store.tree(&digest) {
        Err(StoreError::Missing { .. }) => return Err(not_kept(record)),
        tree => tree?,
    };
    let io = project.io();
    match lay_out(&tree, &project.store, io, folder, LayOut::default()) {
        Err(error @ StoreError::Occupied { .. }) => {
            return Err(EngineError::usage(error.to_string()));
        }
        laid => laid?,
    }
    let lock = match &execution.lock {
        Some(lock) if project.store.contains(lock)? => {
            let text = project.store.read(lock, MAX_LOCK)?;
            write_atomic(io, &folder.join(LOCK_FILE), &text)?;
            true
        }
        _ => false,
    };
    Ok(CheckedOut {
        execution,
        files: tree.files.len() as u64,
        lock,
    })
}

fn not_kept(record: &RecordId) -> EngineError {
    EngineError::Impossible(format!(
        "the code of record {} was not kept here",
        record.short()
    ))
}

/// The earliest run of a record whose code was captured.
fn first_run(project: &Project, record: &RecordId) -> Result<Execution, EngineError> {
    let filter = ExecutionFilter {
        record: Some(*record),
        kind: Some(ExecutionKind::Run),
        ..ExecutionFilter::default()
    };
    let runs = project.catalog.executions(&filter)?.into_iter();
    runs.filter(|run| run.code.tree.is_some())
        .min_by_key(|run: &Execution| -> (Timestamp, String) { (run.started, run.id.to_string()) })
        .ok_or_else(|| not_kept(record))
}
