//! Which records are verified where none is named: for a job that runs every night.

use std::collections::BTreeSet;
use std::str::FromStr;

use reproof_catalog::ExecutionFilter;
use reproof_record::{Digest, ExecutionKind, RecordId, Timestamp};

use crate::{EngineError, Project};

/// Microseconds of a day.
const DAY: i64 = 86_400_000_000;

/// A share of records, in hundredths of a percent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share(u32);

impl Share {
    const WHOLE: u32 = 10_000;

    /// Whether a record is among those that are chosen on this day (UTC). The same for everyone, and
    /// another choice every day: the BLAKE3 of the record's ID and the day, taken as a number, lies
    /// below the share.
    fn takes(self, record: &RecordId, at: Timestamp) -> bool {
        let day = at.0.div_euclid(DAY);
        let digest = Digest::of(format!("{record} {day}").as_bytes());
        let first = digest.as_bytes().first_chunk().copied().unwrap_or_default();
        u64::from_le_bytes(first) % u64::from(Self::WHOLE) < u64::from(self.0)
    }
}

impl FromStr for Share {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wanted = || "wanted is a share such as 5% or 0.5%, up to 100%".to_owned();
        let number = text.strip_suffix('%').ok_or_else(wanted)?;
        let percent: f64 = number.trim().parse().map_err(|_| wanted())?;
        if !(0.01..=100.0).contains(&percent) {
            return Err(wanted());
        }
        Ok(Self((percent * 100.0).round() as u32))
    }
}

/// The records that were run since then, oldest first, or a share of them.
///
/// # Errors
/// If the catalogue cannot be read.
pub fn choose(
    project: &Project,
    since: Option<Timestamp>,
    share: Option<Share>,
) -> Result<Vec<RecordId>, EngineError> {
    let filter = ExecutionFilter {
        kind: Some(ExecutionKind::Run),
        with_record: true,
        ..ExecutionFilter::default()
    };
    let now = project.services.clock.now();
    let mut runs = project.catalog.executions(&filter)?;
    runs.retain(|run| since.is_none_or(|since| run.started >= since));
    runs.sort_by_key(|run| (run.started, run.id));
    let mut seen = BTreeSet::new();
    let records = runs.into_iter().filter_map(|run| run.record);
    Ok(records
        .filter(|record| seen.insert(*record))
        .filter(|record| share.is_none_or(|share| share.takes(record, now)))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_read_and_kept_to() {
        for wrong in ["5", "0%", "101%", "x%", "", "-1%"] {
            assert!(wrong.parse::<Share>().is_err(), "{wrong}");
        }
        let records: Vec<_> = (0..2000_u32)
            .map(|number| RecordId::from_digest(Digest::of(&number.to_le_bytes())))
            .collect();
        let taken = |share: &str, day: i64| {
            let share: Share = share.parse().unwrap();
            let at = Timestamp(day * DAY + 5);
            let taken = records.iter().filter(|record| share.takes(record, at));
            taken.copied().collect::<BTreeSet<_>>()
        };
        assert_eq!(taken("100%", 1).len(), records.len());
        let first = taken("5%", 1);
        assert!((60..140).contains(&first.len()), "{}", first.len());
        assert_eq!(taken("5%", 1), first);
        assert_ne!(taken("5%", 2), first);
        // Whoever is among a few is among more.
        assert!(first.is_subset(&taken("20%", 1)));
    }
}
