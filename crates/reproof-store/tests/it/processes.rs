//! Many threads and processes at once, and processes that are killed.

use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use reproof_record::Digest;
use reproof_store::Store;

use crate::{LIMIT, fresh, leftovers, noise, open};

/// Tells a test of this binary that it is the child of another one, and which store to use.
const CHILD: &str = "REPROOF_STORE_TEST_CHILD";

/// Blobs of which every second one is written by all.
fn blob(writer: u64, number: u64) -> Vec<u8> {
    let seed = if number.is_multiple_of(2) {
        number
    } else {
        (writer << 32) + number
    };
    noise(2000, seed)
}

fn write_all(store: &Store, writer: u64, count: u64) {
    for number in (0..count).step_by(2) {
        let mut batch = store.batch();
        batch.put(&blob(writer, number)).unwrap();
        batch.put(&blob(writer, number + 1)).unwrap();
        batch.commit().unwrap();
    }
}

fn check_all(store: &Store, writers: u64, count: u64) {
    for writer in 0..writers {
        for number in 0..count {
            let bytes = blob(writer, number);
            assert!(store.read(&Digest::of(&bytes), LIMIT).unwrap() == bytes);
        }
    }
    assert_eq!(leftovers(store), Vec::<String>::new());
}

fn spawn(test: &str, value: &str) -> Child {
    let binary = std::env::current_exe().unwrap();
    let mut command = Command::new(binary);
    command
        .args(["--exact", test, "--nocapture"])
        .env(CHILD, value);
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    command.spawn().unwrap()
}

#[test]
fn eight_threads_write_at_once() {
    let (_folder, store) = fresh();
    std::thread::scope(|scope| {
        for writer in 0..8 {
            let store = store.clone();
            scope.spawn(move || write_all(&store, writer, 10));
        }
    });
    check_all(&store, 8, 10);
}

#[test]
fn eight_processes_make_and_fill_one_store() {
    if let Ok(value) = std::env::var(CHILD) {
        let (writer, root) = value.split_once(' ').unwrap();
        write_all(&open(&PathBuf::from(root)), writer.parse().unwrap(), 10);
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    // Nobody made it before: all eight race for that too.
    let root = folder.path().join("deep").join("store");
    let children: Vec<_> = (0..8)
        .map(|writer| {
            let value = format!("{writer} {}", root.display());
            spawn("processes::eight_processes_make_and_fill_one_store", &value)
        })
        .collect();
    for child in children {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{output:?}");
    }
    check_all(&open(&root), 8, 10);
}

#[test]
fn a_killed_process_loses_nothing_that_it_acknowledged() {
    if let Ok(root) = std::env::var(CHILD) {
        let store = open(&PathBuf::from(root));
        let mut out = std::io::stdout();
        for number in 0.. {
            let mut batch = store.batch();
            let one = batch.put(&blob(std::process::id().into(), number)).unwrap();
            batch.commit().unwrap();
            writeln!(out, "stored {}", one.digest).unwrap();
            out.flush().unwrap();
        }
    }
    let (_folder, store) = fresh();
    let mut acknowledged = 0;
    for round in 0..25u64 {
        let root = store.root().to_str().unwrap();
        let mut child = spawn(
            "processes::a_killed_process_loses_nothing_that_it_acknowledged",
            root,
        );
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        // At some moment after the first blob.
        let first = lines
            .by_ref()
            .find(|line| line.as_ref().unwrap().contains("stored "));
        std::thread::sleep(Duration::from_micros(round * 731 % 9000));
        child.kill().unwrap();
        child.wait().unwrap();
        for line in first.into_iter().chain(lines) {
            // The last line may be cut.
            let line = line.unwrap();
            let digest = line
                .rsplit(' ')
                .next()
                .and_then(|text| text.parse::<Digest>().ok());
            if let Some(digest) = digest {
                store.verify_blob(&digest).unwrap();
                acknowledged += 1;
            }
        }
        let store = Store::open(store.root(), Arc::clone(store.io())).unwrap();
        for digest in store.blobs().unwrap() {
            store.verify_blob(&digest).unwrap();
        }
        write_all(&store, round, 2);
    }
    assert!(acknowledged >= 25, "{acknowledged}");
}
