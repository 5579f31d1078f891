//! Labels: which two classes a binary one has, which of them is positive, and the numbers of a
//! regression.

use std::collections::BTreeSet;
use std::fmt;

use reproof_record::MAX_SAFE_INTEGER;
use reproof_table::{Codes, ColumnData};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::LearnError;

/// How many classes an error lists.
const LISTED: usize = 5;

/// The most classes of a label.
const MAX_CLASSES: usize = 1000;

/// Pairs of texts of which the second is the positive class, in lower case.
const PLAIN_PAIRS: [(&str, &str); 5] = [
    ("no", "yes"),
    ("n", "y"),
    ("false", "true"),
    ("negative", "positive"),
    ("0", "1"),
];

/// The parameter `label` of a binary classification, as the recipe holds it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LabelParameters {
    /// The column.
    pub column: String,
    /// The positive class, as a text, a number or a boolean; null where it is plain.
    #[serde(default)]
    pub positive: Option<Value>,
}

/// A class of a binary label, of the type of its column.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ClassValue {
    /// Of a boolean column.
    Boolean(bool),
    /// Of an integer column.
    Integer(i64),
    /// Of a string column.
    Text(String),
}

impl ClassValue {
    /// As an error shows it, and as YAML writes it: texts in quotes.
    fn shown(&self) -> String {
        match self {
            Self::Text(text) => quoted(text),
            other => other.to_string(),
        }
    }

    /// Whether a JSON value of a pipeline file names this class: by its text, so that `1` and
    /// `"1"` name the same one.
    fn is_named(&self, value: &Value) -> bool {
        match value {
            Value::String(text) => *text == self.to_string(),
            Value::Bool(boolean) => boolean.to_string() == self.to_string(),
            Value::Number(number) => {
                let integer = number.as_i64().or_else(|| whole(number.as_f64()?));
                integer.is_some_and(|integer| integer.to_string() == self.to_string())
            }
            _ => false,
        }
    }
}

impl fmt::Display for ClassValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Boolean(boolean) => boolean.fmt(f),
            Self::Integer(integer) => integer.fmt(f),
            Self::Text(text) => f.write_str(text),
        }
    }
}

fn whole(number: f64) -> Option<i64> {
    (number.trunc() == number && number.abs() <= MAX_SAFE_INTEGER as f64).then_some(number as i64)
}

/// A binary label: its column and its two classes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BinaryLabel {
    /// The column.
    pub column: String,
    /// The class that is not positive.
    pub negative: ClassValue,
    /// The class whose probability the model gives.
    pub positive: ClassValue,
}

impl BinaryLabel {
    /// Finds the two classes of a training part, and which of them is positive.
    ///
    /// Without `positive` that must be plain: `true` of a boolean column, 1 of {0, 1}, and the
    /// affirmative of a pair like {"No", "Yes"} or {"false", "true"}, in any case.
    pub fn resolve(data: &ColumnData, parameters: &LabelParameters) -> Result<Self, LearnError> {
        let column = &parameters.column;
        let (one, other) = two_classes(column, data)?;
        for class in [&one, &other] {
            refuse_unwritable(column, class)?;
        }
        let other_is_positive = match &parameters.positive {
            Some(value) if one.is_named(value) => false,
            Some(value) if other.is_named(value) => true,
            Some(value) => {
                return Err(LearnError::UnknownPositive {
                    column: column.clone(),
                    positive: value.to_string(),
                    classes: list([&one, &other]),
                    example: example(column, &other),
                });
            }
            None => plain(&one, &other).ok_or_else(|| LearnError::PositiveNotPlain {
                column: column.clone(),
                classes: list([&one, &other]),
                example: example(column, &other),
            })?,
        };
        let (negative, positive) = if other_is_positive {
            (one, other)
        } else {
            (other, one)
        };
        Ok(Self {
            column: column.clone(),
            negative,
            positive,
        })
    }

