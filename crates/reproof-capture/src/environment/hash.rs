//! Hashing what lies on disk.

use std::io::Read;
use std::path::Path;

use reproof_record::{Digest, RelativePath, Tree, TreeEntry};
use reproof_store::fs::{Io, IoError};

use super::error::EnvironmentError;
use super::plan::in_parallel;
use reproof_store::link_digest;

/// How many bytes are hashed at a time.
const BLOCK: usize = 1 << 18;

/// The tree of these files: path, whether it is a link, whether it is executable.
pub(crate) fn tree(
    io: &dyn Io,
    root: &Path,
    files: &[(String, bool, bool)],
) -> Result<Tree, EnvironmentError> {
    let entries = in_parallel(files, |(path, link, executable)| {
        Ok(TreeEntry {
            path: RelativePath::new(path.as_str())?,
            executable: *executable && !*link,
            digest: digest(io, &root.join(path), *link)?,
        })
    })?;
    Ok(Tree::new(entries))
}

fn digest(io: &dyn Io, path: &Path, link: bool) -> Result<Digest, EnvironmentError> {
    if link {
        return Ok(link_digest(&io.read_link(path)?));
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
