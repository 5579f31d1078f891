//! The binary `reproof`: parses a command, calls the engine, prints.

mod arguments;
mod commands;
mod contributions;
mod exit;
mod format;
mod generated;
mod page;
mod printer;
mod progress;
mod seeds;
mod session;
mod summary;

use std::process::ExitCode;

use clap::Parser;
use clap::error::ErrorKind;

use crate::arguments::Arguments;
use crate::exit::Exit;
use crate::printer::Printer;

fn main() -> ExitCode {
    // The binary starts itself again to isolate a step: that comes before anything else.
    if reproof_sandbox::is_entry(std::env::args_os()) {
        return reproof_sandbox::enter();
    }
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return usage(&error),
    };
    let printer = Printer::new(&arguments.global);
    let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        commands::dispatch(&arguments, &printer)
    }));
    match result {
        Ok(Ok(exit)) => exit.into(),
        Ok(Err(error)) => {
            printer.error(&error);
            Exit::from(error.class()).into()
        }
        // The panic's own message has been printed by then.
        Err(_) => {
            printer.bug();
            Exit::Bug.into()
        }
    }
}

/// Help and version go to standard output and are no mistake; anything else is exit code 2.
fn usage(error: &clap::Error) -> ExitCode {
    // Where even this cannot be printed there is nobody to tell.
    let _ = error.print();
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => Exit::Done.into(),
        _ => Exit::Usage.into(),
    }
}
