//! Symbolic links in trees.

use std::path::{Component, Path};

use crate::Digest;

/// What a link's target is preceded by before it is hashed.
const PREFIX: &[u8] = b"reproof.link/1\n";

/// The longest target of a link, in bytes: that of Linux.
pub const MAX_LINK: usize = 4096;

/// The bytes that stand for a link in a tree and in the store: `reproof.link/1`, a line feed and
/// the target as the link holds it.
///
/// A link thus counts by where it points and never by what is found there, and is not mistaken for
/// a file that holds the same text. In a tree a link is never executable.
pub fn link_bytes(target: &Path) -> Vec<u8> {
    [PREFIX, target.as_os_str().as_encoded_bytes()].concat()
}

/// The digest that stands for a link in a tree: that of its [`link_bytes`].
pub fn link_digest(target: &Path) -> Digest {
    Digest::of(&link_bytes(target))
}

/// The target of the link that these bytes stand for, if they stand for one. A target that is not
/// UTF-8 stands for none.
pub fn link_target(bytes: &[u8]) -> Option<&Path> {
    let target = bytes.strip_prefix(PREFIX)?;
    let target = std::str::from_utf8(target).ok()?;
    (!target.is_empty() && target.len() <= MAX_LINK && !target.contains('\0'))
        .then(|| Path::new(target))
}

/// Why a link of this target may not be part of a tree, if so. `depth` is the number of folders
/// between the tree's root and the link.
///
/// Decided by the text alone. `..` counts only in front: after a name, which may be a link itself,
/// nobody can tell from the text where it leads.
pub fn link_leaves(depth: usize, target: &Path) -> Option<&'static str> {
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
        let stays = |depth, target: &str| link_leaves(depth, Path::new(target)).is_none();
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
        let bytes = link_bytes(Path::new("../a.py"));
        assert_eq!(link_target(&bytes), Some(Path::new("../a.py")));
        assert_eq!(link_target(b"../a.py"), None);
        assert_eq!(link_target(b"reproof.link/1\n"), None);
    }
}
