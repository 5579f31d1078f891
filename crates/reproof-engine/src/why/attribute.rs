//! How much of a metric's difference each aspect makes: recipes of which some aspects are those of the
//! first record and the rest those of the second are run, and the difference is shared out.

use std::collections::{BTreeMap, BTreeSet};

use reproof_record::{Digest, Recipe, RecipeStep, Record, RecordId, StepName};
use serde::Serialize;

use super::Aspect;
use super::aspects::of_step;
use crate::measure::Trial;
use crate::observer::Event;
use crate::{EngineError, read_record};

/// What each aspect makes of the difference of a metric.
#[derive(Debug, Serialize)]
pub struct Attribution {
    /// The metric.
    pub metric: String,
    /// Its slice.
    pub slice: Option<String>,
    /// The records.
    pub records: [RecordId; 2],
    /// Their values.
    pub values: [f64; 2],
    /// The aspects that differ, what makes the most of the difference first.
    pub parts: Vec<Part>,
    /// Everything that was run or known.
    pub mixtures: Vec<Mixture>,
}

/// What one aspect makes of it.
#[derive(Debug, Serialize)]
pub struct Part {
    /// The aspect.
    pub aspect: Aspect,
    /// Its share of the difference: its Shapley value, the mean over all orders in which the aspects can
    /// change of what the metric moves when this one does. The shares sum to the difference. None where
    /// a mixture could not be run.
    ///
    /// L. S. Shapley, "A Value for n-Person Games", Contributions to the Theory of Games II, 1953.
    pub share: Option<f64>,
    /// The value with only this aspect changed in the first record.
    pub alone: Option<f64>,
    /// The value with only this aspect left as in the first record.
    pub without: Option<f64>,
}

