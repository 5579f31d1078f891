//! `reproof data add`, `commit`, `log`, `tag` and `head`: the history of named data.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use reproof_config::{
    CsvOptions, DataFormat, DataSource, NamedData, Place, PostgresConnection, PostgresServer,
    QueryText, SqlQuery, StatisticsOption, VersionAt, VersionSpec, check_address,
};
use reproof_engine::{
    Committed, DataChoice, EngineError, LoggedVersion, Pattern, Project, add_data, commit_data,
    data_history, erasure_text, exists, find_data, move_head, tag_version, untag,
};
use reproof_record::{LogicalType, RelativePath, StepName, VersionEntry};
use reproof_store::fs::FileKind;
use reproof_table::FileFormat;
use serde_json::{Value, json};

use super::version_json;
use crate::arguments::Global;
use crate::commands::predict::delimiter;
use crate::exit::Exit;
use crate::printer::{Printer, Style};
use crate::progress::Progress;
use crate::{format, session};

/// The options of `data add`.
#[derive(Debug, Args)]
pub struct Add {
    /// The name.
    #[arg(value_name = "NAME")]
    pub name: StepName,
    /// The file, inside the project, whose name tells what it is; or a folder, or a pattern of files
    /// such as 'data/*.csv'.
    #[arg(value_name = "SOURCE", required_unless_present_any = ["sqlite", "postgres"])]
    pub source: Option<PathBuf>,
    /// A SQLite database inside the project, of which --query asks.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["source", "postgres"])]
    pub sqlite: Option<PathBuf>,
    /// A PostgreSQL database, of which --query asks: 'host=… dbname=… user=…' or postgresql://…,
    /// without a password, or env:NAME for the variable that holds either.
    #[arg(long, value_name = "CONNECTION", conflicts_with = "source")]
    pub postgres: Option<String>,
    /// What is asked of the database: one SELECT.
    #[arg(
        long,
        value_name = "SQL",
        conflicts_with = "source",
        allow_hyphen_values = true
    )]
    pub query: Option<String>,
    /// The file, inside the project, that holds the query.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["source", "query"])]
    pub query_file: Option<PathBuf>,
    /// A column of the result that sorts its rows. Give it once for each; no two rows may be alike in
    /// all of them.
    #[arg(long, value_name = "COLUMN", conflicts_with = "source")]
    pub order_by: Vec<String>,
    /// What the files are, where their names do not tell it, as those of a folder.
    #[arg(long, value_name = "FORMAT", value_enum, requires = "source")]
    pub format: Option<Kind>,
    /// Why, for the history.
    #[arg(short, long, value_name = "TEXT", default_value = "")]
    pub message: String,
    /// The character between the fields of a CSV file.
    #[arg(long, value_name = "CHARACTER", default_value = ",")]
    pub delimiter: String,
    /// A field of a CSV file that means a missing value. Give it once for each such text.
    #[arg(long = "null", value_name = "TOKEN")]
    pub null_tokens: Vec<String>,
    /// Declare the type of a column, such as 'ordered=date' or 'price=decimal(10, 2)'.
    #[arg(long = "type", value_name = "COLUMN=TYPE", value_parser = column_type)]
    pub types: Vec<(String, LogicalType)>,
    /// How much is computed of each column as it is read.
    #[arg(long, value_name = "LEVEL", value_enum, default_value_t = Level::Full)]
    pub statistics: Level,
    /// Do not store the bytes of the file with each version, only the values.
    #[arg(long)]
    pub no_keep: bool,
    /// Take in what was erased with 'reproof data erase', too. The history notes it.
    #[arg(long)]
    pub allow_erased: bool,
}

/// What the files of a source are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// Values separated by commas, or another character.
    Csv,
    /// Parquet.
    Parquet,
    /// A JSON object on each line.
    Jsonl,
    /// Arrow IPC.
    Arrow,
    /// Arrays of NumPy.
    Numpy,
    /// Any files, which stay what they are: no table.
    Files,
}

