//! Captures of real repositories.

#![allow(clippy::disallowed_methods, clippy::unwrap_used)]

mod common;

use common::{Sandbox, patch, paths};
use reproof_capture::{CaptureError, lock_committed};
use reproof_record::Digest;
use reproof_store::fs::RealIo;
use reproof_store::link_digest;

fn lock_of(sandbox: &Sandbox) -> Option<bool> {
    let alone = lock_committed(&sandbox.project, &RealIo, &sandbox.runner).unwrap();
    assert_eq!(sandbox.capture().lock_committed, alone);
    alone
}

#[test]
fn a_clean_commit() {
    let sandbox = Sandbox::with(&[("a.py", "1\n"), ("b/c d.py", "2\n")]);
    let captured = sandbox.capture();
    assert_eq!(paths(&captured), ["a.py", "b/c d.py"]);
    assert_eq!(captured.tree.files[0].digest, Digest::of(b"1\n"));
    let state = &captured.state;
    assert_eq!(state.commit, Some(sandbox.git(["rev-parse", "HEAD"])));
    assert_eq!(state.branch.as_deref(), Some("main"));
    assert_eq!((state.dirty, state.remote.as_deref()), (Some(false), None));
    assert_eq!(state.tree, Some(captured.tree.digest().unwrap()));
    assert!(state.changed.is_empty() && state.left_out.is_empty());
    assert!(captured.patch.is_none() && captured.state.notes.is_empty());
    assert_eq!(captured.lock_committed, None);
}

#[test]
fn a_settled_clean_capture_needs_four_calls() {
    let sandbox = Sandbox::with(&[("a.py", "1\n")]);
    std::thread::sleep(std::time::Duration::from_millis(60));
    sandbox.capture();
    assert_eq!(sandbox.runner.calls.borrow().len(), 4);
}

#[test]
fn a_dirty_tree() {
    let sandbox = Sandbox::with(&[("a.py", "1\n"), ("b.py", "2\n"), ("c.py", "3\n")]);
    sandbox.write("a.py", "changed\n");
    sandbox.write("new.py", "new\n");
    sandbox.remove("b.py");
    sandbox.write(".gitignore", "*.tmp\n");
    sandbox.write("x.tmp", "");
    let captured = sandbox.capture();
    assert_eq!(paths(&captured), [".gitignore", "a.py", "c.py", "new.py"]);
    assert_eq!(captured.tree.files[1].digest, Digest::of(b"changed\n"));
    assert_eq!(captured.state.dirty, Some(true));
    assert_eq!(
        captured.state.changed,
        [".gitignore", "a.py", "b.py", "new.py"]
    );
    let patch = patch(&captured);
    assert!(patch.contains("+changed") && patch.contains("deleted file") && !patch.contains("new"));
}

#[test]
fn the_patch_gives_the_tracked_files_back() {
    let sandbox = Sandbox::with(&[("a b.py", "1\n"), ("bin", "\0\u{1}"), ("gone.py", "2\n")]);
    sandbox.git(["config", "diff.noprefix", "true"]);
    sandbox.git(["config", "diff.external", "/bin/false"]);
    sandbox.git(["config", "color.ui", "always"]);
    sandbox.write("a b.py", "1\n2\n");
    sandbox.write("bin", "\0\u{2}\u{3}");
    sandbox.remove("gone.py");
    sandbox.write("staged.py", "3\n");
    sandbox.git(["add", "staged.py"]);
    sandbox.mode("a b.py", 0o755);
    let captured = sandbox.capture();
    std::fs::write(sandbox.root().join("p"), captured.patch.as_ref().unwrap()).unwrap();
    sandbox.git(["reset", "-q", "--hard"]);
    assert_ne!(sandbox.capture().tree, captured.tree);
    sandbox.git(["apply", "--index", "../p"]);
    assert_eq!(sandbox.capture().tree, captured.tree);
}

#[test]
fn a_staged_change_is_dirty_and_the_file_on_disk_counts() {
    let sandbox = Sandbox::with(&[("a.py", "1\n")]);
    sandbox.write("a.py", "2\n");
    sandbox.git(["add", "a.py"]);
    sandbox.write("a.py", "1\n");
    let captured = sandbox.capture();
    assert_eq!(captured.tree.files[0].digest, Digest::of(b"1\n"));
    assert_eq!(captured.state.dirty, Some(true));
}

#[test]
fn a_renamed_file() {
    let sandbox = Sandbox::with(&[("a.py", "1\n2\n3\n")]);
    sandbox.git(["mv", "a.py", "b.py"]);
    let captured = sandbox.capture();
    assert_eq!(paths(&captured), ["b.py"]);
    assert_eq!(captured.state.changed, ["a.py", "b.py"]);
}

