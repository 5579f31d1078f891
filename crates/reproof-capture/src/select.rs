//! Decides by git's answers which files are to be read.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use crate::git::{IndexEntry, Status};
use crate::read::{Candidate, shown};
use crate::scope::Scope;

/// What git's answers mean for the files of the project.
#[derive(Debug, Default)]
pub(crate) struct Files<'a> {
    /// What is to be read.
    pub candidates: Vec<Candidate<'a>>,
    /// What is not, and why.
    pub left_out: BTreeMap<String, String>,
    /// Every path that makes the code dirty, as it is shown.
    pub changed: BTreeSet<String>,
    /// Those of them that are tracked and UTF-8.
    pub changed_tracked: BTreeSet<&'a str>,
    /// Tracked files that changed and are not code.
    pub not_code: Vec<&'a str>,
}

impl<'a> Files<'a> {
    /// Goes through what git said; `overlooked` are changes that git was told not to see.
    pub(crate) fn select(
        scope: &Scope,
        status: &Status<'a>,
        index: &[IndexEntry<'a>],
        overlooked: &BTreeSet<&'a str>,
    ) -> Self {
        let mut files = Self::default();
        let mut changes = BTreeMap::new();
        for change in &status.changes {
            changes.insert(change.path, change);
            files.change(scope, change.path);
        }
        for path in overlooked {
            files.change(scope, path.as_bytes());
        }
        for entry in index {
            let change = changes.get(entry.path);
            if change.is_some_and(|change| change.missing && !entry.submodule) {
                continue;
            }
            let Some(path) = files.readable(scope, entry.path) else {
                continue;
            };
            if entry.submodule {
                let commit = String::from_utf8_lossy(entry.blob);
                let reason = format!("a git submodule at {commit}: not captured");
                files.left_out.insert(shown(entry.path), reason);
                continue;
            }
            let unchanged = change.is_none() && !overlooked.contains(path);
            files.candidates.push(Candidate {
                path: Cow::Borrowed(path),
                committed: change.is_none_or(|change| change.committed),
                blob: unchanged.then(|| String::from_utf8_lossy(entry.blob)),
            });
        }
        for path in &status.untracked {
            files.untracked(scope, path);
        }
        files
    }

    fn untracked(&mut self, scope: &Scope, path: &'a [u8]) {
        if !scope.excludes(&String::from_utf8_lossy(path)) {
            self.changed.insert(shown(path));
        }
        let Some(path) = self.readable(scope, path) else {
            return;
        };
        if path.ends_with('/') {
            let reason = "another git repository: not captured".to_owned();
            self.left_out.insert(shown(path.as_bytes()), reason);
            return;
        }
        self.candidates.push(Candidate {
            path: Cow::Borrowed(path),
            committed: false,
            blob: None,
        });
    }

    fn change(&mut self, scope: &Scope, path: &'a [u8]) {
        let text = std::str::from_utf8(path);
        match text {
            Ok(text) if scope.excludes(text) => self.not_code.push(text),
            Err(_) if scope.excludes(&String::from_utf8_lossy(path)) => {}
            _ => {
                self.changed.insert(shown(path));
                self.changed_tracked.extend(text);
            }
        }
    }

    /// The path as a text if it is code; what is not UTF-8 is left out by name.
    fn readable(&mut self, scope: &Scope, path: &'a [u8]) -> Option<&'a str> {
        let Ok(text) = std::str::from_utf8(path) else {
            if !scope.excludes(&String::from_utf8_lossy(path)) {
                let reason = "its name is not valid UTF-8".to_owned();
                self.left_out.insert(shown(path), reason);
            }
            return None;
        };
        (!scope.excludes(text)).then_some(text)
    }
}
