//! Wrong bytes never leave the store.

use std::io::Read;

use reproof_record::Digest;
use reproof_store::{ErrorClass, StoreError};

use crate::{LIMIT, check_found, damage, fresh, noise, open, packs, place_of, put};

#[test]
fn one_flipped_bit_anywhere_in_an_entry_is_found() {
    let text = b"tenure,contract\n1,Month-to-month\n".repeat(12);
    let short: &[u8] = b"x";
    let noise = noise(300, 3);
    for bytes in [text.as_slice(), short, &noise, b""] {
        let (_folder, store) = fresh();
        let digest = put(&store, &[bytes])[0].digest;
        let (path, range) = place_of(&store, &digest);
        let good = std::fs::read(&path).unwrap();
        for index in range {
            for bit in 0..8 {
                let mut bad = good.clone();
                bad[index] ^= 1 << bit;
                std::fs::write(&path, &bad).unwrap();
                check_found(&store, &digest, &format!("byte {index}, bit {bit}"));
            }
        }
        std::fs::write(&path, &good).unwrap();
        assert_eq!(store.read(&digest, LIMIT).unwrap(), bytes);
    }
}

/// Also in what no reader needs: the beginning, the index at the end.
#[test]
fn one_flipped_bit_anywhere_in_a_pack_is_found_by_a_check() {
    let (_folder, store) = fresh();
    let text = b"tenure,contract\n1,Month-to-month\n".repeat(12);
    put(&store, &[&text, b"x", b"", &noise(300, 3)]);
    let large = put(&store, &[&noise(400_000, 4)])[0].digest;
    assert_eq!(store.check().unwrap().damage, []);
    for path in packs(&store) {
        let good = std::fs::read(&path).unwrap();
        let step = if good.len() > 10_000 { 1999 } else { 1 };
        for index in (0..good.len()).step_by(step) {
            let mut bad = good.clone();
            bad[index] ^= 1 << (index % 8);
            std::fs::write(&path, &bad).unwrap();
            let checked = store.check().unwrap();
            assert!(!checked.damage.is_empty(), "byte {index} of {path:?}");
            assert!(checked.damage.iter().all(|damage| damage.path == path));
        }
        std::fs::write(&path, &good).unwrap();
    }
    assert_eq!(store.check().unwrap().damage, []);
    store.verify_blob(&large).unwrap();
}

/// A pack that lost its index still gives what it holds.
#[test]
fn entries_of_a_pack_without_its_index_are_read() {
    let (_folder, store) = fresh();
    let digest = put(&store, &[b"some text", &noise(5000, 3)])[0].digest;
    let (path, range) = place_of(&store, &digest);
    for cut in [1, 8, 48, 100] {
        let good = std::fs::read(&path).unwrap();
        damage(&path, |bytes| bytes.truncate(bytes.len() - cut));
        let again = open(store.root());
        assert_eq!(again.read(&digest, LIMIT).unwrap(), b"some text");
        std::fs::write(&path, good).unwrap();
    }
    damage(&path, |bytes| bytes.truncate(range.end));
    let again = open(store.root());
    assert_eq!(again.read(&digest, LIMIT).unwrap(), b"some text");
    let lost = Digest::of(&noise(5000, 3));
    let error = again.read(&lost, LIMIT).unwrap_err();
    assert_eq!(error.class(), ErrorClass::Integrity, "{error}");
    // And what is stored again is there again.
    put(&again, &[&noise(5000, 3)]);
    again.verify_blob(&lost).unwrap();
}

#[test]
fn a_flipped_byte_in_a_large_blob_is_found() {
    let (_folder, store) = fresh();
    let bytes = noise((3 << 20) + 17, 4);
    let digest = put(&store, &[&bytes])[0].digest;
    let (path, _) = place_of(&store, &digest);
    let good = std::fs::read(&path).unwrap();
    for index in [100, 1 << 20, good.len() / 2, (3 << 20) + 2000] {
        let mut bad = good.clone();
        bad[index] ^= 0x10;
        std::fs::write(&path, &bad).unwrap();
        check_found(&store, &digest, &format!("byte {index}"));
    }
}

