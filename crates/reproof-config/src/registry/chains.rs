//! The chains of preprocessing: what may stand in one, and the defaults by type and trainer.

use reproof_record::LogicalType;

use super::parameters::{field, required, with_default};
use crate::shape::{Field, KeyShape, Object, Range, Shape};

/// The chain of a feature that `preprocess` does not name, by the type of its column: the one
/// table of defaults. Golden IDs depend on it.
const DEFAULTS: &[(&[LogicalType], &str, &str)] = &[
    // Types, for trainers that weigh features, for trainers that cut them.
    (&[LogicalType::Boolean], r#"["one_hot"]"#, "[]"),
    (
        &[
            LogicalType::Integer,
            LogicalType::Float,
            LogicalType::Date,
            LogicalType::TimestampNaive,
            LogicalType::TimestampUtc,
        ],
        r#"[{"fill":"mean"},{"scale":"z_score"}]"#,
        "[]",
    ),
    (&[LogicalType::String], r#"["one_hot"]"#, r#"["ordinal"]"#),
];

/// What a trainer needs of features.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Needs {
    /// Numbers on one scale and none missing: it weighs and adds them.
    #[default]
    Scaled,
    /// Numbers in an order: it cuts them, and knows what to do with missing ones.
    Ordered,
}

impl Needs {
    pub const ALL: [Self; 2] = [Self::Scaled, Self::Ordered];

    /// What the trainer of this name in the short form needs.
    pub fn of(trainer: &str) -> Self {
        if Self::Ordered.trainers().contains(&trainer) {
            Self::Ordered
        } else {
            Self::Scaled
        }
    }

    /// The trainers that need this.
    pub const fn trainers(self) -> &'static [&'static str] {
        match self {
            Self::Scaled => &["logistic_regression", "linear_regression"],
            Self::Ordered => &["gradient_boosting"],
        }
    }
}

/// The chain of a feature that `preprocess` does not name, as JSON.
pub(crate) fn default_chain(needs: Needs, logical_type: LogicalType) -> &'static str {
    let known = match logical_type {
        // A number like another.
        LogicalType::Decimal(_) => LogicalType::Float,
        simple => simple,
    };
    let row = DEFAULTS.iter().find(|(types, ..)| types.contains(&known));
    match (row, needs) {
        (Some((_, scaled, _)), Needs::Scaled) => scaled,
        (Some((.., ordered)), Needs::Ordered) => ordered,
        // The tests see to it that every type has a row.
        (None, _) => r#"["one_hot"]"#,
    }
}

static CONSTANT: Object = Object {
    noun: "filling",
    fields: &[required(
        "constant",
        "This value, of the column's type.",
        Shape::Scalar,
    )],
    later: &[],
};

const TYPES: Shape = Shape::Type(&["boolean", "integer", "float", "string"]);

static CAST: Object = Object {
    noun: "key",
    fields: &[
        required("to", "The type.", TYPES),
        with_default(
            "invalid",
            "What becomes of a value that cannot be one of the type: `error`, or `missing`.",
            Shape::Choice {
                noun: "policy",
                of: &["error", "missing"],
            },
            "\"error\"",
        ),
    ],
    later: &[],
};

static CLIP: Object = Object {
    noun: "key",
    fields: &[
        field("min", "The lower bound.", Shape::Number(Range::ANY)),
        field("max", "The upper bound.", Shape::Number(Range::ANY)),
        field(
            "quantiles",
            "The bounds as two quantiles of the training part, such as `[0.01, 0.99]`, instead of \
             `min` and `max`.",
            Shape::List {
                of: &Shape::Number(Range {
                    min: 0.0,
                    above: false,
                    max: 1.0,
                }),
                non_empty: true,
            },
        ),
    ],
    later: &[],
};

const BUCKETS: Shape = Shape::Integer { min: 2, max: 1000 };

static BUCKETIZE: Object = Object {
    noun: "way",
    fields: &[
        field(
            "count",
            "So many buckets of one width, from the smallest to the largest value of the training \
             part.",
            BUCKETS,
        ),
        field(
            "quantiles",
            "So many buckets that hold equally many values of the training part, as far as equal \
             values allow.",
            BUCKETS,
        ),
        field(
            "edges",
            "The rising numbers between the buckets.",
            Shape::List {
                of: &Shape::Number(Range::ANY),
                non_empty: true,
            },
        ),
    ],
    later: &[],
};

static ORDINAL: Object = Object {
    noun: "key",
    fields: &[
        field(
            "order",
            "The values in their order. Left out, those of the training part: texts by bytes, \
             numbers by size.",
            Shape::List {
                of: &Shape::Scalar,
                non_empty: true,
            },
        ),
        with_default(
            "unknown",
            "What becomes of a value that is not in the order: `missing`, `error`, or `other`, the \
             place after the last.",
            Shape::Choice {
                noun: "policy",
                of: &["missing", "error", "other"],
            },
            "\"missing\"",
        ),
    ],
    later: &[],
};

