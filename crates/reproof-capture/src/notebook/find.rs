//! The files of a project, without their bytes.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use reproof_store::fs::Io;

use crate::error::CaptureError;
use crate::git::{Discovery, Git, parse_index, parse_status};
use crate::runner::Runner;
use crate::scope::Scope;
use crate::walk::walk;

/// The paths of a project's files: those that git tracks and that are there, and those that it neither
/// knows nor ignores; without git all but those in folders that hold no code.
pub fn project_files(
    project: &Path,
    io: &dyn Io,
    runner: &dyn Runner,
) -> Result<BTreeSet<String>, CaptureError> {
    let scope = Scope::read(project, io, &BTreeSet::new())?;
    let git = Git::new(project, runner);
    if let Discovery::Repository(prefix) = git.discover()? {
        let status = git.status()?;
        let status = parse_status(&status, &prefix)?;
        let index = git.index()?;
        let index = parse_index(&index)?;
        let missing: BTreeMap<&[u8], bool> = status
            .changes
            .iter()
            .map(|change| (change.path, change.missing))
            .collect();
        let tracked = index
            .iter()
            .filter(|entry| !entry.submodule && missing.get(entry.path) != Some(&true))
            .map(|entry| entry.path);
        let all = tracked.chain(status.untracked.iter().copied());
        let texts = all.filter_map(|path| std::str::from_utf8(path).ok());
        let inside = texts.filter(|path| !scope.excludes(path));
        let found: BTreeSet<String> = inside.map(str::to_owned).collect();
        if !found.is_empty() {
            return Ok(found);
        }
        // A repository of something else, such as a home folder's settings, knows nothing of it.
    }
    Ok(walk(project, io, &scope)?.paths.into_iter().collect())
}
