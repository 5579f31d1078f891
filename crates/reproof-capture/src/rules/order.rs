//! Rules about order: of files in folders, of sets, of what several threads make.

use ruff_python_ast::{Comprehension, Expr, ExprCall, Stmt, StmtFor};
use ruff_text_size::Ranged;

use super::visit::{Checker, Said};
use super::{Insertion, Rule};

impl Checker<'_> {
    pub(super) fn files(&mut self, name: Option<&str>, method: Option<&str>, call: &ExprCall) {
        let lists = match name {
            Some("os.listdir" | "glob.glob") => Some((true, true)),
            Some("glob.iglob") => Some((false, true)),
            Some("os.scandir") => Some((false, false)),
            Some(_) => None,
            None => match method {
                Some("iterdir") => Some((false, true)),
                Some("glob" | "rglob") if call.arguments.args.len() == 1 => Some((false, true)),
                _ => None,
            },
        };
        let Some((is_list, sortable)) = lists else {
            return;
        };
        let begin = call.start().to_usize();
        let sorted_later = self.assigned.as_ref().is_some_and(|(range, local)| {
            range.contains_range(call.range()) && self.facts.sorted.contains(local)
        });
        if self.free > 0 || sorted_later {
            return;
        }
        let shown = name.map_or_else(
            || format!(".{}()", method.unwrap_or_default()),
            |name| format!("{name}()"),
        );
        let text = format!(
            "{shown} gives names in the order of the file system, which differs between machines"
        );
        let safe = sortable && (is_list || self.iterated.contains(&begin));
        let advice = if sortable {
            "put sorted(…) around it"
        } else {
            "sort its entries: sorted(…, key=lambda entry: entry.name)"
        };
        let mut said = Said::new(Rule::UnsortedFiles, text, advice);
        if safe {
            said.fix = vec![
                Insertion {
                    at: begin,
                    text: "sorted(",
                },
                Insertion {
                    at: call.end().to_usize(),
                    text: ")",
                },
            ];
        }
        self.say(call.range(), said);
    }

    /// `for root, dirs, files in os.walk(…)`.
    pub(super) fn walk(&mut self, each: &StmtFor) {
        let Expr::Call(call) = &*each.iter else {
            return;
        };
        if self.free > 0 || self.names.resolve(&call.func).as_deref() != Some("os.walk") {
            return;
        }
        let settled = |place: &Expr| match place {
            Expr::Name(name) => {
                let local = (self.scope, name.id.to_string());
                self.facts.sorted.contains(&local)
            }
            _ => false,
        };
        let unread = |place: &Expr| match place {
            Expr::Name(name) => !self.facts.read.contains(&(self.scope, name.id.to_string())),
            _ => false,
        };
        if let Expr::Tuple(target) = &*each.target
            && let [_, folders, files] = &target.elts[..]
            && settled(folders)
            && (settled(files) || unread(files))
        {
            return;
        }
        let text = "os.walk() goes through folders and files in the order of the file system, which \
                    differs between machines";
        let advice = "sort both in the loop: dirs.sort() and sorted(files)";
        self.say(call.range(), Said::new(Rule::UnsortedFiles, text, advice));
    }

    pub(super) fn completion(&mut self, name: Option<&str>, method: Option<&str>, call: &ExprCall) {
        if self.free == 0 && name.is_none() && method == Some("imap_unordered") {
            let text = "imap_unordered() gives results in the order in which they are ready";
            let advice = "use imap() or map(), which keep the order";
            self.say(call.range(), Said::new(Rule::CompletionOrder, text, advice));
        }
    }

    /// `for done in as_completed(…)` whose body adds to a list or a sum.
    pub(super) fn completed(&mut self, iter: &Expr, adds: bool) {
        let Expr::Call(call) = iter else { return };
        let name = self.names.resolve(&call.func);
        let known = matches!(
            name.as_deref(),
            Some("concurrent.futures.as_completed" | "asyncio.as_completed")
        );
        if known && adds && self.free == 0 {
            let text = "as_completed() gives results in the order in which they are ready, and what is \
                        made of them keeps that order";
            let advice = "go through the futures in the order in which they were made";
            self.say(call.range(), Said::new(Rule::CompletionOrder, text, advice));
        }
    }

    /// Calls that put a set into an order.
    pub(super) fn set_calls(&mut self, name: Option<&str>, method: Option<&str>, call: &ExprCall) {
        const ORDERING: [&str; 5] = [
            "builtins.list",
            "builtins.tuple",
            "builtins.enumerate",
            "builtins.iter",
            "numpy.fromiter",
        ];
        let orders = name.is_some_and(|name| ORDERING.contains(&name)) || method == Some("join");
        if orders && let Some(first) = call.arguments.args.first() {
            self.set(first);
        }
        if let Expr::Attribute(popped) = &*call.func
            && &*popped.attr.id == "pop"
            && call.arguments.is_empty()
        {
            self.set(&popped.value);
        }
    }

    /// A place where the order of a set shows.
    pub(super) fn set(&mut self, expression: &Expr) {
        if self.free > 0 || !self.facts.is_set(expression, self.scope, self.names) {
            return;
        }
        let text = "the order of a set of texts follows PYTHONHASHSEED: the profile fixes it, other \
                    runs of Python do not";
        // What cannot be compared cannot be sorted: a person has to look.
        let said = Said::new(Rule::SetOrder, text, "put sorted(…) around it");
        self.say(expression.range(), said);
    }

    pub(super) fn iteration(&mut self, iter: &Expr) {
        self.set(iter);
        self.iterated.insert(iter.start().to_usize());
    }

    /// Whether what a call makes of its arguments does not depend on their order.
    pub(super) fn is_free(&self, call: &ExprCall) -> bool {
        const FREE: [&str; 9] = [
            "builtins.sorted",
            "builtins.len",
            "builtins.set",
            "builtins.frozenset",
            "builtins.any",
            "builtins.all",
            "builtins.min",
            "builtins.max",
            "natsort.natsorted",
        ];
        let name = self.names.resolve(&call.func);
        name.is_some_and(|name| FREE.contains(&&*name))
    }

    /// A comprehension that makes a sequence.
    pub(super) fn comprehension(&mut self, generators: &[Comprehension]) {
        for one in generators {
            self.set(&one.iter);
            self.completed(&one.iter, true);
        }
    }
}

/// Whether statements add to a list or a sum.
pub(super) fn adds(body: &[Stmt]) -> bool {
    body.iter().any(|statement| match statement {
        Stmt::AugAssign(_) => true,
        Stmt::Expr(expression) => matches!(&*expression.value, Expr::Call(call)
            if matches!(&*call.func, Expr::Attribute(method)
                if matches!(&*method.attr.id, "append" | "extend" | "write"))),
        _ => false,
    })
}