static ONE_HOT: Object = Object {
    noun: "key",
    fields: &[
        field(
            "min_count",
            "Values with fewer rows in the training part share the column `COLUMN:other`. Left out, \
             every value has its column, of at most 1,000.",
            Shape::Integer {
                min: 1,
                max: 1_000_000_000,
            },
        ),
        with_default(
            "unknown",
            "What becomes of a value that the training part does not have: `zeros` in all columns, \
             `error`, or 1 in the column `COLUMN:other`.",
            Shape::Choice {
                noun: "policy",
                of: &["zeros", "error", "other"],
            },
            "\"zeros\"",
        ),
    ],
    later: &[],
};

static CATEGORY: Object = Object {
    noun: "key",
    fields: &[
        with_default(
            "max",
            "The most categories. Where the training part has more values, the most frequent ones are \
             a category each and the others are one together.",
            Shape::Integer { min: 2, max: 255 },
            "255",
        ),
        with_default(
            "unknown",
            "What becomes of a value that the training part does not have: `missing`, `error`, or \
             `other`, the category that rare values share.",
            Shape::Choice {
                noun: "policy",
                of: &["missing", "error", "other"],
            },
            "\"missing\"",
        ),
    ],
    later: &[],
};

static NOTHING: Object = Object {
    noun: "key",
    fields: &[],
    later: &[],
};

static CHAIN_ITEM: Object = Object {
    noun: "preprocessing",
    fields: &[
        field(
            "cast",
            "Another type of the values: texts that are numbers become such, a float loses what \
             stands after its point, a decimal is rounded to its last place.",
            Shape::Either(&[TYPES, Shape::Object(&CAST)]),
        ),
        field(
            "fill",
            "What stands where a value is missing: `mean`, `median`, `min`, `max` or `mode` of the \
             training part, or a constant.",
            Shape::Either(&[
                Shape::Choice {
                    noun: "filling",
                    of: &["mean", "median", "min", "max", "mode"],
                },
                Shape::Tagged(&CONSTANT),
            ]),
        ),
        field(
            "clip",
            "What lies outside of two bounds becomes the nearer of them.",
            Shape::Object(&CLIP),
        ),
        field(
            "bucketize",
            "Each value becomes the number of its bucket, counted from 0. A bucket holds its lower \
             edge; the first and the last are unbounded.",
            Shape::Tagged(&BUCKETIZE),
        ),
        field(
            "ordinal",
            "Each value becomes its place in an order, counted from 0.",
            Shape::Object(&ORDINAL),
        ),
        field(
            "scale",
            "`z_score`: less the mean, divided by the standard deviation. `min_max`: less the \
             smallest value, divided by the range, so that the training part lies from 0 to 1. \
             `zero_one`: the same, and what lies outside becomes 0 or 1. All are learned from the \
             training part.",
            Shape::Choice {
                noun: "scaling",
                of: &["z_score", "min_max", "zero_one"],
            },
        ),
        field(
            "one_hot",
            "A column of 0 and 1 for each value that the training part has.",
            Shape::Object(&ONE_HOT),
        ),
        field(
            "category",
            "For `gradient_boosting`: each value is a category, and trees part the rows by sets of \
             them, whatever their order. Better than `ordinal` for texts of many values.",
            Shape::Object(&CATEGORY),
        ),
        field(
            "none",
            "Nothing: the column as it is. It stands alone.",
            Shape::Object(&NOTHING),
        ),
    ],
    later: &[],
};

/// How one column becomes features.
pub(crate) static CHAIN: Shape = Shape::List {
    of: &Shape::Tagged(&CHAIN_ITEM),
    non_empty: false,
};

pub(super) static PREPROCESS_PARAMETERS: Object = Object {
    noun: "parameter",
    fields: &[FEATURES],
    later: &[],
};

const FEATURES: Field = required(
    "features",
    "The columns that become features, each with its chain. Their order does not matter.",
    Shape::Map {
        key: KeyShape::Column,
        of: &CHAIN,
    },
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_has_one_default() {
        let decimal = reproof_record::DecimalType::new(10, 2).unwrap();
        assert_eq!(
            default_chain(Needs::Scaled, LogicalType::Decimal(decimal)),
            default_chain(Needs::Scaled, LogicalType::Float)
        );
        for logical_type in LogicalType::SIMPLE {
            let rows = DEFAULTS
                .iter()
                .filter(|(types, ..)| types.contains(&logical_type));
            assert_eq!(rows.count(), 1, "{logical_type}");
        }
    }
}
