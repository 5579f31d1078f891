//! Runs a pipeline: its steps, from the cache or anew; its gates; the record; the execution.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use reproof_catalog::RecordEntry;
use reproof_learn::judge;
use reproof_record::{
    CodeState, Digest, Execution, ExecutionId, ExecutionKind, ExecutionStatus, GateOutcome,
    GateVerdict, Recipe, Record, Seed, Source, StepName, StepStatus, Timestamp,
};
use reproof_table::Threads;

use crate::observer::Observer;
use crate::operations::read_metrics;
use crate::prepare::{self, Prepared, Read, Request};
use crate::schedule::{Mode, Outputs, Ran, execute, execute_after};
use crate::undeclared::{Tracing, Undeclared};
use crate::{Cancel, Class, EngineError, OperationError, Project, expect, pins, versions};

/// How a pipeline is to be run.
#[derive(Clone, Debug)]
pub struct RunOptions {
    /// What to run, and how strictly.
    pub request: Request,
    /// Whether recorded results may be used.
    pub use_cache: bool,
    /// How many threads an operation may use, and how many steps run at once; changes no result.
    pub threads: Threads,
    /// Whether every program that runs is watched for files of the project that it does not declare,
    /// not only those whose code, environment and command are new. Changes no result.
    pub trace: bool,
}

/// What came of a run.
#[derive(Debug)]
pub struct Outcome {
    /// The event, as it was stored.
    pub execution: Execution,
    /// What was run.
    pub recipe: Recipe,
    /// The record, if every step has its outputs.
    pub record: Option<Record>,
    /// The seed of the pipeline.
    pub seed: u64,
    /// The seed from which steps that divide rows derive theirs; none if it is the pipeline's.
    pub split_seed: Option<u64>,
    /// The metrics, in the order in which the pipeline file asks for them.
    pub metrics: Vec<String>,
    /// Why steps failed.
    pub failures: BTreeMap<StepName, OperationError>,
    /// What steps asked for of the project and did not see, where they were watched.
    pub undeclared: BTreeMap<StepName, Undeclared>,
}

impl Outcome {
    /// What went wrong, the gravest first; none if all went well.
    pub fn trouble(&self) -> Option<Class> {
        let failures = self.failures.values().map(OperationError::class);
        let gate = matches!(
            self.execution.status,
            ExecutionStatus::GateFailed | ExecutionStatus::DataRefused
        );
        let gate = gate.then_some(Class::Gate);
        let interrupted =
            (self.execution.status == ExecutionStatus::Interrupted).then_some(Class::Interrupted);
        interrupted.or_else(|| failures.chain(gate).min())
    }
}

/// Runs a pipeline and stores what came of it.
pub fn run(
    project: &Project,
    options: &RunOptions,
    observer: &dyn Observer,
    cancel: &Cancel,
) -> Result<Outcome, EngineError> {
    let blank = blank(project, ExecutionKind::Run, project.services.clock.now())?;
    let read = prepare::read(project, &options.request, observer, cancel)?;
    let mut mode = Mode {
        use_cache: options.use_cache,
        threads: options.threads,
        tracing: if options.trace {
            Tracing::All
        } else {
            Tracing::New
        },
        programs: Arc::clone(&read.programs),
        pinned_keys: BTreeMap::new(),
    };
    let (mut prepared, earlier) = expand(project, read, &mut mode, observer, cancel)?;
    versions::append_read(project, &prepared, &blank.id, observer, cancel)?;
    mode.pinned_keys = std::mem::take(&mut prepared.pinned_keys);
    let ran = if expect::refuses(&prepared.expectations) {
        earlier.and_skipped(&prepared.recipe)
    } else {
        execute_after(earlier, project, &prepared.recipe, &mode, observer, cancel)?
    };
    pins::pin(&mut prepared.recipe, &ran);
    if prepared.writes_lock {
        let (pipeline, recipe) = (&prepared.pipeline.name, &prepared.recipe);
        if let Some(text) = pins::update_lock(project, pipeline, recipe, &ran, observer)? {
            prepared.lock = Some(text);
        }
    }
    let gates = gates(project, &prepared, &ran)?;
    let record = ran
        .results(&prepared.recipe)
        .filter(|_| !prepared.partial)
        .map(|results| Record::new(prepared.recipe.clone(), results));
    let status = if expect::refuses(&prepared.expectations) {
        ExecutionStatus::DataRefused
    } else {
        status(&ran, record.is_some(), &gates)
    };
    let execution = describe(blank, options, &prepared, &ran, status, gates)?;
    let execution = store(project, &prepared, record.as_ref(), execution)?;
    let metrics = prepared.graph.metrics.clone();
    Ok(Outcome {
        execution,
        recipe: prepared.recipe,
        record,
        seed: prepared.pipeline.seed,
        split_seed: prepared.pipeline.split_seed,
        metrics,
        failures: ran.failures,
        undeclared: ran.undeclared,
    })
}

