//! Where data comes from, in a pipeline file and in `reproof.toml`.

use super::{MAX_SEED, optional};
use crate::shape::{Field, KeyShape, Later, Object, Range, Shape};

pub(super) const COLUMN_TYPE: Shape = Shape::Type(&[
    "boolean",
    "integer",
    "float",
    "string",
    "date",
    "timestamp_naive",
    "timestamp_utc",
]);

/// The fields of a source of data, wherever it stands, and then those that only one place knows.
macro_rules! source_fields {
    ($($more:expr),* $(,)?) => {
        &[
            optional(
                "csv",
                "A file with values separated by commas, inside the project; its first row names the \
                 columns. It may be compressed with gzip or zstd. The types of columns are decided over \
                 the whole file and pinned in `reproof.lock`, unless `schema` declares them. A folder, \
                 or a pattern such as `\"data/*.csv\"`, is all its files as one table. The file may also lie on \
                 a server: `s3://BUCKET/KEY` or `https://HOST/FILE`; so may those of the other formats.",
                Shape::DataPath,
            ),
            optional(
                "parquet",
                "A Parquet file inside the project, a folder of such files, or a pattern of them. \
                 Folders such as `year=2024` are columns.",
                Shape::DataPath,
            ),
            optional(
                "jsonl",
                "A file inside the project with one JSON object a line, perhaps compressed with gzip or \
                 zstd. The names in the objects are the columns. Types are decided and pinned as with \
                 `csv`, but texts stay texts. A folder or a pattern is all its files.",
                Shape::DataPath,
            ),
            optional(
                "arrow",
                "An Arrow IPC file inside the project (also called Feather), or a stream of Arrow. \
                 A folder or a pattern is all its files.",
                Shape::DataPath,
            ),
            optional(
                "numpy",
                "A file inside the project with an array of NumPy, `.npy`, or several, `.npz`. Columns \
                 of an array are `x0`, `x1`, …; in an archive the array's name comes first. A folder or \
                 a pattern is all its files.",
                Shape::DataPath,
            ),
            optional(
                "files",
                "A folder inside the project, or a pattern of files, as it is: no table, but files for \
                 the programs under `steps` that take it as an input.",
                Shape::DataPath,
            ),
            optional(
                "sqlite",
                "A SQLite database inside the project, of which `query` asks. It is only read, in one \
                 transaction.",
                Shape::Path,
            ),
            optional(
                "postgres",
                "A PostgreSQL database, of which `query` asks: `host=… dbname=… user=…`, a URL \
                 `postgresql://…`, or `{env: NAME}` for the environment variable that holds either. A \
                 password stands in that variable, `PGPASSWORD` or `~/.pgpass`, never here.",
                Shape::Either(&[Shape::Text, Shape::Object(&SERVER)]),
            ),
            optional(
                "query",
                "What is asked of the database: one `SELECT`.",
                Shape::Text,
            ),
            optional(
                "query_file",
                "A file inside the project that holds the query, in place of `query`.",
                Shape::Path,
            ),
            optional(
                "order_by",
                "The columns of the result by which its rows are sorted, missing values first, texts by \
                 their bytes. A query needs it, and no two rows may be alike in them: the order of \
                 rows is part of what a version is.",
                Shape::List {
                    of: &Shape::Column,
                    non_empty: true,
                },
            ),
            Field {
                name: "delimiter",
                doc: "The character between fields: `\",\"`, `\";\"`, `\"\\t\"`.",
                shape: Shape::Delimiter,
                required: false,
                default: Some("\",\""),
            },
            Field {
                name: "null_tokens",
                doc: "The texts of a field that mean a missing value. Name them yourself where one of the \
                      defaults is a value, such as `NA` for Namibia.",
                shape: Shape::List {
                    of: &Shape::Text,
                    non_empty: false,
                },
                required: false,
                default: Some(r#"["","N/A","NA","NULL","NaN","nan","null"]"#),
            },
            Field {
                default: Some("{}"),
                ..optional(
                    "schema",
                    "The types of columns, by name. A value of a CSV or JSON file or of a query that does \
                     not fit is an error that names its line or row; other files must have the declared types. A decimal has so \
                     many digits, of which so many stand after the point; inside braces it is written in \
                     quotes.",
                    Shape::Map {
                        key: KeyShape::Column,
                        of: &COLUMN_TYPE,
                    },
                )
            },
            Field {
                default: Some("\"full\""),
                ..optional(
                    "statistics",
                    "What is computed of each column as it is read and shown by `reproof data show`: \
                     `full`; `basic`, without frequent values, quantiles and histograms, twice as fast; \
                     or `none`. It does not change the version.",
                    Shape::Choice {
                        noun: "choice",
                        of: &["full", "basic", "none"],
                    },
                )
            },
            $($more),*
        ]
    };
}

/// Where a program that makes data can stand.
const PROGRAM_ELSEWHERE: &str = "a program makes the data of a pipeline alone: write 'data: {run: …}' there, or a step for each \
     under 'steps'";

/// Keys that mean something else, or stand elsewhere.
const LATER: &[Later] = &[
    Later {
        key: "run",
        message: PROGRAM_ELSEWHERE,
    },
    Later {
        key: "shell",
        message: PROGRAM_ELSEWHERE,
    },
    Later {
        key: "notebook",
        message: PROGRAM_ELSEWHERE,
    },
    Later {
        key: "images",
        message: "a folder of images is written 'files', beside the block 'images: folders'",
    },
    Later {
        key: "postgresql",
        message: "write 'postgres'",
    },
];

/// The server of a source.
static SERVER: Object = Object {
    noun: "key",
    fields: &[Field {
        required: true,
        ..optional(
            "env",
            "The environment variable that holds the connection, and may hold the password.",
            Shape::Variable,
        )
    }],
    later: &[],
};

/// One source of data of a pipeline.
pub(crate) static DATA_SOURCE: Object = Object {
    noun: "key",
    fields: source_fields![
        optional(
            "name",
            "The name of data that `reproof.toml` declares: it is read as is said there, and a version \
             that was not there before is appended to its history. `data: NAME` is short for it.",
            Shape::DataName,
        ),
        optional(
            "version",
            "A version that is stored, such as `churn@v1`: a tag, the beginning of an ID, or `~1` for \
             the one before the head; or `data:` and the first digits of what it holds, which needs no \
             name. The source itself is not read.",
            Shape::DataVersion,
        ),
        Field {
            default: Some("{}"),
            ..optional(
                "expect",
                "What the data must meet before anything is made from it. Where it does not, no step \
                 runs and the exit code is 10. It is no part of the recipe.",
                Shape::Object(&EXPECT),
            )
        },
    ],
    later: LATER,
};

/// What data must meet.
pub(super) static EXPECT: Object = Object {
    noun: "expectation",
    fields: &[
        optional("rows", "How many rows there are.", Shape::Object(&COUNTS)),
        optional(
            "types",
            "The types of columns.",
            Shape::Map {
                key: KeyShape::Column,
                of: &COLUMN_TYPE,
            },
        ),
        optional(
            "not_null",
            "Columns without missing values.",
            Shape::List {
                of: &Shape::Column,
                non_empty: true,
            },
        ),
        optional(
            "unique",
            "Columns, or lists of columns, whose values no two rows share; missing values are alike.",
            Shape::List {
                of: &Shape::Either(&[
                    Shape::Column,
                    Shape::List {
                        of: &Shape::Column,
                        non_empty: true,
                    },
                ]),
                non_empty: true,
            },
        ),
        optional(
            "range",
            "Between which values those of columns lie, both included; missing values do.",
            Shape::Map {
                key: KeyShape::Column,
                of: &Shape::Object(&BOUNDS),
            },
        ),
        optional(
            "allowed",
            "The values that columns may have; missing values are allowed.",
            Shape::Map {
                key: KeyShape::Column,
                of: &Shape::List {
                    of: &Shape::Scalar,
                    non_empty: true,
                },
            },
        ),
        optional(
            "fresh",
            "How old the newest value of a column of days or moments may be.",
            Shape::Object(&FRESH),
        ),
        optional(
            "drift",
            "How far the values of columns may have moved from the version that `reproof.lock` pins: \
             the greatest population stability index, such as 0.2.",
            Shape::Map {
                key: KeyShape::Column,
                of: &Shape::Number(Range {
                    min: 0.0,
                    above: false,
                    max: f64::INFINITY,
                }),
            },
        ),
    ],
    later: &[],
};

const ROWS: Shape = Shape::Integer {
    min: 0,
    max: MAX_SEED,
};

static COUNTS: Object = Object {
    noun: "key",
    fields: &[
        optional("min", "At least so many.", ROWS),
        optional("max", "At most so many.", ROWS),
    ],
    later: &[],
};

static BOUNDS: Object = Object {
    noun: "key",
    fields: &[
        optional(
            "min",
            "The least value: a number, or the text of a day, a moment or a decimal.",
            Shape::Scalar,
        ),
        optional("max", "The greatest value.", Shape::Scalar),
    ],
    later: &[],
};

static FRESH: Object = Object {
    noun: "key",
    fields: &[
        Field {
            required: true,
            ..optional("column", "The column.", Shape::Column)
        },
        Field {
            required: true,
            ..optional("within", "How old it may be: `36h`, `2d`.", Shape::Text)
        },
        optional(
            "at",
            "Counted back from this day or moment. Left out, from the start of the run: then it depends \
             on when that is.",
            Shape::Text,
        ),
    ],
    later: &[],
};

/// Named data, whose versions have a history.
pub(crate) static NAMED_DATA: Object = Object {
    noun: "key",
    fields: source_fields![Field {
        default: Some("true"),
        ..optional(
            "keep",
            "Whether the bytes of the source are stored with each version, so that `reproof data \
             restore` gives them back. The values are stored either way; a query has no bytes.",
            Shape::Boolean,
        )
    }],
    later: LATER,
};
