//! Test suites of packages, which a step never runs and which are a third of a usual environment.
//!
//! A folder named `test` or `tests` with test modules in it is left out, unless a module outside
//! of it imports it: some packages use helpers that lie there.

use std::collections::{BTreeMap, BTreeSet};

use reproof_store::fs::Io;

use super::error::EnvironmentError;
use super::plan::{Item, Plan};

/// Why they are left out.
const REASON: &str = "test suites";
/// The largest module that is read for its imports.
const MODULE_LIMIT: u64 = 4 << 20;

/// Leaves out the test suites of the packages in this folder of the closure.
pub(crate) fn leave_out(
    plan: &mut Plan,
    io: &dyn Io,
    packages: &str,
) -> Result<(), EnvironmentError> {
    let prefix = format!("{packages}/");
    let mut suites = candidates(plan, &prefix);
    let modules: BTreeMap<String, String> = suites
        .iter()
        .map(|suite| (suite.replace('/', "."), suite.clone()))
        .collect();
    let tops: BTreeSet<String> = suites
        .iter()
        .filter_map(|suite| suite.split('/').next().map(str::to_owned))
        .collect();
    for (path, item) in plan.items.range(prefix.clone()..) {
        let Some(module) = path.strip_prefix(&prefix) else {
            break;
        };
        let top = module.split('/').next().unwrap_or_default();
        let Item::Copy { from, .. } = item else {
            continue;
        };
        if module.strip_suffix(".py").is_none() || !tops.contains(top) || lies_in(module, &suites) {
            continue;
        }
        // A module that is too large to be written by hand holds no import worth a look.
        if let Ok(bytes) = io.read(from, MODULE_LIMIT) {
            let text = String::from_utf8_lossy(&bytes);
            for import in imports(&text, module) {
                if let Some(suite) = longest(&import, &modules) {
                    suites.remove(suite);
                }
            }
        }
    }
    remove(plan, io, &prefix, &suites)
}

/// Whether a path lies in one of these folders.
fn lies_in(path: &str, folders: &BTreeSet<String>) -> bool {
    let ends = path.match_indices('/').map(|(at, _)| at);
    ends.into_iter().any(|end| {
        path.get(..end)
            .is_some_and(|folder| folders.contains(folder))
    })
}

/// The suite that a module is, or lies in.
fn longest<'m>(module: &str, suites: &'m BTreeMap<String, String>) -> Option<&'m String> {
    let mut module = module;
    loop {
        if let Some(suite) = suites.get(module) {
            return Some(suite);
        }
        module = module.rsplit_once('.')?.0;
    }
}

/// The outermost folders that look like test suites, inside the folder of packages.
fn candidates(plan: &Plan, prefix: &str) -> BTreeSet<String> {
    let mut suites = BTreeSet::new();
    for path in plan
        .items
        .range(prefix.to_owned()..)
        .map_while(|(path, _)| path.strip_prefix(prefix))
    {
        let name = path.rsplit('/').next().unwrap_or_default();
        let test = name == "conftest.py"
            || name
                .strip_suffix(".py")
                .is_some_and(|stem| stem.starts_with("test_") || stem.ends_with("_test"));
        let mut end = 0;
        for part in path.split('/') {
            end += part.len();
            if test && matches!(part, "test" | "tests") && end < path.len() {
                suites.extend(path.get(..end).map(str::to_owned));
                break;
            }
            end += 1;
        }
    }
    suites
}

/// The modules that a module imports, as far as their names hold `test`.
fn imports(text: &str, module: &str) -> Vec<String> {
    let mut found = Vec::new();
    for line in text.lines() {
        let line = line.trim_start();
        if !(line.starts_with("import ") || line.starts_with("from ")) || !line.contains("test") {
            continue;
        }
        if let Some(rest) = line.strip_prefix("import ") {
            found.extend(rest.split(',').filter_map(first_word).map(str::to_owned));
            continue;
        }
        let parts = line
            .strip_prefix("from ")
            .and_then(|rest| rest.split_once(" import "));
        let Some((from, names)) = parts else { continue };
        let Some(from) = absolute(from.trim(), module) else {
            continue;
        };
        let names = names.trim_matches(['(', ')', ' ']).split(',');
        found.extend(
            names
                .filter_map(first_word)
                .map(|name| format!("{from}.{name}")),
        );
        found.push(from);
    }
    found
}

