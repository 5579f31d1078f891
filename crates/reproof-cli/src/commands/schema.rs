//! `reproof schema`: prints the JSON Schema of a file that Reproof reads.

use clap::{Args, ValueEnum};

use crate::exit::Exit;
use crate::printer::Printer;

/// A file that Reproof reads.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum File {
    /// A pipeline file, pipelines/NAME.yaml.
    Pipeline,
    /// The project file, reproof.toml.
    Project,
}

/// The options of the command.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Which file.
    #[arg(value_name = "FILE", default_value = "pipeline")]
    pub file: File,
}

/// Runs the command.
pub fn execute(arguments: &Arguments, printer: &Printer) -> Exit {
    printer.document(&match arguments.file {
        File::Pipeline => reproof_config::pipeline_json_schema(),
        File::Project => reproof_config::project_json_schema(),
    });
    Exit::Done
}
