//! Environments of a project: from what `reproof.toml` says to closures that are laid out here.
//!
//! A closure is looked for in this order: one that the lock file names, in the user's cache, the
//! store or on a remote; one that was built here before; else it is built.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use reproof_capture::environment::{
    Closure, ClosureCache, ClosureDescription, EnvironmentError, EnvironmentSpec, LockSource,
    Machine, OpenClosure, Parsed, PythonRequest, PythonSpec, Requirements, Stage, SystemSpec,
    build, export, host_platform, lock as lock_requirements, materialise,
};
use reproof_config::{EnvironmentSource, Lock, PythonOptions};
use reproof_record::{Digest, StepName};
use reproof_sandbox::{End, Limits, Mount, Sandbox};
use reproof_store::fs::write_atomic;
use serde::Serialize;

use crate::observer::{Event, Observer};
use crate::prepare::read_lock;
use crate::program::compile_variables;
use crate::project::{exists, read_text};
use crate::{EngineError, Project, remote};

/// The files that the environment `default` is made of where `reproof.toml` names none, the first
/// that is there.
const DEFAULTS: [&str; 2] = ["requirements.txt", "pyproject.toml"];
/// The largest note of what was built for a specification.
const MAX_NOTE: u64 = 4096;

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
        })
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
                if !exists(self.project.io(), &folder.join("uv.lock"))? {
                    return Err(EngineError::Usage {
                        message: format!("environment '{name}': there is no uv.lock beside {file}"),
                        hint: Some("'uv lock' makes it".to_owned()),
                    });
                }
                let parsed = self.with_machine(|machine| export(machine, &folder, &[], &[]));
                python_spec(parsed.map_err(failed)?, &python).map_err(failed)
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
        if store.contains(&closure.digest())? {
            return Ok(());
        }
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
            };
            let finished = reproof_sandbox::run(&sandbox, &mut |_, _| {}, &|| false)?;
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

    /// Where it is noted what was built for a specification.
    fn note_path(&self, specification: &Digest) -> Option<PathBuf> {
        let home = self.project.services.cache_home.as_ref()?;
        let folder = home.join("reproof").join("specifications");
        Some(folder.join(specification.to_hex().as_str()))
    }

    fn built_before(&self, specification: &Digest) -> Option<Digest> {
        let bytes = self
            .project
            .io()
            .read(&self.note_path(specification)?, MAX_NOTE)
            .ok()?;
        std::str::from_utf8(&bytes).ok()?.trim().parse().ok()
    }

    /// Failing to note it costs time and nothing else.
    fn note_built(&self, specification: &Digest, closure: &Digest) {
        let Some(path) = self.note_path(specification) else {
            return;
        };
        let io = self.project.io();
        if let Some(folder) = path.parent() {
            let _ = io.create_dir_all(folder);
        }
        let _ = write_atomic(io, &path, format!("{closure}\n").as_bytes());
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

/// One environment of a project.
#[derive(Clone, Debug, Serialize)]
pub struct ListedEnvironment {
    /// Its name.
    pub name: StepName,
    /// What it is made of, as a person reads it.
    pub made_of: String,
    /// The closures that the lock file names for its specification as it is now.
    pub closures: Vec<Digest>,
}

/// The environments of a project, and the closures that are here.
#[derive(Clone, Debug, Serialize)]
pub struct EnvironmentList {
    /// The environments.
    pub environments: Vec<ListedEnvironment>,
    /// The closures in the user's cache.
    pub closures: Vec<Digest>,
}

/// Lists the environments of a project and the closures in the user's cache.
pub fn environments_list(environments: &Environments<'_>) -> Result<EnvironmentList, EngineError> {
    let lock = read_lock(environments.project)?;
    let mut listed = Vec::new();
    for (name, source) in environments.sources()? {
        let made_of = match &source {
            EnvironmentSource::Requirements { file, .. }
            | EnvironmentSource::Pyproject { file, .. } => file.to_string(),
            EnvironmentSource::System { programs, .. } => programs.join(", "),
        };
        // One that cannot be read yet has no closures.
        let specification = environments.specification(&name).ok();
        let digest = specification.and_then(|specification| specification.digest().ok());
        listed.push(ListedEnvironment {
            name,
            made_of,
            closures: digest.map_or(Vec::new(), |digest| lock.closures(&digest)),
        });
    }
    Ok(EnvironmentList {
        environments: listed,
        closures: environments.cache.list().map_err(plain)?,
    })
}

/// The closure that a text names: by the environment's name, or by its ID or a prefix of it.
pub fn closure_named(environments: &Environments<'_>, text: &str) -> Result<Digest, EngineError> {
    if let Ok(name) = text.parse::<StepName>()
        && environments.sources()?.contains_key(&name)
    {
        return Ok(environments.ready_as_locked(&name)?.closure);
    }
    let known = environments.cache.list().map_err(plain)?;
    let found: Vec<_> = known
        .into_iter()
        .filter(|digest| digest.to_hex().starts_with(text))
        .collect();
    match found.as_slice() {
        [one] => Ok(*one),
        [] => Err(EngineError::Usage {
            message: format!("no environment and no closure here is named '{text}'"),
            hint: Some("'reproof env list' lists them".to_owned()),
        }),
        _ => Err(EngineError::Usage {
            message: format!("'{text}' is the beginning of several closures"),
            hint: Some("give more digits".to_owned()),
        }),
    }
}

/// Removes the closures from the user's cache that were not used for so many days and that the lock
/// file of this project does not name.
pub fn env_gc(environments: &Environments<'_>, days: u32) -> Result<Vec<Digest>, EngineError> {
    let lock = read_lock(environments.project)?;
    let now = environments.project.services.clock.now().0 / 1_000_000;
    let mut removed = Vec::new();
    for digest in environments.cache.list().map_err(plain)? {
        let Some(used) = environments.last_used(&digest) else {
            continue;
        };
        let unused = now.saturating_sub(used) >= i64::from(days) * 86_400;
        if unused && !lock.has_closure(&digest) {
            environments.cache.remove(&digest).map_err(plain)?;
            removed.push(digest);
        }
    }
    Ok(removed)
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
    pub fn new(environments: Environments<'a>) -> Self {
        Self {
            environments,
            ready: BTreeMap::new(),
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

    /// All that were made ready.
    pub fn all(self) -> impl Iterator<Item = Ready> {
        self.ready.into_values()
    }
}
