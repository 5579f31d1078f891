//! The libraries that the programs of a closure need, found as the loader finds them.
//!
//! For each name that a file needs: the folders that the file itself names (`RUNPATH`, or `RPATH`
//! of it and of those that loaded it), then the loader's cache, then the default folders. What is
//! found inside the closure stays where it is; what is found on the machine is put into the one
//! folder that the closure's own loader searches.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::{Path, PathBuf};

use reproof_store::fs::{FileKind, Io};

use super::elf::{self, Elf};
use super::error::EnvironmentError;
use super::loader_cache;
use super::plan::{Item, Plan, inside};

/// The default folders of loaders, in the order in which they are searched.
const DEFAULT_FOLDERS: [&str; 6] = [
    "/lib/{triplet}",
    "/usr/lib/{triplet}",
    "/lib64",
    "/usr/lib64",
    "/lib",
    "/usr/lib",
];
/// Libraries that the C library or a user of `ctypes` opens at run time, which nothing names.
const OPENED_LATER: [&str; 9] = [
    "libgcc_s.so.1",
    "libnss_files.so.2",
    "libnss_dns.so.2",
    "libresolv.so.2",
    "libm.so.6",
    "libdl.so.2",
    "libpthread.so.0",
    "librt.so.1",
    "libutil.so.1",
];
/// The largest loader cache that is read.
const CACHE_LIMIT: u64 = 16 << 20;

/// A file of the closure whose libraries are to be found.
struct Pending {
    /// Its path inside the closure.
    path: String,
    /// Where it comes from.
    from: PathBuf,
    elf: Elf,
    /// Folders that those that loaded it search for it.
    inherited: Vec<String>,
    /// Whether the closure is useless without it.
    essential: bool,
}

/// Adds to the plan every library that its programs and libraries need, and the loader. A missing
/// one is a note, and an error only where one of the `essential` files needs it.
pub(crate) fn add(
    plan: &mut Plan,
    io: &dyn Io,
    platform: &str,
    essential: &BTreeSet<String>,
) -> Result<(), EnvironmentError> {
    let mut first: Vec<Pending> = Vec::new();
    for (path, item) in &plan.items {
        let Item::Copy { from, executable } = item else {
            continue;
        };
        let name = path.rsplit('/').next().unwrap_or_default();
        if !*executable && !name.contains(".so") {
            continue;
        }
        match elf::read(io, from) {
            Ok(Some(elf)) => first.push(Pending {
                path: path.clone(),
                from: from.clone(),
                elf,
                inherited: Vec::new(),
                essential: essential.contains(path),
            }),
            Ok(None) => {}
            // Packages carry samples and damaged files; only what runs must be right.
            Err(error @ EnvironmentError::Elf { .. }) if essential.contains(path) => {
                return Err(error);
            }
            Err(EnvironmentError::Elf { .. }) => {
                plan.notes.insert(format!("{path} is not a valid ELF file"));
            }
            Err(error) => return Err(error),
        }
    }
    let main = first.iter().find(|file| file.essential);
    let Some(machine) = main.or(first.first()).map(|file| file.elf.machine) else {
        return Ok(());
    };
    first.retain(|file| file.elf.machine == machine);
    let search = Search::new(io, platform, machine)?;
    let mut names: BTreeSet<String> = BTreeSet::new();
    for file in &first {
        names.extend(file.path.rsplit('/').next().map(str::to_owned));
        names.extend(file.elf.soname.clone());
    }
    let mut resolver = Resolver {
        plan,
        search,
        names,
        loaders: BTreeSet::new(),
        // What is essential first: a library keeps what the first that needs it says of it.
        queue: VecDeque::new(),
    };
    let (essential, other): (Vec<_>, Vec<_>) = first.into_iter().partition(|file| file.essential);
    resolver.queue.extend(essential);
    resolver.queue.extend(other);
    resolver.run()?;
    for name in OPENED_LATER {
        resolver.opened_later(name)?;
    }
    resolver.run()
}

