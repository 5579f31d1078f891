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
    Artifact, Digest, Recipe, RecipeStep, Results, Source, StepExecution, StepKey, StepName,
    StepStatus,
};
use reproof_sandbox::Traced;
use reproof_store::Store;
use reproof_table::Threads;

use crate::observer::{Event, Observer};
use crate::operations::{Job, perform};
use crate::program::Told;
use crate::programs::Programs;
use crate::services::TICK;
use crate::undeclared::{Tracing, Undeclared, advice, code_advice, remember_traced, was_traced};
use crate::{Cancel, EngineError, OperationError, Project, cache, pins};

mod step;

use step::ProgramStep;

pub(crate) type Outputs = BTreeMap<StepName, StepOutput>;

/// How a recipe is to be run.
pub(crate) struct Mode {
    /// Whether recorded results may be used.
    pub use_cache: bool,
    /// How many threads an operation may use, and how many steps run at once.
    pub threads: Threads,
    /// Which programs are watched for what they do not declare.
    pub tracing: Tracing,
    /// What programs get that no recipe holds.
    pub programs: Arc<Programs>,
    /// The keys under which the lock file pins what came out of steps.
    pub pinned_keys: BTreeMap<StepName, StepKey>,
}

/// What came of running a recipe.
#[derive(Default)]
pub(crate) struct Ran {
    /// Every step of the recipe.
    pub steps: BTreeMap<StepName, StepExecution>,
    /// The outputs of the steps that have them.
    pub outputs: BTreeMap<StepName, Outputs>,
    /// Why steps failed.
    pub failures: BTreeMap<StepName, OperationError>,
    /// What watched steps asked for of the project and did not see.
    pub undeclared: BTreeMap<StepName, Undeclared>,
    /// Whether it was stopped from outside.
    pub interrupted: bool,
}

impl Ran {
    /// What ran of a recipe, and that nothing else of it does.
    pub fn and_skipped(mut self, recipe: &Recipe) -> Self {
        let skipped = StepExecution {
            status: StepStatus::Skipped,
            key: None,
            micros: 0,
            outputs: BTreeMap::new(),
            error: None,
            observations: BTreeMap::new(),
            log: None,
            executed: None,
        };
        for name in recipe.steps.keys() {
            let step = self.steps.entry(name.clone());
            step.or_insert_with(|| skipped.clone());
        }
        self
    }

    /// The results of a recipe, if every step has its outputs.
    pub fn results(&self, recipe: &Recipe) -> Option<Results> {
        let of_step = |(name, step): (&StepName, &RecipeStep)| {
            // What the recipe pins is a result only where the run came to the step.
            if self.steps.get(name)?.status == StepStatus::Skipped {
                return None;
            }
            let outputs = self.outputs.get(name);
            let artifacts = step.results().map(|(output, _)| {
                let made = || Some(outputs?.get(output)?.artifact);
                let artifact = step.pinned.get(output).copied().or_else(made)?;
                Some((output.clone(), artifact))
            });
            Some((name.clone(), artifacts.collect::<Option<_>>()?))
        };
        recipe.steps.iter().map(of_step).collect()
    }
}

/// What a step tells while it runs.
enum Message {
    /// It wrote something.
    Wrote(StepName, Vec<u8>),
    /// It has ended.
    Done(Box<Done>),
}

/// A step that has ended.
struct Done {
    name: StepName,
    key: StepKey,
    micros: u64,
    result: Result<Outputs, OperationError>,
    /// What a program told beside its outputs.
    told: Told,
    /// The blob with its log.
    log: Option<Digest>,
    /// The blob with the executed copy of a notebook that failed.
    executed: Option<Digest>,
}

/// A step that has come to its end, in whatever way.
struct End {
    status: StepStatus,
    key: Option<StepKey>,
    micros: u64,
    outputs: Option<Outputs>,
    observations: BTreeMap<String, f64>,
    log: Option<Digest>,
    executed: Option<Digest>,
}

impl End {
    fn without(status: StepStatus) -> Self {
        Self {
            status,
            key: None,
            micros: 0,
            outputs: None,
            observations: BTreeMap::new(),
            log: None,
            executed: None,
        }
    }
}

struct Scheduler<'a> {
    project: &'a Project,
    recipe: &'a Recipe,
    mode: &'a Mode,
    observer: &'a dyn Observer,
    waiting: BTreeSet<StepName>,
    running: BTreeSet<StepName>,
    ran: Ran,
    sender: Sender<Message>,
    cancel: &'a Cancel,
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
    execute_after(Ran::default(), project, recipe, mode, observer, cancel)
}

