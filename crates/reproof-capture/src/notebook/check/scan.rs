//! The calls and texts in the code of cells: what several rules look at.

use std::collections::{BTreeMap, BTreeSet};

use ruff_python_ast::visitor::{Visitor, walk_expr, walk_stmt};
use ruff_python_ast::{Expr, ExprCall, FStringPart, InterpolatedStringElement, Stmt};
use ruff_text_size::Ranged;

use super::bindings::{DEPTH, imported};
use crate::closure::Lines;

/// Where something stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Spot {
    pub cell: usize,
    pub line: u32,
    /// The place in the cell's text.
    pub byte: u32,
    /// Whether it stands in a function: when it runs is not known.
    pub later: bool,
}

/// What an argument is, as far as the text says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Given {
    True,
    False,
    None,
    Other,
}

/// A call.
#[derive(Clone, Debug)]
pub(super) struct Call {
    pub spot: Spot,
    /// The name as it is written, with dots.
    pub name: String,
    /// How many arguments it has by position.
    pub positional: usize,
    /// Those by name that are given.
    pub keywords: BTreeMap<String, Given>,
    /// Whether arguments come from a `*` or `**`.
    pub spread: bool,
    /// The texts among the arguments.
    pub texts: Vec<(String, u32)>,
}

/// A text.
#[derive(Clone, Debug)]
pub(super) struct Text {
    pub spot: Spot,
    pub text: String,
}

/// A line that is no Python: kind and text.
#[derive(Clone, Debug)]
pub(super) struct Escape {
    pub spot: Spot,
    pub kind: ruff_python_ast::IpyEscapeKind,
    pub text: String,
}

/// What stands in the code of a notebook.
#[derive(Default)]
pub(super) struct Scan {
    pub calls: Vec<Call>,
    pub texts: Vec<Text>,
    pub escapes: Vec<Escape>,
    /// What names stand for that were imported: `np` for `numpy`.
    pub imports: BTreeMap<String, String>,
    /// Names that are assigned or defined somewhere.
    pub assigned: BTreeSet<String>,
    cell: usize,
    lines: Option<Lines>,
    functions: usize,
    depth: usize,
}

impl Scan {
    /// Looks at the statements of a cell.
    pub(super) fn cell(&mut self, number: usize, text: &str, body: &[Stmt]) {
        self.cell = number;
        self.lines = Some(Lines::new(text));
        self.visit_body(body);
    }

    /// The full name of what is called: `numpy.random.rand` for `np.random.rand`. None where its
    /// first part is not imported, or may be something else.
    pub(super) fn full_name(&self, name: &str) -> Option<String> {
        let (first, rest) = name.split_once('.').unwrap_or((name, ""));
        if self.assigned.contains(first) {
            return None;
        }
        let module = self.imports.get(first)?;
        Some(if rest.is_empty() {
            module.clone()
        } else {
            format!("{module}.{rest}")
        })
    }

    fn spot(&self, node: &impl Ranged) -> Spot {
        let start = node.start().to_usize();
        Spot {
            cell: self.cell,
            line: self.lines.as_ref().map_or(1, |lines| lines.line(start)),
            byte: start as u32,
            later: self.functions > 0,
        }
    }

    fn call(&mut self, call: &ExprCall) {
        let Some(name) = dotted(&call.func) else {
            return;
        };
        let mut keywords = BTreeMap::new();
        let mut spread = call
            .arguments
            .args
            .iter()
            .any(|argument| matches!(argument, Expr::Starred(_)));
        for keyword in &call.arguments.keywords {
            let Some(name) = &keyword.arg else {
                spread = true;
                continue;
            };
            let plain = match &keyword.value {
                Expr::BooleanLiteral(literal) if literal.value => Given::True,
                Expr::BooleanLiteral(_) => Given::False,
                Expr::NoneLiteral(_) => Given::None,
                _ => Given::Other,
            };
            keywords.insert(name.id.to_string(), plain);
        }
        let texts = call.arguments.args.iter().filter_map(|argument| {
            let text = beginning(argument)?;
            Some((text, self.spot(argument).line))
        });
        self.calls.push(Call {
            spot: self.spot(call),
            name,
            positional: call.arguments.args.len(),
            keywords,
            spread,
            texts: texts.collect(),
        });
    }

