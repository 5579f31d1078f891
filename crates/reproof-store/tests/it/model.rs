//! The store against a map: any sequence of commits, drops and damage.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use proptest::prelude::*;
use reproof_record::Digest;
use reproof_store::{Store, StoreError};

use crate::{LIMIT, damage, fresh, leftovers, open, packs, stream};

#[derive(Clone, Debug)]
enum Step {
    /// Stores blobs in a batch, and commits it or not.
    Batch { blobs: Vec<u8>, commit: bool },
    /// Changes one byte of every copy of a blob.
    Flip { blob: u8, at: usize },
    /// Removes every pack that holds a blob.
    Remove { blob: u8 },
    /// Opens the store again.
    Reopen,
    /// Removes the index.
    Forget,
}

/// The packs as they were written, and the places of a blob in them.
#[derive(Default)]
struct Model {
    good: BTreeMap<PathBuf, Vec<u8>>,
    places: BTreeMap<u8, BTreeSet<(PathBuf, usize, usize)>>,
}

fn bytes_of(blob: u8) -> Vec<u8> {
    [blob].repeat(usize::from(blob) * 40)
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let blob = 0u8..6;
    let step = prop_oneof![
        4 => (prop::collection::vec(blob.clone(), 0..4), prop::bool::weighted(0.8))
            .prop_map(|(blobs, commit)| Step::Batch { blobs, commit }),
        2 => (blob.clone(), any::<usize>()).prop_map(|(blob, at)| Step::Flip { blob, at }),
        1 => blob.prop_map(|blob| Step::Remove { blob }),
        1 => Just(Step::Reopen),
        1 => Just(Step::Forget),
    ];
    prop::collection::vec(step, 1..14)
}

impl Model {
    /// Notes where blobs lie after they were committed.
    fn learn(&mut self, store: &Store) {
        for path in packs(store) {
            let bytes = std::fs::read(&path).unwrap();
            self.good.entry(path).or_insert(bytes);
        }
        for blob in 0..6 {
            for place in store.whereabouts(&Digest::of(&bytes_of(blob))).unwrap() {
                let (from, to) = (place.range.start as usize, place.range.end as usize);
                let places = self.places.entry(blob).or_default();
                places.insert((place.path, from, to));
            }
        }
    }

    /// What the store must say of a blob: right, damaged or missing.
    fn expected(&self, blob: u8) -> &'static str {
        let mut found = "missing";
        for (path, from, to) in self.places.get(&blob).into_iter().flatten() {
            match std::fs::read(path) {
                Ok(now) if now[*from..*to] == self.good[path][*from..*to] => return "right",
                Ok(_) => found = "damaged",
                Err(_) => {}
            }
        }
        found
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn the_store_does_what_a_map_does(steps in steps()) {
        let (_folder, mut store) = fresh();
        let mut model = Model::default();
        for step in steps {
            match step {
                Step::Batch { blobs, commit } => {
                    let mut batch = store.batch();
                    for blob in &blobs {
                        batch.put(&bytes_of(*blob)).unwrap();
                    }
                    if commit {
                        batch.commit().unwrap();
                        for blob in &blobs {
                            store.verify_blob(&Digest::of(&bytes_of(*blob))).unwrap();
                        }
                        model.learn(&store);
                    }
                }
                Step::Flip { blob, at } => {
                    for (path, from, to) in model.places.get(&blob).into_iter().flatten() {
                        // A second flip could put right what the first one damaged.
                        if model.expected(blob) == "right" && path.exists() {
                            damage(path, |file| file[from + at % (to - from)] ^= 1);
                        }
                    }
                }
                Step::Remove { blob } => {
                    for (path, ..) in model.places.get(&blob).into_iter().flatten() {
                        let _ = std::fs::remove_file(path);
                    }
                }
                Step::Reopen => store = open(store.root()),
                Step::Forget => {
                    let _ = std::fs::remove_file(store.root().join("index"));
                }
            }
            for blob in 0..6 {
                let bytes = bytes_of(blob);
                let digest = Digest::of(&bytes);
                let expected = model.expected(blob);
                prop_assert_eq!(store.contains(&digest).unwrap(), expected != "missing");
                let seen = [store.read(&digest, LIMIT), stream(&store, &digest)].map(|read| {
                    match read {
                        Ok(found) if found == bytes => "right",
                        Ok(_) => "wrong",
                        Err(StoreError::Missing { .. }) => "missing",
                        Err(StoreError::Damaged { .. }) => "damaged",
                        Err(_) => "failed",
                    }
                });
                prop_assert_eq!(seen, [expected; 2]);
            }
            prop_assert_eq!(leftovers(&store), Vec::<String>::new());
        }
    }
}
