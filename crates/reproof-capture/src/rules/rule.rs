//! The rules by name: what each is about, how grave it is, and why.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// How grave a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// It repeats in Reproof, because the profile, the recipe or the store holds it fast; elsewhere
    /// it may not.
    Warning,
    /// It does not repeat, or does not run.
    Error,
}

impl Severity {
    /// Its name, as it is printed.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// What a rule looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    /// Any Python: a module, or the cells of a notebook.
    Code,
    /// Notebooks alone.
    Notebook,
    /// What a pipeline says of its steps, and git of their files.
    Pipeline,
}

macro_rules! rules {
    ($($(#[doc = $doc:literal])* $variant:ident = $name:literal, $subject:ident, $severity:ident, $why:literal;)*) => {
        /// A rule; each has a section in `docs/src/doctor.md`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Rule {
            $($(#[doc = $doc])* $variant,)*
        }

        impl Rule {
            /// All of them, by name.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// Its name.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// What it looks at.
            pub const fn subject(self) -> Subject {
                match self { $(Self::$variant => Subject::$subject,)* }
            }

            /// How grave what it finds is, unless the finding knows better.
            pub const fn severity(self) -> Severity {
                match self { $(Self::$variant => Severity::$severity,)* }
            }

            /// Why what it finds keeps results from being repeated.
            pub const fn why(self) -> &'static str {
                match self { $(Self::$variant => $why,)* }
            }
        }
    };
}

rules! {
    /// A path that no isolated step sees.
    AbsolutePath = "absolute-path", Code, Error, "the path is there on one machine only";
    /// The time in the head of an archive.
    ArchiveTime = "archive-time", Code, Error, "the time in its head is another one in each run";
    /// What the clock says.
    Clock = "clock", Code, Error, "the time is another one in each run";
    /// Results in the order in which they are ready.
    CompletionOrder = "completion-order", Code, Error, "they come in another order each time";
    /// Something is downloaded by a cell.
    Download = "download", Notebook, Error,
        "what comes depends on the day and on a server; a step has no network";
    /// An import or path that cannot be followed, so that the closure may lack a file.
    DynamicImport = "dynamic-import", Pipeline, Warning, "what it needs may be missing in the step";
    /// Bits from the system that are others each time.
    Entropy = "entropy", Code, Error, "the system draws other bits in each run";
    /// An output of a cell is an error.
    ErrorOutput = "error-output", Notebook, Warning, "a run from top to bottom stops here";
    /// Runs are missing: cells were run again, changed or deleted.
    ExecutionGap = "execution-gap", Notebook, Warning,
        "something was run in between that is not in the notebook any more, and the results that \
         are shown may depend on it";
    /// A package is installed by a cell.
    Install = "install", Notebook, Error,
        "what is installed depends on the day, and no lock file knows of it; a step has no network";
    /// An order of texts that follows the locale.
    LocaleOrder = "locale-order", Code, Warning, "another locale sorts in another order";
    /// A profile that follows the processor.
    NativeProfile = "native-profile", Pipeline, Warning, "another processor may give other bits";
    /// A call that needs the network.
    Network = "network", Code, Error,
        "what comes depends on the day and on a server; a step has no network";
    /// A step that may use the network or a secret.
    NetworkStep = "network-step", Pipeline, Warning, "no recipe pins what it gets there";
    /// A cell was not run though others were.
    NotRun = "not-run", Notebook, Warning,
        "the results that are shown were made without this cell; a run from top to bottom runs it";
    /// A cell was run before one that stands above it.
    OutOfOrder = "out-of-order", Notebook, Warning,
        "the results that are shown come from another order than the one of the cells, so a run from \
         top to bottom may give others";
    /// A forest whose probabilities are summed by several threads.
    ParallelForest = "parallel-forest", Code, Error, "threads end in another order each time";
    /// A pickle as output.
    PickleOutput = "pickle-output", Code, Warning, "its bytes may change for the same content";
    /// Iteration over a set.
    SetOrder = "set-order", Code, Warning, "the order follows the seed of Python's hashes";
    /// One generator that several threads or processes draw from.
    SharedGenerator = "shared-generator", Code, Error, "which task draws first is another one each time";
    /// A cell runs a command of the machine.
    ShellCommand = "shell-command", Notebook, Error,
        "commands of the machine are no part of the environment, and other machines have others";
    /// The hash of a text.
    StringHash = "string-hash", Code, Warning, "the value follows the seed of Python's hashes";
    /// The code of a cell cannot be parsed.
    SyntaxError = "syntax-error", Notebook, Error, "the cell cannot be run at all";
    /// More than one thread.
    Threads = "threads", Pipeline, Warning, "some libraries add numbers up in another order then";
    /// Files that no commit names.
    Uncommitted = "uncommitted", Pipeline, Warning, "nothing but the record names the code";
    /// A file of the project that the step does not see.
    UndeclaredFile = "undeclared-file", Code, Error, "the step does not see it, whatever the project has";
    /// A package that no requirement declares.
    UndeclaredImport = "undeclared-import", Notebook, Error,
        "whoever installs the declared environment has no such package";
    /// An environment variable that the step does not get.
    UndeclaredVariable = "undeclared-variable", Code, Error, "a step has no variable but those declared";
    /// A name is used that is defined nowhere, or was deleted.
    UndefinedName = "undefined-name", Notebook, Error,
        "in a new kernel this is a NameError: only a kernel in which other cells were run before knows \
         the name";
    /// A rule that does not exist, in a comment.
    UnknownRule = "unknown-rule", Code, Error, "the comment silences nothing";
    /// An environment that is not pinned.
    UnpinnedEnvironment = "unpinned-environment", Pipeline, Warning, "another machine may build another one";
    /// Random numbers without a seed.
    UnseededRandom = "unseeded-random", Code, Error, "each run draws other numbers";
    /// Names of files in the order of the file system.
    UnsortedFiles = "unsorted-files", Code, Error, "the order differs between machines";
    /// A name is used above the cell that defines it.
    UsedBeforeDefinition = "used-before-definition", Notebook, Error,
        "in a new kernel this is a NameError: only a kernel in which other cells were run before knows \
         the name";
}

impl Rule {
    /// Whether a notebook that no pipeline runs is held against it unless a person asks otherwise.
    ///
    /// Of the rules for any Python those are left out that are about steps, or about what people who
    /// explore do all the time without harm: show a time, list a folder, read an address, keep a
    /// pickle.
    pub const fn is_of_exploring(self) -> bool {
        match self.subject() {
            Subject::Notebook => true,
            Subject::Pipeline => false,
            Subject::Code => matches!(
                self,
                Self::AbsolutePath
                    | Self::CompletionOrder
                    | Self::UnknownRule
                    | Self::UnseededRandom
            ),
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A name that is no rule's.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("there is no rule '{name}'")]
pub struct UnknownRule {
    /// The name.
    pub name: String,
}

impl FromStr for Rule {
    type Err = UnknownRule;

    fn from_str(text: &str) -> Result<Self, UnknownRule> {
        let mut all = Self::ALL.iter().copied();
        all.find(|rule| rule.name() == text)
            .ok_or_else(|| UnknownRule {
                name: text.to_owned(),
            })
    }
}
