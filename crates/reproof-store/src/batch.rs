//! Blobs on their way into the store: nothing of a batch can be seen before it is committed.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

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

/// How many files of a batch are kept open; more are made durable and closed at once.
const OPEN_FILES: usize = 64;

/// A blob that is written, but not yet visible.
#[derive(Debug)]
struct Pending {
    digest: Digest,
    path: PathBuf,
    /// The file until it is durable.
    file: Option<Box<dyn WriteFile>>,
}

impl Pending {
    fn sync(&mut self) -> Result<(), IoError> {
        if let Some(file) = &mut self.file {
            file.sync()?;
        }
        self.file = None;
        Ok(())
    }
}

/// A group of blobs that is made durable together. Nothing of it can be seen before it is
/// committed.
///
/// Dropped without [`Batch::commit`], or where that fails, it leaves no files that are not blobs.
#[derive(Debug)]
pub struct Batch {
    store: Store,
    pending: Vec<Pending>,
    digests: BTreeSet<Digest>,
    /// How many of the last of `pending` are still open.
    open: usize,
}

impl Batch {
    pub(crate) fn new(store: Store) -> Self {
        Self {
            store,
            pending: Vec::new(),
            digests: BTreeSet::new(),
            open: 0,
        }
    }

    /// A writer of one blob. Several may be open at once; each counts once it is given to
    /// [`Batch::add`].
    pub fn writer(&mut self) -> Result<BlobWriter, StoreError> {
        self.writer_of(None)
    }

    fn writer_of(&self, size: Option<u64>) -> Result<BlobWriter, StoreError> {
        let path = self.store.temp_dir().join(unique());
        BlobWriter::new(Arc::clone(&self.store.io), path, size)
    }

    /// Takes a blob that was written.
    pub fn add(&mut self, writer: BlobWriter) -> Result<BlobInfo, StoreError> {
        let (info, path, file) = writer.finish()?;
        if !self.digests.insert(info.digest) {
            drop(file);
            self.store.io.remove_file(&path)?;
            return Ok(info);
        }
        self.pending.push(Pending {
            digest: info.digest,
            path,
            file: Some(file),
        });
        self.open += 1;
        if self.open >= OPEN_FILES {
            self.close()?;
        }
        Ok(info)
    }

    /// The store that it goes to.
    pub(crate) fn store(&self) -> &Store {
        &self.store
    }

    /// Takes a blob of these bytes.
    pub fn put(&mut self, bytes: &[u8]) -> Result<BlobInfo, StoreError> {
        let mut writer = self.writer_of(Some(bytes.len() as u64))?;
        let written = writer.write_all(bytes);
        written.map_err(|source| writer.failed(source))?;
        self.add(writer)
    }

    /// Makes the files that are still open durable, and closes them.
    fn close(&mut self) -> Result<(), StoreError> {
        let from = self.pending.len() - self.open;
        sync_all(&mut self.pending[from..])?;
        self.open = 0;
        Ok(())
    }

    /// Takes an artifact that is files which this batch or the store has.
    pub fn put_tree(
        &mut self,
        kind: ArtifactKind,
        media_type: &str,
        files: Vec<(RelativePath, bool, BlobInfo)>,
        metadata: Map<String, Value>,
    ) -> Result<StoredArtifact, StoreError> {
        let count = files.len();
        let files: BTreeMap<_, _> = files
            .into_iter()
            .map(|(path, executable, blob)| (path, (executable, blob)))
            .collect();
        if files.len() < count {
            let what = "two of its files have one path".to_owned();
            return Err(StoreError::Inconsistent { what });
        }
        let tree = Tree::new(files.iter().map(|(path, (executable, blob))| TreeEntry {
            path: path.clone(),
            executable: *executable,
            digest: blob.digest,
        }));
        let content = self.put(&tree.to_bytes()?)?.digest;
        let entries = files.into_iter().map(|(path, (_, blob))| FileEntry {
            path,
            size: blob.size,
            digest: blob.digest,
        });
        let entries = entries.collect();
        self.put_manifest(kind, media_type, content, entries, metadata)
    }

    /// Takes a table whose encoded columns this batch or the store has, in the schema's order.
    pub fn put_table(
        &mut self,
        table: &TableObject,
        columns: &[BlobInfo],
        metadata: Map<String, Value>,
    ) -> Result<StoredArtifact, StoreError> {
        self.put_table_with(table, columns, Vec::new(), metadata)
    }

    /// As [`Batch::put_table`], with more files beside the columns, which are no part of the
    /// table's identity.
    pub fn put_table_with(
        &mut self,
        table: &TableObject,
        columns: &[BlobInfo],
        beside: Vec<(RelativePath, BlobInfo)>,
        metadata: Map<String, Value>,
    ) -> Result<StoredArtifact, StoreError> {
        if !columns.iter().map(|blob| &blob.digest).eq(&table.columns) {
            let what = "its columns are not those that the table names".to_owned();
            return Err(StoreError::Inconsistent { what });
        }
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
        entries.extend(beside.into_iter().map(|(path, blob)| FileEntry {
            path,
            size: blob.size,
            digest: blob.digest,
        }));
        entries.sort_by(|a, b| a.path.cmp(&b.path));
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

    /// Makes every blob durable, then visible, in the order in which they were given. What is
    /// there already and right is kept; what is there and damaged is replaced.
    ///
    /// Where this fails, some blobs may be visible. They are right, and nothing refers to them.
    pub fn commit(mut self) -> Result<(), StoreError> {
        if self.pending.is_empty() {
            return Ok(());
        }
        self.drop_known()?;
        self.close()?;
        self.pending.reverse();
        while let Some(pending) = self.pending.last() {
            let to = self.store.object_path(&pending.digest);
            self.store.io.rename(&pending.path, &to)?;
            self.pending.pop();
        }
        // Also where every blob was there: the process that put it there may not have come to
        // this yet, and what this one promises must hold.
        Ok(self.store.io.sync_dir(&self.store.objects())?)
    }

    /// Removes the files of blobs that the store has.
    fn drop_known(&mut self) -> Result<(), StoreError> {
        let store = self.store.clone();
        let mut failed = None;
        self.pending.retain_mut(|pending| {
            if failed.is_some() {
                return true;
            }
            match drop_if_known(&store, pending) {
                Ok(dropped) => !dropped,
                Err(error) => {
                    failed = Some(error);
                    true
                }
            }
        });
        self.open = self.pending.len();
        failed.map_or(Ok(()), Err)
    }
}

/// Removes a blob's file if the store has the blob. Says whether it does.
fn drop_if_known(store: &Store, pending: &mut Pending) -> Result<bool, StoreError> {
    match store.verify_blob(&pending.digest) {
        Ok(_) => {
            pending.file = None;
            store.io.remove_file(&pending.path)?;
            Ok(true)
        }
        Err(StoreError::Missing { .. } | StoreError::Damaged { .. }) => Ok(false),
        Err(error) => Err(error),
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
            pending.sync()?;
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
                    if let Err(error) = file.sync() {
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