#[test]
fn before_the_first_commit() {
    let sandbox = Sandbox::unborn();
    sandbox.write("a.py", "1\n");
    sandbox.write("b.py", "2\n");
    sandbox.git(["add", "a.py"]);
    let captured = sandbox.capture();
    assert_eq!(paths(&captured), ["a.py", "b.py"]);
    let state = &captured.state;
    assert_eq!(
        (state.commit.as_deref(), state.branch.as_deref()),
        (None, Some("main"))
    );
    assert_eq!(state.dirty, Some(true));
    assert!(patch(&captured).contains("+1"));
}

#[test]
fn a_repository_of_sha256_before_the_first_commit() {
    let sandbox = Sandbox::folder();
    sandbox.git(["init", "-q", "--object-format=sha256"]);
    sandbox.write("a.py", "1\n");
    sandbox.git(["add", "a.py"]);
    assert!(patch(&sandbox.capture()).contains("+1"));
}

#[test]
fn a_detached_head() {
    let sandbox = Sandbox::with(&[("a.py", "1\n")]);
    sandbox.git(["checkout", "-q", "--detach"]);
    let state = sandbox.capture().state;
    assert!(state.commit.is_some() && state.branch.is_none());
}

#[test]
fn in_the_middle_of_a_merge() {
    let sandbox = Sandbox::with(&[("a.py", "1\n"), ("b.py", "1\n"), ("c.py", "1\n")]);
    sandbox.git(["checkout", "-q", "-b", "other"]);
    sandbox.write("a.py", "other\n");
    sandbox.remove("b.py");
    sandbox.commit();
    sandbox.git(["checkout", "-q", "main"]);
    sandbox.write("a.py", "main\n");
    sandbox.write("b.py", "main\n");
    sandbox.commit();
    assert!(!sandbox.try_git(["merge", "-q", "other"]).status.success());
    let captured = sandbox.capture();
    assert_eq!(paths(&captured), ["a.py", "b.py", "c.py"]);
    assert_eq!(captured.state.changed, ["a.py", "b.py"]);
    assert!(patch(&captured).contains("+other"));
}

#[test]
fn a_sub_folder_is_captured_alone() {
    let mut sandbox = Sandbox::with(&[("x/y/a.py", "1\n"), ("top.py", "1\n"), ("x/y2/b", "")]);
    sandbox.write("top.py", "changed\n");
    sandbox.project.push("x/y");
    let captured = sandbox.capture();
    assert_eq!(paths(&captured), ["a.py"]);
    assert_eq!(captured.state.dirty, Some(false));
    sandbox.write("a.py", "changed\n");
    sandbox.write("new.py", "");
    let captured = sandbox.capture();
    assert_eq!(captured.state.changed, ["a.py", "new.py"]);
    assert!(patch(&captured).contains("b/x/y/a.py"));
    assert!(!patch(&captured).contains("top.py"));
}

#[test]
fn a_worktree() {
    let mut sandbox = Sandbox::with(&[("a.py", "1\n")]);
    sandbox.git(["worktree", "add", "-q", "-b", "side", "../side"]);
    sandbox.project = sandbox.root().join("side");
    let captured = sandbox.capture();
    assert_eq!(captured.state.branch.as_deref(), Some("side"));
    assert_eq!(paths(&captured), ["a.py"]);
}

#[test]
fn odd_names() {
    use std::os::unix::ffi::OsStrExt;
    let sandbox = Sandbox::with(&[
        ("sp ace.py", ""),
        ("quo\"te.py", ""),
        ("é.py", ""),
        ("-dash.py", ""),
        (":(top)x", ""),
        ("*", ""),
        ("line\nfeed.py", ""),
        ("tab\t.py", ""),
        ("back\\slash", ""),
    ]);
    sandbox.write(std::ffi::OsStr::from_bytes(b"latin\xe9.py"), "");
    let captured = sandbox.capture();
    assert_eq!(
        paths(&captured),
        [
            "*",
            "-dash.py",
            ":(top)x",
            "quo\"te.py",
            "sp ace.py",
            "é.py"
        ]
    );
    let left_out = &captured.state.left_out;
    let named: Vec<_> = left_out.keys().map(String::as_str).collect();
    assert_eq!(
        named,
        [
            "back\\slash",
            "latin\u{fffd}.py",
            "line\\nfeed.py",
            "tab\\t.py"
        ]
    );
    assert!(left_out["latin\u{fffd}.py"].contains("UTF-8"));
    assert_eq!(captured.state.changed, ["latin\u{fffd}.py"]);
    sandbox.write("*", "1\n");
    sandbox.write("é.py", "1\n");
    sandbox.write("line\nfeed.py", "1\n");
    let captured = sandbox.capture();
    assert_eq!(captured.state.changed.len(), 4);
    assert_eq!(patch(&captured).matches("diff --git").count(), 3);
}

