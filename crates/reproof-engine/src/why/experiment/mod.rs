//! Experiments: a step runs again with nothing changed, and then with one thing held or changed at a time,
//! to find what its results depend on.
//!
//! If runs differ, what differs in each run by itself is held, such as the clock and the system's randomness:
//! where the difference goes away, and comes back as soon as one of them is let go, that one is a cause. If
//! runs are the same, what is the same in each is changed: where the results change with it, they depend on
//! it. Results of experiments are no results of the step: nothing of them is recorded.

mod changes;
mod factor;

use std::collections::{BTreeMap, BTreeSet};

use reproof_config::Resources;
use reproof_record::{
    Artifact, Distance, Isolation, Recipe, RecipeStep, Record, Source, StepName, Tolerance,
};
use serde::Serialize;

use changes::{Change, Held, MOMENTS, PATIENCE, changes, first_module};
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
        recorded: compared(recipe_step, record.results.get(step).into_iter().flatten()),
        seconds: 0,
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

/// Those of the outputs of a step that are results.
fn compared<'o>(
    step: &RecipeStep,
    outputs: impl Iterator<Item = (&'o StepName, &'o Artifact)>,
) -> Results {
    let results: BTreeSet<_> = step.results().map(|(name, _)| name).collect();
    let outputs = outputs.filter(|(name, _)| results.contains(name));
    outputs
        .map(|(name, artifact)| (name.clone(), *artifact))
        .collect()
}

struct Laboratory<'a> {
    project: &'a Project,
    name: &'a StepName,
    step: &'a RecipeStep,
    inputs: BTreeMap<StepName, Artifact>,
    /// What the record says that it gave.
    recorded: Results,
    /// How many seconds of processor time the longest run took.
    seconds: u64,
    programs: Programs,
    observer: &'a dyn Observer,
    cancel: &'a Cancel,
    found: Experiments,
}

/// What is held of runs that differ: as the module calls it, and the factor that it is.
const HELD: [(&str, Factor); 4] = [
    ("clock", Factor::Clock),
    ("randomness", Factor::Randomness),
    ("scheduling", Factor::Scheduling),
    ("threads", Factor::Threads),
];
/// How many runs have to be the same until they are taken to be: of nothing changed, and of what is held.
const PLAIN: usize = 2;
const AGAIN: usize = 3;

/// Several runs with the same things held.
struct Seen {
    same: bool,
    first: Results,
}

