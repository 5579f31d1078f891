//! Checks how steps are linked: what can be told without the data.

use std::collections::{BTreeMap, BTreeSet};

use reproof_record::{ArtifactKind, Source, StepName};

use super::cycles::{needs, order, report_cycle};
use super::draft::{Draft, Drafts, Evaluate, Images, Parameters, Train, What};
use super::early;
use crate::diagnostic::{Report, Span, Spanned};
use crate::names::shown;
use crate::registry::{Action, Role, Task};

/// Reports every link that cannot be.
pub(super) fn check(drafts: &Drafts, data: &BTreeSet<StepName>, report: &mut Report<'_>) {
    let before = report.count();
    for draft in drafts.steps.values() {
        for (input, from) in &draft.inputs {
            check_input(drafts, data, draft, input, from, report);
        }
    }
    if report.count() > before {
        return;
    }
    let needs = needs(drafts);
    let order = order(&needs);
    if order.len() < needs.len() {
        report_cycle(drafts, &needs, &order, report);
        return;
    }
    let mut gated = None;
    for (name, draft) in &drafts.steps {
        match &draft.parameters {
            Parameters::Images(images) => check_images(draft, images, report),
            Parameters::Train(train) => {
                check_rows(drafts, draft, ["features", "table"], report);
                check_stopping(drafts, draft, train, report);
                check_label(drafts, draft, train, report);
                check_categories(drafts, draft, train, report);
            }
            Parameters::Evaluate(evaluate) => {
                check_rows(drafts, draft, ["features", "table"], report);
                check_same_features(drafts, draft, report);
                check_baseline(draft, evaluate, report);
                check_predicted(drafts, draft, report);
                check_evaluate(task(drafts, draft), evaluate, report);
                if let Some(gate) = evaluate.gates.first()
                    && let Some(other) = gated.replace(name)
                {
                    let message = format!("gates stand at the step '{other}' already");
                    report.hinted(gate.metric, message, "put all gates at one step");
                }
            }
            _ => {}
        }
    }
}

/// Refuses built-in steps that take data which is files where tables are wanted, and the other way
/// round. `is_files` says which it is, where that is known.
pub(super) fn check_files(
    drafts: &Drafts,
    is_files: impl Fn(&StepName) -> Option<bool>,
    report: &mut Report<'_>,
) {
    for draft in drafts.steps.values() {
        for (input, from) in &draft.inputs {
            let Source::Data { data } = &from.value else {
                continue;
            };
            let wanted = draft.spec.input(input.as_str()).map(|input| input.role);
            let role = match is_files(data) {
                Some(true) => Role::Files,
                Some(false) => Role::Table,
                None => continue,
            };
            if let Some(wanted) = wanted
                && wanted != role
            {
                refuse_role(input, wanted, &from.value, role, from.span, report);
            }
        }
    }
}

fn check_input(
    drafts: &Drafts,
    data: &BTreeSet<StepName>,
    draft: &Draft,
    input: &StepName,
    from: &Spanned<Source>,
    report: &mut Report<'_>,
) {
    let wanted = draft.spec.input(input.as_str()).map(|input| input.role);
    let role = match &from.value {
        // Whether it is one is looked at elsewhere.
        Source::Data { data: name } if data.contains(name) => match wanted {
            Some(Role::Files) => Role::Files,
            _ => Role::Table,
        },
        Source::Data { data: name } => {
            if drafts.declared.contains(name) {
                report.hinted(
                    from.span,
                    format!("'{name}' is a step"),
                    format!("name one of its outputs: {name}.OUTPUT"),
                );
            } else {
                let known = data.iter().map(StepName::as_str);
                report.unknown(from.span, "data source", name.as_str(), known);
            }
            return;
        }
        Source::Output { step, output } => match drafts.steps.get(step) {
            Some(other) => {
                let outputs = other.outputs();
                let Some(role) = outputs.get(output) else {
                    let noun = format!("output of '{step}'");
                    let known = outputs.keys().map(StepName::as_str);
                    report.unknown(from.span, &noun, output.as_str(), known);
                    return;
                };
                *role
            }
            None if drafts.declared.contains(step) => return,
            None => {
                let known = drafts.declared.iter().map(StepName::as_str);
                report.unknown(from.span, "step", step.as_str(), known);
                return;
            }
        },
    };
    // Its columns are known in time.
    if wanted == Some(Role::Table) && early::is_table(drafts, &from.value) {
        return;
    }
    // A program takes anything.
    if let Some(wanted) = wanted
        && !wanted.takes(role)
    {
        refuse_role(input, wanted, &from.value, role, from.span, report);
    }
}

