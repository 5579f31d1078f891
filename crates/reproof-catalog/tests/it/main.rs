//! The catalogue as its users see it. What every implementation must do is in `conformance`.

// Tests make and damage files on purpose, so they go around the module that guards them.
#![allow(clippy::disallowed_methods)]
// Clippy knows a test by its attribute; what tests share has none.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod conformance;
mod damage;
mod migrations;
mod processes;
mod samples;

use std::path::Path;

use reproof_catalog::SqliteCatalog;

fn open(path: &Path) -> SqliteCatalog {
    SqliteCatalog::open(path).unwrap()
}

/// A catalogue in a folder of its own, which is removed with the first of the two.
fn fresh() -> (tempfile::TempDir, SqliteCatalog) {
    let folder = tempfile::tempdir().unwrap();
    let catalog = open(&folder.path().join("catalog.db"));
    (folder, catalog)
}
