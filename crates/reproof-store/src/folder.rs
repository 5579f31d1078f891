//! Trees of files between the store and folders: laid out to be used, and taken in.

use std::collections::BTreeSet;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use reproof_record::{RelativePath, Tree, TreeEntry, link_bytes, link_leaves, link_target};

use crate::blob::BlobInfo;
use crate::fs::{FileKind, Io, IoError};
use crate::{Batch, Store, StoreError, scratch};

/// The largest blob that may stand for a link: its prefix, and the longest target.
const LINK_LIMIT: u64 = 64 + reproof_record::MAX_LINK as u64;
/// How much is copied at a time.
const BUFFER: usize = 256 << 10;

/// How a tree is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// When every file and folder is said to have changed last, in seconds since 1970; now, where
    /// there is none.
    pub modified: Option<u64>,
    /// Whether files and folders cannot be written to.
    pub read_only: bool,
}

/// Why files of a folder cannot be an artifact.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TakeError {
    /// Something that is no file, folder or link inside, or whose name cannot be kept.
    #[error("'{path}' {what}")]
    Refused {
        /// Where it lies in the folder.
        path: String,
        /// What is wrong with it.
        what: &'static str,
    },
    /// The store or the folder.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<IoError> for TakeError {
    fn from(error: IoError) -> Self {
        Self::Store(error.into())
    }
}

/// The files that were taken in.
pub type Taken = Vec<(RelativePath, bool, BlobInfo)>;

impl Store {
    /// Writes the files of a tree into a new folder, in sorted order, each verified. Links are made
    /// as the tree has them; one that leaves the folder is refused. What is written is not durable:
    /// it can be made again.
    ///
    /// # Errors
    /// If a blob is missing or damaged, or the folder is there already; nothing is left then.
    pub fn lay_out(&self, tree: &Tree, folder: &Path, layout: Layout) -> Result<(), StoreError> {
        let io = self.io().as_ref();
        if io.metadata(folder).is_ok() {
            let there = io::Error::from(io::ErrorKind::AlreadyExists);
            return Err(IoError::new("make the folder", folder, there).into());
        }
        self.fill(tree, folder, layout)
            .inspect_err(|_| remove_folder(io, folder))
    }

    fn fill(&self, tree: &Tree, folder: &Path, layout: Layout) -> Result<(), StoreError> {
        let io = self.io().as_ref();
        io.create_dir_all(folder)?;
        let mut folders = BTreeSet::new();
        for entry in &tree.files {
            let path = folder.join(entry.path.as_str());
            let above = path.ancestors().skip(1);
            let new: Vec<PathBuf> = above
                .take_while(|above| above.starts_with(folder) && !folders.contains(*above))
                .map(Path::to_owned)
                .collect();
            if let Some(deepest) = new.first() {
                io.create_dir_all(deepest)?;
            }
            folders.extend(new);
            self.lay_out_file(entry, &path, layout)?;
        }
        folders.insert(folder.to_owned());
        // The deepest first: a folder that cannot be written to takes no more names.
        for folder in folders.iter().rev() {
            if layout.read_only {
                io.set_mode(folder, 0o555)?;
            }
            if let Some(seconds) = layout.modified {
                io.set_modified(folder, seconds)?;
            }
        }
        Ok(())
    }

