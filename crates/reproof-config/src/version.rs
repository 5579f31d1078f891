//! How a version of named data is written: `churn`, `churn@v1`, `churn@~1`, `churn@8c1f20`.

use std::fmt;
use std::str::FromStr;

use reproof_record::StepName;
use thiserror::Error;

/// The longest tag, or digits of an ID, in characters.
const MAX_TEXT: usize = 64;
/// The furthest back that a version may be counted from the head.
const MAX_BACK: u32 = 999_999;

/// A version of named data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VersionSpec {
    /// The name of the data.
    pub name: StepName,
    /// Which of its versions.
    pub at: VersionAt,
}

/// Which version of named data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VersionAt {
    /// The head.
    Head,
    /// So many versions before the head.
    Back(u32),
    /// The one of this tag, or whose ID or content digest begins so.
    Named(String),
}

/// A text that is no version of named data.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(
    "write NAME, NAME@TAG, NAME@~1 for the version before the head, or NAME@ and the first digits of an ID"
)]
pub struct VersionError;

/// A stored version, as a pipeline names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VersionRef {
    /// A version of named data.
    Named(VersionSpec),
    /// What is held by it, by the first digits of its digest: `data:8c1f20`.
    Content(String),
}

/// A text that is no stored version.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{VersionError}; or data: and at least 4 of the first digits of a data version's ID")]
pub struct VersionRefError;

/// The fewest digits that name a content.
const MIN_DIGITS: usize = 4;

impl FromStr for VersionRef {
    type Err = VersionRefError;

    fn from_str(text: &str) -> Result<Self, VersionRefError> {
        let Some(digits) = text.strip_prefix("data:") else {
            let spec = text.parse().map(Self::Named);
            return spec.map_err(|VersionError| VersionRefError);
        };
        let is_digit = |byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        if (MIN_DIGITS..=MAX_TEXT).contains(&digits.len()) && digits.bytes().all(is_digit) {
            Ok(Self::Content(digits.to_owned()))
        } else {
            Err(VersionRefError)
        }
    }
}

impl fmt::Display for VersionRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Named(spec) => spec.fmt(f),
            Self::Content(digits) => write!(f, "data:{digits}"),
        }
    }
}

impl FromStr for VersionSpec {
    type Err = VersionError;

    fn from_str(text: &str) -> Result<Self, VersionError> {
        let (name, at) = match text.split_once('@') {
            Some((name, at)) => (name, Some(at)),
            None => (text, None),
        };
        let name = StepName::new(name).map_err(|_| VersionError)?;
        let at = match at {
            None => VersionAt::Head,
            Some(at) => match at.strip_prefix('~') {
                Some(count) if count.bytes().all(|byte| byte.is_ascii_digit()) => {
                    match count.parse() {
                        Ok(count) if count <= MAX_BACK => VersionAt::Back(count),
                        _ => return Err(VersionError),
                    }
                }
                _ if is_word(at) => VersionAt::Named(at.to_owned()),
                _ => return Err(VersionError),
            },
        };
        Ok(Self { name, at })
    }
}

impl fmt::Display for VersionSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.at {
            VersionAt::Head => self.name.fmt(f),
            VersionAt::Back(count) => write!(f, "{}@~{count}", self.name),
            VersionAt::Named(text) => write!(f, "{}@{text}", self.name),
        }
    }
}

fn is_word(text: &str) -> bool {
    text.len() <= MAX_TEXT
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'))
}

/// Checks that a text can be a tag.
///
/// # Errors
/// Why it cannot.
pub fn check_tag(text: &str) -> Result<(), &'static str> {
    if !is_word(text) {
        return Err(
            "a tag begins with a letter or digit and has letters, digits, '.', '_' and '-', at \
             most 64",
        );
    }
    if text == "latest" {
        return Err("'NAME@latest' is the newest record of a pipeline");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_back_from_their_texts() {
        for text in [
            "churn",
            "churn@v1.2",
            "churn@~0",
            "churn@~12",
            "churn@8c1f20b94d7e",
        ] {
            let spec: VersionSpec = text.parse().unwrap();
            assert_eq!(spec.to_string(), text);
        }
        for bad in [
            "",
            "@v1",
            "Churn",
            "churn@",
            "churn@~",
            "churn@~x",
            "churn@~9999999",
            "churn@a b",
            "churn@-v",
            "data/churn.csv",
            "churn@v@1",
        ] {
            assert!(bad.parse::<VersionSpec>().is_err(), "{bad}");
        }
        for text in ["churn@v1", "data:8c1f", "data:8c1f20b94d7e"] {
            let version: VersionRef = text.parse().unwrap();
            assert_eq!(version.to_string(), text);
        }
        for bad in ["data:", "data:8c1", "data:8C1F", "data:xyzw", "8c:1f20"] {
            assert!(bad.parse::<VersionRef>().is_err(), "{bad}");
        }
        assert!(check_tag("2026-11").is_ok());
        for bad in ["", "~1", "a/b", "latest"] {
            assert!(check_tag(bad).is_err(), "{bad}");
        }
    }
}
