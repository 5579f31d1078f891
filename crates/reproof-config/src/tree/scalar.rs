//! Plain scalars by the core schema of YAML 1.2, with what other readers take differently refused.

use reproof_record::{MAX_SAFE_INTEGER, canonical_json};

use super::Value;

/// Why a plain scalar is refused, and what to write instead.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Refused {
    pub message: String,
    pub hint: String,
}

fn refuse(message: impl Into<String>, hint: impl Into<String>) -> Result<Value, Refused> {
    Err(Refused {
        message: message.into(),
        hint: hint.into(),
    })
}

/// The value of a plain scalar.
///
/// Refused are a number with a leading zero (octal to some readers), infinities and NaN, numbers
/// that canonical JSON would not bring back, and `True`, `FALSE` and the like: booleans to the
/// core schema, text to whoever copied them from a table.
pub(crate) fn parse_plain(text: &str) -> Result<Value, Refused> {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Ok(Value::Null),
        "true" => return Ok(Value::Boolean(true)),
        "false" => return Ok(Value::Boolean(false)),
        "True" | "TRUE" | "False" | "FALSE" => {
            return refuse(
                format!("'{text}' may be read as a boolean or as text"),
                format!("write {} or \"{text}\"", text.to_lowercase()),
            );
        }
        _ => {}
    }
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    if matches!(unsigned, ".inf" | ".Inf" | ".INF") || matches!(text, ".nan" | ".NaN" | ".NAN") {
        return refuse(
            format!("'{text}' is not a finite number"),
            "only finite numbers can be written down exactly; quote it if text is meant",
        );
    }
    if let Some(digits) = text.strip_prefix("0x") {
        return radix(text, digits, 16);
    }
    if let Some(digits) = text.strip_prefix("0o") {
        return radix(text, digits, 8);
    }
    if !is_number(unsigned) {
        return Ok(Value::Text(text.to_owned()));
    }
    if unsigned.len() > 1 && unsigned.starts_with('0') && unsigned.as_bytes()[1].is_ascii_digit() {
        return refuse(
            format!("the number '{}' has a leading zero", cut(text)),
            "leave the zero out, or quote it if text is meant",
        );
    }
    if unsigned.bytes().all(|byte| byte.is_ascii_digit()) {
        return match text.parse() {
            Ok(value) => integer(value, text),
            Err(_) => too_large(text),
        };
    }
    match text.parse::<f64>() {
        Ok(value) => float(value, text),
        Err(_) => Ok(Value::Text(text.to_owned())),
    }
}

fn radix(text: &str, digits: &str, radix: u32) -> Result<Value, Refused> {
    if digits.is_empty() || !digits.chars().all(|digit| digit.is_digit(radix)) {
        return Ok(Value::Text(text.to_owned()));
    }
    match i64::from_str_radix(digits, radix) {
        Ok(value) => integer(value, text),
        Err(_) => too_large(text),
    }
}

/// An integer, if canonical JSON keeps it.
pub(crate) fn integer(value: i64, text: &str) -> Result<Value, Refused> {
    if value.unsigned_abs() > MAX_SAFE_INTEGER {
        return too_large(text);
    }
    Ok(Value::Integer(value))
}

/// A float, if canonical JSON keeps it. Minus zero becomes zero.
pub(crate) fn float(value: f64, text: &str) -> Result<Value, Refused> {
    if !value.is_finite() || canonical_json(&value.into()).is_err() {
        return too_large(text);
    }
    Ok(Value::Float(if value == 0.0 { 0.0 } else { value }))
}

fn too_large(text: &str) -> Result<Value, Refused> {
    refuse(
        format!(
            "the number '{}' is too large to be written down exactly",
            cut(text)
        ),
        "integers go to 2^53 - 1 (9007199254740991); quote it if text is meant",
    )
}

fn cut(text: &str) -> String {
    crate::names::shown(text)
}

/// `digits [ . digits? ] [ e sign? digits ]` or `. digits …`: the core schema's numbers.
fn is_number(unsigned: &str) -> bool {
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (unsigned, None),
    };
    let whole = match mantissa.split_once('.') {
        Some((whole, fraction)) => {
            digits(whole) && digits(fraction) && whole.len() + fraction.len() > 0
        }
        None => !mantissa.is_empty() && digits(mantissa),
    };
    whole
        && exponent.is_none_or(|exponent| {
            let exponent = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
            !exponent.is_empty() && digits(exponent)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expect: &str) {
        let found = match parse_plain(text) {
            Ok(value) => format!("{value:?}"),
            Err(refused) => refused.message,
        };
        assert_eq!(found, expect, "{text}");
    }

    #[test]
    fn the_core_schemas_scalars() {
        for text in [
            "No",
            "no",
            "yes",
            "Yes",
            "on",
            "off",
            "y",
            "n",
            "1_000",
            "0b11",
            "12:30",
            "1e",
            ".",
            "+",
            "-",
            "e5",
            "0x",
            "0o8",
            "2020-01-01",
            "--1",
            "+-1",
            ".e1",
            "nan",
            "inf",
            "0xg",
        ] {
            check(text, &format!("Text({text:?})"));
        }
        check("~", "Null");
        check("null", "Null");
        check("true", "Boolean(true)");
        check("42", "Integer(42)");
        check("-7", "Integer(-7)");
        check("+7", "Integer(7)");
        check("0", "Integer(0)");
        check("0x1F", "Integer(31)");
        check("0o17", "Integer(15)");
        check("9007199254740991", "Integer(9007199254740991)");
        check("0.5", "Float(0.5)");
        check(".5", "Float(0.5)");
        check("1.", "Float(1.0)");
        check("-0.0", "Float(0.0)");
        check("1e3", "Float(1000.0)");
        check("1E-3", "Float(0.001)");
    }

    #[test]
    fn what_readers_disagree_about_is_refused() {
        check("007", "the number '007' has a leading zero");
        check("-01.5", "the number '-01.5' has a leading zero");
        check("00", "the number '00' has a leading zero");
        check(".inf", "'.inf' is not a finite number");
        check("-.INF", "'-.INF' is not a finite number");
        check(".nan", "'.nan' is not a finite number");
        check("True", "'True' may be read as a boolean or as text");
        for text in [
            "9007199254740992",
            "99999999999999999999",
            "0xffffffffffffffff",
            "1e999",
            "1e17",
        ] {
            let expect = format!("the number '{text}' is too large to be written down exactly");
            check(text, &expect);
        }
    }
}
