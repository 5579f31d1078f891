//! The closure of a step: what its code imports, and nothing else.

// Tests of the real Python write files and start it.
#![allow(clippy::disallowed_methods)]
#![allow(clippy::unwrap_used)]

mod properties;
mod python;
mod roots;
mod rules;
mod speed;

use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::Mutex;

use reproof_capture::closure::{
    Closure, ClosureError, ClosureOptions, CodeReader, Entry, FileImports, ImportCache, Note,
    closure,
};
use reproof_capture::{CaptureError, NoCache, link_digest};
use reproof_record::{Digest, RelativePath, Tree, TreeEntry};

/// Code in memory.
#[derive(Default)]
struct Code {
    files: BTreeMap<String, String>,
    links: BTreeMap<RelativePath, String>,
    reads: Cell<usize>,
}

impl Code {
    fn new(files: &[(&str, &str)]) -> Self {
        let owned = |(path, text): &(&str, &str)| ((*path).to_owned(), (*text).to_owned());
        Self {
            files: files.iter().map(owned).collect(),
            ..Self::default()
        }
    }

    fn link(mut self, path: &str, target: &str) -> Self {
        self.links.insert(path.parse().unwrap(), target.to_owned());
        self
    }

    fn tree(&self) -> Tree {
        let entry = |path: &str, digest| TreeEntry {
            path: path.parse().unwrap(),
            executable: false,
            digest,
        };
        let files = self.files.iter();
        let files = files.map(|(path, text)| entry(path, Digest::of(text.as_bytes())));
        let links = self.links.iter();
        let links = links.map(|(path, target)| entry(path.as_str(), link_digest(target.as_ref())));
        Tree::new(files.chain(links))
    }

    /// The closure of a command line with these options.
    fn try_closure(
        &self,
        command: &str,
        cache: &dyn ImportCache,
        options: &ClosureOptions,
    ) -> Result<Closure, ClosureError> {
        let argv: Vec<String> = command.split(' ').map(str::to_owned).collect();
        let tree = self.tree();
        let entry = Entry::of_command(&argv, &tree, &self.links)?;
        closure(&tree, self, cache, &entry, options)
    }

    fn closure(&self, command: &str) -> Closure {
        self.try_closure(command, &NoCache, &ClosureOptions::default())
            .unwrap()
    }

    /// The closure with these entries of `code:`.
    fn with(&self, command: &str, globs: &[&str]) -> Closure {
        let options = ClosureOptions {
            globs: globs.iter().map(|glob| (*glob).to_owned()).collect(),
            roots: Vec::new(),
        };
        self.try_closure(command, &NoCache, &options).unwrap()
    }
}

impl CodeReader for Code {
    fn links(&self) -> &BTreeMap<RelativePath, String> {
        &self.links
    }

    fn read(&self, entry: &TreeEntry) -> Result<Vec<u8>, CaptureError> {
        self.reads.set(self.reads.get() + 1);
        Ok(self.files[entry.path.as_str()].clone().into_bytes())
    }
}

/// Remembers imports in memory, as JSON, as the engine does.
#[derive(Default)]
struct Memory(Mutex<BTreeMap<Digest, String>>);

impl ImportCache for Memory {
    fn get(&self, files: &[Digest]) -> BTreeMap<Digest, FileImports> {
        let known = self.0.lock().unwrap();
        let pick = |file: &Digest| Some((*file, serde_json::from_str(known.get(file)?).ok()?));
        files.iter().filter_map(pick).collect()
    }

    fn put(&self, imports: &[(Digest, FileImports)]) {
        let text =
            |(file, found): &(Digest, FileImports)| (*file, serde_json::to_string(found).unwrap());
        self.0.lock().unwrap().extend(imports.iter().map(text));
    }
}

/// The paths of a closure.
fn paths(closure: &Closure) -> String {
    let files = closure.tree.files.iter();
    let paths: Vec<_> = files.map(|file| file.path.as_str()).collect();
    paths.join(" ")
}

/// The third-party modules of a closure, `?` if they may be missing.
fn external(closure: &Closure) -> String {
    let names = closure.external.iter();
    let names: Vec<_> = names
        .map(|(name, external)| format!("{name}{}", if external.optional { "?" } else { "" }))
        .collect();
    names.join(" ")
}

fn shown(note: &Note) -> String {
    let path = note.site.path.as_ref().map_or("-", RelativePath::as_str);
    let add = note.suggestion.as_ref();
    let add = add.map(|add| format!(" [{add}]")).unwrap_or_default();
    format!("{path}:{}: {}{add}", note.site.line, note.text)
}

fn notes(closure: &Closure) -> Vec<String> {
    closure.notes.iter().map(shown).collect()
}
