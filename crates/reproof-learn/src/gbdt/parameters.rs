//! The parameters of `train_gradient_boosting`.

use serde::{Deserialize, Serialize};

use super::bins::MAX_BINS;
use super::loss::ClassWeights;
use crate::LearnError;
use crate::label::LabelParameters;
use crate::metrics::Task;

/// The deepest tree: places in it are 64-bit numbers.
const MAX_DEPTH: u32 = 30;

/// The most rounds.
const MAX_ROUNDS: u32 = 100_000;

/// The largest weight of a class.
const MAX_WEIGHT: f64 = 1e6;

/// The parameters of `train_gradient_boosting`, as the recipe holds them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BoostingParameters {
    /// What is predicted, which decides the loss: the logistic one, that of the softmax, or half
    /// the squared error.
    pub task: Task,
    /// The label; `positive` is for two classes only.
    pub label: LabelParameters,
    /// How many rounds; each adds one tree, or one for each of several classes.
    pub rounds: u32,
    /// The share of Newton's step that is taken, above 0 and up to 1.
    pub learning_rate: f64,
    /// The most splits between the root and a leaf.
    pub max_depth: u32,
    /// The most leaves of a tree. The splits with the largest gains are made first.
    pub max_leaves: Option<u32>,
    /// The least rows of a leaf.
    pub min_rows: u32,
    /// The weight of the penalty on the squares of the leaves' values, from 0.
    pub l2: f64,
    /// The least by which a split must lower the loss (summed over the rows), from 0.
    pub min_gain: f64,
    /// The most bins of a feature, from 2 to 255.
    pub bins: u32,
    /// The share of the rows, drawn anew in each round, that trees are grown from.
    pub row_fraction: f64,
    /// The share of the features, drawn anew in each round, that trees are grown from.
    pub column_fraction: f64,
    /// Training ends after so many rounds in which the loss of the eval part has not fallen, and
    /// the model is that of the best round.
    pub early_stopping_rounds: Option<u32>,
    /// What rows count by their class.
    pub class_weights: Option<ClassWeights>,
    /// The features whose values are categories: whole numbers from 0 to 254 without an order. Later
    /// than version 1, so written only where there are such; the same is true of the next two.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub categorical: Vec<String>,
    /// What is added to the second derivatives of a category before categories are sorted by their
    /// mean gradients, from 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cat_smooth: Option<f64>,
    /// What is added to `l2` where splits by categories are compared, from 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cat_l2: Option<f64>,
}

impl BoostingParameters {
    /// Refuses what is out of range.
    pub(super) fn check(&self) -> Result<(), LearnError> {
        let whole = |from: u32, to: u32, value: u32| (from..=to).contains(&value);
        let share = |value: f64| value > 0.0 && value <= 1.0;
        let from_zero = |value: f64| value.is_finite() && value >= 0.0;
        let any_number = "a number from 0 is needed";
        let any_share = "a number above 0 and up to 1 is needed";
        let rules: [(&'static str, bool, String, &'static str); 10] = [
            (
                "rounds",
                whole(1, MAX_ROUNDS, self.rounds),
                self.rounds.to_string(),
                "1 to 100000 are possible",
            ),
            (
                "learning_rate",
                share(self.learning_rate),
                self.learning_rate.to_string(),
                any_share,
            ),
            (
                "max_depth",
                whole(1, MAX_DEPTH, self.max_depth),
                self.max_depth.to_string(),
                "1 to 30 are possible",
            ),
            (
                "max_leaves",
                self.max_leaves.is_none_or(|leaves| leaves >= 2),
                self.max_leaves.unwrap_or_default().to_string(),
                "at least 2 are needed",
            ),
            (
                "min_rows",
                self.min_rows >= 1,
                self.min_rows.to_string(),
                "at least 1 is needed",
            ),
            ("l2", from_zero(self.l2), self.l2.to_string(), any_number),
            (
                "min_gain",
                from_zero(self.min_gain),
                self.min_gain.to_string(),
                any_number,
            ),
            (
                "bins",
                whole(2, MAX_BINS as u32, self.bins),
                self.bins.to_string(),
                "2 to 255 are possible",
            ),
            (
                "row_fraction",
                share(self.row_fraction),
                self.row_fraction.to_string(),
                any_share,
            ),
            (
                "column_fraction",
                share(self.column_fraction),
                self.column_fraction.to_string(),
                any_share,
            ),
        ];
        for (parameter, good, value, wanted) in rules {
            if !good {
                return Err(LearnError::Parameter {
                    parameter,
                    value,
                    wanted,
                });
            }
        }
        self.check_categories()?;
        self.check_stopping_and_weights()
    }

    fn check_categories(&self) -> Result<(), LearnError> {
        let settings = [("cat_smooth", self.cat_smooth), ("cat_l2", self.cat_l2)];
        for (parameter, value) in settings {
            let (good, wanted) = match value {
                Some(_) if self.categorical.is_empty() => (false, "no feature is categorical"),
                Some(value) => (
                    value.is_finite() && value >= 0.0,
                    "a number from 0 is needed",
                ),
                None => (
                    self.categorical.is_empty(),
                    "it is needed where features are categorical",
                ),
            };
            if !good {
                let value = value.map_or("missing".to_owned(), |value| value.to_string());
                return Err(LearnError::Parameter {
                    parameter,
                    value,
                    wanted,
                });
            }
        }
        Ok(())
    }

    fn check_stopping_and_weights(&self) -> Result<(), LearnError> {
        if self.early_stopping_rounds == Some(0) {
            return Err(LearnError::Parameter {
                parameter: "early_stopping_rounds",
                value: "0".to_owned(),
                wanted: "at least 1 is needed",
            });
        }
        let wrong = |value: &str, wanted| LearnError::Parameter {
            parameter: "class_weights",
            value: value.to_owned(),
            wanted,
        };
        match &self.class_weights {
            Some(_) if self.task == Task::Regression => {
                Err(wrong("given", "a regression has no classes"))
            }
            Some(ClassWeights::Given(weights)) => {
                match weights
                    .values()
                    .find(|weight| !(**weight > 0.0 && **weight <= MAX_WEIGHT))
                {
                    Some(weight) => Err(wrong(
                        &weight.to_string(),
                        "weights are numbers above 0 and up to 1000000",
                    )),
                    None => Ok(()),
                }
            }
            _ => Ok(()),
        }
    }
}