#[test]
fn the_executable_bit_counts() {
    let sandbox = Sandbox::with(&[("a.sh", "1\n")]);
    let before = sandbox.capture();
    assert!(!before.tree.files[0].executable);
    sandbox.mode("a.sh", 0o755);
    let after = sandbox.capture();
    assert!(after.tree.files[0].executable);
    assert_ne!(before.state.tree, after.state.tree);
    assert_eq!(after.state.dirty, Some(true));
}

#[test]
fn links() {
    let sandbox = Sandbox::with(&[("d/a.py", "1\n"), ("e/b.py", "2\n")]);
    sandbox.link("d/a.py", "inside.py");
    sandbox.link("../e/b.py", "d/up.py");
    sandbox.link("nowhere.py", "dangling.py");
    sandbox.link("../outside.py", "leaves.py");
    sandbox.link("/etc/passwd", "absolute");
    sandbox.link("d", "folder");
    let captured = sandbox.capture();
    assert_eq!(
        paths(&captured),
        [
            "d/a.py",
            "d/up.py",
            "dangling.py",
            "e/b.py",
            "folder",
            "inside.py"
        ]
    );
    assert_eq!(
        captured.tree.files[1].digest,
        link_digest("../e/b.py".as_ref())
    );
    let named: Vec<_> = captured.state.left_out.keys().map(String::as_str).collect();
    assert_eq!(named, ["absolute", "leaves.py"]);
}

#[test]
fn a_tracked_file_behind_a_folder_that_became_a_link_is_not_read() {
    let sandbox = Sandbox::with(&[("d/a.py", "1\n"), ("e.py", "")]);
    sandbox.remove("d/a.py");
    std::fs::remove_dir(sandbox.project.join("d")).unwrap();
    std::fs::create_dir(sandbox.root().join("elsewhere")).unwrap();
    std::fs::write(sandbox.root().join("elsewhere/a.py"), "secret").unwrap();
    sandbox.link("../elsewhere", "d");
    let captured = sandbox.capture();
    assert_eq!(paths(&captured), ["e.py"]);
    assert_eq!(captured.state.changed, ["d", "d/a.py"]);
    assert!(captured.state.left_out.contains_key("d"));
}

#[test]
fn secrets_outside_the_commit_are_named_and_not_captured() {
    let key = "-----BEGIN OPENSSH PRIVATE KEY-----\nx\n";
    let sandbox = Sandbox::with(&[("tests/key.txt", key), (".env.example", "A=\n")]);
    sandbox.write(".env", "TOKEN=1\n");
    sandbox.write("notes.txt", key);
    sandbox.write("conf/staged.pem", "x");
    sandbox.write(
        "conf/config.py",
        format!("K = '{}{}'\n", "AKIA", "ABCDEFGHIJKLMNOP"),
    );
    sandbox.git(["add", "conf/staged.pem", "conf/config.py"]);
    sandbox.write("tests/key.txt", format!("{key}more\n"));
    sandbox.write(".env.example", "B=\n");
    let captured = sandbox.capture();
    assert_eq!(paths(&captured), [".env.example", "tests/key.txt"]);
    let left_out = &captured.state.left_out;
    for path in [".env", "notes.txt", "conf/staged.pem", "conf/config.py"] {
        assert!(left_out[path].starts_with("looks like a secret"), "{path}");
    }
    let patch = patch(&captured);
    assert!(patch.contains("+B="), "{patch}");
    assert!(!patch.contains("AKIA") && !patch.contains("PRIVATE") && !patch.contains("staged.pem"));
    assert_eq!(captured.state.notes.len(), 3, "{:?}", captured.state.notes);
}

#[test]
fn large_files_count_by_reference() {
    let sandbox = Sandbox::with(&[("a.py", "1\n")]);
    sandbox.write("tracked.bin", vec![7; 10_000_001]);
    sandbox.write("limit.bin", vec![7; 10_000_000]);
    sandbox.commit();
    sandbox.write("untracked.bin", vec![8; 10_000_001]);
    let captured = sandbox.capture();
    assert_eq!(paths(&captured), ["a.py", "limit.bin"]);
    let left_out = &captured.state.left_out;
    let blob = sandbox.git(["rev-parse", "HEAD:tracked.bin"]);
    assert!(left_out["tracked.bin"].contains(&blob));
    assert!(left_out["untracked.bin"].ends_with("10000001 bytes"));
    sandbox.write("tracked.bin", vec![9; 10_000_001]);
    let captured = sandbox.capture();
    assert!(captured.patch.is_none());
    assert!(captured.state.left_out["tracked.bin"].ends_with("10000001 bytes"));
    assert_eq!(captured.state.changed, ["tracked.bin", "untracked.bin"]);
}

