//! Statistics as they are stored and shown.

use reproof_record::LogicalType;
use serde::{Deserialize, Serialize};

use crate::preprocess::Exact;

/// The statistics of a table, as described in `docs/formats/table.md`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Statistics {
    /// [`Statistics::FORMAT`].
    pub format: String,
    /// The number of rows.
    pub rows: u64,
    /// The columns, in the schema's order.
    pub columns: Vec<ColumnStatistics>,
}

impl Statistics {
    /// The format's name and version.
    pub const FORMAT: &str = "reproof.statistics/1";
}

/// The statistics of a column. Values are given as their canonical texts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ColumnStatistics {
    /// The column.
    pub name: String,
    /// The type of its values.
    #[serde(rename = "type")]
    pub logical_type: LogicalType,
    /// Values that are not missing.
    pub count: u64,
    /// Missing values.
    pub missing: u64,
    /// The least value, of numbers, days and moments.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<String>,
    /// The greatest value, of numbers, days and moments.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<String>,
    /// The mean, of numbers, and of booleans as 0 and 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mean: Option<Exact>,
    /// The sample standard deviation, of numbers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub standard_deviation: Option<Exact>,
    /// The length of the shortest text in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shortest: Option<u64>,
    /// The length of the longest text in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub longest: Option<u64>,
    /// How many different values there are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub distinct: Option<Distinct>,
    /// The most frequent values.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub top: Option<Top>,
    /// Quantiles, of numbers, days and moments.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quantiles: Option<Quantiles>,
    /// Counts over equal parts of the range, of numbers, days and moments.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub histogram: Option<Histogram>,
}

/// How many different values there are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Distinct {
    /// The number, or an estimate of it.
    pub count: u64,
    /// Whether it is the number itself.
    pub exact: bool,
    /// The relative standard error of an estimate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub relative_error: Option<f64>,
}

/// The most frequent values, the most frequent first; of equally frequent ones the lesser first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Top {
    /// Whether these are all the most frequent values, and their counts.
    pub exact: bool,
    /// The number of rows that estimates were made from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sampled_rows: Option<u64>,
    /// The values.
    pub values: Vec<TopValue>,
}

/// A frequent value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TopValue {
    /// The value; of a long text the beginning.
    pub value: String,
    /// Whether that is only the beginning.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cut: bool,
    /// How many rows have it, or an estimate.
    pub count: u64,
    /// Of an estimate: 95 % of such estimates are off by this at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<u64>,
}

/// Quantiles.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Quantiles {
    /// Whether they are values of the column.
    pub exact: bool,
    /// The quantiles, the lowest first.
    pub values: Vec<Quantile>,
}

/// A quantile: the least value that at least this share of the values does not exceed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Quantile {
    /// The share, in percent.
    pub percent: u64,
    /// The value; if it is not exact, the middle of the range that holds it.
    pub value: String,
    /// The lower end of that range.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub low: Option<String>,
    /// The upper end of that range.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub high: Option<String>,
}

/// Counts over parts of equal width from the least to the greatest value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Histogram {
    /// Whether every value was put where it belongs.
    pub exact: bool,
    /// How many values may have been put into the part beside their own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uncertain: Option<u64>,
    /// The counts.
    pub counts: Vec<u64>,
}
