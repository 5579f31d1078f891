//! Help after a failure: what a step asked for and was not given.

use std::collections::BTreeSet;

use reproof_record::{RelativePath, Tree};

use super::entry::CODE_FOLDER;
use super::search::normalise;

/// How much of the end of an error text is looked at, in bytes: 64 KiB.
const TAIL: usize = 64 << 10;
/// How many modules are looked for, and how many paths are named.
const MAX: usize = 20;

/// The files and folders that an error text names, by path or as a module, which exist in the
/// captured tree and are not in the closure: those that `code:` should add, in the order in which
/// they stand in the text.
pub fn undeclared_paths(error: &str, tree: &Tree, closure: &Tree) -> Vec<RelativePath> {
    let from = error.len().saturating_sub(TAIL);
    let from = (from..error.len()).find(|at| error.is_char_boundary(*at));
    let text = &error[from.unwrap_or(error.len())..];
    let hints = Hints {
        tree,
        closure,
        modules: 0,
        seen: BTreeSet::new(),
        found: Vec::new(),
    };
    hints.look(text)
}

struct Hints<'a> {
    tree: &'a Tree,
    closure: &'a Tree,
    modules: usize,
    seen: BTreeSet<String>,
    found: Vec<RelativePath>,
}

impl Hints<'_> {
    fn look(mut self, text: &str) -> Vec<RelativePath> {
        for line in text.lines() {
            // Between quotes a path may hold blanks.
            for quote in ['\'', '"'] {
                for part in line.split(quote).skip(1).step_by(2) {
                    self.path(part);
                }
            }
            let ends = |c: char| c.is_whitespace() || "'\"`()[]{}<>,;|=".contains(c);
            for word in line.split(ends) {
                self.path(word.trim_end_matches(['.', ':', '!', '?']));
                // `train.py:12:3: message`, `file:path`
                self.path(word.split(':').next().unwrap_or_default());
                self.path(word.rsplit(':').next().unwrap_or_default());
            }
            self.import_error(line);
            if self.found.len() >= MAX {
                break;
            }
        }
        self.found
    }

    /// A text that may be a path.
    fn path(&mut self, text: &str) {
        if text.is_empty() || text.len() > 4096 || !self.seen.insert(text.to_owned()) {
            return;
        }
        let inside = text
            .strip_prefix(CODE_FOLDER)
            .map(|rest| rest.trim_start_matches('/'));
        let path = normalise("", inside.unwrap_or(text));
        // A single word without an ending is more likely a word than a folder.
        let is_path = text.contains(['/', '.']);
        if let Some(path) = path.filter(|path| is_path && !path.is_empty()) {
            self.propose(&path);
        }
    }

    /// Takes a path if the tree has it, as a file or folder, and the closure has nothing of it.
    fn propose(&mut self, path: &str) {
        let undeclared = has_path(self.tree, path) && !has_path(self.closure, path);
        if undeclared
            && self.found.len() < MAX
            && let Ok(path) = RelativePath::new(path)
            && !self.found.contains(&path)
        {
            self.found.push(path);
        }
    }

    /// `No module named 'a.b'` and `cannot import name 'b' from 'a'`.
    fn import_error(&mut self, line: &str) {
        let quoted = |text: &str| {
            let text = text.trim_start_matches(['\'', '"']);
            text.split(['\'', '"', ' ', ';']).next().map(str::to_owned)
        };
        if let Some((_, rest)) = line.split_once("No module named ") {
            self.module(&quoted(rest).unwrap_or_default());
        }
        if let Some((_, rest)) = line.split_once("cannot import name ")
            && let Some((name, module)) = rest.split_once(" from ")
        {
            // With a circular import: `from partially initialized module 'a'`.
            let module = module
                .rsplit_once("module ")
                .map_or(module, |(_, last)| last);
            let (name, module) = (quoted(name), quoted(module));
            self.module(&[module.unwrap_or_default(), name.unwrap_or_default()].join("."));
        }
    }

    /// A module, wherever in the tree it lies: the highest one, then the first by name.
    fn module(&mut self, name: &str) {
        let path = name.replace('.', "/");
        if self.modules == MAX || normalise("", &path).is_none_or(|path| path.is_empty()) {
            return;
        }
        self.modules += 1;
        let endings = [format!("{path}.py"), format!("{path}/__init__.py")];
        let ends = |candidate: &str| {
            endings.iter().any(|ending| {
                let rest = candidate.strip_suffix(ending.as_str());
                rest.is_some_and(|rest| rest.is_empty() || rest.ends_with('/'))
            })
        };
        let files = self.tree.files.iter().map(|entry| entry.path.as_str());
        let best = files
            .filter(|candidate| ends(candidate))
            .min_by_key(|candidate| (candidate.matches('/').count(), *candidate));
        if let Some(best) = best {
            let best = best.strip_suffix("/__init__.py").unwrap_or(best).to_owned();
            self.propose(&best);
        } else {
            // A package without `__init__.py` is a folder.
            self.propose(&path);
        }
    }
}

