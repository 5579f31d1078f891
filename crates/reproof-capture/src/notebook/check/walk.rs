//! Walks through the code of cells as Python would run it, and tells in order which names are bound
//! and used.

use std::collections::BTreeSet;

use ruff_python_ast::visitor::{Visitor, walk_expr, walk_pattern, walk_stmt};
use ruff_python_ast::{
    Comprehension, ExceptHandler, Expr, ExprCall, ExprContext, IpyEscapeKind, Parameters, Pattern,
    Stmt, StmtClassDef, StmtFunctionDef, StmtIf, StmtImportFrom, StmtMatch, StmtTry, StmtWith,
};
use ruff_text_size::Ranged;

use super::bindings::{
    Bindings, DEPTH, captured, imported, of_parameters, of_targets, of_type_parameters,
};
use super::facts::{catches_names, is_simple, last_name, truth, yields};
use crate::closure::{Lines, with_python};
use crate::notebook::magic::{Effect, effect};

/// Something that happens to a name.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Event {
    /// In which cell.
    pub cell: usize,
    /// In which line of it.
    pub line: u32,
    /// What.
    pub what: What,
}

/// What happens to a name.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum What {
    /// It is bound, or may be.
    Bind(String),
    /// A function of this name is defined, which needs these names as soon as it is called.
    Define { name: String, needs: Vec<String> },
    /// It is deleted.
    Unbind(String),
    /// It is used as soon as the cell runs; `certain` if nothing decides whether it is.
    Load { name: String, certain: bool },
    /// It is used when a function is called; `straight` if at once.
    Later { name: String, straight: bool },
    /// The function of this name is called, whatever happens.
    Call(String),
    /// Names may be defined that are not seen.
    Opaque(String),
}

/// A scope inside of the notebook's own.
#[derive(Debug)]
enum Scope {
    Function {
        locals: BTreeSet<String>,
        globals: BTreeSet<String>,
    },
    Class(BTreeSet<String>),
    /// Of a comprehension, or of type parameters: seen by all inside.
    Plain(BTreeSet<String>),
}

/// Walks through cells.
#[derive(Default)]
pub(super) struct Walker {
    pub events: Vec<Event>,
    cell: usize,
    line: u32,
    lines: Option<Lines>,
    scopes: Vec<Scope>,
    /// In how many branches that may not be taken.
    conditional: usize,
    /// In how many places where a missing name does no harm, or code is never run.
    harmless: usize,
    /// In how many statements that hold others.
    nesting: usize,
    /// Whether this is at the beginning of a function, before anything is decided.
    straight: bool,
    depth: usize,
}

impl Walker {
    /// Begins the cell of this number.
    pub(super) fn begin(&mut self, number: usize) {
        self.cell = number;
        self.line = 1;
        self.lines = None;
    }

    /// Walks through the statements of the cell, whose text this is.
    pub(super) fn cell(&mut self, text: &str, body: &[Stmt]) {
        self.lines = Some(Lines::new(text));
        self.visit_body(body);
        self.lines = None;
    }

    /// A name is defined here.
    pub(super) fn define(&mut self, name: &str) {
        self.event(What::Bind(name.to_owned()));
    }

    /// Names may be defined here that are not seen.
    pub(super) fn opaque(&mut self, why: &str) {
        self.event(What::Opaque(why.to_owned()));
    }

    fn event(&mut self, what: What) {
        self.events.push(Event {
            cell: self.cell,
            line: self.line,
            what,
        });
    }

    fn is_module(&self) -> bool {
        let own = |scope: &Scope| matches!(scope, Scope::Function { .. } | Scope::Class(_));
        !self.scopes.iter().any(own)
    }

    fn bind(&mut self, name: &str) {
        let own = self
            .scopes
            .iter()
            .rev()
            .find(|scope| !matches!(scope, Scope::Plain(_)));
        let outside = match own {
            None => true,
            Some(Scope::Function { globals, .. }) => globals.contains(name),
            Some(_) => false,
        };
        if outside {
            self.define(name);
        }
    }

    fn load(&mut self, name: &str) {
        if self.harmless > 0 {
            return;
        }
        let mut functions = 0;
        for scope in self.scopes.iter().rev() {
            match scope {
                Scope::Plain(names) if names.contains(name) => return,
                Scope::Class(names) if functions == 0 && names.contains(name) => return,
                Scope::Function { locals, globals } => {
                    functions += 1;
                    if globals.contains(name) {
                        break;
                    }
                    if locals.contains(name) {
                        return;
                    }
                }
                _ => {}
            }
        }
        let name = name.to_owned();
        let certain = self.conditional == 0;
        self.event(if functions == 0 {
            What::Load { name, certain }
        } else {
            let straight = self.straight && certain && functions == 1;
            What::Later { name, straight }
        });
    }

