//! The lines that `reproof run` and `reproof show` print about data, steps, metrics and gates.

use std::collections::BTreeMap;

use reproof_engine::{
    ClosureDiff, DataChange, Difference, EngineError, Outcome, Project, evaluation, final_looks,
    reported,
};
use reproof_learn::{Estimate, Metrics, SliceMetrics};
use reproof_record::{
    Artifact, ArtifactKind, CodeState, DataUse, ExecutionStatus, ExpectationOutcome, GateOutcome,
    GateVerdict, Program, RecipeStep, StepName, StepStatus,
};

use crate::format;
use crate::printer::{Printer, Style};
use crate::progress::Progress;

/// How wide the first column is.
const LABEL: usize = 12;

/// The metrics of a run's record.
pub fn metrics(project: &Project, outcome: &Outcome) -> Result<Option<Metrics>, EngineError> {
    let Some(record) = &outcome.record else {
        return Ok(None);
    };
    Ok(evaluation(project, record)?.map(|(_, metrics)| metrics))
}

/// Everything above the last line of a run.
pub fn lines(
    project: &Project,
    outcome: &Outcome,
    progress: &Progress,
    printer: &Printer,
) -> Result<Vec<String>, EngineError> {
    let execution = &outcome.execution;
    let mut lines = vec![format!(
        "{} · {}",
        execution.pipeline,
        code(&execution.code)
    )];
    // Without a repository the first line has said it.
    let known = usize::from(execution.code.dirty.is_none());
    for note in execution.code.notes.iter().skip(known) {
        lines.push(format!("  {:<LABEL$}{note}", "code"));
    }
    for (path, reason) in &execution.code.left_out {
        lines.push(format!(
            "  {:<LABEL$}{path} is not captured: {reason}",
            "code"
        ));
    }

    let pins = execution.overrides.is_empty() && execution.status != ExecutionStatus::DataRefused;
    for (name, used) in &execution.data {
        let change = progress.data_change(name.as_str());
        let change = change.map(|change| change_text(used.version.kind, &change, pins));
        lines.push(data_line(name, used, &change.unwrap_or_default()));
    }
    lines.extend(expectation_lines(&execution.expectations, printer));
    for name in outcome.recipe.order().unwrap_or_default() {
        lines.extend(step_line(project, outcome, name, printer)?);
    }
    lines.extend(gate_lines(&execution.gates, printer));
    if execution.final_look {
        let looks = final_looks(project, &execution.pipeline)?;
        lines.push(format!(
            "  {:<LABEL$}look {looks} of this pipeline at the test part",
            "final"
        ));
    }
    Ok(lines)
}

/// The state of the code: `3f2c9d1 on main, clean`.
pub fn code(code: &CodeState) -> String {
    let Some(dirty) = code.dirty else {
        let reason = code.notes.first().map(String::as_str);
        return reason.unwrap_or("no commit ties to this code").to_owned();
    };
    let commit = code
        .commit
        .as_deref()
        .map_or("no commit yet", |commit| &commit[..commit.len().min(7)]);
    let branch = code
        .branch
        .as_deref()
        .map_or("detached head".to_owned(), |name| format!("on {name}"));
    let state = if dirty {
        format!(
            "{} changed",
            format::counted(code.changed.len() as u64, "file")
        )
    } else {
        "clean".to_owned()
    };
    format!("{commit} {branch}, {state}")
}

/// A data source: `data   pima.csv   532 rows x 8   8c1f20b94d7e  unchanged`.
pub fn data_line(name: &StepName, used: &DataUse, change: &str) -> String {
    let file = match used.source.rsplit_once('/') {
        // Of a pattern the last part alone says little.
        Some((_, file)) if !used.source.contains('*') => file,
        _ => &used.source,
    };
    let kind = used.version.kind;
    let size = format::size(kind, used.rows, used.columns);
    let version = used.version.digest.short();
    format!(
        "  {}{}{size:<25}{version}  {change}",
        format::padded(name.as_str(), LABEL),
        format::padded(file, 25)
    )
    .trim_end()
    .to_owned()
}

