//! `reproof completions`: prints the completions for a shell.

use clap::{Args, CommandFactory};
use clap_complete::{Shell, generate};

use crate::arguments::Arguments as Root;
use crate::exit::Exit;
use crate::printer::Printer;

/// The options of the command.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The shell. For bash: reproof completions bash > ~/.local/share/bash-completion/completions/reproof
    #[arg(value_name = "SHELL")]
    pub shell: Shell,
}

/// Runs the command.
pub fn execute(arguments: &Arguments, printer: &Printer) -> Exit {
    let mut script = Vec::new();
    generate(
        arguments.shell,
        &mut Root::command(),
        "reproof",
        &mut script,
    );
    printer.text(&String::from_utf8_lossy(&script));
    Exit::Done
}