    /// What may not be run.
    fn maybe(&mut self, go: impl FnOnce(&mut Self)) {
        self.conditional += 1;
        go(self);
        self.conditional -= 1;
    }

    /// What is never run, or may fail.
    fn harmless(&mut self, go: impl FnOnce(&mut Self)) {
        self.harmless += 1;
        go(self);
        self.harmless -= 1;
    }

    fn in_scope(&mut self, scope: Scope, go: impl FnOnce(&mut Self)) {
        self.scopes.push(scope);
        go(self);
        self.scopes.pop();
    }

    /// One level deeper. What is too deep to be looked at may define anything.
    fn within(&mut self, line: Option<u32>, go: impl FnOnce(&mut Self)) {
        if self.depth == DEPTH {
            self.opaque("code that is nested too deep");
            return;
        }
        let before = self.line;
        self.line = line.unwrap_or(before);
        self.depth += 1;
        go(self);
        self.depth -= 1;
        self.line = before;
    }

    fn defaults(&mut self, parameters: &Parameters) {
        let all = parameters.iter_non_variadic_params();
        for default in all.filter_map(|parameter| parameter.default.as_deref()) {
            self.visit_expr(default);
        }
    }

    fn function(&mut self, function: &StmtFunctionDef) {
        for decorator in &function.decorator_list {
            self.visit_expr(&decorator.expression);
        }
        self.defaults(&function.parameters);
        let found = Bindings::of(&function.body);
        let mut locals = of_parameters(&function.parameters);
        locals.extend(found.names.difference(&found.elsewhere).cloned());
        let globals = found.elsewhere;
        let types = Scope::Plain(of_type_parameters(function.type_params.as_deref()));
        let from = self.events.len();
        let at_top = self.is_module();
        let conditional = std::mem::take(&mut self.conditional);
        let nesting = std::mem::replace(&mut self.nesting, 1);
        let straight = std::mem::replace(&mut self.straight, at_top);
        self.in_scope(types, |this| {
            this.in_scope(Scope::Function { locals, globals }, |this| {
                for statement in &function.body {
                    this.straight &= is_simple(statement);
                    this.visit_stmt(statement);
                }
            });
        });
        (self.conditional, self.nesting, self.straight) = (conditional, nesting, straight);
        if !at_top || function.is_async || !function.decorator_list.is_empty() || yields(function) {
            return self.bind(&function.name.id);
        }
        let own = self.events.get(from..).unwrap_or_default().iter();
        let needs = own.filter_map(|event| match &event.what {
            What::Later {
                name,
                straight: true,
            } => Some(name.clone()),
            _ => None,
        });
        let needs = needs.collect();
        let name = function.name.id.to_string();
        self.event(What::Define { name, needs });
    }

    fn class(&mut self, class: &StmtClassDef) {
        for decorator in &class.decorator_list {
            self.visit_expr(&decorator.expression);
        }
        let types = Scope::Plain(of_type_parameters(class.type_params.as_deref()));
        self.in_scope(types, |this| {
            if let Some(arguments) = &class.arguments {
                this.visit_arguments(arguments);
            }
            let own = Scope::Class(Bindings::of(&class.body).names);
            this.in_scope(own, |this| this.visit_body(&class.body));
        });
        self.bind(&class.name.id);
    }

    fn comprehension(&mut self, generators: &[Comprehension], lazy: bool, parts: &[&Expr]) {
        let names = of_targets(generators);
        if let Some(first) = generators.first() {
            self.visit_expr(&first.iter);
        }
        let scope = if lazy {
            Scope::Function {
                locals: names,
                globals: BTreeSet::new(),
            }
        } else {
            Scope::Plain(names)
        };
        let filtered = generators.iter().any(|generator| !generator.ifs.is_empty());
        self.in_scope(scope, |this| {
            let mut rest = generators.iter().skip(1);
            rest.by_ref()
                .for_each(|generator| this.visit_expr(&generator.iter));
            for generator in generators {
                for condition in &generator.ifs {
                    this.visit_expr(condition);
                }
            }
            this.conditional += usize::from(filtered);
            for part in parts {
                this.visit_expr(part);
            }
            this.conditional -= usize::from(filtered);
        });
    }

    fn branch(&mut self, statement: &StmtIf) {
        self.visit_expr(&statement.test);
        match truth(&statement.test) {
            Some(true) => self.visit_body(&statement.body),
            Some(false) => self.harmless(|this| this.visit_body(&statement.body)),
            None => self.maybe(|this| this.visit_body(&statement.body)),
        }
        for clause in &statement.elif_else_clauses {
            self.maybe(|this| {
                if let Some(test) = &clause.test {
                    this.visit_expr(test);
                }
                this.visit_body(&clause.body);
            });
        }
    }

