//! What the features contribute to a model, as `reproof show` says it: for trees the gain of the
//! splits that use a feature and how many these are, for linear models the coefficient.

use reproof_learn::Model;
use reproof_record::StepName;
use serde_json::{Map, Value, json};

use crate::format;

/// How many features of a model are listed.
const LISTED: usize = 10;

/// How wide the names of features are at most.
const NAME: usize = 40;

/// A feature's part in a model.
#[derive(Clone, Debug, PartialEq)]
enum Contribution {
    Trees { gain: f64, share: f64, splits: u64 },
    Linear { coefficient: f64 },
}

impl Contribution {
    /// What features are sorted by.
    fn size(&self) -> f64 {
        match self {
            Self::Trees { gain, .. } => *gain,
            Self::Linear { coefficient } => coefficient.abs(),
        }
    }

    fn json(&self, feature: &str) -> Value {
        match self {
            Self::Trees {
                gain,
                share,
                splits,
            } => json!({
                "feature": feature,
                "gain": gain,
                "gain_share": share,
                "splits": splits,
            }),
            Self::Linear { coefficient } => {
                json!({ "feature": feature, "coefficient": coefficient })
            }
        }
    }

    fn text(&self) -> String {
        match self {
            Self::Trees { share, splits, .. } => {
                format!(
                    "{:>5.1} %   {}",
                    100.0 * share,
                    format::counted(*splits, "split")
                )
            }
            Self::Linear { coefficient } => format!("{:>10}", format::short(*coefficient)),
        }
    }
}

/// The features with what they contribute, the largest first; of equal ones in the order of the
/// model.
fn contributions(model: &Model) -> Vec<(&str, Contribution)> {
    let mut found: Vec<(&str, Contribution)> = match model {
        Model::Boosted(model) => {
            let importance = model.importance();
            let all: f64 = importance.gain.iter().fold(0.0, |sum, gain| sum + gain);
            let gains = importance.gain.into_iter().zip(importance.count);
            let features = model.features().iter().map(String::as_str);
            features
                .zip(gains.map(|(gain, splits)| Contribution::Trees {
                    gain,
                    share: if all > 0.0 { gain / all } else { 0.0 },
                    splits,
                }))
                .collect()
        }
        other => {
            let function = other.function().into_iter();
            function
                .flat_map(|function| function.features().iter().zip(function.coefficients()))
                .map(|(feature, &coefficient)| {
                    (feature.as_str(), Contribution::Linear { coefficient })
                })
                .collect()
        }
    };
    found.sort_by(|one, other| other.1.size().total_cmp(&one.1.size()));
    found
}

/// All features of each model, by its step.
pub fn json(models: &[(StepName, Model)]) -> Value {
    let models = models.iter().map(|(step, model)| {
        let features = contributions(model).into_iter();
        let features = features.map(|(feature, part)| part.json(feature)).collect();
        (step.as_str().to_owned(), Value::Array(features))
    });
    Value::Object(models.collect::<Map<_, _>>())
}

/// The features that contribute most to each model, a line each.
pub fn lines(models: &[(StepName, Model)]) -> Vec<String> {
    let mut lines = Vec::new();
    for (step, model) in models {
        let found = contributions(model);
        if found.is_empty() {
            continue;
        }
        let what = match model {
            Model::Boosted(_) => "share of the gain of all splits, and how many splits",
            _ => "coefficients by size; those of features on other scales do not compare",
        };
        lines.push(String::new());
        lines.push(format!("features of '{step}'   {what}"));
        let listed = &found[..found.len().min(LISTED)];
        let names: Vec<String> = listed
            .iter()
            .map(|(feature, _)| format::cut(feature, NAME))
            .collect();
        let width = names.iter().map(|name| name.chars().count()).max();
        let width = width.unwrap_or_default();
        for (name, (_, part)) in names.iter().zip(listed) {
            lines.push(format!("  {name:<width$}  {}", part.text()));
        }
        if found.len() > LISTED {
            let more = found.len() - LISTED;
            lines.push(format!("  and {more} more: --json lists all"));
        }
    }
    lines
}
