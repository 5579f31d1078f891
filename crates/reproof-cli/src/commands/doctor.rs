//! `reproof doctor`: what would keep the project from being run, recorded or repeated.

use clap::Args;
use reproof_engine::{
    CodeCheck, CodeFinding, EngineError, Finding, Health, Project, Rule, check_code, doctor,
    fix_code,
};
use serde_json::{Value, json};

use crate::arguments::Global;
use crate::exit::Exit;
use crate::printer::{Printer, Style};
use crate::{format, session};

/// The options of the command.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The pipeline whose code is looked at, and nothing else. Left out: all pipelines, and git, lock
    /// file, disk and store.
    #[arg(value_name = "PIPELINE")]
    pub pipeline: Option<String>,
    /// Change the code where a change is safe, such as sorted(…) around os.listdir(…).
    #[arg(long)]
    pub fix: bool,
    /// Let --fix change files that differ from the commit.
    #[arg(long, requires = "fix")]
    pub allow_dirty: bool,
    /// End with 10 for warnings, too: what repeats in Reproof alone.
    #[arg(long)]
    pub strict: bool,
    /// List the rules, and nothing else.
    #[arg(long, conflicts_with_all = ["pipeline", "fix", "strict"])]
    pub rules: bool,
}

/// The pipelines that were looked at, with the files that were changed.
type Checks = Vec<(CodeCheck, Vec<String>)>;

/// Runs the command.
pub fn execute(
    arguments: &Arguments,
    global: &Global,
    printer: &Printer,
) -> Result<Exit, EngineError> {
    if arguments.rules {
        print_rules(printer);
        return Ok(Exit::Done);
    }
    let project = session::project(global)?;
    let (findings, files) = match &arguments.pipeline {
        Some(named) => {
            let file = session::pipeline_file(&project, global, Some(named))?;
            (None, vec![file])
        }
        None => {
            let names = session::pipelines(&project)?.into_iter();
            let files = names.map(|name| format!("pipelines/{name}")).collect();
            (Some(doctor(&project)?), files)
        }
    };
    let bad = findings.as_deref().and_then(exit_of);
    // What the lock file says is needed to look at code.
    let checks = match bad {
        Some(Exit::Usage) => Vec::new(),
        _ => check_all(&project, files, arguments)?,
    };
    let shown = |finding: &&CodeFinding| {
        // Where the state of git is shown by itself, it is not told again for each pipeline.
        findings.is_none() || finding.rule != Rule::Uncommitted.name()
    };
    if printer.json {
        printer.document(&document(findings.as_deref(), &checks, shown));
    } else {
        for found in findings.iter().flatten() {
            print_health(found, printer);
        }
        for (check, fixed) in &checks {
            let all: Vec<_> = check.findings.iter().filter(shown).collect();
            print_check(check, &all, fixed, findings.is_some(), printer);
        }
    }
    let mut all = checks
        .iter()
        .flat_map(|(check, _)| &check.findings)
        .filter(shown);
    let found = all.any(|finding| arguments.strict || finding.is_error());
    Ok(bad.unwrap_or(if found { Exit::Gate } else { Exit::Done }))
}

/// How the command ends for the health of the project; none if all is well.
fn exit_of(findings: &[Finding]) -> Option<Exit> {
    let areas = [
        ("store", Exit::Integrity),
        ("disk", Exit::Storage),
        ("git", Exit::Environment),
        ("lock", Exit::Usage),
    ];
    let bad = |area: &str| {
        let mut all = findings.iter();
        all.any(|found| found.health == Health::Bad && found.area == area)
    };
    let mut found = areas.into_iter().filter(|(area, _)| bad(area));
    found.next().map(|(_, exit)| exit)
}

fn check_all(
    project: &Project,
    files: Vec<String>,
    arguments: &Arguments,
) -> Result<Checks, EngineError> {
    let mut checks = Vec::new();
    for file in files {
        let mut check = check_code(project, &file)?;
        let mut fixed = Vec::new();
        if arguments.fix {
            fixed = fix_code(project, &check, arguments.allow_dirty)?;
            if !fixed.is_empty() {
                check = check_code(project, &file)?;
            }
        }
        checks.push((check, fixed));
    }
    Ok(checks)
}

