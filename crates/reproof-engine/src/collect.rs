//! `gc`: what no project needs any more is deleted from the store.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use reproof_catalog::{Catalog, SqliteCatalog};
use reproof_config::StoreLocation;
use reproof_record::Digest;
use reproof_store::Collected;
use reproof_store::fs::write_atomic;

use crate::needs::{mentions, reachable};
use crate::project::{LOCK_FILE, MAX_TEXT, STATE_FOLDER, exists};
use crate::{EngineError, Project};

/// The longest path of a project.
const MAX_PATH: u64 = 1 << 16;

/// The folder in a shared store that has a file for each project that uses it.
fn registry(project: &Project) -> PathBuf {
    project.store.root().join("projects")
}

fn entry_of(project: &Project, root: &Path) -> PathBuf {
    let name = Digest::of(root.as_os_str().as_encoded_bytes()).to_hex();
    registry(project).join(name)
}

/// Notes in a shared store that this project uses it, so that `gc` asks it what it needs.
pub(crate) fn register(project: &Project) -> Result<(), EngineError> {
    let io = project.io();
    let root = io.canonicalize(&project.root)?;
    let entry = entry_of(project, &root);
    if exists(io, &entry)? {
        return Ok(());
    }
    let noted = io
        .create_dir_all(&registry(project))
        .and_then(|()| write_atomic(io, &entry, root.as_os_str().as_encoded_bytes()));
    match noted {
        // Then nothing can be stored either.
        Err(error) if error.is_read_only() => Ok(()),
        noted => Ok(noted?),
    }
}

/// Deletes from the store what neither this project nor another one that uses the store needs:
/// what no record, run, result, data version or lock file names. `dry_run` only counts.
///
/// `forget` are projects that are gone for good, whose needs no longer count.
///
/// # Errors
/// A project that uses the store and cannot be read: it may need anything.
pub fn collect(
    project: &Project,
    dry_run: bool,
    forget: &[PathBuf],
) -> Result<Collected, EngineError> {
    for folder in forget {
        forget_project(project, folder)?;
    }
    // Of what was erased not even the base of a delta stays.
    let bases = !project.catalog.erased()?.is_empty();
    let needed = || needed(project);
    project.store.collect_with(dry_run, bases, needed)
}

fn forget_project(project: &Project, folder: &Path) -> Result<(), EngineError> {
    let io = project.io();
    if io.metadata(folder).is_ok() {
        return Err(EngineError::Usage {
            message: format!("{} is still there", folder.display()),
            hint: Some("only a project that is gone can be forgotten".to_owned()),
        });
    }
    match io.remove_file(&entry_of(project, folder)) {
        Err(error) if error.is_not_found() => Err(EngineError::usage(format!(
            "{} does not use the store {}",
            folder.display(),
            project.store.root().display()
        ))),
        removed => Ok(removed?),
    }
}

/// Everything that a project which uses the store names.
fn needed(project: &Project) -> Result<BTreeSet<Digest>, EngineError> {
    let lock = lock_text(project, &project.root)?;
    let mut all = needed_by(project, project.catalog.as_ref(), lock.as_deref())?;
    for root in others(project)? {
        all.extend(needed_in(project, &root)?);
    }
    Ok(all)
}

/// Another project that uses the store and needs one of these blobs.
pub(crate) fn needed_elsewhere(
    project: &Project,
    blobs: &BTreeSet<Digest>,
) -> Result<Option<PathBuf>, EngineError> {
    if project.settings.store != StoreLocation::User {
        return Ok(None);
    }
    for root in others(project)? {
        if !needed_in(project, &root)?.is_disjoint(blobs) {
            return Ok(Some(root));
        }
    }
    Ok(None)
}

/// Everything that another project which uses the store names.
fn needed_in(project: &Project, root: &Path) -> Result<BTreeSet<Digest>, EngineError> {
    let unreadable = |what: String| EngineError::Refused {
        message: format!(
            "the project {} uses the store {} and cannot be read ({what}): it may need anything",
            root.display(),
            project.store.root().display()
        ),
        hint: Some(format!(
            "if it is gone for good, 'reproof gc --forget {}'",
            root.display()
        )),
    };
    let path = root.join(STATE_FOLDER).join("catalog.db");
    if let Err(error) = project.io().metadata(&path) {
        return Err(unreadable(error.to_string()));
    }
    let read = || {
        let catalog = SqliteCatalog::open(&path)?;
        let lock = lock_text(project, root)?;
        needed_by(project, &catalog as &dyn Catalog, lock.as_deref())
    };
    read().map_err(|error| unreadable(error.to_string()))
}

/// Everything that a catalogue and a lock file name, but for what is erased.
fn needed_by(
    project: &Project,
    catalog: &dyn Catalog,
    lock: Option<&str>,
) -> Result<BTreeSet<Digest>, EngineError> {
    let named = mentions(catalog, lock)?.into_iter();
    let gone = catalog.erased()?.into_keys().collect();
    reachable(
        &project.store,
        named.flat_map(|mention| mention.digests),
        &gone,
    )
}

/// The lock file of a project, if it has one.
pub(crate) fn lock_text(project: &Project, root: &Path) -> Result<Option<String>, EngineError> {
    match project.io().read(&root.join(LOCK_FILE), MAX_TEXT) {
        Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// The other projects that use the store.
fn others(project: &Project) -> Result<Vec<PathBuf>, EngineError> {
    let io = project.io();
    let own = io.canonicalize(&project.root)?;
    let entries = match io.read_dir(&registry(project)) {
        Err(error) if error.is_not_found() => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut roots = Vec::new();
    for entry in entries {
        let name = entry.name.to_string_lossy();
        if name.parse::<Digest>().is_err() {
            continue;
        }
        let bytes = io.read(&registry(project).join(&*name), MAX_PATH)?;
        let root = PathBuf::from(String::from_utf8_lossy(&bytes).into_owned());
        if root != own {
            roots.push(root);
        }
    }
    Ok(roots)
}
