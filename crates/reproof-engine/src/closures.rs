//! The code closure of each step that runs a program, remembered by what it follows from.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::PathBuf;

use reproof_capture::closure::{
    Closure, ClosureError, ClosureOptions, Entry, FileImports, ImportCache, Note, Origin, Site,
    Start, closure,
};
use reproof_capture::notebook::{RUNNER, is_notebook, source};
use reproof_capture::{Capture, ProjectFiles};
use reproof_config::ProgramSpec;
use reproof_record::{Digest, Program, RelativePath, Tree, TreeEntry, to_canonical};
use reproof_store::fs::{Io, IoError, write_atomic};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::project::STATE_FOLDER;
use crate::{EngineError, Project, cache, sdk};

/// Raised whenever closures may come out differently.
const VERSION: u32 = 3;
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
    /// Whether it imports the package that Reproof carries, see [`sdk`].
    pub imports_sdk: bool,
    /// The blobs of the tree that are not files of the project.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub made: Vec<Digest>,
}

impl StepCode {
    /// What must be stored for it, beside the files of the project.
    fn blobs(&self) -> Vec<Digest> {
        [&[self.tree], self.made.as_slice()].concat()
    }
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

    /// The code closure of a step that runs in this environment, of which `own` says whether it has
    /// a package `reproof` of its own. Says whether the closure was found anew.
    pub fn find(
        &self,
        program: &ProgramSpec,
        environment: &Digest,
        own: &dyn Fn() -> Result<bool, EngineError>,
    ) -> Result<(StepCode, bool), EngineError> {
        let tree = self.code.state.tree;
        // What runs a notebook is part of its code.
        let notebook = program.notebook.as_ref();
        let runner = notebook.map(|_| Digest::of(RUNNER.as_bytes()));
        let document = (VERSION, tree, &program.run, &program.code, runner);
        let key = Digest::of(&to_canonical(&document)?);
        let (found, new) = self.remembered(&key, || {
            let (_, mut found) = self.follow(program)?;
            let made = match notebook {
                Some(_) => self.add_runner(&mut found)?,
                None => Vec::new(),
            };
            let found = self.keep(found)?;
            Ok(StepCode { made, ..found })
        })?;
        if !found.imports_sdk {
            return Ok((found, new));
        }
        let key = Digest::of(&to_canonical(&(key, environment, sdk::digest()?))?);
        let add = || {
            if own()? {
                Ok(found)
            } else {
                self.with_sdk(found)
            }
        };
        let (found, _) = self.remembered(&key, add)?;
        Ok((found, new))
    }

    /// What is remembered under a key, if its tree is in the store, or else what is found now. Says
    /// whether it was found now.
    fn remembered(
        &self,
        key: &Digest,
        find: impl FnOnce() -> Result<StepCode, EngineError>,
    ) -> Result<(StepCode, bool), EngineError> {
        let path = remembered(self.project).join(format!("{key}.json"));
        if let Some(known) = read_remembered::<StepCode>(self.project.io(), &path)
            && cache::check_blobs(self.project, &known.blobs())?.is_none()
        {
            return Ok((known, false));
        }
        let found = find()?;
        write_remembered(self.project.io(), &path, &found);
        Ok((found, true))
    }

    /// The same code with the package that Reproof carries.
    fn with_sdk(&self, mut code: StepCode) -> Result<StepCode, EngineError> {
        let tree = self.project.store.tree(&code.tree)?;
        let mut batch = self.project.store.batch();
        let tree = sdk::add(tree, &mut batch)?;
        code.tree = batch.put(&tree.to_bytes()?)?.digest;
        batch.commit()?;
        let carried = tree.files.iter();
        let carried = carried.filter(|file| file.path.as_str().starts_with(sdk::ROOT));
        code.made.extend(carried.map(|file| file.digest));
        code.roots.push(sdk::ROOT.to_owned());
        code.modules.remove(sdk::MODULE);
        Ok(code)
    }

    /// The code closure of a step, with what it starts with. Nothing is kept.
    pub fn follow(&self, program: &ProgramSpec) -> Result<(Entry, Closure), EngineError> {
        let reader = ProjectFiles::new(&self.project.root, self.project.io(), &self.code.links);
        let options = ClosureOptions {
            globs: program.code.clone(),
            roots: Vec::new(),
        };
        let entry = match &program.notebook {
            Some(notebook) => Ok(self.notebook(notebook)?),
            None => Entry::of_command(&program.run, &self.code.tree, &self.code.links),
        };
        let found = entry.and_then(|entry| {
            let found = closure(&self.code.tree, &reader, &self.imports, &entry, &options)?;
            Ok((entry, found))
        });
        found.map_err(|error| match error {
            ClosureError::Read(error) => error.into(),
            other => EngineError::usage(other.to_string()),
        })
    }

    /// The entry of a step that runs a notebook.
    fn notebook(&self, path: &RelativePath) -> Result<Entry, EngineError> {
        if !self.code.tree.files.iter().any(|file| file.path == *path) {
            return Err(EngineError::Usage {
                message: format!("the notebook '{path}' is not part of the captured code"),
                hint: Some(format!(
                    "it must lie in the project, and neither git nor .reproofignore may ignore it; \
                     one of more than 10 MB is captured once 'reproof notebook strip {path}' took \
                     its outputs out"
                )),
            });
        }
        Ok(Entry {
            starts: vec![Start::Script(path.clone())],
            ..Entry::default()
        })
    }

    /// Notebooks stand in their own closure as source alone, and what runs them lies beside them.
    fn add_runner(&self, found: &mut Closure) -> Result<Vec<Digest>, EngineError> {
        let reader = ProjectFiles::new(&self.project.root, self.project.io(), &self.code.links);
        let mut batch = self.project.store.batch();
        let (mut files, mut made) = (Vec::new(), Vec::new());
        for mut entry in std::mem::take(&mut found.tree.files) {
            let is_run = matches!(
                found.followed.get(&entry.path),
                Some(Origin::Entry | Origin::Import(_))
            );
            let is_link = self.code.links.contains_key(&entry.path);
            if is_run && !is_link && is_notebook(entry.path.as_str()) {
                let bytes = source(&reader.blob(&entry)?).map_err(|error| EngineError::Usage {
                    message: format!("{}: {error}", entry.path),
                    hint: error.hint().map(str::to_owned),
                })?;
                entry.digest = batch.put(&bytes)?.digest;
                made.push(entry.digest);
            }
            files.push(entry);
        }
        let runner = batch.put(RUNNER.as_bytes())?.digest;
        made.push(runner);
        files.push(TreeEntry {
            path: Program::NOTEBOOK_RUNNER
                .parse()
                .map_err(|error| EngineError::Bug(format!("the runner's path: {error}")))?,
            executable: false,
            digest: runner,
        });
        batch.commit()?;
        found.tree = Tree::new(files);
        Ok(made)
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
            imports_sdk: found.external.contains_key(sdk::MODULE),
            made: Vec::new(),
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
pub(crate) fn read_remembered<T: DeserializeOwned>(
    io: &dyn Io,
    path: &std::path::Path,
) -> Option<T> {
    let bytes = io.read(path, MAX_REMEMBERED).ok()?;
    let text = bytes.get(65..)?;
    let digest = Digest::of(text).to_hex();
    (bytes[..64] == *digest.as_bytes() && bytes[64] == b'\n').then_some(())?;
    serde_json::from_slice(text).ok()
}

/// Remembers something: its digest, a line feed, and the document. Failing to costs time and
/// nothing else.
pub(crate) fn write_remembered(io: &dyn Io, path: &std::path::Path, value: &impl Serialize) {
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
