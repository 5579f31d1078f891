//! How far the results of several runs of one recipe are apart: what is natural, so that it is not taken
//! for an effect. What other seeds give is another thing: the spread over seeds, of `crate::seeds`.

use std::collections::{BTreeMap, BTreeSet};

use reproof_record::{Artifact, ArtifactKind, Distance, StepName, Tolerance};
use serde::Serialize;

use super::Verified;
use crate::operations::read_metrics;
use crate::program::last_reported;
use crate::{Class, EngineError, Project, contents};

/// How far the results of an output are apart.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct OutputSpread {
    /// The step.
    pub step: StepName,
    /// The output.
    pub output: StepName,
    /// How many runs gave it.
    pub runs: usize,
    /// How many different results they gave, that of the record counted.
    pub distinct: usize,
    /// The largest distance of one of them from that of the record; none where there is one result.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub distance: Option<Distance>,
    /// Of metrics, the least and the largest value of each that came out in several ways.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub metrics: BTreeMap<String, [f64; 2]>,
}

/// How far apart the outputs of several verifications of one record are.
///
/// # Errors
/// If what is stored cannot be read.
pub fn spread(project: &Project, all: &[Verified]) -> Result<Vec<OutputSpread>, EngineError> {
    let mut found: BTreeMap<(&StepName, &StepName), (Artifact, Vec<Artifact>)> = BTreeMap::new();
    for output in all
        .iter()
        .flat_map(|verified| &verified.verification.outputs)
    {
        let (_, runs) = found
            .entry((&output.step, &output.output))
            .or_insert((output.expected, Vec::new()));
        runs.extend(output.found);
    }
    let mut spreads = Vec::new();
    for ((step, output), (expected, runs)) in found {
        let distinct: BTreeSet<_> = runs
            .iter()
            .chain([&expected])
            .map(|one| one.digest)
            .collect();
        let others: BTreeMap<_, _> = runs
            .iter()
            .filter(|one| one.digest != expected.digest && one.kind == expected.kind)
            .map(|one| (one.digest, one))
            .collect();
        let mut distance: Option<Distance> = None;
        for other in others.into_values() {
            let one = measured(project, [&expected, other])?;
            distance = Some(match distance {
                None => one,
                Some(most) => largest(most, one),
            });
        }
        let all: Vec<_> = [expected].into_iter().chain(runs.iter().copied()).collect();
        let metrics = if distinct.len() > 1 {
            ranges(project, &all)?
        } else {
            BTreeMap::new()
        };
        spreads.push(OutputSpread {
            metrics,
            step: step.clone(),
            output: output.clone(),
            runs: runs.len(),
            distinct: distinct.len(),
            distance,
        });
    }
    Ok(spreads)
}

/// The least and the largest value of each metric that is not the same in all of these.
fn ranges(
    project: &Project,
    artifacts: &[Artifact],
) -> Result<BTreeMap<String, [f64; 2]>, EngineError> {
    let mut found: BTreeMap<String, [f64; 2]> = BTreeMap::new();
    for artifact in artifacts {
        if artifact.kind != ArtifactKind::Metrics || !project.store.contains(&artifact.digest)? {
            continue;
        }
        for (name, value) in values(project, artifact) {
            let range = found.entry(name).or_insert([value; 2]);
            *range = [range[0].min(value), range[1].max(value)];
        }
    }
    found.retain(|_, [least, most]| least < most);
    Ok(found)
}

/// The metrics in an artifact, over all rows: those of an evaluation, or those that a program reported,
/// each by its last value. None where it holds others.
fn values(project: &Project, artifact: &Artifact) -> Vec<(String, f64)> {
    if let Ok(metrics) = read_metrics(&project.store, artifact) {
        let overall = metrics.overall.into_iter();
        return overall
            .filter_map(|(name, estimate)| Some((name, estimate.value?)))
            .collect();
    }
    let reported = last_reported(project, artifact).unwrap_or_default();
    reported.into_iter().collect()
}

fn measured(project: &Project, artifacts: [&Artifact; 2]) -> Result<Distance, EngineError> {
    let mut missing = Distance::default();
    for artifact in artifacts {
        if !project.store.contains(&artifact.digest)? {
            missing.refuse("one of them is not here");
            return Ok(missing);
        }
    }
    match contents::distance(project, artifacts, &Tolerance::default()) {
        Err(error) if error.class() == Class::Integrity => {
            missing.refuse(error.to_string());
            Ok(missing)
        }
        other => other,
    }
}

fn largest(one: Distance, other: Distance) -> Distance {
    let most = |one: Option<f64>, other: Option<f64>| match (one, other) {
        (Some(one), Some(other)) => Some(one.max(other)),
        (one, other) => one.or(other),
    };
    Distance {
        values: one.values.max(other.values),
        beyond: one.beyond.max(other.beyond),
        flips: one.flips.max(other.flips),
        abs: most(one.abs, other.abs),
        rel: most(one.rel, other.rel),
        ulp: one.ulp.max(other.ulp),
        reason: one.reason.or(other.reason),
    }
}
