//! Lays a tree out as files in a folder again.

use std::collections::BTreeSet;
use std::path::Path;

use reproof_record::{Tree, TreeEntry};

use crate::fs::{
    FileKind, Io, IoError, WriteFile, create_dir_durable, parent, remove_tree, unique,
};
use crate::link::{MAX_TARGET, PREFIX, leaves_tree, link_target};
use crate::read::Pass;
use crate::{Store, StoreError};

/// The time that files get which a step sees: 1980-01-01, the earliest that a ZIP archive can hold.
pub const SOURCE_DATE_EPOCH: i64 = 315_532_800;

/// How a tree is laid out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LayOut {
    /// Files and folders may not be written to.
    pub read_only: bool,
    /// When everything was last changed, in seconds since 1970; none for the time it is.
    pub mtime: Option<i64>,
    /// Every file and folder is synced before the folder gets its name. Without it the folder may
    /// hold empty files after the machine has crashed, so it must not outlive the process that
    /// needs it.
    pub durable: bool,
    /// From the last path to the first, so that folders list their names the other way round wherever
    /// the file system keeps the order.
    pub reversed: bool,
}

/// Lays a tree out in a folder, which must be new or empty: files with their executable bits, and
/// links. In the order of the tree, so that folders list their names alike wherever the file
/// system keeps the order.
///
/// The folder gets its name only once all of it is there and every byte verified. Nothing is left
/// of it otherwise.
///
/// A tree that no folder can be is refused by [`StoreError::Unlayable`]: a path that is both file
/// and folder, or a link that leaves the tree. Whoever made the tree, nothing outside of the
/// folder is touched.
pub fn lay_out(
    tree: &Tree,
    store: &Store,
    io: &dyn Io,
    folder: &Path,
    options: LayOut,
) -> Result<(), StoreError> {
    check(tree)?;
    check_free(io, folder)?;
    let above = parent(folder);
    create_dir_durable(io, above)?;
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    let temporary = above.join(format!(".{name}.{}", unique()));
    let mut laid = Layer {
        io,
        pass: Pass::new(store),
        root: &temporary,
        options,
    };
    let named = laid.tree(tree).and_then(|()| {
        io.rename(&temporary, folder).map_err(|error| {
            let taken = error.kind() == std::io::ErrorKind::DirectoryNotEmpty;
            if taken {
                occupied(folder)
            } else {
                error.into()
            }
        })
    });
    named.inspect_err(|_| {
        // The first error is the one to report; what is left over harms nobody.
        let _ = remove_tree(io, &temporary);
    })?;
    if options.durable {
        io.sync_dir(above)?;
    }
    Ok(())
}

/// Refuses a tree that cannot be a folder.
fn check(tree: &Tree) -> Result<(), StoreError> {
    for pair in tree.files.windows(2) {
        if let [before, entry] = pair
            && before.path >= entry.path
        {
            return Err(unlayable(
                entry,
                "the files of a tree are sorted, each path once",
            ));
        }
    }
    for entry in &tree.files {
        let path = entry.path.as_str();
        let mut above = path.match_indices('/').map(|(end, _)| &path[..end]);
        let is_file = |path: &str| {
            let found = tree
                .files
                .binary_search_by(|file| file.path.as_str().cmp(path));
            found.is_ok()
        };
        if above.any(is_file) {
            return Err(unlayable(entry, "a folder above it is a file, too"));
        }
    }
    Ok(())
}

fn unlayable(entry: &TreeEntry, what: &'static str) -> StoreError {
    StoreError::Unlayable {
        path: entry.path.clone(),
        what,
    }
}

fn occupied(folder: &Path) -> StoreError {
    StoreError::Occupied {
        path: folder.to_owned(),
    }
}

/// Refuses a folder that holds something.
fn check_free(io: &dyn Io, folder: &Path) -> Result<(), StoreError> {
    match io.metadata(folder) {
        Err(error) if error.is_not_found() => Ok(()),
        Err(error) => Err(error.into()),
        Ok(facts) if facts.kind == FileKind::Folder && io.read_dir(folder)?.is_empty() => Ok(()),
        Ok(_) => Err(occupied(folder)),
    }
}

/// Lays out below a temporary root.
struct Layer<'a> {
    io: &'a dyn Io,
    /// Reads the blobs: packs stay open from one file to the next.
    pass: Pass,
    root: &'a Path,
    options: LayOut,
}

