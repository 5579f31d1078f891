//! What may stand in a pipeline file and in `reproof.toml`.

mod data;
mod programs;
mod project;

pub(crate) use data::{DATA_SOURCE, NAMED_DATA};
pub(crate) use programs::{DATA_PROGRAM, PREDICT_PROGRAM, PROGRAM_STEP, TRAIN_PROGRAM};
pub(crate) use project::{ENVIRONMENT, PROJECT};

use crate::registry::{
    BOOSTING_SETTINGS, CHAIN, LABEL, LINEAR_SETTINGS, LOGISTIC_SETTINGS, METRICS, METRICS_FIELD,
    SLICE, SLICES_FIELD, SPLIT,
};
use crate::shape::{Field, KeyShape, Later, Object, Range, Shape};

use crate::registry::{
    BUCKETS_FIELD, CONFUSION_MATRIX_FIELD, IMAGE_PATH_FIELD, IMAGE_SUFFIX_FIELD, TASK,
};

/// The largest seed: integers beyond are not exact in JSON.
pub(crate) const MAX_SEED: i64 = (1 << 53) - 1;

/// The least memory, in bytes, that a program may be limited to: less is a forgotten unit.
pub(crate) const LEAST_MEMORY: i64 = 1_000_000;

const fn optional(name: &'static str, doc: &'static str, shape: Shape) -> Field {
    Field {
        name,
        doc,
        shape,
        required: false,
        default: None,
    }
}

const fn later_trainer(key: &'static str) -> Later {
    Later {
        key,
        message: "this trainer is not supported by this version",
    }
}

static TRAINERS: Object = Object {
    noun: "trainer",
    fields: &[
        optional(
            "logistic_regression",
            "A logistic regression with an L2 penalty, for a label of two classes.",
            Shape::Object(&LOGISTIC_SETTINGS),
        ),
        optional(
            "linear_regression",
            "A linear regression with an L2 penalty, for a numeric label.",
            Shape::Object(&LINEAR_SETTINGS),
        ),
        optional(
            "gradient_boosting",
            "Gradient-boosted trees, for a label of two or several classes or a number; features may \
             have missing values.",
            Shape::Object(&BOOSTING_SETTINGS),
        ),
    ],
    later: &[later_trainer("neural_network")],
};

/// A built-in trainer, or a program.
const TRAIN: Shape = Shape::Either(&[Shape::Program(&TRAIN_PROGRAM), Shape::Tagged(&TRAINERS)]);

/// The operation that a trainer of the short form stands for.
pub(crate) fn trainer_operation(trainer: &str) -> String {
    format!("train_{trainer}")
}

/// A gate in its long form.
pub(crate) static GATE: Object = Object {
    noun: "key",
    fields: &[
        Field {
            required: true,
            ..optional(
                "metric",
                "The metric; it must be among those computed.",
                Shape::Choice {
                    noun: "metric",
                    of: METRICS,
                },
            )
        },
        optional("at_least", "The least that passes.", NUMBER),
        optional("at_most", "The most that passes.", NUMBER),
        optional("above", "Only more than this passes.", NUMBER),
        optional("below", "Only less than this passes.", NUMBER),
        optional(
            "in",
            "The slice in whose every part the bound must hold; one of `slices`.",
            SLICE,
        ),
        Field {
            default: Some("30"),
            ..optional(
                "min_rows",
                "A part of the slice with fewer rows is not judged.",
                COUNT,
            )
        },
        Field {
            default: Some("5"),
            ..optional(
                "min_per_class",
                "A part of the slice with fewer rows of one of the classes is not judged.",
                COUNT,
            )
        },
    ],
    later: &[],
};

const NUMBER: Shape = Shape::Number(Range::ANY);
const COUNT: Shape = Shape::Integer {
    min: 0,
    max: 1_000_000_000,
};

/// The gates of an evaluation.
pub(crate) const REQUIRE_FIELD: Field = Field {
    default: Some("[]"),
    ..optional(
        "require",
        "Gates. A run whose gates do not pass fails. Written as `roc_auc >= 0.80`, or as a mapping.",
        REQUIRE,
    )
};

const REQUIRE: Shape = Shape::List {
    of: &Shape::Either(&[Shape::Text, Shape::Object(&GATE)]),
    non_empty: false,
};

