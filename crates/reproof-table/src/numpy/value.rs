//! One element of an array.

use reproof_record::LogicalType;

use super::layout::NumpyElement;
use crate::encoding::{put_boolean, put_float, put_integer, put_text};
use crate::{NumpyProblem, TimeType};

/// What a moment of a `datetime64` stands for: what it is multiplied by, or divided by, to be
/// microseconds (days for a date).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    Day,
    Times(i64),
    Per(i64),
}

/// The type of an element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Of {
    Boolean,
    Integer,
    Unsigned,
    Float,
    Bytes,
    Unicode,
    Time(Unit),
}

/// The type of an element, its size in bytes, and the order of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Kind {
    of: Of,
    /// How many bytes it has; never 0.
    pub size: usize,
    big_endian: bool,
}

/// The longest text, in bytes.
const MAX_TEXT: usize = 16 << 20;

impl Kind {
    /// Parses a type such as `<f8`.
    pub fn parse(text: &str) -> Result<Self, NumpyProblem> {
        let unknown = |found: &str| NumpyProblem::Type {
            found: format!("{found} ('{}')", text.chars().take(40).collect::<String>()),
        };
        let (big_endian, rest) = match text.split_at_checked(1) {
            Some((">", rest)) => (true, rest),
            Some(("<" | "|" | "=", rest)) => (false, rest),
            _ => return Err(unknown("an unknown type")),
        };
        let (letter, rest) = rest.split_at_checked(1).unwrap_or(("", ""));
        let (digits, unit) = rest.split_at(rest.find('[').unwrap_or(rest.len()));
        let size: usize = digits.parse().unwrap_or(0);
        let (of, size) = match (letter, size) {
            ("b", 1) | ("?", _) => (Of::Boolean, 1),
            ("i", 1 | 2 | 4 | 8) => (Of::Integer, size),
            ("u", 1 | 2 | 4 | 8) => (Of::Unsigned, size),
            ("f", 2 | 4 | 8) => (Of::Float, size),
            ("f", _) => return Err(unknown("floats wider than 64 bits")),
            ("c", _) => return Err(unknown("complex numbers")),
            ("O", _) => return Err(unknown("pickled objects, which are never read")),
            ("m", _) => return Err(unknown("durations")),
            ("S" | "U", 0) => return Err(unknown("texts of no length")),
            ("S", size) if size <= MAX_TEXT => (Of::Bytes, size),
            ("U", size) if size <= MAX_TEXT / 4 => (Of::Unicode, size * 4),
            ("M", 8) => match unit {
                "[D]" => (Of::Time(Unit::Day), 8),
                "[h]" => (Of::Time(Unit::Times(3_600_000_000)), 8),
                "[m]" => (Of::Time(Unit::Times(60_000_000)), 8),
                "[s]" => (Of::Time(Unit::Times(1_000_000)), 8),
                "[ms]" => (Of::Time(Unit::Times(1000)), 8),
                "[us]" => (Of::Time(Unit::Times(1)), 8),
                "[ns]" => (Of::Time(Unit::Per(1000)), 8),
                _ => return Err(unknown("moments of this unit")),
            },
            _ => return Err(unknown("an unknown type")),
        };
        Ok(Self {
            of,
            size,
            big_endian,
        })
    }

    /// What is known of it without being read.
    pub fn element(self) -> NumpyElement {
        NumpyElement {
            letter: match self.of {
                Of::Boolean => 'b',
                Of::Integer => 'i',
                Of::Unsigned => 'u',
                Of::Float => 'f',
                Of::Bytes => 'S',
                Of::Unicode => 'U',
                Of::Time(_) => 'M',
            },
            size: self.size,
            big_endian: self.big_endian,
        }
    }

    /// The type of its column.
    pub fn logical_type(self) -> LogicalType {
        match self.of {
            Of::Boolean => LogicalType::Boolean,
            Of::Integer | Of::Unsigned => LogicalType::Integer,
            Of::Float => LogicalType::Float,
            Of::Bytes | Of::Unicode => LogicalType::String,
            Of::Time(Unit::Day) => LogicalType::Date,
            Of::Time(_) => LogicalType::TimestampNaive,
        }
    }

