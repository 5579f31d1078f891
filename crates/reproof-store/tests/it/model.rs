//! The store against a map: any sequence of commits, drops and damage.

use std::collections::BTreeMap;

use proptest::prelude::*;
use reproof_record::Digest;
use reproof_store::StoreError;

use crate::{LIMIT, file_of, fresh, leftovers, open, stream};

#[derive(Clone, Debug)]
enum Step {
    /// Stores blobs in a batch, and commits it or not.
    Batch { blobs: Vec<u8>, commit: bool },
    /// Changes one byte of the file of a blob.
    Flip { blob: u8, at: usize },
    /// Cuts the file of a blob.
    Cut { blob: u8, to: usize },
    /// Removes the file of a blob.
    Remove { blob: u8 },
    /// Opens the store again.
    Reopen,
}

/// What the store must say of a blob.
#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    Right,
    Damaged,
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
        1 => (blob.clone(), any::<usize>()).prop_map(|(blob, to)| Step::Cut { blob, to }),
        1 => blob.prop_map(|blob| Step::Remove { blob }),
        1 => Just(Step::Reopen),
    ];
    prop::collection::vec(step, 1..14)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn the_store_does_what_a_map_does(steps in steps()) {
        let (_folder, mut store) = fresh();
        let mut model: BTreeMap<u8, State> = BTreeMap::new();
        for step in steps {
            match step {
                Step::Batch { blobs, commit } => {
                    let mut batch = store.batch();
                    for blob in &blobs {
                        batch.put(&bytes_of(*blob)).unwrap();
                    }
                    if commit {
                        batch.commit().unwrap();
                        model.extend(blobs.iter().map(|blob| (*blob, State::Right)));
                    }
                }
                Step::Flip { blob, at } => {
                    if let Some(state) = model.get_mut(&blob) {
                        let path = file_of(&store, &Digest::of(&bytes_of(blob)));
                        let mut file = std::fs::read(&path).unwrap();
                        // A second flip could put right what the first one damaged.
                        if *state == State::Right {
                            let at = at % file.len();
                            file[at] ^= 1;
                            std::fs::write(&path, &file).unwrap();
                            *state = State::Damaged;
                        }
                    }
                }
                Step::Cut { blob, to } => {
                    if let Some(state) = model.get_mut(&blob) {
                        let path = file_of(&store, &Digest::of(&bytes_of(blob)));
                        let file = std::fs::read(&path).unwrap();
                        std::fs::write(&path, &file[..to % file.len().max(1)]).unwrap();
                        *state = State::Damaged;
                    }
                }
                Step::Remove { blob } => {
                    if model.remove(&blob).is_some() {
                        let path = file_of(&store, &Digest::of(&bytes_of(blob)));
                        std::fs::remove_file(path).unwrap();
                    }
                }
                Step::Reopen => store = open(store.root()),
            }
            for blob in 0..6 {
                let bytes = bytes_of(blob);
                let digest = Digest::of(&bytes);
                prop_assert_eq!(store.contains(&digest).unwrap(), model.contains_key(&blob));
                let seen = [store.read(&digest, LIMIT), stream(&store, &digest)].map(|read| {
                    match read {
                        Ok(found) if found == bytes => "right",
                        Ok(_) => "wrong",
                        Err(StoreError::Missing { .. }) => "missing",
                        Err(StoreError::Damaged { .. }) => "damaged",
                        Err(_) => "failed",
                    }
                });
                let expected = match model.get(&blob) {
                    None => "missing",
                    Some(State::Right) => "right",
                    Some(State::Damaged) => "damaged",
                };
                prop_assert_eq!(seen, [expected; 2]);
            }
            prop_assert_eq!(leftovers(&store), Vec::<String>::new());
        }
    }
}
