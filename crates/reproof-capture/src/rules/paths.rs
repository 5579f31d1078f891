//! Paths that only one machine has, or that no step sees.

use ruff_python_ast::{Expr, ExprCall, FStringPart, InterpolatedStringElement};
use ruff_text_size::{Ranged, TextRange};

use super::Rule;
use super::calls::first_text;
use super::names::Names;
use super::visit::{Checker, Said};
use crate::closure::visit::{argument, dotted};

/// Folders of a person, of a machine's own disks, or of one service: what begins with them is a
/// path, wherever it stands.
const HOMES: [&str; 12] = [
    "/home/",
    "/Users/",
    "/root/",
    "/mnt/",
    "/media/",
    "/Volumes/",
    "/content/",
    "/kaggle/",
    "/dbfs/",
    "/scratch/",
    "/gpfs/",
    "/databricks/",
];
/// What a step has at its own places.
const IN_STEPS: [&str; 10] = [
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
/// Folders that are alike on all machines.
const SHARED: [&str; 10] = [
    "/reproof", "/tmp", "/dev", "/proc", "/sys", "/etc", "/usr", "/bin", "/var/tmp", "/",
];
/// Functions and methods that take a path.
const TAKE_PATHS: &[&str] = &[
    "open",
    "read_csv",
    "read_parquet",
    "read_excel",
    "read_json",
    "read_table",
    "read_feather",
    "read_pickle",
    "read_hdf",
    "read_stata",
    "read_sas",
    "scan_csv",
    "scan_parquet",
    "loadtxt",
    "genfromtxt",
    "imread",
    "imwrite",
    "Path",
    "PosixPath",
    "PurePath",
    "listdir",
    "chdir",
    "iglob",
    "scandir",
    "makedirs",
    "to_csv",
    "to_parquet",
    "to_excel",
    "to_json",
    "to_pickle",
    "to_feather",
    "savefig",
    "savez",
    "savez_compressed",
    "savetxt",
    "isfile",
    "isdir",
    "rmtree",
    "ImageFolder",
    "load_model",
    "save_model",
    "load_weights",
    "save_weights",
    "expanduser",
];
/// Functions that do where they are of these modules.
const FULL_NAMES: &[&str] = &[
    "glob.glob",
    "os.walk",
    "os.mkdir",
    "os.path.join",
    "os.path.exists",
    "os.stat",
    "os.remove",
    "sys.path.append",
    "sys.path.insert",
    "numpy.load",
    "numpy.save",
    "joblib.load",
    "joblib.dump",
    "torch.load",
    "torch.save",
    "shutil.copy",
    "shutil.move",
    "shutil.copyfile",
    "sqlite3.connect",
];
/// Methods whose first argument looks like a path and is an address inside of something else.
const ADDRESSES: &[&str] = &[
    "xpath",
    "route",
    "get",
    "post",
    "put",
    "patch",
    "delete",
    "find",
    "findall",
    "iterfind",
    "startswith",
    "endswith",
];
/// How many characters of a path are shown.
const SHOWN: usize = 60;

impl Checker<'_> {
    /// A call that may take a path.
    pub(super) fn path_call(&mut self, name: Option<&str>, method: Option<&str>, call: &ExprCall) {
        let arguments = &call.arguments.args;
        let written = dotted(&call.func);
        let last = written.as_deref().and_then(|name| name.rsplit('.').next());
        let last = last.or(method).unwrap_or_default();
        if TAKE_PATHS.contains(&last) || name.is_some_and(|name| FULL_NAMES.contains(&name)) {
            for argument in arguments {
                if let Some(text) = beginning(argument)
                    && self.is_hidden(&text)
                {
                    self.path(&text, argument.range());
                }
            }
        } else if ADDRESSES.contains(&last)
            && let Some(first) = arguments.first()
        {
            self.addresses.insert(first.start().to_usize());
        }
    }

    /// A text, wherever it stands.
    pub(super) fn path_text(&mut self, expression: &Expr) {
        if let Some(text) = beginning(expression)
            && is_of_a_machine(&text)
            && !self.addresses.contains(&expression.start().to_usize())
        {
            self.path(&text, expression.range());
        }
    }

    fn path(&mut self, path: &str, at: TextRange) {
        let shown: String = path.chars().take(SHOWN).collect();
        let (text, advice) = if self.context.is_step {
            (
                format!("the path '{shown}' is none that an isolated step sees"),
                "declare it under 'data' or 'inputs' and open what step.json names, or add a path \
                 relative to the project to 'code:'",
            )
        } else {
            (
                format!("'{shown}' is a path of one machine"),
                "use a path relative to the file's own folder; in a pipeline name the file under \
                 'data' and take it as an input",
            )
        };
        self.say(at, Said::new(Rule::AbsolutePath, text, advice));
    }

    /// Whether a path is absolute and of a folder that is not there.
    fn is_hidden(&self, path: &str) -> bool {
        let known: &[&str] = if self.context.is_step {
            &IN_STEPS
        } else {
            &SHARED
        };
        let seen = known.iter().any(|place| {
            let rest = path.strip_prefix(place);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        });
        path.len() > 1 && path.starts_with('/') && !seen || is_of_a_machine(path)
    }
}

/// Whether a text is a path of one machine, wherever it stands.
fn is_of_a_machine(text: &str) -> bool {
    let one_line = !text.contains(['\n', '<', '>', '|', '*']);
    let home = HOMES
        .iter()
        .filter_map(|home| text.strip_prefix(home))
        .any(|rest| rest.starts_with(|c: char| c.is_alphanumeric() || c == '_' || c == '.'));
    let tilde = text.strip_prefix("~/").is_some_and(is_plain);
    one_line && (home || tilde || has_drive(text))
}

/// Whether a text begins with a letter and a folder of Windows: `C:\data`, `D:/data`.
fn has_drive(text: &str) -> bool {
    let mut chars = text.chars();
    let drive = chars.next().is_some_and(|c| c.is_ascii_uppercase());
    let rest = chars.as_str();
    let rest = rest.strip_prefix(":\\").or_else(|| rest.strip_prefix(":/"));
    drive && rest.is_some_and(is_plain)
}

/// Whether the first part of a path is at least two everyday characters.
fn is_plain(path: &str) -> bool {
    let first = path.split(['/', '\\']).next().unwrap_or_default();
    let fits = |c: char| c.is_alphanumeric() || " ._-".contains(c);
    first.chars().count() >= 2 && first.chars().all(fits)
}

/// The text of a literal, or what a computed one begins with.
fn beginning(expression: &Expr) -> Option<String> {
    match expression {
        Expr::StringLiteral(literal) => Some(literal.value.to_str().to_owned()),
        Expr::FString(joined) => match joined.value.as_slice().first()? {
            FStringPart::Literal(literal) => Some(literal.value.to_string()),
            FStringPart::FString(part) => match part.elements.first()? {
                InterpolatedStringElement::Literal(literal) => Some(literal.value.to_string()),
                InterpolatedStringElement::Interpolation(_) => None,
            },
        },
        _ => None,
    }
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
        || path.starts_with(['/', '~'])
        || has_drive(path)
        || path.contains("://")
        || path.split('/').any(|part| part == "..");
    (!outside).then_some(path)
}
