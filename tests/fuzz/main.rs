//! A small mutational fuzzer for everything that reads what others wrote: pipeline files, the
//! project file, the lock file, CSV files, records, manifests and models. It runs on the stable
//! toolchain and gives the same inputs every time.
//!
//! Each input is a file of the corpus with a few mutations. A reader must give a value or an error,
//! never panic; a document that is read must be written back to the very bytes that were read.
//!
//! `REPROOF_FUZZ_ROUNDS=1000000 cargo test -p reproof-cli --test fuzz --release` runs for long;
//! `REPROOF_FUZZ_SEED=7` gives other inputs. An input that fails is printed; add it to the corpus.
#![allow(clippy::disallowed_methods, clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use reproof_config::{ExpandOptions, parse_lock, parse_pipeline, parse_project};
use reproof_learn::Model;
use reproof_record::{
    Column, Digest, Isolation, LogicalType, Manifest, Recipe, Record, Schema, Source,
    from_canonical, to_canonical,
};
use reproof_store::fs::RealIo;
use reproof_table::random::u64_at;
use reproof_table::{CsvOptions, csv_schema};

/// How many inputs each reader gets where nothing else is asked for.
const ROUNDS: u64 = 1500;
/// What mutations insert: what means something to one of the readers.
const WORDS: &[&str] = &[
    "\n",
    "\r\n",
    "\"",
    "'",
    ",",
    ":",
    ": ",
    "- ",
    "{",
    "}",
    "[",
    "]",
    "#",
    "&a",
    "*a",
    "!t",
    "|",
    ">",
    "\t",
    "\u{feff}",
    "\0",
    "NaN",
    "null",
    "true",
    "No",
    "-0",
    "1e999",
    "9007199254740993",
    "00",
    "steps:",
    "pipeline:",
    "run:",
    "slices:",
    "require:",
    "in:",
    "\"format\":",
    "\\u0000",
    "é",
    "\u{1f600}",
    "<<<<<<< ours",
    "2026-02-30",
    "--",
    "e",
    ".",
    "/../",
];

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name)
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(otherwise)
}

fn corpus(target: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../tests/fuzz/corpus")
        .join(target);
    let mut paths: Vec<PathBuf> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    assert!(!paths.is_empty(), "no corpus in {}", folder.display());
    paths
        .iter()
        .map(|path| std::fs::read(path).unwrap())
        .collect()
}

/// Random numbers addressed by (seed, input, draw).
struct Draws {
    seed: u64,
    input: u64,
    drawn: u64,
}

impl Draws {
    fn below(&mut self, limit: usize) -> usize {
        self.drawn += 1;
        (u64_at(self.seed, self.input, self.drawn) % limit.max(1) as u64) as usize
    }
}

fn mutate(bytes: &mut Vec<u8>, other: &[u8], draws: &mut Draws) {
    for _ in 0..=draws.below(4) {
        let at = draws.below(bytes.len() + 1);
        match draws.below(7) {
            0 if at < bytes.len() => bytes[at] ^= 1 << draws.below(8),
            1 => bytes.truncate(at),
            2 => {
                let word = WORDS[draws.below(WORDS.len())];
                bytes.splice(at..at, word.bytes());
            }
            3 => {
                let end = (at + draws.below(20)).min(bytes.len());
                bytes.drain(at..end);
            }
            4 => {
                let end = (at + draws.below(60)).min(bytes.len());
                let copy = bytes[at..end].to_vec();
                let to = draws.below(bytes.len() + 1);
                bytes.splice(to..to, copy);
            }
            5 => {
                let from = draws.below(other.len() + 1);
                bytes.truncate(at);
                bytes.extend_from_slice(&other[from..]);
            }
            _ => {
                let value = (draws.below(256)) as u8;
                bytes.insert(at, value);
            }
        }
    }
}

