//! Decimals: the type of a column of exact decimal numbers, their texts and their values.

use std::cmp::Ordering;
use std::fmt;

use thiserror::Error;

/// The most digits of a decimal: as many as an integer of 128 bits always holds.
const MAX_PRECISION: u8 = 38;
/// The powers of ten up to which a double holds each exactly.
const EXACT_POWERS: u8 = 22;
/// The largest integer up to which a double holds every one: 2^53.
const EXACT_INTEGER: u128 = 1 << 53;

/// A precision or scale that no decimal has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a decimal has 1 to 38 digits, of which at most as many stand after the point")]
pub struct DecimalTypeError;

/// Why a text or a number is no value of a decimal type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum DecimalError {
    /// It is no number.
    #[error("it is no decimal number")]
    NotANumber,
    /// It has more digits after the point than the type.
    #[error("it has more than {0} digits after the point")]
    TooFine(u8),
    /// It has more digits before the point than the type.
    #[error("it has more than {0} digits before the point")]
    TooLarge(u8),
}

/// What becomes of digits that stand after a decimal's last place.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Excess {
    Refused,
    Rounded,
}

/// A type of exact decimal numbers: so many digits (the precision), of which so many stand after
/// the point (the scale). A value is an integer, the number of units of the last place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DecimalType {
    precision: u8,
    scale: u8,
}

impl DecimalType {
    /// The type of `precision` digits, `scale` of them after the point.
    ///
    /// # Errors
    /// If the precision is not from 1 to 38, or the scale is greater than it.
    pub const fn new(precision: u8, scale: u8) -> Result<Self, DecimalTypeError> {
        if precision == 0 || precision > MAX_PRECISION || scale > precision {
            return Err(DecimalTypeError);
        }
        Ok(Self { precision, scale })
    }

    /// The type that a text names: `decimal(10, 2)`, with or without blanks inside.
    pub fn named(text: &str) -> Option<Self> {
        let inside = text.strip_prefix("decimal")?.trim_start();
        let inside = inside.strip_prefix('(')?.strip_suffix(')')?;
        let (precision, scale) = inside.split_once(',')?;
        let number = |text: &str| {
            let digits = text.trim_matches(' ');
            let plain = digits.bytes().all(|byte| byte.is_ascii_digit());
            let leading = digits.len() > 1 && digits.starts_with('0');
            (plain && !leading).then(|| digits.parse().ok())?
        };
        Self::new(number(precision)?, number(scale)?).ok()
    }

    /// How many digits a value has at most.
    pub const fn precision(self) -> u8 {
        self.precision
    }

    /// How many of them stand after the point.
    pub const fn scale(self) -> u8 {
        self.scale
    }

    /// Whether so many units of the last place are a value of the type.
    pub fn holds(self, units: i128) -> bool {
        units.unsigned_abs() < power(self.precision)
    }

    /// The value, in units of the last place, that a text is exactly: digits with or without a
    /// point, a `-` before and an exponent after them. Zeros at its ends do not matter.
    ///
    /// # Errors
    /// A text that is no such number, or one that the type does not hold.
    pub fn parse(self, text: &[u8]) -> Result<i128, DecimalError> {
        self.value(
            Digits::scan(text).ok_or(DecimalError::NotANumber)?,
            Excess::Refused,
        )
    }

    /// As [`DecimalType::parse`], rounded to the last place, ties to even.
    ///
    /// # Errors
    /// A text that is no such number, or one that is too large for the type.
    pub fn parse_rounded(self, text: &[u8]) -> Result<i128, DecimalError> {
        self.value(
            Digits::scan(text).ok_or(DecimalError::NotANumber)?,
            Excess::Rounded,
        )
    }

    fn value(self, number: Digits, excess: Excess) -> Result<i128, DecimalError> {
        let too_large = DecimalError::TooLarge(self.precision - self.scale);
        // Where the last digit stands, counted in places of the type.
        let place = number.exponent + i64::from(self.scale);
        let units = if number.mantissa == 0 {
            0
        } else if place >= 0 {
            let shift = u8::try_from(place).map_err(|_| too_large)?;
            let power = 10_u128.checked_pow(u32::from(shift));
            let units = power.and_then(|power| number.mantissa.checked_mul(power));
            units.filter(|_| number.dropped.0 == 0).ok_or(too_large)?
        } else if excess == Excess::Refused {
            return Err(DecimalError::TooFine(self.scale));
        } else {
            number.rounded(place.unsigned_abs()).ok_or(too_large)?
        };
        if units >= power(self.precision) {
            return Err(too_large);
        }
        let units = units as i128;
        Ok(if number.negative { -units } else { units })
    }

