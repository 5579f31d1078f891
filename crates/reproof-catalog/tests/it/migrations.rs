//! Catalogues of every version are brought up to date; those of later versions are refused.

use reproof_catalog::{Catalog, CatalogError, ExecutionFilter, KnownBlob, SqliteCatalog};
use reproof_store::ErrorClass;
use rusqlite::Connection;

use crate::samples::{digest, file_digest, key, known_blob, record, run, snapshot, step_result};
use crate::{fresh, open};

/// A catalogue as version 1 wrote it, kept for ever: see `docs/formats/catalog.md`.
const VERSION_1: &str = include_str!("../fixtures/version-1.sql");
/// And as version 2 did: what it says of blobs is the facts of packs.
const VERSION_2: &str = include_str!("../fixtures/version-2.sql");

fn version(connection: &Connection) -> i64 {
    connection
        .query_row("PRAGMA user_version", [], |row| row.get(0))
        .unwrap()
}

#[test]
fn a_catalogue_of_version_1_is_read() {
    let known = check_read(VERSION_1, 1);
    // Derived, and of files that are no more.
    assert_eq!(known, None);
}

#[test]
fn a_catalogue_of_version_2_is_read() {
    assert_eq!(check_read(VERSION_2, 2), Some(known_blob(1)));
}

/// Reads all of a fixture, and gives what it knows of a blob.
fn check_read(fixture: &str, number: i64) -> Option<KnownBlob> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("catalog.db");
    let connection = Connection::open(&path).unwrap();
    connection.execute_batch(fixture).unwrap();
    assert_eq!(version(&connection), number);
    drop(connection);

    let catalog = open(&path);
    catalog.check().unwrap();
    let entry = record("r", "a", 1);
    assert_eq!(catalog.record(&entry.id).unwrap(), Some(entry.clone()));
    let all = catalog.executions(&ExecutionFilter::default()).unwrap();
    assert_eq!(all, [run(1, Some(&entry))]);
    assert_eq!(
        catalog.step_results(&key("k")).unwrap(),
        [step_result("k", "in", "out", 1)]
    );
    assert_eq!(
        catalog.lineage(&digest("in")).unwrap().used_by[0].key,
        key("k")
    );
    assert_eq!(
        catalog.file_digests(&["a"]).unwrap()["a"],
        file_digest("x", 1)
    );
    assert_eq!(catalog.source("s").unwrap(), Some(snapshot("v")));
    // And written.
    catalog.finish(&run(2, Some(&entry)), Some(&entry)).unwrap();
    catalog.check().unwrap();
    catalog
        .facts(&[digest("blob")])
        .unwrap()
        .remove(&digest("blob"))
}

/// The newest fixture is what this version writes. A difference means that a migration is missing.
#[test]
fn the_newest_fixture_has_the_tables_of_this_version() {
    let schema = |connection: &Connection| -> Vec<String> {
        let query = "SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY name";
        let mut statement = connection.prepare(query).unwrap();
        let rows = statement.query_map([], |row| row.get(0)).unwrap();
        rows.map(Result::unwrap).collect()
    };
    let (folder, catalog) = fresh();
    drop(catalog);
    let made = Connection::open(folder.path().join("catalog.db")).unwrap();
    let fixture = Connection::open_in_memory().unwrap();
    fixture.execute_batch(VERSION_2).unwrap();
    assert_eq!(schema(&made), schema(&fixture));
    assert_eq!(version(&made), version(&fixture));
    let mode: String = made
        .query_row("PRAGMA journal_mode", [], |row| row.get(0))
        .unwrap();
    assert_eq!(mode, "wal");
}

#[test]
fn a_later_version_is_refused_by_name() {
    let (folder, catalog) = fresh();
    drop(catalog);
    let path = folder.path().join("catalog.db");
    Connection::open(&path)
        .unwrap()
        .pragma_update(None, "user_version", 3)
        .unwrap();
    let error = SqliteCatalog::open(&path).unwrap_err();
    assert_eq!(error.class(), ErrorClass::Version);
    assert!(
        matches!(
            error,
            CatalogError::Newer {
                found: 3,
                known: 2,
                ..
            }
        ),
        "{error}"
    );
    let text = error.to_string();
    assert!(
        text.contains("version 3") && text.contains("up to 2"),
        "{text}"
    );
}
