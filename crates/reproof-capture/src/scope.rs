//! What inside the project is not code by declaration.

use std::collections::BTreeSet;
use std::path::Path;

use reproof_store::fs::{Io, IoError};

use crate::Pattern;
use crate::capture::{LOCK_FILE, OWN_FOLDER};
use crate::ignore::IgnoreRules;

/// The file of rules in the project's root.
const IGNORE_FILE: &str = ".reproofignore";
/// How large it may be, in bytes.
const IGNORE_LIMIT: u64 = 1 << 20;

/// What is neither code nor part of the dirty test: the lock file, Reproof's own folder, declared
/// data, and what `.reproofignore` names.
pub(crate) struct Scope {
    data: BTreeSet<String>,
    /// Those of the data that are patterns of files.
    patterns: Vec<Pattern>,
    rules: IgnoreRules,
}

impl Scope {
    /// The scope of a project, whose `.reproofignore` is read.
    pub(crate) fn read(
        project: &Path,
        io: &dyn Io,
        data: &BTreeSet<String>,
    ) -> Result<Self, IoError> {
        let rules = match io.read(&project.join(IGNORE_FILE), IGNORE_LIMIT) {
            Ok(bytes) => IgnoreRules::parse(&bytes),
            Err(error) if error.is_not_found() => IgnoreRules::default(),
            Err(error) => return Err(error),
        };
        Ok(Self::new(data, rules))
    }

    /// The scope of these declared data paths and rules.
    pub(crate) fn new(data: &BTreeSet<String>, rules: IgnoreRules) -> Self {
        let plain = |path: &String| {
            let path = path.strip_prefix("./").unwrap_or(path);
            path.strip_suffix('/').unwrap_or(path).to_owned()
        };
        let data: BTreeSet<String> = data.iter().map(plain).collect();
        // What is wrong with a pattern is told where the data is read.
        let patterns = data.iter().filter(|path| Pattern::is_one(path));
        Self {
            patterns: patterns
                .filter_map(|path| Pattern::new(path).ok())
                .collect(),
            data,
            rules,
        }
    }

    /// Whether a file of this path is not code.
    pub(crate) fn excludes(&self, path: &str) -> bool {
        self.declared(path) || (!self.rules.is_empty() && self.rules.excludes(path, false))
    }

    /// Whether a file or folder of this path is not code, given that no folder above it is
    /// excluded.
    pub(crate) fn excludes_itself(&self, path: &str, is_folder: bool) -> bool {
        self.declared(path) || self.rules.excludes_itself(path, is_folder)
    }

    fn declared(&self, path: &str) -> bool {
        let inside = |folder: &str| {
            path.strip_prefix(folder)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        // What a process that was killed while it wrote the lock file left beside it.
        let unfinished_lock = path.starts_with(".reproof.lock.");
        path == LOCK_FILE
            || unfinished_lock
            || inside(OWN_FOLDER)
            || self.data.iter().any(|data| inside(data))
            || self.patterns.iter().any(|pattern| pattern.is_match(path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn declared_patterns_are_the_files_that_fit() {
        let data = BTreeSet::from(["data/*.csv".to_owned(), "a[".to_owned()]);
        let scope = Scope::new(&data, IgnoreRules::default());
        assert!(scope.excludes("data/a.csv") && scope.excludes("a["));
        assert!(!scope.excludes("data/a.py") && !scope.excludes("data/b/a.csv"));
    }

    #[test]
    fn declared_paths_are_whole_files_or_folders() {
        let data = BTreeSet::from(["./data/a.csv".to_owned(), "raw/".to_owned()]);
        let scope = Scope::new(&data, IgnoreRules::default());
        for path in [
            "reproof.lock",
            ".reproof/objects/1",
            "data/a.csv",
            "raw/x/y",
        ] {
            assert!(scope.excludes(path), "{path}");
        }
        for path in [
            "a/reproof.lock",
            ".reproofignore",
            "data/a.csv2",
            "rawer",
            "x/raw",
        ] {
            assert!(!scope.excludes(path), "{path}");
        }
    }
}
