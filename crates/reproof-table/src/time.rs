//! Days and moments: their texts and the integers that stand for them.
//!
//! A day is the number of days since 1970-01-01, a moment the number of microseconds since that
//! day began, in the proleptic Gregorian calendar, of the years 1 to 9999. A leap second has no
//! number, so a text with one is no moment. Conversions between days and dates are those of
//! Hinnant, *chrono-Compatible Low-Level Date Algorithms* (2013).

use reproof_record::LogicalType;

const MICROS: i64 = 1_000_000;
const DAY: i64 = 86_400 * MICROS;
/// 0001-01-01.
const FIRST_DAY: i64 = -719_162;
/// 9999-12-31.
const LAST_DAY: i64 = 2_932_896;

/// The types of days and moments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeType {
    /// Days since 1970-01-01.
    Date,
    /// Microseconds since 1970-01-01T00:00:00 on a clock of no particular time zone.
    Naive,
    /// Microseconds since 1970-01-01T00:00:00Z.
    Utc,
}

impl TimeType {
    /// As a type of columns.
    pub const fn logical_type(self) -> LogicalType {
        match self {
            Self::Date => LogicalType::Date,
            Self::Naive => LogicalType::TimestampNaive,
            Self::Utc => LogicalType::TimestampUtc,
        }
    }

    /// The one that a type of columns is, if it is one.
    pub const fn of(logical_type: LogicalType) -> Option<Self> {
        match logical_type {
            LogicalType::Date => Some(Self::Date),
            LogicalType::TimestampNaive => Some(Self::Naive),
            LogicalType::TimestampUtc => Some(Self::Utc),
            _ => None,
        }
    }

    /// Whether a value lies in the years 1 to 9999.
    pub const fn holds(self, value: i64) -> bool {
        let day = match self {
            Self::Date => value,
            Self::Naive | Self::Utc => value.div_euclid(DAY),
        };
        FIRST_DAY <= day && day <= LAST_DAY
    }

    /// A value that the type holds, or why it does not.
    pub(crate) fn held(self, value: i64) -> Result<i64, String> {
        if self.holds(value) {
            Ok(value)
        } else {
            let name = self.logical_type();
            Err(format!(
                "{value} lies outside the years 1 to 9999 of the type {name}"
            ))
        }
    }

    /// The canonical text of a value: `2024-02-29`, `2024-02-29T12:30:00.25`, and the same with
    /// `Z`. The fraction has no trailing zeros.
    pub fn text(self, value: i64) -> String {
        if self == Self::Date {
            return date_text(value);
        }
        let (day, rest) = (value.div_euclid(DAY), value.rem_euclid(DAY));
        let (seconds, fraction) = (rest / MICROS, rest % MICROS);
        let mut text = format!(
            "{}T{:02}:{:02}:{:02}",
            date_text(day),
            seconds / 3600,
            seconds / 60 % 60,
            seconds % 60
        );
        if fraction > 0 {
            let digits = format!(".{fraction:06}");
            text.push_str(digits.trim_end_matches('0'));
        }
        if self == Self::Utc {
            text.push('Z');
        }
        text
    }

    /// The value that a text is, if it is one of this type.
    pub fn parse(self, text: &[u8]) -> Option<i64> {
        parse(text).and_then(|(found, value)| (found == self).then_some(value))
    }
}

/// Nanoseconds as microseconds, or why they are not whole ones.
pub(crate) fn whole_micros(nanos: i64) -> Result<i64, String> {
    if nanos % 1000 == 0 {
        return Ok(nanos / 1000);
    }
    Err(format!(
        "{nanos} ns since 1970 is no whole number of microseconds: round the column before"
    ))
}

/// The day or moment that a text is: `YYYY-MM-DD`, or that followed by `T` or a blank and
/// `HH:MM:SS`, a fraction if there is one, and `Z` or an offset `±HH:MM` if it is a moment. A
/// fraction finer than a microsecond makes no moment, since it would be rounded.
#[inline]
pub(crate) fn parse(text: &[u8]) -> Option<(TimeType, i64)> {
    // Most texts are told by their fifth byte.
    if text.get(4) != Some(&b'-') {
        return None;
    }
    let (date, rest) = text.split_at_checked(10)?;
    let day = parse_date(date)?;
    match rest {
        [] => Some((TimeType::Date, day)),
        [b'T' | b' ', clock @ ..] => parse_clock(day, clock),
        _ => None,
    }
}

fn parse_date(text: &[u8]) -> Option<i64> {
    let &[y0, y1, y2, y3, b'-', m0, m1, b'-', d0, d1] = text else {
        return None;
    };
    let year = number(&[y0, y1, y2, y3])?;
    let (month, day) = (number(&[m0, m1])?, number(&[d0, d1])?);
    let valid = year > 0 && (1..=12).contains(&month) && day >= 1 && day <= length(year, month);
    valid.then(|| days(year, month, day))
}

fn parse_clock(day: i64, text: &[u8]) -> Option<(TimeType, i64)> {
    let (clock, rest) = text.split_at_checked(8)?;
    let &[h0, h1, b':', m0, m1, b':', s0, s1] = clock else {
        return None;
    };
    let (hour, minute, second) = (number(&[h0, h1])?, number(&[m0, m1])?, number(&[s0, s1])?);
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let (fraction, zone) = match rest {
        [b'.', digits @ ..] => parse_fraction(digits)?,
        zone => (0, zone),
    };
    let local = day * DAY + (hour * 3600 + minute * 60 + second) * MICROS + fraction;
    let (time, value) = match zone {
        [] => (TimeType::Naive, local),
        b"Z" => (TimeType::Utc, local),
        offset => (TimeType::Utc, local - parse_offset(offset)?),
    };
    time.holds(value).then_some((time, value))
}

