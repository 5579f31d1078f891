//! Any call to the file system may fail: nothing wrong becomes visible, and the next one works.

use std::io::{ErrorKind, Write};
use std::path::Path;
use std::sync::Arc;

use reproof_record::{ArtifactKind, Digest};
use reproof_store::fs::{RealIo, write_atomic};
use reproof_store::{ErrorClass, Fault, FaultIo, Store, StoreError};
use serde_json::Map;

use crate::{LIMIT, leftovers, noise, open};

const BLOBS: usize = 3;

fn content() -> Vec<Vec<u8>> {
    (0..BLOBS as u64).map(|seed| noise(90_000, seed)).collect()
}

/// Opens the store and stores something of everything.
fn work(root: &Path, io: FaultIo) -> Result<(), StoreError> {
    let store = Store::open(root, Arc::new(io))?;
    let mut batch = store.batch();
    let mut files = Vec::new();
    for (index, bytes) in content().iter().enumerate() {
        let blob = if index % 2 == 0 {
            batch.put(bytes)?
        } else {
            let mut writer = batch.writer()?;
            for piece in bytes.chunks(30_000) {
                // What a caller does with an error is its affair; the store must not take it.
                let _ = writer.write_all(piece);
            }
            batch.add(writer)?
        };
        files.push((format!("f{index}").parse().unwrap(), false, blob));
    }
    batch.put_tree(ArtifactKind::Files, "text/plain", files, Map::new())?;
    batch.commit()?;
    for bytes in content() {
        assert!(store.read(&Digest::of(&bytes), LIMIT)? == bytes);
        let read = std::io::copy(
            &mut store.reader(&Digest::of(&bytes))?,
            &mut std::io::sink(),
        );
        match read.map_err(StoreError::from_io) {
            Ok(_) => {}
            Err(Ok(error)) => return Err(error),
            Err(Err(error)) => panic!("{error}"),
        }
    }
    Ok(())
}

fn calls() -> u64 {
    let folder = tempfile::tempdir().unwrap();
    let io = FaultIo::new(Arc::new(RealIo), None);
    work(&folder.path().join("store"), io.clone()).unwrap();
    io.calls()
}

fn check_every_call(dead: bool, kind: ErrorKind, writes_only: bool) {
    let calls = calls();
    assert!(calls > 30, "{calls}");
    for at in 1..=calls {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("a").join("store");
        let fault = Fault {
            at,
            dead,
            kind,
            writes_only,
        };
        let io = FaultIo::new(Arc::new(RealIo), Some(fault));
        let failed = work(&root, io);
        if let Err(error) = &failed {
            assert_eq!(error.class(), ErrorClass::Storage, "call {at}: {error}");
            let text = error.to_string();
            assert!(
                text.contains(folder.path().to_str().unwrap()),
                "call {at}: {text}"
            );
        }
        // What is visible is right, whatever happened.
        let store = open(&root);
        for digest in store.blobs().unwrap() {
            store.verify_blob(&digest).unwrap();
        }
        if failed.is_ok() {
            assert_eq!(store.blobs().unwrap().len(), BLOBS + 2, "call {at}");
        }
        // The next one just works.
        work(&root, FaultIo::new(Arc::new(RealIo), None)).unwrap();
        if !dead {
            let left = leftovers(&store).len();
            assert!(left <= 1, "call {at} left {left} files");
        }
    }
}

#[test]
fn any_one_call_may_fail() {
    check_every_call(false, ErrorKind::PermissionDenied, false);
}

#[test]
fn a_process_may_die_at_any_call() {
    check_every_call(true, ErrorKind::BrokenPipe, false);
}

/// A disk that is full from some write on: an error that says so, and no blob.
#[test]
fn a_full_disk_leaves_nothing_visible() {
    let mut seen = 0;
    for at in 1..calls() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("store");
        open(&root);
        let fault = Fault {
            at,
            dead: true,
            kind: ErrorKind::StorageFull,
            writes_only: true,
        };
        match work(&root, FaultIo::new(Arc::new(RealIo), Some(fault))) {
            Ok(()) => break,
            Err(StoreError::Io(error)) => {
                assert!(error.is_storage_full(), "call {at}: {error}");
                seen += 1;
            }
            Err(error) => panic!("call {at}: {error}"),
        }
        let store = open(&root);
        for digest in store.blobs().unwrap() {
            store.verify_blob(&digest).unwrap();
        }
        work(&root, FaultIo::new(Arc::new(RealIo), None)).unwrap();
    }
    assert!(seen > 10, "{seen}");
}

#[test]
fn a_full_disk_is_found_when_the_file_is_made_durable() {
    // All writes go well, the first sync does not: the number of that call differs from version
    // to version, so it is looked for.
    let count = |sync_at: u64| {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("store");
        open(&root);
        let fault = Fault {
            at: sync_at,
            dead: true,
            kind: ErrorKind::StorageFull,
            writes_only: true,
        };
        let store = Store::open(&root, Arc::new(FaultIo::new(Arc::new(RealIo), Some(fault))));
        let store = store.unwrap();
        let mut batch = store.batch();
        let put = batch.put(b"small");
        let committed = put.and_then(|_| batch.commit());
        (committed, open(&root).blobs().unwrap().len())
    };
    let mut ops = Vec::new();
    for at in 1..20 {
        let (committed, visible) = count(at);
        let Err(StoreError::Io(error)) = committed else {
            break;
        };
        assert_eq!(visible, usize::from(error.op == "sync" && visible > 0));
        ops.push(error.op);
    }
    ops.dedup();
    assert_eq!(
        ops,
        ["lock", "create", "write", "sync", "rename to", "sync"]
    );
}

#[test]
fn a_read_only_folder_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("store");
    let fault = Fault {
        at: 1,
        dead: true,
        kind: ErrorKind::ReadOnlyFilesystem,
        writes_only: true,
    };
    let io = Arc::new(FaultIo::new(Arc::new(RealIo), Some(fault)));
    let error = Store::open(&root, io.clone()).unwrap_err();
    assert_eq!(error.class(), ErrorClass::Storage);
    let text = error.to_string();
    assert!(text.starts_with("failed to make the folder "), "{text}");
    assert!(text.contains(root.to_str().unwrap()), "{text}");
    let StoreError::Io(error) = error else {
        panic!()
    };
    assert!(error.is_read_only());
    // One that is there can still be read.
    let bytes = b"there before";
    let mut batch = open(&root).batch();
    let digest = batch.put(bytes).unwrap().digest;
    batch.commit().unwrap();
    let store = Store::open(&root, io).unwrap();
    assert_eq!(store.read(&digest, LIMIT).unwrap(), bytes);
}

#[test]
fn a_file_is_written_whole_or_not_at_all() {
    for at in 1..10 {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("reproof.lock");
        write_atomic(&RealIo, &path, b"before").unwrap();
        let fault = Fault {
            at,
            dead: false,
            kind: ErrorKind::StorageFull,
            writes_only: true,
        };
        let written = write_atomic(
            &FaultIo::new(Arc::new(RealIo), Some(fault)),
            &path,
            b"after",
        );
        let found = std::fs::read(&path).unwrap();
        let files = std::fs::read_dir(folder.path()).unwrap().count();
        assert_eq!(files, 1, "call {at}");
        match written {
            Ok(()) => {
                assert_eq!(found, b"after");
                return;
            }
            // Only its durability failed.
            Err(error) if error.op == "sync" && error.path == folder.path() => {
                assert_eq!(found, b"after");
            }
            Err(_) => assert_eq!(found, b"before", "call {at}"),
        }
    }
    panic!("it never came to an end");
}
