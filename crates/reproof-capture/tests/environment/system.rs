//! Closures of programs of the machine.

use reproof_capture::environment::EnvironmentError;

use crate::scene::{Scene, inside, programs, seal, write};

#[test]
fn programs_run_with_nothing_but_their_closure() {
    let scene = Scene::new();
    let spec = programs(&["sh", "awk", "sort"], &["/etc/os-release"]);
    let open = scene.build(&spec, "cache").unwrap();
    assert_eq!(open.bytecode_command(), None);
    assert_eq!(open.digest(), scene.build(&spec, "other").unwrap().digest());
    let closure = seal(open);
    let script =
        "printf '2\\n1\\n' | sort | awk '{s = s $1} END {print s}'; cat /etc/os-release; ls / || :";
    let said = inside(&closure.root(), &["sh", "-c", script]);
    assert!(said.starts_with("12\n"), "{said}");
    assert!(said.contains("ID="), "{said}");
}

#[test]
fn a_script_brings_its_interpreter() {
    let mut scene = Scene::new();
    let usr = "opt/tool/bin";
    let script = write(
        &scene,
        &format!("{usr}/tool"),
        "#!/usr/bin/env awk -f\nBEGIN { print 7 }\n",
    );
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&script, mode).unwrap();
    scene.path.insert(0, script.parent().unwrap().to_owned());
    // Temporary folders are never part of a closure.
    let refused = scene.build(&programs(&["tool"], &[]), "cache").unwrap_err();
    assert!(
        matches!(refused, EnvironmentError::Extra { .. }),
        "{refused}"
    );
}

#[test]
fn what_cannot_be_part_of_one() {
    let scene = Scene::new();
    let refused = |names: &[&str], extra: &[&str]| {
        scene
            .build(&programs(names, extra), "cache")
            .unwrap_err()
            .to_string()
    };
    assert!(refused(&["no-such-program"], &[]).contains("'no-such-program' is not installed"));
    assert!(refused(&["../sh"], &[]).contains("not installed"));
    assert!(refused(&[], &["/proc/self"]).contains("cannot be part"));
    assert!(refused(&[], &["/"]).contains("root folder"));
    assert!(refused(&[], &["relative"]).contains("not absolute"));
    assert!(refused(&[], &["/etc/no-such-file"]).contains("/etc/no-such-file"));
}
