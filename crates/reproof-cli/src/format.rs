//! Numbers, times and lists as a person reads them.

use reproof_record::Timestamp;

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
    fn one_is_singular() {
        assert_eq!([counted(1, "row"), counted(0, "row")], ["1 row", "0 rows"]);
    }

    #[test]
    fn seconds_and_metrics() {
        let texts = [20_000, 250_000, 1_900_000, 123_400_000].map(seconds);
        assert_eq!(texts, ["0.020 s", "0.25 s", "1.9 s", "123 s"]);
        let texts = [0.84217, 54.321, 1138.77].map(metric);
        assert_eq!(texts, ["0.842", "54.32", "1138.8"]);
    }
}
