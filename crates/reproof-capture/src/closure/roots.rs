//! Where the modules of a project begin.

use std::collections::BTreeSet;

use toml_edit::{DocumentMut, Item};

use super::search::{Search, join, normalise, parent};

/// The folders that modules are searched in, apart from the script's own: the project's root,
/// `src`, and what `pyproject.toml` says of where packages lie, if that is simple to tell.
pub(crate) fn of_project(search: Search<'_>, pyproject: Option<&[u8]>) -> Vec<String> {
    let mut roots = vec![String::new()];
    let named = pyproject.map(of_pyproject).unwrap_or_default();
    for root in std::iter::once("src".to_owned()).chain(named) {
        let folder = search
            .resolve(&root)
            .is_some_and(|place| search.is_folder(&place.path));
        if folder && !roots.contains(&root) {
            roots.push(root);
        }
    }
    roots
}

/// The folders that a `pyproject.toml` names. None if it is not one: whether it is right is not
/// for us to say.
fn of_pyproject(bytes: &[u8]) -> BTreeSet<String> {
    let text = std::str::from_utf8(bytes).unwrap_or_default();
    let Ok(document) = text.parse::<DocumentMut>() else {
        return BTreeSet::new();
    };
    let mut found = BTreeSet::new();
    let tool = document.get("tool");
    let at = |path: &[&str]| path.iter().try_fold(tool?, |item, key| item.get(key));
    // Folders that hold packages.
    for path in [
        &["setuptools", "packages", "find", "where"][..],
        &["pdm", "build", "package-dir"],
        &["uv", "build-backend", "module-root"],
        &["maturin", "python-source"],
        &["hatch", "build", "sources"],
        &["hatch", "build", "targets", "wheel", "sources"],
    ] {
        found.extend(texts(at(path)));
    }
    // The packages themselves: they lie in such folders.
    for path in [
        &["hatch", "build", "packages"][..],
        &["hatch", "build", "targets", "wheel", "packages"],
    ] {
        found.extend(
            texts(at(path))
                .iter()
                .map(|package| parent(package).to_owned()),
        );
    }
    found.extend(setuptools(at(&["setuptools", "package-dir"])));
    found.extend(poetry(at(&["poetry", "packages"])));
    let inside = |root: &String| normalise("", root);
    found.iter().filter_map(inside).collect()
}

/// A text, or the texts in an array.
fn texts(item: Option<&Item>) -> Vec<String> {
    let Some(item) = item else {
        return Vec::new();
    };
    if let Some(text) = item.as_str() {
        return vec![text.trim_end_matches('/').to_owned()];
    }
    let values = item.as_array().into_iter().flatten();
    let texts = values.filter_map(|value| value.as_str());
    texts
        .map(|text| text.trim_end_matches('/').to_owned())
        .collect()
}

/// `package-dir` maps packages to folders; the empty name is where all others lie.
fn setuptools(item: Option<&Item>) -> Vec<String> {
    let table = item.and_then(Item::as_table_like);
    let entries = table.into_iter().flat_map(|table| table.iter());
    let root = |(package, folder): (&str, &Item)| {
        let folder = folder.as_str()?.trim_end_matches('/');
        if package.is_empty() {
            return Some(folder.to_owned());
        }
        // A package that has another name on disk cannot be found by its folder.
        let root = folder.strip_suffix(&package.replace('.', "/"))?;
        (root.is_empty() || root.ends_with('/')).then(|| root.trim_end_matches('/').to_owned())
    };
    entries.filter_map(root).collect()
}

/// `packages = [{include = "x", from = "lib"}]`.
fn poetry(item: Option<&Item>) -> Vec<String> {
    let values = item.and_then(Item::as_array).into_iter().flatten();
    let inline = values.filter_map(|value| value.as_inline_table()?.get("from")?.as_str());
    let tables = item
        .and_then(Item::as_array_of_tables)
        .into_iter()
        .flatten();
    let tables = tables.filter_map(|table| table.get("from")?.as_str());
    inline.chain(tables).map(|from| join("", from)).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::testing::tree_of;
    use super::*;

    fn roots(pyproject: &str) -> Vec<String> {
        let tree = tree_of(&["lib/a.py", "python/a.py", "src/a.py", "tools/x/a.py"]);
        let links = BTreeMap::new();
        of_project(Search::new(&tree, &links), Some(pyproject.as_bytes()))
    }

    #[test]
    fn what_pyproject_says() {
        for text in [
            "[tool.setuptools.packages.find]\nwhere = ['lib/']",
            "[tool.setuptools.package-dir]\n'' = 'lib'",
            "[tool.setuptools]\npackage-dir = {a = 'lib/a'}",
            "[tool.poetry]\npackages = [{include = 'a', from = 'lib'}]",
            "[[tool.poetry.packages]]\ninclude = 'a'\nfrom = './lib'",
            "[tool.hatch.build.targets.wheel]\npackages = ['lib/a', 'src/b']",
            "[tool.uv.build-backend]\nmodule-root = 'lib'",
            "[tool.pdm.build]\npackage-dir = 'lib'",
            "[tool.maturin]\npython-source = 'lib'",
        ] {
            assert_eq!(roots(text), ["", "src", "lib"], "{text}");
        }
    }

    #[test]
    fn what_says_nothing() {
        for text in [
            "",
            "[[[",
            "tool = 3",
            "[tool.setuptools]\npackages = ['a']",
            "[tool.setuptools.packages.find]\nwhere = ['none', '../up', '/etc']",
            "[tool.poetry]\npackages = [{include = 'a'}, 3]",
            "[tool.setuptools]\npackage-dir = {b = 'lib/a'}",
        ] {
            assert_eq!(roots(text), ["", "src"], "{text}");
        }
    }
}