/// A recipe of aspects of both records.
#[derive(Debug, Serialize)]
pub struct Mixture {
    /// Those that are of the second record; the rest is of the first.
    pub second: BTreeSet<Aspect>,
    /// The value of the metric.
    pub value: Option<f64>,
    /// Why there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// Shares the difference of a metric out among code, configuration, environment and data. Steps whose
/// inputs are the same come from the cache.
///
/// # Errors
/// Records without the metric, or with one recipe; and trouble of the storage.
pub fn attribute(trial: &Trial<'_>, ids: [RecordId; 2]) -> Result<Attribution, EngineError> {
    let records = [
        read_record(trial.project, &ids[0])?,
        read_record(trial.project, &ids[1])?,
    ];
    let values = [
        trial.required(&ids[0], &records[0])?.1,
        trial.required(&ids[1], &records[1])?.1,
    ];
    let aspects: Vec<Aspect> = differing(&records).into_iter().collect();
    if aspects.is_empty() {
        return Err(EngineError::Usage {
            message: "the recipes are the same: there is nothing to share the difference out among"
                .to_owned(),
            hint: Some(
                "'reproof why' without --attribute says which step is not deterministic".to_owned(),
            ),
        });
    }
    let all = (1_usize << aspects.len()) - 1;
    let mut mixtures = Vec::new();
    for chosen in 0..=all {
        let second: BTreeSet<Aspect> = aspects
            .iter()
            .enumerate()
            .filter_map(|(bit, aspect)| (chosen >> bit & 1 == 1).then_some(*aspect))
            .collect();
        let value = match chosen {
            0 => Ok(values[0]),
            _ if chosen == all => Ok(values[1]),
            _ => {
                let value = match mixed(&records, &second) {
                    Ok(recipe) => trial.measure(&recipe)?,
                    Err(problem) => Err(problem),
                };
                let names: Vec<_> = second.iter().map(|aspect| aspect.name()).collect();
                let told = value
                    .as_ref()
                    .map_or_else(Clone::clone, ToString::to_string);
                let told = format!("{} of the second: {told}", names.join(", "));
                trial.observer.event(&Event::Note(&told));
                value
            }
        };
        mixtures.push(Mixture {
            second,
            value: value.as_ref().ok().copied(),
            problem: value.err(),
        });
    }
    let known: Option<Vec<f64>> = mixtures.iter().map(|mixture| mixture.value).collect();
    let mut parts: Vec<Part> = aspects
        .iter()
        .enumerate()
        .map(|(bit, aspect)| Part {
            aspect: *aspect,
            share: known.as_ref().map(|known| shapley(known, bit)),
            alone: mixtures[1 << bit].value,
            without: mixtures[all & !(1 << bit)].value,
        })
        .collect();
    let size = |part: &Part| part.share.map_or(0.0, f64::abs);
    parts.sort_by(|a, b| size(b).total_cmp(&size(a)));
    Ok(Attribution {
        metric: trial.wanted.name.clone(),
        slice: trial.wanted.slice.clone(),
        records: ids,
        values,
        parts,
        mixtures,
    })
}

/// The aspects in which two records differ. What only one of them has is configuration; what came from the
/// network or by secrets is data, as it is for all steps that follow.
fn differing(records: &[Record; 2]) -> BTreeSet<Aspect> {
    let [first, second] = records.each_ref().map(|record| &record.recipe);
    let names: BTreeSet<&StepName> = first.steps.keys().chain(second.steps.keys()).collect();
    let mut aspects = BTreeSet::new();
    for name in names {
        let sides = [first.steps.get(name), second.steps.get(name)];
        if sides.contains(&None) {
            aspects.insert(Aspect::Configuration);
        }
        aspects.extend(of_step(records.each_ref(), sides));
        if let [Some(before), Some(after)] = sides
            && before.pinned != after.pinned
        {
            aspects.insert(Aspect::Data);
        }
    }
    aspects
}

/// A recipe with these aspects of the second record and the rest of the first, or why there is none.
/// Which steps there are, and how they are linked, is configuration.
fn mixed(records: &[Record; 2], second: &BTreeSet<Aspect>) -> Result<Recipe, String> {
    let of = |aspect| &records[usize::from(second.contains(&aspect))].recipe;
    let Recipe {
        mut data,
        mut steps,
        ..
    } = of(Aspect::Configuration).clone();
    for (name, step) in &mut steps {
        let given = of(Aspect::Data).steps.get(name);
        if let Some(given) = given.filter(|given| !given.pinned.is_empty() && step.is_unpinned()) {
            step.pinned = given.pinned.clone();
        }
        let Some(program) = &mut step.program else {
            continue;
        };
        let digest = |aspect, digest: fn(&reproof_record::Program) -> Digest| {
            let step: Option<&RecipeStep> = of(aspect).steps.get(name);
            step?.program.as_ref().map(digest)
        };
        program.code = digest(Aspect::Code, |program| program.code).unwrap_or(program.code);
        program.environment = digest(Aspect::Environment, |program| program.environment)
            .unwrap_or(program.environment);
    }
    let versions: &BTreeMap<_, _> = &of(Aspect::Data).data;
    for (name, version) in &mut data {
        *version = versions.get(name).copied().unwrap_or(*version);
    }
    Recipe::new(data, steps).map_err(|error| error.to_string())
}

/// The Shapley value of one of several players, from the value of every set of them, whose number has a
/// bit for each that is in it.
fn shapley(values: &[f64], player: usize) -> f64 {
    let players = values.len().trailing_zeros() as usize;
    let factorial = |number: usize| (1..=number).product::<usize>() as f64;
    let without = (0..values.len()).filter(|set| set >> player & 1 == 0);
    let moves = without.map(|set| {
        let size = set.count_ones() as usize;
        let weight = factorial(size) * factorial(players - size - 1) / factorial(players);
        weight * (values[set | 1 << player] - values[set])
    });
    moves.sum()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use reproof_record::{Artifact, ArtifactKind, Isolation, Profile, Program};

    use super::*;

    /// A record of a step with network, of which this came, in a program of this code.
    fn fetched(code: &str, came: &str) -> Record {
        let name = |text: &str| text.parse::<StepName>().unwrap();
        let outputs = [
            (name("page"), ArtifactKind::Files),
            (name("reported"), ArtifactKind::Metrics),
        ];
        let digest = Digest::of(came.as_bytes());
        let came = outputs
            .clone()
            .map(|(name, kind)| (name, Artifact { kind, digest }));
        let came: BTreeMap<_, _> = came.into();
        let program = Program {
            run: vec!["fetch".to_owned()],
            code: Digest::of(code.as_bytes()),
            environment: Digest::of(b"environment"),
            profile: Profile::Portable1,
            isolation: Isolation::Full,
            threads: 1,
            variables: BTreeMap::new(),
            secrets: BTreeSet::new(),
            network: true,
            outputs: [(name("page"), "page".parse().unwrap())].into(),
            not_compared: BTreeSet::new(),
        };
        let step = RecipeStep {
            operation: "program@1".parse().unwrap(),
            program: Some(program),
            inputs: BTreeMap::new(),
            parameters: serde_json::Map::new(),
            seed: None,
            outputs: outputs.into(),
            pinned: came.clone(),
            tolerance: BTreeMap::new(),
        };
        let recipe = Recipe::new(BTreeMap::new(), [(name("fetch"), step)].into()).unwrap();
        let results = [(name("fetch"), came)].into();
        Record::new(recipe, results)
    }

    #[test]
    fn what_came_from_a_network_is_data() {
        let records = [fetched("a", "one"), fetched("a", "other")];
        assert_eq!(differing(&records), [Aspect::Data].into());
        let records = [fetched("a", "one"), fetched("b", "other")];
        assert_eq!(differing(&records), [Aspect::Code, Aspect::Data].into());
        for (second, code, came) in [
            (Aspect::Code, "b", "one"),
            (Aspect::Data, "a", "other"),
            (Aspect::Configuration, "a", "one"),
        ] {
            let mixed = mixed(&records, &[second].into()).unwrap();
            assert_eq!(mixed, fetched(code, came).recipe, "{second:?}");
        }
    }

    #[test]
    fn the_glove_game() {
        // Two have left gloves, one a right one: a pair is worth one.
        let values = [0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0];
        let shares = [0, 1, 2].map(|player| shapley(&values, player));
        for (share, expect) in shares.into_iter().zip([1.0 / 6.0, 1.0 / 6.0, 4.0 / 6.0]) {
            assert!((share - expect).abs() < 1e-15, "{shares:?}");
        }
    }

    proptest! {
        #[test]
        fn shares_sum_to_the_difference(values in proptest::collection::vec(-1e3..1e3f64, 16)) {
            let sum: f64 = (0..4).map(|player| shapley(&values, player)).sum();
            prop_assert!((sum - (values[15] - values[0])).abs() < 1e-9);
        }
    }
}
