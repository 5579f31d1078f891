//! Environments of a project: from what `reproof.toml` says to closures that are laid out here.
//!
//! A closure is looked for in this order: one that the lock file names, in the user's cache, the
//! store or on a remote; one that was built here before; else it is built.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use reproof_capture::environment::{
    Closure, ClosureCache, ClosureDescription, EnvironmentError, EnvironmentSpec, LockSource,
    Machine, OpenClosure, Parsed, PythonRequest, PythonSpec, Requirements, Stage, SystemSpec,
    build, export, host_platform, lock as lock_requirements, materialise,
};
use reproof_config::{EnvironmentSource, Lock, PythonOptions};
use reproof_record::{Digest, Isolation, StepName};
use reproof_sandbox::{End, Finished, Limits, Mount, Sandbox};

use crate::observer::{Event, Observer};
use crate::prepare::read_lock;
use crate::program::{Outside, compile_variables};
use crate::project::{exists, read_text};
use crate::{EngineError, Project, remote};

mod list;
mod notes;

pub use list::{EnvironmentList, ListedEnvironment, closure_named, env_gc, environments_list};

/// The files that the environment `default` is made of where `reproof.toml` names none, the first
/// that is there.
const DEFAULTS: [&str; 2] = ["requirements.txt", "pyproject.toml"];
/// An environment that programs can run in.
#[derive(Clone, Debug)]
pub struct Ready {
    /// The digest of its specification.
    pub specification: Digest,
    /// The digest of its closure.
    pub closure: Digest,
    /// Where the closure is laid out.
    pub root: PathBuf,
    /// Whether it was built just now.
    pub built: bool,
}

/// Looks for environments and builds them.
pub struct Environments<'a> {
    project: &'a Project,
    observer: &'a dyn Observer,
    cache: ClosureCache,
    isolation: Isolation,
}

impl<'a> Environments<'a> {
    /// The environments of a project.
    ///
    /// # Errors
    /// If nothing says where the user's cache lies.
    pub fn new(project: &'a Project, observer: &'a dyn Observer) -> Result<Self, EngineError> {
        let home = project.services.cache_home.as_ref().ok_or_else(|| {
            EngineError::usage(
                "environments are laid out in the user's cache, but neither XDG_CACHE_HOME nor \
                 HOME says where that is",
            )
        })?;
        let folder = home.join("reproof").join("closures");
        Ok(Self {
            project,
            observer,
            cache: ClosureCache::new(folder, Arc::clone(&project.services.io)),
            isolation: Isolation::Full,
        })
    }

    /// The same for programs that run at this level. Where they are not isolated and the machine
    /// isolates nothing, an environment's bytecode is compiled without isolation, too.
    #[must_use]
    pub fn at(self, isolation: Isolation) -> Self {
        Self { isolation, ..self }
    }

    /// The same with closures laid out in this folder, not in the user's cache.
    #[must_use]
    pub(crate) fn in_folder(self, folder: PathBuf) -> Self {
        let cache = ClosureCache::new(folder, Arc::clone(&self.project.services.io));
        Self { cache, ..self }
    }

    /// Builds an environment from its specification, whatever is there already.
    pub(crate) fn build_again(&self, name: &StepName) -> Result<Closure, EngineError> {
        self.build(name, &self.specification(name)?)
    }

    /// The user's cache of closures.
    pub fn cache(&self) -> &ClosureCache {
        &self.cache
    }

    /// What `reproof.toml` says of environments. Where it has no `default`, that is made of
    /// `requirements.txt` or `pyproject.toml`, the first that is there.
    pub fn sources(&self) -> Result<BTreeMap<StepName, EnvironmentSource>, EngineError> {
        let mut sources = self.project.settings.environments.clone();
        let default: StepName = "default".parse().map_err(bug)?;
        if sources.contains_key(&default) {
            return Ok(sources);
        }
        for file in DEFAULTS {
            if exists(self.project.io(), &self.project.root.join(file))? {
                let python = PythonOptions::default();
                let path = file.parse().map_err(bug)?;
                let source = match file {
                    "pyproject.toml" => EnvironmentSource::Pyproject { file: path, python },
                    _ => EnvironmentSource::Requirements { file: path, python },
                };
                sources.insert(default, source);
                break;
            }
        }
        Ok(sources)
    }

