//! The code closure of each step that runs a program, remembered by what it follows from.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::PathBuf;

use reproof_capture::closure::{
    Closure, ClosureError, ClosureOptions, Entry, FileImports, ImportCache, Note, Site, closure,
};
use reproof_capture::{Capture, ProjectFiles};
use reproof_config::ProgramSpec;
use reproof_record::{Digest, to_canonical};
use reproof_store::fs::{Io, IoError, write_atomic};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::project::STATE_FOLDER;
use crate::{EngineError, Project, cache};

/// Raised whenever closures may come out differently.
const VERSION: u32 = 2;
/// The largest file of what is remembered.
const MAX_REMEMBERED: u64 = 256 << 20;

/// What of a project's code one step needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StepCode {
    /// The digest of the tree of its files.
    pub tree: Digest,
    /// What `PYTHONPATH` must name: folders of the code; the empty text is its root.
    pub roots: Vec<String>,
    /// The modules that the environment must have, and where each is imported first.
    pub modules: BTreeMap<String, String>,
    /// What a person should know.
    pub notes: Vec<String>,
}

/// Finds the code closures of steps, and keeps their trees in the store.
pub(crate) struct Closures<'a> {
    project: &'a Project,
    code: &'a Capture,
    /// What is known of imports; read when it is needed first.
    imports: Imports<'a>,
}

impl<'a> Closures<'a> {
    pub fn new(project: &'a Project, code: &'a Capture) -> Self {
        Self {
            project,
            code,
            imports: Imports {
                project,
                known: RefCell::new(None),
            },
        }
    }

    /// The code closure of a step. Says whether it was found anew.
    pub fn find(&self, program: &ProgramSpec) -> Result<(StepCode, bool), EngineError> {
        let key = self.key(program)?;
        let path = remembered(self.project).join(format!("{key}.json"));
        if let Some(known) = read_remembered::<StepCode>(self.project.io(), &path)
            && cache::check_blobs(self.project, &[known.tree])?.is_none()
        {
            return Ok((known, false));
        }
        let (_, found) = self.follow(program)?;
        let found = self.keep(found)?;
        write_remembered(self.project.io(), &path, &found);
        Ok((found, true))
    }

    /// What a closure follows from.
    fn key(&self, program: &ProgramSpec) -> Result<String, EngineError> {
        let tree = self.code.state.tree;
        let document = (VERSION, tree, &program.run, &program.code);
        let bytes = to_canonical(&document)?;
        Ok(Digest::of(&bytes).to_hex())
    }

    /// The code closure of a step, with what it starts with. Nothing is kept.
    pub fn follow(&self, program: &ProgramSpec) -> Result<(Entry, Closure), EngineError> {
        let reader = ProjectFiles::new(&self.project.root, self.project.io(), &self.code.links);
        let options = ClosureOptions {
            globs: program.code.clone(),
            roots: Vec::new(),
        };
        let entry = Entry::of_command(&program.run, &self.code.tree, &self.code.links);
        let found = entry.and_then(|entry| {
            let found = closure(&self.code.tree, &reader, &self.imports, &entry, &options)?;
            Ok((entry, found))
        });
        found.map_err(|error| match error {
            ClosureError::Read(error) => error.into(),
            other => EngineError::usage(other.to_string()),
        })
    }

    fn keep(&self, found: Closure) -> Result<StepCode, EngineError> {
        let mut batch = self.project.store.batch();
        let tree = batch.put(&found.tree.to_bytes()?)?.digest;
        batch.commit()?;
        let note = |note: &Note| {
            let suggestion = suggestion(note).map(|add| format!(" ({add})"));
            format!(
                "{}{}{}",
                place(&note.site),
                note.text,
                suggestion.unwrap_or_default()
            )
        };
        Ok(StepCode {
            tree,
            roots: found.roots,
            modules: found
                .external
                .iter()
                .filter(|(_, external)| !external.optional)
                .map(|(module, external)| (module.clone(), place(&external.site)))
                .collect(),
            notes: found.notes.iter().map(note).collect(),
        })
    }
}

/// What a note of a closure tells to add.
pub(crate) fn suggestion(note: &Note) -> Option<String> {
    let add = note.suggestion.as_ref()?;
    Some(format!("add 'code: [{add}]' if it needs it"))
}

fn place(site: &Site) -> String {
    match &site.path {
        Some(path) => format!("{path}:{}: ", site.line),
        None => String::new(),
    }
}

/// What files import, by digest, in one file of the project's own folder.
struct Imports<'a> {
    project: &'a Project,
    known: RefCell<Option<BTreeMap<Digest, FileImports>>>,
}

impl Imports<'_> {
    fn path(&self) -> PathBuf {
        remembered(self.project).join("imports.json")
    }

    fn with<T>(&self, work: impl FnOnce(&mut BTreeMap<Digest, FileImports>) -> T) -> T {
        let mut known = self.known.borrow_mut();
        let known = known.get_or_insert_with(|| {
            read_remembered(self.project.io(), &self.path()).unwrap_or_default()
        });
        work(known)
    }
}

impl ImportCache for Imports<'_> {
    fn get(&self, files: &[Digest]) -> BTreeMap<Digest, FileImports> {
        self.with(|known| {
            let found = files.iter().filter_map(|file| {
                let imports = known.get(file)?;
                Some((*file, imports.clone()))
            });
            found.collect()
        })
    }

    fn put(&self, imports: &[(Digest, FileImports)]) {
        self.with(|known| {
            known.extend(imports.iter().cloned());
            write_remembered(self.project.io(), &self.path(), known);
        });
    }
}

/// The folder of what can be found out again.
pub(crate) fn remembered(project: &Project) -> PathBuf {
    project.root.join(STATE_FOLDER).join("remembered")
}

/// Reads what was remembered; nothing where it is not there or not as it was written.
fn read_remembered<T: DeserializeOwned>(io: &dyn Io, path: &std::path::Path) -> Option<T> {
    let bytes = io.read(path, MAX_REMEMBERED).ok()?;
    let text = bytes.get(65..)?;
    let digest = Digest::of(text).to_hex();
    (bytes[..64] == *digest.as_bytes() && bytes[64] == b'\n').then_some(())?;
    serde_json::from_slice(text).ok()
}

/// Remembers something: its digest, a line feed, and the document. Failing to costs time and
/// nothing else.
fn write_remembered(io: &dyn Io, path: &std::path::Path, value: &impl Serialize) {
    let write = || -> Result<(), IoError> {
        let Ok(text) = serde_json::to_vec(value) else {
            return Ok(());
        };
        let mut bytes = Digest::of(&text).to_hex().as_bytes().to_vec();
        bytes.push(b'\n');
        bytes.extend(text);
        if let Some(folder) = path.parent() {
            io.create_dir_all(folder)?;
        }
        write_atomic(io, path, &bytes)
    };
    let _ = write();
}

/// What `PYTHONPATH` is for these roots of the code.
pub(crate) fn python_path(roots: &[String]) -> Option<String> {
    let paths: Vec<_> = roots
        .iter()
        .map(|root| match root.as_str() {
            "" => "/reproof/code".to_owned(),
            root => format!("/reproof/code/{root}"),
        })
        .collect();
    (!paths.is_empty()).then(|| paths.join(":"))
}