    fn import(&mut self, name: &str, stands_for: &str) {
        let known = self.imports.insert(name.to_owned(), stands_for.to_owned());
        if known.is_some_and(|known| known != stands_for) {
            // Two things of one name: which one is meant is not looked for.
            self.assigned.insert(name.to_owned());
        }
    }

    fn statement(&mut self, statement: &Stmt) {
        match statement {
            Stmt::Import(import) => {
                for alias in &import.names {
                    let stands_for = match &alias.asname {
                        Some(_) => alias.name.id.as_str(),
                        None => imported(alias),
                    };
                    self.import(imported(alias), stands_for);
                }
            }
            Stmt::ImportFrom(import) if import.level == 0 => {
                let module = import.module.as_ref().map_or("", |module| &*module.id);
                for alias in &import.names {
                    let name = alias.asname.as_ref().unwrap_or(&alias.name);
                    self.import(&name.id, &format!("{module}.{}", alias.name.id));
                }
            }
            Stmt::FunctionDef(function) => {
                self.assigned.insert(function.name.id.to_string());
                self.functions += 1;
                walk_stmt(self, statement);
                self.functions -= 1;
            }
            Stmt::ClassDef(class) => {
                self.assigned.insert(class.name.id.to_string());
                walk_stmt(self, statement);
            }
            // A text that stands alone says something to a reader.
            Stmt::Expr(inner) if matches!(&*inner.value, Expr::StringLiteral(_)) => {}
            Stmt::IpyEscapeCommand(command) => {
                let spot = self.spot(statement);
                self.escape(spot, command.kind, &command.value);
            }
            _ => walk_stmt(self, statement),
        }
    }

    fn escape(&mut self, spot: Spot, kind: ruff_python_ast::IpyEscapeKind, text: &str) {
        self.escapes.push(Escape {
            spot,
            kind,
            text: text.to_owned(),
        });
    }

    fn within(&mut self, go: impl FnOnce(&mut Self)) {
        if self.depth < DEPTH {
            self.depth += 1;
            go(self);
            self.depth -= 1;
        }
    }
}

impl<'a> Visitor<'a> for Scan {
    fn visit_stmt(&mut self, statement: &'a Stmt) {
        self.within(|this| this.statement(statement));
    }

    fn visit_expr(&mut self, expression: &'a Expr) {
        match expression {
            Expr::Call(call) => self.call(call),
            Expr::Name(name) if name.ctx == ruff_python_ast::ExprContext::Store => {
                self.assigned.insert(name.id.to_string());
            }
            Expr::StringLiteral(_) | Expr::FString(_) => {
                if let Some(text) = beginning(expression) {
                    let spot = self.spot(expression);
                    self.texts.push(Text { spot, text });
                }
            }
            Expr::IpyEscapeCommand(command) => {
                let spot = self.spot(expression);
                self.escape(spot, command.kind, &command.value);
            }
            Expr::Lambda(_) => {
                self.functions += 1;
                self.within(|this| walk_expr(this, expression));
                self.functions -= 1;
                return;
            }
            _ => {}
        }
        self.within(|this| walk_expr(this, expression));
    }

    fn visit_annotation(&mut self, _: &'a Expr) {}
}

/// The text of a literal, or what a computed one begins with.
fn beginning(expression: &Expr) -> Option<String> {
    match expression {
        Expr::StringLiteral(literal) => Some(literal.value.to_str().to_owned()),
        Expr::FString(joined) => match joined.value.as_slice().first()? {
            FStringPart::Literal(literal) => Some(literal.value.to_string()),
            FStringPart::FString(part) => match part.elements.first()? {
                InterpolatedStringElement::Literal(literal) => Some(literal.value.to_string()),
                InterpolatedStringElement::Interpolation(_) => None,
            },
        },
        _ => None,
    }
}

/// The name `a.b.c` that an expression is, if it is one.
fn dotted(expression: &Expr) -> Option<String> {
    let mut parts = Vec::new();
    let mut at = expression;
    loop {
        match at {
            Expr::Attribute(attribute) => {
                parts.push(attribute.attr.id.as_str());
                at = &attribute.value;
            }
            Expr::Name(name) => {
                parts.push(name.id.as_str());
                parts.reverse();
                return Some(parts.join("."));
            }
            _ => return None,
        }
    }
}
