//! Closures in the store, so that another machine, or this one after an upgrade, runs in the very
//! same bytes.

use std::path::Path;

use reproof_record::{Digest, Tree};
use reproof_store::fs::Io;
use reproof_store::{Batch, LayOut, Store, lay_out, link_blob};

use super::cache::{Closure, ClosureCache, DOCUMENT_LIMIT, OpenClosure};
use super::describe::ClosureDescription;
use super::error::EnvironmentError;

/// A closure that a batch holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoredClosure {
    /// The digest of its tree, which is the closure's.
    pub tree: Digest,
    /// The digest of its description.
    pub description: Digest,
}

impl Closure {
    /// Puts all files of the closure into a batch. Bytecode is not among them.
    ///
    /// What is put is hashed on the way: a file that is not what the tree says is an error, and
    /// nothing of the batch counts.
    pub fn put(&self, batch: &mut Batch) -> Result<StoredClosure, EnvironmentError> {
        let tree = self.tree()?;
        for entry in &tree.files {
            let path = self.root().join(entry.path.as_str());
            let digest = put_file(self.io.as_ref(), &path, batch)?;
            if digest != entry.digest {
                return Err(self.damaged(format!("'{}' has other bytes", entry.path)));
            }
        }
        let description = batch.put(&self.description()?.to_bytes()?)?.digest;
        let tree = batch.put(&tree.to_bytes()?)?.digest;
        Ok(StoredClosure { tree, description })
    }
}

fn put_file(io: &dyn Io, path: &Path, batch: &mut Batch) -> Result<Digest, EnvironmentError> {
    if io.metadata(path)?.kind == reproof_store::fs::FileKind::Link {
        return Ok(batch.put(&link_blob(&io.read_link(path)?))?.digest);
    }
    Ok(batch.take_file(path)?.digest)
}

/// Lays a closure out from the store, verified, without any Python of the machine. It still lacks
/// its bytecode, and is in the cache once it is [sealed](OpenClosure::seal).
pub fn materialise(
    store: &Store,
    tree: &Digest,
    description: Option<&Digest>,
    cache: &ClosureCache,
) -> Result<OpenClosure, EnvironmentError> {
    let files: Tree = store.tree(tree)?;
    let described = match description {
        Some(digest) => ClosureDescription::from_bytes(&store.read(digest, DOCUMENT_LIMIT)?)?,
        None => ClosureDescription::of_tree(&files),
    };
    let building = cache.begin()?;
    let (io, root) = (cache.io().as_ref(), building.folder.join("root"));
    lay_out(&files, store, io, &root, LayOut::default())?;
    let mut bytes = 0;
    for entry in &files.files {
        bytes += io.metadata(&root.join(entry.path.as_str()))?.size;
    }
    let described = ClosureDescription { bytes, ..described };
    let open = OpenClosure::new(cache, building, files, described)?;
    if open.digest() == *tree {
        Ok(open)
    } else {
        Err(EnvironmentError::DamagedCache {
            digest: *tree,
            what: "the stored tree is not in its canonical form".to_owned(),
        })
    }
}
