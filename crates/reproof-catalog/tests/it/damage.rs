//! A catalogue that was changed by something else says so, and says what to do.

use std::path::{Path, PathBuf};

use reproof_catalog::{Catalog, CatalogError, ExecutionFilter, SqliteCatalog};
use reproof_store::ErrorClass;
use rusqlite::Connection;

use crate::samples::{digest, file_digest, key, known_blob, record, run, snapshot, step_result};
use crate::{fresh, open};

/// A closed catalogue that holds something of everything.
fn filled() -> (tempfile::TempDir, PathBuf) {
    let (folder, catalog) = fresh();
    let entry = record("r", "a", 1);
    catalog.finish(&run(1, Some(&entry)), Some(&entry)).unwrap();
    catalog
        .add_step_result(&step_result("k", "in", "out", 1))
        .unwrap();
    catalog
        .set_facts(&[(digest("blob"), known_blob(1))])
        .unwrap();
    catalog
        .set_file_digests(&[("a".to_owned(), file_digest("x", 1))])
        .unwrap();
    catalog.set_source("s", &snapshot("v")).unwrap();
    drop(catalog);
    let path = folder.path().join("catalog.db");
    (folder, path)
}

/// Reads everything that `filled` wrote.
fn read_all(path: &Path) -> Result<(), CatalogError> {
    let catalog = SqliteCatalog::open(path)?;
    catalog.record(&record("r", "a", 1).id)?;
    catalog.records_of(&record("r", "a", 1).recipe)?;
    catalog.executions(&ExecutionFilter::default())?;
    catalog.step_results(&key("k"))?;
    catalog.lineage(&digest("out"))?;
    catalog.lineage(&digest("in"))?;
    catalog.facts(&[digest("blob")])?;
    catalog.file_digests(&["a"])?;
    catalog.source("s")?;
    catalog.check()
}

fn check_damaged(error: &CatalogError, path: &Path) {
    assert_eq!(error.class(), ErrorClass::Integrity, "{error}");
    let text = error.to_string();
    assert!(text.contains(path.to_str().unwrap()), "{text}");
    assert!(text.contains("put a copy in its place"), "{text}");
}

#[test]
fn something_else_is_not_a_catalogue() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("catalog.db");
    std::fs::write(
        &path,
        "this is no database, and longer than its header would be".repeat(9),
    )
    .unwrap();
    check_damaged(&SqliteCatalog::open(&path).unwrap_err(), &path);
}

#[test]
fn a_missing_folder_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("no").join("catalog.db");
    let error = SqliteCatalog::open(&path).unwrap_err();
    assert_eq!(error.class(), ErrorClass::Storage, "{error}");
    assert!(
        error.to_string().contains(path.to_str().unwrap()),
        "{error}"
    );
}

#[test]
fn a_catalogue_cut_short_is_damaged() {
    let (_folder, path) = filled();
    let good = std::fs::read(&path).unwrap();
    for length in [1, 99, 100, 4096, good.len() / 2, good.len() - 4096] {
        std::fs::write(&path, &good[..length]).unwrap();
        check_damaged(&read_all(&path).unwrap_err(), &path);
    }
}

/// One changed byte never gives wrong values: it is found, or it is in a byte that means nothing.
#[test]
fn a_flipped_byte_never_changes_what_is_read() {
    let (_folder, path) = filled();
    let good = std::fs::read(&path).unwrap();
    let (entry, result) = (record("r", "a", 1), step_result("k", "in", "out", 1));
    let mut found = 0;
    // Every byte would take too long; an odd step meets every part of a page, a thousand times in all.
    for at in (0..good.len()).step_by((good.len() / 1000) | 1) {
        let mut bad = good.clone();
        bad[at] ^= 0x20;
        std::fs::write(&path, &bad).unwrap();
        if let Err(error) = read_all(&path) {
            assert_ne!(error.class(), ErrorClass::Bug, "byte {at}: {error}");
            found += 1;
        }
        let Ok(catalog) = SqliteCatalog::open(&path) else {
            continue;
        };
        if let Ok(Some(read)) = catalog.record(&entry.id) {
            assert_eq!(read, entry, "byte {at}");
        }
        if let Ok(Some(read)) = catalog.execution(&run(1, None).id) {
            assert_eq!(read, run(1, Some(&entry)), "byte {at}");
        }
        for read in catalog.step_results(&key("k")).unwrap_or_default() {
            assert_eq!(read, result, "byte {at}");
        }
        for read in catalog
            .facts(&[digest("blob")])
            .unwrap_or_default()
            .values()
        {
            assert_eq!(read, &known_blob(1), "byte {at}");
        }
        for read in catalog.file_digests(&["a"]).unwrap_or_default().values() {
            assert_eq!(read, &file_digest("x", 1), "byte {at}");
        }
        if let Ok(Some(read)) = catalog.source("s") {
            assert_eq!(read, snapshot("v"), "byte {at}");
        }
    }
    assert!(found > 20, "{found}");
}

#[test]
fn a_changed_row_is_damage_where_it_cannot_be_made_again() {
    for (change, damaged) in [
        (
            "UPDATE executions SET document = replace(document, 'ada', 'eve')",
            true,
        ),
        ("UPDATE executions SET pipeline = 'other'", true),
        ("UPDATE records SET created = created + 1", true),
        ("UPDATE step_results SET outputs = '{}'", true),
        ("UPDATE step_artifacts SET kind = 'report'", true),
        ("UPDATE blob_facts SET hashed_at = hashed_at + 1", false),
        (
            "UPDATE file_digests SET digest = replace(digest, 'a', 'b')",
            false,
        ),
        (
            "UPDATE sources SET snapshot = replace(snapshot, '7043', '7044')",
            false,
        ),
    ] {
        let (_folder, path) = filled();
        let changed = Connection::open(&path)
            .unwrap()
            .execute(change, [])
            .unwrap();
        assert!(changed >= 1, "{change}");
        let catalog = open(&path);
        check_damaged(&catalog.check().unwrap_err(), &path);
        let everything = || {
            catalog.record(&record("r", "a", 1).id)?;
            catalog.executions(&ExecutionFilter::default())?;
            catalog.step_results(&key("k"))?;
            catalog.lineage(&digest("out"))?;
            catalog.lineage(&digest("in"))?;
            let facts = catalog.facts(&[digest("blob")])?.len();
            let files = catalog.file_digests(&["a"])?.len();
            let sources = usize::from(catalog.source("s")?.is_some());
            Ok(facts + files + sources)
        };
        match everything() {
            Err(error) => {
                assert!(damaged, "{change}: {error}");
                check_damaged(&error, &path);
            }
            // The changed one is left out.
            Ok(derived) => assert!(!damaged && derived == 2, "{change}"),
        }
    }
}

#[test]
fn a_lost_table_is_damage() {
    let (_folder, path) = filled();
    Connection::open(&path)
        .unwrap()
        .execute("DROP TABLE step_results", [])
        .unwrap();
    check_damaged(&open(&path).step_results(&key("k")).unwrap_err(), &path);
}
