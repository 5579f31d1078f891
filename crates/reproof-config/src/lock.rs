//! `reproof.lock`: which version each data source is pinned to, which closures an environment is
//! known to have, and what came out of steps that nothing else can pin.
//!
//! One entry a line, the sources first, sorted, so that git merges it; a line is one JSON object.

use std::collections::{BTreeMap, BTreeSet};

use reproof_record::{Artifact, Digest, MAX_SAFE_INTEGER, Schema, StepKey, StepName};
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

use crate::diagnostic::{Diagnostics, Report, Sources, Span};
use crate::names::shown;

/// The first line. Its version is raised when an older Reproof would misread what follows.
const HEADER: &str = "# reproof.lock/1: written by reproof, to be committed with the code";
const FORMAT: &str = "# reproof.lock/";

/// The largest lock file, in bytes.
const MAX_LOCK: usize = 16 << 20;

/// A data source pinned to a version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LockEntry {
    /// The source: [`DataSource::key`](crate::DataSource::key), or `version:` and a version of named
    /// data.
    pub source: String,
    /// The version's table.
    pub version: Artifact,
    /// How many rows it has.
    pub rows: u64,
    /// The digest of the source's bytes.
    pub source_digest: Digest,
    /// Its columns and their types.
    #[serde(rename = "columns")]
    pub schema: Schema,
}

/// A closure that was made by the specification of an environment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ClosureEntry {
    /// The digest of the specification.
    environment: Digest,
    /// The digest of the closure's tree.
    closure: Digest,
}

/// What came out of a step that may make something else each time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StepPin {
    /// The pipeline's name.
    pub pipeline: String,
    /// The step.
    pub step: StepName,
    /// Its key: what went in.
    pub key: StepKey,
    /// What came out.
    pub outputs: BTreeMap<StepName, Artifact>,
}

/// What `reproof.lock` says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lock {
    entries: BTreeMap<String, LockEntry>,
    closures: BTreeSet<ClosureEntry>,
    pins: BTreeMap<(String, StepName), StepPin>,
}

impl Lock {
    /// What came out of a step of a pipeline when it was last pinned.
    pub fn pin(&self, pipeline: &str, step: &StepName) -> Option<&StepPin> {
        self.pins.get(&(pipeline.to_owned(), step.clone()))
    }

    /// Pins what came out of a step, in place of what was pinned before.
    pub fn set_pin(&mut self, pin: StepPin) {
        self.pins
            .insert((pin.pipeline.clone(), pin.step.clone()), pin);
    }

    /// The entry of a source, by its key.
    pub fn get(&self, source: &str) -> Option<&LockEntry> {
        self.entries.get(source)
    }

    /// Pins a source, in place of what it was pinned to before.
    pub fn set(&mut self, entry: LockEntry) {
        self.entries.insert(entry.source.clone(), entry);
    }

    /// All entries, sorted by source.
    pub fn entries(&self) -> impl Iterator<Item = &LockEntry> {
        self.entries.values()
    }

    /// The closures that the environment of this specification is known to have, sorted.
    pub fn closures(&self, specification: &Digest) -> Vec<Digest> {
        let closures = self.closures.iter();
        closures
            .filter(|entry| entry.environment == *specification)
            .map(|entry| entry.closure)
            .collect()
    }

    /// Whether any environment has this closure.
    pub fn has_closure(&self, closure: &Digest) -> bool {
        self.closures.iter().any(|entry| entry.closure == *closure)
    }

    /// Adds a closure to those that the environment of this specification is known to have.
    pub fn add_closure(&mut self, specification: Digest, closure: Digest) {
        self.closures.insert(ClosureEntry {
            environment: specification,
            closure,
        });
    }

    /// The text of the file.
    pub fn to_text(&self) -> String {
        let mut text = String::from(HEADER);
        text.push('\n');
        let entries = self.entries.values().map(serde_json::to_string);
        let closures = self.closures.iter().map(serde_json::to_string);
        let pins = self.pins.values().map(serde_json::to_string);
        // An entry is texts, digests and an integer: it always has a JSON form.
        for line in entries.chain(closures).chain(pins).flatten() {
            text.push_str(&line);
            text.push('\n');
        }
        text
    }
}