    fn attempt(&mut self, statement: &StmtTry) {
        if statement.handlers.iter().any(catches_names) {
            self.harmless(|this| this.visit_body(&statement.body));
        } else {
            self.visit_body(&statement.body);
        }
        for handler in &statement.handlers {
            let ExceptHandler::ExceptHandler(handler) = handler;
            self.maybe(|this| {
                if let Some(error) = &handler.type_ {
                    this.visit_expr(error);
                }
                if let Some(name) = &handler.name {
                    this.bind(&name.id);
                }
                this.visit_body(&handler.body);
            });
        }
        self.visit_body(&statement.orelse);
        self.visit_body(&statement.finalbody);
    }

    fn with(&mut self, statement: &StmtWith) {
        let mut forgives = false;
        for item in &statement.items {
            self.visit_with_item(item);
            forgives |= matches!(&item.context_expr, Expr::Call(call)
                if matches!(last_name(&call.func), Some("suppress" | "raises" | "assertRaises")));
        }
        if forgives {
            self.harmless(|this| this.visit_body(&statement.body));
        } else {
            self.visit_body(&statement.body);
        }
    }

    fn choose(&mut self, statement: &StmtMatch) {
        self.visit_expr(&statement.subject);
        for case in &statement.cases {
            self.maybe(|this| {
                this.visit_pattern(&case.pattern);
                if let Some(guard) = &case.guard {
                    this.visit_expr(guard);
                }
                this.visit_body(&case.body);
            });
        }
    }

    fn import_from(&mut self, import: &StmtImportFrom) {
        for alias in &import.names {
            if &*alias.name.id == "*" {
                let module = import.module.as_ref().map_or(".", |module| &*module.id);
                self.opaque(&format!("'from {module} import *'"));
            } else {
                let name = alias.asname.as_ref().unwrap_or(&alias.name);
                self.bind(&name.id);
            }
        }
    }

    fn magic(&mut self, kind: IpyEscapeKind, value: &str) {
        if kind != IpyEscapeKind::Magic {
            return;
        }
        match effect(value) {
            Effect::None => {}
            Effect::Opaque(name) => self.opaque(&format!("%{name}")),
            Effect::Runs(code) => {
                // Its lines are not those of the cell.
                let lines = self.lines.take();
                if !with_python(code, |body| self.visit_body(body)) {
                    self.opaque("%time");
                }
                self.lines = lines;
            }
        }
    }

    fn call(&mut self, call: &ExprCall) {
        let name = match &*call.func {
            Expr::Name(name) => name.id.as_str(),
            // Of sympy: it defines names from a text.
            Expr::Attribute(method)
                if matches!(&*method.attr.id, "init_session" | "var")
                    && matches!(&*method.value, Expr::Name(module)
                        if matches!(&*module.id, "sympy" | "smp" | "sp" | "sy" | "sym")) =>
            {
                return self.opaque(&format!("'{}'", method.attr.id));
            }
            _ => return,
        };
        let bare = call.arguments.is_empty();
        match name {
            "exec" | "globals" | "init_session" | "var" | "execfile" => {
                self.opaque(&format!("'{name}'"));
            }
            "locals" | "vars" | "dir" if bare && self.is_module() => {
                self.opaque(&format!("'{name}'"));
            }
            _ if self.is_module() && self.conditional == 0 && self.harmless == 0 => {
                self.event(What::Call(name.to_owned()));
            }
            _ => {}
        }
    }

    fn statement(&mut self, statement: &Stmt) {
        if self.scopes.is_empty() && self.nesting == 0 && !matches!(statement, Stmt::Delete(_)) {
            self.bind_before(statement);
        }
        let nests = !is_simple(statement);
        self.nesting += usize::from(nests);
        match statement {
            Stmt::FunctionDef(function) => self.function(function),
            Stmt::ClassDef(class) => self.class(class),
            Stmt::If(inner) => self.branch(inner),
            Stmt::Try(inner) => self.attempt(inner),
            Stmt::With(inner) => self.with(inner),
            Stmt::Match(inner) => self.choose(inner),
            Stmt::While(inner) => {
                self.visit_expr(&inner.test);
                if truth(&inner.test) == Some(true) {
                    self.visit_body(&inner.body);
                } else {
                    self.maybe(|this| this.visit_body(&inner.body));
                }
                self.visit_body(&inner.orelse);
            }
            Stmt::Import(import) => {
                for alias in &import.names {
                    let module = alias.name.id.as_str();
                    if matches!(module, "__main__" | "builtins" | "pyforest") {
                        self.opaque(&format!("'import {module}'"));
                    }
                    self.bind(imported(alias));
                }
            }
            Stmt::ImportFrom(import) => self.import_from(import),
            Stmt::AugAssign(assign) => {
                if let Expr::Name(name) = &*assign.target {
                    self.load(&name.id);
                }
                walk_stmt(self, statement);
            }
            Stmt::AnnAssign(assign) => {
                if let Some(value) = &assign.value {
                    self.visit_expr(value);
                    self.visit_expr(&assign.target);
                }
            }
            Stmt::TypeAlias(alias) => self.visit_expr(&alias.name),
            Stmt::IpyEscapeCommand(command) => self.magic(command.kind, &command.value),
            _ => walk_stmt(self, statement),
        }
        self.nesting -= usize::from(nests);
    }

