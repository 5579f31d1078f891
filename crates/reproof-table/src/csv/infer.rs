//! The type of a column, decided over all of its values.

use reproof_record::LogicalType;

use super::number::Number;
use crate::CsvProblem;
use crate::time::{self, TimeType};

/// How many characters of a value an error shows.
const SHOWN: usize = 80;

/// A boolean: `true` or `false` in lower case, upper case or capitalised.
#[inline]
pub(super) fn boolean(field: &[u8]) -> Option<bool> {
    match field {
        b"true" | b"True" | b"TRUE" => Some(true),
        b"false" | b"False" | b"FALSE" => Some(false),
        _ => None,
    }
}

/// A field as an error shows it.
pub(crate) fn shown(field: &[u8]) -> String {
    let text = String::from_utf8_lossy(field);
    let mut cut: String = text.chars().take(SHOWN).collect();
    if cut.len() < text.len() {
        cut.push('…');
    }
    cut
}

/// The type of one value alone; that of an integer beyond 64 bits is integer.
pub(super) fn type_of(field: &[u8]) -> LogicalType {
    match Number::scan(field) {
        Some(number) if number.is_integer() => LogicalType::Integer,
        Some(_) => LogicalType::Float,
        None if boolean(field).is_some() => LogicalType::Boolean,
        None => time::parse(field).map_or(LogicalType::String, |(time, _)| time.logical_type()),
    }
}

/// Where a row begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Place {
    /// Which file of the source, counted from 0.
    pub file: usize,
    /// The line, counted from 1.
    pub line: u64,
}

/// A value, and where its row begins.
#[derive(Clone, Debug)]
struct Occurrence {
    place: Place,
    value: String,
}

/// What was seen of a column's values.
#[derive(Clone, Debug, Default)]
pub(crate) struct Evidence {
    /// Whether the column holds texts, whatever follows.
    text: bool,
    boolean: bool,
    integer: bool,
    float: bool,
    time: Option<TimeType>,
    /// The first integer that does not fit 64 bits.
    too_large: Option<Occurrence>,
    /// The first integer that a double would round.
    inexact: Option<Occurrence>,
    /// The first float beyond the largest double.
    overflow: Option<Occurrence>,
}

impl Evidence {
    /// Takes a value that is not missing into account.
    #[inline]
    pub fn observe(&mut self, field: &[u8], place: Place) {
        if self.text {
            return;
        }
        match Number::scan(field) {
            Some(number) if number.is_integer() => {
                self.integer = true;
                if number.integer().is_none() {
                    note(&mut self.too_large, field, place);
                }
                if !number.is_exact() {
                    note(&mut self.inexact, field, place);
                }
            }
            Some(number) => {
                self.float = true;
                if number.overflows() {
                    note(&mut self.overflow, field, place);
                }
            }
            None if boolean(field).is_some() => self.boolean = true,
            None => match time::parse(field) {
                Some((time, _)) if self.time.is_none_or(|before| before == time) => {
                    self.time = Some(time);
                }
                // A text, or another type of days and moments.
                _ => self.text = true,
            },
        }
        let kinds = [
            self.boolean,
            self.integer || self.float,
            self.time.is_some(),
        ];
        self.text |= kinds.into_iter().filter(|&kind| kind).count() > 1;
    }

    /// Takes an integer of 64 bits into account.
    pub fn observe_integer(&mut self, value: i64, place: Place) {
        self.integer = true;
        if value as f64 as i128 != i128::from(value) {
            note(&mut self.inexact, value.to_string().as_bytes(), place);
        }
    }

    /// Takes into account that the column holds a double.
    pub fn observe_float(&mut self) {
        self.float = true;
    }

    /// Takes into account that the column holds texts.
    pub fn observe_text(&mut self) {
        self.text = true;
    }

