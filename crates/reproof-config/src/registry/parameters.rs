//! The parameters of the built-in operations, and what the blocks of the short form share with them.

use super::{METRICS, TASK};
use crate::shape::{Field, KeyShape, Object, Range, Shape};

pub(super) const fn field(name: &'static str, doc: &'static str, shape: Shape) -> Field {
    Field {
        name,
        doc,
        shape,
        required: false,
        default: None,
    }
}

pub(super) const fn required(name: &'static str, doc: &'static str, shape: Shape) -> Field {
    Field {
        required: true,
        ..field(name, doc, shape)
    }
}

pub(super) const fn with_default(
    name: &'static str,
    doc: &'static str,
    shape: Shape,
    default: &'static str,
) -> Field {
    Field {
        default: Some(default),
        ..field(name, doc, shape)
    }
}

/// The label in its long form.
pub(crate) static LABEL_OBJECT: Object = Object {
    noun: "key",
    fields: &[
        required(
            "column",
            "The column that is to be predicted.",
            Shape::Column,
        ),
        field(
            "positive",
            "The value of the positive class. Left out, it is the plain one of the two: `true`, `1`, \
             `Yes` and the like.",
            Shape::Either(&[Shape::Scalar, Shape::Null]),
        ),
    ],
    later: &[],
};

/// A label: a column's name, or a mapping with the positive class.
pub(crate) const LABEL: Shape = Shape::Either(&[Shape::Column, Shape::Object(&LABEL_OBJECT)]);

const L2: Field = with_default(
    "l2",
    "The weight λ of the squared coefficients in what is minimised; the intercept is not \
     penalised.",
    Shape::Number(Range {
        min: 0.0,
        above: false,
        max: f64::INFINITY,
    }),
    "1.0",
);

pub(super) const LABEL_PARAMETER: Field = required(
    "label",
    "The column that is to be predicted, and for classification the value of the positive class.",
    LABEL,
);

const MAX_ITERATIONS: Field = with_default(
    "max_iterations",
    "The most Newton steps.",
    Shape::Integer {
        min: 1,
        max: 1_000_000,
    },
    "100",
);

const TOLERANCE: Field = with_default(
    "tolerance",
    "Training ends when the next step would change no row's log-odds by more than this, \
     relatively where they are beyond 1.",
    Shape::Number(Range {
        min: 0.0,
        above: true,
        max: 1.0,
    }),
    "1e-10",
);

pub(super) static LOGISTIC_PARAMETERS: Object = Object {
    noun: "parameter",
    fields: &[LABEL_PARAMETER, L2, MAX_ITERATIONS, TOLERANCE],
    later: &[],
};

/// The parameters of `train_logistic_regression` but for the label.
pub(crate) static LOGISTIC_SETTINGS: Object = Object {
    noun: "parameter",
    fields: &[L2, MAX_ITERATIONS, TOLERANCE],
    later: &[],
};

pub(super) static LINEAR_PARAMETERS: Object = Object {
    noun: "parameter",
    fields: &[LABEL_PARAMETER, L2],
    later: &[],
};

/// The parameters of `train_linear_regression` but for the label.
pub(crate) static LINEAR_SETTINGS: Object = Object {
    noun: "parameter",
    fields: &[L2],
    later: &[],
};

/// A column or a list of columns.
pub(crate) const SLICE: Shape = Shape::Either(&[
    Shape::Column,
    Shape::List {
        of: &Shape::Column,
        non_empty: true,
    },
]);

/// The metrics to compute.
pub(crate) const METRICS_FIELD: Field = field(
    "metrics",
    "The metrics to compute, of two classes: `roc_auc`, `accuracy`, `log_loss` (these if left out), \
     `pr_auc`, `balanced_accuracy`, `precision`, `recall`, `f1`, `brier`; of several classes: \
     `accuracy`, `f1_macro`, `log_loss` (these if left out), `balanced_accuracy`, `brier`, \
     `roc_auc_macro`, `pr_auc_macro`, and `precision`, `recall`, `f1`, each with `_macro`, `_micro` \
     or `_weighted`; of a regression: `rmse`, `mae`, `r2` (these if left out), `mape`.",
    Shape::List {
        of: &Shape::Choice {
            noun: "metric",
            of: METRICS,
        },
        non_empty: true,
    },
);

/// The slices to compute them on.
pub(crate) const SLICES_FIELD: Field = with_default(
    "slices",
    "Columns, or lists of columns: every metric is computed for each combination of their values, \
     too.",
    Shape::List {
        of: &SLICE,
        non_empty: false,
    },
    "[]",
);

static BUCKETS: Shape = Shape::Tagged(&BUCKETING);

static BUCKETING: Object = Object {
    noun: "way to make buckets",
    fields: &[
        field(
            "edges",
            "Numbers that rise: one bucket lies below the first, one between any two, one from the \
             last on. A bucket holds its lower edge.",
            Shape::List {
                of: &Shape::Number(Range::ANY),
                non_empty: true,
            },
        ),
        field(
            "quantiles",
            "This many buckets with about equally many of the scored rows; equal values share one.",
            Shape::Integer { min: 2, max: 1000 },
        ),
    ],
    later: &[],
};

/// How numeric columns of slices are put into buckets.
pub(crate) const BUCKETS_FIELD: Field = with_default(
    "buckets",
    "For numeric columns of slices: the buckets that the slices are made of, such as \
     `age: {edges: [30, 50]}` or `age: {quantiles: 4}`. A column that is not named is sliced by its \
     values.",
    Shape::Map {
        key: KeyShape::Column,
        of: &BUCKETS,
    },
    "{}",
);

/// Whether rows are counted by class and predicted class.
pub(crate) const CONFUSION_MATRIX_FIELD: Field = with_default(
    "confusion_matrix",
    "Whether the metrics hold, for each class, how many of its rows are predicted to be of each \
     class.",
    Shape::Boolean,
    "false",
);

/// Whether a prediction from the labels alone is scored, too.
const BASELINE: Field = with_default(
    "baseline",
    "Whether the metrics also say what a prediction would score that knows only the labels of \
     `training`: their shares, or their mean.",
    Shape::Boolean,
    "false",
);

pub(super) static EVALUATE_PREDICTIONS_PARAMETERS: Object = Object {
    noun: "parameter",
    fields: &[
        LABEL_PARAMETER,
        TASK,
        METRICS_FIELD,
        SLICES_FIELD,
        BUCKETS_FIELD,
        CONFUSION_MATRIX_FIELD,
        BASELINE,
    ],
    later: &[],
};

pub(super) static EVALUATE_PARAMETERS: Object = Object {
    noun: "parameter",
    fields: &[
        METRICS_FIELD,
        SLICES_FIELD,
        BUCKETS_FIELD,
        CONFUSION_MATRIX_FIELD,
    ],
    later: &[],
};
