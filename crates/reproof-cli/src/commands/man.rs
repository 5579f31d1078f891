//! `reproof man`: writes the manual pages.

use std::path::PathBuf;

use clap::{Args, Command, CommandFactory};
use clap_mangen::Man;
use reproof_engine::EngineError;
use reproof_store::fs::write_atomic;

use crate::arguments::{Arguments as Root, Global};
use crate::exit::Exit;
use crate::printer::Printer;
use crate::session;

/// The options of the command.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Where the pages go, such as ~/.local/share/man/man1. The folder is made if it is missing.
    #[arg(value_name = "DIR")]
    pub folder: PathBuf,
}

/// Runs the command.
pub fn execute(
    arguments: &Arguments,
    global: &Global,
    printer: &Printer,
) -> Result<Exit, EngineError> {
    let io = session::services().io;
    let folder = session::folder(global)?.join(&arguments.folder);
    io.create_dir_all(&folder)?;
    let mut root = Root::command();
    root.build();
    let pages = root
        .get_subcommands()
        .filter(|command| !command.is_hide_set() && command.get_name() != "help")
        .map(|command| {
            let name = format!("reproof-{}", command.get_name());
            (name.clone(), command.clone().name(name))
        });
    for (name, command) in std::iter::once(("reproof".to_owned(), root.clone())).chain(pages) {
        let path = folder.join(format!("{name}.1"));
        write_atomic(io.as_ref(), &path, &page(command)?)?;
        printer.line(&format!("wrote {}", path.display()));
    }
    Ok(Exit::Done)
}

fn page(command: Command) -> Result<Vec<u8>, EngineError> {
    let mut page = Vec::new();
    let written = Man::new(command).render(&mut page);
    written.map_err(|error| EngineError::Bug(error.to_string()))?;
    Ok(page)
}
