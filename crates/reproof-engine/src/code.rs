//! The code of a run: kept in the store, and laid out again.

use std::path::Path;

use reproof_catalog::ExecutionFilter;
use reproof_record::{
    Digest, Execution, ExecutionKind, RecordId, Timestamp, Tree, TreeEntry, link_bytes,
};
use reproof_store::fs::{FileKind, write_atomic};
use reproof_store::{Layout, StoreError};

use crate::project::LOCK_FILE;
use crate::{EngineError, Project};

/// The largest lock file that is laid out again.
const MAX_LOCK: u64 = 64 << 20;

/// Keeps the bytes of all captured files, so that the exact code can be laid out again, whatever
/// git has become since.
///
/// # Errors
/// If a file is not what was captured any more.
pub(crate) fn keep(project: &Project, tree: &Tree) -> Result<(), EngineError> {
    let bytes = tree.to_bytes()?;
    if project.store.contains(&Digest::of(&bytes))? {
        return Ok(());
    }
    let mut batch = project.store.batch();
    for entry in &tree.files {
        if project.store.contains(&entry.digest)? {
            continue;
        }
        let path = project.root.join(entry.path.as_str());
        let kept = match project.io().metadata(&path) {
            Ok(facts) if facts.kind == FileKind::Link => {
                batch.put(&link_bytes(&project.io().read_link(&path)?))?
            }
            Ok(_) => batch.take_file(&path)?,
            Err(error) if error.is_not_found() => return Err(changed(entry)),
            Err(error) => return Err(error.into()),
        };
        if kept.digest != entry.digest {
            return Err(changed(entry));
        }
    }
    // The tree comes last: where it is, its files are.
    batch.commit()?;
    let mut batch = project.store.batch();
    batch.put(&bytes)?;
    Ok(batch.commit()?)
}

fn changed(entry: &TreeEntry) -> EngineError {
    EngineError::Usage {
        message: format!("'{}' changed while the code was captured", entry.path),
        hint: Some("run again once it is at rest".to_owned()),
    }
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
    match io.read_dir(folder) {
        Ok(entries) if entries.is_empty() => io.remove_dir(folder)?,
        Ok(_) => {
            return Err(EngineError::Usage {
                message: format!("{} is there already, and not empty", folder.display()),
                hint: Some("name a new folder".to_owned()),
            });
        }
        Err(error) if error.is_not_found() => {}
        Err(error) => return Err(error.into()),
    }
    let layout = Layout {
        modified: None,
        read_only: false,
    };
    project.store.lay_out(&tree, folder, layout)?;
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
