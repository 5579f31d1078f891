//! Puts a capture together.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use reproof_record::{CodeState, RelativePath, Tree};
use reproof_store::fs::{Facts, FileKind, Io};

use crate::cache::DigestCache;
use crate::error::CaptureError;
use crate::git::{Discovery, Git, IndexEntry, Status, parse_index, parse_status};
use crate::read::{Candidate, Reader, now_ns, shown};
use crate::runner::Runner;
use crate::scope::Scope;
use crate::select::Files;
use crate::walk::walk;

/// The file that pins the data. It is neither code nor part of the dirty test.
pub const LOCK_FILE: &str = "reproof.lock";
/// Reproof's own folder in the project. It is neither code nor part of the dirty test.
pub const OWN_FOLDER: &str = ".reproof";

/// How many changed paths [`CodeState::changed`] names.
const MAX_CHANGED: usize = 100;
/// How often a capture begins anew when files change under it.
const ATTEMPTS: usize = 5;

/// What is known beforehand of a project's files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CaptureOptions {
    /// Files and folders inside the project that are declared as data, and patterns of files: neither
    /// code nor part of the dirty test.
    pub data: BTreeSet<String>,
}

/// The code of a project at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Capture {
    /// Commit, branch, remote, what differs from the commit, and what was left out. `patch` is
    /// not set: that is for whoever stores [`Capture::patch`].
    pub state: CodeState,
    /// The files: path, whether the owner may execute it, BLAKE3 of its bytes. A symbolic link
    /// stands in it by its target, see [`link_digest`](crate::link_digest).
    pub tree: Tree,
    /// The links in the tree, and where they point.
    pub links: BTreeMap<RelativePath, String>,
    /// The changes of tracked files against the commit, as a patch for `git apply` in the root of
    /// the repository. None if there are none. Untracked files are not in it.
    pub patch: Option<Vec<u8>>,
    /// Whether the lock file, as it is now, is part of the commit. None without a repository or
    /// lock file.
    pub lock_committed: Option<bool>,
}

/// Captures the code in the folder `project` as it is now.
///
/// In a git repository, of which the project may be a sub-folder: the tracked files as they are on
/// disk, and the untracked ones that git does not ignore. Without one, or without git: every file
/// but those in folders that hold no code (version control, caches by name or by `CACHEDIR.TAG`,
/// virtual environments, installed packages). `.gitignore` files have no meaning there.
/// `.reproofignore` in the project's root counts in both cases.
///
/// Left out and named in [`CodeState::left_out`]: files outside the commit that look like secrets;
/// files over 10 MB, which count by reference; links that leave the project; submodules and other
/// repositories inside; names that are not UTF-8 or that a
/// [`RelativePath`](reproof_record::RelativePath) may not hold.
///
/// Dirty means that git sees a difference from the commit within the project, in whatever is not
/// the lock file, Reproof's own folder, declared data or named in `.reproofignore`. A change that
/// git was told to overlook (`assume-unchanged`, `skip-worktree`) counts.
///
/// A repository that git refuses to read is an error, never the same as none. Files that change
/// while they are captured make the capture begin anew, so that its parts belong together.
pub fn capture(
    project: &Path,
    io: &dyn Io,
    runner: &dyn Runner,
    cache: &dyn DigestCache,
    options: &CaptureOptions,
) -> Result<Capture, CaptureError> {
    let mut before: Option<BTreeMap<String, Facts>> = None;
    for _ in 0..ATTEMPTS {
        let job = Job {
            project,
            io,
            cache,
            git: Git::new(project, runner),
            scope: Scope::read(project, io, &options.data)?,
            started_ns: now_ns(),
        };
        let (captured, recent) = job.attempt()?;
        // Git looked first, the files were read later. What changed since git looked is the same
        // as what git saw only if another look, between two equal sights, says so.
        if recent.is_empty() || before.as_ref() == Some(&recent) {
            return Ok(captured);
        }
        before = Some(recent);
    }
    let path = before
        .and_then(|mut recent| recent.pop_first())
        .map(|(path, _)| path);
    Err(CaptureError::Changing {
        path: shown(path.unwrap_or_default().as_bytes()),
    })
}

/// Whether the lock file, as it is now, is part of the commit that is checked out. None without a
/// repository or lock file.
pub fn lock_committed(
    project: &Path,
    io: &dyn Io,
    runner: &dyn Runner,
) -> Result<Option<bool>, CaptureError> {
    match io.metadata(&project.join(LOCK_FILE)) {
        Ok(_) => {}
        Err(error) if error.is_not_found() => return Ok(None),
        Err(error) => return Err(error.into()),
    }
    let status = Git::new(project, runner).lock_status()?;
    Ok(status.map(|status| status.is_empty()))
}

