//! The recipe: the closed description of what can change a result, and of nothing else.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_json::{Map, Value};
use thiserror::Error;

use crate::{
    Artifact, ArtifactKind, CanonicalError, Digest, Operation, Program, RecipeId, StepKey,
    StepName, Tolerance, from_canonical, to_canonical,
};

/// A recipe that cannot be one.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RecipeError {
    /// Its bytes are not a recipe in canonical form.
    #[error("not a recipe in canonical form")]
    Canonical(#[from] CanonicalError),
    /// Written by a later version.
    #[error("the recipe has format '{0}'; this version reads '{expected}'", expected = Recipe::FORMAT)]
    Format(String),
    /// An input names nothing that is there.
    #[error("input '{input}' of step '{step}' comes from {from}, which is not in the recipe")]
    UnknownSource {
        /// The step.
        step: StepName,
        /// Its input.
        input: StepName,
        /// What it names.
        from: Source,
    },
    /// A program where the operation is built in, or none where it is not, or one whose outputs
    /// are not the step's.
    #[error("step '{step}': {reason}")]
    Program {
        /// The step.
        step: StepName,
        /// What is wrong.
        reason: &'static str,
    },
    /// Steps that wait for each other.
    #[error("the steps {} wait for each other", list(.0))]
    Cycle(Vec<StepName>),
}

fn list(names: &[StepName]) -> String {
    names
        .iter()
        .map(StepName::as_str)
        .collect::<Vec<_>>()
        .join(", ")
}

/// A seed of 64 bits. It is written as a decimal string, because canonical JSON has no integers
/// beyond 2^53.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Seed(pub u64);

impl Seed {
    /// The seed of one step: the first eight bytes, little-endian, of the BLAKE3 (in its key
    /// derivation mode) of the pipeline's seed and the step's name.
    #[must_use]
    pub fn derive(self, step: &StepName) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key("reproof 2026 step seed 1");
        hasher.update(&self.0.to_le_bytes());
        hasher.update(step.as_str().as_bytes());
        let mut bytes = [0u8; 8];
        hasher.finalize_xof().fill(&mut bytes);
        Self(u64::from_le_bytes(bytes))
    }

    /// One more seed of a pipeline, to see what of its results the seed alone makes: the first eight
    /// bytes, little-endian, of the BLAKE3 (in its key derivation mode) of the pipeline's seed and the
    /// number, both as eight bytes, little-endian; of them the upper 53 bits, as a pipeline's seed has
    /// no more.
    #[must_use]
    pub fn further(self, number: u64) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key("reproof 2026 further seed 1");
        hasher.update(&self.0.to_le_bytes());
        hasher.update(&number.to_le_bytes());
        let mut bytes = [0u8; 8];
        hasher.finalize_xof().fill(&mut bytes);
        Self(u64::from_le_bytes(bytes) >> 11)
    }
}

impl fmt::Display for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Seed {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

impl Serialize for Seed {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Seed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(de::Error::custom)
    }
}

/// Where a step's input comes from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
pub enum Source {
    /// A data version of the recipe, by its name there.
    Data {
        /// The name.
        data: StepName,
    },
    /// An output of another step.
    Output {
        /// The step.
        step: StepName,
        /// Its output.
        output: StepName,
    },
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Data { data } => write!(f, "{data}"),
            Self::Output { step, output } => write!(f, "{step}.{output}"),
        }
    }
}

/// A data version that goes into a recipe: an artifact by its content.
pub type DataInput = Artifact;

/// What a step gets under one name: an artifact by its content.
pub type StepInput = Artifact;

/// One step of a recipe: a built-in operation, or a program of the user's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecipeStep {
    /// The operation; its version stands for its bits. For a program, `program` and the version of
    /// the protocol by which it is run.
    pub operation: Operation,
    /// The program; none for a built-in operation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub program: Option<Program>,
    /// Its inputs by name.
    pub inputs: BTreeMap<StepName, Source>,
    /// Every resolved parameter.
    pub parameters: Map<String, Value>,
    /// The derived seed; absent where the operation draws nothing at random.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<Seed>,
    /// Its outputs by name.
    pub outputs: BTreeMap<StepName, ArtifactKind>,
    /// What came out of a step that no recipe can pin, by content, for those that follow: such a
    /// step is not run again. No part of its key. Empty where a step can be run again.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub pinned: BTreeMap<StepName, Artifact>,
    /// How far outputs may be off when the step is run again. It changes nothing that the step makes,
    /// so it is no part of its key. Empty where every bit counts.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tolerance: BTreeMap<StepName, Tolerance>,
}

