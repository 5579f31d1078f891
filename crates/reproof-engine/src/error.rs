//! What can go wrong, and what kind of trouble it is.

use reproof_capture::CaptureError;
use reproof_catalog::CatalogError;
use reproof_config::Diagnostics;
use reproof_learn::LearnError;
use reproof_record::{CanonicalError, RecipeError};
use reproof_sandbox::{SandboxError, Unsupported};
use reproof_sql::Trouble;
use reproof_store::fs::IoError;
use reproof_store::{BundleError, RemoteError, StoreError};
use reproof_table::{CsvProblem, TableError};
use thiserror::Error;

/// The kind of trouble: it decides the exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// A bug of ours.
    Bug,
    /// Stored bytes are wrong.
    Integrity,
    /// The storage is full, read-only or cannot be reached.
    Storage,
    /// A program that is needed, such as git, does not work here.
    Environment,
    /// A step failed.
    Step,
    /// Something else came out.
    Diverged,
    /// A gate failed.
    Gate,
    /// Something that is needed is gone.
    Impossible,
    /// Refused by an option or by policy.
    Refused,
    /// A mistake in the command or in a file of the user's.
    Usage,
    /// Stopped from outside.
    Interrupted,
}

/// What is left to do on a machine that isolates nothing.
const WITHOUT_ISOLATION: &str = "use another machine, or run with '--isolation none': programs then \
     see this machine, and their records say so";

/// Why the engine could not do what it was asked to.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum EngineError {
    /// Mistakes in a file of the user's.
    #[error(transparent)]
    Configuration(#[from] Diagnostics),
    /// A mistake in what was asked for.
    #[error("{message}")]
    Usage {
        /// What is wrong.
        message: String,
        /// What to do.
        hint: Option<String>,
    },
    /// Refused by an option or by policy.
    #[error("{message}")]
    Refused {
        /// What is refused, and why.
        message: String,
        /// What to do.
        hint: Option<String>,
    },
    /// Something that is needed is gone.
    #[error("{0}")]
    Impossible(String),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A remote.
    #[error(transparent)]
    Remote(#[from] RemoteError),
    /// A bundle.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// The catalogue.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// The file system.
    #[error(transparent)]
    Io(#[from] IoError),
    /// The code could not be captured.
    #[error(transparent)]
    Capture(#[from] CaptureError),
    /// A data source cannot be read as a table.
    #[error("data '{name}': {error}")]
    Data {
        /// The source's name in the pipeline.
        name: String,
        /// Why.
        #[source]
        error: TableError,
    },
    /// A database gives no table.
    #[error("data '{name}': {trouble}")]
    Sql {
        /// The source's name in the pipeline.
        name: String,
        /// Why.
        trouble: Trouble,
        /// Whether it cannot be reached, or not any more.
        unreachable: bool,
    },
    /// What a server keeps cannot be had.
    #[error("{message}")]
    Unreachable {
        /// What happened.
        message: String,
        /// What to check.
        hint: String,
    },
    /// An environment could not be built, or a program not isolated.
    #[error("{0}")]
    Environment(String),
    /// A process could not be isolated.
    #[error(transparent)]
    Sandbox(SandboxError),
    /// This machine cannot isolate programs.
    #[error(transparent)]
    Unsupported(Unsupported),
    /// Stopped from outside.
    #[error("interrupted")]
    Interrupted,
    /// A stored document is not what its digest promises.
    #[error("{what} is damaged: {reason}")]
    Damaged {
        /// The document.
        what: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A bug of ours.
    #[error("this is a bug in reproof: {0}")]
    Bug(String),
}

impl EngineError {
    /// A mistake in what was asked for.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::Usage {
            message: message.into(),
            hint: None,
        }
    }

    /// The kind of trouble.
    pub fn class(&self) -> Class {
        match self {
            Self::Configuration(_) | Self::Usage { .. } => Class::Usage,
            Self::Refused { .. } => Class::Refused,
            Self::Impossible(_) => Class::Impossible,
            Self::Store(error) => store_class(error),
            Self::Remote(error) => error.class().map_or(Class::Interrupted, store_error_class),
            Self::Bundle(error) => error.class().map_or(Class::Interrupted, store_error_class),
            Self::Catalog(error) => store_error_class(error.class()),
            Self::Io(_) | Self::Unreachable { .. } | Self::Capture(CaptureError::Io(_)) => {
                Class::Storage
            }
            Self::Capture(_) | Self::Environment(_) | Self::Sandbox(_) | Self::Unsupported(_) => {
                Class::Environment
            }
            Self::Data {
                error: TableError::Store(StoreError::Io(error)),
                ..
            } if error.is_not_found() => Class::Usage,
            Self::Data { error, .. } => table_class(error).unwrap_or(Class::Usage),
            Self::Sql { unreachable, .. } => {
                if *unreachable {
                    Class::Storage
                } else {
                    Class::Usage
                }
            }
            Self::Interrupted => Class::Interrupted,
            Self::Damaged { .. } => Class::Integrity,
            Self::Bug(_) => Class::Bug,
        }
    }

    /// What to do about it, where that can be said.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Usage { hint, .. } | Self::Refused { hint, .. } => hint.clone(),
            Self::Sql { trouble, .. } if trouble.hint.is_some() => trouble.hint.clone(),
            Self::Sql { unreachable, .. } => {
                let again = || "nothing is half-written: run the same command again".to_owned();
                unreachable.then(again)
            }
            Self::Unreachable { hint, .. } => Some(hint.clone()),
            Self::Unsupported(_) => Some(WITHOUT_ISOLATION.to_owned()),
            Self::Remote(error) if error.hint().is_some() => error.hint(),
            Self::Data { error: TableError::Csv { problem: CsvProblem::Pinned { .. }, .. }, .. } => {
                Some(
                    "mend the value, or remove the file's line from reproof.lock to decide the \
                     types anew"
                        .to_owned(),
                )
            }
            Self::Data {
                error:
                    TableError::Csv {
                        problem: CsvProblem::Declared { .. },
                        ..
                    },
                ..
            } => Some("mend the value, or declare another type in the pipeline".to_owned()),
            Self::Store(StoreError::Damaged { .. } | StoreError::Missing { .. })
            | Self::Remote(RemoteError::Store(StoreError::Damaged { .. })) => Some(
                "'reproof fsck' lists all that is damaged or missing, 'reproof repair' fetches it \
                 again from a remote"
                    .to_owned(),
            ),
            _ => match self.class() {
                Class::Storage => Some("nothing is half-written: free space or give access, then run the same command again".to_owned()),
                Class::Bug => Some("please report it with the command that you ran".to_owned()),
                _ => None,
            },
        }
    }
}

