//! What may stand where a program of the user's stands: a step of a free graph, or a block.

use super::{DATA_SOURCE, optional};
use crate::shape::{Field, KeyShape, Later, Object, Shape};

const RUN: Field = optional(
    "run",
    "The program and its arguments, such as `[python, train.py]`. No shell reads them.",
    Shape::List {
        of: &Shape::Text,
        non_empty: true,
    },
);

const SHELL: Field = optional(
    "shell",
    "A line for `/bin/sh -c`, instead of `run`.",
    Shape::Text,
);

const NOTEBOOK: Field = optional(
    "notebook",
    "A notebook of the project, instead of `run`: a new kernel runs it from the first cell to the last, \
     with `parameters` set behind the cell tagged `parameters`.",
    Shape::Text,
);

const ENVIRONMENT: Field = Field {
    default: Some("\"default\""),
    ..optional(
        "environment",
        "The environment that it runs in, by its name in `reproof.toml`.",
        Shape::Name,
    )
};

const INPUTS: Field = Field {
    default: Some("{}"),
    ..optional(
        "inputs",
        "What it finds below `/reproof/in`: for each name a data source (`data`) or an output of a \
         step (`split.train`).",
        Shape::Map {
            key: KeyShape::Name,
            of: &Shape::Text,
        },
    )
};

const PARAMETERS: Field = Field {
    default: Some("{}"),
    ..optional(
        "parameters",
        "What it is given as its parameters: any values.",
        Shape::Map {
            key: KeyShape::Any,
            of: &Shape::Any,
        },
    )
};

const EXPECTED: Field = Field {
    default: Some("{}"),
    ..optional(
        "expect",
        "What the table must meet before anything else is made from it. Where it does not, no further step runs \
         and the exit code is 10. It is no part of the recipe. Only where the program is made from data, or from \
         programs that are, alone; `drift` is not to be had.",
        Shape::Object(&super::data::EXPECT),
    )
};

static OUTPUT: Object = Object {
    noun: "key",
    fields: &[
        Field {
            required: true,
            ..optional(
                "path",
                "Where it lies below `/reproof/out`; a `/` at the end says that it is a folder.",
                Shape::Text,
            )
        },
        optional(
            "kind",
            "What it is. Left out, a path that ends in `.parquet` or `.csv` is a `table`; an output \
             named `model`, `metrics` or `report` is of that kind; anything else is `files`.",
            Shape::Choice {
                noun: "kind",
                of: &["table", "model", "metrics", "report", "files"],
            },
        ),
        Field {
            default: Some("\"bytes\""),
            ..optional(
                "compare",
                "How `verify` compares it: `bytes`, or `ignore` for what may differ from run to run.",
                Shape::Choice {
                    noun: "comparison",
                    of: &["bytes", "ignore"],
                },
            )
        },
        EXPECTED,
    ],
    later: &[],
};

static OUTPUT_SHAPE: Shape = Shape::Either(&[Shape::Text, Shape::Object(&OUTPUT)]);

const OUTPUTS: Field = optional(
    "outputs",
    "What it makes: for each name the path below `/reproof/out`, or a mapping.",
    Shape::Map {
        key: KeyShape::Name,
        of: &OUTPUT_SHAPE,
    },
);

const CODE: Field = Field {
    default: Some("[]"),
    ..optional(
        "code",
        "Files and folders of the project that it sees, besides its entry file and the modules that \
         this imports: paths from the project's folder, in which `*`, `**` and `?` stand for others.",
        Shape::List {
            of: &Shape::Text,
            non_empty: false,
        },
    )
};

const THREADS: Field = Field {
    default: Some("1"),
    ..optional(
        "threads",
        "How many processors it sees, whatever the machine has.",
        Shape::Integer { min: 1, max: 1024 },
    )
};

const PROFILE: Field = Field {
    default: Some("\"portable\""),
    ..optional(
        "profile",
        "What it sees of the processor: `portable`, what every server of the last ten years has; \
         `portable_any`, what every processor has; `native`, all of it, so that results may differ \
         between machines.",
        Shape::Choice {
            noun: "profile",
            of: &["portable", "portable_any", "native"],
        },
    )
};

const VARIABLES: Field = Field {
    default: Some("{}"),
    ..optional(
        "variables",
        "Environment variables with their values; `null` takes the value from the caller's \
         environment, as does a list of names. Values are part of the recipe.",
        Shape::Either(&[
            Shape::Map {
                key: KeyShape::Variable,
                of: &Shape::Either(&[Shape::Text, Shape::Null]),
            },
            Shape::List {
                of: &Shape::Variable,
                non_empty: false,
            },
        ]),
    )
};

