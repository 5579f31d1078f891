//! Which files an import brings, rule by rule, on small trees.

use reproof_capture::NoCache;
use reproof_capture::closure::{ClosureError, ClosureOptions, Origin};

use crate::{Code, external, notes, paths};

/// Checks the files that `python t.py` needs, when `t.py` holds this text.
fn check(text: &str, others: &[(&str, &str)], expected: &str) {
    let mut files = vec![("t.py", text)];
    files.extend_from_slice(others);
    let found = Code::new(&files).closure("python t.py");
    assert_eq!(paths(&found), expected, "{text}");
}

const PACKAGE: [(&str, &str); 6] = [
    ("p/__init__.py", ""),
    ("p/a.py", ""),
    ("p/b.py", ""),
    ("p/q/__init__.py", ""),
    ("p/q/c.py", ""),
    ("z.py", ""),
];

#[test]
fn imports_bring_modules_and_the_packages_around_them() {
    for (text, expected) in [
        ("import p", "p/__init__.py t.py"),
        ("import p.a", "p/__init__.py p/a.py t.py"),
        ("import p.a as x, z", "p/__init__.py p/a.py t.py z.py"),
        (
            "import p.q.c",
            "p/__init__.py p/q/__init__.py p/q/c.py t.py",
        ),
        ("from p import a, name", "p/__init__.py p/a.py t.py"),
        (
            "from p.q import c as d",
            "p/__init__.py p/q/__init__.py p/q/c.py t.py",
        ),
        ("from p.a import name", "p/__init__.py p/a.py t.py"),
        ("def f():\n  from p import b", "p/__init__.py p/b.py t.py"),
        (
            "if TYPE_CHECKING:\n  import p.a",
            "p/__init__.py p/a.py t.py",
        ),
        (
            "try:\n  import z\nexcept ImportError:\n  z = None",
            "t.py z.py",
        ),
        (
            "import importlib\nimportlib.import_module('p.b')",
            "p/__init__.py p/b.py t.py",
        ),
        ("__import__('z')", "t.py z.py"),
        ("import runpy\nrunpy.run_path('z.py')", "t.py z.py"),
        ("exec(open('z.py').read())", "t.py z.py"),
        ("import nothing", "t.py"),
        ("from p import *", "p/__init__.py t.py"),
    ] {
        check(text, &PACKAGE, expected);
    }
}

#[test]
fn relative_imports() {
    for (text, expected) in [
        ("from . import d", "p/q/d.py"),
        ("from .d import x", "p/q/d.py"),
        ("from .. import a", "p/a.py"),
        ("from ..a import x", "p/a.py"),
        ("from ..r.e import x", "p/r/__init__.py p/r/e.py"),
        ("from ..r import e", "p/r/__init__.py p/r/e.py"),
        (
            "from importlib import import_module\nimport_module('.d', __package__)",
            "p/q/d.py",
        ),
        ("importlib.import_module('..a', package='p.q')", "p/a.py"),
        // A module's own name stands where a package is expected.
        ("importlib.import_module('..d', __name__)", "p/q/d.py"),
        ("from ... import z", ""),
    ] {
        let code = Code::new(&[
            ("p/__init__.py", ""),
            ("p/a.py", ""),
            ("p/q/__init__.py", ""),
            ("p/q/c.py", text),
            ("p/q/d.py", ""),
            ("p/r/__init__.py", ""),
            ("p/r/e.py", ""),
            ("t.py", "import p.q.c"),
        ]);
        let found = paths(&code.closure("python t.py"));
        let always = ["p/__init__.py", "p/q/__init__.py", "p/q/c.py", "t.py"];
        let more: Vec<_> = found
            .split(' ')
            .filter(|path| !always.contains(path))
            .collect();
        assert_eq!(more.join(" "), expected, "{text}");
        assert!(always.iter().all(|path| found.contains(path)));
    }
}

#[test]
fn everything_is_followed_and_circles_end() {
    let files = [
        ("a.py", "import b"),
        ("b.py", "import c, t"),
        ("c.py", "import a, numpy"),
        ("d.py", ""),
    ];
    check("import a", &files, "a.py b.py c.py t.py");
}

