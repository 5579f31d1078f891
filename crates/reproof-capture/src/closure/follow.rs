//! From the entry of a step to its closure, import by import.

use std::collections::btree_map::Entry::Vacant;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use reproof_record::{Digest, RelativePath, Tree, TreeEntry};

use super::entry::{is_source, within_code};
use super::error::ClosureError;
use super::imports::{FileImports, Import, ImportCache};
use super::locate::{Location, Locator, Roots};
use super::search::{Search, ending, normalise, parent};
use super::stdlib::{Standard, standard};
use super::{Closure, ClosureOptions, CodeReader, Entry, External, Note, Origin, Site, Start};
use super::{globs, parse};
use crate::notebook;

/// Follows imports.
pub(super) struct Follower<'a> {
    pub(super) locator: Locator<'a>,
    reader: &'a dyn CodeReader,
    cache: &'a dyn ImportCache,
    included: BTreeMap<RelativePath, (&'a TreeEntry, Origin)>,
    /// Files to be looked at, by the path under which they were found.
    waiting: BTreeMap<String, &'a TreeEntry>,
    seen: BTreeSet<String>,
    /// What `__all__` names in the files that were looked at.
    exported: BTreeMap<String, Vec<String>>,
    stars: Vec<Star>,
    external: BTreeMap<String, External>,
    notes: BTreeSet<Note>,
    used_roots: BTreeSet<String>,
    /// What the code adds to `sys.path`.
    pub added_roots: BTreeSet<String>,
}

/// A `from package import *` whose names are not known yet.
struct Star {
    package: Rc<Location>,
    importer: Importer,
    line: u32,
}

/// The file that an import stands in: its path as it was found, and in the tree.
#[derive(Clone)]
pub(super) struct Importer {
    pub found: String,
    pub path: Option<RelativePath>,
}

impl Importer {
    pub(super) fn site(&self, line: u32) -> Site {
        Site {
            path: self.path.clone(),
            line,
        }
    }
}

impl<'a> Follower<'a> {
    pub(super) fn new(
        search: Search<'a>,
        reader: &'a dyn CodeReader,
        cache: &'a dyn ImportCache,
        roots: Roots,
    ) -> Self {
        Self {
            locator: Locator::new(search, roots),
            reader,
            cache,
            included: BTreeMap::new(),
            waiting: BTreeMap::new(),
            seen: BTreeSet::new(),
            exported: BTreeMap::new(),
            stars: Vec::new(),
            external: BTreeMap::new(),
            notes: BTreeSet::new(),
            used_roots: BTreeSet::new(),
            added_roots: BTreeSet::new(),
        }
    }

    /// Takes in what the command line and the options name.
    pub(super) fn start(
        &mut self,
        entry: &Entry,
        options: &ClosureOptions,
    ) -> Result<(), ClosureError> {
        let command = Importer {
            found: String::new(),
            path: None,
        };
        for start in &entry.starts {
            match start {
                Start::Script(path) => {
                    if !self.add(path.as_str(), &Origin::Entry, true) {
                        let path = path.to_string();
                        return Err(ClosureError::NoScript { path });
                    }
                }
                Start::Module(name) => self.start_module(name, &command),
                Start::Code(code) => {
                    let imports = parse::imports(code.as_bytes());
                    self.imports(&command, &imports);
                }
            }
        }
        for path in &entry.files {
            self.add(path.as_str(), &Origin::Entry, false);
            if ending(path.as_str()) == "ipynb" {
                let text = "the imports of a notebook are not followed";
                let site = Site {
                    path: Some(path.clone()),
                    line: 1,
                };
                self.note(site, text.to_owned(), None);
            }
        }
        for glob in &options.globs {
            for found in globs::matching(glob, self.locator.search)? {
                self.add_by_path(found, &Origin::Glob(glob.clone()));
            }
        }
        Ok(())
    }

    /// `python -m name`: a package runs its `__main__`.
    fn start_module(&mut self, name: &str, command: &Importer) {
        let import = Import {
            level: 0,
            module: name.to_owned(),
            names: vec!["__main__".to_owned()],
            line: 1,
            optional: false,
        };
        self.absolute(command, &import);
    }

    /// Follows whatever is waiting, until nothing is.
    pub(super) fn run(&mut self) -> Result<(), ClosureError> {
        while !self.waiting.is_empty() {
            let files: Vec<_> = std::mem::take(&mut self.waiting).into_iter().collect();
            let imports = self.read(&files)?;
            for (found, entry) in files {
                let Some(imports) = imports.get(&entry.digest) else {
                    continue;
                };
                let importer = Importer {
                    found,
                    path: Some(entry.path.clone()),
                };
                self.imports(&importer, imports);
                self.exported.insert(importer.found, imports.all.clone());
            }
            self.open_stars();
        }
        Ok(())
    }

