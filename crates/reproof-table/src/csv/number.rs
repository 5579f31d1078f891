//! Numbers in CSV fields: which texts are numbers, and their values.
//!
//! An integer is an optional `-` and digits without leading zeros, so that `007` stays a text and
//! an identifier loses nothing. A float has a point, an exponent or both; before the point may
//! stand nothing, after it nothing. `+`, blanks, `inf` and `nan` make no number.

/// Digits that always fit a `u64`.
const MAX_DIGITS: u32 = 19;
/// The largest integer up to which a double holds every one: 2^53.
const MAX_EXACT: u64 = 1 << 53;
/// The powers of ten that a double holds exactly.
const POWERS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16,
    1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
];

/// A text that is a number: its digits as an integer, times a power of ten.
#[derive(Clone, Copy, Debug)]
pub(super) struct Number<'a> {
    text: &'a [u8],
    negative: bool,
    /// The first [`MAX_DIGITS`] significant digits or fewer.
    mantissa: u64,
    /// Significant digits, without leading zeros.
    digits: u32,
    exponent: i32,
    integer: bool,
}

/// Reads digits at the start of a text into a mantissa; gives how many there were.
#[inline]
fn digits(text: &[u8], mantissa: &mut u64, significant: &mut u32) -> usize {
    let mut count = 0;
    while let Some(digit) = text.get(count).map(|byte| byte.wrapping_sub(b'0'))
        && digit < 10
    {
        if *significant < MAX_DIGITS {
            *mantissa = *mantissa * 10 + u64::from(digit);
        }
        *significant += u32::from(*mantissa > 0);
        count += 1;
    }
    count
}

/// The power of ten after an `e`; none if it is not one. Far beyond the range of doubles it stays
/// at 10^8.
fn exponent(text: &[u8]) -> Option<i32> {
    let (negative, text) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    };
    if text.is_empty() {
        return None;
    }
    let mut value = 0_i32;
    for byte in text {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = (value * 10 + i32::from(digit)).min(100_000_000);
    }
    Some(if negative { -value } else { value })
}

impl<'a> Number<'a> {
    /// The number that a text is, if it is one.
    #[inline]
    pub fn scan(text: &'a [u8]) -> Option<Self> {
        let (negative, unsigned) = match text {
            [b'-', rest @ ..] => (true, rest),
            _ => (false, text),
        };
        let mut number = Self {
            text,
            negative,
            mantissa: 0,
            digits: 0,
            exponent: 0,
            integer: true,
        };
        let whole = digits(unsigned, &mut number.mantissa, &mut number.digits);
        if whole > 1 && unsigned[0] == b'0' {
            return None;
        }
        let mut rest = &unsigned[whole..];
        if rest.is_empty() {
            return (whole > 0).then_some(number);
        }
        number.integer = false;
        if let [b'.', fraction @ ..] = rest {
            let places = digits(fraction, &mut number.mantissa, &mut number.digits);
            if whole + places == 0 {
                return None;
            }
            number.exponent = -i32::try_from(places).unwrap_or(i32::MAX);
            rest = &fraction[places..];
        } else if whole == 0 {
            return None;
        }
        match rest {
            [] => {}
            [b'e' | b'E', power @ ..] => {
                number.exponent = number.exponent.saturating_add(exponent(power)?);
            }
            _ => return None,
        }
        Some(number)
    }

    /// Whether it is written as an integer.
    pub fn is_integer(&self) -> bool {
        self.integer
    }

    /// The value of an integer of 64 bits; none if it is beyond.
    #[inline]
    pub fn integer(&self) -> Option<i64> {
        if !self.integer || self.digits > MAX_DIGITS {
            return None;
        }
        if self.negative {
            0_i64.checked_sub_unsigned(self.mantissa)
        } else {
            i64::try_from(self.mantissa).ok()
        }
    }

    /// The nearest double, ties to even; never -0, and an infinity beyond the largest.
    #[inline]
    pub fn float(&self) -> f64 {
        // With both exact, one operation rounds once (Clinger 1990, *How to read floating point
        // numbers accurately*).
        let power = POWERS.get(self.exponent.unsigned_abs() as usize);
        let magnitude = match power {
            Some(power) if self.digits <= MAX_DIGITS && self.mantissa <= MAX_EXACT => {
                if self.exponent < 0 {
                    self.mantissa as f64 / power
                } else {
                    self.mantissa as f64 * power
                }
            }
            _ => return self.parsed(),
        };
        if self.negative {
            0.0 - magnitude
        } else {
            magnitude
        }
    }

    #[cold]
    fn parsed(&self) -> f64 {
        // What was scanned is ASCII and in the syntax of the standard library, which rounds
        // correctly.
        let text = std::str::from_utf8(self.text).unwrap_or_default();
        text.parse().unwrap_or(f64::NAN) + 0.0
    }

