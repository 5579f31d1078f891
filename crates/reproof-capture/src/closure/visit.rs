//! Finds the imports in a parsed file.

use std::collections::BTreeMap;

use ruff_python_ast::visitor::{Visitor, walk_expr, walk_stmt};
use ruff_python_ast::{
    ExceptHandler, Expr, ExprCall, FStringPart, InterpolatedStringElement, Number, Operator, Stmt,
    StmtIf, StmtTry, StmtWith,
};
use ruff_text_size::Ranged;

use super::imports::{Dynamic, FileImports, Import, Literal};
use super::parse::Lines;

/// How deep statements and expressions may be nested. Python's own compiler gives up earlier.
pub(crate) const DEPTH: usize = 10_000;

/// What an import is told apart by: level, module, names.
type Key = (u32, String, Vec<String>);

/// Collects what a file imports.
pub(super) struct Collector<'l> {
    lines: &'l Lines,
    /// The line of the statement or call that is being looked at.
    line: u32,
    /// Line and whether optional, by import.
    imports: BTreeMap<Key, (u32, bool)>,
    found: FileImports,
    /// In how many blocks that may fail.
    optional: usize,
    depth: usize,
    too_deep: bool,
}

impl<'l> Collector<'l> {
    pub(super) fn new(lines: &'l Lines) -> Self {
        let found = FileImports {
            version: FileImports::VERSION,
            ..FileImports::default()
        };
        Self {
            lines,
            line: 1,
            imports: BTreeMap::new(),
            found,
            optional: 0,
            depth: 0,
            too_deep: false,
        }
    }

    /// What was found.
    pub(super) fn finish(self) -> FileImports {
        if self.too_deep {
            return FileImports::failed(1, "nested deeper than Python can compile");
        }
        let mut found = self.found;
        let import = |((level, module, names), (line, optional))| Import {
            level,
            module,
            names,
            line,
            optional,
        };
        found.imports = self.imports.into_iter().map(import).collect();
        found.imports.sort_by_key(|import| import.line);
        found
    }

    fn import(&mut self, level: u32, module: &str, names: Vec<String>) {
        let optional = self.optional > 0;
        let key = (level, module.to_owned(), names);
        let known = self.imports.entry(key).or_insert((self.line, optional));
        known.1 &= optional;
    }

    /// `import_module("…")` and the like: leading dots are the level.
    fn import_text(&mut self, text: &str) {
        let module = text.trim_start_matches('.');
        let level = text.len() - module.len();
        self.import(u32::try_from(level).unwrap_or(u32::MAX), module, Vec::new());
    }

    fn dynamic(&mut self, call: &str, name: Option<&Expr>) {
        let prefix = name.map(literal_prefix).unwrap_or_default();
        self.found.dynamic.push(Dynamic {
            line: self.line,
            call: call.to_owned(),
            prefix,
        });
    }

    fn literal(&self, text: &str) -> Literal {
        Literal {
            text: text.to_owned(),
            line: self.line,
        }
    }

    fn call(&mut self, call: &ExprCall) {
        let Some(name) = dotted(&call.func) else {
            return;
        };
        let last = name.rsplit('.').next().unwrap_or(&name);
        match last {
            "import_module" => self.import_module(&name, call),
            "__import__" => self.dunder_import(&name, call),
            "run_module" if is_of(&name, "runpy") => {
                match argument(call, 0, "mod_name").and_then(text) {
                    Some(module) => {
                        self.import_text(&module);
                        self.import_text(&(module + ".__main__"));
                    }
                    None => self.dynamic(&name, argument(call, 0, "mod_name")),
                }
            }
            "run_path" => match argument(call, 0, "path_name").and_then(text) {
                Some(path) => self.found.files.push(self.literal(&path)),
                None => self.dynamic(&name, None),
            },
            "exec" if name == last => {
                let path = call.arguments.args.first().and_then(read_path);
                self.found
                    .files
                    .extend(path.map(|path| self.literal(&path)));
            }
            "spec_from_file_location" | "load_source" | "SourceFileLoader" => {
                match call.arguments.args.get(1).and_then(text) {
                    Some(path) => self.found.files.push(self.literal(&path)),
                    None => self.dynamic(&name, None),
                }
            }
            "iter_modules" | "walk_packages" if is_of(&name, "pkgutil") => {
                self.dynamic(&name, None);
            }
            // Of the package `lazy_loader`.
            "attach" | "attach_stub" if name.starts_with("lazy") => self.dynamic(&name, None),
            "append" | "insert" | "extend" => self.list_call(&name, last, call),
            _ => {}
        }
    }

