//! Catalogues of every version are brought up to date; those of later versions are refused.

use reproof_catalog::{
    BundleRow, Catalog, CatalogError, DataTag, ErasureRow, ExecutionFilter, SqliteCatalog,
};
use reproof_store::ErrorClass;
use rusqlite::Connection;

use crate::samples::{
    at, digest, file_digest, key, known_blob, name, recipe, record, run, snapshot, step_result,
    version as entry, version_id,
};
use crate::{fresh, open};

/// Catalogues as older versions and this one wrote them, kept for ever: see
/// `docs/formats/catalog.md`.
const VERSION_1: &str = include_str!("../fixtures/version-1.sql");
const VERSION_2: &str = include_str!("../fixtures/version-2.sql");
const VERSION_3: &str = include_str!("../fixtures/version-3.sql");
const VERSION_4: &str = include_str!("../fixtures/version-4.sql");

fn version(connection: &Connection) -> i64 {
    connection
        .query_row("PRAGMA user_version", [], |row| row.get(0))
        .unwrap()
}

/// A catalogue that this fixture holds, brought up to date.
fn of_fixture(fixture: &str, number: i64) -> (tempfile::TempDir, SqliteCatalog) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("catalog.db");
    let connection = Connection::open(&path).unwrap();
    connection.execute_batch(fixture).unwrap();
    assert_eq!(version(&connection), number);
    drop(connection);
    let catalog = open(&path);
    catalog.check().unwrap();
    (folder, catalog)
}

#[test]
fn a_catalogue_of_version_4_is_read() {
    let (_folder, catalog) = of_fixture(VERSION_4, 4);
    let family = catalog.recipes_of_family(&digest("family")).unwrap();
    assert_eq!(family, [recipe("r")]);
    assert_eq!(catalog.recipes_without_family().unwrap(), []);
}

#[test]
fn a_catalogue_of_version_3_is_read() {
    let (_folder, catalog) = of_fixture(VERSION_3, 3);
    // Families are derived: what has none is found.
    assert_eq!(catalog.recipes_without_family().unwrap(), [recipe("r")]);
    let erased = catalog.erased().unwrap();
    assert_eq!(erased, [(digest("b"), digest("erasure"))].into());
    let row = ErasureRow {
        id: digest("erasure"),
        created: at(4),
    };
    assert_eq!(catalog.erasures().unwrap(), [row]);
    let bundle = BundleRow {
        record: record("r", "a", 1).id,
        file: "r.bundle".to_owned(),
        user: "ada".to_owned(),
        created: at(5),
    };
    assert_eq!(catalog.bundles().unwrap(), [bundle]);
    // A version whose bytes are elsewhere is known, and they are not missed.
    let c = entry("churn", "c", Some("b"), 3);
    assert!(catalog.versions_of(&name("churn")).unwrap().contains(&c));
    let missed = |content| {
        let mentions = catalog.mentions().unwrap();
        let mut blobs = mentions.iter().flat_map(|mention| &mention.blobs);
        blobs.any(|blob| *blob == content)
    };
    assert!(!missed(c.content) && !missed(digest("b")));
    catalog.set_here(&c.content).unwrap();
    assert!(missed(c.content));
}

#[test]
fn a_catalogue_of_version_2_is_read() {
    let (_folder, catalog) = of_fixture(VERSION_2, 2);
    let facts = catalog.facts(&[digest("blob")]).unwrap();
    assert_eq!(facts[&digest("blob")], known_blob(1));
    let entry_of_run = record("r", "a", 1);
    let all = catalog.executions(&ExecutionFilter::default()).unwrap();
    assert_eq!(all, [run(1, Some(&entry_of_run))]);
    let churn = name("churn");
    let all = [
        entry("churn", "a", None, 1),
        entry("churn", "b", Some("a"), 2),
    ];
    assert_eq!(catalog.versions_of(&churn).unwrap(), all);
    let heads = catalog.data_heads(None).unwrap();
    assert_eq!(heads, [(churn.clone(), version_id("b"))]);
    let tag = DataTag {
        name: churn.clone(),
        tag: "v1".to_owned(),
        entry: version_id("a"),
        created: at(3),
    };
    assert_eq!(catalog.data_tags(&churn).unwrap(), [tag]);
    // And appended to.
    let more = entry("churn", "c", Some("b"), 4);
    assert!(
        catalog
            .append_version(&more, "s", Some(&version_id("b")))
            .unwrap()
    );
    catalog.check().unwrap();
}

#[test]
fn a_catalogue_of_version_1_is_read() {
    let (_folder, catalog) = of_fixture(VERSION_1, 1);
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
    // Derived, and of files that are no more.
    assert_eq!(catalog.facts(&[digest("blob")]).unwrap().len(), 0);
    assert_eq!(
        catalog.file_digests(&["a"]).unwrap()["a"],
        file_digest("x", 1)
    );
    assert_eq!(catalog.source("s").unwrap(), Some(snapshot("v")));
    assert_eq!(catalog.data_heads(None).unwrap(), []);
    // And written.
    catalog.finish(&run(2, Some(&entry)), Some(&entry)).unwrap();
    catalog.check().unwrap();
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
    fixture.execute_batch(VERSION_4).unwrap();
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
        .pragma_update(None, "user_version", 5)
        .unwrap();
    let error = SqliteCatalog::open(&path).unwrap_err();
    assert_eq!(error.class(), ErrorClass::Version);
    assert!(
        matches!(
            error,
            CatalogError::Newer {
                found: 5,
                known: 4,
                ..
            }
        ),
        "{error}"
    );
    let text = error.to_string();
    assert!(
        text.contains("version 5") && text.contains("up to 4"),
        "{text}"
    );
}
