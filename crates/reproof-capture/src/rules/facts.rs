//! What a module does with its names, as far as rules have to know: which are sorted, which are sets,
//! which only measure how long something takes, and which generators are seeded.

use std::collections::{BTreeMap, BTreeSet};

use ruff_python_ast::visitor::{Visitor, walk_expr, walk_stmt};
use ruff_python_ast::{Expr, ExprCall, ExprContext, Operator, Stmt};
use ruff_text_size::Ranged;

use super::names::Names;
use super::random::{Draws, draws};
use super::{Generator, Part, magic_code};
use crate::closure::visit::{DEPTH, dotted};
use crate::closure::with_python;

/// The function that is looked at: in which part of the code it begins, and behind which byte; zeros
/// outside of functions, in all parts.
pub(super) type Scope = (usize, usize);

/// A name in a function.
pub(super) type Local = (Scope, String);

/// Where something stands: in which part of the code, and at which byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Spot {
    pub part: usize,
    pub byte: usize,
    /// Whether it stands in a function, so that when it runs is not known.
    pub later: bool,
}

/// Where generators are seeded.
#[derive(Default)]
pub(super) struct Seeds {
    known: BTreeMap<Generator, Vec<Spot>>,
    /// Calls of functions that seed something, as their names tell: it may be anything.
    any: Vec<Spot>,
}

impl Seeds {
    /// The generators that are seeded, or may be.
    pub fn generators(&self) -> BTreeSet<Generator> {
        if self.any.is_empty() {
            self.known.keys().copied().collect()
        } else {
            BTreeSet::from(Generator::ALL)
        }
    }

    fn of(&self, generator: Generator) -> impl Iterator<Item = &Spot> {
        self.known
            .get(&generator)
            .into_iter()
            .flatten()
            .chain(&self.any)
    }

    /// The first place where a generator is seeded.
    pub fn first(&self, generator: Generator) -> Option<Spot> {
        self.of(generator).min().copied()
    }

    /// Whether a generator may have its seed when this is run.
    pub fn cover(&self, generator: Generator, spot: Spot) -> bool {
        let before = |seed: &Spot| (seed.part, seed.byte) < (spot.part, spot.byte);
        spot.later && self.first(generator).is_some()
            || self.of(generator).any(|seed| seed.later || before(seed))
    }
}

/// What seeds which generator.
const SEEDING: &[(&str, &[Generator])] = &[
    ("random.seed", &[Generator::Python]),
    ("numpy.random.seed", &[Generator::NumPy]),
    ("torch.manual_seed", &[Generator::Torch]),
    ("torch.random.manual_seed", &[Generator::Torch]),
    ("tensorflow.random.set_seed", &[Generator::TensorFlow]),
    ("tensorflow.keras.utils.set_random_seed", &Generator::ALL),
    ("keras.utils.set_random_seed", &Generator::ALL),
    ("lightning.seed_everything", &Generator::ALL),
    ("lightning.pytorch.seed_everything", &Generator::ALL),
    ("pytorch_lightning.seed_everything", &Generator::ALL),
    ("transformers.set_seed", &Generator::ALL),
    ("accelerate.utils.set_seed", &Generator::ALL),
];

/// Modules all of whose calls that seed are known.
const SEEDABLE: [&str; 4] = ["random.", "numpy.", "torch.", "tensorflow."];

/// Whether a call seeds generators: which.
pub(super) fn seeded_by(name: &str) -> Option<&'static [Generator]> {
    let found = SEEDING.iter().find(|(seeding, _)| *seeding == name);
    found.map(|(_, generators)| *generators)
}

/// Whether a call is given nothing, or `None`, as its first argument.
pub(super) fn gives_nothing(call: &ExprCall, keyword: &str) -> bool {
    if call.arguments.keywords.iter().any(|one| one.arg.is_none()) {
        return false;
    }
    let given = crate::closure::visit::argument(call, 0, keyword);
    given.is_none_or(Expr::is_none_literal_expr)
}

/// What was found out of a module before its rules are asked.
#[derive(Default)]
pub(super) struct Facts {
    /// Names whose content is sorted somewhere.
    pub sorted: BTreeSet<Local>,
    /// Names that are read.
    pub read: BTreeSet<Local>,
    /// Where generators are seeded.
    pub seeds: Seeds,
    /// Whether probabilities are asked of a model.
    pub predicts_probabilities: bool,
    /// Names that hold pools of several threads or processes.
    pools: BTreeSet<Local>,
    /// The functions of the module, by the scopes that they are.
    functions: BTreeMap<String, Scope>,
    /// The scopes in which is drawn from a generator that all share, and those that seed one.
    drawing: BTreeSet<Scope>,
    seeding: BTreeSet<Scope>,
    /// By name: whether all that is assigned to it are sets.
    sets: BTreeMap<Local, bool>,
    /// Names that are read elsewhere than in a difference.
    beyond_differences: BTreeSet<String>,
}

