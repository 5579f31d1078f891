//! The code of a run: kept in the store, and laid out again.

use std::collections::BTreeSet;
use std::path::Path;

use reproof_capture::{Capture, ProjectFiles};
use reproof_catalog::ExecutionFilter;
use reproof_record::{Digest, Execution, ExecutionKind, RecordId, Timestamp};
use reproof_store::fs::write_atomic;
use reproof_store::{LayOut, StoreError, lay_out};

use crate::project::LOCK_FILE;
use crate::{EngineError, Project, cache, remote};

/// The largest lock file that is laid out again.
const MAX_LOCK: u64 = 64 << 20;

/// Keeps the bytes of all captured files, so that the exact code can be laid out again, whatever
/// git has become since.
///
/// The tree's own blob stands for all of them: it comes behind them in its batch, so where it is,
/// they are. While the facts of its pack are what they were, nothing more is looked at. Otherwise
/// every file is, and what is missing or damaged is put there again. Damage elsewhere in the store
/// is for `verify` to find.
///
/// # Errors
/// If a file is not what was captured any more.
pub(crate) fn keep(project: &Project, code: &Capture) -> Result<(), EngineError> {
    let bytes = code.tree.to_bytes()?;
    let tree = Digest::of(&bytes);
    if cache::believed(project, &[tree])?.contains(&tree) {
        return Ok(());
    }
    let digests = code.tree.files.iter().map(|entry| entry.digest);
    let digests: Vec<_> = digests.chain([tree]).collect();
    let wanted: BTreeSet<Digest> = cache::unsound(project, &digests)?.into_iter().collect();
    if wanted.is_empty() {
        return Ok(());
    }
    let files = ProjectFiles::new(&project.root, project.io(), &code.links);
    let mut batch = project.store.batch();
    for entry in &code.tree.files {
        if wanted.contains(&entry.digest) {
            batch.put(&files.blob(entry)?)?;
        }
    }
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
    if !project.store.knows(&digest)? {
        let what = format!("the code of record {}", record.short());
        remote::fetch_tree(project, &digest, &what, project.observer.as_ref())?;
    }
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