static EVALUATE: Object = Object {
    noun: "key",
    fields: &[
        Field {
            default: Some("\"eval\""),
            ..optional(
                "on",
                "The part that is scored. `reproof run --final` scores `test` instead.",
                Shape::Choice {
                    noun: "part",
                    of: &["eval", "test"],
                },
            )
        },
        METRICS_FIELD,
        SLICES_FIELD,
        BUCKETS_FIELD,
        CONFUSION_MATRIX_FIELD,
        Field {
            default: Some("false"),
            ..optional(
                "baseline",
                "Whether the metrics also say what a prediction would score that knows only the \
                 labels of the training part: their shares, or their mean.",
                Shape::Boolean,
            )
        },
        Field {
            doc: "What is predicted, where a program predicts it: one of two classes, one of several, \
                  or a number. Left out, the label tells it, as it tells gradient boosting.",
            ..TASK
        },
        REQUIRE_FIELD,
    ],
    later: &[Later {
        key: "run",
        message: "Reproof computes the metrics; a program may make the predictions, in the block \
                  'predict'",
    }],
};

/// The images that the rows of a table are about.
static IMAGES: Object = Object {
    noun: "key",
    fields: &[
        optional(
            "files",
            "The folder of the images, inside the project, or a pattern of files.",
            Shape::DataPath,
        ),
        optional(
            "name",
            "The name of data that `reproof.toml` declares, in place of `files`.",
            Shape::DataName,
        ),
        optional(
            "version",
            "A stored version of the files, in place of `files`.",
            Shape::DataVersion,
        ),
        Field {
            required: true,
            shape: Shape::Column,
            doc: "The column of the data that holds the path of each image, from their folder.",
            ..IMAGE_PATH_FIELD
        },
        IMAGE_SUFFIX_FIELD,
    ],
    later: &[],
};

