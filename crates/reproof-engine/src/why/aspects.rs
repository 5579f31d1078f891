//! What differs of code, configuration, environment and platform.

use std::collections::{BTreeMap, BTreeSet};

use reproof_capture::closure::changed_definitions;
use reproof_capture::environment::ClosureDiff;
use reproof_record::{Digest, Recipe, RecipeStep, Record, Source, StepName};
use serde::Serialize;
use serde_json::Value;
use similar::TextDiff;

use super::{Aspect, differing, here};
use crate::compare::Change;
use crate::contents::differing_files;
use crate::observer::Silent;
use crate::{EngineError, Environments, Project, environment_diff};

/// The largest file whose lines are compared, in bytes.
const MAX_TEXT: u64 = 1 << 20;
/// How many lines around a change are shown.
const AROUND: usize = 1;
/// How many lines of a file's changes are kept.
const MAX_LINES: usize = 60;

/// A file that differs between the code of two records.
#[derive(Clone, Debug, Serialize)]
pub struct FileChange {
    /// The file, as a path in the project.
    pub path: String,
    /// What became of it.
    pub state: FileState,
    /// The steps that see it.
    pub steps: BTreeSet<StepName>,
    /// Of Python, the functions and classes that differ, `(module)` for what is in none; none where
    /// that cannot be told.
    pub definitions: Option<Vec<String>>,
    /// The lines that differ, as a unified diff without a head; empty for what is no text.
    pub lines: Vec<String>,
    /// How many more lines differ.
    pub more: usize,
}

/// What became of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FileState {
    /// Only the second has it.
    Added,
    /// Only the first has it.
    Removed,
    /// Its bytes differ.
    Changed,
}

/// How the environment of steps differs.
#[derive(Clone, Debug, Serialize)]
pub struct EnvironmentChange {
    /// The steps.
    pub steps: BTreeSet<StepName>,
    /// Both environments.
    pub digests: [Digest; 2],
    /// What differs; none if one of them is not here.
    pub diff: Option<ClosureDiff>,
}

/// Whether a path of the configuration names what is compared elsewhere: code, environment.
pub(super) fn is_elsewhere(path: &str) -> bool {
    path.ends_with(".program.code") || path.ends_with(".program.environment")
}

/// What of a step itself differs.
pub(super) fn of_step(records: [&Record; 2], sides: [Option<&RecipeStep>; 2]) -> BTreeSet<Aspect> {
    let mut aspects = BTreeSet::new();
    let [Some(before), Some(after)] = sides else {
        return aspects;
    };
    let programs = [before.program.as_ref(), after.program.as_ref()];
    if differing(programs.map(|program| program.map(|program| program.code))).is_some() {
        aspects.insert(Aspect::Code);
    }
    if differing(programs.map(|program| program.map(|program| program.environment))).is_some() {
        aspects.insert(Aspect::Environment);
    }
    if configured(before) != configured(after) {
        aspects.insert(Aspect::Configuration);
    }
    let versions = |side: usize, step: &RecipeStep| -> BTreeMap<StepName, Option<Digest>> {
        let data = step.inputs.iter().filter_map(|(input, source)| {
            let Source::Data { data } = source else {
                return None;
            };
            let version = records[side].recipe.data.get(data);
            Some((input.clone(), version.map(|version| version.digest)))
        });
        data.collect()
    };
    if versions(0, before) != versions(1, after) {
        aspects.insert(Aspect::Data);
    }
    aspects
}

/// A step without its code, its environment and what a later step is given of it.
fn configured(step: &RecipeStep) -> RecipeStep {
    let mut step = step.clone();
    if let Some(program) = &mut step.program {
        program.code = Digest::of(b"");
        program.environment = Digest::of(b"");
    }
    step.pinned.clear();
    // It changes what is said of the results, not them.
    step.tolerance.clear();
    step
}