impl Kind {
    /// What a name tells; CSV where it tells nothing.
    fn of(path: &Path) -> Self {
        match FileFormat::of_name(path) {
            Some(FileFormat::Parquet) => Self::Parquet,
            Some(FileFormat::JsonLines) => Self::Jsonl,
            Some(FileFormat::Arrow) => Self::Arrow,
            Some(FileFormat::Numpy) => Self::Numpy,
            Some(FileFormat::Csv(_)) | None => Self::Csv,
        }
    }
}

/// How much is computed of each column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Level {
    /// Also frequent values, quantiles and histograms.
    Full,
    /// Counts, ranges, means.
    Basic,
    /// Nothing.
    None,
}

/// The options of `data commit`.
#[derive(Debug, Args)]
pub struct Commit {
    /// The name.
    #[arg(value_name = "NAME")]
    pub name: StepName,
    /// Why, for the history.
    #[arg(short, long, value_name = "TEXT")]
    pub message: String,
    /// Decide the types of columns anew, instead of keeping those of the head.
    #[arg(long)]
    pub retype: bool,
    /// Take in what was erased with 'reproof data erase', too. The history notes it.
    #[arg(long)]
    pub allow_erased: bool,
    /// Hash every byte again, whatever size and times of the files say.
    #[arg(long)]
    pub paranoid: bool,
}

/// The options of `data log`.
#[derive(Debug, Args)]
pub struct Log {
    /// The name.
    #[arg(value_name = "NAME")]
    pub name: StepName,
    /// Also list versions that do not lead to the head.
    #[arg(long)]
    pub all: bool,
    /// Show at most this many.
    #[arg(short = 'n', long, value_name = "N", default_value_t = 20)]
    pub limit: usize,
}

/// The options of `data tag`.
#[derive(Debug, Args)]
pub struct Tag {
    /// The version: NAME, NAME@TAG, NAME@~1, NAME@DIGITS.
    #[arg(value_name = "VERSION")]
    pub version: VersionSpec,
    /// The tag.
    #[arg(value_name = "TAG")]
    pub text: String,
    /// Give the tag to this version even if another one has it.
    #[arg(long = "move", conflicts_with = "delete")]
    pub moved: bool,
    /// Take the tag away; the version stays.
    #[arg(long)]
    pub delete: bool,
}

/// The options of `data head`.
#[derive(Debug, Args)]
pub struct Head {
    /// The name, or the version that is to be the head: NAME@TAG, NAME@~1, NAME@DIGITS.
    #[arg(value_name = "VERSION")]
    pub version: VersionSpec,
}

fn column_type(text: &str) -> Result<(String, LogicalType), String> {
    let wanted = || {
        let simple = LogicalType::SIMPLE.map(LogicalType::name).join(", ");
        format!("wanted is COLUMN=TYPE, the type one of {simple}, decimal(10, 2)")
    };
    let (column, name) = text.split_once('=').ok_or_else(wanted)?;
    let logical_type = LogicalType::named(name.trim()).ok_or_else(wanted)?;
    if column.is_empty() {
        return Err(wanted());
    }
    Ok((column.to_owned(), logical_type))
}

/// Runs `data add`.
pub fn add(options: &Add, global: &Global, printer: &Printer) -> Result<Exit, EngineError> {
    let mut project = session::project(global)?;
    project.allow_erased = options.allow_erased;
    let data = NamedData {
        source: source(options, &project, global)?,
        // A query has no bytes to keep.
        keep: !options.no_keep && options.source.is_some(),
    };
    if data.source.format == DataFormat::Files && !data.keep {
        return Err(EngineError::usage(
            "--no-keep is for tables: files are always kept",
        ));
    }
    let choice = DataChoice {
        message: options.message.clone(),
        retype: false,
    };
    let progress = Progress::new(printer);
    let cancel = session::stop_on_signals()?;
    let committed = add_data(&project, &options.name, &data, &choice, &progress, &cancel);
    progress.clear();
    report(&committed?, printer);
    Ok(Exit::Done)
}