    /// What is said of one environment.
    pub fn source(&self, name: &StepName) -> Result<EnvironmentSource, EngineError> {
        let mut sources = self.sources()?;
        if let Some(source) = sources.remove(name) {
            return Ok(source);
        }
        let known: Vec<_> = sources.keys().map(ToString::to_string).collect();
        Err(EngineError::Usage {
            message: format!("there is no environment '{name}'"),
            hint: Some(if known.is_empty() {
                "write requirements.txt and 'reproof env lock', or [environments.default] in \
                 reproof.toml"
                    .to_owned()
            } else {
                format!("there are {}", known.join(", "))
            }),
        })
    }

    /// The specification of an environment as its files are now.
    pub fn specification(&self, name: &StepName) -> Result<EnvironmentSpec, EngineError> {
        let failed = |error| self.failed(name, error);
        match self.source(name)? {
            EnvironmentSource::Requirements { file, python } => {
                let text = read_text(self.project.io(), &self.project.root.join(file.as_str()))?;
                let parsed = Requirements::parse(&text).map_err(|error| EngineError::Usage {
                    message: format!("environment '{name}': {file}: {error}"),
                    hint: Some(format!(
                        "'reproof env lock {name}' pins what {file} asks for, with hashes"
                    )),
                })?;
                python_spec(parsed, &python).map_err(failed)
            }
            EnvironmentSource::Pyproject { file, python } => {
                let path = self.project.root.join(file.as_str());
                let folder = path.parent().unwrap_or(&self.project.root).to_owned();
                let lock = folder.join("uv.lock");
                if !exists(self.project.io(), &lock)? {
                    return Err(EngineError::Usage {
                        message: format!("environment '{name}': there is no uv.lock beside {file}"),
                        hint: Some("'uv lock' makes it".to_owned()),
                    });
                }
                let texts = [&path, &lock].map(|path| read_text(self.project.io(), path));
                let [project, lock] = texts;
                let key = notes::uv_lock_key(&project?, &lock?);
                if let Some(known) = self.uv_lock_read_before(&key) {
                    return python_spec(known, &python).map_err(failed);
                }
                let parsed = self.with_machine(|machine| export(machine, &folder, &[], &[]));
                let parsed = parsed.map_err(failed)?;
                self.note_uv_lock(&key, &parsed);
                python_spec(parsed, &python).map_err(failed)
            }
            EnvironmentSource::System { programs, paths } => {
                Ok(EnvironmentSpec::System(SystemSpec {
                    programs,
                    extra: paths,
                    platform: host_platform(),
                }))
            }
        }
    }

    /// Makes an environment ready: finds its closure, or builds it unless `locked`. The lock file
    /// is not written.
    pub fn ready(&self, name: &StepName, lock: &Lock, locked: bool) -> Result<Ready, EngineError> {
        let spec = self.specification(name)?;
        let specification = spec.digest()?;
        let known = lock.closures(&specification);
        let ready = |closure: &Closure, built| Ready {
            specification,
            closure: closure.digest(),
            root: closure.root(),
            built,
        };
        for digest in &known {
            if let Some(closure) = self.laid_out(digest)? {
                self.keep(&closure)?;
                return Ok(ready(&closure, false));
            }
        }
        if locked {
            return Err(EngineError::Refused {
                message: format!(
                    "environment '{name}': the lock file names no closure of it that is here"
                ),
                hint: Some(
                    "run without --locked (policy.locked) to build one, and commit reproof.lock"
                        .to_owned(),
                ),
            });
        }
        if let Some(digest) = self.built_before(&specification)
            && let Some(closure) = self.laid_out(&digest)?
        {
            self.keep(&closure)?;
            return Ok(ready(&closure, false));
        }
        let closure = self.build(name, &spec)?;
        self.note_built(&specification, &closure.digest());
        if !known.is_empty() {
            let note = format!(
                "environment '{name}': a new closure of the same specification was built, so IDs \
                 will differ from your team's until one of you has the other's"
            );
            self.observer.event(&Event::Note(&note));
        }
        Ok(ready(&closure, true))
    }

