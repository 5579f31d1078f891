//! The names that a piece of code binds in the scope that it stands in.

use std::collections::BTreeSet;

use ruff_python_ast::visitor::{Visitor, walk_except_handler, walk_expr, walk_pattern, walk_stmt};
use ruff_python_ast::{
    AnyParameterRef, Comprehension, ExceptHandler, Expr, ExprContext, IpyEscapeKind, Parameters,
    Pattern, Stmt, TypeParams,
};

use crate::closure::with_python;
use crate::notebook::magic::{Effect, effect};

/// How deep statements and expressions may be nested for names to be looked at. Python's own
/// compiler gives up earlier.
pub(super) const DEPTH: usize = 5_000;

/// The names that are bound, and those that are said to be of another scope.
#[derive(Debug, Default)]
pub(super) struct Bindings {
    /// All that are bound: assigned, imported, defined, deleted.
    pub names: BTreeSet<String>,
    /// Those of `global` and `nonlocal`.
    pub elsewhere: BTreeSet<String>,
    depth: usize,
}

impl Bindings {
    /// Those of the statements of one scope. What nested functions and classes bind is theirs.
    pub(super) fn of(body: &[Stmt]) -> Self {
        let mut found = Self::default();
        found.visit_body(body);
        found
    }

    /// The names that `:=` binds in a statement that binds nothing before.
    pub(super) fn of_statement(statement: &Stmt) -> Self {
        let mut found = Self::default();
        found.visit_stmt(statement);
        found
    }

    fn add(&mut self, name: &str) {
        self.names.insert(name.to_owned());
    }

    fn within(&mut self, go: impl FnOnce(&mut Self)) {
        if self.depth < DEPTH {
            self.depth += 1;
            go(self);
            self.depth -= 1;
        }
    }
}

impl<'a> Visitor<'a> for Bindings {
    fn visit_stmt(&mut self, statement: &'a Stmt) {
        match statement {
            Stmt::FunctionDef(function) => self.add(&function.name.id),
            Stmt::ClassDef(class) => self.add(&class.name.id),
            Stmt::Import(import) => {
                for alias in &import.names {
                    self.add(imported(alias));
                }
            }
            Stmt::ImportFrom(import) => {
                for alias in &import.names {
                    self.add(alias.asname.as_ref().unwrap_or(&alias.name).id.as_str());
                }
            }
            Stmt::Global(global) => {
                let names = global.names.iter();
                self.elsewhere.extend(names.map(|name| name.id.to_string()));
            }
            Stmt::Nonlocal(nonlocal) => {
                let names = nonlocal.names.iter();
                self.elsewhere.extend(names.map(|name| name.id.to_string()));
            }
            Stmt::IpyEscapeCommand(command) => {
                if command.kind == IpyEscapeKind::Magic
                    && let Effect::Runs(code) = effect(&command.value)
                {
                    with_python(code, |body| self.within(|this| this.visit_body(body)));
                }
            }
            _ => self.within(|this| walk_stmt(this, statement)),
        }
    }

    fn visit_expr(&mut self, expression: &'a Expr) {
        match expression {
            Expr::Name(name) if name.ctx != ExprContext::Load => self.add(&name.id),
            Expr::Name(_) | Expr::Lambda(_) => {}
            _ => self.within(|this| walk_expr(this, expression)),
        }
    }

    fn visit_comprehension(&mut self, comprehension: &'a Comprehension) {
        self.visit_expr(&comprehension.iter);
        for condition in &comprehension.ifs {
            self.visit_expr(condition);
        }
    }

    fn visit_except_handler(&mut self, handler: &'a ExceptHandler) {
        let ExceptHandler::ExceptHandler(inner) = handler;
        if let Some(name) = &inner.name {
            self.add(&name.id);
        }
        walk_except_handler(self, handler);
    }

    fn visit_pattern(&mut self, pattern: &'a Pattern) {
        if let Some(name) = captured(pattern) {
            self.add(name);
        }
        self.within(|this| walk_pattern(this, pattern));
    }

    fn visit_annotation(&mut self, _: &'a Expr) {}
}

/// The name that `import a.b` or `import a.b as c` binds.
pub(super) fn imported(alias: &ruff_python_ast::Alias) -> &str {
    match &alias.asname {
        Some(name) => name.id.as_str(),
        None => alias.name.id.split('.').next().unwrap_or_default(),
    }
}

/// The name that a pattern itself captures.
pub(super) fn captured(pattern: &Pattern) -> Option<&str> {
    let name = match pattern {
        Pattern::MatchAs(inner) => inner.name.as_ref(),
        Pattern::MatchStar(inner) => inner.name.as_ref(),
        Pattern::MatchMapping(inner) => inner.rest.as_ref(),
        _ => None,
    };
    name.map(|name| name.id.as_str())
}

/// The names of parameters.
pub(super) fn of_parameters(parameters: &Parameters) -> BTreeSet<String> {
    let names = parameters.iter().map(AnyParameterRef::name);
    names.map(|name| name.id.to_string()).collect()
}

/// The names of type parameters.
pub(super) fn of_type_parameters(parameters: Option<&TypeParams>) -> BTreeSet<String> {
    let all = parameters
        .into_iter()
        .flat_map(|all| all.type_params.iter());
    all.map(|parameter| parameter.name().id.to_string())
        .collect()
}

/// The names that targets of comprehensions bind.
pub(super) fn of_targets(generators: &[Comprehension]) -> BTreeSet<String> {
    let mut found = Bindings::default();
    for generator in generators {
        found.visit_expr(&generator.target);
    }
    found.names
}
