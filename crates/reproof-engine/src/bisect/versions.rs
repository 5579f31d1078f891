//! The versions of data between two results that differ in nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use reproof_record::{Record, StepName, VersionEntry, VersionId};

use super::search::first_bad;
use super::{BisectOptions, Bisection, FirstVersion, Limit, Tried, estimate};
use crate::compare::configuration;
use crate::observer::{Event, Observer};
use crate::programs::of_recipe;
use crate::schedule::{Mode, execute};
use crate::undeclared::Tracing;
use crate::versions::read_version;
use crate::{Cancel, EngineError, Project, remote};

type Version = (VersionId, VersionEntry);

/// Looks for the first bad version, where named data alone differs between two results and has
/// versions between theirs.
pub(super) fn search(
    project: &Project,
    options: &BisectOptions,
    limit: Limit,
    sides: &[Record; 2],
    found: &mut Bisection,
    observer: &dyn Observer,
    cancel: &Cancel,
) -> Result<(), EngineError> {
    let [good, bad] = sides.each_ref().map(|side| &side.recipe);
    let names: BTreeSet<&StepName> = good.data.keys().chain(bad.data.keys()).collect();
    let differ = names
        .into_iter()
        .filter(|name| good.data.get(*name) != bad.data.get(*name));
    found.data = differ.cloned().collect();
    found.more_than_data = !configuration(good, bad)?.is_empty();
    let ([name], false) = (found.data.as_slice(), found.more_than_data) else {
        return Ok(());
    };
    let between = between(project, name, sides)?;
    let (Some(last), true) = (between.last().cloned(), between.len() > 1) else {
        return Ok(());
    };
    let name = name.clone();
    let candidates = first_bad(between.len(), |index| {
        if cancel.is_cancelled() {
            return Err(EngineError::Interrupted);
        }
        let version = &between[index];
        let value = if version.1.schema == last.1.schema {
            value(
                project, options, &sides[1], &name, version, observer, cancel,
            )?
        } else {
            Err("its columns differ".to_owned())
        };
        let told = match &value {
            Ok(value) if limit.is_bad(*value) => format!("{value}, bad"),
            Ok(value) => format!("{value}, good"),
            Err(problem) => format!("cannot be judged: {problem}"),
        };
        let label = format!("{name}@{} {}: {told}", version.0.short(), version.1.message);
        observer.event(&Event::Note(&label));
        let bad = value.as_ref().ok().map(|value| limit.is_bad(*value));
        found.tried.push(Tried {
            commit: None,
            version: Some(version.0),
            value: value.as_ref().ok().copied(),
            bad,
            problem: value.err(),
            ran: true,
        });
        Ok(bad)
    })?;
    let candidates = &between[candidates];
    found.version = Some(FirstVersion {
        name: last.1.name.clone(),
        candidates: candidates.iter().map(|(id, _)| *id).collect(),
        message: candidates
            .first()
            .map(|(_, entry)| entry.message.clone())
            .unwrap_or_default(),
        of: between.len(),
    });
    Ok(())
}

/// The versions behind that of the good side up to that of the bad one, the oldest first; empty where no
/// history leads from one to the other.
fn between(
    project: &Project,
    name: &StepName,
    [good, bad]: &[Record; 2],
) -> Result<Vec<Version>, EngineError> {
    let (Some(from), Some(to)) = (good.recipe.data.get(name), bad.recipe.data.get(name)) else {
        return Ok(Vec::new());
    };
    for row in project
        .catalog
        .versions_holding(&to.digest)?
        .into_iter()
        .rev()
    {
        let mut chain = vec![(row.id, read_version(project, &row.id)?)];
        let mut seen = BTreeSet::from([row.id]);
        while let Some(parent) = chain.last().and_then(|(_, entry)| entry.parent) {
            let entry = read_version(project, &parent)?;
            if entry.content == *from {
                chain.reverse();
                return Ok(chain);
            }
            if !seen.insert(parent) {
                break;
            }
            chain.push((parent, entry));
        }
    }
    Ok(Vec::new())
}

/// The metric of a record with this version in place of its own; or why there is none.
fn value(
    project: &Project,
    options: &BisectOptions,
    of: &Record,
    name: &StepName,
    (id, version): &Version,
    observer: &dyn Observer,
    cancel: &Cancel,
) -> Result<Result<f64, String>, EngineError> {
    let mut recipe = of.recipe.clone();
    recipe.data.insert(name.clone(), version.content);
    let what = format!("the version {name}@{}", id.short());
    let wanted = BTreeMap::from([(
        version.content.digest,
        crate::needs::Object::of(&version.content),
    )]);
    if let Err(error) = remote::fetch_content(project, &what, &wanted, &BTreeMap::new()) {
        return match error.class() {
            crate::Class::Impossible => Ok(Err(error.to_string())),
            _ => Err(error),
        };
    }
    let programs = match of_recipe(project, &recipe, options.isolation, false, observer)? {
        Ok(programs) => programs,
        Err(reason) => return Ok(Err(reason)),
    };
    let mode = Mode {
        use_cache: true,
        threads: options.threads,
        tracing: Tracing::Off,
        programs: Arc::new(programs),
        pinned_keys: BTreeMap::new(),
    };
    let ran = execute(project, &recipe, &mode, observer, cancel)?;
    if ran.interrupted {
        return Err(EngineError::Interrupted);
    }
    let Some(results) = ran.results(&recipe) else {
        let failure = ran.failures.iter().next();
        return Ok(Err(failure.map_or_else(
            || "the run gave no results".to_owned(),
            |(step, error)| format!("step '{step}' failed: {error}"),
        )));
    };
    let found = estimate(project, options, &Record::new(recipe, results))?;
    Ok(found.and_then(|found| {
        let undefined = || format!("'{}' is not defined", options.metric);
        found.value.ok_or_else(undefined)
    }))
}
