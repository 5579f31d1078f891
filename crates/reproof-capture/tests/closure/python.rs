//! The real Python as the judge: what it loads is in the closure, and with the closure alone it
//! does the same.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use proptest::prelude::*;

use crate::{Code, paths};

/// A project with a script.
#[derive(Clone, Debug)]
pub struct Layout {
    pub files: BTreeMap<String, String>,
    script: String,
    as_module: bool,
}

impl Layout {
    /// The command line, its words parted by blanks.
    pub fn command(&self) -> String {
        if self.as_module {
            let module = self.script.strip_suffix(".py").unwrap().replace('/', ".");
            format!("python3 -m {module}")
        } else {
            format!("python3 {}", self.script)
        }
    }
}

/// Folders that modules may lie in. Some names are those of modules, too.
const FOLDERS: [&str; 7] = ["", "p", "p/q", "p/q/r", "n", "n/m", "s"];
/// Names of modules. `random` hides a module of the standard library.
const NAMES: [&str; 6] = ["a", "b", "c", "p", "q", "random"];

/// One import, by numbers.
fn imports() -> impl Strategy<Value = String> {
    let name = || proptest::sample::select(&NAMES[..]);
    let module = || {
        let modules = [
            "a", "b", "p", "p.a", "p.q", "p.q.b", "p.q.r.c", "n", "n.a", "n.m.b", "c", "random",
            "json",
        ];
        proptest::sample::select(modules.to_vec())
    };
    let dots = || proptest::sample::select(vec![".", "..", "..."]);
    prop_oneof![
        module().prop_map(|module| format!("import {module}")),
        (module(), name()).prop_map(|(module, name)| format!("from {module} import {name}")),
        module().prop_map(|module| format!("from {module} import *")),
        (dots(), name()).prop_map(|(dots, name)| format!("from {dots} import {name}")),
        (dots(), module(), name())
            .prop_map(|(dots, module, name)| format!("from {dots}{module} import {name}")),
        module()
            .prop_map(|module| format!("import importlib; importlib.import_module('{module}')")),
        (dots(), name()).prop_map(|(dots, name)| format!(
            "import importlib; importlib.import_module('{dots}{name}', __package__)"
        )),
        (dots(), name()).prop_map(|(dots, name)| format!(
            "import importlib; importlib.import_module('{dots}{name}', __name__)"
        )),
        module().prop_map(|module| format!("__import__('{module}')")),
        (module(), name())
            .prop_map(|(module, name)| format!("__import__('{module}', fromlist=['{name}'])")),
        (name(), 1..3).prop_map(|(name, level)| format!(
            "__import__('{name}', globals(), locals(), [], {level})"
        )),
        module().prop_map(|module| format!("import runpy; runpy.run_module('{module}')")),
    ]
}

/// The text of a module: each import may fail without harm, some stand in functions.
fn module_text() -> impl Strategy<Value = String> {
    let one = (imports(), any::<bool>()).prop_map(|(import, inside)| {
        // `import *` may not stand in a function.
        if inside && !import.contains('*') {
            format!("def f():\n    {import}\ntry:\n    f()\nexcept Exception:\n    pass\n")
        } else {
            format!("try:\n    {import}\nexcept Exception:\n    pass\n")
        }
    });
    let all = proptest::option::of(proptest::sample::subsequence(&NAMES[..], 0..3));
    (proptest::collection::vec(one, 0..3), all).prop_map(|(imports, all)| {
        let all = all.map(|names| format!("__all__ = {names:?}\n"));
        all.unwrap_or_default() + &imports.concat()
    })
}

