//! Which file of the host is bound where, so that every mount point lies in a folder that the sandbox made
//! itself and no source needs to hold one.
use std::path::{Path, PathBuf};

use crate::spec::{Mount, RESERVED, is_beneath};

/// What an entry of a folder is, as far as a mount needs to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Folder,
    Link,
    File,
}

/// What the plan asks the file system.
pub(crate) trait Sources {
    /// How a question fails.
    type Error;

    /// What a path is, its last link followed.
    fn kind(&self, path: &Path) -> Result<Kind, Self::Error>;
    /// The entries of a folder, links not followed.
    fn list(&self, path: &Path) -> Result<Vec<(String, Kind)>, Self::Error>;
    /// What a link says.
    fn link(&self, path: &Path) -> Result<String, Self::Error>;
    /// An error that is not the file system's: `inside` cannot be a mount point.
    fn blocked(&self, source: &Path, inside: &str) -> Self::Error;
}

/// One thing to make, its path inside. Folders come before what lies in them.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Item {
    /// A folder of the sandbox's own.
    Folder(String),
    /// A link with this text.
    Link(String, String),
    /// A file or folder of the host.
    Bind {
        from: PathBuf,
        to: String,
        folder: bool,
    },
}

/// What to make for these mounts, from the root down.
pub(crate) fn plan<S: Sources>(mounts: &[Mount], sources: &S) -> Result<Vec<Item>, S::Error> {
    let mut mounts: Vec<&Mount> = mounts.iter().collect();
    mounts.sort_by(|a, b| a.to.cmp(&b.to));
    let mut points: Vec<&str> = mounts.iter().map(|mount| mount.to.as_str()).collect();
    points.extend(RESERVED);
    let mut planner = Planner {
        points,
        sources,
        items: Vec::new(),
    };
    for mount in mounts {
        planner.parents(&mount.to);
        let kind = sources.kind(&mount.from)?;
        planner.place(&mount.from, &mount.to, kind)?;
    }
    Ok(planner.items)
}

struct Planner<'a, S> {
    points: Vec<&'a str>,
    sources: &'a S,
    items: Vec<Item>,
}

