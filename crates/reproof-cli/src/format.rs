//! Numbers, times and lists as a person reads them.

use reproof_record::{ArtifactKind, LogicalType, Timestamp};

/// A count with its thousands apart: 7043 as `7,043`.
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A count and its noun: `1 row`, `2 rows`.
pub fn counted(number: u64, noun: &str) -> String {
    format!(
        "{} {noun}{}",
        count(number),
        if number == 1 { "" } else { "s" }
    )
}

/// How much data is: its rows, or its files.
pub fn amount(kind: ArtifactKind, count: u64) -> String {
    counted(
        count,
        if kind == ArtifactKind::Table {
            "row"
        } else {
            "file"
        },
    )
}

/// How large data is: `7,043 rows x 20`, `12 files`.
pub fn size(kind: ArtifactKind, count: u64, columns: u64) -> String {
    match kind {
        ArtifactKind::Table => format!("{} x {columns}", amount(kind, count)),
        _ => amount(kind, count),
    }
}

/// A duration in seconds, with as many digits as a person wants.
pub fn seconds(micros: u64) -> String {
    let seconds = micros as f64 / 1e6;
    match seconds {
        s if s < 0.095 => format!("{s:.3} s"),
        s if s < 0.95 => format!("{s:.2} s"),
        s if s < 100.0 => format!("{s:.1} s"),
        s => format!("{s:.0} s"),
    }
}

/// A size: `512 bytes`, `47 KB`, `4.2 MB`.
pub fn bytes(size: u64) -> String {
    match size {
        0..10_000 => counted(size, "byte"),
        10_000..1_000_000 => format!("{} KB", size / 1000),
        1_000_000..100_000_000 => format!("{:.1} MB", size as f64 / 1e6),
        _ => format!("{} MB", count(size / 1_000_000)),
    }
}

/// The wall time between two moments, in microseconds.
pub fn between(from: Timestamp, to: Timestamp) -> u64 {
    u64::try_from(to.0 - from.0).unwrap_or(0)
}

/// A metric: three decimals for what lies between -10 and 10, else five digits.
pub fn metric(value: f64) -> String {
    if value.abs() < 10.0 {
        return format!("{value:.3}");
    }
    let digits = if value.abs() < 1000.0 { 2 } else { 1 };
    format!("{value:.digits$}")
}

/// A text in a column of this width, apart from what follows it, however long it is.
pub fn padded(text: &str, width: usize) -> String {
    if text.chars().count() < width {
        format!("{text:<width$}")
    } else {
        format!("{text}  ")
    }
}

/// How far a metric moved, with its sign.
pub fn signed(value: f64) -> String {
    let text = metric(value);
    // Rounding may leave nothing of a small number but its sign.
    if text.trim_start_matches('-').parse() == Ok(0.0) {
        return text.trim_start_matches('-').to_owned();
    }
    if value > 0.0 {
        format!("+{text}")
    } else {
        text
    }
}

/// A number in about five digits.
pub fn short(value: f64) -> String {
    let size = value.abs();
    if size >= 1e9 || (size > 0.0 && size < 1e-4) {
        return format!("{value:.3e}");
    }
    let digits = match size {
        s if s >= 10_000.0 => 0,
        s if s >= 100.0 => 1,
        s if s >= 1.0 => 2,
        _ => 4,
    };
    format!("{value:.digits$}")
}

/// A value of a column from its canonical text, floats in about five digits.
pub fn value(text: &str, logical_type: LogicalType) -> String {
    match text.parse::<f64>() {
        Ok(number) if logical_type == LogicalType::Float && text.len() > 6 => short(number),
        _ => text.to_owned(),
    }
}

/// The first characters of a text, with a mark where it is cut.
pub fn cut(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    let mut cut: String = text.chars().take(width.saturating_sub(1)).collect();
    cut.push('…');
    cut
}

/// A text of the data as a terminal may show it: control characters escaped, and nothing as quotes.
pub fn visible(text: &str) -> String {
    if text.is_empty() {
        return "\"\"".to_owned();
    }
    let mut out = String::new();
    for c in text.chars() {
        if c.is_control() || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}') {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
    }
    out
}

/// A moment in the time zone of the machine, to the second.
pub fn local(moment: Timestamp) -> String {
    match jiff::Timestamp::from_microsecond(moment.0) {
        Ok(timestamp) => {
            let zoned = timestamp.to_zoned(jiff::tz::TimeZone::system());
            zoned.strftime("%Y-%m-%d %H:%M:%S").to_string()
        }
        Err(_) => "?".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_stand_apart() {
        let texts = [0, 7, 999, 1000, 53_940, 1_234_567].map(count);
        assert_eq!(texts, ["0", "7", "999", "1,000", "53,940", "1,234,567"]);
    }

    #[test]
    fn a_long_name_stands_apart_from_what_follows() {
        assert_eq!(padded("split", 8), "split   ");
        assert_eq!(padded("preprocess", 8), "preprocess  ");
    }

    #[test]
    fn one_is_singular() {
        assert_eq!([counted(1, "row"), counted(0, "row")], ["1 row", "0 rows"]);
    }

    #[test]
    fn values_of_columns() {
        let texts = [0.0, 0.12345, 12.3456, 1234.5678, 123_456.7, 1.5e12, 2e-7].map(short);
        assert_eq!(
            texts,
            [
                "0.0000", "0.1235", "12.35", "1234.6", "123457", "1.500e12", "2.000e-7"
            ]
        );
        assert_eq!(value("0.1234567", LogicalType::Float), "0.1235");
        assert_eq!(value("2024-02-29", LogicalType::Date), "2024-02-29");
        assert_eq!(cut("abcdef", 4), "abc…");
        assert_eq!([visible(""), visible("a\u{1b}b")], ["\"\"", "a\\u{1b}b"]);
    }

    #[test]
    fn seconds_and_metrics() {
        let texts = [20_000, 250_000, 1_900_000, 123_400_000].map(seconds);
        assert_eq!(texts, ["0.020 s", "0.25 s", "1.9 s", "123 s"]);
        let texts = [0.84217, 54.321, 1138.77].map(metric);
        assert_eq!(texts, ["0.842", "54.32", "1138.8"]);
    }
}
