//! What a closure will hold, before any of it is written.
//!
//! A plan says of every path inside the closure where its bytes come from. Libraries are resolved
//! and links are judged on the plan, so nothing depends on the order in which files are written.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::path::{Component, Path, PathBuf};
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicUsize, Ordering};

use reproof_record::{Digest, LINK_PREFIX, RelativePath, TreeEntry};
use reproof_store::fs::{FileKind, Io, IoError};

use super::describe::LeftOut;
use super::error::EnvironmentError;
use reproof_store::{leaves_tree, link_digest};

/// How many bytes are copied at a time.
const BLOCK: usize = 1 << 18;
/// How deep folders are followed: no package comes near it.
const MAX_DEPTH: usize = 64;

/// Why the interpreter's own packages are left out. They are the machine's: how many there are is
/// no matter of the closure, and is not counted.
pub(crate) const MACHINES_OWN: &str = "the interpreter's own packages";

/// Where one path of a closure comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Item {
    /// A file of the machine.
    Copy { from: PathBuf, executable: bool },
    /// These bytes.
    Bytes { bytes: Vec<u8>, executable: bool },
    /// A symbolic link.
    Link { target: String },
}

/// What a rule says of a path that might be left out.
pub(crate) type Rule<'r> = &'r dyn Fn(&Found<'_>) -> Option<&'static str>;

/// Something that a rule decides on.
#[derive(Debug)]
pub(crate) struct Found<'p> {
    /// Its path inside the folder that is added.
    pub path: &'p str,
    /// Its name.
    pub name: &'p str,
    /// Whether it is a folder.
    pub folder: bool,
}

/// What a closure will hold.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    /// By path inside the closure.
    pub items: BTreeMap<String, Item>,
    /// What is left out, by reason.
    pub left_out: BTreeMap<String, LeftOut>,
    /// What a person should know.
    pub notes: BTreeSet<String>,
}

/// A file of a closure that was written.
#[derive(Clone, Debug)]
pub(crate) struct Laid {
    pub entry: TreeEntry,
    pub size: u64,
}

impl Plan {
    /// Takes these bytes as a file.
    pub fn bytes(&mut self, to: &str, bytes: impl Into<Vec<u8>>) {
        self.items.insert(
            to.to_owned(),
            Item::Bytes {
                bytes: bytes.into(),
                executable: false,
            },
        );
    }

    /// Takes a link.
    pub fn link(&mut self, to: &str, target: &str) {
        let target = target.to_owned();
        self.items.insert(to.to_owned(), Item::Link { target });
    }

    /// Takes one file; a link is followed.
    pub fn file(&mut self, io: &dyn Io, from: &Path, to: &str) -> Result<(), EnvironmentError> {
        let from = io.canonicalize(from)?;
        let executable = io.metadata(&from)?.executable;
        self.items
            .insert(to.to_owned(), Item::Copy { from, executable });
        Ok(())
    }

    /// Takes everything in a folder but what the rule names a reason for.
    pub fn folder(
        &mut self,
        io: &dyn Io,
        from: &Path,
        to: &str,
        rule: Rule<'_>,
    ) -> Result<(), EnvironmentError> {
        let from = io.canonicalize(from)?;
        let walk = Walk {
            io,
            top: &from,
            to,
            rule,
        };
        walk.folder(self, "", 0)
    }

    /// Whether there is a file or link of this path, or anything below it.
    pub fn holds(&self, path: &str) -> bool {
        self.items.contains_key(path) || {
            let below = format!("{path}/");
            let next = self.items.range(below.clone()..).next();
            next.is_some_and(|(key, _)| key.starts_with(&below))
        }
    }

    /// Drops links to what is not part of the closure, with a note, until none is left.
    pub fn drop_dangling(&mut self) {
        loop {
            let dangling: Vec<String> = self
                .items
                .iter()
                .filter_map(|(path, item)| match item {
                    Item::Link { target } if !self.leads_inside(path, target) => Some(path.clone()),
                    _ => None,
                })
                .collect();
            if dangling.is_empty() {
                return;
            }
            for path in dangling {
                self.items.remove(&path);
                self.notes.insert(format!(
                    "{path} is a link to what is not part of the closure"
                ));
            }
        }
    }

    fn leads_inside(&self, path: &str, target: &str) -> bool {
        let folder = Path::new(path).parent().unwrap_or(Path::new(""));
        let inside = inside(&folder.join(target));
        inside.is_some_and(|inside| self.holds(&inside))
    }

    /// Records what is left out.
    pub fn leave_out(&mut self, reason: &str, path: String, files: u64, bytes: u64) {
        let left = self.left_out.entry(reason.to_owned()).or_default();
        left.paths.push(path);
        left.files += files;
        left.bytes += bytes;
    }

