//! Experiments: a step runs again with nothing changed, and then with one thing held or changed at a time,
//! to find what its results depend on.
//!
//! What differs in each run by itself, the clock and the system's randomness, is held: where the difference
//! goes away, and comes back as soon as one of them is let go, that one is a cause. What is the same in
//! each run is changed instead: where the results change with it, they depend on it. Results of
//! experiments are no results of the step: nothing of them is recorded.

mod changes;
mod factor;

use std::collections::{BTreeMap, BTreeSet};

use reproof_record::{
    Artifact, Distance, Isolation, Recipe, RecipeStep, Record, Source, StepName, Tolerance,
};
use serde::Serialize;

use changes::{Change, Held, MOMENTS, changes, first_module, merged};
pub use factor::Factor;

use super::Cause;
use crate::observer::{Event, Observer};
use crate::program::{self, Altered, ProgramJob};
use crate::programs::{Programs, of_recipe};
use crate::{Cancel, Class, EngineError, Project, contents};

/// One experiment.
#[derive(Clone, Debug, Serialize)]
pub struct Experiment {
    /// What was held or changed, in words.
    pub what: String,
    /// The factor; none where nothing was changed, or several were held together.
    pub factor: Option<Factor>,
    /// The outputs that came out in another way.
    pub differing: Vec<StepName>,
    /// How far the first of them moved.
    pub distance: Option<Distance>,
    /// Why it could not be done: the step failed.
    pub failed: Option<String>,
}

/// A factor that explains what was seen.
#[derive(Clone, Debug, Serialize)]
pub struct Explained {
    /// The factor.
    pub factor: Factor,
    /// What was seen, in words.
    pub evidence: String,
    /// What to do.
    pub remedy: &'static str,
}

/// What experiments on a step found.
#[derive(Debug, Serialize)]
pub struct Experiments {
    /// The step.
    pub step: StepName,
    /// Whether two runs with nothing changed gave the same.
    pub repeats: bool,
    /// What was tried, in order.
    pub tried: Vec<Experiment>,
    /// What explains that runs differ; or, where they do not, what the results depend on.
    pub explained: Vec<Explained>,
    /// What could not be tried, and why.
    pub notes: Vec<String>,
}

/// The step that experiments are about: the one that is named, or the one where results part without a
/// reason.
///
/// # Errors
/// If no step is named and the cause is another one.
pub fn experiment_step(named: Option<&StepName>, cause: &Cause) -> Result<StepName, EngineError> {
    match (named, cause) {
        (Some(step), _) | (None, Cause::Nondeterminism { step }) => Ok(step.clone()),
        (None, _) => Err(EngineError::Usage {
            message: "experiments are for a step that gave something else from the same recipe, and this \
                      is none"
                .to_owned(),
            hint: Some("name the step with --step to see what its results depend on".to_owned()),
        }),
    }
}

/// Runs a step of a record again and again, with one thing held or changed at a time.
///
/// # Errors
/// A step that is not there, is built in, may use the network or secrets, or was not isolated; what it
/// needs and is gone.
pub fn experiments(
    project: &Project,
    record: &Record,
    step: &StepName,
    observer: &dyn Observer,
    cancel: &Cancel,
) -> Result<Experiments, EngineError> {
    let recipe_step = suitable(record, step)?;
    let recipe = Recipe::new(record.recipe.data.clone(), record.recipe.steps.clone())?;
    let programs = of_recipe(project, &recipe, Isolation::Full, false, observer)?;
    let mut laboratory = Laboratory {
        project,
        name: step,
        step: recipe_step,
        inputs: inputs(project, record, recipe_step)?,
        programs: programs.map_err(EngineError::Impossible)?,
        observer,
        cancel,
        found: Experiments {
            step: step.clone(),
            repeats: false,
            tried: Vec::new(),
            explained: Vec::new(),
            notes: Vec::new(),
        },
    };
    laboratory.work()?;
    Ok(laboratory.found)
}

/// The step, if experiments can be made on it.
fn suitable<'r>(record: &'r Record, name: &StepName) -> Result<&'r RecipeStep, EngineError> {
    let step = record
        .recipe
        .steps
        .get(name)
        .ok_or_else(|| EngineError::usage(format!("the record has no step '{name}'")))?;
    let why = match &step.program {
        None => "it is built in: its bits do not depend on any of this",
        Some(program) if program.is_unpinned() => {
            "it may use the network or secrets: what it gets from there cannot be held"
        }
        Some(program) if program.isolation == Isolation::None => {
            "it was not isolated: it sees the machine, which cannot be held"
        }
        Some(_) => return Ok(step),
    };
    Err(EngineError::usage(format!(
        "no experiments can be made on step '{name}': {why}"
    )))
}