    fn lay_out_file(
        &self,
        entry: &TreeEntry,
        path: &Path,
        layout: Layout,
    ) -> Result<(), StoreError> {
        let io = self.io().as_ref();
        let mut reader = self.reader(&entry.digest)?;
        let mut first = Vec::new();
        (&mut reader)
            .take(LINK_LIMIT)
            .read_to_end(&mut first)
            .map_err(|source| self.unread(&entry.digest, source))?;
        if let Some(target) = link_target(&first) {
            let depth = entry.path.as_str().matches('/').count();
            return match link_leaves(depth, target) {
                None => Ok(io.symlink(target, path)?),
                Some(what) => Err(StoreError::Inconsistent {
                    what: format!("'{}' is {what}", entry.path),
                }),
            };
        }
        let mut file = io.create_new(path)?;
        let failed = |source| IoError::new("write", path, source);
        file.write_all(&first).map_err(failed)?;
        let mut buffer = vec![0; BUFFER];
        loop {
            let count = reader
                .read(&mut buffer)
                .map_err(|source| self.unread(&entry.digest, source))?;
            if count == 0 {
                break;
            }
            file.write_all(&buffer[..count]).map_err(failed)?;
        }
        drop(file);
        let mode = match (entry.executable, layout.read_only) {
            (true, true) => 0o555,
            (true, false) => 0o755,
            (false, true) => 0o444,
            (false, false) => 0o644,
        };
        io.set_mode(path, mode)?;
        if let Some(seconds) = layout.modified {
            io.set_modified(path, seconds)?;
        }
        Ok(())
    }
}

impl Batch {
    /// Takes all files of a folder: by path, whether the owner may execute each, and bytes. Links
    /// are taken as links; those that leave the folder are refused, and so is what is neither file,
    /// folder nor link. Empty folders are nothing.
    pub fn take_folder(&mut self, folder: &Path) -> Result<Taken, TakeError> {
        let mut taken = Vec::new();
        self.take_below(folder, "", &mut taken)?;
        Ok(taken)
    }

    fn take_below(
        &mut self,
        folder: &Path,
        prefix: &str,
        taken: &mut Taken,
    ) -> Result<(), TakeError> {
        let io = self.store().io().clone();
        for entry in io.read_dir(folder)? {
            let shown = format!("{prefix}{}", entry.name.to_string_lossy());
            let refused = |what| TakeError::Refused {
                path: shown.clone(),
                what,
            };
            let name = entry.name.to_str();
            let name = name.ok_or_else(|| refused("has a name that is not UTF-8"))?;
            let path = folder.join(name);
            let relative: RelativePath = format!("{prefix}{name}")
                .parse()
                .map_err(|_| refused("has a name that cannot be kept"))?;
            match entry.kind {
                FileKind::Folder => self.take_below(&path, &format!("{relative}/"), taken)?,
                FileKind::File => {
                    let executable = io.metadata(&path)?.executable;
                    let blob = self.take_file(&path)?;
                    taken.push((relative, executable, blob));
                }
                FileKind::Link => {
                    let target = io.read_link(&path)?;
                    let depth = relative.as_str().matches('/').count();
                    if link_leaves(depth, &target).is_some() {
                        return Err(refused("is a link that leaves the output"));
                    }
                    let bytes = link_bytes(&target);
                    if link_target(&bytes).is_none() {
                        return Err(refused("is a link whose target is not UTF-8"));
                    }
                    let blob = self.put(&bytes)?;
                    taken.push((relative, false, blob));
                }
                FileKind::Other => {
                    return Err(refused("is neither a file nor a folder nor a link"));
                }
            }
        }
        Ok(())
    }

    /// Takes the bytes of a file.
    pub fn take_file(&mut self, path: &Path) -> Result<BlobInfo, StoreError> {
        let mut file = self.store().io().open_read(path)?;
        let mut writer = self.writer()?;
        let mut buffer = vec![0; BUFFER];
        loop {
            let count = match file.read(&mut buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                read => read.map_err(|source| IoError::new("read", path, source))?,
            };
            if count == 0 {
                return self.add(writer);
            }
            let written = writer.write_all(&buffer[..count]);
            written.map_err(|source| writer.failed(source))?;
        }
    }
}