impl Facts {
    pub fn of(parts: &[Part<'_>], names: &Names) -> Self {
        let mut reader = Reader {
            names,
            facts: Self::default(),
            part: 0,
            scope: (0, 0),
            deferred: 0,
            magic: None,
            depth: 0,
        };
        for (number, part) in parts.iter().enumerate() {
            reader.part = number;
            reader.visit_body(part.body);
        }
        reader.facts
    }

    /// Whether a name is used in differences alone, as the start of a measurement is.
    pub fn measures_only(&self, name: &str) -> bool {
        !self.beyond_differences.contains(name)
    }

    /// Whether a name holds a pool of several threads or processes.
    pub fn is_pool(&self, name: &Local) -> bool {
        self.pools.contains(name)
    }

    /// Whether a function of the module draws from a generator that it shares with others.
    pub fn draws(&self, function: &str) -> bool {
        let scope = self.functions.get(function);
        scope.is_some_and(|scope| self.drawing.contains(scope) && !self.seeding.contains(scope))
    }

    /// Whether an expression is a set whose order depends on the hash seed.
    pub fn is_set(&self, expression: &Expr, scope: Scope, names: &Names) -> bool {
        match expression {
            Expr::Set(set) => !set.elts.iter().all(Expr::is_number_literal_expr),
            Expr::SetComp(_) => true,
            Expr::Name(name) => self.sets.get(&(scope, name.id.to_string())) == Some(&true),
            Expr::Call(call) => self.makes_set(call, scope, names),
            Expr::BinOp(operation) => {
                use Operator::{BitAnd, BitOr, BitXor, Sub};
                matches!(operation.op, BitAnd | BitOr | BitXor | Sub)
                    && self.is_set(&operation.left, scope, names)
            }
            _ => false,
        }
    }

    fn makes_set(&self, call: &ExprCall, scope: Scope, names: &Names) -> bool {
        const METHODS: [&str; 5] = [
            "union",
            "intersection",
            "difference",
            "symmetric_difference",
            "copy",
        ];
        if let Some(name) = names.resolve(&call.func)
            && matches!(&*name, "builtins.set" | "builtins.frozenset")
        {
            return !call.arguments.args.first().is_none_or(is_numbers);
        }
        match &*call.func {
            Expr::Attribute(method) => {
                METHODS.contains(&&*method.attr.id) && self.is_set(&method.value, scope, names)
            }
            _ => false,
        }
    }
}

/// Whether an expression surely holds whole numbers alone, whose hashes are themselves.
fn is_numbers(expression: &Expr) -> bool {
    match expression {
        Expr::List(list) => list.elts.iter().all(Expr::is_number_literal_expr),
        Expr::Tuple(tuple) => tuple.elts.iter().all(Expr::is_number_literal_expr),
        Expr::Call(call) => dotted(&call.func).as_deref() == Some("range"),
        _ => false,
    }
}

struct Reader<'n> {
    names: &'n Names,
    facts: Facts,
    part: usize,
    scope: Scope,
    /// In how many functions.
    deferred: usize,
    /// Where the magic begins whose code is looked at.
    magic: Option<usize>,
    depth: usize,
}

