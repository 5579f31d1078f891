//! Programs whose tables built-in steps take, or of whose tables something is expected: they run before the
//! graph is expanded, since only then the columns are known, and nothing is to be made of what is not as expected.

use std::collections::{BTreeMap, BTreeSet};

use reproof_record::{ArtifactKind, Program, Schema, Source, StepName};

use super::Pipeline;
use super::draft::Drafts;
use super::expand::{ExpandOptions, Expander};
use super::graph::Graph;
use super::schemas::Schemas;
use crate::diagnostic::{Diagnostics, Report};
use crate::registry::{Action, Role};

/// What must run before a pipeline can be expanded.
#[derive(Clone, Debug, PartialEq)]
pub struct Early {
    /// The steps: programs that are made from data, or from one another, alone.
    pub graph: Graph,
    /// The tables among their outputs whose columns are wanted, or of which something is expected.
    pub tables: BTreeSet<Source>,
}

impl Pipeline {
    /// What must run before [`Pipeline::expand`]; none for most pipelines. `columns` holds the schema of
    /// every data source, `programs` what each program is in the recipe.
    ///
    /// # Errors
    /// What is wrong with the data, as far as that can be told without those tables.
    pub fn early(
        &self,
        columns: &BTreeMap<Source, Schema>,
        programs: &BTreeMap<StepName, Program>,
        options: &ExpandOptions,
    ) -> Result<Option<Early>, Diagnostics> {
        let mut report = Report::new(&self.sources);
        let mut drafts = self.turned(*options, &mut report);
        self.check_data(&drafts, columns, &mut report);
        let mut tables = tables(&drafts);
        let expected = self.expect.keys();
        tables.extend(expected.filter(|source| is_table(&drafts, source)).cloned());
        if tables.is_empty() {
            return report.finish().map(|()| None);
        }
        let wanted = steps(&drafts, &tables);
        drafts.steps.retain(|name, _| wanted.contains(name));
        let schemas = Schemas::new(&drafts, columns, &mut report);
        let steps = Expander::new(self, &drafts, &schemas, programs).steps(&mut report);
        report.finish()?;
        let graph = Graph {
            programs: self.specs(&steps),
            steps,
            ..Graph::default()
        };
        Ok(Some(Early { graph, tables }))
    }
}

/// Whether this is a table that a program makes, and may be known before the graph is expanded.
pub(super) fn is_table(drafts: &Drafts, source: &Source) -> bool {
    let mut seen = BTreeSet::new();
    is_made(drafts, source, &mut seen)
}

/// Whether this is data, or an output of a program that is made of such alone.
fn is_early<'a>(drafts: &'a Drafts, source: &'a Source, seen: &mut BTreeSet<&'a StepName>) -> bool {
    let Source::Output { step, .. } = source else {
        return true;
    };
    let Some(draft) = drafts.steps.get(step) else {
        return false;
    };
    // What waits for itself is reported elsewhere.
    draft.spec.action == Action::Program
        && (!seen.insert(step)
            || (draft.inputs.values()).all(|from| is_early(drafts, &from.value, seen)))
}

fn is_made<'a>(drafts: &'a Drafts, source: &'a Source, seen: &mut BTreeSet<&'a StepName>) -> bool {
    let Source::Output { step, output } = source else {
        return false;
    };
    let draft = drafts.steps.get(step);
    let role = draft.and_then(|draft| draft.outputs().remove(output));
    role == Some(Role::Made(ArtifactKind::Table)) && is_early(drafts, source, seen)
}

/// The tables of programs that built-in steps take as such.
fn tables(drafts: &Drafts) -> BTreeSet<Source> {
    let built_in = (drafts.steps.values()).filter(|draft| draft.spec.action != Action::Program);
    let taken = built_in.flat_map(|draft| {
        draft.inputs.iter().filter(|(input, _)| {
            let input = draft.spec.input(input.as_str());
            input.is_some_and(|input| input.role == Role::Table)
        })
    });
    taken
        .map(|(_, from)| &from.value)
        .filter(|source| is_table(drafts, source))
        .cloned()
        .collect()
}

/// The steps that make these tables, and all that they are made from.
fn steps(drafts: &Drafts, tables: &BTreeSet<Source>) -> BTreeSet<StepName> {
    let mut wanted = BTreeSet::new();
    let mut open: Vec<&Source> = tables.iter().collect();
    while let Some(source) = open.pop() {
        if let Source::Output { step, .. } = source
            && let Some(draft) = drafts.steps.get(step)
            && wanted.insert(step.clone())
        {
            open.extend(draft.inputs.values().map(|from| &from.value));
        }
    }
    wanted
}
