//! `reproof notebook strip`: files in place, or standard input to standard output.

use std::io::Read;
use std::path::{Path, PathBuf};

use clap::Args;
use reproof_engine::{EngineError, Keep, MAX_NOTEBOOK, NotebookError, strip_notebook};
use reproof_store::fs::{Io, write_atomic};
use serde_json::json;

use crate::arguments::Global;
use crate::exit::Exit;
use crate::printer::Printer;
use crate::session;

/// The options of the command.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Notebooks to strip in place; without any, standard input is stripped to standard output.
    #[arg(value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Keep the outputs of cells with this tag, beside 'keep' and 'keep_output'; may be given several
    /// times.
    #[arg(long, value_name = "TAG")]
    pub keep: Vec<String>,
    /// Keep metadata of this name; may be given several times.
    #[arg(long, value_name = "NAME")]
    pub keep_metadata: Vec<String>,
    /// Write nothing, and end with exit code 10 if something would be stripped.
    #[arg(long, requires = "files")]
    pub check: bool,
}

/// Runs the command.
pub fn execute(
    arguments: &Arguments,
    global: &Global,
    printer: &Printer,
) -> Result<Exit, EngineError> {
    let keep = Keep {
        tags: arguments.keep.iter().cloned().collect(),
        metadata: arguments.keep_metadata.iter().cloned().collect(),
    };
    if arguments.files.is_empty() {
        return filter(&keep, printer);
    }
    let folder = session::folder(global)?;
    let services = session::services();
    let io = services.io.as_ref();
    // All are read before any is written.
    let stripped: Result<Vec<_>, EngineError> = arguments
        .files
        .iter()
        .map(|file| Ok((file, strip_file(io, &folder.join(file), file, &keep)?)))
        .collect();
    let mut changed = Vec::new();
    for (file, (path, bytes)) in stripped? {
        let Some(bytes) = bytes else { continue };
        if !arguments.check {
            write_atomic(io, &path, &bytes)?;
        }
        changed.push(file.display().to_string());
    }
    if printer.json {
        printer.document(&json!({ "stripped": changed, "written": !arguments.check }));
    } else {
        let verb = if arguments.check {
            "would be stripped"
        } else {
            "stripped"
        };
        for file in &changed {
            printer.line(&format!("{file}  {verb}"));
        }
    }
    Ok(if arguments.check && !changed.is_empty() {
        Exit::Gate
    } else {
        Exit::Done
    })
}

/// Where a file lies, links followed, and its bytes if they are others when stripped.
fn strip_file(
    io: &dyn Io,
    path: &Path,
    shown: &Path,
    keep: &Keep,
) -> Result<(PathBuf, Option<Vec<u8>>), EngineError> {
    let path = io.canonicalize(path)?;
    let bytes = io.read(&path, MAX_NOTEBOOK)?;
    let stripped = strip_notebook(&bytes, keep);
    let stripped = stripped.map_err(|error| refused(&shown.display().to_string(), &error))?;
    Ok((path, (stripped != bytes).then_some(stripped)))
}

/// As git's filter: an empty file, as of a notebook that is just made, stays empty.
fn filter(keep: &Keep, printer: &Printer) -> Result<Exit, EngineError> {
    let mut bytes = Vec::new();
    let read = std::io::stdin()
        .lock()
        .take(MAX_NOTEBOOK + 1)
        .read_to_end(&mut bytes);
    read.map_err(|error| EngineError::usage(format!("standard input cannot be read: {error}")))?;
    if bytes.len() as u64 > MAX_NOTEBOOK {
        return Err(EngineError::usage(format!(
            "the notebook has more than {} MiB",
            MAX_NOTEBOOK >> 20
        )));
    }
    if bytes.iter().all(u8::is_ascii_whitespace) {
        printer.text(&String::from_utf8_lossy(&bytes));
        return Ok(Exit::Done);
    }
    let stripped =
        strip_notebook(&bytes, keep).map_err(|error| refused("standard input", &error))?;
    printer.text(&String::from_utf8_lossy(&stripped));
    Ok(Exit::Done)
}

fn refused(shown: &str, error: &NotebookError) -> EngineError {
    EngineError::Usage {
        message: format!("{shown}: {error}"),
        hint: error.hint().map(str::to_owned),
    }
}
