//! What was captured can be stored and laid out again, and nothing else in its place.

#![allow(clippy::disallowed_methods, clippy::unwrap_used)]

mod common;

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use common::{Sandbox, paths};
use reproof_capture::{Capture, CaptureError, ProjectFiles};
use reproof_store::fs::{Io, RealIo};
use reproof_store::{FaultIo, LayOut, Store, lay_out};

/// Stores what is wanted of a capture. How many blobs that took.
fn store(sandbox: &Sandbox, captured: &Capture, store: &Store) -> Result<usize, CaptureError> {
    let files = ProjectFiles::new(&sandbox.project, &RealIo, &captured.links);
    let mut batch = store.batch();
    let mut count = 0;
    for blob in files.blobs(&captured.tree, |digest| !store.contains(digest).unwrap()) {
        let (entry, blob) = blob?;
        assert_eq!(batch.put(&blob).unwrap().digest, entry.digest);
        count += 1;
    }
    batch.commit().unwrap();
    Ok(count)
}

fn open(sandbox: &Sandbox) -> Store {
    Store::open(&sandbox.root().join("store"), Arc::new(RealIo)).unwrap()
}

#[test]
fn a_dirty_tree_comes_back_with_its_untracked_files() {
    let sandbox = Sandbox::with(&[("a.py", "old"), ("sub/b.py", "b"), ("gone.py", "x")]);
    sandbox.write("a.py", "new");
    sandbox.write("untracked.py", "u");
    sandbox.link("../a.py", "sub/link.py");
    std::fs::remove_file(sandbox.project.join("gone.py")).unwrap();
    let run = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(sandbox.project.join("untracked.py"), run).unwrap();
    let captured = sandbox.capture();
    let kept = open(&sandbox);
    assert_eq!(store(&sandbox, &captured, &kept).unwrap(), 4);
    // Whatever becomes of the project, the store has it.
    std::fs::remove_dir_all(&sandbox.project).unwrap();
    let out = sandbox.root().join("out");
    lay_out(&captured.tree, &kept, &RealIo, &out, LayOut::default()).unwrap();
    let text = |path: &str| std::fs::read_to_string(out.join(path)).unwrap();
    assert_eq!((text("a.py"), text("sub/b.py")), ("new".into(), "b".into()));
    assert_eq!(
        (text("untracked.py"), text("sub/link.py")),
        ("u".into(), "new".into())
    );
    assert_eq!(
        std::fs::read_link(out.join("sub/link.py")).unwrap(),
        Path::new("../a.py")
    );
    assert!(
        RealIo
            .metadata(&out.join("untracked.py"))
            .unwrap()
            .executable
    );
    assert!(!out.join("gone.py").exists());
}

#[test]
fn the_same_tree_is_captured_from_what_was_laid_out() {
    let sandbox = Sandbox::folder();
    sandbox.write("a/b.py", "b");
    sandbox.link("a", "link");
    let captured = sandbox.capture();
    let kept = open(&sandbox);
    store(&sandbox, &captured, &kept).unwrap();
    std::fs::remove_dir_all(&sandbox.project).unwrap();
    lay_out(
        &captured.tree,
        &kept,
        &RealIo,
        &sandbox.project,
        LayOut::default(),
    )
    .unwrap();
    let again = sandbox.capture();
    assert_eq!((again.tree, again.links), (captured.tree, captured.links));
}

#[test]
fn what_is_stored_already_is_not_read() {
    let sandbox = Sandbox::with(&[("a.py", "a"), ("b.py", "b")]);
    let captured = sandbox.capture();
    let kept = open(&sandbox);
    assert_eq!(store(&sandbox, &captured, &kept).unwrap(), 2);
    let io = FaultIo::new(Arc::new(RealIo), None);
    let files = ProjectFiles::new(&sandbox.project, &io, &captured.links);
    let wanted = |digest: &_| !kept.contains(digest).unwrap();
    assert_eq!(files.blobs(&captured.tree, wanted).count(), 0);
    assert_eq!(io.calls(), 0);
}

#[test]
fn what_changed_since_is_named() {
    let changes: [fn(&Path); 6] = [
        |file| std::fs::write(file, "other").unwrap(),
        |file| std::fs::remove_file(file).unwrap(),
        |file| {
            std::fs::remove_file(file).unwrap();
            std::fs::create_dir(file).unwrap();
        },
        |file| {
            std::fs::remove_file(file).unwrap();
            std::os::unix::fs::symlink("a.py", file).unwrap();
        },
        |file| std::fs::write(file, vec![0; 11_000_000]).unwrap(),
        |file| {
            std::fs::remove_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file.parent().unwrap(), "a file").unwrap();
        },
    ];
    for change in changes {
        let sandbox = Sandbox::with(&[("a.py", "a"), ("sub/b.py", "a")]);
        let captured = sandbox.capture();
        change(&sandbox.project.join("sub/b.py"));
        let error = store(&sandbox, &captured, &open(&sandbox)).unwrap_err();
        assert!(
            error.to_string().contains("'sub/b.py' has changed"),
            "{error}"
        );
    }
}

#[test]
fn a_link_that_changed_is_named() {
    let sandbox = Sandbox::with(&[("a.py", "a"), ("b.py", "a")]);
    sandbox.link("a.py", "l");
    let captured = sandbox.capture();
    std::fs::remove_file(sandbox.project.join("l")).unwrap();
    sandbox.link("b.py", "l");
    let error = store(&sandbox, &captured, &open(&sandbox)).unwrap_err();
    assert!(matches!(error, CaptureError::Changed { path } if path == "l"));
}

#[test]
fn a_file_like_a_link_is_left_out() {
    let sandbox = Sandbox::folder();
    sandbox.write("fake", "reproof.link/1\n../../etc/passwd");
    sandbox.write("real.py", "x");
    let captured = sandbox.capture();
    assert_eq!(paths(&captured), ["real.py"]);
    assert!(captured.state.left_out["fake"].contains("link"));
}
