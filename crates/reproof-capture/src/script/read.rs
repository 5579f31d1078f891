//! Reads a script: everything that its text says for certain.

use std::collections::BTreeMap;

use ruff_python_ast::visitor::{Visitor, walk_expr, walk_parameter, walk_stmt};
use ruff_python_ast::{Expr, ExprCall, ExprContext, Parameter, Stmt, StmtFunctionDef};
use ruff_text_size::Ranged;

use super::arguments::{Plain, declared};
use super::calls::{FileUse, file_uses};
use super::click::{click_names, declared_by_click};
use super::paths::Names;
use super::{Access, Argument, At, Form, Known, Module, Note, Script, ScriptError, Setting, Use};
use crate::closure::parse::{module_fault, with_module};
use crate::closure::visit::{DEPTH, argument, dotted, text};
use crate::closure::{Lines, imports_of};
use crate::notebook::{literal_assigned, literal_json, quoted};
use crate::rules::{Context, check};

/// Packages by which a command line is read in another way than by `argparse`.
const COMMAND_LINES: [&str; 8] = [
    "click",
    "fire",
    "typer",
    "hydra",
    "absl",
    "docopt",
    "tyro",
    "simple_parsing",
];

/// Reads a script, or a module, that lies at this path in the project.
pub(super) fn read_one(bytes: &[u8], path: &str) -> Result<Script, ScriptError> {
    let found = with_module(bytes, |text, parsed| of(text, parsed.suite(), path));
    let Some(mut script) = found else {
        return Err(match module_fault(bytes) {
            Some((line, column, message)) => ScriptError::Syntax {
                line,
                column,
                message,
            },
            None => ScriptError::TooLarge,
        });
    };
    let context = Context {
        is_step: true,
        threads: 1,
        ..Context::default()
    };
    script
        .checked
        .extend(check(bytes, &context).map(|found| (None, found)));
    Ok(script)
}

fn of(text: &str, body: &[Stmt], path: &str) -> Script {
    let mut bindings = Bindings::default();
    bindings.visit_body(body);
    let mut reader = Reader {
        text,
        lines: Lines::new(text),
        bound: bindings.bound,
        names: Names {
            script: path.to_owned(),
            ..Names::default()
        },
        script: Script::default(),
        click: BTreeMap::new(),
        commands: 0,
        collects: true,
        depth: 0,
        maybe: 0,
    };
    let imports = imports_of(text, body).imports;
    reader.click = click_names(&imports);
    reader.settings(body);
    // What names stand for, and then what is done with them.
    reader.visit_body(body);
    reader.collects = false;
    reader.visit_body(body);
    let commands = reader.commands;
    let mut script = reader.script;
    for import in imports {
        let top = import.module.split('.').next().unwrap_or_default();
        let is_understood = top == "click" && commands == 1;
        if COMMAND_LINES.contains(&top) && !is_understood {
            script.notes.push(Note {
                at: At::line(import.line),
                text: format!("its arguments are read by {top}: give them under ARGUMENTS"),
            });
        }
        script.imports.push(Module {
            at: At::line(import.line),
            import,
        });
    }
    script
}

/// How often each name is bound in the whole script.
#[derive(Default)]
struct Bindings {
    bound: BTreeMap<String, usize>,
    depth: usize,
}

impl<'a> Visitor<'a> for Bindings {
    fn visit_stmt(&mut self, statement: &'a Stmt) {
        if self.depth < DEPTH {
            self.depth += 1;
            walk_stmt(self, statement);
            self.depth -= 1;
        }
    }

    fn visit_expr(&mut self, expression: &'a Expr) {
        if let Expr::Name(name) = expression
            && name.ctx != ExprContext::Load
        {
            *self.bound.entry(name.id.to_string()).or_default() += 1;
        }
        if self.depth < DEPTH {
            self.depth += 1;
            walk_expr(self, expression);
            self.depth -= 1;
        }
    }