/// Parses `reproof.lock`. `file` is its name for messages.
///
/// # Errors
/// Every line that is not an entry, such as the marks of a merge that is not resolved.
pub fn parse_lock(file: &str, text: &str) -> Result<Lock, Diagnostics> {
    let mut sources = Sources::default();
    let source = sources.add(file, text);
    let mut report = Report::new(&sources);
    let mut reader = Reader {
        source,
        entries: BTreeMap::new(),
        closures: BTreeSet::new(),
        pins: BTreeMap::new(),
    };
    if text.len() > MAX_LOCK {
        let message = format!("the lock file is larger than {MAX_LOCK} bytes");
        report.error(reader.span(0, 0), message);
        report.finish()?;
        return Ok(Lock::default());
    }
    let mut start = 0;
    for (index, piece) in text.split_inclusive('\n').enumerate() {
        let line = piece.trim_end_matches(['\n', '\r']);
        let span = reader.span(start, start + line.len());
        if index == 0 {
            check_header(line, span, &mut report);
        } else {
            reader.line(line, index + 1, span, &mut report);
        }
        start += piece.len();
    }
    if text.is_empty() {
        check_header("", reader.span(0, 0), &mut report);
    }
    report.finish()?;
    let entries = reader.entries.into_iter();
    Ok(Lock {
        entries: entries
            .map(|(source, (_, entry))| (source, entry))
            .collect(),
        closures: reader.closures,
        pins: reader
            .pins
            .into_iter()
            .map(|(place, (_, pin))| (place, pin))
            .collect(),
    })
}

fn check_header(line: &str, span: Span, report: &mut Report<'_>) {
    if conflict(line) {
        report_conflict(span, report);
        return;
    }
    let version = line.strip_prefix(FORMAT).and_then(|rest| {
        let digits = rest.split(|c: char| !c.is_ascii_digit()).next()?;
        digits.parse::<u32>().ok()
    });
    match version {
        Some(1) => {}
        Some(version) => {
            let message = format!("the lock file has format {version}; this version reads 1");
            report.hinted(span, message, "use the version of reproof that wrote it");
        }
        None => report.hinted(
            span,
            "this is not a lock file: its first line must begin with '# reproof.lock/1'",
            "restore it with git, or delete it and let 'reproof run' write it anew",
        ),
    }
}

/// Whether git wrote this line into a file that it could not merge.
fn conflict(line: &str) -> bool {
    ["<<<<<<<", "=======", ">>>>>>>", "|||||||"]
        .iter()
        .any(|mark| line.starts_with(mark))
}

fn report_conflict(span: Span, report: &mut Report<'_>) {
    report.hinted(
        span,
        "a merge conflict that is not resolved",
        "keep one line for each source and every line of an environment, and delete git's marks; \
         'reproof run' pins what is there",
    );
}

struct Reader {
    source: usize,
    /// The entries, each with the line it stands in.
    entries: BTreeMap<String, (usize, LockEntry)>,
    closures: BTreeSet<ClosureEntry>,
    pins: BTreeMap<(String, StepName), (usize, StepPin)>,
}

/// What tells a line of an environment, or of a step, from one of a source.
#[derive(Deserialize)]
struct Probe {
    environment: Option<IgnoredAny>,
    step: Option<IgnoredAny>,
}

/// A line as an entry.
fn read_line<'a, T: Deserialize<'a>>(
    line: &'a str,
    span: Span,
    report: &mut Report<'_>,
) -> Option<T> {
    let error = match serde_json::from_str(line) {
        Ok(entry) => return Some(entry),
        Err(error) => error,
    };
    // serde_json counts bytes of the line, from 1.
    let mut at = error.column().saturating_sub(1).min(line.len());
    while !line.is_char_boundary(at) {
        at -= 1;
    }
    let text = error.to_string();
    let reason = text.split(" at line ").next().unwrap_or(&text);
    let span = Span {
        start: span.start + at,
        ..span
    };
    report.error(
        span,
        format!("not an entry of a lock file: {}", shown(reason)),
    );
    None
}

impl Reader {
    fn span(&self, start: usize, end: usize) -> Span {
        Span {
            source: self.source,
            start,
            end,
        }
    }