fn refuse_role(
    input: &StepName,
    wanted: Role,
    from: &Source,
    role: Role,
    span: Span,
    report: &mut Report<'_>,
) {
    let message = format!(
        "the input '{input}' takes {}; '{from}' is {}",
        wanted.described(),
        role.described()
    );
    match (wanted, role) {
        (Role::Table | Role::Features, Role::Made(ArtifactKind::Table)) => report.hinted(
            span,
            format!("the columns of '{from}' are not known before the program ran"),
            "such a table may be divided, trained on and scored if it is made of data and of what other \
             programs make of data alone; else it may go to another program, or as 'predictions' to \
             evaluate_predictions",
        ),
        (_, Role::Files) if input.as_str() == "labels" => report.hinted(
            span,
            message,
            "write the table of the labels as 'data', and where the images are under 'images'",
        ),
        (_, Role::Files) => report.hinted(
            span,
            message,
            "files go to programs: write the graph under 'steps', with a program that takes the data \
             as an input and makes a table, a model or metrics of it; if they are images in folders \
             of their labels, write 'images: folders'",
        ),
        (Role::Files, Role::Table) => {
            report.hinted(span, message, "write the data as 'files: FOLDER'");
        }
        (Role::Model, Role::Made(_)) => report.hinted(
            span,
            message,
            "let a program predict with it, and score the predictions with evaluate_predictions",
        ),
        (Role::Predictions, Role::Made(_)) => report.hinted(
            span,
            message,
            "predictions are a table: a file that ends in .parquet or .csv",
        ),
        _ => report.error(span, message),
    }
}

/// The step that an input comes from, and the output's name.
fn origin<'a>(
    drafts: &'a Drafts,
    draft: &'a Draft,
    input: &str,
) -> Option<(&'a StepName, &'a Draft, &'a StepName)> {
    match &draft.inputs.get(input)?.value {
        Source::Output { step, output } => Some((step, drafts.steps.get(step)?, output)),
        Source::Data { .. } => None,
    }
}

/// What first had the columns of a table: a data source, a table of images, or a program. Splits keep
/// them.
pub(super) fn columns_of<'a>(drafts: &'a Drafts, source: &'a Source) -> Option<&'a Source> {
    let mut source = source;
    // Links have no cycle, so this ends; the bound keeps it so whatever happens.
    for _ in 0..=drafts.steps.len() {
        match source {
            Source::Data { .. } => return Some(source),
            Source::Output { step, .. } => {
                let draft = drafts.steps.get(step)?;
                match draft.spec.action {
                    Action::Split => source = &draft.inputs.get("table")?.value,
                    Action::Images | Action::Program => return Some(source),
                    _ => return None,
                }
            }
        }
    }
    None
}

/// Labels are a table of data, and one of its columns says where the images are.
fn check_images(draft: &Draft, images: &Images, report: &mut Report<'_>) {
    match (draft.inputs.get("labels"), &images.path) {
        (Some(labels), path) => {
            if !matches!(labels.value, Source::Data { .. }) {
                report.error(labels.span, "the labels of images are a table of data");
            }
            if path.is_none() {
                report.hinted(
                    draft.span,
                    "the column of the labels that holds the path of each image is missing",
                    "give the parameter 'path'",
                );
            }
        }
        (None, Some(path)) => report.hinted(
            path.span,
            "'path' names a column of labels, and there are none",
            "give the input 'labels', or leave it out",
        ),
        (None, None) => {}
    }
}

/// Early stopping needs a part to decide by, of features like those that are trained on.
fn check_stopping(drafts: &Drafts, draft: &Draft, train: &Train, report: &mut Report<'_>) {
    let rounds = train.settings.get("early_stopping_rounds");
    let stops = rounds.is_some_and(|rounds| !rounds.is_null());
    let [features, table] = ["eval_features", "eval_table"].map(|input| draft.inputs.get(input));
    if stops && (features.is_none() || table.is_none()) {
        report.hinted(
            draft.span,
            "early stopping needs a part to decide by",
            "give the inputs 'eval_features' and 'eval_table'",
        );
    }
    for input in [features, table].into_iter().flatten() {
        if !stops {
            report.hinted(
                input.span,
                "only early stopping uses this input",
                "leave it out, or give 'early_stopping_rounds'",
            );
        }
    }
    let trained = origin(drafts, draft, "features");
    let decided = origin(drafts, draft, "eval_features");
    if let (Some((trained, ..)), Some((decided, ..)), Some(from)) = (trained, decided, features)
        && trained != decided
    {
        let message =
            format!("the features to train on are of '{trained}', these are of '{decided}'");
        report.error(from.span, message);
    }
    check_rows(drafts, draft, ["eval_features", "eval_table"], report);
}