/// One attempt at a capture.
struct Job<'a> {
    project: &'a Path,
    io: &'a dyn Io,
    cache: &'a dyn DigestCache,
    git: Git<'a>,
    scope: Scope,
    started_ns: i64,
}

/// A capture, and the files that changed so late that it may be of two moments.
type Attempt = (Capture, BTreeMap<String, Facts>);

impl Job<'_> {
    fn attempt(&self) -> Result<Attempt, CaptureError> {
        match self.git.discover()? {
            Discovery::Repository(prefix) => self.repository(&prefix),
            Discovery::None => {
                let note = self.git_folder().map(|at| {
                    format!("no commit ties to this code: git finds no repository in {at}")
                });
                let note = note.unwrap_or_else(|| {
                    "no commit ties to this code: the project is not in a git repository".to_owned()
                });
                self.folder(note)
            }
            Discovery::NoGit => {
                let note = match self.git_folder() {
                    Some(at) => format!(
                        "no commit ties to this code: the program git, which would read {at}, is \
                         not installed"
                    ),
                    None => {
                        "no commit ties to this code: the program git is not installed".to_owned()
                    }
                };
                self.folder(note)
            }
        }
    }

    /// The nearest `.git` above the project, as a text.
    fn git_folder(&self) -> Option<String> {
        let root = self.io.canonicalize(self.project).ok()?;
        let folders = root.ancestors().map(|folder| folder.join(".git"));
        folders
            .into_iter()
            .find(|folder| self.io.metadata(folder).is_ok())
            .map(|folder| folder.display().to_string())
    }

    /// Captures a folder without a repository.
    fn folder(&self, note: String) -> Result<Attempt, CaptureError> {
        let walked = walk(self.project, self.io, &self.scope)?;
        let candidate = |path: &String| Candidate {
            path: Cow::Owned(path.clone()),
            committed: false,
            blob: None,
        };
        let candidates: Vec<_> = walked.paths.iter().map(candidate).collect();
        let mut reader = Reader::new(self.project, self.io, self.started_ns);
        reader.left_out = walked.left_out;
        reader.read_all(&candidates, self.cache, &BTreeSet::new())?;
        let links = links(reader.links);
        let tree = Tree::new(reader.entries);
        let state = CodeState {
            tree: Some(tree.digest()?),
            left_out: reader.left_out,
            notes: vec![note],
            ..CodeState::default()
        };
        let captured = Capture {
            state,
            tree,
            links,
            patch: None,
            lock_committed: None,
        };
        Ok((captured, reader.recent))
    }

    /// Captures what git describes.
    fn repository(&self, prefix: &[u8]) -> Result<Attempt, CaptureError> {
        let status = self.git.status()?;
        let status = parse_status(&status, prefix)?;
        let index = self.git.index()?;
        let index = parse_index(&index)?;
        if index.is_empty() && status.untracked.is_empty() && status.changes.is_empty() {
            let walked = walk(self.project, self.io, &self.scope)?;
            if !walked.paths.is_empty() {
                // A repository of something else, such as a home folder's settings.
                let note = "no commit ties to this code: the git repository around the project \
                            ignores all of it";
                return self.folder(note.to_owned());
            }
        }
        let mut notes = Vec::new();
        let overlooked = self.overlooked(&index, &mut notes)?;
        let files = Files::select(&self.scope, &status, &index, &overlooked);
        let mut reader = Reader::new(self.project, self.io, self.started_ns);
        reader.left_out.clone_from(&files.left_out);
        reader.read_all(&files.candidates, self.cache, &files.changed_tracked)?;
        let patch = self.patch(&status, &index, &files, &mut reader, &mut notes)?;
        let lock_committed = self.lock_in(&status, &index, &overlooked)?;
        let links = links(reader.links);
        let tree = Tree::new(reader.entries);
        let state = CodeState {
            tree: Some(tree.digest()?),
            commit: status.commit.map(str::to_owned),
            remote: self.git.remote(status.branch.as_deref())?,
            branch: status.branch,
            dirty: Some(!files.changed.is_empty()),
            changed: files.changed.into_iter().take(MAX_CHANGED).collect(),
            patch: None,
            notes,
            left_out: reader.left_out,
        };
        Ok((
            Capture {
                state,
                tree,
                links,
                patch,
                lock_committed,
            },
            reader.recent,
        ))
    }

    /// The paths of files that differ from the index although git was told not to look.
    fn overlooked<'i>(
        &self,
        index: &[IndexEntry<'i>],
        notes: &mut Vec<String>,
    ) -> Result<BTreeSet<&'i str>, CaptureError> {
        let mut differ = BTreeSet::new();
        let mut compare = Vec::new();
        for entry in index
            .iter()
            .filter(|entry| entry.overlooked && !entry.submodule)
        {
            let Ok(path) = std::str::from_utf8(entry.path) else {
                continue;
            };
            match self.kind_within(path) {
                Some(FileKind::File) => compare.push((path, entry.blob)),
                None if entry.sparse => {}
                // A file that is gone, or a link, of which git would hash what it points to.
                _ => {
                    differ.insert(path);
                }
            }
        }
        let paths: Vec<&str> = compare.iter().map(|(path, _)| *path).collect();
        for ((path, blob), hash) in compare.iter().zip(self.git.hashes(&paths)?) {
            if hash.as_bytes() != *blob {
                differ.insert(path);
            }
        }
        notes.extend(
            differ
                .iter()
                .filter(|path| !self.scope.excludes(path))
                .map(|path| {
                    format!(
                        "'{}' differs from the commit although git was told to overlook it",
                        shown(path.as_bytes())
                    )
                }),
        );
        Ok(differ)
    }

    /// What is at a path, if no folder on the way is a link.
    fn kind_within(&self, path: &str) -> Option<FileKind> {
        let kind = |path: &str| {
            self.io
                .metadata(&self.project.join(path))
                .ok()
                .map(|f| f.kind)
        };
        let mut folders = path.match_indices('/').map(|(end, _)| &path[..end]);
        if folders.all(|folder| kind(folder) == Some(FileKind::Folder)) {
            kind(path)
        } else {
            None
        }
    }

    /// The patch, if tracked files changed.
    fn patch(
        &self,
        status: &Status<'_>,
        index: &[IndexEntry<'_>],
        files: &Files<'_>,
        reader: &mut Reader<'_>,
        notes: &mut Vec<String>,
    ) -> Result<Option<Vec<u8>>, CaptureError> {
        if files.changed_tracked.is_empty() {
            return Ok(None);
        }
        let mut less: Vec<&str> = files.not_code.clone();
        for path in &files.changed_tracked {
            if let Some(reason) = reader.unpatched.get(*path) {
                less.push(path);
                let path = shown(path.as_bytes());
                notes.push(format!(
                    "the changes of '{path}' are not kept as a patch: {reason}"
                ));
            }
        }
        let base = status.commit.unwrap_or_else(|| empty_tree(index));
        let patch = self.git.patch(base, &less)?;
        for path in &files.changed_tracked {
            let now = self.io.metadata(&self.project.join(path)).ok();
            if let Some(now) = now
                && reader.watched.get(*path).is_some_and(|then| *then != now)
            {
                reader.recent.insert((*path).to_owned(), now);
            }
        }
        Ok(Some(patch).filter(|patch| !patch.is_empty()))
    }

    /// Whether the lock file is in the commit as it is.
    fn lock_in(
        &self,
        status: &Status<'_>,
        index: &[IndexEntry<'_>],
        overlooked: &BTreeSet<&str>,
    ) -> Result<Option<bool>, CaptureError> {
        match self.io.metadata(&self.project.join(LOCK_FILE)) {
            Ok(_) => {}
            Err(error) if error.is_not_found() => return Ok(None),
            Err(error) => return Err(error.into()),
        }
        let lock = LOCK_FILE.as_bytes();
        let tracked = index.iter().any(|entry| entry.path == lock);
        let changed = status.changes.iter().any(|change| change.path == lock);
        Ok(Some(tracked && !changed && !overlooked.contains(LOCK_FILE)))
    }
}

/// The links of a tree: every path in it is a valid one.
fn links(links: BTreeMap<String, String>) -> BTreeMap<RelativePath, String> {
    let valid = |(path, target)| Some((RelativePath::new(path).ok()?, target));
    links.into_iter().filter_map(valid).collect()
}

/// The tree that holds nothing, which every repository knows, in its own hash.
fn empty_tree(index: &[IndexEntry<'_>]) -> &'static str {
    if index.first().is_some_and(|entry| entry.blob.len() == 64) {
        "6ef19b41225c5369f1c104d45d8d85efa9b057b53b14b4b9b939dd74decc5321"
    } else {
        "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
    }
}