    /// For each row whether its label is the positive class.
    pub fn positives(&self, data: &ColumnData) -> Result<Vec<bool>, LearnError> {
        let found = Classes::of(&self.column, data)?;
        found.rows(|class, row| {
            if *class == self.positive {
                Ok(true)
            } else if *class == self.negative {
                Ok(false)
            } else {
                Err(LearnError::UnknownClass {
                    column: self.column.clone(),
                    class: class.shown(),
                    row,
                    classes: list([&self.negative, &self.positive]),
                })
            }
        })
    }
}

/// A label of several classes: its column and its classes in their order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClassLabel {
    /// The column.
    pub column: String,
    /// The classes, sorted, each once.
    pub classes: Vec<ClassValue>,
}

impl ClassLabel {
    /// Finds the classes of a training part; there must be two or more, and at most 1,000.
    ///
    /// # Errors
    /// If labels are missing or of type float, or there are too few or too many classes.
    pub fn resolve(column: &str, data: &ColumnData) -> Result<Self, LearnError> {
        let classes = Classes::of(column, data)?.sorted();
        let count = classes.len();
        match classes.as_slice() {
            [] => return Err(LearnError::NoRows),
            [class] => {
                return Err(LearnError::OneClass {
                    column: column.to_owned(),
                    class: class.shown(),
                });
            }
            _ if count > MAX_CLASSES => {
                return Err(LearnError::MoreClassesThan {
                    column: column.to_owned(),
                    count,
                    limit: MAX_CLASSES,
                });
            }
            _ => {}
        }
        classes
            .iter()
            .try_for_each(|class| refuse_unwritable(column, class))?;
        Ok(Self {
            column: column.to_owned(),
            classes,
        })
    }

    /// For each row which of the classes its label is.
    ///
    /// # Errors
    /// If a label is missing or none of the classes.
    pub fn indices(&self, data: &ColumnData) -> Result<Vec<usize>, LearnError> {
        let found = Classes::of(&self.column, data)?;
        found.rows(|class, row| {
            let known = self.classes.iter().position(|known| known == class);
            known.ok_or_else(|| LearnError::UnknownClass {
                column: self.column.clone(),
                class: class.shown(),
                row,
                classes: if self.classes.len() > LISTED {
                    format!("{}, ...", list(self.classes.iter().take(LISTED)))
                } else {
                    list(&self.classes)
                },
            })
        })
    }
}

/// Refuses an integer that canonical JSON would round.
fn refuse_unwritable(column: &str, class: &ClassValue) -> Result<(), LearnError> {
    match class {
        ClassValue::Integer(integer) if integer.unsigned_abs() > MAX_SAFE_INTEGER => {
            Err(LearnError::Unwritable {
                what: format!("a class of label '{column}'"),
                value: integer.to_string(),
            })
        }
        _ => Ok(()),
    }
}

/// Whether the second class is plainly the positive one; nothing if neither is.
fn plain(one: &ClassValue, other: &ClassValue) -> Option<bool> {
    match (one, other) {
        (ClassValue::Boolean(_), ClassValue::Boolean(other)) => Some(*other),
        (ClassValue::Integer(0), ClassValue::Integer(1)) => Some(true),
        (ClassValue::Text(one), ClassValue::Text(other)) => {
            let (one, other) = (one.to_ascii_lowercase(), other.to_ascii_lowercase());
            PLAIN_PAIRS.iter().find_map(|&(negative, positive)| {
                if (one.as_str(), other.as_str()) == (negative, positive) {
                    Some(true)
                } else if (other.as_str(), one.as_str()) == (negative, positive) {
                    Some(false)
                } else {
                    None
                }
            })
        }
        _ => None,
    }
}

