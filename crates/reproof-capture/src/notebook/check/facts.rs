//! What the text of a statement or expression says of how it runs.

use ruff_python_ast::visitor::{Visitor, walk_expr, walk_stmt};
use ruff_python_ast::{ExceptHandler, Expr, Stmt, StmtFunctionDef};

use super::bindings::DEPTH;

/// Whether a statement holds no others and is always passed.
pub(super) fn is_simple(statement: &Stmt) -> bool {
    !matches!(
        statement,
        Stmt::If(_)
            | Stmt::For(_)
            | Stmt::While(_)
            | Stmt::Try(_)
            | Stmt::With(_)
            | Stmt::Match(_)
            | Stmt::FunctionDef(_)
            | Stmt::ClassDef(_)
    )
}

/// What a test comes to, if the text says so.
pub(super) fn truth(test: &Expr) -> Option<bool> {
    match test {
        Expr::BooleanLiteral(literal) => Some(literal.value),
        Expr::NumberLiteral(number) => match &number.value {
            ruff_python_ast::Number::Int(int) => Some(int.as_u64() != Some(0)),
            _ => None,
        },
        Expr::Name(name) if &*name.id == "TYPE_CHECKING" => Some(false),
        Expr::Attribute(attribute) if &*attribute.attr.id == "TYPE_CHECKING" => Some(false),
        Expr::Compare(compare) => {
            let is_name = matches!(&*compare.left, Expr::Name(name) if &*name.id == "__name__");
            let is_main = matches!(compare.comparators.first(),
                Some(Expr::StringLiteral(text)) if text.value.to_str() == "__main__");
            let equal = compare.ops.first() == Some(&ruff_python_ast::CmpOp::Eq);
            (is_name && is_main && equal).then_some(true)
        }
        _ => None,
    }
}

/// Whether an `except` clause catches the error of a name that is missing.
pub(super) fn catches_names(handler: &ExceptHandler) -> bool {
    let ExceptHandler::ExceptHandler(handler) = handler;
    let one = |error: &Expr| {
        matches!(
            last_name(error),
            Some("NameError" | "Exception" | "BaseException" | "UnboundLocalError")
        )
    };
    match handler.type_.as_deref() {
        None => true,
        Some(Expr::Tuple(errors)) => errors.elts.iter().any(one),
        Some(error) => one(error),
    }
}

/// The last part of a dotted name.
pub(super) fn last_name(expression: &Expr) -> Option<&str> {
    match expression {
        Expr::Name(name) => Some(name.id.as_str()),
        Expr::Attribute(attribute) => Some(attribute.attr.id.as_str()),
        _ => None,
    }
}

/// Whether a function is a generator, whose body does not run when it is called.
pub(super) fn yields(function: &StmtFunctionDef) -> bool {
    struct Yields(bool, usize);
    impl<'a> Visitor<'a> for Yields {
        fn visit_stmt(&mut self, statement: &'a Stmt) {
            if !matches!(statement, Stmt::FunctionDef(_) | Stmt::ClassDef(_)) && self.1 < DEPTH {
                self.1 += 1;
                walk_stmt(self, statement);
                self.1 -= 1;
            }
        }
        fn visit_expr(&mut self, expression: &'a Expr) {
            match expression {
                Expr::Yield(_) | Expr::YieldFrom(_) => self.0 = true,
                Expr::Lambda(_) => {}
                _ if self.1 < DEPTH => {
                    self.1 += 1;
                    walk_expr(self, expression);
                    self.1 -= 1;
                }
                _ => {}
            }
        }
    }
    let mut found = Yields(false, 0);
    found.visit_body(&function.body);
    found.0
}