    fn visit_parameter(&mut self, parameter: &'a Parameter) {
        *self.bound.entry(parameter.name.to_string()).or_default() += 1;
        walk_parameter(self, parameter);
    }
}

struct Reader<'t> {
    text: &'t str,
    lines: Lines,
    bound: BTreeMap<String, usize>,
    names: Names,
    script: Script,
    /// The names by which decorators of click are called, with what they do.
    click: BTreeMap<String, &'static str>,
    /// How many commands of click there are.
    commands: usize,
    /// Whether this is the first pass, that finds what names stand for.
    collects: bool,
    depth: usize,
    /// In how many branches, loops and handlers it is.
    maybe: usize,
}

impl Reader<'_> {
    fn line(&self, node: &impl Ranged) -> u32 {
        self.lines.line(node.start().to_usize())
    }

    fn once(&self, name: &str) -> bool {
        self.bound.get(name) == Some(&1)
    }

    fn note(&mut self, line: u32, text: impl Into<String>) {
        let (at, text) = (At::line(line), text.into());
        self.script.notes.push(Note { at, text });
    }

    /// Plain values at the top: those in capitals wherever they stand in the module, others before the
    /// first statement that does something.
    fn settings(&mut self, body: &[Stmt]) {
        let mut top = true;
        for statement in body {
            let Some((name, json)) = literal_assigned(statement) else {
                let quiet = match statement {
                    Stmt::Import(_)
                    | Stmt::ImportFrom(_)
                    | Stmt::Expr(_)
                    | Stmt::FunctionDef(_)
                    | Stmt::ClassDef(_) => true,
                    Stmt::Assign(assign) => self.names.path(&assign.value).is_some(),
                    _ => false,
                };
                top &= quiet;
                continue;
            };
            let capitals = !name.chars().any(char::is_lowercase);
            let looks = (capitals || top) && !name.starts_with('_') && json != "null";
            if looks && self.once(&name) {
                let line = self.line(statement);
                let value = match statement {
                    Stmt::Assign(assign) => Some(&*assign.value),
                    Stmt::AnnAssign(assign) => assign.value.as_deref(),
                    _ => None,
                };
                let text = value.and_then(text);
                self.script.settings.push(Setting {
                    name,
                    json,
                    text,
                    line,
                });
            }
        }
    }

    /// The JSON of a plain value, or of what stands for one; with its text if it is one.
    fn json(&self, value: &Expr) -> Option<Plain> {
        if let Some(json) = literal_json(value) {
            return Some((json, text(value)));
        }
        if let Expr::List(list) = value {
            let all: Option<Vec<String>> = list
                .elts
                .iter()
                .map(|element| Some(self.json(element)?.0))
                .collect();
            return Some((format!("[{}]", all?.join(", ")), None));
        }
        if let Expr::Name(name) = value {
            let mut known = self.script.settings.iter();
            let known = known.find(|setting| setting.name == name.id.as_str());
            if let Some(known) = known {
                return Some((known.json.clone(), known.text.clone()));
            }
        }
        let known = self.names.path(value)?;
        (known.whole && !known.fixed).then(|| (quoted(&known.text), Some(known.text)))
    }

    fn argument(&mut self, call: &ExprCall) {
        let line = self.line(call);
        let found = declared(call, line, &|value| self.json(value));
        self.declare(found, call);
    }

    /// The decorators of click of a function: its options and arguments.
    fn decorated(&mut self, function: &StmtFunctionDef) {
        for decorator in &function.decorator_list {
            let (name, call) = match &decorator.expression {
                Expr::Call(call) => (dotted(&call.func), Some(call)),
                bare => (dotted(bare), None),
            };
            let name = name.unwrap_or_default();
            let line = self.line(decorator);
            match (self.click.get(&name).copied(), call) {
                (Some("command"), _) => self.commands += 1,
                // One command of several.
                (Some("group"), _) => self.commands += 2,
                (Some(kind), Some(call)) => {
                    let json = |value: &Expr| self.json(value);
                    let found = declared_by_click(call, kind == "option", line, &json);
                    self.declare(found, call);
                }
                _ => {}
            }
        }
    }

    fn declare(&mut self, found: Option<Argument>, call: &ExprCall) {
        let line = self.line(call);
        let Some(declared) = found else {
            self.note(
                line,
                "what this argument of the command line is, is not known",
            );
            return;
        };
        if matches!(declared.name.as_str(), "help" | "version") && declared.form == Form::Unknown {
            return;
        }
        if let Some(text) = &declared.text {
            let name = declared.name.clone();
            // Click gives it to the function as what it is.
            if !self.click.is_empty() && self.once(&name) {
                let known = Known {
                    text: text.clone(),
                    whole: true,
                    fixed: false,
                };
                self.names.paths.insert(name.clone(), known);
            }
            self.names.arguments.insert(name, text.clone());
        }
        if let Some(Expr::Name(name)) = argument(call, usize::MAX, "default") {
            self.script.defaults.insert(name.id.to_string());
        }
        self.script.arguments.push(declared);
    }

    /// What is certain of a call in the first pass.
    fn collect(&mut self, call: &ExprCall) {
        if let Expr::Attribute(method) = &*call.func
            && method.attr.id.as_str() == "add_argument"
        {
            self.argument(call);
        }
    }

    /// Looks at a call in the second pass. The paths that it was asked for are done with.
    fn call<'a>(&mut self, call: &'a ExprCall) -> Vec<&'a Expr> {
        let name = dotted(&call.func).unwrap_or_else(|| match &*call.func {
            Expr::Attribute(method) => format!("….{}", method.attr.id),
            _ => String::new(),
        });
        let line = self.line(call);
        let last = name.rsplit('.').next().unwrap_or_default().to_owned();
        self.seeds(call, &last, line);
        match name.as_str() {
            "input" => self.note(line, "it waits for what is typed, which no step gets"),
            "os.system"
            | "subprocess.run"
            | "subprocess.call"
            | "subprocess.check_call"
            | "subprocess.check_output"
            | "subprocess.Popen" => {
                self.note(
                    line,
                    "it starts another program, which the environment must have",
                );
            }
            _ => {}
        }
        if last == "add_subparsers" {
            self.note(
                line,
                "which of its commands is run is not known: give it under ARGUMENTS",
            );
        }
        let mut done = Vec::new();
        for FileUse { access, path } in file_uses(call) {
            let known = self.names.path(path);
            let is_file = known.is_some() || !matches!(path, Expr::Call(_));
            if is_file {
                self.script.uses.push(Use {
                    access,
                    path: known,
                    call: name.clone(),
                    at: At::line(line),
                    maybe: self.maybe > 0,
                });
            }
            done.push(path);
        }
        done
    }

    /// Seeds: `np.random.seed(42)`, `random_state=42`.
    fn seeds(&mut self, call: &ExprCall, last: &str, line: u32) {
        let range = |node: &Expr| node.range().start().to_usize()..node.range().end().to_usize();
        let written = |node: &Expr| self.text.get(range(node)).unwrap_or_default().to_owned();
        let short = |text: &String| text.len() <= 60 && !text.contains('\n');
        if last.contains("seed") || matches!(last, "default_rng" | "RandomState") {
            let whole = call.range();
            let whole = whole.start().to_usize()..whole.end().to_usize();
            let text = self.text.get(whole).unwrap_or_default().to_owned();
            if !call.arguments.is_empty() && short(&text) {
                let at = At::line(line);
                self.script.seeds.push(Note { at, text });
            }
        }
        for keyword in &call.arguments.keywords {
            let Some(name) = &keyword.arg else { continue };
            let is_seed = matches!(name.id.as_str(), "random_state" | "seed" | "random_seed");
            let value = written(&keyword.value);
            if is_seed && value != "None" && short(&value) {
                let (at, text) = (At::line(line), format!("{}={value}", name.id));
                self.script.seeds.push(Note { at, text });
            }
        }
    }

    fn mention(&mut self, expression: &Expr) -> bool {
        let Some(known) = self.names.path(expression) else {
            return false;
        };
        let line = self.line(expression);
        self.script.uses.push(Use {
            access: Access::Mention,
            path: Some(known),
            call: String::new(),
            at: At::line(line),
            maybe: false,
        });
        true
    }

    fn within(&mut self, go: impl FnOnce(&mut Self)) {
        if self.depth < DEPTH {
            self.depth += 1;
            go(self);
            self.depth -= 1;
        }
    }

    /// An assignment gives a name its path.
    fn assigned(&mut self, statement: &Stmt) {
        let (target, value) = match statement {
            Stmt::Assign(assign) => match assign.targets.as_slice() {
                [target] => (target, &*assign.value),
                _ => return,
            },
            Stmt::AnnAssign(assign) => match &assign.value {
                Some(value) => (&*assign.target, &**value),
                None => return,
            },
            _ => return,
        };
        if let Expr::Name(name) = target
            && self.once(&name.id)
            && let Some(known) = self.names.path(value)
        {
            self.names.paths.insert(name.id.to_string(), known);
        }
    }
}

