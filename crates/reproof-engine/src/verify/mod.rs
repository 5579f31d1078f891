//! Verifies a record: every step runs again from the recipe, without the cache, and every output
//! is compared with what the record says.

mod choose;
mod fresh;
mod spread;

use std::collections::BTreeMap;
use std::sync::Arc;

use reproof_record::{
    Artifact, DataUse, Distance, Execution, ExecutionKind, ExecutionStatus, Isolation, Level,
    OutputVerdict, Record, RecordId, StepName, Verdict, Verification,
};
use reproof_table::Threads;

use crate::erase::why_gone;
use crate::integrity::{self, Trouble};
use crate::observer::{Event, Observer};
use crate::operations::MAX_DOCUMENT;
use crate::programs::{NOT_ISOLATED, Programs, granted, of_recipe};
use crate::run::blank;
use crate::schedule::{Mode, Ran, execute};
use crate::undeclared::Tracing;
use crate::{Cancel, Class, EngineError, OperationError, Project, contents, pins, remote, sources};

pub use choose::{Share, choose};
pub use spread::{OutputSpread, spread};

/// How a record is verified.
#[derive(Clone, Copy, Debug)]
pub struct VerifyOptions {
    /// How many threads are used; they change no result.
    pub threads: Threads,
    /// The least isolation that is granted: a record whose programs were not isolated is refused at
    /// [`Isolation::Full`].
    pub isolation: Isolation,
    /// How much is made anew.
    pub level: Level,
    /// Which of how many runs again this is, from 1; none if it is the only one.
    pub time: Option<[u32; 2]>,
    /// Another record whose results are those that are expected.
    pub against: Option<RecordId>,
}

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

