//! Runs the steps of a recipe: what is needed before what needs it, independent ones at once.
//!
//! A step that fails keeps those that need it from running, and nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Instant;

use reproof_catalog::{StepOutput, StepResult};
use reproof_record::{
    Artifact, Recipe, RecipeStep, Results, Source, StepExecution, StepKey, StepName, StepStatus,
};
use reproof_table::Threads;

use crate::observer::{Event, Observer};
use crate::operations::{Job, perform};
use crate::services::TICK;
use crate::{Cancel, EngineError, OperationError, Project, cache};

pub(crate) type Outputs = BTreeMap<StepName, StepOutput>;

/// How a recipe is to be run.
pub(crate) struct Mode {
    /// Whether recorded results may be used.
    pub use_cache: bool,
    /// How many threads an operation may use, and how many steps run at once.
    pub threads: Threads,
}

/// What came of running a recipe.
pub(crate) struct Ran {
    /// Every step of the recipe.
    pub steps: BTreeMap<StepName, StepExecution>,
    /// The outputs of the steps that have them.
    pub outputs: BTreeMap<StepName, Outputs>,
    /// Why steps failed.
    pub failures: BTreeMap<StepName, OperationError>,
    /// Whether it was stopped from outside.
    pub interrupted: bool,
}

impl Ran {
    /// The results, if every step has its outputs.
    pub fn results(&self) -> Option<Results> {
        if self.outputs.len() < self.steps.len() {
            return None;
        }
        let artifacts = |outputs: &Outputs| {
            outputs
                .iter()
                .map(|(name, output)| (name.clone(), output.artifact))
                .collect()
        };
        Some(
            self.outputs
                .iter()
                .map(|(step, outputs)| (step.clone(), artifacts(outputs)))
                .collect(),
        )
    }
}

/// The message of a step that has ended.
struct Done {
    name: StepName,
    key: StepKey,
    micros: u64,
    result: Result<Outputs, OperationError>,
}

struct Scheduler<'a> {
    project: &'a Project,
    recipe: &'a Recipe,
    mode: &'a Mode,
    observer: &'a dyn Observer,
    waiting: BTreeSet<StepName>,
    running: BTreeSet<StepName>,
    ran: Ran,
    sender: Sender<Done>,
}

/// Runs every step of a recipe.
///
/// # Errors
/// Only where the project itself cannot be used; steps that fail are part of what is returned.
pub(crate) fn execute(
    project: &Project,
    recipe: &Recipe,
    mode: &Mode,
    observer: &dyn Observer,
    cancel: &Cancel,
) -> Result<Ran, EngineError> {
    let (sender, receiver) = channel();
    let mut scheduler = Scheduler {
        project,
        recipe,
        mode,
        observer,
        waiting: recipe.steps.keys().cloned().collect(),
        running: BTreeSet::new(),
        ran: Ran {
            steps: BTreeMap::new(),
            outputs: BTreeMap::new(),
            failures: BTreeMap::new(),
            interrupted: false,
        },
        sender,
    };
    scheduler.run(&receiver, cancel)?;
    Ok(scheduler.ran)
}