/// Expands a pipeline. Programs that make tables for built-in steps run before; what came of them is
/// returned. Where they fail, they are all that there is.
fn expand(
    project: &Project,
    read: Read,
    mode: &mut Mode,
    observer: &dyn Observer,
    cancel: &Cancel,
) -> Result<(Prepared, Ran), EngineError> {
    let Some(((recipe, keys), tables)) = read.early_recipe()? else {
        let made = BTreeMap::new();
        return Ok((read.expand(project, &made, cancel)?, Ran::default()));
    };
    if expect::refuses(&read.expectations) {
        return Ok((read.early_alone(project)?, Ran::default()));
    }
    mode.pinned_keys = keys;
    let ran = execute(project, &recipe, mode, observer, cancel)?;
    let prepared = match made_tables(&recipe, tables, &ran.outputs) {
        Some(made) if !ran.interrupted => read.expand(project, &made, cancel)?,
        _ => read.early_alone(project)?,
    };
    Ok((prepared, ran))
}

/// The tables that programs made; none if one of them is not there.
pub(crate) fn made_tables(
    recipe: &Recipe,
    tables: &BTreeSet<Source>,
    outputs: &BTreeMap<StepName, Outputs>,
) -> Option<BTreeMap<Source, Digest>> {
    let table = |source: &Source| {
        let made = || match source {
            Source::Data { .. } => None,
            Source::Output { step, output } => Some(outputs.get(step)?.get(output)?.artifact),
        };
        Some((source.clone(), recipe.pinned(source).or_else(made)?.digest))
    };
    tables.iter().map(table).collect()
}

fn status(ran: &Ran, complete: bool, gates: &[GateOutcome]) -> ExecutionStatus {
    if ran
        .steps
        .values()
        .any(|step| step.status == StepStatus::Failed)
    {
        ExecutionStatus::Failed
    } else if ran.interrupted && !complete {
        ExecutionStatus::Interrupted
    } else if gates.iter().any(|gate| gate.verdict == GateVerdict::Failed) {
        ExecutionStatus::GateFailed
    } else {
        ExecutionStatus::Succeeded
    }
}

/// Judges every gate on the metrics of the step that evaluates.
fn gates(
    project: &Project,
    prepared: &Prepared,
    ran: &Ran,
) -> Result<Vec<GateOutcome>, EngineError> {
    let evaluated = prepared
        .graph
        .evaluate
        .as_ref()
        .and_then(|step| ran.outputs.get(step));
    let Some(output) = evaluated.and_then(|outputs| outputs.get("metrics")) else {
        return Ok(Vec::new());
    };
    if prepared.graph.gates.is_empty() {
        return Ok(Vec::new());
    }
    let metrics = read_metrics(&project.store, &output.artifact).map_err(unreadable)?;
    Ok(prepared
        .graph
        .gates
        .iter()
        .flat_map(|gate| judge(&metrics, gate))
        .collect())
}

