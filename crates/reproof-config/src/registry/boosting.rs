//! The parameters of gradient-boosted trees.

use super::parameters::{LABEL_PARAMETER, field, with_default};
use crate::shape::{Field, KeyShape, Object, Range, Shape};

pub(crate) const TASK: Field = field(
    "task",
    "What is predicted: one of two classes, one of several, or a number. Left out, a label that is \
     boolean, string or has a `positive` class is of two classes, and one that is float is a number.",
    Shape::Choice {
        noun: "task",
        of: &[
            "binary_classification",
            "multiclass_classification",
            "regression",
        ],
    },
);

const ROUNDS: Field = with_default(
    "rounds",
    "The rounds. Each adds one tree, or one for each of several classes.",
    Shape::Integer {
        min: 1,
        max: 100_000,
    },
    "100",
);

const LEARNING_RATE: Field = with_default(
    "learning_rate",
    "The share of the best step that each tree takes.",
    SHARE,
    "0.1",
);

const SHARE: Shape = Shape::Number(Range {
    min: 0.0,
    above: true,
    max: 1.0,
});

const FROM_ZERO: Shape = Shape::Number(Range {
    min: 0.0,
    above: false,
    max: f64::INFINITY,
});

const MAX_DEPTH: Field = with_default(
    "max_depth",
    "The most splits between the root of a tree and a leaf.",
    Shape::Integer { min: 1, max: 30 },
    "6",
);

const MAX_LEAVES: Field = with_default(
    "max_leaves",
    "The most leaves of a tree, those with the largest gains; `null` for as many as its depth \
     allows.",
    Shape::Either(&[
        Shape::Integer {
            min: 2,
            max: 1_000_000,
        },
        Shape::Null,
    ]),
    "null",
);

const MIN_ROWS: Field = with_default(
    "min_rows",
    "The least rows of a leaf.",
    Shape::Integer {
        min: 1,
        max: 1_000_000_000,
    },
    "20",
);

const L2: Field = with_default(
    "l2",
    "The weight λ of the squared values of the leaves in what is minimised.",
    FROM_ZERO,
    "1.0",
);

const MIN_GAIN: Field = with_default(
    "min_gain",
    "The least by which a split must lower the loss, summed over the rows.",
    FROM_ZERO,
    "0.0",
);

const BINS: Field = with_default(
    "bins",
    "The most bins that the values of a feature are put into; missing ones have a bin of their own.",
    Shape::Integer { min: 2, max: 255 },
    "255",
);

const ROW_FRACTION: Field = with_default(
    "row_fraction",
    "The share of the rows, drawn anew in each round, that trees are grown from.",
    SHARE,
    "1.0",
);

const COLUMN_FRACTION: Field = with_default(
    "column_fraction",
    "The share of the features, drawn anew in each round, that trees are grown from.",
    SHARE,
    "1.0",
);

const EARLY_STOPPING_ROUNDS: Field = with_default(
    "early_stopping_rounds",
    "Training ends after so many rounds in which the loss of the part `eval` has not fallen, and \
     the model is that of the best round; `null` for never. The metrics of that part are then a \
     little too good: `reproof run --final` scores another one.",
    Shape::Either(&[
        Shape::Integer {
            min: 1,
            max: 100_000,
        },
        Shape::Null,
    ]),
    "null",
);

const CLASS_WEIGHTS: Field = with_default(
    "class_weights",
    "What a row counts by its class: a mapping of classes to numbers (1 for those not named), or \
     `balanced`, so that all classes count the same as a whole; `null` for 1.",
    Shape::Either(&[
        Shape::Choice {
            noun: "way to weigh",
            of: &["balanced"],
        },
        Shape::Map {
            key: KeyShape::Column,
            of: &Shape::Number(Range {
                min: 0.0,
                above: true,
                max: 1e6,
            }),
        },
        Shape::Null,
    ]),
    "null",
);

const CAT_SMOOTH: Field = with_default(
    "cat_smooth",
    "Where features are categories: what is added to the sum of the second derivatives of each \
     (for a number, that is its rows) before they are sorted by their mean gradients, so that those \
     of few rows stand in the middle. Features of at most 4 categories are sorted without.",
    FROM_ZERO,
    "10.0",
);

const CAT_L2: Field = with_default(
    "cat_l2",
    "Where features are categories: what is added to `l2` when splits by sets of them are compared, \
     but for features of at most 4 categories.",
    FROM_ZERO,
    "10.0",
);

const CATEGORICAL: Field = field(
    "categorical",
    "The features whose chains end in `category`, as `reproof plan` writes them out. Left out it is \
     those, and it cannot be others.",
    Shape::List {
        of: &Shape::Column,
        non_empty: true,
    },
);

/// The parameters of `train_gradient_boosting`.
pub(super) static BOOSTING_PARAMETERS: Object = Object {
    noun: "parameter",
    fields: &[
        LABEL_PARAMETER,
        TASK,
        ROUNDS,
        LEARNING_RATE,
        MAX_DEPTH,
        MAX_LEAVES,
        MIN_ROWS,
        L2,
        MIN_GAIN,
        BINS,
        ROW_FRACTION,
        COLUMN_FRACTION,
        EARLY_STOPPING_ROUNDS,
        CLASS_WEIGHTS,
        CAT_SMOOTH,
        CAT_L2,
        CATEGORICAL,
    ],
    later: &[],
};

/// The same but for the label.
pub(crate) static BOOSTING_SETTINGS: Object = Object {
    noun: "parameter",
    fields: &[
        TASK,
        ROUNDS,
        LEARNING_RATE,
        MAX_DEPTH,
        MAX_LEAVES,
        MIN_ROWS,
        L2,
        MIN_GAIN,
        BINS,
        ROW_FRACTION,
        COLUMN_FRACTION,
        EARLY_STOPPING_ROUNDS,
        CLASS_WEIGHTS,
        CAT_SMOOTH,
        CAT_L2,
    ],
    later: &[],
};
