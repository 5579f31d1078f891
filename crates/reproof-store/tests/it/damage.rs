//! Wrong bytes never leave the store.

use std::io::Read;

use reproof_record::Digest;
use reproof_store::{ErrorClass, Store, StoreError};

use crate::{LIMIT, file_of, fresh, noise, put, stream};

/// Every way of reading this blob finds that its file is damaged.
fn check_found(store: &Store, digest: &Digest, what: &str) {
    let found = |result: Result<(), StoreError>| {
        let error = result.expect_err(what);
        assert_eq!(error.class(), ErrorClass::Integrity, "{what}: {error}");
        assert!(
            matches!(error, StoreError::Damaged { .. }),
            "{what}: {error}"
        );
        assert!(
            error.to_string().contains(&digest.to_hex()),
            "{what}: {error}"
        );
    };
    found(store.read(digest, LIMIT).map(|_| ()));
    found(store.verify_blob(digest).map(|_| ()));
    found(stream(store, digest).map(|_| ()));
}

#[test]
fn one_flipped_bit_anywhere_in_the_file_is_found() {
    let (_folder, store) = fresh();
    let text = b"tenure,contract\n1,Month-to-month\n".repeat(12);
    let short: &[u8] = b"x";
    let noise = noise(300, 3);
    for bytes in [text.as_slice(), short, &noise, b""] {
        let digest = put(&store, &[bytes])[0].digest;
        let path = file_of(&store, &digest);
        let good = std::fs::read(&path).unwrap();
        for index in 0..good.len() {
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

#[test]
fn a_flipped_byte_in_a_large_file_is_found() {
    let (_folder, store) = fresh();
    let bytes = noise((3 << 20) + 17, 4);
    let digest = put(&store, &[&bytes])[0].digest;
    let path = file_of(&store, &digest);
    let good = std::fs::read(&path).unwrap();
    for index in [8, 1 << 20, good.len() / 2, good.len() - 33, good.len() - 1] {
        let mut bad = good.clone();
        bad[index] ^= 0x10;
        std::fs::write(&path, &bad).unwrap();
        check_found(&store, &digest, &format!("byte {index}"));
    }
}

#[test]
fn a_file_cut_short_or_made_longer_is_found() {
    let (_folder, store) = fresh();
    let digest = put(&store, &[b"some text, some text, some text"])[0].digest;
    let path = file_of(&store, &digest);
    let good = std::fs::read(&path).unwrap();
    for length in 0..good.len() {
        std::fs::write(&path, &good[..length]).unwrap();
        check_found(&store, &digest, &format!("cut to {length}"));
    }
    for more in [b"\0".as_slice(), b"garbage", &good, &good[8..]] {
        let longer = [good.as_slice(), more].concat();
        std::fs::write(&path, longer).unwrap();
        check_found(&store, &digest, "longer");
    }
}

#[test]
fn another_blob_in_its_place_is_found() {
    let (_folder, store) = fresh();
    let infos = put(&store, &[b"one", b"two"]);
    let (one, two) = (infos[0].digest, infos[1].digest);
    std::fs::copy(file_of(&store, &one), file_of(&store, &two)).unwrap();
    check_found(&store, &two, "swapped");
}

#[test]
fn storing_the_right_bytes_again_repairs_a_damaged_blob() {
    let (_folder, store) = fresh();
    let digest = put(&store, &[b"right"])[0].digest;
    std::fs::write(file_of(&store, &digest), "wrong").unwrap();
    check_found(&store, &digest, "overwritten");
    put(&store, &[b"right"]);
    assert_eq!(store.read(&digest, LIMIT).unwrap(), b"right");
}

/// A file that is changed in place between the two passes of the streaming reader.
#[test]
fn a_change_while_it_is_read_is_found_before_the_changed_block_is_given() {
    let (_folder, store) = fresh();
    let bytes = noise(3 << 20, 5);
    let digest = put(&store, &[&bytes])[0].digest;
    let path = file_of(&store, &digest);
    let mut reader = store.reader(&digest).unwrap();
    let mut first = vec![0; 1 << 20];
    reader.read_exact(&mut first).unwrap();
    assert!(first == bytes[..1 << 20]);
    let mut bad = std::fs::read(&path).unwrap();
    let middle = bad.len() / 2;
    bad[middle] ^= 1;
    std::fs::write(&path, &bad).unwrap();
    for _ in 0..3 {
        // It fails again and again, and never goes on with a later block.
        let error = StoreError::from_io(reader.read(&mut first).unwrap_err()).unwrap();
        assert!(matches!(error, StoreError::Damaged { .. }), "{error}");
    }
}

/// A frame that asks for more memory than a reader is ready to give.
#[test]
fn a_frame_with_a_huge_window_is_refused() {
    let (_folder, store) = fresh();
    let bytes = noise(1000, 6);
    let digest = put(&store, &[&bytes])[0].digest;
    let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 1).unwrap();
    encoder.window_log(27).unwrap();
    std::io::Write::write_all(&mut encoder, &bytes).unwrap();
    let mut file = [b"RPBLOB1\0".as_slice(), &encoder.finish().unwrap()].concat();
    let sum = blake3::hash(&file);
    file.extend_from_slice(sum.as_bytes());
    std::fs::write(file_of(&store, &digest), &file).unwrap();
    check_found(&store, &digest, "window");
}
