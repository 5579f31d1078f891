//! Blobs on their way into the store: nothing of a batch can be seen before it is committed.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use reproof_record::{
    Artifact, ArtifactKind, Digest, FileEntry, Manifest, RelativePath, TableObject, Tree, TreeEntry,
};
use serde_json::{Map, Value};

use crate::blob::{BlobInfo, BlobWriter};
use crate::error::StoreError;
use crate::fs::{IoError, WriteFile, unique};
use crate::{Store, StoredArtifact};

/// The media type of a table's stored columns.
const TABLE_MEDIA_TYPE: &str = "application/vnd.reproof.table";
/// How many files are made durable at once.
const SYNC_THREADS: usize = 4;

/// A blob that is written, but not yet durable or visible.
#[derive(Debug)]
struct Pending {
    digest: Digest,
    path: PathBuf,
    file: Box<dyn WriteFile>,
}

/// A group of blobs that become visible together, durably.
///
/// Dropped without [`Batch::commit`] it leaves nothing behind.
#[derive(Debug)]
pub struct Batch {
    store: Store,
    pending: Vec<Pending>,
}

impl Batch {
    pub(crate) fn new(store: Store) -> Self {
        Self {
            store,
            pending: Vec::new(),
        }
    }

    /// A writer of one blob. Several may be open at once; each counts once it is given to
    /// [`Batch::add`].
    pub fn writer(&mut self) -> Result<BlobWriter, StoreError> {
        let path = self.store.temp_dir().join(unique());
        BlobWriter::new(self.store.io.as_ref(), path)
    }

    /// Takes a blob that was written.
    pub fn add(&mut self, writer: BlobWriter) -> Result<BlobInfo, StoreError> {
        let path = writer.path().to_owned();
        let (info, file) = writer.finish().inspect_err(|_| self.discard(&path))?;
        if self
            .pending
            .iter()
            .any(|pending| pending.digest == info.digest)
        {
            drop(file);
            self.store.io.remove_file(&path)?;
        } else {
            self.pending.push(Pending {
                digest: info.digest,
                path,
                file,
            });
        }
        Ok(info)
    }

    /// Takes a blob of these bytes.
    pub fn put(&mut self, bytes: &[u8]) -> Result<BlobInfo, StoreError> {
        let mut writer = self.writer()?;
        if let Err(source) = writer.write_all(bytes) {
            let path = writer.path().to_owned();
            self.discard(&path);
            return Err(IoError::new("write", &path, source).into());
        }
        self.add(writer)
    }

    /// Removes a file that could not be written; the error that led here is the one to report.
    fn discard(&self, path: &Path) {
        let _ = self.store.io.remove_file(path);
    }

    /// Takes an artifact that is files which this batch or the store has.
    pub fn put_tree(
        &mut self,
        kind: ArtifactKind,
        media_type: &str,
        files: Vec<(RelativePath, bool, BlobInfo)>,
        metadata: Map<String, Value>,
    ) -> Result<StoredArtifact, StoreError> {
        let tree = Tree::new(files.iter().map(|(path, executable, blob)| TreeEntry {
            path: path.clone(),
            executable: *executable,
            digest: blob.digest,
        }));
        let content = self.put(&tree.to_bytes()?)?.digest;
        let mut entries: Vec<_> = files
            .into_iter()
            .map(|(path, _, blob)| FileEntry {
                path,
                size: blob.size,
                digest: blob.digest,
            })
            .collect();
        entries.sort_by(|a, b| a.path.cmp(&b.path));
        self.put_manifest(kind, media_type, content, entries, metadata)
    }

    /// Takes a table whose encoded columns this batch or the store has, in the schema's order.
    pub fn put_table(
        &mut self,
        table: &TableObject,
        columns: &[BlobInfo],
        metadata: Map<String, Value>,
    ) -> Result<StoredArtifact, StoreError> {
        let content = self.put(&table.to_bytes()?)?.digest;
        let width = columns.len().to_string().len();
        let mut entries = Vec::with_capacity(columns.len());
        for (index, blob) in columns.iter().enumerate() {
            let name = format!("columns/{index:0width$}");
            // A name made of digits is always a path.
            if let Ok(path) = RelativePath::new(name) {
                entries.push(FileEntry {
                    path,
                    size: blob.size,
                    digest: blob.digest,
                });
            }
        }
        self.put_manifest(
            ArtifactKind::Table,
            TABLE_MEDIA_TYPE,
            content,
            entries,
            metadata,
        )
    }

    fn put_manifest(
        &mut self,
        kind: ArtifactKind,
        media_type: &str,
        content: Digest,
        files: Vec<FileEntry>,
        metadata: Map<String, Value>,
    ) -> Result<StoredArtifact, StoreError> {
        let manifest = Manifest {
            format: Manifest::FORMAT.to_owned(),
            kind,
            media_type: media_type.to_owned(),
            content,
            files,
            metadata,
        };
        let digest = self.put(&manifest.to_bytes()?)?.digest;
        Ok(StoredArtifact {
            artifact: Artifact {
                kind,
                digest: content,
            },
            manifest: digest,
        })
    }

    /// Makes every blob durable, then visible. What is there already and right is kept; what is
    /// there and damaged is replaced.
    pub fn commit(mut self) -> Result<(), StoreError> {
        let mut fresh = Vec::new();
        for pending in std::mem::take(&mut self.pending) {
            let kept = match self.store.verify_blob(&pending.digest) {
                Ok(_) => true,
                Err(StoreError::Missing { .. } | StoreError::Damaged { .. }) => false,
                Err(error) => {
                    self.pending.extend(fresh);
                    self.pending.push(pending);
                    return Err(error);
                }
            };
            if kept {
                drop(pending.file);
                self.store.io.remove_file(&pending.path)?;
            } else {
                fresh.push(pending);
            }
        }
        self.pending = fresh;
        if self.pending.is_empty() {
            return Ok(());
        }
        sync_all(&mut self.pending)?;
        while let Some(pending) = self.pending.pop() {
            let to = self.store.object_path(&pending.digest);
            if let Err(error) = self.store.io.rename(&pending.path, &to) {
                self.pending.push(pending);
                return Err(error.into());
            }
        }
        Ok(self.store.io.sync_dir(&self.store.objects())?)
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        for pending in &self.pending {
            // What cannot be removed is garbage that a later opening of the store sweeps.
            let _ = self.store.io.remove_file(&pending.path);
        }
    }
}

/// Makes all files durable, several at a time: the disk then joins their flushes.
fn sync_all(pending: &mut [Pending]) -> Result<(), StoreError> {
    let threads = SYNC_THREADS.min(pending.len());
    if threads < 2 {
        for pending in pending {
            pending.file.sync()?;
        }
        return Ok(());
    }
    let total = pending.len();
    let next = AtomicUsize::new(0);
    let files: Vec<Mutex<&mut Pending>> = pending.iter_mut().map(Mutex::new).collect();
    let failed: Mutex<Option<IoError>> = Mutex::new(None);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    if index >= total {
                        break;
                    }
                    let mut file = files[index].lock().unwrap_or_else(PoisonError::into_inner);
                    if let Err(error) = file.file.sync() {
                        failed
                            .lock()
                            .unwrap_or_else(PoisonError::into_inner)
                            .get_or_insert(error);
                        break;
                    }
                }
            });
        }
    });
    match failed.into_inner().unwrap_or_else(PoisonError::into_inner) {
        Some(error) => Err(error.into()),
        None => Ok(()),
    }
}
