//! What is in a closure, for people; and how two of them differ.

use std::collections::BTreeMap;

use reproof_record::{CanonicalError, Digest, Tree, from_canonical, to_canonical};
use serde::{Deserialize, Serialize};

use super::error::EnvironmentError;
use super::requirements::normal_name;

/// Where the Python of a closure lies.
pub(crate) const PREFIX: &str = "reproof/env";

/// What was left out for one reason.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LeftOut {
    /// Files and, with a slash behind them, whole folders, as they would be seen inside.
    pub paths: Vec<String>,
    /// How many files.
    pub files: u64,
    /// How many bytes.
    pub bytes: u64,
}

/// One package of a closure.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Package {
    /// Its version.
    pub version: String,
    /// The digest of the tree of its files; none where it is not known which they are.
    pub content: Option<Digest>,
}

/// What is in a closure.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClosureDescription {
    /// [`ClosureDescription::FORMAT`].
    pub format: String,
    /// The version of Python, if it holds one.
    pub python: Option<String>,
    /// The digest of the interpreter's tree: the program and the standard library.
    pub interpreter: Option<Digest>,
    /// The packages, by their normalised names.
    pub packages: BTreeMap<String, Package>,
    /// The system libraries and the loader, by their paths inside.
    pub libraries: BTreeMap<String, Digest>,
    /// How many files and links.
    pub files: u64,
    /// How many bytes.
    pub bytes: u64,
    /// What was left out, by reason.
    pub left_out: BTreeMap<String, LeftOut>,
    /// What a person should know, such as a missing library.
    pub notes: Vec<String>,
}

impl ClosureDescription {
    /// The format's name and version.
    pub const FORMAT: &str = "reproof.closure/1";

    /// What the tree of a closure alone says. Which files belong to which package, what was left
    /// out and how many bytes there are is not in it.
    pub fn of_tree(tree: &Tree) -> Self {
        let mut packages = BTreeMap::new();
        let mut python = None;
        for entry in &tree.files {
            let Some(rest) = library_path(entry.path.as_str()) else {
                continue;
            };
            python = python.or_else(|| Some(rest.0.to_owned()));
            let named = rest.1.strip_prefix("site-packages/").and_then(package_of);
            if let Some((name, version)) = named {
                let content = None;
                packages.insert(name, Package { version, content });
            }
        }
        Self {
            format: Self::FORMAT.to_owned(),
            python,
            interpreter: digest_of(tree, is_interpreter),
            packages,
            libraries: tree
                .files
                .iter()
                .filter(|entry| is_library(entry.path.as_str()))
                .map(|entry| (entry.path.to_string(), entry.digest))
                .collect(),
            files: tree.files.len() as u64,
            bytes: 0,
            left_out: BTreeMap::new(),
            notes: Vec::new(),
        }
    }

    /// The canonical bytes, as they are stored.
    pub fn to_bytes(&self) -> Result<Vec<u8>, CanonicalError> {
        to_canonical(self)
    }

    /// Reads exactly what [`ClosureDescription::to_bytes`] wrote; another version is refused.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, EnvironmentError> {
        #[derive(Deserialize)]
        struct Format {
            format: String,
        }
        let found: Format = serde_json::from_slice(bytes).map_err(CanonicalError::from)?;
        if found.format != Self::FORMAT {
            return Err(EnvironmentError::Format {
                found: found.format.chars().take(80).collect(),
                expected: Self::FORMAT,
            });
        }
        Ok(from_canonical(bytes)?)
    }
}

/// The version in `reproof/env/lib/pythonVERSION/`, and the path below.
fn library_path(path: &str) -> Option<(&str, &str)> {
    let rest = path.strip_prefix(PREFIX)?.strip_prefix("/lib/python")?;
    rest.split_once('/')
}

fn is_interpreter(path: &str) -> bool {
    let below = library_path(path).map(|(_, below)| below);
    below.is_some_and(|below| !below.starts_with("site-packages/"))
        || path.starts_with("reproof/env/bin/python")
}

fn is_library(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or_default();
    !path.starts_with("reproof/") && name.contains(".so")
}

/// The name and version that a path in `NAME-VERSION.dist-info/` stands for.
pub(crate) fn package_of(path: &str) -> Option<(String, String)> {
    let folder = path.split('/').next()?.strip_suffix(".dist-info")?;
    let (name, version) = folder.split_once('-')?;
    Some((normal_name(name), version.to_owned()))
}

/// The digest of the part of a tree that a filter picks; none where it picks nothing.
pub(crate) fn digest_of(tree: &Tree, pick: impl Fn(&str) -> bool) -> Option<Digest> {
    let part = Tree {
        format: tree.format.clone(),
        files: tree
            .files
            .iter()
            .filter(|entry| pick(entry.path.as_str()))
            .cloned()
            .collect(),
    };
    if part.files.is_empty() {
        return None;
    }
    part.digest().ok()
}

/// How one thing that both or one of two closures have differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Difference {
    /// Only the second has it, in this version if it has one.
    Added(Option<String>),
    /// Only the first has it, in this version if it has one.
    Removed(Option<String>),
    /// Both have it, in these versions.
    Version(String, String),
    /// Both have it in one version, with other bytes.
    Content,
}

