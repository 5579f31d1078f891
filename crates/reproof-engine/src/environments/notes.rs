//! What the user's cache notes of environments, so that nothing is built, and no program started, to
//! learn it again. A note that is lost or damaged costs time and nothing else.

use std::path::PathBuf;

use reproof_capture::environment::{Parsed, Requirements};
use reproof_record::Digest;
use reproof_store::fs::write_atomic;

use super::Environments;

/// The largest note.
const MAX_NOTE: u64 = 16 << 20;

/// What the pins of a `uv.lock` are noted under: the bytes of both files.
pub(super) fn uv_lock_key(project: &str, lock: &str) -> Digest {
    let mut hasher = blake3::Hasher::new_derive_key("reproof 2026 uv.lock pins 1");
    hasher.update(&(project.len() as u64).to_le_bytes());
    hasher.update(project.as_bytes());
    hasher.update(lock.as_bytes());
    hasher.finalize().into()
}

impl Environments<'_> {
    /// The closure that was built here for a specification before.
    pub(super) fn built_before(&self, specification: &Digest) -> Option<Digest> {
        self.note("specifications", specification)?
            .trim()
            .parse()
            .ok()
    }

    pub(super) fn note_built(&self, specification: &Digest, closure: &Digest) {
        self.set_note("specifications", specification, &format!("{closure}\n"));
    }

    /// The pins of a `uv.lock` that was read before.
    pub(super) fn uv_lock_read_before(&self, key: &Digest) -> Option<Parsed> {
        let note = self.note("uv-locks", key)?;
        // A damaged note must not pass for other pins.
        let (sum, text) = note.split_once('\n')?;
        if sum != Digest::of(text.as_bytes()).to_string() {
            return None;
        }
        Requirements::parse(text).ok()
    }

    pub(super) fn note_uv_lock(&self, key: &Digest, pins: &Parsed) {
        let text = pins.requirements.to_string();
        let sum = Digest::of(text.as_bytes());
        self.set_note("uv-locks", key, &format!("{sum}\n{text}"));
    }

    fn note_path(&self, kind: &str, key: &Digest) -> Option<PathBuf> {
        let home = self.project.services.cache_home.as_ref()?;
        let folder = home.join("reproof").join(kind);
        Some(folder.join(key.to_hex().as_str()))
    }

    fn note(&self, kind: &str, key: &Digest) -> Option<String> {
        let path = self.note_path(kind, key)?;
        let bytes = self.project.io().read(&path, MAX_NOTE).ok()?;
        String::from_utf8(bytes).ok()
    }

    fn set_note(&self, kind: &str, key: &Digest, text: &str) {
        let Some(path) = self.note_path(kind, key) else {
            return;
        };
        let io = self.project.io();
        if let Some(folder) = path.parent() {
            let _ = io.create_dir_all(folder);
        }
        let _ = write_atomic(io, &path, text.as_bytes());
    }
}
