//! Preprocessing: a chain for each feature, fitted on the training part only, and a state that
//! prepares any part, and whatever is served later, in the same way bit for bit.
//!
//! The items of a chain are done in their order: a cast, then a fill and a clip, then buckets or
//! places in an order, then a scaling, a one-hot coding or codes of categories; each may be left
//! out. What comes out are floats only: an integer or a decimal as the nearest double, a boolean as
//! 0 or 1, a one-hot coding as a column of 0 and 1 for each category. A value that is missing and
//! not filled stays missing, and is no category. The state is described in
//! `docs/formats/preprocess.md`.

mod apply;
mod cast;
mod chain;
mod document;
mod fit;
mod number;
mod order;
mod step;

use std::collections::BTreeMap;

use reproof_record::{Column, LogicalType, Schema};
use serde::{Deserialize, Serialize};

use crate::TableError;
pub use chain::{
    Bucketize, Cast, Category, Chains, Clip, Constant, Fill, Invalid, Item, OneHot, Ordinal, Scale,
    UnknownCategory, UnknownPlace,
};
use document::Document;
pub use fit::fit;
pub use number::Exact;
use step::Step;

/// The most categories of a one-hot coding.
pub const MAX_CATEGORIES: usize = 1_000;

/// The most codes of categories.
pub const MAX_CODES: usize = 255;

/// The most values that a state holds of one column.
pub const MAX_VALUES: usize = 100_000;

/// The fitted state: what preparing any part needs, and nothing else.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Document", into = "Document")]
pub struct Fitted {
    features: BTreeMap<String, Feature>,
}

/// A fitted feature: the type of its column and the fitted chain.
#[derive(Clone, Debug, PartialEq)]
struct Feature {
    logical_type: LogicalType,
    steps: Vec<Step>,
}

impl Fitted {
    /// The name and version of the format of states whose chains are a fill, then `z_score` or a
    /// plain `one_hot`.
    pub const FORMAT: &str = "reproof.preprocess/1";

    /// The name and version of the format of other states without a `category`.
    pub const FORMAT_2: &str = "reproof.preprocess/2";

    /// The name and version of the format of states with a `category`.
    pub const FORMAT_3: &str = "reproof.preprocess/3";

    /// The columns that features are made of, sorted by the bytes of their names.
    pub fn features(&self) -> impl Iterator<Item = &str> {
        self.features.keys().map(String::as_str)
    }

    /// Whether a chain ends in codes of categories.
    fn has_categories(&self) -> bool {
        let mut steps = self.features.values().flat_map(|feature| &feature.steps);
        steps.any(|step| matches!(step, Step::Category(_)))
    }

    /// The columns that [`Fitted::apply`] gives, all of them floats: sorted by the bytes of the
    /// feature's name, then of the category. A one-hot column is named `FEATURE=CATEGORY`, and
    /// the one of the other values, after those, `FEATURE:other`.
    pub fn schema(&self) -> Result<Schema, TableError> {
        let mut columns = Vec::new();
        let mut add = |name: String| {
            columns.push(Column {
                name,
                logical_type: LogicalType::Float,
            });
        };
        for (name, feature) in &self.features {
            match feature.steps.last() {
                Some(Step::OneHot(coding)) => {
                    for category in &coding.categories {
                        add(format!("{name}={category}"));
                    }
                    if coding.has_other() {
                        add(format!("{name}:other"));
                    }
                }
                _ => add(name.clone()),
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
        let mut logical_type = self.logical_type;
        let mut before = None;
        for step in &self.steps {
            check_place(before, step.place())?;
            before = Some(step.place());
            logical_type = step.check(logical_type)?;
        }
        if step::is_number(logical_type) {
            Ok(())
        } else {
            Err(format!(
                "a text becomes a number by `one_hot`, `ordinal`, `category` or `cast` only; this is \
                 {logical_type}"
            ))
        }
    }
}

/// Whether an item may follow the one before it.
fn check_place(before: Option<(&str, u8)>, this: (&str, u8)) -> Result<(), String> {
    let Some(before) = before else { return Ok(()) };
    let (rank, this_rank) = (before.1, this.1);
    // A fill and a clip may stand in any order.
    if before.0 != this.0 && (this_rank > rank || this_rank == rank && rank == 1) {
        return Ok(());
    }
    Err(format!(
        "`{}` cannot follow `{}`: a chain is a cast, then one fill and one clip, then bucketize or \
         ordinal, then either a scaling, `one_hot` or `category`",
        this.0, before.0
    ))
}

#[cfg(test)]
mod category_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod wider_tests;
