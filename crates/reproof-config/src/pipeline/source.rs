//! Data sources: which file, how it is read, which types its columns have.

use std::collections::{BTreeMap, BTreeSet};

use reproof_record::{LogicalType, RelativePath, Source, StepName, canonical_json};
use serde_json::{Map, Value};

use super::sql::{self, PostgresServer, QUERY_KEYS, QueryText, SqlQuery};
use super::{blocks, expect};
use crate::check::{delimiter, is_named, runs_program};
use crate::diagnostic::{Report, Span};
use crate::is_loopback;
use crate::names::nearest;
use crate::tables::DATA_SOURCE;
use crate::tree::{Entry, Node};
use crate::version::VersionRef;

/// The keys that name a file or a server, of which a source has one.
const FORMATS: [&str; 8] = [
    "csv", "parquet", "jsonl", "arrow", "numpy", "files", "sqlite", "postgres",
];
/// Those of them that name a database.
const DATABASES: [&str; 2] = ["sqlite", "postgres"];
/// The keys of a pipeline that name data which `reproof.toml` declares.
const NAMES: [&str; 2] = ["name", "version"];
/// The keys that say how a source is read.
const READING: [&str; 7] = [
    "delimiter",
    "null_tokens",
    "schema",
    "statistics",
    "query",
    "query_file",
    "order_by",
];
/// The keys that say something of a table.
const TABLE_KEYS: [&str; 3] = ["schema", "statistics", "expect"];
/// The keys that say how a CSV file is read.
const CSV_KEYS: [&str; 2] = ["delimiter", "null_tokens"];

/// What a pipeline says of its data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DataFrom {
    /// It is read from here.
    Source(DataSource),
    /// It is read as `reproof.toml` says of this name.
    Named(StepName),
    /// It is a stored version; nothing is read.
    Version(VersionRef),
}

/// Where data comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataSource {
    /// Where it is.
    pub place: Place,
    /// How it is read.
    pub format: DataFormat,
    /// The types that columns are declared to have.
    pub schema: BTreeMap<String, LogicalType>,
    /// How much is computed of each column. It does not change the version.
    pub statistics: StatisticsOption,
}

/// Where a data source is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A file, inside the project.
    File(RelativePath),
    /// A file on a server: `s3://BUCKET/KEY`, `https://HOST/…`, or `http://…` on this machine.
    Address(String),
    /// A database of a PostgreSQL server.
    Server(PostgresServer),
}

/// How a data source is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DataFormat {
    /// Values separated by a character; the first row names the columns.
    Csv(CsvOptions),
    /// Parquet.
    Parquet,
    /// One JSON object a line.
    JsonLines,
    /// Arrow IPC.
    Arrow,
    /// An array of NumPy, or an archive of arrays.
    Numpy,
    /// Files as they are, in folders: no table.
    Files,
    /// A query to a database: the file is one of SQLite, the server one of PostgreSQL.
    Sql(SqlQuery),
}

/// How a CSV file is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CsvOptions {
    /// The character between fields.
    pub delimiter: u8,
    /// The texts of a field that mean a missing value.
    pub null_tokens: Vec<String>,
}

impl Default for CsvOptions {
    /// A comma, and the tokens that R, pandas and SQL write for a missing value.
    fn default() -> Self {
        let tokens = ["", "N/A", "NA", "NULL", "NaN", "nan", "null"];
        Self {
            delimiter: b',',
            null_tokens: tokens.map(str::to_owned).to_vec(),
        }
    }
}

/// How much is computed of each column of a data source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StatisticsOption {
    /// Nothing.
    None,
    /// Counts, ranges, means and standard deviations.
    Basic,
    /// Also different and frequent values, quantiles and histograms.
    #[default]
    Full,
}

impl StatisticsOption {
    /// As it is written.
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Basic => "basic",
            Self::Full => "full",
        }
    }
}

