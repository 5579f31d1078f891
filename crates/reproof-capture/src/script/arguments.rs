//! What the command line of a script takes, as its calls of `add_argument` say.

use ruff_python_ast::{Expr, ExprCall};

use super::{Argument, At, Form};
use crate::closure::visit::{argument, dotted, text};

/// A plain value: its JSON, and its text if it is one.
pub(super) type Plain = (String, Option<String>);

/// The argument that a call of `add_argument` declares; none if its name is not a text. `json` gives
/// the JSON of a plain value, or of a name that stands for one.
pub(super) fn declared(
    call: &ExprCall,
    line: u32,
    json: &dyn Fn(&Expr) -> Option<Plain>,
) -> Option<Argument> {
    let names: Vec<String> = call.arguments.args.iter().filter_map(text).collect();
    let long = names.iter().find(|name| name.starts_with("--"));
    let flag = long.or_else(|| names.iter().find(|name| name.starts_with('-')));
    let named = |name: &str| argument(call, usize::MAX, name);
    let shown = flag.or(names.first())?;
    let name = match named("dest").and_then(text) {
        Some(dest) => dest,
        None => shown.trim_start_matches('-').replace('-', "_"),
    };
    let action = match named("action") {
        None => Form::Value,
        Some(expression) => match text(expression).as_deref() {
            Some("store") => Form::Value,
            Some("store_true") => Form::True,
            Some("store_false") => Form::False,
            Some(_) => Form::Unknown,
            None => {
                let name = dotted(expression).unwrap_or_default();
                if name.ends_with("BooleanOptionalAction") {
                    Form::Either
                } else {
                    Form::Unknown
                }
            }
        },
    };
    let nothing = || ("null".to_owned(), None);
    let default = match (named("default"), action) {
        (Some(value), _) => json(value),
        (None, Form::True) => Some(("false".to_owned(), None)),
        (None, Form::False) => Some(("true".to_owned(), None)),
        (None, _) => Some(nothing()),
    };
    let optional_place = named("nargs").and_then(text).is_some_and(|n| n != "+");
    let required = match flag {
        Some(_) => matches!(named("required"), Some(Expr::BooleanLiteral(yes)) if yes.value),
        None => !optional_place && named("default").is_none(),
    };
    let (default, text) = match default {
        Some((json, text)) => (Some(json), text),
        None => (None, None),
    };
    Some(Argument {
        name,
        flag: flag.cloned(),
        form: action,
        default,
        text,
        required,
        at: At::line(line),
    })
}
