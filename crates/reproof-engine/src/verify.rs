//! Verifies a record: every step runs again from the recipe, without the cache, and every output
//! is compared with what the record says.

use std::collections::BTreeMap;
use std::sync::Arc;

use reproof_record::{
    DataUse, Execution, ExecutionKind, ExecutionStatus, Isolation, OutputVerdict, Record, RecordId,
    StepName, Verdict, Verification,
};
use reproof_table::Threads;

use crate::erase::why_gone;
use crate::integrity::{self, Trouble};
use crate::observer::{Event, Observer};
use crate::operations::MAX_DOCUMENT;
use crate::prepare::refuse_isolation;
use crate::programs::{NOT_ISOLATED, of_recipe};
use crate::run::blank;
use crate::schedule::{Mode, Ran, execute};
use crate::undeclared::Tracing;
use crate::{Cancel, Class, EngineError, OperationError, Project, pins, remote, sources};

/// What came of a verification.
#[derive(Debug)]
pub struct Verified {
    /// The event, as it was stored.
    pub execution: Execution,
    /// What was found.
    pub verification: Verification,
    /// Why steps failed.
    pub failures: BTreeMap<StepName, OperationError>,
    /// Which stored bytes turned out to be wrong: one line for each artifact. What the steps made
    /// again, and what the cache has of environments, has replaced them.
    pub damage: Vec<String>,
}

impl Verified {
    /// What went wrong, the gravest first; none if everything is identical.
    pub fn trouble(&self) -> Option<Class> {
        if self.execution.status == ExecutionStatus::Interrupted {
            return Some(Class::Interrupted);
        }
        let verdict = match self.verification.verdict {
            Verdict::Identical | Verdict::Equivalent => None,
            Verdict::Diverged => Some(Class::Diverged),
            Verdict::Failed => Some(Class::Step),
            Verdict::Impossible => Some(Class::Impossible),
        };
        let failures = self.failures.values().map(OperationError::class);
        failures
            .chain(verdict)
            .chain((!self.damage.is_empty()).then_some(Class::Integrity))
            .min()
    }
}

/// Reads a record from the store.
pub fn read_record(project: &Project, id: &RecordId) -> Result<Record, EngineError> {
    let bytes = project.store.read(id.digest(), MAX_DOCUMENT)?;
    Record::from_bytes(&bytes).map_err(|error| EngineError::Damaged {
        what: format!("record {}", id.short()),
        reason: error.to_string(),
    })
}

/// Runs every step of a record again and compares every output. `isolation` is the least that is
/// granted: a record whose programs were not isolated is refused at [`Isolation::Full`].
pub fn verify(
    project: &Project,
    id: &RecordId,
    threads: Threads,
    isolation: Isolation,
    observer: &dyn Observer,
    cancel: &Cancel,
) -> Result<Verified, EngineError> {
    let started = project.services.clock.now();
    let record = read_record(project, id)?;
    let isolation = granted(project, id, &record, isolation, observer)?;
    remote::complete(project, id, &record, observer, cancel)?;
    let mut execution = blank(project, ExecutionKind::Verify, started)?;
    execution.recipe = Some(record.recipe.id()?);
    execution.pipeline = pipeline_of(project, id)?;
    let mut damage = integrity::damage(project, id, &record)?;
    let mut failures = BTreeMap::new();
    let given = match check_data(project, &record, &mut execution)? {
        Some(Trouble::Missing(reason)) => Err(reason),
        Some(Trouble::Damaged(reason)) => {
            damage.push(reason.clone());
            Err(reason)
        }
        None if record
            .recipe
            .steps
            .values()
            .all(|step| !step.pinned.is_empty()) =>
        {
            Err("every step is unpinned, so that none can be run again".to_owned())
        }
        None => of_recipe(
            project,
            &record.recipe,
            isolation,
            !damage.is_empty(),
            observer,
        )?,
    };
    let verification = match given {
        Err(reason) => {
            execution.status = ExecutionStatus::Failed;
            impossible(id, &record, reason)
        }
        Ok(programs) => {
            let mode = Mode {
                use_cache: false,
                threads,
                tracing: Tracing::Off,
                programs: Arc::new(programs),
                pinned_keys: BTreeMap::new(),
            };
            let ran = execute(project, &record.recipe, &mode, observer, cancel)?;
            let verification = compare(id, &record, &ran);
            execution.status = status(&ran, verification.verdict);
            execution.steps = ran.steps;
            failures = ran.failures;
            verification
        }
    };
    if execution.status != ExecutionStatus::Interrupted {
        execution.verification = Some(verification.clone());
    }
    execution.ended = project.services.clock.now();
    project.catalog.finish(&execution, None)?;
    Ok(Verified {
        execution,
        verification,
        failures,
        damage,
    })
}

