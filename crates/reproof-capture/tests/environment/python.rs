//! Closures with Python.

use std::path::Path;

use reproof_capture::environment::{Quick, Requirements, diff};

use crate::scene::{Scene, inside, locked, python, seal, small};

#[test]
fn two_builds_in_two_folders_are_one_closure_that_runs() {
    let scene = Scene::new();
    let spec = python(small());
    let one = scene.build(&spec, "a").unwrap();
    let other = scene.build(&spec, "a/much/longer/folder").unwrap();
    assert_eq!(one.digest(), other.digest());
    assert!(diff(one.description(), other.description()).is_empty());
    assert_eq!(one.description(), other.description());
    let packages: Vec<_> = one
        .description()
        .packages
        .keys()
        .map(String::as_str)
        .collect();
    assert_eq!(packages, ["idna", "pygments", "six"]);
    assert!(
        one.description()
            .left_out
            .values()
            .all(|left| !left.paths.is_empty())
    );
    assert!(
        one.description()
            .packages
            .values()
            .all(|package| package.content.is_some())
    );

    let (one, other) = (seal(one), seal(other));
    let bytecode = one.bytecode().unwrap();
    assert!(bytecode.files.len() > 400, "{}", bytecode.files.len());
    assert_eq!(bytecode, other.bytecode().unwrap());
    check_inside(&one.root());
    assert!(one.check_full().unwrap().is_right());
    let description = one.description().unwrap();
    let said = serde_json::to_string(&description).unwrap() + &format!("{:?}", one.tree().unwrap());
    let here = scene.folder.path().to_str().unwrap();
    assert!(!said.contains(here));
}

fn check_inside(root: &Path) {
    let script = "
import ctypes, decimal, hashlib, idna, json, locale, os, pwd, six, sqlite3, ssl, subprocess, sys
import time, zlib, zoneinfo, sysconfig
assert sys.prefix == sys.base_prefix == '/reproof/env', sys.prefix
assert all(path.startswith('/reproof/env/') for path in sys.path if path), sys.path
assert six.__file__.startswith('/reproof/env/lib/python'), six.__file__
assert six.__cached__ and os.path.exists(six.__cached__), six.__cached__
assert sysconfig.get_config_var('exec_prefix') == '/reproof/env'
assert subprocess.check_output('echo $0', shell=True) == b'/bin/sh\\n'
assert subprocess.check_output(['python', '-c', 'print(1)']) == b'1\\n'
locale.setlocale(locale.LC_ALL, '')
assert locale.nl_langinfo(locale.CODESET) == 'UTF-8'
assert pwd.getpwuid(1000).pw_name == 'reproof'
assert time.tzname == ('UTC', 'UTC'), time.tzname
ctypes.CDLL('libgcc_s.so.1')
print(sorted(os.listdir('/')))
";
    let said = inside(root, &["/reproof/env/bin/python3", "-c", script]);
    assert!(
        said.contains("'reproof'") && !said.contains("'home'"),
        "{said}"
    );
    let script = inside(root, &["pygmentize", "-V"]);
    assert!(script.starts_with("Pygments version 2.19.2"), "{script}");
    let first = std::fs::read_to_string(root.join("reproof/env/bin/pygmentize")).unwrap();
    assert!(first.starts_with("#!/reproof/env/bin/python3."), "{first}");
}

#[test]
fn compiled_packages_find_their_libraries() {
    let scene = Scene::new();
    let open = scene
        .build(&python(locked("numpy>=1.26\n")), "cache")
        .unwrap();
    assert_eq!(open.description().notes, Vec::<String>::new());
    assert!(
        !open
            .tree()
            .files
            .iter()
            .any(|file| file.path.as_str().contains("/numpy/tests/"))
    );
    let script =
        "import numpy, numpy.testing; print(numpy.linalg.det(numpy.eye(40)), numpy.random.rand())";
    let said = inside(&open.root(), &["/reproof/env/bin/python", "-c", script]);
    assert!(said.starts_with("1.0 "), "{said}");
    let closure = seal(open);
    assert_eq!(closure.check_quick().unwrap(), Quick::Unknown);
}

/// Debian's Python looks for packages elsewhere, and its prefix holds everything.
#[test]
fn the_systems_own_python_will_do() {
    let mut scene = Scene::new();
    scene.path = ["/usr/bin", "/usr/local/bin", "/bin"]
        .map(Into::into)
        .to_vec();
    let closure = seal(scene.build(&python(small()), "cache").unwrap());
    check_inside(&closure.root());
    let packages = closure.description().unwrap().packages;
    assert_eq!(packages.len(), 3, "{packages:?}");
}

#[test]
fn an_environment_of_nothing_but_python() {
    let scene = Scene::new();
    let open = scene
        .build(&python(Requirements::default()), "cache")
        .unwrap();
    assert!(open.description().packages.is_empty());
    let said = inside(
        &open.root(),
        &["python", "-c", "import sys; print(sys.flags.isolated)"],
    );
    assert_eq!(said, "0\n");
}