fn source(options: &Add, project: &Project, global: &Global) -> Result<DataSource, EngineError> {
    let folder = session::folder(global)?;
    let (place, format) = match &options.source {
        Some(file) if file.to_str().and_then(check_address).is_some() => {
            let text = file.to_str().unwrap_or_default();
            if let Some(Err((message, hint))) = check_address(text) {
                let hint = Some(hint.to_owned());
                return Err(EngineError::Usage { message, hint });
            }
            (
                Place::Address(text.to_owned()),
                address_format(options, text)?,
            )
        }
        Some(file) => {
            let path = inside(project, &folder.join(file))?;
            let format = file_format(options, project, &path)?;
            (Place::File(path), format)
        }
        None => database(options, project, &folder)?,
    };
    Ok(DataSource {
        place,
        format,
        schema: options.types.iter().cloned().collect::<BTreeMap<_, _>>(),
        statistics: match options.statistics {
            Level::Full => StatisticsOption::Full,
            Level::Basic => StatisticsOption::Basic,
            Level::None => StatisticsOption::None,
        },
    })
}

fn only_csv(options: &Add) -> Result<(), EngineError> {
    if options.delimiter == "," && options.null_tokens.is_empty() {
        return Ok(());
    }
    Err(EngineError::usage(
        "--delimiter and --null are for CSV files",
    ))
}

fn file_format(
    options: &Add,
    project: &Project,
    path: &RelativePath,
) -> Result<DataFormat, EngineError> {
    let kind = match options.format {
        Some(kind) => kind,
        None if is_folder(project, path) => {
            return Err(EngineError::Usage {
                message: format!("{path} is a folder, whose name does not tell what its files are"),
                hint: Some("say it with --format, or name the files: 'data/*.csv'".to_owned()),
            });
        }
        None => Kind::of(Path::new(path.as_str())),
    };
    format_of(options, kind)
}

/// The format of a file on a server, whose name is what stands before a question mark.
fn address_format(options: &Add, address: &str) -> Result<DataFormat, EngineError> {
    let name = address.split(['?', '#']).next().unwrap_or_default();
    let kind = options.format.unwrap_or_else(|| Kind::of(Path::new(name)));
    if kind == Kind::Files {
        return Err(EngineError::usage(
            "--format files is for files inside the project",
        ));
    }
    format_of(options, kind)
}

fn format_of(options: &Add, kind: Kind) -> Result<DataFormat, EngineError> {
    if kind != Kind::Csv {
        only_csv(options)?;
    }
    Ok(match kind {
        Kind::Parquet => DataFormat::Parquet,
        Kind::Jsonl => DataFormat::JsonLines,
        Kind::Arrow => DataFormat::Arrow,
        Kind::Numpy => DataFormat::Numpy,
        Kind::Files => DataFormat::Files,
        Kind::Csv => {
            let mut csv = CsvOptions {
                delimiter: delimiter(&options.delimiter)?,
                ..CsvOptions::default()
            };
            if !options.null_tokens.is_empty() {
                csv.null_tokens.clone_from(&options.null_tokens);
                csv.null_tokens.sort_unstable();
                csv.null_tokens.dedup();
            }
            DataFormat::Csv(csv)
        }
    })
}

/// The database and what is asked of it.
fn database(
    options: &Add,
    project: &Project,
    folder: &Path,
) -> Result<(Place, DataFormat), EngineError> {
    only_csv(options)?;
    let text = match (&options.query, &options.query_file) {
        (Some(query), _) => QueryText::new(query),
        (None, Some(file)) => QueryText::File(inside(project, &folder.join(file))?),
        (None, None) => {
            return Err(EngineError::usage(
                "what is asked of the database is missing: --query \"SELECT …\" or --query-file FILE",
            ));
        }
    };
    if options.order_by.is_empty() {
        return Err(EngineError::Usage {
            message: "--order-by is missing".to_owned(),
            hint: Some(
                "a database gives rows in any order, and a table's identity depends on it: name columns \
                 of the result that no two rows share together"
                    .to_owned(),
            ),
        });
    }
    let place = match (&options.sqlite, &options.postgres) {
        (Some(file), _) => Place::File(inside(project, &folder.join(file))?),
        (None, connection) => Place::Server(server(connection.as_deref().unwrap_or_default())?),
    };
    let order_by = options.order_by.clone();
    Ok((place, DataFormat::Sql(SqlQuery { text, order_by })))
}

