//! `reproof notebook check`.

use std::collections::BTreeSet;
use std::path::PathBuf;

use clap::Args;
use reproof_config::nearest;
use reproof_engine::{
    CheckedNotebook, CheckedNotebooks, EngineError, NotebookScope, Project, Rule, RuleFinding,
    Subject, check_notebooks, exists,
};
use reproof_record::StepName;
use serde_json::{Value, json};

use crate::arguments::Global;
use crate::exit::Exit;
use crate::format;
use crate::printer::{Printer, Style};
use crate::session;

/// The options of the command.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Notebooks, and folders with notebooks; all of the project if none is named.
    #[arg(value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// Apply only this rule, of those that 'reproof doctor --rules' lists; may be given several times.
    #[arg(long, value_name = "RULE", value_parser = rule)]
    pub rule: Vec<Rule>,
    /// Do not apply this rule; may be given several times.
    #[arg(long, value_name = "RULE", value_parser = rule)]
    pub ignore: Vec<Rule>,
    /// Apply all rules, also those about steps: what keeps the notebook from repeating as a step of a
    /// pipeline.
    #[arg(long, conflicts_with = "rule")]
    pub all: bool,
    /// The environment whose packages the imports are compared with, by its name in reproof.toml
    /// (otherwise 'default').
    #[arg(long, value_name = "NAME")]
    pub environment: Option<StepName>,
}

/// Runs the command.
pub fn execute(
    arguments: &Arguments,
    global: &Global,
    printer: &Printer,
) -> Result<Exit, EngineError> {
    let folder = session::folder(global)?;
    let services = session::services();
    let project = match Project::find(services.io.as_ref(), &folder) {
        Ok(root) => Some(Project::open(&root, services.clone())?),
        Err(error) if arguments.environment.is_some() => return Err(error),
        Err(_) => None,
    };
    for path in &arguments.paths {
        if !exists(services.io.as_ref(), &folder.join(path))? {
            return Err(EngineError::usage(format!(
                "there is no file or folder '{}'",
                path.display()
            )));
        }
    }
    let scope = NotebookScope {
        folder: &folder,
        paths: &arguments.paths,
        environment: arguments.environment.as_ref(),
    };
    let mut checked = check_notebooks(&services, project.as_ref(), &scope)?;
    for notebook in &mut checked.notebooks {
        if let Ok(report) = &mut notebook.report {
            report
                .findings
                .retain(|finding| is_asked_for(finding.rule, arguments));
        }
    }
    if printer.json {
        printer.document(&document(&checked));
    } else {
        show(&checked, printer);
    }
    let all = &checked.notebooks;
    let unreadable = all.iter().any(|notebook| notebook.report.is_err());
    let found = all
        .iter()
        .any(|notebook| findings(notebook).next().is_some());
    Ok(match () {
        () if unreadable => Exit::Usage,
        () if found => Exit::Gate,
        () => Exit::Done,
    })
}

/// A rule that notebooks can be held against.
fn rule(name: &str) -> Result<Rule, String> {
    let rule = name.parse::<Rule>().map_err(|unknown| {
        let known = Rule::ALL.iter().filter(|rule| is_of_code(**rule));
        match nearest(name, known.map(|rule| rule.name())) {
            Some(near) => format!("{unknown}: did you mean '{near}'?"),
            None => format!("{unknown}: 'reproof doctor --rules' lists them"),
        }
    })?;
    if is_of_code(rule) {
        Ok(rule)
    } else {
        Err(format!("'{rule}' is about pipelines, not about notebooks"))
    }
}

fn is_of_code(rule: Rule) -> bool {
    rule.subject() != Subject::Pipeline
}

fn is_asked_for(rule: Rule, arguments: &Arguments) -> bool {
    let asked = if arguments.rule.is_empty() {
        arguments.all || rule.is_of_exploring()
    } else {
        arguments.rule.contains(&rule)
    };
    asked && !arguments.ignore.contains(&rule)
}

fn findings(notebook: &CheckedNotebook) -> impl Iterator<Item = &RuleFinding> {
    let report = notebook.report.as_ref().ok();
    report.into_iter().flat_map(|report| &report.findings)
}

fn document(checked: &CheckedNotebooks) -> Value {
    let finding = |finding: &RuleFinding| {
        json!({
            "rule": finding.rule.name(),
            "severity": finding.severity.name(),
            "cell": finding.cell,
            "line": finding.line,
            "column": finding.column,
            "what": finding.text,
            "why": finding.rule.why(),
            "advice": finding.advice,
        })
    };
    let notebook = |notebook: &CheckedNotebook| match &notebook.report {
        Ok(report) => json!({
            "path": notebook.path,
            "findings": report.findings.iter().map(finding).collect::<Vec<_>>(),
            "notes": report.notes,
        }),
        Err(error) => json!({
            "path": notebook.path,
            "error": error.to_string(),
            "hint": error.hint(),
        }),
    };
    json!({
        "notebooks": checked.notebooks.iter().map(notebook).collect::<Vec<_>>(),
        "notes": checked.notes,
    })
}

fn show(checked: &CheckedNotebooks, printer: &Printer) {
    // What was said once need not be said again.
    let mut explained: BTreeSet<Rule> = BTreeSet::new();
    let mut advised: BTreeSet<&str> = BTreeSet::new();
    for notebook in &checked.notebooks {
        let report = match &notebook.report {
            Ok(report) => report,
            Err(error) => {
                printer.error_text(&format!("{}: {error}", notebook.path), error.hint());
                continue;
            }
        };
        if !report.findings.is_empty() {
            printer.line(&printer.paint(Style::Strong, &notebook.path));
        }
        for finding in &report.findings {
            let cell = finding.cell.unwrap_or_default();
            let place = format!("cell {cell}, line {}", finding.line);
            let rule = printer.paint(Style::Warning, finding.rule.name());
            let what = format::visible(&finding.text);
            printer.line(&format!("  {place:<16}  {rule}: {what}"));
            if explained.insert(finding.rule) {
                printer.line(&format!("  {:<16}  why: {}", "", finding.rule.why()));
            }
            if advised.insert(&finding.advice) {
                let advice = format::visible(&finding.advice);
                printer.line(&format!("  {:<16}  do:  {advice}", ""));
            }
        }
        for note in &report.notes {
            printer.note(&format!("{}: {note}", notebook.path));
        }
    }
    for note in &checked.notes {
        printer.note(note);
    }
    let count = |count: usize, noun: &str| format::counted(count as u64, noun);
    let all: usize = checked
        .notebooks
        .iter()
        .map(|one| findings(one).count())
        .sum();
    let notebooks = count(checked.notebooks.len(), "notebook");
    printer.line(&match all {
        0 => format!("{notebooks}, nothing found"),
        all => format!("{notebooks}, {}", count(all, "finding")),
    });
}
