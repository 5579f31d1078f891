//! The state as it is stored: in format 1 where that can say it, with codes of categories in format
//! 3, else in format 2.

use std::collections::BTreeMap;

use reproof_record::LogicalType;
use serde::{Deserialize, Serialize};

use super::chain::UnknownCategory;
use super::step::{Coding, Filling, Step, ZScore};
use super::{Feature, Fitted};
use crate::TableError;

/// A stored state.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Document {
    format: String,
    features: BTreeMap<String, FeatureDocument>,
}

/// A stored feature, with what both formats have.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FeatureDocument {
    #[serde(rename = "type")]
    logical_type: LogicalType,
    // Format 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    fill: Option<Filling>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    z_score: Option<ZScore>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    one_hot: Option<Vec<String>>,
    // Formats 2 and 3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    chain: Option<Vec<Step>>,
}

impl FeatureDocument {
    fn empty(logical_type: LogicalType) -> Self {
        Self {
            logical_type,
            fill: None,
            z_score: None,
            one_hot: None,
            chain: None,
        }
    }

    /// In format 1; none if that cannot say it.
    fn first(feature: &Feature) -> Option<Self> {
        let mut document = Self::empty(feature.logical_type);
        for step in &feature.steps {
            match step {
                Step::Fill(filling) => document.fill = Some(filling.clone()),
                Step::ZScore(z_score) => document.z_score = Some(*z_score),
                Step::OneHot(coding) if coding.is_plain() => {
                    document.one_hot = Some(coding.categories.clone());
                }
                _ => return None,
            }
        }
        Some(document)
    }

    fn second(feature: Feature) -> Self {
        Self {
            chain: Some(feature.steps),
            ..Self::empty(feature.logical_type)
        }
    }

    fn read_first(self) -> Result<Feature, &'static str> {
        if self.chain.is_some() {
            return Err("format 1 has no 'chain'");
        }
        let coding = |categories| Coding {
            categories,
            rare: None,
            unknown: UnknownCategory::Zeros,
        };
        let steps = [
            self.fill.map(Step::Fill),
            self.z_score.map(Step::ZScore),
            self.one_hot.map(coding).map(Step::OneHot),
        ];
        Ok(Feature {
            logical_type: self.logical_type,
            steps: steps.into_iter().flatten().collect(),
        })
    }

    fn read_second(self) -> Result<Feature, &'static str> {
        match self {
            Self {
                logical_type,
                fill: None,
                z_score: None,
                one_hot: None,
                chain: Some(steps),
            } => Ok(Feature {
                logical_type,
                steps,
            }),
            _ => Err("a feature of formats 2 and 3 is its type and its chain"),
        }
    }
}

impl From<Fitted> for Document {
    fn from(fitted: Fitted) -> Self {
        let first: Option<BTreeMap<_, _>> = fitted
            .features
            .iter()
            .map(|(name, feature)| Some((name.clone(), FeatureDocument::first(feature)?)))
            .collect();
        match first {
            Some(features) => Self {
                format: Fitted::FORMAT.to_owned(),
                features,
            },
            None => Self {
                format: if fitted.has_categories() {
                    Fitted::FORMAT_3.to_owned()
                } else {
                    Fitted::FORMAT_2.to_owned()
                },
                features: fitted
                    .features
                    .into_iter()
                    .map(|(name, feature)| (name, FeatureDocument::second(feature)))
                    .collect(),
            },
        }
    }
}

impl TryFrom<Document> for Fitted {
    type Error = TableError;

    fn try_from(document: Document) -> Result<Self, TableError> {
        let read = match document.format.as_str() {
            Self::FORMAT => FeatureDocument::read_first,
            Self::FORMAT_2 | Self::FORMAT_3 => FeatureDocument::read_second,
            other => {
                return Err(TableError::State(format!(
                    "its format is '{other}'; this version reads '{}', '{}' and '{}'",
                    Self::FORMAT,
                    Self::FORMAT_2,
                    Self::FORMAT_3
                )));
            }
        };
        let features = document.features.into_iter();
        let features = features.map(|(name, feature)| {
            let feature = read(feature).map_err(|reason| TableError::feature(&name, reason))?;
            Ok((name, feature))
        });
        let fitted = Self::new(features.collect::<Result<_, TableError>>()?)?;
        if fitted.has_categories() != (document.format == Self::FORMAT_3) {
            return Err(TableError::State(format!(
                "its format is '{}', and '{}' is that of states with a `category`",
                document.format,
                Self::FORMAT_3
            )));
        }
        Ok(fitted)
    }
}
