//! Validated names and paths, so that a text from a file or a network is never joined to a path
//! unchecked.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use thiserror::Error;

/// A name or path that may not be used, and why.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("'{text}' is not {wanted}: {reason}")]
pub struct NameError {
    /// The text as it was given, cut to 80 characters.
    pub text: String,
    /// What was wanted there.
    pub wanted: &'static str,
    /// Why it is refused.
    pub reason: &'static str,
}

impl NameError {
    fn new(text: &str, wanted: &'static str, reason: &'static str) -> Self {
        Self {
            text: text.chars().take(80).collect(),
            wanted,
            reason,
        }
    }
}

/// Declares a newtype over a validated `String`.
macro_rules! validated {
    ($(#[$doc:meta])* $name:ident, $check:path) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub struct $name(String);

        impl $name {
            /// Checks the text and takes it.
            pub fn new(text: impl Into<String>) -> Result<Self, NameError> {
                let text = text.into();
                $check(&text)?;
                Ok(Self(text))
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = NameError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Self::new(text)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                Self::new(String::deserialize(deserializer)?).map_err(de::Error::custom)
            }
        }
    };
}

validated! {
    /// The name of a step, data source, input or output: a letter, then letters, digits, `_` and
    /// `-`, all lower case, at most 63.
    StepName, check_step_name
}
validated! {
    /// One part of a path: not empty, not `.` or `..`, no separator, no control character, at most
    /// 255 bytes.
    PathComponent, check_path_component
}
validated! {
    /// A path that stays inside its root: path components joined by `/`.
    RelativePath, check_relative_path
}

fn check_step_name(text: &str) -> Result<(), NameError> {
    let refuse = |reason| Err(NameError::new(text, "a name", reason));
    if !text.starts_with(|c: char| c.is_ascii_lowercase()) {
        return refuse("it must begin with a letter from a to z");
    }
    if text.len() > 63 {
        return refuse("it may have at most 63 characters");
    }
    let valid = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '-';
    if !text.chars().all(valid) {
        return refuse("only a to z, 0 to 9, '_' and '-' may stand in it");
    }
    Ok(())
}

fn check_path_component(text: &str) -> Result<(), NameError> {
    let refuse = |reason| Err(NameError::new(text, "a file name", reason));
    match text {
        "" => return refuse("it is empty"),
        "." | ".." => return refuse("it names a folder above or the same one"),
        _ => {}
    }
    if text.len() > 255 {
        return refuse("it is longer than 255 bytes");
    }
    if text.contains(['/', '\\']) {
        return refuse("a path separator stands in it");
    }
    if text.chars().any(char::is_control) {
        return refuse("a control character stands in it");
    }
    Ok(())
}

fn check_relative_path(text: &str) -> Result<(), NameError> {
    let wanted = "a path inside its folder";
    if text.len() > 4096 {
        return Err(NameError::new(text, wanted, "it is longer than 4096 bytes"));
    }
    for part in text.split('/') {
        check_path_component(part).map_err(|error| NameError::new(text, wanted, error.reason))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn step_names() {
        for good in ["a", "train", "split-2", "a_b"] {
            assert!(StepName::new(good).is_ok(), "{good}");
        }
        for bad in ["", "2nd", "Train", "a b", "a/b", "é", &"a".repeat(64)] {
            assert!(StepName::new(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn paths_never_leave_their_root() {
        for good in ["a", "a/b.json", "columns/0", ".hidden/x"] {
            assert!(RelativePath::new(good).is_ok(), "{good}");
        }
        for bad in [
            "", "/a", "a/", "a//b", "../a", "a/../b", "a/./b", "a\\b", "a\0b", "a\nb",
        ] {
            assert!(RelativePath::new(bad).is_err(), "{bad:?}");
            assert!(PathComponent::new(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn reading_validates() {
        assert!(serde_json::from_str::<RelativePath>("\"../../etc/passwd\"").is_err());
        assert!(serde_json::from_str::<StepName>("\"train\"").is_ok());
    }
}
