//! The task of a trainer of several tasks, where only the type of its label tells it.

use std::collections::BTreeMap;

use reproof_record::{LogicalType, Schema, Source, StepName};

use super::draft::{Drafts, Label, Parameters};
use super::links;
use crate::diagnostic::Report;
use crate::names::shown;
use crate::registry::Task;

/// Decides every task that is open, and checks what could not be checked without.
pub(super) fn decide(
    drafts: &mut Drafts,
    schemas: &BTreeMap<StepName, Schema>,
    report: &mut Report<'_>,
) {
    let mut decided = BTreeMap::new();
    for (name, draft) in &drafts.steps {
        let Parameters::Train(train) = &draft.parameters else {
            continue;
        };
        let table = draft.inputs.get("table").map(|from| &from.value);
        let schema = table
            .and_then(|table| links::data_of(drafts, table))
            .and_then(|data| schemas.get(data));
        let column = schema.and_then(|schema| schema.column(&train.label.column.value));
        if let (None, Some(column)) = (train.task, column) {
            let task = by_type(column.logical_type, &train.label, report);
            decided.insert(name.clone(), task);
        }
    }
    for (name, task) in &decided {
        if let Some(draft) = drafts.steps.get_mut(name)
            && let Parameters::Train(train) = &mut draft.parameters
        {
            train.task = *task;
        }
    }
    for draft in drafts.steps.values() {
        if let Parameters::Evaluate(evaluate) = &draft.parameters
            && let Some(Source::Output { step, .. }) =
                draft.inputs.get("model").map(|from| &from.value)
            && decided.contains_key(step)
        {
            links::check_evaluate(links::task(drafts, draft), evaluate, report);
        }
    }
}

fn by_type(logical_type: LogicalType, label: &Label, report: &mut Report<'_>) -> Option<Task> {
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
                "write its 'positive' class, or 'task: regression' or 'task: \
                 multiclass_classification' under the trainer",
            );
            None
        }
    }
}