    fn import_module(&mut self, name: &str, call: &ExprCall) {
        let module = argument(call, 0, "name");
        let Some(found) = module.and_then(text) else {
            return self.dynamic(name, module);
        };
        if !found.starts_with('.') {
            return self.import_text(&found);
        }
        match argument(call, 1, "package") {
            Some(Expr::Name(package)) if &*package.id == "__package__" => {
                self.import_text(&found);
            }
            Some(Expr::Name(package)) if &*package.id == "__name__" => {
                // In an `__init__` file that is the package. In another the module takes the
                // package's place, so that one dot less is left. The text does not say which.
                self.optional += 1;
                self.import_text(&found);
                if let Some(less) = found.strip_prefix('.').filter(|less| less.starts_with('.')) {
                    self.import_text(less);
                }
                self.optional -= 1;
            }
            Some(package) => match text(package) {
                Some(package) => self.import_within(&package, &found),
                None => self.dynamic(name, None),
            },
            None => self.dynamic(name, None),
        }
    }

    /// `module`, which begins with dots, as seen from a package.
    fn import_within(&mut self, package: &str, module: &str) {
        let rest = module.trim_start_matches('.');
        let mut parts: Vec<&str> = package.split('.').collect();
        let up = module.len() - rest.len() - 1;
        parts.truncate(parts.len().saturating_sub(up));
        parts.extend((!rest.is_empty()).then_some(rest));
        self.import(0, &parts.join("."), Vec::new());
    }

    /// `__import__(name, globals, locals, fromlist, level)`.
    fn dunder_import(&mut self, name: &str, call: &ExprCall) {
        let module = argument(call, 0, "name");
        let Some(found) = module.and_then(text) else {
            return self.dynamic(name, module);
        };
        let names = argument(call, 3, "fromlist").map(texts).unwrap_or_default();
        let level = argument(call, 4, "level").and_then(|level| match level {
            Expr::NumberLiteral(number) => match &number.value {
                Number::Int(level) => u32::try_from(level.as_usize()?).ok(),
                _ => None,
            },
            _ => None,
        });
        self.import(level.unwrap_or(0), &found, names);
    }

    /// A call that adds to a list: to `__all__` or to `sys.path`.
    fn list_call(&mut self, name: &str, method: &str, call: &ExprCall) {
        let list = name
            .strip_suffix(method)
            .and_then(|rest| rest.strip_suffix('.'));
        let added = call.arguments.args.last();
        match (list, added) {
            (Some("__all__"), Some(added)) => self.found.all.extend(texts(added)),
            (Some("sys.path"), Some(added)) => {
                let paths = match added {
                    Expr::List(list) => list.elts.iter().map(text).collect(),
                    one => text(one).map(|path| vec![path]),
                };
                match paths {
                    Some(paths) => {
                        for path in paths {
                            let path = self.literal(&path);
                            self.found.roots.push(path);
                        }
                    }
                    None => self.dynamic(name, None),
                }
            }
            _ => {}
        }
    }

    fn assigned(&mut self, target: &Expr, value: &Expr) {
        if matches!(target, Expr::Name(name) if &*name.id == "__all__") {
            self.found.all.extend(texts(value));
        }
    }