impl Scheduler<'_> {
    fn run(&mut self, receiver: &Receiver<Done>, cancel: &Cancel) -> Result<(), EngineError> {
        loop {
            while !cancel.is_cancelled() && self.running.len() < self.mode.threads.get() {
                let Some(name) = self.next_ready() else { break };
                self.begin(&name)?;
            }
            if self.running.is_empty() || cancel.is_cancelled() {
                break;
            }
            match receiver.recv_timeout(TICK) {
                Ok(done) => self.end(done)?,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        self.ran.interrupted = cancel.is_cancelled();
        if !self.running.is_empty() {
            self.project.store.discard_own();
        }
        for name in std::mem::take(&mut self.waiting)
            .into_iter()
            .chain(std::mem::take(&mut self.running))
        {
            self.finish(name, StepStatus::Skipped, None, 0, None);
        }
        Ok(())
    }

    /// The first waiting step whose inputs are all there.
    fn next_ready(&self) -> Option<StepName> {
        let ready = |name: &&StepName| {
            self.recipe.steps[*name]
                .inputs
                .values()
                .all(|source| match source {
                    Source::Data { .. } => true,
                    Source::Output { step, .. } => self.ran.outputs.contains_key(step),
                })
        };
        self.waiting.iter().find(ready).cloned()
    }

    /// Takes a ready step's outputs from the cache, or starts it.
    fn begin(&mut self, name: &StepName) -> Result<(), EngineError> {
        self.waiting.remove(name);
        let step = &self.recipe.steps[name];
        let inputs = self.inputs(step)?;
        let key = step.key(&inputs)?;
        if self.mode.use_cache {
            let started = Instant::now();
            if let Some(outputs) = cache::lookup(self.project, name, &key, self.observer)? {
                let micros = micros_since(started);
                self.finish(
                    name.clone(),
                    StepStatus::Cached,
                    Some(key),
                    micros,
                    Some(outputs),
                );
                return Ok(());
            }
        }
        self.observer.event(&Event::StepStarted {
            name,
            operation: &step.operation,
        });
        self.running.insert(name.clone());
        self.spawn(name.clone(), key, step.clone(), inputs);
        Ok(())
    }

    fn inputs(&self, step: &RecipeStep) -> Result<BTreeMap<StepName, Artifact>, EngineError> {
        let artifact = |source: &Source| match source {
            Source::Data { data } => self.recipe.data.get(data).copied(),
            Source::Output { step, output } => {
                let outputs = self.ran.outputs.get(step)?;
                outputs.get(output).map(|output| output.artifact)
            }
        };
        step.inputs
            .iter()
            .map(|(input, source)| {
                let artifact = artifact(source).ok_or_else(|| {
                    EngineError::Bug(format!("input '{input}' from {source} is not there"))
                })?;
                Ok((input.clone(), artifact))
            })
            .collect()
    }

    /// Starts a step on a thread of its own. The thread is not joined: when the run is stopped
    /// from outside, whatever it still writes is garbage that nothing refers to.
    fn spawn(
        &self,
        name: StepName,
        key: StepKey,
        step: RecipeStep,
        inputs: BTreeMap<StepName, Artifact>,
    ) {
        let store = self.project.store.clone();
        let threads = self.mode.threads;
        let sender = self.sender.clone();
        let catalog = Arc::clone(&self.project.catalog);
        let clock = Arc::clone(&self.project.services.clock);
        std::thread::spawn(move || {
            let started = Instant::now();
            let job = Job {
                store: &store,
                step: &step,
                inputs: &inputs,
                threads,
            };
            let mut result = catch_unwind(AssertUnwindSafe(|| perform(&job)))
                .unwrap_or_else(|panic| Err(OperationError::Panic(panic_text(panic.as_ref()))));
            let micros = micros_since(started);
            // Acknowledged only once it is durable: first the blobs, now the row that names them.
            if let Ok(outputs) = &result {
                let recorded = catalog.add_step_result(&StepResult {
                    key,
                    operation: step.operation.clone(),
                    inputs,
                    outputs: outputs.clone(),
                    created: clock.now(),
                });
                if let Err(error) = recorded {
                    result = Err(OperationError::Catalog(error));
                }
            }
            // The receiver is gone only when the run was stopped.
            let _ = sender.send(Done {
                name,
                key,
                micros,
                result,
            });
        });
    }

    fn end(&mut self, done: Done) -> Result<(), EngineError> {
        self.running.remove(&done.name);
        let Done {
            name,
            key,
            micros,
            result,
        } = done;
        match result {
            Ok(outputs) => {
                self.warn_of_another_result(&name, &key)?;
                self.finish(name, StepStatus::Ran, Some(key), micros, Some(outputs));
            }
            Err(error) => {
                self.ran.failures.insert(name.clone(), error);
                self.finish(name, StepStatus::Failed, Some(key), micros, None);
            }
        }
        Ok(())
    }

    fn warn_of_another_result(&self, name: &StepName, key: &StepKey) -> Result<(), EngineError> {
        let results = self.project.catalog.step_results(key)?.len();
        if results > 1 {
            let note = format!(
                "step '{name}' is not reproducible: {results} different results from the same key"
            );
            self.observer.event(&Event::Note(&note));
        }
        Ok(())
    }

    fn finish(
        &mut self,
        name: StepName,
        status: StepStatus,
        key: Option<StepKey>,
        micros: u64,
        outputs: Option<Outputs>,
    ) {
        let artifacts = outputs.iter().flatten();
        let step = StepExecution {
            status,
            key,
            micros,
            outputs: artifacts
                .map(|(name, output)| (name.clone(), output.artifact))
                .collect(),
            error: self.ran.failures.get(&name).map(ToString::to_string),
        };
        self.observer.event(&Event::StepFinished {
            name: &name,
            step: &step,
            outputs: outputs.as_ref(),
        });
        self.ran.steps.insert(name.clone(), step);
        if let Some(outputs) = outputs {
            self.ran.outputs.insert(name, outputs);
        }
    }
}

fn micros_since(started: Instant) -> u64 {
    u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX)
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "it panicked".into())
}
