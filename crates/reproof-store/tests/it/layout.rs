//! Trees become folders again: all of it or nothing, and nothing outside.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::sync::Arc;

use proptest::prelude::*;
use reproof_record::{Digest, Tree, TreeEntry};
use reproof_store::fs::{Facts, FileKind, Io, RealIo, remove_tree};
use reproof_store::{
    ErrorClass, Fault, FaultIo, LayOut, SOURCE_DATE_EPOCH, Store, StoreError, lay_out, link_blob,
};

use crate::{fresh, noise};

/// Path, whether executable, bytes.
type File<'a> = (&'a str, bool, Vec<u8>);

fn stored(store: &Store, files: &[File<'_>]) -> Tree {
    let mut batch = store.batch();
    let tree = Tree::new(files.iter().map(|(path, executable, bytes)| TreeEntry {
        path: path.parse().unwrap(),
        executable: *executable,
        digest: batch.put(bytes).unwrap().digest,
    }));
    batch.commit().unwrap();
    tree
}

fn link(target: &str) -> Vec<u8> {
    link_blob(Path::new(target))
}

fn sample() -> Vec<File<'static>> {
    vec![
        ("a.py", false, b"import b\n".to_vec()),
        ("bin/run", true, b"#!/bin/sh\n".to_vec()),
        ("bin/deep/link", false, link("../../a.py")),
        ("data.bin", false, noise(300_000, 1)),
        ("empty", false, Vec::new()),
        ("folder", false, link("bin")),
        ("like a link", false, b"reproof.link/2\nx".to_vec()),
        ("short", false, b"reproof".to_vec()),
    ]
}

/// What lies below a folder: links by their targets, files by their bytes.
fn read_back(folder: &Path) -> BTreeMap<String, (FileKind, bool, Vec<u8>)> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(at) = folders.pop() {
        for entry in RealIo.read_dir(&at).unwrap() {
            let path = at.join(&entry.name);
            let Facts {
                kind, executable, ..
            } = RealIo.metadata(&path).unwrap();
            let bytes = match kind {
                FileKind::Folder => {
                    folders.push(path);
                    continue;
                }
                FileKind::Link => link(RealIo.read_link(&path).unwrap().to_str().unwrap()),
                _ => RealIo.read(&path, 1 << 30).unwrap(),
            };
            let name = path.strip_prefix(folder).unwrap().to_str().unwrap();
            let executable = kind == FileKind::File && executable;
            found.insert(name.to_owned(), (kind, executable, bytes));
        }
    }
    found
}

/// Names in a folder.
fn names(folder: &Path) -> Vec<String> {
    let entries = RealIo.read_dir(folder).unwrap();
    let name = |entry: &reproof_store::fs::DirEntry| entry.name.to_str().unwrap().to_owned();
    entries.iter().map(name).collect()
}

#[test]
fn what_was_stored_comes_back() {
    let (folder, store) = fresh();
    let tree = stored(&store, &sample());
    let out = folder.path().join("out/code");
    lay_out(&tree, &store, &RealIo, &out, LayOut::default()).unwrap();
    let found = read_back(&out);
    assert_eq!(found.len(), tree.files.len());
    for (path, executable, bytes) in sample() {
        let (kind, is_executable, laid) = &found[path];
        assert!(laid == &bytes, "{path}");
        assert_eq!(*is_executable, executable, "{path}");
        let is_link = bytes.starts_with(b"reproof.link/1\n");
        assert_eq!(*kind == FileKind::Link, is_link, "{path}");
    }
    assert_eq!(names(&folder.path().join("out")), ["code"]);
}

#[test]
fn modes_and_times_are_fixed() {
    let (folder, store) = fresh();
    let tree = stored(&store, &sample());
    let out = folder.path().join("code");
    let options = LayOut {
        read_only: true,
        mtime: Some(SOURCE_DATE_EPOCH),
        durable: true,
        reversed: false,
    };
    lay_out(&tree, &store, &RealIo, &out, options).unwrap();
    for (path, mode) in [
        ("a.py", 0o444),
        ("bin/run", 0o555),
        ("bin/deep", 0o555),
        ("bin", 0o555),
        ("", 0o555),
        ("bin/deep/link", 0o777),
    ] {
        let facts = std::fs::symlink_metadata(out.join(path)).unwrap();
        assert_eq!(facts.permissions().mode() & 0o777, mode, "{path}");
        assert_eq!(
            (facts.mtime(), facts.mtime_nsec()),
            (SOURCE_DATE_EPOCH, 0),
            "{path}"
        );
    }
    remove_tree(&RealIo, &out).unwrap();
    assert_eq!(names(folder.path()), ["store"]);
}

#[test]
fn writable_ones_do_not_depend_on_the_umask() {
    let (folder, store) = fresh();
    let tree = stored(&store, &sample());
    let out = folder.path().join("code");
    lay_out(&tree, &store, &RealIo, &out, LayOut::default()).unwrap();
    for (path, mode) in [("a.py", 0o644), ("bin/run", 0o755), ("bin", 0o755)] {
        let facts = std::fs::symlink_metadata(out.join(path)).unwrap();
        assert_eq!(facts.permissions().mode() & 0o777, mode, "{path}");
    }
}

