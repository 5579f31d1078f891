//! Built-in trainers, prediction, metrics with intervals, slices, gates and model files.
//!
//! Everything here gives the same bits for any number of threads and on every processor: sums
//! over rows are exact ([`reproof_table::exact`]), all other arithmetic has one fixed order,
//! elementary functions come from `libm`, and random numbers are addressed by what they are for.
//! Nothing here opens a file, reads a clock or draws a random number by order.

mod auc;
mod bootstrap;
mod buckets;
mod compare;
mod confusion;
mod design;
mod determination;
mod error;
mod evaluate;
mod form;
mod gate;
mod gbdt;
mod interval;
mod label;
mod linalg;
mod linear;
mod logistic;
mod matrix;
mod metrics;
mod model;
mod predictions;
mod ranking;
mod sample;
mod slices;
mod spread;

pub use buckets::Buckets;
pub use compare::{Comparison, SliceComparison, compare};
pub use error::LearnError;
pub use evaluate::{EvaluateParameters, EvaluatePredictionsParameters, baseline, evaluate};
pub use gate::judge;
pub use gbdt::{
    BoostedModel, BoostingParameters, CategorySet, ClassWeights, Condition, Importance,
    NamedWeights, Tree, TreeNode, train_boosting,
};
pub use label::{BinaryLabel, ClassLabel, ClassValue, LabelParameters};
pub use linear::{LinearLabelParameters, LinearParameters, train_linear};
pub use logistic::{LogisticParameters, train_logistic};
pub use matrix::Matrix;
pub use metrics::{Estimate, Method, Metrics, Reason, SliceMetrics, Task};
pub use model::{LinearFunction, LinearModel, LogisticModel, Model, Target};
pub use predictions::{ClassProbabilities, Predictions};
pub use spread::{SeedDistance, Spread};

#[cfg(test)]
mod tests {
    use reproof_table::ColumnData;

    /// A string column.
    pub(crate) fn strings(values: &[Option<&str>]) -> ColumnData {
        ColumnData::String(values.iter().copied().collect())
    }
}