    /// Encodes an element of [`Kind::size`] bytes. Says whether it is missing.
    ///
    /// # Errors
    /// Why a table cannot hold it.
    pub fn put(self, out: &mut Vec<u8>, bytes: &[u8]) -> Result<bool, String> {
        match self.of {
            Of::Boolean => put_boolean(out, Some(bytes.first().is_some_and(|byte| *byte != 0))),
            Of::Integer => put_integer(out, Some(self.integer(bytes))),
            Of::Unsigned => {
                let value = self.unsigned(bytes);
                let value = i64::try_from(value)
                    .map_err(|_| format!("{value} does not fit a signed integer of 64 bits"))?;
                put_integer(out, Some(value));
            }
            Of::Float => {
                let value = self.float(bytes);
                put_float(out, value);
                return Ok(value.is_nan());
            }
            Of::Bytes => {
                let text = trimmed(bytes);
                if std::str::from_utf8(text).is_err() {
                    return Err("the text is not UTF-8".to_owned());
                }
                put_text(out, Some(text));
            }
            Of::Unicode => {
                put_text(out, Some(self.unicode(bytes)?.as_bytes()));
            }
            Of::Time(unit) => return self.time(out, unit, self.integer(bytes)),
        }
        Ok(false)
    }

    fn unsigned(self, bytes: &[u8]) -> u64 {
        let next = |value: u64, byte: &u8| value << 8 | u64::from(*byte);
        if self.big_endian {
            bytes.iter().fold(0, next)
        } else {
            bytes.iter().rev().fold(0, next)
        }
    }

    fn integer(self, bytes: &[u8]) -> i64 {
        let unused = 64 - 8 * bytes.len().clamp(1, 8);
        ((self.unsigned(bytes) << unused) as i64) >> unused
    }

    fn float(self, bytes: &[u8]) -> f64 {
        let bits = self.unsigned(bytes);
        match bytes.len() {
            2 => crate::parquet::half(bits as u16),
            4 => f64::from(f32::from_bits(bits as u32)),
            _ => f64::from_bits(bits),
        }
    }

    fn unicode(self, bytes: &[u8]) -> Result<String, String> {
        let mut text = String::with_capacity(bytes.len() / 4);
        let mut zeros = 0;
        for four in bytes.chunks_exact(4) {
            let code = self.unsigned(four);
            if code == 0 {
                zeros += 1;
                continue;
            }
            // Zeros at the end fill the element up; others belong to the text.
            text.extend(std::iter::repeat_n('\0', zeros));
            zeros = 0;
            let character = u32::try_from(code).ok().and_then(char::from_u32);
            text.push(character.ok_or_else(|| format!("{code:#x} is no character"))?);
        }
        Ok(text)
    }

    fn time(self, out: &mut Vec<u8>, unit: Unit, value: i64) -> Result<bool, String> {
        // Not a time.
        if value == i64::MIN {
            put_integer(out, None);
            return Ok(true);
        }
        let (time, moment) = match unit {
            Unit::Day => (TimeType::Date, Some(value)),
            Unit::Times(factor) => (TimeType::Naive, value.checked_mul(factor)),
            Unit::Per(part) if value % part == 0 => (TimeType::Naive, Some(value / part)),
            Unit::Per(_) => {
                return Err(format!(
                    "{value} ns since 1970 is no whole number of microseconds: round it before"
                ));
            }
        };
        let moment = moment.filter(|moment| time.holds(*moment));
        let moment = moment.ok_or_else(|| {
            format!("a moment lies outside the years 1 to 9999 ({value} of its unit since 1970)")
        })?;
        put_integer(out, Some(moment));
        Ok(false)
    }
}

/// Zeros at the end fill the element up.
fn trimmed(bytes: &[u8]) -> &[u8] {
    let end = bytes.iter().rposition(|byte| *byte != 0);
    &bytes[..end.map_or(0, |end| end + 1)]
}
