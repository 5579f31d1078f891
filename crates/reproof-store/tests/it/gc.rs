//! What nobody needs is deleted, and nothing else, whoever else is at work.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use reproof_record::Digest;
use reproof_store::{Collected, Store, StoreError};

use crate::{fresh, noise, open, packs, put, stream};

/// Tells a test of this binary that it is the child of another one, and what to do.
const CHILD: &str = "REPROOF_STORE_TEST_CHILD";

fn collect(store: &Store, needed: &[Digest]) -> Collected {
    store
        .collect(false, || {
            Ok::<_, StoreError>(needed.iter().copied().collect())
        })
        .unwrap()
}

fn one(store: &Store, bytes: &[u8]) -> Digest {
    put(store, &[bytes])[0].digest
}

#[test]
fn what_is_needed_stays_and_the_rest_goes() {
    let (_folder, store) = fresh();
    let kept = one(&store, b"needed");
    let gone = one(&store, b"not needed");
    let mixed = put(&store, &[&noise(3000, 1), &noise(5000, 2)]);
    let counted = store.collect(true, || Ok::<_, StoreError>(BTreeSet::from([kept])));
    let counted = counted.unwrap();
    assert_eq!((counted.live, counted.dead, counted.freed_bytes), (1, 3, 0));
    assert_eq!(store.blobs().unwrap().len(), 4);
    let found = collect(&store, &[kept, mixed[0].digest]);
    assert_eq!((found.live, found.dead, found.waiting), (2, 2, false));
    assert!(found.freed_bytes > 5000, "{found:?}");
    for store in [&store, &open(store.root())] {
        assert_eq!(store.read(&kept, 100).unwrap(), b"needed");
        assert_eq!(store.read(&mixed[0].digest, 9999).unwrap(), noise(3000, 1));
        assert!(!store.contains(&gone).unwrap());
        assert!(!store.contains(&mixed[1].digest).unwrap());
        assert_eq!(store.blobs().unwrap().len(), 2);
    }
    assert_eq!(store.check().unwrap().damage, []);
    // There is nothing more to do, and what went can come again.
    assert_eq!(collect(&store, &[kept, mixed[0].digest]).freed_bytes, 0);
    assert_eq!(one(&store, b"not needed"), gone);
    store.verify_blob(&gone).unwrap();
}

#[test]
fn chunks_and_bases_of_what_is_needed_stay() {
    let (_folder, store) = fresh();
    let old: Vec<u8> = (0..40_000u32)
        .flat_map(|row| format!("{row},{}\n", row * 7919 % 9973).into_bytes())
        .collect();
    let mut new = old.clone();
    for at in (0..new.len()).step_by(9000) {
        new[at] ^= 1;
    }
    let previous = one(&store, &old);
    let mut batch = store.batch();
    let mut writer = batch.writer_replacing(&previous).unwrap();
    writer.write_all(&new).unwrap();
    let digest = batch.add(writer).unwrap().digest;
    batch.commit().unwrap();
    let found = collect(&store, &[digest]);
    // Of the old one only the list goes: the new one's chunks are deltas of the old one's.
    assert!(found.dead >= 1 && found.live > 3, "{found:?}");
    assert!(!store.contains(&previous).unwrap());
    for store in [&store, &open(store.root())] {
        assert!(stream(store, &digest).unwrap() == new);
    }
    assert_eq!(store.check().unwrap().damage, []);
    let found = collect(&store, &[]);
    assert_eq!((found.live, store.blobs().unwrap().len()), (0, 0));
    assert_eq!(packs(&store), Vec::<PathBuf>::new());
}

