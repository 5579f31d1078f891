//! What the command line of a script takes, as its decorators of click say.

use std::collections::BTreeMap;

use ruff_python_ast::{Expr, ExprCall};

use super::arguments::Plain;
use super::{Argument, At, Form};
use crate::closure::Import;
use crate::closure::visit::{argument, text};

/// The names by which decorators of click are called, with what they do.
pub(super) fn click_names(imports: &[Import]) -> BTreeMap<String, &'static str> {
    const KINDS: [&str; 4] = ["option", "argument", "command", "group"];
    let mut names = BTreeMap::new();
    for import in imports.iter().filter(|import| import.module == "click") {
        for kind in KINDS {
            if import.names.is_empty() {
                names.insert(format!("click.{kind}"), kind);
            } else if import.names.iter().any(|name| name == kind) {
                names.insert(kind.to_owned(), kind);
            }
        }
    }
    names
}

/// What a decorator of click declares: an option, or an argument by its place. None if its name is not a
/// text.
pub(super) fn declared_by_click(
    call: &ExprCall,
    is_option: bool,
    line: u32,
    json: &dyn Fn(&Expr) -> Option<Plain>,
) -> Option<Argument> {
    let names: Vec<String> = call.arguments.args.iter().filter_map(text).collect();
    let named = |name: &str| argument(call, usize::MAX, name);
    let is = |name: &str, wanted: bool| matches!(named(name), Some(Expr::BooleanLiteral(given)) if given.value == wanted);
    let (flags, own): (Vec<&String>, Vec<&String>) =
        names.iter().partition(|name| name.starts_with('-'));
    // `--on/--off` is two flags of one option.
    let (flag, against) = match flags.iter().find(|flag| flag.starts_with("--")) {
        Some(long) => match long.split_once('/') {
            Some((flag, against)) => (Some(flag.trim()), Some(against.trim())),
            None => (Some(long.as_str()), None),
        },
        None => (flags.first().map(|flag| flag.as_str()), None),
    };
    let shown = own.first().map(|name| name.as_str()).or(flag)?;
    let name = shown.trim_start_matches('-').replace('-', "_");
    let is_flag = is("is_flag", true);
    let form = match (flag, against) {
        (Some(flag), Some(against)) => match against.strip_prefix("--no-") {
            Some(rest) if flag.strip_prefix("--") == Some(rest) => Form::Either,
            _ => Form::Unknown,
        },
        // What a flag that is on unless it is given does depends on the version.
        _ if is_flag && !is("default", true) => Form::True,
        _ if is_flag || is("multiple", true) || is("count", true) => Form::Unknown,
        _ => Form::Value,
    };
    let nothing = if matches!(form, Form::True | Form::Either) {
        "false"
    } else {
        "null"
    };
    let (default, text) = match named("default") {
        Some(value) => json(value).map_or((None, None), |(json, text)| (Some(json), text)),
        None => (Some(nothing.to_owned()), None),
    };
    let required = if is_option {
        is("required", true) || named("prompt").is_some()
    } else {
        named("default").is_none() && !is("required", false) && named("nargs").is_none()
    };
    Some(Argument {
        name: name.to_lowercase(),
        flag: flag.filter(|_| is_option).map(str::to_owned),
        form,
        default,
        text,
        required,
        at: At::line(line),
    })
}
