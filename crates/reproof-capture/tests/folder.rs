//! Captures of folders without a repository, the cache, and files that change meanwhile.

#![allow(clippy::disallowed_methods, clippy::unwrap_used)]

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use common::{MemoryCache, Sandbox, TestRunner, paths};
use reproof_capture::{CaptureError, CaptureOptions, DigestCache, NoCache, capture};
use reproof_record::Digest;
use reproof_store::fs::RealIo;
use reproof_store::{Fault, FaultIo};

#[test]
fn a_folder_without_a_repository() {
    let sandbox = Sandbox::folder().declare(&["data"]);
    for path in [
        "a.py",
        "b/c.py",
        ".gitignore",
        "target/train.py",
        "data/d.csv",
        "reproof.lock",
        ".reproof/x",
        "__pycache__/a.pyc",
        "node_modules/m/x.js",
        ".venv/x",
        "my env/pyvenv.cfg",
        "my env/lib.py",
        "out/x",
        "skip/x",
        "stray.pyc",
        ".env",
    ] {
        sandbox.write(path, "x");
    }
    sandbox.write(
        "build/CACHEDIR.TAG",
        "Signature: 8a477f597d28d172789f06886806bc55\n# x\n",
    );
    sandbox.write("build/x.o", "x");
    sandbox.write("other/CACHEDIR.TAG", "something else");
    sandbox.write(".reproofignore", "skip/\n/out/*\n");
    sandbox.link("b", "link");
    let captured = sandbox.capture();
    assert_eq!(
        paths(&captured),
        [
            ".gitignore",
            ".reproofignore",
            "a.py",
            "b/c.py",
            "link",
            "other/CACHEDIR.TAG",
            "target/train.py"
        ]
    );
    let state = &captured.state;
    let named: Vec<_> = state.left_out.keys().map(String::as_str).collect();
    assert_eq!(named, [".env", "build/", "my env/"]);
    assert_eq!((state.dirty, state.commit.as_deref()), (None, None));
    assert!(captured.patch.is_none() && captured.lock_committed.is_none());
    assert!(captured.state.notes[0].contains("not in a git repository"));
}

#[test]
fn git_and_a_folder_give_the_same_tree() {
    let sandbox = Sandbox::folder();
    sandbox.write("a.py", "1");
    sandbox.write("b/c.sh", "2");
    sandbox.mode("b/c.sh", 0o755);
    sandbox.link("a.py", "l");
    let before = sandbox.capture();
    sandbox.git(["init", "-q"]);
    assert_eq!(sandbox.capture().tree, before.tree);
    sandbox.commit();
    assert_eq!(sandbox.capture().tree, before.tree);
}

#[test]
fn without_the_program_git() {
    let mut sandbox = Sandbox::with(&[("a.py", "1")]);
    sandbox.runner.without = Some("git");
    let captured = sandbox.capture();
    assert_eq!(paths(&captured), ["a.py"]);
    assert_eq!(captured.state.dirty, None);
    assert!(
        captured.state.notes[0].contains("not installed")
            && captured.state.notes[0].contains(".git")
    );
}

#[test]
fn an_empty_dot_git_is_mentioned() {
    let sandbox = Sandbox::folder();
    std::fs::create_dir(sandbox.project.join(".git")).unwrap();
    sandbox.write("a.py", "1");
    assert!(sandbox.capture().state.notes[0].contains(".git"));
}

#[test]
fn a_folder_that_is_not_there_is_an_error() {
    let mut sandbox = Sandbox::folder();
    sandbox.project.push("nowhere");
    assert!(matches!(sandbox.try_capture(), Err(CaptureError::Io(_))));
}

#[test]
fn a_pipe_is_named() {
    let sandbox = Sandbox::folder();
    let made = std::process::Command::new("mkfifo")
        .arg(sandbox.project.join("p"))
        .status();
    assert!(made.unwrap().success());
    let captured = sandbox.capture();
    assert!(captured.state.left_out["p"].contains("neither"));
}

fn cached(sandbox: &Sandbox, cache: &dyn DigestCache) -> reproof_capture::Capture {
    capture(
        &sandbox.project,
        &RealIo,
        &sandbox.runner,
        cache,
        &sandbox.options,
    )
    .unwrap()
}

