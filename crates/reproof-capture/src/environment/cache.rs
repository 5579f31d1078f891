//! The user's cache of closures.
//!
//! ```text
//! closures/DIGEST/root/            the closure, read-only
//! closures/DIGEST/tree.json        its tree; the digest of these bytes is DIGEST
//! closures/DIGEST/bytecode.json    the tree of its bytecode
//! closures/DIGEST/description.json what is in it, for people
//! closures/DIGEST/facts.json       when it was last hashed, and the digest of the list beside
//! closures/DIGEST/facts.list       what the file system said of every file then
//! closures/building-PROCESS-…/     one that is being built
//! ```
//!
//! A closure is built in a folder of its own and renamed when it is complete: of several builders
//! of the same one the first wins. Nothing here is trusted unread: see [`Closure::check`].

use std::path::{Path, PathBuf};
use std::sync::Arc;

use reproof_record::{Digest, Tree, from_canonical};
use reproof_store::fs::{FileKind, Io, remove_tree, unique, write_atomic};
use serde::{Deserialize, Serialize};

use super::describe::{ClosureDescription, PREFIX};
use super::error::EnvironmentError;
use super::facts::Listing;
use super::hash;
use crate::read::now_ns;

/// What the names of folders begin with that are being built in.
const BUILDING: &str = "building-";
/// How long such a folder must have been at rest before it is swept: a day.
const SWEEP_NS: i64 = 86_400_000_000_000;
/// The largest document that is read.
pub(crate) const DOCUMENT_LIMIT: u64 = 1 << 30;

/// When a closure was last hashed, and what the file system said of its files then.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Noted {
    pub format: String,
    /// When the hashing began, in nanoseconds since 1970, as a decimal string; none if what was
    /// written was never read again.
    pub hashed_at_ns: Option<String>,
    /// When the last file changed.
    pub latest_ns: String,
    /// The digest of the list.
    pub listing: Digest,
}

impl Noted {
    pub const FORMAT: &str = "reproof.closure-facts/1";
}

/// The folder of closures, such as `$XDG_CACHE_HOME/reproof/closures`.
#[derive(Clone, Debug)]
pub struct ClosureCache {
    root: PathBuf,
    io: Arc<dyn Io>,
}

impl ClosureCache {
    /// The cache in this folder, which need not be there yet.
    pub fn new(root: impl Into<PathBuf>, io: Arc<dyn Io>) -> Self {
        let root = root.into();
        Self { root, io }
    }

    /// The file system that it lies in.
    pub fn io(&self) -> &Arc<dyn Io> {
        &self.io
    }

