//! Comments that silence a rule on their line: `# reproof: ignore[RULE, RULE]`.

use ruff_python_ast::token::{TokenKind, Tokens};
use ruff_text_size::Ranged;

use super::{Finding, Rule};
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
            Err(()) => unknown.push(name.to_owned()),
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

/// Takes out what comments silence, and adds what they name that is no rule.
pub(super) fn apply(text: &str, tokens: &Tokens, found: &mut Vec<Finding>) {
    let lines = Lines::new(text);
    let comments = tokens
        .iter()
        .filter(|token| token.kind() == TokenKind::Comment);
    for comment in comments {
        let range = comment.range();
        let begin = range.start().to_usize();
        let written = text.get(begin..range.end().to_usize()).unwrap_or_default();
        let Some((rules, unknown)) = read(written) else {
            continue;
        };
        let line = lines.line(begin);
        found.retain(|finding| finding.line != line || !rules.contains(&finding.rule));
        for name in unknown {
            found.push(Finding {
                rule: Rule::UnknownRule,
                severity: Rule::UnknownRule.severity(),
                line,
                column: super::visit::column(text, &lines, begin),
                text: format!("there is no rule '{name}' to be ignored"),
                advice: "see the list in 'reproof doctor --rules'".to_owned(),
                fix: Vec::new(),
                unless_seeded: None,
                file: None,
            });
        }
    }
}