/// Where libraries of the machine are looked for.
struct Search<'s> {
    io: &'s dyn Io,
    machine: u16,
    cache: BTreeMap<String, PathBuf>,
    defaults: Vec<PathBuf>,
    /// Where they go in the closure.
    to: String,
}

impl<'s> Search<'s> {
    fn new(io: &'s dyn Io, platform: &str, machine: u16) -> Result<Self, EnvironmentError> {
        let bytes = io.read(Path::new("/etc/ld.so.cache"), CACHE_LIMIT);
        let folders = DEFAULT_FOLDERS.map(|folder| folder.replace("{triplet}", platform));
        let mut search = Self {
            io,
            machine,
            cache: loader_cache::parse(&bytes.unwrap_or_default(), machine),
            defaults: folders.iter().map(PathBuf::from).collect(),
            to: format!("lib/{platform}"),
        };
        // Where the C library lies, its loader searches by default. On Debian and its like that
        // is the folder of the platform; elsewhere it is asked from the file system.
        if let Some((_, real, _)) = search.find("libc.so.6", &[])?
            && let Some(folder) = real
                .parent()
                .and_then(|folder| inside(folder.strip_prefix("/").ok()?))
            && !folder.ends_with(platform)
        {
            search.to = folder;
        }
        Ok(search)
    }

    /// The first file of this name for the processor: as found, without links, and what it says.
    fn find(
        &self,
        name: &str,
        folders: &[PathBuf],
    ) -> Result<Option<(PathBuf, PathBuf, Elf)>, EnvironmentError> {
        let named = folders.iter().map(|folder| folder.join(name));
        let cached = self.cache.get(name).cloned();
        let default = self.defaults.iter().map(|folder| folder.join(name));
        for path in named.chain(cached).chain(default) {
            let Ok(real) = self.io.canonicalize(&path) else {
                continue;
            };
            if self.io.metadata(&real)?.kind != FileKind::File {
                continue;
            }
            // The loader, too, passes over what is for another processor or not readable.
            if let Ok(Some(elf)) = elf::read(self.io, &real)
                && elf.machine == self.machine
            {
                return Ok(Some((path, real, elf)));
            }
        }
        Ok(None)
    }
}

struct Resolver<'r> {
    plan: &'r mut Plan,
    search: Search<'r>,
    /// The names of all libraries of the closure.
    names: BTreeSet<String>,
    /// The names of loaders: they are there before any library.
    loaders: BTreeSet<String>,
    queue: VecDeque<Pending>,
}

