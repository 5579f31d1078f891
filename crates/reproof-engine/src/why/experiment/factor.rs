//! What results may depend on.

use serde::Serialize;

/// Something that results may depend on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Factor {
    /// The time of day.
    Clock,
    /// What the system draws at random: seeds that were not given, UUIDs.
    Randomness,
    /// The seed of Python's hashes.
    HashSeed,
    /// How many threads the step has.
    Threads,
    /// The order in which threads and processes run.
    Scheduling,
    /// The instructions of the processor that libraries use.
    Processor,
    /// In which order folders list their files.
    FileOrder,
    /// The locale.
    Locale,
    /// The time zone.
    TimeZone,
    /// The folder for temporary files.
    TemporaryFolder,
    /// The seed that the recipe gives the step.
    Seed,
}

impl Factor {
    /// As a person reads it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Clock => "the clock",
            Self::Randomness => "the system's randomness",
            Self::HashSeed => "the hash seed",
            Self::Threads => "the number of threads",
            Self::Scheduling => "the order in which threads and processes run",
            Self::Processor => "the processor's instructions",
            Self::FileOrder => "the order of files in folders",
            Self::Locale => "the locale",
            Self::TimeZone => "the time zone",
            Self::TemporaryFolder => "the folder for temporary files",
            Self::Seed => "the step's seed",
        }
    }

    /// What to do about results that depend on it.
    pub const fn remedy(self) -> &'static str {
        match self {
            Self::Clock => "take the time from a parameter (rule 'clock' of 'reproof doctor')",
            Self::Randomness => {
                "seed every generator with the step's seed, and make no UUIDs at random (rules \
                 'unseeded-random' and 'entropy' of 'reproof doctor')"
            }
            Self::HashSeed => {
                "sort sets before their order shows (rule 'set-order'); the profile fixes the hash seed, \
                 so this matters outside of Reproof alone"
            }
            Self::Threads => {
                "keep 'threads' as it is, which the recipe names; if it differs from run to run, write \
                 'threads: 1' or declare a tolerance"
            }
            Self::Scheduling => {
                "let each thread and process make a part of its own, from a seed of its own, and put the \
                 parts together in a fixed order (rules 'completion-order', 'shared-generator' and \
                 'parallel-forest')"
            }
            Self::Processor => {
                "keep 'profile: portable', which uses the same instructions on every processor; else \
                 declare a tolerance"
            }
            Self::FileOrder => {
                "put sorted(…) around listings (rule 'unsorted-files', '--fix' does it)"
            }
            Self::Locale => {
                "sort without the locale (rule 'locale-order'); the profile fixes it, so this matters \
                 outside of Reproof alone"
            }
            Self::TimeZone | Self::TemporaryFolder => {
                "the profile fixes it, so this matters outside of Reproof alone"
            }
            Self::Seed => "it is meant to: the recipe names the seed",
        }
    }
}