    /// Whether the nearest double is an infinity.
    #[inline]
    pub fn overflows(&self) -> bool {
        // Below 10^300 without a closer look.
        i64::from(self.digits) + i64::from(self.exponent) > 300 && self.float().is_infinite()
    }

    /// Whether a double holds it exactly; for integers.
    #[inline]
    pub fn is_exact(&self) -> bool {
        self.mantissa <= MAX_EXACT && self.digits <= MAX_DIGITS
            || format!("{:.0}", self.parsed()).as_bytes() == self.text
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_plain_integers_are_integers() {
        for (text, expect) in [
            ("0", Some(0)),
            ("-0", Some(0)),
            ("42", Some(42)),
            ("-7", Some(-7)),
            ("9223372036854775807", Some(i64::MAX)),
            ("-9223372036854775808", Some(i64::MIN)),
            ("9223372036854775808", None),
            ("-9223372036854775809", None),
            ("99999999999999999999", None),
            ("18446744073709551616", None),
        ] {
            let number = Number::scan(text.as_bytes()).unwrap();
            assert!(number.is_integer(), "{text}");
            assert_eq!(number.integer(), expect, "{text}");
        }
    }

    #[test]
    fn texts_that_are_no_numbers() {
        for text in [
            "", "-", "+1", "007", "-00", "00.5", "1 ", " 1", "1_0", "1,0", ".", "-.", "e5", ".e5",
            "1e", "1e+", "1e5.0", "1.2.3", "inf", "nan", "infinity", "0x1", "1f", "--1", "١",
        ] {
            assert!(Number::scan(text.as_bytes()).is_none(), "{text}");
        }
    }

    fn check_float(text: &str) {
        let number = Number::scan(text.as_bytes()).unwrap();
        assert!(!number.is_integer(), "{text}");
        let expect = text.parse::<f64>().unwrap() + 0.0;
        assert_eq!(number.float().to_bits(), expect.to_bits(), "{text}");
        assert_eq!(number.overflows(), expect.is_infinite(), "{text}");
    }

    #[test]
    fn floats_are_correctly_rounded() {
        for text in [
            "1.",
            ".5",
            "-.5e-3",
            "0.1",
            "-0.0",
            "-0e5",
            "1e23",
            "8.5e22",
            "1E5",
            "2.5e+3",
            "9007199254740993.0",
            "0.000000000000000000000000001",
            "1e999",
            "-1e400",
            "1e-999",
            "1e99999999999999",
            "0e99999999999999",
            "1e-99999999999999",
            "5e-324",
            "2.4e-324",
            "1.7976931348623158e308",
            "1.7976931348623159e308",
            "123456789012345678901234567890.5",
            "0.00000000000000000000012345678901234567890123456789e22",
            "0.30000000000000004",
        ] {
            check_float(text);
        }
        let long = format!("1{}.0", "0".repeat(400));
        check_float(&long);
        check_float(&format!("0.{}1e400", "0".repeat(399)));
    }

    #[test]
    fn exact_integers_are_told_from_rounded_ones() {
        for (text, expect) in [
            ("9007199254740992", true),
            ("9007199254740993", false),
            ("9007199254740994", true),
            ("-9007199254740993", false),
            ("-9007199254740994", true),
            ("9223372036854775807", false),
            ("9223372036854775808", true),
            ("10000000000000000000", true),
            ("100000000000000000000000", false),
            ("18446744073709551616", true),
        ] {
            assert_eq!(
                Number::scan(text.as_bytes()).unwrap().is_exact(),
                expect,
                "{text}"
            );
        }
        let beyond = "9".repeat(400);
        assert!(!Number::scan(beyond.as_bytes()).unwrap().is_exact());
    }

    proptest! {
        #[test]
        fn agrees_with_the_standard_library(
            text in "-?(0|[1-9][0-9]{0,24})?(\\.[0-9]{0,30})?([eE][+-]?[0-9]{1,3})?"
        ) {
            match Number::scan(text.as_bytes()) {
                Some(number) => {
                    let expect = text.parse::<f64>().unwrap() + 0.0;
                    prop_assert_eq!(number.float().to_bits(), expect.to_bits());
                    if number.is_integer() {
                        prop_assert_eq!(number.integer(), text.parse().ok());
                    }
                }
                None => prop_assert!(text.parse::<f64>().is_err()),
            }
        }

        #[test]
        fn doubles_are_read_back(value in any::<f64>()) {
            prop_assume!(value.is_finite());
            let text = format!("{value:e}");
            let number = Number::scan(text.as_bytes()).unwrap();
            prop_assert_eq!(number.float().to_bits(), (value + 0.0).to_bits());
        }
    }
}
