//! Large blobs: cut by their content, so that equal parts are stored once, and what changed a
//! little as what changed.

use std::io::Write;

use reproof_record::Digest;
use reproof_store::Store;

use crate::{LIMIT, fresh, noise, open, packs, put, stream};

fn stored_bytes(store: &Store) -> u64 {
    let sizes = packs(store).into_iter();
    sizes
        .map(|path| std::fs::metadata(path).unwrap().len())
        .sum()
}

/// Stores bytes as what replaces an earlier blob.
pub fn replace(store: &Store, previous: &Digest, bytes: &[u8]) -> Digest {
    let mut batch = store.batch();
    let mut writer = batch.writer_replacing(previous).unwrap();
    for piece in bytes.chunks(70_001) {
        writer.write_all(piece).unwrap();
    }
    let digest = batch.add(writer).unwrap().digest;
    batch.commit().unwrap();
    digest
}

/// Rows that look like a table's.
pub fn rows(count: usize, changed: impl Fn(usize) -> bool) -> Vec<u8> {
    let mut text = String::new();
    for row in 0..count {
        let noise = u64::from_le_bytes(noise(8, row as u64).try_into().unwrap());
        let value = if changed(row) { noise / 3 } else { noise };
        text += &format!(
            "{row},{value},Month-to-month,{}.{:02}\n",
            noise % 97,
            noise % 89
        );
    }
    text.into_bytes()
}

#[test]
fn sizes_around_the_limits_come_back() {
    let (_folder, store) = fresh();
    let chunk = 256 << 10;
    for length in [
        16 << 10,
        chunk - 1,
        chunk,
        chunk + 1,
        (1 << 20) + 1,
        5 << 20,
    ] {
        for bytes in [noise(length, 1), vec![0; length]] {
            let digest = put(&store, &[&bytes])[0].digest;
            assert!(store.read(&digest, LIMIT).unwrap() == bytes);
            assert!(stream(&store, &digest).unwrap() == bytes);
            let facts = store.verify_blob(&digest).unwrap();
            assert_eq!(store.unchanged(&[(digest, &facts)]).unwrap(), [true]);
        }
    }
    assert_eq!(store.check().unwrap().damage, []);
}

#[test]
fn equal_parts_are_stored_once() {
    let (_folder, store) = fresh();
    let bytes = noise(8 << 20, 1);
    put(&store, &[&bytes]);
    let before = stored_bytes(&store);
    assert!(before < (8 << 20) + (8 << 13), "{before}");
    // Something in front moves everything.
    let moved = [b"something in front".as_slice(), &bytes].concat();
    let digest = put(&store, &[&moved])[0].digest;
    let more = stored_bytes(&store) - before;
    assert!(more < 300_000, "{more}");
    assert!(store.read(&digest, LIMIT).unwrap() == moved);
    // In one batch too.
    let (_folder, other) = fresh();
    put(&other, &[&bytes, &moved]);
    assert!(stored_bytes(&other) < before + 300_000);
}

#[test]
fn scattered_changes_cost_what_they_change() {
    let (_folder, store) = fresh();
    let old = rows(150_000, |_| false);
    let new = rows(150_000, |row| row % 100 == 7);
    let previous = put(&store, &[&old])[0].digest;
    let before = stored_bytes(&store);
    let whole = {
        let (_folder, other) = fresh();
        put(&other, &[&old, &new]);
        stored_bytes(&other) - before
    };
    let digest = replace(&store, &previous, &new);
    let more = stored_bytes(&store) - before;
    assert!(more * 6 < whole, "{more} instead of {whole}");
    assert_eq!(digest, Digest::of(&new));
    for store in [&store, &open(store.root())] {
        assert!(store.read(&digest, LIMIT).unwrap() == new);
        assert!(stream(store, &digest).unwrap() == new);
        let facts = store.verify_blob(&digest).unwrap();
        assert_eq!(store.unchanged(&[(digest, &facts)]).unwrap(), [true]);
    }
    // Of what is a delta already, the base serves again: none is a delta of a delta.
    let newer = rows(150_000, |row| row % 50 == 7);
    let digest = replace(&store, &digest, &newer);
    assert!(store.read(&digest, LIMIT).unwrap() == newer);
    assert_eq!(store.check().unwrap().damage, []);
}

/// What is damaged in a base is damaged in its deltas, and said so.
#[test]
fn a_delta_without_its_base_is_damaged() {
    let (_folder, store) = fresh();
    let old = rows(30_000, |_| false);
    let new = rows(30_000, |row| row % 100 == 7);
    let previous = put(&store, &[&old])[0].digest;
    let base = packs(&store).remove(0);
    let digest = replace(&store, &previous, &new);
    std::fs::remove_file(base).unwrap();
    let error = open(store.root()).read(&digest, LIMIT).unwrap_err();
    assert!(error.to_string().contains("delta"), "{error}");
    assert!(store.verify_blob(&digest).is_err());
    assert!(!store.check().unwrap().damage.is_empty());
    // Stored again it is whole.
    put(&store, &[&new]);
    assert!(store.read(&digest, LIMIT).unwrap() == new);
}

#[test]
fn what_is_replaced_need_not_be_there() {
    let (_folder, store) = fresh();
    let small = put(&store, &[b"small"])[0].digest;
    for (previous, seed) in [(Digest::of(b"nowhere"), 1), (small, 2)] {
        let bytes = noise(1 << 20, seed);
        let digest = replace(&store, &previous, &bytes);
        assert!(store.read(&digest, LIMIT).unwrap() == bytes);
    }
}

/// More than one pack, written by several threads, comes back, and is the same for the same bytes.
#[test]
fn many_packs_of_one_batch() {
    let bytes = noise(150 << 20, 9);
    let (_folder, store) = fresh();
    let digest = put(&store, &[&bytes])[0].digest;
    assert_eq!(packs(&store).len(), 3);
    store.verify_blob(&digest).unwrap();
    let (_folder, other) = fresh();
    put(&other, &[&bytes]);
    let names = |store: &Store| -> Vec<_> {
        let packs = packs(store).into_iter();
        packs
            .map(|path| path.file_name().unwrap().to_owned())
            .collect()
    };
    assert_eq!(names(&store), names(&other));
}
