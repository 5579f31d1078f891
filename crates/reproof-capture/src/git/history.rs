//! The history of a repository: which commits lie between two, and one of them as a folder.

use std::path::{Path, PathBuf};

use super::{Discovery, Git, checked};
use crate::error::CaptureError;
use crate::runner::Runner;

/// A commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commit {
    /// Its ID.
    pub id: String,
    /// Who wrote it.
    pub author: String,
    /// The day on which it was made, as ISO 8601 writes it.
    pub day: String,
    /// The first line of its message.
    pub subject: String,
}

/// The commits behind `from` up to and including `to`, the oldest first. Of a merge only the side on
/// which it was made is followed. None where `from` does not lead to `to`.
///
/// # Errors
/// If there is no repository or no git, or one of the commits is not in it.
pub fn commits_between(
    project: &Path,
    runner: &dyn Runner,
    from: &str,
    to: &str,
) -> Result<Option<Vec<Commit>>, CaptureError> {
    let git = Git::new(project, runner);
    let is_ancestor = git
        .call(&["merge-base", "--is-ancestor", from, to])?
        .ok_or_else(super::vanished)?;
    match is_ancestor.code {
        Some(0) => {}
        Some(1) => return Ok(None),
        _ => _ = checked("merge-base", is_ancestor)?,
    }
    let range = format!("{from}..{to}");
    let listed = git.must(&[
        "log",
        "--first-parent",
        "--reverse",
        "-z",
        "--no-show-signature",
        "--format=%H%x1f%an%x1f%cs%x1f%s",
        &range,
        "--",
    ])?;
    let listed = String::from_utf8_lossy(&listed).into_owned();
    let commits = listed.split('\0').filter_map(|line| {
        let mut parts = line.splitn(4, '\u{1f}').map(str::to_owned);
        Some(Commit {
            id: parts.next().filter(|id| !id.is_empty())?,
            author: parts.next()?,
            day: parts.next()?,
            subject: parts.next()?,
        })
    });
    Ok(Some(commits.collect()))
}

/// Copies the repository of a project, without its files, into a folder that is not there yet; the
/// objects stay where they are. Gives the way from its root to the project.
///
/// # Errors
/// If there is no repository or no git.
pub fn clone_repository(
    project: &Path,
    runner: &dyn Runner,
    folder: &Path,
) -> Result<PathBuf, CaptureError> {
    let git = Git::new(project, runner);
    let prefix = match git.discover()? {
        Discovery::Repository(prefix) => prefix,
        Discovery::None | Discovery::NoGit => return Err(super::vanished()),
    };
    let top = git.must(&["rev-parse", "--show-toplevel"])?;
    let top = String::from_utf8_lossy(&top)
        .trim_end_matches('\n')
        .to_owned();
    let into = folder.to_string_lossy().into_owned();
    git.must(&[
        "clone",
        "--quiet",
        "--shared",
        "--no-checkout",
        "--template=",
        "--",
        &top,
        &into,
    ])?;
    // Its address is a path of this machine, which no execution is to hold.
    Git::new(folder, runner).must(&["remote", "remove", "origin"])?;
    Ok(PathBuf::from(String::from_utf8_lossy(&prefix).into_owned()))
}

/// The bytes that a file of the project has in a commit; none if it is not in it.
///
/// # Errors
/// If there is no git.
pub fn file_at(
    project: &Path,
    runner: &dyn Runner,
    commit: &str,
    file: &str,
) -> Result<Option<Vec<u8>>, CaptureError> {
    let git = Git::new(project, runner);
    let object = format!("{commit}:./{file}");
    let shown = git
        .call(&["cat-file", "blob", &object])?
        .ok_or_else(super::vanished)?;
    Ok(shown.success.then_some(shown.stdout))
}

/// Makes the files of such a copy those of a commit.
///
/// # Errors
/// A commit that is not there, and trouble of the disk.
pub fn check_out(folder: &Path, runner: &dyn Runner, commit: &str) -> Result<(), CaptureError> {
    let git = Git::new(folder, runner);
    git.must(&["checkout", "--quiet", "--force", "--detach", commit, "--"])?;
    git.must(&["clean", "-ffdq"]).map(|_| ())
}
