//! Lets the capture of code remember file digests in the catalogue.

use std::collections::BTreeMap;
use std::sync::Mutex;

use reproof_capture::{CachedDigest, DigestCache};
use reproof_catalog::{CatalogError, FileDigest, KnownFacts};
use reproof_record::Timestamp;

use crate::{EngineError, Project};

/// File digests in the catalogue, by path inside the project.
pub(crate) struct CatalogDigests<'a> {
    project: &'a Project,
    // The cache's interface has no errors, because a capture can do without it; the run cannot
    // go on with a broken catalogue, so the first error is kept.
    error: Mutex<Option<CatalogError>>,
}

impl<'a> CatalogDigests<'a> {
    pub fn new(project: &'a Project) -> Self {
        Self {
            project,
            error: Mutex::new(None),
        }
    }

    /// The first error that the catalogue gave, if any.
    pub fn finish(self) -> Result<(), EngineError> {
        let error = self
            .error
            .into_inner()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        error.map_or(Ok(()), |error| Err(error.into()))
    }

    fn keep(&self, error: CatalogError) {
        let mut kept = self
            .error
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        kept.get_or_insert(error);
    }
}

impl DigestCache for CatalogDigests<'_> {
    fn get(&self, paths: &[&str]) -> BTreeMap<String, CachedDigest> {
        if self.project.paranoid {
            return BTreeMap::new();
        }
        let found = self
            .project
            .catalog
            .file_digests(paths)
            .unwrap_or_else(|error| {
                self.keep(error);
                BTreeMap::new()
            });
        let cached = |file: FileDigest| CachedDigest {
            facts: file.known.facts,
            hashed_at_ns: file.known.hashed_at.0.saturating_mul(1000),
            digest: file.digest,
        };
        found
            .into_iter()
            .map(|(path, file)| (path, cached(file)))
            .collect()
    }

    fn set(&self, digests: &[(String, CachedDigest)]) {
        let file = |cached: &CachedDigest| FileDigest {
            known: KnownFacts {
                facts: cached.facts,
                hashed_at: Timestamp(cached.hashed_at_ns / 1000),
            },
            digest: cached.digest,
        };
        let files: Vec<_> = digests
            .iter()
            .map(|(path, cached)| (path.clone(), file(cached)))
            .collect();
        if let Err(error) = self.project.catalog.set_file_digests(&files) {
            self.keep(error);
        }
    }
}
