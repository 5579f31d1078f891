//! Goes through code and asks the rules.

use std::collections::BTreeSet;

use ruff_python_ast::visitor::{Visitor, walk_comprehension, walk_expr, walk_stmt};
use ruff_python_ast::{CmpOp, Comprehension, Expr, ExprCall, ExprContext, ExprSubscript, Stmt};
use ruff_text_size::{Ranged, TextRange};

use super::calls;
use super::facts::{Facts, Local, Scope, Spot};
use super::names::Names;
use super::order::adds;
use super::paths::opened_path;
use super::{Checked, Context, Finding, Generator, Insertion, Part, Rule, Severity, magic_code};
use crate::closure::parse::Lines;
use crate::closure::visit::{DEPTH, dotted};
use crate::closure::with_python;

/// Checks code in parts.
pub(super) fn check(parts: &[Part<'_>], context: &Context) -> Checked {
    let names = Names::of(parts);
    let facts = Facts::of(parts, &names);
    let lines: Vec<Lines> = parts.iter().map(|part| Lines::new(part.text)).collect();
    let mut checker = Checker {
        parts,
        lines: &lines,
        at: 0,
        context,
        names: &names,
        facts: &facts,
        found: Vec::new(),
        scope: (0, 0),
        deferred: 0,
        magic: None,
        hashes: false,
        free: 0,
        iterated: BTreeSet::new(),
        addresses: BTreeSet::new(),
        assigned: None,
        depth: 0,
    };
    for (number, part) in parts.iter().enumerate() {
        checker.at = number;
        checker.iterated.clear();
        checker.addresses.clear();
        checker.visit_body(part.body);
    }
    Checked {
        found: checker.found,
        seeds: facts.seeds.generators(),
    }
}

/// The column of a byte, in characters from 1.
pub(super) fn column(text: &str, lines: &Lines, byte: usize) -> u32 {
    let before = text.get(lines.start(byte)..byte).unwrap_or_default();
    before.chars().count() as u32 + 1
}

pub(super) struct Checker<'c> {
    parts: &'c [Part<'c>],
    /// Where the lines of each part begin.
    lines: &'c [Lines],
    /// The part that is looked at.
    at: usize,
    pub(super) context: &'c Context,
    pub(super) names: &'c Names,
    pub(super) facts: &'c Facts,
    found: Vec<Finding>,
    /// The function that is looked at.
    pub(super) scope: Scope,
    /// In how many functions.
    deferred: usize,
    /// Where the magic begins whose code is looked at.
    magic: Option<usize>,
    /// Whether the function is `__hash__`.
    hashes: bool,
    /// In how many calls whose result is the same in whatever order things come.
    pub(super) free: usize,
    /// Where expressions begin that are only iterated over, so that a list does as well.
    pub(super) iterated: BTreeSet<usize>,
    /// Where texts begin that look like paths and are addresses inside of something else.
    pub(super) addresses: BTreeSet<usize>,
    /// The name that gets what is looked at.
    pub(super) assigned: Option<(TextRange, Local)>,
    depth: usize,
}

/// What a rule says of a place.
pub(super) struct Said {
    pub(super) rule: Rule,
    pub(super) severity: Severity,
    pub(super) text: String,
    pub(super) advice: String,
    pub(super) fix: Vec<Insertion>,
    pub(super) unless_seeded: Option<Generator>,
    pub(super) is_one_of_many: bool,
    pub(super) file: Option<String>,
}

impl Said {
    pub(super) fn new(rule: Rule, text: impl Into<String>, advice: impl Into<String>) -> Self {
        Self {
            rule,
            severity: rule.severity(),
            text: text.into(),
            advice: advice.into(),
            fix: Vec::new(),
            unless_seeded: None,
            is_one_of_many: false,
            file: None,
        }
    }
}