    fn line(&mut self, line: &str, number: usize, span: Span, report: &mut Report<'_>) {
        if line.trim().is_empty() {
            return;
        }
        if conflict(line) {
            report_conflict(span, report);
            return;
        }
        let probe = serde_json::from_str::<Probe>(line).ok();
        if probe
            .as_ref()
            .is_some_and(|probe| probe.environment.is_some())
        {
            self.closures
                .extend(read_line::<ClosureEntry>(line, span, report));
        } else if probe.is_some_and(|probe| probe.step.is_some()) {
            if let Some(pin) = read_line::<StepPin>(line, span, report) {
                let what = format!("{} of pipeline {}", pin.step, pin.pipeline);
                let place = (pin.pipeline.clone(), pin.step.clone());
                insert(&mut self.pins, place, &what, (number, pin), span, report);
            }
        } else if let Some(entry) = read_line::<LockEntry>(line, span, report) {
            if entry.rows > MAX_SAFE_INTEGER {
                report.error(span, "not an entry of a lock file: too many rows");
                return;
            }
            let source = entry.source.clone();
            let place = source.clone();
            insert(
                &mut self.entries,
                place,
                &source,
                (number, entry),
                span,
                report,
            );
        }
    }
}

/// Takes what a line pins; of two lines for one thing both must say the same.
fn insert<K: Ord, V: PartialEq>(
    into: &mut BTreeMap<K, (usize, V)>,
    place: K,
    what: &str,
    (number, pinned): (usize, V),
    span: Span,
    report: &mut Report<'_>,
) {
    match into.get(&place) {
        Some((first, known)) if *known != pinned => {
            let message = format!("'{}' is pinned twice", shown(what));
            let hint = format!("keep either this line or line {first}");
            report.hinted(span, message, hint);
        }
        Some(_) => {}
        None => {
            into.insert(place, (number, pinned));
        }
    }
}

#[cfg(test)]
mod tests {
    use reproof_record::{ArtifactKind, Column, LogicalType};

    use super::*;

    fn entry(source: &str, rows: u64) -> LockEntry {
        let column = Column {
            name: "é \"x\"\n".to_owned(),
            logical_type: LogicalType::Float,
        };
        LockEntry {
            source: source.to_owned(),
            version: Artifact {
                kind: ArtifactKind::Table,
                digest: Digest::of(source.as_bytes()),
            },
            rows,
            source_digest: Digest::of(b"bytes"),
            schema: Schema::new(vec![column]).unwrap(),
        }
    }

    fn errors(text: &str) -> Vec<String> {
        let errors = parse_lock("reproof.lock", text).unwrap_err();
        errors
            .iter()
            .map(|found| format!("{}:{}: {}", found.line, found.column, found.message))
            .collect()
    }