/// The files that differ of the code that steps see. Code that is not here is left out: the digests in
/// the recipe still tell that it differs.
pub(super) fn code(
    project: &Project,
    recipes: [&Recipe; 2],
) -> Result<Vec<FileChange>, EngineError> {
    let mut changes: BTreeMap<(String, [Option<Digest>; 2]), FileChange> = BTreeMap::new();
    for (name, digests) in programs(recipes, |program| program.code) {
        let [before, after] = [
            here(project.store.tree(&digests[0]))?,
            here(project.store.tree(&digests[1]))?,
        ];
        let (Some(before), Some(after)) = (before, after) else {
            continue;
        };
        for (path, digests) in differing_files(&before, &after) {
            let known = changes.entry((path.clone(), digests));
            let change = match known {
                std::collections::btree_map::Entry::Occupied(known) => known.into_mut(),
                std::collections::btree_map::Entry::Vacant(new) => {
                    new.insert(file_change(project, path, digests)?)
                }
            };
            change.steps.insert(name.clone());
        }
    }
    Ok(changes.into_values().collect())
}

/// The steps that are programs in both and differ in something, with both digests.
fn programs(
    recipes: [&Recipe; 2],
    of: impl Fn(&reproof_record::Program) -> Digest,
) -> Vec<(StepName, [Digest; 2])> {
    let steps = recipes[0].steps.iter();
    steps
        .filter_map(|(name, before)| {
            let after = recipes[1].steps.get(name)?;
            let digests = [before, after].map(|step| step.program.as_ref().map(&of));
            Some((name.clone(), differing(digests)?))
        })
        .collect()
}

fn file_change(
    project: &Project,
    path: String,
    digests: [Option<Digest>; 2],
) -> Result<FileChange, EngineError> {
    let state = match digests {
        [None, _] => FileState::Added,
        [_, None] => FileState::Removed,
        _ => FileState::Changed,
    };
    let mut change = FileChange {
        path,
        state,
        steps: BTreeSet::new(),
        definitions: None,
        lines: Vec::new(),
        more: 0,
    };
    let mut texts = Vec::new();
    for digest in digests {
        let text = match digest {
            None => Some(String::new()),
            Some(digest) => text(project, &digest)?,
        };
        texts.extend(text);
    }
    let [before, after] = &texts[..] else {
        return Ok(change);
    };
    let is_python = change
        .path
        .rsplit_once('.')
        .is_some_and(|(_, end)| end == "py");
    if is_python && state == FileState::Changed {
        change.definitions = changed_definitions(before.as_bytes(), after.as_bytes());
    }
    let diff = TextDiff::from_lines(before.as_str(), after.as_str());
    let unified = diff.unified_diff().context_radius(AROUND).to_string();
    let mut lines = unified.lines().map(str::to_owned);
    change.lines = lines.by_ref().take(MAX_LINES).collect();
    change.more = lines.count();
    Ok(change)
}

/// The text of a stored file; none if it is large, no text, or not here.
fn text(project: &Project, digest: &Digest) -> Result<Option<String>, EngineError> {
    if !project.store.contains(digest)? {
        return Ok(None);
    }
    let Ok(bytes) = project.store.read(digest, MAX_TEXT) else {
        return Ok(None);
    };
    Ok(String::from_utf8(bytes)
        .ok()
        .filter(|text| !text.contains('\0')))
}

/// How the environments of steps differ, each pair of environments once.
pub(super) fn environments(
    project: &Project,
    recipes: [&Recipe; 2],
) -> Result<Vec<EnvironmentChange>, EngineError> {
    let mut pairs: BTreeMap<[Digest; 2], BTreeSet<StepName>> = BTreeMap::new();
    for (name, digests) in programs(recipes, |program| program.environment) {
        pairs.entry(digests).or_default().insert(name);
    }
    if pairs.is_empty() {
        return Ok(Vec::new());
    }
    let environments = Environments::new(project, &Silent)?;
    let changes = pairs.into_iter().map(|(digests, steps)| {
        let described = digests.map(|digest| environments.description(&digest).ok());
        let diff = match &described {
            [Some(before), Some(after)] => Some(environment_diff(before, after)),
            _ => None,
        };
        EnvironmentChange {
            steps,
            digests,
            diff,
        }
    });
    Ok(changes.collect())
}

/// What differs of the machines; their names alone are no difference.
pub(super) fn platform(sides: [&BTreeMap<&'static str, String>; 2]) -> Vec<Change> {
    let [before, after] = sides;
    let shared = before.iter().filter_map(|(name, value)| {
        let now = after.get(name)?;
        (value != now && *name != "name").then(|| Change {
            path: (*name).to_owned(),
            before: Some(Value::from(value.clone())),
            after: Some(Value::from(now.clone())),
        })
    });
    shared.collect()
}
