//! Canonical JSON: RFC 8785 (JSON Canonicalization Scheme), narrowed where a value would not come
//! back as it went in.
//!
//! RFC 8785 writes every number as ECMAScript does, from a double. An integer beyond 2^53 - 1
//! would be rounded in silence, so it is refused here; whoever needs one writes a string. Keys are
//! sorted by their UTF-16 code units, as the RFC says.

use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use thiserror::Error;

/// The largest integer that a double and its neighbours tell apart: 2^53 - 1.
pub const MAX_SAFE_INTEGER: u64 = (1 << 53) - 1;

/// How deep a document may be nested.
const MAX_DEPTH: usize = 100;

/// A value that has no canonical form, or bytes that are not in it.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CanonicalError {
    /// An integer that RFC 8785 would round.
    #[error("the integer {0} lies beyond 2^53 - 1 and would be rounded: write it as a string")]
    UnsafeInteger(String),
    /// NaN or an infinity.
    #[error("a number that is not finite cannot be written in JSON")]
    NotFinite,
    /// Nested deeper than the limit.
    #[error("nested deeper than {MAX_DEPTH} levels")]
    TooDeep,
    /// Valid JSON for the type, but not its canonical form.
    #[error("the bytes are not the canonical form of the document they hold")]
    NotCanonical,
    /// Not JSON, or not of the type that is wanted.
    #[error(transparent)]
    Json(#[from] serde_json::Error),
}

/// The canonical bytes of a value.
pub fn canonical_json(value: &Value) -> Result<Vec<u8>, CanonicalError> {
    let mut out = String::new();
    write_value(&mut out, value, 0)?;
    Ok(out.into_bytes())
}

/// The canonical bytes of anything that serialises to JSON.
///
/// A number that is not finite is an error here, never the `null` that serde would write.
pub fn to_canonical<T: Serialize>(value: &T) -> Result<Vec<u8>, CanonicalError> {
    canonical_json(&serde_json::to_value(value)?)
}

/// Reads a document from bytes that must be exactly its canonical form.
pub fn from_canonical<T: DeserializeOwned + Serialize>(bytes: &[u8]) -> Result<T, CanonicalError> {
    let value: T = serde_json::from_slice(bytes)?;
    if to_canonical(&value)? == bytes {
        Ok(value)
    } else {
        Err(CanonicalError::NotCanonical)
    }
}

/// A finite double as ECMAScript's `Number::toString` writes it (RFC 8785, section 3.2.2.3).
pub fn canonical_number(number: f64) -> Result<String, CanonicalError> {
    if !number.is_finite() {
        return Err(CanonicalError::NotFinite);
    }
    Ok(ryu_js::Buffer::new().format_finite(number).to_owned())
}

fn write_value(out: &mut String, value: &Value, depth: usize) -> Result<(), CanonicalError> {
    if depth > MAX_DEPTH {
        return Err(CanonicalError::TooDeep);
    }
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(true) => out.push_str("true"),
        Value::Bool(false) => out.push_str("false"),
        Value::Number(number) => write_number(out, number)?,
        Value::String(text) => write_string(out, text),
        Value::Array(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                write_value(out, item, depth + 1)?;
            }
            out.push(']');
        }
        Value::Object(map) => {
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_by(|(a, _), (b, _)| a.encode_utf16().cmp(b.encode_utf16()));
            out.push('{');
            for (index, (key, item)) in entries.into_iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                write_string(out, key);
                out.push(':');
                write_value(out, item, depth + 1)?;
            }
            out.push('}');
        }
    }
    Ok(())
}

fn write_number(out: &mut String, number: &serde_json::Number) -> Result<(), CanonicalError> {
    if let Some(integer) = number.as_i64() {
        if integer.unsigned_abs() > MAX_SAFE_INTEGER {
            return Err(CanonicalError::UnsafeInteger(number.to_string()));
        }
        out.push_str(&integer.to_string());
        return Ok(());
    }
    let float = match number.as_f64() {
        Some(float) if !number.is_u64() => float,
        _ => return Err(CanonicalError::UnsafeInteger(number.to_string())),
    };
    let text = canonical_number(float)?;
    // Written without a point or exponent it would be read back as an integer.
    if float.abs() > MAX_SAFE_INTEGER as f64 && !text.contains('e') {
        return Err(CanonicalError::UnsafeInteger(text));
    }
    out.push_str(&text);
    Ok(())
}

