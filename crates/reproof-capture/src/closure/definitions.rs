//! What a Python file defines, so that a change can be named by the function in which it is.

use std::collections::BTreeMap;

use ruff_python_ast::Stmt;
use ruff_text_size::{Ranged, TextRange};

use super::parse::with_module;

/// What stands outside every definition.
const MODULE: &str = "(module)";

/// The names of functions and classes whose text differs between two Python files, that only one of
/// them has, and `(module)` for what stands outside: `train`, `Model.fit`. None where one of them is
/// no Python that can be parsed.
pub fn changed_definitions(before: &[u8], after: &[u8]) -> Option<Vec<String>> {
    let (before, after) = (definitions(before)?, definitions(after)?);
    let names = before.keys().chain(after.keys());
    let mut changed: Vec<String> = names
        .filter(|name| before.get(*name) != after.get(*name))
        .cloned()
        .collect();
    changed.sort_unstable();
    changed.dedup();
    Some(changed)
}

/// The text of each definition, by name. Of several of one name all texts count.
fn definitions(bytes: &[u8]) -> Option<BTreeMap<String, String>> {
    with_module(bytes, |text, parsed| {
        let mut found = BTreeMap::new();
        let rest = collect(text, parsed.suite(), "", &mut found);
        found.entry(MODULE.to_owned()).or_default().push_str(&rest);
        found
    })
}

/// Collects the definitions of a body; gives the text of its other statements.
fn collect(
    text: &str,
    body: &[Stmt],
    prefix: &str,
    found: &mut BTreeMap<String, String>,
) -> String {
    let mut rest = String::new();
    let slice = |range: TextRange| text.get(range.start().to_usize()..range.end().to_usize());
    for statement in body {
        let whole = slice(statement.range()).unwrap_or_default();
        match statement {
            Stmt::FunctionDef(function) => {
                let name = format!("{prefix}{}", function.name);
                found.entry(name).or_default().push_str(whole);
            }
            Stmt::ClassDef(class) => {
                let name = format!("{prefix}{}", class.name);
                // Its head: decorators and bases.
                let begin = statement.range().start();
                let end = class
                    .body
                    .first()
                    .map_or(begin, |first| first.range().start());
                let mut own = slice(TextRange::new(begin, end))
                    .unwrap_or_default()
                    .to_owned();
                own.push_str(&collect(text, &class.body, &format!("{name}."), found));
                found.entry(name).or_default().push_str(&own);
            }
            _ => {
                rest.push_str(whole);
                rest.push('\n');
            }
        }
    }
    rest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changed(before: &str, after: &str) -> Option<Vec<String>> {
        changed_definitions(before.as_bytes(), after.as_bytes())
    }

    #[test]
    fn the_function_that_changed_is_named() {
        let file = |fit: &str, seed: u8| {
            format!(
                "import x\nSEED = {seed}\n\ndef load():\n    return 1\n\nclass Model(Base):\n    a = 1\n\n    \
                 def fit(self):\n        return {fit}\n\n    def other(self):\n        pass\n"
            )
        };
        let one = file("1", 1);
        assert_eq!(changed(&one, &one).unwrap(), [] as [&str; 0]);
        assert_eq!(changed(&one, &file("2", 1)).unwrap(), ["Model.fit"]);
        assert_eq!(changed(&one, &file("1", 2)).unwrap(), ["(module)"]);
        let more = format!("{one}\n\ndef new():\n    pass\n");
        assert_eq!(changed(&one, &more).unwrap(), ["new"]);
        let bases = one.replace("(Base)", "(Base, Other)");
        assert_eq!(changed(&one, &bases).unwrap(), ["Model"]);
        // A comment between definitions changes nothing that runs.
        let comment = one.replace("\n\nclass", "\n\n# a note\nclass");
        assert_eq!(changed(&one, &comment).unwrap(), [] as [&str; 0]);
        assert_eq!(changed(&one, "def ("), None);
    }
}