    /// Writes everything under a folder that is not there yet, several files at a time. Files are
    /// read-only; folders become so when the closure is complete.
    pub fn write(&self, io: &dyn Io, root: &Path) -> Result<Vec<Laid>, EnvironmentError> {
        io.create_dir_all(root)?;
        let folders: BTreeSet<&Path> = self
            .items
            .keys()
            .filter_map(|path| Path::new(path).parent())
            .collect();
        for folder in folders {
            io.create_dir_all(&root.join(folder))?;
        }
        let items: Vec<_> = self.items.iter().collect();
        in_parallel(&items, |(path, item)| lay(io, root, path, item))
    }
}

/// Applies a function to all items on several threads. The results come in the items' order; of
/// several errors the first in that order is given.
pub(crate) fn in_parallel<T: Sync, R: Send>(
    items: &[T],
    apply: impl Fn(&T) -> Result<R, EnvironmentError> + Sync,
) -> Result<Vec<R>, EnvironmentError> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let next = AtomicUsize::new(0);
    let done = Mutex::new(BTreeMap::new());
    std::thread::scope(|scope| {
        for _ in 0..threads.min(items.len()).min(16) {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(item) = items.get(index) else { break };
                    let result = apply(item);
                    if result.is_err() {
                        // Nobody needs the rest.
                        next.store(items.len(), Ordering::Relaxed);
                    }
                    let mut done = done.lock().unwrap_or_else(PoisonError::into_inner);
                    done.insert(index, result);
                }
            });
        }
    });
    let done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.into_values().collect()
}

fn lay(io: &dyn Io, root: &Path, path: &str, item: &Item) -> Result<Laid, EnvironmentError> {
    let to = root.join(path);
    let (executable, digest, size) = match item {
        Item::Link { target } => {
            io.symlink(Path::new(target), &to)?;
            (false, link_digest(Path::new(target)), target.len() as u64)
        }
        Item::Bytes { bytes, executable } => {
            let size = bytes.len() as u64;
            (
                *executable,
                write(io, &mut bytes.as_slice(), &to, &to, *executable)?,
                size,
            )
        }
        Item::Copy { from, executable } => {
            let mut file = io.open_read(from)?;
            let size = file.facts()?.size;
            (
                *executable,
                write(io, &mut file, from, &to, *executable)?,
                size,
            )
        }
    };
    Ok(Laid {
        entry: TreeEntry {
            path: RelativePath::new(path)?,
            executable,
            digest,
        },
        size,
    })
}

fn write(
    io: &dyn Io,
    from: &mut dyn Read,
    source: &Path,
    to: &Path,
    executable: bool,
) -> Result<Digest, EnvironmentError> {
    let mut file = io.create_new(to)?;
    io.set_mode(to, if executable { 0o555 } else { 0o444 })?;
    let mut hasher = blake3::Hasher::new();
    let mut buffer = vec![0; BLOCK];
    loop {
        let count = match from.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(IoError::new("read", source, error).into()),
        };
        let block = buffer.get(..count).unwrap_or_default();
        if hasher.count() == 0 && block.starts_with(LINK_PREFIX) {
            // In the store nothing would tell it from a link.
            return Err(EnvironmentError::LikeALink(to.display().to_string()));
        }
        hasher.update(block);
        file.write_all(block)
            .map_err(|error| IoError::new("write", to, error))?;
    }
    Ok(hasher.finalize().into())
}