    /// Makes an environment ready by what the lock file says, which is not written.
    pub fn ready_as_locked(&self, name: &StepName) -> Result<Ready, EngineError> {
        let locked = self.project.settings.policy.locked;
        self.ready(name, &read_lock(self.project)?, locked)
    }

    /// The closure of this digest, checked, laid out from the store where it is not in the cache, and
    /// fetched from a remote where it is not in the store; none if it is nowhere.
    pub fn laid_out(&self, digest: &Digest) -> Result<Option<Closure>, EngineError> {
        if let Some(closure) = self.cache.find(digest).map_err(plain)? {
            if self.is_right(&closure)? {
                self.note_use(&closure);
                return Ok(Some(closure));
            }
            self.cache.remove(digest).map_err(plain)?;
        }
        if !self.project.store.contains(digest)? {
            let what = format!("the environment {}", digest.short());
            if !remote::fetch_tree(self.project, digest, &what, self.observer)? {
                return Ok(None);
            }
        }
        let open = materialise(&self.project.store, digest, None, &self.cache).map_err(plain)?;
        self.seal(open).map(Some)
    }

    /// The closure of this digest with every byte of it hashed, whatever facts say.
    pub fn verified(&self, digest: &Digest) -> Result<Option<Closure>, EngineError> {
        if let Some(closure) = self.cache.find(digest).map_err(plain)? {
            let full = closure.check_full().map_err(plain)?;
            if full.is_right() {
                return Ok(Some(closure));
            }
            self.tell_damage(&closure, &full);
            self.cache.remove(digest).map_err(plain)?;
        }
        self.laid_out(digest)
    }

    /// The folder of a closure in the cache, by whose time it is known when it was used last.
    fn folder_of(root: &std::path::Path) -> &std::path::Path {
        root.parent().unwrap_or(root)
    }

    /// When a closure was used last, in seconds since 1970.
    fn last_used(&self, digest: &Digest) -> Option<i64> {
        let closure = self.cache.find(digest).ok()??;
        let root = closure.root();
        let facts = self.project.io().metadata(Self::folder_of(&root)).ok()?;
        Some(facts.mtime_ns / 1_000_000_000)
    }

    /// Notes that a closure is used. Failing to costs a new layout at worst.
    fn note_use(&self, closure: &Closure) {
        let now = self.project.services.clock.now().0 / 1_000_000;
        let root = closure.root();
        let _ = self.project.io().set_mtime(Self::folder_of(&root), now);
    }

    fn is_right(&self, closure: &Closure) -> Result<bool, EngineError> {
        let full = match closure.check() {
            Err(EnvironmentError::DamagedCache { .. }) => return Ok(false),
            checked => checked.map_err(plain)?,
        };
        if !full.is_right() {
            self.tell_damage(closure, &full);
        }
        Ok(full.is_right())
    }

    fn tell_damage(&self, closure: &Closure, full: &reproof_capture::environment::Full) {
        let changed = full.differing.iter().chain(&full.additional);
        let mut paths: Vec<_> = changed.chain(&full.missing).cloned().collect();
        let more = paths.len().saturating_sub(3);
        paths.truncate(3);
        let note = format!(
            "the environment {} was changed in the cache ({}{}): it is laid out again",
            closure.digest().short(),
            paths.join(", "),
            if more > 0 {
                format!(" and {more} more")
            } else {
                String::new()
            }
        );
        self.observer.event(&Event::Note(&note));
    }

    /// Keeps a closure in the project's store, also one that another project built: records stay
    /// whole when the cache is gone.
    fn keep(&self, closure: &Closure) -> Result<(), EngineError> {
        let store = &self.project.store;
        let tree = closure.digest();
        if store.may_rely_on(&tree) && store.contains(&tree)? {
            return Ok(());
        }
        self.put(closure)
    }

    /// Puts a closure into the project's store; what is there and right stays.
    pub(crate) fn put(&self, closure: &Closure) -> Result<(), EngineError> {
        let store = &self.project.store;
        let mut batch = store.batch();
        closure.put(&mut batch).map_err(plain)?;
        Ok(batch.commit()?)
    }

