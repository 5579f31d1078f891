//! Doubles in the stored state, which come back bit for bit.

use std::fmt;

use reproof_record::{MAX_SAFE_INTEGER, canonical_number};
use serde::de::{self, Visitor};
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A finite double. Canonical JSON has no number for a whole one beyond 2^53 - 1 that is written
/// without an exponent; such a one is stored as a string of the same digits.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Exact(pub f64);

/// Whether canonical JSON refuses the number.
fn needs_string(value: f64) -> bool {
    // From 10^21 on there is an exponent.
    value.abs() > MAX_SAFE_INTEGER as f64 && value.abs() < 1e21
}

impl Serialize for Exact {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let text = canonical_number(self.0).map_err(S::Error::custom)?;
        if needs_string(self.0) {
            serializer.serialize_str(&text)
        } else {
            serializer.serialize_f64(self.0)
        }
    }
}

impl<'de> Deserialize<'de> for Exact {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ExactVisitor)
    }
}

struct ExactVisitor;

impl Visitor<'_> for ExactVisitor {
    type Value = Exact;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number, or a string of one beyond 2^53 - 1")
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Exact, E> {
        if value.is_finite() && !needs_string(value) {
            Ok(Exact(value))
        } else {
            Err(E::invalid_value(de::Unexpected::Float(value), &self))
        }
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Exact, E> {
        self.visit_f64(value as f64)
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Exact, E> {
        self.visit_f64(value as f64)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Exact, E> {
        let value = text.parse().ok().filter(|&value| needs_string(value));
        match value {
            Some(value) if canonical_number(value).is_ok_and(|canonical| canonical == text) => {
                Ok(Exact(value))
            }
            _ => Err(E::invalid_value(de::Unexpected::Str(text), &self)),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use reproof_record::to_canonical;

    use super::*;

    fn round_trip(value: f64) {
        let bytes = to_canonical(&Exact(value)).unwrap();
        let Exact(back) = serde_json::from_slice(&bytes).unwrap();
        assert_eq!(back, value);
        assert_eq!(back.to_bits(), (value + 0.0).to_bits());
    }

    #[test]
    fn every_size_comes_back() {
        for value in [
            0.0,
            1.0,
            -3.0,
            0.1,
            5e-324,
            f64::MAX,
            9_007_199_254_740_991.0,
            9_007_199_254_740_992.0,
            -1.234_567_890_123_456_7e17,
            1e21,
            999_999_999_999_999_900_000.0,
        ] {
            round_trip(value);
        }
        assert!(to_canonical(&Exact(f64::NAN)).is_err());
    }

    #[test]
    fn each_number_has_one_form() {
        for text in [
            "\"1\"",
            "\"x\"",
            "\"12345678901234567800.0\"",
            "12345678901234567",
            "null",
        ] {
            assert!(serde_json::from_str::<Exact>(text).is_err(), "{text}");
        }
        assert!(serde_json::from_str::<Exact>("\"123456789012345680\"").is_ok());
    }

    proptest! {
        #[test]
        fn any_double_comes_back(value in any::<f64>()) {
            prop_assume!(value.is_finite());
            round_trip(value + 0.0);
        }
    }
}
