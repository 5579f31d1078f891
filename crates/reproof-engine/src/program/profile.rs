//! Determinism profiles: what a program is told of the machine, as environment variables.
//!
//! What each variable is for, and the measurements behind the choice, is in
//! `docs/formats/program.md`. A change of any value is a new version of the profile.

use std::collections::BTreeMap;

use reproof_record::Profile;

/// Variables that every profile sets, whatever the processor.
const COMMON: &[(&str, &str)] = &[
    ("HOME", "/tmp/home"),
    ("LANG", "C.UTF-8"),
    ("LC_ALL", "C.UTF-8"),
    ("LOGNAME", "reproof"),
    ("PATH", "/reproof/env/bin:/usr/bin:/bin"),
    ("PYTHONDONTWRITEBYTECODE", "1"),
    ("PYTHONHASHSEED", "0"),
    ("PYTHONNOUSERSITE", "1"),
    ("PYTHONUNBUFFERED", "1"),
    ("SOURCE_DATE_EPOCH", "315532800"),
    ("TMPDIR", "/tmp"),
    ("TZ", "UTC"),
    ("USER", "reproof"),
    ("CUBLAS_WORKSPACE_CONFIG", ":4096:8"),
    ("OMP_DYNAMIC", "FALSE"),
    ("MKL_DYNAMIC", "FALSE"),
];

/// Variables by which libraries are told how many threads to use.
const THREADS: &[&str] = &[
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

/// Variables that keep libraries to instructions that other processors have, too.
const PORTABLE: &[(&str, &str)] = &[
    ("ATEN_CPU_CAPABILITY", "avx2"),
    (
        "GLIBC_TUNABLES",
        "glibc.cpu.hwcaps=-AVX2,-FMA,-FMA4,-AVX512F",
    ),
    ("MKL_CBWR", "AVX2"),
    (
        "NPY_DISABLE_CPU_FEATURES",
        "X86_V3 X86_V4 AVX512_ICL AVX512_SPR",
    ),
    ("ONEDNN_MAX_CPU_ISA", "AVX2"),
    ("OPENBLAS_CORETYPE", "Haswell"),
];

/// The same for processors without AVX2.
const PORTABLE_ANY: &[(&str, &str)] = &[
    ("ATEN_CPU_CAPABILITY", "default"),
    (
        "GLIBC_TUNABLES",
        "glibc.cpu.hwcaps=-AVX2,-FMA,-FMA4,-AVX512F",
    ),
    ("MKL_CBWR", "COMPATIBLE"),
    (
        "NPY_DISABLE_CPU_FEATURES",
        "X86_V3 X86_V4 AVX512_ICL AVX512_SPR",
    ),
    ("ONEDNN_MAX_CPU_ISA", "SSE41"),
    ("OPENBLAS_CORETYPE", "Nehalem"),
];

/// All the variables that a profile sets for this many threads.
pub(crate) fn variables(profile: Profile, threads: u32) -> BTreeMap<String, String> {
    let own = match profile {
        Profile::Portable1 => PORTABLE,
        Profile::PortableAny1 => PORTABLE_ANY,
        Profile::Native1 => &[],
    };
    let fixed = COMMON.iter().chain(own);
    let fixed = fixed.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let threads = THREADS
        .iter()
        .map(|name| ((*name).to_owned(), threads.to_string()));
    fixed.chain(threads).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The page that promises these values.
    const PAGE: &str = include_str!("../../../../docs/formats/program.md");

    /// A profile of one version sets the same for ever.
    #[test]
    fn profiles_keep_their_values() {
        let digest = |profile| {
            let text = serde_json::to_string(&variables(profile, 3)).unwrap();
            reproof_record::Digest::of(text.as_bytes()).short()
        };
        let found = Profile::ALL.map(digest);
        assert_eq!(found, ["2a682be8489b", "128da9a85af8", "f2ab165f7d27"]);
    }

    /// A program's declared variables replace those of the profile: none may be both.
    #[test]
    fn no_pipeline_may_declare_what_a_profile_sets() {
        for profile in Profile::ALL {
            for name in variables(profile, 1).keys() {
                assert!(reproof_config::is_reserved_variable(name), "{name}");
            }
        }
    }

    #[test]
    fn the_page_names_every_variable_with_its_value() {
        for (name, value) in COMMON {
            assert!(
                PAGE.contains(&format!("| `{name}` | `{value}` |")),
                "{name}"
            );
        }
        for ((name, value), (_, any)) in PORTABLE.iter().zip(PORTABLE_ANY) {
            let same = if value == any {
                "the same".to_owned()
            } else {
                format!("`{any}`")
            };
            let line = format!("| `{name}` | `{value}` | {same} |");
            assert!(PAGE.contains(&line), "{line}");
        }
        for name in THREADS {
            assert!(PAGE.contains(&format!("`{name}`")), "{name}");
        }
    }
}
