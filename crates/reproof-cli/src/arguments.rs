//! The command line: global options and the commands.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::commands;

/// Machine learning whose every result can be repeated, and proved to have been.
#[derive(Debug, Parser)]
#[command(name = "reproof", version, max_term_width = 100, after_help = EXIT_CODES)]
pub struct Arguments {
    /// Options that every command takes.
    #[command(flatten)]
    pub global: Global,
    /// The command.
    #[command(subcommand)]
    pub command: Command,
}

const EXIT_CODES: &str = "Exit codes: 0 done, 2 usage or configuration, 10 gate failed, 11 step \
failed, 12 diverged, 13 equivalent only (with --strict), 14 impossible, 20 environment, 30 integrity, 31 storage, 40 refused, 70 a bug \
of ours, 130 interrupted.";

/// Options that every command takes.
#[derive(Clone, Debug, Args)]
pub struct Global {
    /// Work in this folder.
    #[arg(short = 'C', long = "directory", value_name = "DIR", global = true)]
    pub directory: Option<PathBuf>,
    /// Print one JSON document instead of text.
    #[arg(long, global = true)]
    pub json: bool,
    /// Print only what was asked for, no progress and no notes.
    #[arg(short, long, global = true)]
    pub quiet: bool,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make a folder a project.
    Init(commands::init::Arguments),
    /// Write a first pipeline for a plain script: its data, parameters, outputs and environment.
    Import(commands::import::Arguments),
    /// Show the steps of a pipeline, without running them.
    Plan(commands::plan::Arguments),
    /// Run a pipeline and print its record's ID.
    Run(commands::run::Arguments),
    /// List executions, newest first.
    Log(commands::log::Arguments),
    /// Show a record, recipe, data version or execution.
    Show(commands::show::Arguments),
    /// Lay out the code of a record again, whatever git has become since.
    Checkout(commands::checkout::Arguments),
    /// Show what differs between records, then their metrics on the same rows.
    Compare(commands::compare::Arguments),
    /// Say why two results differ, or why a record does not verify.
    Why(commands::why::Arguments),
    /// Find the first commit, or version of data, at which a metric went beyond what is good.
    Bisect(commands::bisect::Arguments),
    /// Predict the rows of a file with the model of a record.
    Predict(commands::predict::Arguments),
    /// Give data a name and a history; look at versions, compare, restore and export them.
    Data(commands::data::Arguments),
    /// Look at the environments that programs run in, pin and compare them.
    Env(commands::env::Arguments),
    /// Check notebooks, and strip what running them leaves behind.
    Notebook(commands::notebook::Arguments),
    /// Name the places where records are shared.
    Remote(commands::remote::Arguments),
    /// Send records to a remote, with all that they need.
    Push(commands::push::Arguments),
    /// Fetch records from a remote, with all that they need.
    Pull(commands::pull::Arguments),
    /// Put a record with all that it needs into one file.
    Bundle(commands::bundle::Arguments),
    /// Run a record again from nothing and compare every output.
    Verify(commands::verify::Arguments),
    /// Look at git, lock file, disk and store for what would keep results from being repeated.
    Doctor(commands::doctor::Arguments),
    /// Look whether everything that is stored is there and right, and who needs what is not.
    Fsck(commands::fsck::Arguments),
    /// Fetch again from remotes what is damaged or missing, and store it in its place.
    Repair(commands::repair::Arguments),
    /// Delete what is stored and not needed: what no record, run, data version or lock file names.
    Gc(commands::gc::Arguments),
    /// Print the completions for a shell.
    Completions(commands::completions::Arguments),
    /// Write the manual pages.
    Man(commands::man::Arguments),
    /// Print the JSON Schema of a file that Reproof reads.
    Schema(commands::schema::Arguments),
    /// Print a generated page of the documentation.
    #[command(hide = true)]
    Docs(commands::docs::Arguments),
}