/// The path without `.` and `..`, if it stays inside.
pub(crate) fn inside(path: &Path) -> Option<String> {
    let mut parts: Vec<&str> = Vec::new();
    for component in path.components() {
        match component {
            Component::Normal(part) => parts.push(part.to_str()?),
            Component::CurDir => {}
            Component::ParentDir => {
                parts.pop()?;
            }
            Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    Some(parts.join("/"))
}

/// A folder of the machine that is being added.
struct Walk<'w> {
    io: &'w dyn Io,
    top: &'w Path,
    to: &'w str,
    rule: Rule<'w>,
}

impl Walk<'_> {
    fn folder(&self, plan: &mut Plan, below: &str, depth: usize) -> Result<(), EnvironmentError> {
        let folder = self.top.join(below);
        if depth > MAX_DEPTH {
            let path = folder;
            let why = "its folders are nested too deep";
            return Err(EnvironmentError::Extra { path, why });
        }
        for entry in self.io.read_dir(&folder)? {
            let from = folder.join(&entry.name);
            let Some(name) = entry.name.to_str() else {
                return Err(EnvironmentError::NotUtf8(from));
            };
            let path = if below.is_empty() {
                name.to_owned()
            } else {
                format!("{below}/{name}")
            };
            let found = Found {
                path: &path,
                name,
                folder: entry.kind == FileKind::Folder,
            };
            if let Some(reason) = (self.rule)(&found) {
                let (files, bytes) = if reason == MACHINES_OWN {
                    (0, 0)
                } else {
                    size(self.io, &from, entry.kind)?
                };
                let slash = if found.folder { "/" } else { "" };
                plan.leave_out(reason, format!("{}/{path}{slash}", self.to), files, bytes);
                continue;
            }
            match entry.kind {
                FileKind::Folder => self.folder(plan, &path, depth + 1)?,
                FileKind::File => {
                    let executable = self.io.metadata(&from)?.executable;
                    let to = format!("{}/{path}", self.to);
                    plan.items.insert(to, Item::Copy { from, executable });
                }
                FileKind::Link => self.link(plan, &from, &path)?,
                FileKind::Other => {
                    let note = format!("{}/{path} is neither file, folder nor link", self.to);
                    plan.notes.insert(note);
                }
            }
        }
        Ok(())
    }

    /// A link that stays in the folder remains a link; another one is replaced by the file it
    /// leads to.
    fn link(&self, plan: &mut Plan, from: &Path, path: &str) -> Result<(), EnvironmentError> {
        let to = format!("{}/{path}", self.to);
        let target = self.io.read_link(from)?;
        let stays = leaves_tree(path.matches('/').count(), &target).is_none();
        if let (true, Some(target)) = (stays, target.to_str()) {
            plan.link(&to, target);
            return Ok(());
        }
        match self
            .io
            .canonicalize(from)
            .map(|real| (self.io.metadata(&real), real))
        {
            Ok((Ok(facts), real)) if facts.kind == FileKind::File => {
                let executable = facts.executable;
                plan.items.insert(
                    to,
                    Item::Copy {
                        from: real,
                        executable,
                    },
                );
            }
            _ => {
                let note = format!("{to} is a link to what is not part of the closure");
                plan.notes.insert(note);
            }
        }
        Ok(())
    }
}

/// How many files and bytes are there.
fn size(io: &dyn Io, path: &Path, kind: FileKind) -> Result<(u64, u64), EnvironmentError> {
    if kind != FileKind::Folder {
        return Ok((1, io.metadata(path)?.size));
    }
    let (mut files, mut bytes) = (0, 0);
    for (name, facts) in io.read_dir_facts(path)? {
        let (more, size) = match facts.kind {
            FileKind::Folder => size(io, &path.join(name), facts.kind)?,
            _ => (1, facts.size),
        };
        files += more;
        bytes += size;
    }
    Ok((files, bytes))
}

#[cfg(test)]
#[allow(clippy::disallowed_methods)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use reproof_store::fs::RealIo;

    use super::*;

    #[test]
    fn links_that_leave_become_files_and_dangling_ones_are_noted() {
        let folder = tempfile::tempdir().unwrap();
        let top = folder.path().join("top");
        fs::create_dir_all(top.join("a/__pycache__")).unwrap();
        fs::write(top.join("a/x"), "x").unwrap();
        fs::write(top.join("a/__pycache__/x.pyc"), "bytecode").unwrap();
        fs::write(folder.path().join("outside"), "o").unwrap();
        symlink("../a/x", top.join("a/inside")).unwrap();
        symlink("x", top.join("a/near")).unwrap();
        symlink(folder.path().join("outside"), top.join("a/leaves")).unwrap();
        symlink("nothing", top.join("a/dangling")).unwrap();
        symlink("dangling", top.join("a/dangling-too")).unwrap();
        symlink("/nothing/there", top.join("a/gone")).unwrap();
        let mut plan = Plan::default();
        let rule = |found: &Found<'_>| (found.name == "__pycache__").then_some("bytecode");
        plan.folder(&RealIo, &top, "lib", &rule).unwrap();
        plan.drop_dangling();
        let paths: Vec<&str> = plan.items.keys().map(String::as_str).collect();
        assert_eq!(
            paths,
            ["lib/a/inside", "lib/a/leaves", "lib/a/near", "lib/a/x"]
        );
        assert_eq!(plan.notes.len(), 3);
        let left = &plan.left_out["bytecode"];
        assert_eq!((left.files, left.bytes), (1, 8));
        assert_eq!(left.paths, ["lib/a/__pycache__/"]);

        let root = folder.path().join("root");
        let laid = plan.write(&RealIo, &root).unwrap();
        assert_eq!(fs::read(root.join("lib/a/leaves")).unwrap(), b"o");
        assert_eq!(fs::read(root.join("lib/a/near")).unwrap(), b"x");
        assert!(
            fs::metadata(root.join("lib/a/x"))
                .unwrap()
                .permissions()
                .readonly()
        );
        assert_eq!(laid[3].entry.digest, Digest::of(b"x"));
        assert_eq!(laid[2].entry.digest, link_digest(Path::new("x")));
    }
}