/// The classes of a training part in their order; there must be two.
fn two_classes(column: &str, data: &ColumnData) -> Result<(ClassValue, ClassValue), LearnError> {
    let distinct = Classes::of(column, data)?.sorted();
    let count = distinct.len();
    let examples = list(distinct.iter().take(LISTED));
    let mut distinct = distinct.into_iter();
    match (distinct.next(), distinct.next(), distinct.next()) {
        (None, ..) => Err(LearnError::NoRows),
        (Some(class), None, _) => Err(LearnError::OneClass {
            column: column.to_owned(),
            class: class.shown(),
        }),
        (Some(one), Some(other), None) => Ok((one, other)),
        _ => Err(LearnError::TooManyClasses {
            column: column.to_owned(),
            count,
            examples: if count > LISTED {
                format!("{examples}, ...")
            } else {
                examples
            },
        }),
    }
}

/// The classes of a column.
struct Classes {
    /// The distinct ones, in the order in which they first appear, each with the row of that.
    distinct: Vec<(ClassValue, usize)>,
    /// Which of them each row is of.
    codes: Vec<u32>,
}

impl Classes {
    /// Finds them; none may be missing.
    fn of(column: &str, data: &ColumnData) -> Result<Self, LearnError> {
        let class = |row: usize| match data {
            ColumnData::Boolean(values) => (*values.get(row)?).map(ClassValue::Boolean),
            ColumnData::Integer(values) => (*values.get(row)?).map(ClassValue::Integer),
            ColumnData::String(values) => Some(ClassValue::Text(values.get(row)?.to_owned())),
            _ => None,
        };
        if matches!(
            data,
            ColumnData::Float(_) | ColumnData::Decimal(..) | ColumnData::Time(..)
        ) {
            return Err(LearnError::LabelType {
                column: column.to_owned(),
                found: data.logical_type().name(),
                wanted: "a binary label is of type boolean, integer or string",
            });
        }
        refuse_missing(column, (0..data.len()).map(|row| data.is_missing(row)))?;
        let limit = u32::MAX as usize;
        let codes = Codes::of(data, limit).ok_or_else(|| LearnError::MoreClassesThan {
            column: column.to_owned(),
            count: limit,
            limit: MAX_CLASSES,
        })?;
        let firsts = codes.firsts.into_iter();
        Ok(Self {
            distinct: firsts.filter_map(|row| Some((class(row)?, row))).collect(),
            codes: codes.rows,
        })
    }

    /// The distinct ones, in their order.
    fn sorted(self) -> Vec<ClassValue> {
        let classes: BTreeSet<_> = self.distinct.into_iter().map(|(class, _)| class).collect();
        classes.into_iter().collect()
    }

    /// For each row what its class is; asked once of each class, with its first row counted from 1.
    fn rows<T: Copy>(
        &self,
        of: impl Fn(&ClassValue, usize) -> Result<T, LearnError>,
    ) -> Result<Vec<T>, LearnError> {
        let distinct = self.distinct.iter();
        let known: Vec<T> = distinct
            .map(|(class, row)| of(class, row + 1))
            .collect::<Result<_, _>>()?;
        Ok(self
            .codes
            .iter()
            .map(|&code| known[code as usize])
            .collect())
    }
}

/// The labels of a regression; all must be finite numbers.
pub(crate) fn numbers(column: &str, data: &ColumnData) -> Result<Vec<f64>, LearnError> {
    let values = data.doubles().ok_or_else(|| LearnError::LabelType {
        column: column.to_owned(),
        found: data.logical_type().name(),
        wanted: "the label of a regression is a number",
    })?;
    refuse_missing(column, values.iter().map(|value| value.is_nan()))?;
    match values.iter().position(|value| value.is_infinite()) {
        Some(row) => Err(LearnError::InfiniteLabel {
            column: column.to_owned(),
            row: row + 1,
        }),
        None => Ok(values),
    }
}

