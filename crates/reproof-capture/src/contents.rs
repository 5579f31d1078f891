//! The bytes of what was captured, for whoever stores them.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::Path;

use reproof_record::{Digest, RelativePath, Tree, TreeEntry};
use reproof_store::fs::{FileKind, Io};
use reproof_store::link_blob;

use crate::CaptureError;
use crate::closure::CodeReader;
use crate::read::{LARGE, gone, shown};

/// The files of a captured tree as they lie in the project's folder.
///
/// What is read is verified: a file that is no longer what was captured is an error that names it.
#[derive(Clone, Copy, Debug)]
pub struct ProjectFiles<'a> {
    project: &'a Path,
    io: &'a dyn Io,
    links: &'a BTreeMap<RelativePath, String>,
}

impl<'a> ProjectFiles<'a> {
    /// The files in this folder, among which these links were captured.
    pub fn new(
        project: &'a Path,
        io: &'a dyn Io,
        links: &'a BTreeMap<RelativePath, String>,
    ) -> Self {
        Self { project, io, links }
    }

    /// The blob that a file or link of the tree stands by: the bytes of a file, and of a link what
    /// [`link_blob`] makes of its target.
    pub fn blob(&self, entry: &TreeEntry) -> Result<Vec<u8>, CaptureError> {
        let path = self.project.join(entry.path.as_str());
        let read = self.io.metadata(&path).and_then(|facts| {
            match (facts.kind, self.links.contains_key(&entry.path)) {
                (FileKind::Link, true) => Ok(Some(link_blob(&self.io.read_link(&path)?))),
                (FileKind::File, false) => Ok(Some(self.io.read(&path, LARGE)?)),
                _ => Ok(None),
            }
        });
        let changed = || CaptureError::Changed {
            path: shown(entry.path.as_str().as_bytes()),
        };
        match read {
            Ok(Some(blob)) if Digest::of(&blob) == entry.digest => Ok(blob),
            Ok(_) => Err(changed()),
            Err(error) if gone(&error) || error.kind() == ErrorKind::FileTooLarge => Err(changed()),
            Err(error) => Err(error.into()),
        }
    }

    /// The blobs of a tree, in its order, but only those that `wanted` asks for: whoever has one
    /// already need not read it again.
    pub fn blobs<'t>(
        &self,
        tree: &'t Tree,
        mut wanted: impl FnMut(&Digest) -> bool,
    ) -> impl Iterator<Item = Result<(&'t TreeEntry, Vec<u8>), CaptureError>> {
        let entries = tree.files.iter();
        entries
            .filter(move |entry| wanted(&entry.digest))
            .map(|entry| Ok((entry, self.blob(entry)?)))
    }
}

impl CodeReader for ProjectFiles<'_> {
    fn links(&self) -> &BTreeMap<RelativePath, String> {
        self.links
    }

    fn read(&self, entry: &TreeEntry) -> Result<Vec<u8>, CaptureError> {
        self.blob(entry)
    }
}
