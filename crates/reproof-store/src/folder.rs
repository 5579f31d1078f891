//! Folders of files taken into the store.

use std::io::Read;
use std::path::Path;

use reproof_record::RelativePath;

use crate::fs::{FileKind, IoError, ReadFile};
use crate::link::{leaves_tree, link_blob};
use crate::writer::{BlobInfo, BlobWriter, MAX_CHUNK};
use crate::{Batch, StoreError};

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
                    let (executable, blob) = self.take_opened(&path)?;
                    taken.push((relative, executable, blob));
                }
                FileKind::Link => {
                    let target = io.read_link(&path)?;
                    let depth = relative.as_str().matches('/').count();
                    if leaves_tree(depth, &target).is_some() {
                        return Err(refused("is a link that leaves the output"));
                    }
                    let bytes = link_blob(&target);
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
        Ok(self.take_opened(path)?.1)
    }

    /// The same, and whether the owner may execute it.
    fn take_opened(&mut self, path: &Path) -> Result<(bool, BlobInfo), StoreError> {
        let file = self.store().io().open_read(path)?;
        let facts = file.facts()?;
        Ok((facts.executable, self.take_bytes(file, path, facts.size)?))
    }

    fn take_bytes(
        &mut self,
        mut file: Box<dyn ReadFile>,
        path: &Path,
        size: u64,
    ) -> Result<BlobInfo, StoreError> {
        let failed = |source| IoError::new("read", path, source);
        if size <= MAX_CHUNK as u64 {
            let mut bytes = Vec::with_capacity(size as usize + 1);
            let limit = MAX_CHUNK as u64 + 1;
            (&mut file)
                .take(limit)
                .read_to_end(&mut bytes)
                .map_err(failed)?;
            if bytes.len() <= MAX_CHUNK {
                return self.put_small(bytes);
            }
            // It grew meanwhile: what was read is where it begins.
            let mut writer = self.writer()?;
            writer.push(&bytes)?;
            return self.take_rest(file, path, writer);
        }
        let writer = self.writer()?;
        self.take_rest(file, path, writer)
    }

    fn take_rest(
        &mut self,
        mut file: Box<dyn ReadFile>,
        path: &Path,
        mut writer: BlobWriter,
    ) -> Result<BlobInfo, StoreError> {
        while writer.push_from(file.as_mut(), path)? > 0 {}
        self.add(writer)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::Arc;

    use reproof_record::{ArtifactKind, Tree};
    use serde_json::Map;

    use super::*;
    use crate::fs::{Io, RealIo};
    use crate::{LayOut, SOURCE_DATE_EPOCH, Store, lay_out};

    const LAYOUT: LayOut = LayOut {
        mtime: Some(SOURCE_DATE_EPOCH),
        read_only: true,
        durable: false,
        reversed: false,
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
        lay_out(&tree, &store, &RealIo, &to, LAYOUT).unwrap();
        assert_eq!(take(&store, &to).unwrap(), tree);
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
}