impl Checker<'_> {
    pub(super) fn say(&mut self, at: TextRange, said: Said) {
        let spot = self.spot(at);
        let part = &self.parts[spot.part];
        let lines = &self.lines[spot.part];
        self.found.push(Finding {
            rule: said.rule,
            severity: said.severity,
            cell: part.cell,
            line: lines.line(spot.byte),
            column: column(part.text, lines, spot.byte),
            text: said.text,
            advice: said.advice,
            // What lies in a notebook's file is another text than that of its cells.
            fix: if part.cell.is_none() {
                said.fix
            } else {
                Vec::new()
            },
            unless_seeded: said.unless_seeded,
            is_one_of_many: said.is_one_of_many,
            file: said.file,
        });
    }

    /// Where something stands.
    pub(super) fn spot(&self, at: TextRange) -> Spot {
        Spot {
            part: self.at,
            byte: self.magic.unwrap_or(at.start().to_usize()),
            later: self.deferred > 0,
        }
    }

    /// A place in words, as it is seen from the part that is looked at.
    pub(super) fn shown(&self, spot: Spot) -> String {
        let line = self.lines[spot.part].line(spot.byte);
        match self.parts[spot.part].cell {
            Some(cell) => format!("cell {cell}, line {line}"),
            None => format!("line {line}"),
        }
    }

    fn call(&mut self, call: &ExprCall) {
        let name = self.names.resolve(&call.func);
        let method = match &*call.func {
            Expr::Attribute(method) => Some(&*method.attr.id),
            _ => None,
        };
        if let Some(name) = &name {
            self.clock(name, call);
            self.entropy(name, call);
            self.random(name, call);
            self.variable_call(name, call);
            self.network(name, call);
            self.hash(name, call);
            self.forest(name, call);
            if calls::is_pickle(name) {
                self.pickle(name, call.range());
            }
        } else if method == Some("to_pickle") {
            self.pickle("to_pickle", call.range());
        }
        if name
            .as_deref()
            .is_none_or(|name| !name.starts_with("builtins."))
        {
            self.random_method(method, call);
        }
        self.files(name.as_deref(), method, call);
        self.completion(name.as_deref(), method, call);
        self.path_call(name.as_deref(), method, call);
        self.archive(name.as_deref(), method, call);
        self.shared(name.as_deref(), method, call);
        self.opened(name.as_deref(), method, call);
        self.set_calls(name.as_deref(), method, call);
    }

    /// A file that is opened by a text.
    fn opened(&mut self, name: Option<&str>, method: Option<&str>, call: &ExprCall) {
        if !self.context.is_step {
            return;
        }
        if let Some(path) = opened_path(name, method, call, self.names) {
            let text = format!("the step does not see the file '{path}' of the project");
            let advice = format!(
                "add it to the step, 'code: [{path}]'; if it is data, declare it under 'data' and take it \
                 as an input"
            );
            let mut said = Said::new(Rule::UndeclaredFile, text, advice);
            said.file = Some(path.to_owned());
            self.say(call.range(), said);
        }
    }

    fn archive(&mut self, name: Option<&str>, method: Option<&str>, call: &ExprCall) {
        let advice = calls::archive(name, method, call, |module| self.names.imports(module));
        if let Some(advice) = advice {
            let shown =
                name.map_or_else(|| format!(".{}", method.unwrap_or_default()), str::to_owned);
            let text = format!("{shown}() writes the time of day into the head of what it packs");
            self.say(call.range(), Said::new(Rule::ArchiveTime, text, advice));
        }
    }

    /// `key=locale.strxfrm`.
    fn locale(&mut self, expression: &Expr) {
        let name = self.names.resolve(expression);
        if let Some(name @ ("locale.strxfrm" | "locale.strcoll")) = name.as_deref() {
            let text = format!(
                "{name} sorts by the locale: the profile fixes it, other runs of Python have another one"
            );
            let advice =
                "sort by the texts themselves, or by str.casefold; by a language with PyICU";
            self.say(
                expression.range(),
                Said::new(Rule::LocaleOrder, text, advice),
            );
        }
    }

    fn clock(&mut self, name: &str, call: &ExprCall) {
        if !calls::is_clock(name, call) {
            return;
        }
        if let Some((range, (_, target))) = &self.assigned
            && *range == call.range()
            && matches!(name, "time.time" | "time.time_ns")
            && self.facts.measures_only(target)
        {
            return;
        }
        let text = format!("{name}() is another value in each run");
        let advice = "take the time from a parameter, or report it as an observation; for how long \
                      something takes use time.perf_counter()";
        self.say(call.range(), Said::new(Rule::Clock, text, advice));
    }

    fn entropy(&mut self, name: &str, call: &ExprCall) {
        if calls::is_entropy(name, call) {
            let name = name.trim_start_matches("builtins.");
            let text = format!("{name}() gives other bits in each run");
            let advice = "make it from the step's seed: random.Random(seed), \
                          numpy.random.default_rng(seed), uuid.uuid5 of what it names";
            self.say(call.range(), Said::new(Rule::Entropy, text, advice));
        }
    }

    /// `os.getenv("X")`, `os.environ.get("X")`.
    fn variable_call(&mut self, name: &str, call: &ExprCall) {
        if !matches!(name, "os.getenv" | "os.environ.get") {
            return;
        }
        if let Some(Expr::StringLiteral(variable)) = call.arguments.args.first() {
            let what = if call.arguments.args.len() > 1 {
                "always gets the default"
            } else {
                "always gets None"
            };
            self.variable(
                variable.value.to_str(),
                Severity::Warning,
                what,
                call.range(),
            );
        }
    }

    /// `os.environ["X"]`.
    fn variable_item(&mut self, item: &ExprSubscript) {
        if item.ctx == ExprContext::Load
            && self.names.resolve(&item.value).as_deref() == Some("os.environ")
            && let Expr::StringLiteral(variable) = &*item.slice
        {
            let what = "fails with a KeyError";
            self.variable(variable.value.to_str(), Severity::Error, what, item.range());
        }
    }

    fn variable(&mut self, variable: &str, severity: Severity, what: &str, at: TextRange) {
        if !self.context.is_step || self.context.variables.contains(variable) {
            return;
        }
        let text = format!("the step has no variable {variable}: this {what}");
        let advice = format!("declare it: variables: [{variable}]");
        let mut said = Said::new(Rule::UndeclaredVariable, text, advice);
        said.severity = severity;
        self.say(at, said);
    }

    fn network(&mut self, name: &str, call: &ExprCall) {
        if !calls::is_network(name, call) {
            return;
        }
        let (text, advice) = if self.context.network {
            (
                format!("{name} gets what is there now: no recipe pins it"),
                "let a step of its own fetch it, so that the rest stays reproducible, or name it as a \
                 data source, which is pinned",
            )
        } else {
            let which = if self.context.is_step { "the" } else { "a" };
            (
                format!("{name} needs a network, which {which} step does not have"),
                "name it as a data source, which is pinned, or let a step of its own with 'network: \
                 true' fetch it",
            )
        };
        self.say(call.range(), Said::new(Rule::Network, text, advice));
    }

    fn hash(&mut self, name: &str, call: &ExprCall) {
        if name != "builtins.hash" || self.hashes {
            return;
        }
        if call
            .arguments
            .args
            .first()
            .is_some_and(Expr::is_number_literal_expr)
        {
            return;
        }
        let text = "hash() of a text follows PYTHONHASHSEED: the profile fixes it, other runs of Python \
                    do not";
        let advice = "use hashlib, such as hashlib.blake2b(text.encode(), digest_size=8)";
        self.say(call.range(), Said::new(Rule::StringHash, text, advice));
    }

    fn pickle(&mut self, name: &str, at: TextRange) {
        let format = calls::stable_format(name, |module| self.names.imports(module));
        let text = format!(
            "{name} writes a pickle: it can only be compared by its bytes, which may change for the \
             same content, and loading one runs code"
        );
        self.say(
            at,
            Said::new(Rule::PickleOutput, text, format!("write {format}")),
        );
    }

    fn expression(&mut self, expression: &Expr) {
        match expression {
            Expr::Call(call) => self.call(call),
            Expr::Subscript(item) => self.variable_item(item),
            Expr::StringLiteral(_) | Expr::FString(_) => self.path_text(expression),
            Expr::Attribute(_) | Expr::Name(_) => self.locale(expression),
            Expr::Starred(starred) if starred.ctx == ExprContext::Load => self.set(&starred.value),
            _ => {}
        }
    }

    fn is_duration(difference: &Expr) -> bool {
        matches!(difference, Expr::BinOp(operation) if operation.op == ruff_python_ast::Operator::Sub)
    }

    /// The sides of a difference: a reading of the clock there measures.
    fn difference<'a>(&mut self, difference: &'a ruff_python_ast::ExprBinOp)
    where
        Self: Visitor<'a>,
    {
        for side in [&*difference.left, &*difference.right] {
            let measures = matches!(side, Expr::Call(call)
                if matches!(self.names.resolve(&call.func).as_deref(), Some("time.time" | "time.time_ns")));
            if !measures {
                self.visit_expr(side);
            }
        }
    }
}