#[test]
fn nothing_is_deleted_while_one_runs_that_came_before() {
    let (_folder, store) = fresh();
    let other = open(store.root());
    let (kept, gone, spared) = (
        one(&store, b"needed"),
        one(&store, b"gone"),
        one(&store, b"spared"),
    );
    for _ in 0..2 {
        let found = collect(&store, &[kept]);
        assert!(found.waiting, "{found:?}");
        assert_eq!(found.freed_bytes, 0);
        // Who came before sees everything, and may still come to need it.
        assert!(other.contains(&gone).unwrap());
        assert_eq!(other.read(&spared, 100).unwrap(), b"spared");
        // Who comes now does not rely on it.
        let later = open(store.root());
        assert!(!later.may_rely_on(&spared) && other.may_rely_on(&spared));
        drop(later);
    }
    drop(other);
    let found = collect(&store, &[kept, spared]);
    assert!(!found.waiting && found.freed_bytes > 0, "{found:?}");
    let later = open(store.root());
    assert_eq!(later.read(&spared, 100).unwrap(), b"spared");
    assert_eq!(later.read(&kept, 100).unwrap(), b"needed");
    assert!(!later.contains(&gone).unwrap());
}

/// One that comes after what it stores was condemned stores it anew, and keeps it: also where its
/// pack would be the very same.
#[test]
fn what_is_stored_again_after_it_was_condemned_stays() {
    let (_folder, store) = fresh();
    let before = open(store.root());
    let digest = one(&store, b"stored twice");
    let large = noise(1 << 20, 3);
    let list = one(&store, &large);
    assert!(collect(&store, &[]).waiting);
    let after = open(store.root());
    let facts = before.verify_blob(&digest).unwrap();
    assert_eq!(before.unchanged(&[(digest, &facts)]).unwrap(), [true]);
    assert_eq!(after.unchanged(&[(digest, &facts)]).unwrap(), [false]);
    assert_eq!(one(&after, b"stored twice"), digest);
    assert_eq!(one(&after, &large), list);
    drop(before);
    // It has not got so far that it is needed: what it relies on is there all the same.
    assert!(collect(&store, &[]).freed_bytes > 0);
    assert_eq!(after.read(&digest, 100).unwrap(), b"stored twice");
    assert!(stream(&after, &list).unwrap() == large);
    // Now it is.
    drop(after);
    collect(&store, &[digest, list]);
    let later = open(store.root());
    assert_eq!(later.read(&digest, 100).unwrap(), b"stored twice");
    assert!(stream(&later, &list).unwrap() == large);
}

#[test]
fn one_at_a_time() {
    let (_folder, store) = fresh();
    one(&store, b"x");
    let busy = store.collect(false, || {
        let other = open(store.root());
        let found = other.collect(false, || Ok::<_, StoreError>(BTreeSet::new()));
        assert!(found.unwrap().busy);
        Ok::<_, StoreError>(BTreeSet::new())
    });
    assert!(!busy.unwrap().busy);
}

#[test]
fn small_packs_are_joined() {
    let (_folder, store) = fresh();
    let all: Vec<Digest> = (0..40).map(|seed| one(&store, &noise(900, seed))).collect();
    let reader = open(store.root());
    assert_eq!(reader.read(&all[0], 9999).unwrap(), noise(900, 0));
    collect(&store, &all);
    assert_eq!(packs(&store).len(), 1);
    for (seed, digest) in (0..).zip(&all) {
        for store in [&store, &reader] {
            assert_eq!(store.read(digest, 9999).unwrap(), noise(900, seed));
        }
    }
    assert_eq!(store.check().unwrap().damage, []);
    assert!(store.check_index().unwrap());
}

/// What is damaged and needed is not made worse.
#[test]
fn damage_is_left_as_it_is() {
    let (_folder, store) = fresh();
    let infos = put(&store, &[&noise(900, 1), &noise(900, 2), &noise(4000, 3)]);
    let (path, range) = crate::place_of(&store, &infos[0].digest);
    crate::damage(&path, |bytes| bytes[range.end - 1] ^= 1);
    collect(&store, &[infos[0].digest, infos[1].digest]);
    let error = store.verify_blob(&infos[0].digest).unwrap_err();
    assert!(matches!(error, StoreError::Damaged { .. }), "{error}");
    store.verify_blob(&infos[1].digest).unwrap();
}

