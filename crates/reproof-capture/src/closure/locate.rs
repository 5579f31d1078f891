//! From a module's name to its files, as Python searches for them.

use std::borrow::Borrow;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use super::search::{Found, Search, join, normalise, parent};
use super::stdlib::{Standard, standard};

/// How many dots are counted; a path has fewer folders.
const MAX_LEVEL: usize = 1000;

/// The folders that modules are searched in, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Roots {
    /// Those that Python searches before its standard library: the script's folder and what the
    /// user asks for.
    pub leading: Vec<String>,
    /// The others.
    pub others: Vec<String>,
}

impl Roots {
    /// Adds a folder that comes before the standard library.
    pub(crate) fn lead(&mut self, root: String) {
        if !self.leading.contains(&root) {
            self.leading.push(root);
        }
    }

    /// Adds a folder at the end, if it is not there. Whether it was added.
    pub(crate) fn add(&mut self, root: String) -> bool {
        let new = !self.leading.contains(&root) && !self.others.contains(&root);
        if new {
            self.others.push(root);
        }
        new
    }

    /// All of them, in order.
    pub(crate) fn all(&self) -> impl Iterator<Item = &String> {
        self.leading.iter().chain(&self.others)
    }
}

/// Where a module lies, and what was found below it so far.
#[derive(Debug, Default)]
pub(crate) struct Location {
    /// Its files, the `__init__` files of a package; none of a folder without one.
    pub files: Vec<String>,
    /// Where its sub-modules are searched.
    pub folders: Vec<String>,
    /// The root that a top-level module was found in.
    pub root: Option<String>,
    /// Whether its files are in the closure.
    pub taken: Cell<bool>,
    children: Known<String>,
}

/// What was looked for before. A name is imported from many files, and looked for once.
type Known<K> = RefCell<BTreeMap<K, Option<Rc<Location>>>>;

/// Searches for modules, and remembers what it found.
pub(crate) struct Locator<'a> {
    pub search: Search<'a>,
    pub roots: Roots,
    tops: Known<String>,
    relatives: Known<(String, u32)>,
}

/// What is known of this key, or else what is found now.
fn remember<K: Ord + Borrow<Q>, Q: Ord + ToOwned<Owned = K> + ?Sized>(
    known: &Known<K>,
    key: &Q,
    find: impl FnOnce() -> Option<Location>,
) -> Option<Rc<Location>> {
    if let Some(found) = known.borrow().get(key) {
        return found.clone();
    }
    let found = find().map(Rc::new);
    known.borrow_mut().insert(key.to_owned(), found.clone());
    found
}

impl<'a> Locator<'a> {
    /// A locator in these roots.
    pub(crate) fn new(search: Search<'a>, roots: Roots) -> Self {
        Self {
            search,
            roots,
            tops: Known::default(),
            relatives: Known::default(),
        }
    }

    /// Where the module of this dotted name lies, if it is first-party.
    pub(crate) fn locate(&self, name: &str) -> Option<Rc<Location>> {
        let mut parts = name.split('.');
        let mut found = self.first(parts.next()?)?;
        for part in parts {
            found = self.child(&found, part)?;
        }
        Some(found)
    }

    /// Where the top-level module of this name lies, if it is first-party.
    pub(crate) fn first(&self, name: &str) -> Option<Rc<Location>> {
        remember(&self.tops, name, || self.top(name))
    }

    /// Where the module of this name in a package lies.
    pub(crate) fn child(&self, package: &Location, name: &str) -> Option<Rc<Location>> {
        remember(&package.children, name, || {
            self.find_in(package.folders.iter(), name)
        })
    }

    /// The package that `level` dots mean in this file.
    pub(crate) fn around(&self, file: &str, level: u32) -> Option<Rc<Location>> {
        let key = (parent(file).to_owned(), level);
        remember(&self.relatives, &key, || {
            let folders = self.relative(file, level)?;
            Some(Location {
                files: self.inits(folders.first()?),
                folders,
                ..Location::default()
            })
        })
    }

    fn top(&self, name: &str) -> Option<Location> {
        let found = match standard(name) {
            // A folder without `__init__` never hides a module.
            Standard::Always => self
                .find_in(self.roots.leading.iter(), name)
                .filter(|found| !found.files.is_empty()),
            Standard::Sometimes | Standard::No => self.find_in(self.roots.all(), name),
        };
        let mut found = found?;
        found.root = found.files.first().map(|file| {
            let roots = self.roots.all();
            let mut inside = roots.filter(|root| is_of_root(file, root, name));
            inside.next().cloned().unwrap_or_default()
        });
        Some(found)
    }

