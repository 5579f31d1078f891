//! Files that a pipeline names under `code:`.

use reproof_record::TreeEntry;

use super::error::ClosureError;
use super::search::{Search, normalise};
use crate::Pattern;

/// The files that an entry of `code:` names: a file, a folder with all that is in it, or a pattern
/// in which `*` stays within a folder and `**` does not. It is an error if there is none.
pub(crate) fn matching<'a>(
    glob: &str,
    search: Search<'a>,
) -> Result<Vec<&'a TreeEntry>, ClosureError> {
    let refuse = |reason: &str| ClosureError::Glob {
        glob: glob.to_owned(),
        reason: reason.to_owned(),
    };
    let path = normalise("", glob).ok_or_else(|| {
        refuse("write it as seen from the project's root, without '..' and without '/' in front")
    })?;
    // A path as it is comes first: brackets may stand in a file's name.
    let found = match plain(&path, search) {
        found if !found.is_empty() => found,
        _ => {
            let pattern = Pattern::new(&path).map_err(|reason| refuse(&reason))?;
            let files = search.files().iter();
            files
                .filter(|entry| pattern.is_match(entry.path.as_str()))
                .collect()
        }
    };
    if found.is_empty() {
        let glob = glob.to_owned();
        return Err(ClosureError::NoMatch { glob });
    }
    Ok(found)
}

/// The file of a path, or the files in the folder of a path, with the links that lead there.
fn plain<'a>(path: &str, search: Search<'a>) -> Vec<&'a TreeEntry> {
    let Some(place) = search.resolve(path) else {
        return Vec::new();
    };
    let mut found: Vec<_> = match search.entry(&place.path) {
        Some(entry) => vec![entry],
        None => search.below(&place.path).iter().collect(),
    };
    if !found.is_empty() {
        found.extend(place.links);
    }
    found
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::testing::tree_of;
    use super::*;

    fn of(glob: &str) -> Result<String, ClosureError> {
        let tree = tree_of(&[
            "a.sql",
            "conf/a.yaml",
            "conf/sub/b.yaml",
            "link",
            "sql/[x].sql",
            "sql/a.sql",
            "sql/b/c.sql",
        ]);
        let links = BTreeMap::from([("link".parse().unwrap(), "conf/sub".to_owned())]);
        let found = matching(glob, Search::new(&tree, &links))?;
        let paths: Vec<_> = found.iter().map(|entry| entry.path.as_str()).collect();
        Ok(paths.join(" "))
    }

    #[test]
    fn files_folders_and_patterns() {
        for (glob, expected) in [
            ("a.sql", "a.sql"),
            ("./a.sql", "a.sql"),
            ("conf", "conf/a.yaml conf/sub/b.yaml"),
            ("conf/", "conf/a.yaml conf/sub/b.yaml"),
            ("*.sql", "a.sql"),
            ("sql/*.sql", "sql/[x].sql sql/a.sql"),
            ("sql/**/*.sql", "sql/[x].sql sql/a.sql sql/b/c.sql"),
            ("**/*.{yaml,yml}", "conf/a.yaml conf/sub/b.yaml"),
            ("sql/[x].sql", "sql/[x].sql"),
            ("link", "conf/sub/b.yaml link"),
            ("conf/**", "conf/a.yaml conf/sub/b.yaml"),
        ] {
            assert_eq!(of(glob).unwrap(), expected, "{glob}");
        }
        assert_eq!(of(".").unwrap().split(' ').count(), 7);
    }

    #[test]
    fn what_fits_nothing_is_named() {
        for glob in ["none.sql", "conf/*.txt", "confi"] {
            let error = of(glob).unwrap_err();
            assert!(matches!(error, ClosureError::NoMatch { .. }));
            assert!(error.to_string().contains(&format!("'code: {glob}'")));
        }
        for glob in ["/etc/passwd", "../x", "a[", "{a"] {
            assert!(matches!(of(glob), Err(ClosureError::Glob { .. })), "{glob}");
        }
    }
}