#[test]
fn data_lock_and_own_folder_are_neither_code_nor_dirt() {
    let sandbox =
        Sandbox::with(&[("a.py", "1\n"), ("data/d.csv", "1\n")]).declare(&["data/d.csv", "raw"]);
    let before = sandbox.capture().state;
    sandbox.write("data/d.csv", "2\n");
    sandbox.write("raw/x/new.csv", "2\n");
    sandbox.write(".reproof/objects/x", "2\n");
    sandbox.write("reproof.lock", "2\n");
    let after = sandbox.capture();
    assert_eq!(paths(&after), ["a.py"]);
    assert_eq!(after.state, before);
    assert!(after.patch.is_none());
    sandbox.write("a.py", "2\n");
    let after = sandbox.capture();
    assert_eq!(after.state.changed, ["a.py"]);
    assert_eq!(patch(&after).matches("diff --git").count(), 1);
}

#[test]
fn the_lock_is_committed_or_not() {
    let sandbox = Sandbox::with(&[("a.py", "1\n")]);
    assert_eq!(lock_of(&sandbox), None);
    sandbox.write("reproof.lock", "1\n");
    assert_eq!(lock_of(&sandbox), Some(false));
    sandbox.git(["add", "reproof.lock"]);
    assert_eq!(lock_of(&sandbox), Some(false));
    sandbox.commit();
    assert_eq!(lock_of(&sandbox), Some(true));
    sandbox.write("reproof.lock", "2\n");
    assert_eq!(lock_of(&sandbox), Some(false));
    sandbox.write("reproof.lock", "1\n");
    sandbox.write("other.py", "1\n");
    assert_eq!(lock_of(&sandbox), Some(true));
    sandbox.git(["rm", "-q", "--cached", "reproof.lock"]);
    sandbox.write(".gitignore", "reproof.lock\n");
    sandbox.commit();
    assert_eq!(lock_of(&sandbox), Some(false));
}

#[test]
fn reproofignore_applies_inside_git() {
    let sandbox = Sandbox::with(&[
        ("a.py", "1\n"),
        ("gen/x.py", "1\n"),
        (".reproofignore", "gen/\n*.out\n!keep.out\n"),
    ]);
    sandbox.write("gen/x.py", "2\n");
    sandbox.write("y.out", "");
    sandbox.write("keep.out", "");
    let captured = sandbox.capture();
    assert_eq!(paths(&captured), [".reproofignore", "a.py", "keep.out"]);
    assert_eq!(captured.state.changed, ["keep.out"]);
    assert!(captured.patch.is_none());
}

#[test]
fn submodules_and_inner_repositories_are_named() {
    let inner = Sandbox::with(&[("m.py", "1\n")]);
    let sandbox = Sandbox::with(&[("a.py", "1\n")]);
    sandbox.git([
        "submodule",
        "--quiet",
        "add",
        inner.project.to_str().unwrap(),
        "sub",
    ]);
    sandbox.commit();
    sandbox.git(["init", "-q", "nested"]);
    sandbox.write("nested/n.py", "1\n");
    let captured = sandbox.capture();
    assert_eq!(paths(&captured), [".gitmodules", "a.py"]);
    let commit = inner.git(["rev-parse", "HEAD"]);
    assert!(captured.state.left_out["sub"].contains(&commit));
    assert!(captured.state.left_out["nested/"].contains("another git repository"));
    assert_eq!(captured.state.changed, ["nested/"]);
}

#[test]
fn what_git_was_told_to_overlook_is_seen() {
    let sandbox = Sandbox::with(&[
        ("a.py", "1\n"),
        ("b.py", "1\n"),
        ("c.py", "1\n"),
        ("d/e.py", "1\n"),
    ]);
    sandbox.git(["update-index", "--assume-unchanged", "a.py", "b.py"]);
    sandbox.git(["update-index", "--skip-worktree", "c.py", "d/e.py"]);
    assert_eq!(sandbox.capture().state.dirty, Some(false));
    sandbox.write("a.py", "2\n");
    sandbox.write("c.py", "2\n");
    sandbox.remove("d/e.py");
    let captured = sandbox.capture();
    assert_eq!(captured.state.changed, ["a.py", "c.py"]);
    assert_eq!(captured.state.notes.len(), 2);
    assert_eq!(paths(&captured), ["a.py", "b.py", "c.py"]);
}