/// How two closures differ.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ClosureDiff {
    /// The interpreter with its standard library.
    pub interpreter: Option<Difference>,
    /// Packages, by name.
    pub packages: BTreeMap<String, Difference>,
    /// System libraries, by path.
    pub libraries: BTreeMap<String, Difference>,
}

impl ClosureDiff {
    /// Whether nothing that is described differs.
    pub fn is_empty(&self) -> bool {
        self.interpreter.is_none() && self.packages.is_empty() && self.libraries.is_empty()
    }
}

/// How the second closure differs from the first.
pub fn diff(first: &ClosureDescription, second: &ClosureDescription) -> ClosureDiff {
    let package = |package: &Package| (Some(package.version.clone()), package.content);
    let library = |digest: &Digest| (None, Some(*digest));
    ClosureDiff {
        interpreter: compare(
            first
                .python
                .as_ref()
                .map(|python| (Some(python.clone()), first.interpreter)),
            second
                .python
                .as_ref()
                .map(|python| (Some(python.clone()), second.interpreter)),
        ),
        packages: differences(&first.packages, &second.packages, package),
        libraries: differences(&first.libraries, &second.libraries, library),
    }
}

/// A version and the digest of the content, where they are known.
type Identity = (Option<String>, Option<Digest>);

fn differences<T>(
    first: &BTreeMap<String, T>,
    second: &BTreeMap<String, T>,
    identity: impl Fn(&T) -> Identity,
) -> BTreeMap<String, Difference> {
    let names = first.keys().chain(second.keys());
    let found = names.filter_map(|name| {
        let (one, other) = (
            first.get(name).map(&identity),
            second.get(name).map(&identity),
        );
        Some((name.clone(), compare(one, other)?))
    });
    found.collect()
}

fn compare(first: Option<Identity>, second: Option<Identity>) -> Option<Difference> {
    match (first, second) {
        (None, Some((version, _))) => Some(Difference::Added(version)),
        (Some((version, _)), None) => Some(Difference::Removed(version)),
        (Some((Some(one), _)), Some((Some(other), _))) if one != other => {
            Some(Difference::Version(one, other))
        }
        // What is not known of one of them is no difference.
        (Some((_, Some(one))), Some((_, Some(other)))) if one != other => Some(Difference::Content),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use reproof_record::TreeEntry;

    use super::*;

    fn described(files: &[(&str, &str)]) -> ClosureDescription {
        ClosureDescription::of_tree(&Tree::new(files.iter().map(|(path, text)| TreeEntry {
            path: path.parse().unwrap(),
            executable: false,
            digest: Digest::of(text.as_bytes()),
        })))
    }

    #[test]
    fn what_a_tree_says() {
        let closure = described(&[
            ("lib/x86_64-linux-gnu/libc.so.6", "c"),
            ("reproof/env/lib/python3.11/os.py", "os"),
            (
                "reproof/env/lib/python3.11/site-packages/Foo_Bar-1.0.dist-info/METADATA",
                "",
            ),
            ("reproof/env/lib/python3.11/site-packages/foo_bar/x.so", ""),
        ]);
        assert_eq!(closure.python.as_deref(), Some("3.11"));
        assert_eq!(closure.packages["foo-bar"].version, "1.0");
        assert_eq!(closure.libraries.len(), 1);
    }

    #[test]
    fn every_kind_of_difference() {
        let base = described(&[
            ("lib/x86_64-linux-gnu/libc.so.6", "c"),
            ("reproof/env/lib/python3.11/os.py", "os"),
        ]);
        let with = |packages: &[(&str, &str, &str)]| {
            let mut closure = base.clone();
            for (name, version, content) in packages {
                let package = Package {
                    version: (*version).to_owned(),
                    content: (!content.is_empty()).then(|| Digest::of(content.as_bytes())),
                };
                closure.packages.insert((*name).to_owned(), package);
            }
            closure
        };
        let one = with(&[
            ("same", "1", "a"),
            ("gone", "1", "a"),
            ("up", "1", "a"),
            ("in", "1", "a"),
            ("unknown", "1", ""),
        ]);
        let other = with(&[
            ("same", "1", "a"),
            ("new", "2", "a"),
            ("up", "2", "b"),
            ("in", "1", "b"),
            ("unknown", "1", "c"),
        ]);
        let found = diff(&one, &other);
        let expect = BTreeMap::from([
            ("gone".to_owned(), Difference::Removed(Some("1".to_owned()))),
            ("in".to_owned(), Difference::Content),
            ("new".to_owned(), Difference::Added(Some("2".to_owned()))),
            (
                "up".to_owned(),
                Difference::Version("1".to_owned(), "2".to_owned()),
            ),
        ]);
        assert_eq!(found.packages, expect);
        assert!(found.interpreter.is_none() && found.libraries.is_empty());
        assert!(diff(&one, &one).is_empty());

        let patched = described(&[
            ("lib/x86_64-linux-gnu/libc.so.6", "c2"),
            ("lib/x86_64-linux-gnu/libz.so.1", "z"),
            ("reproof/env/lib/python3.11/os.py", "os2"),
        ]);
        let found = diff(&base, &patched);
        assert_eq!(found.interpreter, Some(Difference::Content));
        assert_eq!(found.libraries.len(), 2);
    }
}
