//! Runs a pipeline under further seeds, so that the spread over seeds is known.

use reproof_config::Override;
use reproof_record::{ExecutionId, ExecutionStatus, RecordId, Seed};
use serde::Serialize;

use super::{Member, SeedScope, SeedSpread};
use crate::observer::{Event, Observer};
use crate::{Cancel, Class, EngineError, Outcome, Project, RunOptions, read_record, run};

/// Under how many seeds a pipeline is run at most.
pub const MAX_SEEDS: u32 = 200;

/// How a pipeline is run under several seeds.
#[derive(Clone, Debug)]
pub struct SeedsOptions {
    /// How it is run.
    pub run: RunOptions,
    /// Under how many seeds, its own counted.
    pub seeds: u32,
    /// What they change.
    pub scope: SeedScope,
}

/// A run under a further seed.
#[derive(Clone, Debug, Serialize)]
pub struct FurtherRun {
    /// The pipeline's seed.
    pub seed: Seed,
    /// The event.
    pub execution: ExecutionId,
    /// How it ended.
    pub status: ExecutionStatus,
    /// The record, if every step has its outputs.
    pub record: Option<RecordId>,
    /// Why there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
    #[serde(skip)]
    trouble: Option<Class>,
}

/// What came of the runs under several seeds.
#[derive(Debug)]
pub struct SeedRuns {
    /// The run under the pipeline's own seed.
    pub own: Outcome,
    /// Those under further seeds; none if the first gave no record.
    pub further: Vec<FurtherRun>,
    /// How far apart they are.
    pub spread: SeedSpread,
}

impl SeedRuns {
    /// What went wrong, the gravest first. A gate that fails under a further seed alone is none.
    pub fn trouble(&self) -> Option<Class> {
        let further = self.further.iter().filter_map(|run| run.trouble);
        let further = further.filter(|class| *class != Class::Gate);
        let all: Vec<_> = self.own.trouble().into_iter().chain(further).collect();
        let interrupted = all.contains(&Class::Interrupted);
        let gravest = all.into_iter().min();
        interrupted.then_some(Class::Interrupted).or(gravest)
    }

    /// Under how many seeds a gate failed.
    pub fn gates_failed(&self) -> usize {
        let further = self.further.iter().map(|run| run.status);
        let all = further.chain([self.own.execution.status]);
        all.filter(|status| *status == ExecutionStatus::GateFailed)
            .count()
    }
}

/// Runs a pipeline under its own seed, as ever, and then under others that follow from that. They are
/// ordinary runs with values set for the seeds, so the lock file stays as the first run left it, and each can
/// be repeated by hand.
///
/// # Errors
/// As [`run`].
pub fn run_seeds(
    project: &Project,
    options: &SeedsOptions,
    observer: &dyn Observer,
    cancel: &Cancel,
) -> Result<SeedRuns, EngineError> {
    let own = run(project, &options.run, observer, cancel)?;
    let mut further = Vec::new();
    if own.execution.record.is_some() {
        for number in 1..options.seeds {
            if cancel.is_cancelled() {
                return Err(EngineError::Interrupted);
            }
            let seed = Seed(own.seed).further(u64::from(number));
            let run = under(project, options, &own, seed, observer, cancel)?;
            let came = match (&run.record, &run.problem) {
                (Some(record), _) => format!("record {}", record.short()),
                (None, problem) => problem.clone().unwrap_or_default(),
            };
            let told = format!("seed {} of {}: {seed}, {came}", number + 1, options.seeds);
            observer.event(&Event::Note(&told));
            let interrupted = run.trouble == Some(Class::Interrupted);
            further.push(run);
            if interrupted {
                break;
            }
        }
    }
    let mut members = Vec::new();
    let records = further.iter().map(|run| run.record);
    for id in [own.execution.record].into_iter().chain(records).flatten() {
        let record = read_record(project, &id)?;
        members.push(Member { id, record });
    }
    let spread = SeedSpread::among(project, options.scope, &members)?;
    Ok(SeedRuns {
        own,
        further,
        spread,
    })
}

/// Passes on all but how data changed: the run under the own seed has told that.
struct Further<'a>(&'a dyn Observer);

impl Observer for Further<'_> {
    fn event(&self, event: &Event<'_>) {
        if !matches!(event, Event::Data { .. }) {
            self.0.event(event);
        }
    }
}

fn under(
    project: &Project,
    options: &SeedsOptions,
    own: &Outcome,
    seed: Seed,
    observer: &dyn Observer,
    cancel: &Cancel,
) -> Result<FurtherRun, EngineError> {
    let set = |path: &str, seed: u64| Override {
        path: path.to_owned(),
        value: seed.to_string(),
    };
    let mut sets = vec![set("seed", seed.0)];
    match options.scope {
        SeedScope::SameRows => sets.push(set("split_seed", own.split_seed.unwrap_or(own.seed))),
        // Without one of its own, that of the split follows from the seed.
        SeedScope::OtherRows if own.split_seed.is_some() => sets.push(set("split_seed", seed.0)),
        SeedScope::OtherRows => {}
    }
    let mut options = options.run.clone();
    options.request.overrides.extend(sets);
    options.request.further_seed = true;
    let outcome = run(project, &options, &Further(observer), cancel)?;
    let failure = outcome.failures.iter().next().map(|(step, error)| {
        let error = error.to_string();
        let line = error.lines().next().unwrap_or_default();
        format!("step '{step}' failed: {line}")
    });
    let problem = match outcome.execution.record {
        Some(_) => None,
        None => Some(failure.unwrap_or_else(|| "the run gave no record".to_owned())),
    };
    Ok(FurtherRun {
        seed,
        execution: outcome.execution.id,
        status: outcome.execution.status,
        record: outcome.execution.record,
        problem,
        trouble: outcome.trouble(),
    })
}