/// Whether a tree has this file, or files in this folder.
pub fn has_path(tree: &Tree, path: &str) -> bool {
    let at = |path: &str| {
        tree.files
            .partition_point(|entry| entry.path.as_str() < path)
    };
    let begins = |at: usize, test: &dyn Fn(&str) -> bool| {
        let entry = tree.files.get(at);
        entry.is_some_and(|entry| test(entry.path.as_str()))
    };
    let folder = format!("{path}/");
    begins(at(path), &|found| found == path)
        || begins(at(&folder), &|found| found.starts_with(&folder))
}

#[cfg(test)]
mod tests {
    use super::super::testing::tree_of;
    use super::*;

    fn hints(text: &str) -> String {
        let tree = tree_of(&[
            "conf/my params.json",
            "conf/params.json",
            "helpers.py",
            "lib/deep/mod.py",
            "lib/deep/__init__.py",
            "pkg/__init__.py",
            "pkg/extra.py",
            "sql/a.sql",
            "train.py",
        ]);
        let closure = tree_of(&["train.py", "pkg/__init__.py"]);
        let found = undeclared_paths(text, &tree, &closure);
        let paths: Vec<_> = found.iter().map(RelativePath::as_str).collect();
        paths.join(", ")
    }

    #[test]
    fn paths_in_errors() {
        for (text, expected) in [
            (
                "FileNotFoundError: [Errno 2] No such file or directory: 'conf/params.json'",
                "conf/params.json",
            ),
            (
                "No such file: \"./conf/my params.json\"",
                "conf/my params.json",
            ),
            (
                "cat: /reproof/code/sql/a.sql: No such file or directory",
                "sql/a.sql",
            ),
            ("cannot open conf/params.json.", "conf/params.json"),
            ("[Errno 2] No such file or directory: 'sql/'", "sql"),
            ("File \"/reproof/code/train.py\", line 3", ""),
            ("/usr/lib/helpers.py", ""),
            ("../helpers.py", ""),
            ("the conf is fine", ""),
            ("", ""),
        ] {
            assert_eq!(hints(text), expected, "{text}");
        }
    }

    #[test]
    fn modules_in_errors() {
        for (text, expected) in [
            (
                "ModuleNotFoundError: No module named 'helpers'",
                "helpers.py",
            ),
            ("No module named 'pkg.extra'", "pkg/extra.py"),
            ("No module named 'deep.mod'", "lib/deep/mod.py"),
            (
                "No module named 'deep'; 'deep' is not a package",
                "lib/deep",
            ),
            (
                "ImportError: cannot import name 'extra' from 'pkg' (/reproof/code/pkg/__init__.py)",
                "pkg/extra.py",
            ),
            (
                "cannot import name 'extra' from partially initialized module 'pkg' (most likely",
                "pkg/extra.py",
            ),
            ("No module named 'numpy'", ""),
            ("No module named ''", ""),
            ("No module named '../x'", ""),
        ] {
            assert_eq!(hints(text), expected, "{text}");
        }
    }

    #[test]
    fn only_the_end_of_a_huge_text() {
        let noise = "x'é\"/ ".repeat(100_000);
        assert_eq!(hints(&format!("'helpers.py'\n{noise}")), "");
        assert_eq!(hints(&format!("{noise}\n'helpers.py'")), "helpers.py");
        let many = "No module named 'helpers'\n".repeat(50_000);
        assert_eq!(hints(&many), "helpers.py");
    }

    #[test]
    fn in_the_order_of_the_text() {
        let text = "missing: 'sql/a.sql'\nthen No module named 'helpers'\nagain sql/a.sql\n";
        assert_eq!(hints(text), "sql/a.sql, helpers.py");
    }
}
