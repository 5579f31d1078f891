//! `reproof notebook convert`: a pipeline from a notebook.

use std::path::PathBuf;

use clap::Args;
use reproof_engine::{EngineError, convert_notebook, exists};
use reproof_record::StepName;
use serde_json::json;

use crate::arguments::Global;
use crate::exit::Exit;
use crate::printer::Printer;
use crate::session;

/// The options of the command.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The notebook.
    #[arg(value_name = "NOTEBOOK")]
    pub notebook: PathBuf,
    /// The name of the pipeline; otherwise that of the notebook's file.
    #[arg(long, value_name = "NAME")]
    pub name: Option<StepName>,
    /// Replace files that are there.
    #[arg(long)]
    pub force: bool,
}

/// Runs the command.
pub fn execute(
    arguments: &Arguments,
    global: &Global,
    printer: &Printer,
) -> Result<Exit, EngineError> {
    let project = session::project(global)?;
    let path = session::folder(global)?.join(&arguments.notebook);
    let stem = path.file_stem().and_then(|stem| stem.to_str());
    let name = match (&arguments.name, stem.map(str::parse::<StepName>)) {
        (Some(name), _) => name.clone(),
        (None, Some(Ok(name))) => name,
        (None, _) => {
            return Err(EngineError::Usage {
                message: "the notebook's name cannot be that of a pipeline".to_owned(),
                hint: Some("give another: --name NAME".to_owned()),
            });
        }
    };
    let converted = convert_notebook(&project, &path, name.as_str())?;
    let mut files = converted.modules;
    files.insert(format!("pipelines/{name}.yaml"), converted.pipeline);
    if !arguments.force {
        for file in files.keys() {
            if exists(project.io(), &project.root.join(file))? {
                return Err(EngineError::Usage {
                    message: format!("there is a file '{file}' already"),
                    hint: Some("choose another name (--name), or --force".to_owned()),
                });
            }
        }
    }
    for (file, text) in &files {
        let path = project.root.join(file);
        if let Some(folder) = path.parent() {
            project.io().create_dir_all(folder)?;
        }
        project.write_text(file, text)?;
    }
    let names: Vec<_> = files.keys().collect();
    if printer.json {
        printer.document(&json!({ "written": names, "undecided": converted.undecided }));
        return Ok(Exit::Done);
    }
    for name in names {
        printer.line(&format!("wrote {name}"));
    }
    for undecided in &converted.undecided {
        printer.line(&format!("to decide: {undecided}"));
    }
    printer.line(&format!("then: reproof run {name}"));
    Ok(Exit::Done)
}
