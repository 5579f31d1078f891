//! The same without a sandbox.
use std::time::Duration;

use reproof_sandbox::{End, ProgramFault, Sandbox, SandboxError, Stream, Traced};

use crate::common::{Ran, Test, mount, processes_with, script};

pub const TESTS: &[Test] = &[
    (
        "variables_folder_and_code_are_the_same",
        variables_folder_and_code_are_the_same,
    ),
    ("nothing_is_left", nothing_is_left),
    ("limits_hold", limits_hold),
    ("cancelled_it_ends", cancelled_it_ends),
    ("a_missing_program_is_named", a_missing_program_is_named),
    (
        "only_what_is_given_can_be_written",
        only_what_is_given_can_be_written,
    ),
    ("what_is_there_is_told_too", what_is_there_is_told_too),
];

fn run(sandbox: &Sandbox) -> Result<Ran, SandboxError> {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let mut output = |stream, bytes: &[u8]| match stream {
        Stream::Out => out.extend_from_slice(bytes),
        Stream::Err => err.extend_from_slice(bytes),
    };
    let finished = reproof_sandbox::run_unconfined(sandbox, &mut output, &|| false)?;
    Ok(Ran { out, err, finished })
}

fn host(text: &str) -> Sandbox {
    let mut sandbox = script(text);
    sandbox.variables = [("PATH".to_owned(), "/bin:/usr/bin".to_owned())].into();
    sandbox
}

fn variables_folder_and_code_are_the_same() {
    let mut sandbox = host("env; readlink /proc/self/cwd; umask; ulimit -n; cat; exit 7");
    sandbox.folder = "/etc".to_owned();
    let ran = run(&sandbox).unwrap();
    assert_eq!(ran.finished.end, End::Exited(7));
    let mut lines: Vec<String> = ran.out().lines().map(str::to_owned).collect();
    // The shell's own.
    lines.retain(|line| {
        !line.starts_with("PWD=") && !line.starts_with("_=") && !line.starts_with("SHLVL=")
    });
    assert_eq!(lines, ["PATH=/bin:/usr/bin", "/etc", "0022", "1024"]);
}

fn nothing_is_left() {
    let ran = run(&host("(setsid sleep 7020 &) ; sleep 7020 & exit 3")).unwrap();
    assert_eq!(ran.finished.end, End::Exited(3));
    assert_eq!(processes_with("7020"), 0);
}

fn limits_hold() {
    let mut sandbox = host("sleep 7021 & sleep 7021");
    let limit = Duration::from_millis(200);
    sandbox.limits.wall = Some(limit);
    assert_eq!(run(&sandbox).unwrap().finished.end, End::Wall { limit });
    let mut sandbox = host("x=x; while :; do x=$x$x; done");
    sandbox.limits.memory = Some(50 << 20);
    assert!(matches!(
        run(&sandbox).unwrap().finished.end,
        End::Memory { .. }
    ));
    let mut sandbox = host("while :; do :; done");
    sandbox.limits.cpu_seconds = Some(1);
    assert_eq!(run(&sandbox).unwrap().finished.end, End::Cpu { limit: 1 });
    let mut sandbox = host("sleep 7022 & sleep 7022 & sleep 7022 & sleep 7022 & wait");
    sandbox.limits.processes = Some(3);
    assert_eq!(
        run(&sandbox).unwrap().finished.end,
        End::Processes { limit: 3 }
    );
}

fn cancelled_it_ends() {
    let sandbox = host("sleep 7023");
    let finished = reproof_sandbox::run_unconfined(&sandbox, &mut |_, _| {}, &|| true).unwrap();
    assert_eq!(finished.end, End::Cancelled);
    crate::common::assert_gone("7023");
}

fn a_missing_program_is_named() {
    let mut sandbox = host("");
    sandbox.argv[0] = "no-such-program".to_owned();
    match run(&sandbox) {
        Err(SandboxError::Program {
            fault: ProgramFault::NotFound { .. },
            ..
        }) => {}
        other => panic!("{other:?}"),
    }
}

/// Files lie outside of `/tmp`, where everybody may write.
fn elsewhere() -> tempfile::TempDir {
    let folder = tempfile::tempdir_in("/var/tmp").unwrap();
    for name in ["given", "other"] {
        std::fs::create_dir(folder.path().join(name)).unwrap();
        std::fs::write(folder.path().join(name).join("file"), "x").unwrap();
    }
    folder
}

fn only_what_is_given_can_be_written() {
    let folder = elsewhere();
    let at = |name: &str| folder.path().join(name);
    let (given, other) = (at("given"), at("other"));
    let mut sandbox = host(&format!(
        "cd {}; echo new > file; echo 1 > made; cat {1}/file; echo no > {1}/file; echo no > {1}/made",
        given.display(),
        other.display()
    ));
    sandbox.mounts = vec![
        mount(&given, "/given", true),
        mount(&other, "/other", false),
    ];
    let ran = run(&sandbox).unwrap();
    assert_eq!(ran.out(), "x");
    assert_eq!(
        std::fs::read_to_string(given.join("file")).unwrap(),
        "new\n"
    );
    assert!(given.join("made").exists());
    if reproof_sandbox::support().is_ok_and(|support| support.landlock) {
        assert_eq!(std::fs::read_to_string(other.join("file")).unwrap(), "x");
        assert!(!other.join("made").exists(), "{}", ran.err());
    }
}

fn what_is_there_is_told_too() {
    let folder = elsewhere();
    let (given, other) = (folder.path().join("given"), folder.path().join("other"));
    let mut sandbox = host(&format!(
        "cat {0}/file {0}/none {1}/file {1}/none 2>/dev/null; true",
        given.display(),
        other.display()
    ));
    sandbox.mounts = vec![mount(&given, "/given", false)];
    sandbox.watched = vec![folder.path().display().to_string()];
    let Traced::Missed(missed) = run(&sandbox).unwrap().finished.traced else {
        panic!("not traced");
    };
    let expected = [given.join("none"), other.join("file"), other.join("none")];
    let expected = expected.map(|path| path.display().to_string());
    assert_eq!(missed.paths.into_iter().collect::<Vec<_>>(), expected);
}
