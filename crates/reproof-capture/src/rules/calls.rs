//! Which calls a rule knows, by their full names.

use ruff_python_ast::{Expr, ExprCall};

use crate::closure::visit::argument;

/// Calls that give the time of day.
const CLOCK: &[&str] = &[
    "time.time",
    "time.time_ns",
    "datetime.datetime.now",
    "datetime.datetime.utcnow",
    "datetime.datetime.today",
    "datetime.date.today",
    "pandas.Timestamp.now",
    "pandas.Timestamp.today",
    "pandas.Timestamp.utcnow",
];
/// Calls that do if they are given no time: with how many arguments they are.
const CLOCK_BY_DEFAULT: &[(&str, usize)] = &[
    ("time.ctime", 0),
    ("time.asctime", 0),
    ("time.localtime", 0),
    ("time.gmtime", 0),
    ("time.strftime", 1),
];
/// Calls that do if they are given `now` or `today`.
const CLOCK_BY_TEXT: &[&str] = &["numpy.datetime64", "pandas.Timestamp", "pandas.to_datetime"];

/// Whether a call gives the time of day.
pub(super) fn is_clock(name: &str, call: &ExprCall) -> bool {
    let count = call.arguments.len();
    CLOCK.contains(&name)
        || CLOCK_BY_DEFAULT.contains(&(name, count))
        || CLOCK_BY_TEXT.contains(&name)
            && matches!(call.arguments.args.first(), Some(Expr::StringLiteral(text))
                if matches!(text.value.to_str(), "now" | "today"))
}

/// Whether a call gives bits that the system draws.
pub(super) fn is_entropy(name: &str, call: &ExprCall) -> bool {
    const CALLS: &[&str] = &[
        "uuid.uuid1",
        "uuid.uuid4",
        "os.urandom",
        "os.getrandom",
        "random.SystemRandom",
    ];
    CALLS.contains(&name)
        || name.starts_with("secrets.")
        || matches!(name, "builtins.open" | "io.open")
            && matches!(first_text(call), Some("/dev/random" | "/dev/urandom"))
}

/// What a call gives for a keyword.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Given<'a> {
    /// Nothing, or `None`.
    Not,
    True,
    False,
    Text(&'a str),
    Number(i64),
    /// Something that only a run could tell, maybe in `**`.
    Unknown,
}

/// What a call gives for a keyword.
pub(super) fn keyword_of<'a>(call: &'a ExprCall, name: &str) -> Given<'a> {
    let keywords = &call.arguments.keywords;
    let named = keywords
        .iter()
        .find(|keyword| keyword.arg.as_ref().is_some_and(|arg| &*arg.id == name));
    let Some(named) = named else {
        let open = keywords.iter().any(|keyword| keyword.arg.is_none());
        return if open { Given::Unknown } else { Given::Not };
    };
    match &named.value {
        Expr::NoneLiteral(_) => Given::Not,
        Expr::BooleanLiteral(literal) if literal.value => Given::True,
        Expr::BooleanLiteral(_) => Given::False,
        Expr::StringLiteral(literal) => Given::Text(literal.value.to_str()),
        value => integer(value).map_or(Given::Unknown, Given::Number),
    }
}

fn integer(expression: &Expr) -> Option<i64> {
    use ruff_python_ast::{Number, UnaryOp};
    match expression {
        Expr::NumberLiteral(literal) => match &literal.value {
            Number::Int(number) => number.as_i64(),
            _ => None,
        },
        Expr::UnaryOp(minus) if minus.op == UnaryOp::USub => integer(&minus.operand).map(|n| -n),
        _ => None,
    }
}

/// Calls that write a pickle.
pub(super) fn is_pickle(name: &str) -> bool {
    const CALLS: &[&str] = &[
        "pickle.dump",
        "pickle.dumps",
        "cloudpickle.dump",
        "cloudpickle.dumps",
        "dill.dump",
        "dill.dumps",
        "joblib.dump",
        "torch.save",
    ];
    CALLS.contains(&name)
}

/// The format that takes a pickle's place, by what the module uses.
pub(super) fn stable_format(name: &str, imports: impl Fn(&str) -> bool) -> &'static str {
    if name == "torch.save" {
        "safetensors.torch.save_file(model.state_dict(), …)"
    } else if imports("xgboost") {
        "XGBoost's own: model.save_model(\"model.ubj\")"
    } else if imports("lightgbm") {
        "LightGBM's own: booster.save_model(\"model.txt\")"
    } else if imports("sklearn") {
        "ONNX (skl2onnx), or its arrays by numpy.save"
    } else if imports("pandas") {
        "Parquet for tables, numpy.save for arrays, JSON for the rest"
    } else {
        "JSON, numpy.save or Parquet"
    }
}

/// Calls that ask a network.
pub(super) fn is_network(name: &str, call: &ExprCall) -> bool {
    const MODULES: &[&str] = &[
        "requests.",
        "httpx.",
        "aiohttp.",
        "urllib3.",
        "boto3.",
        "huggingface_hub.",
        "torch.hub.",
        "sklearn.datasets.fetch_",
    ];
    const CALLS: &[&str] = &[
        "urllib.request.urlopen",
        "urllib.request.urlretrieve",
        "datasets.load_dataset",
        "socket.create_connection",
        "wandb.init",
        "mlflow.set_tracking_uri",
    ];
    MODULES.iter().any(|module| name.starts_with(module))
        || CALLS.contains(&name)
        || name.starts_with("pandas.read_") && first_text(call).is_some_and(is_address)
}

fn is_address(text: &str) -> bool {
    ["http://", "https://", "s3://", "gs://", "ftp://"]
        .iter()
        .any(|scheme| text.starts_with(scheme))
}

/// Whether a call writes the time of day into the head of an archive: what to do instead.
pub(super) fn archive(
    name: Option<&str>,
    method: Option<&str>,
    call: &ExprCall,
    imports: impl Fn(&str) -> bool,
) -> Option<&'static str> {
    let mode = |index| match argument(call, index, "mode") {
        Some(Expr::StringLiteral(mode)) => mode.value.to_str(),
        _ => "r",
    };
    let untimed =
        |index| argument(call, index, "mtime").is_none() && keyword_of(call, "mtime") == Given::Not;
    match name {
        Some("gzip.compress") if untimed(2) => Some("give it mtime=0"),
        Some("gzip.GzipFile") if mode(1).contains(['w', 'a', 'x']) && untimed(4) => {
            Some("give it mtime=0, and a name: GzipFile(\"\", mode, fileobj=file, mtime=0)")
        }
        Some("gzip.open") if mode(1).contains(['w', 'a', 'x']) => {
            Some("use gzip.GzipFile(\"\", \"wb\", fileobj=file, mtime=0)")
        }
        Some("tarfile.open") if mode(1).starts_with(['w', 'x']) && mode(1).contains("gz") => {
            Some("write the files by themselves: an output may be a folder")
        }
        Some("shutil.make_archive") => {
            Some("write the files by themselves: an output may be a folder")
        }
        None if method == Some("writestr") && imports("zipfile") => {
            let by_name = matches!(
                argument(call, 0, "zinfo_or_arcname"),
                Some(Expr::StringLiteral(_) | Expr::FString(_))
            );
            by_name.then_some("name a zipfile.ZipInfo(name), whose time is 1980-01-01")
        }
        _ => None,
    }
}

/// The text that a call is given first.
pub(super) fn first_text(call: &ExprCall) -> Option<&str> {
    match call.arguments.args.first() {
        Some(Expr::StringLiteral(text)) => Some(text.value.to_str()),
        _ => None,
    }
}
