//! The reference to a built-in operation.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::{NameError, StepName};

/// A built-in operation and its version, written `name@version`.
///
/// The version stands for the operation's bits: a change that would alter what it produces from
/// the same inputs and parameters raises it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Operation {
    /// Its name, such as `split_random`.
    pub name: StepName,
    /// Its version, from 1.
    pub version: u32,
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.name, self.version)
    }
}

impl FromStr for Operation {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refuse = |reason| NameError {
            text: text.chars().take(80).collect(),
            wanted: "an operation",
            reason,
        };
        let (name, version) = text
            .split_once('@')
            .ok_or_else(|| refuse("it is written name@version"))?;
        let plain = !version.starts_with(['0', '+']);
        let version = version.parse().ok().filter(|_| plain);
        Ok(Self {
            name: name.parse()?,
            version: version.ok_or_else(|| refuse("its version is a number from 1"))?,
        })
    }
}

impl Serialize for Operation {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Operation {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn written_as_name_and_version() {
        let operation: Operation = "split_random@1".parse().unwrap();
        assert_eq!(
            (operation.name.as_str(), operation.version),
            ("split_random", 1)
        );
        assert_eq!(operation.to_string(), "split_random@1");
        for bad in [
            "split", "split@", "split@0", "split@01", "split@+1", "@1", "Split@1",
        ] {
            assert!(bad.parse::<Operation>().is_err(), "{bad}");
        }
    }
}
