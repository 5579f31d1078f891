//! The items of a fitted chain, and whether they fit together.

use reproof_record::LogicalType;
use serde::{Deserialize, Serialize};

use super::chain::{Cast, UnknownCategory, UnknownPlace, is_default};
use super::{Exact, MAX_CATEGORIES, MAX_CODES, MAX_VALUES};
use crate::column::float_text;

/// An item of a fitted chain.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Step {
    Cast(Cast),
    Fill(Filling),
    Clip(Bounds),
    /// The numbers between the buckets, rising.
    Bucketize(Vec<Exact>),
    Ordinal(Places),
    ZScore(ZScore),
    MinMax(Range),
    ZeroOne(Range),
    OneHot(Coding),
    Category(Categories),
}

/// What is put where a value is missing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Filling {
    Boolean(bool),
    Number(Exact),
    Text(String),
}

/// The bounds of a clip.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Bounds {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<Exact>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<Exact>,
}

/// The values that have a place, in their order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Places {
    pub values: Vec<String>,
    #[serde(default, skip_serializing_if = "is_default")]
    pub unknown: UnknownPlace,
}

/// A z-score: less the mean, divided by the scale.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ZScore {
    pub mean: Exact,
    pub scale: Exact,
}

/// A scaling to a range: less the smallest value, divided by the scale.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Range {
    pub min: Exact,
    pub scale: Exact,
}

/// A one-hot coding.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Coding {
    /// Those with a column, sorted by their bytes.
    pub categories: Vec<String>,
    /// Those that share the column of the others, sorted by their bytes; none without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rare: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "is_default")]
    pub unknown: UnknownCategory,
}

/// The values that have a code: their index.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Categories {
    /// Those with a code of their own, sorted by their bytes.
    pub values: Vec<String>,
    /// Those that share the code after the last, sorted by their bytes; none if nothing does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rare: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "is_default")]
    pub unknown: UnknownPlace,
}

impl Categories {
    fn check(&self) -> Result<(), String> {
        let rare = self.rare.as_deref().unwrap_or_default();
        if !rises(&self.values) || !rises(rare) {
            return Err("categories are sorted and differ".to_owned());
        }
        let shared = self.rare.is_some() || self.unknown == UnknownPlace::Other;
        if self.values.len() + usize::from(shared) > MAX_CODES {
            return Err(format!("there are more than {MAX_CODES} codes"));
        }
        let both = |value: &String| self.values.binary_search(value).is_ok();
        if rare.len() > MAX_VALUES || rare.iter().any(both) {
            return Err("rare categories are others, and not too many".to_owned());
        }
        Ok(())
    }
}

impl Filling {
    /// As a category.
    pub fn text(&self) -> String {
        match self {
            Self::Boolean(value) => value.to_string(),
            Self::Number(Exact(value)) => float_text(*value),
            Self::Text(text) => text.clone(),
        }
    }

    /// As a number; a text is none.
    pub fn number(&self) -> f64 {
        match self {
            Self::Boolean(value) => f64::from(u8::from(*value)),
            Self::Number(Exact(value)) => *value,
            Self::Text(_) => f64::NAN,
        }
    }

    pub fn fits(&self, logical_type: LogicalType) -> bool {
        match self {
            // The mean of booleans is a number.
            Self::Number(_) => is_number(logical_type),
            Self::Boolean(_) => logical_type == LogicalType::Boolean,
            Self::Text(_) => logical_type == LogicalType::String,
        }
    }
}

impl Coding {
    /// Whether there is a column for the other values.
    pub fn has_other(&self) -> bool {
        self.rare.is_some() || self.unknown == UnknownCategory::Other
    }

    /// Whether it is a coding without options.
    pub fn is_plain(&self) -> bool {
        self.rare.is_none() && is_default(&self.unknown)
    }

    fn check(&self) -> Result<(), String> {
        let rare = self.rare.as_deref().unwrap_or_default();
        if !rises(&self.categories) || !rises(rare) {
            return Err("categories are sorted and differ".to_owned());
        }
        if self.categories.len() > MAX_CATEGORIES {
            return Err(format!("there are more than {MAX_CATEGORIES} categories"));
        }
        let both = |category: &String| self.categories.binary_search(category).is_ok();
        if rare.len() > MAX_VALUES || rare.iter().any(both) {
            return Err("rare categories are others, and not too many".to_owned());
        }
        Ok(())
    }
}

fn rises<T: PartialOrd>(values: &[T]) -> bool {
    values.is_sorted_by(|a, b| a < b)
}

impl Step {
    /// Its name and its rank: in a chain ranks never fall.
    pub const fn place(&self) -> (&'static str, u8) {
        match self {
            Self::Cast(_) => ("cast", 0),
            Self::Fill(_) => ("fill", 1),
            Self::Clip(_) => ("clip", 1),
            Self::Bucketize(_) => ("bucketize", 2),
            Self::Ordinal(_) => ("ordinal", 2),
            Self::ZScore(_) | Self::MinMax(_) | Self::ZeroOne(_) => ("scale", 3),
            Self::OneHot(_) => ("one_hot", 3),
            Self::Category(_) => ("category", 3),
        }
    }

    /// Whether it is in order and suits values of this type; the type that they become.
    pub fn check(&self, logical_type: LogicalType) -> Result<LogicalType, String> {
        match self {
            Self::Cast(cast) => return Ok(cast.to),
            Self::Fill(filling) if filling.fits(logical_type) => return Ok(logical_type),
            Self::Fill(_) => {
                return Err(format!("a column of type {logical_type} is not filled so"));
            }
            Self::OneHot(coding) => coding.check()?,
            Self::Category(categories) => categories.check()?,
            Self::Ordinal(places) => {
                let distinct: std::collections::BTreeSet<_> = places.values.iter().collect();
                if distinct.len() < places.values.len() || distinct.len() > MAX_VALUES {
                    return Err("the values of an order differ, and are not too many".to_owned());
                }
            }
            _ => {
                needs_numbers(logical_type, self.place().0)?;
                self.check_numbers()?;
            }
        }
        Ok(LogicalType::Float)
    }

    fn check_numbers(&self) -> Result<(), String> {
        match self {
            Self::ZScore(ZScore { scale, .. })
            | Self::MinMax(Range { scale, .. })
            | Self::ZeroOne(Range { scale, .. })
                if scale.0 <= 0.0 =>
            {
                Err("a scale is a positive number".to_owned())
            }
            Self::Clip(Bounds {
                min: Some(min),
                max: Some(max),
            }) if min.0 > max.0 => Err("the lower bound lies above the upper".to_owned()),
            Self::Bucketize(edges) if !edges.is_sorted_by(|a, b| a.0 < b.0) => {
                Err("the edges of buckets rise".to_owned())
            }
            _ => Ok(()),
        }
    }
}

/// Refuses values that are no numbers; `what` needs them.
pub(super) fn needs_numbers(logical_type: LogicalType, what: &str) -> Result<(), String> {
    if is_number(logical_type) {
        Ok(())
    } else {
        Err(format!(
            "`{what}` needs numbers, and the column is of type {logical_type}"
        ))
    }
}

/// Whether values of this type count as numbers: all but texts.
pub(super) fn is_number(logical_type: LogicalType) -> bool {
    logical_type != LogicalType::String
}

/// A value as an error shows it: at most 80 characters of it.
pub(super) fn shown(text: &str) -> String {
    let mut cut: String = text.chars().take(80).collect();
    if cut.len() < text.len() {
        cut.push('…');
    }
    cut
}