    fn optional_body(&mut self, body: &[Stmt]) {
        self.optional += 1;
        self.visit_body(body);
        self.optional -= 1;
    }

    fn try_statement(&mut self, statement: &StmtTry) {
        if statement.handlers.iter().any(catches_import_errors) {
            self.optional_body(&statement.body);
        } else {
            self.visit_body(&statement.body);
        }
        for handler in &statement.handlers {
            self.visit_except_handler(handler);
        }
        self.visit_body(&statement.orelse);
        self.visit_body(&statement.finalbody);
    }

    fn if_statement(&mut self, statement: &StmtIf) {
        self.visit_expr(&statement.test);
        let name = dotted(&statement.test).unwrap_or_default();
        if name.rsplit('.').next() == Some("TYPE_CHECKING") {
            self.optional_body(&statement.body);
        } else {
            self.visit_body(&statement.body);
        }
        for clause in &statement.elif_else_clauses {
            self.visit_elif_else_clause(clause);
        }
    }

    /// Whether a `with` statement takes import errors away: `contextlib.suppress(ImportError)`.
    fn suppresses(statement: &StmtWith) -> bool {
        statement.items.iter().any(|item| {
            let Expr::Call(call) = &item.context_expr else {
                return false;
            };
            dotted(&call.func).is_some_and(|name| name.rsplit('.').next() == Some("suppress"))
        })
    }

    fn statement(&mut self, statement: &Stmt) {
        match statement {
            Stmt::Import(import) => {
                for alias in &import.names {
                    self.import(0, &alias.name.id, Vec::new());
                }
            }
            Stmt::ImportFrom(import) => {
                let module = import.module.as_ref().map_or("", |module| &*module.id);
                let names = import.names.iter();
                let names = names.map(|alias| alias.name.id.to_string()).collect();
                self.import(import.level, module, names);
            }
            Stmt::Try(inner) => return self.try_statement(inner),
            Stmt::If(inner) => return self.if_statement(inner),
            Stmt::With(inner) if Self::suppresses(inner) => return self.optional_body(&inner.body),
            Stmt::Assign(assign) => {
                for target in &assign.targets {
                    self.assigned(target, &assign.value);
                }
            }
            Stmt::AugAssign(assign) => self.assigned(&assign.target, &assign.value),
            Stmt::AnnAssign(assign) => {
                if let Some(value) = &assign.value {
                    self.assigned(&assign.target, value);
                }
            }
            _ => {}
        }
        walk_stmt(self, statement);
    }

    /// Goes one level deeper, if that is not too deep.
    fn within(&mut self, line: u32, go: impl FnOnce(&mut Self)) {
        if self.depth == DEPTH {
            self.too_deep = true;
            return;
        }
        let line = std::mem::replace(&mut self.line, line);
        self.depth += 1;
        go(self);
        self.depth -= 1;
        self.line = line;
    }
}

impl<'a> Visitor<'a> for Collector<'_> {
    fn visit_stmt(&mut self, statement: &'a Stmt) {
        let line = self.lines.line(statement.start().to_usize());
        self.within(line, |this| this.statement(statement));
    }

    fn visit_expr(&mut self, expression: &'a Expr) {
        let Expr::Call(call) = expression else {
            return self.within(self.line, |this| walk_expr(this, expression));
        };
        let line = self.lines.line(expression.start().to_usize());
        self.within(line, |this| {
            this.call(call);
            walk_expr(this, expression);
        });
    }
}

/// Whether an `except` clause catches the error of an import that fails.
fn catches_import_errors(handler: &ExceptHandler) -> bool {
    const ERRORS: [&str; 4] = [
        "ImportError",
        "ModuleNotFoundError",
        "Exception",
        "BaseException",
    ];
    let ExceptHandler::ExceptHandler(handler) = handler;
    let one = |error: &Expr| dotted(error).is_some_and(|name| ERRORS.contains(&&*name));
    match handler.type_.as_deref() {
        None => true,
        Some(Expr::Tuple(errors)) => errors.elts.iter().any(one),
        Some(error) => one(error),
    }
}

