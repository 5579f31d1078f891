//! How far outputs moved, by their formats: tables, documents, arrays and pictures by value, texts by line,
//! archives by what they hold. `why` tells it, and `verify` judges it by a tolerance.

mod arrays;
mod packing;
mod picture;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;

use reproof_record::{Apart, Artifact, ArtifactKind, Digest, Distance, Tolerance, Tree};
use reproof_store::fs::IoError;
use reproof_table::{TableError, TableMoved, table_distance, table_moved};
use serde::Serialize;
use serde_json::Value;

use crate::{EngineError, Project};

pub use arrays::ArrayMoved;
use packing::{archive, gzip, is_pickle, text};

/// The largest file that is compared by its format, in bytes.
const MAX_FILE: u64 = 64 << 20;
/// How many values of a document are given.
const EXAMPLES: usize = 5;
/// The longest text of a value that is given, in characters.
const MAX_SHOWN: usize = 200;
/// How many bytes are compared at a time.
const BUFFER: usize = 64 << 10;
/// What the first member of a zip archive begins with.
const ZIP: &[u8] = b"PK\x03\x04";

/// How a file of an output differs.
#[derive(Clone, Debug, Serialize)]
pub struct FileMoved {
    /// The file, below the output.
    pub path: String,
    /// What of it differs.
    pub content: ContentMoved,
}

/// What differs of a file.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum ContentMoved {
    /// Only the second has it.
    Added,
    /// Only the first has it.
    Removed,
    /// It may be executed in one of them.
    Executable,
    /// Values of a document of JSON.
    Json {
        /// How many values differ.
        values: u64,
        /// The first of them.
        examples: Vec<ValueMoved>,
        /// The largest difference of two numbers; none if none differ.
        largest: Option<f64>,
        /// The same in units of the last place.
        ulps: Option<u64>,
    },
    /// The same values of JSON are written in another way.
    JsonForm,
    /// Arrays of numbers: of `npy`, `npz` or `safetensors`.
    Arrays {
        /// The format.
        format: &'static str,
        /// Those that differ, by name.
        arrays: Vec<ArrayMoved>,
    },
    /// The dots of a picture.
    Picture {
        /// How many differ.
        dots: u64,
        /// Of how many.
        of: u64,
        /// The largest difference of a channel.
        largest: u64,
    },
    /// Lines of a text.
    Text {
        /// The first line that differs, counted from 1.
        line: u64,
        /// It, in both; none if there are not so many.
        lines: [Option<String>; 2],
    },
    /// An archive or compressed file that holds the same, with other times or in another order.
    Packing {
        /// Its format.
        format: &'static str,
    },
    /// An archive whose members differ.
    Members {
        /// Their names.
        names: Vec<String>,
    },
    /// A pickle, of which only bytes can be compared.
    Pickle {
        /// The first byte that differs, counted from 0.
        first: u64,
    },
    /// Any other bytes.
    Bytes {
        /// The first byte that differs, counted from 0.
        first: u64,
        /// How many bytes there are.
        sizes: [u64; 2],
    },
}

/// A value of a document that differs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ValueMoved {
    /// Where it stands: `trees[3].threshold`.
    pub path: String,
    /// What stands there, as JSON; none if nothing does.
    pub values: [Option<String>; 2],
}

/// How far an output moved.
#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Moved {
    /// A table.
    Table(TableMoved),
    /// The files that differ.
    Files(Vec<FileMoved>),
    /// It cannot be said, and why.
    Unknown(String),
}

/// Two values that differ, as whoever judges them is told.
pub(crate) enum Unequal {
    /// Numbers.
    Numbers(Apart),
    /// Something else.
    Other,
}

/// Told of each pair of values that differ.
type Show<'s> = &'s mut dyn FnMut(&Unequal);

/// How far an output moved.
pub(crate) fn moved(
    project: &Project,
    artifacts: [Option<Artifact>; 2],
) -> Result<Moved, EngineError> {
    let kinds = artifacts.map(|artifact| artifact.map(|artifact| artifact.kind));
    let digests = artifacts.map(|artifact| artifact.map(|artifact| artifact.digest));
    let [Some(before), Some(after)] = digests else {
        return Ok(Moved::Unknown("only one of them has it".to_owned()));
    };
    let digests = [before, after];
    if kinds[0] != kinds[1] {
        return Ok(Moved::Unknown("they are of different kinds".to_owned()));
    }
    for (digest, which) in digests.iter().zip(["first", "second"]) {
        if !project.store.contains(digest)? {
            return Ok(Moved::Unknown(format!("that of the {which} is not here")));
        }
    }
    if kinds[0] == Some(ArtifactKind::Table) {
        let moved = table_moved(&project.store, [&digests[0], &digests[1]]);
        return Ok(match moved {
            Ok(moved) => Moved::Table(moved),
            Err(TableError::Store(error)) => return Err(error.into()),
            Err(error) => Moved::Unknown(error.to_string()),
        });
    }
    let [before, after] = [
        project.store.tree(&digests[0])?,
        project.store.tree(&digests[1])?,
    ];
    files(project, &before, &after).map(Moved::Files)
}