/// Features and table of a step must be of the same rows.
fn check_rows(
    drafts: &Drafts,
    draft: &Draft,
    [features, table]: [&str; 2],
    report: &mut Report<'_>,
) {
    let Some((step, preprocess, part)) = origin(drafts, draft, features) else {
        return;
    };
    let (Some(made_of), Some(from)) = (preprocess.inputs.get(part), draft.inputs.get(table)) else {
        return;
    };
    if made_of.value != from.value {
        let message = format!(
            "'{table}' must be what the features are made of: {step}.{part} is made of {}, not of {}",
            made_of.value, from.value
        );
        report.error(from.span, message);
    }
}

/// The label must not be among the features.
fn check_label(drafts: &Drafts, draft: &Draft, train: &Train, report: &mut Report<'_>) {
    let Some((_, preprocess, _)) = origin(drafts, draft, "features") else {
        return;
    };
    let Parameters::Preprocess(preprocess) = &preprocess.parameters else {
        return;
    };
    let column = &train.label.column.value;
    // The short form knows its label and reports this itself.
    let features = preprocess.features.iter().flatten();
    let found = features
        .filter(|_| preprocess.label.is_none())
        .find(|feature| feature.value == *column);
    if let Some(feature) = found {
        let message = format!("'{}' is the label: it cannot be a feature", shown(column));
        report.error(feature.span, message);
    }
}

/// The features of a training that are categories, sorted, each with the item that says so.
pub(super) fn categories<'a>(drafts: &'a Drafts, draft: &'a Draft) -> BTreeMap<&'a str, Span> {
    let Some((_, preprocess, _)) = origin(drafts, draft, "features") else {
        return BTreeMap::new();
    };
    let Parameters::Preprocess(preprocess) = &preprocess.parameters else {
        return BTreeMap::new();
    };
    let is_feature = |name: &str| match &preprocess.features {
        Some(features) => features.iter().any(|feature| feature.value == name),
        None => preprocess
            .label
            .as_ref()
            .is_none_or(|label| label.value != *name),
    };
    let chains = preprocess.chains.iter();
    chains
        .filter(|(name, _)| is_feature(name))
        .filter_map(|(name, chain)| {
            let last = chain.items.last()?;
            matches!(last.value.what, What::Category).then_some((name.as_str(), last.span))
        })
        .collect()
}

/// Only trees know that codes of categories are no amounts, and only categories need what is said
/// for them.
fn check_categories(drafts: &Drafts, draft: &Draft, train: &Train, report: &mut Report<'_>) {
    let categories = categories(drafts, draft);
    if draft.spec.parameters.field("categorical").is_none() {
        for span in categories.values() {
            let message = format!(
                "'category' makes codes, which '{}' would take for amounts",
                draft.spec.name
            );
            report.hinted(*span, message, "use one_hot, or train gradient_boosting");
        }
        return;
    }
    if let Some(given) = &train.categorical
        && !given
            .value
            .iter()
            .map(String::as_str)
            .eq(categories.keys().copied())
    {
        let names: Vec<_> = categories.keys().map(|name| shown(name)).collect();
        let message = if names.is_empty() {
            "no chain of a feature ends in 'category'".to_owned()
        } else {
            format!(
                "the features whose chains end in 'category' are {}, in this order",
                names.join(", ")
            )
        };
        report.hinted(given.span, message, "leave 'categorical' out");
    }
    for setting in &train.for_categories {
        if categories.is_empty() {
            report.hinted(
                setting.span,
                format!("'{}' is for categories, and there are none", setting.value),
                "leave it out, or end the chain of a feature in 'category'",
            );
        }
    }
}

/// A model is scored on features of the preprocessing that it was trained on.
fn check_same_features(drafts: &Drafts, draft: &Draft, report: &mut Report<'_>) {
    let model = origin(drafts, draft, "model");
    let trained = model.and_then(|(_, train, _)| origin(drafts, train, "features"));
    let scored = origin(drafts, draft, "features");
    if let (Some((trained, ..)), Some((scored, ..))) = (trained, scored)
        && trained != scored
        && let Some(from) = draft.inputs.get("features")
    {
        let message =
            format!("the model is trained on features of '{trained}', these are of '{scored}'");
        report.error(from.span, message);
    }
}