/// Of several copies one is enough, and it is a right one.
#[test]
fn damaged_copies_go_where_another_one_is_right() {
    let (_folder, store) = fresh();
    let large = noise(900_000, 4);
    let infos = put(&store, &[b"needed", &noise(50_000, 1), &large]);
    let needed: Vec<Digest> = infos.iter().map(|info| info.digest).collect();
    let (path, range) = crate::place_of(&store, &needed[0]);
    crate::damage(&path, |bytes| {
        bytes[range.end - 1] ^= 1;
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
    });
    put(&store, &[b"needed", b"another", &large]);
    assert!(!store.check().unwrap().damage.is_empty());
    collect(&store, &needed);
    assert_eq!(store.check().unwrap().damage, []);
    for store in [&store, &open(store.root())] {
        assert_eq!(store.read(&needed[0], 100).unwrap(), b"needed");
        assert_eq!(store.read(&needed[1], 99_999).unwrap(), noise(50_000, 1));
        assert!(stream(store, &needed[2]).unwrap() == large);
    }
}

/// The digests that are needed: one a line, each written when its blob was committed.
fn references(file: &Path) -> BTreeSet<Digest> {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    text.lines().filter_map(|line| line.parse().ok()).collect()
}

fn add_for_ever(store: &Store, file: &Path) {
    let mut references = std::fs::File::options().append(true).open(file).unwrap();
    for number in 0u64.. {
        let mut batch = store.batch();
        // Some that nobody ever needs, some that all processes store.
        batch
            .put(&noise(700, u64::from(std::process::id()) << 20 | number))
            .unwrap();
        let needed = batch.put(&noise(500, number % 40)).unwrap();
        let large = batch.put(&noise(600_000, number % 5)).unwrap();
        batch.commit().unwrap();
        for blob in [needed, large] {
            writeln!(references, "{}", blob.digest).unwrap();
        }
    }
}

/// Writers and collectors are killed at any moment: nothing that was acknowledged is lost.
#[test]
fn killed_at_random_nothing_needed_is_lost() {
    if let Ok(value) = std::env::var(CHILD) {
        let (work, root) = value.split_once(' ').unwrap();
        let store = open(Path::new(root));
        let file = Path::new(root).parent().unwrap().join("references");
        match work {
            "add" => add_for_ever(&store, &file),
            _ => loop {
                store
                    .collect(false, || Ok::<_, StoreError>(references(&file)))
                    .unwrap();
            },
        }
        return;
    }
    let (folder, store) = fresh();
    let root = store.root().to_str().unwrap().to_owned();
    drop(store);
    let file = folder.path().join("references");
    std::fs::write(&file, "").unwrap();
    let spawn = |work: &str| {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command
            .args([
                "--exact",
                "gc::killed_at_random_nothing_needed_is_lost",
                "--nocapture",
            ])
            .env(CHILD, format!("{work} {root}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command.spawn().unwrap()
    };
    for round in 0..12u64 {
        let before = references(&file).len();
        let mut children: Vec<_> = ["add", "collect", "add"].map(spawn).into();
        for _ in 0..300 {
            std::thread::sleep(Duration::from_millis(10));
            if round > 8 || references(&file).len() > before {
                break;
            }
        }
        std::thread::sleep(Duration::from_millis(round * 37 % 190));
        for child in &mut children {
            child.kill().unwrap();
            child.wait().unwrap();
            std::thread::sleep(Duration::from_millis(round * 13 % 40));
        }
        let store = open(Path::new(&root));
        for digest in references(&file) {
            store.verify_blob(&digest).unwrap();
        }
        if round % 4 == 3 {
            store
                .collect(false, || Ok::<_, StoreError>(references(&file)))
                .unwrap();
            for digest in references(&file) {
                store.verify_blob(&digest).unwrap();
            }
            assert_eq!(store.check().unwrap().damage, []);
        }
    }
    assert!(references(&file).len() > 10);
}
