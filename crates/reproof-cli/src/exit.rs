//! The exit codes: named here, listed in the docs, tested one by one.

use std::process::ExitCode;

use reproof_engine::Class;

/// How the program ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// All is well.
    Done = 0,
    /// A mistake in the command or in a file of the user's.
    Usage = 2,
    /// A gate failed.
    Gate = 10,
    /// A step failed.
    Step = 11,
    /// A verification came to something else.
    Diverged = 12,
    /// A verification came to what is within a tolerance, and not the same.
    Equivalent = 13,
    /// Something that is needed is gone.
    Impossible = 14,
    /// A program that is needed, such as git, does not work here.
    Environment = 20,
    /// Stored bytes are wrong.
    Integrity = 30,
    /// The storage is full, read-only or cannot be reached.
    Storage = 31,
    /// Refused by an option or by policy.
    Refused = 40,
    /// A bug of ours.
    Bug = 70,
    /// Stopped from outside.
    Interrupted = 130,
}

impl From<Class> for Exit {
    fn from(class: Class) -> Self {
        match class {
            Class::Bug => Self::Bug,
            Class::Integrity => Self::Integrity,
            Class::Storage => Self::Storage,
            Class::Environment => Self::Environment,
            Class::Step => Self::Step,
            Class::Diverged => Self::Diverged,
            Class::Gate => Self::Gate,
            Class::Impossible => Self::Impossible,
            Class::Refused => Self::Refused,
            Class::Usage => Self::Usage,
            Class::Interrupted => Self::Interrupted,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A bug of ours cannot be had on demand: its code is tested here, all others on the binary.
    #[test]
    fn every_class_has_the_code_that_the_docs_list() {
        const PAGE: &str = include_str!("../../../docs/src/exit-codes.md");
        for (class, code) in [
            (Class::Bug, 70),
            (Class::Integrity, 30),
            (Class::Storage, 31),
            (Class::Environment, 20),
            (Class::Step, 11),
            (Class::Diverged, 12),
            (Class::Gate, 10),
            (Class::Impossible, 14),
            (Class::Refused, 40),
            (Class::Usage, 2),
            (Class::Interrupted, 130),
        ] {
            assert_eq!(Exit::from(class) as u8, code);
            assert!(PAGE.contains(&format!("| {code} |")), "{code}");
        }
    }
}