impl Reader<'_> {
    fn local(&self, name: &str) -> Local {
        (self.scope, name.to_owned())
    }

    fn spot(&self, node: &impl Ranged) -> Spot {
        Spot {
            part: self.part,
            byte: self.magic.unwrap_or(node.start().to_usize()),
            later: self.deferred > 0,
        }
    }

    /// A call that stands by itself, of a function whose name says that it seeds: someone's own, or that
    /// of a framework.
    fn seeding(&mut self, statement: &Expr) {
        let Expr::Call(call) = statement else { return };
        let last = match &*call.func {
            Expr::Name(name) => &name.id,
            Expr::Attribute(method) => &method.attr.id,
            _ => return,
        };
        if call.arguments.is_empty() || !last.to_lowercase().contains("seed") {
            return;
        }
        let name = self.names.resolve(&call.func);
        let is_known =
            name.is_some_and(|name| SEEDABLE.iter().any(|known| name.starts_with(known)));
        if !is_known {
            let spot = self.spot(call);
            self.facts.seeds.any.push(spot);
        }
    }

    fn assign(&mut self, target: &Expr, value: &Expr) {
        let Expr::Name(name) = target else { return };
        if matches!(value, Expr::Call(call) if self.makes_pool(call)) {
            let local = self.local(&name.id);
            self.facts.pools.insert(local);
        }
        let is_set = self.facts.is_set(value, self.scope, self.names)
            || matches!(value, Expr::Call(call) if self.is_empty_set(call));
        let local = self.local(&name.id);
        let known = self.facts.sets.entry(local).or_insert(true);
        *known &= is_set;
    }

    fn makes_pool(&self, call: &ExprCall) -> bool {
        const POOLS: [&str; 6] = [
            "concurrent.futures.ThreadPoolExecutor",
            "concurrent.futures.ProcessPoolExecutor",
            "multiprocessing.Pool",
            "multiprocessing.pool.Pool",
            "multiprocessing.pool.ThreadPool",
            "multiprocessing.dummy.Pool",
        ];
        let name = self.names.resolve(&call.func);
        let one = |number: &Expr| {
            matches!(number, Expr::NumberLiteral(literal)
                if literal.value.as_int().and_then(ruff_python_ast::Int::as_u8) == Some(1))
        };
        let workers = ["max_workers", "processes"]
            .into_iter()
            .find_map(|keyword| crate::closure::visit::argument(call, 0, keyword));
        name.is_some_and(|name| POOLS.contains(&&*name)) && !workers.is_some_and(one)
    }

    /// `set()`, which will be filled.
    fn is_empty_set(&self, call: &ExprCall) -> bool {
        self.names.resolve(&call.func).as_deref() == Some("builtins.set")
            && call.arguments.is_empty()
    }

    fn call(&mut self, call: &ExprCall) {
        if let Some(name) = self.names.resolve(&call.func) {
            if let Some(generators) = seeded_by(&name)
                && !gives_nothing(call, "seed")
            {
                let spot = self.spot(call);
                for generator in generators {
                    let spots = self.facts.seeds.known.entry(*generator).or_default();
                    spots.push(spot);
                }
                self.facts.seeding.insert(self.scope);
            }
            if matches!(draws(&name, call), Some(Draws::From(_) | Draws::Without(_))) {
                self.facts.drawing.insert(self.scope);
            }
            if name == "builtins.sorted"
                && let Some(Expr::Name(argument)) = call.arguments.args.first()
            {
                let local = self.local(&argument.id);
                self.facts.sorted.insert(local);
            }
        }
        let Expr::Attribute(method) = &*call.func else {
            return;
        };
        match (&*method.attr.id, &*method.value) {
            ("sort", Expr::Name(name)) => {
                let local = self.local(&name.id);
                self.facts.sorted.insert(local);
            }
            ("predict_proba", _) => self.facts.predicts_probabilities = true,
            _ => {}
        }
    }

    fn expression(&mut self, expression: &Expr) {
        match expression {
            Expr::Call(call) => self.call(call),
            Expr::Name(name) if name.ctx == ExprContext::Load => {
                let local = self.local(&name.id);
                self.facts.read.insert(local);
                self.facts.beyond_differences.insert(name.id.to_string());
            }
            Expr::Attribute(attribute) if attribute.ctx == ExprContext::Load => {
                self.facts.beyond_differences.extend(dotted(expression));
            }
            Expr::Named(named) => self.assign(&named.target, &named.value),
            _ => {}
        }
    }
}

impl<'a> Visitor<'a> for Reader<'_> {
    fn visit_stmt(&mut self, statement: &'a Stmt) {
        if self.depth >= DEPTH {
            return;
        }
        let (scope, deferred) = (self.scope, self.deferred);
        match statement {
            Stmt::FunctionDef(function) => {
                self.scope = (self.part, function.start().to_usize() + 1);
                self.deferred += 1;
                let name = function.name.id.to_string();
                self.facts.functions.insert(name, self.scope);
            }
            Stmt::Expr(inner) => self.seeding(&inner.value),
            Stmt::With(with) => {
                for item in &with.items {
                    if let Some(target) = &item.optional_vars {
                        self.assign(target, &item.context_expr);
                    }
                }
            }
            Stmt::Assign(assign) => {
                for target in &assign.targets {
                    self.assign(target, &assign.value);
                }
            }
            Stmt::AnnAssign(assign) => {
                if let Some(value) = &assign.value {
                    self.assign(&assign.target, value);
                }
            }
            Stmt::For(each) => {
                if let Expr::Name(name) = &*each.target {
                    let local = self.local(&name.id);
                    self.facts.sets.insert(local, false);
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
        (self.scope, self.deferred) = (scope, deferred);
    }

    fn visit_expr(&mut self, expression: &'a Expr) {
        if self.depth >= DEPTH {
            return;
        }
        let deferred = usize::from(matches!(expression, Expr::Lambda(_)));
        self.deferred += deferred;
        self.depth += 1;
        match expression {
            Expr::BinOp(difference) if difference.op == Operator::Sub => {
                for side in [&*difference.left, &*difference.right] {
                    if !matches!(side, Expr::Name(_) | Expr::Attribute(_)) {
                        self.visit_expr(side);
                    } else if let Expr::Name(name) = side {
                        let local = self.local(&name.id);
                        self.facts.read.insert(local);
                    }
                }
            }
            _ => {
                self.expression(expression);
                walk_expr(self, expression);
            }
        }
        self.depth -= 1;
        self.deferred -= deferred;
    }
}