    /// The text of a value, with as many digits after the point as the type has.
    pub fn text(self, units: i128) -> String {
        let sign = if units < 0 { "-" } else { "" };
        let one = power(self.scale);
        let magnitude = units.unsigned_abs();
        let whole = magnitude / one;
        if self.scale == 0 {
            return format!("{sign}{whole}");
        }
        let width = usize::from(self.scale);
        format!("{sign}{whole}.{:0width$}", magnitude % one)
    }

    /// The double that is nearest to a value, ties to even.
    pub fn nearest_double(self, units: i128) -> f64 {
        if units.unsigned_abs() <= EXACT_INTEGER && self.scale <= EXACT_POWERS {
            // Both are exact, so that one operation rounds once (Clinger 1990, *How to read
            // floating point numbers accurately*).
            return units as f64 / power(self.scale) as f64;
        }
        // The standard library reads any decimal as the nearest double.
        self.text(units).parse().unwrap_or(f64::NAN)
    }

    /// The whole number that a value is, if it is one.
    pub fn whole(self, units: i128) -> Option<i128> {
        let one = power(self.scale) as i128;
        (units % one == 0).then(|| units / one)
    }

    /// A value without what stands after its point.
    pub fn truncated(self, units: i128) -> i128 {
        units / power(self.scale) as i128
    }
}

impl fmt::Display for DecimalType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("decimal({}, {})", self.precision, self.scale))
    }
}

/// A power of ten; of 38 at most, so that it fits.
const fn power(exponent: u8) -> u128 {
    10_u128.pow(exponent as u32)
}

/// The digits of a number, without zeros at either end.
#[derive(Clone, Copy)]
struct Digits {
    negative: bool,
    /// The digits as an integer: the first ones if there are too many.
    mantissa: u128,
    /// The power of ten of the last digit, of those that are in `mantissa` or not.
    exponent: i64,
    /// How many digits are not in `mantissa`, and the first of them.
    dropped: (u64, u8),
}

impl Digits {
    fn scan(text: &[u8]) -> Option<Self> {
        let (negative, rest) = match text {
            [b'-', rest @ ..] => (true, rest),
            _ => (false, text),
        };
        let mut number = Self {
            negative,
            mantissa: 0,
            exponent: 0,
            dropped: (0, 0),
        };
        let mut zeros = 0;
        let whole = number.take(rest, &mut zeros);
        if whole > 1 && rest.first() == Some(&b'0') {
            return None;
        }
        let mut rest = rest.get(whole..)?;
        let mut places = 0;
        if let [b'.', fraction @ ..] = rest {
            places = number.take(fraction, &mut zeros);
            rest = fraction.get(places..)?;
        }
        if whole + places == 0 {
            return None;
        }
        let exponent = match rest {
            [] => 0,
            [b'e' | b'E', power @ ..] => exponent(power)?,
            _ => return None,
        };
        number.exponent = exponent - i64::try_from(places).ok()? + zeros as i64;
        Some(number)
    }

    /// Takes the digits at the start of a text; gives how many there are. `zeros` are those that
    /// may turn out to be the last ones.
    fn take(&mut self, text: &[u8], zeros: &mut u64) -> usize {
        let mut count = 0;
        while let Some(digit) = text.get(count).map(|byte| byte.wrapping_sub(b'0'))
            && digit < 10
        {
            count += 1;
            if digit == 0 {
                *zeros += u64::from(self.mantissa > 0);
                continue;
            }
            for _ in 0..std::mem::take(zeros) {
                self.push(0);
            }
            self.push(digit);
        }
        count
    }

    fn push(&mut self, digit: u8) {
        if self.mantissa < power(MAX_PRECISION) / 10 {
            self.mantissa = self.mantissa * 10 + u128::from(digit);
        } else {
            if self.dropped.0 == 0 {
                self.dropped.1 = digit;
            }
            self.dropped.0 += 1;
        }
    }