/// The argument of a call by position or name.
pub(crate) fn argument<'a>(call: &'a ExprCall, position: usize, name: &str) -> Option<&'a Expr> {
    call.arguments.args.get(position).or_else(|| {
        let named = |keyword: &&ruff_python_ast::Keyword| {
            keyword.arg.as_ref().is_some_and(|arg| &*arg.id == name)
        };
        let keyword = call.arguments.keywords.iter().find(named)?;
        Some(&keyword.value)
    })
}

/// The name `a.b.c` that an expression is, if it is one.
pub(crate) fn dotted(expression: &Expr) -> Option<String> {
    let mut parts = Vec::new();
    let mut at = expression;
    loop {
        match at {
            Expr::Attribute(attribute) => {
                parts.push(&*attribute.attr.id);
                at = &attribute.value;
            }
            Expr::Name(name) => {
                parts.push(&*name.id);
                parts.reverse();
                return Some(parts.join("."));
            }
            _ => return None,
        }
    }
}

/// Whether a function belongs to a module by its name, or stands alone as if imported from it.
fn is_of(name: &str, module: &str) -> bool {
    match name.rsplit_once('.') {
        Some((owner, _)) => owner == module,
        None => true,
    }
}

/// The text of a literal.
pub(crate) fn text(expression: &Expr) -> Option<String> {
    match expression {
        Expr::StringLiteral(literal) => Some(literal.value.to_str().to_owned()),
        _ => None,
    }
}

/// The literal texts in a text, list, tuple or set, or in a sum of such.
fn texts(expression: &Expr) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = vec![expression];
    while let Some(expression) = rest.pop() {
        match expression {
            Expr::List(list) => rest.extend(list.elts.iter().rev()),
            Expr::Tuple(tuple) => rest.extend(tuple.elts.iter().rev()),
            Expr::Set(set) => rest.extend(set.elts.iter().rev()),
            Expr::Starred(starred) => rest.push(&starred.value),
            Expr::BinOp(sum) if sum.op == Operator::Add => rest.extend([&*sum.right, &*sum.left]),
            other => found.extend(text(other)),
        }
    }
    found
}

/// With what a computed text begins: `models.` of `f"models.{x}"`, `"models." + x`,
/// `"models.%s" % x` and `"models.{}".format(x)`.
fn literal_prefix(expression: &Expr) -> String {
    let mut at = expression;
    loop {
        return match at {
            Expr::BinOp(sum) if matches!(sum.op, Operator::Add | Operator::Mod) => {
                at = &sum.left;
                continue;
            }
            Expr::Call(call) => match &*call.func {
                Expr::Attribute(method) if &*method.attr.id == "format" => {
                    at = &method.value;
                    continue;
                }
                _ => String::new(),
            },
            Expr::FString(joined) => match joined.value.as_slice().first() {
                Some(FStringPart::Literal(literal)) => literal.value.to_string(),
                Some(FStringPart::FString(part)) => match part.elements.first() {
                    Some(InterpolatedStringElement::Literal(literal)) => literal.value.to_string(),
                    _ => String::new(),
                },
                None => String::new(),
            },
            other => {
                let text = text(other).unwrap_or_default();
                let end = text.find(['%', '{']).unwrap_or(text.len());
                text[..end].to_owned()
            }
        };
    }
}

/// The path in `open("…").read()` or `Path("…").read_text()`.
fn read_path(expression: &Expr) -> Option<String> {
    let Expr::Call(read) = expression else {
        return None;
    };
    let Expr::Attribute(method) = &*read.func else {
        return None;
    };
    let Expr::Call(open) = &*method.value else {
        return None;
    };
    let opener = dotted(&open.func)?;
    let opener = opener.rsplit('.').next()?;
    matches!(opener, "open" | "Path").then(|| text(open.arguments.args.first()?))?
}
