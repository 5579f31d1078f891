//! What may stand in `reproof.toml`.

use super::{NAMED_DATA, optional};
use crate::shape::{Field, KeyShape, Later, Object, Shape};

/// `reproof.toml`.
pub(crate) static PROJECT: Object = Object {
    noun: "section",
    fields: &[
        optional("store", "Where blobs are kept.", Shape::Object(&STORE)),
        optional(
            "policy",
            "What a run insists on. The command line may be stricter, never laxer.",
            Shape::Object(&POLICY),
        ),
        Field {
            default: Some("{}"),
            ..optional(
                "data",
                "Data whose versions have a history, by name; pipelines use it by that name. \
                 `reproof data add` writes such a section.",
                Shape::Map {
                    key: KeyShape::Name,
                    of: &Shape::Object(&NAMED_DATA),
                },
            )
        },
        Field {
            default: Some("{}"),
            ..optional(
                "environments",
                "What programs run in, by name; one that names none runs in `default`. Each is one of \
                 `requirements`, `pyproject` and `system`.",
                Shape::Map {
                    key: KeyShape::Name,
                    of: &Shape::Object(&ENVIRONMENT),
                },
            )
        },
        Field {
            default: Some("{}"),
            ..optional(
                "remotes",
                "Where records are shared, by name: buckets and folders.",
                Shape::Map {
                    key: KeyShape::Name,
                    of: &Shape::Object(&REMOTE),
                },
            )
        },
    ],
    later: &[],
};

static REMOTE: Object = Object {
    noun: "key",
    fields: &[
        Field {
            required: true,
            ..optional(
                "url",
                "`s3://BUCKET/PREFIX`, or a folder as `file:///absolute/path`.",
                Shape::Text,
            )
        },
        optional(
            "endpoint",
            "The address of the server, such as `https://minio.example.org:9000`, if it is not \
             AWS's own. Left out, `AWS_ENDPOINT_URL` says it.",
            Shape::Text,
        ),
        optional(
            "region",
            "The region of the bucket. Left out, `AWS_REGION` or `~/.aws/config` says it.",
            Shape::Text,
        ),
        Field {
            default: Some("30"),
            ..optional(
                "timeout",
                "How many seconds the server may be silent before a request is tried again; four \
                 times as long while something is sent.",
                Shape::Integer { min: 1, max: 3600 },
            )
        },
        Field {
            default: Some("false"),
            ..optional(
                "allow_http",
                "Whether a server on another machine may be reached without TLS.",
                Shape::Boolean,
            )
        },
    ],
    later: &[],
};

static STORE: Object = Object {
    noun: "key",
    fields: &[Field {
        default: Some("\"project\""),
        ..optional(
            "location",
            "`project`: in the project's folder `.reproof`. `user`: shared by the user's projects, \
             under `$XDG_DATA_HOME`.",
            Shape::Choice {
                noun: "location",
                of: &["project", "user"],
            },
        )
    }],
    later: &[],
};

const fn later_policy(key: &'static str) -> Later {
    Later {
        key,
        message: "this policy is not supported by this version",
    }
}

static POLICY: Object = Object {
    noun: "key",
    fields: &[
        Field {
            default: Some("false"),
            ..optional(
                "require_clean",
                "Whether a run refuses files that differ from the commit.",
                Shape::Boolean,
            )
        },
        Field {
            default: Some("false"),
            ..optional(
                "locked",
                "Whether a run refuses data that differs from the lock file.",
                Shape::Boolean,
            )
        },
        optional(
            "isolation",
            "`full`: programs run only where they see nothing but what they are given; a run that \
             would do without is refused.",
            Shape::Choice {
                noun: "isolation",
                of: &["full"],
            },
        ),
    ],
    later: &[later_policy("branches"), later_policy("max_unpinned")],
};

/// An environment: where its programs and packages come from.
pub(crate) static ENVIRONMENT: Object = Object {
    noun: "key",
    fields: &[
        optional(
            "requirements",
            "A requirements file of Python packages, with a hash for each.",
            Shape::Path,
        ),
        optional(
            "pyproject",
            "A `pyproject.toml` with `uv.lock` beside it.",
            Shape::Path,
        ),
        optional(
            "system",
            "Programs of the machine, such as `[\"sh\", \"Rscript\"]`, with the libraries that they \
             need.",
            Shape::List {
                of: &Shape::Text,
                non_empty: true,
            },
        ),
        optional(
            "python",
            "The version of Python, such as `\"3.11\"`; only with `requirements` or `pyproject`.",
            Shape::Text,
        ),
        Field {
            default: Some("false"),
            ..optional(
                "allow_builds",
                "Whether packages that have no wheel are built here, so that their bits are this \
                 machine's; only with `requirements` or `pyproject`.",
                Shape::Boolean,
            )
        },
        Field {
            default: Some("[]"),
            ..optional(
                "paths",
                "Further files and folders of the machine that belong to it, such as \
                 `[\"/usr/lib/R\"]`; only with `system`.",
                Shape::List {
                    of: &Shape::Text,
                    non_empty: false,
                },
            )
        },
    ],
    later: &[Later {
        key: "image",
        message: "containers are not supported by this version",
    }],
};