/// What a step's key is the digest of. Inputs stand by content, never by what made them.
#[derive(Serialize)]
struct KeyDocument<'a> {
    format: &'static str,
    operation: &'a Operation,
    #[serde(skip_serializing_if = "Option::is_none")]
    program: Option<&'a Program>,
    inputs: &'a BTreeMap<StepName, StepInput>,
    parameters: &'a Map<String, Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seed: Option<Seed>,
    outputs: &'a BTreeMap<StepName, ArtifactKind>,
}

impl RecipeStep {
    /// The outputs whose content is part of a record: all but those that are not compared.
    pub fn results(&self) -> impl Iterator<Item = (&StepName, &ArtifactKind)> {
        let ignored = |name: &StepName| {
            let program = self.program.as_ref();
            program.is_some_and(|program| program.not_compared.contains(name))
        };
        self.outputs.iter().filter(move |(name, _)| !ignored(name))
    }

    /// Whether it may make something else each time, whatever the recipe says.
    pub fn is_unpinned(&self) -> bool {
        self.program.as_ref().is_some_and(Program::is_unpinned)
    }

    /// Whether what is pinned are outputs of a step that may make others: all that are compared.
    fn check_pinned(&self) -> Result<(), &'static str> {
        let of_kind = |(name, artifact): (&StepName, &Artifact)| {
            self.outputs.get(name) == Some(&artifact.kind)
        };
        if self.pinned.is_empty() {
            Ok(())
        } else if !self.is_unpinned() {
            Err("outputs are pinned though the step can be run again")
        } else if !self.pinned.iter().all(of_kind) {
            Err("what is pinned is no output of the step")
        } else if !self
            .results()
            .all(|(name, _)| self.pinned.contains_key(name))
        {
            Err("not every output is pinned")
        } else {
            Ok(())
        }
    }

    /// Whether tolerances are of outputs that are compared, and say something.
    fn check_tolerance(&self) -> Result<(), &'static str> {
        let compared: BTreeMap<_, _> = self.results().collect();
        if !self
            .tolerance
            .keys()
            .all(|name| compared.contains_key(name))
        {
            Err("a tolerance is of no output that is compared")
        } else if !self.tolerance.values().all(Tolerance::is_sound) {
            Err("a tolerance says nothing, or is negative")
        } else {
            Ok(())
        }
    }

    /// Whether the operation and the program fit each other.
    fn check_program(&self) -> Result<(), &'static str> {
        let is_program = self.operation.name.as_str() == Program::OPERATION;
        match &self.program {
            None if is_program => Err("there is no program to run"),
            Some(_) if !is_program => Err("a built-in operation has no program"),
            Some(program) if program.run.is_empty() => Err("the program has no name"),
            Some(program) => program.check_outputs(&self.outputs),
            None => Ok(()),
        }
    }

    /// The key of this step with these inputs: equal keys give equal outputs.
    pub fn key(&self, inputs: &BTreeMap<StepName, StepInput>) -> Result<StepKey, CanonicalError> {
        let document = KeyDocument {
            format: "reproof.step/1",
            operation: &self.operation,
            program: self.program.as_ref(),
            inputs,
            parameters: &self.parameters,
            seed: self.seed,
            outputs: &self.outputs,
        };
        Ok(StepKey::from_digest(Digest::of(&to_canonical(&document)?)))
    }
}

/// The closed description of what can change a result.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// [`Recipe::FORMAT`].
    pub format: String,
    /// The data versions by name.
    pub data: BTreeMap<StepName, DataInput>,
    /// The steps by name.
    pub steps: BTreeMap<StepName, RecipeStep>,
}

impl Recipe {
    /// The format's name and version.
    pub const FORMAT: &str = "reproof.recipe/1";

