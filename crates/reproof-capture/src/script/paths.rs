//! The value of an expression that is a path, as far as texts in the script say it.

use std::collections::BTreeMap;

use ruff_python_ast::{Expr, FStringPart, InterpolatedStringElement, Operator};

use super::Known;
use crate::closure::visit::dotted;

/// How deep expressions are looked into.
const DEPTH: usize = 40;
/// The longest path that is put together.
const LONGEST: usize = 4096;

/// What names stand for.
#[derive(Default)]
pub(super) struct Names {
    /// Names that are set once, to a path.
    pub paths: BTreeMap<String, Known>,
    /// Arguments of the command line with the texts that they are unless they are given.
    pub arguments: BTreeMap<String, String>,
    /// The script's own path, from the project's folder.
    pub script: String,
}

impl Names {
    /// The path that an expression is.
    pub(super) fn path(&self, expression: &Expr) -> Option<Known> {
        let known = self.at(expression, 0)?;
        let fits = known.text.len() <= LONGEST && !known.text.contains(['\n', '\0']);
        (fits && (known.fixed || !known.text.is_empty())).then_some(known)
    }

    fn at(&self, expression: &Expr, depth: usize) -> Option<Known> {
        if depth > DEPTH {
            return None;
        }
        match expression {
            Expr::StringLiteral(literal) => Some(plain(literal.value.to_str())),
            Expr::Name(name) if &*name.id == "__file__" => Some(Known {
                text: self.script.clone(),
                whole: true,
                fixed: true,
            }),
            Expr::Name(name) => self.paths.get(name.id.as_str()).cloned(),
            Expr::FString(joined) => {
                let mut out: Option<Known> = None;
                for part in joined.value.as_slice() {
                    match part {
                        FStringPart::Literal(literal) => {
                            out = Some(added(out, Some(plain(&literal.value)), ""));
                        }
                        FStringPart::FString(part) => {
                            for element in &part.elements {
                                let next = match element {
                                    InterpolatedStringElement::Literal(literal) => {
                                        Some(plain(&literal.value))
                                    }
                                    InterpolatedStringElement::Interpolation(inner) => {
                                        self.at(&inner.expression, depth + 1)
                                    }
                                };
                                out = Some(added(out, next, ""));
                            }
                        }
                    }
                }
                out
            }
            Expr::BinOp(sum) if matches!(sum.op, Operator::Add | Operator::Div) => {
                let left = self.at(&sum.left, depth + 1)?;
                let right = self.at(&sum.right, depth + 1);
                let between = if sum.op == Operator::Div { "/" } else { "" };
                Some(added(Some(left), right, between))
            }
            Expr::Attribute(attribute) => {
                let name = attribute.attr.id.as_str();
                if name == "parent" {
                    return Some(parent(self.at(&attribute.value, depth + 1)?));
                }
                let text = self.arguments.get(name)?;
                matches!(&*attribute.value, Expr::Name(_)).then(|| plain(text))
            }
            Expr::Call(call) => self.call(call, depth + 1),
            _ => None,
        }
    }

    fn call(&self, call: &ruff_python_ast::ExprCall, depth: usize) -> Option<Known> {
        let arguments = &call.arguments.args;
        if let Expr::Attribute(method) = &*call.func {
            match method.attr.id.as_str() {
                "resolve" | "absolute" | "as_posix" | "expanduser" if arguments.is_empty() => {
                    return self.at(&method.value, depth);
                }
                "joinpath" => {
                    let mut out = self.at(&method.value, depth)?;
                    for argument in arguments {
                        out = added(Some(out), self.at(argument, depth), "/");
                    }
                    return Some(out);
                }
                _ => {}
            }
        }
        let name = dotted(&call.func)?;
        match name.rsplit('.').next().unwrap_or_default() {
            "Path" | "PurePath" | "PosixPath" | "join" if !arguments.is_empty() => {
                if name.ends_with("join") && !name.ends_with("path.join") && name != "join" {
                    return None;
                }
                let mut all = arguments.iter();
                let mut out = self.at(all.next()?, depth)?;
                for argument in all {
                    out = added(Some(out), self.at(argument, depth), "/");
                }
                Some(out)
            }
            "str" | "fspath" | "abspath" | "realpath" | "normpath" => {
                self.at(arguments.first()?, depth)
            }
            "dirname" => Some(parent(self.at(arguments.first()?, depth)?)),
            _ => None,
        }
    }
}

fn plain(text: &str) -> Known {
    Known {
        text: text.to_owned(),
        whole: true,
        fixed: false,
    }
}

/// The folder that a path lies in.
fn parent(mut known: Known) -> Known {
    let end = known.text.rfind('/').unwrap_or(0);
    known.text.truncate(end);
    known
}

/// A path with something behind it, which may not be known.
fn added(before: Option<Known>, next: Option<Known>, between: &str) -> Known {
    let Some(mut known) = before else {
        return next.unwrap_or(Known {
            text: String::new(),
            whole: false,
            fixed: false,
        });
    };
    if !known.whole {
        return known;
    }
    let joins = !between.is_empty() && !known.text.is_empty() && !known.text.ends_with('/');
    if joins {
        known.text += between;
    }
    match next {
        // What stands behind a slash begins anew.
        Some(next) if !between.is_empty() && next.text.starts_with('/') => next,
        Some(next) => {
            known.text += &next.text;
            known.whole = next.whole;
            known
        }
        None => {
            known.whole = false;
            known
        }
    }
}