/// An artifact of ours that cannot be read back.
pub(crate) fn unreadable(error: OperationError) -> EngineError {
    match error {
        OperationError::Store(error) => error.into(),
        other => EngineError::Damaged {
            what: "metrics".to_owned(),
            reason: other.to_string(),
        },
    }
}

fn describe(
    blank: Execution,
    options: &RunOptions,
    prepared: &Prepared,
    ran: &Ran,
    status: ExecutionStatus,
    gates: Vec<GateOutcome>,
) -> Result<Execution, EngineError> {
    let overrides = options
        .request
        .overrides
        .iter()
        .map(ToString::to_string)
        .collect();
    Ok(Execution {
        status,
        pipeline: prepared.pipeline.name.clone(),
        pipeline_file: Some(options.request.pipeline_file.clone()),
        recipe: Some(prepared.recipe.id()?),
        code: prepared.code.state.clone(),
        lock: prepared
            .lock
            .as_ref()
            .map(|lock| Digest::of(lock.as_bytes())),
        overrides,
        further_seed: options
            .request
            .further_seed
            .then_some(Seed(prepared.pipeline.seed)),
        final_look: options.request.final_look,
        data: prepared.data.clone(),
        steps: ran.steps.clone(),
        expectations: prepared.expectations.clone(),
        gates,
        ..blank
    })
}

/// An execution that began at this time, with nothing in it yet.
pub(crate) fn blank(
    project: &Project,
    kind: ExecutionKind,
    started: Timestamp,
) -> Result<Execution, EngineError> {
    let services = &project.services;
    Ok(Execution {
        format: Execution::FORMAT.to_owned(),
        id: ExecutionId::new(started, random_bits()?),
        kind,
        status: ExecutionStatus::Succeeded,
        pipeline: String::new(),
        pipeline_file: None,
        started,
        ended: started,
        user: services.user.clone(),
        host: services.host.clone(),
        version: services.version.clone(),
        recipe: None,
        record: None,
        results: None,
        code: CodeState::default(),
        lock: None,
        overrides: Vec::new(),
        further_seed: None,
        final_look: false,
        data: BTreeMap::new(),
        steps: BTreeMap::new(),
        expectations: Vec::new(),
        gates: Vec::new(),
        verification: None,
    })
}

/// Random bits for an execution's identifier, which must differ between machines.
fn random_bits() -> Result<[u8; 10], EngineError> {
    let mut bits = [0u8; 10];
    let got = rustix::rand::getrandom(&mut bits, rustix::rand::GetRandomFlags::empty());
    match got {
        Ok(length) if length == bits.len() => Ok(bits),
        _ => Err(EngineError::Bug(
            "the system gives no random bits".to_owned(),
        )),
    }
}

/// Stores documents first, then the rows that name them.
fn store(
    project: &Project,
    prepared: &Prepared,
    record: Option<&Record>,
    mut execution: Execution,
) -> Result<Execution, EngineError> {
    let mut batch = project.store.batch();
    let mut documents = vec![prepared.recipe.to_bytes()?];
    let mut entry = None;
    if let Some(record) = record {
        let (id, results) = (record.id()?, record.results_id()?);
        documents.push(record.to_bytes()?);
        execution.record = Some(id);
        execution.results = Some(results);
        let created = project.services.clock.now();
        entry = Some(RecordEntry {
            id,
            recipe: record.recipe.id()?,
            results,
            created,
        });
    }
    if let Some(lock) = &prepared.lock {
        batch.put(lock.as_bytes())?;
    }
    if let Some(patch) = &prepared.code.patch {
        execution.code.patch = Some(batch.put(patch)?.digest);
    }
    for document in documents {
        batch.put(&document)?;
    }
    batch.commit()?;
    execution.ended = project.services.clock.now();
    project.catalog.finish(&execution, entry.as_ref())?;
    Ok(execution)
}
