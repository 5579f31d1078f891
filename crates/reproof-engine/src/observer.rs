//! What the engine tells while it works. Whoever talks to a person listens.

use std::collections::BTreeMap;

use reproof_capture::environment::{ClosureDescription, Stage};
use reproof_catalog::StepOutput;
use reproof_record::{CodeState, DataUse, Digest, Operation, StepExecution, StepName};

/// How a data source compares with the version that the lock file pins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DataChange {
    /// The pinned version.
    Unchanged,
    /// The lock file did not name the source.
    New,
    /// Another version than the pinned one.
    Changed {
        /// The rows of the pinned version.
        rows_before: u64,
        /// Columns that are new.
        added: Vec<String>,
        /// Columns that are gone.
        removed: Vec<String>,
    },
}

/// Something that happened.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// The code was captured.
    Code(&'a CodeState),
    /// A data source is being read.
    DataStarted {
        /// Its name in the pipeline.
        name: &'a StepName,
        /// Where it lies.
        source: &'a str,
    },
    /// A data source has a version.
    Data {
        /// Its name in the pipeline.
        name: &'a StepName,
        /// What was read.
        used: &'a DataUse,
        /// How it compares with the lock file.
        change: &'a DataChange,
        /// Whether the file was read again.
        read: bool,
    },
    /// An environment is being built.
    EnvironmentStarted {
        /// Its name in `reproof.toml`.
        name: &'a StepName,
    },
    /// What the building of an environment is at.
    EnvironmentStage(Stage),
    /// An environment was built.
    Environment {
        /// Its name in `reproof.toml`.
        name: &'a StepName,
        /// The digest of its closure.
        closure: &'a Digest,
        /// What is in it.
        description: &'a ClosureDescription,
    },
    /// A step begins.
    StepStarted {
        /// Its name.
        name: &'a StepName,
        /// What it does.
        operation: &'a Operation,
    },
    /// The program of a step wrote something to its standard output or error.
    Output {
        /// The step's name.
        name: &'a StepName,
        /// What it wrote, with secrets masked.
        bytes: &'a [u8],
    },
    /// A step has ended, or was not needed.
    StepFinished {
        /// Its name.
        name: &'a StepName,
        /// What became of it.
        step: &'a StepExecution,
        /// Its outputs, if it has them.
        outputs: Option<&'a BTreeMap<StepName, StepOutput>>,
    },
    /// Something is sent to a remote or fetched from it. Called from several threads at once.
    Moved {
        /// What is done, such as `pulling`.
        text: &'static str,
        /// How many bytes were moved.
        done: u64,
        /// How many there are to move, as far as is known.
        total: u64,
    },
    /// Something a person should know, and that is no error.
    Note(&'a str),
}

/// Listens to what happens. Called from several threads.
pub trait Observer: Send + Sync {
    /// Something happened.
    fn event(&self, event: &Event<'_>);
}

/// Listens to nothing.
#[derive(Debug, Default)]
pub struct Silent;

impl Observer for Silent {
    fn event(&self, _event: &Event<'_>) {}
}