impl Laboratory<'_> {
    fn work(&mut self) -> Result<(), EngineError> {
        let Some(mut plain) = self.several("nothing changed", None, &Held::new(), PLAIN)? else {
            let note = "the step fails with nothing changed".to_owned();
            self.found.notes.push(note);
            return Ok(());
        };
        // What was recorded is one more run, though maybe of another machine.
        if plain.same && plain.first != self.recorded {
            let more = self.several("still nothing changed", None, &Held::new(), AGAIN)?;
            plain.same = more.is_some_and(|more| more.same && more.first == plain.first);
            if plain.same {
                let note = "here all runs are the same, and not what was recorded: it differs rarely, or \
                            by the machine";
                self.found.notes.push(note.to_owned());
            }
        }
        self.found.repeats = plain.same;
        if plain.same {
            self.change(&plain.first)?;
        } else {
            self.hold()?;
        }
        let mut seen = BTreeSet::new();
        self.found.explained.retain(|one| seen.insert(one.factor));
        Ok(())
    }

    /// Holds everything that can be held, then lets one thing go at a time.
    fn hold(&mut self) -> Result<(), EngineError> {
        let threads = self.step.program.as_ref();
        let threads = threads.map_or(1, |program| program.threads);
        let mut all = Held::from([
            ("clock", MOMENTS[0].to_owned()),
            ("randomness", "1".to_owned()),
            ("scheduling", PATIENCE.to_string()),
        ]);
        if threads > 1 {
            all.insert("threads", "1".to_owned());
        }
        let mut same = self.together(&all)?;
        if same.is_none() {
            // What waits for another thread or process may not bear that.
            all.remove("scheduling");
            same = self.together(&all)?;
        }
        if same != Some(true) {
            let note = if same.is_none() {
                "with these held it fails"
            } else {
                "it differs even with these held: what differs is none of them, or outside of Python, or \
                 drawn by a library in its own way (PyTorch, threads of its own, addresses in memory)"
            };
            self.found.notes.push(note.to_owned());
            return Ok(());
        }
        for (what, factor) in HELD {
            let mut rest = all.clone();
            if rest.remove(what).is_none() {
                continue;
            }
            let words = format!("{} let go, the rest held", factor.name());
            let seen = self.several(&words, Some(factor), &rest, AGAIN)?;
            if seen.is_some_and(|seen| !seen.same) {
                self.explain(factor, |name| {
                    format!(
                        "two runs are the same while {name} is held, and differ as soon as it is let go"
                    )
                });
            }
        }
        if self.found.explained.is_empty() {
            self.alone(&all)?;
        }
        Ok(())
    }

    /// Holds one thing at a time: of two causes, each of which suffices only with the other, none shows by
    /// being let go.
    fn alone(&mut self, all: &Held) -> Result<(), EngineError> {
        for (what, factor) in HELD {
            let Some(value) = all.get(what) else { continue };
            let held = Held::from([(what, value.clone())]);
            let words = format!("{} held alone", factor.name());
            let seen = self.several(&words, Some(factor), &held, AGAIN)?;
            if seen.is_some_and(|seen| seen.same) {
                self.explain(factor, |name| {
                    format!("runs are the same as soon as {name} is held")
                });
            }
        }
        Ok(())
    }

    fn explain(&mut self, factor: Factor, evidence: impl Fn(&str) -> String) {
        self.found.explained.push(Explained {
            factor,
            evidence: evidence(factor.name()),
            remedy: factor.remedy(),
        });
    }

    /// Changes one thing at a time of a step whose runs are the same, which is what they gave.
    fn change(&mut self, base: &Results) -> Result<(), EngineError> {
        for (factor, words, change) in changes(self.step) {
            let against = match &change.from {
                // Both ways are tried: which of them the plain run has is chance.
                Some(from) => self.run(from, &Change::default())?,
                None => Ok(base.clone()),
            };
            // Why it failed is told as of the change.
            let changed = self.run(&change.held, &change)?;
            if self.judge(words, Some(factor), [against, changed])? == Some(false) {
                self.explain(factor, |name| format!("the results change with {name}"));
            }
        }
        Ok(())
    }

    /// Runs with all of these held; whether the results are the same, none if it failed.
    fn together(&mut self, held: &Held) -> Result<Option<bool>, EngineError> {
        let names: Vec<_> = held.keys().copied().collect();
        let what = format!("held together: {}", names.join(", "));
        let seen = self.several(&what, None, held, AGAIN)?;
        Ok(seen.map(|seen| seen.same))
    }

    /// Runs again and again with these held, until the results differ or so many are the same; none if
    /// it failed.
    fn several(
        &mut self,
        what: &str,
        factor: Option<Factor>,
        held: &Held,
        most: usize,
    ) -> Result<Option<Seen>, EngineError> {
        const WORDS: [&str; AGAIN + 1] = ["no", "one", "two", "three"];
        let first = self.run(held, &Change::default())?;
        let mut next = first.clone();
        let mut runs = 1;
        while runs < most && next.is_ok() && next == first {
            next = self.run(held, &Change::default())?;
            runs += 1;
        }
        let what = format!("{what}, {} runs", WORDS[runs.clamp(2, AGAIN)]);
        let same = self.judge(what, factor, [first.clone(), next])?;
        Ok(same
            .zip(first.ok())
            .map(|(same, first)| Seen { same, first }))
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
    fn run(
        &mut self,
        held: &Held,
        change: &Change,
    ) -> Result<Result<Results, String>, EngineError> {
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
        // Where threads wait for one another, holding the order in which they run may stop them for ever.
        let wall_seconds = held
            .contains_key("scheduling")
            .then_some(3 * PATIENCE + 10 * self.seconds);
        let (result, told) = program::run(&ProgramJob {
            store: &self.project.store,
            step: &step,
            inputs: &self.inputs,
            root,
            resources: Resources {
                wall_seconds,
                ..Resources::default()
            },
            secrets: &BTreeMap::new(),
            watched: Vec::new(),
            altered: &altered,
            output: &|_| {},
            cancel: self.cancel,
        });
        let seconds = told.observations.get("cpu_seconds").copied();
        self.seconds = self.seconds.max(seconds.unwrap_or_default().ceil() as u64);
        Ok(match result {
            Ok(outputs) => {
                let outputs = outputs
                    .iter()
                    .map(|(name, output)| (name, &output.artifact));
                Ok(compared(self.step, outputs))
            }
            Err(error) => Err(error.to_string()),
        })
    }
}
