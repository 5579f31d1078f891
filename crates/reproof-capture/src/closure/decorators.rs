//! What a Python file says in its decorators, for what must be known before it is run.

use ruff_python_ast::{Decorator, Expr, Stmt};
use ruff_text_size::Ranged;

use super::parse::with_module;

/// An argument of a decorator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Argument {
    /// A plain text.
    Text(String),
    /// Something else, which only running the file tells.
    Computed {
        /// The line, from 1, in which it stands.
        line: usize,
    },
}

/// The argument of this name that the first decorator of this name is given, on a function of the file
/// itself: of `@reproof.pipeline(environment="x")` as of `@pipeline(environment="x")`. None where no
/// decorator is given it, or the file cannot be parsed.
pub fn decorator_argument(bytes: &[u8], decorator: &str, argument: &str) -> Option<Argument> {
    with_module(bytes, |text, parsed| {
        let functions = parsed
            .suite()
            .iter()
            .filter_map(|statement| match statement {
                Stmt::FunctionDef(function) => Some(&function.decorator_list),
                _ => None,
            });
        let value = functions
            .flatten()
            .find_map(|one| value_of(one, decorator, argument))?;
        Some(match value {
            Expr::StringLiteral(literal) => Argument::Text(literal.value.to_str().to_owned()),
            other => {
                let before = text.get(..other.range().start().to_usize());
                let breaks = before.unwrap_or_default().matches('\n').count();
                Argument::Computed { line: breaks + 1 }
            }
        })
    })
    .flatten()
}

fn value_of<'a>(decorator: &'a Decorator, name: &str, argument: &str) -> Option<&'a Expr> {
    let Expr::Call(call) = &decorator.expression else {
        return None;
    };
    let called = match call.func.as_ref() {
        Expr::Name(called) => called.id.as_str(),
        Expr::Attribute(called) => called.attr.as_str(),
        _ => return None,
    };
    let mut keywords = call.arguments.keywords.iter();
    let keyword = keywords.find(|one| one.arg.as_ref().is_some_and(|arg| arg.as_str() == argument));
    keyword.filter(|_| called == name).map(|one| &one.value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_texts_are_told_from_what_is_computed() {
        let text = |text: &str| Some(Argument::Text(text.to_owned()));
        for (file, expect) in [
            ("@pipeline(environment='x')\ndef p(): pass\n", text("x")),
            (
                "import reproof\n@other(environment=1)\n@reproof.pipeline(\n seed=1, environment=\"a\" 'b')\n\
                 def p(): pass\n",
                text("ab"),
            ),
            (
                "@pipeline(seed=1,\n  environment=name)\ndef p(): pass\n",
                Some(Argument::Computed { line: 2 }),
            ),
            ("@pipeline\ndef p(): pass\n", None),
            ("@pipeline(seed=1)\ndef p(): pass\n", None),
            ("x = pipeline(environment='x')\n", None),
            ("@pipeline(environment='x'\n", None),
        ] {
            let found = decorator_argument(file.as_bytes(), "pipeline", "environment");
            assert_eq!(found, expect, "{file}");
        }
    }
}
