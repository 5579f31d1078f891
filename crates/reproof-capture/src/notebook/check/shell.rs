//! Commands of the machine, and packages that are installed by cells.

use ruff_python_ast::visitor::{Visitor, walk_expr, walk_stmt};
use ruff_python_ast::{Expr, IpyEscapeKind, Stmt};
use ruff_text_size::Ranged;

use super::bindings::DEPTH;
use super::{Cell, CellCode, Finding, Part, Rule};
use crate::closure::Lines;
use crate::notebook::magic::split;

/// Programs that install packages, and the words by which they do.
const INSTALLERS: [&str; 12] = [
    "pip",
    "pip3",
    "conda",
    "mamba",
    "micromamba",
    "uv",
    "apt",
    "apt-get",
    "npm",
    "brew",
    "yum",
    "poetry",
];
/// Programs that fetch something.
const FETCHERS: [&str; 8] = [
    "wget",
    "curl",
    "gdown",
    "aria2c",
    "kaggle",
    "gsutil",
    "azcopy",
    "youtube-dl",
];
/// How many characters of a command are shown.
const SHOWN: usize = 60;

/// Looks at the lines that are no Python, and at cells that are commands as a whole.
pub(super) fn check(parts: &[Part<'_>], cells: &[(&Cell, CellCode)]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for part in parts {
        let mut escapes = Escapes::default();
        escapes.visit_body(part.body);
        if escapes.found.is_empty() {
            continue;
        }
        let lines = Lines::new(part.text);
        for (byte, kind, text) in escapes.found {
            let place = (part.cell.unwrap_or_default(), lines.line(byte));
            findings.extend(escaped(kind, &text, place));
        }
    }
    for (cell, code) in cells {
        for (line, text) in &code.shell {
            let rule = rule_of(text);
            if rule != Rule::ShellCommand {
                findings.push(finding(rule, (cell.number, *line), "", text));
            }
        }
    }
    findings
}

/// What a line that is no Python does.
fn escaped(kind: IpyEscapeKind, line: &str, place: (usize, u32)) -> Option<Finding> {
    let (mark, text) = match kind {
        IpyEscapeKind::Shell | IpyEscapeKind::ShCap => ("!", line),
        IpyEscapeKind::Magic => {
            let (name, rest) = split(line);
            match name {
                "system" | "sx" => ("!", rest),
                _ if INSTALLERS.contains(&name) => ("%", line),
                _ => return None,
            }
        }
        _ => return None,
    };
    let rule = rule_of(text);
    // A magic that only asks is no command.
    (mark == "!" || rule == Rule::Install).then(|| finding(rule, place, mark, text))
}

/// The lines of a cell that are no Python: where each begins, its kind and its text.
#[derive(Default)]
struct Escapes {
    found: Vec<(usize, IpyEscapeKind, String)>,
    depth: usize,
}

impl Escapes {
    fn within(&mut self, go: impl FnOnce(&mut Self)) {
        if self.depth < DEPTH {
            self.depth += 1;
            go(self);
            self.depth -= 1;
        }
    }
}

impl<'a> Visitor<'a> for Escapes {
    fn visit_stmt(&mut self, statement: &'a Stmt) {
        if let Stmt::IpyEscapeCommand(command) = statement {
            let text = command.value.to_string();
            self.found
                .push((statement.start().to_usize(), command.kind, text));
        }
        self.within(|this| walk_stmt(this, statement));
    }

    fn visit_expr(&mut self, expression: &'a Expr) {
        if let Expr::IpyEscapeCommand(command) = expression {
            let text = command.value.to_string();
            self.found
                .push((expression.start().to_usize(), command.kind, text));
        }
        self.within(|this| walk_expr(this, expression));
    }
}

fn finding(rule: Rule, (cell, line): (usize, u32), mark: &str, text: &str) -> Finding {
    let text = text.split(" # reproof:").next().unwrap_or_default();
    let first = text.trim().lines().next().unwrap_or_default();
    let shown: String = first.chars().take(SHOWN).collect();
    let (what, advice) = match rule {
        Rule::Install => (
            "installs packages",
            "write them into requirements.in, then 'reproof env lock'",
        ),
        Rule::Download => (
            "downloads something",
            "keep the file in the project, or name it under 'data' in a pipeline, which pins it",
        ),
        _ => (
            "runs a command of the machine",
            "do it in Python, or take the line out of the notebook",
        ),
    };
    let text = format!("'{mark}{shown}' {what}");
    Finding::new(rule, Some(cell), line, text, advice)
}

/// What a command does.
fn rule_of(command: &str) -> Rule {
    let words: Vec<&str> = command
        .split(|c: char| c.is_whitespace() || ";&|()".contains(c))
        .filter(|word| !word.is_empty())
        .collect();
    let program = |word: &&str| word.rsplit('/').next().unwrap_or_default().to_owned();
    let installs = words.iter().enumerate().any(|(at, word)| {
        let after = words.get(at + 1..).unwrap_or_default();
        INSTALLERS.contains(&program(word).as_str())
            && after
                .iter()
                .take(4)
                .any(|word| matches!(*word, "install" | "add" | "sync" | "create" | "update"))
    });
    let fetches = words
        .iter()
        .any(|word| FETCHERS.contains(&program(word).as_str()))
        || words
            .windows(2)
            .any(|pair| matches!(pair, ["git", "clone"] | ["aws", "s3"]));
    if installs {
        Rule::Install
    } else if fetches {
        Rule::Download
    } else {
        Rule::ShellCommand
    }
}
