//! Validates what stands for a program of the user's.

use super::check_object;
use crate::diagnostic::{Report, Span};
use crate::names::{nearest, shown};
use crate::program::{Reserved, is_variable_name, reserved};
use crate::shape::Object;
use crate::tables::PROGRAM_STEP;
use crate::tree::{Entry, Node};

/// The keys that say what is run, of which a program has one.
const COMMANDS: [&str; 3] = ["run", "shell", "notebook"];

/// The entry that says what is run.
pub(super) fn command(node: &Node) -> Option<&Entry> {
    COMMANDS.into_iter().find_map(|key| node.entry(key))
}

/// Whether a node is read as a program: it says what is run.
pub(crate) fn runs_program(node: &Node) -> bool {
    command(node).is_some()
}

/// Whether a mapping, which may be something else, is meant as a program: it has a key of one.
pub(super) fn is_meant(object: &Object, node: &Node) -> bool {
    node.entries().iter().any(|entry| {
        let key = entry.key.value.as_str();
        object.field(key).is_some()
            || object.later.iter().any(|later| later.key == key)
            || nearest(key, COMMANDS.into_iter()).is_some()
    })
}

/// Whether a step of a free graph is meant as a program.
pub(super) fn is_step(node: &Node) -> bool {
    // Shared with built-in operations, so it tells nothing.
    let of_program =
        |key: &str| !matches!(key, "inputs" | "parameters") && PROGRAM_STEP.field(key).is_some();
    let mut keys = node.entries().iter().map(|entry| entry.key.value.as_str());
    node.get("operation").is_none()
        && !keys
            .clone()
            .any(|key| nearest(key, std::iter::once("operation")).is_some())
        && keys.any(|key| of_program(key) || nearest(key, COMMANDS.into_iter()).is_some())
}

/// Checks the keys of a program, one of which says what is run.
pub(super) fn check(object: &Object, node: &Node, at: Span, report: &mut Report<'_>) {
    check_object(object, node, at, report);
    let mut commands = COMMANDS.into_iter().filter_map(|key| node.entry(key));
    match (commands.next(), commands.next()) {
        (Some(_), Some(second)) => {
            report.error(
                second.key.span,
                "a program has one of 'run', 'shell' and 'notebook'",
            );
        }
        (None, _) => {
            let misspelt = node.entries().iter().any(|entry| {
                let key = entry.key.value.as_str();
                object.field(key).is_none() && nearest(key, COMMANDS.into_iter()).is_some()
            });
            if !misspelt {
                report.hinted(
                    at,
                    "the key 'run' is missing",
                    "it is a list, such as run: [python, train.py]",
                );
            }
        }
        (Some(_), None) => {}
    }
}

/// Checks the name of an environment variable that a program is to get.
pub(super) fn check_variable(text: &str, span: Span, report: &mut Report<'_>) {
    if !is_variable_name(text) {
        report.hinted(
            span,
            format!("'{}' is not the name of a variable", shown(text)),
            "letters, digits and '_' may stand in it; a digit may not come first",
        );
    } else if let Some(by) = reserved(text) {
        let hint = match by {
            Reserved::Threads => "write 'threads: N' beside 'run'",
            Reserved::Profile => {
                "the 'profile' decides it; set it inside the program if it must differ"
            }
            Reserved::Always => {
                "it is the same for every program, whatever the machine; set it inside the program \
                 if it must differ"
            }
        };
        let message = format!("'{}' is set by Reproof itself", shown(text));
        report.hinted(span, message, hint);
    }
}
