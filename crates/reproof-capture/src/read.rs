//! From a list of paths to the entries of a tree.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use reproof_record::{Digest, RelativePath, TreeEntry};
use reproof_store::fs::{Facts, FileKind, Io, IoError};
use reproof_store::{leaves_tree, link_digest, link_target};

use crate::cache::{CachedDigest, DigestCache};
use crate::error::CaptureError;
use crate::secrets::{secret_bytes, secret_name};

/// Files of more bytes than this count by reference, not as code: 10 MB.
pub const LARGE: u64 = 10_000_000;

/// How far the time stamps of files may lag behind the clock: the kernel stamps with a clock that
/// ticks every 10 ms at the slowest.
const TICK_NS: i64 = 20_000_000;

/// How often a file that changes while it is read is read again.
const READS: usize = 3;

/// A file that may be code.
#[derive(Clone, Debug)]
pub(crate) struct Candidate<'a> {
    /// Its path inside the project.
    pub path: Cow<'a, str>,
    /// Whether some version of it is part of the commit. Then it is no secret any more.
    pub committed: bool,
    /// Git's name for its bytes, if they are those of the commit or index.
    pub blob: Option<Cow<'a, str>>,
}

/// Reads candidates, one after the other.
pub(crate) struct Reader<'a> {
    project: &'a Path,
    io: &'a dyn Io,
    started_ns: i64,
    known: BTreeMap<String, CachedDigest>,
    fresh: Vec<(String, CachedDigest)>,
    /// What became the tree.
    pub entries: Vec<TreeEntry>,
    /// The links in it, and where they point.
    pub links: BTreeMap<String, String>,
    /// What did not, and why.
    pub left_out: BTreeMap<String, String>,
    /// Files that changed since the capture began, or a moment before it.
    pub recent: BTreeMap<String, Facts>,
    /// Files of which no patch is to be kept, and why.
    pub unpatched: BTreeMap<String, &'static str>,
    /// The facts of the files that the caller watches.
    pub watched: BTreeMap<String, Facts>,
}

impl<'a> Reader<'a> {
    /// A reader for a capture that began at this time.
    pub(crate) fn new(project: &'a Path, io: &'a dyn Io, started_ns: i64) -> Self {
        Self {
            project,
            io,
            started_ns,
            known: BTreeMap::new(),
            fresh: Vec::new(),
            entries: Vec::new(),
            links: BTreeMap::new(),
            left_out: BTreeMap::new(),
            recent: BTreeMap::new(),
            unpatched: BTreeMap::new(),
            watched: BTreeMap::new(),
        }
    }