    fn build(&self, name: &StepName, spec: &EnvironmentSpec) -> Result<Closure, EngineError> {
        self.observer.event(&Event::EnvironmentStarted { name });
        let open = self.with_machine(|machine| build(machine, spec, &self.cache));
        let open = open.map_err(|error| self.failed(name, error))?;
        let closure = self.seal(open)?;
        self.keep(&closure)?;
        let description = closure.description().map_err(plain)?;
        self.observer.event(&Event::Environment {
            name,
            closure: &closure.digest(),
            description: &description,
        });
        Ok(closure)
    }

    /// Runs the compiler of bytecode.
    fn run(&self, mut sandbox: Sandbox, root: &Path) -> Result<Finished, EngineError> {
        let ran = reproof_sandbox::run(&sandbox, &mut |_, _| {}, &|| false);
        let ran = ran.map_err(EngineError::from);
        if self.isolation == Isolation::Full || !matches!(ran, Err(EngineError::Unsupported(_))) {
            return ran;
        }
        let failed = |error: crate::OperationError| EngineError::Environment(error.to_string());
        let outside = Outside::new(self.project.io(), root, root).map_err(failed)?;
        // Bytecode names its sources by the paths at which isolated programs see them.
        let paths = [
            "-s".to_owned(),
            root.display().to_string(),
            "-p".to_owned(),
            "/".to_owned(),
        ];
        let folder = sandbox.argv.pop();
        sandbox.argv.extend(paths.into_iter().chain(folder));
        sandbox.argv = outside.command(&sandbox.argv).map_err(failed)?;
        let home = sandbox.variables.get("HOME").cloned();
        sandbox.variables = outside.variables(sandbox.variables);
        // Nothing may be left beside the closure.
        sandbox
            .variables
            .insert("TMPDIR".to_owned(), "/tmp".to_owned());
        sandbox
            .variables
            .extend(home.map(|home| ("HOME".to_owned(), home)));
        Ok(reproof_sandbox::run_unconfined(
            &sandbox,
            &mut |_, _| {},
            &|| false,
        )?)
    }

    /// Compiles the bytecode inside, and moves the closure to its place.
    fn seal(&self, open: OpenClosure) -> Result<Closure, EngineError> {
        if let Some(argv) = open.bytecode_command() {
            let writable = open.bytecode_folder();
            let inside = writable.trim_start_matches('/');
            let sandbox = Sandbox {
                mounts: vec![
                    Mount {
                        from: open.root(),
                        to: "/".to_owned(),
                        writable: false,
                    },
                    Mount {
                        from: open.root().join(inside),
                        to: writable.clone(),
                        writable: true,
                    },
                ],
                argv,
                variables: compile_variables(),
                folder: "/".to_owned(),
                threads: 1,
                network: false,
                limits: Limits::default(),
                watched: Vec::new(),
            };
            let finished = self.run(sandbox, &open.root())?;
            // Code 1: some file is no valid Python of this version, which harms nobody.
            if !matches!(finished.end, End::Exited(0 | 1)) {
                return Err(EngineError::Environment(format!(
                    "compiling the environment's bytecode ended with {:?}",
                    finished.end
                )));
            }
        }
        open.seal().map_err(plain)
    }

    /// Pins what the file of an environment asks for, with hashes.
    pub fn lock(&self, name: &StepName) -> Result<(String, Parsed), EngineError> {
        let failed = |error| self.failed(name, error);
        match self.source(name)? {
            EnvironmentSource::Requirements { file, python } => {
                let path = self.project.root.join(file.as_str());
                let request = python_request(&python).map_err(failed)?;
                let input = path.with_extension("in");
                let input = if exists(self.project.io(), &input)? {
                    input
                } else {
                    path
                };
                let pinned = self.with_machine(|machine| {
                    let source = LockSource::Requirements(&input);
                    lock_requirements(machine, &source, request, python.allow_builds)
                });
                Ok((file.to_string(), pinned.map_err(failed)?))
            }
            EnvironmentSource::Pyproject { .. } => Err(EngineError::Usage {
                message: format!("environment '{name}' is pinned by uv.lock"),
                hint: Some("'uv lock' writes it".to_owned()),
            }),
            EnvironmentSource::System { .. } => Err(EngineError::usage(format!(
                "environment '{name}' is made of programs of this machine: there is nothing to pin"
            ))),
        }
    }