    /// The type of the column: that of its values, float for integers and floats, string for any
    /// other mixture and for a column without values.
    pub fn decide(&self, column: &str) -> Result<LogicalType, (Place, CsvProblem)> {
        let fail = |found: &Occurrence, problem: fn(String, String) -> CsvProblem| {
            Err((found.place, problem(column.to_owned(), found.value.clone())))
        };
        if self.text {
            return Ok(LogicalType::String);
        }
        if self.float {
            return match (&self.overflow, &self.inexact) {
                (Some(found), _) => fail(found, |column, value| CsvProblem::FloatTooLarge {
                    column,
                    value,
                }),
                (None, Some(found)) => fail(found, |column, value| CsvProblem::InexactInteger {
                    column,
                    value,
                }),
                (None, None) => Ok(LogicalType::Float),
            };
        }
        match &self.too_large {
            Some(found) => fail(found, |column, value| CsvProblem::IntegerTooLarge {
                column,
                value,
            }),
            None if self.integer => Ok(LogicalType::Integer),
            None if self.boolean => Ok(LogicalType::Boolean),
            None => Ok(self
                .time
                .map_or(LogicalType::String, TimeType::logical_type)),
        }
    }
}

#[cold]
fn note(noted: &mut Option<Occurrence>, field: &[u8], place: Place) {
    noted.get_or_insert_with(|| Occurrence {
        place,
        value: shown(field),
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decide(values: &[&str]) -> Result<LogicalType, (Place, CsvProblem)> {
        let mut evidence = Evidence::default();
        for (value, line) in values.iter().zip(2..) {
            evidence.observe(value.as_bytes(), Place { file: 0, line });
        }
        evidence.decide("a")
    }

    #[test]
    fn all_values_decide() {
        for (values, expect) in [
            (&[][..], LogicalType::String),
            (&["1", "-2", "0"], LogicalType::Integer),
            (&["1", "2.5"], LogicalType::Float),
            (&["1e3"], LogicalType::Float),
            (&["true", "False", "TRUE"], LogicalType::Boolean),
            (&["true", "yes"], LogicalType::String),
            (&["true", "1"], LogicalType::String),
            (&["1.5", "false"], LogicalType::String),
            (&["tRue"], LogicalType::String),
            (&["1", "007"], LogicalType::String),
            (&["+1"], LogicalType::String),
            (&["1.5", "inf"], LogicalType::String),
            (&["99999999999999999999", "x"], LogicalType::String),
            (&["99999999999999999999", "true"], LogicalType::String),
            (&["18446744073709551616", "0.5"], LogicalType::Float),
            (&["1e999", "x"], LogicalType::String),
            (&["2024-02-29", "1999-12-31"], LogicalType::Date),
            (&["2024-02-29", "2023-02-29"], LogicalType::String),
            (&["2024-02-29", "7"], LogicalType::String),
            (&["true", "2024-02-29"], LogicalType::String),
            (
                &["2024-02-29 10:00:00", "2024-02-29T10:00:00.5"],
                LogicalType::TimestampNaive,
            ),
            (
                &["2024-02-29 10:00:00Z", "2024-02-29T10:00:00.5+02:00"],
                LogicalType::TimestampUtc,
            ),
            (&["2024-02-29", "2024-02-29T10:00:00"], LogicalType::String),
            (
                &["2024-02-29T10:00:00Z", "2024-02-29T10:00:00"],
                LogicalType::String,
            ),
            (&["2024-02-29T10:00:00.1234567"], LogicalType::String),
        ] {
            assert_eq!(decide(values), Ok(expect), "{values:?}");
            let reversed: Vec<_> = values.iter().rev().copied().collect();
            assert_eq!(decide(&reversed), Ok(expect), "{values:?}");
        }
    }

    #[test]
    fn numbers_that_would_change_are_named() {
        let problem = |values: &[&str]| {
            let (place, problem) = decide(values).unwrap_err();
            format!("{}: {problem}", place.line)
        };
        assert!(
            problem(&["1", "9223372036854775808", "99999999999999999999"])
                .starts_with("3: column 'a' holds integers, and 9223372036854775808 does not fit")
        );
        assert!(
            problem(&["9007199254740993", "0.5"]).starts_with(
                "2: column 'a' holds floats, and a double cannot hold the integer 9007"
            )
        );
        assert!(
            problem(&["9007199254740993", "0.5", "-1e400"])
                .starts_with("4: column 'a' holds floats, and -1e400 lies beyond")
        );
    }
}
