//! Requirements with hashes, in one normal form.
//!
//! Only pins count: a name, one exact version, a marker and the hashes of the files that may be
//! installed. Where the files are fetched from does not, since the hashes decide what they are; so
//! options that name an index are dropped, and with them any password that stands there.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::error::{EnvironmentError, RequirementProblem};

/// How long a requirements file may be.
const LIMIT: usize = 32 << 20;

/// Options that say where packages come from or how the installer behaves. The hashes decide what
/// is installed, so these are dropped.
const DROPPED: [&str; 16] = [
    "--index-url",
    "-i",
    "--extra-index-url",
    "--find-links",
    "-f",
    "--no-index",
    "--trusted-host",
    "--pre",
    "--prefer-binary",
    "--require-hashes",
    "--only-binary",
    "--no-binary",
    "--use-feature",
    "--default-index",
    "--index",
    "--no-build-isolation",
];

/// One pinned package.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pin {
    /// Its name, normalised as the packaging standard says: lower case, runs of `-_.` as `-`.
    pub name: String,
    /// Its exact version.
    pub version: String,
    /// Where it is installed at all, such as `sys_platform == 'linux'`; empty if everywhere.
    pub marker: String,
    /// The hashes of its files, as `sha256:…`.
    pub hashes: BTreeSet<String>,
}

/// Pinned packages, sorted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Requirements {
    pins: Vec<Pin>,
}

/// What a requirements file says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parsed {
    /// The pins.
    pub requirements: Requirements,
    /// Options that were dropped, by line; only their names, for a value may hold a password.
    pub dropped: Vec<(usize, String)>,
}

impl Requirements {
    /// Reads a requirements file in which everything is pinned and hashed. All problems are
    /// reported at once.
    pub fn parse(text: &str) -> Result<Parsed, EnvironmentError> {
        let mut problems = Vec::new();
        let mut dropped = Vec::new();
        let mut pins: BTreeMap<(String, String, String), BTreeSet<String>> = BTreeMap::new();
        if text.len() > LIMIT {
            let what = format!("the file is larger than {LIMIT} bytes");
            return Err(EnvironmentError::Requirements(vec![RequirementProblem {
                line: 1,
                what,
            }]));
        }
        for (line, entry) in logical_lines(text) {
            match parse_entry(&entry) {
                Ok(Entry::Dropped(option)) => dropped.push((line, option)),
                Ok(Entry::Pin(pin)) => pins
                    .entry((pin.name, pin.version, pin.marker))
                    .or_default()
                    .extend(pin.hashes),
                Err(what) => problems.push(RequirementProblem { line, what }),
            }
        }
        if !problems.is_empty() {
            return Err(EnvironmentError::Requirements(problems));
        }
        let pins = pins
            .into_iter()
            .map(|((name, version, marker), hashes)| Pin {
                name,
                version,
                marker,
                hashes,
            });
        Ok(Parsed {
            requirements: Self {
                pins: pins.collect(),
            },
            dropped,
        })
    }

    /// The pins, sorted by name, version and marker.
    pub fn pins(&self) -> &[Pin] {
        &self.pins
    }
}

/// The normal form, which is a requirements file itself.
impl fmt::Display for Requirements {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for pin in &self.pins {
            write!(f, "{}=={}", pin.name, pin.version)?;
            if !pin.marker.is_empty() {
                write!(f, " ; {}", pin.marker)?;
            }
            for hash in &pin.hashes {
                write!(f, " \\\n    --hash={hash}")?;
            }
            f.write_str("\n")?;
        }
        Ok(())
    }
}

impl Serialize for Requirements {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Requirements {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Ok(Self::parse(&text).map_err(de::Error::custom)?.requirements)
    }
}

/// The name as the packaging standard compares names.
pub(crate) fn normal_name(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for character in name.chars() {
        if matches!(character, '-' | '_' | '.') {
            if !out.ends_with('-') {
                out.push('-');
            }
        } else {
            out.push(character.to_ascii_lowercase());
        }
    }
    out
}

/// Lines with continuations joined and comments removed, each with the number it begins at.
fn logical_lines(text: &str) -> Vec<(usize, String)> {
    let mut lines = Vec::new();
    let mut open: Option<(usize, String)> = None;
    for (index, line) in text.lines().enumerate() {
        let (content, continues) = match without_comment(line) {
            (content, false) => match content.strip_suffix('\\') {
                Some(content) => (content, true),
                None => (content, false),
            },
            (content, true) => (content, false),
        };
        let (_, joined) = open.get_or_insert_with(|| (index + 1, String::new()));
        joined.push_str(content);
        joined.push(' ');
        if !continues {
            lines.extend(open.take());
        }
    }
    lines.extend(open);
    lines
        .into_iter()
        .map(|(line, text)| (line, text.trim().to_owned()))
        .filter(|(_, text)| !text.is_empty())
        .collect()
}