impl DataSource {
    /// What kind of source it is: the key that names it.
    pub const fn kind(&self) -> &'static str {
        match (&self.format, &self.place) {
            (DataFormat::Sql(_), Place::File(_) | Place::Address(_)) => "sqlite",
            (_, Place::Server(_)) => "postgres",
            (DataFormat::Parquet, _) => "parquet",
            (DataFormat::Csv(_), _) => "csv",
            (DataFormat::JsonLines, _) => "jsonl",
            (DataFormat::Arrow, _) => "arrow",
            (DataFormat::Numpy, _) => "numpy",
            (DataFormat::Files, _) => "files",
        }
    }

    /// Where it is, as a person reads it; neither a password nor what a variable holds.
    pub fn location(&self) -> String {
        match &self.place {
            Place::File(path) => path.to_string(),
            Place::Address(address) => address.clone(),
            Place::Server(server) => server.identity(),
        }
    }

    /// The file, if it is one.
    pub const fn file(&self) -> Option<&RelativePath> {
        match &self.place {
            Place::File(path) => Some(path),
            Place::Address(_) | Place::Server(_) => None,
        }
    }

    /// What is asked, if it is a database.
    pub const fn query(&self) -> Option<&SqlQuery> {
        match &self.format {
            DataFormat::Sql(query) => Some(query),
            _ => None,
        }
    }

    /// The same source with the text of its query in place of the file that it stands in.
    #[must_use]
    pub fn with_query(&self, text: &str) -> Self {
        let mut source = self.clone();
        if let DataFormat::Sql(query) = &mut source.format {
            query.text = QueryText::new(text);
        }
        source
    }

    /// Whether the source itself says what types its columns have.
    pub const fn has_types(&self) -> bool {
        matches!(
            self.format,
            DataFormat::Parquet | DataFormat::Arrow | DataFormat::Numpy
        ) || matches!(self.place, Place::Server(_))
    }

    /// How it is read, where that differs from the defaults and may change the version.
    pub fn options(&self) -> Map<String, Value> {
        self.differing(false)
    }

    fn differing(&self, digest: bool) -> Map<String, Value> {
        let mut differing = Map::new();
        match &self.format {
            DataFormat::Sql(query) => query.add_options(&mut differing, digest),
            DataFormat::Parquet
            | DataFormat::JsonLines
            | DataFormat::Arrow
            | DataFormat::Numpy
            | DataFormat::Files => {}
            DataFormat::Csv(options) => {
                let default = CsvOptions::default();
                if options.delimiter != default.delimiter {
                    let delimiter = char::from(options.delimiter).to_string();
                    differing.insert("delimiter".to_owned(), delimiter.into());
                }
                if options.null_tokens != default.null_tokens {
                    let tokens = options.null_tokens.clone();
                    differing.insert("null_tokens".to_owned(), tokens.into());
                }
            }
        }
        if !self.schema.is_empty() {
            differing.insert("schema".to_owned(), self.schema_json());
        }
        differing
    }

    /// What names the source in the lock file: its format, the options that differ from the
    /// defaults, its path or server. Of a query the digest stands there.
    pub fn key(&self) -> String {
        let differing = self.differing(true);
        let options = if differing.is_empty() {
            String::new()
        } else {
            // Texts always have a canonical form.
            let bytes = canonical_json(&Value::Object(differing)).unwrap_or_default();
            String::from_utf8_lossy(&bytes).into_owned()
        };
        format!("{}{options}:{}", self.kind(), self.location())
    }

    /// The declared types as JSON.
    pub(super) fn schema_json(&self) -> Value {
        let types = self.schema.iter();
        let types =
            types.map(|(name, logical_type)| (name.clone(), logical_type.to_string().into()));
        Value::Object(types.collect())
    }
}

/// The sources that have names of their own: those of the graph, or the inputs of the program that
/// makes the data. None if the data is one source.
fn named(data: &Node) -> Option<&[Entry]> {
    if runs_program(data) {
        Some(data.get("inputs").map(Node::entries).unwrap_or_default())
    } else if is_named(&DATA_SOURCE, data) {
        Some(data.entries())
    } else {
        None
    }
}

/// The names of all data of a pipeline file, of that which is malformed, too.
pub(super) fn declared(root: &Node) -> BTreeSet<StepName> {
    match (root.get("data").map(named), root.get("steps")) {
        (Some(Some(entries)), _) => entries
            .iter()
            .filter_map(|entry| StepName::new(entry.key.value.as_str()).ok())
            .collect(),
        (None, Some(_)) => BTreeSet::new(),
        // That the blocks lack it was reported.
        (Some(None), _) | (None, None) => blocks::data_name().into_iter().collect(),
    }
}

/// What data, and tables that programs make, must meet.
pub(super) fn expectations(
    root: &Node,
    report: &mut Report<'_>,
) -> BTreeMap<Source, expect::Expected> {
    let mut all: BTreeMap<Source, expect::Expected> = BTreeMap::new();
    let mut add = |source: Option<Source>, node: &Node| {
        if let (Some(source), Some(expected)) = (source, expect::read(node, report)) {
            all.entry(source).or_default().extend(expected);
        }
    };
    let data = |name: &str| {
        let data = StepName::new(name).ok()?;
        Some(Source::Data { data })
    };
    let output = |step: &str, output: &str| {
        let (step, output) = (StepName::new(step).ok()?, StepName::new(output).ok()?);
        Some(Source::Output { step, output })
    };
    if let Some(node) = root.get("data") {
        match named(node) {
            Some(entries) => {
                for entry in entries {
                    add(data(&entry.key.value), &entry.value);
                }
            }
            None => add(data(blocks::DATA), node),
        }
        if runs_program(node) {
            add(output(blocks::DATA, blocks::MADE), node);
        }
    }
    // Any block may be a program, and any step.
    let steps = root.get("steps").map(Node::entries).unwrap_or_default();
    for step in root.entries().iter().chain(steps) {
        let outputs = step.value.get("outputs").map(Node::entries);
        for entry in outputs.unwrap_or_default() {
            add(output(&step.key.value, &entry.key.value), &entry.value);
        }
    }
    all
}

