//! `reproof docs`: prints a generated page of the documentation.

use clap::{Args, ValueEnum};

use crate::exit::Exit;
use crate::generated;
use crate::printer::Printer;

/// A generated page.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Page {
    /// The reference of the command line.
    Cli,
    /// The reference of the pipeline file.
    Pipeline,
}

/// The options of the command.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Which page.
    #[arg(value_name = "PAGE")]
    pub page: Page,
}

/// Runs the command.
pub fn execute(arguments: &Arguments, printer: &Printer) -> Exit {
    printer.text(&match arguments.page {
        Page::Cli => generated::cli_reference(),
        Page::Pipeline => reproof_config::reference_markdown(),
    });
    Exit::Done
}
