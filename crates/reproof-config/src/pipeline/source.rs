//! Data sources: which file, how it is read, which types its columns have.

use std::collections::{BTreeMap, BTreeSet};

use reproof_record::{LogicalType, RelativePath, StepName, canonical_json};
use serde_json::{Map, Value};

use super::{blocks, expect};
use crate::check::{delimiter, is_named};
use crate::diagnostic::{Report, Span};
use crate::names::nearest;
use crate::tables::DATA_SOURCE;
use crate::tree::Node;
use crate::version::VersionSpec;

/// The keys that name a file, of which a source has one.
const FORMATS: [&str; 5] = ["csv", "parquet", "jsonl", "numpy", "files"];
/// The keys of a pipeline that name data which `reproof.toml` declares.
const NAMES: [&str; 2] = ["name", "version"];
/// The keys that say how a file is read.
const READING: [&str; 4] = ["delimiter", "null_tokens", "schema", "statistics"];
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
    /// It is a stored version of named data; nothing is read.
    Version(VersionSpec),
}

/// Where data comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataSource {
    /// The file or folder, inside the project, or a pattern of files.
    pub path: RelativePath,
    /// How it is read.
    pub format: DataFormat,
    /// The types that columns are declared to have.
    pub schema: BTreeMap<String, LogicalType>,
    /// How much is computed of each column. It does not change the version.
    pub statistics: StatisticsOption,
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
    /// An array of NumPy, or an archive of arrays.
    Numpy,
    /// Files as they are, in folders: no table.
    Files,
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
        match self.format {
            DataFormat::Parquet => "parquet",
            DataFormat::Csv(_) => "csv",
            DataFormat::JsonLines => "jsonl",
            DataFormat::Numpy => "numpy",
            DataFormat::Files => "files",
        }
    }

    /// Whether the file itself says what types its columns have.
    pub const fn has_types(&self) -> bool {
        matches!(self.format, DataFormat::Parquet | DataFormat::Numpy)
    }

    /// How it is read, where that differs from the defaults and may change the version.
    pub fn options(&self) -> Map<String, Value> {
        let mut differing = Map::new();
        match &self.format {
            DataFormat::Parquet | DataFormat::JsonLines | DataFormat::Numpy | DataFormat::Files => {
            }
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
    /// defaults, its path.
    pub fn key(&self) -> String {
        let differing = self.options();
        let options = if differing.is_empty() {
            String::new()
        } else {
            // Texts always have a canonical form.
            let bytes = canonical_json(&Value::Object(differing)).unwrap_or_default();
            String::from_utf8_lossy(&bytes).into_owned()
        };
        format!("{}{options}:{}", self.kind(), self.path)
    }

    /// The declared types as JSON.
    pub(super) fn schema_json(&self) -> Value {
        let types = self.schema.iter();
        let types =
            types.map(|(name, logical_type)| (name.clone(), logical_type.to_string().into()));
        Value::Object(types.collect())
    }
}

/// What the data of a pipeline must meet, by name.
pub(super) fn expectations(
    root: &Node,
    report: &mut Report<'_>,
) -> BTreeMap<StepName, Vec<expect::Written>> {
    let Some(node) = root.get("data") else {
        return BTreeMap::new();
    };
    if is_named(&DATA_SOURCE, node) {
        let entries = node.entries().iter();
        return entries
            .filter_map(|entry| {
                let name = StepName::new(entry.key.value.as_str()).ok()?;
                Some((name, expect::read(&entry.value, report)))
            })
            .collect();
    }
    let written = expect::read(node, report);
    blocks::data_name().into_iter().zip([written]).collect()
}

/// Reads the data of a pipeline file whose keys were checked.
pub(super) fn read(root: &Node, report: &mut Report<'_>) -> BTreeMap<StepName, DataFrom> {
    let Some(entry) = root.entry("data") else {
        return BTreeMap::new();
    };
    let node = &entry.value;
    if is_named(&DATA_SOURCE, node) {
        let entries = node.entries().iter();
        return entries
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
                    format!("a key that names the file is missing: {wanted}"),
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
        [only] if only.key.value != "csv" => {
            for entry in CSV_KEYS.into_iter().filter_map(|key| node.entry(key)) {
                let message = format!("'{}' is for CSV files", entry.key.value);
                report.error(entry.key.span, message);
            }
            let of_files = only.key.value == "files";
            let table = TABLE_KEYS.into_iter().filter(|_| of_files);
            for entry in table.filter_map(|key| node.entry(key)) {
                let message = format!("'{}' is for tables, and 'files' is none", entry.key.value);
                report.error(entry.key.span, message);
            }
        }
        [_] => {}
        [_, other, ..] => {
            report.hinted(
                other.key.span,
                "a data source names its files by one key",
                "with 'steps', several sources may be named",
            );
        }
    }
}

fn read_source(node: &Node) -> Option<DataSource> {
    let path = |key: &str| node.get(key).and_then(Node::text);
    let (kind, path) = FORMATS.iter().find_map(|kind| Some((*kind, path(kind)?)))?;
    let format = match kind {
        "csv" => DataFormat::Csv(read_csv(node)?),
        "parquet" => DataFormat::Parquet,
        "jsonl" => DataFormat::JsonLines,
        "numpy" => DataFormat::Numpy,
        _ => DataFormat::Files,
    };
    let declared = node.get("schema").map(Node::entries).unwrap_or_default();
    let declared = declared.iter().filter_map(|entry| {
        let logical_type = LogicalType::named(entry.value.text()?)?;
        Some((entry.key.value.clone(), logical_type))
    });
    Some(DataSource {
        path: RelativePath::new(path.strip_suffix('/').unwrap_or(path)).ok()?,
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