fn first_word(text: &str) -> Option<&str> {
    text.split_whitespace().next()
}

/// The module that a `from` clause names, seen from the module that it stands in.
fn absolute(from: &str, module: &str) -> Option<String> {
    let relative = from.trim_start_matches('.');
    let dots = from.len() - relative.len();
    if dots == 0 {
        return Some(relative.to_owned());
    }
    let mut parts: Vec<&str> = module.split('/').collect();
    for _ in 0..dots {
        parts.pop()?;
    }
    parts.extend((!relative.is_empty()).then_some(relative));
    Some(parts.join("."))
}

fn remove(
    plan: &mut Plan,
    io: &dyn Io,
    prefix: &str,
    suites: &BTreeSet<String>,
) -> Result<(), EnvironmentError> {
    let mut gone: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    for suite in suites {
        let folder = format!("{prefix}{suite}/");
        let paths: Vec<String> = plan
            .items
            .range(folder.clone()..)
            .map_while(|(path, _)| path.starts_with(&folder).then(|| path.clone()))
            .collect();
        let (files, bytes) = gone.entry(folder).or_default();
        for path in paths {
            if let Some(Item::Copy { from, .. }) = plan.items.remove(&path) {
                *bytes += io.metadata(&from)?.size;
            }
            *files += 1;
        }
    }
    for (folder, (files, bytes)) in gone {
        plan.leave_out(REASON, folder, files, bytes);
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::disallowed_methods)]
mod tests {
    use reproof_store::fs::RealIo;

    use super::*;

    #[test]
    fn suites_go_unless_something_imports_them() {
        let folder = tempfile::tempdir().unwrap();
        for (path, text) in [
            ("plain/__init__.py", "x = 'plain.tests'\n"),
            ("plain/tests/test_a.py", "from plain.tests import helper\n"),
            ("plain/tests/data.bin", "12345"),
            ("plain/core/tests/conftest.py", ""),
            ("plain/core/tests/deep/tests/test_b.py", ""),
            (
                "astro/__init__.py",
                "    from .tests.runner import Runner\n",
            ),
            ("astro/tests/runner.py", ""),
            ("astro/tests/test_a.py", ""),
            ("other/sub/a.py", "from .. import (x, tests)\n"),
            ("other/tests/test_a.py", ""),
            ("third/a.py", "import third.test.support as s, os\n"),
            ("third/test/test_a.py", ""),
            ("web/test/client.py", ""),
            ("tests/test_stray.py", ""),
        ] {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let mut plan = Plan::default();
        plan.folder(&RealIo, folder.path(), "site", &|_| None)
            .unwrap();
        leave_out(&mut plan, &RealIo, "site").unwrap();
        let left = &plan.left_out[REASON];
        assert_eq!(
            left.paths,
            ["site/plain/core/tests/", "site/plain/tests/", "site/tests/"]
        );
        assert_eq!(left.files, 5);
        assert!(plan.holds("site/web/test/client.py"));
        assert!(plan.holds("site/astro/tests/test_a.py"));
    }

    #[test]
    fn relative_modules() {
        assert_eq!(absolute("..x.y", "a/b/c.py").unwrap(), "a.x.y");
        assert_eq!(absolute(".", "a/b/c.py").unwrap(), "a.b");
        assert_eq!(absolute("q.r", "a/b/c.py").unwrap(), "q.r");
        assert_eq!(absolute("....", "a/b/c.py"), None);
    }
}