/// Removes a folder and what is in it, also where its folders cannot be written to. What cannot be
/// removed is left.
pub fn remove_folder(io: &dyn Io, folder: &Path) {
    let _ = io.set_mode(folder, 0o755);
    for entry in io.read_dir(folder).unwrap_or_default() {
        if entry.kind == FileKind::Folder {
            remove_folder(io, &folder.join(entry.name));
        }
    }
    scratch::remove(io, folder);
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use reproof_record::ArtifactKind;
    use serde_json::Map;

    use super::*;
    use crate::fs::RealIo;

    const LAYOUT: Layout = Layout {
        modified: Some(315_532_800),
        read_only: true,
    };

    fn write(path: &Path, text: &str) {
        RealIo.create_dir_all(path.parent().unwrap()).unwrap();
        let mut file = RealIo.create_new(path).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }

    fn take(store: &Store, folder: &Path) -> Result<Tree, TakeError> {
        let mut batch = store.batch();
        let files = batch.take_folder(folder)?;
        let stored = batch.put_tree(ArtifactKind::Files, "", files, Map::new())?;
        batch.commit()?;
        Ok(store.tree(&stored.artifact.digest)?)
    }

    fn store(folder: &Path) -> Store {
        Store::open(&folder.join("store"), Arc::new(RealIo)).unwrap()
    }

    #[test]
    fn a_folder_is_taken_in_and_laid_out_again() {
        let folder = tempfile::tempdir().unwrap();
        let store = store(folder.path());
        let from = folder.path().join("from");
        write(&from.join("a/b/c.txt"), "text");
        write(&from.join("run.sh"), "#!/bin/sh\n");
        write(&from.join("big"), &"0123456789".repeat(100_000));
        RealIo.set_mode(&from.join("run.sh"), 0o700).unwrap();
        RealIo
            .symlink(Path::new("../b/c.txt"), &from.join("a/z"))
            .unwrap();
        let tree = take(&store, &from).unwrap();
        let paths: Vec<_> = tree.files.iter().map(|file| file.path.as_str()).collect();
        assert_eq!(paths, ["a/b/c.txt", "a/z", "big", "run.sh"]);
        let to = folder.path().join("to");
        store.lay_out(&tree, &to, LAYOUT).unwrap();
        assert_eq!(take(&store, &to).unwrap(), tree);
        let facts = RealIo.metadata(&to.join("a/b/c.txt")).unwrap();
        assert_eq!(facts.mtime_ns, 315_532_800_000_000_000);
        let facts = RealIo.metadata(&to.join("a")).unwrap();
        assert_eq!(facts.mtime_ns, 315_532_800_000_000_000);
        assert!(store.lay_out(&tree, &to, LAYOUT).is_err());
        remove_folder(&RealIo, &to);
        assert!(RealIo.metadata(&to).unwrap_err().is_not_found());
    }

    #[test]
    fn what_is_no_file_or_leads_out_is_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let store = store(folder.path());
        for (name, target) in [
            ("one", "/etc/passwd"),
            ("two", "../../x"),
            ("three", "a/../../x"),
        ] {
            let from = folder.path().join(name);
            write(&from.join("sub/file"), "");
            RealIo
                .symlink(Path::new(target), &from.join("sub/link"))
                .unwrap();
            let refused = take(&store, &from).unwrap_err().to_string();
            assert_eq!(refused, "'sub/link' is a link that leaves the output");
        }
        let from = folder.path().join("socket");
        RealIo.create_dir_all(&from).unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(from.join("s")).unwrap();
        let refused = take(&store, &from).unwrap_err().to_string();
        assert_eq!(refused, "'s' is neither a file nor a folder nor a link");
    }

    #[test]
    fn nothing_is_left_of_a_tree_that_cannot_be_laid_out() {
        let folder = tempfile::tempdir().unwrap();
        let store = store(folder.path());
        let from = folder.path().join("from");
        write(&from.join("a/one"), "1");
        write(&from.join("b/two"), "2");
        let tree = take(&store, &from).unwrap();
        let second = &tree.files[1].digest;
        RealIo.remove_file(&store.object_path(second)).unwrap();
        let to = folder.path().join("to");
        assert!(matches!(
            store.lay_out(&tree, &to, LAYOUT),
            Err(StoreError::Missing { .. })
        ));
        assert!(RealIo.metadata(&to).unwrap_err().is_not_found());
    }
}
