//! Where things lie in a captured tree: files, folders, links, modules.

use std::collections::BTreeMap;

use reproof_record::{RelativePath, Tree, TreeEntry};

/// How many links one path may lead through, as in the kernel.
const MAX_LINKS: usize = 40;

/// A captured tree, to be searched.
///
/// Folders are texts like the paths in the tree; the project's root is the empty text.
#[derive(Clone, Copy)]
pub(crate) struct Search<'a> {
    tree: &'a Tree,
    links: &'a BTreeMap<RelativePath, String>,
}

/// Where a path leads.
#[derive(Clone, Debug, Default)]
pub(crate) struct Place<'a> {
    /// The path without links.
    pub path: String,
    /// The links on the way.
    pub links: Vec<&'a TreeEntry>,
}

/// What is found under a module's name in one folder.
#[derive(Clone, Debug)]
pub(crate) enum Found {
    /// A folder with these `__init__` files.
    Package(Vec<String>),
    /// These files.
    Module(Vec<String>),
    /// A folder without an `__init__` file.
    Namespace,
    /// Nothing.
    Nothing,
}

impl<'a> Search<'a> {
    /// Searches this tree, in which these links stand.
    pub(crate) fn new(tree: &'a Tree, links: &'a BTreeMap<RelativePath, String>) -> Self {
        Self { tree, links }
    }

    /// All files.
    pub(crate) fn files(&self) -> &'a [TreeEntry] {
        &self.tree.files
    }

    /// Whether this entry is a link.
    pub(crate) fn is_link(&self, entry: &TreeEntry) -> bool {
        self.links.contains_key(&entry.path)
    }

    /// The file or link of exactly this path.
    pub(crate) fn entry(&self, path: &str) -> Option<&'a TreeEntry> {
        let files = self.files();
        let at = files.binary_search_by(|entry| entry.path.as_str().cmp(path));
        files.get(at.ok()?)
    }

    /// The entries whose paths begin with this text.
    pub(crate) fn starting(&self, prefix: &str) -> &'a [TreeEntry] {
        let files = self.files();
        let from = files.partition_point(|entry| entry.path.as_str() < prefix);
        let rest = files.get(from..).unwrap_or_default();
        let count = rest.partition_point(|entry| entry.path.as_str().starts_with(prefix));
        rest.get(..count).unwrap_or_default()
    }

    /// The entries in a folder and in the folders in it. Links are not followed.
    pub(crate) fn below(&self, folder: &str) -> &'a [TreeEntry] {
        if folder.is_empty() {
            self.files()
        } else {
            self.starting(&format!("{folder}/"))
        }
    }

    /// Whether something lies in this folder. Links are not followed.
    pub(crate) fn is_folder(&self, folder: &str) -> bool {
        folder.is_empty() || !self.below(folder).is_empty()
    }

    /// Where a path leads. None if a link on the way leaves the project or leads in a circle.
    pub(crate) fn resolve(&self, path: &str) -> Option<Place<'a>> {
        let mut place = Place {
            path: path.to_owned(),
            links: Vec::new(),
        };
        if self.links.is_empty() {
            return Some(place);
        }
        while let Some((link, target)) = self.first_link(&place.path) {
            if place.links.len() == MAX_LINKS {
                return None;
            }
            let folder = parent(link.path.as_str());
            let rest = place.path.get(link.path.as_str().len()..)?;
            place.path = normalise(folder, &format!("{target}{rest}"))?;
            place.links.push(link);
        }
        Some(place)
    }

    /// The first link on a path, and its target.
    fn first_link(&self, path: &str) -> Option<(&'a TreeEntry, &'a str)> {
        let ends = path.match_indices('/').map(|(at, _)| at);
        ends.chain([path.len()]).find_map(|end| {
            let prefix = &path[..end];
            let target = self.links.get(prefix)?;
            Some((self.entry(prefix)?, target.as_str()))
        })
    }

    /// The file that a path leads to, and the links on the way.
    pub(crate) fn file(&self, path: &str) -> Option<(&'a TreeEntry, Vec<&'a TreeEntry>)> {
        let place = self.resolve(path)?;
        Some((self.entry(&place.path)?, place.links))
    }

    /// What Python finds under a module's name in a folder.
    pub(crate) fn module(&self, folder: &str, name: &str) -> Found {
        let path = join(folder, name);
        let place = self.resolve(&path).unwrap_or_default();
        let is_package = !place.path.is_empty() && self.is_folder(&place.path);
        if is_package {
            let inits = self.named(&path, "__init__");
            if !inits.is_empty() {
                return Found::Package(inits);
            }
        }
        let files = self.named(folder, name);
        if !files.is_empty() {
            Found::Module(files)
        } else if is_package {
            Found::Namespace
        } else {
            Found::Nothing
        }
    }

    /// The files in a folder that Python may load as a module of this name: source, compiled
    /// source, extension modules for any platform.
    fn named(&self, folder: &str, name: &str) -> Vec<String> {
        let Some(place) = self.resolve(folder) else {
            return Vec::new();
        };
        let prefix = join(&place.path, name) + ".";
        let loadable = |rest: &str| {
            matches!(rest, "py" | "pyc" | "so")
                || (ending(rest) == "so" && !rest.contains('/') && rest.matches('.').count() == 1)
        };
        let entries = self.starting(&prefix).iter();
        let found = entries.filter(|entry| loadable(&entry.path.as_str()[prefix.len()..]));
        let file_name = |entry: &TreeEntry| {
            let path = entry.path.as_str();
            join(folder, path.rsplit('/').next().unwrap_or(path))
        };
        found.map(file_name).collect()
    }
}

