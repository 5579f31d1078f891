//! What can go wrong in training, prediction and evaluation.

use thiserror::Error;

/// Why a model cannot be trained, read or evaluated.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum LearnError {
    /// A feature column that is not of type float.
    #[error(
        "feature '{column}' is a column of type {found}: features are floats after preprocessing"
    )]
    FeatureType {
        /// The column.
        column: String,
        /// Its type.
        found: &'static str,
    },
    /// A feature with missing values.
    #[error(
        "feature '{column}' is missing in {count} of {rows} rows, first in row {first}: \
         fill it in its preprocessing, e.g. `{column}: [{{fill: mean}}]`"
    )]
    MissingFeature {
        /// The column.
        column: String,
        /// How many rows miss it.
        count: usize,
        /// How many rows there are.
        rows: usize,
        /// The first such row, counted from 1.
        first: usize,
    },
    /// A feature with an infinite value.
    #[error("feature '{column}' is infinite in row {row}")]
    InfiniteFeature {
        /// The column.
        column: String,
        /// The row, counted from 1.
        row: usize,
    },
    /// Columns or predictions of different lengths.
    #[error("{what} has {found} rows where {expected} are wanted")]
    Rows {
        /// What has them.
        what: String,
        /// How many.
        found: usize,
        /// How many there should be.
        expected: usize,
    },
    /// Nothing to train on.
    #[error("there are no rows to train on")]
    NoRows,
    /// More rows than a trainer takes.
    #[error("there are {rows} rows to train on, and this trainer takes at most {limit}")]
    TooManyRows {
        /// How many there are.
        rows: usize,
        /// The limit.
        limit: usize,
    },
    /// Early stopping without rows to decide by.
    #[error(
        "`early_stopping_rounds` needs rows to decide by: give the split a part `eval` with rows in \
         it"
    )]
    NoStoppingPart,
    /// A weight for a class that the label does not have.
    #[error("`class_weights` names '{class}', which is no class of label '{column}': {classes}")]
    UnknownWeight {
        /// The column.
        column: String,
        /// The class that is named.
        class: String,
        /// Those that are there.
        classes: String,
    },
    /// A value of a categorical feature that is no category.
    #[error(
        "feature '{column}' is categorical, and {value} in row {row} is no category: these are whole \
         numbers, fewer than {limit}, as `category` makes them"
    )]
    Category {
        /// The feature.
        column: String,
        /// The row, counted from 1.
        row: usize,
        /// The value.
        value: String,
        /// How many categories there may be.
        limit: usize,
    },
    /// A parameter outside its range.
    #[error("`{parameter}` is {value}: {wanted}")]
    Parameter {
        /// The parameter.
        parameter: &'static str,
        /// Its value.
        value: String,
        /// What is allowed.
        wanted: &'static str,
    },
    /// A column that is not in the table.
    #[error("there is no column '{column}'; the columns are {known}")]
    UnknownColumn {
        /// The column.
        column: String,
        /// Those that are there.
        known: String,
    },
    /// A label of a type that the task cannot use.
    #[error("label '{column}' is a column of type {found}: {wanted}")]
    LabelType {
        /// The column.
        column: String,
        /// Its type.
        found: &'static str,
        /// What the task wants.
        wanted: &'static str,
    },
    /// Rows without a label.
    #[error(
        "label '{column}' is missing in {count} of {rows} rows, first in row {first}: \
         leave these rows out of the data"
    )]
    MissingLabels {
        /// The column.
        column: String,
        /// How many rows miss it.
        count: usize,
        /// How many rows there are.
        rows: usize,
        /// The first such row, counted from 1.
        first: usize,
    },
    /// An infinite label of a regression.
    #[error("label '{column}' is infinite in row {row}")]
    InfiniteLabel {
        /// The column.
        column: String,
        /// The row, counted from 1.
        row: usize,
    },
    /// Every row of the training part has the same label.
    #[error(
        "label '{column}' is {class} in every row of the training part: two classes are needed"
    )]
    OneClass {
        /// The column.
        column: String,
        /// The class.
        class: String,
    },
    /// More classes than a binary label has.
    #[error("label '{column}' has {count} classes ({examples}): this trainer takes exactly two")]
    TooManyClasses {
        /// The column.
        column: String,
        /// How many.
        count: usize,
        /// Up to five of them.
        examples: String,
    },
    /// More classes than two for a trainer that takes several, if it is told so.
    #[error(
        "label '{column}' has {count} classes ({examples}): for more than two write `task: \
         multiclass_classification`"
    )]
    SeveralClasses {
        /// The column.
        column: String,
        /// How many.
        count: usize,
        /// Up to five of them.
        examples: String,
    },
    /// Which class is the positive one was not said, and is not plain.
    #[error(
        "label '{column}' has the classes {classes} and it is not plain which is positive: \
         write `{example}`"
    )]
    PositiveNotPlain {
        /// The column.
        column: String,
        /// Both classes.
        classes: String,
        /// How a pipeline file names one of them.
        example: String,
    },
    /// The positive class that was given does not occur.
    #[error(
        "label '{column}' has no class {positive}: the classes are {classes}, so write \
         `{example}`"
    )]
    UnknownPositive {
        /// The column.
        column: String,
        /// What was given.
        positive: String,
        /// The classes that occur.
        classes: String,
        /// How a pipeline file names one of them.
        example: String,
    },
    /// A label in the evaluated rows that the model has never seen.
    #[error(
        "label '{column}' is {class} in row {row}, but the model knows only the classes {classes}"
    )]
    UnknownClass {
        /// The column.
        column: String,
        /// The class.
        class: String,
        /// The row, counted from 1.
        row: usize,
        /// What the model knows.
        classes: String,
    },
    /// A label with more classes than can be told apart in tables and reports.
    #[error(
        "label '{column}' has {count} classes, more than {limit}: it looks like a number or a \
         name, not like a class"
    )]
    MoreClassesThan {
        /// The column.
        column: String,
        /// How many it has.
        count: usize,
        /// The limit.
        limit: usize,
    },
    /// Predictions that are not those of the target.
    #[error("the predictions do not fit: {wanted} is wanted, found {found}")]
    OtherPredictions {
        /// What was found.
        found: String,
        /// What is wanted.
        wanted: String,
    },
    /// The features do not determine the coefficients.
    #[error(
        "feature '{column}' is constant, or a linear combination of the features before it, so \
         its coefficient is not determined without a penalty: give `l2` more than 0, or leave \
         the feature out"
    )]
    Collinear {
        /// The first feature that the ones before it determine.
        column: String,
    },
    /// Without a penalty the coefficients have no finite optimum.
    #[error(
        "the features separate the classes, wholly or in part, so without a penalty the \
         coefficients grow without end: give `l2` more than 0"
    )]
    Separated,
    /// With so small a penalty, doubles do not tell the coefficients.
    #[error(
        "`l2` is {l2}, which is too small to determine the coefficients of features that are \
         collinear or that separate the classes: raise it"
    )]
    PenaltyTooSmall {
        /// The penalty.
        l2: f64,
    },
    /// The iteration ended before the optimum.
    #[error(
        "training has not converged after {iterations} iterations (the next step would still \
         move a row's log-odds by {movement:.1e}): raise `max_iterations` or `l2`, scale the \
         features, or raise `tolerance`"
    )]
    NotConverged {
        /// How many iterations were made.
        iterations: u32,
        /// The largest change of a row's log-odds that the next step would make, relative to its
        /// size where that is above 1.
        movement: f64,
    },
    /// More features than a regression can be fitted on.
    #[error(
        "{found} features, more than the {limit} that a regression is fitted on: fewer categories \
         (`one_hot: {{min_count: N}}`), `ordinal` instead of `one_hot`, or `gradient_boosting`"
    )]
    TooManyFeatures {
        /// How many there are.
        found: usize,
        /// How many there may be.
        limit: usize,
    },
    /// Sums that leave the range of a double.
    #[error("the values of {what} are so large that {sum} overflows: scale the column")]
    Overflow {
        /// The column, or `the features`.
        what: String,
        /// What overflows.
        sum: &'static str,
    },
    /// A number that canonical JSON would round.
    #[error(
        "{what} is {value}, which lies beyond what a model file can hold exactly: scale the column"
    )]
    Unwritable {
        /// What it is.
        what: String,
        /// The number.
        value: String,
    },
    /// The features are not those that the model was trained on.
    #[error("the features are not the model's: {difference}")]
    OtherFeatures {
        /// Which are missing, and which are more.
        difference: String,
    },
    /// A metric that does not exist for the task.
    #[error("there is no metric '{metric}' for {task}; the metrics are {known}")]
    UnknownMetric {
        /// The metric.
        metric: String,
        /// The task.
        task: &'static str,
        /// Those that are there.
        known: String,
    },
    /// A prediction that cannot be one.
    #[error("the prediction in row {row} is {value}: {wanted}")]
    Prediction {
        /// The row, counted from 1.
        row: usize,
        /// The prediction.
        value: f64,
        /// What is allowed.
        wanted: &'static str,
    },
    /// Buckets of a column that is not numeric.
    #[error("'{column}' is a column of type {found}: only numbers can be put into buckets")]
    NoNumbers {
        /// The column.
        column: String,
        /// Its type.
        found: &'static str,
    },
    /// Buckets that cannot be.
    #[error(
        "the buckets of '{column}' cannot be: edges are finite numbers that rise, and there are \
         from 2 to {limit} buckets"
    )]
    Buckets {
        /// The column.
        column: String,
        /// The limit.
        limit: usize,
    },
    /// A slice column with too many values.
    #[error("slices by {columns} are more than {limit}: slice by columns with fewer values")]
    TooManySlices {
        /// The columns.
        columns: String,
        /// The limit.
        limit: usize,
    },
    /// A document that is not a model.
    #[error("not a model of format '{expected}': {reason}")]
    Document {
        /// The format that is read.
        expected: &'static str,
        /// What is wrong.
        reason: String,
    },
}