/// Runs every step of a record again and compares every output.
///
/// # Errors
/// If the record cannot be read, or what is asked for is refused or cannot be had.
pub fn verify(
    project: &Project,
    id: &RecordId,
    options: &VerifyOptions,
    observer: &dyn Observer,
    cancel: &Cancel,
) -> Result<Verified, EngineError> {
    let started = project.services.clock.now();
    let record = read_record(project, id)?;
    let expected = match &options.against {
        Some(other) => Some(read_record(project, other)?),
        None => None,
    };
    let whose = format!("record {}", id.short());
    let isolation = granted(project, &record.recipe, &whose, options.isolation)?;
    if isolation == Isolation::None {
        observer.event(&Event::Note(NOT_ISOLATED));
    }
    remote::complete(project, id, &record, observer, cancel)?;
    let mut execution = blank(project, ExecutionKind::Verify, started)?;
    execution.recipe = Some(record.recipe.id()?);
    execution.pipeline = pipeline_of(project, id)?;
    let mut damage = integrity::damage(project, id, &record)?;
    let mut failures = BTreeMap::new();
    let trouble = check_data(project, &record, &mut execution)?;
    let given = needed(project, &record, trouble, &mut damage, isolation, observer)?;
    let compared = Compared {
        project,
        id,
        record: &record,
        expected: expected.as_ref().unwrap_or(&record),
    };
    let (given, rebuilt) = match given {
        Ok(programs) if options.level == Level::Fresh => {
            build_again(project, &record, programs, isolation, observer)?
        }
        given => (given, None),
    };
    let mut verification = match given {
        Err(reason) => {
            execution.status = ExecutionStatus::Failed;
            match rebuilt {
                // The environments are not what the record says; nothing ran in them.
                Some(_) => compared.verification(Verdict::Diverged, Some(reason), Vec::new()),
                None => compared.impossible(reason),
            }
        }
        Ok(mut programs) => {
            if let Some(rebuilt) = &rebuilt {
                rebuilt.put_into(&mut programs);
            }
            let ran = run_again(project, &record, programs, options, observer, cancel)?;
            let verification = compared.judge(&ran)?;
            execution.status = status(&ran, verification.verdict);
            execution.steps = ran.steps;
            failures = ran.failures;
            verification
        }
    };
    verification.time = options.time;
    verification.against = options.against;
    if let Some(rebuilt) = &rebuilt {
        verification.level = Level::Fresh;
        verification.changed = rebuilt.changed();
    }
    drop(rebuilt);
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

/// Builds the environments of a record's programs again. Where one came to another closure, nothing may
/// run in it.
fn build_again(
    project: &Project,
    record: &Record,
    programs: Programs,
    isolation: Isolation,
    observer: &dyn Observer,
) -> Result<(Result<Programs, String>, Option<fresh::Rebuilt>), EngineError> {
    let made = fresh::rebuild(project, &record.recipe, isolation, observer)?;
    if made.is_empty() {
        let note = "no step runs a program: there is no environment to be built again";
        observer.event(&Event::Note(note));
        return Ok((Ok(programs), None));
    }
    let others = made.others();
    let given = if others.is_empty() {
        Ok(programs)
    } else {
        Err(others.join("; "))
    };
    Ok((given, Some(made)))
}

/// What the programs of a record need, or why they cannot be run again.
fn needed(
    project: &Project,
    record: &Record,
    trouble: Option<Trouble>,
    damage: &mut Vec<String>,
    isolation: Isolation,
    observer: &dyn Observer,
) -> Result<Result<Programs, String>, EngineError> {
    match trouble {
        Some(Trouble::Missing(reason)) => return Ok(Err(reason)),
        Some(Trouble::Damaged(reason)) => {
            damage.push(reason.clone());
            return Ok(Err(reason));
        }
        None => {}
    }
    let mut steps = record.recipe.steps.values();
    if steps.all(|step| !step.pinned.is_empty()) {
        return Ok(Err(
            "every step is unpinned, so that none can be run again".to_owned()
        ));
    }
    let damaged = !damage.is_empty();
    of_recipe(project, &record.recipe, isolation, damaged, observer)
}

fn run_again(
    project: &Project,
    record: &Record,
    programs: Programs,
    options: &VerifyOptions,
    observer: &dyn Observer,
    cancel: &Cancel,
) -> Result<Ran, EngineError> {
    let mode = Mode {
        use_cache: false,
        threads: options.threads,
        tracing: Tracing::Off,
        programs: Arc::new(programs),
        pinned_keys: BTreeMap::new(),
    };
    execute(project, &record.recipe, &mode, observer, cancel)
}

fn status(ran: &Ran, verdict: Verdict) -> ExecutionStatus {
    if ran.interrupted && ran.failures.is_empty() {
        ExecutionStatus::Interrupted
    } else if matches!(verdict, Verdict::Identical | Verdict::Equivalent) {
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

/// What is compared with what.
struct Compared<'a> {
    project: &'a Project,
    id: &'a RecordId,
    /// The record that is verified.
    record: &'a Record,
    /// The one whose results are expected.
    expected: &'a Record,
}

impl Compared<'_> {
    fn impossible(&self, reason: String) -> Verification {
        let outputs = self
            .outputs()
            .map(|(step, output, expected)| OutputVerdict {
                step: step.clone(),
                output: output.clone(),
                expected: *expected,
                found: None,
                verdict: Verdict::Impossible,
                distance: None,
            });
        self.verification(Verdict::Impossible, Some(reason), outputs.collect())
    }

    fn verification(
        &self,
        verdict: Verdict,
        reason: Option<String>,
        outputs: Vec<OutputVerdict>,
    ) -> Verification {
        Verification {
            record: *self.id,
            verdict,
            level: Level::Rerun,
            changed: Vec::new(),
            time: None,
            against: None,
            reason,
            outputs,
        }
    }

    /// Each output that is made again and expected. What the recipe pins is not made again.
    fn outputs(&self) -> impl Iterator<Item = (&StepName, &StepName, &Artifact)> {
        let steps = &self.record.recipe.steps;
        let again = self
            .expected
            .results
            .iter()
            .filter(|(step, _)| steps.get(*step).is_some_and(|step| step.pinned.is_empty()));
        again.flat_map(|(step, outputs)| {
            outputs
                .iter()
                .filter(|(output, _)| self.record.results[step].contains_key(*output))
                .map(move |(output, expected)| (step, output, expected))
        })
    }

    fn judge(&self, ran: &Ran) -> Result<Verification, EngineError> {
        let unknown = ran
            .failures
            .values()
            .any(|error| error.class() == Class::Impossible);
        let without = if unknown {
            Verdict::Impossible
        } else {
            Verdict::Failed
        };
        let mut outputs = Vec::new();
        for (step, output, expected) in self.outputs() {
            let found = ran
                .outputs
                .get(step)
                .and_then(|outputs| outputs.get(output))
                .map(|found| found.artifact);
            let (verdict, distance) = match &found {
                None => (without, None),
                Some(found) => self.output(step, output, [expected, found])?,
            };
            outputs.push(OutputVerdict {
                step: step.clone(),
                output: output.clone(),
                expected: *expected,
                found,
                verdict,
                distance,
            });
        }
        // The order of `Verdict` is that of gravity.
        let worst = outputs.iter().map(|output| output.verdict).max();
        let failed = (!ran.failures.is_empty()).then_some(without);
        let verdict = worst.max(failed).unwrap_or(Verdict::Identical);
        let reason = ran
            .failures
            .iter()
            .next()
            .map(|(step, error)| format!("step '{step}': {error}"));
        Ok(self.verification(verdict, reason, outputs))
    }

    /// Judges one output by its bits and, where a tolerance was declared for it, by its values.
    fn output(
        &self,
        step: &StepName,
        output: &StepName,
        artifacts: [&Artifact; 2],
    ) -> Result<(Verdict, Option<Distance>), EngineError> {
        let [expected, found] = artifacts;
        if expected == found {
            return Ok((Verdict::Identical, None));
        }
        let Some(tolerance) = self.record.recipe.steps[step].tolerance.get(output) else {
            return Ok((Verdict::Diverged, None));
        };
        let mut distance = Distance::default();
        if expected.kind != found.kind {
            distance.refuse("it is of another kind");
        } else if !self.project.store.contains(&expected.digest)? {
            distance.refuse("what the record says is not here to be compared by value");
        } else {
            match contents::distance(self.project, artifacts, tolerance) {
                Ok(found) => distance = found,
                // What is damaged is told apart from this, and what is in it cannot be compared.
                Err(error) if error.class() == Class::Integrity => {
                    distance.refuse(error.to_string());
                }
                Err(error) => return Err(error),
            }
        }
        let verdict = if distance.is_within(tolerance) {
            Verdict::Equivalent
        } else {
            Verdict::Diverged
        };
        Ok((verdict, Some(distance)))
    }
}
