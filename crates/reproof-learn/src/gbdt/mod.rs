//! Gradient-boosted trees, from histograms of integers.
//!
//! Trees are added one after the other (for several classes one for each class in a round), each
//! grown to lower the loss by Newton's method from the gradients at the scores so far: Friedman,
//! *Greedy function approximation* (2001), with the histograms of Ke et al., *LightGBM* (2017),
//! and the gain of Chen and Guestrin, *XGBoost* (2016).
//!
//! The same bits come out for any number of threads, and, without sampling of rows, for any order
//! of the rows: sums over rows are sums of integers ([`histogram`]) or exact, bins and the order of
//! categories ([`categories`]) depend on the values alone, and what is drawn at random is addressed by round and row or column.

mod bins;
mod categories;
mod fit;
mod grow;
mod histogram;
mod loss;
mod model;
mod order;
mod parameters;
mod split;
mod sync;

use reproof_table::{ColumnData, Threads};

use bins::Binned;
use categories::{categorical, check_codes};
use fit::{Stopping, Task, fit, useful_threads};
use grow::Limits;
use histogram::MAX_ROWS;
use loss::{Loss, Truth};

use crate::model::Model;
use crate::{LearnError, Matrix};

pub use categories::CategorySet;
pub use loss::{ClassWeights, NamedWeights};
use model::Features;
pub use model::{BoostedModel, Condition, Importance, Tree, TreeNode};
pub(crate) use model::{Document, OPERATION};
pub use parameters::BoostingParameters;

/// Trains gradient-boosted trees. Features may have missing values. `eval` is the part that decides
/// when to stop, if [`BoostingParameters::early_stopping_rounds`] is given: its features and label.
///
/// # Errors
/// Among others: a label that does not suit the task, parameters out of range, and early stopping
/// without a part to decide by.
pub fn train_boosting(
    x: &Matrix,
    label: &ColumnData,
    eval: Option<(&Matrix, &ColumnData)>,
    parameters: &BoostingParameters,
    seed: u64,
    threads: Threads,
) -> Result<Model, LearnError> {
    train(x, label, eval, parameters, seed, threads, None).map(Model::Boosted)
}

/// As [`train_boosting`]; `exactly` sets how many threads fit, whatever they are worth, and how
/// much memory their histograms may take.
fn train(
    x: &Matrix,
    label: &ColumnData,
    eval: Option<(&Matrix, &ColumnData)>,
    parameters: &BoostingParameters,
    seed: u64,
    threads: Threads,
    exactly: Option<(usize, bool)>,
) -> Result<BoostedModel, LearnError> {
    parameters.check()?;
    if x.rows() > MAX_ROWS {
        return Err(LearnError::TooManyRows {
            rows: x.rows(),
            limit: MAX_ROWS,
        });
    }
    let column = &parameters.label.column;
    let (loss, truth) = Loss::new(label, parameters)?;
    same_rows(column, &truth, x)?;
    let categorical = categorical(x, &parameters.categorical)?;
    let data = Binned::new(x, parameters.bins as usize, &categorical, threads);
    let stopping = stopping_part((&data, &categorical), &loss, x, eval, parameters)?;
    let mut limits = Limits::new(parameters.max_depth, parameters.max_leaves, &data);
    let mut count = useful_threads(&data, threads);
    if let Some((threads, spare)) = exactly {
        count = threads;
        if spare {
            (limits.keep, limits.batch) = (false, 2);
        }
    }
    let task = Task {
        data: &data,
        loss: &loss,
        truth: &truth,
        parameters,
        seed,
        limits,
        stopping: stopping
            .as_ref()
            .map(|(columns, truth, patience)| Stopping {
                columns,
                truth,
                patience: *patience,
            }),
    };
    let trees = fit(&task, count);
    let marked = categorical.iter().enumerate().filter(|(_, mark)| **mark);
    let features = Features {
        names: x.names().to_vec(),
        categorical: marked.map(|(feature, _)| feature).collect(),
    };
    BoostedModel::new(loss.target, features, loss.base, trees)
}

type StoppingPart = (Vec<Vec<u8>>, Truth, u32);

fn stopping_part(
    (data, categorical): (&Binned, &[bool]),
    loss: &Loss,
    x: &Matrix,
    eval: Option<(&Matrix, &ColumnData)>,
    parameters: &BoostingParameters,
) -> Result<Option<StoppingPart>, LearnError> {
    let Some(patience) = parameters.early_stopping_rounds else {
        return Ok(None);
    };
    let Some((features, label)) = eval else {
        return Err(LearnError::NoStoppingPart);
    };
    let truth = Truth::of(&loss.target, label)?;
    same_rows(&parameters.label.column, &truth, features)?;
    if truth.len() == 0 {
        return Err(LearnError::NoStoppingPart);
    }
    crate::model::same_features(x.names(), features.names())?;
    check_codes(features, categorical)?;
    let columns = features.columns().iter().zip(&data.bins);
    let columns = columns.map(|(values, bins)| bins.of(values));
    Ok(Some((columns.collect(), truth, patience)))
}

fn same_rows(column: &str, truth: &Truth, x: &Matrix) -> Result<(), LearnError> {
    if truth.len() == x.rows() {
        return Ok(());
    }
    Err(LearnError::Rows {
        what: format!("label '{column}'"),
        found: truth.len(),
        expected: x.rows(),
    })
}

#[cfg(test)]
mod category_tests;
#[cfg(test)]
mod tests;
