//! A store of version 1 becomes one of this version when it is opened: all of it or nothing.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use reproof_record::Digest;
use reproof_store::fs::RealIo;
use reproof_store::{Fault, FaultIo, Store};

use crate::{LIMIT, leftovers, open};

/// A store as version 1 wrote it: five blobs, one of them empty.
const VERSION_1: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/version-1");

fn copy(to: &Path) -> PathBuf {
    let root = to.join("store");
    for folder in ["objects", "tmp"] {
        std::fs::create_dir_all(root.join(folder)).unwrap();
    }
    std::fs::copy(Path::new(VERSION_1).join("FORMAT"), root.join("FORMAT")).unwrap();
    for entry in std::fs::read_dir(Path::new(VERSION_1).join("objects")).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), root.join("objects").join(entry.file_name())).unwrap();
    }
    root
}

fn expected() -> Vec<Vec<u8>> {
    vec![
        Vec::new(),
        b"reproof reproof reproof\n".to_vec(),
        b"tenure,contract\n1,Month-to-month\n".repeat(12),
        crate::noise(3000, 1),
        crate::noise(1000, 2).repeat(400),
    ]
}

fn check_new(store: &Store) {
    assert_eq!(format(store.root()), "reproof.store/2\n");
    assert!(!store.root().join("objects").exists());
    for bytes in expected() {
        assert!(store.read(&Digest::of(&bytes), LIMIT).unwrap() == bytes);
    }
    assert_eq!(store.check().unwrap().damage, []);
}

fn format(root: &Path) -> String {
    std::fs::read_to_string(root.join("FORMAT")).unwrap()
}

#[test]
fn a_store_of_version_1_is_brought_over() {
    let folder = tempfile::tempdir().unwrap();
    let root = copy(folder.path());
    let store = open(&root);
    check_new(&store);
    assert_eq!(leftovers(&store), Vec::<String>::new());
    check_new(&open(&root));
}

#[test]
fn what_was_damaged_is_not_taken_along() {
    let folder = tempfile::tempdir().unwrap();
    let root = copy(folder.path());
    let bytes = crate::noise(3000, 1);
    let digest = Digest::of(&bytes);
    crate::damage(&root.join("objects").join(digest.to_hex()), |file| {
        file[99] ^= 1;
    });
    let store = open(&root);
    assert!(!store.contains(&digest).unwrap());
    crate::put(&store, &[&bytes]);
    check_new(&store);
}

#[test]
fn whatever_call_fails_no_blob_is_lost() {
    let count = {
        let folder = tempfile::tempdir().unwrap();
        let io = FaultIo::new(Arc::new(RealIo), None);
        Store::open(&copy(folder.path()), Arc::new(io.clone())).unwrap();
        io.calls()
    };
    assert!(count > 20, "{count}");
    for at in 1..=count {
        for dead in [false, true] {
            let folder = tempfile::tempdir().unwrap();
            let root = copy(folder.path());
            let fault = Fault {
                at,
                dead,
                kind: ErrorKind::BrokenPipe,
                writes_only: false,
            };
            let io = FaultIo::new(Arc::new(RealIo), Some(fault));
            let opened = Store::open(&root, Arc::new(io));
            if format(&root) == "reproof.store/1\n" {
                assert!(opened.is_err(), "call {at}");
                let left = std::fs::read_dir(root.join("objects")).unwrap().count();
                assert_eq!(left, expected().len(), "call {at}");
            }
            check_new(&open(&root));
        }
    }
}

#[test]
fn several_at_once_bring_it_over() {
    let folder = tempfile::tempdir().unwrap();
    let root = copy(folder.path());
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| check_new(&open(&root)));
        }
    });
    check_new(&open(&root));
}