/// Reads the data of a pipeline file whose keys were checked.
pub(super) fn read(root: &Node, report: &mut Report<'_>) -> BTreeMap<StepName, DataFrom> {
    let Some(entry) = root.entry("data") else {
        return BTreeMap::new();
    };
    let node = &entry.value;
    if let Some(entries) = named(node) {
        return entries
            .iter()
            .filter_map(|entry| {
                check(&entry.value, entry.key.span, &NAMES, report);
                let name = StepName::new(entry.key.value.as_str()).ok()?;
                Some((name, read_from(&entry.value)?))
            })
            .collect();
    }
    if matches!(node.value, crate::tree::Value::Map(_)) {
        check(node, entry.key.span, &NAMES, report);
    }
    let from = read_from(node);
    blocks::data_name().into_iter().zip(from).collect()
}

/// Reads where the images of the block of this name are; none where they are the data itself.
pub(super) fn images(root: &Node, report: &mut Report<'_>) -> Option<(StepName, DataFrom)> {
    let entry = root.entry("images")?;
    let node = &entry.value;
    if !matches!(node.value, crate::tree::Value::Map(_)) {
        return None;
    }
    let keys = ["files", "name", "version"].map(|key| node.entry(key));
    match keys.into_iter().flatten().collect::<Vec<_>>()[..] {
        [] => {
            let message = "where the images are is missing: 'files', 'name' or 'version'";
            report.error(entry.key.span, message);
        }
        [only] => check_path_of_files(only, report),
        [_, other, ..] => report.error(other.key.span, "the images are in one place"),
    }
    Some((blocks::image_files()?, read_from(node)?))
}

/// Files lie inside the project, or are objects of a folder or pattern: one alone has no name.
fn check_path_of_files(entry: &Entry, report: &mut Report<'_>) {
    let Some(text) = entry.value.text().filter(|_| entry.key.value == "files") else {
        return;
    };
    let is_several =
        text.starts_with("s3://") && (text.ends_with('/') || text.contains(['*', '?']));
    if check_address(text).is_some() && !is_several {
        report.hinted(
            entry.value.span,
            "'files' names files inside the project, or of a bucket",
            "write s3://BUCKET/FOLDER/ with a '/' at its end, or a pattern such as s3://BUCKET/**/*.png",
        );
    }
}

/// Reads a source of `reproof.toml` whose keys were checked. `at` is blamed for what is not there.
pub(crate) fn read_named(node: &Node, at: Span, report: &mut Report<'_>) -> Option<DataSource> {
    check(node, at, &[], report);
    read_source(node)
}

fn read_from(node: &Node) -> Option<DataFrom> {
    let text = |key: &str| node.get(key).and_then(Node::text);
    if let Some(name) = node.text().or_else(|| text("name")) {
        return StepName::new(name).ok().map(DataFrom::Named);
    }
    match text("version") {
        Some(version) => version.parse().ok().map(DataFrom::Version),
        None => read_source(node).map(DataFrom::Source),
    }
}

/// Checks that a source names one file, or one of `names`, and has no keys of something else.
fn check(node: &Node, at: Span, names: &[&str], report: &mut Report<'_>) {
    let all = || FORMATS.iter().chain(names).copied();
    let named: Vec<_> = all().filter_map(|key| node.entry(key)).collect();
    match named[..] {
        [] => {
            // What was said of another key is enough.
            let told = node.entries().iter().any(|entry| {
                let key = entry.key.value.as_str();
                let later = DATA_SOURCE.later.iter().any(|later| later.key == key);
                let known = DATA_SOURCE.field(key).is_some();
                later || !known && nearest(key, all()).is_some()
            });
            if !told {
                let wanted = FORMATS.map(|key| format!("'{key}'")).join(", ");
                report.error(
                    at,
                    format!("a key that names the source is missing: {wanted}"),
                );
            }
        }
        [only] if names.contains(&only.key.value.as_str()) => {
            for entry in READING.into_iter().filter_map(|key| node.entry(key)) {
                let message = format!(
                    "'{}' has no use beside '{}'",
                    entry.key.value, only.key.value
                );
                let hint = "how named data is read is said in reproof.toml";
                report.hinted(entry.key.span, message, hint);
            }
        }
        [only] => {
            let kind = only.key.value.as_str();
            check_path_of_files(only, report);
            let mut refuse = |keys: &[&str], what: &str| {
                for entry in keys.iter().filter_map(|key| node.entry(key)) {
                    report.error(entry.key.span, format!("'{}' {what}", entry.key.value));
                }
            };
            if kind != "csv" {
                refuse(&CSV_KEYS, "is for CSV files");
            }
            if DATABASES.contains(&kind) {
                refuse(&["keep"], "has no use here: a query has no bytes to keep");
                sql::check(node, only.key.span, report);
            } else {
                refuse(&QUERY_KEYS, "is for databases");
            }
            let of_files = only.key.value == "files";
            let table = TABLE_KEYS.into_iter().filter(|_| of_files);
            for entry in table.filter_map(|key| node.entry(key)) {
                let message = format!("'{}' is for tables, and 'files' is none", entry.key.value);
                report.error(entry.key.span, message);
            }
        }
        [_, other, ..] => {
            report.hinted(
                other.key.span,
                "a data source is one file, folder or query",
                "with 'steps', several sources may be named",
            );
        }
    }
}