    /// What these files import, from the cache or from their text.
    fn read(
        &self,
        files: &[(String, &TreeEntry)],
    ) -> Result<BTreeMap<Digest, FileImports>, ClosureError> {
        let digests: Vec<_> = files.iter().map(|(_, entry)| entry.digest).collect();
        let mut known = self.cache.get(&digests);
        known.retain(|_, imports| imports.version == FileImports::VERSION);
        let mut fresh = Vec::new();
        for (_, entry) in files {
            if let Vacant(unknown) = known.entry(entry.digest) {
                let bytes = self.reader.read(entry)?;
                let imports = match ending(entry.path.as_str()) {
                    "ipynb" => notebook::imports(&bytes),
                    _ => parse::imports(&bytes),
                };
                fresh.push((entry.digest, imports.clone()));
                unknown.insert(imports);
            }
        }
        if !fresh.is_empty() {
            self.cache.put(&fresh);
        }
        Ok(known)
    }

    /// The closure, for a step whose own folders Python searches by itself.
    pub(super) fn finish(self, own_roots: &[String]) -> Closure {
        let included = &self.included;
        let search = self.locator.search;
        let declared = |note: &Note| {
            // Whoever has added what was suggested needs no note any more.
            let folder = note.suggestion.as_deref().unwrap_or_default();
            let folder = folder.trim_end_matches('/');
            let mut files = search.below(folder).iter();
            !folder.is_empty() && files.all(|file| included.contains_key(&file.path))
        };
        let notes = self.notes.into_iter().filter(|note| !declared(note));
        let roots = self.locator.roots.all().filter(|root| {
            // Python adds only the first of them by itself.
            self.used_roots.contains(*root) && own_roots.first() != Some(root)
        });
        Closure {
            notes: notes.collect(),
            roots: roots.cloned().collect(),
            tree: Tree::new(self.included.values().map(|(entry, _)| (*entry).clone())),
            external: self.external,
            followed: self
                .included
                .into_iter()
                .map(|(path, (_, origin))| (path, origin))
                .collect(),
        }
    }

    fn include(&mut self, entry: &'a TreeEntry, origin: &Origin) {
        let known = self.included.entry(entry.path.clone());
        known.or_insert_with(|| (entry, origin.clone()));
    }

    /// Takes a file in, with the links that lead to it, and has it looked at if it is Python.
    /// Whether there is such a file.
    fn add(&mut self, found: &str, origin: &Origin, python: bool) -> bool {
        let Some((entry, links)) = self.locator.search.file(found) else {
            return false;
        };
        for link in links {
            self.include(link, &Origin::Link);
        }
        self.include(entry, origin);
        let python = python || is_source(entry.path.as_str()) || is_source(found);
        if python && self.seen.insert(found.to_owned()) {
            self.waiting.insert(found.to_owned(), entry);
        }
        true
    }

    /// Takes in a file that the pipeline names. It may be imported in a way that cannot be
    /// followed, so the packages around it come with it.
    fn add_by_path(&mut self, entry: &'a TreeEntry, origin: &Origin) {
        let path = entry.path.as_str();
        if self.locator.search.is_link(entry) {
            self.include(entry, origin);
            if !self.add(path, origin, false) {
                self.add_linked_folder(path, origin);
            }
            return;
        }
        self.add(path, origin, false);
        if !is_source(path) {
            return;
        }
        let mut folder = parent(path);
        loop {
            let inits = self.locator.inits(folder);
            if inits.is_empty() {
                break;
            }
            for init in inits {
                self.add(&init, origin, false);
            }
            folder = parent(folder);
        }
    }

    /// Takes in the folder that a link points to.
    fn add_linked_folder(&mut self, link: &str, origin: &Origin) {
        let search = self.locator.search;
        let Some(place) = search.resolve(link) else {
            return;
        };
        for link in place.links {
            self.include(link, &Origin::Link);
        }
        if place.path.is_empty() {
            return;
        }
        for entry in search.below(&place.path) {
            let new = !self.included.contains_key(&entry.path);
            if new {
                self.add_by_path(entry, origin);
            }
        }
    }

    pub(super) fn note(&mut self, site: Site, text: String, suggestion: Option<String>) {
        self.notes.insert(Note {
            site,
            text,
            suggestion,
        });
    }

    /// Follows all that a file imports.
    fn imports(&mut self, importer: &Importer, imports: &FileImports) {
        if let Some(fault) = &imports.fault {
            let text = format!(
                "cannot be parsed as Python, so its imports are not followed: {}",
                fault.message
            );
            self.note(importer.site(fault.line), text, None);
        }
        for import in &imports.imports {
            if import.level == 0 {
                self.absolute(importer, import);
            } else {
                self.relative(importer, import);
            }
        }
        for dynamic in &imports.dynamic {
            self.dynamic(importer, dynamic);
        }
        for file in &imports.files {
            let path = within_code(&file.text).unwrap_or(&file.text);
            if let Some(path) = normalise("", path) {
                self.add(&path, &Origin::Import(importer.site(file.line)), true);
            }
        }
        for root in &imports.roots {
            let path = within_code(&root.text).unwrap_or(&root.text);
            let folder = normalise("", path);
            let place = folder.as_ref().and_then(|f| self.locator.search.resolve(f));
            let is_folder = place.is_some_and(|place| self.locator.search.is_folder(&place.path));
            self.added_roots.extend(folder.filter(|_| is_folder));
        }
    }

