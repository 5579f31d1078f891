//! How far the results of several runs of the same are apart: what is natural, so that it is not taken
//! for an effect.

use std::collections::{BTreeMap, BTreeSet};

use reproof_record::{Artifact, Distance, StepName, Tolerance};
use serde::Serialize;

use super::Verified;
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
        spreads.push(OutputSpread {
            step: step.clone(),
            output: output.clone(),
            runs: runs.len(),
            distinct: distinct.len(),
            distance,
        });
    }
    Ok(spreads)
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
