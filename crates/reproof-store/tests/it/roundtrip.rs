//! What goes in comes out, and only after it was committed.

use std::io::{Read, Write};

use proptest::prelude::*;
use reproof_record::{ArtifactKind, Column, Digest, LogicalType, Schema, TableObject};
use reproof_store::fs::{Io, RealIo};
use reproof_store::{ErrorClass, Store, StoreError};
use serde_json::{Map, json};

use crate::{LIMIT, damage, fresh, leftovers, noise, open, packs, put, stream};

#[test]
fn nothing_is_visible_before_the_commit() {
    let (_folder, store) = fresh();
    let mut batch = store.batch();
    let info = batch.put(b"hello").unwrap();
    assert_eq!(info.digest, Digest::of(b"hello"));
    assert_eq!(info.size, 5);
    assert!(!store.contains(&info.digest).unwrap());
    assert!(matches!(
        store.read(&info.digest, LIMIT),
        Err(StoreError::Missing { .. })
    ));
    batch.commit().unwrap();
    assert!(store.contains(&info.digest).unwrap());
    assert_eq!(store.read(&info.digest, LIMIT).unwrap(), b"hello");
    assert_eq!(store.blobs().unwrap(), [info.digest]);
    assert_eq!(leftovers(&store), Vec::<String>::new());
}

#[test]
fn a_dropped_batch_leaves_nothing() {
    let (_folder, store) = fresh();
    let mut batch = store.batch();
    batch.put(b"one").unwrap();
    let mut open_writer = batch.writer().unwrap();
    open_writer.write_all(b"two").unwrap();
    drop(batch);
    drop(open_writer);
    assert_eq!(leftovers(&store), Vec::<String>::new());
    assert_eq!(store.blobs().unwrap(), []);
}

#[test]
fn equal_bytes_are_stored_once() {
    let (_folder, store) = fresh();
    put(&store, &[b"a", b"a", b"b"]);
    let before = store.whereabouts(&Digest::of(b"a")).unwrap();
    put(&store, &[b"a", b"c"]);
    assert_eq!(store.whereabouts(&Digest::of(b"a")).unwrap(), before);
    assert_eq!(store.blobs().unwrap().len(), 3);
    assert_eq!(leftovers(&store), Vec::<String>::new());
}

#[test]
fn sizes_around_the_block_come_back() {
    let (_folder, store) = fresh();
    let block = 1 << 20;
    for length in [0, 1, block - 1, block, block + 1, 2 * block, 3 * block + 7] {
        let bytes = noise(length, 1);
        let digest = put(&store, &[&bytes])[0].digest;
        assert_eq!(store.read(&digest, LIMIT).unwrap(), bytes);
        assert_eq!(stream(&store, &digest).unwrap(), bytes);
        let facts = store.verify_blob(&digest).unwrap();
        assert_eq!(store.unchanged(&[(digest, &facts)]).unwrap(), [true]);
    }
}

#[test]
fn many_writers_may_be_open_at_once() {
    let (_folder, store) = fresh();
    let mut batch = store.batch();
    let mut writers: Vec<_> = (0..20).map(|_| batch.writer().unwrap()).collect();
    for round in 0..10u8 {
        for (index, writer) in writers.iter_mut().enumerate() {
            writer.write_all(&[index as u8, round]).unwrap();
        }
    }
    let infos: Vec<_> = writers
        .into_iter()
        .map(|writer| batch.add(writer).unwrap())
        .collect();
    batch.commit().unwrap();
    for (index, info) in infos.iter().enumerate() {
        let expected: Vec<_> = (0..10u8).flat_map(|round| [index as u8, round]).collect();
        assert_eq!(store.read(&info.digest, LIMIT).unwrap(), expected);
    }
}

/// More blobs in one batch than a process may have files open by default.
#[test]
fn a_batch_of_many_small_blobs() {
    let (_folder, store) = fresh();
    let mut batch = store.batch();
    for number in 0..1100u32 {
        batch.put(&number.to_le_bytes()).unwrap();
    }
    batch.commit().unwrap();
    assert_eq!(store.blobs().unwrap().len(), 1100);
}

