//! The ways to divide rows: the blocks of the short form, and the parameters of their operations.

use super::parameters::{field, required, with_default};
use crate::shape::{Field, Later, Object, Range, Shape};

const SHARE: Shape = Shape::Number(Range {
    min: 0.0,
    above: true,
    max: 1.0,
});

const TRAIN: Field = field("train", "The share that models are fitted on.", SHARE);
const EVAL: Field = field("eval", "The share that is scored while you work.", SHARE);
const TEST: Field = field("test", "The share that is kept for the final look.", SHARE);

/// The shares of the parts.
static RATIOS: Object = Object {
    noun: "part",
    fields: &[
        Field {
            required: true,
            ..TRAIN
        },
        EVAL,
        TEST,
    ],
    later: &[],
};

/// The parts, and what they get if nothing is said.
pub(crate) const DEFAULT_RATIOS: &str = r#"{"train":0.7,"eval":0.15,"test":0.15}"#;

const RATIOS_FIELD: Field = with_default(
    "ratios",
    "The share of rows of each part. They sum to 1.",
    Shape::Object(&RATIOS),
    DEFAULT_RATIOS,
);

const COLUMNS: Shape = Shape::Either(&[
    Shape::Column,
    Shape::List {
        of: &Shape::Column,
        non_empty: true,
    },
]);

const KEY: Field = field(
    "key",
    "A column, or several: only they decide, and rows that are equal in them share a part. Left \
     out, all columns.",
    COLUMNS,
);

const EXACT: Field = with_default(
    "exact",
    "Whether the shares hold exactly, as far as equal rows allow. Then new rows may move old ones.",
    Shape::Boolean,
    "false",
);

const BY_STRATUM: Field = required(
    "by",
    "The column whose values are divided alike: each has its share of every part.",
    Shape::Column,
);

const BY_TIME: Field = required(
    "by",
    "The column in whose order the rows are: dates, timestamps, numbers, or ISO 8601 texts of one \
     form. None may be missing.",
    Shape::Column,
);

const BY_NAME: Field = required(
    "by",
    "The column that names the part of each row.",
    Shape::Column,
);

static BOUNDARIES_OBJECT: Object = Object {
    noun: "part",
    fields: &[
        field(
            "eval",
            "The first value of the part `eval`; what is earlier is `train`.",
            Shape::Scalar,
        ),
        field("test", "The first value of the part `test`.", Shape::Scalar),
    ],
    later: &[],
};

const BOUNDARIES: Field = field(
    "boundaries",
    "Where the later parts begin, instead of shares.",
    Shape::Object(&BOUNDARIES_OBJECT),
);

const VALUE: Shape = Shape::Either(&[
    Shape::Scalar,
    Shape::List {
        of: &Shape::Scalar,
        non_empty: true,
    },
]);

static VALUES_OBJECT: Object = Object {
    noun: "part",
    fields: &[
        required("train", "The value, or the values, of this part.", VALUE),
        field("eval", "The value, or the values, of this part.", VALUE),
        field("test", "The value, or the values, of this part.", VALUE),
    ],
    later: &[],
};

const VALUES: Field = with_default(
    "values",
    "For each part the values that stand for it. Every row must have one of them.",
    Shape::Object(&VALUES_OBJECT),
    r#"{"train":["train"],"eval":["eval"],"test":["test"]}"#,
);

pub(super) static RANDOM_PARAMETERS: Object = parameters(&[RATIOS_FIELD, KEY, EXACT]);
pub(super) static STRATIFIED_PARAMETERS: Object = parameters(&[BY_STRATUM, RATIOS_FIELD]);
pub(super) static TIME_PARAMETERS: Object = parameters(&[BY_TIME, RATIOS_FIELD, BOUNDARIES]);
pub(super) static INDEXED_PARAMETERS: Object = parameters(&[BY_NAME, VALUES]);

const fn parameters(fields: &'static [Field]) -> Object {
    Object {
        noun: "parameter",
        fields,
        later: &[],
    }
}

const fn block(fields: &'static [Field]) -> Object {
    Object {
        noun: "key",
        fields,
        later: &[],
    }
}

static RANDOM: Object = block(&[TRAIN, EVAL, TEST, KEY, EXACT]);
static GROUP: Object = block(&[
    required(
        "by",
        "A column, or several: rows that are equal in them share a part.",
        COLUMNS,
    ),
    TRAIN,
    EVAL,
    TEST,
    EXACT,
]);
static STRATIFIED: Object = block(&[BY_STRATUM, TRAIN, EVAL, TEST]);
static TIME: Object = block(&[BY_TIME, TRAIN, EVAL, TEST, BOUNDARIES]);
static INDEXED: Object = block(&[BY_NAME, VALUES]);
static NONE: Object = block(&[]);

const fn later_split(key: &'static str) -> Later {
    Later {
        key,
        message: "this way to split is not supported by this version",
    }
}

/// The block `split`.
pub(crate) static SPLIT: Object = Object {
    noun: "split",
    fields: &[
        Field {
            default: Some(DEFAULT_RATIOS),
            ..field(
                "random",
                "At random, with these shares of rows: by a hash of each row's content, so that new \
                 rows never move old ones.",
                Shape::Object(&RANDOM),
            )
        },
        field(
            "group",
            "At random by group: as `random` with a `key`.",
            Shape::Object(&GROUP),
        ),
        field(
            "stratified",
            "At random, so that every value of a column has the same shares.",
            Shape::Object(&STRATIFIED),
        ),
        field(
            "time",
            "In the order of a column: `train` is the earliest, `test` the latest.",
            Shape::Object(&TIME),
        ),
        field(
            "indexed",
            "As a column of the data says.",
            Shape::Object(&INDEXED),
        ),
        field(
            "none",
            "Not at all: every row is for training, unless the data itself comes in the sources \
             `train`, `eval` and `test`.",
            Shape::Object(&NONE),
        ),
    ],
    later: &[
        Later {
            key: "run",
            message: "steps that run a program are not supported by this version",
        },
        Later {
            key: "key",
            message: "write 'random: {key: COLUMN}'",
        },
        later_split("ratio"),
        later_split("domain"),
    ],
};
