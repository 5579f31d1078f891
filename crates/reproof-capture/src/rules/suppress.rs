//! Comments that silence a rule on their line: `# reproof: ignore[RULE, RULE]`.

use std::collections::BTreeSet;

use ruff_python_ast::token::TokenKind;
use ruff_text_size::Ranged;

use super::{Finding, Part, Rule};
use crate::closure::parse::Lines;

/// How such a comment begins, behind its `#`.
const BEGIN: &str = "reproof: ignore[";

/// The rules that a comment silences, and the names in it that are no rule.
fn read(comment: &str) -> Option<(Vec<Rule>, Vec<String>)> {
    let (_, rest) = comment.split_once(BEGIN)?;
    let (list, _) = rest.split_once(']')?;
    let (mut rules, mut unknown) = (Vec::new(), Vec::new());
    for name in list.split(',').map(str::trim) {
        match name.parse() {
            Ok(rule) => rules.push(rule),
            Err(_) => unknown.push(name.to_owned()),
        }
    }
    Some((rules, unknown))
}

/// Whether a line of a file that is not Python, such as a pipeline, silences a rule by a comment.
pub fn suppressed_in(line: &str, rule: Rule) -> bool {
    let comment = line.split_once('#').map(|(_, comment)| comment);
    comment
        .and_then(read)
        .is_some_and(|(rules, _)| rules.contains(&rule))
}

/// The comments of some code.
#[derive(Default)]
pub(crate) struct Comments {
    /// What is silenced: cell, line, rule.
    silenced: BTreeSet<(Option<usize>, u32, Rule)>,
    /// What they name that is no rule.
    unknown: Vec<Finding>,
}

impl Comments {
    /// Reads those of code that was parsed.
    pub(crate) fn read(&mut self, part: &Part<'_>) {
        let lines = Lines::new(part.text);
        for token in part.tokens {
            // A command of the shell has its comment in itself.
            if matches!(
                token.kind(),
                TokenKind::Comment | TokenKind::IpyEscapeCommand
            ) {
                let range = token.range();
                let (begin, end) = (range.start().to_usize(), range.end().to_usize());
                let written = part.text.get(begin..end).unwrap_or_default();
                if let Some(from) = written.find('#') {
                    let column = super::visit::column(part.text, &lines, begin + from);
                    let place = (part.cell, lines.line(begin), column);
                    self.comment(&written[from..], place);
                }
            }
        }
    }

    /// Reads those of a cell that is no Python.
    pub(crate) fn read_lines(&mut self, cell: usize, text: &str) {
        for (line, number) in text.lines().zip(1..) {
            if let Some((before, comment)) = line.split_once('#') {
                let column = before.chars().count() as u32 + 1;
                self.comment(comment, (Some(cell), number, column));
            }
        }
    }

    fn comment(&mut self, written: &str, (cell, line, column): (Option<usize>, u32, u32)) {
        let Some((rules, unknown)) = read(written) else {
            return;
        };
        let rules = rules.into_iter().map(|rule| (cell, line, rule));
        self.silenced.extend(rules);
        for name in unknown {
            let mut finding = Finding::new(
                Rule::UnknownRule,
                cell,
                line,
                format!("there is no rule '{name}' to be ignored"),
                "see the list in 'reproof doctor --rules'",
            );
            finding.column = column;
            self.unknown.push(finding);
        }
    }

    /// Takes out what they silence, and adds what they name that is no rule.
    pub(super) fn apply(self, found: &mut Vec<Finding>) {
        found.retain(|finding| {
            let place = (finding.cell, finding.line, finding.rule);
            !self.silenced.contains(&place)
        });
        found.extend(self.unknown);
    }
}
