//! Commands of the machine, and packages that are installed by cells.

use ruff_python_ast::IpyEscapeKind;

use super::scan::Scan;
use super::{Finding, Rule};
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

/// `commands` are those of whole cells: cell, line, command.
pub(super) fn check(scan: &Scan, commands: &[(usize, u32, String)]) -> Vec<Finding> {
    let lines = scan.escapes.iter().filter_map(|escape| {
        let (mark, text) = match escape.kind {
            IpyEscapeKind::Shell | IpyEscapeKind::ShCap => ("!", escape.text.as_str()),
            IpyEscapeKind::Magic => {
                let (name, rest) = split(&escape.text);
                match name {
                    "system" | "sx" => ("!", rest),
                    _ if INSTALLERS.contains(&name) => ("%", escape.text.as_str()),
                    _ => return None,
                }
            }
            _ => return None,
        };
        let rule = rule_of(text);
        // A magic that only asks is no command.
        (mark == "!" || rule == Rule::Install)
            .then(|| finding(rule, (escape.spot.cell, escape.spot.line), mark, text))
    });
    let cells = commands
        .iter()
        .map(|(cell, line, text)| (cell, line, rule_of(text), text))
        .filter(|(.., rule, _)| *rule != Rule::ShellCommand)
        .map(|(cell, line, rule, text)| finding(rule, (*cell, *line), "", text));
    lines.chain(cells).collect()
}

fn finding(rule: Rule, (cell, line): (usize, u32), mark: &str, text: &str) -> Finding {
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
    Finding {
        rule,
        cell,
        line,
        what: format!("'{mark}{shown}' {what}"),
        advice: advice.to_owned(),
    }
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