    #[test]
    fn it_is_read_back_sorted_a_line_an_entry() {
        let mut lock = Lock::default();
        lock.set(entry("csv:b.csv", 1));
        lock.set(entry("csv:a.csv", 1));
        lock.set(entry("csv:b.csv", 2));
        let text = lock.to_text();
        assert_eq!(text.lines().count(), 3);
        assert!(
            text.lines()
                .nth(1)
                .unwrap()
                .starts_with(r#"{"source":"csv:a.csv","version":{"#)
        );
        assert_eq!(parse_lock("f", &text).unwrap(), lock);
        assert_eq!(parse_lock("f", &text.replace('\n', "\r\n")).unwrap(), lock);
        let swapped: Vec<_> = [0, 2, 1, 2]
            .iter()
            .map(|index| text.lines().nth(*index).unwrap())
            .collect();
        assert_eq!(parse_lock("f", &swapped.join("\n")).unwrap(), lock);
    }

    #[test]
    fn closures_of_environments_are_lines_of_their_own() {
        let [first, second] = [b"1", b"2"].map(|bytes| Digest::of(bytes));
        let mut lock = Lock::default();
        lock.set(entry("csv:b.csv", 1));
        let without = lock.to_text();
        assert_eq!(lock.closures(&first), []);
        for closure in [b"x", b"y", b"x"] {
            lock.add_closure(first, Digest::of(closure));
        }
        lock.add_closure(second, Digest::of(b"x"));
        let text = lock.to_text();
        // The lines of data stand as before, and those of closures after them.
        let lines = text.strip_prefix(&without).unwrap();
        assert_eq!(lines.lines().count(), 3);
        assert!(lines.lines().is_sorted());
        let line = format!(
            r#"{{"environment":"{second}","closure":"{}"}}"#,
            Digest::of(b"x")
        );
        assert!(lines.lines().any(|other| other == line), "{lines}");
        assert_eq!(lock.closures(&second), [Digest::of(b"x")]);
        assert_eq!(lock.closures(&first).len(), 2);
        // However git merged the lines of two, it is their union.
        let mut other = lock.clone();
        other.add_closure(second, Digest::of(b"z"));
        let both = format!("{text}{}", &other.to_text()[HEADER.len()..]);
        assert_eq!(parse_lock("f", &both).unwrap(), other);
        let bad = line.replace("closure", "closer");
        assert!(errors(&format!("{HEADER}\n{bad}\n"))[0].contains("unknown field `closer`"));
    }

    #[test]
    fn what_came_out_of_unpinned_steps_stands_last() {
        let pin = |step: &str, bytes: &[u8]| {
            let digest = Digest::of(bytes);
            let kind = ArtifactKind::Files;
            StepPin {
                pipeline: "weekly".to_owned(),
                step: step.parse().unwrap(),
                key: StepKey::from_digest(digest),
                outputs: [("rows".parse().unwrap(), Artifact { kind, digest })].into(),
            }
        };
        let mut lock = Lock::default();
        lock.set(entry("csv:b.csv", 1));
        lock.add_closure(Digest::of(b"1"), Digest::of(b"2"));
        let without = lock.to_text();
        lock.set_pin(pin("fetch", b"old"));
        lock.set_pin(pin("fetch", b"new"));
        lock.set_pin(pin("ask", b"x"));
        let text = lock.to_text();
        let lines = text.strip_prefix(&without).unwrap();
        assert_eq!(lines.lines().count(), 2);
        assert!(lines.starts_with(r#"{"pipeline":"weekly","step":"ask","key":""#));
        assert_eq!(parse_lock("f", &text).unwrap(), lock);
        let fetch = "fetch".parse().unwrap();
        assert_eq!(lock.pin("weekly", &fetch), Some(&pin("fetch", b"new")));
        assert_eq!(lock.pin("daily", &fetch), None);
        let other = serde_json::to_string(&pin("fetch", b"other")).unwrap();
        let twice = "6:1: 'fetch of pipeline weekly' is pinned twice".to_owned();
        assert_eq!(errors(&format!("{text}{other}\n")), [twice]);
        let bad = other.replace("outputs", "output");
        assert!(errors(&format!("{HEADER}\n{bad}\n"))[0].contains("unknown field `output`"));
    }

    #[test]
    fn conflicts_and_bad_lines_are_named_by_line() {
        let (a, b) = (entry("csv:a.csv", 1), entry("csv:a.csv", 2));
        let (a, b) = (
            serde_json::to_string(&a).unwrap(),
            serde_json::to_string(&b).unwrap(),
        );
        let conflict = "a merge conflict that is not resolved";
        assert_eq!(
            errors(&format!(
                "{HEADER}\n<<<<<<< HEAD\n{a}\n=======\n{b}\n>>>>>>> other\n"
            )),
            [
                format!("2:1: {conflict}"),
                format!("4:1: {conflict}"),
                "5:1: 'csv:a.csv' is pinned twice".to_owned(),
                format!("6:1: {conflict}"),
            ]
        );
        assert_eq!(
            errors(&format!("{HEADER}\n{a}\nnonsense\n")),
            ["3:2: not an entry of a lock file: expected ident"]
        );
        let unknown = a.replacen('{', r#"{"more":1,"#, 1);
        assert!(errors(&format!("{HEADER}\n{unknown}\n"))[0].contains("unknown field"));
    }

    #[test]
    fn other_files_and_later_formats_are_refused() {
        assert!(errors("")[0].contains("not a lock file"));
        assert!(errors("{}\n")[0].contains("not a lock file"));
        assert_eq!(
            errors("# reproof.lock/2: x\n"),
            ["1:1: the lock file has format 2; this version reads 1"]
        );
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_taken_or_refused(text in "(\\PC|\\n){0,80}") {
            let _ = parse_lock("f", &format!("{HEADER}\n{text}"));
            let _ = parse_lock("f", &text);
        }
    }
}
