//! The rules by name, what each is about, and what to do.

use std::fmt;
use std::str::FromStr;

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

macro_rules! rules {
    ($($(#[doc = $doc:literal])* $variant:ident = $name:literal, $severity:ident;)*) => {
        /// A rule; each has a section in `docs/src/doctor.md`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Rule {
            $($(#[doc = $doc])* $variant,)*
        }

        impl Rule {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// Its name.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// How grave what it finds is, unless the finding knows better.
            pub const fn severity(self) -> Severity {
                match self { $(Self::$variant => Severity::$severity,)* }
            }
        }
    };
}

rules! {
    /// A path that no isolated step sees.
    AbsolutePath = "absolute-path", Error;
    /// The time in the head of an archive.
    ArchiveTime = "archive-time", Error;
    /// What the clock says.
    Clock = "clock", Error;
    /// Results in the order in which they are ready.
    CompletionOrder = "completion-order", Error;
    /// An import or path that cannot be followed, so that the closure may lack a file.
    DynamicImport = "dynamic-import", Warning;
    /// Bits from the system that are others each time.
    Entropy = "entropy", Error;
    /// An order of texts that follows the locale.
    LocaleOrder = "locale-order", Warning;
    /// A profile that follows the processor.
    NativeProfile = "native-profile", Warning;
    /// A call that needs the network.
    Network = "network", Error;
    /// A step that may use the network or a secret.
    NetworkStep = "network-step", Warning;
    /// A forest whose probabilities are summed by several threads.
    ParallelForest = "parallel-forest", Error;
    /// A pickle as output.
    PickleOutput = "pickle-output", Warning;
    /// Iteration over a set.
    SetOrder = "set-order", Warning;
    /// One generator that several threads or processes draw from.
    SharedGenerator = "shared-generator", Error;
    /// The hash of a text.
    StringHash = "string-hash", Warning;
    /// More than one thread.
    Threads = "threads", Warning;
    /// Files that no commit names.
    Uncommitted = "uncommitted", Warning;
    /// A file of the project that the step does not see.
    UndeclaredFile = "undeclared-file", Error;
    /// An environment variable that the step does not get.
    UndeclaredVariable = "undeclared-variable", Error;
    /// A rule that does not exist, in a comment.
    UnknownRule = "unknown-rule", Error;
    /// An environment that is not pinned.
    UnpinnedEnvironment = "unpinned-environment", Warning;
    /// Random numbers without a seed.
    UnseededRandom = "unseeded-random", Error;
    /// Names of files in the order of the file system.
    UnsortedFiles = "unsorted-files", Error;
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Rule {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let mut all = Self::ALL.iter().copied();
        all.find(|rule| rule.name() == text).ok_or(())
    }
}