    /// What a statement that holds others binds somewhere may be there when it is used in it: a loop
    /// comes round again. In a simple one that is so of `:=` alone.
    fn bind_before(&mut self, statement: &Stmt) {
        let found = match statement {
            Stmt::FunctionDef(_) | Stmt::ClassDef(_) | Stmt::Import(_) | Stmt::ImportFrom(_) => {
                return;
            }
            Stmt::Assign(assign) => {
                let mut found = Bindings::default();
                found.visit_expr(&assign.value);
                found
            }
            Stmt::AugAssign(_) | Stmt::AnnAssign(_) | Stmt::IpyEscapeCommand(_) => return,
            _ => Bindings::of_statement(statement),
        };
        for name in &found.names {
            self.define(name);
        }
    }
}

impl<'a> Visitor<'a> for Walker {
    fn visit_stmt(&mut self, statement: &'a Stmt) {
        let start = statement.start().to_usize();
        let line = self.lines.as_ref().map(|lines| lines.line(start));
        self.within(line, |this| this.statement(statement));
    }

    fn visit_expr(&mut self, expression: &'a Expr) {
        let start = expression.start().to_usize();
        let line = self.lines.as_ref().map(|lines| lines.line(start));
        self.within(line, |this| match expression {
            Expr::Name(name) => match name.ctx {
                ExprContext::Load => {
                    if &*name.id == "get_ipython" {
                        this.opaque("'get_ipython'");
                    }
                    this.load(&name.id);
                }
                ExprContext::Store => this.bind(&name.id),
                ExprContext::Del => {
                    if this.scopes.is_empty() && this.nesting == 0 {
                        this.load(&name.id);
                        this.event(What::Unbind(name.id.to_string()));
                    }
                }
                ExprContext::Invalid => {}
            },
            Expr::Lambda(lambda) => {
                let locals = lambda.parameters.as_deref().map(|parameters| {
                    this.defaults(parameters);
                    of_parameters(parameters)
                });
                let scope = Scope::Function {
                    locals: locals.unwrap_or_default(),
                    globals: BTreeSet::new(),
                };
                this.in_scope(scope, |this| this.visit_expr(&lambda.body));
            }
            Expr::ListComp(inner) => {
                this.comprehension(&inner.generators, false, &[&inner.elt]);
            }
            Expr::SetComp(inner) => this.comprehension(&inner.generators, false, &[&inner.elt]),
            Expr::DictComp(inner) => {
                let key = inner.key.as_deref();
                let parts: Vec<&Expr> = key.into_iter().chain([&*inner.value]).collect();
                this.comprehension(&inner.generators, false, &parts);
            }
            Expr::Generator(inner) => {
                this.comprehension(&inner.generators, true, &[&inner.elt]);
            }
            Expr::BoolOp(inner) => {
                let mut values = inner.values.iter();
                if let Some(first) = values.next() {
                    this.visit_expr(first);
                }
                this.maybe(|this| values.for_each(|value| this.visit_expr(value)));
            }
            Expr::If(inner) => {
                this.visit_expr(&inner.test);
                this.maybe(|this| {
                    this.visit_expr(&inner.body);
                    this.visit_expr(&inner.orelse);
                });
            }
            Expr::Call(call) => {
                walk_expr(this, expression);
                this.call(call);
            }
            Expr::IpyEscapeCommand(command) => this.magic(command.kind, &command.value),
            _ => walk_expr(this, expression),
        });
    }

    fn visit_pattern(&mut self, pattern: &'a Pattern) {
        if let Some(name) = captured(pattern) {
            self.bind(name);
        }
        self.within(None, |this| walk_pattern(this, pattern));
    }

    // Whether annotations are looked up depends on the version of Python.
    fn visit_annotation(&mut self, _: &'a Expr) {}
}