    /// The digits without so many of the last ones, rounded to the nearest, ties to even; none if
    /// what is left has too many digits.
    fn rounded(self, drop: u64) -> Option<u128> {
        let (dropped, first) = self.dropped;
        let drop = drop.checked_sub(dropped)?;
        let unit = u32::try_from(drop)
            .ok()
            .and_then(|drop| 10_u128.checked_pow(drop));
        let Some(unit) = unit else {
            // It is less than a tenth of what is left.
            return Some(0);
        };
        let (whole, rest) = (self.mantissa / unit, self.mantissa % unit);
        // The last digit of all is no zero, so of several that were dropped one tells.
        let beyond = match (unit, dropped) {
            (1, 0) => Ordering::Less,
            (1, 1) => first.cmp(&5),
            (1, _) if first >= 5 => Ordering::Greater,
            (1, _) => Ordering::Less,
            _ => rest.cmp(&(unit / 2)).then(dropped.cmp(&0)),
        };
        let up = beyond.is_gt() || beyond.is_eq() && whole % 2 == 1;
        Some(whole + u128::from(up))
    }
}

/// The power of ten after an `e`; none if it is not one. Far beyond any decimal it stays at 10^9.
fn exponent(text: &[u8]) -> Option<i64> {
    let (negative, text) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    };
    if text.is_empty() {
        return None;
    }
    let mut value = 0_i64;
    for byte in text {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = (value * 10 + i64::from(digit)).min(1_000_000_000);
    }
    Some(if negative { -value } else { value })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decimal(precision: u8, scale: u8) -> DecimalType {
        DecimalType::new(precision, scale).unwrap()
    }

    #[test]
    fn types_have_names() {
        for text in ["decimal(10, 2)", "decimal(10,2)", "decimal ( 10 , 2 )"] {
            assert_eq!(DecimalType::named(text), Some(decimal(10, 2)), "{text}");
        }
        assert_eq!(decimal(38, 0).to_string(), "decimal(38, 0)");
        for text in [
            "decimal",
            "decimal(10)",
            "decimal()",
            "decimal(0, 0)",
            "decimal(39, 2)",
            "decimal(2, 3)",
            "decimal(10, -2)",
            "decimal(+10, 2)",
            "decimal(010, 2)",
            "decimal(10, 2) ",
            "decimal(10, 2, 1)",
            "decimals(10, 2)",
            "decimal(10, 2",
        ] {
            assert_eq!(DecimalType::named(text), None, "{text}");
        }
        assert!(DecimalType::new(0, 0).is_err() && DecimalType::new(39, 0).is_err());
    }

    #[test]
    fn texts_are_read_exactly_or_refused() {
        let of = |text: &str| decimal(5, 2).parse(text.as_bytes());
        for (text, expect) in [
            ("0", 0),
            ("-0", 0),
            ("-0.00", 0),
            ("12.5", 1250),
            ("12.50000", 1250),
            ("12.", 1200),
            (".5", 50),
            ("-.05", -5),
            ("999.99", 99_999),
            ("-999.99", -99_999),
            ("1e2", 10_000),
            ("1.25E+1", 1250),
            ("12345e-3", 12345 / 10),
            ("0e999999999999", 0),
            ("0.000", 0),
        ] {
            let expect = if text == "12345e-3" {
                Err(DecimalError::TooFine(2))
            } else {
                Ok(expect)
            };
            assert_eq!(of(text), expect, "{text}");
        }
        for (text, expect) in [
            ("1000", DecimalError::TooLarge(3)),
            ("-1e3", DecimalError::TooLarge(3)),
            ("1e999999999999", DecimalError::TooLarge(3)),
            ("0.001", DecimalError::TooFine(2)),
            ("1e-999999999999", DecimalError::TooFine(2)),
            ("", DecimalError::NotANumber),
            ("-", DecimalError::NotANumber),
            (".", DecimalError::NotANumber),
            ("+1", DecimalError::NotANumber),
            ("007", DecimalError::NotANumber),
            ("1e", DecimalError::NotANumber),
            ("1e+", DecimalError::NotANumber),
            ("1,5", DecimalError::NotANumber),
            (" 1", DecimalError::NotANumber),
            ("1_0", DecimalError::NotANumber),
        ] {
            assert_eq!(of(text), Err(expect), "{text}");
        }
        let widest = "9".repeat(38);
        assert_eq!(
            decimal(38, 0).parse(widest.as_bytes()),
            Ok(10_i128.pow(38) - 1)
        );
        let more = format!("{widest}.{}", "0".repeat(50));
        assert_eq!(
            decimal(38, 0).parse(more.as_bytes()),
            Ok(10_i128.pow(38) - 1)
        );
        let beyond = format!("1{}", "0".repeat(38));
        assert_eq!(
            decimal(38, 0).parse(beyond.as_bytes()),
            Err(DecimalError::TooLarge(38))
        );
    }

    #[test]
    fn ties_are_rounded_to_even() {
        let of = |text: &str| decimal(5, 2).parse_rounded(text.as_bytes());
        for (text, expect) in [
            ("0.125", 12),
            ("0.135", 14),
            ("-0.125", -12),
            ("0.1250000000000001", 13),
            ("0.1249", 12),
            ("0.005", 0),
            ("0.0051", 1),
            ("1e-99", 0),
            ("999.994", 99_999),
        ] {
            assert_eq!(of(text), Ok(expect), "{text}");
        }
        assert_eq!(of("999.995"), Err(DecimalError::TooLarge(3)));
        assert_eq!(of("1000.001"), Err(DecimalError::TooLarge(3)));
        // Digits that no mantissa holds still decide.
        let digits = "1234567890".repeat(4);
        let integer = |end: &str| {
            let text = format!("{}.{end}", &digits[..38]);
            decimal(38, 0).parse_rounded(text.as_bytes()).unwrap() % 100
        };
        assert_eq!(
            ["4", "5", "500001", "49", "6"].map(integer),
            [78, 78, 79, 78, 79]
        );
        let long = format!("0.{digits}");
        assert_eq!(of(&long), Ok(12));
    }

    #[test]
    fn doubles_are_the_nearest() {
        for (units, scale) in [
            (1, 1),
            (3, 1),
            (123_456_789, 4),
            (1, 38),
            ((1 << 53) + 1, 0),
        ] {
            let expect: f64 = decimal(38, scale).text(units).parse().unwrap();
            assert_eq!(
                decimal(38, scale).nearest_double(units).to_bits(),
                expect.to_bits()
            );
        }
        assert_eq!(decimal(5, 2).nearest_double(0).to_bits(), 0);
        assert_eq!(decimal(5, 2).whole(1200), Some(12));
        assert_eq!(decimal(5, 2).whole(1201), None);
        assert_eq!(decimal(5, 2).truncated(-1299), -12);
    }

    fn values() -> impl Strategy<Value = (DecimalType, i128)> {
        (1_u8..=38, 0_u8..=38, any::<i128>()).prop_map(|(precision, scale, value)| {
            let decimal = decimal(precision, scale.min(precision));
            (decimal, value % 10_i128.pow(u32::from(precision)))
        })
    }

    proptest! {
        #[test]
        fn a_text_is_read_back((decimal, units) in values()) {
            let text = decimal.text(units);
            prop_assert!(decimal.holds(units));
            prop_assert_eq!(decimal.parse(text.as_bytes()), Ok(units));
            prop_assert_eq!(decimal.parse_rounded(text.as_bytes()), Ok(units));
            let double: f64 = text.parse().unwrap();
            prop_assert_eq!(decimal.nearest_double(units).to_bits(), (double + 0.0).to_bits());
            prop_assert_eq!(DecimalType::named(&decimal.to_string()), Some(decimal));
        }

        #[test]
        fn rounding_is_that_of_the_next_wider_type((decimal, units) in values(), more in 1_u8..6) {
            prop_assume!(decimal.scale() + more <= 38);
            // One place of the type in units of the wider text.
            let one = 10_i128.pow(u32::from(more));
            let text = DecimalType { precision: 38, scale: decimal.scale() + more }.text(units);
            let (whole, rest) = (units.unsigned_abs() / one as u128, units.unsigned_abs() % one as u128);
            let twice = rest * 2;
            let up = twice > one as u128 || twice == one as u128 && whole % 2 == 1;
            let expect = (whole + u128::from(up)) as i128 * units.signum();
            let wide = DecimalType { precision: 38, scale: decimal.scale() };
            prop_assert_eq!(wide.parse_rounded(text.as_bytes()), Ok(expect));
        }
    }
}
