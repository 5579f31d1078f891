//! Where modules are searched.

use reproof_capture::NoCache;
use reproof_capture::closure::{ClosureError, ClosureOptions, Entry, Start, closure};

use crate::{Code, external, notes, paths};

#[test]
fn the_scripts_folder_first() {
    let code = Code::new(&[
        ("s/t.py", "import a, b, c"),
        ("s/a.py", ""),
        ("a.py", ""),
        ("b.py", ""),
        ("src/b.py", ""),
        ("src/c.py", ""),
        ("s/__init__.py", ""),
    ]);
    let found = code.closure("python s/t.py");
    assert_eq!(paths(&found), "b.py s/a.py s/t.py src/c.py");
    assert_eq!(found.roots, ["", "src"]);
}

#[test]
fn modules_and_code_begin_in_the_projects_root() {
    let code = Code::new(&[
        ("p/__init__.py", ""),
        ("p/m.py", "from . import n\nimport n"),
        ("p/n.py", ""),
        ("p/__main__.py", "import z"),
        ("p/q/__main__.py", ""),
        ("z.py", ""),
    ]);
    assert_eq!(
        paths(&code.closure("python -m p.m")),
        "p/__init__.py p/m.py p/n.py"
    );
    assert_eq!(external(&code.closure("python -m p.m")), "n");
    assert_eq!(
        paths(&code.closure("python -m p")),
        "p/__init__.py p/__main__.py z.py"
    );
    assert_eq!(
        paths(&code.closure("python -m p.q")),
        "p/__init__.py p/q/__main__.py"
    );
    assert_eq!(external(&code.closure("python -m pytest z.py")), "pytest");
    assert!(code.closure("python -m p").roots.is_empty());
    let entry = Entry {
        starts: vec![Start::Code("import p.n; from z import *".to_owned())],
        ..Entry::default()
    };
    let found = closure(
        &code.tree(),
        &code,
        &NoCache,
        &entry,
        &ClosureOptions::default(),
    );
    assert_eq!(paths(&found.unwrap()), "p/__init__.py p/n.py z.py");
}

#[test]
fn what_pyproject_names() {
    let code = Code::new(&[
        (
            "pyproject.toml",
            "[tool.setuptools.packages.find]\nwhere = ['lib']\n",
        ),
        ("t.py", "import a"),
        ("lib/a/__init__.py", "import a.b"),
        ("lib/a/b.py", ""),
    ]);
    let found = code.closure("python t.py");
    assert_eq!(paths(&found), "lib/a/__init__.py lib/a/b.py t.py");
    assert_eq!(found.roots, ["lib"]);
}

#[test]
fn what_the_user_names() {
    let code = Code::new(&[
        ("t.py", "import a, json"),
        ("a.py", ""),
        ("x/a.py", ""),
        ("x/json.py", ""),
    ]);
    let with = |root: &str| {
        let options = ClosureOptions {
            roots: vec![root.to_owned()],
            ..ClosureOptions::default()
        };
        code.try_closure("python t.py", &NoCache, &options)
    };
    let found = with("x/").unwrap();
    // The script's folder comes first, then what the user names.
    assert_eq!(paths(&found), "a.py t.py x/json.py");
    assert_eq!(found.roots, ["x"]);
    for none in ["y", "t.py", "/x", "../x"] {
        assert!(
            matches!(with(none), Err(ClosureError::NoRoot { .. })),
            "{none}"
        );
    }
}

#[test]
fn what_the_code_adds_to_the_path() {
    let code = Code::new(&[
        (
            "t.py",
            "import sys\nsys.path.insert(0, './lib')\nimport a, gone",
        ),
        (
            "lib/a.py",
            "import sys\nsys.path.append('/reproof/code/more')\nimport b",
        ),
        ("more/b.py", ""),
    ]);
    let found = code.closure("python t.py");
    assert_eq!(paths(&found), "lib/a.py more/b.py t.py");
    assert_eq!(external(&found), "gone");
    assert_eq!(found.roots, ["lib", "more"]);
    let computed = Code::new(&[("t.py", "import sys\nsys.path.append(here + '/x')")]);
    let notes = notes(&computed.closure("python t.py"));
    assert_eq!(
        notes,
        ["t.py:2: a computed folder is added by sys.path.append: modules in it are not found"]
    );
}

#[test]
fn the_folder_of_what_a_linked_script_points_to() {
    let code =
        Code::new(&[("s/t.py", "import a"), ("s/a.py", ""), ("a.py", "")]).link("run.py", "s/t.py");
    assert_eq!(
        paths(&code.closure("python run.py")),
        "run.py s/a.py s/t.py"
    );
}

#[test]
fn parts_of_a_folder_without_init_in_several_roots() {
    let code = Code::new(&[
        ("t.py", "import n.a, n.b"),
        ("n/a.py", "from . import b"),
        ("src/n/b.py", ""),
    ]);
    let found = code.closure("python t.py");
    assert_eq!(paths(&found), "n/a.py src/n/b.py t.py");
    assert_eq!(found.roots, ["src"]);
}