impl Resolver<'_> {
    fn run(&mut self) -> Result<(), EnvironmentError> {
        while let Some(file) = self.queue.pop_front() {
            if let Some(loader) = &file.elf.loader {
                self.loader(&file, loader)?;
            }
            for name in &file.elf.needed {
                self.library(&file, name)?;
            }
        }
        Ok(())
    }

    fn loader(&mut self, file: &Pending, loader: &str) -> Result<(), EnvironmentError> {
        let Some(to) = loader
            .strip_prefix('/')
            .and_then(|path| inside(Path::new(path)))
        else {
            return self.missing(file, loader);
        };
        self.loaders
            .extend(to.rsplit('/').next().map(str::to_owned));
        if self.plan.holds(&to) {
            return Ok(());
        }
        match self.search.io.canonicalize(Path::new(loader)) {
            Ok(from) => {
                let executable = true;
                self.plan.items.insert(to, Item::Copy { from, executable });
                Ok(())
            }
            Err(_) => self.missing(file, loader),
        }
    }

    fn library(&mut self, file: &Pending, name: &str) -> Result<(), EnvironmentError> {
        if self.loaders.contains(name) {
            return Ok(());
        }
        let folders = search_folders(file);
        for folder in &folders {
            // Where the file lies in the closure, `$ORIGIN` is a folder of the closure.
            let folder = origin(folder, &Path::new("/").join(&file.path));
            let path = folder.and_then(|folder| inside(folder.join(name).strip_prefix("/").ok()?));
            if path.is_some_and(|path| self.plan.holds(&path)) {
                return Ok(());
            }
        }
        let to = format!("{}/{name}", self.search.to);
        if self.plan.holds(&to) {
            return Ok(());
        }
        let here: Vec<PathBuf> = folders
            .iter()
            .filter_map(|folder| origin(folder, &file.from))
            .collect();
        match self.search.find(name, &here)? {
            Some(found) if !name.contains('/') => {
                self.take(to, found, inherited(file), file.essential);
                Ok(())
            }
            // The package opens it by itself before it opens this one.
            _ if self.names.contains(name) => Ok(()),
            _ => self.missing(file, name),
        }
    }

    fn take(
        &mut self,
        to: String,
        (_, from, elf): (PathBuf, PathBuf, Elf),
        inherited: Vec<String>,
        essential: bool,
    ) {
        self.names.extend(to.rsplit('/').next().map(str::to_owned));
        let item = Item::Copy {
            from: from.clone(),
            executable: false,
        };
        self.plan.items.insert(to.clone(), item);
        self.queue.push_back(Pending {
            path: to,
            from,
            elf,
            inherited,
            essential,
        });
    }

    fn opened_later(&mut self, name: &str) -> Result<(), EnvironmentError> {
        let to = format!("{}/{name}", self.search.to);
        if self.plan.holds(&to) {
            return Ok(());
        }
        if let Some(found) = self.search.find(name, &[])? {
            self.take(to, found, Vec::new(), false);
        } else if name == "libgcc_s.so.1" {
            let note =
                "libgcc_s.so.1 is not installed: a thread that is cancelled ends the program";
            self.plan.notes.insert(note.to_owned());
        }
        Ok(())
    }

    fn missing(&mut self, file: &Pending, name: &str) -> Result<(), EnvironmentError> {
        if file.essential {
            return Err(EnvironmentError::NoLibrary {
                library: name.to_owned(),
                needed_by: format!("/{}", file.path),
            });
        }
        let note = format!("{} needs {name}, which is not installed", file.path);
        self.plan.notes.insert(note);
        Ok(())
    }
}

/// The folders that are searched for the libraries of a file, before expansion.
fn search_folders(file: &Pending) -> Vec<String> {
    if file.elf.runpath.is_empty() {
        let own = file.elf.rpath.iter().chain(&file.inherited);
        own.cloned().collect()
    } else {
        file.elf.runpath.clone()
    }
}

/// What a file's libraries inherit from it. `$ORIGIN` is that of the file which names the folder.
fn inherited(file: &Pending) -> Vec<String> {
    let own = if file.elf.runpath.is_empty() {
        file.elf.rpath.as_slice()
    } else {
        &[]
    };
    let own = own.iter().filter_map(|folder| {
        origin(folder, &file.from).and_then(|folder| Some(folder.to_str()?.to_owned()))
    });
    own.chain(file.inherited.iter().cloned()).collect()
}

/// A folder with `$ORIGIN` replaced by where the file lies; none where other variables stand.
fn origin(folder: &str, file: &Path) -> Option<PathBuf> {
    let here = file.parent()?.to_str()?;
    let folder = folder.replace("${ORIGIN}", here).replace("$ORIGIN", here);
    (folder.starts_with('/') && !folder.contains('$')).then(|| PathBuf::from(folder))
}

#[cfg(test)]
#[allow(clippy::disallowed_methods)]
mod tests {
    use reproof_store::fs::RealIo;

    use super::*;
    use crate::environment::spec::host_platform;

    fn pending(rpath: &[&str], runpath: &[&str], inherited: &[&str]) -> Pending {
        let list = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        Pending {
            path: "reproof/env/lib/a/x.so".to_owned(),
            from: PathBuf::from("/host/a/x.so"),
            elf: Elf {
                rpath: list(rpath),
                runpath: list(runpath),
                ..Elf::default()
            },
            inherited: list(inherited),
            essential: false,
        }
    }

