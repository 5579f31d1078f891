//! `reproof data restore` and `export`: versions as files again.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use reproof_engine::{
    EngineError, ExportFormat, FoundData, Project, Restored, export_files, export_version,
    find_data, restore_version,
};
use serde_json::json;

use crate::arguments::Global;
use crate::exit::Exit;
use crate::printer::Printer;
use crate::{format, session};

/// The options of `data restore`.
#[derive(Debug, Args)]
pub struct Restore {
    /// A version, as `data show` takes it.
    #[arg(value_name = "VERSION")]
    pub version: String,
    /// The file to write; for a version of several files the folder, which must be new or empty.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Replace the file if it is there.
    #[arg(long)]
    pub force: bool,
}

/// The options of `data export`.
#[derive(Debug, Args)]
pub struct Export {
    /// A version, as `data show` takes it.
    #[arg(value_name = "VERSION")]
    pub version: String,
    /// The file to write; for a version that is files the folder, which must be new or empty.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// What to write; left out, the file's name tells it.
    #[arg(long, value_name = "FORMAT", value_enum)]
    pub format: Option<Format>,
    /// Replace the file if it is there.
    #[arg(long)]
    pub force: bool,
}

/// How values are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Values separated by commas, the first row a header.
    Csv,
    /// Parquet.
    Parquet,
    /// A JSON object on each line.
    Jsonl,
}

impl Format {
    /// The format that a file's name tells.
    fn of(path: &Path) -> Option<Self> {
        let extension = path.extension()?.to_str()?.to_ascii_lowercase();
        match extension.as_str() {
            "csv" => Some(Self::Csv),
            "parquet" => Some(Self::Parquet),
            "jsonl" | "ndjson" => Some(Self::Jsonl),
            _ => None,
        }
    }
}

/// Runs `data restore`.
pub fn restore(options: &Restore, global: &Global, printer: &Printer) -> Result<Exit, EngineError> {
    let project = session::project(global)?;
    let found = find_data(&project, &options.version)?;
    let file = session::folder(global)?.join(&options.file);
    let (what, count) = match restore_version(&project, &found, &file, options.force)? {
        Restored::File(bytes) => ("byte", bytes),
        Restored::Folder(files) => ("file", files),
    };
    let digest = found.version.as_ref().map(|(_, entry)| entry.source.digest);
    if printer.json {
        printer.document(&json!({
            "version": found.label(), "file": file, format!("{what}s"): count,
            "source_digest": digest,
        }));
    } else {
        printer.line(&format!(
            "{} in {}, {}",
            found.label(),
            file.display(),
            format::counted(count, what)
        ));
    }
    Ok(Exit::Done)
}

/// Runs `data export`.
pub fn export(options: &Export, global: &Global, printer: &Printer) -> Result<Exit, EngineError> {
    let project = session::project(global)?;
    let found = find_data(&project, &options.version)?;
    let file = session::folder(global)?.join(&options.file);
    let (what, count) = match export_files(&project, &found, &file)? {
        Some(files) => ("file", files),
        None => ("row", export_table(options, &project, &found, &file)?),
    };
    if printer.json {
        printer.document(&json!({
            "version": found.label(), "file": file, format!("{what}s"): count,
        }));
    } else {
        printer.line(&format!(
            "{} in {}, {}",
            found.label(),
            file.display(),
            format::counted(count, what)
        ));
    }
    Ok(Exit::Done)
}

/// Writes the values of a table. Gives the rows.
fn export_table(
    options: &Export,
    project: &Project,
    found: &FoundData,
    file: &Path,
) -> Result<u64, EngineError> {
    let Some(format) = options.format.or_else(|| Format::of(&options.file)) else {
        return Err(EngineError::Usage {
            message: format!("{} does not tell the format", options.file.display()),
            hint: Some("say it with --format csv, parquet or jsonl".to_owned()),
        });
    };
    let format = match format {
        Format::Csv => ExportFormat::Csv,
        Format::Parquet => ExportFormat::Parquet,
        Format::Jsonl => ExportFormat::JsonLines,
    };
    export_version(project, found, format, file, options.force)
}
