//! Remotes: packs and documents as objects in a bucket or a folder. The layout is described in
//! `docs/formats/remote.md`.
//!
//! A pack is written before its index, and an index before what names its blobs. So what can be
//! seen is complete, whenever a push dies. Nothing that comes from a remote is believed: each
//! entry is hashed before it is stored.

mod erase;
mod error;
mod known;
mod objects;
mod parallel;
mod pull;
mod push;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use reproof_record::Digest;

pub use error::RemoteError;
pub use objects::{FolderObjects, ObjectError, Objects};
pub use push::Pushed;

use self::error::Who;
use self::known::Known;
use crate::fs::Io;

/// The object that says which format a remote has.
const FORMAT_OBJECT: &str = "FORMAT";
/// What it says.
const FORMAT: &str = "reproof.remote/1\n";
/// The largest document: an execution with very many steps.
const MAX_DOCUMENT: u64 = 64 << 20;

/// Listens to what moves, and says when to stop. Called from several threads.
pub trait Watch: Sync {
    /// So many bytes of so many have been moved.
    fn moved(&self, done: u64, total: u64);
    /// Whether stopping was asked for.
    fn is_cancelled(&self) -> bool;
}

/// What was fetched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pulled {
    /// Blobs and chunks that were stored.
    pub entries: u64,
    /// How many bytes of packs were fetched.
    pub bytes: u64,
}

/// A remote, with what is known of its packs.
#[derive(Debug)]
pub struct Remote {
    who: Who,
    objects: Arc<dyn Objects>,
    /// The folder in which indexes are kept, which never change.
    cache: Option<(PathBuf, Arc<dyn Io>)>,
    known: Known,
}

impl Remote {
    /// The remote of this name that has these objects. Nothing is asked of it yet. Indexes of its
    /// packs are kept in `cache`, if there is one.
    pub fn new(
        name: &str,
        objects: Arc<dyn Objects>,
        cache: Option<(PathBuf, Arc<dyn Io>)>,
    ) -> Self {
        Self {
            who: Who {
                name: name.to_owned(),
                address: objects.address().to_owned(),
            },
            objects,
            cache,
            known: Known::default(),
        }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.who.name
    }

    /// Its address.
    pub fn address(&self) -> &str {
        &self.who.address
    }

    /// Whether anything was ever pushed to it.
    ///
    /// # Errors
    /// If it has a format that this version does not know.
    pub fn is_made(&self) -> Result<bool, RemoteError> {
        match self.get(FORMAT_OBJECT, 1024)? {
            None => Ok(false),
            Some(found) if found == FORMAT.as_bytes() => Ok(true),
            Some(found) if crate::is_format_of("reproof.remote/", &found) => {
                Err(RemoteError::Format {
                    remote: self.who.name.clone(),
                    address: self.who.address.clone(),
                    found: String::from_utf8_lossy(&found).trim_end().to_owned(),
                    expected: FORMAT.trim_end(),
                })
            }
            Some(_) => Err(self.who.damaged(
                FORMAT_OBJECT,
                format!("it should say '{}'", FORMAT.trim_end()),
            )),
        }
    }

    /// Says which format it has, unless it does already.
    pub fn make(&self) -> Result<(), RemoteError> {
        if self.is_made()? {
            return Ok(());
        }
        self.put(FORMAT_OBJECT, FORMAT.as_bytes().to_vec())
    }

    /// The names of the documents in a folder, sorted.
    pub fn documents(&self, folder: &str) -> Result<Vec<String>, RemoteError> {
        let listed = self.objects.list(folder);
        listed.map_err(|error| self.who.failed(error))
    }

    /// The bytes of a document; none if there is none.
    pub fn document(&self, name: &str) -> Result<Option<Vec<u8>>, RemoteError> {
        let Some(bytes) = self.get(name, MAX_DOCUMENT)? else {
            return Ok(None);
        };
        let text = bytes.get(65..).unwrap_or_default();
        if bytes.len() < 65 || bytes[64] != b'\n' || !is_digest_of(&bytes[..64], text) {
            return Err(self.who.damaged(name, "its check sum is wrong"));
        }
        Ok(Some(text.to_vec()))
    }

    /// The bytes of several documents, as [`Remote::document`] gives them, several at a time.
    pub fn read_documents(
        &self,
        names: &[String],
        watch: &dyn Watch,
    ) -> Result<Vec<Option<Vec<u8>>>, RemoteError> {
        parallel::each(names, watch, |name| self.document(name))
    }

    /// Writes a document: its digest, a line feed, its bytes.
    pub fn put_document(&self, name: &str, text: &[u8]) -> Result<(), RemoteError> {
        let mut bytes = Digest::of(text).to_hex().into_bytes();
        bytes.push(b'\n');
        bytes.extend_from_slice(text);
        self.put(name, bytes)
    }

    /// An error about a document that is not what it must be.
    pub fn damaged(&self, object: &str, what: impl Into<String>) -> RemoteError {
        self.who.damaged(object, what)
    }

    /// An error about something that it should have.
    pub fn lacks(&self, what: impl Into<String>) -> RemoteError {
        self.who.lacks(what.into())
    }

    /// Whether an entry of this digest lies in one of the packs that are known.
    pub fn has(&self, digest: &Digest) -> bool {
        self.known.find(digest).is_some()
    }

    /// Learns what all its packs hold.
    pub fn learn_all(&mut self, watch: &dyn Watch) -> Result<(), RemoteError> {
        let names = self.documents("index")?;
        let ids: BTreeSet<Digest> = names.iter().filter_map(|name| name.parse().ok()).collect();
        self.learn(&ids, watch)
    }

    /// Learns what these packs hold. One that is gone is left out.
    pub fn learn(
        &mut self,
        packs: &BTreeSet<Digest>,
        watch: &dyn Watch,
    ) -> Result<(), RemoteError> {
        let new: Vec<Digest> = packs
            .iter()
            .filter(|id| !self.known.has_pack(id))
            .copied()
            .collect();
        let read = |id: &Digest| self.index_of(id);
        for (id, index) in new.iter().zip(parallel::each(&new, watch, read)?) {
            if let Some(index) = index {
                self.known.enter(id, &index);
            }
        }
        Ok(())
    }

    fn get(&self, name: &str, limit: u64) -> Result<Option<Vec<u8>>, RemoteError> {
        let got = self.objects.get(name, limit);
        got.map_err(|error| self.who.failed(error))
    }

    fn put(&self, name: &str, bytes: Vec<u8>) -> Result<(), RemoteError> {
        let put = self.objects.put(name, bytes);
        put.map_err(|error| self.who.failed(error))
    }
}

fn is_digest_of(hex: &[u8], bytes: &[u8]) -> bool {
    hex == Digest::of(bytes).to_hex().as_bytes()
}

fn pack_object(id: &Digest) -> String {
    format!("packs/{id}.pack")
}

fn index_object(id: &Digest) -> String {
    format!("index/{id}")
}