/// The inputs of a step by content, all of them here.
fn inputs(
    project: &Project,
    record: &Record,
    step: &RecipeStep,
) -> Result<BTreeMap<StepName, Artifact>, EngineError> {
    let mut found = BTreeMap::new();
    for (input, source) in &step.inputs {
        let artifact = match source {
            Source::Data { data } => record.recipe.data.get(data).copied(),
            Source::Output { step, output } => record
                .recipe
                .pinned(source)
                .or_else(|| record.results.get(step)?.get(output).copied()),
        };
        let here = match &artifact {
            Some(artifact) => project.store.contains(&artifact.digest)?,
            None => false,
        };
        let artifact = artifact.filter(|_| here).ok_or_else(|| {
            EngineError::Impossible(format!("the input '{input}' of the step is not here"))
        })?;
        found.insert(input.clone(), artifact);
    }
    Ok(found)
}

/// What came out, by output.
type Results = BTreeMap<StepName, Artifact>;

struct Laboratory<'a> {
    project: &'a Project,
    name: &'a StepName,
    step: &'a RecipeStep,
    inputs: BTreeMap<StepName, Artifact>,
    programs: Programs,
    observer: &'a dyn Observer,
    cancel: &'a Cancel,
    found: Experiments,
}

impl Laboratory<'_> {
    fn work(&mut self) -> Result<(), EngineError> {
        let nothing = Held::new();
        let plain = self.pair("nothing changed", None, &nothing)?;
        let Some(same) = plain else {
            let note = "the step fails with nothing changed".to_owned();
            self.found.notes.push(note);
            return Ok(());
        };
        self.found.repeats = same;
        let held = if same { nothing } else { self.hold()? };
        self.change(&held)
    }

    /// Holds everything that can be held, then lets one thing go at a time. What is held in the end.
    fn hold(&mut self) -> Result<Held, EngineError> {
        let mut all = Held::from([
            ("clock", MOMENTS[0].to_owned()),
            ("randomness", "1".to_owned()),
        ]);
        let threads = self
            .step
            .program
            .as_ref()
            .map_or(1, |program| program.threads);
        if threads > 1 {
            all.insert("threads", "1".to_owned());
        }
        let what = format!(
            "held together: {}",
            all.keys().copied().collect::<Vec<_>>().join(", ")
        );
        match self.pair(&what, None, &all)? {
            Some(true) => {}
            other => {
                let note = if other.is_none() {
                    "with clock and randomness held it fails"
                } else {
                    "it differs even with clock and randomness held: what differs is none of them, or \
                     outside of Python, or drawn by a library in its own way (PyTorch, several threads or \
                     processes, addresses in memory)"
                };
                self.found.notes.push(note.to_owned());
                return Ok(Held::new());
            }
        }
        for (what, factor) in [
            ("clock", Factor::Clock),
            ("randomness", Factor::Randomness),
            ("threads", Factor::Threads),
        ] {
            let mut rest = all.clone();
            if rest.remove(what).is_none() {
                continue;
            }
            let words = format!("{} let go, the rest held", factor.name());
            if self.pair(&words, Some(factor), &rest)? == Some(false) {
                self.found.explained.push(Explained {
                    factor,
                    evidence: format!(
                        "two runs are the same while {} is held, and differ as soon as it is let go",
                        factor.name()
                    ),
                    remedy: factor.remedy(),
                });
            }
        }
        Ok(all)
    }

    /// Changes one thing at a time, with these held so that runs are the same otherwise.
    fn change(&mut self, held: &Held) -> Result<(), EngineError> {
        if !self.found.repeats && held.is_empty() {
            let note = "nothing else was changed: what differs by itself hides what depends on it";
            self.found.notes.push(note.to_owned());
            return Ok(());
        }
        let Some(base) = self.quiet(held, &Change::default())? else {
            return Ok(());
        };
        for (factor, words, change) in changes(self.step, held) {
            let against = match &change.from {
                // Both ways are tried: which of them the plain run has is chance.
                Some(from) => self.quiet(&merged(held, from), &Change::default())?,
                None => Some(base.clone()),
            };
            let Some(against) = against else { continue };
            let changed = self.run(&merged(held, &change.held), &change)?;
            let tried = self.judge(words, Some(factor), [Ok(against), changed])?;
            if tried == Some(false) {
                let explains = self.found.repeats || !factor.is_fixed();
                if explains {
                    let evidence = format!("the results change with {}", factor.name());
                    let remedy = factor.remedy();
                    self.found.explained.push(Explained {
                        factor,
                        evidence,
                        remedy,
                    });
                }
            }
        }
        let mut seen = BTreeSet::new();
        self.found.explained.retain(|one| seen.insert(one.factor));
        Ok(())
    }

    /// Runs twice with these held; whether the results are the same, none if it failed.
    fn pair(
        &mut self,
        what: &str,
        factor: Option<Factor>,
        held: &Held,
    ) -> Result<Option<bool>, EngineError> {
        let first = self.run(held, &Change::default())?;
        let second = self.run(held, &Change::default())?;
        self.judge(format!("{what}, two runs"), factor, [first, second])
    }

    /// Runs once; none if it failed, which was told before.
    fn quiet(&self, held: &Held, change: &Change) -> Result<Option<Results>, EngineError> {
        Ok(self.run(held, change)?.ok())
    }

    /// Notes an experiment. Whether both came to the same; none if one failed.
    fn judge(
        &mut self,
        what: String,
        factor: Option<Factor>,
        results: [Result<Results, String>; 2],
    ) -> Result<Option<bool>, EngineError> {
        let mut experiment = Experiment {
            what,
            factor,
            differing: Vec::new(),
            distance: None,
            failed: None,
        };
        let same = match results {
            [Ok(one), Ok(other)] => {
                let differing = one
                    .iter()
                    .filter(|(name, artifact)| other.get(*name) != Some(*artifact));
                experiment.differing = differing.map(|(name, _)| name.clone()).collect();
                if let Some(name) = experiment.differing.first()
                    && let (Some(one), Some(other)) = (one.get(name), other.get(name))
                {
                    experiment.distance = self.distance([one, other])?;
                }
                Some(experiment.differing.is_empty())
            }
            [Err(error), _] | [_, Err(error)] => {
                experiment.failed = Some(error);
                None
            }
        };
        self.found.tried.push(experiment);
        Ok(same)
    }

    fn distance(&self, artifacts: [&Artifact; 2]) -> Result<Option<Distance>, EngineError> {
        if artifacts[0].kind != artifacts[1].kind {
            return Ok(None);
        }
        match contents::distance(self.project, artifacts, &Tolerance::default()) {
            Err(error) if error.class() == Class::Integrity => Ok(None),
            found => found.map(Some),
        }
    }

    /// Runs the step once; why it failed, if it did.
    fn run(&self, held: &Held, change: &Change) -> Result<Result<Results, String>, EngineError> {
        if self.cancel.is_cancelled() {
            return Err(EngineError::Interrupted);
        }
        let mut step = self.step.clone();
        let Some(program) = &mut step.program else {
            return Err(EngineError::Bug(
                "experiments on a step without a program".to_owned(),
            ));
        };
        program.variables.extend(change.variables.clone());
        if let Some(profile) = change.profile {
            program.profile = profile;
        }
        let threads = held.get("threads").and_then(|text| text.parse().ok());
        if let Some(threads) = change.threads.or(threads) {
            program.threads = threads;
        }
        let environment = program.environment;
        if let Some(seed) = change.seed {
            step.seed = Some(seed);
        }
        let Some(root) = self.programs.roots.get(&environment) else {
            return Err(EngineError::Bug(
                "an environment is not laid out".to_owned(),
            ));
        };
        let altered = Altered {
            reversed: change.reversed,
            first_module: first_module(held),
        };
        let name = self.name;
        self.observer.event(&Event::Note(&format!(
            "experiment on step '{name}': {}",
            change.words(held)
        )));
        let (result, _) = program::run(&ProgramJob {
            store: &self.project.store,
            step: &step,
            inputs: &self.inputs,
            root,
            resources: reproof_config::Resources::default(),
            secrets: &BTreeMap::new(),
            watched: Vec::new(),
            altered: &altered,
            output: &|_| {},
            cancel: self.cancel,
        });
        let compared: BTreeSet<_> = self.step.results().map(|(name, _)| name.clone()).collect();
        Ok(match result {
            Ok(outputs) => Ok(outputs
                .into_iter()
                .filter(|(name, _)| compared.contains(name))
                .map(|(name, output)| (name, output.artifact))
                .collect()),
            Err(error) => Err(error.to_string()),
        })
    }
}