fn server(text: &str) -> Result<PostgresServer, EngineError> {
    if let Some(name) = text.strip_prefix("env:") {
        return Ok(PostgresServer::Variable(name.to_owned()));
    }
    let connection = PostgresConnection::parse(text)
        .map_err(|what| EngineError::usage(format!("--postgres: {what}")))?;
    if connection.password.is_some() {
        return Err(EngineError::Usage {
            message: "--postgres: a password must not be written into reproof.toml".to_owned(),
            hint: Some(
                "take it away; it is read from PGPASSWORD or ~/.pgpass, or write env:NAME and put the \
                 whole text into the variable NAME"
                    .to_owned(),
            ),
        });
    }
    Ok(PostgresServer::Address(connection.address))
}

fn is_folder(project: &Project, path: &RelativePath) -> bool {
    let found = project.io().canonicalize(&project.root.join(path.as_str()));
    let facts = found.and_then(|path| project.io().metadata(&path));
    facts.is_ok_and(|facts| facts.kind == FileKind::Folder)
}

/// The path of a file, folder or pattern inside the project. A link itself is not followed: it may
/// lead out.
fn inside(project: &Project, path: &Path) -> Result<RelativePath, EngineError> {
    let refused = |message: String| EngineError::Usage {
        message,
        hint: Some(format!(
            "data lies inside the project, {}: copy or link the file into it",
            project.root.display()
        )),
    };
    let missing = || refused(format!("there is no file {}", path.display()));
    let text = path.to_str().unwrap_or_default();
    let (folder, name) = if Pattern::is_one(text) && !exists(project.io(), path)? {
        let folder = Path::new(Pattern::base(text));
        (Some(folder), path.strip_prefix(folder).ok())
    } else {
        (path.parent(), path.file_name().map(Path::new))
    };
    let (Some(folder), Some(name)) = (folder, name) else {
        return Err(missing());
    };
    let folder = project.io().canonicalize(folder).map_err(|_| missing())?;
    let root = project.io().canonicalize(&project.root)?;
    let inside = folder.join(name);
    let inside = inside.strip_prefix(&root).ok().and_then(Path::to_str);
    let inside = inside.and_then(|inside| RelativePath::new(inside).ok());
    inside.ok_or_else(|| refused(format!("{} is outside the project", path.display())))
}

/// Runs `data commit`.
pub fn commit(options: &Commit, global: &Global, printer: &Printer) -> Result<Exit, EngineError> {
    let mut project = session::project(global)?;
    project.allow_erased = options.allow_erased;
    project.paranoid = options.paranoid;
    let choice = DataChoice {
        message: options.message.clone(),
        retype: options.retype,
    };
    let progress = Progress::new(printer);
    let cancel = session::stop_on_signals()?;
    let committed = commit_data(&project, &options.name, &choice, &progress, &cancel);
    progress.clear();
    report(&committed?, printer);
    Ok(Exit::Done)
}

fn report(committed: &Committed, printer: &Printer) {
    let Committed {
        id,
        entry,
        before,
        appended,
    } = committed;
    if printer.json {
        printer.document(&json!({
            "appended": appended,
            "version": version_json(id, entry),
            "before": before.as_ref().map(|(id, _)| id),
        }));
        return;
    }
    let version = printer.paint(Style::Strong, &format!("{}@{}", entry.name, id.short()));
    if !appended {
        printer.line(&format!("{version}  unchanged"));
        return;
    }
    let (kind, columns) = (entry.content.kind, entry.schema.columns().len() as u64);
    let size = format::size(kind, entry.rows, columns);
    let was = before
        .as_ref()
        .map(|(_, before)| format!(", was {}", format::amount(before.content.kind, before.rows)));
    printer.line(&format!(
        "{version}  {size}{}  data:{}",
        was.unwrap_or_default(),
        entry.content.digest.short()
    ));
}