#[test]
fn a_file_cut_short_is_found() {
    let (_folder, store) = fresh();
    let digest = put(&store, &[b"some text, some text, some text"])[0].digest;
    let (path, range) = place_of(&store, &digest);
    let good = std::fs::read(&path).unwrap();
    for length in 0..range.end {
        std::fs::write(&path, &good[..length]).unwrap();
        check_found(&store, &digest, &format!("cut to {length}"));
    }
}

#[test]
fn another_blob_in_its_place_is_found() {
    let (_folder, store) = fresh();
    let infos = put(&store, &[b"one", b"two"]);
    let (path, one) = place_of(&store, &infos[0].digest);
    let (_, two) = place_of(&store, &infos[1].digest);
    damage(&path, |bytes| bytes.copy_within(one, two.start));
    check_found(&store, &infos[1].digest, "swapped");
}

#[test]
fn storing_the_right_bytes_again_repairs_a_damaged_blob() {
    for more in [b"another".as_slice(), b"right"] {
        let (_folder, store) = fresh();
        let digest = put(&store, &[b"right"])[0].digest;
        let (path, range) = place_of(&store, &digest);
        damage(&path, |bytes| bytes[range.end - 1] ^= 1);
        check_found(&store, &digest, "changed");
        // Alone it makes the same pack again, with another one a second pack.
        put(&store, &[b"right", more]);
        assert_eq!(store.read(&digest, LIMIT).unwrap(), b"right");
        let again = open(store.root());
        assert_eq!(again.read(&digest, LIMIT).unwrap(), b"right");
    }
}

/// A chunk that is damaged is stored again with the blob that has it.
#[test]
fn storing_a_large_blob_again_repairs_its_chunks() {
    let (_folder, store) = fresh();
    let bytes = noise(2 << 20, 8);
    let digest = put(&store, &[&bytes])[0].digest;
    let (path, _) = place_of(&store, &digest);
    damage(&path, |file| file[1 << 20] ^= 1);
    check_found(&store, &digest, "changed");
    put(&store, &[&bytes]);
    assert!(store.read(&digest, LIMIT).unwrap() == bytes);
    assert_eq!(packs(&store).len(), 2);
    // Only what was damaged is stored a second time.
    assert!(std::fs::metadata(&packs(&store)[0]).unwrap().len() < (2 << 20) + 20_000);
    let sizes = packs(&store).into_iter();
    let smallest = sizes
        .map(|path| std::fs::metadata(path).unwrap().len())
        .min();
    assert!(smallest.unwrap() < 300_000);
}

/// A pack that is changed in place while a reader goes along it.
#[test]
fn a_change_while_it_is_read_is_found_before_the_changed_chunk_is_given() {
    let (_folder, store) = fresh();
    let bytes = noise(3 << 20, 5);
    let digest = put(&store, &[&bytes])[0].digest;
    let (path, _) = place_of(&store, &digest);
    let mut reader = store.reader(&digest).unwrap();
    let mut first = vec![0; 1 << 20];
    reader.read_exact(&mut first).unwrap();
    assert!(first == bytes[..1 << 20]);
    damage(&path, |file| {
        let middle = file.len() / 2;
        file[middle] ^= 1;
    });
    let mut found = first.clone();
    let mut piece = vec![0; 1 << 20];
    let error = loop {
        match reader.read(&mut piece) {
            Ok(count) => found.extend_from_slice(&piece[..count]),
            Err(error) => break error,
        }
    };
    assert!(bytes.starts_with(&found) && found.len() < bytes.len());
    let error = StoreError::from_io(error).unwrap();
    assert!(matches!(error, StoreError::Damaged { .. }), "{error}");
    for _ in 0..3 {
        // It fails again and again, and never goes on with a later chunk.
        let error = StoreError::from_io(reader.read(&mut piece).unwrap_err()).unwrap();
        assert!(matches!(error, StoreError::Damaged { .. }), "{error}");
    }
}