impl Layer<'_> {
    fn tree(&mut self, tree: &Tree) -> Result<(), StoreError> {
        self.io.create_dir_all(self.root)?;
        let mut folders = BTreeSet::from([""]);
        let mut entries: Vec<&TreeEntry> = tree.files.iter().collect();
        if self.options.reversed {
            entries.reverse();
        }
        for entry in entries {
            let path = entry.path.as_str();
            for (end, _) in path.match_indices('/') {
                if folders.insert(&path[..end]) {
                    self.io.create_dir_all(&self.root.join(&path[..end]))?;
                }
            }
            self.entry(entry)?;
        }
        // The deepest first: what is made in a folder changes its time.
        for folder in folders.iter().rev() {
            let path = match *folder {
                "" => self.root.to_owned(),
                folder => self.root.join(folder),
            };
            let mode = if self.options.read_only { 0o555 } else { 0o755 };
            self.io.set_mode(&path, mode)?;
            self.set_time(&path)?;
            if self.options.durable {
                self.io.sync_dir(&path)?;
            }
        }
        Ok(())
    }

    fn entry(&mut self, entry: &TreeEntry) -> Result<(), StoreError> {
        let path = self.root.join(entry.path.as_str());
        let mut sink = Sink {
            io: self.io,
            path: &path,
            begin: Vec::new(),
            file: None,
        };
        self.pass
            .copy(&entry.digest, &mut |bytes| sink.take(bytes))?;
        let Some(file) = sink.finish()? else {
            self.link(entry, &path, &sink.begin)?;
            return self.set_time(&path);
        };
        self.set_modes(file, &path, entry.executable)
    }

    fn set_modes(
        &self,
        mut file: Box<dyn WriteFile>,
        path: &Path,
        executable: bool,
    ) -> Result<(), StoreError> {
        let mode = match (self.options.read_only, executable) {
            (false, false) => 0o644,
            (false, true) => 0o755,
            (true, false) => 0o444,
            (true, true) => 0o555,
        };
        self.io.set_mode(path, mode)?;
        self.set_time(path)?;
        if self.options.durable {
            file.sync()?;
        }
        Ok(())
    }

    fn link(&self, entry: &TreeEntry, path: &Path, blob: &[u8]) -> Result<(), StoreError> {
        let target = link_target(blob).unwrap_or(Path::new(""));
        let depth = entry.path.as_str().matches('/').count();
        if let Some(what) = leaves_tree(depth, target) {
            return Err(unlayable(entry, what));
        }
        if entry.executable {
            return Err(unlayable(entry, "a link is never executable"));
        }
        if target.as_os_str().is_empty() {
            return Err(unlayable(entry, "a link that points to nothing"));
        }
        Ok(self.io.symlink(target, path)?)
    }

    fn set_time(&self, path: &Path) -> Result<(), StoreError> {
        if let Some(seconds) = self.options.mtime {
            self.io.set_mtime(path, seconds)?;
        }
        Ok(())
    }
}

/// Takes the bytes of one blob: those of a link stay in `begin`, those of a file go to disk.
struct Sink<'a> {
    io: &'a dyn Io,
    path: &'a Path,
    begin: Vec<u8>,
    file: Option<Box<dyn WriteFile>>,
}

impl Sink<'_> {
    fn take(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        if let Some(file) = &mut self.file {
            return write(file.as_mut(), self.path, bytes);
        }
        self.begin.extend_from_slice(bytes);
        let sure = self.begin.len().min(PREFIX.len());
        if self.begin[..sure] != PREFIX[..sure] || self.begin.len() > PREFIX.len() + MAX_TARGET {
            self.open()?;
        }
        Ok(())
    }

    fn open(&mut self) -> Result<(), StoreError> {
        let mut file = self.io.create_new(self.path)?;
        write(file.as_mut(), self.path, &self.begin)?;
        self.begin.clear();
        self.file = Some(file);
        Ok(())
    }

    /// The file; none if it is a link.
    fn finish(&mut self) -> Result<Option<Box<dyn WriteFile>>, StoreError> {
        if self.file.is_none() && !self.begin.starts_with(PREFIX) {
            self.open()?;
        }
        Ok(self.file.take())
    }
}

fn write(file: &mut dyn WriteFile, path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    let written = file.write_all(bytes);
    Ok(written.map_err(|source| IoError::new("write", path, source))?)
}
