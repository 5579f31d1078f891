//! Says why two results differ: which of code, configuration, environment, data and platform differ,
//! at which step the results part, and how far they moved.

mod aspects;
mod attribute;
mod experiment;
mod sides;

use std::collections::{BTreeMap, BTreeSet};

use reproof_catalog::Named;
use reproof_record::{Artifact, Digest, ExecutionId, Recipe, Record, RecordId, Source, StepName};
use reproof_store::StoreError;
use reproof_table::{Threads, both};
use serde::Serialize;

use crate::compare::{self, Change, DataDifference, MetricsComparison};
use crate::contents::{self, Moved};
use crate::seeds::AgainstSeeds;
use crate::{EngineError, Project};

pub use aspects::{EnvironmentChange, FileChange, FileState};
pub use attribute::{Attribution, Mixture, Part, attribute};
pub use experiment::{Experiment, Experiments, Explained, Factor, experiment_step, experiments};
use sides::named_sides;

/// What two results are compared as.
#[derive(Debug, Serialize)]
pub struct Side {
    /// The record, or the one that was verified.
    pub record: RecordId,
    /// The execution whose results these are; none if it is not known here.
    pub execution: Option<ExecutionId>,
    /// Whether the results are what a verification of the record found.
    pub is_verification: bool,
    /// Recipe and results.
    #[serde(skip)]
    pub(crate) content: Record,
    /// Where it ran, by property.
    #[serde(skip)]
    pub(crate) platform: BTreeMap<&'static str, String>,
}

impl Side {
    /// The recipe.
    pub fn recipe(&self) -> &Recipe {
        &self.content.recipe
    }
}

/// Something that a result is the product of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Aspect {
    /// The files that a step sees.
    Code,
    /// What the pipeline says of a step: parameters, seed, threads, variables, connections.
    Configuration,
    /// What a step runs in.
    Environment,
    /// What a step reads.
    Data,
}

impl Aspect {
    /// As a person reads it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Code => "code",
            Self::Configuration => "configuration",
            Self::Environment => "environment",
            Self::Data => "data",
        }
    }
}

/// Why the results differ, as far as comparing alone tells.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Cause {
    /// They do not.
    Same,
    /// A step gave something else from the same recipe and the same inputs.
    Nondeterminism {
        /// The first such step.
        step: StepName,
    },
    /// What the first step whose results differ is made of differs.
    Aspects {
        /// The step.
        step: StepName,
        /// What differs of it.
        aspects: BTreeSet<Aspect>,
    },
    /// The first step whose results differ may use the network or secrets, so no recipe holds all
    /// that it depends on.
    Unpinned {
        /// The step.
        step: StepName,
    },
    /// Only one of them has the step.
    OneSided {
        /// The step.
        step: StepName,
    },
}

/// How a step of one differs from that of the other.
#[derive(Debug, Serialize)]
pub struct StepDifference {
    /// The step.
    pub step: StepName,
    /// What of the step itself differs; data only where it reads a data version that differs.
    pub aspects: BTreeSet<Aspect>,
    /// The inputs whose content differs.
    pub inputs: Vec<StepName>,
    /// The outputs whose content differs.
    pub outputs: Vec<OutputDifference>,
}

/// How an output differs.
#[derive(Debug, Serialize)]
pub struct OutputDifference {
    /// The output.
    pub output: StepName,
    /// What it was and what it is; none where there is none.
    pub artifacts: [Option<Artifact>; 2],
    /// How far it moved.
    pub moved: Moved,
}

/// Why two results differ.
#[derive(Debug, Serialize)]
pub struct Explanation {
    /// What was compared.
    pub sides: [Side; 2],
    /// Why they differ.
    pub cause: Cause,
    /// Whether the recipes are the same.
    pub same_recipe: bool,
    /// Which files differ of the code that steps see.
    pub code: Vec<FileChange>,
    /// What differs in the configuration, by path.
    pub configuration: Vec<Change>,
    /// How environments differ.
    pub environments: Vec<EnvironmentChange>,
    /// The data versions that differ.
    pub data: Vec<DataDifference>,
    /// What differs of the machines.
    pub platform: Vec<Change>,
    /// The steps that differ, in the order in which they run. The first with outputs is where the
    /// results part.
    pub steps: Vec<StepDifference>,
    /// The metrics of both; none if one has none.
    pub metrics: Option<MetricsComparison>,
    /// How far metrics moved against the spread over seeds; none where nothing did.
    pub seeds: Option<AgainstSeeds>,
}