#[test]
fn only_new_or_empty_folders() {
    let (folder, store) = fresh();
    let tree = stored(&store, &sample());
    let lay = |name: &str| {
        let out = folder.path().join(name);
        lay_out(&tree, &store, &RealIo, &out, LayOut::default())
    };
    std::fs::create_dir_all(folder.path().join("empty")).unwrap();
    std::fs::create_dir_all(folder.path().join("full/x")).unwrap();
    std::fs::write(folder.path().join("file"), "x").unwrap();
    lay("empty").unwrap();
    for name in ["full", "file", "empty"] {
        let error = lay(name).unwrap_err();
        assert!(matches!(error, StoreError::Occupied { .. }), "{error}");
    }
    assert_eq!(names(&folder.path().join("full")), ["x"]);
}

#[test]
fn trees_that_reach_out_are_refused() {
    let (folder, store) = fresh();
    let bad: [&[File<'_>]; 7] = [
        &[("a", false, link("/etc/passwd"))],
        &[("a", false, link("../b"))],
        &[("d/a", false, link("x/../../b"))],
        &[("a", false, link(""))],
        &[("a", true, link("b"))],
        &[("a", false, link("b")), ("a/b", false, b"x".to_vec())],
        &[
            ("a", false, b"x".to_vec()),
            ("a-b", false, b"x".to_vec()),
            ("a/b/c", false, b"x".to_vec()),
        ],
    ];
    for files in bad {
        let tree = stored(&store, files);
        let out = folder.path().join("out");
        let error = lay_out(&tree, &store, &RealIo, &out, LayOut::default()).unwrap_err();
        assert!(matches!(error, StoreError::Unlayable { .. }), "{error}");
        assert_eq!(error.class(), ErrorClass::Integrity);
        assert_eq!(names(folder.path()), ["store"]);
    }
    let mut tree = stored(&store, &sample());
    tree.files.reverse();
    let out = folder.path().join("out");
    assert!(lay_out(&tree, &store, &RealIo, &out, LayOut::default()).is_err());
}

#[test]
fn missing_or_damaged_bytes_leave_nothing() {
    let (folder, store) = fresh();
    let tree = stored(&store, &sample());
    let digest = Digest::of(&noise(300_000, 1));
    let (pack, range) = crate::place_of(&store, &digest);
    crate::damage(&pack, |bytes| bytes[range.end - 9] ^= 1);
    let out = folder.path().join("out");
    for _ in 0..2 {
        let error = lay_out(&tree, &store, &RealIo, &out, LayOut::default()).unwrap_err();
        assert_eq!(error.class(), ErrorClass::Integrity, "{error}");
        assert_eq!(names(folder.path()), ["store"]);
        let _ = std::fs::remove_file(&pack);
    }
}

#[test]
fn whatever_fails_no_half_folder_has_the_name() {
    let (folder, store) = fresh();
    let tree = stored(&store, &sample()[..3]);
    let options = LayOut {
        read_only: true,
        mtime: Some(0),
        durable: true,
        reversed: false,
    };
    let lay = |fault: Option<Fault>, out: &Path| {
        let io = FaultIo::new(Arc::new(RealIo), fault);
        let laid = lay_out(&tree, &store, &io, out, options);
        (laid, io.calls())
    };
    let out = folder.path().join("out");
    let (laid, calls) = lay(None, &out);
    laid.unwrap();
    let whole = read_back(&out);
    remove_tree(&RealIo, &out).unwrap();
    for at in 1..=calls {
        for dead in [false, true] {
            let fault = Fault {
                at,
                dead,
                kind: ErrorKind::StorageFull,
                writes_only: false,
            };
            let above = folder.path().join(format!("{at}-{dead}"));
            std::fs::create_dir(&above).unwrap();
            let out = above.join("out");
            let (laid, _) = lay(Some(fault), &out);
            assert!(laid.is_err(), "call {at}");
            // The last call makes the name durable; until then there is none.
            if out.exists() {
                assert_eq!((at, read_back(&out)), (calls, whole.clone()));
                remove_tree(&RealIo, &out).unwrap();
            }
            if !dead {
                assert_eq!(names(&above), [""; 0], "call {at}");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn any_tree_comes_back(
        files in proptest::collection::btree_map(
            "[a-c]/[a-c]{1,2}|[d-f]{1,2}|g/h/[a-c]",
            (any::<bool>(), proptest::collection::vec(any::<u8>(), 0..40)),
            0..12,
        ),
    ) {
        let (folder, store) = fresh();
        let files: Vec<File<'_>> = files
            .iter()
            .map(|(path, (executable, bytes))| (path.as_str(), *executable, bytes.clone()))
            .collect();
        let tree = stored(&store, &files);
        let out = folder.path().join("out");
        lay_out(&tree, &store, &RealIo, &out, LayOut::default()).unwrap();
        let found = read_back(&out);
        prop_assert_eq!(found.len(), files.len());
        for (path, executable, bytes) in files {
            prop_assert_eq!(&found[path], &(FileKind::File, executable, bytes));
        }
    }
}