impl From<SandboxError> for EngineError {
    fn from(error: SandboxError) -> Self {
        match explained(error) {
            Explained::Unsupported(lines) => Self::Unsupported(lines),
            Explained::Other(error) => Self::Sandbox(error),
        }
    }
}

impl From<SandboxError> for OperationError {
    fn from(error: SandboxError) -> Self {
        match explained(error) {
            Explained::Unsupported(lines) => Self::Unsupported(lines),
            Explained::Other(error) => Self::Sandbox(error),
        }
    }
}

impl From<CanonicalError> for EngineError {
    fn from(error: CanonicalError) -> Self {
        Self::Bug(error.to_string())
    }
}

impl From<RecipeError> for EngineError {
    fn from(error: RecipeError) -> Self {
        match error {
            RecipeError::Canonical(error) => error.into(),
            other => Self::usage(other.to_string()),
        }
    }
}

/// Why a step could not produce its outputs.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum OperationError {
    /// A table.
    #[error(transparent)]
    Table(#[from] TableError),
    /// Training or evaluation.
    #[error(transparent)]
    Learn(#[from] LearnError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The catalogue.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// Parameters or inputs that the operation does not understand.
    #[error("{0}")]
    Contract(String),
    /// A program did not do what it should.
    #[error("{message}")]
    Failed {
        /// What happened.
        message: String,
        /// The end of what it wrote to its standard output and error.
        log: String,
        /// What may help.
        hint: Option<String>,
    },
    /// A program could not be isolated or started.
    #[error(transparent)]
    Sandbox(SandboxError),
    /// This machine cannot isolate programs.
    #[error(transparent)]
    Unsupported(Unsupported),
    /// The file system.
    #[error(transparent)]
    Io(#[from] IoError),
    /// An operation, or a version of one, that this version of Reproof does not have.
    #[error("operation '{0}' is not part of this version of reproof")]
    Unknown(String),
    /// A document that could not be written.
    #[error(transparent)]
    Canonical(#[from] CanonicalError),
    /// The operation panicked.
    #[error("this is a bug in reproof: {0}")]
    Panic(String),
}

impl OperationError {
    /// A program did not do what it should.
    pub(crate) fn failed(message: impl Into<String>) -> Self {
        Self::Failed {
            message: message.into(),
            log: String::new(),
            hint: None,
        }
    }

    /// What may help.
    pub fn hint(&self) -> Option<&str> {
        match self {
            Self::Failed { hint, .. } => hint.as_deref(),
            Self::Unsupported(_) => Some(WITHOUT_ISOLATION),
            _ => None,
        }
    }

    /// The end of what the program wrote.
    pub fn log(&self) -> &str {
        match self {
            Self::Failed { log, .. } => log,
            _ => "",
        }
    }

    /// The kind of trouble.
    pub fn class(&self) -> Class {
        match self {
            Self::Table(error) => table_class(error).unwrap_or(Class::Step),
            Self::Store(error) => store_class(error),
            Self::Catalog(error) => store_error_class(error.class()),
            Self::Learn(_)
            | Self::Contract(_)
            | Self::Failed { .. }
            | Self::Sandbox(SandboxError::Program { .. }) => Class::Step,
            Self::Sandbox(_) | Self::Unsupported(_) => Class::Environment,
            Self::Io(_) => Class::Storage,
            Self::Unknown(_) => Class::Impossible,
            Self::Canonical(_) | Self::Panic(_) => Class::Bug,
        }
    }
}

/// What a sandbox that could not be made comes to: where the machine allows none, that is said, and
/// what to do.
pub(crate) fn explained(error: SandboxError) -> Explained {
    match (&error, reproof_sandbox::support()) {
        (SandboxError::Setup(_), Err(unsupported)) => Explained::Unsupported(unsupported),
        _ => Explained::Other(error),
    }
}

/// See [`explained`].
pub(crate) enum Explained {
    /// The machine allows no sandbox.
    Unsupported(Unsupported),
    /// Another reason.
    Other(SandboxError),
}

fn store_class(error: &StoreError) -> Class {
    store_error_class(error.class())
}

fn store_error_class(class: reproof_store::ErrorClass) -> Class {
    match class {
        reproof_store::ErrorClass::Integrity => Class::Integrity,
        reproof_store::ErrorClass::Storage => Class::Storage,
        reproof_store::ErrorClass::Bug => Class::Bug,
        _ => Class::Usage,
    }
}

fn table_class(error: &TableError) -> Option<Class> {
    match error {
        TableError::Store(error) => Some(store_class(error)),
        _ => None,
    }
}
