//! The expanded graph: every parameter resolved.

use std::collections::{BTreeMap, BTreeSet};

use reproof_record::{DataInput, Gate, Recipe, RecipeError, RecipeStep, Source, StepName};

use crate::program::ProgramSpec;

/// A pipeline expanded with the schemas of its data.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Graph {
    /// The steps, as the recipe holds them.
    pub steps: BTreeMap<StepName, RecipeStep>,
    /// The programs among them, as they were written: their limits are no part of the recipe.
    pub programs: BTreeMap<StepName, ProgramSpec>,
    /// What the metrics of the step in `evaluate` must meet; no part of the recipe.
    pub gates: Vec<Gate>,
    /// The step whose metrics are shown and judged: the one with gates; else `evaluate`; else the
    /// first by name that evaluates.
    pub evaluate: Option<StepName>,
    /// The metrics of that step, in the order of the file.
    pub metrics: Vec<String>,
    /// The defaults that were filled in.
    pub notes: Vec<Note>,
}

/// A default that was filled in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// The step.
    pub step: StepName,
    /// The parameter, or the column.
    pub what: String,
    /// Its value, as JSON.
    pub value: String,
    /// Why this one, such as `the default for integer`.
    pub reason: String,
}

impl Graph {
    /// The recipe with these data versions. Data that no step uses is no part of it.
    pub fn recipe(&self, data: &BTreeMap<StepName, DataInput>) -> Result<Recipe, RecipeError> {
        let sources = self.steps.values().flat_map(|step| step.inputs.values());
        let used: BTreeSet<_> = sources
            .filter_map(|source| match source {
                Source::Data { data } => Some(data),
                Source::Output { .. } => None,
            })
            .collect();
        let data = data
            .iter()
            .filter(|(name, _)| used.contains(name))
            .map(|(name, version)| (name.clone(), *version))
            .collect();
        Recipe::new(data, self.steps.clone())
    }
}
