//! Symbolic links as part of a tree.
//!
//! A link stands in a tree by a blob that holds `reproof.link/1`, a line feed and the target as
//! the link holds it. A link thus counts by where it points and never by what is found there, and
//! is not mistaken for a file that holds the same text. A regular file whose bytes begin so would
//! be taken for a link, so none is taken into a tree. In a tree a link is never executable.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path};

use reproof_record::Digest;

/// What stands before the target.
pub(crate) use reproof_record::LINK_PREFIX as PREFIX;

/// The longest target, in bytes: that of the kernel.
pub(crate) const MAX_TARGET: usize = 4096;

/// The blob that stands for a link of this target.
pub fn link_blob(target: &Path) -> Vec<u8> {
    [PREFIX, target.as_os_str().as_bytes()].concat()
}

/// The digest that stands for a link of this target: BLAKE3 of its blob.
pub fn link_digest(target: &Path) -> Digest {
    Digest::of(&link_blob(target))
}

/// The target of the link that a blob stands for, if it stands for one.
pub fn link_target(blob: &[u8]) -> Option<&Path> {
    let target = blob.strip_prefix(PREFIX)?;
    Some(Path::new(OsStr::from_bytes(target)))
}

/// Why a link of this target may not be part of a tree, if so. `depth` is the number of folders
/// between the tree's root and the link.
///
/// Decided by the text alone. `..` counts only in front: after a name, which may be a link itself,
/// nobody can tell from the text where it leads.
pub fn leaves_tree(depth: usize, target: &Path) -> Option<&'static str> {
    let mut up = 0;
    let mut named = false;
    for component in target.components() {
        match component {
            Component::RootDir | Component::Prefix(_) => {
                return Some("a link to an absolute path");
            }
            Component::ParentDir if named => {
                return Some("a link that goes down and up again");
            }
            Component::ParentDir => up += 1,
            Component::Normal(_) => named = true,
            Component::CurDir => {}
        }
    }
    (up > depth).then_some("a link that leaves the project")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_inside_and_outside() {
        let stays = |depth, target: &str| leaves_tree(depth, Path::new(target)).is_none();
        assert!(stays(0, "a.py"));
        assert!(stays(0, "./a/b.py"));
        assert!(stays(1, "../a.py"));
        assert!(stays(2, "../../a"));
        assert!(!stays(0, "../a.py"));
        assert!(!stays(1, "../../a.py"));
        assert!(!stays(1, "/etc/passwd"));
        assert!(!stays(3, "a/../b"));
    }

    #[test]
    fn a_link_is_not_the_file_of_its_text() {
        assert_ne!(link_digest(Path::new("a.py")), Digest::of(b"a.py"));
        assert_eq!(
            link_digest(Path::new("a.py")),
            Digest::of(b"reproof.link/1\na.py")
        );
        assert_eq!(
            link_target(&link_blob(Path::new("../a"))),
            Some(Path::new("../a"))
        );
        assert_eq!(link_target(b"a.py"), None);
    }
}