/// Checks a text that is the address of a file on a server: `s3://BUCKET/KEY`, `https://HOST/…`, or
/// `http://…` on this machine. None if it is no address, but a path.
///
/// # Errors
/// What is wrong with it, and what to write.
pub fn check_address(text: &str) -> Option<Result<(), (String, &'static str)>> {
    let (scheme, rest) = text.split_once("://")?;
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let is_named = |text: &str| !text.is_empty() && !text.chars().any(char::is_whitespace);
    let wrong = |what: &str, hint| Some(Err((what.to_owned(), hint)));
    match scheme {
        "s3" => match rest.split_once('/') {
            Some((bucket, key)) if is_named(bucket) && !key.is_empty() => Some(Ok(())),
            _ => wrong("the address names no object", "write it as s3://BUCKET/KEY"),
        },
        "http" | "https" if host.contains('@') => wrong(
            "a user and a password must not stand in an address",
            "only what everyone may read is fetched by HTTP: fetch it yourself, or put it in a bucket",
        ),
        "http" | "https" if !is_named(host) || rest.contains(char::is_whitespace) => wrong(
            "the address names no host",
            "write it as https://HOST/FILE, with %20 for a blank",
        ),
        "http" if !is_loopback(rest) => wrong(
            "without TLS only a server on this machine may be reached",
            "use https://",
        ),
        "http" | "https" => Some(Ok(())),
        _ => Some(Err((
            format!("files are not fetched by '{scheme}'"),
            "write a path inside the project, s3://BUCKET/KEY or https://HOST/FILE",
        ))),
    }
}

fn read_source(node: &Node) -> Option<DataSource> {
    let (kind, named) = FORMATS
        .iter()
        .find_map(|kind| Some((*kind, node.get(kind)?)))?;
    let place = if kind == "postgres" {
        Place::Server(sql::read_server(named)?)
    } else {
        let text = named.text()?;
        match check_address(text) {
            Some(checked) => checked.ok().map(|()| Place::Address(text.to_owned()))?,
            None => Place::File(RelativePath::new(text.strip_suffix('/').unwrap_or(text)).ok()?),
        }
    };
    let format = match kind {
        "csv" => DataFormat::Csv(read_csv(node)?),
        "parquet" => DataFormat::Parquet,
        "jsonl" => DataFormat::JsonLines,
        "arrow" => DataFormat::Arrow,
        "numpy" => DataFormat::Numpy,
        "files" => DataFormat::Files,
        _ => DataFormat::Sql(sql::read_query(node)?),
    };
    let declared = node.get("schema").map(Node::entries).unwrap_or_default();
    let declared = declared.iter().filter_map(|entry| {
        let logical_type = LogicalType::named(entry.value.text()?)?;
        Some((entry.key.value.clone(), logical_type))
    });
    Some(DataSource {
        place,
        format,
        schema: declared.collect(),
        statistics: match node.get("statistics").and_then(Node::text) {
            Some("none") => StatisticsOption::None,
            Some("basic") => StatisticsOption::Basic,
            _ => StatisticsOption::Full,
        },
    })
}

fn read_csv(node: &Node) -> Option<CsvOptions> {
    let mut options = CsvOptions::default();
    if let Some(text) = node.get("delimiter").and_then(Node::text) {
        options.delimiter = delimiter(text)?;
    }
    if let Some(tokens) = node.get("null_tokens") {
        let texts = tokens.items().iter().filter_map(Node::text);
        // Which tokens there are matters, not their order: one key in the lock file for all.
        let tokens: BTreeSet<_> = texts.map(str::to_owned).collect();
        options.null_tokens = tokens.into_iter().collect();
    }
    Some(options)
}
