//! The chains of a recipe: the parameter `features` of `preprocess@1`.

use std::collections::BTreeMap;

use reproof_record::{DecimalType, LogicalType};
use serde::{Deserialize, Serialize};

use crate::column::float_text;

/// The chains of the features, by column.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Chains(pub BTreeMap<String, Vec<Item>>);

/// One item of a chain. In a recipe an item without options is its name alone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(from = "Written", into = "Written")]
pub enum Item {
    /// Makes another type of the values.
    Cast(Cast),
    /// Puts a value where one is missing.
    Fill(Fill),
    /// Brings values outside of two bounds to the nearer of them.
    Clip(Clip),
    /// Puts the number of an interval for each value that lies in it.
    Bucketize(Bucketize),
    /// Puts its place in an order for each value.
    Ordinal(Ordinal),
    /// Brings the values to one scale.
    Scale(Scale),
    /// Makes a column of 0 and 1 for each value that the training part has.
    OneHot(OneHot),
    /// Puts a code for each value, for trainers that part values by sets of them.
    Category(Category),
}

/// Another type of the values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cast {
    /// The type that the values become.
    pub to: LogicalType,
    /// What becomes of a value that the type does not have.
    #[serde(default, skip_serializing_if = "is_default")]
    pub invalid: Invalid,
}

/// What becomes of a value that cannot be cast.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Invalid {
    /// It is an error.
    #[default]
    Error,
    /// It is missing.
    Missing,
}

/// What is put where a value is missing. What is learned, is learned from the training part.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fill {
    /// The mean of the values.
    Mean,
    /// The median: the middle one of the sorted values, or the mean of the two in the middle.
    Median,
    /// The smallest value.
    Min,
    /// The largest value.
    Max,
    /// The most frequent value; of several the smallest, for texts the first by bytes.
    Mode,
    /// This value, of the column's type.
    Constant(Constant),
}

/// Bounds: given, or quantiles of the training part's values.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Clip {
    /// The lower bound.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<f64>,
    /// The upper bound.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<f64>,
    /// The quantiles that are the two bounds, instead of given ones: shares from 0 to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quantiles: Option<[f64; 2]>,
}

/// Intervals. Each holds its lower end and not its upper; the first and the last are unbounded.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Bucketize {
    /// So many of one width, from the smallest to the largest value of the training part.
    Count(u32),
    /// So many that hold equally many of the training part's values, as far as equal values allow.
    Quantiles(u32),
    /// Those that these numbers separate.
    Edges(Vec<f64>),
}

/// Places in an order, counted from 0.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ordinal {
    /// The values in their order. Left out, those of the training part: texts by bytes, numbers by
    /// size, false before true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order: Option<Vec<Constant>>,
    /// What becomes of a value that is not among them.
    #[serde(default, skip_serializing_if = "is_default")]
    pub unknown: UnknownPlace,
}

/// What becomes of a value that has no place in an order, or no code.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UnknownPlace {
    /// It is missing.
    #[default]
    Missing,
    /// It is an error.
    Error,
    /// It has the place after the last; as a code, that which rare values share.
    Other,
}

/// How values are scaled. What is learned, is learned from the training part, after what stands
/// before in the chain. A column of one value is divided by 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scale {
    /// Less the mean, divided by the population standard deviation (the divisor is the number of
    /// values).
    ZScore,
    /// Less the smallest value, divided by the difference of the largest and the smallest: the
    /// training part lies in `[0, 1]`, other parts may lie outside.
    MinMax,
    /// As [`Scale::MinMax`], and values outside of `[0, 1]` become 0 or 1.
    ZeroOne,
}

/// The columns of a one-hot coding.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OneHot {
    /// Values with fewer rows in the training part than this share the column `FEATURE:other`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_count: Option<u64>,
    /// What becomes of a value that the training part does not have.
    #[serde(default, skip_serializing_if = "is_default")]
    pub unknown: UnknownCategory,
}

/// What becomes of a value that is no category.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UnknownCategory {
    /// It has 0 in all columns.
    #[default]
    Zeros,
    /// It is an error.
    Error,
    /// It has 1 in the column `FEATURE:other`.
    Other,
}

/// Codes of categories: whole numbers from 0 whose order means nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Category {
    /// The most codes, from 2 to 255. Where the training part has more values, the most frequent
    /// ones, of equally frequent ones the first by bytes, have one each, and the others share one.
    /// Left out it is 255.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<u32>,
    /// What becomes of a value that the training part does not have.
    #[serde(default, skip_serializing_if = "is_default")]
    pub unknown: UnknownPlace,
}

