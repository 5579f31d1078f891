//! Symbolic links as part of the code.

use std::path::{Component, Path};

use reproof_record::{Digest, LINK_PREFIX};

/// The digest that stands for a link in the tree: BLAKE3 of `reproof.link/1`, a line feed and the
/// bytes of the target as the link holds it.
///
/// A link thus counts by where it points and never by what is found there, and is not mistaken for
/// a file that holds the same text. In the tree a link is never executable.
pub fn link_digest(target: &Path) -> Digest {
    Digest::of(&link_blob(target))
}

/// The bytes that stand for a link in the store.
pub(crate) fn link_blob(target: &Path) -> Vec<u8> {
    [LINK_PREFIX, target.as_os_str().as_encoded_bytes()].concat()
}

/// Why a link of this target may not be part of the code, if so. `depth` is the number of folders
/// between the project's root and the link.
///
/// Decided by the text alone. `..` counts only in front: after a name, which may be a link itself,
/// nobody can tell from the text where it leads.
pub(crate) fn leaves_project(depth: usize, target: &Path) -> Option<&'static str> {
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
        let stays = |depth, target: &str| leaves_project(depth, Path::new(target)).is_none();
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
    }
}
