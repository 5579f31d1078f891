//! What is told of paths that a process asks for.
use std::time::Duration;

use reproof_sandbox::{End, ProgramFault, Sandbox, SandboxError, Traced};

use crate::common::{
    GIVEN, Test, assert_gone, mount, open_to_all, root, run, sandbox, script, try_run,
};

pub const TESTS: &[Test] = &[
    ("what_is_missing_is_told", what_is_missing_is_told),
    ("however_it_is_asked_for", however_it_is_asked_for),
    (
        "the_process_notices_nothing_else",
        the_process_notices_nothing_else,
    ),
    (
        "without_watched_paths_nothing_is",
        without_watched_paths_nothing_is,
    ),
    (
        "limits_hold_and_nothing_is_left",
        limits_hold_and_nothing_is_left,
    ),
    (
        "a_missing_program_is_still_named",
        a_missing_program_is_still_named,
    ),
    ("a_flood_of_paths_is_bounded", a_flood_of_paths_is_bounded),
    (
        "where_it_cannot_be_the_process_runs_all_the_same",
        where_it_cannot_be_the_process_runs_all_the_same,
    ),
];

/// A sandbox with a folder of code, whose missing paths are told.
fn watching(mut sandbox: Sandbox) -> (tempfile::TempDir, Sandbox) {
    let code = tempfile::tempdir().unwrap();
    std::fs::create_dir(code.path().join("there")).unwrap();
    std::fs::write(code.path().join("there/a.txt"), "a").unwrap();
    open_to_all(code.path());
    sandbox.mounts.push(mount(code.path(), "/code", false));
    sandbox.watched = vec!["/code".to_owned(), "/home/me/project".to_owned()];
    (code, sandbox)
}

#[track_caller]
fn missed(sandbox: &Sandbox) -> Vec<String> {
    let ran = run(sandbox);
    assert_eq!(
        ran.finished.end,
        End::Exited(0),
        "{}{}",
        ran.out(),
        ran.err()
    );
    match ran.finished.traced {
        Traced::Missed(missed) => {
            assert!(!missed.more);
            missed.paths.into_iter().collect()
        }
        other => panic!("{other:?}"),
    }
}

fn what_is_missing_is_told() {
    let (_code, sandbox) = watching(script(
        "cat /code/data/a.csv 2>/dev/null; cat /code/there/a.txt /etc/none 2>/dev/null
         ls /code/folder/ 2>/dev/null; test -e /home/me/project/x.csv; test -e /home/me/projects
         cd /code/there; cat ../relative/./b.csv 2>/dev/null; (sh -c 'cat grandchild 2>/dev/null')
         ls . >/dev/null; test -e /code/there/a.txt; echo x 2>/dev/null > /code/new; true",
    ));
    assert_eq!(
        missed(&sandbox),
        [
            "/code/data/a.csv",
            "/code/folder",
            "/code/relative/b.csv",
            "/code/there/grandchild",
            "/home/me/project/x.csv",
        ]
    );
}

fn however_it_is_asked_for() {
    let (_code, sandbox) = watching(sandbox(&["probe", "--probe", "ask"]));
    let long = format!("/code/{}", "long/".repeat(200));
    let mut expected = vec![
        "/code/above",
        "/code/by-chdir",
        "/code/by-exec",
        long.trim_end_matches('/'),
        "/code/there/by-access",
        "/code/there/by-descriptor",
        "/code/there/by-readlink",
        "/code/there/by-stat",
        "/code/there/by-statx",
        "/code/thread-0",
        "/code/thread-1",
        "/code/thread-2",
        "/code/thread-3",
    ];
    expected.sort_unstable();
    assert_eq!(missed(&sandbox), expected);
}

/// The same answers, files, descriptors, signals and end.
fn the_process_notices_nothing_else() {
    let text = "ls /proc/self/fd; cat /code/there/a.txt /code/none; readlink /proc/self/cwd
                trap 'echo signal' USR1; kill -USR1 $$; sleep 0.05 & wait; seq 3
                for n in $(seq 50); do cat /code/there/a.txt; done; exit 7";
    let (_code, mut sandbox) = watching(script(text));
    let traced = run(&sandbox);
    sandbox.watched.clear();
    let plain = run(&sandbox);
    assert_eq!(
        (traced.finished.end, traced.out(), traced.err()),
        (plain.finished.end, plain.out(), plain.err())
    );
    assert_eq!(plain.finished.end, End::Exited(7));
    assert!(traced.out().contains("signal"), "{}", traced.out());
}

fn without_watched_paths_nothing_is() {
    let ran = run(&script("cat /code/none; true"));
    assert_eq!(ran.finished.traced, Traced::No);
}

fn limits_hold_and_nothing_is_left() {
    let limit = Duration::from_millis(300);
    let text = "sleep 7031 & while :; do cat /code/none; done 2>/dev/null";
    let (_code, mut sandbox) = watching(script(text));
    sandbox.limits.wall = Some(limit);
    sandbox.limits.processes = Some(8);
    let ran = run(&sandbox);
    assert_eq!(ran.finished.end, End::Wall { limit });
    let Traced::Missed(missed) = ran.finished.traced else {
        panic!("not traced");
    };
    assert!(missed.paths.contains("/code/none"), "{missed:?}");
    assert_gone("7031");
    sandbox.limits.wall = None;
    let finished = reproof_sandbox::run(&sandbox, &mut |_, _| {}, &|| true).unwrap();
    assert_eq!(finished.end, End::Cancelled);
    assert_gone("7031");
}

fn a_missing_program_is_still_named() {
    let (_code, mut sandbox) = watching(sandbox(&["no-such-program"]));
    let not_found = |error: SandboxError| {
        matches!(
            error,
            SandboxError::Program {
                fault: ProgramFault::NotFound { .. },
                ..
            }
        )
    };
    assert!(not_found(try_run(&sandbox).unwrap_err()));
    sandbox.watched = vec!["code".to_owned()];
    let refused = try_run(&sandbox).unwrap_err().to_string();
    assert!(refused.contains("watched path 'code'"), "{refused}");
}

fn a_flood_of_paths_is_bounded() {
    let text = "i=0; while [ $i -lt 5000 ]; do test -e /code/missing-$i; i=$((i+1)); done; true";
    let (_code, sandbox) = watching(script(text));
    match run(&sandbox).finished.traced {
        Traced::Missed(missed) => assert!(missed.more && missed.paths.len() == 4096),
        other => panic!("{other:?}"),
    }
}

/// Of two that would watch the same calls the kernel lets only the first.
fn where_it_cannot_be_the_process_runs_all_the_same() {
    let own = std::fs::canonicalize("/proc/self/exe").unwrap();
    let mut outer = sandbox(&[own.to_str().unwrap(), "--probe", "watched"]);
    outer
        .variables
        .insert(GIVEN.to_owned(), root().display().to_string());
    let says = |outer: &Sandbox| {
        let mut out = Vec::new();
        let mut output = |_, bytes: &[u8]| out.extend_from_slice(bytes);
        reproof_sandbox::run_unconfined(outer, &mut output, &|| false).unwrap();
        String::from_utf8(out).unwrap()
    };
    let said = says(&outer);
    assert!(
        said.starts_with("ran\nMissed(") && said.contains("/code/none"),
        "{said}"
    );
    outer.watched = vec!["/nowhere".to_owned()];
    let said = says(&outer);
    assert!(said.starts_with("ran\nUnavailable("), "{said}");
    assert!(said.contains("another program already watches"), "{said}");
}
