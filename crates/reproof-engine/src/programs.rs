//! The programs of a pipeline as its recipe holds them, and what they get that no recipe holds.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use reproof_capture::Capture;
use reproof_config::{Lock, Pipeline, ProgramSpec, Resources};
use reproof_record::{Digest, Isolation, Program, Recipe, RecipeStep, StepName};

use crate::closures::{Closures, python_path};
use crate::environments::{Environments, Ready, ReadyEnvironments};
use crate::observer::{Event, Observer};
use crate::prepare::refuse_isolation;
use crate::program::Altered;
use crate::undeclared::Surroundings;
use crate::{EngineError, Project, sdk};

/// What is said where programs are not isolated.
pub(crate) const NOT_ISOLATED: &str = "the programs of this pipeline are not isolated: they see this \
     machine, its files, processes and network, so nothing says that their results follow from the \
     recipe alone";

/// What programs get that no recipe holds.
#[derive(Debug, Default)]
pub(crate) struct Programs {
    /// Where the closures of environments are laid out.
    pub roots: BTreeMap<Digest, PathBuf>,
    /// When programs are ended.
    pub resources: BTreeMap<StepName, Resources>,
    /// The values of secrets.
    pub secrets: BTreeMap<String, String>,
    /// The unpinned steps whose recorded results are used all the same.
    pub cached: BTreeSet<StepName>,
    /// The project, to name what a program missed of it.
    pub surroundings: Option<Surroundings>,
    /// What is made to differ of how they are run.
    pub altered: Altered,
}

impl Programs {
    /// Whether a step may have its recorded results. What depends on what no recipe can pin is made
    /// anew, unless the pipeline says otherwise.
    pub fn may_be_cached(&self, name: &StepName, step: &RecipeStep) -> bool {
        let program = step.program.as_ref();
        program.is_none_or(|program| !program.is_unpinned()) || self.cached.contains(name)
    }
}

/// The programs of a pipeline, resolved.
#[derive(Default)]
pub(crate) struct Resolved {
    /// By step, as the recipe holds them.
    pub programs: BTreeMap<StepName, Program>,
    /// What they get beside.
    pub given: Programs,
    /// The environments that they run in.
    pub environments: Vec<Ready>,
}

/// Resolves the programs of a pipeline: their code, their environments, their variables. An
/// environment that is ready already may be given with its name.
pub(crate) fn resolve(
    project: &Project,
    pipeline: &Pipeline,
    captured: &Capture,
    lock: &Lock,
    (locked, isolation): (bool, Isolation),
    ready: Option<(StepName, Ready)>,
    observer: &dyn Observer,
) -> Result<Resolved, EngineError> {
    let specs = pipeline.programs();
    if specs.is_empty() {
        return Ok(Resolved {
            environments: ready.into_iter().map(|(_, ready)| ready).collect(),
            ..Resolved::default()
        });
    }
    if isolation == Isolation::None {
        observer.event(&Event::Note(NOT_ISOLATED));
    }
    let environments = Environments::new(project, observer)?.at(isolation);
    pipeline.check_environments(&environments.sources()?)?;
    let closures = Closures::new(project, captured);
    let mut environments = ReadyEnvironments::new(environments, ready);
    let mut resolved = Resolved::default();
    for (name, spec) in specs {
        let environment = environments.get(&spec.environment, lock, locked)?;
        let own = || environments.has_module(&environment, sdk::MODULE);
        let (found, new) = closures.find(spec, &environment.closure, &own)?;
        if new {
            for note in &found.notes {
                observer.event(&Event::Note(&format!("step '{name}': {note}")));
            }
        }
        if spec.notebook.is_some() {
            need_kernel(&environments, &environment, &spec.environment)?;
        }
        if new || environment.built {
            for (module, place) in environments.lacks(&environment, &found.modules)? {
                let note = format!(
                    "step '{name}': {place}the environment '{}' seems to lack the module \
                     '{module}' that is imported here",
                    spec.environment
                );
                observer.event(&Event::Note(&note));
            }
        }
        let mut variables = variables(project, &name, spec)?;
        if let Some(path) = python_path(&found.roots) {
            if new && found.roots.iter().any(|root| root == sdk::ROOT) {
                note_own_path(&name, &variables, observer);
            }
            variables.entry("PYTHONPATH".to_owned()).or_insert(path);
        }
        let (code, closure) = (found.tree, environment.closure);
        let program = spec.resolve(code, closure, isolation, variables);
        resolved.programs.insert(name.clone(), program);
        let given = &mut resolved.given;
        given.roots.insert(environment.closure, environment.root);
        given.resources.insert(name.clone(), spec.resources);
        if spec.cache {
            given.cached.insert(name.clone());
        }
        // A locked run takes what came out of such a step, and does not run it.
        if !locked {
            given
                .secrets
                .extend(secrets(project, &name, &spec.secrets)?);
        }
    }
    resolved.given.surroundings = Some(Surroundings::new(project, captured.tree.clone()));
    resolved.environments = environments.all().collect();
    Ok(resolved)
}