/// Explains why the second result is not the first.
///
/// # Errors
/// If the recipes or what is compared of them cannot be read. Outputs that are not here are no error:
/// it is said of them.
pub fn why(
    project: &Project,
    sides: [Side; 2],
    threads: Threads,
) -> Result<Explanation, EngineError> {
    let records = [&sides[0].content, &sides[1].content];
    let recipes = records.map(|record| &record.recipe);
    let same_recipe = recipes[0] == recipes[1];
    let configuration = compare::configuration(recipes[0], recipes[1])?;
    // What the rows say takes longest, and as long as all else.
    let measured = || -> Result<_, EngineError> {
        if records[0].results == records[1].results {
            return Ok((None, None));
        }
        let metrics = here(compare::metrics(project, records, threads))?.flatten();
        let (metrics, seeds) = compare::judged(project, records, metrics)?;
        Ok((metrics, Some(seeds)))
    };
    let compared = || -> Result<_, EngineError> {
        let steps = steps(project, records)?;
        let code = aspects::code(project, recipes)?;
        let environments = aspects::environments(project, recipes)?;
        let data = compare::data(project, recipes[0], recipes[1]);
        Ok((steps, code, environments, data))
    };
    let (measured, compared) = both(threads, measured, compared);
    let (metrics, seeds) = measured?;
    let (steps, code, environments, data) = compared?;
    Ok(Explanation {
        cause: cause(records, &steps),
        same_recipe,
        code,
        configuration: configuration
            .into_iter()
            .filter(|change| !aspects::is_elsewhere(&change.path))
            .collect(),
        environments,
        data,
        platform: aspects::platform([&sides[0].platform, &sides[1].platform]),
        steps,
        metrics,
        seeds,
        sides,
    })
}

/// The steps that differ, in the order in which they run.
fn steps(project: &Project, records: [&Record; 2]) -> Result<Vec<StepDifference>, EngineError> {
    let mut order: Vec<&StepName> = Vec::new();
    for record in records {
        let names = record.recipe.order();
        let names = names.map_err(|error| EngineError::Bug(error.to_string()))?;
        let new: Vec<_> = names
            .into_iter()
            .filter(|name| !order.contains(name))
            .collect();
        order.extend(new);
    }
    let mut found = Vec::new();
    for step in order {
        let sides = records.map(|record| record.recipe.steps.get(step));
        let aspects = aspects::of_step(records, sides);
        let inputs = inputs(records, step);
        let outputs = outputs(project, records, step)?;
        if !aspects.is_empty() || !inputs.is_empty() || !outputs.is_empty() {
            found.push(StepDifference {
                step: step.clone(),
                aspects,
                inputs,
                outputs,
            });
        }
    }
    Ok(found)
}

/// What a source is, as far as it is known.
fn artifact(record: &Record, source: &Source) -> Option<Artifact> {
    match source {
        Source::Data { data } => record.recipe.data.get(data).copied(),
        Source::Output { step, output } => record.results.get(step)?.get(output).copied(),
    }
}

/// The inputs of a step whose content differs.
fn inputs(records: [&Record; 2], step: &StepName) -> Vec<StepName> {
    let [Some(before), Some(after)] = records.map(|record| record.recipe.steps.get(step)) else {
        return Vec::new();
    };
    let common = before.inputs.iter();
    let common = common.filter_map(|(name, source)| Some((name, source, after.inputs.get(name)?)));
    common
        .filter(|(_, before, after)| artifact(records[0], before) != artifact(records[1], after))
        .map(|(name, ..)| name.clone())
        .collect()
}

fn outputs(
    project: &Project,
    records: [&Record; 2],
    step: &StepName,
) -> Result<Vec<OutputDifference>, EngineError> {
    let results = records.map(|record| record.results.get(step));
    let names = results.iter().flatten().flat_map(|outputs| outputs.keys());
    let names: BTreeSet<&StepName> = names.collect();
    let mut found = Vec::new();
    for output in names {
        let artifacts = results.map(|outputs| outputs?.get(output).copied());
        if artifacts[0] != artifacts[1] {
            found.push(OutputDifference {
                output: output.clone(),
                artifacts,
                moved: contents::moved(project, artifacts)?,
            });
        }
    }
    Ok(found)
}

/// Why the results differ, from where they part.
fn cause(records: [&Record; 2], steps: &[StepDifference]) -> Cause {
    let Some(first) = steps.iter().find(|step| !step.outputs.is_empty()) else {
        return Cause::Same;
    };
    let step = first.step.clone();
    let [Some(before), Some(_)] = records.map(|record| record.recipe.steps.get(&step)) else {
        return Cause::OneSided { step };
    };
    if !first.aspects.is_empty() {
        let aspects = first.aspects.clone();
        Cause::Aspects { step, aspects }
    } else if before.is_unpinned() {
        Cause::Unpinned { step }
    } else {
        // Every earlier step gave the same, so its inputs are the same, too.
        Cause::Nondeterminism { step }
    }
}

/// What was read, if it is here: what is missing is no reason to say nothing of the rest, but damage is.
pub(crate) fn here<T, E: Into<EngineError>>(read: Result<T, E>) -> Result<Option<T>, EngineError> {
    match read.map_err(Into::into) {
        Ok(found) => Ok(Some(found)),
        Err(EngineError::Impossible(_) | EngineError::Store(StoreError::Missing { .. })) => {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// The digests of two, where both have one and they differ.
fn differing(digests: [Option<Digest>; 2]) -> Option<[Digest; 2]> {
    match digests {
        [Some(before), Some(after)] if before != after => Some([before, after]),
        _ => None,
    }
}

/// The sides that the texts name: two results, or a record and what its newest verification that did
/// not hold found.
///
/// # Errors
/// A text that names no result, and a record whose verification found nothing to compare.
pub fn sides(project: &Project, texts: &[String]) -> Result<[Side; 2], EngineError> {
    let mut named: Vec<Named> = Vec::new();
    for text in texts {
        named.push(crate::resolve(project, text)?);
    }
    named_sides(project, &named)
}
