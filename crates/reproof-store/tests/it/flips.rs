//! A thousand random flips in every kind of entry of a pack: all are found, none is served.

use std::collections::BTreeMap;
use std::os::unix::fs::FileExt;

use reproof_record::Digest;
use reproof_store::Store;

use crate::large::{replace, rows};
use crate::{LIMIT, check_found, fresh, noise, place_of, put};

const FLIPS: usize = 1000;

/// The first entry of each kind and encoding, as the two bytes of its header have them.
fn of_each_kind(store: &Store) -> BTreeMap<(u8, u8), Digest> {
    let mut kinds = BTreeMap::new();
    for digest in store.blobs().unwrap() {
        let (path, range) = place_of(store, &digest);
        let header = &std::fs::read(path).unwrap()[range][..6];
        kinds.entry((header[4], header[5])).or_insert(digest);
    }
    kinds
}

#[test]
fn a_thousand_flips_in_every_kind_of_entry() {
    let (_folder, store) = fresh();
    put(&store, &[&noise(3000, 1), &rows(60, |_| false)]);
    put(&store, &[&noise(3 << 20, 2)]);
    let before = put(&store, &[&rows(6000, |_| false)])[0].digest;
    replace(&store, &before, &rows(6000, |row| row % 200 == 0));
    let kinds = of_each_kind(&store);
    let names: Vec<_> = kinds.keys().copied().collect();
    // Data that is raw, of zstd, a delta; and lists of chunks.
    assert_eq!(names, [(1, 0), (1, 1), (1, 2), (2, 0)]);
    for ((kind, encoding), digest) in kinds {
        let right = store.read(&digest, LIMIT).unwrap();
        let (path, range) = place_of(&store, &digest);
        let file = std::fs::OpenOptions::new()
            .read(true)
            .write(true)
            .open(&path)
            .unwrap();
        let random = noise(8 * FLIPS, u64::from(kind) * 10 + u64::from(encoding));
        for number in random.as_chunks::<8>().0 {
            let number = u64::from_le_bytes(*number) as usize;
            let at = (range.start + (number >> 3) % range.len()) as u64;
            let mut byte = [0];
            file.read_exact_at(&mut byte, at).unwrap();
            file.write_all_at(&[byte[0] ^ (1 << (number & 7))], at)
                .unwrap();
            let what = format!("kind {kind}, encoding {encoding}, byte {at}");
            check_found(&store, &digest, &what);
            file.write_all_at(&byte, at).unwrap();
        }
        assert!(store.read(&digest, LIMIT).unwrap() == right);
    }
}
