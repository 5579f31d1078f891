//! The index is derived: whatever becomes of it, the packs say what there is.

use reproof_store::StoreError;

use crate::{LIMIT, fresh, noise, open, packs, put};

/// Fills a store until its index is written.
fn filled() -> (tempfile::TempDir, reproof_store::Store) {
    let (folder, store) = fresh();
    for number in 0..60u32 {
        put(
            &store,
            &[&number.to_le_bytes(), &noise(2000, number.into())],
        );
    }
    assert!(store.root().join("index").exists());
    (folder, store)
}

fn check_all(store: &reproof_store::Store) {
    for number in 0..60u32 {
        let digest = reproof_record::Digest::of(&number.to_le_bytes());
        assert!(store.contains(&digest).unwrap());
        assert_eq!(store.read(&digest, LIMIT).unwrap(), number.to_le_bytes());
    }
    assert_eq!(store.blobs().unwrap().len(), 120);
    let nowhere = reproof_record::Digest::of(b"nowhere");
    let missing = store.read(&nowhere, LIMIT);
    assert!(matches!(missing, Err(StoreError::Missing { .. })));
}

#[test]
fn it_may_be_deleted() {
    let (_folder, store) = filled();
    check_all(&open(store.root()));
    std::fs::remove_file(store.root().join("index")).unwrap();
    check_all(&store);
    check_all(&open(store.root()));
}

#[test]
fn a_damaged_one_does_no_harm() {
    let (_folder, store) = filled();
    let path = store.root().join("index");
    let good = std::fs::read(&path).unwrap();
    for index in (0..good.len()).step_by(13) {
        let mut bad = good.clone();
        bad[index] ^= 1 << (index % 8);
        std::fs::write(&path, &bad).unwrap();
        check_all(&open(store.root()));
    }
    for length in (0..good.len()).step_by(101) {
        std::fs::write(&path, &good[..length]).unwrap();
        check_all(&open(store.root()));
    }
    std::fs::write(&path, b"nothing of the kind").unwrap();
    check_all(&open(store.root()));
}

/// Of another store, or of this one before packs came and went.
#[test]
fn one_that_lists_other_packs_does_no_harm() {
    let (_folder, store) = filled();
    let (_other_folder, other) = fresh();
    for number in 0..60u32 {
        put(&other, &[&noise(100, u64::from(number) + 1000)]);
    }
    let path = store.root().join("index");
    std::fs::copy(other.root().join("index"), &path).unwrap();
    check_all(&open(store.root()));
    let (_folder, store) = filled();
    let lost = store.whereabouts(&reproof_record::Digest::of(&7u32.to_le_bytes()));
    std::fs::remove_file(&lost.unwrap()[0].path).unwrap();
    let again = open(store.root());
    assert_eq!(again.blobs().unwrap().len(), 118);
    let digest = reproof_record::Digest::of(&7u32.to_le_bytes());
    assert!(!again.contains(&digest).unwrap());
    assert!(!store.contains(&digest).unwrap());
    put(&store, &[&7u32.to_le_bytes(), &noise(2000, 7)]);
    check_all(&store);
    check_all(&again);
    assert_eq!(packs(&store).len(), 60);
}

/// What another process commits is seen by one that opened the store before.
#[test]
fn others_are_seen() {
    let (_folder, store) = filled();
    let other = open(store.root());
    check_all(&other);
    let digest = put(&store, &[b"new"])[0].digest;
    assert!(other.contains(&digest).unwrap());
    assert_eq!(other.read(&digest, LIMIT).unwrap(), b"new");
}