fn files(project: &Project, before: &Tree, after: &Tree) -> Result<Vec<FileMoved>, EngineError> {
    let mut moved = Vec::new();
    for (path, digests) in differing_files(before, after) {
        let content = match digests {
            [None, _] => ContentMoved::Added,
            [_, None] => ContentMoved::Removed,
            [Some(before), Some(after)] if before == after => ContentMoved::Executable,
            [Some(before), Some(after)] => content(project, &path, [&before, &after], &mut |_| {})?,
        };
        moved.push(FileMoved { path, content });
    }
    Ok(moved)
}

/// How far an output is from what a record says, as judged by a tolerance. Both are in the store.
///
/// # Errors
/// What cannot be read.
pub(crate) fn distance(
    project: &Project,
    artifacts: [&Artifact; 2],
    tolerance: &Tolerance,
) -> Result<Distance, EngineError> {
    let [before, after] = artifacts;
    if before.kind == ArtifactKind::Table {
        let tables = [&before.digest, &after.digest];
        return table_distance(&project.store, tables, tolerance).map_err(|error| match error {
            TableError::Store(error) => error.into(),
            error => EngineError::Damaged {
                what: format!("table {}", before.digest.short()),
                reason: error.to_string(),
            },
        });
    }
    let mut found = Distance::default();
    let [before, after] = [
        project.store.tree(&before.digest)?,
        project.store.tree(&after.digest)?,
    ];
    for (path, digests) in differing_files(&before, &after) {
        let [Some(before), Some(after)] = digests else {
            found.refuse(format!("only one of them has the file {path}"));
            continue;
        };
        if before == after {
            found.refuse(format!("{path} may be executed in one of them"));
            continue;
        }
        let content = content(
            project,
            &path,
            [&before, &after],
            &mut |unequal| match unequal {
                Unequal::Numbers(apart) => found.apart(apart, tolerance),
                Unequal::Other => found.other(),
            },
        )?;
        if let Some(reason) = without_values(&content) {
            found.refuse(format!("{path}: {reason}"));
        }
    }
    Ok(found)
}

/// Why a file cannot be within any tolerance.
fn without_values(content: &ContentMoved) -> Option<&'static str> {
    match content {
        ContentMoved::Json { .. }
        | ContentMoved::JsonForm
        | ContentMoved::Packing { .. }
        | ContentMoved::Picture { .. } => None,
        ContentMoved::Arrays { arrays, .. } => arrays
            .iter()
            .any(|array| array.shape.is_some())
            .then_some("arrays of other names, types or shapes"),
        ContentMoved::Added | ContentMoved::Removed | ContentMoved::Executable => {
            Some("it is another file")
        }
        ContentMoved::Pickle { .. } => Some(
            "a pickle has no values to compare: write JSON, numpy.save, safetensors, Parquet or the \
             library's own format",
        ),
        ContentMoved::Members { .. } => Some("an archive whose members differ"),
        ContentMoved::Text { .. } => Some("a text has no numbers to compare"),
        ContentMoved::Bytes { .. } => Some(
            "its format is not known: JSON, npy, npz, safetensors, PNG and tables are compared by value",
        ),
    }
}

/// The files that differ between two trees, by path.
pub(crate) fn differing_files(
    before: &Tree,
    after: &Tree,
) -> BTreeMap<String, [Option<Digest>; 2]> {
    let entries = |tree: &Tree| -> BTreeMap<String, (Digest, bool)> {
        let entries = tree.files.iter();
        entries
            .map(|entry| (entry.path.to_string(), (entry.digest, entry.executable)))
            .collect()
    };
    let [before, after] = [entries(before), entries(after)];
    let paths: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    paths
        .into_iter()
        .filter(|path| before.get(*path) != after.get(*path))
        .map(|path| {
            let digests = [&before, &after].map(|side| side.get(path).map(|(digest, _)| *digest));
            (path.clone(), digests)
        })
        .collect()
}

fn content(
    project: &Project,
    path: &str,
    digests: [&Digest; 2],
    show: Show<'_>,
) -> Result<ContentMoved, EngineError> {
    let (first, sizes) = first_difference(project, digests)?;
    let other = ContentMoved::Bytes { first, sizes };
    if sizes[0].max(sizes[1]) > MAX_FILE {
        return Ok(other);
    }
    let [before, after] = [
        project.store.read(digests[0], MAX_FILE)?,
        project.store.read(digests[1], MAX_FILE)?,
    ];
    let files = [before.as_slice(), after.as_slice()];
    let found = gzip(files)
        .or_else(|| arrays::compare(files, show))
        .or_else(|| picture::compare(files, show))
        .or_else(|| archive(files))
        .or_else(|| json(files, show));
    let found = found.or_else(|| is_pickle(path, files).then_some(ContentMoved::Pickle { first }));
    Ok(found.or_else(|| text(files)).unwrap_or(other))
}