impl<S: Sources> Planner<'_, S> {
    fn place(&mut self, from: &Path, to: &str, kind: Kind) -> Result<(), S::Error> {
        let holds = self.points.iter().any(|point| is_beneath(point, to));
        match kind {
            Kind::Folder if holds => self.open(from, to),
            _ if holds => Err(self.sources.blocked(from, to)),
            Kind::Link => {
                let text = self.sources.link(from)?;
                self.items.push(Item::Link(to.to_owned(), text));
                Ok(())
            }
            Kind::Folder | Kind::File => {
                let folder = kind == Kind::Folder;
                let (from, to) = (from.to_owned(), to.to_owned());
                self.items.push(Item::Bind { from, to, folder });
                Ok(())
            }
        }
    }

    /// Makes a folder of its own in the place of `from`, and brings its entries there one by one.
    fn open(&mut self, from: &Path, to: &str) -> Result<(), S::Error> {
        self.folder(to);
        for (name, kind) in self.sources.list(from)? {
            let inside = format!("{}/{name}", to.trim_end_matches('/'));
            if !self.points.contains(&inside.as_str()) {
                self.place(&from.join(&name), &inside, kind)?;
            }
        }
        Ok(())
    }

    fn parents(&mut self, to: &str) {
        let slashes = to.match_indices('/').map(|(at, _)| at).filter(|&at| at > 0);
        let parents: Vec<&str> = slashes.filter_map(|at| to.get(..at)).collect();
        for parent in parents {
            self.folder(parent);
        }
    }

    fn folder(&mut self, path: &str) {
        let made = |item: &Item| matches!(item, Item::Folder(made) if made == path);
        if path != "/" && !self.items.iter().any(made) {
            self.items.push(Item::Folder(path.to_owned()));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// A file system of texts: a path ends with `/` if it is a folder, and holds `->` if it is a link.
    struct Texts(BTreeMap<PathBuf, (Kind, String)>);

    impl Texts {
        fn new(paths: &[&str]) -> Self {
            let entry = |path: &&str| match (path.split_once(" -> "), path.strip_suffix('/')) {
                (Some((path, text)), _) => (PathBuf::from(path), (Kind::Link, text.to_owned())),
                (_, Some(path)) => (PathBuf::from(path), (Kind::Folder, String::new())),
                _ => (PathBuf::from(path), (Kind::File, String::new())),
            };
            Self(paths.iter().map(entry).collect())
        }
    }

    impl Sources for Texts {
        type Error = String;

        fn kind(&self, path: &Path) -> Result<Kind, String> {
            let found = self.0.get(path).map(|entry| entry.0);
            found.ok_or_else(|| format!("{} is missing", path.display()))
        }

        fn list(&self, path: &Path) -> Result<Vec<(String, Kind)>, String> {
            let inside = self.0.iter().filter(|entry| entry.0.parent() == Some(path));
            let name = |path: &Path| path.file_name().map(|name| name.to_string_lossy().into());
            Ok(inside
                .filter_map(|(path, entry)| Some((name(path)?, entry.0)))
                .collect())
        }

        fn link(&self, path: &Path) -> Result<String, String> {
            Ok(self
                .0
                .get(path)
                .map(|entry| entry.1.clone())
                .unwrap_or_default())
        }

        fn blocked(&self, source: &Path, inside: &str) -> String {
            format!("{} blocks {inside}", source.display())
        }
    }

    fn check(paths: &[&str], mounts: &[(&str, &str)]) -> Vec<String> {
        let mount = |(from, to): &(&str, &str)| Mount {
            from: from.into(),
            to: (*to).to_owned(),
            writable: false,
        };
        let mounts: Vec<Mount> = mounts.iter().map(mount).collect();
        match plan(&mounts, &Texts::new(paths)) {
            Err(error) => vec![error],
            Ok(items) => items.iter().map(show).collect(),
        }
    }

    fn show(item: &Item) -> String {
        match item {
            Item::Folder(path) => format!("{path}/"),
            Item::Link(path, text) => format!("{path} -> {text}"),
            Item::Bind {
                from,
                to,
                folder: true,
            } => format!("{}/ at {to}", from.display()),
            Item::Bind {
                from,
                to,
                folder: false,
            } => format!("{} at {to}", from.display()),
        }
    }

    #[test]
    fn a_root_is_opened_only_where_something_else_lies_in_it() {
        let paths = [
            "/c/",
            "/c/bin/",
            "/c/lib -> usr/lib",
            "/c/init",
            "/c/reproof/",
            "/c/reproof/env/",
            "/c/reproof/code/",
            "/c/tmp/",
            "/code/",
            "/t.csv",
        ];
        let mounts = [
            ("/code", "/reproof/code"),
            ("/c", "/"),
            ("/t.csv", "/reproof/in/train/t.csv"),
        ];
        assert_eq!(
            check(&paths, &mounts),
            [
                "/c/bin/ at /bin",
                "/c/init at /init",
                "/lib -> usr/lib",
                "/reproof/",
                "/c/reproof/env/ at /reproof/env",
                "/code/ at /reproof/code",
                "/reproof/in/",
                "/reproof/in/train/",
                "/t.csv at /reproof/in/train/t.csv",
            ]
        );
    }

    #[test]
    fn a_file_or_link_in_the_way_of_a_mount_point_is_refused() {
        let paths = ["/c/", "/c/reproof -> elsewhere", "/c/etc", "/x/"];
        assert_eq!(
            check(&paths, &[("/c", "/"), ("/x", "/reproof/in")]),
            ["/c/reproof blocks /reproof"]
        );
        assert_eq!(
            check(&paths, &[("/c", "/"), ("/x", "/etc/x")]),
            ["/c/etc blocks /etc"]
        );
        assert_eq!(check(&paths, &[("/gone", "/x")]), ["/gone is missing"]);
    }
}
