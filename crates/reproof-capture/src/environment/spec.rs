//! The specification of an environment: what a person asks for, before anything is built.

use std::fmt;
use std::str::FromStr;

use reproof_record::{CanonicalError, Digest, to_canonical};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::error::EnvironmentError;
use super::requirements::Requirements;

/// A version of Python: major and minor, and the patch if it must be that one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PythonRequest {
    /// Such as 3.
    pub major: u16,
    /// Such as 11.
    pub minor: u16,
    /// Such as 7; any will do if there is none.
    pub patch: Option<u16>,
}

impl PythonRequest {
    /// Whether an interpreter of this version will do.
    pub fn accepts(&self, version: &PythonRequest) -> bool {
        (self.major, self.minor) == (version.major, version.minor)
            && (self.patch.is_none() || self.patch == version.patch)
    }
}

impl FromStr for PythonRequest {
    type Err = EnvironmentError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refuse = || EnvironmentError::PythonVersion(text.chars().take(40).collect());
        let number = |part: &str| {
            let plain = part.bytes().all(|b| b.is_ascii_digit());
            let plain = plain && (part == "0" || !part.starts_with('0'));
            part.parse::<u16>().ok().filter(|_| plain)
        };
        let parts: Option<Vec<u16>> = text.split('.').map(number).collect();
        let (major, minor, patch) = match parts.as_deref() {
            Some([major, minor]) => (*major, *minor, None),
            Some([major, minor, patch]) => (*major, *minor, Some(*patch)),
            _ => return Err(refuse()),
        };
        Ok(Self {
            major,
            minor,
            patch,
        })
    }
}

impl fmt::Display for PythonRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)?;
        self.patch.map_or(Ok(()), |patch| write!(f, ".{patch}"))
    }
}

impl Serialize for PythonRequest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for PythonRequest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(de::Error::custom)
    }
}

/// An environment of Python.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PythonSpec {
    /// The version; the first interpreter that is found if there is none.
    pub python: Option<PythonRequest>,
    /// The packages, each with its version and the hashes of its files.
    pub requirements: Requirements,
    /// The platform, such as `x86_64-linux-gnu`.
    pub platform: String,
    /// Whether packages may be built from source, so that their bits are the builder's.
    pub allow_builds: bool,
}

/// An environment of programs that are installed on the machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SystemSpec {
    /// The programs, by the names that the search path finds.
    pub programs: Vec<String>,
    /// More files and folders that they need, by absolute path.
    pub extra: Vec<String>,
    /// The platform, such as `x86_64-linux-gnu`.
    pub platform: String,
}

/// The specification of an environment. Its digest identifies what was asked for; what was built
/// has an identity of its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum EnvironmentSpec {
    /// Python and packages.
    Python(PythonSpec),
    /// Programs of the machine.
    System(SystemSpec),
}

/// The specification as it is hashed.
#[derive(Serialize)]
struct Document<'a> {
    format: &'static str,
    #[serde(flatten)]
    spec: &'a EnvironmentSpec,
}

impl EnvironmentSpec {
    /// The format's name and version.
    pub const FORMAT: &str = "reproof.environment/1";

    /// The canonical bytes. Programs and extra paths of a `system` environment count as sets.
    pub fn to_bytes(&self) -> Result<Vec<u8>, CanonicalError> {
        let mut spec = self.clone();
        if let Self::System(system) = &mut spec {
            for list in [&mut system.programs, &mut system.extra] {
                list.sort_unstable();
                list.dedup();
            }
        }
        to_canonical(&Document {
            format: Self::FORMAT,
            spec: &spec,
        })
    }

    /// The digest of the canonical bytes.
    pub fn digest(&self) -> Result<Digest, CanonicalError> {
        Ok(Digest::of(&self.to_bytes()?))
    }
}

/// The tag of the platform that this program was built for.
pub fn host_platform() -> String {
    let libc = if cfg!(target_env = "musl") {
        "musl"
    } else {
        "gnu"
    };
    format!("{}-{}-{libc}", std::env::consts::ARCH, std::env::consts::OS)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn python(text: &str) -> EnvironmentSpec {
        EnvironmentSpec::Python(PythonSpec {
            python: Some("3.11".parse().unwrap()),
            requirements: Requirements::parse(text).unwrap().requirements,
            platform: "x86_64-linux-gnu".to_owned(),
            allow_builds: false,
        })
    }

    #[test]
    fn versions_of_python() {
        let request: PythonRequest = "3.11".parse().unwrap();
        assert!(request.accepts(&"3.11.7".parse().unwrap()));
        assert!(!request.accepts(&"3.12.1".parse().unwrap()));
        let exact: PythonRequest = "3.11.7".parse().unwrap();
        assert!(!exact.accepts(&"3.11.8".parse().unwrap()));
        assert_eq!(exact.to_string(), "3.11.7");
        for bad in [
            "", "3", "3.x", ">=3.11", "3.11.7.1", "3.011", "+3.1", "3.99999",
        ] {
            assert!(bad.parse::<PythonRequest>().is_err(), "{bad}");
        }
    }

    #[test]
    fn comments_and_order_do_not_change_the_digest() {
        let hash = |c: &str| format!("--hash=sha256:{}", c.repeat(64));
        let (a, b) = (hash("a"), hash("b"));
        let one = format!("# by hand\nSix==1.0 {a} {b}\nidna==2.0 \\\n    {b}  # why\n");
        let other =
            format!("--index-url https://u:p@example.org\nidna == 2.0 {b}\nsix==1.0 {b} {a}");
        assert_eq!(
            python(&one).digest().unwrap(),
            python(&other).digest().unwrap()
        );
        let third = format!("six==1.0 {a}\nidna==2.0 {b}\n");
        assert_ne!(
            python(&one).digest().unwrap(),
            python(&third).digest().unwrap()
        );
    }

    /// The bytes are a format: a change of them changes the key of every step with an environment.
    #[test]
    fn the_canonical_bytes() {
        let spec = python(&format!("six==1.0 --hash=sha256:{}", "0".repeat(64)));
        let expect = format!(
            "{{\"allow_builds\":false,\"format\":\"reproof.environment/1\",\"kind\":\"python\",\
             \"platform\":\"x86_64-linux-gnu\",\"python\":\"3.11\",\
             \"requirements\":\"six==1.0 \\\\\\n    --hash=sha256:{}\\n\"}}",
            "0".repeat(64)
        );
        assert_eq!(String::from_utf8(spec.to_bytes().unwrap()).unwrap(), expect);
    }

    #[test]
    fn programs_are_a_set() {
        let system = |programs: &[&str]| {
            EnvironmentSpec::System(SystemSpec {
                programs: programs.iter().map(|p| (*p).to_owned()).collect(),
                extra: Vec::new(),
                platform: "x86_64-linux-gnu".to_owned(),
            })
        };
        let (one, other) = (system(&["sh", "awk"]), system(&["awk", "sh", "sh"]));
        assert_eq!(one.digest().unwrap(), other.digest().unwrap());
    }
}