    /// Where the module of this name, which has no dots, lies in these folders: the first package
    /// or module, or else all folders of this name together.
    fn find_in<'f>(
        &self,
        folders: impl Iterator<Item = &'f String>,
        name: &str,
    ) -> Option<Location> {
        if name.is_empty() || name.contains('/') {
            return None;
        }
        let mut namespace = Vec::new();
        for folder in folders {
            let (files, folders) = match self.search.module(folder, name) {
                Found::Package(files) => (files, vec![join(folder, name)]),
                Found::Module(files) => (files, Vec::new()),
                Found::Namespace => {
                    namespace.push(join(folder, name));
                    continue;
                }
                Found::Nothing => continue,
            };
            return Some(Location {
                files,
                folders,
                ..Location::default()
            });
        }
        (!namespace.is_empty()).then(|| Location {
            folders: namespace,
            ..Location::default()
        })
    }

    /// Where `level` dots lead from a file: its own folder, or one above it, and the folders of
    /// the same name in the other roots. None if they lead out of the project.
    fn relative(&self, file: &str, level: u32) -> Option<Vec<String>> {
        let up = "../".repeat(
            usize::try_from(level.saturating_sub(1))
                .ok()?
                .min(MAX_LEVEL),
        );
        let folder = normalise(parent(file), &up)?;
        let mut folders = vec![folder.clone()];
        for root in self.roots.all() {
            let Some(inside) = inside(&folder, root).filter(|inside| !inside.is_empty()) else {
                continue;
            };
            for other in self.roots.all() {
                let image = join(other, inside);
                if !folders.contains(&image) {
                    folders.push(image);
                }
            }
        }
        Some(folders)
    }

    /// The `__init__` files of a folder.
    pub(crate) fn inits(&self, folder: &str) -> Vec<String> {
        let (above, name) = folder.rsplit_once('/').unwrap_or(("", folder));
        match self.search.module(above, name) {
            Found::Package(files) if !name.is_empty() => files,
            _ => Vec::new(),
        }
    }
}

/// The rest of a path that lies in a folder.
fn inside<'p>(path: &'p str, folder: &str) -> Option<&'p str> {
    if folder.is_empty() {
        return Some(path);
    }
    path.strip_prefix(folder)?.strip_prefix('/')
}

/// Whether a file is that of a top-level module of this name in this root.
fn is_of_root(file: &str, root: &str, name: &str) -> bool {
    let rest = inside(file, root).and_then(|file| file.strip_prefix(name));
    rest.is_some_and(|rest| match rest.strip_prefix('/') {
        Some(rest) => rest.starts_with("__init__.") && !rest.contains('/'),
        None => rest.starts_with('.'),
    })
}

#[cfg(test)]
mod tests {
    use super::super::testing::tree_of;
    use super::*;

    fn located(files: &[&str], leading: &[&str], others: &[&str], name: &str) -> String {
        let (tree, links) = (tree_of(files), BTreeMap::new());
        let owned = |roots: &[&str]| roots.iter().map(|root| (*root).to_owned()).collect();
        let roots = Roots {
            leading: owned(leading),
            others: owned(others),
        };
        let locator = Locator::new(Search::new(&tree, &links), roots);
        match locator.locate(name) {
            Some(found) => format!(
                "{} | {} | {}",
                found.files.join(" "),
                found.folders.join(" "),
                found.root.as_deref().unwrap_or("-")
            ),
            None => "none".to_owned(),
        }
    }

    #[test]
    fn the_first_root_wins_and_folders_join() {
        let files = [
            "a/x.py",
            "lib/a/y.py",
            "lib/b.py",
            "lib/c/__init__.py",
            "b.py",
            "src/a/z.py",
            "c/y.py",
        ];
        let of = |name: &str| located(&files, &["lib"], &["", "src"], name);
        assert_eq!(of("b"), "lib/b.py |  | lib");
        assert_eq!(of("c"), "lib/c/__init__.py | lib/c | lib");
        assert_eq!(of("c.y"), "none");
        assert_eq!(of("a"), " | lib/a a src/a | -");
        assert_eq!(of("a.x"), "a/x.py |  | -");
        assert_eq!(of("a.z"), "src/a/z.py |  | -");
        for none in ["", "a.", ".a", "a..x", "d", "b.c", &"a.".repeat(9000)] {
            assert_eq!(of(none), "none", "{none}");
        }
    }

    #[test]
    fn the_standard_library_comes_after_the_scripts_folder() {
        let files = [
            "json.py",
            "s/types.py",
            "s/abc/x.py",
            "parser.py",
            "tests/a.py",
        ];
        let of = |name: &str| located(&files, &["s"], &[""], name);
        assert_eq!(of("json"), "none");
        assert_eq!(of("types"), "s/types.py |  | s");
        assert_eq!(of("abc"), "none");
        assert_eq!(of("parser"), "parser.py |  | ");
    }

    #[test]
    fn dots_lead_up() {
        let (tree, links) = (tree_of(&["src/p/q/m.py"]), BTreeMap::new());
        let mut roots = Roots::default();
        roots.lead("src".to_owned());
        roots.add(String::new());
        let locator = Locator::new(Search::new(&tree, &links), roots);
        let of = |level| locator.relative("src/p/q/m.py", level);
        let folders = |level| of(level).unwrap_or_default().join(" ");
        assert_eq!(folders(1), "src/p/q p/q src/src/p/q");
        assert_eq!(folders(3).split(' ').next(), Some("src"));
        assert_eq!(of(4), Some(vec![String::new()]));
        assert_eq!(of(5), None);
        assert_eq!(of(u32::MAX), None);
    }
}