    fn with_machine<T>(
        &self,
        work: impl FnOnce(&Machine<'_>) -> Result<T, EnvironmentError>,
    ) -> Result<T, EnvironmentError> {
        let services = &self.project.services;
        let observe = |stage: Stage| self.observer.event(&Event::EnvironmentStage(stage));
        work(&Machine {
            io: services.io.as_ref(),
            runner: services.runner.as_ref(),
            path: &services.search_path,
            uv: &services.uv,
            project: &self.project.root,
            observe: &observe,
        })
    }

    fn failed(&self, name: &StepName, error: EnvironmentError) -> EngineError {
        match error {
            EnvironmentError::Io(error) => error.into(),
            EnvironmentError::Store(error) => error.into(),
            error => EngineError::Environment(format!("environment '{name}': {error}")),
        }
    }

    /// The modules that the packages of a closure have, by their names.
    pub(crate) fn modules(&self, digest: &Digest) -> Result<BTreeSet<String>, EngineError> {
        let tree = self.project.store.tree(digest)?;
        let module = |path: &str| {
            let (_, inside) = path.split_once("/site-packages/")?;
            let first = inside.split('/').next()?;
            Some(first.split('.').next()?.to_owned())
        };
        let paths = tree.files.iter().map(|entry| entry.path.as_str());
        Ok(paths.filter_map(module).collect())
    }

    /// What is in a closure that is here.
    pub fn description(&self, digest: &Digest) -> Result<ClosureDescription, EngineError> {
        if let Some(closure) = self.cache.find(digest).map_err(plain)? {
            return closure.description().map_err(plain);
        }
        Ok(ClosureDescription::of_tree(
            &self.project.store.tree(digest)?,
        ))
    }
}

fn bug(error: impl std::fmt::Display) -> EngineError {
    EngineError::Bug(error.to_string())
}

fn python_request(python: &PythonOptions) -> Result<Option<PythonRequest>, EnvironmentError> {
    python.version.as_deref().map(str::parse).transpose()
}

fn python_spec(
    parsed: Parsed,
    python: &PythonOptions,
) -> Result<EnvironmentSpec, EnvironmentError> {
    Ok(EnvironmentSpec::Python(PythonSpec {
        python: python_request(python)?,
        requirements: parsed.requirements,
        platform: host_platform(),
        allow_builds: python.allow_builds,
    }))
}

/// An error that belongs to no environment by name.
fn plain(error: EnvironmentError) -> EngineError {
    match error {
        EnvironmentError::Io(error) => error.into(),
        EnvironmentError::Store(error) => error.into(),
        error => EngineError::Environment(error.to_string()),
    }
}

/// The environments of several names, each made ready once.
pub(crate) struct ReadyEnvironments<'a> {
    environments: Environments<'a>,
    ready: BTreeMap<StepName, Ready>,
}

impl<'a> ReadyEnvironments<'a> {
    /// None but these is ready.
    pub fn new(
        environments: Environments<'a>,
        ready: impl IntoIterator<Item = (StepName, Ready)>,
    ) -> Self {
        Self {
            environments,
            ready: ready.into_iter().collect(),
        }
    }

    pub fn get(
        &mut self,
        name: &StepName,
        lock: &Lock,
        locked: bool,
    ) -> Result<Ready, EngineError> {
        if let Some(ready) = self.ready.get(name) {
            return Ok(ready.clone());
        }
        let ready = self.environments.ready(name, lock, locked)?;
        self.ready.insert(name.clone(), ready.clone());
        Ok(ready)
    }

    /// The modules among these that an environment lacks.
    pub fn lacks<'m>(
        &self,
        ready: &Ready,
        modules: &'m BTreeMap<String, String>,
    ) -> Result<Vec<(&'m String, &'m String)>, EngineError> {
        if modules.is_empty() {
            return Ok(Vec::new());
        }
        let there = self.environments.modules(&ready.closure)?;
        Ok(modules
            .iter()
            .filter(|(name, _)| !there.contains(*name))
            .collect())
    }

    /// Whether a package of an environment has this module.
    pub fn has_module(&self, ready: &Ready, name: &str) -> Result<bool, EngineError> {
        Ok(self.environments.modules(&ready.closure)?.contains(name))
    }

    /// All that were made ready.
    pub fn all(self) -> impl Iterator<Item = Ready> {
        self.ready.into_values()
    }
}