/// The path of a name in a folder.
pub(crate) fn join(folder: &str, name: &str) -> String {
    if folder.is_empty() {
        name.to_owned()
    } else {
        format!("{folder}/{name}")
    }
}

/// The folder that a path lies in.
pub(crate) fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

/// What follows the last dot of a path.
pub(crate) fn ending(path: &str) -> &str {
    path.rsplit_once('.').map_or("", |(_, ending)| ending)
}

/// A path as seen from a folder, without `.` and `..`. None if it is absolute or leaves the
/// project.
pub(crate) fn normalise(folder: &str, path: &str) -> Option<String> {
    if path.starts_with('/') {
        return None;
    }
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::super::testing::tree_of;
    use super::*;

    #[test]
    fn modules_in_the_order_of_python() {
        let tree = tree_of(&[
            "a.py",
            "a/__init__.py",
            "b.py",
            "b/x.py",
            "c/x.txt",
            "d.cpython-311-x86_64-linux-gnu.so",
            "d.py",
            "d.txt",
            "d.data.py",
            "ab.py",
        ]);
        let links = BTreeMap::new();
        let search = Search::new(&tree, &links);
        let shown = |name: &str| format!("{:?}", search.module("", name));
        assert_eq!(shown("a"), "Package([\"a/__init__.py\"])");
        assert_eq!(shown("b"), "Module([\"b.py\"])");
        assert_eq!(shown("c"), "Namespace");
        assert_eq!(
            shown("d"),
            "Module([\"d.cpython-311-x86_64-linux-gnu.so\", \"d.py\"])"
        );
        assert_eq!(shown("e"), "Nothing");
        assert!(search.is_folder("b") && !search.is_folder("a.py") && search.is_folder(""));
    }

    #[test]
    fn links_are_followed_and_named() {
        let tree = tree_of(&["pkg", "src/pkg/__init__.py", "x/loop", "x/out"]);
        let link = |path: &str, target: &str| (path.parse().unwrap(), target.to_owned());
        let links = BTreeMap::from([
            link("pkg", "src/pkg"),
            link("x/loop", "loop"),
            link("x/out", "../../y"),
        ]);
        let search = Search::new(&tree, &links);
        let (entry, links) = search.file("pkg/__init__.py").unwrap();
        assert_eq!(entry.path.as_str(), "src/pkg/__init__.py");
        assert_eq!(links[0].path.as_str(), "pkg");
        assert!(matches!(search.module("", "pkg"), Found::Package(_)));
        assert!(search.file("x/loop").is_none() && search.file("x/out").is_none());
    }

    #[test]
    fn paths() {
        assert_eq!(normalise("a/b", "../c/./d").as_deref(), Some("a/c/d"));
        assert_eq!(normalise("a", "../..").as_deref(), None);
        assert_eq!(normalise("", "/etc"), None);
        assert_eq!((parent("a/b"), parent("a")), ("a", ""));
    }
}
