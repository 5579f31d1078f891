//! `reproof import`: a first pipeline for a plain script.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::Args;
use reproof_engine::{
    EngineError, Imported, PROJECT_FILE, Project, ScriptNote, exists, import_script,
};
use reproof_record::StepName;
use reproof_store::fs::{Io, write_atomic};
use serde_json::{Value, json};

use super::init::{PROJECT_TEXT, set_up};
use crate::arguments::Global;
use crate::exit::Exit;
use crate::printer::Printer;
use crate::session;

/// The options of the command.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The script.
    #[arg(value_name = "SCRIPT")]
    pub script: PathBuf,
    /// The name of the pipeline; otherwise that of the script's file.
    #[arg(long, value_name = "NAME")]
    pub name: Option<StepName>,
    /// Print what would be written, and write nothing.
    #[arg(long)]
    pub dry_run: bool,
}

/// What the project file of a new project says of environments.
const ENVIRONMENT: &str = "\n[environments.default]\nrequirements = \"requirements.txt\"\n";
/// What is asked for, where it is written by hand.
const REQUIREMENTS: &str = "requirements.in";

/// Runs the command.
pub fn execute(
    arguments: &Arguments,
    global: &Global,
    printer: &Printer,
) -> Result<Exit, EngineError> {
    let services = session::services();
    let io = services.io.as_ref();
    let here = session::folder(global)?;
    let root = Project::find(io, &here).unwrap_or_else(|_| here.clone());
    let script = here.join(&arguments.script);
    let name = name(arguments)?;
    let program = format!("steps/{name}.py");
    let imported = import_script(io, &root, &script, &name, &program)?;
    let pipeline = format!("pipelines/{name}.yaml");
    let mut files = BTreeMap::from([
        (program, imported.program.clone()),
        (pipeline, imported.pipeline.clone()),
    ]);
    for file in files.keys() {
        if exists(io, &root.join(file))? {
            return Err(EngineError::Usage {
                message: format!("there is a file '{file}' already, and none is overwritten"),
                hint: Some("choose another name: --name NAME".to_owned()),
            });
        }
    }
    let mut kept = Vec::new();
    let project_text = around(io, &root, &imported, &mut files, &mut kept)?;
    let written = if arguments.dry_run {
        if !exists(io, &root.join(PROJECT_FILE))? {
            files.insert(PROJECT_FILE.to_owned(), project_text);
        }
        Vec::new()
    } else {
        write(io, &root, &project_text, &files)?
    };
    if printer.json {
        let shown = arguments.dry_run.then_some(&files);
        printer.document(&document(&name, &imported, &written, &kept, shown));
        return Ok(Exit::Done);
    }
    if arguments.dry_run {
        for (file, text) in &files {
            printer.line(&format!("--- {file}\n{}", text.trim_end()));
        }
        return Ok(Exit::Done);
    }
    report(&imported, &written, &kept, printer);
    let lock =
        exists(io, &root.join("requirements.txt"))? || exists(io, &root.join("pyproject.toml"))?;
    let first = if lock { "" } else { "reproof env lock, and " };
    printer.line(&format!("then: {first}reproof run {name}"));
    Ok(Exit::Done)
}

/// Makes the folder a project and writes the files. Gives the files that were written.
fn write(
    io: &dyn Io,
    root: &Path,
    project_text: &str,
    files: &BTreeMap<String, String>,
) -> Result<Vec<String>, EngineError> {
    let mut written = set_up(io, root, project_text)?;
    for (file, text) in files {
        let path = root.join(file);
        if let Some(folder) = path.parent() {
            io.create_dir_all(folder)?;
        }
        write_atomic(io, &path, text.as_bytes())?;
        written.push(file.clone());
    }
    Ok(written)
}

/// All that was found, as one document.
fn document(
    name: &StepName,
    imported: &Imported,
    written: &[String],
    kept: &[String],
    files: Option<&BTreeMap<String, String>>,
) -> Value {
    let said = |note: &ScriptNote| {
        let mut said = json!({ "line": note.at.line, "text": note.text });
        if let Some(file) = &note.at.file {
            said["file"] = json!(file);
        }
        said
    };
    let check = imported.check.iter().map(said);
    let seeds = imported.seeds.iter().map(said);
    let parameters = imported.parameters.iter();
    let parameters: BTreeMap<_, Value> = parameters
        .map(|(name, value)| (name, plain(value)))
        .collect();
    json!({
        "pipeline": name.as_str(),
        "written": written,
        "kept": kept,
        "files": files,
        "data": imported.data,
        "outputs": imported.outputs,
        "parameters": parameters,
        "seeds": seeds.collect::<Vec<_>>(),
        "check": check.collect::<Vec<_>>(),
    })
}

/// A value of the pipeline file; a text may stand there without quotes.
fn plain(value: &str) -> Value {
    serde_json::from_str(value).unwrap_or_else(|_| Value::from(value))
}

/// The project file, and the requirements where nothing says them yet.
fn around(
    io: &dyn Io,
    root: &Path,
    imported: &Imported,
    files: &mut BTreeMap<String, String>,
    kept: &mut Vec<String>,
) -> Result<String, EngineError> {
    let mut known = Vec::new();
    for file in [REQUIREMENTS, "requirements.txt", "pyproject.toml"] {
        if exists(io, &root.join(file))? {
            known.push(file.to_owned());
        }
    }
    let by_project = known.iter().all(|file| file == "pyproject.toml") && !known.is_empty();
    if known.is_empty() {
        files.insert(REQUIREMENTS.to_owned(), imported.requirements.clone());
    }
    kept.extend(known);
    if exists(io, &root.join(PROJECT_FILE))? {
        kept.push(PROJECT_FILE.to_owned());
    }
    let environment = if by_project { "" } else { ENVIRONMENT };
    Ok(format!("{PROJECT_TEXT}{environment}"))
}

/// The name of the pipeline: that of the file, as far as it may be one.
fn name(arguments: &Arguments) -> Result<StepName, EngineError> {
    if let Some(name) = &arguments.name {
        return Ok(name.clone());
    }
    let stem = arguments.script.file_stem().and_then(|stem| stem.to_str());
    let fits = |c: char| match c.to_ascii_lowercase() {
        c if c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' => c,
        _ => '_',
    };
    let name: String = stem.unwrap_or_default().chars().map(fits).collect();
    name.parse().map_err(|_| EngineError::Usage {
        message: "the script's name cannot be that of a pipeline".to_owned(),
        hint: Some("give another: --name NAME".to_owned()),
    })
}

fn report(imported: &Imported, written: &[String], kept: &[String], printer: &Printer) {
    for file in written {
        printer.line(&format!("wrote {file}"));
    }
    for file in kept {
        printer.line(&format!("left {file} as it is"));
    }
    for (name, path) in &imported.data {
        printer.line(&format!("data {name}: {path}"));
    }
    for (name, path) in &imported.outputs {
        let path = path.as_deref().unwrap_or("what it prints");
        printer.line(&format!("output {name}: {path}"));
    }
    for (name, value) in &imported.parameters {
        printer.line(&format!("parameter {name}: {value}"));
    }
    for seed in &imported.seeds {
        printer.line(&format!("seed, {}: {}", seed.at, seed.text));
    }
    for note in &imported.check {
        printer.line(&match note.at.line {
            0 => format!("check: {}", note.text),
            _ => format!("check: {}: {}", note.at, note.text),
        });
    }
}
