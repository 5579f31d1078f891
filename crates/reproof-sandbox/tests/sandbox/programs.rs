//! Programs that cannot be run, told apart from programs that fail.
use std::os::unix::fs::PermissionsExt;

use reproof_sandbox::{ProgramFault, Sandbox, SandboxError};

use crate::common::{Test, mount, sandbox, says, try_run};

pub const TESTS: &[Test] = &[
    (
        "a_missing_program_is_named_with_the_path",
        a_missing_program_is_named_with_the_path,
    ),
    (
        "what_is_no_program_is_told_apart",
        what_is_no_program_is_told_apart,
    ),
    ("a_missing_loader_is_named", a_missing_loader_is_named),
    (
        "another_processors_program_is_refused",
        another_processors_program_is_refused,
    ),
    ("a_missing_folder_is_named", a_missing_folder_is_named),
    ("scripts_run", scripts_run),
    ("a_missing_source_is_named", a_missing_source_is_named),
    (
        "a_mount_point_in_a_file_is_refused",
        a_mount_point_in_a_file_is_refused,
    ),
    (
        "a_sandbox_that_cannot_be_is_refused",
        a_sandbox_that_cannot_be_is_refused,
    ),
];

fn fault(sandbox: &Sandbox) -> ProgramFault {
    match try_run(sandbox) {
        Err(SandboxError::Program { program, fault }) => {
            assert_eq!(program, sandbox.argv[0]);
            fault
        }
        other => panic!("{other:?}"),
    }
}

fn a_missing_program_is_named_with_the_path() {
    let path = Some("/bin".to_owned());
    assert_eq!(
        fault(&sandbox(&["python", "train.py"])),
        ProgramFault::NotFound { path }
    );
    assert_eq!(
        fault(&sandbox(&["/bin/python"])),
        ProgramFault::NotFound { path: None }
    );
    // The host has it, the sandbox has not.
    assert_eq!(
        fault(&sandbox(&["/usr/bin/env"])),
        ProgramFault::NotFound { path: None }
    );
}

fn what_is_no_program_is_told_apart() {
    let not = |path: &str| ProgramFault::NotExecutable(path.to_owned());
    assert_eq!(fault(&sandbox(&["/etc/passwd"])), not("/etc/passwd"));
    assert_eq!(fault(&sandbox(&["/etc"])), not("/etc"));
}

/// A sandbox whose program is a file with these bytes.
fn with_program(bytes: &[u8]) -> (tempfile::TempDir, Sandbox) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("program");
    std::fs::write(&file, bytes).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
    let mut sandbox = sandbox(&["/code/program", "argument"]);
    sandbox.mounts.push(mount(folder.path(), "/code", false));
    (folder, sandbox)
}

fn a_missing_loader_is_named() {
    let (_folder, sandbox) = with_program(b"#! /usr/bin/python3 -u\nprint()\n");
    assert_eq!(
        fault(&sandbox),
        ProgramFault::MissingLoader("/usr/bin/python3".to_owned())
    );
    let (_folder, mut sandbox) = with_program(&std::fs::read("/bin/true").unwrap());
    sandbox.mounts.remove(0);
    match fault(&sandbox) {
        ProgramFault::MissingLoader(loader) => assert!(loader.contains("ld"), "{loader}"),
        other => panic!("{other:?}"),
    }
}

fn another_processors_program_is_refused() {
    let mut bytes = std::fs::read("/bin/true").unwrap();
    // The machine of the header: SPARC.
    bytes[18] = 2;
    bytes[19] = 0;
    let (_folder, sandbox) = with_program(&bytes);
    assert_eq!(
        fault(&sandbox),
        ProgramFault::WrongArchitecture("/code/program".to_owned())
    );
    for bytes in [b"echo hello\n".as_slice(), b""] {
        let (_folder, sandbox) = with_program(bytes);
        assert_eq!(
            fault(&sandbox),
            ProgramFault::UnknownFormat("/code/program".to_owned())
        );
    }
}

fn a_missing_folder_is_named() {
    for folder in ["/work", "/etc/passwd"] {
        let mut sandbox = sandbox(&["true"]);
        sandbox.folder = folder.to_owned();
        assert_eq!(
            fault(&sandbox),
            ProgramFault::MissingFolder(folder.to_owned())
        );
    }
}

fn scripts_run() {
    let (_folder, mut sandbox) = with_program(b"#!/bin/sh\necho \"$0 $1\"\n");
    assert_eq!(says(&sandbox), "/code/program argument\n");
    sandbox.folder = "/code".to_owned();
    sandbox.argv[0] = "./program".to_owned();
    assert_eq!(says(&sandbox), "./program argument\n");
}

fn a_missing_source_is_named() {
    let mut sandbox = sandbox(&["true"]);
    sandbox
        .mounts
        .push(mount("/nowhere/at/all".as_ref(), "/in", false));
    match try_run(&sandbox) {
        Err(SandboxError::Setup(failure)) => {
            assert_eq!(failure.path.as_deref(), Some("/nowhere/at/all"));
            assert_eq!(failure.errno, nix::libc::ENOENT);
        }
        other => panic!("{other:?}"),
    }
}

fn a_mount_point_in_a_file_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    for to in ["/etc/passwd/in", "/short/in"] {
        let mut sandbox = sandbox(&["true"]);
        sandbox.mounts.push(mount(folder.path(), to, false));
        let error = try_run(&sandbox).unwrap_err().to_string();
        assert!(error.contains("make mount points in"), "{error}");
    }
}

fn a_sandbox_that_cannot_be_is_refused() {
    let mut sandbox = sandbox(&["true"]);
    sandbox.mounts[0].writable = true;
    assert!(matches!(try_run(&sandbox), Err(SandboxError::Invalid(_))));
}