/// The first byte that differs, and the sizes.
fn first_difference(
    project: &Project,
    digests: [&Digest; 2],
) -> Result<(u64, [u64; 2]), EngineError> {
    let mut sides = [
        project.store.reader(digests[0])?,
        project.store.reader(digests[1])?,
    ];
    let mut buffers = [vec![0; BUFFER], vec![0; BUFFER]];
    let (mut sizes, mut first) = ([0_u64; 2], None);
    loop {
        let mut read = [0; 2];
        for (side, reader) in sides.iter_mut().enumerate() {
            let root = project.store.root();
            read[side] = fill(reader, &mut buffers[side])
                .map_err(|source| IoError::new("read", root, source))?;
        }
        if first.is_none() {
            let [before, after] = &buffers;
            let mut pairs = before[..read[0]].iter().zip(&after[..read[1]]);
            let place = pairs.position(|(before, after)| before != after);
            let place = place.or((read[0] != read[1]).then_some(read[0].min(read[1])));
            first = place.map(|place| sizes[0] + place as u64);
        }
        sizes = [sizes[0] + read[0] as u64, sizes[1] + read[1] as u64];
        if read == [0; 2] {
            return Ok((first.unwrap_or(sizes[0]), sizes));
        }
    }
}

/// Fills a buffer as far as there are bytes.
fn fill(reader: &mut impl Read, buffer: &mut [u8]) -> std::io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match reader.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

fn json(files: [&[u8]; 2], show: Show<'_>) -> Option<ContentMoved> {
    let [before, after] = files.map(|file| serde_json::from_slice::<Value>(file).ok());
    let mut walk = Walk::new(show);
    walk.compare(&mut String::new(), Some(&before?), Some(&after?));
    Some(if walk.values == 0 {
        ContentMoved::JsonForm
    } else {
        ContentMoved::Json {
            values: walk.values,
            examples: walk.examples,
            largest: walk.largest,
            ulps: walk.ulps,
        }
    })
}

/// What was found of two documents.
struct Walk<'s> {
    show: Show<'s>,
    values: u64,
    examples: Vec<ValueMoved>,
    largest: Option<f64>,
    ulps: Option<u64>,
}

impl<'s> Walk<'s> {
    fn new(show: Show<'s>) -> Self {
        Self {
            show,
            values: 0,
            examples: Vec::new(),
            largest: None,
            ulps: None,
        }
    }

    fn compare(&mut self, path: &mut String, before: Option<&Value>, after: Option<&Value>) {
        let length = path.len();
        match (before, after) {
            (Some(Value::Object(before)), Some(Value::Object(after))) => {
                let only = after.keys().filter(|key| !before.contains_key(*key));
                for key in before.keys().chain(only) {
                    if length > 0 {
                        path.push('.');
                    }
                    path.push_str(key);
                    self.compare(path, before.get(key), after.get(key));
                    path.truncate(length);
                }
            }
            (Some(Value::Array(before)), Some(Value::Array(after))) => {
                for index in 0..before.len().max(after.len()) {
                    path.push_str(&format!("[{index}]"));
                    self.compare(path, before.get(index), after.get(index));
                    path.truncate(length);
                }
            }
            _ if before == after => {}
            _ => self.found(path, before, after),
        }
    }

    fn found(&mut self, path: &str, before: Option<&Value>, after: Option<&Value>) {
        self.values += 1;
        if self.examples.len() < EXAMPLES {
            self.examples.push(ValueMoved {
                path: path.to_owned(),
                values: [before, after]
                    .map(|value| value.map(|value| shortened(&value.to_string()))),
            });
        }
        let numbers = [before, after].map(|value| value.and_then(Value::as_f64));
        let [Some(before), Some(after)] = numbers else {
            return (self.show)(&Unequal::Other);
        };
        let apart = Apart::of(before, after);
        let largest = self
            .largest
            .map_or(apart.abs, |largest| largest.max(apart.abs));
        self.largest = Some(largest);
        self.ulps = Some(self.ulps.map_or(apart.ulp, |most| most.max(apart.ulp)));
        (self.show)(&Unequal::Numbers(apart));
    }
}

fn shortened(text: &str) -> String {
    let text = text.trim_end_matches('\r');
    match text.char_indices().nth(MAX_SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_are_compared_by_value() {
        let Some(ContentMoved::Json {
            values,
            examples,
            largest,
            ulps,
        }) = json(
            [
                br#"{"a":[1,2.0,{"b":"x"}],"c":1}"#,
                br#"{"a":[1,2.5,{"b":"y"},null],"d":1}"#,
            ],
            &mut |_| {},
        )
        else {
            panic!()
        };
        assert_eq!((values, largest), (5, Some(0.5)));
        assert_eq!(ulps, Some(reproof_record::ulps_apart(2.0, 2.5)));
        let paths: Vec<_> = examples.iter().map(|one| one.path.as_str()).collect();
        assert_eq!(paths, ["a[1]", "a[2].b", "a[3]", "c", "d"]);
        assert_eq!(examples[3].values, [Some("1".to_owned()), None]);
        assert!(matches!(
            json([b"{\"a\": 1, \"b\": 2}", b"{\"b\":2,\"a\":1}"], &mut |_| {}),
            Some(ContentMoved::JsonForm)
        ));
        assert!(json([b"a", b"{}"], &mut |_| {}).is_none());
    }
}
