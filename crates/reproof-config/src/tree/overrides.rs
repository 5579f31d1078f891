//! Values set on the command line: put into the tree before it is validated, so that they are
//! checked, and blamed, like what stands in the file.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use super::{Entry, Node, Value, parse_yaml};
use crate::diagnostic::{Report, Sources, Span, Spanned};
use crate::names::shown;

/// A value of a pipeline file set from outside: `--set train.logistic_regression.l2=0.5`.
///
/// The path names keys, joined by `.`; a part that has a dot in it stands in double quotes, and a
/// number picks an item of a list, from 0. The value is YAML, such as `0.5`, `"Yes"` or
/// `[roc_auc, accuracy]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Override {
    /// Where: keys joined by `.`.
    pub path: String,
    /// What: a YAML value.
    pub value: String,
}

/// A text that is not `PATH=VALUE`.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("'{0}' does not set a value: write PATH=VALUE, such as train.logistic_regression.l2=0.5")]
pub struct OverrideError(String);

impl FromStr for Override {
    type Err = OverrideError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut quoted = false;
        for (index, c) in text.char_indices() {
            match c {
                '"' => quoted = !quoted,
                '=' if !quoted && index > 0 => {
                    return Ok(Self {
                        path: text[..index].to_owned(),
                        value: text[index + 1..].to_owned(),
                    });
                }
                _ => {}
            }
        }
        Err(OverrideError(shown(text)))
    }
}

impl fmt::Display for Override {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.path, self.value)
    }
}

/// Adds an override to the texts of a reading and says which it is.
pub(crate) fn override_source(set: &Override, sources: &mut Sources) -> usize {
    sources.add("--set", &set.to_string())
}

/// Puts an override's value into the tree.
pub(crate) fn apply(root: &mut Node, set: &Override, source: usize, report: &mut Report<'_>) {
    let base = set.path.len() + 1;
    let Some(value) = parse_yaml(&set.value, source, base, report) else {
        return;
    };
    let Some(path) = parts(&set.path, source, report) else {
        return;
    };
    let mut at = root;
    for part in path {
        match step_into(at, part, report) {
            Some(next) => at = next,
            None => return,
        }
    }
    *at = value;
}

/// The keys of a path.
fn parts(path: &str, source: usize, report: &mut Report<'_>) -> Option<Vec<Spanned<String>>> {
    let mut parts = Vec::new();
    let mut start = 0;
    loop {
        let rest = &path[start..];
        let (text, length) = if let Some(quoted) = rest.strip_prefix('"') {
            match quoted.find('"') {
                Some(end) => (&quoted[..end], end + 2),
                None => ("", rest.len()),
            }
        } else {
            let end = rest.find('.').unwrap_or(rest.len());
            (&rest[..end], end)
        };
        let end = start + length;
        let span = Span { source, start, end };
        if text.is_empty() || !(end == path.len() || path[end..].starts_with('.')) {
            report.hinted(
                span,
                "the path is not well formed",
                "write keys joined by '.', with quotes around a key that has a dot in it",
            );
            return None;
        }
        parts.push(Spanned::new(text.to_owned(), span));
        if end == path.len() {
            return Some(parts);
        }
        start = end + 1;
    }
}

/// The place of a key, which is made if it is not there: the validation that follows knows
/// whether such a key may stand there.
fn step_into<'a>(
    node: &'a mut Node,
    part: Spanned<String>,
    report: &mut Report<'_>,
) -> Option<&'a mut Node> {
    let empty = Node::new(part.span, Value::Null);
    // `train: logistic_regression` is short for a mapping with that one key.
    let short = node.text() == Some(part.value.as_str());
    if short || node.is_null() {
        node.value = Value::Map(Vec::new());
    }
    let described = node.describe();
    match &mut node.value {
        Value::Map(entries) => {
            let found = entries
                .iter()
                .position(|entry| entry.key.value == part.value);
            let index = found.unwrap_or_else(|| {
                entries.push(Entry {
                    key: part,
                    value: empty,
                });
                entries.len() - 1
            });
            entries.get_mut(index).map(|entry| &mut entry.value)
        }
        Value::List(items) => {
            let count = items.len();
            let index = part.value.parse::<usize>().ok();
            let found = index.and_then(|index| items.get_mut(index));
            if found.is_none() {
                let message = format!(
                    "the list has {count} items, counted from 0, and no '{}'",
                    shown(&part.value)
                );
                report.error(part.span, message);
            }
            found
        }
        Value::Invalid => None,
        _ => {
            let message = format!(
                "there is {described} in the file, which has no '{}' in it",
                shown(&part.value)
            );
            report.error(part.span, message);
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(file: &str, set: &str, expect: &str) {
        let set: Override = set.parse().unwrap();
        let mut sources = Sources::default();
        let source = sources.add("f", file);
        let from = override_source(&set, &mut sources);
        let mut report = Report::new(&sources);
        let mut node = parse_yaml(file, source, 0, &mut report).unwrap();
        apply(&mut node, &set, from, &mut report);
        let found = match report.finish() {
            Ok(()) => render(&node),
            Err(errors) => {
                let first = errors.iter().next().unwrap();
                format!("{}:{}: {}", first.file, first.column, first.message)
            }
        };
        assert_eq!(found, expect);
    }

    fn render(node: &Node) -> String {
        match &node.value {
            Value::Map(entries) => {
                let entries = entries
                    .iter()
                    .map(|entry| format!("{}: {}", entry.key.value, render(&entry.value)));
                format!("{{{}}}", entries.collect::<Vec<_>>().join(", "))
            }
            Value::List(items) => {
                format!(
                    "[{}]",
                    items.iter().map(render).collect::<Vec<_>>().join(", ")
                )
            }
            Value::Text(text) => text.clone(),
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn values_are_replaced_and_added() {
        check("a: {b: 1}", "a.b=2", "{a: {b: Integer(2)}}");
        check("a: {b: 1}", "a.c=[x]", "{a: {b: Integer(1), c: [x]}}");
        check("a:", "a.b.c=x", "{a: {b: {c: x}}}");
        check("a: b", "a.b.c=x", "{a: {b: {c: x}}}");
        check("a: [x, y]", "a.1=z", "{a: [x, z]}");
        check("a: {x.y: 1}", "a.\"x.y\"=z", "{a: {x.y: z}}");
        check("a: 1", "a=", "{a: Null}");
        check("a: 1", "a=b=c", "{a: b=c}");
    }

    #[test]
    fn what_does_not_fit_is_blamed_at_its_place() {
        check(
            "a: [x]",
            "a.3=z",
            "--set:3: the list has 1 items, counted from 0, and no '3'",
        );
        check(
            "a: 5",
            "a.b=z",
            "--set:3: there is the number 5 in the file, which has no 'b' in it",
        );
        check("a: 5", "a..b=z", "--set:3: the path is not well formed");
        check(
            "a: 5",
            "ab=010",
            "--set:4: the number '010' has a leading zero",
        );
        assert!("a.b".parse::<Override>().is_err());
        assert!("=1".parse::<Override>().is_err());
    }
}