/// A value in a recipe.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Constant {
    /// Of a boolean column.
    Boolean(bool),
    /// Of an integer, float or decimal column.
    Number(f64),
    /// Of a string column, or of a decimal one.
    Text(String),
}

impl Constant {
    /// As a value of a decimal type, in units of its last place: a number by its shortest text;
    /// none if the type does not hold it.
    pub(crate) fn decimal(&self, decimal: DecimalType) -> Option<i128> {
        match self {
            Self::Boolean(_) => None,
            Self::Number(number) => decimal.parse(float_text(*number).as_bytes()).ok(),
            Self::Text(text) => decimal.parse(text.as_bytes()).ok(),
        }
    }
}

pub(super) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl Item {
    /// Its name and its rank: in a chain ranks never fall.
    pub(super) const fn place(&self) -> (&'static str, u8) {
        match self {
            Self::Cast(_) => ("cast", 0),
            Self::Fill(_) => ("fill", 1),
            Self::Clip(_) => ("clip", 1),
            Self::Bucketize(_) => ("bucketize", 2),
            Self::Ordinal(_) => ("ordinal", 2),
            Self::Scale(_) => ("scale", 3),
            Self::OneHot(_) => ("one_hot", 3),
            Self::Category(_) => ("category", 3),
        }
    }
}

/// An item as it is written.
#[derive(Clone, Serialize, Deserialize)]
#[serde(untagged)]
enum Written {
    Bare(Bare),
    Tagged(Tagged),
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Bare {
    Ordinal,
    OneHot,
    Category,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Tagged {
    Cast(WrittenCast),
    Fill(Fill),
    Clip(Clip),
    Bucketize(Bucketize),
    Ordinal(Ordinal),
    Scale(Scale),
    OneHot(OneHot),
    Category(Category),
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(untagged)]
enum WrittenCast {
    To(LogicalType),
    With(Cast),
}

impl From<Written> for Item {
    fn from(written: Written) -> Self {
        match written {
            Written::Bare(Bare::Ordinal) => Self::Ordinal(Ordinal::default()),
            Written::Bare(Bare::OneHot) => Self::OneHot(OneHot::default()),
            Written::Bare(Bare::Category) => Self::Category(Category::default()),
            Written::Tagged(Tagged::Cast(WrittenCast::To(to))) => Self::Cast(Cast {
                to,
                invalid: Invalid::default(),
            }),
            Written::Tagged(Tagged::Cast(WrittenCast::With(cast))) => Self::Cast(cast),
            Written::Tagged(Tagged::Fill(fill)) => Self::Fill(fill),
            Written::Tagged(Tagged::Clip(clip)) => Self::Clip(clip),
            Written::Tagged(Tagged::Bucketize(bucketize)) => Self::Bucketize(bucketize),
            Written::Tagged(Tagged::Ordinal(ordinal)) => Self::Ordinal(ordinal),
            Written::Tagged(Tagged::Scale(scale)) => Self::Scale(scale),
            Written::Tagged(Tagged::OneHot(one_hot)) => Self::OneHot(one_hot),
            Written::Tagged(Tagged::Category(category)) => Self::Category(category),
        }
    }
}

impl From<Item> for Written {
    fn from(item: Item) -> Self {
        Self::Tagged(match item {
            Item::OneHot(one_hot) if is_default(&one_hot) => return Self::Bare(Bare::OneHot),
            Item::Ordinal(ordinal) if is_default(&ordinal) => return Self::Bare(Bare::Ordinal),
            Item::Category(category) if is_default(&category) => {
                return Self::Bare(Bare::Category);
            }
            Item::Cast(cast) if is_default(&cast.invalid) => Tagged::Cast(WrittenCast::To(cast.to)),
            Item::Cast(cast) => Tagged::Cast(WrittenCast::With(cast)),
            Item::Fill(fill) => Tagged::Fill(fill),
            Item::Clip(clip) => Tagged::Clip(clip),
            Item::Bucketize(bucketize) => Tagged::Bucketize(bucketize),
            Item::Ordinal(ordinal) => Tagged::Ordinal(ordinal),
            Item::Scale(scale) => Tagged::Scale(scale),
            Item::OneHot(one_hot) => Tagged::OneHot(one_hot),
            Item::Category(category) => Tagged::Category(category),
        })
    }
}