/// How data differs from what reproof.lock pinned; `pins` says whether it pins this now.
fn change_text(kind: ArtifactKind, change: &DataChange, pins: bool) -> String {
    match change {
        DataChange::Unchanged => "unchanged".to_owned(),
        DataChange::New if pins => "new in reproof.lock".to_owned(),
        DataChange::New => "not in reproof.lock".to_owned(),
        DataChange::Changed {
            rows_before,
            added,
            removed,
        } => {
            let mut text = format!("changed, was {}", format::amount(kind, *rows_before));
            for (word, columns) in [("new column", added), ("lost column", removed)] {
                if !columns.is_empty() {
                    text += &format!(", {word} {}", columns.join(", "));
                }
            }
            text
        }
    }
}

/// A step of a run: what it did, what came out, and how long it took.
fn step_line(
    project: &Project,
    outcome: &Outcome,
    name: &StepName,
    printer: &Printer,
) -> Result<Vec<String>, EngineError> {
    let step = &outcome.execution.steps[name];
    let state = match step.status {
        StepStatus::Ran => format::seconds(step.micros),
        StepStatus::Cached => printer.paint(Style::Dim, "cached"),
        StepStatus::Pinned => printer.paint(Style::Dim, "pinned"),
        StepStatus::Failed => printer.paint(Style::Bad, "failed"),
        StepStatus::Skipped => printer.paint(Style::Warning, "not run"),
    };
    let label = format!("  {}", format::padded(name.as_str(), LABEL));
    let operation = outcome.recipe.steps.get(name);
    if operation.is_some_and(evaluates) && outcome.record.is_some() {
        let metrics = metrics(project, outcome)?;
        let metrics = metrics
            .iter()
            .flat_map(|metrics| metric_lines(metrics, &outcome.metrics));
        let mut lines: Vec<String> = Vec::new();
        for line in metrics {
            let label = if lines.is_empty() {
                label.clone()
            } else {
                " ".repeat(LABEL + 2)
            };
            lines.push(format!("{label}{line}"));
        }
        if let Some(first) = lines.first_mut() {
            *first = format!("{first}   {state}");
        }
        return Ok(lines);
    }
    let about = describe_step(project, operation, &step.outputs)?;
    Ok(vec![format!("{label}{about:<62} {state}")])
}

/// Whether a step makes metrics that are shown.
fn evaluates(step: &RecipeStep) -> bool {
    matches!(
        step.operation.name.as_str(),
        "evaluate" | "evaluate_predictions"
    )
}

/// What a program is and made: its command, and the metrics that it reported.
fn describe_program(
    project: &Project,
    program: &Program,
    outputs: &BTreeMap<StepName, Artifact>,
) -> Result<String, EngineError> {
    let command = format::cut(&program.command_line(), 24);
    let mut told = Vec::new();
    if let Some(artifact) = outputs.get(Program::REPORTED) {
        let metrics = reported(project, artifact)?.metrics;
        // They are sorted by name and step: of each name this keeps the last step.
        let last: BTreeMap<_, _> = metrics
            .iter()
            .map(|metric| (&metric.name, &metric.value))
            .collect();
        for (name, value) in last.into_iter().take(3) {
            let value = value.as_ref().and_then(serde_json::Number::as_f64);
            let value = value.map_or("not finite".to_owned(), format::metric);
            told.push(format!("{name} {value}"));
        }
    }
    for artifact in outputs.values() {
        if artifact.kind == ArtifactKind::Table {
            let table = project.store.table_object(&artifact.digest)?;
            told.push(format!(
                "{} x {}",
                format::counted(table.rows, "row"),
                table.columns.len()
            ));
        }
    }
    Ok(format!("{command:<25}{}", told.join("   ")))
}

fn describe_step(
    project: &Project,
    step: Option<&reproof_record::RecipeStep>,
    outputs: &BTreeMap<StepName, Artifact>,
) -> Result<String, EngineError> {
    let Some(step) = step else {
        return Ok(String::new());
    };
    if let Some(program) = &step.program {
        return describe_program(project, program, outputs);
    }
    let (kind, what) = step
        .operation
        .name
        .as_str()
        .split_once('_')
        .unwrap_or((step.operation.name.as_str(), ""));
    let rows = |artifact: &Artifact| project.store.table_object(&artifact.digest);
    Ok(match kind {
        "image" => match outputs.get("table") {
            Some(artifact) => {
                let table = rows(artifact)?;
                format::size(artifact.kind, table.rows, table.columns.len() as u64)
            }
            None => String::new(),
        },
        "split" => {
            let mut parts = Vec::new();
            for part in ["train", "eval", "test"] {
                if let Some(artifact) = outputs.get(part) {
                    parts.push(format!("{part} {}", format::count(rows(artifact)?.rows)));
                }
            }
            format!("{what:<25}{}", parts.join(" · "))
        }
        "preprocess" => {
            let features = step
                .parameters
                .get("features")
                .and_then(|value| value.as_object());
            let features =
                format::counted(features.map_or(0, serde_json::Map::len) as u64, "feature");
            let columns = match outputs.get("train") {
                Some(artifact) => rows(artifact)?.columns.len() as u64,
                None => 0,
            };
            format!("{features:<25}{}", format::counted(columns, "column"))
        }
        _ => what.to_owned(),
    })
}

