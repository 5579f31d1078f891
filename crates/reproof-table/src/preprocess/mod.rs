//! Preprocessing: a chain for each feature, fitted on the training part only, and a state that
//! prepares any part, and whatever is served later, in the same way bit for bit.
//!
//! A chain is a fill, then a scaling or a one-hot coding; each may be left out. What comes out are
//! floats only: an integer as the nearest double, a boolean as 0 or 1, a one-hot coding as a
//! column of 0 and 1 for each category. A value that is missing and not filled stays missing, and
//! is no category. The state is described in `docs/formats/preprocess.md`.

mod apply;
mod fit;
mod number;

use std::collections::BTreeMap;

use reproof_record::{Column, LogicalType, Schema};
use serde::{Deserialize, Serialize};

use crate::TableError;
use crate::column::float_text;
pub use fit::fit;
use number::Exact;

/// The most categories of a one-hot coding.
pub const MAX_CATEGORIES: usize = 1_000;

/// The chains of the features, by column: the parameter `features` of `preprocess@1`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Chains(pub BTreeMap<String, Vec<Item>>);

/// One item of a chain.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Item {
    /// Puts a value where one is missing.
    Fill(Fill),
    /// Brings the values to one scale.
    Scale(Scale),
    /// Makes a column of 0 and 1 for each value that the training part has.
    OneHot,
}

/// What is put where a value is missing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fill {
    /// The mean of the training part's values.
    Mean,
    /// This value, of the column's type.
    Constant(Constant),
}

/// How values are scaled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scale {
    /// Less the mean, divided by the population standard deviation (the divisor is the number of
    /// values), both of the training part after filling. A column of one value is divided by 1.
    ZScore,
}

/// A value in a recipe.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Constant {
    /// Of a boolean column.
    Boolean(bool),
    /// Of an integer or float column.
    Number(f64),
    /// Of a string column.
    Text(String),
}

/// The fitted state: what preparing any part needs, and nothing else.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Document", into = "Document")]
pub struct Fitted {
    features: BTreeMap<String, Feature>,
}

/// The state as it is stored.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    format: String,
    features: BTreeMap<String, Feature>,
}

/// A fitted feature: the type of its column and the fitted chain.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Feature {
    #[serde(rename = "type")]
    logical_type: LogicalType,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    fill: Option<Filling>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    z_score: Option<ZScore>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    one_hot: Option<Vec<String>>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Filling {
    Boolean(bool),
    Number(Exact),
    Text(String),
}

impl Filling {
    /// As a category.
    fn text(&self) -> String {
        match self {
            Self::Boolean(value) => value.to_string(),
            Self::Number(Exact(value)) => float_text(*value),
            Self::Text(text) => text.clone(),
        }
    }

    /// As a number; a text is none.
    fn number(&self) -> f64 {
        match self {
            Self::Boolean(value) => f64::from(u8::from(*value)),
            Self::Number(Exact(value)) => *value,
            Self::Text(_) => f64::NAN,
        }
    }

    fn fits(&self, logical_type: LogicalType) -> bool {
        match self {
            // The mean of booleans is a number.
            Self::Number(_) => logical_type != LogicalType::String,
            Self::Boolean(_) => logical_type == LogicalType::Boolean,
            Self::Text(_) => logical_type == LogicalType::String,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ZScore {
    mean: Exact,
    scale: Exact,
}

impl Fitted {
    /// The format's name and version.
    pub const FORMAT: &str = "reproof.preprocess/1";

    /// The columns that features are made of, sorted by the bytes of their names.
    pub fn features(&self) -> impl Iterator<Item = &str> {
        self.features.keys().map(String::as_str)
    }

    /// The columns that [`Fitted::apply`] gives, all of them floats: sorted by the bytes of the
    /// feature's name, then of the category. A one-hot column is named `FEATURE=CATEGORY`.
    pub fn schema(&self) -> Result<Schema, TableError> {
        let mut columns = Vec::new();
        let mut add = |name: String| {
            columns.push(Column {
                name,
                logical_type: LogicalType::Float,
            });
        };
        for (name, feature) in &self.features {
            match &feature.one_hot {
                None => add(name.clone()),
                Some(categories) => {
                    for category in categories {
                        add(format!("{name}={category}"));
                    }
                }
            }
        }
        Ok(Schema::new(columns)?)
    }

    fn new(features: BTreeMap<String, Feature>) -> Result<Self, TableError> {
        let fitted = Self { features };
        for (name, feature) in &fitted.features {
            feature
                .check()
                .map_err(|reason| TableError::feature(name, reason))?;
        }
        // A feature may be named as a category of another one is.
        fitted.schema()?;
        Ok(fitted)
    }
}

impl Feature {
    /// Whether the parts fit one another.
    fn check(&self) -> Result<(), String> {
        if let Some(fill) = &self.fill
            && !fill.fits(self.logical_type)
        {
            return Err(format!(
                "a column of type {} is not filled so",
                self.logical_type
            ));
        }
        if let Some(z_score) = &self.z_score
            && z_score.scale.0 <= 0.0
        {
            return Err("a scale is a positive number".to_owned());
        }
        if let Some(categories) = &self.one_hot {
            if !categories.is_sorted_by(|a, b| a < b) {
                return Err("categories are sorted and differ".to_owned());
            }
            if categories.len() > MAX_CATEGORIES {
                return Err(format!("there are more than {MAX_CATEGORIES} categories"));
            }
        }
        let numeric = self.logical_type != LogicalType::String;
        match (&self.z_score, &self.one_hot) {
            (Some(_), Some(_)) => Err("it is either scaled or made one-hot".to_owned()),
            (_, None) if !numeric => Err("a text becomes a number by `one_hot` only".to_owned()),
            _ => Ok(()),
        }
    }
}

impl From<Fitted> for Document {
    fn from(fitted: Fitted) -> Self {
        Self {
            format: Fitted::FORMAT.to_owned(),
            features: fitted.features,
        }
    }
}

impl TryFrom<Document> for Fitted {
    type Error = TableError;

    fn try_from(document: Document) -> Result<Self, TableError> {
        if document.format == Self::FORMAT {
            Self::new(document.features)
        } else {
            Err(TableError::State(format!(
                "its format is '{}'; this version reads '{}'",
                document.format,
                Self::FORMAT
            )))
        }
    }
}

#[cfg(test)]
mod tests;
