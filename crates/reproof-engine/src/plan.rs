//! What a run would do, without doing it.

use reproof_record::{Source, StepName};

use crate::observer::Observer;
use crate::prepare::{Prepared, Request, prepare};
use crate::schedule::Outputs;
use crate::{Cancel, EngineError, Project, cache};
use std::collections::BTreeMap;

/// A step of a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedStep {
    /// Its name.
    pub name: StepName,
    /// Whether its outputs are there already. A step whose inputs must be made first counts as
    /// one that must run.
    pub cached: bool,
}

/// What a run would do.
pub struct Plan {
    /// The pipeline, expanded.
    pub prepared: Prepared,
    /// Its steps in the order of their needs.
    pub steps: Vec<PlannedStep>,
}

/// Expands a pipeline and looks up which of its steps have their outputs. The data is read and
/// pinned as a run would do; no step runs.
pub fn plan(
    project: &Project,
    request: &Request,
    observer: &dyn Observer,
) -> Result<Plan, EngineError> {
    let prepared = prepare(project, request, observer, &Cancel::default())?;
    let recipe = &prepared.recipe;
    let mut known: BTreeMap<&StepName, Outputs> = BTreeMap::new();
    let mut steps = Vec::new();
    for name in recipe.order()? {
        let step = &recipe.steps[name];
        let inputs: Option<BTreeMap<_, _>> = step
            .inputs
            .iter()
            .map(|(input, source)| {
                let made = || match source {
                    Source::Data { .. } => None,
                    Source::Output { step, output } => Some(known.get(step)?.get(output)?.artifact),
                };
                let artifact = recipe.pinned(source).or_else(made);
                artifact.map(|artifact| (input.clone(), artifact))
            })
            .collect();
        let outputs = match inputs {
            Some(inputs) if prepared.programs.may_be_cached(name, step) => {
                cache::lookup(project, (name, step), &step.key(&inputs)?, observer)?
            }
            _ => None,
        };
        steps.push(PlannedStep {
            name: name.clone(),
            cached: outputs.is_some() || !step.pinned.is_empty(),
        });
        if let Some(outputs) = outputs {
            known.insert(name, outputs);
        }
    }
    Ok(Plan { prepared, steps })
}
