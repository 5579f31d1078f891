//! A program of the user's, as a step of a recipe runs it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use thiserror::Error;

use crate::{ArtifactKind, Digest, RelativePath, StepName};

/// What a program sees of the processor, the clock, the locale and randomness, whatever the machine:
/// a name and a version, written `portable@1`. What each sets is in `docs/formats/program.md`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Profile {
    /// `portable@1`: the instructions of an x86-64 processor with AVX2, of an Arm one of version 8.
    #[default]
    Portable1,
    /// `portable_any@1`: the instructions that every x86-64 processor has.
    PortableAny1,
    /// `native@1`: whatever instructions the processor has.
    Native1,
}

impl Profile {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Portable1, Self::PortableAny1, Self::Native1];

    /// Its name and version.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Portable1 => "portable@1",
            Self::PortableAny1 => "portable_any@1",
            Self::Native1 => "native@1",
        }
    }
}

/// How far a program is kept from what it was not given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Isolation {
    /// It sees its closure, its inputs and nothing else.
    #[default]
    Full,
    /// It sees the machine.
    None,
}

impl Isolation {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Full, Self::None];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::None => "none",
        }
    }
}

/// A text that is the name of nothing that is known.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("unknown {noun} '{text}'")]
pub struct UnknownName {
    noun: &'static str,
    text: String,
}

macro_rules! named {
    ($type:ty, $noun:literal) => {
        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.name())
            }
        }

        impl FromStr for $type {
            type Err = UnknownName;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                let mut all = Self::ALL.into_iter();
                all.find(|one| one.name() == text)
                    .ok_or_else(|| UnknownName {
                        noun: $noun,
                        text: text.to_owned(),
                    })
            }
        }

        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.name())
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?
                    .parse()
                    .map_err(de::Error::custom)
            }
        }
    };
}

named!(Profile, "determinism profile");
named!(Isolation, "isolation level");

/// Everything about a program that can change what it makes, beside its inputs, parameters and seed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Program {
    /// The program and its arguments; no shell reads them.
    pub run: Vec<String>,
    /// The code that it sees: the digest of a [`Tree`](crate::Tree).
    pub code: Digest,
    /// The environment that it runs in: the digest of a [`Tree`](crate::Tree), seen as its root.
    pub environment: Digest,
    /// What it sees of the machine.
    pub profile: Profile,
    /// How far it is kept from the rest.
    pub isolation: Isolation,
    /// How many threads it is told that there are.
    pub threads: u32,
    /// The declared environment variables, with their values.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub variables: BTreeMap<String, String>,
    /// The names of the secrets that it gets as environment variables; their values are nowhere.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub secrets: BTreeSet<String>,
    /// Whether it may use the network, which makes its results unpinned.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub network: bool,
    /// Where each output lies below `/reproof/out`.
    pub outputs: BTreeMap<StepName, RelativePath>,
    /// The outputs whose bytes are not compared, though they are kept.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub not_compared: BTreeSet<StepName>,
}

impl Program {
    /// The operation's name that stands for a program in a recipe. Its version is that of the
    /// protocol between Reproof and the program.
    pub const OPERATION: &str = "program";

    /// The output that every program has beside its own: the metrics that it reported.
    pub const REPORTED: &str = "reported";

    /// The program that runs a notebook, in its code. It is laid out beside the project's own files,
    /// so the code's digest says which it is.
    pub const NOTEBOOK_RUNNER: &str = ".reproof/notebook.py";

    /// The output of a program that runs a notebook: the notebook with what came out of its cells.
    pub const EXECUTED: &str = "executed";

    /// The command line that runs a notebook.
    pub fn running(notebook: &RelativePath) -> Vec<String> {
        ["python", Self::NOTEBOOK_RUNNER, notebook.as_str()]
            .map(str::to_owned)
            .to_vec()
    }

    /// The notebook that it runs, if it does.
    pub fn notebook(&self) -> Option<&str> {
        match self.run.as_slice() {
            [_, runner, notebook] if runner == Self::NOTEBOOK_RUNNER => Some(notebook),
            _ => None,
        }
    }

    /// Its command line, as it is shown: of a notebook or a function of Python that is a program, that.
    pub fn command_line(&self) -> String {
        if let Some(notebook) = self.notebook() {
            return format!("notebook {notebook}");
        }
        match self.run.as_slice() {
            [_, option, module, file, function] if option == "-m" && module == "reproof.call" => {
                format!("{function}() in {file}")
            }
            run => run.join(" "),
        }
    }

    /// Whether the outputs of a step are those of its program.
    pub(crate) fn check_outputs(
        &self,
        outputs: &BTreeMap<StepName, ArtifactKind>,
    ) -> Result<(), &'static str> {
        let declared = |name: &StepName| self.outputs.contains_key(name);
        let reported = outputs.get(Self::REPORTED) == Some(&ArtifactKind::Metrics);
        if self.outputs.contains_key(Self::REPORTED) {
            Err("the output 'reported' is every program's own")
        } else if !reported
            || outputs.len() != self.outputs.len() + 1
            || !self.outputs.keys().all(|name| outputs.contains_key(name))
        {
            Err("the program's outputs are not those of the step")
        } else if !self.not_compared.iter().all(declared) {
            Err("an output that is not compared is none of the step")
        } else {
            Ok(())
        }
    }

    /// Whether what it makes may depend on what no recipe can pin.
    pub fn is_unpinned(&self) -> bool {
        self.network || !self.secrets.is_empty()
    }
}
