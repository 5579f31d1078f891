//! `reproof init`: makes a folder a project, with a first pipeline if it is told the data.

use std::path::Path;

use clap::Args;
use reproof_config::{Task, starter_pipeline_for};
use reproof_engine::{
    EngineError, LOCK_FILE, PROJECT_FILE, STATE_FOLDER, exists, read_text, write_schema,
};
use reproof_record::Schema;
use reproof_store::fs::{Io, write_atomic};
use reproof_table::{CsvOptions, TableError, csv_schema, csv_values};
use serde_json::json;

use crate::arguments::Global;
use crate::exit::Exit;
use crate::printer::Printer;
use crate::session;

/// The options of the command.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Write a first pipeline that reads this CSV file, a path inside the project.
    #[arg(long, value_name = "FILE")]
    pub data: Option<String>,
    /// The column that the model is to predict.
    #[arg(long, value_name = "COLUMN", requires = "data")]
    pub label: Option<String>,
    /// The name of the first pipeline. Without it, that of the data file.
    #[arg(long, value_name = "NAME", requires = "data")]
    pub name: Option<String>,
}

/// The project file of a new project.
pub(super) const PROJECT_TEXT: &str = "\
# A Reproof project. Everything here is optional.

# [store]
# location = \"user\"        # share one store among all your projects; \"project\" keeps it here

# [policy]
# require_clean = true      # refuse to run while files differ from the git commit
# locked = true             # refuse data that is not the version which reproof.lock pins
";

/// Runs the command.
pub fn execute(
    arguments: &Arguments,
    global: &Global,
    printer: &Printer,
) -> Result<Exit, EngineError> {
    let services = session::services();
    let io = services.io.as_ref();
    let root = session::folder(global)?;
    // Everything that can be wrong is looked at before the first file is written.
    let pipeline = arguments
        .data
        .as_ref()
        .map(|data| first_pipeline(io, &root, data, arguments));
    let pipeline = pipeline.transpose()?;
    let mut written = set_up(io, &root, PROJECT_TEXT)?;
    if let Some((path, text)) = pipeline {
        io.create_dir_all(&root.join("pipelines"))?;
        write_atomic(io, &root.join(&path), text.as_bytes())?;
        written.push(path);
    }
    if printer.json {
        printer.document(&json!({ "written": written }));
        return Ok(Exit::Done);
    }
    for path in &written {
        printer.line(&format!("wrote {path}"));
    }
    if written.is_empty() {
        printer.line("already a project: nothing to do");
    }
    printer.note(match arguments.data {
        Some(_) => "'reproof plan' shows its steps, 'reproof run' runs it",
        None => "'reproof init --data FILE.csv --label COLUMN' writes a first pipeline",
    });
    Ok(Exit::Done)
}

/// Makes a folder a project, with this project file if there is none. Gives the files that were written.
pub(super) fn set_up(io: &dyn Io, root: &Path, text: &str) -> Result<Vec<String>, EngineError> {
    let mut written = Vec::new();
    io.create_dir_all(&root.join(STATE_FOLDER))?;
    write_schema(io, root)?;
    if !exists(io, &root.join(PROJECT_FILE))? {
        write_atomic(io, &root.join(PROJECT_FILE), text.as_bytes())?;
        written.push(PROJECT_FILE.to_owned());
    }
    if ignore_state(io, root)? {
        written.push(".gitignore".to_owned());
    }
    Ok(written)
}

/// The path and text of the first pipeline.
fn first_pipeline(
    io: &dyn Io,
    root: &Path,
    data: &str,
    arguments: &Arguments,
) -> Result<(String, String), EngineError> {
    let stem = Path::new(data)
        .file_stem()
        .and_then(|stem| stem.to_str())
        .unwrap_or("pipeline");
    let name = arguments.name.as_deref().unwrap_or(stem);
    let path = format!("pipelines/{name}.yaml");
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if name.is_empty() || !name.chars().all(plain) {
        return Err(EngineError::Usage {
            message: format!("'{name}' cannot be a pipeline's name: letters, digits, '_' and '-'"),
            hint: Some("give one with --name".to_owned()),
        });
    }
    if exists(io, &root.join(&path))? {
        return Err(EngineError::Usage {
            message: format!("{path} is there already"),
            hint: Some("give the new one another --name".to_owned()),
        });
    }
    let schema = csv_schema(io, &root.join(data), &CsvOptions::default()).map_err(|error| {
        EngineError::Data {
            name: data.to_owned(),
            error,
        }
    })?;
    let Some(label) = &arguments.label else {
        return Err(EngineError::Usage {
            message: "which column is the model to predict?".to_owned(),
            hint: Some(format!("--label COLUMN; the file has {}", columns(&schema))),
        });
    };
    if schema.column(label).is_none() {
        return Err(EngineError::Usage {
            message: format!("{data} has no column '{label}'"),
            hint: Some(format!("it has {}", columns(&schema))),
        });
    }
    let task = task(io, &root.join(data), &schema, label).map_err(|error| EngineError::Data {
        name: data.to_owned(),
        error,
    })?;
    Ok((path, starter_pipeline_for(task, name, data, &schema, label)))
}

/// A number is predicted by a regression, unless it takes two values only: those are classes.
fn task(io: &dyn Io, path: &Path, schema: &Schema, label: &str) -> Result<Task, TableError> {
    let numeric = schema
        .column(label)
        .is_some_and(|column| column.logical_type.is_numeric());
    let two = || csv_values(io, path, &CsvOptions::default(), label, 2);
    Ok(if numeric && two()?.is_none() {
        Task::Regression
    } else {
        Task::Classification
    })
}

fn columns(schema: &Schema) -> String {
    let names: Vec<_> = schema
        .columns()
        .iter()
        .map(|column| column.name.as_str())
        .collect();
    names.join(", ")
}

/// Adds the state folder to `.gitignore`. Says whether that was needed.
fn ignore_state(io: &dyn Io, root: &Path) -> Result<bool, EngineError> {
    let path = root.join(".gitignore");
    let line = format!("/{STATE_FOLDER}/");
    let mut text = if exists(io, &path)? {
        read_text(io, &path)?
    } else {
        String::new()
    };
    let known = [line.as_str(), ".reproof", ".reproof/", "/.reproof"];
    if text.lines().any(|found| known.contains(&found.trim())) {
        return Ok(false);
    }
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    text += &format!("# What Reproof keeps here; {LOCK_FILE} is to be committed.\n{line}\n");
    write_atomic(io, &path, text.as_bytes())?;
    Ok(true)
}