/// Runs `data log`.
pub fn log(options: &Log, global: &Global, printer: &Printer) -> Result<Exit, EngineError> {
    let project = session::project(global)?;
    let mut history = data_history(&project, &options.name, options.all)?;
    let more = history.len().saturating_sub(options.limit);
    history.truncate(options.limit);
    if printer.json {
        let list: Vec<_> = history.iter().map(logged_json).collect();
        printer.document(&json!({ "name": options.name, "versions": list, "more": more }));
        return Ok(Exit::Done);
    }
    for version in &history {
        printer.line(&line(version, printer));
        if let Some(event) = &version.erased {
            let erased = format::visible(&erasure_text(event));
            printer.line(&format!("  {}", printer.paint(Style::Bad, &erased)));
        }
    }
    if more > 0 {
        printer.line(&format!("… {} more", format::count(more as u64)));
    }
    Ok(Exit::Done)
}

fn logged_json(version: &LoggedVersion) -> Value {
    json!({
        "id": version.id,
        "head": version.head,
        "tags": version.tags,
        "entry": version.entry,
        "erased": version.erased.as_ref().map(|event| {
            json!({ "time": event.time, "author": event.author, "reason": event.reason })
        }),
    })
}

fn line(version: &LoggedVersion, printer: &Printer) -> String {
    let entry = &version.entry;
    let mut names: Vec<&str> = version.tags.iter().map(String::as_str).collect();
    if version.head {
        names.insert(0, "head");
    }
    let names = match names.len() {
        0 => String::new(),
        _ => format!(" ({})", printer.paint(Style::Good, &names.join(", "))),
    };
    format!(
        "{}{names}  {}  {:>12}  {}  {}",
        printer.paint(Style::Strong, &version.id.short()),
        format::local(entry.time),
        format::amount(entry.content.kind, entry.rows),
        author(entry),
        message(entry),
    )
    .trim_end()
    .to_owned()
}

/// Who appended a version.
pub fn author(entry: &VersionEntry) -> String {
    let author = &entry.author;
    format::visible(author.name.as_ref().unwrap_or(&author.user))
}

/// Why a version was appended: the first line of the message, or the run that read it.
pub fn message(entry: &VersionEntry) -> String {
    match (entry.message.lines().next(), &entry.read_by) {
        (Some(first), _) => format::visible(first),
        (None, Some(run)) => format!("read by run {}", run.short()),
        (None, None) => String::new(),
    }
}

/// Runs `data tag`.
pub fn tag(options: &Tag, global: &Global, printer: &Printer) -> Result<Exit, EngineError> {
    let project = session::project(global)?;
    let name = &options.version.name;
    if options.delete {
        if options.version.at != VersionAt::Head {
            return Err(EngineError::usage(
                "with --delete the name alone is given, and the tag",
            ));
        }
        untag(&project, name, &options.text)?;
        if printer.json {
            printer.document(&json!({ "name": name, "deleted": options.text }));
        } else {
            printer.line(&format!("{name}@{} is no tag any more", options.text));
        }
        return Ok(Exit::Done);
    }
    let (id, entry) = tag_version(&project, &options.version, &options.text, options.moved)?;
    if printer.json {
        printer.document(&json!({ "tag": options.text, "version": version_json(&id, &entry) }));
    } else {
        printer.line(&format!("{name}@{} is {}", options.text, id.short()));
    }
    Ok(Exit::Done)
}

/// Runs `data head`.
pub fn head(options: &Head, global: &Global, printer: &Printer) -> Result<Exit, EngineError> {
    let project = session::project(global)?;
    let spec = &options.version;
    let (id, entry) = if spec.at == VersionAt::Head {
        let history = data_history(&project, &spec.name, false)?;
        let first = history.into_iter().next();
        let first = first.map(|head| (head.id, head.entry));
        first.ok_or_else(|| EngineError::Bug("a history without a head".to_owned()))?
    } else {
        move_head(&project, spec)?
    };
    if printer.json {
        printer.document(&json!({ "head": version_json(&id, &entry) }));
        return Ok(Exit::Done);
    }
    let found = find_data(&project, &format!("{}@{id}", spec.name))?;
    printer.line(&format!(
        "{}  {}  {}",
        printer.paint(Style::Strong, &found.label()),
        format::amount(entry.content.kind, entry.rows),
        message(&entry)
    ));
    Ok(Exit::Done)
}
