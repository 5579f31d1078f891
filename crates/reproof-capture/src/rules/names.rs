//! What the names of some code stand for: `np.random.rand` for `numpy.random.rand`.

use std::collections::{BTreeMap, BTreeSet};

use ruff_python_ast::visitor::{Visitor, walk_expr, walk_stmt};
use ruff_python_ast::{Expr, ExprContext, Parameter, Stmt};

use super::{Part, magic_code};
use crate::closure::visit::{DEPTH, dotted};
use crate::closure::with_python;

/// The names of a module, or of all cells of a notebook.
#[derive(Default)]
pub(super) struct Names {
    /// What an imported name stands for.
    imported: BTreeMap<String, String>,
    /// The names that the code gives a meaning of its own, or several.
    own: BTreeSet<String>,
    /// The names of parameters.
    parameters: BTreeSet<String>,
    depth: usize,
}

impl Names {
    pub fn of(parts: &[Part<'_>]) -> Self {
        let mut names = Self::default();
        for part in parts {
            names.visit_body(part.body);
        }
        names
    }

    /// The full name of a dotted expression, where its first part is imported or built in, and nothing
    /// else: `os.listdir`, `builtins.set`.
    pub fn resolve(&self, expression: &Expr) -> Option<String> {
        let name = dotted(expression)?;
        let (first, rest) = name.split_once('.').unwrap_or((&name, ""));
        if self.own.contains(first) {
            return None;
        }
        if let Some(full) = self.imported.get(first) {
            return Some(match rest {
                "" => full.clone(),
                rest => format!("{full}.{rest}"),
            });
        }
        (rest.is_empty() && !self.parameters.contains(first)).then(|| format!("builtins.{first}"))
    }

    /// Whether something of this top-level module is imported.
    pub fn imports(&self, module: &str) -> bool {
        let below = |full: &String| full.split('.').next() == Some(module);
        self.imported.values().any(below)
    }

    fn import(&mut self, local: &str, full: &str) {
        let known = self.imported.insert(local.to_owned(), full.to_owned());
        if known.is_some_and(|known| known != full) {
            // Two things of one name: which one is meant is not looked for.
            self.own.insert(local.to_owned());
        }
    }
}

impl<'a> Visitor<'a> for Names {
    fn visit_stmt(&mut self, statement: &'a Stmt) {
        match statement {
            Stmt::Import(import) => {
                for alias in &import.names {
                    let name = alias.name.id.as_str();
                    match &alias.asname {
                        Some(local) => self.import(&local.id, name),
                        // `import a.b` binds `a`.
                        None => {
                            let top = name.split('.').next().unwrap_or(name);
                            self.import(top, top);
                        }
                    }
                }
            }
            Stmt::ImportFrom(import) if import.level == 0 => {
                let module = import.module.as_ref().map_or("", |module| &*module.id);
                for alias in &import.names {
                    let local = alias.asname.as_ref().unwrap_or(&alias.name);
                    self.import(&local.id, &format!("{module}.{}", alias.name.id));
                }
            }
            Stmt::ImportFrom(import) => {
                for alias in &import.names {
                    let local = alias.asname.as_ref().unwrap_or(&alias.name);
                    self.own.insert(local.id.to_string());
                }
            }
            Stmt::FunctionDef(function) => {
                self.own.insert(function.name.id.to_string());
            }
            Stmt::ClassDef(class) => {
                self.own.insert(class.name.id.to_string());
            }
            _ => {}
        }
        if self.depth < DEPTH {
            self.depth += 1;
            match magic_code(statement) {
                Some(code) => {
                    with_python(code, |body| self.visit_body(body));
                }
                None => walk_stmt(self, statement),
            }
            self.depth -= 1;
        }
    }

    fn visit_parameter(&mut self, parameter: &'a Parameter) {
        self.parameters.insert(parameter.name.id.to_string());
    }

    fn visit_expr(&mut self, expression: &'a Expr) {
        if let Expr::Name(name) = expression
            && name.ctx == ExprContext::Store
        {
            self.own.insert(name.id.to_string());
        }
        if self.depth < DEPTH {
            self.depth += 1;
            walk_expr(self, expression);
            self.depth -= 1;
        }
    }
}