/// Any project.
pub fn layouts() -> impl Strategy<Value = Layout> {
    let names = ["__init__", "__main__", "a", "b", "c", "p", "q", "random"];
    let path = (
        proptest::sample::select(&FOLDERS[..]),
        proptest::sample::select(names.to_vec()),
    );
    let files = proptest::collection::btree_map(path, module_text(), 12..36);
    // Most scripts lie in the root, where most modules can be found from.
    let script = (
        proptest::sample::select(vec!["", "", "", "p", "s", "p/q"]),
        proptest::collection::vec(module_text(), 8),
    );
    (files, script, any::<bool>()).prop_map(|(files, (folder, script), as_module)| {
        let mut all = BTreeMap::new();
        for ((folder, name), text) in files {
            all.insert(join(folder, &format!("{name}.py")), text);
        }
        let script_path = join(folder, "t.py");
        all.insert(script_path.clone(), script.concat());
        Layout {
            files: all,
            script: script_path,
            as_module,
        }
    })
}

fn join(folder: &str, name: &str) -> String {
    let separator = if folder.is_empty() { "" } else { "/" };
    format!("{folder}{separator}{name}")
}

/// Prints the files of the project that were loaded when Python ends.
const TELL: &str = "import atexit as _x, sys as _s, os as _o
_x.register(lambda: print('loaded', *sorted({_o.path.relpath(m.__file__) for m in
    list(_s.modules.values()) if getattr(m, '__file__', None) and
    _o.path.abspath(m.__file__).startswith(_o.getcwd() + _o.sep)})))
";

/// The files of the project that Python loads, in a folder with only these files.
fn loaded(layout: &Layout, files: &BTreeSet<String>) -> BTreeSet<String> {
    let folder = tempfile::tempdir().unwrap();
    for path in files {
        let full = folder.path().join(path);
        std::fs::create_dir_all(full.parent().unwrap()).unwrap();
        let mut text = layout.files[path].clone();
        if *path == layout.script {
            text.insert_str(0, TELL);
        }
        std::fs::write(full, text).unwrap();
    }
    run(folder.path(), &layout.command())
}

fn run(folder: &Path, command: &str) -> BTreeSet<String> {
    let mut words = command.split(' ');
    let output = Command::new(words.next().unwrap())
        .arg("-B")
        .args(words)
        .current_dir(folder)
        .env_remove("PYTHONPATH")
        .env_remove("PYTHONSAFEPATH")
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let line = text.lines().rfind(|line| line.starts_with("loaded"));
    let files = line.into_iter().flat_map(|line| line.split(' ').skip(1));
    files.map(str::to_owned).collect()
}

/// What must hold for one project; how many files Python loaded.
fn check(layout: &Layout) -> Result<usize, TestCaseError> {
    let code = Code {
        files: layout.files.clone(),
        ..Code::default()
    };
    let found = code.closure(&layout.command());
    let closure: BTreeSet<String> = paths(&found).split(' ').map(str::to_owned).collect();
    let everything: BTreeSet<String> = layout.files.keys().cloned().collect();
    let truth = loaded(layout, &everything);
    let missing: Vec<_> = truth.difference(&closure).collect();
    prop_assert!(
        missing.is_empty(),
        "{missing:?} are loaded by {}",
        layout.command()
    );
    prop_assert_eq!(loaded(layout, &closure), truth.clone());
    Ok(truth.len())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn python_loads_nothing_outside_the_closure(layout in layouts()) {
        check(&layout)?;
    }
}

#[test]
fn the_judge_sees_what_is_loaded() {
    let files = [
        ("t.py", "import p.a"),
        ("p/__init__.py", ""),
        ("p/a.py", "from . import b"),
        ("p/b.py", ""),
        ("c.py", ""),
    ];
    let layout = Layout {
        files: files
            .iter()
            .map(|(path, text)| ((*path).into(), (*text).into()))
            .collect(),
        script: "t.py".to_owned(),
        as_module: false,
    };
    // Python has forgotten the script's own file by then.
    assert_eq!(check(&layout).unwrap(), 3);
    let layout = Layout {
        as_module: true,
        ..layout
    };
    assert_eq!(check(&layout).unwrap(), 4);
}
