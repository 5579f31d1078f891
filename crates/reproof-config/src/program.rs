//! What a pipeline says of a program of the user's, and which environment variables it may set.

use std::collections::{BTreeMap, BTreeSet};

use reproof_record::{ArtifactKind, Digest, Isolation, Profile, Program, RelativePath, StepName};

/// A program of a pipeline, as it is written: without the digests of its code and environment and
/// without the values of variables that come from the caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProgramSpec {
    /// The program and its arguments; never empty.
    pub run: Vec<String>,
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

/// Variables that Reproof sets itself, alike for every program or by its profile and threads.
const RESERVED: &[&str] = &[
    "ATEN_CPU_CAPABILITY",
    "BLIS_NUM_THREADS",
    "CUBLAS_WORKSPACE_CONFIG",
    "GLIBC_TUNABLES",
    "HOME",
    "HOSTNAME",
    "LANG",
    "LANGUAGE",
    "LOGNAME",
    "LOKY_MAX_CPU_COUNT",
    "MKL_CBWR",
    "MKL_NUM_THREADS",
    "NPY_DISABLE_CPU_FEATURES",
    "NUMBA_NUM_THREADS",
    "NUMEXPR_MAX_THREADS",
    "NUMEXPR_NUM_THREADS",
    "OMP_NUM_THREADS",
    "ONEDNN_MAX_CPU_ISA",
    "OPENBLAS_CORETYPE",
    "OPENBLAS_NUM_THREADS",
    "PATH",
    "POLARS_MAX_THREADS",
    "PWD",
    "PYTHONDONTWRITEBYTECODE",
    "PYTHONHASHSEED",
    "PYTHON_CPU_COUNT",
    "RAYON_NUM_THREADS",
    "SOURCE_DATE_EPOCH",
    "TMPDIR",
    "TZ",
    "USER",
    "VECLIB_MAXIMUM_THREADS",
];

/// Beginnings of the names of such variables.
const RESERVED_PREFIXES: [&str; 3] = ["LC_", "LD_", "REPROOF_"];

/// Whether Reproof sets this environment variable itself, so that no pipeline may.
pub fn is_reserved_variable(name: &str) -> bool {
    RESERVED.contains(&name)
        || RESERVED_PREFIXES
            .iter()
            .any(|prefix| name.starts_with(prefix))
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
        assert!(RESERVED.iter().all(|name| is_variable_name(name)));
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