#[test]
fn a_limit_bounds_what_is_unpacked() {
    let (_folder, store) = fresh();
    // 16 MiB of zeros are one chunk 64 times: about 3 kB in the store.
    let zeros = vec![0; 16 << 20];
    let digest = put(&store, &[&zeros])[0].digest;
    assert!(std::fs::metadata(&packs(&store)[0]).unwrap().len() < 4096);
    let error = store.read(&digest, 1 << 20).unwrap_err();
    let StoreError::TooLarge { size, limit, .. } = error else {
        panic!("{error}")
    };
    assert_eq!(limit, 1 << 20);
    assert_eq!(size, 16 << 20);
    assert_eq!(store.read(&digest, 16 << 20).unwrap().len(), 16 << 20);
}

#[test]
fn a_reader_gives_any_piece_size() {
    let (_folder, store) = fresh();
    let bytes = noise((1 << 20) + 500, 2);
    let digest = put(&store, &[&bytes])[0].digest;
    let mut reader = store.reader(&digest).unwrap();
    assert_eq!(reader.read(&mut []).unwrap(), 0);
    let mut found = Vec::new();
    let mut piece = vec![0; 77_777];
    loop {
        let count = reader.read(&mut piece).unwrap();
        if count == 0 {
            break;
        }
        found.extend_from_slice(&piece[..count]);
    }
    assert!(found == bytes);
    assert_eq!(reader.read(&mut piece).unwrap(), 0);
}

#[test]
fn trees_and_tables_are_described_by_objects() {
    let (_folder, store) = fresh();
    let mut batch = store.batch();
    let (one, two) = (batch.put(b"1").unwrap(), batch.put(b"22").unwrap());
    let files = vec![
        ("b".parse().unwrap(), true, two),
        ("a/x".parse().unwrap(), false, one),
    ];
    let metadata = Map::from_iter([("rows".to_owned(), json!(3))]);
    let model = batch.put_tree(
        ArtifactKind::Model,
        "application/json",
        files,
        metadata.clone(),
    );
    let model = model.unwrap();
    let schema = Schema::new(vec![Column {
        name: "x".to_owned(),
        logical_type: LogicalType::Integer,
    }]);
    let object = TableObject {
        format: TableObject::FORMAT.to_owned(),
        schema: schema.unwrap(),
        rows: 2,
        columns: vec![two.digest],
    };
    let table = batch.put_table(&object, &[two], metadata.clone()).unwrap();
    let wrong = batch.put_table(&object, &[one], metadata);
    assert!(matches!(wrong, Err(StoreError::Inconsistent { .. })));
    let twice = vec![
        ("a".parse().unwrap(), true, one),
        ("a".parse().unwrap(), true, two),
    ];
    let twice = batch.put_tree(ArtifactKind::Files, "text/plain", twice, Map::new());
    assert!(matches!(twice, Err(StoreError::Inconsistent { .. })));
    batch.commit().unwrap();

    let tree = store.tree(&model.artifact.digest).unwrap();
    let paths: Vec<_> = tree.files.iter().map(|file| file.path.as_str()).collect();
    assert_eq!(paths, ["a/x", "b"]);
    assert!(tree.files[1].executable);
    let manifest = store.manifest(&model.manifest).unwrap();
    assert_eq!(manifest.artifact(), model.artifact);
    assert_eq!(manifest.files[0].size, 1);
    assert_eq!(manifest.metadata["rows"], 3);
    assert_eq!(store.table_object(&table.artifact.digest).unwrap(), object);
    let manifest = store.manifest(&table.manifest).unwrap();
    assert_eq!(manifest.kind, ArtifactKind::Table);
    assert_eq!(manifest.files[0].digest, two.digest);
    // An object of another kind is not taken for one of this kind.
    let error = store.manifest(&table.artifact.digest).unwrap_err();
    assert!(error.to_string().contains("reproof.table/1"), "{error}");
}