/// Digits after the point as microseconds, and what follows them.
fn parse_fraction(text: &[u8]) -> Option<(i64, &[u8])> {
    let count = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (digits, rest) = text.split_at(count);
    let (kept, dropped) = digits.split_at(count.min(6));
    if count == 0 || dropped.iter().any(|&digit| digit != b'0') {
        return None;
    }
    let missing = u32::try_from(6 - kept.len()).ok()?;
    Some((number(kept)? * 10_i64.pow(missing), rest))
}

/// An offset from UTC in microseconds.
fn parse_offset(text: &[u8]) -> Option<i64> {
    let &[sign @ (b'+' | b'-'), h0, h1, b':', m0, m1] = text else {
        return None;
    };
    let (hours, minutes) = (number(&[h0, h1])?, number(&[m0, m1])?);
    if hours > 23 || minutes > 59 {
        return None;
    }
    let offset = (hours * 60 + minutes) * 60 * MICROS;
    Some(if sign == b'-' { -offset } else { offset })
}

/// A number of a few digits.
fn number(digits: &[u8]) -> Option<i64> {
    digits.iter().try_fold(0, |number, digit| {
        let digit = digit.wrapping_sub(b'0');
        (digit < 10).then(|| number * 10 + i64::from(digit))
    })
}

fn length(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// The days from 1970-01-01 to a date.
fn days(year: i64, month: i64, day: i64) -> i64 {
    // Years that begin in March have the day of a leap year at their end.
    let year = year - i64::from(month <= 2);
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// A day, in days since 1970, as `2026-11-30`.
pub fn date_text(day: i64) -> String {
    let day = day.saturating_add(719_468);
    let (era, day_of_era) = (day.div_euclid(146_097), day.rem_euclid(146_097));
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}")
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;

    pub(crate) fn values(time: TimeType) -> impl Strategy<Value = i64> {
        let unit = if time == TimeType::Date { 1 } else { DAY };
        FIRST_DAY * unit..(LAST_DAY + 1) * unit
    }

    #[test]
    fn texts_and_their_values() {
        for (text, time, value) in [
            ("1970-01-01", TimeType::Date, 0),
            ("2000-02-29", TimeType::Date, 11_016),
            ("0001-01-01", TimeType::Date, FIRST_DAY),
            ("9999-12-31", TimeType::Date, LAST_DAY),
            ("1970-01-01T00:00:01", TimeType::Naive, 1_000_000),
            ("1970-01-01 00:00:00.25", TimeType::Naive, 250_000),
            ("1969-12-31T23:59:59.999999Z", TimeType::Utc, -1),
            ("1970-01-01T00:00:00.000001000", TimeType::Naive, 1),
            ("1970-01-01 01:30:00+01:30", TimeType::Utc, 0),
            ("1969-12-31T19:00:00-05:00", TimeType::Utc, 0),
        ] {
            assert_eq!(parse(text.as_bytes()), Some((time, value)), "{text}");
        }
    }

    #[test]
    fn what_is_no_day_and_no_moment() {
        for text in [
            "",
            "1970",
            "1970-1-1",
            "1970-13-01",
            "1970-00-01",
            "1970-01-00",
            "1970-01-32",
            "2023-02-29",
            "1900-02-29",
            "0000-01-01",
            "01/02/2024",
            "19700101",
            "1970-01-01T",
            "1970-01-01T00:00",
            "1970-01-01T24:00:00",
            "1970-01-01T00:60:00",
            "2016-12-31T23:59:60Z",
            "1970-01-01T00:00:00.",
            "1970-01-01T00:00:00.0000001",
            "1970-01-01t00:00:00",
            "1970-01-01T00:00:00z",
            "1970-01-01T00:00:00+24:00",
            "1970-01-01T00:00:00+0100",
            "1970-01-01T00:00:00 Z",
            "1970-01-01  00:00:00",
            "0001-01-01T00:00:00+00:01",
            "9999-12-31T23:59:59-00:01",
            "1970-01-01x",
            "19é0-01-01",
        ] {
            assert_eq!(parse(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn only_the_years_1_to_9999_are_held() {
        assert!(TimeType::Date.holds(FIRST_DAY) && !TimeType::Date.holds(FIRST_DAY - 1));
        assert!(TimeType::Utc.holds(LAST_DAY * DAY + DAY - 1));
        assert!(!TimeType::Utc.holds((LAST_DAY + 1) * DAY));
        assert!(!TimeType::Naive.holds(FIRST_DAY * DAY - 1));
        assert!(!TimeType::Date.holds(i64::MIN) && !TimeType::Utc.holds(i64::MAX));
    }

    proptest! {
        #[test]
        fn texts_are_read_back(
            day in values(TimeType::Date),
            moment in values(TimeType::Utc),
        ) {
            let texts = [
                (TimeType::Date, day),
                (TimeType::Naive, moment),
                (TimeType::Utc, moment),
            ];
            for (time, value) in texts {
                let text = time.text(value);
                prop_assert_eq!(parse(text.as_bytes()), Some((time, value)));
                prop_assert_eq!(time.parse(text.as_bytes()), Some(value));
            }
        }

        #[test]
        fn days_follow_one_another(day in FIRST_DAY..LAST_DAY) {
            prop_assert!(date_text(day) < date_text(day + 1));
        }

        #[test]
        fn any_text_is_taken_or_refused(text in "[0-9]{4}-[0-9]{2}-[0-9]{2}[T ]?[0-9:.Z+-]{0,18}") {
            if let Some((time, value)) = parse(text.as_bytes()) {
                prop_assert!(time.holds(value));
            }
        }
    }
}
