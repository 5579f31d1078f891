//! The task of a trainer of several tasks, and of predictions that a program made, where only the
//! type of the label tells it.

use std::collections::BTreeMap;

use reproof_record::{LogicalType, Source};

use super::draft::{Drafts, Label, Parameters};
use super::links;
use super::schemas::Schemas;
use crate::diagnostic::Report;
use crate::names::shown;
use crate::registry::{Action, Task};

/// Decides every task that is open, and checks what could not be checked without.
pub(super) fn decide(drafts: &mut Drafts, schemas: &Schemas<'_>, report: &mut Report<'_>) {
    let mut decided = BTreeMap::new();
    for (name, draft) in &drafts.steps {
        let (task, label) = match &draft.parameters {
            Parameters::Train(train) => (train.task, &train.label),
            Parameters::Evaluate(evaluate) => match &evaluate.target {
                Some(target) => (target.task, &target.label),
                None => continue,
            },
            _ => continue,
        };
        let table = draft.inputs.get("table").map(|from| &from.value);
        let schema = table.and_then(|table| schemas.of(drafts, table));
        let column = schema.and_then(|(_, schema)| schema.column(&label.column.value));
        if let (None, Some(column)) = (task, column) {
            let of = match draft.spec.action {
                Action::Evaluate => "evaluate",
                _ => "the trainer",
            };
            let task = by_type(column.logical_type, label, of, report);
            decided.insert(name.clone(), task);
        }
    }
    for (name, task) in &decided {
        match drafts
            .steps
            .get_mut(name)
            .map(|draft| &mut draft.parameters)
        {
            Some(Parameters::Train(train)) => train.task = *task,
            Some(Parameters::Evaluate(evaluate)) => {
                if let Some(target) = &mut evaluate.target {
                    target.task = *task;
                }
            }
            _ => {}
        }
    }
    for (name, draft) in &drafts.steps {
        let trained = match draft.inputs.get("model").map(|from| &from.value) {
            Some(Source::Output { step, .. }) => step,
            _ => name,
        };
        if let Parameters::Evaluate(evaluate) = &draft.parameters
            && decided.contains_key(trained)
        {
            links::check_evaluate(links::task(drafts, draft), evaluate, report);
        }
    }
}

/// The task of a label of this type; `of` says where else it may be told.
fn by_type(
    logical_type: LogicalType,
    label: &Label,
    of: &str,
    report: &mut Report<'_>,
) -> Option<Task> {
    match logical_type {
        LogicalType::Boolean | LogicalType::String => Some(Task::Classification),
        LogicalType::Float | LogicalType::Decimal(_) => Some(Task::Regression),
        other => {
            report.hinted(
                label.column.span,
                format!(
                    "the label '{}' is {other}: whether it is a class or a number is not plain",
                    shown(&label.column.value)
                ),
                format!(
                    "write its 'positive' class, or 'task: regression' or 'task: \
                     multiclass_classification' under {of}"
                ),
            );
            None
        }
    }
}