/// A pipeline file.
pub(crate) static PIPELINE: Object = Object {
    noun: "key",
    fields: &[
        Field {
            required: true,
            ..optional(
                "pipeline",
                "The pipeline's name. It is no part of the recipe.",
                Shape::Name,
            )
        },
        Field {
            default: Some("0"),
            ..optional(
                "seed",
                "The number from which every step that draws at random derives its own seed.",
                Shape::Integer {
                    min: 0,
                    max: MAX_SEED,
                },
            )
        },
        optional(
            "split_seed",
            "The number from which the steps that divide rows derive their seeds instead; `seed` if it is \
             left out. With it another `seed` is tried on the same rows.",
            Shape::Integer {
                min: 0,
                max: MAX_SEED,
            },
        ),
        optional(
            "data",
            "Where the data comes from: a file, the name of data that `reproof.toml` declares, or a \
             program of yours (`run`), whose output `table` it is: the program runs before the columns \
             are known. With `steps`, several sources may be named, or none.",
            Shape::Either(&[
                Shape::DataName,
                Shape::OneOrNamed(&DATA_SOURCE),
                Shape::Program(&DATA_PROGRAM),
            ]),
        ),
        optional(
            "images",
            "That the rows are about images. `folders`: `data` is files, and there is a row for each \
             image among them; the column `label` is the first folder of its path. Else `data` is a table of \
             labels, and this says where the images are. Programs in `train` and `predict` get the files as \
             the input `images`; the column `image` is a path in it. See `image_table`.",
            Shape::Either(&[
                Shape::Choice {
                    noun: "kind of labels",
                    of: &["folders"],
                },
                Shape::Object(&IMAGES),
            ]),
        ),
        optional("label", "What is to be predicted.", LABEL),
        optional(
            "features",
            "The columns to predict from; their order does not matter. Left out, all but the \
             label.",
            Shape::List {
                of: &Shape::Column,
                non_empty: true,
            },
        ),
        Field {
            default: Some(r#"{"random":{"train":0.7,"eval":0.15,"test":0.15}}"#),
            ..optional(
                "split",
                "How the rows are divided into parts.",
                Shape::Tagged(&SPLIT),
            )
        },
        Field {
            default: Some("{}"),
            ..optional(
                "preprocess",
                "How columns become features, by a chain for each: `cast`, then `fill` and `clip`, then \
                 `bucketize` or `ordinal`, then `scale`, `one_hot` or `category`. A feature that is not \
                 named gets a default by its type and the trainer. `none`, for a program: there is no \
                 preprocessing, and it gets the table as it is.",
                Shape::Either(&[
                    Shape::Choice {
                        noun: "preprocessing",
                        of: &["none"],
                    },
                    Shape::Map {
                        key: KeyShape::Column,
                        of: &CHAIN,
                    },
                    Shape::Null,
                ]),
            )
        },
        optional(
            "train",
            "What is trained: a built-in trainer, or a program of yours (`run`). A program gets the \
             inputs `features` and `table` of the training part and, where there is a part `eval`, \
             `eval_features` and `eval_table`; numbers are scaled for it unless `preprocess` says \
             otherwise.",
            TRAIN,
        ),
        optional(
            "predict",
            "A program that predicts the part that is scored. It gets the inputs `model` and \
             `features` and makes the output `predictions`. With `preprocess: none` it gets `table`, \
             the part as it is, its label included. Left out, a program in `train` itself makes the \
             output `predictions`, of the part `eval`.",
            Shape::Program(&PREDICT_PROGRAM),
        ),
        optional(
            "evaluate",
            "How the model is scored. Left out, it is not.",
            Shape::Object(&EVALUATE),
        ),
        Field {
            default: Some("{}"),
            ..optional(
                "tolerance",
                "How far outputs may be off when a record is verified, and still be `equivalent`: by \
                 `STEP.OUTPUT`, or by the output alone where one step has it. Every bit counts for \
                 outputs that are not named. Declared beforehand, it is part of the recipe.",
                Shape::Map {
                    key: KeyShape::Any,
                    of: &Shape::Object(&TOLERANCE),
                },
            )
        },
        optional(
            "steps",
            "A free graph of steps, instead of the blocks from `label` to `evaluate`.",
            Shape::Map {
                key: KeyShape::Name,
                of: &Shape::Step,
            },
        ),
    ],
    later: &[
        Later {
            key: "environment",
            message: "a program names its environment: write it beside 'run'",
        },
        Later {
            key: "run",
            message: "a program stands in 'train', in 'predict' or in a step under 'steps'",
        },
    ],
};

const BOUND: Shape = Shape::Number(Range {
    min: 0.0,
    above: false,
    max: f64::INFINITY,
});

/// A tolerance of one output.
static TOLERANCE: Object = Object {
    noun: "bound",
    fields: &[
        optional(
            "abs",
            "The largest difference of two numbers. A number is within the tolerance if it keeps one \
             of `abs`, `rel` and `ulp`.",
            BOUND,
        ),
        optional(
            "rel",
            "The largest difference as a share of the larger of the two.",
            BOUND,
        ),
        optional(
            "ulp",
            "The largest difference in units of the last place: how many doubles lie between the two.",
            Shape::Integer {
                min: 0,
                max: MAX_SEED,
            },
        ),
        optional(
            "flips",
            "In how many rows the predicted label may be another one.",
            COUNT,
        ),
    ],
    later: &[],
};

/// The blocks that a free graph stands instead of.
pub(crate) const BLOCKS: &[&str] = &[
    "images",
    "label",
    "features",
    "split",
    "preprocess",
    "train",
    "predict",
    "evaluate",
];

/// A step of a free graph that is built in, but for what its operation says.
pub(crate) static STEP: Object = Object {
    noun: "key",
    fields: &[
        Field {
            required: true,
            ..optional(
                "operation",
                "A built-in operation, by name or as `name@version`.",
                Shape::Text,
            )
        },
        Field {
            default: Some("{}"),
            ..optional(
                "inputs",
                "For each input a data source (`data`) or an output of a step (`split.train`).",
                Shape::Map {
                    key: KeyShape::Name,
                    of: &Shape::Text,
                },
            )
        },
        Field {
            default: Some("{}"),
            ..optional(
                "parameters",
                "The operation's parameters; those left out get their defaults.",
                Shape::Any,
            )
        },
        optional(
            "require",
            "The gates of a step that evaluates. They are no part of the recipe.",
            Shape::Any,
        ),
    ],
    later: &[],
};
