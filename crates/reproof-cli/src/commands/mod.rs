//! One file per command: it parses its options, calls the engine, prints.

pub mod bisect;
pub mod bundle;
pub mod checkout;
pub mod compare;
pub mod completions;
pub mod data;
pub mod docs;
pub mod doctor;
pub mod env;
pub mod fsck;
pub mod gc;
pub mod import;
pub mod init;
pub mod log;
pub mod man;
pub mod notebook;
pub mod plan;
pub mod predict;
pub mod pull;
pub mod push;
pub mod remote;
pub mod repair;
pub mod run;
pub mod schema;
pub mod show;
pub mod verify;
pub mod why;

use reproof_engine::EngineError;

use crate::arguments::{Arguments, Command};
use crate::exit::Exit;
use crate::printer::Printer;

/// Carries out the command that was given.
pub fn dispatch(arguments: &Arguments, printer: &Printer) -> Result<Exit, EngineError> {
    let global = &arguments.global;
    match &arguments.command {
        Command::Init(arguments) => init::execute(arguments, global, printer),
        Command::Import(arguments) => import::execute(arguments, global, printer),
        Command::Plan(arguments) => plan::execute(arguments, global, printer),
        Command::Run(arguments) => run::execute(arguments, global, printer),
        Command::Log(arguments) => log::execute(arguments, global, printer),
        Command::Show(arguments) => show::execute(arguments, global, printer),
        Command::Checkout(arguments) => checkout::execute(arguments, global, printer),
        Command::Compare(arguments) => compare::execute(arguments, global, printer),
        Command::Why(arguments) => why::execute(arguments, global, printer),
        Command::Bisect(arguments) => bisect::execute(arguments, global, printer),
        Command::Predict(arguments) => predict::execute(arguments, global, printer),
        Command::Data(arguments) => data::execute(arguments, global, printer),
        Command::Verify(arguments) => verify::execute(arguments, global, printer),
        Command::Remote(arguments) => remote::execute(arguments, global, printer),
        Command::Push(arguments) => push::execute(arguments, global, printer),
        Command::Pull(arguments) => pull::execute(arguments, global, printer),
        Command::Bundle(arguments) => bundle::execute(arguments, global, printer),
        Command::Notebook(arguments) => notebook::execute(arguments, global, printer),
        Command::Env(arguments) => env::execute(arguments, global, printer),
        Command::Doctor(arguments) => doctor::execute(arguments, global, printer),
        Command::Fsck(arguments) => fsck::execute(arguments, global, printer),
        Command::Repair(arguments) => repair::execute(arguments, global, printer),
        Command::Gc(arguments) => gc::execute(arguments, global, printer),
        Command::Completions(arguments) => Ok(completions::execute(arguments, printer)),
        Command::Man(arguments) => man::execute(arguments, global, printer),
        Command::Schema(arguments) => Ok(schema::execute(arguments, printer)),
        Command::Docs(arguments) => Ok(docs::execute(arguments, printer)),
    }
}