/// Writes a text as RFC 8785 does (section 3.2.2.2).
pub(crate) fn write_string(out: &mut String, text: &str) {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{8}' => out.push_str("\\b"),
            '\t' => out.push_str("\\t"),
            '\n' => out.push_str("\\n"),
            '\u{c}' => out.push_str("\\f"),
            '\r' => out.push_str("\\r"),
            control if control < ' ' => {
                out.push_str("\\u00");
                for nibble in [control as u8 >> 4, control as u8 & 15] {
                    out.push(char::from(b"0123456789abcdef"[usize::from(nibble)]));
                }
            }
            other => out.push(other),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn check(input: &str, expect: &str) {
        let value: Value = serde_json::from_str(input).unwrap();
        assert_eq!(
            String::from_utf8(canonical_json(&value).unwrap()).unwrap(),
            expect
        );
    }

    /// RFC 8785, section 3.2.2 and its serialised form in section 3.2.4.
    #[test]
    fn the_rfcs_sample_object() {
        check(
            r#"{
              "numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
              "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/",
              "literals": [null, true, false]
            }"#,
            "{\"literals\":[null,true,false],\"numbers\":[333333333.3333333,1e+30,4.5,0.002,1e-27],\
             \"string\":\"€$\\u000f\\nA'B\\\"\\\\\\\\\\\"/\"}",
        );
    }

    /// RFC 8785, section 3.2.3: keys in the order of UTF-16 code units.
    #[test]
    fn the_rfcs_sorting_sample() {
        check(
            r#"{"\u20ac":"Euro Sign","\r":"Carriage Return","\ufb33":"Hebrew Letter Dalet With Dagesh",
               "1":"One","\ud83d\ude00":"Emoji: Grinning Face","\u0080":"Control",
               "\u00f6":"Latin Small Letter O With Diaeresis"}"#,
            "{\"\\r\":\"Carriage Return\",\"1\":\"One\",\"\u{80}\":\"Control\",\
             \"ö\":\"Latin Small Letter O With Diaeresis\",\"€\":\"Euro Sign\",\
             \"😀\":\"Emoji: Grinning Face\",\"\u{fb33}\":\"Hebrew Letter Dalet With Dagesh\"}",
        );
    }

    /// RFC 8785, appendix B: IEEE 754 bits and their text.
    #[test]
    fn the_rfcs_number_samples() {
        for (bits, expect) in [
            (0x0000_0000_0000_0000_u64, "0"),
            (0x8000_0000_0000_0000, "0"),
            (0x0000_0000_0000_0001, "5e-324"),
            (0x8000_0000_0000_0001, "-5e-324"),
            (0x7fef_ffff_ffff_ffff, "1.7976931348623157e+308"),
            (0xffef_ffff_ffff_ffff, "-1.7976931348623157e+308"),
            (0x4340_0000_0000_0000, "9007199254740992"),
            (0xc340_0000_0000_0000, "-9007199254740992"),
            (0x4430_0000_0000_0000, "295147905179352830000"),
            (0x44b5_2d02_c7e1_4af5, "9.999999999999997e+22"),
            (0x44b5_2d02_c7e1_4af6, "1e+23"),
            (0x44b5_2d02_c7e1_4af7, "1.0000000000000001e+23"),
            (0x444b_1ae4_d6e2_ef4e, "999999999999999700000"),
            (0x444b_1ae4_d6e2_ef4f, "999999999999999900000"),
            (0x444b_1ae4_d6e2_ef50, "1e+21"),
            (0x3eb0_c6f7_a0b5_ed8c, "9.999999999999997e-7"),
            (0x3eb0_c6f7_a0b5_ed8d, "0.000001"),
            (0x41b3_de43_5555_5553, "333333333.3333332"),
            (0x41b3_de43_5555_5554, "333333333.33333325"),
            (0x41b3_de43_5555_5555, "333333333.3333333"),
            (0x41b3_de43_5555_5556, "333333333.3333334"),
            (0x41b3_de43_5555_5557, "333333333.33333343"),
            (0xbecb_f647_612f_3696, "-0.0000033333333333333333"),
            (0x4314_3ff3_c1cb_0959, "1424953923781206.2"),
        ] {
            assert_eq!(
                canonical_number(f64::from_bits(bits)).unwrap(),
                expect,
                "{bits:016x}"
            );
        }
        for bits in [0x7fff_ffff_ffff_ffff, 0x7ff0_0000_0000_0000_u64] {
            assert!(canonical_number(f64::from_bits(bits)).is_err());
        }
    }

    #[test]
    fn integers_that_would_be_rounded_are_refused() {
        check("9007199254740991", "9007199254740991");
        check("-9007199254740991", "-9007199254740991");
        check("1.0", "1");
        check("1e21", "1e+21");
        for text in [
            "9007199254740992",
            "-9007199254740992",
            "18446744073709551615",
            "1e17",
        ] {
            let value: Value = serde_json::from_str(text).unwrap();
            assert!(
                matches!(
                    canonical_json(&value),
                    Err(CanonicalError::UnsafeInteger(_))
                ),
                "{text}"
            );
        }
    }

    #[test]
    fn depth_is_limited() {
        let mut value = json!(1);
        for _ in 0..=MAX_DEPTH {
            value = json!([value]);
        }
        assert!(matches!(
            canonical_json(&value),
            Err(CanonicalError::TooDeep)
        ));
    }

    #[test]
    fn only_the_canonical_form_is_read() {
        assert_eq!(
            from_canonical::<Value>(br#"{"a":1,"b":2}"#).unwrap(),
            json!({"a": 1, "b": 2})
        );
        for text in [r#"{"b":2,"a":1}"#, r#"{"a": 1}"#, "1.0"] {
            let read = from_canonical::<Value>(text.as_bytes());
            assert!(matches!(read, Err(CanonicalError::NotCanonical)), "{text}");
        }
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            (-(1i64 << 52)..(1i64 << 52)).prop_map(Value::from),
            prop::num::f64::NORMAL
                .prop_filter("has a canonical form", |x| x.abs() < 9e15
                    || x.abs() >= 1e21)
                .prop_map(Value::from),
            any::<String>().prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                prop::collection::btree_map(any::<String>(), inner, 0..6)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn canonical_bytes_are_their_own_canonical_form(value in any_json()) {
            let bytes = canonical_json(&value).unwrap();
            let again: Value = serde_json::from_slice(&bytes).unwrap();
            prop_assert_eq!(canonical_json(&again).unwrap(), bytes);
        }

        #[test]
        fn doubles_survive(bits in any::<u64>()) {
            let number = f64::from_bits(bits);
            if let Ok(text) = canonical_number(number) {
                prop_assert_eq!(text.parse::<f64>().unwrap(), number);
            }
        }
    }
}
