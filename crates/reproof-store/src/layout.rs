//! Trees as folders again.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::path::{Component, Path};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use reproof_record::{LINK_PREFIX, Tree, TreeEntry};

use crate::fs::{Io, IoError};
use crate::{Store, StoreError};

/// How many files are written at once.
const THREADS: usize = 8;
/// How long the target of a link may be.
const MAX_TARGET: usize = 4096;

impl Store {
    /// Lays a tree out in a folder that is not there yet, verified, with read-only files and
    /// symbolic links. Gives how many bytes the files have.
    ///
    /// A link that leads out of the folder is refused. Nothing is made durable: whoever needs that
    /// lays out again after a crash.
    pub fn lay_out(&self, tree: &Tree, io: &dyn Io, folder: &Path) -> Result<u64, StoreError> {
        io.create_dir_all(folder)?;
        let paths = tree
            .files
            .iter()
            .map(|entry| Path::new(entry.path.as_str()));
        for parent in paths.filter_map(Path::parent).collect::<BTreeSet<_>>() {
            io.create_dir_all(&folder.join(parent))?;
        }
        let bytes = AtomicU64::new(0);
        let links = Mutex::new(Vec::new());
        self.each(&tree.files, |entry| match self.file(entry, io, folder)? {
            Laid::File(size) => {
                bytes.fetch_add(size, Ordering::Relaxed);
                Ok(())
            }
            Laid::Link(target) => {
                let mut links = links.lock().unwrap_or_else(PoisonError::into_inner);
                links.push((entry, target));
                Ok(())
            }
        })?;
        // Last, so that no file is ever written through a link.
        for (entry, target) in links.into_inner().unwrap_or_else(PoisonError::into_inner) {
            bytes.fetch_add(target.len() as u64, Ordering::Relaxed);
            io.symlink(Path::new(&target), &folder.join(entry.path.as_str()))?;
        }
        Ok(bytes.into_inner())
    }

    fn each<'e>(
        &self,
        entries: &'e [TreeEntry],
        apply: impl Fn(&'e TreeEntry) -> Result<(), StoreError> + Sync,
    ) -> Result<(), StoreError> {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let next = AtomicUsize::new(0);
        let failed = Mutex::new(None);
        std::thread::scope(|scope| {
            for _ in 0..threads.min(THREADS) {
                scope.spawn(|| {
                    while let Some(entry) = entries.get(next.fetch_add(1, Ordering::Relaxed)) {
                        if let Err(error) = apply(entry) {
                            next.store(entries.len(), Ordering::Relaxed);
                            let mut failed = failed.lock().unwrap_or_else(PoisonError::into_inner);
                            failed.get_or_insert(error);
                        }
                    }
                });
            }
        });
        let failed = failed.into_inner().unwrap_or_else(PoisonError::into_inner);
        failed.map_or(Ok(()), Err)
    }

    /// Writes one file, or says that it is a link.
    fn file(&self, entry: &TreeEntry, io: &dyn Io, folder: &Path) -> Result<Laid, StoreError> {
        let to = folder.join(entry.path.as_str());
        let mut reader = self.reader(&entry.digest)?;
        let read = |error| match StoreError::from_io(error) {
            Ok(error) => error,
            Err(error) => IoError::new("read the blob of", &to, error).into(),
        };
        let mut head = Vec::with_capacity(LINK_PREFIX.len());
        let prefix = LINK_PREFIX.len() as u64;
        (&mut reader)
            .take(prefix)
            .read_to_end(&mut head)
            .map_err(read)?;
        if head == LINK_PREFIX && !entry.executable {
            let mut target = Vec::new();
            let limit = MAX_TARGET as u64 + 1;
            reader.take(limit).read_to_end(&mut target).map_err(read)?;
            return link_target(entry, target).map(Laid::Link);
        }
        let mut file = io.create_new(&to)?;
        io.set_mode(&to, if entry.executable { 0o555 } else { 0o444 })?;
        let write = |error| IoError::new("write", &to, error);
        file.write_all(&head).map_err(write)?;
        let mut size = head.len() as u64;
        let mut buffer = vec![0; 1 << 17];
        loop {
            let count = reader.read(&mut buffer).map_err(read)?;
            let block = buffer.get(..count).unwrap_or_default();
            if block.is_empty() {
                return Ok(Laid::File(size));
            }
            file.write_all(block).map_err(write)?;
            size += count as u64;
        }
    }
}