const SECRETS: Field = Field {
    default: Some("[]"),
    ..optional(
        "secrets",
        "Environment variables whose values come from the caller and are written down nowhere. They \
         make the step unpinned.",
        Shape::List {
            of: &Shape::Variable,
            non_empty: false,
        },
    )
};

const NETWORK: Field = Field {
    default: Some("false"),
    ..optional(
        "network",
        "Whether it may use the network. That makes the step unpinned: it runs every time.",
        Shape::Boolean,
    )
};

const CACHE: Field = Field {
    default: Some("false"),
    ..optional(
        "cache",
        "Whether an unpinned step is served from the cache all the same.",
        Shape::Boolean,
    )
};

const SECONDS: Shape = Shape::Integer {
    min: 1,
    max: 1_000_000_000,
};

static RESOURCES_OBJECT: Object = Object {
    noun: "limit",
    fields: &[
        optional(
            "memory",
            "The most memory, of all its processes: bytes, or a text such as `4 GB` (KB, MB, GB, KiB, \
             MiB, GiB).",
            Shape::Either(&[
                Shape::Integer {
                    min: super::LEAST_MEMORY,
                    max: super::MAX_SEED,
                },
                Shape::Text,
            ]),
        ),
        optional(
            "cpu_seconds",
            "The most processor time, of all its processes.",
            SECONDS,
        ),
        optional("wall_seconds", "The most time from start to end.", SECONDS),
    ],
    later: &[],
};

const RESOURCES: Field = Field {
    default: Some("{}"),
    ..optional(
        "resources",
        "What it may use of the machine. A step that would use more fails; the limits are no part of \
         the recipe.",
        Shape::Object(&RESOURCES_OBJECT),
    )
};

/// The data of a pipeline, where a program makes it.
pub(crate) static DATA_PROGRAM: Object = Object {
    noun: "key",
    fields: &[
        RUN,
        SHELL,
        NOTEBOOK,
        ENVIRONMENT,
        Field {
            default: Some("{}"),
            ..optional(
                "inputs",
                "The data that it finds below `/reproof/in`: a source for each name. They are pinned in \
                 `reproof.lock`.",
                Shape::Map {
                    key: KeyShape::Name,
                    of: &Shape::Object(&DATA_SOURCE),
                },
            )
        },
        PARAMETERS,
        Field {
            default: Some(r#"{"table":"table.parquet"}"#),
            ..OUTPUTS
        },
        EXPECTED,
        CODE,
        THREADS,
        PROFILE,
        VARIABLES,
        SECRETS,
        NETWORK,
        CACHE,
        RESOURCES,
    ],
    later: &[],
};

/// A step of a free graph that runs a program.
pub(crate) static PROGRAM_STEP: Object = Object {
    noun: "key",
    fields: &[
        RUN,
        SHELL,
        NOTEBOOK,
        ENVIRONMENT,
        INPUTS,
        PARAMETERS,
        Field {
            required: true,
            ..OUTPUTS
        },
        CODE,
        THREADS,
        PROFILE,
        VARIABLES,
        SECRETS,
        NETWORK,
        CACHE,
        RESOURCES,
    ],
    later: &[],
};

/// The inputs of a block follow from the other blocks.
const NO_INPUTS: &[Later] = &[Later {
    key: "inputs",
    message: "the inputs of a block follow from the other blocks; write the graph under 'steps' for \
              others ('reproof plan' prints it)",
}];

/// The block `train`, where it runs a program.
pub(crate) static TRAIN_PROGRAM: Object = Object {
    noun: "key",
    fields: &[
        RUN,
        SHELL,
        NOTEBOOK,
        ENVIRONMENT,
        PARAMETERS,
        Field {
            default: Some(r#"{"model":"model/"}"#),
            ..OUTPUTS
        },
        CODE,
        THREADS,
        PROFILE,
        VARIABLES,
        SECRETS,
        NETWORK,
        CACHE,
        RESOURCES,
    ],
    later: NO_INPUTS,
};

/// The block `predict`.
pub(crate) static PREDICT_PROGRAM: Object = Object {
    noun: "key",
    fields: &[
        RUN,
        SHELL,
        NOTEBOOK,
        ENVIRONMENT,
        PARAMETERS,
        Field {
            default: Some(r#"{"predictions":"predictions.parquet"}"#),
            ..OUTPUTS
        },
        CODE,
        THREADS,
        PROFILE,
        VARIABLES,
        SECRETS,
        NETWORK,
        CACHE,
        RESOURCES,
    ],
    later: NO_INPUTS,
};