fn refuse_missing(
    column: &str,
    missing: impl ExactSizeIterator<Item = bool> + Clone,
) -> Result<(), LearnError> {
    let rows = missing.len();
    let count = missing.clone().filter(|&missing| missing).count();
    match missing.into_iter().position(|missing| missing) {
        None => Ok(()),
        Some(first) => Err(LearnError::MissingLabels {
            column: column.to_owned(),
            count,
            rows,
            first: first + 1,
        }),
    }
}

/// A text in the double quotes that JSON and YAML share.
fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

/// How a pipeline file says that this class is the positive one.
fn example(column: &str, class: &ClassValue) -> String {
    let plain = column.starts_with(|first: char| first.is_ascii_alphabetic())
        && column
            .chars()
            .all(|character| character.is_ascii_alphanumeric() || character == '_');
    let column = if plain {
        column.to_owned()
    } else {
        quoted(column)
    };
    format!("label: {{column: {column}, positive: {}}}", class.shown())
}

fn list<'a>(classes: impl IntoIterator<Item = &'a ClassValue>) -> String {
    let shown: Vec<String> = classes.into_iter().map(ClassValue::shown).collect();
    shown.join(", ")
}

#[cfg(test)]
mod tests {
    use reproof_record::DecimalType;

    use serde_json::json;

    use super::*;
    use crate::tests::strings;

    fn parameters(positive: &Value) -> LabelParameters {
        serde_json::from_value(json!({"column": "ill", "positive": positive})).unwrap()
    }

    #[allow(clippy::needless_pass_by_value)]
    fn check(data: &ColumnData, positive: Value, expect: Result<Value, &str>) {
        let found = BinaryLabel::resolve(data, &parameters(&positive))
            .map(|label| serde_json::to_value([label.negative, label.positive]).unwrap());
        match (found, expect) {
            (Ok(found), Ok(expect)) => assert_eq!(found, expect),
            (Err(found), Err(expect)) => assert_eq!(found.to_string(), expect),
            (found, expect) => panic!("{found:?} where {expect:?} is expected"),
        }
    }

    #[test]
    fn a_plain_positive_class_need_not_be_given() {
        let text = |a, b| strings(&[Some(a), Some(b), Some(a)]);
        check(&text("No", "Yes"), json!(null), Ok(json!(["No", "Yes"])));
        check(&text("yes", "no"), json!(null), Ok(json!(["no", "yes"])));
        check(
            &text("TRUE", "FALSE"),
            json!(null),
            Ok(json!(["FALSE", "TRUE"])),
        );
        check(&text("1", "0"), json!(null), Ok(json!(["0", "1"])));
        let integers = |a, b| ColumnData::Integer(vec![Some(a), Some(b)]);
        check(&integers(1, 0), json!(null), Ok(json!([0, 1])));
        let booleans = ColumnData::Boolean(vec![Some(true), Some(false)]);
        check(&booleans, json!(null), Ok(json!([false, true])));
        check(
            &integers(1, 2),
            json!(null),
            Err(
                "label 'ill' has the classes 1, 2 and it is not plain which is positive: \
                 write `label: {column: ill, positive: 2}`",
            ),
        );
        check(
            &text("dead", "alive"),
            json!(null),
            Err(
                "label 'ill' has the classes \"alive\", \"dead\" and it is not plain which is \
                 positive: write `label: {column: ill, positive: \"dead\"}`",
            ),
        );
    }

    #[test]
    fn a_given_positive_class_is_found_by_its_text() {
        let integers = ColumnData::Integer(vec![Some(1), Some(2)]);
        for one in [json!(1), json!(1.0), json!("1")] {
            check(&integers, one, Ok(json!([2, 1])));
        }
        let booleans = ColumnData::Boolean(vec![Some(true), Some(false)]);
        check(&booleans, json!(false), Ok(json!([true, false])));
        let texts = strings(&[Some("No"), Some("Yes")]);
        check(&texts, json!("No"), Ok(json!(["Yes", "No"])));
        check(
            &texts,
            json!("yes"),
            Err(
                "label 'ill' has no class \"yes\": the classes are \"No\", \"Yes\", so write \
                 `label: {column: ill, positive: \"Yes\"}`",
            ),
        );
        for bad in [json!(1.5), json!([1]), json!(true)] {
            assert!(BinaryLabel::resolve(&integers, &parameters(&bad)).is_err());
        }
    }