#[test]
fn stars_bring_what_all_names() {
    let all = "__all__ = ['a', 'q', 'name']\n";
    let files = [
        ("p/__init__.py", all),
        ("p/a.py", ""),
        ("p/b.py", ""),
        ("p/q/__init__.py", "from .c import *"),
        ("p/q/c.py", "__all__ = ['x']"),
    ];
    check(
        "from p import *",
        &files,
        "p/__init__.py p/a.py p/q/__init__.py p/q/c.py t.py",
    );
    check("import p", &files, "p/__init__.py t.py");
    check("from p import b", &files, "p/__init__.py p/b.py t.py");
}

#[test]
fn folders_without_init_are_packages_too() {
    let files = [
        ("n/a.py", "from . import b"),
        ("n/b.py", ""),
        ("n/m/c.py", "from ..b import x"),
        ("n/data.csv", ""),
        ("src/n/d.py", "from .a import x"),
    ];
    check("import n.a", &files, "n/a.py n/b.py t.py");
    check("from n.m import c", &files, "n/b.py n/m/c.py t.py");
    check("import n.d", &files, "n/a.py n/b.py src/n/d.py t.py");
    let code = Code::new(&[
        ("t.py", "import n, n2.x"),
        ("n/data.csv", ""),
        ("n2/y.py", ""),
    ]);
    // Folders of other things never stand for what may be installed.
    assert_eq!(external(&code.closure("python t.py")), "n n2");
}

#[test]
fn modules_and_packages_in_the_order_of_python() {
    let files = [
        ("a.py", ""),
        ("a/__init__.py", ""),
        ("b.py", ""),
        ("b/c.py", ""),
        ("e.abi3.so", ""),
        ("e.py", ""),
    ];
    check("import a, b", &files, "a/__init__.py b.py t.py");
    check("import e", &files, "e.abi3.so e.py t.py");
}

#[test]
fn what_is_not_there_is_external() {
    let code = Code::new(&[
        (
            "t.py",
            "import os, numpy as np\nfrom sklearn.linear_model import x\nimport p\n\
             try:\n  import ujson\nexcept ImportError:\n  import json\nimport tomllib, distutils\n",
        ),
        (
            "p/__init__.py",
            "try:\n  import numpy\nexcept ImportError: pass\nimport yaml.x",
        ),
    ]);
    let found = code.closure("python t.py");
    assert_eq!(external(&found), "numpy sklearn ujson? yaml");
    let numpy = &found.external["numpy"].site;
    assert_eq!(
        (numpy.path.as_ref().unwrap().as_str(), numpy.line),
        ("p/__init__.py", 2)
    );
    assert!(found.notes.is_empty(), "{:?}", notes(&found));
}

#[test]
fn what_hides_the_standard_library() {
    let code = Code::new(&[
        ("s/t.py", "import random, json, parser"),
        ("s/random.py", ""),
        ("json.py", ""),
        ("parser.py", ""),
    ]);
    let found = code.closure("python s/t.py");
    assert_eq!(paths(&found), "parser.py s/random.py s/t.py");
    assert_eq!(
        notes(&found),
        [
            "s/t.py:1: the project's own 'random' hides the module 'random' of Python's standard library"
        ]
    );
}

#[test]
fn what_cannot_be_followed_is_noted() {
    let code = Code::new(&[
        (
            "t.py",
            "import importlib, p\nimportlib.import_module(x)\nimportlib.import_module(f'p.{x}')\n\
             from p import missing_is_a_name\nimport p.none\n",
        ),
        (
            "p/__init__.py",
            "import pkgutil\npkgutil.iter_modules(__path__)\nfrom .gone import x\n",
        ),
        ("p/a.py", "import b"),
        ("b.py", ""),
    ]);
    let found = code.closure("python t.py");
    assert_eq!(
        notes(&found),
        [
            "p/__init__.py:2: what pkgutil.iter_modules imports is computed and cannot be followed [p/]",
            "p/__init__.py:3: no module '.gone' in the captured code",
            "t.py:2: what importlib.import_module imports is computed and cannot be followed",
            "t.py:3: what importlib.import_module imports is computed and cannot be followed: 'p.…' [p/]",
            "t.py:5: no module 'p.none' in the captured code",
        ]
    );
    // Once the folder is named, only what no entry of `code:` can mend is left.
    let declared = code.with("python t.py", &["p/"]);
    assert_eq!(paths(&declared), "b.py p/__init__.py p/a.py t.py");
    assert_eq!(declared.notes.len(), 3);
}

