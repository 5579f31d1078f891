//! Hashing what lies on disk.

use std::io::Read;
use std::path::Path;

use reproof_record::{Digest, RelativePath, Tree, TreeEntry};
use reproof_store::fs::{FileKind, Io, IoError};

use super::error::EnvironmentError;
use super::facts::Listed;
use super::plan::in_parallel;
use reproof_store::link_digest;

/// How many bytes are hashed at a time.
const BLOCK: usize = 1 << 18;

/// The tree of these files.
pub(crate) fn tree(io: &dyn Io, root: &Path, files: &[Listed]) -> Result<Tree, EnvironmentError> {
    let entries = in_parallel(files, |file| {
        Ok(TreeEntry {
            path: RelativePath::new(file.path.as_str())?,
            executable: file.executable && file.kind == FileKind::File,
            digest: digest(io, &root.join(&file.path), file.kind)?,
        })
    })?;
    Ok(Tree::new(entries))
}

fn digest(io: &dyn Io, path: &Path, kind: FileKind) -> Result<Digest, EnvironmentError> {
    match kind {
        FileKind::Link => return Ok(link_digest(&io.read_link(path)?)),
        FileKind::File => {}
        // Whoever opens a pipe waits for ever. No file has these bytes' digest.
        FileKind::Folder | FileKind::Other => {
            return Ok(Digest::of(b"reproof: neither a file nor a link"));
        }
    }
    let mut file = io.open_read(path)?;
    let mut hasher = blake3::Hasher::new();
    let mut buffer = vec![0; BLOCK];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok(hasher.finalize().into()),
            Ok(count) => {
                hasher.update(buffer.get(..count).unwrap_or_default());
            }
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(IoError::new("read", path, error).into()),
        }
    }
}