    #[test]
    fn runpath_hides_rpath_and_what_is_inherited() {
        let both = pending(&["/r"], &["$ORIGIN/lib"], &["/i"]);
        assert_eq!(search_folders(&both), ["$ORIGIN/lib"]);
        assert_eq!(inherited(&both), ["/i"]);
        let rpath = pending(&["${ORIGIN}/../r"], &[], &["/i"]);
        assert_eq!(search_folders(&rpath), ["${ORIGIN}/../r", "/i"]);
        assert_eq!(inherited(&rpath), ["/host/a/../r", "/i"]);
    }

    fn resolved(file: &Pending, name: &str, names: &[&str]) -> Plan {
        let mut plan = Plan::default();
        plan.bytes("reproof/env/lib/bundled/libinside.so.1", "an ELF file");
        let mut resolver = Resolver {
            plan: &mut plan,
            search: Search::new(&RealIo, &host_platform(), 62).unwrap(),
            names: names.iter().map(|name| (*name).to_owned()).collect(),
            loaders: BTreeSet::from(["ld-linux.so.9".to_owned()]),
            queue: VecDeque::new(),
        };
        resolver.library(file, name).unwrap();
        plan
    }

    #[test]
    fn what_is_in_the_closure_stays_where_it_is() {
        let file = pending(&[], &["$ORIGIN/../bundled"], &[]);
        let plan = resolved(&file, "libinside.so.1", &[]);
        assert_eq!((plan.items.len(), plan.notes.len()), (1, 0));
        let file = pending(&[], &["$ORIGIN/elsewhere"], &[]);
        assert_eq!(resolved(&file, "libinside.so.1", &[]).notes.len(), 1);
        // A package that opens it by itself, and the loader.
        assert_eq!(
            resolved(&file, "libinside.so.1", &["libinside.so.1"])
                .notes
                .len(),
            0
        );
        assert_eq!(resolved(&file, "ld-linux.so.9", &[]).notes.len(), 0);
    }

    #[test]
    fn origins() {
        let file = Path::new("/a/b/x.so");
        assert_eq!(
            origin("$ORIGIN/../c", file),
            Some(PathBuf::from("/a/b/../c"))
        );
        assert_eq!(origin("$ORIGIN/$LIB", file), None);
        assert_eq!(origin("relative", file), None);
    }

    /// The plan of a program alone becomes one that the closure's loader can start.
    #[test]
    fn a_shell_gets_its_loader_and_libraries() {
        let mut plan = Plan::default();
        plan.file(&RealIo, Path::new("/bin/sh"), "usr/bin/sh")
            .unwrap();
        let essential = BTreeSet::from(["usr/bin/sh".to_owned()]);
        add(&mut plan, &RealIo, &host_platform(), &essential).unwrap();
        let has = |part: &str| plan.items.keys().any(|path| path.contains(part));
        assert!(
            has("libc.so.6") && has("ld-linux"),
            "{:?}",
            plan.items.keys()
        );
    }

    #[test]
    fn a_missing_library_is_an_error_only_for_what_is_essential() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("program");
        let mut bytes = std::fs::read(RealIo.canonicalize(Path::new("/bin/sh")).unwrap()).unwrap();
        let at = bytes
            .windows(10)
            .position(|part| part == b"libc.so.6\0")
            .unwrap();
        bytes[at..at + 9].copy_from_slice(b"libq.so.6");
        std::fs::write(&path, bytes).unwrap();
        let set = |path: &Path| {
            let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
            std::fs::set_permissions(path, mode).unwrap();
        };
        set(&path);
        let mut plan = Plan::default();
        plan.file(&RealIo, &path, "bin/program").unwrap();
        add(&mut plan, &RealIo, &host_platform(), &BTreeSet::new()).unwrap();
        assert!(plan.notes.iter().any(|note| note.contains("libq.so.6")));
        let essential = BTreeSet::from(["bin/program".to_owned()]);
        let refused = add(&mut plan, &RealIo, &host_platform(), &essential).unwrap_err();
        assert!(
            refused
                .to_string()
                .contains("/bin/program needs the library libq.so.6")
        );
    }
}