#[test]
fn what_cannot_be_parsed_is_part_of_it() {
    let code = Code::new(&[
        ("t.py", "import old"),
        ("old.py", "import a\nprint 'x'\n"),
        ("a.py", ""),
    ]);
    let found = code.closure("python t.py");
    assert_eq!(paths(&found), "old.py t.py");
    let note = &notes(&found)[0];
    assert!(
        note.starts_with("old.py:2: cannot be parsed as Python"),
        "{note}"
    );
}

#[test]
fn files_by_name_folder_and_pattern() {
    let code = Code::new(&[
        ("t.py", ""),
        ("sql/a.sql", ""),
        ("sql/b.txt", ""),
        ("p/__init__.py", ""),
        ("p/q/__init__.py", "import r"),
        ("p/q/plugin.py", "from . import other"),
        ("p/q/other.py", ""),
        ("r.py", ""),
    ]);
    assert_eq!(
        paths(&code.with("python t.py", &["sql/*.sql"])),
        "sql/a.sql t.py"
    );
    assert_eq!(
        paths(&code.with("python t.py", &["sql/"])),
        "sql/a.sql sql/b.txt t.py"
    );
    // A module that is named may be imported in a way that cannot be followed.
    let found = code.with("python t.py", &["p/q/plugin.py"]);
    assert_eq!(
        paths(&found),
        "p/__init__.py p/q/__init__.py p/q/other.py p/q/plugin.py r.py t.py"
    );
    assert_eq!(
        found.followed.get("p/q/plugin.py"),
        Some(&Origin::Glob("p/q/plugin.py".to_owned()))
    );
    let options = ClosureOptions {
        globs: vec!["sql".to_owned(), "nothing/*.x".to_owned()],
        roots: Vec::new(),
    };
    let error = code
        .try_closure("python t.py", &NoCache, &options)
        .unwrap_err();
    assert!(matches!(error, ClosureError::NoMatch { glob } if glob == "nothing/*.x"));
}

#[test]
fn every_file_says_how_it_came_in() {
    let code = Code::new(&[
        ("t.py", "\n\nimport p.a"),
        ("p/__init__.py", ""),
        ("p/a.py", "from . import b"),
        ("p/b.py", ""),
        ("c.json", ""),
    ]);
    let found = code.closure("python t.py --config c.json");
    let origin = |path: &str| match &found.followed[path] {
        Origin::Import(site) => format!("{}:{}", site.path.as_ref().unwrap(), site.line),
        other => format!("{other:?}"),
    };
    assert_eq!(found.followed.len(), found.tree.files.len());
    assert_eq!(
        (origin("t.py"), origin("c.json")),
        ("Entry".into(), "Entry".into())
    );
    assert_eq!(
        (origin("p/__init__.py"), origin("p/a.py")),
        ("t.py:3".into(), "t.py:3".into())
    );
    assert_eq!(origin("p/b.py"), "p/a.py:1");
}

#[test]
fn links_come_with_what_they_point_to() {
    let code = Code::new(&[
        ("t.py", "import p.a, m"),
        ("lib/p/__init__.py", ""),
        ("lib/p/a.py", "from . import b"),
        ("lib/p/b.py", ""),
        ("lib/m2.py", "import z"),
        ("z.py", ""),
        ("conf/x.yaml", ""),
    ])
    .link("p", "lib/p")
    .link("m.py", "lib/m2.py")
    .link("cfg", "conf");
    assert_eq!(
        paths(&code.closure("python t.py")),
        "lib/m2.py lib/p/__init__.py lib/p/a.py lib/p/b.py m.py p t.py z.py"
    );
    let found = code.with("python t.py", &["cfg"]);
    assert!(paths(&found).starts_with("cfg conf/x.yaml "));
}

#[test]
fn other_programs_get_what_their_command_line_names() {
    let code = Code::new(&[
        ("run.sh", "python t.py"),
        ("a.R", ""),
        ("t.py", "import u"),
        ("u.py", ""),
        ("nb.ipynb", "{}"),
    ]);
    assert_eq!(paths(&code.closure("sh run.sh")), "run.sh");
    assert_eq!(paths(&code.closure("Rscript a.R --x")), "a.R");
    assert_eq!(paths(&code.closure("torchrun --n 1 t.py")), "t.py u.py");
    assert_eq!(paths(&code.closure("true")), "");
    let notebook = code.closure("papermill nb.ipynb out.ipynb");
    assert_eq!(paths(&notebook), "nb.ipynb");
    assert_eq!(notebook.notes.len(), 1);
}
