//! What a pipeline says of a program of the user's, and which environment variables it may set.

use std::collections::{BTreeMap, BTreeSet};

use reproof_record::{ArtifactKind, Digest, Isolation, Profile, Program, RelativePath, StepName};

/// A program of a pipeline, as it is written: without the digests of its code and environment and
/// without the values of variables that come from the caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProgramSpec {
    /// The program and its arguments; never empty.
    pub run: Vec<String>,
    /// The notebook that `run` runs; none for any other program.
    pub notebook: Option<RelativePath>,
    /// The environment that it runs in, by its name in `reproof.toml`.
    pub environment: StepName,
    /// Globs of files of the project that it sees besides its entry file and what that imports.
    pub code: Vec<String>,
    /// How many threads it is told that there are, from 1 to 1,024.
    pub threads: u32,
    /// What it sees of the machine.
    pub profile: Profile,
    /// Environment variables with their values; none for a value that the caller's environment
    /// gives.
    pub variables: BTreeMap<String, Option<String>>,
    /// The names of the secrets that it gets as environment variables; none of them is among
    /// `variables`.
    pub secrets: BTreeSet<String>,
    /// Whether it may use the network.
    pub network: bool,
    /// Whether it is served from the cache although network or secrets make it unpinned.
    pub cache: bool,
    /// What it may use of the machine; no part of the recipe.
    pub resources: Resources,
    /// Its outputs, at least one; none lies inside another.
    pub outputs: BTreeMap<StepName, OutputSpec>,
}

/// The most that a program may use of the machine, all its processes together; none for no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Resources {
    /// Bytes of memory.
    pub memory: Option<u64>,
    /// Seconds of processor time.
    pub cpu_seconds: Option<u64>,
    /// Seconds from start to end.
    pub wall_seconds: Option<u64>,
}

/// An output of a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutputSpec {
    /// Where it lies below `/reproof/out`: a file or a folder.
    pub path: RelativePath,
    /// What it is. A table is a file whose name ends in `.parquet` or `.csv`.
    pub kind: ArtifactKind,
    /// Whether its bytes are compared when the step is verified.
    pub compared: bool,
}

impl ProgramSpec {
    /// The program as a recipe holds it. `variables` are all of [`ProgramSpec::variables`], those
    /// from the caller with their values.
    #[must_use]
    pub fn resolve(
        &self,
        code: Digest,
        environment: Digest,
        isolation: Isolation,
        variables: BTreeMap<String, String>,
    ) -> Program {
        let outputs = self.outputs.iter();
        let not_compared = outputs.clone().filter(|(_, output)| !output.compared);
        Program {
            run: self.run.clone(),
            code,
            environment,
            profile: self.profile,
            isolation,
            threads: self.threads,
            variables,
            secrets: self.secrets.clone(),
            network: self.network,
            not_compared: not_compared.map(|(name, _)| name.clone()).collect(),
            outputs: outputs
                .map(|(name, output)| (name.clone(), output.path.clone()))
                .collect(),
        }
    }

    /// Whether what it makes may depend on what no recipe can pin.
    pub fn is_unpinned(&self) -> bool {
        self.network || !self.secrets.is_empty()
    }
}

/// What decides an environment variable that Reproof sets itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reserved {
    /// Nothing: it is the same for every program.
    Always,
    /// The number of threads.
    Threads,
    /// The determinism profile.
    Profile,
}

/// Variables that are the same for every program.
const ALWAYS: &[&str] = &[
    "CUBLAS_WORKSPACE_CONFIG",
    "HOME",
    "HOSTNAME",
    "LANG",
    "LANGUAGE",
    "LOGNAME",
    "MKL_DYNAMIC",
    "OMP_DYNAMIC",
    "PATH",
    "PWD",
    "PYTHONDONTWRITEBYTECODE",
    "PYTHONHASHSEED",
    "PYTHONNOUSERSITE",
    "PYTHONUNBUFFERED",
    "SOURCE_DATE_EPOCH",
    "TMPDIR",
    "TZ",
    "USER",
];

/// Beginnings of the names of such variables.
const ALWAYS_PREFIXES: [&str; 3] = ["LC_", "LD_", "REPROOF_"];

/// Variables by which libraries are told how many threads to use.
const BY_THREADS: &[&str] = &[
    "BLIS_NUM_THREADS",
    "LOKY_MAX_CPU_COUNT",
    "MKL_NUM_THREADS",
    "NUMBA_NUM_THREADS",
    "NUMEXPR_MAX_THREADS",
    "NUMEXPR_NUM_THREADS",
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "POLARS_MAX_THREADS",
    "PYTHON_CPU_COUNT",
    "RAYON_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
];

/// Variables by which libraries are told which instructions to use.
const BY_PROFILE: &[&str] = &[
    "ATEN_CPU_CAPABILITY",
    "GLIBC_TUNABLES",
    "MKL_CBWR",
    "NPY_DISABLE_CPU_FEATURES",
    "ONEDNN_MAX_CPU_ISA",
    "OPENBLAS_CORETYPE",
];

/// What decides this environment variable, if Reproof sets it itself.
pub(crate) fn reserved(name: &str) -> Option<Reserved> {
    let begins = |prefix: &&str| name.starts_with(*prefix);
    if BY_THREADS.contains(&name) {
        Some(Reserved::Threads)
    } else if BY_PROFILE.contains(&name) {
        Some(Reserved::Profile)
    } else if ALWAYS.contains(&name) || ALWAYS_PREFIXES.iter().any(begins) {
        Some(Reserved::Always)
    } else {
        None
    }
}

/// Whether Reproof sets this environment variable itself, so that no pipeline may.
pub fn is_reserved_variable(name: &str) -> bool {
    reserved(name).is_some()
}

/// Whether a text is the name of an environment variable: a letter or `_`, then letters, digits
/// and `_`.
pub(crate) fn is_variable_name(text: &str) -> bool {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.chars().all(word) && text.starts_with(|c: char| word(c) && !c.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_reproof_sets_is_reserved() {
        for name in ["PATH", "TZ", "LD_PRELOAD", "REPROOF_SEED", "LC_ALL"] {
            assert!(is_reserved_variable(name), "{name}");
        }
        for name in ["TOKENIZERS_PARALLELISM", "path", "PATHS", "LDX"] {
            assert!(!is_reserved_variable(name), "{name}");
        }
        let all = [ALWAYS, BY_THREADS, BY_PROFILE].concat();
        assert!(all.into_iter().all(is_variable_name));
    }

    #[test]
    fn names_of_variables() {
        for good in ["A", "_", "a_1", "HTTP_PROXY"] {
            assert!(is_variable_name(good), "{good}");
        }
        for bad in ["", "1A", "A-B", "A B", "É", "A="] {
            assert!(!is_variable_name(bad), "{bad}");
        }
    }
}