#[test]
fn the_remote_without_credentials() {
    let sandbox = Sandbox::with(&[("a.py", "1\n")]);
    sandbox.git([
        "remote",
        "add",
        "origin",
        "https://user:token@example.org/o/r.git",
    ]);
    let state = sandbox.capture().state;
    assert_eq!(state.remote.as_deref(), Some("https://example.org/o/r.git"));
    assert!(!format!("{state:?}").contains("token"));
}

#[test]
fn the_environment_and_the_configuration_do_not_mislead() {
    let other = Sandbox::with(&[("other.py", "1\n")]);
    let mut sandbox = Sandbox::with(&[("a.py", "1\n")]);
    let dir = other.project.join(".git").to_str().unwrap().to_owned();
    sandbox.runner.variables = vec![
        ("GIT_DIR", dir),
        ("GIT_INDEX_FILE", "/nonexistent".to_owned()),
        ("GIT_LITERAL_PATHSPECS", "1".to_owned()),
        ("GIT_EXTERNAL_DIFF", "/bin/false".to_owned()),
        ("GIT_TRACE", "1".to_owned()),
    ];
    let ran = sandbox.root().join("ran");
    let hook = sandbox.root().join("hook");
    std::fs::write(&hook, format!("#!/bin/sh\ntouch '{}'\n", ran.display())).unwrap();
    sandbox.mode(hook.to_str().unwrap(), 0o755);
    let hook = hook.to_str().unwrap();
    for (key, value) in [
        ("core.fsmonitor", hook),
        ("core.pager", hook),
        ("diff.x.textconv", hook),
        ("diff.x.command", hook),
        ("status.showUntrackedFiles", "no"),
        ("status.relativePaths", "false"),
        ("status.short", "true"),
        ("status.branch", "false"),
        ("diff.mnemonicPrefix", "true"),
    ] {
        sandbox.git(["config", key, value]);
    }
    sandbox.write(".git/info/attributes", "*.py diff=x\n");
    sandbox.write("a.py", "2\n");
    sandbox.write("b.py", "2\n");
    std::fs::remove_file(&ran).unwrap_or_default();
    let captured = sandbox.capture();
    assert_eq!(captured.state.changed, ["a.py", "b.py"]);
    assert!(patch(&captured).contains("+2"));
    assert!(!ran.exists());
}

#[test]
fn a_capture_leaves_the_repository_as_it_is() {
    let sandbox = Sandbox::with(&[("a.py", "1\n")]);
    // Same bytes, other times: a status that may take locks would write the index anew.
    sandbox.age("a.py");
    let index = sandbox.project.join(".git/index");
    let before = std::fs::read(&index).unwrap();
    std::fs::write(sandbox.project.join(".git/index.lock"), "").unwrap();
    assert_eq!(sandbox.capture().state.dirty, Some(false));
    assert_eq!(std::fs::read(&index).unwrap(), before);
}

#[test]
fn a_broken_repository_is_an_error() {
    let sandbox = Sandbox::with(&[("a.py", "1\n")]);
    sandbox.write(".git/index", "nonsense");
    let error = sandbox.try_capture().unwrap_err();
    assert!(matches!(error, CaptureError::Git { .. }), "{error}");
    assert!(error.to_string().contains("index file"), "{error}");

    let sandbox = Sandbox::folder();
    sandbox.write(".git", "gitdir: /nonexistent\n");
    let error = sandbox.try_capture().unwrap_err().to_string();
    assert!(error.contains("/nonexistent"), "{error}");
}

#[test]
fn a_repository_of_another_user_is_an_error_that_says_so() {
    let mut sandbox = Sandbox::with(&[("a.py", "1\n")]);
    sandbox.runner.variables = vec![("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1".to_owned())];
    let error = sandbox.try_capture().unwrap_err().to_string();
    assert!(
        error.contains("dubious ownership") && error.contains("safe.directory"),
        "{error}"
    );
}

#[test]
fn a_folder_that_the_repository_around_it_ignores_has_no_commit() {
    let mut sandbox = Sandbox::with(&[(".gitignore", "*\n!.gitignore\n")]);
    sandbox.write("work/p/a.py", "1\n");
    sandbox.project.push("work/p");
    let captured = sandbox.capture();
    assert_eq!(paths(&captured), ["a.py"]);
    assert_eq!((captured.state.commit, captured.state.dirty), (None, None));
    assert!(captured.state.notes[0].contains("ignores all of it"));
}