/// Whether a statement is `if __name__ == "__main__":`.
fn is_main(statement: &Stmt) -> bool {
    let Stmt::If(branch) = statement else {
        return false;
    };
    let Expr::Compare(compare) = &*branch.test else {
        return false;
    };
    matches!(&*compare.left, Expr::Name(name) if &*name.id == "__name__")
}

impl<'a> Visitor<'a> for Reader<'_> {
    fn visit_stmt(&mut self, statement: &'a Stmt) {
        match statement {
            // A text that stands alone says something to a reader.
            Stmt::Expr(inner) if matches!(&*inner.value, Expr::StringLiteral(_)) => return,
            Stmt::Assign(_) | Stmt::AnnAssign(_) if self.collects => self.assigned(statement),
            Stmt::FunctionDef(function) if self.collects => self.decorated(function),
            _ => {}
        }
        let branches = match statement {
            Stmt::If(_) => !is_main(statement),
            Stmt::While(_) | Stmt::Try(_) | Stmt::Match(_) => true,
            _ => false,
        };
        self.maybe += usize::from(branches);
        self.within(|this| walk_stmt(this, statement));
        self.maybe -= usize::from(branches);
    }

    fn visit_expr(&mut self, expression: &'a Expr) {
        if self.collects {
            if let Expr::Call(call) = expression {
                self.collect(call);
            }
            self.within(|this| walk_expr(this, expression));
            return;
        }
        if let Expr::Attribute(_) = expression
            && dotted(expression).as_deref() == Some("sys.argv")
        {
            let line = self.line(expression);
            self.note(
                line,
                "it reads its arguments itself: give them under ARGUMENTS",
            );
        }
        if let Expr::Call(call) = expression {
            let done = self.call(call);
            if !done.is_empty() {
                let is_done = |part: &Expr| {
                    let known = |path: &&Expr| path.range() == part.range();
                    done.iter().any(known) && self.names.path(part).is_some()
                };
                let parts = call.arguments.args.iter();
                let parts = parts.chain(call.arguments.keywords.iter().map(|word| &word.value));
                let mut rest: Vec<&Expr> = parts.filter(|part| !is_done(part)).collect();
                if let Expr::Attribute(method) = &*call.func
                    && !is_done(&method.value)
                {
                    rest.push(&method.value);
                }
                for part in rest {
                    self.within(|this| this.visit_expr(part));
                }
                return;
            }
        }
        if !self.mention(expression) {
            self.within(|this| walk_expr(this, expression));
        }
    }

    fn visit_annotation(&mut self, _: &'a Expr) {}
}
