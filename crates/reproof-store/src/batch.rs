//! Blobs on their way into the store: nothing of a batch can be seen before it is committed.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use reproof_record::{
    Artifact, ArtifactKind, Digest, FileEntry, Manifest, RelativePath, TableObject, Tree, TreeEntry,
};
use serde_json::{Map, Value};

use crate::error::StoreError;
use crate::fs::IoError;
use crate::pack::FinishedPack;
use crate::packer::{Packer, lock};
use crate::previous::Previous;
use crate::read::{Content, Pass};
use crate::writer::{BlobInfo, BlobWriter, MAX_CHUNK};
use crate::{Store, StoredArtifact};

/// The media type of a table's stored columns.
const TABLE_MEDIA_TYPE: &str = "application/vnd.reproof.table";
/// How many packs are made durable at once.
const SYNC_THREADS: usize = 4;

/// A group of blobs that is made durable together. Nothing of it can be seen before it is
/// committed.
///
/// Dropped without [`Batch::commit`], or where that fails, it leaves nothing behind.
#[derive(Debug)]
pub struct Batch {
    packer: Arc<Packer>,
    /// Whether anything was given to it.
    used: bool,
}

impl Batch {
    pub(crate) fn new(store: &Store) -> Self {
        let packer = Packer::new(store);
        if let Err(error) = store.ensure_entered() {
            packer.fail(error);
        }
        Self {
            packer,
            used: false,
        }
    }

    /// A writer of one blob. Several may be open at once; each counts once it is given to
    /// [`Batch::add`].
    pub fn writer(&mut self) -> Result<BlobWriter, StoreError> {
        self.packer.check()?;
        Ok(BlobWriter::new(Arc::clone(&self.packer), None))
    }

    /// A writer of a blob that replaces another one, such as a new version of a file. What changed
    /// only here and there is stored as what changed, if the store has the other one. That is all
    /// it does: whatever is named, the same blob comes of it.
    pub fn writer_replacing(&mut self, previous: &Digest) -> Result<BlobWriter, StoreError> {
        self.packer.check()?;
        let content = Pass::new(self.store()).content(previous);
        let previous = match content {
            Ok(Content::Chunks(_, chunks)) => Some(Previous::new(&chunks)),
            // One entry, or none to be had: there is nothing to go along.
            Ok(_) | Err(StoreError::Missing { .. } | StoreError::Damaged { .. }) => None,
            Err(error) => return Err(error),
        };
        Ok(BlobWriter::new(Arc::clone(&self.packer), previous))
    }

    /// Takes a blob that was written.
    pub fn add(&mut self, writer: BlobWriter) -> Result<BlobInfo, StoreError> {
        self.used = true;
        writer.finish()
    }

    /// The store that it goes to.
    pub(crate) fn store(&self) -> &Store {
        self.packer.store()
    }

    /// Takes a blob of these bytes.
    pub fn put(&mut self, bytes: &[u8]) -> Result<BlobInfo, StoreError> {
        if bytes.len() <= MAX_CHUNK {
            return self.put_small(bytes.to_vec());
        }
        let mut writer = self.writer()?;
        writer.push(bytes)?;
        self.add(writer)
    }

    /// Takes a blob of at most [`MAX_CHUNK`] bytes.
    pub(crate) fn put_small(&mut self, bytes: Vec<u8>) -> Result<BlobInfo, StoreError> {
        self.used = true;
        let info = BlobInfo {
            digest: Digest::of(&bytes),
            size: bytes.len() as u64,
        };
        self.packer.blob(info.digest, bytes)?;
        Ok(info)
    }

    /// Takes a blob or chunk that is one entry, and whose digest was checked.
    pub(crate) fn put_known(&mut self, digest: Digest, bytes: Vec<u8>) -> Result<(), StoreError> {
        self.used = true;
        self.packer.blob(digest, bytes)
    }

    /// Takes the chunks of a blob, which the store has and whose whole was hashed.
    pub(crate) fn put_list(
        &mut self,
        digest: Digest,
        size: u64,
        chunks: Vec<(u32, Digest)>,
    ) -> Result<(), StoreError> {
        self.used = true;
        self.packer.list(digest, size, chunks)
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

    /// Makes every blob durable, then visible. What is there already and right is not written
    /// again.
    ///
    /// Where this fails, some blobs may be visible. They are right, and nothing refers to them.
    pub fn commit(self) -> Result<(), StoreError> {
        if !self.used {
            return Ok(());
        }
        let mut packs = self.packer.finish()?;
        let store = self.store();
        if store.is_durable() {
            sync_all(&mut packs)?;
        }
        // In their order: what refers to something lies behind it.
        for pack in &mut packs {
            pack.publish(&store.pack_path(&pack.id))?;
        }
        // Also where every blob was there: the process that put it there may not have come to
        // this yet, and what this one promises must hold.
        if store.is_durable() {
            store.io.sync_dir(&store.packs_dir())?;
        }
        store.learn(&packs);
        Ok(())
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        self.packer.abandon();
    }
}

/// Makes all packs durable, several at a time: the disk then joins their flushes.
fn sync_all(packs: &mut [FinishedPack]) -> Result<(), StoreError> {
    let threads = SYNC_THREADS.min(packs.len());
    if threads < 2 {
        for pack in packs {
            pack.sync()?;
        }
        return Ok(());
    }
    let total = packs.len();
    let next = AtomicUsize::new(0);
    let packs: Vec<Mutex<&mut FinishedPack>> = packs.iter_mut().map(Mutex::new).collect();
    let failed: Mutex<Option<IoError>> = Mutex::new(None);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    if index >= total {
                        break;
                    }
                    if let Err(error) = lock(&packs[index]).sync() {
                        lock(&failed).get_or_insert(error);
                        break;
                    }
                }
            });
        }
    });
    match lock(&failed).take() {
        Some(error) => Err(error.into()),
        None => Ok(()),
    }
}
