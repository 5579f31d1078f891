//! `reproof predict`: predicts the rows of a file with the model of a record.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use clap::Args;
use reproof_engine::{EngineError, PredictOptions, predict, resolve_record};
use reproof_store::fs::write_atomic;
use reproof_table::{CsvOptions, FileFormat, Table, write_csv, write_parquet};
use serde_json::json;

use crate::arguments::Global;
use crate::exit::Exit;
use crate::printer::Printer;
use crate::{format, session};

/// The options of the command.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The record whose model predicts: an ID or a prefix of it, PIPELINE@latest or @latest.
    #[arg(value_name = "RECORD")]
    pub record: String,
    /// The file with the rows: CSV, or Parquet if it is named so. Columns are found by name, in any
    /// order.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Write the predictions to this file, CSV or Parquet, instead of printing them as CSV.
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Repeat these columns of the file before the predictions.
    #[arg(long, value_name = "COLUMN", value_delimiter = ',')]
    pub keep: Vec<String>,
    /// The character between the fields of a CSV file.
    #[arg(long, value_name = "CHARACTER", default_value = ",")]
    pub delimiter: String,
    /// A field of a CSV file that means a missing value. Give it once for each such text, as
    /// `null_tokens` of the training data lists them; `--null ""` is the empty field. Left out: the
    /// empty field, NA, N/A, NaN, nan, null and NULL.
    #[arg(long = "null", value_name = "TOKEN")]
    pub null_tokens: Vec<String>,
    /// How many threads to use; they change no result.
    #[arg(long, value_name = "N")]
    pub threads: Option<NonZeroUsize>,
}

/// Runs the command.
pub fn execute(
    arguments: &Arguments,
    global: &Global,
    printer: &Printer,
) -> Result<Exit, EngineError> {
    if printer.json && arguments.output.is_none() {
        return Err(EngineError::usage(
            "with --json the predictions go to a file: say which with --output",
        ));
    }
    let project = session::project(global)?;
    let record = resolve_record(&project, &arguments.record)?;
    let here = session::folder(global)?;
    let options = PredictOptions {
        file: here.join(&arguments.file),
        format: file_format(arguments)?,
        keep: arguments.keep.clone(),
        threads: session::threads(arguments.threads),
    };
    let cancel = session::stop_on_signals()?;
    let predicted = predict(&project, &record, &options, &cancel)?;
    let Some(output) = &arguments.output else {
        printer.text(&String::from_utf8_lossy(&csv(&predicted.table)?));
        return Ok(Exit::Done);
    };
    let output = here.join(output);
    let bytes = if is_parquet(&output) {
        let mut bytes = Vec::new();
        write_parquet(&mut bytes, &predicted.table)
            .map_err(|error| EngineError::Bug(error.to_string()))?;
        bytes
    } else {
        csv(&predicted.table)?
    };
    write_atomic(project.io(), &output, &bytes)?;
    let rows = predicted.table.rows() as u64;
    if printer.json {
        let columns = predicted.table.schema().columns().iter();
        let columns: Vec<_> = columns.map(|column| column.name.as_str()).collect();
        printer.document(&json!({
            "record": record,
            "step": predicted.step,
            "rows": rows,
            "columns": columns,
            "output": output.to_string_lossy(),
        }));
    } else {
        printer.line(&format!(
            "{} predicted by '{}' of record {}, in {}",
            format::counted(rows, "row"),
            predicted.step,
            record.short(),
            output.display()
        ));
    }
    Ok(Exit::Done)
}

/// How the file is read. A record does not say how its data was written, so that is said again.
fn file_format(arguments: &Arguments) -> Result<FileFormat, EngineError> {
    if let Some(format) = FileFormat::of_name(&arguments.file) {
        return if arguments.null_tokens.is_empty() {
            Ok(format)
        } else {
            Err(EngineError::usage(
                "--null is for CSV files: what is missing in other files is null there",
            ))
        };
    }
    let mut options = CsvOptions {
        delimiter: delimiter(&arguments.delimiter)?,
        ..CsvOptions::default()
    };
    if !arguments.null_tokens.is_empty() {
        options.null_tokens.clone_from(&arguments.null_tokens);
    }
    Ok(FileFormat::Csv(options))
}

/// Whether a file's name says that it is Parquet.
fn is_parquet(path: &Path) -> bool {
    let extension = path.extension();
    extension.is_some_and(|extension| extension.eq_ignore_ascii_case("parquet"))
}

/// The character between fields that an option gives.
pub fn delimiter(text: &str) -> Result<u8, EngineError> {
    match text.as_bytes() {
        b"\\t" => Ok(b'\t'),
        [byte] if byte.is_ascii() && !matches!(byte, b'"' | b'\r' | b'\n' | 0) => Ok(*byte),
        _ => Err(EngineError::usage(format!(
            "'{text}' cannot stand between fields: one ASCII character is wanted"
        ))),
    }
}

fn csv(table: &Table) -> Result<Vec<u8>, EngineError> {
    let mut bytes = Vec::new();
    write_csv(&mut bytes, table).map_err(|error| EngineError::Bug(error.to_string()))?;
    Ok(bytes)
}