/// The same, where some of the steps ran before.
pub(crate) fn execute_after(
    earlier: Ran,
    project: &Project,
    recipe: &Recipe,
    mode: &Mode,
    observer: &dyn Observer,
    cancel: &Cancel,
) -> Result<Ran, EngineError> {
    let (sender, receiver) = channel();
    let waiting = recipe.steps.keys();
    let waiting = waiting.filter(|name| !earlier.steps.contains_key(*name));
    let mut scheduler = Scheduler {
        project,
        recipe,
        mode,
        observer,
        waiting: waiting.cloned().collect(),
        running: BTreeSet::new(),
        ran: earlier,
        sender,
        cancel,
    };
    scheduler.run(&receiver)?;
    Ok(scheduler.ran)
}

impl Scheduler<'_> {
    fn run(&mut self, receiver: &Receiver<Message>) -> Result<(), EngineError> {
        let cancel = self.cancel;
        loop {
            while !cancel.is_cancelled() && self.running.len() < self.mode.threads.get() {
                let Some(name) = self.next_ready() else { break };
                self.begin(&name)?;
            }
            if self.running.is_empty() || cancel.is_cancelled() {
                break;
            }
            match receiver.recv_timeout(TICK) {
                Ok(Message::Wrote(name, bytes)) => self.observer.event(&Event::Output {
                    name: &name,
                    bytes: &bytes,
                }),
                Ok(Message::Done(done)) => self.end(*done)?,
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
            self.finish(name, End::without(StepStatus::Skipped));
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
                    Source::Output { step, .. } => {
                        self.ran.outputs.contains_key(step) || self.is_pinned(step)
                    }
                })
        };
        self.waiting.iter().find(ready).cloned()
    }

    /// Whether a step is not run, because the recipe says what came out of it.
    fn is_pinned(&self, step: &StepName) -> bool {
        !self.recipe.steps[step].pinned.is_empty()
    }

    /// Takes the outputs that the recipe pins, if what went in is what the lock file says.
    fn take_pinned(&mut self, name: &StepName, key: StepKey) -> Result<(), EngineError> {
        let step = &self.recipe.steps[name];
        if let Some(expected) = self.mode.pinned_keys.get(name) {
            pins::check(self.project, name, step, &key, expected)?;
        }
        let recorded = self.project.catalog.step_results(&key)?.into_iter();
        let outputs = recorded.map(|result| result.outputs).find(|outputs| {
            let mut pinned = step.pinned.iter();
            pinned.all(|(name, artifact)| {
                outputs
                    .get(name)
                    .is_some_and(|output| output.artifact == *artifact)
            })
        });
        let end = End {
            key: Some(key),
            outputs,
            ..End::without(StepStatus::Pinned)
        };
        self.finish(name.clone(), end);
        Ok(())
    }

    /// Takes a ready step's outputs from the recipe or the cache, or starts it.
    fn begin(&mut self, name: &StepName) -> Result<(), EngineError> {
        self.waiting.remove(name);
        let step = &self.recipe.steps[name];
        let inputs = self.inputs(step)?;
        let key = step.key(&inputs)?;
        if self.is_pinned(name) {
            return self.take_pinned(name, key);
        }
        if self.mode.use_cache && self.mode.programs.may_be_cached(name, step) {
            let started = Instant::now();
            if let Some(outputs) = cache::lookup(self.project, (name, step), &key, self.observer)? {
                let end = End {
                    key: Some(key),
                    micros: micros_since(started),
                    outputs: Some(outputs),
                    ..End::without(StepStatus::Cached)
                };
                self.finish(name.clone(), end);
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
        let artifact = |source: &Source| {
            let made = || match source {
                Source::Data { .. } => None,
                Source::Output { step, output } => {
                    Some(self.ran.outputs.get(step)?.get(output)?.artifact)
                }
            };
            self.recipe.pinned(source).or_else(made)
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
        let programs = Arc::clone(&self.mode.programs);
        let watched = self.watched(&step);
        let cancel = self.cancel.clone();
        std::thread::spawn(move || {
            let started = Instant::now();
            let work = || match &step.program {
                None => {
                    let job = Job {
                        store: &store,
                        step: &step,
                        inputs: &inputs,
                        threads,
                    };
                    (perform(&job), Told::default())
                }
                Some(program) => {
                    let wrote = |bytes: &[u8]| {
                        // As below.
                        let _ = sender.send(Message::Wrote(name.clone(), bytes.to_vec()));
                    };
                    let program = ProgramStep {
                        store: &store,
                        name: &name,
                        step: &step,
                        program,
                        inputs: &inputs,
                        programs: &programs,
                        watched,
                        cancel: &cancel,
                    };
                    program.run(&wrote)
                }
            };
            let (mut result, told) = catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
                let text = panic_text(panic.as_ref());
                (Err(OperationError::Panic(text)), Told::default())
            });
            let micros = micros_since(started);
            let (log, executed) = store_told(&store, &told).unwrap_or_else(|error| {
                // What the step itself failed by says more.
                if result.is_ok() {
                    result = Err(error);
                }
                (None, None)
            });
            // Acknowledged only once it is durable: first the blobs, now the row that names them.
            let result = result.and_then(|outputs| {
                let recorded = catalog.add_step_result(&StepResult {
                    key,
                    operation: step.operation.clone(),
                    inputs,
                    outputs: outputs.clone(),
                    created: clock.now(),
                });
                recorded.map(|()| outputs).map_err(OperationError::Catalog)
            });
            // The receiver is gone only when the run was stopped.
            let _ = sender.send(Message::Done(Box::new(Done {
                name,
                key,
                micros,
                result,
                told,
                log,
                executed,
            })));
        });
    }

    /// The paths that a step is watched for; none if it is not watched.
    fn watched(&self, step: &RecipeStep) -> Vec<String> {
        let (Some(program), Some(surroundings)) = (&step.program, &self.mode.programs.surroundings)
        else {
            return Vec::new();
        };
        let watch = match self.mode.tracing {
            Tracing::Off => false,
            Tracing::New => !was_traced(self.project, program),
            Tracing::All => true,
        };
        if watch {
            surroundings.watched()
        } else {
            Vec::new()
        }
    }

    /// Says what came of watching a step.
    fn tell_traced(&mut self, name: &StepName, told: Told, failure: Option<&OperationError>) {
        let more = matches!(&told.traced, Traced::Missed(missed) if missed.more);
        match told.traced {
            Traced::No => return,
            Traced::Unavailable(why) if self.mode.tracing == Tracing::All => {
                let note = format!("step '{name}' was not traced: {why}");
                self.observer.event(&Event::Note(&note));
            }
            Traced::Unavailable(_) => {}
            Traced::Missed(_) if failure.is_some() => {}
            Traced::Missed(_) => {
                if let Some(program) = &self.recipe.steps[name].program {
                    remember_traced(self.project, program);
                }
            }
        }
        // The hint of a failure names the code.
        let named = matches!(failure, Some(OperationError::Failed { .. }));
        let code = code_advice(&told.undeclared).filter(|_| !named);
        for advice in code.into_iter().chain(advice(&told.undeclared)) {
            let note = format!("step '{name}': {advice}");
            self.observer.event(&Event::Note(&note));
        }
        if more {
            let note = format!(
                "step '{name}' asked for more paths than are kept: there may be more of the project \
                 among them"
            );
            self.observer.event(&Event::Note(&note));
        }
        if !told.undeclared.is_empty() {
            self.ran.undeclared.insert(name.clone(), told.undeclared);
        }
    }

    fn end(&mut self, done: Done) -> Result<(), EngineError> {
        self.running.remove(&done.name);
        let Done {
            name,
            key,
            micros,
            result,
            mut told,
            log,
            executed,
        } = done;
        for note in &told.notes {
            self.observer
                .event(&Event::Note(&format!("step '{name}': {note}")));
        }
        let mut end = End {
            key: Some(key),
            micros,
            observations: std::mem::take(&mut told.observations),
            log,
            executed,
            ..End::without(StepStatus::Ran)
        };
        self.tell_traced(&name, told, result.as_ref().err());
        match result {
            Ok(outputs) => {
                self.warn_of_another_result(&name, &key)?;
                end.outputs = Some(outputs);
            }
            Err(error) => {
                self.ran.failures.insert(name.clone(), error);
                end.status = StepStatus::Failed;
            }
        }
        self.finish(name, end);
        Ok(())
    }

    fn warn_of_another_result(&self, name: &StepName, key: &StepKey) -> Result<(), EngineError> {
        let results = self.project.catalog.step_results(key)?;
        let results = cache::count_different(&self.recipe.steps[name], &results);
        if results > 1 {
            let note = format!(
                "step '{name}' is not reproducible: {results} different results from the same key"
            );
            self.observer.event(&Event::Note(&note));
        }
        Ok(())
    }

    fn finish(&mut self, name: StepName, end: End) {
        let outputs = end.outputs;
        let artifacts = outputs.iter().flatten();
        let step = StepExecution {
            status: end.status,
            key: end.key,
            micros: end.micros,
            outputs: artifacts
                .map(|(name, output)| (name.clone(), output.artifact))
                .collect(),
            error: self.ran.failures.get(&name).map(ToString::to_string),
            observations: end.observations,
            log: end.log,
            executed: end.executed,
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

/// Keeps what a program told beside its outputs: its log, and the executed copy of a notebook that failed.
fn store_told(
    store: &Store,
    told: &Told,
) -> Result<(Option<Digest>, Option<Digest>), OperationError> {
    Ok((
        store_text(store, &told.log)?,
        store_text(store, &told.executed)?,
    ))
}

/// Keeps what a program wrote beside its outputs, if it wrote anything.
fn store_text(store: &Store, text: &[u8]) -> Result<Option<Digest>, OperationError> {
    if text.is_empty() {
        return Ok(None);
    }
    let mut batch = store.batch();
    let blob = batch.put(text)?;
    batch.commit()?;
    Ok(Some(blob.digest))
}

fn micros_since(started: Instant) -> u64 {
    u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX)
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "it panicked".into())
}
