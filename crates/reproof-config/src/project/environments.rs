//! Reads `[environments.NAME]`. What is malformed was reported by the validation and is skipped
//! here; what the validation cannot see is reported.

use std::collections::BTreeMap;

use reproof_record::{RelativePath, StepName};

use super::{EnvironmentSource, PythonOptions};
use crate::diagnostic::{Report, Span};
use crate::names::{nearest, shown};
use crate::tables::ENVIRONMENT;
use crate::tree::{Entry, Node};

/// What an environment is made from: one of these.
const KINDS: [&str; 3] = ["requirements", "pyproject", "system"];

/// Reads the environments.
pub(super) fn read(
    node: Option<&Node>,
    report: &mut Report<'_>,
) -> BTreeMap<StepName, EnvironmentSource> {
    let entries = node.map(Node::entries).unwrap_or_default();
    let read = entries.iter().filter_map(|entry| {
        let source = read_one(&entry.value, entry.key.span, report)?;
        let name = StepName::new(entry.key.value.as_str()).ok()?;
        Some((name, source))
    });
    read.collect()
}

fn read_one(node: &Node, at: Span, report: &mut Report<'_>) -> Option<EnvironmentSource> {
    let given: Vec<_> = KINDS
        .into_iter()
        .filter_map(|kind| node.entry(kind))
        .collect();
    let kind = match given[..] {
        [kind] => kind,
        [] => {
            if !node.is_invalid() && !told(node) {
                report.hinted(
                    at,
                    "the environment is made from nothing",
                    "write one of requirements, pyproject, system",
                );
            }
            return None;
        }
        [first, second, ..] => {
            let message = format!(
                "an environment is made from one thing, and '{}' is there already",
                first.key.value
            );
            report.error(second.key.span, message);
            return None;
        }
    };
    check_beside(kind, node, report);
    if kind.key.value == "system" {
        return Some(EnvironmentSource::System {
            programs: texts(&kind.value, is_program, report),
            paths: node
                .get("paths")
                .map(|paths| texts(paths, is_place, report))
                .unwrap_or_default(),
        });
    }
    let python = PythonOptions {
        version: node.get("python").and_then(|node| version(node, report)),
        allow_builds: node.get("allow_builds").and_then(Node::boolean) == Some(true),
    };
    let file = RelativePath::new(kind.value.text()?).ok()?;
    Some(if kind.key.value == "requirements" {
        EnvironmentSource::Requirements { file, python }
    } else {
        EnvironmentSource::Pyproject { file, python }
    })
}

/// Whether what was said of another key is enough: a later version's, or a misspelt one.
fn told(node: &Node) -> bool {
    node.entries().iter().any(|entry| {
        let key = entry.key.value.as_str();
        let later = ENVIRONMENT.later.iter().any(|later| later.key == key);
        let known = ENVIRONMENT.field(key).is_some();
        later || !known && nearest(key, KINDS.into_iter()).is_some()
    })
}

/// Reports keys that have no use beside this kind.
fn check_beside(kind: &Entry, node: &Node, report: &mut Report<'_>) {
    let kind = kind.key.value.as_str();
    let useless: &[&str] = if kind == "system" {
        &["python", "allow_builds"]
    } else {
        &["paths"]
    };
    for entry in useless.iter().filter_map(|key| node.entry(key)) {
        let message = format!("'{}' has no use beside '{kind}'", entry.key.value);
        report.error(entry.key.span, message);
    }
}

/// `3.11` or `3.11.7`.
fn version(node: &Node, report: &mut Report<'_>) -> Option<String> {
    let text = node.text()?;
    let parts: Vec<_> = text.split('.').collect();
    let is_number = |part: &&str| {
        (1..=4).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit())
    };
    if (2..=3).contains(&parts.len()) && parts.iter().all(is_number) {
        return Some(text.to_owned());
    }
    report.hinted(
        node.span,
        format!("'{}' is not a version of Python", shown(text)),
        "write it as \"3.11\" or \"3.11.7\"",
    );
    None
}

type Check = fn(&str) -> Result<(), &'static str>;

/// The texts of a list, each checked.
fn texts(node: &Node, check: Check, report: &mut Report<'_>) -> Vec<String> {
    let mut texts: Vec<String> = Vec::new();
    for item in node.items() {
        let Some(text) = item.text() else { continue };
        if let Err(hint) = check(text) {
            report.hinted(
                item.span,
                format!("'{}' cannot stand here", shown(text)),
                hint,
            );
        } else if texts.iter().any(|other| other == text) {
            report.error(item.span, format!("'{}' stands twice", shown(text)));
        } else {
            texts.push(text.to_owned());
        }
    }
    texts
}

/// A name that is looked for, or an absolute path.
fn is_program(text: &str) -> Result<(), &'static str> {
    if text.contains('/') {
        return is_place(text);
    }
    match RelativePath::new(text) {
        Ok(_) => Ok(()),
        Err(_) => Err("write the name of a program, such as Rscript, or its absolute path"),
    }
}

/// An absolute path with nothing strange in it.
fn is_place(text: &str) -> Result<(), &'static str> {
    let inside = text.strip_prefix('/').map(RelativePath::new);
    match inside {
        Some(Ok(_)) => Ok(()),
        _ => Err("write an absolute path without . and .. in it, such as /usr/lib/R"),
    }
}