fn document(
    health: Option<&[Finding]>,
    checks: &Checks,
    shown: impl Fn(&&CodeFinding) -> bool,
) -> Value {
    let health = health.map(|findings| {
        let one = |found: &Finding| {
            json!({
                "area": found.area,
                "health": word(found.health),
                "text": found.text,
                "advice": found.advice,
            })
        };
        findings.iter().map(one).collect::<Vec<_>>()
    });
    let checks = checks.iter().map(|(check, fixed)| {
        let findings: Vec<_> = check.findings.iter().filter(&shown).collect();
        json!({
            "pipeline": check.pipeline_file,
            "files": check.files,
            "findings": findings,
            "fixed": fixed,
            "notes": check.notes,
        })
    });
    let checks: Vec<_> = checks.collect();
    match health {
        Some(health) => json!({ "findings": health, "code": checks }),
        None => json!({ "code": checks }),
    }
}

fn print_rules(printer: &Printer) {
    if printer.json {
        let rules = Rule::ALL
            .iter()
            .map(|rule| json!({ "rule": rule.name(), "severity": rule.severity().name(), "why": rule.why() }));
        let rules: Vec<_> = rules.collect();
        printer.document(&json!({ "rules": rules }));
        return;
    }
    for rule in Rule::ALL {
        let (name, severity) = (rule.name(), rule.severity().name());
        printer.line(&format!("{name:<24}{severity:<9}{}", rule.why()));
    }
}

fn print_health(found: &Finding, printer: &Printer) {
    let style = match found.health {
        Health::Good => Style::Good,
        Health::Doubtful => Style::Warning,
        Health::Bad => Style::Bad,
    };
    let state = printer.paint(style, &format!("{:<9}", word(found.health)));
    printer.line(&format!("{:<6} {state} {}", found.area, found.text));
    if let Some(advice) = found.advice {
        printer.line(&format!("{:<16} {advice}", ""));
    }
}

fn print_check(
    check: &CodeCheck,
    findings: &[&CodeFinding],
    fixed: &[String],
    after_health: bool,
    printer: &Printer,
) {
    for path in fixed {
        printer.line(&format!(
            "{} {}",
            printer.paint(Style::Good, "fixed"),
            format::visible(path)
        ));
    }
    for finding in findings {
        print_finding(finding, printer);
    }
    for note in &check.notes {
        printer.line(&printer.paint(Style::Dim, &format!("note: {}", format::visible(note))));
    }
    let errors = findings.iter().filter(|finding| finding.is_error()).count();
    let warnings = findings.len() - errors;
    let found = if findings.is_empty() {
        "nothing found".to_owned()
    } else {
        format!(
            "{}, {}",
            format::counted(errors as u64, "error"),
            format::counted(warnings as u64, "warning")
        )
    };
    let label = if after_health { "code   " } else { "" };
    printer.line(&format!(
        "{label}{}: {found} in {} of Python",
        format::visible(&check.pipeline_file),
        format::counted(check.files as u64, "file"),
    ));
}

fn print_finding(finding: &CodeFinding, printer: &Printer) {
    let mut place = finding
        .path
        .as_deref()
        .map(format::visible)
        .unwrap_or_default();
    if let Some(cell) = finding.cell {
        place += &format!(":cell {cell}");
    }
    for number in [finding.line, finding.column].into_iter().flatten() {
        place += &format!(":{number}");
    }
    if !place.is_empty() {
        place += ": ";
    }
    let style = if finding.is_error() {
        Style::Bad
    } else {
        Style::Warning
    };
    let severity = printer.paint(style, finding.severity);
    printer.line(&format!(
        "{place}{severity} {}: {}",
        finding.rule,
        format::visible(&finding.text)
    ));
    let fixes = if finding.fixable {
        " (--fix does it)"
    } else {
        ""
    };
    printer.line(&format!("    {}{fixes}", format::visible(&finding.advice)));
}

const fn word(health: Health) -> &'static str {
    match health {
        Health::Good => "good",
        Health::Doubtful => "doubtful",
        Health::Bad => "bad",
    }
}