/// A prediction that knows only the labels of the training part needs that part.
fn check_baseline(draft: &Draft, evaluate: &Evaluate, report: &mut Report<'_>) {
    if let Some(span) = evaluate.baseline
        && !draft.inputs.contains_key("training")
    {
        report.hinted(
            span,
            "a baseline is learnt from the training part, which is no input",
            "give the input 'training'",
        );
    }
}

/// Predictions are scored on the part that the program was given to predict, as far as that is
/// known: another program may have handed it anything.
fn check_predicted(drafts: &Drafts, draft: &Draft, report: &mut Report<'_>) {
    let Some((step, program, _)) = origin(drafts, draft, "predictions") else {
        return;
    };
    let (Action::Program, Some(table)) = (program.spec.action, draft.inputs.get("table")) else {
        return;
    };
    let mut given = BTreeSet::new();
    for from in program.inputs.values().map(|from| &from.value) {
        let Source::Output { step, output } = from else {
            given.insert(from);
            continue;
        };
        let Some(other) = drafts.steps.get(step) else {
            return;
        };
        match (other.spec.action, other.outputs().get(output)) {
            (Action::Split, _) => _ = given.insert(from),
            (Action::Preprocess, Some(Role::Features)) => {
                given.extend(other.inputs.get(output).map(|from| &from.value));
            }
            (_, Some(Role::Made(ArtifactKind::Table | ArtifactKind::Files))) => return,
            _ => {}
        }
    }
    if !given.is_empty() && !given.contains(&table.value) {
        let given: Vec<_> = given.into_iter().map(ToString::to_string).collect();
        let message = format!(
            "'table' must be what is predicted: '{step}' is given {}, not {}",
            given.join(", "),
            table.value
        );
        report.error(table.span, message);
    }
}

/// The task of what a step scores.
pub(super) fn task(drafts: &Drafts, draft: &Draft) -> Option<Task> {
    if let Parameters::Evaluate(evaluate) = &draft.parameters
        && let Some(target) = &evaluate.target
    {
        return target.task;
    }
    match &origin(drafts, draft, "model")?.1.parameters {
        Parameters::Train(train) => train.task,
        _ => None,
    }
}

pub(super) fn check_evaluate(task: Option<Task>, evaluate: &Evaluate, report: &mut Report<'_>) {
    let Some(task) = task else { return };
    let of_task = task.all_metrics();
    if let Some(span) = evaluate.confusion_matrix
        && task == Task::Regression
    {
        report.error(
            span,
            "a regression has no classes, so there is nothing to confuse",
        );
    }
    for metric in evaluate.metrics.iter().flatten() {
        if !of_task.contains(&metric.value) {
            report.hinted(
                metric.span,
                format!("'{}' is no metric of a {}", metric.value, task.name()),
                format!("there are {}", of_task.join(", ")),
            );
        }
    }
    let computed: Vec<_> = match &evaluate.metrics {
        Some(metrics) => metrics.iter().map(|metric| metric.value).collect(),
        None => task.metrics().to_vec(),
    };
    let declared = evaluate.sorted_slices();
    for written in &evaluate.gates {
        let gate = &written.gate;
        let metric = gate.metric.as_str();
        if !of_task.contains(&metric) {
            let message = format!("'{metric}' is no metric of a {}", task.name());
            let hint = format!("there are {}", of_task.join(", "));
            report.hinted(written.metric, message, hint);
        } else if !computed.contains(&metric) {
            let message = format!("the gate is on '{metric}', which is not computed");
            report.hinted(
                written.metric,
                message,
                format!("add {metric} to 'metrics'"),
            );
        }
        if let Some(span) = written.per_class
            && task == Task::Regression
        {
            report.error(span, "a regression has no classes");
        }
        if let Some(slice) = &gate.slice
            && !declared.contains(slice)
            && !slice.is_empty()
        {
            let columns: Vec<_> = slice.iter().map(|column| shown(column)).collect();
            let columns = columns.join(", ");
            let wanted = if slice.len() == 1 {
                columns.clone()
            } else {
                format!("[{columns}]")
            };
            report.hinted(
                written.slice,
                format!("the gate is on the slice {columns}, which is not declared"),
                format!("add {wanted} to 'slices'"),
            );
        }
    }
}
