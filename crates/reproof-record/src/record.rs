//! The record: a recipe and what came out of it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    Artifact, CanonicalError, Digest, Recipe, RecipeError, RecordId, ResultsId, Source, StepName,
    from_canonical, to_canonical,
};

/// The outputs of every step: step name, then output name.
pub type Results = BTreeMap<StepName, BTreeMap<StepName, Artifact>>;

/// A recipe plus the content digest of every output of every step, but for those that a program's
/// step says are not compared.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// [`Record::FORMAT`].
    pub format: String,
    /// What went in.
    pub recipe: Recipe,
    /// What came out.
    pub results: Results,
}

impl Record {
    /// The format's name and version.
    pub const FORMAT: &str = "reproof.record/1";

    /// A record of this recipe and these results.
    pub fn new(recipe: Recipe, results: Results) -> Self {
        Self {
            format: Self::FORMAT.to_owned(),
            recipe,
            results,
        }
    }

    /// Reads a record from its canonical bytes and checks it: its recipe is sound, and there is a
    /// result of the right kind for every output that is compared and for nothing else, the pinned
    /// one where one is pinned.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, RecipeError> {
        let record: Self = from_canonical(bytes)?;
        if record.format != Self::FORMAT {
            return Err(RecipeError::Format(record.format));
        }
        Recipe::from_bytes(&record.recipe.to_bytes()?)?;
        let same = record.results.len() == record.recipe.steps.len()
            && record.recipe.steps.iter().all(|(name, step)| {
                record.results.get(name).is_some_and(|outputs| {
                    outputs
                        .iter()
                        .map(|(output, artifact)| (output, artifact.kind))
                        .eq(step.results().map(|(output, kind)| (output, *kind)))
                        && outputs.iter().all(|(output, artifact)| {
                            step.pinned
                                .get(output)
                                .is_none_or(|pinned| pinned == artifact)
                        })
                })
            });
        if !same {
            return Err(RecipeError::Canonical(CanonicalError::NotCanonical));
        }
        Ok(record)
    }

    /// The artifact that a step's input is, by what the record says.
    pub fn artifact(&self, source: &Source) -> Option<Artifact> {
        match source {
            Source::Data { data } => self.recipe.data.get(data).copied(),
            Source::Output { step, output } => {
                let found = self.results.get(step)?.get(output).copied();
                found.or_else(|| self.recipe.pinned(source))
            }
        }
    }

    /// The canonical bytes, as they are stored.
    pub fn to_bytes(&self) -> Result<Vec<u8>, CanonicalError> {
        to_canonical(self)
    }

    /// The identifier: the BLAKE3 of the canonical bytes.
    pub fn id(&self) -> Result<RecordId, CanonicalError> {
        Ok(RecordId::from_digest(Digest::of(&self.to_bytes()?)))
    }

    /// The identifier of the results alone.
    pub fn results_id(&self) -> Result<ResultsId, CanonicalError> {
        Ok(ResultsId::from_digest(Digest::of(&to_canonical(
            &self.results,
        )?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe::tests::{name, sample};

    fn record(model: &[u8]) -> Record {
        let recipe = sample();
        let results = recipe
            .steps
            .iter()
            .map(|(step, description)| {
                let outputs = description.outputs.iter().map(|(output, kind)| {
                    let digest = Digest::of(if output.as_str() == "model" {
                        model
                    } else {
                        b"t"
                    });
                    (
                        output.clone(),
                        Artifact {
                            kind: *kind,
                            digest,
                        },
                    )
                });
                (step.clone(), outputs.collect())
            })
            .collect();
        Record::new(recipe, results)
    }

    #[test]
    fn a_record_is_read_back_from_its_bytes() {
        let record = record(b"model");
        let bytes = record.to_bytes().unwrap();
        assert_eq!(Record::from_bytes(&bytes).unwrap(), record);
        assert_eq!(record.id().unwrap().digest(), &Digest::of(&bytes));
    }

    #[test]
    fn another_result_is_another_record_of_the_same_recipe() {
        let (one, other) = (record(b"model"), record(b"moved"));
        assert_ne!(one.id().unwrap(), other.id().unwrap());
        assert_ne!(one.results_id().unwrap(), other.results_id().unwrap());
        assert_eq!(one.recipe.id().unwrap(), other.recipe.id().unwrap());
    }

    #[test]
    fn results_must_match_the_recipe() {
        let mut missing = record(b"model");
        missing.results.remove("a-train");
        assert!(Record::from_bytes(&missing.to_bytes().unwrap()).is_err());
        let mut more = record(b"model");
        let artifact = more.results["split"]["train"];
        more.results
            .get_mut("split")
            .unwrap()
            .insert(name("extra"), artifact);
        assert!(Record::from_bytes(&more.to_bytes().unwrap()).is_err());
    }
}
