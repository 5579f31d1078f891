//! `reproof notebook`: checks notebooks, strips what a run leaves in them, and has git strip them.

mod check;
mod convert;
mod executed;
mod install;
mod strip;

use clap::{Args, Subcommand};
use reproof_engine::EngineError;

use crate::arguments::Global;
use crate::exit::Exit;
use crate::printer::Printer;

/// The options of the command.
#[derive(Debug, Args)]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub action: Action,
}

/// What can be done with notebooks.
#[derive(Debug, Subcommand)]
pub enum Action {
    /// Look for what keeps notebooks from running from top to bottom or from giving the same results.
    Check(check::Arguments),
    /// Take outputs, execution counts and metadata of runs out of notebooks.
    Strip(strip::Arguments),
    /// Propose a pipeline: a module for each stage of a notebook, and the file that runs them.
    Convert(convert::Arguments),
    /// Print the executed copy of a notebook that a step ran.
    Executed(executed::Arguments),
    /// Have git see the notebooks of this repository without their outputs.
    Install(install::Arguments),
}

/// Runs the command.
pub fn execute(
    arguments: &Arguments,
    global: &Global,
    printer: &Printer,
) -> Result<Exit, EngineError> {
    match &arguments.action {
        Action::Check(arguments) => check::execute(arguments, global, printer),
        Action::Strip(arguments) => strip::execute(arguments, global, printer),
        Action::Convert(arguments) => convert::execute(arguments, global, printer),
        Action::Executed(arguments) => executed::execute(arguments, global, printer),
        Action::Install(arguments) => install::execute(arguments, global, printer),
    }
}
