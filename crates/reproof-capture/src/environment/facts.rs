//! What the file system says of every file of a closure, in one list that is quick to compare.
//!
//! Nothing is read to compare it, and no folder is listed: a folder's own times change when a name
//! in it comes or goes. So looking again costs one call per file and three per folder. Only where
//! something differs is everything listed anew, to say which files changed.

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

/// The facts of all folders, files and links of a closure, bytecode included.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    /// For each folder: `u32::MAX`, the length of its path, its path, its numbers. For each file
    /// in it after that: the length of its name, its name, its numbers.
    bytes: Vec<u8>,
    /// When the last of them changed, in nanoseconds since 1970.
    pub latest_ns: i64,
}

/// One record of a list.
enum Item<'b> {
    Folder(&'b str, &'b [u8]),
    File(&'b str, &'b [u8]),
}

impl Listing {
    /// Looks at everything below a folder.
    pub fn look(io: &dyn Io, root: &Path) -> Result<Self, IoError> {
        let mut listing = Self::default();
        listing.bytes.reserve(1 << 20);
        let mut folders = vec![(String::new(), io.metadata(root)?)];
        while let Some((folder, facts)) = folders.pop() {
            listing.folder(&folder, &facts);
            for (name, facts) in io.read_dir_facts(&root.join(&folder))? {
                let name_text = name.to_string_lossy();
                if facts.kind == FileKind::Folder {
                    let separator = if folder.is_empty() { "" } else { "/" };
                    folders.push((format!("{folder}{separator}{name_text}"), facts));
                } else {
                    listing.entry(&name_text, &facts);
                }
            }
        }
        Ok(listing)
    }

    /// Whether everything is as a noted list says. What cannot be looked at is not.
    pub fn holds(io: &dyn Io, root: &Path, noted: &[u8]) -> bool {
        let mut rest = noted;
        let mut folder: Option<Noted<'_>> = None;
        while !rest.is_empty() {
            match (next(&mut rest), &mut folder) {
                (Some(Item::Folder(path, numbers)), _) => {
                    let begun = Noted {
                        path,
                        names: vec!["."],
                        numbers: vec![numbers],
                    };
                    if folder
                        .replace(begun)
                        .is_some_and(|folder| !folder.holds(io, root))
                    {
                        return false;
                    }
                }
                (Some(Item::File(name, numbers)), Some(folder)) => {
                    folder.names.push(name);
                    folder.numbers.push(numbers);
                }
                _ => return false,
            }
        }
        folder.is_some_and(|folder| folder.holds(io, root))
    }

    fn folder(&mut self, path: &str, facts: &Facts) {
        self.bytes.extend(u32::MAX.to_le_bytes());
        self.record(path, facts);
    }

    fn entry(&mut self, name: &str, facts: &Facts) {
        self.record(name, facts);
    }

    fn record(&mut self, name: &str, facts: &Facts) {
        self.latest_ns = self.latest_ns.max(facts.mtime_ns).max(facts.ctime_ns);
        self.bytes.extend((name.len() as u32).to_le_bytes());
        self.bytes.extend(name.as_bytes());
        self.bytes.extend(numbers(facts));
    }

    /// The digest of the list.
    pub fn digest(&self) -> Digest {
        Digest::of(&self.bytes)
    }

    /// The list as it is noted.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The entries of a noted list, by path, folders with a slash at their end; none if the list is
    /// damaged.
    fn read(bytes: &[u8]) -> Option<BTreeMap<String, &[u8]>> {
        let mut entries = BTreeMap::new();
        let mut rest = bytes;
        let mut folder = String::new();
        while !rest.is_empty() {
            match next(&mut rest)? {
                Item::Folder(path, numbers) => {
                    folder = if path.is_empty() {
                        String::new()
                    } else {
                        format!("{path}/")
                    };
                    entries.insert(folder.clone(), numbers);
                }
                Item::File(name, numbers) => {
                    entries.insert(format!("{folder}{name}"), numbers);
                }
            }
        }
        Some(entries)
    }

    /// The files that one list has and the other has not, or with other facts, sorted; if there
    /// are none, the folders. None if the noted list is damaged.
    pub fn changed(&self, noted: &[u8]) -> Option<Vec<String>> {
        let (now, noted) = (Self::read(&self.bytes)?, Self::read(noted)?);
        let paths: BTreeSet<&String> = now.keys().chain(noted.keys()).collect();
        let differs = |path: &&String| now.get(*path) != noted.get(*path);
        let changed = paths.into_iter().filter(differs).cloned();
        let is_folder = |path: &String| path.is_empty() || path.ends_with('/');
        let (folders, files): (Vec<_>, Vec<_>) = changed.partition(is_folder);
        Some(if files.is_empty() { folders } else { files })
    }

    /// Every file and link, sorted.
    pub fn files(&self) -> Vec<Listed> {
        let entries = Self::read(&self.bytes).unwrap_or_default();
        let file = |(path, numbers): (String, &[u8])| {
            let kind = match numbers.get(NUMBERS - 2) {
                Some(0) => FileKind::File,
                Some(1) => FileKind::Link,
                Some(3) => return None,
                _ => FileKind::Other,
            };
            let executable = numbers.get(NUMBERS - 1) == Some(&1);
            Some(Listed {
                path,
                kind,
                executable,
            })
        };
        entries.into_iter().filter_map(file).collect()
    }
}

/// The numbers of an entry. Of a folder its size and inode's kind say nothing more, and its times
/// say whether names came or went.
fn numbers(facts: &Facts) -> [u8; NUMBERS] {
    let mut out = [0; NUMBERS];
    let kind = match facts.kind {
        FileKind::File => 0,
        FileKind::Link => 1,
        FileKind::Other => 2,
        FileKind::Folder => 3,
    };
    let fields = [
        facts.size.to_le_bytes(),
        facts.mtime_ns.to_le_bytes(),
        facts.ctime_ns.to_le_bytes(),
        facts.inode.to_le_bytes(),
    ];
    let flags = [kind, u8::from(facts.executable)];
    let bytes = fields.as_flattened().iter().chain(&flags);
    out.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
    out
}

/// A folder and the files in it, as noted.
struct Noted<'b> {
    path: &'b str,
    names: Vec<&'b str>,
    numbers: Vec<&'b [u8]>,
}

impl Noted<'_> {
    fn holds(&self, io: &dyn Io, root: &Path) -> bool {
        let Ok(found) = io.facts_in(&root.join(self.path), &self.names) else {
            return false;
        };
        let mut pairs = found.iter().zip(&self.numbers);
        pairs.all(|(facts, noted)| facts.is_some_and(|facts| numbers(&facts) == **noted))
    }
}

fn next<'b>(rest: &mut &'b [u8]) -> Option<Item<'b>> {
    let mut length = take_number(rest)?;
    let folder = length == u32::MAX;
    if folder {
        length = take_number(rest)?;
    }
    let name = std::str::from_utf8(take(rest, length as usize)?).ok()?;
    let numbers = take(rest, NUMBERS)?;
    Some(if folder {
        Item::Folder(name, numbers)
    } else {
        Item::File(name, numbers)
    })
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

    fn folder_facts() -> Facts {
        Facts {
            kind: FileKind::Folder,
            ..facts(0, 2)
        }
    }

    fn listing(entries: &[(&str, &str, Facts)]) -> Listing {
        let mut listing = Listing::default();
        for (folder, name, facts) in entries {
            listing.folder(folder, &folder_facts());
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
