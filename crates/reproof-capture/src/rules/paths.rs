//! Which paths calls name, and which of them a step does not see.

use ruff_python_ast::{Expr, ExprCall};

use super::names::Names;
use crate::closure::visit::argument;

/// Whether the first text that a call is given is a path that a step does not see.
pub(super) fn hidden_path<'a>(
    name: Option<&str>,
    method: Option<&str>,
    call: &'a ExprCall,
) -> Option<&'a str> {
    const CALLS: &[&str] = &[
        "builtins.open",
        "io.open",
        "pathlib.Path",
        "pathlib.PurePath",
        "pathlib.PosixPath",
        "os.listdir",
        "os.scandir",
        "os.walk",
        "os.makedirs",
        "os.mkdir",
        "os.stat",
        "os.remove",
        "os.chdir",
        "os.path.join",
        "os.path.exists",
        "os.path.isfile",
        "os.path.isdir",
        "os.path.expanduser",
        "glob.glob",
        "glob.iglob",
        "sys.path.append",
        "sys.path.insert",
        "shutil.copy",
        "shutil.copyfile",
        "shutil.rmtree",
        "numpy.load",
        "numpy.save",
        "numpy.savez",
        "numpy.loadtxt",
        "numpy.savetxt",
        "joblib.load",
        "torch.load",
        "sqlite3.connect",
    ];
    const METHODS: &[&str] = &[
        "to_csv",
        "to_parquet",
        "to_json",
        "to_pickle",
        "save_model",
        "load_model",
    ];
    /// What a step has at its own places, and what every machine has.
    const SEEN: &[&str] = &[
        "/reproof",
        "/tmp",
        "/dev/null",
        "/dev/zero",
        "/dev/full",
        "/dev/random",
        "/dev/urandom",
        "/dev/stdout",
        "/dev/stderr",
        "/dev/shm",
    ];
    let takes_path = name
        .is_some_and(|name| CALLS.contains(&name) || name.starts_with("pandas.read_"))
        || method.is_some_and(|method| METHODS.contains(&method));
    let path = takes_path.then(|| texts(call).find(|text| is_absolute(text)))??;
    let seen = |place: &&str| {
        let rest = path.strip_prefix(*place);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    (!SEEN.iter().any(seen)).then_some(path)
}

/// The file of the project that a call opens to read it, named by a text: its path from the project's
/// folder, which is where a step begins.
pub(super) fn opened_path<'a>(
    name: Option<&str>,
    method: Option<&str>,
    call: &'a ExprCall,
    names: &Names,
) -> Option<&'a str> {
    const READERS: &[&str] = &[
        "numpy.load",
        "numpy.loadtxt",
        "numpy.genfromtxt",
        "numpy.fromfile",
        "joblib.load",
        "torch.load",
        "sqlite3.connect",
    ];
    let path = match name {
        Some("builtins.open" | "io.open") => {
            let reads = match argument(call, 1, "mode") {
                None => true,
                Some(Expr::StringLiteral(mode)) => mode.value.to_str().starts_with('r'),
                Some(_) => false,
            };
            reads.then(|| first_text(call))?
        }
        Some(name) if READERS.contains(&name) || name.starts_with("pandas.read_") => {
            first_text(call)
        }
        None if matches!(method, Some("read_text" | "read_bytes")) => match &*call.func {
            Expr::Attribute(attribute) => match &*attribute.value {
                Expr::Call(path)
                    if names.resolve(&path.func).as_deref() == Some("pathlib.Path") =>
                {
                    first_text(path)
                }
                _ => None,
            },
            _ => None,
        },
        _ => None,
    }?;
    let path = path.trim_start_matches("./");
    let outside = path.is_empty()
        || is_absolute(path)
        || path.contains("://")
        || path.split('/').any(|part| part == "..");
    (!outside).then_some(path)
}

fn is_absolute(text: &str) -> bool {
    let drive =
        matches!(text.as_bytes(), [letter, b':', b'\\' | b'/', ..] if letter.is_ascii_alphabetic());
    text.len() > 1 && text.starts_with('/') || text.starts_with("~/") || drive
}

fn texts(call: &ExprCall) -> impl Iterator<Item = &str> {
    call.arguments
        .args
        .iter()
        .filter_map(|argument| match argument {
            Expr::StringLiteral(text) => Some(text.value.to_str()),
            _ => None,
        })
}

/// The text that a call is given first.
pub(super) fn first_text(call: &ExprCall) -> Option<&str> {
    match call.arguments.args.first() {
        Some(Expr::StringLiteral(text)) => Some(text.value.to_str()),
        _ => None,
    }
}