    /// Reads all candidates; digests that had to be computed go into the cache. The facts of the
    /// paths in `watch` are kept.
    pub(crate) fn read_all(
        &mut self,
        candidates: &[Candidate<'_>],
        cache: &dyn DigestCache,
        watch: &BTreeSet<&str>,
    ) -> Result<(), CaptureError> {
        let paths: Vec<&str> = candidates
            .iter()
            .map(|candidate| &*candidate.path)
            .collect();
        self.known = cache.get(&paths);
        self.entries.reserve(candidates.len());
        for candidate in candidates {
            self.read(candidate, watch.contains(&*candidate.path))?;
        }
        if !self.fresh.is_empty() {
            cache.set(&std::mem::take(&mut self.fresh));
        }
        Ok(())
    }

    fn read(&mut self, candidate: &Candidate<'_>, watch: bool) -> Result<(), CaptureError> {
        let path = &*candidate.path;
        let relative = match RelativePath::new(path) {
            Ok(relative) => relative,
            Err(error) => {
                self.leave_out(
                    path,
                    format!("its name cannot be recorded: {}", error.reason),
                );
                return Ok(());
            }
        };
        let full = self.project.join(path);
        let facts = match self.io.metadata(&full) {
            Ok(facts) => facts,
            Err(error) if gone(&error) => return Ok(()),
            Err(error) => return self.unreadable(candidate, error),
        };
        if facts.ctime_ns >= self.started_ns.saturating_sub(TICK_NS) {
            self.recent.insert(path.to_owned(), facts);
        }
        if watch {
            self.watched.insert(path.to_owned(), facts);
        }
        let digest = match facts.kind {
            FileKind::File => self.file(candidate, &full, facts)?,
            FileKind::Link => self.link(candidate, &full)?,
            FileKind::Folder => {
                self.leave_out(path, "a folder stands where a file is expected");
                None
            }
            FileKind::Other => {
                self.leave_out(path, "neither a file, nor a folder, nor a link");
                None
            }
        };
        if let Some(digest) = digest {
            let executable = facts.kind == FileKind::File && facts.executable;
            self.entries.push(TreeEntry {
                path: relative,
                executable,
                digest,
            });
        }
        Ok(())
    }

    fn link(
        &mut self,
        candidate: &Candidate<'_>,
        full: &Path,
    ) -> Result<Option<Digest>, CaptureError> {
        let path = &*candidate.path;
        let target = self.io.read_link(full)?;
        if let Some(reason) = leaves_tree(path.matches('/').count(), &target) {
            self.leave_out(path, reason);
            return Ok(None);
        }
        let Some(text) = target.to_str() else {
            self.leave_out(path, "a link to a name that is not valid UTF-8");
            return Ok(None);
        };
        self.links.insert(path.to_owned(), text.to_owned());
        Ok(Some(link_digest(&target)))
    }

    fn file(
        &mut self,
        candidate: &Candidate<'_>,
        full: &Path,
        facts: Facts,
    ) -> Result<Option<Digest>, CaptureError> {
        let path = &*candidate.path;
        let name = path.rsplit('/').next().unwrap_or(path);
        if !candidate.committed
            && let Some(reason) = secret_name(name)
        {
            self.leave_out_secret(path, reason);
            return Ok(None);
        }
        if facts.size > LARGE {
            let blob = candidate
                .blob
                .as_ref()
                .map(|blob| format!(", git blob {blob}"));
            let reason = format!(
                "larger than 10 MB, counts by reference: {} bytes{}",
                facts.size,
                blob.unwrap_or_default()
            );
            self.leave_out(path, reason);
            self.unpatched
                .insert(path.to_owned(), "it is larger than 10 MB");
            return Ok(None);
        }
        if let Some(known) = self.known.get(path)
            && known.holds(&facts)
        {
            return Ok(Some(known.digest));
        }
        let hashed_at_ns = now_ns();
        let (bytes, facts) = match self.bytes(path, full) {
            Ok(read) => read,
            Err(CaptureError::Io(error)) if gone(&error) => {
                // Git has just seen it, so the capture is to begin anew.
                self.recent.insert(path.to_owned(), facts);
                return Ok(None);
            }
            Err(CaptureError::Io(error)) => {
                return self.unreadable(candidate, error).map(|()| None);
            }
            Err(error) => return Err(error),
        };
        if link_target(&bytes).is_some() {
            self.leave_out(path, "its bytes begin as those that stand for a link");
            return Ok(None);
        }
        let digest = Digest::of(&bytes);
        match secret_bytes(&bytes) {
            Some(reason) if !candidate.committed => {
                self.leave_out_secret(path, reason);
                return Ok(None);
            }
            Some(reason) => {
                self.unpatched.insert(path.to_owned(), reason);
            }
            None => {
                let cached = CachedDigest {
                    facts,
                    hashed_at_ns,
                    digest,
                };
                if cached.holds(&facts) {
                    self.fresh.push((path.to_owned(), cached));
                }
            }
        }
        Ok(Some(digest))
    }

    /// The bytes of a file that was the same before and after they were read.
    fn bytes(&self, path: &str, full: &Path) -> Result<(Vec<u8>, Facts), CaptureError> {
        for _ in 0..READS {
            let mut file = self.io.open_read(full)?;
            let before = file.facts()?;
            let mut bytes = Vec::with_capacity(before.size.min(LARGE) as usize + 1);
            let read = (&mut file).take(LARGE + 1).read_to_end(&mut bytes);
            read.map_err(|source| IoError::new("read", full, source))?;
            let whole = before.kind == FileKind::File && bytes.len() as u64 == before.size;
            // Not through a link that took the file's place in the meantime.
            if whole && file.facts()? == before && self.io.metadata(full)? == before {
                return Ok((bytes, before));
            }
        }
        Err(CaptureError::Changing {
            path: shown(path.as_bytes()),
        })
    }

    fn unreadable(
        &mut self,
        candidate: &Candidate<'_>,
        error: IoError,
    ) -> Result<(), CaptureError> {
        if candidate.committed || error.kind() != std::io::ErrorKind::PermissionDenied {
            return Err(error.into());
        }
        self.leave_out(&candidate.path, "it may not be read: permission denied");
        Ok(())
    }

    fn leave_out_secret(&mut self, path: &str, reason: &'static str) {
        self.leave_out(path, format!("looks like a secret: {reason}"));
        self.unpatched.insert(path.to_owned(), reason);
    }

    fn leave_out(&mut self, path: &str, reason: impl Into<String>) {
        self.left_out.insert(shown(path.as_bytes()), reason.into());
    }
}

/// Whether nothing is there: the path, or a folder above it, was removed or replaced.
pub(crate) fn gone(error: &IoError) -> bool {
    matches!(
        error.kind(),
        std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory
    )
}

/// A path as it is shown to a person: control characters and what is not UTF-8 are escaped.
pub(crate) fn shown(path: &[u8]) -> String {
    let mut text = String::with_capacity(path.len());
    for character in String::from_utf8_lossy(path).chars() {
        if character.is_control() {
            text.extend(character.escape_default());
        } else {
            text.push(character);
        }
    }
    text
}

/// The time, in nanoseconds since 1970.
pub(crate) fn now_ns() -> i64 {
    let elapsed = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(elapsed.as_nanos()).unwrap_or(i64::MAX)
}
