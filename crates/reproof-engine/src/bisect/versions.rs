//! The versions of data between two results that differ in nothing else.

use std::collections::BTreeSet;

use reproof_record::{Record, StepName, VersionEntry, VersionId};

use super::search::first_bad;
use super::{Bisection, FirstVersion, Limit, Tried};
use crate::compare::configuration;
use crate::measure::Trial;
use crate::needs::{Object, Objects};
use crate::observer::Event;
use crate::versions::read_version;
use crate::{Class, EngineError, Project, remote};

type Version = (VersionId, VersionEntry);

/// Looks for the first bad version, where named data alone differs between two results and has
/// versions between theirs.
pub(super) fn search(
    trial: &Trial<'_>,
    limit: Limit,
    sides: &[Record; 2],
    found: &mut Bisection,
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
    let between = between(trial.project, name, sides)?;
    let (Some(last), true) = (between.last().cloned(), between.len() > 1) else {
        return Ok(());
    };
    let name = name.clone();
    let candidates = first_bad(between.len(), |index| {
        let version = &between[index];
        let value = if version.1.schema == last.1.schema {
            value(trial, &sides[1], &name, version)?
        } else {
            Err("its columns differ".to_owned())
        };
        let told = match &value {
            Ok(value) if limit.is_bad(*value) => format!("{value}, bad"),
            Ok(value) => format!("{value}, good"),
            Err(problem) => format!("cannot be judged: {problem}"),
        };
        let label = format!("{name}@{} {}: {told}", version.0.short(), version.1.message);
        trial.observer.event(&Event::Note(&label));
        let bad = value.as_ref().ok().map(|value| limit.is_bad(*value));
        found.tried.push(Tried {
            commit: None,
            version: Some(version.0),
            value: value.as_ref().ok().copied(),
            bad,
            problem: value.err(),
            ran: true,
        });
        Ok::<_, EngineError>(bad)
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
    trial: &Trial<'_>,
    of: &Record,
    name: &StepName,
    (id, version): &Version,
) -> Result<Result<f64, String>, EngineError> {
    let mut recipe = of.recipe.clone();
    recipe.data.insert(name.clone(), version.content);
    let what = format!("the version {name}@{}", id.short());
    let wanted = Objects::from([(version.content.digest, Object::of(&version.content))]);
    match remote::fetch_content(trial.project, &what, &wanted, &Objects::new()) {
        Err(error) if error.class() == Class::Impossible => Ok(Err(error.to_string())),
        fetched => fetched.and_then(|()| trial.measure(&recipe)),
    }
}
