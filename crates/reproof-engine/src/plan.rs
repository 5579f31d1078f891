//! What a run would do, without doing it.

use reproof_record::{Recipe, Source, StepName};

use crate::observer::Observer;
use crate::prepare::{self, Prepared, Request};
use crate::programs::Programs;
use crate::run::made_tables;
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
/// pinned as a run would do; no step runs. Where programs must run before the rest can be expanded, and
/// their outputs are not there, they are all that is planned.
pub fn plan(
    project: &Project,
    request: &Request,
    observer: &dyn Observer,
) -> Result<Plan, EngineError> {
    let cancel = Cancel::default();
    let read = prepare::read(project, request, observer, &cancel)?;
    let prepared = match read.early_recipe()? {
        None => read.expand(project, &BTreeMap::new(), &cancel)?,
        Some(((recipe, _), tables)) => {
            let (_, known) = look_up(project, &recipe, &read.programs, observer)?;
            match made_tables(&recipe, tables, &known) {
                Some(made) => read.expand(project, &made, &cancel)?,
                None => read.early_alone(project)?,
            }
        }
    };
    let (steps, _) = look_up(project, &prepared.recipe, &prepared.programs, observer)?;
    Ok(Plan { prepared, steps })
}

/// Looks up the outputs of steps.
fn look_up(
    project: &Project,
    recipe: &Recipe,
    programs: &Programs,
    observer: &dyn Observer,
) -> Result<(Vec<PlannedStep>, BTreeMap<StepName, Outputs>), EngineError> {
    let mut known: BTreeMap<StepName, Outputs> = BTreeMap::new();
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
            Some(inputs) if programs.may_be_cached(name, step) => {
                cache::lookup(project, (name, step), &step.key(&inputs)?, observer)?
            }
            _ => None,
        };
        steps.push(PlannedStep {
            name: name.clone(),
            cached: outputs.is_some() || !step.pinned.is_empty(),
        });
        if let Some(outputs) = outputs {
            known.insert(name.clone(), outputs);
        }
    }
    Ok((steps, known))
}
