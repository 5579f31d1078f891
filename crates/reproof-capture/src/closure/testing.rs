//! Small trees for tests.

#![allow(clippy::unwrap_used)]

use reproof_record::{Digest, Tree, TreeEntry};

/// A tree of files with these paths; their content does not matter.
pub(crate) fn tree_of(paths: &[&str]) -> Tree {
    Tree::new(paths.iter().map(|path| TreeEntry {
        path: path.parse().unwrap(),
        executable: false,
        digest: Digest::of(path.as_bytes()),
    }))
}
