//! What is held and what is changed of a run.

use std::collections::BTreeMap;

use reproof_record::{Profile, RecipeStep, Seed};

use super::Factor;

/// What holds things, for Python.
const HOLD: &str = include_str!("hold.py");

/// For how many seconds at most, in all, whoever starts a thread or a process waits for its end while the
/// order in which they run is held.
pub(super) const PATIENCE: u64 = 20;

/// Things that are held, as the module says it: `clock`, and its value as Python writes it.
pub(super) type Held = BTreeMap<&'static str, String>;

/// Two moments, far apart.
pub(super) const MOMENTS: [&str; 2] = ["1000000000.5", "1900000000.25"];

/// What is changed of a run.
#[derive(Clone, Debug, Default)]
pub(super) struct Change {
    pub variables: BTreeMap<String, String>,
    pub profile: Option<Profile>,
    pub threads: Option<u32>,
    pub seed: Option<Seed>,
    pub reversed: bool,
    /// What is held in this run.
    pub held: Held,
    /// What is held in the one that it is compared with; none if that is the one with nothing changed.
    pub from: Option<Held>,
}

impl Change {
    pub fn words(&self, held: &Held) -> String {
        let mut words: Vec<String> = held
            .iter()
            .map(|(what, value)| format!("{what}={value}"))
            .collect();
        words.extend(
            self.variables
                .iter()
                .map(|(name, value)| format!("{name}={value}")),
        );
        words.extend(self.profile.map(|profile| format!("profile {profile}")));
        words.extend(self.threads.map(|threads| format!("{threads} threads")));
        words.extend(self.seed.map(|seed| format!("seed {seed}")));
        if words.is_empty() {
            "nothing changed".to_owned()
        } else {
            words.join(", ")
        }
    }
}

/// A change, with its factor and words for it.
type Named = (Factor, String, Change);

/// The things that are changed, one at a time.
pub(super) fn changes(step: &RecipeStep) -> Vec<Named> {
    let mut all = surroundings();
    all.extend(of_program(step));
    if let Some(seed) = step.seed {
        let change = Change {
            seed: Some(Seed(seed.0.wrapping_add(1))),
            ..Change::default()
        };
        all.push((Factor::Seed, "another seed".to_owned(), change));
    }
    all
}

/// What every program finds around it.
fn surroundings() -> Vec<Named> {
    let variables = |all: &[(&str, &str)]| Change {
        variables: all
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect(),
        ..Change::default()
    };
    let two = |what: &'static str, values: [&str; 2]| {
        let [from, to] = values.map(|value| Held::from([(what, value.to_owned())]));
        Change {
            held: to,
            from: Some(from),
            ..Change::default()
        }
    };
    let backwards = Change {
        reversed: true,
        ..two("listings", ["False", "True"])
    };
    let letters = Change {
        held: Held::from([("letters", "True".to_owned())]),
        ..Change::default()
    };
    let elsewhere = variables(&[("TMPDIR", "/dev/shm")]);
    let named = |factor, words: &str, change| (factor, words.to_owned(), change);
    vec![
        named(
            Factor::HashSeed,
            "another hash seed",
            variables(&[("PYTHONHASHSEED", "1")]),
        ),
        named(Factor::FileOrder, "folders listed backwards", backwards),
        named(Factor::Clock, "another time of day", two("clock", MOMENTS)),
        named(
            Factor::Randomness,
            "other random bits of the system",
            two("randomness", ["1", "2"]),
        ),
        named(
            Factor::Locale,
            "the locale C",
            variables(&[("LC_ALL", "C"), ("LANG", "C")]),
        ),
        named(Factor::Locale, "texts sorted as languages do", letters),
        named(
            Factor::TimeZone,
            "nine hours to the east",
            variables(&[("TZ", "JST-9")]),
        ),
        named(
            Factor::TemporaryFolder,
            "another folder for temporary files",
            elsewhere,
        ),
    ]
}

/// What the recipe says of how a program sees the processor.
fn of_program(step: &RecipeStep) -> Vec<Named> {
    let Some(program) = &step.program else {
        return Vec::new();
    };
    let threads = if program.threads == 1 { 2 } else { 1 };
    let change = Change {
        threads: Some(threads),
        ..Change::default()
    };
    let mut all = vec![(Factor::Threads, format!("{threads} threads"), change)];
    let others = Profile::ALL.into_iter();
    for profile in others.filter(|other| *other != program.profile) {
        let change = Change {
            profile: Some(profile),
            ..Change::default()
        };
        all.push((Factor::Processor, format!("the profile {profile}"), change));
    }
    all
}

/// The module that holds these things; none where nothing is held that it can hold.
pub(super) fn first_module(held: &Held) -> Option<String> {
    let list: Vec<_> = held
        .iter()
        .filter(|(what, _)| **what != "threads")
        .map(|(what, value)| format!("(\"{what}\", {value})"))
        .collect();
    (!list.is_empty()).then(|| format!("HELD = [{}]\n{HOLD}", list.join(", ")))
}