/// Says that a step's own `PYTHONPATH` hides the package that Reproof carries.
fn note_own_path(step: &StepName, variables: &BTreeMap<String, String>, observer: &dyn Observer) {
    let folder = format!("/reproof/code/{}", sdk::ROOT);
    let own = variables.get("PYTHONPATH");
    if own.is_some_and(|path| path.split(':').all(|one| one != folder)) {
        let note = format!(
            "step '{step}': it imports reproof, which its own PYTHONPATH does not find: add {folder} \
             to it"
        );
        observer.event(&Event::Note(&note));
    }
}

/// The least isolation of a recipe's programs, if it is granted: what ran without any would again.
/// `whose` says whose they are.
///
/// # Errors
/// A refusal, where it is not.
pub(crate) fn granted(
    project: &Project,
    recipe: &Recipe,
    whose: &str,
    isolation: Isolation,
) -> Result<Isolation, EngineError> {
    let mut programs = recipe.steps.iter();
    let without = programs.find(|(_, step)| {
        let program = step.program.as_ref();
        program.is_some_and(|program| program.isolation == Isolation::None)
    });
    let Some((name, _)) = without else {
        return Ok(Isolation::Full);
    };
    refuse_isolation(project, Isolation::None)?;
    if isolation == Isolation::None {
        return Ok(Isolation::None);
    }
    Err(EngineError::Refused {
        message: format!("step '{name}' of {whose} ran without isolation, and would again"),
        hint: Some(
            "if you trust its programs, grant it with '--isolation none'; equal outputs then show that \
             it repeats here, not that it follows from its recipe alone"
                .to_owned(),
        ),
    })
}

/// The programs of a recipe, for running it again: every environment's bytes are hashed. Steps whose
/// outputs the recipe pins are not run. Those that were not isolated are not here either, which must
/// be granted. Where something stored is `damaged`, closures that are right in the cache are put into
/// the store again.
pub(crate) fn of_recipe(
    project: &Project,
    recipe: &Recipe,
    isolation: Isolation,
    damaged: bool,
    observer: &dyn Observer,
) -> Result<Result<Programs, String>, EngineError> {
    let mut given = Programs::default();
    let programs = recipe
        .steps
        .iter()
        .filter(|(_, step)| step.pinned.is_empty())
        .filter_map(|(name, step)| Some((name, step.program.as_ref()?)));
    for (name, program) in programs {
        if !project.store.contains(&program.code)? {
            return Ok(Err(format!("the code of step '{name}' is not here")));
        }
        let digest = &program.environment;
        if !given.roots.contains_key(digest) {
            let environments = Environments::new(project, observer)?.at(isolation);
            let Some(closure) = environments.verified(digest)? else {
                return Ok(Err(format!(
                    "the environment {} of step '{name}' is neither in the cache nor in the store",
                    digest.short()
                )));
            };
            if damaged {
                environments.put(&closure)?;
            }
            given.roots.insert(*digest, closure.root());
        }
        given
            .secrets
            .extend(secrets(project, name, &program.secrets)?);
    }
    Ok(Ok(given))
}

/// A notebook needs a kernel in its environment.
fn need_kernel(
    environments: &ReadyEnvironments<'_>,
    ready: &Ready,
    name: &StepName,
) -> Result<(), EngineError> {
    let kernel = BTreeMap::from([("ipykernel".to_owned(), String::new())]);
    if environments.lacks(ready, &kernel)?.is_empty() {
        return Ok(());
    }
    Err(EngineError::Usage {
        message: format!("the environment '{name}' lacks ipykernel, by which notebooks are run"),
        hint: Some(
            "add the line 'ipykernel' to requirements.in, then 'reproof env lock'; with a \
             pyproject.toml 'uv add ipykernel'"
                .to_owned(),
        ),
    })
}

/// The declared variables with their values.
fn variables(
    project: &Project,
    step: &StepName,
    spec: &ProgramSpec,
) -> Result<BTreeMap<String, String>, EngineError> {
    let value = |(name, value): (&String, &Option<String>)| {
        let found = value
            .clone()
            .or_else(|| project.services.variables.get(name).cloned());
        let found = found.ok_or_else(|| EngineError::Usage {
            message: format!("step '{step}' declares the variable {name}, which is not set"),
            hint: Some(format!(
                "set it, or give it a value: variables: {{{name}: …}}"
            )),
        })?;
        Ok((name.clone(), found))
    };
    spec.variables.iter().map(value).collect()
}

fn secrets(
    project: &Project,
    step: &StepName,
    names: &BTreeSet<String>,
) -> Result<BTreeMap<String, String>, EngineError> {
    let value = |name: &String| {
        let found = project.services.variables.get(name).cloned();
        let found = found.ok_or_else(|| EngineError::Usage {
            message: format!("step '{step}' needs the secret {name}, which is not set"),
            hint: Some("set it as an environment variable of the command".to_owned()),
        })?;
        Ok((name.clone(), found))
    };
    names.iter().map(value).collect()
}