impl<'a> Visitor<'a> for Checker<'_> {
    fn visit_stmt(&mut self, statement: &'a Stmt) {
        if self.depth >= DEPTH {
            return;
        }
        // A text that stands alone says something to a reader.
        if matches!(statement, Stmt::Expr(inner) if inner.value.is_string_literal_expr()) {
            return;
        }
        let deferred = self.deferred;
        let before = (self.scope, self.hashes, self.assigned.take());
        match statement {
            Stmt::FunctionDef(function) => {
                self.scope = (self.at, function.start().to_usize() + 1);
                self.deferred += 1;
                self.hashes = &*function.name.id == "__hash__";
            }
            Stmt::For(each) => {
                self.iteration(&each.iter);
                self.walk(each);
                self.completed(&each.iter, adds(&each.body));
            }
            Stmt::Assign(assign) => {
                if let [target] = &assign.targets[..]
                    && let Some(name) = dotted(target)
                {
                    self.assigned = Some((assign.value.range(), (self.scope, name)));
                }
            }
            Stmt::AnnAssign(assign) => {
                if let (Some(value), Some(name)) = (&assign.value, dotted(&assign.target)) {
                    self.assigned = Some((value.range(), (self.scope, name)));
                }
            }
            _ => {}
        }
        self.depth += 1;
        match magic_code(statement) {
            Some(code) => {
                self.magic = Some(statement.start().to_usize());
                with_python(code, |body| self.visit_body(body));
                self.magic = None;
            }
            None => walk_stmt(self, statement),
        }
        self.depth -= 1;
        self.deferred = deferred;
        (self.scope, self.hashes, self.assigned) = before;
    }

    fn visit_comprehension(&mut self, comprehension: &'a Comprehension) {
        self.iterated.insert(comprehension.iter.start().to_usize());
        walk_comprehension(self, comprehension);
    }

    fn visit_expr(&mut self, expression: &'a Expr) {
        if self.depth >= DEPTH {
            return;
        }
        self.depth += 1;
        self.expression(expression);
        let free = match expression {
            Expr::Call(call) => {
                let takes_any = matches!(
                    self.names.resolve(&call.func).as_deref(),
                    Some("builtins.list" | "builtins.tuple" | "builtins.enumerate")
                );
                if takes_any && let Some(first) = call.arguments.args.first() {
                    self.iterated.insert(first.start().to_usize());
                }
                self.is_free(call)
            }
            Expr::Compare(comparison) => comparison
                .ops
                .iter()
                .all(|op| matches!(op, CmpOp::In | CmpOp::NotIn)),
            // What becomes a set again has no order.
            Expr::SetComp(_) => true,
            Expr::ListComp(list) => {
                self.comprehension(&list.generators);
                false
            }
            Expr::Generator(generator) => {
                self.comprehension(&generator.generators);
                false
            }
            Expr::DictComp(dictionary) => {
                for one in &dictionary.generators {
                    self.set(&one.iter);
                }
                false
            }
            _ => false,
        };
        let deferred = usize::from(expression.is_lambda_expr());
        self.deferred += deferred;
        self.free += usize::from(free);
        match expression {
            Expr::BinOp(difference) if Self::is_duration(expression) => self.difference(difference),
            _ => walk_expr(self, expression),
        }
        self.free -= usize::from(free);
        self.deferred -= deferred;
        self.depth -= 1;
    }

    fn visit_annotation(&mut self, _: &'a Expr) {}
}