#[test]
fn only_files_at_rest_are_remembered_and_believed() {
    let sandbox = Sandbox::folder();
    sandbox.write("a.py", "1");
    let cache = MemoryCache::default();
    let first = cached(&sandbox, &cache);
    // Its change time is a moment ago, whatever its modification time says.
    assert!(cache.0.lock().unwrap().is_empty());
    std::thread::sleep(std::time::Duration::from_millis(2100));
    assert_eq!(cached(&sandbox, &cache).tree, first.tree);
    assert_eq!(cache.0.lock().unwrap().len(), 1);

    // A digest that could not be computed from the bytes shows that the cache is used.
    let lie = Digest::of(b"lie");
    cache.0.lock().unwrap().get_mut("a.py").unwrap().digest = lie;
    assert_eq!(cached(&sandbox, &cache).tree.files[0].digest, lie);
    // Hashed too early.
    let early = cache.0.lock().unwrap()["a.py"].facts.ctime_ns + 1_999_999_999;
    cache
        .0
        .lock()
        .unwrap()
        .get_mut("a.py")
        .unwrap()
        .hashed_at_ns = early;
    assert_eq!(cached(&sandbox, &cache).tree, first.tree);
    // Same size, same modification time, other bytes.
    cache.0.lock().unwrap().get_mut("a.py").unwrap().digest = lie;
    let file = sandbox.project.join("a.py");
    let modified = std::fs::metadata(&file).unwrap().modified().unwrap();
    sandbox.write("a.py", "2");
    std::fs::File::options()
        .write(true)
        .open(&file)
        .unwrap()
        .set_modified(modified)
        .unwrap();
    assert_eq!(
        cached(&sandbox, &cache).tree.files[0].digest,
        Digest::of(b"2")
    );
}

#[test]
fn a_secret_is_never_remembered() {
    let sandbox = Sandbox::folder();
    sandbox.write("x", "-----BEGIN PRIVATE KEY-----\n");
    std::thread::sleep(std::time::Duration::from_millis(2100));
    let cache = MemoryCache::default();
    assert!(paths(&cached(&sandbox, &cache)).is_empty());
    assert!(cache.0.lock().unwrap().is_empty());
}

/// Asked for digests, it changes a file: between git's look and the reading.
struct Meddler<'a> {
    sandbox: &'a Sandbox,
    times: usize,
    asked: AtomicUsize,
}

impl DigestCache for Meddler<'_> {
    fn get(
        &self,
        paths: &[&str],
    ) -> std::collections::BTreeMap<String, reproof_capture::CachedDigest> {
        let asked = self.asked.fetch_add(1, Ordering::Relaxed);
        if asked < self.times {
            self.sandbox.write("a.py", format!("changed {asked}\n"));
        }
        NoCache.get(paths)
    }

    fn set(&self, _digests: &[(String, reproof_capture::CachedDigest)]) {}
}

#[test]
fn a_file_that_changes_meanwhile_makes_the_capture_begin_anew() {
    let sandbox = Sandbox::with(&[("a.py", "1\n")]);
    std::thread::sleep(std::time::Duration::from_millis(60));
    let meddler = Meddler {
        sandbox: &sandbox,
        times: 1,
        asked: AtomicUsize::new(0),
    };
    let captured = cached(&sandbox, &meddler);
    assert_eq!(captured.state.dirty, Some(true));
    assert_eq!(captured.tree.files[0].digest, Digest::of(b"changed 0\n"));
    assert!(String::from_utf8_lossy(&captured.patch.unwrap()).contains("+changed 0"));
}

#[test]
fn a_file_that_never_rests_is_an_error() {
    let sandbox = Sandbox::with(&[("a.py", "1\n")]);
    let meddler = Meddler {
        sandbox: &sandbox,
        times: 99,
        asked: AtomicUsize::new(0),
    };
    let options = CaptureOptions::default();
    let result = capture(
        &sandbox.project,
        &RealIo,
        &sandbox.runner,
        &meddler,
        &options,
    );
    assert!(matches!(result, Err(CaptureError::Changing { path }) if path == "a.py"));
}

#[test]
fn any_failing_call_is_an_error_that_names_its_path_or_changes_nothing() {
    let sandbox = Sandbox::folder();
    for path in ["a.py", "b/c.py", ".reproofignore"] {
        sandbox.write(path, "x");
    }
    sandbox.link("a.py", "l");
    std::thread::sleep(std::time::Duration::from_millis(60));
    let runner = TestRunner {
        without: Some("git"),
        ..TestRunner::default()
    };
    let whole = capture(
        &sandbox.project,
        &RealIo,
        &runner,
        &NoCache,
        &sandbox.options,
    )
    .unwrap();
    let mut failures = 0;
    for call in 1..100 {
        let kind = std::io::ErrorKind::Other;
        let fault = Fault {
            at: call,
            dead: false,
            kind,
            writes_only: false,
        };
        let io = FaultIo::new(Arc::new(RealIo), Some(fault));
        match capture(&sandbox.project, &io, &runner, &NoCache, &sandbox.options) {
            Err(error) => {
                failures += 1;
                assert!(
                    error
                        .to_string()
                        .contains(sandbox.project.to_str().unwrap()),
                    "{error}"
                );
            }
            Ok(captured) => {
                let lost = captured.tree != whole.tree;
                assert!(!lost || !captured.state.left_out.is_empty(), "call {call}");
            }
        }
    }
    assert!(failures > 8, "{failures}");
}