/// The line before its comment, and whether it had one. A `#` begins a comment at the start of a
/// line or after white space.
fn without_comment(line: &str) -> (&str, bool) {
    let begins = |(at, _): &(usize, &str)| {
        let before = line.get(..*at).unwrap_or_default();
        before.is_empty() || before.ends_with([' ', '\t'])
    };
    match line.match_indices('#').find(begins) {
        Some((at, _)) => (line.get(..at).unwrap_or_default().trim_end(), true),
        None => (line.trim_end(), false),
    }
}

enum Entry {
    Pin(Pin),
    Dropped(String),
}

fn parse_entry(text: &str) -> Result<Entry, String> {
    if text.starts_with('-') {
        return option(text);
    }
    let (requirement, options) = match text.find(" --") {
        Some(at) => text.split_at(at),
        None => (text, ""),
    };
    let (specifier, marker) = match requirement.split_once(';') {
        Some((specifier, marker)) => (specifier, marker),
        None => (requirement, ""),
    };
    let (name, version) = name_and_version(specifier.trim())?;
    let hashes = hashes(&name, options)?;
    Ok(Entry::Pin(Pin {
        name,
        version,
        marker: normal_marker(marker)?,
        hashes,
    }))
}

/// An option on a line of its own. Only its name is ever shown.
fn option(text: &str) -> Result<Entry, String> {
    let name = text.split(['=', ' ', '\t']).next().unwrap_or_default();
    match name {
        "-r" | "--requirement" | "-c" | "--constraint" => Err(format!(
            "'{name}' names another file: put everything into one with `reproof env lock`"
        )),
        "-e" | "--editable" => Err(format!(
            "'{name}' installs a folder that can change: code of the project is captured by itself"
        )),
        _ if DROPPED.contains(&name) => Ok(Entry::Dropped(name.to_owned())),
        _ => Err("this option is not known".to_owned()),
    }
}

fn name_and_version(specifier: &str) -> Result<(String, String), String> {
    let from_elsewhere = "it comes from a repository, an address or a path: only packages of a \
                          registry can be pinned here";
    let end = specifier
        .find(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '-' | '_' | '.'))
        .unwrap_or(specifier.len());
    let (name, rest) = specifier.split_at(end);
    let alphanumeric = |c: char| c.is_ascii_alphanumeric();
    if rest.starts_with([':', '/', '+', '\\', '~']) && !rest.starts_with("~=")
        || rest.trim_start().starts_with('@')
    {
        return Err(from_elsewhere.to_owned());
    }
    if !name.starts_with(alphanumeric) || !name.ends_with(alphanumeric) {
        let path = specifier.starts_with(['.', '/', '~', '\\']);
        let what = if path {
            from_elsewhere
        } else {
            "it does not begin with a package's name"
        };
        return Err(what.to_owned());
    }
    let name = normal_name(name);
    let version = without_extras(rest.trim()).and_then(|rest| rest.strip_prefix("=="));
    let unpinned =
        || format!("'{name}' is not pinned to one version (name==version): run `reproof env lock`");
    let version = version.map(str::trim).ok_or_else(unpinned)?;
    let valid = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '!' | '+' | '-' | '_');
    if version.is_empty() || !version.chars().all(valid) {
        return Err(unpinned());
    }
    Ok((name, version.to_ascii_lowercase()))
}

/// What follows `[extra, …]`, if that is there. Extras add requirements; here each requirement
/// stands by itself, so they change nothing.
fn without_extras(rest: &str) -> Option<&str> {
    match rest.strip_prefix('[') {
        None => Some(rest),
        Some(inside) => inside.split_once(']').map(|(_, rest)| rest.trim_start()),
    }
}

/// How many hexadecimal digits a hash of this kind has.
fn hash_length(kind: &str) -> Option<usize> {
    match kind {
        "sha256" => Some(64),
        "sha384" => Some(96),
        "sha512" => Some(128),
        _ => None,
    }
}

fn hashes(name: &str, options: &str) -> Result<BTreeSet<String>, String> {
    let mut hashes = BTreeSet::new();
    let mut words = options.split_whitespace();
    while let Some(word) = words.next() {
        let value = match word.strip_prefix("--hash") {
            Some("") => words.next().unwrap_or_default(),
            Some(rest) => rest.strip_prefix('=').unwrap_or_default(),
            None => return Err(format!("'{name}' has an option that is not --hash")),
        };
        let (kind, digits) = value.split_once(':').unwrap_or_default();
        let right = hash_length(kind) == Some(digits.len())
            && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !right {
            return Err(format!(
                "'{name}' has a hash that is none: --hash=sha256: and 64 hexadecimal digits"
            ));
        }
        hashes.insert(format!("{kind}:{}", digits.to_ascii_lowercase()));
    }
    if hashes.is_empty() {
        return Err(format!(
            "'{name}' has no hash (--hash=sha256:…): run `reproof env lock`"
        ));
    }
    Ok(hashes)
}