    #[test]
    fn labels_that_are_not_binary_are_refused() {
        check(
            &strings(&[Some("a"), None, Some("b"), None]),
            json!(null),
            Err(
                "label 'ill' is missing in 2 of 4 rows, first in row 2: leave these rows out of \
                 the data",
            ),
        );
        check(
            &strings(&[Some("a"), Some("a")]),
            json!(null),
            Err("label 'ill' is \"a\" in every row of the training part: two classes are needed"),
        );
        check(
            &ColumnData::Integer((0..7).map(Some).collect()),
            json!(null),
            Err("label 'ill' has 7 classes (0, 1, 2, 3, 4, ...): this trainer takes exactly two"),
        );
        check(
            &ColumnData::Integer(vec![]),
            json!(null),
            Err("there are no rows to train on"),
        );
        check(
            &ColumnData::Float(vec![0.0, 1.0]),
            json!(null),
            Err(
                "label 'ill' is a column of type float: a binary label is of type boolean, \
                 integer or string",
            ),
        );
        let huge = ColumnData::Integer(vec![Some(0), Some(1 << 53)]);
        let error = BinaryLabel::resolve(&huge, &parameters(&json!(0))).unwrap_err();
        assert!(matches!(error, LearnError::Unwritable { .. }));
    }

    #[test]
    fn an_example_is_sound_yaml() {
        let class = ClassValue::Text("a \"b\"".to_owned());
        assert_eq!(
            example("is it, now?", &class),
            r#"label: {column: "is it, now?", positive: "a \"b\""}"#
        );
    }

    #[test]
    fn rows_are_positive_or_negative_or_an_error() {
        let label = BinaryLabel {
            column: "ill".to_owned(),
            negative: ClassValue::Integer(1),
            positive: ClassValue::Integer(2),
        };
        let column =
            |values: &[i64]| ColumnData::Integer(values.iter().copied().map(Some).collect());
        assert_eq!(label.positives(&column(&[1, 2])).unwrap(), [false, true]);
        assert_eq!(
            label
                .positives(&column(&[1, 2, 3]))
                .unwrap_err()
                .to_string(),
            "label 'ill' is 3 in row 3, but the model knows only the classes 1, 2"
        );
    }

    #[test]
    fn the_labels_of_a_regression_are_finite_numbers() {
        let integers = ColumnData::Integer(vec![Some(3), Some(-1)]);
        assert_eq!(numbers("y", &integers).unwrap(), [3.0, -1.0]);
        let price = DecimalType::new(4, 2).unwrap();
        let decimals = ColumnData::Decimal(price, vec![Some(10), Some(-1250)]);
        assert_eq!(numbers("y", &decimals).unwrap(), [0.1, -12.5]);
        let error = ClassLabel::resolve("y", &decimals).unwrap_err();
        assert!(matches!(
            error,
            LearnError::LabelType {
                found: "decimal",
                ..
            }
        ));
        let error = numbers("y", &ColumnData::Integer(vec![Some(3), None])).unwrap_err();
        assert!(matches!(
            error,
            LearnError::MissingLabels {
                count: 1,
                first: 2,
                ..
            }
        ));
        let error = numbers("y", &ColumnData::Float(vec![f64::NEG_INFINITY])).unwrap_err();
        assert!(matches!(error, LearnError::InfiniteLabel { row: 1, .. }));
        assert!(matches!(
            numbers("y", &strings(&[Some("1")])).unwrap_err(),
            LearnError::LabelType { .. }
        ));
    }
}
