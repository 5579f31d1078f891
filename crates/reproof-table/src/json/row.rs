//! One line: an object of plain values.

use std::borrow::Cow;
use std::fmt;

use reproof_record::LogicalType;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::Stop;
use crate::csv::{Pin, misfit, shown};
use crate::{CsvProblem, JsonProblem};

/// The value of a name.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Item<'a> {
    /// `null`.
    Missing,
    /// A number or a boolean, as it is written.
    Bare(&'a [u8]),
    /// A text.
    Text(Cow<'a, str>),
}

impl Item<'_> {
    /// Why it does not fit the type that its column must have.
    pub fn misfit(&self, column: &str, pin: Pin) -> JsonProblem {
        let text = match self {
            Self::Missing => return JsonProblem::Changed,
            Self::Bare(bytes) => return misfit(column, pin, bytes).into(),
            Self::Text(text) => text,
        };
        let is_plain = matches!(
            pin.logical_type,
            LogicalType::Boolean | LogicalType::Integer | LogicalType::Float
        );
        if !is_plain {
            return misfit(column, pin, text.as_bytes()).into();
        }
        let (column, value) = (column.to_owned(), shown(text.as_bytes()));
        let found = LogicalType::String;
        let problem = if pin.declared {
            let declared = pin.logical_type;
            CsvProblem::Declared {
                column,
                value,
                declared,
                found,
            }
        } else {
            let pinned = pin.logical_type;
            CsvProblem::Pinned {
                column,
                value,
                pinned,
                found,
            }
        };
        problem.into()
    }
}

/// A row: names and values in the order of the line.
#[derive(Debug)]
pub(super) struct Row<'a>(Vec<(Cow<'a, str>, Item<'a>)>);

impl<'a> Row<'a> {
    /// Parses a line.
    pub fn parse(line: &'a [u8]) -> Result<Self, Stop> {
        match line.first() {
            Some(b'{') => {}
            Some(b'[') => return Err(JsonProblem::Array.into()),
            _ => return Err(JsonProblem::NoObject(shown(line)).into()),
        }
        let object: Object<'a> = serde_json::from_slice(line).map_err(|error| {
            // The line is counted by the caller.
            let text = error.to_string();
            let reason = text.split(" at line ").next().unwrap_or(&text);
            Stop::Json(JsonProblem::Syntax {
                column: error.column(),
                reason: reason.to_owned(),
            })
        })?;
        let mut items = Vec::with_capacity(object.0.len());
        for (name, value) in object.0 {
            let raw = value.get();
            let item = match raw.as_bytes().first() {
                Some(b'"') => Item::Text(text(raw)?),
                Some(b'n') => Item::Missing,
                Some(b'{') => return Err(nested(&name, "an object")),
                Some(b'[') => return Err(nested(&name, "a list")),
                _ => Item::Bare(raw.as_bytes()),
            };
            items.push((name, item));
        }
        Ok(Self(items))
    }

    /// All names with their values.
    pub fn items(&self) -> impl Iterator<Item = (&str, &Item<'a>)> {
        self.0.iter().map(|(name, item)| (name.as_ref(), item))
    }

    /// The value at this place of the line.
    pub fn item(&self, index: usize) -> &Item<'a> {
        &self.0[index].1
    }
}

fn nested(name: &str, what: &'static str) -> Stop {
    let column = name.to_owned();
    JsonProblem::Nested { column, what }.into()
}

/// The text that a JSON string stands for.
fn text(raw: &str) -> Result<Cow<'_, str>, Stop> {
    let inside = raw.get(1..raw.len().saturating_sub(1)).unwrap_or_default();
    if !inside.contains('\\') {
        return Ok(Cow::Borrowed(inside));
    }
    let read: Result<String, _> = serde_json::from_str(raw);
    read.map(Cow::Owned).map_err(|error| {
        let reason = error.to_string();
        JsonProblem::Syntax { column: 1, reason }.into()
    })
}

/// An object whose values are not looked at.
struct Object<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de> Deserialize<'de> for Object<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Pairs)
    }
}

struct Pairs;

impl<'de> Visitor<'de> for Pairs {
    type Value = Object<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut pairs = Vec::new();
        while let Some((Name(name), value)) = map.next_entry::<Name<'de>, &'de RawValue>()? {
            pairs.push((name, value));
        }
        Ok(Object(pairs))
    }
}

/// A name, borrowed where it has no escapes.
struct Name<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for Name<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Text)
    }
}

struct Text;

impl<'de> Visitor<'de> for Text {
    type Value = Name<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Name(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Name(Cow::Owned(text.to_owned())))
    }
}