/// The least isolation of a record's programs, if it is granted.
fn granted(
    project: &Project,
    id: &RecordId,
    record: &Record,
    isolation: Isolation,
    observer: &dyn Observer,
) -> Result<Isolation, EngineError> {
    let mut programs = record.recipe.steps.iter();
    let without = programs.find(|(_, step)| {
        let program = step.program.as_ref();
        program.is_some_and(|program| program.isolation == Isolation::None)
    });
    let Some((name, _)) = without else {
        return Ok(Isolation::Full);
    };
    refuse_isolation(project, Isolation::None)?;
    if isolation == Isolation::Full {
        return Err(EngineError::Refused {
            message: format!(
                "step '{name}' of record {} ran without isolation, and would again",
                id.short()
            ),
            hint: Some(
                "if you trust its programs, verify it with '--isolation none'; equal outputs then \
                 show that it repeats here, not that it follows from its recipe alone"
                    .to_owned(),
            ),
        });
    }
    observer.event(&Event::Note(NOT_ISOLATED));
    Ok(Isolation::None)
}

fn status(ran: &Ran, verdict: Verdict) -> ExecutionStatus {
    if ran.interrupted && ran.failures.is_empty() {
        ExecutionStatus::Interrupted
    } else if verdict == Verdict::Identical {
        ExecutionStatus::Succeeded
    } else {
        ExecutionStatus::Failed
    }
}

/// The name of the pipeline that last gave this record.
fn pipeline_of(project: &Project, id: &RecordId) -> Result<String, EngineError> {
    let filter = reproof_catalog::ExecutionFilter {
        record: Some(*id),
        kind: Some(ExecutionKind::Run),
        limit: Some(1),
        ..Default::default()
    };
    let found = project.catalog.executions(&filter)?;
    Ok(found
        .into_iter()
        .next()
        .map(|execution| execution.pipeline)
        .unwrap_or_default())
}

/// Checks every byte of the data versions, noting their use, and of pinned outputs. Says why they cannot be used.
fn check_data(
    project: &Project,
    record: &Record,
    execution: &mut Execution,
) -> Result<Option<Trouble>, EngineError> {
    for (name, version) in &record.recipe.data {
        let what = format!("data version '{name}' ({})", version.digest.short());
        if let Some(why) = why_gone(project, &version.digest)? {
            return Ok(Some(Trouble::Missing(format!("{what} {why}"))));
        }
        if let Some(trouble) = integrity::check_artifact(&project.store, &what, version)? {
            return Ok(Some(trouble));
        }
        let (rows, columns) = sources::size(&project.store, version)?;
        let used = DataUse {
            source: format!("data:{}", version.digest.short()),
            version: *version,
            manifest: None,
            rows,
            columns,
        };
        execution.data.insert(name.clone(), used);
    }
    for (name, step) in &record.recipe.steps {
        if let Some(trouble) = pins::trouble(project, name, step)? {
            return Ok(Some(trouble));
        }
    }
    Ok(None)
}

fn impossible(id: &RecordId, record: &Record, reason: String) -> Verification {
    let outputs = each_output(record, |_, _| (None, Verdict::Impossible));
    Verification {
        record: *id,
        verdict: Verdict::Impossible,
        reason: Some(reason),
        outputs,
    }
}

fn compare(id: &RecordId, record: &Record, ran: &Ran) -> Verification {
    let unknown = ran
        .failures
        .values()
        .any(|error| error.class() == Class::Impossible);
    let without = if unknown {
        Verdict::Impossible
    } else {
        Verdict::Failed
    };
    let outputs = each_output(record, |step, output| {
        let found = ran
            .outputs
            .get(step)
            .and_then(|outputs| outputs.get(output));
        match found.map(|found| found.artifact) {
            None => (None, without),
            Some(artifact) if artifact == record.results[step][output] => {
                (Some(artifact), Verdict::Identical)
            }
            Some(artifact) => (Some(artifact), Verdict::Diverged),
        }
    });
    // The order of `Verdict` is that of gravity.
    let verdict = outputs
        .iter()
        .map(|output| output.verdict)
        .max()
        .unwrap_or(Verdict::Identical);
    let reason = ran
        .failures
        .iter()
        .next()
        .map(|(step, error)| format!("step '{step}': {error}"));
    Verification {
        record: *id,
        verdict,
        reason,
        outputs,
    }
}

/// Judges each output, but for those that the recipe pins, which are not made again.
fn each_output(
    record: &Record,
    judge: impl Fn(&StepName, &StepName) -> (Option<reproof_record::Artifact>, Verdict),
) -> Vec<OutputVerdict> {
    let again = record
        .results
        .iter()
        .filter(|(step, _)| record.recipe.steps[*step].pinned.is_empty());
    let outputs = again.flat_map(|(step, outputs)| {
        outputs
            .iter()
            .map(move |(output, expected)| (step, output, expected))
    });
    outputs
        .map(|(step, output, expected)| {
            let (found, verdict) = judge(step, output);
            let (step, output) = (step.clone(), output.clone());
            OutputVerdict {
                step,
                output,
                expected: *expected,
                found,
                verdict,
            }
        })
        .collect()
}