    /// The closure of this digest, if it is there.
    pub fn find(&self, digest: &Digest) -> Result<Option<Closure>, EnvironmentError> {
        let folder = self.root.join(digest.to_hex());
        match self.io.metadata(&folder) {
            Ok(_) => Ok(Some(Closure {
                digest: *digest,
                folder,
                io: Arc::clone(&self.io),
            })),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// The digests of all closures, sorted.
    pub fn list(&self) -> Result<Vec<Digest>, EnvironmentError> {
        let entries = match self.io.read_dir(&self.root) {
            Ok(entries) => entries,
            Err(error) if error.is_not_found() => return Ok(Vec::new()),
            Err(error) => return Err(error.into()),
        };
        let names = entries.iter().filter_map(|entry| entry.name.to_str());
        Ok(names.filter_map(|name| name.parse().ok()).collect())
    }

    /// Removes a closure, such as one that is damaged. It is renamed first, so that nobody finds
    /// half of it.
    pub fn remove(&self, digest: &Digest) -> Result<(), EnvironmentError> {
        let gone = self.root.join(format!("{BUILDING}{}", unique()));
        match self.io.rename(&self.root.join(digest.to_hex()), &gone) {
            Ok(()) => Ok(remove_tree(self.io.as_ref(), &gone)?),
            Err(error) if error.is_not_found() => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// A new folder to build in. What earlier builders left, killed a day ago or more, is swept.
    pub(crate) fn begin(&self) -> Result<Building, EnvironmentError> {
        self.io.create_dir_all(&self.root)?;
        self.sweep();
        let folder = self.root.join(format!("{BUILDING}{}", unique()));
        self.io.create_dir_all(&folder)?;
        Ok(Building {
            folder,
            io: Arc::clone(&self.io),
        })
    }

    fn sweep(&self) {
        let entries = self.io.read_dir_facts(&self.root).unwrap_or_default();
        for (name, facts) in entries {
            let left = name.to_str().is_some_and(|name| name.starts_with(BUILDING));
            let rest = now_ns().saturating_sub(facts.mtime_ns.max(facts.ctime_ns));
            if left && facts.kind == FileKind::Folder && rest > SWEEP_NS {
                // What cannot be removed now is tried again by the next builder.
                let _ = remove_tree(self.io.as_ref(), &self.root.join(name));
            }
        }
    }
}

/// A folder that is built in; removed when it is dropped.
#[derive(Debug)]
pub(crate) struct Building {
    pub folder: PathBuf,
    io: Arc<dyn Io>,
}

impl Drop for Building {
    fn drop(&mut self) {
        // What is left is swept by a later builder.
        let _ = remove_tree(self.io.as_ref(), &self.folder);
    }
}

/// A closure that is laid out, and may still be given its bytecode.
#[derive(Debug)]
pub struct OpenClosure {
    building: Building,
    cache: ClosureCache,
    digest: Digest,
    tree: Tree,
    description: ClosureDescription,
}

impl OpenClosure {
    pub(crate) fn new(
        cache: &ClosureCache,
        building: Building,
        tree: Tree,
        description: ClosureDescription,
    ) -> Result<Self, EnvironmentError> {
        Ok(Self {
            building,
            cache: cache.clone(),
            digest: tree.digest()?,
            tree,
            description,
        })
    }

    /// The closure's digest.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// Its root folder, in which everything may be written until it is sealed.
    pub fn root(&self) -> PathBuf {
        self.building.folder.join("root")
    }

    /// Its tree.
    pub fn tree(&self) -> &Tree {
        &self.tree
    }

    /// What is in it.
    pub fn description(&self) -> &ClosureDescription {
        &self.description
    }

    /// The command that compiles its bytecode, to be run inside with `PYTHONDONTWRITEBYTECODE=1`
    /// and [`OpenClosure::bytecode_folder`] writable; none if it holds no Python.
    ///
    /// One job, since with two some files differ from run to run. It ends with the code 1 where a
    /// package holds a file that is no valid Python of this version: that is no failure.
    pub fn bytecode_command(&self) -> Option<Vec<String>> {
        let version = self.description.python.as_deref()?;
        let mut parts = version.split('.');
        let (major, minor) = (parts.next()?, parts.next()?);
        let program = format!("/{PREFIX}/bin/python{major}.{minor}");
        let folder = format!("/{PREFIX}/lib");
        let arguments = [
            "-m",
            "compileall",
            "-f",
            "-j1",
            "-q",
            "--invalidation-mode",
            "checked-hash",
            &folder,
        ];
        let arguments = arguments.iter().map(|argument| (*argument).to_owned());
        Some(std::iter::once(program).chain(arguments).collect())
    }

    /// The folder inside that the command writes to.
    pub fn bytecode_folder(&self) -> String {
        format!("/{PREFIX}")
    }

    /// Makes the closure read-only and moves it to its place. If another process was quicker,
    /// that one's is given, and this one is removed.
    ///
    /// Whatever is there beside the tree and its bytecode is an error.
    pub fn seal(self) -> Result<Closure, EnvironmentError> {
        let io = self.cache.io.as_ref();
        let folder = &self.building.folder;
        let root = self.root();
        make_read_only(io, &root)?;
        let listing = Listing::look(io, &root)?;
        let bytecode = self.bytecode(&listing)?;
        let noted = Noted {
            format: Noted::FORMAT.to_owned(),
            hashed_at_ns: None,
            latest_ns: listing.latest_ns.to_string(),
            listing: listing.digest(),
        };
        write_atomic(io, &folder.join("tree.json"), &self.tree.to_bytes()?)?;
        write_atomic(io, &folder.join("bytecode.json"), &bytecode.to_bytes()?)?;
        let description = self.description.to_bytes()?;
        write_atomic(io, &folder.join("description.json"), &description)?;
        note(io, folder, &listing, &noted)?;
        let to = self.cache.root.join(self.digest.to_hex());
        if let Err(error) = io.rename(folder, &to) {
            // Somebody else's is there already; ours goes when `self` does.
            let there = self.cache.find(&self.digest)?;
            return there.ok_or_else(|| error.into());
        }
        io.sync_dir(&self.cache.root)?;
        let found = self.cache.find(&self.digest)?;
        found.ok_or(EnvironmentError::NotCached(self.digest))
    }

    fn bytecode(&self, listing: &Listing) -> Result<Tree, EnvironmentError> {
        let (bytecode, other): (Vec<_>, Vec<_>) = listing
            .files()
            .into_iter()
            .partition(|file| is_bytecode(&file.path));
        let expected = self.tree.files.iter().map(|entry| entry.path.as_str());
        if !other
            .iter()
            .map(|file| file.path.as_str())
            .eq(expected.clone())
        {
            let expected: std::collections::BTreeSet<&str> = expected.collect();
            let extra = other
                .iter()
                .find(|file| !expected.contains(file.path.as_str()));
            let what = match extra {
                Some(file) => format!("'{}' is in it and not in its tree", file.path),
                None => "a file of its tree is gone".to_owned(),
            };
            let digest = self.digest;
            return Err(EnvironmentError::DamagedCache { digest, what });
        }
        hash::tree(self.cache.io.as_ref(), &self.root(), &bytecode)
    }
}

/// Whether a path is bytecode that Python derives from a module beside it.
pub(crate) fn is_bytecode(path: &str) -> bool {
    path.strip_suffix(".pyc").is_some() && path.rsplit('/').nth(1) == Some("__pycache__")
}

/// Takes the right to write from every file and folder.
fn make_read_only(io: &dyn Io, folder: &Path) -> Result<(), EnvironmentError> {
    for (name, facts) in io.read_dir_facts(folder)? {
        let path = folder.join(&name);
        match facts.kind {
            FileKind::Folder => make_read_only(io, &path)?,
            FileKind::File => io.set_mode(&path, if facts.executable { 0o555 } else { 0o444 })?,
            _ => {}
        }
    }
    Ok(io.set_mode(folder, 0o555)?)
}

/// Writes down what the file system says; the list first, so that what names it is never ahead.
pub(crate) fn note(
    io: &dyn Io,
    folder: &Path,
    listing: &Listing,
    noted: &Noted,
) -> Result<(), EnvironmentError> {
    write_atomic(io, &folder.join("facts.list"), listing.bytes())?;
    let bytes = reproof_record::to_canonical(noted)?;
    Ok(write_atomic(io, &folder.join("facts.json"), &bytes)?)
}

/// A closure in the cache. That it is there says nothing of its bytes: see [`Closure::check`].
#[derive(Clone, Debug)]
pub struct Closure {
    pub(crate) digest: Digest,
    pub(crate) folder: PathBuf,
    pub(crate) io: Arc<dyn Io>,
}

impl Closure {
    /// Its digest.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// Its root folder.
    pub fn root(&self) -> PathBuf {
        self.folder.join("root")
    }

    /// Its tree, checked against the digest.
    pub fn tree(&self) -> Result<Tree, EnvironmentError> {
        let bytes = self
            .io
            .read(&self.folder.join("tree.json"), DOCUMENT_LIMIT)?;
        if Digest::of(&bytes) != self.digest {
            return Err(self.damaged("tree.json is not its tree"));
        }
        serde_json::from_slice(&bytes).map_err(|_| self.damaged("tree.json is not a tree"))
    }

    /// The tree of its bytecode.
    pub fn bytecode(&self) -> Result<Tree, EnvironmentError> {
        let bytes = self
            .io
            .read(&self.folder.join("bytecode.json"), DOCUMENT_LIMIT)?;
        from_canonical(&bytes).map_err(|_| self.damaged("bytecode.json is not a tree"))
    }

    /// What is in it.
    pub fn description(&self) -> Result<ClosureDescription, EnvironmentError> {
        let path = self.folder.join("description.json");
        let bytes = self.io.read(&path, DOCUMENT_LIMIT)?;
        match ClosureDescription::from_bytes(&bytes) {
            Err(EnvironmentError::Canonical(_)) => {
                Err(self.damaged("description.json is not a description"))
            }
            read => read,
        }
    }

    pub(crate) fn damaged(&self, what: impl Into<String>) -> EnvironmentError {
        EnvironmentError::DamagedCache {
            digest: self.digest,
            what: what.into(),
        }
    }
}