enum Laid {
    File(u64),
    Link(String),
}

/// The target of a link, if it stays inside.
fn link_target(entry: &TreeEntry, target: Vec<u8>) -> Result<String, StoreError> {
    let refuse = || StoreError::Inconsistent {
        what: format!("'{}' is a link that leads out of its tree", entry.path),
    };
    let target = String::from_utf8(target).map_err(|_| refuse())?;
    let mut depth = entry.path.as_str().matches('/').count();
    let mut named = false;
    for component in Path::new(&target).components() {
        match component {
            Component::Normal(_) => named = true,
            Component::CurDir => {}
            // After a name, which may be a link itself, nobody can tell where `..` leads.
            Component::ParentDir if !named && depth > 0 => depth -= 1,
            _ => return Err(refuse()),
        }
    }
    let valid = !target.is_empty() && target.len() <= MAX_TARGET;
    if valid { Ok(target) } else { Err(refuse()) }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::fs::RealIo;

    fn entry(path: &str, blob: crate::BlobInfo, executable: bool) -> TreeEntry {
        TreeEntry {
            path: path.parse().unwrap(),
            executable,
            digest: blob.digest,
        }
    }

    #[test]
    fn files_and_links_come_back() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("store"), Arc::new(RealIo)).unwrap();
        let mut batch = store.batch();
        let large: Vec<u8> = (0..400_000_u32).flat_map(u32::to_le_bytes).collect();
        let (big, empty) = (batch.put(&large).unwrap(), batch.put(b"").unwrap());
        let link = batch.put(b"reproof.link/1\n../big").unwrap();
        batch.commit().unwrap();
        let tree = Tree::new([
            entry("big", big, true),
            entry("a/empty", empty, false),
            entry("a/link", link, false),
        ]);
        let to = folder.path().join("out");
        assert_eq!(store.lay_out(&tree, &RealIo, &to).unwrap(), 1_600_006);
        assert_eq!(std::fs::read(to.join("a/link")).unwrap(), large);
        assert!(RealIo.metadata(&to.join("big")).unwrap().executable);
        assert!(!RealIo.metadata(&to.join("a/empty")).unwrap().executable);
    }

    #[test]
    fn links_that_lead_out_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("store"), Arc::new(RealIo)).unwrap();
        for (index, target) in ["/etc/passwd", "../../x", "b/../../x", ""]
            .iter()
            .enumerate()
        {
            let mut batch = store.batch();
            let blob = batch
                .put(format!("reproof.link/1\n{target}").as_bytes())
                .unwrap();
            batch.commit().unwrap();
            let tree = Tree::new([entry("a/link", blob, false)]);
            let to = folder.path().join(index.to_string());
            let refused = store.lay_out(&tree, &RealIo, &to).unwrap_err();
            assert!(
                refused.to_string().contains("'a/link'"),
                "{target}: {refused}"
            );
        }
    }

    #[test]
    fn damage_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("store"), Arc::new(RealIo)).unwrap();
        let mut batch = store.batch();
        let blob = batch.put(&vec![7; 100_000]).unwrap();
        batch.commit().unwrap();
        let path = store.object_path(&blob.digest);
        let mut bytes = std::fs::read(&path).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        std::fs::write(&path, bytes).unwrap();
        let tree = Tree::new([entry("x", blob, false)]);
        let failed = store
            .lay_out(&tree, &RealIo, &folder.path().join("out"))
            .unwrap_err();
        assert!(matches!(failed, StoreError::Damaged { .. }), "{failed}");
    }
}