/// Gives a reader the corpus, and many mutations of it.
fn fuzz(target: &str, read: impl Fn(&[u8])) {
    let corpus = corpus(target);
    let seed = number("REPROOF_FUZZ_SEED", 1);
    let check = |input: &[u8]| {
        let read = catch_unwind(AssertUnwindSafe(|| read(input)));
        let shown = || String::from_utf8_lossy(input).escape_debug().to_string();
        assert!(read.is_ok(), "{target}: this input fails:\n{}", shown());
    };
    for input in &corpus {
        check(input);
    }
    for round in 0..number("REPROOF_FUZZ_ROUNDS", ROUNDS) {
        let mut draws = Draws {
            seed,
            input: round,
            drawn: 0,
        };
        let mut input = corpus[draws.below(corpus.len())].clone();
        let other = &corpus[draws.below(corpus.len())];
        mutate(&mut input, other, &mut draws);
        check(&input);
    }
}

#[test]
fn pipeline_files() {
    let columns = [
        ("has_diabetes", LogicalType::String),
        ("glucose", LogicalType::Integer),
        ("bmi", LogicalType::Float),
        ("contract", LogicalType::String),
    ];
    let columns = columns.map(|(name, logical_type)| Column {
        name: name.to_owned(),
        logical_type,
    });
    let schema = Schema::new(columns.to_vec()).unwrap();
    fuzz("pipeline", |input| {
        let Ok(text) = std::str::from_utf8(input) else {
            return;
        };
        if let Ok(pipeline) = parse_pipeline("f", text, &[]) {
            let names = pipeline.data.keys();
            let mut schemas: BTreeMap<_, _> = names
                .map(|name| (Source::Data { data: name.clone() }, schema.clone()))
                .collect();
            let programs = pipeline.programs().into_iter().map(|(name, spec)| {
                let digest = Digest::of(b"any");
                let program = spec.resolve(digest, digest, Isolation::Full, BTreeMap::new());
                (name, program)
            });
            let programs = programs.collect();
            for final_look in [false, true] {
                let options = ExpandOptions { final_look };
                if let Ok(Some(early)) = pipeline.early(&schemas, &programs, &options) {
                    let made = early.tables.into_iter();
                    schemas.extend(made.map(|table| (table, schema.clone())));
                }
                if let Ok(graph) = pipeline.expand(&schemas, &programs, &options) {
                    graph.to_steps_yaml(&pipeline);
                }
            }
        }
    });
}

#[test]
fn project_files() {
    fuzz("project", |input| {
        if let Ok(text) = std::str::from_utf8(input) {
            let _ = parse_project("f", text);
        }
    });
}

#[test]
fn lock_files() {
    fuzz("lock", |input| {
        let Ok(text) = std::str::from_utf8(input) else {
            return;
        };
        if let Ok(lock) = parse_lock("f", text) {
            let written = lock.to_text();
            assert_eq!(parse_lock("f", &written).unwrap().to_text(), written);
        }
    });
}

#[test]
fn csv_files() {
    let folder = tempfile::TempDir::new().unwrap();
    let path = folder.path().join("input.csv");
    fuzz("csv", |input| {
        std::fs::write(&path, input).unwrap();
        let _ = csv_schema(&RealIo, &path, &CsvOptions::default());
    });
}

#[test]
fn records() {
    fuzz("record", |input| {
        if let Ok(record) = Record::from_bytes(input) {
            assert_eq!(record.to_bytes().unwrap(), input);
        }
        if let Ok(recipe) = Recipe::from_bytes(input) {
            assert_eq!(recipe.to_bytes().unwrap(), input);
        }
    });
}

#[test]
fn manifests() {
    fuzz("manifest", |input| {
        if let Ok(manifest) = from_canonical::<Manifest>(input) {
            assert_eq!(to_canonical(&manifest).unwrap(), input);
        }
    });
}

#[test]
fn models() {
    fuzz("model", |input| {
        if let Ok(model) = Model::from_json(input) {
            let written = model.to_json().unwrap();
            assert_eq!(
                Model::from_json(&written).unwrap().to_json().unwrap(),
                written
            );
        }
    });
}