#[test]
fn objects_of_later_versions_are_refused_by_name() {
    let (_folder, store) = fresh();
    let check = |text: &str, class: ErrorClass| {
        let digest = put(&store, &[text.as_bytes()])[0].digest;
        let error = store.tree(&digest).unwrap_err();
        assert_eq!(error.class(), class, "{error}");
        error.to_string()
    };
    let message = check(
        r#"{"format":"reproof.tree/2","entries":[]}"#,
        ErrorClass::Version,
    );
    assert!(message.contains("'reproof.tree/2'"), "{message}");
    check(
        r#"{"files":[],"format":"reproof.tree/1","more":1}"#,
        ErrorClass::Integrity,
    );
    check(
        r#"{"format":"reproof.tree/1","files":[]}"#,
        ErrorClass::Integrity,
    );
    check("nothing of the kind", ErrorClass::Integrity);
    let digest = Digest::of(b"");
    let file = |path| format!(r#"{{"digest":"{digest}","executable":false,"path":"{path}"}}"#);
    let tree = |files: &[String]| {
        format!(
            r#"{{"files":[{}],"format":"reproof.tree/1"}}"#,
            files.join(",")
        )
    };
    check(&tree(&[file("b"), file("a")]), ErrorClass::Integrity);
    check(&tree(&[file("a"), file("a")]), ErrorClass::Integrity);
    check(&tree(&[file("../a")]), ErrorClass::Integrity);
}

#[test]
fn another_format_is_refused() {
    let (folder, store) = fresh();
    let root = store.root().to_owned();
    let check = |format: &str, class: ErrorClass| {
        std::fs::write(root.join("FORMAT"), format).unwrap();
        let error = Store::open(&root, store.io().clone()).unwrap_err();
        assert_eq!(error.class(), class, "{error}");
        error.to_string()
    };
    let message = check("reproof.store/3\n", ErrorClass::Version);
    assert!(message.contains("'reproof.store/3'"), "{message}");
    check("", ErrorClass::Integrity);
    check("reproof.store/2", ErrorClass::Integrity);
    check("seproof.store/1\n", ErrorClass::Integrity);
    let nowhere = folder.path().join("nowhere");
    let error = Store::open_existing(&nowhere, store.io().clone()).unwrap_err();
    assert!(matches!(error, StoreError::NoStore { .. }), "{error}");
    assert!(!nowhere.exists());
}

#[test]
fn old_temporary_files_are_swept() {
    let (_folder, store) = fresh();
    let old = store.temp_dir().join("old");
    let young = store.temp_dir().join("young");
    std::fs::write(&old, "x").unwrap();
    std::fs::write(&young, "x").unwrap();
    let yesterday = std::time::SystemTime::now() - std::time::Duration::from_hours(25);
    let file = std::fs::File::options().write(true).open(&old).unwrap();
    file.set_modified(yesterday).unwrap();
    open(store.root());
    assert!(!old.exists());
    assert!(young.exists());
}

#[test]
fn facts_are_believed_only_of_files_at_rest() {
    let (_folder, store) = fresh();
    let digest = put(&store, &[b"x"])[0].digest;
    let known = store.verify_blob(&digest).unwrap();
    let path = &packs(&store)[0];
    let facts = RealIo.metadata(path).unwrap();
    let latest = facts.mtime_ns.max(facts.ctime_ns);
    assert!(!known.settled(latest));
    assert!(!known.settled(latest + 1_999_999_999));
    assert!(known.settled(latest + 2_000_000_000));
    // Another pack changes nothing, a change of this one does.
    put(&store, &[b"y"]);
    assert_eq!(
        store
            .unchanged(&[(digest, &known), (digest, &known)])
            .unwrap(),
        [true, true]
    );
    damage(path, |bytes| bytes[0] ^= 1);
    assert_eq!(store.unchanged(&[(digest, &known)]).unwrap(), [false]);
    std::fs::remove_file(path).unwrap();
    assert_eq!(store.unchanged(&[(digest, &known)]).unwrap(), [false]);
    assert_eq!(store.unchanged(&[]).unwrap(), [false; 0]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// However the bytes are cut on their way in, the same blob comes of it.
    #[test]
    fn any_partition_gives_the_same_blob(
        bytes in prop::collection::vec(any::<u8>(), 0..5000),
        cuts in prop::collection::vec(1usize..700, 1..40),
    ) {
        let (_folder, store) = fresh();
        let mut batch = store.batch();
        let mut writer = batch.writer().unwrap();
        let mut rest = bytes.as_slice();
        for cut in cuts {
            let (piece, after) = rest.split_at(cut.min(rest.len()));
            writer.write_all(piece).unwrap();
            rest = after;
        }
        writer.write_all(rest).unwrap();
        let info = batch.add(writer).unwrap();
        batch.commit().unwrap();
        prop_assert_eq!(info.digest, Digest::of(&bytes));
        prop_assert_eq!(info.size, bytes.len() as u64);
        prop_assert_eq!(store.read(&info.digest, LIMIT).unwrap(), bytes.clone());
        prop_assert_eq!(stream(&store, &info.digest).unwrap(), bytes);
    }
}
