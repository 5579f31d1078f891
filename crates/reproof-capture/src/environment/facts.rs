//! What the file system says of every file of a closure, in one list that is quick to compare.
//!
//! Looking at a closure costs one call per file, and nothing is read. The list is hashed; only
//! where the hash differs from the noted one is the noted list read, to say which files changed.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use reproof_record::Digest;
use reproof_store::fs::{Facts, FileKind, Io, IoError};

/// How many bytes the numbers of one entry take.
const NUMBERS: usize = 8 * 4 + 2;

/// One file that a look found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Listed {
    pub path: String,
    pub kind: FileKind,
    pub executable: bool,
}

/// The facts of all files and links of a closure, bytecode included.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    /// For each entry: the length of its name, its name, its numbers. For each folder, before its
    /// entries: `u32::MAX`, the length of its path, its path.
    bytes: Vec<u8>,
    /// When the last of them changed, in nanoseconds since 1970.
    pub latest_ns: i64,
}

impl Listing {
    /// Looks at every file below a folder.
    pub fn look(io: &dyn Io, root: &Path) -> Result<Self, IoError> {
        let mut listing = Self::default();
        listing.bytes.reserve(1 << 20);
        let mut folders = vec![String::new()];
        while let Some(folder) = folders.pop() {
            listing.folder(&folder);
            for (name, facts) in io.read_dir_facts(&root.join(&folder))? {
                let name_text = name.to_string_lossy();
                if facts.kind == FileKind::Folder {
                    let separator = if folder.is_empty() { "" } else { "/" };
                    folders.push(format!("{folder}{separator}{name_text}"));
                } else {
                    listing.entry(&name_text, &facts);
                }
            }
        }
        Ok(listing)
    }

    fn folder(&mut self, path: &str) {
        self.bytes.extend(u32::MAX.to_le_bytes());
        self.bytes.extend((path.len() as u32).to_le_bytes());
        self.bytes.extend(path.as_bytes());
    }

    fn entry(&mut self, name: &str, facts: &Facts) {
        self.latest_ns = self.latest_ns.max(facts.mtime_ns).max(facts.ctime_ns);
        self.bytes.extend((name.len() as u32).to_le_bytes());
        self.bytes.extend(name.as_bytes());
        self.bytes.extend(facts.size.to_le_bytes());
        self.bytes.extend(facts.mtime_ns.to_le_bytes());
        self.bytes.extend(facts.ctime_ns.to_le_bytes());
        self.bytes.extend(facts.inode.to_le_bytes());
        let kind = match facts.kind {
            FileKind::File => 0,
            FileKind::Link => 1,
            FileKind::Folder | FileKind::Other => 2,
        };
        self.bytes.extend([kind, u8::from(facts.executable)]);
    }

    /// The digest of the list.
    pub fn digest(&self) -> Digest {
        Digest::of(&self.bytes)
    }

    /// The list as it is noted.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The entries of a noted list, by path; none if it is damaged.
    pub fn read(bytes: &[u8]) -> Option<BTreeMap<String, &[u8]>> {
        let mut entries = BTreeMap::new();
        let mut rest = bytes;
        let mut folder = String::new();
        while !rest.is_empty() {
            let length = take_number(&mut rest)?;
            if length == u32::MAX {
                let length = take_number(&mut rest)?;
                let path = take(&mut rest, length as usize)?;
                folder = String::from_utf8(path.to_vec()).ok()?;
                if !folder.is_empty() {
                    folder.push('/');
                }
            } else {
                let name = std::str::from_utf8(take(&mut rest, length as usize)?).ok()?;
                entries.insert(format!("{folder}{name}"), take(&mut rest, NUMBERS)?);
            }
        }
        Some(entries)
    }

    /// The paths that one list has and the other has not, or with other facts, sorted.
    pub fn changed(&self, noted: &[u8]) -> Option<Vec<String>> {
        let (now, noted) = (Self::read(&self.bytes)?, Self::read(noted)?);
        let paths: BTreeSet<&String> = now.keys().chain(noted.keys()).collect();
        let differs = |path: &&String| now.get(*path) != noted.get(*path);
        Some(paths.into_iter().filter(differs).cloned().collect())
    }

    /// Every file and link, sorted.
    pub fn files(&self) -> Vec<Listed> {
        let entries = Self::read(&self.bytes).unwrap_or_default();
        let file = |(path, numbers): (String, &[u8])| Listed {
            path,
            kind: match numbers.get(NUMBERS - 2) {
                Some(0) => FileKind::File,
                Some(1) => FileKind::Link,
                _ => FileKind::Other,
            },
            executable: numbers.get(NUMBERS - 1) == Some(&1),
        };
        entries.into_iter().map(file).collect()
    }
}

fn take<'b>(rest: &mut &'b [u8], count: usize) -> Option<&'b [u8]> {
    let (taken, left) = rest.split_at_checked(count)?;
    *rest = left;
    Some(taken)
}

fn take_number(rest: &mut &[u8]) -> Option<u32> {
    Some(u32::from_le_bytes(take(rest, 4)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn facts(size: u64, ctime_ns: i64) -> Facts {
        Facts {
            kind: FileKind::File,
            size,
            mtime_ns: 5,
            ctime_ns,
            inode: 7,
            executable: false,
        }
    }

    fn listing(entries: &[(&str, &str, Facts)]) -> Listing {
        let mut listing = Listing::default();
        for (folder, name, facts) in entries {
            listing.folder(folder);
            listing.entry(name, facts);
        }
        listing
    }

    #[test]
    fn what_changed_is_named() {
        let noted = listing(&[
            ("", "a", facts(1, 1)),
            ("b", "c", facts(1, 1)),
            ("b", "gone", facts(1, 1)),
        ]);
        let now = listing(&[
            ("", "a", facts(1, 1)),
            ("b", "c", facts(1, 9)),
            ("b/d", "new", facts(1, 1)),
        ]);
        assert_eq!(
            now.changed(noted.bytes()).unwrap(),
            ["b/c", "b/d/new", "b/gone"]
        );
        assert_eq!(now.latest_ns, 9);
        assert_ne!(now.digest(), noted.digest());
        assert_eq!(now.changed(now.bytes()).unwrap(), Vec::<String>::new());
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            Listing::default().changed(&bytes);
        }
    }
}