/// The overall metrics on one line, and the worst slice by the first of them on another.
pub fn metric_lines(metrics: &Metrics, wanted: &[String]) -> Vec<String> {
    let names: Vec<&String> = if wanted.is_empty() {
        metrics.overall.keys().collect()
    } else {
        wanted
            .iter()
            .filter(|name| metrics.overall.contains_key(*name))
            .collect()
    };
    let all: Vec<_> = names
        .iter()
        .map(|name| estimate(name, &metrics.overall[*name]))
        .collect();
    let mut lines = vec![all.join("   ")];
    lines.extend(baseline(metrics, &names));
    if let Some((name, slice)) = names
        .first()
        .and_then(|name| Some((*name, worst(metrics, name)?)))
    {
        lines.push(format!(
            "worst slice {}: {}, {}",
            slice.name(),
            estimate(name, &slice.metrics[name.as_str()]),
            format::counted(slice.rows, "row"),
        ));
    }
    lines
}

/// What a prediction that knows only the training part's labels scores, if that was asked for.
pub fn baseline(metrics: &Metrics, names: &[&String]) -> Option<String> {
    let baseline = metrics.baseline.as_ref()?;
    let values = names.iter().filter_map(|name| {
        let value = baseline.get(*name)?.value?;
        Some(format!("{name} {}", format::metric(value)))
    });
    let values: Vec<_> = values.collect();
    Some(format!("baseline {}", values.join("   ")))
}

/// Rows by class and predicted class: a line of names, then one for each class.
pub fn confusion(metrics: &Metrics) -> Vec<String> {
    let (Some(rows), Some(classes)) = (&metrics.confusion_matrix, &metrics.classes) else {
        return Vec::new();
    };
    let names: Vec<String> = classes.iter().map(ToString::to_string).collect();
    let counts = rows.iter().flatten().map(|&count| format::count(count));
    let width = names.iter().cloned().chain(counts);
    let width = width.map(|text| text.chars().count()).max().unwrap_or(0);
    let line = |first: &str, cells: Vec<String>| {
        let cells = cells.iter().map(|cell| format!("  {cell:>width$}"));
        format!("{first:<width$}{}", cells.collect::<String>())
    };
    let mut lines = vec![line("", names.clone())];
    for (name, row) in names.iter().zip(rows) {
        lines.push(line(
            name,
            row.iter().map(|&count| format::count(count)).collect(),
        ));
    }
    lines
}

/// A metric with its interval: `roc_auc 0.842 [0.816, 0.866]`.
pub fn estimate(name: &str, estimate: &Estimate) -> String {
    match (estimate.value, estimate.low, estimate.high) {
        (Some(value), Some(low), Some(high)) => format!(
            "{name} {} [{}, {}]",
            format::metric(value),
            format::metric(low),
            format::metric(high)
        ),
        (Some(value), ..) => format!("{name} {}", format::metric(value)),
        (None, ..) => format!(
            "{name} not defined{}",
            estimate
                .reason
                .map(|reason| format!(": {reason}"))
                .unwrap_or_default()
        ),
    }
}

/// The slice that does worst on this metric, among those that a gate would judge.
fn worst<'a>(metrics: &'a Metrics, name: &str) -> Option<&'a SliceMetrics> {
    let smaller_is_better = matches!(name, "log_loss" | "brier" | "rmse" | "mae" | "mape");
    let value = |slice: &SliceMetrics| slice.metrics.get(name).and_then(|found| found.value);
    let judged = metrics.slices.iter().filter(|slice| slice.is_judged(name));
    judged.min_by(|a, b| {
        let (a, b) = (value(a).unwrap_or(0.0), value(b).unwrap_or(0.0));
        if smaller_is_better {
            b.total_cmp(&a)
        } else {
            a.total_cmp(&b)
        }
    })
}