    fn absolute(&mut self, importer: &Importer, import: &Import) {
        let mut parts = import.module.split('.');
        let top = parts.next().unwrap_or_default();
        let mut module = self.locator.first(top);
        let mut files = false;
        if let Some(found) = &module {
            files |= self.take(found, importer, import.line);
        }
        let hides = files && standard(top) == Standard::Always;
        for part in parts {
            let Some(package) = module else { break };
            module = self.locator.child(&package, part);
            if let Some(found) = &module {
                files |= self.take(found, importer, import.line);
            }
        }
        if let Some(module) = &module {
            files |= self.names(module, &import.names, importer, import.line);
        } else if files && !import.optional {
            let text = format!("no module '{}' in the captured code", import.module);
            self.note(importer.site(import.line), text, None);
        }
        if hides {
            let text = format!(
                "the project's own '{top}' hides the module '{top}' of Python's standard library"
            );
            self.note(importer.site(import.line), text, None);
        }
        if files {
            self.namespace_roots(top);
        } else if standard(top) == Standard::No && !top.is_empty() {
            self.add_external(top, importer.site(import.line), import.optional);
        }
    }

    /// The roots of a top-level folder without `__init__`: each that holds a part of it.
    fn namespace_roots(&mut self, top: &str) {
        let Some(location) = self.locator.first(top) else {
            return;
        };
        if location.files.is_empty() {
            let folders = location.folders.iter();
            self.used_roots
                .extend(folders.map(|folder| parent(folder).to_owned()));
        }
    }

    fn add_external(&mut self, name: &str, site: Site, optional: bool) {
        let new = External { site, optional };
        let known = self.external.entry(name.to_owned());
        known
            .and_modify(|known| {
                known.optional &= optional;
                if new.site < known.site {
                    known.site = new.site.clone();
                }
            })
            .or_insert(new);
    }

    fn relative(&mut self, importer: &Importer, import: &Import) {
        let path = importer.path.as_ref();
        let mut module = path.and_then(|_| self.locator.around(&importer.found, import.level));
        let parts = import
            .module
            .split('.')
            .filter(|_| !import.module.is_empty());
        for part in parts {
            let Some(package) = module else { break };
            self.take(&package, importer, import.line);
            module = self.locator.child(&package, part);
        }
        match module {
            Some(module) => {
                self.take(&module, importer, import.line);
                self.names(&module, &import.names, importer, import.line);
            }
            None if import.optional => {}
            None => {
                let dots = ".".repeat(import.level.min(9) as usize);
                let text = format!("no module '{dots}{}' in the captured code", import.module);
                self.note(importer.site(import.line), text, None);
            }
        }
    }

    /// Takes in the files of a module. Whether it has any.
    fn take(&mut self, module: &Location, importer: &Importer, line: u32) -> bool {
        if !module.taken.replace(true) {
            let origin = Origin::Import(importer.site(line));
            for file in &module.files {
                self.add(file, &origin, false);
            }
            self.used_roots.extend(module.root.clone());
        }
        !module.files.is_empty()
    }

    /// Takes in the names of `from module import …` that are modules. Whether there are any.
    fn names(
        &mut self,
        module: &Rc<Location>,
        names: &[String],
        importer: &Importer,
        line: u32,
    ) -> bool {
        let mut any = false;
        for name in names {
            if name == "*" {
                self.stars.push(Star {
                    package: Rc::clone(module),
                    importer: importer.clone(),
                    line,
                });
            } else if !module.folders.is_empty()
                && let Some(found) = self.locator.child(module, name)
            {
                any |= self.take(&found, importer, line);
            }
        }
        any
    }

    /// Takes in what `from package import *` names, of the packages that were looked at.
    fn open_stars(&mut self) {
        for star in std::mem::take(&mut self.stars) {
            let known = |file: &String| self.exported.get(file);
            let lists: Vec<_> = star.package.files.iter().filter_map(known).collect();
            if lists.is_empty() && !star.package.files.is_empty() {
                self.stars.push(star);
                continue;
            }
            let names: Vec<String> = lists.into_iter().flatten().cloned().collect();
            let names: Vec<String> = names.into_iter().filter(|name| name != "*").collect();
            self.names(&star.package, &names, &star.importer, star.line);
        }
    }
}