    /// A recipe of these data versions and steps, checked: every input is there, no cycle.
    pub fn new(
        data: BTreeMap<StepName, DataInput>,
        steps: BTreeMap<StepName, RecipeStep>,
    ) -> Result<Self, RecipeError> {
        let recipe = Self {
            format: Self::FORMAT.to_owned(),
            data,
            steps,
        };
        recipe.check()?;
        Ok(recipe)
    }

    /// Reads a recipe from its canonical bytes and checks it.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, RecipeError> {
        let recipe: Self = from_canonical(bytes)?;
        recipe.check()?;
        Ok(recipe)
    }

    /// The artifact that a source is, where the recipe itself says it: a data version, or a pinned
    /// output.
    pub fn pinned(&self, source: &Source) -> Option<Artifact> {
        match source {
            Source::Data { data } => self.data.get(data).copied(),
            Source::Output { step, output } => self.steps.get(step)?.pinned.get(output).copied(),
        }
    }

    /// Whether any step gets this output.
    pub fn is_used(&self, step: &StepName, output: &StepName) -> bool {
        let named = |source: &Source| {
            matches!(source, Source::Output { step: from, output: name }
                     if from == step && name == output)
        };
        self.steps
            .values()
            .any(|step| step.inputs.values().any(named))
    }

    /// The canonical bytes, as they are stored.
    pub fn to_bytes(&self) -> Result<Vec<u8>, CanonicalError> {
        to_canonical(self)
    }

    /// The identifier: the BLAKE3 of the canonical bytes.
    pub fn id(&self) -> Result<RecipeId, CanonicalError> {
        Ok(RecipeId::from_digest(Digest::of(&self.to_bytes()?)))
    }

    /// What recipes have in common that differ in nothing but their seeds: the BLAKE3 of the canonical
    /// bytes of `{"format": "reproof.recipe_family/1", "data", "steps"}`, where steps have neither `seed`
    /// nor `tolerance`, which changes no result.
    pub fn family(&self) -> Result<Digest, CanonicalError> {
        let mut family = self.clone();
        "reproof.recipe_family/1".clone_into(&mut family.format);
        for step in family.steps.values_mut() {
            step.seed = None;
            step.tolerance.clear();
        }
        Ok(Digest::of(&to_canonical(&family)?))
    }

    /// The steps in an order in which every input is there before it is needed; among those that
    /// could come next, by name.
    pub fn order(&self) -> Result<Vec<&StepName>, RecipeError> {
        let mut order = Vec::with_capacity(self.steps.len());
        let mut waiting: BTreeMap<&StepName, Vec<&StepName>> = self
            .steps
            .iter()
            .map(|(name, step)| {
                let needs = step.inputs.values().filter_map(|source| match source {
                    Source::Output { step, .. } => Some(step),
                    Source::Data { .. } => None,
                });
                (name, needs.collect())
            })
            .collect();
        while !waiting.is_empty() {
            let ready = waiting
                .iter()
                .find(|(_, needs)| needs.iter().all(|need| !waiting.contains_key(need)))
                .map(|(name, _)| *name);
            let Some(name) = ready else {
                return Err(RecipeError::Cycle(waiting.into_keys().cloned().collect()));
            };
            waiting.remove(name);
            order.push(name);
        }
        Ok(order)
    }

    /// Checks the format, that every input names something that is there, and that no steps wait
    /// for each other.
    fn check(&self) -> Result<(), RecipeError> {
        if self.format != Self::FORMAT {
            return Err(RecipeError::Format(self.format.clone()));
        }
        for (name, step) in &self.steps {
            step.check_program()
                .and_then(|()| step.check_pinned())
                .and_then(|()| step.check_tolerance())
                .map_err(|reason| RecipeError::Program {
                    step: name.clone(),
                    reason,
                })?;
            for (input, source) in &step.inputs {
                let there = match source {
                    Source::Data { data } => self.data.contains_key(data),
                    Source::Output { step, output } => self
                        .steps
                        .get(step)
                        .is_some_and(|step| step.outputs.contains_key(output)),
                };
                if !there {
                    return Err(RecipeError::UnknownSource {
                        step: name.clone(),
                        input: input.clone(),
                        from: source.clone(),
                    });
                }
            }
        }
        self.order().map(|_| ())
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::collections::BTreeSet;

    use serde_json::json;

    use super::*;
    use crate::{Isolation, Profile};

    pub(crate) fn name(text: &str) -> StepName {
        text.parse().unwrap()
    }

    fn step(inputs: &[(&str, Source)], outputs: &[&str]) -> RecipeStep {
        RecipeStep {
            operation: "split_random@1".parse().unwrap(),
            program: None,
            inputs: inputs
                .iter()
                .map(|(input, from)| (name(input), from.clone()))
                .collect(),
            parameters: Map::new(),
            seed: None,
            outputs: outputs
                .iter()
                .map(|output| (name(output), ArtifactKind::Table))
                .collect(),
            pinned: BTreeMap::new(),
            tolerance: BTreeMap::new(),
        }
    }

    fn from(text: &str) -> Source {
        match text.split_once('.') {
            Some((step, output)) => Source::Output {
                step: name(step),
                output: name(output),
            },
            None => Source::Data { data: name(text) },
        }
    }

    pub(crate) fn sample() -> Recipe {
        let data = Artifact {
            kind: ArtifactKind::Table,
            digest: Digest::of(b"data"),
        };
        let mut split = step(&[("table", from("data"))], &["train", "eval"]);
        split
            .parameters
            .insert("ratios".into(), json!({"train": 0.7, "eval": 0.3}));
        split.seed = Some(Seed(u64::MAX));
        let train = step(&[("table", from("split.train"))], &["model"]);
        Recipe::new(
            [(name("data"), data)].into(),
            [(name("split"), split), (name("a-train"), train)].into(),
        )
        .unwrap()
    }

    #[test]
    fn steps_come_after_what_they_need() {
        let recipe = sample();
        let order: Vec<_> = recipe
            .order()
            .unwrap()
            .into_iter()
            .map(StepName::as_str)
            .collect();
        assert_eq!(order, ["split", "a-train"]);
    }

    #[test]
    fn a_recipe_is_read_back_from_its_bytes() {
        let recipe = sample();
        let bytes = recipe.to_bytes().unwrap();
        assert_eq!(Recipe::from_bytes(&bytes).unwrap(), recipe);
        assert_eq!(recipe.id().unwrap().digest(), &Digest::of(&bytes));
    }

    #[test]
    fn seeds_of_64_bits_survive() {
        let text = String::from_utf8(sample().to_bytes().unwrap()).unwrap();
        assert!(text.contains(r#""seed":"18446744073709551615""#), "{text}");
    }

    #[test]
    fn further_seeds_are_told_apart_and_fit_a_pipeline_file() {
        let further = |number| Seed(42).further(number).0;
        assert_eq!(further(1), 5_790_140_633_280_329);
        let all: BTreeSet<u64> = (1..200).map(further).collect();
        assert_eq!(all.len(), 199);
        assert!(all.iter().all(|seed| *seed < 1 << 53));
        assert_ne!(Seed(43).further(1), Seed(42).further(1));
    }

    #[test]
    fn recipes_of_a_family_differ_in_seeds_and_tolerances_alone() {
        let recipe = sample();
        let family = recipe.family().unwrap();
        assert_eq!(
            family.to_string(),
            "34158aab30a200b2588668352ceccdd042bc8c5522ebaa89ceb7e86a12c25c34"
        );
        let mut other = recipe.clone();
        other.steps.get_mut("split").unwrap().seed = Some(Seed(1));
        let tolerance = Tolerance {
            abs: Some(1.0),
            ..Tolerance::default()
        };
        let train = other.steps.get_mut("a-train").unwrap();
        train.tolerance.insert(name("model"), tolerance);
        assert_eq!(other.family().unwrap(), family);
        assert_ne!(other.id().unwrap(), recipe.id().unwrap());
        let train = other.steps.get_mut("a-train").unwrap();
        train.parameters.insert("l2".into(), json!(1));
        assert_ne!(other.family().unwrap(), family);
    }

    #[test]
    fn a_tolerance_is_in_the_recipe_and_not_in_the_key() {
        let plain = sample();
        let mut recipe = plain.clone();
        let train = recipe.steps.get_mut("a-train").unwrap();
        let tolerance = Tolerance {
            abs: Some(1e-9),
            ulp: Some(4),
            ..Tolerance::default()
        };
        train.tolerance.insert(name("model"), tolerance);
        let bytes = recipe.to_bytes().unwrap();
        let text = String::from_utf8(bytes.clone()).unwrap();
        assert!(
            text.contains(r#""tolerance":{"model":{"abs":1e-9,"ulp":4}}"#),
            "{text}"
        );
        assert_eq!(Recipe::from_bytes(&bytes).unwrap(), recipe);
        assert_ne!(recipe.id().unwrap(), plain.id().unwrap());
        let key = |recipe: &Recipe| recipe.steps["a-train"].key(&BTreeMap::new()).unwrap();
        assert_eq!(key(&recipe), key(&plain));

        let train = recipe.steps.get_mut("a-train").unwrap();
        train.tolerance.insert(name("modle"), tolerance);
        assert!(Recipe::from_bytes(&recipe.to_bytes().unwrap()).is_err());
    }

    fn program(run: &[&str]) -> Program {
        Program {
            run: run.iter().map(|&part| part.to_owned()).collect(),
            code: Digest::of(b"code"),
            environment: Digest::of(b"environment"),
            profile: Profile::Portable1,
            isolation: Isolation::Full,
            threads: 1,
            variables: BTreeMap::new(),
            secrets: BTreeSet::new(),
            network: false,
            outputs: [(name("model"), "model".parse().unwrap())].into(),
            not_compared: BTreeSet::new(),
        }
    }

    fn with_program(program: Program) -> Result<Recipe, RecipeError> {
        let mut train = step(&[], &["model"]);
        train
            .outputs
            .insert(name("reported"), ArtifactKind::Metrics);
        train.operation = "program@1".parse().unwrap();
        train.program = Some(program);
        Recipe::new(BTreeMap::new(), [(name("train"), train)].into())
    }

    #[test]
    fn a_program_is_part_of_the_recipe_and_of_the_key() {
        let recipe = with_program(program(&["python", "train.py"])).unwrap();
        let bytes = recipe.to_bytes().unwrap();
        assert_eq!(Recipe::from_bytes(&bytes).unwrap(), recipe);
        let text = String::from_utf8(bytes).unwrap();
        assert!(!text.contains("network"), "{text}");
        let key = |recipe: &Recipe| recipe.steps["train"].key(&BTreeMap::new()).unwrap();
        for change in [
            |program: &mut Program| program.run.push("-v".to_owned()),
            |program: &mut Program| program.code = Digest::of(b"other"),
            |program: &mut Program| program.environment = Digest::of(b"other"),
            |program: &mut Program| program.profile = Profile::Native1,
            |program: &mut Program| program.isolation = Isolation::None,
            |program: &mut Program| program.threads = 2,
            |program: &mut Program| program.variables = [("A".to_owned(), "1".to_owned())].into(),
            |program: &mut Program| program.secrets = ["TOKEN".to_owned()].into(),
            |program: &mut Program| program.network = true,
            |program: &mut Program| {
                program.outputs = [(name("model"), "m".parse().unwrap())].into();
            },
            |program: &mut Program| program.not_compared = [name("model")].into(),
        ] {
            let mut changed = program(&["python", "train.py"]);
            change(&mut changed);
            let changed = with_program(changed).unwrap();
            assert_ne!(changed.id().unwrap(), recipe.id().unwrap());
            assert_ne!(key(&changed), key(&recipe));
        }
    }

    #[test]
    fn what_is_pinned_is_part_of_the_recipe_and_not_of_the_key() {
        let mut fetch = program(&["curl"]);
        fetch.network = true;
        let free = with_program(fetch).unwrap();
        let artifact = |kind| Artifact {
            kind,
            digest: Digest::of(b"x"),
        };
        let pin = |recipe: &Recipe, outputs: &[(&str, ArtifactKind)]| {
            let mut recipe = recipe.clone();
            let outputs = outputs.iter().map(|(of, kind)| (name(of), artifact(*kind)));
            recipe.steps.get_mut("train").unwrap().pinned = outputs.collect();
            recipe
        };
        let (model, reported) = (
            ("model", ArtifactKind::Table),
            ("reported", ArtifactKind::Metrics),
        );
        let pinned = pin(&free, &[model, reported]);
        pinned.check().unwrap();
        assert_ne!(pinned.id().unwrap(), free.id().unwrap());
        let key = |recipe: &Recipe| recipe.steps["train"].key(&BTreeMap::new()).unwrap();
        assert_eq!(key(&pinned), key(&free));
        let bytes = pinned.to_bytes().unwrap();
        assert_eq!(Recipe::from_bytes(&bytes).unwrap(), pinned);
        for wrong in [
            pin(&free, &[model]),
            pin(&free, &[("model", ArtifactKind::Files), reported]),
            pin(&free, &[model, reported, ("more", ArtifactKind::Files)]),
            pin(&with_program(program(&["x"])).unwrap(), &[model, reported]),
        ] {
            assert!(wrong.check().is_err(), "{:?}", wrong.steps["train"].pinned);
        }
    }

    #[test]
    fn a_program_that_does_not_fit_its_step_is_refused() {
        assert!(with_program(program(&[])).is_err());
        let mut other = program(&["x"]);
        other.outputs.insert(name("more"), "more".parse().unwrap());
        assert!(with_program(other).is_err());
        let mut recipe = with_program(program(&["x"])).unwrap();
        let step = recipe.steps.get_mut("train").unwrap();
        step.operation = "split_random@1".parse().unwrap();
        assert!(matches!(recipe.check(), Err(RecipeError::Program { .. })));
        recipe.steps.get_mut("train").unwrap().program = None;
        recipe.check().unwrap();
        recipe.steps.get_mut("train").unwrap().operation = "program@1".parse().unwrap();
        assert!(matches!(recipe.check(), Err(RecipeError::Program { .. })));
    }

    #[test]
    fn cycles_and_unknown_inputs_are_refused() {
        let steps = BTreeMap::from([
            (name("a"), step(&[("x", from("b.y"))], &["y"])),
            (name("b"), step(&[("x", from("a.y"))], &["y"])),
        ]);
        assert!(matches!(
            Recipe::new(BTreeMap::new(), steps),
            Err(RecipeError::Cycle(names)) if names.len() == 2
        ));
        let steps = BTreeMap::from([(name("a"), step(&[("x", from("data"))], &["y"]))]);
        let refused = Recipe::new(BTreeMap::new(), steps);
        assert!(matches!(refused, Err(RecipeError::UnknownSource { .. })));
    }

    #[test]
    fn later_formats_and_unknown_fields_are_refused() {
        let text = String::from_utf8(sample().to_bytes().unwrap()).unwrap();
        let later = text.replace("reproof.recipe/1", "reproof.recipe/2");
        assert!(matches!(
            Recipe::from_bytes(later.as_bytes()),
            Err(RecipeError::Format(_))
        ));
        let unknown = text.replacen('{', r#"{"about":1,"#, 1);
        assert!(Recipe::from_bytes(unknown.as_bytes()).is_err());
    }

    #[test]
    fn a_step_key_changes_with_every_part() {
        let recipe = sample();
        let step = &recipe.steps["split"];
        let inputs = BTreeMap::from([(name("table"), recipe.data["data"])]);
        let key = step.key(&inputs).unwrap();
        assert_eq!(step.key(&inputs).unwrap(), key);
        let other = Artifact {
            kind: ArtifactKind::Table,
            digest: Digest::of(b"other"),
        };
        assert_ne!(
            step.key(&BTreeMap::from([(name("table"), other)])).unwrap(),
            key
        );
        for change in [
            |step: &mut RecipeStep| step.seed = Some(Seed(1)),
            |step: &mut RecipeStep| step.operation.version = 2,
            |step: &mut RecipeStep| step.parameters.extend([("x".to_owned(), json!(1))]),
            |step: &mut RecipeStep| step.outputs.retain(|name, _| name.as_str() != "eval"),
        ] {
            let mut changed = step.clone();
            change(&mut changed);
            assert_ne!(changed.key(&inputs).unwrap(), key);
        }
    }

    #[test]
    fn derived_seeds_are_fixed_and_differ_by_step() {
        assert_eq!(
            Seed(42).derive(&name("split")),
            Seed(42).derive(&name("split"))
        );
        assert_ne!(
            Seed(42).derive(&name("split")),
            Seed(42).derive(&name("train"))
        );
        assert_ne!(
            Seed(42).derive(&name("split")),
            Seed(43).derive(&name("split"))
        );
    }
}