/// The gates: how many passed, and each one that failed.
pub fn gate_lines(gates: &[GateOutcome], printer: &Printer) -> Vec<String> {
    if gates.is_empty() {
        return Vec::new();
    }
    let count = |verdict| gates.iter().filter(|gate| gate.verdict == verdict).count();
    let mut text = format!("  {:<LABEL$}{} passed", "gates", count(GateVerdict::Passed));
    let failed = count(GateVerdict::Failed);
    if failed > 0 {
        text += &format!(
            ", {}",
            printer.paint(Style::Bad, &format!("{failed} failed"))
        );
    }
    let not_judged = count(GateVerdict::NotJudged);
    if not_judged > 0 {
        text += &format!(", {not_judged} not judged");
    }
    let mut lines = vec![text];
    for gate in gates
        .iter()
        .filter(|gate| gate.verdict == GateVerdict::Failed)
    {
        lines.push(format!("  {:<LABEL$}{}", "", gate_text(gate)));
    }
    lines
}

/// What the data had to meet: how much of it was met, and then what was not, with rows.
pub fn expectation_lines(all: &[ExpectationOutcome], printer: &Printer) -> Vec<String> {
    if all.is_empty() {
        return Vec::new();
    }
    let count = |verdict| all.iter().filter(|one| one.verdict == verdict).count();
    let met = count(GateVerdict::Passed);
    let mut text = format!("  {:<LABEL$}{met} met", "expected");
    let failed = count(GateVerdict::Failed);
    if failed > 0 {
        let failed = format!("{failed} not met");
        text += &format!(", {}", printer.paint(Style::Bad, &failed));
    }
    let not_judged = count(GateVerdict::NotJudged);
    if not_judged > 0 {
        text += &format!(", {not_judged} not judged");
    }
    let mut lines = vec![text];
    for one in all.iter().filter(|one| one.verdict != GateVerdict::Passed) {
        let reason = one.reason.as_deref().unwrap_or_default();
        let data = match &one.output {
            Some(output) => format!("{}.{output}", one.data),
            None => one.data.to_string(),
        };
        let text = format!("{data}: {}: {reason}", one.expectation);
        lines.push(format!("  {:<LABEL$}{}", "", format::visible(&text)));
        for row in &one.examples {
            let values: Vec<_> = row
                .values
                .iter()
                .map(|(name, value)| {
                    let value = value.as_deref().unwrap_or("(missing)");
                    format!("{name}={value}")
                })
                .collect();
            let values = format::cut(&format::visible(&values.join(" ")), 100);
            let row = format::count(row.row);
            lines.push(format!("  {:<LABEL$}  row {row}: {values}", ""));
        }
    }
    lines
}

/// One gate: `roc_auc >= 0.8: 0.742, failed`.
pub fn gate_text(gate: &GateOutcome) -> String {
    let place = gate
        .slice
        .as_ref()
        .map(|slice| format!("{slice}: "))
        .unwrap_or_default();
    let value = gate
        .value
        .map(|value| format!(": {}", format::metric(value)))
        .unwrap_or_default();
    let verdict = match gate.verdict {
        GateVerdict::Passed => "passed",
        GateVerdict::Failed => "failed",
        GateVerdict::NotJudged => "not judged",
    };
    let reason = gate
        .reason
        .as_ref()
        .map(|reason| format!(" ({reason})"))
        .unwrap_or_default();
    format!("{place}{}{value}, {verdict}{reason}", gate.requirement)
}

/// How two environments differ, line by line.
pub fn environment(diff: &ClosureDiff) -> Vec<String> {
    let change = |difference: &Difference| match difference {
        Difference::Added(version) => format!("added {}", version.as_deref().unwrap_or("")),
        Difference::Removed(version) => format!("removed {}", version.as_deref().unwrap_or("")),
        Difference::Version(from, to) => format!("{from} -> {to}"),
        Difference::Content => "the same version with other content".to_owned(),
    };
    let python = diff.interpreter.iter();
    let python = python.map(|python| format!("python   {}", change(python)));
    let packages = diff.packages.iter().map(|one| ("package", one));
    let libraries = diff.libraries.iter().map(|one| ("library", one));
    let rest = packages
        .chain(libraries)
        .map(|(kind, (name, difference))| format!("{kind}  {name}  {}", change(difference)));
    let lines: Vec<_> = python.chain(rest).collect();
    if lines.is_empty() {
        return vec!["the same packages and libraries; other files differ".to_owned()];
    }
    lines
}