/// A marker with single spaces between its words and single quotes round its texts.
fn normal_marker(marker: &str) -> Result<String, String> {
    let mut out = String::with_capacity(marker.len());
    let mut rest = marker.trim();
    while let Some(first) = rest.chars().next() {
        let take = match first {
            '\'' | '"' => {
                let inside = rest.get(1..).unwrap_or_default();
                let end = inside.find(first).ok_or("its marker has an open quote")?;
                end + 2
            }
            '(' | ')' => 1,
            '<' | '>' | '=' | '!' | '~' => rest
                .find(|c| !matches!(c, '<' | '>' | '=' | '!' | '~'))
                .unwrap_or(rest.len()),
            _ => rest
                .find(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '_' | '.'))
                .unwrap_or(rest.len()),
        };
        if take == 0 {
            return Err("its marker cannot be understood".to_owned());
        }
        let (token, after) = rest
            .split_at_checked(take)
            .ok_or("its marker cannot be understood")?;
        if !out.is_empty() && !out.ends_with('(') && token != ")" {
            out.push(' ');
        }
        match token
            .strip_prefix('"')
            .and_then(|text| text.strip_suffix('"'))
        {
            Some(text) if !text.contains('\'') => out.push_str(&format!("'{text}'")),
            _ => out.push_str(token),
        }
        rest = after.trim_start();
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn hash(digit: &str) -> String {
        format!("--hash=sha256:{}", digit.repeat(64))
    }

    fn problems(text: &str) -> Vec<RequirementProblem> {
        match Requirements::parse(text) {
            Err(EnvironmentError::Requirements(problems)) => problems,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_normal_form() {
        let text = format!(
            "# a comment\n-i https://user:secret@example.org/simple\n\
             Foo_Bar[Extra,other] == 1.0RC1 ; python_version<\"3.12\"   and (sys_platform=='linux') \\\n  \
             {}  \\\n  {}\n\nabc==2+Local {} # tail\n",
            hash("B"),
            hash("a"),
            hash("0"),
        );
        let parsed = Requirements::parse(&text).unwrap();
        assert_eq!(parsed.dropped, [(2, "-i".to_owned())]);
        let expect = format!(
            "abc==2+local \\\n    {}\nfoo-bar==1.0rc1 ; python_version < '3.12' and \
             (sys_platform == 'linux') \\\n    {} \\\n    {}\n",
            hash("0"),
            hash("a"),
            hash("b"),
        );
        assert_eq!(parsed.requirements.to_string(), expect);
    }

    #[test]
    fn every_problem_has_its_line() {
        let text = format!(
            "six\nsix>=1 {h}\nsix==1.*  {h}\nok==1 {h}\nno-hash==1\n-r other.txt\n-e .\n\
             git+https://token:secret@example.org/x\nx @ https://u:secret@example.org/x.whl {h}\n\
             ./local\nsix==1 \\\n  --hash=md5:00\n--unknown secret\nsix==1 --global-option=secret\n\
             six==1;'open {h}\nfile:///secret\nsix~=1.0 {h}\n",
            h = hash("a")
        );
        let found = problems(&text);
        let lines: Vec<usize> = found.iter().map(|problem| problem.line).collect();
        assert_eq!(lines, [1, 2, 3, 5, 6, 7, 8, 9, 10, 11, 13, 14, 15, 16, 17]);
        let said = EnvironmentError::Requirements(found).to_string();
        assert!(!said.contains("secret"), "{said}");
        assert!(said.contains("line 1: 'six' is not pinned to one version"));
        assert!(said.contains("reproof env lock"));
    }

    #[test]
    fn one_package_with_two_markers_stays_two() {
        let text = format!(
            "numpy==1 ; python_version < '3.10' {h}\nnumpy==2 ; python_version >= '3.10' {h}\n",
            h = hash("a")
        );
        let parsed = Requirements::parse(&text).unwrap();
        assert_eq!(parsed.requirements.pins().len(), 2);
    }

    proptest! {
        #[test]
        fn any_text_is_taken_or_refused(text in "[a-z=;#\\\\'\" \n@:/\\-é\\[\\]0-9.]{0,80}") {
            let _ = Requirements::parse(&text);
        }

        #[test]
        fn the_normal_form_is_its_own(
            pins in proptest::collection::vec(
                ("[a-zA-Z][a-zA-Z0-9._-]{0,6}[a-z]", "[0-9]{1,2}(\\.[0-9]){0,2}", "[0-9a-fA-F]{64}",
                 proptest::bool::ANY),
                0..5,
            ),
        ) {
            let line = |(name, version, hash, marked): &(String, String, String, bool)| {
                let marker = if *marked { ";  os_name==\"posix\"" } else { "" };
                format!("{name}=={version}{marker} --hash=sha256:{hash}\n")
            };
            let text: String = pins.iter().map(line).collect();
            let reversed: String = pins.iter().rev().map(line).collect();
            let once = Requirements::parse(&text).unwrap().requirements;
            prop_assert_eq!(&once, &Requirements::parse(&reversed).unwrap().requirements);
            let again = Requirements::parse(&once.to_string()).unwrap().requirements;
            prop_assert_eq!(once, again);
        }
    }
}
