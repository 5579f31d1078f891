//! The files of a folder that no git repository describes.

use std::collections::BTreeMap;
use std::path::Path;

use reproof_store::fs::{DirEntry, FileKind, Io, IoError};

use crate::read::shown;
use crate::scope::Scope;

/// Folders that hold no code by their name: other version control, caches, virtual environments
/// and installed packages. Build folders with everyday names, such as `target`, are known by their
/// `CACHEDIR.TAG` instead.
const SKIPPED_FOLDERS: [&str; 15] = [
    ".git",
    ".hg",
    ".svn",
    ".jj",
    "__pycache__",
    "__pypackages__",
    ".venv",
    "node_modules",
    ".ipynb_checkpoints",
    ".pytest_cache",
    ".mypy_cache",
    ".ruff_cache",
    ".tox",
    ".nox",
    ".idea",
];

/// How a `CACHEDIR.TAG` file begins (bford.info/cachedir).
const CACHE_TAG: &[u8] = b"Signature: 8a477f597d28d172789f06886806bc55";

/// What a walk found.
#[derive(Debug, Default)]
pub(crate) struct Walked {
    /// Files, links and things that are neither, by path inside the project, sorted.
    pub paths: Vec<String>,
    /// What was left out, and why.
    pub left_out: BTreeMap<String, String>,
}

/// Every file of the project but those in folders that hold no code. Links are not followed.
pub(crate) fn walk(project: &Path, io: &dyn Io, scope: &Scope) -> Result<Walked, IoError> {
    let mut walked = Walked::default();
    let mut folders = vec![String::new()];
    while let Some(folder) = folders.pop() {
        let entries = match io.read_dir(&project.join(&folder)) {
            Ok(entries) => entries,
            Err(error) if folder.is_empty() => return Err(error),
            Err(error) if error.is_not_found() => continue,
            Err(error) => {
                let reason = format!("cannot be listed: {}", error.source);
                walked
                    .left_out
                    .insert(shown((folder + "/").as_bytes()), reason);
                continue;
            }
        };
        if !folder.is_empty()
            && let Some(reason) = tagged(project, io, &folder, &entries)
        {
            walked
                .left_out
                .insert(shown((folder + "/").as_bytes()), reason.to_owned());
            continue;
        }
        for entry in entries {
            add(&mut walked, &mut folders, &folder, &entry, scope);
        }
    }
    walked.paths.sort_unstable();
    Ok(walked)
}

fn add(
    walked: &mut Walked,
    folders: &mut Vec<String>,
    folder: &str,
    entry: &DirEntry,
    scope: &Scope,
) {
    let separator = if folder.is_empty() { "" } else { "/" };
    let Some(name) = entry.name.to_str() else {
        let path = format!("{folder}{separator}{}", entry.name.to_string_lossy());
        if !scope.excludes_itself(&path, entry.kind == FileKind::Folder) {
            let reason = "its name is not valid UTF-8".to_owned();
            walked.left_out.insert(shown(path.as_bytes()), reason);
        }
        return;
    };
    let path = format!("{folder}{separator}{name}");
    let is_folder = entry.kind == FileKind::Folder;
    if scope.excludes_itself(&path, is_folder) {
        return;
    }
    if !is_folder {
        // A `.git` that is a file leads to the repository of a worktree or submodule.
        if name != ".git" && name.rsplit('.').next() != Some("pyc") && name != ".DS_Store" {
            walked.paths.push(path);
        }
    } else if !SKIPPED_FOLDERS.contains(&name) {
        folders.push(path);
    }
}

/// Why a folder says of itself that it holds no code, if it does.
fn tagged(project: &Path, io: &dyn Io, folder: &str, entries: &[DirEntry]) -> Option<&'static str> {
    let holds = |name: &str| {
        entries
            .iter()
            .any(|entry| entry.name == name && entry.kind == FileKind::File)
    };
    if holds("pyvenv.cfg") {
        return Some("a virtual environment of Python");
    }
    if !holds("CACHEDIR.TAG") {
        return None;
    }
    let tag = io
        .read(&project.join(folder).join("CACHEDIR.TAG"), 4096)
        .ok()?;
    tag.starts_with(CACHE_TAG)
        .then_some("a cache, as its CACHEDIR.TAG says")
}
